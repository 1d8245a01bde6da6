/* storage/scrub.h: reads what is stored and hashes it again, to find damage before a client does.
 *
 * A damaged blob is hidden, so that it is never served; its row stays, and the next push of the
 * same bytes heals it.
 *
 * Threads: any; one pass at a time shares the remembered position.
 * Blocks:  yes. */
#ifndef KO_STORAGE_SCRUB_H
#define KO_STORAGE_SCRUB_H

#include "storage/blob.h"
#include "storage/meta.h"

/* Hashes one blob. errors CORRUPT: its bytes do not have its digest; NOT_FOUND; IO. */
KO_MUST_USE int ko_scrub_blob(ko_blob_store *store, const ko_digest *digest, ko_err *err);

/* The same for one that is hidden. */
KO_MUST_USE int ko_scrub_quarantined(ko_blob_store *store, const ko_digest *digest, ko_err *err);

typedef struct {
    uint64_t blobs;
    uint64_t bytes;
    uint64_t damaged;
    uint64_t missing;    /* rows whose file is not there */
    uint64_t unreadable; /* the system refused: nothing is concluded from that */
} ko_scrub_stats;

typedef struct {
    bool resume;    /* go on where the last resumed pass stopped; else from the beginning */
    bool keep_file; /* report damage only, hide nothing */
    /* For each damaged, missing or unreadable blob; may be NULL. */
    void (*report)(void *arg, const ko_digest *digest, const ko_err *why);
    void *report_arg;
    /* Called after every `bytes` read, to keep a rate; true ends the pass early, with success. May
     * be NULL. */
    bool (*pause)(void *arg, uint64_t bytes);
    void *pause_arg;
} ko_scrub_options;

/* One pass over all live blobs, or the rest of one. Adds to `stats`. Finding damage is success.
 * *done (may be NULL) tells whether the end was reached. errors of the database only. */
KO_MUST_USE int ko_scrub_run(ko_meta *meta, ko_blob_store *store, const ko_scrub_options *options,
                             ko_scrub_stats *stats, bool *done, ko_err *err);

/* When the last resumed pass came to its end (0: none has), and whether another was begun since. */
KO_MUST_USE int ko_scrub_last(ko_meta *meta, int64_t *ended_at_s, bool *under_way, ko_err *err);

#endif
