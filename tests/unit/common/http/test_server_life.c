/* Life of servers and connections: addresses, limits, timeouts, draining, clients that vanish. */
#include <netdb.h>
#include <sys/resource.h>

#include "tests/unit/common/http/serve.h"

/* ---- Timeouts ---- */

static void a_silent_connection_is_closed_silently(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .head_timeout_ms = 100});
    int fd = client_socket(e, 0);
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
    env_stop(e);
}

static void a_head_that_does_not_end_is_answered_408(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .head_timeout_ms = 600});
    client c = client_open(e);

    client_say(&c, "GET /hello HTTP/1.1\r\nHost");
    client_expect(&c, 408, "the request took too long\n");
    client_expect_end(&c);
    client_close(&c);
    env_stop(e);
}

static void drip_feeding_a_head_does_not_put_the_timeout_off(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .head_timeout_ms = 200});
    client c = client_open(e);
    reply r;

    client_say(&c, "GET /hello HTTP/1.1\r\nA: ");
    for (int i = 0; i < 200 && poll(&(struct pollfd){c.fd, POLLIN, 0}, 1, 10) == 0; i++)
        client_say(&c, "x");
    /* With TLS 1.3 the first readable thing may be a ticket; the reply follows. */
    r = client_reply(&c);
    assert_int_equal(r.status, 408);
    reply_free(&r);
    client_close(&c);
    env_stop(e);
}

static void an_idle_connection_is_closed_after_its_time(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .idle_timeout_ms = 150});
    client c = client_open(e);

    client_get(&c, "/hello");
    client_expect(&c, 200, "hello\n");
    client_expect_end(&c);
    client_close(&c);
    env_until_open(e, 0);
    env_stop(e);
}

static void a_stalled_handshake_is_given_up(void **state)
{
    env *e = env_start((env_opts){.tls = true, .head_timeout_ms = 100});
    int fd = client_socket(e, 0);
    char byte;

    (void)state;
    assert_int_equal(send(fd, "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
    (void)!recv(fd, &byte, 1, 0);
    env_until_open(e, 0);
    (void)close(fd);
    env_stop(e);
}

/* ---- Vanishing ---- */

static void clients_may_vanish_before_the_request_is_complete(void **state)
{
    static const char *const starts[] = {"", "\x16", "\x16\x03\x01\x00\x05\x01", "G",
                                         "GET / HTTP/1.1\r\nHos"};
    env *e = env_for(state);

    for (size_t i = 0; i < 2 * KO_ARRAY_LEN(starts); i++) {
        const char *start = starts[i / 2];
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        int fd = client_socket(e, 0);

        if (start[0])
            assert_true(send(fd, start, strlen(start), MSG_NOSIGNAL) > 0);
        if (i % 2)
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        (void)close(fd);
    }
    if (e->opts.tls)
        for (int i = 0; i < 3; i++) {
            client c = client_open(e);

            client_say(&c, "GET / HTTP/1.1\r\nHos");
            client_close(&c);
        }
    env_until_open(e, 0);
    assert_int_equal(atomic_load(&e->begun), 0);
    env_stop(e);
}

static void a_client_may_vanish_while_the_handler_works(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    client_get(&c, "/never");
    env_until(&e->begun, 1);
    client_close(&c);
    atomic_store(&e->released, true);
    env_until(&e->ended, 1);
    env_until_open(e, 0);
    env_stop(e);
}

static void bytes_sent_while_the_handler_works_wait(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    client_get(&c, "/never");
    env_until(&e->begun, 1);
    for (int i = 0; i < 50; i++)
        client_get(&c, "/hello");
    atomic_store(&e->released, true);
    client_expect(&c, 200, "released\n");
    for (int i = 0; i < 50; i++)
        client_expect(&c, 200, "hello\n");
    client_close(&c);
    env_stop(e);
}

/* ---- Limits ---- */

static void no_more_connections_than_allowed_are_accepted(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .loops = 2, .max_connections = 3});
    client c[3];

    for (size_t i = 0; i < 3; i++) {
        c[i] = client_open(e);
        client_get(&c[i], "/hello");
        client_expect(&c[i], 200, "hello\n");
    }
    int waiting = client_socket(e, 0); /* in the backlog */
    client_get(&c[0], "/hello");
    client_expect(&c[0], 200, "hello\n");
    assert_int_equal(env_stats(e).accepted, 3);
    client_close(&c[1]);
    client late = client_on(e, waiting);
    client_get(&late, "/hello");
    client_expect(&late, 200, "hello\n");
    assert_int_equal(env_stats(e).accepted, 4);
    client_close(&late);
    client_close(&c[0]);
    client_close(&c[2]);
    env_stop(e);
}

