/* SPDX-License-Identifier: ISC
 *
 * A report as the page's data: the length of the JSON text (4 bytes, lowest first), the text, and the columns it speaks of. The same
 * report gives the same bytes.
 */
#include "report_write.h"

#include "../skeleton.h"

#include <evtrail/format.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *comma(bool *any)
{
    const bool had = *any;
    *any = true;
    return had ? "," : "";
}

void write_text(struct writing *writing, const char *key, const char *text)
{
    blob_print(&writing->json, ",\"%s\":", key);
    blob_json(&writing->json, text ? text : "", text ? strlen(text) : 0);
}

void write_column(struct writing *writing, const char *key, const uint64_t *values, size_t count, bool delta)
{
    blob_print(&writing->json, ",\"%s\":", key);
    blob_column(&writing->columns, &writing->json, values, count, delta);
}

/* ---- over time --------------------------------------------------------------------------------------------------------- */

static void write_counts(struct writing *writing, const char *key, struct counts *counts)
{
    if (!counts)
        return;
    counts_fit(counts, &writing->report->axis);
    write_column(writing, key, counts->at, writing->buckets, false);
}

/* Of a name: in fewer, wider buckets. */
static void write_row_counts(struct writing *writing, struct counts *counts)
{
    const uint32_t each = AXIS_BUCKETS / ROW_BUCKETS;
    uint64_t sums[ROW_BUCKETS] = {0};
    counts_fit(counts, &writing->report->axis);
    for (uint32_t i = 0; i < writing->buckets; i++)
        sums[i / each] += counts->at[i];
    write_column(writing, "series", sums, (writing->buckets + each - 1) / each, false);
}

/* Doubles as text: 9 digits are more than a chart shows. */
static void write_doubles(struct writing *writing, const char *key, const double *values, const uint32_t *counts,
                          double divide)
{
    blob_print(&writing->json, ",\"%s\":[", key);
    for (uint32_t i = 0; i < writing->buckets; i++) {
        const char *const before = i ? "," : "";
        if ((counts && counts[i] == 0) || !isfinite(values[i]))
            blob_print(&writing->json, "%snull", before);
        else
            blob_print(&writing->json, "%s%.9g", before, values[i] / divide);
    }
    blob_text(&writing->json, "]");
}

/* ---- spans ------------------------------------------------------------------------------------------------------------- */

static void write_histogram(struct writing *writing, const struct histogram *histogram)
{
    uint64_t low, high, count;
    bool any = false;
    blob_text(&writing->json, ",\"histogram\":[");
    for (unsigned position = 0; histogram_next(histogram, &position, &low, &high, &count);)
        blob_print(&writing->json, "%s%" PRIu64 ",%" PRIu64 ",%" PRIu64, comma(&any), low, high + 1, count);
    blob_text(&writing->json, "]");
}

static void write_heat(struct writing *writing, struct heat *heat)
{
    const uint32_t each = AXIS_BUCKETS / HEAT_COLUMNS, columns = (writing->buckets + each - 1) / each;
    bool any = false;
    uint64_t max[HEAT_COLUMNS];
    heat_fit(heat, &writing->report->axis);
    blob_print(&writing->json, ",\"heat\":{\"columns\":%u,\"cells\":[", columns);
    for (uint32_t column = 0; column < columns; column++) {
        max[column] = heat->max[column];
        for (uint32_t bin = 0; bin < HEAT_BINS; bin++)
            if (heat->at[column][bin])
                blob_print(&writing->json, "%s%u,%u,%u", comma(&any), column, bin, heat->at[column][bin]);
    }
    blob_text(&writing->json, "]");
    write_column(writing, "max", max, columns, false);
    blob_text(&writing->json, "}");
}

static void write_slow(struct writing *writing, const struct row_more *more)
{
    bool any = false;
    blob_text(&writing->json, ",\"slow\":[");
    for (uint32_t i = 0; i < more->slow_count; i++) {
        const struct slow_span *const slow = &more->slow[i];
        const int64_t from = axis_since(&writing->report->axis, slow->from_ns);
        blob_print(&writing->json,
                   "%s{\"duration\":%" PRIu64 ",\"id\":\"%" PRIu64 "\",\"from\":%" PRId64 ",\"track\":%d", comma(&any),
                   slow->duration, slow->id, from, (int)slow->track);
        write_text(writing, "text", slow->text);
        blob_text(&writing->json, "}");
    }
    blob_text(&writing->json, "]");
}

