/* Manifests, tags, referrers, blobs, usage. */
#include "tests/unit/storage/meta_fixture.h"

#include "storage/meta_account.h"
#include "storage/meta_manifest.h"
#include "storage/meta_tag.h"

static const ko_meta_by by = {.account_id = 0, .at_s = AT};

static ko_digest link_blob(fixture *f, const ko_meta_repo *repo, const char *text)
{
    ko_digest digest = digest_of(text);

    assert_ok(ko_meta_blob_put(&f->tx, &digest, strlen(text), AT, NULL, NULL, ERR));
    assert_ok(ko_meta_blob_link(&f->tx, repo, &digest, AT + KO_META_LEASE_S, NULL, ERR));
    return digest;
}

static ko_digest put_manifest(fixture *f, const ko_meta_repo *repo, const char *bytes,
                              const ko_digest *subject, const char *artifact_type)
{
    ko_digest digest = digest_of(bytes);
    const ko_meta_manifest_spec spec = {.digest = &digest,
                                        .media_type = KO_STR("application/vnd.test"),
                                        .artifact_type = ko_str_of(artifact_type),
                                        .annotations = KO_STR("{\"a\":\"b\"}"),
                                        .subject = subject,
                                        .bytes = ko_str_of(bytes)};

    assert_ok(ko_meta_manifest_put(&f->tx, repo, &spec, by, NULL, ERR));
    return digest;
}

static uint64_t bytes_of(fixture *f, const ko_meta_repo *repo)
{
    ko_meta_repo now;

    assert_ok(ko_meta_repo_load(&f->tx, repo->id, &now, ERR));
    return now.bytes;
}

/* ---- Manifests ---- */

static void a_manifest_is_returned_byte_for_byte(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    static const char bytes[] = "{ \"odd\"\t:\r\n1 }\0\xff";
    ko_str all = {bytes, sizeof(bytes) - 1};
    ko_meta_manifest m;
    ko_digest digest;
    bool was_new = false;

    ko_digest_of(KO_HASH_SHA512, all.ptr, all.len, &digest);
    const ko_meta_manifest_spec spec = {
        .digest = &digest, .media_type = KO_STR("application/x"), .bytes = all};
    assert_ok(ko_meta_manifest_put(&f->tx, &repo, &spec, by, &was_new, ERR));
    assert_true(was_new);
    assert_ok(ko_meta_manifest_put(&f->tx, &repo, &spec, by, &was_new, ERR));
    assert_false(was_new);
    assert_ok(ko_meta_manifest_find(&f->tx, repo.id, &digest, f->arena, &m, ERR));
    assert_true(ko_str_eq(m.bytes, all));
    assert_string_equal(m.media_type, "application/x");
    assert_string_equal(m.artifact_type, "");
    assert_int_equal(m.size_bytes, all.len);
    assert_false(m.has_subject);
    assert_true(ko_digest_eq(&m.digest, &digest));
    assert_int_equal(bytes_of(f, &repo), all.len);
    assert_ok(ko_meta_manifest_find(&f->tx, repo.id, &digest, NULL, &m, ERR));
    assert_int_equal(m.bytes.len, 0);
    assert_fails(ko_meta_manifest_find(&f->tx, repo.id + 1, &digest, NULL, &m, ERR),
                 KO_E_NOT_FOUND);
}

static void what_a_manifest_misses_is_told(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_meta_repo other = add_repo(f, "a/c", KO_META_PRIVATE);
    bool missing[3] = {false};
    const ko_digest blobs[3] = {link_blob(f, &repo, "here"), link_blob(f, &other, "elsewhere"),
                                digest_of("nowhere")};
    const ko_digest children[2] = {put_manifest(f, &repo, "child", NULL, ""), digest_of("none")};

    assert_int_equal(ko_meta_manifest_missing_blobs(&f->tx, repo.id, blobs, 3, missing, ERR), 2);
    assert_true(!missing[0] && missing[1] && missing[2]);
    assert_int_equal(ko_meta_manifest_missing(&f->tx, repo.id, children, 2, missing, ERR), 1);
    assert_true(!missing[0] && missing[1]);
}

