/* server/etag.c: see etag.h. */
#include "server/etag.h"

/* Without quotes and W/. */
static ko_str bare(ko_str value)
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
        part = bare(part);
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

int ko_etag_expect(const ko_headers *headers, ko_meta_tag_expect *out, ko_err *err)
{
    ko_str match, none;
    bool has_match = ko_headers_get(headers, "If-Match", &match);
    bool has_none = ko_headers_get(headers, "If-None-Match", &none);

    *out = (ko_meta_tag_expect){.must = KO_META_TAG_ANY};
    if (has_match && has_none)
        return ko_err_set(err, KO_E_INVALID, "If-Match and If-None-Match together");
    if (has_none) {
        if (!ko_str_eq(bare(none), KO_STR("*")))
            return ko_err_set(err, KO_E_INVALID, "If-None-Match of a change must be *");
        out->must = KO_META_TAG_ABSENT;
    }
    if (!has_match)
        return 0;
    match = bare(match);
    if (ko_str_eq(match, KO_STR("*"))) {
        out->must = KO_META_TAG_PRESENT;
        return 0;
    }
    out->must = KO_META_TAG_IS;
    return ko_digest_parse(match, &out->digest, err);
}
