/* storage/meta_gc.c: the review queue and the decisions about single rows.
 *
 * Everything is decided by looking at the rows as they are now; a queue row only says "look". So a
 * review that comes too often, too late or twice does no harm, and none is lost with a crash: the
 * change that made it necessary wrote it in the same transaction. */
#include "storage/meta_gc.h"

#include "storage/meta_manifest.h"
#include "storage/meta_priv.h"

/* ---- The queue ---- */

int ko_meta_gc_queue(ko_meta_tx *tx, int kind, int64_t repo_id, const ko_digest *digest,
                     int64_t due_at_s, int64_t now_s, ko_err *err)
{
    return ko_meta_run(
        tx, KO_Q_gc_queue,
        KO_ARGS(KO_INT(kind), KO_INT(repo_id), KO_DIGEST(digest), KO_INT(due_at_s), KO_INT(now_s)),
        NULL, err);
}

static int dequeue(ko_meta_tx *tx, const ko_meta_gc_item *item, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_gc_remove,
                       KO_ARGS(KO_INT(item->kind), KO_INT(item->repo_id), KO_DIGEST(&item->digest)),
                       NULL, err);
}

static int postpone(ko_meta_tx *tx, const ko_meta_gc_item *item, int64_t due_at_s, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_gc_postpone,
                       KO_ARGS(KO_INT(item->kind), KO_INT(item->repo_id), KO_DIGEST(&item->digest),
                               KO_INT(due_at_s)),
                       NULL, err);
}

static int read_item(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_gc_item *out = element;
    int64_t kind = ko_meta_col_int(rows, 0);

    (void)arena; /* all of it is in the struct */
    if (kind < KO_META_GC_LINK || kind > KO_META_GC_MANIFEST)
        return ko_err_set(err, KO_E_CORRUPT, "database: a review of an unknown kind");
    out->kind = (ko_meta_gc_kind)kind;
    out->repo_id = ko_meta_col_int(rows, 1);
    out->due_at_s = ko_meta_col_int(rows, 3);
    out->since_s = ko_meta_col_int(rows, 4);
    return ko_meta_col_digest(rows, 2, &out->digest, err);
}

static const ko_meta_element item_element = {sizeof(ko_meta_gc_item), read_item};

int ko_meta_gc_list_due(ko_meta_tx *tx, int64_t now_s, size_t limit, ko_arena *arena,
                        ko_meta_gc_item **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_gc_list_due, KO_ARGS(KO_INT(now_s), KO_INT(limit)), &item_element,
                        arena, out, count, err);
}

/* ---- Review ---- */

typedef struct {
    ko_meta_gc_verdict verdict;
    uint64_t bytes;
    int64_t due_at_s; /* for LATER */
} finding;

/* A look-up that may miss: 1 found, 0 not, -1. */
static int found_or_not(int rc, const ko_err *why, ko_err *err)
{
    if (rc == 0)
        return 1;
    if (why->code == KO_E_NOT_FOUND)
        return 0;
    if (err)
        *err = *why;
    return -1;
}

static int review_link(ko_meta_tx *tx, const ko_meta_gc_item *item, int64_t now_s, finding *f,
                       ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    ko_meta_link link;
    ko_meta_repo repo;
    int found =
        found_or_not(ko_meta_blob_find(tx, item->repo_id, &item->digest, &link, &why), &why, err);

    if (found <= 0)
        return found;
    int needed = ko_meta_exists(tx, KO_Q_blob_is_needed,
                                KO_ARGS(KO_INT(item->repo_id), KO_DIGEST(&item->digest)), err);
    if (needed != 0) {
        f->verdict = KO_META_GC_KEPT;
        return needed < 0 ? -1 : 0;
    }
    if (link.lease_until_s > now_s) {
        f->verdict = KO_META_GC_LATER;
        f->due_at_s = link.lease_until_s;
        return 0;
    }
    f->verdict = KO_META_GC_UNLINKED;
    f->bytes = link.blob.size_bytes;
    if (ko_meta_repo_load(tx, item->repo_id, &repo, err) < 0)
        return -1;
    return ko_meta_blob_unlink(tx, &repo, &item->digest, false, now_s, err);
}

static int review_blob(ko_meta_tx *tx, const ko_meta_gc_item *item, int64_t now_s, finding *f,
                       ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    ko_meta_blob blob;
    int found = found_or_not(ko_meta_blob_find_any(tx, &item->digest, &blob, &why), &why, err);

    if (found <= 0)
        return found;
    if (blob.state != KO_META_BLOB_LIVE)
        return 0; /* on its way already */
    int linked = ko_meta_exists(tx, KO_Q_blob_is_linked, KO_ARGS(KO_INT(blob.id)), err);
    if (linked != 0) {
        f->verdict = KO_META_GC_KEPT;
        return linked < 0 ? -1 : 0;
    }
    f->verdict = KO_META_GC_CONDEMNED;
    f->bytes = blob.size_bytes;
    return ko_meta_run(tx, KO_Q_blob_set_state,
                       KO_ARGS(KO_INT(blob.id), KO_INT(KO_META_BLOB_CONDEMNED), KO_INT(now_s)),
                       NULL, err);
}

