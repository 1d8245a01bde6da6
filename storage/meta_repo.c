/* storage/meta_repo.c: repositories and their lists.
 *
 * Ranges of names: '!' sorts before and '~' after every character of a repository name, so the
 * names that begin with P are those in [P, P~), and those after N are those from N! on. */
#include "storage/meta_repo.h"

#include "common/oci/ref.h"
#include "storage/meta_priv.h"

/* A range end: a name and one character. */
typedef struct {
    char text[KO_MAX_REPO_NAME + 2];
    size_t len;
} bound;

static ko_db_value bound_value(const bound *b)
{
    return KO_TEXT(((ko_str){b->text, b->len}));
}

/* errors INVALID: longer than any name. */
static int make_bound(ko_str name, const char *end, bound *out, ko_err *err)
{
    if (name.len > KO_MAX_REPO_NAME)
        return ko_err_set(err, KO_E_INVALID, "a repository name has at most %d characters",
                          KO_MAX_REPO_NAME);
    out->len =
        (size_t)snprintf(out->text, sizeof(out->text), KO_STR_FMT "%s", KO_STR_ARG(name), end);
    return 0;
}

/* ---- One ---- */

static int one_repo(ko_meta_tx *tx, ko_query query, ko_db_value key, ko_meta_repo *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, query, &key, 1, "repository", &rows, err) < 0)
        return -1;
    return ko_meta_col_repo(rows, 0, out, err);
}

int ko_meta_repo_find(ko_meta_tx *tx, ko_str name, ko_meta_repo *out, ko_err *err)
{
    return one_repo(tx, KO_Q_repo_find, KO_TEXT(name), out, err);
}

int ko_meta_repo_load(ko_meta_tx *tx, int64_t id, ko_meta_repo *out, ko_err *err)
{
    return one_repo(tx, KO_Q_repo_load, KO_INT(id), out, err);
}

/* The id of the account or group whose namespace a name lies in; 0: none. */
static int find_owner(ko_meta_tx *tx, ko_str name, int64_t *out, ko_err *err)
{
    ko_str space = ko_ref_namespace(name);
    ko_meta_owner owner;
    ko_err missing = KO_ERR_INIT;

    *out = 0;
    if (space.len == name.len)
        return 0;
    if (ko_meta_owner_find(tx, space, &owner, &missing) == 0)
        *out = owner.id;
    else if (missing.code != KO_E_NOT_FOUND) {
        if (err)
            *err = missing;
        return -1;
    }
    return 0;
}

int ko_meta_repo_add(ko_meta_tx *tx, ko_str name, ko_meta_visibility visibility, int64_t at_s,
                     ko_meta_repo *out, ko_err *err)
{
    int64_t owner_id = 0;
    ko_meta_repo repo;

    if (ko_ref_check_repo(name, err) < 0 || find_owner(tx, name, &owner_id, err) < 0)
        return -1;
    ko_meta_touch_rights(tx);
    ko_meta_touch_repo(tx, name);
    if (ko_meta_run(tx, KO_Q_repo_add,
                    KO_ARGS(owner_id ? KO_INT(owner_id) : (ko_db_value){0}, KO_TEXT(name),
                            KO_INT(visibility), KO_INT(at_s)),
                    NULL, err) < 0 ||
        ko_meta_repo_find(tx, name, &repo, err) < 0 ||
        ko_meta_run(tx, KO_Q_search_add, KO_ARGS(KO_INT(repo.id), KO_TEXT(name)), NULL, err) < 0)
        return -1;
    if (out)
        *out = repo;
    return 0;
}

