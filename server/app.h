/* server/app.h: kontor-registry put together: what it is made of, start and stop. The only place
 * that knows every part.
 *
 * Threads: the parts are set before the loops run and never change; each part says who may use it.
 */
#ifndef KO_SERVER_APP_H
#define KO_SERVER_APP_H

#include "auth/auth.h"
#include "common/base/cache.h"
#include "common/http/server.h"
#include "common/loop/work.h"
#include "server/metrics.h"
#include "server/settings.h"
#include "storage/blob.h"
#include "storage/meta.h"
#include "storage/upload.h"

typedef struct ko_app {
    ko_meta *meta;
    ko_blob_store *blobs;
    ko_uploads *uploads;
    ko_auth *auth;
    ko_pool *pool;
    ko_pool *logins;   /* password hashing: few threads, for each takes megabytes */
    ko_cache *content; /* hot manifests and small blobs: server/content.h */
    ko_http_server *http;
    ko_metrics *metrics;
    struct ko_pulls *pulls;
    ko_backoff *sign_ups;   /* the pace of self sign-ups, by address */
    struct ko_app_run *run; /* app.c's own */
} ko_app;

/* Serves until SIGTERM or SIGINT, then drains. Takes `opts` in any case. Blocks. errors INVALID:
 * the settings; IO, EXISTS, DENIED: what could not be opened or bound. */
KO_MUST_USE int ko_app_serve(ko_options *opts, ko_err *err);

/* The settings now; they stay valid as long as the program runs. */
const ko_settings *ko_app_settings(const ko_app *app);

/* Something is under way that must end before the program does (a job, a transfer). Loop threads.
 */
ko_app *ko_app_hold(ko_app *app);
void ko_app_release(ko_app *app);

/* Pushes are refused while the storage is full (server/chores.h). */
bool ko_app_is_full(const ko_app *app);
/* The same, but looked up now: for the pool, before each piece of a transfer. */
bool ko_app_has_room(ko_app *app);
/* A write has just found no space. */
void ko_app_storage_failed(ko_app *app);

#endif
