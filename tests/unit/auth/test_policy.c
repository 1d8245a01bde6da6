/* Who may do what: every rule of auth/policy.h as rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/policy.h"
#include "common/base/own.h"

#define P   KO_ACTION_PULL
#define W   KO_ACTION_PUSH
#define D   KO_ACTION_DELETE
#define A   KO_ACTION_ADMIN
#define ALL KO_ACTION_ALL

typedef struct {
    const char *what;
    ko_policy_facts facts;
    ko_actions want;
} row;

static const row ROWS[] = {
    /* Anonymous callers. */
    {"anonymous, private or missing", {.anonymous = true}, 0},
    {"anonymous, public", {.anonymous = true, .is_public = true}, P},
    {"anonymous has no grants and roles, whatever the facts say",
     {.anonymous = true, .granted = ALL, .role = KO_ROLE_OWNER},
     0},

    /* Rule 1: disabled accounts. */
    {"disabled, public", {.disabled = true, .is_public = true}, 0},
    {"disabled, own namespace", {.disabled = true, .role = KO_ROLE_SELF}, 0},
    {"disabled administrator", {.disabled = true, .admin = true}, 0},
    {"disabled, granted", {.disabled = true, .granted = ALL}, 0},

    /* Rule 2: administrators. */
    {"administrator, foreign private", {.admin = true}, ALL},
    {"administrator, one component", {.admin = true, .is_public = true}, ALL},

    /* Rule 3: the namespace. */
    {"own namespace, new repository", {.role = KO_ROLE_SELF}, ALL},
    {"own namespace, public", {.role = KO_ROLE_SELF, .is_public = true}, ALL},
    {"group owner", {.role = KO_ROLE_OWNER}, ALL},
    {"group member, private", {.role = KO_ROLE_MEMBER}, P | W},
    {"group member, public", {.role = KO_ROLE_MEMBER, .is_public = true}, P | W},
    {"group member with a grant to delete", {.role = KO_ROLE_MEMBER, .granted = D}, P | W | D},

    /* Rules 4 and 8: nobody's namespace, which a name of one component always is. */
    {"nobody's namespace, missing or private", {.role = KO_ROLE_NONE}, 0},
    {"nobody's namespace, public", {.is_public = true}, P},
    {"nobody's namespace with a grant", {.granted = P | W}, P | W},

    /* Rule 5: grants. */
    {"grant to pull", {.granted = P}, P},
    {"grant to push does not imply pull", {.granted = W}, W},
    {"grant to delete, public", {.granted = D, .is_public = true}, P | D},
    {"grant to administrate", {.granted = A}, A},
    {"bits that are no action are dropped", {.granted = P | 0x100}, P},

    /* Rule 6: robots. */
    {"robot, nothing", {.robot = true}, 0},
    {"robot, public", {.robot = true, .is_public = true}, P},
    {"robot, namespace of its own name", {.robot = true, .role = KO_ROLE_SELF}, 0},
    {"robot, member of the group", {.robot = true, .role = KO_ROLE_MEMBER}, P | W},
    {"robot, owner of the group", {.robot = true, .role = KO_ROLE_OWNER}, P | W},
    {"robot marked as administrator", {.robot = true, .admin = true}, 0},
    {"robot with grants", {.robot = true, .granted = P | W | D}, P | W | D},
    {"disabled robot", {.robot = true, .disabled = true, .granted = P, .is_public = true}, 0},

    /* Rule 7: public is pull and nothing more. */
    {"stranger, public", {.is_public = true}, P},
    {"stranger, private", {.is_public = false}, 0},
};

static void every_row_of_the_policy_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < KO_ARRAY_LEN(ROWS); i++) {
        ko_actions got = ko_policy_actions(&ROWS[i].facts);

        if (got != ROWS[i].want)
            fail_msg("%s: got %x, want %x", ROWS[i].what, got, ROWS[i].want);
    }
}

/* Over all combinations of facts: more rights for the caller never take an action away. */
static void a_grant_or_a_public_repository_never_takes_rights_away(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++) {
        for (int role = KO_ROLE_NONE; role <= KO_ROLE_SELF; role++) {
            ko_policy_facts facts = {
                .anonymous = bits & 1,
                .disabled = bits & 2,
                .admin = bits & 4,
                .robot = bits & 8,
                .role = (ko_policy_role)role,
            };
            ko_actions before = ko_policy_actions(&facts);

            facts.granted = P | D;
            assert_int_equal(before & ~ko_policy_actions(&facts), 0);
            facts.is_public = true;
            assert_int_equal(before & ~ko_policy_actions(&facts), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_policy_holds),
        cmocka_unit_test(a_grant_or_a_public_repository_never_takes_rights_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
