/* SPDX-License-Identifier: ISC
 *
 * What evtrail stat found, as tables for people and as JSON lines for programs.
 */
#include "stat_print.h"

#include "skeleton.h"

#include <evtrail/format.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    const struct stat_model *model;
    struct output *out;
    const struct row **rows; /* sorted */
    double seconds;
    bool json;
};

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};

/* ---- order ------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct row *const x = *(const struct row *const *)a, *const y = *(const struct row *const *)b;
    const int order = strcmp(x->name, y->name);
    return order ? order : x->kind - y->kind;
}

static int by_count(const void *a, const void *b)
{
    const struct row *const x = *(const struct row *const *)a, *const y = *(const struct row *const *)b;
    return x->count == y->count ? by_name(a, b) : x->count < y->count ? 1 : -1;
}

static int by_bytes(const void *a, const void *b)
{
    const struct row *const x = *(const struct row *const *)a, *const y = *(const struct row *const *)b;
    return x->bytes == y->bytes ? by_name(a, b) : x->bytes < y->bytes ? 1 : -1;
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

static void head(const struct page *page, const char *text)
{
    output_print(page->out, "%s%s%s\n", output_sgr(page->out, "1"), text, output_sgr(page->out, "0"));
}

static void name_end(const struct page *page, const char *name)
{
    output_escaped(page->out, name);
    output_text(page->out, "\n");
}

static const char *level_color(unsigned level)
{
    return level <= 2 ? "31" : level == 3 ? "33" : "0";
}

static void event_json(const struct page *page, const struct row *row)
{
    output_text(page->out, "{\"what\":\"event\",\"name\":");
    output_json_text(page->out, row->name);
    output_print(page->out,
                 ",\"kind\":\"%s\",\"level\":\"%s\",\"count\":%" PRIu64 ",\"rate\":%.3f,\"bytes\":%" PRIu64 "}\n",
                 evtrail_kind_name(row->kind), evtrail_level_name(row->level), row->count,
                 page->seconds > 0 ? (double)row->count / page->seconds : 0, row->bytes);
}

static void event_line(const struct page *page, const struct row *row)
{
    output_print(page->out, "%12" PRIu64 "  %8s  %10s  %5.1f%%  %s%-8s%s  %-7s  ", row->count,
                 page->seconds > 0 ? human_count((double)row->count / page->seconds) : "-",
                 human_bytes((double)row->bytes),
                 page->model->bytes ? 100.0 * (double)row->bytes / (double)page->model->bytes : 0.0,
                 output_sgr(page->out, level_color(row->level)), evtrail_level_name(row->level),
                 output_sgr(page->out, "0"), evtrail_kind_name(row->kind));
    name_end(page, row->name);
}

static void print_events(const struct page *page)
{
    if (!page->json)
        head(page, "       COUNT    RATE/s       BYTES       %  LEVEL     KIND     EVENT");
    for (uint32_t i = 0; i < page->model->rows_count; i++)
        if (page->rows[i]->count > 0)
            (page->json ? event_json : event_line)(page, page->rows[i]);
}

/* ---- spans ------------------------------------------------------------------------------------------------------------- */

