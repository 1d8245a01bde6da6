/* storage/meta.c: the database as a whole: opening, read transactions, touching.
 *
 * Connections: one belongs to the writer (writer.c). Readers borrow one from a pool, which grows
 * with need up to READERS_MAX and is empty at the start; who finds none waits for one. In memory
 * there is only one connection, and a lock passes it round.
 *
 * A transaction inside a transaction would wait for itself for ever, so it is an assertion. */
#include "storage/meta.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>

#include "common/base/fd.h"
#include "storage/meta_priv.h"
#include "storage/migrate.h"
#include "storage/writer.h"

#define READERS_MAX 8

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    ko_db *idle[READERS_MAX];
    size_t idle_count;
    size_t open_count;
} reader_pool;

typedef int connect_fn(const char *where, ko_db **out, ko_err *err);

struct ko_meta {
    connect_fn *connect;
    char *where; /* the connect function's; NULL: there is only one connection */
    ko_db *db;   /* the writer's */
    ko_generation *gen;
    ko_writer *writer;
    ko_ballast *ballast; /* NULL in memory */
    reader_pool readers;
    pthread_mutex_t memory_lock; /* in memory: held while the one connection is used */
};

static _Thread_local bool inside; /* this thread runs a transaction's function */

/* ---- Readers ---- */

static int borrow(ko_meta *meta, ko_db **out, ko_err *err)
{
    reader_pool *pool = &meta->readers;

    (void)pthread_mutex_lock(&pool->lock);
    while (pool->idle_count == 0 && pool->open_count == READERS_MAX)
        (void)pthread_cond_wait(&pool->returned, &pool->lock);
    if (pool->idle_count > 0) {
        *out = pool->idle[--pool->idle_count];
        (void)pthread_mutex_unlock(&pool->lock);
        return 0;
    }
    pool->open_count++;
    (void)pthread_mutex_unlock(&pool->lock);

    if (meta->connect(meta->where, out, err) == 0)
        return 0;
    (void)pthread_mutex_lock(&pool->lock);
    pool->open_count--;
    (void)pthread_cond_signal(&pool->returned);
    (void)pthread_mutex_unlock(&pool->lock);
    return -1;
}

static void give_back(ko_meta *meta, ko_db *db)
{
    reader_pool *pool = &meta->readers;

    (void)pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = db;
    (void)pthread_cond_signal(&pool->returned);
    (void)pthread_mutex_unlock(&pool->lock);
}

static int read_on(ko_db *db, ko_meta_fn *fn, void *arg, ko_err *err)
{
    ko_meta_tx tx = {.db = db};

    if (db->ops->begin(db, KO_DB_READ, err) < 0)
        return -1;
    inside = true;
    int rc = fn(&tx, arg, err);
    inside = false;
    db->ops->rollback(db); /* nothing was changed */
    return rc;
}

int ko_meta_read(ko_meta *meta, ko_meta_fn *fn, void *arg, ko_err *err)
{
    ko_db *db = NULL;
    int rc;

    KO_ASSERT(!inside);
    if (!meta->where) {
        (void)pthread_mutex_lock(&meta->memory_lock);
        rc = read_on(meta->db, fn, arg, err);
        (void)pthread_mutex_unlock(&meta->memory_lock);
        return rc;
    }
    if (borrow(meta, &db, err) < 0)
        return -1;
    rc = read_on(db, fn, arg, err);
    give_back(meta, db);
    return rc;
}

/* ---- Writes ---- */

typedef struct {
    ko_meta_fn *fn;
    void *arg;
} guarded;

static int run_guarded(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const guarded *g = arg;

    inside = true;
    int rc = g->fn(tx, g->arg, err);
    inside = false;
    return rc;
}

int ko_meta_write(ko_meta *meta, ko_meta_durability durability, ko_meta_fn *fn, void *arg,
                  ko_err *err)
{
    guarded g = {fn, arg};

    KO_ASSERT(!inside);
    return ko_writer_run(meta->writer, durability, run_guarded, &g, err);
}

