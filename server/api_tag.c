/* server/api_tag.c: the tag list of a repository.
 *
 * Without `n` the whole list is given, as clients that know no paging expect it; a registry with
 * very many tags in one repository bounds it by TAGS_MAX and a Link.
 *
 * Spec:    OCI Distribution 1.1 "Listing Tags": byte order, strictly after `last`. */
#include "server/page.h"
#include "server/req.h"
#include "storage/meta_tag.h"

#define TAGS_MAX 100000 /* names in one answer: at most some 13 MiB */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_page page;
    ko_str last;
    ko_str *names;
    size_t count;
    bool more;
    ko_buf body;
} list_job;

static int list_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    list_job *job = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->repo, &repo, err) < 0)
        return -1;
    /* One more than asked tells whether there is a next page. */
    return ko_meta_tag_list_names(tx, repo.id, job->last, job->page.limit + 1, job->job.arena,
                                  &job->names, &job->count, err);
}

static int print_list(list_job *job, ko_err *err)
{
    ko_buf *out = &job->body;

    (void)ko_buf_printf(out, "{\"name\":\"" KO_STR_FMT "\",\"tags\":[", KO_STR_ARG(job->repo));
    for (size_t i = 0; i < job->count; i++) {
        /* The tag rule leaves nothing to escape. */
        (void)ko_buf_put_text(out, i > 0 ? ",\"" : "\"");
        (void)ko_buf_put_str(out, job->names[i]);
        (void)ko_buf_put_char(out, '"');
    }
    (void)ko_buf_put_text(out, "]}\n");
    return ko_buf_ok(out, err);
}

static int list_run(ko_job *base, ko_err *err)
{
    list_job *job = (list_job *)base;

    if (ko_meta_read(base->app->meta, list_tx, job, err) < 0)
        return -1;
    job->more = job->count > job->page.limit && job->page.limit > 0;
    if (job->count > job->page.limit)
        job->count = job->page.limit;
    return print_list(job, err);
}

static void list_drop(ko_job *base)
{
    ko_buf_done(&((list_job *)base)->body);
}

static ko_step_ret tags_find(ko_req *req)
{
    list_job *job;
    ko_page page;

    if (ko_page_parse(req, TAGS_MAX, &page) < 0)
        return ko_page_refuse(req);
    job = ko_job_new(req, list_job, list_run, list_drop);
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->page = page;
    job->last = ko_arena_str(job->job.arena, page.last);
    ko_buf_init(&job->body, 32 * KO_MIB);
    return ko_req_work(req, &job->job);
}

static ko_step_ret tags_reply(ko_req *req)
{
    list_job *job = ko_req_job(req, list_job);
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/json"));
    if (job->more)
        ko_page_link(req, &headers, &job->page, job->names[job->count - 1], "");
    return ko_req_reply(req, 200, &headers, ko_buf_str(&job->body));
}

const ko_step ko_tag_list_steps[] = {KO_STEP(tags_find), KO_STEP(tags_reply), KO_STEPS_END};
