/* common/http/conn.c: reading and writing a socket, with OpenSSL in between or not.
 *
 * OpenSSL works on the socket itself (no memory BIO, no bufferevent): that saves a copy and is what
 * kernel TLS needs. Reads ask for read-ahead, which takes header and body of a record in one
 * recv(2) instead of two; the price is that bytes may wait inside OpenSSL while the socket is
 * silent, so a caller that stops reading asks ko_conn_has_pending() before it goes to sleep.
 *
 * Either direction may need the other's readiness: a read that has to answer a key update wants to
 * write. So readiness is told in terms of what the caller waits for, and `read_needs` and
 * `write_needs` hold what the socket must become for it.
 *
 * A write that OpenSSL could not finish has been encrypted already and must be repeated. With
 * moving buffers and partial writes, `pending` bytes from the same position are enough, which lets
 * the server read them from the file again instead of keeping them. */
#include "common/http/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/base/limits.h"
#include "common/http/tls_priv.h"

#define RECORD      ((size_t)16 * 1024) /* plain bytes of a full TLS record, RFC 8446 section 5.1 */
#define BULK_BUFFER ((size_t)64 * 1024) /* OpenSSL's receive buffer while a body comes in */

/* ---- Readiness ---- */

static unsigned needs_of(const ko_conn *conn, unsigned wants)
{
    return (wants & KO_IO_READ ? conn->read_needs : 0U) |
           (wants & KO_IO_WRITE ? conn->write_needs : 0U);
}

static void on_ready(void *arg, unsigned ready)
{
    ko_conn *conn = arg;
    unsigned needs = needs_of(conn, conn->wants);

    if (ready & needs)
        conn->ready(conn->arg);
    else
        ko_watch_set(&conn->watch, needs);
}

void ko_conn_init(ko_conn *conn, ko_loop *loop, int fd, void (*ready)(void *arg), void *arg)
{
    *conn = (ko_conn){.fd = fd,
                      .loop = loop,
                      .ready = ready,
                      .arg = arg,
                      .read_needs = KO_IO_READ,
                      .write_needs = KO_IO_WRITE};
    ko_watch_init(&conn->watch, loop, fd, on_ready, conn);
}

void ko_conn_want(ko_conn *conn, unsigned wants)
{
    unsigned needs = needs_of(conn, wants);

    conn->wants = (uint8_t)wants;
    /* Reading stays armed until it fires in vain; writing would fire at once. */
    ko_watch_set(&conn->watch, needs | (conn->watch.armed & KO_IO_READ));
}

/* ---- Ends ---- */

static void drop_tls(ko_conn *conn, bool notify)
{
    if (!conn->ssl)
        return;
    ERR_clear_error();
    /* An unfinished record cannot be interrupted by an alert. */
    if (notify && conn->established && conn->pending == 0)
        (void)SSL_shutdown(conn->ssl); /* best effort: the peer knows HTTP's own end */
    SSL_free(conn->ssl);
    ERR_clear_error();
    conn->ssl = NULL;
    conn->established = false;
}

void ko_conn_close(ko_conn *conn, bool polite)
{
    drop_tls(conn, polite);
    ko_watch_done(&conn->watch);
    ko_fd_close(conn->fd);
    conn->fd = -1;
}

void ko_conn_shut(ko_conn *conn)
{
    drop_tls(conn, true);
    conn->read_needs = KO_IO_READ;
    (void)shutdown(conn->fd, SHUT_WR); /* fails only when the peer is gone: noticed by reading */
}

ko_conn_result ko_conn_discard(ko_conn *conn, size_t max, size_t *got)
{
    /* tcp(7): with MSG_TRUNC the bytes are discarded in the kernel. */
    ssize_t n = recv(conn->fd, NULL, max, MSG_TRUNC | MSG_DONTWAIT);

    if (n > 0) {
        *got = (size_t)n;
        return KO_CONN_OK;
    }
    if (n == 0)
        return KO_CONN_EOF;
    return errno == EAGAIN || errno == EINTR ? KO_CONN_AGAIN : KO_CONN_LOST;
}

/* ---- TLS ---- */

ko_conn_result ko_conn_sniff(ko_conn *conn, bool *is_tls, ko_err *err)
{
    unsigned char first;
    ssize_t n = recv(conn->fd, &first, 1, MSG_PEEK);

    if (n == 0)
        return KO_CONN_EOF;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return KO_CONN_AGAIN;
    if (n < 0) {
        (void)ko_err_sys(err, "receive");
        return KO_CONN_LOST;
    }
    *is_tls = first == 0x16;
    return KO_CONN_OK;
}

int ko_conn_start_tls(ko_conn *conn, ko_tls *tls, ko_err *err)
{
    if (ko_tls_session(tls, conn->fd, &conn->ssl, err) < 0)
        return -1;
    SSL_set_read_ahead(conn->ssl, 1);
    return 0;
}

/* Sorts out a failed OpenSSL call; `needs` is what the interrupted direction waits for. */
static ko_conn_result tls_failed(ko_conn *conn, int ret, uint8_t *needs, const char *what,
                                 ko_err *err)
{
    int sys = errno;
    int why = SSL_get_error(conn->ssl, ret);

    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *needs = why == SSL_ERROR_WANT_READ ? KO_IO_READ : KO_IO_WRITE;
        return KO_CONN_AGAIN;
    }
    if (why == SSL_ERROR_ZERO_RETURN)
        return KO_CONN_EOF;
    conn->established = false;
    errno = sys;
    if (why == SSL_ERROR_SYSCALL && sys != 0)
        (void)ko_err_sys(err, "%s", what);
    else
        (void)ko_tls_err(err, KO_E_IO, what);
    ERR_clear_error();
    return KO_CONN_LOST;
}

