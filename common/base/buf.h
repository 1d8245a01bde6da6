/* common/base/buf.h: a growing byte buffer with a maximum given at init.
 *
 * Invariants: data[len] is always NUL (the buffer is a C string when it holds no NUL of its own);
 * len <= max. An append that would pass the maximum fails with TOO_LARGE and leaves the buffer as
 * it was; a failed append also marks the buffer, so that a long run of appends may be checked once
 * at its end with ko_buf_ok().
 *
 * Threads: one thread at a time. */
#ifndef KO_BASE_BUF_H
#define KO_BASE_BUF_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"

typedef struct {
    char *data; /* never NULL once init; owned */
    size_t len;
    size_t cap;
    size_t max;    /* bytes, without the terminating NUL */
    bool overflow; /* some append failed */
} ko_buf;

void ko_buf_init(ko_buf *buf, size_t max); /* allocates nothing yet */
void ko_buf_done(ko_buf *buf);             /* accepts a zeroed ko_buf */
#define ko_autobuf __attribute__((cleanup(ko_buf_done))) ko_buf

void ko_buf_reset(ko_buf *buf); /* empty, keeps the memory */
/* Back to an earlier length, forgetting the overflow of what was appended since. */
void ko_buf_truncate(ko_buf *buf, size_t len);

/* The appends return 0, or -1 when the maximum is passed (also remembered in `overflow`). */
int ko_buf_put(ko_buf *buf, const void *bytes, size_t len);
int ko_buf_put_str(ko_buf *buf, ko_str s);
int ko_buf_put_text(ko_buf *buf, const char *text);
int ko_buf_put_char(ko_buf *buf, char c);
int ko_buf_printf(ko_buf *buf, const char *fmt, ...) KO_PRINTF(2, 3);
int ko_buf_vprintf(ko_buf *buf, const char *fmt, va_list args) KO_PRINTF(2, 0);
/* A JSON string with quotes: controls, '"' and '\' escaped, ill-formed UTF-8 replaced by U+FFFD. */
int ko_buf_put_json(ko_buf *buf, ko_str s);

/* Room for `len` more bytes at data + len; NULL when past the maximum. Then ko_buf_added(). */
char *ko_buf_reserve(ko_buf *buf, size_t len);
void ko_buf_added(ko_buf *buf, size_t len);

/* Removes bytes from the front. */
void ko_buf_consume(ko_buf *buf, size_t len);

/* 0 when every append since init or reset fitted; else -1 and TOO_LARGE. */
KO_MUST_USE int ko_buf_ok(const ko_buf *buf, ko_err *err);

/* The bytes as a malloc'ed string owned by the caller; the buffer is empty afterwards. */
char *ko_buf_take(ko_buf *buf);

static inline ko_str ko_buf_str(const ko_buf *buf)
{
    return (ko_str){buf->data ? buf->data : "", buf->len};
}

#endif
