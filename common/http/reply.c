/* common/http/reply.c: the reply's head, and where the bytes behind it come from.
 *
 * A reply is one logical stream: the head (and a small body) in `out`, then the parts. `out_at`,
 * `index` and `at` say how far it has gone; everything else is found again from there. That is what
 * makes a slow reader cheap: when TLS could not send a record, no bytes are kept. The next attempt
 * reads the same stretch of the file again into the loop's one shared buffer. OpenSSL allows that
 * (SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER: same bytes, at least conn->pending of them, elsewhere in
 * memory), and what a registry serves never changes under its digest.
 *
 * Small pieces are gathered in the shared buffer, so that head and body of a small reply leave in
 * one record and one system call. Long stretches of memory are sent from where they are. Files go
 * by sendfile(2), without TLS or with TLS in the kernel; else through the shared buffer in steps
 * of 64 KiB: larger ones (128 and 256 KiB were tried) read more in vain when the socket fills, and
 * leave less of the processor's cache to the cipher.
 *
 * The loop never waits for a disk: files are read with RWF_NOWAIT, and what is not in the page
 * cache is read by a pool thread into a buffer of its own (`cold`), freed once sent. Parts with a
 * reader function always go that way. */
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/limits.h"
#include "common/http/server_priv.h"

#define ONE_RECORD    ((size_t)16 * 1024) /* up to here, head and body are sent together */
#define OUT_MAX       ((size_t)KO_MIB)    /* head: fields are our own and bounded one by one */
#define OUT_KEEP      ((size_t)32 * 1024) /* memory of `out` kept between exchanges */
#define SENDFILE_MIN  ((size_t)32 * 1024) /* shorter stretches are gathered */
#define SENDFILE_STEP ((size_t)KO_MIB)
#define FAST_BYTES    (4 * KO_MIB) /* a reader that takes so many ... */
#define FAST_MS       200          /* ... within this time may have more in the kernel */

struct ko_cold {
    ko_work work;
    ko_link *link;
    const ko_http_part *part;
    uint64_t from; /* bytes[] holds [from, from + len) of the part */
    size_t len;
    int rc;
    ko_err err;
    char bytes[];
};

/* ---- Life ---- */

void ko_reply_init(ko_reply *reply)
{
    *reply = (ko_reply){.status = 0};
    ko_buf_init(&reply->out, OUT_MAX);
}

void ko_reply_reset(ko_reply *reply)
{
    ko_buf out = reply->out;

    KO_ASSERT(!reply->cold_busy);
    free(reply->cold);
    if (out.cap > OUT_KEEP)
        ko_buf_done(&out);
    ko_buf_reset(&out);
    *reply = (ko_reply){.out = out};
}

void ko_reply_done(ko_reply *reply)
{
    ko_reply_reset(reply);
    ko_buf_done(&reply->out);
}

/* ---- The head ---- */

static void put_field(ko_buf *out, ko_str name, ko_str value)
{
    (void)ko_buf_put_str(out, name);
    (void)ko_buf_put(out, ": ", 2);
    (void)ko_buf_put_str(out, value);
    (void)ko_buf_put(out, "\r\n", 2);
}

static void put_number(ko_buf *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    (void)ko_buf_put(out, digits + at, sizeof(digits) - at);
}

static bool announces_length(const ko_reply *reply, const ko_headers *headers, uint64_t length)
{
    ko_str given;

    /* RFC 9110 section 8.6: never in 204; in 304 only what a 200 would have had. */
    if (reply->status == 204 || (reply->status == 304 && length == 0))
        return false;
    return !headers || !ko_headers_get(headers, "Content-Length", &given);
}

