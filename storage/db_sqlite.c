/* storage/db_sqlite.c: the SQLite driver.
 *
 * Write-ahead log, so that readers never wait for the writer nor it for them. `synchronous` is FULL
 * only while a transaction is written that somebody waits for (the log is synced at its commit, and
 * with it everything lazy before it); NORMAL otherwise.
 *
 * The log is kept small by automatic checkpoints, and emptied when nobody has written for a while.
 *
 * Not used: memory-mapped reads (a file cut short by a full disk would end the program with SIGBUS,
 * and resident memory would be anybody's guess); the shared cache (its locks are per table). */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>

#include "storage/datafile.h"
#include "storage/db.h"

#define BUSY_TIMEOUT_MS 10000 /* another process (the command line tool) is writing */
#define MAX_PARAMS      16

static const char *const query_text[KO_Q_COUNT] = {
#define KO_QUERY(name, sqlite, ...) sqlite,
#include "storage/queries.def"
#undef KO_QUERY
};

static const char *const query_name[KO_Q_COUNT] = {
#define KO_QUERY(name, ...) #name,
#include "storage/queries.def"
#undef KO_QUERY
};

typedef struct {
    ko_db_rows base; /* first: a ko_db_rows is one */
    ko_query query;
    sqlite3_stmt *stmt;
    int param_index[MAX_PARAMS]; /* where $1, $2 ... are bound; 0: not in the text */
    bool running;
} statement;

typedef struct {
    ko_db base; /* first: a ko_db is one */
    sqlite3 *handle;
    bool full_sync;
    statement statements[KO_Q_COUNT];
} connection;

static connection *of_db(ko_db *db)
{
    return KO_CONTAINER(db, connection, base);
}

static statement *of_rows(ko_db_rows *rows)
{
    return KO_CONTAINER(rows, statement, base);
}

/* ---- Errors ---- */

static ko_err_code code_of(sqlite3 *handle, int rc)
{
    int sys = sqlite3_system_errno(handle);

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return KO_E_NO_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
        return KO_E_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KO_E_CORRUPT;
    case SQLITE_TOOBIG:
        return KO_E_TOO_LARGE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return KO_E_DENIED;
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
            return KO_E_EXISTS;
        return rc == SQLITE_CONSTRAINT_FOREIGNKEY ? KO_E_CONFLICT : KO_E_INVALID;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
            return KO_E_NO_SPACE;
        return sys == EACCES || sys == EPERM ? KO_E_DENIED : KO_E_IO;
    default: /* an int of a foreign library, not an enumeration of ours */
        return KO_E_IO;
    }
}

static int fail(sqlite3 *handle, int rc, const char *doing, ko_err *err)
{
    ko_err_code code = code_of(handle, rc);
    int sys = code == KO_E_IO || code == KO_E_NO_SPACE ? sqlite3_system_errno(handle) : 0;

    ko_err_set_at(err, code, sys, __FILE__, __LINE__, "database: %s: %s", doing,
                  sqlite3_errmsg(handle));
    return -1;
}

/* ---- Statements ---- */

static int prepare(connection *db, ko_query query, ko_err *err)
{
    statement *st = &db->statements[query];
    int rc = sqlite3_prepare_v3(db->handle, query_text[query], -1, SQLITE_PREPARE_PERSISTENT,
                                &st->stmt, NULL);

    if (rc != SQLITE_OK)
        return fail(db->handle, rc, query_name[query], err);
    KO_ASSERT(sqlite3_bind_parameter_count(st->stmt) <= MAX_PARAMS);
    st->base.db = &db->base;
    st->query = query;
    for (int i = 0; i < MAX_PARAMS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "$%d", i + 1);
        st->param_index[i] = sqlite3_bind_parameter_index(st->stmt, name);
    }
    return 0;
}

