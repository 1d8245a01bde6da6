/* server/req.c: the driver of a request's steps.
 *
 * The order is always: route, identify (authn.c), authorise (authn.c), the endpoint's steps, reply,
 * end. Exactly one thing may be pending at a time - a job on the pool or a read of the body - and
 * its completion resumes the driver on the request's loop.
 *
 * A request can end while its job is on the pool (the client went away). Both the end and the
 * completion run on the loop, so the request simply cuts the tie (`job->req = NULL`) and the
 * completion drops the job. Nothing on a pool thread ever sees the request: that is why jobs have
 * an arena and an identity reference of their own. */
#include "server/req.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/oci/ref.h"
#include "server/authn.h"
#include "server/metrics.h"
#include "server/problem.h"
#include "server/proxy.h"

/* ---- Jobs ---- */

ko_job *ko_job_new_size(ko_req *req, size_t size, int (*run)(ko_job *job, ko_err *err),
                        void (*drop)(ko_job *job))
{
    ko_arena *arena = ko_arena_new();
    ko_job *job = ko_arena_alloc(arena, size);

    job->app = ko_app_hold(req->app);
    job->arena = arena;
    job->identity = req->identity;
    if (job->identity)
        ko_identity_ref(job->identity);
    job->run = run;
    job->drop = drop;
    job->req = req;
    return job;
}

void ko_job_drop(ko_job *job)
{
    if (job->drop)
        job->drop(job);
    ko_identity_unref(job->identity);
    ko_app_release(job->app);
    ko_arena_free(job->arena);
}

static void job_run(ko_work *work)
{
    ko_job *job = KO_CONTAINER(work, ko_job, work);

    job->rc = job->run(job, &job->err);
}

static void job_done(ko_work *work)
{
    ko_job *job = KO_CONTAINER(work, ko_job, work);
    ko_req *req = job->req;

    if (!req) {
        ko_job_drop(job);
        return;
    }
    req->pending = NULL;
    job->next = req->job;
    req->job = job;
    if (job->rc < 0 && !job->soft)
        (void)ko_req_fail(req, &job->err);
    else
        ko_req_resume(req);
}

ko_step_ret ko_req_work_admitted(ko_req *req, ko_job *job)
{
    KO_ASSERT(!req->pending);
    job->work.run = job_run;
    job->work.done = job_done;
    ko_pool_continue(req->app->pool, ko_http_loop(req->x), &job->work);
    req->pending = job;
    return KO_WAIT; /* woken by job_done */
}

static ko_step_ret submit_to(ko_pool *pool, ko_req *req, ko_job *job)
{
    ko_err err = KO_ERR_INIT;

    KO_ASSERT(!req->pending);
    job->work.run = job_run;
    job->work.done = job_done;
    if (ko_pool_submit(pool, ko_http_loop(req->x), &job->work, &err) < 0) {
        ko_job_drop(job);
        return ko_req_fail(req, &err);
    }
    req->pending = job;
    return KO_WAIT; /* woken by job_done */
}

ko_step_ret ko_req_work(ko_req *req, ko_job *job)
{
    return submit_to(req->app->pool, req, job);
}

ko_step_ret ko_req_work_login(ko_req *req, ko_job *job)
{
    return submit_to(req->app->logins, req, job);
}

/* ---- The body ---- */

typedef struct {
    ko_req *req;
    ko_str *out;
    char *data;
    size_t len;
    size_t cap;
    size_t max;
} body_reader;

#define BODY_FIRST (16 * KO_KIB) /* when the length is not announced */

void ko_req_body_error(const ko_err *why, ko_err *out)
{
    (void)ko_err_set(out, KO_E_INVALID, "the body is not whole: %s", why->text);
}

static void body_arrived(void *arg, const ko_http_read_result *result);

static void body_ask(body_reader *body)
{
    ko_http_read(body->req->x, body->data + body->len, body->cap - body->len, body_arrived, body);
}

static void body_arrived(void *arg, const ko_http_read_result *result)
{
    body_reader *body = arg;
    ko_req *req = body->req;

    if (result->err) {
        ko_err err;

        ko_req_body_error(result->err, &err);
        (void)ko_req_fail(req, &err);
        return;
    }
    body->len += result->got;
    if (!result->end && body->len < body->cap) {
        body_ask(body);
        return;
    }
    if (!result
             ->end) { /* only a body of unknown length gets here: grow, one byte past the maximum */
        size_t cap = body->cap * 2 > body->max ? body->max + 1 : body->cap * 2;
        char *data;

        if (body->cap > body->max) {
            ko_err err;

            (void)ko_err_set(&err, KO_E_TOO_LARGE, "the body has more than %zu bytes", body->max);
            (void)ko_req_fail(req, &err);
            return;
        }
        data = ko_arena_alloc(req->arena, cap);
        memcpy(data, body->data, body->len);
        body->data = data;
        body->cap = cap;
        body_ask(body);
        return;
    }
    *body->out = (ko_str){body->data, body->len};
    ko_req_resume(req);
}

