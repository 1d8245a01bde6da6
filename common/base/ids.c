/* common/base/ids.c: random identifiers.
 *
 * Request ids count up from a random 64-bit start: within a process they cannot repeat, and two
 * processes meet only if their starts lie within a day's requests of each other. */
#include "common/base/ids.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/random.h>

#include "common/base/err.h"
#include "common/base/hash.h"

void ko_ids_random(void *out, size_t len)
{
    char *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        KO_ASSERT(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

void ko_ids_uuid(char out[static KO_IDS_UUID_MAX])
{
    uint8_t raw[16];
    char hex[33];
    static const uint8_t group_start[] = {0, 8, 12, 16, 20, 32};

    ko_ids_random(raw, sizeof(raw));
    raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40); /* RFC 9562 section 5.4: version 4 */
    raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80); /* section 4.1: variant */
    ko_hex_encode(raw, sizeof(raw), hex);
    for (size_t g = 0; g + 1 < sizeof(group_start); g++) {
        size_t len = (size_t)group_start[g + 1] - group_start[g];
        memcpy(out + group_start[g] + g, hex + group_start[g], len);
        out[group_start[g + 1] + g] = g == 4 ? '\0' : '-';
    }
}

static atomic_uint_fast64_t next_request;
static pthread_once_t request_once = PTHREAD_ONCE_INIT;

static void start_requests(void)
{
    uint64_t start;

    ko_ids_random(&start, sizeof(start));
    atomic_store(&next_request, start);
}

void ko_ids_request(char out[static KO_IDS_REQUEST_MAX])
{
    static const char digits[] = "0123456789abcdef";

    (void)pthread_once(&request_once, start_requests);
    uint64_t id = atomic_fetch_add_explicit(&next_request, 1, memory_order_relaxed);
    for (size_t i = 0; i < 16; i++)
        out[i] = digits[id >> (60 - 4 * i) & 15];
    out[16] = '\0';
}
