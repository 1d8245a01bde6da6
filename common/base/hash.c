/* common/base/hash.c: libcrypto behind our own types.
 *
 * The digests are fetched once per process: an implicit fetch by EVP_sha256() in OpenSSL 3 takes
 * locks and costs more than hashing a small manifest. HMAC is written out (RFC 2104 is ten lines),
 * because EVP_MAC fetches its digest anew at each init. A failure of libcrypto here can only be
 * exhausted memory or a broken installation: it aborts. */
#include "common/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *digests[2];
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    digests[KO_HASH_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
    digests[KO_HASH_SHA512] = EVP_MD_fetch(NULL, "SHA512", NULL);
    KO_ASSERT(digests[KO_HASH_SHA256] && digests[KO_HASH_SHA512]);
}

static const EVP_MD *digest_of(ko_hash_alg alg)
{
    (void)pthread_once(&fetch_once, fetch);
    return digests[alg];
}

struct ko_hash {
    ko_hash_alg alg;
    EVP_MD_CTX *ctx;
};

size_t ko_hash_size(ko_hash_alg alg)
{
    switch (alg) {
    case KO_HASH_SHA256:
        return 32;
    case KO_HASH_SHA512:
        return 64;
    }
    return 0;
}

static EVP_MD_CTX *new_ctx(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    KO_ASSERT(ctx);
    return ctx;
}

static void start(EVP_MD_CTX *ctx, ko_hash_alg alg)
{
    KO_ASSERT(EVP_DigestInit_ex2(ctx, digest_of(alg), NULL) == 1);
}

static void update(EVP_MD_CTX *ctx, const void *bytes, size_t len)
{
    KO_ASSERT(len == 0 || EVP_DigestUpdate(ctx, bytes, len) == 1);
}

static void finish(EVP_MD_CTX *ctx, uint8_t *out)
{
    KO_ASSERT(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

ko_hash *ko_hash_new(ko_hash_alg alg)
{
    ko_hash *hash = ko_new(ko_hash);

    hash->alg = alg;
    hash->ctx = new_ctx();
    start(hash->ctx, alg);
    return hash;
}

ko_hash *ko_hash_free(ko_hash *hash)
{
    if (hash)
        EVP_MD_CTX_free(hash->ctx);
    free(hash);
    return NULL;
}

void ko_hash_update(ko_hash *hash, const void *bytes, size_t len)
{
    update(hash->ctx, bytes, len);
}

void ko_hash_peek(const ko_hash *hash, uint8_t out[static KO_HASH_MAX])
{
    EVP_MD_CTX *copy = new_ctx();

    KO_ASSERT(EVP_MD_CTX_copy_ex(copy, hash->ctx) == 1);
    finish(copy, out);
    EVP_MD_CTX_free(copy);
}

ko_hash_alg ko_hash_algorithm(const ko_hash *hash)
{
    return hash->alg;
}

void ko_hash_once(ko_hash_alg alg, const void *bytes, size_t len, uint8_t out[static KO_HASH_MAX])
{
    EVP_MD_CTX *ctx = new_ctx();

    start(ctx, alg);
    update(ctx, bytes, len);
    finish(ctx, out);
    EVP_MD_CTX_free(ctx);
}

#define HMAC_BLOCK 64 /* bytes of a SHA-256 block */

/* RFC 2104: H(K ^ opad, H(K ^ ipad, text)). */
void ko_hash_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                         uint8_t out[static 32])
{
    uint8_t pad[HMAC_BLOCK] = {0}, full[KO_HASH_MAX];
    EVP_MD_CTX *ctx = new_ctx();

    if (key_len > HMAC_BLOCK) {
        ko_hash_once(KO_HASH_SHA256, key, key_len, full);
        memcpy(pad, full, 32);
    } else if (key_len > 0) {
        memcpy(pad, key, key_len);
    }
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        pad[i] ^= 0x36;
    start(ctx, KO_HASH_SHA256);
    update(ctx, pad, HMAC_BLOCK);
    update(ctx, bytes, len);
    finish(ctx, full);

    for (size_t i = 0; i < HMAC_BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    start(ctx, KO_HASH_SHA256);
    update(ctx, pad, HMAC_BLOCK);
    update(ctx, full, 32);
    finish(ctx, full);
    memcpy(out, full, 32);

    EVP_MD_CTX_free(ctx);
    OPENSSL_cleanse(pad, sizeof(pad));
    OPENSSL_cleanse(full, sizeof(full));
}

bool ko_hash_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- Hex ---- */

void ko_hex_encode(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = bytes;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int ko_hex_decode(ko_str text, uint8_t *out, size_t len, ko_err *err)
{
    if (text.len / 2 != len || text.len % 2 != 0)
        return ko_err_set(err, KO_E_INVALID, "want %zu hex digits, got %zu", 2 * len, text.len);
    for (size_t i = 0; i < text.len; i++)
        if (hex_value(text.ptr[i]) < 0)
            return ko_err_set(err, KO_E_INVALID, "character %zu is not a lower-case hex digit", i);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(hex_value(text.ptr[2 * i]) * 16 + hex_value(text.ptr[2 * i + 1]));
    return 0;
}

/* ---- Base64 (RFC 4648 sections 4 and 5) ---- */

typedef struct {
    const char *digits;
    bool padded;
} alphabet;

static const alphabet standard = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true};
static const alphabet for_url = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                                 false};

static int encode64(const alphabet *a, const uint8_t *in, size_t len, ko_buf *out)
{
    size_t groups = len / 3 + (len % 3 != 0);

    if (len == 0)
        return 0;
    char *at = groups <= SIZE_MAX / 4 ? ko_buf_reserve(out, 4 * groups) : NULL;
    if (!at)
        return -1;
    char *start_at = at;
    for (; len > 0; len -= len < 3 ? len : 3, in += 3) {
        size_t count = len < 3 ? len : 3; /* bytes in this group */
        uint32_t bits = (uint32_t)in[0] << 16;
        if (count > 1)
            bits |= (uint32_t)in[1] << 8;
        if (count > 2)
            bits |= in[2];
        for (size_t i = 0; i <= count; i++)
            *at++ = a->digits[bits >> (18 - 6 * i) & 63];
        for (size_t i = count; i < 3 && a->padded; i++)
            *at++ = '=';
        if (count < 3)
            break;
    }
    ko_buf_added(out, (size_t)(at - start_at));
    return 0;
}

static int value64(const alphabet *a, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == a->digits[62])
        return 62;
    return c == a->digits[63] ? 63 : -1;
}