static void deleting_a_manifest_takes_its_tags(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest one = put_manifest(f, &repo, "one", NULL, ""),
              two = put_manifest(f, &repo, "two", NULL, "");
    ko_str *tags = NULL;
    size_t count = 0;
    ko_meta_manifest m;

    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v2"), &one, NULL, by, ERR));
    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v1"), &one, NULL, by, ERR));
    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v3"), &two, NULL, by, ERR));
    assert_ok(ko_meta_manifest_delete(&f->tx, &repo, &one, by, f->arena, &tags, &count, ERR));
    assert_int_equal(count, 2);
    assert_true(ko_str_eq(tags[0], KO_STR("v1")) && ko_str_eq(tags[1], KO_STR("v2")));
    assert_fails(ko_meta_manifest_find(&f->tx, repo.id, &one, NULL, &m, ERR), KO_E_NOT_FOUND);
    assert_fails(ko_meta_manifest_find_tag(&f->tx, repo.id, KO_STR("v1"), NULL, &m, ERR),
                 KO_E_NOT_FOUND);
    assert_ok(ko_meta_manifest_find_tag(&f->tx, repo.id, KO_STR("v3"), f->arena, &m, ERR));
    assert_true(ko_str_eq(m.bytes, KO_STR("two")));
    assert_int_equal(bytes_of(f, &repo), 3);
    assert_fails(ko_meta_manifest_delete(&f->tx, &repo, &one, by, f->arena, NULL, NULL, ERR),
                 KO_E_NOT_FOUND);
}

static void manifests_are_listed_by_digest(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_meta_manifest *page = NULL;
    size_t count = 0;
    uint64_t all = 0;

    (void)put_manifest(f, &repo, "one", NULL, "");
    (void)put_manifest(f, &repo, "two", NULL, "");
    (void)put_manifest(f, &repo, "three", NULL, "");
    assert_ok(ko_meta_manifest_list(&f->tx, repo.id, KO_STR(""), 2, f->arena, &page, &count, ERR));
    assert_int_equal(count, 2);
    assert_true(strcmp(page[0].digest.text, page[1].digest.text) < 0);
    assert_ok(ko_meta_manifest_list(&f->tx, repo.id, ko_str_of(page[1].digest.text), 2, f->arena,
                                    &page, &count, ERR));
    assert_int_equal(count, 1);
    assert_ok(ko_meta_manifest_count(&f->tx, &all, ERR));
    assert_int_equal(all, 3);
}

static int refer(fixture *f, const ko_meta_repo *repo, const ko_digest *subject, const ko_str *type,
                 int64_t after_id, ko_meta_referrer **out, size_t *count)
{
    const ko_meta_referrer_page page = {
        .subject = subject, .artifact_type = type, .after_id = after_id, .limit = 9};

    return ko_meta_manifest_list_referrers(&f->tx, repo->id, &page, f->arena, out, count, ERR);
}

/* Spec "Listing Referrers": the subject need not exist. */
static void referrers_are_listed_without_their_subject(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_meta_repo other = add_repo(f, "a/c", KO_META_PRIVATE);
    ko_digest subject = digest_of("subject"), none = digest_of("none");
    ko_digest sbom = put_manifest(f, &repo, "sbom", &subject, "application/sbom");
    ko_digest sig = put_manifest(f, &repo, "sig", &subject, "application/sig");
    ko_meta_referrer *page = NULL;
    size_t count = 0;

    (void)put_manifest(f, &other, "sig", &subject, "application/sig");
    assert_ok(refer(f, &repo, &subject, NULL, 0, &page, &count));
    assert_int_equal(count, 2);
    assert_true(ko_digest_eq(&page[0].digest, &sbom));
    assert_true(ko_digest_eq(&page[1].digest, &sig));
    assert_string_equal(page[0].artifact_type, "application/sbom");
    assert_true(ko_str_eq(page[0].annotations, KO_STR("{\"a\":\"b\"}")));
    assert_ok(refer(f, &repo, &subject, NULL, page[0].id, &page, &count));
    assert_int_equal(count, 1);
    assert_ok(refer(f, &repo, &subject, &KO_STR("application/sig"), 0, &page, &count));
    assert_int_equal(count, 1);
    assert_true(ko_digest_eq(&page[0].digest, &sig));
    assert_ok(refer(f, &repo, &subject, &KO_STR(""), 0, &page, &count));
    assert_int_equal(count, 0);
    assert_ok(refer(f, &repo, &none, NULL, 0, &page, &count));
    assert_int_equal(count, 0);
    assert_non_null(page);
    assert_ok(ko_meta_manifest_delete(&f->tx, &repo, &sig, by, f->arena, NULL, NULL, ERR));
    assert_ok(refer(f, &repo, &subject, NULL, 0, &page, &count));
    assert_int_equal(count, 1);
}

/* ---- Tags ---- */

