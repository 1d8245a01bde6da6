/* Log lines, read back through a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"

static int ends[2];
static char line[65536];

static int setup(void **state)
{
    (void)state;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    ko_log_set_fd(ends[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ko_log_set_fd(STDERR_FILENO);
    ko_log_configure(KO_INFO, KO_LOG_TEXT);
    ko_fd_close(ends[0]);
    ko_fd_close(ends[1]);
    return 0;
}

/* What was written, behind the time stamp: one line, as each line is one write. */
static const char *written(void)
{
    ssize_t n = read(ends[0], line, sizeof(line) - 1);

    line[n > 0 ? n : 0] = '\0';
    if (n <= 0)
        return "";
    assert_int_equal(line[n - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
    return line + (line[0] == '{' ? strlen("{\"time\":\"2026-11-23T20:35:54.123Z\"")
                                  : strlen("2026-11-23T20:35:54.123Z"));
}

static void fields_are_written_as_text(void **state)
{
    (void)state;
    ko_log(KO_INFO, "blob.commit", KO_F_STR("digest", "sha256:ab"), KO_F_U64("bytes", 512),
           KO_F_I64("delta", -3), KO_F_BOOL("new", true));
    assert_string_equal(written(),
                        " info blob.commit digest=sha256:ab bytes=512 delta=-3 new=true\n");
    ko_log(KO_WARN, "plain");
    assert_string_equal(written(), " warn plain\n");
}

static void fields_are_written_as_json(void **state)
{
    (void)state;
    ko_log_configure(KO_DEBUG, KO_LOG_JSON);
    ko_log(KO_DEBUG, "x.y", KO_F_STR("s", "a b\n"), KO_F_U64("n", UINT64_MAX),
           KO_F_BOOL("f", false));
    assert_string_equal(written(), ",\"level\":\"debug\",\"event\":\"x.y\",\"s\":\"a b\\n\",\"n\":"
                                   "18446744073709551615,\"f\":false}\n");
}

static void user_text_cannot_forge_a_line(void **state)
{
    (void)state;
    ko_log(KO_INFO, "e", KO_F_STR("user", "x\n2026 info fake a=b"), KO_F_STR("t", "a=b"),
           KO_F_STR("esc", "\x1b[2J\x7f\xc2\x9b"), KO_F_STR("empty", ""), KO_F_STR("q", "\""));
    assert_string_equal(written(), " info e user=\"x\\n2026 info fake a=b\" t=\"a=b\" "
                                   "esc=\"\\u001b[2J\\u007f\\u009b\" empty=\"\" q=\"\\\"\"\n");
}

static void levels_below_the_configured_one_are_silent(void **state)
{
    (void)state;
    ko_log(KO_DEBUG, "hidden");
    assert_string_equal(written(), "");
    ko_log_configure(KO_ERROR, KO_LOG_TEXT);
    assert_false(ko_log_enabled(KO_WARN));
    assert_true(ko_log_enabled(KO_ERROR));
    ko_log(KO_WARN, "hidden");
    assert_string_equal(written(), "");
}

static void a_long_value_is_cut(void **state)
{
    (void)state;
    static char big[100000];

    memset(big, 'x', sizeof(big) - 1);
    ko_log(KO_INFO, "e", KO_F_STR("big", big), KO_F_U64("after", 1));
    const char *got = written();
    assert_true(strlen(got) < 2200);
    assert_non_null(strstr(got, "xxx...\" after=1\n"));
}

static void a_line_that_grows_too_long_loses_whole_fields(void **state)
{
    (void)state;
    static char big[3000];
    ko_log_field fields[31] = {0};

    memset(big, '\x01', sizeof(big) - 1);
    for (size_t i = 1; i < 30; i++)
        fields[i] = KO_F_STR("big", big);
    fields[30] = KO_F_U64("last", 7);
    ko_log_write(KO_INFO, "e", fields, 31);
    const char *got = written();
    assert_true(strlen(got) < 16 * 1024);
    assert_string_equal(got + strlen(got) - strlen("...\" last=7\n"), "...\" last=7\n");
}

static void an_error_is_a_field(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    (void)ko_err_set(&err, KO_E_IO, "disk gone");
    ko_log(KO_ERROR, "e", KO_F_ERR(&err));
    assert_string_equal(written(), " error e error=\"disk gone\"\n");
}

static void logging_preserves_errno(void **state)
{
    (void)state;
    errno = ENOSPC;
    ko_log_set_fd(-1);
    ko_log(KO_INFO, "lost");
    assert_int_equal(errno, ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_are_written_as_text, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_are_written_as_json, setup, teardown),
        cmocka_unit_test_setup_teardown(user_text_cannot_forge_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(levels_below_the_configured_one_are_silent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_long_value_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_that_grows_too_long_loses_whole_fields, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_error_is_a_field, setup, teardown),
        cmocka_unit_test_setup_teardown(logging_preserves_errno, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
