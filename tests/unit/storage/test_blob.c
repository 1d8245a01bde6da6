/* The promises of storage/blob.h, kept by every back end: one suite, run for files and for memory;
 * then what only files can get wrong. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "storage/blob.h"
#include "tests/unit/storage/scratch.h"

#define MEM_MAX (16 * KO_MIB)

typedef struct {
    ko_blob_store *store;
    char *dir; /* NULL: memory */
} fixture;

static int setup_fs(void **state)
{
    fixture *f = ko_new(fixture);

    f->dir = scratch_new();
    assert_int_equal(ko_blob_fs_new(f->dir, KO_SYNC_ALWAYS, &f->store, NULL), 0);
    *state = f;
    return 0;
}

static int setup_mem(void **state)
{
    fixture *f = ko_new(fixture);

    f->store = ko_blob_mem_new(MEM_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    ko_blob_store_free(f->store);
    if (f->dir)
        scratch_done(f->dir);
    free(f);
    return 0;
}

static ko_blob_store *store_in(void **state)
{
    return ((fixture *)*state)->store;
}

static ko_digest digest_of(const char *text)
{
    ko_digest d;

    ko_digest_of(KO_HASH_SHA256, text, strlen(text), &d);
    return d;
}

/* Stages and publishes `text` and gives its digest. */
static ko_digest store_text(ko_blob_store *store, const char *id, const char *text)
{
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_digest d = digest_of(text);

    assert_int_equal(ko_blob_stage_new(store, id, &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, text, strlen(text), NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_int_equal(ko_blob_stage_discard(store, id, NULL), 0);
    return d;
}

static void assert_holds(ko_blob_store *store, const ko_digest *d, const char *text)
{
    ko_autoptr(ko_blob_reader) reader = NULL;
    char got[256];
    uint64_t size = 0;

    assert_int_equal(ko_blob_stat(store, d, &size, NULL), 0);
    assert_int_equal(size, strlen(text));
    assert_int_equal(ko_blob_open(store, d, &reader, NULL), 0);
    assert_int_equal(ko_blob_reader_size(reader), strlen(text));
    assert_int_equal(ko_blob_read(reader, got, strlen(text), 0, NULL), 0);
    assert_memory_equal(got, text, strlen(text));
}

static void assert_absent(ko_blob_store *store, const ko_digest *d)
{
    ko_blob_reader *reader = NULL;
    uint64_t size;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_blob_stat(store, d, &size, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    err = KO_ERR_INIT;
    assert_int_equal(ko_blob_open(store, d, &reader, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    assert_null(reader);
}

static int count_fn(void *arg, const ko_digest *digest, const char *stage_id, uint64_t size,
                    int64_t at_s, ko_err *err)
{
    (void)err;
    (void)size;
    assert_true((digest == NULL) != (stage_id == NULL));
    assert_true(at_s > 0);
    ++*(size_t *)arg;
    return 0;
}

static size_t count(ko_blob_store *store, ko_blob_where where)
{
    size_t n = 0;

    assert_int_equal(ko_blob_walk(store, where, count_fn, &n, NULL), 0);
    return n;
}

/* ---- Every back end ---- */

static void a_published_blob_is_found_by_digest(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_digest other = digest_of("other");
    ko_digest d = store_text(store, "up-1", "hello");

    assert_holds(store, &d, "hello");
    assert_absent(store, &other);
    assert_int_equal(count(store, KO_BLOB_LIVE), 1);
    assert_int_equal(count(store, KO_BLOB_STAGED), 0);
}

static void one_content_may_have_digests_of_both_algorithms(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_digest d256 = digest_of("both");
    ko_digest d512;

    ko_digest_of(KO_HASH_SHA512, "both", 4, &d512);
    assert_int_equal(ko_blob_stage_new(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "both", 4, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d256, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d512, NULL), 0);
    assert_holds(store, &d256, "both");
    assert_holds(store, &d512, "both");
    assert_int_equal(count(store, KO_BLOB_LIVE), 2);
}

static void an_empty_blob_is_a_blob(void **state)
{
    ko_digest d = store_text(store_in(state), "empty", "");

    assert_holds(store_in(state), &d, "");
}

static void a_read_past_the_end_is_invalid(void **state)
{
    static const struct {
        uint64_t offset;
        size_t len;
    } bad[] = {{0, 6}, {5, 1}, {6, 0}, {UINT64_MAX, 1}, {1, SIZE_MAX}};
    ko_digest d = store_text(store_in(state), "up", "hello");
    ko_autoptr(ko_blob_reader) reader = NULL;
    char got[8];

    assert_int_equal(ko_blob_open(store_in(state), &d, &reader, NULL), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(bad); i++) {
        ko_err err = KO_ERR_INIT;
        assert_int_equal(ko_blob_read(reader, got, bad[i].len, bad[i].offset, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
    }
    assert_int_equal(ko_blob_read(reader, got, 0, 5, NULL), 0);
    assert_int_equal(ko_blob_read(reader, got, 2, 3, NULL), 0);
    assert_memory_equal(got, "lo", 2);
}

static void publishing_twice_and_by_two_stages_is_success(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_digest d = store_text(store, "first", "same");

    assert_int_equal(ko_blob_stage_new(store, "second", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "same", 4, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_holds(store, &d, "same");
    assert_int_equal(count(store, KO_BLOB_LIVE), 1);
}

static void a_published_stage_cannot_grow(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_autoptr(ko_blob_stage) again = NULL;
    ko_err err = KO_ERR_INIT;
    ko_digest d = digest_of("abc");

    assert_int_equal(ko_blob_stage_new(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "abc", 3, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "d", 1, &err), -1);
    assert_int_equal(err.code, KO_E_CONFLICT);
    assert_int_equal(ko_blob_stage_open(store, "up", &again, NULL), 0);
    assert_int_equal(ko_blob_stage_append(again, "d", 1, NULL), -1);
    assert_holds(store, &d, "abc");
}

static void a_stage_is_found_again_with_its_bytes(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_digest d = digest_of("onetwo");
    char got[8];

    assert_int_equal(ko_blob_stage_new(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "one", 3, NULL), 0);
    stage = ko_blob_stage_close(stage);
    assert_int_equal(ko_blob_stage_open(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_size(stage), 3);
    assert_int_equal(ko_blob_stage_append(stage, "two", 3, NULL), 0);
    assert_int_equal(ko_blob_stage_read(stage, got, 4, 2, NULL), 0);
    assert_memory_equal(got, "etwo", 4);
    assert_int_equal(ko_blob_stage_read(stage, got, 5, 2, NULL), -1);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_holds(store, &d, "onetwo");
}

static void stages_have_names_of_their_own(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_blob_stage *none = NULL;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_blob_stage_new(store, "taken", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_new(store, "taken", &none, &err), -1);
    assert_int_equal(err.code, KO_E_EXISTS);
    assert_int_equal(ko_blob_stage_open(store, "unknown", &none, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    assert_int_equal(count(store, KO_BLOB_STAGED), 1);
    assert_int_equal(ko_blob_stage_discard(store, "taken", NULL), 0);
    assert_int_equal(ko_blob_stage_discard(store, "taken", NULL), 0);
    assert_int_equal(count(store, KO_BLOB_STAGED), 0);
}

static void ids_that_are_no_ids_are_invalid(void **state)
{
    static const char *const bad[] = {
        "",     ".",        "..",
        "../x", "a/b",      "a b",
        "a.b",  "\xc3\xa9", "a23456789012345678901234567890123456789012345678901234567890abcd"};

    for (size_t i = 0; i < KO_ARRAY_LEN(bad); i++) {
        ko_blob_stage *stage = NULL;
        ko_err err = KO_ERR_INIT;
        assert_int_equal(ko_blob_stage_new(store_in(state), bad[i], &stage, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_int_equal(ko_blob_stage_open(store_in(state), bad[i], &stage, NULL), -1);
        assert_int_equal(ko_blob_stage_discard(store_in(state), bad[i], NULL), -1);
    }
}

static void a_quarantined_blob_is_hidden_until_restored(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_digest d = store_text(store, "up", "hidden");

    assert_int_equal(ko_blob_quarantine(store, &d, NULL), 0);
    assert_int_equal(ko_blob_quarantine(store, &d, NULL), 0);
    assert_absent(store, &d);
    assert_int_equal(count(store, KO_BLOB_QUARANTINED), 1);
    assert_int_equal(ko_blob_restore(store, &d, NULL), 0);
    assert_int_equal(ko_blob_restore(store, &d, NULL), 0);
    assert_holds(store, &d, "hidden");
    assert_int_equal(count(store, KO_BLOB_QUARANTINED), 0);
}

/* On disk the stage, the blob and the hidden copy are then names of one file. */
static void a_blob_published_again_after_it_was_hidden_can_be_hidden_again(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_digest d;

    ko_digest_of(KO_HASH_SHA256, "twice", 5, &d);
    assert_int_equal(ko_blob_stage_new(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "twice", 5, NULL), 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
        assert_holds(store, &d, "twice");
        assert_int_equal(ko_blob_quarantine(store, &d, NULL), 0);
        assert_absent(store, &d);
        assert_int_equal(count(store, KO_BLOB_QUARANTINED), 1);
    }
}

static void a_quarantined_blob_can_be_read_without_being_brought_back(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_reader) reader = NULL;
    ko_digest d = store_text(store, "up", "look");
    ko_err err = KO_ERR_INIT;
    char bytes[4];

    assert_int_equal(ko_blob_open_quarantined(store, &d, &reader, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    assert_int_equal(ko_blob_quarantine(store, &d, NULL), 0);
    assert_int_equal(ko_blob_open_quarantined(store, &d, &reader, NULL), 0);
    assert_int_equal(ko_blob_reader_size(reader), 4);
    assert_int_equal(ko_blob_read(reader, bytes, 4, 0, NULL), 0);
    assert_memory_equal(bytes, "look", 4);
    assert_absent(store, &d);
}

static void a_purged_blob_is_gone_but_can_be_pushed_again(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_err err = KO_ERR_INIT;
    ko_digest d = store_text(store, "up", "gone");

    assert_int_equal(ko_blob_purge(store, &d, NULL), 0); /* live: purge does not touch it */
    assert_holds(store, &d, "gone");
    assert_int_equal(ko_blob_quarantine(store, &d, NULL), 0);
    assert_int_equal(ko_blob_purge(store, &d, NULL), 0);
    assert_int_equal(ko_blob_purge(store, &d, NULL), 0);
    assert_int_equal(ko_blob_restore(store, &d, &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    d = store_text(store, "up", "gone");
    assert_holds(store, &d, "gone");
}

static void a_reader_outlives_the_purge(void **state)
{
    ko_blob_store *store = store_in(state);
    ko_autoptr(ko_blob_reader) reader = NULL;
    char got[8];
    ko_digest d = store_text(store, "up", "read on");

    assert_int_equal(ko_blob_open(store, &d, &reader, NULL), 0);
    assert_int_equal(ko_blob_quarantine(store, &d, NULL), 0);
    assert_int_equal(ko_blob_purge(store, &d, NULL), 0);
    assert_int_equal(ko_blob_read(reader, got, 7, 0, NULL), 0);
    assert_memory_equal(got, "read on", 7);
}

static int stop_fn(void *arg, const ko_digest *digest, const char *stage_id, uint64_t size,
                   int64_t at_s, ko_err *err)
{
    (void)digest;
    (void)stage_id;
    (void)size;
    (void)at_s;
    ++*(size_t *)arg;
    return ko_err_set(err, KO_E_UNAVAILABLE, "enough");
}

static void a_walk_ends_when_its_visitor_says_so(void **state)
{
    ko_err err = KO_ERR_INIT;
    size_t n = 0;

    store_text(store_in(state), "a", "a");
    store_text(store_in(state), "b", "b");
    assert_int_equal(ko_blob_walk(store_in(state), KO_BLOB_LIVE, stop_fn, &n, &err), -1);
    assert_int_equal(n, 1);
    assert_int_equal(err.code, KO_E_UNAVAILABLE);
}

static void space_is_told(void **state)
{
    uint64_t available = 0;
    uint64_t total = 0;

    assert_int_equal(ko_blob_space(store_in(state), &available, &total, NULL), 0);
    assert_true(available > 0 && available <= total);
}

typedef struct {
    ko_blob_store *store;
    unsigned thread;
} publisher;

/* Every thread publishes the same blobs, and each is there as soon as publish has said so. */
static void *publish_many(void *arg)
{
    publisher *p = arg;
    char text[32];
    char id[32];

    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(id, sizeof(id), "t%u-%u", p->thread, i);
        (void)snprintf(text, sizeof(text), "content %u", i);
        ko_digest d = store_text(p->store, id, text);
        assert_holds(p->store, &d, text);
    }
    return NULL;
}

static void threads_publish_the_same_blobs_and_one_copy_stays(void **state)
{
    pthread_t threads[4];
    publisher args[4];

    for (unsigned i = 0; i < 4; i++) {
        args[i] = (publisher){store_in(state), i};
        assert_int_equal(pthread_create(&threads[i], NULL, publish_many, &args[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count(store_in(state), KO_BLOB_LIVE), 50);
    assert_int_equal(count(store_in(state), KO_BLOB_STAGED), 0);
}

/* ---- Memory ---- */

static void a_full_memory_store_says_no_space_and_keeps_what_it_has(void **state)
{
    ko_autoptr(ko_blob_store) store = ko_blob_mem_new(10);
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_err err = KO_ERR_INIT;

    (void)state;
    assert_int_equal(ko_blob_stage_new(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "12345678", 8, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "901", 3, &err), -1);
    assert_int_equal(err.code, KO_E_NO_SPACE);
    assert_int_equal(ko_blob_stage_size(stage), 8);
    assert_int_equal(ko_blob_stage_append(stage, "90", 2, NULL), 0);
    stage = ko_blob_stage_close(stage);
    assert_int_equal(ko_blob_stage_discard(store, "up", NULL), 0);
    assert_int_equal(ko_blob_stage_new(store, "up", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "1234567890", 10, NULL), 0);
}

/* ---- Files ---- */

static char *path_in(const fixture *f, const char *below)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, below);
    return ko_xstrdup(path);
}

static char *blob_path(const fixture *f, const ko_digest *d)
{
    char below[256];

    (void)snprintf(below, sizeof(below), "blobs/sha256/%.2s/%s", ko_digest_hex(d),
                   ko_digest_hex(d));
    return path_in(f, below);
}

static void blobs_outlive_the_process_and_nobody_else_may_read_them(void **state)
{
    fixture *f = *state;
    struct stat st;
    ko_digest d = store_text(f->store, "up", "kept");

    ko_blob_store_free(f->store);
    assert_int_equal(ko_blob_fs_new(f->dir, KO_SYNC_NEVER, &f->store, NULL), 0);
    assert_holds(f->store, &d, "kept");
    ko_autofree char *path = blob_path(f, &d);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_nlink, 1);
}

static void a_stored_file_of_the_wrong_size_is_replaced_by_the_next_push(void **state)
{
    fixture *f = *state;
    ko_digest d = store_text(f->store, "up", "whole blob");
    ko_autofree char *path = blob_path(f, &d);

    assert_int_equal(truncate(path, 4), 0);
    d = store_text(f->store, "up", "whole blob");
    assert_holds(f->store, &d, "whole blob");
    assert_int_equal(count(f->store, KO_BLOB_STAGED), 0);
}

static void a_file_cut_while_it_is_read_is_corrupt(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_blob_reader) reader = NULL;
    ko_err err = KO_ERR_INIT;
    char got[16];
    ko_digest d = store_text(f->store, "up", "whole blob");
    ko_autofree char *path = blob_path(f, &d);

    assert_int_equal(ko_blob_open(f->store, &d, &reader, NULL), 0);
    assert_int_equal(truncate(path, 4), 0);
    assert_int_equal(ko_blob_read(reader, got, 10, 0, &err), -1);
    assert_int_equal(err.code, KO_E_CORRUPT);
}

static void foreign_files_are_no_blobs(void **state)
{
    static const char *const foreign[] = {"blobs/sha256/ab/short", "quarantine/sha256-xy",
                                          "uploads/.hidden"};
    fixture *f = *state;

    for (size_t i = 0; i < KO_ARRAY_LEN(foreign); i++) {
        ko_autofree char *path = path_in(f, foreign[i]);
        ko_autofd fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
    }
    assert_int_equal(count(f->store, KO_BLOB_LIVE), 0);
    assert_int_equal(count(f->store, KO_BLOB_QUARANTINED), 0);
    assert_int_equal(count(f->store, KO_BLOB_STAGED), 0);
}

static void a_directory_that_cannot_be_made_is_an_error(void **state)
{
    ko_blob_store *store = NULL;
    ko_err err = KO_ERR_INIT;

    (void)state;
    assert_int_equal(ko_blob_fs_new("/proc/no/such", KO_SYNC_NEVER, &store, &err), -1);
    assert_null(store);
    assert_true(err.code != KO_E_NONE);
}

/* Runs in a child with a mount namespace of its own: exit code 0 passed, 77 not possible here. */
static int fill_small_disk(const char *dir)
{
    ko_blob_store *store = NULL;
    ko_blob_stage *stage = NULL;
    ko_err err = KO_ERR_INIT;
    static char block[64 * 1024];
    uint64_t size;
    ko_digest d;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=512k") < 0)
        return 77;
    if (ko_blob_fs_new(dir, KO_SYNC_ALWAYS, &store, &err) < 0 ||
        ko_blob_stage_new(store, "up", &stage, &err) < 0)
        return 1;
    memset(block, 'x', sizeof(block));
    while (ko_blob_stage_append(stage, block, sizeof(block), &err) == 0)
        ;
    size = ko_blob_stage_size(stage);
    if (err.code != KO_E_NO_SPACE || size == 0 || size % sizeof(block) != 0)
        return 2;
    stage = ko_blob_stage_close(stage);
    if (ko_blob_stage_open(store, "up", &stage, &err) < 0 || ko_blob_stage_size(stage) != size)
        return 3; /* a part of a failed append was left */
    stage = ko_blob_stage_close(stage);
    if (ko_blob_stage_discard(store, "up", &err) < 0)
        return 4;
    if (ko_blob_stage_new(store, "up", &stage, &err) < 0 ||
        ko_blob_stage_append(stage, block, sizeof(block), &err) < 0)
        return 5; /* room again */
    ko_digest_of(KO_HASH_SHA256, block, sizeof(block), &d);
    if (ko_blob_stage_publish(stage, &d, &err) < 0 || ko_blob_stat(store, &d, &size, &err) < 0)
        return 6;
    ko_blob_stage_close(stage);
    ko_blob_store_free(store);
    return 0;
}

static void a_full_disk_says_no_space_leaves_nothing_and_recovers(void **state)
{
    char *dir = scratch_new();
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_small_disk(dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    scratch_done(dir);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: needs the right to mount a tmpfs in a namespace of its own\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define EVERY_BACK_END(T)                                                                          \
    T(a_published_blob_is_found_by_digest), T(one_content_may_have_digests_of_both_algorithms),    \
        T(an_empty_blob_is_a_blob), T(a_read_past_the_end_is_invalid),                             \
        T(publishing_twice_and_by_two_stages_is_success), T(a_published_stage_cannot_grow),        \
        T(a_stage_is_found_again_with_its_bytes), T(stages_have_names_of_their_own),               \
        T(ids_that_are_no_ids_are_invalid), T(a_quarantined_blob_is_hidden_until_restored),        \
        T(a_blob_published_again_after_it_was_hidden_can_be_hidden_again),                         \
        T(a_quarantined_blob_can_be_read_without_being_brought_back),                              \
        T(a_purged_blob_is_gone_but_can_be_pushed_again), T(a_reader_outlives_the_purge),          \
        T(a_walk_ends_when_its_visitor_says_so), T(space_is_told),                                 \
        T(threads_publish_the_same_blobs_and_one_copy_stays)

#define FS(test)  cmocka_unit_test_setup_teardown(test, setup_fs, teardown)
#define MEM(test) cmocka_unit_test_setup_teardown(test, setup_mem, teardown)

int main(void)
{
    const struct CMUnitTest fs[] = {
        EVERY_BACK_END(FS),
        FS(blobs_outlive_the_process_and_nobody_else_may_read_them),
        FS(a_stored_file_of_the_wrong_size_is_replaced_by_the_next_push),
        FS(a_file_cut_while_it_is_read_is_corrupt),
        FS(foreign_files_are_no_blobs),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_an_error),
        cmocka_unit_test(a_full_disk_says_no_space_leaves_nothing_and_recovers),
    };
    const struct CMUnitTest mem[] = {
        EVERY_BACK_END(MEM),
        cmocka_unit_test(a_full_memory_store_says_no_space_and_keeps_what_it_has),
    };
    int failed = cmocka_run_group_tests_name("files", fs, NULL, NULL);

    return failed + cmocka_run_group_tests_name("memory", mem, NULL, NULL);
}
