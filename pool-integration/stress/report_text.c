/* SPDX-License-Identifier: ISC
 *
 * The figures as a table for a terminal.
 */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool report_well(const struct report *report)
{
    const struct model *const model = report->model;
    const bool nothing = model->begun > 0 && model->messages[1] == 0;
    return !nothing && model->messages[2] == 0 && model_lost(model) == 0 && model->faults == 0 &&
           (!report->agreement || report->agreement->differ == 0);
}

void report_verdict(const struct report *report, char *text, size_t bytes)
{
    const struct model *const model = report->model;
    char agreement[80] = "";
    if (report->agreement && report->agreement->differ)
        snprintf(agreement, sizeof agreement, "; %u of %u figures differ from the pool's own",
                 report->agreement->differ, report->agreement->count);
    else if (report->agreement)
        snprintf(agreement, sizeof agreement, "; all %u figures agree with the pool's own", report->agreement->count);
    if (model_lost(model) || model->faults)
        snprintf(text, bytes, "%s events are lost: the figures lack them%s", text_count(model_lost(model)).s,
                 agreement);
    else if (model->messages[2])
        snprintf(text, bytes, "%s answers were wrong%s", text_count(model->messages[2]).s, agreement);
    else if (model->begun && model->messages[1] == 0)
        snprintf(text, bytes, "no message was answered, %s were given up%s", text_count(model->messages[3]).s,
                 agreement);
    else if (model->begun)
        snprintf(text, bytes, "%s messages checked, none wrong; no event lost%s", text_count(model->messages[1]).s,
                 agreement);
    else
        snprintf(text, bytes, "no event lost%s", agreement);
}

static void row(FILE *out, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void row(FILE *out, const char *name, const char *format, ...)
{
    va_list arguments;
    fprintf(out, "  %-14s ", name);
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
    fputc('\n', out);
}

static void text_load(FILE *out, const struct model *model)
{
    const double seconds = model_seconds(model);
    if (!model->begun)
        return;
    row(out, "messages", "%s right, %s wrong, %s given up, %s sent again", text_count(model->messages[1]).s,
        text_count(model->messages[2]).s, text_count(model->messages[3]).s, text_count(model->resent).s);
    row(out, "throughput", "%s over %s, %s each way",
        text_value(seconds > 0 ? (double)model->messages[1] / seconds : 0, UNIT_rate).s,
        text_value(seconds, UNIT_seconds).s,
        text_value(seconds > 0 ? (double)model->bytes / seconds : 0, UNIT_byte_rate).s);
}

static void text_counts(FILE *out, const char *name, const uint64_t *counts, unsigned from, unsigned to,
                        const char *(*name_of)(unsigned))
{
    const char *separator = "";
    bool any = false;
    for (unsigned i = from; i < to; i++)
        any |= counts[i] != 0;
    if (!any)
        return;
    fprintf(out, "  %-14s ", name);
    for (unsigned i = from; i < to; i++)
        if (counts[i]) {
            fprintf(out, "%s%s %s", separator, text_count(counts[i]).s, name_of(i));
            separator = ", ";
        }
    fputc('\n', out);
}

static void text_pool(FILE *out, const struct model *model)
{
    row(out, "connections", "%s created, lent again %s times (%s), %s closed, at most %s open, %s lent",
        text_count(model->created).s, text_count(model->reused).s, text_percent(model->reused, model->acquires[0]).s,
        text_count(model_closed(model)).s, text_count(model->open_max).s, text_count(model->active_max).s);
    text_counts(out, "closed by", model->closed, 0, MODEL_REASONS, model_reason_name);
    row(out, "requests", "%s lent, %s failed, at most %s waiting for a name, longest wait %s",
        text_count(model->acquires[0]).s, text_count(model_acquires_failed(model)).s, text_count(model->waiting_max).s,
        text_value((double)model->wait_max_ns, UNIT_ns).s);
    if (model_fair_wait_ns(model))
        row(out, "fair share", "a wait of %s, if all %s clients wait alike for %s connections",
            text_value((double)model_fair_wait_ns(model), UNIT_ns).s, text_count(model->clients).s,
            text_count(model->active_max).s);
    text_counts(out, "failed by", model->acquires, 1, MODEL_CODES, model_code_name);
    row(out, "attempts", "%s, %s lookups (%s from the cache), %s handshakes, %s retries, %s ejections",
        text_count(model->attempts).s, text_count(model->lookups).s, text_count(model->cached).s,
        text_count(model->handshakes).s, text_count(model->retries).s, text_count(model->ejections).s);
    if (model->handshakes)
        row(out, "TLS", "%s sessions resumed (%s), %s handshakes of TLS 1.3", text_count(model->resumed).s,
            text_percent(model->resumed, model->handshakes).s, text_count(model->tls13).s);
    if (model->races)
        row(out, "races", "%s won against attempts still under way", text_count(model->races).s);
    text_counts(out, "errors", model->errors, 1, MODEL_CODES, model_code_name);
    if (model->leaks)
        row(out, "leaks", "%s suspected", text_count(model->leaks).s);
}

static void text_loop(FILE *out, const struct model *model)
{
    const struct model_loop *const loop = &model->loop;
    if (loop->iterations == 0)
        return;
    row(out, "loop", "%s idle, %s iterations, %s operations in %s submissions, %s completions, %s wake-ups",
        text_percent(loop->idle_ns, loop->busy_ns + loop->idle_ns).s, text_count(loop->iterations).s,
        text_count(loop->operations).s, text_count(loop->submissions).s, text_count(loop->completions).s,
        text_count(loop->wakeups).s);
}

static void text_times(FILE *out, const struct model *model)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    fprintf(out, "\n  %-14s %10s %10s %10s %10s %10s %12s\n", "time", "p50", "p90", "p99", "p99.9", "max", "count");
    for (unsigned i = 0; i < MODEL_TIMES; i++) {
        const struct histogram *const times = &model->times[i];
        if (times->count == 0)
            continue;
        fprintf(out, "  %-14s", model_time_name((enum model_time)i));
        for (unsigned q = 0; q < 5; q++) {
            const uint64_t ns = q < 4 ? histogram_quantile(times, quantiles[q]) : times->max;
            const struct text text = text_value((double)ns, UNIT_ns);
            fprintf(out, " %*s", 10 + (strstr(text.s, "µ") != NULL), text.s);
        }
        fprintf(out, " %12s\n", text_count(times->count).s);
    }
}

