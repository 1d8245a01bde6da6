/* storage/meta_grant.c: grants, and all facts about a caller and a name.
 *
 * A pattern is kept as the range of names it matches, so that matching is a comparison the
 * database can do by index: '!' sorts before and '~' after every character of a name, so "a/b" is
 * ["a/b", "a/b!") and "a/" with a star is ["a/", "a/~"). */
#include "storage/meta_grant.h"

#include "common/oci/ref.h"
#include "storage/meta_priv.h"

/* A prefix may end anywhere in a name ("team/web-"), so only its characters are looked at. */
static int check_prefix(ko_str prefix, ko_err *err)
{
    for (size_t i = 0; i < prefix.len; i++) {
        char c = prefix.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr("._-/", c))
            return ko_err_set(err, KO_E_INVALID,
                              "a pattern is a repository name, or the beginning of one and '*'");
    }
    return 0;
}

int ko_meta_grant_set(ko_meta_tx *tx, ko_str pattern, int64_t subject_id, unsigned actions,
                      ko_err *err)
{
    bool is_prefix = ko_str_has_suffix(pattern, KO_STR("*"));
    ko_str low = ko_str_slice(pattern, 0, pattern.len - (is_prefix ? 1 : 0));
    char high[KO_MAX_REPO_NAME + 2];

    if (low.len > KO_MAX_REPO_NAME || actions == 0 || (actions & ~(unsigned)KO_META_MAY_ALL) != 0)
        return ko_err_set(err, KO_E_INVALID, "a grant needs a pattern and actions");
    if ((is_prefix ? check_prefix(low, err) : ko_ref_check_repo(low, err)) < 0)
        return -1;
    (void)snprintf(high, sizeof(high), KO_STR_FMT "%c", KO_STR_ARG(low), is_prefix ? '~' : '!');

    ko_meta_touch_rights(tx);
    if (ko_meta_run(tx, KO_Q_grant_set,
                    KO_ARGS(KO_TEXT(pattern), KO_TEXT(low), KO_TEXT(ko_str_of(high)),
                            KO_INT(subject_id), KO_INT(actions)),
                    NULL, err) == 0)
        return 0;
    if (err && err->code == KO_E_CONFLICT) /* the foreign key */
        return ko_err_set(err, KO_E_NOT_FOUND, "no such account or group");
    return -1;
}

int ko_meta_grant_remove(ko_meta_tx *tx, ko_str pattern, int64_t subject_id, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_grant_remove, KO_ARGS(KO_TEXT(pattern), KO_INT(subject_id)),
                           "grant", err);
}

/* GRANT_COLUMNS of queries.def. */
static int read_grant(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_grant *out = element;

    (void)arena; /* all of it is in the struct */
    out->id = ko_meta_col_int(rows, 0);
    out->subject_kind = ko_meta_col_int(rows, 2) == KO_META_OWNER_GROUP ? KO_META_OWNER_GROUP
                                                                        : KO_META_OWNER_ACCOUNT;
    out->subject_id = ko_meta_col_int(rows, 3);
    out->actions = (unsigned)ko_meta_col_int(rows, 5) & KO_META_MAY_ALL;
    if (ko_meta_col_copy(rows, 1, out->pattern, sizeof(out->pattern), err) < 0)
        return -1;
    return ko_meta_col_copy(rows, 4, out->subject, sizeof(out->subject), err);
}

static const ko_meta_element grant_element = {sizeof(ko_meta_grant), read_grant};

int ko_meta_grant_list(ko_meta_tx *tx, ko_str pattern, int64_t after_id, size_t limit,
                       ko_arena *arena, ko_meta_grant **out, size_t *count, ko_err *err)
{
    ko_query query = pattern.len > 0 ? KO_Q_grant_list_pattern : KO_Q_grant_list;

    return ko_meta_list(tx, query, KO_ARGS(KO_INT(after_id), KO_INT(limit), KO_TEXT(pattern)),
                        &grant_element, arena, out, count, err);
}

/* ---- Access ---- */

/* NOT_FOUND is an answer here: *found tells. */
static int tolerate_missing(int rc, const ko_err *why, bool *found, ko_err *err)
{
    *found = rc == 0;
    if (rc == 0 || why->code == KO_E_NOT_FOUND)
        return 0;
    if (err)
        *err = *why;
    return -1;
}

/* The repository and its owner; while there is none, the owner of the namespace. */
static int load_target(ko_meta_tx *tx, ko_str name, ko_meta_access *access, ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    bool owned = false;
    int rc = ko_meta_repo_find(tx, name, &access->repo, &why);

    if (tolerate_missing(rc, &why, &access->repo_exists, err) < 0)
        return -1;
    if (access->repo_exists && access->repo.owner_id == 0)
        return 0;
    if (access->repo_exists) {
        rc = ko_meta_owner_load(tx, access->repo.owner_id, &access->owner, &why);
    } else {
        ko_str space = ko_ref_namespace(name);

        if (space.len == name.len)
            return 0;
        rc = ko_meta_owner_find(tx, space, &access->owner, &why);
    }
    return tolerate_missing(rc, &why, &owned, err);
}

static int load_role(ko_meta_tx *tx, int64_t account_id, ko_meta_access *access, ko_err *err)
{
    if (access->owner.kind == KO_META_OWNER_GROUP)
        return ko_meta_group_role(tx, access->owner.id, account_id, &access->role, err);
    access->is_owner_account = access->owner.id != 0 && access->owner.id == account_id;
    return 0;
}

static int load_grants(ko_meta_tx *tx, int64_t account_id, ko_str name, ko_meta_access *access,
                       ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    int rc;

    if (ko_meta_rows(tx, KO_Q_grant_match, KO_ARGS(KO_INT(account_id), KO_TEXT(name)), &rows, err) <
        0)
        return -1;
    while ((rc = ko_meta_next(rows, err)) > 0)
        access->granted |= (unsigned)ko_meta_col_int(rows, 0) & KO_META_MAY_ALL;
    return rc;
}

int ko_meta_access_load(ko_meta_tx *tx, int64_t account_id, ko_str repo, ko_meta_access *out,
                        ko_err *err)
{
    ko_meta_access access = {0};

    if (load_target(tx, repo, &access, err) < 0)
        return -1;
    if (account_id != 0 && (load_role(tx, account_id, &access, err) < 0 ||
                            load_grants(tx, account_id, repo, &access, err) < 0))
        return -1;
    *out = access;
    return 0;
}
