/* auth/policy.h: the rules of who may do what, as one pure function of facts.
 *
 *  1. A disabled account may do nothing, not even what an anonymous caller may.
 *  2. An administrator may do everything.
 *  3. The namespace is the first component of a repository's name. Its account may do everything in
 *     it; of a group, owners may do everything and members may pull and push.
 *  4. A name of one component ("ubuntu") belongs to the administrators: it is in nobody's
 * namespace, even if an account has that name.
 *  5. Grants add their actions, on repositories and on patterns.
 *  6. A robot is nobody's namespace and never an administrator: it has its grants, and in a group
 *     it belongs to no more than a member has.
 *  7. A public repository may be pulled by anyone.
 *  8. Push includes creating the repository. Where the namespace belongs to nobody, only
 *     administrators may, unless a grant says so.
 * A token that is limited to scopes takes away everything outside of them: that is
 * ko_auth_actions(), because it is a property of the credentials and not of the account.
 *
 * Threads: pure. */
#ifndef KO_AUTH_POLICY_H
#define KO_AUTH_POLICY_H

#include <stdbool.h>

#include "auth/scope.h"

typedef enum {
    KO_ROLE_NONE,   /* no part in it */
    KO_ROLE_MEMBER, /* member of the group of that name */
    KO_ROLE_OWNER,  /* owner of the group of that name */
    KO_ROLE_SELF    /* the account of that name */
} ko_policy_role;

typedef struct {
    /* The caller. */
    bool anonymous;
    bool disabled;
    bool admin;
    bool robot;
    /* The caller and this name. */
    ko_policy_role role; /* in the namespace */
    ko_actions granted;  /* by grants to it and its groups */
    bool is_public;      /* the repository exists and is public */
} ko_policy_facts;

ko_actions ko_policy_actions(const ko_policy_facts *facts);

#endif
