/* server/json_object.h: strict reading of the small JSON documents that clients send to Kontor's
 * own API, by a table of their members.
 *
 * These documents are ours, so nothing is forgiven: a member that is not in the table, a wrong
 * type, a duplicate key, a control character in a line of text is INVALID, and the error names the
 * member. Each member is read into a field whose C type says what it must be; `set` tells whether
 * it was there.
 *
 * Threads: values; memory from the arena. */
#ifndef KO_SERVER_JSON_OBJECT_H
#define KO_SERVER_JSON_OBJECT_H

#include "auth/scope.h"
#include "common/base/buf.h"
#include "storage/meta_group.h"
#include "storage/meta_types.h"

/* Every one begins with `set`. */
typedef struct {
    bool set;
    ko_str value; /* one line: no control characters */
} ko_json_text;
typedef struct {
    bool set;
    ko_str value; /* may have several lines */
} ko_json_prose;
typedef struct {
    bool set;
    ko_str value; /* to be wiped with ko_json_wipe() */
} ko_json_secret;
typedef struct {
    bool set;
    bool value;
} ko_json_flag;
typedef struct {
    bool set;
    int64_t value; /* from 0 to the maximum of its row */
} ko_json_number;
typedef struct {
    bool set;
    int64_t value; /* a number, "default" or "unlimited": as KO_META_QUOTA_* */
} ko_json_quota;
typedef struct {
    bool set;
    ko_meta_visibility value; /* "private" or "public" */
} ko_json_visibility;
typedef struct {
    bool set;
    ko_actions value; /* ["pull","push"]: at least one */
} ko_json_actions;
typedef struct {
    ko_str name;
    ko_meta_role role; /* KO_META_ROLE_NONE for null: no member any more */
} ko_json_role;
typedef struct {
    bool set;
    ko_json_role *items; /* {"alice":"owner","bob":null} */
    size_t count;
} ko_json_roles;

typedef enum {
    KO_JSON_TEXT,
    KO_JSON_PROSE,
    KO_JSON_SECRET,
    KO_JSON_FLAG,
    KO_JSON_NUMBER,
    KO_JSON_QUOTA,
    KO_JSON_VISIBILITY,
    KO_JSON_ACTIONS,
    KO_JSON_ROLES
} ko_json_kind;

typedef struct {
    const char *name;
    ko_json_kind kind;
    bool required;
    size_t offset; /* of the field in the document's struct */
    size_t max;    /* bytes of text, entries of roles, the largest number; else unused */
} ko_json_field;

/* A row of the table. What the member must be follows from the type of its field. */
#define KO_JSON_FIELD(type, member, is_required, max_size)                                         \
    {                                                                                              \
        .name = #member, .kind = KO_JSON_KIND(((type *)0)->member), .required = (is_required),     \
        .offset = offsetof(type, member), .max = (max_size)                                        \
    }
/* clang-format off */
#define KO_JSON_KIND(field) _Generic((field), \
    ko_json_text: KO_JSON_TEXT, \
    ko_json_prose: KO_JSON_PROSE, \
    ko_json_secret: KO_JSON_SECRET, \
    ko_json_flag: KO_JSON_FLAG, \
    ko_json_number: KO_JSON_NUMBER, \
    ko_json_quota: KO_JSON_QUOTA, \
    ko_json_visibility: KO_JSON_VISIBILITY, \
    ko_json_actions: KO_JSON_ACTIONS, \
    ko_json_roles: KO_JSON_ROLES)
/* clang-format on */

/* Reads a document into a zeroed struct; on failure it is left half read. errors INVALID;
 * TOO_LARGE: more than KO_MAX_HTTP_SMALL_BODY bytes. */
KO_MUST_USE int ko_json_read(ko_str bytes, const ko_json_field *fields, size_t count,
                             ko_arena *arena, void *out, ko_err *err);

/* The names of the members that were there, "password, email": for the audit log. */
int ko_json_print_set(const ko_json_field *fields, size_t count, const void *doc, ko_buf *out);

/* Overwrites the secret, which is in an arena. */
void ko_json_wipe(ko_json_secret *secret);

#endif
