/* Fuzz target for tokens: the input as a whole token, as its header and as its claims. No input can
 * be signed by the key, which is new in each process, so none may verify. */
#include "auth/json_claims.h"
#include "auth/jwt.h"
#include "common/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ko_jwt_key *find_any(void *arg, ko_str kid)
{
    (void)kid;
    return arg;
}

/* What is accepted prints as claims that mean the same. */
static void check_round_trip(const ko_claims *claims, ko_arena *arena)
{
    ko_autobuf text;
    ko_autobuf again;
    ko_claims back;

    ko_buf_init(&text, KO_MIB);
    ko_buf_init(&again, KO_MIB);
    for (size_t i = 0; i < claims->access.count; i++)
        if (claims->access.items[i].type == KO_SCOPE_UNKNOWN)
            return; /* its type is not kept */
    KO_ASSERT(ko_claims_print(claims, &text) == 0);
    KO_ASSERT(ko_claims_parse(ko_buf_str(&text), claims->audience, arena, &back, NULL) == 0);
    KO_ASSERT(ko_claims_print(&back, &again) == 0);
    KO_ASSERT(ko_str_eq(ko_buf_str(&text), ko_buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ko_jwt_key *key;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autobuf claims_text;
    ko_jwt_header header;
    ko_claims claims;
    ko_str text = {(const char *)data, size};

    if (!key)
        KO_ASSERT(ko_jwt_key_generate(&key, NULL) == 0);
    ko_buf_init(&claims_text, KO_MAX_TOKEN);
    KO_ASSERT(ko_jwt_verify(text, find_any, key, &claims_text, NULL) < 0);
    KO_ASSERT(claims_text.len == 0);
    if (size > KO_MAX_TOKEN)
        return 0;
    if (ko_claims_parse_header(text, arena, &header, NULL) == 0)
        KO_ASSERT(header.alg.ptr && header.kid.ptr);
    if (ko_claims_parse(text, KO_STR("kontor"), arena, &claims, NULL) == 0)
        check_round_trip(&claims, arena);
    return 0;
}
