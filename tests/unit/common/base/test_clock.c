/* Clocks and dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "common/base/clock.h"
#include "common/base/own.h"

static void known_dates_print(void **state)
{
    (void)state;
    static const struct {
        int64_t at_s;
        const char *rfc3339;
        const char *http;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1795466154, "2026-11-23T20:35:54Z", "Mon, 23 Nov 2026 20:35:54 GMT"},
        {-1, "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
        {INT64_C(-62167219200), "0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT"},
        {INT64_C(253402300799), "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MIN, "0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT"},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        char a[KO_CLOCK_RFC3339_MAX], b[KO_CLOCK_HTTP_MAX];
        ko_clock_rfc3339(rows[i].at_s, a);
        ko_clock_http(rows[i].at_s, b);
        assert_string_equal(a, rows[i].rfc3339);
        assert_string_equal(b, rows[i].http);
    }
}

static void dates_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t at_s = -70000000000; at_s < 250000000000; at_s += 86399 * 977) {
        struct tm tm;
        time_t t = at_s;
        char want[64], got[KO_CLOCK_HTTP_MAX];
        if (at_s < INT64_C(-62167219200))
            continue;
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(strftime(want, sizeof(want), " %b ", &tm), 5);
        ko_clock_http(at_s, got);
        assert_memory_equal(got + 7, want, 5);
        char iso[KO_CLOCK_RFC3339_MAX];
        (void)snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        ko_clock_rfc3339(at_s, iso);
        assert_string_equal(iso, want);
        int64_t back;
        assert_int_equal(ko_clock_parse_rfc3339(ko_str_of(iso), &back, NULL), 0);
        assert_true(back == at_s);
    }
}

static void milliseconds_print_also_before_1970(void **state)
{
    (void)state;
    char out[KO_CLOCK_RFC3339_MAX];

    ko_clock_rfc3339_ms(1795466154123, out);
    assert_string_equal(out, "2026-11-23T20:35:54.123Z");
    ko_clock_rfc3339_ms(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void rfc3339_is_parsed_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t at_s;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2026-11-23T20:35:54Z", 0, 1795466154},
        {"2026-11-23T20:35:54.123456789Z", 0, 1795466154},
        {"2026-11-23t20:35:54z", 0, 1795466154},
        {"2026-11-23T22:35:54+02:00", 0, 1795466154},
        {"2026-11-23T15:05:54-05:30", 0, 1795466154},
        {"0001-01-01T00:00:00Z", 0, INT64_C(-62135596800)},
        {"2016-12-31T23:59:60Z", 0, 1483228800},
        {"2024-02-29T00:00:00Z", 0, 1709164800},
        {"2023-02-29T00:00:00Z", -1, 0},
        {"1900-02-29T00:00:00Z", -1, 0},
        {"2026-04-31T00:00:00Z", -1, 0},
        {"2026-13-01T00:00:00Z", -1, 0},
        {"2026-00-01T00:00:00Z", -1, 0},
        {"2026-01-00T00:00:00Z", -1, 0},
        {"2026-01-01T24:00:00Z", -1, 0},
        {"2026-01-01T00:60:00Z", -1, 0},
        {"2026-01-01T00:00:61Z", -1, 0},
        {"2026-01-01T00:00:00", -1, 0},
        {"2026-01-01T00:00:00.Z", -1, 0},
        {"2026-01-01T00:00:00Z ", -1, 0},
        {"2026-01-01 00:00:00Z", -1, 0},
        {"2026-01-01T00:00:00+0200", -1, 0},
        {"2026-01-01T00:00:00+24:00", -1, 0},
        {"26-01-01T00:00:00Z", -1, 0},
        {"2026-1-01T00:00:00Z", -1, 0},
        {"", -1, 0},
        {"now", -1, 0},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        int64_t at_s = 4711;
        ko_err err = KO_ERR_INIT;
        if (ko_clock_parse_rfc3339(ko_str_of(rows[i].text), &at_s, &err) != rows[i].rc)
            fail_msg("%s", rows[i].text);
        assert_true(at_s == (rows[i].rc ? 4711 : rows[i].at_s));
        assert_int_equal(err.code, rows[i].rc ? KO_E_INVALID : KO_E_NONE);
    }
}

static void clocks_run_forward(void **state)
{
    (void)state;
    uint64_t ms = ko_clock_mono_ms(), us = ko_clock_mono_us();

    assert_true(us / 1000 >= ms);
    assert_true(ko_clock_mono_us() >= us);
    assert_true(ko_clock_wall_ms() / 1000 >= ko_clock_wall_s() - 1);
    assert_true(ko_clock_wall_s() > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_dates_print),
        cmocka_unit_test(dates_agree_with_the_c_library),
        cmocka_unit_test(milliseconds_print_also_before_1970),
        cmocka_unit_test(rfc3339_is_parsed_strictly),
        cmocka_unit_test(clocks_run_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
