/* storage/meta.h: the metadata database: opening it, transactions, and generations.
 *
 * What rows mean is in the meta_*.h beside this file, one per noun; each of their functions takes
 * the ko_meta_tx it runs in. Every SQL statement is a named row of queries.def. Nothing is ever
 * found by walking storage.
 *
 * SQLite: readers in parallel, each on a connection of its own from a small pool; one writer thread
 * runs the write functions of many callers in one transaction, each inside a savepoint, and commits
 * (one fsync) for all of them together: a caller returns when its group is durable.
 *
 * Threads: any; `fn` may run on another thread than the caller's, which waits meanwhile.
 * Blocks:  yes: call from a work item, never from a loop. */
#ifndef KO_STORAGE_META_H
#define KO_STORAGE_META_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_meta ko_meta;
typedef struct ko_meta_tx ko_meta_tx;

/* Opens (and makes or migrates) the database `dir`/kontor.db. errors IO, DENIED, NO_SPACE; CORRUPT;
 * INVALID: its schema is newer than this program. Owned by the caller: ko_meta_free(). */
KO_MUST_USE int ko_meta_open_sqlite(const char *dir, ko_meta **out, ko_err *err);
/* The same in memory, for tests. */
KO_MUST_USE int ko_meta_open_memory(ko_meta **out, ko_err *err);
ko_meta *ko_meta_free(ko_meta *meta);
KO_DEFINE_AUTOPTR(ko_meta, ko_meta_free);

/* The function may run more than once (after a conflict) and so only changes its own outputs. */
typedef int ko_meta_fn(ko_meta_tx *tx, void *arg, ko_err *err);

/* A read transaction: one consistent snapshot. Returns what fn returned, or -1. */
KO_MUST_USE int ko_meta_read(ko_meta *meta, ko_meta_fn *fn, void *arg, ko_err *err);

typedef enum {
    KO_META_DURABLE, /* returns when it would survive a power cut */
    KO_META_LAZY     /* survives a crash of the program at once, a power cut some time later */
} ko_meta_durability;

/* A write transaction: all of fn's changes or, when it returns -1, none. errors fn's; NO_SPACE; IO;
 * UNAVAILABLE when the queue is full or the database is being closed. */
KO_MUST_USE int ko_meta_write(ko_meta *meta, ko_meta_durability durability, ko_meta_fn *fn,
                              void *arg, ko_err *err);

/* ---- Generations: how caches above stay true ----
 *
 * A counter per slot, raised after each commit that changed something of that slot and before the
 * caller of that write returns; shared with other processes on the same database (the command line
 * tool). Read it *before* reading rows, keep it with the cached value, and use the value only while
 * the counter is the same. Slots are hashed: two names may share one. Lock-free, any thread, never
 * blocks. */
uint64_t ko_meta_generation_repo(const ko_meta *meta,
                                 ko_str repo); /* manifests, tags, blobs of it */
uint64_t
ko_meta_generation_rights(const ko_meta *meta); /* accounts, groups, grants, visibility, secrets */

/* Inside a write: names what this transaction changes. Nothing is raised if it fails. */
void ko_meta_touch_repo(ko_meta_tx *tx, ko_str repo);
void ko_meta_touch_rights(ko_meta_tx *tx);

#endif
