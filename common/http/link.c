/* common/http/link.c: one connection of the server and the driver that moves it.
 *
 * drive() runs the step of the link's state again and again until a step has to wait. It is the
 * only place that does I/O on a link, and it is never entered twice: a handler called by a step may
 * ask for more of the body or reply, which notes the wish and returns; the loop in drive() sees it
 * next. So a handler's callbacks never nest, however fast bytes come in, and a hundred pipelined
 * requests need no deeper stack than one. Called from elsewhere (a finished work item), the same
 * functions post the link to its loop.
 *
 * A step that could go on for ever, a large file to a fast reader or an endless pipeline, is
 * stopped by the budget of the turn, so that one connection cannot starve its neighbours.
 *
 * A link that is closed while the driver is on the stack, or while its post is on its way, is
 * GONE and freed by whoever comes last. When a pool thread still reads for its exchange it is
 * DYING: the socket is closed at once, but the handler, who owns what is being read, hears of the
 * end only when the thread is done with it. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/limits.h"
#include "common/http/server_priv.h"

#define TURN_BUDGET   ((int64_t)(2 * KO_MIB)) /* bytes per link and turn of the loop */
#define EXCHANGE_COST 4096                    /* what an exchange counts in the budget at least */
#define LINGER_MS     2000
#define LINGER_BYTES  ((size_t)64 * 1024) /* at once, and then per tick */

#define WRONG_PORT(text)                                                                           \
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: "          \
    "close\r\n\r\n" text "\n"

static void drive(ko_link *link);

static uint64_t now_of(const ko_link *link)
{
    return ko_loop_now_ms(link->lane->loop);
}

static void set_deadline(ko_link *link, uint64_t after_ms)
{
    link->deadline_ms = now_of(link) + after_ms;
}

static const ko_http_server_opts *opts_of(const ko_link *link)
{
    return &link->lane->server->opts;
}

/* ---- Life ---- */

static void on_ready(void *arg)
{
    drive(arg);
}

static void on_post(void *arg)
{
    ko_link *link = arg;

    link->posted = false;
    if (link->state == KO_LINK_GONE)
        free(link);
    else
        drive(link);
}

static void print_peer(const struct sockaddr *addr, char *out, socklen_t size)
{
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)addr;

        (void)inet_ntop(AF_INET, &v4->sin_addr, out, size);
    } else if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr); /* RFC 4291 section 2.5.5.2 */

        (void)inet_ntop(mapped ? AF_INET : AF_INET6, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), out,
                        size);
    } else {
        (void)snprintf(out, size, "local");
    }
}

void ko_link_open(ko_lane *lane, int fd, ko_tls *tls, const struct sockaddr *addr)
{
    ko_link *link = ko_new(ko_link);

    link->lane = lane;
    link->tls = tls;
    link->state = tls ? KO_LINK_SNIFF : KO_LINK_IDLE;
    link->post = (ko_post){.fn = on_post, .arg = link};
    print_peer(addr, link->peer, sizeof(link->peer));
    ko_conn_init(&link->conn, lane->loop, fd, on_ready, link);
    ko_lane_add(lane, link);
    set_deadline(link, opts_of(link)->head_timeout_ms);
    ko_conn_want(&link->conn, KO_IO_READ);
}

static void gone(ko_link *link)
{
    link->state = KO_LINK_GONE;
    ko_lane_remove(link->lane, link);
}

static void drop_exchange(ko_link *link)
{
    if (link->x)
        ko_xchg_put(link->x);
    link->x = NULL;
}

static void close_link(ko_link *link, bool polite)
{
    drop_exchange(link);
    ko_conn_close(&link->conn, polite);
    gone(link);
}

/* The connection is of no use any more. */
static void lose(ko_link *link, const ko_err *err)
{
    ko_http_xchg *x = link->x;

    ko_conn_close(&link->conn, false);
    if (x && x->reply.cold_busy) {
        x->lost = *err;
        link->state = KO_LINK_DYING;
        link->deadline_ms = 0;
        return;
    }
    if (x)
        ko_xchg_end(x, err);
    drop_exchange(link);
    gone(link);
}

/* Leaves the driver, or what stands in for it: nobody may touch the link afterwards. */
static void leave(ko_link *link)
{
    link->driving = false;
    if (link->state == KO_LINK_GONE && !link->posted)
        free(link);
}

