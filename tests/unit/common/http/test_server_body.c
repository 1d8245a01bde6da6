/* Bodies: pulled in pieces, with lengths and chunked, asked for or refused, cut off. */
#include "tests/unit/common/http/serve.h"

/* What /count answers for this body. */
static void count_of(const char *bytes, size_t len, char out[static 64])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += (uint8_t)bytes[i] * (uint64_t)(i % ENV_PIECE % 7 + 1);
    (void)snprintf(out, 64, "%llu %llu", (unsigned long long)len, (unsigned long long)sum);
}

static char *make_body(size_t len)
{
    char *bytes = ko_xmalloc(len + 1);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)env_byte(i * 3);
    return bytes;
}

static void say_length(client *c, const char *path, size_t len, const char *more)
{
    char text[256];

    (void)snprintf(text, sizeof(text),
                   "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n%s\r\n", path, len, more);
    client_say(c, text);
}

static void bodies_of_any_length_arrive_whole(void **state)
{
    static const size_t sizes[] = {0,      1,      100,    16383,   16384,         65535,
                                   131071, 131072, 131073, 1000000, 3 * ENV_PIECE, 20000000};
    env *e = env_for(state);
    client c = client_open(e);

    for (size_t i = 0; i < KO_ARRAY_LEN(sizes); i++) {
        ko_autofree char *body = make_body(sizes[i]);
        char want[64];

        count_of(body, sizes[i], want);
        say_length(&c, "/count", sizes[i], "");
        assert_true(client_send(&c, body, sizes[i]));
        client_expect(&c, 201, want);
    }
    assert_true(env_stats(e).bytes_in > 20000000);
    client_close(&c);
    env_stop(e);
}

static void send_chunked(client *c, const char *body, size_t len, size_t piece)
{
    ko_autobuf text;

    ko_buf_init(&text, 64 * KO_MIB);
    for (size_t at = 0; at < len;) {
        size_t n = len - at < piece ? len - at : piece;

        (void)ko_buf_printf(&text, "%zx\r\n", n);
        (void)ko_buf_put(&text, body + at, n);
        (void)ko_buf_put_text(&text, "\r\n");
        at += n;
    }
    (void)ko_buf_put_text(&text, "0\r\n\r\n");
    assert_true(client_send(c, text.data, text.len));
}

