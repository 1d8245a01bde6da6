/* common/loop/loop.c: the event loop over libevent.
 *
 * libevent is used from the loop's own thread only, so its locks stay off. What other threads may
 * do, post and stop, goes through one atomic list and one eventfd:
 *
 *   - ko_loop_post() pushes the node on a stack by compare-and-swap. Whoever finds the stack empty
 *     wakes the loop, the others know that it has been woken: a thousand posts cost one write(2).
 *   - The loop takes the whole stack at once (so there is no ABA problem) and reverses it: posts
 * run in the order in which they were pushed. Posts made meanwhile wait for the next turn, so that
 *     a post that posts itself cannot starve the sockets.
 *   - The loop's own posts arm a timer of zero instead of writing to the eventfd: no system call.
 *
 * Timers are lazy. A server puts the deadline of each connection off with every request; doing that
 * in libevent's heap each time would cost more than the rest of a small request. A start that lies
 * later than what is armed only stores the deadline, and the expiry finds out that it came early
 * and arms the rest.
 *
 * The epoll change list collects changes of interest until the next epoll_wait(): switching a
 * descriptor off and on again within a turn costs nothing. Its one trap, descriptors that share one
 * open file by dup(2), does not occur: a watch ends before its descriptor is closed, and watched
 * descriptors are never duplicated. A removal may reach the kernel after the descriptor was closed
 * and its number given to a socket of another loop; this loop's epoll set does not hold that one,
 * so it answers ENOENT, which libevent passes over (ThreadSanitizer tells of it). */
#include "common/loop/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/fd.h"

struct ko_loop {
    struct event_base *base;
    struct event *wake; /* the eventfd is readable */
    struct event *soon; /* posts made on the loop itself */
    int wake_fd;
    atomic_bool stopping;
    _Atomic(ko_post *) posts; /* newest first */
};

/* The loop that runs on this thread, if any. */
static _Thread_local ko_loop *current;

/* ---- Posts ---- */

static void run_posts(ko_loop *loop)
{
    ko_post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    ko_post *oldest = NULL;

    while (newest) {
        ko_post *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        ko_post *post = oldest;

        oldest = post->next; /* fn may free the post or post it again */
        post->fn(post->arg);
    }
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_posts(arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    ko_loop *loop = arg;
    uint64_t count;

    (void)what;
    /* Before the posts are taken: a post pushed in between wakes the loop once more, which is
     * harmless; the other order could lose it. A spurious EAGAIN does no harm either. */
    (void)!read(fd, &count, sizeof(count));
    bool stop = atomic_load(&loop->stopping); /* first: posts before the stop are then seen */
    run_posts(loop);
    if (stop)
        (void)event_base_loopbreak(loop->base);
}

static void wake_up(ko_loop *loop)
{
    uint64_t one = 1;

    /* Only EAGAIN is possible: the counter is at its maximum and the loop will wake anyway. */
    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void ko_loop_post(ko_loop *loop, ko_post *post)
{
    ko_post *head = atomic_load_explicit(&loop->posts, memory_order_relaxed);

    KO_ASSERT(post->fn);
    do
        post->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->posts, &head, post, memory_order_release,
                                                  memory_order_relaxed));
    /* From here on `post` may be gone: the loop may have run it. */
    if (head)
        return;
    if (ko_loop_is_current(loop))
        KO_ASSERT(event_add(loop->soon, &(struct timeval){0}) == 0);
    else
        wake_up(loop);
}

/* ---- The loop ---- */

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
                                                    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

int ko_loop_new(ko_loop **out, ko_err *err)
{
    ko_autoptr(ko_loop) loop = ko_new(ko_loop);

    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        return ko_err_sys(err, "eventfd");
    loop->base = new_base();
    if (!loop->base)
        return ko_err_set(err, KO_E_UNAVAILABLE, "event loop: cannot be made");
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->soon = event_new(loop->base, -1, 0, on_soon, loop);
    if (!loop->wake || !loop->soon || event_add(loop->wake, NULL) < 0)
        return ko_err_set(err, KO_E_UNAVAILABLE, "event loop: no memory");
    *out = ko_steal(&loop);
    return 0;
}

ko_loop *ko_loop_free(ko_loop *loop)
{
    if (!loop)
        return NULL;
    KO_ASSERT(!ko_loop_is_current(loop));
    while (atomic_load(&loop->posts))
        run_posts(loop);
    if (loop->soon)
        event_free(loop->soon);
    if (loop->wake)
        event_free(loop->wake);
    if (loop->base)
        event_base_free(loop->base);
    ko_fd_close(loop->wake_fd);
    free(loop);
    return NULL;
}

void ko_loop_run(ko_loop *loop)
{
    KO_ASSERT(!current);
    current = loop;
    KO_ASSERT(event_base_dispatch(loop->base) >= 0);
    current = NULL;
    atomic_store(&loop->stopping, false);
}

