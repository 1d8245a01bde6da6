/* server/api_referrers.c: the manifests that name a digest as their subject.
 *
 * The answer is an OCI image index, never 404: clients ask for the all-zero digest to learn whether
 * the endpoint exists (T48). A page ends before it would pass the 4 MiB that clients read.
 *
 * Spec:    OCI Distribution 1.1 "Listing Referrers". */
#include "common/oci/index.h"
#include "common/oci/media.h"
#include "server/page.h"
#include "server/req.h"
#include "storage/meta_manifest.h"

typedef struct {
    ko_job job;
    ko_str repo;
    ko_digest subject;
    ko_str type;
    const ko_str *artifact_type; /* NULL: all; else &type, which is empty for those without one */
    int64_t after_id;
    size_t limit;
    ko_meta_referrer *rows;
    size_t count;
    int64_t next_id; /* where the next page starts; 0: there is none */
    ko_buf body;
} referrers_job;

static int referrers_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    referrers_job *job = arg;
    ko_err why = KO_ERR_INIT;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->repo, &repo, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND)
            return 0; /* an empty index: a repository that may come into being */
        *err = why;
        return -1;
    }
    const ko_meta_referrer_page page = {.subject = &job->subject,
                                        .artifact_type = job->artifact_type,
                                        .after_id = job->after_id,
                                        .limit = job->limit + 1};
    return ko_meta_manifest_list_referrers(tx, repo.id, &page, job->job.arena, &job->rows,
                                           &job->count, err);
}

static int print_index(referrers_job *job, ko_err *err)
{
    ko_index_writer writer;
    size_t i;

    ko_index_begin(&writer, &job->body);
    for (i = 0; i < job->count && i < job->limit; i++) {
        const ko_meta_referrer *row = &job->rows[i];
        ko_index_entry entry = {.digest = &row->digest,
                                .size_bytes = row->size_bytes,
                                .media_type = ko_str_of(row->media_type),
                                .artifact_type = ko_str_of(row->artifact_type),
                                .annotations = row->annotations};

        if (ko_index_add(&writer, &entry) < 0)
            break;
    }
    if (i > 0 && i < job->count)
        job->next_id = job->rows[i - 1].id;
    return ko_index_end(&writer, err);
}

static int referrers_run(ko_job *base, ko_err *err)
{
    referrers_job *job = (referrers_job *)base;

    if (ko_meta_read(base->app->meta, referrers_tx, job, err) < 0)
        return -1;
    return print_index(job, err);
}

static void referrers_drop(ko_job *base)
{
    ko_buf_done(&((referrers_job *)base)->body);
}

static ko_step_ret referrers_find(ko_req *req)
{
    ko_str type = KO_STR("");
    referrers_job *job;
    uint64_t after = 0;
    ko_digest subject;
    ko_page page;
    ko_err err;

    if (ko_digest_parse(req->route.ref, &subject, &err) < 0)
        return ko_req_problem(req, 400, KO_P_DIGEST_INVALID, err.text, NULL, NULL);
    if (ko_page_parse(req, KO_MAX_PAGE, &page) < 0 ||
        (page.last.len > 0 && ko_parse_u64(page.last, INT64_MAX, &after, NULL) < 0))
        return ko_page_refuse(req);
    bool filtered = ko_params_get(&req->query, "artifactType", &type);
    job = ko_job_new(req, referrers_job, referrers_run, referrers_drop);
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->subject = subject;
    if (filtered) {
        job->type = ko_arena_str(job->job.arena, type);
        job->artifact_type = &job->type;
    }
    job->after_id = (int64_t)after;
    job->limit = page.limit;
    ko_buf_init(&job->body, KO_MAX_MANIFEST);
    return ko_req_work(req, &job->job);
}

static void link_next(ko_req *req, ko_headers *headers, const referrers_job *job)
{
    ko_page page = {.limit = job->limit};
    ko_autobuf extra = {0};

    ko_buf_init(&extra, KO_KIB * 4);
    if (job->artifact_type) {
        (void)ko_buf_put_text(&extra, "&artifactType=");
        (void)ko_url_encode(job->type, "/", &extra);
    }
    ko_page_link(req, headers, &page,
                 ko_str_of(ko_arena_printf(req->arena, "%lld", (long long)job->next_id)),
                 ko_buf_str(&extra).ptr);
}

static ko_step_ret referrers_reply(ko_req *req)
{
    referrers_job *job = ko_req_job(req, referrers_job);
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", ko_str_of(ko_media_text(KO_MEDIA_OCI_INDEX)));
    if (job->artifact_type)
        ko_headers_add(&headers, "OCI-Filters-Applied", KO_STR("artifactType"));
    if (job->next_id != 0)
        link_next(req, &headers, job);
    return ko_req_reply(req, 200, &headers, ko_buf_str(&job->body));
}

const ko_step ko_referrers_get_steps[] = {KO_STEP(referrers_find), KO_STEP(referrers_reply),
                                          KO_STEPS_END};
