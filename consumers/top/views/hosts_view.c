/* SPDX-License-Identifier: ISC
 *
 * Hosts: what comes from each, what was lost of it, and how far its clock was. Enter looks at one only.
 */
#include "table_view.h"

#include "../top_private.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

#define RATE_NS INT64_C(500000000) /* rates are of at least so long */

/* What was counted of a host, a while ago. */
struct host_rate {
    uint64_t events;
    double rate;
};
struct hosts_view {
    struct table_view base; /* first */
    struct host_rate *rates;
    uint32_t rates_count;
    int64_t rates_ns; /* of the trace */
};

static struct host_list *hosts_in(const void *context)
{
    return top_hosts(((const struct hosts_view *)context)->base.view.top);
}

static const struct model *model_in(const void *context)
{
    return top_model(((const struct hosts_view *)context)->base.view.top);
}

#define HOST_COLUMNS(X) \
    X(name, "host", -12, 0, 0, 0, text, "its name") \
    X(processes, "procs", 5, 1, 0, 0, count, "processes of it, with those that have ended") \
    X(rate, "events/s", 8, 1, 0, 1, rate, "events a second, lately") \
    X(events, "events", 7, 1, 0, 1, count, "events so far, that match the filter") \
    X(clock, "clock", 18, 1, 0, 0, text, \
      "how far its clock is ahead of the collector's (- behind), and how wrong that may be; times are corrected by " \
      "it; " \
      "empty: not measured") \
    X(lag, "lag", 7, 1, 0, 1, duration, "since its newest event") \
    X(lost, "lost", 7, 1, 0, 1, count, "events lost") \
    X(causes, "by cause", -12, 0, 0, 0, text, "of which, by cause") \
    X(ended, "ended", 5, 1, 1, 1, count, "processes that have ended") \
    X(ahead_ns, "ahead ns", 12, 1, 1, 1, number, "the clock, in ns") \
    X(bound_ns, "bound ns", 12, 1, 1, 1, number, "how wrong that may be, in ns")

enum {
#define X(name, title, width, right, hidden, descending, kind, text) COLUMN_##name,
    HOST_COLUMNS(X)
#undef X
};
static const struct column columns[] = {
#define X(name, title, width, right, hidden, descending, kind, text) \
    {#name, title, text, width, right, hidden, descending, VALUE_##kind},
    HOST_COLUMNS(X)
#undef X
        {.name = NULL},
};

/* Counts that are less than before are of another model, or from zero again. */
static void take_rates(struct hosts_view *view, const struct host_list *hosts)
{
    const int64_t now = model_in(view)->now_ns, passed = now - view->rates_ns;
    if (view->rates_count == hosts->count && passed >= 0 && passed < RATE_NS)
        return;
    struct host_rate *const rates = realloc(view->rates, (hosts->count + 1) * sizeof *rates);
    if (!rates)
        return;
    view->rates = rates;
    for (uint32_t i = 0; i < hosts->count; i++) {
        const uint64_t events = hosts->list[i].events;
        const bool known = i < view->rates_count && passed > 0 && passed < 20 * RATE_NS && events >= rates[i].events;
        rates[i].rate = known ? (double)(events - rates[i].events) * 1e9 / (double)passed : -1;
        rates[i].events = events;
    }
    view->rates_count = hosts->count;
    view->rates_ns = now;
}

static size_t rows(void *context)
{
    const struct host_list *const hosts = hosts_in(context);
    take_rates(context, hosts);
    return hosts->count;
}

/* A row is its host's number: the list moves as it grows. */
static void *row_at(void *context, size_t index)
{
    (void)context;
    return (void *)(uintptr_t)(index + 1);
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return (uint64_t)(uintptr_t)row - 1;
}

/* NULL: of another model, that had more. */
static const struct host *host_of(const void *context, const void *row)
{
    const struct host_list *const hosts = &model_in(context)->hosts;
    const uintptr_t number = (uintptr_t)row;
    return number > 0 && number <= hosts->count ? &hosts->list[number - 1] : NULL;
}

/* "full 5, overwritten 3" */
static void causes_value(const struct host *host, struct value *value)
{
    size_t used = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL && used < sizeof value->text; i++)
        if (host->lost[i] > 0)
            used += (size_t)snprintf(value->text + used, sizeof value->text - used, "%s%s %llu", used ? ", " : "",
                                     evtrail_cause_name(i), (unsigned long long)host->lost[i]);
    value->kind = used ? VALUE_text : VALUE_none;
    value->style = STYLE_notice;
}

static void rate_value(const struct hosts_view *view, uint64_t number, const struct host *host, struct value *value)
{
    const struct model_totals *const totals = &model_in(view)->totals;
    const double seconds = totals->events ? (double)(totals->last_ns - totals->first_ns) / 1e9 : 0;
    const bool lately = number < view->rates_count && view->rates[number].rate >= 0;
    if (lately)
        value_put(value, VALUE_rate, view->rates[number].rate);
    else if (seconds > 0) /* of a file, or just begun: on average */
        value_put(value, VALUE_rate, (double)host->events / seconds);
}

