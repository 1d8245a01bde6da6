/* For tests of the HTTP server: a server with a small handler on loop threads of its own, and a
 * blocking client, plain or TLS. Every test of a file can so run over both. */
#ifndef KO_TEST_SERVE_H
#define KO_TEST_SERVE_H

#include <arpa/inet.h>
#include <sys/mman.h>

#include "tests/unit/common/http/serve_client.h"
#include "tests/unit/common/http/serve_handler.h"

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
        .sin_port = htons((uint16_t)env_number(ko_str_of(strrchr(e->bound, ':') + 1)))};
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