static void running_out_of_descriptors_only_delays(void **state)
{
    struct rlimit before, low;
    env *e = env_start((env_opts){.tls = false});
    int fd = client_socket(e, 0), spare;

    (void)state;
    env_until_open(e, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    spare = dup(0);
    (void)close(spare);
    low = (struct rlimit){.rlim_cur = (rlim_t)spare, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(connect(waiting, (struct sockaddr *)&e->addr, sizeof(e->addr)), 0);
    (void)poll(NULL, 0, 50);
    assert_int_equal(env_stats(e).open, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    env_until_open(e, 2);
    (void)close(waiting);
    (void)close(fd);
    env_stop(e);
}

static void wrong_options_are_refused(void **state)
{
    ko_loop *loops[1];
    ko_http_server *server;
    ko_http_server_opts opts = {.loops = loops, .loop_count = 1, .max_connections = 1};
    ko_err err = KO_ERR_INIT;

    (void)state;
    assert_int_equal(ko_http_server_new(&opts, &(ko_http_handler){0}, &server, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
}

/* ---- Addresses ---- */

/* Listens on one more address of a running server; KO_E_NONE when that works. */
static ko_err_code listen_on(env *e, const char *address, char *bound, size_t size)
{
    ko_err err = KO_ERR_INIT;

    if (ko_http_server_listen(e->server, address, NULL, bound, size, &err) < 0)
        assert_non_null(strstr(err.text, address));
    return err.code;
}

static void can_be_reached(const char *host, const char *bound)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *ai = NULL;

    assert_int_equal(getaddrinfo(host, strrchr(bound, ':') + 1, &hints, &ai), 0);
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    client c = {.fd = fd};
    ko_buf_init(&c.in, KO_MIB);
    assert_int_equal(connect(fd, ai->ai_addr, ai->ai_addrlen), 0);
    client_get(&c, "/hello");
    client_expect(&c, 200, "hello\n");
    client_close(&c);
    freeaddrinfo(ai);
}

/* The loops do not run yet: listening is also for the time before. */
static env *env_unstarted(size_t loops)
{
    env *e = ko_new(env);

    e->opts = (env_opts){.loops = loops,
                         .max_connections = 100,
                         .head_timeout_ms = 1000,
                         .idle_timeout_ms = 1000,
                         .stall_timeout_ms = 1000,
                         .file_size = 1};
    env_make_file(e);
    for (size_t i = 0; i < loops; i++)
        assert_int_equal(ko_loop_new(&e->loops[i], NULL), 0);
    assert_int_equal(ko_pool_new("test", 1, 10, &e->pool, NULL), 0);
    e->server = env_new_server(e);
    return e;
}

static void env_run(env *e)
{
    for (size_t i = 0; i < e->opts.loops; i++)
        assert_int_equal(pthread_create(&e->threads[i], NULL, env_thread, e->loops[i]), 0);
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static void addresses_of_every_form_are_bound(void **state)
{
    env *e = env_unstarted(2);
    char v4[64], all[64], name[64], v6[64] = "";

    (void)state;
    assert_int_equal(listen_on(e, "127.0.0.1:0", v4, sizeof(v4)), KO_E_NONE);
    assert_int_equal(listen_on(e, ":0", all, sizeof(all)), KO_E_NONE);
    assert_int_equal(listen_on(e, "localhost:0", name, sizeof(name)), KO_E_NONE);
    if (has_ipv6())
        assert_int_equal(listen_on(e, "[::1]:0", v6, sizeof(v6)), KO_E_NONE);
    assert_memory_equal(v4, "127.0.0.1:", 10);
    env_run(e);
    for (int i = 0; i < 8; i++) { /* both loops */
        can_be_reached("127.0.0.1", v4);
        can_be_reached("127.0.0.1", all);
        can_be_reached("127.0.0.1", name);
        if (v6[0]) {
            assert_memory_equal(v6, "[::1]:", 6);
            can_be_reached("::1", v6);
            can_be_reached("::1", all);
        }
    }
    env_stop(e);
}

static void an_inherited_socket_is_served_by_all_loops(void **state)
{
    env *e = env_unstarted(2);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char address[16], bound[64];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    (void)snprintf(address, sizeof(address), "fd:%d", fd);
    assert_int_equal(listen_on(e, address, bound, sizeof(bound)), KO_E_INVALID);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(listen_on(e, address, bound, sizeof(bound)), KO_E_NONE);
    env_run(e);
    for (int i = 0; i < 8; i++)
        can_be_reached("127.0.0.1", bound);
    env_stop(e);
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const rows[] = {
        "",         "5000",      "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",  "a:65536",
        "::1:5000", "[::1:5000", "fd:",       "fd:x",       "127.0.0.1:-1", "no host:1"};
    env *e = env_unstarted(1);
    char bound[64];

    (void)state;
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (listen_on(e, rows[i], bound, sizeof(bound)) != KO_E_INVALID)
            fail_msg("'%s' is not refused", rows[i]);
    assert_int_not_equal(listen_on(e, "192.0.2.1:0", bound, sizeof(bound)), KO_E_NONE);
    env_run(e);
    env_stop(e);
}

static void a_port_in_use_is_an_error_with_several_loops_too(void **state)
{
    (void)state;
    for (size_t loops = 1; loops <= 2; loops++) {
        env *first = env_unstarted(loops), *second = env_unstarted(loops);
        char bound[64], again[64];

        assert_int_equal(listen_on(first, "127.0.0.1:0", bound, sizeof(bound)), KO_E_NONE);
        assert_int_equal(listen_on(second, bound, again, sizeof(again)), KO_E_EXISTS);
        env_run(first);
        env_run(second);
        env_stop(first);
        env_stop(second);
    }
}

/* ---- Draining ---- */

static void draining_closes_idle_connections_and_lets_exchanges_finish(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state});
    client idle = client_open(e), busy = client_open(e);
    reply r;

    client_get(&idle, "/hello");
    client_expect(&idle, 200, "hello\n");
    client_get(&busy, "/never");
    env_until(&e->begun, 2);
    env_drain(e, 20000);
    client_expect_end(&idle);
    assert_false(atomic_load(&e->drained));
    atomic_store(&e->released, true);
    r = client_reply(&busy);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.head, "\r\nConnection: close\r\n"));
    client_expect_end(&busy);
    reply_free(&r);
    client_close(&idle);
    client_close(&busy);
    env_join(e);
}

static void draining_ends_what_is_left_after_the_grace(void **state)
{
    env *e = env_for(state);
    client busy = client_open(e), half = client_open(e);

    client_get(&busy, "/never");
    env_until(&e->begun, 1);
    client_say(&half, "GET / HT");
    env_drain(e, 50);
    client_expect_end(&busy);
    client_close(&busy);
    client_close(&half);
    env_join(e);
}

static void a_drained_server_accepts_nothing(void **state)
{
    env *e = env_start((env_opts){.tls = false});
    client busy = client_open(e);

    (void)state;
    client_get(&busy, "/never");
    env_until(&e->begun, 1);
    env_drain(e, 20000);
    client_say(&busy, "x"); /* gives the loop a turn */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++) {
        rc = connect(fd, (struct sockaddr *)&e->addr, sizeof(e->addr));
        (void)close(fd);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)poll(NULL, 0, 2);
    }
    assert_int_equal(rc, -1);
    (void)close(fd);
    atomic_store(&e->released, true);
    client_expect(&busy, 200, "released\n");
    client_close(&busy);
    env_join(e);
}

