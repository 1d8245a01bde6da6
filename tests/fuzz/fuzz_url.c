/* Fuzz target for percent-decoding and query strings: what is decoded, encoded again and decoded
 * once more, must come out the same. */
#include <stddef.h>
#include <stdint.h>

#include "common/http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(ko_str text, ko_arena *arena)
{
    ko_autobuf encoded;
    ko_str again;
    ko_err err;

    ko_buf_init(&encoded, 3 * text.len + 1);
    KO_ASSERT(ko_url_encode(text, "/", &encoded) == 0);
    KO_ASSERT(ko_url_decode(ko_buf_str(&encoded), arena, &again, &err) == 0);
    KO_ASSERT(ko_str_eq(again, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_str text = {(const char *)data, size};
    ko_params params;
    ko_str decoded;
    ko_err err;

    if (size > 64 * 1024)
        return 0;
    if (ko_url_decode(text, arena, &decoded, &err) == 0) {
        KO_ASSERT(decoded.len <= size);
        check_round_trip(decoded, arena);
    }
    if (ko_url_parse_query(text, arena, &params, &err) == 0)
        for (size_t i = 0; i < params.count; i++) {
            check_round_trip(params.items[i].name, arena);
            check_round_trip(params.items[i].value, arena);
        }
    return 0;
}
