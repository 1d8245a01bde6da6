/* common/http/http1.c: request heads.
 *
 * The parser works line by line: it looks for the next LF from where it stopped last time, and
 * parses a line only when it is complete. So the answer cannot depend on how the bytes were cut
 * into packets, a rule that the tests check by cutting every vector at every byte. Limits are
 * checked before content for the same reason: a line that is too long is refused for its length
 * whether or not its end has arrived.
 *
 * While lines come in, only offsets are kept, since the caller's buffer may be moved to make room.
 * The views of the result are made once, when the head is complete: a request of ten fields costs
 * one pass over its bytes and no copy.
 *
 * The rules are RFC 9112's strictest reading. Where the RFC lets a server be lenient (bare LF, obs-
 * fold, absolute-form targets, equal duplicates of Content-Length), this one is not. The one
 * leniency kept is a single empty line before the request line (section 2.2), which cannot change
 * where a message begins. */
#include "common/http/http1.h"

#include "common/base/limits.h"

enum {
    TOKEN = 1,  /* RFC 9110 section 5.6.2: tchar */
    VALUE = 2,  /* RFC 9110 section 5.5: HTAB, SP, VCHAR, obs-text */
    TARGET = 4, /* VCHAR but '#', which no origin-form holds (RFC 9112 section 3.2.1) */
    HOST = 8    /* what a host and port may hold (RFC 3986 section 3.2.2) */
};

/* Classes of the printable bytes; HTAB and obs-text are dealt with in class_of(). */
static const unsigned char ascii_class[128] = {
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE | TARGET | HOST,
    ['"'] = VALUE | TARGET,
    ['#'] = TOKEN | VALUE,
    ['$'] = TOKEN | VALUE | TARGET | HOST,
    ['%'] = TOKEN | VALUE | TARGET | HOST,
    ['&'] = TOKEN | VALUE | TARGET | HOST,
    ['\''] = TOKEN | VALUE | TARGET | HOST,
    ['('] = VALUE | TARGET | HOST,
    [')'] = VALUE | TARGET | HOST,
    ['*'] = TOKEN | VALUE | TARGET | HOST,
    ['+'] = TOKEN | VALUE | TARGET | HOST,
    [','] = VALUE | TARGET,
    ['-'] = TOKEN | VALUE | TARGET | HOST,
    ['.'] = TOKEN | VALUE | TARGET | HOST,
    ['/'] = VALUE | TARGET,
    ['0' ... '9'] = TOKEN | VALUE | TARGET | HOST,
    [':'] = VALUE | TARGET | HOST,
    [';'] = VALUE | TARGET | HOST,
    ['<'] = VALUE | TARGET,
    ['='] = VALUE | TARGET | HOST,
    ['>'] = VALUE | TARGET,
    ['?'] = VALUE | TARGET,
    ['@'] = VALUE | TARGET,
    ['A' ... 'Z'] = TOKEN | VALUE | TARGET | HOST,
    ['['] = VALUE | TARGET | HOST,
    ['\\'] = VALUE | TARGET,
    [']'] = VALUE | TARGET | HOST,
    ['^'] = TOKEN | VALUE | TARGET,
    ['_'] = TOKEN | VALUE | TARGET | HOST,
    ['`'] = TOKEN | VALUE | TARGET,
    ['a' ... 'z'] = TOKEN | VALUE | TARGET | HOST,
    ['{'] = VALUE | TARGET,
    ['|'] = TOKEN | VALUE | TARGET,
    ['}'] = VALUE | TARGET,
    ['~'] = TOKEN | VALUE | TARGET | HOST,
    ['\t'] = VALUE,
};

static unsigned class_of(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte < 128 ? ascii_class[byte] : VALUE;
}

/* Length of the run of bytes of this class at the front. */
static size_t run_of(const char *s, size_t len, unsigned class)
{
    size_t i = 0;

    while (i < len && (class_of(s[i]) & class))
        i++;
    return i;
}

static ko_http1_step refuse(ko_http1_parser *p, int status, const char *why)
{
    p->bad = (ko_http1_bad){status, why};
    return KO_HTTP1_BAD;
}

void ko_http1_parser_init(ko_http1_parser *parser, ko_arena *arena)
{
    *parser = (ko_http1_parser){.arena = arena};
}

/* ---- Request line ---- */

/* RFC 9112 section 2.3. A well-formed version that is not ours is 505, anything else 400. */
static ko_http1_step parse_version(ko_http1_parser *p, const char *s, size_t len)
{
    if (len == 8 && memcmp(s, "HTTP/1.", 7) == 0 && (s[7] == '0' || s[7] == '1')) {
        p->head.version_minor = s[7] - '0';
        return KO_HTTP1_MORE;
    }
    if (len == 8 && memcmp(s, "HTTP/", 5) == 0 && s[5] >= '0' && s[5] <= '9' && s[6] == '.' &&
        s[7] >= '0' && s[7] <= '9')
        return refuse(p, 505, "HTTP version not supported");
    return refuse(p, 400, "bad HTTP version");
}

