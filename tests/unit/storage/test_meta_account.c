/* Accounts, groups, secrets, keys, settings. */
#include "tests/unit/storage/meta_fixture.h"

#include "storage/meta_account.h"
#include "storage/meta_grant.h"
#include "storage/meta_group.h"
#include "storage/meta_key.h"
#include "storage/meta_secret.h"

static int64_t add_account(fixture *f, const char *name)
{
    const ko_meta_account_spec spec = {
        .name = ko_str_of(name), .password_hash = KO_STR("hash"), .at_s = AT};
    int64_t id = 0;

    assert_ok(ko_meta_account_add(&f->tx, &spec, &id, ERR));
    return id;
}

static int64_t add_group(fixture *f, const char *name)
{
    int64_t id = 0;

    assert_ok(
        ko_meta_group_add(&f->tx, ko_str_of(name), KO_STR(""), KO_META_PRIVATE, AT, &id, ERR));
    return id;
}

static void an_account_is_found_as_it_was_made(void **state)
{
    fixture *f = *state;
    const ko_meta_account_spec spec = {.kind = KO_META_PERSON,
                                       .name = KO_STR("ada"),
                                       .display = KO_STR("Ada L."),
                                       .email = KO_STR("ada@example.org"),
                                       .password_hash = KO_STR("$argon2id$x"),
                                       .is_admin = true,
                                       .default_visibility = KO_META_PUBLIC,
                                       .at_s = AT};
    ko_meta_account account;
    int64_t id = 0;

    assert_ok(ko_meta_account_add(&f->tx, &spec, &id, ERR));
    assert_ok(ko_meta_account_find(&f->tx, KO_STR("ada"), f->arena, &account, ERR));
    assert_int_equal(account.owner.id, id);
    assert_int_equal(account.owner.kind, KO_META_OWNER_ACCOUNT);
    assert_int_equal(account.owner.default_visibility, KO_META_PUBLIC);
    assert_int_equal(account.owner.quota_bytes, KO_META_QUOTA_DEFAULT);
    assert_int_equal(account.owner.created_at_s, AT);
    assert_int_equal(account.kind, KO_META_PERSON);
    assert_true(account.is_admin);
    assert_false(account.is_disabled);
    assert_string_equal(account.password_hash, "$argon2id$x");
    assert_int_equal(account.password_version, 1);
    assert_int_equal(account.robot_of, 0);
    assert_string_equal(account.display, "Ada L.");
    assert_string_equal(account.email, "ada@example.org");
    assert_true(f->tx.rights_touched);
}

static void accounts_and_groups_share_their_names(void **state)
{
    fixture *f = *state;
    const ko_meta_account_spec spec = {.name = KO_STR("team"), .at_s = AT};

    (void)add_group(f, "team");
    (void)add_account(f, "ada");
    assert_fails(ko_meta_account_add(&f->tx, &spec, NULL, ERR), KO_E_EXISTS);
    assert_fails(ko_meta_group_add(&f->tx, KO_STR("ada"), KO_STR(""), 0, AT, NULL, ERR),
                 KO_E_EXISTS);
}

static void a_name_must_be_one_component(void **state)
{
    static const char *const bad[] = {"", "Ada", "a/b", "-a", "a--", "a b", "_a", "a..b"};
    fixture *f = *state;
    char lengthy[KO_MAX_ACCOUNT_NAME + 2];

    for (size_t i = 0; i < KO_ARRAY_LEN(bad); i++) {
        const ko_meta_account_spec spec = {.name = ko_str_of(bad[i]), .at_s = AT};

        assert_fails(ko_meta_account_add(&f->tx, &spec, NULL, ERR), KO_E_INVALID);
    }
    memset(lengthy, 'a', sizeof(lengthy));
    lengthy[sizeof(lengthy) - 1] = '\0';
    const ko_meta_account_spec too_long = {.name = ko_str_of(lengthy), .at_s = AT};
    assert_fails(ko_meta_account_add(&f->tx, &too_long, NULL, ERR), KO_E_INVALID);
    lengthy[sizeof(lengthy) - 2] = '\0';
    (void)add_account(f, lengthy);
}

