/* auth/keyring.c: signing keys in memory and in the database.
 *
 * What is in memory is an immutable set behind a reference count, so that signing and verifying
 * hold the lock only to take a reference. A refresh builds a new set and swaps it in. Two processes
 * that find the newest key too old at the same time may both make one: harmless, both verify, and
 * the next rotation retires both. */
#include "auth/keyring.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/secret.h"
#include "storage/meta_key.h"

#define MAX_PRIVATE_KEY 1024
#define LOOK_AGAIN_MS   1000 /* how often an unknown key id may cost a database read */

typedef struct {
    atomic_uint refs;
    size_t count; /* at least 1; the first signs */
    ko_jwt_key *keys[];
} key_set;

struct ko_keyring {
    ko_meta *meta;
    int64_t rotate_s;
    int64_t keep_s;
    pthread_mutex_t lock; /* of the two below */
    key_set *set;
    uint64_t looked_at_ms;
};

/* ---- Sets ---- */

static key_set *set_unref(key_set *set)
{
    if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
        return NULL;
    for (size_t i = 0; i < set->count; i++)
        ko_jwt_key_free(set->keys[i]);
    free(set);
    return NULL;
}
KO_DEFINE_AUTOPTR(key_set, set_unref);

static key_set *set_take(ko_keyring *ring)
{
    pthread_mutex_lock(&ring->lock);
    key_set *set = ring->set;
    atomic_fetch_add(&set->refs, 1);
    pthread_mutex_unlock(&ring->lock);
    return set;
}

static void set_swap(ko_keyring *ring, key_set *fresh)
{
    pthread_mutex_lock(&ring->lock);
    key_set *old = ring->set;
    ring->set = fresh;
    pthread_mutex_unlock(&ring->lock);
    set_unref(old);
}

static const ko_jwt_key *find_in_set(void *arg, ko_str kid)
{
    const key_set *set = arg;

    for (size_t i = 0; i < set->count; i++)
        if (ko_str_eq(kid, ko_str_of(ko_jwt_key_id(set->keys[i]))))
            return set->keys[i];
    return NULL;
}

/* ---- The database ---- */

typedef struct {
    ko_keyring *ring;
    int64_t now_s;
    bool due; /* out: there is no young key, or a dead one */
    key_set *set;
} load_job;

static bool needs_rotation(const ko_keyring *ring, const ko_meta_key *keys, size_t count,
                           int64_t now_s)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].retired_at_s == 0 && now_s - keys[i].created_at_s < ring->rotate_s)
            return false;
    return true;
}

static int load_keys(ko_meta_tx *tx, void *arg, ko_err *err)
{
    load_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_key *rows = NULL;
    size_t count = 0;

    if (ko_meta_key_list(tx, arena, &rows, &count, err) < 0)
        return -1;
    job->due = needs_rotation(job->ring, rows, count, job->now_s);

    ko_autoptr(key_set) set = ko_xcalloc(1, sizeof(key_set) + count * sizeof(ko_jwt_key *));
    set->refs = 1;
    /* Keys that sign come first, and of these the newest. */
    for (int retired = 0; retired <= 1; retired++)
        for (size_t i = 0; i < count; i++) {
            if ((rows[i].retired_at_s != 0) != (retired != 0))
                continue;
            if (ko_jwt_key_load(rows[i].private_key, &set->keys[set->count], err) < 0)
                return ko_err_ctx(err, "signing key %s", rows[i].kid);
            set->count++;
        }
    set_unref(job->set); /* of a run before a conflict */
    job->set = ko_steal(&set);
    return 0;
}

typedef struct {
    ko_keyring *ring;
    int64_t now_s;
    ko_str kid;
    ko_str der;
} rotate_job;

static int rotate_keys(ko_meta_tx *tx, void *arg, ko_err *err)
{
    rotate_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_key *rows = NULL;
    size_t count = 0;

    if (ko_meta_key_list(tx, arena, &rows, &count, err) < 0)
        return -1;
    if (!needs_rotation(job->ring, rows, count, job->now_s))
        return 0; /* another process was quicker */
    for (size_t i = 0; i < count; i++)
        if (rows[i].retired_at_s == 0 &&
            ko_meta_key_retire(tx, ko_str_of(rows[i].kid), job->now_s, err) < 0)
            return -1;
    if (ko_meta_key_add(tx, job->kid, job->der, job->now_s, err) < 0)
        return -1;
    return ko_meta_key_prune(tx, job->now_s - job->ring->keep_s, err);
}