/* request-line = method SP request-target SP HTTP-version */
static ko_http1_step parse_request_line(ko_http1_parser *p, const char *data, size_t at, size_t len)
{
    const char *s = data + at;
    size_t method = run_of(s, len, TOKEN);
    size_t target = 0;

    if (method == 0 || method == len || s[method] != ' ')
        return refuse(p, 400, "bad method");
    target = run_of(s + method + 1, len - method - 1, TARGET);
    if (method + 1 + target >= len || s[method + 1 + target] != ' ')
        return refuse(p, 400, "bad request target");
    p->method_at = (uint32_t)at;
    p->method_len = (uint32_t)method;
    p->target_at = (uint32_t)(at + method + 1);
    p->target_len = (uint32_t)target;
    p->has_request_line = true;
    /* Origin-form; asterisk-form is for OPTIONS only (RFC 9112 section 3.2.4). */
    s += method + 1;
    if (target == 0 || (s[0] != '/' && !(target == 1 && s[0] == '*' && method == 7 &&
                                         memcmp(data + at, "OPTIONS", 7) == 0)))
        return refuse(p, 400, "bad request target");
    return parse_version(p, s + target + 1, len - method - target - 2);
}

/* ---- Fields ---- */

/* Content-Length = 1*DIGIT, at most 18 of them, so that no sum of sizes can overflow. */
static ko_http1_step parse_length(ko_http1_parser *p, ko_str value)
{
    int64_t length = 0;

    if (p->lengths++ > 0)
        return refuse(p, 400, "Content-Length given twice");
    if (value.len == 0)
        return refuse(p, 400, "bad Content-Length");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return refuse(p, 400, "bad Content-Length");
        if (i < 18)
            length = length * 10 + (value.ptr[i] - '0');
    }
    if (value.len > 18)
        return refuse(p, 413, "Content-Length too large");
    p->head.length = length;
    return KO_HTTP1_MORE;
}

/* Exactly "chunked", once: no list, no parameter, no other coding. */
static ko_http1_step parse_coding(ko_http1_parser *p, ko_str value)
{
    if (p->codings++ > 0)
        return refuse(p, 400, "Transfer-Encoding given twice");
    if (!ko_str_eq_nocase(value, KO_STR("chunked")))
        return refuse(p, 501, "transfer coding not supported"); /* RFC 9112 section 6.1 */
    return KO_HTTP1_MORE;
}

static ko_http1_step parse_host(ko_http1_parser *p, ko_str value)
{
    if (p->hosts++ > 0)
        return refuse(p, 400, "Host given twice");
    if (run_of(value.ptr, value.len, HOST) != value.len)
        return refuse(p, 400, "bad Host");
    return KO_HTTP1_MORE;
}

static ko_http1_step parse_connection(ko_http1_parser *p, ko_str value)
{
    ko_str part;

    while (ko_str_split(&value, ',', &part)) {
        part = ko_str_trim(part);
        if (ko_str_eq_nocase(part, KO_STR("close")))
            p->says_close = true;
        else if (ko_str_eq_nocase(part, KO_STR("keep-alive")))
            p->says_keep_alive = true;
    }
    return KO_HTTP1_MORE;
}

/* RFC 9110 section 10.1.1: other expectations are answered 417; an HTTP/1.0 client cannot read an
 * interim reply, so its 100-continue is ignored. */
static ko_http1_step parse_expect(ko_http1_parser *p, ko_str value)
{
    if (!ko_str_eq_nocase(value, KO_STR("100-continue")))
        return refuse(p, 417, "expectation not supported");
    p->expects_100 = p->head.version_minor >= 1;
    return KO_HTTP1_MORE;
}

