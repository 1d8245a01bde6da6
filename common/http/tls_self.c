/* common/http/tls_self.c: a certificate authority of our own, for servers that are given none.
 *
 * What a client trusts is dir/ca.pem, so it is made once and replaced only when it is about to
 * expire, which no client survives anyway; a lost ca.key is an error and not a reason to make a new
 * authority behind the operator's back. The server's certificate is cheap and made again whenever
 * it does not fit.
 *
 * Keys are stored before their certificates: after a crash in between there is a key without its
 * certificate, which the next start recognises and makes again. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/base/fd.h"
#include "common/base/ids.h"
#include "common/base/limits.h"
#include "common/base/secret.h"
#include "common/http/tls_priv.h"

#define CA_DAYS     3650
#define SERVER_DAYS 397 /* the longest that Apple's clients accept of a server is 398 */
#define RENEW_DAYS  30
#define DAY_S       86400L
#define BACKDATE_S  3600L /* for clients whose clock is a little behind */

typedef struct {
    X509 *cert;
    EVP_PKEY *key; /* NULL: the file is missing */
} self_pair;

static void self_pair_done(self_pair *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
    *pair = (self_pair){0};
}
#define self_autopair __attribute__((cleanup(self_pair_done))) self_pair

/* ---- Files ---- */

/* *out stays NULL when the file is missing. */
static int load_pem(int dir, const char *name, BIO **out, ko_err *err)
{
    ko_autobuf text;
    ko_err why;

    ko_buf_init(&text, 64 * KO_KIB);
    if (ko_fd_load(dir, name, &text, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio || BIO_write(bio, text.data, (int)text.len) != (int)text.len) {
        BIO_free(bio);
        return ko_tls_err(err, KO_E_UNAVAILABLE, name);
    }
    ko_secret_wipe(text.data, text.len);
    *out = bio;
    return 0;
}

/* Parts of the pair whose file is missing stay NULL. errors INVALID: not PEM of the right kind. */
static int load_pair(int dir, const char *cert_name, const char *key_name, self_pair *out,
                     ko_err *err)
{
    self_autopair pair = {0};
    BIO *cert = NULL, *key = NULL;
    int rc = -1;

    if (load_pem(dir, cert_name, &cert, err) < 0 || load_pem(dir, key_name, &key, err) < 0)
        goto out;
    if (cert && !(pair.cert = PEM_read_bio_X509(cert, NULL, NULL, NULL))) {
        (void)ko_tls_err(err, KO_E_INVALID, cert_name);
        goto out;
    }
    char none[] = ""; /* the passphrase: never ask on the terminal */
    if (key && !(pair.key = PEM_read_bio_PrivateKey(key, NULL, NULL, none))) {
        (void)ko_tls_err(err, KO_E_INVALID, key_name);
        goto out;
    }
    *out = pair;
    pair = (self_pair){0};
    rc = 0;
out:
    BIO_free(cert);
    BIO_free(key);
    return rc;
}

static int store_bio(int dir, const char *name, mode_t mode, BIO *bio, ko_err *err)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);

    return ko_fd_store(dir, name, mode, (ko_str){text, (size_t)len}, err);
}

static int store_pair(int dir, const char *cert_name, const char *key_name, const self_pair *pair,
                      ko_err *err)
{
    BIO *key = BIO_new(BIO_s_secmem()); /* wiped when freed */
    BIO *cert = BIO_new(BIO_s_mem());
    int rc;

    if (!key || !cert || PEM_write_bio_PrivateKey(key, pair->key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(cert, pair->cert) != 1)
        rc = ko_tls_err(err, KO_E_UNAVAILABLE, cert_name);
    else if ((rc = store_bio(dir, key_name, 0600, key, err)) == 0)
        rc = store_bio(dir, cert_name, 0644, cert, err);
    BIO_free(key);
    BIO_free(cert);
    return rc;
}

/* ---- Names ---- */

/* The bytes of an IPv4 or IPv6 address; their number, or 0 when `name` is no address. */
static int parse_ip(const char *name, unsigned char out[static 16])
{
    if (inet_pton(AF_INET, name, out) == 1)
        return 4;
    return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

static bool is_dns_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._*";
    size_t len = strlen(name);

    return len > 0 && len <= 253 && strspn(name, allowed) == len;
}

static bool has_name(X509 *cert, const char *name)
{
    unsigned char ip[16];
    int len = parse_ip(name, ip);

    if (len > 0)
        return X509_check_ip(cert, ip, (size_t)len, 0) == 1;
    return X509_check_host(cert, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static bool push_name(GENERAL_NAMES *list, const char *name)
{
    unsigned char ip[16];
    int ip_len = parse_ip(name, ip);
    GENERAL_NAME *item = GENERAL_NAME_new();
    ASN1_STRING *value = ip_len > 0 ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    bool set = value && (ip_len > 0 ? ASN1_STRING_set(value, ip, ip_len)
                                    : ASN1_STRING_set(value, name, -1)) == 1;

    if (!item || !set) {
        GENERAL_NAME_free(item);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(item, ip_len > 0 ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(list, item) <= 0) {
        GENERAL_NAME_free(item);
        return false;
    }
    return true;
}

/* Built by hand: names come from outside, and OpenSSL's text form of extensions is a language with
 * commas, sections and file names. */
static bool add_names(X509 *cert, const char *const *names, size_t count)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < count; i++)
        ok = push_name(list, names[i]);
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(list);
    return ok;
}

/* ---- Making certificates ---- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[16];

    ko_ids_random(bytes, sizeof(bytes));
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

/* A certificate with everything but extensions and signature. */
static bool fill(X509 *cert, EVP_PKEY *key, const char *common_name, long days)
{
    time_t now = time(NULL);
    X509_NAME *name = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Kontor", -1,
                                      -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1 &&
           X509_time_adj_ex(X509_getm_notBefore(cert), 0, -BACKDATE_S, &now) &&
           X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, -BACKDATE_S, &now) &&
           X509_set_pubkey(cert, key) == 1;
}

static bool new_ca(self_pair *ca)
{
    unsigned char random[4];
    char name[32];

    ko_ids_random(random, sizeof(random));
    (void)snprintf(name, sizeof(name), "Kontor CA %02x%02x%02x%02x", random[0], random[1],
                   random[2], random[3]);
    ca->key = EVP_EC_gen("P-256");
    ca->cert = X509_new();
    return ca->key && ca->cert && fill(ca->cert, ca->key, name, CA_DAYS) &&
           X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)) == 1 &&
           add_extension(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(ca->cert, ca->cert, NID_subject_key_identifier, "hash") &&
           X509_sign(ca->cert, ca->key, EVP_sha256()) > 0;
}

