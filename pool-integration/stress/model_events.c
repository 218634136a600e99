/* SPDX-License-Identifier: ISC
 *
 * What each event says to the figures.
 */
#include "model_internal.h"

#include <evtrail/trace.h>

#include <stdio.h>
#include <string.h>

enum { SOURCE_cache = 2 };

static uint64_t number(const struct step *step, unsigned field)
{
    return step->value[field].u;
}

static unsigned code_at(const struct step *step, unsigned field)
{
    const uint64_t code = step->value[field].u;
    return code < MODEL_CODES ? (unsigned)code : MODEL_CODES - 1;
}

static void time_add(struct step *step, enum model_time time, int64_t ns)
{
    if (ns >= 0)
        histogram_add(&step->model->times[time], (uint64_t)ns, 1);
}

/* What was given up because the pool closes, or another was faster, is no error. */
static bool is_error(unsigned code)
{
    return code != EVPOOL_OK && code != EVPOOL_ERROR_cancelled && code != EVPOOL_ERROR_closed;
}

static void error_add(struct step *step, unsigned code)
{
    step->model->errors[code]++;
}

/* ---- names and addresses ---- */

static void on_name_label(struct step *step)
{
    struct model_name *const name = entity_name(step, number(step, 0));
    if (name)
        value_text(&step->value[1], name->label, sizeof name->label);
}

static void on_address_label(struct step *step)
{
    struct model_address *const address = entity_address(step, number(step, 0));
    if (address)
        value_text(&step->value[1], address->label, sizeof address->label);
}

static void on_address_state(struct step *step)
{
    entity_address_state(step, number(step, 0), (uint32_t)number(step, 1));
}

static void on_address_gone(struct step *step)
{
    entity_address_state(step, number(step, 0), 5);
}

static void on_ejected(struct step *step)
{
    struct model_address *const address = entity_address(step, number(step, 0));
    step->model->ejections++;
    if (address)
        address->ejections++;
}

static void on_returned(struct step *step)
{
    step->model->returned++;
}

/* ---- resolving and connecting ---- */

static void on_resolve_end(struct step *step)
{
    const unsigned code = code_at(step, 0);
    step->model->lookups++;
    step->model->coalesced += number(step, 1);
    if (number(step, 2) == SOURCE_cache)
        step->model->cached++;
    else
        time_add(step, TIME_resolve, step->event->duration);
    if (is_error(code))
        error_add(step, code);
}

static void on_attempt_end(struct step *step)
{
    struct model_address *const address = entity_address(step, number(step, 0));
    const unsigned code = code_at(step, 1);
    const bool failed = is_error(code);
    step->model->attempts++;
    if (failed)
        error_add(step, code);
    if (address) {
        address->attempts++;
        address->failures += failed;
    }
}

static void on_race_won(struct step *step)
{
    step->model->races++;
}

static void on_tls_end(struct step *step)
{
    char version[16];
    if (code_at(step, 0) != EVPOOL_OK)
        return;
    value_text(&step->value[2], version, sizeof version);
    step->model->handshakes++;
    step->model->resumed += number(step, 1) != 0;
    step->model->tls13 += strcmp(version, "TLSv1.3") == 0;
    time_add(step, TIME_tls, step->event->duration);
}

static void on_retry(struct step *step)
{
    step->model->retries++;
}

/* ---- connections ---- */

static void on_created(struct step *step)
{
    struct model_name *const name = entity_name(step, number(step, 0));
    struct model_address *const address = entity_address(step, number(step, 1));
    step->model->created++;
    time_add(step, TIME_connect, (int64_t)number(step, 2));
    if (name)
        name->created++;
    if (address)
        address->created++;
}

static void on_reused(struct step *step)
{
    struct model_address *const address = entity_address(step, number(step, 0));
    step->model->reused++;
    if (address)
        address->reused++;
}

static void on_released(struct step *step)
{
    struct model_address *const address = entity_address(step, number(step, 0));
    step->model->released++;
    time_add(step, TIME_use, (int64_t)number(step, 1));
    if (address)
        address->use_ns += number(step, 1);
}

