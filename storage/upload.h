/* storage/upload.h: upload sessions: bytes received in any number of requests, hashed as they come,
 * and made a blob of a repository in one durable step.
 *
 * A session is a row (repository, who opened it, algorithm) and a staging area; its offset is the
 * size of the staging area, so both survive a restart of the program. While it is in use its open
 * file and running hash are kept in memory; a session that was let go of for long, or by an earlier
 * process, is opened again and what has not been hashed is read back when it is finished.
 *
 * One request at a time holds a session, from begin or open to ko_upload_release(); a second one
 * gets CONFLICT and changes nothing.
 *
 *     ko_upload_begin | ko_upload_open, ko_upload_append*, [ko_upload_finish | ko_upload_cancel],
 *     ko_upload_release
 *
 * Spec:    OCI Distribution 1.1 "Pushing blobs"; main: end-4c (digest-algorithm), end-14 (cancel).
 * Threads: ko_uploads from any thread; a held ko_upload from one thread at a time.
 * Blocks:  yes, all but the plain getters: call from a work item, never from a loop. */
#ifndef KO_STORAGE_UPLOAD_H
#define KO_STORAGE_UPLOAD_H

#include "common/base/ids.h"
#include "storage/blob.h"
#include "storage/meta.h"

typedef struct ko_uploads ko_uploads;
typedef struct ko_upload ko_upload;

typedef struct {
    uint64_t lease_s; /* how long a finished blob is safe without a manifest; 0: a day */
    uint64_t idle_ms; /* after this an unused session's file and hash are closed; 0: 5 minutes */
    size_t idle_max;  /* unused sessions with open files at most, the oldest go; 0: 256 */
    int64_t (*now_s)(void); /* wall clock; NULL: ko_clock_wall_s */
} ko_uploads_options;

/* `store` and `meta` outlive the result; `options` may be NULL. Owned by the caller:
 * ko_uploads_free(), when no session is held any more. */
ko_uploads *ko_uploads_new(ko_blob_store *store, ko_meta *meta, const ko_uploads_options *options);
ko_uploads *ko_uploads_free(ko_uploads *uploads);
KO_DEFINE_AUTOPTR(ko_uploads, ko_uploads_free);

/* Closes what has been idle too long. Cheap; call it about once a minute. Also done in passing. */
void ko_uploads_sweep(ko_uploads *uploads);
/* Sessions in memory now: held by a request, and unused (for /metrics). */
void ko_uploads_stats(ko_uploads *uploads, size_t *held, size_t *idle);

/* What is known of a session without holding it. */
typedef struct {
    char id[KO_IDS_UUID_MAX];
    char repo[KO_MAX_REPO_NAME + 1];
    int64_t account_id; /* who opened it; 0: nobody in particular */
    ko_hash_alg alg;    /* hashed with while receiving */
    uint64_t offset;    /* bytes received */
    int64_t started_at_s;
} ko_upload_info;

/* Status of a session of this repository, held or not. errors NOT_FOUND: no such session, or of
 * another repository; IO. */
KO_MUST_USE int ko_upload_find(ko_uploads *uploads, ko_str repo, ko_str id, ko_upload_info *out,
                               ko_err *err);

typedef enum {
    KO_UPLOAD_RESUMABLE, /* has a row; stays for later requests when it is released */
    KO_UPLOAD_ONCE       /* no row, cannot be found; discarded on release unless finished */
} ko_upload_kind;

/* A new session, held by the caller: ko_upload_release(). The repository need not exist yet.
 * errors NO_SPACE; UNAVAILABLE; IO. */
KO_MUST_USE int ko_upload_begin(ko_uploads *uploads, ko_str repo, int64_t account_id,
                                ko_hash_alg alg, ko_upload_kind kind, ko_upload **out, ko_err *err);
/* Takes hold of a session. errors NOT_FOUND as ko_upload_find(); CONFLICT: another request holds
 * it; IO. */
KO_MUST_USE int ko_upload_open(ko_uploads *uploads, ko_str repo, ko_str id, ko_upload **out,
                               ko_err *err);
/* Ends the hold. The bytes received stay for the next request, unless the session was finished,
 * cancelled, or of kind ONCE. Accepts NULL, returns NULL. */
ko_upload *ko_upload_release(ko_upload *upload);
KO_DEFINE_AUTOPTR(ko_upload, ko_upload_release);

/* Getters of a held session; these do not block. */
const char *ko_upload_id(const ko_upload *upload);
const char *ko_upload_repo(const ko_upload *upload);
int64_t ko_upload_account(const ko_upload *upload);
uint64_t ko_upload_offset(const ko_upload *upload);

/* The most bytes the whole blob may have from now on, for this hold (size limit, quota). */
void ko_upload_limit(ko_upload *upload, uint64_t max_bytes);

/* Writes and hashes at the end. Bytes that were written stay even if a later call fails, so the
 * offset after a failure is true. errors TOO_LARGE: over the limit, nothing of these bytes was
 * taken; NO_SPACE; IO. */
KO_MUST_USE int ko_upload_append(ko_upload *upload, const void *bytes, size_t len, ko_err *err);

/* Verifies the digest (of either algorithm), makes the blob durable, and in one durable write links
 * it into the repository with a lease and removes the session's row. Success is a promise: the blob
 * is not collected before the lease ends.
 * also    runs first in that same transaction, for instance to make the repository or to check a
 *         quota; may be NULL. It may run more than once.
 * errors  DIGEST_MISMATCH: the session is gone (spec "Pushing blobs", 400 DIGEST_INVALID); any
 *         other: the session is as before, but takes no more bytes, and finish may be tried again:
 *         NO_SPACE, UNAVAILABLE, IO, NOT_FOUND (no such repository), those of `also`. */
KO_MUST_USE int ko_upload_finish(ko_upload *upload, const ko_digest *digest, ko_meta_fn *also,
                                 void *also_arg, ko_err *err);

/* Removes the session and its bytes. Still to be released. errors IO, UNAVAILABLE. */
KO_MUST_USE int ko_upload_cancel(ko_upload *upload, ko_err *err);

/* A whole small blob that is in memory, without a session: verify, store, link, lease.
 * errors as ko_upload_finish(); nothing is left behind. */
KO_MUST_USE int ko_upload_once(ko_uploads *uploads, ko_str repo, const ko_digest *digest,
                               const void *bytes, size_t len, ko_meta_fn *also, void *also_arg,
                               ko_err *err);

/* Removes sessions untouched for `idle_s` and staging areas older than `orphan_s` that no row
 * names. A held session is left alone. Counts are added to `sessions` and `orphans` (may be NULL).
 * errors IO, UNAVAILABLE; what could be removed has been. */
KO_MUST_USE int ko_uploads_reap(ko_uploads *uploads, uint64_t idle_s, uint64_t orphan_s,
                                size_t *sessions, size_t *orphans, ko_err *err);

#endif
