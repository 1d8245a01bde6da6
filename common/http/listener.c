/* common/http/listener.c: addresses, listening sockets, accepting.
 *
 * With several lanes each has its own socket on the port (SO_REUSEPORT) and the kernel spreads new
 * connections over them. The first socket is bound without that option and gets it afterwards:
 * so a port that another server of the same user holds is "in use" and not silently shared.
 *
 * An inherited socket exists once: all lanes watch it, and whoever comes first accepts. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/limits.h"
#include "common/http/server_priv.h"

#define BACKLOG       4096 /* the kernel cuts it to net.core.somaxconn */
#define ACCEPT_BATCH  32   /* connections per turn of the loop */
#define PAUSE_MS      100  /* when there are no descriptors or too many connections */
#define MAX_LISTENERS 512  /* sockets of one ko_http_server_listen() */

struct ko_listener {
    ko_lane *lane;
    ko_listener *next; /* of the lane */
    ko_tls *tls;
    int fd;
    ko_watch watch;
    ko_post install;
};

/* ---- Accepting ---- */

/* Takes a place among max_connections. */
static bool reserve(ko_http_server *server)
{
    if (atomic_fetch_add(&server->open, 1) < server->opts.max_connections)
        return true;
    (void)atomic_fetch_sub(&server->open, 1);
    return false;
}

/* False when there is nothing more to accept now. */
static bool accept_one(ko_listener *listener)
{
    ko_lane *lane = listener->lane;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int fd;

    if (!reserve(lane->server)) {
        ko_listener_pause(lane, PAUSE_MS);
        return false;
    }
    fd = accept4(listener->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        ko_link_open(lane, fd, listener->tls, (const struct sockaddr *)&addr);
        return true;
    }
    (void)atomic_fetch_sub(&lane->server->open, 1);
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        ko_listener_pause(lane, PAUSE_MS);
    /* accept(2): pending network errors of the new connection are reported here; go on. */
    return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

static void on_acceptable(void *arg, unsigned ready)
{
    ko_listener *listener = arg;

    (void)ready;
    for (unsigned i = 0; i < ACCEPT_BATCH && accept_one(listener); i++)
        ;
}

static void watch_all(ko_lane *lane, unsigned wanted)
{
    for (ko_listener *l = lane->listeners; l; l = l->next)
        ko_watch_set(&l->watch, wanted);
}

void ko_listener_pause(ko_lane *lane, uint64_t after_ms)
{
    lane->paused = true;
    watch_all(lane, KO_IO_NONE);
    ko_timer_start(&lane->resume, after_ms);
}

void ko_listener_resume(void *arg)
{
    ko_lane *lane = arg;

    lane->paused = false;
    ko_timer_stop(&lane->resume);
    watch_all(lane, KO_IO_READ);
}

static void install(void *arg)
{
    ko_listener *listener = arg;
    ko_lane *lane = listener->lane;

    if (lane->draining) {
        ko_fd_close(listener->fd);
        free(listener);
        return;
    }
    ko_watch_init(&listener->watch, lane->loop, listener->fd, on_acceptable, listener);
    listener->next = lane->listeners;
    lane->listeners = listener;
    ko_watch_set(&listener->watch, lane->paused ? KO_IO_NONE : KO_IO_READ);
}

void ko_listener_close_all(ko_lane *lane)
{
    ko_timer_stop(&lane->resume);
    while (lane->listeners) {
        ko_listener *listener = lane->listeners;

        lane->listeners = listener->next;
        ko_watch_done(&listener->watch);
        ko_fd_close(listener->fd);
        free(listener);
    }
}

/* ---- Sockets ---- */

/* Inherited by accepted connections on Linux, which saves two system calls for each. Failures are
 * of no consequence: an inherited socket may be of another family. */
static void tune(int fd, bool tls)
{
    int on = 1, held = KO_CONN_HELD;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* Bounds the records the kernel holds for a slow reader. Without TLS they are mostly pages of
     * files, which cost nothing, and a bound would only mean more system calls. */
    if (tls)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &held, sizeof(held));
}

static int set_option(int fd, int level, int name, int value, ko_err *err)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
        return ko_err_sys(err, "set socket option");
    return 0;
}

