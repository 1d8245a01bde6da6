/* common/http/tls_priv.h: the OpenSSL side of tls.h, for conn.c and tests only. */
#ifndef KO_HTTP_TLS_PRIV_H
#define KO_HTTP_TLS_PRIV_H

#include <openssl/ssl.h>

#include "common/http/tls.h"

/* A server-side session on a connected, non-blocking socket, in accept state: the caller drives
 * SSL_do_handshake(), SSL_read(), SSL_write() and releases it by SSL_free(); the descriptor stays
 * the caller's. It keeps the certificates it began with across ko_tls_reload(); `tls` must outlive
 * it. Write modes: partial writes, moving buffers. errors UNAVAILABLE (no memory). */
KO_MUST_USE int ko_tls_session(ko_tls *tls, int fd, SSL **out, ko_err *err);

/* The first error in OpenSSL's queue as text, e.g. "SSL routines: no shared cipher" (or "unknown
 * error"); empties the queue. The text lives until the thread's next call. */
const char *ko_tls_error_text(void);

#endif
