/* common/base/cache.c: sharded, least recently used out first.
 *
 * The low bits of the keyed hash choose the shard, the high bits the bucket. Each shard has its own
 * lock, bucket table, list by age and share of the cost; shards stand on cache lines of their own.
 * A reference is taken inside the lock, values are dropped outside of it: a drop function may be
 * slow or use the cache itself. */
#include "common/base/cache.h"

#include <pthread.h>
#include <stdalign.h>

#include "common/base/map.h"

#define SHARDS           16
#define MIN_SHARDED_COST 4096 /* below, sixteen parts would be too small to be fair */
#define FIRST_BUCKETS    ((size_t)32)

typedef struct node {
    struct node *chain;         /* of the bucket, or of dropped nodes */
    struct node *newer, *older; /* by last use */
    ko_cache_entry *entry;
    uint64_t hash, stamp, deadline_ms;
    size_t cost, key_len;
    char key[];
} node;

typedef struct {
    alignas(64) pthread_mutex_t lock;
    node **buckets;
    size_t mask, count;
    node *newest, *oldest;
    size_t cost, max_cost;
    uint64_t hits, misses;
} shard;

struct ko_cache {
    shard *shards;
    size_t count; /* of shards, a power of two */
};

/* ---- References ---- */

void ko_cache_entry_init(ko_cache_entry *entry, void (*drop)(ko_cache_entry *entry))
{
    atomic_init(&entry->refs, 1);
    entry->drop = drop;
}

void ko_cache_entry_ref(ko_cache_entry *entry)
{
    (void)atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
}

void ko_cache_entry_unref(ko_cache_entry *entry)
{
    /* Whoever drops must see what all others did with the value before they let go. */
    if (entry && atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1)
        entry->drop(entry);
}

/* ---- One shard, lock held ---- */

static node **bucket_of(const shard *s, uint64_t hash)
{
    return &s->buckets[hash >> 32 & s->mask];
}

/* The link that points at the key's node, or at the NULL where the chain ends. */
static node **find(const shard *s, uint64_t hash, ko_str key)
{
    node **link = bucket_of(s, hash);

    while (*link &&
           !((*link)->hash == hash && ko_str_eq((ko_str){(*link)->key, (*link)->key_len}, key)))
        link = &(*link)->chain;
    return link;
}

static void age_unlink(shard *s, node *n)
{
    *(n->newer ? &n->newer->older : &s->newest) = n->older;
    *(n->older ? &n->older->newer : &s->oldest) = n->newer;
}

static void age_link_newest(shard *s, node *n)
{
    n->newer = NULL;
    n->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = n;
    s->newest = n;
}

/* Moves the node at `link` to the list of those to be dropped after unlocking. */
static void detach(shard *s, node **link, node **dropped)
{
    node *n = *link;

    KO_ASSERT(n); /* what is in the list by age is in a bucket */
    *link = n->chain;
    age_unlink(s, n);
    s->cost -= n->cost;
    s->count--;
    n->chain = *dropped;
    *dropped = n;
}

static void evict(shard *s, node **dropped)
{
    while (s->cost > s->max_cost) {
        node *n = s->oldest;
        detach(s, find(s, n->hash, (ko_str){n->key, n->key_len}), dropped);
    }
}

static void grow(shard *s)
{
    size_t old_count = s->mask + 1;
    node **old = s->buckets;

    s->buckets = ko_xcalloc(2 * old_count, sizeof(node *));
    s->mask = 2 * old_count - 1;
    for (size_t i = 0; i < old_count; i++) {
        for (node *n = old[i], *next; n; n = next) {
            node **bucket = bucket_of(s, n->hash);
            next = n->chain;
            n->chain = *bucket;
            *bucket = n;
        }
    }
    free(old);
}

static void drop_all(node *dropped)
{
    while (dropped) {
        node *next = dropped->chain;
        ko_cache_entry_unref(dropped->entry);
        free(dropped);
        dropped = next;
    }
}

/* ---- The cache ---- */

ko_cache *ko_cache_new(size_t max_cost)
{
    ko_cache *cache = ko_new(ko_cache);

    cache->count = max_cost < MIN_SHARDED_COST ? 1 : SHARDS;
    cache->shards = aligned_alloc(alignof(shard), cache->count * sizeof(shard));
    KO_ASSERT(cache->shards);
    for (size_t i = 0; i < cache->count; i++) {
        shard *s = &cache->shards[i];
        *s = (shard){.mask = FIRST_BUCKETS - 1, .max_cost = max_cost / cache->count};
        s->buckets = ko_xcalloc(FIRST_BUCKETS, sizeof(node *));
        KO_ASSERT(pthread_mutex_init(&s->lock, NULL) == 0);
    }
    return cache;
}