/* `first`: exclusive bind, see above. `reuse`: others will join. */
static int open_socket(const struct sockaddr *addr, socklen_t len, bool first, bool reuse, int *out,
                       ko_err *err)
{
    ko_autofd fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any;

    memcpy(&any, addr, len < sizeof(any) ? len : sizeof(any));
    if (fd < 0)
        return ko_err_sys(err, "socket");
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, err) < 0)
        return -1;
    /* "[::]" means both families, whatever net.ipv6.bindv6only says. */
    if (addr->sa_family == AF_INET6 &&
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !IN6_IS_ADDR_UNSPECIFIED(&any.sin6_addr), err) <
            0)
        return -1;
    if (reuse && !first && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, err) < 0)
        return -1;
    if (bind(fd, addr, len) < 0) {
        if (errno == EADDRINUSE)
            return ko_err_set(err, KO_E_EXISTS, "address in use");
        return ko_err_sys(err, "bind");
    }
    if (reuse && first && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, err) < 0)
        return -1;
    if (listen(fd, BACKLOG) < 0)
        return errno == EADDRINUSE ? ko_err_set(err, KO_E_EXISTS, "address in use")
                                   : ko_err_sys(err, "listen");
    *out = ko_steal_fd(&fd);
    return 0;
}

static void print_address(const struct sockaddr *addr, socklen_t len, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN + 20] = "", port[8] = ""; /* with a scope: "%eth0" */

    if ((addr->sa_family != AF_INET && addr->sa_family != AF_INET6) ||
        getnameinfo(addr, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(out, size, "local");
    else
        (void)snprintf(out, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* ---- Addresses ---- */

/* The sockets of one call, until all of them exist. */
typedef struct {
    int fds[MAX_LISTENERS];
    size_t count;
} socket_list;

static void socket_list_done(socket_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        ko_fd_close(list->fds[i]);
}

/* One socket per lane on one address; the port chosen for the first is used for all. */
static int open_for_lanes(ko_http_server *server, struct addrinfo *ai, socket_list *list,
                          ko_err *err)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = ai->ai_addrlen;

    memcpy(&addr, ai->ai_addr, len);
    for (size_t i = 0; i < server->lane_count; i++) {
        int fd;

        if (list->count == MAX_LISTENERS)
            return ko_err_set(err, KO_E_TOO_LARGE, "too many sockets");
        if (open_socket((struct sockaddr *)&addr, len, i == 0, server->lane_count > 1, &fd, err) <
            0)
            return -1;
        list->fds[list->count++] = fd;
        len = sizeof(addr);
        if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
            return ko_err_sys(err, "getsockname");
    }
    return 0;
}

static void set_port(struct sockaddr *addr, int like)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t len = sizeof(bound);
    struct sockaddr_in6 *to6 = (struct sockaddr_in6 *)(void *)addr;
    struct sockaddr_in *to4 = (struct sockaddr_in *)(void *)addr;

    if (getsockname(like, &bound.any, &len) < 0)
        return;
    /* The port lies at the same place in both families. */
    if (addr->sa_family == AF_INET6)
        to6->sin6_port = bound.v4.sin_port;
    else
        to4->sin_port = bound.v4.sin_port;
}

/* A name may stand for several addresses ("localhost"): those this machine does not have are
 * passed over as long as one remains. */
static int open_all(ko_http_server *server, struct addrinfo *found, bool any_port,
                    socket_list *list, ko_err *err)
{
    ko_err why = KO_ERR_INIT;

    for (struct addrinfo *ai = found; ai; ai = ai->ai_next) {
        if (any_port && list->count > 0)
            set_port(ai->ai_addr, list->fds[0]);
        if (open_for_lanes(server, ai, list, &why) == 0)
            continue;
        if (why.sys != EADDRNOTAVAIL && why.sys != EAFNOSUPPORT) {
            if (err)
                *err = why;
            return -1;
        }
    }
    if (list->count == 0 && err)
        *err = why;
    return list->count == 0 ? -1 : 0;
}

/* "HOST:PORT", "[V6]:PORT", ":PORT". */
static int split_address(const char *address, char host[static 256], const char **port, ko_err *err)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    uint64_t number;

    if (!colon || ko_parse_u64(ko_str_of(colon + 1), 65535, &number, NULL) < 0)
        return ko_err_set(err, KO_E_INVALID, "want HOST:PORT, :PORT or fd:NUMBER");
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return ko_err_set(err, KO_E_INVALID, "an IPv6 address needs brackets");
    }
    if (len >= 256)
        return ko_err_set(err, KO_E_INVALID, "host name too long");
    memcpy(host, address, len);
    host[len] = '\0';
    *port = colon + 1;
    return 0;
}

