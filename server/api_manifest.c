/* server/api_manifest.c: GET, HEAD and DELETE of a manifest. PUT is in api_manifest_put.c.
 *
 * What is stored is returned byte for byte whatever Accept says (T35, T36): converting would change
 * the digest, and refusing breaks scripts. A hot manifest is answered on the loop from memory.
 *
 * Spec:    OCI Distribution 1.1 "Pulling manifests", "Deleting Manifests", "Deleting tags". */
#include "common/base/clock.h"
#include "server/audit.h"
#include "server/content.h"
#include "server/etag.h"
#include "server/pulls.h"
#include "server/req.h"
#include "storage/meta_manifest.h"
#include "storage/meta_tag.h"

/* ---- GET and HEAD ---- */

static void manifest_gone(ko_req *req)
{
    ko_content_unref(req->state);
}

typedef struct {
    ko_job job;
    ko_str repo;
    ko_ref ref;
    ko_content *content;
} find_job;

static int find_run(ko_job *base, ko_err *err)
{
    find_job *job = (find_job *)base;

    return ko_content_manifest(base->app, job->repo, &job->ref, &job->content, err);
}

static void find_drop(ko_job *base)
{
    ko_content_unref(((find_job *)base)->content);
}

static ko_step_ret manifest_find(ko_req *req)
{
    find_job *job;
    ko_ref ref;
    ko_err err;

    ko_req_on_gone(req, manifest_gone);
    req->state = ko_content_manifest_cached(req->app, req->route.repo, req->route.ref);
    if (req->state) {
        req->step++; /* nothing to look at in manifest_found */
        return KO_NEXT;
    }
    if (ko_ref_parse(req->route.ref, &ref, &err) < 0)
        return ko_req_fail(req, &err);
    job = ko_job_new(req, find_job, find_run, find_drop);
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->ref = ref;
    return ko_req_work(req, &job->job);
}

static ko_step_ret manifest_found(ko_req *req)
{
    req->state = ko_steal(&ko_req_job(req, find_job)->content);
    return KO_NEXT;
}

#define COPY_MAX (64 * KO_KIB) /* up to this a reply is copied into one record with its head */

static ko_step_ret manifest_send(ko_req *req)
{
    const ko_content *content = req->state;
    ko_str body = {content->bytes, (size_t)content->size_bytes};
    ko_http_part *part;
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Docker-Content-Digest", ko_str_of(content->digest.text));
    ko_headers_addf(&headers, "ETag", "\"%s\"", content->digest.text);
    if (ko_etag_not_modified(&req->head->headers, content->digest.text))
        return ko_req_reply(req, 304, &headers, KO_STR(""));
    ko_headers_add(&headers, "Content-Type", ko_str_of(content->media_type));
    if (!req->is_head)
        ko_pulls_count(req->app->pulls, content->repo_id);
    if (body.len <= COPY_MAX || req->is_head)
        return ko_req_reply(req, 200, &headers, body);
    part = ko_arena_new_obj(req->arena, ko_http_part);
    *part = (ko_http_part){.kind = KO_PART_BYTES, .bytes = body};
    return ko_req_reply_parts(req, 200, &headers, part, 1);
}

const ko_step ko_manifest_get_steps[] = {KO_STEP(manifest_find), KO_STEP(manifest_found),
                                         KO_STEP(manifest_send), KO_STEPS_END};

/* ---- DELETE ---- */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_ref ref;
    ko_meta_tag_expect expect;
    ko_str *tags; /* that went with the manifest */
    size_t tag_count;
} delete_job;

static int delete_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    delete_job *job = arg;
    ko_meta_by by = {job->job.identity->account_id, ko_clock_wall_s()};
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->repo, &repo, err) < 0)
        return -1;
    if (!job->ref.is_digest)
        return ko_meta_tag_delete(tx, &repo, ko_str_of(job->ref.tag), &job->expect, by, err);
    return ko_meta_manifest_delete(tx, &repo, &job->ref.digest, by, job->job.arena, &job->tags,
                                   &job->tag_count, err);
}

static int delete_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, delete_tx, base, err);
}

static ko_step_ret manifest_delete(ko_req *req)
{
    ko_meta_tag_expect expect;
    delete_job *job;
    ko_ref ref;
    ko_err err;

    if (ko_ref_parse(req->route.ref, &ref, &err) < 0 ||
        ko_etag_expect(&req->head->headers, &expect, &err) < 0)
        return ko_req_fail(req, &err);
    job = ko_job_new(req, delete_job, delete_run, NULL);
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->ref = ref;
    job->expect = expect;
    job->job.soft = true;
    return ko_req_work(req, &job->job);
}

static ko_step_ret manifest_deleted(ko_req *req)
{
    const delete_job *job = ko_req_job(req, delete_job);

    if (job->job.rc < 0)
        return ko_req_fail_precondition(req, &job->job.err);
    ko_audit(req, job->ref.is_digest ? "manifest.delete" : "tag.delete",
             job->ref.is_digest ? job->ref.digest.text : job->ref.tag);
    return ko_req_reply_empty(req, 202);
}

const ko_step ko_manifest_delete_steps[] = {KO_STEP(manifest_delete), KO_STEP(manifest_deleted),
                                            KO_STEPS_END};
