/* Views and numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "common/base/str.h"

static const ko_str none = {NULL, 0};

static void views_compare_by_bytes(void **state)
{
    (void)state;
    assert_true(ko_str_eq(KO_STR("abc"), KO_STR("abc")));
    assert_false(ko_str_eq(KO_STR("abc"), KO_STR("abd")));
    assert_false(ko_str_eq(KO_STR("abc"), KO_STR("ab")));
    assert_true(ko_str_eq(none, KO_STR("")));
    assert_true(ko_str_eq_nocase(KO_STR("Content-Type"), KO_STR("content-tYPE")));
    assert_false(ko_str_eq_nocase(KO_STR("a@"), KO_STR("a`")));
    assert_false(ko_str_eq_nocase(KO_STR("["), KO_STR("{")));
    assert_true(ko_str_cmp(KO_STR("a"), KO_STR("b")) < 0);
    assert_true(ko_str_cmp(KO_STR("a"), KO_STR("ab")) < 0);
    assert_true(ko_str_cmp(KO_STR("\xff"), KO_STR("a")) > 0);
    assert_int_equal(ko_str_cmp(none, KO_STR("")), 0);
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(ko_str_has_prefix(KO_STR("/v2/x"), KO_STR("/v2/")));
    assert_false(ko_str_has_prefix(KO_STR("/v"), KO_STR("/v2/")));
    assert_true(ko_str_has_prefix(none, KO_STR("")));
    assert_true(ko_str_has_suffix(KO_STR("a/tags/list"), KO_STR("/tags/list")));
    assert_false(ko_str_has_suffix(KO_STR("list"), KO_STR("/tags/list")));
    assert_true(ko_str_has_suffix(KO_STR("a"), none));
}

static void trim_takes_only_space_and_tab(void **state)
{
    (void)state;
    assert_true(ko_str_eq(ko_str_trim(KO_STR(" \t a b\t ")), KO_STR("a b")));
    assert_true(ko_str_eq(ko_str_trim(KO_STR("\na\r")), KO_STR("\na\r")));
    assert_true(ko_str_eq(ko_str_trim(KO_STR("  ")), KO_STR("")));
    assert_true(ko_str_eq(ko_str_trim(none), none));
}

static void slices_are_clamped(void **state)
{
    (void)state;
    ko_str s = KO_STR("hello");

    assert_true(ko_str_eq(ko_str_slice(s, 1, 3), KO_STR("el")));
    assert_true(ko_str_eq(ko_str_slice(s, 3, 99), KO_STR("lo")));
    assert_int_equal(ko_str_slice(s, 9, 99).len, 0);
    assert_int_equal(ko_str_slice(s, 3, 1).len, 0);
}

static void searching_from_both_ends(void **state)
{
    (void)state;
    ko_str s = KO_STR("a/tags/b/tags/c");

    assert_int_equal(ko_str_find_char(s, '/'), 1);
    assert_int_equal(ko_str_rfind_char(s, '/'), 13);
    assert_true(ko_str_find_char(s, '!') == SIZE_MAX);
    assert_true(ko_str_rfind_char(none, '!') == SIZE_MAX);
    assert_int_equal(ko_str_find(s, KO_STR("/tags/")), 1);
    assert_int_equal(ko_str_rfind(s, KO_STR("/tags/")), 8);
    assert_int_equal(ko_str_rfind(s, s), 0);
    assert_true(ko_str_find(s, KO_STR("tagz")) == SIZE_MAX);
    assert_true(ko_str_rfind(KO_STR("x"), s) == SIZE_MAX);
    assert_int_equal(ko_str_find(s, KO_STR("")), 0);
    assert_int_equal(ko_str_rfind(s, KO_STR("")), s.len);
}

static void split_yields_every_part(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *parts[4];
    } rows[] = {
        {"", 0, {0}},
        {"a", 1, {"a"}},
        {"a,", 2, {"a", ""}},
        {",", 2, {"", ""}},
        {",a", 2, {"", "a"}},
        {"a,b,c", 3, {"a", "b", "c"}},
        {"a,,b", 3, {"a", "", "b"}},
        {",,", 3, {"", "", ""}},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_str rest = ko_str_of(rows[i].text), part;
        size_t n = 0;
        while (ko_str_split(&rest, ',', &part)) {
            assert_true(n < rows[i].count);
            assert_true(ko_str_eq(part, ko_str_of(rows[i].parts[n])));
            n++;
        }
        assert_int_equal(n, rows[i].count);
        assert_false(ko_str_split(&rest, ',', &part));
    }
}

static void utf8_is_checked_to_the_letter(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3", true},
        {"\xf4\x8f\xbf\xbf", true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", false}, /* above it */
        {"\xed\x9f\xbf", true},
        {"\xed\xa0\x80", false}, /* surrogate */
        {"\xc0\x80", false},     /* overlong NUL */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xe0\xa0\x80", true},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf0\x90\x80\x80", true},
        {"\x80", false},
        {"\xc3", false},
        {"\xc3g", false},
        {"\xe2\x82", false},
        {"\xe2\x82g", false},
        {"\xf0\x9f\x90", false},
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"abc\xff", false},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (ko_str_is_utf8(ko_str_of(rows[i].text)) != rows[i].ok)
            fail_msg("row %zu", i);
    assert_int_equal(ko_str_utf8_len(KO_STR("\xe2\x82\xac!")), 3);
    assert_int_equal(ko_str_utf8_len(none), 0);
}

