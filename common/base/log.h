/* common/base/log.h: events with fields, as text or JSON lines on stderr.
 *
 *     ko_log(KO_INFO, "blob.commit", KO_F_STR("digest", d->text), KO_F_U64("bytes", n));
 *
 * Libraries (common, storage, auth) return errors and log at debug only; the program logs each
 * failure once, with its request id. Never log tokens, passwords, Authorization, signed URLs. User
 * text is quoted and control bytes are escaped here.
 *
 * Threads: any; a line is one write(2). */
#ifndef KO_BASE_LOG_H
#define KO_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

typedef enum { KO_DEBUG, KO_INFO, KO_WARN, KO_ERROR } ko_log_level;
typedef enum { KO_LOG_TEXT, KO_LOG_JSON } ko_log_format;

typedef struct {
    enum { KO_FIELD_STR, KO_FIELD_U64, KO_FIELD_I64, KO_FIELD_BOOL } kind;
    const char *name;
    ko_str str;
    uint64_t num;
} ko_log_field;

#define KO_F_STR(n, text)                                                                          \
    ((ko_log_field){.kind = KO_FIELD_STR, .name = (n), .str = ko_str_of(text)})
#define KO_F_VIEW(n, view) ((ko_log_field){.kind = KO_FIELD_STR, .name = (n), .str = (view)})
#define KO_F_U64(n, v)     ((ko_log_field){.kind = KO_FIELD_U64, .name = (n), .num = (uint64_t)(v)})
#define KO_F_I64(n, v)     ((ko_log_field){.kind = KO_FIELD_I64, .name = (n), .num = (uint64_t)(v)})
#define KO_F_BOOL(n, v)    ((ko_log_field){.kind = KO_FIELD_BOOL, .name = (n), .num = (v) ? 1 : 0})
/* The text of an error, under "error". */
#define KO_F_ERR(e) KO_F_STR("error", (e)->text)

#define ko_log(level, ...)                                                                         \
    do {                                                                                           \
        if (ko_log_enabled(level))                                                                 \
            KO_LOG_CALL(level, __VA_ARGS__);                                                       \
    } while (0)
#define KO_LOG_CALL(level, event, ...)                                                             \
    ko_log_write(level, event, (const ko_log_field[]){{0}, ##__VA_ARGS__},                         \
                 sizeof((const ko_log_field[]){{0}, ##__VA_ARGS__}) / sizeof(ko_log_field))

/* What is written from now on; before the first call: INFO, text. Any thread, takes effect at once.
 */
void ko_log_configure(ko_log_level min, ko_log_format format);
bool ko_log_enabled(ko_log_level level);
/* Where lines go: a descriptor, 2 by default (tests redirect it). */
void ko_log_set_fd(int fd);
/* For ko_log(): fields[0] is a dummy that is skipped (so that an event may have no field). */
void ko_log_write(ko_log_level level, const char *event, const ko_log_field *fields, size_t count);

#endif
