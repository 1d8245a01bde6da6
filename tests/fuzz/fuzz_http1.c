/* Fuzz target for the HTTP/1.1 codec: a stream of requests, whole and cut into pieces that the
 * input itself chooses. Both must be understood alike, and what is accepted must obey the rules
 * that no smuggled request can. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"
#include "tests/fuzz/http1_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const ko_http1_parser *p)
{
    const ko_http_head *head = &p->head;
    ko_str value;

    KO_ASSERT(p->size <= KO_MAX_HTTP_HEAD && head->headers.count <= KO_MAX_HTTP_FIELDS);
    KO_ASSERT(head->method.len > 0 && head->target.len > 0);
    KO_ASSERT(head->target.ptr[0] == '/' || ko_str_eq(head->target, KO_STR("*")));
    KO_ASSERT(head->has_body == (head->length != 0) && head->length >= -1);
    KO_ASSERT(head->version_minor == 0 || ko_headers_get(&head->headers, "host", &value));
    KO_ASSERT(!ko_headers_get(&head->headers, "content-length", &value) || head->length >= 0);
    for (size_t i = 0; i < head->headers.count; i++) {
        ko_str name = head->headers.items[i].name;

        value = head->headers.items[i].value;
        KO_ASSERT(name.len > 0 && ko_str_eq(ko_str_trim(value), value));
        for (size_t k = 0; k < value.len; k++)
            KO_ASSERT((unsigned char)value.ptr[k] >= ' ' || value.ptr[k] == '\t');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http1_log whole, cut;
    ko_str text = {(const char *)data, size};

    if (size > 256 * 1024)
        return 0;
    http1_run(&whole, text, 0, check_head);
    http1_run(&cut, text, size ? 1 + data[size - 1] % 13U : 1, check_head);
    KO_ASSERT(ko_str_eq(ko_buf_str(&whole.text), ko_buf_str(&cut.text)));
    KO_ASSERT(whole.last == cut.last && whole.status == cut.status);
    http1_log_done(&whole);
    http1_log_done(&cut);
    return 0;
}
