/* For tests of the HTTP server: a server with a small handler on loop threads of its own, and a
 * blocking client, plain or TLS. Every test of a file can so run over both.
 *
 * Paths of the handler:
 *   /hello        "hello\n", at once                /later    the same, from a pool thread
 *   /echo         the body comes back               /count    its length and sum, read piecewise
 *   /early        413 without reading the body      /close    "bye\n", closes
 *   /size/N       N bytes from memory               /file/N   N bytes of the test file
 *   /mix          memory, file, memory, reader      /read/N   N bytes from a blocking reader
 *   /none         204                               /never    answers when env.released is set
 *   /own-length   HEAD with its own Content-Length  /bad-file a file shorter than announced */
#ifndef KO_TEST_SERVE_H
#define KO_TEST_SERVE_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "common/base/limits.h"
#include "common/http/server.h"
#include "tests/unit/common/http/tls_fixture.h"

#define ENV_FILE_SIZE ((size_t)8 * 1024 * 1024 + 123)
#define ENV_PIECE     ((size_t)128 * 1024)
#define ENV_LOOPS_MAX 4

typedef struct {
    bool tls;
    size_t loops;
    size_t max_connections;
    uint64_t head_timeout_ms, idle_timeout_ms, stall_timeout_ms, min_rate_bytes_s;
    uint64_t read_pause_us; /* /read: how long its reader blocks */
    uint64_t file_size;     /* 0: ENV_FILE_SIZE */
    bool read_waits;        /* /read: it blocks until env.released */
    bool shape_bad;         /* with an on_bad_request handler */
} env_opts;

typedef struct {
    env_opts opts;
    ko_loop *loops[ENV_LOOPS_MAX];
    pthread_t threads[ENV_LOOPS_MAX];
    ko_pool *pool;
    ko_tls *tls;
    ko_http_server *server;
    char bound[64];
    struct sockaddr_in addr;
    int file;
    char *file_bytes; /* mapped */
    atomic_size_t begun, ended, failed;
    atomic_bool released, drained;
    atomic_uint_fast64_t received; /* body bytes the handlers have seen */
} env;

/* ---- The handler ---- */

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

static inline uint8_t env_byte(uint64_t at)
{
    return (uint8_t)(at * 2654435761U >> 13);
}

static inline uint64_t env_number(ko_str path, const char *prefix)
{
    uint64_t n = 0;

    assert_int_equal(
        ko_parse_u64(ko_str_slice(path, strlen(prefix), SIZE_MAX), UINT32_MAX, &n, NULL), 0);
    return n;
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
                                  .length = env_number(path, "/file/")},
                  1);
    } else if (ko_str_has_prefix(path, KO_STR("/read/"))) {
        env_parts(r,
                  &(ko_http_part){.kind = KO_PART_READER,
                                  .read = env_read_slowly,
                                  .arg = e,
                                  .offset = 5,
                                  .length = env_number(path, "/read/")},
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
    size_t n = (size_t)env_number(path, "/size/");
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

/* ---- The server ---- */

static inline void *env_thread(void *arg)
{
    ko_loop_run(arg);
    return NULL;
}

static inline void env_make_file(env *e)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s", fixture_path("data"));
    e->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(e->file >= 0);
    assert_int_equal(ftruncate(e->file, (off_t)e->opts.file_size), 0);
    e->file_bytes = mmap(NULL, e->opts.file_size, PROT_READ | PROT_WRITE, MAP_SHARED, e->file, 0);
    assert_true(e->file_bytes != MAP_FAILED);
    for (size_t i = 0; i < e->opts.file_size; i++)
        e->file_bytes[i] = (char)env_byte(i);
}

static inline void env_make_tls(env *e)
{
    ko_tls_pair pair;

    if (!e->opts.tls)
        return;
    fixture_write(&(fixture_cert){"serve", "EC", "DNS:localhost", 86400});
    pair = (ko_tls_pair){fixture_path("serve.pem"), fixture_path("serve.key")};
    assert_int_equal(ko_tls_new(&pair, 1, &e->tls, NULL), 0);
}

static inline ko_http_server *env_new_server(env *e)
{
    ko_http_server_opts opts = {
        .loops = e->loops,
        .loop_count = e->opts.loops,
        .pool = e->pool,
        .head_timeout_ms = e->opts.head_timeout_ms,
        .idle_timeout_ms = e->opts.idle_timeout_ms,
        .stall_timeout_ms = e->opts.stall_timeout_ms,
        .min_rate_bytes_s = e->opts.min_rate_bytes_s,
        .max_connections = e->opts.max_connections,
    };
    ko_http_handler handler = {.on_request = env_on_request,
                               .on_end = env_on_end,
                               .on_bad_request = e->opts.shape_bad ? env_on_bad : NULL,
                               .ctx = e};
    ko_http_server *server = NULL;

    assert_int_equal(ko_http_server_new(&opts, &handler, &server, NULL), 0);
    return server;
}

static inline void env_default(uint64_t *value, uint64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static inline env *env_start(env_opts opts)
{
    env *e = ko_new(env);
    ko_err err = KO_ERR_INIT;

    e->opts = opts;
    if (e->opts.loops == 0)
        e->opts.loops = 1;
    if (e->opts.max_connections == 0)
        e->opts.max_connections = 1000;
    env_default(&e->opts.head_timeout_ms, 20000);
    env_default(&e->opts.idle_timeout_ms, 120000);
    env_default(&e->opts.stall_timeout_ms, 60000);
    env_default(&e->opts.file_size, ENV_FILE_SIZE);
    env_make_file(e);
    env_make_tls(e);
    for (size_t i = 0; i < e->opts.loops; i++)
        assert_int_equal(ko_loop_new(&e->loops[i], NULL), 0);
    assert_int_equal(ko_pool_new("test", 2, 1000, &e->pool, NULL), 0);
    e->server = env_new_server(e);
    if (ko_http_server_listen(e->server, "127.0.0.1:0", e->tls, e->bound, sizeof(e->bound), &err) <
        0)
        fail_msg("%s", err.text);
    e->addr = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)strtoul(strrchr(e->bound, ':') + 1, NULL, 10))};
    for (size_t i = 0; i < e->opts.loops; i++)
        assert_int_equal(pthread_create(&e->threads[i], NULL, env_thread, e->loops[i]), 0);
    return e;
}