static void write_span(struct writing *writing, const struct row *row, const struct row_more *more)
{
    static const char *const names[] = {"p50", "p90", "p99", "p999"};
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    const struct histogram *const h = &row->span->histogram;
    uint64_t unmatched;
    const uint64_t open = stat_model_open(&writing->report->stat, row, &unmatched);
    blob_print(&writing->json,
               ",\"span\":{\"count\":%" PRIu64 ",\"open\":%" PRIu64 ",\"unmatched\":%" PRIu64 ",\"total\":%.17g",
               h->count, open, unmatched, h->sum);
    if (h->count > 0) {
        blob_print(&writing->json, ",\"min\":%" PRIu64 ",\"mean\":%.1f,\"max\":%" PRIu64, h->min,
                   h->sum / (double)h->count, h->max);
        for (unsigned i = 0; i < 4; i++)
            blob_print(&writing->json, ",\"%s\":%" PRIu64, names[i], histogram_quantile(h, quantiles[i]));
    }
    write_histogram(writing, h);
    if (more && more->heat && h->count > 0)
        write_heat(writing, more->heat);
    if (more)
        write_slow(writing, more);
    blob_text(&writing->json, "}");
}

/* ---- counters ---------------------------------------------------------------------------------------------------------- */

static void write_number(struct writing *writing, const char *key, struct number number)
{
    if (number.type == EVTRAIL_TYPE_f64)
        blob_print(&writing->json, ",\"%s\":\"%.6g\"", key, number.f);
    else if ((number.type >= EVTRAIL_TYPE_i8 && number.type <= EVTRAIL_TYPE_i64) || number.type == EVTRAIL_TYPE_enum)
        blob_print(&writing->json, ",\"%s\":\"%" PRId64 "\"", key, number.i);
    else
        blob_print(&writing->json, ",\"%s\":\"%" PRIu64 "\"", key, number.u);
}

static void write_counter(struct writing *writing, const struct row *row, const struct row_more *more)
{
    blob_print(&writing->json, ",\"counter\":{\"count\":%" PRIu64, row->count);
    write_text(writing, "unit", row->counter->unit);
    write_number(writing, "last", row->counter->last);
    write_number(writing, "min", row->counter->min);
    write_number(writing, "max", row->counter->max);
    if (more && more->levels) {
        struct levels *const levels = more->levels;
        levels_fit(levels, &writing->report->axis);
        write_doubles(writing, "lows", levels->min, levels->count, 1);
        write_doubles(writing, "highs", levels->max, levels->count, 1);
        write_doubles(writing, "lasts", levels->last, levels->count, 1);
    }
    blob_text(&writing->json, "}");
}

/* ---- entities ---------------------------------------------------------------------------------------------------------- */

static void write_states(struct writing *writing, const struct row *row, const struct row_more *more,
                         const uint64_t *counts)
{
    bool any = false;
    blob_text(&writing->json, ",\"states\":[");
    for (uint32_t i = 0; i < row->class->states_count; i++) {
        const struct states_over_time *const states = more ? more->states : NULL;
        blob_print(&writing->json, "%s{\"now\":%" PRIu64 ",\"total\":%.9g", comma(&any), counts[i],
                   states ? states->total[i] : 0);
        write_text(writing, "name", row->class->states[i]);
        if (states && states->shares[i]) {
            shares_fit(states->shares[i], &writing->report->axis);
            write_doubles(writing, "average", states->shares[i]->at, NULL,
                          (double)(UINT64_C(1) << writing->report->axis.shift));
        }
        blob_text(&writing->json, "}");
    }
    blob_text(&writing->json, "]");
}

static void write_class(struct writing *writing, const struct row *row, const struct row_more *more)
{
    uint64_t counts[STATES_MAX + 1], live = 0;
    stat_model_states(&writing->report->stat, row, counts);
    for (uint32_t i = 0; i < STATES_MAX; i++)
        live += counts[i];
    blob_print(&writing->json, ",\"entity\":{\"live\":%" PRIu64 ",\"gone\":%" PRIu64 ",\"untracked\":%" PRIu64, live,
               counts[STATES_MAX], row->class->untracked);
    write_states(writing, row, more, counts);
    blob_text(&writing->json, "}");
}

