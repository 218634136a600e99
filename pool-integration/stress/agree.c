/* SPDX-License-Identifier: ISC
 *
 * The figures computed from the events beside those that the pool counted itself: they must be the same.
 */
#include "stress.h"

static void line(struct agreement *agreement, const char *name, uint64_t events, uint64_t pool)
{
    if (agreement->count == sizeof agreement->lines / sizeof agreement->lines[0])
        return;
    agreement->lines[agreement->count++] = (struct agreement_line){name, events, pool};
    agreement->differ += events != pool;
}

static const char *reason_text(unsigned reason)
{
    static const char *const names[MODEL_REASONS] = {"",
                                                     "closed: idle",
                                                     "closed: lifetime",
                                                     "closed: uses",
                                                     "closed: health",
                                                     "closed: error",
                                                     "closed: remote",
                                                     "closed: evicted",
                                                     "closed: shutdown",
                                                     "closed: retired"};
    return names[reason];
}

static void agree_errors(const struct model *model, const struct outcome *outcome, struct agreement *agreement)
{
    for (unsigned code = 1; code < EVPOOL_CODES; code++)
        if (model->errors[code] || outcome->figures.errors[code])
            line(agreement, model_code_name(code), model->errors[code], outcome->figures.errors[code]);
}

static void agree_loop(const struct model_loop *model, const struct evloop_figures *loop, struct agreement *agreement)
{
    line(agreement, "loop: iterations", model->iterations, loop->iterations);
    line(agreement, "loop: operations", model->operations, loop->operations);
    line(agreement, "loop: completions", model->completions, loop->completions);
    line(agreement, "loop: submissions", model->submissions, loop->submit_calls);
    line(agreement, "loop: wake-ups", model->wakeups, loop->wakeups);
    line(agreement, "loop: timers fired", model->timers_fired, loop->timers_fired);
    line(agreement, "loop: overflows", model->overflows, loop->overflows);
    line(agreement, "loop: busy, ns", model->busy_ns, loop->busy_ns);
    line(agreement, "loop: idle, ns", model->idle_ns, loop->idle_ns);
}

void agree(const struct model *model, const struct outcome *outcome, struct agreement *agreement)
{
    const struct evpool_figures *const pool = &outcome->figures;
    *agreement = (struct agreement){0};
    line(agreement, "messages right", model->messages[1], outcome->right);
    line(agreement, "messages wrong", model->messages[2], outcome->wrong);
    line(agreement, "messages given up", model->messages[3], outcome->given_up);
    line(agreement, "created", model->created, pool->created);
    line(agreement, "reused", model->reused, pool->reused);
    line(agreement, "acquired", model->acquires[0], pool->acquired);
    line(agreement, "released", model->released, pool->released);
    line(agreement, "retries", model->retries, pool->retries);
    line(agreement, "ejections", model->ejections, pool->ejections);
    line(agreement, "races won", model->races, pool->races);
    line(agreement, "TLS handshakes", model->handshakes, pool->handshakes);
    line(agreement, "sessions resumed", model->resumed, pool->resumed);
    line(agreement, "leaks", model->leaks, pool->leaks);
    line(agreement, "acquire timeouts", model->acquire_timeouts, pool->acquire_timeouts);
    line(agreement, "acquires cancelled", model->acquire_cancelled, pool->acquire_cancelled);
    line(agreement, "acquires refused", model->acquires[EVPOOL_ERROR_queue_full], pool->acquire_refused);
    line(agreement, "open at the end", model->open, pool->total);
    line(agreement, "lent at the end", model->active, pool->active);
    line(agreement, "waiting at the end", model->waiting, pool->waiting);
    line(agreement, "waiting at most", model->waiting_max, pool->waiting_max);
    line(agreement, "longest wait", model->wait_max_ns, pool->wait_max_ns);
    for (unsigned reason = 1; reason < MODEL_REASONS; reason++)
        line(agreement, reason_text(reason), model->closed[reason], pool->closed[reason]);
    agree_errors(model, outcome, agreement);
    agree_loop(&model->loop, &outcome->loop, agreement);
}
