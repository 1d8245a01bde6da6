/* server/metrics.h: counters of the program, for /metrics.
 *
 * Threads: counting from any thread, lock-free; printing from any. */
#ifndef KO_SERVER_METRICS_H
#define KO_SERVER_METRICS_H

#include "common/base/buf.h"
#include "common/base/own.h"
#include "server/route.h"

/* X(name, exposed name, help) */
#define KO_METRICS(X)                                                                              \
    X(BLOBS_PUSHED, "kontor_blobs_pushed_total", "Blobs committed or mounted.")                    \
    X(MANIFESTS_PUSHED, "kontor_manifests_pushed_total", "Manifests stored.")                      \
    X(LOGINS_FAILED, "kontor_logins_failed_total", "Credentials that were refused.")

typedef enum {
#define X(name, exposed, help) KO_METRIC_##name,
    KO_METRICS(X)
#undef X
        KO_METRIC_COUNT
} ko_metric;

typedef struct ko_metrics ko_metrics;

ko_metrics *ko_metrics_new(void); /* owned by the caller */
ko_metrics *ko_metrics_free(ko_metrics *metrics);
KO_DEFINE_AUTOPTR(ko_metrics, ko_metrics_free);

void ko_metrics_add(ko_metrics *metrics, ko_metric metric, uint64_t by);
/* A finished request; `endpoint` NULL: none was found. status 0: lost before an answer. */
void ko_metrics_request(ko_metrics *metrics, const ko_endpoint *endpoint, int status,
                        uint64_t took_us);

/* Prometheus text format 0.0.4, appended. */
int ko_metrics_print(const ko_metrics *metrics, ko_buf *out);
/* One sample of something counted elsewhere. `type` is "counter" or "gauge". */
int ko_metrics_print_one(ko_buf *out, const char *name, const char *type, const char *help,
                         uint64_t value);

#endif
