/* common/http/tls_ticket.c: keys for TLS session tickets.
 *
 * OpenSSL makes one ticket key per SSL_CTX and never changes it. Here every context shares one
 * ring, so that sessions resume whatever the certificate and across a reload, and the key is
 * renewed, so that a key that leaks opens at most a day of TLS 1.2 sessions. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/http/tls_priv.h"

#define KEY_LIFE_MS ((uint64_t)KO_TLS_TICKET_LIFE_S * 1000)

struct ko_tls_ticket_ring {
    pthread_mutex_t lock; /* guards the keys */
    ko_tls_ticket_key current;
    ko_tls_ticket_key older;
};

ko_tls_ticket_ring *ko_tls_ticket_ring_new(void)
{
    ko_tls_ticket_ring *ring = ko_new(ko_tls_ticket_ring);

    (void)pthread_mutex_init(&ring->lock, NULL);
    return ring;
}

ko_tls_ticket_ring *ko_tls_ticket_ring_free(ko_tls_ticket_ring *ring)
{
    if (!ring)
        return NULL;
    (void)pthread_mutex_destroy(&ring->lock);
    OPENSSL_cleanse(ring, sizeof(*ring));
    free(ring);
    return NULL;
}

static void make_key(ko_tls_ticket_key *key, uint64_t now_ms)
{
    ko_ids_random(key->name, sizeof(key->name));
    ko_ids_random(key->cipher, sizeof(key->cipher));
    ko_ids_random(key->mac, sizeof(key->mac));
    key->made_ms = now_ms;
}

static bool is_usable(const ko_tls_ticket_key *key, uint64_t now_ms, uint64_t life_ms)
{
    return key->made_ms != 0 && now_ms - key->made_ms < life_ms;
}

void ko_tls_ticket_current(ko_tls_ticket_ring *ring, uint64_t now_ms, ko_tls_ticket_key *out)
{
    (void)pthread_mutex_lock(&ring->lock);
    if (!is_usable(&ring->current, now_ms, KEY_LIFE_MS)) {
        ring->older = ring->current;
        make_key(&ring->current, now_ms);
    }
    *out = ring->current;
    (void)pthread_mutex_unlock(&ring->lock);
}

int ko_tls_ticket_find(ko_tls_ticket_ring *ring, const uint8_t name[16], uint64_t now_ms,
                       ko_tls_ticket_key *out)
{
    const ko_tls_ticket_key *keys[] = {&ring->current, &ring->older};
    int found = 0;

    (void)pthread_mutex_lock(&ring->lock);
    for (size_t i = 0; i < KO_ARRAY_LEN(keys) && !found; i++) {
        if (!is_usable(keys[i], now_ms, 2 * KEY_LIFE_MS) ||
            memcmp(keys[i]->name, name, sizeof(keys[i]->name)) != 0)
            continue;
        *out = *keys[i];
        found = is_usable(keys[i], now_ms, KEY_LIFE_MS) ? 1 : 2;
    }
    (void)pthread_mutex_unlock(&ring->lock);
    return found;
}

/* ---- OpenSSL's side ---- */

static int mac_init(EVP_MAC_CTX *mac, ko_tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params);
}

/* Index of the ring among the extra data of an SSL_CTX; one per process. */
static int ring_index(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int index = -1;

    (void)pthread_mutex_lock(&lock);
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    int result = index;
    (void)pthread_mutex_unlock(&lock);
    return result;
}

/* The contract of SSL_CTX_set_tlsext_ticket_key_evp_cb(3): -1 error, 0 no such key (full
 * handshake), 1 go on, 2 go on and renew the ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    ko_tls_ticket_ring *ring = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ring_index());
    uint64_t now_ms = ko_clock_mono_ms();
    ko_tls_ticket_key key;
    int result = 1;

    if (encrypt) {
        ko_tls_ticket_current(ring, now_ms, &key);
        memcpy(name, key.name, sizeof(key.name));
        ko_ids_random(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
    } else {
        result = ko_tls_ticket_find(ring, name, now_ms, &key);
        if (result == 0)
            return 0;
        /* RFC 8446 appendix C.4: a TLS 1.3 ticket should be used once only. */
        if (SSL_version(ssl) >= TLS1_3_VERSION)
            result = 2;
    }
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, encrypt) != 1 ||
        mac_init(mac, &key) != 1)
        result = -1;
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

int ko_tls_ticket_attach(SSL_CTX *ctx, ko_tls_ticket_ring *ring, ko_err *err)
{
    if (SSL_CTX_set_ex_data(ctx, ring_index(), ring) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) != 1)
        return ko_tls_err(err, KO_E_UNAVAILABLE, "TLS session tickets");
    SSL_CTX_set_timeout(ctx, KO_TLS_TICKET_LIFE_S);
    return 0;
}
