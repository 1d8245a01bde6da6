/* common/base/err.c: filling a ko_err without allocation.
 *
 * Text is always formatted into a local array first: callers may pass err->text itself as an
 * argument, and a context is put in front of what is already there. */
#include "common/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT     "..."
#define CUT_LEN (sizeof(CUT) - 1)

const char *ko_err_name(ko_err_code code)
{
    switch (code) {
#define X(name, text)                                                                              \
    case KO_E_##name:                                                                              \
        return text;
        KO_ERR_CODES(X)
#undef X
    }
    return "unknown";
}

/* Continuation bytes at the cut would leave half a character in front of the dots. */
static size_t cut_point(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* Appends to text[*len], ending in "..." once the room is used up. */
static void append(char *text, size_t cap, size_t *len, const char *more)
{
    size_t n = strlen(more), room = cap - 1 - *len;

    if (n <= room) {
        memcpy(text + *len, more, n + 1);
        *len += n;
        return;
    }
    memcpy(text + *len, more, room);
    size_t keep = cut_point(text, cap - 1 - CUT_LEN);
    memcpy(text + keep, CUT, CUT_LEN + 1);
    *len = keep + CUT_LEN;
}

/* One byte more than an err holds, so that a cut is noticed. */
typedef struct {
    char text[sizeof(((ko_err *)0)->text) + 1];
} long_text;

static void KO_PRINTF(2, 0) format(long_text *out, const char *fmt, va_list args)
{
    if (vsnprintf(out->text, sizeof(out->text), fmt, args) < 0)
        memcpy(out->text, "?", 2);
}

static void fill(ko_err *err, ko_err_code code, int sys, const char *file, int line)
{
    err->code = code;
    err->sys = sys;
    err->file = file;
    err->line = line;
}

void ko_err_set_at(ko_err *err, ko_err_code code, int sys, const char *file, int line,
                   const char *fmt, ...)
{
    if (!err)
        return;

    long_text text;
    va_list args;
    va_start(args, fmt);
    format(&text, fmt, args);
    va_end(args);

    size_t len = 0;
    fill(err, code, sys, file, line);
    append(err->text, sizeof(err->text), &len, text.text);
}

static ko_err_code code_of_errno(int sys)
{
    switch (sys) {
    case ENOENT:
        return KO_E_NOT_FOUND;
    case EEXIST:
        return KO_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return KO_E_NO_SPACE;
    case EACCES:
    case EPERM:
        return KO_E_DENIED;
    case ENOMEM:
    case EMFILE:
        return KO_E_UNAVAILABLE;
    }
    return KO_E_IO;
}

void ko_err_sys_at(ko_err *err, const char *file, int line, const char *fmt, ...)
{
    int sys = errno;

    if (!err)
        return;

    long_text text;
    va_list args;
    va_start(args, fmt);
    format(&text, fmt, args);
    va_end(args);

    const char *why = strerrordesc_np(sys);
    size_t len = 0;
    fill(err, code_of_errno(sys), sys, file, line);
    append(err->text, sizeof(err->text), &len, text.text);
    append(err->text, sizeof(err->text), &len, ": ");
    append(err->text, sizeof(err->text), &len, why ? why : "unknown system error");
    errno = sys;
}

void ko_err_ctx_add(ko_err *err, const char *fmt, ...)
{
    if (!err)
        return;

    long_text text;
    char old[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    format(&text, fmt, args);
    va_end(args);
    memcpy(old, err->text, sizeof(old));

    size_t len = 0;
    append(err->text, sizeof(err->text), &len, text.text);
    if (old[0] != '\0') {
        append(err->text, sizeof(err->text), &len, ": ");
        append(err->text, sizeof(err->text), &len, old);
    }
}

_Noreturn void ko_assert_failed(const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}
