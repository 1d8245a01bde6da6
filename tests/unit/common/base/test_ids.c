/* Random identifiers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/ids.h"

static void uuids_have_the_form_of_version_4(void **state)
{
    (void)state;
    char last[KO_IDS_UUID_MAX] = "";

    for (int i = 0; i < 100; i++) {
        char id[KO_IDS_UUID_MAX];
        ko_ids_uuid(id);
        assert_int_equal(strlen(id), 36);
        for (size_t at = 0; at < 36; at++) {
            if (at == 8 || at == 13 || at == 18 || at == 23)
                assert_int_equal(id[at], '-');
            else
                assert_non_null(strchr("0123456789abcdef", id[at]));
        }
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
        assert_string_not_equal(id, last);
        memcpy(last, id, sizeof(id));
    }
}

static void request_ids_are_16_digits_and_differ(void **state)
{
    (void)state;
    char a[KO_IDS_REQUEST_MAX], b[KO_IDS_REQUEST_MAX];

    ko_ids_request(a);
    ko_ids_request(b);
    assert_int_equal(strlen(a), 16);
    assert_int_equal(strspn(b, "0123456789abcdef"), 16);
    assert_string_not_equal(a, b);
}

static void random_bytes_fill_large_and_empty_places(void **state)
{
    (void)state;
    unsigned char big[1000] = {0};
    size_t zeros = 0;

    ko_ids_random(big, sizeof(big));
    for (size_t i = 0; i < sizeof(big); i++)
        zeros += big[i] == 0;
    assert_true(zeros < 100);
    ko_ids_random(big, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids_have_the_form_of_version_4),
        cmocka_unit_test(request_ids_are_16_digits_and_differ),
        cmocka_unit_test(random_bytes_fill_large_and_empty_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