static void write_listed(struct writing *writing)
{
    const struct report *const report = writing->report;
    bool any = false;
    blob_text(&writing->json, ",\"listed\":[");
    for (uint32_t i = 0; i < report->listed_count; i++) {
        const struct listed_entity *const listed = &report->listed[i];
        const int64_t gone =
            listed->state == STATE_GONE && listed->gone_ns ? axis_since(&report->axis, listed->gone_ns) : -1;
        const int64_t first = axis_since(&report->axis, listed->first_ns);
        bool more = false;
        blob_print(&writing->json,
                   "%s{\"row\":%u,\"id\":\"%" PRIu64 "\",\"parent\":\"%" PRIu64 "\",\"first\":%" PRId64
                   ",\"gone\":%" PRId64 ",\"state\":%d,\"changes\":%u",
                   comma(&any), listed->row, listed->id, listed->parent, first, gone,
                   listed->state < STATES_MAX ? (int)listed->state : -1, listed->changes);
        write_text(writing, "name", listed->name);
        blob_text(&writing->json, ",\"time\":[");
        for (uint32_t state = 0; state < STATES_MAX; state++)
            if (listed->time[state] > 0)
                blob_print(&writing->json, "%s%u,%.0f", comma(&more), state, listed->time[state]);
        blob_text(&writing->json, "]}");
    }
    blob_text(&writing->json, "]");
}

/* ---- rows -------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct row *const x = *(const struct row *const *)a, *const y = *(const struct row *const *)b;
    const int order = strcmp(x->name, y->name);
    return order ? order : x->kind - y->kind;
}

static void write_row(struct writing *writing, const struct row *row)
{
    const struct row_more *const more =
        row->number < writing->report->more_count ? writing->report->more[row->number] : NULL;
    blob_print(&writing->json, "{\"number\":%u,\"kind\":\"%s\",\"level\":%u,\"count\":%" PRIu64 ",\"bytes\":%" PRIu64,
               row->number, evtrail_kind_name(row->kind), row->level, row->count, row->bytes);
    write_text(writing, "name", row->name);
    if (more && more->counts)
        write_row_counts(writing, more->counts);
    if (row->span)
        write_span(writing, row, more);
    if (row->counter && row->count > 0)
        write_counter(writing, row, more);
    if (row->class && row->class->seen > 0)
        write_class(writing, row, more);
    blob_text(&writing->json, "}");
}

static void write_rows(struct writing *writing)
{
    const struct stat_model *const model = &writing->report->stat;
    struct row **const rows = malloc((model->rows_count + 1) * sizeof(*rows));
    bool any = false;
    blob_text(&writing->json, ",\"rows\":[");
    for (uint32_t i = 0; rows && i < model->rows_count; i++)
        rows[i] = model->rows[i];
    if (rows)
        qsort(rows, model->rows_count, sizeof(*rows), by_name);
    for (uint32_t i = 0; rows && i < model->rows_count; i++) {
        blob_text(&writing->json, comma(&any));
        write_row(writing, rows[i]);
    }
    blob_text(&writing->json, "]");
    writing->json.failed |= !rows;
    free(rows);
}

/* ---- who and what was lost --------------------------------------------------------------------------------------------- */

static void write_processes(struct writing *writing)
{
    const struct report *const report = writing->report;
    bool any = false;
    blob_text(&writing->json, ",\"processes\":[");
    for (uint32_t i = 0; i < report->processes_count; i++) {
        const struct process *const process = &report->processes[i];
        blob_print(&writing->json,
                   "%s{\"pid\":%u,\"parent\":%u,\"start\":\"%" PRId64 "\",\"events\":%" PRIu64
                   ",\"session\":\"%016" PRIx64 "\"",
                   comma(&any), process->pid, process->parent_pid, process->start_ns, process->events,
                   process->session_id);
        write_text(writing, "command", process->command);
        write_text(writing, "program", process->program);
        write_text(writing, "host", process->host);
        blob_text(&writing->json, "}");
    }
    blob_text(&writing->json, "],\"tracks\":[");
    any = false;
    for (uint32_t i = 0; i < report->tracks_count; i++) {
        const struct track *const track = &report->tracks[i];
        blob_print(&writing->json, "%s{\"process\":%u,\"tid\":%u,\"events\":%" PRIu64 ",\"lanes\":%u", comma(&any),
                   track->source, track->tid, track->events, track->lanes_used);
        write_text(writing, "name", track->name);
        blob_text(&writing->json, "}");
    }
    blob_text(&writing->json, "]");
}

