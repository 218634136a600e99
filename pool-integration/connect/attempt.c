/* SPDX-License-Identifier: ISC
 *
 * One attempt of a race: from a socket to a connection, or to the reason why not.
 */
#include "connector_internal.h"

#include "error_builder.h"
#include "pool_trace.h"
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { AGAIN_FIRST_NS = 1000000, AGAIN_DOUBLINGS = 6 };

uint64_t deadline_after(uint64_t now_ns, uint64_t wait_ns)
{
    return wait_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
}

static struct attempt *of_op(struct evloop_op *op)
{
    return (struct attempt *)((char *)op - offsetof(struct attempt, op));
}

void attempt_close(struct attempt *attempt)
{
    if (attempt->fd >= 0)
        close(attempt->fd);
    attempt->fd = -1;
}

void attempt_failed(struct attempt *attempt, enum evpool_code code, int error, const char *layer, const char *text)
{
    struct connector_state *race = attempt->race;
    struct connector *connector = race->connector;
    char address[160];
    peer_address_print(&attempt->peer, address, sizeof(address));
    const uint64_t took_ns = race->now_ns - attempt->began_ns;
    attempt->stage = ATTEMPT_FAILED;
    attempt->target->code = code;
    attempt->target->error = error;
    attempt->target->took_ns = took_ns;
    connector->error =
        error_attempt(connector->error, address, code, error, attempt->number, attempt->began_ns, took_ns);
    race_fault(race, attempt, code, error, layer, text);
    /* Not the address's fault, and the next would fare no better. */
    if (code == EVPOOL_ERROR_descriptors || code == EVPOOL_ERROR_memory || code == EVPOOL_ERROR_cancelled)
        race->closed = true;
}

/* Before it was connected. */
static void fail(struct attempt *attempt, int error)
{
    struct error_errno what;
    char text[128];
    const enum evpool_code code = error_of_connect(error);
    attempt_close(attempt);
    pool_trace_attempt_end_at(attempt->race->stamp, attempt->span, attempt->target->address_id, code, error);
    snprintf(text, sizeof(text), "%s (connect)", attempt->timed_out ? "timed out" : error_text(&what, error));
    attempt_failed(attempt, code, error, "connect", text);
}

/* ---- ending ---- */

static void end_connecting(struct attempt *attempt)
{
    attempt->race->connecting--;
    evloop_timer_stop(attempt->race->loop, &attempt->timeout);
    evloop_timer_stop(attempt->race->loop, &attempt->again);
}

static void ended(struct attempt *attempt, int result)
{
    struct connector_state *race = attempt->race;
    end_connecting(attempt);
    if (result == 0 && socket_met_itself(attempt->fd))
        result = -ECONNREFUSED;
    if (result < 0 && attempt->timed_out)
        result = -ETIMEDOUT;
    if (result == 0) {
        race_connected(attempt);
    } else {
        fail(attempt, -result);
        race_go_on(race);
    }
}

static void left(struct attempt *attempt)
{
    struct connector_state *race = attempt->race;
    attempt_close(attempt);
    attempt->stage = ATTEMPT_LOST;
    race->leaving--;
    race_go_on(race);
}

void attempt_leave(struct attempt *attempt)
{
    struct connector_state *race = attempt->race;
    end_connecting(attempt);
    attempt->target->code = EVPOOL_ERROR_cancelled;
    attempt->target->error = ECANCELED;
    attempt->target->took_ns = race->now_ns - attempt->began_ns;
    pool_trace_attempt_end_at(race->stamp, attempt->span, attempt->target->address_id, EVPOOL_ERROR_cancelled,
                              ECANCELED);
    if (evloop_busy(&attempt->op)) {
        attempt->stage = ATTEMPT_LEAVING;
        race->leaving++;
        evloop_cancel(race->loop, &attempt->op);
    } else {
        attempt_close(attempt);
        attempt->stage = ATTEMPT_LOST;
    }
}

static void on_timeout(struct evloop_timer *timer)
{
    struct attempt *attempt = (struct attempt *)((char *)timer - offsetof(struct attempt, timeout));
    attempt->timed_out = true;
    if (evloop_busy(&attempt->op)) {
        evloop_cancel(attempt->race->loop, &attempt->op);
        return;
    }
    race_enter(attempt->race);
    ended(attempt, -ETIMEDOUT);
}

/* ---- connecting ---- */

static void on_connect(struct evloop_op *op, int result);

static void connect_now(struct attempt *attempt)
{
    attempt->op.parent = attempt->span;
    evloop_connect(attempt->race->loop, &attempt->op, attempt->fd, &attempt->peer.address, attempt->peer.bytes,
                   on_connect);
}

static void on_again(struct evloop_timer *timer)
{
    connect_now((struct attempt *)((char *)timer - offsetof(struct attempt, again)));
}

/* A unix socket has no queue for those that wait for the backlog: it is asked again. True: it will be. */
static bool connect_again(struct attempt *attempt)
{
    const unsigned doublings = attempt->agains < AGAIN_DOUBLINGS ? attempt->agains : AGAIN_DOUBLINGS;
    const uint64_t deadline_ns = deadline_after(attempt->race->now_ns, (uint64_t)AGAIN_FIRST_NS << doublings);
    attempt->agains++;
    return evloop_timer_start(attempt->race->loop, &attempt->again, deadline_ns, on_again) == 0;
}

static void on_connect(struct evloop_op *op, int result)
{
    struct attempt *attempt = of_op(op);
    race_enter(attempt->race);
    if (attempt->stage == ATTEMPT_LEAVING)
        left(attempt);
    else if (result == -EAGAIN && !attempt->timed_out && connect_again(attempt))
        return;
    else
        ended(attempt, result);
}

/* The descriptor and the time limit: 0 or -errno. */
static int prepare(struct attempt *attempt)
{
    struct connector_state *race = attempt->race;
    attempt->fd = socket_open(attempt->peer.address.ss_family);
    if (attempt->fd < 0)
        return attempt->fd;
    const uint64_t timeout_ns = race->connector->connect_timeout_ns;
    if (timeout_ns == UINT64_MAX)
        return 0;
    return evloop_timer_start(race->loop, &attempt->timeout, deadline_after(race->now_ns, timeout_ns), on_timeout);
}

void attempt_start(struct attempt *attempt)
{
    struct connector_state *race = attempt->race;
    struct connector *connector = race->connector;
    struct connector_target *target = attempt->target;
    attempt->number = ++connector->attempts;
    attempt->began_ns = race->now_ns;
    attempt->span = pool_trace_span();
    attempt->timed_out = false;
    attempt->agains = 0;
    target->tried++;
    pool_trace_attempt_begin_at(race->stamp, attempt->span, connector->span, connector->name_id, target->address_id,
                                target->peer.address.ss_family, attempt->number);
    const int result = prepare(attempt);
    if (result < 0) {
        fail(attempt, -result);
        return;
    }
    attempt->stage = ATTEMPT_CONNECTING;
    race->connecting++;
    connect_now(attempt);
}
