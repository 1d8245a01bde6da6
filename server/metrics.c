/* server/metrics.c: see metrics.h. Relaxed atomics: a scrape needs no order between counters. */
#include "server/metrics.h"

#include <stdatomic.h>

#include "common/base/limits.h"

/* Upper bounds of the latency histogram, microseconds. */
static const uint64_t bounds_us[] = {250,    1000,    5000,     25000,   100000,
                                     500000, 2500000, 10000000, 60000000};
#define BUCKETS (KO_ARRAY_LEN(bounds_us) + 1)

/* Status classes: 0 for requests lost before an answer, 1 to 5 for 1xx to 5xx. */
static const char *const classes[] = {"lost", "1xx", "2xx", "3xx", "4xx", "5xx"};

typedef struct {
    atomic_uint_fast64_t by_class[KO_ARRAY_LEN(classes)];
    atomic_uint_fast64_t buckets[BUCKETS];
    atomic_uint_fast64_t sum_us;
} endpoint_counts;

struct ko_metrics {
    atomic_uint_fast64_t counters[KO_METRIC_COUNT];
    endpoint_counts endpoints[KO_EP_COUNT + 1]; /* the last: no endpoint */
};

static const struct {
    const char *name;
    const char *help;
} counter_texts[] = {
#define X(name, exposed, help) {exposed, help},
    KO_METRICS(X)
#undef X
};

ko_metrics *ko_metrics_new(void)
{
    return ko_new(ko_metrics);
}

ko_metrics *ko_metrics_free(ko_metrics *metrics)
{
    free(metrics);
    return NULL;
}

static void count(atomic_uint_fast64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static unsigned long long read_count(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void ko_metrics_add(ko_metrics *metrics, ko_metric metric, uint64_t by)
{
    count(&metrics->counters[metric], by);
}

void ko_metrics_request(ko_metrics *metrics, const ko_endpoint *endpoint, int status,
                        uint64_t took_us)
{
    endpoint_counts *counts = &metrics->endpoints[endpoint ? endpoint->id : KO_EP_COUNT];
    size_t class = status >= 100 && status < 600 ? (size_t)status / 100 : 0;
    size_t bucket = 0;

    while (bucket < KO_ARRAY_LEN(bounds_us) && took_us > bounds_us[bucket])
        bucket++;
    count(&counts->by_class[class], 1);
    count(&counts->buckets[bucket], 1);
    count(&counts->sum_us, took_us);
}

int ko_metrics_print_one(ko_buf *out, const char *name, const char *type, const char *help,
                         uint64_t value)
{
    return ko_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                         (unsigned long long)value);
}

static const char *endpoint_name(size_t i)
{
    return i < KO_EP_COUNT ? ko_route_endpoint((ko_endpoint_id)i)->name : "none";
}

static void print_requests(const ko_metrics *metrics, ko_buf *out)
{
    (void)ko_buf_put_text(out,
                          "# HELP kontor_requests_total Requests by endpoint and status class.\n"
                          "# TYPE kontor_requests_total counter\n");
    for (size_t i = 0; i <= KO_EP_COUNT; i++)
        for (size_t c = 0; c < KO_ARRAY_LEN(classes); c++) {
            unsigned long long n = read_count(&metrics->endpoints[i].by_class[c]);

            if (n > 0)
                (void)ko_buf_printf(out,
                                    "kontor_requests_total{endpoint=\"%s\",status=\"%s\"} %llu\n",
                                    endpoint_name(i), classes[c], n);
        }
}

static void print_latency(const endpoint_counts *counts, const char *name, ko_buf *out)
{
    unsigned long long total = 0;

    for (size_t b = 0; b < BUCKETS; b++) {
        total += read_count(&counts->buckets[b]);
        if (b < KO_ARRAY_LEN(bounds_us))
            (void)ko_buf_printf(out,
                                "kontor_request_seconds_bucket{endpoint=\"%s\",le=\"%g\"} %llu\n",
                                name, (double)bounds_us[b] / 1e6, total);
        else
            (void)ko_buf_printf(out,
                                "kontor_request_seconds_bucket{endpoint=\"%s\",le=\"+Inf\"} %llu\n",
                                name, total);
    }
    (void)ko_buf_printf(out,
                        "kontor_request_seconds_sum{endpoint=\"%s\"} %g\n"
                        "kontor_request_seconds_count{endpoint=\"%s\"} %llu\n",
                        name, (double)read_count(&counts->sum_us) / 1e6, name, total);
}

static bool was_used(const endpoint_counts *counts)
{
    for (size_t b = 0; b < BUCKETS; b++)
        if (read_count(&counts->buckets[b]) > 0)
            return true;
    return false;
}

int ko_metrics_print(const ko_metrics *metrics, ko_buf *out)
{
    for (size_t i = 0; i < KO_METRIC_COUNT; i++)
        (void)ko_metrics_print_one(out, counter_texts[i].name, "counter", counter_texts[i].help,
                                   read_count(&metrics->counters[i]));
    print_requests(metrics, out);
    (void)ko_buf_put_text(out, "# HELP kontor_request_seconds Time from head to end of a request.\n"
                               "# TYPE kontor_request_seconds histogram\n");
    for (size_t i = 0; i <= KO_EP_COUNT; i++)
        if (was_used(&metrics->endpoints[i]))
            print_latency(&metrics->endpoints[i], endpoint_name(i), out);
    return out->overflow ? -1 : 0;
}
