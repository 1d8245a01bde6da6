/* Accounts, members and grants by name: what is refused, and who may give rights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/account.h"
#include "auth/group.h"

static ko_meta *meta;
static ko_auth *auth;
static int64_t root_id, alice_id, bob_id, robot_id, lab_id;

static int64_t add_account(const char *name, ko_meta_account_kind kind, bool is_admin)
{
    ko_account_new spec = {.kind = kind,
                           .name = ko_str_of(name),
                           .password =
                               kind == KO_META_PERSON ? KO_STR("correct horse") : KO_STR(""),
                           .is_admin = is_admin};
    int64_t id = 0;

    assert_int_equal(ko_account_create(meta, KO_PASSWORD_COST_LEAST, &spec, &id, NULL), 0);
    return id;
}

static int make_lab(ko_meta_tx *tx, void *arg, ko_err *err)
{
    (void)arg;
    if (ko_group_create(tx, KO_STR("lab"), KO_STR(""), KO_META_PRIVATE, &lab_id, err) < 0)
        return -1;
    return ko_group_set_member(tx, lab_id, KO_STR("alice"), KO_META_ROLE_OWNER, err);
}

static int set_up(void **state)
{
    ko_auth_opts opts = {.service = "test",
                         .cost = KO_PASSWORD_COST_LEAST,
                         .backoff = KO_BACKOFF_DEFAULT,
                         .token_life_s = 300,
                         .key_rotate_s = 3600,
                         .verified_ttl_ms = 1000,
                         .cache_entries = 64};
    (void)state;

    assert_int_equal(ko_meta_open_memory(&meta, NULL), 0);
    opts.meta = meta;
    assert_int_equal(ko_auth_new(&opts, &auth, NULL), 0);
    root_id = add_account("root", KO_META_PERSON, true);
    alice_id = add_account("alice", KO_META_PERSON, false);
    bob_id = add_account("bob", KO_META_PERSON, false);
    robot_id = add_account("ci-bot", KO_META_ROBOT, false);
    return ko_meta_write(meta, KO_META_LAZY, make_lab, NULL, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    auth = ko_auth_free(auth);
    meta = ko_meta_free(meta);
    return 0;
}

/* ---- Administrators ---- */

typedef struct {
    int64_t id;
    bool is_admin;
    bool is_disabled;
    bool remove;
} change;

static int run_change(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const change *c = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (ko_meta_account_load(tx, c->id, arena, &account, err) < 0)
        return -1;
    if (c->remove)
        return ko_account_remove(tx, &account, false, err);
    return ko_account_set_flags(tx, &account, c->is_admin, c->is_disabled, err);
}

static ko_err_code try_change(change c)
{
    ko_err err = KO_ERR_INIT;

    if (ko_meta_write(meta, KO_META_LAZY, run_change, &c, &err) == 0)
        return KO_E_NONE;
    return err.code;
}

static void the_last_administrator_stays(void **state)
{
    (void)state;

    assert_int_equal(try_change((change){.id = root_id}), KO_E_CONFLICT);
    assert_int_equal(try_change((change){.id = root_id, .is_admin = true, .is_disabled = true}),
                     KO_E_CONFLICT);
    assert_int_equal(try_change((change){.id = root_id, .remove = true}), KO_E_CONFLICT);
    assert_int_equal(try_change((change){.id = root_id, .is_admin = true}), KO_E_NONE);

    assert_int_equal(try_change((change){.id = bob_id, .is_admin = true}), KO_E_NONE);
    assert_int_equal(try_change((change){.id = root_id, .remove = true}), KO_E_NONE);
    assert_int_equal(try_change((change){.id = bob_id}), KO_E_CONFLICT);
}

static void a_disabled_administrator_is_not_missed(void **state)
{
    (void)state;

    assert_int_equal(try_change((change){.id = bob_id, .is_admin = true, .is_disabled = true}),
                     KO_E_NONE);
    assert_int_equal(try_change((change){.id = root_id}), KO_E_CONFLICT);
    assert_int_equal(try_change((change){.id = bob_id, .remove = true}), KO_E_NONE);
}

