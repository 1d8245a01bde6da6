/* Image configurations: whatever is usable is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/limits.h"
#include "common/oci/imgcfg.h"

static ko_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = ko_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena = ko_arena_free(arena);
    return 0;
}

static ko_imgcfg parse(const char *text)
{
    ko_imgcfg cfg;

    assert_int_equal(ko_imgcfg_parse(ko_str_of(text), arena, &cfg, NULL), 0);
    return cfg;
}

static void a_whole_configuration_is_read(void **state)
{
    (void)state;
    ko_imgcfg cfg = parse("{\"created\":\"2026-11-23T20:35:54.123Z\",\"os\":\"linux\","
                          "\"architecture\":\"arm64\",\"variant\":\"v8\",\"config\":{\"Env\":[],"
                          "\"Labels\":{\"b\":\"2\",\"a\":\"1\"}},\"history\":[{}]}");

    assert_string_equal(cfg.os, "linux");
    assert_string_equal(cfg.architecture, "arm64");
    assert_string_equal(cfg.variant, "v8");
    assert_true(cfg.has_created);
    assert_int_equal(cfg.created_at_s, 1795466154);
    assert_int_equal(cfg.labels.count, 2);
    assert_string_equal(cfg.labels.items[0].name, "b");
    assert_string_equal(ko_annotations_find(&cfg.labels, "a"), "1");
}

static void members_that_are_missing_or_mistyped_count_as_unsaid(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"os\":null,\"architecture\":7,\"variant\":[],\"created\":1,\"config\":null}",
        "{\"config\":\"x\"}",
        "{\"config\":[]}",
        "{\"config\":{\"Labels\":null}}",
        "{\"config\":{\"Labels\":[]}}",
        "{\"config\":{\"Labels\":{\"a\":1}}}",
        "{\"name\":\"a helm chart\",\"version\":\"1\"}",
        "{\"created\":\"yesterday\"}",
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_imgcfg cfg = parse(rows[i]);
        assert_string_equal(cfg.os, "");
        assert_string_equal(cfg.architecture, "");
        assert_string_equal(cfg.variant, "");
        assert_false(cfg.has_created);
        assert_int_equal(cfg.labels.count, 0);
    }
}

static void what_is_no_object_is_an_error(void **state)
{
    (void)state;
    static const char *const rows[] = {"", "[]", "\"x\"", "{", "\x1f\x8b", "{\"a\":1,\"a\":2}"};
    ko_imgcfg cfg;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = KO_ERR_INIT;
        assert_int_equal(ko_imgcfg_parse(ko_str_of(rows[i]), arena, &cfg, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

static void an_overlong_configuration_is_too_large(void **state)
{
    (void)state;
    size_t len = KO_MAX_IMAGE_CONFIG + 1;
    ko_autofree char *text = ko_xmalloc(len);
    ko_imgcfg cfg;
    ko_err err = KO_ERR_INIT;

    memset(text, ' ', len);
    assert_int_equal(ko_imgcfg_parse((ko_str){text, len}, arena, &cfg, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_configuration_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(members_that_are_missing_or_mistyped_count_as_unsaid, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_object_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(an_overlong_configuration_is_too_large, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