ko_cache *ko_cache_free(ko_cache *cache)
{
    if (!cache)
        return NULL;
    ko_cache_clear(cache);
    for (size_t i = 0; i < cache->count; i++) {
        (void)pthread_mutex_destroy(&cache->shards[i].lock); /* nobody holds it any more */
        free(cache->shards[i].buckets);
    }
    free(cache->shards);
    free(cache);
    return NULL;
}

static shard *lock_shard(const ko_cache *cache, uint64_t hash)
{
    shard *s = &cache->shards[hash & (cache->count - 1)];

    (void)pthread_mutex_lock(&s->lock); /* a default mutex that exists cannot fail */
    return s;
}

static void unlock_shard(shard *s)
{
    (void)pthread_mutex_unlock(&s->lock);
}

ko_cache_entry *ko_cache_get(ko_cache *cache, ko_str key, uint64_t stamp, uint64_t now_ms)
{
    uint64_t hash = ko_map_hash(key.ptr, key.len);
    ko_cache_entry *entry = NULL;
    node *dropped = NULL;
    shard *s = lock_shard(cache, hash);
    node **link = find(s, hash, key), *n = *link;

    if (n && n->stamp == stamp && n->deadline_ms > now_ms) {
        entry = n->entry;
        ko_cache_entry_ref(entry);
        if (s->newest != n) {
            age_unlink(s, n);
            age_link_newest(s, n);
        }
        s->hits++;
    } else {
        if (n)
            detach(s, link, &dropped);
        s->misses++;
    }
    unlock_shard(s);
    drop_all(dropped);
    return entry;
}

static node *new_node(ko_str key, uint64_t hash)
{
    KO_ASSERT(key.len < SIZE_MAX - sizeof(node));
    node *n = ko_xmalloc(sizeof(node) + key.len);

    *n = (node){.hash = hash, .key_len = key.len};
    if (key.len > 0)
        memcpy(n->key, key.ptr, key.len);
    return n;
}

void ko_cache_put(ko_cache *cache, ko_str key, uint64_t stamp, uint64_t deadline_ms, size_t cost,
                  ko_cache_entry *entry)
{
    uint64_t hash = ko_map_hash(key.ptr, key.len);

    if (cost > cache->shards[0].max_cost) { /* would push out everything and itself */
        ko_cache_remove(cache, key);
        return;
    }
    node *dropped = NULL, *n = new_node(key, hash);
    n->stamp = stamp;
    n->deadline_ms = deadline_ms;
    n->cost = cost;
    n->entry = entry;
    ko_cache_entry_ref(entry);

    shard *s = lock_shard(cache, hash);
    node **link = find(s, hash, key);
    if (*link)
        detach(s, link, &dropped);
    if (s->count > s->mask)
        grow(s);
    node **bucket = bucket_of(s, hash);
    n->chain = *bucket;
    *bucket = n;
    age_link_newest(s, n);
    s->count++;
    s->cost += cost;
    evict(s, &dropped);
    unlock_shard(s);
    drop_all(dropped);
}

void ko_cache_remove(ko_cache *cache, ko_str key)
{
    uint64_t hash = ko_map_hash(key.ptr, key.len);
    node *dropped = NULL;
    shard *s = lock_shard(cache, hash);
    node **link = find(s, hash, key);

    if (*link)
        detach(s, link, &dropped);
    unlock_shard(s);
    drop_all(dropped);
}

void ko_cache_clear(ko_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++) {
        node *dropped = NULL;
        shard *s = lock_shard(cache, i);
        for (size_t b = 0; b <= s->mask; b++)
            while (s->buckets[b])
                detach(s, &s->buckets[b], &dropped);
        unlock_shard(s);
        drop_all(dropped);
    }
}

void ko_cache_stats(const ko_cache *cache, uint64_t *hits, uint64_t *misses, uint64_t *cost)
{
    uint64_t sums[3] = {0};

    for (size_t i = 0; i < cache->count; i++) {
        shard *s = lock_shard(cache, i);
        sums[0] += s->hits;
        sums[1] += s->misses;
        sums[2] += s->cost;
        unlock_shard(s);
    }
    *hits = sums[0];
    *misses = sums[1];
    *cost = sums[2];
}
