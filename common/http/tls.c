/* common/http/tls.c: server contexts and the choice between certificates.
 *
 * There is one SSL_CTX per pair, in the order given; the first is the default. When another pair
 * has a key of another type and covers every name of the first, it is added to the same context,
 * and OpenSSL chooses by the client's signature algorithms: ECDSA and RSA side by side. The server
 * name a client asks for selects the context, exact names before wildcards.
 *
 * A reload builds a whole new set and swaps it under the lock. Connections hold a reference to
 * their context, so an old set goes when its last connection goes. What must survive a reload, the
 * ticket keys, belongs to the ko_tls and not to the set. */
#include "common/http/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>

#include "common/http/tls_priv.h"

/* One certificate with its key, as read from its files. */
typedef struct {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    SSL_CTX *ctx;
} tls_identity;

typedef struct {
    size_t count;
    tls_identity items[];
} tls_set;

struct ko_tls {
    ko_tls_ticket_ring *tickets;
    pthread_mutex_t lock; /* guards `set` */
    tls_set *set;
    size_t count;
    char **files; /* cert, key, cert, key ... */
};

int ko_tls_err(ko_err *err, ko_err_code code, const char *what)
{
    unsigned long first = ERR_get_error();
    const char *reason = ERR_SYSTEM_ERROR(first) ? strerrordesc_np(ERR_GET_REASON(first))
                                                 : ERR_reason_error_string(first);

    ERR_clear_error();
    return ko_err_set(err, code, "%s: %s", what, reason ? reason : "unknown error");
}

/* ---- Reading files ---- */

/* Never asks on the terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* The certificates after the leaf, up to the end of the file. */
static int read_chain(BIO *bio, tls_identity *id)
{
    X509 *cert;

    id->chain = sk_X509_new_null();
    if (!id->chain)
        return -1;
    while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
        if (sk_X509_push(id->chain, cert) <= 0) {
            X509_free(cert);
            return -1;
        }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return -1;
    ERR_clear_error();
    return 0;
}

static int read_identity(const char *cert_file, const char *key_file, tls_identity *id, ko_err *err)
{
    BIO *bio = BIO_new_file(cert_file, "re");
    bool ok = bio && (id->leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL)) &&
              read_chain(bio, id) == 0;

    BIO_free(bio);
    if (!ok)
        return ko_tls_err(err, KO_E_INVALID, cert_file);
    bio = BIO_new_file(key_file, "re");
    id->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!id->key)
        return ko_tls_err(err, KO_E_INVALID, key_file);
    if (X509_check_private_key(id->leaf, id->key) != 1) {
        ERR_clear_error();
        return ko_err_set(err, KO_E_INVALID, "%s: not the key of %s", key_file, cert_file);
    }
    return 0;
}

/* ---- Choosing ---- */

static bool covers_name(X509 *leaf, const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);

    if (type == GEN_DNS)
        return X509_check_host(leaf, (const char *)bytes, len, 0, NULL) == 1;
    if (type == GEN_IPADD)
        return X509_check_ip(leaf, bytes, len, 0) == 1;
    return true; /* mail addresses and the like mean nothing to a server */
}

/* May `other` stand in for `id` whatever name was asked for? */
static bool is_twin(const tls_identity *id, const tls_identity *other)
{
    if (EVP_PKEY_get_base_id(id->key) == EVP_PKEY_get_base_id(other->key))
        return false;
    GENERAL_NAMES *names = X509_get_ext_d2i(id->leaf, NID_subject_alt_name, NULL, NULL);
    bool twin = names != NULL;
    for (int i = 0; twin && i < sk_GENERAL_NAME_num(names); i++)
        twin = covers_name(other->leaf, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    return twin;
}

static SSL_CTX *find_by_name(const tls_set *set, const char *name)
{
    static const unsigned passes[] = {X509_CHECK_FLAG_NO_WILDCARDS,
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS};

    for (size_t pass = 0; pass < KO_ARRAY_LEN(passes); pass++)
        for (size_t i = 0; i < set->count; i++)
            if (X509_check_host(set->items[i].leaf, name, 0, passes[pass], NULL) == 1)
                return set->items[i].ctx;
    return NULL;
}

/* RFC 6066 section 3. A name we do not know gets the default certificate: clients that reach us by
 * another name find out by themselves, and tell their user more than an alert would. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    ko_tls *tls = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *ctx = NULL;

    (void)alert;
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    (void)pthread_mutex_lock(&tls->lock);
    if (tls->set->count > 1 && (ctx = find_by_name(tls->set, name)))
        ctx = SSL_set_SSL_CTX(ssl, ctx); /* takes a reference */
    (void)pthread_mutex_unlock(&tls->lock);
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 section 3.2: a client that offers only protocols we do not speak gets a
 * no_application_protocol alert; one that offers none is not asked. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- Contexts ---- */

static bool set_algorithms(SSL_CTX *ctx)
{
    char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro wants it without const */

    /* AES-128 first: as safe here as 256 bits and a fifth cheaper per byte. A client that puts
     * ChaCha20 first has no AES in hardware and gets it. */
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                         "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set_cipher_list(
               ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
           SSL_CTX_set1_groups_list(ctx, groups) == 1;
}

static int set_context(ko_tls *tls, SSL_CTX *ctx, ko_err *err)
{
    static const unsigned char session_context[] = "kontor";

    /* HTTP knows by itself where a message ends, so an end of file without close_notify is an
     * ordinary end and not an error. */
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_ENABLE_KTLS |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (!set_algorithms(ctx) ||
        SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) != 1)
        return ko_tls_err(err, KO_E_UNAVAILABLE, "TLS settings");
    /* For TLS 1.2 clients without tickets only; the others keep their sessions themselves. */
    (void)SSL_CTX_sess_set_cache_size(ctx, 1024);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    (void)SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    (void)SSL_CTX_set_tlsext_servername_arg(ctx, tls);
    return ko_tls_ticket_attach(ctx, tls->tickets, err);
}

