/* server/api_token.c: the token service: GET with Basic credentials or none, OAuth2 POST with a
 * password or a refresh token, and the public keys.
 *
 * Asking for more than the caller has is no error: the token gives the part that it has (T5).
 * Without credentials the token is an anonymous one, good for public repositories.
 *
 * Spec:    distribution docs/content/spec/auth/{token,oauth,jwt}.md; RFC 6749 sections 4.3, 5
 * and 6. */
#include "common/base/clock.h"
#include "common/base/secret.h"
#include "server/audit.h"
#include "server/authn.h"
#include "server/req.h"

typedef struct {
    ko_job job;
    ko_scopes asked;
    bool offline;
    ko_str client;
    /* OAuth2 only. */
    enum { GRANT_NONE, GRANT_PASSWORD, GRANT_REFRESH } grant;
    ko_str user;
    ko_str secret;
    char *address;
    const ko_identity *identity; /* found by the grant */
    bool refused;
    ko_issued issued;
} token_job;

static int authenticate(token_job *job, ko_err *err)
{
    ko_auth *auth = job->job.app->auth;
    ko_str address = ko_str_of(job->address);

    switch (job->grant) {
    case GRANT_NONE:
        job->identity = job->job.identity;
        ko_identity_ref(job->identity);
        return 0;
    case GRANT_PASSWORD:
        return ko_auth_basic(auth, job->user, job->secret, address, &job->identity, err);
    case GRANT_REFRESH:
        return ko_auth_refresh(auth, job->secret, address, &job->identity, err);
    }
    return -1;
}

static int token_run(ko_job *base, ko_err *err)
{
    token_job *job = (token_job *)base;

    if (authenticate(job, err) < 0) {
        job->refused = true;
        return -1;
    }
    return ko_auth_issue(base->app->auth, job->identity, &job->asked, job->offline, job->client,
                         base->arena, &job->issued, err);
}

static void token_drop(ko_job *base)
{
    token_job *job = (token_job *)base;

    ko_identity_unref(job->identity);
    if (job->secret.len > 0)
        ko_secret_wipe((void *)(uintptr_t)job->secret.ptr, job->secret.len);
}

static token_job *token_job_new(ko_req *req)
{
    token_job *job = ko_job_new(req, token_job, token_run, token_drop);

    job->job.soft = true;
    job->address = ko_arena_strdup(job->job.arena, req->peer);
    return job;
}

/* The scope parameters of a query or form, each of which may hold several (T4). */
static int read_scopes(const ko_params *params, token_job *job, ko_err *err)
{
    size_t iter = 0;
    ko_str text;

    while (ko_params_next(params, "scope", &iter, &text))
        if (ko_scope_parse(ko_arena_str(job->job.arena, text), job->job.arena, &job->asked, err) <
            0)
            return -1;
    return 0;
}

static ko_step_ret submit(ko_req *req, token_job *job, const ko_params *params)
{
    ko_str text;
    ko_err err;

    if (read_scopes(params, job, &err) < 0) {
        ko_job_drop(&job->job);
        return ko_req_problem(req, 400, KO_P_UNSUPPORTED, err.text, NULL, NULL);
    }
    job->client = KO_STR("");
    if (ko_params_get(params, "client_id", &text))
        job->client = ko_arena_str(job->job.arena, text);
    return job->grant == GRANT_PASSWORD ? ko_req_work_login(req, &job->job)
                                        : ko_req_work(req, &job->job);
}

/* ---- GET ---- */

static ko_step_ret token_get(ko_req *req)
{
    token_job *job = token_job_new(req);
    ko_str text;

    job->offline =
        ko_params_get(&req->query, "offline_token", &text) && ko_str_eq(text, KO_STR("true"));
    return submit(req, job, &req->query);
}

static void put_field(ko_buf *out, const char *name, const char *value)
{
    (void)ko_buf_printf(out, ",\"%s\":", name);
    (void)ko_buf_put_json(out, ko_str_of(value));
}

static ko_step_ret refuse_login(ko_req *req, const token_job *job)
{
    unsigned wait_s = ko_auth_retry_after_s(req->app->auth, job->user, ko_str_of(req->peer));
    ko_headers headers;

    if (job->job.err.code == KO_E_UNAVAILABLE && wait_s > 0) {
        ko_req_headers(req, &headers);
        ko_headers_addf(&headers, "Retry-After", "%u", wait_s);
        return ko_req_problem(req, 429, KO_P_TOOMANYREQUESTS,
                              "too many failed logins: wait, then try again", NULL, &headers);
    }
    if (job->job.err.code != KO_E_DENIED)
        return ko_req_fail(req, &job->job.err);
    ko_audit_login_failed(req, job->user);
    return ko_req_problem(req, 401, KO_P_UNAUTHORIZED, "incorrect username, password or token",
                          NULL, NULL);
}

