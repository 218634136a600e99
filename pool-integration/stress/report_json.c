/* SPDX-License-Identifier: ISC
 *
 * The figures as one JSON object.
 */
#include "report.h"

#include <inttypes.h>

static void json_key(FILE *out, const char *name)
{
    fputc(',', out);
    write_json(out, name);
    fputc(':', out);
}

static void json_number(FILE *out, const char *name, uint64_t value)
{
    json_key(out, name);
    fprintf(out, "%" PRIu64, value);
}

static void json_string(FILE *out, const char *name, const char *value)
{
    json_key(out, name);
    write_json(out, value);
}

/* Those that are not 0, by name. */
static void json_counts(FILE *out, const char *name, const uint64_t *counts, unsigned from, unsigned to,
                        const char *(*name_of)(unsigned))
{
    const char *separator = "";
    json_key(out, name);
    fputc('{', out);
    for (unsigned i = from; i < to; i++)
        if (counts[i]) {
            fputs(separator, out);
            write_json(out, name_of(i));
            fprintf(out, ":%" PRIu64, counts[i]);
            separator = ",";
        }
    fputc('}', out);
}

static void json_run(FILE *out, const struct model *model)
{
    json_key(out, "run");
    fputs("{\"program\":", out);
    write_json(out, model->command);
    json_string(out, "host", model->host);
    json_string(out, "preset", model->preset);
    json_string(out, "mode", model->mode);
    json_string(out, "backend", model->backend);
    json_number(out, "clients", model->clients);
    json_number(out, "servers", model->servers);
    json_number(out, "size_bytes", model->size);
    json_number(out, "seed", model->seed);
    json_key(out, "seconds");
    fprintf(out, "%.6f}", model_seconds(model));
}

static void json_messages(FILE *out, const struct model *model)
{
    const double seconds = model_seconds(model);
    json_key(out, "messages");
    fprintf(out, "{\"right\":%" PRIu64, model->messages[1]);
    json_number(out, "wrong", model->messages[2]);
    json_number(out, "given_up", model->messages[3]);
    json_number(out, "begun", model->begun);
    json_number(out, "sent_again", model->resent);
    json_number(out, "bytes", model->bytes);
    json_key(out, "per_second");
    fprintf(out, "%.3f}", seconds > 0 ? (double)model->messages[1] / seconds : 0.0);
}

static void json_pool(FILE *out, const struct model *model)
{
    json_key(out, "pool");
    fprintf(out, "{\"created\":%" PRIu64, model->created);
    json_number(out, "reused", model->reused);
    json_number(out, "acquired", model->acquires[0]);
    json_number(out, "released", model->released);
    json_number(out, "acquire_timeouts", model->acquire_timeouts);
    json_number(out, "acquire_cancelled", model->acquire_cancelled);
    json_counts(out, "acquires", model->acquires, 0, MODEL_CODES, model_code_name);
    json_counts(out, "closed", model->closed, 0, MODEL_REASONS, model_reason_name);
    json_counts(out, "errors", model->errors, 1, MODEL_CODES, model_code_name);
    json_number(out, "attempts", model->attempts);
    json_number(out, "lookups", model->lookups);
    json_number(out, "cached", model->cached);
    json_number(out, "coalesced", model->coalesced);
    json_number(out, "handshakes", model->handshakes);
    json_number(out, "resumed", model->resumed);
    json_number(out, "tls13", model->tls13);
    json_number(out, "races", model->races);
    json_number(out, "retries", model->retries);
    json_number(out, "ejections", model->ejections);
    json_number(out, "returned", model->returned);
    json_number(out, "leaks", model->leaks);
    json_number(out, "open_max", model->open_max);
    json_number(out, "active_max", model->active_max);
    json_number(out, "waiting_max", model->waiting_max);
    json_number(out, "wait_max_ns", model->wait_max_ns);
    json_number(out, "fair_wait_ns", model_fair_wait_ns(model));
    fputc('}', out);
}

