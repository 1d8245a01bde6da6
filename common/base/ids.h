/* common/base/ids.h: random identifiers from getrandom(2). Threads: any. */
#ifndef KO_BASE_IDS_H
#define KO_BASE_IDS_H

#include <stddef.h>

/* Fills with random bytes; aborts if the kernel has none, which does not happen after boot. */
void ko_ids_random(void *out, size_t len);

#define KO_IDS_UUID_MAX 37 /* "f81d4fae-7dec-41d0-a765-00a0c91e6bf6" and NUL */
void ko_ids_uuid(char out[static KO_IDS_UUID_MAX]); /* RFC 9562 version 4 */

#define KO_IDS_REQUEST_MAX 17 /* 16 hex digits and NUL */
/* A request id: cheap (counted up from a random start per process), unique within years. */
void ko_ids_request(char out[static KO_IDS_REQUEST_MAX]);

#endif