void ko_loop_stop(ko_loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake_up(loop);
}

bool ko_loop_is_current(const ko_loop *loop)
{
    return current == loop;
}

uint64_t ko_loop_now_ms(const ko_loop *loop)
{
    struct timespec now;

    (void)loop;
    /* The coarse clock is what libevent's own timers use; read in the vDSO without a system call.
     */
    KO_ASSERT(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Timers ---- */

static void arm_timer(ko_timer *timer, uint64_t now_ms)
{
    uint64_t after_ms = timer->deadline_ms - now_ms;
    struct timeval tv = {.tv_sec = (time_t)(after_ms / 1000),
                         .tv_usec = (suseconds_t)(after_ms % 1000) * 1000};

    KO_ASSERT(event_add(timer->ev, &tv) == 0);
    timer->armed_ms = timer->deadline_ms;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    ko_timer *timer = arg;
    uint64_t now_ms = ko_loop_now_ms(timer->loop);

    (void)fd;
    (void)what;
    timer->armed_ms = 0;
    if (timer->deadline_ms == 0)
        return;
    if (now_ms < timer->deadline_ms) {
        arm_timer(timer, now_ms);
        return;
    }
    timer->deadline_ms = 0;
    timer->fn(timer->arg); /* may free the timer */
}

void ko_timer_init(ko_timer *timer, ko_loop *loop, void (*fn)(void *arg), void *arg)
{
    *timer = (ko_timer){.loop = loop, .fn = fn, .arg = arg};
}

void ko_timer_done(ko_timer *timer)
{
    if (timer->ev)
        event_free(timer->ev);
    *timer = (ko_timer){0};
}

void ko_timer_start(ko_timer *timer, uint64_t after_ms)
{
    uint64_t now_ms = ko_loop_now_ms(timer->loop);

    KO_ASSERT(after_ms < INT64_MAX - now_ms);
    if (!timer->ev) {
        timer->ev = event_new(timer->loop->base, -1, 0, on_timer, timer);
        KO_ASSERT(timer->ev);
    }
    timer->deadline_ms = now_ms + after_ms;
    if (timer->armed_ms == 0 || timer->deadline_ms < timer->armed_ms)
        arm_timer(timer, now_ms);
}

void ko_timer_stop(ko_timer *timer)
{
    timer->deadline_ms = 0;
}

/* ---- Descriptors ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    ko_watch *watch = arg;

    (void)fd;
    watch->fn(watch->arg, what & EV_READ ? KO_IO_READ : KO_IO_WRITE);
}

static struct event *new_watch_event(ko_watch *watch, int fd, short what)
{
    struct event *ev =
        event_new(watch->loop->base, fd, (short)(what | EV_PERSIST), on_ready, watch);

    KO_ASSERT(ev);
    return ev;
}

void ko_watch_init(ko_watch *watch, ko_loop *loop, int fd, void (*fn)(void *arg, unsigned ready),
                   void *arg)
{
    *watch = (ko_watch){.loop = loop, .fn = fn, .arg = arg};
    watch->ev_read = new_watch_event(watch, fd, EV_READ);
}

void ko_watch_done(ko_watch *watch)
{
    if (watch->ev_read)
        event_free(watch->ev_read);
    if (watch->ev_write)
        event_free(watch->ev_write);
    *watch = (ko_watch){0};
}

static void switch_event(struct event *ev, bool on)
{
    KO_ASSERT((on ? event_add(ev, NULL) : event_del(ev)) == 0);
}

void ko_watch_set(ko_watch *watch, unsigned wanted)
{
    unsigned changed = watch->armed ^ wanted;

    if (changed & KO_IO_READ)
        switch_event(watch->ev_read, wanted & KO_IO_READ);
    if (changed & KO_IO_WRITE) {
        if (!watch->ev_write)
            watch->ev_write = new_watch_event(watch, event_get_fd(watch->ev_read), EV_WRITE);
        switch_event(watch->ev_write, wanted & KO_IO_WRITE);
    }
    watch->armed = wanted;
}

/* ---- Signals ---- */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    ko_signal *sig = arg;

    (void)signo;
    (void)what;
    sig->fn(sig->arg);
}

void ko_signal_init(ko_signal *sig, ko_loop *loop, int signo, void (*fn)(void *arg), void *arg)
{
    *sig = (ko_signal){.fn = fn, .arg = arg};
    sig->ev = evsignal_new(loop->base, signo, on_signal, sig);
    KO_ASSERT(sig->ev && event_add(sig->ev, NULL) == 0);
}

void ko_signal_done(ko_signal *sig)
{
    if (sig->ev)
        event_free(sig->ev);
    *sig = (ko_signal){0};
}
