/* The loop: posts, timers, watches, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/loop/loop.h"

static ko_loop *new_loop(void)
{
    ko_loop *loop = NULL;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_loop_new(&loop, &err), 0);
    return loop;
}

/* Ends a run that hangs; a passing test never waits for it. */
static void on_watchdog(void *arg)
{
    (void)arg;
    fail_msg("the loop did not stop within 20 s");
}

static void run_guarded(ko_loop *loop)
{
    ko_timer watchdog;

    ko_timer_init(&watchdog, loop, on_watchdog, NULL);
    ko_timer_start(&watchdog, 20000);
    ko_loop_run(loop);
    ko_timer_done(&watchdog);
}

static void stop_loop(void *arg)
{
    ko_loop_stop(arg);
}

/* ---- Posts ---- */

enum { THREADS = 4, POSTS_EACH = 5000 };

typedef struct {
    ko_post post;
    struct posts_seen *seen;
    unsigned thread;
    unsigned number;
} numbered_post;

struct posts_seen {
    ko_loop *loop;
    unsigned next[THREADS]; /* the number expected of each thread */
    unsigned total;
};

static void on_numbered(void *arg)
{
    numbered_post *post = arg;
    struct posts_seen *seen = post->seen;

    assert_true(ko_loop_is_current(seen->loop));
    assert_int_equal(post->number, seen->next[post->thread]);
    seen->next[post->thread]++;
    free(post);
    if (++seen->total == THREADS * POSTS_EACH)
        ko_loop_stop(seen->loop);
}

typedef struct {
    struct posts_seen *seen;
    unsigned thread;
} poster;

static void *post_many(void *arg)
{
    poster *p = arg;

    for (unsigned i = 0; i < POSTS_EACH; i++) {
        numbered_post *post = ko_new(numbered_post);

        *post = (numbered_post){.seen = p->seen, .thread = p->thread, .number = i};
        post->post = (ko_post){.fn = on_numbered, .arg = post};
        ko_loop_post(p->seen->loop, &post->post);
    }
    return NULL;
}