static void put_head(ko_http_xchg *x, const ko_headers *headers, uint64_t length)
{
    ko_buf *out = &x->reply.out;

    (void)ko_buf_put(out, "HTTP/1.1 ", 9);
    put_number(out, (uint64_t)x->reply.status);
    (void)ko_buf_put_char(out, ' ');
    (void)ko_buf_put_text(out, ko_http1_reason(x->reply.status));
    (void)ko_buf_put(out, "\r\nDate: ", 8);
    (void)ko_buf_put_text(out, ko_lane_date(x->link->lane));
    (void)ko_buf_put(out, "\r\n", 2);
    for (size_t i = 0; headers && i < headers->count; i++)
        put_field(out, headers->items[i].name, headers->items[i].value);
    if (announces_length(&x->reply, headers, length)) {
        (void)ko_buf_put(out, "Content-Length: ", 16);
        put_number(out, length);
        (void)ko_buf_put(out, "\r\n", 2);
    }
    if (x->close)
        put_field(out, KO_STR("Connection"), KO_STR("close"));
    else if (x->parser.head.version_minor == 0)
        put_field(out, KO_STR("Connection"), KO_STR("keep-alive"));
    (void)ko_buf_put(out, "\r\n", 2);
    KO_ASSERT(!out->overflow);
    x->reply.head_len = out->len;
}

/* False when the exchange is past answering. */
static bool begin(ko_http_xchg *x, int status, const ko_headers *headers, uint64_t length)
{
    ko_reply *reply = &x->reply;

    if (x->ended || x->link->state == KO_LINK_DYING)
        return false;
    KO_ASSERT(!reply->begun && status >= 200 && status <= 599);
    reply->begun = true;
    reply->begun_ms = ko_loop_now_ms(x->link->lane->loop);
    reply->status = status;
    reply->bodyless = x->is_head || status == 204 || status == 304;
    if (x->link->lane->draining || !ko_xchg_can_skip(x))
        x->close = true;
    put_head(x, headers, length);
    ko_link_kick(x->link);
    return true;
}

void ko_http_reply(ko_http_xchg *x, int status, const ko_headers *headers, ko_str body)
{
    ko_reply *reply = &x->reply;

    if (!begin(x, status, headers, body.len) || reply->bodyless || body.len == 0)
        return;
    if (reply->out.len + body.len <= ONE_RECORD) {
        (void)ko_buf_put_str(&reply->out, body); /* cannot pass OUT_MAX */
        return;
    }
    reply->own = (ko_http_part){.kind = KO_PART_BYTES, .bytes = ko_arena_str(x->arena, body)};
    reply->parts = &reply->own;
    reply->count = 1;
}

static uint64_t part_length(const ko_http_part *part)
{
    return part->kind == KO_PART_BYTES ? part->bytes.len : part->length;
}

void ko_http_reply_parts(ko_http_xchg *x, int status, const ko_headers *headers,
                         const ko_http_part *parts, size_t count)
{
    uint64_t length = 0;

    for (size_t i = 0; i < count; i++)
        length += part_length(&parts[i]);
    if (!begin(x, status, headers, length) || x->reply.bodyless)
        return;
    x->reply.parts = parts;
    x->reply.count = count;
}

void ko_reply_refuse(ko_http_xchg *x, int status, const char *why)
{
    const ko_http_handler *handler = &x->link->lane->server->handler;
    const char *type = "text/plain; charset=utf-8";
    ko_headers headers;
    ko_autobuf body;

    ko_buf_init(&body, 4096);
    ko_headers_init(&headers, x->arena);
    if (handler->on_bad_request)
        handler->on_bad_request(handler->ctx, status, why, &body, &type);
    else
        (void)ko_buf_printf(&body, "%s\n", why);
    ko_headers_add(&headers, "Content-Type", ko_str_of(type));
    x->close = true;
    ko_http_reply(x, status, &headers, ko_buf_str(&body));
}

void ko_http_account(const ko_http_xchg *x, int *status, uint64_t *received, uint64_t *sent)
{
    const ko_reply *reply = &x->reply;

    *status = reply->status;
    *received = x->received;
    *sent = reply->sent > reply->head_len ? reply->sent - reply->head_len : 0;
}

/* ---- Cold parts ---- */

