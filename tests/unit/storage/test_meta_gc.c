/* The collector's decisions, upload rows, audit, and the database's check of itself. */
#include "tests/unit/storage/meta_fixture.h"

#include "storage/meta_audit.h"
#include "storage/meta_check.h"
#include "storage/meta_gc.h"
#include "storage/meta_manifest.h"
#include "storage/meta_tag.h"
#include "storage/meta_upload.h"

#define DAY 86400

static const ko_meta_by by = {.account_id = 0, .at_s = AT};

static ko_digest link_blob(fixture *f, const ko_meta_repo *repo, const char *text, int64_t until)
{
    ko_digest digest = digest_of(text);

    assert_ok(ko_meta_blob_put(&f->tx, &digest, strlen(text), AT, NULL, NULL, ERR));
    assert_ok(ko_meta_blob_link(&f->tx, repo, &digest, until, NULL, ERR));
    return digest;
}

static ko_digest put_image(fixture *f, const ko_meta_repo *repo, const char *bytes,
                           const ko_digest *blob, const ko_digest *child, const ko_digest *subject)
{
    ko_digest digest = digest_of(bytes);
    const ko_meta_manifest_spec spec = {.digest = &digest,
                                        .media_type = KO_STR("x"),
                                        .bytes = ko_str_of(bytes),
                                        .subject = subject,
                                        .blobs = blob,
                                        .blob_count = blob ? 1 : 0,
                                        .children = child,
                                        .child_count = child ? 1 : 0};

    assert_ok(ko_meta_manifest_put(&f->tx, repo, &spec, by, NULL, ERR));
    return digest;
}

/* Reviews all that is due; how many reviews of this verdict there were. */
static int review_all(fixture *f, int64_t now_s, int64_t keep_s, ko_meta_gc_verdict wanted)
{
    const ko_meta_gc_policy policy = {.now_s = now_s, .untagged_keep_s = keep_s};
    int seen = 0;

    for (;;) {
        ko_meta_gc_item *items = NULL;
        ko_meta_gc_verdict verdict;
        size_t count = 0;
        uint64_t bytes = 0;

        assert_ok(ko_meta_gc_list_due(&f->tx, now_s, 1, f->arena, &items, &count, ERR));
        if (count == 0)
            return seen;
        assert_ok(ko_meta_gc_review(&f->tx, items, &policy, &verdict, &bytes, ERR));
        seen += verdict == wanted;
    }
}

static int count_call(void *arg, const ko_digest *digest, ko_err *err)
{
    (void)digest, (void)err;
    ++*(int *)arg;
    return 0;
}

static void a_blob_without_a_manifest_goes_when_its_lease_ends(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer", AT + DAY);
    int calls = 0;
    const ko_meta_gc_hook hook = {&calls, count_call};
    ko_meta_blob *list = NULL;
    ko_meta_blob row;
    ko_meta_link link;
    size_t count = 0;
    bool done = false;

    assert_int_equal(review_all(f, AT + DAY - 1, 0, KO_META_GC_UNLINKED), 0);
    assert_ok(ko_meta_blob_find(&f->tx, repo.id, &blob, &link, ERR));
    assert_int_equal(review_all(f, AT + DAY, 0, KO_META_GC_CONDEMNED), 1);
    assert_fails(ko_meta_blob_find(&f->tx, repo.id, &blob, &link, ERR), KO_E_NOT_FOUND);

    assert_ok(ko_meta_gc_list_condemned(&f->tx, 0, 9, f->arena, &list, &count, ERR));
    assert_int_equal(count, 1);
    assert_ok(ko_meta_gc_quarantine(&f->tx, &blob, AT + DAY, &hook, &done, ERR));
    assert_true(done);
    assert_ok(ko_meta_gc_quarantine(&f->tx, &blob, AT + DAY, &hook, &done, ERR));
    assert_false(done);
    assert_int_equal(calls, 1);

    assert_ok(ko_meta_gc_list_quarantined(&f->tx, AT + DAY, 0, 9, f->arena, &list, &count, ERR));
    assert_int_equal(count, 0);
    assert_ok(
        ko_meta_gc_list_quarantined(&f->tx, AT + DAY + 1, 0, 9, f->arena, &list, &count, ERR));
    assert_int_equal(count, 1);
    assert_ok(ko_meta_gc_purge(&f->tx, &blob, &hook, &done, ERR));
    assert_true(done);
    assert_int_equal(calls, 2);
    assert_fails(ko_meta_blob_find_any(&f->tx, &blob, &row, ERR), KO_E_NOT_FOUND);
}