static void span_json(const struct page *page, const struct row *row)
{
    static const char *const names[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns"};
    const struct histogram *const h = &row->span->histogram;
    uint64_t unmatched;
    const uint64_t open = stat_model_open(page->model, row, &unmatched);
    output_text(page->out, "{\"what\":\"span\",\"name\":");
    output_json_text(page->out, row->name);
    output_print(page->out, ",\"count\":%" PRIu64 ",\"open\":%" PRIu64 ",\"unmatched_ends\":%" PRIu64, h->count, open,
                 unmatched);
    if (h->count > 0) {
        output_print(page->out, ",\"min_ns\":%" PRIu64 ",\"mean_ns\":%.1f", h->min, h->sum / (double)h->count);
        for (unsigned i = 0; i < 4; i++)
            output_print(page->out, ",\"%s\":%" PRIu64, names[i], histogram_quantile(h, quantiles[i]));
        output_print(page->out, ",\"max_ns\":%" PRIu64, h->max);
    }
    output_text(page->out, "}\n");
}

static void span_line(const struct page *page, const struct row *row)
{
    const struct histogram *const h = &row->span->histogram;
    uint64_t unmatched;
    const uint64_t open = stat_model_open(page->model, row, &unmatched);
    output_print(page->out, "%12" PRIu64 "  %8s", h->count, human_count((double)open));
    for (unsigned i = 0; i < 4; i++)
        output_print(page->out, "  %9s", h->count ? human_ns((double)histogram_quantile(h, quantiles[i])) : "-");
    output_print(page->out, "  %9s  ", h->count ? human_ns((double)h->max) : "-");
    output_escaped(page->out, row->name);
    if (unmatched > 0)
        output_print(page->out, "  (%" PRIu64 " ends without a begin)", unmatched);
    output_text(page->out, "\n");
}

static void print_spans(const struct page *page)
{
    bool any = false;
    for (uint32_t i = 0; i < page->model->rows_count; i++) {
        if (!page->rows[i]->span)
            continue;
        if (!any && !page->json)
            head(page, "\n       COUNT      OPEN        p50        p90        p99      p99.9        MAX  SPAN");
        any = true;
        (page->json ? span_json : span_line)(page, page->rows[i]);
    }
}

/* ---- counters ---------------------------------------------------------------------------------------------------------- */

static void number_text(struct number number, char *text, size_t bytes)
{
    if (number.type == EVTRAIL_TYPE_f64)
        snprintf(text, bytes, "%.6g", number.f);
    else if ((number.type >= EVTRAIL_TYPE_i8 && number.type <= EVTRAIL_TYPE_i64) || number.type == EVTRAIL_TYPE_enum)
        snprintf(text, bytes, "%" PRId64, number.i);
    else
        snprintf(text, bytes, "%" PRIu64, number.u);
}

static void counter_print(const struct page *page, const struct row *row)
{
    const struct counter *const counter = row->counter;
    const char *const unit = counter->unit ? counter->unit : "";
    char last[40], min[40], max[40];
    number_text(counter->last, last, sizeof last);
    number_text(counter->min, min, sizeof min);
    number_text(counter->max, max, sizeof max);
    if (page->json) {
        const bool sane = !strpbrk(last, "n") && !strpbrk(min, "n") && !strpbrk(max, "n"); /* nan, inf */
        output_text(page->out, "{\"what\":\"counter\",\"name\":");
        output_json_text(page->out, row->name);
        output_print(page->out, ",\"count\":%" PRIu64 ",\"last\":%s,\"min\":%s,\"max\":%s,\"unit\":", row->count,
                     sane ? last : "null", sane ? min : "null", sane ? max : "null");
        output_json_text(page->out, unit);
        output_text(page->out, "}\n");
        return;
    }
    output_print(page->out, "%12" PRIu64 "  %14s  %14s  %14s  ", row->count, last, min, max);
    output_escaped(page->out, row->name);
    output_print(page->out, "%s", *unit ? " " : "");
    name_end(page, unit);
}

static void print_counters(const struct page *page)
{
    bool any = false;
    for (uint32_t i = 0; i < page->model->rows_count; i++) {
        if (!page->rows[i]->counter || page->rows[i]->count == 0)
            continue;
        if (!any && !page->json)
            head(page, "\n       COUNT            LAST             MIN             MAX  COUNTER");
        any = true;
        counter_print(page, page->rows[i]);
    }
}

/* ---- entities ---------------------------------------------------------------------------------------------------------- */

/* The next state by name after `before` (NULL: the first) that an entity is in; STATES_MAX: none. */
static uint32_t next_state(const struct entity_class *class, const uint64_t *counts, const char *before)
{
    uint32_t best = STATES_MAX;
    for (uint32_t i = 0; i < class->states_count; i++)
        if (counts[i] > 0 && (!before || strcmp(class->states[i], before) > 0) &&
            (best == STATES_MAX || strcmp(class->states[i], class->states[best]) < 0))
            best = i;
    return best;
}

static void entity_json(const struct page *page, const struct row *row, const uint64_t *counts, uint64_t live)
{
    output_text(page->out, "{\"what\":\"entity\",\"name\":");
    output_json_text(page->out, row->name);
    output_print(page->out, ",\"live\":%" PRIu64 ",\"gone\":%" PRIu64 ",\"untracked\":%" PRIu64 ",\"states\":{", live,
                 counts[STATES_MAX], row->class->untracked);
    const char *before = NULL;
    for (uint32_t i; (i = next_state(row->class, counts, before)) != STATES_MAX; before = row->class->states[i]) {
        output_text(page->out, before ? "," : "");
        output_json_text(page->out, row->class->states[i]);
        output_print(page->out, ":%" PRIu64, counts[i]);
    }
    output_text(page->out, "}}\n");
}

static void entity_line(const struct page *page, const struct row *row, const uint64_t *counts, uint64_t live)
{
    output_print(page->out, "%12" PRIu64 "  %8" PRIu64 "  ", live, counts[STATES_MAX]);
    output_escaped(page->out, row->name);
    const char *before = NULL;
    for (uint32_t i; (i = next_state(row->class, counts, before)) != STATES_MAX; before = row->class->states[i]) {
        output_text(page->out, before ? ", " : ": ");
        output_escaped(page->out, row->class->states[i]);
        output_print(page->out, " %" PRIu64, counts[i]);
    }
    if (row->class->untracked > 0)
        output_print(page->out, " (and %" PRIu64 " that did not fit)", row->class->untracked);
    output_text(page->out, "\n");
}

static void print_entities(const struct page *page)
{
    bool any = false;
    for (uint32_t i = 0; i < page->model->rows_count; i++) {
        uint64_t counts[STATES_MAX + 1], live = 0;
        const struct row *const row = page->rows[i];
        if (!row->class || row->class->seen == 0)
            continue;
        stat_model_states(page->model, row, counts);
        for (uint32_t j = 0; j < STATES_MAX; j++)
            live += counts[j];
        if (!any && !page->json)
            head(page, "\n        LIVE      GONE  ENTITY: STATES");
        any = true;
        (page->json ? entity_json : entity_line)(page, row, counts, live);
    }
}

/* ---- losses and total -------------------------------------------------------------------------------------------------- */

/* Why a sender's spool gave events up. */
static void print_whys(const struct page *page)
{
    const uint64_t *const by = page->model->spool_by;
    const char *separator = page->json ? ",\"why\":{" : " (";
    bool any = false;
    for (unsigned why = 1; why < EVTRAIL_SPOOL_WHYS; why++) {
        if (by[why] == 0)
            continue;
        output_print(page->out, page->json ? "%s\"%s\":%" PRIu64 : "%s%s %" PRIu64, separator,
                     evtrail_spool_why_name(why), by[why]);
        separator = page->json ? "," : ", ";
        any = true;
    }
    if (any)
        output_text(page->out, page->json ? "}" : ")");
}

static void print_losses(const struct page *page)
{
    const uint64_t *const lost = page->model->lost;
    if (!page->json && lost_sum(lost) > 0)
        head(page, "\n        LOST  CAUSE");
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (lost[i] == 0)
            continue;
        if (page->json)
            output_print(page->out, "{\"what\":\"lost\",\"cause\":\"%s\",\"count\":%" PRIu64, evtrail_cause_name(i),
                         lost[i]);
        else
            output_print(page->out, "%s%12" PRIu64 "%s  %s", output_sgr(page->out, "31"), lost[i],
                         output_sgr(page->out, "0"), evtrail_cause_name(i));
        if (i == EVTRAIL_CAUSE_spool)
            print_whys(page);
        output_text(page->out, page->json ? "}\n" : "\n");
    }
}