static void run_cold(ko_work *work)
{
    ko_cold *cold = KO_CONTAINER(work, ko_cold, work);
    const ko_http_part *part = cold->part;
    size_t got;

    if (part->kind == KO_PART_READER) {
        cold->rc =
            part->read(part->arg, cold->bytes, cold->len, part->offset + cold->from, &cold->err);
        return;
    }
    cold->rc = ko_fd_pread_full(part->fd, cold->bytes, cold->len, part->offset + cold->from, &got,
                                &cold->err);
    if (cold->rc == 0 && got < cold->len)
        cold->rc = ko_err_set(&cold->err, KO_E_IO, "file is shorter than announced");
}

static void cold_done(ko_work *work)
{
    ko_cold *cold = KO_CONTAINER(work, ko_cold, work);

    /* The exchange is still there: it does not end while a thread reads for it. */
    cold->link->x->reply.cold_busy = false;
    ko_link_cold_done(cold->link);
}

/* Has bytes of `part` from `from` on read by the pool. */
static ko_step fetch_cold(ko_http_xchg *x, const ko_http_part *part, uint64_t from)
{
    ko_reply *reply = &x->reply;
    uint64_t left = part_length(part) - from;
    size_t len = left < KO_HTTP_COLD_CHUNK ? (size_t)left : (size_t)KO_HTTP_COLD_CHUNK;

    free(reply->cold);
    reply->cold = ko_xmalloc(sizeof(*reply->cold) + len);
    *reply->cold = (ko_cold){.work = {.run = run_cold, .done = cold_done},
                             .link = x->link,
                             .part = part,
                             .from = from,
                             .len = len};
    if (ko_pool_submit(x->link->lane->server->opts.pool, x->link->lane->loop, &reply->cold->work,
                       NULL) == 0) {
        reply->cold_busy = true;
    } else {
        free(reply->cold);
        reply->cold = NULL;
        reply->starved = true;
    }
    ko_conn_want(&x->link->conn, KO_IO_NONE);
    return KO_STEP_WAIT;
}

/* What the pool has read of `part` from `at` on. */
static ko_str cold_bytes(const ko_reply *reply, const ko_http_part *part, uint64_t at)
{
    const ko_cold *cold = reply->cold;

    if (!cold || cold->part != part || at < cold->from || at >= cold->from + cold->len)
        return (ko_str){0};
    return (ko_str){cold->bytes + (at - cold->from), (size_t)(cold->from + cold->len - at)};
}

/* ---- Sources ---- */

/* A place in the reply's parts. */
typedef struct {
    size_t index;
    uint64_t at;
} place;

static bool is_tmpfs(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* Reads what is in memory: the number of bytes, 0 when the disk would be needed, or -1. */
static ssize_t read_now(int fd, void *into, size_t len, uint64_t offset, ko_err *err)
{
    struct iovec iov = {.iov_base = into, .iov_len = len};
    ssize_t n = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);

    /* tmpfs does not know the flag, and does not need it. */
    if (n < 0 && errno == EOPNOTSUPP && is_tmpfs(fd))
        n = pread(fd, into, len, (off_t)offset);
    if (n > 0)
        return n;
    if (n == 0)
        return ko_err_set(err, KO_E_IO, "file is shorter than announced");
    if (errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR)
        return 0;
    return ko_err_sys(err, "read file");
}

/* Copies up to `cap` bytes of `part` from `at` on; as read_now(). */
static ssize_t copy_part(const ko_reply *reply, const ko_http_part *part, uint64_t at, char *into,
                         size_t cap, ko_err *err)
{
    uint64_t left = part_length(part) - at;
    ko_str from = cold_bytes(reply, part, at);

    if (part->kind == KO_PART_BYTES)
        from = ko_str_slice(part->bytes, (size_t)at, SIZE_MAX);
    if (cap > left)
        cap = (size_t)left;
    if (from.len == 0)
        return part->kind == KO_PART_FILE ? read_now(part->fd, into, cap, part->offset + at, err)
                                          : 0;
    if (cap > from.len)
        cap = from.len;
    memcpy(into, from.ptr, cap);
    return (ssize_t)cap;
}

