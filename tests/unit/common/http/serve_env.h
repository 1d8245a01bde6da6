/* What a test of the HTTP server has: loops on threads, a pool, a server, a file to send. */
#ifndef KO_TEST_SERVE_ENV_H
#define KO_TEST_SERVE_ENV_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

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

/* What bodies and files consist of: the byte at an offset. */
static inline uint8_t env_byte(uint64_t at)
{
    return (uint8_t)(at * 2654435761U >> 13);
}

/* A number the test or the server wrote. */
static inline uint64_t env_number(ko_str text)
{
    uint64_t n = 0;

    assert_int_equal(ko_parse_u64(text, UINT32_MAX, &n, NULL), 0);
    return n;
}

#endif
