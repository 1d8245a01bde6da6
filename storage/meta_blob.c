/* storage/meta_blob.c: blobs and their links to repositories. */
#include "storage/meta_blob.h"

#include "storage/meta_gc.h"
#include "storage/meta_priv.h"

int ko_meta_blob_find(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digest, ko_meta_link *out,
                      ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_link link = {0};

    if (ko_meta_one_row(tx, KO_Q_blob_find, KO_ARGS(KO_INT(repo_id), KO_DIGEST(digest)), "blob",
                        &rows, err) < 0 ||
        ko_meta_col_blob(rows, 0, &link.blob, err) < 0)
        return -1;
    link.lease_until_s = ko_meta_col_int(rows, KO_META_BLOB_COLUMNS);
    *out = link;
    return 0;
}

int ko_meta_blob_find_any(ko_meta_tx *tx, const ko_digest *digest, ko_meta_blob *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_blob blob = {0};

    if (ko_meta_one_row(tx, KO_Q_blob_find_any, KO_ARGS(KO_DIGEST(digest)), "blob", &rows, err) <
            0 ||
        ko_meta_col_blob(rows, 0, &blob, err) < 0)
        return -1;
    *out = blob;
    return 0;
}

/* ---- Upload and mount ---- */

static int add_blob(ko_meta_tx *tx, const ko_digest *digest, uint64_t size_bytes, int64_t at_s,
                    ko_meta_blob *out, ko_err *err)
{
    *out = (ko_meta_blob){.digest = *digest, .size_bytes = size_bytes, .created_at_s = at_s};
    if (size_bytes > INT64_MAX)
        return ko_err_set(err, KO_E_TOO_LARGE, "blob of %llu bytes",
                          (unsigned long long)size_bytes);
    return ko_meta_number(tx, KO_Q_blob_add,
                          KO_ARGS(KO_DIGEST(digest), KO_INT(size_bytes), KO_INT(at_s)), &out->id,
                          err);
}

int ko_meta_blob_put(ko_meta_tx *tx, const ko_digest *digest, uint64_t size_bytes, int64_t at_s,
                     ko_meta_blob *out, ko_meta_blob_state *was, ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    ko_meta_blob blob;

    KO_ASSERT(tx->is_write);
    if (ko_meta_blob_find_any(tx, digest, &blob, &why) < 0) {
        if (why.code != KO_E_NOT_FOUND) {
            if (err)
                *err = why;
            return -1;
        }
        if (add_blob(tx, digest, size_bytes, at_s, &blob, err) < 0)
            return -1;
    }
    if (blob.size_bytes != size_bytes)
        return ko_err_set(err, KO_E_CORRUPT, "blob %s is known with %llu bytes, not %llu",
                          digest->text, (unsigned long long)blob.size_bytes,
                          (unsigned long long)size_bytes);
    if (was)
        *was = blob.state;
    if (blob.state != KO_META_BLOB_LIVE &&
        ko_meta_run(tx, KO_Q_blob_set_state,
                    KO_ARGS(KO_INT(blob.id), KO_INT(KO_META_BLOB_LIVE), KO_INT(at_s)), NULL,
                    err) < 0)
        return -1;
    blob.state = KO_META_BLOB_LIVE;
    if (out)
        *out = blob;
    return 0;
}

/* Lengthens the lease and has the link reviewed when it ends. */
static int set_lease(ko_meta_tx *tx, const ko_meta_repo *repo, const ko_meta_blob *blob,
                     int64_t lease_until_s, ko_err *err)
{
    uint64_t changed = 0;

    ko_meta_touch_repo(tx, ko_str_of(repo->name));
    if (ko_meta_run(tx, KO_Q_blob_renew,
                    KO_ARGS(KO_INT(repo->id), KO_INT(blob->id), KO_INT(lease_until_s)), &changed,
                    err) < 0)
        return -1;
    return ko_meta_gc_queue(tx, KO_META_GC_LINK, repo->id, &blob->digest, lease_until_s,
                            lease_until_s, err);
}

int ko_meta_blob_link(ko_meta_tx *tx, const ko_meta_repo *repo, const ko_digest *digest,
                      int64_t lease_until_s, bool *was_new, ko_err *err)
{
    ko_meta_blob blob;
    uint64_t linked = 0;

    if (ko_meta_blob_find_any(tx, digest, &blob, err) < 0)
        return -1;
    if (blob.state != KO_META_BLOB_LIVE)
        return ko_err_set(err, KO_E_NOT_FOUND, "no such blob");
    if (ko_meta_run(tx, KO_Q_blob_link,
                    KO_ARGS(KO_INT(repo->id), KO_INT(blob.id), KO_INT(lease_until_s)), &linked,
                    err) < 0)
        return -1;
    if (linked > 0 && ko_meta_repo_add_bytes(tx, repo->id, (int64_t)blob.size_bytes, err) < 0)
        return -1;
    if (was_new)
        *was_new = linked > 0;
    return set_lease(tx, repo, &blob, lease_until_s, err);
}

