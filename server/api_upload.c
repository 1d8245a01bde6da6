/* server/api_upload.c: POST, GET, PATCH, PUT and DELETE of upload sessions, and mounts.
 *
 * What clients really do (registry-protocol section 7): docker POSTs, PATCHes with a chunked body
 * and no type, PUTs empty; podman and crane the same with a length; containerd and oras POST and
 * PUT the whole body; `Range` answers have no unit and begin with "0-" (T16); Location is relative
 * and carries no state but the session's id (T14).
 *
 * Everything about the session is decided before a byte of the body is read, so that a client that
 * waits for "100 Continue" gets the final answer instead (T21).
 *
 * Spec:    OCI Distribution 1.1 "Pushing blobs", "Mounting a blob from another repository"; main:
 *          end-4c, end-14. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/oci/ref.h"
#include "server/authn.h"
#include "server/range.h"
#include "server/repo.h"
#include "server/req.h"
#include "server/transfer.h"
#include "storage/meta_blob.h"

typedef struct {
    ko_digest digest; /* of a commit */
    bool has_digest;
    ko_hash_alg alg;
    ko_str mount; /* digest asked to be mounted, unparsed; empty: none */
    ko_str from;
    ko_upload *upload; /* held, until a transfer takes it */
    ko_transfer_result result;
} upload_state;

static upload_state *state_of(ko_req *req)
{
    if (!req->state)
        req->state = ko_arena_new_obj(req->arena, upload_state);
    return req->state;
}

/* ---- Answers ---- */

static void add_location(ko_headers *headers, ko_str repo, const char *id)
{
    ko_headers_addf(headers, "Location", "/v2/" KO_STR_FMT "/blobs/uploads/%s", KO_STR_ARG(repo),
                    id);
    ko_headers_add(headers, "Docker-Upload-UUID", ko_str_of(id));
}

/* "0-<last byte>"; an empty session says "0-0", as all registries do: clients parse two numbers. */
static void add_range(ko_headers *headers, uint64_t offset)
{
    ko_headers_addf(headers, "Range", "0-%llu", (unsigned long long)(offset > 0 ? offset - 1 : 0));
}

static ko_step_ret reply_session(ko_req *req, int status, const char *id, uint64_t offset)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    add_location(&headers, req->route.repo, id);
    add_range(&headers, offset);
    if (status == 202 && req->settings->min_chunk_bytes > 0)
        ko_headers_addf(&headers, "OCI-Chunk-Min-Length", "%llu",
                        (unsigned long long)req->settings->min_chunk_bytes);
    return ko_req_reply(req, status, &headers, KO_STR(""));
}

static ko_step_ret reply_created(ko_req *req, const ko_digest *digest)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    ko_headers_addf(&headers, "Location", "/v2/" KO_STR_FMT "/blobs/%s",
                    KO_STR_ARG(req->route.repo), digest->text);
    ko_headers_add(&headers, "Docker-Content-Digest", ko_str_of(digest->text));
    ko_metrics_add(req->app->metrics, KO_METRIC_BLOBS_PUSHED, 1);
    return ko_req_reply(req, 201, &headers, KO_STR(""));
}

static ko_step_ret fail_with(ko_req *req, int status, ko_problem problem, const char *message)
{
    return ko_req_problem(req, status, problem, message, NULL, NULL);
}

/* 416 with everything the client needs to go on from where the session is. */
static ko_step_ret reply_out_of_order(ko_req *req, const char *id, uint64_t offset)
{
    ko_headers headers;

    ko_req_headers(req, &headers);
    add_location(&headers, req->route.repo, id);
    add_range(&headers, offset);
    return ko_req_problem(req, 416, KO_P_RANGE_INVALID,
                          ko_arena_printf(req->arena,
                                          "the session has %llu bytes: the next chunk "
                                          "must begin there",
                                          (unsigned long long)offset),
                          NULL, &headers);
}

/* ---- Held sessions ---- */

/* Bytes this request may bring the session to. */
static uint64_t size_limit(const ko_req *req)
{
    return req->settings->max_blob_bytes;
}

