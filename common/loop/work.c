/* common/loop/work.c: the thread pool.
 *
 * One mutex, one condition, one list: jobs here take from tens of microseconds (a cached read) to
 * milliseconds (fsync, Argon2id), so a cleverer queue would not be felt. A job belongs to its list
 * until a thread takes it, to that thread while `run` executes, and to its loop from the moment its
 * post is handed over: the pool does not touch it after that.
 *
 * Pool threads have every signal blocked, so that signals meet the loop and never interrupt a
 * write to disk. */
#include "common/loop/work.h"

#include <pthread.h>
#include <signal.h>

struct ko_pool {
    pthread_mutex_t lock; /* guards everything below but the threads */
    pthread_cond_t wake;
    ko_work *head; /* oldest */
    ko_work *tail;
    size_t waiting;
    size_t running;
    size_t queue_max;
    bool stopping;
    char name[12]; /* a thread's name has 15 bytes: "name-123" */
    unsigned thread_count;
    pthread_t threads[];
};

static void finish(void *arg)
{
    ko_work *work = arg;

    work->done(work);
}

/* The next job, or NULL when the pool ends and nothing is left to do. Called with the lock held. */
static ko_work *take(ko_pool *pool)
{
    while (!pool->head && !pool->stopping)
        (void)pthread_cond_wait(&pool->wake, &pool->lock);

    ko_work *work = pool->head;
    if (!work)
        return NULL;
    pool->head = work->next;
    if (!pool->head)
        pool->tail = NULL;
    work->next = NULL;
    pool->waiting--;
    pool->running++;
    return work;
}

static void *thread_main(void *arg)
{
    ko_pool *pool = arg;
    ko_work *work;

    (void)pthread_mutex_lock(&pool->lock);
    while ((work = take(pool))) {
        (void)pthread_mutex_unlock(&pool->lock);
        work->run(work);
        ko_loop_post(work->loop, &work->post);
        (void)pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Threads inherit the mask of their maker, so it is changed around the start. */
static int start_threads(ko_pool *pool, unsigned threads, ko_err *err)
{
    sigset_t all, before;
    int rc = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (rc == 0 && pool->thread_count < threads) {
        char name[sizeof(pool->name) + 4];

        rc = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);
        if (rc != 0)
            break;
        (void)snprintf(name, sizeof(name), "%s-%u", pool->name, pool->thread_count % 1000);
        (void)pthread_setname_np(pool->threads[pool->thread_count], name);
        pool->thread_count++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return ko_err_set(err, KO_E_UNAVAILABLE, "start thread %u of pool %s: %s",
                          pool->thread_count + 1, pool->name, strerror(rc));
    return 0;
}

int ko_pool_new(const char *name, unsigned threads, size_t queue_max, ko_pool **out, ko_err *err)
{
    KO_ASSERT(threads > 0 && queue_max > 0);
    ko_autoptr(ko_pool) pool = ko_xcalloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));

    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->wake, NULL);
    (void)snprintf(pool->name, sizeof(pool->name), "%s", name);
    pool->queue_max = queue_max;
    if (start_threads(pool, threads, err) < 0)
        return -1;
    *out = ko_steal(&pool);
    return 0;
}

ko_pool *ko_pool_free(ko_pool *pool)
{
    if (!pool)
        return NULL;
    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
    return NULL;
}

/* Called with the lock held. */
static int admit(const ko_pool *pool, ko_err *err)
{
    if (pool->stopping)
        return ko_err_set(err, KO_E_UNAVAILABLE, "pool %s is shutting down", pool->name);
    if (pool->waiting >= pool->queue_max)
        return ko_err_set(err, KO_E_UNAVAILABLE, "pool %s is full: %zu jobs wait", pool->name,
                          pool->waiting);
    return 0;
}

/* Called with the lock held. */
static void enqueue(ko_pool *pool, ko_work *work)
{
    if (pool->tail)
        pool->tail->next = work;
    else
        pool->head = work;
    pool->tail = work;
    pool->waiting++;
}

static void prepare(ko_work *work, ko_loop *loop)
{
    KO_ASSERT(work->run && work->done);
    work->loop = loop;
    work->next = NULL;
    work->post = (ko_post){.fn = finish, .arg = work};
}

/* The signal comes after the unlock, so that the thread woken does not run into the lock. */
int ko_pool_submit(ko_pool *pool, ko_loop *loop, ko_work *work, ko_err *err)
{
    prepare(work, loop);
    (void)pthread_mutex_lock(&pool->lock);
    int rc = admit(pool, err);
    if (rc == 0)
        enqueue(pool, work);
    (void)pthread_mutex_unlock(&pool->lock);
    if (rc == 0)
        (void)pthread_cond_signal(&pool->wake);
    return rc;
}

void ko_pool_continue(ko_pool *pool, ko_loop *loop, ko_work *work)
{
    prepare(work, loop);
    (void)pthread_mutex_lock(&pool->lock);
    enqueue(pool, work);
    (void)pthread_mutex_unlock(&pool->lock);
    (void)pthread_cond_signal(&pool->wake);
}

void ko_pool_stats(ko_pool *pool, size_t *waiting, size_t *running)
{
    (void)pthread_mutex_lock(&pool->lock);
    *waiting = pool->waiting;
    *running = pool->running;
    (void)pthread_mutex_unlock(&pool->lock);
}
