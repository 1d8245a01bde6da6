/* storage/meta_key.c: signing keys and settings, shared by all nodes. */
#include "storage/meta_key.h"

#include "storage/meta_priv.h"

int ko_meta_key_add(ko_meta_tx *tx, ko_str kid, ko_str private_key, int64_t at_s, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run(tx, KO_Q_key_add, KO_ARGS(KO_TEXT(kid), KO_BYTES(private_key), KO_INT(at_s)),
                       NULL, err);
}

static int read_key(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_key *out = element;

    (void)err; /* copies cannot fail */
    out->kid = ko_meta_col_text(rows, 0, arena);
    out->private_key = ko_meta_col_bytes(rows, 1, arena);
    out->created_at_s = ko_meta_col_int(rows, 2);
    out->retired_at_s = ko_meta_col_int(rows, 3);
    return 0;
}

static const ko_meta_element key_element = {sizeof(ko_meta_key), read_key};

int ko_meta_key_list(ko_meta_tx *tx, ko_arena *arena, ko_meta_key **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_key_list, KO_NO_ARGS, &key_element, arena, out, count, err);
}

int ko_meta_key_retire(ko_meta_tx *tx, ko_str kid, int64_t at_s, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_key_retire, KO_ARGS(KO_TEXT(kid), KO_INT(at_s)), "key", err);
}

int ko_meta_key_prune(ko_meta_tx *tx, int64_t before_s, ko_err *err)
{
    uint64_t changed = 0;

    if (ko_meta_run(tx, KO_Q_key_prune, KO_ARGS(KO_INT(before_s)), &changed, err) < 0)
        return -1;
    if (changed > 0)
        ko_meta_touch_rights(tx);
    return 0;
}

int ko_meta_setting_get(ko_meta_tx *tx, ko_str name, ko_arena *arena, ko_str *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, KO_Q_setting_get, KO_ARGS(KO_TEXT(name)), "setting", &rows, err) < 0)
        return -1;
    *out = ko_meta_col_bytes(rows, 0, arena);
    return 0;
}

int ko_meta_setting_set(ko_meta_tx *tx, ko_str name, ko_str value, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run(tx, KO_Q_setting_set, KO_ARGS(KO_TEXT(name), KO_BYTES(value)), NULL, err);
}
