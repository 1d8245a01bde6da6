/* The ballast: taken, given back once, not taken where there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "storage/ballast.h"
#include "tests/unit/storage/scratch.h"

static void it_is_taken_once_and_given_back_once(void **state)
{
    char *dir = scratch_new();
    ko_autoptr(ko_ballast) ballast = ko_ballast_new(dir);
    char path[256];
    struct stat st;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/ballast", dir);
    assert_false(ko_ballast_release(ballast));
    ko_ballast_fill(ballast);
    ko_ballast_fill(ballast);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 0);
    assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size); /* real space, no hole */
    assert_true(ko_ballast_release(ballast));
    assert_false(ko_ballast_release(ballast));
    assert_int_equal(stat(path, &st), -1);
    scratch_done(dir);
}

static void a_directory_that_is_gone_is_no_error(void **state)
{
    ko_autoptr(ko_ballast) ballast = ko_ballast_new("/nonexistent/registry");

    (void)state;
    ko_ballast_fill(ballast);
    assert_false(ko_ballast_release(ballast));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_taken_once_and_given_back_once),
        cmocka_unit_test(a_directory_that_is_gone_is_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
