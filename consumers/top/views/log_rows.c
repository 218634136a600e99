/* SPDX-License-Identifier: ISC
 *
 * Lines of a log, made and fetched.
 */
#include "log_rows.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one row ---- */

static size_t put(char *buffer, size_t size, size_t used, const char *text)
{
    const int n = snprintf(buffer + used, size - used, "%s", text);
    return used + (size_t)n < size ? used + (size_t)n : size - 1;
}

static size_t put_field(char *buffer, size_t size, size_t used, const struct evtrail_event *event, unsigned index)
{
    struct evtrail_value value;
    char text[300];
    if (used + 2 >= size || evtrail_event_value(event, index, &value) < 0 || value.cut)
        return used;
    const struct evtrail_field *field = &event->type->fields[index];
    const size_t bytes = evtrail_format_value(&value, field, true, text, sizeof text - 1);
    text[bytes < sizeof text - 1 ? bytes : sizeof text - 1] = '\0';
    if (used > 0)
        used = put(buffer, size, used, " ");
    used = put(buffer, size, used, field->name);
    used = put(buffer, size, used, "=");
    return put(buffer, size, used, text);
}

static void put_context(char *buffer, size_t size, size_t used, const struct evtrail_event *event)
{
    char text[200];
    for (unsigned i = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        snprintf(text, sizeof text, " label.%s=%s", event->labels[i].key, event->labels[i].value);
        used = put(buffer, size, used, text + (used == 0));
    }
    if (event->duration >= 0) {
        char duration[32];
        const size_t bytes = evtrail_format_duration(event->duration, duration, sizeof duration - 1);
        duration[bytes < sizeof duration ? bytes : sizeof duration - 1] = '\0';
        snprintf(text, sizeof text, " dur=%s", duration);
        put(buffer, size, used, text + (used == 0));
    }
}

static void put_fields(struct log_row *row, const struct evtrail_event *event)
{
    size_t used = 0;
    for (unsigned i = 0; event->type && i < event->type->fields_count && i < 64; i++)
        used = put_field(row->fields, sizeof row->fields, used, event, i);
    put_context(row->fields, sizeof row->fields, used, event);
}

static void put_loss(struct log_row *row, const struct evtrail_event *event)
{
    char since[32];
    const size_t bytes = evtrail_format_duration(event->time - event->lost_since, since, sizeof since - 1);
    since[bytes < sizeof since ? bytes : sizeof since - 1] = '\0';
    row->is_loss = 1;
    snprintf(row->name, sizeof row->name, "*** lost %llu ***", (unsigned long long)event->lost);
    snprintf(row->fields, sizeof row->fields, "%s, in %s", evtrail_cause_name(event->cause), since);
}

void log_row_make(struct log_row *row, const struct evtrail_event *event)
{
    static const char marks[EVTRAIL_KINDS] = {' ', '>', '<', '=', '@', '@', '-', '~'};
    const struct evtrail_event_type *type = event->type;
    *row = (struct log_row){.time_ns = event->time};
    snprintf(row->host, sizeof row->host, "%.31s", event->source->host);
    snprintf(row->process, sizeof row->process, "%.24s[%u]", event->source->command, event->source->pid);
    snprintf(row->thread, sizeof row->thread, "%s:%u", event->thread_name ? event->thread_name : "", event->tid);
    if (event->what == EVTRAIL_EVENT_LOST) {
        put_loss(row, event);
        return;
    }
    if (!type) {
        snprintf(row->name, sizeof row->name, "  (event %u, not in the schema)", event->id);
        return;
    }
    row->level = type->level;
    snprintf(row->name, sizeof row->name, "%c %s", type->kind < EVTRAIL_KINDS ? marks[type->kind] : ' ', type->name);
    snprintf(row->doc, sizeof row->doc, "%s%s(%s:%u %s)", type->doc, *type->doc ? " " : "", type->file, type->line,
             type->function);
    put_fields(row, event);
}

/* ---- fetching ---- */

struct fetch {
    struct log_row *rows;
    int count;
};

static void visit(void *context, const struct evtrail_event *event)
{
    struct fetch *fetch = context;
    if (fetch->count < ROWS_AT_ONCE)
        log_row_make(&fetch->rows[fetch->count++], event);
}

