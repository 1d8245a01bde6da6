/* server/settings.h: the settings of kontor-registry as typed values, made from the option table
 * (conf/options.def). A settings object never changes; a reload makes a new one.
 *
 * Threads: any. */
#ifndef KO_SERVER_SETTINGS_H
#define KO_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/base/options.h"

typedef struct {
    /* Read once, at start. */
    const char *data_dir;
    const char *const *listen;
    size_t listen_count;
    const char *const *tls_cert;
    const char *const *tls_key;
    size_t tls_count;
    bool plain_http;
    unsigned loops;
    unsigned work_threads;
    size_t work_queue;

    /* May change on reload. */
    const char *service;    /* the token service's name: audience of tokens, service of challenges */
    const char *public_url; /* "https://registry.example" without end slash, or NULL */
    bool log_access;
} ko_settings;

#endif
