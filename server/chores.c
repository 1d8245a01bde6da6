/* server/chores.c: see chores.h.
 *
 * Each chore has an interval; the thread sleeps on a condition until the next is due, and is woken
 * early by stop or by a write that found the disk full. */
#include "server/chores.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "server/pulls.h"
#include "storage/meta_audit.h"

struct ko_chores {
    ko_app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;      /* under the lock */
    bool look_at_space; /* under the lock */
    atomic_bool full;
};

/* ---- Pauses ---- */

/* Sleeps up to `ms`; true when it is time to stop. */
static bool doze(ko_chores *chores, uint64_t ms)
{
    struct timespec until;
    bool stopping;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&chores->lock);
    while (!chores->stopping && !chores->look_at_space &&
           pthread_cond_timedwait(&chores->wake, &chores->lock, &until) == 0)
        continue;
    stopping = chores->stopping;
    (void)pthread_mutex_unlock(&chores->lock);
    return stopping;
}

/* ---- Chores ---- */

static void complain(const char *chore, const ko_err *err)
{
    ko_log(KO_WARN, "chores.failed", KO_F_STR("chore", chore), KO_F_ERR(err));
}

#define RESERVE_SHARE 8 /* on a small disk the reserve is this part of it */

/* Between two looks of the chore a fast push can write more than the reserve: transfers look too.
 */
static void watch_space(ko_chores *chores)
{
    uint64_t free_bytes, total_bytes, reserve = ko_app_settings(chores->app)->reserve_bytes;
    bool full;
    ko_err err;

    if (ko_blob_space(chores->app->blobs, &free_bytes, &total_bytes, &err) < 0) {
        complain("space", &err);
        return;
    }
    if (reserve > total_bytes / RESERVE_SHARE)
        reserve = total_bytes / RESERVE_SHARE;
    full = free_bytes < reserve;
    if (full != atomic_exchange(&chores->full, full))
        ko_log(full ? KO_ERROR : KO_INFO, full ? "storage.full" : "storage.room",
               KO_F_U64("free_bytes", free_bytes), KO_F_U64("total_bytes", total_bytes));
}

static void flush_pulls(ko_chores *chores)
{
    ko_err err;

    if (ko_pulls_flush(chores->app->pulls, chores->app->meta, &err) < 0)
        complain("pulls", &err);
}

static void sweep_uploads(ko_chores *chores)
{
    ko_uploads_sweep(chores->app->uploads);
}

static void maintain_auth(ko_chores *chores)
{
    ko_err err;

    if (ko_auth_maintain(chores->app->auth, &err) < 0)
        complain("auth", &err);
}

typedef struct {
    const ko_app *app;
    size_t removed;
} prune;

#define PRUNE_ROWS 1000 /* in one transaction */

static int prune_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    prune *p = arg;

    return ko_meta_audit_prune(tx, ko_clock_wall_s() - ko_app_settings(p->app)->audit_keep_s,
                               PRUNE_ROWS, &p->removed, err);
}

static void prune_audit(ko_chores *chores)
{
    prune p = {.app = chores->app};
    ko_err err;

    if (ko_app_settings(chores->app)->audit_keep_s == 0)
        return;
    do {
        if (ko_meta_write(chores->app->meta, KO_META_LAZY, prune_tx, &p, &err) < 0) {
            complain("audit", &err);
            return;
        }
    } while (p.removed == PRUNE_ROWS && !doze(chores, 10));
}

/* ---- The thread ---- */

static const struct {
    void (*run)(ko_chores *chores);
    uint64_t every_ms;
} table[] = {
    {watch_space, 2 * 1000},        {flush_pulls, 15 * 1000},   {sweep_uploads, 60 * 1000},
    {maintain_auth, 5 * 60 * 1000}, {prune_audit, 3600 * 1000},
};

/* Runs what is due; returns when the next will be. */
static uint64_t run_due(ko_chores *chores, uint64_t due_ms[static KO_ARRAY_LEN(table)])
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < KO_ARRAY_LEN(table); i++) {
        if (ko_clock_mono_ms() >= due_ms[i]) {
            table[i].run(chores);
            due_ms[i] = ko_clock_mono_ms() + table[i].every_ms;
        }
        if (due_ms[i] < next)
            next = due_ms[i];
    }
    return next;
}

static bool take_space_wish(ko_chores *chores)
{
    bool wish;

    (void)pthread_mutex_lock(&chores->lock);
    wish = chores->look_at_space;
    chores->look_at_space = false;
    (void)pthread_mutex_unlock(&chores->lock);
    return wish;
}

static void *thread_main(void *arg)
{
    ko_chores *chores = arg;
    uint64_t due_ms[KO_ARRAY_LEN(table)];
    bool stop = false;

    for (size_t i = 0; i < KO_ARRAY_LEN(table); i++)
        due_ms[i] = ko_clock_mono_ms() + table[i].every_ms;
    while (!stop) {
        uint64_t next = run_due(chores, due_ms), now = ko_clock_mono_ms();

        stop = doze(chores, next > now ? next - now : 1);
        if (take_space_wish(chores))
            watch_space(chores);
    }
    return NULL;
}

int ko_chores_start(ko_app *app, ko_chores **out, ko_err *err)
{
    ko_chores *chores = ko_new(ko_chores);
    pthread_condattr_t attr;
    sigset_t all, before;
    int rc;

    chores->app = app;
    (void)pthread_mutex_init(&chores->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&chores->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    watch_space(chores);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&chores->thread, NULL, thread_main, chores);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(chores);
        return ko_err_set(err, KO_E_UNAVAILABLE, "start the chores thread: %s", strerror(rc));
    }
    (void)pthread_setname_np(chores->thread, "chores");
    *out = chores;
    return 0;
}

ko_chores *ko_chores_stop(ko_chores *chores)
{
    if (!chores)
        return NULL;
    (void)pthread_mutex_lock(&chores->lock);
    chores->stopping = true;
    (void)pthread_cond_signal(&chores->wake);
    (void)pthread_mutex_unlock(&chores->lock);
    (void)pthread_join(chores->thread, NULL);
    flush_pulls(chores);
    (void)pthread_cond_destroy(&chores->wake);
    (void)pthread_mutex_destroy(&chores->lock);
    free(chores);
    return NULL;
}

bool ko_chores_is_full(const ko_chores *chores)
{
    return chores && atomic_load_explicit(&chores->full, memory_order_relaxed);
}

bool ko_chores_has_room(ko_chores *chores)
{
    if (!chores)
        return true;
    watch_space(chores);
    return !ko_chores_is_full(chores);
}

void ko_chores_look_at_space(ko_chores *chores)
{
    if (!chores)
        return;
    (void)pthread_mutex_lock(&chores->lock);
    chores->look_at_space = true;
    (void)pthread_cond_signal(&chores->wake);
    (void)pthread_mutex_unlock(&chores->lock);
}