static void a_renewed_lease_is_kept_to(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer", AT + DAY);

    assert_ok(ko_meta_blob_renew(&f->tx, &repo, &blob, AT + 3 * DAY, ERR));
    assert_int_equal(review_all(f, AT + 2 * DAY, 0, KO_META_GC_LATER), 1);
    assert_int_equal(review_all(f, AT + 3 * DAY, 0, KO_META_GC_UNLINKED), 1);
}

static void a_blob_of_a_manifest_is_kept_until_that_is_deleted(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer", AT);
    ko_digest image = put_image(f, &repo, "image", &blob, NULL, NULL);

    assert_int_equal(review_all(f, AT + DAY, 0, KO_META_GC_UNLINKED), 0);
    assert_ok(ko_meta_manifest_delete(&f->tx, &repo, &image, by, f->arena, NULL, NULL, ERR));
    assert_int_equal(review_all(f, AT + DAY, 0, KO_META_GC_UNLINKED), 1);
}

static void a_blob_of_two_repositories_outlives_one(void **state)
{
    fixture *f = *state;
    ko_meta_repo one = add_repo(f, "a/1", KO_META_PRIVATE),
                 two = add_repo(f, "a/2", KO_META_PRIVATE);

    (void)link_blob(f, &one, "layer", AT);
    ko_digest blob = link_blob(f, &two, "layer", AT + DAY);
    assert_ok(ko_meta_repo_remove(&f->tx, &one, AT, ERR));
    assert_int_equal(review_all(f, AT, 0, KO_META_GC_CONDEMNED), 0);
    assert_ok(ko_meta_repo_remove(&f->tx, &two, AT, ERR));
    assert_int_equal(review_all(f, AT, 0, KO_META_GC_CONDEMNED), 1);
    assert_fails(ko_meta_blob_link(&f->tx, &one, &blob, AT, NULL, ERR), KO_E_NOT_FOUND);
}

static void an_upload_takes_a_condemned_blob_back(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer", AT);
    int calls = 0;
    const ko_meta_gc_hook hook = {&calls, count_call};
    ko_meta_blob_state was;
    bool done = true;

    assert_int_equal(review_all(f, AT, 0, KO_META_GC_CONDEMNED), 1);
    assert_ok(ko_meta_blob_put(&f->tx, &blob, 5, AT, NULL, &was, ERR));
    assert_int_equal(was, KO_META_BLOB_CONDEMNED);
    assert_ok(ko_meta_blob_link(&f->tx, &repo, &blob, AT + DAY, NULL, ERR));
    assert_ok(ko_meta_gc_quarantine(&f->tx, &blob, AT, &hook, &done, ERR));
    assert_false(done);
    assert_int_equal(calls, 0);
}