/* 1: a tag, an index or an existing subject holds on to the manifest; 0: nothing does; -1. */
static int manifest_is_held(ko_meta_tx *tx, int64_t repo_id, const ko_meta_manifest *manifest,
                            ko_err *err)
{
    int held = ko_meta_exists(tx, KO_Q_gc_manifest_is_tagged, KO_ARGS(KO_INT(manifest->id)), err);

    if (held == 0)
        held = ko_meta_exists(tx, KO_Q_gc_manifest_has_parent,
                              KO_ARGS(KO_INT(repo_id), KO_DIGEST(&manifest->digest)), err);
    if (held == 0 && manifest->has_subject)
        held = ko_meta_exists(tx, KO_Q_manifest_is_there,
                              KO_ARGS(KO_INT(repo_id), KO_DIGEST(&manifest->subject)), err);
    return held;
}

static int delete_manifest(ko_meta_tx *tx, const ko_meta_gc_item *item, int64_t now_s, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_repo repo;

    if (ko_meta_repo_load(tx, item->repo_id, &repo, err) < 0)
        return -1;
    return ko_meta_manifest_delete(tx, &repo, &item->digest, (ko_meta_by){.at_s = now_s}, arena,
                                   NULL, NULL, err);
}

static int review_manifest(ko_meta_tx *tx, const ko_meta_gc_item *item,
                           const ko_meta_gc_policy *policy, finding *f, ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    ko_meta_manifest manifest;
    int found = found_or_not(
        ko_meta_manifest_find(tx, item->repo_id, &item->digest, NULL, &manifest, &why), &why, err);

    if (found <= 0)
        return found;
    f->verdict = KO_META_GC_KEPT;
    if (policy->untagged_keep_s <= 0)
        return 0;
    int held = manifest_is_held(tx, item->repo_id, &manifest, err);
    if (held != 0)
        return held < 0 ? -1 : 0;
    if (item->since_s > policy->now_s - policy->untagged_keep_s) {
        f->verdict = KO_META_GC_LATER;
        f->due_at_s = item->since_s + policy->untagged_keep_s;
        return 0;
    }
    f->verdict = KO_META_GC_DELETED;
    f->bytes = manifest.size_bytes;
    return delete_manifest(tx, item, policy->now_s, err);
}

int ko_meta_gc_review(ko_meta_tx *tx, const ko_meta_gc_item *item, const ko_meta_gc_policy *policy,
                      ko_meta_gc_verdict *verdict, uint64_t *bytes, ko_err *err)
{
    finding f = {.verdict = KO_META_GC_GONE};
    int rc = -1;

    switch (item->kind) {
    case KO_META_GC_LINK:
        rc = review_link(tx, item, policy->now_s, &f, err);
        break;
    case KO_META_GC_BLOB:
        rc = review_blob(tx, item, policy->now_s, &f, err);
        break;
    case KO_META_GC_MANIFEST:
        rc = review_manifest(tx, item, policy, &f, err);
        break;
    }
    if (rc < 0)
        return -1;
    rc = f.verdict == KO_META_GC_LATER ? postpone(tx, item, f.due_at_s, err)
                                       : dequeue(tx, item, err);
    if (rc < 0)
        return -1;
    *verdict = f.verdict;
    *bytes = f.bytes;
    return 0;
}

/* ---- Quarantine and purge ---- */

int ko_meta_gc_list_condemned(ko_meta_tx *tx, int64_t after_id, size_t limit, ko_arena *arena,
                              ko_meta_blob **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_gc_list_condemned, KO_ARGS(KO_INT(after_id), KO_INT(limit)),
                        &ko_meta_blob_element, arena, out, count, err);
}

int ko_meta_gc_list_quarantined(ko_meta_tx *tx, int64_t before_s, int64_t after_id, size_t limit,
                                ko_arena *arena, ko_meta_blob **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_gc_list_quarantined,
                        KO_ARGS(KO_INT(after_id), KO_INT(before_s), KO_INT(limit)),
                        &ko_meta_blob_element, arena, out, count, err);
}

/* 1: the blob is in that state, 0: not any more, -1. */
static int is_still(ko_meta_tx *tx, const ko_digest *digest, ko_meta_blob_state state,
                    ko_meta_blob *blob, ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    int found = found_or_not(ko_meta_blob_find_any(tx, digest, blob, &why), &why, err);

    KO_ASSERT(tx->is_write);
    return found > 0 ? blob->state == state : found;
}