static void changes_of_an_account_are_kept(void **state)
{
    fixture *f = *state;
    int64_t id = add_account(f, "ada");
    ko_meta_account account;

    assert_ok(ko_meta_account_set_password(&f->tx, id, KO_STR("new"), ERR));
    assert_ok(ko_meta_account_set_flags(&f->tx, id, true, true, ERR));
    assert_ok(ko_meta_account_set_profile(&f->tx, id, KO_STR("A"), KO_STR("e"), ERR));
    assert_ok(ko_meta_owner_set_quota(&f->tx, id, 3, 1000, ERR));
    assert_ok(ko_meta_owner_set_visibility(&f->tx, id, KO_META_PUBLIC, ERR));
    assert_ok(ko_meta_account_load(&f->tx, id, f->arena, &account, ERR));
    assert_string_equal(account.password_hash, "new");
    assert_int_equal(account.password_version, 2);
    assert_true(account.is_admin && account.is_disabled);
    assert_string_equal(account.display, "A");
    assert_int_equal(account.owner.quota_private_repos, 3);
    assert_int_equal(account.owner.quota_bytes, 1000);
    assert_int_equal(account.owner.default_visibility, KO_META_PUBLIC);

    assert_ok(ko_meta_account_set_password_hash(&f->tx, id, KO_STR("stronger"), ERR));
    assert_ok(ko_meta_account_load(&f->tx, id, f->arena, &account, ERR));
    assert_int_equal(account.password_version, 2);
    assert_fails(ko_meta_account_set_flags(&f->tx, id + 1, true, true, ERR), KO_E_NOT_FOUND);
}

static void accounts_are_listed_by_name_in_pages(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"d", "b", "a", "c"};
    ko_meta_account *page = NULL;
    size_t count = 0;
    uint64_t accounts = 0, admins = 0;

    (void)add_group(f, "ab");
    for (size_t i = 0; i < KO_ARRAY_LEN(names); i++)
        (void)add_account(f, names[i]);
    assert_ok(ko_meta_account_list(&f->tx, KO_STR(""), 3, f->arena, &page, &count, ERR));
    assert_int_equal(count, 3);
    assert_string_equal(page[0].owner.name, "a");
    assert_string_equal(page[2].owner.name, "c");
    assert_ok(ko_meta_account_list(&f->tx, KO_STR("c"), 3, f->arena, &page, &count, ERR));
    assert_int_equal(count, 1);
    assert_string_equal(page[0].owner.name, "d");
    assert_ok(ko_meta_account_count(&f->tx, &accounts, &admins, ERR));
    assert_int_equal(accounts, 4);
    assert_int_equal(admins, 0);
}

static void an_account_with_repositories_is_only_removed_by_force(void **state)
{
    fixture *f = *state;
    int64_t id = add_account(f, "ada");
    ko_meta_repo repo = add_repo(f, "ada/app", KO_META_PRIVATE);

    assert_int_equal(repo.owner_id, id);
    assert_fails(ko_meta_account_remove(&f->tx, id, false, AT, ERR), KO_E_CONFLICT);
    assert_ok(ko_meta_repo_find(&f->tx, KO_STR("ada/app"), &repo, ERR));
    assert_ok(ko_meta_account_remove(&f->tx, id, true, AT, ERR));
    assert_fails(ko_meta_repo_find(&f->tx, KO_STR("ada/app"), &repo, ERR), KO_E_NOT_FOUND);
    assert_fails(ko_meta_account_remove(&f->tx, id, true, AT, ERR), KO_E_NOT_FOUND);
}

static void whoever_gets_a_name_again_inherits_no_grants(void **state)
{
    static const char *const gone[] = {"ada/*", "ada/app", "ada/web-*"};
    static const char *const kept[] = {"ada-b/*", "ada*", "bob/app"};
    fixture *f = *state;
    int64_t eve = add_account(f, "eve");
    int64_t ada = add_account(f, "ada");
    ko_meta_grant *grants = NULL;
    size_t count = 0;

    for (size_t i = 0; i < 3; i++) {
        assert_ok(ko_meta_grant_set(&f->tx, ko_str_of(gone[i]), eve, KO_META_MAY_PULL, ERR));
        assert_ok(ko_meta_grant_set(&f->tx, ko_str_of(kept[i]), eve, KO_META_MAY_PULL, ERR));
    }
    assert_ok(ko_meta_account_remove(&f->tx, ada, false, AT, ERR));
    assert_ok(ko_meta_grant_list(&f->tx, KO_STR(""), 0, 10, f->arena, &grants, &count, ERR));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(grants[i].pattern, kept[i]);
}

static void robots_go_with_the_account_they_belong_to(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");
    const ko_meta_account_spec spec = {
        .kind = KO_META_ROBOT, .name = KO_STR("ada-ci"), .robot_of = ada, .at_s = AT};
    ko_meta_account robot;
    ko_meta_owner owner;

    assert_ok(ko_meta_account_add(&f->tx, &spec, NULL, ERR));
    assert_ok(ko_meta_account_find(&f->tx, KO_STR("ada-ci"), f->arena, &robot, ERR));
    assert_int_equal(robot.kind, KO_META_ROBOT);
    assert_int_equal(robot.robot_of, ada);
    assert_ok(ko_meta_account_remove(&f->tx, ada, false, AT, ERR));
    assert_fails(ko_meta_owner_find(&f->tx, KO_STR("ada-ci"), &owner, ERR), KO_E_NOT_FOUND);
}

