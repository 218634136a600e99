/* SPDX-License-Identifier: ISC
 *
 * Event types: how many, how fast, how large, what was last, on or off; and a description of the selected one.
 */
#include "table_view.h"
#include "type_states.h"

#include <evtrail/format.h>

#include <stdlib.h>
#include <string.h>

#define PANE_ROWS 7
#define PANE_FROM 16 /* rows of the whole view, for it to be shown unasked */

struct types_view {
    struct table_view base; /* first */
    struct type_states *states;
    float spark[RATE_SECONDS];
    char pane; /* 0: by the room there is; 1: shown, 2: hidden */
    char rule[320];
    uint32_t rule_of; /* row number */
    int64_t rule_ns;  /* of the trace, when it was looked for */
};

static struct types_view *types_view_of(void *context)
{
    return context;
}

static struct part *part_of(const struct types_view *view)
{
    return model_part(top_model(view->base.view.top), PART_types);
}

/* ---- columns ---- */

#define TYPE_COLUMNS(X) \
    X(name, "event", -17, 0, 0, 0, text, "name of the event type") \
    X(kind, "kind", 7, 0, 0, 0, text, \
      "instant, begin and end of a span, counter, state, name and end of an entity, flow") \
    X(state, "on", 3, 0, 0, 0, text, \
      "whether it is on: on, off, or mix where processes differ; - where no live process has it") \
    X(count, "count", 7, 1, 0, 1, count, "events so far") \
    X(rate, "now/s", 7, 1, 0, 1, rate, "events in the last second: a window that slides") \
    X(rate_10, "avg10", 7, 1, 0, 1, rate, "a second, on average over 10 s (exponential: what is older fades)") \
    X(spark, "last 60 s", 10, 0, 0, 0, spark, "events in each of the last 60 seconds") \
    X(last, "last", -13, 0, 0, 0, text, "counters: the last value; others: fields of the last event") \
    X(rate_100, "avg100", 7, 1, 0, 1, rate, "the same over 100 s") \
    X(rate_1000, "avg1000", 7, 1, 0, 1, rate, "the same over 1000 s") \
    X(bytes, "bytes", 9, 1, 0, 1, bytes, "memory that its records took") \
    X(level, "level", 8, 0, 0, 0, text, "critical, error, warning, info, debug, trace") \
    X(least, "least", 8, 1, 0, 0, text, "counters: the least value so far") \
    X(most, "most", 8, 1, 0, 0, text, "counters: the largest value so far") \
    X(age, "ago", 7, 1, 0, 0, duration, "since the last one") \
    X(share, "share", 6, 1, 0, 1, percent, "of all events") \
    X(average, "avg/all", 7, 1, 1, 1, rate, "a second, over all the time") \
    X(processes, "procs", 6, 1, 1, 1, count, "processes that made one")