static void numbers_are_digits_within_a_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        int rc;
        uint64_t value;
    } rows[] = {
        {"0", 0, 0, 0},
        {"007", 7, 0, 7},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -1, 0},
        {"99999999999999999999999", UINT64_MAX, -1, 0},
        {"8", 7, -1, 0},
        {"", 7, -1, 0},
        {"-1", 7, -1, 0},
        {"+1", 7, -1, 0},
        {" 1", 7, -1, 0},
        {"1 ", 7, -1, 0},
        {"0x1", 7, -1, 0},
        {"1e0", 7, -1, 0},
        {"1.0", 7, -1, 0},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        uint64_t value = 4711;
        ko_err err = KO_ERR_INIT;
        assert_int_equal(ko_parse_u64(ko_str_of(rows[i].text), rows[i].max, &value, &err),
                         rows[i].rc);
        assert_int_equal(value, rows[i].rc ? 4711 : rows[i].value);
        assert_int_equal(err.code, rows[i].rc ? KO_E_INVALID : KO_E_NONE);
    }
}

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } rows[] = {
        {"512", 0, 512},
        {"64KiB", 0, 65536},
        {"10GiB", 0, 10ULL << 30},
        {"1GB", 0, 1000000000},
        {"0", 0, 0},
        {"2TiB", 0, 2ULL << 40},
        {"", -1, 0},
        {"KiB", -1, 0},
        {"1 KiB", -1, 0},
        {"1K", -1, 0},
        {"1kib", -1, 0},
        {"-1KiB", -1, 0},
        {"1.5GiB", -1, 0},
        {"99999999999TiB", -1, 0},
        {"16777216TiB", -1, 0},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        uint64_t value = 4711;
        if (ko_parse_size(ko_str_of(rows[i].text), &value, NULL) != rows[i].rc)
            fail_msg("%s", rows[i].text);
        assert_int_equal(value, rows[i].rc ? 4711 : rows[i].value);
    }
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } rows[] = {
        {"250ms", 0, 250},
        {"30s", 0, 30000},
        {"5m", 0, 300000},
        {"24h", 0, 86400000},
        {"7d", 0, 604800000},
        {"0", 0, 0},
        {"0s", 0, 0},
        {"5", -1, 0},
        {"", -1, 0},
        {"s", -1, 0},
        {"5 m", -1, 0},
        {"1h30m", -1, 0},
        {"213503982335d", -1, 0},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        uint64_t value = 4711;
        if (ko_parse_duration(ko_str_of(rows[i].text), &value, NULL) != rows[i].rc)
            fail_msg("%s", rows[i].text);
        assert_int_equal(value, rows[i].rc ? 4711 : rows[i].value);
    }
}

static void booleans_are_two_words(void **state)
{
    (void)state;
    bool value = false;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_parse_bool(KO_STR("true"), &value, &err), 0);
    assert_true(value);
    assert_int_equal(ko_parse_bool(KO_STR("false"), &value, &err), 0);
    assert_false(value);
    assert_int_equal(ko_parse_bool(KO_STR("True"), &value, &err), -1);
    assert_int_equal(ko_parse_bool(KO_STR("1"), &value, &err), -1);
    assert_int_equal(ko_parse_bool(KO_STR(""), &value, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
}

static void sums_and_products_are_checked(void **state)
{
    (void)state;
    uint64_t out = 4711;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_add_u64(UINT64_MAX, 1, &out, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    assert_int_equal(ko_mul_u64(1ULL << 32, 1ULL << 32, &out, &err), -1);
    assert_int_equal(out, 4711);
    assert_int_equal(ko_add_u64(UINT64_MAX - 1, 1, &out, &err), 0);
    assert_true(out == UINT64_MAX);
    assert_int_equal(ko_mul_u64(6, 7, &out, &err), 0);
    assert_int_equal(out, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(trim_takes_only_space_and_tab),
        cmocka_unit_test(slices_are_clamped),
        cmocka_unit_test(searching_from_both_ends),
        cmocka_unit_test(split_yields_every_part),
        cmocka_unit_test(utf8_is_checked_to_the_letter),
        cmocka_unit_test(numbers_are_digits_within_a_range),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(booleans_are_two_words),
        cmocka_unit_test(sums_and_products_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