/* distribution#3178: children of an index, and referrers, are in use. */
static void untagged_manifests_go_only_when_nothing_holds_them(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest child = put_image(f, &repo, "child", NULL, NULL, NULL);
    ko_digest idx = put_image(f, &repo, "index", NULL, &child, NULL);
    ko_digest sig = put_image(f, &repo, "sig", NULL, NULL, &idx);
    ko_digest next = put_image(f, &repo, "next", NULL, NULL, NULL);
    ko_meta_manifest m;

    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v"), &idx, NULL, by, ERR));
    assert_int_equal(review_all(f, AT + 9 * DAY, 0, KO_META_GC_DELETED), 0);
    assert_ok(ko_meta_manifest_find(&f->tx, repo.id, &next, NULL, &m, ERR));

    int64_t next_id = 0;
    assert_ok(ko_meta_gc_queue_untagged(&f->tx, 0, 100, AT + 10 * DAY, &next_id, ERR));
    assert_int_equal(next_id, 0);
    assert_int_equal(review_all(f, AT + 11 * DAY, 2 * DAY, KO_META_GC_DELETED), 0);
    assert_int_equal(review_all(f, AT + 12 * DAY, 2 * DAY, KO_META_GC_DELETED), 1);
    assert_fails(ko_meta_manifest_find(&f->tx, repo.id, &next, NULL, &m, ERR), KO_E_NOT_FOUND);

    const ko_meta_by later = {.at_s = AT + 20 * DAY};
    assert_ok(ko_meta_tag_delete(&f->tx, &repo, KO_STR("v"), NULL, later, ERR));
    assert_int_equal(review_all(f, AT + 21 * DAY, 2 * DAY, KO_META_GC_DELETED), 0);
    assert_int_equal(review_all(f, AT + 22 * DAY, 2 * DAY, KO_META_GC_DELETED), 1);
    assert_int_equal(review_all(f, AT + 24 * DAY, 2 * DAY, KO_META_GC_DELETED), 2);
    assert_fails(ko_meta_manifest_find(&f->tx, repo.id, &child, NULL, &m, ERR), KO_E_NOT_FOUND);
    assert_fails(ko_meta_manifest_find(&f->tx, repo.id, &sig, NULL, &m, ERR), KO_E_NOT_FOUND);
}

/* The answer 201 must not be followed by a deletion at once. */
static void an_untagged_manifest_pushed_again_has_all_its_time_again(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest digest = digest_of("m");
    const ko_meta_manifest_spec spec = {
        .digest = &digest, .media_type = KO_STR("x"), .bytes = KO_STR("m")};
    const ko_meta_by again = {.at_s = AT + 8 * DAY};

    assert_ok(ko_meta_manifest_put(&f->tx, &repo, &spec, by, NULL, ERR));
    assert_ok(ko_meta_manifest_put(&f->tx, &repo, &spec, again, NULL, ERR));
    assert_int_equal(review_all(f, AT + 9 * DAY, 7 * DAY, KO_META_GC_DELETED), 0);
    assert_int_equal(review_all(f, AT + 16 * DAY, 7 * DAY, KO_META_GC_DELETED), 1);
}

static void untagged_manifests_are_queued_in_pages(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    int64_t next_id = 0;
    int pages = 0;

    for (int i = 0; i < 5; i++) {
        char bytes[16];

        (void)snprintf(bytes, sizeof(bytes), "m%d", i);
        (void)put_image(f, &repo, bytes, NULL, NULL, NULL);
    }
    do {
        assert_ok(ko_meta_gc_queue_untagged(&f->tx, next_id, 2, AT, &next_id, ERR));
        pages++;
    } while (next_id != 0);
    assert_int_equal(pages, 3);
    assert_int_equal(review_all(f, AT + 1, 1, KO_META_GC_DELETED), 5);
}

static void a_foreign_layer_that_is_here_is_kept(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest layer = link_blob(f, &repo, "layer", AT), digest = digest_of("m");
    const ko_meta_manifest_spec spec = {.digest = &digest,
                                        .media_type = KO_STR("x"),
                                        .bytes = KO_STR("m"),
                                        .foreign = &layer,
                                        .foreign_count = 1};

    assert_ok(ko_meta_manifest_put(&f->tx, &repo, &spec, by, NULL, ERR));
    assert_int_equal(review_all(f, AT + DAY, 0, KO_META_GC_UNLINKED), 0);
}

