/* storage/generation.h: the counters behind ko_meta_generation_*(): one for rights and a table of
 * hashed slots for repositories, in a small file that all processes on a database map.
 *
 * Threads: any; reading and raising are lock-free. */
#ifndef KO_STORAGE_GENERATION_H
#define KO_STORAGE_GENERATION_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/own.h"
#include "common/base/str.h"

#define KO_GENERATION_SLOTS 1024 /* a power of two */

typedef struct ko_generation ko_generation;

/* Maps `path`, made when missing; NULL: private memory. Owned by the caller. errors NO_SPACE, IO,
 * DENIED. */
KO_MUST_USE int ko_generation_open(const char *path, ko_generation **out, ko_err *err);
ko_generation *ko_generation_free(ko_generation *gen);
KO_DEFINE_AUTOPTR(ko_generation, ko_generation_free);

/* The slot of a repository's name, the same in every process. */
size_t ko_generation_slot(ko_str repo);

uint64_t ko_generation_get_repo(const ko_generation *gen, size_t slot);
uint64_t ko_generation_get_rights(const ko_generation *gen);
void ko_generation_raise_repo(ko_generation *gen, size_t slot);
void ko_generation_raise_rights(ko_generation *gen);

#endif
