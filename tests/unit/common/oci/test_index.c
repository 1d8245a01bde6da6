/* The printed index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "common/oci/index.h"
#include "common/oci/manifest.h"
#include "tests/unit/common/oci/docs.h"

#define HEAD "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\",\"manifests\":["

static ko_digest digest(const char *text)
{
    ko_digest d;

    assert_int_equal(ko_digest_parse(ko_str_of(text), &d, NULL), 0);
    return d;
}

/* T49 */
static void an_empty_index_has_an_empty_list(void **state)
{
    (void)state;
    ko_index_writer w;
    ko_autobuf buf;

    ko_buf_init(&buf, 1000);
    ko_index_begin(&w, &buf);
    assert_int_equal(ko_index_end(&w, NULL), 0);
    assert_string_equal(buf.data, HEAD "]}");
}

static void entries_have_what_was_given_and_nothing_else(void **state)
{
    (void)state;
    ko_digest d1 = digest(D1), d2 = digest(D2);
    ko_index_writer w;
    ko_autobuf buf;

    ko_buf_init(&buf, 10000);
    ko_index_begin(&w, &buf);
    assert_int_equal(ko_index_add(&w, &(ko_index_entry){&d1, 7, KO_STR(OCI_MANIFEST),
                                                        KO_STR("a/b\""), KO_STR("{\"k\":\"v\"}")}),
                     0);
    assert_int_equal(ko_index_add(&w, &(ko_index_entry){.digest = &d2,
                                                        .size_bytes = INT64_MAX,
                                                        .media_type = KO_STR(OCI_INDEX)}),
                     0);
    assert_int_equal(ko_index_end(&w, NULL), 0);
    assert_string_equal(buf.data, HEAD
                        "{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" D1
                        "\",\"size\":7,\"artifactType\":\"a/b\\\"\",\"annotations\":{\"k\":\"v\"}},"
                        "{\"mediaType\":\"" OCI_INDEX "\",\"digest\":\"" D2
                        "\",\"size\":9223372036854775807}]}");
}

static void what_is_printed_can_be_parsed(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_digest d1 = digest(D1);
    ko_index_writer w;
    ko_autobuf buf;
    ko_manifest m;

    ko_buf_init(&buf, 10000);
    ko_index_begin(&w, &buf);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ko_index_add(&w, &(ko_index_entry){&d1, 7, KO_STR(OCI_MANIFEST),
                                                            KO_STR("a/b"), KO_STR("{}")}),
                         0);
    assert_int_equal(ko_index_end(&w, NULL), 0);
    assert_int_equal(ko_manifest_parse(ko_buf_str(&buf), KO_STR(""), arena, &m, NULL), 0);
    assert_int_equal(m.child_count, 3);
    assert_string_equal(m.children[2].artifact_type, "a/b");
}

static void an_entry_that_does_not_fit_ends_the_page(void **state)
{
    (void)state;
    ko_digest d1 = digest(D1);
    ko_index_entry entry = {.digest = &d1, .size_bytes = 7, .media_type = KO_STR(OCI_MANIFEST)};
    size_t one = strlen("{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" D1 "\",\"size\":7}");
    size_t full = strlen(HEAD) + one + 2;

    for (size_t max = full; max < full + one + 2; max++) {
        ko_index_writer w;
        ko_autobuf buf;
        ko_buf_init(&buf, max);
        ko_index_begin(&w, &buf);
        assert_int_equal(ko_index_add(&w, &entry), 0);
        assert_int_equal(ko_index_add(&w, &entry), max == full + one + 1 ? 0 : -1);
        assert_int_equal(ko_index_end(&w, NULL), 0);
        assert_string_equal(buf.data + buf.len - 4, "7}]}");
    }
}

static void a_buffer_without_room_for_the_head_is_an_error(void **state)
{
    (void)state;
    ko_digest d1 = digest(D1);
    ko_index_writer w;
    ko_autobuf buf;
    ko_err err = KO_ERR_INIT;

    ko_buf_init(&buf, 20);
    ko_index_begin(&w, &buf);
    assert_int_equal(ko_index_add(&w, &(ko_index_entry){.digest = &d1}), -1);
    assert_int_equal(ko_index_end(&w, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_index_has_an_empty_list),
        cmocka_unit_test(entries_have_what_was_given_and_nothing_else),
        cmocka_unit_test(what_is_printed_can_be_parsed),
        cmocka_unit_test(an_entry_that_does_not_fit_ends_the_page),
        cmocka_unit_test(a_buffer_without_room_for_the_head_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