static ko_step_ret refuse_size(ko_req *req)
{
    return fail_with(req, 413, KO_P_SIZE_INVALID,
                     ko_arena_printf(req->arena, "a blob may have at most %llu bytes here",
                                     (unsigned long long)size_limit(req)));
}

/* ---- POST ---- */

static ko_step_ret post_parse(ko_req *req)
{
    upload_state *state = state_of(req);
    ko_str text;
    ko_err err;

    if (ko_params_get(&req->query, "digest-algorithm", &text) &&
        ko_digest_alg_parse(text, &state->alg, &err) < 0)
        return fail_with(req, 400, KO_P_DIGEST_INVALID, err.text);
    if (ko_params_get(&req->query, "digest", &text)) {
        if (ko_digest_parse(text, &state->digest, &err) < 0)
            return fail_with(req, 400, KO_P_DIGEST_INVALID, err.text);
        state->has_digest = true;
        state->alg = state->digest.alg;
    }
    if (ko_params_get(&req->query, "mount", &state->mount))
        (void)ko_params_get(&req->query, "from", &state->from);
    if (ko_app_is_full(req->app) && state->mount.len == 0)
        return fail_with(req, 507, KO_P_DENIED,
                         "the registry's storage is full: nothing can be pushed until its operator "
                         "makes room");
    if (req->head->length > 0 && (uint64_t)req->head->length > size_limit(req))
        return refuse_size(req);
    return KO_NEXT;
}

typedef struct {
    ko_job job;
    ko_repo_spec repo;
    ko_digest mount;
    bool try_mount;
    bool mounted;
    ko_str from; /* empty: any repository the caller may pull */
    ko_hash_alg alg;
    ko_upload_kind kind;
    ko_upload *upload;
    char id[KO_IDS_UUID_MAX]; /* of a resumable session, which is not held any more */
    uint64_t expected;        /* bytes announced; 0: unknown */
    uint64_t limit;
} post_job;

typedef struct {
    post_job *job;
    ko_str source;
} mount_try;

static int mount_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    post_job *job = ((mount_try *)arg)->job;
    ko_repo_blob blob = {.repo = &job->repo, .digest = &job->mount};
    ko_meta_repo source, target;
    ko_meta_link link;

    /* The file is looked for too: the scrubber may have hidden a damaged one whose row is live. */
    if (ko_meta_repo_find(tx, ((mount_try *)arg)->source, &source, err) < 0 ||
        ko_meta_blob_find(tx, source.id, &job->mount, &link, err) < 0 ||
        ko_blob_stat(job->job.app->blobs, &job->mount, &blob.size_bytes, err) < 0)
        return -1;
    if (blob.size_bytes != link.blob.size_bytes)
        return ko_err_set(err, KO_E_NOT_FOUND, "blob %s is damaged", job->mount.text);
    if (ko_repo_admit(tx, &blob, &target, err) < 0)
        return -1;
    return ko_meta_blob_link(tx, &target, &job->mount,
                             ko_clock_wall_s() + job->repo.settings->lease_s, NULL, err);
}

/* true: mounted from there. A failure to mount is no error: the client gets an upload session. */
static bool mount_from(post_job *job, ko_str source)
{
    mount_try try = {job, source};
    ko_err err;

    return ko_meta_write(job->job.app->meta, KO_META_DURABLE, mount_tx, &try, &err) == 0;
}

typedef struct {
    post_job *job;
    ko_meta_repo *repos;
    size_t count;
} sources;

#define MOUNT_SOURCES 16 /* candidates looked at for a mount that names no source */

static int find_sources(ko_meta_tx *tx, void *arg, ko_err *err)
{
    sources *found = arg;
    const ko_identity *id = found->job->job.identity;
    ko_meta_caller caller = {id->account_id, id->admin};

    return ko_meta_blob_list_repos(tx, &found->job->mount, caller, MOUNT_SOURCES,
                                   found->job->job.arena, &found->repos, &found->count, err);
}

static bool may_copy(post_job *job, ko_str repo)
{
    bool may = false;

    return ko_auth_may_copy_from(job->job.app->auth, job->job.identity, repo, &may, NULL) == 0 &&
           may;
}

