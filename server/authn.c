/* server/authn.c: identification, authorisation and the challenges that go with them.
 *
 * `GET /v2/` without credentials is always answered 401 with a Bearer challenge, even on a registry
 * with nothing but public repositories: classic docker, podman and skopeo read the challenge only
 * there, and with anything else either refuse anonymous pulls or never log in (T1). The token
 * endpoint then gives anonymous tokens.
 *
 * A repository that the caller may not see and one that does not exist get the same answer: 401 to
 * a caller without an account, 403 DENIED to one with (T59). */
#include "server/authn.h"

#include "common/base/hash.h"
#include "common/base/secret.h"
#include "common/oci/ref.h"
#include "server/audit.h"
#include "server/proxy.h"

/* ---- Challenges ---- */

/* Puts text between double quotes of a header. What cannot stand there is dropped: it comes from a
 * Host header or from a scope that was checked before. */
static void put_quoted(ko_buf *out, ko_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
            (void)ko_buf_put_char(out, c);
    }
}

static void add_challenge(ko_req *req, ko_headers *headers, const char *scope, const char *error)
{
    ko_autobuf text = {0};

    ko_buf_init(&text, 4 * KO_KIB);
    (void)ko_buf_put_text(&text, "Bearer realm=\"");
    put_quoted(&text, ko_str_of(ko_proxy_base_url(req)));
    (void)ko_buf_put_text(&text, "/token\",service=\"");
    put_quoted(&text, ko_str_of(req->settings->service));
    (void)ko_buf_put_char(&text, '"');
    if (scope) {
        (void)ko_buf_put_text(&text, ",scope=\"");
        put_quoted(&text, ko_str_of(scope));
        (void)ko_buf_put_char(&text, '"');
    }
    if (error)
        (void)ko_buf_printf(&text, ",error=\"%s\"", error);
    ko_headers_add(headers, "WWW-Authenticate", ko_buf_str(&text));
}

/* The scope that a token for this request needs: "repository:team/app:pull,push", for a mount also
 * that of its source. */
static const char *needed_scope(ko_req *req)
{
    const char *actions = NULL;
    ko_str digest, from;

    switch (req->route.endpoint->need) {
    case KO_NEED_PULL:
        actions = "pull";
        break;
    case KO_NEED_PUSH:
        actions = "pull,push";
        break;
    case KO_NEED_DELETE:
        actions = "delete";
        break;
    case KO_NEED_REPO_ADMIN:
        actions = "admin";
        break;
    case KO_NEED_NOTHING:
    case KO_NEED_ANYONE:
    case KO_NEED_LOGIN:
    case KO_NEED_ACCOUNT:
    case KO_NEED_SUPERUSER:
        return req->route.endpoint->id == KO_EP_catalog_get ? "registry:catalog:*" : NULL;
    }
    if (req->route.endpoint->id == KO_EP_upload_post &&
        ko_params_get(&req->query, "mount", &digest) && ko_params_get(&req->query, "from", &from) &&
        ko_ref_check_repo(from, NULL) == 0)
        return ko_arena_printf(req->arena,
                               "repository:" KO_STR_FMT ":%s repository:" KO_STR_FMT ":pull",
                               KO_STR_ARG(req->route.repo), actions, KO_STR_ARG(from));
    return ko_arena_printf(req->arena, "repository:" KO_STR_FMT ":%s", KO_STR_ARG(req->route.repo),
                           actions);
}

static ko_step_ret challenge(ko_req *req, const char *scope, const char *error, const char *message)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    add_challenge(req, &headers, scope, error);
    return ko_req_problem(req, 401, KO_P_UNAUTHORIZED, message, NULL, &headers);
}

ko_step_ret ko_authn_refuse(ko_req *req, const char *scope)
{
    if (req->identity->kind == KO_ID_ANONYMOUS)
        return challenge(req, scope, NULL, NULL);
    return ko_req_problem(req, 403, KO_P_DENIED, NULL, NULL, NULL);
}

/* ---- Identification ---- */

typedef struct {
    ko_job job;
    const ko_identity *found;
    char *address;
    ko_str user;   /* Basic */
    ko_str secret; /* password or token */
    ko_bearer_use use;
    bool basic;
} identify_job;

static int identify_run(ko_job *base, ko_err *err)
{
    identify_job *job = (identify_job *)base;
    ko_auth *auth = base->app->auth;
    ko_str address = ko_str_of(job->address);

    if (job->basic)
        return ko_auth_basic(auth, job->user, job->secret, address, &job->found, err);
    return ko_auth_bearer(auth, job->secret, job->use, address, &job->found, err);
}

