/* common/base/arena.c: bump allocation in blocks.
 *
 * The first block is taken at the first allocation; each further one is twice as large, up to a
 * cap, or as large as the one piece that asked for it. A reset keeps the first block only: it
 * covers the usual request, and an idle connection shall not hold what its largest request needed.
 *
 * Under AddressSanitizer a block holds exactly one piece, unrounded, and a reset frees all of them,
 * so that the sanitizer sees every overrun and every use after reset. */
#include "common/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define PIECEWISE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PIECEWISE 1
#endif
#endif
#ifndef PIECEWISE
#define PIECEWISE 0
#endif

#define ALIGN       alignof(max_align_t)
#define FIRST_BLOCK ((size_t)4096)
#define BLOCK_CAP   ((size_t)256 * 1024)

typedef struct block {
    struct block *older;
    size_t size; /* of bytes */
    alignas(max_align_t) char bytes[];
} block;

struct ko_arena {
    block *newest;
    size_t taken; /* bytes of the newest block */
    size_t used;
};

ko_arena *ko_arena_new(void)
{
    return ko_new(ko_arena);
}

static block *free_down_to(block *from, const block *keep)
{
    while (from && from != keep) {
        block *older = from->older;
        free(from);
        from = older;
    }
    return from;
}

ko_arena *ko_arena_free(ko_arena *arena)
{
    if (arena)
        (void)free_down_to(arena->newest, NULL);
    free(arena);
    return NULL;
}

void ko_arena_reset(ko_arena *arena)
{
    block *first = arena->newest;

    while (first && first->older)
        first = first->older;
    /* The first block may be a single large piece: not worth keeping. */
    if (PIECEWISE || (first && first->size > FIRST_BLOCK))
        first = NULL;
    arena->newest = free_down_to(arena->newest, first);
    arena->taken = 0;
    arena->used = 0;
}

static size_t next_block_size(const ko_arena *arena, size_t need)
{
    size_t size = FIRST_BLOCK - sizeof(block);

    if (PIECEWISE)
        return need;
    if (arena->newest)
        size = 2 * (arena->newest->size + sizeof(block)) - sizeof(block);
    if (size > BLOCK_CAP)
        size = BLOCK_CAP;
    return need > size ? need : size;
}

static void add_block(ko_arena *arena, size_t need)
{
    size_t size = next_block_size(arena, need);

    KO_ASSERT(size <= SIZE_MAX - sizeof(block));
    block *b = ko_xmalloc(sizeof(block) + size);
    b->older = arena->newest;
    b->size = size;
    arena->newest = b;
    arena->taken = 0;
}

static char *take(ko_arena *arena, size_t size)
{
    KO_ASSERT(size <= SIZE_MAX - ALIGN);
    size_t need = PIECEWISE ? size : (size + ALIGN - 1) & ~(ALIGN - 1);

    if (PIECEWISE || !arena->newest || arena->newest->size - arena->taken < need)
        add_block(arena, need);
    char *piece = arena->newest->bytes + arena->taken;
    arena->taken += need;
    arena->used += size;
    return piece;
}

void *ko_arena_alloc(ko_arena *arena, size_t size)
{
    return memset(take(arena, size), 0, size);
}

void *ko_arena_alloc_array(ko_arena *arena, size_t count, size_t size)
{
    size_t total;

    KO_ASSERT(!__builtin_mul_overflow(count, size, &total));
    return ko_arena_alloc(arena, total);
}

char *ko_arena_strndup(ko_arena *arena, const char *text, size_t len)
{
    KO_ASSERT(len < SIZE_MAX);
    char *copy = take(arena, len + 1);

    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *ko_arena_strdup(ko_arena *arena, const char *text)
{
    return ko_arena_strndup(arena, text, strlen(text));
}

ko_str ko_arena_str(ko_arena *arena, ko_str text)
{
    return (ko_str){ko_arena_strndup(arena, text.ptr, text.len), text.len};
}

char *ko_arena_printf(ko_arena *arena, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    KO_ASSERT(len >= 0);

    char *text = take(arena, (size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args); /* the length was measured above */
    va_end(args);
    return text;
}

size_t ko_arena_used(const ko_arena *arena)
{
    return arena->used;
}
