/* auth/group.c: see the header. */
#include "auth/group.h"

#include "auth/account.h"
#include "common/base/clock.h"
#include "common/oci/ref.h"

int ko_group_create(ko_meta_tx *tx, ko_str name, ko_str display,
                    ko_meta_visibility default_visibility, int64_t *out_id, ko_err *err)
{
    if (ko_account_check_name(name, err) < 0)
        return -1;
    return ko_meta_group_add(tx, name, display, default_visibility, ko_clock_wall_s(), out_id, err);
}

static int find_account(ko_meta_tx *tx, ko_str name, ko_arena *arena, ko_meta_account *out,
                        ko_err *err)
{
    if (ko_meta_account_find(tx, name, arena, out, err) == 0)
        return 0;
    return ko_err_ctx(err, KO_STR_FMT, KO_STR_ARG(name));
}

int ko_group_set_member(ko_meta_tx *tx, int64_t group_id, ko_str account, ko_meta_role role,
                        ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account found;

    if (find_account(tx, account, arena, &found, err) < 0)
        return -1;
    if (role == KO_META_ROLE_OWNER && found.kind == KO_META_ROBOT)
        return ko_err_set(err, KO_E_INVALID, "%s is a robot, which owns nothing", found.owner.name);
    if (role != KO_META_ROLE_NONE)
        return ko_meta_group_set_member(tx, group_id, found.owner.id, role, err);
    if (ko_meta_group_remove_member(tx, group_id, found.owner.id, err) < 0)
        return ko_err_ctx(err, "%s", found.owner.name);
    return 0;
}

/* ---- Grants ---- */

static int find_subject(ko_meta_tx *tx, ko_meta_owner_kind kind, ko_str name, ko_meta_owner *out,
                        ko_err *err)
{
    if (ko_meta_owner_find(tx, name, out, err) < 0)
        return ko_err_ctx(err, KO_STR_FMT, KO_STR_ARG(name));
    if (kind != KO_META_OWNER_NONE && out->kind != kind)
        return ko_err_set(err, KO_E_NOT_FOUND, "%s is no %s", out->name,
                          kind == KO_META_OWNER_GROUP ? "group" : "account");
    return 0;
}

int ko_group_grant(ko_meta_tx *tx, ko_str pattern, ko_meta_owner_kind kind, ko_str subject,
                   ko_actions actions, ko_err *err)
{
    ko_meta_owner owner;

    if (find_subject(tx, kind, subject, &owner, err) < 0)
        return -1;
    return ko_meta_grant_set(tx, pattern, owner.id, actions, err);
}

int ko_group_revoke(ko_meta_tx *tx, ko_str pattern, ko_meta_owner_kind kind, ko_str subject,
                    ko_err *err)
{
    ko_meta_owner owner;

    if (find_subject(tx, kind, subject, &owner, err) < 0)
        return -1;
    return ko_meta_grant_remove(tx, pattern, owner.id, err);
}

typedef struct {
    ko_str space;
    int64_t account_id;
    bool owns;
} owns_job;

static int run_owns(ko_meta_tx *tx, void *arg, ko_err *err)
{
    owns_job *job = arg;
    ko_meta_role role = KO_META_ROLE_NONE;
    ko_err why = KO_ERR_INIT;
    ko_meta_owner owner;

    job->owns = false;
    if (ko_meta_owner_find(tx, job->space, &owner, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    if (owner.kind == KO_META_OWNER_GROUP &&
        ko_meta_group_role(tx, owner.id, job->account_id, &role, err) < 0)
        return -1;
    job->owns = owner.kind == KO_META_OWNER_GROUP ? role == KO_META_ROLE_OWNER
                                                  : owner.id == job->account_id;
    return 0;
}

/* "team/" and a star lies in the namespace team; "te" and a star in nobody's. */
static int owns_space_of(ko_meta *meta, const ko_identity *id, ko_str pattern, bool *out,
                         ko_err *err)
{
    size_t slash = ko_str_find_char(pattern, '/');
    owns_job job = {.account_id = id->account_id};

    *out = false;
    if (slash == SIZE_MAX || id->kind != KO_ID_ACCOUNT || !ko_identity_is_whole(id))
        return 0;
    job.space = ko_str_slice(pattern, 0, slash);
    if (ko_meta_read(meta, run_owns, &job, err) < 0)
        return -1;
    *out = job.owns;
    return 0;
}

int ko_group_may_grant(ko_auth *auth, ko_meta *meta, const ko_identity *id, ko_str pattern,
                       bool *out, ko_err *err)
{
    ko_actions actions = 0;

    if (id->admin && ko_identity_is_whole(id)) {
        *out = true;
        return 0;
    }
    if (ko_str_has_suffix(pattern, KO_STR("*")))
        return owns_space_of(meta, id, pattern, out, err);
    if (ko_ref_check_repo(pattern, err) < 0 ||
        ko_auth_actions(auth, id, pattern, &actions, err) < 0)
        return -1;
    *out = (actions & KO_ACTION_ADMIN) != 0;
    return 0;
}
