/* storage/meta_upload.c: rows of upload sessions. */
#include "storage/meta_upload.h"

#include "storage/meta_priv.h"

int ko_meta_upload_add(ko_meta_tx *tx, const ko_meta_upload *upload, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_upload_add,
                       KO_ARGS(KO_TEXT(ko_str_of(upload->id)), KO_TEXT(ko_str_of(upload->repo)),
                               KO_INT(upload->account_id), KO_INT(upload->alg),
                               KO_INT(upload->created_at_s), KO_INT(upload->touched_at_s)),
                       NULL, err);
}

/* UPLOAD_COLUMNS of queries.def. */
static int read_upload(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_upload *out = element;

    (void)arena; /* all of it is in the struct */
    out->account_id = ko_meta_col_int(rows, 2);
    out->alg = ko_meta_col_int(rows, 3) == KO_HASH_SHA512 ? KO_HASH_SHA512 : KO_HASH_SHA256;
    out->created_at_s = ko_meta_col_int(rows, 4);
    out->touched_at_s = ko_meta_col_int(rows, 5);
    if (ko_meta_col_copy(rows, 0, out->id, sizeof(out->id), err) < 0)
        return -1;
    return ko_meta_col_copy(rows, 1, out->repo, sizeof(out->repo), err);
}

static const ko_meta_element upload_element = {sizeof(ko_meta_upload), read_upload};

int ko_meta_upload_find(ko_meta_tx *tx, ko_str id, ko_str repo, ko_meta_upload *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_upload upload = {0};

    if (ko_meta_one_row(tx, KO_Q_upload_find, KO_ARGS(KO_TEXT(id), KO_TEXT(repo)), "upload", &rows,
                        err) < 0 ||
        read_upload(rows, &upload, NULL, err) < 0)
        return -1;
    *out = upload;
    return 0;
}

int ko_meta_upload_exists(ko_meta_tx *tx, ko_str id, bool *out, ko_err *err)
{
    int64_t number = 0;

    if (ko_meta_number(tx, KO_Q_upload_exists, KO_ARGS(KO_TEXT(id)), &number, err) < 0)
        return -1;
    *out = number > 0;
    return 0;
}

int ko_meta_upload_touch(ko_meta_tx *tx, ko_str id, int64_t at_s, ko_err *err)
{
    return ko_meta_run_one(tx, KO_Q_upload_touch, KO_ARGS(KO_TEXT(id), KO_INT(at_s)), "upload",
                           err);
}

int ko_meta_upload_remove(ko_meta_tx *tx, ko_str id, ko_err *err)
{
    return ko_meta_run_one(tx, KO_Q_upload_remove, KO_ARGS(KO_TEXT(id)), "upload", err);
}

int ko_meta_upload_list_idle(ko_meta_tx *tx, int64_t before_s, size_t limit, ko_arena *arena,
                             ko_meta_upload **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_upload_list_idle, KO_ARGS(KO_INT(before_s), KO_INT(limit)),
                        &upload_element, arena, out, count, err);
}

int ko_meta_upload_count(ko_meta_tx *tx, int64_t account_id, uint64_t *out, ko_err *err)
{
    int64_t number = 0;
    int rc = account_id == 0 ? ko_meta_number(tx, KO_Q_upload_count, KO_NO_ARGS, &number, err)
                             : ko_meta_number(tx, KO_Q_upload_count_of, KO_ARGS(KO_INT(account_id)),
                                              &number, err);

    if (rc < 0)
        return -1;
    *out = (uint64_t)number;
    return 0;
}
