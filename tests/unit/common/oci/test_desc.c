/* Annotations as text; descriptors themselves are tested through manifests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "common/oci/desc.h"

static void annotations_print_as_a_json_object(void **state)
{
    (void)state;
    static const ko_annotation items[] = {{"a", "1"}, {"quote\"", "line\n"}};
    ko_autobuf buf;

    ko_buf_init(&buf, 1000);
    assert_int_equal(ko_annotations_print(&(ko_annotations){items, 2}, &buf), 0);
    assert_string_equal(buf.data, "{\"a\":\"1\",\"quote\\\"\":\"line\\n\"}");
    ko_buf_reset(&buf);
    assert_int_equal(ko_annotations_print(&(ko_annotations){0}, &buf), 0);
    assert_string_equal(buf.data, "{}");
}

static void annotations_that_do_not_fit_are_reported(void **state)
{
    (void)state;
    static const ko_annotation items[] = {{"a", "1"}};

    for (size_t max = 0; max < strlen("{\"a\":\"1\"}"); max++) {
        ko_autobuf buf;
        ko_buf_init(&buf, max);
        assert_int_equal(ko_annotations_print(&(ko_annotations){items, 1}, &buf), -1);
    }
}

static void annotations_are_found_by_name(void **state)
{
    (void)state;
    static const ko_annotation items[] = {{"a", "1"}, {"b", "2"}};
    const ko_annotations all = {items, 2};

    assert_string_equal(ko_annotations_find(&all, "b"), "2");
    assert_null(ko_annotations_find(&all, "c"));
    assert_null(ko_annotations_find(&(ko_annotations){0}, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annotations_print_as_a_json_object),
        cmocka_unit_test(annotations_that_do_not_fit_are_reported),
        cmocka_unit_test(annotations_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
