/* SPDX-License-Identifier: ISC
 *
 * evtrail top for scripts: text screens and JSON, and what the exit code says.
 */
#include "top_private.h"

#include "model/warnings.h"
#include "skeleton.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MILLISECOND INT64_C(1000000)
#define LIVE_NS (1000 * MILLISECOND) /* without --interval: rates want a second */
#define QUIET_ROUNDS 5               /* looks without an event after the program has ended */

/* ---- the exit code ---- */

static bool has_lost(struct monitor *monitor)
{
    monitor_look(monitor);
    return lost_sum(monitor->state.lost) > 0;
}

static bool has_warned(struct monitor *monitor)
{
    uint64_t times = 0;
    const char *const rules = monitor->top.args->text[OPT_top_fail_on];
    return rules && warnings_fired(top_model(&monitor->top), rules, &times, NULL) == 0 && times > 0;
}

int monitor_code(struct monitor *monitor)
{
    if (monitor->program.ended && monitor->program.code != 0)
        return monitor->program.code;
    if (has_warned(monitor) || (monitor->top.args->set[OPT_fail_on_loss] && has_lost(monitor)))
        return CODE_found;
    return monitor->faulty ? CODE_damaged : CODE_ok;
}

/* ---- reading ---- */

/* The program has ended, and nothing more came for a while. */
static bool program_done(struct monitor *monitor, unsigned *quiet)
{
    return monitor->program.ended && ++*quiet > QUIET_ROUNDS;
}

/* Reads until then; a file, and a program that we started, to the end. */
static void read_until(struct monitor *monitor, int64_t until_ns, bool whole)
{
    unsigned quiet = 0;
    while (signals_stops() == 0) {
        const int64_t now = top_clock_ns();
        const int r = monitor_feed(monitor, now + 50 * MILLISECOND);
        if (r == -ENODATA || (!whole && now >= until_ns))
            return;
        if (r == 1) {
            quiet = 0;
            continue;
        }
        if (program_done(monitor, &quiet))
            return;
        feed_wait(monitor->top.feed, now + 10 * MILLISECOND);
    }
}

/* ---- text ---- */

static int number_from(const char *name, int otherwise)
{
    const char *const text = getenv(name);
    const int number = text ? atoi(text) : 0;
    return number > 0 ? number : otherwise;
}

static int print_screen(struct monitor *monitor, struct output *out)
{
    struct surface *const surface = &monitor->top.surface;
    int r = surface_resize(surface, number_from("LINES", 24),
                           number_from("COLUMNS", out->terminal ? (int)out->columns : 80));
    if (r < 0)
        return r;
    frame_draw(monitor);
    const size_t bytes = surface_text(surface, NULL, 0);
    char *const text = malloc(bytes + 1);
    if (!text)
        return -ENOMEM;
    surface_text(surface, text, bytes + 1);
    r = output_write(out, text, bytes);
    free(text);
    return r;
}

/* ---- JSON ---- */

static void json_counts(struct output *out, const char *name, const uint64_t counts[EVTRAIL_CAUSES_ALL])
{
    const char *separator = "";
    output_print(out, ",\"%s\":{", name);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (counts[i] == 0)
            continue;
        output_print(out, "%s\"%s\":%llu", separator, evtrail_cause_name(i), (unsigned long long)counts[i]);
        separator = ",";
    }
    output_text(out, "}");
}

static void json_totals(struct monitor *monitor, struct output *out)
{
    const struct model_totals *const totals = &top_model(&monitor->top)->totals;
    const struct feed_state *const state = &monitor->state;
    output_print(out, "\"events\":%llu,\"bytes\":%llu,\"sampled_out\":%llu", (unsigned long long)totals->events,
                 (unsigned long long)totals->bytes, (unsigned long long)totals->sampled_out);
    if (totals->events)
        output_print(out, ",\"first_ns\":%lld,\"last_ns\":%lld", (long long)totals->first_ns,
                     (long long)totals->last_ns);
    output_print(out, ",\"now_ns\":%lld,\"events_per_s\":%.3f,\"bytes_per_s\":%.3f,\"lag_ns\":%lld,\"ring_percent\":%u",
                 (long long)state->now_ns, state->events_per_s, state->bytes_per_s, (long long)state->lag_ns,
                 state->ring_fill);
    output_print(out, ",\"processes_seen\":%u,\"ended\":%u,\"lost\":%llu", state->processes, state->ended,
                 (unsigned long long)lost_sum(state->lost));
    json_counts(out, "lost_by_cause", state->lost);
    json_counts(out, "lost_now", state->lost_now);
    json_counts(out, "lost_before", monitor->lost_before);
    const struct host_list *const hosts = top_hosts(&monitor->top);
    output_print(out, ",\"hosts_seen\":%u", hosts->count);
    if (monitor->hosts.bound_ns > 0)
        output_print(out, ",\"clock_bound_ns\":%lld", (long long)monitor->hosts.bound_ns);
    output_text(out, ",\"filter\":");
    output_json_text(out, feed_filter_text(monitor->top.feed));
}

static int print_json(struct monitor *monitor, struct output *out)
{
    char who[256];
    monitor_look(monitor);
    frame_who(monitor, who, sizeof who);
    output_text(out, "{\"who\":");
    output_json_text(out, who);
    output_text(out, ",");
    json_totals(monitor, out);
    for (unsigned i = 0; tab_ops(monitor, i); i++) {
        if (!tab_exists(monitor, i) || !tab_ops(monitor, i)->json || tab_show(monitor, i) < 0)
            continue;
        output_print(out, ",\n\"%s\":", tab_ops(monitor, i)->name);
        tab_ops(monitor, i)->json(monitor->top.view, out);
    }
    return output_text(out, "}\n");
}

/* ---- the run ---- */

static int print_all(struct monitor *monitor, struct output *out)
{
    const struct args *const args = monitor->top.args;
    const int64_t count = args->set[OPT_top_batch] ? args->number[OPT_top_batch] : 1;
    const bool live = sources_live(monitor);
    const int64_t interval = args->set[OPT_top_interval] ? args->number[OPT_top_interval] : LIVE_NS;
    int64_t until = top_clock_ns();
    int r = 0;
    for (int64_t i = 0; i < count && r == 0 && (i == 0 || !monitor->ended) && signals_stops() == 0; i++) {
        until += args->set[OPT_duration] && count == 1 ? args->number[OPT_duration] : interval;
        read_until(monitor, until, count == 1 && (!live || args->program));
        if (i > 0 && !args->set[OPT_top_json])
            output_text(out, "\n");
        r = args->set[OPT_top_json] ? print_json(monitor, out) : print_screen(monitor, out);
        if (r == 0)
            r = output_flush(out);
    }
    return r;
}

int scripts_run(struct monitor *monitor)
{
    struct output out;
    int r = tab_show(monitor, monitor->tab);
    if (r == 0)
        r = output_init(&out, STDOUT_FILENO);
    if (r < 0)
        return fail(CODE_system, NULL, "out of memory");
    int code = sources_program_start(monitor);
    if (code == CODE_ok)
        r = print_all(monitor, &out);
    const int written = output_fini(&out);
    if (r == 0)
        r = written;
    if (code == CODE_ok && r < 0 && r != -EPIPE)
        code = fail(code_of(r), "standard output", "%s", strerror(-r));
    return code;
}
