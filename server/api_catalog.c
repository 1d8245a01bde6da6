/* server/api_catalog.c: the list of repositories, and the deletion of one.
 *
 * The catalog holds what the caller may pull, nothing else; it needs a token with the scope
 * registry:catalog:* or Basic credentials (T11).
 *
 * Spec:    docker registry HTTP API V2 "Listing Repositories"; paging as for tags. */
#include "common/base/clock.h"
#include "server/audit.h"
#include "server/authn.h"
#include "server/page.h"
#include "server/req.h"
#include "storage/meta_repo.h"

typedef struct {
    ko_job job;
    ko_page page;
    ko_str last;
    ko_meta_repo *repos;
    size_t count;
    bool more;
    ko_buf body;
} catalog_job;

static int catalog_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    catalog_job *job = arg;
    ko_meta_caller caller = {job->job.identity->account_id, job->job.identity->admin};

    return ko_meta_repo_list(tx, caller, KO_STR(""), job->last, job->page.limit + 1, job->job.arena,
                             &job->repos, &job->count, err);
}

static int catalog_run(ko_job *base, ko_err *err)
{
    catalog_job *job = (catalog_job *)base;
    ko_buf *out = &job->body;

    if (ko_meta_read(base->app->meta, catalog_tx, job, err) < 0)
        return -1;
    job->more = job->count > job->page.limit && job->page.limit > 0;
    if (job->count > job->page.limit)
        job->count = job->page.limit;
    (void)ko_buf_put_text(out, "{\"repositories\":[");
    for (size_t i = 0; i < job->count; i++)
        (void)ko_buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", job->repos[i].name);
    (void)ko_buf_put_text(out, "]}\n");
    return ko_buf_ok(out, err);
}

static void catalog_drop(ko_job *base)
{
    ko_buf_done(&((catalog_job *)base)->body);
}

static bool may_list(const ko_req *req)
{
    switch (req->settings->catalog) {
    case KO_CATALOG_ANYONE:
        break;
    case KO_CATALOG_ACCOUNTS:
        if (req->identity->kind == KO_ID_ANONYMOUS)
            return false;
        break;
    case KO_CATALOG_ADMINS:
        if (!req->identity->admin)
            return false;
        break;
    }
    return ko_auth_may_catalog(req->identity);
}

static ko_step_ret catalog_find(ko_req *req)
{
    catalog_job *job;
    ko_page page;

    if (!may_list(req))
        return ko_authn_refuse(req, "registry:catalog:*");
    if (ko_page_parse(req, KO_MAX_PAGE, &page) < 0)
        return ko_page_refuse(req);
    job = ko_job_new(req, catalog_job, catalog_run, catalog_drop);
    job->page = page;
    job->last = ko_arena_str(job->job.arena, page.last);
    ko_buf_init(&job->body, KO_MIB);
    return ko_req_work(req, &job->job);
}

static ko_step_ret catalog_reply(ko_req *req)
{
    catalog_job *job = ko_req_job(req, catalog_job);
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/json"));
    if (job->more)
        ko_page_link(req, &headers, &job->page, ko_str_of(job->repos[job->count - 1].name), "");
    return ko_req_reply(req, 200, &headers, ko_buf_str(&job->body));
}

const ko_step ko_catalog_get_steps[] = {KO_STEP(catalog_find), KO_STEP(catalog_reply),
                                        KO_STEPS_END};

/* ---- DELETE of a repository ---- */

typedef struct {
    ko_job job;
    ko_str repo;
} delete_job;

static int delete_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    delete_job *job = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->repo, &repo, err) < 0)
        return -1;
    return ko_meta_repo_remove(tx, &repo, ko_clock_wall_s(), err);
}

static int delete_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, delete_tx, base, err);
}

static ko_step_ret repo_delete(ko_req *req)
{
    delete_job *job = ko_job_new(req, delete_job, delete_run, NULL);

    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    return ko_req_work(req, &job->job);
}

static ko_step_ret repo_deleted(ko_req *req)
{
    ko_audit(req, "repository.delete", NULL);
    return ko_req_reply_empty(req, 202);
}

const ko_step ko_repo_delete_steps[] = {KO_STEP(repo_delete), KO_STEP(repo_deleted), KO_STEPS_END};
