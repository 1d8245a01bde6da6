/* auth/group.h: what is done to groups and by grants, for the API and for the command line alike:
 * subjects are named, names are checked. The rows are storage/meta_group.h and meta_grant.h.
 *
 * Threads: those with a transaction as it; the others any. */
#ifndef KO_AUTH_GROUP_H
#define KO_AUTH_GROUP_H

#include "auth/auth.h"
#include "storage/meta_grant.h"

/* errors INVALID: not fit as a name (ko_account_check_name()); EXISTS. */
KO_MUST_USE int ko_group_create(ko_meta_tx *tx, ko_str name, ko_str display,
                                ko_meta_visibility default_visibility, int64_t *out_id,
                                ko_err *err);

/* Adds an account, changes its role or, with KO_META_ROLE_NONE, takes it out. errors NOT_FOUND: no
 * such account, or it was no member; INVALID: a robot as owner. */
KO_MUST_USE int ko_group_set_member(ko_meta_tx *tx, int64_t group_id, ko_str account,
                                    ko_meta_role role, ko_err *err);

/* ---- Grants ---- */

/* Sets the actions of an account or group on a repository or pattern, or takes them away; `kind`
 * says which of both the name must be; KO_META_OWNER_NONE: either. errors INVALID; NOT_FOUND. */
KO_MUST_USE int ko_group_grant(ko_meta_tx *tx, ko_str pattern, ko_meta_owner_kind kind,
                               ko_str subject, ko_actions actions, ko_err *err);
KO_MUST_USE int ko_group_revoke(ko_meta_tx *tx, ko_str pattern, ko_meta_owner_kind kind,
                                ko_str subject, ko_err *err);

/* May it give rights on this repository or pattern? Administrators may; on a repository whoever has
 * KO_ACTION_ADMIN on it; on a pattern whoever owns the namespace that it lies in. Blocks.
 * errors INVALID: neither a repository name nor a pattern. */
KO_MUST_USE int ko_group_may_grant(ko_auth *auth, ko_meta *meta, const ko_identity *id,
                                   ko_str pattern, bool *out, ko_err *err);

#endif
