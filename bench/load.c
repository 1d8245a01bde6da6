/* bench/load.c: the load generator for bulk transfers and pushes (wrk does the small GETs; it
 * cannot do HEAD).
 *
 *     load get    --url https://H:P/v2/r/blobs/D --connections 4 --count 16
 *     load head   --url https://H:P/v2/r/manifests/t --connections 32 --seconds 4
 *     load push   --url https://H:P --repo r --size 268435456 --count 4 [--docker] [--fresh]
 *     load images --url https://H:P --repo r --size 10240 --count 100 [--fresh]
 *     load hold   --url https://H:P/v2/ --connections 500
 *     load floor  --dir D --size 268435456 --count 4
 *
 * One line of results on standard output: key=value, times in seconds. Blobs are random and never
 * seen before; their digests are computed before the clock starts. Every thread has one connection
 * and takes the next job until none is left. */
#include <fcntl.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/wire.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/hash.h"
#include "common/base/ids.h"

#define BLOCK_BYTES     (1024 * 1024)
#define LAYERS          3 /* of an image */
#define BLOBS_PER_IMAGE (LAYERS + 1)
#define MAX_CONNECTIONS 4096

typedef struct {
    const char *command;
    const char *url, *ca, *repo, *dir;
    char *headers; /* lines ending in CRLF; owned */
    uint64_t connections, count, size, rate;
    uint64_t seconds; /* stops taking jobs after so many; 0: never */
    bool docker;      /* POST, PATCH in chunks, PUT */
    bool fresh;       /* a new connection per request */
} options;

/* A blob to push: the common block up to `size`, ending in its own tail; or a text. */
typedef struct {
    ko_wire_body body;
    char tail[KO_WIRE_TAIL];
    char digest[72]; /* "sha256:" and 64 digits */
    char *text;      /* a config; owned */
} blob;

typedef struct plan {
    options opts;
    ko_wire_target *target;
    char *block;
    blob *blobs;
    size_t blob_count;
    char run_id[KO_IDS_UUID_MAX]; /* makes tags unique */
    int (*job)(struct plan *plan, ko_wire *wire, uint64_t index, ko_err *err);
    uint64_t deadline_us;
    atomic_uint_fast64_t next, done, bytes, requests, errors;
} plan;

/* ---- Requests ---- */

static int call(plan *p, ko_wire *wire, const ko_wire_request *request, int want,
                ko_wire_reply *reply, ko_err *err)
{
    if (ko_wire_call(wire, request, reply, err) < 0)
        return -1;
    atomic_fetch_add(&p->requests, 1);
    atomic_fetch_add(&p->bytes, reply->length + request->body.size);
    if (p->opts.fresh)
        ko_wire_close(wire);
    if (reply->status != want)
        return ko_err_set(err, KO_E_INVALID, "%s %.200s: status %d instead of %d", request->method,
                          request->path, reply->status, want);
    return 0;
}

static int get_job(plan *p, ko_wire *wire, uint64_t index, ko_err *err)
{
    ko_wire_request request = {"GET", ko_wire_path(p->target), p->opts.headers, {0}};
    ko_wire_reply reply;

    (void)index;
    return call(p, wire, &request, 200, &reply, err);
}

static int head_job(plan *p, ko_wire *wire, uint64_t index, ko_err *err)
{
    ko_wire_request request = {"HEAD", ko_wire_path(p->target), p->opts.headers, {0}};
    ko_wire_reply reply;

    (void)index;
    return call(p, wire, &request, 200, &reply, err);
}

/* HEAD finds nothing, as it does in docker's push of a new layer. */
static int look_for_blob(plan *p, ko_wire *wire, const blob *b, ko_err *err)
{
    char path[512];
    ko_wire_reply reply;

    (void)snprintf(path, sizeof(path), "/v2/%s/blobs/%s", p->opts.repo, b->digest);
    ko_wire_request request = {"HEAD", path, p->opts.headers, {0}};
    return call(p, wire, &request, 404, &reply, err);
}

