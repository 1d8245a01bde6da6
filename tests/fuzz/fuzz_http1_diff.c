/* Differential fuzz target: what our codec accepts, http-parser 2.9 must accept too, with the same
 * method, target and body bytes. The other direction does not hold, and is the reason for a codec
 * of our own: http-parser takes bare LF, obs-fold, white space before the colon and more.
 *
 * Known differences that are no fault of ours are left out: methods that http-parser does not know,
 * trailers, which it reads as if they were header fields and we discard, and names that only begin
 * like those of framing fields. */
#include <http_parser.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/http1_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    ko_buf text;
    ko_buf target;
    size_t requests;
    size_t wanted; /* stop after so many */
} other_log;

static int on_begin(http_parser *p)
{
    other_log *log = p->data;

    ko_buf_reset(&log->target);
    return 0;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
    other_log *log = p->data;

    return ko_buf_put(&log->target, at, len);
}

static int on_head(http_parser *p)
{
    other_log *log = p->data;

    (void)ko_buf_printf(&log->text, "%s %s\n", http_method_str((enum http_method)p->method),
                        log->target.data);
    p->upgrade = 0; /* we speak nothing else: the body is a body */
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    other_log *log = p->data;

    return ko_buf_put(&log->text, at, len);
}

static int on_complete(http_parser *p)
{
    other_log *log = p->data;

    if (++log->requests == log->wanted)
        http_parser_pause(p, 1);
    return 0;
}

static enum http_errno run_other(other_log *log, ko_str text, size_t wanted)
{
    static const http_parser_settings settings = {
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_headers_complete = on_head,
        .on_body = on_body,
        .on_message_complete = on_complete,
    };
    http_parser parser;

    *log = (other_log){.wanted = wanted};
    ko_buf_init(&log->text, 2 * text.len + 64);
    ko_buf_init(&log->target, text.len + 64);
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = log;
    (void)http_parser_execute(&parser, &settings, text.ptr, text.len);
    return HTTP_PARSER_ERRNO(&parser);
}

static size_t requests_closed; /* requests up to the first that ends the connection */
static size_t heads_seen;
static bool unlike; /* something whose treatment differs by policy */

/* http-parser takes "Transfer-Encodingx" for a transfer coding it does not know. */
static bool extends_framing_name(ko_str name)
{
    static const ko_str names[] = {{"transfer-encoding", 17}, {"content-length", 14}};

    for (size_t i = 0; i < KO_ARRAY_LEN(names); i++)
        if (name.len > names[i].len &&
            ko_str_eq_nocase(ko_str_slice(name, 0, names[i].len), names[i]))
            return true;
    return false;
}

static void watch_head(const ko_http1_parser *p)
{
    ko_str method = p->head.method;
    bool known = false;

    for (int m = 0; m <= HTTP_SOURCE; m++)
        known = known || ko_str_eq(method, ko_str_of(http_method_str((enum http_method)m)));
    if (!known)
        unlike = true;
    for (size_t i = 0; i < p->head.headers.count; i++)
        if (extends_framing_name(p->head.headers.items[i].name))
            unlike = true;
    heads_seen++;
    if (!p->keep_alive && requests_closed == 0)
        requests_closed = heads_seen;
}

/* After the last chunk comes an empty line: no trailers anywhere. */
static bool may_have_trailers(ko_str text)
{
    for (size_t i = 0; i + 3 < text.len; i++)
        if (text.ptr[i] == '0' && text.ptr[i + 1] == '\r' && text.ptr[i + 2] == '\n' &&
            text.ptr[i + 3] != '\r')
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_str text = {(const char *)data, size};
    http1_log ours;
    other_log other;
    enum http_errno error;
    size_t wanted;

    if (size > 64 * 1024 || may_have_trailers(text) ||
        ko_str_find(text, KO_STR(";")) != SIZE_MAX) /* extensions may hide a trailer */
        return 0;
    heads_seen = requests_closed = 0;
    unlike = false;
    http1_run(&ours, text, 0, watch_head);
    /* http-parser reads nothing behind a request that closes the connection. */
    wanted = ours.requests;
    if (requests_closed > 0 && requests_closed < wanted)
        wanted = requests_closed;
    if (!unlike && wanted > 0) {
        error = run_other(&other, text, wanted);
        KO_ASSERT(error == HPE_PAUSED && other.requests == wanted);
        KO_ASSERT(ours.text.len >= other.text.len &&
                  memcmp(ours.text.data, other.text.data, other.text.len) == 0);
        ko_buf_done(&other.text);
        ko_buf_done(&other.target);
    }
    http1_log_done(&ours);
    return 0;
}
