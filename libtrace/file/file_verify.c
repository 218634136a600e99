/* SPDX-License-Identifier: ISC
 *
 * Checks a trace file to the last word: every header, checksum, column and count, and that no batch is missing.
 */
#include "file/file_reader.h"

#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct evtrail_file_cursor *cursor;
    void (*fault)(void *context, const char *line);
    void *context;
    struct evtrail_file_report report;
    uint32_t parts; /* of the cursor, when the current one was entered */
};

static void tell(struct check *check)
{
    if (check->fault)
        check->fault(check->context, evtrail_file_cursor_error(check->cursor));
}

/* What was lost since what is told before the batch, up to its last record. */
static void add_lost(struct check *check, const struct evtrail_batch *batch)
{
    const struct evtrail_file_cursor *cursor = check->cursor;
    const struct evtrail_ring_trail *ring = evtrail_cursor_ring(check->cursor, cursor->batch_source, batch->chunk.ring);
    for (unsigned cause = 0; ring && cause < EVTRAIL_CAUSES; cause++)
        if (ring->lost[cause] > cursor->before.lost[cause])
            check->report.lost[cause] += ring->lost[cause] - cursor->before.lost[cause];
}

/* Events of the view must be those of the header. */
static uint64_t count_events(const struct evtrail_batch_view *view)
{
    uint64_t events = 0;
    for (uint32_t s = 0; s < view->shapes_count; s++)
        events += view->shapes[s].id >= EVTRAIL_EVENT_FIRST ? view->shapes[s].count : 0;
    for (size_t at = 0; at < view->misc_words;) {
        const uint64_t word = view->misc[at];
        events += (word & EVTRAIL_SHAPE_MASK) >> 6 >= EVTRAIL_EVENT_FIRST;
        at += (word & 63) == 63 ? 2 + (size_t)(uint32_t)view->misc[at + 1] : 1 + (word & 63);
    }
    return events;
}

static void check_batch(struct check *check, const struct evtrail_batch *batch)
{
    struct evtrail_file_report *report = &check->report;
    const struct evtrail_batch_view *view;
    report->lost[EVTRAIL_CAUSE_overwritten] += batch->chunk.missed;
    if (!batch->bytes) /* made up to tell of torn events */
        return;
    const int r = evtrail_file_cursor_view(check->cursor, &view);
    if (r < 0) {
        tell(check);
        return;
    }
    add_lost(check, batch);
    if (count_events(view) != batch->chunk.events) {
        evtrail_cursor_fault(check->cursor, check->cursor->current.path,
                             "damaged at byte %llu: wanted %llu events, found %llu", (unsigned long long)batch->offset,
                             (unsigned long long)batch->chunk.events, (unsigned long long)count_events(view));
        tell(check);
    }
    report->from_ns = !report->batches || batch->from_ns < report->from_ns ? batch->from_ns : report->from_ns;
    report->to_ns = !report->batches || batch->to_ns > report->to_ns ? batch->to_ns : report->to_ns;
    report->batches++;
    report->events += batch->chunk.events;
    report->raw_bytes += batch->chunk.words_count * 8;
}

/* A file that ends as it should, but with an index that does not fit it. */
static void check_table(struct check *check)
{
    struct evtrail_file_cursor *cursor = check->cursor;
    struct evtrail_part *part = &cursor->current;
    if (!part->open || !part->closed || part->input.stream || evtrail_part_table_fits(cursor, part))
        return;
    evtrail_cursor_fault(cursor, part->path,
                         "the index or seek table at its end does not fit what is before it; all batches are read "
                         "without it; `evtrail repair` writes a new one");
    tell(check);
}

/* Another file of the set has become the current one. */
static void enter_part(struct check *check)
{
    struct evtrail_part *part = &check->cursor->current;
    check->parts = check->cursor->parts;
    check->report.file_bytes += part->open && !part->input.stream ? evtrail_input_size(&part->input) : 0;
    check_table(check);
}

static int check_all(struct check *check)
{
    struct evtrail_batch *batch;
    int r;
    enter_part(check);
    while ((r = evtrail_file_cursor_next(check->cursor, &batch)) == 1 || r == -EBADMSG) {
        if (r < 0)
            tell(check);
        if (check->cursor->parts != check->parts)
            enter_part(check);
        if (r == 1)
            check_batch(check, batch);
    }
    return r;
}

int evtrail_file_verify(const char *path, void (*fault)(void *context, const char *line), void *context,
                        struct evtrail_file_report *ret_report, char **ret_error)
{
    struct check check = {.fault = fault, .context = context};
    int r = evtrail_file_cursor_open(&check.cursor, path, NULL, ret_error);
    if (r < 0)
        return r;
    r = check_all(&check);
    if (r < 0 && ret_error)
        *ret_error = strdup(evtrail_file_cursor_error(check.cursor));
    check.report.torn_recorded = check.cursor->torn_recorded;
    check.report.lost[EVTRAIL_CAUSE_spool] = check.cursor->spool;
    evtrail_file_cursor_totals(check.cursor, &check.report.lost[EVTRAIL_CAUSE_torn], &check.report.faults,
                               &check.report.closed);
    check.report.sources = check.cursor->sources_count;
    evtrail_file_cursor_close(check.cursor);
    if (r == 0)
        *ret_report = check.report;
    return r < 0 ? r : check.report.faults || check.report.lost[EVTRAIL_CAUSE_torn] > check.report.torn_recorded;
}
