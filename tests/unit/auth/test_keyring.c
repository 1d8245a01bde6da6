#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/keyring.h"
#include "common/base/clock.h"
#include "storage/meta_key.h"

#define DAY 86400

typedef struct {
    ko_meta *meta;
} fixture;

static int set_up(void **state)
{
    fixture *f = ko_new(fixture);

    assert_int_equal(ko_meta_open_memory(&f->meta, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    ko_meta_free(f->meta);
    free(f);
    return 0;
}

static ko_keyring *open_ring(fixture *f)
{
    ko_keyring *ring = NULL;
    ko_err err = KO_ERR_INIT;

    if (ko_keyring_open(f->meta, DAY, DAY, &ring, &err) < 0)
        fail_msg("%s", err.text);
    return ring;
}

static char *sign(ko_keyring *ring)
{
    ko_autobuf token;

    ko_buf_init(&token, 4096);
    assert_int_equal(ko_keyring_sign(ring, KO_STR("{\"a\":1}"), &token, NULL), 0);
    return ko_buf_take(&token);
}

static bool verifies(ko_keyring *ring, const char *token)
{
    ko_autobuf claims;

    ko_buf_init(&claims, 4096);
    return ko_keyring_verify(ring, ko_str_of(token), &claims, NULL) == 0;
}

/* Puts a key into the database as if it had been made and retired at these times. */
typedef struct {
    int64_t made_at_s;
    int64_t retired_at_s;
    ko_jwt_key *key;
} old_key;

static int add_key(ko_meta_tx *tx, void *arg, ko_err *err)
{
    old_key *old = arg;
    ko_autobuf der;

    ko_buf_init(&der, 1024);
    if (ko_jwt_key_save(old->key, &der, err) < 0 ||
        ko_meta_key_add(tx, ko_str_of(ko_jwt_key_id(old->key)), ko_buf_str(&der), old->made_at_s,
                        err) < 0)
        return -1;
    return old->retired_at_s == 0
               ? 0
               : ko_meta_key_retire(tx, ko_str_of(ko_jwt_key_id(old->key)), old->retired_at_s, err);
}

static char *sign_with_old_key(fixture *f, int64_t made_at_s, int64_t retired_at_s)
{
    old_key old = {made_at_s, retired_at_s, NULL};
    ko_autobuf token;

    ko_buf_init(&token, 4096);
    assert_int_equal(ko_jwt_key_generate(&old.key, NULL), 0);
    assert_int_equal(ko_meta_write(f->meta, KO_META_LAZY, add_key, &old, NULL), 0);
    assert_int_equal(ko_jwt_sign(old.key, KO_STR("{}"), &token, NULL), 0);
    ko_jwt_key_free(old.key);
    return ko_buf_take(&token);
}

static size_t count_keys(ko_keyring *ring)
{
    ko_autobuf jwks;
    size_t count = 0;

    ko_buf_init(&jwks, 16384);
    assert_int_equal(ko_keyring_print_jwks(ring, &jwks), 0);
    for (const char *p = jwks.data; (p = strstr(p, "\"kid\"")) != NULL; p++)
        count++;
    return count;
}

static void the_first_key_is_made_and_shared_through_the_database(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_keyring) one = open_ring(f);
    ko_autoptr(ko_keyring) two = open_ring(f);
    ko_autofree char *token = sign(one);

    assert_int_equal(count_keys(one), 1);
    assert_int_equal(count_keys(two), 1);
    assert_true(verifies(two, token));
}

static void an_old_key_is_rotated_and_still_verifies(void **state)
{
    fixture *f = *state;
    int64_t now_s = ko_clock_wall_s();
    ko_autofree char *old = sign_with_old_key(f, now_s - DAY - 1, 0);
    ko_autoptr(ko_keyring) ring = open_ring(f);
    ko_autofree char *fresh = sign(ring);

    assert_int_equal(count_keys(ring), 2);
    assert_true(verifies(ring, old));
    assert_true(verifies(ring, fresh));
    assert_int_not_equal(strncmp(old, fresh, 90), 0); /* the header with the key id differs */
    assert_int_equal(ko_keyring_refresh(ring, NULL), 0);
    assert_int_equal(count_keys(ring), 2);
}

static void a_dead_key_is_removed_at_the_next_rotation(void **state)
{
    fixture *f = *state;
    int64_t now_s = ko_clock_wall_s();
    ko_autofree char *dead = sign_with_old_key(f, now_s - 5 * DAY, now_s - 2 * DAY);
    ko_autofree char *old = sign_with_old_key(f, now_s - 2 * DAY, 0);
    ko_autoptr(ko_keyring) ring = open_ring(f);

    assert_false(verifies(ring, dead));
    assert_true(verifies(ring, old));
    assert_int_equal(count_keys(ring), 2);
}

static void a_key_made_by_another_process_is_found_when_it_is_needed(void **state)
{
    fixture *f = *state;
    ko_autoptr(ko_keyring) ring = open_ring(f);
    ko_autofree char *token = sign_with_old_key(f, ko_clock_wall_s(), 0);

    assert_true(verifies(ring, token));
    /* And a key nobody knows is refused. */
    ko_autoptr(ko_jwt_key) stranger = NULL;
    ko_autobuf forged;
    ko_buf_init(&forged, 4096);
    assert_int_equal(ko_jwt_key_generate(&stranger, NULL), 0);
    assert_int_equal(ko_jwt_sign(stranger, KO_STR("{}"), &forged, NULL), 0);
    assert_false(verifies(ring, forged.data));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_first_key_is_made_and_shared_through_the_database),
        T(an_old_key_is_rotated_and_still_verifies),
        T(a_dead_key_is_removed_at_the_next_rotation),
        T(a_key_made_by_another_process_is_found_when_it_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
