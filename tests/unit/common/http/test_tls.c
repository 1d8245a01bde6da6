/* TLS contexts: versions, resumption, SNI, key types, ALPN, reload. */
#include "tests/unit/common/http/tls_fixture.h"

/* Half a day more, so that whole days left do not depend on the second. */
#define DAYS(n) ((n)*86400L + 43200)

static const fixture_cert EC_A = {"ec_a", "EC", "DNS:a.example,IP:127.0.0.1", DAYS(90)};
static const fixture_cert RSA_A = {"rsa_a", "RSA", "DNS:a.example,IP:127.0.0.1", DAYS(90)};
static const fixture_cert EC_B = {"ec_b", "EC", "DNS:b.example,DNS:*.b.example", DAYS(40)};
static const fixture_cert EC_XB = {"ec_xb", "EC", "DNS:x.b.example", DAYS(400)};
static const fixture_cert EC_OLD = {"ec_old", "EC", "DNS:old.example", -10};

/* A ko_tls over freshly written pairs. */
static ko_tls *new_tls(const fixture_cert *const *certs, size_t count)
{
    ko_tls_pair pairs[4];
    ko_tls *tls = NULL;
    ko_err err = KO_ERR_INIT;

    for (size_t i = 0; i < count; i++)
        fixture_write(certs[i]);
    for (size_t i = 0; i < count; i++) {
        char file[64];

        (void)snprintf(file, sizeof(file), "%s.pem", certs[i]->name);
        pairs[i].cert_file = fixture_path(file);
        (void)snprintf(file, sizeof(file), "%s.key", certs[i]->name);
        pairs[i].key_file = fixture_path(file);
    }
    if (ko_tls_new(pairs, count, &tls, &err) < 0)
        fail_msg("%s", err.text);
    return tls;
}

static ko_tls *new_tls_one(const fixture_cert *cert)
{
    return new_tls(&cert, 1);
}

/* Shakes hands once and gives the certificate's name, "" when it failed. */
static const char *name_served(ko_tls *tls, const fixture_hello *hello)
{
    static char name[64];
    fixture_link link = fixture_connect(tls, hello);

    (void)snprintf(name, sizeof(name), "%s", link.name);
    fixture_close(&link);
    return name;
}

/* ---- Versions and ciphers ---- */

static void versions_1_2_and_1_3_are_spoken_and_older_ones_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        bool ok;
    } rows[] = {{TLS1_2_VERSION, true}, {TLS1_3_VERSION, true}, {TLS1_1_VERSION, false}};
    ko_autoptr(ko_tls) tls = new_tls_one(&EC_A);

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        fixture_link link = fixture_connect(tls, &(fixture_hello){.version = rows[i].version});

        assert_int_equal(link.ok, rows[i].ok);
        if (link.ok)
            assert_int_equal(SSL_version(link.server), rows[i].version);
        fixture_close(&link);
    }
}

static void only_forward_secret_aead_ciphers_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *ciphers;
        bool ok;
    } rows[] = {
        {"ECDHE-RSA-AES256-GCM-SHA384", true}, {"ECDHE-RSA-CHACHA20-POLY1305", true},
        {"ECDHE-RSA-AES128-SHA", false},       {"ECDHE-RSA-AES128-SHA256", false},
        {"AES128-GCM-SHA256", false},          {"DHE-RSA-AES128-GCM-SHA256", false},
    };
    ko_autoptr(ko_tls) tls = new_tls_one(&RSA_A);

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        fixture_hello hello = {.version = TLS1_2_VERSION, .ciphers = rows[i].ciphers};
        fixture_link link = fixture_connect(tls, &hello);

        if (link.ok != rows[i].ok)
            fail_msg("%s", rows[i].ciphers);
        fixture_close(&link);
    }
}