static int rotate(ko_keyring *ring, int64_t now_s, ko_err *err)
{
    ko_autoptr(ko_jwt_key) key = NULL;
    ko_autobuf der;
    rotate_job job = {.ring = ring, .now_s = now_s};

    ko_buf_init(&der, MAX_PRIVATE_KEY);
    if (ko_jwt_key_generate(&key, err) < 0 || ko_jwt_key_save(key, &der, err) < 0)
        return -1;
    job.kid = ko_str_of(ko_jwt_key_id(key));
    job.der = ko_buf_str(&der);
    int rc = ko_meta_write(ring->meta, KO_META_DURABLE, rotate_keys, &job, err);
    ko_secret_wipe(der.data, der.len);
    return rc;
}

static int refresh_at(ko_keyring *ring, int64_t now_s, ko_err *err)
{
    for (int round = 0; round < 2; round++) {
        load_job job = {.ring = ring, .now_s = now_s};

        if (ko_meta_read(ring->meta, load_keys, &job, err) < 0) {
            set_unref(job.set);
            return ko_err_ctx(err, "load signing keys");
        }
        if (job.set->count > 0 && (!job.due || round > 0)) {
            set_swap(ring, job.set);
            return 0;
        }
        set_unref(job.set);
        if (round == 0 && rotate(ring, now_s, err) < 0)
            return ko_err_ctx(err, "rotate signing keys");
    }
    return ko_err_set(err, KO_E_CORRUPT, "no signing key after one was made");
}

int ko_keyring_refresh(ko_keyring *ring, ko_err *err)
{
    return refresh_at(ring, ko_clock_wall_s(), err);
}

int ko_keyring_open(ko_meta *meta, uint64_t rotate_s, uint64_t keep_s, ko_keyring **out,
                    ko_err *err)
{
    ko_autoptr(ko_keyring) ring = ko_new(ko_keyring);

    ring->meta = meta;
    ring->rotate_s = (int64_t)rotate_s;
    ring->keep_s = (int64_t)keep_s;
    KO_ASSERT(pthread_mutex_init(&ring->lock, NULL) == 0);
    if (ko_keyring_refresh(ring, err) < 0)
        return -1;
    *out = ko_steal(&ring);
    return 0;
}

ko_keyring *ko_keyring_free(ko_keyring *ring)
{
    if (!ring)
        return NULL;
    set_unref(ring->set);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
    return NULL;
}

/* ---- Use ---- */

int ko_keyring_sign(ko_keyring *ring, ko_str claims, ko_buf *out, ko_err *err)
{
    ko_autoptr(key_set) set = set_take(ring);

    return ko_jwt_sign(set->keys[0], claims, out, err);
}

/* Another process may have made the key since we looked. Not more than once in a while, or rubbish
 * key ids would be a way to make us work. */
static bool may_look_again(ko_keyring *ring)
{
    uint64_t now_ms = ko_clock_mono_ms();

    pthread_mutex_lock(&ring->lock);
    bool may = ring->looked_at_ms == 0 || now_ms - ring->looked_at_ms >= LOOK_AGAIN_MS;
    if (may)
        ring->looked_at_ms = now_ms;
    pthread_mutex_unlock(&ring->lock);
    return may;
}

typedef struct {
    key_set *set;
    bool missed;
} find_job;

static const ko_jwt_key *find_noting_a_miss(void *arg, ko_str kid)
{
    find_job *job = arg;
    const ko_jwt_key *key = find_in_set(job->set, kid);

    job->missed = !key;
    return key;
}

int ko_keyring_verify(ko_keyring *ring, ko_str token, ko_buf *claims, ko_err *err)
{
    ko_autoptr(key_set) set = set_take(ring);
    find_job job = {.set = set};

    if (ko_jwt_verify(token, find_noting_a_miss, &job, claims, err) == 0)
        return 0;
    if (!job.missed || !may_look_again(ring))
        return -1;
    if (ko_keyring_refresh(ring, err) < 0)
        return -1;
    ko_autoptr(key_set) fresh = set_take(ring);
    return ko_jwt_verify(token, find_in_set, fresh, claims, err);
}

int ko_keyring_print_jwks(ko_keyring *ring, ko_buf *out)
{
    ko_autoptr(key_set) set = set_take(ring);
    int rc = ko_buf_put_text(out, "{\"keys\":[");

    for (size_t i = 0; i < set->count; i++) {
        if (i > 0)
            rc |= ko_buf_put_char(out, ',');
        rc |= ko_jwt_key_print_jwk(set->keys[i], out);
    }
    rc |= ko_buf_put_text(out, "]}");
    return rc;
}
