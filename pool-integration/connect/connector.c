/* SPDX-License-Identifier: ISC
 *
 * The race: whose turn it is, who has won, and what is done about the others. RFC 8305, section 5. An attempt begins when the one
 * before it has failed or had its time; the first to connect wins, and the others leave.
 */
#include "connector_internal.h"

#include "error_builder.h"
#include "pool_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void race_enter(struct connector_state *race)
{
    race->now_ns = evloop_update_now(race->loop);
    race->stamp = pool_trace_now();
}

/* ---- the end ---- */

static void race_free(struct connector_state *race)
{
    if (!race->connector && !race->leaving && !race->handshaking)
        free(race);
}

void race_fault(struct connector_state *race, const struct attempt *of, enum evpool_code code, int error,
                const char *layer, const char *text)
{
    if (race->closed) /* what closed the race says more than what came after */
        return;
    race->fault = (struct race_fault){.code = code, .error = error, .layer = layer, .attempt = of};
    snprintf(race->fault.text, sizeof(race->fault.text), "%s", text);
    if (of) {
        race->fault.number = of->number;
        race->fault.took_ns = race->now_ns - of->began_ns;
    }
}

/* The callback; the race goes when its last loser has. */
static void race_end(struct connector_state *race)
{
    struct connector *connector = race->connector;
    evloop_timer_stop(race->loop, &race->delay);
    race->connector = NULL;
    connector->state = NULL;
    race_free(race);
    connector->call(connector);
}

static void race_won(struct connector_state *race, struct stream *stream)
{
    struct connector *connector = race->connector;
    evpool_error_free(connector->error);
    connector->error = NULL;
    connector->stream = stream;
    connector->winner = race->winner->target;
    connector->winner->code = EVPOOL_OK;
    connector->winner->error = 0;
    connector->winner->took_ns = connector->connect_ns + connector->tls_ns;
    race->winner->fd = -1; /* the stream's */
    race_end(race);
}

/* "tcp:127.0.0.1:8088, attempt 3 of 3, 0.4 ms" */
static struct evpool_error *add_attempt_line(struct evpool_error *error, const struct race_fault *fault, unsigned of,
                                             uint64_t now_ns)
{
    struct error_duration duration;
    char address[160], total[24] = "";
    peer_address_print(&fault->attempt->peer, address, sizeof(address));
    if (of >= fault->number)
        snprintf(total, sizeof(total), " of %u", of);
    return error_wrap(error, fault->code, 0, now_ns, fault->took_ns, "attempt", "%s, attempt %u%s, %s", address,
                      fault->number, total, error_duration(&duration, fault->took_ns));
}

static void race_failed(struct connector_state *race)
{
    struct connector *connector = race->connector;
    const struct race_fault *fault = &race->fault;
    struct evpool_error *error = error_restart(connector->error);
    error = error_wrap(error, fault->code, fault->error, race->now_ns, fault->took_ns, fault->layer, "%s", fault->text);
    if (fault->attempt)
        error = add_attempt_line(error, fault, connector->attempts_of, race->now_ns);
    connector->error = error;
    race_end(race);
}

/* ---- turns ---- */

/* The next whose turn it is, NULL: none. Losers come after those that had no turn yet. */
static struct attempt *next_attempt(struct connector_state *race)
{
    struct attempt *loser = NULL;
    for (unsigned i = 0; i < race->count; i++) {
        struct attempt *attempt = &race->attempts[i];
        if (attempt->stage == ATTEMPT_WAITING)
            return attempt;
        if (attempt->stage == ATTEMPT_LOST && !loser)
            loser = attempt;
    }
    return race->losers_again ? loser : NULL;
}

static void on_delay(struct evloop_timer *timer)
{
    struct connector_state *race = (struct connector_state *)((char *)timer - offsetof(struct connector_state, delay));
    race_enter(race);
    race_go_on(race);
}

