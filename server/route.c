/* server/route.c: path shapes, and the table of endpoints.
 *
 * A path is cut at its slashes while still percent-encoded, its shape is told by the last
 * components, and only then are the parts decoded: an encoded slash can so never move a border. */
#include "server/route.h"

#include "common/base/buf.h"
#include "common/base/limits.h"
#include "common/http/url.h"
#include "common/oci/ref.h"

typedef enum {
    SHAPE_NONE,
    SHAPE_ROOT,
    SHAPE_BASE,
    SHAPE_BLOB,
    SHAPE_UPLOADS,
    SHAPE_UPLOAD,
    SHAPE_MANIFEST,
    SHAPE_TAGS,
    SHAPE_REFERRERS,
    SHAPE_REPO,
    SHAPE_CATALOG,
    SHAPE_DISCOVER,
    SHAPE_TOKEN,
    SHAPE_JWKS,
    SHAPE_V1_PING,
    SHAPE_V1_SEARCH,
    SHAPE_HEALTHZ,
    SHAPE_READYZ,
    SHAPE_METRICS,
    SHAPE_K_ACCOUNTS,
    SHAPE_K_ACCOUNT,
    SHAPE_K_GROUPS,
    SHAPE_K_GROUP,
    SHAPE_K_TOKENS,
    SHAPE_K_TOKEN,
    SHAPE_K_REPOS,
    SHAPE_K_REPO,
    SHAPE_K_GRANTS,
    SHAPE_K_HISTORY,
    SHAPE_K_AUDIT
} shape;

#define KO_ENDPOINT(name, method, shape, need) extern const ko_step ko_##name##_steps[];
#include "server/routes.def"
#undef KO_ENDPOINT

