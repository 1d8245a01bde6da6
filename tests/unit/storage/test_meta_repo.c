/* Repositories, grants, who sees what, search. */
#include "tests/unit/storage/meta_fixture.h"

#include "storage/meta_account.h"
#include "storage/meta_grant.h"
#include "storage/meta_search.h"

static int64_t add_account(fixture *f, const char *name)
{
    const ko_meta_account_spec spec = {.name = ko_str_of(name), .at_s = AT};
    int64_t id = 0;

    assert_ok(ko_meta_account_add(&f->tx, &spec, &id, ERR));
    return id;
}

static int64_t add_group(fixture *f, const char *name, int64_t member)
{
    int64_t id = 0;

    assert_ok(
        ko_meta_group_add(&f->tx, ko_str_of(name), KO_STR(""), KO_META_PRIVATE, AT, &id, ERR));
    if (member)
        assert_ok(ko_meta_group_set_member(&f->tx, id, member, KO_META_ROLE_MEMBER, ERR));
    return id;
}

/* The names of a list joined by spaces. */
static const char *listed(fixture *f, ko_meta_caller caller, const char *prefix, const char *after,
                          size_t limit)
{
    ko_meta_repo *repos = NULL;
    size_t count = 0;
    const char *all = "";

    assert_ok(ko_meta_repo_list(&f->tx, caller, ko_str_of(prefix), ko_str_of(after), limit,
                                f->arena, &repos, &count, ERR));
    for (size_t i = 0; i < count; i++)
        all = ko_arena_printf(f->arena, "%s%s%s", all, i ? " " : "", repos[i].name);
    return all;
}

static void a_repository_belongs_to_its_namespace(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");
    ko_meta_repo repo;

    assert_int_equal(add_repo(f, "ada/app", KO_META_PRIVATE).owner_id, ada);
    assert_int_equal(add_repo(f, "ada", KO_META_PRIVATE).owner_id, 0);
    assert_int_equal(add_repo(f, "nobody/app", KO_META_PUBLIC).owner_id, 0);
    assert_fails(ko_meta_repo_add(&f->tx, KO_STR("ada/app"), 0, AT, &repo, ERR), KO_E_EXISTS);
    assert_fails(ko_meta_repo_add(&f->tx, KO_STR("Ada/App"), 0, AT, &repo, ERR), KO_E_INVALID);
    assert_ok(ko_meta_repo_find(&f->tx, KO_STR("nobody/app"), &repo, ERR));
    assert_int_equal(repo.visibility, KO_META_PUBLIC);
    assert_int_equal(repo.created_at_s, AT);
}

static void changes_of_a_repository_are_kept(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");
    ko_meta_repo repo = add_repo(f, "ada/app", KO_META_PRIVATE);
    ko_autofree char *huge = ko_xcalloc(1, KO_MAX_DESCRIPTION + 1);
    ko_str text;

    assert_ok(ko_meta_repo_set_visibility(&f->tx, &repo, KO_META_PUBLIC, ERR));
    assert_ok(ko_meta_repo_set_description(&f->tx, &repo, KO_STR("what it is"), ERR));
    assert_ok(ko_meta_repo_add_pulls(&f->tx, repo.id, 7, ERR));
    assert_ok(ko_meta_repo_set_star(&f->tx, &repo, ada, true, ERR));
    assert_ok(ko_meta_repo_set_star(&f->tx, &repo, ada, true, ERR));
    assert_ok(ko_meta_repo_load(&f->tx, repo.id, &repo, ERR));
    assert_int_equal(repo.visibility, KO_META_PUBLIC);
    assert_int_equal(repo.pull_count, 7);
    assert_int_equal(repo.star_count, 1);
    assert_ok(ko_meta_repo_set_star(&f->tx, &repo, ada, false, ERR));
    assert_ok(ko_meta_repo_load(&f->tx, repo.id, &repo, ERR));
    assert_int_equal(repo.star_count, 0);
    assert_ok(ko_meta_repo_description(&f->tx, repo.id, f->arena, &text, ERR));
    assert_true(ko_str_eq(text, KO_STR("what it is")));
    assert_fails(
        ko_meta_repo_set_description(&f->tx, &repo, (ko_str){huge, KO_MAX_DESCRIPTION + 1}, ERR),
        KO_E_TOO_LARGE);
}

