/* auth/password.h: passwords as Argon2id strings (libsodium, "$argon2id$v=19$...").
 *
 * Hashing costs milliseconds of CPU and megabytes of memory on purpose: it runs on the work pool,
 * and the number of pool threads bounds the memory.
 *
 * Spec:    RFC 9106; the default cost (conf/options.def) is OWASP's minimum, 2 passes over 19 MiB.
 * Threads: any.
 * Blocks:  hash and verify are slow: call from a work item, never from a loop. */
#ifndef KO_AUTH_PASSWORD_H
#define KO_AUTH_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define KO_PASSWORD_HASH_MAX 128 /* bytes of a hash string, with NUL */

typedef struct {
    uint32_t passes;     /* Argon2's t */
    uint32_t memory_kib; /* Argon2's m */
} ko_password_cost;

/* For tests: the least that Argon2 allows. */
#define KO_PASSWORD_COST_LEAST ((ko_password_cost){.passes = 1, .memory_kib = 8})

/* Is this text fit to be a new password: KO_MIN_PASSWORD to KO_MAX_PASSWORD bytes of UTF-8 without
 * control characters? errors INVALID; the text names the rule, never the password. */
KO_MUST_USE int ko_password_check_new(ko_str password, ko_err *err);

/* Hashes with a fresh salt. errors UNAVAILABLE: no memory for it now. */
KO_MUST_USE int ko_password_hash(ko_password_cost cost, ko_str password,
                                 char out[static KO_PASSWORD_HASH_MAX], ko_err *err);

/* Does the password belong to the hash? A hash that does not parse, or that asks for more than 1
 * GiB or 16 passes, matches nothing. An over-long password matches nothing, after the same time. */
bool ko_password_verify(const char *hash, ko_str password);

/* Spends the time a verification takes, so that a name that does not exist answers like one that
 * does. */
void ko_password_verify_nobody(ko_password_cost cost, ko_str password);

/* Was the hash made with another cost? Then hash again at the next successful login. */
bool ko_password_needs_rehash(const char *hash, ko_password_cost cost);

#endif
