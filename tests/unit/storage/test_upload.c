/* Upload sessions, with files and SQLite and with everything in memory. */
#include "storage/upload.h"

#include <pthread.h>

#include "common/base/ids.h"
#include "storage/meta_upload.h"
#include "tests/unit/storage/bed.h"

#define A KO_STR("lab/a")

static ko_upload *begin(bed *b, ko_hash_alg alg)
{
    ko_upload *up = NULL;

    assert_int_equal(ko_upload_begin(b->uploads, A, 7, alg, KO_UPLOAD_RESUMABLE, &up, NULL), 0);
    return up;
}

static void append(ko_upload *up, const char *text)
{
    assert_int_equal(ko_upload_append(up, text, strlen(text), NULL), 0);
}

static ko_err_code append_code(ko_upload *up, const char *text)
{
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_upload_append(up, text, strlen(text), &err), -1);
    return err.code;
}

static ko_err_code finish_code(ko_upload *up, const ko_digest *d)
{
    ko_err err = KO_ERR_INIT;

    assert_int_equal(ko_upload_finish(up, d, NULL, NULL, &err), -1);
    return err.code;
}

/* Opens by an id copied before the session was released. */
static ko_upload *reopen(bed *b, const char *id)
{
    ko_upload *up = NULL;

    assert_int_equal(ko_upload_open(b->uploads, A, ko_str_of(id), &up, NULL), 0);
    return up;
}

static int find_code(bed *b, ko_str repo, const char *id)
{
    ko_upload_info info;
    ko_err err = KO_ERR_INIT;

    return ko_upload_find(b->uploads, repo, ko_str_of(id), &info, &err) < 0 ? (int)err.code : 0;
}

static void copy_id(const ko_upload *up, char out[static KO_IDS_UUID_MAX])
{
    (void)snprintf(out, KO_IDS_UUID_MAX, "%s", ko_upload_id(up));
}

/* ---- Sessions ---- */

static void bytes_of_many_requests_become_one_leased_blob(void **state)
{
    bed *b = *state;
    char id[KO_IDS_UUID_MAX];
    int64_t lease = 0;
    ko_digest d = bed_digest("one two three");

    ko_upload *up = begin(b, KO_HASH_SHA256);
    copy_id(up, id);
    ko_upload_release(up);
    up = reopen(b, id);
    append(up, "one ");
    append(up, "");
    ko_upload_release(up);
    up = reopen(b, id);
    assert_int_equal(ko_upload_offset(up), 4);
    append(up, "two three");
    assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
    ko_upload_release(up);

    assert_true(bed_linked(b, "lab/a", &d, &lease));
    assert_int_equal(lease, bed_now() + BED_LEASE_S);
    assert_false(bed_linked(b, "lab/b", &d, NULL));
    assert_true(bed_stored(b, &d));
    assert_int_equal(find_code(b, A, id), KO_E_NOT_FOUND);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

static void a_session_tells_its_state_held_or_not(void **state)
{
    bed *b = *state;
    ko_upload_info info;

    ko_upload *up = begin(b, KO_HASH_SHA512);
    append(up, "12345");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ko_upload_find(b->uploads, A, ko_str_of(ko_upload_id(up)), &info, NULL),
                         0);
        assert_string_equal(info.id, ko_upload_id(up));
        assert_string_equal(info.repo, "lab/a");
        assert_int_equal(info.offset, 5);
        assert_int_equal(info.account_id, 7);
        assert_int_equal(info.alg, KO_HASH_SHA512);
        if (round == 0)
            ko_upload_release(up);
    }
}

static void a_second_request_on_a_held_session_conflicts_and_changes_nothing(void **state)
{
    bed *b = *state;
    ko_upload *second = NULL;
    ko_err err = KO_ERR_INIT;
    size_t held = 0;
    size_t idle = 0;

    ko_upload *up = begin(b, KO_HASH_SHA256);
    append(up, "mine");
    assert_int_equal(ko_upload_open(b->uploads, A, ko_str_of(ko_upload_id(up)), &second, &err), -1);
    assert_int_equal(err.code, KO_E_CONFLICT);
    assert_null(second);
    ko_uploads_stats(b->uploads, &held, &idle);
    assert_int_equal(held, 1);
    assert_int_equal(idle, 0);
    assert_int_equal(ko_upload_offset(up), 4);
    ko_upload_release(up);
    ko_uploads_stats(b->uploads, &held, &idle);
    assert_int_equal(held, 0);
    assert_int_equal(idle, 1);
}

