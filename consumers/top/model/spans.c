/* SPDX-License-Identifier: ISC
 *
 * The part that knows spans: matches ends to begins and keeps durations, the slowest, and what is open.
 *
 * For each event: one look-up in the table of open spans, one count in a histogram, in a strip and in a rate. When memory gets short, first
 * payloads of open spans are not kept, then strips and the slowest of new names, then percentiles become coarse; counts stay exact.
 */
#include "spans_private.h"

#include <stdlib.h>
#include <string.h>

#define STALE_NS 100000000  /* between two looks for ends that were missed */
#define OPEN_PERCENT 75u    /* of the budget, with what else there is */
#define DETAILS_PERCENT 40u /* strips, slowest */
#define TYPES_PERCENT 50u
#define EXACT_PERCENT 55u /* histograms */
#define HISTOGRAM_BYTES (sizeof(struct histogram) + 16)
#define OCTAVE_BYTES (HISTOGRAM_STEPS * sizeof(uint64_t) + 16)
#define BEGINNINGS_PERCENT 15u /* of the budget: payloads of open spans, at most */

static void span_forgotten(struct part *part, struct open_span *span);
static void histogram_drop(struct spans *spans, struct span_row *row);

static int init(struct part *part)
{
    struct spans *const spans = spans_of(part);
    keep_init(&spans->keep, part);
    kept_types_init(&spans->kept, &spans->keep, TYPES_PERCENT);
    names_init(&spans->names, &spans->keep);
    open_spans_init(&spans->open, part, OPEN_PERCENT, span_forgotten);
    spans->beginnings_unused = OPEN_NONE;
    spans->start_ns = INT64_MAX;
    return 0;
}

static void fini(struct part *part)
{
    struct spans *const spans = spans_of(part);
    for (uint32_t i = 0; i < spans->rows_count; i++)
        histogram_drop(spans, spans->rows[i]);
    kept_types_fini(&spans->kept);
    keep_fini(&spans->keep);
    open_spans_fini(&spans->open);
    free(spans->rows);
    names_fini(&spans->names);
    span_plans_fini(&spans->plans);
    free(spans->beginnings);
}

/* ---- rows ---- */

static bool rows_grow(struct spans *spans)
{
    const uint32_t size = spans->rows_size ? spans->rows_size * 2 : 64;
    const size_t bytes = (size - spans->rows_size) * sizeof *spans->rows;
    struct span_row **const rows =
        part_has_room(&spans->part, bytes, 100) ? realloc(spans->rows, size * sizeof *rows) : NULL;
    if (!rows)
        return false;
    spans->part.used_bytes += bytes;
    spans->rows = rows;
    spans->rows_size = size;
    return true;
}

static void histogram_drop(struct spans *spans, struct span_row *row)
{
    if (!row->histogram)
        return;
    histogram_fini(row->histogram);
    free(row->histogram);
    row->histogram = NULL;
    spans->part.used_bytes -= HISTOGRAM_BYTES + (size_t)__builtin_popcountll(row->octaves) * OCTAVE_BYTES;
    row->octaves = 0;
}

static void coarse_make(struct spans *spans, struct span_row *row)
{
    row->coarse = keep_new(&spans->keep, SPAN_COARSE_OCTAVES * sizeof *row->coarse, 100);
    spans->part.left_out++;
}

static void row_prepare(struct spans *spans, struct span_row *row)
{
    row->min_ns = UINT64_MAX;
    if (part_has_room(&spans->part, HISTOGRAM_BYTES + 8 * OCTAVE_BYTES, EXACT_PERCENT))
        row->histogram = malloc(sizeof *row->histogram);
    if (row->histogram) {
        histogram_init(row->histogram);
        spans->part.used_bytes += HISTOGRAM_BYTES;
    } else {
        coarse_make(spans, row);
    }
    row->latency = keep_new(&spans->keep, sizeof *row->latency, DETAILS_PERCENT);
}

/* Rows have their names' numbers. */
static struct span_row *row_get(struct spans *spans, const char *name)
{
    const uint32_t number = names_find(&spans->names, name, 0);
    if (number != NAMES_NONE)
        return spans->rows[number];
    if (spans->rows_count == spans->rows_size && !rows_grow(spans))
        return NULL;
    struct span_row *const row = keep_new(&spans->keep, sizeof *row, 100);
    if (!row || names_number(&spans->names, name, 0) == NAMES_NONE)
        return NULL;
    row->name = spans->names.entries[spans->rows_count].text;
    row_prepare(spans, row);
    spans->rows[spans->rows_count++] = row;
    row->number = spans->rows_count;
    return row;
}

