/* Growing buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/own.h"

static void a_fresh_or_zeroed_buffer_is_an_empty_string(void **state)
{
    (void)state;
    ko_autobuf zeroed = {0};
    ko_autobuf buf;

    ko_buf_init(&buf, 10);
    assert_string_equal(buf.data, "");
    assert_int_equal(ko_buf_str(&buf).len, 0);
    assert_int_equal(ko_buf_str(&zeroed).len, 0);
    assert_int_equal(ko_buf_put(&zeroed, "", 0), 0);
    assert_int_equal(ko_buf_put(&zeroed, "x", 1), -1);
}

static void appends_grow_and_stay_terminated(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, 100000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ko_buf_printf(&buf, "%d,", i), 0);
        assert_int_equal(buf.data[buf.len], '\0');
    }
    assert_int_equal(buf.len, 3890);
    assert_int_equal(ko_buf_put_text(&buf, "end"), 0);
    assert_string_equal(buf.data + 3886, "999,end");
    assert_int_equal(ko_buf_ok(&buf, NULL), 0);
}

static void the_maximum_is_exact_and_a_failed_append_changes_nothing(void **state)
{
    (void)state;
    ko_autobuf buf;
    ko_err err = KO_ERR_INIT;

    ko_buf_init(&buf, 5);
    assert_int_equal(ko_buf_put_text(&buf, "1234"), 0);
    assert_int_equal(ko_buf_put_text(&buf, "56"), -1);
    assert_string_equal(buf.data, "1234");
    assert_int_equal(ko_buf_printf(&buf, "%s", "56"), -1);
    assert_string_equal(buf.data, "1234");
    assert_int_equal(ko_buf_put_json(&buf, KO_STR("")), -1);
    assert_string_equal(buf.data, "1234");
    assert_int_equal(ko_buf_put_char(&buf, '5'), 0);
    assert_int_equal(ko_buf_put_char(&buf, '6'), -1);
    assert_int_equal(ko_buf_ok(&buf, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    ko_buf_reset(&buf);
    assert_int_equal(ko_buf_ok(&buf, &err), 0);
    assert_int_equal(ko_buf_put_text(&buf, "abcde"), 0);
}

static void printf_fails_cleanly_where_memory_is_there_but_not_allowed(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, 64);
    assert_int_equal(ko_buf_put_text(&buf, "x"), 0);
    assert_int_equal(ko_buf_printf(&buf, "%064d", 1), -1);
    assert_string_equal(buf.data, "x");
    assert_int_equal(ko_buf_printf(&buf, "%063d", 1), 0);
    assert_int_equal(buf.len, 64);
}

static void truncate_forgets_what_came_after(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, 6);
    assert_int_equal(ko_buf_put_text(&buf, "abc"), 0);
    assert_int_equal(ko_buf_put_text(&buf, "def"), 0);
    assert_int_equal(ko_buf_put_text(&buf, "g"), -1);
    ko_buf_truncate(&buf, 3);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(ko_buf_ok(&buf, NULL), 0);
}

static void reserve_then_added(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, 10);
    char *room = ko_buf_reserve(&buf, 10);
    assert_non_null(room);
    memcpy(room, "0123456789", 10);
    ko_buf_added(&buf, 4);
    assert_string_equal(buf.data, "0123");
    assert_null(ko_buf_reserve(&buf, 7));
    assert_null(ko_buf_reserve(&buf, SIZE_MAX));
}

static void consume_takes_from_the_front(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, 100);
    ko_buf_consume(&buf, 0);
    assert_int_equal(ko_buf_put_text(&buf, "headtail"), 0);
    ko_buf_consume(&buf, 4);
    assert_string_equal(buf.data, "tail");
    ko_buf_consume(&buf, 4);
    assert_string_equal(buf.data, "");
}

static void take_hands_over_the_string(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, 100);
    ko_autofree char *empty = ko_buf_take(&buf);
    assert_string_equal(empty, "");
    assert_int_equal(ko_buf_put_text(&buf, "abc"), 0);
    ko_autofree char *text = ko_buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_int_equal(buf.len, 0);
    assert_int_equal(ko_buf_put_text(&buf, "again"), 0);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        ko_str in;
        const char *out;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"plain text", 10}, "\"plain text\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\n\r\t\b\x01\x1f", 6}, "\"\\n\\r\\t\\u0008\\u0001\\u001f\""},
        {{"a\0b", 3}, "\"a\\u0000b\""},
        {{"\x7f", 1}, "\"\\u007f\""},
        {{"\xc2\x9b", 2}, "\"\\u009b\""},
        {{"\xc2\xa0\xc3\xa4\xf0\x9f\x90\xb3", 8}, "\"\xc2\xa0\xc3\xa4\xf0\x9f\x90\xb3\""},
        {{"\xff\xc3", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autobuf buf;
        ko_buf_init(&buf, 100);
        assert_int_equal(ko_buf_put_json(&buf, rows[i].in), 0);
        assert_string_equal(buf.data, rows[i].out);
    }
}

static void a_json_string_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    for (size_t max = 0; max < 12; max++) {
        ko_autobuf buf;
        ko_buf_init(&buf, max);
        assert_int_equal(ko_buf_put_json(&buf, KO_STR("ab\n\x01")), -1);
        assert_int_equal(buf.len, 0);
        assert_string_equal(buf.data, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_or_zeroed_buffer_is_an_empty_string),
        cmocka_unit_test(appends_grow_and_stay_terminated),
        cmocka_unit_test(the_maximum_is_exact_and_a_failed_append_changes_nothing),
        cmocka_unit_test(printf_fails_cleanly_where_memory_is_there_but_not_allowed),
        cmocka_unit_test(truncate_forgets_what_came_after),
        cmocka_unit_test(reserve_then_added),
        cmocka_unit_test(consume_takes_from_the_front),
        cmocka_unit_test(take_hands_over_the_string),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(a_json_string_that_does_not_fit_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
