/* common/http/conn.h: one connected stream socket, plain or TLS, non-blocking, with its own
 * readiness. No buffers: bytes go between the socket (or OpenSSL's record) and the caller's memory.
 *
 * Threads: the loop's own. */
#ifndef KO_HTTP_CONN_H
#define KO_HTTP_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/http/tls.h"
#include "common/loop/loop.h"

typedef enum {
    KO_CONN_OK,    /* something was moved */
    KO_CONN_AGAIN, /* nothing now: ko_conn_want() and wait for ready() */
    KO_CONN_EOF,   /* the peer sends no more (reads only) */
    KO_CONN_LOST   /* broken: `err` says how; only ko_conn_close() is left */
} ko_conn_result;

typedef struct {
    int fd;
    ko_loop *loop;
    void (*ready)(void *arg); /* something wanted may be possible now */
    void *arg;
    /* Private. */
    struct ssl_st *ssl; /* NULL: plain */
    ko_watch watch;
    uint8_t wants;       /* ko_io bits the user waits for */
    uint8_t read_needs;  /* what the socket must be for a read to go on: TLS may have to write */
    uint8_t write_needs; /* likewise */
    bool established;    /* TLS: handshake done and not broken since */
    bool ktls;           /* the kernel encrypts what we send */
    size_t pending;      /* TLS: bytes of a write that must be repeated, 0 if none */
} ko_conn;

/* Takes the descriptor, which must be non-blocking. `conn` may not move from now on. */
void ko_conn_init(ko_conn *conn, ko_loop *loop, int fd, void (*ready)(void *arg), void *arg);
/* Closes. `polite`: with a TLS close_notify if that is possible without waiting. */
void ko_conn_close(ko_conn *conn, bool polite);

/* Waits for what `wants` (ko_io bits) says; replaces what was waited for before. Interest in
 * reading is dropped lazily: a keep-alive connection costs no system call per request here. */
void ko_conn_want(ko_conn *conn, unsigned wants);

/* Is the next byte the start of a TLS record (0x16, RFC 8446 section 5.1)? OK, AGAIN, EOF, LOST. */
ko_conn_result ko_conn_sniff(ko_conn *conn, bool *is_tls, ko_err *err);
/* Puts TLS on the connection; then ko_conn_handshake() until it says OK. */
KO_MUST_USE int ko_conn_start_tls(ko_conn *conn, ko_tls *tls, ko_err *err);
ko_conn_result ko_conn_handshake(ko_conn *conn, ko_err *err);
bool ko_conn_resumed(const ko_conn *conn); /* TLS session was resumed */

ko_conn_result ko_conn_read(ko_conn *conn, void *into, size_t cap, size_t *got, ko_err *err);
/* Bytes already taken from the socket: no readiness will be told for them. */
bool ko_conn_has_pending(const ko_conn *conn);
/* Expects much (or little) to read: larger reads from the socket below TLS. */
void ko_conn_bulk(ko_conn *conn, bool bulk);

/* Sends some of the bytes: with TLS one record. After AGAIN the next write must begin with the
 * same bytes, at least conn->pending of them, though not in the same memory. `more`: more follows
 * at once, do not send a short segment. */
ko_conn_result ko_conn_write(ko_conn *conn, const void *bytes, size_t len, bool more, size_t *sent,
                             ko_err *err);
/* How much may wait unsent in the kernel: bounded from the start (inherited from the listener), and
 * more for a peer that has proved fast, which saves it waiting for us. */
#define KO_CONN_HELD      (256 * 1024)
#define KO_CONN_HELD_FAST (2 * 1024 * 1024)
void ko_conn_hold_more(ko_conn *conn);
/* Can files be sent without passing through our memory? */
bool ko_conn_has_sendfile(const ko_conn *conn);
ko_conn_result ko_conn_sendfile(ko_conn *conn, int file, uint64_t offset, size_t len, size_t *sent,
                                ko_err *err);

/* Ends our side: close_notify and FIN. Afterwards only ko_conn_discard() and close are useful. */
void ko_conn_shut(ko_conn *conn);
/* Throws away up to `max` received bytes, undecrypted. */
ko_conn_result ko_conn_discard(ko_conn *conn, size_t max, size_t *got);

#endif
