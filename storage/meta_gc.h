/* storage/meta_gc.h: what the garbage collector asks of the database.
 *
 * Deletes, tag moves and leases put rows into a review queue, each with a time. The collector works
 * through what is due, one row per write transaction, milliseconds each:
 *   LINK      a blob in a repository: no manifest there points to it and its lease is over -> the
 *             link goes, and the blob itself is queued
 *   BLOB      no repository has it -> the row becomes CONDEMNED
 *   MANIFEST  only when a policy says so: untagged for long enough, in no index, no referrer of
 *             something that exists -> deleted as by a client
 * The file of a blob goes in three more steps, so that no order of crashes, full disks and
 * concurrent uploads loses a blob that someone links (see meta_blob.h):
 *   1. the review that condemns is written DURABLE: no link can come back after a power cut;
 *   2. ko_meta_gc_list_condemned() in a read (so it was committed), then for each
 *      ko_meta_gc_quarantine() in a write: looks again, hides the file by the hook, marks the row;
 *   3. after a grace time ko_meta_gc_purge(): removes the file by the hook, then the row.
 * Hooks run inside the write, so they are serialised with uploads taking the blob back; a hook
 * whose work was done already is success.
 *
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_GC_H
#define KO_STORAGE_META_GC_H

#include "common/oci/digest.h"
#include "storage/meta_blob.h"

/* Stored: never renumber. */
typedef enum { KO_META_GC_LINK = 0, KO_META_GC_BLOB = 1, KO_META_GC_MANIFEST = 2 } ko_meta_gc_kind;

typedef struct {
    ko_meta_gc_kind kind;
    int64_t repo_id; /* 0 for BLOB */
    ko_digest digest;
    int64_t due_at_s;
    int64_t since_s; /* when it was queued last */
} ko_meta_gc_item;

/* What is due, the oldest first, at most `limit`. Nothing is taken out: the review does that. */
KO_MUST_USE int ko_meta_gc_list_due(ko_meta_tx *tx, int64_t now_s, size_t limit, ko_arena *arena,
                                    ko_meta_gc_item **out, size_t *count, ko_err *err);

typedef struct {
    int64_t now_s;
    int64_t untagged_keep_s; /* untagged manifests go after this time; 0: they stay for ever */
} ko_meta_gc_policy;

typedef enum {
    KO_META_GC_GONE,      /* it was not there any more */
    KO_META_GC_KEPT,      /* in use */
    KO_META_GC_LATER,     /* back into the queue for a later time */
    KO_META_GC_UNLINKED,  /* LINK: removed from the repository */
    KO_META_GC_CONDEMNED, /* BLOB: go on with ko_meta_gc_quarantine() */
    KO_META_GC_DELETED    /* MANIFEST: deleted */
} ko_meta_gc_verdict;

/* Reviews one item in a write transaction (DURABLE, see above). *bytes is what becomes free. */
KO_MUST_USE int ko_meta_gc_review(ko_meta_tx *tx, const ko_meta_gc_item *item,
                                  const ko_meta_gc_policy *policy, ko_meta_gc_verdict *verdict,
                                  uint64_t *bytes, ko_err *err);

typedef struct {
    void *arg;
    int (*run)(void *arg, const ko_digest *digest, ko_err *err);
} ko_meta_gc_hook;

/* Blobs by id, after `after_id`, at most `limit`: those condemned, and those quarantined before
 * `before_s`. In a read transaction. */
KO_MUST_USE int ko_meta_gc_list_condemned(ko_meta_tx *tx, int64_t after_id, size_t limit,
                                          ko_arena *arena, ko_meta_blob **out, size_t *count,
                                          ko_err *err);
KO_MUST_USE int ko_meta_gc_list_quarantined(ko_meta_tx *tx, int64_t before_s, int64_t after_id,
                                            size_t limit, ko_arena *arena, ko_meta_blob **out,
                                            size_t *count, ko_err *err);
/* Runs the hook and moves the row on when the blob is still CONDEMNED, or QUARANTINED; *done tells.
 * In a write transaction. errors the hook's. */
KO_MUST_USE int ko_meta_gc_quarantine(ko_meta_tx *tx, const ko_digest *digest, int64_t now_s,
                                      const ko_meta_gc_hook *hook, bool *done, ko_err *err);
KO_MUST_USE int ko_meta_gc_purge(ko_meta_tx *tx, const ko_digest *digest,
                                 const ko_meta_gc_hook *hook, bool *done, ko_err *err);

/* Queues untagged manifests by id, after `after_id`, looking at no more than `limit` rows: run over
 * all of them when a policy for them is switched on. *next_id is 0 at the end. */
KO_MUST_USE int ko_meta_gc_queue_untagged(ko_meta_tx *tx, int64_t after_id, size_t limit,
                                          int64_t at_s, int64_t *next_id, ko_err *err);

/* For the report, the dry run and /metrics. */
typedef struct {
    uint64_t queued;            /* rows in the review queue */
    uint64_t due;               /* of these, due now */
    uint64_t condemned;         /* blobs */
    uint64_t quarantined;       /* blobs */
    uint64_t quarantined_bytes; /* free after the next purge; condemned ones counted too */
} ko_meta_gc_stats;
KO_MUST_USE int ko_meta_gc_count(ko_meta_tx *tx, int64_t now_s, ko_meta_gc_stats *out, ko_err *err);

/* What a collection would free if every lease ended at `now_s`: links no manifest needs, blobs left
 * without a link then, and their bytes. Reads everything once: for the dry run only. */
typedef struct {
    uint64_t links;
    uint64_t blobs;
    uint64_t bytes;
} ko_meta_gc_estimate;
KO_MUST_USE int ko_meta_gc_dry_run(ko_meta_tx *tx, int64_t now_s, ko_meta_gc_estimate *out,
                                   ko_err *err);

#endif
