/* storage/meta_row.c: running statements and reading columns, for all the meta_*.c. */
#include "storage/meta_priv.h"

/* ---- Statements ---- */

int ko_meta_rows(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                 ko_db_rows **out, ko_err *err)
{
    return tx->db->ops->start(tx->db, query, params, count, out, err);
}

int ko_meta_run(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                uint64_t *changed, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    KO_ASSERT(tx->is_write);
    if (ko_meta_rows(tx, query, params, count, &rows, err) < 0 || ko_meta_next(rows, err) < 0)
        return -1;
    if (changed)
        *changed = tx->db->ops->changed(tx->db);
    return 0;
}

int ko_meta_run_one(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                    const char *what, ko_err *err)
{
    uint64_t changed = 0;

    if (ko_meta_run(tx, query, params, count, &changed, err) < 0)
        return -1;
    return changed > 0 ? 0 : ko_err_set(err, KO_E_NOT_FOUND, "no such %s", what);
}

int ko_meta_one_row(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                    const char *what, ko_db_rows **out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_rows(tx, query, params, count, &rows, err) < 0)
        return -1;
    int rc = ko_meta_next(rows, err);
    if (rc <= 0)
        return rc < 0 ? -1 : ko_err_set(err, KO_E_NOT_FOUND, "no such %s", what);
    *out = ko_steal(&rows);
    return 0;
}

int ko_meta_number(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                   int64_t *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, query, params, count, "row", &rows, err) < 0)
        return -1;
    *out = ko_meta_col_int(rows, 0);
    return 0;
}

int ko_meta_exists(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                   ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_rows(tx, query, params, count, &rows, err) < 0)
        return -1;
    return ko_meta_next(rows, err);
}

/* ---- Columns ---- */

const char *ko_meta_col_text(ko_db_rows *rows, int column, ko_arena *arena)
{
    ko_str text = ko_meta_col_str(rows, column);

    return ko_arena_strndup(arena, text.ptr, text.len);
}

ko_str ko_meta_col_bytes(ko_db_rows *rows, int column, ko_arena *arena)
{
    return ko_arena_str(arena, ko_meta_col_str(rows, column));
}

int ko_meta_col_copy(ko_db_rows *rows, int column, char *into, size_t size, ko_err *err)
{
    ko_str text = ko_meta_col_str(rows, column);

    if (text.len >= size)
        return ko_err_set(err, KO_E_CORRUPT, "database: a text of %zu bytes where %zu are allowed",
                          text.len, size - 1);
    memcpy(into, text.ptr, text.len);
    into[text.len] = '\0';
    return 0;
}

int ko_meta_col_digest(ko_db_rows *rows, int column, ko_digest *out, ko_err *err)
{
    if (ko_digest_parse(ko_meta_col_str(rows, column), out, err) == 0)
        return 0;
    if (err)
        err->code = KO_E_CORRUPT;
    return ko_err_ctx(err, "database");
}

/* REPO_COLUMNS of queries.def. */
int ko_meta_col_repo(ko_db_rows *rows, int column, ko_meta_repo *out, ko_err *err)
{
    out->id = ko_meta_col_int(rows, column);
    out->owner_id = ko_meta_col_int(rows, column + 1);
    out->visibility =
        ko_meta_col_int(rows, column + 3) == KO_META_PUBLIC ? KO_META_PUBLIC : KO_META_PRIVATE;
    out->created_at_s = ko_meta_col_int(rows, column + 4);
    out->pushed_at_s = ko_meta_col_int(rows, column + 5);
    out->pull_count = ko_meta_col_u64(rows, column + 6);
    out->star_count = ko_meta_col_u64(rows, column + 7);
    out->bytes = ko_meta_col_u64(rows, column + 8);
    return ko_meta_col_copy(rows, column + 2, out->name, sizeof(out->name), err);
}

/* OWNER_COLUMNS of queries.def. */
int ko_meta_col_owner(ko_db_rows *rows, int column, ko_meta_owner *out, ko_err *err)
{
    out->id = ko_meta_col_int(rows, column);
    out->kind = ko_meta_col_int(rows, column + 1) == KO_META_OWNER_ACCOUNT ? KO_META_OWNER_ACCOUNT
                                                                           : KO_META_OWNER_GROUP;
    out->default_visibility =
        ko_meta_col_int(rows, column + 3) == KO_META_PUBLIC ? KO_META_PUBLIC : KO_META_PRIVATE;
    out->quota_private_repos = ko_meta_col_int(rows, column + 4);
    out->quota_bytes = ko_meta_col_int(rows, column + 5);
    out->created_at_s = ko_meta_col_int(rows, column + 6);
    return ko_meta_col_copy(rows, column + 2, out->name, sizeof(out->name), err);
}

static ko_meta_blob_state blob_state(int64_t number)
{
    if (number == KO_META_BLOB_CONDEMNED)
        return KO_META_BLOB_CONDEMNED;
    return number == KO_META_BLOB_LIVE ? KO_META_BLOB_LIVE : KO_META_BLOB_QUARANTINED;
}

/* BLOB_COLUMNS of queries.def. */
int ko_meta_col_blob(ko_db_rows *rows, int column, ko_meta_blob *out, ko_err *err)
{
    out->id = ko_meta_col_int(rows, column);
    out->size_bytes = ko_meta_col_u64(rows, column + 2);
    out->created_at_s = ko_meta_col_int(rows, column + 3);
    out->state = blob_state(ko_meta_col_int(rows, column + 4));
    return ko_meta_col_digest(rows, column + 1, &out->digest, err);
}

/* ---- Lists ---- */

/* Arrays grow by doubling in the arena; what they leave behind is at most as much again. */
int ko_meta_list(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t param_count,
                 const ko_meta_element *element, ko_arena *arena, void *out, size_t *count,
                 ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    size_t used = 0, room = 16;
    char *all = ko_arena_alloc_array(arena, room, element->size);
    int rc;

    if (ko_meta_rows(tx, query, params, param_count, &rows, err) < 0)
        return -1;
    while ((rc = ko_meta_next(rows, err)) > 0) {
        if (used == room) {
            char *grown = ko_arena_alloc_array(arena, room * 2, element->size);

            memcpy(grown, all, used * element->size);
            all = grown;
            room *= 2;
        }
        if (element->read(rows, all + used * element->size, arena, err) < 0)
            return -1;
        used++;
    }
    if (rc < 0)
        return -1;
    memcpy(out, &all, sizeof(all)); /* a pointer of the caller's element type */
    *count = used;
    return 0;
}

static int read_str(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    (void)err; /* a copy cannot fail */
    *(ko_str *)element = ko_meta_col_bytes(rows, 0, arena);
    return 0;
}

static int read_repo(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    (void)arena; /* all of it is in the struct */
    return ko_meta_col_repo(rows, 0, element, err);
}

static int read_blob(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    (void)arena; /* all of it is in the struct */
    return ko_meta_col_blob(rows, 0, element, err);
}

const ko_meta_element ko_meta_str_element = {sizeof(ko_str), read_str};
const ko_meta_element ko_meta_repo_element = {sizeof(ko_meta_repo), read_repo};
const ko_meta_element ko_meta_blob_element = {sizeof(ko_meta_blob), read_blob};
