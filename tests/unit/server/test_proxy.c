/* Lists of networks, and the client seen through trusted proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "server/proxy.h"

static const ko_proxy_list *list_of(const char *const *networks, size_t count, ko_arena *arena)
{
    const ko_proxy_list *list = NULL;

    assert_int_equal(ko_proxy_list_parse(networks, count, arena, &list, NULL), 0);
    return list;
}

static void networks_hold_their_addresses(void **state)
{
    static const struct {
        const char *network;
        const char *address;
        bool want;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"192.168.4.0/22", "192.168.7.255", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1/31", "192.0.2.0", true},
        {"192.0.2.1/32", "192.0.2.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true}, /* a dual-stack socket's view of it */
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::8000/113", "2001:db8::ffff", true},
        {"2001:db8::8000/113", "2001:db8::7fff", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", true},
        {"10.0.0.0/8", "", false},
        {"10.0.0.0/8", "unix", false},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();

        if (ko_proxy_list_has(list_of(&rows[i].network, 1, arena), rows[i].address) != rows[i].want)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
}

static void what_is_no_network_is_named(void **state)
{
    static const char *const rows[] = {
        "",
        "proxy.example",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0/8",
        "/8",
        "::1/129",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "10.0.0.0/8/8",
        "1.2.3.4:80",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        const char *networks[] = {"10.0.0.0/8", rows[i]};
        const ko_proxy_list *list;
        ko_err err = KO_ERR_INIT;

        if (ko_proxy_list_parse(networks, 2, arena, &list, &err) != -1)
            fail_msg("%s was accepted", rows[i]);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_true(ko_str_has_prefix(ko_str_of(err.text), ko_str_of(rows[i])));
    }
}

static void an_empty_list_holds_nothing(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    (void)state;

    assert_false(ko_proxy_list_has(list_of(NULL, 0, arena), "127.0.0.1"));
}

/* The proxies are 10.0.0.0/8. */
static void the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(void **state)
{
    static const struct {
        const char *peer;
        const char *fields[2];
        const char *want;
    } rows[] = {
        {"192.0.2.1", {NULL}, "192.0.2.1"},
        {"10.0.0.1", {NULL}, "10.0.0.1"},
        {"192.0.2.1", {"198.51.100.7"}, "192.0.2.1"}, /* not trusted: what it says is ignored */
        {"10.0.0.1", {"198.51.100.7"}, "198.51.100.7"},
        {"10.0.0.1", {"203.0.113.1, 198.51.100.7"}, "198.51.100.7"}, /* the left was made up */
        {"10.0.0.1", {"198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
        {"10.0.0.1", {"198.51.100.7,10.0.0.3 ,\t10.0.0.2"}, "198.51.100.7"},
        {"10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
        {"10.0.0.1", {"2001:db8::5"}, "2001:db8::5"},
        /* A proxy that adds a field of its own instead of lengthening the client's. */
        {"10.0.0.1", {"203.0.113.1", "198.51.100.7"}, "198.51.100.7"},
        {"10.0.0.1", {"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
        /* Rubbish ends the walk: the last address that is known for sure counts. */
        {"10.0.0.1", {"unknown"}, "10.0.0.1"},
        {"10.0.0.1", {""}, "10.0.0.1"},
        {"10.0.0.1", {"198.51.100.7, "}, "10.0.0.1"},
        {"10.0.0.1", {"198.51.100.7, _hidden, 10.0.0.2"}, "10.0.0.2"},
    };
    static const char *const networks[] = {"10.0.0.0/8"};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        const ko_proxy_list *trusted = list_of(networks, 1, arena);
        const char *got;
        ko_headers headers;

        ko_headers_init(&headers, arena);
        for (size_t f = 0; f < 2 && rows[i].fields[f]; f++)
            ko_headers_add(&headers, "X-Forwarded-For", ko_str_of(rows[i].fields[f]));
        got = ko_proxy_client(trusted, rows[i].peer, &headers, arena);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: %s, want %s", i, got, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(what_is_no_network_is_named),
        cmocka_unit_test(an_empty_list_holds_nothing),
        cmocka_unit_test(the_client_is_the_first_from_the_right_that_is_no_trusted_proxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
