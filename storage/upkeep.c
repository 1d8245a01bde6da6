/* storage/upkeep.c: one thread, three chores, each with a time at which it is due next. Every wait,
 * also the pauses inside a chore, is on one condition, so that stopping takes no longer than the
 * unit in progress. */
#include "storage/upkeep.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "common/base/clock.h"

#define ORPHAN_AGE_S (24 * 3600) /* staged bytes without a session are left alone so long */
#define NEVER        UINT64_MAX

typedef struct {
    const char *name;
    uint64_t interval_ms; /* 0: never */
    uint64_t due_ms;      /* monotonic */
    int (*run)(ko_upkeep *upkeep, ko_err *err);
} chore;

enum { GC, REAP, SCRUB, CHORES }; /* SCRUB is the last: see scrub_pause() */

struct ko_upkeep {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows up to `totals` */
    pthread_cond_t wake;
    bool stop;
    bool kicked;
    bool changed; /* `wanted` is news to the thread */
    ko_upkeep_options wanted;
    ko_upkeep_stats totals;
    ko_upkeep_options options; /* this and the rest are the thread's own */
    chore chores[CHORES];
    uint64_t scrub_began_ms;
    uint64_t scrub_read; /* bytes, since then */
};

/* ---- Waiting ---- */

/* Waits until `due_ms`, a stop, or (if `news` are wanted) a kick or a change. True: stop. */
static bool wait_until(ko_upkeep *upkeep, uint64_t due_ms, bool news)
{
    const struct timespec at = {.tv_sec = (time_t)(due_ms / 1000),
                                .tv_nsec = (long)(due_ms % 1000) * 1000000};

    pthread_mutex_lock(&upkeep->lock);
    while (!upkeep->stop && !(news && (upkeep->kicked || upkeep->changed))) {
        if (due_ms == NEVER)
            pthread_cond_wait(&upkeep->wake, &upkeep->lock);
        else if (pthread_cond_timedwait(&upkeep->wake, &upkeep->lock, &at) == ETIMEDOUT)
            break;
    }
    bool stop = upkeep->stop;
    pthread_mutex_unlock(&upkeep->lock);
    return stop;
}

/* ---- Choosing ---- */

static void report(const ko_upkeep *upkeep, const char *what, const ko_err *err)
{
    if (upkeep->options.failed)
        upkeep->options.failed(upkeep->options.arg, what, err);
}

/* The chore that is due first, among the first `count`. */
static chore *next_chore(ko_upkeep *upkeep, size_t count)
{
    chore *next = &upkeep->chores[0];

    for (size_t i = 1; i < count; i++)
        if (upkeep->chores[i].due_ms < next->due_ms)
            next = &upkeep->chores[i];
    return next;
}

static void run_chore(ko_upkeep *upkeep, chore *c)
{
    ko_err err = KO_ERR_INIT;

    if (c->run(upkeep, &err) < 0)
        report(upkeep, c->name, &err);
    c->due_ms = c->interval_ms ? ko_clock_mono_ms() + c->interval_ms : NEVER;
}

static void plan(ko_upkeep *upkeep);

static void take_news(ko_upkeep *upkeep)
{
    pthread_mutex_lock(&upkeep->lock);
    bool kicked = upkeep->kicked;
    bool changed = upkeep->changed;
    if (changed)
        upkeep->options = upkeep->wanted;
    upkeep->kicked = upkeep->changed = false;
    pthread_mutex_unlock(&upkeep->lock);
    if (changed)
        plan(upkeep);
    if (kicked)
        upkeep->chores[GC].due_ms = 0;
}

/* Runs what is due among the first `count` chores; false when nothing is. */
static bool run_due(ko_upkeep *upkeep, size_t count)
{
    take_news(upkeep);
    chore *next = next_chore(upkeep, count);
    if (next->due_ms > ko_clock_mono_ms())
        return false;
    run_chore(upkeep, next);
    return true;
}

/* ---- Chores ---- */

static bool gc_pause(void *arg)
{
    ko_upkeep *upkeep = arg;

    return wait_until(upkeep, ko_clock_mono_ms() + upkeep->options.gc_unit_pause_ms, false);
}

/* Keeps the rate: by now, what was read should have taken so long. A pass may take weeks, so the
 * other chores are run in its pauses; it holds nothing then that they need. It ends early when a
 * change has switched scrubbing off. */
