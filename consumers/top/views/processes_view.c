/* SPDX-License-Identifier: ISC
 *
 * Traced processes: all there are, and which of them are looked at. Enter looks at one, or from the first row at all.
 */
#include "processes_list.h"
#include "table.h"
#include "value.h"

#include "../top_private.h"
#include "select.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct processes {
    struct view view;
    struct table *table;
    struct processes_list found;
};

/* ---- the table ---- */

static size_t rows(void *context)
{
    struct processes *const processes = context;
    processes_list_look(&processes->found, processes->view.top);
    return processes->found.count;
}

static void *row_at(void *context, size_t index)
{
    return &((struct processes *)context)->found.list[index];
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    const struct listed *const listed = row;
    return listed->all ? 0 : listed->info.session_id ? listed->info.session_id : UINT64_MAX;
}

enum {
    COLUMN_command,
    COLUMN_host,
    COLUMN_pid,
    COLUMN_watched,
    COLUMN_state,
    COLUMN_rate,
    COLUMN_events,
    COLUMN_lost,
    COLUMN_policy,
    COLUMN_types,
    COLUMN_threads,
    COLUMN_memory,
    COLUMN_consumers,
    COLUMN_age,
    COLUMN_program
};
static const struct column columns[] = {
    [COLUMN_command] =
        {.name = "command", .title = "process", .text = "name of the process", .width = -16, .kind = VALUE_text},
    [COLUMN_host] = {.name = "host",
                     .title = "host",
                     .text = "where it runs; shown if there are several hosts",
                     .width = 12,
                     .hidden = COLUMN_OF_HOSTS,
                     .kind = VALUE_text},
    [COLUMN_pid] =
        {.name = "pid", .title = "pid", .text = "process id", .width = 8, .align_right = 1, .kind = VALUE_number},
    [COLUMN_watched] =
        {.name = "watched", .title = "watched", .text = "whether evtrail top reads it", .width = 7, .kind = VALUE_text},
    [COLUMN_state] = {.name = "state",
                      .title = "state",
                      .text = "alive, exiting, or dead and not yet pruned",
                      .width = 7,
                      .kind = VALUE_text},
    [COLUMN_rate] = {.name = "rate",
                     .title = "events/s",
                     .text = "events a second",
                     .width = 9,
                     .align_right = 1,
                     .descending = 1,
                     .kind = VALUE_rate},
    [COLUMN_events] = {.name = "events",
                       .title = "events",
                       .text = "events so far",
                       .width = 8,
                       .align_right = 1,
                       .descending = 1,
                       .kind = VALUE_count},
    [COLUMN_lost] = {.name = "lost",
                     .title = "lost",
                     .text = "events that the process could not keep",
                     .width = 7,
                     .align_right = 1,
                     .descending = 1,
                     .kind = VALUE_count},
    [COLUMN_policy] = {.name = "policy",
                       .title = "policy",
                       .text = "what happens when a ring is full",
                       .width = 9,
                       .kind = VALUE_text},
    [COLUMN_types] = {.name = "types",
                      .title = "types on",
                      .text = "event types that are on, of all",
                      .width = 9,
                      .align_right = 1,
                      .kind = VALUE_text},
    [COLUMN_threads] = {.name = "threads",
                        .title = "threads",
                        .text = "threads with a ring",
                        .width = 7,
                        .align_right = 1,
                        .kind = VALUE_count},
    [COLUMN_memory] = {.name = "memory",
                       .title = "rings",
                       .text = "memory of its rings",
                       .width = 9,
                       .align_right = 1,
                       .kind = VALUE_bytes},
    [COLUMN_consumers] = {.name = "consumers",
                          .title = "consumers",
                          .text = "who reads it",
                          .width = 9,
                          .align_right = 1,
                          .kind = VALUE_count},
    [COLUMN_age] = {.name = "age",
                    .title = "age",
                    .text = "since it started",
                    .width = 7,
                    .align_right = 1,
                    .kind = VALUE_duration},
    [COLUMN_program] =
        {.name = "program", .title = "program", .text = "its file", .width = -20, .hidden = 1, .kind = VALUE_text},
    {.name = NULL},
};

static uint64_t age_ns(const struct listed *listed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return now_ns > listed->info.start_realtime_ns ? now_ns - listed->info.start_realtime_ns : 0;
}