static void a_list_shows_what_the_caller_may_pull(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada"), bob = add_account(f, "bob");
    int64_t team = add_group(f, "team", bob);
    const ko_meta_caller as_ada = {.account_id = ada}, as_bob = {.account_id = bob};

    (void)add_repo(f, "ada/own", KO_META_PRIVATE);
    (void)add_repo(f, "bob/open", KO_META_PUBLIC);
    (void)add_repo(f, "bob/shut", KO_META_PRIVATE);
    (void)add_repo(f, "team/app", KO_META_PRIVATE);
    (void)add_repo(f, "team/web", KO_META_PRIVATE);
    (void)add_repo(f, "ubuntu", KO_META_PRIVATE);

    assert_string_equal(listed(f, (ko_meta_caller){0}, "", "", 99), "bob/open");
    assert_string_equal(listed(f, as_ada, "", "", 99), "ada/own bob/open");
    assert_string_equal(listed(f, as_bob, "", "", 99), "bob/open bob/shut team/app team/web");
    assert_string_equal(listed(f, (ko_meta_caller){.is_admin = true}, "", "", 99),
                        "ada/own bob/open bob/shut team/app team/web ubuntu");

    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("team/w*"), ada, KO_META_MAY_PULL, ERR));
    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("team/app"), ada, KO_META_MAY_PUSH, ERR));
    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("ubuntu"), team, KO_META_MAY_PULL, ERR));
    assert_string_equal(listed(f, as_ada, "", "", 99), "ada/own bob/open team/web");
    assert_string_equal(listed(f, as_bob, "", "", 99),
                        "bob/open bob/shut team/app team/web ubuntu");
    assert_string_equal(listed(f, as_bob, "bob/", "", 99), "bob/open bob/shut");
    assert_string_equal(listed(f, as_bob, "bob/", "bob/open", 99), "bob/shut");
    assert_string_equal(listed(f, as_bob, "", "bob/open", 2), "bob/shut team/app");
    assert_string_equal(listed(f, as_bob, "", "zzz", 2), "");
}

static void pages_of_a_list_join_without_gap(void **state)
{
    static const char *const names[] = {"a", "a-b", "a/b", "a0", "a_b", "aa", "b.c/d", "b/c"};
    static const ko_meta_caller callers[] = {{.is_admin = true}, {0}, {.account_id = 1}};
    fixture *f = *state;

    (void)add_account(f, "someone");
    for (size_t i = KO_ARRAY_LEN(names); i > 0; i--)
        (void)add_repo(f, names[i - 1], KO_META_PUBLIC);
    for (size_t c = 0; c < KO_ARRAY_LEN(callers); c++) {
        const char *after = "";
        for (size_t i = 0; i < KO_ARRAY_LEN(names); i++) {
            assert_string_equal(listed(f, callers[c], "", after, 1), names[i]);
            after = names[i];
        }
        assert_string_equal(listed(f, callers[c], "", after, 1), "");
    }
}

static void owned_repositories_are_listed_and_counted(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");
    ko_meta_repo *repos = NULL;
    size_t count = 0;
    ko_meta_usage usage;

    (void)add_repo(f, "ada/a", KO_META_PRIVATE);
    (void)add_repo(f, "ada/b", KO_META_PUBLIC);
    (void)add_repo(f, "other", KO_META_PUBLIC);
    assert_ok(ko_meta_repo_list_owned(&f->tx, ada, KO_STR(""), 9, f->arena, &repos, &count, ERR));
    assert_int_equal(count, 2);
    assert_ok(ko_meta_repo_list_owned(&f->tx, 0, KO_STR(""), 9, f->arena, &repos, &count, ERR));
    assert_int_equal(count, 1);
    assert_string_equal(repos[0].name, "other");
    assert_ok(ko_meta_owner_usage(&f->tx, ada, &usage, ERR));
    assert_int_equal(usage.repos, 2);
    assert_int_equal(usage.private_repos, 1);
    assert_int_equal(usage.bytes, 0);
}

