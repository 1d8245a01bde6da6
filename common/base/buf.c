/* common/base/buf.c: growing buffer.
 *
 * A buffer without memory points at one shared NUL, so that data is a string from the start; `cap`
 * is 0 then and nothing may be written through it (several threads share it). */
#include "common/base/buf.h"

#include <stdio.h>

#include "common/base/own.h"

static char shared_nul[1];

#define MIN_CAP ((size_t)64)

void ko_buf_init(ko_buf *buf, size_t max)
{
    *buf = (ko_buf){.data = shared_nul, .max = max};
}

void ko_buf_done(ko_buf *buf)
{
    int saved = errno;

    if (buf->cap > 0)
        free(buf->data);
    ko_buf_init(buf, buf->max);
    errno = saved;
}

static void set_len(ko_buf *buf, size_t len)
{
    buf->len = len;
    if (buf->cap > 0)
        buf->data[len] = '\0';
}

void ko_buf_truncate(ko_buf *buf, size_t len)
{
    KO_ASSERT(len <= buf->len);
    set_len(buf, len);
    buf->overflow = false;
}

void ko_buf_reset(ko_buf *buf)
{
    ko_buf_truncate(buf, 0);
}

char *ko_buf_reserve(ko_buf *buf, size_t len)
{
    if (len > buf->max - buf->len || buf->max == SIZE_MAX) {
        buf->overflow = true;
        return NULL;
    }
    size_t need = buf->len + len + 1; /* <= max + 1 */
    if (need > buf->cap) {
        size_t cap = buf->cap > SIZE_MAX / 2 ? need : 2 * buf->cap;
        if (cap > buf->max + 1)
            cap = buf->max + 1;
        if (cap < MIN_CAP && MIN_CAP <= buf->max)
            cap = MIN_CAP;
        if (cap < need)
            cap = need;
        buf->data = ko_xrealloc_array(buf->cap > 0 ? buf->data : NULL, cap, 1);
        buf->cap = cap;
        buf->data[buf->len] = '\0';
    }
    return buf->data + buf->len;
}

void ko_buf_added(ko_buf *buf, size_t len)
{
    KO_ASSERT(len == 0 || len < buf->cap - buf->len);
    set_len(buf, buf->len + len);
}

int ko_buf_put(ko_buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    char *room = ko_buf_reserve(buf, len);
    if (!room)
        return -1;
    memcpy(room, bytes, len);
    ko_buf_added(buf, len);
    return 0;
}

int ko_buf_put_str(ko_buf *buf, ko_str s)
{
    return ko_buf_put(buf, s.ptr, s.len);
}

int ko_buf_put_text(ko_buf *buf, const char *text)
{
    return ko_buf_put(buf, text, strlen(text));
}

int ko_buf_put_char(ko_buf *buf, char c)
{
    return ko_buf_put(buf, &c, 1);
}

int ko_buf_vprintf(ko_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    size_t room = buf->cap > 0 ? buf->cap - buf->len : 0;

    va_copy(again, args);
    int need = vsnprintf(room ? buf->data + buf->len : NULL, room, fmt, args);
    if (need > 0 && (size_t)need >= room) {
        char *place = ko_buf_reserve(buf, (size_t)need);
        need = place ? vsnprintf(place, (size_t)need + 1, fmt, again) : -1;
    }
    va_end(again);
    if (need < 0) { /* what did not fit may have left bytes behind the end */
        buf->overflow = true;
        set_len(buf, buf->len);
        return -1;
    }
    set_len(buf, buf->len + (size_t)need);
    return 0;
}

int ko_buf_printf(ko_buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int rc = ko_buf_vprintf(buf, fmt, args);
    va_end(args);
    return rc;
}

/* ---- JSON strings (RFC 8259 section 7) ---- */

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* C1 controls reach terminals through log lines; DEL and they may be escaped like any other. */
static bool is_c1(ko_str s, size_t len)
{
    return len == 2 && (unsigned char)s.ptr[0] == 0xc2 && (unsigned char)s.ptr[1] < 0xa0;
}

static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    }
    return NULL;
}

/* Writes the one character at the front of `s`, which is not plain; returns the bytes it took. */
static size_t put_special(ko_buf *buf, ko_str s)
{
    unsigned char c = (unsigned char)s.ptr[0];
    size_t len = ko_str_utf8_len(s);
    const char *escape = short_escape(c);

    if (len == 0) {
        (void)ko_buf_put_text(buf, "\xef\xbf\xbd"); /* U+FFFD */
        return 1;
    }
    if (escape)
        (void)ko_buf_put_text(buf, escape);
    else if (len == 1)
        (void)ko_buf_printf(buf, "\\u%04x", c);
    else if (is_c1(s, len))
        (void)ko_buf_printf(buf, "\\u%04x", (unsigned char)s.ptr[1]);
    else
        (void)ko_buf_put(buf, s.ptr, len);
    return len;
}

int ko_buf_put_json(ko_buf *buf, ko_str s)
{
    size_t start = buf->len;
    bool before = buf->overflow;

    buf->overflow = false; /* the appends below are checked together */
    (void)ko_buf_put_char(buf, '"');
    for (size_t at = 0; at < s.len && !buf->overflow;) {
        size_t run = at;
        while (run < s.len && is_plain((unsigned char)s.ptr[run]))
            run++;
        (void)ko_buf_put(buf, s.ptr + at, run - at);
        at = run;
        if (at < s.len)
            at += put_special(buf, ko_str_slice(s, at, s.len));
    }
    (void)ko_buf_put_char(buf, '"');
    if (buf->overflow) {
        set_len(buf, start);
        return -1;
    }
    buf->overflow = before;
    return 0;
}

void ko_buf_consume(ko_buf *buf, size_t len)
{
    KO_ASSERT(len <= buf->len);
    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    set_len(buf, buf->len - len);
}

int ko_buf_ok(const ko_buf *buf, ko_err *err)
{
    if (buf->overflow)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %zu bytes", buf->max);
    return 0;
}

char *ko_buf_take(ko_buf *buf)
{
    char *text = buf->cap > 0 ? buf->data : ko_xstrdup("");

    ko_buf_init(buf, buf->max);
    return text;
}