static void aes_128_is_preferred_unless_the_client_puts_chacha_first(void **state)
{
    (void)state;
    ko_autoptr(ko_tls) tls = new_tls_one(&EC_A);
    fixture_link link = fixture_connect(tls, &(fixture_hello){0});

    assert_string_equal(SSL_get_cipher_name(link.server), "TLS_AES_128_GCM_SHA256");
    fixture_close(&link);
    link = fixture_connect(tls, &(fixture_hello){.version = TLS1_2_VERSION,
                                                 .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:"
                                                            "ECDHE-ECDSA-AES128-GCM-SHA256"});
    assert_string_equal(SSL_get_cipher_name(link.server), "ECDHE-ECDSA-CHACHA20-POLY1305");
    fixture_close(&link);
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    char byte;
    ko_autoptr(ko_tls) tls = new_tls_one(&EC_A);
    fixture_link link = fixture_connect(tls, &(fixture_hello){.version = TLS1_2_VERSION});

    assert_true(link.ok);
    assert_int_equal(SSL_renegotiate(link.client), 1);
    (void)SSL_do_handshake(link.client);
    assert_true(SSL_read(link.server, &byte, 1) <= 0);
    (void)SSL_do_handshake(link.client);
    assert_int_equal(SSL_get_state(link.server), TLS_ST_OK); /* it never began */
    fixture_close(&link);
}

/* ---- Resumption ---- */

static void sessions_resume(void **state)
{
    (void)state;
    static const fixture_hello rows[] = {
        {.version = TLS1_2_VERSION},
        {.version = TLS1_2_VERSION, .no_tickets = true}, /* from the server's cache */
        {.version = TLS1_3_VERSION},
        {.version = TLS1_3_VERSION, .server_name = "a.example"},
    };
    ko_autoptr(ko_tls) tls = new_tls_one(&EC_A);

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        fixture_link first = fixture_connect(tls, &rows[i]);
        fixture_hello again = rows[i];

        assert_true(first.ok);
        assert_false(first.reused);
        again.resume = first.session;
        fixture_link second = fixture_connect(tls, &again);
        assert_true(second.ok);
        assert_true(second.reused);
        /* and once more from the session just renewed */
        again.resume = second.session;
        fixture_link third = fixture_connect(tls, &again);
        assert_true(third.reused);
        fixture_close(&first);
        fixture_close(&second);
        fixture_close(&third);
    }
}

static void sessions_resume_across_a_reload_and_on_every_context(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const char *const names[] = {"a.example", "b.example"};
    ko_autoptr(ko_tls) tls = new_tls((const fixture_cert *const[]){&EC_A, &EC_B}, 2);

    for (size_t i = 0; i < 4; i++) {
        fixture_hello hello = {.version = versions[i / 2], .server_name = names[i % 2]};
        fixture_link first = fixture_connect(tls, &hello);

        assert_true(first.ok);
        assert_int_equal(ko_tls_reload(tls, NULL), 0);
        hello.resume = first.session;
        fixture_link second = fixture_connect(tls, &hello);
        assert_true(second.ok);
        assert_true(second.reused);
        fixture_close(&first);
        fixture_close(&second);
    }
}

static void a_ticket_of_another_server_leads_to_a_full_handshake(void **state)
{
    (void)state;
    ko_autoptr(ko_tls) one = new_tls_one(&EC_A);
    ko_autoptr(ko_tls) other = new_tls_one(&EC_B);
    fixture_link first = fixture_connect(one, &(fixture_hello){0});
    fixture_link second = fixture_connect(other, &(fixture_hello){.resume = first.session});

    assert_true(second.ok);
    assert_false(second.reused);
    fixture_close(&first);
    fixture_close(&second);
}

/* ---- Choosing a certificate ---- */

static void the_server_name_chooses_the_certificate(void **state)
{
    (void)state;
    static const struct {
        const char *server_name;
        const char *want;
    } rows[] = {
        {"a.example", "ec_a"},       {"b.example", "ec_b"},    {"B.EXAMPLE", "ec_b"},
        {"y.b.example", "ec_b"},     {"x.b.example", "ec_xb"}, {"z.y.b.example", "ec_a"},
        {"unknown.example", "ec_a"}, {"xb.example", "ec_a"},   {NULL, "ec_a"},
    };
    ko_autoptr(ko_tls) tls = new_tls((const fixture_cert *const[]){&EC_A, &EC_B, &EC_XB}, 3);

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            fixture_hello hello = {.version = version, .server_name = rows[i].server_name};

            const char *name = name_served(tls, &hello);
            if (strcmp(name, rows[i].want) != 0)
                fail_msg("%s gets %s", hello.server_name ? hello.server_name : "-", name);
        }
}

