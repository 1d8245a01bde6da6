#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/json_claims.h"
#include "common/base/own.h"

#define GOOD                                                                                       \
    "\"iss\":\"r\",\"sub\":\"alice\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":10,\"nbf\":9,"          \
    "\"exp\":20,\"ko_account\":7"

static void printed_claims_parse_back(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_scope items[] = {
        {KO_SCOPE_REPOSITORY, KO_STR(""), KO_STR("a/b"), KO_ACTION_PULL | KO_ACTION_PUSH},
        {KO_SCOPE_REPOSITORY, KO_STR("plugin"), KO_STR("c\"d"), KO_ACTION_ALL},
        {KO_SCOPE_CATALOG, KO_STR(""), KO_STR("catalog"), KO_ACTION_ALL},
    };
    ko_claims in = {
        .issuer = KO_STR("registry.example"),
        .subject = KO_STR("alice"),
        .audience = KO_STR("registry.example"),
        .id = KO_STR("id-1"),
        .issued_at_s = 100,
        .not_before_s = 90,
        .expires_at_s = 400,
        .account_id = 7,
        .access = {items, 3},
    };
    ko_claims out;
    ko_autobuf json;
    (void)state;

    ko_buf_init(&json, 4096);
    assert_int_equal(ko_claims_print(&in, &json), 0);
    assert_int_equal(ko_claims_parse(ko_buf_str(&json), in.audience, arena, &out, NULL), 0);
    assert_true(ko_str_eq(out.issuer, in.issuer));
    assert_true(ko_str_eq(out.subject, in.subject));
    assert_true(ko_str_eq(out.id, in.id));
    assert_int_equal(out.issued_at_s, 100);
    assert_int_equal(out.not_before_s, 90);
    assert_int_equal(out.expires_at_s, 400);
    assert_int_equal(out.account_id, 7);
    assert_int_equal(out.access.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(out.access.items[i].type, items[i].type);
        assert_true(ko_str_eq(out.access.items[i].name, items[i].name));
        assert_true(ko_str_eq(out.access.items[i].class_name, items[i].class_name));
        assert_int_equal(out.access.items[i].actions, items[i].actions);
    }
}

static void unknown_claims_and_an_audience_list_are_fine(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_claims out;
    (void)state;

    assert_int_equal(ko_claims_parse(KO_STR("{" GOOD "}"), KO_STR("reg"), arena, &out, NULL), 0);
    assert_int_equal(out.access.count, 0);
    assert_int_equal(
        ko_claims_parse(KO_STR("{\"iss\":\"r\",\"sub\":\"\",\"aud\":[\"x\",\"reg\"],\"jti\":\"1\","
                               "\"iat\":1,\"nbf\":1,\"exp\":2,\"ko_account\":0,\"extra\":{}}"),
                        KO_STR("reg"), arena, &out, NULL),
        0);
}

static void another_audience_is_denied(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_claims out;
    ko_err err = KO_ERR_INIT;
    (void)state;

    assert_int_equal(ko_claims_parse(KO_STR("{" GOOD "}"), KO_STR("rex"), arena, &out, &err), -1);
    assert_int_equal(err.code, KO_E_DENIED);
}

static void claims_of_the_wrong_form_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "null",
        "{",
        "{}",
        "{" GOOD ",\"sub\":\"bob\"}", /* duplicate */
        "{" GOOD "}{}",
        "{\"iss\":1,\"sub\":\"a\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":1,\"nbf\":1,\"exp\":2,"
        "\"ko_account\":0}",
        "{\"iss\":\"r\",\"sub\":\"a\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":1,\"nbf\":1,"
        "\"exp\":\"2\",\"ko_account\":0}",
        "{\"iss\":\"r\",\"sub\":\"a\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":1,\"nbf\":1,"
        "\"exp\":2.5,\"ko_account\":0}",
        "{\"iss\":\"r\",\"sub\":\"a\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":1,\"nbf\":1,"
        "\"exp\":-2,\"ko_account\":0}",
        "{\"iss\":\"r\",\"sub\":\"a\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":1,\"nbf\":1,"
        "\"exp\":9223372036854775807,\"ko_account\":0}",
        "{\"iss\":\"r\",\"sub\":\"a\",\"aud\":\"reg\",\"jti\":\"1\",\"iat\":1,\"nbf\":1,"
        "\"exp\":2,\"ko_account\":-1}",
        "{" GOOD ",\"access\":{}}",
        "{" GOOD ",\"access\":[1]}",
        "{" GOOD ",\"access\":[{\"type\":\"repository\",\"name\":\"a\"}]}",
        "{" GOOD ",\"access\":[{\"type\":\"repository\",\"actions\":[\"pull\"]}]}",
        "{" GOOD ",\"access\":[{\"type\":\"repository\",\"name\":\"a\",\"actions\":[7]}]}",
        "{" GOOD ",\"access\":[{\"type\":\"repository\",\"name\":\"a\",\"class\":1,\"actions\":[]}]"
        "}",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_claims out;
        ko_err err = KO_ERR_INIT;

        if (ko_claims_parse(ko_str_of(rows[i]), KO_STR("reg"), arena, &out, &err) == 0)
            fail_msg("accepted: %s", rows[i]);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

static void deeply_nested_json_is_refused_or_ignored_without_harm(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_claims out;
    ko_autobuf json;
    (void)state;

    ko_buf_init(&json, 65536);
    ko_buf_put_text(&json, "{" GOOD ",\"x\":");
    for (int i = 0; i < 6000; i++)
        ko_buf_put_char(&json, '[');
    assert_int_equal(ko_claims_parse(ko_buf_str(&json), KO_STR("reg"), arena, &out, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_claims_parse_back),
        cmocka_unit_test(unknown_claims_and_an_audience_list_are_fine),
        cmocka_unit_test(another_audience_is_denied),
        cmocka_unit_test(claims_of_the_wrong_form_are_refused),
        cmocka_unit_test(deeply_nested_json_is_refused_or_ignored_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
