#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/verified.h"

static void drop(ko_cache_entry *entry)
{
    free(entry);
}

static ko_cache_entry *make_value(void)
{
    ko_cache_entry *value = ko_new(ko_cache_entry);

    ko_cache_entry_init(value, drop);
    return value;
}

static bool knows(ko_verified *v, ko_str user, ko_str password, uint64_t generation, uint64_t now)
{
    ko_cache_entry *entry = ko_verified_find(v, user, password, generation, now);
    bool found = entry != NULL;

    ko_cache_entry_unref(entry);
    return found;
}

static void a_verified_pair_is_remembered_until_its_deadline(void **state)
{
    ko_autoptr(ko_verified) v = ko_verified_new(100);
    ko_cache_entry *value = make_value();
    (void)state;

    assert_false(knows(v, KO_STR("alice"), KO_STR("secret"), 1, 10));
    ko_verified_add(v, KO_STR("alice"), KO_STR("secret"), 1, 100, value);
    ko_cache_entry *found = ko_verified_find(v, KO_STR("alice"), KO_STR("secret"), 1, 99);
    assert_ptr_equal(found, value);
    ko_cache_entry_unref(found);
    assert_false(knows(v, KO_STR("alice"), KO_STR("secret"), 1, 101));
    ko_cache_entry_unref(value);
}

static void another_user_password_or_split_is_not_the_same_pair(void **state)
{
    ko_autoptr(ko_verified) v = ko_verified_new(100);
    ko_cache_entry *value = make_value();
    (void)state;

    ko_verified_add(v, KO_STR("alice"), KO_STR("secret"), 1, 100, value);
    assert_false(knows(v, KO_STR("alice"), KO_STR("secreT"), 1, 10));
    assert_false(knows(v, KO_STR("alicf"), KO_STR("secret"), 1, 10));
    assert_false(knows(v, KO_STR("alices"), KO_STR("ecret"), 1, 10));
    assert_false(knows(v, KO_STR(""), KO_STR("alicesecret"), 1, 10));
    ko_cache_entry_unref(value);
}

static void a_change_of_rights_ends_every_entry(void **state)
{
    ko_autoptr(ko_verified) v = ko_verified_new(100);
    ko_cache_entry *value = make_value();
    (void)state;

    ko_verified_add(v, KO_STR("alice"), KO_STR("secret"), 1, 100, value);
    assert_false(knows(v, KO_STR("alice"), KO_STR("secret"), 2, 10));
    assert_false(knows(v, KO_STR("alice"), KO_STR("secret"), 1, 10));
    ko_cache_entry_unref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verified_pair_is_remembered_until_its_deadline),
        cmocka_unit_test(another_user_password_or_split_is_not_the_same_pair),
        cmocka_unit_test(a_change_of_rights_ends_every_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
