/* The ring of session ticket keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "common/http/tls_priv.h"

#define HOUR_MS (3600 * 1000ULL)

static void a_key_encrypts_for_twelve_hours(void **state)
{
    (void)state;
    ko_autoptr(ko_tls_ticket_ring) ring = ko_tls_ticket_ring_new();
    ko_tls_ticket_key first, later;

    ko_tls_ticket_current(ring, 5, &first);
    ko_tls_ticket_current(ring, 5 + 12 * HOUR_MS - 1, &later);
    assert_memory_equal(first.name, later.name, sizeof(first.name));
    ko_tls_ticket_current(ring, 5 + 12 * HOUR_MS, &later);
    assert_memory_not_equal(first.name, later.name, sizeof(first.name));
    assert_memory_not_equal(first.cipher, later.cipher, sizeof(first.cipher));
    assert_memory_not_equal(first.mac, later.mac, sizeof(first.mac));
}

static void an_older_key_decrypts_and_asks_for_renewal(void **state)
{
    (void)state;
    ko_autoptr(ko_tls_ticket_ring) ring = ko_tls_ticket_ring_new();
    ko_tls_ticket_key first, next, found;

    ko_tls_ticket_current(ring, 1, &first);
    assert_int_equal(ko_tls_ticket_find(ring, first.name, 2, &found), 1);
    ko_tls_ticket_current(ring, 1 + 13 * HOUR_MS, &next);
    assert_int_equal(ko_tls_ticket_find(ring, first.name, 1 + 13 * HOUR_MS, &found), 2);
    assert_memory_equal(found.cipher, first.cipher, sizeof(first.cipher));
    assert_int_equal(ko_tls_ticket_find(ring, next.name, 1 + 13 * HOUR_MS, &found), 1);
}

static void a_key_of_a_day_is_forgotten(void **state)
{
    (void)state;
    ko_autoptr(ko_tls_ticket_ring) ring = ko_tls_ticket_ring_new();
    ko_tls_ticket_key first, found;

    ko_tls_ticket_current(ring, 1, &first);
    assert_int_equal(ko_tls_ticket_find(ring, first.name, 24 * HOUR_MS, &found), 2);
    assert_int_equal(ko_tls_ticket_find(ring, first.name, 1 + 24 * HOUR_MS, &found), 0);
}

static void an_unknown_name_finds_nothing(void **state)
{
    (void)state;
    ko_autoptr(ko_tls_ticket_ring) ring = ko_tls_ticket_ring_new();
    ko_tls_ticket_key first, found;
    const uint8_t zero[16] = {0};

    assert_int_equal(ko_tls_ticket_find(ring, zero, 1, &found), 0); /* no key made yet */
    ko_tls_ticket_current(ring, 1, &first);
    first.name[15] ^= 1;
    assert_int_equal(ko_tls_ticket_find(ring, first.name, 1, &found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_encrypts_for_twelve_hours),
        cmocka_unit_test(an_older_key_decrypts_and_asks_for_renewal),
        cmocka_unit_test(a_key_of_a_day_is_forgotten),
        cmocka_unit_test(an_unknown_name_finds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
