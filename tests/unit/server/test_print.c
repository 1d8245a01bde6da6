/* Documents written member by member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/scope.h"
#include "server/print.h"
#include "storage/meta_owner.h"

static void commas_are_where_they_belong(void **state)
{
    ko_autobuf out = {0};
    (void)state;

    ko_buf_init(&out, 1024);
    ko_print_begin(&out, NULL, '{');
    ko_print_text(&out, "a", KO_STR("ends with {"));
    ko_print_begin(&out, "list", '[');
    ko_print_u64(&out, NULL, 1);
    ko_print_begin(&out, NULL, '{');
    ko_print_end(&out, '}');
    ko_print_begin(&out, NULL, '{');
    ko_print_bool(&out, "b", true);
    ko_print_bool(&out, "c", false);
    ko_print_end(&out, '}');
    ko_print_end(&out, ']');
    ko_print_u64(&out, "d", UINT64_MAX);
    ko_print_end(&out, '}');
    assert_int_equal(ko_buf_ok(&out, NULL), 0);
    assert_string_equal(out.data, "{\"a\":\"ends with {\",\"list\":[1,{},{\"b\":true,\"c\":false}],"
                                  "\"d\":18446744073709551615}");
}

static void values_that_mean_nothing_are_null(void **state)
{
    ko_autobuf out = {0};
    (void)state;

    ko_buf_init(&out, 1024);
    ko_print_begin(&out, NULL, '{');
    ko_print_time(&out, "never", 0);
    ko_print_time(&out, "at", 1700000000);
    ko_print_optional(&out, "none", KO_STR(""));
    ko_print_optional(&out, "some", KO_STR("\"x\""));
    ko_print_end(&out, '}');
    assert_string_equal(out.data, "{\"never\":null,\"at\":\"2023-11-14T22:13:20Z\",\"none\":null,"
                                  "\"some\":\"\\\"x\\\"\"}");
}

static void quotas_and_actions_have_words(void **state)
{
    ko_autobuf out = {0};
    (void)state;

    ko_buf_init(&out, 1024);
    ko_print_begin(&out, NULL, '{');
    ko_print_quota(&out, "a", KO_META_QUOTA_DEFAULT);
    ko_print_quota(&out, "b", KO_META_QUOTA_UNLIMITED);
    ko_print_quota(&out, "c", 0);
    ko_print_actions(&out, "d", KO_ACTION_ADMIN | KO_ACTION_PULL);
    ko_print_actions(&out, "e", 0);
    ko_print_end(&out, '}');
    assert_string_equal(out.data, "{\"a\":\"default\",\"b\":\"unlimited\",\"c\":0,"
                                  "\"d\":[\"pull\",\"admin\"],\"e\":[]}");
}

static void an_overflow_is_seen_at_the_end(void **state)
{
    ko_autobuf out = {0};
    (void)state;

    ko_buf_init(&out, 8);
    ko_print_begin(&out, NULL, '{');
    ko_print_text(&out, "a", KO_STR("longer than that"));
    ko_print_end(&out, '}');
    assert_int_equal(ko_buf_ok(&out, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_are_where_they_belong),
        cmocka_unit_test(values_that_mean_nothing_are_null),
        cmocka_unit_test(quotas_and_actions_have_words),
        cmocka_unit_test(an_overflow_is_seen_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
