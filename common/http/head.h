/* common/http/head.h: a request head as handlers see it. Filled by the codec (http1.h), handed out
 * by the server (server.h). Views point into the connection's input buffer or the exchange's arena
 * and live until the exchange ends. */
#ifndef KO_HTTP_HEAD_H
#define KO_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/http/header.h"

typedef struct {
    ko_str method;      /* as sent, e.g. "GET" */
    ko_str target;      /* as sent, origin-form (or "*" for OPTIONS) */
    ko_str path;        /* target up to '?', still percent-encoded */
    ko_str query;       /* after '?', still encoded; empty when none */
    bool has_body;      /* Content-Length > 0 or chunked */
    int64_t length;     /* Content-Length; 0 when there is no body; -1 when chunked */
    int version_minor;  /* HTTP/1.<minor> */
    ko_headers headers; /* in the order sent, names as sent */
} ko_http_head;

#endif
