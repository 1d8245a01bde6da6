/* Tokens that must be refused: tampered parts, confused algorithms, foreign keys, loose encodings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/json_claims.h"
#include "auth/jwt.h"
#include "common/base/hash.h"

#define CLAIMS KO_STR("{\"sub\":\"alice\",\"exp\":2000000000}")

static ko_jwt_key *make_key(void)
{
    ko_jwt_key *key = NULL;

    assert_int_equal(ko_jwt_key_generate(&key, NULL), 0);
    return key;
}

static const ko_jwt_key *find_one(void *arg, ko_str kid)
{
    const ko_jwt_key *key = arg;

    return ko_str_eq(kid, ko_str_of(ko_jwt_key_id(key))) ? key : NULL;
}

/* Finds the key whatever its id, as a careless caller might. */
static const ko_jwt_key *find_any(void *arg, ko_str kid)
{
    (void)kid;
    return arg;
}

static ko_err_code verify(const char *token, ko_jwt_find_fn *find, ko_jwt_key *key)
{
    ko_err err = KO_ERR_INIT;
    ko_autobuf claims;

    ko_buf_init(&claims, 4096);
    if (ko_jwt_verify(ko_str_of(token), find, key, &claims, &err) == 0) {
        assert_int_equal(claims.len > 0, true);
        return KO_E_NONE;
    }
    assert_int_equal(claims.len, 0);
    return err.code;
}

static char *sign(const ko_jwt_key *key, ko_str claims)
{
    ko_autobuf token;

    ko_buf_init(&token, 8192);
    assert_int_equal(ko_jwt_sign(key, claims, &token, NULL), 0);
    return ko_buf_take(&token);
}

/* A token with this header and claims, and the signature of another one. */
static char *forge(const char *header, ko_str claims, const char *signature)
{
    ko_autobuf token;

    ko_buf_init(&token, 8192);
    ko_base64url_encode(header, strlen(header), &token);
    ko_buf_put_char(&token, '.');
    ko_base64url_encode(claims.ptr, claims.len, &token);
    ko_buf_put_char(&token, '.');
    ko_buf_put_text(&token, signature);
    return ko_buf_take(&token);
}

static void a_signed_token_verifies_and_gives_its_claims(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autofree char *token = sign(key, CLAIMS);
    ko_autobuf claims;
    (void)state;

    ko_buf_init(&claims, 4096);
    assert_int_equal(ko_jwt_verify(ko_str_of(token), find_one, key, &claims, NULL), 0);
    assert_true(ko_str_eq(ko_buf_str(&claims), CLAIMS));
}

/* Leading zeros in r or s come up about once in 128 signatures: the raw form must keep them. */
static void many_signatures_are_all_64_bytes_and_verify(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    (void)state;

    for (int i = 0; i < 600; i++) {
        ko_autofree char *token = sign(key, CLAIMS);

        assert_int_equal(strlen(strrchr(token, '.') + 1), 86);
        assert_int_equal(verify(token, find_one, key), KO_E_NONE);
    }
}

static void a_changed_byte_anywhere_is_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autofree char *token = sign(key, CLAIMS);
    (void)state;

    for (size_t i = 0; i < strlen(token); i++) {
        char saved = token[i];

        token[i] = saved == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(token, find_any, key), KO_E_NONE);
        token[i] = saved;
    }
    assert_int_equal(verify(token, find_one, key), KO_E_NONE);
}

static void a_cut_token_is_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autofree char *token = sign(key, CLAIMS);
    (void)state;

    for (size_t len = strlen(token); len-- > 0;) {
        token[len] = '\0';
        assert_int_not_equal(verify(token, find_any, key), KO_E_NONE);
    }
}

static void another_key_is_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autoptr(ko_jwt_key) other = make_key();
    ko_autofree char *token = sign(key, CLAIMS);
    (void)state;

    assert_int_equal(verify(token, find_one, other), KO_E_DENIED);
    assert_int_equal(verify(token, find_any, other), KO_E_DENIED);
}

