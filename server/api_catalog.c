/* server/api_catalog.c: the list of repositories, and the deletion of one.
 *
 * The catalog holds what the caller may pull, nothing else; it needs a token with the scope
 * registry:catalog:* or Basic credentials (T11).
 *
 * Spec:    docker registry HTTP API V2 "Listing Repositories"; paging as for tags. */
#include "common/base/clock.h"
#include "server/audit.h"
#include "server/authn.h"
#include "server/names.h"
#include "storage/meta_repo.h"

static int load_repos(ko_meta_tx *tx, ko_names_query *query, ko_err *err)
{
    ko_meta_repo *repos;

    if (ko_meta_repo_list(tx, query->caller, KO_STR(""), query->last, query->limit, query->arena,
                          &repos, &query->count, err) < 0)
        return -1;
    query->names = ko_arena_alloc_array(query->arena, query->count + 1, sizeof(ko_str));
    for (size_t i = 0; i < query->count; i++)
        query->names[i] = ko_str_of(repos[i].name);
    return 0;
}

/* Repositories come, go and change hands with the rights generation. */
static uint64_t rights_generation(const ko_meta *meta, ko_str subject)
{
    (void)subject;
    return ko_meta_generation_rights(meta);
}

static const ko_names_kind catalog = {.id = 'c',
                                      .member = "repositories",
                                      .max = KO_MAX_PAGE,
                                      .per_caller = true,
                                      .load = load_repos,
                                      .generation = rights_generation};

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
    return true;
}

static ko_step_ret catalog_find(ko_req *req)
{
    if (!may_list(req))
        return ko_authn_refuse(req, "registry:catalog:*");
    if (!ko_auth_may_catalog(req->identity))
        return ko_authn_want_scope(req, "registry:catalog:*");
    return ko_names_find(req, &catalog);
}

const ko_step ko_catalog_get_steps[] = {KO_STEP(catalog_find), KO_STEP(ko_names_reply),
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
