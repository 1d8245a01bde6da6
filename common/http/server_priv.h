/* common/http/server_priv.h: how the files of the server fit together.
 *
 *   server.c    the server as a whole: new, drain, statistics
 *   listener.c  addresses, sockets, accept
 *   lane.c      what the server has per loop: links, clock, spare exchanges, the send buffer
 *   link.c      one connection: the driver that decides what happens next
 *   xchg.c      one exchange: input buffer, request, pulling the body
 *   reply.c     the reply's head and where its bytes come from
 *
 * A link belongs to its lane for life. It has an exchange only while bytes of a request are there:
 * an idle keep-alive connection is a ko_link and an SSL object, nothing else.
 *
 * All work on a link is done by its driver (link.c), which is never entered twice: what handlers
 * call (ko_http_read, ko_http_reply) only notes what is wanted and wakes the driver. */
#ifndef KO_HTTP_SERVER_PRIV_H
#define KO_HTTP_SERVER_PRIV_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/http/conn.h"
#include "common/http/http1.h"
#include "common/http/server.h"

typedef struct ko_link ko_link;
typedef struct ko_lane ko_lane;
typedef struct ko_listener ko_listener;

/* What a step of the driver says. */
typedef enum {
    KO_STEP_GO,    /* look again: something changed */
    KO_STEP_WAIT,  /* for the socket, a timer, the pool or the handler: nothing to do now */
    KO_STEP_YIELD, /* could go on, but others shall have their turn first */
    KO_STEP_LOST   /* the connection is broken; the reason is in the error */
} ko_step;

/* ---- server.c ---- */

struct ko_http_server {
    ko_http_server_opts opts;
    ko_http_handler handler;
    atomic_size_t open;       /* connections, all lanes */
    atomic_size_t lanes_left; /* while draining: lanes that still have connections */
    atomic_bool ktls;
    uint64_t grace_ms;
    ko_loop *drain_loop;
    ko_post drained;
    size_t lane_count;
    ko_lane *lanes;
};

/* ---- lane.c ---- */

struct ko_lane {
    ko_http_server *server;
    ko_loop *loop;
    ko_listener *listeners;
    ko_link *links; /* doubly linked */
    size_t link_count;
    ko_http_xchg *spares; /* exchanges without a request, for reuse */
    size_t spare_count;
    uint8_t *send_buf; /* KO_HTTP_SEND_CHUNK; made when first needed */
    ko_timer tick;     /* deadlines and rates of all links, while there are any */
    ko_timer resume;   /* ends a pause of the listeners */
    bool paused;
    bool draining;
    uint64_t drain_until_ms;
    ko_post drain;
    int64_t date_s;
    char date[KO_CLOCK_HTTP_MAX];
    /* Written by this lane only, read by ko_http_server_stats(). */
    atomic_uint_fast64_t accepted, handshakes, resumed, bytes_in, bytes_out;
};

void ko_lane_init(ko_lane *lane, ko_http_server *server, ko_loop *loop);
void ko_lane_done(ko_lane *lane);
void ko_lane_add(ko_lane *lane, ko_link *link);    /* the link takes a place in server->open */
void ko_lane_remove(ko_lane *lane, ko_link *link); /* and gives it back */
void ko_lane_drain(void *arg);                     /* the lane, on its loop */
const char *ko_lane_date(ko_lane *lane);           /* for the Date field, made once a second */
uint8_t *ko_lane_send_buf(ko_lane *lane);
/* Adds to a counter that only this lane writes: no locked instruction. */
static inline void ko_lane_count(atomic_uint_fast64_t *counter, uint64_t more)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, old + more, memory_order_relaxed);
}

/* ---- listener.c ---- */

void ko_listener_pause(ko_lane *lane, uint64_t after_ms); /* and resume by itself */
void ko_listener_resume(void *arg);
void ko_listener_close_all(ko_lane *lane);

/* ---- link.c ---- */

#define KO_LINK_STATES(X)                                                                          \
    X(SNIFF)     /* TLS port: nothing received yet */                                              \
    X(HANDSHAKE) /* TLS handshake under way */                                                     \
    X(IDLE)      /* between requests; no exchange */                                               \
    X(HEAD)      /* bytes of a head are there, or may be */                                        \
    X(BUSY)      /* an exchange: body, handler, reply */                                           \
    X(SKIP)      /* reply sent; throwing away the rest of a short body */                          \
    X(LINGER)    /* our side is shut; waiting for the client to have read the reply */             \
    X(DYING)     /* lost, but a pool thread still reads for the exchange */                        \
    X(GONE)      /* closed; freed when the driver returns */

typedef enum {
#define X(name) KO_LINK_##name,
    KO_LINK_STATES(X)
#undef X
} ko_link_state;