static inline void env_on_drained(void *arg)
{
    env *e = arg;

    atomic_store(&e->drained, true);
    for (size_t i = 0; i < e->opts.loops; i++)
        ko_loop_stop(e->loops[i]);
}

/* After env_drain(): waits for it and frees everything. Every exchange must have ended once. */
static inline void env_join(env *e)
{
    for (size_t i = 0; i < e->opts.loops; i++)
        assert_int_equal(pthread_join(e->threads[i], NULL), 0);
    assert_true(atomic_load(&e->drained));
    (void)ko_pool_free(e->pool);
    (void)ko_http_server_free(e->server);
    for (size_t i = 0; i < e->opts.loops; i++)
        (void)ko_loop_free(e->loops[i]);
    assert_int_equal(atomic_load(&e->begun), atomic_load(&e->ended));
    (void)ko_tls_free(e->tls);
    (void)munmap(e->file_bytes, e->opts.file_size);
    (void)close(e->file);
    free(e);
}

static inline void env_drain(env *e, uint64_t grace_ms)
{
    ko_http_server_drain(e->server, grace_ms, e->loops[0], env_on_drained, e);
}

static inline void env_stop(env *e)
{
    env_drain(e, 0);
    env_join(e);
}

/* Waits until the server has counted `want`; the test's time limit ends a wait in vain. */
static inline void env_until(const atomic_size_t *counter, size_t want)
{
    struct timespec pause = {.tv_nsec = 200000};

    while (atomic_load(counter) < want)
        (void)nanosleep(&pause, NULL);
}

static inline ko_http_stats env_stats(env *e)
{
    ko_http_stats stats;

    ko_http_server_stats(e->server, &stats);
    return stats;
}

static inline void env_until_open(env *e, uint64_t want)
{
    struct timespec pause = {.tv_nsec = 200000};

    while (env_stats(e).open != want)
        (void)nanosleep(&pause, NULL);
}

/* ---- The client ---- */

typedef struct {
    int fd;
    SSL *ssl;
    ko_buf in; /* received and not yet used */
    bool eof;
} client;

typedef struct {
    int status;
    char *head; /* owned, with its empty line */
    char *body; /* owned */
    size_t len;
} reply;

