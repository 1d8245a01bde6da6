/* auth/credential.c: see the header. */
#include "auth/credential.h"

#include "common/base/hash.h"
#include "common/base/ids.h"
#include "common/base/own.h"
#include "common/base/secret.h"

#define PREFIX_LEN  5
#define RANDOM_SIZE 32
#define RANDOM_TEXT 43 /* base64url of it, without padding */

_Static_assert(PREFIX_LEN + RANDOM_TEXT + 1 == KO_CREDENTIAL_MAX, "the text fits exactly");

static const char *const PREFIXES[] = {
#define X(name, prefix) [KO_CREDENTIAL_##name] = (prefix),
    KO_CREDENTIAL_KINDS(X)
#undef X
};

static void hash_text(ko_str text, uint8_t hash[static KO_CREDENTIAL_HASH_SIZE])
{
    uint8_t digest[KO_HASH_MAX];

    ko_hash_once(KO_HASH_SHA256, text.ptr, text.len, digest);
    memcpy(hash, digest, KO_CREDENTIAL_HASH_SIZE);
}

void ko_credential_new(ko_credential_kind kind, char text[static KO_CREDENTIAL_MAX],
                       uint8_t hash[static KO_CREDENTIAL_HASH_SIZE])
{
    uint8_t random[RANDOM_SIZE];
    ko_autobuf buf;

    ko_ids_random(random, sizeof(random));
    ko_buf_init(&buf, 2 * KO_CREDENTIAL_MAX);
    (void)ko_buf_put_text(&buf, PREFIXES[kind]); /* the sum of sizes is asserted above */
    (void)ko_base64url_encode(random, sizeof(random), &buf);
    KO_ASSERT(buf.len == KO_CREDENTIAL_MAX - 1);
    memcpy(text, buf.data, KO_CREDENTIAL_MAX);
    hash_text(ko_buf_str(&buf), hash);
    ko_secret_wipe(random, sizeof(random));
    ko_secret_wipe(buf.data, buf.len);
}

static bool is_base64url(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool ko_credential_parse(ko_str text, ko_credential_kind *kind,
                         uint8_t hash[static KO_CREDENTIAL_HASH_SIZE])
{
    if (text.len != KO_CREDENTIAL_MAX - 1)
        return false;
    for (size_t i = PREFIX_LEN; i < text.len; i++)
        if (!is_base64url(text.ptr[i]))
            return false;
    for (size_t k = 0; k < KO_ARRAY_LEN(PREFIXES); k++) {
        if (memcmp(text.ptr, PREFIXES[k], PREFIX_LEN) != 0)
            continue;
        *kind = (ko_credential_kind)k;
        hash_text(text, hash);
        return true;
    }
    return false;
}