static void an_id_never_comes_back(void **state)
{
    fixture *f = *state;
    int64_t first = add_account(f, "ada");

    assert_ok(ko_meta_account_remove(&f->tx, first, false, AT, ERR));
    assert_true(add_account(f, "ada") > first);
}

static void members_have_roles(void **state)
{
    fixture *f = *state;
    int64_t team = add_group(f, "team"), other = add_group(f, "other");
    int64_t ada = add_account(f, "ada"), bob = add_account(f, "bob");
    ko_meta_member *members = NULL;
    ko_meta_membership *groups = NULL;
    size_t count = 0;

    assert_ok(ko_meta_group_set_member(&f->tx, team, bob, KO_META_ROLE_MEMBER, ERR));
    assert_ok(ko_meta_group_set_member(&f->tx, team, ada, KO_META_ROLE_MEMBER, ERR));
    assert_ok(ko_meta_group_set_member(&f->tx, team, ada, KO_META_ROLE_OWNER, ERR));
    assert_ok(ko_meta_group_set_member(&f->tx, other, ada, KO_META_ROLE_MEMBER, ERR));
    assert_ok(
        ko_meta_group_list_members(&f->tx, team, KO_STR(""), 9, f->arena, &members, &count, ERR));
    assert_int_equal(count, 2);
    assert_string_equal(members[0].name, "ada");
    assert_int_equal(members[0].role, KO_META_ROLE_OWNER);
    assert_int_equal(members[1].account_id, bob);
    assert_ok(ko_meta_group_list_of(&f->tx, ada, KO_STR(""), 9, f->arena, &groups, &count, ERR));
    assert_int_equal(count, 2);
    assert_string_equal(groups[0].name, "other");

    assert_fails(ko_meta_group_set_member(&f->tx, ada, bob, KO_META_ROLE_MEMBER, ERR),
                 KO_E_NOT_FOUND);
    assert_fails(ko_meta_group_set_member(&f->tx, team, other, KO_META_ROLE_MEMBER, ERR),
                 KO_E_NOT_FOUND);
    assert_ok(ko_meta_group_remove_member(&f->tx, team, ada, ERR));
    assert_fails(ko_meta_group_remove_member(&f->tx, team, ada, ERR), KO_E_NOT_FOUND);
    assert_ok(ko_meta_group_remove(&f->tx, team, false, AT, ERR));
    assert_ok(ko_meta_group_list_of(&f->tx, bob, KO_STR(""), 9, f->arena, &groups, &count, ERR));
    assert_int_equal(count, 0);
}

static void a_group_is_not_removed_as_an_account(void **state)
{
    fixture *f = *state;
    int64_t team = add_group(f, "team");

    assert_fails(ko_meta_account_remove(&f->tx, team, true, AT, ERR), KO_E_NOT_FOUND);
}

static void roles_and_visibilities_have_texts(void **state)
{
    ko_meta_role role;
    ko_meta_visibility visibility;

    (void)state;
    assert_ok(ko_meta_role_parse(ko_str_of(ko_meta_role_name(KO_META_ROLE_OWNER)), &role, ERR));
    assert_int_equal(role, KO_META_ROLE_OWNER);
    assert_fails(ko_meta_role_parse(KO_STR("none"), &role, ERR), KO_E_INVALID);
    assert_ok(ko_meta_visibility_parse(ko_str_of(ko_meta_visibility_name(KO_META_PUBLIC)),
                                       &visibility, ERR));
    assert_int_equal(visibility, KO_META_PUBLIC);
    assert_fails(ko_meta_visibility_parse(KO_STR("Public"), &visibility, ERR), KO_E_INVALID);
}

