/* From method and path to endpoint, repository and reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/own.h"
#include "server/route.h"

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef struct {
    const char *method;
    const char *path;
    const char *endpoint;
    const char *repo;
    const char *ref;
} good_row;

static void check_good(const good_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        const char *allow = NULL;
        ko_err err = KO_ERR_INIT;
        ko_route route;

        if (ko_route_find(ko_str_of(rows[i].method), ko_str_of(rows[i].path), arena, &route, &allow,
                          &err) != KO_ROUTE_OK)
            fail_msg("%s %s: %s", rows[i].method, rows[i].path, err.text);
        if (strcmp(route.endpoint->name, rows[i].endpoint) != 0)
            fail_msg("%s %s: %s", rows[i].method, rows[i].path, route.endpoint->name);
        if (!ko_str_eq(route.repo, ko_str_of(rows[i].repo)) ||
            !ko_str_eq(route.ref, ko_str_of(rows[i].ref)))
            fail_msg("%s %s: [" KO_STR_FMT "] [" KO_STR_FMT "]", rows[i].method, rows[i].path,
                     KO_STR_ARG(route.repo), KO_STR_ARG(route.ref));
    }
}

static void every_shape_finds_its_endpoint(void **state)
{
    static const good_row rows[] = {
        {"GET", "/", "ops_root", "", ""},
        {"GET", "/v2", "base_get", "", ""},
        {"GET", "/v2/", "base_get", "", ""},
        {"GET", "/v2/a/blobs/" DIGEST, "blob_get", "a", DIGEST},
        {"DELETE", "/v2/a/blobs/" DIGEST, "blob_delete", "a", DIGEST},
        {"POST", "/v2/a/blobs/uploads/", "upload_post", "a", "uploads"},
        {"POST", "/v2/a/blobs/uploads", "upload_post", "a", "uploads"},
        {"GET", "/v2/a/blobs/uploads/u-1", "upload_get", "a", "u-1"},
        {"PATCH", "/v2/a/blobs/uploads/u-1", "upload_patch", "a", "u-1"},
        {"PUT", "/v2/a/blobs/uploads/u-1", "upload_put", "a", "u-1"},
        {"DELETE", "/v2/a/blobs/uploads/u-1", "upload_delete", "a", "u-1"},
        {"GET", "/v2/a/manifests/latest", "manifest_get", "a", "latest"},
        {"PUT", "/v2/a/b/c/manifests/" DIGEST, "manifest_put", "a/b/c", DIGEST},
        {"DELETE", "/v2/a/manifests/latest", "manifest_delete", "a", "latest"},
        {"GET", "/v2/a/tags/list", "tag_list", "a", "list"},
        {"GET", "/v2/a/referrers/" DIGEST, "referrers_get", "a", DIGEST},
        {"DELETE", "/v2/a/b", "repo_delete", "a/b", ""},
        {"GET", "/v2/_catalog", "catalog_get", "", ""},
        {"GET", "/v2/_oci/ext/discover", "discover_get", "", ""},
        {"GET", "/token", "token_get", "", ""},
        {"POST", "/token", "token_post", "", ""},
        {"GET", "/jwks", "jwks_get", "", ""},
        {"GET", "/v1/_ping", "search_ping", "", ""},
        {"GET", "/v1/search", "search_get", "", ""},
        {"GET", "/healthz", "ops_health", "", ""},
        {"GET", "/readyz", "ops_ready", "", ""},
        {"GET", "/metrics", "ops_metrics", "", ""},
    };
    (void)state;

    check_good(rows, KO_ARRAY_LEN(rows));
}

static void places_of_our_own_api_are_found(void **state)
{
    static const good_row rows[] = {
        {"POST", "/v2/_kontor/accounts", "account_post", "", ""},
        {"GET", "/v2/_kontor/accounts/", "account_list", "", ""},
        {"GET", "/v2/_kontor/accounts/alice", "account_get", "", "alice"},
        {"PATCH", "/v2/_kontor/accounts/al%69ce", "account_patch", "", "alice"},
        {"DELETE", "/v2/_kontor/groups/lab/", "group_delete", "", "lab"},
        {"DELETE", "/v2/_kontor/tokens/12", "secret_delete", "", "12"},
        {"GET", "/v2/_kontor/repositories", "repo_list", "", ""},
        {"GET", "/v2/_kontor/repositories/a", "repo_get", "a", ""},
        {"PATCH", "/v2/_kontor/repositories/a/manifests/b", "repo_patch", "a/manifests/b", ""},
        {"DELETE", "/v2/_kontor/repositories/a%2Fb", "repo_remove", "a/b", ""},
        {"POST", "/v2/_kontor/grants", "grant_post", "", ""},
        {"GET", "/v2/_kontor/history/a/tags/list", "history_get", "a/tags/list", ""},
        {"GET", "/v2/_kontor/audit", "audit_list", "", ""},
    };
    (void)state;

    check_good(rows, KO_ARRAY_LEN(rows));
}

/* T64: repositories may be called like the keywords of the protocol. */
static void the_last_keyword_counts(void **state)
{
    static const good_row rows[] = {
        {"GET", "/v2/a/manifests/manifests/latest", "manifest_get", "a/manifests", "latest"},
        {"GET", "/v2/manifests/manifests/manifests", "manifest_get", "manifests", "manifests"},
        {"GET", "/v2/a/manifests/tags/list", "tag_list", "a/manifests", "list"},
        {"GET", "/v2/a/tags/manifests/list", "manifest_get", "a/tags", "list"},
        {"GET", "/v2/a/tags/list/tags/list", "tag_list", "a/tags/list", "list"},
        {"GET", "/v2/a/blobs/blobs/" DIGEST, "blob_get", "a/blobs", DIGEST},
        {"GET", "/v2/a/referrers/manifests/x", "manifest_get", "a/referrers", "x"},
        {"POST", "/v2/blobs/uploads/blobs/uploads/", "upload_post", "blobs/uploads", "uploads"},
        {"PUT", "/v2/blobs/uploads/blobs/uploads/id", "upload_put", "blobs/uploads", "id"},
        {"PUT", "/v2/a/blobs/uploads/manifests", "upload_put", "a", "manifests"},
        {"DELETE", "/v2/tags/list", "repo_delete", "tags/list", ""},
        {"DELETE", "/v2/manifests/x", "repo_delete", "manifests/x", ""},
    };
    (void)state;

    check_good(rows, KO_ARRAY_LEN(rows));
}