void log_rows_fini(struct log_rows *rows)
{
    feed_lines_free(rows->lines);
    free(rows->rows);
    *rows = (struct log_rows){0};
}

int log_rows_reset(struct log_rows *rows, struct feed *feed)
{
    rows->count = 0;
    rows->at_first = rows->at_last = rows->searching = false;
    if (!rows->rows && !(rows->rows = calloc(ROWS_MAX, sizeof *rows->rows)))
        return -ENOMEM;
    feed_lines_free(rows->lines);
    rows->lines = NULL;
    rows->feed = feed;
    return feed_lines_new(&rows->lines, feed);
}

void log_rows_last(struct log_rows *rows, int64_t to_ns, int count)
{
    struct fetch fetch = {.rows = rows->rows};
    count = count < ROWS_AT_ONCE ? count : ROWS_AT_ONCE;
    rows->count = feed_lines_last(rows->lines, to_ns, (unsigned)count, rows->filter, visit, &fetch);
    rows->searching = feed_lines_searching(rows->lines, NULL);
    rows->at_first = rows->count < count && !rows->searching;
    rows->at_last = true;
}

void log_rows_from(struct log_rows *rows, int64_t from_ns, int count)
{
    struct fetch fetch = {.rows = rows->rows};
    count = count < ROWS_AT_ONCE ? count : ROWS_AT_ONCE;
    rows->count = feed_lines_from(rows->lines, from_ns, (unsigned)count, rows->filter, visit, &fetch);
    rows->searching = feed_lines_searching(rows->lines, NULL);
    rows->at_first = false;
    rows->at_last = rows->count < count && !rows->searching;
}

int log_rows_more_before(struct log_rows *rows)
{
    static struct log_row found[ROWS_AT_ONCE];
    struct fetch fetch = {.rows = found};
    if (rows->count == 0 || rows->at_first)
        return 0;
    /* Others of the first one's time may be missing: they come again with it. */
    int same = 0;
    while (same < rows->count && rows->rows[same].time_ns == rows->rows[0].time_ns)
        same++;
    const int got = feed_lines_last(rows->lines, rows->rows[0].time_ns, ROWS_AT_ONCE, rows->filter, visit, &fetch);
    rows->searching = feed_lines_searching(rows->lines, NULL);
    if (got <= same) {
        rows->at_first = !rows->searching;
        return 0;
    }
    rows->at_first = got < ROWS_AT_ONCE && !rows->searching;
    const int added = got - same;
    const int kept = rows->count + added <= ROWS_MAX ? rows->count : ROWS_MAX - added;
    rows->at_last = rows->at_last && kept == rows->count;
    memmove(rows->rows + added, rows->rows, (size_t)kept * sizeof *rows->rows);
    memcpy(rows->rows, found, (size_t)added * sizeof *rows->rows);
    rows->count = kept + added;
    return added;
}

int log_rows_more_behind(struct log_rows *rows, int64_t to_ns)
{
    static struct log_row found[ROWS_AT_ONCE];
    struct fetch fetch = {.rows = found};
    if (rows->count == 0)
        return 0;
    const int64_t last = rows->rows[rows->count - 1].time_ns;
    int same = 0;
    while (same < rows->count && rows->rows[rows->count - 1 - same].time_ns == last)
        same++;
    int got = feed_lines_from(rows->lines, last, ROWS_AT_ONCE, rows->filter, visit, &fetch);
    rows->searching = feed_lines_searching(rows->lines, NULL);
    while (got > 0 && found[got - 1].time_ns > to_ns)
        got--;
    const int added = got > same ? got - same : 0;
    rows->at_last = got < ROWS_AT_ONCE && !rows->searching;
    const int dropped = rows->count + added > ROWS_MAX ? rows->count + added - ROWS_MAX : 0;
    rows->at_first = rows->at_first && dropped == 0;
    memmove(rows->rows, rows->rows + dropped, (size_t)(rows->count - dropped) * sizeof *rows->rows);
    memcpy(rows->rows + rows->count - dropped, found + same, (size_t)added * sizeof *rows->rows);
    rows->count += added - dropped;
    return -dropped;
}
