/* The documents about accounts, groups and tokens: every type, every refusal, and what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/limits.h"
#include "common/base/own.h"
#include "server/json_account.h"
#include "storage/meta_owner.h"

static void assert_text(ko_str got, const char *want)
{
    if (!ko_str_eq(got, ko_str_of(want)))
        fail_msg("[" KO_STR_FMT "], want [%s]", KO_STR_ARG(got), want);
}

static void every_member_of_a_new_account_is_read(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_account_new doc;
    (void)state;

    assert_int_equal(
        ko_json_account_new_read(
            KO_STR("{\"name\":\"alice\",\"password\":\"p\\nq\",\"email\":\"a@x\","
                   "\"display\":\"\\u00c9\",\"default_visibility\":\"public\",\"admin\":true,"
                   "\"robot\":false,\"quota_private_repositories\":\"default\","
                   "\"quota_bytes\":9007199254740992}"),
            arena, &doc, NULL),
        0);
    assert_text(doc.name.value, "alice");
    assert_text(doc.password.value, "p\nq");
    assert_text(doc.email.value, "a@x");
    assert_text(doc.display.value, "\xc3\x89");
    assert_int_equal(doc.default_visibility.value, KO_META_PUBLIC);
    assert_true(doc.admin.set && doc.admin.value);
    assert_true(doc.robot.set && !doc.robot.value);
    assert_int_equal(doc.quota_private_repositories.value, KO_META_QUOTA_DEFAULT);
    assert_int_equal(doc.quota_bytes.value, 1LL << 53);
}

static void what_is_absent_is_not_set(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_account_new doc;
    (void)state;

    assert_int_equal(ko_json_account_new_read(KO_STR(" { \"name\" : \"a\" } "), arena, &doc, NULL),
                     0);
    assert_true(doc.name.set);
    assert_false(doc.password.set || doc.email.set || doc.display.set ||
                 doc.default_visibility.set || doc.admin.set || doc.robot.set ||
                 doc.quota_private_repositories.set || doc.quota_bytes.set);
}

static void a_bad_member_is_named(void **state)
{
    static const struct {
        const char *json;
        const char *word;
    } rows[] = {
        {"{}", "name is missing"},
        {"{\"name\":5}", "name is not a string"},
        {"{\"name\":null}", "name is not a string"},
        {"{\"name\":[\"a\"]}", "name is not a string"},
        {"{\"name\":\"a\\tb\"}", "name holds control characters"},
        {"{\"name\":\"a\\u007f\"}", "name holds control characters"},
        {"{\"name\":\"a\",\"nick\":\"b\"}", "\"nick\""},
        {"{\"name\":\"a\",\"Admin\":true}", "\"Admin\""},
        {"{\"name\":\"a\",\"\":true}", "\"\""},
        {"{\"name\":\"a\",\"admin\":\"true\"}", "admin"},
        {"{\"name\":\"a\",\"admin\":1}", "admin"},
        {"{\"name\":\"a\",\"admin\":null}", "admin"},
        {"{\"name\":\"a\",\"quota_bytes\":-1}", "quota_bytes"},
        {"{\"name\":\"a\",\"quota_bytes\":1.0}", "quota_bytes"},
        {"{\"name\":\"a\",\"quota_bytes\":9007199254740993}", "quota_bytes"},
        {"{\"name\":\"a\",\"quota_bytes\":\"many\"}", "quota_bytes"},
        {"{\"name\":\"a\",\"default_visibility\":\"Public\"}", "default_visibility"},
        {"{\"name\":\"a\",\"default_visibility\":1}", "default_visibility"},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_json_account_new doc;
        ko_err err = KO_ERR_INIT;

        if (ko_json_account_new_read(ko_str_of(rows[i].json), arena, &doc, &err) != -1)
            fail_msg("%s was accepted", rows[i].json);
        assert_int_equal(err.code, KO_E_INVALID);
        if (!strstr(err.text, rows[i].word))
            fail_msg("%s: %s", rows[i].json, err.text);
    }
}

static void what_is_no_json_object_is_invalid(void **state)
{
    static const ko_str rows[] = {
        {"", 0},
        {"{", 1},
        {"[]", 2},
        {"\"a\"", 3},
        {"null", 4},
        {"{\"a\":}", 6},
        {"{\"a\":1,}", 8},
        {"{} {}", 5},
        {"{}x", 3},
        {"{\"a\"}", 5},
        {"{'a':1}", 7},
        {"{\"\xff\":1}", 7},
        {"{\"\\u0000\":1}", 12},
        {"{\"a\":NaN}", 9},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_json_account_change doc;
        ko_err err = KO_ERR_INIT;

        if (ko_json_account_change_read(rows[i], arena, &doc, &err) != -1)
            fail_msg("row %zu was accepted", i);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

static void a_duplicate_member_is_invalid(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_account_change doc;
    ko_err err = KO_ERR_INIT;
    (void)state;

    assert_int_equal(
        ko_json_account_change_read(KO_STR("{\"admin\":true,\"admin\":true}"), arena, &doc, &err),
        -1);
    assert_int_equal(err.code, KO_E_INVALID);
}

/* What a parser quotes could be a password. */
static void an_error_does_not_quote_the_document(void **state)
{
    static const char *const rows[] = {
        "{\"password\":hunter2hunter2}", "{\"password\":\"hunter2hunter2}",
        "{\"password\":\"hunter2hunter2\"", "{\"password\":\"hunter2hunter2\" x"};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_json_account_change doc;
        ko_err err = KO_ERR_INIT;

        assert_int_equal(ko_json_account_change_read(ko_str_of(rows[i]), arena, &doc, &err), -1);
        assert_null(strstr(err.text, "hunter2"));
    }
}