static void the_client_chooses_between_ecdsa_and_rsa_of_one_name(void **state)
{
    (void)state;
    static const char rsa_only[] = "RSA-PSS+SHA256:RSA+SHA256";
    static const char ec_only[] = "ECDSA+SHA256";
    static const struct {
        const fixture_cert *pairs[2];
        fixture_hello hello;
        const char *want;
    } rows[] = {
        {{&EC_A, &RSA_A}, {.version = TLS1_3_VERSION, .sigalgs = ec_only}, "ec_a"},
        {{&EC_A, &RSA_A}, {.version = TLS1_3_VERSION, .sigalgs = rsa_only}, "rsa_a"},
        {{&RSA_A, &EC_A}, {.version = TLS1_3_VERSION, .sigalgs = ec_only}, "ec_a"},
        {{&RSA_A, &EC_A}, {.version = TLS1_3_VERSION, .sigalgs = rsa_only}, "rsa_a"},
        {{&RSA_A, &EC_A}, {.version = TLS1_2_VERSION, .sigalgs = ec_only}, "ec_a"},
        {{&EC_A, &RSA_A}, {.version = TLS1_2_VERSION, .sigalgs = rsa_only}, "rsa_a"},
        {{&EC_A, &RSA_A}, {.server_name = "a.example", .sigalgs = rsa_only}, "rsa_a"},
        /* The RSA pair is for another name: no stand-in. */
        {{&EC_B, &RSA_A}, {.version = TLS1_3_VERSION, .sigalgs = rsa_only}, ""},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_tls) tls = new_tls(rows[i].pairs, 2);

        assert_string_equal(name_served(tls, &rows[i].hello), rows[i].want);
    }
}

static void the_whole_chain_is_sent(void **state)
{
    (void)state;
    ko_autobuf chain;
    ko_tls *tls = NULL;

    fixture_write(&EC_A);
    fixture_write(&EC_B);
    ko_buf_init(&chain, 65536);
    assert_int_equal(ko_fd_load(AT_FDCWD, fixture_path("ec_a.pem"), &chain, NULL), 0);
    assert_int_equal(ko_fd_load(AT_FDCWD, fixture_path("ec_b.pem"), &chain, NULL), 0);
    fixture_write_text("chain.pem", chain.data);
    ko_tls_pair pair = {fixture_path("chain.pem"), fixture_path("ec_a.key")};
    assert_int_equal(ko_tls_new(&pair, 1, &tls, NULL), 0);
    fixture_link link = fixture_connect(tls, &(fixture_hello){0});
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(link.client)), 2);
    fixture_close(&link);
    ko_tls_free(tls);
}

/* ---- ALPN ---- */

static void alpn_speaks_http_1_1_only(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        bool ok;
        const char *chosen;
    } rows[] = {
        {NULL, true, ""},
        {"\x08http/1.1", true, "http/1.1"},
        {"\x02h2\x08http/1.1", true, "http/1.1"},
        {"\x08http/1.1\x02h2", true, "http/1.1"},
        {"\x02h2", false, ""},
        {"\x08http/1.0\x02h2", false, ""},
    };
    ko_autoptr(ko_tls) tls = new_tls_one(&EC_A);

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        fixture_link link = fixture_connect(tls, &(fixture_hello){.alpn = rows[i].offer});

        assert_int_equal(link.ok, rows[i].ok);
        assert_string_equal(link.alpn, rows[i].chosen);
        if (!rows[i].ok) /* RFC 7301 section 3.2 */
            assert_int_equal(ERR_GET_REASON(link.client_error),
                             SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
        fixture_close(&link);
    }
}

/* ---- Loading and reloading ---- */

