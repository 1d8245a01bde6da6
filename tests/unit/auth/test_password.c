#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/password.h"
#include "common/base/limits.h"
#include "common/base/own.h"

#define LEAST KO_PASSWORD_COST_LEAST

static void a_hash_matches_its_password_and_no_other(void **state)
{
    char hash[KO_PASSWORD_HASH_MAX];
    char again[KO_PASSWORD_HASH_MAX];
    (void)state;

    assert_int_equal(ko_password_hash(LEAST, KO_STR("correct horse"), hash, NULL), 0);
    assert_int_equal(ko_password_hash(LEAST, KO_STR("correct horse"), again, NULL), 0);
    assert_string_not_equal(hash, again); /* salted */
    assert_true(ko_password_verify(hash, KO_STR("correct horse")));
    assert_false(ko_password_verify(hash, KO_STR("correct hors")));
    assert_false(ko_password_verify(hash, KO_STR("correct horsf")));
    assert_false(ko_password_verify(hash, KO_STR("")));
}

static void an_over_long_password_matches_nothing(void **state)
{
    char hash[KO_PASSWORD_HASH_MAX];
    char longest[KO_MAX_PASSWORD + 1];
    (void)state;

    memset(longest, 'x', sizeof(longest));
    assert_int_equal(ko_password_hash(LEAST, (ko_str){longest, KO_MAX_PASSWORD}, hash, NULL), 0);
    assert_true(ko_password_verify(hash, (ko_str){longest, KO_MAX_PASSWORD}));
    assert_false(ko_password_verify(hash, (ko_str){longest, KO_MAX_PASSWORD + 1}));
}

static void a_damaged_or_greedy_hash_matches_nothing(void **state)
{
    static const char *const rows[] = {
        "",
        "x",
        "$argon2id$",
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$argon2id$v=19$m=1048577,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$argon2id$v=19$m=8,t=17,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$argon2id$v=19$m=8,t=1,p=2$c2FsdHNhbHRzYWx0$aGFzaA",
        "$argon2i$v=19$m=8,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$2y$05$abcdefghijklmnopqrstuuUnLQu6rSzV8TQ9QeFXTq4hJ0VbUgXGm",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        assert_false(ko_password_verify(rows[i], KO_STR("password")));
}

static void another_cost_asks_for_a_new_hash(void **state)
{
    ko_password_cost more = {.passes = 2, .memory_kib = 8};
    char hash[KO_PASSWORD_HASH_MAX];
    (void)state;

    assert_int_equal(ko_password_hash(LEAST, KO_STR("password"), hash, NULL), 0);
    assert_false(ko_password_needs_rehash(hash, LEAST));
    assert_true(ko_password_needs_rehash(hash, more));
    assert_true(ko_password_needs_rehash("rubbish", more));
    ko_password_verify_nobody(LEAST, KO_STR("password"));
}

static void a_new_password_obeys_the_rules(void **state)
{
    static const struct {
        const char *text;
        bool fine;
    } rows[] = {
        {"1234567", false},
        {"12345678", true},
        {"with a space", true},
        {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", true},
        {"bad\nnewline", false},
        {"bad\x7f"
         "delete",
         false},
        {"bad\xff utf-8", false},
    };
    char longest[KO_MAX_PASSWORD + 1];
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = KO_ERR_INIT;
        int rc = ko_password_check_new(ko_str_of(rows[i].text), &err);

        assert_int_equal(rc, rows[i].fine ? 0 : -1);
        assert_int_equal(err.code, rows[i].fine ? KO_E_NONE : KO_E_INVALID);
        assert_null(rc < 0 ? strstr(err.text, rows[i].text) : NULL);
    }
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(ko_password_check_new((ko_str){longest, KO_MAX_PASSWORD}, NULL), 0);
    assert_int_equal(ko_password_check_new((ko_str){longest, KO_MAX_PASSWORD + 1}, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_matches_its_password_and_no_other),
        cmocka_unit_test(an_over_long_password_matches_nothing),
        cmocka_unit_test(a_damaged_or_greedy_hash_matches_nothing),
        cmocka_unit_test(another_cost_asks_for_a_new_hash),
        cmocka_unit_test(a_new_password_obeys_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
