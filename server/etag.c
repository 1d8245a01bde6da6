/* server/etag.c: see etag.h. */
#include "server/etag.h"

ko_str ko_etag_bare(ko_str value)
{
    value = ko_str_trim(value);
    if (ko_str_has_prefix(value, KO_STR("W/")))
        value = ko_str_slice(value, 2, value.len);
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        value = ko_str_slice(value, 1, value.len - 1);
    return value;
}

bool ko_etag_matches(ko_str list, const char *digest)
{
    ko_str part;

    while (ko_str_split(&list, ',', &part)) {
        part = ko_etag_bare(part);
        if (ko_str_eq(part, KO_STR("*")) || ko_str_eq(part, ko_str_of(digest)))
            return true;
    }
    return false;
}

bool ko_etag_not_modified(const ko_headers *headers, const char *digest)
{
    size_t iter = 0;
    ko_str value;

    while (ko_headers_next(headers, "If-None-Match", &iter, &value))
        if (ko_etag_matches(value, digest))
            return true;
    return false;
}
