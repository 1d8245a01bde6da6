/* storage/meta_priv.h: inside a metadata transaction; only for the meta*.c files.
 *
 * A row function runs named statements through these few helpers and never sees a driver. */
#ifndef KO_STORAGE_META_PRIV_H
#define KO_STORAGE_META_PRIV_H

#include "common/oci/digest.h"
#include "storage/db.h"
#include "storage/generation.h"
#include "storage/meta_blob.h"
#include "storage/meta_owner.h"
#include "storage/meta_repo.h"

struct ko_meta_tx {
    ko_db *db;
    bool is_write;
    /* What is to be raised after the commit. */
    bool rights_touched;
    uint64_t repos_touched[KO_GENERATION_SLOTS / 64];
};

/* ---- Statements ---- */

/* Runs a statement that changes rows; *changed (may be NULL) counts them. The parameters are one
 * KO_ARGS(...). */
KO_MUST_USE int ko_meta_run(ko_meta_tx *tx, ko_query query, const ko_db_value *params, size_t count,
                            uint64_t *changed, ko_err *err);
/* Runs one that must change a row. errors NOT_FOUND, with `what` in the text. */
KO_MUST_USE int ko_meta_run_one(ko_meta_tx *tx, ko_query query, const ko_db_value *params,
                                size_t count, const char *what, ko_err *err);

/* Starts a statement that returns rows; owned by the caller, ko_autoptr(ko_db_rows). */
KO_MUST_USE int ko_meta_rows(ko_meta_tx *tx, ko_query query, const ko_db_value *params,
                             size_t count, ko_db_rows **out, ko_err *err);
/* Starts one and goes to its first row. errors NOT_FOUND, with `what` in the text. */
KO_MUST_USE int ko_meta_one_row(ko_meta_tx *tx, ko_query query, const ko_db_value *params,
                                size_t count, const char *what, ko_db_rows **out, ko_err *err);
/* The one number of a statement that always has one row. */
KO_MUST_USE int ko_meta_number(ko_meta_tx *tx, ko_query query, const ko_db_value *params,
                               size_t count, int64_t *out, ko_err *err);
/* 1 when the statement has a row, 0 when not, -1 on error. */
KO_MUST_USE int ko_meta_exists(ko_meta_tx *tx, ko_query query, const ko_db_value *params,
                               size_t count, ko_err *err);

/* 1: at a row; 0: no more; -1. */
static inline int ko_meta_next(ko_db_rows *rows, ko_err *err)
{
    return rows->db->ops->step(rows, err);
}

/* ---- Columns of the row a statement is at ---- */

static inline int64_t ko_meta_col_int(ko_db_rows *rows, int column)
{
    return rows->db->ops->get_int(rows, column);
}
static inline uint64_t ko_meta_col_u64(ko_db_rows *rows, int column)
{
    int64_t value = rows->db->ops->get_int(rows, column);

    return value > 0 ? (uint64_t)value : 0;
}
static inline bool ko_meta_col_bool(ko_db_rows *rows, int column)
{
    return rows->db->ops->get_int(rows, column) != 0;
}
static inline bool ko_meta_col_is_null(ko_db_rows *rows, int column)
{
    return rows->db->ops->is_null(rows, column);
}
static inline ko_str ko_meta_col_str(ko_db_rows *rows, int column) /* until the next step */
{
    return rows->db->ops->get_str(rows, column);
}
/* Copies, terminated. */
const char *ko_meta_col_text(ko_db_rows *rows, int column, ko_arena *arena);
ko_str ko_meta_col_bytes(ko_db_rows *rows, int column, ko_arena *arena);
/* Into a fixed array, terminated. errors CORRUPT: it does not fit. */
KO_MUST_USE int ko_meta_col_copy(ko_db_rows *rows, int column, char *into, size_t size,
                                 ko_err *err);
/* errors CORRUPT: not a digest. */
KO_MUST_USE int ko_meta_col_digest(ko_db_rows *rows, int column, ko_digest *out, ko_err *err);

/* Rows of the nouns that several statements return; `column` is the first one of REPO_COLUMNS,
 * OWNER_COLUMNS, BLOB_COLUMNS in queries.def. */
KO_MUST_USE int ko_meta_col_repo(ko_db_rows *rows, int column, ko_meta_repo *out, ko_err *err);
KO_MUST_USE int ko_meta_col_owner(ko_db_rows *rows, int column, ko_meta_owner *out, ko_err *err);
KO_MUST_USE int ko_meta_col_blob(ko_db_rows *rows, int column, ko_meta_blob *out, ko_err *err);
#define KO_META_REPO_COLUMNS  9
#define KO_META_OWNER_COLUMNS 7
#define KO_META_BLOB_COLUMNS  5

/* ---- Lists ---- */

/* What a list is made of. `read` fills one element, zeroed before, from the row at hand. */
typedef struct {
    size_t size;
    int (*read)(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err);
} ko_meta_element;

extern const ko_meta_element ko_meta_str_element; /* the first column */
extern const ko_meta_element ko_meta_repo_element;
extern const ko_meta_element ko_meta_blob_element;

/* Reads all rows of a statement into an array in the arena. `out` is the address of a pointer to
 * elements, never NULL on success. */
KO_MUST_USE int ko_meta_list(ko_meta_tx *tx, ko_query query, const ko_db_value *params,
                             size_t param_count, const ko_meta_element *element, ko_arena *arena,
                             void *out, size_t *count, ko_err *err);

/* ---- Between the nouns ---- */

#define KO_DIGEST(d) KO_TEXT(ko_str_of((d)->text))

/* Stored: never renumber. */
enum { KO_META_EDGE_BLOB = 0, KO_META_EDGE_MANIFEST = 1, KO_META_EDGE_FOREIGN = 2 };

/* Queues a review, or brings an earlier one forward. `kind` is a ko_meta_gc_kind. */
KO_MUST_USE int ko_meta_gc_queue(ko_meta_tx *tx, int kind, int64_t repo_id, const ko_digest *digest,
                                 int64_t due_at_s, int64_t now_s, ko_err *err);

/* Adds to what a repository holds. */
KO_MUST_USE int ko_meta_repo_add_bytes(ko_meta_tx *tx, int64_t repo_id, int64_t bytes, ko_err *err);

/* A new owner row with default quotas. errors EXISTS, INVALID. */
KO_MUST_USE int ko_meta_owner_add(ko_meta_tx *tx, ko_meta_owner_kind kind, ko_str name,
                                  ko_str display, ko_meta_visibility default_visibility,
                                  int64_t at_s, int64_t *out_id, ko_err *err);
/* Removes an owner and what hangs on it; `force`: its repositories first. */
KO_MUST_USE int ko_meta_owner_remove(ko_meta_tx *tx, ko_meta_owner_kind kind, int64_t id,
                                     bool force, int64_t at_s, ko_err *err);

#endif
