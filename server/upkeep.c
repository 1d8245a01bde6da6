/* server/upkeep.c: see upkeep.h.
 *
 * Each duty has an interval; the thread sleeps on a condition until the next is due, and is woken early
 * by stop or by a full disk. Long duties (collector, scrubber) are given a pause function that sleeps
 * on the same condition, so that stopping never waits for them, and that keeps the collector to about
 * a fifth of one core. */
#include "server/upkeep.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "server/pulls.h"
#include "storage/gc.h"
#include "storage/meta_audit.h"
#include "storage/scrub.h"

struct ko_upkeep {
    ko_app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;      /* under the lock */
    bool look_at_space; /* under the lock */
    atomic_bool full;
    uint64_t unit_began_us; /* the upkeep thread's */
};

/* ---- Pauses ---- */

/* Sleeps up to `ms`; true when it is time to stop. */
static bool doze(ko_upkeep *u, uint64_t ms)
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
    (void)pthread_mutex_lock(&u->lock);
    while (!u->stopping && !u->look_at_space &&
           pthread_cond_timedwait(&u->wake, &u->lock, &until) == 0)
        continue;
    stopping = u->stopping;
    (void)pthread_mutex_unlock(&u->lock);
    return stopping;
}

/* After a unit of work rest four times as long as it took, a second at most. */
static bool rest(void *arg)
{
    ko_upkeep *u = arg;
    uint64_t took_ms = (ko_clock_mono_us() - u->unit_began_us) / 1000;
    bool stop = doze(u, took_ms > 250 ? 1000 : took_ms * 4);

    u->unit_began_us = ko_clock_mono_us();
    return stop;
}

static bool keep_rate(void *arg, uint64_t bytes)
{
    ko_upkeep *u = arg;

    return doze(u, bytes * 1000 / ko_app_settings(u->app)->scrub_rate);
}

/* ---- Duties ---- */

static void complain(const char *duty, const ko_err *err)
{
    ko_log(KO_WARN, "upkeep.failed", KO_F_STR("duty", duty), KO_F_ERR(err));
}

static void watch_space(ko_upkeep *u)
{
    uint64_t free_bytes, total_bytes;
    bool full;
    ko_err err;

    if (ko_blob_space(u->app->blobs, &free_bytes, &total_bytes, &err) < 0) {
        complain("space", &err);
        return;
    }
    full = free_bytes < ko_app_settings(u->app)->reserve_bytes;
    if (full != atomic_exchange(&u->full, full))
        ko_log(full ? KO_ERROR : KO_INFO, full ? "storage.full" : "storage.room",
               KO_F_U64("free_bytes", free_bytes), KO_F_U64("total_bytes", total_bytes));
}

static void flush_pulls(ko_upkeep *u)
{
    ko_err err;

    if (ko_pulls_flush(u->app->pulls, u->app->meta, &err) < 0)
        complain("pulls", &err);
}

static void sweep_uploads(ko_upkeep *u)
{
    size_t sessions = 0, orphans = 0;
    ko_err err;

    ko_uploads_sweep(u->app->uploads);
    if (ko_uploads_reap(u->app->uploads, ko_app_settings(u->app)->upload_idle_s, 24 * 3600, &sessions,
                        &orphans, &err) < 0)
        complain("uploads", &err);
    ko_metrics_add(u->app->metrics, KO_METRIC_UPLOADS_REAPED, sessions + orphans);
    if (sessions + orphans > 0)
        ko_log(KO_INFO, "uploads.reaped", KO_F_U64("sessions", sessions),
               KO_F_U64("orphans", orphans));
}

static void maintain_auth(ko_upkeep *u)
{
    ko_err err;

    if (ko_auth_maintain(u->app->auth, &err) < 0)
        complain("auth", &err);
}

static void report_gc(const ko_upkeep *u, const ko_gc_stats *stats)
{
    ko_metrics_add(u->app->metrics, KO_METRIC_GC_UNLINKED, stats->unlinked);
    ko_metrics_add(u->app->metrics, KO_METRIC_GC_BLOBS, stats->purged);
    ko_metrics_add(u->app->metrics, KO_METRIC_GC_BYTES, stats->purged_bytes);
    if (stats->unlinked + stats->quarantined + stats->purged + stats->deleted > 0)
        ko_log(KO_INFO, "gc", KO_F_U64("unlinked", stats->unlinked),
               KO_F_U64("deleted", stats->deleted), KO_F_U64("quarantined", stats->quarantined),
               KO_F_U64("purged", stats->purged), KO_F_U64("bytes", stats->purged_bytes));
}

static void collect_garbage(ko_upkeep *u)
{
    const ko_settings *settings = ko_app_settings(u->app);
    ko_gc_options options = {.grace_s = settings->gc_grace_s,
                             .untagged_keep_s = settings->gc_untagged_s,
                             .pause = rest,
                             .pause_arg = u};
    ko_gc_stats stats = {0};
    ko_err err;

    if (!settings->gc)
        return;
    u->unit_began_us = ko_clock_mono_us();
    if (ko_gc_run_once(u->app->meta, u->app->blobs, &options, ko_clock_wall_s(), &stats, &err) < 0)
        complain("gc", &err);
    report_gc(u, &stats);
}

static void report_damage(void *arg, const ko_digest *digest, const ko_err *why)
{
    (void)arg;
    ko_log(KO_ERROR, "scrub.damaged", KO_F_STR("digest", digest->text), KO_F_ERR(why));
}

