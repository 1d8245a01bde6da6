/* server/json_object.c: see the header. A document is bounded in bytes before it is parsed, which
 * also bounds its depth and its number of values. */
#include "server/json_object.h"

#include <jansson.h>

#include "common/base/limits.h"
#include "common/base/own.h"
#include "common/base/secret.h"

#define QUOTA_MAX (1LL << 53) /* what every implementation of JSON can hold */

/* ---- Values ---- */

static ko_str text_of(const json_t *value)
{
    return (ko_str){json_string_value(value), json_string_length(value)};
}

/* Texts are shown on terminals, by `docker search` among others, which obey ESC and the C1 controls
 * (in UTF-8: C2 80 to C2 9F). */
static bool has_controls(ko_str text, bool lines)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        unsigned char next = i + 1 < text.len ? (unsigned char)text.ptr[i + 1] : 0;

        if (lines && (c == '\n' || c == '\r' || c == '\t'))
            continue;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next <= 0x9f))
            return true;
    }
    return false;
}

static int take_text(const json_t *value, const ko_json_field *field, ko_arena *arena, ko_str *out,
                     ko_err *err)
{
    if (!json_is_string(value))
        return ko_err_set(err, KO_E_INVALID, "%s is not a string", field->name);
    if (json_string_length(value) > field->max)
        return ko_err_set(err, KO_E_INVALID, "%s is longer than %zu bytes", field->name,
                          field->max);
    if (field->kind != KO_JSON_SECRET && has_controls(text_of(value), field->kind == KO_JSON_PROSE))
        return ko_err_set(err, KO_E_INVALID, "%s holds control characters", field->name);
    *out = ko_arena_str(arena, text_of(value));
    if (field->kind == KO_JSON_SECRET) /* the tree is freed without being wiped */
        ko_secret_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    return 0;
}

static int take_flag(const json_t *value, const ko_json_field *field, bool *out, ko_err *err)
{
    if (!json_is_boolean(value))
        return ko_err_set(err, KO_E_INVALID, "%s is neither true nor false", field->name);
    *out = json_is_true(value);
    return 0;
}

static int take_number(const json_t *value, const char *name, int64_t max, int64_t *out,
                       ko_err *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return ko_err_set(err, KO_E_INVALID, "%s is not a whole number from 0 to %lld", name,
                          (long long)max);
    *out = json_integer_value(value);
    return 0;
}

static int take_quota(const json_t *value, const ko_json_field *field, int64_t *out, ko_err *err)
{
    if (json_is_string(value) && ko_str_eq(text_of(value), KO_STR("default")))
        *out = KO_META_QUOTA_DEFAULT;
    else if (json_is_string(value) && ko_str_eq(text_of(value), KO_STR("unlimited")))
        *out = KO_META_QUOTA_UNLIMITED;
    else if (take_number(value, field->name, QUOTA_MAX, out, NULL) < 0)
        return ko_err_set(err, KO_E_INVALID, "%s is a number, \"default\" or \"unlimited\"",
                          field->name);
    return 0;
}

static int take_visibility(const json_t *value, const ko_json_field *field, ko_meta_visibility *out,
                           ko_err *err)
{
    if (!json_is_string(value) || ko_meta_visibility_parse(text_of(value), out, NULL) < 0)
        return ko_err_set(err, KO_E_INVALID, "%s is \"private\" or \"public\"", field->name);
    return 0;
}

static int take_actions(const json_t *value, const ko_json_field *field, ko_actions *out,
                        ko_err *err)
{
    ko_actions all = 0, one = 0;
    const json_t *word;
    size_t i;

    json_array_foreach(value, i, word)
    {
        if (!json_is_string(word) || ko_scope_parse_actions(text_of(word), false, &one, NULL) < 0) {
            all = 0;
            break;
        }
        all |= one;
    }
    if (all == 0)
        return ko_err_set(err, KO_E_INVALID,
                          "%s is a list of \"pull\", \"push\", \"delete\" and \"admin\"",
                          field->name);
    *out = all;
    return 0;
}