static void access_tells_all_about_a_caller_and_a_name(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada"), bob = add_account(f, "bob");
    int64_t team = add_group(f, "team", bob);
    ko_meta_access a;

    (void)add_repo(f, "ada/app", KO_META_PRIVATE);
    (void)add_repo(f, "ubuntu", KO_META_PUBLIC);

    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("ada/app"), &a, ERR));
    assert_true(a.repo_exists && a.is_owner_account);
    assert_int_equal(a.owner.id, ada);
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("ada/new"), &a, ERR));
    assert_true(!a.repo_exists && a.is_owner_account);
    assert_ok(ko_meta_access_load(&f->tx, bob, KO_STR("ada/app"), &a, ERR));
    assert_true(a.repo_exists && !a.is_owner_account && a.granted == 0);
    assert_ok(ko_meta_access_load(&f->tx, bob, KO_STR("team/x"), &a, ERR));
    assert_int_equal(a.owner.id, team);
    assert_int_equal(a.owner.kind, KO_META_OWNER_GROUP);
    assert_int_equal(a.role, KO_META_ROLE_MEMBER);
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("team/x"), &a, ERR));
    assert_int_equal(a.role, KO_META_ROLE_NONE);
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("ubuntu"), &a, ERR));
    assert_int_equal(a.owner.kind, KO_META_OWNER_NONE);
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("ada"), &a, ERR));
    assert_int_equal(a.owner.kind, KO_META_OWNER_NONE);
    assert_ok(ko_meta_access_load(&f->tx, 0, KO_STR("ada/app"), &a, ERR));
    assert_true(a.repo_exists && !a.is_owner_account && a.granted == 0);
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("NOT/../a name"), &a, ERR));
    assert_false(a.repo_exists);
}

static void grants_match_names_and_prefixes(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"team/app", "team/app", true},    {"team/app", "team/app2", false},
        {"team/app", "team/ap", false},    {"team/app", "team/app/x", false},
        {"team/app", "team/app-x", false}, {"team/*", "team/app", true},
        {"team/*", "team/a/b/c", true},    {"team/*", "team", false},
        {"team/*", "team2/app", false},    {"team/web-*", "team/web-1", true},
        {"team/web-*", "team/web", false}, {"*", "anything/at/all", true},
    };
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_str pattern = ko_str_of(rows[i].pattern);
        ko_meta_access a;

        assert_ok(ko_meta_grant_set(&f->tx, pattern, ada, KO_META_MAY_PULL, ERR));
        assert_ok(ko_meta_access_load(&f->tx, ada, ko_str_of(rows[i].name), &a, ERR));
        assert_int_equal(a.granted, rows[i].matches ? KO_META_MAY_PULL : 0);
        assert_ok(ko_meta_grant_remove(&f->tx, pattern, ada, ERR));
    }
}

static void grants_of_account_and_groups_add_up(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada"), team = add_group(f, "team", ada);
    ko_meta_access a;
    ko_meta_grant *grants = NULL;
    size_t count = 0;

    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("x/*"), ada, KO_META_MAY_PULL, ERR));
    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("x/y"), team, KO_META_MAY_PUSH, ERR));
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("x/y"), &a, ERR));
    assert_int_equal(a.granted, KO_META_MAY_PULL | KO_META_MAY_PUSH);
    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("x/*"), ada, KO_META_MAY_DELETE, ERR));
    assert_ok(ko_meta_access_load(&f->tx, ada, KO_STR("x/z"), &a, ERR));
    assert_int_equal(a.granted, KO_META_MAY_DELETE);

    assert_ok(ko_meta_grant_list(&f->tx, KO_STR(""), 0, 9, f->arena, &grants, &count, ERR));
    assert_int_equal(count, 2);
    assert_string_equal(grants[0].pattern, "x/*");
    assert_string_equal(grants[0].subject, "ada");
    assert_ok(ko_meta_grant_list(&f->tx, KO_STR("x/y"), 0, 9, f->arena, &grants, &count, ERR));
    assert_int_equal(count, 1);
    assert_int_equal(grants[0].subject_kind, KO_META_OWNER_GROUP);
    assert_fails(ko_meta_grant_remove(&f->tx, KO_STR("x/q"), ada, ERR), KO_E_NOT_FOUND);
}

