/* common/oci/digest.c: digests as text, which is how they are compared, stored and printed. */
#include "common/oci/digest.h"

static const struct {
    ko_str name;
    ko_hash_alg alg;
} algorithms[] = {
    {{"sha256", 6}, KO_HASH_SHA256},
    {{"sha512", 6}, KO_HASH_SHA512},
};

const char *ko_digest_alg_name(ko_hash_alg alg)
{
    return algorithms[alg].name.ptr;
}

int ko_digest_alg_parse(ko_str name, ko_hash_alg *out, ko_err *err)
{
    for (size_t i = 0; i < KO_ARRAY_LEN(algorithms); i++) {
        if (ko_str_eq(name, algorithms[i].name)) {
            *out = algorithms[i].alg;
            return 0;
        }
    }
    return ko_err_set(err, KO_E_INVALID, "digest algorithm \"" KO_STR_FMT "\" is not supported",
                      KO_STR_ARG(ko_str_slice(name, 0, 40)));
}

int ko_digest_parse(ko_str text, ko_digest *out, ko_err *err)
{
    ko_hash_alg alg;
    uint8_t bytes[KO_HASH_MAX];
    size_t colon = ko_str_find_char(text, ':');

    if (colon == SIZE_MAX)
        return ko_err_set(err, KO_E_INVALID, "digest without \"algorithm:\"");
    if (ko_digest_alg_parse(ko_str_slice(text, 0, colon), &alg, err) < 0)
        return -1;
    if (ko_hex_decode(ko_str_slice(text, colon + 1, text.len), bytes, ko_hash_size(alg), err) < 0)
        return ko_err_ctx(err, "digest");
    ko_digest_from_bytes(alg, bytes, out);
    return 0;
}

void ko_digest_from_bytes(ko_hash_alg alg, const uint8_t *bytes, ko_digest *out)
{
    ko_str name = algorithms[alg].name;

    *out = (ko_digest){.alg = alg};
    memcpy(out->text, name.ptr, name.len);
    out->text[name.len] = ':';
    ko_hex_encode(bytes, ko_hash_size(alg), out->text + name.len + 1);
}

void ko_digest_of(ko_hash_alg alg, const void *bytes, size_t len, ko_digest *out)
{
    uint8_t raw[KO_HASH_MAX];

    ko_hash_once(alg, bytes, len, raw);
    ko_digest_from_bytes(alg, raw, out);
}

void ko_digest_of_hash(const ko_hash *hash, ko_digest *out)
{
    uint8_t raw[KO_HASH_MAX];

    ko_hash_peek(hash, raw);
    ko_digest_from_bytes(ko_hash_algorithm(hash), raw, out);
}

bool ko_digest_eq(const ko_digest *a, const ko_digest *b)
{
    return a->alg == b->alg && strcmp(a->text, b->text) == 0;
}

const char *ko_digest_hex(const ko_digest *digest)
{
    return digest->text + algorithms[digest->alg].name.len + 1;
}
