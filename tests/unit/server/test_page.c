/* Paging: `n`, `last`, and the Link to the next page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/page.h"

static int parse(const char *query, size_t absent, ko_arena *arena, ko_page *out)
{
    ko_req req = {.arena = arena};

    assert_int_equal(ko_url_parse_query(ko_str_of(query), arena, &req.query, NULL), 0);
    return ko_page_parse(&req, absent, out);
}

static void n_is_clamped_and_last_decoded(void **state)
{
    static const struct {
        const char *query;
        size_t limit;
        const char *last;
    } rows[] = {
        {"", 100, ""},
        {"n=5", 5, ""},
        {"n=0", 0, ""}, /* an empty list: T57 */
        {"n=100", 100, ""},
        {"n=101", 100, ""},
        {"n=18446744073709551615", 100, ""},
        {"last=v1.0", 100, "v1.0"},
        {"n=2&last=team%2Fapp", 2, "team/app"},
        {"last=&n=7", 7, ""},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_page page;

        if (parse(rows[i].query, 100, arena, &page) < 0 || page.limit != rows[i].limit ||
            !ko_str_eq(page.last, ko_str_of(rows[i].last)))
            fail_msg("[%s]: %zu [" KO_STR_FMT "]", rows[i].query, page.limit,
                     KO_STR_ARG(page.last));
    }
}

static void an_n_that_is_no_number_is_refused(void **state)
{
    static const char *const rows[] = {"n=",   "n=-1",   "n=x",    "n=1x",
                                       "n=+1", "n=%201", "n=0x10", "n=18446744073709551616"};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_page page;

        if (parse(rows[i], 100, arena, &page) != -1)
            fail_msg("%s was accepted", rows[i]);
    }
}

/* Relative, as all clients follow it (T56). */
static void the_link_names_the_next_page(void **state)
{
    static const struct {
        const char *path;
        size_t limit;
        const char *last;
        const char *extra;
        const char *want;
    } rows[] = {
        {"/v2/a/tags/list", 2, "v1.0", "", "</v2/a/tags/list?n=2&last=v1.0>; rel=\"next\""},
        {"/v2/_catalog", 1000, "team/app", "", "</v2/_catalog?n=1000&last=team/app>; rel=\"next\""},
        {"/v2/a/referrers/x", 1, "a b&c>", "&artifactType=t",
         "</v2/a/referrers/x?n=1&last=a%20b%26c%3E&artifactType=t>; rel=\"next\""},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_http_head head = {.path = ko_str_of(rows[i].path)};
        ko_req req = {.arena = arena, .head = &head};
        ko_page page = {.limit = rows[i].limit};
        ko_headers headers;
        ko_str link;

        ko_headers_init(&headers, arena);
        ko_page_link(&req, &headers, &page, ko_str_of(rows[i].last), rows[i].extra);
        assert_true(ko_headers_get(&headers, "Link", &link));
        if (!ko_str_eq(link, ko_str_of(rows[i].want)))
            fail_msg(KO_STR_FMT, KO_STR_ARG(link));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n_is_clamped_and_last_decoded),
        cmocka_unit_test(an_n_that_is_no_number_is_refused),
        cmocka_unit_test(the_link_names_the_next_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