static void sessions_of_another_repository_or_of_nobody_are_unknown(void **state)
{
    static const char *const ids[] = {"", "x", "../../etc/passwd",
                                      "00000000-0000-4000-8000-000000000000",
                                      "00000000-0000-4000-8000-00000000000/"};
    bed *b = *state;
    ko_upload *none = NULL;

    ko_upload *up = begin(b, KO_HASH_SHA256);
    char id[KO_IDS_UUID_MAX];
    copy_id(up, id);
    ko_upload_release(up);
    assert_int_equal(find_code(b, KO_STR("lab/b"), id), KO_E_NOT_FOUND);
    assert_int_equal(ko_upload_open(b->uploads, KO_STR("lab/b"), ko_str_of(id), &none, NULL), -1);
    for (size_t i = 0; i < KO_ARRAY_LEN(ids); i++) {
        ko_err err = KO_ERR_INIT;
        assert_int_equal(find_code(b, A, ids[i]), KO_E_NOT_FOUND);
        assert_int_equal(ko_upload_open(b->uploads, A, ko_str_of(ids[i]), &none, &err), -1);
        assert_int_equal(err.code, KO_E_NOT_FOUND);
    }
    assert_int_equal(find_code(b, A, id), 0);
}

static void a_cancelled_session_is_gone_with_its_bytes(void **state)
{
    bed *b = *state;
    char id[KO_IDS_UUID_MAX];

    ko_upload *up = begin(b, KO_HASH_SHA256);
    copy_id(up, id);
    append(up, "never mind");
    assert_int_equal(ko_upload_cancel(up, NULL), 0);
    ko_upload_release(up);
    assert_int_equal(find_code(b, A, id), KO_E_NOT_FOUND);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

static void a_session_opened_only_to_learn_the_rights_leaves_no_file(void **state)
{
    bed *b = *state;

    ko_upload *up = begin(b, KO_HASH_SHA256);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
    assert_int_equal(ko_upload_cancel(up, NULL), 0);
    ko_upload_release(up);
}

static void an_upload_in_one_request_cannot_be_found_and_goes_when_broken_off(void **state)
{
    bed *b = *state;
    ko_upload *up = NULL;

    assert_int_equal(ko_upload_begin(b->uploads, A, 7, KO_HASH_SHA256, KO_UPLOAD_ONCE, &up, NULL),
                     0);
    append(up, "half of it");
    assert_int_equal(find_code(b, A, ko_upload_id(up)), KO_E_NOT_FOUND);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 1);
    ko_upload_release(up);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

static void bytes_over_the_limit_are_refused_and_the_session_lives(void **state)
{
    bed *b = *state;

    ko_upload *up = begin(b, KO_HASH_SHA256);
    ko_upload_limit(up, 6);
    append(up, "1234");
    assert_int_equal(append_code(up, "567"), KO_E_TOO_LARGE);
    assert_int_equal(ko_upload_offset(up), 4);
    append(up, "56");
    ko_digest d = bed_digest("123456");
    assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
    ko_upload_release(up);
}

static void unused_sessions_are_closed_and_found_again(void **state)
{
    static const ko_uploads_options few = {.idle_max = 2, .now_s = bed_now};
    bed *b = *state;
    char ids[5][KO_IDS_UUID_MAX];
    size_t held;
    size_t idle;

    ko_uploads_free(b->uploads);
    b->uploads = ko_uploads_new(b->store, b->meta, &few);
    for (size_t i = 0; i < 5; i++) {
        ko_upload *up = begin(b, KO_HASH_SHA256);
        copy_id(up, ids[i]);
        append(up, "abc");
        ko_upload_release(up);
    }
    ko_uploads_stats(b->uploads, &held, &idle);
    assert_int_equal(idle, 2);
    for (size_t i = 0; i < 5; i++) {
        ko_upload *up = reopen(b, ids[i]);
        assert_int_equal(ko_upload_offset(up), 3);
        append(up, "def");
        ko_digest d = bed_digest("abcdef");
        assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
        ko_upload_release(up);
    }
}

/* ---- Finishing ---- */

static void a_wrong_digest_ends_the_session_and_stores_nothing(void **state)
{
    bed *b = *state;
    char id[KO_IDS_UUID_MAX];
    ko_digest wrong = bed_digest("something else");
    ko_digest right = bed_digest("something");

    ko_upload *up = begin(b, KO_HASH_SHA256);
    copy_id(up, id);
    append(up, "something");
    assert_int_equal(finish_code(up, &wrong), KO_E_DIGEST_MISMATCH);
    ko_upload_release(up);
    assert_int_equal(find_code(b, A, id), KO_E_NOT_FOUND);
    assert_false(bed_stored(b, &wrong));
    assert_false(bed_stored(b, &right));
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

static void an_algorithm_not_announced_is_computed_from_the_staged_bytes(void **state)
{
    bed *b = *state;
    size_t len = 700 * 1024 + 3; /* several pieces of reading back */
    ko_autofree char *bytes = ko_xmalloc(len);
    ko_digest d;

    memset(bytes, 'k', len);
    ko_digest_of(KO_HASH_SHA512, bytes, len, &d);
    ko_upload *up = begin(b, KO_HASH_SHA256);
    assert_int_equal(ko_upload_append(up, bytes, len, NULL), 0);
    assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
    ko_upload_release(up);
    assert_true(bed_stored(b, &d));
    up = begin(b, KO_HASH_SHA512);
    assert_int_equal(ko_upload_append(up, bytes, len, NULL), 0);
    bytes[0] = 'x';
    ko_digest_of(KO_HASH_SHA256, bytes, len, &d);
    assert_int_equal(finish_code(up, &d), KO_E_DIGEST_MISMATCH);
    ko_upload_release(up);
}

static void an_empty_blob_is_finished_without_a_byte(void **state)
{
    bed *b = *state;
    ko_digest d = bed_digest("");

    ko_upload *up = begin(b, KO_HASH_SHA256);
    assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
    ko_upload_release(up);
    assert_true(bed_linked(b, "lab/a", &d, NULL));
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

static int make_repo(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return bed_add_repo(tx, arg, err);
}

static void a_finish_that_fails_can_be_tried_again(void **state)
{
    bed *b = *state;
    ko_upload *up = NULL;
    char name[] = "lab/new";
    ko_digest d = bed_digest("first push");

    assert_int_equal(ko_upload_begin(b->uploads, ko_str_of(name), 7, KO_HASH_SHA256,
                                     KO_UPLOAD_RESUMABLE, &up, NULL),
                     0);
    append(up, "first push");
    assert_int_equal(finish_code(up, &d), KO_E_NOT_FOUND); /* no such repository */
    assert_int_equal(append_code(up, "!"), KO_E_CONFLICT); /* published: may not change */
    assert_int_equal(find_code(b, ko_str_of(name), ko_upload_id(up)), 0);
    assert_int_equal(ko_upload_finish(up, &d, make_repo, name, NULL), 0);
    ko_upload_release(up);
    assert_true(bed_linked(b, name, &d, NULL));
}

static int refuse(ko_meta_tx *tx, void *arg, ko_err *err)
{
    (void)tx;
    (void)arg;
    return ko_err_set(err, KO_E_DENIED, "quota");
}

static void the_caller_may_refuse_inside_the_transaction(void **state)
{
    bed *b = *state;
    ko_err err = KO_ERR_INIT;
    ko_digest d = bed_digest("too much");

    assert_int_equal(ko_upload_once(b->uploads, A, &d, "too much", 8, refuse, NULL, &err), -1);
    assert_int_equal(err.code, KO_E_DENIED);
    assert_false(bed_linked(b, "lab/a", &d, NULL));
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

typedef struct {
    ko_blob_store *store;
    const ko_digest *digest;
    bool purge;
} thief;

/* What a collector may do between publishing and committing. */
static int steal_file(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const thief *t = arg;

    (void)tx;
    if (ko_blob_quarantine(t->store, t->digest, err) < 0)
        return -1;
    return t->purge ? ko_blob_purge(t->store, t->digest, err) : 0;
}

static void a_file_hidden_before_the_commit_is_published_again(void **state)
{
    bed *b = *state;

    for (int purge = 0; purge < 2; purge++) {
        const char *text = purge ? "purged meanwhile" : "hidden meanwhile";
        ko_digest d = bed_digest(text);
        thief t = {b->store, &d, purge};
        assert_int_equal(
            ko_upload_once(b->uploads, A, &d, text, strlen(text), steal_file, &t, NULL), 0);
        assert_true(bed_stored(b, &d));
        assert_true(bed_linked(b, "lab/a", &d, NULL));
    }
}

static void a_blob_at_once_is_verified_linked_and_leaves_no_session(void **state)
{
    bed *b = *state;
    ko_err err = KO_ERR_INIT;
    ko_digest d = bed_push(b, "lab/a", "{}");

    assert_true(bed_linked(b, "lab/a", &d, NULL));
    assert_int_equal(ko_upload_once(b->uploads, A, &d, "[]", 2, NULL, NULL, &err), -1);
    assert_int_equal(err.code, KO_E_DIGEST_MISMATCH);
    d = bed_push(b, "lab/b", "{}"); /* the same bytes again */
    assert_true(bed_linked(b, "lab/b", &d, NULL));
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
    assert_int_equal(bed_count(b, KO_BLOB_LIVE), 1);
}

static void a_full_store_keeps_the_session_and_its_offset(void **state)
{
    bed b = {0};
    static char block[256 * 1024];

    (void)state;
    bed_now_s = ko_clock_wall_s();
    bed_open(&b);
    bed_repo(&b, "lab/a");
    ko_upload *up = begin(&b, KO_HASH_SHA256);
    ko_err err = KO_ERR_INIT;
    uint64_t before = 0;
    while (ko_upload_append(up, block, sizeof(block), &err) == 0)
        before = ko_upload_offset(up);
    assert_int_equal(err.code, KO_E_NO_SPACE);
    assert_int_equal(ko_upload_offset(up), before);
    assert_true(before > 0);
    assert_int_equal(ko_upload_cancel(up, NULL), 0);
    ko_upload_release(up);
    bed_push(&b, "lab/a", "room again");
    bed_close(&b);
}

/* ---- Restart ---- */

static void a_session_goes_on_after_a_restart_of_the_program(void **state)
{
    bed *b = *state;
    char id[KO_IDS_UUID_MAX];
    ko_digest d = bed_digest("before after");

    ko_upload *up = begin(b, KO_HASH_SHA256);
    copy_id(up, id);
    append(up, "before ");
    ko_upload_release(up);
    bed_close(b);
    bed_open(b);
    assert_int_equal(find_code(b, A, id), 0);
    up = reopen(b, id);
    assert_int_equal(ko_upload_offset(up), 7);
    assert_int_equal(ko_upload_account(up), 7);
    append(up, "after");
    assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
    ko_upload_release(up);
    assert_true(bed_linked(b, "lab/a", &d, NULL));
}

/* ---- Threads ---- */

typedef struct {
    bed *bed;
    const char *id;
    atomic_uint *wins;
    atomic_uint *conflicts;
} rival;

static void *race_open(void *arg)
{
    rival *r = arg;
    ko_upload *up = NULL;
    ko_err err = KO_ERR_INIT;

    for (int i = 0; i < 200; i++) {
        if (ko_upload_open(r->bed->uploads, A, ko_str_of(r->id), &up, &err) == 0) {
            append(up, "x");
            ko_upload_release(up);
            atomic_fetch_add(r->wins, 1);
        } else {
            assert_int_equal(err.code, KO_E_CONFLICT);
            atomic_fetch_add(r->conflicts, 1);
        }
    }
    return NULL;
}

static void rivals_for_one_session_never_lose_a_byte(void **state)
{
    static const ko_uploads_options none_idle = {.idle_ms = 1, .now_s = bed_now};
    bed *b = *state;
    atomic_uint wins = 0;
    atomic_uint conflicts = 0;
    pthread_t threads[3];
    char id[KO_IDS_UUID_MAX];

    ko_uploads_free(b->uploads); /* so that sessions are also closed and loaded all the time */
    b->uploads = ko_uploads_new(b->store, b->meta, &none_idle);
    ko_upload *up = begin(b, KO_HASH_SHA256);
    copy_id(up, id);
    ko_upload_release(up);
    rival r = {b, id, &wins, &conflicts};
    for (size_t i = 0; i < KO_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_open, &r), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wins + conflicts, 600);
    up = reopen(b, id);
    assert_int_equal(ko_upload_offset(up), wins);
    ko_autofree char *all = ko_xcalloc(wins + 1, 1);
    memset(all, 'x', wins);
    ko_digest d = bed_digest(all);
    assert_int_equal(ko_upload_finish(up, &d, NULL, NULL, NULL), 0);
    ko_upload_release(up);
}

/* ---- Reaping ---- */

static void abandoned_sessions_and_orphaned_bytes_are_reaped_held_ones_stay(void **state)
{
    bed *b = *state;
    ko_autoptr(ko_blob_stage) orphan = NULL;
    char id[KO_IDS_UUID_MAX];
    size_t sessions = 0;
    size_t orphans = 0;

    ko_upload *left = begin(b, KO_HASH_SHA256);
    copy_id(left, id);
    append(left, "left");
    ko_upload_release(left);
    ko_upload *held = begin(b, KO_HASH_SHA256);
    append(held, "held");
    assert_int_equal(ko_blob_stage_new(b->store, "orphan", &orphan, NULL), 0);
    orphan = ko_blob_stage_close(orphan);

    assert_int_equal(ko_uploads_reap(b->uploads, 100, 100, &sessions, &orphans, NULL), 0);
    assert_int_equal(sessions + orphans, 0);
    bed_now_s += 200;
    assert_int_equal(ko_uploads_reap(b->uploads, 100, 100, &sessions, &orphans, NULL), 0);
    assert_int_equal(sessions, 1);
    assert_int_equal(orphans, 1);
    assert_int_equal(find_code(b, A, id), KO_E_NOT_FOUND);
    append(held, " on");
    ko_digest d = bed_digest("held on");
    assert_int_equal(ko_upload_finish(held, &d, NULL, NULL, NULL), 0);
    ko_upload_release(held);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

#define EVERYWHERE(T)                                                                              \
    T(bytes_of_many_requests_become_one_leased_blob), T(a_session_tells_its_state_held_or_not),    \
        T(a_second_request_on_a_held_session_conflicts_and_changes_nothing),                       \
        T(sessions_of_another_repository_or_of_nobody_are_unknown),                                \
        T(a_cancelled_session_is_gone_with_its_bytes),                                             \
        T(a_session_opened_only_to_learn_the_rights_leaves_no_file),                               \
        T(an_upload_in_one_request_cannot_be_found_and_goes_when_broken_off),                      \
        T(bytes_over_the_limit_are_refused_and_the_session_lives),                                 \
        T(unused_sessions_are_closed_and_found_again),                                             \
        T(a_wrong_digest_ends_the_session_and_stores_nothing),                                     \
        T(an_algorithm_not_announced_is_computed_from_the_staged_bytes),                           \
        T(an_empty_blob_is_finished_without_a_byte), T(a_finish_that_fails_can_be_tried_again),    \
        T(the_caller_may_refuse_inside_the_transaction),                                           \
        T(a_file_hidden_before_the_commit_is_published_again),                                     \
        T(a_blob_at_once_is_verified_linked_and_leaves_no_session),                                \
        T(rivals_for_one_session_never_lose_a_byte),                                               \
        T(abandoned_sessions_and_orphaned_bytes_are_reaped_held_ones_stay)

#define DISK(test)   cmocka_unit_test_setup_teardown(test, bed_setup_disk, bed_teardown)
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, bed_setup_memory, bed_teardown)

int main(void)
{
    const struct CMUnitTest disk[] = {
        EVERYWHERE(DISK),
        DISK(a_session_goes_on_after_a_restart_of_the_program),
    };
    const struct CMUnitTest memory[] = {
        EVERYWHERE(MEMORY),
        cmocka_unit_test(a_full_store_keeps_the_session_and_its_offset),
    };
    int failed = cmocka_run_group_tests_name("disk", disk, NULL, NULL);

    return failed + cmocka_run_group_tests_name("memory", memory, NULL, NULL);
}
