/* auth/backoff.c: counters of failed logins.
 *
 * Three kinds of counters share one table: per account name, per address, and per pair of both. A
 * pair exists only after a successful login from that address, for weeks, as passwords are not used
 * every day by those who have tokens and caches; and while it does it alone counts:
 * somebody who guesses at an account from elsewhere cannot lock its owner out, nor can a neighbour
 * behind the same address translation, and guesses from the owner's own address meet the same limit
 * as any.
 *
 * The table is set-associative: a 64-bit keyed hash picks a set of eight slots, the oldest of which
 * makes room. An attacker who floods it with names only evicts; the address counter that stops the
 * flood is touched with each try and so is the youngest in its set. */
#include "auth/backoff.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>

#include "common/base/map.h"

#define SET_SIZE     8
#define MAX_SHIFT    20
#define KNOWN_FOR_MS (30 * 24 * 3600 * UINT64_C(1000)) /* a pair, since it was last used */

typedef struct {
    uint64_t key; /* 0: empty */
    uint64_t touched_ms;
    uint64_t until_ms;
    unsigned failures;
} slot;

struct ko_backoff {
    ko_backoff_opts opts;
    pthread_mutex_t lock;
    size_t sets;
    slot *slots;
};

typedef enum { BY_ACCOUNT = 'a', BY_ADDRESS = 'i', BY_PAIR = 'p' } counter_kind;

ko_backoff *ko_backoff_new(const ko_backoff_opts *opts)
{
    ko_backoff *backoff = ko_new(ko_backoff);

    backoff->opts = *opts;
    backoff->sets = opts->max_entries / SET_SIZE + 1;
    backoff->slots = ko_xcalloc(backoff->sets * SET_SIZE, sizeof(slot));
    KO_ASSERT(pthread_mutex_init(&backoff->lock, NULL) == 0);
    return backoff;
}

ko_backoff *ko_backoff_free(ko_backoff *backoff)
{
    if (!backoff)
        return NULL;
    pthread_mutex_destroy(&backoff->lock);
    free(backoff->slots);
    free(backoff);
    return NULL;
}

/* What of an address counts: an IPv4 address whole, of IPv6 the /64 that one customer has. */
static size_t significant_address(ko_str address, uint8_t out[static 16])
{
    char text[INET6_ADDRSTRLEN];
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (address.len == 0 || address.len >= sizeof(text))
        return 0;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    if (inet_pton(AF_INET6, text, out) != 1)
        return 0;
    if (memcmp(out, mapped, sizeof(mapped)) != 0)
        return 8;
    memmove(out, out + 12, 4);
    return 4;
}

/* 0 when that counter does not apply. */
static uint64_t counter_key(counter_kind kind, ko_str account, ko_str address)
{
    uint8_t bytes[1 + 16 + 256];
    size_t len = 1;

    bytes[0] = (uint8_t)kind;
    if (kind != BY_ACCOUNT) {
        size_t n = significant_address(address, bytes + len);

        if (n == 0)
            return 0;
        len += n;
    }
    if (kind != BY_ADDRESS) {
        size_t n = account.len > 256 ? 256 : account.len;

        if (n == 0)
            return 0;
        memcpy(bytes + len, account.ptr, n);
        len += n;
    }
    uint64_t hash = ko_map_hash(bytes, len);
    return hash ? hash : 1;
}

