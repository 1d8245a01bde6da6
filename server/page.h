/* server/page.h: paging of lists by `n` and `last`, with a Link to the next page.
 *
 * Spec:    OCI Distribution 1.1 "Listing Tags"; RFC 8288. The Link is relative (T56).
 * Threads: any. */
#ifndef KO_SERVER_PAGE_H
#define KO_SERVER_PAGE_H

#include "server/req.h"

typedef struct {
    size_t limit; /* entries of this page; 0: an empty list was asked for */
    ko_str last;  /* strictly after this; "" from the start */
} ko_page;

/* Reads `n` (clamped to KO_MAX_PAGE; `unlimited` when absent) and `last`. Returns 0, or -1 when `n`
 * is no number, which is to be answered PAGINATION_NUMBER_INVALID. */
KO_MUST_USE int ko_page_parse(const ko_req *req, size_t absent, ko_page *out);

/* Adds `Link: <path?n=..&last=..>; rel="next"`. `extra` is appended to the query ("&a=b") or "". */
void ko_page_link(ko_req *req, ko_headers *headers, const ko_page *page, ko_str last,
                  const char *extra);

ko_step_ret ko_page_refuse(ko_req *req);

#endif
