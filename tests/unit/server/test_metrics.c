/* Counters and their text form (Prometheus 0.0.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/limits.h"
#include "server/metrics.h"

static void assert_line(const ko_buf *text, const char *line)
{
    size_t at = ko_str_find(ko_buf_str(text), ko_str_of(line));

    if (at == SIZE_MAX || (at > 0 && text->data[at - 1] != '\n') ||
        text->data[at + strlen(line)] != '\n')
        fail_msg("no line [%s] in\n%s", line, text->data);
}

static void assert_no_text(const ko_buf *text, const char *part)
{
    if (ko_str_find(ko_buf_str(text), ko_str_of(part)) != SIZE_MAX)
        fail_msg("[%s] in\n%s", part, text->data);
}

static void counters_begin_at_zero_and_unused_endpoints_are_left_out(void **state)
{
    ko_autoptr(ko_metrics) metrics = ko_metrics_new();
    ko_autobuf text = {0};
    (void)state;

    ko_buf_init(&text, KO_MIB);
    assert_int_equal(ko_metrics_print(metrics, &text), 0);
    assert_line(&text, "kontor_blobs_pushed_total 0");
    assert_line(&text, "kontor_logins_failed_total 0");
    assert_no_text(&text, "endpoint=");
}

static void requests_are_counted_by_endpoint_and_status_class(void **state)
{
    ko_autoptr(ko_metrics) metrics = ko_metrics_new();
    const ko_endpoint *get = ko_route_endpoint(KO_EP_blob_get);
    ko_autobuf text = {0};
    (void)state;

    ko_metrics_add(metrics, KO_METRIC_BLOBS_PUSHED, 3);
    ko_metrics_add(metrics, KO_METRIC_BLOBS_PUSHED, 4);
    ko_metrics_request(metrics, get, 200, 10);
    ko_metrics_request(metrics, get, 206, 10);
    ko_metrics_request(metrics, get, 404, 10);
    ko_metrics_request(metrics, get, 0, 10);
    ko_metrics_request(metrics, NULL, 404, 10);
    ko_buf_init(&text, KO_MIB);
    assert_int_equal(ko_metrics_print(metrics, &text), 0);
    assert_line(&text, "kontor_blobs_pushed_total 7");
    assert_line(&text, "kontor_requests_total{endpoint=\"blob_get\",status=\"2xx\"} 2");
    assert_line(&text, "kontor_requests_total{endpoint=\"blob_get\",status=\"4xx\"} 1");
    assert_line(&text, "kontor_requests_total{endpoint=\"blob_get\",status=\"lost\"} 1");
    assert_line(&text, "kontor_requests_total{endpoint=\"none\",status=\"4xx\"} 1");
    assert_no_text(&text, "status=\"5xx\"");
}

/* Buckets are cumulative and their bounds inclusive. */
static void latencies_fall_into_cumulative_buckets(void **state)
{
    ko_autoptr(ko_metrics) metrics = ko_metrics_new();
    const ko_endpoint *get = ko_route_endpoint(KO_EP_manifest_get);
    ko_autobuf text = {0};
    (void)state;

    ko_metrics_request(metrics, get, 200, 250);
    ko_metrics_request(metrics, get, 200, 251);
    ko_metrics_request(metrics, get, 200, 61000000);
    ko_buf_init(&text, KO_MIB);
    assert_int_equal(ko_metrics_print(metrics, &text), 0);
    assert_line(&text, "kontor_request_seconds_bucket{endpoint=\"manifest_get\",le=\"0.00025\"} 1");
    assert_line(&text, "kontor_request_seconds_bucket{endpoint=\"manifest_get\",le=\"0.001\"} 2");
    assert_line(&text, "kontor_request_seconds_bucket{endpoint=\"manifest_get\",le=\"60\"} 2");
    assert_line(&text, "kontor_request_seconds_bucket{endpoint=\"manifest_get\",le=\"+Inf\"} 3");
    assert_line(&text, "kontor_request_seconds_count{endpoint=\"manifest_get\"} 3");
    assert_line(&text, "kontor_request_seconds_sum{endpoint=\"manifest_get\"} 61.0005");
}

static void one_sample_has_help_and_type(void **state)
{
    ko_autobuf text = {0};
    (void)state;

    ko_buf_init(&text, 256);
    assert_int_equal(ko_metrics_print_one(&text, "kontor_x", "gauge", "Things.", UINT64_MAX), 0);
    assert_string_equal(text.data, "# HELP kontor_x Things.\n# TYPE kontor_x gauge\n"
                                   "kontor_x 18446744073709551615\n");
}

static void a_buffer_that_is_too_small_is_told(void **state)
{
    ko_autoptr(ko_metrics) metrics = ko_metrics_new();
    ko_autobuf text = {0};
    (void)state;

    ko_buf_init(&text, 64);
    assert_int_equal(ko_metrics_print(metrics, &text), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_begin_at_zero_and_unused_endpoints_are_left_out),
        cmocka_unit_test(requests_are_counted_by_endpoint_and_status_class),
        cmocka_unit_test(latencies_fall_into_cumulative_buckets),
        cmocka_unit_test(one_sample_has_help_and_type),
        cmocka_unit_test(a_buffer_that_is_too_small_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