static int push_blob(plan *p, ko_wire *wire, const blob *b, bool in_chunks, ko_err *err)
{
    char path[2048 + 128], headers[8192];
    ko_wire_reply reply;

    (void)snprintf(headers, sizeof(headers), "%sContent-Type: application/octet-stream\r\n",
                   p->opts.headers);
    (void)snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/", p->opts.repo);
    ko_wire_request post = {"POST", path, p->opts.headers, {0}};
    if (call(p, wire, &post, 202, &reply, err) < 0)
        return -1;
    if (in_chunks) {
        ko_wire_request patch = {"PATCH", path, headers, b->body};

        (void)snprintf(path, sizeof(path), "%s", reply.location);
        patch.body.chunked = true;
        if (call(p, wire, &patch, 202, &reply, err) < 0)
            return -1;
    }
    (void)snprintf(path, sizeof(path), "%s%cdigest=%s", reply.location,
                   strchr(reply.location, '?') ? '&' : '?', b->digest);
    ko_wire_request put = {"PUT", path, headers, in_chunks ? (ko_wire_body){0} : b->body};
    return call(p, wire, &put, 201, &reply, err);
}

static int push_job(plan *p, ko_wire *wire, uint64_t index, ko_err *err)
{
    return push_blob(p, wire, &p->blobs[index], p->opts.docker, err);
}

static int push_manifest(plan *p, ko_wire *wire, const blob *blobs, uint64_t index, ko_err *err)
{
    static const char type[] = "application/vnd.oci.image.manifest.v1+json";
    char path[512], headers[8192], text[2048];
    ko_wire_reply reply;
    size_t len = 0;

    len += (size_t)snprintf(text, sizeof(text),
                            "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":", type);
    for (size_t i = 0; i < BLOBS_PER_IMAGE; i++) {
        const blob *b = &blobs[(i + LAYERS) % BLOBS_PER_IMAGE]; /* the config is the last blob */

        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "%s{\"mediaType\":\"application/vnd.oci.image.%s\",\"digest\":"
                                "\"%s\",\"size\":%llu}",
                                i > 1 ? "," : "", i ? "layer.v1.tar+gzip" : "config.v1+json",
                                b->digest, (unsigned long long)b->body.size);
        if (i == 0)
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"layers\":[");
    }
    len += (size_t)snprintf(text + len, sizeof(text) - len, "]}");
    (void)snprintf(path, sizeof(path), "/v2/%s/manifests/%.8s-%llu", p->opts.repo, p->run_id,
                   (unsigned long long)index);
    (void)snprintf(headers, sizeof(headers), "%sContent-Type: %s\r\n", p->opts.headers, type);
    ko_wire_request put = {"PUT", path, headers, {.block = text, .block_len = len, .size = len}};
    return call(p, wire, &put, 201, &reply, err);
}

static int image_job(plan *p, ko_wire *wire, uint64_t index, ko_err *err)
{
    const blob *blobs = &p->blobs[index * BLOBS_PER_IMAGE];

    for (size_t i = 0; i < BLOBS_PER_IMAGE; i++)
        if (look_for_blob(p, wire, &blobs[i], err) < 0 ||
            push_blob(p, wire, &blobs[i], true, err) < 0)
            return -1;
    return push_manifest(p, wire, blobs, index, err);
}

/* What no registry can do without: hash, write, fsync. The files stay, as a registry's blobs do:
 * page cache that is freed and taken again is cheaper than fresh memory, in virtual machines by a
 * factor of three. */
static int floor_job(plan *p, ko_wire *wire, uint64_t index, ko_err *err)
{
    ko_autoptr(ko_hash) hash = ko_hash_new(KO_HASH_SHA256);
    char path[1024];

    (void)wire;
    (void)snprintf(path, sizeof(path), "%s/floor-%llu", p->opts.dir, (unsigned long long)index);
    ko_autofd fd = ko_fd_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600, err);
    if (fd < 0)
        return -1;
    for (uint64_t done = 0; done < p->opts.size; done += BLOCK_BYTES) {
        uint64_t left = p->opts.size - done;
        size_t n = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;

        ko_hash_update(hash, p->block, n);
        if (ko_fd_write_all(fd, p->block, n, err) < 0)
            return -1;
    }
    if (ko_fd_sync(fd, err) < 0)
        return -1;
    atomic_fetch_add(&p->bytes, p->opts.size);
    return 0;
}

