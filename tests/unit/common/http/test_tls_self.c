/* The self-made authority and its server certificate. */
#include "tests/unit/common/http/tls_fixture.h"

#include <sys/stat.h>

static const char *const NAMES[] = {"localhost", "registry.example", "127.0.0.1", "::1"};

static void make(const char *const *names, size_t count)
{
    ko_err err = KO_ERR_INIT;

    if (ko_tls_self_made(fixture_dir, names, count, &err) < 0)
        fail_msg("%s", err.text);
}

static bool same_cert(X509 *a, X509 *b)
{
    return X509_cmp(a, b) == 0;
}

/* Runs `change` between two calls of make() and says which certificates were made again. */
static void check_remade(void (*change)(void), bool ca_remade, bool server_remade)
{
    make(NAMES, KO_ARRAY_LEN(NAMES));
    X509 *ca = fixture_load_cert("ca.pem");
    X509 *server = fixture_load_cert("server.pem");
    change();
    make(NAMES, KO_ARRAY_LEN(NAMES));
    X509 *ca_after = fixture_load_cert("ca.pem");
    X509 *server_after = fixture_load_cert("server.pem");
    assert_int_equal(!same_cert(ca, ca_after), ca_remade);
    assert_int_equal(!same_cert(server, server_after), server_remade);
    assert_int_equal(X509_verify(server_after, X509_get0_pubkey(ca_after)), 1);
    X509_free(ca);
    X509_free(server);
    X509_free(ca_after);
    X509_free(server_after);
}

static void unlink_file(const char *name)
{
    assert_int_equal(unlink(fixture_path(name)), 0);
}

/* ---- Fit for clients ---- */

static void clients_that_trust_the_authority_accept_every_name(void **state)
{
    (void)state;
    ko_tls *tls = NULL;

    make(NAMES, KO_ARRAY_LEN(NAMES));
    ko_tls_pair pair = {fixture_path("server.pem"), fixture_path("server.key")};
    assert_int_equal(ko_tls_new(&pair, 1, &tls, NULL), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(NAMES); i++) {
        fixture_link link = fixture_connect(
            tls, &(fixture_hello){.ca_file = fixture_path("ca.pem"), .server_name = NAMES[i]});

        if (!link.ok)
            fail_msg("%s: %s", NAMES[i], ERR_reason_error_string(link.client_error));
        fixture_close(&link);
    }
    fixture_link wrong = fixture_connect(
        tls, &(fixture_hello){.ca_file = fixture_path("ca.pem"), .server_name = "other.example"});
    assert_false(wrong.ok);
    fixture_close(&wrong);
    ko_tls_free(tls);
}

static void the_certificates_have_the_extensions_that_strict_clients_want(void **state)
{
    (void)state;
    int days, seconds;

    make(NAMES, KO_ARRAY_LEN(NAMES));
    X509 *ca = fixture_load_cert("ca.pem");
    X509 *server = fixture_load_cert("server.pem");
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_get_pathlen(ca), 0);
    assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_int_equal(X509_check_ca(server), 0);
    assert_int_equal(X509_get_key_usage(server), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(server), XKU_SSL_SERVER);
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(server), X509_get0_subject_key_id(ca)), 0);
    assert_int_equal(X509_check_issued(ca, server), X509_V_OK);
    assert_int_equal(
        ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(server), X509_get0_notAfter(server)),
        1);
    assert_int_equal(days, 397);
    assert_true(X509_cmp_current_time(X509_get0_notBefore(server)) < 0);
    X509_free(ca);
    X509_free(server);
}

static void keys_are_private_and_certificates_are_not(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"ca.key", 0600}, {"server.key", 0600}, {"ca.pem", 0644}, {"server.pem", 0644}};

    make(NAMES, KO_ARRAY_LEN(NAMES));
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        struct stat st;

        assert_int_equal(stat(fixture_path(rows[i].name), &st), 0);
        assert_int_equal(st.st_mode & 07777, rows[i].mode);
    }
}

/* ---- Made again or not ---- */

static void change_nothing(void)
{
}

static void lose_server_key(void)
{
    unlink_file("server.key");
}

static void lose_server_cert(void)
{
    unlink_file("server.pem");
}

