/* server/settings.c: see settings.h. The rows were checked by the option engine; here only what
 * concerns several of them together. */
#include "server/settings.h"

#include "common/base/limits.h"
#include "common/http/server.h"
#include "server/conf.h"
#include "storage/meta_owner.h"

/* 0 means "any number" in the file, and the largest number to the code. */
static uint64_t zero_is_any(uint64_t value, uint64_t any)
{
    return value == 0 ? any : value;
}

static uint64_t u64(const ko_settings *s, size_t row)
{
    return ko_options_u64(s->opts, row);
}

static uint64_t seconds(const ko_settings *s, size_t row)
{
    return u64(s, row) / 1000;
}

static void take_values(ko_settings *s)
{
    s->service = ko_options_str(s->opts, KO_CONF_service);
    s->read_only = ko_options_bool(s->opts, KO_CONF_read_only);
    s->drain_ms = u64(s, KO_CONF_http_drain_timeout);
    s->log_level = (ko_log_level)u64(s, KO_CONF_log_level);
    s->log_format = (ko_log_format)u64(s, KO_CONF_log_format);
    s->log_access = ko_options_bool(s->opts, KO_CONF_log_access);
    s->audit_keep_s = (int64_t)seconds(s, KO_CONF_audit_keep);
    s->sign_up = ko_options_bool(s->opts, KO_CONF_sign_up);
    s->password_cost =
        (ko_password_cost){.passes = (uint32_t)u64(s, KO_CONF_password_passes),
                           .memory_kib = (uint32_t)(u64(s, KO_CONF_password_memory) / KO_KIB)};
    s->default_visibility = (ko_meta_visibility)u64(s, KO_CONF_default_visibility);
    s->quota_private_repos =
        (int64_t)zero_is_any(u64(s, KO_CONF_quota_repos), KO_META_QUOTA_UNLIMITED);
    s->quota_bytes = (int64_t)zero_is_any(u64(s, KO_CONF_quota_bytes), KO_META_QUOTA_UNLIMITED);
    s->max_blob_bytes = zero_is_any(u64(s, KO_CONF_upload_max_size), INT64_MAX);
    s->min_chunk_bytes = u64(s, KO_CONF_upload_min_chunk);
    s->upload_idle_s = seconds(s, KO_CONF_upload_idle);
    s->max_manifest_bytes = (size_t)u64(s, KO_CONF_manifest_max_size);
    s->reserve_bytes = u64(s, KO_CONF_storage_reserve);
    s->gc = ko_options_bool(s->opts, KO_CONF_gc_enabled);
    s->gc_interval_ms = u64(s, KO_CONF_gc_interval);
    s->lease_s = (int64_t)seconds(s, KO_CONF_gc_lease);
    s->gc_grace_s = seconds(s, KO_CONF_gc_delay);
    s->gc_untagged_s = seconds(s, KO_CONF_gc_untagged);
    s->scrub = ko_options_bool(s->opts, KO_CONF_scrub_enabled);
    s->scrub_interval_ms = u64(s, KO_CONF_scrub_interval);
    s->scrub_rate = u64(s, KO_CONF_scrub_rate);
    s->catalog = (ko_catalog_access)u64(s, KO_CONF_catalog_access);
    s->search = ko_options_bool(s->opts, KO_CONF_search_enabled);
    s->metrics = (ko_metrics_access)u64(s, KO_CONF_metrics_access);
    s->metrics_token = ko_options_str(s->opts, KO_CONF_metrics_token);
}

static int take_public_url(ko_settings *s, ko_err *err)
{
    ko_str url = ko_str_of(ko_options_str(s->opts, KO_CONF_public_url));

    if (url.len == 0)
        return 0;
    if (!ko_str_has_prefix(url, KO_STR("https://")) && !ko_str_has_prefix(url, KO_STR("http://")))
        return ko_err_set(err, KO_E_INVALID, "public_url must begin with https:// or http://");
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    s->public_url = ko_arena_strndup(s->arena, url.ptr, url.len);
    return 0;
}

static int take_networks(ko_settings *s, size_t row, const ko_proxy_list **out, ko_err *err)
{
    const char *const *networks;
    size_t count;

    networks = ko_options_list(s->opts, row, &count);
    if (ko_proxy_list_parse(networks, count, s->arena, out, err) < 0)
        return ko_err_ctx(err, "%s", ko_conf_table.rows[row].key);
    return 0;
}

static int check_addresses(const ko_settings *s, ko_err *err)
{
    size_t count;
    const char *const *addresses = ko_options_list(s->opts, KO_CONF_listen, &count);

    for (size_t i = 0; i < count; i++)
        if (ko_http_check_address(addresses[i], err) < 0)
            return -1;
    return 0;
}

static int check_together(const ko_settings *s, ko_err *err)
{
    size_t certs, keys;

    (void)ko_options_list(s->opts, KO_CONF_tls_cert, &certs);
    (void)ko_options_list(s->opts, KO_CONF_tls_key, &keys);
    if (!ko_options_is_set(s->opts, KO_CONF_data))
        return ko_err_set(
            err, KO_E_INVALID,
            "no data directory: give --data DIR, or `data` in the configuration file");
    if (certs != keys)
        return ko_err_set(err, KO_E_INVALID,
                          "tls.cert has %zu files and tls.key has %zu: they go in "
                          "pairs",
                          certs, keys);
    if (certs > 0 && ko_options_bool(s->opts, KO_CONF_plain_http))
        return ko_err_set(err, KO_E_INVALID, "tls.plain_http and tls.cert exclude each other");
    if (s->metrics == KO_METRICS_TOKEN && !s->metrics_token)
        return ko_err_set(err, KO_E_INVALID, "metrics.access: token needs metrics.token");
    return 0;
}

int ko_settings_new(ko_options *opts, ko_settings **out, ko_err *err)
{
    ko_autoptr(ko_settings) s = ko_new(ko_settings);

    s->arena = ko_arena_new();
    s->opts = opts;
    take_values(s);
    if (take_public_url(s, err) < 0 ||
        take_networks(s, KO_CONF_proxy_trusted, &s->trusted_proxies, err) < 0 ||
        take_networks(s, KO_CONF_metrics_addresses, &s->metrics_addresses, err) < 0 ||
        check_addresses(s, err) < 0 || check_together(s, err) < 0) {
        s->opts = NULL; /* stays the caller's */
        return -1;
    }
    *out = ko_steal(&s);
    return 0;
}

ko_settings *ko_settings_free(ko_settings *settings)
{
    while (settings) {
        ko_settings *older = settings->older;

        ko_options_free(settings->opts);
        ko_arena_free(settings->arena);
        free(settings);
        settings = older;
    }
    return NULL;
}