/* The list holds what the account may pull; a limited token may be good for less of it. */
static bool mount_from_anywhere(post_job *job)
{
    sources found = {.job = job};
    ko_err err;

    if (ko_meta_read(job->job.app->meta, find_sources, &found, &err) < 0)
        return false;
    for (size_t i = 0; i < found.count; i++) {
        ko_str name = ko_str_of(found.repos[i].name);

        if ((found.repos[i].visibility == KO_META_PUBLIC || may_copy(job, name)) &&
            mount_from(job, name))
            return true;
    }
    return false;
}

static bool try_mount(post_job *job)
{
    if (job->from.len == 0)
        return mount_from_anywhere(job);
    return ko_ref_check_repo(job->from, NULL) == 0 && may_copy(job, job->from) &&
           mount_from(job, job->from);
}

static int check_quota_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    post_job *job = arg;

    return ko_repo_check_push(tx, &job->repo, job->expected, err);
}

static int post_run(ko_job *base, ko_err *err)
{
    post_job *job = (post_job *)base;

    if (job->try_mount && try_mount(job)) {
        job->mounted = true;
        return 0;
    }
    if (ko_meta_read(base->app->meta, check_quota_tx, job, err) < 0 ||
        ko_upload_begin(base->app->uploads, ko_str_of(job->repo.name), base->identity->account_id,
                        job->alg, job->kind, &job->upload, err) < 0)
        return -1;
    ko_upload_limit(job->upload, job->limit);
    if (job->kind == KO_UPLOAD_RESUMABLE) {
        memcpy(job->id, ko_upload_id(job->upload), sizeof(job->id));
        job->upload = ko_upload_release(job->upload);
    }
    return 0;
}

static void post_drop(ko_job *base)
{
    (void)ko_upload_release(((post_job *)base)->upload);
}

static ko_step_ret post_begin(ko_req *req)
{
    upload_state *state = state_of(req);
    post_job *job = ko_job_new(req, post_job, post_run, post_drop);
    ko_arena *arena = job->job.arena;

    ko_repo_spec_init(&job->repo, req->route.repo, req->identity->account_id, req->settings);
    job->try_mount = state->mount.len > 0 && ko_digest_parse(state->mount, &job->mount, NULL) == 0;
    job->from = ko_arena_str(arena, state->from);
    job->alg = state->alg;
    job->kind = state->has_digest ? KO_UPLOAD_ONCE : KO_UPLOAD_RESUMABLE;
    job->expected = req->head->length > 0 ? (uint64_t)req->head->length : 0;
    job->limit = size_limit(req);
    return ko_req_work(req, &job->job);
}

static ko_step_ret post_begun(ko_req *req)
{
    post_job *job = ko_req_job(req, post_job);
    upload_state *state = state_of(req);

    if (job->mounted)
        return reply_created(req, &job->mount);
    if (!state->has_digest)
        return reply_session(req, 202, job->id, 0);
    return ko_transfer_start(req, ko_steal(&job->upload), &state->digest, &state->result);
}

/* After the body of a single POST, or of a PUT. */
static ko_step_ret committed(ko_req *req)
{
    upload_state *state = state_of(req);

    if (state->result.rc < 0)
        return ko_req_fail(req, &state->result.err);
    return reply_created(req, &state->digest);
}

const ko_step ko_upload_post_steps[] = {KO_STEP(post_parse), KO_STEP(post_begin),
                                        KO_STEP(post_begun), KO_STEP(committed), KO_STEPS_END};

/* ---- GET ---- */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_str id;
    ko_upload_info info;
} status_job;

static int status_run(ko_job *base, ko_err *err)
{
    status_job *job = (status_job *)base;

    return ko_upload_find(base->app->uploads, job->repo, job->id, &job->info, err);
}

static ko_step_ret status_find(ko_req *req)
{
    status_job *job = ko_job_new(req, status_job, status_run, NULL);

    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->id = ko_arena_str(job->job.arena, req->route.ref);
    return ko_req_work(req, &job->job);
}

