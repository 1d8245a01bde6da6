/* Transactions: group commit, savepoints, durability, generations, schema versions. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "storage/db.h"
#include "storage/meta_check.h"
#include "storage/meta_key.h"
#include "storage/meta_repo.h"
#include "storage/migrate.h"
#include "storage/writer.h"
#include "tests/unit/storage/scratch.h"

typedef struct {
    char *dir;
    ko_meta *meta;
} world;

static ko_err err_buf;
#define ERR (&err_buf)
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        err_buf = KO_ERR_INIT;                                                                     \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err_buf.text);                                               \
    } while (0)

static int open_file(void **state)
{
    world *w = ko_new(world);

    w->dir = scratch_new();
    assert_ok(ko_meta_open_sqlite(w->dir, &w->meta, ERR));
    *state = w;
    return 0;
}

static int open_memory(void **state)
{
    world *w = ko_new(world);

    w->dir = scratch_new();
    assert_ok(ko_meta_open_memory(&w->meta, ERR));
    *state = w;
    return 0;
}

/* Nothing is open yet, and so there is no thread: for tests that fork. */
static int open_nothing(void **state)
{
    world *w = ko_new(world);

    w->dir = scratch_new();
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;

    (void)ko_meta_free(w->meta);
    scratch_done(w->dir);
    free(w);
    return 0;
}

/* ---- Steps: functions for transactions; `arg` is a setting's name ---- */

static int put(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_setting_set(tx, ko_str_of(arg), KO_STR("there"), err);
}

static int put_then_fail(ko_meta_tx *tx, void *arg, ko_err *err)
{
    if (put(tx, arg, err) < 0)
        return -1;
    return ko_err_set(err, KO_E_CONFLICT, "on purpose");
}

/* 1: there. */
static int has(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_err why = KO_ERR_INIT;
    ko_str value;

    if (ko_meta_setting_get(tx, ko_str_of(arg), arena, &value, &why) == 0)
        return 1;
    return why.code == KO_E_NOT_FOUND ? 0 : ko_err_set(err, why.code, "%s", why.text);
}

static int write_name(ko_meta *meta, const char *name)
{
    char copy[64];

    (void)snprintf(copy, sizeof(copy), "%s", name);
    return ko_meta_write(meta, KO_META_DURABLE, put, copy, ERR);
}

static int is_there(ko_meta *meta, const char *name)
{
    char copy[64];

    (void)snprintf(copy, sizeof(copy), "%s", name);
    return ko_meta_read(meta, has, copy, ERR);
}

/* ---- Tests ---- */

static void what_was_written_is_read(void **state)
{
    world *w = *state;

    assert_ok(write_name(w->meta, "a"));
    assert_int_equal(is_there(w->meta, "a"), 1);
    assert_int_equal(is_there(w->meta, "b"), 0);
}

static void a_failed_write_leaves_nothing(void **state)
{
    world *w = *state;
    char name[] = "a";

    assert_int_equal(ko_meta_write(w->meta, KO_META_LAZY, put_then_fail, name, ERR), -1);
    assert_int_equal(err_buf.code, KO_E_CONFLICT);
    assert_int_equal(is_there(w->meta, "a"), 0);
}

#define THREADS 8
#define WRITES  40

typedef struct {
    ko_meta *meta;
    int number;
    atomic_int *good;
} many;

/* Every third write fails; what the others wrote must be there all the same. */
static void *write_many(void *arg)
{
    const many *m = arg;

    for (int i = 0; i < WRITES; i++) {
        char name[32];
        ko_err err = KO_ERR_INIT;
        ko_meta_fn *fn = i % 3 == 0 ? put_then_fail : put;

        (void)snprintf(name, sizeof(name), "%d.%d", m->number, i);
        int rc = ko_meta_write(m->meta, i % 2 ? KO_META_DURABLE : KO_META_LAZY, fn, name, &err);
        if ((rc == 0) == (fn == put) && (rc == 0 || err.code == KO_E_CONFLICT))
            (void)atomic_fetch_add(m->good, 1);
    }
    return NULL;
}

