/* storage/meta_secret.c: personal, robot and refresh tokens, by the hash of the token. */
#include "storage/meta_secret.h"

#include "storage/meta_priv.h"

static ko_str hash_str(const uint8_t *hash)
{
    return (ko_str){(const char *)hash, KO_META_SECRET_HASH};
}

int ko_meta_secret_add(ko_meta_tx *tx, const ko_meta_secret_spec *spec, ko_meta_by by,
                       int64_t *out_id, ko_err *err)
{
    int64_t id = 0;

    if (ko_meta_number(tx, KO_Q_secret_add,
                       KO_ARGS(KO_INT(spec->account_id), KO_INT(spec->kind),
                               KO_BYTES(hash_str(spec->hash)), KO_TEXT(spec->name),
                               KO_TEXT(spec->scope), KO_INT(spec->password_version),
                               KO_INT(by.account_id), KO_INT(by.at_s), KO_INT(spec->expires_at_s)),
                       &id, err) < 0) {
        if (err && err->code == KO_E_CONFLICT) /* the foreign key */
            return ko_err_set(err, KO_E_NOT_FOUND, "no such account");
        return -1;
    }
    if (out_id)
        *out_id = id;
    return 0;
}

/* SECRET_COLUMNS of queries.def. */
static int read_secret(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    int64_t kind = ko_meta_col_int(rows, 2);

    if (kind < KO_META_SECRET_PERSONAL || kind > KO_META_SECRET_REFRESH)
        return ko_err_set(err, KO_E_CORRUPT, "database: a secret of an unknown kind");
    *(ko_meta_secret *)element = (ko_meta_secret){
        .id = ko_meta_col_int(rows, 0),
        .account_id = ko_meta_col_int(rows, 1),
        .kind = (ko_meta_secret_kind)kind,
        .name = ko_meta_col_text(rows, 3, arena),
        .scope = ko_meta_col_text(rows, 4, arena),
        .password_version = ko_meta_col_int(rows, 5),
        .created_by = ko_meta_col_int(rows, 6),
        .created_at_s = ko_meta_col_int(rows, 7),
        .expires_at_s = ko_meta_col_int(rows, 8),
        .last_used_at_s = ko_meta_col_int(rows, 9),
    };
    return 0;
}

static const ko_meta_element secret_element = {sizeof(ko_meta_secret), read_secret};

int ko_meta_secret_find(ko_meta_tx *tx, const uint8_t hash[static KO_META_SECRET_HASH],
                        ko_arena *arena, ko_meta_secret *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, KO_Q_secret_find, KO_ARGS(KO_BYTES(hash_str(hash))), "token", &rows,
                        err) < 0)
        return -1;
    return read_secret(rows, out, arena, err);
}

int ko_meta_secret_list(ko_meta_tx *tx, int64_t account_id, int64_t after_id, size_t limit,
                        ko_arena *arena, ko_meta_secret **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_secret_list,
                        KO_ARGS(KO_INT(account_id), KO_INT(after_id), KO_INT(limit)),
                        &secret_element, arena, out, count, err);
}

int ko_meta_secret_revoke(ko_meta_tx *tx, int64_t account_id, int64_t id, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_secret_revoke, KO_ARGS(KO_INT(id), KO_INT(account_id)), "token",
                           err);
}

int ko_meta_secret_revoke_all(ko_meta_tx *tx, int64_t account_id, ko_meta_secret_kind kind,
                              ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run(tx, KO_Q_secret_revoke_all, KO_ARGS(KO_INT(account_id), KO_INT(kind)), NULL,
                       err);
}

int ko_meta_secret_touch(ko_meta_tx *tx, int64_t id, int64_t at_s, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_secret_touch, KO_ARGS(KO_INT(id), KO_INT(at_s)), NULL, err);
}

int ko_meta_secret_prune(ko_meta_tx *tx, int64_t before_s, size_t limit, size_t *removed,
                         ko_err *err)
{
    uint64_t changed = 0;

    if (ko_meta_run(tx, KO_Q_secret_prune, KO_ARGS(KO_INT(before_s), KO_INT(limit)), &changed,
                    err) < 0)
        return -1;
    if (changed > 0)
        ko_meta_touch_rights(tx);
    if (removed)
        *removed = (size_t)changed;
    return 0;
}
