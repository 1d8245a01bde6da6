/* The thread pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common/loop/work.h"

typedef struct {
    ko_loop *loop;
    ko_pool *pool;
    atomic_uint ran;
    unsigned done;
    unsigned stop_at; /* stops the loop after so many */
    unsigned last;
    bool in_order;
    pthread_mutex_t gate; /* jobs of run_gated pass it */
} bench;

typedef struct {
    ko_work work;
    bench *b;
    unsigned number;
} job;

static void bench_init(bench *b, unsigned threads, size_t queue_max)
{
    ko_err err = KO_ERR_INIT;

    *b = (bench){.in_order = true};
    assert_int_equal(pthread_mutex_init(&b->gate, NULL), 0);
    assert_int_equal(ko_loop_new(&b->loop, &err), 0);
    assert_int_equal(ko_pool_new("test", threads, queue_max, &b->pool, &err), 0);
}

static void bench_done(bench *b)
{
    b->pool = ko_pool_free(b->pool);
    b->loop = ko_loop_free(b->loop);
    assert_int_equal(pthread_mutex_destroy(&b->gate), 0);
}

static void run_count(ko_work *work)
{
    job *j = KO_CONTAINER(work, job, work);

    atomic_fetch_add(&j->b->ran, 1);
}

static void run_gated(ko_work *work)
{
    job *j = KO_CONTAINER(work, job, work);

    (void)pthread_mutex_lock(&j->b->gate);
    (void)pthread_mutex_unlock(&j->b->gate);
    run_count(work);
}

static void done_count(ko_work *work)
{
    job *j = KO_CONTAINER(work, job, work);
    bench *b = j->b;

    if (b->done > 0 && j->number != b->last + 1)
        b->in_order = false;
    b->last = j->number;
    b->done++;
    free(j);
    if (b->done == b->stop_at)
        ko_loop_stop(b->loop);
}

static int submit(bench *b, unsigned number, void (*run)(ko_work *work))
{
    ko_err err = KO_ERR_INIT;
    job *j = ko_new(job);

    *j = (job){.work = {.run = run, .done = done_count}, .b = b, .number = number};
    if (ko_pool_submit(b->pool, b->loop, &j->work, &err) == 0)
        return 0;
    assert_int_equal(err.code, KO_E_UNAVAILABLE);
    free(j);
    return -1;
}

static void every_job_runs_and_is_done_on_the_loop(void **state)
{
    (void)state;
    bench b;

    bench_init(&b, 3, 1000);
    b.stop_at = 1000;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(submit(&b, i, run_count), 0);
    ko_loop_run(b.loop);
    assert_int_equal(atomic_load(&b.ran), 1000);
    assert_int_equal(b.done, 1000);
    bench_done(&b);
}

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    bench b;

    bench_init(&b, 1, 500);
    b.stop_at = 500;
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(submit(&b, i, run_count), 0);
    ko_loop_run(b.loop);
    assert_true(b.in_order);
    bench_done(&b);
}

static void a_full_queue_is_unavailable_and_counted(void **state)
{
    (void)state;
    bench b;
    size_t waiting, running;

    bench_init(&b, 1, 2);
    (void)pthread_mutex_lock(&b.gate);
    assert_int_equal(submit(&b, 0, run_gated), 0);
    do /* until the thread has taken the first */
        ko_pool_stats(b.pool, &waiting, &running);
    while (running == 0);
    assert_int_equal(submit(&b, 1, run_gated), 0);
    assert_int_equal(submit(&b, 2, run_gated), 0);
    assert_int_equal(submit(&b, 3, run_gated), -1);
    ko_pool_stats(b.pool, &waiting, &running);
    assert_int_equal(waiting, 2);
    assert_int_equal(running, 1);
    (void)pthread_mutex_unlock(&b.gate);
    b.stop_at = 3;
    ko_loop_run(b.loop);
    assert_int_equal(submit(&b, 4, run_count), 0);
    bench_done(&b);
}