static void on_closed(struct step *step)
{
    struct model_name *const name = entity_name(step, number(step, 0));
    struct model_address *const address = entity_address(step, number(step, 1));
    const uint64_t reason = number(step, 2);
    step->model->closed[reason < MODEL_REASONS ? reason : 0]++;
    if (name)
        name->closed++;
    if (address)
        address->closed++;
}

static void on_conn_state(struct step *step)
{
    entity_conn_state(step, number(step, 0), (uint32_t)number(step, 1));
}

static void on_conn_gone(struct step *step)
{
    entity_conn_gone(step, number(step, 0));
}

static void on_health_ok(struct step *step)
{
    step->model->health_ok++;
}

static void on_health_failed(struct step *step)
{
    step->model->health_failed++;
}

static void on_leak(struct step *step)
{
    step->model->leaks++;
}

/* ---- acquiring ---- */

static void on_acquire_begin(struct step *step)
{
    entity_request_begin(step, number(step, 0));
}

static void on_acquire_end(struct step *step)
{
    struct model *const model = step->model;
    struct model_name *const name = entity_name(step, number(step, 0));
    const unsigned code = code_at(step, 1);
    const uint64_t wait = number(step, 2);
    entity_request_end(step, number(step, 3));
    model->acquires[code]++;
    if (code == EVPOOL_OK)
        time_add(step, TIME_wait, (int64_t)wait);
    if (code == EVPOOL_OK && wait > model->wait_max_ns)
        model->wait_max_ns = wait;
    if (name && code == EVPOOL_OK)
        name->acquired++;
    else if (name)
        name->failed++;
}

static void on_acquire_wait(struct step *step)
{
    entity_request_wait(step, number(step, 1));
    if (number(step, 0) > step->model->waiting_max)
        step->model->waiting_max = number(step, 0);
}

static void on_acquire_timeout(struct step *step)
{
    step->model->acquire_timeouts++;
}

static void on_acquire_cancelled(struct step *step)
{
    step->model->acquire_cancelled++;
}

/* ---- the loop ---- */

static void on_iteration(struct step *step)
{
    struct model_loop *const loop = &step->model->loop;
    const uint64_t busy = number(step, 0), idle = number(step, 1);
    if (loop->over)
        return;
    loop->iterations++;
    loop->busy_ns += busy;
    loop->idle_ns += idle;
    time_add(step, TIME_turn, (int64_t)busy);
}

static void on_submitted(struct step *step)
{
    struct model_loop *const loop = &step->model->loop;
    if (loop->over)
        return;
    loop->submissions++;
    loop->submitted += number(step, 0);
}

static void on_op_begin(struct step *step)
{
    struct model_loop *const loop = &step->model->loop;
    const uint64_t opcode = number(step, 0);
    if (loop->over)
        return;
    loop->operations++;
    loop->by_opcode[opcode < MODEL_OPCODES ? opcode : 0]++;
}

static void on_op_end(struct step *step)
{
    step->model->loop.completions += !step->model->loop.over;
}

static void on_wakeup(struct step *step)
{
    step->model->loop.wakeups += !step->model->loop.over;
}

static void on_timer_fired(struct step *step)
{
    if (step->model->loop.over)
        return;
    step->model->loop.timers_fired++;
    time_add(step, TIME_late, (int64_t)number(step, 0));
}

static void on_overflow(struct step *step)
{
    if (!step->model->loop.over)
        step->model->loop.overflows += number(step, 0);
}

/* ---- the load ---- */

static void on_drained(struct step *step)
{
    step->model->loop.over = true;
}

static void on_run_begin(struct step *step)
{
    struct model *const model = step->model;
    model->run_from_ns = step->event->time;
    value_text(&step->value[0], model->preset, sizeof model->preset);
    value_text(&step->value[1], model->mode, sizeof model->mode);
    value_text(&step->value[2], model->backend, sizeof model->backend);
    model->clients = number(step, 3);
    model->servers = number(step, 4);
    model->size = number(step, 5);
    model->seed = number(step, 6);
}

