/* For the fuzz targets of the HTTP/1.1 codec: runs a stream of requests through it and writes down
 * what it understood. */
#ifndef KO_FUZZ_HTTP1_STREAM_H
#define KO_FUZZ_HTTP1_STREAM_H

#include "common/base/buf.h"
#include "common/http/http1.h"

typedef struct {
    ko_buf text;        /* "METHOD target\n" and the body's bytes for each request */
    size_t requests;    /* complete ones */
    ko_http1_step last; /* MORE, DONE (all used) or BAD */
    int status;         /* after BAD */
} http1_log;

static inline void http1_log_done(http1_log *log)
{
    ko_buf_done(&log->text);
}

/* The body at text[at...), of which text[..have) has arrived. Returns where it stopped. */
static inline size_t http1_run_body(http1_log *log, ko_http1_body *body, ko_str text, size_t at,
                                    size_t have)
{
    for (;;) {
        size_t used;

        log->last = ko_http1_body_frame(body, text.ptr + at, have - at, &used);
        at += used;
        if (log->last != KO_HTTP1_DATA)
            return at;
        used = body->left < have - at ? (size_t)body->left : have - at;
        if (used == 0) {
            log->last = KO_HTTP1_MORE;
            return at;
        }
        (void)ko_buf_put(&log->text, text.ptr + at, used);
        ko_http1_body_took(body, used);
        at += used;
    }
}

/* `piece`: bytes that arrive at a time, 0: all at once. `check` sees every accepted head. */
static inline void http1_run(http1_log *log, ko_str text, size_t piece,
                             void (*check)(const ko_http1_parser *parser))
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_http1_parser parser;
    ko_http1_body body;
    size_t at = 0, have = piece ? 0 : text.len;
    bool in_body = false;

    *log = (http1_log){.last = KO_HTTP1_MORE};
    ko_buf_init(&log->text, 2 * text.len + 64);
    ko_http1_parser_init(&parser, arena);
    for (;;) {
        if (in_body) {
            at = http1_run_body(log, &body, text, at, have);
        } else {
            log->last = ko_http1_parse(&parser, text.ptr + at, have - at);
            if (log->last == KO_HTTP1_DONE) {
                check(&parser);
                (void)ko_buf_put_str(&log->text, parser.head.method);
                (void)ko_buf_put_char(&log->text, ' ');
                (void)ko_buf_put_str(&log->text, parser.head.target);
                (void)ko_buf_put_char(&log->text, '\n');
                ko_http1_body_init(&body, &parser.head);
                at += parser.size;
                in_body = true;
                continue;
            }
        }
        if (log->last == KO_HTTP1_BAD) {
            log->status = in_body ? body.bad.status : parser.bad.status;
            return;
        }
        if (log->last == KO_HTTP1_DONE) {
            log->requests++;
            in_body = false;
            ko_arena_reset(arena);
            ko_http1_parser_init(&parser, arena);
            if (at == text.len)
                return;
            continue;
        }
        if (have == text.len)
            return;
        have = text.len - have < piece ? text.len : have + piece;
    }
}

#endif
