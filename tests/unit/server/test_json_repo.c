/* The documents about repositories and grants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/limits.h"
#include "common/base/own.h"
#include "server/json_repo.h"

static void a_repository_has_visibility_and_description(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_repo_change doc;
    (void)state;

    assert_int_equal(ko_json_repo_change_read(
                         KO_STR("{\"visibility\":\"private\",\"description\":\"a\\nb\\tc\"}"),
                         arena, &doc, NULL),
                     0);
    assert_int_equal(doc.visibility.value, KO_META_PRIVATE);
    assert_true(ko_str_eq(doc.description.value, KO_STR("a\nb\tc")));
    assert_int_equal(ko_json_repo_change_read(KO_STR("{}"), arena, &doc, NULL), 0);
    assert_false(doc.visibility.set || doc.description.set);
    assert_int_equal(ko_json_repo_change_read(KO_STR("{\"name\":\"other\"}"), arena, &doc, NULL),
                     -1);
}

static void a_description_does_not_drive_a_terminal(void **state)
{
    static const char *const bad[] = {"\\u001b[2J", "a\\u0007", "\\u007f", "x\\u009b31m"};
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_repo_change doc;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *json = ko_arena_printf(arena, "{\"description\":\"%s\"}", bad[i]);
        ko_err err = KO_ERR_INIT;

        assert_int_equal(ko_json_repo_change_read(ko_str_of(json), arena, &doc, &err), -1);
        assert_string_equal(err.text, "description holds control characters");
    }
    assert_int_equal(ko_json_repo_change_read(KO_STR("{\"description\":\"\u00e9\u00a0\u2713\"}"),
                                              arena, &doc, NULL),
                     0);
}

static void a_description_has_16_kib_at_most(void **state)
{
    (void)state;

    for (size_t len = KO_MAX_DESCRIPTION; len <= KO_MAX_DESCRIPTION + 1; len++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_autobuf json = {0};
        ko_json_repo_change doc;

        ko_buf_init(&json, KO_MAX_HTTP_SMALL_BODY);
        (void)ko_buf_printf(&json, "{\"description\":\"%0*d\"}", (int)len, 0);
        assert_int_equal(ko_json_repo_change_read(ko_buf_str(&json), arena, &doc, NULL),
                         len == KO_MAX_DESCRIPTION ? 0 : -1);
    }
}

static void a_grant_has_actions_for_one_account_or_group(void **state)
{
    static const struct {
        const char *json;
        ko_actions want; /* 0: refused */
    } rows[] = {
        {"{\"repository\":\"a/b\",\"account\":\"x\",\"actions\":[\"pull\"]}", KO_ACTION_PULL},
        {"{\"repository\":\"a/*\",\"group\":\"x\",\"actions\":[\"push\",\"pull\",\"push\"]}",
         KO_ACTION_PULL | KO_ACTION_PUSH},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":[\"delete\",\"admin\"]}",
         KO_ACTION_DELETE | KO_ACTION_ADMIN},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":[\"*\"]}", KO_ACTION_ALL},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":[]}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":\"pull\"}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":{\"pull\":true}}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":[\"pull\",\"fly\"]}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":[\"pull\",1]}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\",\"actions\":null}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\"}", 0},
        {"{\"repository\":\"a\",\"actions\":[\"pull\"]}", 0},
        {"{\"group\":\"x\",\"actions\":[\"pull\"]}", 0},
        {"{\"repository\":\"a\",\"group\":\"x\",\"account\":\"y\",\"actions\":[\"pull\"]}", 0},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_json_grant doc;
        ko_err err = KO_ERR_INIT;
        int rc = ko_json_grant_read(ko_str_of(rows[i].json), arena, &doc, &err);

        if (rc != (rows[i].want ? 0 : -1) || (rc == 0 && doc.actions.value != rows[i].want))
            fail_msg("%s: %s", rows[i].json, err.text);
        if (rc < 0)
            assert_int_equal(err.code, KO_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repository_has_visibility_and_description),
        cmocka_unit_test(a_description_does_not_drive_a_terminal),
        cmocka_unit_test(a_description_has_16_kib_at_most),
        cmocka_unit_test(a_grant_has_actions_for_one_account_or_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