static slot *find_slot(ko_backoff *backoff, uint64_t key)
{
    slot *set = &backoff->slots[(key % backoff->sets) * SET_SIZE];

    for (size_t i = 0; key && i < SET_SIZE; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static slot *make_slot(ko_backoff *backoff, uint64_t key, uint64_t now_ms)
{
    slot *set = &backoff->slots[(key % backoff->sets) * SET_SIZE];
    slot *found = find_slot(backoff, key);

    if (!found) {
        found = set;
        for (size_t i = 1; i < SET_SIZE; i++)
            if (set[i].touched_ms < found->touched_ms)
                found = &set[i];
        *found = (slot){.key = key};
    }
    found->touched_ms = now_ms;
    return found;
}

static uint64_t wait_of(ko_backoff *backoff, uint64_t key, uint64_t now_ms)
{
    const slot *s = find_slot(backoff, key);

    return s && s->until_ms > now_ms ? s->until_ms - now_ms : 0;
}

/* Has the account logged in from this address not too long ago? */
static bool is_known_pair(ko_backoff *backoff, uint64_t pair, uint64_t now_ms)
{
    const slot *s = find_slot(backoff, pair);

    return s && now_ms - s->touched_ms < KNOWN_FOR_MS;
}

static void count_failure(ko_backoff *backoff, uint64_t key, unsigned free_tries, uint64_t now_ms)
{
    if (key == 0)
        return;
    slot *s = find_slot(backoff, key);
    bool stale = s && now_ms - s->touched_ms >= backoff->opts.forget_after_ms;

    s = make_slot(backoff, key, now_ms);
    if (stale)
        s->failures = 0;
    s->failures++;
    if (s->failures <= free_tries)
        return;

    unsigned shift = s->failures - free_tries - 1;
    uint64_t delay = backoff->opts.first_delay_ms << (shift > MAX_SHIFT ? MAX_SHIFT : shift);
    if (delay > backoff->opts.max_delay_ms)
        delay = backoff->opts.max_delay_ms;
    s->until_ms = now_ms + delay;
}

uint64_t ko_backoff_wait_ms(ko_backoff *backoff, ko_str account, ko_str address, uint64_t now_ms)
{
    uint64_t pair = counter_key(BY_PAIR, account, address);
    uint64_t wait;

    pthread_mutex_lock(&backoff->lock);
    if (is_known_pair(backoff, pair, now_ms)) {
        wait = wait_of(backoff, pair, now_ms);
    } else {
        uint64_t account_wait = wait_of(backoff, counter_key(BY_ACCOUNT, account, address), now_ms);
        uint64_t address_wait = wait_of(backoff, counter_key(BY_ADDRESS, account, address), now_ms);

        wait = account_wait > address_wait ? account_wait : address_wait;
    }
    pthread_mutex_unlock(&backoff->lock);
    return wait;
}

void ko_backoff_failed(ko_backoff *backoff, ko_str account, ko_str address, uint64_t now_ms)
{
    uint64_t pair = counter_key(BY_PAIR, account, address);
    const ko_backoff_opts *opts = &backoff->opts;

    pthread_mutex_lock(&backoff->lock);
    if (is_known_pair(backoff, pair, now_ms)) {
        count_failure(backoff, pair, opts->free_per_account, now_ms);
    } else {
        count_failure(backoff, counter_key(BY_ACCOUNT, account, address), opts->free_per_account,
                      now_ms);
        count_failure(backoff, counter_key(BY_ADDRESS, account, address), opts->free_per_address,
                      now_ms);
    }
    pthread_mutex_unlock(&backoff->lock);
}

static void clear_count(slot *s)
{
    if (!s)
        return;
    s->failures = 0;
    s->until_ms = 0;
}

void ko_backoff_succeeded(ko_backoff *backoff, ko_str account, ko_str address, uint64_t now_ms)
{
    uint64_t pair = counter_key(BY_PAIR, account, address);

    pthread_mutex_lock(&backoff->lock);
    slot *by_account = find_slot(backoff, counter_key(BY_ACCOUNT, account, address));
    slot *by_address = find_slot(backoff, counter_key(BY_ADDRESS, account, address));
    /* The mistakes of this account are forgiven, those with other names are not: whoever owns one
     * account could otherwise guess at all others for ever. */
    if (by_account && by_address)
        by_address->failures -= by_account->failures < by_address->failures ? by_account->failures
                                                                            : by_address->failures;
    clear_count(by_account);
    if (pair)
        clear_count(make_slot(backoff, pair, now_ms));
    pthread_mutex_unlock(&backoff->lock);
}
