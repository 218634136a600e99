/* SPDX-License-Identifier: ISC
 *
 * Spans over time: which thread began one and on which lane of it, how long they took when, and the slowest.
 */
#include "report.h"

#include <evtrail/format.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 400u

/* ---- open spans -------------------------------------------------------------------------------------------------------- */

static struct open_span *open_new(struct report *report, uint32_t *ret_number)
{
    if (report->open_free) {
        *ret_number = report->open_free;
        struct open_span *const open = &report->open[report->open_free - 1];
        report->open_free = open->next_free;
        return open;
    }
    if ((report->open_count & (report->open_count - 1)) == 0) {
        const size_t size = report->open_count ? (size_t)report->open_count * 2 : 1;
        struct open_span *const bigger = realloc(report->open, size * sizeof *bigger);
        if (!bigger) {
            report->out_of_memory = true;
            return NULL;
        }
        report->open = bigger;
    }
    *ret_number = ++report->open_count;
    return &report->open[report->open_count - 1];
}

/* The lowest lane of the thread that no open span is on; the last one takes what does not fit. */
static uint32_t lane_take(struct report *report, uint32_t track)
{
    struct track *const on = &report->tracks[track];
    const uint32_t lane = on->lanes == UINT64_MAX ? LANES - 1 : (uint32_t)__builtin_ctzll(~on->lanes);
    on->lanes |= UINT64_C(1) << lane;
    if (lane + 1 > on->lanes_used)
        on->lanes_used = lane + 1;
    return lane;
}

static void slice_add(struct report *report, const struct open_span *open, int64_t to_ns)
{
    const int64_t from = axis_since(&report->axis, open->from_ns), end = axis_since(&report->axis, to_ns);
    const int64_t to = end > from ? end : from;
    const struct slice slice = {.track = open->track,
                                .name = open->row,
                                .lane = open->lane,
                                .count = 1,
                                .from_ns = from,
                                .to_ns = to,
                                .first_ns = from,
                                .end_ns = to,
                                .id = open->id,
                                .parent = open->parent};
    report->out_of_memory |= slices_add(&report->spans, &slice) < 0;
}

static void open_close(struct report *report, struct idtable_entry *entry)
{
    struct open_span *const open = &report->open[entry->state - 1];
    report->tracks[open->track].lanes &= ~(UINT64_C(1) << open->lane);
    open->next_free = report->open_free;
    report->open_free = entry->state;
    open->track = UINT32_MAX;
}

void report_span_begin(struct report *report, const struct plan *plan, const struct evtrail_event *event,
                       uint32_t track)
{
    if (track == UINT32_MAX)
        return;
    struct idtable_entry *const entry = idtable_put(&report->open_index, plan->group, event->payload[0]);
    if (!entry)
        return;
    if (entry->state != 0)
        open_close(report, entry); /* the same id again, with no end in between */
    uint32_t number;
    struct open_span *const open = open_new(report, &number);
    if (!open) {
        idtable_remove(&report->open_index, entry);
        return;
    }
    entry->state = number;
    *open = (struct open_span){.from_ns = event->time,
                               .id = event->payload[0],
                               .parent = event->words > 1 ? event->payload[1] : 0,
                               .track = track,
                               .lane = lane_take(report, track),
                               .row = plan->row->family->number};
}

/* ---- the slowest ------------------------------------------------------------------------------------------------------- */

/* What the end says of it, without control characters. */
static char *fields_text(const struct evtrail_event *event)
{
    static const struct evtrail_format_options options = {
        .bytes = sizeof options, .time = EVTRAIL_TIME_none, .string_max = 80, .human = true, .no_context = true};
    char line[TEXT_BYTES];
    size_t bytes = evtrail_format_text(event, &options, line, sizeof line);
    if (bytes > sizeof line)
        bytes = sizeof line;
    while (bytes > 0 && (line[bytes - 1] == '\n' || ((unsigned char)line[bytes - 1] & 0x80)))
        bytes--;
    const char *const mark = memmem(line, bytes, " < ", 3); /* before it: thread and level */
    const size_t skip = mark ? (size_t)(mark - line) + 3 : 0;
    return strndup(line + skip, bytes - skip);
}

static void slow_add(struct report *report, struct row_more *more, const struct evtrail_event *event, uint32_t track)
{
    const uint64_t duration = (uint64_t)event->duration;
    if (more->slow_count == SLOWEST && duration <= more->slow[SLOWEST - 1].duration)
        return;
    uint32_t at = more->slow_count < SLOWEST ? more->slow_count++ : SLOWEST - 1;
    free(more->slow[at].text);
    for (; at > 0 && more->slow[at - 1].duration < duration; at--)
        more->slow[at] = more->slow[at - 1];
    more->slow[at] = (struct slow_span){.duration = duration,
                                        .id = event->payload[0],
                                        .track = track,
                                        .from_ns = (int64_t)((uint64_t)event->time - duration),
                                        .text = fields_text(event)};
    report->out_of_memory |= !more->slow[at].text;
}

void report_span_end(struct report *report, const struct plan *plan, const struct evtrail_event *event, uint32_t track)
{
    struct idtable_entry *const entry = idtable_find(&report->open_index, plan->group, event->payload[0]);
    if (entry) {
        const struct open_span open = report->open[entry->state - 1];
        open_close(report, entry);
        idtable_remove(&report->open_index, entry);
        slice_add(report, &open, event->time);
        track = open.track;
    }
    if (event->duration < 0)
        return;
    struct row_more *const more = report_more(report, plan->row->family);
    if (!more)
        return;
    if (more->heat)
        heat_add(more->heat, &report->axis, event->time, (uint64_t)event->duration);
    slow_add(report, more, event, track);
}

/* What never ended is drawn to the end. */
void report_spans_end(struct report *report)
{
    for (uint32_t i = 0; i < report->open_count; i++)
        if (report->open[i].track != UINT32_MAX)
            slice_add(report, &report->open[i], report->stat.last_ns);
}
