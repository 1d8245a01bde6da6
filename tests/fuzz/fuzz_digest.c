/* Fuzz target for digests: what parses is printed as it was. */
#include "common/oci/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_str text = {(const char *)data, size};
    ko_err err = KO_ERR_INIT;
    ko_digest digest;

    if (ko_digest_parse(text, &digest, &err) < 0) {
        KO_ASSERT(err.code == KO_E_INVALID);
        return 0;
    }
    KO_ASSERT(ko_str_eq(ko_str_of(digest.text), text));
    KO_ASSERT(strlen(ko_digest_hex(&digest)) == 2 * ko_hash_size(digest.alg));
    return 0;
}
