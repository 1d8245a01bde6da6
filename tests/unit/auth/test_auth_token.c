/* The token service: access, refresh and personal tokens through the front door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/auth_fixture.h"

/* ---- The token service ---- */

static void a_token_gives_what_was_asked_for_and_may_be_given(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid alice = login(f, "alice");
    ko_issued issued =
        issue(f, alice,
              "repository:alice/x:pull,push repository:bob/x:pull,push "
              "repository:team/public:* registry:catalog:* repository:BAD//name:pull",
              false, arena);
    ko_autobuf text;

    ko_buf_init(&text, 1024);
    assert_int_equal(ko_scope_print_all(&issued.granted, &text), 0);
    assert_string_equal(text.data, "repository:alice/x:pull,push "
                                   "repository:team/public:pull,push,delete,admin "
                                   "registry:catalog:*");
    assert_int_equal(issued.expires_in_s, 300);
    assert_null(issued.refresh_token);

    /* It is known at once, and again after the cache has forgotten it. */
    ko_autoid cached = ko_auth_bearer_cached(f->auth, ko_str_of(issued.token), KO_USE_NORMAL);
    assert_non_null(cached);
    ko_autoid id = NULL;
    assert_int_equal(
        ko_auth_bearer(f->auth, ko_str_of(issued.token), KO_USE_NORMAL, HERE, &id, NULL), 0);
    assert_int_equal(id->via, KO_VIA_TOKEN);
    assert_int_equal(id->account_id, f->alice);
    assert_false(ko_identity_is_whole(id));
    assert_true(ko_auth_may_catalog(id));
    assert_int_equal(actions(f, id, "alice/x"), P | W);
    assert_int_equal(actions(f, cached, "alice/x"), P | W);
    assert_int_equal(actions(f, id, "alice/y"), 0);
    assert_int_equal(actions(f, id, "bob/x"), 0);
}

/* T1, T5: the anonymous token that lets classic docker pull what is public. */
static void an_anonymous_token_pulls_what_is_public(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid nobody = ko_auth_anonymous(f->auth);
    ko_issued issued = issue(
        f, nobody, "repository:team/public:pull,push repository:team/private:pull", true, arena);
    ko_autoid id = NULL;

    assert_null(issued.refresh_token);
    assert_int_equal(
        ko_auth_bearer(f->auth, ko_str_of(issued.token), KO_USE_NORMAL, HERE, &id, NULL), 0);
    assert_int_equal(id->kind, KO_ID_ANONYMOUS);
    assert_int_equal(actions(f, id, "team/public"), P);
    assert_int_equal(actions(f, id, "team/private"), 0);
    assert_int_equal(actions(f, id, "ubuntu"), 0); /* public, but not in this token */
    assert_false(ko_auth_may_catalog(id));
}

static int remove_bob(ko_meta_tx *tx, void *arg, ko_err *err)
{
    fixture *f = arg;

    return ko_meta_group_remove_member(tx, f->team, f->bob, err);
}

static void a_right_that_ends_ends_in_tokens_already_given(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();

    write_rows(f, add_grants);
    ko_autoid bob = login(f, "bob");
    ko_issued issued = issue(f, bob, "repository:team/private:pull,push", false, arena);
    ko_autoid id = NULL;
    assert_int_equal(
        ko_auth_bearer(f->auth, ko_str_of(issued.token), KO_USE_NORMAL, HERE, &id, NULL), 0);
    assert_int_equal(actions(f, id, "team/private"), P | W);

    write_rows(f, remove_bob);
    ko_actions got = 0;
    assert_false(ko_auth_actions_cached(f->auth, id, KO_STR("team/private"), &got));
    assert_int_equal(actions(f, id, "team/private"), 0);
}

