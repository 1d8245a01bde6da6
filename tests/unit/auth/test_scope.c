/* What a token request may ask for, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/scope.h"
#include "common/base/limits.h"
#include "common/base/own.h"

#define P KO_ACTION_PULL
#define W KO_ACTION_PUSH

static void a_scope_is_parsed(void **state)
{
    static const struct {
        const char *text;
        ko_scope_type type;
        const char *class_name;
        const char *name;
        ko_actions actions;
    } rows[] = {
        {"repository:team/app:pull", KO_SCOPE_REPOSITORY, "", "team/app", P},
        {"repository:team/app:pull,push", KO_SCOPE_REPOSITORY, "", "team/app", P | W},
        {"repository:team/app:push,pull,push", KO_SCOPE_REPOSITORY, "", "team/app", P | W},
        {"repository:team/app:*", KO_SCOPE_REPOSITORY, "", "team/app", KO_ACTION_ALL},
        {"repository:team/app:", KO_SCOPE_REPOSITORY, "", "team/app", 0},
        {"repository:team/app:pull,dance", KO_SCOPE_REPOSITORY, "", "team/app", P},
        {"repository(plugin):team/app:pull", KO_SCOPE_REPOSITORY, "plugin", "team/app", P},
        {"repository:host.example:5000/a/b:pull", KO_SCOPE_REPOSITORY, "", "host.example:5000/a/b",
         P},
        {"repository:UPPER/case:pull", KO_SCOPE_REPOSITORY, "", "UPPER/case", P},
        {"registry:catalog:*", KO_SCOPE_CATALOG, "", "catalog", KO_ACTION_ALL},
        {"registry:other:*", KO_SCOPE_UNKNOWN, "", "other", KO_ACTION_ALL},
        {"registry(x):catalog:*", KO_SCOPE_UNKNOWN, "x", "catalog", KO_ACTION_ALL},
        {"vault:secret:read", KO_SCOPE_UNKNOWN, "", "secret", 0},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_scopes got = {0};
        ko_err err = KO_ERR_INIT;

        assert_int_equal(ko_scope_parse(ko_str_of(rows[i].text), arena, &got, &err), 0);
        assert_int_equal(got.count, 1);
        assert_int_equal(got.items[0].type, rows[i].type);
        assert_true(ko_str_eq(got.items[0].class_name, ko_str_of(rows[i].class_name)));
        assert_true(ko_str_eq(got.items[0].name, ko_str_of(rows[i].name)));
        assert_int_equal(got.items[0].actions, rows[i].actions);
    }
}

static void a_malformed_scope_is_refused_and_changes_nothing(void **state)
{
    static const char *const rows[] = {
        "x",
        "repository",
        "repository:",
        "repository:a",
        "repository::pull",
        ":a:pull",
        "Repository:a:pull",
        "repository():a:pull",
        "repository(plugin:a:pull",
        "repository(plu gin):a:pull",
        "repository(plugin)x:a:pull",
        "repository)plugin(:a:pull",
        "repository:a:PULL",
        "repository:a:pull;push",
        "repository:a\tb:pull",
        "repository:a\"b:pull",
        "repository:\xc3\xa4:pull",
        "repository:a:pull repository:b",
        "registry:catalog:**",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_scope before = {.name = KO_STR("old")};
        ko_scopes got = {.items = &before, .count = 1};
        ko_err err = KO_ERR_INIT;

        if (ko_scope_parse(ko_str_of(rows[i]), arena, &got, &err) == 0)
            fail_msg("accepted: %s", rows[i]);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_int_equal(got.count, 1);
        assert_ptr_equal(got.items, &before);
    }
}

/* T4: several in one parameter, several parameters, and the same resource twice. */
static void scopes_add_up_over_spaces_and_repeated_parameters(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_scopes got = {0};
    ko_autobuf text;
    (void)state;

    ko_buf_init(&text, 1024);
    assert_int_equal(
        ko_scope_parse(KO_STR("repository:b/x:pull,push  repository:a/y:pull"), arena, &got, NULL),
        0);
    assert_int_equal(ko_scope_parse(KO_STR(""), arena, &got, NULL), 0);
    assert_int_equal(ko_scope_parse(KO_STR(" registry:catalog:* repository:a/y:delete "
                                           "vault:v:x repository:c/z:"),
                                    arena, &got, NULL),
                     0);
    assert_int_equal(got.count, 5);
    ko_scope_sort(&got);
    assert_int_equal(ko_scope_print_all(&got, &text), 0);
    assert_string_equal(text.data,
                        "repository:a/y:pull,delete repository:b/x:pull,push registry:catalog:*");
    assert_true(ko_scope_has_catalog(&got));
    assert_int_equal(ko_scope_actions_on(&got, KO_STR("b/x"), false), P | W);
    assert_int_equal(ko_scope_actions_on(&got, KO_STR("b/xx"), false), 0);
}

