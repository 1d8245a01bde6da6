/* common/http/url.c: percent-encoding and query strings. Strict: what a careful client never sends
 * is refused rather than guessed at, because two parsers that guess differently are a hole. */
#include "common/http/url.h"

#define MAX_PARAMS 256

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One escape at text[at], which is '%': its byte, or -1. A NUL counts as bad: it would end a C
 * string further down before its view ends. */
static int escaped_byte(ko_str text, size_t at)
{
    if (text.len - at < 3)
        return -1;
    int high = hex_value(text.ptr[at + 1]);
    int low = hex_value(text.ptr[at + 2]);
    if (high < 0 || low < 0 || (high | low) == 0)
        return -1;
    return high << 4 | low;
}

static int decode(ko_str text, bool plus_is_space, ko_arena *arena, ko_str *out, ko_err *err)
{
    char *bytes = ko_arena_alloc(arena, text.len + 1); /* decoding never grows */
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%') {
            int byte = escaped_byte(text, i);

            if (byte < 0)
                return ko_err_set(err, KO_E_INVALID, "bad percent escape at byte %zu", i);
            c = (char)byte;
            i += 2;
        } else if (c == '\0') {
            return ko_err_set(err, KO_E_INVALID, "NUL at byte %zu", i);
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        bytes[len++] = c;
    }
    *out = (ko_str){bytes, len};
    return 0;
}

int ko_url_decode(ko_str text, ko_arena *arena, ko_str *out, ko_err *err)
{
    return decode(text, false, arena, out, err);
}

/* RFC 3986 section 2.3 */
static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int ko_url_encode(ko_str text, const char *keep, ko_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t before = out->len;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned byte = (unsigned char)c;
        char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        bool plain = is_unreserved(c) || (keep && c && strchr(keep, c));

        if (ko_buf_put(out, plain ? &c : escape, plain ? 1 : 3) < 0) {
            out->len = before;
            out->data[before] = '\0';
            return -1;
        }
    }
    return 0;
}

static size_t count_char(ko_str text, char c)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == c;
    return count;
}

static int parse_pair(ko_str pair, ko_arena *arena, ko_param *out, ko_err *err)
{
    size_t eq = ko_str_find_char(pair, '=');
    ko_str name = ko_str_slice(pair, 0, eq);
    ko_str value = eq == SIZE_MAX ? KO_STR("") : ko_str_slice(pair, eq + 1, pair.len);

    if (decode(name, true, arena, &out->name, err) < 0 ||
        decode(value, true, arena, &out->value, err) < 0)
        return ko_err_ctx(err, "query");
    return 0;
}

int ko_url_parse_query(ko_str query, ko_arena *arena, ko_params *out, ko_err *err)
{
    size_t max = count_char(query, '&') + 1;
    ko_params params = {0};
    ko_str pair;

    if (max > MAX_PARAMS)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %d query parameters", MAX_PARAMS);
    params.items = ko_arena_alloc_array(arena, max, sizeof(*params.items));
    while (ko_str_split(&query, '&', &pair)) {
        if (pair.len == 0)
            continue;
        if (parse_pair(pair, arena, &params.items[params.count], err) < 0)
            return -1;
        params.count++;
    }
    *out = params;
    return 0;
}

bool ko_params_next(const ko_params *params, const char *name, size_t *iter, ko_str *value)
{
    ko_str wanted = ko_str_of(name);

    while (*iter < params->count) {
        const ko_param *param = &params->items[(*iter)++];

        if (ko_str_eq(param->name, wanted)) {
            *value = param->value;
            return true;
        }
    }
    return false;
}

bool ko_params_get(const ko_params *params, const char *name, ko_str *value)
{
    size_t iter = 0;

    return ko_params_next(params, name, &iter, value);
}
