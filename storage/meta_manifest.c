/* storage/meta_manifest.c: manifests, their edges, referrers. */
#include "storage/meta_manifest.h"

#include "storage/meta_gc.h"
#include "storage/meta_priv.h"
#include "storage/meta_tag.h"

/* ---- What is missing ---- */

static int count_missing(ko_meta_tx *tx, ko_query query, int64_t repo_id, const ko_digest *digests,
                         size_t count, bool *missing, ko_err *err)
{
    int total = 0;

    for (size_t i = 0; i < count; i++) {
        int rc = ko_meta_exists(tx, query, KO_ARGS(KO_INT(repo_id), KO_DIGEST(&digests[i])), err);

        if (rc < 0)
            return -1;
        missing[i] = rc == 0;
        total += rc == 0;
    }
    return total;
}

int ko_meta_manifest_missing_blobs(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digests,
                                   size_t count, bool *missing, ko_err *err)
{
    return count_missing(tx, KO_Q_manifest_blob_is_there, repo_id, digests, count, missing, err);
}

int ko_meta_manifest_missing(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digests,
                             size_t count, bool *missing, ko_err *err)
{
    return count_missing(tx, KO_Q_manifest_is_there, repo_id, digests, count, missing, err);
}

/* ---- Put ---- */

static int add_edges(ko_meta_tx *tx, int64_t repo_id, int64_t manifest_id, int kind,
                     const ko_digest *digests, size_t count, ko_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (ko_meta_run(
                tx, KO_Q_manifest_add_edge,
                KO_ARGS(KO_INT(repo_id), KO_INT(kind), KO_DIGEST(&digests[i]), KO_INT(manifest_id)),
                NULL, err) < 0)
            return -1;
    }
    return 0;
}

static ko_db_value digest_or_null(const ko_digest *digest)
{
    return digest ? KO_DIGEST(digest) : (ko_db_value){0};
}

/* 1: added; 0: it was there; -1. */
static int add_row(ko_meta_tx *tx, int64_t repo_id, const ko_meta_manifest_spec *spec,
                   ko_meta_by by, int64_t *id, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_rows(tx, KO_Q_manifest_add,
                     KO_ARGS(KO_INT(repo_id), KO_DIGEST(spec->digest), KO_TEXT(spec->media_type),
                             KO_TEXT(spec->artifact_type), KO_INT(spec->bytes.len),
                             digest_or_null(spec->subject), digest_or_null(spec->config),
                             KO_INT(by.at_s), KO_INT(by.account_id), KO_TEXT(spec->annotations),
                             KO_BYTES(spec->bytes)),
                     &rows, err) < 0)
        return -1;
    int rc = ko_meta_next(rows, err);
    if (rc > 0)
        *id = ko_meta_col_int(rows, 0);
    return rc;
}

int ko_meta_manifest_put(ko_meta_tx *tx, const ko_meta_repo *repo,
                         const ko_meta_manifest_spec *spec, ko_meta_by by, bool *was_new,
                         ko_err *err)
{
    int64_t id = 0;

    if (spec->media_type.len > KO_MAX_MEDIA_TYPE || spec->artifact_type.len > KO_MAX_MEDIA_TYPE)
        return ko_err_set(err, KO_E_INVALID, "a media type has at most %d characters",
                          KO_MAX_MEDIA_TYPE);
    int added = add_row(tx, repo->id, spec, by, &id, err);
    if (added < 0)
        return -1;
    if (was_new)
        *was_new = added > 0;
    /* It may stay untagged; there is no hurry, as with the blobs it came with. One that was there
     * has been pushed again, and its time begins anew. */
    if (ko_meta_gc_queue(tx, KO_META_GC_MANIFEST, repo->id, spec->digest, by.at_s + KO_META_LEASE_S,
                         by.at_s, err) < 0)
        return -1;
    if (added == 0)
        return 0;
    ko_meta_touch_repo(tx, ko_str_of(repo->name));
    if (add_edges(tx, repo->id, id, KO_META_EDGE_BLOB, spec->blobs, spec->blob_count, err) < 0 ||
        add_edges(tx, repo->id, id, KO_META_EDGE_FOREIGN, spec->foreign, spec->foreign_count, err) <
            0 ||
        add_edges(tx, repo->id, id, KO_META_EDGE_MANIFEST, spec->children, spec->child_count, err) <
            0 ||
        ko_meta_repo_add_bytes(tx, repo->id, (int64_t)spec->bytes.len, err) < 0)
        return -1;
    return ko_meta_run(tx, KO_Q_repo_set_pushed, KO_ARGS(KO_INT(repo->id), KO_INT(by.at_s)), NULL,
                       err);
}

/* ---- Find and list ---- */

/* MANIFEST_COLUMNS of queries.def, and the bytes when the statement has them. */
#define COLUMN_BYTES 7

static int read_manifest(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_manifest *out = element;

    (void)arena; /* all of it is in the struct */
    out->id = ko_meta_col_int(rows, 0);
    out->size_bytes = ko_meta_col_u64(rows, 2);
    out->created_at_s = ko_meta_col_int(rows, 3);
    out->has_subject = !ko_meta_col_is_null(rows, 6);
    if (ko_meta_col_digest(rows, 1, &out->digest, err) < 0 ||
        ko_meta_col_copy(rows, 4, out->media_type, sizeof(out->media_type), err) < 0 ||
        ko_meta_col_copy(rows, 5, out->artifact_type, sizeof(out->artifact_type), err) < 0)
        return -1;
    return out->has_subject ? ko_meta_col_digest(rows, 6, &out->subject, err) : 0;
}

