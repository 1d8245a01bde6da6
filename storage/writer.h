/* storage/writer.h: the one thread that writes to a database, for many callers at once.
 *
 * It runs what is queued in one transaction, each job inside a savepoint, and commits for all: one
 * sync for as many requests as arrived meanwhile. A job that fails is undone alone. When the whole
 * transaction is lost (a full disk), its jobs are run again one by one, so that one that needs no
 * space still succeeds.
 *
 * Threads: ko_writer_run() from any. */
#ifndef KO_STORAGE_WRITER_H
#define KO_STORAGE_WRITER_H

#include <pthread.h>

#include "storage/ballast.h"
#include "storage/db.h"
#include "storage/generation.h"
#include "storage/meta.h"

#define KO_WRITER_QUEUE_MAX 1024 /* jobs waiting; more are refused with UNAVAILABLE */

typedef struct ko_writer ko_writer;

/* Starts the thread. `lock` (may be NULL) is held while a transaction runs: for a connection that
 * readers use too. `ballast` (may be NULL) is given up when a job finds the disk full, and taken
 * again when the writer has nothing to do. `db`, `gen` and `ballast` outlive the writer. Owned by
 * the caller. errors UNAVAILABLE. */
KO_MUST_USE int ko_writer_new(ko_db *db, ko_generation *gen, pthread_mutex_t *lock,
                              ko_ballast *ballast, ko_writer **out, ko_err *err);
/* Finishes what is queued, then ends the thread. */
ko_writer *ko_writer_free(ko_writer *writer);
KO_DEFINE_AUTOPTR(ko_writer, ko_writer_free);

/* Queues a write and waits for its commit. errors as ko_meta_write(). */
KO_MUST_USE int ko_writer_run(ko_writer *writer, ko_meta_durability durability, ko_meta_fn *fn,
                              void *arg, ko_err *err);

#endif
