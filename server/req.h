/* server/req.h: the life of a request: identify, authorise, then the endpoint's steps.
 *
 * A step does one thing and returns NEXT, WAIT or DONE; the driver in req.c runs them and ends the
 * request with a problem document when one fails. Blocking work goes to the pool as a ko_job, which
 * has its own memory and sees no request; when the request has gone meanwhile the job is dropped.
 *
 * Threads: a ko_req belongs to its loop. */
#ifndef KO_SERVER_REQ_H
#define KO_SERVER_REQ_H

#include "auth/auth.h"
#include "common/base/arena.h"
#include "common/base/ids.h"
#include "common/http/server.h"
#include "common/http/url.h"
#include "common/loop/work.h"
#include "server/app.h"
#include "server/problem.h"
#include "server/route.h"

typedef struct ko_job ko_job;

typedef struct ko_req {
    ko_app *app;
    const ko_settings *settings; /* as they were when the request began */
    ko_http_xchg *x;
    ko_arena *arena; /* the exchange's */
    const ko_http_head *head;
    ko_route route;
    ko_params query;
    const ko_identity *identity; /* who asks; set before the first step; a reference */
    unsigned actions;            /* KO_ACTION_ bits on route.repo */
    bool is_head;
    char id[KO_IDS_REQUEST_MAX];
    bool behind_proxy;
    const char *peer; /* the client's address, seen through trusted proxies */
    void *state;      /* the endpoint's own, in the arena */

    /* The driver's own. */
    const ko_step *step;
    ko_job *job;     /* finished jobs, newest first: they live until the request ends */
    ko_job *pending; /* on the pool now */
    uint64_t started_us;
    void (*on_gone)(struct ko_req *req); /* see ko_req_on_gone() */
    void *transfer;                      /* see transfer.c; NULL when there is none under way */
    ko_err err;                          /* why it failed, for the log */
    bool running;
    bool replied;
} ko_req;

/* The HTTP server's callbacks; ctx is the ko_app. */
void ko_req_begin(void *ctx, ko_http_xchg *x);
void ko_req_end(void *ctx, ko_http_xchg *x, const ko_err *err);

/* Runs the current step and those after it. On the request's loop. */
void ko_req_drive(ko_req *req);
/* Goes on with the step after the one that returned WAIT. On the request's loop. */
void ko_req_resume(ko_req *req);

/* Calls fn once when the request ends, before its memory goes (one per request). */
void ko_req_on_gone(ko_req *req, void (*fn)(ko_req *req));

/* ---- Blocking work ---- */

struct ko_job {
    ko_work work;
    ko_app *app;
    ko_arena *arena;                      /* the job's own; lives until the request ends */
    const ko_identity *identity;          /* a reference of its own */
    int (*run)(ko_job *job, ko_err *err); /* pool thread */
    void (*drop)(ko_job *job); /* releases what the job owns but its arena; may be NULL */
    bool soft;                 /* failure does not end the request: the next step looks at rc */
    int rc;
    ko_err err;
    ko_req *req; /* loop thread only; NULL when the request has gone */
    ko_job *next;
};

/* A zeroed job of a type whose first member is `ko_job job`, in its own arena. */
#define ko_job_new(req, type, run_fn, drop_fn)                                                     \
    ((type *)(void *)ko_job_new_size(req, sizeof(type), run_fn, drop_fn))
ko_job *ko_job_new_size(ko_req *req, size_t size, int (*run)(ko_job *job, ko_err *err),
                        void (*drop)(ko_job *job));
/* Submits; the request resumes when it is done. Takes the job. Returns WAIT, or DONE when the queue
 * is full, which is answered 503. */
ko_step_ret ko_req_work(ko_req *req, ko_job *job);
/* The same on the pool for logins: jobs that may hash a password. */
ko_step_ret ko_req_work_login(ko_req *req, ko_job *job);
/* The same for a job that must run because it releases something: never refused. Returns WAIT. */
ko_step_ret ko_req_work_admitted(ko_req *req, ko_job *job);
/* Drops a job that was never submitted. */
void ko_job_drop(ko_job *job);
/* The job that finished last. */
#define ko_req_job(req, type) ((type *)(void *)(req)->job)

/* ---- The body ---- */

/* Reads a body of at most `max` bytes into the arena, then resumes; *out is set before. Larger is
 * answered 413. Returns WAIT or DONE. */
ko_step_ret ko_req_read_body(ko_req *req, size_t max, ko_str *out);

/* What a failed read of the body means: always the client's doing, never an error of the server. */
void ko_req_body_error(const ko_err *why, ko_err *out);

/* ---- Replies: each returns KO_DONE ---- */

/* Headers for a reply, with the ones every reply has. */
void ko_req_headers(ko_req *req, ko_headers *headers);
ko_step_ret ko_req_reply(ko_req *req, int status, const ko_headers *headers, ko_str body);
/* Parts instead of a body; see ko_http_reply_parts(). */
ko_step_ret ko_req_reply_parts(ko_req *req, int status, const ko_headers *headers,
                               const ko_http_part *parts, size_t count);
/* `type` is "application/json" or another literal. */
ko_step_ret ko_req_reply_body(ko_req *req, int status, const char *type, ko_str body);
ko_step_ret ko_req_reply_empty(ko_req *req, int status);
/* A problem document; `headers` as from ko_req_headers() with additions, or NULL. */
ko_step_ret ko_req_problem(ko_req *req, int status, ko_problem problem, const char *message,
                           const char *detail, ko_headers *headers);
/* The error as a problem document, and remembered for the log. */
ko_step_ret ko_req_fail(ko_req *req, const ko_err *err);
/* The same where CONFLICT means that If-Match or If-None-Match does not hold: 412. */
ko_step_ret ko_req_fail_precondition(ko_req *req, const ko_err *err);

#endif
