/* storage/gc.c: carries out what meta_gc.h decides.
 *
 * One run has three passes, each in small units: review what is due in the queue; hide the files of
 * condemned blobs; remove what has been hidden for the grace time. Between two units the caller may
 * pause or stop; everything can be taken up again by the next run, in this process or another.
 *
 * Files are hidden inside the write transaction, so that this is serialised with uploads, which
 * look for their file inside theirs (upload.c). They are removed after it: unlinking a large file
 * takes long, and the writer must not wait. A crash in between leaves a hidden file without a row,
 * which ko_gc_recover() takes. A file that lies in the place of a blob whose row is being purged
 * (its upload was never committed) is hidden first and goes the same way. */
#include "storage/gc.h"

#include "storage/meta_key.h"
#include "storage/scrub.h"

#define PAGE 64 /* rows per look into the database */

typedef struct {
    ko_meta *meta;
    ko_blob_store *store;
    const ko_gc_options *options;
    int64_t now_s;
    ko_gc_stats *stats;
    ko_arena *arena; /* of one page */
    ko_err first;    /* the first failure of a unit */
    bool stop;
} run;

/* Notes that a unit failed; the run goes on. */
static void failed(run *r, const ko_err *err)
{
    if (r->stats->failures++ == 0)
        r->first = *err;
}

static bool stopping(run *r)
{
    if (!r->stop && r->options->pause)
        r->stop = r->options->pause(r->options->pause_arg);
    return r->stop;
}

/* ---- Reviewing the queue ---- */

typedef struct {
    run *r;
    ko_meta_gc_item *items;
    size_t count;
} due_args;

static int list_due(ko_meta_tx *tx, void *arg, ko_err *err)
{
    due_args *a = arg;

    return ko_meta_gc_list_due(tx, a->r->now_s, PAGE, a->r->arena, &a->items, &a->count, err);
}

typedef struct {
    const ko_meta_gc_item *item;
    ko_meta_gc_policy policy;
    ko_meta_gc_verdict verdict;
} review_args;

static int review(ko_meta_tx *tx, void *arg, ko_err *err)
{
    review_args *a = arg;
    uint64_t bytes;

    return ko_meta_gc_review(tx, a->item, &a->policy, &a->verdict, &bytes, err);
}

static void count_verdict(ko_gc_stats *stats, ko_meta_gc_verdict verdict)
{
    stats->reviewed++;
    switch (verdict) {
    case KO_META_GC_UNLINKED:
        stats->unlinked++;
        return;
    case KO_META_GC_CONDEMNED:
        stats->condemned++;
        return;
    case KO_META_GC_DELETED:
        stats->deleted++;
        return;
    case KO_META_GC_GONE:
    case KO_META_GC_KEPT:
    case KO_META_GC_LATER:
        return;
    }
}

/* Returns how many items of the page were dealt with. */
static size_t review_page(run *r, const ko_meta_gc_item *items, size_t count)
{
    size_t done = 0;

    for (size_t i = 0; i < count && !stopping(r); i++) {
        ko_err err = KO_ERR_INIT;
        review_args args = {
            .item = &items[i],
            .policy = {.now_s = r->now_s, .untagged_keep_s = (int64_t)r->options->untagged_keep_s}};
        if (ko_meta_write(r->meta, KO_META_DURABLE, review, &args, &err) < 0) {
            failed(r, &err);
        } else {
            count_verdict(r->stats, args.verdict);
            done++;
        }
    }
    return done;
}

static int review_all(run *r, ko_err *err)
{
    size_t done;

    do { /* until a page brings nothing: what fails stays at the head of the queue */
        due_args args = {.r = r};
        ko_arena_reset(r->arena);
        if (ko_meta_read(r->meta, list_due, &args, err) < 0)
            return ko_err_ctx(err, "list the review queue");
        done = review_page(r, args.items, args.count);
    } while (done > 0 && !r->stop);
    return 0;
}

/* ---- Hiding and removing files ---- */

typedef struct {
    run *r;
    bool quarantined; /* else condemned */
    int64_t after_id;
    ko_meta_blob *blobs;
    size_t count;
} blobs_args;

static int list_blobs(ko_meta_tx *tx, void *arg, ko_err *err)
{
    blobs_args *a = arg;
    int64_t before_s = a->r->now_s - (int64_t)a->r->options->grace_s;

    if (!a->quarantined)
        return ko_meta_gc_list_condemned(tx, a->after_id, PAGE, a->r->arena, &a->blobs, &a->count,
                                         err);
    /* +1: "before" is exclusive, and a grace of 0 means now. */
    return ko_meta_gc_list_quarantined(tx, before_s + 1, a->after_id, PAGE, a->r->arena, &a->blobs,
                                       &a->count, err);
}