static int take_roles(json_t *value, const ko_json_field *field, ko_arena *arena,
                      ko_json_roles *out, ko_err *err)
{
    const char *name;
    json_t *role;

    if (!json_is_object(value))
        return ko_err_set(err, KO_E_INVALID, "%s is not an object of names and roles", field->name);
    if (json_object_size(value) > field->max)
        return ko_err_set(err, KO_E_INVALID, "%s has more than %zu entries", field->name,
                          field->max);
    out->items = ko_arena_alloc_array(arena, json_object_size(value), sizeof(*out->items));
    json_object_foreach(value, name, role)
    {
        ko_json_role *item = &out->items[out->count++];

        item->name = ko_str_of(ko_arena_strdup(arena, name));
        item->role = KO_META_ROLE_NONE;
        if (!json_is_null(role) &&
            (!json_is_string(role) || ko_meta_role_parse(text_of(role), &item->role, NULL) < 0))
            return ko_err_set(err, KO_E_INVALID, "%s: a role is \"member\", \"owner\" or null",
                              field->name);
    }
    return 0;
}

/* ---- Members ---- */

static int take_member(json_t *value, const ko_json_field *field, ko_arena *arena, void *out,
                       ko_err *err)
{
    switch (field->kind) {
    case KO_JSON_TEXT:
        return take_text(value, field, arena, &((ko_json_text *)out)->value, err);
    case KO_JSON_PROSE:
        return take_text(value, field, arena, &((ko_json_prose *)out)->value, err);
    case KO_JSON_SECRET:
        return take_text(value, field, arena, &((ko_json_secret *)out)->value, err);
    case KO_JSON_FLAG:
        return take_flag(value, field, &((ko_json_flag *)out)->value, err);
    case KO_JSON_NUMBER:
        return take_number(value, field->name, (int64_t)field->max, &((ko_json_number *)out)->value,
                           err);
    case KO_JSON_QUOTA:
        return take_quota(value, field, &((ko_json_quota *)out)->value, err);
    case KO_JSON_VISIBILITY:
        return take_visibility(value, field, &((ko_json_visibility *)out)->value, err);
    case KO_JSON_ACTIONS:
        return take_actions(value, field, &((ko_json_actions *)out)->value, err);
    case KO_JSON_ROLES:
        return take_roles(value, field, arena, out, err);
    }
    return -1;
}

static const ko_json_field *find_field(const ko_json_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static bool *set_of(const ko_json_field *field, void *doc)
{
    return (bool *)((char *)doc + field->offset);
}

static int take_members(json_t *object, const ko_json_field *fields, size_t count, ko_arena *arena,
                        void *out, ko_err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        const ko_json_field *field = find_field(fields, count, name);

        if (!field)
            return ko_err_set(err, KO_E_INVALID, "there is no member \"%.64s\" here", name);
        if (take_member(value, field, arena, (char *)out + field->offset, err) < 0)
            return -1;
        *set_of(field, out) = true;
    }
    for (size_t i = 0; i < count; i++)
        if (fields[i].required && !*set_of(&fields[i], out))
            return ko_err_set(err, KO_E_INVALID, "%s is missing", fields[i].name);
    return 0;
}

int ko_json_read(ko_str bytes, const ko_json_field *fields, size_t count, ko_arena *arena,
                 void *out, ko_err *err)
{
    json_error_t why;

    if (bytes.len > KO_MAX_HTTP_SMALL_BODY)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %llu bytes", KO_MAX_HTTP_SMALL_BODY);
    json_auto_t *doc =
        json_loadb(bytes.len ? bytes.ptr : "", bytes.len, JSON_REJECT_DUPLICATES, &why);
    /* The parser quotes what it read, which may be a password: only the place is told. */
    if (!doc)
        return ko_err_set(err, KO_E_INVALID, "not JSON: line %d, column %d", why.line, why.column);
    if (!json_is_object(doc))
        return ko_err_set(err, KO_E_INVALID, "not a JSON object");
    return take_members(doc, fields, count, arena, out, err);
}

int ko_json_print_set(const ko_json_field *fields, size_t count, const void *doc, ko_buf *out)
{
    const char *separator = "";
    int rc = 0;

    for (size_t i = 0; i < count; i++) {
        if (!*(const bool *)((const char *)doc + fields[i].offset))
            continue;
        rc |= ko_buf_printf(out, "%s%s", separator, fields[i].name);
        separator = ", ";
    }
    return rc;
}

void ko_json_wipe(ko_json_secret *secret)
{
    if (secret->value.len > 0)
        ko_secret_wipe((char *)(uintptr_t)secret->value.ptr, secret->value.len);
}
