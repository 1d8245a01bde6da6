/* auth/scope.h: what a token is asked for and what it gives: lists of resource and actions.
 *
 *     repository:team/app:pull,push registry:catalog:*
 *
 * Spec:    distribution docs/content/spec/auth/scope.md. A resource type may carry a class,
 *          "repository(plugin)"; a resource name may begin with host:port, so the name reaches from
 *          the first ':' to the last. Unknown types and actions are not errors: they grant nothing.
 * Threads: values. */
#ifndef KO_AUTH_SCOPE_H
#define KO_AUTH_SCOPE_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/str.h"

/* What may be done to a repository. */
#define KO_ACTIONS(X)                                                                              \
    X(PULL, "pull", 1)                                                                             \
    X(PUSH, "push", 2)                                                                             \
    X(DELETE, "delete", 4)                                                                         \
    X(ADMIN, "admin", 8) /* visibility, description, grants */

enum {
#define X(name, text, bit) KO_ACTION_##name = (bit),
    KO_ACTIONS(X)
#undef X
        KO_ACTION_ALL = 15
};
typedef unsigned ko_actions; /* a set of KO_ACTION_* */

typedef enum {
    KO_SCOPE_REPOSITORY, /* name is a repository; in a personal token's scope a pattern */
    KO_SCOPE_CATALOG,    /* registry:catalog:*: the list of repositories */
    KO_SCOPE_UNKNOWN     /* some other resource; never granted */
} ko_scope_type;

typedef struct {
    ko_scope_type type;
    ko_str class_name; /* "plugin" in repository(plugin); mostly empty */
    ko_str name;
    ko_actions actions;
} ko_scope;

typedef struct {
    ko_scope *items;
    size_t count;
} ko_scopes;

#define KO_MAX_SCOPE_TEXT 2048 /* bytes of one scope parameter */

/* Appends the scopes of one parameter value (several separated by spaces) to `out`, so that
 * repeated parameters add up; start with a zeroed ko_scopes. Scopes of one resource are merged.
 * errors INVALID; TOO_LARGE: more than KO_MAX_SCOPES. */
KO_MUST_USE int ko_scope_parse(ko_str text, ko_arena *arena, ko_scopes *out, ko_err *err);

/* "pull,push"; "*" means all. `allow_unknown`: skip words that are not ours. errors INVALID. */
KO_MUST_USE int ko_scope_parse_actions(ko_str text, bool allow_unknown, ko_actions *out,
                                       ko_err *err);

/* "pull,push" in the order of KO_ACTIONS; nothing for none. */
int ko_scope_print_actions(ko_actions actions, ko_buf *out);
/* One scope, or all of them separated by spaces, in the grammar above. */
int ko_scope_print(const ko_scope *scope, ko_buf *out);
int ko_scope_print_all(const ko_scopes *scopes, ko_buf *out);

/* Orders by type, name, class (the order of a token's access list), dropping what has no action. */
void ko_scope_sort(ko_scopes *scopes);

/* Actions that the list gives on a repository; `patterns`: names in the list are patterns. */
ko_actions ko_scope_actions_on(const ko_scopes *scopes, ko_str repo, bool patterns);
bool ko_scope_has_catalog(const ko_scopes *scopes);

/* Does a pattern match a repository name? As in storage/meta_grant.h: a name, or a prefix followed
 * by one '*' for everything that begins with it, at any depth. */
bool ko_scope_matches(ko_str pattern, ko_str name);

#endif
