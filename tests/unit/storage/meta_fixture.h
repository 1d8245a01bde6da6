/* For tests of rows: a database, in memory or in a fresh directory, with a write transaction made
 * by hand, so that a test calls row functions one after another on its own thread. (The real
 * transactions are the subject of test_meta.c.) */
#ifndef KO_TESTS_META_FIXTURE_H
#define KO_TESTS_META_FIXTURE_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "storage/meta_priv.h"
#include "storage/migrate.h"
#include "tests/unit/storage/scratch.h"

typedef struct {
    char *dir;
    ko_arena *arena;
    ko_db *db;
    ko_meta_tx tx;
} fixture;

static ko_err fixture_err; /* of the last call under assert_fails() */

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        fixture_err = KO_ERR_INIT;                                                                 \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, fixture_err.text);                                           \
    } while (0)
#define assert_fails(call, want)                                                                   \
    do {                                                                                           \
        fixture_err = KO_ERR_INIT;                                                                 \
        assert_int_equal((call), -1);                                                              \
        assert_string_equal(ko_err_name(fixture_err.code), ko_err_name(want));                     \
    } while (0)
#define ERR (&fixture_err)

static int fixture_open(void **state, bool in_memory)
{
    fixture *f = ko_new(fixture);
    char path[PATH_MAX];

    *state = f;
    f->arena = ko_arena_new();
    f->dir = scratch_new();
    (void)snprintf(path, sizeof(path), "%s/kontor.db", f->dir);
    assert_ok(ko_db_sqlite_open(in_memory ? NULL : path, &f->db, ERR));
    assert_ok(ko_migrate(f->db, ERR));
    f->tx = (ko_meta_tx){.db = f->db, .is_write = true};
    assert_ok(f->db->ops->begin(f->db, KO_DB_WRITE, ERR));
    return 0;
}

static __attribute__((unused)) int fixture_file(void **state)
{
    return fixture_open(state, false);
}

static __attribute__((unused)) int fixture_memory(void **state)
{
    return fixture_open(state, true);
}

static int fixture_done(void **state)
{
    fixture *f = *state;

    f->db->ops->rollback(f->db);
    (void)ko_db_free(f->db);
    (void)ko_arena_free(f->arena);
    scratch_done(f->dir);
    free(f);
    return 0;
}

#define ON_BOTH(test)                                                                              \
    {#test " on a file", test, fixture_file, fixture_done, NULL},                                  \
    {                                                                                              \
#test " in memory", test, fixture_memory, fixture_done, NULL                               \
    }

/* ---- Things to test with ---- */

#define AT 1700000000

static inline ko_digest digest_of(const char *text)
{
    ko_digest digest;

    ko_digest_of(KO_HASH_SHA256, text, strlen(text), &digest);
    return digest;
}

static inline ko_meta_repo add_repo(fixture *f, const char *name, ko_meta_visibility visibility)
{
    ko_meta_repo repo;

    assert_ok(ko_meta_repo_add(&f->tx, ko_str_of(name), visibility, AT, &repo, ERR));
    return repo;
}

#endif
