/* auth/jwt.c: ES256 over OpenSSL's EVP.
 *
 * Two representations meet here. JOSE wants an ECDSA signature as r and s, 32 bytes each, one after
 * the other (RFC 7518 section 3.4); OpenSSL speaks DER. Conversion goes through ECDSA_SIG in both
 * directions, and BN_bn2binpad keeps leading zeros.
 *
 * Verification never asks the token how to verify: the header's alg must be the one of the key, and
 * the key is found by its id among ours. What OpenSSL leaves in its per-thread error queue is
 * removed, because TLS connections of the same thread would take it for theirs. */
#include "auth/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "auth/json_claims.h"
#include "common/base/hash.h"
#include "common/base/limits.h"

#define COORDINATE     32 /* bytes of a P-256 field element */
#define SIGNATURE      (2 * COORDINATE)
#define POINT          (1 + 2 * COORDINATE) /* 0x04, x, y */
#define MAX_DER        80                   /* of a P-256 signature; 72 is the longest */
#define MAX_HEADER     1024                 /* of a token, decoded */
#define MAX_PRIVATE    512                  /* PKCS#8 of a P-256 key is 138 bytes */
#define MAX_COORD_TEXT 48                   /* base64url of a coordinate, with room */

struct ko_jwt_key {
    EVP_PKEY *pkey;
    char kid[KO_JWT_KID_MAX];
    char x[MAX_COORD_TEXT];
    char y[MAX_COORD_TEXT];
};

static int crypto_failed(ko_err *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    char text[128] = "no reason given";

    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return ko_err_set(err, KO_E_IO, "%s: %s", what, text);
}

/* ---- Keys ---- */

static void encode_text(const void *bytes, size_t len, char *out, size_t size)
{
    ko_autobuf text;

    ko_buf_init(&text, 2 * size);
    KO_ASSERT(ko_base64url_encode(bytes, len, &text) == 0 && text.len < size);
    memcpy(out, text.data, text.len + 1);
}

/* RFC 7638 section 3.2: required members only, in lexicographic order, no white space. */
static void make_thumbprint(ko_jwt_key *key)
{
    ko_autobuf json;
    uint8_t digest[KO_HASH_MAX];

    ko_buf_init(&json, 256);
    KO_ASSERT(ko_buf_printf(&json, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                            key->x, key->y) == 0);
    ko_hash_once(KO_HASH_SHA256, json.data, json.len, digest);
    encode_text(digest, 32, key->kid, sizeof(key->kid));
}

/* Takes over the pkey, also when it fails. */
static int wrap_key(EVP_PKEY *pkey, ko_jwt_key **out, ko_err *err)
{
    ko_autoptr(ko_jwt_key) key = ko_new(ko_jwt_key);
    char group[32] = "";
    uint8_t point[POINT];
    size_t len = 0;

    key->pkey = pkey;
    if (!EVP_PKEY_is_a(pkey, "EC") || !EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) ||
        strcmp(group, SN_X9_62_prime256v1) != 0) {
        ERR_clear_error();
        return ko_err_set(err, KO_E_INVALID, "signing key: not a P-256 key");
    }
    if (!EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                         &len) ||
        len != sizeof(point) || point[0] != POINT_CONVERSION_UNCOMPRESSED)
        return crypto_failed(err, "signing key: public part");
    encode_text(point + 1, COORDINATE, key->x, sizeof(key->x));
    encode_text(point + 1 + COORDINATE, COORDINATE, key->y, sizeof(key->y));
    make_thumbprint(key);
    *out = ko_steal(&key);
    return 0;
}

int ko_jwt_key_generate(ko_jwt_key **out, ko_err *err)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");

    if (!pkey)
        return crypto_failed(err, "make a signing key");
    return wrap_key(pkey, out, err);
}

int ko_jwt_key_load(ko_str der, ko_jwt_key **out, ko_err *err)
{
    const unsigned char *p = (const unsigned char *)der.ptr;

    if (der.len == 0 || der.len > MAX_PRIVATE)
        return ko_err_set(err, KO_E_INVALID, "signing key: %zu bytes", der.len);
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
    EVP_PKEY *pkey = info ? EVP_PKCS82PKEY(info) : NULL;

    PKCS8_PRIV_KEY_INFO_free(info);
    if (!pkey || p != (const unsigned char *)der.ptr + der.len) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return ko_err_set(err, KO_E_INVALID, "signing key: not PKCS#8");
    }
    return wrap_key(pkey, out, err);
}

ko_jwt_key *ko_jwt_key_free(ko_jwt_key *key)
{
    if (!key)
        return NULL;
    EVP_PKEY_free(key->pkey);
    free(key);
    return NULL;
}

int ko_jwt_key_save(const ko_jwt_key *key, ko_buf *out, ko_err *err)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
    unsigned char *der = NULL;
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

    PKCS8_PRIV_KEY_INFO_free(info);
    if (len <= 0)
        return crypto_failed(err, "write a signing key");
    int rc = ko_buf_put(out, der, (size_t)len);
    OPENSSL_clear_free(der, (size_t)len);
    return rc < 0 ? ko_err_set(err, KO_E_TOO_LARGE, "write a signing key: no room") : 0;
}

const char *ko_jwt_key_id(const ko_jwt_key *key)
{
    return key->kid;
}

int ko_jwt_key_print_jwk(const ko_jwt_key *key, ko_buf *out)
{
    return ko_buf_printf(out,
                         "{\"alg\":\"ES256\",\"crv\":\"P-256\",\"kid\":\"%s\",\"kty\":\"EC\","
                         "\"use\":\"sig\",\"x\":\"%s\",\"y\":\"%s\"}",
                         key->kid, key->x, key->y);
}

/* ---- Signatures ---- */

