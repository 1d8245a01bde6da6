/* common/http/server.h: the HTTP/1.1 server: listeners, connections and exchanges.
 *
 * An exchange is one request and its reply. A connection belongs to one loop for life and has at
 * most one exchange at a time: pipelined bytes wait in the connection until the reply is done. All
 * calls on an exchange happen on its loop.
 *
 * The life of an exchange:
 *   1. on_request(): the head is parsed and checked, nothing of the body has been read. The handler
 * may answer now or later.
 *   2. The body is *pulled*: ko_http_read() asks for up to `cap` bytes into the caller's memory and
 *      answers once, later or at once from within the call's loop turn (never recursively). Nothing
 * is read from the socket while nobody asks: that is the back-pressure. "100 Continue" is sent when
 *      the body is first asked for, so an early answer replaces it (RFC 9110 section 10.1.1).
 *   3. One ko_http_reply*() call. Then the exchange ends: on_end() runs once, when the reply is
 * written or the connection is lost, after which the exchange is gone. A handler that still has
 * work under way finds that out by its own id and must not touch the exchange.
 *   4. A body not wholly read when the reply is sent is drained within small bounds, or the
 * connection is closed with a lingering close so that the client sees the reply.
 *
 * Malformed requests never reach the handler: they are answered 400 (or 408, 413, 414, 417, 431,
 * 501, 505) through `on_bad_request`, which may shape the body, and the connection is closed.
 *
 * Spec:    RFC 9110, RFC 9112; smuggling rules in docs/internals/http.md. */
#ifndef KO_HTTP_SERVER_H
#define KO_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/http/head.h"
#include "common/http/tls.h"
#include "common/loop/loop.h"
#include "common/loop/work.h"

typedef struct ko_http_server ko_http_server;
typedef struct ko_http_xchg ko_http_xchg;

/* ---- The request ---- */

const ko_http_head *ko_http_request(const ko_http_xchg *x);
ko_arena *ko_http_arena(ko_http_xchg *x); /* lives until on_end */
ko_loop *ko_http_loop(ko_http_xchg *x);
const char *ko_http_peer(const ko_http_xchg *x); /* "192.0.2.1" or "2001:db8::1", no port */
bool ko_http_is_tls(const ko_http_xchg *x);
void ko_http_set_user(ko_http_xchg *x, void *user); /* for the handler's own object */
void *ko_http_user(const ko_http_xchg *x);

/* ---- The body ---- */

/* The outcome of one read. Both may be told at once: the last bytes and the end. */
typedef struct {
    size_t got;        /* bytes now in the caller's memory; less than asked only at the end */
    bool end;          /* the body is complete */
    const ko_err *err; /* INVALID bad chunk framing; IO the peer is gone or too slow; else NULL */
} ko_http_read_result;

typedef void ko_http_read_fn(void *arg, const ko_http_read_result *result);

/* Fills `into` with the next `cap` bytes of the body, then calls fn once. One read at a time. The
 * memory must stay valid until then; if the exchange ends first, fn is called with an error before
 * on_end. */
void ko_http_read(ko_http_xchg *x, void *into, size_t cap, ko_http_read_fn *fn, void *arg);

/* ---- The reply ---- */

/* One stretch of a reply body, sent in order: memory, a range of a file, or a blocking reader. */
typedef struct ko_http_part {
    enum { KO_PART_BYTES, KO_PART_FILE, KO_PART_READER } kind;
    ko_str bytes; /* KO_PART_BYTES: must live until on_end (the exchange's arena will do) */
    int fd;       /* KO_PART_FILE: owned by the caller until on_end */
    uint64_t offset;
    uint64_t length;
    /* KO_PART_READER: fills exactly `len` bytes from `offset`, on a pool thread. */
    int (*read)(void *arg, void *into, size_t len, uint64_t offset, ko_err *err);
    void *arg;
} ko_http_part;