int ko_meta_blob_renew(ko_meta_tx *tx, const ko_meta_repo *repo, const ko_digest *digest,
                       int64_t lease_until_s, ko_err *err)
{
    ko_meta_link link;

    if (ko_meta_blob_find(tx, repo->id, digest, &link, err) < 0)
        return -1;
    return set_lease(tx, repo, &link.blob, lease_until_s, err);
}

int ko_meta_blob_unlink(ko_meta_tx *tx, const ko_meta_repo *repo, const ko_digest *digest,
                        bool force, int64_t at_s, ko_err *err)
{
    ko_meta_link link;

    if (ko_meta_blob_find(tx, repo->id, digest, &link, err) < 0)
        return -1;
    if (!force) {
        int needed = ko_meta_exists(tx, KO_Q_blob_is_needed,
                                    KO_ARGS(KO_INT(repo->id), KO_DIGEST(digest)), err);

        if (needed != 0)
            return needed < 0 ? -1
                              : ko_err_set(err, KO_E_CONFLICT, "a manifest points to this blob");
    }
    ko_meta_touch_repo(tx, ko_str_of(repo->name));
    if (ko_meta_run_one(tx, KO_Q_blob_unlink, KO_ARGS(KO_INT(repo->id), KO_INT(link.blob.id)),
                        "blob", err) < 0 ||
        ko_meta_repo_add_bytes(tx, repo->id, -(int64_t)link.blob.size_bytes, err) < 0)
        return -1;
    return ko_meta_gc_queue(tx, KO_META_GC_BLOB, 0, digest, at_s, at_s, err);
}

int ko_meta_blob_disown(ko_meta_tx *tx, const ko_digest *digest, uint64_t size_bytes, int64_t at_s,
                        ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    ko_meta_blob blob;

    if (ko_meta_blob_find_any(tx, digest, &blob, &why) == 0)
        return 0;
    if (why.code != KO_E_NOT_FOUND) {
        if (err)
            *err = why;
        return -1;
    }
    if (add_blob(tx, digest, size_bytes, at_s, &blob, err) < 0)
        return -1;
    return ko_meta_gc_queue(tx, KO_META_GC_BLOB, 0, digest, at_s, at_s, err);
}

int ko_meta_blob_touch(ko_meta_tx *tx, const ko_digest *digest, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_repo *repos = NULL;
    size_t count = 0;

    if (ko_meta_list(tx, KO_Q_blob_list_repos_all, KO_ARGS(KO_DIGEST(digest), KO_INT(INT64_MAX)),
                     &ko_meta_repo_element, arena, &repos, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        ko_meta_touch_repo(tx, ko_str_of(repos[i].name));
    return 0;
}

/* ---- Lists and counts ---- */

int ko_meta_blob_list_repos(ko_meta_tx *tx, const ko_digest *digest, ko_meta_caller caller,
                            size_t limit, ko_arena *arena, ko_meta_repo **out, size_t *count,
                            ko_err *err)
{
    if (caller.is_admin)
        return ko_meta_list(tx, KO_Q_blob_list_repos_all, KO_ARGS(KO_DIGEST(digest), KO_INT(limit)),
                            &ko_meta_repo_element, arena, out, count, err);
    return ko_meta_list(tx, KO_Q_blob_list_repos,
                        KO_ARGS(KO_INT(caller.account_id), KO_DIGEST(digest), KO_INT(limit)),
                        &ko_meta_repo_element, arena, out, count, err);
}

int ko_meta_blob_list(ko_meta_tx *tx, int64_t after_id, size_t limit, ko_arena *arena,
                      ko_meta_blob **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_blob_list, KO_ARGS(KO_INT(after_id), KO_INT(limit)),
                        &ko_meta_blob_element, arena, out, count, err);
}

int ko_meta_blob_count_uses(ko_meta_tx *tx, const ko_digest *digest, ko_meta_blob_uses *out,
                            ko_err *err)
{
    int64_t links = 0, manifests = 0;

    if (ko_meta_number(tx, KO_Q_blob_count_links, KO_ARGS(KO_DIGEST(digest)), &links, err) < 0 ||
        ko_meta_number(tx, KO_Q_blob_count_manifests, KO_ARGS(KO_DIGEST(digest)), &manifests, err) <
            0)
        return -1;
    *out = (ko_meta_blob_uses){(uint64_t)links, (uint64_t)manifests};
    return 0;
}

int ko_meta_blob_count(ko_meta_tx *tx, uint64_t *blobs, uint64_t *bytes, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, KO_Q_blob_count, KO_NO_ARGS, "blob", &rows, err) < 0)
        return -1;
    *blobs = ko_meta_col_u64(rows, 0);
    *bytes = ko_meta_col_u64(rows, 1);
    return 0;
}