static void damage_server_cert(void)
{
    fixture_write_text("server.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
}

static void swap_server_key(void)
{
    fixture_write(&(fixture_cert){"server", "EC", "DNS:localhost", 400 * 86400L});
}

static void lose_ca_cert(void)
{
    unlink_file("ca.pem"); /* as after a crash between key and certificate */
}

static void lose_ca(void)
{
    unlink_file("ca.pem");
    unlink_file("ca.key");
}

static void lose_only_ca_key(void)
{
    unlink_file("ca.key"); /* kept elsewhere: the server's certificate still fits */
}

static void ca_near_its_end(void)
{
    fixture_write(&(fixture_cert){"ca", "EC", "DNS:ca", 29 * 86400L});
}

static void what_does_not_fit_is_made_again(void **state)
{
    (void)state;
    check_remade(change_nothing, false, false);
    check_remade(lose_server_key, false, true);
    check_remade(lose_server_cert, false, true);
    check_remade(damage_server_cert, false, true);
    check_remade(swap_server_key, false, true);
    check_remade(lose_ca_cert, true, true);
    check_remade(lose_ca, true, true);
    check_remade(ca_near_its_end, true, true);
    check_remade(lose_only_ca_key, false, false);
    lose_ca_cert();
}

static void a_missing_name_makes_the_server_certificate_again(void **state)
{
    (void)state;
    static const char *const more[] = {"localhost", "127.0.0.1", "10.1.2.3", "new.example"};

    make(NAMES, KO_ARRAY_LEN(NAMES));
    X509 *ca = fixture_load_cert("ca.pem");
    X509 *before = fixture_load_cert("server.pem");
    make(NAMES, 2); /* fewer names fit */
    X509 *fewer = fixture_load_cert("server.pem");
    make(more, KO_ARRAY_LEN(more));
    X509 *after = fixture_load_cert("server.pem");
    X509 *ca_after = fixture_load_cert("ca.pem");
    assert_true(same_cert(before, fewer));
    assert_false(same_cert(before, after));
    assert_true(same_cert(ca, ca_after));
    assert_int_equal(X509_check_ip_asc(after, "10.1.2.3", 0), 1);
    assert_int_equal(X509_check_host(after, "new.example", 0, 0, NULL), 1);
    X509_free(ca);
    X509_free(before);
    X509_free(fewer);
    X509_free(after);
    X509_free(ca_after);
}

static void a_certificate_about_to_expire_is_made_again(void **state)
{
    (void)state;
    static const struct {
        long until_s;
        bool remade;
    } rows[] = {{29 * 86400L, true}, {31 * 86400L, false}, {-1, true}};

    make(NAMES, KO_ARRAY_LEN(NAMES));
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        /* A certificate as ours, but for its end. */
        BIO *bio = BIO_new_file(fixture_path("ca.key"), "r");
        EVP_PKEY *ca_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        X509 *server = fixture_load_cert("server.pem");

        BIO_free(bio);
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(server), rows[i].until_s));
        assert_true(X509_sign(server, ca_key, EVP_sha256()) > 0);
        bio = BIO_new_file(fixture_path("server.pem"), "w");
        assert_int_equal(PEM_write_bio_X509(bio, server), 1);
        BIO_free(bio);
        make(NAMES, KO_ARRAY_LEN(NAMES));
        X509 *after = fixture_load_cert("server.pem");
        assert_int_equal(!same_cert(server, after), rows[i].remade);
        X509_free(server);
        X509_free(after);
        EVP_PKEY_free(ca_key);
    }
}

/* ---- Refusals ---- */

static void a_server_certificate_cannot_be_made_without_the_authoritys_key(void **state)
{
    (void)state;
    static const char *const other[] = {"other.example"};
    ko_err err = KO_ERR_INIT;

    make(NAMES, KO_ARRAY_LEN(NAMES));
    X509 *ca = fixture_load_cert("ca.pem");
    unlink_file("ca.key");
    assert_int_equal(ko_tls_self_made(fixture_dir, other, 1, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    assert_non_null(strstr(err.text, "ca.key"));
    X509 *after = fixture_load_cert("ca.pem");
    assert_true(same_cert(ca, after)); /* never replaced behind the operator's back */
    X509_free(ca);
    X509_free(after);
    unlink_file("ca.pem");
}

static void a_damaged_or_foreign_authority_is_an_error(void **state)
{
    (void)state;
    ko_err err = KO_ERR_INIT;

    make(NAMES, KO_ARRAY_LEN(NAMES));
    fixture_write_text("ca.key", "nonsense\n");
    assert_int_equal(ko_tls_self_made(fixture_dir, NAMES, 1, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    assert_non_null(strstr(err.text, "ca.key"));
    lose_ca();
    make(NAMES, KO_ARRAY_LEN(NAMES));
    assert_int_equal(rename(fixture_path("server.key"), fixture_path("ca.key")), 0);
    assert_int_equal(ko_tls_self_made(fixture_dir, NAMES, 1, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    lose_ca();
}

static void odd_names_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"", "a b", "a,DNS:evil.example", "a\nb", "[::1]", "a/b"};

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_err err = KO_ERR_INIT;

        assert_int_equal(ko_tls_self_made(fixture_dir, &rows[i], 1, &err), -1);
        assert_int_equal(err.code, KO_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_that_trust_the_authority_accept_every_name),
        cmocka_unit_test(the_certificates_have_the_extensions_that_strict_clients_want),
        cmocka_unit_test(keys_are_private_and_certificates_are_not),
        cmocka_unit_test(what_does_not_fit_is_made_again),
        cmocka_unit_test(a_missing_name_makes_the_server_certificate_again),
        cmocka_unit_test(a_certificate_about_to_expire_is_made_again),
        cmocka_unit_test(a_server_certificate_cannot_be_made_without_the_authoritys_key),
        cmocka_unit_test(a_damaged_or_foreign_authority_is_an_error),
        cmocka_unit_test(odd_names_are_refused),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