/* Answers with a body in memory, copied if it does not go out at once. Content-Length, Date and,
 * when due, Connection are added here; `headers` may be NULL. For HEAD and 304 the length is
 * announced and no body is sent; for 204 neither. */
void ko_http_reply(ko_http_xchg *x, int status, const ko_headers *headers, ko_str body);

/* Answers with parts, whose array must live until on_end. Never buffered: files go out by sendfile
 * (plain), SSL_sendfile (kernel TLS) or through the loop's one shared buffer. */
void ko_http_reply_parts(ko_http_xchg *x, int status, const ko_headers *headers,
                         const ko_http_part *parts, size_t count);

/* Closes the connection after this reply (sends "Connection: close"). */
void ko_http_close_after(ko_http_xchg *x);
/* Status sent (0: none yet) and body bytes received and sent so far, for the access log. */
void ko_http_account(const ko_http_xchg *x, int *status, uint64_t *received, uint64_t *sent);

/* ---- The server ---- */

typedef struct {
    /* Required. Any loop thread. */
    void (*on_request)(void *ctx, ko_http_xchg *x);
    /* Required. The last call for this exchange; `err` is NULL when the reply went out whole. */
    void (*on_end)(void *ctx, ko_http_xchg *x, const ko_err *err);
    /* May be NULL: a body for a request refused by the codec; appended to `body`, JSON or text.
     * Sets *content_type to a literal. */
    void (*on_bad_request)(void *ctx, int status, const char *why, ko_buf *body,
                           const char **content_type);
    void *ctx;
} ko_http_handler;

typedef struct {
    ko_loop *const *loops; /* one per thread, running or about to; not owned */
    size_t loop_count;
    ko_pool *pool;             /* for parts that block; not owned */
    uint64_t head_timeout_ms;  /* first byte to end of head; 20 s */
    uint64_t idle_timeout_ms;  /* keep-alive; 120 s: docs/internals/http.md */
    uint64_t stall_timeout_ms; /* no byte moved while we want some; 60 s */
    uint64_t min_rate_bytes_s; /* over each stall_timeout_ms of waiting for a peer; 0: no minimum */
    size_t max_connections;    /* all loops together; more wait in the backlog */
} ko_http_server_opts;

/* Owned by the caller: ko_http_server_free(). */
KO_MUST_USE int ko_http_server_new(const ko_http_server_opts *opts, const ko_http_handler *handler,
                                   ko_http_server **out, ko_err *err);

/* Whether `address` has a form that ko_http_server_listen() takes; resolves and binds nothing.
 * error INVALID. */
KO_MUST_USE int ko_http_check_address(const char *address, ko_err *err);

/* Binds "127.0.0.1:0", "[::1]:443", ":5000" (all addresses, both families), "localhost:80" or an
 * inherited socket "fd:3". With SO_REUSEPORT one socket per loop. `tls` NULL: plain HTTP.
 * `bound` receives the address with its port, e.g. "127.0.0.1:41234". Before the loops run or on
 * one of them. errors INVALID, IO, DENIED, EXISTS (in use). */
KO_MUST_USE int ko_http_server_listen(ko_http_server *server, const char *address, ko_tls *tls,
                                      char *bound, size_t bound_size, ko_err *err);

/* Stops accepting, lets exchanges under way finish, closes idle connections at once and the rest
 * after `grace_ms`; then calls `fn(arg)` on `loop`. Any thread, once. */
void ko_http_server_drain(ko_http_server *server, uint64_t grace_ms, ko_loop *loop,
                          void (*fn)(void *arg), void *arg);
/* After draining, when no loop runs any more and before the loops are freed. */
ko_http_server *ko_http_server_free(ko_http_server *server);

typedef struct {
    uint64_t accepted;
    uint64_t open;
    uint64_t tls_handshakes;
    uint64_t tls_resumed;
    uint64_t bytes_in;
    uint64_t bytes_out;
    bool ktls; /* some connection of this process used kernel TLS */
} ko_http_stats;
void ko_http_server_stats(const ko_http_server *server, ko_http_stats *out);

#endif
