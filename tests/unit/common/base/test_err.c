/* Errors: text, context, codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/base/err.h"

static void set_keeps_code_place_and_text(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_err_set(&err, KO_E_CONFLICT, "row %d", 7), -1);
    assert_int_equal(err.code, KO_E_CONFLICT);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "row 7");
    assert_non_null(strstr(err.file, "test_err.c"));
    assert_true(err.line > 0);
}

static void context_grows_to_the_left_and_keeps_the_code(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    errno = ENOSPC;
    assert_int_equal(ko_err_sys(&err, "fsync"), -1);
    assert_int_equal(ko_err_ctx(&err, "finish upload %s", "7f3a"), -1);
    assert_int_equal(ko_err_ctx(&err, "push %s", "a:1"), -1);
    assert_string_equal(err.text, "push a:1: finish upload 7f3a: fsync: No space left on device");
    assert_int_equal(err.code, KO_E_NO_SPACE);
    assert_int_equal(err.sys, ENOSPC);
}

static void errno_chooses_the_code_and_survives(void **state)
{
    (void)state;
    static const struct {
        int sys;
        ko_err_code code;
    } rows[] = {
        {ENOENT, KO_E_NOT_FOUND}, {EEXIST, KO_E_EXISTS},      {ENOSPC, KO_E_NO_SPACE},
        {EDQUOT, KO_E_NO_SPACE},  {EFBIG, KO_E_NO_SPACE},     {EACCES, KO_E_DENIED},
        {EPERM, KO_E_DENIED},     {ENOMEM, KO_E_UNAVAILABLE}, {EMFILE, KO_E_UNAVAILABLE},
        {EIO, KO_E_IO},           {EBADF, KO_E_IO},           {99999, KO_E_IO},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ko_err err = KO_ERR_INIT;
        errno = rows[i].sys;
        (void)ko_err_sys(&err, "x");
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(errno, rows[i].sys);
    }
}

static void nobody_listening_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(ko_err_set(NULL, KO_E_IO, "x"), -1);
    assert_int_equal(ko_err_ctx(NULL, "x"), -1);
    assert_int_equal(ko_err_sys(NULL, "x"), -1);
}

static void long_text_is_cut_with_dots(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    char big[1000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    (void)ko_err_set(&err, KO_E_INVALID, "%s", big);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.text + strlen(err.text) - 4, "x...");
    (void)ko_err_ctx(&err, "outer");
    assert_memory_equal(err.text, "outer: xxx", 10);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.text + strlen(err.text) - 4, "x...");
}

static void text_of_exactly_the_room_is_not_cut(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    char full[sizeof(err.text)];

    memset(full, 'y', sizeof(full) - 1);
    full[sizeof(full) - 1] = '\0';
    (void)ko_err_set(&err, KO_E_INVALID, "%s", full);
    assert_string_equal(err.text, full);
}

static void a_cut_does_not_split_a_character(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    char big[1000] = "z";

    for (size_t i = 1; i + 2 < sizeof(big); i += 2)
        memcpy(big + i, "\xc3\xa4", 3);
    for (int shift = 0; shift < 2; shift++) {
        (void)ko_err_set(&err, KO_E_INVALID, "%s", big + shift);
        size_t len = strlen(err.text);
        assert_string_equal(err.text + len - 3, "...");
        assert_int_equal((unsigned char)err.text[len - 4], 0xa4);
    }
}

static void the_old_text_may_be_an_argument(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    (void)ko_err_set(&err, KO_E_IO, "inner");
    (void)ko_err_set(&err, KO_E_INVALID, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(ko_err_name(KO_E_NONE), "none");
    assert_string_equal(ko_err_name(KO_E_DIGEST_MISMATCH), "digest mismatch");
    assert_string_equal(ko_err_name(KO_E_IO), "i/o");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_keeps_code_place_and_text),
        cmocka_unit_test(context_grows_to_the_left_and_keeps_the_code),
        cmocka_unit_test(errno_chooses_the_code_and_survives),
        cmocka_unit_test(nobody_listening_is_allowed),
        cmocka_unit_test(long_text_is_cut_with_dots),
        cmocka_unit_test(text_of_exactly_the_room_is_not_cut),
        cmocka_unit_test(a_cut_does_not_split_a_character),
        cmocka_unit_test(the_old_text_may_be_an_argument),
        cmocka_unit_test(every_code_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
