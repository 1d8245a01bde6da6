/* server/app.c: kontor-registry put together.
 *
 * Order of start: settings, database, blobs, uploads, accounts, pool, loops, listeners, background
 * threads, ready. Order of stop: no new connections, requests under way end (or their time is up),
 * then everything that still holds the app - jobs and transfers of clients that have gone - and
 * only then the loops. After that all of it is freed in the opposite order of its making, so that a
 * leak checker has nothing to say. */
#include "server/app.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "server/app_priv.h"
#include "server/chores.h"
#include "server/conf.h"
#include "server/notify.h"
#include "server/problem.h"
#include "server/pulls.h"
#include "server/req.h"

/* ---- Settings and holds ---- */

const ko_settings *ko_app_settings(const ko_app *app)
{
    return atomic_load_explicit(&app->run->settings, memory_order_acquire);
}

bool ko_app_is_full(const ko_app *app)
{
    return ko_chores_is_full(app->run->chores);
}

bool ko_app_has_room(ko_app *app)
{
    return ko_chores_has_room(app->run->chores);
}

void ko_app_storage_failed(ko_app *app)
{
    ko_chores_look_at_space(app->run->chores);
}

ko_app *ko_app_hold(ko_app *app)
{
    atomic_fetch_add(&app->run->holds, 1);
    return app;
}

static void stop_loops(void *arg)
{
    ko_app_run *run = arg;

    for (size_t i = run->loop_count; i > 0; i--)
        ko_loop_stop(run->loops[i - 1]);
}

void ko_app_release(ko_app *app)
{
    if (atomic_fetch_sub(&app->run->holds, 1) == 1)
        ko_loop_post(app->run->loops[0], &app->run->stop_post);
}

/* ---- Parts ---- */

/* Self sign-ups: a class of students may share one address, a program that makes accounts in a loop
 * soon waits minutes for each. */
static const ko_backoff_opts sign_up_pace = {.free_per_account = UINT32_MAX,
                                             .free_per_address = 50,
                                             .first_delay_ms = 10ULL * 1000,
                                             .max_delay_ms = 10ULL * 60 * 1000,
                                             .forget_after_ms = 60ULL * 60 * 1000,
                                             .max_entries = 4096};

static int open_storage(ko_app *app, const ko_options *opts, ko_err *err)
{
    const char *dir = ko_options_str(opts, KO_CONF_data);
    ko_uploads_options uploads = {.lease_s = (uint64_t)ko_app_settings(app)->lease_s};
    ko_autofd dirfd = ko_fd_open_dir(AT_FDCWD, dir, 0700, err);

    if (dirfd < 0)
        return ko_err_ctx(err, "data directory");
    if (ko_meta_open_sqlite(dir, &app->meta, err) < 0 ||
        ko_blob_fs_new(
            dir, ko_options_u64(opts, KO_CONF_storage_fsync) == 0 ? KO_SYNC_ALWAYS : KO_SYNC_NEVER,
            &app->blobs, err) < 0)
        return -1;
    app->uploads = ko_uploads_new(app->blobs, app->meta, &uploads);
    return 0;
}

static int open_auth(ko_app *app, const ko_options *opts, ko_err *err)
{
    ko_auth_opts auth = {
        .meta = app->meta,
        .service = ko_app_settings(app)->service,
        .cost = ko_app_settings(app)->password_cost,
        .backoff = KO_BACKOFF_DEFAULT,
        .token_life_s = ko_options_u64(opts, KO_CONF_token_lifetime) / 1000,
        .refresh_life_s = ko_options_u64(opts, KO_CONF_token_refresh) / 1000,
        .upload_grace_s = ko_options_u64(opts, KO_CONF_token_upload_grace) / 1000,
        .key_rotate_s = ko_options_u64(opts, KO_CONF_token_key_rotation) / 1000,
        .verified_ttl_ms = 5ULL * 60 * 1000,
        .cache_entries = 16384,
    };

    return ko_auth_new(&auth, &app->auth, err);
}

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (unsigned)n : 1;
}

#define LOGINS_WAITING 256 /* passwords to be verified; at some 20 ms each, seconds of patience */

static int start_threads(ko_app *app, const ko_options *opts, ko_err *err)
{
    unsigned loops = (unsigned)ko_options_u64(opts, KO_CONF_threads_loops);
    unsigned work = (unsigned)ko_options_u64(opts, KO_CONF_threads_work);
    ko_app_run *run = app->run;

    if (loops == 0)
        loops = processors();
    if (work == 0)
        work = processors() * 4 < 8 ? 8 : processors() * 4;
    run->loops = ko_xcalloc(loops, sizeof(ko_loop *));
    run->threads = ko_xcalloc(loops, sizeof(pthread_t));
    for (; run->loop_count < loops; run->loop_count++)
        if (ko_loop_new(&run->loops[run->loop_count], err) < 0)
            return -1;
    if (ko_pool_new("login", processors(), LOGINS_WAITING, &app->logins, err) < 0)
        return -1;
    return ko_pool_new("work", work, (size_t)ko_options_u64(opts, KO_CONF_threads_queue),
                       &app->pool, err);
}

