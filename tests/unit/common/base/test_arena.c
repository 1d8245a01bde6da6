/* Arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>

#include "common/base/arena.h"

static void memory_is_zeroed_and_aligned_also_after_reset(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();

    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 300; size++) {
            unsigned char *p = ko_arena_alloc(arena, size);
            assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xff, size);
        }
        ko_arena_reset(arena);
        assert_int_equal(ko_arena_used(arena), 0);
    }
}

static void pieces_do_not_overlap(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    char *pieces[200];

    for (size_t i = 0; i < 200; i++) {
        pieces[i] = ko_arena_alloc(arena, 10 * i + 1);
        memset(pieces[i], (int)i, 10 * i + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j <= 10 * i; j++)
            assert_int_equal((unsigned char)pieces[i][j], i);
}

static void a_piece_larger_than_any_block_fits(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    char *big = ko_arena_alloc(arena, 5 * 1024 * 1024);

    big[5 * 1024 * 1024 - 1] = 1;
    assert_string_equal(ko_arena_strdup(arena, "after"), "after");
    ko_arena_reset(arena);
    assert_string_equal(ko_arena_strdup(arena, "again"), "again");
}

static void copies_are_terminated(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_str copy = ko_arena_str(arena, (ko_str){"abcdef", 3});

    assert_string_equal(copy.ptr, "abc");
    assert_int_equal(copy.len, 3);
    assert_string_equal(ko_arena_strndup(arena, "xyz", 2), "xy");
    assert_string_equal(ko_arena_strndup(arena, NULL, 0), "");
    assert_string_equal(ko_arena_printf(arena, "%s-%d", "a", 42), "a-42");
    assert_string_equal(ko_arena_printf(arena, "%s", ""), "");
}

static void used_counts_what_was_handed_out(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();

    assert_int_equal(ko_arena_used(arena), 0);
    (void)ko_arena_alloc(arena, 100);
    (void)ko_arena_strdup(arena, "1234");
    assert_int_equal(ko_arena_used(arena), 105);
}

static void an_array_has_room_for_all(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    uint64_t *all = ko_arena_alloc_array(arena, 1000, sizeof(*all));

    for (size_t i = 0; i < 1000; i++)
        all[i] = i;
    assert_int_equal(all[999], 999);
    assert_non_null(ko_arena_alloc_array(arena, 0, 8));
}

static void free_accepts_null(void **state)
{
    (void)state;
    assert_null(ko_arena_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_also_after_reset),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(a_piece_larger_than_any_block_fits),
        cmocka_unit_test(copies_are_terminated),
        cmocka_unit_test(used_counts_what_was_handed_out),
        cmocka_unit_test(an_array_has_room_for_all),
        cmocka_unit_test(free_accepts_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