/* ---- hosts ------------------------------------------------------------------------------------------------------------- */

static void host_json(const struct page *page, const struct host *host)
{
    const char *separator = "";
    output_text(page->out, "{\"what\":\"host\",\"name\":");
    output_json_text(page->out, host->name);
    output_print(page->out, ",\"processes\":%u,\"events\":%" PRIu64 ",\"lost\":{", host->processes, host->events);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (host->lost[i] == 0)
            continue;
        output_print(page->out, "%s\"%s\":%" PRIu64, separator, evtrail_cause_name(i), host->lost[i]);
        separator = ",";
    }
    output_text(page->out, "}");
    if (host->bound_ns > 0)
        output_print(page->out, ",\"clock_ahead_ns\":%" PRId64 ",\"clock_bound_ns\":%" PRId64, host->ahead_ns,
                     host->bound_ns);
    output_text(page->out, "}\n");
}

static void host_line(const struct page *page, const struct host *host)
{
    char clock[80];
    host_clock_text(host, "+-", clock, sizeof clock);
    output_print(page->out, "%12" PRIu64 "  %9u  %10" PRIu64 "  %-22s  ", host->events, host->processes,
                 lost_sum(host->lost), *clock ? clock : "-");
    name_end(page, *host->name ? host->name : "(not told)");
}