static void text_addresses(FILE *out, const struct model *model)
{
    unsigned *const order = model_ranking(model);
    const unsigned shown = model->addresses_count < 10 ? model->addresses_count : 10;
    if (order && shown) {
        fprintf(out, "\n  %-28s %9s %11s %9s %9s %9s\n", "address", "created", "lent again", "failures", "ejections",
                "out for");
        for (unsigned i = 0; i < shown; i++) {
            const struct model_address *const address = &model->addresses[order[i]];
            const uint64_t out_for = model_out_ns(model, address);
            fprintf(out, "  %-28s %9s %11s %9s %9s %9s\n", address->label, text_count(address->created).s,
                    text_count(address->reused).s, text_count(address->failures).s, text_count(address->ejections).s,
                    out_for ? text_value((double)out_for, UNIT_ns).s : "");
        }
        if (shown < model->addresses_count)
            fprintf(out, "  and %u more\n", model->addresses_count - shown);
    }
    free(order);
}

static void text_doubts(FILE *out, const struct report *report)
{
    const struct model *const model = report->model;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        if (model->lost[i])
            row(out, "lost", "%s events: %s", text_count(model->lost[i]).s, evtrail_cause_name(i));
    if (model->faults)
        row(out, "damaged", "%s", model->fault);
    for (unsigned i = 0; report->agreement && i < report->agreement->count; i++) {
        const struct agreement_line *const line = &report->agreement->lines[i];
        if (line->events != line->pool)
            row(out, "differs", "%s: %" PRIu64 " by the events, %" PRIu64 " by the pool", line->name, line->events,
                line->pool);
    }
}

void report_text(FILE *out, const struct report *report)
{
    const struct model *const model = report->model;
    char verdict[300];
    report_verdict(report, verdict, sizeof verdict);
    if (model->preset[0])
        fprintf(out, "%s: %s clients (%s, %s), %s servers, %s a message\n", model->preset, text_count(model->clients).s,
                model->mode, model->backend, text_count(model->servers).s,
                text_value((double)model->size, UNIT_bytes).s);
    fprintf(out, "%s.\n", verdict);
    text_load(out, model);
    text_pool(out, model);
    text_loop(out, model);
    text_times(out, model);
    text_addresses(out, model);
    text_doubts(out, report);
}
