/* server/settings.h: the settings of kontor-registry as typed values, made from the option table
 * (conf/options.def says what each means). A settings object never changes; a reload makes a new
 * one.
 *
 * Threads: any. */
#ifndef KO_SERVER_SETTINGS_H
#define KO_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/password.h"
#include "common/base/arena.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "server/proxy.h"
#include "storage/meta_types.h"

typedef enum { KO_CATALOG_ANYONE, KO_CATALOG_ACCOUNTS, KO_CATALOG_ADMINS } ko_catalog_access;
typedef enum { KO_METRICS_PUBLIC, KO_METRICS_TOKEN, KO_METRICS_ADDRESS } ko_metrics_access;

typedef struct ko_settings {
    ko_arena *arena;
    ko_options *opts; /* where strings and lists below live */
    struct ko_settings *older;

    const char *public_url; /* without end slash; NULL: made from each request */
    const char *service;
    bool read_only;
    const ko_proxy_list *trusted_proxies;
    uint64_t drain_ms;

    ko_log_level log_level;
    ko_log_format log_format;
    bool log_access;
    int64_t audit_keep_s; /* 0: for ever */

    bool sign_up;
    ko_password_cost password_cost;
    ko_meta_visibility default_visibility;
    int64_t quota_private_repos; /* or KO_META_QUOTA_UNLIMITED */
    int64_t quota_bytes;         /* or KO_META_QUOTA_UNLIMITED */

    uint64_t max_blob_bytes;  /* UINT64_MAX: any size */
    uint64_t min_chunk_bytes; /* 0: not announced */
    uint64_t upload_idle_s;
    size_t max_manifest_bytes;
    uint64_t reserve_bytes;

    bool gc;
    uint64_t gc_interval_ms;
    int64_t lease_s;
    uint64_t gc_grace_s;
    uint64_t gc_untagged_s; /* 0: kept */
    bool scrub;
    uint64_t scrub_interval_ms;
    uint64_t scrub_rate; /* bytes per second */

    ko_catalog_access catalog;
    bool search;
    ko_metrics_access metrics;
    const char *metrics_token;
    const ko_proxy_list *metrics_addresses;
} ko_settings;

/* Takes `opts` (on success). errors INVALID: a combination that cannot work; the text says which.
 */
KO_MUST_USE int ko_settings_new(ko_options *opts, ko_settings **out, ko_err *err);
ko_settings *ko_settings_free(ko_settings *settings); /* and those that are older */
KO_DEFINE_AUTOPTR(ko_settings, ko_settings_free);

#endif
