/* auth/verified.c: see the header. The pair is hashed with its lengths, so that ("ab", "c") and
 * ("a", "bc") are different keys. */
#include "auth/verified.h"

#include <sodium.h>

#include "common/base/ids.h"
#include "common/base/secret.h"

struct ko_verified {
    ko_cache *cache;
    unsigned char key[crypto_generichash_KEYBYTES];
};

typedef struct {
    unsigned char bytes[crypto_generichash_BYTES];
} pair_hash;

ko_verified *ko_verified_new(size_t max_entries)
{
    ko_verified *verified = ko_new(ko_verified);

    KO_ASSERT(sodium_init() >= 0);
    verified->cache = ko_cache_new(max_entries);
    ko_ids_random(verified->key, sizeof(verified->key));
    return verified;
}

ko_verified *ko_verified_free(ko_verified *verified)
{
    if (!verified)
        return NULL;
    ko_cache_free(verified->cache);
    ko_secret_wipe(verified->key, sizeof(verified->key));
    free(verified);
    return NULL;
}

static ko_str hash_pair(const ko_verified *verified, ko_str user, ko_str password, pair_hash *out)
{
    crypto_generichash_state state;
    uint64_t user_len = user.len;

    crypto_generichash_init(&state, verified->key, sizeof(verified->key), sizeof(out->bytes));
    crypto_generichash_update(&state, (const unsigned char *)&user_len, sizeof(user_len));
    crypto_generichash_update(&state, (const unsigned char *)user.ptr, user.len);
    crypto_generichash_update(&state, (const unsigned char *)password.ptr, password.len);
    crypto_generichash_final(&state, out->bytes, sizeof(out->bytes));
    ko_secret_wipe(&state, sizeof(state));
    return (ko_str){(const char *)out->bytes, sizeof(out->bytes)};
}

ko_cache_entry *ko_verified_find(ko_verified *verified, ko_str user, ko_str password,
                                 uint64_t generation, uint64_t now_ms)
{
    pair_hash hash;

    return ko_cache_get(verified->cache, hash_pair(verified, user, password, &hash), generation,
                        now_ms);
}

void ko_verified_add(ko_verified *verified, ko_str user, ko_str password, uint64_t generation,
                     uint64_t deadline_ms, ko_cache_entry *value)
{
    pair_hash hash;

    ko_cache_put(verified->cache, hash_pair(verified, user, password, &hash), generation,
                 deadline_ms, 1, value);
}
