/* storage/meta_owner.h: namespaces. An account and a group share one set of names; each owns the
 * repositories whose first path component is its name. What both have is here; what only one has is
 * in meta_account.h and meta_group.h.
 *
 * Changes raise the rights generation. Threads: as the transaction. */
#ifndef KO_STORAGE_META_OWNER_H
#define KO_STORAGE_META_OWNER_H

#include "common/base/limits.h"
#include "storage/meta.h"
#include "storage/meta_types.h"

/* The numbers are stored: never renumber. */
typedef enum {
    KO_META_OWNER_NONE = 0, /* nobody but administrators */
    KO_META_OWNER_ACCOUNT = 1,
    KO_META_OWNER_GROUP = 2
} ko_meta_owner_kind;

#define KO_META_QUOTA_DEFAULT   (-1) /* what the configuration says */
#define KO_META_QUOTA_UNLIMITED INT64_MAX

typedef struct {
    int64_t id;
    ko_meta_owner_kind kind;
    char name[KO_MAX_ACCOUNT_NAME + 1];
    ko_meta_visibility default_visibility; /* of repositories made by a first push */
    int64_t quota_private_repos;           /* count, or KO_META_QUOTA_* */
    int64_t quota_bytes;                   /* deduplicated, or KO_META_QUOTA_* */
    int64_t created_at_s;
} ko_meta_owner;

/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_owner_find(ko_meta_tx *tx, ko_str name, ko_meta_owner *out, ko_err *err);
KO_MUST_USE int ko_meta_owner_load(ko_meta_tx *tx, int64_t id, ko_meta_owner *out, ko_err *err);

/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_owner_set_visibility(ko_meta_tx *tx, int64_t id, ko_meta_visibility value,
                                             ko_err *err);
KO_MUST_USE int ko_meta_owner_set_quota(ko_meta_tx *tx, int64_t id, int64_t private_repos,
                                        int64_t bytes, ko_err *err);

/* What an owner uses now. */
typedef struct {
    uint64_t repos;
    uint64_t private_repos;
    uint64_t bytes; /* blobs and manifests, each digest counted once */
} ko_meta_usage;

/* The exact figures; cost grows with the owner's blobs. */
KO_MUST_USE int ko_meta_owner_usage(ko_meta_tx *tx, int64_t id, ko_meta_usage *out, ko_err *err);

/* Would `extra_bytes` more pass `max_bytes`? Decides by the sum over the owner's repositories when
 * that is enough, and counts exactly only close to the limit. errors TOO_LARGE: it would. */
KO_MUST_USE int ko_meta_owner_check_bytes(ko_meta_tx *tx, int64_t id, uint64_t extra_bytes,
                                          uint64_t max_bytes, ko_err *err);

#endif
