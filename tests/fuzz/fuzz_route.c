/* Fuzz target for routes: "METHOD path". What is found has an endpoint and a valid repository name
 * or none; a trailing slash changes nothing; what is refused says why. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"
#include "common/oci/ref.h"
#include "server/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool needs_repo(ko_need need)
{
    return need == KO_NEED_PULL || need == KO_NEED_PUSH || need == KO_NEED_DELETE ||
           need == KO_NEED_REPO_ADMIN;
}

static void check_route(const ko_route *route)
{
    ko_err err;

    KO_ASSERT(route->endpoint && route->endpoint->steps);
    if (route->repo.len > 0)
        KO_ASSERT(ko_ref_check_repo(route->repo, &err) == 0);
    /* Rights are looked up by this name: it must be there. */
    KO_ASSERT(route->repo.len > 0 || !needs_repo(route->endpoint->need));
}

static void check_slash(ko_str method, ko_str path, const ko_route *route, ko_arena *arena)
{
    ko_str longer = ko_str_of(ko_arena_printf(arena, KO_STR_FMT "/", KO_STR_ARG(path)));
    const char *allow = NULL;
    ko_route again;
    ko_err err;

    KO_ASSERT(ko_route_find(method, longer, arena, &again, &allow, &err) == KO_ROUTE_OK);
    KO_ASSERT(again.endpoint == route->endpoint && ko_str_eq(again.repo, route->repo) &&
              ko_str_eq(again.ref, route->ref));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_str text = {(const char *)data, size};
    size_t space = ko_str_find_char(text, ' ');
    const char *allow = NULL;
    ko_err err = KO_ERR_INIT;
    ko_route route;

    if (space == SIZE_MAX || size > KO_MAX_HTTP_LINE)
        return 0;
    ko_str method = ko_str_slice(text, 0, space);
    ko_str path = ko_str_slice(text, space + 1, text.len);

    switch (ko_route_find(method, path, arena, &route, &allow, &err)) {
    case KO_ROUTE_OK:
        check_route(&route);
        if (ko_str_find_char(path, '\0') == SIZE_MAX)
            check_slash(method, path, &route, arena);
        break;
    case KO_ROUTE_NO_METHOD:
        KO_ASSERT(allow && *allow);
        break;
    case KO_ROUTE_BAD_PATH:
    case KO_ROUTE_BAD_NAME:
        KO_ASSERT(err.code == KO_E_INVALID);
        break;
    case KO_ROUTE_NO_PATH:
        break;
    }
    return 0;
}
