/* server/transfer.c: see transfer.h.
 *
 * The state machine, all of it on the loop:
 *
 *     buffer i:  EMPTY -> FILLING (a read is pending) -> FULL -> WRITING (on the pool) -> EMPTY
 *
 * At most one buffer is FILLING and one WRITING; buffers are written in the order they were filled.
 * When the body has ended - complete, or cut short by the client - and all that arrived is written
 * (T32: a client resumes behind it), a last job finishes (only a complete body) and releases the
 * session. The last write and that job
 * are one trip to the pool, so a small blob costs one. */
#include "server/transfer.h"

#include "common/base/limits.h"
#include "common/base/log.h"
#include "server/repo.h"

typedef enum { BUF_EMPTY, BUF_FILLING, BUF_FULL, BUF_WRITING } buf_state;

typedef struct {
    buf_state state;
    uint8_t *data; /* taken when first needed */
    size_t len;
} transfer_buf;

typedef struct {
    ko_work work;
    ko_app *app;
    ko_loop *loop;
    ko_req *req; /* NULL when it has gone */
    ko_upload *upload;
    ko_transfer_result *result; /* in req's arena */
    ko_repo_spec repo;
    transfer_buf bufs[2];
    unsigned fill;   /* the buffer to fill next */
    unsigned drain;  /* the buffer to write next */
    bool body_ended; /* nothing more will be read */
    bool working;    /* the pool has it */
    bool unwritable; /* a write failed: what still comes is thrown away */
    bool has_digest; /* to finish with */
    ko_digest digest;
    int rc; /* of the whole transfer; the first failure stays */
    ko_err err;
    struct {
        bool write;  /* the buffer to drain */
        bool finish; /* and make it a blob */
        bool last;   /* and release the session */
        int rc;
        ko_err err;
        uint64_t offset;
    } job; /* the pool's while `working`, else the loop's */
} transfer;

static void transfer_free(transfer *t)
{
    KO_ASSERT(!t->upload);
    for (size_t i = 0; i < KO_ARRAY_LEN(t->bufs); i++)
        free(t->bufs[i].data);
    ko_app_release(t->app);
    free(t);
}

static void transfer_pump(transfer *t);

static void fail(transfer *t, const ko_err *err)
{
    t->body_ended = true;
    if (t->rc < 0)
        return;
    t->rc = -1;
    t->err = *err;
}

/* ---- On the pool ---- */

/* What the quota has no room for will not get any by waiting: the session ends, or its bytes would
 * lie there uncounted. It is asked before the file is published, too: what the transaction refuses
 * afterwards leaves a file that only a check of the whole store would find. */
static int finish(transfer *t)
{
    ko_repo_blob blob = {&t->repo, &t->digest, ko_upload_offset(t->upload)};
    ko_err why = KO_ERR_INIT;

    if (ko_meta_read(t->app->meta, ko_repo_has_room_tx, &blob, &t->job.err) == 0 &&
        ko_upload_finish(t->upload, &t->digest, ko_repo_admit_tx, &blob, &t->job.err) == 0)
        return 0;
    if (t->job.err.code == KO_E_DENIED && ko_upload_cancel(t->upload, &why) < 0)
        ko_log(KO_DEBUG, "upload.cancel", KO_F_ERR(&why)); /* the reaper ends it */
    return -1;
}

/* The reserve is kept piece by piece, or one large blob could eat it. */
static int append(transfer *t, const transfer_buf *buf)
{
    if (!ko_app_has_room(t->app))
        return ko_err_set(&t->job.err, KO_E_NO_SPACE, "less is free than the reserve");
    return ko_upload_append(t->upload, buf->data, buf->len, &t->job.err);
}

static void transfer_run(ko_work *work)
{
    transfer *t = KO_CONTAINER(work, transfer, work);
    transfer_buf *buf = &t->bufs[t->drain];

    t->job.rc = 0;
    if (t->job.write)
        t->job.rc = append(t, buf);
    if (!t->job.last)
        return;
    if (t->job.rc == 0 && t->job.finish)
        t->job.rc = finish(t);
    t->job.offset = ko_upload_offset(t->upload);
    t->upload = ko_upload_release(t->upload);
}

