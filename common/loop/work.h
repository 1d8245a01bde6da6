/* common/loop/work.h: a bounded pool of threads for everything that blocks.
 *
 * A job is embedded in the caller's object, which the job owns until `done` runs: it has its own
 * memory and no pointer to a request. `run` executes on a pool thread and sees only the job; `done`
 * executes afterwards on the loop that submitted it. There is no cancellation: a job whose
 * requester has gone still completes, and its `done` finds that out by id.
 *
 * The queue is bounded: full means UNAVAILABLE now, not slowness later. */
#ifndef KO_LOOP_WORK_H
#define KO_LOOP_WORK_H

#include "common/base/err.h"
#include "common/base/own.h"
#include "common/loop/loop.h"

typedef struct ko_pool ko_pool;

typedef struct ko_work {
    void (*run)(struct ko_work *work);  /* pool thread; may block */
    void (*done)(struct ko_work *work); /* loop thread; frees or reuses the job */
    ko_loop *loop;                      /* set by ko_pool_submit */
    struct ko_work *next;
    ko_post post;
} ko_work;

/* `threads` threads and at most `queue_max` waiting jobs. Owned by the caller: ko_pool_free(). */
KO_MUST_USE int ko_pool_new(const char *name, unsigned threads, size_t queue_max, ko_pool **out,
                            ko_err *err);
/* Finishes what is queued, then ends the threads. Loops must still be alive (their posts arrive).
 */
ko_pool *ko_pool_free(ko_pool *pool);
KO_DEFINE_AUTOPTR(ko_pool, ko_pool_free);

/* Queues the job; `loop` is where `done` runs. errors UNAVAILABLE: queue full; nothing was taken.
 */
KO_MUST_USE int ko_pool_submit(ko_pool *pool, ko_loop *loop, ko_work *work, ko_err *err);

/* The same for a further step of something that was admitted before and must not be dropped half
 * done (writing what was received, releasing a hold): neither the bound nor a beginning shutdown
 * refuses it. Only while the pool exists. */
void ko_pool_continue(ko_pool *pool, ko_loop *loop, ko_work *work);

/* Jobs waiting and running now (for /metrics). */
void ko_pool_stats(ko_pool *pool, size_t *waiting, size_t *running);

#endif
