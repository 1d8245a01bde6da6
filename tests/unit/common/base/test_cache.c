/* Cache: staleness, bounds, sharing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "common/base/arena.h"
#include "common/base/cache.h"

typedef struct {
    ko_cache_entry entry;
    int number;
} item;

static atomic_int alive;

static void item_drop(ko_cache_entry *entry)
{
    atomic_fetch_sub(&alive, 1);
    free(KO_CONTAINER(entry, item, entry));
}

static item *item_new(int number)
{
    item *it = ko_new(item);

    ko_cache_entry_init(&it->entry, item_drop);
    it->number = number;
    atomic_fetch_add(&alive, 1);
    return it;
}

static void put(ko_cache *cache, const char *key, uint64_t stamp, uint64_t deadline, size_t cost,
                int number)
{
    item *it = item_new(number);

    ko_cache_put(cache, ko_str_of(key), stamp, deadline, cost, &it->entry);
    ko_cache_entry_unref(&it->entry);
}

/* The number under a key, or -1. */
static int get(ko_cache *cache, const char *key, uint64_t stamp, uint64_t now)
{
    ko_cache_entry *entry = ko_cache_get(cache, ko_str_of(key), stamp, now);
    int number = entry ? KO_CONTAINER(entry, item, entry)->number : -1;

    ko_cache_entry_unref(entry);
    return number;
}

static void a_put_value_is_found_until_it_is_removed(void **state)
{
    (void)state;
    ko_autoptr(ko_cache) cache = ko_cache_new(100000);

    assert_int_equal(get(cache, "a", 1, 0), -1);
    put(cache, "a", 1, UINT64_MAX, 10, 7);
    assert_int_equal(get(cache, "a", 1, 0), 7);
    put(cache, "a", 1, UINT64_MAX, 10, 8);
    assert_int_equal(get(cache, "a", 1, UINT64_MAX - 1), 8);
    ko_cache_remove(cache, KO_STR("a"));
    assert_int_equal(get(cache, "a", 1, 0), -1);
    assert_int_equal(atomic_load(&alive), 0);
}

static void another_stamp_misses_and_drops(void **state)
{
    (void)state;
    ko_autoptr(ko_cache) cache = ko_cache_new(100000);

    put(cache, "a", 1, UINT64_MAX, 10, 7);
    assert_int_equal(get(cache, "a", 2, 0), -1);
    assert_int_equal(atomic_load(&alive), 0);
    assert_int_equal(get(cache, "a", 1, 0), -1);
}

static void a_passed_deadline_misses_and_drops(void **state)
{
    (void)state;
    ko_autoptr(ko_cache) cache = ko_cache_new(100000);

    put(cache, "a", 1, 1000, 10, 7);
    assert_int_equal(get(cache, "a", 1, 999), 7);
    assert_int_equal(get(cache, "a", 1, 1000), -1);
    assert_int_equal(atomic_load(&alive), 0);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    ko_autoptr(ko_cache) cache = ko_cache_new(30);

    put(cache, "a", 0, UINT64_MAX, 10, 1);
    put(cache, "b", 0, UINT64_MAX, 10, 2);
    put(cache, "c", 0, UINT64_MAX, 10, 3);
    assert_int_equal(get(cache, "a", 0, 0), 1);
    put(cache, "d", 0, UINT64_MAX, 10, 4);
    assert_int_equal(get(cache, "b", 0, 0), -1);
    assert_int_equal(get(cache, "a", 0, 0), 1);
    put(cache, "e", 0, UINT64_MAX, 25, 5);
    assert_int_equal(get(cache, "a", 0, 0), -1);
    assert_int_equal(get(cache, "e", 0, 0), 5);
    assert_int_equal(atomic_load(&alive), 1);
}

static void the_cost_stays_within_the_maximum(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoptr(ko_cache) cache = ko_cache_new(64000);
    uint64_t hits, misses, cost;

    for (int i = 0; i < 5000; i++) {
        put(cache, ko_arena_printf(arena, "k%d", i), 0, UINT64_MAX, 100, i);
        ko_cache_stats(cache, &hits, &misses, &cost);
        assert_true(cost <= 64000);
    }
    assert_true(cost > 32000);
    assert_int_equal(cost, 100 * atomic_load(&alive));
    ko_cache_clear(cache);
    ko_cache_stats(cache, &hits, &misses, &cost);
    assert_int_equal(cost, 0);
    assert_int_equal(atomic_load(&alive), 0);
}

static void a_value_over_the_maximum_is_not_kept_nor_is_what_it_replaces(void **state)
{
    (void)state;
    ko_autoptr(ko_cache) cache = ko_cache_new(30);

    put(cache, "a", 0, UINT64_MAX, 10, 1);
    put(cache, "a", 0, UINT64_MAX, 31, 2);
    assert_int_equal(get(cache, "a", 0, 0), -1);
    assert_int_equal(atomic_load(&alive), 0);
}

static void a_value_in_use_outlives_its_eviction_and_the_cache(void **state)
{
    (void)state;
    ko_cache *cache = ko_cache_new(10);

    put(cache, "a", 0, UINT64_MAX, 10, 1);
    ko_cache_entry *held = ko_cache_get(cache, KO_STR("a"), 0, 0);
    put(cache, "b", 0, UINT64_MAX, 10, 2);
    assert_int_equal(get(cache, "a", 0, 0), -1);
    assert_null(ko_cache_free(cache));
    assert_int_equal(KO_CONTAINER(held, item, entry)->number, 1);
    ko_cache_entry_unref(held);
    assert_int_equal(atomic_load(&alive), 0);
    assert_null(ko_cache_free(NULL));
}

static void lookups_are_counted(void **state)
{
    (void)state;
    ko_autoptr(ko_cache) cache = ko_cache_new(1000);
    uint64_t hits, misses, cost;

    put(cache, "a", 0, UINT64_MAX, 10, 1);
    (void)get(cache, "a", 0, 0);
    (void)get(cache, "a", 0, 0);
    (void)get(cache, "b", 0, 0);
    ko_cache_stats(cache, &hits, &misses, &cost);
    assert_int_equal(hits, 2);
    assert_int_equal(misses, 1);
    assert_int_equal(cost, 10);
}

static void *hammer(void *arg)
{
    ko_cache *cache = arg;
    char key[] = "key-a";

    for (int i = 0; i < 20000; i++) {
        key[4] = (char)('a' + i % 26);
        if (get(cache, key, (uint64_t)(i / 5000), 0) < 0)
            put(cache, key, (uint64_t)(i / 5000), UINT64_MAX, 300, i);
        if (i % 97 == 0)
            ko_cache_remove(cache, ko_str_of(key));
    }
    return NULL;
}

static void threads_may_share_it(void **state)
{
    (void)state;
    ko_cache *cache = ko_cache_new(8192);
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, cache), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_null(ko_cache_free(cache));
    assert_int_equal(atomic_load(&alive), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_value_is_found_until_it_is_removed),
        cmocka_unit_test(another_stamp_misses_and_drops),
        cmocka_unit_test(a_passed_deadline_misses_and_drops),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(the_cost_stays_within_the_maximum),
        cmocka_unit_test(a_value_over_the_maximum_is_not_kept_nor_is_what_it_replaces),
        cmocka_unit_test(a_value_in_use_outlives_its_eviction_and_the_cache),
        cmocka_unit_test(lookups_are_counted),
        cmocka_unit_test(threads_may_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