void ko_link_kill(ko_link *link, const ko_err *err)
{
    if (link->state == KO_LINK_DYING)
        return;
    link->driving = true;
    lose(link, err);
    leave(link);
}

void ko_link_cold_done(ko_link *link)
{
    if (link->state != KO_LINK_DYING) {
        drive(link);
        return;
    }
    link->driving = true;
    ko_xchg_end(link->x, &link->x->lost);
    drop_exchange(link);
    gone(link);
    leave(link);
}

void ko_link_kick(ko_link *link)
{
    if (link->driving) {
        link->again = true;
    } else if (!link->posted) {
        link->posted = true;
        ko_loop_post(link->lane->loop, &link->post);
    }
}

void ko_link_moved(ko_link *link, size_t bytes, atomic_uint_fast64_t *counter)
{
    ko_lane_count(counter, bytes);
    link->budget -= (int64_t)bytes;
    if (link->state != KO_LINK_BUSY)
        return;
    link->rate_bytes += bytes;
    set_deadline(link, opts_of(link)->stall_timeout_ms);
}

/* ---- Ends of an exchange ---- */

static ko_step start_linger(ko_link *link)
{
    drop_exchange(link);
    ko_conn_shut(&link->conn);
    link->state = KO_LINK_LINGER;
    link->linger_left = LINGER_BYTES;
    set_deadline(link, LINGER_MS);
    return KO_STEP_GO;
}

/* The exchange is over and the connection stays. */
static ko_step next_request(ko_link *link)
{
    ko_http_xchg *x = link->x;

    ko_xchg_next(x);
    ko_conn_bulk(&link->conn, false);
    link->budget -= EXCHANGE_COST;
    set_deadline(link, opts_of(link)->idle_timeout_ms);
    if (x->in_at < x->in_end) {
        set_deadline(link, opts_of(link)->head_timeout_ms);
        link->state = KO_LINK_HEAD;
        return KO_STEP_GO;
    }
    if (ko_conn_has_pending(&link->conn) || link->lane->draining) {
        link->state = KO_LINK_HEAD; /* looks once more */
        return KO_STEP_GO;
    }
    drop_exchange(link);
    link->state = KO_LINK_IDLE;
    ko_conn_want(&link->conn, KO_IO_READ);
    return KO_STEP_WAIT;
}

/* The reply is out. */
static ko_step finish_exchange(ko_link *link)
{
    ko_http_xchg *x = link->x;
    bool unread = !x->body_end || x->in_at < x->in_end;

    ko_xchg_end(x, NULL);
    if (!x->close && x->body_end)
        return next_request(link);
    if (!x->close) { /* ko_reply_begin() found that the rest is short */
        link->state = KO_LINK_SKIP;
        return KO_STEP_GO;
    }
    /* Closing a socket with unread bytes resets the connection, and the reset may reach the client
     * before it has read the reply (RFC 9112 section 9.6). */
    if (unread)
        return start_linger(link);
    close_link(link, true);
    return KO_STEP_WAIT;
}

/* ---- Steps ---- */

/* A client that speaks the wrong protocol for this port gets a reply that its HTTP or TLS library
 * can name: Go's says "server gave HTTP response to HTTPS client", and docker acts on that. */
static ko_step refuse_protocol(ko_link *link, const char *text)
{
    ko_err err;
    size_t sent;

    /* Best effort: the send buffer of a new connection is empty. */
    if (ko_conn_write(&link->conn, text, strlen(text), false, &sent, &err) == KO_CONN_OK)
        ko_lane_count(&link->lane->bytes_out, sent);
    return start_linger(link);
}

static ko_step step_sniff(ko_link *link, ko_err *err)
{
    bool is_tls;

    switch (ko_conn_sniff(&link->conn, &is_tls, err)) {
    case KO_CONN_OK:
        break;
    case KO_CONN_AGAIN:
        if (link->lane->draining)
            close_link(link, false);
        else
            ko_conn_want(&link->conn, KO_IO_READ);
        return KO_STEP_WAIT;
    case KO_CONN_EOF:
    case KO_CONN_LOST:
        return KO_STEP_LOST;
    }
    if (!is_tls)
        return refuse_protocol(
            link, WRONG_PORT("This port speaks HTTPS, but the request was plain HTTP."));
    if (ko_conn_start_tls(&link->conn, link->tls, err) < 0)
        return KO_STEP_LOST;
    link->state = KO_LINK_HANDSHAKE;
    return KO_STEP_GO;
}

