/* common/http/tls.h: server certificates: loading, SNI, reload, and a CA of our own when none is
 * given. OpenSSL stays behind this header and conn.c.
 *
 * TLS 1.2 and 1.3, session tickets and cache, ALPN "http/1.1" only, no renegotiation, kernel TLS
 * where the kernel offers it.
 *
 * Threads: a ko_tls may be used by every loop; reload swaps the context under a lock, connections
 * keep the one they began with. */
#ifndef KO_HTTP_TLS_H
#define KO_HTTP_TLS_H

#include "common/base/err.h"
#include "common/base/own.h"

typedef struct ko_tls ko_tls;

typedef struct {
    const char *cert_file; /* PEM chain, leaf first */
    const char *key_file;  /* PEM key, ECDSA or RSA */
} ko_tls_pair;

/* Server contexts for `pairs` (at least one; several: chosen by SNI against each leaf's names,
 * among equal names by what the client can verify, ECDSA and RSA side by side; the first is the
 * default). errors INVALID: a file cannot be read or key and certificate do not match (the text
 * names the file). */
KO_MUST_USE int ko_tls_new(const ko_tls_pair *pairs, size_t count, ko_tls **out, ko_err *err);
ko_tls *ko_tls_free(ko_tls *tls);
KO_DEFINE_AUTOPTR(ko_tls, ko_tls_free);

/* Reads the same files again; on error the old certificates stay in use. Sessions resume across it.
 */
KO_MUST_USE int ko_tls_reload(ko_tls *tls, ko_err *err);

/* Days until the earliest leaf expires; negative when one has. */
int ko_tls_days_left(ko_tls *tls);

/* Makes dir/ca.pem, dir/ca.key (once, for ten years) and dir/server.pem, dir/server.key signed by
 * it (ECDSA P-256, 397 days; made again when it expires within 30 days, lacks one of the names, is
 * damaged or was signed by another authority). `names` (at least one) are DNS names and IP
 * addresses for the subjectAltName. Keys are mode 0600. Only at start: blocks. errors INVALID: a
 * bad name, or the authority's files do not fit together; as ko_fd_store. */
KO_MUST_USE int ko_tls_self_made(const char *dir, const char *const *names, size_t count,
                                 ko_err *err);

#endif
