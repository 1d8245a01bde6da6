/* server/api_blob.c: GET, HEAD and DELETE of a blob.
 *
 * Small blobs are answered from memory (server/content.h); of large ones the file is opened on the
 * pool and sent by the HTTP server without passing through a buffer of ours. Blobs are never
 * compressed in transit, whatever Accept-Encoding says: that would break ranges and lengths (T51).
 *
 * Spec:    OCI Distribution 1.1 "Pulling blobs", "Deleting Blobs"; RFC 9110 sections 13 and 14. */
#include "common/base/clock.h"
#include "server/audit.h"
#include "server/content.h"
#include "server/etag.h"
#include "server/range.h"
#include "server/req.h"
#include "storage/meta_blob.h"

typedef struct {
    ko_content *content;
    ko_blob_reader *reader; /* of a large blob; the open job's */
    ko_range ranges[KO_MAX_RANGES];
    size_t range_count; /* 0: the whole */
} blob_state;

static blob_state *blob_of(const ko_req *req)
{
    return req->state;
}

static void blob_gone(ko_req *req)
{
    ko_content_unref(blob_of(req)->content);
}

static bool makes_promise(const ko_req *req)
{
    return req->is_head && (req->actions & KO_ACTION_PUSH);
}

/* ---- Finding it ---- */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_digest digest;
    bool promise;
    ko_content *content;
} find_job;

static int find_run(ko_job *base, ko_err *err)
{
    find_job *job = (find_job *)base;

    return ko_content_blob(base->app, job->repo, &job->digest, job->promise, &job->content, err);
}

static void find_drop(ko_job *base)
{
    ko_content_unref(((find_job *)base)->content);
}

static ko_step_ret blob_find(ko_req *req)
{
    blob_state *state = ko_arena_new_obj(req->arena, blob_state);
    ko_digest digest;
    find_job *job;
    ko_err err;

    req->state = state;
    ko_req_on_gone(req, blob_gone);
    if (ko_digest_parse(req->route.ref, &digest, &err) < 0)
        return ko_req_fail(req, &err);
    state->content = ko_content_blob_cached(req->app, req->route.repo, ko_str_of(digest.text));
    if (state->content && makes_promise(req) &&
        !ko_meta_lease_is_fresh(state->content->lease_until_s, ko_clock_wall_s(),
                                req->settings->lease_s)) {
        ko_content_unref(state->content);
        state->content = NULL;
    }
    if (state->content) {
        req->step++; /* nothing to look at in blob_found */
        return KO_NEXT;
    }
    job = ko_job_new(req, find_job, find_run, find_drop);
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->digest = digest;
    job->promise = makes_promise(req);
    return ko_req_work(req, &job->job);
}

static ko_step_ret blob_found(ko_req *req)
{
    blob_of(req)->content = ko_steal(&ko_req_job(req, find_job)->content);
    return KO_NEXT;
}

/* ---- What part of it ---- */

static void blob_headers(ko_req *req, ko_headers *headers)
{
    const ko_content *content = blob_of(req)->content;

    ko_req_headers(req, headers);
    ko_headers_add(headers, "Docker-Content-Digest", ko_str_of(content->digest.text));
    ko_headers_addf(headers, "ETag", "\"%s\"", content->digest.text);
    ko_headers_add(headers, "Accept-Ranges", KO_STR("bytes"));
    ko_headers_add(headers, "Cache-Control", KO_STR("max-age=31536000"));
}

/* A range counts only if the client's copy is of the same blob: RFC 9110 section 13.1.5. */
static bool if_range_allows(const ko_req *req)
{
    ko_str value;

    return !ko_headers_get(&req->head->headers, "If-Range", &value) ||
           ko_etag_matches(value, blob_of(req)->content->digest.text);
}

static ko_step_ret blob_select(ko_req *req)
{
    blob_state *state = blob_of(req);
    ko_headers headers;
    ko_str value;

    if (ko_etag_not_modified(&req->head->headers, state->content->digest.text)) {
        blob_headers(req, &headers);
        return ko_req_reply(req, 304, &headers, KO_STR(""));
    }
    if (!ko_headers_get(&req->head->headers, "Range", &value) || !if_range_allows(req))
        return KO_NEXT;
    switch (ko_range_parse(value, state->content->size_bytes, state->ranges, &state->range_count)) {
    case KO_RANGE_WHOLE:
        state->range_count = 0;
        break;
    case KO_RANGE_PARTS:
        break;
    case KO_RANGE_UNSATISFIABLE:
        blob_headers(req, &headers);
        ko_headers_addf(&headers, "Content-Range", "bytes */%llu",
                        (unsigned long long)state->content->size_bytes);
        return ko_req_problem(req, 416, KO_P_RANGE_INVALID, "no such range in this blob", NULL,
                              &headers);
    }
    return KO_NEXT;
}

/* ---- Opening the file of a large one ---- */

typedef struct {
    ko_job job;
    ko_digest digest;
    ko_blob_reader *reader;
} open_job;

static int open_run(ko_job *base, ko_err *err)
{
    open_job *job = (open_job *)base;

    return ko_blob_open(base->app->blobs, &job->digest, &job->reader, err);
}

static void open_drop(ko_job *base)
{
    ko_blob_reader_free(((open_job *)base)->reader);
}

static ko_step_ret blob_open(ko_req *req)
{
    open_job *job;

    if (req->is_head || blob_of(req)->content->has_bytes) {
        req->step++; /* nothing to look at in blob_opened */
        return KO_NEXT;
    }
    job = ko_job_new(req, open_job, open_run, open_drop);
    job->digest = blob_of(req)->content->digest;
    return ko_req_work(req, &job->job);
}

