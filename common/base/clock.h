/* common/base/clock.h: the two clocks and their text forms.
 *
 * Wall time (`_s`, `_ms` since 1970, UTC) is for records; monotonic time is for deadlines.
 * Threads: any. */
#ifndef KO_BASE_CLOCK_H
#define KO_BASE_CLOCK_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

int64_t ko_clock_wall_s(void);
int64_t ko_clock_wall_ms(void);
uint64_t ko_clock_mono_ms(void); /* CLOCK_MONOTONIC_COARSE-independent, exact */
uint64_t ko_clock_mono_us(void);

#define KO_CLOCK_RFC3339_MAX 32 /* bytes, with NUL: "2026-11-23T20:35:54.123Z" */
#define KO_CLOCK_HTTP_MAX    32 /* bytes, with NUL: "Mon, 23 Nov 2026 20:35:54 GMT" */

/* "2026-11-23T20:35:54Z" */
void ko_clock_rfc3339(int64_t at_s, char out[static KO_CLOCK_RFC3339_MAX]);
/* "2026-11-23T20:35:54.123Z" */
void ko_clock_rfc3339_ms(int64_t at_ms, char out[static KO_CLOCK_RFC3339_MAX]);
/* RFC 9110 section 5.6.7, IMF-fixdate. */
void ko_clock_http(int64_t at_s, char out[static KO_CLOCK_HTTP_MAX]);
/* RFC 3339 with Z or offset, fraction ignored. errors INVALID. */
KO_MUST_USE int ko_clock_parse_rfc3339(ko_str text, int64_t *out_s, ko_err *err);

#endif
