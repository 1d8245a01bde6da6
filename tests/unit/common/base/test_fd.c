/* Files by descriptor, in a directory made for each test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/own.h"

static char root[256];
static int root_fd = -1;

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    (void)snprintf(root, sizeof(root), "%s/kontor-fd-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        return -1;
    root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    ko_fd_close(root_fd);
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void assert_file_holds(const char *path, const char *want)
{
    ko_autobuf got;

    ko_buf_init(&got, 1000);
    assert_int_equal(ko_fd_load(root_fd, path, &got, NULL), 0);
    assert_string_equal(got.data, want);
}

static void store_makes_and_replaces_whole_files(void **state)
{
    (void)state;
    struct stat st;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_fd_store(root_fd, "a", 0600, KO_STR("one"), &err), 0);
    assert_file_holds("a", "one");
    assert_int_equal(ko_fd_store(root_fd, "a", 0600, KO_STR(""), &err), 0);
    assert_file_holds("a", "");
    assert_int_equal(fstatat(root_fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_failed_store_leaves_nothing_behind(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(mkdirat(root_fd, "dir", 0700), 0);
    assert_int_equal(ko_fd_store(root_fd, "dir", 0600, KO_STR("x"), &err), -1);
    assert_int_equal(ko_fd_store(root_fd, "none/x", 0600, KO_STR("x"), &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    assert_int_equal(unlinkat(root_fd, "dir", AT_REMOVEDIR), 0);
    assert_int_equal(rmdir(root), 0); /* empty: no temporary is left */
    assert_int_equal(mkdir(root, 0700), 0);
}

static void a_missing_file_is_not_found_with_its_name(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    ko_autobuf out;

    ko_buf_init(&out, 10);
    assert_int_equal(ko_fd_load(root_fd, "missing", &out, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing"));
}

static void a_file_of_exactly_the_maximum_loads_and_a_longer_one_does_not(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    ko_autobuf five, four;

    ko_buf_init(&five, 5);
    ko_buf_init(&four, 4);
    assert_int_equal(ko_fd_store(root_fd, "f", 0600, KO_STR("12345"), &err), 0);
    assert_int_equal(ko_fd_load(root_fd, "f", &five, &err), 0);
    assert_string_equal(five.data, "12345");
    assert_int_equal(ko_fd_load(root_fd, "f", &four, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

static void descriptors_are_closed_on_exec(void **state)
{
    (void)state;
    ko_autofd fd = ko_fd_openat(root_fd, "f", O_RDWR | O_CREAT, 0600, NULL);
    ko_autofd dir = ko_fd_open_dir(root_fd, "d", 0700, NULL);

    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(dir, F_GETFD), FD_CLOEXEC);
}

static void open_dir_makes_the_parents_and_can_be_synced(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    ko_autobuf path;

    ko_autofd deep = ko_fd_open_dir(root_fd, "x/y/z", 0700, &err);
    assert_true(deep >= 0);
    assert_int_equal(ko_fd_sync(deep, &err), 0);
    ko_autofd again = ko_fd_open_dir(root_fd, "x/y/z", 0700, &err);
    assert_true(again >= 0);
    ko_buf_init(&path, 1000);
    assert_int_equal(ko_buf_printf(&path, "%s/absolute/b/", root), 0);
    ko_autofd absolute = ko_fd_open_dir(AT_FDCWD, path.data, 0700, &err);
    assert_true(absolute >= 0);
}

static void open_dir_on_a_file_fails(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_fd_store(root_fd, "file", 0600, KO_STR(""), &err), 0);
    assert_int_equal(ko_fd_open_dir(root_fd, "file", 0700, &err), -1);
    assert_int_equal(err.code, KO_E_IO);
    assert_int_equal(ko_fd_open_dir(root_fd, "file/below", 0700, &err), -1);
    assert_int_equal(ko_fd_open_dir(root_fd, "", 0700, &err), -1);
}

static void positioned_reads_and_writes_leave_the_offset(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    char out[8] = "";
    size_t got;
    uint64_t size;
    ko_autofd fd = ko_fd_openat(root_fd, "p", O_RDWR | O_CREAT, 0600, &err);

    assert_int_equal(ko_fd_write_all(fd, "abc", 3, &err), 0);
    assert_int_equal(ko_fd_pwrite_all(fd, "XYZ", 3, 5, &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
    assert_int_equal(ko_fd_size(fd, &size, &err), 0);
    assert_int_equal(size, 8);
    assert_int_equal(ko_fd_pread_full(fd, out, 8, 1, &got, &err), 0);
    assert_int_equal(got, 7);
    assert_memory_equal(out, "bc\0\0XYZ", 7);
    assert_int_equal(ko_fd_pread_full(fd, out, 8, 100, &got, &err), 0);
    assert_int_equal(got, 0);
    assert_int_equal(ko_fd_sync(fd, &err), 0);
    assert_int_equal(ko_fd_sync_data(fd, &err), 0);
}

static void impossible_offsets_and_descriptors_are_errors(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    char byte = 0;
    size_t got;
    uint64_t size;
    ko_autobuf out;

    ko_buf_init(&out, 10);
    assert_int_equal(ko_fd_pwrite_all(root_fd, "x", 1, UINT64_MAX, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    assert_int_equal(ko_fd_pread_full(root_fd, &byte, 1, INT64_MAX, &got, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    assert_int_equal(ko_fd_write_all(-1, "x", 1, &err), -1);
    assert_int_equal(ko_fd_pwrite_all(-1, "x", 1, 0, &err), -1);
    assert_int_equal(ko_fd_pread_full(-1, &byte, 1, 0, &got, &err), -1);
    assert_int_equal(ko_fd_read_all(-1, &out, &err), -1);
    assert_int_equal(ko_fd_size(-1, &size, &err), -1);
    assert_int_equal(ko_fd_sync(-1, &err), -1);
    assert_int_equal(ko_fd_sync_data(-1, &err), -1);
    assert_int_equal(ko_fd_set_nonblocking(-1, &err), -1);
    assert_int_equal(err.code, KO_E_IO);
}

static void a_full_device_is_no_space(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    ko_autofd fd = ko_fd_openat(AT_FDCWD, "/dev/full", O_WRONLY, 0, &err);

    if (fd < 0)
        skip();
    assert_int_equal(ko_fd_write_all(fd, "x", 1, &err), -1);
    assert_int_equal(err.code, KO_E_NO_SPACE);
}

static void closing_preserves_errno(void **state)
{
    (void)state;
    errno = ENOSPC;
    ko_fd_close(-1);
    ko_fd_close(open("/dev/null", O_RDONLY | O_CLOEXEC));
    assert_int_equal(errno, ENOSPC);
}

static void nonblocking_reads_return_at_once(void **state)
{
    (void)state;
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(ko_fd_set_nonblocking(ends[0], NULL), 0);
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    ko_fd_close(ends[0]);
    ko_fd_close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_makes_and_replaces_whole_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_store_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found_with_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_file_of_exactly_the_maximum_loads_and_a_longer_one_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_are_closed_on_exec, setup, teardown),
        cmocka_unit_test_setup_teardown(open_dir_makes_the_parents_and_can_be_synced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(open_dir_on_a_file_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(positioned_reads_and_writes_leave_the_offset, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(impossible_offsets_and_descriptors_are_errors, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_device_is_no_space, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_preserves_errno, setup, teardown),
        cmocka_unit_test_setup_teardown(nonblocking_reads_return_at_once, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
