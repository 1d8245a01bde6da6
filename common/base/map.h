/* common/base/map.h: hash map from bytes to pointer. Keys are copied; values are not owned unless a
 * destructor is given. The hash is keyed per process (SipHash), so hostile keys cannot collide at
 * will.
 *
 * Threads: one thread at a time. */
#ifndef KO_BASE_MAP_H
#define KO_BASE_MAP_H

#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_map ko_map;

ko_map *ko_map_new(void (*drop_value)(void *value)); /* drop_value may be NULL */
ko_map *ko_map_free(ko_map *map);
KO_DEFINE_AUTOPTR(ko_map, ko_map_free);

void *ko_map_get(const ko_map *map, ko_str key);       /* NULL: not there */
void ko_map_set(ko_map *map, ko_str key, void *value); /* replaces and drops an old value */
void *ko_map_take(ko_map *map, ko_str key);            /* removes without dropping */
size_t ko_map_count(const ko_map *map);

/* Visits every entry in no particular order: start with *iter = 0; false at the end. The map may
 * not change meanwhile. */
bool ko_map_next(const ko_map *map, size_t *iter, ko_str *key, void **value);

/* The keyed hash itself, for shards and slots. */
uint64_t ko_map_hash(const void *bytes, size_t len);

#endif
