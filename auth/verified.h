/* auth/verified.h: user and password pairs that were verified a moment ago, so that Argon2 runs
 * once in some minutes and not once per request.
 *
 * The key is a keyed BLAKE2b hash of both under a random key of this process: neither can be read
 * out of memory later. Failures are never kept. An entry holds only while the rights generation is
 * the one it was made under, so a changed password or a disabled account ends it at once.
 *
 * Threads: any; never blocks. */
#ifndef KO_AUTH_VERIFIED_H
#define KO_AUTH_VERIFIED_H

#include "common/base/cache.h"
#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_verified ko_verified;

ko_verified *ko_verified_new(size_t max_entries); /* owned by the caller */
ko_verified *ko_verified_free(ko_verified *verified);
KO_DEFINE_AUTOPTR(ko_verified, ko_verified_free);

/* What was stored for this pair, with a new reference; NULL: not known, verify it. */
ko_cache_entry *ko_verified_find(ko_verified *verified, ko_str user, ko_str password,
                                 uint64_t generation, uint64_t now_ms);
/* `generation` was read before the credentials were judged. Takes its own reference. */
void ko_verified_add(ko_verified *verified, ko_str user, ko_str password, uint64_t generation,
                     uint64_t deadline_ms, ko_cache_entry *value);

#endif
