/* storage/db.h: one connection to a SQL database, behind a small table of functions, so that what
 * the rows mean (meta_*.c) is written once for every database.
 *
 * Statements are the rows of queries.def, named by number and prepared by the driver once per
 * connection, when first used. Parameters are $1, $2 ... of the statement's text.
 *
 * Drivers: db_sqlite.c. Threads: a connection belongs to one thread at a time. Blocks: yes. */
#ifndef KO_STORAGE_DB_H
#define KO_STORAGE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/own.h"
#include "common/base/str.h"

typedef enum {
#define KO_QUERY(name, ...) KO_Q_##name,
#include "storage/queries.def"
#undef KO_QUERY
    KO_Q_COUNT
} ko_query;

/* A parameter. Text and bytes are borrowed until the statement's rows are freed. */
typedef struct {
    enum { KO_DB_NULL, KO_DB_INT, KO_DB_TEXT, KO_DB_BYTES } kind;
    int64_t num;
    ko_str str;
} ko_db_value;

#define KO_INT(n)   ((ko_db_value){.kind = KO_DB_INT, .num = (int64_t)(n)})
#define KO_TEXT(s)  ((ko_db_value){.kind = KO_DB_TEXT, .str = (s)})
#define KO_BYTES(s) ((ko_db_value){.kind = KO_DB_BYTES, .str = (s)})
/* NULL for an empty text, for columns where nothing is NULL. */
#define KO_TEXT_OR_NULL(s) ko_db_text_or_null(s)
static inline ko_db_value ko_db_text_or_null(ko_str s)
{
    return (ko_db_value){.kind = s.len > 0 ? KO_DB_TEXT : KO_DB_NULL, .str = s};
}
/* The two arguments "params, count" of a statement. */
#define KO_ARGS(...)                                                                               \
    (const ko_db_value[]){__VA_ARGS__},                                                            \
        sizeof((const ko_db_value[]){__VA_ARGS__}) / sizeof(ko_db_value)
#define KO_NO_ARGS NULL, 0

typedef struct ko_db ko_db;
typedef struct ko_db_rows ko_db_rows;

typedef enum { KO_DB_READ, KO_DB_WRITE, KO_DB_WRITE_DURABLE } ko_db_mode;

/* What a driver implements. Each function is called by the thread that owns the connection. */
typedef struct {
    void (*close)(ko_db *db);

    /* Runs several statements that return nothing: a migration. */
    int (*script)(ko_db *db, ko_str sql, ko_err *err);

    /* Binds and starts a statement; it must not be running already on this connection. Values
     * beyond the last parameter of its text are ignored: a statement may lack its filter. */
    int (*start)(ko_db *db, ko_query query, const ko_db_value *params, size_t count,
                 ko_db_rows **out, ko_err *err);
    /* 1: a row is there; 0: no more. errors EXISTS: a unique key; CONFLICT: a foreign key;
     * NO_SPACE; UNAVAILABLE: locked for too long; CORRUPT; IO. */
    int (*step)(ko_db_rows *rows, ko_err *err);
    void (*end)(ko_db_rows *rows);
    /* Rows changed by the statement that has just run to its end. */
    uint64_t (*changed)(ko_db *db);

    bool (*is_null)(ko_db_rows *rows, int column);
    int64_t (*get_int)(ko_db_rows *rows, int column);
    ko_str (*get_str)(ko_db_rows *rows, int column); /* valid until the next step or end */

    int (*begin)(ko_db *db, ko_db_mode mode, ko_err *err);
    /* After a failed commit the transaction is over and nothing of it stays. */
    int (*commit)(ko_db *db, ko_err *err);
    void (*rollback)(ko_db *db); /* success when there is no transaction */
    /* Does a transaction run? A database that is full may end one on its own. */
    bool (*in_transaction)(ko_db *db);
    int (*savepoint)(ko_db *db, ko_err *err);
    int (*release)(ko_db *db, ko_err *err);
    int (*rollback_to)(ko_db *db, ko_err *err); /* and releases it */

    /* Housekeeping while nobody writes; may be NULL. */
    void (*idle)(ko_db *db);

    /* The full-text query "all these words, each a prefix": how one word is wrapped, and what
     * stands between two. Words are letters, digits and bytes above 0x7f. */
    const char *word_open, *word_close, *word_and;

    const char *dialect; /* "sqlite" */
} ko_db_ops;

struct ko_db {
    const ko_db_ops *ops;
};

struct ko_db_rows {
    ko_db *db;
};

ko_db *ko_db_free(ko_db *db); /* accepts NULL, returns NULL */
KO_DEFINE_AUTOPTR(ko_db, ko_db_free);
ko_db_rows *ko_db_rows_free(ko_db_rows *rows); /* accepts NULL, returns NULL */
KO_DEFINE_AUTOPTR(ko_db_rows, ko_db_rows_free);

/* A SQLite database file, made when missing; NULL: a new one in memory. Owned by the caller. */
KO_MUST_USE int ko_db_sqlite_open(const char *path, ko_db **out, ko_err *err);

#endif