static const ko_meta_element manifest_element = {sizeof(ko_meta_manifest), read_manifest};

static int one_manifest(ko_meta_tx *tx, ko_query query, int64_t repo_id, ko_str key,
                        ko_arena *arena, ko_meta_manifest *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_manifest manifest = {0};

    if (ko_meta_one_row(tx, query, KO_ARGS(KO_INT(repo_id), KO_TEXT(key)), "manifest", &rows, err) <
            0 ||
        read_manifest(rows, &manifest, arena, err) < 0)
        return -1;
    if (arena)
        manifest.bytes = ko_meta_col_bytes(rows, COLUMN_BYTES, arena);
    *out = manifest;
    return 0;
}

int ko_meta_manifest_find(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digest, ko_arena *arena,
                          ko_meta_manifest *out, ko_err *err)
{
    return one_manifest(tx, arena ? KO_Q_manifest_find_bytes : KO_Q_manifest_find, repo_id,
                        ko_str_of(digest->text), arena, out, err);
}

int ko_meta_manifest_find_tag(ko_meta_tx *tx, int64_t repo_id, ko_str tag, ko_arena *arena,
                              ko_meta_manifest *out, ko_err *err)
{
    return one_manifest(tx, arena ? KO_Q_manifest_find_tag_bytes : KO_Q_manifest_find_tag, repo_id,
                        tag, arena, out, err);
}

int ko_meta_manifest_list(ko_meta_tx *tx, int64_t repo_id, ko_str after, size_t limit,
                          ko_arena *arena, ko_meta_manifest **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_manifest_list,
                        KO_ARGS(KO_INT(repo_id), KO_TEXT(after), KO_INT(limit)), &manifest_element,
                        arena, out, count, err);
}

static int read_referrer(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_referrer *out = element;

    out->id = ko_meta_col_int(rows, 0);
    out->size_bytes = ko_meta_col_u64(rows, 2);
    out->media_type = ko_meta_col_text(rows, 3, arena);
    out->artifact_type = ko_meta_col_text(rows, 4, arena);
    out->annotations = ko_meta_col_bytes(rows, 5, arena);
    return ko_meta_col_digest(rows, 1, &out->digest, err);
}

static const ko_meta_element referrer_element = {sizeof(ko_meta_referrer), read_referrer};

int ko_meta_manifest_list_referrers(ko_meta_tx *tx, int64_t repo_id,
                                    const ko_meta_referrer_page *page, ko_arena *arena,
                                    ko_meta_referrer **out, size_t *count, ko_err *err)
{
    ko_query query =
        page->artifact_type ? KO_Q_manifest_list_referrers_typed : KO_Q_manifest_list_referrers;
    ko_str type = page->artifact_type ? *page->artifact_type : KO_STR("");

    return ko_meta_list(tx, query,
                        KO_ARGS(KO_INT(repo_id), KO_DIGEST(page->subject), KO_INT(page->after_id),
                                KO_INT(page->limit), KO_TEXT(type)),
                        &referrer_element, arena, out, count, err);
}

int ko_meta_manifest_count(ko_meta_tx *tx, uint64_t *out, ko_err *err)
{
    int64_t number = 0;

    if (ko_meta_number(tx, KO_Q_manifest_count, KO_NO_ARGS, &number, err) < 0)
        return -1;
    *out = (uint64_t)number;
    return 0;
}

/* ---- Delete ---- */

/* What the manifest held on to is reviewed: blobs, children, and those that refer to it. */
static int queue_reviews(ko_meta_tx *tx, int64_t repo_id, const ko_meta_manifest *manifest,
                         int64_t at_s, ko_err *err)
{
    if (ko_meta_run(tx, KO_Q_gc_queue_targets, KO_ARGS(KO_INT(manifest->id), KO_INT(at_s)), NULL,
                    err) < 0)
        return -1;
    return ko_meta_run(tx, KO_Q_gc_queue_referrers,
                       KO_ARGS(KO_INT(repo_id), KO_DIGEST(&manifest->digest), KO_INT(at_s)), NULL,
                       err);
}

int ko_meta_manifest_delete(ko_meta_tx *tx, const ko_meta_repo *repo, const ko_digest *digest,
                            ko_meta_by by, ko_arena *arena, ko_str **tags, size_t *tag_count,
                            ko_err *err)
{
    ko_meta_manifest manifest;
    ko_str *names = NULL;
    size_t count = 0;

    if (ko_meta_manifest_find(tx, repo->id, digest, NULL, &manifest, err) < 0 ||
        ko_meta_tag_list_of(tx, repo->id, digest, arena, &names, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (ko_meta_tag_delete(tx, repo, names[i], NULL, by, err) < 0)
            return -1;
    }
    ko_meta_touch_repo(tx, ko_str_of(repo->name));
    if (queue_reviews(tx, repo->id, &manifest, by.at_s, err) < 0 ||
        ko_meta_run_one(tx, KO_Q_manifest_remove, KO_ARGS(KO_INT(manifest.id)), "manifest", err) <
            0 ||
        ko_meta_repo_add_bytes(tx, repo->id, -(int64_t)manifest.size_bytes, err) < 0)
        return -1;
    if (tags) {
        *tags = names;
        *tag_count = count;
    }
    return 0;
}