static void the_dry_run_says_what_would_go(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest kept = link_blob(f, &repo, "kept", AT);
    ko_meta_gc_estimate estimate;
    ko_meta_gc_stats stats;

    (void)put_image(f, &repo, "image", &kept, NULL, NULL);
    (void)link_blob(f, &repo, "goes", AT);
    (void)link_blob(f, &repo, "leased", AT + DAY);
    assert_ok(ko_meta_gc_dry_run(&f->tx, AT + 1, &estimate, ERR));
    assert_int_equal(estimate.links, 1);
    assert_int_equal(estimate.blobs, 1);
    assert_int_equal(estimate.bytes, 4);
    assert_ok(ko_meta_gc_count(&f->tx, AT + 1, &stats, ERR));
    assert_int_equal(stats.queued, 4);
    assert_int_equal(stats.due, 2);
    assert_int_equal(review_all(f, AT + 1, 0, KO_META_GC_CONDEMNED), 1);
    assert_ok(ko_meta_gc_count(&f->tx, AT + 1, &stats, ERR));
    assert_int_equal(stats.condemned, 1);
    assert_int_equal(stats.quarantined_bytes, 4);
}

/* ---- Uploads and audit ---- */

static void upload_sessions_belong_to_their_repository(void **state)
{
    fixture *f = *state;
    const ko_meta_upload upload = {.id = "7f3a",
                                   .repo = "a/b",
                                   .account_id = 5,
                                   .alg = KO_HASH_SHA512,
                                   .created_at_s = AT,
                                   .touched_at_s = AT};
    ko_meta_upload found, *idle = NULL;
    size_t count = 0;
    uint64_t open = 0;

    assert_ok(ko_meta_upload_add(&f->tx, &upload, ERR));
    assert_fails(ko_meta_upload_add(&f->tx, &upload, ERR), KO_E_EXISTS);
    assert_ok(ko_meta_upload_find(&f->tx, KO_STR("7f3a"), KO_STR("a/b"), &found, ERR));
    assert_int_equal(found.alg, KO_HASH_SHA512);
    assert_int_equal(found.account_id, 5);
    assert_fails(ko_meta_upload_find(&f->tx, KO_STR("7f3a"), KO_STR("a/c"), &found, ERR),
                 KO_E_NOT_FOUND);
    assert_ok(ko_meta_upload_count(&f->tx, 5, &open, ERR));
    assert_int_equal(open, 1);
    assert_ok(ko_meta_upload_count(&f->tx, 6, &open, ERR));
    assert_int_equal(open, 0);
    assert_ok(ko_meta_upload_touch(&f->tx, KO_STR("7f3a"), AT + 5, ERR));
    assert_ok(ko_meta_upload_list_idle(&f->tx, AT + 5, 9, f->arena, &idle, &count, ERR));
    assert_int_equal(count, 0);
    assert_ok(ko_meta_upload_list_idle(&f->tx, AT + 6, 9, f->arena, &idle, &count, ERR));
    assert_int_equal(count, 1);
    assert_ok(ko_meta_upload_remove(&f->tx, KO_STR("7f3a"), ERR));
    assert_fails(ko_meta_upload_remove(&f->tx, KO_STR("7f3a"), ERR), KO_E_NOT_FOUND);
    assert_fails(ko_meta_upload_touch(&f->tx, KO_STR("7f3a"), AT, ERR), KO_E_NOT_FOUND);
}

