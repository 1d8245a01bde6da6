/* Body framing: each row is decoded whole, byte by byte, and cut in two at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/limits.h"
#include "common/http/http1.h"

typedef struct {
    ko_str bytes;
    const char *body; /* NULL: refused */
    size_t rest;      /* bytes that belong to the next request */
} vector;

#define V(literal, expected, left)                                                                 \
    {                                                                                              \
        KO_STR(literal), expected, left                                                            \
    }

/* Decodes what is in `in`; data goes to `out`. MORE, DONE or BAD. */
static ko_http1_step decode(ko_http1_body *body, ko_str *in, ko_buf *out)
{
    for (;;) {
        size_t used;
        ko_http1_step step = ko_http1_body_frame(body, in->ptr, in->len, &used);

        *in = ko_str_slice(*in, used, SIZE_MAX);
        if (step != KO_HTTP1_DATA)
            return step;
        if (in->len == 0)
            return KO_HTTP1_MORE;
        used = body->left < in->len ? (size_t)body->left : in->len;
        ko_buf_put(out, in->ptr, used);
        *in = ko_str_slice(*in, used, SIZE_MAX);
        ko_http1_body_took(body, used);
    }
}

static void expect(const vector *row, int64_t length, size_t first, size_t step)
{
    ko_http_head head = {.length = length, .has_body = length != 0};
    ko_http1_body body;
    ko_http1_step got = KO_HTTP1_MORE;
    size_t fed = 0;
    ko_str piece = KO_STR("");
    ko_autobuf out;

    ko_buf_init(&out, 1 * KO_MIB);
    ko_http1_body_init(&body, &head);
    for (size_t next = first; got == KO_HTTP1_MORE && fed < row->bytes.len; next = step) {
        piece = ko_str_slice(row->bytes, fed, next > row->bytes.len - fed ? SIZE_MAX : fed + next);
        fed += piece.len;
        got = decode(&body, &piece, &out);
    }
    if (!row->body) {
        if (got != KO_HTTP1_BAD || body.bad.status != 400 || !body.bad.why)
            fail_msg("'" KO_STR_FMT "' first %zu step %zu: not refused", KO_STR_ARG(row->bytes),
                     first, step);
        assert_int_equal(decode(&body, &piece, &out), KO_HTTP1_BAD);
        return;
    }
    if (got != KO_HTTP1_DONE || !ko_str_eq(ko_buf_str(&out), ko_str_of(row->body)) ||
        row->bytes.len - fed + piece.len != row->rest)
        fail_msg("'" KO_STR_FMT "' first %zu step %zu: step %d, %s, body '%s', %zu left",
                 KO_STR_ARG(row->bytes), first, step, (int)got, body.bad.why, out.data,
                 row->bytes.len - fed + piece.len);
}

static void run(const vector *rows, size_t count, int64_t length)
{
    for (size_t i = 0; i < count; i++) {
        expect(&rows[i], length, rows[i].bytes.len, 1);
        expect(&rows[i], length, 1, 1);
        for (size_t cut = 1; cut < rows[i].bytes.len; cut++)
            expect(&rows[i], length, cut, SIZE_MAX);
    }
}

static void chunks_are_joined(void **state)
{
    static const vector rows[] = {
        V("5\r\nhello\r\n0\r\n\r\n", "hello", 0),
        V("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", 0),
        V("0\r\n\r\n", "", 0),
        V("0000\r\n\r\n", "", 0),
        V("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
        V("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
        V("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", 0),
        V("5\r\nhello\r\n0\r\n\r\nGET / ", "hello", 6),
        V("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows), -1);
}

static void chunk_sizes_are_1_to_16_hex_digits(void **state)
{
    static const vector rows[] = {
        V("00000000000000005\r\nhello\r\n0\r\n\r\n", NULL, 0),
        V("\r\nhello\r\n", NULL, 0),
        V("0x5\r\nhello\r\n", NULL, 0),
        V("+5\r\nhello\r\n", NULL, 0),
        V("-5\r\nhello\r\n", NULL, 0),
        V(" 5\r\nhello\r\n", NULL, 0),
        V("5 \r\nhello\r\n", NULL, 0),
        V("5\t\r\nhello\r\n", NULL, 0),
        V("5g\r\nhello\r\n", NULL, 0),
        V("g\r\n", NULL, 0),
        V("8000000000000000\r\n", NULL, 0),
        V("ffffffffffffffff\r\n", NULL, 0),
        V("10000000000000005\r\nhello\r\n", NULL, 0),
        V(";a=b\r\nhello\r\n", NULL, 0),
        V("5\0\r\nhello\r\n", NULL, 0),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows), -1);
}

static void lines_of_a_chunked_body_end_in_crlf_only(void **state)
{
    static const vector rows[] = {
        V("5\nhello\r\n0\r\n\r\n", NULL, 0),
        V("5\r\nhello\n0\r\n\r\n", NULL, 0),
        V("5\r\nhello\r0\r\n\r\n", NULL, 0),
        V("5\r\nhello\r\n0\n\r\n", NULL, 0),
        V("5\r\nhello\r\n0\r\n\n", NULL, 0),
        V("5\r\nhello\r\n0\r\n\rX", NULL, 0),
        V("5\r\r\nhello\r\n", NULL, 0),
        V("5;a\nhello\r\n", NULL, 0),
        V("5\r\nhello\r\n0\r\nA: b\n\r\n", NULL, 0),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows), -1);
}

static void chunk_data_is_followed_by_crlf(void **state)
{
    static const vector rows[] = {
        V("5\r\nhelloXX0\r\n\r\n", NULL, 0),
        V("5\r\nhello0\r\n\r\n", NULL, 0),
        V("5\r\nhello!\r\n0\r\n\r\n", NULL, 0),
        V("4\r\nhello\r\n0\r\n\r\n", NULL, 0),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows), -1);
}

static void extensions_are_discarded(void **state)
{
    static const vector rows[] = {
        V("5;a=b\r\nhello\r\n0;c=\"d e\"\r\n\r\n", "hello", 0),
        V("5;\r\nhello\r\n0\r\n\r\n", "hello", 0),
        V("5;a\0\r\nhello\r\n0\r\n\r\n", NULL, 0),
        V("5;a\x7f\r\nhello\r\n0\r\n\r\n", NULL, 0),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows), -1);
}

