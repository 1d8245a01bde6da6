/* common/http/header.c: header fields as an array in an arena. A request has about ten fields, so a
 * linear search beats any index. */
#include "common/http/header.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/limits.h"

void ko_headers_init(ko_headers *headers, ko_arena *arena)
{
    *headers = (ko_headers){.arena = arena};
}

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *name)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return name[0] && name[strspn(name, allowed)] == '\0';
}

static bool is_field_value(ko_str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == '\0')
            return false;
    return true;
}

static void append(ko_headers *headers, const char *name, ko_str value)
{
    KO_ASSERT(is_token(name) && is_field_value(value));
    if (headers->count == headers->cap) {
        size_t cap = headers->cap ? headers->cap * 2 : 8;
        ko_header *items = ko_arena_alloc_array(headers->arena, cap, sizeof(*items));

        if (headers->count)
            memcpy(items, headers->items, headers->count * sizeof(*items));
        headers->items = items;
        headers->cap = cap;
    }
    headers->items[headers->count++] = (ko_header){ko_str_of(name), value};
}

void ko_headers_add(ko_headers *headers, const char *name, ko_str value)
{
    append(headers, name, ko_arena_str(headers->arena, value));
}

void ko_headers_addf(ko_headers *headers, const char *name, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    KO_ASSERT(len >= 0);
    if ((size_t)len < sizeof(text)) {
        ko_headers_add(headers, name, (ko_str){text, (size_t)len});
        return;
    }
    char *longer = ko_arena_alloc(headers->arena, (size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(longer, (size_t)len + 1, fmt, args);
    va_end(args);
    append(headers, name, (ko_str){longer, (size_t)len});
}

bool ko_headers_next(const ko_headers *headers, const char *name, size_t *iter, ko_str *value)
{
    ko_str wanted = ko_str_of(name);

    while (*iter < headers->count) {
        const ko_header *item = &headers->items[(*iter)++];

        if (ko_str_eq_nocase(item->name, wanted)) {
            *value = item->value;
            return true;
        }
    }
    return false;
}

bool ko_headers_get(const ko_headers *headers, const char *name, ko_str *value)
{
    size_t iter = 0;

    return ko_headers_next(headers, name, &iter, value);
}

/* Length of the first list element: up to a comma outside of a quoted string (RFC 9110 sections
 * 5.6.1 and 5.6.4). */
static size_t element_len(ko_str list)
{
    bool quoted = false;
    size_t i = 0;

    for (; i < list.len && (quoted || list.ptr[i] != ','); i++) {
        if (list.ptr[i] == '"')
            quoted = !quoted;
        else if (quoted && list.ptr[i] == '\\')
            i++;
    }
    return i < list.len ? i : list.len;
}

static bool list_has(ko_str list, ko_str token)
{
    while (list.len > 0) {
        size_t len = element_len(list);
        ko_str element = ko_str_slice(list, 0, len);
        size_t params = ko_str_find_char(element, ';');

        if (params != SIZE_MAX)
            element.len = params;
        if (ko_str_eq_nocase(ko_str_trim(element), token))
            return true;
        list = ko_str_slice(list, len + 1, list.len);
    }
    return false;
}

bool ko_headers_has_token(const ko_headers *headers, const char *name, ko_str token)
{
    size_t iter = 0;
    ko_str value;

    while (ko_headers_next(headers, name, &iter, &value))
        if (list_has(value, token))
            return true;
    return false;
}
