/* For tests of TLS: certificates made on the spot, and handshakes over a socket pair. */
#ifndef KO_TEST_TLS_FIXTURE_H
#define KO_TEST_TLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/http/tls_priv.h"

/* ---- A fresh directory ---- */

static char fixture_dir[256];

static inline int fixture_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    (void)snprintf(fixture_dir, sizeof(fixture_dir), "%s/kontor-tls-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(fixture_dir) ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
    DIR *dir = opendir(fixture_dir);
    const struct dirent *entry;

    (void)state;
    while (dir && (entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
    return rmdir(fixture_dir);
}

/* The path of a file in it, in one of eight buffers used in turn. */
static inline const char *fixture_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", fixture_dir, name);
    return path;
}

/* ---- Certificates ---- */

typedef struct {
    const char *name;     /* files NAME.pem and NAME.key; also the common name */
    const char *key_type; /* "EC" or "RSA" */
    const char *san;      /* OpenSSL's text form: "DNS:a.example,IP:127.0.0.1" */
    long until_s;         /* expiry, seconds from now */
} fixture_cert;

static inline X509 *fixture_new_cert(const fixture_cert *want, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    (void)X509_set_version(cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -2 * 86400);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), want->until_s);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)want->name,
                                     -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    (void)X509_set_pubkey(cert, key);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, want->san);
    assert_non_null(san);
    assert_int_equal(X509_add_ext(cert, san, -1), 1);
    X509_EXTENSION_free(san);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static inline void fixture_write(const fixture_cert *want)
{
    char file[64];
    EVP_PKEY *key = strcmp(want->key_type, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *cert = fixture_new_cert(want, key);

    (void)snprintf(file, sizeof(file), "%s.pem", want->name);
    BIO *bio = BIO_new_file(fixture_path(file), "w");
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    BIO_free(bio);
    (void)snprintf(file, sizeof(file), "%s.key", want->name);
    bio = BIO_new_file(fixture_path(file), "w");
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    BIO_free(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static inline void fixture_write_text(const char *name, const char *text)
{
    assert_int_equal(ko_fd_store(AT_FDCWD, fixture_path(name), 0600, ko_str_of(text), NULL), 0);
}

static inline X509 *fixture_load_cert(const char *name)
{
    BIO *bio = BIO_new_file(fixture_path(name), "r");

    assert_non_null(bio);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* ---- Handshakes ---- */

/* What the client says. */
typedef struct {
    const char *server_name;
    int version;         /* TLS1_2_VERSION ...; 0: whatever is best */
    const char *sigalgs; /* NULL: the default */
    const char *alpn;    /* wire form: "\x08http/1.1"; NULL: none */
    const char *ciphers; /* of TLS 1.2; NULL: the default */
    const char *ca_file; /* verify against this authority and server_name */
    bool no_tickets;
    SSL_SESSION *resume;
} fixture_hello;

typedef struct {
    SSL *client;
    SSL *server;
    int fds[2];
    bool ok; /* both sides finished */
    bool reused;
    unsigned long client_error; /* why the client failed */
    char name[64];              /* common name of the server's certificate */
    char alpn[32];
    SSL_SESSION *session; /* the client's, for `resume`; owned */
} fixture_link;

static inline SSL *fixture_client(const fixture_hello *hello, int fd)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (hello->version != 0) {
        SSL_CTX_set_security_level(ctx, 0); /* lets the client try TLS 1.1 */
        (void)SSL_CTX_set_min_proto_version(ctx, hello->version);
        (void)SSL_CTX_set_max_proto_version(ctx, hello->version);
    }
    if (hello->no_tickets)
        (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (hello->ca_file) {
        assert_int_equal(SSL_CTX_load_verify_file(ctx, hello->ca_file), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    if (hello->server_name) {
        char name[128]; /* OpenSSL's macro wants it without const */
        (void)snprintf(name, sizeof(name), "%s", hello->server_name);
        if (!hello->ca_file || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1) {
            assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
            if (hello->ca_file)
                assert_int_equal(SSL_set1_host(ssl, name), 1);
        }
    }
    if (hello->sigalgs) {
        char list[256]; /* likewise */
        (void)snprintf(list, sizeof(list), "%s", hello->sigalgs);
        assert_int_equal(SSL_set1_sigalgs_list(ssl, list), 1);
    }
    if (hello->ciphers)
        assert_int_equal(SSL_set_cipher_list(ssl, hello->ciphers), 1);
    if (hello->alpn)
        assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)hello->alpn,
                                             (unsigned)strlen(hello->alpn)),
                         0);
    if (hello->resume)
        assert_int_equal(SSL_set_session(ssl, hello->resume), 1);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* One step of one side; false when the handshake has failed. */
static inline bool fixture_step(SSL *ssl, bool *finished)
{
    int rc = SSL_do_handshake(ssl);
    int why = SSL_get_error(ssl, rc);

    if (rc == 1)
        *finished = true;
    return rc == 1 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* A byte each way. The client's read also takes in the tickets of TLS 1.3. */
static inline void fixture_echo(fixture_link *link)
{
    char byte = 0;

    assert_int_equal(SSL_write(link->server, "s", 1), 1);
    assert_int_equal(SSL_read(link->client, &byte, 1), 1);
    assert_int_equal(byte, 's');
    assert_int_equal(SSL_write(link->client, "c", 1), 1);
    assert_int_equal(SSL_read(link->server, &byte, 1), 1);
    assert_int_equal(byte, 'c');
}

static inline void fixture_describe(fixture_link *link)
{
    const unsigned char *alpn;
    unsigned alpn_len;
    X509 *cert = SSL_get1_peer_certificate(link->client);

    if (cert) { /* a resumed session may have none */
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, link->name,
                                        sizeof(link->name));
        X509_free(cert);
    }
    SSL_get0_alpn_selected(link->client, &alpn, &alpn_len);
    (void)snprintf(link->alpn, sizeof(link->alpn), "%.*s", (int)alpn_len, (const char *)alpn);
    link->reused = SSL_session_reused(link->client);
    fixture_echo(link);
    link->session = SSL_get1_session(link->client);
}

static inline fixture_link fixture_connect(ko_tls *tls, const fixture_hello *hello)
{
    fixture_link link = {0};
    bool client_done = false, server_done = false, client_ok = true, server_ok = true;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, link.fds),
                     0);
    assert_int_equal(ko_tls_session(tls, link.fds[1], &link.server, NULL), 0);
    link.client = fixture_client(hello, link.fds[0]);
    /* The socket pair holds a whole flight, so each round moves at least one side. */
    for (int round = 0; round < 20 && !(client_done && server_done); round++) {
        ERR_clear_error();
        client_ok = client_ok && fixture_step(link.client, &client_done);
        if (!client_ok && link.client_error == 0)
            link.client_error = ERR_peek_error();
        ERR_clear_error();
        server_ok = server_ok && fixture_step(link.server, &server_done);
    }
    ERR_clear_error();
    link.ok = client_ok && server_ok && client_done && server_done;
    if (link.ok)
        fixture_describe(&link);
    return link;
}

static inline void fixture_close(fixture_link *link)
{
    /* A session whose connection ends without close_notify is not resumed. */
    if (link->ok) {
        (void)SSL_shutdown(link->client);
        (void)SSL_shutdown(link->server);
    }
    SSL_free(link->client);
    SSL_free(link->server);
    SSL_SESSION_free(link->session);
    close(link->fds[0]);
    close(link->fds[1]);
    ERR_clear_error();
    *link = (fixture_link){0};
}

#endif
