/* auth/credential.h: opaque secrets that stand for an account: personal tokens, robot passwords and
 * refresh tokens.
 *
 *     ko_p_<43 base64url characters>    personal token: a person's, limited by scope and expiry
 *     ko_b_<...>                        a robot's password
 *     ko_r_<...>                        refresh token of the token service
 *
 * 256 random bits need no slow hash: the database keeps their SHA-256. The prefix lets secret
 * scanners find them and tells a password from a token without asking the database.
 *
 * Threads: any. */
#ifndef KO_AUTH_CREDENTIAL_H
#define KO_AUTH_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

#define KO_CREDENTIAL_KINDS(X)                                                                     \
    X(PERSONAL, "ko_p_")                                                                           \
    X(ROBOT, "ko_b_")                                                                              \
    X(REFRESH, "ko_r_")

typedef enum {
#define X(name, prefix) KO_CREDENTIAL_##name,
    KO_CREDENTIAL_KINDS(X)
#undef X
} ko_credential_kind;

#define KO_CREDENTIAL_MAX       49 /* bytes of the text, with NUL */
#define KO_CREDENTIAL_HASH_SIZE 32 /* SHA-256 of the text */

/* A new one: text for its owner, to be shown once; hash for the database. */
void ko_credential_new(ko_credential_kind kind, char text[static KO_CREDENTIAL_MAX],
                       uint8_t hash[static KO_CREDENTIAL_HASH_SIZE]);
/* Does the text have the form of a credential? Then its kind and hash. */
bool ko_credential_parse(ko_str text, ko_credential_kind *kind,
                         uint8_t hash[static KO_CREDENTIAL_HASH_SIZE]);

#endif
