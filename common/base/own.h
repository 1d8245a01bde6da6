/* common/base/own.h: ownership made visible: release by attribute, hand over by ko_steal().
 *
 *     ko_autoptr(ko_blob_reader) r = NULL;      freed at every return
 *     ...
 *     *out = ko_steal(&r);                      ownership moves here
 *
 * A type joins with KO_DEFINE_AUTOPTR(type, free_function) in its header; the free function
 * accepts NULL. Cleanup functions preserve errno. */
#ifndef KO_BASE_OWN_H
#define KO_BASE_OWN_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define KO_DEFINE_AUTOPTR(type, free_fn)                                                           \
    static inline void ko_autoptr_##type(type **p)                                                 \
    {                                                                                              \
        int saved = errno;                                                                         \
        (void)free_fn(*p);                                                                         \
        errno = saved;                                                                             \
    }                                                                                              \
    struct ko_swallow_semicolon

/* Local pointer that is freed when it leaves scope. */
#define ko_autoptr(type) __attribute__((cleanup(ko_autoptr_##type))) type *

/* For plain malloc memory. */
#define ko_autofree __attribute__((cleanup(ko_autofree_done)))
static inline void ko_autofree_done(void *p)
{
    int saved = errno;
    free(*(void **)p);
    errno = saved;
}

/* Local descriptor that is closed when it leaves scope; -1 means none. */
#define ko_autofd __attribute__((cleanup(ko_autofd_done))) int
void ko_autofd_done(int *fd);

/* Moves a pointer out of its variable, leaving NULL. */
#define ko_steal(pp)                                                                               \
    ({                                                                                             \
        __typeof__(pp) steal_from = (pp);                                                          \
        __typeof__(*steal_from) stolen = *steal_from;                                              \
        *steal_from = NULL;                                                                        \
        stolen;                                                                                    \
    })

/* Moves a descriptor out of its variable, leaving -1. */
static inline int ko_steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

/* The object that `member` at `ptr` is embedded in. */
#define KO_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KO_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Memory that must be there: aborts on exhaustion. A size that came from outside is checked against
 * limits.h first. ko_xrealloc_array checks the product. The result belongs to the caller: free().
 */
void *ko_xmalloc(size_t size);
void *ko_xcalloc(size_t count, size_t size);
void *ko_xrealloc_array(void *old, size_t count, size_t size);
char *ko_xstrdup(const char *text);

#define ko_new(type) ((type *)ko_xcalloc(1, sizeof(type)))

#endif