/* Fields that frame or steer the message; all others are the handler's. */
static ko_http1_step note_field(ko_http1_parser *p, ko_str name, ko_str value)
{
    static const struct {
        ko_str name;
        ko_http1_step (*parse)(ko_http1_parser *p, ko_str value);
    } known[] = {
        {{"Host", 4}, parse_host},
        {{"Expect", 6}, parse_expect},
        {{"Connection", 10}, parse_connection},
        {{"Content-Length", 14}, parse_length},
        {{"Transfer-Encoding", 17}, parse_coding},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (name.len == known[i].name.len && ko_str_eq_nocase(name, known[i].name))
            return known[i].parse(p, value);
    return KO_HTTP1_MORE;
}

static ko_http1_field *add_field(ko_http1_parser *p)
{
    if (p->field_count == p->field_cap) {
        size_t cap = p->field_cap ? 2 * p->field_cap : 16;
        ko_http1_field *grown = ko_arena_alloc_array(p->arena, cap, sizeof(*grown));

        if (p->field_count)
            memcpy(grown, p->fields, p->field_count * sizeof(*grown));
        p->fields = grown;
        p->field_cap = cap;
    }
    return &p->fields[p->field_count++];
}

/* field-line = field-name ":" OWS field-value OWS. No space before the colon, no leading space
 * (obs-fold): both fail as "not a token". */
static ko_http1_step parse_field(ko_http1_parser *p, const char *data, size_t at, size_t len)
{
    const char *s = data + at;
    size_t name = run_of(s, len, TOKEN);
    ko_str value;

    if (name == 0 || name == len || s[name] != ':')
        return refuse(p, 400, "bad field name");
    if (p->field_count == KO_MAX_HTTP_FIELDS)
        return refuse(p, 431, "too many header fields");
    value = (ko_str){s + name + 1, len - name - 1};
    if (run_of(value.ptr, value.len, VALUE) != value.len)
        return refuse(p, 400, "bad byte in a field value");
    value = ko_str_trim(value);
    *add_field(p) = (ko_http1_field){
        .name_at = (uint32_t)at,
        .name_len = (uint32_t)name,
        .value_at = (uint32_t)(value.ptr - data),
        .value_len = (uint32_t)value.len,
    };
    return note_field(p, (ko_str){s, name}, value);
}

/* ---- The whole head ---- */

/* Rules about the fields together, and the views. */
static ko_http1_step finish(ko_http1_parser *p, const char *data)
{
    ko_http_head *head = &p->head;
    size_t mark;

    if (head->version_minor >= 1 && p->hosts == 0)
        return refuse(p, 400, "no Host"); /* RFC 9112 section 3.2 */
    if (p->codings && p->lengths)
        return refuse(p, 400, "both Content-Length and Transfer-Encoding");
    if (p->codings && head->version_minor == 0)
        return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (p->codings)
        head->length = -1;
    head->has_body = head->length != 0;
    p->keep_alive = !p->says_close && (head->version_minor >= 1 || p->says_keep_alive);

    head->method = (ko_str){data + p->method_at, p->method_len};
    head->target = (ko_str){data + p->target_at, p->target_len};
    mark = ko_str_find_char(head->target, '?');
    head->path = ko_str_slice(head->target, 0, mark);
    head->query = mark == SIZE_MAX ? KO_STR("") : ko_str_slice(head->target, mark + 1, SIZE_MAX);
    head->headers = (ko_headers){.arena = p->arena};
    if (p->field_count)
        head->headers.items = ko_arena_alloc_array(p->arena, p->field_count, sizeof(ko_header));
    head->headers.count = head->headers.cap = p->field_count;
    for (size_t i = 0; i < p->field_count; i++) {
        const ko_http1_field *f = &p->fields[i];

        head->headers.items[i].name = (ko_str){data + f->name_at, f->name_len};
        head->headers.items[i].value = (ko_str){data + f->value_at, f->value_len};
    }
    return KO_HTTP1_DONE;
}

/* One complete line, without its CRLF. */
static ko_http1_step parse_line(ko_http1_parser *p, const char *data, size_t at, size_t len)
{
    if (p->has_request_line)
        return len == 0 ? finish(p, data) : parse_field(p, data, at, len);
    if (len == 0 && !p->skipped_empty) {
        p->skipped_empty = true;
        return KO_HTTP1_MORE;
    }
    return parse_request_line(p, data, at, len);
}

/* How far the LF of the line that starts at p->line may be, and what to say if it is not. */
static size_t line_limit(const ko_http1_parser *p)
{
    size_t head = KO_MAX_HTTP_HEAD - p->line;

    if (!p->has_request_line && head > KO_MAX_HTTP_LINE + 2)
        return KO_MAX_HTTP_LINE + 2;
    return head;
}

static ko_http1_step too_long(ko_http1_parser *p)
{
    if (!p->has_request_line)
        return refuse(p, 414, "request line too long");
    return refuse(p, 431, "header too large");
}

ko_http1_step ko_http1_parse(ko_http1_parser *p, const char *data, size_t len)
{
    if (p->bad.status)
        return KO_HTTP1_BAD;
    while (p->seen < len) {
        const char *lf = memchr(data + p->seen, '\n', len - p->seen);
        size_t end = lf ? (size_t)(lf - data) : len;
        size_t at = p->line;
        ko_http1_step step;

        /* `end - at` bytes precede the LF, or have come without one. */
        if (end - at >= line_limit(p))
            return too_long(p);
        if (!lf) {
            p->seen = len;
            return KO_HTTP1_MORE;
        }
        if (end == at || data[end - 1] != '\r')
            return refuse(p, 400, "line does not end in CRLF");
        p->line = p->seen = end + 1;
        step = parse_line(p, data, at, end - 1 - at);
        p->size = p->line;
        if (step != KO_HTTP1_MORE)
            return step;
    }
    return KO_HTTP1_MORE;
}

/* ---- Reason phrases ---- */

const char *ko_http1_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}
