/* server/range.h: the Range header of a blob GET, and Content-Range of an upload's chunk.
 *
 * Spec:    RFC 9110 section 14; OCI Distribution 1.1 "Pushing a blob in chunks": "<begin>-<end>"
 *          without a unit.
 * Threads: any. */
#ifndef KO_SERVER_RANGE_H
#define KO_SERVER_RANGE_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/limits.h"
#include "common/base/str.h"

typedef struct {
    uint64_t first;
    uint64_t last; /* inclusive */
} ko_range;

typedef enum {
    KO_RANGE_WHOLE,        /* no Range, another unit, or not worth it: answer 200 with everything */
    KO_RANGE_PARTS,        /* *count ranges, in the order asked, clamped to the size */
    KO_RANGE_UNSATISFIABLE /* 416 */
} ko_range_result;

/* Reads "bytes=0-99,200-,-5" against a representation of `size` bytes. A syntactically wrong header
 * is ignored, as RFC 9110 section 14.2 says. More than KO_MAX_RANGES ranges, or ranges that
 * together exceed the size (overlaps: an amplification), give the whole. */
ko_range_result ko_range_parse(ko_str header, uint64_t size, ko_range out[static KO_MAX_RANGES],
                               size_t *count);

/* "<begin>-<end>", also with "bytes " before and "/<total or *>" behind, as some clients send.
 * errors INVALID. */
KO_MUST_USE int ko_range_parse_chunk(ko_str header, ko_range *out, ko_err *err);

#endif