/* ---- plans ---- */

static bool has_id(const struct evtrail_event_type *type)
{
    return type->fields_count > 0 && type->fields[0].type != EVTRAIL_TYPE_string &&
           type->fields[0].type != EVTRAIL_TYPE_bytes;
}

static void *plan(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type)
{
    struct spans *const spans = spans_of(part);
    if (!has_id(type))
        return NULL;
    struct span_row *const row = row_get(spans, type->name);
    const bool begin = type->kind == EVTRAIL_KIND_begin;
    const uint32_t number = row ? open_source_number(&spans->open, source, model_source_key(source)) : OPEN_NONE;
    struct span_plan *const plan = span_plans_new(&spans->plans, &spans->open, &spans->keep, number, sizeof *plan);
    if (!plan) {
        part->left_out++;
        return NULL;
    }
    *plan = (struct span_plan){
        .link = plan->link,
        .row = row,
        .type = kept_type_of(&spans->kept, begin ? &row->begin_type : &row->end_type, type, row->name),
        .source = number,
        .begin = begin};
    return plan;
}

/* ---- what was said at the begin ---- */

static bool beginnings_grow(struct spans *spans)
{
    const uint32_t size = spans->beginnings_size ? spans->beginnings_size * 2 : 64;
    const size_t added = (size - spans->beginnings_size) * sizeof *spans->beginnings;
    if (size * sizeof *spans->beginnings > spans->part.budget_bytes / 100 * BEGINNINGS_PERCENT ||
        !part_has_room(&spans->part, added, OPEN_PERCENT))
        return false;
    struct beginning *const bigger = realloc(spans->beginnings, size * sizeof *bigger);
    if (!bigger)
        return false;
    spans->part.used_bytes += added;
    spans->beginnings = bigger;
    for (uint32_t i = size; i-- > spans->beginnings_size;) {
        bigger[i].next = spans->beginnings_unused;
        spans->beginnings_unused = i;
    }
    spans->beginnings_size = size;
    return true;
}

static void fields_take(struct span_fields *fields, const struct kept_type *type, const struct evtrail_event *event)
{
    fields->type = type;
    fields->cut = event->words > SPAN_WORDS_MAX;
    fields->words = (uint8_t)(fields->cut ? SPAN_WORDS_MAX : event->words);
    for (uint32_t i = 0; i < fields->words; i++)
        fields->payload[i] = event->payload[i];
}

static void thread_take(char thread[SPAN_THREAD_BYTES + 1], const struct evtrail_event *event)
{
    const char *const name = event->thread_name ? event->thread_name : "";
    unsigned i = 0;
    for (; i < SPAN_THREAD_BYTES && name[i]; i++)
        thread[i] = name[i];
    thread[i] = '\0';
}

static uint32_t beginning_new(struct spans *spans, const struct span_plan *plan, const struct evtrail_event *event)
{
    if (spans->beginnings_unused == OPEN_NONE && !beginnings_grow(spans))
        return OPEN_NONE;
    const uint32_t number = spans->beginnings_unused;
    struct beginning *const beginning = &spans->beginnings[number];
    spans->beginnings_unused = beginning->next;
    fields_take(&beginning->fields, plan->type, event);
    beginning->parent = event->words > 1 ? event->payload[1] : 0;
    thread_take(beginning->thread, event);
    return number;
}

static void beginning_free(struct spans *spans, uint32_t number)
{
    if (number == OPEN_NONE)
        return;
    spans->beginnings[number].next = spans->beginnings_unused;
    spans->beginnings_unused = number;
}

/* ---- durations ---- */

static void coarse_add(struct span_row *row, uint64_t ns, uint64_t count)
{
    uint32_t *const at = row->coarse ? &row->coarse[ns < 2 ? 0 : 63u - (unsigned)__builtin_clzll(ns)] : NULL;
    if (at)
        *at = count > UINT32_MAX - *at ? UINT32_MAX : *at + (uint32_t)count;
}

/* Percentiles of this row become coarse: its histogram is given back. */
static void row_coarsen(struct spans *spans, struct span_row *row)
{
    uint64_t low, high, count;
    coarse_make(spans, row);
    for (unsigned position = 0; histogram_next(row->histogram, &position, &low, &high, &count);)
        coarse_add(row, low, count);
    histogram_drop(spans, row);
}