static void a_robot_is_no_administrator(void **state)
{
    (void)state;

    assert_int_equal(try_change((change){.id = robot_id, .is_admin = true}), KO_E_INVALID);
    assert_int_equal(try_change((change){.id = robot_id, .is_disabled = true}), KO_E_NONE);
}

static int read_quota(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_owner_find(tx, KO_STR("carol"), arg, err);
}

static void a_new_account_can_have_quotas(void **state)
{
    ko_account_quota quota = {.private_repos = 3, .bytes = KO_META_QUOTA_UNLIMITED};
    ko_account_new spec = {
        .name = KO_STR("carol"), .password = KO_STR("correct horse"), .quota = &quota};
    ko_meta_owner owner;
    int64_t id;
    (void)state;

    assert_int_equal(ko_account_create(meta, KO_PASSWORD_COST_LEAST, &spec, &id, NULL), 0);
    assert_int_equal(ko_meta_read(meta, read_quota, &owner, NULL), 0);
    assert_int_equal(owner.quota_private_repos, 3);
    assert_int_equal(owner.quota_bytes, KO_META_QUOTA_UNLIMITED);
}

/* ---- Members and subjects ---- */

typedef struct {
    const char *name;
    ko_meta_role role;
} member_change;

static int run_member(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const member_change *c = arg;

    return ko_group_set_member(tx, lab_id, ko_str_of(c->name), c->role, err);
}

static void members_are_found_by_name(void **state)
{
    static const struct {
        member_change change;
        ko_err_code want;
    } rows[] = {
        {{"bob", KO_META_ROLE_MEMBER}, KO_E_NONE},
        {{"bob", KO_META_ROLE_OWNER}, KO_E_NONE},
        {{"bob", KO_META_ROLE_NONE}, KO_E_NONE},
        {{"bob", KO_META_ROLE_NONE}, KO_E_NOT_FOUND},
        {{"dave", KO_META_ROLE_MEMBER}, KO_E_NOT_FOUND},
        {{"lab", KO_META_ROLE_MEMBER}, KO_E_NOT_FOUND},
        {{"ci-bot", KO_META_ROLE_MEMBER}, KO_E_NONE},
        {{"ci-bot", KO_META_ROLE_OWNER}, KO_E_INVALID},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        member_change c = rows[i].change;
        ko_err err = KO_ERR_INIT;
        int rc = ko_meta_write(meta, KO_META_LAZY, run_member, &c, &err);

        if (rc != (rows[i].want == KO_E_NONE ? 0 : -1) || err.code != rows[i].want)
            fail_msg("row %zu: %s", i, err.text);
    }
}

typedef struct {
    const char *pattern;
    ko_meta_owner_kind kind;
    const char *subject;
    ko_actions actions; /* 0: revoke */
} grant;

static int run_grant(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const grant *g = arg;

    if (g->actions == 0)
        return ko_group_revoke(tx, ko_str_of(g->pattern), g->kind, ko_str_of(g->subject), err);
    return ko_group_grant(tx, ko_str_of(g->pattern), g->kind, ko_str_of(g->subject), g->actions,
                          err);
}

static ko_err_code try_grant(grant g)
{
    ko_err err = KO_ERR_INIT;

    if (ko_meta_write(meta, KO_META_LAZY, run_grant, &g, &err) == 0)
        return KO_E_NONE;
    return err.code;
}

