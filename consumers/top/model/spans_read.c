/* SPDX-License-Identifier: ISC
 *
 * What views ask of the part that knows spans.
 */
#include "spans_private.h"

/* ---- rows ---- */

uint32_t spans_count(const struct part *part)
{
    return spans_of(part)->rows_count;
}

struct span_row *spans_row(const struct part *part, uint32_t index)
{
    return index < spans_of(part)->rows_count ? spans_of(part)->rows[index] : NULL;
}

struct span_row *spans_find(const struct part *part, const char *name)
{
    const uint32_t number = names_find(&spans_of(part)->names, name, 0);
    return number != NAMES_NONE ? spans_of(part)->rows[number] : NULL;
}

/* ---- figures ---- */

static uint64_t coarse_quantile(const struct span_row *row, double quantile)
{
    uint64_t seen = 0;
    for (unsigned octave = 0; row->coarse && octave < SPAN_COARSE_OCTAVES; octave++) {
        seen += row->coarse[octave];
        if (row->coarse[octave] == 0 || (double)seen < quantile * (double)row->count)
            continue;
        const uint64_t middle = octave ? (UINT64_C(1) << octave) + (UINT64_C(1) << (octave - 1)) : 1;
        return middle < row->min_ns ? row->min_ns : middle > row->max_ns ? row->max_ns : middle;
    }
    return row->max_ns;
}

uint64_t spans_quantile(const struct span_row *row, double quantile)
{
    if (row->count == 0)
        return 0;
    return row->histogram ? histogram_quantile(row->histogram, quantile) : coarse_quantile(row, quantile);
}

struct rates spans_rates(const struct part *part, const struct span_row *row)
{
    return rate_read(&row->rate, spans_of(part)->start_ns, part->model->now_ns);
}

uint64_t spans_minute(const struct part *part, const struct span_row *row, double quantile, uint64_t *ret_count)
{
    *ret_count = 0;
    if (!row->latency)
        return 0;
    const uint64_t about = latency_quantile(row->latency, rate_second(part->model->now_ns), quantile, ret_count);
    if (*ret_count == 0)
        return about;
    return about > row->max_ns ? row->max_ns : about < row->min_ns ? row->min_ns : about; /* its steps are wide */
}

uint64_t spans_octave(const struct span_row *row, unsigned octave)
{
    if (!row->histogram)
        return row->coarse && octave < SPAN_COARSE_OCTAVES ? row->coarse[octave] : 0;
    const uint64_t low = octave ? UINT64_C(1) << octave : 0;
    return octave < 64 ? histogram_between(row->histogram, low, octave ? low + (low - 1) : 1) : 0;
}

/* ---- what is open ---- */

static void view_fill(const struct spans *spans, const struct open_span *span, struct open_view *ret_view)
{
    const struct open_source *const source = &spans->open.sources[span->source];
    const struct beginning *const beginning = span->data != OPEN_NONE ? &spans->beginnings[span->data] : NULL;
    *ret_view = (struct open_view){.id = span->id,
                                   .parent = beginning ? beginning->parent : 0,
                                   .begin_ns = open_span_time(&spans->open, span),
                                   .tid = span->tid,
                                   .pid = source->pid,
                                   .host = source->host,
                                   .gone = span->gone,
                                   .command = source->command,
                                   .thread = beginning ? beginning->thread : "",
                                   .begin = beginning ? &beginning->fields : NULL};
}

size_t spans_open(const struct part *part, const struct span_row *row, struct open_view *ret_views, size_t count)
{
    const struct spans *const spans = spans_of(part);
    const struct open_spans *const open = &spans->open;
    size_t found = 0;
    for (uint32_t i = open->oldest; i != OPEN_NONE && found < count; i = open->entries[i].newer)
        if (open->entries[i].row == row->number - 1 && open->entries[i].matched && !open->entries[i].stale)
            view_fill(spans, &open->entries[i], &ret_views[found++]);
    return found;
}

void spans_oldest(const struct part *part, int64_t *ret_begin_ns, uint32_t rows)
{
    const struct open_spans *const open = &spans_of(part)->open;
    for (uint32_t i = 0; i < rows; i++)
        ret_begin_ns[i] = INT64_MAX;
    for (uint32_t i = open->oldest; i != OPEN_NONE; i = open->entries[i].newer) {
        const struct open_span *const span = &open->entries[i];
        if (span->row < rows && span->matched && !span->gone && !span->stale && ret_begin_ns[span->row] == INT64_MAX)
            ret_begin_ns[span->row] = open_span_time(open, span);
    }
}

uint64_t spans_forgotten(const struct part *part)
{
    return spans_of(part)->open.forgotten;
}