static int make_context(ko_tls *tls, tls_set *set, size_t index, ko_err *err)
{
    tls_identity *id = &set->items[index];

    id->ctx = SSL_CTX_new(TLS_server_method());
    if (!id->ctx)
        return ko_tls_err(err, KO_E_UNAVAILABLE, "TLS context");
    if (set_context(tls, id->ctx, err) < 0)
        return -1;
    if (SSL_CTX_use_cert_and_key(id->ctx, id->leaf, id->key, id->chain, 1) != 1)
        return ko_tls_err(err, KO_E_INVALID, tls->files[2 * index]);
    for (size_t i = 0; i < set->count; i++) {
        tls_identity *other = &set->items[i];

        /* Without override: the first twin of each key type stays. */
        if (is_twin(id, other) &&
            SSL_CTX_use_cert_and_key(id->ctx, other->leaf, other->key, other->chain, 0) != 1)
            ERR_clear_error();
    }
    return 0;
}

static tls_set *tls_set_free(tls_set *set)
{
    if (!set)
        return NULL;
    for (size_t i = 0; i < set->count; i++) {
        X509_free(set->items[i].leaf);
        sk_X509_pop_free(set->items[i].chain, X509_free);
        EVP_PKEY_free(set->items[i].key);
        SSL_CTX_free(set->items[i].ctx);
    }
    free(set);
    return NULL;
}
KO_DEFINE_AUTOPTR(tls_set, tls_set_free);

static int load_set(ko_tls *tls, tls_set **out, ko_err *err)
{
    ko_autoptr(tls_set) set = ko_xcalloc(1, sizeof(*set) + tls->count * sizeof(set->items[0]));

    set->count = tls->count;
    ERR_clear_error();
    for (size_t i = 0; i < set->count; i++)
        if (read_identity(tls->files[2 * i], tls->files[2 * i + 1], &set->items[i], err) < 0)
            return -1;
    for (size_t i = 0; i < set->count; i++)
        if (make_context(tls, set, i, err) < 0)
            return -1;
    *out = ko_steal(&set);
    return 0;
}

/* ---- The public face ---- */

int ko_tls_new(const ko_tls_pair *pairs, size_t count, ko_tls **out, ko_err *err)
{
    KO_ASSERT(count > 0);
    ko_autoptr(ko_tls) tls = ko_new(ko_tls);

    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->tickets = ko_tls_ticket_ring_new();
    tls->count = count;
    tls->files = ko_xcalloc(2 * count, sizeof(*tls->files));
    for (size_t i = 0; i < count; i++) {
        tls->files[2 * i] = ko_xstrdup(pairs[i].cert_file);
        tls->files[2 * i + 1] = ko_xstrdup(pairs[i].key_file);
    }
    if (load_set(tls, &tls->set, err) < 0)
        return -1;
    *out = ko_steal(&tls);
    return 0;
}

ko_tls *ko_tls_free(ko_tls *tls)
{
    if (!tls)
        return NULL;
    (void)tls_set_free(tls->set);
    for (size_t i = 0; i < 2 * tls->count; i++)
        free(tls->files[i]);
    free(tls->files);
    (void)ko_tls_ticket_ring_free(tls->tickets);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
    return NULL;
}

int ko_tls_reload(ko_tls *tls, ko_err *err)
{
    ko_autoptr(tls_set) set = NULL;

    if (load_set(tls, &set, err) < 0)
        return ko_err_ctx(err, "reload certificates");
    (void)pthread_mutex_lock(&tls->lock);
    tls_set *old = tls->set;
    tls->set = ko_steal(&set);
    (void)pthread_mutex_unlock(&tls->lock);
    (void)tls_set_free(old);
    return 0;
}

int ko_tls_days_left(ko_tls *tls)
{
    int least = INT_MAX;

    (void)pthread_mutex_lock(&tls->lock);
    for (size_t i = 0; i < tls->set->count; i++) {
        int days = 0, seconds = 0;

        (void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(tls->set->items[i].leaf));
        if (days == 0 && seconds < 0)
            days = -1;
        if (days < least)
            least = days;
    }
    (void)pthread_mutex_unlock(&tls->lock);
    return least;
}

int ko_tls_session(ko_tls *tls, int fd, SSL **out, ko_err *err)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *ctx = tls->set->items[0].ctx;
    (void)SSL_CTX_up_ref(ctx);
    (void)pthread_mutex_unlock(&tls->lock);

    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx); /* the session has its own reference */
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return ko_tls_err(err, KO_E_UNAVAILABLE, "TLS session");
    }
    SSL_set_accept_state(ssl);
    *out = ssl;
    return 0;
}
