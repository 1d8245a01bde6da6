/* A registry's accounts on a database in memory, for the tests of auth/auth*.c. Include after
 * cmocka.h. */
#ifndef KO_TESTS_AUTH_FIXTURE_H
#define KO_TESTS_AUTH_FIXTURE_H

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

#define COST KO_PASSWORD_COST_LEAST

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

static inline void write_rows(fixture *f, ko_meta_fn *fn)
{
    ko_err err = KO_ERR_INIT;

    if (ko_meta_write(f->meta, KO_META_LAZY, fn, f, &err) < 0)
        fail_msg("%s", err.text);
}

static inline int64_t add_account(fixture *f, const char *name, ko_meta_account_kind kind,
                                  bool admin)
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

static inline int add_team_and_repositories(ko_meta_tx *tx, void *arg, ko_err *err)
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

static inline int add_grants(ko_meta_tx *tx, void *arg, ko_err *err)
{
    fixture *f = arg;

    if (ko_meta_group_set_member(tx, f->team, f->bob, KO_META_ROLE_MEMBER, err) < 0 ||
        ko_meta_grant_set(tx, KO_STR("alice/shared"), f->bob, P, err) < 0 ||
        ko_meta_grant_set(tx, KO_STR("alice/*"), f->team, P | D, err) < 0 ||
        ko_meta_grant_set(tx, KO_STR("team/*"), f->ci, P | W, err) < 0)
        return -1;
    return 0;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
    fixture *f = *state;

    ko_auth_free(f->auth);
    ko_meta_free(f->meta);
    free(f);
    return 0;
}

static inline const ko_identity *login(fixture *f, const char *user)
{
    const ko_identity *id = NULL;
    ko_err err = KO_ERR_INIT;

    if (ko_auth_basic(f->auth, ko_str_of(user), KO_STR("password of it"), HERE, &id, &err) < 0)
        fail_msg("%s: %s", user, err.text);
    return id;
}

static inline ko_err_code basic_code(fixture *f, const char *user, const char *password)
{
    ko_autoid id = NULL;
    ko_err err = KO_ERR_INIT;

    return ko_auth_basic(f->auth, ko_str_of(user), ko_str_of(password), HERE, &id, &err) < 0
               ? err.code
               : KO_E_NONE;
}

static inline ko_err_code bearer_code(fixture *f, const char *token, ko_bearer_use use)
{
    ko_autoid id = NULL;
    ko_err err = KO_ERR_INIT;

    return ko_auth_bearer(f->auth, ko_str_of(token), use, HERE, &id, &err) < 0 ? err.code
                                                                               : KO_E_NONE;
}

static inline ko_actions actions(fixture *f, const ko_identity *id, const char *repo)
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

static inline ko_issued issue(fixture *f, const ko_identity *id, const char *scope, bool offline,
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

static inline char *secret_for(fixture *f, int64_t account, const char *scope, int64_t expires_at_s)
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

#endif
