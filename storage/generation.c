/* storage/generation.c: counters shared between processes.
 *
 * The file is only ever mapped, never read as data: its numbers mean nothing after the last process
 * has gone, they only have to differ from what a running one remembers. Its blocks are allocated
 * when it is made, because a first write to a hole of a mapped file on a full disk is a SIGBUS. */
#include "storage/generation.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "common/base/fd.h"
#include "storage/datafile.h"

typedef struct {
    _Atomic uint64_t rights;
    _Atomic uint64_t repos[KO_GENERATION_SLOTS];
} counters;

struct ko_generation {
    counters *shared;
};

static int map_file(const char *path, counters **out, ko_err *err)
{
    if (ko_datafile_make(path, err) < 0)
        return -1;
    ko_autofd fd = ko_fd_openat(AT_FDCWD, path, O_RDWR | O_NOFOLLOW, 0, err);
    if (fd < 0)
        return -1;
    int rc = posix_fallocate(fd, 0, sizeof(counters));
    if (rc != 0) {
        errno = rc;
        return ko_err_sys(err, "allocate %s", path);
    }
    void *at = mmap(NULL, sizeof(counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return ko_err_sys(err, "map %s", path);
    *out = at;
    return 0;
}

int ko_generation_open(const char *path, ko_generation **out, ko_err *err)
{
    ko_autoptr(ko_generation) gen = ko_new(ko_generation);

    if (path) {
        if (map_file(path, &gen->shared, err) < 0)
            return -1;
    } else {
        void *at = mmap(NULL, sizeof(counters), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);

        if (at == MAP_FAILED)
            return ko_err_sys(err, "map generations");
        gen->shared = at;
    }
    *out = ko_steal(&gen);
    return 0;
}

ko_generation *ko_generation_free(ko_generation *gen)
{
    if (gen && gen->shared)
        (void)munmap(gen->shared, sizeof(counters)); /* cannot fail for a mapping of ours */
    free(gen);
    return NULL;
}

/* FNV-1a: unkeyed, as every process must agree. Names that are made to collide only share a
 * counter, and lose cached entries a little more often. */
size_t ko_generation_slot(ko_str repo)
{
    uint64_t hash = 14695981039346656037ULL;

    for (size_t i = 0; i < repo.len; i++)
        hash = (hash ^ (uint8_t)repo.ptr[i]) * 1099511628211ULL;
    return (size_t)((hash ^ hash >> 32) & (KO_GENERATION_SLOTS - 1));
}

uint64_t ko_generation_get_repo(const ko_generation *gen, size_t slot)
{
    return atomic_load_explicit(&gen->shared->repos[slot], memory_order_acquire);
}

uint64_t ko_generation_get_rights(const ko_generation *gen)
{
    return atomic_load_explicit(&gen->shared->rights, memory_order_acquire);
}

void ko_generation_raise_repo(ko_generation *gen, size_t slot)
{
    (void)atomic_fetch_add_explicit(&gen->shared->repos[slot], 1, memory_order_acq_rel);
}

void ko_generation_raise_rights(ko_generation *gen)
{
    (void)atomic_fetch_add_explicit(&gen->shared->rights, 1, memory_order_acq_rel);
}
