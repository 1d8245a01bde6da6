/* Replies: from memory, files and readers, of all sizes, to fast, slow and vanishing clients. */
#include <fcntl.h>

#include "tests/unit/common/http/serve.h"

static void expect_data(client *c, const char *kind, size_t len)
{
    char path[64];
    reply r;

    (void)snprintf(path, sizeof(path), "/%s/%zu", kind, len);
    client_get(c, path);
    r = client_reply(c);
    reply_is_data(&r, len);
    reply_free(&r);
}

static void replies_of_any_size_arrive_whole(void **state)
{
    static const char *const kinds[] = {"size", "file", "read"};
    static const size_t sizes[] = {0,     1,     4096,   16000,  16384,   16385,  32767,
                                   32768, 65536, 262143, 262144, 1000000, 5000000};
    env *e = env_for(state);
    client c = client_open(e);

    for (size_t k = 0; k < KO_ARRAY_LEN(kinds); k++)
        for (size_t i = 0; i < KO_ARRAY_LEN(sizes); i++)
            expect_data(&c, kinds[k], sizes[i]);
    client_close(&c);
    env_stop(e);
}

static void parts_are_joined(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);
    reply r;

    client_get(&c, "/mix");
    r = client_reply(&c);
    assert_int_equal(r.len, 7 + 300000 + 8 + 300000);
    assert_memory_equal(r.body, "[begin]", 7);
    assert_memory_equal(r.body + 7 + 300000, "[middle]", 8);
    for (size_t i = 0; i < 300000; i++) {
        assert_int_equal((uint8_t)r.body[7 + i], env_byte(5 + i));
        assert_int_equal((uint8_t)r.body[7 + 300000 + 8 + i], env_byte(5 + i));
    }
    reply_free(&r);
    client_close(&c);
    env_stop(e);
}

static void a_small_reply_is_one_record(void **state)
{
    env *e = env_start((env_opts){.tls = true});
    client c = client_open(e);
    char first[65536];

    (void)state;
    client_get(&c, "/file/4096");
    /* SSL_read() returns one record. */
    int n = SSL_read(c.ssl, first, sizeof(first));
    assert_true(n > 4096);
    assert_memory_equal(first, "HTTP/1.1 200 OK", 15);
    env_until(&e->ended, 1); /* it counts after sending */
    assert_int_equal(env_stats(e).bytes_out, n);
    client_close(&c);
    env_stop(e);
}

static void a_file_shorter_than_announced_ends_the_connection(void **state)
{
    env *e = env_for(state);

    for (size_t i = 0; i < 2; i++) {
        client c = client_open(e);
        reply r;

        client_get(&c, i ? "/bad-read" : "/bad-file");
        r = client_reply(&c);
        assert_int_equal(r.status, 0);
        client_close(&c);
        env_until(&e->failed, i + 1);
    }
    env_stop(e);
}

/* Evicted pages are read by the pool; the loop answers others meanwhile. */
static void a_cold_file_arrives_whole(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    assert_int_equal(msync(e->file_bytes, e->opts.file_size, MS_SYNC), 0);
    assert_int_equal(munmap(e->file_bytes, e->opts.file_size), 0);
    for (int i = 0; i < 3; i++) {
        (void)fdatasync(e->file);
        (void)posix_fadvise(e->file, 0, 0, POSIX_FADV_DONTNEED);
        expect_data(&c, "file", i == 0 ? ENV_FILE_SIZE - 5 : 5000);
    }
    client_close(&c);
    e->file_bytes = mmap(NULL, e->opts.file_size, PROT_READ, MAP_SHARED, e->file, 0);
    env_stop(e);
}

static void a_slow_part_does_not_hold_up_others(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .read_waits = true});
    client slow = client_open(e), quick = client_open(e);
    reply r;

    client_get(&slow, "/read/100");
    env_until(&e->begun, 1);
    client_get(&quick, "/hello");
    client_expect(&quick, 200, "hello\n");
    atomic_store(&e->released, true);
    r = client_reply(&slow);
    reply_is_data(&r, 100);
    reply_free(&r);
    client_close(&slow);
    client_close(&quick);
    env_stop(e);
}

static size_t resident_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &pages, &resident), 2);
    (void)fclose(f);
    return resident * 4096;
}