static ko_step_ret blob_opened(ko_req *req)
{
    blob_of(req)->reader = ko_req_job(req, open_job)->reader;
    return KO_NEXT;
}

/* ---- Sending ---- */

static int read_part(void *arg, void *into, size_t len, uint64_t offset, ko_err *err)
{
    return ko_blob_read(arg, into, len, offset, err);
}

static ko_http_part part_of(const blob_state *state, uint64_t offset, uint64_t length)
{
    if (state->content->has_bytes)
        return (ko_http_part){.kind = KO_PART_BYTES,
                              .bytes = {state->content->bytes + offset, (size_t)length}};
    if (state->reader && ko_blob_reader_fd(state->reader) >= 0)
        return (ko_http_part){.kind = KO_PART_FILE,
                              .fd = ko_blob_reader_fd(state->reader),
                              .offset = offset,
                              .length = length};
    return (ko_http_part){.kind = KO_PART_READER,
                          .read = read_part,
                          .arg = state->reader,
                          .offset = offset,
                          .length = length};
}

static ko_step_ret send_one(ko_req *req, int status, uint64_t offset, uint64_t length)
{
    blob_state *state = blob_of(req);
    ko_http_part *part;
    ko_headers headers;

    blob_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/octet-stream"));
    if (status == 206)
        ko_headers_addf(&headers, "Content-Range", "bytes %llu-%llu/%llu",
                        (unsigned long long)offset, (unsigned long long)(offset + length - 1),
                        (unsigned long long)state->content->size_bytes);
    if (state->content->has_bytes)
        return ko_req_reply(req, status, &headers,
                            (ko_str){state->content->bytes + offset, (size_t)length});
    part = ko_arena_new_obj(req->arena, ko_http_part);
    *part = part_of(state, offset, length);
    return ko_req_reply_parts(req, status, &headers, part, 1);
}

/* multipart/byteranges, RFC 9110 section 14.6: podman asks so for zstd:chunked layers (T53). */
static ko_step_ret send_multipart(ko_req *req)
{
    blob_state *state = blob_of(req);
    size_t count = 2 * state->range_count + 1;
    ko_http_part *parts = ko_arena_alloc_array(req->arena, count, sizeof(*parts));
    char boundary[KO_IDS_UUID_MAX];
    ko_headers headers;

    ko_ids_uuid(boundary);
    for (size_t i = 0; i < state->range_count; i++) {
        const ko_range *r = &state->ranges[i];

        parts[2 * i] = (ko_http_part){
            .kind = KO_PART_BYTES,
            .bytes = ko_str_of(ko_arena_printf(
                req->arena,
                "%s--%s\r\nContent-Type: application/octet-stream\r\n"
                "Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
                i > 0 ? "\r\n" : "", boundary, (unsigned long long)r->first,
                (unsigned long long)r->last, (unsigned long long)state->content->size_bytes))};
        parts[2 * i + 1] = part_of(state, r->first, r->last - r->first + 1);
    }
    parts[count - 1] =
        (ko_http_part){.kind = KO_PART_BYTES,
                       .bytes = ko_str_of(ko_arena_printf(req->arena, "\r\n--%s--\r\n", boundary))};
    blob_headers(req, &headers);
    ko_headers_addf(&headers, "Content-Type", "multipart/byteranges; boundary=%s", boundary);
    return ko_req_reply_parts(req, 206, &headers, parts, count);
}

static ko_step_ret blob_send(ko_req *req)
{
    const blob_state *state = blob_of(req);
    const ko_range *first = &state->ranges[0];

    if (state->range_count == 0)
        return send_one(req, 200, 0, state->content->size_bytes);
    if (state->range_count == 1)
        return send_one(req, 206, first->first, first->last - first->first + 1);
    return send_multipart(req);
}

const ko_step ko_blob_get_steps[] = {KO_STEP(blob_find), KO_STEP(blob_found),  KO_STEP(blob_select),
                                     KO_STEP(blob_open), KO_STEP(blob_opened), KO_STEP(blob_send),
                                     KO_STEPS_END};

/* ---- Deleting ---- */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_digest digest;
} delete_job;

static int delete_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    delete_job *job = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->repo, &repo, err) < 0)
        return -1;
    return ko_meta_blob_unlink(tx, &repo, &job->digest, false, ko_clock_wall_s(), err);
}

static int delete_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, delete_tx, base, err);
}

static ko_step_ret blob_delete(ko_req *req)
{
    delete_job *job = ko_job_new(req, delete_job, delete_run, NULL);
    ko_err err;

    job->job.soft = true;
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    if (ko_digest_parse(req->route.ref, &job->digest, &err) < 0) {
        ko_job_drop(&job->job);
        return ko_req_fail(req, &err);
    }
    return ko_req_work(req, &job->job);
}

/* A blob that a manifest of the repository still needs stays: 405 is the status the specification
 * has for a deletion that is not to be had. */
static ko_step_ret blob_deleted(ko_req *req)
{
    delete_job *job = ko_req_job(req, delete_job);

    if (job->job.rc < 0 && job->job.err.code == KO_E_CONFLICT)
        return ko_req_problem(req, 405, KO_P_UNSUPPORTED,
                              "a manifest of this repository refers to the blob: delete that first",
                              job->digest.text, NULL);
    if (job->job.rc < 0)
        return ko_req_fail(req, &job->job.err);
    ko_audit(req, "blob.delete", job->digest.text);
    return ko_req_reply_empty(req, 202);
}

const ko_step ko_blob_delete_steps[] = {KO_STEP(blob_delete), KO_STEP(blob_deleted), KO_STEPS_END};
