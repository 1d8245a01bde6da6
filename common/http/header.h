/* common/http/header.h: a list of header fields, in order, names compared without case.
 *
 * Memory lives in the arena given at init. Values added by our own code are checked: a CR, LF or
 * NUL in a name or value is a bug and asserts, so a header can never be split.
 *
 * Spec:    RFC 9110 section 5.
 * Threads: one thread at a time. */
#ifndef KO_HTTP_HEADER_H
#define KO_HTTP_HEADER_H

#include "common/base/arena.h"
#include "common/base/str.h"

typedef struct {
    ko_str name;
    ko_str value;
} ko_header;

typedef struct {
    ko_arena *arena;
    ko_header *items;
    size_t count;
    size_t cap;
} ko_headers;

void ko_headers_init(ko_headers *headers, ko_arena *arena);
void ko_headers_add(ko_headers *headers, const char *name, ko_str value); /* copies the value */
void ko_headers_addf(ko_headers *headers, const char *name, const char *fmt, ...) KO_PRINTF(3, 4);

/* The first field of that name; false when there is none. */
bool ko_headers_get(const ko_headers *headers, const char *name, ko_str *value);
/* The next field of that name from *iter on (start with 0). */
bool ko_headers_next(const ko_headers *headers, const char *name, size_t *iter, ko_str *value);
/* Does any field of that name hold `token` in its comma-separated list (parameters ignored)? */
bool ko_headers_has_token(const ko_headers *headers, const char *name, ko_str token);

#endif
