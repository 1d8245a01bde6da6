/* common/http/tls_priv.h: the OpenSSL side of tls.h, for conn.c and tests only. */
#ifndef KO_HTTP_TLS_PRIV_H
#define KO_HTTP_TLS_PRIV_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "common/http/tls.h"

/* A server-side session on a connected, non-blocking socket, in accept state: the caller drives
 * SSL_do_handshake(), SSL_read(), SSL_write() and releases it by SSL_free(); the descriptor stays
 * the caller's. It keeps the certificates it began with across ko_tls_reload(); `tls` must outlive
 * it. Write modes: partial writes, moving buffers. errors UNAVAILABLE (no memory). */
KO_MUST_USE int ko_tls_session(ko_tls *tls, int fd, SSL **out, ko_err *err);

/* Sets the error with OpenSSL's reason appended: "what: no shared cipher"; empties OpenSSL's queue
 * of this thread. Always returns -1. */
int ko_tls_err(ko_err *err, ko_err_code code, const char *what);

/* ---- Session ticket keys (tls_ticket.c) ----
 *
 * The keys that encrypt TLS session tickets, RFC 5077. A key encrypts for 12 hours and decrypts for
 * 12 more, which is a ticket's life. Threads: any. */
typedef struct ko_tls_ticket_ring ko_tls_ticket_ring;

#define KO_TLS_TICKET_LIFE_S (12 * 3600)

ko_tls_ticket_ring *ko_tls_ticket_ring_new(void);
ko_tls_ticket_ring *ko_tls_ticket_ring_free(ko_tls_ticket_ring *ring);
KO_DEFINE_AUTOPTR(ko_tls_ticket_ring, ko_tls_ticket_ring_free);

typedef struct {
    uint8_t name[16]; /* tells the keys apart, travels in clear */
    uint8_t cipher[32];
    uint8_t mac[32];
    uint64_t made_ms; /* 0: no key */
} ko_tls_ticket_key;

/* The key to encrypt with now. */
void ko_tls_ticket_current(ko_tls_ticket_ring *ring, uint64_t now_ms, ko_tls_ticket_key *out);
/* The key of that name. 0: unknown or too old; 1: current; 2: give out a new ticket. */
int ko_tls_ticket_find(ko_tls_ticket_ring *ring, const uint8_t name[16], uint64_t now_ms,
                       ko_tls_ticket_key *out);
/* Makes the sessions of `ctx` use the ring, which must outlive it and everything made from it. */
int ko_tls_ticket_attach(SSL_CTX *ctx, ko_tls_ticket_ring *ring, ko_err *err);

#endif