static void start_next(struct connector_state *race)
{
    struct attempt *attempt;
    const unsigned before = race->connecting;
    while (race->connecting == before && !race->closed && (attempt = next_attempt(race)))
        attempt_start(attempt);
    if (race->connecting == before || race->closed || !next_attempt(race))
        return;
    /* Without memory for a timer the next begins when this one has failed. */
    (void)evloop_timer_start(race->loop, &race->delay, deadline_after(race->now_ns, race->connector->attempt_delay_ns),
                             on_delay);
}

void race_go_on(struct connector_state *race)
{
    if (!race->connector || race->cancelled) {
        race_free(race);
        return;
    }
    if (race->winner)
        return;
    evloop_timer_stop(race->loop, &race->delay);
    start_next(race);
    const bool losers_to_come = race->losers_again && race->leaving && !race->closed;
    if (!race->connecting && !losers_to_come)
        race_failed(race);
}

/* ---- the winner ---- */

/* Those that still connect leave. Their number. */
static unsigned others_leave(struct connector_state *race)
{
    unsigned others = 0;
    for (unsigned i = 0; i < race->count; i++) {
        if (race->attempts[i].stage != ATTEMPT_CONNECTING)
            continue;
        attempt_leave(&race->attempts[i]);
        if (!race->cancelled)
            pool_trace_race_cancelled_at(race->stamp, race->connector->span, race->attempts[i].target->address_id);
        others++;
    }
    return others;
}

/* Connected, and of no use: as if it had failed. */
static void winner_failed(struct connector_state *race, enum evpool_code code, int error, const char *layer,
                          const char *text)
{
    struct attempt *winner = race->winner;
    race->winner = NULL;
    race->losers_again = true;
    attempt_close(winner);
    attempt_failed(winner, code, error, layer, text);
    race_go_on(race);
}

static void winner_ready(struct connector_state *race, struct tls *tls)
{
    struct stream *stream;
    if (stream_open_tls(&stream, race->loop, race->winner->fd, tls) == 0) {
        race_won(race, stream);
        return;
    }
    tls_free(tls);
    winner_failed(race, EVPOOL_ERROR_memory, ENOMEM, "connect", "out of memory (connect)");
}

static void on_handshake(struct tls_handshake *handshake)
{
    struct connector_state *race =
        (struct connector_state *)((char *)handshake - offsetof(struct connector_state, handshake));
    struct tls *tls = handshake->tls;
    const bool unwanted = !race->connector || race->cancelled, resumed = tls && tls_resumed(tls);
    race_enter(race);
    race->handshaking = false;
    pool_trace_tls_end_at(race->stamp, race->tls_span, unwanted ? EVPOOL_ERROR_cancelled : handshake->code, resumed,
                          tls ? tls_version(tls) : NULL, tls ? tls_alpn(tls) : NULL);
    if (unwanted) {
        tls_free(tls);
        attempt_close(race->winner);
        race_free(race);
        return;
    }
    race->connector->tls_ns = race->now_ns - race->tls_began_ns;
    race->connector->handshakes += tls != NULL;
    race->connector->resumed += resumed;
    if (tls)
        winner_ready(race, tls);
    else
        winner_failed(race, handshake->code, handshake->error, "tls", handshake->text);
}

static void winner_handshake(struct connector_state *race)
{
    struct connector *connector = race->connector;
    race->tls_began_ns = race->now_ns;
    race->tls_span = pool_trace_span();
    race->handshake = (struct tls_handshake){.loop = race->loop,
                                             .fd = race->winner->fd,
                                             .deadline_ns = deadline_after(race->now_ns, connector->tls_timeout_ns),
                                             .call = on_handshake};
    pool_trace_tls_begin_at(race->stamp, race->tls_span, connector->span, race->winner->target->address_id,
                            tls_settings_server(connector->tls));
    race->handshake.op.parent = race->tls_span;
    race->handshaking = tls_handshake_start(&race->handshake, connector->tls) == 0;
    if (race->handshaking)
        return;
    pool_trace_tls_end_at(race->stamp, race->tls_span, EVPOOL_ERROR_memory, false, NULL, NULL);
    winner_failed(race, EVPOOL_ERROR_memory, ENOMEM, "tls", "out of memory (tls)");
}

