/* Media types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "common/oci/media.h"

static void every_known_type_is_found_by_its_name(void **state)
{
    (void)state;
#define X(name, text)                                                                              \
    assert_int_equal(ko_media_of(KO_STR(text)), KO_MEDIA_##name);                                  \
    assert_string_equal(ko_media_text(KO_MEDIA_##name), text);                                     \
    assert_true(ko_media_well_formed(KO_STR(text)));
    KO_MEDIA_TYPES(X)
#undef X
    assert_string_equal(ko_media_text(KO_MEDIA_OTHER), "");
}

static void parameters_and_case_do_not_matter(void **state)
{
    (void)state;
    assert_int_equal(ko_media_of(KO_STR("Application/vnd.OCI.image.index.v1+json ; charset=utf-8")),
                     KO_MEDIA_OCI_INDEX);
    assert_int_equal(ko_media_of(KO_STR("application/vnd.oci.image.index.v1+json;")),
                     KO_MEDIA_OCI_INDEX);
}

static void everything_else_is_other(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        ";",
        "application/json",
        "application/vnd.oci.image.index.v1+jso",
        "application/vnd.oci.image.index.v1+jsonx",
        "application/vnd.oci.image.index.v2+json",
        "application/vnd.buildkit.cacheconfig.v0",
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        assert_int_equal(ko_media_of(ko_str_of(rows[i])), KO_MEDIA_OTHER);
}

static void predicates_sort_the_types(void **state)
{
    (void)state;
    static const struct {
        ko_media media;
        bool manifest, index, nondistributable, schema1;
    } rows[] = {
        {KO_MEDIA_OTHER, false, false, false, false},
        {KO_MEDIA_OCI_MANIFEST, true, false, false, false},
        {KO_MEDIA_OCI_INDEX, true, true, false, false},
        {KO_MEDIA_OCI_ARTIFACT, true, false, false, false},
        {KO_MEDIA_OCI_CONFIG, false, false, false, false},
        {KO_MEDIA_OCI_EMPTY, false, false, false, false},
        {KO_MEDIA_OCI_LAYER_ZSTD, false, false, false, false},
        {KO_MEDIA_OCI_NONDIST, false, false, true, false},
        {KO_MEDIA_OCI_NONDIST_GZIP, false, false, true, false},
        {KO_MEDIA_OCI_NONDIST_ZSTD, false, false, true, false},
        {KO_MEDIA_DOCKER_MANIFEST, true, false, false, false},
        {KO_MEDIA_DOCKER_LIST, true, true, false, false},
        {KO_MEDIA_DOCKER_LAYER_GZIP, false, false, false, false},
        {KO_MEDIA_DOCKER_FOREIGN, false, false, true, false},
        {KO_MEDIA_DOCKER_FOREIGN_GZIP, false, false, true, false},
        {KO_MEDIA_DOCKER_SCHEMA1, true, false, false, true},
        {KO_MEDIA_DOCKER_SCHEMA1_SIGNED, true, false, false, true},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        assert_int_equal(ko_media_is_manifest(rows[i].media), rows[i].manifest);
        assert_int_equal(ko_media_is_index(rows[i].media), rows[i].index);
        assert_int_equal(ko_media_is_nondistributable(rows[i].media), rows[i].nondistributable);
        assert_int_equal(ko_media_is_schema1(rows[i].media), rows[i].schema1);
    }
}

static void the_form_is_that_of_rfc_6838(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"a/b", true},      {"application/vnd.x-y_z.v1+json", true},
        {"a/!b", false},    {"a/b!#$&-^_.+", true},
        {"", false},        {"a", false},
        {"a/", false},      {"/b", false},
        {"a/b/c", false},   {"a/b c", false},
        {"a/b;c=d", false}, {"a/\xc3\xa4", false},
        {".a/b", false},    {"*/*", false},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (ko_media_well_formed(ko_str_of(rows[i].text)) != rows[i].ok)
            fail_msg("%s", rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_type_is_found_by_its_name),
        cmocka_unit_test(parameters_and_case_do_not_matter),
        cmocka_unit_test(everything_else_is_other),
        cmocka_unit_test(predicates_sort_the_types),
        cmocka_unit_test(the_form_is_that_of_rfc_6838),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
