/* Range of a blob GET (RFC 9110 section 14) and Content-Range of an upload's chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "server/range.h"

static void assert_ranges(size_t row, const ko_range *got, size_t count, const ko_range *want,
                          size_t want_count)
{
    if (count != want_count)
        fail_msg("row %zu: %zu ranges, want %zu", row, count, want_count);
    for (size_t i = 0; i < count; i++)
        if (got[i].first != want[i].first || got[i].last != want[i].last)
            fail_msg("row %zu: range %zu is %llu-%llu", row, i, (unsigned long long)got[i].first,
                     (unsigned long long)got[i].last);
}

static void satisfiable_ranges_are_clamped_and_keep_their_order(void **state)
{
    static const struct {
        const char *header;
        uint64_t size;
        ko_range want[3];
        size_t count;
    } rows[] = {
        {"bytes=0-0", 1000, {{0, 0}}, 1},
        {"bytes=0-999", 1000, {{0, 999}}, 1},
        {"bytes=500-", 1000, {{500, 999}}, 1}, /* open: a resumed download (T52) */
        {"bytes=999-", 1000, {{999, 999}}, 1},
        {"bytes=0-", 1, {{0, 0}}, 1},
        {"bytes=-500", 1000, {{500, 999}}, 1}, /* suffix */
        {"bytes=-1", 1000, {{999, 999}}, 1},
        {"bytes=-5000", 1000, {{0, 999}}, 1},
        {"bytes=500-5000", 1000, {{500, 999}}, 1},
        {"bytes=0-18446744073709551615", 1000, {{0, 999}}, 1},
        {"Bytes=1-2", 1000, {{1, 2}}, 1}, /* range units know no case */
        {"  bytes=1-2  ", 1000, {{1, 2}}, 1},
        {"bytes=0-9,20-29", 1000, {{0, 9}, {20, 29}}, 2}, /* zstd:chunked and eStargz (T53) */
        {"bytes=20-29,0-9", 1000, {{20, 29}, {0, 9}}, 2},
        {"bytes= 0-9 ,\t20-29 ", 1000, {{0, 9}, {20, 29}}, 2},
        {"bytes=,0-9,,20-29,", 1000, {{0, 9}, {20, 29}}, 2},
        {"bytes=0-9,2000-,-10", 1000, {{0, 9}, {990, 999}}, 2},
        {"bytes=0-499,500-999", 1000, {{0, 499}, {500, 999}}, 2},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_range got[KO_MAX_RANGES];
        size_t count = 0;

        if (ko_range_parse(ko_str_of(rows[i].header), rows[i].size, got, &count) != KO_RANGE_PARTS)
            fail_msg("%s: not satisfiable", rows[i].header);
        assert_ranges(i, got, count, rows[i].want, rows[i].count);
    }
}

static void ranges_outside_of_the_blob_are_unsatisfiable(void **state)
{
    static const struct {
        const char *header;
        uint64_t size;
    } rows[] = {
        {"bytes=1000-", 1000},
        {"bytes=1000-1001", 1000},
        {"bytes=5000-6000,7000-", 1000},
        {"bytes=500-0", 1000},
        {"bytes=1-0", 1000},
        {"bytes=-0", 1000},
        {"bytes=0-", 0},
        {"bytes=0-0", 0},
        {"bytes=-1", 0},
        {"bytes=18446744073709551615-", 1000},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_range got[KO_MAX_RANGES];
        size_t count = 7;

        if (ko_range_parse(ko_str_of(rows[i].header), rows[i].size, got, &count) !=
            KO_RANGE_UNSATISFIABLE)
            fail_msg("%s of %llu", rows[i].header, (unsigned long long)rows[i].size);
        assert_int_equal(count, 0);
    }
}

