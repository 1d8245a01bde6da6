/* storage/datafile.c: making shared files.
 *
 * By mknod, never by open: closing any descriptor of a file drops all POSIX locks of the process on
 * it, and a database's locks are all that keeps another process from taking itself for the last
 * user and deleting the log under us (sqlite.org/howtocorrupt.html, 2.2). */
#include "storage/datafile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int give_to_owner_of_directory(const char *path, ko_err *err)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];
    struct stat st;

    (void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1,
                   slash ? path : ".");
    if (stat(dir, &st) < 0 || lchown(path, st.st_uid, st.st_gid) < 0)
        return ko_err_sys(err, "change the owner of %s", path);
    return 0;
}

int ko_datafile_make(const char *path, ko_err *err)
{
    if (mknod(path, S_IFREG | 0600, 0) < 0)
        return errno == EEXIST ? 0 : ko_err_sys(err, "make %s", path);
    return geteuid() == 0 ? give_to_owner_of_directory(path, err) : 0;
}
