/* tests/unit/storage/bed.h: a database, a blob store and upload sessions on a clock of the test's
 * own, with what tests of uploads, collection, scrubbing and checking do to them again and again.
 */
#ifndef KO_TESTS_STORAGE_BED_H
#define KO_TESTS_STORAGE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "storage/meta_blob.h"
#include "storage/upload.h"
#include "tests/unit/storage/scratch.h"

#define BED_LEASE_S 1000

typedef struct {
    char *dir; /* NULL: all in memory */
    ko_meta *meta;
    ko_blob_store *store;
    ko_uploads *uploads;
} bed;

/* The tests' wall clock, seconds. */
static _Atomic int64_t bed_now_s;

static inline int64_t bed_now(void)
{
    return bed_now_s;
}

static inline void bed_open(bed *b)
{
    static const ko_uploads_options options = {.lease_s = BED_LEASE_S, .now_s = bed_now};

    if (b->dir) {
        assert_int_equal(ko_meta_open_sqlite(b->dir, &b->meta, NULL), 0);
        assert_int_equal(ko_blob_fs_new(b->dir, KO_SYNC_NEVER, &b->store, NULL), 0);
    } else {
        assert_int_equal(ko_meta_open_memory(&b->meta, NULL), 0);
        b->store = ko_blob_mem_new(16 * KO_MIB);
    }
    b->uploads = ko_uploads_new(b->store, b->meta, &options);
}

static inline void bed_close(bed *b)
{
    b->uploads = ko_uploads_free(b->uploads);
    b->store = ko_blob_store_free(b->store);
    b->meta = ko_meta_free(b->meta);
}

static inline int bed_add_repo(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_meta_repo repo;

    return ko_meta_repo_add(tx, ko_str_of(arg), KO_META_PRIVATE, bed_now_s, &repo, err);
}

static inline void bed_repo(bed *b, const char *name)
{
    char copy[64];

    (void)snprintf(copy, sizeof(copy), "%s", name);
    assert_int_equal(ko_meta_write(b->meta, KO_META_LAZY, bed_add_repo, copy, NULL), 0);
}

/* A bed with the repositories "lab/a" and "lab/b". */
static inline bed *bed_new(bool on_disk)
{
    bed *b = ko_new(bed);

    bed_now_s = ko_clock_wall_s();
    if (on_disk)
        b->dir = scratch_new();
    bed_open(b);
    bed_repo(b, "lab/a");
    bed_repo(b, "lab/b");
    return b;
}

static inline int bed_setup_disk(void **state)
{
    *state = bed_new(true);
    return 0;
}

static inline int bed_setup_memory(void **state)
{
    *state = bed_new(false);
    return 0;
}

static inline int bed_teardown(void **state)
{
    bed *b = *state;

    bed_close(b);
    if (b->dir)
        scratch_done(b->dir);
    free(b);
    return 0;
}

static inline ko_digest bed_digest(const char *text)
{
    ko_digest d;

    ko_digest_of(KO_HASH_SHA256, text, strlen(text), &d);
    return d;
}

/* Pushes a small blob, and gives its digest. */
static inline ko_digest bed_push(bed *b, const char *repo, const char *text)
{
    ko_digest d = bed_digest(text);

    assert_int_equal(
        ko_upload_once(b->uploads, ko_str_of(repo), &d, text, strlen(text), NULL, NULL, NULL), 0);
    return d;
}

typedef struct {
    const char *repo;
    const ko_digest *digest;
    ko_meta_link link;
} bed_link_args;

static inline int bed_find_link(ko_meta_tx *tx, void *arg, ko_err *err)
{
    bed_link_args *a = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, ko_str_of(a->repo), &repo, err) < 0)
        return -1;
    return ko_meta_blob_find(tx, repo.id, a->digest, &a->link, err);
}

/* Is the blob linked into the repository? With its lease. */
static inline bool bed_linked(bed *b, const char *repo, const ko_digest *d, int64_t *lease_until_s)
{
    bed_link_args args = {.repo = repo, .digest = d};

    if (ko_meta_read(b->meta, bed_find_link, &args, NULL) < 0)
        return false;
    if (lease_until_s)
        *lease_until_s = args.link.lease_until_s;
    return true;
}

static inline bool bed_stored(bed *b, const ko_digest *d)
{
    uint64_t size;

    return ko_blob_stat(b->store, d, &size, NULL) == 0;
}

static inline int bed_unlink_fn(ko_meta_tx *tx, void *arg, ko_err *err)
{
    bed_link_args *a = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, ko_str_of(a->repo), &repo, err) < 0)
        return -1;
    return ko_meta_blob_unlink(tx, &repo, a->digest, true, bed_now_s, err);
}

static inline int bed_unlink(bed *b, const char *repo, const ko_digest *d, ko_err *err)
{
    bed_link_args args = {.repo = repo, .digest = d};

    return ko_meta_write(b->meta, KO_META_LAZY, bed_unlink_fn, &args, err);
}

static inline int bed_count_fn(void *arg, const ko_digest *digest, const char *stage_id,
                               uint64_t size, int64_t at_s, ko_err *err)
{
    (void)digest;
    (void)stage_id;
    (void)size;
    (void)at_s;
    (void)err;
    ++*(size_t *)arg;
    return 0;
}

static inline size_t bed_count(bed *b, ko_blob_where where)
{
    size_t n = 0;

    assert_int_equal(ko_blob_walk(b->store, where, bed_count_fn, &n, NULL), 0);
    return n;
}

#endif
