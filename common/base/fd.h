/* common/base/fd.h: files by descriptor. Everything opens O_CLOEXEC; paths below a directory are
 * relative to its descriptor. EINTR is handled here.
 *
 * Threads: any. Blocks: yes, unless said otherwise. */
#ifndef KO_BASE_FD_H
#define KO_BASE_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* openat(2) with O_CLOEXEC added; -1 with the path in the error text. errors as ko_err_sys. */
KO_MUST_USE int ko_fd_openat(int dirfd, const char *path, int flags, mode_t mode, ko_err *err);
/* The directory, made with its parents when missing; AT_FDCWD allowed. Returns an O_PATH-free
 * descriptor that can be fsynced. */
KO_MUST_USE int ko_fd_open_dir(int dirfd, const char *path, mode_t mode, ko_err *err);
void ko_fd_close(int fd); /* accepts -1, preserves errno */

/* All bytes or an error. `pwrite_all` leaves the file offset alone. */
KO_MUST_USE int ko_fd_write_all(int fd, const void *bytes, size_t len, ko_err *err);
KO_MUST_USE int ko_fd_pwrite_all(int fd, const void *bytes, size_t len, uint64_t offset,
                                 ko_err *err);
/* Up to `len` bytes; fewer only at end of file. */
KO_MUST_USE int ko_fd_pread_full(int fd, void *bytes, size_t len, uint64_t offset, size_t *got,
                                 ko_err *err);
/* The rest of a file into `out`, which bounds it. errors TOO_LARGE, IO. */
KO_MUST_USE int ko_fd_read_all(int fd, ko_buf *out, ko_err *err);
/* A whole file by path. */
KO_MUST_USE int ko_fd_load(int dirfd, const char *path, ko_buf *out, ko_err *err);
/* A whole file replaced atomically: temporary, fsync, rename, fsync of the directory. */
KO_MUST_USE int ko_fd_store(int dirfd, const char *path, mode_t mode, ko_str bytes, ko_err *err);

KO_MUST_USE int ko_fd_size(int fd, uint64_t *out_bytes, ko_err *err);
KO_MUST_USE int ko_fd_sync(int fd, ko_err *err);      /* fsync */
KO_MUST_USE int ko_fd_sync_data(int fd, ko_err *err); /* fdatasync */
KO_MUST_USE int ko_fd_set_nonblocking(int fd, ko_err *err);

#endif