/* ---- What is pushed ---- */

static void set_digest(blob *b, const uint8_t digest[32])
{
    memcpy(b->digest, "sha256:", 7);
    ko_hex_encode(digest, 32, b->digest + 7);
}

/* All blobs of one size: their common beginning is hashed once. */
static void make_random_blobs(plan *p, size_t stride, size_t offset, size_t count)
{
    EVP_MD_CTX *common = EVP_MD_CTX_new(), *whole = EVP_MD_CTX_new();
    uint64_t left = p->opts.size - KO_WIRE_TAIL;

    KO_ASSERT(common && whole && EVP_DigestInit_ex(common, EVP_sha256(), NULL) == 1);
    for (; left > 0; left -= left < BLOCK_BYTES ? left : BLOCK_BYTES)
        (void)EVP_DigestUpdate(common, p->block, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES);
    for (size_t i = 0; i < count; i++) {
        blob *b = &p->blobs[i * stride + offset];
        uint8_t digest[32];

        ko_ids_random(b->tail, sizeof(b->tail));
        (void)EVP_MD_CTX_copy_ex(whole, common);
        (void)EVP_DigestUpdate(whole, b->tail, sizeof(b->tail));
        KO_ASSERT(EVP_DigestFinal_ex(whole, digest, NULL) == 1);
        set_digest(b, digest);
        b->body = (ko_wire_body){
            .block = p->block, .block_len = BLOCK_BYTES, .size = p->opts.size, .tail = b->tail};
    }
    EVP_MD_CTX_free(common);
    EVP_MD_CTX_free(whole);
}

static void make_config(blob *config, const blob *layers)
{
    char text[1024];
    uint8_t digest[KO_HASH_MAX];

    int len = snprintf(text, sizeof(text),
                       "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":"
                       "{\"type\":\"layers\",\"diff_ids\":[\"%s\",\"%s\",\"%s\"]}}",
                       layers[0].digest, layers[1].digest, layers[2].digest);
    config->text = ko_xstrdup(text);
    ko_hash_once(KO_HASH_SHA256, config->text, (size_t)len, digest);
    set_digest(config, digest);
    config->body =
        (ko_wire_body){.block = config->text, .block_len = (size_t)len, .size = (uint64_t)len};
}

static void make_blobs(plan *p)
{
    size_t per_job = p->job == image_job ? BLOBS_PER_IMAGE : 1;
    size_t layers = p->job == image_job ? LAYERS : 1;

    p->blob_count = p->opts.count * per_job;
    p->blobs = ko_xcalloc(p->blob_count, sizeof(*p->blobs));
    for (size_t i = 0; i < layers; i++)
        make_random_blobs(p, per_job, i, p->opts.count);
    for (size_t i = 0; p->job == image_job && i < p->opts.count; i++)
        make_config(&p->blobs[i * per_job + LAYERS], &p->blobs[i * per_job]);
}

/* ---- Running ---- */

static void report(plan *p, const ko_err *err)
{
    if (atomic_fetch_add(&p->errors, 1) == 0)
        (void)fprintf(stderr, "load: %s\n", err->text);
}