static void a_job_that_goes_on_is_taken_by_a_full_queue(void **state)
{
    (void)state;
    bench b;
    size_t waiting, running;

    bench_init(&b, 1, 1);
    (void)pthread_mutex_lock(&b.gate);
    assert_int_equal(submit(&b, 0, run_gated), 0);
    do /* until the thread has taken the first */
        ko_pool_stats(b.pool, &waiting, &running);
    while (running == 0);
    assert_int_equal(submit(&b, 1, run_gated), 0);
    assert_int_equal(submit(&b, 2, run_gated), -1);
    job *j = ko_new(job);
    *j = (job){.work = {.run = run_gated, .done = done_count}, .b = &b, .number = 2};
    ko_pool_continue(b.pool, b.loop, &j->work);
    (void)pthread_mutex_unlock(&b.gate);
    b.stop_at = 3;
    ko_loop_run(b.loop);
    assert_true(b.in_order);
    bench_done(&b);
}

static void freeing_the_pool_finishes_what_is_queued(void **state)
{
    (void)state;
    bench b;

    bench_init(&b, 2, 100);
    (void)pthread_mutex_lock(&b.gate);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(submit(&b, i, run_gated), 0);
    (void)pthread_mutex_unlock(&b.gate);
    b.pool = ko_pool_free(b.pool);
    assert_int_equal(atomic_load(&b.ran), 50);
    b.loop = ko_loop_free(b.loop); /* never ran: the posts are called now */
    assert_int_equal(b.done, 50);
    bench_done(&b);
}

typedef struct {
    ko_work work;
    bench *b;
    unsigned rounds;
} repeating;

static void run_nothing(ko_work *work)
{
    (void)work;
}

static void done_again(ko_work *work)
{
    repeating *r = KO_CONTAINER(work, repeating, work);

    if (++r->rounds == 100)
        ko_loop_stop(r->b->loop);
    else
        assert_int_equal(ko_pool_submit(r->b->pool, r->b->loop, work, NULL), 0);
}

static void a_job_may_be_submitted_again_from_its_done(void **state)
{
    (void)state;
    bench b;

    bench_init(&b, 2, 1);
    repeating r = {.work = {.run = run_nothing, .done = done_again}, .b = &b};
    assert_int_equal(ko_pool_submit(b.pool, b.loop, &r.work, NULL), 0);
    ko_loop_run(b.loop);
    assert_int_equal(r.rounds, 100);
    bench_done(&b);
}

typedef struct {
    ko_work work;
    ko_loop *loop;
    sigset_t blocked;
    char name[16];
} inspected;

static void run_inspect(ko_work *work)
{
    inspected *i = KO_CONTAINER(work, inspected, work);

    (void)pthread_sigmask(SIG_BLOCK, NULL, &i->blocked);
    (void)pthread_getname_np(pthread_self(), i->name, sizeof(i->name));
}

static void done_inspect(ko_work *work)
{
    ko_loop_stop(KO_CONTAINER(work, inspected, work)->loop);
}

static void threads_are_named_and_have_signals_blocked(void **state)
{
    (void)state;
    bench b;
    sigset_t mine;

    bench_init(&b, 1, 1);
    inspected i = {.work = {.run = run_inspect, .done = done_inspect}, .loop = b.loop};
    assert_int_equal(ko_pool_submit(b.pool, b.loop, &i.work, NULL), 0);
    ko_loop_run(b.loop);
    for (size_t s = 0; s < 3; s++)
        assert_int_equal(sigismember(&i.blocked, (const int[]){SIGTERM, SIGHUP, SIGCHLD}[s]), 1);
    assert_int_equal(strncmp(i.name, "test", 4), 0);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0); /* the maker's own mask is as before */
    bench_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_and_is_done_on_the_loop),
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(a_full_queue_is_unavailable_and_counted),
        cmocka_unit_test(a_job_that_goes_on_is_taken_by_a_full_queue),
        cmocka_unit_test(freeing_the_pool_finishes_what_is_queued),
        cmocka_unit_test(a_job_may_be_submitted_again_from_its_done),
        cmocka_unit_test(threads_are_named_and_have_signals_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
