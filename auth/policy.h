/* auth/policy.h: the rules of who may do what, as one pure function of facts.
 *
 *  1. A disabled account may do nothing, not even what an anonymous caller may.
 *  2. An administrator may do everything.
 *  3. The namespace is the first component of a repository's name. Its account may do everything in
 *     it; of a group, owners may do everything and members may pull and push.
 *  4. A name of one component ("ubuntu") belongs to the administrators: rule 3 does not apply even
 *     if an account has that name.
 *  5. Grants add their actions, on repositories and on globs.
 *  6. A robot has no rights of its own: it has its grants, within what its owner may do, or within
 *     the namespace of the group it belongs to.
 *  7. A public repository may be pulled by anyone.
 *  8. Push includes creating the repository. Where the namespace belongs to nobody, only
 *     administrators may push, unless a grant says so.
 *  9. A token that is limited to scopes takes away everything outside of them.
 *
 * Threads: pure. */
#ifndef KO_AUTH_POLICY_H
#define KO_AUTH_POLICY_H

#include <stdbool.h>

#include "auth/scope.h"

typedef enum {
    KO_ROLE_NONE,   /* no part in the namespace */
    KO_ROLE_MEMBER, /* member of the group of that name */
    KO_ROLE_OWNER   /* owner of the group, or the account of that name */
} ko_policy_role;

typedef struct {
    /* The caller. */
    bool anonymous;
    bool disabled;
    bool admin;
    bool robot;
    /* The caller's part in the namespace; for a robot, its owner's. */
    ko_policy_role role;
    bool owner_admin; /* robot: its owner is an administrator */
    ko_actions granted;
    ko_actions owner_granted; /* robot: what grants give its owner */
    /* The repository. */
    bool one_component;
    bool exists;
    bool is_public;
} ko_policy_facts;

ko_actions ko_policy_actions(const ko_policy_facts *facts);

#endif