static void trailers_are_checked_and_discarded(void **state)
{
    static const vector rows[] = {
        V("5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\nX", "hello", 1),
        V("0\r\nA : b\r\n\r\n", NULL, 0),
        V("0\r\n A: b\r\n\r\n", NULL, 0),
        V("0\r\nA: b\r\n c\r\n\r\n", NULL, 0),
        V("0\r\nA\r\n\r\n", NULL, 0),
        V("0\r\n: b\r\n\r\n", NULL, 0),
        V("0\r\nA: \0\r\n\r\n", NULL, 0),
        V("0\r\nGET / HTTP/1.1\r\n\r\n", NULL, 0),
    };

    (void)state;
    run(rows, KO_ARRAY_LEN(rows), -1);
}

static void expect_limit(const char *before, size_t count, const char *after)
{
    for (size_t more = 0; more < 2; more++) {
        ko_autobuf text;
        vector row = {.body = more ? NULL : "hello"};

        ko_buf_init(&text, 1 * KO_MIB);
        ko_buf_put_text(&text, before);
        for (size_t i = 0; i < count + more; i++)
            ko_buf_put_char(&text, 'x');
        ko_buf_put_text(&text, after);
        row.bytes = ko_buf_str(&text);
        expect(&row, -1, text.len, 1);
        expect(&row, -1, 1, 1);
    }
}

static void an_extension_has_at_most_256_bytes(void **state)
{
    (void)state;
    expect_limit("5;", KO_MAX_HTTP_CHUNK_EXT, "\r\nhello\r\n0\r\n\r\n");
}

static void trailers_have_at_most_8_kib(void **state)
{
    (void)state;
    /* Counted without the LFs, which take_lf() reads. */
    expect_limit("5\r\nhello\r\n0\r\nA:", KO_MAX_HTTP_TRAILER - strlen("A:\r\r"), "\r\n\r\n");
}

static void a_length_body_ends_where_it_says(void **state)
{
    static const vector five[] = {V("helloGET", "hello", 3), V("hello", "hello", 0)};
    static const vector none[] = {V("GET", "", 3)};

    (void)state;
    run(five, KO_ARRAY_LEN(five), 5);
    run(none, KO_ARRAY_LEN(none), 0);
}

static void the_length_is_known_before_the_data(void **state)
{
    ko_http_head head = {.length = 1 << 30, .has_body = true};
    ko_http1_body body;
    size_t used;

    (void)state;
    ko_http1_body_init(&body, &head);
    assert_int_equal(ko_http1_body_frame(&body, NULL, 0, &used), KO_HTTP1_DATA);
    assert_int_equal(body.left, 1 << 30);
    ko_http1_body_took(&body, (1 << 30) - 1);
    assert_int_equal(ko_http1_body_frame(&body, NULL, 0, &used), KO_HTTP1_DATA);
    ko_http1_body_took(&body, 1);
    assert_int_equal(ko_http1_body_frame(&body, NULL, 0, &used), KO_HTTP1_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(chunk_sizes_are_1_to_16_hex_digits),
        cmocka_unit_test(lines_of_a_chunked_body_end_in_crlf_only),
        cmocka_unit_test(chunk_data_is_followed_by_crlf),
        cmocka_unit_test(extensions_are_discarded),
        cmocka_unit_test(trailers_are_checked_and_discarded),
        cmocka_unit_test(an_extension_has_at_most_256_bytes),
        cmocka_unit_test(trailers_have_at_most_8_kib),
        cmocka_unit_test(a_length_body_ends_where_it_says),
        cmocka_unit_test(the_length_is_known_before_the_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
