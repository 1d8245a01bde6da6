/* common/base/str.h: string views and strict number parsing.
 *
 * A ko_str is pointer and length, not terminated and not owned. Numbers parse whole strings within
 * a range; there is no locale, no sign where none belongs, no leading or trailing space. */
#ifndef KO_BASE_STR_H
#define KO_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/err.h"

typedef struct {
    const char *ptr;
    size_t len;
} ko_str;

#define KO_STR(literal) ((ko_str){"" literal, sizeof(literal) - 1})
#define KO_STR_FMT      "%.*s"
#define KO_STR_ARG(s)   (int)(s).len, (s).ptr /* for KO_STR_FMT */

static inline ko_str ko_str_of(const char *text) /* NULL gives the empty view */
{
    return (ko_str){text ? text : "", text ? strlen(text) : 0};
}

bool ko_str_eq(ko_str a, ko_str b);
bool ko_str_eq_nocase(ko_str a, ko_str b); /* ASCII only */
int ko_str_cmp(ko_str a, ko_str b);        /* by bytes, like strcmp */
bool ko_str_has_prefix(ko_str s, ko_str prefix);
bool ko_str_has_suffix(ko_str s, ko_str suffix);
ko_str ko_str_trim(ko_str s); /* without leading and trailing SP and HTAB */
ko_str ko_str_slice(ko_str s, size_t from, size_t to); /* [from, to), clamped */

/* Index of a byte or text, or SIZE_MAX. `rfind` searches from the right. */
size_t ko_str_find_char(ko_str s, char c);
size_t ko_str_rfind_char(ko_str s, char c);
size_t ko_str_find(ko_str s, ko_str needle);
size_t ko_str_rfind(ko_str s, ko_str needle);

/* Takes the next part before `sep` off the front of `rest`; false when `rest` is used up. An empty
 * string yields no part; "a," yields "a" and "". Start with rest->ptr != NULL. */
bool ko_str_split(ko_str *rest, char sep, ko_str *part);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool ko_str_is_utf8(ko_str s);
/* Bytes of the well-formed sequence at the front: 1 to 4, or 0 when there is none. */
size_t ko_str_utf8_len(ko_str s);

/* Decimal digits only, whole string, at most `max`. errors INVALID. */
KO_MUST_USE int ko_parse_u64(ko_str s, uint64_t max, uint64_t *out, ko_err *err);
/* "512", "64KiB", "10GiB", "1GB": bytes. errors INVALID. */
KO_MUST_USE int ko_parse_size(ko_str s, uint64_t *out_bytes, ko_err *err);
/* "30s", "5m", "24h", "7d", "250ms", "0": milliseconds. errors INVALID. */
KO_MUST_USE int ko_parse_duration(ko_str s, uint64_t *out_ms, ko_err *err);
/* Exactly "true" or "false". errors INVALID. */
KO_MUST_USE int ko_parse_bool(ko_str s, bool *out, ko_err *err);

/* Checked sums and products of sizes; errors TOO_LARGE. */
KO_MUST_USE int ko_add_u64(uint64_t a, uint64_t b, uint64_t *out, ko_err *err);
KO_MUST_USE int ko_mul_u64(uint64_t a, uint64_t b, uint64_t *out, ko_err *err);

#endif