/* ---- TLS ---- */

#define MAX_OWN_ADDRESSES 32

/* The addresses of this machine's interfaces, under which the neighbours will name the registry.
 * Link-local ones need a zone, which no certificate can name. Too many are cut: then the settings
 * have to name the right one. */
static size_t own_addresses(ko_arena *arena, const char **names, size_t room)
{
    struct ifaddrs *all = NULL;
    size_t count = 0;

    if (getifaddrs(&all) < 0)
        return 0;
    for (const struct ifaddrs *at = all; at && count < room; at = at->ifa_next) {
        char text[NI_MAXHOST];
        int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
        socklen_t len =
            family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

        if ((family != AF_INET && family != AF_INET6) ||
            getnameinfo(at->ifa_addr, len, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0 ||
            strchr(text, '%'))
            continue;
        names[count++] = ko_arena_printf(arena, "%s", text);
    }
    freeifaddrs(all);
    return count;
}

/* Names for the self-made certificate: loopback, this machine, and what the settings add. */
static int make_own_certificate(const ko_options *opts, ko_arena *arena, ko_tls_pair *pair,
                                ko_err *err)
{
    const char *dir = ko_arena_printf(arena, "%s/tls", ko_options_str(opts, KO_CONF_data));
    const char *names[64 + MAX_OWN_ADDRESSES] = {"localhost", "127.0.0.1", "::1"};
    char host[256] = "";
    const char *const *more;
    size_t count = 3, more_count;

    if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0')
        names[count++] = host;
    count += own_addresses(arena, names + count, MAX_OWN_ADDRESSES);
    more = ko_options_list(opts, KO_CONF_tls_name, &more_count);
    for (size_t i = 0; i < more_count && count < KO_ARRAY_LEN(names); i++)
        names[count++] = more[i];
    if (ko_tls_self_made(dir, names, count, err) < 0)
        return ko_err_ctx(err, "make a certificate in %s", dir);
    *pair = (ko_tls_pair){ko_arena_printf(arena, "%s/server.pem", dir),
                          ko_arena_printf(arena, "%s/server.key", dir)};
    return 0;
}

static int open_tls(ko_app_run *run, const ko_options *opts, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    const char *const *certs, *const *keys;
    size_t count, key_count;
    ko_tls_pair *pairs;

    if (ko_options_bool(opts, KO_CONF_plain_http))
        return 0;
    certs = ko_options_list(opts, KO_CONF_tls_cert, &count);
    keys = ko_options_list(opts, KO_CONF_tls_key, &key_count);
    pairs = ko_arena_alloc_array(arena, count + 1, sizeof(*pairs));
    for (size_t i = 0; i < count; i++)
        pairs[i] = (ko_tls_pair){certs[i], keys[i]};
    run->own_certificate = count == 0;
    if (count == 0 && make_own_certificate(opts, arena, &pairs[count++], err) < 0)
        return -1;
    return ko_tls_new(pairs, count, &run->tls, err);
}

/* ---- Listening ---- */

static void on_bad_request(void *ctx, int status, const char *why, ko_buf *body,
                           const char **content_type)
{
    (void)ctx;
    (void)status;
    (void)ko_problem_print(body, KO_P_UNSUPPORTED, why, NULL);
    *content_type = "application/json";
}

static int open_http(ko_app *app, const ko_options *opts, ko_err *err)
{
    ko_http_server_opts http = {
        .loops = app->run->loops,
        .loop_count = app->run->loop_count,
        .pool = app->pool,
        .head_timeout_ms = ko_options_u64(opts, KO_CONF_http_head_timeout),
        .idle_timeout_ms = ko_options_u64(opts, KO_CONF_http_idle_timeout),
        .stall_timeout_ms = ko_options_u64(opts, KO_CONF_http_stall_timeout),
        .min_rate_bytes_s = ko_options_u64(opts, KO_CONF_http_min_rate),
        .max_connections = (size_t)ko_options_u64(opts, KO_CONF_http_max_connections),
    };
    ko_http_handler handler = {.on_request = ko_req_begin,
                               .on_end = ko_req_end,
                               .on_bad_request = on_bad_request,
                               .ctx = app};

    return ko_http_server_new(&http, &handler, &app->http, err);
}

/* Where dockerd looks for the authority of a registry, and what makes it trust ours. */
static void say_how_to_trust(const ko_options *opts, const char *bound)
{
    const char *port = strrchr(bound, ':');

    (void)fprintf(stderr,
                  "to make docker on this machine trust it: install -D -m 644 %s/tls/ca.pem "
                  "/etc/docker/certs.d/localhost%s/ca.crt\n",
                  ko_options_str(opts, KO_CONF_data), port ? port : "");
}

static int listen_all(ko_app *app, const ko_options *opts, ko_err *err)
{
    const char *scheme = app->run->tls ? "https" : "http";
    const char *const *addresses;
    size_t count;
    char bound[256];

    addresses = ko_options_list(opts, KO_CONF_listen, &count);
    for (size_t i = 0; i < count; i++) {
        if (ko_http_server_listen(app->http, addresses[i], app->run->tls, bound, sizeof(bound),
                                  err) < 0)
            return -1;
        (void)fprintf(stderr, "listening on %s://%s\n", scheme, bound);
        if (i == 0 && app->run->own_certificate)
            say_how_to_trust(opts, bound);
    }
    return 0;
}

/* Connections, blobs being sent and database files all take descriptors. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ---- The store's upkeep ---- */

static void upkeep_failed(void *arg, const char *what, const ko_err *err)
{
    (void)arg;
    ko_log(KO_WARN, "upkeep.failed", KO_F_STR("what", what), KO_F_ERR(err));
}

static void upkeep_damaged(void *arg, const ko_digest *digest, const ko_err *why)
{
    (void)arg;
    ko_log(KO_ERROR, "blob.damaged", KO_F_STR("digest", digest->text), KO_F_ERR(why));
}

static ko_upkeep_options upkeep_options(const ko_app *app)
{
    const ko_settings *settings = ko_app_settings(app);

    return (ko_upkeep_options){
        .meta = app->meta,
        .store = app->blobs,
        .uploads = app->uploads,
        .gc_interval_ms = settings->gc ? settings->gc_interval_ms : 0,
        .gc_grace_s = settings->gc_grace_s,
        .gc_untagged_keep_s = settings->gc_untagged_s,
        .gc_unit_pause_ms = 2,
        .reap_interval_ms = 60ULL * 1000,
        .upload_idle_s = settings->upload_idle_s,
        .scrub_interval_ms = settings->scrub ? settings->scrub_interval_ms : 0,
        .scrub_bytes_per_s = settings->scrub_rate,
        .failed = upkeep_failed,
        .damaged = upkeep_damaged,
    };
}

static int start_upkeep(ko_app *app, ko_err *err)
{
    ko_upkeep_options options = upkeep_options(app);

    return ko_upkeep_start(&options, &app->run->upkeep, err);
}

/* ---- Signals ---- */

static int reload_settings(ko_app *app)
{
    ko_app_run *run = app->run;
    ko_settings *old = atomic_load(&run->settings), *fresh;
    ko_upkeep_options upkeep;
    ko_options *opts = NULL;
    size_t ignored = 0;
    ko_err err;

    if (ko_options_reload(old->opts, &opts, &ignored, &err) < 0 ||
        ko_settings_new(opts, &fresh, &err) < 0) {
        ko_options_free(opts);
        ko_log(KO_ERROR, "reload.failed", KO_F_ERR(&err));
        return -1;
    }
    /* Requests under way still read the old ones, which are small: they are kept until the end. */
    fresh->older = old;
    atomic_store_explicit(&run->settings, fresh, memory_order_release);
    ko_log_configure(fresh->log_level, fresh->log_format);
    if (ignored > 0)
        ko_log(KO_WARN, "reload.needs_restart", KO_F_U64("settings", ignored));
    upkeep = upkeep_options(app);
    ko_upkeep_change(run->upkeep, &upkeep);
    return 0;
}

static int reload_certificates(ko_app *app)
{
    ko_err err;

    if (!app->run->tls || ko_tls_reload(app->run->tls, &err) == 0)
        return 0;
    ko_log(KO_ERROR, "reload.tls_failed", KO_F_ERR(&err));
    return -1;
}

/* Each half is taken over when it is right, whatever the other is; what was wrong stays as it was.
 */
static void on_reload(void *arg)
{
    ko_app *app = arg;

    ko_notify("RELOADING=1");
    if ((reload_settings(app) | reload_certificates(app)) == 0)
        ko_log(KO_INFO, "reloaded");
    ko_notify("READY=1");
}

/* All exchanges have ended; the app's own hold was what kept the loops going. */
static void on_drained(void *arg)
{
    ko_app_release(arg);
}

static void on_terminate(void *arg)
{
    ko_app *app = arg;

    if (app->run->stopping)
        return;
    app->run->stopping = true;
    ko_log(KO_INFO, "stopping");
    ko_notify("STOPPING=1");
    ko_http_server_drain(app->http, ko_app_settings(app)->drain_ms, app->run->loops[0], on_drained,
                         app);
}

/* ---- Running ---- */

static void *loop_main(void *arg)
{
    ko_loop_run(arg);
    return NULL;
}

static int start_loops(ko_app_run *run, ko_err *err)
{
    sigset_t all, before;
    int rc = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (run->started = 1; run->started < run->loop_count && rc == 0; run->started += rc == 0)
        rc = pthread_create(&run->threads[run->started], NULL, loop_main, run->loops[run->started]);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return ko_err_set(err, KO_E_UNAVAILABLE, "start a thread: %s", strerror(rc));
    return 0;
}

/* A signal that comes as soon as the address is told, or while the parts are being closed, must not
 * end the program on the spot. */
static void watch_signals(ko_app *app)
{
    ko_app_run *run = app->run;

    ko_signal_init(&run->reload, run->loops[0], SIGHUP, on_reload, app);
    ko_signal_init(&run->term, run->loops[0], SIGTERM, on_terminate, app);
    ko_signal_init(&run->intr, run->loops[0], SIGINT, on_terminate, app);
}

static void run_until_stopped(ko_app *app)
{
    ko_app_run *run = app->run;

    ko_log(KO_INFO, "ready", KO_F_STR("version", KO_VERSION));
    ko_notify("READY=1");
    ko_loop_run(run->loops[0]);
}

static void join_loops(ko_app_run *run)
{
    stop_loops(run);
    for (size_t i = 1; i < run->started; i++)
        (void)pthread_join(run->threads[i], NULL);
}

/* The loop's handlers are about to go, and the default of these signals is death. */
static void hold_signals_back(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL); /* other threads never have them unblocked */
}