static void what_is_no_pattern_is_refused(void **state)
{
    static const char *const bad[] = {"", "Team/*", "team/*/x", "**", "team/[ab]", "a~*", "team/"};
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");

    for (size_t i = 0; i < KO_ARRAY_LEN(bad); i++)
        assert_fails(ko_meta_grant_set(&f->tx, ko_str_of(bad[i]), ada, KO_META_MAY_PULL, ERR),
                     KO_E_INVALID);
    assert_fails(ko_meta_grant_set(&f->tx, KO_STR("a/*"), ada, 0, ERR), KO_E_INVALID);
    assert_fails(ko_meta_grant_set(&f->tx, KO_STR("a/*"), ada, 16, ERR), KO_E_INVALID);
    assert_fails(ko_meta_grant_set(&f->tx, KO_STR("a/*"), 999, 1, ERR), KO_E_NOT_FOUND);
}

static void a_removed_repository_leaves_nothing(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");
    ko_meta_repo repo = add_repo(f, "ada/app", KO_META_PUBLIC);
    ko_meta_search_hit *hits = NULL;
    ko_meta_grant *grants = NULL;
    size_t count = 0;

    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("ada/app"), ada, KO_META_MAY_PULL, ERR));
    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("ada/*"), ada, KO_META_MAY_PULL, ERR));
    assert_ok(ko_meta_repo_remove(&f->tx, &repo, AT, ERR));
    assert_ok(ko_meta_grant_list(&f->tx, KO_STR(""), 0, 9, f->arena, &grants, &count, ERR));
    assert_int_equal(count, 1);
    assert_ok(ko_meta_search(&f->tx, (ko_meta_caller){.is_admin = true}, KO_STR("app"), 0, 9,
                             f->arena, &hits, &count, ERR));
    assert_int_equal(count, 0);
}

/* ---- Search ---- */

static const char *found(fixture *f, ko_meta_caller caller, const char *query)
{
    ko_meta_search_hit *hits = NULL;
    size_t count = 0;
    const char *all = "";

    assert_ok(
        ko_meta_search(&f->tx, caller, ko_str_of(query), 0, 50, f->arena, &hits, &count, ERR));
    for (size_t i = 0; i < count; i++)
        all = ko_arena_printf(f->arena, "%s%s%s", all, i ? " " : "", hits[i].repo.name);
    return all;
}

static void search_finds_by_name_description_and_labels(void **state)
{
    fixture *f = *state;
    const ko_meta_caller nobody = {0};
    ko_meta_repo web = add_repo(f, "team/web-server", KO_META_PUBLIC);
    ko_meta_repo db = add_repo(f, "team/db", KO_META_PUBLIC);

    assert_ok(ko_meta_repo_set_description(&f->tx, &web, KO_STR("serves Größe pages"), ERR));
    assert_ok(ko_meta_search_set_text(&f->tx, &db, KO_STR("maintainer=Ada Lovelace"), ERR));
    assert_string_equal(found(f, nobody, "web"), "team/web-server");
    assert_string_equal(found(f, nobody, "serv"), "team/web-server");
    assert_string_equal(found(f, nobody, "web server"), "team/web-server");
    assert_string_equal(found(f, nobody, "team/web-server"), "team/web-server");
    assert_string_equal(found(f, nobody, "grosse"), "");
    assert_string_equal(found(f, nobody, "GRÖßE"), "team/web-server");
    assert_string_equal(found(f, nobody, "lovelace"), "team/db");
    assert_string_equal(found(f, nobody, "web lovelace"), "");
    assert_ok(ko_meta_search_set_text(&f->tx, &db, KO_STR(""), ERR));
    assert_string_equal(found(f, nobody, "lovelace"), "");
}

static void search_shows_the_exact_name_first(void **state)
{
    fixture *f = *state;

    ko_meta_repo other = add_repo(f, "a/nginx-exporter", KO_META_PUBLIC);
    assert_ok(ko_meta_repo_set_description(&f->tx, &other, KO_STR("nginx nginx nginx"), ERR));
    (void)add_repo(f, "z/nginx", KO_META_PUBLIC);
    (void)add_repo(f, "nginx", KO_META_PUBLIC);
    assert_string_equal(found(f, (ko_meta_caller){0}, "NGINX"), "nginx z/nginx a/nginx-exporter");
}

