#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/account.h"
#include "common/base/clock.h"

#define COST KO_PASSWORD_COST_LEAST

static int set_up(void **state)
{
    ko_meta *meta = NULL;

    assert_int_equal(ko_meta_open_memory(&meta, NULL), 0);
    *state = meta;
    return 0;
}

static int tear_down(void **state)
{
    ko_meta_free(*state);
    return 0;
}

static void a_name_is_one_component_of_a_repository_name(void **state)
{
    static const struct {
        const char *name;
        bool fine;
    } rows[] = {
        {"alice", true},
        {"a", true},
        {"team-1.x_y", true},
        {"a__b", true},
        {"", false},
        {"Alice", false},
        {"-a", false},
        {"a-", false},
        {"a/b", false},
        {"a..b", false},
        {"a b", false},
        {"a:b", false},
        {"\xc3\xa4", false},
        {"admin", true},
        {"v2", false},
        {"anonymous", false},
        {"0123456789012345678901234567890123456789012345678901234567890123", true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = KO_ERR_INIT;
        int rc = ko_account_check_name(ko_str_of(rows[i].name), &err);

        if ((rc == 0) != rows[i].fine)
            fail_msg("%s", rows[i].name);
        assert_int_equal(err.code, rows[i].fine ? KO_E_NONE : KO_E_INVALID);
    }
}

static ko_err_code create(ko_meta *meta, ko_account_new spec, int64_t *id)
{
    ko_err err = KO_ERR_INIT;

    return ko_account_create(meta, COST, &spec, id, &err) < 0 ? err.code : KO_E_NONE;
}

static void an_account_is_created_once_and_by_the_rules(void **state)
{
    ko_meta *meta = *state;
    ko_account_new person = {.name = KO_STR("alice"), .password = KO_STR("long enough")};
    ko_account_new weak = {.name = KO_STR("bob"), .password = KO_STR("short")};
    ko_account_new robot = {.kind = KO_META_ROBOT, .name = KO_STR("ci")};
    ko_account_new admin_robot = {.kind = KO_META_ROBOT, .name = KO_STR("cj"), .is_admin = true};
    ko_account_new robot_with_password = {
        .kind = KO_META_ROBOT, .name = KO_STR("ck"), .password = KO_STR("long enough")};
    int64_t id = 0;

    assert_int_equal(create(meta, person, &id), KO_E_NONE);
    assert_true(id > 0);
    assert_int_equal(create(meta, person, &id), KO_E_EXISTS);
    assert_int_equal(create(meta, weak, &id), KO_E_INVALID);
    assert_int_equal(create(meta, robot, &id), KO_E_NONE);
    assert_int_equal(create(meta, admin_robot, &id), KO_E_INVALID);
    assert_int_equal(create(meta, robot_with_password, &id), KO_E_INVALID);
    ko_err err = KO_ERR_INIT;
    assert_int_equal(ko_account_set_password(meta, COST, id, KO_STR("long enough"), &err), -1);
    assert_int_equal(err.code, KO_E_INVALID); /* a robot */
    assert_int_equal(ko_account_set_password(meta, COST, 4711, KO_STR("long enough"), &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
}

static void a_secret_is_checked_before_it_is_made(void **state)
{
    ko_meta *meta = *state;
    ko_account_new person = {.name = KO_STR("alice"), .password = KO_STR("long enough")};
    ko_account_new robot = {.kind = KO_META_ROBOT, .name = KO_STR("ci")};
    static const struct {
        const char *name;
        const char *scope;
        int64_t expires_in_s;
        ko_err_code want;
    } rows[] = {
        {"laptop", "", 0, KO_E_NONE},
        {"laptop", "repository:a/*:pull", 3600, KO_E_NONE},
        {"laptop", "repository:a/b:pull registry:catalog:*", 0, KO_E_NONE},
        {"", "", 0, KO_E_INVALID},
        {"line\nbreak", "", 0, KO_E_INVALID},
        {"laptop", "rubbish", 0, KO_E_INVALID},
        {"laptop", "repository:a/*/b:pull", 0, KO_E_INVALID},
        {"laptop", "repository:a/b:", 0, KO_E_INVALID},
        {"laptop", "vault:a:read", 0, KO_E_INVALID},
        {"laptop", "", -1, KO_E_INVALID},
    };
    char text[KO_CREDENTIAL_MAX];
    int64_t alice = 0;
    int64_t ci = 0;
    int64_t id = 0;

    assert_int_equal(create(meta, person, &alice), KO_E_NONE);
    assert_int_equal(create(meta, robot, &ci), KO_E_NONE);
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_account_secret_new spec = {.account_id = alice,
                                      .name = ko_str_of(rows[i].name),
                                      .scope = ko_str_of(rows[i].scope),
                                      .by = alice};
        ko_err err = KO_ERR_INIT;

        if (rows[i].expires_in_s)
            spec.expires_at_s = ko_clock_wall_s() + rows[i].expires_in_s;
        int rc = ko_account_create_secret(meta, &spec, text, &id, &err);
        if (err.code != rows[i].want || (rc == 0) != (err.code == KO_E_NONE))
            fail_msg("row %zu: %s", i, err.text);
    }
    assert_memory_equal(text, "ko_p_", 5);

    ko_account_secret_new for_robot = {.account_id = ci, .name = KO_STR("build"), .by = alice};
    assert_int_equal(ko_account_create_secret(meta, &for_robot, text, &id, NULL), 0);
    assert_memory_equal(text, "ko_b_", 5);
    ko_account_secret_new for_nobody = {.account_id = 4711, .name = KO_STR("x"), .by = alice};
    ko_err err = KO_ERR_INIT;
    assert_int_equal(ko_account_create_secret(meta, &for_nobody, text, &id, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_name_is_one_component_of_a_repository_name),
        T(an_account_is_created_once_and_by_the_rules),
        T(a_secret_is_checked_before_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