/* ---- TLS ---- */

static void handshakes_and_resumptions_are_counted(void **state)
{
    env *e = env_start((env_opts){.tls = true});
    client c = client_open(e);
    SSL_SESSION *session;

    (void)state;
    client_get(&c, "/hello");
    client_expect(&c, 200, "hello\n");
    session = SSL_get1_session(c.ssl);
    (void)SSL_shutdown(c.ssl);
    client_close(&c);
    c = (client){.fd = client_socket(e, 0)};
    ko_buf_init(&c.in, KO_MIB);
    c.ssl = fixture_client(&(fixture_hello){.server_name = "localhost", .resume = session}, c.fd);
    assert_int_equal(SSL_connect(c.ssl), 1);
    client_get(&c, "/hello");
    client_expect(&c, 200, "hello\n");
    assert_int_equal(env_stats(e).tls_handshakes, 2);
    assert_int_equal(env_stats(e).tls_resumed, 1);
    SSL_SESSION_free(session);
    client_close(&c);
    env_stop(e);
}

/* RFC 8446 section 4.6.3: the server has to answer in the middle of reading. */
static void key_updates_are_answered(void **state)
{
    env *e = env_start((env_opts){.tls = true});
    client c = client_open(e);

    (void)state;
    client_get(&c, "/hello");
    client_expect(&c, 200, "hello\n");
    bool ktls = env_stats(e).ktls; /* the kernel cannot change its key: docs/internals/http.md */
    for (int i = 0; i < 5 && !ktls; i++) {
        assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        client_say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
        assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        client_say(&c, "llo");
        client_expect(&c, 200, "hello");
    }
    client_close(&c);
    env_stop(e);
}

