/* common/base/map.c: open addressing with linear probing.
 *
 * Slots keep the full hash, so that probing compares keys only when the hashes agree and growing
 * needs no rehash. Removal shifts the following slots back instead of leaving tombstones: lookups
 * never slow down with the history of the map.
 *
 * SipHash-1-3 (Aumasson and Bernstein; the reduced rounds are what Python, Rust and Ruby use for
 * their tables) under a random key per process. */
#include "common/base/map.h"

#include <endian.h>
#include <pthread.h>

#include "common/base/ids.h"

#define FIRST_SLOTS ((size_t)16)

typedef struct {
    uint64_t hash;
    char *key; /* NULL: free slot; owned */
    size_t key_len;
    void *value;
} slot;

struct ko_map {
    slot *slots;
    size_t mask; /* slots - 1, a power of two less one */
    size_t count;
    void (*drop)(void *value);
};

/* ---- Hash ---- */

static uint64_t sip_key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    ko_ids_random(sip_key, sizeof(sip_key));
}

static inline uint64_t rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32) + v[3];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static inline void sip_word(uint64_t v[static 4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t ko_map_hash(const void *bytes, size_t len)
{
    const char *in = bytes;
    uint64_t word, last = 0;

    (void)pthread_once(&key_once, make_key);
    uint64_t v[4] = {
        sip_key[0] ^ UINT64_C(0x736f6d6570736575), sip_key[1] ^ UINT64_C(0x646f72616e646f6d),
        sip_key[0] ^ UINT64_C(0x6c7967656e657261), sip_key[1] ^ UINT64_C(0x7465646279746573)};

    for (size_t left = len; left >= 8; left -= 8, in += 8) {
        memcpy(&word, in, 8);
        sip_word(v, le64toh(word));
    }
    if (len % 8 > 0)
        memcpy(&last, in, len % 8);
    sip_word(v, le64toh(last) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- Map ---- */

ko_map *ko_map_new(void (*drop_value)(void *value))
{
    ko_map *map = ko_new(ko_map);

    map->slots = ko_xcalloc(FIRST_SLOTS, sizeof(slot));
    map->mask = FIRST_SLOTS - 1;
    map->drop = drop_value;
    return map;
}

static void drop_value(const ko_map *map, void *value)
{
    if (map->drop && value)
        map->drop(value);
}

ko_map *ko_map_free(ko_map *map)
{
    if (!map)
        return NULL;
    for (size_t i = 0; i <= map->mask; i++) {
        if (map->slots[i].key)
            drop_value(map, map->slots[i].value);
        free(map->slots[i].key);
    }
    free(map->slots);
    free(map);
    return NULL;
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t find(const ko_map *map, uint64_t hash, ko_str key)
{
    size_t i = hash & map->mask;

    for (; map->slots[i].key; i = (i + 1) & map->mask) {
        const slot *s = &map->slots[i];
        if (s->hash == hash && ko_str_eq((ko_str){s->key, s->key_len}, key))
            break;
    }
    return i;
}

void *ko_map_get(const ko_map *map, ko_str key)
{
    const slot *s = &map->slots[find(map, ko_map_hash(key.ptr, key.len), key)];

    return s->key ? s->value : NULL;
}

/* Keys are known to differ here: only free slots are looked for. */
static void grow(ko_map *map)
{
    size_t old_count = map->mask + 1, mask = 2 * old_count - 1;
    slot *old = map->slots;

    map->slots = ko_xcalloc(2 * old_count, sizeof(slot));
    map->mask = mask;
    for (size_t i = 0; i < old_count; i++) {
        if (!old[i].key)
            continue;
        size_t at = old[i].hash & mask;
        while (map->slots[at].key)
            at = (at + 1) & mask;
        map->slots[at] = old[i];
    }
    free(old);
}

void ko_map_set(ko_map *map, ko_str key, void *value)
{
    uint64_t hash = ko_map_hash(key.ptr, key.len);
    slot *s = &map->slots[find(map, hash, key)];

    if (s->key) {
        void *old = s->value;
        s->value = value;
        if (old != value)
            drop_value(map, old);
        return;
    }
    if ((map->count + 1) * 4 > (map->mask + 1) * 3) {
        grow(map);
        s = &map->slots[find(map, hash, key)];
    }
    s->hash = hash;
    s->key = ko_xmalloc(key.len);
    if (key.len > 0)
        memcpy(s->key, key.ptr, key.len);
    s->key_len = key.len;
    s->value = value;
    map->count++;
}

/* Knuth 6.4 algorithm R: what follows moves back unless it would pass its home slot. */
static void close_gap(ko_map *map, size_t gap)
{
    for (size_t i = (gap + 1) & map->mask; map->slots[i].key; i = (i + 1) & map->mask) {
        size_t home = map->slots[i].hash & map->mask;
        if (((i - home) & map->mask) >= ((i - gap) & map->mask)) {
            map->slots[gap] = map->slots[i];
            gap = i;
        }
    }
    map->slots[gap] = (slot){0};
}

void *ko_map_take(ko_map *map, ko_str key)
{
    size_t i = find(map, ko_map_hash(key.ptr, key.len), key);
    void *value = map->slots[i].value;

    if (!map->slots[i].key)
        return NULL;
    free(map->slots[i].key);
    close_gap(map, i);
    map->count--;
    return value;
}

size_t ko_map_count(const ko_map *map)
{
    return map->count;
}

bool ko_map_next(const ko_map *map, size_t *iter, ko_str *key, void **value)
{
    while (*iter <= map->mask) {
        const slot *s = &map->slots[(*iter)++];
        if (s->key) {
            *key = (ko_str){s->key, s->key_len};
            *value = s->value;
            return true;
        }
    }
    return false;
}
