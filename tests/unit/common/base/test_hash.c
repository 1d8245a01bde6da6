/* Digests, HMAC, hex and base64 against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/hash.h"

#define ABC256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC512                                                                                     \
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe" \
    "ebbd454d4423643ce80e2a9ac94fa54ca49f"

static void known_digests(void **state)
{
    (void)state;
    uint8_t raw[KO_HASH_MAX];
    char hex[2 * KO_HASH_MAX + 1];

    ko_hash_once(KO_HASH_SHA256, "abc", 3, raw);
    ko_hex_encode(raw, ko_hash_size(KO_HASH_SHA256), hex);
    assert_string_equal(hex, ABC256);
    ko_hash_once(KO_HASH_SHA512, "abc", 3, raw);
    ko_hex_encode(raw, ko_hash_size(KO_HASH_SHA512), hex);
    assert_string_equal(hex, ABC512);
    ko_hash_once(KO_HASH_SHA256, NULL, 0, raw);
    ko_hex_encode(raw, 4, hex);
    assert_string_equal(hex, "e3b0c442");
}

static void a_hash_can_be_looked_at_and_go_on(void **state)
{
    (void)state;
    ko_autoptr(ko_hash) hash = ko_hash_new(KO_HASH_SHA256);
    uint8_t now[KO_HASH_MAX], want[KO_HASH_MAX];

    ko_hash_update(hash, "ab", 2);
    ko_hash_peek(hash, now);
    ko_hash_once(KO_HASH_SHA256, "ab", 2, want);
    assert_memory_equal(now, want, 32);
    ko_hash_peek(hash, now);
    assert_memory_equal(now, want, 32);
    ko_hash_update(hash, "c", 1);
    ko_hash_update(hash, NULL, 0);
    ko_hash_peek(hash, now);
    ko_hash_once(KO_HASH_SHA256, "abc", 3, want);
    assert_memory_equal(now, want, 32);
    assert_int_equal(ko_hash_algorithm(hash), KO_HASH_SHA256);
    assert_null(ko_hash_free(NULL));
}

/* RFC 4231 cases 1, 2 and 6 (a key longer than a block). */
static void hmac_sha256_has_the_rfc_4231_values(void **state)
{
    (void)state;
    uint8_t out[32], key1[20], key6[131];
    char hex[65];

    memset(key1, 0x0b, sizeof(key1));
    memset(key6, 0xaa, sizeof(key6));
    ko_hash_hmac_sha256(key1, sizeof(key1), "Hi There", 8, out);
    ko_hex_encode(out, 32, hex);
    assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    ko_hash_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    ko_hex_encode(out, 32, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    ko_hash_hmac_sha256(key6, sizeof(key6), text, strlen(text), out);
    ko_hex_encode(out, 32, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void hex_decodes_exactly(void **state)
{
    (void)state;
    uint8_t out[3] = {9, 9, 9};
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_hex_decode(KO_STR("00ff7a"), out, 3, &err), 0);
    assert_memory_equal(out, "\x00\xff\x7a", 3);
    static const char *const bad[] = {"",       "00ff7",  "00ff7a0", "00ff7a00",
                                      "00FF7a", "00ff7g", "0x00ff"};
    for (size_t i = 0; i < KO_ARRAY_LEN(bad); i++) {
        assert_int_equal(ko_hex_decode(ko_str_of(bad[i]), out, 3, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_memory_equal(out, "\x00\xff\x7a", 3);
    }
}

/* RFC 4648 section 10. */
static const struct {
    const char *plain, *padded, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "-_-_"},
};

static void base64_goes_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < KO_ARRAY_LEN(vectors); i++) {
        const char *plain = vectors[i].plain;
        ko_autobuf a, b, c, d;
        ko_buf_init(&a, 100);
        ko_buf_init(&b, 100);
        ko_buf_init(&c, 100);
        ko_buf_init(&d, 100);
        assert_int_equal(ko_base64_encode(plain, strlen(plain), &a), 0);
        assert_string_equal(a.data, vectors[i].padded);
        assert_int_equal(ko_base64url_encode(plain, strlen(plain), &b), 0);
        assert_string_equal(b.data, vectors[i].url);
        assert_int_equal(ko_base64_decode(ko_buf_str(&a), &c, NULL), 0);
        assert_string_equal(c.data, plain);
        assert_int_equal(ko_base64url_decode(ko_buf_str(&b), &d, NULL), 0);
        assert_string_equal(d.data, plain);
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",        "Zg",   "Zg=",   "Zg===", "=",      "====",
                                      "Zg==Zg==", "Zh==", "Zm9=",  "Zm 8=", "Zm8=\n", "Zm8",
                                      "-_-_",     "Z===", "Zm9v=", "Z=9v"};
    static const char *const bad_url[] = {"Z", "Zg==", "Zh", "Zm9", "+/+/", "Zm9v ", "Zm9vY"};
    ko_err err = KO_ERR_INIT;
    ko_autobuf out;

    ko_buf_init(&out, 100);
    assert_int_equal(ko_buf_put_text(&out, "before"), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(bad); i++) {
        if (ko_base64_decode(ko_str_of(bad[i]), &out, &err) != -1)
            fail_msg("%s", bad[i]);
        assert_int_equal(err.code, KO_E_INVALID);
    }
    for (size_t i = 0; i < KO_ARRAY_LEN(bad_url); i++)
        if (ko_base64url_decode(ko_str_of(bad_url[i]), &out, &err) != -1)
            fail_msg("%s", bad_url[i]);
    assert_string_equal(out.data, "before");
}

static void base64_respects_the_maximum(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;
    ko_autobuf out;

    ko_buf_init(&out, 5);
    assert_int_equal(ko_base64_decode(KO_STR("Zm9vYmFy"), &out, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
    assert_int_equal(ko_base64_encode("foobar", 6, &out), -1);
    assert_int_equal(out.len, 0);
}

static void equality_sees_the_last_byte(void **state)
{
    (void)state;
    assert_true(ko_hash_equal("abcd", "abcd", 4));
    assert_false(ko_hash_equal("abcd", "abce", 4));
    assert_true(ko_hash_equal(NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),
        cmocka_unit_test(a_hash_can_be_looked_at_and_go_on),
        cmocka_unit_test(hmac_sha256_has_the_rfc_4231_values),
        cmocka_unit_test(hex_decodes_exactly),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(base64_respects_the_maximum),
        cmocka_unit_test(equality_sees_the_last_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
