/* server/api_manifest_put.c: PUT of a manifest by tag or by digest, with any number of tags.
 *
 * The bytes are stored as received; the parsed view only tells what they point to. Everything
 * happens in one transaction: the repository comes into being, what the manifest needs is looked
 * up, the manifest and its edges are stored, its tags are moved. A manifest whose blobs or children
 * are missing is refused with one error for each (T40); a missing subject is not an error.
 *
 * Spec:    OCI Distribution 1.1 "Pushing Manifests", "Pushing Manifests with Subject"; main: end-7b
 *          (several tags). */
#include "common/base/clock.h"
#include "common/oci/imgcfg.h"
#include "common/oci/manifest.h"
#include "common/oci/ref.h"
#include "server/audit.h"
#include "server/etag.h"
#include "server/repo.h"
#include "server/req.h"
#include "storage/meta_manifest.h"
#include "storage/meta_search.h"
#include "storage/meta_tag.h"

typedef struct {
    ko_job job;
    ko_repo_spec repo;
    ko_str content_type;
    ko_str bytes;
    ko_ref ref;
    ko_str tags[KO_MAX_TAGS_PER_PUT]; /* all to be moved */
    size_t tag_count;
    ko_meta_tag_expect expect;
    /* Found out on the pool. */
    ko_manifest manifest;
    ko_digest digest;
    ko_digest *blobs; /* that must be there */
    size_t blob_count;
    bool *blob_missing;
    ko_digest *foreign; /* layers that may live elsewhere */
    size_t foreign_count;
    ko_digest *children;
    size_t child_count;
    bool *child_missing;
    size_t missing;
    ko_str annotations;
    ko_buf search_text;
    bool precondition; /* the failure is that of If-Match */
} put_job;

/* ---- On the loop: what was asked ---- */

static ko_step_ret put_read(ko_req *req)
{
    ko_str *body = ko_arena_new_obj(req->arena, ko_str);

    req->state = body;
    if (ko_app_is_full(req->app))
        return ko_req_problem(req, 507, KO_P_DENIED, "the registry's storage is full", NULL, NULL);
    if (req->head->length > (int64_t)req->settings->max_manifest_bytes)
        return ko_req_problem(req, 413, KO_P_MANIFEST_INVALID,
                              ko_arena_printf(req->arena, "a manifest may have at most %zu bytes",
                                              req->settings->max_manifest_bytes),
                              NULL, NULL);
    return ko_req_read_body(req, req->settings->max_manifest_bytes, body);
}

static int add_tag(put_job *job, ko_str tag, ko_err *err)
{
    if (ko_ref_check_tag(tag, err) < 0)
        return -1;
    for (size_t i = 0; i < job->tag_count; i++)
        if (ko_str_eq(job->tags[i], tag))
            return 0;
    if (job->tag_count == KO_MAX_TAGS_PER_PUT)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %d tags", KO_MAX_TAGS_PER_PUT);
    job->tags[job->tag_count++] = ko_arena_str(job->job.arena, tag);
    return 0;
}

/* The tag of the path, or the digest of the path and the tags of the query. */
static int collect_tags(const ko_req *req, put_job *job, ko_err *err)
{
    size_t iter = 0;
    ko_str tag;

    if (ko_ref_parse(req->route.ref, &job->ref, err) < 0)
        return -1;
    if (!job->ref.is_digest)
        return add_tag(job, ko_str_of(job->ref.tag), err);
    while (ko_params_next(&req->query, "tag", &iter, &tag))
        if (add_tag(job, tag, err) < 0)
            return -1;
    return 0;
}

static int put_run(ko_job *base, ko_err *err);

static void put_drop(ko_job *base)
{
    ko_buf_done(&((put_job *)base)->search_text);
}

static ko_step_ret put_store(ko_req *req)
{
    const ko_str *body = req->state;
    put_job *job = ko_job_new(req, put_job, put_run, put_drop);
    bool by_digest = ko_str_find_char(req->route.ref, ':') != SIZE_MAX;
    ko_str type = KO_STR("");
    ko_err err;

    if (collect_tags(req, job, &err) < 0) {
        ko_problem problem =
            by_digest && job->tag_count == 0 ? KO_P_DIGEST_INVALID : KO_P_TAG_INVALID;

        ko_job_drop(&job->job);
        return ko_req_problem(req, err.code == KO_E_TOO_LARGE ? 414 : 400, problem, err.text, NULL,
                              NULL);
    }
    if (ko_etag_expect(&req->head->headers, &job->expect, &err) < 0) {
        ko_job_drop(&job->job);
        return ko_req_fail(req, &err);
    }
    (void)ko_headers_get(&req->head->headers, "Content-Type", &type);
    ko_repo_spec_init(&job->repo, req->route.repo, req->identity->account_id, req->settings);
    job->content_type = ko_arena_str(job->job.arena, type);
    job->bytes = ko_arena_str(job->job.arena, *body);
    ko_buf_init(&job->search_text, KO_MAX_HTTP_SMALL_BODY);
    job->job.soft = true;
    return ko_req_work(req, &job->job);
}

