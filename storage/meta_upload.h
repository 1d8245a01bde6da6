/* storage/meta_upload.h: upload sessions. The bytes are in the content store's staging area of the
 * same id; how many have arrived is read from there.
 *
 * A session names its repository by name, which need not exist: clients open and cancel sessions
 * only to learn whether they may push, and that leaves nothing behind.
 *
 * Spec:    OCI Distribution 1.1 "Pushing a blob in chunks", "Cancel Blob Upload".
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_UPLOAD_H
#define KO_STORAGE_META_UPLOAD_H

#include "common/base/hash.h"
#include "common/base/ids.h"
#include "storage/meta_repo.h"

typedef struct {
    char id[KO_IDS_UUID_MAX];
    char repo[KO_MAX_REPO_NAME + 1];
    int64_t account_id; /* who opened it: its expired token is still good for it; 0 anonymous */
    ko_hash_alg alg;    /* hashed with while receiving */
    int64_t created_at_s;
    int64_t touched_at_s;
} ko_meta_upload;

/* errors EXISTS. */
KO_MUST_USE int ko_meta_upload_add(ko_meta_tx *tx, const ko_meta_upload *upload, ko_err *err);
/* Only when it is a session of this repository. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_upload_find(ko_meta_tx *tx, ko_str id, ko_str repo, ko_meta_upload *out,
                                    ko_err *err);
/* Is there a session of this id, of whatever repository? */
KO_MUST_USE int ko_meta_upload_exists(ko_meta_tx *tx, ko_str id, bool *out, ko_err *err);
/* Bytes arrived: the reaper waits again. Write it lazily. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_upload_touch(ko_meta_tx *tx, ko_str id, int64_t at_s, ko_err *err);
/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_upload_remove(ko_meta_tx *tx, ko_str id, ko_err *err);
/* Sessions untouched since before `before_s`, longest first, at most `limit`: for the reaper. */
KO_MUST_USE int ko_meta_upload_list_idle(ko_meta_tx *tx, int64_t before_s, size_t limit,
                                         ko_arena *arena, ko_meta_upload **out, size_t *count,
                                         ko_err *err);
/* Open sessions: of one account, or with 0 of all. */
KO_MUST_USE int ko_meta_upload_count(ko_meta_tx *tx, int64_t account_id, uint64_t *out,
                                     ko_err *err);

#endif