static inline void client_close(client *c)
{
    if (c->ssl)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        (void)close(c->fd);
    ko_buf_done(&c->in);
    ERR_clear_error();
    *c = (client){.fd = -1};
}

static inline int client_socket(env *e, int rcvbuf)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 30};
    int on = 1;

    assert_true(fd >= 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (rcvbuf)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    assert_int_equal(connect(fd, (struct sockaddr *)&e->addr, sizeof(e->addr)), 0);
    return fd;
}

static inline client client_on(env *e, int fd)
{
    client c = {.fd = fd};

    ko_buf_init(&c.in, 256 * KO_MIB);
    if (e->opts.tls) {
        c.ssl = fixture_client(&(fixture_hello){.server_name = "localhost"}, c.fd);
        assert_int_equal(SSL_connect(c.ssl), 1);
    }
    return c;
}

static inline client client_open(env *e)
{
    return client_on(e, client_socket(e, 0));
}

/* False when the connection is broken. */
static inline bool client_send(client *c, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = len - at < 16384 ? len - at : 16384;
        ssize_t sent = c->ssl ? SSL_write(c->ssl, (const char *)bytes + at, (int)n)
                              : send(c->fd, (const char *)bytes + at, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

static inline void client_say(client *c, const char *text)
{
    assert_true(client_send(c, text, strlen(text)));
}

/* False at the end of the stream, or when it is broken. */
static inline bool client_more(client *c)
{
    char *room = ko_buf_reserve(&c->in, 65536);
    ssize_t n = c->ssl ? SSL_read(c->ssl, room, 65536) : recv(c->fd, room, 65536, 0);

    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            fail_msg("the server does not answer");
        c->eof = true;
        return false;
    }
    ko_buf_added(&c->in, (size_t)n);
    return true;
}

static inline void reply_free(reply *r)
{
    free(r->head);
    free(r->body);
    *r = (reply){0};
}

/* One reply; status 0 when the connection ends before it is complete. `bodyless`: to HEAD. */
static inline reply client_reply_to(client *c, bool bodyless)
{
    reply r = {0};
    char *end, *length;

    while (!(end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4)))
        if (!client_more(c))
            return r;
    r.head = strndup(c->in.data, (size_t)(end + 4 - c->in.data));
    ko_buf_consume(&c->in, (size_t)(end + 4 - c->in.data));
    r.status = (int)strtol(r.head + 9, NULL, 10);
    length = strcasestr(r.head, "\r\nContent-Length: ");
    if (length && !bodyless && r.status != 304)
        r.len = strtoul(length + 18, NULL, 10);
    while (c->in.len < r.len && client_more(c))
        ;
    if (c->in.len < r.len) {
        reply_free(&r);
        return r;
    }
    r.body = ko_xcalloc(1, r.len + 1);
    memcpy(r.body, c->in.data, r.len);
    ko_buf_consume(&c->in, r.len);
    return r;
}

static inline reply client_reply(client *c)
{
    return client_reply_to(c, false);
}

/* The next reply has this status and, unless NULL, this body. */
static inline void client_expect(client *c, int status, const char *body)
{
    reply r = client_reply(c);

    if (r.status != status || (body && strcmp(r.body, body) != 0))
        fail_msg("got %d '%.60s', want %d '%.60s'", r.status, r.body ? r.body : "", status,
                 body ? body : "");
    reply_free(&r);
}

/* The server closes without another byte. */
static inline void client_expect_end(client *c)
{
    if (c->in.len == 0 && client_more(c))
        fail_msg("unexpected: %.80s", c->in.data);
    assert_int_equal(c->in.len, 0);
}

static inline void client_get(client *c, const char *path)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path);
    client_say(c, text);
}

static inline void reply_is_data(const reply *r, size_t len)
{
    assert_int_equal(r->status, 200);
    assert_int_equal(r->len, len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)r->body[i] != env_byte(5 + i))
            fail_msg("byte %zu of %zu differs", i, len);
}

/* ---- Tests over plain TCP and TLS ---- */

static bool serve_plain = false, serve_tls = true;

#define SERVE_BOTH(test)                                                                           \
    {#test "_plain", test, NULL, NULL, &serve_plain},                                              \
    {                                                                                              \
#test "_tls", test, NULL, NULL, &serve_tls                                                 \
    }

static inline env *env_for(void **state)
{
    return env_start((env_opts){.tls = *(const bool *)*state});
}

#endif
