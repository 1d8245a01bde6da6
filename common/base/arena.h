/* common/base/arena.h: memory that lives and dies together: one arena per request, CLI command or
 * build step. Nothing is freed singly. Allocation aborts on exhaustion; sizes that come from
 * outside are checked against limits.h before. Under AddressSanitizer every piece is its own
 * malloc, so that overruns and use after reset are seen.
 *
 * Threads: one thread at a time. */
#ifndef KO_BASE_ARENA_H
#define KO_BASE_ARENA_H

#include "common/base/err.h"
#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_arena ko_arena;

/* A new, empty arena, owned by the caller: ko_arena_free(). No memory is taken for blocks until the
 * first allocation. */
ko_arena *ko_arena_new(void);
ko_arena *ko_arena_free(ko_arena *arena); /* accepts NULL, returns NULL */
KO_DEFINE_AUTOPTR(ko_arena, ko_arena_free);

/* Forgets everything allocated, keeping one block for reuse. */
void ko_arena_reset(ko_arena *arena);

/* Zeroed memory, aligned for any type. */
void *ko_arena_alloc(ko_arena *arena, size_t size);
void *ko_arena_alloc_array(ko_arena *arena, size_t count, size_t size);
#define ko_arena_new_obj(arena, type) ((type *)ko_arena_alloc(arena, sizeof(type)))

/* Copies; the result is NUL-terminated. */
char *ko_arena_strdup(ko_arena *arena, const char *text);
char *ko_arena_strndup(ko_arena *arena, const char *text, size_t len);
ko_str ko_arena_str(ko_arena *arena, ko_str text);
char *ko_arena_printf(ko_arena *arena, const char *fmt, ...) KO_PRINTF(2, 3);

/* Bytes handed out since new or reset (for budgets in tests). */
size_t ko_arena_used(const ko_arena *arena);

#endif