static void chunked_bodies_arrive_whole(void **state)
{
    static const size_t pieces[] = {32768, 1, 7, 1023, 1024, 1025, 4096, 131072, 300000};
    env *e = env_for(state);
    client c = client_open(e);

    for (size_t i = 0; i < KO_ARRAY_LEN(pieces); i++) {
        size_t len = pieces[i] < 100 ? 20000 : 3000000;
        ko_autofree char *body = make_body(len);
        char want[64];

        count_of(body, len, want);
        client_say(&c, "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        send_chunked(&c, body, len, pieces[i]);
        client_expect(&c, 201, want);
    }
    client_close(&c);
    env_stop(e);
}

static void bad_chunks_are_told_to_the_handler_and_end_the_connection(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    client_say(&c, "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "5\r\nhelloXX0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect(&c, 400, "chunk longer than its size");
    client_expect_end(&c);
    client_close(&c);
    assert_int_equal(atomic_load(&e->begun), 1);
    env_stop(e);
}

static void continue_is_sent_when_the_body_is_asked_for(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    for (int i = 0; i < 3; i++) {
        say_length(&c, "/echo", 5, "Expect: 100-continue\r\n");
        client_expect(&c, 100, NULL);
        client_say(&c, "hello");
        client_expect(&c, 200, "hello");
    }
    client_close(&c);
    env_stop(e);
}

static void no_continue_to_a_client_that_does_not_wait(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    client_say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                   "Expect: 100-continue\r\n\r\nhello");
    client_expect(&c, 200, "hello");
    client_say(&c, "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client_say(&c, "hello");
    client_expect(&c, 200, "hello");
    client_close(&c);
    env_stop(e);
}

static void an_early_reply_takes_the_place_of_continue(void **state)
{
    env *e = env_for(state);
    client c = client_open(e);

    say_length(&c, "/early", 5000000, "Expect: 100-continue\r\n");
    client_expect(&c, 413, "too much\n");
    client_expect_end(&c); /* whether the body would come is not known */
    client_close(&c);
    env_stop(e);
}

static void a_short_unread_body_does_not_cost_the_connection(void **state)
{
    ko_autofree char *body = make_body(60000);
    env *e = env_for(state);
    client c = client_open(e);

    for (int i = 0; i < 3; i++) {
        say_length(&c, "/early", 60000, "");
        assert_true(client_send(&c, body, 60000));
        client_expect(&c, 413, "too much\n");
        client_get(&c, "/hello");
        client_expect(&c, 200, "hello\n");
    }
    client_close(&c);
    env_stop(e);
}

typedef struct {
    client *c;
    bool finished;
} sender;

static void *send_much(void *arg)
{
    sender *s = arg;
    ko_autofree char *body = make_body(1000000);

    s->finished = true;
    for (int i = 0; i < 100 && s->finished; i++)
        s->finished = client_send(s->c, body, 1000000);
    return NULL;
}

/* As Go's client does it: one thread sends, another reads. The reply must be there, not a reset,
 * and without the server taking the whole body. */
static void an_early_reply_is_seen_by_a_client_that_still_sends(void **state)
{
    env *e = env_start((env_opts){.tls = false});
    client c = client_open(e);
    sender s = {.c = &c};
    pthread_t thread;

    (void)state;
    say_length(&c, "/early", 100000000, "");
    assert_int_equal(pthread_create(&thread, NULL, send_much, &s), 0);
    env_until(&e->ended, 1);
    (void)poll(NULL, 0, 300); /* the client is slow to look */
    client_expect(&c, 413, "too much\n");
    client_expect_end(&c);
    assert_int_equal(shutdown(c.fd, SHUT_RDWR), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(s.finished);
    client_close(&c);
    env_stop(e);
}

static void a_client_that_leaves_in_the_body_ends_the_exchange_once(void **state)
{
    static const char *const starts[] = {
        "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello",
        "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\nhello",
        "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    };
    env *e = env_for(state);
    size_t begun = 0;

    for (size_t i = 0; i < 2 * KO_ARRAY_LEN(starts); i++) {
        client c = client_open(e);
        struct linger reset = {.l_onoff = 1, .l_linger = 0};

        client_say(&c, starts[i / 2]);
        env_until(&e->begun, ++begun);
        if (i % 2)
            (void)setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        client_close(&c);
        env_until(&e->failed, begun);
    }
    env_until_open(e, 0);
    env_stop(e);
}

static void a_body_that_stalls_is_given_up(void **state)
{
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .stall_timeout_ms = 100});
    client c = client_open(e);

    say_length(&c, "/count", 1000000, "");
    client_say(&c, "hello");
    client_expect_end(&c);
    env_until(&e->failed, 1);
    client_close(&c);
    env_stop(e);
}

static void a_body_below_the_minimum_rate_is_given_up(void **state)
{
    env *e = env_start((env_opts){
        .tls = *(const bool *)*state, .stall_timeout_ms = 200, .min_rate_bytes_s = 10000});
    client c = client_open(e);
    int sent = 0;

    say_length(&c, "/count", 1000000, "");
    /* A byte every few milliseconds never stalls. */
    while (sent < 1000 && client_send(&c, "x", 1)) {
        (void)poll(NULL, 0, 5);
        sent++;
    }
    assert_true(sent < 1000);
    env_until(&e->failed, 1);
    client_close(&c);
    env_stop(e);
}

static void a_body_above_the_minimum_rate_goes_through(void **state)
{
    env *e = env_start((env_opts){
        .tls = *(const bool *)*state, .stall_timeout_ms = 700, .min_rate_bytes_s = 1000});
    client c = client_open(e);
    ko_autofree char *body = make_body(100000);
    char want[64];

    count_of(body, 100000, want);
    say_length(&c, "/count", 100000, "");
    for (size_t i = 0; i < 100; i++) {
        assert_true(client_send(&c, body + 1000 * i, 1000));
        (void)poll(NULL, 0, 8);
    }
    client_expect(&c, 201, want);
    client_close(&c);
    env_stop(e);
}

static void uploads_in_parallel_arrive_whole(void **state)
{
    static client clients[40];
    env *e = env_start((env_opts){.tls = *(const bool *)*state, .loops = 2});
    ko_autofree char *body = make_body(400000);
    char want[64];

    count_of(body, 400000, want);
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++) {
        clients[i] = client_open(e);
        say_length(&clients[i], "/count", 400000, "");
    }
    for (size_t at = 0; at < 400000; at += 10000)
        for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
            assert_true(client_send(&clients[i], body + at, 10000));
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++) {
        client_expect(&clients[i], 201, want);
        client_close(&clients[i]);
    }
    env_stop(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_BOTH(bodies_of_any_length_arrive_whole),
        SERVE_BOTH(chunked_bodies_arrive_whole),
        SERVE_BOTH(bad_chunks_are_told_to_the_handler_and_end_the_connection),
        SERVE_BOTH(continue_is_sent_when_the_body_is_asked_for),
        SERVE_BOTH(no_continue_to_a_client_that_does_not_wait),
        SERVE_BOTH(an_early_reply_takes_the_place_of_continue),
        SERVE_BOTH(a_short_unread_body_does_not_cost_the_connection),
        cmocka_unit_test(an_early_reply_is_seen_by_a_client_that_still_sends),
        SERVE_BOTH(a_client_that_leaves_in_the_body_ends_the_exchange_once),
        SERVE_BOTH(a_body_that_stalls_is_given_up),
        SERVE_BOTH(a_body_below_the_minimum_rate_is_given_up),
        SERVE_BOTH(a_body_above_the_minimum_rate_goes_through),
        SERVE_BOTH(uploads_in_parallel_arrive_whole),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
