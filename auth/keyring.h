/* auth/keyring.h: the signing keys of the token service. They live in the database, shared by every
 * process on it, and are rotated: a key signs for a while, then only verifies until every token it
 * signed is dead, then it goes.
 *
 * Threads: any. */
#ifndef KO_AUTH_KEYRING_H
#define KO_AUTH_KEYRING_H

#include <stdint.h>

#include "auth/jwt.h"
#include "storage/meta.h"

typedef struct ko_keyring ko_keyring;

/* `rotate_s`: how long a key signs; `keep_s`: how long it still verifies afterwards (longest token
 * life plus the grace for uploads). Makes the first key when there is none.
 * Blocks: yes. Owned by the caller: ko_keyring_free(). `meta` must outlive it. */
KO_MUST_USE int ko_keyring_open(ko_meta *meta, uint64_t rotate_s, uint64_t keep_s, ko_keyring **out,
                                ko_err *err);
ko_keyring *ko_keyring_free(ko_keyring *ring);
KO_DEFINE_AUTOPTR(ko_keyring, ko_keyring_free);

/* Loads what other processes made; makes a new key when the newest is old; removes dead ones. Call
 * now and then (minutes). Blocks: yes. */
KO_MUST_USE int ko_keyring_refresh(ko_keyring *ring, ko_err *err);

/* Signs with the newest key. Does not touch the database. */
KO_MUST_USE int ko_keyring_sign(ko_keyring *ring, ko_str claims, ko_buf *out, ko_err *err);
/* As ko_jwt_verify(); a key id not known here is looked up in the database, at most once a second.
 * Blocks: then. */
KO_MUST_USE int ko_keyring_verify(ko_keyring *ring, ko_str token, ko_buf *claims, ko_err *err);
/* {"keys":[...]}, RFC 7517 section 5, appended. Never blocks. */
int ko_keyring_print_jwks(ko_keyring *ring, ko_buf *out);

#endif