static void a_tag_moves_and_remembers(void **state)
{
    fixture *f = *state;
    const ko_meta_account_spec ada = {.name = KO_STR("ada"), .at_s = AT};
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest one = put_manifest(f, &repo, "one", NULL, ""),
              two = put_manifest(f, &repo, "two", NULL, ""), none = digest_of("none");
    ko_meta_tag_change *history = NULL;
    ko_meta_tag tag;
    ko_meta_by who = {.at_s = AT + 1};
    size_t count = 0;

    assert_ok(ko_meta_account_add(&f->tx, &ada, &who.account_id, ERR));
    assert_fails(ko_meta_tag_set(&f->tx, &repo, KO_STR("v1"), &none, NULL, by, ERR),
                 KO_E_NOT_FOUND);
    assert_fails(ko_meta_tag_set(&f->tx, &repo, KO_STR("-v"), &one, NULL, by, ERR), KO_E_INVALID);
    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v1"), &one, NULL, by, ERR));
    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v1"), &one, NULL, by, ERR));
    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v1"), &two, NULL, who, ERR));
    assert_ok(ko_meta_tag_find(&f->tx, repo.id, KO_STR("v1"), &tag, ERR));
    assert_true(ko_digest_eq(&tag.digest, &two));
    assert_int_equal(tag.updated_at_s, AT + 1);
    assert_ok(ko_meta_tag_delete(&f->tx, &repo, KO_STR("v1"), NULL, by, ERR));
    assert_fails(ko_meta_tag_delete(&f->tx, &repo, KO_STR("v1"), NULL, by, ERR), KO_E_NOT_FOUND);

    assert_ok(ko_meta_tag_list_history(&f->tx, repo.id, KO_STR("v1"), 0, 9, f->arena, &history,
                                       &count, ERR));
    assert_int_equal(count, 3);
    assert_string_equal(history[0].new_digest, "");
    assert_string_equal(history[0].old_digest, two.text);
    assert_string_equal(history[1].new_digest, two.text);
    assert_string_equal(history[1].account, "ada");
    assert_int_equal(history[1].at_s, AT + 1);
    assert_string_equal(history[2].old_digest, "");
    assert_ok(ko_meta_tag_list_history(&f->tx, repo.id, KO_STR(""), history[0].id, 1, f->arena,
                                       &history, &count, ERR));
    assert_int_equal(count, 1);
    assert_string_equal(history[0].account, "ada");
}

static void a_tag_changes_only_as_expected(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest one = put_manifest(f, &repo, "one", NULL, ""),
              two = put_manifest(f, &repo, "two", NULL, "");
    const ko_meta_tag_expect absent = {.must = KO_META_TAG_ABSENT},
                             present = {.must = KO_META_TAG_PRESENT},
                             is_one = {.must = KO_META_TAG_IS, .digest = one},
                             is_two = {.must = KO_META_TAG_IS, .digest = two};
    ko_str v = KO_STR("v");

    assert_fails(ko_meta_tag_set(&f->tx, &repo, v, &one, &present, by, ERR), KO_E_CONFLICT);
    assert_fails(ko_meta_tag_set(&f->tx, &repo, v, &one, &is_one, by, ERR), KO_E_CONFLICT);
    assert_ok(ko_meta_tag_set(&f->tx, &repo, v, &one, &absent, by, ERR));
    assert_fails(ko_meta_tag_set(&f->tx, &repo, v, &two, &absent, by, ERR), KO_E_CONFLICT);
    assert_fails(ko_meta_tag_set(&f->tx, &repo, v, &two, &is_two, by, ERR), KO_E_CONFLICT);
    assert_ok(ko_meta_tag_set(&f->tx, &repo, v, &two, &is_one, by, ERR));
    assert_fails(ko_meta_tag_delete(&f->tx, &repo, v, &is_one, by, ERR), KO_E_CONFLICT);
    assert_ok(ko_meta_tag_delete(&f->tx, &repo, v, &is_two, by, ERR));
}