static void a_refresh_token_stands_for_the_account_until_it_is_revoked(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid alice = login(f, "alice");
    ko_issued first = issue(f, alice, "", true, arena);
    ko_autoid id = NULL;
    ko_autoid none = NULL;

    assert_int_equal(ko_auth_refresh(f->auth, ko_str_of(first.refresh_token), HERE, &id, NULL), 0);
    ko_issued second = issue(f, id, "repository:alice/x:push", true, arena);
    assert_int_equal(second.granted.count, 1);
    assert_null(second.refresh_token); /* only a password earns one */

    /* It is for the token service: not a password, not a bearer token. */
    assert_int_equal(basic_code(f, "alice", first.refresh_token), KO_E_DENIED);
    assert_int_equal(bearer_code(f, first.refresh_token, KO_USE_NORMAL), KO_E_DENIED);

    assert_int_equal(ko_auth_revoke_refresh(f->auth, ko_str_of(first.refresh_token), NULL), 0);
    assert_int_equal(ko_auth_revoke_refresh(f->auth, ko_str_of(first.refresh_token), NULL), 0);
    assert_int_equal(ko_auth_revoke_refresh(f->auth, KO_STR("rubbish"), NULL), 0);
    assert_int_equal(ko_auth_refresh(f->auth, ko_str_of(first.refresh_token), HERE, &none, NULL),
                     -1);
    assert_int_equal(ko_auth_refresh(f->auth, KO_STR("ko_r_x"), HERE, &none, NULL), -1);
}

static void a_token_does_not_outlive_the_secret_it_was_given_for(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    const ko_account_secret_new spec = {.account_id = f->alice,
                                        .name = KO_STR("short"),
                                        .expires_at_s = ko_clock_wall_s() + 100,
                                        .by = f->alice};
    char text[KO_CREDENTIAL_MAX];
    ko_autoid id = NULL;
    int64_t secret_id;

    assert_int_equal(ko_account_create_secret(f->meta, &spec, text, &secret_id, NULL), 0);
    assert_int_equal(ko_auth_basic(f->auth, KO_STR("alice"), ko_str_of(text), HERE, &id, NULL), 0);
    ko_issued issued = issue(f, id, "repository:alice/app:pull", false, arena);
    assert_in_range(issued.expires_in_s, 1, 100);
}

/* A request that logged in with the old password just before it was changed. */
static void a_login_by_the_old_password_earns_no_token_after_the_change(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid id = login(f, "alice");
    const ko_scopes none = {0};
    ko_issued issued;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(
        ko_account_set_password(f->meta, COST, f->alice, KO_STR("another password"), NULL), 0);
    assert_int_equal(ko_auth_issue(f->auth, id, &none, true, KO_STR("test"), arena, &issued, &err),
                     -1);
    assert_int_equal(err.code, KO_E_DENIED);
}

/* Every `docker login` makes one. */
static void a_new_refresh_token_leaves_what_others_are_remembered_by(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid alice = login(f, "alice");
    ko_autoid bob = login(f, "bob");

    assert_non_null(issue(f, alice, "", true, arena).refresh_token);
    ko_autoid again = ko_auth_basic_cached(f->auth, KO_STR("bob"), KO_STR("password of it"));
    assert_ptr_equal(again, bob);
}

static void an_access_token_does_not_earn_another(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid alice = login(f, "alice");
    ko_issued issued = issue(f, alice, "repository:alice/x:pull", false, arena);
    ko_autoid id = NULL;
    ko_scopes none = {0};
    ko_issued out = {0};
    ko_err err = KO_ERR_INIT;

    assert_int_equal(
        ko_auth_bearer(f->auth, ko_str_of(issued.token), KO_USE_NORMAL, HERE, &id, NULL), 0);
    assert_int_equal(ko_auth_issue(f->auth, id, &none, true, KO_STR(""), arena, &out, &err), -1);
    assert_int_equal(err.code, KO_E_DENIED);
}

/* ---- Personal tokens ---- */

