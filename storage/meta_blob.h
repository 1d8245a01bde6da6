/* storage/meta_blob.h: which blobs exist, and which repositories they belong to.
 *
 * A blob row says that the content store has (or may have) its bytes; a link lets one repository
 * serve it. A link carries a lease: until then the garbage collector keeps it even though no
 * manifest points to the blob yet. Whatever is uploaded, mounted or answered "exists" gets a lease,
 * because the client now relies on it for the manifest it is about to push.
 *
 * How uploads and the collector meet (see meta_gc.h): the collector hides a file only inside a
 * write transaction, only after the row was committed as CONDEMNED, and an upload takes the row
 * back inside a write transaction too. So an upload:
 *   1. publishes the file in the store (ko_blob_stage_publish());
 *   2. in one write: ko_meta_blob_put(); unless that says LIVE, looks whether the file is still in
 *      place, restores it if not (ko_blob_restore()), and publishes again if that finds none;
 *      then ko_meta_blob_link();
 *   3. discards the staging area.
 *
 * Spec:    OCI Distribution 1.1 "Pushing blobs", "Mounting a blob from another repository".
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_BLOB_H
#define KO_STORAGE_META_BLOB_H

#include "common/oci/digest.h"
#include "storage/meta_repo.h"

#define KO_META_LEASE_S (24 * 3600) /* the default length of a lease, seconds */

/* Stored: never renumber. */
typedef enum {
    KO_META_BLOB_LIVE = 0,
    KO_META_BLOB_CONDEMNED = 1,  /* no repository has it; its file may be hidden at any moment */
    KO_META_BLOB_QUARANTINED = 2 /* its file is hidden, and will be removed later */
} ko_meta_blob_state;

typedef struct {
    int64_t id;
    ko_digest digest;
    uint64_t size_bytes;
    int64_t created_at_s;
    ko_meta_blob_state state;
} ko_meta_blob;

typedef struct {
    ko_meta_blob blob;
    int64_t lease_until_s;
} ko_meta_link;

/* The blob as linked into a repository. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_blob_find(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digest,
                                  ko_meta_link *out, ko_err *err);
/* The blob anywhere, linked or not. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_blob_find_any(ko_meta_tx *tx, const ko_digest *digest, ko_meta_blob *out,
                                      ko_err *err);

/* Has at least half of a lease of `lease_s` left: no need to write a new one. */
static inline bool ko_meta_lease_is_fresh(int64_t lease_until_s, int64_t now_s, int64_t lease_s)
{
    return lease_until_s - now_s >= lease_s / 2;
}

/* Makes the row, or brings a condemned or quarantined one back to LIVE.
 * was     its state before; LIVE also when it is new. NULL if unwanted.
 * errors  CORRUPT: known under another size. */
KO_MUST_USE int ko_meta_blob_put(ko_meta_tx *tx, const ko_digest *digest, uint64_t size_bytes,
                                 int64_t at_s, ko_meta_blob *out, ko_meta_blob_state *was,
                                 ko_err *err);

/* Links a LIVE blob into the repository, or extends the lease of its link, never shortening it.
 * Tells in *was_new (may be NULL) whether the link is new. errors NOT_FOUND: the blob is gone or
 * condemned (mount: answer with an upload session). */
KO_MUST_USE int ko_meta_blob_link(ko_meta_tx *tx, const ko_meta_repo *repo, const ko_digest *digest,
                                  int64_t lease_until_s, bool *was_new, ko_err *err);
/* Extends the lease of an existing link. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_blob_renew(ko_meta_tx *tx, const ko_meta_repo *repo,
                                   const ko_digest *digest, int64_t lease_until_s, ko_err *err);
/* Removes the link and queues the blob for review. errors NOT_FOUND; CONFLICT: a manifest of the
 * repository points to it and `force` is not given. */
KO_MUST_USE int ko_meta_blob_unlink(ko_meta_tx *tx, const ko_meta_repo *repo,
                                    const ko_digest *digest, bool force, int64_t at_s, ko_err *err);

/* The bytes are stored but nobody came to link them: gives a blob without a row one, for the
 * collector to find; one that has a row is left as it is. */
KO_MUST_USE int ko_meta_blob_disown(ko_meta_tx *tx, const ko_digest *digest, uint64_t size_bytes,
                                    int64_t at_s, ko_err *err);
/* ko_meta_touch_repo() for every repository that has this blob: its file has gone. */
KO_MUST_USE int ko_meta_blob_touch(ko_meta_tx *tx, const ko_digest *digest, ko_err *err);

/* Repositories that have this LIVE blob and that the caller may pull from: for a mount that names
 * no source. At most `limit`, in no particular order. */
KO_MUST_USE int ko_meta_blob_list_repos(ko_meta_tx *tx, const ko_digest *digest,
                                        ko_meta_caller caller, size_t limit, ko_arena *arena,
                                        ko_meta_repo **out, size_t *count, ko_err *err);

/* All blobs by id, after `after_id` (0 from the start), at most `limit`: for scrub and check. */
KO_MUST_USE int ko_meta_blob_list(ko_meta_tx *tx, int64_t after_id, size_t limit, ko_arena *arena,
                                  ko_meta_blob **out, size_t *count, ko_err *err);

/* Who would miss a blob: links to it, and manifests that point to it. */
typedef struct {
    uint64_t links;
    uint64_t manifests;
} ko_meta_blob_uses;
KO_MUST_USE int ko_meta_blob_count_uses(ko_meta_tx *tx, const ko_digest *digest,
                                        ko_meta_blob_uses *out, ko_err *err);

/* How many LIVE blobs there are, and their bytes (for /metrics); scans an index. */
KO_MUST_USE int ko_meta_blob_count(ko_meta_tx *tx, uint64_t *blobs, uint64_t *bytes, ko_err *err);

#endif
