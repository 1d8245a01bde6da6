/* storage/ballast.c: see ballast.h. The size is that of the write-ahead log before it is
 * checkpointed (1000 pages), so that even a long run of deletes fits. */
#include "storage/ballast.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/limits.h"

#define BALLAST_BYTES (4 * KO_MIB)
#define ENOUGH_LEFT   4 /* times the ballast must be free before it is taken */

struct ko_ballast {
    char *path;
    char *dir;
};

ko_ballast *ko_ballast_new(const char *dir)
{
    ko_ballast *ballast = ko_new(ko_ballast);
    size_t size = strlen(dir) + sizeof("/ballast");

    ballast->dir = ko_xstrdup(dir);
    ballast->path = ko_xmalloc(size);
    (void)snprintf(ballast->path, size, "%s/ballast", dir);
    return ballast;
}

ko_ballast *ko_ballast_free(ko_ballast *ballast)
{
    if (!ballast)
        return NULL;
    free(ballast->path);
    free(ballast->dir);
    free(ballast);
    return NULL;
}

static bool is_there(const ko_ballast *ballast)
{
    struct stat st;

    return stat(ballast->path, &st) == 0 && (uint64_t)st.st_size == BALLAST_BYTES;
}

static bool is_affordable(const ko_ballast *ballast)
{
    struct statvfs fs;

    return statvfs(ballast->dir, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize >= ENOUGH_LEFT * BALLAST_BYTES;
}

void ko_ballast_fill(ko_ballast *ballast)
{
    if (is_there(ballast) || !is_affordable(ballast))
        return;
    ko_autofd fd =
        ko_fd_openat(AT_FDCWD, ballast->path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, NULL);
    if (fd >= 0 && posix_fallocate(fd, 0, (off_t)BALLAST_BYTES) != 0)
        (void)unlink(ballast->path); /* half a ballast would only be in the way */
}

bool ko_ballast_release(ko_ballast *ballast)
{
    return unlink(ballast->path) == 0;
}