/* ---- On the pool ---- */

/* Digests of what must be there or, with `foreign`, of what may live elsewhere (T41). */
static ko_digest *digests_of(ko_arena *arena, const ko_desc *config, const ko_desc *descs,
                             size_t count, bool foreign, size_t *out)
{
    ko_digest *digests = ko_arena_alloc_array(arena, count + 1, sizeof(*digests));
    size_t n = 0;

    if (config)
        digests[n++] = config->digest;
    for (size_t i = 0; i < count; i++)
        if (descs[i].foreign == foreign)
            digests[n++] = descs[i].digest;
    *out = n;
    return digests;
}

static void put_words(ko_buf *out, const ko_annotations *annotations)
{
    for (size_t i = 0; i < annotations->count; i++)
        (void)ko_buf_printf(out, "%s %s\n", annotations->items[i].name,
                            annotations->items[i].value);
}

/* Labels and annotations of what a tag points to, for search. A config that cannot be read or is no
 * image's is simply not searched. */
static void gather_search_text(put_job *job)
{
    const ko_desc *config = job->manifest.config;
    ko_autoptr(ko_blob_reader) reader = NULL;
    ko_imgcfg parsed;
    char *bytes;

    put_words(&job->search_text, &job->manifest.annotations);
    if (!config || config->size_bytes > KO_MAX_MANIFEST ||
        (config->media != KO_MEDIA_OCI_CONFIG && config->media != KO_MEDIA_DOCKER_CONFIG) ||
        ko_blob_open(job->job.app->blobs, &config->digest, &reader, NULL) < 0 ||
        ko_blob_reader_size(reader) != config->size_bytes)
        return;
    bytes = ko_arena_alloc(job->job.arena, (size_t)config->size_bytes);
    if (ko_blob_read(reader, bytes, (size_t)config->size_bytes, 0, NULL) < 0 ||
        ko_imgcfg_parse((ko_str){bytes, (size_t)config->size_bytes}, job->job.arena, &parsed,
                        NULL) < 0)
        return;
    put_words(&job->search_text, &parsed.labels);
}

static int find_missing(ko_meta_tx *tx, put_job *job, int64_t repo_id, ko_err *err)
{
    int blobs = ko_meta_manifest_missing_blobs(tx, repo_id, job->blobs, job->blob_count,
                                               job->blob_missing, err);
    int children = blobs < 0 ? -1
                             : ko_meta_manifest_missing(tx, repo_id, job->children,
                                                        job->child_count, job->child_missing, err);

    if (children < 0)
        return -1;
    job->missing = (size_t)blobs + (size_t)children;
    if (job->missing > 0)
        return ko_err_set(err, KO_E_NOT_FOUND, "%zu referenced blobs or manifests are missing",
                          job->missing);
    return 0;
}

static int move_tags(ko_meta_tx *tx, put_job *job, const ko_meta_repo *repo, ko_meta_by by,
                     ko_err *err)
{
    for (size_t i = 0; i < job->tag_count; i++) {
        if (ko_meta_tag_set(tx, repo, job->tags[i], &job->digest, &job->expect, by, err) < 0) {
            job->precondition = err->code == KO_E_CONFLICT;
            return ko_err_ctx(err, "tag " KO_STR_FMT, KO_STR_ARG(job->tags[i]));
        }
    }
    if (job->tag_count > 0)
        return ko_meta_search_set_text(tx, repo, ko_buf_str(&job->search_text), err);
    return 0;
}

static int put_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    put_job *job = arg;
    const ko_manifest *m = &job->manifest;
    ko_meta_by by = {job->job.identity->account_id, ko_clock_wall_s()};
    ko_meta_manifest_spec spec = {.digest = &job->digest,
                                  .media_type = ko_str_of(m->media_type),
                                  .artifact_type = ko_str_of(m->artifact_type),
                                  .annotations = job->annotations,
                                  .subject = m->subject ? &m->subject->digest : NULL,
                                  .config = m->config ? &m->config->digest : NULL,
                                  .bytes = job->bytes,
                                  .blobs = job->blobs,
                                  .blob_count = job->blob_count,
                                  .foreign = job->foreign,
                                  .foreign_count = job->foreign_count,
                                  .children = job->children,
                                  .child_count = job->child_count};
    ko_meta_repo repo;
    bool was_new;

    job->precondition = false;
    if (ko_repo_ensure(tx, &job->repo, &repo, err) < 0 || find_missing(tx, job, repo.id, err) < 0 ||
        ko_repo_check_bytes(tx, &job->repo, job->bytes.len, err) < 0 ||
        ko_meta_manifest_put(tx, &repo, &spec, by, &was_new, err) < 0)
        return -1;
    return move_tags(tx, job, &repo, by, err);
}

