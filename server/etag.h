/* server/etag.h: entity tags: digests between double quotes.
 *
 * Spec:    RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2. Quotes are forgiven when absent (T38).
 * Threads: any. */
#ifndef KO_SERVER_ETAG_H
#define KO_SERVER_ETAG_H

#include <stdbool.h>

#include "common/http/header.h"

/* Does one element of the list match the digest? "*" matches everything. */
bool ko_etag_matches(ko_str list, const char *digest);

/* Is there an If-None-Match that makes a 304 of this GET or HEAD? */
bool ko_etag_not_modified(const ko_headers *headers, const char *digest);

/* The one digest of an If-Match value, or the "*"; without quotes and W/. */
ko_str ko_etag_bare(ko_str value);

#endif
