/* Names: repository, tag, reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/oci/ref.h"

#define TEN(x) x x x x x x x x x x
#define A100   TEN(TEN("a"))
#define A127   A100 TEN("b") TEN("c") "defghij"

static void repository_names_follow_the_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int rc;
    } rows[] = {
        {"a", 0},
        {"0", 0},
        {"team/app", 0},
        {"a/b/c/d/e", 0},
        {"a.b_c__d-e--f---g", 0},
        {"a-------b", 0},
        {"library/ubuntu", 0},
        {A127 A127, 0},     /* 254 */
        {A127 A127 "z", 0}, /* 255 */
        {A127 A127 "zz", -1} /* 256 */,
        {"", -1},
        {"/", -1},
        {"/a", -1},
        {"a/", -1},
        {"a//b", -1},
        {"A", -1},
        {"a.", -1},
        {".a", -1},
        {"a..b", -1},
        {"a___b", -1},
        {"a_", -1},
        {"_a", -1},
        {"-a", -1},
        {"a-", -1},
        {"a._b", -1},
        {"a-.b", -1},
        {"a/../b", -1},
        {"a/./b", -1},
        {"a b", -1},
        {"a:b", -1},
        {"a@b", -1},
        {"a%2fb", -1},
        {"\xc3\xa4", -1},
        {"a\n", -1},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = KO_ERR_INIT;
        if (ko_ref_check_repo(ko_str_of(rows[i].name), &err) != rows[i].rc)
            fail_msg("\"%s\" should give %d", rows[i].name, rows[i].rc);
        assert_int_equal(err.code, rows[i].rc ? KO_E_INVALID : KO_E_NONE);
    }
    assert_int_equal(ko_ref_check_repo((ko_str){"a\0b", 3}, NULL), -1);
}

static void tags_follow_the_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        int rc;
    } rows[] = {
        {"latest", 0}, {"1.0", 0},  {"_", 0},         {"A-b.C_9", 0},    {"v1..2", 0},
        {A127 "x", 0}, {"", -1},    {A127 "xy", -1},  {".a", -1},        {"-a", -1},
        {"a b", -1},   {"a/b", -1}, {"a:b", -1},      {"a+b", -1},       {"a@b", -1},
        {"a\n", -1},   {"..", -1},  {"\xc3\xa4", -1}, {"a\xc3\xa4", -1},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = KO_ERR_INIT;
        if (ko_ref_check_tag(ko_str_of(rows[i].tag), &err) != rows[i].rc)
            fail_msg("\"%s\" should give %d", rows[i].tag, rows[i].rc);
    }
    assert_int_equal(ko_ref_check_tag((ko_str){"a\0b", 3}, NULL), -1);
}

static void a_reference_with_a_colon_is_a_digest_or_nothing(void **state)
{
    (void)state;
    ko_ref ref = {0};
    ko_err err = KO_ERR_INIT;
    ko_digest d;

    ko_digest_of(KO_HASH_SHA256, "x", 1, &d);
    assert_int_equal(ko_ref_parse(ko_str_of(d.text), &ref, &err), 0);
    assert_true(ref.is_digest);
    assert_true(ko_digest_eq(&ref.digest, &d));

    assert_int_equal(ko_ref_parse(KO_STR("v1"), &ref, &err), 0);
    assert_false(ref.is_digest);
    assert_string_equal(ref.tag, "v1");

    assert_int_equal(ko_ref_parse(KO_STR("sha256:00"), &ref, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    assert_string_equal(ref.tag, "v1");
    assert_int_equal(ko_ref_parse(KO_STR(""), &ref, &err), -1);
}

static void a_tag_of_128_characters_fits_and_is_terminated(void **state)
{
    (void)state;
    ko_ref ref;

    assert_int_equal(ko_ref_parse(KO_STR(A127 "x"), &ref, NULL), 0);
    assert_int_equal(strlen(ref.tag), 128);
}

static void the_namespace_is_the_first_component(void **state)
{
    (void)state;
    assert_true(ko_str_eq(ko_ref_namespace(KO_STR("team/app/x")), KO_STR("team")));
    assert_true(ko_str_eq(ko_ref_namespace(KO_STR("ubuntu")), KO_STR("ubuntu")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repository_names_follow_the_grammar),
        cmocka_unit_test(tags_follow_the_grammar),
        cmocka_unit_test(a_reference_with_a_colon_is_a_digest_or_nothing),
        cmocka_unit_test(a_tag_of_128_characters_fits_and_is_terminated),
        cmocka_unit_test(the_namespace_is_the_first_component),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