static void only_es256_is_an_algorithm(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"kid\":\"%s\"}",
        "{\"alg\":\"None\",\"kid\":\"%s\"}",
        "{\"alg\":\"\",\"kid\":\"%s\"}",
        "{\"alg\":\"HS256\",\"kid\":\"%s\"}",
        "{\"alg\":\"RS256\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES384\",\"kid\":\"%s\"}",
        "{\"alg\":\"es256\",\"kid\":\"%s\"}",
        "{\"alg\":null,\"kid\":\"%s\"}",
        "{\"alg\":[\"ES256\"],\"kid\":\"%s\"}",
        "{\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"crit\":[\"b64\"]}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jku\":\"https://evil.example/\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":{}}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"JWE\"}",
        "[\"ES256\",\"%s\"]",
        "\"%s\"",
        "{\"alg\":\"ES256\",\"kid\":\"%s\"} ",
    };
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autofree char *good = sign(key, CLAIMS);
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(headers); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        /* The rows are formats on purpose: each wants the key's id. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        const char *header = ko_arena_printf(arena, headers[i], ko_jwt_key_id(key));
#pragma GCC diagnostic pop
        ko_autofree char *signed_badly = forge(header, CLAIMS, strrchr(good, '.') + 1);
        ko_autofree char *unsigned_one = forge(header, CLAIMS, "");

        assert_int_not_equal(verify(signed_badly, find_any, key), KO_E_NONE);
        assert_int_equal(verify(unsigned_one, find_any, key), KO_E_INVALID);
    }
}

/* The classic confusion: an HMAC over the token with the public key as its secret. */
static void an_hmac_with_the_public_key_is_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autobuf jwk;
    ko_autobuf token;
    uint8_t mac[32];
    (void)state;

    ko_buf_init(&jwk, 1024);
    ko_buf_init(&token, 4096);
    assert_int_equal(ko_jwt_key_print_jwk(key, &jwk), 0);
    ko_autofree char *head = forge("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"x\"}", CLAIMS, "");
    ko_buf_put(&token, head, strlen(head) - 1);
    ko_hash_hmac_sha256(jwk.data, jwk.len, token.data, token.len, mac);
    ko_buf_put_char(&token, '.');
    ko_base64url_encode(mac, sizeof(mac), &token);
    assert_int_equal(verify(token.data, find_any, key), KO_E_INVALID);
}

static void loose_base64_is_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autofree char *token = sign(key, CLAIMS);
    ko_autobuf padded;
    (void)state;

    /* 64 bytes leave two unused bits in the last character, 86 = 4 * 21 + 2: canonical tails end in
     * one of four characters, and every other spelling of the same bytes must fail. */
    size_t last = strlen(token) - 1;
    static const char tails[] = "AQgw";
    assert_non_null(strchr(tails, token[last]));
    for (int bump = 1; bump < 16; bump++) {
        static const char alphabet[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char saved = token[last];

        token[last] = alphabet[(size_t)(strchr(alphabet, saved) - alphabet) + (size_t)bump];
        assert_int_equal(verify(token, find_one, key), KO_E_INVALID);
        token[last] = saved;
    }
    ko_buf_init(&padded, 8192);
    ko_buf_printf(&padded, "%s==", token);
    assert_int_equal(verify(padded.data, find_one, key), KO_E_INVALID);
    ko_buf_reset(&padded);
    ko_buf_printf(&padded, "%s\n", token);
    assert_int_equal(verify(padded.data, find_one, key), KO_E_INVALID);
    ko_buf_reset(&padded);
    ko_buf_printf(&padded, " %s", token);
    assert_int_equal(verify(padded.data, find_one, key), KO_E_INVALID);
    ko_buf_reset(&padded);
    ko_buf_printf(&padded, "%s.", token);
    assert_int_equal(verify(padded.data, find_one, key), KO_E_INVALID);
}

static void a_zero_signature_is_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autofree char *token = sign(key, CLAIMS);
    char *signature = strrchr(token, '.') + 1;
    (void)state;

    memset(signature, 'A', strlen(signature)); /* r = s = 0: CVE-2022-21449 in another library */
    assert_int_equal(verify(token, find_one, key), KO_E_DENIED);
}

static void rubbish_is_refused(void **state)
{
    static const char *const rows[] = {"",      ".",    "..",   "...",
                                       "a.b.c", "a..c", "....", "\xff.\xff.\xff"};
    ko_autoptr(ko_jwt_key) key = make_key();
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        assert_int_equal(verify(rows[i], find_any, key), KO_E_INVALID);
}