static void text_value(const struct listed *listed, unsigned column, struct value *value)
{
    const struct evtrail_session_info *const info = &listed->info;
    char types[32];
    snprintf(types, sizeof types, "%u/%u", info->types_enabled, info->types);
    value_set_text(value, column == COLUMN_watched  ? (listed->watched ? "watched" : "")
                          : column == COLUMN_host   ? listed->host
                          : column == COLUMN_state  ? (!info->alive    ? (listed->read ? "ended" : "dead")
                                                       : info->exiting ? "exiting"
                                                                       : "alive")
                          : column == COLUMN_policy ? policy_name(info->policy)
                          : column == COLUMN_types  ? types
                                                    : info->program);
}

/* What only a session that is here tells. */
static bool is_of_session(unsigned column)
{
    return column == COLUMN_threads || column == COLUMN_memory || column == COLUMN_policy || column == COLUMN_types ||
           column == COLUMN_consumers;
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    (void)context;
    const struct listed *const listed = row;
    const struct evtrail_session_info *const info = &listed->info;
    if (column == COLUMN_command)
        value_set_text(value, listed->command);
    else if (column == COLUMN_events)
        value_set(value, VALUE_count, info->events);
    else if (column == COLUMN_lost)
        value_set(value, VALUE_count, listed->lost);
    else if (listed->read && is_of_session(column))
        value->kind = VALUE_none;
    else if (column == COLUMN_threads)
        value_set(value, VALUE_count, info->threads);
    else if (column == COLUMN_memory)
        value_set(value, VALUE_bytes, info->ring_bytes);
    else if (column == COLUMN_rate)
        *value = (struct value){.kind = VALUE_rate, .number = listed->rate};
    else if (listed->all)
        value->kind = VALUE_none;
    else if (column == COLUMN_pid)
        *value = (struct value){.kind = VALUE_number, .number = info->pid};
    else if (column == COLUMN_consumers)
        value_set(value, VALUE_count, info->consumers);
    else if (column == COLUMN_age)
        value_set(value, VALUE_duration, age_ns(listed));
    else
        text_value(listed, column, value);
}

static bool silent(void *context, const void *row)
{
    (void)context;
    const struct listed *const listed = row;
    return !listed->all && !listed->info.alive;
}

static bool several(void *context)
{
    return model_several_hosts(top_model(((const struct processes *)context)->view.top));
}

static const struct table_ops processes_table = {.name = "processes",
                                                 .columns = columns,
                                                 .rows = rows,
                                                 .row = row_at,
                                                 .id = id_of,
                                                 .value = value_of,
                                                 .silent = silent,
                                                 .several = several};

/* ---- the view ---- */

static int processes_open(struct view *view)
{
    struct processes *const processes = (struct processes *)view;
    processes_list_init(&processes->found);
    return table_new(&processes->table, &processes_table, processes, view->top->config);
}

static void processes_close(struct view *view)
{
    struct processes *const processes = (struct processes *)view;
    table_free(processes->table);
    processes_list_fini(&processes->found);
}

static void processes_draw(struct view *view, struct area area)
{
    struct processes *const processes = (struct processes *)view;
    table_update(processes->table);
    table_draw(processes->table, area);
    if (processes->found.count <= 1 && area.rows > 4)
        area_text(area, 3, 1, -1, STYLE_dim,
                  "no traced process yet: a program linked with libevtrail, or evtrail top --with libc -- PROGRAM");
}

/* One of those that are read: only its events. */
static bool look_at_one(struct processes *processes, const struct listed *listed)
{
    struct top *const top = processes->view.top;
    char expression[128];
    const bool told = *listed->host && !strpbrk(listed->host, "\"\\");
    snprintf(expression, sizeof expression, "%s%s%spid == %u", told ? "machine == \"" : "", told ? listed->host : "",
             told ? "\" && " : "", listed->info.pid);
    if (top_filter(top, expression) == 0)
        top_say(top, "only what is of process %u; F: all again", listed->info.pid);
    return true;
}