static int hide_file(void *arg, const ko_digest *digest, ko_err *err)
{
    return ko_blob_quarantine(arg, digest, err);
}

typedef struct {
    const run *r;
    const ko_digest *digest;
    bool done;
} blob_args;

static int quarantine(ko_meta_tx *tx, void *arg, ko_err *err)
{
    blob_args *a = arg;
    const ko_meta_gc_hook hook = {a->r->store, hide_file};

    return ko_meta_gc_quarantine(tx, a->digest, a->r->now_s, &hook, &a->done, err);
}

static int purge(ko_meta_tx *tx, void *arg, ko_err *err)
{
    blob_args *a = arg;
    const ko_meta_gc_hook hook = {a->r->store, hide_file};

    return ko_meta_gc_purge(tx, a->digest, &hook, &a->done, err);
}

static int hide_blob(run *r, const ko_meta_blob *blob, ko_err *err)
{
    blob_args args = {.r = r, .digest = &blob->digest};

    if (ko_meta_write(r->meta, KO_META_LAZY, quarantine, &args, err) < 0)
        return ko_err_ctx(err, "quarantine %s", blob->digest.text);
    r->stats->quarantined += args.done;
    return 0;
}

static int remove_blob(run *r, const ko_meta_blob *blob, ko_err *err)
{
    blob_args args = {.r = r, .digest = &blob->digest};

    if (ko_meta_write(r->meta, KO_META_LAZY, purge, &args, err) < 0)
        return ko_err_ctx(err, "purge %s", blob->digest.text);
    if (!args.done)
        return 0;
    if (ko_blob_purge(r->store, &blob->digest, err) < 0)
        return -1;
    r->stats->purged++;
    r->stats->purged_bytes += blob->size_bytes;
    return 0;
}

static int each_blob(run *r, bool quarantined, int (*unit)(run *, const ko_meta_blob *, ko_err *),
                     ko_err *err)
{
    blobs_args args = {.r = r, .quarantined = quarantined};

    do {
        ko_arena_reset(r->arena);
        if (ko_meta_read(r->meta, list_blobs, &args, err) < 0)
            return ko_err_ctx(err, "list blobs without a repository");
        for (size_t i = 0; i < args.count && !stopping(r); i++) {
            ko_err local = KO_ERR_INIT;
            if (unit(r, &args.blobs[i], &local) < 0)
                failed(r, &local);
            args.after_id = args.blobs[i].id;
        }
    } while (args.count == PAGE && !r->stop);
    return 0;
}

/* ---- A policy for untagged manifests that was switched on later than they were pushed ---- */

#define QUEUED_SETTING "gc.untagged_queued" /* "1": all of them have been queued */

typedef struct {
    run *r;
    bool wanted;
    bool queued;
    int64_t after_id;
} untagged_args;

static int untagged_state(ko_meta_tx *tx, void *arg, ko_err *err)
{
    untagged_args *a = arg;
    ko_err local = KO_ERR_INIT;
    ko_str value;

    if (ko_meta_setting_get(tx, KO_STR(QUEUED_SETTING), a->r->arena, &value, &local) == 0)
        a->queued = ko_str_eq(value, KO_STR("1"));
    else if (local.code != KO_E_NOT_FOUND)
        return ko_err_set(err, local.code, "%s", local.text);
    return 0;
}

static int queue_untagged(ko_meta_tx *tx, void *arg, ko_err *err)
{
    untagged_args *a = arg;

    return ko_meta_gc_queue_untagged(tx, a->after_id, PAGE, a->r->now_s, &a->after_id, err);
}

static int note_untagged(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const untagged_args *a = arg;

    return ko_meta_setting_set(tx, KO_STR(QUEUED_SETTING), a->wanted ? KO_STR("1") : KO_STR("0"),
                               err);
}

static int apply_untagged_policy(run *r, ko_err *err)
{
    untagged_args args = {.r = r, .wanted = r->options->untagged_keep_s > 0};

    if (ko_meta_read(r->meta, untagged_state, &args, err) < 0)
        return -1;
    if (args.wanted == args.queued)
        return 0;
    while (args.wanted) {
        if (stopping(r))
            return 0;
        if (ko_meta_write(r->meta, KO_META_LAZY, queue_untagged, &args, err) < 0)
            return ko_err_ctx(err, "queue untagged manifests");
        if (args.after_id == 0)
            break;
    }
    return ko_meta_write(r->meta, KO_META_LAZY, note_untagged, &args, err);
}

