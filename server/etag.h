/* server/etag.h: entity tags: digests between double quotes.
 *
 * Spec:    RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2. Quotes are forgiven when absent (T38).
 * Threads: any. */
#ifndef KO_SERVER_ETAG_H
#define KO_SERVER_ETAG_H

#include <stdbool.h>

#include "common/http/header.h"
#include "storage/meta_tag.h"

/* Does one element of the list match the digest? "*" matches everything. */
bool ko_etag_matches(ko_str list, const char *digest);

/* Is there an If-None-Match that makes a 304 of this GET or HEAD? */
bool ko_etag_not_modified(const ko_headers *headers, const char *digest);

/* If-Match and If-None-Match of a PUT or DELETE of a tag, as what the tag must be now. errors
 * INVALID: no digest, or both headers. */
KO_MUST_USE int ko_etag_expect(const ko_headers *headers, ko_meta_tag_expect *out, ko_err *err);

#endif
