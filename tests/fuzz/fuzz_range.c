/* Fuzz target for Range and Content-Range: the first byte chooses a size; what is answered lies
 * within it and together is no more than the whole. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/own.h"
#include "server/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ranges(ko_str header, uint64_t size)
{
    ko_range ranges[KO_MAX_RANGES];
    size_t count = 0;
    uint64_t total = 0;

    switch (ko_range_parse(header, size, ranges, &count)) {
    case KO_RANGE_WHOLE:
        return;
    case KO_RANGE_UNSATISFIABLE:
        KO_ASSERT(count == 0);
        return;
    case KO_RANGE_PARTS:
        break;
    }
    KO_ASSERT(count > 0 && count <= KO_MAX_RANGES);
    for (size_t i = 0; i < count; i++) {
        KO_ASSERT(ranges[i].first <= ranges[i].last && ranges[i].last < size);
        total += ranges[i].last - ranges[i].first + 1;
    }
    KO_ASSERT(total <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t sizes[] = {1000, 0, 1, 2, UINT32_MAX, INT64_MAX};
    ko_range chunk;
    ko_err err;

    if (size == 0 || size > 8 * KO_KIB)
        return 0;
    ko_str header = {(const char *)data + 1, size - 1};

    check_ranges(header, sizes[data[0] % KO_ARRAY_LEN(sizes)]);
    if (ko_range_parse_chunk(header, &chunk, &err) == 0)
        KO_ASSERT(chunk.first <= chunk.last && chunk.last <= INT64_MAX);
    return 0;
}