enum {
#define X(name, title, width, right, hidden, descending, kind, text) COLUMN_##name,
    TYPE_COLUMNS(X)
#undef X
};
static const struct column columns[] = {
#define X(name, title, width, right, hidden, descending, kind, text) \
    {#name, title, text, width, right, hidden, descending, VALUE_##kind},
    TYPE_COLUMNS(X)
#undef X
        {.name = NULL},
};

static size_t rows(void *context)
{
    type_states_look(types_view_of(context)->states);
    return types_count(part_of(types_view_of(context)));
}

static void *row_at(void *context, size_t index)
{
    return types_row(part_of(types_view_of(context)), (uint32_t)index);
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return ((const struct type_row *)row)->number;
}

static bool silent(void *context, const void *row)
{
    (void)context;
    return ((const struct type_row *)row)->count == 0;
}

static const char *state_word(struct type_state state)
{
    if (state.on + state.off == 0)
        return "-";
    return state.off == 0 ? "on" : state.on == 0 ? "off" : "mix";
}

static void rate_value(const struct types_view *view, const struct type_row *row, unsigned column, struct value *value)
{
    const struct model_totals *const totals = &top_model(view->base.view.top)->totals;
    if (column == COLUMN_average) {
        const double seconds = (double)(totals->last_ns - totals->first_ns) / 1e9;
        if (totals->events > 0 && seconds > 0)
            value_put(value, VALUE_rate, (double)row->count / seconds);
        return;
    }
    if (!row->rate)
        return;
    const struct rates rates = types_rates(part_of(view), row);
    value_put(value, VALUE_rate,
              column == COLUMN_rate       ? rates.now
              : column == COLUMN_rate_10  ? rates.average[0]
              : column == COLUMN_rate_100 ? rates.average[1]
                                          : rates.average[2]);
}

static uint64_t processes_of(const struct type_row *row)
{
    uint64_t count = row->ended;
    for (const struct type_process *process = row->processes; process; process = process->next)
        count += process->count > 0;
    return count;
}

static void counter_value_put(const struct type_row *row, unsigned column, struct value *value)
{
    if (!row->counter || row->counter->last.type == 0)
        return;
    value->kind = VALUE_text;
    counter_text(row, column == COLUMN_least ? &row->counter->min : &row->counter->max, value->text,
                 sizeof value->text);
}

static void last_value(const struct type_row *row, struct value *value)
{
    value->kind = VALUE_text;
    types_last_text(row, value->text, sizeof value->text);
}

static void value_of(void *context, const void *row_data, unsigned column, struct value *value)
{
    struct types_view *const view = types_view_of(context);
    const struct type_row *const row = row_data;
    const struct model *const model = top_model(view->base.view.top);
    switch (column) {
    case COLUMN_name:
        value_words(value, row->name);
        break;
    case COLUMN_kind:
        value_words(value, evtrail_kind_name(row->kind));
        break;
    case COLUMN_level:
        value_words(value, evtrail_level_name(row->level));
        value->style = row->level <= EVTRAIL_LEVEL_error     ? STYLE_bad
                       : row->level == EVTRAIL_LEVEL_warning ? STYLE_notice
                                                             : STYLE_plain;
        break;
    case COLUMN_state:
        value_words(value, state_word(type_state_of(view->states, row)));
        value->style = type_state_of(view->states, row).on ? STYLE_good : STYLE_dim;
        break;
    case COLUMN_count:
    case COLUMN_processes:
        value_count(value, VALUE_count, column == COLUMN_count ? row->count : processes_of(row));
        break;
    case COLUMN_bytes:
        value_count(value, VALUE_bytes, row->bytes);
        break;
    case COLUMN_spark:
        types_spark(part_of(view), row, view->spark);
        value->kind = VALUE_spark;
        value->values = view->spark;
        value->values_count = RATE_SECONDS;
        break;
    case COLUMN_last:
        last_value(row, value);
        break;
    case COLUMN_least:
    case COLUMN_most:
        counter_value_put(row, column, value);
        break;
    case COLUMN_age:
        if (row->count > 0)
            value_count(value, VALUE_duration,
                        model->now_ns > row->last_ns ? (uint64_t)(model->now_ns - row->last_ns) : 0);
        break;
    case COLUMN_share:
        if (model->totals.events > 0)
            value_put(value, VALUE_percent, 100.0 * (double)row->count / (double)model->totals.events);
        break;
    default:
        rate_value(view, row, column, value);
    }
}

static enum style style_of(void *context, const void *row)
{
    return silent(context, row) ? STYLE_dim : STYLE_plain;
}

static const struct table_ops types_table = {.name = "types",
                                             .columns = columns,
                                             .rows = rows,
                                             .row = row_at,
                                             .id = id_of,
                                             .value = value_of,
                                             .silent = silent,
                                             .style = style_of};

/* ---- the selected one, described ---- */

/* Writes words into the lines of the pane, one after the other. */
struct pane {
    struct area area;
    int row;
};

static void pane_line(struct pane *pane, const char *what, const char *text)
{
    if (!*text || pane->row >= pane->area.rows)
        return;
    const int column = 1 + area_print(pane->area, pane->row, 1, -1, STYLE_key, "%-8s ", what);
    area_text(pane->area, pane->row++, column, -1, STYLE_plain, text);
}

static void describe_fields(struct pane *pane, const struct kept_type *type)
{
    char line[512];
    size_t used = 0;
    const size_t most = pane->area.columns > 14 ? (size_t)pane->area.columns - 12 : 2;
    for (unsigned i = 0; i < type->fields_count; i++) {
        char field[320];
        const struct evtrail_field *const of = type->fields[i];
        const int n = snprintf(field, sizeof field, "%s %s%s%s%s%s%s%s", of->name, evtrail_field_type_name(of->type),
                               *of->unit ? " in " : "", of->unit, *of->enums ? " of " : "", of->enums,
                               *of->doc ? ": " : "", of->doc);
        const size_t bytes = n < 0 ? 0 : (size_t)n < sizeof field ? (size_t)n : sizeof field - 1;
        if (used > 0 && used + bytes + 2 > most) {
            pane_line(pane, "fields", line);
            used = 0;
        }
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", used ? "; " : "", field);
        used = used < sizeof line ? used : sizeof line - 1;
    }
    if (used > 0)
        pane_line(pane, "fields", line);
}

static void describe_processes(struct pane *pane, const struct type_row *row)
{
    char line[400];
    size_t used = 0;
    line[0] = '\0';
    for (const struct type_process *at = row->processes; at && used + 60 < sizeof line; at = at->next) {
        const struct value value = {.kind = VALUE_count, .exact = at->count};
        char count[32];
        value_text(&value, count, sizeof count);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%u%s %s", used ? ", " : "", at->pid,
                                 at->gone ? " (ended)" : "", count);
    }
    if (row->others && row->others->count > 0)
        snprintf(line + used, sizeof line - used, "%sothers %llu", used ? ", " : "",
                 (unsigned long long)row->others->count);
    pane_line(pane, "counts", line);
}

