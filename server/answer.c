/* server/answer.c: see the header. */
#include "server/answer.h"

#include "common/base/secret.h"

#define BODY_MAX (4 * KO_MIB) /* a page of KO_MAX_PAGE entries */

ko_answer *ko_answer_new_size(ko_req *req, size_t size, int (*run)(ko_job *job, ko_err *err),
                              void (*drop)(ko_job *job))
{
    ko_answer *answer =
        (ko_answer *)(void *)ko_job_new_size(req, size, run, drop ? drop : ko_answer_drop);

    ko_buf_init(&answer->body, BODY_MAX);
    answer->status = 200;
    return answer;
}

void ko_answer_drop(ko_job *job)
{
    ko_buf_done(&((ko_answer *)job)->body);
}

/* ---- What was sent ---- */

static bool is_json(const ko_req *req)
{
    ko_str type;

    if (!ko_headers_get(&req->head->headers, "Content-Type", &type))
        return false;
    type = ko_str_trim(ko_str_slice(type, 0, ko_str_find_char(type, ';')));
    return ko_str_eq_nocase(type, KO_STR("application/json"));
}

ko_step_ret ko_answer_read(ko_req *req)
{
    ko_str *document = ko_arena_new_obj(req->arena, ko_str);

    if (!is_json(req))
        return ko_req_problem(req, 415, KO_P_UNSUPPORTED,
                              "send a JSON document, and Content-Type: application/json", NULL,
                              NULL);
    req->state = document;
    return ko_req_read_body(req, KO_MAX_HTTP_SMALL_BODY, document);
}

ko_str ko_answer_document(const ko_req *req)
{
    return *(const ko_str *)req->state;
}

void ko_answer_wipe_document(ko_req *req)
{
    ko_str document = ko_answer_document(req);

    if (document.len > 0)
        ko_secret_wipe((char *)(uintptr_t)document.ptr, document.len);
}

/* ---- Pages ---- */

ko_step_ret ko_answer_page(ko_req *req, ko_answer *answer)
{
    if (ko_page_parse(req, KO_MAX_PAGE, &answer->page) < 0) {
        ko_job_drop(&answer->job);
        return ko_page_refuse(req);
    }
    answer->last = ko_arena_str(answer->job.arena, answer->page.last);
    return KO_NEXT;
}

ko_step_ret ko_answer_page_by_id(ko_req *req, ko_answer *answer)
{
    uint64_t id = 0;

    if (ko_page_parse(req, KO_MAX_PAGE, &answer->page) < 0 ||
        (answer->page.last.len > 0 && ko_parse_u64(answer->page.last, INT64_MAX, &id, NULL) < 0)) {
        ko_job_drop(&answer->job);
        return ko_req_problem(req, 400, KO_P_PAGINATION_NUMBER_INVALID,
                              "n and last must be numbers from 0 up", NULL, NULL);
    }
    answer->last_id = (int64_t)id;
    return KO_NEXT;
}

size_t ko_answer_want(const ko_answer *answer)
{
    return answer->page.limit + 1;
}

bool ko_answer_cut(const ko_answer *answer, size_t *count)
{
    if (*count <= answer->page.limit)
        return false;
    *count = answer->page.limit;
    return *count > 0;
}

void ko_answer_next_id(ko_answer *answer, int64_t id)
{
    answer->next = ko_str_of(ko_arena_printf(answer->job.arena, "%lld", (long long)id));
}

/* ---- Answers ---- */

ko_step_ret ko_answer_send(ko_req *req)
{
    ko_answer *answer = ko_req_job(req, ko_answer);
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/json"));
    ko_headers_add(&headers, "Cache-Control", KO_STR("no-store"));
    if (answer->location)
        ko_headers_add(&headers, "Location", ko_str_of(answer->location));
    if (answer->next.len > 0)
        ko_page_link(req, &headers, &answer->page, answer->next,
                     answer->query ? answer->query : "");
    return ko_req_reply(req, answer->status, &headers, ko_buf_str(&answer->body));
}

bool ko_answer_by_admin(const ko_req *req)
{
    return req->identity->admin && ko_identity_is_whole(req->identity);
}

ko_step_ret ko_answer_deny(ko_req *req, const char *message)
{
    return ko_req_problem(req, 403, KO_P_DENIED, message, NULL, NULL);
}
