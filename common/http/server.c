/* common/http/server.c: the server as a whole. Everything that happens per loop is in lane.c; here
 * is what the lanes share: options, the number of open connections, and the end.
 *
 * Draining: every lane is told on its own loop; the last one to lose its last connection posts the
 * caller's function. */
#include "common/http/server.h"

#include <signal.h>

#include "common/base/own.h"
#include "common/http/server_priv.h"

/* Writing to a socket whose peer is gone shall fail, not kill; OpenSSL and sendfile(2) have no
 * flag for that. A disposition the program has chosen itself is left alone. */
static void ignore_sigpipe(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &now, NULL); /* cannot fail with a valid signal */
    }
}

int ko_http_server_new(const ko_http_server_opts *opts, const ko_http_handler *handler,
                       ko_http_server **out, ko_err *err)
{
    ko_http_server *server;

    if (opts->loop_count == 0 || opts->max_connections == 0 || opts->head_timeout_ms == 0 ||
        opts->idle_timeout_ms == 0 || opts->stall_timeout_ms == 0)
        return ko_err_set(err, KO_E_INVALID, "HTTP server: timeouts and limits must not be 0");
    KO_ASSERT(handler->on_request && handler->on_end && opts->pool);
    ignore_sigpipe();
    server = ko_new(ko_http_server);
    server->opts = *opts;
    server->opts.loops = NULL; /* the lanes have them */
    server->handler = *handler;
    server->lane_count = opts->loop_count;
    server->lanes = ko_xcalloc(opts->loop_count, sizeof(*server->lanes));
    for (size_t i = 0; i < server->lane_count; i++)
        ko_lane_init(&server->lanes[i], server, opts->loops[i]);
    *out = server;
    return 0;
}

void ko_http_server_drain(ko_http_server *server, uint64_t grace_ms, ko_loop *loop,
                          void (*fn)(void *arg), void *arg)
{
    server->grace_ms = grace_ms;
    server->drain_loop = loop;
    server->drained = (ko_post){.fn = fn, .arg = arg};
    atomic_store(&server->lanes_left, server->lane_count);
    for (size_t i = 0; i < server->lane_count; i++)
        ko_loop_post(server->lanes[i].loop, &server->lanes[i].drain);
}

ko_http_server *ko_http_server_free(ko_http_server *server)
{
    if (!server)
        return NULL;
    for (size_t i = 0; i < server->lane_count; i++)
        ko_lane_done(&server->lanes[i]);
    free(server->lanes);
    free(server);
    return NULL;
}

void ko_http_server_stats(const ko_http_server *server, ko_http_stats *out)
{
    *out = (ko_http_stats){.open = atomic_load(&server->open), .ktls = atomic_load(&server->ktls)};
    for (size_t i = 0; i < server->lane_count; i++) {
        const ko_lane *lane = &server->lanes[i];

        out->accepted += atomic_load_explicit(&lane->accepted, memory_order_relaxed);
        out->tls_handshakes += atomic_load_explicit(&lane->handshakes, memory_order_relaxed);
        out->tls_resumed += atomic_load_explicit(&lane->resumed, memory_order_relaxed);
        out->bytes_in += atomic_load_explicit(&lane->bytes_in, memory_order_relaxed);
        out->bytes_out += atomic_load_explicit(&lane->bytes_out, memory_order_relaxed);
    }
}