int ko_meta_gc_quarantine(ko_meta_tx *tx, const ko_digest *digest, int64_t now_s,
                          const ko_meta_gc_hook *hook, bool *done, ko_err *err)
{
    ko_meta_blob blob;
    int still = is_still(tx, digest, KO_META_BLOB_CONDEMNED, &blob, err);

    if (still > 0) {
        if (hook->run(hook->arg, digest, err) < 0 ||
            ko_meta_run(tx, KO_Q_blob_set_state,
                        KO_ARGS(KO_INT(blob.id), KO_INT(KO_META_BLOB_QUARANTINED), KO_INT(now_s)),
                        NULL, err) < 0)
            return -1;
    }
    if (still >= 0)
        *done = still > 0;
    return still < 0 ? -1 : 0;
}

int ko_meta_gc_purge(ko_meta_tx *tx, const ko_digest *digest, const ko_meta_gc_hook *hook,
                     bool *done, ko_err *err)
{
    ko_meta_blob blob;
    int still = is_still(tx, digest, KO_META_BLOB_QUARANTINED, &blob, err);

    if (still > 0) {
        if (hook->run(hook->arg, digest, err) < 0 ||
            ko_meta_run(tx, KO_Q_blob_remove, KO_ARGS(KO_INT(blob.id)), NULL, err) < 0)
            return -1;
    }
    if (still >= 0)
        *done = still > 0;
    return still < 0 ? -1 : 0;
}

/* ---- Untagged manifests, counts, dry run ---- */

typedef struct {
    int64_t id;
    int64_t repo_id;
    ko_digest digest;
    bool is_tagged;
} candidate;

static int read_candidate(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    candidate *out = element;

    (void)arena; /* all of it is in the struct */
    out->id = ko_meta_col_int(rows, 0);
    out->repo_id = ko_meta_col_int(rows, 1);
    out->is_tagged = ko_meta_col_bool(rows, 3);
    return ko_meta_col_digest(rows, 2, &out->digest, err);
}

static const ko_meta_element candidate_element = {sizeof(candidate), read_candidate};

int ko_meta_gc_queue_untagged(ko_meta_tx *tx, int64_t after_id, size_t limit, int64_t at_s,
                              int64_t *next_id, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    candidate *found = NULL;
    size_t count = 0;

    if (ko_meta_list(tx, KO_Q_gc_list_untagged, KO_ARGS(KO_INT(after_id), KO_INT(limit)),
                     &candidate_element, arena, &found, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!found[i].is_tagged && ko_meta_gc_queue(tx, KO_META_GC_MANIFEST, found[i].repo_id,
                                                    &found[i].digest, at_s, at_s, err) < 0)
            return -1;
    }
    *next_id = count == limit && count > 0 ? found[count - 1].id : 0;
    return 0;
}

/* The first row's numbers, as many as asked for. */
static int numbers(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                   uint64_t *out[], size_t out_count, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, query, params, count, "count", &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < out_count; i++)
        *out[i] = ko_meta_col_u64(rows, (int)i);
    return 0;
}

int ko_meta_gc_count(ko_meta_tx *tx, int64_t now_s, ko_meta_gc_stats *out, ko_err *err)
{
    ko_meta_gc_stats s = {0};
    uint64_t *queue[] = {&s.queued, &s.due};
    uint64_t *blobs[] = {&s.condemned, &s.quarantined, &s.quarantined_bytes};

    if (numbers(tx, KO_Q_gc_count_queue, KO_ARGS(KO_INT(now_s)), queue, KO_ARRAY_LEN(queue), err) <
            0 ||
        numbers(tx, KO_Q_gc_count_blobs, KO_NO_ARGS, blobs, KO_ARRAY_LEN(blobs), err) < 0)
        return -1;
    *out = s;
    return 0;
}

int ko_meta_gc_dry_run(ko_meta_tx *tx, int64_t now_s, ko_meta_gc_estimate *out, ko_err *err)
{
    ko_meta_gc_estimate e = {0};
    uint64_t *links[] = {&e.links};
    uint64_t *blobs[] = {&e.blobs, &e.bytes};

    if (numbers(tx, KO_Q_gc_dry_run_links, KO_ARGS(KO_INT(now_s)), links, KO_ARRAY_LEN(links),
                err) < 0 ||
        numbers(tx, KO_Q_gc_dry_run_blobs, KO_ARGS(KO_INT(now_s)), blobs, KO_ARRAY_LEN(blobs),
                err) < 0)
        return -1;
    *out = e;
    return 0;
}