static int put_run(ko_job *base, ko_err *err)
{
    put_job *job = (put_job *)base;
    ko_arena *arena = base->arena;
    ko_autobuf annotations = {0};
    ko_hash_alg alg = job->ref.is_digest ? job->ref.digest.alg : KO_HASH_SHA256;

    ko_digest_of(alg, job->bytes.ptr, job->bytes.len, &job->digest);
    if (job->ref.is_digest && !ko_digest_eq(&job->digest, &job->ref.digest))
        return ko_err_set(err, KO_E_DIGEST_MISMATCH, "the body has the digest %s",
                          job->digest.text);
    if (ko_manifest_parse(job->bytes, job->content_type, arena, &job->manifest, err) < 0)
        return -1;
    job->blobs = digests_of(arena, job->manifest.config, job->manifest.blobs,
                            job->manifest.blob_count, false, &job->blob_count);
    job->foreign = digests_of(arena, NULL, job->manifest.blobs, job->manifest.blob_count, true,
                              &job->foreign_count);
    job->children = digests_of(arena, NULL, job->manifest.children, job->manifest.child_count,
                               false, &job->child_count);
    job->blob_missing = ko_arena_alloc_array(arena, job->blob_count + 1, sizeof(bool));
    job->child_missing = ko_arena_alloc_array(arena, job->child_count + 1, sizeof(bool));
    ko_buf_init(&annotations, KO_MAX_MANIFEST);
    if (job->manifest.subject && job->manifest.annotations.count > 0) {
        (void)ko_annotations_print(&job->manifest.annotations, &annotations);
        job->annotations = ko_arena_str(arena, ko_buf_str(&annotations));
    }
    if (job->tag_count > 0)
        gather_search_text(job);
    return ko_meta_write(base->app->meta, KO_META_DURABLE, put_tx, job, err);
}

/* ---- On the loop: the answer ---- */

static void list_missing(ko_buf *out, const ko_digest *digests, const bool *missing, size_t count,
                         const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (missing[i])
            (void)ko_problem_list_item(out, KO_P_MANIFEST_BLOB_UNKNOWN, what, digests[i].text);
}

static ko_step_ret refuse_missing(ko_req *req, const put_job *job)
{
    ko_autobuf body = {0};

    ko_buf_init(&body, KO_MAX_MANIFEST);
    (void)ko_problem_list_begin(&body);
    list_missing(&body, job->blobs, job->blob_missing, job->blob_count,
                 "blob unknown to this repository");
    list_missing(&body, job->children, job->child_missing, job->child_count,
                 "manifest unknown to this repository");
    (void)ko_problem_list_end(&body);
    return ko_req_reply_body(req, 404, "application/json", ko_buf_str(&body));
}

static ko_step_ret refuse_put(ko_req *req, const put_job *job)
{
    const ko_err *err = &job->job.err;

    if (job->missing > 0)
        return refuse_missing(req, job);
    if (job->precondition)
        return ko_req_fail_precondition(req, err);
    if (err->code == KO_E_TOO_LARGE)
        return ko_req_problem(req, 413, KO_P_MANIFEST_INVALID, err->text, NULL, NULL);
    return ko_req_fail(req, err);
}

static ko_step_ret put_reply(ko_req *req)
{
    const put_job *job = ko_req_job(req, put_job);
    ko_headers headers;

    if (job->job.rc < 0)
        return refuse_put(req, job);
    ko_req_headers(req, &headers);
    ko_headers_addf(&headers, "Location", "/v2/" KO_STR_FMT "/manifests/%s",
                    KO_STR_ARG(req->route.repo), job->digest.text);
    ko_headers_add(&headers, "Docker-Content-Digest", ko_str_of(job->digest.text));
    if (job->manifest.subject)
        ko_headers_add(&headers, "OCI-Subject", ko_str_of(job->manifest.subject->digest.text));
    for (size_t i = 0; job->ref.is_digest && i < job->tag_count; i++)
        ko_headers_add(&headers, "OCI-Tag", job->tags[i]);
    if (job->manifest.media == KO_MEDIA_OCI_ARTIFACT)
        ko_headers_add(
            &headers, "Warning",
            KO_STR("299 - \"the artifact manifest was dropped from OCI Image 1.1: use an "
                   "image manifest with artifactType\""));
    ko_audit(req, "manifest.push",
             job->tag_count > 0 ? ko_arena_printf(req->arena, KO_STR_FMT " %s",
                                                  KO_STR_ARG(job->tags[0]), job->digest.text)
                                : job->digest.text);
    ko_metrics_add(req->app->metrics, KO_METRIC_MANIFESTS_PUSHED, 1);
    return ko_req_reply(req, 201, &headers, KO_STR(""));
}

const ko_step ko_manifest_put_steps[] = {KO_STEP(put_read), KO_STEP(put_store), KO_STEP(put_reply),
                                         KO_STEPS_END};
