/* server/api_ops.c: pages for the operator: health, readiness, metrics, and a word at "/". */
#include "common/base/hash.h"
#include "server/app_priv.h"
#include "server/req.h"
#include "storage/meta_blob.h"
#include "storage/meta_manifest.h"
#include "storage/meta_tag.h"

static ko_step_ret root_reply(ko_req *req)
{
    return ko_req_reply_body(
        req, 200, "text/plain; charset=utf-8",
        KO_STR("This is a Kontor container registry. Log in with `docker login`, "
               "then push and pull.\n"));
}

const ko_step ko_ops_root_steps[] = {KO_STEP(root_reply), KO_STEPS_END};

/* ---- Health ---- */

/* Red when pushes are refused, so that somebody looks; it is no reason to restart the program. */
static ko_step_ret health_reply(ko_req *req)
{
    if (ko_app_is_full(req->app))
        return ko_req_reply_body(
            req, 503, "application/json",
            KO_STR("{\"status\":\"fail\",\"output\":\"the storage is full: pushes "
                   "are refused, pulls and deletes go on\"}\n"));
    return ko_req_reply_body(req, 200, "application/json", KO_STR("{\"status\":\"pass\"}\n"));
}

const ko_step ko_ops_health_steps[] = {KO_STEP(health_reply), KO_STEPS_END};

/* Ready means: the database answers. */
static int probe_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_repo_count(tx, arg, err);
}

typedef struct {
    ko_job job;
    uint64_t repos;
} probe_job;

static int probe_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, probe_tx, &((probe_job *)base)->repos, err);
}

static ko_step_ret ready_probe(ko_req *req)
{
    probe_job *job = ko_job_new(req, probe_job, probe_run, NULL);

    job->job.soft = true;
    return ko_req_work(req, &job->job);
}

static ko_step_ret ready_reply(ko_req *req)
{
    const ko_job *job = req->job;

    if (job->rc < 0)
        return ko_req_reply_body(req, 503, "application/json",
                                 KO_STR("{\"status\":\"fail\",\"output\":\"the database does not "
                                        "answer\"}\n"));
    return ko_req_reply_body(req, 200, "application/json", KO_STR("{\"status\":\"pass\"}\n"));
}

const ko_step ko_ops_ready_steps[] = {KO_STEP(ready_probe), KO_STEP(ready_reply), KO_STEPS_END};

/* ---- Metrics ---- */

typedef struct {
    ko_job job;
    uint64_t repos;
    uint64_t manifests;
    uint64_t tags;
    uint64_t blobs;
    uint64_t blob_bytes;
    uint64_t free_bytes;
    uint64_t total_bytes;
} metrics_job;

static int count_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    metrics_job *job = arg;

    if (ko_meta_repo_count(tx, &job->repos, err) < 0 ||
        ko_meta_manifest_count(tx, &job->manifests, err) < 0 ||
        ko_meta_tag_count(tx, &job->tags, err) < 0)
        return -1;
    return ko_meta_blob_count(tx, &job->blobs, &job->blob_bytes, err);
}

static int metrics_run(ko_job *base, ko_err *err)
{
    metrics_job *job = (metrics_job *)base;

    if (ko_meta_read(base->app->meta, count_tx, job, err) < 0)
        return -1;
    return ko_blob_space(base->app->blobs, &job->free_bytes, &job->total_bytes, err);
}

static bool may_see_metrics(const ko_req *req)
{
    ko_str header, prefix = KO_STR("Bearer "), token;

    switch (req->settings->metrics) {
    case KO_METRICS_PUBLIC:
        return true;
    case KO_METRICS_ADDRESS:
        return ko_proxy_list_has(req->settings->metrics_addresses, req->peer);
    case KO_METRICS_TOKEN:
        break;
    }
    if (!ko_headers_get(&req->head->headers, "Authorization", &header) ||
        !ko_str_has_prefix(header, prefix))
        return false;
    token = ko_str_slice(header, prefix.len, header.len);
    return token.len == strlen(req->settings->metrics_token) &&
           ko_hash_equal(token.ptr, req->settings->metrics_token, token.len);
}

static ko_step_ret metrics_gather(ko_req *req)
{
    if (!may_see_metrics(req))
        return ko_req_problem(req, 403, KO_P_DENIED,
                              "metrics are not for everyone: see metrics.access in the settings",
                              NULL, NULL);
    return ko_req_work(req, &ko_job_new(req, metrics_job, metrics_run, NULL)->job);
}

