/* storage/meta_group.h: groups of accounts that share a namespace.
 *
 * Changes raise the rights generation. Threads: as the transaction. */
#ifndef KO_STORAGE_META_GROUP_H
#define KO_STORAGE_META_GROUP_H

#include "storage/meta_owner.h"

/* Ordered: an owner may do what a member may. Stored: never renumber. */
#define KO_META_ROLES(X)                                                                           \
    X(NONE, 0, "none")                                                                             \
    X(MEMBER, 1, "member")                                                                         \
    X(OWNER, 2, "owner")
typedef enum {
#define X(name, number, text) KO_META_ROLE_##name = (number),
    KO_META_ROLES(X)
#undef X
} ko_meta_role;

const char *ko_meta_role_name(ko_meta_role role);
/* "member" or "owner". errors INVALID. */
KO_MUST_USE int ko_meta_role_parse(ko_str text, ko_meta_role *out, ko_err *err);

typedef struct {
    ko_meta_owner owner; /* id, name, quotas */
    const char *display; /* "" when unset */
} ko_meta_group;

typedef struct {
    int64_t account_id;
    char name[KO_MAX_ACCOUNT_NAME + 1];
    ko_meta_role role;
} ko_meta_member;

typedef struct {
    int64_t group_id;
    char name[KO_MAX_ACCOUNT_NAME + 1];
    ko_meta_role role;
} ko_meta_membership;

/* errors EXISTS: an account or group has this name; INVALID as ko_meta_account_add(). */
KO_MUST_USE int ko_meta_group_add(ko_meta_tx *tx, ko_str name, ko_str display,
                                  ko_meta_visibility default_visibility, int64_t at_s,
                                  int64_t *out_id, ko_err *err);
/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_group_find(ko_meta_tx *tx, ko_str name, ko_arena *arena, ko_meta_group *out,
                                   ko_err *err);
/* In byte order of names, those after `after`, at most `limit`. */
KO_MUST_USE int ko_meta_group_list(ko_meta_tx *tx, ko_str after, size_t limit, ko_arena *arena,
                                   ko_meta_group **out, size_t *count, ko_err *err);
/* As ko_meta_account_remove(). errors NOT_FOUND; CONFLICT. */
KO_MUST_USE int ko_meta_group_remove(ko_meta_tx *tx, int64_t id, bool force, int64_t at_s,
                                     ko_err *err);

/* Adds the account or changes its role. errors NOT_FOUND: no such group or account. */
KO_MUST_USE int ko_meta_group_set_member(ko_meta_tx *tx, int64_t group_id, int64_t account_id,
                                         ko_meta_role role, ko_err *err);
/* errors NOT_FOUND: it was no member. */
KO_MUST_USE int ko_meta_group_remove_member(ko_meta_tx *tx, int64_t group_id, int64_t account_id,
                                            ko_err *err);
/* KO_META_ROLE_NONE when it is no member. */
KO_MUST_USE int ko_meta_group_role(ko_meta_tx *tx, int64_t group_id, int64_t account_id,
                                   ko_meta_role *out, ko_err *err);
/* The members in byte order of names, those after `after`. */
KO_MUST_USE int ko_meta_group_list_members(ko_meta_tx *tx, int64_t group_id, ko_str after,
                                           size_t limit, ko_arena *arena, ko_meta_member **out,
                                           size_t *count, ko_err *err);
/* The groups of an account, in byte order of names, those after `after`. */
KO_MUST_USE int ko_meta_group_list_of(ko_meta_tx *tx, int64_t account_id, ko_str after,
                                      size_t limit, ko_arena *arena, ko_meta_membership **out,
                                      size_t *count, ko_err *err);

#endif
