/* auth/policy.c: the rules in the order of the header. */
#include "auth/policy.h"

static ko_actions actions_of_role(ko_policy_role role)
{
    switch (role) {
    case KO_ROLE_NONE:
        return 0;
    case KO_ROLE_MEMBER:
        return KO_ACTION_PULL | KO_ACTION_PUSH;
    case KO_ROLE_OWNER:
    case KO_ROLE_SELF:
        return KO_ACTION_ALL;
    }
    return 0;
}

static ko_policy_role role_of(const ko_policy_facts *facts)
{
    if (!facts->robot)
        return facts->role;
    switch (facts->role) {
    case KO_ROLE_NONE:
    case KO_ROLE_SELF:
        return KO_ROLE_NONE;
    case KO_ROLE_MEMBER:
    case KO_ROLE_OWNER:
        return KO_ROLE_MEMBER;
    }
    return KO_ROLE_NONE;
}

ko_actions ko_policy_actions(const ko_policy_facts *facts)
{
    ko_actions actions = facts->is_public ? KO_ACTION_PULL : 0;

    if (facts->anonymous)
        return actions;
    if (facts->disabled)
        return 0;
    if (facts->admin && !facts->robot)
        return KO_ACTION_ALL;
    return (actions | actions_of_role(role_of(facts)) | facts->granted) & KO_ACTION_ALL;
}
