/* common/base/str.c: string views. A view of length 0 may have any pointer, NULL included, which
 * the C library's mem functions do not accept: hence the guards. */
#include "common/base/str.h"

bool ko_str_eq(ko_str a, ko_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool ko_str_eq_nocase(ko_str a, ko_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int ko_str_cmp(ko_str a, ko_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool ko_str_has_prefix(ko_str s, ko_str prefix)
{
    return s.len >= prefix.len && ko_str_eq((ko_str){s.ptr, prefix.len}, prefix);
}

bool ko_str_has_suffix(ko_str s, ko_str suffix)
{
    return s.len >= suffix.len && ko_str_eq(ko_str_slice(s, s.len - suffix.len, s.len), suffix);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

ko_str ko_str_trim(ko_str s)
{
    size_t from = 0, to = s.len;

    while (from < to && is_blank(s.ptr[from]))
        from++;
    while (to > from && is_blank(s.ptr[to - 1]))
        to--;
    return ko_str_slice(s, from, to);
}

ko_str ko_str_slice(ko_str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from >= to)
        return (ko_str){s.ptr, 0};
    return (ko_str){s.ptr + from, to - from};
}

size_t ko_str_find_char(ko_str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t ko_str_rfind_char(ko_str s, char c)
{
    const char *at = s.len ? memrchr(s.ptr, c, s.len) : NULL;

    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t ko_str_find(ko_str s, ko_str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t ko_str_rfind(ko_str s, ko_str needle)
{
    if (needle.len > s.len)
        return SIZE_MAX;
    for (size_t at = s.len - needle.len + 1; at-- > 0;)
        if (ko_str_eq((ko_str){s.ptr + at, needle.len}, needle))
            return at;
    return SIZE_MAX;
}

/* The rest after a trailing separator: one empty part is still to come, unlike after an empty
 * string. Told by its address; a rest that is used up has ptr == NULL. */
static const char last_empty_part[1] = "";

bool ko_str_split(ko_str *rest, char sep, ko_str *part)
{
    if (!rest->ptr || (rest->len == 0 && rest->ptr != last_empty_part))
        return false;

    size_t at = ko_str_find_char(*rest, sep);
    if (at == SIZE_MAX) {
        *part = *rest;
        *rest = (ko_str){NULL, 0};
        return true;
    }
    *part = ko_str_slice(*rest, 0, at);
    *rest = ko_str_slice(*rest, at + 1, rest->len);
    if (rest->len == 0)
        rest->ptr = last_empty_part;
    return true;
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* RFC 3629 section 4: the second byte's range keeps out overlong forms, surrogates and what lies
 * above U+10FFFF. */
size_t ko_str_utf8_len(ko_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;

    if (s.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;

    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned char min = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char max = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (s.len < len || p[1] < min || p[1] > max)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (!is_continuation(p[i]))
            return 0;
    return len;
}

bool ko_str_is_utf8(ko_str s)
{
    for (size_t at = 0; at < s.len;) {
        size_t len = ko_str_utf8_len(ko_str_slice(s, at, s.len));
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

/* ---- Numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Untrusted text in an error: only its beginning. */
static ko_str shown(ko_str s)
{
    return ko_str_slice(s, 0, 40);
}

int ko_parse_u64(ko_str s, uint64_t max, uint64_t *out, ko_err *err)
{
    uint64_t value = 0;

    if (s.len == 0)
        return ko_err_set(err, KO_E_INVALID, "a number is missing");
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return ko_err_set(err, KO_E_INVALID, "\"" KO_STR_FMT "\" is not a number",
                              KO_STR_ARG(shown(s)));
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value) || value > max)
            return ko_err_set(err, KO_E_INVALID, "\"" KO_STR_FMT "\" is more than %llu",
                              KO_STR_ARG(shown(s)), (unsigned long long)max);
    }
    *out = value;
    return 0;
}

typedef struct {
    ko_str name;
    uint64_t factor;
} unit;

/* A number followed by one of the units. */
static int parse_with_unit(ko_str s, const unit *units, size_t count, const char *what,
                           uint64_t *out, ko_err *err)
{
    size_t digits = 0;
    uint64_t number, value;

    while (digits < s.len && is_digit(s.ptr[digits]))
        digits++;
    if (ko_parse_u64(ko_str_slice(s, 0, digits), UINT64_MAX, &number, err) < 0)
        return ko_err_ctx(err, "%s", what);
    ko_str name = ko_str_slice(s, digits, s.len);
    for (size_t i = 0; i < count; i++) {
        if (!ko_str_eq(name, units[i].name))
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &value))
            return ko_err_set(err, KO_E_INVALID, "%s is too large", what);
        *out = value;
        return 0;
    }
    return ko_err_set(err, KO_E_INVALID, "\"" KO_STR_FMT "\" is not a %s", KO_STR_ARG(shown(s)),
                      what);
}

int ko_parse_size(ko_str s, uint64_t *out_bytes, ko_err *err)
{
    static const unit units[] = {
        {{"", 0}, 1},
        {{"B", 1}, 1},
        {{"KiB", 3}, 1ULL << 10},
        {{"MiB", 3}, 1ULL << 20},
        {{"GiB", 3}, 1ULL << 30},
        {{"TiB", 3}, 1ULL << 40},
        {{"kB", 2}, 1000ULL},
        {{"KB", 2}, 1000ULL},
        {{"MB", 2}, 1000000ULL},
        {{"GB", 2}, 1000000000ULL},
        {{"TB", 2}, 1000000000000ULL},
    };

    return parse_with_unit(s, units, sizeof(units) / sizeof(units[0]), "size", out_bytes, err);
}

int ko_parse_duration(ko_str s, uint64_t *out_ms, ko_err *err)
{
    static const unit units[] = {
        {{"ms", 2}, 1},      {{"s", 1}, 1000},     {{"m", 1}, 60000},
        {{"h", 1}, 3600000}, {{"d", 1}, 86400000},
    };

    if (ko_str_eq(s, KO_STR("0"))) { /* nothing is nothing in any unit */
        *out_ms = 0;
        return 0;
    }
    return parse_with_unit(s, units, sizeof(units) / sizeof(units[0]), "duration", out_ms, err);
}

int ko_parse_bool(ko_str s, bool *out, ko_err *err)
{
    bool yes = ko_str_eq(s, KO_STR("true"));

    if (!yes && !ko_str_eq(s, KO_STR("false")))
        return ko_err_set(err, KO_E_INVALID, "\"" KO_STR_FMT "\" is neither true nor false",
                          KO_STR_ARG(shown(s)));
    *out = yes;
    return 0;
}

int ko_add_u64(uint64_t a, uint64_t b, uint64_t *out, ko_err *err)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return ko_err_set(err, KO_E_TOO_LARGE, "sum of sizes is too large");
    *out = sum;
    return 0;
}

int ko_mul_u64(uint64_t a, uint64_t b, uint64_t *out, ko_err *err)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return ko_err_set(err, KO_E_TOO_LARGE, "product of sizes is too large");
    *out = product;
    return 0;
}