static void a_grant_names_an_account_or_a_group(void **state)
{
    (void)state;

    assert_int_equal(try_grant((grant){"lab/a", KO_META_OWNER_ACCOUNT, "bob", KO_ACTION_PULL}),
                     KO_E_NONE);
    assert_int_equal(try_grant((grant){"lab/*", KO_META_OWNER_GROUP, "lab", KO_ACTION_PUSH}),
                     KO_E_NONE);
    assert_int_equal(try_grant((grant){"lab/a", KO_META_OWNER_GROUP, "bob", KO_ACTION_PULL}),
                     KO_E_NOT_FOUND);
    assert_int_equal(try_grant((grant){"lab/a", KO_META_OWNER_ACCOUNT, "lab", KO_ACTION_PULL}),
                     KO_E_NOT_FOUND);
    assert_int_equal(try_grant((grant){"LAB", KO_META_OWNER_ACCOUNT, "bob", KO_ACTION_PULL}),
                     KO_E_INVALID);
    assert_int_equal(try_grant((grant){"lab/a", KO_META_OWNER_ACCOUNT, "bob", 0}), KO_E_NONE);
    assert_int_equal(try_grant((grant){"lab/a", KO_META_OWNER_ACCOUNT, "bob", 0}), KO_E_NOT_FOUND);
}

/* ---- Who may give rights ---- */

static bool may_grant(const ko_identity *id, const char *pattern)
{
    bool may = false;

    assert_int_equal(ko_group_may_grant(auth, meta, id, ko_str_of(pattern), &may, NULL), 0);
    return may;
}

static void rights_are_given_by_those_who_administrate_the_place(void **state)
{
    ko_identity root = {.kind = KO_ID_ACCOUNT, .via = KO_VIA_PASSWORD, .admin = true};
    ko_identity alice = {.kind = KO_ID_ACCOUNT, .via = KO_VIA_PASSWORD, .name = "alice"};
    ko_identity bob = {.kind = KO_ID_ACCOUNT, .via = KO_VIA_PASSWORD, .name = "bob"};
    ko_identity robot = {.kind = KO_ID_ROBOT, .via = KO_VIA_SECRET, .name = "ci-bot"};
    ko_identity alices_token = alice;
    (void)state;

    root.account_id = root_id;
    alice.account_id = alices_token.account_id = alice_id;
    bob.account_id = bob_id;
    robot.account_id = robot_id;
    alices_token.limited = true;

    assert_true(may_grant(&root, "*"));
    assert_true(may_grant(&root, "ubuntu"));
    assert_true(may_grant(&alice, "alice/app"));
    assert_true(may_grant(&alice, "alice/*"));
    assert_true(may_grant(&alice, "lab/web-*")); /* an owner of the group */
    assert_false(may_grant(&alice, "bob/app"));
    assert_false(may_grant(&alice, "bob/*"));
    assert_false(may_grant(&alice, "alice*")); /* would hold alice2/app too */
    assert_false(may_grant(&alice, "*"));
    assert_false(may_grant(&alice, "nobody/*"));
    assert_false(may_grant(&alices_token, "alice/*"));
    assert_false(may_grant(&bob, "lab/app"));
    assert_false(may_grant(&robot, "ci-bot/*"));

    assert_int_equal(try_grant((grant){"lab/app", KO_META_OWNER_ACCOUNT, "bob", KO_ACTION_ADMIN}),
                     KO_E_NONE);
    assert_true(may_grant(&bob, "lab/app"));
    assert_false(may_grant(&bob, "lab/*"));
}

static void what_is_no_repository_name_is_invalid(void **state)
{
    ko_identity alice = {.kind = KO_ID_ACCOUNT, .via = KO_VIA_PASSWORD, .name = "alice"};
    ko_err err = KO_ERR_INIT;
    bool may = true;
    (void)state;

    assert_int_equal(ko_group_may_grant(auth, meta, &alice, KO_STR("Alice/App"), &may, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    assert_true(may);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_administrator_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disabled_administrator_is_not_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_robot_is_no_administrator, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_account_can_have_quotas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_are_found_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_grant_names_an_account_or_a_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rights_are_given_by_those_who_administrate_the_place,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_repository_name_is_invalid, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