static void json_loop(FILE *out, const struct model *model)
{
    const struct model_loop *const loop = &model->loop;
    json_key(out, "loop");
    fprintf(out, "{\"iterations\":%" PRIu64, loop->iterations);
    json_number(out, "submissions", loop->submissions);
    json_number(out, "submitted", loop->submitted);
    json_counts(out, "operations", loop->by_opcode, 0, MODEL_OPCODES, model_opcode_name);
    json_number(out, "completions", loop->completions);
    json_number(out, "wakeups", loop->wakeups);
    json_number(out, "timers_fired", loop->timers_fired);
    json_number(out, "overflows", loop->overflows);
    json_number(out, "busy_ns", loop->busy_ns);
    json_number(out, "idle_ns", loop->idle_ns);
    fputc('}', out);
}

static void json_times(FILE *out, const struct model *model)
{
    static const char *const keys[MODEL_TIMES] = {"round_trip", "message", "wait",      "connect", "tls",
                                                  "resolve",    "use",     "iteration", "lateness"};
    const char *separator = "";
    json_key(out, "times_ns");
    fputc('{', out);
    for (unsigned i = 0; i < MODEL_TIMES; i++) {
        const struct histogram *const times = &model->times[i];
        if (times->count == 0)
            continue;
        fprintf(out, "%s\"%s\":{\"count\":%" PRIu64, separator, keys[i], times->count);
        json_number(out, "p50", histogram_quantile(times, 0.5));
        json_number(out, "p90", histogram_quantile(times, 0.9));
        json_number(out, "p99", histogram_quantile(times, 0.99));
        json_number(out, "p999", histogram_quantile(times, 0.999));
        json_number(out, "max", times->max);
        json_key(out, "mean");
        fprintf(out, "%.1f}", times->sum / (double)times->count);
        separator = ",";
    }
    fputc('}', out);
}

static void json_addresses(FILE *out, const struct model *model)
{
    json_key(out, "addresses");
    fputc('[', out);
    for (unsigned i = 0; i < model->addresses_count; i++) {
        const struct model_address *const address = &model->addresses[i];
        fputs(i ? ",{\"address\":" : "{\"address\":", out);
        write_json(out, address->label);
        json_number(out, "created", address->created);
        json_number(out, "reused", address->reused);
        json_number(out, "closed", address->closed);
        json_number(out, "attempts", address->attempts);
        json_number(out, "failures", address->failures);
        json_number(out, "ejections", address->ejections);
        json_number(out, "out_ns", model_out_ns(model, address));
        fputc('}', out);
    }
    fputc(']', out);
}

static void json_agreement(FILE *out, const struct agreement *agreement)
{
    json_key(out, "agreement");
    if (!agreement) {
        fputs("null", out);
        return;
    }
    fprintf(out, "{\"compared\":%u,\"differ\":%u,\"figures\":{", agreement->count, agreement->differ);
    for (unsigned i = 0; i < agreement->count; i++) {
        const struct agreement_line *const line = &agreement->lines[i];
        fputs(i ? "," : "", out);
        write_json(out, line->name);
        fprintf(out, ":[%" PRIu64 ",%" PRIu64 "]", line->events, line->pool);
    }
    fputs("}}", out);
}

static const char *cause_name(unsigned cause)
{
    return evtrail_cause_name(cause);
}

void report_json(FILE *out, const struct report *report)
{
    const struct model *const model = report->model;
    fprintf(out, "{\"well\":%s", report_well(report) ? "true" : "false");
    json_run(out, model);
    json_messages(out, model);
    json_pool(out, model);
    json_loop(out, model);
    json_times(out, model);
    json_addresses(out, model);
    json_number(out, "events", model->events);
    json_counts(out, "lost", model->lost, 0, EVTRAIL_CAUSES_ALL, cause_name);
    json_number(out, "faults", model->faults);
    json_key(out, "complete");
    fputs(model->incomplete ? "false" : "true", out);
    json_agreement(out, report->agreement);
    fputs("}\n", out);
}
