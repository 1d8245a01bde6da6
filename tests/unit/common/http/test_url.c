/* Percent-encoding and query strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/http/url.h"

static void assert_view(ko_str got, ko_str want)
{
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.ptr, want.ptr, got.len);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"", ""},         {"abc", "abc"},         {"a%2Fb", "a/b"},       {"a%2fb", "a/b"},
        {"%41%7e", "A~"}, {"a+b", "a+b"},         {"%2B", "+"},           {"%25", "%"},
        {"%252F", "%2F"}, {"%C3%A9", "\xc3\xa9"}, {"%01%ff", "\x01\xff"},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_str out;

        assert_int_equal(ko_url_decode(ko_str_of(rows[i].text), arena, &out, NULL), 0);
        assert_view(out, ko_str_of(rows[i].want));
    }
}

static void bad_escapes_are_invalid_and_leave_the_output_alone(void **state)
{
    (void)state;
    static const ko_str rows[] = {
        {"%", 1},    {"%4", 2},   {"a%", 2},     {"a%4", 3}, {"%4g", 3}, {"%g4", 3},
        {"%%41", 4}, {"%00", 3},  {"a%00b", 5},  {"%+1", 3}, {"% 1", 3}, {"%0x41", 5},
        {"a\0b", 3}, {"%4\0", 3}, {"%u0041", 6}, {"%-1", 3},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_str out = KO_STR("before");
        ko_err err = KO_ERR_INIT;

        if (ko_url_decode(rows[i], arena, &out, &err) != -1)
            fail_msg("row %zu decoded", i);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_view(out, KO_STR("before"));
    }
}

static void only_unreserved_and_kept_bytes_stay_plain(void **state)
{
    (void)state;
    static const struct {
        ko_str text;
        const char *keep;
        const char *want;
    } rows[] = {
        {{"azAZ09-._~", 10}, NULL, "azAZ09-._~"},
        {{"a/b c", 5}, NULL, "a%2Fb%20c"},
        {{"a/b c", 5}, "/", "a/b%20c"},
        {{"+&=?#%", 6}, NULL, "%2B%26%3D%3F%23%25"},
        {{"a\0b", 3}, "/", "a%00b"},
        {{"\xc3\xa9\xff", 3}, "", "%C3%A9%FF"},
        {{"", 0}, NULL, ""},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autobuf out;

        ko_buf_init(&out, 64);
        assert_int_equal(ko_url_encode(rows[i].text, rows[i].keep, &out), 0);
        assert_view(ko_buf_str(&out), ko_str_of(rows[i].want));
    }
}

static void encoding_past_the_maximum_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    ko_autobuf out;

    ko_buf_init(&out, 6);
    assert_int_equal(ko_buf_put_text(&out, "ab"), 0);
    assert_int_equal(ko_url_encode(KO_STR("c//"), NULL, &out), -1);
    assert_string_equal(out.data, "ab");
    assert_int_equal(ko_url_encode(KO_STR("c/"), NULL, &out), 0);
    assert_string_equal(out.data, "abc%2F");
}

static void queries_are_split_and_decoded(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_params params;
    ko_str value;
    size_t iter = 0;

    assert_int_equal(ko_url_parse_query(KO_STR("n=100&&last=a%2Fb&scope=x+y&scope=z&flag&=v&e==1&"),
                                        arena, &params, NULL),
                     0);
    assert_int_equal(params.count, 7);
    assert_true(ko_params_get(&params, "n", &value));
    assert_view(value, KO_STR("100"));
    assert_true(ko_params_get(&params, "last", &value));
    assert_view(value, KO_STR("a/b"));
    assert_true(ko_params_next(&params, "scope", &iter, &value));
    assert_view(value, KO_STR("x y"));
    assert_true(ko_params_next(&params, "scope", &iter, &value));
    assert_view(value, KO_STR("z"));
    assert_false(ko_params_next(&params, "scope", &iter, &value));
    assert_true(ko_params_get(&params, "flag", &value));
    assert_view(value, KO_STR(""));
    assert_true(ko_params_get(&params, "", &value));
    assert_view(value, KO_STR("v"));
    assert_true(ko_params_get(&params, "e", &value));
    assert_view(value, KO_STR("=1"));
    assert_false(ko_params_get(&params, "N", &value));
}

static void an_empty_query_has_no_pairs(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_params params;

    assert_int_equal(ko_url_parse_query(KO_STR(""), arena, &params, NULL), 0);
    assert_int_equal(params.count, 0);
}

static void bad_queries_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"a=%", "a=1&%zz=2", "a=1&b=%00", "%4"};

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_params params;
        ko_err err = KO_ERR_INIT;

        assert_int_equal(ko_url_parse_query(ko_str_of(rows[i]), arena, &params, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

static void at_most_256_pairs_are_taken(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autobuf query;
    ko_params params;
    ko_err err = KO_ERR_INIT;

    ko_buf_init(&query, 4096);
    for (int i = 0; i < 256; i++)
        assert_int_equal(ko_buf_put_text(&query, i ? "&a=1" : "a=1"), 0);
    assert_int_equal(ko_url_parse_query(ko_buf_str(&query), arena, &params, &err), 0);
    assert_int_equal(params.count, 256);
    assert_int_equal(ko_buf_put_text(&query, "&a=1"), 0);
    assert_int_equal(ko_url_parse_query(ko_buf_str(&query), arena, &params, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(bad_escapes_are_invalid_and_leave_the_output_alone),
        cmocka_unit_test(only_unreserved_and_kept_bytes_stay_plain),
        cmocka_unit_test(encoding_past_the_maximum_leaves_the_buffer_as_it_was),
        cmocka_unit_test(queries_are_split_and_decoded),
        cmocka_unit_test(an_empty_query_has_no_pairs),
        cmocka_unit_test(bad_queries_are_refused),
        cmocka_unit_test(at_most_256_pairs_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