static void *work(void *arg)
{
    plan *p = arg;
    ko_autoptr(ko_wire) wire = p->target ? ko_wire_new(p->target, p->opts.rate) : NULL;
    uint64_t index;

    while ((index = atomic_fetch_add(&p->next, 1)) < p->opts.count &&
           ko_clock_mono_us() < p->deadline_us) {
        ko_err err;

        if (p->job(p, wire, index, &err) < 0)
            report(p, &err);
        else
            atomic_fetch_add(&p->done, 1);
    }
    return NULL;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run_jobs(plan *p)
{
    pthread_t threads[MAX_CONNECTIONS];
    double cpu = cpu_seconds();
    uint64_t start_us = ko_clock_mono_us();

    p->deadline_us = p->opts.seconds ? start_us + p->opts.seconds * 1000000 : UINT64_MAX;
    for (uint64_t i = 0; i < p->opts.connections; i++)
        KO_ASSERT(pthread_create(&threads[i], NULL, work, p) == 0);
    for (uint64_t i = 0; i < p->opts.connections; i++)
        (void)pthread_join(threads[i], NULL);
    double wall = (double)(ko_clock_mono_us() - start_us) / 1e6;
    uint64_t bytes = atomic_load(&p->bytes), requests = atomic_load(&p->requests);
    uint64_t done = atomic_load(&p->done);
    printf("command=%s wall_s=%.6f jobs=%llu requests=%llu bytes=%llu errors=%llu jobs_s=%.1f "
           "requests_s=%.1f mib_s=%.1f client_cpu_s=%.3f\n",
           p->opts.command, wall, (unsigned long long)done, (unsigned long long)requests,
           (unsigned long long)bytes, (unsigned long long)atomic_load(&p->errors),
           (double)done / wall, (double)requests / wall, (double)bytes / wall / 1048576,
           cpu_seconds() - cpu);
}

/* Opens every connection, asks once on each, and keeps them until standard input ends. */
static void run_hold(plan *p)
{
    ko_wire **wires = ko_xcalloc(p->opts.connections, sizeof(ko_wire *));
    char byte;

    for (uint64_t i = 0; i < p->opts.connections; i++) {
        ko_err err;

        wires[i] = ko_wire_new(p->target, 0);
        if (get_job(p, wires[i], i, &err) < 0)
            report(p, &err);
    }
    printf("command=hold connections=%llu errors=%llu\n", (unsigned long long)p->opts.connections,
           (unsigned long long)atomic_load(&p->errors));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    for (uint64_t i = 0; i < p->opts.connections; i++)
        (void)ko_wire_free(wires[i]);
    free(wires);
}

/* ---- Options ---- */

static const char usage_text[] =
    "usage: load get|head|push|images|hold|floor [options]\n"
    "  --url URL           http[s]://HOST:PORT[/PATH]\n"
    "  --ca FILE           verify the server against this authority\n"
    "  --header LINE       e.g. \"Authorization: Bearer ...\"; may be repeated\n"
    "  --repo NAME         repository to push to\n"
    "  --connections N     parallel connections (1)\n"
    "  --count N           requests, blobs or images altogether (1, or what fits)\n"
    "  --seconds N         stops after so many, whatever the count\n"
    "  --size BYTES        of a blob or layer (1048576)\n"
    "  --rate BYTES        per second and connection; 0: unlimited (0)\n"
    "  --docker            push in chunks, as docker does\n"
    "  --fresh             a new connection for every request\n"
    "  --dir DIR           where `floor` writes\n";

static void add_header(options *opts, const char *line)
{
    size_t old = opts->headers ? strlen(opts->headers) : 0;
    size_t size = old + strlen(line) + 3;

    opts->headers = ko_xrealloc_array(opts->headers, size, 1);
    (void)snprintf(opts->headers + old, size - old, "%s\r\n", line);
}

static uint64_t number(const char *name, const char *text, uint64_t max)
{
    ko_err err;
    uint64_t value;

    if (ko_parse_u64(ko_str_of(text), max, &value, &err) < 0) {
        (void)fprintf(stderr, "load: --%s: %s\n", name, err.text);
        exit(64);
    }
    return value;
}

typedef struct {
    const char *name;
    enum { TEXT, NUMBER, FLAG, HEADER } kind;
    void *to;
    uint64_t max; /* of a number */
} option_row;

static void set_option(options *opts, const option_row *row)
{
    switch (row->kind) {
    case TEXT:
        *(const char **)row->to = optarg;
        break;
    case NUMBER:
        *(uint64_t *)row->to = number(row->name, optarg, row->max);
        break;
    case FLAG:
        *(bool *)row->to = true;
        break;
    case HEADER:
        add_header(opts, optarg);
        break;
    }
}

static void parse_options(int argc, char **argv, options *opts)
{
    const option_row rows[] = {
        {"url", TEXT, &opts->url, 0},
        {"ca", TEXT, &opts->ca, 0},
        {"repo", TEXT, &opts->repo, 0},
        {"dir", TEXT, &opts->dir, 0},
        {"header", HEADER, NULL, 0},
        {"connections", NUMBER, &opts->connections, MAX_CONNECTIONS},
        {"count", NUMBER, &opts->count, 1000000},
        {"seconds", NUMBER, &opts->seconds, 86400},
        {"size", NUMBER, &opts->size, UINT64_MAX / 2},
        {"rate", NUMBER, &opts->rate, UINT64_MAX / 2},
        {"docker", FLAG, &opts->docker, 0},
        {"fresh", FLAG, &opts->fresh, 0},
    };
    struct option longs[KO_ARRAY_LEN(rows) + 1] = {{0}};
    int at, c;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        longs[i] = (struct option){rows[i].name,
                                   rows[i].kind == FLAG ? no_argument : required_argument, NULL, 0};
    *opts = (options){.connections = 1, .size = 1048576, .headers = ko_xstrdup("")};
    while ((c = getopt_long(argc, argv, "", longs, &at)) == 0)
        set_option(opts, &rows[at]);
    if (c != -1) {
        (void)fputs(usage_text, stderr);
        exit(64);
    }
    /* Without a count, a run of some seconds goes on until they are over. */
    if (opts->count == 0)
        opts->count = opts->seconds ? UINT64_MAX : 1;
    opts->command = optind == argc - 1 ? argv[optind] : "";
}

static bool choose_job(plan *p)
{
    static const struct {
        const char *command;
        int (*job)(plan *p, ko_wire *wire, uint64_t index, ko_err *err);
        bool url, repo, dir;
    } rows[] = {
        {"get", get_job, true, false, false},  {"head", head_job, true, false, false},
        {"push", push_job, true, true, false}, {"images", image_job, true, true, false},
        {"hold", get_job, true, false, false}, {"floor", floor_job, false, false, true},
    };
    const options *o = &p->opts;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (strcmp(o->command, rows[i].command) == 0) {
            p->job = rows[i].job;
            return o->size >= KO_WIRE_TAIL && o->connections > 0 && (!rows[i].url || o->url) &&
                   (!rows[i].repo || o->repo) && (!rows[i].dir || o->dir);
        }
    return false;
}

static int prepare(plan *p, ko_err *err)
{
    ko_ids_uuid(p->run_id);
    p->block = ko_xmalloc(BLOCK_BYTES);
    for (size_t at = 0; at < BLOCK_BYTES; at += 256)
        ko_ids_random(p->block + at, 256);
    if (p->opts.url && ko_wire_target_new(p->opts.url, p->opts.ca, &p->target, err) < 0)
        return -1;
    if (p->job == push_job || p->job == image_job)
        make_blobs(p);
    return 0;
}

int main(int argc, char **argv)
{
    static plan p;
    ko_err err;

    parse_options(argc, argv, &p.opts);
    if (!choose_job(&p)) {
        (void)fputs(usage_text, stderr);
        return 64;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (prepare(&p, &err) < 0) {
        (void)fprintf(stderr, "load: %s\n", err.text);
        return 1;
    }
    if (strcmp(p.opts.command, "hold") == 0)
        run_hold(&p);
    else
        run_jobs(&p);
    for (size_t i = 0; i < p.blob_count; i++)
        free(p.blobs[i].text);
    free(p.blobs);
    free(p.block);
    free(p.opts.headers);
    (void)ko_wire_target_free(p.target);
    return atomic_load(&p.errors) == 0 ? 0 : 1;
}