static void identify_drop(ko_job *base)
{
    identify_job *job = (identify_job *)base;

    ko_identity_unref(job->found);
    if (job->secret.len > 0)
        ko_secret_wipe((void *)(uintptr_t)job->secret.ptr, job->secret.len);
}

static ko_step_ret refuse_credentials(ko_req *req, ko_str user, bool basic, const ko_err *err)
{
    unsigned wait_s = ko_auth_retry_after_s(req->app->auth, user, ko_str_of(req->peer));
    ko_headers headers;

    if (err->code == KO_E_UNAVAILABLE && wait_s > 0) {
        ko_req_headers(req, &headers);
        ko_headers_addf(&headers, "Retry-After", "%u", wait_s);
        return ko_req_problem(req, 429, KO_P_TOOMANYREQUESTS,
                              "too many failed logins: wait, then try again", NULL, &headers);
    }
    if (err->code != KO_E_DENIED && err->code != KO_E_INVALID)
        return ko_req_fail(req, err);
    ko_audit_login_failed(req, user);
    return challenge(req, needed_scope(req), basic ? NULL : "invalid_token",
                     basic ? "incorrect username or password"
                           : "the token is not valid (any more)");
}

/* Second step of a slow identification: looks at what the pool found. */
ko_step_ret ko_authn_identified(ko_req *req)
{
    identify_job *job = ko_req_job(req, identify_job);

    if (job->job.rc < 0)
        return refuse_credentials(req, job->user, job->basic, &job->job.err);
    req->identity = job->found;
    job->found = NULL;
    return KO_NEXT;
}

static ko_step_ret identify_slowly(ko_req *req, ko_str user, ko_str secret, bool basic,
                                   ko_bearer_use use)
{
    identify_job *job = ko_job_new(req, identify_job, identify_run, identify_drop);

    job->job.soft = true;
    job->address = ko_arena_strdup(job->job.arena, req->peer);
    job->user = ko_arena_str(job->job.arena, user);
    job->secret = ko_arena_str(job->job.arena, secret);
    job->basic = basic;
    job->use = use;
    return basic ? ko_req_work_login(req, &job->job) : ko_req_work(req, &job->job);
}

static ko_step_ret identify_basic(ko_req *req, ko_str encoded)
{
    ko_autobuf plain = {0};
    ko_str text, user, password;
    ko_step_ret ret;
    size_t colon;
    ko_err err;

    ko_buf_init(&plain, KO_MAX_TOKEN);
    if (ko_base64_decode(encoded, &plain, &err) < 0 ||
        (colon = ko_str_find_char(ko_buf_str(&plain), ':')) == SIZE_MAX) {
        (void)ko_err_set(&err, KO_E_DENIED, "Basic credentials must be base64 of user:password");
        return refuse_credentials(req, KO_STR(""), true, &err);
    }
    text = ko_buf_str(&plain);
    user = ko_str_slice(text, 0, colon);
    password = ko_str_slice(text, colon + 1, text.len);
    /* `docker search` and `podman search` without a login send Basic with nothing in it. */
    req->identity = text.len == 1 ? ko_auth_anonymous(req->app->auth)
                                  : ko_auth_basic_cached(req->app->auth, user, password);
    ret = req->identity ? KO_NEXT : identify_slowly(req, user, password, true, KO_USE_NORMAL);
    ko_secret_wipe(plain.data, plain.len);
    return ret;
}

static ko_step_ret identify_bearer(ko_req *req, ko_str token)
{
    ko_endpoint_id endpoint = req->route.endpoint->id;
    ko_bearer_use use = endpoint == KO_EP_upload_patch || endpoint == KO_EP_upload_put
                            ? KO_USE_UPLOAD
                            : KO_USE_NORMAL;

    req->identity = ko_auth_bearer_cached(req->app->auth, token, use);
    return req->identity ? KO_NEXT : identify_slowly(req, KO_STR(""), token, false, use);
}

ko_step_ret ko_authn_identify(ko_req *req)
{
    ko_str header, scheme, credentials;
    ko_step_ret ret;
    size_t space;
    ko_err err;

    if (!ko_headers_get(&req->head->headers, "Authorization", &header)) {
        req->identity = ko_auth_anonymous(req->app->auth);
        req->step++; /* nothing to look at in ko_authn_identified */
        return KO_NEXT;
    }
    space = ko_str_find_char(header, ' ');
    scheme = ko_str_slice(header, 0, space);
    credentials =
        space == SIZE_MAX ? KO_STR("") : ko_str_trim(ko_str_slice(header, space, header.len));
    if (ko_str_eq_nocase(scheme, KO_STR("Basic"))) {
        ret = identify_basic(req, credentials);
    } else if (ko_str_eq_nocase(scheme, KO_STR("Bearer"))) {
        ret = identify_bearer(req, credentials);
    } else {
        (void)ko_err_set(&err, KO_E_DENIED, "unknown authorization scheme");
        return refuse_credentials(req, KO_STR(""), true, &err);
    }
    if (ret == KO_NEXT)
        req->step++;
    return ret;
}