static ko_step_ret token_reply(ko_req *req)
{
    const token_job *job = ko_req_job(req, token_job);
    char issued_at[KO_CLOCK_RFC3339_MAX];
    ko_autobuf body = {0}, scope = {0};
    ko_headers headers;

    if (job->job.rc < 0)
        return job->refused ? refuse_login(req, job) : ko_req_fail(req, &job->job.err);
    ko_clock_rfc3339(job->issued.issued_at_s, issued_at);
    ko_buf_init(&body, KO_MAX_HTTP_SMALL_BODY);
    ko_buf_init(&scope, KO_MAX_HTTP_SMALL_BODY);
    (void)ko_scope_print_all(&job->issued.granted, &scope);
    (void)ko_buf_printf(&body, "{\"expires_in\":%llu",
                        (unsigned long long)job->issued.expires_in_s);
    put_field(&body, "token", job->issued.token);
    put_field(&body, "access_token", job->issued.token);
    put_field(&body, "token_type", "Bearer");
    put_field(&body, "issued_at", issued_at);
    put_field(&body, "scope", ko_buf_str(&scope).ptr);
    if (job->issued.refresh_token)
        put_field(&body, "refresh_token", job->issued.refresh_token);
    (void)ko_buf_put_text(&body, "}\n");
    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/json"));
    ko_headers_add(&headers, "Cache-Control", KO_STR("no-store"));
    return ko_req_reply(req, 200, &headers, ko_buf_str(&body));
}

const ko_step ko_token_get_steps[] = {KO_STEP(token_get), KO_STEP(token_reply), KO_STEPS_END};

/* ---- POST ---- */

static ko_step_ret token_read(ko_req *req)
{
    ko_str *body = ko_arena_new_obj(req->arena, ko_str);

    req->state = body;
    return ko_req_read_body(req, KO_MAX_HTTP_SMALL_BODY, body);
}

/* RFC 6749 section 5.2 names the errors of this endpoint. */
static ko_step_ret refuse_grant(ko_req *req, const char *error)
{
    return ko_req_reply_body(req, 400, "application/json",
                             ko_str_of(ko_arena_printf(req->arena, "{\"error\":\"%s\"}\n", error)));
}

static bool read_grant(const ko_params *form, token_job *job, ko_str grant)
{
    bool refresh = ko_str_eq(grant, KO_STR("refresh_token"));
    ko_str user = KO_STR(""), secret;

    job->grant = refresh ? GRANT_REFRESH : GRANT_PASSWORD;
    if (!ko_params_get(form, refresh ? "refresh_token" : "password", &secret) ||
        (!refresh && !ko_params_get(form, "username", &user)))
        return false;
    job->user = ko_arena_str(job->job.arena, user);
    job->secret = ko_arena_str(job->job.arena, secret);
    return true;
}

static ko_step_ret token_post(ko_req *req)
{
    ko_str grant = KO_STR(""), text;
    token_job *job;
    ko_params form;
    ko_err err;

    if (ko_url_parse_query(*(ko_str *)req->state, req->arena, &form, &err) < 0)
        return refuse_grant(req, "invalid_request");
    (void)ko_params_get(&form, "grant_type", &grant);
    if (!ko_str_eq(grant, KO_STR("password")) && !ko_str_eq(grant, KO_STR("refresh_token")))
        return refuse_grant(req, "unsupported_grant_type");
    job = token_job_new(req);
    job->offline = ko_params_get(&form, "access_type", &text) && ko_str_eq(text, KO_STR("offline"));
    if (!read_grant(&form, job, grant)) {
        ko_job_drop(&job->job);
        return refuse_grant(req, "invalid_request");
    }
    return submit(req, job, &form);
}

const ko_step ko_token_post_steps[] = {KO_STEP(token_read), KO_STEP(token_post),
                                       KO_STEP(token_reply), KO_STEPS_END};

/* ---- The keys ---- */

static ko_step_ret jwks_reply(ko_req *req)
{
    ko_autobuf body = {0};

    ko_buf_init(&body, KO_MAX_HTTP_SMALL_BODY);
    (void)ko_auth_print_jwks(req->app->auth, &body);
    return ko_req_reply_body(req, 200, "application/json", ko_buf_str(&body));
}

const ko_step ko_jwks_get_steps[] = {KO_STEP(jwks_reply), KO_STEPS_END};
