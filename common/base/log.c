/* common/base/log.c: one event, one line, one write(2).
 *
 *     2026-11-23T20:35:54.123Z info blob.commit digest=sha256:ab12 bytes=512
 *     {"time":"2026-11-23T20:35:54.123Z","level":"info","event":"blob.commit","bytes":512}
 *
 * In text, a value stands bare when nothing in it could be mistaken for the line's own syntax;
 * otherwise it is written as a JSON string, so that no user text can forge a line or reach a
 * terminal as a control. Long values are cut; a line that grows too long loses its last fields. */
#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

#define MAX_LINE  ((size_t)16 * 1024)
#define MAX_VALUE ((size_t)2048) /* bytes of one string field */

static atomic_int min_level = KO_INFO;
static atomic_int line_format = KO_LOG_TEXT;
static atomic_int out_fd = STDERR_FILENO;

void ko_log_configure(ko_log_level min, ko_log_format format)
{
    atomic_store(&min_level, (int)min);
    atomic_store(&line_format, (int)format);
}

bool ko_log_enabled(ko_log_level level)
{
    return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

void ko_log_set_fd(int fd)
{
    atomic_store(&out_fd, fd);
}

static const char *level_name(ko_log_level level)
{
    switch (level) {
    case KO_DEBUG:
        return "debug";
    case KO_INFO:
        return "info";
    case KO_WARN:
        return "warn";
    case KO_ERROR:
        return "error";
    }
    return "unknown";
}

static bool is_bare(ko_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return s.len > 0;
}

static void put_string(ko_buf *line, ko_str s, ko_log_format format)
{
    bool cut = s.len > MAX_VALUE;

    s = ko_str_slice(s, 0, MAX_VALUE);
    if (format == KO_LOG_TEXT && !cut && is_bare(s)) {
        (void)ko_buf_put_str(line, s);
        return;
    }
    (void)ko_buf_put_json(line, s);
    if (cut && !line->overflow) {
        line->len--; /* in place of the closing quote */
        (void)ko_buf_put_text(line, "...\"");
    }
}

static void put_value(ko_buf *line, const ko_log_field *f, ko_log_format format)
{
    switch (f->kind) {
    case KO_FIELD_STR:
        put_string(line, f->str, format);
        break;
    case KO_FIELD_U64:
        (void)ko_buf_printf(line, "%" PRIu64, f->num);
        break;
    case KO_FIELD_I64:
        (void)ko_buf_printf(line, "%" PRId64, (int64_t)f->num);
        break;
    case KO_FIELD_BOOL:
        (void)ko_buf_put_text(line, f->num ? "true" : "false");
        break;
    }
}

/* A field is there whole or not at all. */
static void put_field(ko_buf *line, const ko_log_field *f, ko_log_format format)
{
    size_t before = line->len;

    if (format == KO_LOG_JSON) {
        (void)ko_buf_put_char(line, ',');
        (void)ko_buf_put_json(line, ko_str_of(f->name));
        (void)ko_buf_put_char(line, ':');
    } else {
        (void)ko_buf_printf(line, " %s=", f->name);
    }
    put_value(line, f, format);
    if (line->overflow)
        ko_buf_truncate(line, before);
}

static void put_head(ko_buf *line, ko_log_level level, const char *event, ko_log_format format)
{
    char at[KO_CLOCK_RFC3339_MAX];

    ko_clock_rfc3339_ms(ko_clock_wall_ms(), at);
    if (format == KO_LOG_JSON) {
        (void)ko_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", at,
                            level_name(level));
        (void)ko_buf_put_json(line, ko_str_of(event));
    } else {
        (void)ko_buf_printf(line, "%s %s %s", at, level_name(level), event);
    }
}

void ko_log_write(ko_log_level level, const char *event, const ko_log_field *fields, size_t count)
{
    int saved = errno;
    ko_log_format format = (ko_log_format)atomic_load(&line_format);
    ko_autobuf line;

    ko_buf_init(&line, MAX_LINE);
    put_head(&line, level, event, format);
    line.max -= 2; /* keeps room for the end of the line */
    for (size_t i = 1; i < count; i++)
        put_field(&line, &fields[i], format);
    line.max += 2;
    (void)ko_buf_put_text(&line, format == KO_LOG_JSON ? "}\n" : "\n");

    /* A log that cannot be written has nowhere to be reported. */
    ssize_t ignored = write(atomic_load(&out_fd), line.data, line.len);
    (void)ignored;
    errno = saved;
}
