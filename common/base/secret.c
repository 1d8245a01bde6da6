/* common/base/secret.c: wiped when freed. */
#include "common/base/secret.h"

#include "common/base/hash.h"

struct ko_secret {
    size_t len;
    char bytes[];
};

ko_secret *ko_secret_new(ko_str bytes)
{
    KO_ASSERT(bytes.len < SIZE_MAX - sizeof(ko_secret));
    ko_secret *secret = ko_xmalloc(sizeof(*secret) + bytes.len + 1);

    secret->len = bytes.len;
    if (bytes.len > 0)
        memcpy(secret->bytes, bytes.ptr, bytes.len);
    secret->bytes[bytes.len] = '\0';
    return secret;
}

ko_secret *ko_secret_free(ko_secret *secret)
{
    if (secret)
        ko_secret_wipe(secret->bytes, secret->len);
    free(secret);
    return NULL;
}

ko_str ko_secret_reveal(const ko_secret *secret)
{
    return (ko_str){secret->bytes, secret->len};
}

bool ko_secret_eq(const ko_secret *secret, ko_str bytes)
{
    return secret->len == bytes.len && ko_hash_equal(secret->bytes, bytes.ptr, bytes.len);
}

void ko_secret_wipe(void *bytes, size_t len)
{
    if (len == 0)
        return; /* there may be no memory at all, which explicit_bzero() does not allow */
    explicit_bzero(bytes, len);
}
