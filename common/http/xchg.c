/* common/http/xchg.c: one exchange: its input, its request, and the body as it is pulled.
 *
 * The input buffer holds the head for as long as the exchange lives, since the request's views
 * point into it; what comes after the head (the start of a body, pipelined requests) is used from
 * behind it. A body with a length is received straight into the handler's memory, after what the
 * buffer already holds, and never past its own end, so nothing of the next request gets lost in
 * there. A chunked body goes the same way inside its chunks; only the lines between them pass
 * through the buffer. */
#include "common/base/limits.h"
#include "common/http/server_priv.h"

#define IN_SMALL   ((size_t)16 * 1024) /* fits nearly every head */
#define IN_LARGE   ((size_t)(KO_MAX_HTTP_HEAD + 16 * KO_KIB))
#define IN_WINDOW  ((size_t)4 * 1024) /* room that must remain behind a head */
#define SPARES_MAX 32                 /* per lane: half a MiB of buffers */
#define BULK_BODY  (64 * KO_KIB)      /* a body from here on is received in large reads */
#define SKIP_MAX   (64 * KO_KIB)  /* rest of a body that is worth reading to keep a connection */
#define DIRECT_MIN ((size_t)1024) /* shorter stretches of a chunk go through the buffer */

/* ---- Life ---- */

ko_http_xchg *ko_xchg_take(ko_link *link)
{
    ko_lane *lane = link->lane;
    ko_http_xchg *x = lane->spares;

    if (x) {
        lane->spares = x->next_spare;
        lane->spare_count--;
    } else {
        x = ko_new(ko_http_xchg);
        x->arena = ko_arena_new();
        x->in = ko_xmalloc(IN_SMALL);
        x->in_cap = IN_SMALL;
        ko_reply_init(&x->reply);
    }
    x->link = link;
    ko_http1_parser_init(&x->parser, x->arena);
    return x;
}

static void forget_request(ko_http_xchg *x)
{
    ko_reply_reset(&x->reply);
    ko_arena_reset(x->arena);
    ko_http1_parser_init(&x->parser, x->arena);
    x->user = NULL;
    x->begun = x->ended = x->close = x->body_end = x->is_head = x->owes_100 = x->interim = false;
    x->interim_at = 0;
    x->received = 0;
    x->read_fn = NULL;
    x->in_base = 0;
}

void ko_xchg_put(ko_http_xchg *x)
{
    ko_lane *lane = x->link->lane;

    if (x->in_cap > IN_SMALL || lane->spare_count >= SPARES_MAX) {
        (void)ko_xchg_free(x);
        return;
    }
    forget_request(x);
    x->in_at = x->in_end = 0;
    x->link = NULL;
    x->next_spare = lane->spares;
    lane->spares = x;
    lane->spare_count++;
}

ko_http_xchg *ko_xchg_free(ko_http_xchg *x)
{
    if (!x)
        return NULL;
    ko_reply_done(&x->reply);
    (void)ko_arena_free(x->arena);
    free(x->in);
    free(x);
    return NULL;
}

void ko_xchg_next(ko_http_xchg *x)
{
    forget_request(x);
    if (x->in_at == x->in_end)
        x->in_at = x->in_end = 0;
}

/* ---- Input ---- */

/* Makes room behind in_end without touching what lies before in_base. */
static void make_room(ko_http_xchg *x)
{
    if (x->in_at == x->in_end)
        x->in_at = x->in_end = x->in_base;
    if (x->in_end < x->in_cap)
        return;
    if (x->in_at > x->in_base) {
        memmove(x->in + x->in_base, x->in + x->in_at, x->in_end - x->in_at);
        x->in_end -= x->in_at - x->in_base;
        x->in_at = x->in_base;
        return;
    }
    /* A long head. The parser refuses it before it fills the large buffer. */
    KO_ASSERT(x->in_cap < IN_LARGE && x->in_base == 0);
    x->in = ko_xrealloc_array(x->in, IN_LARGE, 1);
    x->in_cap = IN_LARGE;
}

ko_step ko_xchg_fill(ko_http_xchg *x, ko_err *err)
{
    size_t got;

    make_room(x);
    switch (ko_conn_read(&x->link->conn, x->in + x->in_end, x->in_cap - x->in_end, &got, err)) {
    case KO_CONN_OK:
        x->in_end += got;
        ko_link_moved(x->link, got, &x->link->lane->bytes_in);
        return KO_STEP_GO;
    case KO_CONN_AGAIN:
        ko_conn_want(&x->link->conn, KO_IO_READ);
        return KO_STEP_WAIT;
    case KO_CONN_EOF:
        (void)ko_err_set(err, KO_E_IO, "the client closed the connection");
        return KO_STEP_LOST;
    case KO_CONN_LOST:
        break;
    }
    return KO_STEP_LOST;
}

