/* server/api_search.c: `docker search HOST/term` and `podman search`.
 *
 * Both ask GET /v1/_ping and then GET /v1/search?q=..&n=..; docker 28 sends Basic credentials if it
 * has some, podman sends a Bearer token. Results are limited to what the caller may pull (T61).
 *
 * Spec:    the registry API of docker's version 1, as docker's own client reads it. */
#include "server/authn.h"
#include "server/req.h"
#include "storage/meta_search.h"

#define RESULTS_DEFAULT 25
#define RESULTS_MAX     100

static ko_step_ret ping_reply(ko_req *req)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/json"));
    ko_headers_add(&headers, "X-Docker-Registry-Version", KO_STR("0.9.0"));
    ko_headers_add(&headers, "X-Docker-Registry-Standalone", KO_STR("true"));
    return ko_req_reply(req, 200, &headers, KO_STR("true"));
}

const ko_step ko_search_ping_steps[] = {KO_STEP(ping_reply), KO_STEPS_END};

typedef struct {
    ko_job job;
    ko_str query;
    size_t offset;
    size_t limit;
    uint64_t page;
    ko_meta_search_hit *hits;
    size_t count;
    ko_buf body;
} search_job;

static int search_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    search_job *job = arg;
    const ko_identity *id = job->job.identity;
    /* A personal token with a limit finds public repositories only,
     * not what its account may see. */
    bool own = !id->limited || id->whole;
    ko_meta_caller caller = {own ? id->account_id : 0, own && id->admin};

    return ko_meta_search(tx, caller, job->query, job->offset, job->limit, job->job.arena,
                          &job->hits, &job->count, err);
}

/* The query knows what the account may pull; a token with limits is good for less of it, and must
 * not tell the names of the rest. */
static bool may_know(const search_job *job, const ko_meta_repo *repo)
{
    bool may = false;

    if (repo->visibility == KO_META_PUBLIC)
        return true;
    return ko_auth_may_copy_from(job->job.app->auth, job->job.identity, ko_str_of(repo->name), &may,
                                 NULL) == 0 &&
           may;
}

static size_t drop_unknown(const search_job *job)
{
    size_t kept = 0;

    for (size_t i = 0; i < job->count; i++)
        if (may_know(job, &job->hits[i].repo))
            job->hits[kept++] = job->hits[i];
    return kept;
}

static void print_hit(ko_buf *out, const ko_meta_search_hit *hit)
{
    bool official = strchr(hit->repo.name, '/') == NULL;

    (void)ko_buf_printf(out, "{\"name\":\"%s\",\"description\":", hit->repo.name);
    (void)ko_buf_put_json(out, hit->description);
    (void)ko_buf_printf(out,
                        ",\"star_count\":%llu,\"pull_count\":%llu,\"is_official\":%s,"
                        "\"is_automated\":false,\"is_private\":%s}",
                        (unsigned long long)hit->repo.star_count,
                        (unsigned long long)hit->repo.pull_count, official ? "true" : "false",
                        hit->repo.visibility == KO_META_PRIVATE ? "true" : "false");
}

static int search_run(ko_job *base, ko_err *err)
{
    search_job *job = (search_job *)base;
    ko_buf *out = &job->body;

    if (ko_meta_read(base->app->meta, search_tx, job, err) < 0)
        return -1;
    job->count = drop_unknown(job);
    (void)ko_buf_put_text(out, "{\"query\":");
    (void)ko_buf_put_json(out, job->query);
    (void)ko_buf_printf(out,
                        ",\"num_results\":%zu,\"num_pages\":1,\"page\":%llu,\"page_size\":%zu,"
                        "\"results\":[",
                        job->count, (unsigned long long)job->page, job->limit);
    for (size_t i = 0; i < job->count; i++) {
        if (i > 0)
            (void)ko_buf_put_char(out, ',');
        print_hit(out, &job->hits[i]);
    }
    (void)ko_buf_put_text(out, "]}\n");
    return ko_buf_ok(out, err);
}

static void search_drop(ko_job *base)
{
    ko_buf_done(&((search_job *)base)->body);
}

/* podman never sends its credentials to this endpoint, even when it has some; refused, it lists the
 * catalog with them and filters that by name, so that its user finds private repositories too. */
static bool is_podman_without_credentials(const ko_req *req)
{
    ko_str agent;

    return req->identity->via == KO_VIA_NOTHING &&
           ko_headers_get(&req->head->headers, "User-Agent", &agent) &&
           ko_str_find(agent, KO_STR("containers/image")) != SIZE_MAX;
}

static ko_step_ret search_find(ko_req *req)
{
    ko_str query = KO_STR(""), text;
    uint64_t limit = RESULTS_DEFAULT, page = 1;
    search_job *job;

    if (!req->settings->search)
        return ko_req_problem(req, 404, KO_P_UNSUPPORTED, "search is switched off here", NULL,
                              NULL);
    if (is_podman_without_credentials(req))
        return ko_authn_refuse(req, "registry:catalog:*");
    (void)ko_params_get(&req->query, "q", &query);
    if ((ko_params_get(&req->query, "n", &text) &&
         ko_parse_u64(text, UINT32_MAX, &limit, NULL) < 0) ||
        (ko_params_get(&req->query, "page", &text) && ko_parse_u64(text, 10000, &page, NULL) < 0))
        return ko_req_problem(req, 400, KO_P_PAGINATION_NUMBER_INVALID,
                              "n and page must be numbers", NULL, NULL);
    job = ko_job_new(req, search_job, search_run, search_drop);
    job->query = ko_arena_str(job->job.arena, query);
    job->limit = limit == 0 ? RESULTS_DEFAULT : limit > RESULTS_MAX ? RESULTS_MAX : (size_t)limit;
    job->page = page == 0 ? 1 : page;
    job->offset = (size_t)(job->page - 1) * job->limit;
    ko_buf_init(&job->body, 4 * KO_MIB);
    return ko_req_work(req, &job->job);
}

static ko_step_ret search_reply(ko_req *req)
{
    return ko_req_reply_body(req, 200, "application/json",
                             ko_buf_str(&ko_req_job(req, search_job)->body));
}

const ko_step ko_search_get_steps[] = {KO_STEP(search_find), KO_STEP(search_reply), KO_STEPS_END};