static ko_step_ret status_reply(ko_req *req)
{
    const ko_upload_info *info = &ko_req_job(req, status_job)->info;

    return reply_session(req, 204, info->id, info->offset);
}

const ko_step ko_upload_get_steps[] = {KO_STEP(status_find), KO_STEP(status_reply), KO_STEPS_END};

/* ---- Taking hold of a session, for PATCH, PUT and DELETE ---- */

typedef struct {
    ko_job job;
    ko_str repo;
    ko_str id;
    ko_upload *upload;
} open_job;

static int open_run(ko_job *base, ko_err *err)
{
    open_job *job = (open_job *)base;

    return ko_upload_open(base->app->uploads, job->repo, job->id, &job->upload, err);
}

static void open_drop(ko_job *base)
{
    (void)ko_upload_release(((open_job *)base)->upload);
}

static ko_step_ret session_open(ko_req *req)
{
    open_job *job = ko_job_new(req, open_job, open_run, open_drop);

    job->job.soft = true;
    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    job->id = ko_arena_str(job->job.arena, req->route.ref);
    return ko_req_work(req, &job->job);
}

/* What is wrong with a request on a session; all of it leaves the session as it is. */
typedef enum { GO_ON, OUT_OF_ORDER, NOT_YOURS, OVERSIZE, BAD_RANGE } verdict;

static verdict judge(ko_req *req, const ko_upload *upload, ko_err *err)
{
    uint64_t offset = ko_upload_offset(upload);
    int64_t length = req->head->length;
    ko_range range;
    ko_str value;

    /* An expired token may end what its own account began, nothing else (T12 of section 5). */
    if (req->identity->expired && ko_upload_account(upload) != req->identity->account_id)
        return NOT_YOURS;
    if (ko_headers_get(&req->head->headers, "Content-Range", &value) && req->head->has_body) {
        if (ko_range_parse_chunk(value, &range, err) < 0)
            return BAD_RANGE;
        if (range.first != offset)
            return OUT_OF_ORDER;
        if (length >= 0 && range.last - range.first + 1 != (uint64_t)length) {
            (void)ko_err_set(err, KO_E_INVALID, "Content-Range and Content-Length do not agree");
            return BAD_RANGE;
        }
    }
    /* The session may be longer than allowed already: a reload can lower the limit. */
    if (length > 0 && (offset > size_limit(req) || (uint64_t)length > size_limit(req) - offset))
        return OVERSIZE;
    return GO_ON;
}

/* Gives a session back that this request will not use: refused, or cancelled. */
typedef struct {
    ko_job job;
    ko_upload *upload;
    bool cancel;
    verdict verdict;
    char id[KO_IDS_UUID_MAX];
    uint64_t offset;
    ko_err why;
} release_job;

static int release_run(ko_job *base, ko_err *err)
{
    release_job *job = (release_job *)base;
    int rc = job->cancel ? ko_upload_cancel(job->upload, err) : 0;

    job->upload = ko_upload_release(job->upload);
    return rc;
}

static ko_step_ret give_back(ko_req *req, ko_upload *upload, bool cancel, verdict found,
                             const ko_err *why)
{
    release_job *job = ko_job_new(req, release_job, release_run, NULL);

    job->upload = upload;
    job->cancel = cancel;
    job->verdict = found;
    job->offset = ko_upload_offset(upload);
    job->why = *why;
    memcpy(job->id, ko_upload_id(upload), sizeof(job->id));
    return ko_req_work_admitted(req, &job->job);
}

/* Another request still holds the session, perhaps one whose client has gone and which nobody has
 * noticed yet: worth another try, so not an error that ends a push. */
static ko_step_ret session_opened(ko_req *req)
{
    const ko_job *job = req->job;
    ko_headers headers;

    if (job->rc == 0)
        return KO_NEXT;
    if (job->err.code != KO_E_CONFLICT)
        return ko_req_fail(req, &job->err);
    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Retry-After", KO_STR("1"));
    return ko_req_problem(req, 503, KO_P_BLOB_UPLOAD_INVALID, job->err.text, NULL, &headers);
}