static void a_personal_token_is_a_password_with_limits(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autofree char *secret = secret_for(f, f->alice, "repository:team/*:pull,push", 0);
    ko_autoid id = NULL;

    assert_int_equal(ko_auth_basic(f->auth, KO_STR("alice"), ko_str_of(secret), HERE, &id, NULL),
                     0);
    assert_int_equal(id->via, KO_VIA_SECRET);
    assert_true(id->limited);
    assert_false(ko_identity_is_whole(id));
    assert_false(ko_auth_may_catalog(id));
    assert_int_equal(actions(f, id, "team/private"), P | W);
    assert_int_equal(actions(f, id, "alice/x"), 0);
    ko_autoid cached = ko_auth_basic_cached(f->auth, KO_STR("alice"), ko_str_of(secret));
    assert_ptr_equal(cached, id);

    /* The token service keeps to the limits, and gives no refresh token that would shed them. */
    ko_issued issued = issue(f, id, "repository:team/private:* repository:alice/x:*", true, arena);
    assert_null(issued.refresh_token);
    assert_int_equal(issued.granted.count, 1);
    assert_int_equal(issued.granted.items[0].actions, P | W);

    /* Only for the account it belongs to. */
    assert_int_equal(basic_code(f, "bob", secret), KO_E_DENIED);
    assert_int_equal(bearer_code(f, secret, KO_USE_NORMAL), KO_E_NONE);
}

static int revoke_all(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_secret_revoke_all(tx, ((fixture *)arg)->alice, KO_META_SECRET_PERSONAL, err);
}