ko_http1_step ko_xchg_parse(ko_http_xchg *x)
{
    ko_http1_step step = ko_http1_parse(&x->parser, x->in + x->in_at, x->in_end - x->in_at);

    if (step != KO_HTTP1_DONE)
        return step;
    /* The rest of the body needs room behind the head, which cannot move once it is handed out. */
    if (x->in_cap == IN_SMALL && x->in_at + x->parser.size + IN_WINDOW > IN_SMALL) {
        x->in = ko_xrealloc_array(x->in, IN_LARGE, 1);
        x->in_cap = IN_LARGE;
        ko_http1_parser_init(&x->parser, x->arena);
        return ko_xchg_parse(x);
    }
    return step;
}

void ko_xchg_begin(ko_http_xchg *x)
{
    const ko_http_head *head = &x->parser.head;
    const ko_http_handler *handler = &x->link->lane->server->handler;

    x->in_at += x->parser.size;
    x->in_base = x->in_at;
    ko_http1_body_init(&x->body, head);
    x->body_end = !head->has_body;
    x->is_head = ko_str_eq(head->method, KO_STR("HEAD"));
    /* A client that has begun to send does not wait any more. */
    x->owes_100 = x->parser.expects_100 && head->has_body && x->in_at == x->in_end;
    x->close = !x->parser.keep_alive || x->link->lane->draining;
    x->begun = true;
    handler->on_request(handler->ctx, x);
}

/* ---- The body ---- */

static void answer_read(ko_http_xchg *x, const ko_err *err)
{
    ko_http_read_fn *fn = x->read_fn;
    ko_http_read_result result = {.got = x->read_got, .end = x->body_end, .err = err};

    x->read_fn = NULL;
    fn(x->read_arg, &result);
}

/* Takes body bytes the buffer already holds. */
static void take_buffered(ko_http_xchg *x)
{
    size_t have = x->in_end - x->in_at;
    size_t n = x->read_cap - x->read_got;

    if (n > have)
        n = have;
    if (n > x->body.left)
        n = (size_t)x->body.left;
    memcpy(x->read_into + x->read_got, x->in + x->in_at, n);
    x->in_at += n;
    x->read_got += n;
    x->received += n;
    ko_http1_body_took(&x->body, n);
}

/* Receives body bytes where they are wanted. */
static ko_step take_direct(ko_http_xchg *x, ko_err *err)
{
    size_t n = x->read_cap - x->read_got;
    size_t got;

    if (n > x->body.left)
        n = (size_t)x->body.left;
    if (n < DIRECT_MIN && x->parser.head.length < 0)
        return ko_xchg_fill(x, err);
    switch (ko_conn_read(&x->link->conn, x->read_into + x->read_got, n, &got, err)) {
    case KO_CONN_OK:
        x->read_got += got;
        x->received += got;
        ko_http1_body_took(&x->body, got);
        ko_link_moved(x->link, got, &x->link->lane->bytes_in);
        return KO_STEP_GO;
    case KO_CONN_AGAIN:
        ko_conn_want(&x->link->conn, KO_IO_READ);
        return KO_STEP_WAIT;
    case KO_CONN_EOF:
        (void)ko_err_set(err, KO_E_IO, "the client closed the connection in the body");
        return KO_STEP_LOST;
    case KO_CONN_LOST:
        break;
    }
    return KO_STEP_LOST;
}

/* Reads framing from the buffer. */
static ko_http1_step frame(ko_http_xchg *x)
{
    size_t used;
    ko_http1_step step =
        ko_http1_body_frame(&x->body, x->in + x->in_at, x->in_end - x->in_at, &used);

    x->in_at += used;
    if (step == KO_HTTP1_DONE)
        x->body_end = true;
    return step;
}

