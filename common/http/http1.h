/* common/http/http1.h: the HTTP/1.1 codec: a strict, incremental parser of request heads and a
 * decoder of body framing. No I/O and no policy above the protocol; the rules and limits, each with
 * its reason, are in docs/internals/http.md.
 *
 * Nothing malformed is repaired: what two parsers could read differently is refused, because a
 * proxy in front may be the other parser (request smuggling).
 *
 * Spec:    RFC 9112; RFC 9110 for fields and methods.
 * Threads: one thread at a time per object. */
#ifndef KO_HTTP_HTTP1_H
#define KO_HTTP_HTTP1_H

#include "common/base/arena.h"
#include "common/http/head.h"

typedef enum {
    KO_HTTP1_MORE, /* bytes are missing: call again with more */
    KO_HTTP1_DATA, /* body only: the next bytes are data, body->left of them */
    KO_HTTP1_DONE, /* complete */
    KO_HTTP1_BAD   /* refused: answer `bad.status`, close the connection */
} ko_http1_step;

/* Why a message was refused. */
typedef struct {
    int status;      /* 400 413 414 417 431 501 505 */
    const char *why; /* short literal for people, e.g. "no Host" */
} ko_http1_bad;

/* ---- Heads ---- */

typedef struct {
    uint32_t name_at, name_len, value_at, value_len; /* offsets from the start of the head */
} ko_http1_field;

typedef struct {
    /* Results, valid after DONE. */
    ko_http_head head; /* views into the bytes given last */
    size_t size;       /* bytes of the head, with its empty line */
    bool keep_alive;   /* the client's wish: version and Connection */
    bool expects_100;  /* Expect: 100-continue */

    ko_http1_bad bad; /* valid after BAD */

    /* Private: where the parser stands. Offsets, because the caller's buffer may move. */
    ko_arena *arena;
    size_t line; /* start of the first line not yet parsed */
    size_t seen; /* no LF between `line` and here */
    bool has_request_line;
    bool skipped_empty;
    uint32_t method_at, method_len, target_at, target_len;
    ko_http1_field *fields;
    size_t field_count, field_cap;
    unsigned hosts, lengths, codings; /* how often these fields came */
    bool says_close, says_keep_alive;
} ko_http1_parser;

/* Starts a new head; arrays come from `arena`. */
void ko_http1_parser_init(ko_http1_parser *parser, ko_arena *arena);

/* Parses on. `data` is everything received since the head began (it may lie elsewhere each time,
 * and may hold bytes after the head); every byte is looked at once. DONE: the results are valid as
 * long as data[0..size) stays where it is. MORE, DONE or BAD; the answer does not depend on how
 * the bytes were cut into pieces. */
ko_http1_step ko_http1_parse(ko_http1_parser *parser, const char *data, size_t len);

/* ---- Bodies ---- */

typedef struct {
    uint64_t left;    /* after DATA: bytes of data that follow without framing in between */
    ko_http1_bad bad; /* valid after BAD */
    /* Private. */
    unsigned char state;
    unsigned char digits; /* hex digits of the chunk size so far */
    unsigned ext;         /* bytes of the chunk extension so far */
    unsigned trailer;     /* bytes of the trailer section so far */
} ko_http1_body;

/* Prepares for the body of `head`, which may be empty. */
void ko_http1_body_init(ko_http1_body *body, const ko_http_head *head);

/* Reads framing, never data, from the front of `in`; *used tells how many bytes it took. DATA: the
 * next body->left bytes of the connection are data; the caller takes them from where it likes
 * (straight into its own memory, for one) and says so with ko_http1_body_took(). DONE: the body is
 * complete, what follows belongs to the next request. */
ko_http1_step ko_http1_body_frame(ko_http1_body *body, const char *in, size_t len, size_t *used);
void ko_http1_body_took(ko_http1_body *body, uint64_t len); /* len <= body->left */

/* ---- Replies ---- */

/* "Not Found" for 404; "Unknown" for a status without a registered phrase. */
const char *ko_http1_reason(int status);

#endif
