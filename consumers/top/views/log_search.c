/* SPDX-License-Identifier: ISC
 *
 * Searching for text in a log, both ways, through all that is held: some milliseconds with each redraw.
 */
#include "log_private.h"

#include "../top_private.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <string.h>

#define SLICE_NS INT64_C(25000000)

bool log_row_has(const struct log_row *row, const char *text)
{
    return *text && (strcasestr(row->name, text) || strcasestr(row->fields, text) || strcasestr(row->thread, text) ||
                     strcasestr(row->host, text) || strcasestr(row->process, text));
}

static bool look(struct log *log, int from)
{
    const int step = log->search.direction;
    for (int i = from; i >= 0 && i < log->rows.count; i += step)
        if (log_row_has(&log->rows.rows[i], log->search.text)) {
            log->cursor = i;
            log->search.direction = 0;
            return true;
        }
    return false;
}

static void not_found(struct log *log)
{
    top_say(log->top, "%s: not found %s", log->search.text, log->search.direction < 0 ? "above" : "below");
    log->search.direction = 0;
}

/* More rows in the direction; false: there are none, for now or at all. */
static bool more(struct log *log)
{
    struct log_rows *rows = &log->rows;
    if (log->search.direction < 0) {
        const int moved = log_rows_more_before(rows);
        log->first += moved;
        log->cursor = moved;
        return moved > 0 && look(log, moved - 1) ? false : moved > 0;
    }
    const int before = rows->count, moved = log_rows_more_behind(rows, log_end(log));
    log->first += moved;
    log->cursor = rows->count - 1;
    const int added = rows->count - before - moved;
    return added > 0 && look(log, rows->count - added) ? false : added > 0;
}

void log_search_on(struct log *log)
{
    const int64_t until = top_clock_ns() + SLICE_NS;
    while (log->search.direction != 0 && log->rows.lines) {
        const bool ended = log->search.direction < 0 ? log->rows.at_first : log->rows.at_last;
        const bool got = !ended && more(log);
        if (log->search.direction != 0 && !got && !log->rows.searching) {
            not_found(log);
            return;
        }
        if (top_clock_ns() >= until)
            return;
    }
}

void log_search_begin(struct log *log, int direction)
{
    if (!log->search.text[0] || log->rows.count == 0)
        return;
    log->follow = false;
    log->search.direction = direction;
    if (!look(log, log->cursor + direction))
        log_search_on(log);
}

/* As it is typed: what is on the screen first, then what is older. */
void log_search(struct log *log, const char *text)
{
    snprintf(log->search.text, sizeof log->search.text, "%s", text ? text : "");
    log->search.direction = 0;
    if (!log->search.text[0] || log->rows.count == 0)
        return;
    log->follow = false;
    log->search.direction = 1;
    if (look(log, log->cursor))
        return;
    log->search.direction = -1;
    if (!look(log, log->cursor))
        log_search_on(log);
}
