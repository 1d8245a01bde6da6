/* storage/blob_fs.c: the blob store in a directory.
 *
 *     blobs/<alg>/<2 hex>/<hex>    live blobs, served
 *     uploads/<id>                 staging areas
 *     quarantine/<alg>-<hex>       hidden blobs, on their way out
 *
 * All three lie in one file system, so that a file changes its place by link and rename alone and
 * no half-written file is ever seen under a digest. Publishing is: flush the file's data, link it
 * into place, flush the directory it was linked into. The order matters: a name that survives a
 * power cut always has its bytes. Whoever finds the name taken has the same duty to flush the
 * directory before answering "stored", because the one who took it may not have come to it yet.
 *
 * Publishing links and does not rename: the staging area stays until the database knows the blob,
 * so that a failed or interrupted commit can be repeated. From the link on the two names share one
 * file, hence a published stage is sealed, also when a later process opens it (two links).
 *
 * A flush that failed is never tried again on the same data: the kernel forgets the dirty pages it
 * could not write, and a second fsync would lie.
 *
 * Nothing here locks between threads but the grouping of directory flushes; link and rename are
 * what serialises publishers of one digest. */
#include "storage/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "storage/blob_priv.h"
#include "storage/dirsync.h"

#define ALGS          2
#define PREFIXES      256
#define WRITE_BEHIND  (8 * KO_MIB) /* flush of the staged bytes is begun every so many */
#define PATH_LIVE_MAX (3 + 2 * KO_HASH_MAX + 1)
#define PATH_HELD_MAX KO_MAX_DIGEST

/* One directory of blobs whose hex digits begin alike; opened when first written to, and kept. */
typedef struct {
    ko_dirsync sync;
    pthread_mutex_t lock; /* for fd */
    int fd;               /* -1: not opened yet */
} prefix_dir;

typedef struct {
    ko_blob_store base;
    ko_blob_sync sync;
    int root_fd;
    int blobs_fd;
    int alg_fd[ALGS];
    int uploads_fd;
    int quarantine_fd;
    prefix_dir dirs[ALGS][PREFIXES];
} fs_store;

typedef struct {
    ko_blob_stage base;
    int fd;
    uint64_t flushing; /* writing out was begun up to here */
    bool lost;         /* a flush failed: these bytes can never be trusted */
} fs_stage;

static fs_store *store_of(ko_blob_store *base)
{
    return KO_CONTAINER(base, fs_store, base);
}

static fs_stage *stage_of(ko_blob_stage *base)
{
    return KO_CONTAINER(base, fs_stage, base);
}

/* ---- Names ---- */

/* "ab/abcd...", below the algorithm's directory. */
static void live_path(const ko_digest *digest, char out[static PATH_LIVE_MAX])
{
    const char *hex = ko_digest_hex(digest);

    (void)snprintf(out, PATH_LIVE_MAX, "%.2s/%s", hex, hex); /* fits: a digest's hex is bounded */
}

static void held_path(const ko_digest *digest, char out[static PATH_HELD_MAX])
{
    (void)snprintf(out, PATH_HELD_MAX, "%s-%s", ko_digest_alg_name(digest->alg),
                   ko_digest_hex(digest)); /* as long as the digest itself */
}

