/* server/answer.h: what the endpoints of Kontor's own API have in common: they read a small JSON
 * document, do one job on the pool, and answer with a JSON document, which may be one page of a
 * list.
 *
 * Threads: the request's loop, unless stated otherwise. */
#ifndef KO_SERVER_ANSWER_H
#define KO_SERVER_ANSWER_H

#include "common/base/buf.h"
#include "server/page.h"
#include "server/print.h"
#include "server/req.h"

typedef struct {
    ko_job job;
    ko_buf body;       /* the document; printed on the pool */
    ko_page page;      /* of a list */
    ko_str last;       /* the page begins after this; in the job's arena */
    int64_t last_id;   /* the same for lists ordered by a number */
    ko_str next;       /* where the next page begins; empty: there is none */
    const char *query; /* appended to the link to it ("&a=b"); NULL: nothing */
    int status;        /* 200 unless `run` says otherwise */
    const char *location;
} ko_answer;

/* A zeroed job of a type whose first member is `ko_answer answer`. `drop` may be NULL. */
#define ko_answer_new(req, type, run_fn, drop_fn)                                                  \
    ((type *)(void *)ko_answer_new_size(req, sizeof(type), run_fn, drop_fn))
ko_answer *ko_answer_new_size(ko_req *req, size_t size, int (*run)(ko_job *job, ko_err *err),
                              void (*drop)(ko_job *job));
/* For a `drop` of one's own: releases what the answer owns. */
void ko_answer_drop(ko_job *job);

/* Step: reads a JSON document of at most KO_MAX_HTTP_SMALL_BODY bytes. Anything but
 * application/json is answered 415: a page of another site cannot send that with a browser's
 * remembered credentials without asking first (Fetch standard, "CORS-safelisted request-header").
 */
ko_step_ret ko_answer_read(ko_req *req);
/* What it has read; to be wiped if it may hold a secret. */
ko_str ko_answer_document(const ko_req *req);
void ko_answer_wipe_document(ko_req *req);

/* Reads `n` and `last` of a list ordered by name or by number. Returns NEXT, or DONE when they are
 * refused. */
ko_step_ret ko_answer_page(ko_req *req, ko_answer *answer);
ko_step_ret ko_answer_page_by_id(ko_req *req, ko_answer *answer);
/* How many entries to ask for: one more than the page has. Pool. */
size_t ko_answer_want(const ko_answer *answer);
/* Cuts `*count` to the page; true when a next page follows, whose start is then to be set. Pool. */
bool ko_answer_cut(const ko_answer *answer, size_t *count);
void ko_answer_next_id(ko_answer *answer, int64_t id);

/* Sends what the newest job has printed, with a Link to the next page. */
ko_step_ret ko_answer_send(ko_req *req);

/* The caller is an administrator with all its rights. */
bool ko_answer_by_admin(const ko_req *req);
/* 403 with these words. */
ko_step_ret ko_answer_deny(ko_req *req, const char *message);

#endif
