/* Requests and replies over real connections. */
#include "tests/unit/common/http/serve.h"

static void a_request_is_answered(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);
    reply r;

    client_get(&c, "/hello?x=1");
    r = client_reply(&c);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello\n");
    assert_non_null(strstr(r.head, "HTTP/1.1 200 OK\r\nDate: "));
    assert_non_null(strstr(r.head, " GMT\r\nX-Peer: 127.0.0.1\r\n"));
    assert_non_null(strstr(r.head, e->opts.tls ? "X-Tls: yes\r\n" : "X-Tls: no\r\n"));
    assert_non_null(strstr(r.head, "\r\nContent-Length: 6\r\n"));
    assert_null(strstr(r.head, "Connection:"));
    reply_free(&r);
    client_close(&c);
    env_stop(e);
}

static void a_connection_serves_many_requests(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    for (int i = 0; i < 200; i++) {
        client_get(&c, i % 2 ? "/later" : "/hello");
        client_expect(&c, 200, "hello\n");
    }
    client_close(&c);
    env_stop(e);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    for (int i = 0; i < 100; i++)
        client_say(&c, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                       "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst"
                       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        client_expect(&c, 200, "hello\n");
        client_expect(&c, 200, "first");
        client_expect(&c, 200, "second");
    }
    client_close(&c);
    env_stop(e);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    env *e = env_for(state);
    client c = client_open(e);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        assert_true(client_send(&c, text + i, 1));
    client_expect(&c, 200, "hello");
    client_close(&c);
    env_stop(e);
}

static void close_is_honoured_and_announced(void **state)
{
    static const char *const requests[] = {
        "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /hello HTTP/1.0\r\n\r\n",
        "GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    env *e = env_for(state);

    for (size_t i = 0; i < KO_ARRAY_LEN(requests); i++) {
        client c = client_open(e);
        reply r;

        client_say(&c, requests[i]);
        r = client_reply(&c);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.head, "\r\nConnection: close\r\n"));
        client_expect_end(&c);
        reply_free(&r);
        client_close(&c);
    }
    env_stop(e);
}

static void a_1_0_client_may_ask_to_be_kept(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    for (int i = 0; i < 3; i++) {
        reply r;

        client_say(&c, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        r = client_reply(&c);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.head, "\r\nConnection: keep-alive\r\n"));
        reply_free(&r);
    }
    client_close(&c);
    env_stop(e);
}

static void head_204_and_304_have_no_body(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);
    static const struct {
        const char *request;
        int status;
        const char *length; /* NULL: none */
    } rows[] = {
        {"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\nContent-Length: 6\r\n"},
        {"HEAD /file/100000 HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\nContent-Length: 100000\r\n"},
        {"HEAD /own-length HTTP/1.1\r\nHost: a\r\n\r\n", 200, "\r\nContent-Length: 12345\r\n"},
        {"GET /same HTTP/1.1\r\nHost: a\r\n\r\n", 304, "\r\nContent-Length: 6\r\n"},
        {"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 204, NULL},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        reply r;

        client_say(&c, rows[i].request);
        r = client_reply_to(&c, true);
        assert_int_equal(r.status, rows[i].status);
        if (rows[i].length)
            assert_non_null(strstr(r.head, rows[i].length));
        else
            assert_null(strstr(r.head, "Content-Length"));
        reply_free(&r);
    }
    client_get(&c, "/hello");
    client_expect(&c, 200, "hello\n");
    client_close(&c);
    env_stop(e);
}

static void malformed_requests_are_answered_and_closed(void **state)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n", 417},
    };
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .shape_bad = true});

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        client c = client_open(e);
        reply r;

        client_say(&c, rows[i].request);
        r = client_reply(&c);
        assert_int_equal(r.status, rows[i].status);
        assert_non_null(strstr(r.head, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(r.head, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(r.body, "\"why\":"));
        client_expect_end(&c);
        reply_free(&r);
        client_close(&c);
    }
    assert_int_equal(atomic_load(&e->begun), 0);
    env_stop(e);
}

static void a_long_head_leaves_room_for_its_body(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    /* Around the sizes where the input buffer has to grow. */
    for (size_t fill = 11000; fill < 62000; fill += 517) {
        ko_autobuf text;

        ko_buf_init(&text, KO_MIB);
        ko_buf_put_text(&text,
                        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX: ");
        while (text.len < fill)
            ko_buf_put_char(&text, 'x');
        ko_buf_put_text(&text, "\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        assert_true(client_send(&c, text.data, text.len));
        client_expect(&c, 200, "hello");
    }
    client_close(&c);
    env_stop(e);
}

static void many_connections_are_served_at_once(void **state)
{
    static client clients[200];
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .loops = 2});

    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        clients[i] = client_open(e);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
            client_get(&clients[i], i % 3 ? "/hello" : "/later");
        for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
            client_expect(&clients[i], 200, "hello\n");
    }
    assert_int_equal(env_stats(e).open, KO_ARRAY_LEN(clients));
    assert_int_equal(env_stats(e).accepted, KO_ARRAY_LEN(clients));
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        client_close(&clients[i]);
    env_stop(e);
}

static void a_tls_client_on_the_plain_port_is_told_so(void **state)
{
    env *e = env_start((env_opts){.tls = false});
    client c = client_open(e);

    (void)state;
    assert_true(client_send(&c, "\x16\x03\x01\x02\x00\x01", 6));
    while (client_more(&c))
        ;
    assert_non_null(strstr(c.in.data, "HTTP/1.1 400 Bad Request\r\n"));
    assert_non_null(strstr(c.in.data, "plain HTTP"));
    client_close(&c);
    assert_int_equal(atomic_load(&e->begun), 0);
    env_stop(e);
}

static void a_plain_client_on_the_tls_port_is_told_so(void **state)
{
    env *e = env_start((env_opts){.tls = true});
    client c = {.fd = client_socket(e, 0)};

    (void)state;
    ko_buf_init(&c.in, KO_MIB);
    client_get(&c, "/hello");
    while (client_more(&c))
        ;
    assert_non_null(strstr(c.in.data, "HTTP/1.1 400 Bad Request\r\n"));
    assert_non_null(strstr(c.in.data, "HTTPS"));
    client_close(&c);
    env_stop(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_BOTH(a_request_is_answered),
        SERVE_BOTH(a_connection_serves_many_requests),
        SERVE_BOTH(pipelined_requests_are_answered_in_order),
        SERVE_BOTH(a_request_may_come_byte_by_byte),
        SERVE_BOTH(close_is_honoured_and_announced),
        SERVE_BOTH(a_1_0_client_may_ask_to_be_kept),
        SERVE_BOTH(head_204_and_304_have_no_body),
        SERVE_BOTH(malformed_requests_are_answered_and_closed),
        SERVE_BOTH(a_long_head_leaves_room_for_its_body),
        SERVE_BOTH(many_connections_are_served_at_once),
        cmocka_unit_test(a_tls_client_on_the_plain_port_is_told_so),
        cmocka_unit_test(a_plain_client_on_the_tls_port_is_told_so),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
