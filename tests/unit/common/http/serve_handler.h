/* The handler of the server under test. Its paths:
 *   /hello        "hello\n", at once                /later    the same, from a pool thread
 *   /echo         the body comes back               /count    its length and sum, read piecewise
 *   /early        413 without reading the body      /close    "bye\n", closes
 *   /size/N       N bytes from memory               /file/N   N bytes of the test file
 *   /mix          memory, file, memory, reader      /read/N   N bytes from a blocking reader
 *   /none         204                               /never    answers when env.released is set
 *   /own-length   HEAD with its own Content-Length  /bad-file a file shorter than announced */
#ifndef KO_TEST_SERVE_HANDLER_H
#define KO_TEST_SERVE_HANDLER_H

#include <poll.h>

#include "tests/unit/common/http/serve_env.h"

typedef struct {
    env *env;
    ko_http_xchg *x;
    char *bytes; /* what was read so far */
    size_t cap, len;
    uint64_t total, sum;
    ko_http_part parts[4];
    ko_work work;
    bool gone; /* the exchange ended before the work */
    ko_post post;
} env_request;

/* The number a path ends with. */
static inline uint64_t env_path_number(ko_str path, const char *prefix)
{
    return env_number(ko_str_slice(path, strlen(prefix), SIZE_MAX));
}

static inline void env_echo(env_request *r);

static inline void env_on_echo(void *arg, const ko_http_read_result *got)
{
    env_request *r = arg;

    r->len += got->got;
    atomic_fetch_add(&r->env->received, got->got);
    if (got->err && got->err->code == KO_E_INVALID)
        ko_http_reply(r->x, 400, NULL, ko_str_of(got->err->text));
    else if (got->err)
        return; /* on_end follows */
    else if (got->end)
        ko_http_reply(r->x, 200, NULL, (ko_str){r->bytes, r->len});
    else
        env_echo(r);
}

static inline void env_echo(env_request *r)
{
    if (r->cap - r->len < 64) {
        r->cap = r->cap ? 2 * r->cap : 1024;
        r->bytes = ko_xrealloc_array(r->bytes, r->cap, 1);
    }
    /* Odd pieces, so that ends of pieces and ends of chunks do not meet. */
    ko_http_read(r->x, r->bytes + r->len, r->len % 61 + 3, env_on_echo, r);
}

static inline void env_on_piece(void *arg, const ko_http_read_result *got)
{
    env_request *r = arg;
    char text[64];

    for (size_t i = 0; i < got->got; i++)
        r->sum += (uint8_t)r->bytes[i] * (uint64_t)(i % 7 + 1);
    r->total += got->got;
    atomic_fetch_add(&r->env->received, got->got);
    if (got->err && got->err->code == KO_E_INVALID) {
        ko_http_reply(r->x, 400, NULL, ko_str_of(got->err->text));
    } else if (got->err) {
        return;
    } else if (got->end) {
        (void)snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)r->total,
                       (unsigned long long)r->sum);
        ko_http_reply(r->x, 201, NULL, ko_str_of(text));
    } else {
        ko_http_read(r->x, r->bytes, ENV_PIECE, env_on_piece, r);
    }
}

static inline int env_read_slowly(void *arg, void *into, size_t len, uint64_t offset, ko_err *err)
{
    env *e = arg;

    if (e->opts.read_pause_us) {
        struct timespec pause = {.tv_nsec = (long)e->opts.read_pause_us * 1000};

        (void)nanosleep(&pause, NULL);
    }
    while (e->opts.read_waits && !atomic_load(&e->released))
        (void)poll(NULL, 0, 1);
    if (offset == UINT64_MAX)
        return ko_err_set(err, KO_E_IO, "reader failed");
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)into)[i] = env_byte(offset + i);
    return 0;
}

static inline void env_run_nothing(ko_work *work)
{
    (void)work;
}

static inline void env_later(ko_work *work)
{
    env_request *r = KO_CONTAINER(work, env_request, work);

    if (r->gone)
        free(r);
    else
        ko_http_reply(r->x, 200, NULL, KO_STR("hello\n"));
}

/* /never: looks again each turn whether the test has released it. */
static inline void env_wait(void *arg)
{
    env_request *r = arg;

    if (r->gone) {
        free(r);
    } else if (atomic_load(&r->env->released)) {
        r->post.fn = NULL;
        ko_http_reply(r->x, 200, NULL, KO_STR("released\n"));
    } else {
        ko_loop_post(ko_http_loop(r->x), &r->post);
    }
}

static inline void env_parts(env_request *r, const ko_http_part *parts, size_t count)
{
    memcpy(r->parts, parts, count * sizeof(*parts));
    ko_http_reply_parts(r->x, 200, NULL, r->parts, count);
}

