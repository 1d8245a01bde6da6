/* Ownership: what leaves scope is released, what is stolen is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/own.h"

static int freed;

typedef struct {
    int x;
} thing;

static thing *thing_free(thing *t)
{
    if (t)
        freed++;
    errno = EBADF;
    free(t);
    return NULL;
}
KO_DEFINE_AUTOPTR(thing, thing_free);

static thing *maybe(int steal)
{
    ko_autoptr(thing) t = ko_new(thing);

    return steal ? ko_steal(&t) : NULL;
}

static void an_auto_pointer_is_freed_once_unless_stolen(void **state)
{
    (void)state;
    freed = 0;
    assert_null(maybe(0));
    assert_int_equal(freed, 1);
    ko_autoptr(thing) mine = maybe(1);
    assert_non_null(mine);
    assert_int_equal(freed, 1);
}

static void cleanup_preserves_errno(void **state)
{
    (void)state;
    errno = ENOSPC;
    assert_null(maybe(0));
    assert_int_equal(errno, ENOSPC);
}

static int open_and_forget(int steal)
{
    ko_autofd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return steal ? ko_steal_fd(&fd) : fd;
}

static void an_auto_descriptor_is_closed_unless_stolen(void **state)
{
    (void)state;
    int fd = open_and_forget(0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = open_and_forget(1);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(close(fd), 0);
}

static void the_container_of_a_member_is_found(void **state)
{
    (void)state;
    struct outer {
        int a;
        thing inner;
    } o;

    assert_ptr_equal(KO_CONTAINER(&o.inner, struct outer, inner), &o);
}

static void empty_sizes_give_memory_that_can_be_freed(void **state)
{
    (void)state;
    ko_autofree void *a = ko_xmalloc(0);
    ko_autofree void *b = ko_xcalloc(0, 8);
    ko_autofree void *c = ko_xrealloc_array(NULL, 0, 4);
    ko_autofree char *d = ko_xstrdup("");

    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_string_equal(d, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_auto_pointer_is_freed_once_unless_stolen),
        cmocka_unit_test(cleanup_preserves_errno),
        cmocka_unit_test(an_auto_descriptor_is_closed_unless_stolen),
        cmocka_unit_test(the_container_of_a_member_is_found),
        cmocka_unit_test(empty_sizes_give_memory_that_can_be_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