static bool scrub_pause(void *arg, uint64_t bytes)
{
    ko_upkeep *upkeep = arg;

    upkeep->scrub_read += bytes;
    while (run_due(upkeep, SCRUB))
        continue;
    if (upkeep->options.scrub_interval_ms == 0)
        return true;
    uint64_t rate = upkeep->options.scrub_bytes_per_s;
    uint64_t due_ms =
        rate ? upkeep->scrub_began_ms + (uint64_t)((double)upkeep->scrub_read * 1000 / (double)rate)
             : 0;
    return wait_until(upkeep, due_ms, false);
}

static int run_gc(ko_upkeep *upkeep, ko_err *err)
{
    const ko_upkeep_options *o = &upkeep->options;
    const ko_gc_options options = {.grace_s = o->gc_grace_s,
                                   .untagged_keep_s = o->gc_untagged_keep_s,
                                   .pause = gc_pause,
                                   .pause_arg = upkeep};
    ko_gc_stats stats = {0};

    int rc = ko_gc_run_once(o->meta, o->store, &options, ko_clock_wall_s(), &stats, err);
    pthread_mutex_lock(&upkeep->lock);
    upkeep->totals.gc_runs++;
#define X(name, text) upkeep->totals.gc.name += stats.name;
    KO_GC_COUNTERS(X)
#undef X
    pthread_mutex_unlock(&upkeep->lock);
    return rc;
}

static int run_reap(ko_upkeep *upkeep, ko_err *err)
{
    size_t sessions = 0;
    size_t stages = 0;

    int rc = ko_uploads_reap(upkeep->options.uploads, upkeep->options.upload_idle_s, ORPHAN_AGE_S,
                             &sessions, &stages, err);
    pthread_mutex_lock(&upkeep->lock);
    upkeep->totals.sessions_reaped += sessions;
    upkeep->totals.stages_reaped += stages;
    pthread_mutex_unlock(&upkeep->lock);
    return rc;
}

static void begin_rate(ko_upkeep *upkeep)
{
    upkeep->scrub_began_ms = ko_clock_mono_ms();
    upkeep->scrub_read = 0;
}

static int run_scrub(ko_upkeep *upkeep, ko_err *err)
{
    const ko_upkeep_options *o = &upkeep->options;
    const ko_scrub_options options = {.resume = true,
                                      .report = o->damaged,
                                      .report_arg = o->arg,
                                      .pause = scrub_pause,
                                      .pause_arg = upkeep};
    ko_scrub_stats stats = {0};
    bool done = false;

    begin_rate(upkeep);
    int rc = ko_scrub_run(o->meta, o->store, &options, &stats, &done, err);
    pthread_mutex_lock(&upkeep->lock);
    upkeep->totals.scrub_passes += done;
    upkeep->totals.scrub.blobs += stats.blobs;
    upkeep->totals.scrub.bytes += stats.bytes;
    upkeep->totals.scrub.damaged += stats.damaged;
    upkeep->totals.scrub.missing += stats.missing;
    upkeep->totals.scrub.unreadable += stats.unreadable;
    pthread_mutex_unlock(&upkeep->lock);
    return rc;
}

/* ---- The thread ---- */

static void recover(ko_upkeep *upkeep)
{
    ko_gc_stats stats = {0};
    ko_err err = KO_ERR_INIT;

    if (ko_gc_recover(upkeep->options.meta, upkeep->options.store, &stats, &err) < 0)
        report(upkeep, "gc", &err);
    pthread_mutex_lock(&upkeep->lock);
    upkeep->totals.gc.restored += stats.restored;
    upkeep->totals.gc.purged += stats.purged;
    upkeep->totals.gc.purged_bytes += stats.purged_bytes;
    pthread_mutex_unlock(&upkeep->lock);
}

/* A pass is due an interval after the end of the last one, whichever process ran that; one that a
 * stop broke off goes on at once. */