static inline void env_reply_with_parts(env_request *r, ko_str path)
{
    env *e = r->env;

    if (ko_str_has_prefix(path, KO_STR("/file/"))) {
        env_parts(r,
                  &(ko_http_part){.kind = KO_PART_FILE,
                                  .fd = e->file,
                                  .offset = 5,
                                  .length = env_path_number(path, "/file/")},
                  1);
    } else if (ko_str_has_prefix(path, KO_STR("/read/"))) {
        env_parts(r,
                  &(ko_http_part){.kind = KO_PART_READER,
                                  .read = env_read_slowly,
                                  .arg = e,
                                  .offset = 5,
                                  .length = env_path_number(path, "/read/")},
                  1);
    } else if (ko_str_eq(path, KO_STR("/bad-file"))) {
        env_parts(
            r,
            &(ko_http_part){.kind = KO_PART_FILE, .fd = e->file, .length = e->opts.file_size + 1},
            1);
    } else if (ko_str_eq(path, KO_STR("/bad-read"))) {
        env_parts(r,
                  &(ko_http_part){.kind = KO_PART_READER,
                                  .read = env_read_slowly,
                                  .arg = e,
                                  .offset = UINT64_MAX,
                                  .length = 9},
                  1);
    } else {
        env_parts(r,
                  (ko_http_part[]){
                      {.kind = KO_PART_BYTES, .bytes = KO_STR("[begin]")},
                      {.kind = KO_PART_FILE, .fd = e->file, .offset = 5, .length = 300000},
                      {.kind = KO_PART_BYTES, .bytes = KO_STR("[middle]")},
                      {.kind = KO_PART_READER,
                       .read = env_read_slowly,
                       .arg = e,
                       .offset = 5,
                       .length = 300000},
                  },
                  4);
    }
}

static inline void env_reply_from_memory(env_request *r, ko_str path)
{
    size_t n = (size_t)env_path_number(path, "/size/");
    ko_autofree char *bytes = ko_xmalloc(n);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)env_byte(5 + i);
    ko_http_reply(r->x, 200, NULL, (ko_str){bytes, n});
}

static inline void env_dispatch(env_request *r)
{
    const ko_http_head *head = ko_http_request(r->x);
    ko_str path = head->path;
    ko_headers headers;

    ko_headers_init(&headers, ko_http_arena(r->x));
    if (ko_str_eq(path, KO_STR("/hello"))) {
        ko_headers_add(&headers, "X-Peer", ko_str_of(ko_http_peer(r->x)));
        ko_headers_add(&headers, "X-Tls", ko_http_is_tls(r->x) ? KO_STR("yes") : KO_STR("no"));
        ko_http_reply(r->x, 200, &headers, KO_STR("hello\n"));
    } else if (ko_str_eq(path, KO_STR("/later"))) {
        r->work = (ko_work){.run = env_run_nothing, .done = env_later};
        assert_int_equal(ko_pool_submit(r->env->pool, ko_http_loop(r->x), &r->work, NULL), 0);
    } else if (ko_str_eq(path, KO_STR("/echo"))) {
        env_echo(r);
    } else if (ko_str_eq(path, KO_STR("/count"))) {
        r->bytes = ko_xmalloc(ENV_PIECE);
        ko_http_read(r->x, r->bytes, ENV_PIECE, env_on_piece, r);
    } else if (ko_str_eq(path, KO_STR("/early"))) {
        ko_http_reply(r->x, 413, NULL, KO_STR("too much\n"));
    } else if (ko_str_eq(path, KO_STR("/close"))) {
        ko_http_close_after(r->x);
        ko_http_reply(r->x, 200, NULL, KO_STR("bye\n"));
    } else if (ko_str_eq(path, KO_STR("/none"))) {
        ko_http_reply(r->x, 204, NULL, KO_STR(""));
    } else if (ko_str_eq(path, KO_STR("/same"))) {
        ko_http_reply(r->x, 304, NULL, KO_STR("hello\n"));
    } else if (ko_str_eq(path, KO_STR("/own-length"))) {
        ko_headers_add(&headers, "Content-Length", KO_STR("12345"));
        ko_http_reply(r->x, 200, &headers, KO_STR(""));
    } else if (ko_str_eq(path, KO_STR("/never"))) {
        r->post = (ko_post){.fn = env_wait, .arg = r};
        ko_loop_post(ko_http_loop(r->x), &r->post);
    } else if (ko_str_has_prefix(path, KO_STR("/size/"))) {
        env_reply_from_memory(r, path);
    } else {
        env_reply_with_parts(r, path);
    }
}

static inline void env_on_request(void *ctx, ko_http_xchg *x)
{
    env *e = ctx;
    env_request *r = ko_new(env_request);

    r->env = e;
    r->x = x;
    ko_http_set_user(x, r);
    atomic_fetch_add(&e->begun, 1);
    env_dispatch(r);
}

static inline void env_on_end(void *ctx, ko_http_xchg *x, const ko_err *err)
{
    env *e = ctx;
    env_request *r = ko_http_user(x);
    int status;
    uint64_t received, sent;

    assert_ptr_equal(r->x, x);
    ko_http_account(x, &status, &received, &sent);
    assert_true(err || status >= 200);
    atomic_fetch_add(&e->ended, 1);
    if (err)
        atomic_fetch_add(&e->failed, 1);
    free(r->bytes);
    r->bytes = NULL;
    r->gone = true;
    if (!r->post.fn && !(r->work.run && err))
        free(r); /* else whoever still holds it */
}

static inline void env_on_bad(void *ctx, int status, const char *why, ko_buf *body,
                              const char **content_type)
{
    (void)ctx;
    (void)ko_buf_printf(body, "{\"status\":%d,\"why\":\"%s\"}", status, why);
    *content_type = "application/json";
}

#endif