static void on_run_end(struct step *step)
{
    step->model->run_to_ns = step->event->time;
}

static void on_message_begin(struct step *step)
{
    step->model->begun++;
}

static void on_message_answered(struct step *step)
{
    const bool whole = number(step, 1) == 0;
    if (!whole || step->event->duration < 0)
        return;
    time_add(step, TIME_round_trip, step->event->duration);
}

static void on_message_end(struct step *step)
{
    struct model *const model = step->model;
    const uint64_t bytes = number(step, 0), outcome = number(step, 1), tries = number(step, 2);
    model->messages[outcome < MODEL_OUTCOMES ? outcome : 0]++;
    model->resent += tries > 1 ? tries - 1 : 0;
    if (outcome != 1)
        return;
    model->bytes += bytes;
    time_add(step, TIME_message, step->event->duration);
}

#define ON(name, kind, call, ...) \
    { \
        name, EVTRAIL_KIND_##kind, call, \
        { \
            __VA_ARGS__ \
        } \
    }
const struct handler model_handlers[] = {
    ON("pool.name", name, on_name_label, "name", "label"),
    ON("pool.address", name, on_address_label, "address", "label"),
    ON("pool.address", state, on_address_state, "address", "state"),
    ON("pool.address", gone, on_address_gone, "address"),
    ON("pool.address.ejected", instant, on_ejected, "address"),
    ON("pool.address.returned", instant, on_returned, "address"),
    ON("pool.resolve", end, on_resolve_end, "code", "coalesced", "source"),
    ON("pool.attempt", end, on_attempt_end, "address", "code"),
    ON("pool.race.won", instant, on_race_won, "others"),
    ON("pool.tls", end, on_tls_end, "code", "resumed", "version"),
    ON("pool.retry", instant, on_retry, "round"),
    ON("pool.conn.created", instant, on_created, "name", "address", "took"),
    ON("pool.conn.reused", instant, on_reused, "address"),
    ON("pool.conn.released", instant, on_released, "address", "use"),
    ON("pool.conn.closed", instant, on_closed, "name", "address", "reason"),
    ON("pool.conn", state, on_conn_state, "conn", "state"),
    ON("pool.conn", gone, on_conn_gone, "conn"),
    ON("pool.health.ok", instant, on_health_ok, "took"),
    ON("pool.health.failed", instant, on_health_failed, "took"),
    ON("pool.leak", instant, on_leak, "held"),
    ON("pool.acquire", begin, on_acquire_begin, "span"),
    ON("pool.acquire", end, on_acquire_end, "name", "code", "wait", "span"),
    ON("pool.acquire.wait", instant, on_acquire_wait, "depth", "span"),
    ON("pool.acquire.timeout", instant, on_acquire_timeout, "waited"),
    ON("pool.acquire.cancelled", instant, on_acquire_cancelled, "waited"),
    ON("loop.iteration", instant, on_iteration, "busy", "idle"),
    ON("loop.submitted", instant, on_submitted, "count"),
    ON("loop.op", begin, on_op_begin, "opcode"),
    ON("loop.op", end, on_op_end, "opcode"),
    ON("loop.wakeup", instant, on_wakeup, "posts"),
    ON("loop.timer.fired", instant, on_timer_fired, "late"),
    ON("loop.overflow", instant, on_overflow, "waiting"),
    ON("stress.drained", instant, on_drained, "messages"),
    ON("stress.run", begin, on_run_begin, "preset", "mode", "backend", "clients", "servers", "size", "seed"),
    ON("stress.run", end, on_run_end, "messages"),
    ON("stress.message", begin, on_message_begin, "client"),
    ON("stress.message.sent", end, on_message_answered, "bytes", "error"),
    ON("stress.message", end, on_message_end, "bytes", "outcome", "tries"),
};
const unsigned model_handlers_count = sizeof model_handlers / sizeof model_handlers[0];
