/* common/http/http1_body.c: body framing.
 *
 * The decoder reads framing and nothing else: it stops in front of data and says how many bytes of
 * it follow, so that the server can receive them straight into the memory that will be hashed and
 * written. A Content-Length body is the simple case, one stretch of data; a chunked body alternates
 * between stretches and the lines in between. Framing is read byte by byte: it is a few bytes per
 * 16 or 32 KiB of data.
 *
 * Chunk extensions and trailers are bounded and discarded (RFC 9112 sections 7.1.1 and 7.1.2): no
 * client of a registry sends any, and a trailer merged into the header is a known way around
 * checks. */
#include "common/http/http1.h"

#include "common/base/limits.h"

enum {
    ST_LENGTH,        /* data of a Content-Length body, or its end */
    ST_SIZE,          /* hex digits of a chunk size */
    ST_EXT,           /* chunk extension, after ';' */
    ST_SIZE_LF,       /* LF after the size line's CR */
    ST_DATA,          /* data of a chunk */
    ST_DATA_CR,       /* CRLF after the data */
    ST_DATA_LF,       /* */
    ST_TRAILER,       /* first byte of a trailer line or of the last, empty line */
    ST_TRAILER_NAME,  /* */
    ST_TRAILER_VALUE, /* */
    ST_TRAILER_LF,    /* */
    ST_END_LF,        /* LF of the last, empty line */
    ST_DONE
};

void ko_http1_body_init(ko_http1_body *body, const ko_http_head *head)
{
    *body = (ko_http1_body){.state = ST_LENGTH};
    if (head->length < 0)
        body->state = ST_SIZE;
    else
        body->left = (uint64_t)head->length;
}

void ko_http1_body_took(ko_http1_body *body, uint64_t len)
{
    KO_ASSERT(len <= body->left);
    body->left -= len;
    if (body->left == 0 && body->state == ST_DATA)
        body->state = ST_DATA_CR;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* RFC 9110 section 5.6.2. */
static bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_byte(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

/* Each of these takes one byte and returns NULL, or why it is refused. */

static const char *take_size(ko_http1_body *b, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (++b->digits > 16 || b->left > (uint64_t)INT64_MAX >> 4)
            return "chunk size too large";
        b->left = b->left << 4 | (unsigned)digit;
        return NULL;
    }
    if (b->digits == 0 || (c != ';' && c != '\r'))
        return "bad chunk size";
    b->state = c == ';' ? ST_EXT : ST_SIZE_LF;
    return NULL;
}

static const char *take_ext(ko_http1_body *b, char c)
{
    if (c == '\r') {
        b->state = ST_SIZE_LF;
        return NULL;
    }
    if (!is_value_byte(c))
        return "bad chunk extension";
    if (++b->ext > KO_MAX_HTTP_CHUNK_EXT)
        return "chunk extension too long";
    return NULL;
}

static const char *take_lf(ko_http1_body *b, char c, int next)
{
    if (c != '\n')
        return "bad line end in chunked body";
    b->state = (unsigned char)next;
    return NULL;
}

static const char *take_data_cr(ko_http1_body *b, char c)
{
    if (c != '\r')
        return "chunk longer than its size";
    b->state = ST_DATA_LF;
    return NULL;
}

/* A chunk size line begins anew after the CRLF that ends the data. */
static const char *take_data_lf(ko_http1_body *b, char c)
{
    b->digits = 0;
    b->ext = 0;
    return take_lf(b, c, ST_SIZE);
}

static const char *take_trailer(ko_http1_body *b, char c)
{
    if (++b->trailer > KO_MAX_HTTP_TRAILER)
        return "trailer too large";
    switch (b->state) {
    case ST_TRAILER:
        b->state = c == '\r' ? ST_END_LF : ST_TRAILER_NAME;
        return c == '\r' || is_token_byte(c) ? NULL : "bad trailer";
    case ST_TRAILER_NAME:
        if (c == ':')
            b->state = ST_TRAILER_VALUE;
        return c == ':' || is_token_byte(c) ? NULL : "bad trailer";
    default:
        if (c == '\r')
            b->state = ST_TRAILER_LF;
        return c == '\r' || is_value_byte(c) ? NULL : "bad trailer";
    }
}

static const char *take(ko_http1_body *b, char c)
{
    switch (b->state) {
    case ST_SIZE:
        return take_size(b, c);
    case ST_EXT:
        return take_ext(b, c);
    case ST_SIZE_LF:
        return take_lf(b, c, b->left ? ST_DATA : ST_TRAILER);
    case ST_DATA_CR:
        return take_data_cr(b, c);
    case ST_DATA_LF:
        return take_data_lf(b, c);
    case ST_TRAILER_LF:
        return take_lf(b, c, ST_TRAILER);
    case ST_END_LF:
        return take_lf(b, c, ST_DONE);
    default:
        return take_trailer(b, c);
    }
}

ko_http1_step ko_http1_body_frame(ko_http1_body *b, const char *in, size_t len, size_t *used)
{
    *used = 0;
    if (b->bad.status)
        return KO_HTTP1_BAD;
    for (;;) {
        const char *why;

        if (b->state == ST_LENGTH || b->state == ST_DATA)
            return b->left ? KO_HTTP1_DATA : KO_HTTP1_DONE;
        if (b->state == ST_DONE)
            return KO_HTTP1_DONE;
        if (*used == len)
            return KO_HTTP1_MORE;
        why = take(b, in[(*used)++]);
        if (why) {
            b->bad = (ko_http1_bad){400, why};
            return KO_HTTP1_BAD;
        }
    }
}