/* Without its padding, which is there exactly where it belongs; SIZE_MAX when it is not. */
static size_t unpadded_len(const alphabet *a, ko_str text)
{
    size_t len = text.len;

    if (a->padded) {
        if (len % 4 != 0)
            return SIZE_MAX;
        for (int i = 0; i < 2 && len > 0 && text.ptr[len - 1] == '='; i++)
            len--;
    }
    return len % 4 == 1 ? SIZE_MAX : len;
}

/* Digits to bytes; false at a bad digit or when bits beyond the last byte are set. */
static bool decode_digits(const alphabet *a, const char *in, size_t len, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned have = 0; /* bits not yet written */

    for (size_t i = 0; i < len; i++) {
        int v = value64(a, in[i]);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *out++ = (uint8_t)(bits >> have);
            bits &= (1U << have) - 1;
        }
    }
    return bits == 0;
}

static int decode64(const alphabet *a, ko_str text, ko_buf *out, ko_err *err)
{
    size_t len = unpadded_len(a, text);

    if (len == SIZE_MAX)
        return ko_err_set(err, KO_E_INVALID, "base64 of impossible length");
    if (len == 0)
        return 0;
    size_t bytes = len / 4 * 3 + len % 4 * 3 / 4;
    char *room = ko_buf_reserve(out, bytes);
    if (!room)
        return ko_err_set(err, KO_E_TOO_LARGE, "base64 of %zu bytes", bytes);
    if (!decode_digits(a, text.ptr, len, (uint8_t *)room)) {
        *room = '\0';
        return ko_err_set(err, KO_E_INVALID, "not canonical base64");
    }
    ko_buf_added(out, bytes);
    return 0;
}

int ko_base64_encode(const void *bytes, size_t len, ko_buf *out)
{
    return encode64(&standard, bytes, len, out);
}

int ko_base64_decode(ko_str text, ko_buf *out, ko_err *err)
{
    return decode64(&standard, text, out, err);
}

int ko_base64url_encode(const void *bytes, size_t len, ko_buf *out)
{
    return encode64(&for_url, bytes, len, out);
}

int ko_base64url_decode(ko_str text, ko_buf *out, ko_err *err)
{
    return decode64(&for_url, text, out, err);
}