static void describe_state(struct types_view *view, struct pane *pane, const struct type_row *row)
{
    char line[512];
    const struct type_state state = type_state_of(view->states, row);
    const int64_t now = top_model(view->base.view.top)->now_ns;
    if (state.on + state.off == 0)
        return;
    if (view->rule_of != row->number || now - view->rule_ns > 1000000000 || now < view->rule_ns) {
        type_states_rule(view->states, row, view->rule, sizeof view->rule);
        view->rule_of = row->number;
        view->rule_ns = now;
    }
    snprintf(line, sizeof line, "%s in %u of %u processes%s%s%s; rule: %s", state.on ? "on" : "off",
             state.on ? state.on : state.off, state.on + state.off, state.context & 2 ? ", with cpu" : "",
             state.context & 4 ? ", with caller" : "", state.context & 8 ? ", with stack" : "",
             view->rule[0] ? view->rule
             : state.on    ? "a reader's, while it is attached"
                           : "none");
    pane_line(pane, "state", line);
}

static void describe_last(struct pane *pane, const struct type_row *row)
{
    char line[700], fields[512];
    if (row->count == 0)
        return;
    const size_t bytes = evtrail_format_time(row->last_ns, EVTRAIL_TIME_clock, 0, line, 64);
    text_end(line, 64, bytes);
    fields[0] = '\0';
    if (row->last_type)
        kept_fields_text(row->last_type, row->words, row->last_words, 0, fields, sizeof fields);
    const size_t used = strlen(line);
    snprintf(line + used, sizeof line - used, " in %u:%u %s", row->last_pid, row->last_tid, fields);
    pane_line(pane, "last", line);
}

static void draw_pane(struct types_view *view, struct area area, const struct type_row *row)
{
    char line[700];
    struct pane pane = {.area = area};
    area_style(area, 0, STYLE_heading);
    snprintf(line, sizeof line, "%s (%s, %s)", row->name, evtrail_kind_name(row->kind), evtrail_level_name(row->level));
    area_text(area, pane.row++, 1, -1, STYLE_heading, line);
    if (row->type) {
        pane_line(&pane, "doc", row->type->doc);
        snprintf(line, sizeof line, "%s:%u%s%s", row->type->file, row->type->line, *row->type->function ? " in " : "",
                 row->type->function);
        if (*row->type->file)
            pane_line(&pane, "place", line);
        describe_fields(&pane, row->type);
    } else {
        pane_line(&pane, "doc", "not kept: there are too many event types for the memory that there is (--memory)");
    }
    describe_state(view, &pane, row);
    describe_last(&pane, row);
    describe_processes(&pane, row);
}