static void count_duration(struct spans *spans, struct span_row *row, uint64_t ns)
{
    const uint64_t octave = UINT64_C(1) << (ns < 2 ? 0 : 63u - (unsigned)__builtin_clzll(ns));
    if (row->histogram && !(row->octaves & octave)) {
        if (part_has_room(&spans->part, OCTAVE_BYTES, EXACT_PERCENT)) {
            row->octaves |= octave;
            spans->part.used_bytes += OCTAVE_BYTES;
        } else {
            row_coarsen(spans, row);
        }
    }
    if (row->histogram)
        spans->part.model->out_of_memory |= histogram_add(row->histogram, ns, 1) < 0;
    else
        coarse_add(row, ns, 1);
    row->count++;
    row->sum_ns += (double)ns;
    row->min_ns = ns < row->min_ns ? ns : row->min_ns;
    row->max_ns = ns > row->max_ns ? ns : row->max_ns;
}

/* ---- the slowest ---- */

static void labels_take(char labels[SPAN_LABELS_BYTES], const struct evtrail_event *event)
{
    size_t at = 0;
    labels[0] = '\0';
    for (unsigned i = 0; event->labels && i < 4; i++) {
        const char *const pieces[] = {at > 0 ? " " : "", event->labels[i].key, "=", event->labels[i].value};
        for (unsigned piece = 0; event->labels[i].key[0] && piece < 4; piece++)
            for (const char *text = pieces[piece]; *text && at + 1 < SPAN_LABELS_BYTES; text++)
                labels[at++] = *text;
    }
    labels[at] = '\0';
}

static void slow_fill(const struct spans *spans, struct slow_span *slow, const struct span_plan *plan,
                      const struct open_span *span, const struct evtrail_event *event, uint64_t ns)
{
    *slow = (struct slow_span){.duration_ns = ns, .end_ns = event->time, .id = span->id, .tid = event->tid};
    const struct open_source *const source = &spans->open.sources[span->source];
    slow->pid = source->pid;
    slow->host = source->host;
    memcpy(slow->command, source->command, sizeof slow->command);
    if (span->data != OPEN_NONE)
        slow->begin = spans->beginnings[span->data].fields;
    fields_take(&slow->end, plan->type, event);
    thread_take(slow->thread, event);
    labels_take(slow->labels, event);
}

static void take_slow(struct spans *spans, const struct span_plan *plan, const struct open_span *span,
                      const struct evtrail_event *event, uint64_t ns)
{
    struct span_row *const row = plan->row;
    if (row->slowest_count == SPAN_SLOWEST && ns <= row->slowest[SPAN_SLOWEST - 1].duration_ns)
        return;
    if (!row->slowest && !row->latency)
        return; /* there was no room then */
    if (!row->slowest && !(row->slowest = keep_new(&spans->keep, SPAN_SLOWEST * sizeof *row->slowest, DETAILS_PERCENT)))
        return;
    unsigned at = row->slowest_count < SPAN_SLOWEST ? row->slowest_count++ : SPAN_SLOWEST - 1;
    for (; at > 0 && row->slowest[at - 1].duration_ns < ns; at--)
        row->slowest[at] = row->slowest[at - 1];
    slow_fill(spans, &row->slowest[at], plan, span, event, ns);
}

/* ---- begin and end ---- */

/* One that is in row->open. */
static bool is_open(const struct open_span *span)
{
    return span->matched && !span->gone && !span->stale;
}

static void drop(struct spans *spans, struct open_span *span)
{
    struct span_row *const row = spans->rows[span->row];
    row->open -= is_open(span);
    beginning_free(spans, span->data);
    span->data = OPEN_NONE;
}

static void span_forgotten(struct part *part, struct open_span *span)
{
    struct spans *const spans = spans_of(part);
    spans->rows[span->row]->forgotten += is_open(span);
    drop(spans, span);
}

static void take_begin(struct spans *spans, const struct span_plan *plan, const struct evtrail_event *event,
                       bool matched)
{
    struct span_row *const row = plan->row;
    row->begins += matched;
    struct open_span *span = open_spans_find(&spans->open, plan->source, event->payload[0], row->number - 1);
    if (span) {
        row->repeated += span->matched;
        drop(spans, span);
        open_spans_remove(&spans->open, span);
    }
    span = open_spans_add(&spans->open, plan->source, event->payload[0], row->number - 1);
    if (!span) {
        row->forgotten += matched;
        return;
    }
    span->ticks = event->ticks;
    span->tid = event->tid;
    span->matched = matched;
    span->data = beginning_new(spans, plan, event);
    row->open += matched;
}

