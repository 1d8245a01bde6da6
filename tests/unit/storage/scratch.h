/* tests/unit/storage/scratch.h: a fresh directory per test, removed with all that is in it. */
#ifndef KO_TESTS_STORAGE_SCRATCH_H
#define KO_TESTS_STORAGE_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/own.h"

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Makes it; the path belongs to the caller: scratch_done(). */
static inline char *scratch_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/kontor-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
    return ko_xstrdup(path);
}

static inline void scratch_done(char *path)
{
    (void)nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
