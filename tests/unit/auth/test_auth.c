/* Who is it and what may it do: logins and rights through the front door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/auth_fixture.h"

/* ---- Basic ---- */

static void a_right_password_logs_in_and_is_remembered(void **state)
{
    fixture *f = *state;

    assert_null(ko_auth_basic_cached(f->auth, KO_STR("alice"), KO_STR("password of it")));
    ko_autoid id = login(f, "alice");
    assert_int_equal(id->kind, KO_ID_ACCOUNT);
    assert_int_equal(id->account_id, f->alice);
    assert_string_equal(id->name, "alice");
    assert_false(id->admin);
    assert_true(ko_identity_is_whole(id));
    ko_autoid cached = ko_auth_basic_cached(f->auth, KO_STR("alice"), KO_STR("password of it"));
    assert_ptr_equal(cached, id);
}

static void a_wrong_password_or_name_is_denied_in_the_same_words(void **state)
{
    fixture *f = *state;
    ko_autoid id = NULL;
    ko_err wrong = KO_ERR_INIT;
    ko_err nobody = KO_ERR_INIT;
    ko_err robot = KO_ERR_INIT;

    assert_int_equal(
        ko_auth_basic(f->auth, KO_STR("alice"), KO_STR("not the one"), HERE, &id, &wrong), -1);
    assert_int_equal(
        ko_auth_basic(f->auth, KO_STR("nobody"), KO_STR("not the one"), HERE, &id, &nobody), -1);
    assert_int_equal(ko_auth_basic(f->auth, KO_STR("ci"), KO_STR(""), HERE, &id, &robot), -1);
    assert_int_equal(wrong.code, KO_E_DENIED);
    assert_string_equal(wrong.text, nobody.text);
    assert_string_equal(wrong.text, robot.text);
    assert_null(id);
    assert_null(ko_auth_basic_cached(f->auth, KO_STR("alice"), KO_STR("not the one")));
}