static ko_step step_handshake(ko_link *link, ko_err *err)
{
    ko_lane *lane = link->lane;

    switch (ko_conn_handshake(&link->conn, err)) {
    case KO_CONN_OK:
        break;
    case KO_CONN_AGAIN:
        ko_conn_want(&link->conn, KO_IO_READ);
        return KO_STEP_WAIT;
    case KO_CONN_EOF:
    case KO_CONN_LOST:
        return KO_STEP_LOST;
    }
    ko_lane_count(&lane->handshakes, 1);
    if (ko_conn_resumed(&link->conn))
        ko_lane_count(&lane->resumed, 1);
    if (link->conn.ktls)
        atomic_store_explicit(&lane->server->ktls, true, memory_order_relaxed);
    link->state = KO_LINK_IDLE; /* the first request often came along */
    return KO_STEP_GO;
}

static ko_step step_idle(ko_link *link)
{
    link->x = ko_xchg_take(link);
    link->state = KO_LINK_HEAD;
    return KO_STEP_GO;
}

/* Nothing of a request is there. */
static ko_step go_idle(ko_link *link)
{
    if (link->lane->draining) {
        close_link(link, true);
        return KO_STEP_WAIT;
    }
    drop_exchange(link);
    link->state = KO_LINK_IDLE;
    return KO_STEP_WAIT;
}

static ko_step begin_exchange(ko_link *link)
{
    link->state = KO_LINK_BUSY;
    link->deadline_ms = 0;
    link->rate_since_ms = link->rate_waited_ms = link->rate_bytes = 0;
    return KO_STEP_GO;
}

static ko_step step_head(ko_link *link, ko_err *err)
{
    ko_http_xchg *x = link->x;
    bool empty = x->in_at == x->in_end;
    ko_step step;

    if (!empty && !link->conn.ssl && x->in[x->in_at] == 0x16)
        return refuse_protocol(
            link, WRONG_PORT("This port speaks plain HTTP, but the request was HTTPS."));
    switch (ko_xchg_parse(x)) {
    case KO_HTTP1_DONE:
        step = begin_exchange(link);
        ko_xchg_begin(x);
        return step;
    case KO_HTTP1_BAD:
        step = begin_exchange(link);
        ko_reply_refuse(x, x->parser.bad.status, x->parser.bad.why);
        return step;
    case KO_HTTP1_MORE:
    case KO_HTTP1_DATA:
        break;
    }
    step = ko_xchg_fill(x, err);
    if (step == KO_STEP_GO && empty)
        set_deadline(link, opts_of(link)->head_timeout_ms);
    return step == KO_STEP_WAIT && empty ? go_idle(link) : step;
}

/* Time counts against the peer only while we wait for it. */
static void note_wait(ko_link *link)
{
    uint64_t now_ms = now_of(link);

    if (link->conn.wants == KO_IO_NONE) {
        if (link->rate_since_ms)
            link->rate_waited_ms += now_ms - link->rate_since_ms;
        link->rate_since_ms = 0;
        link->deadline_ms = 0;
        return;
    }
    if (!link->rate_since_ms)
        link->rate_since_ms = now_ms;
    if (!link->deadline_ms)
        link->deadline_ms = now_ms + opts_of(link)->stall_timeout_ms;
}

static ko_step step_busy(ko_link *link, ko_err *err)
{
    ko_http_xchg *x = link->x;
    ko_step step;

    if (x->interim || (x->read_fn && !x->reply.begun)) {
        step = ko_xchg_read_step(x, err);
    } else if (x->reply.begun) {
        step = ko_reply_step(x, err);
        if (step == KO_STEP_GO)
            return finish_exchange(link);
    } else {
        ko_conn_want(&link->conn, KO_IO_NONE);
        step = KO_STEP_WAIT;
    }
    if (step == KO_STEP_WAIT)
        note_wait(link);
    return step;
}