ko_step_ret ko_req_read_body(ko_req *req, size_t max, ko_str *out)
{
    body_reader *body;
    ko_err err;

    if (req->head->length > (int64_t)max) {
        (void)ko_err_set(&err, KO_E_TOO_LARGE, "the body has more than %zu bytes", max);
        return ko_req_fail(req, &err);
    }
    if (!req->head->has_body) {
        *out = KO_STR("");
        return KO_NEXT;
    }
    body = ko_arena_new_obj(req->arena, body_reader);
    body->req = req;
    body->out = out;
    body->max = max;
    body->cap = req->head->length >= 0 ? (size_t)req->head->length : BODY_FIRST;
    body->data = ko_arena_alloc(req->arena, body->cap);
    body_ask(body);
    return KO_WAIT; /* woken by body_arrived */
}

/* ---- Replies ---- */

void ko_req_headers(ko_req *req, ko_headers *headers)
{
    ko_headers_init(headers, req->arena);
    if (ko_str_has_prefix(req->head->path, KO_STR("/v2")))
        ko_headers_add(headers, "Docker-Distribution-Api-Version", KO_STR("registry/2.0"));
    ko_headers_add(headers, "X-Request-Id", ko_str_of(req->id));
}

ko_step_ret ko_req_reply(ko_req *req, int status, const ko_headers *headers, ko_str body)
{
    KO_ASSERT(!req->replied);
    req->replied = true;
    ko_http_reply(req->x, status, headers, body);
    return KO_DONE;
}

ko_step_ret ko_req_reply_parts(ko_req *req, int status, const ko_headers *headers,
                               const ko_http_part *parts, size_t count)
{
    KO_ASSERT(!req->replied);
    req->replied = true;
    ko_http_reply_parts(req->x, status, headers, parts, count);
    return KO_DONE;
}

ko_step_ret ko_req_reply_body(ko_req *req, int status, const char *type, ko_str body)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", ko_str_of(type));
    return ko_req_reply(req, status, &headers, body);
}

ko_step_ret ko_req_reply_empty(ko_req *req, int status)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    return ko_req_reply(req, status, &headers, KO_STR(""));
}

ko_step_ret ko_req_problem(ko_req *req, int status, ko_problem problem, const char *message,
                           const char *detail, ko_headers *headers)
{
    ko_headers own;
    ko_autobuf body = {0};

    if (!headers) {
        headers = &own;
        ko_req_headers(req, headers);
    }
    ko_headers_add(headers, "Content-Type", KO_STR("application/json"));
    ko_buf_init(&body, KO_MAX_HTTP_SMALL_BODY);
    (void)ko_problem_print(&body, problem, message, detail);
    return ko_req_reply(req, status, headers, ko_buf_str(&body));
}

/* What "not found" and "invalid" mean where this request leads. */
static void meaning_of(const ko_req *req, ko_problem *missing, ko_problem *invalid)
{
    const char *name = req->route.endpoint ? req->route.endpoint->name : "";

    *missing = KO_P_NAME_UNKNOWN;
    *invalid = KO_P_UNSUPPORTED;
    if (ko_str_has_prefix(ko_str_of(name), KO_STR("blob"))) {
        *missing = KO_P_BLOB_UNKNOWN;
        *invalid = KO_P_DIGEST_INVALID;
    } else if (ko_str_has_prefix(ko_str_of(name), KO_STR("upload"))) {
        *missing = KO_P_BLOB_UPLOAD_UNKNOWN;
        *invalid = KO_P_BLOB_UPLOAD_INVALID;
    } else if (ko_str_has_prefix(ko_str_of(name), KO_STR("manifest"))) {
        *missing = KO_P_MANIFEST_UNKNOWN;
        *invalid = KO_P_MANIFEST_INVALID;
    }
}

ko_step_ret ko_req_fail(ko_req *req, const ko_err *err)
{
    ko_problem missing, invalid, problem;
    ko_headers headers;
    int status;

    req->err = *err;
    meaning_of(req, &missing, &invalid);
    problem = ko_problem_of(err, missing, invalid, &status);
    if (err->code == KO_E_NO_SPACE)
        ko_app_storage_failed(req->app);
    if (problem == KO_P_UNSUPPORTED && status == 405)
        status = 400; /* INVALID outside the registry's own nouns: bad input, not a bad method */
    ko_req_headers(req, &headers);
    if (status == 503 || status == 429)
        ko_headers_add(&headers, "Retry-After", KO_STR("2"));
    /* The inner text of our own failures is for the log, not for strangers. */
    return ko_req_problem(req, status, problem,
                          status == 500 ? "internal error: see the server's log for this request id"
                          : status == 507 ? "the registry's storage is full: nothing was stored"
                                          : err->text,
                          status == 500 ? req->id : NULL, &headers);
}

ko_step_ret ko_req_fail_precondition(ko_req *req, const ko_err *err)
{
    if (err->code != KO_E_CONFLICT)
        return ko_req_fail(req, err);
    return ko_req_problem(req, 412, KO_P_DENIED, err->text, NULL, NULL);
}

/* ---- The driver ---- */

void ko_req_resume(ko_req *req)
{
    req->step++;
    ko_req_drive(req);
}