/* ---- Authorisation ---- */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_actions actions;
} actions_job;

static int actions_run(ko_job *base, ko_err *err)
{
    actions_job *job = (actions_job *)base;

    return ko_auth_actions(base->app->auth, base->identity, job->repo, &job->actions, err);
}

static ko_actions action_of(ko_need need)
{
    switch (need) {
    case KO_NEED_PULL:
        return KO_ACTION_PULL;
    case KO_NEED_PUSH:
        return KO_ACTION_PUSH;
    case KO_NEED_DELETE:
        return KO_ACTION_DELETE;
    case KO_NEED_REPO_ADMIN:
        return KO_ACTION_ADMIN;
    case KO_NEED_NOTHING:
    case KO_NEED_ANYONE:
    case KO_NEED_LOGIN:
    case KO_NEED_ACCOUNT:
    case KO_NEED_SUPERUSER:
        break;
    }
    return 0;
}

ko_step_ret ko_authn_want_scope(ko_req *req, const char *scope)
{
    return challenge(req, scope, "insufficient_scope", NULL);
}

static ko_step_ret refuse_actions(ko_req *req)
{
    const ko_identity *id = req->identity;

    if (id->via == KO_VIA_TOKEN && !(ko_scope_actions_on(&id->access, req->route.repo, id->globs) &
                                     action_of(req->route.endpoint->need)))
        return ko_authn_want_scope(req, needed_scope(req));
    return ko_authn_refuse(req, needed_scope(req));
}

static ko_step_ret judge_actions(ko_req *req)
{
    if (req->actions & action_of(req->route.endpoint->need))
        return KO_NEXT;
    return refuse_actions(req);
}

/* Second step of a slow authorisation. */
ko_step_ret ko_authn_authorised(ko_req *req)
{
    req->actions = ko_req_job(req, actions_job)->actions;
    return judge_actions(req);
}

static ko_step_ret authorise_repo(ko_req *req)
{
    actions_job *job;

    if (req->settings->read_only && req->route.endpoint->need != KO_NEED_PULL)
        return ko_req_problem(
            req, 403, KO_P_DENIED,
            "the registry is read-only at present: nothing can be pushed or deleted", NULL, NULL);
    if (ko_auth_actions_cached(req->app->auth, req->identity, req->route.repo, &req->actions)) {
        req->step++; /* nothing to look at in ko_authn_authorised */
        return judge_actions(req);
    }
    job = ko_job_new(req, actions_job, actions_run, NULL);
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    return ko_req_work(req, &job->job);
}

ko_step_ret ko_authn_authorise(ko_req *req)
{
    const ko_identity *id = req->identity;

    switch (req->route.endpoint->need) {
    case KO_NEED_PULL:
    case KO_NEED_PUSH:
    case KO_NEED_DELETE:
    case KO_NEED_REPO_ADMIN:
        return authorise_repo(req);
    case KO_NEED_NOTHING:
    case KO_NEED_ANYONE:
        break;
    case KO_NEED_LOGIN: /* an anonymous token will do, no credentials at all will not (T1) */
        if (id->via == KO_VIA_NOTHING)
            return challenge(req, needed_scope(req), NULL, NULL);
        break;
    case KO_NEED_ACCOUNT:
        if (id->kind == KO_ID_ANONYMOUS || !ko_identity_is_whole(id))
            return ko_authn_refuse(req, NULL);
        break;
    case KO_NEED_SUPERUSER:
        if (!id->admin || !ko_identity_is_whole(id))
            return ko_authn_refuse(req, NULL);
        break;
    }
    req->step++;
    return KO_NEXT;
}

static bool sees_catalog(const ko_req *req)
{
    switch (req->settings->catalog) {
    case KO_CATALOG_ANYONE:
        break;
    case KO_CATALOG_ACCOUNTS:
        return req->identity->kind != KO_ID_ANONYMOUS;
    case KO_CATALOG_ADMINS:
        return req->identity->admin;
    }
    return true;
}

ko_step_ret ko_authn_may_list(ko_req *req)
{
    if (!sees_catalog(req))
        return ko_authn_refuse(req, "registry:catalog:*");
    if (!ko_auth_may_catalog(req->identity))
        return ko_authn_want_scope(req, "registry:catalog:*");
    return KO_NEXT;
}