static unsigned hex_value(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static prefix_dir *dir_of(fs_store *store, const ko_digest *digest)
{
    const char *hex = ko_digest_hex(digest);

    return &store->dirs[digest->alg][hex_value(hex[0]) * 16 + hex_value(hex[1])];
}

/* ---- Directories and their flushing ---- */

/* Opens `name` below `parent`, making it when missing. */
static int open_subdir(const fs_store *store, int parent, const char *name, int *out, ko_err *err)
{
    if (mkdirat(parent, name, 0700) == 0) {
        if (store->sync == KO_SYNC_ALWAYS && ko_fd_sync(parent, err) < 0)
            return ko_err_ctx(err, "make directory %s", name);
    } else if (errno != EEXIST) {
        return ko_err_sys(err, "make directory %s", name);
    }
    int fd = ko_fd_openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
    if (fd < 0)
        return -1;
    *out = fd;
    return 0;
}

/* The descriptor of the digest's directory, which is made when missing. */
static int prefix_open(fs_store *store, const ko_digest *digest, int *out, ko_err *err)
{
    prefix_dir *dir = dir_of(store, digest);
    char name[3];
    int rc = 0;

    (void)snprintf(name, sizeof(name), "%.2s", ko_digest_hex(digest)); /* fits: two digits */
    pthread_mutex_lock(&dir->lock);
    if (dir->fd < 0)
        rc = open_subdir(store, store->alg_fd[digest->alg], name, &dir->fd, err);
    *out = dir->fd;
    pthread_mutex_unlock(&dir->lock);
    return rc;
}

/* Makes the names in the digest's directory durable. */
static int prefix_sync(fs_store *store, const ko_digest *digest, ko_err *err)
{
    int fd;

    if (store->sync == KO_SYNC_NEVER)
        return 0;
    if (prefix_open(store, digest, &fd, err) < 0)
        return -1;
    return ko_dirsync_wait(&dir_of(store, digest)->sync, fd, err);
}

/* ---- Reading ---- */

static int fs_stat(ko_blob_store *base, const ko_digest *digest, uint64_t *out_bytes, ko_err *err)
{
    char path[PATH_LIVE_MAX];
    struct stat st;

    live_path(digest, path);
    if (fstatat(store_of(base)->alg_fd[digest->alg], path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ko_err_sys(err, "blob %s", digest->text);
    *out_bytes = (uint64_t)st.st_size;
    return 0;
}

static int open_file(const fs_store *store, int dirfd, const char *path, const ko_digest *digest,
                     ko_blob_reader **out, ko_err *err)
{
    uint64_t size;

    ko_autofd fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ko_err_sys(err, "blob %s", digest->text);
    if (ko_fd_size(fd, &size, err) < 0)
        return ko_err_ctx(err, "blob %s", digest->text);
    ko_blob_reader *reader = ko_new(ko_blob_reader);
    reader->ops = store->base.ops;
    reader->size_bytes = size;
    reader->fd = ko_steal_fd(&fd);
    *out = reader;
    return 0;
}

static int fs_open(ko_blob_store *base, const ko_digest *digest, ko_blob_reader **out, ko_err *err)
{
    const fs_store *store = store_of(base);
    char path[PATH_LIVE_MAX];

    live_path(digest, path);
    return open_file(store, store->alg_fd[digest->alg], path, digest, out, err);
}

static int fs_open_quarantined(ko_blob_store *base, const ko_digest *digest, ko_blob_reader **out,
                               ko_err *err)
{
    const fs_store *store = store_of(base);
    char path[PATH_HELD_MAX];

    held_path(digest, path);
    return open_file(store, store->quarantine_fd, path, digest, out, err);
}

static int read_exactly(int fd, void *into, size_t len, uint64_t offset, ko_err *err)
{
    size_t got;

    if (ko_fd_pread_full(fd, into, len, offset, &got, err) < 0)
        return -1;
    if (got != len)
        return ko_err_set(err, KO_E_CORRUPT, "file is shorter than its size");
    return 0;
}

static int fs_read(ko_blob_reader *reader, void *into, size_t len, uint64_t offset, ko_err *err)
{
    return read_exactly(reader->fd, into, len, offset, err);
}

static void fs_reader_free(ko_blob_reader *reader)
{
    ko_fd_close(reader->fd);
    free(reader);
}

/* ---- Staging ---- */

static int stage_make(ko_blob_store *base, const char *id, int flags, ko_blob_stage **out,
                      ko_err *err)
{
    struct stat st;

    ko_autofd fd =
        openat(store_of(base)->uploads_fd, id, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return ko_err_sys(err, "staging area %s", id);
    fs_stage *stage = ko_new(fs_stage);
    stage->base.store = base;
    stage->base.size_bytes = (uint64_t)st.st_size;
    stage->base.sealed = st.st_nlink > 1;
    (void)snprintf(stage->base.id, sizeof(stage->base.id), "%s", id);
    stage->flushing = stage->base.size_bytes;
    stage->fd = ko_steal_fd(&fd);
    *out = &stage->base;
    return 0;
}

static int fs_stage_new(ko_blob_store *base, const char *id, ko_blob_stage **out, ko_err *err)
{
    return stage_make(base, id, O_CREAT | O_EXCL, out, err);
}

static int fs_stage_open(ko_blob_store *base, const char *id, ko_blob_stage **out, ko_err *err)
{
    return stage_make(base, id, 0, out, err);
}

static void fs_stage_close(ko_blob_stage *base)
{
    fs_stage *stage = stage_of(base);

    ko_fd_close(stage->fd);
    free(stage);
}

/* Begins to write out what has gathered, without waiting, so that the flush at the end finds little
 * left to do. */
static void write_behind(fs_stage *stage, uint64_t end)
{
    if (store_of(stage->base.store)->sync == KO_SYNC_NEVER || end - stage->flushing < WRITE_BEHIND)
        return;
    /* A hint: its failure shows when the file is flushed. */
    (void)sync_file_range(stage->fd, (off_t)stage->flushing, (off_t)(end - stage->flushing),
                          SYNC_FILE_RANGE_WRITE);
    stage->flushing = end;
}

static int fs_stage_append(ko_blob_stage *base, const void *bytes, size_t len, ko_err *err)
{
    fs_stage *stage = stage_of(base);

    if (ko_fd_pwrite_all(stage->fd, bytes, len, base->size_bytes, err) < 0) {
        /* Part of it may be there, and the size of the file is the session's offset. */
        if (ftruncate(stage->fd, (off_t)base->size_bytes) < 0)
            return ko_err_ctx(err, "cannot take back a partial write");
        return -1;
    }
    write_behind(stage, base->size_bytes + len);
    return 0;
}

static int fs_stage_read(ko_blob_stage *base, void *into, size_t len, uint64_t offset, ko_err *err)
{
    return read_exactly(stage_of(base)->fd, into, len, offset, err);
}

static int stage_flush(fs_stage *stage, ko_err *err)
{
    if (store_of(stage->base.store)->sync == KO_SYNC_NEVER)
        return 0;
    if (stage->lost)
        return ko_err_set(err, KO_E_IO, "the bytes of %s could not be written", stage->base.id);
    if (ko_fd_sync_data(stage->fd, err) < 0) {
        stage->lost = true;
        return -1;
    }
    return 0;
}

/* Puts the staged file in the place of one whose size shows that it cannot be the blob. A file
 * replaces another only by rename, so it goes through a second name; a crash leaves that name as a
 * staging area nobody knows, for the reaper. */
static int replace_wrong(fs_store *store, const ko_blob_stage *base, const ko_digest *digest,
                         const char *path, ko_err *err)
{
    char second[KO_BLOB_STAGE_ID_MAX + 8];

    (void)snprintf(second, sizeof(second), "%s-again", base->id);
    if (linkat(store->uploads_fd, base->id, store->uploads_fd, second, 0) < 0 && errno != EEXIST)
        return ko_err_sys(err, "link %s", second);
    if (renameat(store->uploads_fd, second, store->alg_fd[digest->alg], path) < 0)
        return ko_err_sys(err, "replace a damaged blob");
    return 0;
}

/* Gives the staged file its name among the blobs. Each turn of the loop meets another state of the
 * name: its directory missing, the name free, taken, or taken away again by a quarantine. */
static int stage_link(fs_store *store, const ko_blob_stage *base, const ko_digest *digest,
                      ko_err *err)
{
    char path[PATH_LIVE_MAX];
    struct stat st;
    int to = store->alg_fd[digest->alg];
    int prefix_fd;

    live_path(digest, path);
    for (int attempt = 0; attempt < 4; attempt++) {
        if (linkat(store->uploads_fd, base->id, to, path, 0) == 0)
            return 0;
        if (errno == ENOENT && attempt == 0) {
            if (prefix_open(store, digest, &prefix_fd, err) < 0)
                return -1;
            continue;
        }
        if (errno != EEXIST)
            return ko_err_sys(err, "link %s", base->id);
        if (fstatat(to, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return (uint64_t)st.st_size == base->size_bytes
                       ? 0
                       : replace_wrong(store, base, digest, path, err);
        if (errno != ENOENT)
            return ko_err_sys(err, "stored blob");
    }
    return ko_err_set(err, KO_E_CONFLICT, "the stored blob comes and goes");
}

/* Is a blob of this digest and size there? Its bytes are flushed then, and ours are not needed. */
static bool is_stored(fs_store *store, const ko_blob_stage *base, const ko_digest *digest)
{
    uint64_t size;

    return fs_stat(&store->base, digest, &size, NULL) == 0 && size == base->size_bytes;
}

static int fs_stage_publish(ko_blob_stage *base, const ko_digest *digest, ko_err *err)
{
    fs_store *store = store_of(base->store);

    if (!is_stored(store, base, digest) &&
        (stage_flush(stage_of(base), err) < 0 || stage_link(store, base, digest, err) < 0))
        return -1;
    base->sealed = true;
    return prefix_sync(store, digest, err);
}

static int unlink_if_there(int dirfd, const char *path, ko_err *err)
{
    if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
        return ko_err_sys(err, "remove %s", path);
    return 0;
}

static int fs_stage_discard(ko_blob_store *base, const char *id, ko_err *err)
{
    return unlink_if_there(store_of(base)->uploads_fd, id, err);
}

/* ---- Removing ---- */

/* An upload that was published, hidden and published again has both names for one file, and rename
 * does nothing between two names of one file (POSIX): hence the unlink. It may take away a file
 * that is being published; whoever commits that one looks for it and publishes again (upload.c). */
static int fs_quarantine(ko_blob_store *base, const ko_digest *digest, ko_err *err)
{
    fs_store *store = store_of(base);
    char from[PATH_LIVE_MAX];
    char to[PATH_HELD_MAX];

    live_path(digest, from);
    held_path(digest, to);
    if (renameat(store->alg_fd[digest->alg], from, store->quarantine_fd, to) == 0)
        return unlink_if_there(store->alg_fd[digest->alg], from, err);
    return errno == ENOENT ? 0 : ko_err_sys(err, "rename");
}

static int fs_restore(ko_blob_store *base, const ko_digest *digest, ko_err *err)
{
    fs_store *store = store_of(base);
    char from[PATH_HELD_MAX];
    char to[PATH_LIVE_MAX];
    uint64_t size;

    held_path(digest, from);
    live_path(digest, to);
    bool moved = renameat2(store->quarantine_fd, from, store->alg_fd[digest->alg], to,
                           RENAME_NOREPLACE) == 0;
    if (!moved && errno != ENOENT && errno != EEXIST)
        return ko_err_sys(err, "rename");
    if (!moved && fs_stat(base, digest, &size, err) < 0)
        return -1;
    return prefix_sync(store, digest, err);
}

static int fs_purge(ko_blob_store *base, const ko_digest *digest, ko_err *err)
{
    char path[PATH_HELD_MAX];

    held_path(digest, path);
    return unlink_if_there(store_of(base)->quarantine_fd, path, err);
}

/* ---- Upkeep ---- */

typedef struct {
    ko_blob_where where;
    ko_hash_alg alg; /* of the directory being read, when where is LIVE */
    ko_blob_walk_fn *fn;
    void *arg;
} walk;

/* The digest a file name stands for; false for names that are none of ours. */
static bool name_digest(const walk *w, const char *name, ko_digest *out)
{
    char text[KO_MAX_DIGEST];
    size_t dash;

    int len = w->where == KO_BLOB_LIVE
                  ? snprintf(text, sizeof(text), "%s:%s", ko_digest_alg_name(w->alg), name)
                  : snprintf(text, sizeof(text), "%s", name);
    if (len < 0 || (size_t)len >= sizeof(text))
        return false;
    dash = ko_str_find_char(ko_str_of(text), '-');
    if (dash != SIZE_MAX)
        text[dash] = ':';
    return ko_digest_parse(ko_str_of(text), out, NULL) == 0;
}

static int walk_file(const walk *w, int dirfd, const char *name, ko_err *err)
{
    ko_digest digest;
    struct stat st;
    bool staged = w->where == KO_BLOB_STAGED;

    if (name[0] == '.' || (!staged && !name_digest(w, name, &digest)))
        return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : ko_err_sys(err, "%s", name); /* moved on meanwhile */
    if (!S_ISREG(st.st_mode))
        return 0;
    /* ctime, not mtime: link and rename set it, so it is when the file came to this place. */
    return w->fn(w->arg, staged ? NULL : &digest, staged ? name : NULL, (uint64_t)st.st_size,
                 st.st_ctim.tv_sec, err);
}

static int walk_dir(const walk *w, int parent, const char *name, ko_err *err)
{
    struct dirent *entry;
    int rc = 0;

    int fd = ko_fd_openat(parent, name, O_RDONLY | O_DIRECTORY, 0, err);
    if (fd < 0)
        return -1;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        ko_fd_close(fd);
        return ko_err_sys(err, "read directory %s", name);
    }
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        rc = walk_file(w, fd, entry->d_name, err);
    if (rc == 0 && errno != 0)
        rc = ko_err_sys(err, "read directory %s", name);
    closedir(dir);
    return rc;
}

static int walk_live(const fs_store *store, walk *w, ko_err *err)
{
    char name[3];

    for (unsigned alg = 0; alg < ALGS; alg++) {
        w->alg = (ko_hash_alg)alg;
        for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
            (void)snprintf(name, sizeof(name), "%02x", prefix);
            if (faccessat(store->alg_fd[alg], name, F_OK, 0) < 0 && errno == ENOENT)
                continue;
            if (walk_dir(w, store->alg_fd[alg], name, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int fs_walk(ko_blob_store *base, ko_blob_where where, ko_blob_walk_fn *fn, void *arg,
                   ko_err *err)
{
    const fs_store *store = store_of(base);
    walk w = {.where = where, .fn = fn, .arg = arg};

    switch (where) {
    case KO_BLOB_LIVE:
        return walk_live(store, &w, err);
    case KO_BLOB_QUARANTINED:
        return walk_dir(&w, store->quarantine_fd, ".", err);
    case KO_BLOB_STAGED:
        return walk_dir(&w, store->uploads_fd, ".", err);
    }
    return ko_err_set(err, KO_E_INVALID, "walk of an unknown place");
}

static int fs_space(ko_blob_store *base, uint64_t *free_bytes, uint64_t *total_bytes, ko_err *err)
{
    struct statvfs st;

    if (fstatvfs(store_of(base)->root_fd, &st) < 0)
        return ko_err_sys(err, "free space");
    *free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    *total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    return 0;
}

/* ---- Life ---- */

static void fs_store_free(ko_blob_store *base)
{
    fs_store *store = store_of(base);

    for (unsigned alg = 0; alg < ALGS; alg++) {
        for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
            prefix_dir *dir = &store->dirs[alg][prefix];
            ko_fd_close(dir->fd);
            ko_dirsync_done(&dir->sync);
            pthread_mutex_destroy(&dir->lock);
        }
        ko_fd_close(store->alg_fd[alg]);
    }
    ko_fd_close(store->quarantine_fd);
    ko_fd_close(store->uploads_fd);
    ko_fd_close(store->blobs_fd);
    ko_fd_close(store->root_fd);
    free(store);
}

static const ko_blob_ops fs_ops = {
    .store_free = fs_store_free,
    .stat = fs_stat,
    .open = fs_open,
    .read = fs_read,
    .reader_free = fs_reader_free,
    .stage_new = fs_stage_new,
    .stage_open = fs_stage_open,
    .stage_close = fs_stage_close,
    .stage_append = fs_stage_append,
    .stage_read = fs_stage_read,
    .stage_publish = fs_stage_publish,
    .stage_discard = fs_stage_discard,
    .quarantine = fs_quarantine,
    .restore = fs_restore,
    .open_quarantined = fs_open_quarantined,
    .purge = fs_purge,
    .walk = fs_walk,
    .space = fs_space,
};

static fs_store *store_blank(ko_blob_sync sync)
{
    fs_store *store = ko_new(fs_store);

    store->base.ops = &fs_ops;
    store->sync = sync;
    store->root_fd = store->blobs_fd = store->uploads_fd = store->quarantine_fd = -1;
    for (unsigned alg = 0; alg < ALGS; alg++) {
        store->alg_fd[alg] = -1;
        for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
            prefix_dir *dir = &store->dirs[alg][prefix];
            ko_dirsync_init(&dir->sync);
            pthread_mutex_init(&dir->lock, NULL);
            dir->fd = -1;
        }
    }
    return store;
}

/* Makes all directories of the common algorithm at the first start, which costs one flush instead
 * of one for each as it is first needed. The last one stands for all: it is made last. */
static int make_prefixes(const fs_store *store, ko_hash_alg alg, ko_err *err)
{
    char name[3] = "ff";

    if (faccessat(store->alg_fd[alg], name, F_OK, 0) == 0)
        return 0;
    for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
        (void)snprintf(name, sizeof(name), "%02x", prefix & 0xff);
        if (mkdirat(store->alg_fd[alg], name, 0700) < 0 && errno != EEXIST)
            return ko_err_sys(err, "make directory %s", name);
    }
    return store->sync == KO_SYNC_ALWAYS ? ko_fd_sync(store->alg_fd[alg], err) : 0;
}

static int store_layout(fs_store *store, const char *dir, ko_err *err)
{
    store->root_fd = ko_fd_open_dir(AT_FDCWD, dir, 0700, err);
    if (store->root_fd < 0 ||
        open_subdir(store, store->root_fd, "uploads", &store->uploads_fd, err) < 0 ||
        open_subdir(store, store->root_fd, "quarantine", &store->quarantine_fd, err) < 0 ||
        open_subdir(store, store->root_fd, "blobs", &store->blobs_fd, err) < 0)
        return -1;
    for (unsigned alg = 0; alg < ALGS; alg++)
        if (open_subdir(store, store->blobs_fd, ko_digest_alg_name((ko_hash_alg)alg),
                        &store->alg_fd[alg], err) < 0)
            return -1;
    return make_prefixes(store, KO_HASH_SHA256, err);
}

int ko_blob_fs_new(const char *dir, ko_blob_sync sync, ko_blob_store **out, ko_err *err)
{
    fs_store *store = store_blank(sync);

    if (store_layout(store, dir, err) < 0) {
        fs_store_free(&store->base);
        return ko_err_ctx(err, "blob store %s", dir);
    }
    *out = &store->base;
    return 0;
}