static void a_header_that_is_wrong_or_of_another_unit_gives_the_whole(void **state)
{
    static const char *const rows[] = {
        "",
        "bytes",
        "bytes 0-1",
        "pages=0-1",
        "bytes=a-b",
        "bytes=0-1x",
        "bytes=0",
        "bytes=--1",
        "bytes=-",
        "bytes=0-1-2",
        "bytes=+1-2",
        "bytes=1 -2",
        "bytes=0x1-",
        "bytes=0-9,bad",
        "bytes=-1-2",
        "bytes = 0-1",
        "bytes=0-1;2-3",
        "bytes=0-18446744073709551616",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_range got[KO_MAX_RANGES];
        size_t count = 0;

        if (ko_range_parse(ko_str_of(rows[i]), 1000, got, &count) != KO_RANGE_WHOLE)
            fail_msg("%s", rows[i]);
    }
}

/* RFC 9110 section 17.15: many small or overlapping ranges must not multiply the work. */
static void ranges_that_amplify_give_the_whole(void **state)
{
    static const char *const rows[] = {"bytes=0-,0-", "bytes=0-999,0-0", "bytes=-600,0-500"};
    ko_range got[KO_MAX_RANGES];
    size_t count = 0;
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (ko_range_parse(ko_str_of(rows[i]), 1000, got, &count) != KO_RANGE_WHOLE)
            fail_msg("%s", rows[i]);
    /* Overlaps that stay below the size cost nothing and are answered as asked. */
    assert_int_equal(ko_range_parse(KO_STR("bytes=0-9,5-14"), 1000, got, &count), KO_RANGE_PARTS);
    assert_int_equal(count, 2);
}

static void more_than_sixteen_ranges_give_the_whole(void **state)
{
    ko_range got[KO_MAX_RANGES];
    char header[512] = "bytes=0-0";
    size_t len = strlen(header), count = 0;
    (void)state;

    for (int i = 1; i < KO_MAX_RANGES; i++)
        len += (size_t)snprintf(header + len, sizeof(header) - len, ",%d-%d", 2 * i, 2 * i);
    assert_int_equal(ko_range_parse(ko_str_of(header), 1000, got, &count), KO_RANGE_PARTS);
    assert_int_equal(count, KO_MAX_RANGES);
    (void)snprintf(header + len, sizeof(header) - len, ",900-900");
    assert_int_equal(ko_range_parse(ko_str_of(header), 1000, got, &count), KO_RANGE_WHOLE);
}

static void chunk_ranges_are_read_in_every_form_that_clients_send(void **state)
{
    static const struct {
        const char *header;
        ko_range want;
    } rows[] = {
        {"0-0", {0, 0}},
        {"0-1023", {0, 1023}},
        {"1024-2047", {1024, 2047}},
        {" 5-9 ", {5, 9}},
        {"bytes 5-9", {5, 9}}, /* T20 */
        {"bytes 5-9/*", {5, 9}},
        {"bytes 5-9/100", {5, 9}},
        {"5-9/100", {5, 9}},
        {"0-9223372036854775807", {0, INT64_MAX}},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_range got = {0};

        if (ko_range_parse_chunk(ko_str_of(rows[i].header), &got, NULL) < 0)
            fail_msg("%s was refused", rows[i].header);
        assert_ranges(i, &got, 1, &rows[i].want, 1);
    }
}

static void bad_chunk_ranges_are_invalid_and_leave_the_output_alone(void **state)
{
    static const char *const rows[] = {
        "",    "-",    "5",     "5-",        "-5",   "9-5",
        "a-b", "0--1", "0-1-2", "bytes=0-1", "0 -1", "9223372036854775808-9223372036854775809",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_range got = {7, 8};
        ko_err err = KO_ERR_INIT;

        if (ko_range_parse_chunk(ko_str_of(rows[i]), &got, &err) != -1)
            fail_msg("%s was accepted", rows[i]);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_int_equal(got.first, 7);
        assert_int_equal(got.last, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(satisfiable_ranges_are_clamped_and_keep_their_order),
        cmocka_unit_test(ranges_outside_of_the_blob_are_unsatisfiable),
        cmocka_unit_test(a_header_that_is_wrong_or_of_another_unit_gives_the_whole),
        cmocka_unit_test(ranges_that_amplify_give_the_whole),
        cmocka_unit_test(more_than_sixteen_ranges_give_the_whole),
        cmocka_unit_test(chunk_ranges_are_read_in_every_form_that_clients_send),
        cmocka_unit_test(bad_chunk_ranges_are_invalid_and_leave_the_output_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
