#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/backoff.h"

#define ALICE KO_STR("alice")
#define HERE  KO_STR("192.0.2.1")
#define THERE KO_STR("198.51.100.7")

static const ko_backoff_opts OPTS = {
    .free_per_account = 3,
    .free_per_address = 6,
    .first_delay_ms = 1000,
    .max_delay_ms = 60000,
    .forget_after_ms = 3600000,
    .max_entries = 1024,
};

static void fail_times(ko_backoff *b, int n, ko_str account, ko_str address, uint64_t now_ms)
{
    while (n-- > 0)
        ko_backoff_failed(b, account, address, now_ms);
}

static void the_first_failures_cost_nothing(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000), 0);
    fail_times(b, 3, ALICE, HERE, 1000);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000), 0);
}

static void each_further_failure_doubles_the_delay_up_to_the_most(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    fail_times(b, 4, ALICE, HERE, 1000);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000), 1000);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1999), 1);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 2000), 0);
    fail_times(b, 1, ALICE, HERE, 2000);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 2000), 2000);
    fail_times(b, 100, ALICE, HERE, 2000);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 2000), 60000);
}

static void guessing_at_many_accounts_is_slowed_by_address(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    char name[16];
    (void)state;

    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        ko_backoff_failed(b, ko_str_of(name), HERE, 1000);
    }
    assert_true(ko_backoff_wait_ms(b, KO_STR("fresh"), HERE, 1000) > 0);
    assert_int_equal(ko_backoff_wait_ms(b, KO_STR("fresh"), THERE, 1000), 0);
}

static void guessing_from_many_addresses_is_slowed_by_account(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    char address[32];
    (void)state;

    for (int i = 0; i < 4; i++) {
        snprintf(address, sizeof(address), "192.0.2.%d", i + 1);
        ko_backoff_failed(b, ALICE, ko_str_of(address), 1000);
    }
    assert_true(ko_backoff_wait_ms(b, ALICE, THERE, 1000) > 0);
    assert_int_equal(ko_backoff_wait_ms(b, KO_STR("bob"), THERE, 1000), 0);
}

static void an_owner_who_has_logged_in_is_not_locked_out_by_others(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    ko_backoff_succeeded(b, ALICE, HERE, 1000);
    fail_times(b, 50, ALICE, THERE, 2000);
    assert_true(ko_backoff_wait_ms(b, ALICE, THERE, 2000) > 0);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 2000), 0);
    /* But her own address is not free to guess either. */
    fail_times(b, 4, ALICE, HERE, 2000);
    assert_true(ko_backoff_wait_ms(b, ALICE, HERE, 2000) > 0);
}

static void success_forgives_the_mistakes_of_that_account(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    fail_times(b, 3, ALICE, HERE, 1000);
    ko_backoff_succeeded(b, ALICE, HERE, 1000);
    fail_times(b, 3, ALICE, HERE, 1000);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000), 0);
    fail_times(b, 6, KO_STR("bob"), HERE, 1000); /* all free for the address */
    assert_int_equal(ko_backoff_wait_ms(b, KO_STR("carol"), HERE, 1000), 0);
    fail_times(b, 1, KO_STR("carol"), HERE, 1000);
    assert_true(ko_backoff_wait_ms(b, KO_STR("dave"), HERE, 1000) > 0);
}

static void owning_one_account_does_not_help_to_guess_at_others(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    char name[16];
    (void)state;

    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "user%d", i);
        ko_backoff_failed(b, ko_str_of(name), HERE, 1000);
        ko_backoff_succeeded(b, ALICE, HERE, 1000);
    }
    assert_true(ko_backoff_wait_ms(b, KO_STR("fresh"), HERE, 1000) > 0);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000), 0);
}

static void an_owner_is_known_at_her_address_for_weeks(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    const uint64_t later_ms = UINT64_C(20) * 24 * OPTS.forget_after_ms;
    (void)state;

    ko_backoff_succeeded(b, ALICE, HERE, 1000);
    fail_times(b, 50, ALICE, THERE, later_ms);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, later_ms), 0);
    assert_true(ko_backoff_wait_ms(b, ALICE, THERE, later_ms) > 0);
}

static void old_failures_are_forgotten(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    fail_times(b, 10, ALICE, HERE, 1000);
    fail_times(b, 1, ALICE, HERE, 1000 + OPTS.forget_after_ms);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000 + OPTS.forget_after_ms), 0);
}

static void addresses_of_one_ipv6_network_count_as_one(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    fail_times(b, 7, KO_STR(""), KO_STR("2001:db8::1"), 1000);
    assert_true(ko_backoff_wait_ms(b, ALICE, KO_STR("2001:db8::ffff:2"), 1000) > 0);
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, KO_STR("2001:db8:0:1::1"), 1000), 0);
    fail_times(b, 7, KO_STR(""), KO_STR("::ffff:192.0.2.9"), 1000);
    assert_true(ko_backoff_wait_ms(b, ALICE, KO_STR("192.0.2.9"), 1000) > 0);
}

static void what_is_no_address_counts_for_nothing(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    (void)state;

    fail_times(b, 50, KO_STR(""), KO_STR("somewhere"), 1000);
    assert_int_equal(ko_backoff_wait_ms(b, KO_STR(""), KO_STR("somewhere"), 1000), 0);
}

static void a_flood_of_names_does_not_free_its_address(void **state)
{
    ko_autoptr(ko_backoff) b = ko_backoff_new(&OPTS);
    char name[32];
    (void)state;

    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        ko_backoff_failed(b, ko_str_of(name), HERE, (uint64_t)(1000 + i));
    }
    assert_int_equal(ko_backoff_wait_ms(b, ALICE, HERE, 1000 + 99999), OPTS.max_delay_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failures_cost_nothing),
        cmocka_unit_test(each_further_failure_doubles_the_delay_up_to_the_most),
        cmocka_unit_test(guessing_at_many_accounts_is_slowed_by_address),
        cmocka_unit_test(guessing_from_many_addresses_is_slowed_by_account),
        cmocka_unit_test(an_owner_who_has_logged_in_is_not_locked_out_by_others),
        cmocka_unit_test(success_forgives_the_mistakes_of_that_account),
        cmocka_unit_test(owning_one_account_does_not_help_to_guess_at_others),
        cmocka_unit_test(an_owner_is_known_at_her_address_for_weeks),
        cmocka_unit_test(old_failures_are_forgotten),
        cmocka_unit_test(addresses_of_one_ipv6_network_count_as_one),
        cmocka_unit_test(what_is_no_address_counts_for_nothing),
        cmocka_unit_test(a_flood_of_names_does_not_free_its_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