static void trailing_slashes_are_forgiven(void **state)
{
    static const good_row rows[] = {
        {"GET", "/v2//", "base_get", "", ""},
        {"GET", "/v2/_catalog/", "catalog_get", "", ""},
        {"GET", "/v2/a/tags/list/", "tag_list", "a", "list"},
        {"POST", "/v2/a/blobs/uploads///", "upload_post", "a", "uploads"},
        {"PUT", "/v2/a/blobs/uploads/u-1/", "upload_put", "a", "u-1"},
        {"GET", "/token/", "token_get", "", ""},
    };
    (void)state;

    check_good(rows, KO_ARRAY_LEN(rows));
}

/* Borders are found before decoding: an encoded slash is part of a name and never ends it. */
static void encoded_bytes_are_decoded_after_the_path_was_cut(void **state)
{
    static const good_row rows[] = {
        {"GET", "/v2/a%2Fb/manifests/latest", "manifest_get", "a/b", "latest"},
        {"GET", "/v2/a/manifests/sha256%3Aaa", "manifest_get", "a", "sha256:aa"},
        {"GET", "/v2/a/manifests/x%2Fy", "manifest_get", "a", "x/y"},
        {"GET", "/v2/a/manifests/%6Catest", "manifest_get", "a", "latest"},
        {"GET", "/v2/a/blobs/..%2F..%2Fetc", "blob_get", "a", "../../etc"},
        {"DELETE", "/v2/a/manifests%2Flatest", "repo_delete", "a/manifests/latest", ""},
    };
    (void)state;

    check_good(rows, KO_ARRAY_LEN(rows));
}

static void head_goes_where_get_goes(void **state)
{
    static const good_row rows[] = {
        {"HEAD", "/v2/", "base_get", "", ""},
        {"HEAD", "/v2/a/blobs/" DIGEST, "blob_get", "a", DIGEST},
        {"HEAD", "/v2/a/manifests/latest", "manifest_get", "a", "latest"},
        {"HEAD", "/v2/a/blobs/uploads/u-1", "upload_get", "a", "u-1"},
        {"HEAD", "/v2/a/tags/list", "tag_list", "a", "list"},
    };
    (void)state;

    check_good(rows, KO_ARRAY_LEN(rows));
}

static ko_route_result find(const char *method, const char *path, ko_arena *arena,
                            const char **allow)
{
    ko_err err = KO_ERR_INIT;
    ko_route route;

    return ko_route_find(ko_str_of(method), ko_str_of(path), arena, &route, allow, &err);
}