static int bind(sqlite3_stmt *stmt, int index, const ko_db_value *value)
{
    /* An empty view may have no address; NULL would bind NULL. */
    const char *ptr = value->str.ptr ? value->str.ptr : "";

    switch (value->kind) {
    case KO_DB_NULL:
        return sqlite3_bind_null(stmt, index);
    case KO_DB_INT:
        return sqlite3_bind_int64(stmt, index, value->num);
    case KO_DB_TEXT:
        return sqlite3_bind_text64(stmt, index, ptr, value->str.len, SQLITE_STATIC, SQLITE_UTF8);
    case KO_DB_BYTES:
        return sqlite3_bind_blob64(stmt, index, ptr, value->str.len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static int sqlite_start(ko_db *base, ko_query query, const ko_db_value *params, size_t count,
                        ko_db_rows **out, ko_err *err)
{
    connection *db = of_db(base);
    statement *st = &db->statements[query];

    KO_ASSERT(!st->running && count <= MAX_PARAMS);
    if (!st->stmt && prepare(db, query, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int rc = st->param_index[i] ? bind(st->stmt, st->param_index[i], &params[i]) : SQLITE_OK;

        if (rc != SQLITE_OK) {
            (void)sqlite3_clear_bindings(st->stmt); /* always succeeds */
            return fail(db->handle, rc, query_name[query], err);
        }
    }
    st->running = true;
    *out = &st->base;
    return 0;
}

static int sqlite_step(ko_db_rows *rows, ko_err *err)
{
    statement *st = of_rows(rows);
    int rc = sqlite3_step(st->stmt);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return fail(of_db(rows->db)->handle, rc, query_name[st->query], err);
}

static void sqlite_end(ko_db_rows *rows)
{
    statement *st = of_rows(rows);

    (void)sqlite3_reset(st->stmt); /* repeats the error of the last step, which was reported */
    (void)sqlite3_clear_bindings(st->stmt);
    st->running = false;
}

static uint64_t sqlite_changed(ko_db *db)
{
    return (uint64_t)sqlite3_changes64(of_db(db)->handle);
}

static bool sqlite_is_null(ko_db_rows *rows, int column)
{
    return sqlite3_column_type(of_rows(rows)->stmt, column) == SQLITE_NULL;
}

static int64_t sqlite_get_int(ko_db_rows *rows, int column)
{
    return sqlite3_column_int64(of_rows(rows)->stmt, column);
}

static ko_str sqlite_get_str(ko_db_rows *rows, int column)
{
    sqlite3_stmt *stmt = of_rows(rows)->stmt;
    const void *bytes = sqlite3_column_blob(stmt, column);

    return (ko_str){bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, column)};
}

static int sqlite_script(ko_db *base, ko_str sql, ko_err *err)
{
    connection *db = of_db(base);
    const char *at = sql.ptr, *end = sql.ptr + sql.len;

    while (at < end) {
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(db->handle, at, (int)(end - at), &stmt, &at);

        if (rc == SQLITE_OK && stmt) {
            rc = sqlite3_step(stmt);
            if (rc == SQLITE_ROW || rc == SQLITE_DONE)
                rc = SQLITE_OK;
        }
        (void)sqlite3_finalize(stmt); /* the error of the step is in rc */
        if (rc != SQLITE_OK)
            return fail(db->handle, rc, "script", err);
    }
    return 0;
}

/* ---- Transactions ---- */

/* One plain statement; at most a row that nobody wants. */
static int simple(connection *db, ko_query query, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (sqlite_start(&db->base, query, NULL, 0, &rows, err) < 0 || sqlite_step(rows, err) < 0)
        return -1;
    return 0;
}

/* This pragma takes effect when it is compiled, so it cannot be a statement prepared once. */
static int set_sync(connection *db, bool full, ko_err *err)
{
    if (db->full_sync == full)
        return 0;
    if (sqlite_script(&db->base,
                      full ? KO_STR("PRAGMA synchronous = FULL")
                           : KO_STR("PRAGMA synchronous = NORMAL"),
                      err) < 0)
        return -1;
    db->full_sync = full;
    return 0;
}

static int sqlite_begin(ko_db *base, ko_db_mode mode, ko_err *err)
{
    connection *db = of_db(base);

    if (mode == KO_DB_READ)
        return simple(db, KO_Q_begin_read, err);
    if (set_sync(db, mode == KO_DB_WRITE_DURABLE, err) < 0)
        return -1;
    return simple(db, KO_Q_begin_write, err);
}

static bool sqlite_in_transaction(ko_db *base)
{
    return !sqlite3_get_autocommit(of_db(base)->handle);
}

static void sqlite_rollback(ko_db *base)
{
    if (sqlite_in_transaction(base))
        (void)simple(of_db(base), KO_Q_rollback, NULL); /* the transaction ends in any case */
}

static int sqlite_commit(ko_db *base, ko_err *err)
{
    if (simple(of_db(base), KO_Q_commit, err) == 0)
        return 0;
    sqlite_rollback(base);
    return -1;
}

static int sqlite_savepoint(ko_db *base, ko_err *err)
{
    return simple(of_db(base), KO_Q_savepoint, err);
}

static int sqlite_release(ko_db *base, ko_err *err)
{
    return simple(of_db(base), KO_Q_savepoint_release, err);
}

static int sqlite_rollback_to(ko_db *base, ko_err *err)
{
    if (simple(of_db(base), KO_Q_savepoint_rollback, err) < 0)
        return -1;
    return sqlite_release(base, err);
}

/* Moves the log into the database and empties it, unless a reader is in the way: then next time. */
static void sqlite_idle(ko_db *base)
{
    sqlite3 *handle = of_db(base)->handle;

    (void)sqlite3_busy_timeout(handle, 0);
    (void)sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_release_memory(handle);
}

/* ---- Open and close ---- */

static void sqlite_close(ko_db *base)
{
    connection *db = of_db(base);

    for (size_t i = 0; i < KO_Q_COUNT; i++)
        (void)sqlite3_finalize(db->statements[i].stmt); /* repeats an old error */
    (void)sqlite3_close_v2(db->handle);
    free(db);
}

static const ko_db_ops sqlite_ops = {
    .close = sqlite_close,
    .script = sqlite_script,
    .start = sqlite_start,
    .step = sqlite_step,
    .end = sqlite_end,
    .changed = sqlite_changed,
    .is_null = sqlite_is_null,
    .get_int = sqlite_get_int,
    .get_str = sqlite_get_str,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .in_transaction = sqlite_in_transaction,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .rollback_to = sqlite_rollback_to,
    .idle = sqlite_idle,
    .word_open = "\"",
    .word_close = "\"*",
    .word_and = " ",
    .dialect = "sqlite",
};

static int configure(connection *db, ko_err *err)
{
    static const char settings[] = "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = NORMAL;"
                                   "PRAGMA foreign_keys = ON;"
                                   "PRAGMA cache_size = -512;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA wal_autocheckpoint = 1000;"
                                   "PRAGMA journal_size_limit = 8388608;";

    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    return sqlite_script(&db->base, (ko_str){settings, sizeof(settings) - 1}, err);
}

/* No statistics behind a global lock. Only before the library's first use, so once. */
static void set_up(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int ko_db_sqlite_open(const char *path, ko_db **out, ko_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    /* Not NOFOLLOW: it refuses symbolic links in the directory's path too. */
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

    (void)pthread_once(&once, set_up);
    /* Before SQLite does, because it holds password hashes and keys: SQLite gives the log the same
     * mode and (run by root) the same owner as the database. */
    if (path && ko_datafile_make(path, err) < 0)
        return -1;

    connection *db = ko_new(connection);
    db->base.ops = &sqlite_ops;
    ko_autoptr(ko_db) owned = &db->base;

    int rc = sqlite3_open_v2(path ? path : ":memory:", &db->handle, flags, NULL);
    if (!db->handle)
        return ko_err_set(err, KO_E_UNAVAILABLE, "database: no memory");
    if (rc != SQLITE_OK)
        return fail(db->handle, rc, "open", err);
    if (configure(db, err) < 0)
        return -1;
    *out = ko_steal(&owned);
    return 0;
}
