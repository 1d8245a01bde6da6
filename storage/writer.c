/* storage/writer.c: group commit.
 *
 * A job lies on the stack of the thread that waits for it; the queue only links it. Ordering that
 * callers rely on: commit, then generations are raised, then the caller wakes.
 *
 * The writer does not wait for a group to fill: while one group is synced the next one gathers, so
 * groups grow with the load by themselves and a lone write has no delay. */
#include "storage/writer.h"

#include <signal.h>
#include <time.h>

#include "common/base/clock.h"
#include "storage/meta_priv.h"

#define GROUP_MAX     256  /* jobs in one transaction */
#define GROUP_TIME_MS 25   /* begin no further job in a transaction that old */
#define IDLE_AFTER_MS 5000 /* without a write: time for housekeeping */
#define NS_PER_MS     1000000L

typedef struct job {
    struct job *next;
    ko_meta_fn *fn;
    void *arg;
    ko_meta_durability durability;
    ko_meta_tx tx;
    int rc;
    ko_err err;
    bool done;
    pthread_cond_t wake;
} job;

struct ko_writer {
    ko_db *db;
    ko_generation *gen;
    pthread_mutex_t *db_lock; /* may be NULL */
    ko_ballast *ballast;      /* may be NULL */
    pthread_t thread;

    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t arrived;
    job *first, **last;
    size_t waiting;
    bool closing;
};

/* ---- Running jobs (the writer's thread) ---- */

static void run_job(ko_writer *w, job *j)
{
    j->tx = (ko_meta_tx){.db = w->db, .is_write = true};
    j->err = KO_ERR_INIT;
    j->rc = j->fn(&j->tx, j->arg, &j->err);
    if (j->rc < 0 && j->err.code == KO_E_NONE)
        j->rc = ko_err_set(&j->err, KO_E_IO, "write failed without a reason");
}

static ko_db_mode mode_of(const job *jobs, size_t count)
{
    for (; jobs && count > 0; jobs = jobs->next, count--) {
        if (jobs->durability == KO_META_DURABLE)
            return KO_DB_WRITE_DURABLE;
    }
    return KO_DB_WRITE;
}

/* One job in a transaction of its own. */
static void try_alone(ko_writer *w, job *j)
{
    if (w->db->ops->begin(w->db, mode_of(j, 1), &j->err) < 0) {
        j->rc = -1;
        return;
    }
    run_job(w, j);
    if (j->rc >= 0) {
        int rc = w->db->ops->commit(w->db, &j->err);

        j->rc = rc < 0 ? rc : j->rc;
    } else {
        w->db->ops->rollback(w->db);
    }
}

/* On a full disk once more, with the room that the ballast gives. */
static void run_alone(ko_writer *w, job *j)
{
    try_alone(w, j);
    if (j->rc < 0 && j->err.code == KO_E_NO_SPACE && w->ballast && ko_ballast_release(w->ballast))
        try_alone(w, j);
}

/* One job of a group. errors: the group's transaction is lost. */
static int run_in_savepoint(ko_writer *w, job *j, ko_err *err)
{
    const ko_db_ops *ops = w->db->ops;

    if (ops->savepoint(w->db, err) < 0)
        return -1;
    run_job(w, j);
    if (!ops->in_transaction(w->db))
        return ko_err_set(err, KO_E_IO, "the transaction was ended by the database");
    return j->rc >= 0 ? ops->release(w->db, err) : ops->rollback_to(w->db, err);
}

/* Runs jobs of the list in one transaction until it is old enough; *ran is how many. errors:
 * nothing of it was written. */
static int run_group(ko_writer *w, job *jobs, size_t count, size_t *ran, ko_err *err)
{
    uint64_t until_ms = ko_clock_mono_ms() + GROUP_TIME_MS;

    *ran = 0;
    if (w->db->ops->begin(w->db, mode_of(jobs, count), err) < 0)
        return -1;
    for (job *j = jobs; *ran < count; j = j->next) {
        if (*ran > 0 && ko_clock_mono_ms() > until_ms)
            break;
        (*ran)++;
        if (run_in_savepoint(w, j, err) < 0) {
            w->db->ops->rollback(w->db);
            return -1;
        }
    }
    return w->db->ops->commit(w->db, err);
}

static void raise_touched(ko_writer *w, const ko_meta_tx *tx)
{
    if (tx->rights_touched)
        ko_generation_raise_rights(w->gen);
    for (size_t i = 0; i < KO_ARRAY_LEN(tx->repos_touched); i++) {
        for (uint64_t bits = tx->repos_touched[i]; bits != 0; bits &= bits - 1)
            ko_generation_raise_repo(w->gen, i * 64 + (size_t)__builtin_ctzll(bits));
    }
}

static void finish(ko_writer *w, job *j, size_t count)
{
    for (job *each = j; count > 0; each = each->next, count--) {
        if (each->rc >= 0)
            raise_touched(w, &each->tx);
    }
}