static void a_revoked_or_expired_personal_token_is_denied(void **state)
{
    fixture *f = *state;
    ko_autofree char *revoked = secret_for(f, f->alice, "", 0);
    ko_account_secret_new late = {.account_id = f->alice,
                                  .name = KO_STR("late"),
                                  .expires_at_s = ko_clock_wall_s() - 1,
                                  .by = f->alice};
    char text[KO_CREDENTIAL_MAX];
    int64_t id = 0;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(basic_code(f, "alice", revoked), KO_E_NONE);
    write_rows(f, revoke_all);
    assert_int_equal(basic_code(f, "alice", revoked), KO_E_DENIED);
    assert_int_equal(ko_account_create_secret(f->meta, &late, text, &id, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
}

static void guessing_at_tokens_does_not_lock_the_account(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 50; i++)
        assert_int_equal(basic_code(f, "alice", "ko_p_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                         KO_E_DENIED);
    assert_int_equal(basic_code(f, "alice", "password of it"), KO_E_NONE);
}

/* ---- Tokens that are not good ---- */

/* A token signed with the registry's own key, as its service would at another time. */
static char *forge(fixture *f, const ko_claims *claims)
{
    ko_autoptr(ko_keyring) ring = NULL;
    ko_autobuf json;
    ko_autobuf token;

    ko_buf_init(&json, 8192);
    ko_buf_init(&token, 8192);
    assert_int_equal(ko_keyring_open(f->meta, 86400, 86400, &ring, NULL), 0);
    assert_int_equal(ko_claims_print(claims, &json), 0);
    assert_int_equal(ko_keyring_sign(ring, ko_buf_str(&json), &token, NULL), 0);
    return ko_buf_take(&token);
}

static ko_claims good_claims(fixture *f)
{
    int64_t now_s = ko_clock_wall_s();

    return (ko_claims){.issuer = KO_STR(SERVICE),
                       .subject = KO_STR("alice"),
                       .audience = KO_STR(SERVICE),
                       .id = KO_STR("1"),
                       .issued_at_s = now_s,
                       .not_before_s = now_s,
                       .expires_at_s = now_s + 300,
                       .account_id = f->alice};
}

static void a_token_with_wrong_claims_is_denied(void **state)
{
    fixture *f = *state;
    ko_claims rows[7];
    static const ko_err_code want[] = {KO_E_NONE,   KO_E_DENIED, KO_E_DENIED, KO_E_DENIED,
                                       KO_E_DENIED, KO_E_DENIED, KO_E_DENIED};

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        rows[i] = good_claims(f);
    rows[1].issuer = KO_STR("someone else");
    rows[2].audience = KO_STR("another registry");
    rows[3].expires_at_s -= 300 + 61;
    rows[4].not_before_s += 120;
    rows[5].account_id = 987654;
    rows[6].subject = KO_STR("bob");
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autofree char *token = forge(f, &rows[i]);

        if (bearer_code(f, token, KO_USE_NORMAL) != want[i])
            fail_msg("row %zu", i);
    }
    assert_int_equal(bearer_code(f, "", KO_USE_NORMAL), KO_E_DENIED);
    assert_int_equal(bearer_code(f, "a.b.c", KO_USE_UPLOAD), KO_E_DENIED);
}

/* Pain 12: the token dies while a layer of gigabytes is on its way. */
static void an_expired_token_still_finishes_its_own_upload(void **state)
{
    fixture *f = *state;
    ko_claims claims = good_claims(f);
    ko_scope scope = {KO_SCOPE_REPOSITORY, KO_STR(""), KO_STR("alice/x"), P | W};
    ko_autoid id = NULL;

    claims.access = (ko_scopes){&scope, 1};
    claims.issued_at_s = claims.not_before_s -= 3600;
    claims.expires_at_s = claims.issued_at_s + 300;
    ko_autofree char *token = forge(f, &claims);
    assert_int_equal(bearer_code(f, token, KO_USE_NORMAL), KO_E_DENIED);
    assert_int_equal(ko_auth_bearer(f->auth, ko_str_of(token), KO_USE_UPLOAD, HERE, &id, NULL), 0);
    assert_true(id->expired);
    assert_int_equal(id->account_id, f->alice);
    assert_int_equal(actions(f, id, "alice/x"), P | W);
    /* Never from memory: a later request with it must be judged anew. */
    assert_null(ko_auth_bearer_cached(f->auth, ko_str_of(token), KO_USE_UPLOAD));

    claims.expires_at_s = ko_clock_wall_s() - 7200 - 61;
    ko_autofree char *older = forge(f, &claims);
    assert_int_equal(bearer_code(f, older, KO_USE_UPLOAD), KO_E_DENIED);
}

static void many_scopes_that_fit_in_no_token_are_too_large(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoid root = login(f, "root");
    ko_scopes asked = {0};
    ko_issued out = {0};
    ko_err err = KO_ERR_INIT;

    for (int i = 0; i < KO_MAX_SCOPES; i++) {
        const char *text = ko_arena_printf(arena, "repository:a%0200d/x%d:pull", i, i);

        assert_int_equal(ko_scope_parse(ko_str_of(text), arena, &asked, NULL), 0);
    }
    assert_int_equal(ko_auth_issue(f->auth, root, &asked, false, KO_STR(""), arena, &out, &err),
                     -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

static void upkeep_and_the_key_set_work(void **state)
{
    fixture *f = *state;
    ko_autobuf jwks;

    ko_buf_init(&jwks, 4096);
    assert_int_equal(ko_auth_maintain(f->auth, NULL), 0);
    assert_int_equal(ko_auth_print_jwks(f->auth, &jwks), 0);
    assert_non_null(strstr(jwks.data, "\"crv\":\"P-256\""));
    assert_null(strstr(jwks.data, "\"d\":"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_token_gives_what_was_asked_for_and_may_be_given),
        T(an_anonymous_token_pulls_what_is_public),
        T(a_right_that_ends_ends_in_tokens_already_given),
        T(a_refresh_token_stands_for_the_account_until_it_is_revoked),
        T(a_token_does_not_outlive_the_secret_it_was_given_for),
        T(a_login_by_the_old_password_earns_no_token_after_the_change),
        T(a_new_refresh_token_leaves_what_others_are_remembered_by),
        T(an_access_token_does_not_earn_another),
        T(a_personal_token_is_a_password_with_limits),
        T(a_revoked_or_expired_personal_token_is_denied),
        T(guessing_at_tokens_does_not_lock_the_account),
        T(a_token_with_wrong_claims_is_denied),
        T(an_expired_token_still_finishes_its_own_upload),
        T(many_scopes_that_fit_in_no_token_are_too_large),
        T(upkeep_and_the_key_set_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
