/* auth/jwt.h: JSON Web Tokens in compact form, signed ES256 and nothing else.
 *
 * The algorithm is a property of the key, never of the token: a header that names another one (or
 * "none", or an HMAC) is refused before any cryptography, as are headers with "crit", "jwk", "jku"
 * or "x5u", and any base64url that is not canonical.
 *
 * Spec:    RFC 7515 (JWS compact), 7518 section 3.4 (raw r||s), 7638 (thumbprint as kid), 8725.
 * Threads: a key may be used by several threads at once. */
#ifndef KO_AUTH_JWT_H
#define KO_AUTH_JWT_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/own.h"
#include "common/base/str.h"

#define KO_JWT_KID_MAX 44 /* 43 base64url characters and NUL */

typedef struct ko_jwt_key ko_jwt_key;

/* A new P-256 key pair, or one from its PKCS#8 DER form. Owned by the caller: ko_jwt_key_free().
 * errors INVALID: not a P-256 private key. */
KO_MUST_USE int ko_jwt_key_generate(ko_jwt_key **out, ko_err *err);
KO_MUST_USE int ko_jwt_key_load(ko_str der, ko_jwt_key **out, ko_err *err);
ko_jwt_key *ko_jwt_key_free(ko_jwt_key *key);
KO_DEFINE_AUTOPTR(ko_jwt_key, ko_jwt_key_free);

/* The private key as PKCS#8 DER, appended: a secret, to be wiped by the caller. */
KO_MUST_USE int ko_jwt_key_save(const ko_jwt_key *key, ko_buf *out, ko_err *err);
/* The RFC 7638 thumbprint, valid while the key lives. */
const char *ko_jwt_key_id(const ko_jwt_key *key);
/* The public key as a JSON Web Key object, appended. */
int ko_jwt_key_print_jwk(const ko_jwt_key *key, ko_buf *out);

/* Signs a claims object (JSON text); the token is appended. */
KO_MUST_USE int ko_jwt_sign(const ko_jwt_key *key, ko_str claims, ko_buf *out, ko_err *err);

/* Finds a key by its id; NULL when it is not known (any more). */
typedef const ko_jwt_key *ko_jwt_find_fn(void *arg, ko_str kid);

/* Checks form, header and signature; the claims (JSON text, not yet judged) are appended.
 * errors INVALID: malformed; DENIED: unknown key or wrong signature. */
KO_MUST_USE int ko_jwt_verify(ko_str token, ko_jwt_find_fn *find, void *arg, ko_buf *claims,
                              ko_err *err);

#endif
