/* storage/meta_grant.h: rights given to an account or a group on repositories by name or pattern,
 * and the one look-up that tells the policy everything about a caller and a repository name.
 *
 * A pattern is a repository name, or a prefix followed by one '*' ("team/" and '*': everything
 * below team, at any depth; '*' alone: everything). Nothing else is a wildcard.
 *
 * Changes raise the rights generation. Threads: as the transaction. */
#ifndef KO_STORAGE_META_GRANT_H
#define KO_STORAGE_META_GRANT_H

#include "storage/meta_group.h"
#include "storage/meta_repo.h"

typedef struct {
    int64_t id;
    char pattern[KO_MAX_REPO_NAME + 2]; /* name, or prefix and '*' */
    ko_meta_owner_kind subject_kind;
    int64_t subject_id; /* account or group */
    char subject[KO_MAX_ACCOUNT_NAME + 1];
    unsigned actions; /* KO_META_MAY_* */
} ko_meta_grant;

/* Sets the actions of this subject on this pattern (in place of earlier ones). errors INVALID: not
 * a pattern, no actions; NOT_FOUND: no such account or group. */
KO_MUST_USE int ko_meta_grant_set(ko_meta_tx *tx, ko_str pattern, int64_t subject_id,
                                  unsigned actions, ko_err *err);
/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_grant_remove(ko_meta_tx *tx, ko_str pattern, int64_t subject_id,
                                     ko_err *err);
/* By id, those after `after_id`; only those with exactly this pattern unless it is empty. */
KO_MUST_USE int ko_meta_grant_list(ko_meta_tx *tx, ko_str pattern, int64_t after_id, size_t limit,
                                   ko_arena *arena, ko_meta_grant **out, size_t *count,
                                   ko_err *err);

/* Everything a policy needs to decide about one account and one repository name. */
typedef struct {
    bool repo_exists;
    ko_meta_repo repo; /* when repo_exists */

    /* Who owns the repository or, while there is none, would own it after a first push. */
    ko_meta_owner owner;   /* owner.kind NONE and id 0: administrators only */
    bool is_owner_account; /* the account is that owner itself */
    ko_meta_role role;     /* the account's role in the group that is that owner */

    unsigned granted; /* OR of all grants to the account and to its groups that match the name */
} ko_meta_access;

/* A name that is not well-formed has no repository and no owner: not an error here. */
KO_MUST_USE int ko_meta_access_load(ko_meta_tx *tx, int64_t account_id, ko_str repo,
                                    ko_meta_access *out, ko_err *err);

#endif