/* Where there is something to say: of several, or of one whose clock was measured. */
static void print_hosts(const struct page *page, bool always)
{
    const struct host_list *const hosts = &page->model->hosts;
    if (hosts->count < 2 && host_list_worst_bound(hosts) == 0 && !always)
        return;
    if (!page->json && hosts->count > 0)
        head(page, "\n      EVENTS  PROCESSES        LOST  CLOCK AHEAD             HOST");
    for (uint32_t i = 0; i < hosts->count; i++)
        (page->json ? host_json : host_line)(page, &hosts->list[i]);
}

static void print_total(const struct page *page, uint32_t sources)
{
    const struct stat_model *const model = page->model;
    const int64_t from = model->events ? model->first_ns : 0, to = model->events ? model->last_ns : 0;
    if (page->json) {
        output_print(page->out,
                     "{\"what\":\"total\",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
                     ",\"processes\":%u,\"from_ns\":%" PRId64 ",\"to_ns\":%" PRId64 "}\n",
                     model->events, model->bytes, lost_sum(model->lost), sources, from, to);
        return;
    }
    output_print(page->out, "\n%" PRIu64 " events in %.3f s from %u process%s, %s; lost %" PRIu64 "\n", model->events,
                 page->seconds, sources, sources == 1 ? "" : "es", human_bytes((double)model->bytes),
                 lost_sum(model->lost));
}

void stat_print(const struct stat_model *model, struct output *out, const struct args *args, uint32_t sources)
{
    static int (*const orders[])(const void *, const void *) = {by_count, by_bytes, by_name, by_count};
    struct page page = {.model = model, .out = out, .json = args->set[OPT_json]};
    page.seconds = model->last_ns > model->first_ns ? (double)(model->last_ns - model->first_ns) / 1e9 : 0;
    page.rows = malloc((size_t)(model->rows_count + 1) * sizeof *page.rows);
    if (!page.rows)
        return;
    for (uint32_t i = 0; i < model->rows_count; i++)
        page.rows[i] = model->rows[i];
    qsort(page.rows, model->rows_count, sizeof *page.rows, orders[args->number[OPT_sort] & 3]);
    print_events(&page);
    print_spans(&page);
    print_counters(&page);
    print_entities(&page);
    print_losses(&page);
    print_hosts(&page, args->set[OPT_host]);
    print_total(&page, sources);
    free(page.rows);
    output_flush(out);
}
