/* Entity tags are digests: conditional GETs and conditional changes of tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "server/etag.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A     "sha256:" HEX_A
#define B     "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"

static void a_list_matches_when_one_element_is_the_digest(void **state)
{
    static const struct {
        const char *list;
        bool want;
    } rows[] = {
        {"\"" A "\"", true},
        {A, true}, /* without quotes: T38 */
        {"W/\"" A "\"", true},
        {"*", true},
        {" \"" A "\" ", true},
        {"\"" B "\", \"" A "\"", true},
        {"\"" B "\"," A, true},
        {"\"" B "\"", false},
        {"", false},
        {"\"\"", false},
        {"\"", false},
        {"\"" A, false},
        {"\"sha256:" HEX_A "a\"", false},
        {"\"SHA256:" HEX_A "\"", false},
        {HEX_A, false},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (ko_etag_matches(ko_str_of(rows[i].list), A) != rows[i].want)
            fail_msg("[%s]: want %d", rows[i].list, rows[i].want);
}

static void every_if_none_match_field_counts(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_headers headers;
    (void)state;

    ko_headers_init(&headers, arena);
    assert_false(ko_etag_not_modified(&headers, A));
    ko_headers_add(&headers, "If-Match", KO_STR("*"));
    ko_headers_add(&headers, "If-None-Match", KO_STR("\"" B "\""));
    assert_false(ko_etag_not_modified(&headers, A));
    ko_headers_add(&headers, "if-none-match", KO_STR("\"" A "\""));
    assert_true(ko_etag_not_modified(&headers, A));
}

static int expect(const char *match, const char *none, ko_meta_tag_expect *out, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_headers headers;

    ko_headers_init(&headers, arena);
    if (match)
        ko_headers_add(&headers, "If-Match", ko_str_of(match));
    if (none)
        ko_headers_add(&headers, "If-None-Match", ko_str_of(none));
    return ko_etag_expect(&headers, out, err);
}

static void conditions_of_a_change_say_what_the_tag_must_be(void **state)
{
    static const struct {
        const char *match;
        const char *none;
        int must;
    } rows[] = {
        {NULL, NULL, KO_META_TAG_ANY},         {"*", NULL, KO_META_TAG_PRESENT},
        {"\"*\"", NULL, KO_META_TAG_PRESENT},  {NULL, "*", KO_META_TAG_ABSENT},
        {"\"" A "\"", NULL, KO_META_TAG_IS},   {A, NULL, KO_META_TAG_IS},
        {"W/\"" A "\"", NULL, KO_META_TAG_IS},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_meta_tag_expect got = {0};

        if (expect(rows[i].match, rows[i].none, &got, NULL) < 0 || (int)got.must != rows[i].must)
            fail_msg("row %zu", i);
        if (rows[i].must == KO_META_TAG_IS)
            assert_string_equal(got.digest.text, A);
    }
}

static void conditions_that_mean_nothing_are_invalid(void **state)
{
    static const struct {
        const char *match;
        const char *none;
    } rows[] = {
        {"*", "*"},       {A, "*"},   {NULL, A}, /* a change cannot depend on what a tag is not, but
                                                    on its absence */
        {"latest", NULL}, {"", NULL}, {A "," B, NULL}, {"sha256:abc", NULL},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_meta_tag_expect got;
        ko_err err = KO_ERR_INIT;

        if (expect(rows[i].match, rows[i].none, &got, &err) != -1)
            fail_msg("row %zu was accepted", i);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_matches_when_one_element_is_the_digest),
        cmocka_unit_test(every_if_none_match_field_counts),
        cmocka_unit_test(conditions_of_a_change_say_what_the_tag_must_be),
        cmocka_unit_test(conditions_that_mean_nothing_are_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
