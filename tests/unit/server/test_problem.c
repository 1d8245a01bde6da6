/* From an error to a status and an error document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "server/problem.h"

static void every_error_code_has_a_status_and_a_problem(void **state)
{
    static const struct {
        ko_err_code code;
        ko_problem problem;
        int status;
    } rows[] = {
        {KO_E_NONE, KO_P_UNKNOWN, 500},
        {KO_E_NOT_FOUND, KO_P_MANIFEST_UNKNOWN, 404},
        {KO_E_EXISTS, KO_P_DENIED, 409},
        {KO_E_INVALID, KO_P_MANIFEST_INVALID, 400},
        {KO_E_DENIED, KO_P_DENIED, 403},
        {KO_E_TOO_LARGE, KO_P_SIZE_INVALID, 413},
        {KO_E_CONFLICT, KO_P_DENIED, 409},
        {KO_E_CORRUPT, KO_P_UNKNOWN, 500},
        {KO_E_DIGEST_MISMATCH, KO_P_DIGEST_INVALID, 400},
        {KO_E_UNAVAILABLE, KO_P_TOOMANYREQUESTS, 503},
        {KO_E_NO_SPACE, KO_P_DENIED, 507},
        {KO_E_IO, KO_P_UNKNOWN, 500},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = {.code = rows[i].code};
        int status = 0;
        ko_problem got = ko_problem_of(&err, KO_P_MANIFEST_UNKNOWN, KO_P_MANIFEST_INVALID, &status);

        if (got != rows[i].problem || status != rows[i].status)
            fail_msg("%s: %s %d", ko_err_name(rows[i].code), ko_problem_name(got), status);
    }
}

/* The status of these is what clients branch on beside the code (registry-protocol, T40, T58). */
static void codes_have_the_status_that_the_specification_gives_them(void **state)
{
    static const struct {
        ko_problem problem;
        const char *name;
        int status;
    } rows[] = {
        {KO_P_BLOB_UNKNOWN, "BLOB_UNKNOWN", 404},
        {KO_P_BLOB_UPLOAD_UNKNOWN, "BLOB_UPLOAD_UNKNOWN", 404},
        {KO_P_MANIFEST_UNKNOWN, "MANIFEST_UNKNOWN", 404},
        {KO_P_MANIFEST_BLOB_UNKNOWN, "MANIFEST_BLOB_UNKNOWN", 404},
        {KO_P_NAME_UNKNOWN, "NAME_UNKNOWN", 404},
        {KO_P_RANGE_INVALID, "RANGE_INVALID", 416},
        {KO_P_UNAUTHORIZED, "UNAUTHORIZED", 401},
        {KO_P_DENIED, "DENIED", 403},
        {KO_P_UNSUPPORTED, "UNSUPPORTED", 405},
        {KO_P_TOOMANYREQUESTS, "TOOMANYREQUESTS", 429},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        assert_int_equal(ko_problem_status(rows[i].problem), rows[i].status);
        assert_string_equal(ko_problem_name(rows[i].problem), rows[i].name);
    }
}

static void a_document_is_json_whatever_the_text(void **state)
{
    static const struct {
        const char *message;
        const char *detail;
        const char *want;
    } rows[] = {
        {NULL, NULL,
         "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"requested access to the resource is "
         "denied\"}]}\n"},
        {"no", NULL, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\"}]}\n"},
        {"say \"no\"\n", "a\\b",
         "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"say \\\"no\\\"\\n\","
         "\"detail\":\"a\\\\b\"}]}\n"},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autobuf out = {0};

        ko_buf_init(&out, 4096);
        assert_int_equal(ko_problem_print(&out, KO_P_DENIED, rows[i].message, rows[i].detail), 0);
        assert_string_equal(out.data, rows[i].want);
    }
}

static void several_errors_share_one_document(void **state)
{
    ko_autobuf out = {0};
    (void)state;

    ko_buf_init(&out, 4096);
    (void)ko_problem_list_begin(&out);
    (void)ko_problem_list_item(&out, KO_P_MANIFEST_BLOB_UNKNOWN, "m", "sha256:1}");
    (void)ko_problem_list_item(&out, KO_P_MANIFEST_BLOB_UNKNOWN, "m", "sha256:2");
    (void)ko_problem_list_end(&out);
    assert_int_equal(ko_buf_ok(&out, NULL), 0);
    assert_string_equal(out.data,
                        "{\"errors\":["
                        "{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":\"m\",\"detail\":"
                        "\"sha256:1}\"},"
                        "{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":\"m\",\"detail\":"
                        "\"sha256:2\"}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_code_has_a_status_and_a_problem),
        cmocka_unit_test(codes_have_the_status_that_the_specification_gives_them),
        cmocka_unit_test(a_document_is_json_whatever_the_text),
        cmocka_unit_test(several_errors_share_one_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