static void print_store(ko_buf *out, const metrics_job *job)
{
    (void)ko_metrics_print_one(out, "kontor_repositories", "gauge", "Repositories.", job->repos);
    (void)ko_metrics_print_one(out, "kontor_manifests", "gauge", "Manifests.", job->manifests);
    (void)ko_metrics_print_one(out, "kontor_tags", "gauge", "Tags.", job->tags);
    (void)ko_metrics_print_one(out, "kontor_blobs", "gauge", "Blobs in service.", job->blobs);
    (void)ko_metrics_print_one(out, "kontor_blob_bytes", "gauge", "Bytes of them.",
                               job->blob_bytes);
    (void)ko_metrics_print_one(out, "kontor_storage_free_bytes", "gauge",
                               "Bytes that can still be written.", job->free_bytes);
    (void)ko_metrics_print_one(out, "kontor_storage_total_bytes", "gauge",
                               "Size of the file system.", job->total_bytes);
}

static void print_http(ko_buf *out, const ko_http_stats *stats)
{
    (void)ko_metrics_print_one(out, "kontor_connections_total", "counter", "Connections accepted.",
                               stats->accepted);
    (void)ko_metrics_print_one(out, "kontor_connections", "gauge", "Connections open.",
                               stats->open);
    (void)ko_metrics_print_one(out, "kontor_tls_handshakes_total", "counter", "TLS handshakes.",
                               stats->tls_handshakes);
    (void)ko_metrics_print_one(out, "kontor_tls_resumed_total", "counter",
                               "TLS handshakes that resumed a session.", stats->tls_resumed);
    (void)ko_metrics_print_one(out, "kontor_received_bytes_total", "counter", "Bytes received.",
                               stats->bytes_in);
    (void)ko_metrics_print_one(out, "kontor_sent_bytes_total", "counter", "Bytes sent.",
                               stats->bytes_out);
    (void)ko_metrics_print_one(out, "kontor_kernel_tls", "gauge",
                               "1 when some connection used kernel TLS.", stats->ktls);
}

static void print_upkeep(ko_buf *out, const ko_upkeep_stats *stats)
{
    (void)ko_metrics_print_one(out, "kontor_gc_links_removed_total", "counter",
                               "Blobs the collector removed from a repository.",
                               stats->gc.unlinked);
    (void)ko_metrics_print_one(out, "kontor_gc_blobs_removed_total", "counter",
                               "Blobs the collector removed.", stats->gc.purged);
    (void)ko_metrics_print_one(out, "kontor_gc_bytes_removed_total", "counter",
                               "Bytes the collector freed.", stats->gc.purged_bytes);
    (void)ko_metrics_print_one(out, "kontor_scrub_blobs_total", "counter",
                               "Blobs the scrubber hashed again.", stats->scrub.blobs);
    (void)ko_metrics_print_one(out, "kontor_scrub_damaged_total", "counter",
                               "Damaged blobs the scrubber found.", stats->scrub.damaged);
    (void)ko_metrics_print_one(out, "kontor_uploads_reaped_total", "counter",
                               "Upload sessions removed after idling.", stats->sessions_reaped);
}

static void print_inside(ko_buf *out, ko_app *app)
{
    uint64_t hits, misses, cost;
    size_t waiting, running, held, idle;

    ko_cache_stats(app->content, &hits, &misses, &cost);
    ko_pool_stats(app->pool, &waiting, &running);
    ko_uploads_stats(app->uploads, &held, &idle);
    (void)ko_metrics_print_one(out, "kontor_cache_hits_total", "counter",
                               "Manifests and small blobs answered from memory.", hits);
    (void)ko_metrics_print_one(out, "kontor_cache_misses_total", "counter",
                               "Those that were not in memory.", misses);
    (void)ko_metrics_print_one(out, "kontor_cache_bytes", "gauge", "Memory of that cache.", cost);
    (void)ko_metrics_print_one(out, "kontor_jobs_waiting", "gauge", "Jobs waiting for a thread.",
                               waiting);
    (void)ko_metrics_print_one(out, "kontor_jobs_running", "gauge", "Jobs on a thread.", running);
    (void)ko_metrics_print_one(out, "kontor_uploads_held", "gauge",
                               "Upload sessions receiving a request now.", held);
    (void)ko_metrics_print_one(out, "kontor_uploads_idle", "gauge",
                               "Upload sessions open in memory, between requests.", idle);
}

static ko_step_ret metrics_reply(ko_req *req)
{
    ko_autobuf body = {0};
    ko_upkeep_stats upkeep;
    ko_http_stats http;

    ko_buf_init(&body, KO_MIB);
    ko_http_server_stats(req->app->http, &http);
    ko_upkeep_totals(req->app->run->upkeep, &upkeep);
    print_store(&body, ko_req_job(req, metrics_job));
    print_http(&body, &http);
    print_upkeep(&body, &upkeep);
    print_inside(&body, req->app);
    (void)ko_metrics_print(req->app->metrics, &body);
    return ko_req_reply_body(req, 200, "text/plain; version=0.0.4; charset=utf-8",
                             ko_buf_str(&body));
}

const ko_step ko_ops_metrics_steps[] = {KO_STEP(metrics_gather), KO_STEP(metrics_reply),
                                        KO_STEPS_END};
