/* bench/wire.c: the blocking client. It trusts its servers not to be hostile, but checks what it
 * counts: a reply that ends early is an error. */
#include "bench/wire.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fd.h"

#define IO_BYTES    (256 * 1024)
#define CHUNK_BYTES (32 * 1024)
#define PACED_BYTES (16 * 1024) /* one step when a rate is given */
#define TIMEOUT_S   120
#define MAX_HEAD    (16 * 1024)

struct ko_wire_target {
    char host[256];
    char port[8];
    char path[1024];
    struct addrinfo *address;
    SSL_CTX *tls; /* NULL: plain */
};

struct ko_wire {
    const ko_wire_target *target;
    int fd;
    SSL *ssl;
    uint64_t rate_bytes_s;
    uint64_t paced_from_us;
    uint64_t paced_bytes;
    size_t pos, len; /* what is read and not yet used of `in` */
    bool close_after;
    char in[IO_BYTES];
    char out[IO_BYTES + 1024];
};

/* ---- Targets ---- */

static int split_url(const char *url, ko_wire_target *target, bool *tls, ko_err *err)
{
    char scheme[8];

    target->path[0] = '/';
    int n = sscanf(url, "%7[a-z]://%255[^:/]:%7[0-9]%1023s", scheme, target->host, target->port,
                   target->path);
    if (n < 3 || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return ko_err_set(err, KO_E_INVALID, "\"%s\": want http[s]://HOST:PORT[/PATH]", url);
    *tls = strcmp(scheme, "https") == 0;
    return 0;
}

static int make_tls(ko_wire_target *target, const char *ca_file, ko_err *err)
{
    target->tls = SSL_CTX_new(TLS_client_method());
    if (!target->tls)
        return ko_err_set(err, KO_E_UNAVAILABLE, "TLS context");
    /* One cipher for every server: their own preferences differ. */
    (void)SSL_CTX_set_ciphersuites(target->tls, "TLS_AES_128_GCM_SHA256");
    (void)SSL_CTX_set_options(target->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (!ca_file)
        return 0;
    if (SSL_CTX_load_verify_file(target->tls, ca_file) != 1)
        return ko_err_set(err, KO_E_INVALID, "%s: no certificates", ca_file);
    SSL_CTX_set_verify(target->tls, SSL_VERIFY_PEER, NULL);
    return 0;
}

int ko_wire_target_new(const char *url, const char *ca_file, ko_wire_target **out, ko_err *err)
{
    ko_autoptr(ko_wire_target) target = ko_new(ko_wire_target);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    bool tls = false;

    if (split_url(url, target, &tls, err) < 0)
        return -1;
    int rc = getaddrinfo(target->host, target->port, &hints, &target->address);
    if (rc != 0)
        return ko_err_set(err, KO_E_NOT_FOUND, "%s: %s", target->host, gai_strerror(rc));
    if (tls && make_tls(target, ca_file, err) < 0)
        return -1;
    *out = ko_steal(&target);
    return 0;
}

ko_wire_target *ko_wire_target_free(ko_wire_target *target)
{
    if (!target)
        return NULL;
    if (target->address)
        freeaddrinfo(target->address);
    SSL_CTX_free(target->tls);
    free(target);
    return NULL;
}

const char *ko_wire_path(const ko_wire_target *target)
{
    return target->path;
}

/* ---- The connection ---- */

ko_wire *ko_wire_new(const ko_wire_target *target, uint64_t rate_bytes_s)
{
    ko_wire *wire = ko_new(ko_wire);

    wire->target = target;
    wire->rate_bytes_s = rate_bytes_s;
    wire->fd = -1;
    return wire;
}

void ko_wire_close(ko_wire *wire)
{
    if (wire->ssl)
        (void)SSL_shutdown(wire->ssl);
    SSL_free(wire->ssl);
    wire->ssl = NULL;
    ko_fd_close(wire->fd);
    wire->fd = -1;
    wire->pos = wire->len = 0;
    ERR_clear_error();
}

ko_wire *ko_wire_free(ko_wire *wire)
{
    if (!wire)
        return NULL;
    ko_wire_close(wire);
    free(wire);
    return NULL;
}

static int tls_error(const char *what, ko_err *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    ERR_clear_error();
    return ko_err_set(err, KO_E_IO, "%s: %s", what, reason ? reason : "connection lost");
}

static int start_tls(ko_wire *wire, ko_err *err)
{
    wire->ssl = SSL_new(wire->target->tls);
    if (!wire->ssl || SSL_set_fd(wire->ssl, wire->fd) != 1)
        return tls_error("TLS session", err);
    X509_VERIFY_PARAM *param = SSL_get0_param(wire->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, wire->target->host) != 1 &&
        X509_VERIFY_PARAM_set1_host(param, wire->target->host, 0) != 1)
        return tls_error("TLS host name", err);
    ERR_clear_error();
    return SSL_connect(wire->ssl) == 1 ? 0 : tls_error("TLS handshake", err);
}

static int open_wire(ko_wire *wire, ko_err *err)
{
    const struct addrinfo *address = wire->target->address;
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int on = 1;

    wire->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        return ko_err_sys(err, "socket");
    (void)setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(wire->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(wire->fd, address->ai_addr, address->ai_addrlen) < 0)
        return ko_err_sys(err, "connect to %s:%s", wire->target->host, wire->target->port);
    return wire->target->tls ? start_tls(wire, err) : 0;
}

static int send_all(ko_wire *wire, const char *bytes, size_t len, ko_err *err)
{
    if (!wire->ssl)
        return ko_fd_write_all(wire->fd, bytes, len, err);
    while (len > 0) {
        int n = SSL_write(wire->ssl, bytes, len > IO_BYTES ? IO_BYTES : (int)len);

        if (n <= 0)
            return tls_error("write", err);
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* At least one byte, at most `cap`. The end of the stream is an error: every caller wants more. */
static int receive(ko_wire *wire, char *into, size_t cap, size_t *got, ko_err *err)
{
    if (wire->ssl) {
        int n = SSL_read(wire->ssl, into, (int)cap);

        if (n <= 0)
            return tls_error("read", err);
        *got = (size_t)n;
        return 0;
    }
    ssize_t n = read(wire->fd, into, cap);
    if (n < 0)
        return ko_err_sys(err, "read");
    if (n == 0)
        return ko_err_set(err, KO_E_IO, "read: connection closed");
    *got = (size_t)n;
    return 0;
}

/* ---- Pace ---- */

static size_t step_bytes(const ko_wire *wire)
{
    return wire->rate_bytes_s ? PACED_BYTES : IO_BYTES;
}

/* Sleeps until `bytes` more may have gone at the wanted rate. */
static void pace(ko_wire *wire, size_t bytes)
{
    if (wire->rate_bytes_s == 0)
        return;
    if (wire->paced_from_us == 0)
        wire->paced_from_us = ko_clock_mono_us();
    wire->paced_bytes += bytes;
    uint64_t due_us = wire->paced_from_us + wire->paced_bytes * 1000000 / wire->rate_bytes_s;
    uint64_t now_us = ko_clock_mono_us();
    if (due_us > now_us) {
        uint64_t wait_us = due_us - now_us;
        struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000),
                                .tv_nsec = (long)(wait_us % 1000000) * 1000};

        (void)nanosleep(&wait, NULL);
    }
}

/* ---- Sending ---- */

/* Bytes [offset, offset + len) of the body. */
static void fill_body(const ko_wire_body *body, uint64_t offset, char *into, size_t len)
{
    uint64_t tail_at = body->tail ? body->size - KO_WIRE_TAIL : body->size;

    KO_ASSERT(body->block);
    for (size_t done = 0; done < len;) {
        uint64_t at = offset + done;
        size_t n = len - done;
        const char *from;

        if (body->tail && at >= tail_at) {
            from = body->tail + (at - tail_at);
        } else {
            size_t in_block = (size_t)(at % body->block_len);

            from = body->block + in_block;
            n = n < body->block_len - in_block ? n : body->block_len - in_block;
            n = n < tail_at - at ? n : (size_t)(tail_at - at);
        }
        memcpy(into + done, from, n);
        done += n;
    }
}

static int send_plain_body(ko_wire *wire, const ko_wire_body *body, ko_err *err)
{
    for (uint64_t sent = 0; sent < body->size;) {
        uint64_t left = body->size - sent;
        size_t n = left < step_bytes(wire) ? (size_t)left : step_bytes(wire);

        fill_body(body, sent, wire->out, n);
        if (send_all(wire, wire->out, n, err) < 0)
            return -1;
        pace(wire, n);
        sent += n;
    }
    return 0;
}

/* Several chunks in one write: what is measured is the server's codec and not our system calls. */
static int send_chunked_body(ko_wire *wire, const ko_wire_body *body, ko_err *err)
{
    size_t fill = 0;

    for (uint64_t sent = 0; sent < body->size;) {
        uint64_t left = body->size - sent;
        size_t n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

        fill += (size_t)snprintf(wire->out + fill, 16, "%zx\r\n", n);
        fill_body(body, sent, wire->out + fill, n);
        fill += n;
        wire->out[fill++] = '\r';
        wire->out[fill++] = '\n';
        sent += n;
        if (sent == body->size || wire->rate_bytes_s || fill + CHUNK_BYTES + 64 > IO_BYTES) {
            if (send_all(wire, wire->out, fill, err) < 0)
                return -1;
            pace(wire, fill);
            fill = 0;
        }
    }
    return send_all(wire, "0\r\n\r\n", 5, err);
}

static int send_request(ko_wire *wire, const ko_wire_request *request, ko_err *err)
{
    const ko_wire_body *body = &request->body;
    ko_autobuf head;

    ko_buf_init(&head, 64 * 1024);
    (void)ko_buf_printf(&head, "%s %s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: kontor-load\r\n%s",
                        request->method, request->path, wire->target->host, wire->target->port,
                        request->headers);
    if (body->chunked)
        (void)ko_buf_put_text(&head, "Transfer-Encoding: chunked\r\n");
    else if (body->size > 0 || strcmp(request->method, "POST") == 0 ||
             strcmp(request->method, "PUT") == 0)
        (void)ko_buf_printf(&head, "Content-Length: %llu\r\n", (unsigned long long)body->size);
    (void)ko_buf_put_text(&head, "\r\n");
    bool small = !body->chunked && body->size <= 16 * 1024;
    if (small && body->size > 0) {
        fill_body(body, 0, wire->out, (size_t)body->size);
        (void)ko_buf_put(&head, wire->out, (size_t)body->size);
    }
    if (ko_buf_ok(&head, err) < 0 || send_all(wire, head.data, head.len, err) < 0)
        return -1;
    if (small)
        return 0;
    return body->chunked ? send_chunked_body(wire, body, err) : send_plain_body(wire, body, err);
}

/* ---- Receiving ---- */

static int refill(ko_wire *wire, ko_err *err)
{
    size_t got;

    if (wire->pos > 0) {
        memmove(wire->in, wire->in + wire->pos, wire->len - wire->pos);
        wire->len -= wire->pos;
        wire->pos = 0;
    }
    if (wire->len >= MAX_HEAD)
        return ko_err_set(err, KO_E_INVALID, "reply: line or head too long");
    if (receive(wire, wire->in + wire->len, IO_BYTES - wire->len, &got, err) < 0)
        return -1;
    wire->len += got;
    return 0;
}

/* The next bytes up to `end`, which is consumed too. The view lives until the next read. */
static int read_until(ko_wire *wire, ko_str end, ko_str *out, ko_err *err)
{
    for (;;) {
        ko_str have = {wire->in + wire->pos, wire->len - wire->pos};
        size_t at = ko_str_find(have, end);

        if (at != SIZE_MAX) {
            *out = ko_str_slice(have, 0, at);
            wire->pos += at + end.len;
            return 0;
        }
        if (refill(wire, err) < 0)
            return -1;
    }
}

/* Reads and forgets. */
static int skip_bytes(ko_wire *wire, uint64_t count, ko_err *err)
{
    uint64_t have = wire->len - wire->pos;
    size_t used = (size_t)(have < count ? have : count);
    uint64_t left = count - used;

    wire->pos += used;
    while (left > 0) {
        size_t cap = left < step_bytes(wire) ? (size_t)left : step_bytes(wire);
        size_t got = 0;

        wire->pos = wire->len = 0;
        if (receive(wire, wire->in, cap, &got, err) < 0)
            return ko_err_ctx(err, "%llu bytes missing", (unsigned long long)left);
        pace(wire, got);
        left -= got;
    }
    return 0;
}

static int skip_chunks(ko_wire *wire, uint64_t *total, ko_err *err)
{
    for (;;) {
        ko_str line;

        if (read_until(wire, KO_STR("\r\n"), &line, err) < 0)
            return -1;
        char size_text[20];
        (void)snprintf(size_text, sizeof(size_text), KO_STR_FMT, KO_STR_ARG(line));
        uint64_t size = strtoull(size_text, NULL, 16);
        if (skip_bytes(wire, size + 2, err) < 0)
            return -1;
        if (size == 0)
            return 0;
        *total += size;
    }
}

typedef struct {
    uint64_t length;
    bool has_length;
    bool chunked;
} framing;

/* Path and query of an absolute or relative Location. */
static void take_location(ko_str value, ko_wire_reply *reply)
{
    size_t scheme = ko_str_find(value, KO_STR("://"));

    if (scheme != SIZE_MAX) {
        ko_str rest = ko_str_slice(value, scheme + 3, value.len);
        size_t slash = ko_str_find_char(rest, '/');

        value = slash == SIZE_MAX ? KO_STR("/") : ko_str_slice(rest, slash, rest.len);
    }
    (void)snprintf(reply->location, sizeof(reply->location), KO_STR_FMT, KO_STR_ARG(value));
}

static int take_field(ko_wire *wire, ko_str line, framing *f, ko_wire_reply *reply, ko_err *err)
{
    size_t colon = ko_str_find_char(line, ':');

    if (colon == SIZE_MAX)
        return ko_err_set(err, KO_E_INVALID, "reply: bad header field");
    ko_str name = ko_str_slice(line, 0, colon);
    ko_str value = ko_str_trim(ko_str_slice(line, colon + 1, line.len));
    if (ko_str_eq_nocase(name, KO_STR("content-length"))) {
        f->has_length = true;
        return ko_parse_u64(value, UINT64_MAX, &f->length, err);
    }
    if (ko_str_eq_nocase(name, KO_STR("transfer-encoding")))
        f->chunked = ko_str_eq_nocase(value, KO_STR("chunked"));
    else if (ko_str_eq_nocase(name, KO_STR("connection")))
        wire->close_after = ko_str_eq_nocase(value, KO_STR("close"));
    else if (ko_str_eq_nocase(name, KO_STR("location")))
        take_location(value, reply);
    return 0;
}

static int read_head(ko_wire *wire, framing *f, ko_wire_reply *reply, ko_err *err)
{
    ko_str head, line;
    uint64_t status;

    if (read_until(wire, KO_STR("\r\n\r\n"), &head, err) < 0)
        return -1;
    if (!ko_str_split(&head, '\n', &line) || line.len < 12 ||
        ko_parse_u64(ko_str_slice(line, 9, 12), 999, &status, NULL) < 0)
        return ko_err_set(err, KO_E_INVALID, "reply: bad status line");
    reply->status = (int)status;
    while (ko_str_split(&head, '\n', &line)) {
        if (ko_str_has_suffix(line, KO_STR("\r")))
            line.len--;
        if (take_field(wire, line, f, reply, err) < 0)
            return -1;
    }
    return 0;
}

static int read_reply(ko_wire *wire, bool head_only, ko_wire_reply *reply, ko_err *err)
{
    framing f;

    do { /* interim replies come before the real one */
        f = (framing){0};
        if (read_head(wire, &f, reply, err) < 0)
            return -1;
    } while (reply->status / 100 == 1);
    if (head_only || reply->status == 204 || reply->status == 304)
        return 0;
    if (f.chunked)
        return skip_chunks(wire, &reply->length, err);
    if (!f.has_length)
        return ko_err_set(err, KO_E_INVALID, "reply: no length");
    reply->length = f.length;
    return skip_bytes(wire, f.length, err);
}

int ko_wire_call(ko_wire *wire, const ko_wire_request *request, ko_wire_reply *reply, ko_err *err)
{
    ko_wire_reply result = {0};

    wire->close_after = false;
    if ((wire->fd < 0 && open_wire(wire, err) < 0) || send_request(wire, request, err) < 0 ||
        read_reply(wire, strcmp(request->method, "HEAD") == 0, &result, err) < 0) {
        ko_wire_close(wire);
        return ko_err_ctx(err, "%s %.200s", request->method, request->path);
    }
    if (wire->close_after)
        ko_wire_close(wire);
    *reply = result;
    return 0;
}