static ko_step step_skip(ko_link *link, ko_err *err)
{
    ko_step step = ko_xchg_skip_step(link->x, err);

    return step == KO_STEP_GO ? next_request(link) : step;
}

static ko_step step_linger(ko_link *link)
{
    size_t got;

    while (link->linger_left > 0) {
        switch (ko_conn_discard(&link->conn, link->linger_left, &got)) {
        case KO_CONN_OK:
            link->linger_left -= got;
            break;
        case KO_CONN_AGAIN:
            ko_conn_want(&link->conn, KO_IO_READ);
            return KO_STEP_WAIT;
        case KO_CONN_EOF:
        case KO_CONN_LOST:
            close_link(link, false);
            return KO_STEP_WAIT;
        }
    }
    /* Enough for now: the client's send buffer fills and holds it back, which leaves it time to
     * read the reply. The next tick goes on. */
    ko_conn_want(&link->conn, KO_IO_NONE);
    return KO_STEP_WAIT;
}

static ko_step take_step(ko_link *link, ko_err *err)
{
    switch (link->state) {
    case KO_LINK_SNIFF:
        return step_sniff(link, err);
    case KO_LINK_HANDSHAKE:
        return step_handshake(link, err);
    case KO_LINK_IDLE:
        return step_idle(link);
    case KO_LINK_HEAD:
        return step_head(link, err);
    case KO_LINK_BUSY:
        return step_busy(link, err);
    case KO_LINK_SKIP:
        return step_skip(link, err);
    case KO_LINK_LINGER:
        return step_linger(link);
    case KO_LINK_DYING:
    case KO_LINK_GONE:
        break;
    }
    return KO_STEP_WAIT;
}

static void drive(ko_link *link)
{
    ko_err err;
    ko_step step;

    link->driving = true;
    link->budget = TURN_BUDGET;
    do {
        link->again = false;
        step = take_step(link, &err);
        if (step == KO_STEP_LOST)
            lose(link, &err);
        else if (step == KO_STEP_GO && link->budget < 0)
            step = KO_STEP_YIELD;
    } while (step == KO_STEP_GO || (step == KO_STEP_WAIT && link->again));
    link->driving = false;
    if (step == KO_STEP_YIELD)
        ko_link_kick(link);
    leave(link);
}

/* ---- Time ---- */

static void on_deadline(ko_link *link)
{
    ko_http_xchg *x = link->x;
    ko_err err;

    (void)ko_err_set(&err, KO_E_IO, "the client is too slow");
    if (link->state == KO_LINK_HEAD && x->in_at < x->in_end) {
        (void)begin_exchange(link);
        ko_reply_refuse(x, 408, "the request took too long");
        drive(link);
    } else if (link->state == KO_LINK_IDLE) {
        link->driving = true;
        close_link(link, true);
        leave(link);
    } else {
        ko_link_kill(link, &err);
    }
}

/* Has less than the minimum rate come through in the last window of waiting? */
static bool is_too_slow(ko_link *link, uint64_t now_ms)
{
    uint64_t window_ms = opts_of(link)->stall_timeout_ms;
    uint64_t wanted = opts_of(link)->min_rate_bytes_s * window_ms / 1000;
    uint64_t had = link->rate_bytes;

    if (link->state != KO_LINK_BUSY || !link->rate_since_ms ||
        link->rate_waited_ms + (now_ms - link->rate_since_ms) < window_ms)
        return false;
    link->rate_waited_ms = link->rate_bytes = 0;
    link->rate_since_ms = now_ms;
    return had < wanted;
}

void ko_link_tick(ko_link *link, uint64_t now_ms)
{
    if ((link->deadline_ms && now_ms >= link->deadline_ms) || is_too_slow(link, now_ms)) {
        on_deadline(link);
    } else if (link->state == KO_LINK_LINGER) {
        link->linger_left = LINGER_BYTES;
        drive(link);
    } else if (link->x && link->x->reply.starved) {
        link->x->reply.starved = false;
        drive(link);
    }
}

void ko_link_drain(ko_link *link)
{
    if (link->x)
        link->x->close = true;
    /* A request may just have arrived: idle links look once more before they close. */
    if (link->state == KO_LINK_IDLE || link->state == KO_LINK_SNIFF)
        drive(link);
}