static void more_scopes_than_the_limit_are_refused(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_scopes got = {0};
    ko_err err = KO_ERR_INIT;
    char text[64];
    (void)state;

    for (int i = 0; i < KO_MAX_SCOPES; i++) {
        snprintf(text, sizeof(text), "repository:a/r%d:pull", i);
        assert_int_equal(ko_scope_parse(ko_str_of(text), arena, &got, &err), 0);
    }
    assert_int_equal(ko_scope_parse(KO_STR("repository:a/r0:push"), arena, &got, &err), 0);
    assert_int_equal(ko_scope_parse(KO_STR("repository:a/new:pull"), arena, &got, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    assert_int_equal(got.count, KO_MAX_SCOPES);
}

static void an_over_long_scope_or_name_is_refused(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autobuf text;
    ko_scopes got = {0};
    ko_err err = KO_ERR_INIT;
    (void)state;

    ko_buf_init(&text, 8192);
    ko_buf_put_text(&text, "repository:");
    for (int i = 0; i < KO_MAX_REPO_NAME + 1; i++)
        ko_buf_put_char(&text, 'a');
    ko_buf_put_text(&text, ":pull");
    assert_int_equal(ko_scope_parse(ko_buf_str(&text), arena, &got, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    for (int i = 0; i < KO_MAX_SCOPE_TEXT; i++)
        ko_buf_put_char(&text, ' ');
    assert_int_equal(ko_scope_parse(ko_buf_str(&text), arena, &got, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

static void a_pattern_is_a_name_or_a_prefix_with_one_star(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } rows[] = {
        {"a/b", "a/b", true},      {"a/b", "a/bc", false},
        {"a/*", "a/b", true},      {"a/*", "a/b/c", true},
        {"a/*", "a", false},       {"a/*", "ab/c", false},
        {"*", "anything/x", true}, {"a/b*", "a/bc", true},
        {"a/*/c", "a/b/c", false}, {"", "", true},
        {"", "a", false},          {"**", "a", false},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (ko_scope_matches(ko_str_of(rows[i].pattern), ko_str_of(rows[i].name)) !=
            rows[i].matches)
            fail_msg("%s on %s", rows[i].pattern, rows[i].name);
}

static void patterns_count_only_where_they_are_asked_for(void **state)
{
    ko_scope items[] = {{.type = KO_SCOPE_REPOSITORY, .name = KO_STR("a/*"), .actions = P}};
    ko_scopes scopes = {items, 1};
    (void)state;

    assert_int_equal(ko_scope_actions_on(&scopes, KO_STR("a/b"), true), P);
    assert_int_equal(ko_scope_actions_on(&scopes, KO_STR("a/b"), false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_is_parsed),
        cmocka_unit_test(a_malformed_scope_is_refused_and_changes_nothing),
        cmocka_unit_test(scopes_add_up_over_spaces_and_repeated_parameters),
        cmocka_unit_test(more_scopes_than_the_limit_are_refused),
        cmocka_unit_test(an_over_long_scope_or_name_is_refused),
        cmocka_unit_test(a_pattern_is_a_name_or_a_prefix_with_one_star),
        cmocka_unit_test(patterns_count_only_where_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
