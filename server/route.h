/* server/route.h: from method and path to an endpoint. The rows are in routes.def.
 *
 * Repository names contain slashes and may themselves hold a keyword (`a/manifests`), so the
 * keyword counts that stands last (registry-protocol trap T64). A trailing slash is forgiven.
 *
 * Spec:    OCI Distribution 1.1, "Endpoints".
 * Threads: any. */
#ifndef KO_SERVER_ROUTE_H
#define KO_SERVER_ROUTE_H

#include "common/base/arena.h"
#include "common/base/str.h"

struct ko_req;

/* What a step tells the driver (server/req.c). */
typedef enum {
    KO_NEXT, /* go on with the following step */
    KO_WAIT, /* exactly one thing is pending, which will resume this request */
    KO_DONE  /* the reply has been given */
} ko_step_ret;

typedef struct {
    const char *name; /* for the debug log */
    ko_step_ret (*fn)(struct ko_req *req);
} ko_step;

#define KO_STEP(fn)                                                                                \
    {                                                                                              \
#fn, fn                                                                                    \
    }
#define KO_STEPS_END                                                                               \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

/* What the caller must be allowed to do before the first step runs. */
typedef enum {
    KO_NEED_NOTHING,   /* credentials are not even looked at */
    KO_NEED_ANYONE,    /* whoever it is, anonymous too: identified, never refused */
    KO_NEED_LOGIN,     /* any valid credential, an anonymous token included: the /v2/ ping */
    KO_NEED_ACCOUNT,   /* somebody: not anonymous */
    KO_NEED_SUPERUSER, /* an administrator of this registry */
    KO_NEED_PULL,      /* on the repository in the path, as the rest */
    KO_NEED_PUSH,
    KO_NEED_DELETE,
    KO_NEED_REPO_ADMIN
} ko_need;

typedef enum {
#define KO_ENDPOINT(name, method, shape, need) KO_EP_##name,
#include "server/routes.def"
#undef KO_ENDPOINT
    KO_EP_COUNT
} ko_endpoint_id;

typedef struct {
    ko_endpoint_id id;
    const char *name;   /* for logs and metrics: "blob_get" */
    const char *method; /* HEAD goes where GET goes */
    ko_need need;
    const ko_step *steps;
} ko_endpoint;

/* The parts cut out of a path, percent-decoded. */
typedef struct {
    const ko_endpoint *endpoint;
    ko_str repo; /* empty when the path has none; checked against the name rule */
    ko_str ref;  /* digest, tag, upload or account name: unchecked */
} ko_route;

typedef enum {
    KO_ROUTE_OK,
    KO_ROUTE_NO_PATH,   /* 404 */
    KO_ROUTE_NO_METHOD, /* 405 */
    KO_ROUTE_BAD_PATH,  /* 400: broken escape */
    KO_ROUTE_BAD_NAME   /* 400: the repository name breaks the rule; the error says which */
} ko_route_result;

/* Finds the endpoint. For NO_METHOD, `allow` receives "GET, HEAD, ..." in the arena. */
ko_route_result ko_route_find(ko_str method, ko_str path, ko_arena *arena, ko_route *out,
                              const char **allow, ko_err *err);

const ko_endpoint *ko_route_endpoint(ko_endpoint_id id);

#endif