static void another_method_is_refused_with_those_that_are_allowed(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *allow;
    } rows[] = {
        {"PUT", "/v2/", "GET, HEAD"},
        {"POST", "/v2/a/manifests/latest", "GET, HEAD, PUT, DELETE"},
        {"PUT", "/v2/a/blobs/" DIGEST, "GET, HEAD, DELETE"},
        {"GET", "/v2/a/blobs/uploads/", "POST"},
        {"HEAD", "/v2/a/blobs/uploads/", "POST"},
        {"POST", "/v2/a/blobs/uploads/u-1", "GET, HEAD, PATCH, PUT, DELETE"},
        {"DELETE", "/token", "GET, HEAD, POST"},
        {"OPTIONS", "/v2/a/tags/list", "GET, HEAD"},
        {"PUT", "/v2/_kontor/accounts/alice", "GET, HEAD, PATCH, DELETE"},
        {"POST", "/v2/_kontor/repositories", "GET, HEAD"},
        {"get", "/v2/", "GET, HEAD"}, /* methods know case */
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        const char *allow = NULL;

        assert_int_equal(find(rows[i].method, rows[i].path, arena, &allow), KO_ROUTE_NO_METHOD);
        assert_string_equal(allow, rows[i].allow);
    }
}

static void what_is_no_place_is_refused(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        ko_route_result want;
    } rows[] = {
        {"GET", "/nothing", KO_ROUTE_NO_PATH},
        {"GET", "", KO_ROUTE_NO_PATH},
        {"GET", "/v3/", KO_ROUTE_NO_PATH},
        {"GET", "/v1", KO_ROUTE_NO_PATH},
        {"GET", "/V2/", KO_ROUTE_NO_PATH},
        {"GET", "/v2x", KO_ROUTE_NO_PATH},
        {"GET", "/v2/a", KO_ROUTE_NO_PATH}, /* only DELETE lives there */
        {"GET", "/v2/a/b/c", KO_ROUTE_NO_PATH},
        {"GET", "/v2/manifests/latest", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_nothing", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_a/manifests/latest", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_catalog/more", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_kontor", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_kontor/accounts/a/b", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_kontor/history", KO_ROUTE_NO_PATH},
        {"GET", "/v2/_kontor/repositories/A", KO_ROUTE_BAD_NAME},
        {"GET", "/v2/_kontor/repositories//a", KO_ROUTE_BAD_NAME},
        {"GET", "/v2/a/manifests/%zz", KO_ROUTE_BAD_PATH},
        {"GET", "/v2/a/manifests/%00", KO_ROUTE_BAD_PATH},
        {"GET", "/v2/a%/manifests/x", KO_ROUTE_BAD_PATH},
        {"GET", "/v2/A/manifests/x", KO_ROUTE_BAD_NAME},
        {"GET", "/v2/a//b/manifests/x", KO_ROUTE_BAD_NAME},
        {"GET", "/v2/../etc/manifests/x", KO_ROUTE_BAD_NAME},
        {"GET", "/v2/a%2F..%2Fb/manifests/x", KO_ROUTE_BAD_NAME},
        {"GET", "/v2/a%20b/tags/list", KO_ROUTE_BAD_NAME},
        {"DELETE", "/v2/a/B", KO_ROUTE_BAD_NAME},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        const char *allow = NULL;

        if (find(rows[i].method, rows[i].path, arena, &allow) != rows[i].want)
            fail_msg("%s %s", rows[i].method, rows[i].path);
    }
}

static void every_row_of_the_table_is_an_endpoint_with_steps(void **state)
{
    (void)state;

    for (int i = 0; i < KO_EP_COUNT; i++) {
        const ko_endpoint *endpoint = ko_route_endpoint((ko_endpoint_id)i);

        assert_int_equal(endpoint->id, i);
        assert_non_null(endpoint->steps[0].fn);
        assert_string_not_equal(endpoint->method, "HEAD");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_finds_its_endpoint),
        cmocka_unit_test(places_of_our_own_api_are_found),
        cmocka_unit_test(the_last_keyword_counts),
        cmocka_unit_test(trailing_slashes_are_forgiven),
        cmocka_unit_test(encoded_bytes_are_decoded_after_the_path_was_cut),
        cmocka_unit_test(head_goes_where_get_goes),
        cmocka_unit_test(another_method_is_refused_with_those_that_are_allowed),
        cmocka_unit_test(what_is_no_place_is_refused),
        cmocka_unit_test(every_row_of_the_table_is_an_endpoint_with_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