void race_connected(struct attempt *attempt)
{
    struct connector_state *race = attempt->race;
    attempt->stage = ATTEMPT_CONNECTED;
    race->winner = attempt;
    race->connector->connect_ns = race->now_ns - attempt->began_ns;
    evloop_timer_stop(race->loop, &race->delay);
    pool_trace_attempt_end_at(race->stamp, attempt->span, attempt->target->address_id, EVPOOL_OK, 0);
    const unsigned others = others_leave(race);
    race->connector->races += others > 0;
    if (others)
        pool_trace_race_won_at(race->stamp, race->connector->span, attempt->target->address_id, others);
    if (race->connector->tls)
        winner_handshake(race);
    else
        winner_ready(race, NULL);
}

/* ---- start and cancel ---- */

static void end_cancelled(struct connector_state *race)
{
    race->closed = false;
    race_fault(race, NULL, EVPOOL_ERROR_cancelled, ECANCELED, "connect", "cancelled (connect)");
    race_failed(race);
}

static void on_cancel(struct evloop_post *post)
{
    struct connector *connector = (struct connector *)((char *)post - offsetof(struct connector, post));
    race_enter(connector->state);
    end_cancelled(connector->state);
}

static void on_begin(struct evloop_post *post)
{
    struct connector *connector = (struct connector *)((char *)post - offsetof(struct connector, post));
    struct connector_state *race = connector->state;
    if (!race) {
        connector->error = error_wrap(error_restart(connector->error), EVPOOL_ERROR_memory, ENOMEM,
                                      evloop_now_ns(connector->loop), 0, "connect", "out of memory (connect)");
        connector->call(connector);
        return;
    }
    race->begun = true;
    race_enter(race);
    race_fault(race, NULL, EVPOOL_ERROR_invalid, EINVAL, "connect", "no address to connect to (connect)");
    if (race->cancelled)
        end_cancelled(race);
    else
        race_go_on(race);
}

static struct connector_state *race_new(struct connector *connector)
{
    const unsigned count =
        connector->targets_count < CONNECTOR_TARGETS_MAX ? connector->targets_count : CONNECTOR_TARGETS_MAX;
    struct connector_state *race = calloc(1, sizeof(*race) + count * sizeof(race->attempts[0]));
    if (!race)
        return NULL;
    race->connector = connector;
    race->loop = connector->loop;
    race->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct connector_target *target = &connector->targets[i];
        target->code = EVPOOL_OK;
        target->error = 0;
        target->tried = 0;
        target->took_ns = 0;
        race->attempts[i].race = race;
        race->attempts[i].target = target;
        race->attempts[i].peer = target->peer;
        race->attempts[i].fd = -1;
    }
    return race;
}

void connector_start(struct connector *connector)
{
    connector->stream = NULL;
    connector->winner = NULL;
    connector->connect_ns = connector->tls_ns = 0;
    connector->attempts = connector->attempts_before;
    connector->state = race_new(connector);
    connector->post.call = on_begin;
    evloop_post(connector->loop, &connector->post);
}

void connector_cancel(struct connector *connector)
{
    struct connector_state *race = connector->state;
    if (!race || race->cancelled)
        return;
    race->cancelled = true;
    if (!race->begun)
        return;
    race_enter(race);
    evloop_timer_stop(race->loop, &race->delay);
    others_leave(race);
    if (race->handshaking)
        tls_handshake_cancel(&race->handshake);
    connector->post.call = on_cancel;
    evloop_post(connector->loop, &connector->post);
}

void connector_abandon(struct connector *connector)
{
    const struct connector_state *race = connector->state;
    for (unsigned i = 0; race && i < race->count; i++)
        if (race->attempts[i].fd >= 0)
            close(race->attempts[i].fd);
}