static void plan_scrub(ko_upkeep *upkeep)
{
    chore *c = &upkeep->chores[SCRUB];
    int64_t ended_at_s = 0;
    bool under_way = false;
    ko_err err = KO_ERR_INIT;

    if (c->interval_ms == 0)
        return;
    if (ko_scrub_last(upkeep->options.meta, &ended_at_s, &under_way, &err) < 0) {
        report(upkeep, c->name, &err);
        return;
    }
    int64_t rest_ms = (ended_at_s - ko_clock_wall_s()) * 1000 + (int64_t)c->interval_ms;
    c->due_ms = ko_clock_mono_ms() + (under_way || rest_ms < 0 ? 0 : (uint64_t)rest_ms);
}

/* A chore whose interval stays keeps its time: reloads in quick succession put nothing off. */
static bool set_chore(ko_upkeep *upkeep, unsigned i, const char *name, uint64_t interval_ms,
                      int (*run)(ko_upkeep *, ko_err *))
{
    if (upkeep->chores[i].run && upkeep->chores[i].interval_ms == interval_ms)
        return false;
    upkeep->chores[i] = (chore){.name = name,
                                .interval_ms = interval_ms,
                                .due_ms = interval_ms ? ko_clock_mono_ms() + interval_ms : NEVER,
                                .run = run};
    return true;
}

/* When each chore is due by the options there are now. */
static void plan(ko_upkeep *upkeep)
{
    const ko_upkeep_options *o = &upkeep->options;

    (void)set_chore(upkeep, GC, "gc", o->gc_interval_ms, run_gc);
    (void)set_chore(upkeep, REAP, "reap", o->reap_interval_ms, run_reap);
    if (set_chore(upkeep, SCRUB, "scrub", o->scrub_interval_ms, run_scrub))
        plan_scrub(upkeep);
    begin_rate(upkeep);
}

static void *upkeep_main(void *arg)
{
    ko_upkeep *upkeep = arg;

    recover(upkeep);
    plan(upkeep);
    while (!wait_until(upkeep, next_chore(upkeep, CHORES)->due_ms, true))
        (void)run_due(upkeep, CHORES); /* false: there were news, and nothing is due by them */
    return NULL;
}

/* ---- Life ---- */

int ko_upkeep_start(const ko_upkeep_options *options, ko_upkeep **out, ko_err *err)
{
    ko_upkeep *upkeep = ko_new(ko_upkeep);
    pthread_condattr_t attr;
    sigset_t all;
    sigset_t before;

    upkeep->options = *options;
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* as ko_clock_mono_ms() */
    pthread_cond_init(&upkeep->wake, &attr);
    pthread_condattr_destroy(&attr);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's loops */
    int rc = pthread_create(&upkeep->thread, NULL, upkeep_main, upkeep);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        pthread_cond_destroy(&upkeep->wake);
        pthread_mutex_destroy(&upkeep->lock);
        free(upkeep);
        return ko_err_set(err, KO_E_UNAVAILABLE, "start the upkeep thread: error %d", rc);
    }
    (void)pthread_setname_np(upkeep->thread, "upkeep"); /* for people who look at threads */
    *out = upkeep;
    return 0;
}

ko_upkeep *ko_upkeep_free(ko_upkeep *upkeep)
{
    if (!upkeep)
        return NULL;
    pthread_mutex_lock(&upkeep->lock);
    upkeep->stop = true;
    pthread_cond_broadcast(&upkeep->wake);
    pthread_mutex_unlock(&upkeep->lock);
    pthread_join(upkeep->thread, NULL);
    pthread_cond_destroy(&upkeep->wake);
    pthread_mutex_destroy(&upkeep->lock);
    free(upkeep);
    return NULL;
}

void ko_upkeep_change(ko_upkeep *upkeep, const ko_upkeep_options *options)
{
    pthread_mutex_lock(&upkeep->lock);
    upkeep->wanted = *options;
    upkeep->changed = true;
    pthread_cond_broadcast(&upkeep->wake);
    pthread_mutex_unlock(&upkeep->lock);
}

void ko_upkeep_kick(ko_upkeep *upkeep)
{
    pthread_mutex_lock(&upkeep->lock);
    upkeep->kicked = true;
    pthread_cond_broadcast(&upkeep->wake);
    pthread_mutex_unlock(&upkeep->lock);
}

void ko_upkeep_totals(ko_upkeep *upkeep, ko_upkeep_stats *out)
{
    pthread_mutex_lock(&upkeep->lock);
    *out = upkeep->totals;
    pthread_mutex_unlock(&upkeep->lock);
}