int ko_http_check_address(const char *address, ko_err *err)
{
    char host[256];
    const char *port;
    uint64_t fd;
    int rc = strncmp(address, "fd:", 3) == 0
                 ? ko_parse_u64(ko_str_of(address + 3), INT32_MAX, &fd, err)
                 : split_address(address, host, &port, err);

    return rc < 0 ? ko_err_ctx(err, "listen: %s", address) : 0;
}

static int open_address(ko_http_server *server, const char *address, socket_list *list, ko_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[256];
    const char *port, *name = host;
    int rc;

    if (split_address(address, host, &port, err) < 0)
        return -1;
    if (!host[0])
        name = "::";
    rc = getaddrinfo(name, port, &hints, &found);
    if (rc != 0)
        return ko_err_set(err, KO_E_INVALID, "%s", gai_strerror(rc));
    rc = open_all(server, found, strcmp(port, "0") == 0, list, err);
    freeaddrinfo(found);
    if (rc < 0 && !host[0]) { /* no IPv6 on this machine */
        char v4[16];

        (void)snprintf(v4, sizeof(v4), "0.0.0.0:%s", port);
        return err && err->code == KO_E_EXISTS ? -1 : open_address(server, v4, list, err);
    }
    return rc;
}

/* The socket belongs to us from now on. Each lane watches a duplicate of its own: no lane can close
 * it under another, and no two of them are in one epoll set. */
static int open_inherited(ko_http_server *server, const char *number, socket_list *list,
                          ko_err *err)
{
    uint64_t fd;
    int listening = 0;
    socklen_t len = sizeof(listening);

    if (ko_parse_u64(ko_str_of(number), INT32_MAX, &fd, err) < 0)
        return -1;
    if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
        return ko_err_sys(err, "inherited socket");
    if (!listening)
        return ko_err_set(err, KO_E_INVALID, "not a listening socket");
    if (server->lane_count > MAX_LISTENERS)
        return ko_err_set(err, KO_E_TOO_LARGE, "too many sockets");
    if (ko_fd_set_nonblocking((int)fd, err) < 0)
        return -1;
    list->fds[list->count++] = (int)fd;
    while (list->count < server->lane_count) {
        int copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);

        if (copy < 0)
            return ko_err_sys(err, "duplicate inherited socket");
        list->fds[list->count++] = copy;
    }
    return 0;
}

/* ---- The public face ---- */

static void add_listener(ko_lane *lane, int fd, ko_tls *tls, bool running)
{
    ko_listener *listener = ko_new(ko_listener);

    *listener = (ko_listener){.lane = lane, .tls = tls, .fd = fd};
    listener->install = (ko_post){.fn = install, .arg = listener};
    if (running && !ko_loop_is_current(lane->loop))
        ko_loop_post(lane->loop, &listener->install);
    else
        install(listener);
}

/* Called before the loops run, or on one of them. */
static bool is_running(const ko_http_server *server)
{
    for (size_t i = 0; i < server->lane_count; i++)
        if (ko_loop_is_current(server->lanes[i].loop))
            return true;
    return false;
}

int ko_http_server_listen(ko_http_server *server, const char *address, ko_tls *tls, char *bound,
                          size_t bound_size, ko_err *err)
{
    socket_list list = {.count = 0};
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    int rc = strncmp(address, "fd:", 3) == 0 ? open_inherited(server, address + 3, &list, err)
                                             : open_address(server, address, &list, err);

    if (rc == 0 && getsockname(list.fds[0], (struct sockaddr *)&addr, &len) < 0)
        rc = ko_err_sys(err, "getsockname");
    if (rc < 0) {
        socket_list_done(&list);
        return ko_err_ctx(err, "listen on %s", address);
    }
    print_address((struct sockaddr *)&addr, len, bound, bound_size);
    for (size_t i = 0; i < list.count; i++) {
        tune(list.fds[i], tls != NULL);
        add_listener(&server->lanes[i % server->lane_count], list.fds[i], tls, is_running(server));
    }
    return 0;
}