/* Twenty clients that take 64 MiB each through a tiny window: nothing is buffered for them. */
static void slow_readers_cost_no_memory(void **state)
{
    static client clients[20];
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .file_size = 64 * KO_MIB + 5});
    static char some[16384];
    size_t before, after;

    assert_int_equal(munmap(e->file_bytes, e->opts.file_size), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        clients[i] = client_on(e, client_socket(e, 4096));
    before = resident_bytes();
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        client_get(&clients[i], "/file/67108864");
    for (size_t turn = 0; turn < 50; turn++)
        for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++) {
            if (clients[i].ssl)
                assert_true(SSL_read(clients[i].ssl, some, sizeof(some)) > 0);
            else
                assert_true(recv(clients[i].fd, some, sizeof(some), 0) > 0);
        }
    after = resident_bytes();
#ifndef __SANITIZE_ADDRESS__ /* whose quarantine grows */
    assert_true(after < before + 4 * KO_MIB);
#else
    (void)before;
    (void)after;
#endif
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        client_close(&clients[i]);
    env_until(&e->failed, KO_ARRAY_LEN(clients));
    env_until_open(e, 0);
    e->file_bytes = mmap(NULL, e->opts.file_size, PROT_READ, MAP_SHARED, e->file, 0);
    env_stop(e);
}

/* The repeated reads of a slow TLS reader must give the same bytes. */
static void a_slow_reader_gets_every_byte(void **state)
{
    env *e = env_for(state);
    client c = client_on(e, client_socket(e, 4096));

    for (int i = 0; i < 3; i++) {
        expect_data(&c, "file", 3000000);
        expect_data(&c, "read", 600000);
        expect_data(&c, "size", 600000);
    }
    client_close(&c);
    env_stop(e);
}

static void a_reader_that_stalls_is_given_up(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .stall_timeout_ms = 100});
    client c = client_on(e, client_socket(e, 4096));

    client_get(&c, "/file/8000000");
    env_until(&e->failed, 1);
    client_close(&c);
    env_stop(e);
}

static void a_client_that_leaves_in_the_reply_ends_the_exchange_once(void **state)
{
    static const char *const paths[] = {"/file/8000000", "/read/8000000", "/size/8000000", "/mix"};
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .read_pause_us = 2000});
    size_t begun = 0;

    for (size_t i = 0; i < 4 * KO_ARRAY_LEN(paths); i++) {
        client c = client_on(e, client_socket(e, 4096));
        struct linger reset = {.l_onoff = 1, .l_linger = 0};

        client_get(&c, paths[i / 4]);
        env_until(&e->begun, ++begun);
        if (i & 1)
            assert_true(client_more(&c));
        if (i & 2)
            (void)setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        client_close(&c);
        env_until(&e->ended, begun);
    }
    assert_true(atomic_load(&e->failed) >= 12);
    env_until_open(e, 0);
    env_stop(e);
}

/* A fast reader of a large file does not starve its neighbour on the same loop. */
static void large_replies_take_turns(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state});
    client large = client_open(e), small = client_open(e);
    reply r;

    client_get(&large, "/file/8000000");
    for (int i = 0; i < 20; i++) {
        client_get(&small, "/hello");
        client_expect(&small, 200, "hello\n");
    }
    r = client_reply(&large);
    reply_is_data(&r, 8000000);
    reply_free(&r);
    client_close(&large);
    client_close(&small);
    env_stop(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_BOTH(replies_of_any_size_arrive_whole),
        SERVE_BOTH(parts_are_joined),
        cmocka_unit_test(a_small_reply_is_one_record),
        SERVE_BOTH(a_file_shorter_than_announced_ends_the_connection),
        SERVE_BOTH(a_cold_file_arrives_whole),
        SERVE_BOTH(a_slow_part_does_not_hold_up_others),
        SERVE_BOTH(slow_readers_cost_no_memory),
        SERVE_BOTH(a_slow_reader_gets_every_byte),
        SERVE_BOTH(a_reader_that_stalls_is_given_up),
        SERVE_BOTH(a_client_that_leaves_in_the_reply_ends_the_exchange_once),
        SERVE_BOTH(large_replies_take_turns),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