static void pages_of_20000_tags_join_in_byte_order(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest one = put_manifest(f, &repo, "one", NULL, "");
    char last[KO_MAX_TAG + 1] = "";
    size_t total = 0;

    for (int i = 0; i < 20000; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%c%d", "AZaz_"[i % 5], i);
        assert_ok(ko_meta_tag_set(&f->tx, &repo, ko_str_of(name), &one, NULL, by, ERR));
    }
    for (;;) {
        ko_str *names = NULL;
        size_t count = 0;

        ko_arena_reset(f->arena);
        assert_ok(ko_meta_tag_list_names(&f->tx, repo.id, ko_str_of(last), 1000, f->arena, &names,
                                         &count, ERR));
        if (count == 0)
            break;
        for (size_t i = 0; i < count; i++) {
            assert_true(ko_str_cmp(ko_str_of(last), names[i]) < 0);
            (void)snprintf(last, sizeof(last), KO_STR_FMT, KO_STR_ARG(names[i]));
        }
        total += count;
    }
    assert_int_equal(total, 20000);
}

/* ---- Blobs ---- */

static void a_link_has_a_lease_that_only_grows(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = digest_of("blob");
    ko_meta_link link;
    bool was_new = false;

    assert_fails(ko_meta_blob_link(&f->tx, &repo, &blob, AT, NULL, ERR), KO_E_NOT_FOUND);
    assert_ok(ko_meta_blob_put(&f->tx, &blob, 4, AT, NULL, NULL, ERR));
    assert_fails(ko_meta_blob_find(&f->tx, repo.id, &blob, &link, ERR), KO_E_NOT_FOUND);
    assert_ok(ko_meta_blob_link(&f->tx, &repo, &blob, AT + 100, &was_new, ERR));
    assert_true(was_new);
    assert_ok(ko_meta_blob_link(&f->tx, &repo, &blob, AT + 50, &was_new, ERR));
    assert_false(was_new);
    assert_ok(ko_meta_blob_find(&f->tx, repo.id, &blob, &link, ERR));
    assert_int_equal(link.lease_until_s, AT + 100);
    assert_int_equal(link.blob.size_bytes, 4);
    assert_ok(ko_meta_blob_renew(&f->tx, &repo, &blob, AT + 200, ERR));
    assert_ok(ko_meta_blob_find(&f->tx, repo.id, &blob, &link, ERR));
    assert_int_equal(link.lease_until_s, AT + 200);
    assert_int_equal(bytes_of(f, &repo), 4);
    assert_true(ko_meta_lease_is_fresh(AT + 100, AT + 40, 100));
    assert_false(ko_meta_lease_is_fresh(AT + 100, AT + 60, 100));
}

static void one_digest_has_one_size(void **state)
{
    fixture *f = *state;
    ko_digest blob = digest_of("blob");
    ko_meta_blob row;

    assert_ok(ko_meta_blob_put(&f->tx, &blob, 4, AT, &row, NULL, ERR));
    assert_int_equal(row.state, KO_META_BLOB_LIVE);
    assert_fails(ko_meta_blob_put(&f->tx, &blob, 5, AT, &row, NULL, ERR), KO_E_CORRUPT);
}

static void a_blob_that_is_needed_is_not_unlinked(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &repo, "layer"), manifest = digest_of("m");
    const ko_meta_manifest_spec spec = {.digest = &manifest,
                                        .media_type = KO_STR("x"),
                                        .bytes = KO_STR("m"),
                                        .blobs = &blob,
                                        .blob_count = 1};
    ko_meta_blob_uses uses;

    assert_ok(ko_meta_manifest_put(&f->tx, &repo, &spec, by, NULL, ERR));
    assert_ok(ko_meta_blob_count_uses(&f->tx, &blob, &uses, ERR));
    assert_int_equal(uses.links, 1);
    assert_int_equal(uses.manifests, 1);
    assert_fails(ko_meta_blob_unlink(&f->tx, &repo, &blob, false, AT, ERR), KO_E_CONFLICT);
    assert_ok(ko_meta_blob_unlink(&f->tx, &repo, &blob, true, AT, ERR));
    assert_fails(ko_meta_blob_unlink(&f->tx, &repo, &blob, true, AT, ERR), KO_E_NOT_FOUND);
    assert_int_equal(bytes_of(f, &repo), 1);
}

static void a_mount_finds_only_sources_the_caller_may_pull(void **state)
{
    fixture *f = *state;
    const ko_meta_account_spec ada = {.name = KO_STR("ada"), .at_s = AT};
    ko_meta_caller caller = {0};
    ko_meta_repo *repos = NULL;
    size_t count = 0;

    assert_ok(ko_meta_account_add(&f->tx, &ada, &caller.account_id, ERR));
    ko_meta_repo shut = add_repo(f, "bob/shut", KO_META_PRIVATE);
    ko_digest blob = link_blob(f, &shut, "layer");
    assert_ok(ko_meta_blob_list_repos(&f->tx, &blob, caller, 9, f->arena, &repos, &count, ERR));
    assert_int_equal(count, 0);
    ko_meta_repo own = add_repo(f, "ada/own", KO_META_PRIVATE);
    (void)link_blob(f, &own, "layer");
    assert_ok(ko_meta_blob_list_repos(&f->tx, &blob, caller, 9, f->arena, &repos, &count, ERR));
    assert_int_equal(count, 1);
    assert_string_equal(repos[0].name, "ada/own");
    caller.is_admin = true;
    assert_ok(ko_meta_blob_list_repos(&f->tx, &blob, caller, 9, f->arena, &repos, &count, ERR));
    assert_int_equal(count, 2);
}

