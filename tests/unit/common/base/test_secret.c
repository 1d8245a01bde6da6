/* Secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/secret.h"

static void a_secret_is_a_copy(void **state)
{
    (void)state;
    char text[] = "hunter2";
    ko_autoptr(ko_secret) s = ko_secret_new(ko_str_of(text));

    text[0] = 'x';
    assert_string_equal(ko_secret_reveal(s).ptr, "hunter2");
    assert_int_equal(ko_secret_reveal(s).len, 7);
    assert_null(ko_secret_free(NULL));
}

static void equality_needs_length_and_every_byte(void **state)
{
    (void)state;
    ko_autoptr(ko_secret) s = ko_secret_new(KO_STR("hunter2"));
    ko_autoptr(ko_secret) empty = ko_secret_new((ko_str){NULL, 0});

    assert_true(ko_secret_eq(s, KO_STR("hunter2")));
    assert_false(ko_secret_eq(s, KO_STR("hunter3")));
    assert_false(ko_secret_eq(s, KO_STR("hunter")));
    assert_false(ko_secret_eq(s, KO_STR("hunter22")));
    assert_false(ko_secret_eq(s, KO_STR("")));
    assert_true(ko_secret_eq(empty, KO_STR("")));
}

static void wiping_leaves_zeros(void **state)
{
    (void)state;
    char text[] = "hunter2";

    ko_secret_wipe(text, sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++)
        assert_int_equal(text[i], 0);
}

static void wiping_nothing_is_allowed(void **state)
{
    (void)state;
    ko_secret_wipe(NULL, 0); /* the undefined behaviour sanitizer would object */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_a_copy),
        cmocka_unit_test(equality_needs_length_and_every_byte),
        cmocka_unit_test(wiping_leaves_zeros),
        cmocka_unit_test(wiping_nothing_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