static void guessing_is_slowed_down_and_says_for_how_long(void **state)
{
    fixture *f = *state;

    assert_int_equal(ko_auth_retry_after_s(f->auth, KO_STR("bob"), HERE), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(basic_code(f, "bob", "a wild guess"), KO_E_DENIED);
    assert_true(ko_auth_retry_after_s(f->auth, KO_STR("bob"), HERE) > 0);
    assert_int_equal(basic_code(f, "bob", "password of it"), KO_E_UNAVAILABLE);
    assert_int_equal(basic_code(f, "alice", "password of it"), KO_E_NONE);
}

static int disable_alice(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_account_set_flags(tx, ((fixture *)arg)->alice, false, true, err);
}

static void a_disabled_account_is_out_at_once(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid id = login(f, "alice");
    ko_issued token = issue(f, id, "repository:alice/x:push", false, arena);
    ko_autofree char *secret = secret_for(f, f->alice, "", 0);
    ko_autoid by_secret = NULL;

    assert_int_equal(actions(f, id, "alice/x"), ALL);
    assert_int_equal(
        ko_auth_basic(f->auth, KO_STR("alice"), ko_str_of(secret), HERE, &by_secret, NULL), 0);
    write_rows(f, disable_alice);
    assert_null(ko_auth_basic_cached(f->auth, KO_STR("alice"), KO_STR("password of it")));
    assert_null(ko_auth_bearer_cached(f->auth, ko_str_of(token.token), KO_USE_NORMAL));
    assert_int_equal(basic_code(f, "alice", "password of it"), KO_E_DENIED);
    assert_int_equal(basic_code(f, "alice", secret), KO_E_DENIED);
    assert_int_equal(bearer_code(f, token.token, KO_USE_NORMAL), KO_E_DENIED);
    assert_int_equal(actions(f, id, "alice/x"), 0);
    assert_int_equal(actions(f, id, "team/public"), 0);
}

static void a_new_password_ends_the_old_one_and_refresh_tokens(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid id = login(f, "alice");
    ko_issued issued = issue(f, id, "", true, arena);
    ko_autoid again = NULL;

    assert_non_null(issued.refresh_token);
    assert_int_equal(ko_auth_refresh(f->auth, ko_str_of(issued.refresh_token), HERE, &again, NULL),
                     0);
    assert_int_equal(again->account_id, f->alice);
    assert_int_equal(
        ko_account_set_password(f->meta, COST, f->alice, KO_STR("another password"), NULL), 0);
    assert_null(ko_auth_basic_cached(f->auth, KO_STR("alice"), KO_STR("password of it")));
    assert_int_equal(basic_code(f, "alice", "password of it"), KO_E_DENIED);
    assert_int_equal(basic_code(f, "alice", "another password"), KO_E_NONE);
    ko_autoid none = NULL;
    ko_err err = KO_ERR_INIT;
    assert_int_equal(ko_auth_refresh(f->auth, ko_str_of(issued.refresh_token), HERE, &none, &err),
                     -1);
    assert_int_equal(err.code, KO_E_DENIED);
}

static void a_login_hashes_anew_when_the_cost_has_changed(void **state)
{
    fixture *f = *state;
    ko_auth_opts opts = {
        .meta = f->meta,
        .service = SERVICE,
        .cost = {.passes = 2, .memory_kib = 16},
        .backoff = KO_BACKOFF_DEFAULT,
        .token_life_s = 300,
        .key_rotate_s = 86400,
        .verified_ttl_ms = 1000,
        .cache_entries = 10,
    };
    ko_autoptr(ko_auth) other = NULL;
    ko_autoid first = NULL;
    ko_autoid second = NULL;

    assert_int_equal(ko_auth_new(&opts, &other, NULL), 0);
    assert_int_equal(
        ko_auth_basic(other, KO_STR("bob"), KO_STR("password of it"), HERE, &first, NULL), 0);
    /* Not from memory, since the new hash is a change: and it still matches. */
    assert_null(ko_auth_basic_cached(other, KO_STR("bob"), KO_STR("password of it")));
    assert_int_equal(
        ko_auth_basic(other, KO_STR("bob"), KO_STR("password of it"), HERE, &second, NULL), 0);
}

/* ---- Rights ---- */

static void rights_follow_namespace_group_grant_and_visibility(void **state)
{
    fixture *f = *state;
    ko_autoid alice = login(f, "alice");
    ko_autoid bob = login(f, "bob");
    ko_autoid root = login(f, "root");
    ko_autoid nobody = ko_auth_anonymous(f->auth);
    ko_autofree char *robot_secret = secret_for(f, f->ci, "", 0);
    ko_autoid ci = NULL;

    assert_int_equal(ko_auth_basic(f->auth, KO_STR("ci"), ko_str_of(robot_secret), HERE, &ci, NULL),
                     0);
    assert_int_equal(ci->kind, KO_ID_ROBOT);

    const struct {
        const ko_identity *who;
        const char *repo;
        ko_actions before; /* any grants */
        ko_actions after;
    } rows[] = {
        {alice, "alice/new", ALL, ALL},
        {alice, "alice/deep/er", ALL, ALL},
        {alice, "team/private", ALL, ALL},
        {alice, "team/new", ALL, ALL},
        {alice, "bob/x", 0, 0},
        {alice, "alice", 0, 0}, /* one component */
        {alice, "ubuntu", P, P},
        {alice, "debian", 0, 0},
        {bob, "team/private", 0, P | W},
        {bob, "team/public", P, P | W},
        {bob, "team/new", 0, P | W},
        {bob, "alice/shared", 0, P | D},
        {bob, "alice/new", 0, P | D},
        {bob, "alicex/new", 0, 0},
        {root, "alice/x", ALL, ALL},
        {root, "debian", ALL, ALL},
        {ci, "ci/own", 0, 0},
        {ci, "team/private", 0, P | W},
        {ci, "team/public", P, P | W},
        {ci, "alice/x", 0, 0},
        {nobody, "team/public", P, P},
        {nobody, "team/private", 0, 0},
        {nobody, "ubuntu", P, P},
        {nobody, "nothing/here", 0, 0},
    };
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (actions(f, rows[i].who, rows[i].repo) != rows[i].before)
            fail_msg("before: %s on %s", rows[i].who->name, rows[i].repo);
    write_rows(f, add_grants); /* what was cached above must not be seen again */
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        if (actions(f, rows[i].who, rows[i].repo) != rows[i].after)
            fail_msg("after: %s on %s", rows[i].who->name, rows[i].repo);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_right_password_logs_in_and_is_remembered),
        T(a_wrong_password_or_name_is_denied_in_the_same_words),
        T(guessing_is_slowed_down_and_says_for_how_long),
        T(a_disabled_account_is_out_at_once),
        T(a_new_password_ends_the_old_one_and_refresh_tokens),
        T(a_login_hashes_anew_when_the_cost_has_changed),
        T(rights_follow_namespace_group_grant_and_visibility),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
