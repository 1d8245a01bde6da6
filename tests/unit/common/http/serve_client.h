/* A blocking client for tests of the HTTP server, plain or TLS as the server is. */
#ifndef KO_TEST_SERVE_CLIENT_H
#define KO_TEST_SERVE_CLIENT_H

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include "common/base/limits.h"
#include "tests/unit/common/http/serve_env.h"

typedef struct {
    int fd;
    SSL *ssl;
    ko_buf in; /* received and not yet used */
    bool eof;
} client;

typedef struct {
    int status;
    char *head; /* owned, with its empty line */
    char *body; /* owned */
    size_t len;
} reply;

static inline void client_close(client *c)
{
    if (c->ssl)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        (void)close(c->fd);
    ko_buf_done(&c->in);
    ERR_clear_error();
    *c = (client){.fd = -1};
}

static inline int client_socket(env *e, int rcvbuf)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 30};
    int on = 1;

    assert_true(fd >= 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (rcvbuf)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    assert_int_equal(connect(fd, (struct sockaddr *)&e->addr, sizeof(e->addr)), 0);
    return fd;
}

static inline client client_on(env *e, int fd)
{
    client c = {.fd = fd};

    ko_buf_init(&c.in, 256 * KO_MIB);
    if (e->opts.tls) {
        c.ssl = fixture_client(&(fixture_hello){.server_name = "localhost"}, c.fd);
        assert_int_equal(SSL_connect(c.ssl), 1);
    }
    return c;
}

static inline client client_open(env *e)
{
    return client_on(e, client_socket(e, 0));
}

/* False when the connection is broken. */
static inline bool client_send(client *c, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = len - at < 16384 ? len - at : 16384;
        ssize_t sent = c->ssl ? SSL_write(c->ssl, (const char *)bytes + at, (int)n)
                              : send(c->fd, (const char *)bytes + at, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

static inline void client_say(client *c, const char *text)
{
    assert_true(client_send(c, text, strlen(text)));
}

/* False at the end of the stream, or when it is broken. */
static inline bool client_more(client *c)
{
    char *room = ko_buf_reserve(&c->in, 65536);
    ssize_t n = c->ssl ? SSL_read(c->ssl, room, 65536) : recv(c->fd, room, 65536, 0);

    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            fail_msg("the server does not answer");
        c->eof = true;
        return false;
    }
    ko_buf_added(&c->in, (size_t)n);
    return true;
}

static inline void reply_free(reply *r)
{
    free(r->head);
    free(r->body);
    *r = (reply){0};
}

/* One reply; status 0 when the connection ends before it is complete. `bodyless`: to HEAD. */
static inline reply client_reply_to(client *c, bool bodyless)
{
    reply r = {0};
    char *end, *length;

    while (!(end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4)))
        if (!client_more(c))
            return r;
    r.head = strndup(c->in.data, (size_t)(end + 4 - c->in.data));
    ko_buf_consume(&c->in, (size_t)(end + 4 - c->in.data));
    r.status = (int)env_number(ko_str_slice(ko_str_of(r.head), 9, 12));
    length = strcasestr(r.head, "\r\nContent-Length: ");
    if (length && !bodyless && r.status != 304)
        r.len = (size_t)env_number((ko_str){length + 18, strcspn(length + 18, "\r")});
    while (c->in.len < r.len && client_more(c))
        ;
    if (c->in.len < r.len) {
        reply_free(&r);
        return r;
    }
    r.body = ko_xcalloc(1, r.len + 1);
    memcpy(r.body, c->in.data, r.len);
    ko_buf_consume(&c->in, r.len);
    return r;
}

static inline reply client_reply(client *c)
{
    return client_reply_to(c, false);
}

/* The next reply has this status and, unless NULL, this body. */
static inline void client_expect(client *c, int status, const char *body)
{
    reply r = client_reply(c);

    if (r.status != status || (body && strcmp(r.body, body) != 0))
        fail_msg("got %d '%.60s', want %d '%.60s'", r.status, r.body ? r.body : "", status,
                 body ? body : "");
    reply_free(&r);
}

/* The server closes without another byte. */
static inline void client_expect_end(client *c)
{
    if (c->in.len == 0 && client_more(c))
        fail_msg("unexpected: %.80s", c->in.data);
    assert_int_equal(c->in.len, 0);
}

static inline void client_get(client *c, const char *path)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path);
    client_say(c, text);
}

static inline void reply_is_data(const reply *r, size_t len)
{
    assert_int_equal(r->status, 200);
    assert_int_equal(r->len, len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)r->body[i] != env_byte(5 + i))
            fail_msg("byte %zu of %zu differs", i, len);
}

#endif
