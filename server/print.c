/* server/print.c: see the header. Appends report an overflow at the end of the document, not one by
 * one. */
#include "server/print.h"

#include "auth/scope.h"
#include "common/base/clock.h"
#include "storage/meta_owner.h"

static void begin_member(ko_buf *out, const char *key)
{
    char last = out->len > 0 ? out->data[out->len - 1] : '{';

    if (last != '{' && last != '[')
        (void)ko_buf_put_char(out, ',');
    if (key)
        (void)ko_buf_printf(out, "\"%s\":", key);
}

void ko_print_begin(ko_buf *out, const char *key, char bracket)
{
    begin_member(out, key);
    (void)ko_buf_put_char(out, bracket);
}

void ko_print_end(ko_buf *out, char bracket)
{
    (void)ko_buf_put_char(out, bracket);
}

void ko_print_text(ko_buf *out, const char *key, ko_str value)
{
    begin_member(out, key);
    (void)ko_buf_put_json(out, value);
}

static void print_null(ko_buf *out, const char *key)
{
    begin_member(out, key);
    (void)ko_buf_put_text(out, "null");
}

void ko_print_optional(ko_buf *out, const char *key, ko_str value)
{
    if (value.len > 0)
        ko_print_text(out, key, value);
    else
        print_null(out, key);
}

void ko_print_u64(ko_buf *out, const char *key, uint64_t value)
{
    begin_member(out, key);
    (void)ko_buf_printf(out, "%llu", (unsigned long long)value);
}

void ko_print_bool(ko_buf *out, const char *key, bool value)
{
    begin_member(out, key);
    (void)ko_buf_put_text(out, value ? "true" : "false");
}

void ko_print_time(ko_buf *out, const char *key, int64_t at_s)
{
    char text[KO_CLOCK_RFC3339_MAX];

    if (at_s == 0) {
        print_null(out, key);
        return;
    }
    ko_clock_rfc3339(at_s, text);
    ko_print_text(out, key, ko_str_of(text));
}

void ko_print_quota(ko_buf *out, const char *key, int64_t value)
{
    if (value == KO_META_QUOTA_DEFAULT)
        ko_print_text(out, key, KO_STR("default"));
    else if (value == KO_META_QUOTA_UNLIMITED)
        ko_print_text(out, key, KO_STR("unlimited"));
    else
        ko_print_u64(out, key, (uint64_t)value);
}

void ko_print_actions(ko_buf *out, const char *key, unsigned actions)
{
    ko_print_begin(out, key, '[');
#define X(name, text, bit)                                                                         \
    if (actions & (bit))                                                                           \
        ko_print_text(out, NULL, KO_STR(text));
    KO_ACTIONS(X)
#undef X
    ko_print_end(out, ']');
}
