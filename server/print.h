/* server/print.h: writing the JSON documents of Kontor's own API, member by member. Commas are put
 * where they belong.
 *
 * The buffer remembers an overflow, so that a document is checked once at its end (ko_buf_ok()).
 * `key` NULL: an element of a list.
 *
 * Threads: values. */
#ifndef KO_SERVER_PRINT_H
#define KO_SERVER_PRINT_H

#include "common/base/buf.h"
#include "storage/meta_types.h"

void ko_print_begin(ko_buf *out, const char *key, char bracket); /* '{' or '[' */
void ko_print_end(ko_buf *out, char bracket);                    /* '}' or ']' */

void ko_print_text(ko_buf *out, const char *key, ko_str value);
/* The same, or null for an empty one. */
void ko_print_optional(ko_buf *out, const char *key, ko_str value);
void ko_print_u64(ko_buf *out, const char *key, uint64_t value);
void ko_print_bool(ko_buf *out, const char *key, bool value);
/* RFC 3339, or null for 0. */
void ko_print_time(ko_buf *out, const char *key, int64_t at_s);
/* A number, "default" or "unlimited", from KO_META_QUOTA_*. */
void ko_print_quota(ko_buf *out, const char *key, int64_t value);
/* ["pull","push"] from KO_ACTION_*. */
void ko_print_actions(ko_buf *out, const char *key, unsigned actions);

#endif
