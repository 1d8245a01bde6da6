/* common/base/fd.c: descriptors. EINTR is retried everywhere but in close(2), where Linux has
 * closed the descriptor already.
 *
 * ko_fd_store(): temporary file in the same directory, fsync of its data, rename, fsync of the
 * directory. In that order a crash leaves the old file or the new one, never a mixture. */
#include "common/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/ids.h"
#include "common/base/own.h"

#define READ_STEP ((size_t)64 * 1024)

int ko_fd_openat(int dirfd, const char *path, int flags, mode_t mode, ko_err *err)
{
    int fd;

    do
        fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return ko_err_sys(err, "open %s", path);
    return fd;
}

/* Makes every missing directory of `path`, as mkdir -p does. */
static int make_dirs(int dirfd, const char *path, mode_t mode, ko_err *err)
{
    ko_autofree char *part = ko_xstrdup(path);

    for (char *slash = part + 1; part[0] && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdirat(dirfd, part, mode) < 0 && errno != EEXIST)
            return ko_err_sys(err, "make directory %s", part);
        *slash = '/';
    }
    if (mkdirat(dirfd, path, mode) < 0 && errno != EEXIST)
        return ko_err_sys(err, "make directory %s", path);
    return 0;
}

int ko_fd_open_dir(int dirfd, const char *path, mode_t mode, ko_err *err)
{
    ko_err first = KO_ERR_INIT;
    int fd = ko_fd_openat(dirfd, path, O_RDONLY | O_DIRECTORY, 0, &first);

    if (fd >= 0)
        return fd;
    if (first.code != KO_E_NOT_FOUND) {
        if (err)
            *err = first;
        return -1;
    }
    if (make_dirs(dirfd, path, mode, err) < 0)
        return -1;
    return ko_fd_openat(dirfd, path, O_RDONLY | O_DIRECTORY, 0, err);
}

void ko_fd_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        (void)close(fd); /* data that must last was fsynced before */
    errno = saved;
}

int ko_fd_write_all(int fd, const void *bytes, size_t len, ko_err *err)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ko_err_sys(err, "write");
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int check_offset(uint64_t offset, size_t len, ko_err *err)
{
    uint64_t end;

    if (ko_add_u64(offset, len, &end, err) < 0)
        return -1;
    if (end > INT64_MAX)
        return ko_err_set(err, KO_E_TOO_LARGE, "file offset");
    return 0;
}

int ko_fd_pwrite_all(int fd, const void *bytes, size_t len, uint64_t offset, ko_err *err)
{
    const char *at = bytes;

    if (check_offset(offset, len, err) < 0)
        return -1;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ko_err_sys(err, "write");
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int ko_fd_pread_full(int fd, void *bytes, size_t len, uint64_t offset, size_t *got, ko_err *err)
{
    char *at = bytes;
    size_t have = 0;

    if (check_offset(offset, len, err) < 0)
        return -1;
    while (have < len) {
        ssize_t n = pread(fd, at + have, len - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ko_err_sys(err, "read");
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *got = have;
    return 0;
}

/* One read of at most READ_STEP bytes, one byte past the maximum at the most: so a file of exactly
 * the maximum is told from a longer one. Returns 1 at end of file. */
static int read_step(int fd, ko_buf *out, ko_err *err)
{
    size_t room = out->max - out->len;
    char probe;
    char *place = &probe;

    if (room > READ_STEP)
        room = READ_STEP;
    if (room > 0)
        place = ko_buf_reserve(out, room);
    ssize_t n = read(fd, place, room ? room : 1);
    if (n < 0)
        return errno == EINTR ? 0 : ko_err_sys(err, "read");
    if (n == 0)
        return 1;
    if (room == 0)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %zu bytes", out->max);
    ko_buf_added(out, (size_t)n);
    return 0;
}

int ko_fd_read_all(int fd, ko_buf *out, ko_err *err)
{
    int rc;

    do
        rc = read_step(fd, out, err);
    while (rc == 0);
    return rc < 0 ? -1 : 0;
}

int ko_fd_load(int dirfd, const char *path, ko_buf *out, ko_err *err)
{
    ko_autofd fd = ko_fd_openat(dirfd, path, O_RDONLY | O_NOCTTY, 0, err);

    if (fd < 0)
        return -1;
    if (ko_fd_read_all(fd, out, err) < 0)
        return ko_err_ctx(err, "%s", path);
    return 0;
}

/* Fsyncs the directory that holds `path`. */
static int sync_parent(int dirfd, const char *path, ko_err *err)
{
    size_t slash = ko_str_rfind_char(ko_str_of(path), '/');
    ko_autofree char *parent = ko_xstrdup(slash == SIZE_MAX ? "." : path);

    if (slash != SIZE_MAX)
        parent[slash > 0 ? slash : 1] = '\0'; /* the parent of "/x" is "/" */
    ko_autofd dir = ko_fd_openat(dirfd, parent, O_RDONLY | O_DIRECTORY, 0, err);
    if (dir < 0)
        return -1;
    return ko_fd_sync(dir, err);
}

static int write_new(int dirfd, const char *path, mode_t mode, ko_str bytes, ko_err *err)
{
    ko_autofd fd = ko_fd_openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL, mode, err);

    if (fd < 0)
        return -1;
    if (ko_fd_write_all(fd, bytes.ptr, bytes.len, err) < 0)
        return -1;
    return ko_fd_sync(fd, err);
}

int ko_fd_store(int dirfd, const char *path, mode_t mode, ko_str bytes, ko_err *err)
{
    char id[KO_IDS_UUID_MAX];
    ko_autobuf temp;

    ko_ids_uuid(id);
    ko_buf_init(&temp, 8192);
    (void)ko_buf_printf(&temp, "%s.%s", path, id); /* checked by the next line */
    if (ko_buf_ok(&temp, err) < 0)
        return ko_err_ctx(err, "path");
    int rc = write_new(dirfd, temp.data, mode, bytes, err);
    if (rc == 0 && renameat(dirfd, temp.data, dirfd, path) < 0)
        rc = ko_err_sys(err, "rename");
    if (rc < 0) {
        (void)unlinkat(dirfd, temp.data, 0); /* may never have been made */
        return ko_err_ctx(err, "store %s", path);
    }
    if (sync_parent(dirfd, path, err) < 0)
        return ko_err_ctx(err, "store %s", path);
    return 0;
}

int ko_fd_size(int fd, uint64_t *out_bytes, ko_err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return ko_err_sys(err, "stat");
    *out_bytes = (uint64_t)st.st_size;
    return 0;
}

int ko_fd_sync(int fd, ko_err *err)
{
    int rc;

    do
        rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? ko_err_sys(err, "fsync") : 0;
}

int ko_fd_sync_data(int fd, ko_err *err)
{
    int rc;

    do
        rc = fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? ko_err_sys(err, "fdatasync") : 0;
}

int ko_fd_set_nonblocking(int fd, ko_err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return ko_err_sys(err, "set non-blocking");
    return 0;
}
