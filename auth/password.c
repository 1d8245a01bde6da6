/* auth/password.c: Argon2id through libsodium. The hash string carries its own cost, so a changed
 * setting takes effect account by account, at each one's next login. */
#include "auth/password.h"

#include <sodium.h>

#include "common/base/limits.h"

_Static_assert(KO_PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "hash strings must fit");

#define MAX_HASH_PASSES     16
#define MAX_HASH_MEMORY_KIB (1024 * 1024)

static void need_sodium(void)
{
    KO_ASSERT(sodium_init() >= 0); /* idempotent and thread-safe */
}

int ko_password_check_new(ko_str password, ko_err *err)
{
    if (password.len < KO_MIN_PASSWORD)
        return ko_err_set(err, KO_E_INVALID, "a password has at least %d bytes", KO_MIN_PASSWORD);
    if (password.len > KO_MAX_PASSWORD)
        return ko_err_set(err, KO_E_INVALID, "a password has at most %d bytes", KO_MAX_PASSWORD);
    if (!ko_str_is_utf8(password))
        return ko_err_set(err, KO_E_INVALID, "a password is UTF-8 text");
    for (size_t i = 0; i < password.len; i++)
        if ((unsigned char)password.ptr[i] < 0x20 || password.ptr[i] == 0x7f)
            return ko_err_set(err, KO_E_INVALID, "a password has no control characters");
    return 0;
}

int ko_password_hash(ko_password_cost cost, ko_str password, char out[static KO_PASSWORD_HASH_MAX],
                     ko_err *err)
{
    char hash[crypto_pwhash_STRBYTES];

    need_sodium();
    KO_ASSERT(cost.passes >= 1 && cost.memory_kib >= 8);
    if (crypto_pwhash_str_alg(hash, password.ptr, password.len, cost.passes,
                              (size_t)cost.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ko_err_set(err, KO_E_UNAVAILABLE, "hash a password: out of memory");
    memcpy(out, hash, sizeof(hash));
    return 0;
}

/* Takes "name=number" off the front of a hash string's cost part. */
static bool take_number(ko_str *rest, ko_str name, char end, uint64_t max)
{
    ko_str part;
    uint64_t value;

    return ko_str_split(rest, end, &part) && ko_str_has_prefix(part, name) &&
           ko_parse_u64(ko_str_slice(part, name.len, part.len), max, &value, NULL) == 0;
}

/* A damaged or planted row must not make us take all memory or time. */
static bool cost_is_sane(const char *hash)
{
    ko_str rest = ko_str_of(hash);
    ko_str prefix = KO_STR("$argon2id$v=19$");

    if (!ko_str_has_prefix(rest, prefix))
        return false;
    rest = ko_str_slice(rest, prefix.len, rest.len);
    return take_number(&rest, KO_STR("m="), ',', MAX_HASH_MEMORY_KIB) &&
           take_number(&rest, KO_STR("t="), ',', MAX_HASH_PASSES) &&
           take_number(&rest, KO_STR("p="), '$', 1);
}

bool ko_password_verify(const char *hash, ko_str password)
{
    bool over_long = password.len > KO_MAX_PASSWORD;

    need_sodium();
    if (strlen(hash) >= KO_PASSWORD_HASH_MAX || !cost_is_sane(hash))
        return false;
    if (over_long)
        password.len = KO_MAX_PASSWORD;
    return crypto_pwhash_str_verify(hash, password.ptr, password.len) == 0 && !over_long;
}

void ko_password_verify_nobody(ko_password_cost cost, ko_str password)
{
    static const unsigned char salt[crypto_pwhash_SALTBYTES] = {0};
    unsigned char out[32];
    size_t len = password.len > KO_MAX_PASSWORD ? KO_MAX_PASSWORD : password.len;

    need_sodium();
    /* The result is of no interest, and neither is a lack of memory: only the time counts. */
    if (crypto_pwhash(out, sizeof(out), password.ptr, len, salt, cost.passes,
                      (size_t)cost.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0)
        sodium_memzero(out, sizeof(out));
}

bool ko_password_needs_rehash(const char *hash, ko_password_cost cost)
{
    need_sodium();
    return crypto_pwhash_str_needs_rehash(hash, cost.passes, (size_t)cost.memory_kib * 1024) != 0;
}