ko_conn_result ko_conn_handshake(ko_conn *conn, ko_err *err)
{
    int ret;

    ERR_clear_error();
    errno = 0;
    ret = SSL_do_handshake(conn->ssl);
    if (ret != 1)
        return tls_failed(conn, ret, &conn->read_needs, "TLS handshake", err);
    conn->established = true;
    conn->read_needs = KO_IO_READ;
    conn->ktls = BIO_get_ktls_send(SSL_get_wbio(conn->ssl)) != 0;
    return KO_CONN_OK;
}

bool ko_conn_resumed(const ko_conn *conn)
{
    return conn->ssl && SSL_session_reused(conn->ssl);
}

/* ---- Reading ---- */

static ko_conn_result tls_read(ko_conn *conn, void *into, size_t cap, size_t *got, ko_err *err)
{
    int ret;

    ERR_clear_error();
    errno = 0;
    ret = SSL_read_ex(conn->ssl, into, cap, got);
    if (ret != 1)
        return tls_failed(conn, ret, &conn->read_needs, "receive", err);
    conn->read_needs = KO_IO_READ;
    return KO_CONN_OK;
}

ko_conn_result ko_conn_read(ko_conn *conn, void *into, size_t cap, size_t *got, ko_err *err)
{
    ssize_t n;

    if (conn->ssl)
        return tls_read(conn, into, cap, got, err);
    n = recv(conn->fd, into, cap, 0);
    if (n > 0) {
        *got = (size_t)n;
        return KO_CONN_OK;
    }
    if (n == 0)
        return KO_CONN_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return KO_CONN_AGAIN;
    (void)ko_err_sys(err, "receive");
    return KO_CONN_LOST;
}

bool ko_conn_has_pending(const ko_conn *conn)
{
    return conn->ssl && SSL_has_pending(conn->ssl);
}

void ko_conn_bulk(ko_conn *conn, bool bulk)
{
    if (conn->ssl) /* takes effect when OpenSSL next needs a buffer */
        SSL_set_default_read_buffer_len(conn->ssl, bulk ? BULK_BUFFER : 0);
}

/* ---- Writing ---- */

static ko_conn_result tls_write(ko_conn *conn, const void *bytes, size_t len, size_t *sent,
                                ko_err *err)
{
    size_t slice = conn->pending ? conn->pending : len < RECORD ? len : RECORD;
    int ret;
    ko_conn_result result;

    KO_ASSERT(len >= slice);
    ERR_clear_error();
    errno = 0;
    ret = SSL_write_ex(conn->ssl, bytes, slice, sent);
    if (ret == 1) {
        conn->pending = 0;
        conn->write_needs = KO_IO_WRITE;
        return KO_CONN_OK;
    }
    result = tls_failed(conn, ret, &conn->write_needs, "send", err);
    if (result == KO_CONN_AGAIN)
        conn->pending = slice;
    else if (result == KO_CONN_EOF)
        (void)ko_err_set(err, KO_E_IO, "send: TLS session closed");
    return result == KO_CONN_AGAIN ? KO_CONN_AGAIN : KO_CONN_LOST;
}

static ko_conn_result sent_some(ssize_t n, size_t *sent, ko_err *err)
{
    if (n >= 0) {
        *sent = (size_t)n;
        return KO_CONN_OK;
    }
    if (errno == EAGAIN || errno == EINTR)
        return KO_CONN_AGAIN;
    (void)ko_err_sys(err, "send");
    return KO_CONN_LOST;
}

ko_conn_result ko_conn_write(ko_conn *conn, const void *bytes, size_t len, bool more, size_t *sent,
                             ko_err *err)
{
    if (conn->ssl)
        return tls_write(conn, bytes, len, sent, err);
    return sent_some(send(conn->fd, bytes, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0)), sent, err);
}

void ko_conn_hold_more(ko_conn *conn)
{
    int bytes = KO_CONN_HELD_FAST;

    if (conn->ssl) /* plain connections are not bounded */
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

bool ko_conn_has_sendfile(const ko_conn *conn)
{
    return !conn->ssl || conn->ktls;
}

ko_conn_result ko_conn_sendfile(ko_conn *conn, int file, uint64_t offset, size_t len, size_t *sent,
                                ko_err *err)
{
    off_t at = (off_t)offset;
    ssize_t n;

    errno = 0;
    if (!conn->ssl) {
        n = sendfile(conn->fd, file, &at, len);
    } else {
        ERR_clear_error();
        n = SSL_sendfile(conn->ssl, file, at, len, 0);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            ko_conn_result result = tls_failed(conn, (int)n, &conn->write_needs, "send file", err);
            return result == KO_CONN_AGAIN ? KO_CONN_AGAIN : KO_CONN_LOST;
        }
    }
    if (n == 0) {
        (void)ko_err_set(err, KO_E_IO, "send file: shorter than announced");
        return KO_CONN_LOST;
    }
    return sent_some(n, sent, err);
}
