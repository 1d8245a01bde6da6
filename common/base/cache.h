/* common/base/cache.h: a bounded cache of reference-counted values, safe to share between threads.
 *
 * Sharded by key hash, least recently used out first within a shard, bounded by the sum of the
 * costs the caller gives. A value is any struct whose first member is a ko_cache_entry. A cache of
 * 4096 units or more is divided into 16 equal parts by key: a value that costs more than its part
 * holds is not kept.
 *
 * Staleness is the caller's: an entry carries a `stamp` (a generation counter read *before* the
 * value was fetched) and a deadline; a lookup whose stamp differs or whose deadline has passed
 * misses and drops the entry. So a value read before a write committed can never be served after
 * it.
 *
 * Threads: any. Lookup takes one shard lock for well under a microsecond. */
#ifndef KO_BASE_CACHE_H
#define KO_BASE_CACHE_H

#include <stdatomic.h>

#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_cache ko_cache;

typedef struct ko_cache_entry {
    atomic_uint refs;
    void (*drop)(struct ko_cache_entry *entry); /* called when the last reference goes */
} ko_cache_entry;

/* A cache of at most `max_cost` units, owned by the caller: ko_cache_free(). */
ko_cache *ko_cache_new(size_t max_cost);
ko_cache *ko_cache_free(ko_cache *cache);
KO_DEFINE_AUTOPTR(ko_cache, ko_cache_free);

/* Prepares an entry with one reference, the caller's. */
void ko_cache_entry_init(ko_cache_entry *entry, void (*drop)(ko_cache_entry *entry));
void ko_cache_entry_ref(ko_cache_entry *entry);
void ko_cache_entry_unref(ko_cache_entry *entry); /* accepts NULL */

/* The entry under `key` with this stamp and a deadline after now_ms, with a new reference for the
 * caller; NULL when there is none. */
ko_cache_entry *ko_cache_get(ko_cache *cache, ko_str key, uint64_t stamp, uint64_t now_ms);

/* Stores `entry` (the cache takes its own reference) in place of an older one. `deadline_ms` is on
 * the monotonic clock; UINT64_MAX means never. */
void ko_cache_put(ko_cache *cache, ko_str key, uint64_t stamp, uint64_t deadline_ms, size_t cost,
                  ko_cache_entry *entry);
void ko_cache_remove(ko_cache *cache, ko_str key);
void ko_cache_clear(ko_cache *cache);

/* Counters since new (for /metrics). */
void ko_cache_stats(const ko_cache *cache, uint64_t *hits, uint64_t *misses, uint64_t *cost);

#endif
