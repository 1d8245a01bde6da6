/* storage/upkeep.h: the thread that keeps the store in order while the server serves: garbage
 * collection, removal of abandoned uploads, scrubbing; each at its own interval, slowly, one small
 * unit at a time.
 *
 * Threads: any. */
#ifndef KO_STORAGE_UPKEEP_H
#define KO_STORAGE_UPKEEP_H

#include "storage/gc.h"
#include "storage/scrub.h"
#include "storage/upload.h"

typedef struct ko_upkeep ko_upkeep;

typedef struct {
    ko_meta *meta; /* these three outlive the upkeep */
    ko_blob_store *store;
    ko_uploads *uploads;

    uint64_t gc_interval_ms; /* between two runs; 0: no collection */
    uint64_t gc_grace_s;
    uint64_t gc_untagged_keep_s; /* 0: untagged manifests stay */
    uint64_t gc_unit_pause_ms;   /* between two units of work */

    uint64_t reap_interval_ms; /* 0: abandoned uploads stay */
    uint64_t upload_idle_s;    /* a session untouched for this long is abandoned */

    uint64_t scrub_interval_ms; /* between two passes; 0: no scrubbing */
    uint64_t scrub_bytes_per_s; /* 0: as fast as the disk goes */

    /* On the upkeep's thread: `what` is "gc", "reap" or "scrub". May be NULL. */
    void (*failed)(void *arg, const char *what, const ko_err *err);
    /* For each damaged or missing blob the scrubber meets. May be NULL. */
    void (*damaged)(void *arg, const ko_digest *digest, const ko_err *why);
    void *arg;
} ko_upkeep_options;

/* Totals since the start (for /metrics). */
typedef struct {
    ko_gc_stats gc;
    ko_scrub_stats scrub;
    uint64_t gc_runs;
    uint64_t scrub_passes;
    uint64_t sessions_reaped;
    uint64_t stages_reaped;
} ko_upkeep_stats;

/* Starts the thread; its first work is to put the quarantine in order. Owned by the caller:
 * ko_upkeep_free(). errors UNAVAILABLE. */
KO_MUST_USE int ko_upkeep_start(const ko_upkeep_options *options, ko_upkeep **out, ko_err *err);
/* Stops after the unit in progress and waits for the thread. */
ko_upkeep *ko_upkeep_free(ko_upkeep *upkeep);
KO_DEFINE_AUTOPTR(ko_upkeep, ko_upkeep_free);

/* Takes other intervals, ages and rates (the rest of `options` must be as at the start). What is
 * under way sees them at its next pause; an interval that differs begins anew. Does not block. */
void ko_upkeep_change(ko_upkeep *upkeep, const ko_upkeep_options *options);

/* Collects now, without waiting for the interval. Does not block. */
void ko_upkeep_kick(ko_upkeep *upkeep);
void ko_upkeep_totals(ko_upkeep *upkeep, ko_upkeep_stats *out);

#endif