static bool new_server(const self_pair *ca, const char *const *names, size_t count,
                       self_pair *server)
{
    server->key = EVP_EC_gen("P-256");
    server->cert = X509_new();
    return server->key && server->cert &&
           fill(server->cert, server->key, "Kontor server", SERVER_DAYS) &&
           X509_set_issuer_name(server->cert, X509_get_subject_name(ca->cert)) == 1 &&
           add_extension(server->cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(server->cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(server->cert, ca->cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(server->cert, ca->cert, NID_subject_key_identifier, "hash") &&
           add_extension(server->cert, ca->cert, NID_authority_key_identifier, "keyid:always") &&
           add_names(server->cert, names, count) &&
           X509_sign(server->cert, ca->key, EVP_sha256()) > 0;
}

/* ---- What is there already ---- */

static bool expires_soon(X509 *cert)
{
    int days = 0, seconds = 0;

    (void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert));
    return days < RENEW_DAYS;
}

static bool server_fits(const self_pair *ca, const self_pair *server, const char *const *names,
                        size_t count)
{
    bool fits = server->cert && server->key && !expires_soon(server->cert) &&
                X509_check_private_key(server->cert, server->key) == 1 &&
                X509_check_issued(ca->cert, server->cert) == X509_V_OK &&
                X509_verify(server->cert, X509_get0_pubkey(ca->cert)) == 1;

    for (size_t i = 0; fits && i < count; i++)
        fits = has_name(server->cert, names[i]);
    ERR_clear_error();
    return fits;
}

static int open_ca(int dir, self_pair *ca, ko_err *err)
{
    if (load_pair(dir, "ca.pem", "ca.key", ca, err) < 0)
        return -1;
    if (ca->cert && ca->key && X509_check_private_key(ca->cert, ca->key) != 1) {
        ERR_clear_error();
        return ko_err_set(err, KO_E_INVALID, "ca.key: not the key of ca.pem");
    }
    if (ca->cert && !expires_soon(ca->cert))
        return 0;
    self_pair_done(ca);
    if (!new_ca(ca))
        return ko_tls_err(err, KO_E_UNAVAILABLE, "make ca.pem");
    return store_pair(dir, "ca.pem", "ca.key", ca, err);
}

static int make_server(int dir, const self_pair *ca, const char *const *names, size_t count,
                       ko_err *err)
{
    self_autopair server = {0};

    if (!ca->key)
        return ko_err_set(err, KO_E_INVALID,
                          "ca.key is missing, so server.pem cannot be made again "
                          "(remove ca.pem for a new authority)");
    if (!new_server(ca, names, count, &server))
        return ko_tls_err(err, KO_E_UNAVAILABLE, "make server.pem");
    return store_pair(dir, "server.pem", "server.key", &server, err);
}

static int self_made(int dir, const char *const *names, size_t count, ko_err *err)
{
    self_autopair ca = {0}, server = {0};
    ko_err why;

    if (open_ca(dir, &ca, err) < 0)
        return -1;
    /* A damaged server certificate is made again like a missing one. */
    if (load_pair(dir, "server.pem", "server.key", &server, &why) < 0 && why.code != KO_E_INVALID) {
        if (err)
            *err = why;
        return -1;
    }
    if (server_fits(&ca, &server, names, count))
        return 0;
    return make_server(dir, &ca, names, count, err);
}

int ko_tls_self_made(const char *dir, const char *const *names, size_t count, ko_err *err)
{
    unsigned char ip[16];

    KO_ASSERT(count > 0);
    for (size_t i = 0; i < count; i++)
        if (parse_ip(names[i], ip) == 0 && !is_dns_name(names[i]))
            return ko_err_set(err, KO_E_INVALID, "\"%.100s\" is no host name or address", names[i]);
    ERR_clear_error();
    ko_autofd dirfd = ko_fd_open_dir(AT_FDCWD, dir, 0755, err);
    if (dirfd < 0 || self_made(dirfd, names, count, err) < 0)
        return ko_err_ctx(err, "certificates in %s", dir);
    return 0;
}
