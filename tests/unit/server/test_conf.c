/* Every row of conf/options.def is complete, and no two are confused with each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/conf.h"

static void every_setting_has_text_and_unit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ko_conf_table.count; i++) {
        const ko_option *row = &ko_conf_table.rows[i];
        bool is_number =
            row->type == KO_OPT_UINT || row->type == KO_OPT_SIZE || row->type == KO_OPT_DURATION;

        if (!row->text || strlen(row->text) < 20 || row->text[strlen(row->text) - 1] != '.')
            fail_msg("%s: the text is missing or no sentence", row->key);
        if (!row->unit || !*row->unit || (is_number && strcmp(row->unit, "-") == 0))
            fail_msg("%s: the unit is missing", row->key);
        if (row->type == KO_OPT_DURATION && strcmp(row->unit, "milliseconds") != 0)
            fail_msg("%s: durations are in milliseconds", row->key);
        if ((row->type == KO_OPT_ENUM) != (row->choices != NULL))
            fail_msg("%s: choices belong to ENUM", row->key);
        if (row->min > row->max)
            fail_msg("%s: min is over max", row->key);
    }
}

static void no_two_settings_share_a_key_a_flag_or_a_variable(void **state)
{
    (void)state;
    for (size_t i = 0; i < ko_conf_table.count; i++) {
        char flag[128];
        char env[128];

        ko_option_flag(&ko_conf_table.rows[i], flag, sizeof(flag));
        ko_option_env(&ko_conf_table.rows[i], env, sizeof(env));
        assert_string_not_equal(flag, "--config");
        assert_string_not_equal(flag, "--help");
        assert_string_not_equal(flag, "--json");
        for (size_t j = 0; j < i; j++) {
            char other_flag[128];
            char other_env[128];

            ko_option_flag(&ko_conf_table.rows[j], other_flag, sizeof(other_flag));
            ko_option_env(&ko_conf_table.rows[j], other_env, sizeof(other_env));
            assert_string_not_equal(ko_conf_table.rows[i].key, ko_conf_table.rows[j].key);
            assert_string_not_equal(flag, other_flag);
            assert_string_not_equal(env, other_env);
        }
    }
}

/* Also proves that the defaults are within their own bounds: ko_options_new() asserts it. */
static void the_defaults_are_valid(void **state)
{
    ko_autoptr(ko_options) opts = ko_options_new(&ko_conf_table);
    (void)state;

    assert_int_equal(ko_options_u64(opts, KO_CONF_http_idle_timeout), 120000);
    assert_string_equal(ko_options_str(opts, KO_CONF_storage_fsync), "always");
}

static void the_flags_that_scripts_rely_on_exist(void **state)
{
    static const char *const flags[] = {"--data=x",         "--listen=:0",  "--tls-cert=c",
                                        "--tls-key=k",      "--plain-http", "--log-format=json",
                                        "--log-level=debug"};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(flags); i++) {
        ko_autoptr(ko_options) opts = ko_options_new(&ko_conf_table);
        int used = 0;

        assert_int_equal(ko_options_take_flag(opts, 1, &flags[i], &used, NULL), 0);
        assert_int_equal(used, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_has_text_and_unit),
        cmocka_unit_test(no_two_settings_share_a_key_a_flag_or_a_variable),
        cmocka_unit_test(the_defaults_are_valid),
        cmocka_unit_test(the_flags_that_scripts_rely_on_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