static void search_hides_what_the_caller_may_not_pull(void **state)
{
    fixture *f = *state;
    int64_t ada = add_account(f, "ada");

    (void)add_repo(f, "ada/secret", KO_META_PRIVATE);
    (void)add_repo(f, "bob/secret", KO_META_PRIVATE);
    assert_string_equal(found(f, (ko_meta_caller){0}, "secret"), "");
    assert_string_equal(found(f, (ko_meta_caller){0}, ""), "");
    assert_string_equal(found(f, (ko_meta_caller){.account_id = ada}, "secret"), "ada/secret");
    assert_string_equal(found(f, (ko_meta_caller){.account_id = ada}, "*"), "ada/secret");
    assert_ok(ko_meta_grant_set(&f->tx, KO_STR("bob/*"), ada, KO_META_MAY_PULL, ERR));
    assert_string_equal(found(f, (ko_meta_caller){.account_id = ada}, "secret"),
                        "ada/secret bob/secret");
}

static void hostile_queries_are_only_words(void **state)
{
    static const char *const queries[] = {
        "\"",
        "\"\"",
        "a\"b",
        "*",
        "a*b*",
        "name:app",
        "NEAR(a b)",
        "a AND",
        "OR",
        "NOT app",
        "(",
        "{name} : x",
        "^app",
        "-app",
        "'; DROP TABLE repository; --",
        "%_",
        "\xff\xfe",
        "a\xff",
        "\xe2\x80\x94",
        "\xc2\xb2",
        "\xcc\x81",
        "a \xe2\x80\x94 b",
        "col:\"x\"*",
        "+app",
        "app\\",
    };
    fixture *f = *state;
    char lengthy[2000];

    (void)add_repo(f, "team/app", KO_META_PUBLIC);
    for (size_t i = 0; i < KO_ARRAY_LEN(queries); i++)
        (void)found(f, (ko_meta_caller){0}, queries[i]);
    for (size_t i = 0; i < sizeof(lengthy) - 1; i++)
        lengthy[i] = i % 2 ? ' ' : 'a';
    lengthy[sizeof(lengthy) - 1] = '\0';
    (void)found(f, (ko_meta_caller){0}, lengthy);
    memset(lengthy, 'a', sizeof(lengthy) - 1);
    (void)found(f, (ko_meta_caller){0}, lengthy);
    assert_string_equal(found(f, (ko_meta_caller){0}, "\"app"), "team/app");
    assert_string_equal(found(f, (ko_meta_caller){0}, "app'"), "team/app");
}

static void search_pages_by_offset(void **state)
{
    fixture *f = *state;
    ko_meta_search_hit *hits = NULL;
    size_t count = 0;

    for (int i = 0; i < 7; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "team/app-%d", i);
        (void)add_repo(f, name, KO_META_PUBLIC);
    }
    assert_ok(ko_meta_search(&f->tx, (ko_meta_caller){0}, KO_STR("app"), 5, 5, f->arena, &hits,
                             &count, ERR));
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_repository_belongs_to_its_namespace),
        ON_BOTH(changes_of_a_repository_are_kept),
        ON_BOTH(a_list_shows_what_the_caller_may_pull),
        ON_BOTH(pages_of_a_list_join_without_gap),
        ON_BOTH(owned_repositories_are_listed_and_counted),
        ON_BOTH(access_tells_all_about_a_caller_and_a_name),
        ON_BOTH(grants_match_names_and_prefixes),
        ON_BOTH(grants_of_account_and_groups_add_up),
        ON_BOTH(what_is_no_pattern_is_refused),
        ON_BOTH(a_removed_repository_leaves_nothing),
        ON_BOTH(search_finds_by_name_description_and_labels),
        ON_BOTH(search_shows_the_exact_name_first),
        ON_BOTH(search_hides_what_the_caller_may_not_pull),
        ON_BOTH(hostile_queries_are_only_words),
        ON_BOTH(search_pages_by_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
