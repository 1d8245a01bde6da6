#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/credential.h"
#include "common/base/own.h"

static void a_new_credential_parses_as_its_kind(void **state)
{
    static const struct {
        ko_credential_kind kind;
        const char *prefix;
    } rows[] = {
        {KO_CREDENTIAL_PERSONAL, "ko_p_"},
        {KO_CREDENTIAL_ROBOT, "ko_b_"},
        {KO_CREDENTIAL_REFRESH, "ko_r_"},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        char text[KO_CREDENTIAL_MAX];
        uint8_t made[KO_CREDENTIAL_HASH_SIZE];
        uint8_t found[KO_CREDENTIAL_HASH_SIZE];
        ko_credential_kind kind = KO_CREDENTIAL_PERSONAL;

        ko_credential_new(rows[i].kind, text, made);
        assert_int_equal(strlen(text), KO_CREDENTIAL_MAX - 1);
        assert_memory_equal(text, rows[i].prefix, 5);
        assert_true(ko_credential_parse(ko_str_of(text), &kind, found));
        assert_int_equal(kind, rows[i].kind);
        assert_memory_equal(made, found, sizeof(made));
    }
}

static void two_credentials_differ(void **state)
{
    char a[KO_CREDENTIAL_MAX];
    char b[KO_CREDENTIAL_MAX];
    uint8_t hash[KO_CREDENTIAL_HASH_SIZE];
    (void)state;

    ko_credential_new(KO_CREDENTIAL_PERSONAL, a, hash);
    ko_credential_new(KO_CREDENTIAL_PERSONAL, b, hash);
    assert_string_not_equal(a, b);
}

static void what_has_another_form_is_no_credential(void **state)
{
    static const char *const rows[] = {
        "",
        "ko_p_",
        "ko_p_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* one short */
        "ko_p_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* one long */
        "ko_x_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ko_p_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
        "KO_P_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        uint8_t hash[KO_CREDENTIAL_HASH_SIZE];
        ko_credential_kind kind;

        assert_false(ko_credential_parse(ko_str_of(rows[i]), &kind, hash));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_credential_parses_as_its_kind),
        cmocka_unit_test(two_credentials_differ),
        cmocka_unit_test(what_has_another_form_is_no_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