static void close_all(ko_app *app)
{
    ko_app_run *run = app->run;

    ko_chores_stop(run->chores);
    run->chores = NULL;
    ko_upkeep_free(run->upkeep);
    ko_pool_free(app->logins);
    ko_pool_free(app->pool);
    ko_http_server_free(app->http);
    hold_signals_back();
    ko_signal_done(&run->reload);
    ko_signal_done(&run->term);
    ko_signal_done(&run->intr);
    for (size_t i = 0; i < run->loop_count; i++)
        ko_loop_free(run->loops[i]);
    ko_tls_free(run->tls);
    ko_auth_free(app->auth);
    ko_uploads_free(app->uploads);
    ko_blob_store_free(app->blobs);
    ko_meta_free(app->meta);
    ko_cache_free(app->content);
    ko_pulls_free(app->pulls);
    ko_backoff_free(app->sign_ups);
    ko_metrics_free(app->metrics);
    ko_settings_free(atomic_load(&run->settings));
    free(run->loops);
    free(run->threads);
}

static int serve(ko_app *app, const ko_options *opts, ko_err *err)
{
    ko_app_run *run = app->run;

    raise_file_limit();
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    if (open_storage(app, opts, err) < 0 || open_auth(app, opts, err) < 0 ||
        open_tls(run, opts, err) < 0 || start_threads(app, opts, err) < 0)
        return -1;
    watch_signals(app);
    if (open_http(app, opts, err) < 0 || ko_chores_start(app, &run->chores, err) < 0 ||
        start_upkeep(app, err) < 0 || listen_all(app, opts, err) < 0)
        return -1;
    run->stop_post = (ko_post){.fn = stop_loops, .arg = run};
    atomic_store(&run->holds, 1); /* released when all exchanges have ended */
    if (start_loops(run, err) == 0)
        run_until_stopped(app);
    join_loops(run);
    ko_log(KO_INFO, "stopped");
    return run->stopping ? 0 : -1;
}

int ko_app_serve(ko_options *opts, ko_err *err)
{
    ko_app_run run = {.settings = NULL}; /* clang 14 takes no 0 for an atomic pointer */
    ko_app app = {.run = &run};
    ko_settings *settings;
    int rc;

    if (ko_settings_new(opts, &settings, err) < 0) {
        ko_options_free(opts);
        return -1;
    }
    atomic_store(&run.settings, settings);
    ko_log_configure(settings->log_level, settings->log_format);
    app.metrics = ko_metrics_new();
    app.pulls = ko_pulls_new();
    app.sign_ups = ko_backoff_new(&sign_up_pace);
    app.content = ko_cache_new((size_t)ko_options_u64(opts, KO_CONF_cache_content));
    rc = serve(&app, opts, err);
    close_all(&app);
    return rc;
}