static void lengths_are_limited(void **state)
{
    static const struct {
        const char *member;
        size_t max;
    } rows[] = {{"email", 254}, {"display", 128}};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        for (size_t len = rows[i].max; len <= rows[i].max + 1; len++) {
            ko_autoptr(ko_arena) arena = ko_arena_new();
            ko_json_account_change doc;
            ko_autobuf json = {0};

            ko_buf_init(&json, 1024);
            (void)ko_buf_printf(&json, "{\"%s\":\"%0*d\"}", rows[i].member, (int)len, 0);
            assert_int_equal(ko_json_account_change_read(ko_buf_str(&json), arena, &doc, NULL),
                             len == rows[i].max ? 0 : -1);
        }
    }
}

static void a_document_of_more_than_64_kib_is_too_large(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    size_t size = KO_MAX_HTTP_SMALL_BODY + 1;
    char *json = ko_arena_alloc(arena, size);
    ko_json_account_change doc;
    ko_err err = KO_ERR_INIT;
    (void)state;

    memset(json, ' ', size);
    json[0] = '{';
    json[1] = '}';
    assert_int_equal(ko_json_account_change_read((ko_str){json, size - 1}, arena, &doc, &err), 0);
    assert_int_equal(ko_json_account_change_read((ko_str){json, size}, arena, &doc, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

static void deep_nesting_is_refused_where_it_does_not_belong(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    char json[5000] = "{\"email\":";
    ko_json_account_change doc;
    ko_err err = KO_ERR_INIT;
    (void)state;

    memset(json + 9, '[', 2400);
    memset(json + 2409, ']', 2400);
    json[4809] = '}';
    assert_int_equal(ko_json_account_change_read(ko_str_of(json), arena, &doc, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
}

static void members_of_a_group_are_roles_or_null(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_group doc;
    (void)state;

    assert_int_equal(
        ko_json_group_change_read(
            KO_STR("{\"members\":{\"alice\":\"owner\",\"bob\":\"member\",\"carol\":null}}"), arena,
            &doc, NULL),
        0);
    assert_int_equal(doc.members.count, 3);
    for (size_t i = 0; i < doc.members.count; i++) {
        ko_str name = doc.members.items[i].name;
        ko_meta_role want = ko_str_eq(name, KO_STR("alice")) ? KO_META_ROLE_OWNER
                            : ko_str_eq(name, KO_STR("bob")) ? KO_META_ROLE_MEMBER
                                                             : KO_META_ROLE_NONE;

        assert_int_equal(doc.members.items[i].role, want);
    }
    assert_int_equal(ko_json_group_change_read(KO_STR("{\"members\":{}}"), arena, &doc, NULL), 0);
    assert_true(doc.members.set);
    assert_int_equal(doc.members.count, 0);
}

static void bad_members_are_invalid(void **state)
{
    static const char *const rows[] = {
        "{\"members\":[\"alice\"]}",
        "{\"members\":\"alice\"}",
        "{\"members\":null}",
        "{\"members\":{\"alice\":\"none\"}}",
        "{\"members\":{\"alice\":\"Owner\"}}",
        "{\"members\":{\"alice\":2}}",
        "{\"members\":{\"alice\":\"owner\",\"alice\":\"member\"}}",
        "{\"name\":\"other\"}", /* a change does not rename */
        "{\"display\":\"other\"}",
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_json_group doc;
        ko_err err = KO_ERR_INIT;

        if (ko_json_group_change_read(ko_str_of(rows[i]), arena, &doc, &err) != -1)
            fail_msg("%s was accepted", rows[i]);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

static void a_thousand_members_are_changed_at_once_and_no_more(void **state)
{
    (void)state;

    for (size_t count = KO_MAX_MEMBERS_CHANGE; count <= KO_MAX_MEMBERS_CHANGE + 1; count++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_autobuf json = {0};
        ko_json_group doc;

        ko_buf_init(&json, KO_MAX_HTTP_SMALL_BODY);
        (void)ko_buf_put_text(&json, "{\"members\":{");
        for (size_t i = 0; i < count; i++)
            (void)ko_buf_printf(&json, "%s\"u%zu\":null", i > 0 ? "," : "", i);
        (void)ko_buf_put_text(&json, "}}");
        assert_int_equal(ko_buf_ok(&json, NULL), 0);
        assert_int_equal(ko_json_group_change_read(ko_buf_str(&json), arena, &doc, NULL),
                         count == KO_MAX_MEMBERS_CHANGE ? 0 : -1);
    }
}

static void a_token_expires_within_a_hundred_years(void **state)
{
    static const struct {
        const char *json;
        bool fine;
    } rows[] = {
        {"{\"name\":\"t\"}", true},
        {"{\"name\":\"t\",\"expires_in\":0}", true},
        {"{\"name\":\"t\",\"expires_in\":3153600000}", true},
        {"{\"name\":\"t\",\"expires_in\":3153600001}", false},
        {"{\"name\":\"t\",\"expires_in\":99999999999999999999}", false},
        {"{\"name\":\"t\",\"expires_in\":\"1h\"}", false},
        {"{\"name\":\"t\",\"scope\":[]}", false},
        {"{\"scope\":\"\"}", false},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_json_secret_new doc;

        if (ko_json_secret_new_read(ko_str_of(rows[i].json), arena, &doc, NULL) !=
            (rows[i].fine ? 0 : -1))
            fail_msg("%s", rows[i].json);
    }
}

static void what_changes_is_printed_for_the_audit_log_without_values(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_account_change doc;
    ko_autobuf text = {0};
    (void)state;

    assert_int_equal(
        ko_json_account_change_read(KO_STR("{\"email\":\"a@x\",\"password\":\"hunter2hunter2\"}"),
                                    arena, &doc, NULL),
        0);
    ko_buf_init(&text, 256);
    assert_int_equal(ko_json_account_change_print(&doc, &text), 0);
    assert_string_equal(text.data, "password, email");
}

static void a_wiped_secret_is_gone(void **state)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_json_account_change doc;
    (void)state;

    assert_int_equal(
        ko_json_account_change_read(KO_STR("{\"password\":\"hunter2\"}"), arena, &doc, NULL), 0);
    ko_json_wipe(&doc.password);
    ko_json_wipe(&doc.current_password);
    assert_memory_equal(doc.password.value.ptr, "\0\0\0\0\0\0\0", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_of_a_new_account_is_read),
        cmocka_unit_test(what_is_absent_is_not_set),
        cmocka_unit_test(a_bad_member_is_named),
        cmocka_unit_test(what_is_no_json_object_is_invalid),
        cmocka_unit_test(a_duplicate_member_is_invalid),
        cmocka_unit_test(an_error_does_not_quote_the_document),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(a_document_of_more_than_64_kib_is_too_large),
        cmocka_unit_test(deep_nesting_is_refused_where_it_does_not_belong),
        cmocka_unit_test(members_of_a_group_are_roles_or_null),
        cmocka_unit_test(bad_members_are_invalid),
        cmocka_unit_test(a_thousand_members_are_changed_at_once_and_no_more),
        cmocka_unit_test(a_token_expires_within_a_hundred_years),
        cmocka_unit_test(what_changes_is_printed_for_the_audit_log_without_values),
        cmocka_unit_test(a_wiped_secret_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