/* ---- the view ---- */

static int types_open(struct view *view)
{
    struct types_view *const of = types_view_of(view);
    int r = type_states_new(&of->states, view->top);
    if (r == 0)
        r = table_new(&of->base.table, &types_table, of, view->top->config);
    if (r < 0)
        type_states_free(of->states);
    return r;
}

static void types_close(struct view *view)
{
    type_states_free(types_view_of(view)->states);
    table_view_close(view);
}

static void types_changed(struct view *view)
{
    type_states_forget(types_view_of(view)->states);
    types_view_of(view)->rule_of = 0;
    table_view_changed(view);
}

static void types_draw(struct view *view, struct area area)
{
    struct types_view *const of = types_view_of(view);
    const bool pane = of->pane == 1 || (of->pane == 0 && area.rows >= PANE_FROM);
    const int pane_rows = pane && area.rows > PANE_ROWS + 2 ? PANE_ROWS : 0;
    table_view_draw(&of->base, area_part(area, 0, 0, area.rows - pane_rows, -1));
    const struct type_row *const row = table_view_selected(&of->base);
    if (row && pane_rows)
        draw_pane(of, area_part(area, area.rows - pane_rows, 0, -1, -1), row);
    if (!row && area.rows > 3)
        area_text(area, 2, 1, -1, STYLE_dim, "no event type is known yet");
}

static bool types_action(struct view *view, enum action action)
{
    struct types_view *const of = types_view_of(view);
    const struct type_row *const row = table_view_selected(&of->base);
    of->rule_of = 0;
    switch (action) {
    case ACTION_describe:
        of->pane = of->pane == 2 ? 1 : of->pane == 1 ? 2 : of->base.view.top->surface.rows >= PANE_FROM + 5 ? 2 : 1;
        return true;
    case ACTION_toggle:
        if (row)
            type_states_toggle(of->states, row);
        return true;
    case ACTION_level_less:
    case ACTION_level_more:
        if (row)
            type_states_level(of->states, row, action == ACTION_level_more);
        return true;
    default:
        return table_action(of->base.table, action);
    }
}

static size_t types_copy(struct view *view, char *buffer, size_t size)
{
    const struct type_row *const row = table_view_selected(&types_view_of(view)->base);
    char last[400];
    if (!row)
        return 0;
    types_last_text(row, last, sizeof last);
    const int n = snprintf(buffer, size, "%s %s %llu %s", row->name, evtrail_kind_name(row->kind),
                           (unsigned long long)row->count, last);
    return n < 0 ? 0 : (size_t)n;
}

static size_t types_status(struct view *view, char *buffer, size_t size)
{
    const struct part *const part = part_of(types_view_of(view));
    size_t used = table_view_status(view, buffer, size);
    if (types_uncounted(part) > 0 && used < size)
        used += (size_t)snprintf(buffer + used, size - used, ", %llu events of types without room",
                                 (unsigned long long)types_uncounted(part));
    return used;
}

static int types_json(struct view *view, struct output *out)
{
    const struct part *const part = part_of(types_view_of(view));
    output_text(out, "{\"rows\":");
    table_json(types_view_of(view)->base.table, out);
    return output_print(out, ",\"left_out\":%llu,\"events_left_out\":%llu}", (unsigned long long)part->left_out,
                        (unsigned long long)types_uncounted(part));
}

const struct view_ops types_view = {
    .name = "types",
    .title = "Types",
    .key = 'T',
    .text = "Event types, over all processes. e switches the selected one on or off in all live processes that are "
            "looked at, "
            "v and V lower and raise the level of its provider (the name up to the first dot): by rules that hold "
            "until the "
            "processes end, as those of evtrail enable and disable. Averages are exponential, over the trace's time.",
    .bytes = sizeof(struct types_view),
    .open = types_open,
    .close = types_close,
    .model_changed = types_changed,
    .draw = types_draw,
    .action = types_action,
    .click = table_view_click,
    .search = table_view_search,
    .status = types_status,
    .copy = types_copy,
    .json = types_json,
};
