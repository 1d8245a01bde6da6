/* common/base/own.c: memory that must be there. A registry that cannot get a few hundred bytes
 * cannot answer sensibly either: it says so and ends, and its supervisor starts it again. */
#include "common/base/own.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"

static _Noreturn void exhausted(void)
{
    static const char text[] = "out of memory\n";

    /* Nothing is left to be done when this write fails as well. */
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    abort();
}

void *ko_xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        exhausted();
    return p;
}

void *ko_xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        exhausted();
    return p;
}

void *ko_xrealloc_array(void *old, size_t count, size_t size)
{
    void *p = reallocarray(old, count ? count : 1, size ? size : 1);

    if (!p)
        exhausted();
    return p;
}

char *ko_xstrdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(ko_xmalloc(size), text, size);
}

void ko_autofd_done(int *fd)
{
    ko_fd_close(*fd);
}