static ko_step_ret session_judge(ko_req *req)
{
    ko_upload *upload = ko_steal(&ko_req_job(req, open_job)->upload);
    ko_err why = KO_ERR_INIT;
    verdict found = judge(req, upload, &why);

    if (found != GO_ON)
        return give_back(req, upload, false, found, &why);
    ko_upload_limit(upload, size_limit(req));
    state_of(req)->upload = upload;
    req->step++; /* nothing to say in session_refuse */
    return KO_NEXT;
}

/* The session is free again by now, so the client may come back at once. */
static ko_step_ret session_refuse(ko_req *req)
{
    const release_job *job = ko_req_job(req, release_job);

    switch (job->verdict) {
    case OUT_OF_ORDER:
        return reply_out_of_order(req, job->id, job->offset);
    case NOT_YOURS:
        return ko_authn_refuse(req, NULL);
    case OVERSIZE:
        return refuse_size(req);
    case BAD_RANGE:
        return fail_with(req, 400, KO_P_BLOB_UPLOAD_INVALID, job->why.text);
    case GO_ON:
        break;
    }
    KO_ASSERT(false);
    return KO_DONE;
}

/* ---- PATCH ---- */

static ko_step_ret refuse_when_full(ko_req *req)
{
    if (ko_app_is_full(req->app) && req->head->has_body)
        return fail_with(req, 507, KO_P_DENIED,
                         "the registry's storage is full: nothing can be pushed until its operator "
                         "makes room; the session stays");
    return KO_NEXT;
}

static ko_step_ret patch_receive(ko_req *req)
{
    upload_state *state = state_of(req);

    return ko_transfer_start(req, ko_steal(&state->upload), NULL, &state->result);
}

static ko_step_ret patch_reply(ko_req *req)
{
    const ko_transfer_result *result = &state_of(req)->result;
    ko_headers headers;

    if (result->rc < 0)
        return ko_req_fail(req, &result->err);
    ko_req_headers(req, &headers);
    add_location(&headers, req->route.repo, result->id);
    add_range(&headers, result->offset);
    return ko_req_reply(req, 202, &headers, KO_STR(""));
}

const ko_step ko_upload_patch_steps[] = {KO_STEP(refuse_when_full), KO_STEP(session_open),
                                         KO_STEP(session_opened),   KO_STEP(session_judge),
                                         KO_STEP(session_refuse),   KO_STEP(patch_receive),
                                         KO_STEP(patch_reply),      KO_STEPS_END};

/* ---- PUT ---- */

static ko_step_ret put_parse(ko_req *req)
{
    upload_state *state = state_of(req);
    ko_str text;
    ko_err err;

    if (!ko_params_get(&req->query, "digest", &text))
        return fail_with(req, 400, KO_P_DIGEST_INVALID,
                         "the closing PUT of an upload needs ?digest=<digest>");
    if (ko_digest_parse(text, &state->digest, &err) < 0)
        return fail_with(req, 400, KO_P_DIGEST_INVALID, err.text);
    return KO_NEXT;
}

static ko_step_ret put_receive(ko_req *req)
{
    upload_state *state = state_of(req);

    return ko_transfer_start(req, ko_steal(&state->upload), &state->digest, &state->result);
}

const ko_step ko_upload_put_steps[] = {
    KO_STEP(put_parse),      KO_STEP(refuse_when_full), KO_STEP(session_open),
    KO_STEP(session_opened), KO_STEP(session_judge),    KO_STEP(session_refuse),
    KO_STEP(put_receive),    KO_STEP(committed),        KO_STEPS_END};

/* ---- DELETE ---- */

static ko_step_ret session_cancel(ko_req *req)
{
    ko_err none = KO_ERR_INIT;

    return give_back(req, ko_steal(&ko_req_job(req, open_job)->upload), true, GO_ON, &none);
}

static ko_step_ret session_cancelled(ko_req *req)
{
    return ko_req_reply_empty(req, 204);
}

const ko_step ko_upload_delete_steps[] = {KO_STEP(session_open), KO_STEP(session_opened),
                                          KO_STEP(session_cancel), KO_STEP(session_cancelled),
                                          KO_STEPS_END};
