/* common/oci/digest.h: a digest, "algorithm:hex" of some bytes.
 *
 * Spec:    OCI Image 1.1, descriptor.md "Digests"; registered algorithms sha256 and sha512 only.
 * Threads: a value. */
#ifndef KO_OCI_DIGEST_H
#define KO_OCI_DIGEST_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/limits.h"
#include "common/base/str.h"

typedef struct {
    ko_hash_alg alg;
    char text[KO_MAX_DIGEST]; /* "sha256:<64 lower-case hex digits>", terminated */
} ko_digest;

/* errors INVALID: bad form or unregistered algorithm (the text says which). */
KO_MUST_USE int ko_digest_parse(ko_str text, ko_digest *out, ko_err *err);
/* From the raw bytes of a finished hash. */
void ko_digest_from_bytes(ko_hash_alg alg, const uint8_t *bytes, ko_digest *out);
void ko_digest_of(ko_hash_alg alg, const void *bytes, size_t len, ko_digest *out);
/* Of everything the hash has seen. */
void ko_digest_of_hash(const ko_hash *hash, ko_digest *out);
bool ko_digest_eq(const ko_digest *a, const ko_digest *b);
/* The hex part only. */
const char *ko_digest_hex(const ko_digest *digest);
/* "sha256" or "sha512". */
const char *ko_digest_alg_name(ko_hash_alg alg);
/* errors INVALID: not a registered algorithm's name. */
KO_MUST_USE int ko_digest_alg_parse(ko_str name, ko_hash_alg *out, ko_err *err);

#endif
