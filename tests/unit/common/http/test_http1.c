/* Request heads: every rule of docs/internals/http.md is a row here, and every row is parsed three
 * times: whole, byte by byte, and cut in two at every byte, with the bytes moved to fresh memory
 * each time. The answer must not depend on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/limits.h"
#include "common/http/http1.h"

#define GET  "GET / HTTP/1.1\r\n"
#define TAIL "Host: a\r\n\r\n"

typedef struct {
    ko_str bytes;
    int status; /* 0: accepted */
} vector;

#define V(literal, expected)                                                                       \
    {                                                                                              \
        KO_STR(literal), expected                                                                  \
    }

/* Feeds `bytes` up to `first`, then in pieces of `step`; each time from a copy elsewhere. */
static ko_http1_step feed(ko_http1_parser *p, ko_arena *arena, ko_str bytes, size_t first,
                          size_t step, char **keep)
{
    ko_http1_step got = KO_HTTP1_MORE;

    ko_http1_parser_init(p, arena);
    *keep = NULL;
    for (size_t len = first;; len += step) {
        if (len > bytes.len)
            len = bytes.len;
        free(*keep);
        *keep = ko_xmalloc(len + 1);
        memcpy(*keep, bytes.ptr, len);
        got = ko_http1_parse(p, *keep, len);
        if (got != KO_HTTP1_MORE || len == bytes.len)
            return got;
    }
}

static void expect(ko_str bytes, int status, size_t first, size_t step)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_http1_parser p;
    char *keep;
    ko_http1_step got = feed(&p, arena, bytes, first, step, &keep);

    if (got != (status ? KO_HTTP1_BAD : KO_HTTP1_DONE) || (status && p.bad.status != status))
        fail_msg("'" KO_STR_FMT "' first %zu step %zu: step %d status %d (%s), want %d",
                 KO_STR_ARG(bytes), first, step, (int)got, p.bad.status, p.bad.why, status);
    if (status) {
        assert_non_null(p.bad.why);
        assert_int_equal(ko_http1_parse(&p, keep, bytes.len < first ? bytes.len : first),
                         KO_HTTP1_BAD);
    }
    free(keep);
}

static void run(const vector *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect(rows[i].bytes, rows[i].status, rows[i].bytes.len, 1);
        expect(rows[i].bytes, rows[i].status, 0, 1);
        for (size_t cut = 1; cut < rows[i].bytes.len; cut++)
            expect(rows[i].bytes, rows[i].status, cut, SIZE_MAX / 2);
    }
}