void ko_req_drive(ko_req *req)
{
    ko_step_ret ret;

    KO_ASSERT(!req->running && !req->pending);
    for (;; req->step++) {
        ko_log(KO_DEBUG, "step", KO_F_STR("id", req->id), KO_F_STR("step", req->step->name));
        KO_ASSERT(req->step->fn);
        req->running = true;
        ret = req->step->fn(req);
        req->running = false;
        if (ret != KO_NEXT)
            break;
    }
    KO_ASSERT(ret == KO_WAIT || req->replied);
}

/* Identification and authorisation come before every endpoint's own steps. */
static ko_step_ret enter_endpoint(ko_req *req)
{
    req->step = req->route.endpoint->steps - 1; /* the driver moves on to the first */
    return KO_NEXT;
}

static const ko_step open_prologue[] = {KO_STEP(enter_endpoint), KO_STEPS_END};
static const ko_step checked_prologue[] = {
    KO_STEP(ko_authn_identify),   KO_STEP(ko_authn_identified), KO_STEP(ko_authn_authorise),
    KO_STEP(ko_authn_authorised), KO_STEP(enter_endpoint),      KO_STEPS_END};

static void refuse_route(ko_req *req, ko_route_result result, const char *allow, const ko_err *err)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    switch (result) {
    case KO_ROUTE_NO_METHOD:
        ko_headers_add(&headers, "Allow", ko_str_of(allow));
        (void)ko_req_problem(req, 405, KO_P_UNSUPPORTED, "this method is not supported here", NULL,
                             &headers);
        return;
    case KO_ROUTE_NO_PATH:
        (void)ko_req_problem(req, 404, KO_P_NAME_UNKNOWN, "there is nothing at this path", NULL,
                             &headers);
        return;
    case KO_ROUTE_BAD_PATH:
    case KO_ROUTE_BAD_NAME:
    case KO_ROUTE_OK:
        (void)ko_req_problem(req, 400, KO_P_NAME_INVALID, err->text, NULL, &headers);
        return;
    }
}

void ko_req_begin(void *ctx, ko_http_xchg *x)
{
    ko_arena *arena = ko_http_arena(x);
    ko_req *req = ko_arena_new_obj(arena, ko_req);
    const char *allow = NULL;
    ko_route_result result;
    ko_err err = KO_ERR_INIT;

    req->app = ctx;
    req->settings = ko_app_settings(req->app);
    req->x = x;
    req->arena = arena;
    req->head = ko_http_request(x);
    req->is_head = ko_str_eq(req->head->method, KO_STR("HEAD"));
    req->started_us = ko_clock_mono_us();
    ko_ids_request(req->id);
    ko_proxy_resolve(req);
    ko_http_set_user(x, req);

    result = ko_route_find(req->head->method, req->head->path, arena, &req->route, &allow, &err);
    if (result == KO_ROUTE_OK && ko_url_parse_query(req->head->query, arena, &req->query, &err) < 0)
        result = KO_ROUTE_BAD_PATH;
    if (result != KO_ROUTE_OK) {
        refuse_route(req, result, allow, &err);
        return;
    }
    req->step = req->route.endpoint->need == KO_NEED_NOTHING ? open_prologue : checked_prologue;
    ko_req_drive(req);
}

static void log_access(const ko_req *req, int status, uint64_t received, uint64_t sent,
                       uint64_t took_us, const ko_err *lost)
{
    ko_log(KO_INFO, "request", KO_F_STR("id", req->id), KO_F_STR("from", req->peer),
           KO_F_STR("user", req->identity ? req->identity->name : ""),
           KO_F_VIEW("method", req->head->method), KO_F_VIEW("path", req->head->path),
           KO_F_I64("status", status), KO_F_U64("in", received), KO_F_U64("out", sent),
           KO_F_U64("us", took_us), KO_F_STR("lost", lost ? lost->text : ""));
}

void ko_req_end(void *ctx, ko_http_xchg *x, const ko_err *err)
{
    ko_app *app = ctx;
    ko_req *req = ko_http_user(x);
    uint64_t received, sent, took_us;
    int status;

    if (!req)
        return;
    took_us = ko_clock_mono_us() - req->started_us;
    ko_http_account(x, &status, &received, &sent);
    ko_metrics_request(app->metrics, req->route.endpoint, status, took_us);
    if (req->err.code != KO_E_NONE && status >= 500)
        ko_log(KO_ERROR, "request.failed", KO_F_STR("id", req->id), KO_F_ERR(&req->err),
               KO_F_STR("at", req->err.file), KO_F_I64("line", req->err.line));
    if (req->settings->log_access)
        log_access(req, status, received, sent, took_us, err);
    if (req->on_gone)
        req->on_gone(req);
    if (req->pending)
        req->pending->req = NULL;
    while (req->job) {
        ko_job *job = req->job;

        req->job = job->next;
        ko_job_drop(job);
    }
    ko_identity_unref(req->identity);
}

void ko_req_on_gone(ko_req *req, void (*fn)(ko_req *req))
{
    KO_ASSERT(!req->on_gone);
    req->on_gone = fn;
}
