/* common/http/lane.c: what the server has per loop.
 *
 * Deadlines are not timers: each link holds a point in time, which the hot path only overwrites,
 * and one tick per lane compares all of them. Ten thousand links are a millisecond's work a second;
 * a heap of timers would cost more, on every request. The price is that a deadline is noticed up to
 * one tick late.
 *
 * Exchanges, with their arena and input buffer, are shared by the lane's links through a small
 * stack of spares, so that a keep-alive request allocates nothing and an idle link holds nothing.
 */
#include "common/base/limits.h"
#include "common/http/server_priv.h"

#define TICK_MAX_MS 1000
#define TICK_MIN_MS 10

/* Often enough that the shortest timeout is noticed within an eighth of itself. */
static uint64_t tick_ms(const ko_http_server_opts *opts)
{
    uint64_t least = opts->head_timeout_ms;

    if (opts->idle_timeout_ms < least)
        least = opts->idle_timeout_ms;
    if (opts->stall_timeout_ms < least)
        least = opts->stall_timeout_ms;
    least /= 8;
    return least < TICK_MIN_MS ? TICK_MIN_MS : least > TICK_MAX_MS ? TICK_MAX_MS : least;
}

static void finish_drain(ko_lane *lane)
{
    ko_http_server *server = lane->server;

    if (atomic_fetch_sub(&server->lanes_left, 1) == 1)
        ko_loop_post(server->drain_loop, &server->drained);
}

static void on_tick(void *arg)
{
    ko_lane *lane = arg;
    uint64_t now_ms = ko_loop_now_ms(lane->loop);
    bool grace_over = lane->draining && now_ms >= lane->drain_until_ms;
    ko_err err;

    if (lane->link_count == 0)
        return;
    ko_timer_start(&lane->tick, tick_ms(&lane->server->opts));
    (void)ko_err_set(&err, KO_E_UNAVAILABLE, "server is shutting down");
    for (ko_link *link = lane->links, *next; link; link = next) {
        next = link->next;
        if (grace_over)
            ko_link_kill(link, &err);
        else
            ko_link_tick(link, now_ms);
    }
}

void ko_lane_init(ko_lane *lane, ko_http_server *server, ko_loop *loop)
{
    lane->server = server;
    lane->loop = loop;
    lane->drain = (ko_post){.fn = ko_lane_drain, .arg = lane};
    ko_timer_init(&lane->tick, loop, on_tick, lane);
    ko_timer_init(&lane->resume, loop, ko_listener_resume, lane);
}

void ko_lane_done(ko_lane *lane)
{
    KO_ASSERT(lane->link_count == 0);
    ko_listener_close_all(lane);
    while (lane->spares) {
        ko_http_xchg *x = lane->spares;

        lane->spares = x->next_spare;
        (void)ko_xchg_free(x);
    }
    free(lane->send_buf);
    ko_timer_done(&lane->tick);
    ko_timer_done(&lane->resume);
}

void ko_lane_add(ko_lane *lane, ko_link *link)
{
    link->next = lane->links;
    link->prev = NULL;
    if (lane->links)
        lane->links->prev = link;
    lane->links = link;
    if (lane->link_count++ == 0)
        ko_timer_start(&lane->tick, tick_ms(&lane->server->opts));
    ko_lane_count(&lane->accepted, 1);
}

void ko_lane_remove(ko_lane *lane, ko_link *link)
{
    if (link->prev)
        link->prev->next = link->next;
    else
        lane->links = link->next;
    if (link->next)
        link->next->prev = link->prev;
    lane->link_count--;
    (void)atomic_fetch_sub(&lane->server->open, 1);
    if (lane->draining && lane->link_count == 0)
        finish_drain(lane);
    else if (lane->paused)
        ko_listener_resume(lane);
}

void ko_lane_drain(void *arg)
{
    ko_lane *lane = arg;

    ko_listener_close_all(lane);
    lane->draining = true;
    lane->drain_until_ms = ko_loop_now_ms(lane->loop) + lane->server->grace_ms;
    if (lane->link_count == 0) {
        finish_drain(lane);
        return;
    }
    if (lane->server->grace_ms < tick_ms(&lane->server->opts))
        ko_timer_start(&lane->tick, lane->server->grace_ms);
    for (ko_link *link = lane->links, *next; link; link = next) {
        next = link->next;
        ko_link_drain(link);
    }
}

const char *ko_lane_date(ko_lane *lane)
{
    int64_t now_s = ko_clock_wall_s();

    if (now_s != lane->date_s) {
        lane->date_s = now_s;
        ko_clock_http(now_s, lane->date);
    }
    return lane->date;
}

uint8_t *ko_lane_send_buf(ko_lane *lane)
{
    if (!lane->send_buf)
        lane->send_buf = ko_xmalloc(KO_HTTP_SEND_CHUNK);
    return lane->send_buf;
}