/* Wakes the owners; a job is gone as soon as its owner can see it done. */
static job *wake(ko_writer *w, job *j, size_t count)
{
    (void)pthread_mutex_lock(&w->lock);
    for (; count > 0; count--) {
        job *next = j->next;

        j->done = true;
        (void)pthread_cond_signal(&j->wake);
        j = next;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return j;
}

static void write_all(ko_writer *w, job *jobs, size_t count)
{
    while (count > 0) {
        ko_err err = KO_ERR_INIT;
        size_t ran = 1;

        if (w->db_lock)
            (void)pthread_mutex_lock(w->db_lock);
        if (count == 1) {
            run_alone(w, jobs);
        } else if (run_group(w, jobs, count, &ran, &err) < 0) {
            ran = ran > 0 ? ran : 1; /* not even begun: let one tell why */
            job *j = jobs;
            for (size_t i = 0; i < ran; i++, j = j->next)
                run_alone(w, j);
        }
        if (w->db_lock)
            (void)pthread_mutex_unlock(w->db_lock);
        finish(w, jobs, ran);
        jobs = wake(w, jobs, ran);
        count -= ran;
    }
}

/* ---- The queue ---- */

static void deadline_in(struct timespec *at, long ms)
{
    (void)clock_gettime(CLOCK_MONOTONIC, at); /* cannot fail for this clock */
    at->tv_sec += ms / 1000;
    at->tv_nsec += ms % 1000 * NS_PER_MS;
    if (at->tv_nsec >= 1000 * NS_PER_MS) {
        at->tv_sec++;
        at->tv_nsec -= 1000 * NS_PER_MS;
    }
}

/* Waits for jobs; *dirty: something was written since the last housekeeping, which is done here
 * after a while of nothing. Returns with the lock held. */
static void wait_for_jobs(ko_writer *w, bool *dirty)
{
    struct timespec until;

    (void)pthread_mutex_lock(&w->lock);
    deadline_in(&until, IDLE_AFTER_MS);
    while (!w->first && !w->closing) {
        if (!*dirty) {
            (void)pthread_cond_wait(&w->arrived, &w->lock);
            continue;
        }
        if (pthread_cond_timedwait(&w->arrived, &w->lock, &until) != ETIMEDOUT)
            continue;
        *dirty = false;
        if (!w->db->ops->idle)
            continue;
        (void)pthread_mutex_unlock(&w->lock);
        if (w->db_lock)
            (void)pthread_mutex_lock(w->db_lock);
        w->db->ops->idle(w->db);
        if (w->ballast)
            ko_ballast_fill(w->ballast);
        if (w->db_lock)
            (void)pthread_mutex_unlock(w->db_lock);
        (void)pthread_mutex_lock(&w->lock);
    }
}

/* Takes up to GROUP_MAX jobs off the queue, which is locked. */
static job *take(ko_writer *w, size_t *count)
{
    job *jobs = w->first, **end = &w->first;

    for (*count = 0; *end && *count < GROUP_MAX; (*count)++)
        end = &(*end)->next;
    w->first = *end;
    if (!w->first)
        w->last = &w->first;
    *end = NULL;
    w->waiting -= *count;
    return jobs;
}

static void *writer_main(void *arg)
{
    ko_writer *w = arg;
    bool dirty = true; /* an earlier process may have left a log */

    for (;;) {
        size_t count = 0;

        wait_for_jobs(w, &dirty);
        job *jobs = take(w, &count);
        bool over = w->closing && count == 0;
        (void)pthread_mutex_unlock(&w->lock);

        if (over)
            return NULL;
        write_all(w, jobs, count);
        dirty = true;
    }
}

int ko_writer_run(ko_writer *w, ko_meta_durability durability, ko_meta_fn *fn, void *arg,
                  ko_err *err)
{
    job j = {.fn = fn, .arg = arg, .durability = durability, .wake = PTHREAD_COND_INITIALIZER};

    (void)pthread_mutex_lock(&w->lock);
    if (w->closing || w->waiting >= KO_WRITER_QUEUE_MAX) {
        bool closing = w->closing;

        (void)pthread_mutex_unlock(&w->lock);
        return ko_err_set(err, KO_E_UNAVAILABLE, "database: %s",
                          closing ? "closing" : "too many writes are waiting");
    }
    *w->last = &j;
    w->last = &j.next;
    w->waiting++;
    (void)pthread_cond_signal(&w->arrived);
    while (!j.done)
        (void)pthread_cond_wait(&j.wake, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);

    (void)pthread_cond_destroy(&j.wake);
    if (j.rc < 0 && err)
        *err = j.err;
    return j.rc;
}

/* ---- Start and end ---- */

int ko_writer_new(ko_db *db, ko_generation *gen, pthread_mutex_t *lock, ko_ballast *ballast,
                  ko_writer **out, ko_err *err)
{
    ko_writer *w = ko_new(ko_writer);
    pthread_condattr_t attr;
    sigset_t all, before;

    *w = (ko_writer){.db = db, .gen = gen, .db_lock = lock, .ballast = ballast, .last = &w->first};
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->arrived, &attr);
    (void)pthread_condattr_destroy(&attr);

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's loops */
    int rc = pthread_create(&w->thread, NULL, writer_main, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(w);
        errno = rc;
        return ko_err_sys(err, "start the database writer");
    }
    *out = w;
    return 0;
}

ko_writer *ko_writer_free(ko_writer *w)
{
    if (!w)
        return NULL;
    (void)pthread_mutex_lock(&w->lock);
    w->closing = true;
    (void)pthread_cond_signal(&w->arrived);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->arrived);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}
