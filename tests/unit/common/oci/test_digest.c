/* Digests: parse, print, compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/oci/digest.h"

#define HEX64  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX128 HEX64 HEX64

static void well_formed_digests_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ko_hash_alg alg;
        size_t hex_len;
    } rows[] = {
        {"sha256:" HEX64, KO_HASH_SHA256, 64},
        {"sha512:" HEX128, KO_HASH_SHA512, 128},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_digest d;
        assert_int_equal(ko_digest_parse(ko_str_of(rows[i].text), &d, NULL), 0);
        assert_int_equal(d.alg, rows[i].alg);
        assert_string_equal(d.text, rows[i].text);
        assert_int_equal(strlen(ko_digest_hex(&d)), rows[i].hex_len);
    }
}

static void broken_digests_are_invalid_and_leave_the_output_alone(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        ":",
        "sha256",
        "sha256:",
        ":" HEX64,
        HEX64,
        "sha256:" HEX64 "0",
        "sha256: " HEX64,
        "sha256:" HEX64 "\n",
        "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85/",
        "sha256:" HEX128,
        "sha512:" HEX64,
        "SHA256:" HEX64,
        "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha384:" HEX64,
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:../../../../../../../../../../../../../../../../../../../../../../",
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_digest d = {.text = "untouched"};
        ko_err err = KO_ERR_INIT;
        assert_int_equal(ko_digest_parse(ko_str_of(rows[i]), &d, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_string_equal(d.text, "untouched");
    }
}

static void an_unregistered_algorithm_is_named_in_the_error(void **state)
{
    (void)state;
    ko_digest d;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_digest_parse(KO_STR("md5:00"), &d, &err), -1);
    assert_non_null(strstr(err.text, "md5"));
}

static void digests_of_bytes_and_of_a_running_hash_agree(void **state)
{
    (void)state;
    ko_digest once, running;
    ko_autoptr(ko_hash) hash = ko_hash_new(KO_HASH_SHA512);

    ko_digest_of(KO_HASH_SHA512, "abc", 3, &once);
    ko_hash_update(hash, "a", 1);
    ko_hash_update(hash, "bc", 2);
    ko_digest_of_hash(hash, &running);
    assert_true(ko_digest_eq(&once, &running));
    ko_digest_of(KO_HASH_SHA256, "", 0, &once);
    assert_string_equal(once.text, "sha256:" HEX64);
}

static void digests_that_differ_in_the_last_digit_are_not_equal(void **state)
{
    (void)state;
    ko_digest a, b;

    ko_digest_of(KO_HASH_SHA256, "", 0, &a);
    b = a;
    assert_true(ko_digest_eq(&a, &b));
    b.text[strlen(b.text) - 1] = '6';
    assert_false(ko_digest_eq(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_digests_parse),
        cmocka_unit_test(broken_digests_are_invalid_and_leave_the_output_alone),
        cmocka_unit_test(an_unregistered_algorithm_is_named_in_the_error),
        cmocka_unit_test(digests_of_bytes_and_of_a_running_hash_agree),
        cmocka_unit_test(digests_that_differ_in_the_last_digit_are_not_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
