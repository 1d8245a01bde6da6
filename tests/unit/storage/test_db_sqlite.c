/* The SQLite driver among several processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "storage/db.h"
#include "tests/unit/storage/scratch.h"

static ko_db *open_db(const char *path)
{
    ko_db *db = NULL;
    ko_err err = KO_ERR_INIT;

    if (ko_db_sqlite_open(path, &db, &err) < 0)
        fail_msg("%s", err.text);
    return db;
}

/* Another process that opens the database, writes and closes it: an administration command. */
static void visit(const char *self, const char *path)
{
    pid_t pid = fork();
    int status = -1;

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl(self, self, "visit", path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int visitor(const char *path)
{
    ko_db *db = NULL;
    ko_err err;
    int rc = ko_db_sqlite_open(path, &db, &err);

    if (rc == 0)
        rc = db->ops->script(db, KO_STR("INSERT INTO visits VALUES (1)"), &err);
    ko_db_free(db);
    return rc == 0 ? 0 : 1;
}

static void a_process_that_comes_and_goes_leaves_the_log_to_the_others(void **state)
{
    (void)state;
    char *dir = scratch_new();
    char path[600], shared[700];
    struct stat before, after;

    (void)snprintf(path, sizeof(path), "%s/test.db", dir);
    (void)snprintf(shared, sizeof(shared), "%s-shm", path);
    ko_db *first = open_db(path);
    assert_int_equal(first->ops->script(first, KO_STR("CREATE TABLE visits (n INTEGER)"), NULL), 0);
    ko_db *second = open_db(path); /* must not cost the first its locks */
    assert_int_equal(stat(shared, &before), 0);
    visit("/proc/self/exe", path);
    assert_int_equal(stat(shared, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(first->ops->script(first, KO_STR("INSERT INTO visits VALUES (2)"), NULL), 0);
    assert_int_equal(second->ops->script(second, KO_STR("INSERT INTO visits VALUES (3)"), NULL), 0);
    ko_db_free(first);
    ko_db_free(second);
    scratch_done(dir);
}

static void the_database_is_private(void **state)
{
    (void)state;
    char *dir = scratch_new();
    char path[600];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/test.db", dir);
    ko_db_free(open_db(path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    scratch_done(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_comes_and_goes_leaves_the_log_to_the_others),
        cmocka_unit_test(the_database_is_private),
    };

    if (argc == 3 && strcmp(argv[1], "visit") == 0)
        return visitor(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