/* Tags and edges would go with their manifests, but going by repository is one range each. */
int ko_meta_repo_remove(ko_meta_tx *tx, const ko_meta_repo *repo, int64_t at_s, ko_err *err)
{
    static const ko_query by_id[] = {
        KO_Q_repo_remove_queue, KO_Q_repo_remove_tags, KO_Q_repo_remove_edges,
        KO_Q_search_remove,     KO_Q_repo_remove,
    };
    static const ko_query by_name[] = {KO_Q_repo_remove_uploads, KO_Q_repo_remove_grants};

    ko_meta_touch_rights(tx);
    ko_meta_touch_repo(tx, ko_str_of(repo->name));
    if (ko_meta_run(tx, KO_Q_repo_queue_blobs, KO_ARGS(KO_INT(repo->id), KO_INT(at_s)), NULL, err) <
        0)
        return -1;
    for (size_t i = 0; i < KO_ARRAY_LEN(by_name); i++) {
        if (ko_meta_run(tx, by_name[i], KO_ARGS(KO_TEXT(ko_str_of(repo->name))), NULL, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < KO_ARRAY_LEN(by_id); i++) {
        if (ko_meta_run(tx, by_id[i], KO_ARGS(KO_INT(repo->id)), NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- Changes ---- */

int ko_meta_repo_set_visibility(ko_meta_tx *tx, const ko_meta_repo *repo,
                                ko_meta_visibility visibility, ko_err *err)
{
    ko_meta_touch_rights(tx);
    return ko_meta_run_one(tx, KO_Q_repo_set_visibility,
                           KO_ARGS(KO_INT(repo->id), KO_INT(visibility)), "repository", err);
}

int ko_meta_repo_set_description(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str text, ko_err *err)
{
    if (text.len > KO_MAX_DESCRIPTION)
        return ko_err_set(err, KO_E_TOO_LARGE, "a description has at most %llu bytes",
                          KO_MAX_DESCRIPTION);
    ko_meta_touch_rights(tx);
    if (ko_meta_run_one(tx, KO_Q_repo_set_description, KO_ARGS(KO_INT(repo->id), KO_TEXT(text)),
                        "repository", err) < 0)
        return -1;
    return ko_meta_run(tx, KO_Q_search_set_description, KO_ARGS(KO_INT(repo->id), KO_TEXT(text)),
                       NULL, err);
}

int ko_meta_repo_description(ko_meta_tx *tx, int64_t repo_id, ko_arena *arena, ko_str *out,
                             ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (ko_meta_one_row(tx, KO_Q_repo_description, KO_ARGS(KO_INT(repo_id)), "repository", &rows,
                        err) < 0)
        return -1;
    *out = ko_meta_col_bytes(rows, 0, arena);
    return 0;
}

int ko_meta_repo_add_pulls(ko_meta_tx *tx, int64_t repo_id, uint64_t pulls, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_repo_add_pulls, KO_ARGS(KO_INT(repo_id), KO_INT(pulls)), NULL, err);
}

int ko_meta_repo_set_star(ko_meta_tx *tx, const ko_meta_repo *repo, int64_t account_id,
                          bool starred, ko_err *err)
{
    if (ko_meta_run(tx, starred ? KO_Q_repo_star_add : KO_Q_repo_star_remove,
                    KO_ARGS(KO_INT(repo->id), KO_INT(account_id)), NULL, err) < 0)
        return -1;
    return ko_meta_run(tx, KO_Q_repo_count_stars, KO_ARGS(KO_INT(repo->id)), NULL, err);
}

int ko_meta_repo_add_bytes(ko_meta_tx *tx, int64_t repo_id, int64_t bytes, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_repo_add_bytes, KO_ARGS(KO_INT(repo_id), KO_INT(bytes)), NULL, err);
}

/* ---- Lists ---- */

int ko_meta_repo_list(ko_meta_tx *tx, ko_meta_caller caller, ko_str prefix, ko_str after,
                      size_t limit, ko_arena *arena, ko_meta_repo **out, size_t *count, ko_err *err)
{
    bound low, high, next;

    if (make_bound(prefix, "", &low, err) < 0 || make_bound(prefix, "~", &high, err) < 0)
        return -1;
    if (after.len > 0) {
        if (make_bound(after, "!", &next, err) < 0)
            return -1;
        if (ko_str_cmp((ko_str){next.text, next.len}, prefix) > 0)
            low = next;
    }
    if (caller.account_id == 0 || caller.is_admin)
        return ko_meta_list(tx, caller.is_admin ? KO_Q_repo_list_all : KO_Q_repo_list_public,
                            KO_ARGS(bound_value(&low), bound_value(&high), KO_INT(limit)),
                            &ko_meta_repo_element, arena, out, count, err);
    return ko_meta_list(
        tx, KO_Q_repo_list_visible,
        KO_ARGS(KO_INT(caller.account_id), bound_value(&low), bound_value(&high), KO_INT(limit)),
        &ko_meta_repo_element, arena, out, count, err);
}

int ko_meta_repo_list_owned(ko_meta_tx *tx, int64_t owner_id, ko_str after, size_t limit,
                            ko_arena *arena, ko_meta_repo **out, size_t *count, ko_err *err)
{
    if (owner_id == 0)
        return ko_meta_list(tx, KO_Q_repo_list_unowned, KO_ARGS(KO_TEXT(after), KO_INT(limit)),
                            &ko_meta_repo_element, arena, out, count, err);
    return ko_meta_list(tx, KO_Q_repo_list_owned,
                        KO_ARGS(KO_INT(owner_id), KO_TEXT(after), KO_INT(limit)),
                        &ko_meta_repo_element, arena, out, count, err);
}

int ko_meta_repo_count(ko_meta_tx *tx, uint64_t *out, ko_err *err)
{
    int64_t number = 0;

    if (ko_meta_number(tx, KO_Q_repo_count, KO_NO_ARGS, &number, err) < 0)
        return -1;
    *out = (uint64_t)number;
    return 0;
}