static bool enter(struct processes *processes)
{
    const struct listed *const listed = table_selected(processes->table);
    struct monitor *const monitor = monitor_of(processes->view.top);
    char pid[16];
    if (!listed)
        return true;
    if (listed->read)
        return look_at_one(processes, listed);
    snprintf(pid, sizeof pid, "%u", listed->info.pid);
    const bool all = listed->all;
    if (sources_pick(monitor, all ? "" : pid) < 0)
        return true;
    processes->found.looked_ns = 0;
    tab_show(monitor, 0);
    if (all)
        top_say(&monitor->top, "looking at all processes, and at those that start");
    else
        top_say(&monitor->top, "looking at process %s", pid);
    return true;
}

static bool add_one(struct processes *processes)
{
    const struct listed *const listed = table_selected(processes->table);
    struct monitor *const monitor = monitor_of(processes->view.top);
    char pid[16];
    if (!listed || listed->all)
        return true;
    if (listed->watched) {
        top_say(&monitor->top, "process %u is looked at already", listed->info.pid);
        return true;
    }
    snprintf(pid, sizeof pid, "%u", listed->info.pid);
    if (sources_add(monitor, pid) == 0)
        top_say(&monitor->top, "process %s is looked at as well", pid);
    processes->found.looked_ns = 0;
    return true;
}

static bool processes_action(struct view *view, enum action action)
{
    struct processes *const processes = (struct processes *)view;
    if (action == ACTION_enter)
        return enter(processes);
    if (action == ACTION_toggle)
        return add_one(processes);
    return table_action(processes->table, action);
}

static bool processes_click(struct view *view, int row, int column)
{
    return table_click(((struct processes *)view)->table, row, column);
}

static void processes_search(struct view *view, const char *text)
{
    table_search(((struct processes *)view)->table, text);
}

static size_t processes_status(struct view *view, char *buffer, size_t size)
{
    const struct processes *const processes = (const struct processes *)view;
    const size_t used = table_status(processes->table, buffer, size);
    if (used < size)
        snprintf(buffer + used, size - used, "; enter: watch it, e: add it");
    return strlen(buffer);
}

static size_t processes_copy(struct view *view, char *buffer, size_t size)
{
    const struct listed *const listed = table_selected(((struct processes *)view)->table);
    const int n =
        listed ? snprintf(buffer, size, "%u %s %s", listed->info.pid, listed->command, listed->info.program) : 0;
    return n < 0 ? 0 : (size_t)n;
}

/* The sessions that are looked at, or ended; without the row for all. */
static int processes_json(struct view *view, struct output *out)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(view->top->feed), &sources);
    output_text(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        output_print(out, "%s{\"pid\":%u,\"command\":", i ? "," : "", sources[i]->pid);
        output_json_text(out, sources[i]->command);
        output_text(out, ",\"program\":");
        output_json_text(out, sources[i]->program);
        output_text(out, ",\"host\":");
        output_json_text(out, sources[i]->host);
        if (sources[i]->offset_bound_ns > 0)
            output_print(out, ",\"clock_ahead_ns\":%lld,\"clock_bound_ns\":%lld", (long long)sources[i]->offset_ns,
                         (long long)sources[i]->offset_bound_ns);
        const struct model_source figures = model_source_figures(top_model(view->top), sources[i]->number);
        output_print(out, ",\"events\":%llu,\"lost\":%llu", (unsigned long long)figures.events,
                     (unsigned long long)figures.lost);
        output_print(out, ",\"session\":\"%016llx\",\"live\":%s,\"ended\":%s,\"start_ns\":%llu,\"types\":%u}",
                     (unsigned long long)sources[i]->session_id, sources[i]->live ? "true" : "false",
                     sources[i]->gone ? "true" : "false", (unsigned long long)sources[i]->start_realtime_ns,
                     sources[i]->types_count);
    }
    return output_text(out, "]");
}

const struct view_ops processes_view = {
    .name = "processes",
    .title = "Processes",
    .key = 'p',
    .text = "The traced processes of this directory of sessions, and those of the files or the collector that is read. "
            "Enter looks at the "
            "selected one only, from the first row at all and at those that start later; e adds the selected one to "
            "what is looked at.",
    .bytes = sizeof(struct processes),
    .open = processes_open,
    .close = processes_close,
    .draw = processes_draw,
    .action = processes_action,
    .click = processes_click,
    .search = processes_search,
    .status = processes_status,
    .copy = processes_copy,
    .json = processes_json,
};