static void broken_files_are_invalid_and_named(void **state)
{
    (void)state;
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgUqZcGEGt5JgICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEBTXfXoLb9rCHqyGJaB9qYAEgZAx\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    static const struct {
        const char *cert, *key, *named;
    } rows[] = {
        {"missing.pem", "ec_a.key", "missing.pem"},
        {"ec_a.pem", "missing.key", "missing.key"},
        {"ec_a.pem", "ec_b.key", "ec_b.key"},
        {"ec_a.pem", "rsa_a.key", "rsa_a.key"},
        {"empty", "ec_a.key", "empty"},
        {"ec_a.pem", "empty", "empty"},
        {"ec_a.key", "ec_a.key", "ec_a.key"},
        {"ec_a.pem", "encrypted.key", "encrypted.key"},
        {"cut.pem", "ec_a.key", "cut.pem"},
    };
    ko_autobuf cut;

    fixture_write(&EC_A);
    fixture_write(&EC_B);
    fixture_write(&RSA_A);
    fixture_write_text("empty", "");
    fixture_write_text("encrypted.key", encrypted);
    ko_buf_init(&cut, 65536); /* a good leaf, then half a certificate */
    assert_int_equal(ko_fd_load(AT_FDCWD, fixture_path("ec_a.pem"), &cut, NULL), 0);
    assert_int_equal(ko_buf_put_text(&cut, "-----BEGIN CERTIFICATE-----\nMIIB\n"), 0);
    fixture_write_text("cut.pem", cut.data);
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_tls_pair pair = {fixture_path(rows[i].cert), fixture_path(rows[i].key)};
        ko_tls *tls = NULL;
        ko_err err = KO_ERR_INIT;

        if (ko_tls_new(&pair, 1, &tls, &err) != -1)
            fail_msg("row %zu was taken", i);
        assert_null(tls);
        assert_int_equal(err.code, KO_E_INVALID);
        if (!strstr(err.text, rows[i].named))
            fail_msg("row %zu: \"%s\" does not name %s", i, err.text, rows[i].named);
    }
}

static void a_reload_takes_the_new_certificate_and_spares_open_connections(void **state)
{
    (void)state;
    ko_autoptr(ko_tls) tls = new_tls_one(&EC_A);
    fixture_link open = fixture_connect(tls, &(fixture_hello){0});
    fixture_cert other = EC_A;

    assert_int_equal(ko_tls_days_left(tls), 90);
    other.until_s = DAYS(20);
    fixture_write(&other);
    assert_int_equal(ko_tls_reload(tls, NULL), 0);
    assert_int_equal(ko_tls_days_left(tls), 20);
    fixture_echo(&open);
    assert_string_equal(name_served(tls, &(fixture_hello){0}), "ec_a");
    fixture_close(&open);
}

static void a_reload_of_broken_files_keeps_the_old_certificate(void **state)
{
    (void)state;
    ko_autoptr(ko_tls) tls = new_tls((const fixture_cert *const[]){&EC_A, &EC_B}, 2);
    ko_err err = KO_ERR_INIT;

    fixture_write_text("ec_b.key", "no key at all\n");
    assert_int_equal(ko_tls_reload(tls, &err), -1);
    assert_int_equal(err.code, KO_E_INVALID);
    assert_non_null(strstr(err.text, "ec_b.key"));
    assert_string_equal(name_served(tls, &(fixture_hello){.server_name = "b.example"}), "ec_b");
    assert_int_equal(ko_tls_days_left(tls), 40);
}

static void the_earliest_expiry_counts_and_is_negative_when_past(void **state)
{
    (void)state;
    ko_autoptr(ko_tls) fresh = new_tls((const fixture_cert *const[]){&EC_A, &EC_B}, 2);
    ko_autoptr(ko_tls) stale = new_tls((const fixture_cert *const[]){&EC_A, &EC_OLD}, 2);

    assert_int_equal(ko_tls_days_left(fresh), 40);
    assert_true(ko_tls_days_left(stale) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_1_2_and_1_3_are_spoken_and_older_ones_refused),
        cmocka_unit_test(only_forward_secret_aead_ciphers_are_taken),
        cmocka_unit_test(aes_128_is_preferred_unless_the_client_puts_chacha_first),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(sessions_resume),
        cmocka_unit_test(sessions_resume_across_a_reload_and_on_every_context),
        cmocka_unit_test(a_ticket_of_another_server_leads_to_a_full_handshake),
        cmocka_unit_test(the_server_name_chooses_the_certificate),
        cmocka_unit_test(the_client_chooses_between_ecdsa_and_rsa_of_one_name),
        cmocka_unit_test(the_whole_chain_is_sent),
        cmocka_unit_test(alpn_speaks_http_1_1_only),
        cmocka_unit_test(broken_files_are_invalid_and_named),
        cmocka_unit_test(a_reload_takes_the_new_certificate_and_spares_open_connections),
        cmocka_unit_test(a_reload_of_broken_files_keeps_the_old_certificate),
        cmocka_unit_test(the_earliest_expiry_counts_and_is_negative_when_past),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
