/* storage/meta_types.h: the few values that several nouns of the metadata database share.
 *
 * Ids are positive; 0 means "none". An account and a group never have the same id: both are owners
 * of a namespace (meta_owner.h). Times are wall-clock seconds. Text that a row function returns as
 * ko_str or char * lives in the arena it was given.
 *
 * Threads: values. */
#ifndef KO_STORAGE_META_TYPES_H
#define KO_STORAGE_META_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

/* Who asks, for lists that show only what the caller may pull. */
typedef struct {
    int64_t account_id; /* 0: anonymous */
    bool is_admin;
} ko_meta_caller;

/* Who does something, and when: for rows that remember it. */
typedef struct {
    int64_t account_id; /* 0: nobody (the server itself) */
    int64_t at_s;
} ko_meta_by;

/* The numbers are stored: never renumber. */
#define KO_META_VISIBILITIES(X)                                                                    \
    X(PRIVATE, 0, "private")                                                                       \
    X(PUBLIC, 1, "public")
typedef enum {
#define X(name, number, text) KO_META_##name = (number),
    KO_META_VISIBILITIES(X)
#undef X
} ko_meta_visibility;

const char *ko_meta_visibility_name(ko_meta_visibility visibility);
/* errors INVALID. */
KO_MUST_USE int ko_meta_visibility_parse(ko_str text, ko_meta_visibility *out, ko_err *err);

/* What a grant allows: a bit mask. Stored: never renumber. */
#define KO_META_ACTIONS(X)                                                                         \
    X(PULL, 1, "pull")                                                                             \
    X(PUSH, 2, "push")                                                                             \
    X(DELETE, 4, "delete")                                                                         \
    X(ADMIN, 8, "admin")
enum {
#define X(name, bit, text) KO_META_MAY_##name = (bit),
    KO_META_ACTIONS(X)
#undef X
};
#define KO_META_MAY_ALL                                                                            \
    (KO_META_MAY_PULL | KO_META_MAY_PUSH | KO_META_MAY_DELETE | KO_META_MAY_ADMIN)

#endif