/* ---- Runs ---- */

int ko_gc_run_once(ko_meta *meta, ko_blob_store *store, const ko_gc_options *options, int64_t now_s,
                   ko_gc_stats *stats, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_gc_stats here = {0};
    run r = {.meta = meta,
             .store = store,
             .options = options,
             .now_s = now_s,
             .stats = &here,
             .arena = arena};

    int rc = apply_untagged_policy(&r, err);
    if (rc == 0)
        rc = review_all(&r, err);
    if (rc == 0)
        rc = each_blob(&r, false, hide_blob, err);
    if (rc == 0)
        rc = each_blob(&r, true, remove_blob, err);
#define X(name, text) stats->name += here.name;
    KO_GC_COUNTERS(X)
#undef X
    if (rc == 0 && here.failures > 0) {
        if (err)
            *err = r.first;
        rc = -1;
    }
    return rc;
}

typedef struct {
    int64_t now_s;
    ko_gc_preview *out;
} preview_args;

static int preview(ko_meta_tx *tx, void *arg, ko_err *err)
{
    preview_args *a = arg;

    if (ko_meta_gc_count(tx, a->now_s, &a->out->queue, err) < 0)
        return -1;
    return ko_meta_gc_dry_run(tx, a->now_s, &a->out->estimate, err);
}

int ko_gc_dry_run(ko_meta *meta, int64_t now_s, ko_gc_preview *out, ko_err *err)
{
    preview_args args = {now_s, out};

    return ko_meta_read(meta, preview, &args, err);
}

/* ---- Recovery ---- */

typedef struct {
    ko_meta *meta;
    ko_blob_store *store;
    ko_gc_stats *stats;
} recovery;

typedef struct {
    ko_blob_store *store;
    const ko_digest *digest;
    enum { KEEP, NEEDLESS, WANTED } what;
} judge_args;

/* In a write transaction, so that no upload or collector is in the middle of it. */
static int judge(ko_meta_tx *tx, void *arg, ko_err *err)
{
    judge_args *a = arg;
    ko_meta_blob blob;
    uint64_t size;
    ko_err local = KO_ERR_INIT;

    a->what = KEEP;
    if (ko_meta_blob_find_any(tx, a->digest, &blob, &local) < 0) {
        if (local.code != KO_E_NOT_FOUND)
            return ko_err_set(err, local.code, "%s", local.text);
        a->what = NEEDLESS;
    } else if (blob.state == KO_META_BLOB_LIVE) {
        a->what = ko_blob_stat(a->store, a->digest, &size, NULL) == 0 ? NEEDLESS : WANTED;
    }
    return 0;
}

/* Looks again, as the copy took time to read. */
static int restore(ko_meta_tx *tx, void *arg, ko_err *err)
{
    judge_args *a = arg;

    if (judge(tx, a, err) < 0)
        return -1;
    return a->what == WANTED ? ko_blob_restore(a->store, a->digest, err) : 0;
}

/* Brings a copy back unless it is damaged, for the scrubber hides those too. It is read where it
 * lies: in its place it would be served, and an upload of the same bytes would rely on it. */
static int bring_back(const recovery *rec, judge_args *args, ko_err *err)
{
    if (ko_scrub_quarantined(rec->store, args->digest, NULL) < 0)
        return 0;
    if (ko_meta_write(rec->meta, KO_META_LAZY, restore, args, err) < 0)
        return -1;
    rec->stats->restored += args->what == WANTED;
    return 0;
}

static int recover_one(void *arg, const ko_digest *digest, const char *stage_id, uint64_t size,
                       int64_t changed_at_s, ko_err *err)
{
    const recovery *rec = arg;
    judge_args args = {.store = rec->store, .digest = digest};

    (void)stage_id;
    (void)changed_at_s;
    if (ko_meta_write(rec->meta, KO_META_LAZY, judge, &args, err) < 0)
        return -1;
    switch (args.what) {
    case KEEP:
        return 0;
    case WANTED:
        return bring_back(rec, &args, err);
    case NEEDLESS:
        break;
    }
    if (ko_blob_purge(rec->store, digest, err) < 0)
        return -1;
    rec->stats->purged++;
    rec->stats->purged_bytes += size;
    return 0;
}

int ko_gc_recover(ko_meta *meta, ko_blob_store *store, ko_gc_stats *stats, ko_err *err)
{
    recovery rec = {meta, store, stats};

    if (ko_blob_walk(store, KO_BLOB_QUARANTINED, recover_one, &rec, err) < 0)
        return ko_err_ctx(err, "recover the quarantine");
    return 0;
}
