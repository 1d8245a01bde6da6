/* server/page.c: see page.h. */
#include "server/page.h"

int ko_page_parse(const ko_req *req, size_t absent, ko_page *out)
{
    uint64_t n = absent;
    ko_str text;

    *out = (ko_page){.last = KO_STR("")};
    if (ko_params_get(&req->query, "n", &text) && ko_parse_u64(text, UINT64_MAX, &n, NULL) < 0)
        return -1;
    out->limit = n > absent ? absent : (size_t)n;
    (void)ko_params_get(&req->query, "last", &out->last);
    return 0;
}

void ko_page_link(ko_req *req, ko_headers *headers, const ko_page *page, ko_str last,
                  const char *extra)
{
    ko_autobuf link = {0};

    ko_buf_init(&link, 8 * KO_KIB);
    (void)ko_buf_printf(&link, "<" KO_STR_FMT "?n=%zu&last=", KO_STR_ARG(req->head->path),
                        page->limit);
    (void)ko_url_encode(last, "/:", &link);
    (void)ko_buf_printf(&link, "%s>; rel=\"next\"", extra);
    ko_headers_add(headers, "Link", ko_buf_str(&link));
}

ko_step_ret ko_page_refuse(ko_req *req)
{
    return ko_req_problem(req, 400, KO_P_PAGINATION_NUMBER_INVALID, "n must be a number from 0 up",
                          NULL, NULL);
}