static void posts_of_several_threads_arrive_in_each_threads_order(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    struct posts_seen seen = {.loop = loop};
    poster posters[THREADS];
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (poster){&seen, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    run_guarded(loop);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(seen.total, THREADS * POSTS_EACH);
}

typedef struct {
    ko_loop *loop;
    ko_post post;
    unsigned left;
    int fd;                /* written once in the middle */
    unsigned left_at_seen; /* when the socket was first seen */
} reposter;

static void post_again(void *arg)
{
    reposter *r = arg;

    if (r->left == 500)
        assert_int_equal(write(r->fd, "x", 1), 1);
    if (--r->left == 0) {
        ko_loop_stop(r->loop);
        return;
    }
    ko_loop_post(r->loop, &r->post);
}

static void on_socket_between_posts(void *arg, unsigned ready)
{
    reposter *r = arg;

    assert_int_equal(ready, KO_IO_READ);
    if (r->left_at_seen == 0)
        r->left_at_seen = r->left;
}

static void a_post_that_posts_itself_does_not_starve_the_sockets(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    int pair[2];
    ko_watch watch;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    reposter r = {.loop = loop, .left = 1000, .fd = pair[1]};
    r.post = (ko_post){.fn = post_again, .arg = &r};
    ko_watch_init(&watch, loop, pair[0], on_socket_between_posts, &r);
    ko_watch_set(&watch, KO_IO_READ);
    ko_loop_post(loop, &r.post);
    run_guarded(loop);
    assert_int_equal(r.left, 0);
    assert_true(r.left_at_seen > 400);
    ko_watch_done(&watch);
    close(pair[0]);
    close(pair[1]);
}

static void count_one(void *arg)
{
    (*(unsigned *)arg)++;
}

static void posts_made_before_a_stop_still_run_and_a_loop_runs_again(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    unsigned count = 0;
    ko_post post = {.fn = count_one, .arg = &count};

    assert_false(ko_loop_is_current(loop));
    for (unsigned round = 1; round <= 3; round++) {
        ko_loop_post(loop, &post);
        ko_loop_stop(loop);
        run_guarded(loop);
        assert_int_equal(count, round);
    }
}

static void posts_that_never_ran_are_called_when_the_loop_is_freed(void **state)
{
    (void)state;
    unsigned count = 0;
    ko_post post = {.fn = count_one, .arg = &count};
    ko_loop *loop = new_loop();

    ko_loop_post(loop, &post);
    ko_loop_free(loop);
    assert_int_equal(count, 1);
}

/* ---- Timers ---- */

typedef struct {
    ko_loop *loop;
    ko_timer timer;
    ko_timer other;
    unsigned fired;
    uint64_t fired_at_ms;
} timed;

static void on_fire(void *arg)
{
    timed *t = arg;

    t->fired++;
    t->fired_at_ms = ko_loop_now_ms(t->loop);
}

static void on_fire_and_stop(void *arg)
{
    timed *t = arg;

    on_fire(arg);
    ko_loop_stop(t->loop);
}

static void a_timer_put_off_fires_once_at_the_last_deadline(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    timed t = {.loop = loop};
    uint64_t start_ms = ko_loop_now_ms(loop);

    ko_timer_init(&t.timer, loop, on_fire_and_stop, &t);
    for (uint64_t after_ms = 10; after_ms <= 60; after_ms += 10)
        ko_timer_start(&t.timer, after_ms);
    run_guarded(loop);
    assert_int_equal(t.fired, 1);
    assert_true(t.fired_at_ms - start_ms >= 60);
    ko_timer_done(&t.timer);
}

static void a_timer_drawn_near_fires_early(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    timed t = {.loop = loop};

    ko_timer_init(&t.timer, loop, on_fire_and_stop, &t);
    ko_timer_start(&t.timer, 3600 * 1000);
    ko_timer_start(&t.timer, 5);
    run_guarded(loop);
    assert_int_equal(t.fired, 1);
    ko_timer_done(&t.timer);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    timed t = {.loop = loop};
    timed end = {.loop = loop};

    ko_timer_init(&t.timer, loop, on_fire, &t);
    ko_timer_init(&end.timer, loop, on_fire_and_stop, &end);
    ko_timer_start(&t.timer, 5);
    ko_timer_stop(&t.timer);
    ko_timer_start(&end.timer, 30);
    run_guarded(loop);
    assert_int_equal(t.fired, 0);
    assert_int_equal(end.fired, 1);
    ko_timer_done(&t.timer);
    ko_timer_done(&end.timer);
}

static void a_stopped_timer_can_be_started_again(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    timed t = {.loop = loop};

    ko_timer_init(&t.timer, loop, on_fire_and_stop, &t);
    ko_timer_start(&t.timer, 5);
    ko_timer_stop(&t.timer);
    ko_timer_start(&t.timer, 20);
    run_guarded(loop);
    assert_int_equal(t.fired, 1);
    ko_timer_done(&t.timer);
}

static void restart_thrice(void *arg)
{
    timed *t = arg;

    if (++t->fired == 3)
        ko_loop_stop(t->loop);
    else
        ko_timer_start(&t->timer, 0);
}

static void a_timer_restarts_from_its_own_callback(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    timed t = {.loop = loop};

    ko_timer_init(&t.timer, loop, restart_thrice, &t);
    ko_timer_start(&t.timer, 0);
    run_guarded(loop);
    assert_int_equal(t.fired, 3);
    ko_timer_done(&t.timer);
}

static void free_self(void *arg)
{
    timed *t = arg;

    ko_loop_stop(t->loop);
    ko_timer_done(&t->other);
    ko_timer_done(&t->timer);
    free(t);
}

static void an_object_may_be_freed_in_its_own_timer(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    timed *t = ko_new(timed);

    /* Both are due in the same turn: the second must not be called on freed memory. */
    t->loop = loop;
    ko_timer_init(&t->timer, loop, free_self, t);
    ko_timer_init(&t->other, loop, free_self, t);
    ko_timer_start(&t->timer, 1);
    ko_timer_start(&t->other, 1);
    run_guarded(loop);
}

/* ---- Watches ---- */

typedef struct {
    ko_loop *loop;
    ko_watch watch;
    int fd, peer;
    unsigned reads, writes;
} watched;

static void watched_init(watched *w, ko_loop *loop, void (*fn)(void *arg, unsigned ready))
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    *w = (watched){.loop = loop, .fd = pair[0], .peer = pair[1]};
    ko_watch_init(&w->watch, loop, w->fd, fn, w);
}

static void watched_done(watched *w)
{
    ko_watch_done(&w->watch);
    close(w->fd);
    close(w->peer);
}

/* Reads, then waits for write readiness, then for nothing, and stops. */
static void switch_interest(void *arg, unsigned ready)
{
    watched *w = arg;

    if (ready == KO_IO_READ) {
        w->reads++;
        ko_watch_set(&w->watch, KO_IO_WRITE); /* the byte is still there: level-triggered */
        return;
    }
    w->writes++;
    ko_watch_set(&w->watch, KO_IO_NONE);
    ko_loop_stop(w->loop);
}

static void interest_changes_inside_the_callback(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    watched w;

    watched_init(&w, loop, switch_interest);
    ko_watch_set(&w.watch, KO_IO_READ);
    assert_int_equal(write(w.peer, "x", 1), 1);
    run_guarded(loop);
    assert_int_equal(w.reads, 1);
    assert_int_equal(w.writes, 1);
    watched_done(&w);
}

static void disarm_on_first(void *arg, unsigned ready)
{
    watched *w = arg;

    if (ready == KO_IO_READ)
        w->reads++;
    else
        w->writes++;
    ko_watch_set(&w->watch, KO_IO_NONE);
    ko_loop_stop(w->loop);
}