/* RFC 9110 section 10.1.1. Sent when the body is first asked for. */
static ko_step send_interim(ko_http_xchg *x, ko_err *err)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t sent;

    x->interim = true;
    switch (ko_conn_write(&x->link->conn, text + x->interim_at, sizeof(text) - 1 - x->interim_at,
                          false, &sent, err)) {
    case KO_CONN_OK:
        x->interim_at += sent;
        x->interim = x->owes_100 = x->interim_at < sizeof(text) - 1;
        return KO_STEP_GO;
    case KO_CONN_AGAIN:
        ko_conn_want(&x->link->conn, KO_IO_WRITE);
        return KO_STEP_WAIT;
    case KO_CONN_EOF:
    case KO_CONN_LOST:
        break;
    }
    return KO_STEP_LOST;
}

ko_step ko_xchg_read_step(ko_http_xchg *x, ko_err *err)
{
    if (x->interim || (x->read_fn && x->owes_100))
        return send_interim(x, err);
    if (!x->read_fn)
        return KO_STEP_GO;
    switch (frame(x)) {
    case KO_HTTP1_DONE:
        answer_read(x, NULL);
        return KO_STEP_GO;
    case KO_HTTP1_BAD:
        x->close = true;
        (void)ko_err_set(err, KO_E_INVALID, "%s", x->body.bad.why);
        answer_read(x, err);
        return KO_STEP_GO;
    case KO_HTTP1_DATA:
        if (x->read_got == x->read_cap) {
            answer_read(x, NULL);
            return KO_STEP_GO;
        }
        if (x->in_at == x->in_end)
            return take_direct(x, err);
        take_buffered(x);
        return KO_STEP_GO;
    case KO_HTTP1_MORE:
        break;
    }
    /* Between chunks. What is there is handed out before waiting for more than was asked. */
    if (x->read_got < x->read_cap)
        return ko_xchg_fill(x, err);
    answer_read(x, NULL);
    return KO_STEP_GO;
}

void ko_http_read(ko_http_xchg *x, void *into, size_t cap, ko_http_read_fn *fn, void *arg)
{
    KO_ASSERT(!x->read_fn && fn && cap > 0);
    x->read_fn = fn;
    x->read_arg = arg;
    x->read_into = into;
    x->read_cap = cap;
    x->read_got = 0;
    if (x->received == 0 &&
        (x->parser.head.length < 0 || x->parser.head.length >= (int64_t)BULK_BODY))
        ko_conn_bulk(&x->link->conn, true);
    ko_link_kick(x->link);
}

/* ---- The rest of a body ---- */

bool ko_xchg_can_skip(const ko_http_xchg *x)
{
    /* A client told to wait may never send its body: what comes next would be ambiguous. */
    return x->body_end || (!x->owes_100 && x->parser.head.length >= 0 && x->body.left <= SKIP_MAX);
}

ko_step ko_xchg_skip_step(ko_http_xchg *x, ko_err *err)
{
    while (frame(x) == KO_HTTP1_DATA) {
        size_t n = x->in_end - x->in_at;
        ko_step step;

        if (n == 0) {
            step = ko_xchg_fill(x, err);
            if (step != KO_STEP_GO)
                return step;
            continue;
        }
        if (n > x->body.left)
            n = (size_t)x->body.left;
        x->in_at += n;
        ko_http1_body_took(&x->body, n);
    }
    return KO_STEP_GO;
}

/* ---- The end ---- */

void ko_xchg_end(ko_http_xchg *x, const ko_err *err)
{
    const ko_http_handler *handler = &x->link->lane->server->handler;
    ko_err ended;

    x->ended = true;
    if (!x->begun)
        return;
    if (x->read_fn) {
        (void)ko_err_set(&ended, KO_E_IO, "the exchange has ended");
        answer_read(x, err ? err : &ended);
    }
    handler->on_end(handler->ctx, x, err);
    x->begun = false;
}

/* ---- What handlers ask ---- */

const ko_http_head *ko_http_request(const ko_http_xchg *x)
{
    return &x->parser.head;
}

ko_arena *ko_http_arena(ko_http_xchg *x)
{
    return x->arena;
}

ko_loop *ko_http_loop(ko_http_xchg *x)
{
    return x->link->lane->loop;
}

const char *ko_http_peer(const ko_http_xchg *x)
{
    return x->link->peer;
}

bool ko_http_is_tls(const ko_http_xchg *x)
{
    return x->link->tls != NULL;
}

void ko_http_set_user(ko_http_xchg *x, void *user)
{
    x->user = user;
}

void *ko_http_user(const ko_http_xchg *x)
{
    return x->user;
}

void ko_http_close_after(ko_http_xchg *x)
{
    x->close = true;
}