static void a_failure_in_a_group_leaves_the_others_intact(void **state)
{
    world *w = *state;
    pthread_t threads[THREADS];
    many args[THREADS];
    atomic_int good = 0;

    for (int i = 0; i < THREADS; i++) {
        args[i] = (many){w->meta, i, &good};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &args[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&good), THREADS * WRITES);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < WRITES; i++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "%d.%d", t, i);
            assert_int_equal(is_there(w->meta, name), i % 3 != 0);
        }
    }
}

static int touch_both(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_meta_touch_repo(tx, KO_STR("team/app"));
    ko_meta_touch_rights(tx);
    return arg ? ko_err_set(err, KO_E_CONFLICT, "on purpose") : 0;
}

static void generations_rise_with_the_commit_only(void **state)
{
    world *w = *state;
    ko_str repo = KO_STR("team/app");
    uint64_t repo_before = ko_meta_generation_repo(w->meta, repo);
    uint64_t rights_before = ko_meta_generation_rights(w->meta);

    assert_int_equal(ko_meta_write(w->meta, KO_META_LAZY, touch_both, &repo, ERR), -1);
    assert_int_equal(ko_meta_generation_repo(w->meta, repo), repo_before);
    assert_int_equal(ko_meta_generation_rights(w->meta), rights_before);

    assert_ok(ko_meta_write(w->meta, KO_META_LAZY, touch_both, NULL, ERR));
    assert_true(ko_meta_generation_repo(w->meta, repo) > repo_before);
    assert_true(ko_meta_generation_rights(w->meta) > rights_before);
}

static void another_process_sees_generations_and_rows(void **state)
{
    world *w = *state;
    ko_meta *other = NULL;

    assert_ok(ko_meta_open_sqlite(w->dir, &other, ERR));
    uint64_t before = ko_meta_generation_rights(w->meta);
    assert_ok(ko_meta_write(other, KO_META_LAZY, touch_both, NULL, ERR));
    assert_true(ko_meta_generation_rights(w->meta) > before);
    assert_ok(write_name(other, "from the other"));
    assert_ok(write_name(w->meta, "from here"));
    assert_int_equal(is_there(w->meta, "from the other"), 1);
    assert_int_equal(is_there(other, "from here"), 1);
    (void)ko_meta_free(other);
}

static void rows_survive_a_restart(void **state)
{
    world *w = *state;

    assert_ok(write_name(w->meta, "a"));
    w->meta = ko_meta_free(w->meta);
    assert_ok(ko_meta_open_sqlite(w->dir, &w->meta, ERR));
    assert_int_equal(is_there(w->meta, "a"), 1);
}

