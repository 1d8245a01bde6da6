/* storage/meta_owner.c: the namespaces of accounts and groups. */
#include "storage/meta_owner.h"

#include "common/oci/ref.h"
#include "storage/meta_priv.h"

#define REMOVE_PAGE 256 /* repositories removed between two looks */

static int check_name(ko_str name, ko_err *err)
{
    if (name.len > KO_MAX_ACCOUNT_NAME)
        return ko_err_set(err, KO_E_INVALID, "a name has at most %d characters",
                          KO_MAX_ACCOUNT_NAME);
    if (ko_str_find_char(name, '/') != SIZE_MAX)
        return ko_err_set(err, KO_E_INVALID, "a name has no '/'");
    return ko_ref_check_repo(name, err);
}

int ko_meta_owner_add(ko_meta_tx *tx, ko_meta_owner_kind kind, ko_str name, ko_str display,
                      ko_meta_visibility default_visibility, int64_t at_s, int64_t *out_id,
                      ko_err *err)
{
    if (check_name(name, err) < 0)
        return -1;
    ko_meta_touch_rights(tx);
    if (ko_meta_number(tx, KO_Q_owner_add,
                       KO_ARGS(KO_INT(kind), KO_TEXT(name), KO_TEXT(display),
                               KO_INT(default_visibility), KO_INT(at_s)),
                       out_id, err) == 0)
        return 0;
    if (err && err->code == KO_E_EXISTS)
        return ko_err_set(err, KO_E_EXISTS, "the name " KO_STR_FMT " is taken", KO_STR_ARG(name));
    return -1;
}

static int one_owner(ko_meta_tx *tx, ko_query query, ko_db_value key, ko_meta_owner *out,
                     ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, query, &key, 1, "account or group", &rows, err) < 0)
        return -1;
    return ko_meta_col_owner(rows, 0, out, err);
}

int ko_meta_owner_find(ko_meta_tx *tx, ko_str name, ko_meta_owner *out, ko_err *err)
{
    return one_owner(tx, KO_Q_owner_find, KO_TEXT(name), out, err);
}

int ko_meta_owner_load(ko_meta_tx *tx, int64_t id, ko_meta_owner *out, ko_err *err)
{
    return one_owner(tx, KO_Q_owner_load, KO_INT(id), out, err);
}

int ko_meta_owner_set_visibility(ko_meta_tx *tx, int64_t id, ko_meta_visibility value, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_owner_set_visibility, KO_ARGS(KO_INT(id), KO_INT(value)),
                           "account or group", err);
}

int ko_meta_owner_set_quota(ko_meta_tx *tx, int64_t id, int64_t private_repos, int64_t bytes,
                            ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_owner_set_quota,
                           KO_ARGS(KO_INT(id), KO_INT(private_repos), KO_INT(bytes)),
                           "account or group", err);
}

/* ---- Usage ---- */

/* Counts and, in `bytes`, the sum over repositories: what they share counts more than once. */
static int count_repos(ko_meta_tx *tx, int64_t id, ko_meta_usage *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, KO_Q_owner_count_repos, KO_ARGS(KO_INT(id)), "owner", &rows, err) < 0)
        return -1;
    out->repos = ko_meta_col_u64(rows, 0);
    out->private_repos = ko_meta_col_u64(rows, 1);
    out->bytes = ko_meta_col_u64(rows, 2);
    return 0;
}

int ko_meta_owner_usage(ko_meta_tx *tx, int64_t id, ko_meta_usage *out, ko_err *err)
{
    ko_meta_usage usage = {0};
    int64_t bytes = 0;

    if (count_repos(tx, id, &usage, err) < 0 ||
        ko_meta_number(tx, KO_Q_owner_bytes, KO_ARGS(KO_INT(id)), &bytes, err) < 0)
        return -1;
    usage.bytes = bytes > 0 ? (uint64_t)bytes : 0;
    *out = usage;
    return 0;
}

int ko_meta_owner_check_bytes(ko_meta_tx *tx, int64_t id, uint64_t extra_bytes, uint64_t max_bytes,
                              ko_err *err)
{
    ko_meta_usage usage = {0};

    if (extra_bytes <= max_bytes) {
        if (count_repos(tx, id, &usage, err) < 0)
            return -1;
        if (usage.bytes <= max_bytes - extra_bytes)
            return 0;
        if (ko_meta_owner_usage(tx, id, &usage, err) < 0)
            return -1;
        if (usage.bytes <= max_bytes - extra_bytes)
            return 0;
    }
    return ko_err_set(err, KO_E_TOO_LARGE, "the quota of %llu bytes would be passed",
                      (unsigned long long)max_bytes);
}

/* ---- Removal ---- */

static int remove_repos(ko_meta_tx *tx, int64_t id, int64_t at_s, ko_err *err)
{
    for (;;) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_meta_repo *repos = NULL;
        size_t count = 0;

        if (ko_meta_repo_list_owned(tx, id, KO_STR(""), REMOVE_PAGE, arena, &repos, &count, err) <
            0)
            return -1;
        if (count == 0)
            return 0;
        for (size_t i = 0; i < count; i++) {
            if (ko_meta_repo_remove(tx, &repos[i], at_s, err) < 0)
                return -1;
        }
    }
}

/* Grants on names and patterns of the namespace, or whoever gets the name next would inherit them.
 * '0' is the character after '/'. */
static int remove_grants(ko_meta_tx *tx, int64_t id, ko_err *err)
{
    char low[KO_MAX_ACCOUNT_NAME + 2], high[KO_MAX_ACCOUNT_NAME + 2];
    ko_meta_owner owner;

    if (ko_meta_owner_load(tx, id, &owner, err) < 0)
        return -1;
    (void)snprintf(low, sizeof(low), "%s/", owner.name);
    (void)snprintf(high, sizeof(high), "%s0", owner.name);
    return ko_meta_run(tx, KO_Q_owner_remove_grants,
                       KO_ARGS(KO_TEXT(ko_str_of(low)), KO_TEXT(ko_str_of(high))), NULL, err);
}

int ko_meta_owner_remove(ko_meta_tx *tx, ko_meta_owner_kind kind, int64_t id, bool force,
                         int64_t at_s, ko_err *err)
{
    const char *what = kind == KO_META_OWNER_GROUP ? "group" : "account";
    ko_meta_usage usage = {0};

    if (count_repos(tx, id, &usage, err) < 0)
        return -1;
    if (usage.repos > 0 && !force)
        return ko_err_set(err, KO_E_CONFLICT, "the %s still owns %llu repositories", what,
                          (unsigned long long)usage.repos);
    if (remove_repos(tx, id, at_s, err) < 0 || remove_grants(tx, id, err) < 0 ||
        ko_meta_run(tx, KO_Q_owner_remove_robots, KO_ARGS(KO_INT(id)), NULL, err) < 0)
        return -1;
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_owner_remove, KO_ARGS(KO_INT(id), KO_INT(kind)), what, err);
}