static void audit_rows_are_read_newest_first(void **state)
{
    fixture *f = *state;
    ko_autofree char *huge = ko_xcalloc(1, 4 * KO_MAX_AUDIT_FIELD);
    ko_meta_audit *rows = NULL;
    size_t count = 0, removed = 0;

    memset(huge, 'x', 4 * KO_MAX_AUDIT_FIELD);
    for (int i = 0; i < 3; i++) {
        const ko_meta_audit row = {.at_s = AT + i,
                                   .account = KO_STR("ada"),
                                   .action = KO_STR("tag.delete"),
                                   .target = {huge, 4 * KO_MAX_AUDIT_FIELD},
                                   .outcome = KO_STR("ok")};

        assert_ok(ko_meta_audit_add(&f->tx, &row, ERR));
    }
    assert_ok(ko_meta_audit_list(&f->tx, 0, 2, f->arena, &rows, &count, ERR));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].at_s, AT + 2);
    assert_int_equal(rows[0].target.len, KO_MAX_AUDIT_FIELD);
    assert_int_equal(rows[0].address.len, 0);
    assert_ok(ko_meta_audit_list(&f->tx, rows[1].id, 9, f->arena, &rows, &count, ERR));
    assert_int_equal(count, 1);
    assert_ok(ko_meta_audit_prune(&f->tx, AT + 2, 9, &removed, ERR));
    assert_int_equal(removed, 2);
}

/* ---- Check ---- */

static void note_problem(void *arg, const char *problem)
{
    (void)snprintf(arg, 500, "%s", problem);
}

static uint64_t check(fixture *f, char said[static 500])
{
    uint64_t problems = 0;

    said[0] = '\0';
    assert_ok(ko_meta_check(&f->tx, note_problem, said, &problems, ERR));
    return problems;
}

static void a_sound_database_has_no_problems(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer", AT);
    ko_digest image = put_image(f, &repo, "image", &blob, NULL, NULL);
    ko_digest gone = put_image(f, &repo, "gone", NULL, NULL, NULL);
    char said[500];

    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v"), &image, NULL, by, ERR));
    assert_ok(ko_meta_manifest_delete(&f->tx, &repo, &gone, by, f->arena, NULL, NULL, ERR));
    (void)review_all(f, AT + DAY, 0, KO_META_GC_KEPT);
    assert_int_equal(check(f, said), 0);
    assert_string_equal(said, "");
}

static void each_kind_of_damage_is_told(void **state)
{
    static const struct {
        const char *damage, *told;
    } rows[] = {
        {"UPDATE manifest SET bytes = x'00'", "do not have its digest"},
        {"DELETE FROM repo_blob", "missing blob"},
        {"UPDATE blob SET state = 1, state_at = 0", "though condemned"},
        {"UPDATE repository SET bytes = bytes + 1", "sum of bytes"},
        {"UPDATE tag SET repo_id = 999", "tag without a manifest"},
    };
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer", AT);
    ko_digest image = put_image(f, &repo, "image", &blob, NULL, NULL);
    char said[500];

    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v"), &image, NULL, by, ERR));
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        assert_ok(f->db->ops->savepoint(f->db, ERR));
        assert_ok(f->db->ops->script(f->db, ko_str_of(rows[i].damage), ERR));
        assert_true(check(f, said) > 0);
        if (i != 1) /* a missing link makes the sum wrong too, which is said later */
            assert_non_null(strstr(said, rows[i].told));
        assert_ok(f->db->ops->rollback_to(f->db, ERR));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_blob_without_a_manifest_goes_when_its_lease_ends),
        ON_BOTH(a_renewed_lease_is_kept_to),
        ON_BOTH(a_blob_of_a_manifest_is_kept_until_that_is_deleted),
        ON_BOTH(a_blob_of_two_repositories_outlives_one),
        ON_BOTH(an_upload_takes_a_condemned_blob_back),
        ON_BOTH(untagged_manifests_go_only_when_nothing_holds_them),
        ON_BOTH(an_untagged_manifest_pushed_again_has_all_its_time_again),
        ON_BOTH(untagged_manifests_are_queued_in_pages),
        ON_BOTH(a_foreign_layer_that_is_here_is_kept),
        ON_BOTH(the_dry_run_says_what_would_go),
        ON_BOTH(upload_sessions_belong_to_their_repository),
        ON_BOTH(audit_rows_are_read_newest_first),
        ON_BOTH(a_sound_database_has_no_problems),
        ON_BOTH(each_kind_of_damage_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