static void write_losses(struct writing *writing)
{
    const struct report *const report = writing->report;
    bool any = false;
    blob_text(&writing->json, ",\"lost\":[");
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (report->stat.lost[i] == 0)
            continue;
        blob_print(&writing->json, "%s{\"count\":%" PRIu64, comma(&any), report->stat.lost[i]);
        write_text(writing, "cause", evtrail_cause_name(i));
        write_counts(writing, "series", report->lost[i]);
        blob_text(&writing->json, "}");
    }
    blob_text(&writing->json, "],\"losses\":[");
    any = false;
    for (uint32_t i = 0; i < report->losses_count; i++) {
        const struct loss *const loss = &report->losses[i];
        blob_print(&writing->json,
                   "%s{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"count\":%" PRIu64 ",\"track\":%d,\"cause\":\"%s\"}",
                   comma(&any), axis_since(&report->axis, loss->since_ns), axis_since(&report->axis, loss->ns),
                   loss->count, (int)loss->track, evtrail_cause_name(loss->cause));
    }
    blob_text(&writing->json, "]");
}

/* ---- all --------------------------------------------------------------------------------------------------------------- */

static void write_head(struct writing *writing)
{
    const struct report *const report = writing->report;
    const struct stat_model *const model = &report->stat;
    const int64_t from = model->events ? model->first_ns : 0, to = model->events ? model->last_ns : 0;
    blob_print(&writing->json,
               "{\"format\":1,\"start\":\"%" PRId64 "\",\"from\":\"%" PRId64 "\",\"to\":\"%" PRId64
               "\",\"length\":%" PRId64 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost_events\":%" PRIu64
               ",\"cut\":%" PRIu64 ",\"faults\":%" PRIu64,
               report->axis.start_ns, from, to, axis_since(&report->axis, to), model->events, model->bytes,
               lost_sum(model->lost), report->cut, report->faults);
    blob_print(&writing->json, ",\"buckets\":%u,\"width\":%" PRIu64, writing->buckets,
               UINT64_C(1) << report->axis.shift);
}

static void write_bins(struct writing *writing)
{
    blob_text(&writing->json, ",\"bins\":[");
    for (unsigned bin = 0; bin <= HEAT_BINS; bin++)
        blob_print(&writing->json, "%s%.0f", bin ? "," : "", heat_bin_low(bin));
    blob_text(&writing->json, "]");
}

void report_write(struct report *report, struct blob *out)
{
    struct writing writing = {.report = report};
    writing.buckets = report->stat.events ? axis_place(&report->axis, report->stat.last_ns) + 1 : 0;
    write_head(&writing);
    write_bins(&writing);
    write_counts(&writing, "series", report->events);
    write_losses(&writing);
    write_processes(&writing);
    write_rows(&writing);
    write_listed(&writing);
    write_slices(&writing, "slices", &report->spans);
    write_slices(&writing, "strips", &report->strips);
    write_sample(&writing);
    blob_text(&writing.json, "}");
    while (writing.json.used % 4 != 0)
        blob_text(&writing.json, " ");
    const uint32_t bytes = (uint32_t)writing.json.used;
    const unsigned char length[4] = {(unsigned char)bytes, (unsigned char)(bytes >> 8), (unsigned char)(bytes >> 16),
                                     (unsigned char)(bytes >> 24)};
    blob_add(out, length, sizeof length);
    blob_add(out, writing.json.bytes, writing.json.used);
    blob_add(out, writing.columns.bytes, writing.columns.used);
    out->failed |= writing.json.failed || writing.columns.failed;
    blob_fini(&writing.json);
    blob_fini(&writing.columns);
}
