/* storage/gc.h: garbage collection while the server serves.
 *
 * What may go is decided by the database alone (meta_gc.h: reference edges, leases, a review
 * queue); here its verdicts are carried out on the files, one row per transaction, with a pause
 * between any two. A file is first hidden, and removed after a grace time.
 *
 * Threads: any; several collectors at once, also of several processes, do no harm.
 * Blocks:  yes. */
#ifndef KO_STORAGE_GC_H
#define KO_STORAGE_GC_H

#include "storage/blob.h"
#include "storage/meta_gc.h"

#define KO_GC_GRACE_S 3600 /* the default time between hiding a file and removing it, seconds */

typedef struct {
    uint64_t grace_s;         /* as it is: 0 removes at once */
    uint64_t untagged_keep_s; /* untagged manifests go after this time; 0: they stay */
    /* Called between two units of work; true ends the run early, with success. May be NULL. */
    bool (*pause)(void *arg);
    void *pause_arg;
} ko_gc_options;

#define KO_GC_COUNTERS(X)                                                                          \
    X(reviewed, "rows of the review queue looked at")                                              \
    X(unlinked, "blobs removed from a repository")                                                 \
    X(deleted, "untagged manifests deleted")                                                       \
    X(condemned, "blobs found without a repository")                                               \
    X(quarantined, "files hidden")                                                                 \
    X(purged, "files removed")                                                                     \
    X(purged_bytes, "bytes freed")                                                                 \
    X(restored, "hidden files brought back")                                                       \
    X(failures, "units that failed and will be tried again")

typedef struct {
#define X(name, text) uint64_t name;
    KO_GC_COUNTERS(X)
#undef X
} ko_gc_stats;

/* One run over everything that is due at `now_s`. Adds to `stats`. A unit that fails is counted and
 * left for the next run; the first such error is returned at the end. */
KO_MUST_USE int ko_gc_run_once(ko_meta *meta, ko_blob_store *store, const ko_gc_options *options,
                               int64_t now_s, ko_gc_stats *stats, ko_err *err);

/* What there is to do, and what could go at `now_s`, which may lie in the future to learn what
 * leases hold back. Changes nothing. */
typedef struct {
    ko_meta_gc_stats queue;
    ko_meta_gc_estimate estimate;
} ko_gc_preview;
KO_MUST_USE int ko_gc_dry_run(ko_meta *meta, int64_t now_s, ko_gc_preview *out, ko_err *err);

/* Puts the quarantine in order after a crash, or after the database was restored from a backup:
 * removes copies that no row or a served file makes needless, brings back those whose row is live
 * and whose bytes are sound. Adds to `stats`. */
KO_MUST_USE int ko_gc_recover(ko_meta *meta, ko_blob_store *store, ko_gc_stats *stats, ko_err *err);

#endif