static void a_key_survives_saving_and_loading(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autoptr(ko_jwt_key) again = NULL;
    ko_autofree char *token = sign(key, CLAIMS);
    ko_autobuf der;
    (void)state;

    ko_buf_init(&der, 1024);
    assert_int_equal(ko_jwt_key_save(key, &der, NULL), 0);
    assert_int_equal(ko_jwt_key_load(ko_buf_str(&der), &again, NULL), 0);
    assert_string_equal(ko_jwt_key_id(key), ko_jwt_key_id(again));
    assert_int_equal(strlen(ko_jwt_key_id(key)), KO_JWT_KID_MAX - 1);
    assert_int_equal(verify(token, find_one, again), KO_E_NONE);
}

static void what_is_no_p256_key_is_not_loaded(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autoptr(ko_jwt_key) none = NULL;
    ko_autobuf der;
    ko_err err = KO_ERR_INIT;
    (void)state;

    ko_buf_init(&der, 1024);
    assert_int_equal(ko_jwt_key_save(key, &der, NULL), 0);
    for (size_t len = 0; len < der.len; len++)
        assert_int_equal(ko_jwt_key_load((ko_str){der.data, len}, &none, &err), -1);
    ko_buf_put_char(&der, 'x');
    assert_int_equal(ko_jwt_key_load(ko_buf_str(&der), &none, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    /* Ed25519, PKCS#8 (RFC 8410 section 10.3). */
    ko_buf_reset(&der);
    assert_int_equal(ko_base64_decode(KO_STR("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/"
                                             "nwoy/HU++CXqI9EdVhC"),
                                      &der, NULL),
                     0);
    assert_int_equal(ko_jwt_key_load(ko_buf_str(&der), &none, &err), -1);
    assert_null(none);
}

/* RFC 7517 appendix A.1's key is P-256; RFC 7638 only gives an RSA example, so the thumbprint is
 * recomputed here from the members in the order the RFC demands. */
static void the_key_id_is_the_thumbprint_of_the_public_key(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    ko_autobuf jwk;
    ko_autobuf want;
    uint8_t digest[KO_HASH_MAX];
    char canonical[256];
    (void)state;

    ko_buf_init(&jwk, 1024);
    ko_buf_init(&want, 64);
    assert_int_equal(ko_jwt_key_print_jwk(key, &jwk), 0);
    const char *x = strstr(jwk.data, "\"x\":\"") + 5;
    const char *y = strstr(jwk.data, "\"y\":\"") + 5;
    snprintf(canonical, sizeof(canonical),
             "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%.43s\",\"y\":\"%.43s\"}", x, y);
    ko_hash_once(KO_HASH_SHA256, canonical, strlen(canonical), digest);
    ko_base64url_encode(digest, 32, &want);
    assert_string_equal(want.data, ko_jwt_key_id(key));
    assert_null(strstr(jwk.data, "\"d\"")); /* never the private part */
}

static void over_long_claims_are_refused(void **state)
{
    ko_autoptr(ko_jwt_key) key = make_key();
    static char big[9000];
    ko_autobuf token;
    ko_err err = KO_ERR_INIT;
    (void)state;

    memset(big, ' ', sizeof(big));
    ko_buf_init(&token, 65536);
    assert_int_equal(ko_jwt_sign(key, (ko_str){big, sizeof(big)}, &token, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    assert_int_equal(token.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_token_verifies_and_gives_its_claims),
        cmocka_unit_test(many_signatures_are_all_64_bytes_and_verify),
        cmocka_unit_test(a_changed_byte_anywhere_is_refused),
        cmocka_unit_test(a_cut_token_is_refused),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(only_es256_is_an_algorithm),
        cmocka_unit_test(an_hmac_with_the_public_key_is_refused),
        cmocka_unit_test(loose_base64_is_refused),
        cmocka_unit_test(a_zero_signature_is_refused),
        cmocka_unit_test(rubbish_is_refused),
        cmocka_unit_test(a_key_survives_saving_and_loading),
        cmocka_unit_test(what_is_no_p256_key_is_not_loaded),
        cmocka_unit_test(the_key_id_is_the_thumbprint_of_the_public_key),
        cmocka_unit_test(over_long_claims_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