static int der_to_raw(const uint8_t *der, size_t len, uint8_t raw[static SIGNATURE])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    int rc = -1;

    if (sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, COORDINATE) == COORDINATE &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + COORDINATE, COORDINATE) == COORDINATE)
        rc = 0;
    ECDSA_SIG_free(sig);
    return rc;
}

/* Length of the DER form, or -1. */
static int raw_to_der(const uint8_t raw[static SIGNATURE], uint8_t der[static MAX_DER])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, COORDINATE, NULL);
    BIGNUM *s = BN_bin2bn(raw + COORDINATE, COORDINATE, NULL);
    int len = -1;

    if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
        r = s = NULL; /* owned by sig now */
        len = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len;
}

static int sign_raw(const ko_jwt_key *key, ko_str input, uint8_t raw[static SIGNATURE], ko_err *err)
{
    uint8_t der[MAX_DER];
    size_t len = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
             EVP_DigestSign(ctx, der, &len, (const unsigned char *)input.ptr, input.len) == 1 &&
             der_to_raw(der, len, raw) == 0;

    EVP_MD_CTX_free(ctx);
    return ok ? 0 : crypto_failed(err, "sign a token");
}

static int verify_raw(const ko_jwt_key *key, ko_str input, const uint8_t raw[static SIGNATURE],
                      ko_err *err)
{
    uint8_t der[MAX_DER];
    int len = raw_to_der(raw, der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok =
        len > 0 && ctx &&
        EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
        EVP_DigestVerify(ctx, der, (size_t)len, (const unsigned char *)input.ptr, input.len) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? 0 : ko_err_set(err, KO_E_DENIED, "token: wrong signature");
}

/* ---- Tokens ---- */

int ko_jwt_sign(const ko_jwt_key *key, ko_str claims, ko_buf *out, ko_err *err)
{
    ko_autobuf token;
    char header[128];
    uint8_t raw[SIGNATURE];
    int rc = 0;
    int len = snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
                       key->kid);

    ko_buf_init(&token, KO_MAX_TOKEN);
    rc |= ko_base64url_encode(header, (size_t)len, &token);
    rc |= ko_buf_put_char(&token, '.');
    rc |= ko_base64url_encode(claims.ptr, claims.len, &token);
    if (rc < 0)
        return ko_buf_ok(&token, err);
    if (sign_raw(key, ko_buf_str(&token), raw, err) < 0)
        return -1;
    rc |= ko_buf_put_char(&token, '.');
    rc |= ko_base64url_encode(raw, sizeof(raw), &token);
    rc |= ko_buf_put_str(out, ko_buf_str(&token));
    return rc < 0 ? ko_err_set(err, KO_E_TOO_LARGE, "token over its limit") : 0;
}

typedef struct {
    ko_str signed_part; /* header and claims with the dot between */
    ko_str header;
    ko_str claims;
    ko_str signature;
} token_parts;

static int split_token(ko_str token, token_parts *out, ko_err *err)
{
    size_t first = ko_str_find_char(token, '.');
    size_t last = ko_str_rfind_char(token, '.');

    if (token.len > KO_MAX_TOKEN)
        return ko_err_set(err, KO_E_INVALID, "token over %llu bytes", KO_MAX_TOKEN);
    if (first == SIZE_MAX || first == last)
        return ko_err_set(err, KO_E_INVALID, "token: want three parts");
    out->signed_part = ko_str_slice(token, 0, last);
    out->header = ko_str_slice(token, 0, first);
    out->claims = ko_str_slice(token, first + 1, last);
    out->signature = ko_str_slice(token, last + 1, token.len);
    if (ko_str_find_char(out->claims, '.') != SIZE_MAX)
        return ko_err_set(err, KO_E_INVALID, "token: want three parts");
    return 0;
}

static int find_key(ko_str header_text, ko_jwt_find_fn *find, void *arg, const ko_jwt_key **out,
                    ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autobuf json;
    ko_jwt_header header;

    ko_buf_init(&json, MAX_HEADER);
    if (ko_base64url_decode(header_text, &json, err) < 0)
        return ko_err_ctx(err, "token header");
    if (ko_claims_parse_header(ko_buf_str(&json), arena, &header, err) < 0)
        return -1;
    /* Every key here is P-256, so one algorithm fits (RFC 8725 section 3.1). */
    if (!ko_str_eq(header.alg, KO_STR("ES256")))
        return ko_err_set(err, KO_E_INVALID, "token: algorithm is not ES256");
    *out = find(arg, header.kid);
    if (!*out)
        return ko_err_set(err, KO_E_DENIED, "token: signed by a key not known here");
    return 0;
}

int ko_jwt_verify(ko_str token, ko_jwt_find_fn *find, void *arg, ko_buf *claims, ko_err *err)
{
    token_parts parts;
    const ko_jwt_key *key = NULL;
    ko_autobuf raw;
    ko_autobuf json;

    ko_buf_init(&raw, SIGNATURE);
    ko_buf_init(&json, KO_MAX_TOKEN);
    if (split_token(token, &parts, err) < 0 || find_key(parts.header, find, arg, &key, err) < 0)
        return -1;
    if (ko_base64url_decode(parts.signature, &raw, err) < 0 || raw.len != SIGNATURE)
        return ko_err_set(err, KO_E_INVALID, "token: a signature is 64 bytes in base64url");
    if (verify_raw(key, parts.signed_part, (const uint8_t *)raw.data, err) < 0)
        return -1;
    if (ko_base64url_decode(parts.claims, &json, err) < 0)
        return ko_err_set(err, KO_E_INVALID, "token: claims are not base64url");
    if (ko_buf_put_str(claims, ko_buf_str(&json)) < 0)
        return ko_err_set(err, KO_E_TOO_LARGE, "token: claims over their limit");
    return 0;
}
