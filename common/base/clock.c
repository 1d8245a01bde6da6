/* common/base/clock.c: clocks and dates.
 *
 * Dates are computed here, not by the C library: no locale, no time zone files, no locks, and no
 * allocation on the path of every answer (the Date header). The proleptic Gregorian calendar in
 * "years from March" arithmetic: the leap day is the last day of such a year. */
#include "common/base/clock.h"

#include <stdbool.h>

static struct timespec now(clockid_t clock)
{
    struct timespec ts;

    KO_ASSERT(clock_gettime(clock, &ts) == 0);
    return ts;
}

int64_t ko_clock_wall_s(void)
{
    return now(CLOCK_REALTIME).tv_sec;
}

int64_t ko_clock_wall_ms(void)
{
    struct timespec ts = now(CLOCK_REALTIME);

    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t ko_clock_mono_ms(void)
{
    struct timespec ts = now(CLOCK_MONOTONIC);

    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t ko_clock_mono_us(void)
{
    struct timespec ts = now(CLOCK_MONOTONIC);

    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- Dates ---- */

#define DAY_S       86400
#define ERA_DAYS    146097 /* 400 years */
#define DAYS_TO_ERA 719468 /* from 0000-03-01 to 1970-01-01 */
/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of year can say */
#define MIN_S INT64_C(-62167219200)
#define MAX_S INT64_C(253402300799)

typedef struct {
    unsigned year, month, day, hour, minute, second; /* month and day from 1 */
    unsigned weekday;                                /* 0 is Sunday */
} date;

static date date_of(int64_t at_s)
{
    if (at_s < MIN_S)
        at_s = MIN_S;
    if (at_s > MAX_S)
        at_s = MAX_S;

    /* One era is added so that all that follows is unsigned; it holds whole weeks. */
    uint64_t days = (uint64_t)(at_s + (int64_t)DAY_S * (DAYS_TO_ERA + ERA_DAYS)) / DAY_S;
    unsigned rest = (unsigned)((at_s - MIN_S) % DAY_S);
    unsigned era = (unsigned)(days / ERA_DAYS), of_era = (unsigned)(days % ERA_DAYS);
    unsigned year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365; /* of era */
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);              /* from March */
    unsigned month = (5 * of_year + 2) / 153;                                      /* 0 is March */
    date d = {
        .day = of_year - (153 * month + 2) / 5 + 1,
        .month = month < 10 ? month + 3 : month - 9,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .weekday = (unsigned)((days + 3) % 7), /* 0000-03-01 was a Wednesday */
    };
    d.year = year + 400 * era + (d.month <= 2) - 400;
    return d;
}

static int64_t seconds_of(const date *d)
{
    unsigned year = d->year + 400 - (d->month <= 2), of_era = year % 400;
    unsigned month = d->month > 2 ? d->month - 3 : d->month + 9;
    unsigned of_year = (153 * month + 2) / 5 + d->day - 1;
    unsigned of_day = d->hour * 3600 + d->minute * 60 + d->second;
    unsigned in_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year; /* days */
    int64_t days = (int64_t)(year / 400) * ERA_DAYS + in_era - DAYS_TO_ERA - ERA_DAYS;

    return days * DAY_S + of_day;
}

static char *put_digits(char *at, unsigned value, unsigned count)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

static char *put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

/* Three digits joined by a separator: the date and the time of day look alike. */
static char *put_triple(char *at, unsigned a, unsigned a_digits, unsigned b, unsigned c, char sep)
{
    at = put_char(put_digits(at, a, a_digits), sep);
    at = put_char(put_digits(at, b, 2), sep);
    return put_digits(at, c, 2);
}

static char *put_rfc3339(char *at, int64_t at_s)
{
    date d = date_of(at_s);

    at = put_char(put_triple(at, d.year, 4, d.month, d.day, '-'), 'T');
    return put_triple(at, d.hour, 2, d.minute, d.second, ':');
}

void ko_clock_rfc3339(int64_t at_s, char out[static KO_CLOCK_RFC3339_MAX])
{
    memcpy(put_rfc3339(out, at_s), "Z", 2);
}

void ko_clock_rfc3339_ms(int64_t at_ms, char out[static KO_CLOCK_RFC3339_MAX])
{
    int64_t ms = at_ms % 1000;
    int64_t at_s = at_ms / 1000;

    if (ms < 0) { /* before 1970 division rounds towards it */
        ms += 1000;
        at_s--;
    }
    char *at = put_char(put_rfc3339(out, at_s), '.');
    memcpy(put_digits(at, (unsigned)ms, 3), "Z", 2);
}

void ko_clock_http(int64_t at_s, char out[static KO_CLOCK_HTTP_MAX])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    date d = date_of(at_s);
    char *at = out;

    memcpy(at, days + (size_t)3 * d.weekday, 3);
    at = put_char(put_char(at + 3, ','), ' ');
    at = put_char(put_digits(at, d.day, 2), ' ');
    memcpy(at, months + (size_t)3 * (d.month - 1), 3);
    at = put_char(at + 3, ' ');
    at = put_char(put_digits(at, d.year, 4), ' ');
    memcpy(put_triple(at, d.hour, 2, d.minute, d.second, ':'), " GMT", 5);
}

/* ---- Parsing RFC 3339 ---- */

/* Takes `count` digits off the front. */
static bool take_digits(ko_str *rest, size_t count, unsigned min, unsigned max, unsigned *out)
{
    unsigned value = 0;

    if (rest->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
            return false;
        value = value * 10 + (unsigned)(rest->ptr[i] - '0');
    }
    *rest = ko_str_slice(*rest, count, rest->len);
    *out = value;
    return value >= min && value <= max;
}

static bool take_char(ko_str *rest, char c, char or_c)
{
    if (rest->len == 0 || (rest->ptr[0] != c && rest->ptr[0] != or_c))
        return false;
    *rest = ko_str_slice(*rest, 1, rest->len);
    return true;
}

static bool take_fraction(ko_str *rest)
{
    unsigned digit, count = 0;

    if (!take_char(rest, '.', '.'))
        return true;
    while (take_digits(rest, 1, 0, 9, &digit))
        count++;
    return count > 0;
}

static bool take_offset(ko_str *rest, int64_t *out_s)
{
    unsigned hours, minutes;

    if (take_char(rest, 'Z', 'z')) {
        *out_s = 0;
        return true;
    }
    bool west = rest->len > 0 && rest->ptr[0] == '-';
    if (!take_char(rest, '+', '-') || !take_digits(rest, 2, 0, 23, &hours) ||
        !take_char(rest, ':', ':') || !take_digits(rest, 2, 0, 59, &minutes))
        return false;
    *out_s = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static bool take_date(ko_str *rest, date *d)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (!take_digits(rest, 4, 0, 9999, &d->year) || !take_char(rest, '-', '-') ||
        !take_digits(rest, 2, 1, 12, &d->month) || !take_char(rest, '-', '-') ||
        !take_digits(rest, 2, 1, 31, &d->day))
        return false;
    bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
    return d->day <= days[d->month - 1] + (unsigned)(leap && d->month == 2);
}

/* RFC 3339 section 5.6; a leap second (60) is accepted and counts as the next second. */
static bool take_time(ko_str *rest, date *d)
{
    return take_digits(rest, 2, 0, 23, &d->hour) && take_char(rest, ':', ':') &&
           take_digits(rest, 2, 0, 59, &d->minute) && take_char(rest, ':', ':') &&
           take_digits(rest, 2, 0, 60, &d->second) && take_fraction(rest);
}

int ko_clock_parse_rfc3339(ko_str text, int64_t *out_s, ko_err *err)
{
    date d = {0};
    int64_t offset_s;
    ko_str rest = text;

    if (!take_date(&rest, &d) || !take_char(&rest, 'T', 't') || !take_time(&rest, &d) ||
        !take_offset(&rest, &offset_s) || rest.len > 0)
        return ko_err_set(err, KO_E_INVALID, "\"" KO_STR_FMT "\" is not an RFC 3339 time",
                          KO_STR_ARG(ko_str_slice(text, 0, 40)));
    *out_s = seconds_of(&d) - offset_s;
    return 0;
}
