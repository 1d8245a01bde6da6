/* auth/backoff.h: guessing made slow: failures are counted per account name and per client address,
 * and beyond a few free tries each failure doubles the time for which further tries are refused.
 *
 * The table is bounded: when it is full, the entry untouched for longest in its shard goes. Names
 * that do not exist are counted like those that do.
 *
 * Threads: any; never blocks. */
#ifndef KO_AUTH_BACKOFF_H
#define KO_AUTH_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_backoff ko_backoff;

typedef struct {
    unsigned free_per_account; /* failures without a delay, for one name */
    unsigned free_per_address; /* the same for one address, which many people may share */
    uint64_t first_delay_ms;   /* after the first failure too many; doubles with each more */
    uint64_t max_delay_ms;
    uint64_t forget_after_ms; /* without a failure for so long: counted from nothing again */
    size_t max_entries;
} ko_backoff_opts;

#define KO_BACKOFF_DEFAULT                                                                         \
    ((ko_backoff_opts){.free_per_account = 5,                                                      \
                       .free_per_address = 30,                                                     \
                       .first_delay_ms = 1000,                                                     \
                       .max_delay_ms = 15 * 60 * 1000,                                             \
                       .forget_after_ms = 60 * 60 * 1000,                                          \
                       .max_entries = 16384})

ko_backoff *ko_backoff_new(const ko_backoff_opts *opts); /* owned by the caller */
ko_backoff *ko_backoff_free(ko_backoff *backoff);
KO_DEFINE_AUTOPTR(ko_backoff, ko_backoff_free);

/* Milliseconds until this account or address may try again; 0: now. `address` is the text of an IP
 * address; for IPv6 the /64 counts. Either may be empty. */
uint64_t ko_backoff_wait_ms(ko_backoff *backoff, ko_str account, ko_str address, uint64_t now_ms);
/* A failed try. */
void ko_backoff_failed(ko_backoff *backoff, ko_str account, ko_str address, uint64_t now_ms);
/* A successful one: the account's count begins anew, and the address's goes down by it. For 30 days
 * only the tries from this address count for this account there, so that guessing from elsewhere
 * cannot lock its owner out. */
void ko_backoff_succeeded(ko_backoff *backoff, ko_str account, ko_str address, uint64_t now_ms);

#endif