void ko_meta_touch_repo(ko_meta_tx *tx, ko_str repo)
{
    size_t slot = ko_generation_slot(repo);

    tx->repos_touched[slot / 64] |= UINT64_C(1) << slot % 64;
}

void ko_meta_touch_rights(ko_meta_tx *tx)
{
    tx->rights_touched = true;
}

uint64_t ko_meta_generation_repo(const ko_meta *meta, ko_str repo)
{
    return ko_generation_get_repo(meta->gen, ko_generation_slot(repo));
}

uint64_t ko_meta_generation_rights(const ko_meta *meta)
{
    return ko_generation_get_rights(meta->gen);
}

/* ---- Open and close ---- */

static ko_meta *new_meta(void)
{
    ko_meta *meta = ko_new(ko_meta);

    (void)pthread_mutex_init(&meta->readers.lock, NULL);
    (void)pthread_cond_init(&meta->readers.returned, NULL);
    (void)pthread_mutex_init(&meta->memory_lock, NULL);
    return meta;
}

static int open_at(connect_fn *connect, const char *dir, const char *where, const char *generations,
                   ko_meta **out, ko_err *err)
{
    ko_autoptr(ko_meta) meta = new_meta();

    meta->connect = connect;
    meta->where = where ? ko_xstrdup(where) : NULL;
    meta->ballast = dir ? ko_ballast_new(dir) : NULL;
    if (connect(where, &meta->db, err) < 0 || ko_migrate(meta->db, err) < 0 ||
        ko_generation_open(generations, &meta->gen, err) < 0 ||
        ko_writer_new(meta->db, meta->gen, where ? NULL : &meta->memory_lock, meta->ballast,
                      &meta->writer, err) < 0)
        return -1;
    if (meta->ballast)
        ko_ballast_fill(meta->ballast);
    *out = ko_steal(&meta);
    return 0;
}

/* Opening makes the log's index, for which a full disk has no room: SQLite calls that an I/O error.
 */
static bool open_with_ballast_gone(const char *dir, const char *path, const char *generations,
                                   ko_meta **out, ko_err *err)
{
    ko_autoptr(ko_ballast) ballast = ko_ballast_new(dir);

    return ko_ballast_release(ballast) &&
           open_at(ko_db_sqlite_open, dir, path, generations, out, err) == 0;
}

int ko_meta_open_sqlite(const char *dir, ko_meta **out, ko_err *err)
{
    char path[PATH_MAX], generations[PATH_MAX];
    ko_autofd fd = ko_fd_open_dir(AT_FDCWD, dir, 0700, err);

    if (fd < 0)
        return -1;
    if (snprintf(path, sizeof(path), "%s/kontor.db", dir) >= (int)sizeof(path) ||
        snprintf(generations, sizeof(generations), "%s/generations", dir) >=
            (int)sizeof(generations))
        return ko_err_set(err, KO_E_INVALID, "the name of the data directory is too long");
    if (open_at(ko_db_sqlite_open, dir, path, generations, out, err) < 0 &&
        !open_with_ballast_gone(dir, path, generations, out, err))
        return ko_err_ctx(err, "open %s", path);
    return 0;
}

int ko_meta_open_memory(ko_meta **out, ko_err *err)
{
    return open_at(ko_db_sqlite_open, NULL, NULL, NULL, out, err);
}

ko_meta *ko_meta_free(ko_meta *meta)
{
    if (!meta)
        return NULL;
    (void)ko_writer_free(meta->writer);
    if (meta->ballast)
        ko_ballast_fill(meta->ballast); /* for the next opening */
    (void)ko_ballast_free(meta->ballast);
    for (size_t i = 0; i < meta->readers.idle_count; i++)
        (void)ko_db_free(meta->readers.idle[i]);
    (void)ko_db_free(meta->db);
    (void)ko_generation_free(meta->gen);
    (void)pthread_mutex_destroy(&meta->memory_lock);
    (void)pthread_cond_destroy(&meta->readers.returned);
    (void)pthread_mutex_destroy(&meta->readers.lock);
    free(meta->where);
    free(meta);
    return NULL;
}