static void a_secret_is_found_by_its_hash(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada"), bob = add_account(f, "bob");
    ko_meta_secret_spec spec = {.account_id = ada,
                                .kind = KO_META_SECRET_PERSONAL,
                                .name = KO_STR("laptop"),
                                .scope = KO_STR("repository:ada/*:pull"),
                                .password_version = 1,
                                .expires_at_s = AT + 10,
                                .hash = {1, 2, 3}};
    ko_meta_secret secret, *list = NULL;
    size_t count = 0, removed = 0;
    int64_t id = 0;
    ko_meta_by by = {ada, AT};

    assert_ok(ko_meta_secret_add(&f->tx, &spec, by, &id, ERR));
    assert_fails(ko_meta_secret_add(&f->tx, &spec, by, NULL, ERR), KO_E_EXISTS);
    assert_ok(ko_meta_secret_find(&f->tx, spec.hash, f->arena, &secret, ERR));
    assert_int_equal(secret.account_id, ada);
    assert_string_equal(secret.name, "laptop");
    assert_string_equal(secret.scope, "repository:ada/*:pull");
    assert_int_equal(secret.last_used_at_s, 0);
    assert_ok(ko_meta_secret_touch(&f->tx, id, AT + 5, ERR));
    assert_ok(ko_meta_secret_find(&f->tx, spec.hash, f->arena, &secret, ERR));
    assert_int_equal(secret.last_used_at_s, AT + 5);

    spec.hash[0] = 9;
    spec.kind = KO_META_SECRET_REFRESH;
    assert_ok(ko_meta_secret_add(&f->tx, &spec, by, NULL, ERR));
    assert_ok(ko_meta_secret_list(&f->tx, ada, 0, 9, f->arena, &list, &count, ERR));
    assert_int_equal(count, 1);
    assert_fails(ko_meta_secret_revoke(&f->tx, bob, id, ERR), KO_E_NOT_FOUND);
    assert_ok(ko_meta_secret_revoke(&f->tx, ada, id, ERR));
    assert_ok(ko_meta_secret_prune(&f->tx, AT + 11, 10, &removed, ERR));
    assert_int_equal(removed, 1);
    assert_fails(ko_meta_secret_find(&f->tx, spec.hash, f->arena, &secret, ERR), KO_E_NOT_FOUND);
    spec.account_id = 999;
    assert_fails(ko_meta_secret_add(&f->tx, &spec, by, NULL, ERR), KO_E_NOT_FOUND);
}

static void keys_and_settings_are_shared(void **state)
{
    fixture *f = *state;
    ko_meta_key *keys = NULL;
    size_t count = 0;
    ko_str value;

    assert_ok(ko_meta_key_add(&f->tx, KO_STR("k1"), KO_STR("\0der"), AT, ERR));
    assert_ok(ko_meta_key_add(&f->tx, KO_STR("k2"), KO_STR("d"), AT + 1, ERR));
    assert_fails(ko_meta_key_add(&f->tx, KO_STR("k2"), KO_STR("d"), AT, ERR), KO_E_EXISTS);
    assert_ok(ko_meta_key_retire(&f->tx, KO_STR("k1"), AT + 2, ERR));
    assert_fails(ko_meta_key_retire(&f->tx, KO_STR("k3"), AT, ERR), KO_E_NOT_FOUND);
    assert_ok(ko_meta_key_list(&f->tx, f->arena, &keys, &count, ERR));
    assert_int_equal(count, 2);
    assert_string_equal(keys[0].kid, "k2");
    assert_int_equal(keys[1].retired_at_s, AT + 2);
    assert_int_equal(keys[1].private_key.len, 4);
    assert_ok(ko_meta_key_prune(&f->tx, AT + 3, ERR));
    assert_ok(ko_meta_key_list(&f->tx, f->arena, &keys, &count, ERR));
    assert_int_equal(count, 1);

    assert_fails(ko_meta_setting_get(&f->tx, KO_STR("s"), f->arena, &value, ERR), KO_E_NOT_FOUND);
    assert_ok(ko_meta_setting_set(&f->tx, KO_STR("s"), KO_STR("1"), ERR));
    assert_ok(ko_meta_setting_set(&f->tx, KO_STR("s"), KO_STR(""), ERR));
    assert_ok(ko_meta_setting_get(&f->tx, KO_STR("s"), f->arena, &value, ERR));
    assert_int_equal(value.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(an_account_is_found_as_it_was_made),
        ON_BOTH(accounts_and_groups_share_their_names),
        ON_BOTH(a_name_must_be_one_component),
        ON_BOTH(changes_of_an_account_are_kept),
        ON_BOTH(accounts_are_listed_by_name_in_pages),
        ON_BOTH(an_account_with_repositories_is_only_removed_by_force),
        ON_BOTH(whoever_gets_a_name_again_inherits_no_grants),
        ON_BOTH(robots_go_with_the_account_they_belong_to),
        ON_BOTH(an_id_never_comes_back),
        ON_BOTH(members_have_roles),
        ON_BOTH(a_group_is_not_removed_as_an_account),
        ON_BOTH(roles_and_visibilities_have_texts),
        ON_BOTH(a_secret_is_found_by_its_hash),
        ON_BOTH(keys_and_settings_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
