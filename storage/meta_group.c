/* storage/meta_group.c: groups and their members. */
#include "storage/meta_group.h"

#include "storage/meta_priv.h"

const char *ko_meta_role_name(ko_meta_role role)
{
    switch (role) {
#define X(name, number, text)                                                                      \
    case KO_META_ROLE_##name:                                                                      \
        return text;
        KO_META_ROLES(X)
#undef X
    }
    return "none";
}

int ko_meta_role_parse(ko_str text, ko_meta_role *out, ko_err *err)
{
    if (ko_str_eq(text, KO_STR("member")))
        *out = KO_META_ROLE_MEMBER;
    else if (ko_str_eq(text, KO_STR("owner")))
        *out = KO_META_ROLE_OWNER;
    else
        return ko_err_set(err, KO_E_INVALID, "a role is \"member\" or \"owner\"");
    return 0;
}

static ko_meta_role role_of(int64_t number)
{
    if (number == KO_META_ROLE_OWNER)
        return KO_META_ROLE_OWNER;
    return number == KO_META_ROLE_MEMBER ? KO_META_ROLE_MEMBER : KO_META_ROLE_NONE;
}

int ko_meta_group_add(ko_meta_tx *tx, ko_str name, ko_str display,
                      ko_meta_visibility default_visibility, int64_t at_s, int64_t *out_id,
                      ko_err *err)
{
    int64_t id = 0;

    if (ko_meta_owner_add(tx, KO_META_OWNER_GROUP, name, display, default_visibility, at_s, &id,
                          err) < 0)
        return -1;
    if (out_id)
        *out_id = id;
    return 0;
}

static int read_group(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_group *out = element;

    if (ko_meta_col_owner(rows, 0, &out->owner, err) < 0)
        return -1;
    out->display = ko_meta_col_text(rows, KO_META_OWNER_COLUMNS, arena);
    return 0;
}

static const ko_meta_element group_element = {sizeof(ko_meta_group), read_group};

int ko_meta_group_find(ko_meta_tx *tx, ko_str name, ko_arena *arena, ko_meta_group *out,
                       ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_group group = {0};

    if (ko_meta_one_row(tx, KO_Q_group_find, KO_ARGS(KO_TEXT(name)), "group", &rows, err) < 0 ||
        read_group(rows, &group, arena, err) < 0)
        return -1;
    *out = group;
    return 0;
}

int ko_meta_group_list(ko_meta_tx *tx, ko_str after, size_t limit, ko_arena *arena,
                       ko_meta_group **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_group_list, KO_ARGS(KO_TEXT(after), KO_INT(limit)), &group_element,
                        arena, out, count, err);
}

int ko_meta_group_remove(ko_meta_tx *tx, int64_t id, bool force, int64_t at_s, ko_err *err)
{
    return ko_meta_owner_remove(tx, KO_META_OWNER_GROUP, id, force, at_s, err);
}

/* ---- Members ---- */

int ko_meta_group_set_member(ko_meta_tx *tx, int64_t group_id, int64_t account_id,
                             ko_meta_role role, ko_err *err)
{
    ko_meta_touch_rights(tx);
    if (ko_meta_run_one(tx, KO_Q_group_set_member,
                        KO_ARGS(KO_INT(group_id), KO_INT(account_id), KO_INT(role)), "group",
                        err) == 0)
        return 0;
    if (err && err->code == KO_E_CONFLICT) /* the foreign key */
        return ko_err_set(err, KO_E_NOT_FOUND, "no such account");
    return -1;
}

int ko_meta_group_remove_member(ko_meta_tx *tx, int64_t group_id, int64_t account_id, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_group_remove_member,
                           KO_ARGS(KO_INT(group_id), KO_INT(account_id)), "member", err);
}

int ko_meta_group_role(ko_meta_tx *tx, int64_t group_id, int64_t account_id, ko_meta_role *out,
                       ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    int rc;

    if (ko_meta_rows(tx, KO_Q_group_role, KO_ARGS(KO_INT(group_id), KO_INT(account_id)), &rows,
                     err) < 0 ||
        (rc = ko_meta_next(rows, err)) < 0)
        return -1;
    *out = rc > 0 ? role_of(ko_meta_col_int(rows, 0)) : KO_META_ROLE_NONE;
    return 0;
}

static int read_member(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_member *out = element;

    (void)arena; /* all of it is in the struct */
    out->account_id = ko_meta_col_int(rows, 0);
    out->role = role_of(ko_meta_col_int(rows, 2));
    return ko_meta_col_copy(rows, 1, out->name, sizeof(out->name), err);
}

static const ko_meta_element member_element = {sizeof(ko_meta_member), read_member};

int ko_meta_group_list_members(ko_meta_tx *tx, int64_t group_id, ko_str after, size_t limit,
                               ko_arena *arena, ko_meta_member **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_group_list_members,
                        KO_ARGS(KO_INT(group_id), KO_TEXT(after), KO_INT(limit)), &member_element,
                        arena, out, count, err);
}

static int read_membership(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_membership *out = element;

    (void)arena; /* all of it is in the struct */
    out->group_id = ko_meta_col_int(rows, 0);
    out->role = role_of(ko_meta_col_int(rows, 2));
    return ko_meta_col_copy(rows, 1, out->name, sizeof(out->name), err);
}

static const ko_meta_element membership_element = {sizeof(ko_meta_membership), read_membership};

int ko_meta_group_list_of(ko_meta_tx *tx, int64_t account_id, ko_str after, size_t limit,
                          ko_arena *arena, ko_meta_membership **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_group_list_of,
                        KO_ARGS(KO_INT(account_id), KO_TEXT(after), KO_INT(limit)),
                        &membership_element, arena, out, count, err);
}