static void usage_counts_shared_blobs_once(void **state)
{
    fixture *f = *state;
    const ko_meta_account_spec ada = {.name = KO_STR("ada"), .at_s = AT};
    ko_meta_usage usage;
    int64_t id = 0;
    uint64_t blobs = 0, bytes = 0;

    assert_ok(ko_meta_account_add(&f->tx, &ada, &id, ERR));
    ko_meta_repo one = add_repo(f, "ada/1", KO_META_PRIVATE),
                 two = add_repo(f, "ada/2", KO_META_PRIVATE);
    (void)link_blob(f, &one, "0123456789");
    (void)link_blob(f, &two, "0123456789");
    (void)link_blob(f, &two, "abc");
    (void)put_manifest(f, &one, "mm", NULL, "");
    (void)put_manifest(f, &two, "mm", NULL, "");
    assert_ok(ko_meta_owner_usage(&f->tx, id, &usage, ERR));
    assert_int_equal(usage.bytes, 15);
    assert_int_equal(bytes_of(f, &two), 15);
    assert_ok(ko_meta_owner_check_bytes(&f->tx, id, 5, 20, ERR));
    assert_fails(ko_meta_owner_check_bytes(&f->tx, id, 6, 20, ERR), KO_E_TOO_LARGE);
    assert_fails(ko_meta_owner_check_bytes(&f->tx, id, 21, 20, ERR), KO_E_TOO_LARGE);
    assert_ok(ko_meta_owner_check_bytes(&f->tx, id, 1000, INT64_MAX, ERR));
    assert_ok(ko_meta_blob_count(&f->tx, &blobs, &bytes, ERR));
    assert_int_equal(blobs, 2);
    assert_int_equal(bytes, 13);
}

static void changes_raise_the_generation_of_their_repository(void **state)
{
    fixture *f = *state;
    ko_meta_repo repo = add_repo(f, "a/b", KO_META_PRIVATE);
    size_t slot = ko_generation_slot(KO_STR("a/b"));
    uint64_t bit = UINT64_C(1) << slot % 64;
    ko_digest digest = put_manifest(f, &repo, "one", NULL, "");

    memset(f->tx.repos_touched, 0, sizeof(f->tx.repos_touched));
    assert_ok(ko_meta_tag_set(&f->tx, &repo, KO_STR("v"), &digest, NULL, by, ERR));
    assert_true(f->tx.repos_touched[slot / 64] & bit);
    memset(f->tx.repos_touched, 0, sizeof(f->tx.repos_touched));
    (void)link_blob(f, &repo, "layer");
    assert_true(f->tx.repos_touched[slot / 64] & bit);
    memset(f->tx.repos_touched, 0, sizeof(f->tx.repos_touched));
    assert_ok(ko_meta_manifest_delete(&f->tx, &repo, &digest, by, f->arena, NULL, NULL, ERR));
    assert_true(f->tx.repos_touched[slot / 64] & bit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_manifest_is_returned_byte_for_byte),
        ON_BOTH(what_a_manifest_misses_is_told),
        ON_BOTH(deleting_a_manifest_takes_its_tags),
        ON_BOTH(manifests_are_listed_by_digest),
        ON_BOTH(referrers_are_listed_without_their_subject),
        ON_BOTH(a_tag_moves_and_remembers),
        ON_BOTH(a_tag_changes_only_as_expected),
        ON_BOTH(pages_of_20000_tags_join_in_byte_order),
        ON_BOTH(a_link_has_a_lease_that_only_grows),
        ON_BOTH(one_digest_has_one_size),
        ON_BOTH(a_blob_that_is_needed_is_not_unlinked),
        ON_BOTH(a_mount_finds_only_sources_the_caller_may_pull),
        ON_BOTH(usage_counts_shared_blobs_once),
        ON_BOTH(changes_raise_the_generation_of_their_repository),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