static void tls_1_2_is_served_too(void **state)
{
    env *e = env_start((env_opts){.tls = true});
    client c = {.fd = client_socket(e, 0)};
    reply r;

    (void)state;
    ko_buf_init(&c.in, 64 * KO_MIB);
    c.ssl = fixture_client(&(fixture_hello){.server_name = "localhost", .version = TLS1_2_VERSION},
                           c.fd);
    assert_int_equal(SSL_connect(c.ssl), 1);
    for (int i = 0; i < 3; i++) {
        client_get(&c, "/file/2000000");
        r = client_reply(&c);
        reply_is_data(&r, 2000000);
        reply_free(&r);
    }
    client_close(&c);
    env_stop(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_BOTH(a_silent_connection_is_closed_silently),
        SERVE_BOTH(a_head_that_does_not_end_is_answered_408),
        SERVE_BOTH(drip_feeding_a_head_does_not_put_the_timeout_off),
        SERVE_BOTH(an_idle_connection_is_closed_after_its_time),
        cmocka_unit_test(a_stalled_handshake_is_given_up),
        SERVE_BOTH(clients_may_vanish_before_the_request_is_complete),
        SERVE_BOTH(a_client_may_vanish_while_the_handler_works),
        SERVE_BOTH(bytes_sent_while_the_handler_works_wait),
        SERVE_BOTH(no_more_connections_than_allowed_are_accepted),
        cmocka_unit_test(running_out_of_descriptors_only_delays),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(addresses_of_every_form_are_bound),
        cmocka_unit_test(an_inherited_socket_is_served_by_all_loops),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(a_port_in_use_is_an_error_with_several_loops_too),
        SERVE_BOTH(draining_closes_idle_connections_and_lets_exchanges_finish),
        SERVE_BOTH(draining_ends_what_is_left_after_the_grace),
        cmocka_unit_test(a_drained_server_accepts_nothing),
        cmocka_unit_test(handshakes_and_resumptions_are_counted),
        cmocka_unit_test(key_updates_are_answered),
        cmocka_unit_test(tls_1_2_is_served_too),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
