/* storage/meta_account.c: people and robots. An account is an owner row and a row of its own under
 * the same id. */
#include "storage/meta_account.h"

#include "storage/meta_priv.h"

int ko_meta_account_add(ko_meta_tx *tx, const ko_meta_account_spec *spec, int64_t *out_id,
                        ko_err *err)
{
    ko_db_value robot_of = spec->robot_of ? KO_INT(spec->robot_of) : (ko_db_value){0};
    int64_t id = 0;

    if (spec->password_hash.len >= KO_META_PASSWORD_HASH_MAX)
        return ko_err_set(err, KO_E_INVALID, "the password hash is too long");
    if (ko_meta_owner_add(tx, KO_META_OWNER_ACCOUNT, spec->name, spec->display,
                          spec->default_visibility, spec->at_s, &id, err) < 0 ||
        ko_meta_run(tx, KO_Q_account_add,
                    KO_ARGS(KO_INT(id), KO_INT(spec->kind), KO_TEXT(spec->email),
                            KO_INT(spec->is_admin), robot_of, KO_TEXT(spec->password_hash)),
                    NULL, err) < 0)
        return -1;
    if (out_id)
        *out_id = id;
    return 0;
}

/* ACCOUNT_COLUMNS of queries.def. */
static int read_account(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_account *out = element;
    const int c = KO_META_OWNER_COLUMNS;

    if (ko_meta_col_owner(rows, 0, &out->owner, err) < 0 ||
        ko_meta_col_copy(rows, c + 3, out->password_hash, sizeof(out->password_hash), err) < 0)
        return -1;
    out->kind = ko_meta_col_int(rows, c) == KO_META_ROBOT ? KO_META_ROBOT : KO_META_PERSON;
    out->is_admin = ko_meta_col_bool(rows, c + 1);
    out->is_disabled = ko_meta_col_bool(rows, c + 2);
    out->password_version = ko_meta_col_int(rows, c + 4);
    out->robot_of = ko_meta_col_int(rows, c + 5);
    out->display = ko_meta_col_text(rows, c + 6, arena);
    out->email = ko_meta_col_text(rows, c + 7, arena);
    return 0;
}

static const ko_meta_element account_element = {sizeof(ko_meta_account), read_account};

static int one_account(ko_meta_tx *tx, ko_query query, ko_db_value key, ko_arena *arena,
                       ko_meta_account *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_account account = {0};

    if (ko_meta_one_row(tx, query, &key, 1, "account", &rows, err) < 0 ||
        read_account(rows, &account, arena, err) < 0)
        return -1;
    *out = account;
    return 0;
}

int ko_meta_account_find(ko_meta_tx *tx, ko_str name, ko_arena *arena, ko_meta_account *out,
                         ko_err *err)
{
    return one_account(tx, KO_Q_account_find, KO_TEXT(name), arena, out, err);
}

int ko_meta_account_load(ko_meta_tx *tx, int64_t id, ko_arena *arena, ko_meta_account *out,
                         ko_err *err)
{
    return one_account(tx, KO_Q_account_load, KO_INT(id), arena, out, err);
}

int ko_meta_account_list(ko_meta_tx *tx, ko_str after, size_t limit, ko_arena *arena,
                         ko_meta_account **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_account_list, KO_ARGS(KO_TEXT(after), KO_INT(limit)),
                        &account_element, arena, out, count, err);
}

int ko_meta_account_count(ko_meta_tx *tx, uint64_t *accounts, uint64_t *admins, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, KO_Q_account_count, KO_NO_ARGS, "account", &rows, err) < 0)
        return -1;
    *accounts = ko_meta_col_u64(rows, 0);
    *admins = ko_meta_col_u64(rows, 1);
    return 0;
}

static int set_hash(ko_meta_tx *tx, ko_query query, int64_t id, ko_str hash, ko_err *err)
{
    if (hash.len >= KO_META_PASSWORD_HASH_MAX)
        return ko_err_set(err, KO_E_INVALID, "the password hash is too long");
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, query, KO_ARGS(KO_INT(id), KO_TEXT(hash)), "account", err);
}

int ko_meta_account_set_password(ko_meta_tx *tx, int64_t id, ko_str hash, ko_err *err)
{
    return set_hash(tx, KO_Q_account_set_password, id, hash, err);
}

int ko_meta_account_set_password_hash(ko_meta_tx *tx, int64_t id, ko_str hash, ko_err *err)
{
    return set_hash(tx, KO_Q_account_set_password_hash, id, hash, err);
}

int ko_meta_account_set_flags(ko_meta_tx *tx, int64_t id, bool is_admin, bool is_disabled,
                              ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_account_set_flags,
                           KO_ARGS(KO_INT(id), KO_INT(is_admin), KO_INT(is_disabled)), "account",
                           err);
}

int ko_meta_account_set_profile(ko_meta_tx *tx, int64_t id, ko_str display, ko_str email,
                                ko_err *err)
{
    ko_meta_touch_rights(tx);
    if (ko_meta_run_one(tx, KO_Q_account_set_display, KO_ARGS(KO_INT(id), KO_TEXT(display)),
                        "account", err) < 0)
        return -1;
    return ko_meta_run_one(tx, KO_Q_account_set_email, KO_ARGS(KO_INT(id), KO_TEXT(email)),
                           "account", err);
}

int ko_meta_account_remove(ko_meta_tx *tx, int64_t id, bool force, int64_t at_s, ko_err *err)
{
    return ko_meta_owner_remove(tx, KO_META_OWNER_ACCOUNT, id, force, at_s, err);
}
