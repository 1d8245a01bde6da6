/* Hash map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/map.h"

static int dropped;

static void count_drop(void *value)
{
    (void)value;
    dropped++;
}

static ko_str key_of(ko_arena *arena, int i)
{
    return ko_str_of(ko_arena_printf(arena, "key-%d", i));
}

static void what_was_set_is_found_and_the_rest_is_not(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoptr(ko_map) map = ko_map_new(NULL);
    static int values[5000];

    for (int i = 0; i < 5000; i++)
        ko_map_set(map, key_of(arena, i), &values[i]);
    assert_int_equal(ko_map_count(map), 5000);
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(ko_map_get(map, key_of(arena, i)), &values[i]);
    assert_null(ko_map_get(map, KO_STR("key-5000")));
    assert_null(ko_map_get(map, KO_STR("")));
}

static void removing_leaves_the_others_reachable(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoptr(ko_map) map = ko_map_new(NULL);
    static int values[2000];

    for (int i = 0; i < 2000; i++)
        ko_map_set(map, key_of(arena, i), &values[i]);
    for (int i = 0; i < 2000; i += 3)
        assert_ptr_equal(ko_map_take(map, key_of(arena, i)), &values[i]);
    for (int i = 0; i < 2000; i++)
        assert_ptr_equal(ko_map_get(map, key_of(arena, i)), i % 3 ? &values[i] : NULL);
    assert_null(ko_map_take(map, key_of(arena, 0)));
    assert_int_equal(ko_map_count(map), 1333);
}

static void replaced_and_remaining_values_are_dropped_taken_ones_are_not(void **state)
{
    (void)state;
    int a, b, c;
    ko_map *map = ko_map_new(count_drop);

    dropped = 0;
    ko_map_set(map, KO_STR("x"), &a);
    ko_map_set(map, KO_STR("x"), &a);
    assert_int_equal(dropped, 0);
    ko_map_set(map, KO_STR("x"), &b);
    assert_int_equal(dropped, 1);
    ko_map_set(map, KO_STR("y"), &c);
    assert_ptr_equal(ko_map_take(map, KO_STR("y")), &c);
    assert_int_equal(dropped, 1);
    assert_null(ko_map_free(map));
    assert_int_equal(dropped, 2);
    assert_null(ko_map_free(NULL));
}

static void keys_are_copied_and_may_hold_any_bytes(void **state)
{
    (void)state;
    ko_autoptr(ko_map) map = ko_map_new(NULL);
    char key[] = "a\0b";
    int v;

    ko_map_set(map, (ko_str){key, 3}, &v);
    key[0] = 'z';
    assert_ptr_equal(ko_map_get(map, (ko_str){"a\0b", 3}), &v);
    assert_null(ko_map_get(map, (ko_str){"a\0c", 3}));
    assert_null(ko_map_get(map, (ko_str){"a", 1}));
    ko_map_set(map, (ko_str){NULL, 0}, &v);
    assert_ptr_equal(ko_map_get(map, KO_STR("")), &v);
}

static void iteration_visits_each_entry_once(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoptr(ko_map) map = ko_map_new(NULL);
    int seen[100] = {0};
    size_t iter = 0;
    ko_str key;
    void *value;

    for (int i = 0; i < 100; i++)
        ko_map_set(map, key_of(arena, i), &seen[i]);
    while (ko_map_next(map, &iter, &key, &value))
        ++*(int *)value;
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_false(ko_map_next(map, &iter, &key, &value));
}

static void the_hash_depends_on_every_byte_and_the_length(void **state)
{
    (void)state;
    char text[40] = {0};
    uint64_t zero = ko_map_hash(text, sizeof(text));

    assert_true(ko_map_hash(text, sizeof(text)) == zero);
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = 1;
        assert_true(ko_map_hash(text, sizeof(text)) != zero);
        text[i] = 0;
        assert_true(ko_map_hash(text, i) != zero);
    }
    assert_true(ko_map_hash(NULL, 0) == ko_map_hash("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_set_is_found_and_the_rest_is_not),
        cmocka_unit_test(removing_leaves_the_others_reachable),
        cmocka_unit_test(replaced_and_remaining_values_are_dropped_taken_ones_are_not),
        cmocka_unit_test(keys_are_copied_and_may_hold_any_bytes),
        cmocka_unit_test(iteration_visits_each_entry_once),
        cmocka_unit_test(the_hash_depends_on_every_byte_and_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