static void clock_value(const struct hosts_view *view, const struct host *host, unsigned column, struct value *value)
{
    if (host->bound_ns == 0)
        return;
    if (column != COLUMN_clock) {
        value_put(value, VALUE_number, (double)(column == COLUMN_ahead_ns ? host->ahead_ns : host->bound_ns));
        return;
    }
    value->kind = VALUE_text;
    host_clock_text(host, view->base.view.top->ascii ? "+-" : "±", value->text, sizeof value->text);
}

static uint64_t lost_of(const struct host *host)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += host->lost[i];
    return sum;
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    const struct hosts_view *const view = context;
    const struct host *const host = host_of(context, row);
    if (!host)
        return;
    switch (column) {
    case COLUMN_name:
        value_words(value, *host->name ? host->name : "(not told)");
        break;
    case COLUMN_processes:
    case COLUMN_ended:
        value_count(value, VALUE_count, column == COLUMN_ended ? host->ended : host->processes);
        break;
    case COLUMN_rate:
        rate_value(view, id_of(context, row), host, value);
        break;
    case COLUMN_events:
        value_count(value, VALUE_count, host->events);
        break;
    case COLUMN_lag:
        if (host->last_ns != INT64_MIN)
            value_count(value, VALUE_duration,
                        model_in(view)->now_ns > host->last_ns ? (uint64_t)(model_in(view)->now_ns - host->last_ns)
                                                               : 0);
        break;
    case COLUMN_lost:
        value_count(value, VALUE_count, lost_of(host));
        value->style = value->exact ? STYLE_bad : STYLE_plain;
        break;
    case COLUMN_causes:
        causes_value(host, value);
        break;
    default:
        clock_value(view, host, column, value);
    }
}

static bool silent(void *context, const void *row)
{
    const struct host *const host = host_of(context, row);
    return host && host->events == 0;
}

static const struct table_ops hosts_table = {
    .name = "hosts", .columns = columns, .rows = rows, .row = row_at, .id = id_of, .value = value_of, .silent = silent};

/* ---- the view ---- */

static int hosts_open(struct view *view)
{
    struct hosts_view *const of = (struct hosts_view *)view;
    return table_new(&of->base.table, &hosts_table, of, view->top->config);
}

static void hosts_close(struct view *view)
{
    table_view_close(view);
    free(((struct hosts_view *)view)->rates);
}

static void hosts_changed(struct view *view)
{
    ((struct hosts_view *)view)->rates_count = 0;
    table_view_changed(view);
}

static void hosts_draw(struct view *view, struct area area)
{
    table_view_draw(&((struct hosts_view *)view)->base, area);
}

static bool hosts_action(struct view *view, enum action action)
{
    struct hosts_view *const of = (struct hosts_view *)view;
    char expression[96], name[HOST_NAME_BYTES];
    if (action != ACTION_enter)
        return table_action(of->base.table, action);
    const struct host *const host = host_of(view, table_view_selected(&of->base));
    if (!host || strpbrk(host->name, "\"\\")) /* a name that is none is not looked for */
        return true;
    snprintf(name, sizeof name, "%s", host->name); /* the filter makes another model */
    snprintf(expression, sizeof expression, "machine == \"%s\"", name);
    if (top_filter(view->top, expression) == 0)
        top_say(view->top, "only what is of %s; F: all again", name);
    return true;
}

static size_t hosts_status(struct view *view, char *buffer, size_t size)
{
    const size_t used = table_view_status(view, buffer, size);
    if (used < size)
        snprintf(buffer + used, size - used, "; enter: only this one");
    return strlen(buffer);
}

static size_t hosts_copy(struct view *view, char *buffer, size_t size)
{
    const struct host *const host = host_of(view, table_view_selected((struct table_view *)view));
    char clock[80];
    if (!host)
        return 0;
    const int n = snprintf(buffer, size, "%s %u processes, %llu events, lost %llu %s", host->name, host->processes,
                           (unsigned long long)host->events, (unsigned long long)lost_of(host),
                           host_clock_text(host, "+-", clock, sizeof clock));
    return n < 0 ? 0 : (size_t)n;
}

static int hosts_json(struct view *view, struct output *out)
{
    return table_json(((struct hosts_view *)view)->base.table, out);
}

const struct view_ops hosts_view = {
    .name = "hosts",
    .title = "Hosts",
    .key = 'H',
    .text = "Where there are several hosts, or a clock was measured (or with --host): processes, events and losses of "
            "each, and how "
            "far its clock was ahead of the collector's, with the bound of that. Enter looks at one only.",
    .bytes = sizeof(struct hosts_view),
    .open = hosts_open,
    .close = hosts_close,
    .model_changed = hosts_changed,
    .draw = hosts_draw,
    .action = hosts_action,
    .click = table_view_click,
    .search = table_view_search,
    .status = hosts_status,
    .copy = hosts_copy,
    .json = hosts_json,
};
