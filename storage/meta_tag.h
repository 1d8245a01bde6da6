/* storage/meta_tag.h: tags, movable names of manifests, and the history of their moves.
 *
 * Spec:    OCI Distribution 1.1 "Listing Tags" (byte order), "Deleting tags".
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_TAG_H
#define KO_STORAGE_META_TAG_H

#include "common/oci/digest.h"
#include "storage/meta_repo.h"

typedef struct {
    char name[KO_MAX_TAG + 1];
    ko_digest digest;
    uint64_t size_bytes; /* of the manifest */
    int64_t updated_at_s;
} ko_meta_tag;

/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_tag_find(ko_meta_tx *tx, int64_t repo_id, ko_str name, ko_meta_tag *out,
                                 ko_err *err);

/* What a tag must be now for a change to happen: the If-Match and If-None-Match of a request. */
typedef struct {
    enum {
        KO_META_TAG_ANY,     /* whatever it is */
        KO_META_TAG_IS,      /* exactly `digest` */
        KO_META_TAG_PRESENT, /* there, with any digest ("If-Match: *") */
        KO_META_TAG_ABSENT   /* not there ("If-None-Match: *") */
    } must;
    ko_digest digest; /* for KO_META_TAG_IS */
} ko_meta_tag_expect;

/* Points the tag to a manifest of the repository, makes it when missing, and writes its history.
 * `expect` may be NULL. A tag that points there already is success without a history row.
 * errors NOT_FOUND: no such manifest; CONFLICT: not as expected; INVALID: not a tag. */
KO_MUST_USE int ko_meta_tag_set(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str name,
                                const ko_digest *digest, const ko_meta_tag_expect *expect,
                                ko_meta_by by, ko_err *err);
/* errors NOT_FOUND; CONFLICT. */
KO_MUST_USE int ko_meta_tag_delete(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str name,
                                   const ko_meta_tag_expect *expect, ko_meta_by by, ko_err *err);

/* In byte order, strictly after `last` ("" from the start), at most `limit`. */
KO_MUST_USE int ko_meta_tag_list(ko_meta_tx *tx, int64_t repo_id, ko_str last, size_t limit,
                                 ko_arena *arena, ko_meta_tag **out, size_t *count, ko_err *err);
/* The names only, the same order: what `tags/list` answers. */
KO_MUST_USE int ko_meta_tag_list_names(ko_meta_tx *tx, int64_t repo_id, ko_str last, size_t limit,
                                       ko_arena *arena, ko_str **out, size_t *count, ko_err *err);
/* The tags of one manifest, in byte order. */
KO_MUST_USE int ko_meta_tag_list_of(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digest,
                                    ko_arena *arena, ko_str **out, size_t *count, ko_err *err);
/* How many there are (for /metrics). */
KO_MUST_USE int ko_meta_tag_count(ko_meta_tx *tx, uint64_t *out, ko_err *err);

typedef struct {
    int64_t id; /* where the next page starts */
    char name[KO_MAX_TAG + 1];
    char old_digest[KO_MAX_DIGEST];        /* "": it was made */
    char new_digest[KO_MAX_DIGEST];        /* "": it was deleted */
    int64_t account_id;                    /* who; 0: the server */
    char account[KO_MAX_ACCOUNT_NAME + 1]; /* "": unknown or removed since */
    int64_t at_s;
} ko_meta_tag_change;

/* Newest first, those before `before_id` (0 from the newest), of one tag or, with an empty name, of
 * the whole repository. */
KO_MUST_USE int ko_meta_tag_list_history(ko_meta_tx *tx, int64_t repo_id, ko_str name,
                                         int64_t before_id, size_t limit, ko_arena *arena,
                                         ko_meta_tag_change **out, size_t *count, ko_err *err);

#endif