/* ---- On the loop ---- */

static void transfer_done(ko_work *work)
{
    transfer *t = KO_CONTAINER(work, transfer, work);
    ko_req *req = t->req;

    t->working = false;
    if (t->job.rc < 0) {
        t->unwritable = true;
        fail(t, &t->job.err);
    }
    if (t->bufs[t->drain].state == BUF_WRITING) {
        t->bufs[t->drain].state = BUF_EMPTY;
        t->drain ^= 1;
    }
    if (!t->job.last) {
        transfer_pump(t);
        return;
    }
    if (req) {
        t->result->rc = t->rc;
        t->result->err = t->err;
        t->result->offset = t->job.offset;
        req->transfer = NULL;
        req->on_gone = NULL;
    }
    transfer_free(t);
    if (req)
        ko_req_resume(req);
}

static void body_arrived(void *arg, const ko_http_read_result *result)
{
    transfer *t = arg;
    transfer_buf *buf = &t->bufs[t->fill];

    buf->len = result->got;
    buf->state = result->got > 0 ? BUF_FULL : BUF_EMPTY;
    if (result->got > 0)
        t->fill ^= 1;
    t->body_ended = t->body_ended || result->end;
    if (result->err) {
        ko_err err;

        ko_req_body_error(result->err, &err);
        fail(t, &err);
    }
    transfer_pump(t);
}

static void start_reading(transfer *t)
{
    transfer_buf *buf = &t->bufs[t->fill];

    if (!buf->data)
        buf->data = ko_xmalloc(KO_HTTP_BODY_CHUNK);
    buf->state = BUF_FILLING;
    ko_http_read(t->req->x, buf->data, KO_HTTP_BODY_CHUNK, body_arrived, t);
}

static void start_writing(transfer *t)
{
    transfer_buf *buf = &t->bufs[t->drain];

    if (buf->state == BUF_FULL)
        buf->state = BUF_WRITING;
    t->job.write = buf->state == BUF_WRITING && !t->unwritable;
    t->job.last = t->body_ended && t->bufs[t->drain ^ 1].state == BUF_EMPTY;
    t->job.finish = t->job.last && t->has_digest && t->rc == 0;
    t->working = true;
    t->work.run = transfer_run;
    t->work.done = transfer_done;
    ko_pool_continue(t->app->pool, t->loop, &t->work);
}

/* Starts whatever can be started now. */
static void transfer_pump(transfer *t)
{
    bool reading = t->bufs[0].state == BUF_FILLING || t->bufs[1].state == BUF_FILLING;

    if (!t->body_ended && !reading && t->bufs[t->fill].state == BUF_EMPTY) {
        start_reading(t);
        reading = true;
    }
    if (t->working)
        return;
    if (t->bufs[t->drain].state == BUF_FULL || (t->body_ended && !reading))
        start_writing(t);
}

/* The client has gone. A pending read has been answered with an error before this is called; when
 * there was none, both buffers being full, the transfer learns only here that no more will come:
 * then the body is cut short and must not be finished. */
static void transfer_gone(ko_req *req)
{
    transfer *t = req->transfer;
    ko_err err;

    t->req = NULL;
    if (!t->body_ended) {
        (void)ko_err_set(&err, KO_E_IO, "the client has gone");
        fail(t, &err);
    }
}

ko_step_ret ko_transfer_start(ko_req *req, ko_upload *upload, const ko_digest *digest,
                              ko_transfer_result *result)
{
    transfer *t = ko_new(transfer);

    t->app = ko_app_hold(req->app);
    t->loop = ko_http_loop(req->x);
    t->req = req;
    t->upload = upload;
    t->result = result;
    ko_repo_spec_init(&t->repo, req->route.repo, req->identity->account_id, req->settings);
    t->has_digest = digest != NULL;
    if (digest)
        t->digest = *digest;
    t->body_ended = !req->head->has_body;
    req->transfer = t;
    ko_req_on_gone(req, transfer_gone);
    (void)snprintf(result->id, sizeof(result->id), "%s", ko_upload_id(upload));
    transfer_pump(t);
    return KO_WAIT; /* woken by transfer_done */
}
