/* common/loop/loop.h: one event loop per thread, libevent hidden behind it.
 *
 * Everything here runs on the loop's own thread, except ko_loop_post() and ko_loop_stop(), which
 * any thread may call. A callback never blocks: disk, SQL and password hashing go to
 * common/loop/work.h.
 *
 * An object that frees itself inside one of its own callbacks must not be touched by the loop
 * afterwards: timers, watches and posts guarantee that. */
#ifndef KO_LOOP_LOOP_H
#define KO_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/own.h"

typedef struct ko_loop ko_loop;

/* A new loop, owned by the caller: ko_loop_free(). errors UNAVAILABLE. */
KO_MUST_USE int ko_loop_new(ko_loop **out, ko_err *err);
/* Not while it runs. Posts still waiting are called first, on the calling thread, so that what they
 * carry is released. */
ko_loop *ko_loop_free(ko_loop *loop);
KO_DEFINE_AUTOPTR(ko_loop, ko_loop_free);

/* Runs until ko_loop_stop(), also one given before. The calling thread becomes the loop's thread.
 */
void ko_loop_run(ko_loop *loop);
void ko_loop_stop(ko_loop *loop); /* any thread; posts made before it still run */
bool ko_loop_is_current(const ko_loop *loop);

/* Monotonic milliseconds for deadlines, exact to one tick of the kernel (1 to 10 ms): cheap. */
uint64_t ko_loop_now_ms(const ko_loop *loop);

/* Runs `fn(arg)` soon on the loop's thread; any thread. Posts run in order. The node is embedded in
 * the caller's object, must stay alive until fn is called, and may be posted again from then on. */
typedef struct ko_post {
    void (*fn)(void *arg);
    void *arg;
    struct ko_post *next;
} ko_post;
void ko_loop_post(ko_loop *loop, ko_post *post);

/* One-shot timer, re-armed at will: putting the deadline off costs nothing but a store. Embedded;
 * init before use, done before its memory goes. */
typedef struct {
    struct event *ev; /* made at the first start */
    ko_loop *loop;
    void (*fn)(void *arg);
    void *arg;
    uint64_t deadline_ms; /* when fn is due; 0: stopped */
    uint64_t armed_ms;    /* when the loop looks at this timer next; 0: not at all */
} ko_timer;
void ko_timer_init(ko_timer *timer, ko_loop *loop, void (*fn)(void *arg), void *arg);
void ko_timer_done(ko_timer *timer);                     /* accepts a zeroed timer */
void ko_timer_start(ko_timer *timer, uint64_t after_ms); /* replaces an earlier start */
void ko_timer_stop(ko_timer *timer);

/* Readiness of a descriptor, level-triggered. */
typedef enum { KO_IO_NONE = 0, KO_IO_READ = 1, KO_IO_WRITE = 2 } ko_io;
typedef struct {
    struct event *ev_read;
    struct event *ev_write; /* made when first wanted */
    ko_loop *loop;
    unsigned armed; /* ko_io bits */
    void (*fn)(void *arg, unsigned ready);
    void *arg;
} ko_watch;
void ko_watch_init(ko_watch *watch, ko_loop *loop, int fd, void (*fn)(void *arg, unsigned ready),
                   void *arg);
void ko_watch_done(ko_watch *watch);                 /* before the descriptor is closed */
void ko_watch_set(ko_watch *watch, unsigned wanted); /* ko_io bits; no system call if unchanged */

/* A signal delivered on the loop. Only one loop of a process may watch signals. */
typedef struct {
    struct event *ev;
    void (*fn)(void *arg);
    void *arg;
} ko_signal;
void ko_signal_init(ko_signal *sig, ko_loop *loop, int signo, void (*fn)(void *arg), void *arg);
void ko_signal_done(ko_signal *sig);

#endif
