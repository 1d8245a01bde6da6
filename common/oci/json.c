/* common/oci/json.c: loading hostile JSON.
 *
 * A first pass over the text counts nesting and values before any memory is taken: jansson's own
 * depth limit is 2048, and a 4 MiB document of "[{},{},..." would become a tree of 300 MiB. It need
 * not understand more than strings: what is not JSON is refused by the parser afterwards. */
#include "common/oci/json_priv.h"

#include <limits.h>

#include "common/base/limits.h"

/* The index after the string that starts before `at`. */
static size_t skip_string(ko_str s, size_t at)
{
    while (at < s.len && s.ptr[at] != '"')
        at += s.ptr[at] == '\\' ? 2 : 1;
    return at + 1;
}

static int check_bounds(ko_str s, ko_err *err)
{
    size_t depth = 0, values = 1;

    for (size_t at = 0; at < s.len;) {
        switch (s.ptr[at++]) {
        case '"':
            at = skip_string(s, at);
            break;
        case '[':
        case '{':
            values++;
            if (++depth > KO_MAX_JSON_DEPTH)
                return ko_err_set(err, KO_E_INVALID, "nested more than %d deep", KO_MAX_JSON_DEPTH);
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        }
    }
    if (values > KO_MAX_JSON_VALUES)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %d values", KO_MAX_JSON_VALUES);
    return 0;
}

int ko_json_load(ko_str bytes, size_t max, json_t **out, ko_err *err)
{
    json_error_t why;

    if (bytes.len > max)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %zu bytes", max);
    if (check_bounds(bytes, err) < 0)
        return -1;
    json_auto_t *doc =
        json_loadb(bytes.len ? bytes.ptr : "", bytes.len, JSON_REJECT_DUPLICATES, &why);
    if (!doc)
        return ko_err_set(err, KO_E_INVALID, "not JSON: line %d column %d: %s", why.line,
                          why.column, why.text);
    if (!json_is_object(doc))
        return ko_err_set(err, KO_E_INVALID, "not a JSON object");
    *out = json_incref(doc);
    return 0;
}

json_t *ko_json_member(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static int copy_text(const json_t *value, const char *key, size_t max, ko_arena *arena,
                     const char **out, ko_err *err)
{
    if (!json_is_string(value))
        return ko_err_set(err, KO_E_INVALID, "%.64s is not a string", key);
    size_t len = json_string_length(value);
    if (len > max)
        return ko_err_set(err, KO_E_INVALID, "%.64s is longer than %zu bytes", key, max);
    *out = ko_arena_strndup(arena, json_string_value(value), len);
    return 0;
}

int ko_json_text(const json_t *object, const char *key, size_t max, ko_arena *arena,
                 const char **out, ko_err *err)
{
    const json_t *value = ko_json_member(object, key);

    if (value)
        return copy_text(value, key, max, arena, out, err);
    *out = "";
    return 0;
}

int ko_json_object(const json_t *object, const char *key, json_t **out, ko_err *err)
{
    json_t *value = ko_json_member(object, key);

    if (value && !json_is_object(value))
        return ko_err_set(err, KO_E_INVALID, "%s is not an object", key);
    *out = value;
    return 0;
}

int ko_json_array(const json_t *object, const char *key, json_t **out, ko_err *err)
{
    json_t *value = ko_json_member(object, key);

    if (value && !json_is_array(value))
        return ko_err_set(err, KO_E_INVALID, "%s is not an array", key);
    *out = value;
    return 0;
}

int ko_json_strings(const json_t *object, const char *key, ko_arena *arena, ko_annotations *out,
                    ko_err *err)
{
    json_t *map, *value;
    const char *name;
    size_t i = 0;

    if (ko_json_object(object, key, &map, err) < 0)
        return -1;
    size_t count = json_object_size(map);
    if (count > KO_MAX_ANNOTATIONS)
        return ko_err_set(err, KO_E_TOO_LARGE, "%s: more than %d", key, KO_MAX_ANNOTATIONS);
    ko_annotation *items = ko_arena_alloc_array(arena, count, sizeof(*items));
    json_object_foreach(map, name, value)
    {
        items[i].name = ko_arena_strdup(arena, name);
        if (copy_text(value, name, SIZE_MAX, arena, &items[i].value, err) < 0)
            return ko_err_ctx(err, "%s", key);
        i++;
    }
    *out = (ko_annotations){items, count};
    return 0;
}