/* Gathers the next bytes of the reply in the lane's buffer, as many as are at hand. *stop is where
 * it ended. */
static ssize_t gather(ko_http_xchg *x, char *buf, size_t cap, place *stop, ko_err *err)
{
    const ko_reply *reply = &x->reply;
    size_t n = reply->out.len - reply->out_at;

    if (n > cap)
        n = cap;
    memcpy(buf, reply->out.data + reply->out_at, n);
    *stop = (place){reply->index, reply->at};
    while (n < cap && stop->index < reply->count) {
        const ko_http_part *part = &reply->parts[stop->index];
        ssize_t more;

        if (stop->at == part_length(part)) {
            *stop = (place){stop->index + 1, 0};
            continue;
        }
        more = copy_part(reply, part, stop->at, buf + n, cap - n, err);
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        n += (size_t)more;
        stop->at += (uint64_t)more;
    }
    return (ssize_t)n;
}

/* The next bytes, where they lie in memory already; empty when they do not. */
static ko_str in_place(const ko_reply *reply)
{
    const ko_http_part *part = reply->index < reply->count ? &reply->parts[reply->index] : NULL;

    if (reply->out_at < reply->out.len)
        return ko_str_slice(ko_buf_str(&reply->out), reply->out_at, SIZE_MAX);
    if (part && part->kind == KO_PART_BYTES)
        return ko_str_slice(part->bytes, (size_t)reply->at, SIZE_MAX);
    return part ? cold_bytes(reply, part, reply->at) : (ko_str){0};
}

/* Can this part go from file to socket inside the kernel, from `at` on? */
static bool suits_sendfile(const ko_http_xchg *x, const ko_http_part *part, uint64_t at)
{
    return part->kind == KO_PART_FILE && part->length - at >= SENDFILE_MIN &&
           x->link->conn.pending == 0 && ko_conn_has_sendfile(&x->link->conn) &&
           cold_bytes(&x->reply, part, at).len == 0;
}

/* Is what remains of `out` all that comes before a part for sendfile()? */
static bool precedes_sendfile(const ko_http_xchg *x)
{
    const ko_reply *reply = &x->reply;

    return reply->out_at < reply->out.len && reply->index < reply->count &&
           suits_sendfile(x, &reply->parts[reply->index], reply->at);
}

/* Finds bytes to send. GO: *out is not empty. */
static ko_step find_bytes(ko_http_xchg *x, ko_str *out, ko_err *err)
{
    ko_reply *reply = &x->reply;
    size_t pending = x->link->conn.pending;
    ko_str here = in_place(reply);
    char *buf;
    ssize_t n;
    place stop;

    if (here.len > 0 && here.len >= pending &&
        (here.len >= ONE_RECORD || reply->count == 0 || precedes_sendfile(x))) {
        *out = here;
        return KO_STEP_GO;
    }
    buf = (char *)ko_lane_send_buf(x->link->lane);
    n = gather(x, buf, KO_HTTP_SEND_CHUNK, &stop, err);
    if (n < 0)
        return KO_STEP_LOST;
    if (n == 0 || (size_t)n < pending)
        return fetch_cold(x, &reply->parts[stop.index], stop.at);
    *out = (ko_str){buf, (size_t)n};
    return KO_STEP_GO;
}

/* ---- Sending ---- */

static void skip_finished(ko_reply *reply)
{
    while (reply->index < reply->count && reply->at == part_length(&reply->parts[reply->index])) {
        reply->index++;
        reply->at = 0;
    }
}