/* Each turn goes on where the last one stopped; the rate is chosen so that all blobs are read once in
 * the interval, and never above the set maximum. */
static void scrub(ko_upkeep *u)
{
    ko_scrub_options options = {
        .resume = true, .report = report_damage, .pause = keep_rate, .pause_arg = u};
    ko_scrub_stats stats = {0};
    bool done;
    ko_err err;

    if (!ko_app_settings(u->app)->scrub)
        return;
    if (ko_scrub_run(u->app->meta, u->app->blobs, &options, &stats, &done, &err) < 0)
        complain("scrub", &err);
    ko_metrics_add(u->app->metrics, KO_METRIC_SCRUB_BLOBS, stats.blobs);
    ko_metrics_add(u->app->metrics, KO_METRIC_SCRUB_CORRUPT, stats.damaged);
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

static void prune_audit(ko_upkeep *u)
{
    prune p = {.app = u->app};
    ko_err err;

    if (ko_app_settings(u->app)->audit_keep_s == 0)
        return;
    do {
        if (ko_meta_write(u->app->meta, KO_META_LAZY, prune_tx, &p, &err) < 0) {
            complain("audit", &err);
            return;
        }
    } while (p.removed == PRUNE_ROWS && !doze(u, 10));
}

/* ---- The thread ---- */

static uint64_t gc_every(const ko_app *app)
{
    return ko_app_settings(app)->gc_interval_ms;
}

static uint64_t scrub_every(const ko_app *app)
{
    return ko_app_settings(app)->scrub_interval_s * 1000;
}

static const struct {
    void (*run)(ko_upkeep *u);
    uint64_t every_ms;                     /* or, when 0, */
    uint64_t (*interval)(const ko_app *app); /* a setting */
} duties[] = {
    {watch_space, 2000, NULL},       {flush_pulls, 15 * 1000, NULL},
    {sweep_uploads, 60 * 1000, NULL}, {maintain_auth, 5 * 60 * 1000, NULL},
    {prune_audit, 3600 * 1000, NULL}, {collect_garbage, 0, gc_every},
    {scrub, 0, scrub_every},
};

static uint64_t run_due(ko_upkeep *u, uint64_t due_ms[static KO_ARRAY_LEN(duties)])
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < KO_ARRAY_LEN(duties); i++) {
        uint64_t every = duties[i].every_ms ? duties[i].every_ms : duties[i].interval(u->app);

        if (ko_clock_mono_ms() >= due_ms[i]) {
            duties[i].run(u);
            due_ms[i] = ko_clock_mono_ms() + every;
        } else if (due_ms[i] > ko_clock_mono_ms() + every) {
            due_ms[i] = ko_clock_mono_ms() + every; /* a reload made it shorter */
        }
        if (due_ms[i] < next)
            next = due_ms[i];
    }
    return next;
}

static bool take_space_wish(ko_upkeep *u)
{
    bool wish;

    (void)pthread_mutex_lock(&u->lock);
    wish = u->look_at_space;
    u->look_at_space = false;
    (void)pthread_mutex_unlock(&u->lock);
    return wish;
}

static void *thread_main(void *arg)
{
    ko_upkeep *u = arg;
    uint64_t due_ms[KO_ARRAY_LEN(duties)];
    bool stop = false;

    for (size_t i = 0; i < KO_ARRAY_LEN(duties); i++)
        due_ms[i] = ko_clock_mono_ms() + (duties[i].every_ms ? duties[i].every_ms : gc_every(u->app));
    while (!stop) {
        uint64_t next = run_due(u, due_ms), now = ko_clock_mono_ms();

        stop = doze(u, next > now ? next - now : 1);
        if (take_space_wish(u))
            watch_space(u);
    }
    return NULL;
}

int ko_upkeep_start(ko_app *app, ko_upkeep **out, ko_err *err)
{
    ko_upkeep *u = ko_new(ko_upkeep);
    ko_gc_stats stats = {0};
    pthread_condattr_t attr;
    sigset_t all, before;
    int rc;

    u->app = app;
    (void)pthread_mutex_init(&u->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&u->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    watch_space(u);
    if (ko_gc_recover(app->meta, app->blobs, &stats, err) < 0) {
        complain("recover", err); /* not fatal: what is there can still be served */
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&u->thread, NULL, thread_main, u);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(u);
        return ko_err_set(err, KO_E_UNAVAILABLE, "start the upkeep thread: %s", strerror(rc));
    }
    (void)pthread_setname_np(u->thread, "upkeep");
    *out = u;
    return 0;
}

ko_upkeep *ko_upkeep_stop(ko_upkeep *u)
{
    if (!u)
        return NULL;
    (void)pthread_mutex_lock(&u->lock);
    u->stopping = true;
    (void)pthread_cond_signal(&u->wake);
    (void)pthread_mutex_unlock(&u->lock);
    (void)pthread_join(u->thread, NULL);
    flush_pulls(u);
    (void)pthread_cond_destroy(&u->wake);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
    return NULL;
}

bool ko_upkeep_is_full(const ko_upkeep *u)
{
    return u && atomic_load_explicit(&u->full, memory_order_relaxed);
}

void ko_upkeep_look_at_space(ko_upkeep *u)
{
    if (!u)
        return;
    (void)pthread_mutex_lock(&u->lock);
    u->look_at_space = true;
    (void)pthread_cond_signal(&u->wake);
    (void)pthread_mutex_unlock(&u->lock);
}
