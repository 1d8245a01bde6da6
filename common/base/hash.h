/* common/base/hash.h: message digests, HMAC and text codecs. The only file of common/base that uses
 * libcrypto; algorithms are fetched once per process.
 *
 * Threads: a ko_hash belongs to one thread at a time; the one-shot functions may be called from
 * any. */
#ifndef KO_BASE_HASH_H
#define KO_BASE_HASH_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/own.h"

typedef enum { KO_HASH_SHA256, KO_HASH_SHA512 } ko_hash_alg;

#define KO_HASH_MAX 64 /* bytes of the longest digest */

size_t ko_hash_size(ko_hash_alg alg); /* 32 or 64 bytes */

typedef struct ko_hash ko_hash;

ko_hash *ko_hash_new(ko_hash_alg alg); /* owned by the caller: ko_hash_free() */
ko_hash *ko_hash_free(ko_hash *hash);
KO_DEFINE_AUTOPTR(ko_hash, ko_hash_free);
void ko_hash_update(ko_hash *hash, const void *bytes, size_t len);
/* The digest of everything so far; the hash can go on being updated. */
void ko_hash_peek(const ko_hash *hash, uint8_t out[static KO_HASH_MAX]);
ko_hash_alg ko_hash_algorithm(const ko_hash *hash);

void ko_hash_once(ko_hash_alg alg, const void *bytes, size_t len, uint8_t out[static KO_HASH_MAX]);
void ko_hash_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                         uint8_t out[static 32]);

/* Lower-case hex; `out` has 2 * len + 1 bytes. */
void ko_hex_encode(const void *bytes, size_t len, char *out);
/* Exactly 2 * len lower-case hex digits. errors INVALID. */
KO_MUST_USE int ko_hex_decode(ko_str text, uint8_t *out, size_t len, ko_err *err);

/* RFC 4648: standard alphabet with padding, or URL alphabet without. Decoding is strict: no white
 * space, canonical tail bits. Decoded bytes are appended. errors INVALID, TOO_LARGE. */
int ko_base64_encode(const void *bytes, size_t len, ko_buf *out);
KO_MUST_USE int ko_base64_decode(ko_str text, ko_buf *out, ko_err *err);
int ko_base64url_encode(const void *bytes, size_t len, ko_buf *out);
KO_MUST_USE int ko_base64url_decode(ko_str text, ko_buf *out, ko_err *err);

/* Equal length and bytes, in time that does not depend on where they differ. */
bool ko_hash_equal(const void *a, const void *b, size_t len);

#endif