struct ko_link {
    ko_conn conn;
    ko_lane *lane;
    ko_link *prev, *next;
    ko_http_xchg *x; /* NULL while idle */
    ko_tls *tls;     /* of the port; NULL: plain */
    ko_link_state state;
    bool driving; /* the driver is on the stack */
    bool again;   /* something was asked for meanwhile */
    bool posted;
    ko_post post;
    uint64_t deadline_ms; /* 0: none */
    int64_t budget;       /* bytes this link may still move in this turn */
    size_t linger_left;   /* bytes to discard until the next tick */
    /* Rate of a body: what came or went while we waited for the peer, over one window. */
    uint64_t rate_since_ms; /* 0: not waiting */
    uint64_t rate_waited_ms;
    uint64_t rate_bytes;
    char peer[46]; /* INET6_ADDRSTRLEN */
};

void ko_link_open(ko_lane *lane, int fd, ko_tls *tls, const struct sockaddr *addr);
void ko_link_kick(ko_link *link);                    /* drive soon; from anywhere on the loop */
void ko_link_tick(ko_link *link, uint64_t now_ms);   /* checks deadlines; may free the link */
void ko_link_drain(ko_link *link);                   /* the server is draining; may free the link */
void ko_link_kill(ko_link *link, const ko_err *err); /* ends at once; may free the link */
void ko_link_cold_done(ko_link *link);               /* the pool has read something */
/* Bytes were moved: counts them, puts the deadline off, takes them from the budget. */
void ko_link_moved(ko_link *link, size_t bytes, atomic_uint_fast64_t *counter);

/* ---- reply.c ---- */

typedef struct ko_cold ko_cold; /* bytes of a part read by a pool thread */

typedef struct {
    bool begun;
    bool bodyless; /* HEAD, 204, 304: parts are not sent */
    int status;
    ko_buf out; /* head, and a small body */
    size_t out_at;
    size_t head_len;
    const ko_http_part *parts;
    size_t count, index;
    uint64_t at;      /* bytes of parts[index] already sent */
    ko_http_part own; /* the body of ko_http_reply() when it is not small */
    ko_cold *cold;
    bool cold_busy; /* a pool thread is at work on it */
    bool starved;   /* the pool was full: try again at the next tick */
    uint64_t sent;  /* all bytes, head included */
    uint64_t begun_ms;
    size_t warm_index; /* parts[warm_index] was found in memory up to warm_to */
    uint64_t warm_to;
} ko_reply;

void ko_reply_init(ko_reply *reply);
void ko_reply_reset(ko_reply *reply); /* not while cold_busy */
void ko_reply_done(ko_reply *reply);
/* A reply of our own to a request that never became one. */
void ko_reply_refuse(ko_http_xchg *x, int status, const char *why);
/* Sends on. GO: the reply is out. Else WAIT (wants are set), YIELD or LOST. */
ko_step ko_reply_step(ko_http_xchg *x, ko_err *err);

/* ---- xchg.c ---- */

struct ko_http_xchg {
    ko_link *link;
    ko_http_xchg *next_spare;
    ko_arena *arena;
    void *user;
    /* Input: in[in_at, in_end) is not yet used. The head's bytes stay in front while it lives. */
    char *in;
    size_t in_cap, in_at, in_end;
    size_t in_base; /* where bytes may be put: 0, or the end of the head */
    ko_http1_parser parser;
    ko_http1_body body;
    bool begun;    /* on_request was called: on_end is due */
    bool ended;    /* on_end is running or has run */
    bool close;    /* after the reply */
    bool body_end; /* the whole body has been received */
    bool is_head;
    bool owes_100;            /* the client waits for 100 Continue before it sends the body */
    size_t interim_at;        /* bytes of the 100 reply already sent */
    bool interim;             /* it is being sent */
    uint64_t received;        /* bytes of the body */
    ko_http_read_fn *read_fn; /* a read under way, or NULL */
    void *read_arg;
    char *read_into;
    size_t read_cap, read_got;
    ko_reply reply;
    ko_err lost; /* while the link is DYING: why */
};

ko_http_xchg *ko_xchg_take(ko_link *link); /* from the lane's spares, or new */
void ko_xchg_put(ko_http_xchg *x);         /* to the spares; the request is forgotten */
ko_http_xchg *ko_xchg_free(ko_http_xchg *x);
void ko_xchg_next(ko_http_xchg *x); /* forgets the request, keeps unused input */

/* Receives into the input buffer. GO: something came. WAIT: nothing yet. LOST: also at the end of
 * the stream. */
ko_step ko_xchg_fill(ko_http_xchg *x, ko_err *err);
ko_http1_step ko_xchg_parse(ko_http_xchg *x);
void ko_xchg_begin(ko_http_xchg *x); /* calls on_request */
/* Serves the read under way. GO: it is answered, or there is none. */
ko_step ko_xchg_read_step(ko_http_xchg *x, ko_err *err);
/* Throws the rest of the body away. GO: all of it is gone. */
ko_step ko_xchg_skip_step(ko_http_xchg *x, ko_err *err);
/* May the rest of the body be thrown away rather than the connection closed? */
bool ko_xchg_can_skip(const ko_http_xchg *x);
/* Answers an open read with an error, calls on_end. */
void ko_xchg_end(ko_http_xchg *x, const ko_err *err);

#endif