static void readiness_pending_in_the_same_turn_is_dropped_when_disarmed(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    watched w;

    watched_init(&w, loop, disarm_on_first);
    assert_int_equal(write(w.peer, "x", 1), 1);
    ko_watch_set(&w.watch, KO_IO_READ | KO_IO_WRITE); /* both are ready at once */
    run_guarded(loop);
    assert_int_equal(w.reads + w.writes, 1);
    watched_done(&w);
}

static void free_watch(void *arg, unsigned ready)
{
    watched *w = arg;

    (void)ready;
    ko_loop_stop(w->loop);
    watched_done(w);
    free(w);
}

static void an_object_may_be_freed_in_its_own_watch(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    watched *w = ko_new(watched);

    watched_init(w, loop, free_watch);
    assert_int_equal(write(w->peer, "x", 1), 1);
    ko_watch_set(&w->watch, KO_IO_READ | KO_IO_WRITE);
    run_guarded(loop);
}

static void read_and_stop(void *arg, unsigned ready)
{
    watched *w = arg;
    char byte;

    assert_true(read(w->fd, &byte, 1) >= 0);
    assert_int_equal(ready, KO_IO_READ);
    w->reads++;
    ko_loop_stop(w->loop);
}

static void a_descriptor_number_used_again_is_watched_anew(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    watched old, fresh;

    watched_init(&old, loop, read_and_stop);
    ko_watch_set(&old.watch, KO_IO_READ);
    assert_int_equal(write(old.peer, "x", 1), 1);
    run_guarded(loop); /* so that the kernel knows the descriptor */
    int number = old.fd;
    watched_done(&old);
    watched_init(&fresh, loop, read_and_stop);
    assert_int_equal(fresh.fd, number);
    ko_watch_set(&fresh.watch, KO_IO_READ);
    assert_int_equal(write(fresh.peer, "x", 1), 1);
    run_guarded(loop);
    assert_int_equal(fresh.reads, 1);
    watched_done(&fresh);
}

static void a_closed_peer_wakes_a_reader(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    watched w;

    watched_init(&w, loop, read_and_stop);
    ko_watch_set(&w.watch, KO_IO_READ);
    assert_int_equal(shutdown(w.peer, SHUT_RDWR), 0);
    run_guarded(loop);
    assert_true(w.reads >= 1); /* an end of file stays readable */
    watched_done(&w);
}

/* ---- Signals ---- */

static void a_signal_arrives_on_the_loop(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    ko_signal sig;

    ko_signal_init(&sig, loop, SIGUSR1, stop_loop, loop);
    assert_int_equal(raise(SIGUSR1), 0);
    run_guarded(loop);
    ko_signal_done(&sig);
}

static void the_loops_clock_goes_with_the_monotonic_clock(void **state)
{
    (void)state;
    ko_autoptr(ko_loop) loop = new_loop();
    uint64_t loop_ms = ko_loop_now_ms(loop);
    uint64_t exact_ms = ko_clock_mono_ms();

    assert_true(loop_ms <= exact_ms);
    assert_true(exact_ms - loop_ms < 1000);
}

static void every_part_accepts_being_done_twice(void **state)
{
    (void)state;
    ko_timer timer = {0};
    ko_watch watch = {0};
    ko_signal sig = {0};

    ko_timer_done(&timer);
    ko_watch_done(&watch);
    ko_signal_done(&sig);
    assert_null(ko_loop_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_several_threads_arrive_in_each_threads_order),
        cmocka_unit_test(a_post_that_posts_itself_does_not_starve_the_sockets),
        cmocka_unit_test(posts_made_before_a_stop_still_run_and_a_loop_runs_again),
        cmocka_unit_test(posts_that_never_ran_are_called_when_the_loop_is_freed),
        cmocka_unit_test(a_timer_put_off_fires_once_at_the_last_deadline),
        cmocka_unit_test(a_timer_drawn_near_fires_early),
        cmocka_unit_test(a_stopped_timer_does_not_fire),
        cmocka_unit_test(a_stopped_timer_can_be_started_again),
        cmocka_unit_test(a_timer_restarts_from_its_own_callback),
        cmocka_unit_test(an_object_may_be_freed_in_its_own_timer),
        cmocka_unit_test(interest_changes_inside_the_callback),
        cmocka_unit_test(readiness_pending_in_the_same_turn_is_dropped_when_disarmed),
        cmocka_unit_test(an_object_may_be_freed_in_its_own_watch),
        cmocka_unit_test(a_descriptor_number_used_again_is_watched_anew),
        cmocka_unit_test(a_closed_peer_wakes_a_reader),
        cmocka_unit_test(a_signal_arrives_on_the_loop),
        cmocka_unit_test(the_loops_clock_goes_with_the_monotonic_clock),
        cmocka_unit_test(every_part_accepts_being_done_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
