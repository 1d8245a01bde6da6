/* server/range.c: see range.h. */
#include "server/range.h"

/* One range-spec. false: wrong syntax. *satisfiable tells whether it overlaps the representation.
 */
static bool parse_spec(ko_str spec, uint64_t size, ko_range *out, bool *satisfiable)
{
    size_t dash = ko_str_find_char(spec, '-');
    ko_str first, last;
    uint64_t a = 0, b = UINT64_MAX;

    if (dash == SIZE_MAX)
        return false;
    first = ko_str_slice(spec, 0, dash);
    last = ko_str_slice(spec, dash + 1, spec.len);
    if (first.len == 0) { /* suffix: the last b bytes */
        if (ko_parse_u64(last, UINT64_MAX, &b, NULL) < 0)
            return false;
        *satisfiable = b > 0 && size > 0;
        *out = (ko_range){b >= size ? 0 : size - b, size - 1};
        return true;
    }
    if (ko_parse_u64(first, UINT64_MAX, &a, NULL) < 0)
        return false;
    if (last.len > 0 && ko_parse_u64(last, UINT64_MAX, &b, NULL) < 0)
        return false;
    /* "500-0" is wrong by the grammar of RFC 9110, yet the conformance rules want 416 for it. */
    *satisfiable = a <= b && a < size;
    *out = (ko_range){a, b >= size ? size - 1 : b};
    return true;
}

ko_range_result ko_range_parse(ko_str header, uint64_t size, ko_range out[static KO_MAX_RANGES],
                               size_t *count)
{
    ko_str unit = KO_STR("bytes=");
    ko_str rest, spec;
    uint64_t total = 0;
    size_t n = 0;

    header = ko_str_trim(header);
    if (!ko_str_eq_nocase(ko_str_slice(header, 0, unit.len), unit))
        return KO_RANGE_WHOLE;
    rest = ko_str_slice(header, unit.len, header.len);
    while (ko_str_split(&rest, ',', &spec)) {
        bool satisfiable = false;
        ko_range range;

        spec = ko_str_trim(spec);
        if (spec.len == 0)
            continue; /* empty list elements are allowed: RFC 9110 section 5.6.1.2 */
        if (!parse_spec(spec, size, &range, &satisfiable))
            return KO_RANGE_WHOLE;
        if (!satisfiable)
            continue;
        if (n == KO_MAX_RANGES)
            return KO_RANGE_WHOLE;
        total += range.last - range.first + 1;
        if (total > size)
            return KO_RANGE_WHOLE;
        out[n++] = range;
    }
    *count = n;
    return n > 0 ? KO_RANGE_PARTS : KO_RANGE_UNSATISFIABLE;
}

int ko_range_parse_chunk(ko_str header, ko_range *out, ko_err *err)
{
    ko_str text = ko_str_trim(header);
    ko_range range;
    size_t slash, dash;

    if (ko_str_has_prefix(text, KO_STR("bytes ")))
        text = ko_str_trim(ko_str_slice(text, 6, text.len));
    slash = ko_str_find_char(text, '/');
    if (slash != SIZE_MAX)
        text.len = slash;
    dash = ko_str_find_char(text, '-');
    if (dash == SIZE_MAX ||
        ko_parse_u64(ko_str_slice(text, 0, dash), INT64_MAX, &range.first, NULL) < 0 ||
        ko_parse_u64(ko_str_slice(text, dash + 1, text.len), INT64_MAX, &range.last, NULL) < 0 ||
        range.last < range.first)
        return ko_err_set(err, KO_E_INVALID,
                          "Content-Range must be <begin>-<end>, not \"" KO_STR_FMT "\"",
                          KO_STR_ARG(header));
    *out = range;
    return 0;
}