static const ko_endpoint endpoints[KO_EP_COUNT] = {
#define KO_ENDPOINT(name, method, shape, need)                                                     \
    {KO_EP_##name, #name, method, need, ko_##name##_steps},
#include "server/routes.def"
#undef KO_ENDPOINT
};

static const shape endpoint_shapes[KO_EP_COUNT] = {
#define KO_ENDPOINT(name, method, shape, need) SHAPE_##shape,
#include "server/routes.def"
#undef KO_ENDPOINT
};

/* Paths without a variable part. */
static const struct {
    const char *path;
    shape shape;
} fixed_paths[] = {
    {"/", SHAPE_ROOT},
    {"/v2", SHAPE_BASE},
    {"/v2/_catalog", SHAPE_CATALOG},
    {"/v2/_oci/ext/discover", SHAPE_DISCOVER},
    {"/token", SHAPE_TOKEN},
    {"/jwks", SHAPE_JWKS},
    {"/v1/_ping", SHAPE_V1_PING},
    {"/v1/search", SHAPE_V1_SEARCH},
    {"/healthz", SHAPE_HEALTHZ},
    {"/readyz", SHAPE_READYZ},
    {"/metrics", SHAPE_METRICS},
    {"/v2/_kontor/accounts", SHAPE_K_ACCOUNTS},
    {"/v2/_kontor/groups", SHAPE_K_GROUPS},
    {"/v2/_kontor/tokens", SHAPE_K_TOKENS},
    {"/v2/_kontor/repositories", SHAPE_K_REPOS},
    {"/v2/_kontor/grants", SHAPE_K_GRANTS},
    {"/v2/_kontor/audit", SHAPE_K_AUDIT},
};

/* Kontor's own places with a name behind them: a repository's, or one without slashes. */
static const struct {
    const char *prefix;
    shape shape;
    bool repo;
} named_paths[] = {
    {"/v2/_kontor/accounts/", SHAPE_K_ACCOUNT, false},
    {"/v2/_kontor/groups/", SHAPE_K_GROUP, false},
    {"/v2/_kontor/tokens/", SHAPE_K_TOKEN, false},
    {"/v2/_kontor/repositories/", SHAPE_K_REPO, true},
    {"/v2/_kontor/history/", SHAPE_K_HISTORY, true},
};

typedef struct {
    shape shape;
    ko_str repo; /* still encoded */
    ko_str ref;
} cut;

/* Takes the last component off `path`, with the slash before it. */
static ko_str take_last(ko_str *path)
{
    size_t slash = ko_str_rfind_char(*path, '/');
    ko_str last;

    if (slash == SIZE_MAX) {
        last = *path;
        path->len = 0;
        return last;
    }
    last = ko_str_slice(*path, slash + 1, path->len);
    path->len = slash;
    return last;
}

/* The shapes below /v2/<name>/, told from the right. `path` has neither "/v2/" nor an end slash. */
static cut cut_registry_path(ko_str path)
{
    ko_str before1 = path;
    ko_str last = take_last(&before1);
    ko_str before2 = before1;
    ko_str second = take_last(&before2);
    ko_str before3 = before2;
    ko_str third = take_last(&before3);

    if (ko_str_eq(second, KO_STR("manifests")) && before2.len > 0)
        return (cut){SHAPE_MANIFEST, before2, last};
    if (ko_str_eq(second, KO_STR("referrers")) && before2.len > 0)
        return (cut){SHAPE_REFERRERS, before2, last};
    if (ko_str_eq(second, KO_STR("uploads")) && ko_str_eq(third, KO_STR("blobs")) &&
        before3.len > 0)
        return (cut){SHAPE_UPLOAD, before3, last};
    if (ko_str_eq(second, KO_STR("blobs")) && before2.len > 0)
        return (cut){ko_str_eq(last, KO_STR("uploads")) ? SHAPE_UPLOADS : SHAPE_BLOB, before2,
                     last};
    if (ko_str_eq(second, KO_STR("tags")) && ko_str_eq(last, KO_STR("list")) && before2.len > 0)
        return (cut){SHAPE_TAGS, before2, last};
    return (cut){SHAPE_REPO, path, {"", 0}};
}

static cut cut_path(ko_str path)
{
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    for (size_t i = 0; i < KO_ARRAY_LEN(fixed_paths); i++)
        if (ko_str_eq(path, ko_str_of(fixed_paths[i].path)))
            return (cut){.shape = fixed_paths[i].shape};
    for (size_t i = 0; i < KO_ARRAY_LEN(named_paths); i++) {
        ko_str prefix = ko_str_of(named_paths[i].prefix);

        if (ko_str_has_prefix(path, prefix)) {
            ko_str rest = ko_str_slice(path, prefix.len, path.len);

            if (!named_paths[i].repo && ko_str_find_char(rest, '/') != SIZE_MAX)
                return (cut){.shape = SHAPE_NONE};
            return named_paths[i].repo ? (cut){named_paths[i].shape, rest, {"", 0}}
                                       : (cut){named_paths[i].shape, {"", 0}, rest};
        }
    }
    /* Extension names begin with '_', which no repository name can. */
    if (ko_str_has_prefix(path, KO_STR("/v2/")) && path.len > 4 && path.ptr[4] != '_')
        return cut_registry_path(ko_str_slice(path, 4, path.len));
    return (cut){.shape = SHAPE_NONE};
}

/* HEAD is GET without the body. */
static bool method_matches(const char *have, ko_str asked)
{
    return ko_str_eq(ko_str_of(have), asked) ||
           (ko_str_eq(asked, KO_STR("HEAD")) && ko_str_eq(ko_str_of(have), KO_STR("GET")));
}

static const char *allowed_methods(shape want, ko_arena *arena)
{
    ko_autobuf list = {0};

    ko_buf_init(&list, 256);
    for (size_t i = 0; i < KO_EP_COUNT; i++) {
        if (endpoint_shapes[i] != want)
            continue;
        (void)ko_buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", endpoints[i].method);
        if (ko_str_eq(ko_str_of(endpoints[i].method), KO_STR("GET")))
            (void)ko_buf_put_text(&list, ", HEAD");
    }
    return ko_arena_strndup(arena, ko_buf_str(&list).ptr, list.len);
}

static ko_route_result find_endpoint(shape want, ko_str method, ko_arena *arena, ko_route *out,
                                     const char **allow)
{
    bool shape_known = false;

    for (size_t i = 0; i < KO_EP_COUNT; i++) {
        if (endpoint_shapes[i] != want)
            continue;
        shape_known = true;
        if (method_matches(endpoints[i].method, method)) {
            out->endpoint = &endpoints[i];
            return KO_ROUTE_OK;
        }
    }
    /* Nothing but DELETE lives at a bare repository name: to all others it is no place at all. */
    if (!shape_known || want == SHAPE_REPO)
        return KO_ROUTE_NO_PATH;
    *allow = allowed_methods(want, arena);
    return KO_ROUTE_NO_METHOD;
}

ko_route_result ko_route_find(ko_str method, ko_str path, ko_arena *arena, ko_route *out,
                              const char **allow, ko_err *err)
{
    cut parts = cut_path(path);
    ko_route_result result;

    *out = (ko_route){.repo = {"", 0}, .ref = {"", 0}};
    if (parts.shape == SHAPE_NONE)
        return KO_ROUTE_NO_PATH;
    result = find_endpoint(parts.shape, method, arena, out, allow);
    if (result != KO_ROUTE_OK)
        return result;
    if (parts.ref.ptr && ko_url_decode(parts.ref, arena, &out->ref, err) < 0)
        return KO_ROUTE_BAD_PATH;
    if (!parts.repo.ptr || parts.repo.len == 0)
        return KO_ROUTE_OK;
    if (ko_url_decode(parts.repo, arena, &out->repo, err) < 0)
        return KO_ROUTE_BAD_PATH;
    if (ko_ref_check_repo(out->repo, err) < 0)
        return KO_ROUTE_BAD_NAME;
    return KO_ROUTE_OK;
}

const ko_endpoint *ko_route_endpoint(ko_endpoint_id id)
{
    return &endpoints[id];
}
