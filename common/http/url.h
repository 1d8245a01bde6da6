/* common/http/url.h: percent-encoding, paths and query strings.
 *
 * Spec:    RFC 3986 section 2.1 and 3.4; query pairs as application/x-www-form-urlencoded ('+' is a
 *          space in forms and queries).
 * Threads: any. */
#ifndef KO_HTTP_URL_H
#define KO_HTTP_URL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/str.h"

typedef struct {
    ko_str name;
    ko_str value;
} ko_param;

typedef struct {
    ko_param *items;
    size_t count;
} ko_params;

/* Decodes every %XX; a decoded NUL or a bad escape is INVALID. */
KO_MUST_USE int ko_url_decode(ko_str text, ko_arena *arena, ko_str *out, ko_err *err);

/* Appends with every byte but A-Z a-z 0-9 - . _ ~ (and those in `keep`) as %XX, upper case. */
int ko_url_encode(ko_str text, const char *keep, ko_buf *out);

/* Splits and decodes a query string or form body; at most 256 pairs. errors INVALID, TOO_LARGE. */
KO_MUST_USE int ko_url_parse_query(ko_str query, ko_arena *arena, ko_params *out, ko_err *err);

/* First value of that name; false when absent. `next` walks all of them (start with *iter = 0). */
bool ko_params_get(const ko_params *params, const char *name, ko_str *value);
bool ko_params_next(const ko_params *params, const char *name, size_t *iter, ko_str *value);

#endif
