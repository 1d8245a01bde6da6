/* Accounts and rights through the front door, on a database in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/account.h"
#include "auth/auth.h"
#include "auth/json_claims.h"
#include "auth/keyring.h"
#include "common/base/clock.h"
#include "storage/meta_grant.h"

#define SERVICE "registry.test"
#define HERE    KO_STR("192.0.2.1")
#define P       KO_ACTION_PULL
#define W       KO_ACTION_PUSH
#define D       KO_ACTION_DELETE
#define ALL     KO_ACTION_ALL

static const ko_password_cost COST = {.passes = 1, .memory_kib = 8};

/* alice: person; bob: person; root: administrator; ci: robot; team: group owned by alice. */
typedef struct {
    ko_meta *meta;
    ko_auth *auth;
    int64_t alice;
    int64_t bob;
    int64_t root;
    int64_t ci;
    int64_t team;
} fixture;

static void write_rows(fixture *f, ko_meta_fn *fn)
{
    ko_err err = KO_ERR_INIT;

    if (ko_meta_write(f->meta, KO_META_LAZY, fn, f, &err) < 0)
        fail_msg("%s", err.text);
}

static int64_t add_account(fixture *f, const char *name, ko_meta_account_kind kind, bool admin)
{
    ko_account_new spec = {.kind = kind,
                           .name = ko_str_of(name),
                           .password = ko_str_of(kind == KO_META_ROBOT ? "" : "password of it"),
                           .is_admin = admin};
    ko_err err = KO_ERR_INIT;
    int64_t id = 0;

    if (ko_account_create(f->meta, COST, &spec, &id, &err) < 0)
        fail_msg("%s", err.text);
    return id;
}

static int add_team_and_repositories(ko_meta_tx *tx, void *arg, ko_err *err)
{
    fixture *f = arg;
    ko_meta_repo repo;

    if (ko_meta_group_add(tx, KO_STR("team"), KO_STR(""), KO_META_PRIVATE, 1, &f->team, err) < 0 ||
        ko_meta_group_set_member(tx, f->team, f->alice, KO_META_ROLE_OWNER, err) < 0 ||
        ko_meta_repo_add(tx, KO_STR("team/private"), KO_META_PRIVATE, 1, &repo, err) < 0 ||
        ko_meta_repo_add(tx, KO_STR("team/public"), KO_META_PUBLIC, 1, &repo, err) < 0 ||
        ko_meta_repo_add(tx, KO_STR("ubuntu"), KO_META_PUBLIC, 1, &repo, err) < 0)
        return -1;
    return 0;
}

static int set_up(void **state)
{
    fixture *f = ko_new(fixture);
    ko_auth_opts opts = {
        .service = SERVICE,
        .cost = COST,
        .backoff = KO_BACKOFF_DEFAULT,
        .token_life_s = 300,
        .refresh_life_s = 3600,
        .upload_grace_s = 7200,
        .key_rotate_s = 86400,
        .verified_ttl_ms = 300000,
        .cache_entries = 1000,
    };

    assert_int_equal(ko_meta_open_memory(&f->meta, NULL), 0);
    f->alice = add_account(f, "alice", KO_META_PERSON, false);
    f->bob = add_account(f, "bob", KO_META_PERSON, false);
    f->root = add_account(f, "root", KO_META_PERSON, true);
    f->ci = add_account(f, "ci", KO_META_ROBOT, false);
    write_rows(f, add_team_and_repositories);
    opts.meta = f->meta;
    assert_int_equal(ko_auth_new(&opts, &f->auth, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    ko_auth_free(f->auth);
    ko_meta_free(f->meta);
    free(f);
    return 0;
}

static const ko_identity *login(fixture *f, const char *user)
{
    const ko_identity *id = NULL;
    ko_err err = KO_ERR_INIT;

    if (ko_auth_basic(f->auth, ko_str_of(user), KO_STR("password of it"), HERE, &id, &err) < 0)
        fail_msg("%s: %s", user, err.text);
    return id;
}

static ko_err_code basic_code(fixture *f, const char *user, const char *password)
{
    ko_autoid id = NULL;
    ko_err err = KO_ERR_INIT;

    return ko_auth_basic(f->auth, ko_str_of(user), ko_str_of(password), HERE, &id, &err) < 0
               ? err.code
               : KO_E_NONE;
}

static ko_err_code bearer_code(fixture *f, const char *token, ko_bearer_use use)
{
    ko_autoid id = NULL;
    ko_err err = KO_ERR_INIT;

    return ko_auth_bearer(f->auth, ko_str_of(token), use, HERE, &id, &err) < 0 ? err.code
                                                                               : KO_E_NONE;
}

static ko_actions actions(fixture *f, const ko_identity *id, const char *repo)
{
    ko_actions fresh = 99;
    ko_actions cached = 98;
    ko_err err = KO_ERR_INIT;

    if (ko_auth_actions(f->auth, id, ko_str_of(repo), &fresh, &err) < 0)
        fail_msg("%s: %s", repo, err.text);
    assert_true(ko_auth_actions_cached(f->auth, id, ko_str_of(repo), &cached));
    assert_int_equal(cached, fresh);
    return fresh;
}

static ko_issued issue(fixture *f, const ko_identity *id, const char *scope, bool offline,
                       ko_arena *arena)
{
    ko_scopes asked = {0};
    ko_issued out = {0};
    ko_err err = KO_ERR_INIT;

    if (ko_scope_parse(ko_str_of(scope), arena, &asked, &err) < 0 ||
        ko_auth_issue(f->auth, id, &asked, offline, KO_STR("test"), arena, &out, &err) < 0)
        fail_msg("%s", err.text);
    return out;
}

static char *secret_for(fixture *f, int64_t account, const char *scope, int64_t expires_at_s)
{
    ko_account_secret_new spec = {.account_id = account,
                                  .name = KO_STR("for tests"),
                                  .scope = ko_str_of(scope),
                                  .expires_at_s = expires_at_s,
                                  .by = account};
    char *text = ko_xmalloc(KO_CREDENTIAL_MAX);
    ko_err err = KO_ERR_INIT;
    int64_t id = 0;

    if (ko_account_create_secret(f->meta, &spec, text, &id, &err) < 0)
        fail_msg("%s", err.text);
    return text;
}

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

static int add_grants(ko_meta_tx *tx, void *arg, ko_err *err)
{
    fixture *f = arg;

    if (ko_meta_group_set_member(tx, f->team, f->bob, KO_META_ROLE_MEMBER, err) < 0 ||
        ko_meta_grant_set(tx, KO_STR("alice/shared"), f->bob, P, err) < 0 ||
        ko_meta_grant_set(tx, KO_STR("alice/*"), f->team, P | D, err) < 0 ||
        ko_meta_grant_set(tx, KO_STR("team/*"), f->ci, P | W, err) < 0)
        return -1;
    return 0;
}

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
        T(a_right_password_logs_in_and_is_remembered),
        T(a_wrong_password_or_name_is_denied_in_the_same_words),
        T(guessing_is_slowed_down_and_says_for_how_long),
        T(a_disabled_account_is_out_at_once),
        T(a_new_password_ends_the_old_one_and_refresh_tokens),
        T(a_login_hashes_anew_when_the_cost_has_changed),
        T(rights_follow_namespace_group_grant_and_visibility),
        T(a_token_gives_what_was_asked_for_and_may_be_given),
        T(an_anonymous_token_pulls_what_is_public),
        T(a_right_that_ends_ends_in_tokens_already_given),
        T(a_refresh_token_stands_for_the_account_until_it_is_revoked),
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