/* The child tells each name once its write has returned, until it is killed. */
static void write_until_killed(const char *dir, int fd)
{
    ko_meta *meta = NULL;

    if (ko_meta_open_sqlite(dir, &meta, NULL) < 0)
        _exit(1);
    for (uint32_t i = 0;; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "n%u", i);
        if (ko_meta_write(meta, KO_META_LAZY, put, name, NULL) < 0 ||
            write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void nothing_acknowledged_is_lost_by_kill(void **state)
{
    world *w = *state;
    char dir[PATH_MAX];

    for (int round = 0; round < 3; round++) {
        int fds[2];
        uint32_t last = 0;

        (void)snprintf(dir, sizeof(dir), "%s/%d", w->dir, round);
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(dir, fds[1]);
        (void)close(fds[1]);
        for (int i = 0; i < 30 + 17 * round; i++)
            assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(fds[0], &last, sizeof(last)) == sizeof(last))
            continue;
        (void)close(fds[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);

        ko_meta *meta = NULL;
        assert_ok(ko_meta_open_sqlite(dir, &meta, ERR));
        for (uint32_t i = 0; i <= last; i++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "n%u", i);
            assert_int_equal(is_there(meta, name), 1);
        }
        (void)ko_meta_free(meta);
    }
}

/* The child was forked before this process knew the database: SQLite must not be used across fork.
 */
static void use_once_told(const char *dir, int fd)
{
    ko_meta *meta = NULL;
    char name[] = "from another process", go;

    if (read(fd, &go, 1) != 1 || ko_meta_open_sqlite(dir, &meta, NULL) < 0 ||
        ko_meta_write(meta, KO_META_DURABLE, put, name, NULL) < 0)
        _exit(1);
    (void)ko_meta_free(meta);
    _exit(0);
}

static void another_process_comes_and_goes_without_harm(void **state)
{
    world *w = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    char *dir = ko_arena_printf(arena, "%s/shared", w->dir);
    ko_meta *meta = NULL;
    int fds[2], status;

    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0)
        use_once_told(dir, fds[0]);
    assert_ok(ko_meta_open_sqlite(dir, &meta, ERR));
    assert_ok(write_name(meta, "a"));
    assert_int_equal(is_there(meta, "a"), 1); /* a reader's connection is open too */
    assert_int_equal(write(fds[1], "g", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* Had the other one taken itself for the last user, it would have deleted the log's index. */
    assert_int_equal(access(ko_arena_printf(arena, "%s/kontor.db-shm", dir), F_OK), 0);
    assert_int_equal(is_there(meta, "from another process"), 1);
    assert_ok(write_name(meta, "b"));
    assert_int_equal(is_there(meta, "b"), 1);
    (void)ko_meta_free(meta);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static int put_big(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_setting_set(tx, KO_STR("big"), *(ko_str *)arg, err);
}

static int drop_nothing(ko_meta_tx *tx, void *arg, ko_err *err)
{
    (void)tx, (void)arg, (void)err;
    return 0;
}

/* A file size limit stands for the full disk: the system refuses the write in the same way. */
static void a_full_disk_is_said_and_gets_over(void **state)
{
    world *w = *state;
    struct rlimit old, tight;
    size_t size = 4 << 20;
    ko_autofree char *bytes = ko_xcalloc(1, size);
    ko_str big = {bytes, size};

    assert_ok(write_name(w->meta, "before"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);
    tight = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int rc = ko_meta_write(w->meta, KO_META_DURABLE, put_big, &big, ERR);
    ko_err_code code = err_buf.code;
    int read_rc = is_there(w->meta, "before");
    int empty_rc = ko_meta_write(w->meta, KO_META_LAZY, drop_nothing, NULL, ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, old_handler);

    assert_int_equal(rc, -1);
    assert_int_equal(code, KO_E_NO_SPACE);
    assert_int_equal(read_rc, 1);
    assert_int_equal(empty_rc, 0);
    assert_ok(ko_meta_write(w->meta, KO_META_DURABLE, put_big, &big, ERR));
    assert_int_equal(is_there(w->meta, "big"), 1);
}

/* Holds the writer until the test lets it go. */
typedef struct {
    pthread_mutex_t lock;
    atomic_int started;
} gate;

static int wait_at_gate(ko_meta_tx *tx, void *arg, ko_err *err)
{
    gate *g = arg;

    (void)tx, (void)err;
    atomic_store(&g->started, 1);
    (void)pthread_mutex_lock(&g->lock);
    (void)pthread_mutex_unlock(&g->lock);
    return 0;
}

typedef struct {
    ko_meta *meta;
    gate *gate;
    int rc;
} gated;

static void *write_gated(void *arg)
{
    gated *g = arg;

    g->rc = ko_meta_write(g->meta, KO_META_LAZY, wait_at_gate, g->gate, NULL);
    return NULL;
}

static void readers_do_not_wait_for_the_writer(void **state)
{
    world *w = *state;
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER};
    gated arg = {.meta = w->meta, .gate = &g, .rc = -1};
    pthread_t thread;

    assert_ok(write_name(w->meta, "a"));
    (void)pthread_mutex_lock(&g.lock);
    assert_int_equal(pthread_create(&thread, NULL, write_gated, &arg), 0);
    while (!atomic_load(&g.started))
        (void)sched_yield();
    assert_int_equal(is_there(w->meta, "a"), 1);
    (void)pthread_mutex_unlock(&g.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(arg.rc, 0);
}

static void files_made_by_root_belong_to_the_directorys_owner(void **state)
{
    world *w = *state;
    static const char *const names[] = {"kontor.db", "kontor.db-wal", "generations"};
    const uid_t server = 12345;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(w->dir, server, server), 0);
    assert_ok(ko_meta_open_sqlite(w->dir, &w->meta, ERR));
    assert_ok(write_name(w->meta, "a"));
    for (size_t i = 0; i < KO_ARRAY_LEN(names); i++) {
        char path[PATH_MAX];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, server);
    }
}

static void the_data_directory_may_be_a_symbolic_link(void **state)
{
    world *w = *state;
    char link[PATH_MAX];

    w->meta = ko_meta_free(w->meta);
    (void)snprintf(link, sizeof(link), "%s/link", w->dir);
    assert_int_equal(symlink(w->dir, link), 0);
    assert_ok(ko_meta_open_sqlite(link, &w->meta, ERR));
    assert_ok(write_name(w->meta, "a"));
}

static void a_newer_schema_is_refused(void **state)
{
    world *w = *state;
    char path[PATH_MAX];
    ko_db *db = NULL;

    w->meta = ko_meta_free(w->meta);
    (void)snprintf(path, sizeof(path), "%s/kontor.db", w->dir);
    assert_ok(ko_db_sqlite_open(path, &db, ERR));
    assert_ok(
        db->ops->script(db, KO_STR("INSERT INTO schema_version VALUES (999, 'later', 0)"), ERR));
    (void)ko_db_free(db);
    err_buf = KO_ERR_INIT;
    assert_int_equal(ko_meta_open_sqlite(w->dir, &w->meta, ERR), -1);
    assert_int_equal(err_buf.code, KO_E_INVALID);
    assert_non_null(strstr(err_buf.text, "999"));
}

static void the_schema_is_made_once(void **state)
{
    world *w = *state;
    char path[PATH_MAX];
    ko_db *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/kontor.db", w->dir);
    assert_ok(ko_db_sqlite_open(path, &db, ERR));
    assert_ok(ko_migrate(db, ERR));
    assert_ok(ko_migrate(db, ERR));
    ko_db_rows *rows = NULL;
    assert_ok(db->ops->start(db, KO_Q_schema_version, KO_NO_ARGS, &rows, ERR));
    assert_int_equal(db->ops->step(rows, ERR), 1);
    assert_int_equal(db->ops->get_int(rows, 0), ko_migrate_newest());
    (void)ko_db_rows_free(rows);
    (void)ko_db_free(db);
}

static void the_files_are_for_their_owner_only(void **state)
{
    world *w = *state;
    static const char *const names[] = {"kontor.db", "kontor.db-wal", "generations"};

    assert_ok(write_name(w->meta, "a"));
    for (size_t i = 0; i < KO_ARRAY_LEN(names); i++) {
        char path[PATH_MAX];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
}

static void something_else_than_a_database_is_corrupt(void **state)
{
    world *w = *state;
    char path[PATH_MAX];

    w->meta = ko_meta_free(w->meta);
    (void)snprintf(path, sizeof(path), "%s/kontor.db", w->dir);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("not a database ", file) >= 0);
    assert_int_equal(fclose(file), 0);
    err_buf = KO_ERR_INIT;
    assert_int_equal(ko_meta_open_sqlite(w->dir, &w->meta, ERR), -1);
    assert_int_equal(err_buf.code, KO_E_CORRUPT);
}

#define ON_FILE(test)                                                                              \
    {                                                                                              \
#test, test, open_file, close_world, NULL                                                  \
    }
#define ON_DIRECTORY(test)                                                                         \
    {                                                                                              \
#test, test, open_nothing, close_world, NULL                                               \
    }
#define ON_BOTH(test)                                                                              \
    {#test " on a file", test, open_file, close_world, NULL},                                      \
    {                                                                                              \
#test " in memory", test, open_memory, close_world, NULL                                   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_was_written_is_read),
        ON_BOTH(a_failed_write_leaves_nothing),
        ON_BOTH(a_failure_in_a_group_leaves_the_others_intact),
        ON_BOTH(generations_rise_with_the_commit_only),
        ON_FILE(another_process_sees_generations_and_rows),
        ON_FILE(rows_survive_a_restart),
        ON_DIRECTORY(nothing_acknowledged_is_lost_by_kill),
        ON_DIRECTORY(another_process_comes_and_goes_without_harm),
        ON_FILE(a_full_disk_is_said_and_gets_over),
        ON_FILE(readers_do_not_wait_for_the_writer),
        ON_DIRECTORY(files_made_by_root_belong_to_the_directorys_owner),
        ON_FILE(the_data_directory_may_be_a_symbolic_link),
        ON_FILE(a_newer_schema_is_refused),
        ON_FILE(the_schema_is_made_once),
        ON_FILE(the_files_are_for_their_owner_only),
        ON_FILE(something_else_than_a_database_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