static void lines_end_in_crlf_only(void **state)
{
    static const vector rows[] = {
        V(GET TAIL, 0),
        V("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        V(GET "Host: a\n\r\n", 400),
        V(GET "Host: a\r\n\n", 400),
        V(GET "Host: a\r\n\rX\r\n", 400),
        V("GET / HTTP/1.1\r\rHost: a\r\n\r\n", 400),
        V(GET "Host: a\rX: b\r\n\r\n", 400),
        V(GET "A: b\r\r\n" TAIL, 400),
        V("\n" GET TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void one_empty_line_before_the_request_is_skipped_and_no_more(void **state)
{
    static const vector rows[] = {
        V("\r\n" GET TAIL, 0),
        V("\r\n\r\n" GET TAIL, 400),
        V(" \r\n" GET TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void the_method_is_a_token(void **state)
{
    static const vector rows[] = {
        V("PATCH / HTTP/1.1\r\n" TAIL, 0),        V("brew! / HTTP/1.1\r\n" TAIL, 0),
        V(" GET / HTTP/1.1\r\n" TAIL, 400),       V("G(T / HTTP/1.1\r\n" TAIL, 400),
        V("G\0T / HTTP/1.1\r\n" TAIL, 400),       V("GET\t/ HTTP/1.1\r\n" TAIL, 400),
        V("G\xc3\xa9T / HTTP/1.1\r\n" TAIL, 400), V("GET\r\n" TAIL, 400),
        V("\x16\x03\x01\x02\r\n" TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void the_target_is_origin_form_in_visible_ascii(void **state)
{
    static const vector rows[] = {
        V("GET /v2/a/b?n=1&last=%2f HTTP/1.1\r\n" TAIL, 0),
        V("GET /{\"|}<> HTTP/1.1\r\n" TAIL, 0),
        V("OPTIONS * HTTP/1.1\r\n" TAIL, 0),
        V("GET * HTTP/1.1\r\n" TAIL, 400),
        V("OPTIONS *x HTTP/1.1\r\n" TAIL, 400),
        V("GET  / HTTP/1.1\r\n" TAIL, 400),
        V("GET /  HTTP/1.1\r\n" TAIL, 400),
        V("GET /a b HTTP/1.1\r\n" TAIL, 400),
        V("GET /a\tb HTTP/1.1\r\n" TAIL, 400),
        V("GET /a\0b HTTP/1.1\r\n" TAIL, 400),
        V("GET /\xc3\xa9 HTTP/1.1\r\n" TAIL, 400),
        V("GET /\x7f HTTP/1.1\r\n" TAIL, 400),
        V("GET /#f HTTP/1.1\r\n" TAIL, 400),
        V("GET a HTTP/1.1\r\n" TAIL, 400),
        V("GET http://a/ HTTP/1.1\r\n" TAIL, 400),
        V("CONNECT a:443 HTTP/1.1\r\n" TAIL, 400),
        V("GET /\r\n" TAIL, 400),
        V("GET\r\n\r\n", 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void the_version_is_exactly_http_1_0_or_1_1(void **state)
{
    static const vector rows[] = {
        V("GET / HTTP/1.0\r\n\r\n", 0),
        V("GET / HTTP/1.1 \r\n" TAIL, 400),
        V("GET / HTTP/1.2\r\n" TAIL, 505),
        V("GET / HTTP/2.0\r\n" TAIL, 505),
        V("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        V("GET / HTTP/0.9\r\n" TAIL, 505),
        V("GET / http/1.1\r\n" TAIL, 400),
        V("GET / HTTP/1.\r\n" TAIL, 400),
        V("GET / HTTP/1.11\r\n" TAIL, 400),
        V("GET / HTTP/1.x\r\n" TAIL, 400),
        V("GET / HTTP/+1.1\r\n" TAIL, 400),
        V("GET / ICE/1.0\r\n" TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void field_names_are_tokens_right_before_the_colon(void **state)
{
    static const vector rows[] = {
        V(GET "X_y-1!: b\r\n" TAIL, 0),
        V(GET "A : b\r\n" TAIL, 400),
        V(GET "A\t: b\r\n" TAIL, 400),
        V(GET ": b\r\n" TAIL, 400),
        V(GET "A\r\n" TAIL, 400),
        V(GET "A b: c\r\n" TAIL, 400),
        V(GET "A\0: c\r\n" TAIL, 400),
        V(GET "\xe9: c\r\n" TAIL, 400),
        V(GET "Content-Length : 5\r\n" TAIL, 400),
        V(GET " Host: a\r\n\r\n", 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void folded_lines_are_refused(void **state)
{
    static const vector rows[] = {
        V(GET "Host: a\r\nA: b\r\n c\r\n\r\n", 400), V(GET "Host: a\r\nA: b\r\n\tc\r\n\r\n", 400),
        V(GET "Transfer-Encoding:\r\n chunked\r\n" TAIL, 501), /* the empty coding comes first */
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void field_values_hold_no_controls(void **state)
{
    static const vector rows[] = {
        V(GET "A:\r\n" TAIL, 0),          V(GET "A: b c\td \r\n" TAIL, 0),
        V(GET "A: \xc3\xa9\r\n" TAIL, 0), V(GET "A: b\0c\r\n" TAIL, 400),
        V(GET "A: b\x01\r\n" TAIL, 400),  V(GET "A: b\x1f\r\n" TAIL, 400),
        V(GET "A: b\x7f\r\n" TAIL, 400),  V(GET "A: b\x0b\r\n" TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void content_length_is_digits_and_comes_once(void **state)
{
    static const vector rows[] = {
        V(GET "Content-Length: 0\r\n" TAIL, 0),
        V(GET "Content-Length: 999999999999999999\r\n" TAIL, 0),
        V(GET "content-length:  \t5\t\r\n" TAIL, 0),
        V(GET "Content-Length: 1000000000000000000\r\n" TAIL, 413),
        V(GET "Content-Length: 99999999999999999999\r\n" TAIL, 413),
        V(GET "Content-Length: 5\r\nContent-Length: 5\r\n" TAIL, 400),
        V(GET "Content-Length: 5\r\nContent-Length: 0\r\n" TAIL, 400),
        V(GET "Content-Length: 5, 5\r\n" TAIL, 400),
        V(GET "Content-Length: +5\r\n" TAIL, 400),
        V(GET "Content-Length: -5\r\n" TAIL, 400),
        V(GET "Content-Length: 5 5\r\n" TAIL, 400),
        V(GET "Content-Length: 0x5\r\n" TAIL, 400),
        V(GET "Content-Length: 5a\r\n" TAIL, 400),
        V(GET "Content-Length:\r\n" TAIL, 400),
        V(GET "Content-Length: 18446744073709551616a\r\n" TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void transfer_encoding_is_exactly_chunked_once_and_only_in_1_1(void **state)
{
    static const vector rows[] = {
        V(GET "Transfer-Encoding: chunked\r\n" TAIL, 0),
        V(GET "Transfer-Encoding: Chunked\r\n" TAIL, 0),
        V("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        V(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" TAIL, 400),
        V(GET "Transfer-Encoding: xchunked\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: chunked, chunked\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: gzip, chunked\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: chunked, identity\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: chunked;q=1\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: \"chunked\"\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: identity\r\n" TAIL, 501),
        V(GET "Transfer-Encoding:\r\n" TAIL, 501),
        V(GET "Transfer-Encoding: \x0b"
              "chunked\r\n" TAIL,
          400),
        V(GET "Transfer-Encoding : chunked\r\n" TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void both_lengths_together_are_refused(void **state)
{
    static const vector rows[] = {
        V(GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" TAIL, 400),
        V(GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" TAIL, 400),
        V(GET "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" TAIL, 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void a_1_1_request_has_exactly_one_host(void **state)
{
    static const vector rows[] = {
        V(GET "Host: [::1]:5000\r\n\r\n", 0),
        V(GET "Host:\r\n\r\n", 0),
        V("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 0),
        V(GET "\r\n", 400),
        V(GET "X: a\r\n\r\n", 400),
        V(GET "Host: a\r\nHost: a\r\n\r\n", 400),
        V(GET "Host: a\r\nhost: b\r\n\r\n", 400),
        V("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        V(GET "Host: a b\r\n\r\n", 400),
        V(GET "Host: a/b\r\n\r\n", 400),
        V(GET "Host: a@b\r\n\r\n", 400),
        V(GET "Host: a,b\r\n\r\n", 400),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

static void only_100_continue_may_be_expected(void **state)
{
    static const vector rows[] = {
        V(GET "Expect: 100-continue\r\n" TAIL, 0),      V(GET "Expect: 100-Continue\r\n" TAIL, 0),
        V(GET "Expect: 200-ok\r\n" TAIL, 417),          V(GET "Expect:\r\n" TAIL, 417),
        V(GET "Expect: 100-continue, x\r\n" TAIL, 417),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows));
}

/* ---- Limits ---- */

/* `before`, `count` times `c`, `after`; accepted at `count` and refused with one more. */
static void expect_limit(const char *before, char c, size_t count, const char *after, int status)
{
    for (size_t more = 0; more < 2; more++) {
        ko_autobuf text;

        ko_buf_init(&text, 1 * KO_MIB);
        ko_buf_put_text(&text, before);
        for (size_t i = 0; i < count + more; i++)
            ko_buf_put_char(&text, c);
        ko_buf_put_text(&text, after);
        expect(ko_buf_str(&text), more ? status : 0, text.len, 1);
        expect(ko_buf_str(&text), more ? status : 0, 0, 977);
        expect(ko_buf_str(&text), more ? status : 0, text.len - strlen(after), 1);
    }
}

static void a_request_line_has_at_most_8_kib(void **state)
{
    (void)state;
    expect_limit("GET /", 'a', KO_MAX_HTTP_LINE - strlen("GET / HTTP/1.1"), " HTTP/1.1\r\n" TAIL,
                 414);
}

static void a_head_has_at_most_64_kib(void **state)
{
    (void)state;
    expect_limit(GET "A: ", 'a', KO_MAX_HTTP_HEAD - strlen(GET "A: \r\n" TAIL), "\r\n" TAIL, 431);
}

static void an_endless_line_is_refused_without_its_end(void **state)
{
    ko_autobuf text;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_http1_parser p;

    (void)state;
    ko_buf_init(&text, 1 * KO_MIB);
    ko_http1_parser_init(&p, arena);
    while (text.len < KO_MAX_HTTP_LINE + 2) {
        assert_int_equal(ko_http1_parse(&p, text.data, text.len), KO_HTTP1_MORE);
        ko_buf_put_char(&text, 'a');
    }
    assert_int_equal(ko_http1_parse(&p, text.data, text.len), KO_HTTP1_BAD);
    assert_int_equal(p.bad.status, 414);
}

static void a_head_has_at_most_100_fields(void **state)
{
    for (size_t extra = 0; extra < 2; extra++) {
        ko_autobuf text;

        ko_buf_init(&text, 1 * KO_MIB);
        ko_buf_put_text(&text, GET "Host: a\r\n");
        for (size_t i = 1; i < KO_MAX_HTTP_FIELDS + extra; i++)
            ko_buf_printf(&text, "X-%zu: %zu\r\n", i, i);
        ko_buf_put_text(&text, "\r\n");
        expect(ko_buf_str(&text), extra ? 431 : 0, text.len, 1);
        expect(ko_buf_str(&text), extra ? 431 : 0, 0, 1);
    }
    (void)state;
}

/* ---- Results ---- */

static void the_head_is_handed_out_as_sent(void **state)
{
    static const char text[] = "PUT /v2/a/blobs/?x=1?2 HTTP/1.1\r\nHost: a:5000\r\nX-A:  b \t\r\n"
                               "x-a: \xff\r\nContent-Length: 7\r\nEmpty:\r\n\r\nbodyGET";
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_http1_parser p;
    ko_str value;

    (void)state;
    ko_http1_parser_init(&p, arena);
    assert_int_equal(ko_http1_parse(&p, text, sizeof(text) - 1), KO_HTTP1_DONE);
    assert_int_equal(p.size, sizeof(text) - 1 - strlen("bodyGET"));
    assert_true(ko_str_eq(p.head.method, KO_STR("PUT")));
    assert_true(ko_str_eq(p.head.target, KO_STR("/v2/a/blobs/?x=1?2")));
    assert_true(ko_str_eq(p.head.path, KO_STR("/v2/a/blobs/")));
    assert_true(ko_str_eq(p.head.query, KO_STR("x=1?2")));
    assert_true(p.head.has_body);
    assert_int_equal(p.head.length, 7);
    assert_int_equal(p.head.version_minor, 1);
    assert_int_equal(p.head.headers.count, 5);
    assert_true(ko_headers_get(&p.head.headers, "x-a", &value));
    assert_true(ko_str_eq(value, KO_STR("b")));
    assert_true(ko_str_eq(p.head.headers.items[2].value, KO_STR("\xff")));
    assert_true(ko_headers_get(&p.head.headers, "empty", &value));
    assert_int_equal(value.len, 0);
    assert_true(p.keep_alive);
    assert_false(p.expects_100);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {GET TAIL, true},
        {GET "Connection: close\r\n" TAIL, false},
        {GET "Connection: foo, Close\r\n" TAIL, false},
        {GET "Connection: keep-alive\r\nConnection: close\r\n" TAIL, false},
        {GET "Connection: closed\r\n" TAIL, true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_http1_parser p;

        ko_http1_parser_init(&p, arena);
        assert_int_equal(ko_http1_parse(&p, rows[i].text, strlen(rows[i].text)), KO_HTTP1_DONE);
        assert_int_equal(p.keep_alive, rows[i].keep_alive);
    }
}

static void expectations_of_1_0_clients_are_ignored(void **state)
{
    static const char text[] =
        "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_http1_parser p;

    (void)state;
    ko_http1_parser_init(&p, arena);
    assert_int_equal(ko_http1_parse(&p, text, sizeof(text) - 1), KO_HTTP1_DONE);
    assert_false(p.expects_100);
}

static void reasons_are_the_registered_phrases(void **state)
{
    (void)state;
    assert_string_equal(ko_http1_reason(404), "Not Found");
    assert_string_equal(ko_http1_reason(416), "Range Not Satisfiable");
    assert_string_equal(ko_http1_reason(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_crlf_only),
        cmocka_unit_test(one_empty_line_before_the_request_is_skipped_and_no_more),
        cmocka_unit_test(the_method_is_a_token),
        cmocka_unit_test(the_target_is_origin_form_in_visible_ascii),
        cmocka_unit_test(the_version_is_exactly_http_1_0_or_1_1),
        cmocka_unit_test(field_names_are_tokens_right_before_the_colon),
        cmocka_unit_test(folded_lines_are_refused),
        cmocka_unit_test(field_values_hold_no_controls),
        cmocka_unit_test(content_length_is_digits_and_comes_once),
        cmocka_unit_test(transfer_encoding_is_exactly_chunked_once_and_only_in_1_1),
        cmocka_unit_test(both_lengths_together_are_refused),
        cmocka_unit_test(a_1_1_request_has_exactly_one_host),
        cmocka_unit_test(only_100_continue_may_be_expected),
        cmocka_unit_test(a_request_line_has_at_most_8_kib),
        cmocka_unit_test(a_head_has_at_most_64_kib),
        cmocka_unit_test(an_endless_line_is_refused_without_its_end),
        cmocka_unit_test(a_head_has_at_most_100_fields),
        cmocka_unit_test(the_head_is_handed_out_as_sent),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(expectations_of_1_0_clients_are_ignored),
        cmocka_unit_test(reasons_are_the_registered_phrases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