static void take_end(struct spans *spans, const struct span_plan *plan, const struct evtrail_event *event, bool matched)
{
    struct span_row *const row = plan->row;
    struct open_span *const span = open_spans_find(&spans->open, plan->source, event->payload[0], row->number - 1);
    row->ends += matched;
    if (!span) {
        row->unmatched += matched;
        return;
    }
    if (matched || span->matched) {
        const uint64_t ns = (uint64_t)open_source_duration(&spans->open.sources[plan->source], event->source,
                                                           span->ticks, event->ticks);
        const uint32_t second = rate_second(event->time);
        count_duration(spans, row, ns);
        rate_add(&row->rate, second, 1);
        if (row->latency)
            latency_add(row->latency, &spans->keep, DETAILS_PERCENT + 5, second, ns);
        take_slow(spans, plan, span, event, ns);
    }
    drop(spans, span);
    open_spans_remove(&spans->open, span);
}

static void event(struct part *part, void *plan_data, const struct evtrail_event *happened, bool matched)
{
    struct spans *const spans = spans_of(part);
    const struct span_plan *const plan = plan_data;
    if (happened->words == 0)
        return;
    if (happened->time < spans->start_ns)
        spans->start_ns = happened->time;
    (plan->begin ? take_begin : take_end)(spans, plan, happened, matched);
}

/* ---- processes that end ---- */

static void span_abandoned(struct part *part, struct open_span *span)
{
    struct span_row *const row = spans_of(part)->rows[span->row];
    if (span->stale)
        return;
    row->abandoned += span->matched;
    row->open -= span->matched;
}

static void notice(struct part *part, const struct evtrail_event *event)
{
    struct spans *const spans = spans_of(part);
    if (event->what != EVTRAIL_EVENT_SOURCE || !event->source->gone)
        return;
    const uint64_t key = model_source_key(event->source);
    span_plans_gone(&spans->plans, &spans->open, key);
    open_source_gone(&spans->open, key, span_abandoned);
}

/* ---- ends that were not looked at ---- */

/* After events were only counted, a span from before that has been open for twice as long as any of its name took is in flight no more, most
 * likely. At the next look it goes: those that are really open for long would have to make room for many such. */
static void tick(struct part *part, int64_t now_ns)
{
    struct spans *const spans = spans_of(part);
    const struct model *const model = part->model;
    if (model->unseen_ns == INT64_MIN || now_ns - spans->stale_ns < STALE_NS)
        return;
    spans->stale_ns = now_ns;
    for (uint32_t i = spans->open.oldest, newer; i != OPEN_NONE; i = newer) {
        struct open_span *const span = &spans->open.entries[i];
        struct span_row *const row = spans->rows[span->row];
        const int64_t begin_ns = open_span_time(&spans->open, span), age_ns = model->totals.last_ns - begin_ns;
        newer = span->newer;
        if (span->stale && !span->gone) {
            drop(spans, span);
            open_spans_remove(&spans->open, span);
        } else if (is_open(span) && begin_ns <= model->unseen_ns && row->max_ns > 0 && age_ns > 0 &&
                   (uint64_t)age_ns / 2 > row->max_ns) {
            row->open--;
            span->stale = true;
        }
    }
}

static void reset(struct part *part)
{
    struct spans *const spans = spans_of(part);
    spans->start_ns = part->model->now_ns ? part->model->now_ns : INT64_MAX;
    spans->open.forgotten = 0;
    for (uint32_t i = 0; i < spans->rows_count; i++) {
        struct span_row *const row = spans->rows[i];
        row->begins = row->ends = row->count = row->unmatched = row->abandoned = row->repeated = row->forgotten = 0;
        row->max_ns = 0;
        row->min_ns = UINT64_MAX;
        row->sum_ns = 0;
        row->slowest_count = 0;
        row->rate = (struct rate){0};
        part->used_bytes -= (size_t)__builtin_popcountll(row->octaves) * OCTAVE_BYTES;
        row->octaves = 0;
        if (row->histogram)
            histogram_fini(row->histogram);
        if (row->coarse)
            memset(row->coarse, 0, SPAN_COARSE_OCTAVES * sizeof *row->coarse);
        if (row->latency)
            latency_clear(row->latency);
    }
}

const struct part_ops spans_part = {.name = "spans",
                                    .bytes = sizeof(struct spans),
                                    .kinds = KIND_BIT(EVTRAIL_KIND_begin) | KIND_BIT(EVTRAIL_KIND_end),
                                    .always = KIND_BIT(EVTRAIL_KIND_begin) | KIND_BIT(EVTRAIL_KIND_end),
                                    .share = 15,
                                    .init = init,
                                    .fini = fini,
                                    .plan = plan,
                                    .event = event,
                                    .notice = notice,
                                    .tick = tick,
                                    .reset = reset};