static void advance(ko_http_xchg *x, size_t sent)
{
    ko_reply *reply = &x->reply;
    size_t left = sent;

    ko_link_moved(x->link, sent, &x->link->lane->bytes_out);
    reply->sent += sent;
    if (reply->sent >= FAST_BYTES && reply->sent - sent < FAST_BYTES &&
        ko_loop_now_ms(x->link->lane->loop) - reply->begun_ms < FAST_MS)
        ko_conn_hold_more(&x->link->conn);
    if (reply->out_at < reply->out.len) {
        size_t n = reply->out.len - reply->out_at;

        n = n < left ? n : left;
        reply->out_at += n;
        left -= n;
    }
    for (skip_finished(reply); left > 0; skip_finished(reply)) {
        uint64_t n = part_length(&reply->parts[reply->index]) - reply->at;

        n = n < left ? n : left;
        reply->at += n;
        left -= (size_t)n;
    }
    if (reply->cold && (reply->index == reply->count ||
                        cold_bytes(reply, &reply->parts[reply->index], reply->at).len == 0)) {
        free(reply->cold);
        reply->cold = NULL;
    }
}

static bool is_complete(const ko_reply *reply)
{
    return reply->out_at == reply->out.len && reply->index == reply->count;
}

static ko_step sent_or_wait(ko_http_xchg *x, ko_conn_result result, size_t sent)
{
    if (result == KO_CONN_OK) {
        advance(x, sent);
        return KO_STEP_GO;
    }
    if (result != KO_CONN_AGAIN)
        return KO_STEP_LOST;
    ko_conn_want(&x->link->conn, KO_IO_WRITE);
    return KO_STEP_WAIT;
}

static ko_step send_bytes(ko_http_xchg *x, ko_err *err)
{
    ko_str bytes;
    ko_step step = find_bytes(x, &bytes, err);

    while (step == KO_STEP_GO && bytes.len > 0) {
        size_t sent = 0;
        ko_conn_result result =
            ko_conn_write(&x->link->conn, bytes.ptr, bytes.len, precedes_sendfile(x), &sent, err);

        step = sent_or_wait(x, result, sent);
        bytes = ko_str_slice(bytes, sent, SIZE_MAX);
    }
    return step;
}

/* Is this byte of the file in memory? An error is found again by whoever reads it. */
static bool is_warm(const ko_http_part *part, uint64_t at)
{
    char byte;

    return read_now(part->fd, &byte, 1, part->offset + at, NULL) != 0;
}

static bool wants_sendfile(const ko_http_xchg *x)
{
    const ko_reply *reply = &x->reply;

    return reply->out_at == reply->out.len && reply->index < reply->count &&
           suits_sendfile(x, &reply->parts[reply->index], reply->at);
}

static ko_step send_file(ko_http_xchg *x, ko_err *err)
{
    const ko_http_part *part = &x->reply.parts[x->reply.index];
    uint64_t at = x->reply.at;
    uint64_t left = part->length - at;
    size_t len = left < SENDFILE_STEP ? (size_t)left : SENDFILE_STEP;
    size_t sent = 0;
    ko_conn_result result;

    /* sendfile(2) would wait for the disk. Its two ends stand for the stretch: a page evicted from
     * the middle costs one read, no more. */
    if (at >= x->reply.warm_to || x->reply.warm_index != x->reply.index) {
        if (!is_warm(part, at) || !is_warm(part, at + len - 1))
            return fetch_cold(x, part, at);
        x->reply.warm_index = x->reply.index;
        x->reply.warm_to = at + len;
    }
    if (len > x->reply.warm_to - at)
        len = (size_t)(x->reply.warm_to - at);
    result = ko_conn_sendfile(&x->link->conn, part->fd, part->offset + at, len, &sent, err);
    return sent_or_wait(x, result, sent);
}

ko_step ko_reply_step(ko_http_xchg *x, ko_err *err)
{
    ko_reply *reply = &x->reply;
    ko_step step = KO_STEP_GO;

    if (reply->cold_busy || reply->starved)
        return KO_STEP_WAIT;
    if (reply->cold && reply->cold->rc < 0) {
        *err = reply->cold->err;
        return KO_STEP_LOST;
    }
    skip_finished(reply);
    while (step == KO_STEP_GO && !is_complete(reply)) {
        if (x->link->budget < 0)
            return KO_STEP_YIELD;
        step = wants_sendfile(x) ? send_file(x, err) : send_bytes(x, err);
    }
    return step;
}
