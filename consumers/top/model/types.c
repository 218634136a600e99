/* SPDX-License-Identifier: ISC
 *
 * The part that knows event types: counts, rates, sizes and the last event of each.
 *
 * A plan is what one process has of a row: {row, count}. Rows are never forgotten; of processes that have ended a few a row are kept apart.
 */
#include "types.h"

#include "idtable.h"
#include "names.h"

#include <evtrail/format.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 16384u
#define ENDED_KEPT 16u   /* processes that have ended, of a row */
#define KEPT_PERCENT 92u /* descriptions give way to rows */
#define HEAD_WORDS 1u    /* of each record, besides its payload */

struct types {
    struct part part;
    struct keep keep;
    struct kept_types kept;
    struct names names;     /* with the kind */
    struct type_row **rows; /* by their name's number */
    uint32_t rows_count, rows_size;
    struct idtable sources; /* by number: `ticks` is the address of the first type_process */
    struct type_process *unused;
    int64_t start_ns, now_ns;
    struct {
        struct type_row row;
        struct type_process process;
    } rest; /* events of types for which there is no room */
};

static struct types *types_of(const struct part *part)
{
    return (struct types *)part;
}

static int init(struct part *part)
{
    struct types *const types = types_of(part);
    keep_init(&types->keep, part);
    names_init(&types->names, &types->keep);
    kept_types_init(&types->kept, &types->keep, KEPT_PERCENT);
    idtable_init(&types->sources, SOURCES_MAX);
    types->start_ns = INT64_MAX;
    types->rest.process.row = &types->rest.row;
    return 0;
}

static void fini(struct part *part)
{
    struct types *const types = types_of(part);
    kept_types_fini(&types->kept);
    keep_fini(&types->keep);
    idtable_fini(&types->sources);
    free(types->rows);
    names_fini(&types->names);
}

/* ---- rows ---- */

static bool rows_grow(struct types *types)
{
    const uint32_t size = types->rows_size ? types->rows_size * 2 : 256;
    const size_t bytes = (size - types->rows_size) * sizeof *types->rows;
    struct type_row **const rows =
        part_has_room(&types->part, bytes, 100) ? realloc(types->rows, size * sizeof *rows) : NULL;
    if (!rows)
        return false;
    types->part.used_bytes += bytes;
    types->rows = rows;
    types->rows_size = size;
    return true;
}

static struct type_row *row_new(struct types *types, const struct evtrail_event_type *type)
{
    if (types->rows_count == types->rows_size && !rows_grow(types))
        return NULL;
    struct type_row *const row = keep_new(&types->keep, sizeof *row, 100);
    if (!row || names_number(&types->names, type->name, type->kind) == NAMES_NONE)
        return NULL;
    row->name = types->names.entries[types->rows_count].text;
    row->type = kept_type_new(&types->kept, type, row->name);
    types->part.left_out += !row->type;
    row->kind = type->kind;
    row->level = type->level;
    types->rows[types->rows_count++] = row;
    row->number = types->rows_count;
    return row;
}

struct type_row *types_find(const struct part *part, const char *name, unsigned kind)
{
    const uint32_t number = names_find(&types_of(part)->names, name, kind);
    return number != NAMES_NONE ? types_of(part)->rows[number] : NULL;
}

struct type_row *types_know(struct part *part, const struct evtrail_event_type *type)
{
    struct type_row *row = types_find(part, type->name, type->kind);
    if (!row)
        row = row_new(types_of(part), type);
    if (row && type->level < row->level)
        row->level = type->level;
    return row;
}

uint32_t types_count(const struct part *part)
{
    return types_of(part)->rows_count;
}

struct type_row *types_row(const struct part *part, uint32_t index)
{
    return index < types_of(part)->rows_count ? types_of(part)->rows[index] : NULL;
}

/* ---- processes ---- */

/* Counts a process that has ended with the others, if there are many. */
static void fold_ended(struct types *types, struct type_row *row)
{
    struct type_process **oldest = NULL; /* the last one met */
    if (row->gone <= ENDED_KEPT)
        return;
    for (struct type_process **at = &row->processes; *at; at = &(*at)->next)
        if ((*at)->gone)
            oldest = at;
    if (!oldest)
        return;
    struct type_process *const process = *oldest;
    *oldest = process->next;
    row->gone--;
    row->ended++;
    if (!row->others) {
        process->pid = 0;
        row->others = process;
        return;
    }
    row->others->count += process->count;
    process->next = types->unused;
    types->unused = process;
}

static struct type_process *others_of(struct types *types, struct type_row *row)
{
    if (!row->others && (row->others = keep_new(&types->keep, sizeof *row->others, 100)))
        *row->others = (struct type_process){.row = row, .type = row->type};
    return row->others ? row->others : &types->rest.process;
}

static struct type_process *process_new(struct types *types, struct type_row *row, const struct evtrail_source *source,
                                        const struct evtrail_event_type *type)
{
    fold_ended(types, row);
    struct idtable_entry *const there = idtable_put(&types->sources, 1, source->number);
    struct type_process *process = types->unused;
    if (process)
        types->unused = process->next;
    else
        process = there ? keep_new(&types->keep, sizeof *process, KEPT_PERCENT) : NULL;
    if (!process || !there)
        return NULL;
    *process = (struct type_process){.row = row,
                                     .next = row->processes,
                                     .next_there = (struct type_process *)(uintptr_t)there->ticks,
                                     .type = row->type ? kept_type_of(&types->kept, &row->type, type, row->name) : NULL,
                                     .pid = source->pid,
                                     .value_type = type->fields_count > 0 ? type->fields[0].type : 0};
    there->ticks = (uint64_t)(uintptr_t)process;
    row->processes = process;
    return process;
}

static void *plan(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type)
{
    struct types *const types = types_of(part);
    struct type_row *const row = types_know(part, type);
    if (!row) {
        part->left_out++;
        return &types->rest.process;
    }
    if (!row->rate)
        row->rate = keep_new(&types->keep, sizeof *row->rate, 100);
    if (row->kind == EVTRAIL_KIND_counter && !row->counter)
        row->counter = keep_new(&types->keep, sizeof *row->counter, 100);
    struct type_process *const process = process_new(types, row, source, type);
    return process ? process : others_of(types, row);
}

static void notice(struct part *part, const struct evtrail_event *event)
{
    struct types *const types = types_of(part);
    if (event->what != EVTRAIL_EVENT_SOURCE)
        return;
    struct idtable_entry *const there = idtable_find(&types->sources, 1, event->source->number);
    if (!there || !event->source->gone)
        return;
    for (struct type_process *at = (struct type_process *)(uintptr_t)there->ticks; at; at = at->next_there) {
        at->row->gone += !at->gone;
        at->gone = true;
    }
    idtable_remove(&types->sources, there);
}

/* ---- counters ---- */

static struct counter_value value_of(uint8_t type, uint64_t word)
{
    struct counter_value value = {.type = type, .u = word};
    float narrow;
    switch (type) {
    case EVTRAIL_TYPE_f32:
        memcpy(&narrow, &word, sizeof narrow);
        value.f = (double)narrow;
        value.type = EVTRAIL_TYPE_f64;
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_enum:
        value.type = EVTRAIL_TYPE_i64;
        break;
    case EVTRAIL_TYPE_i64:
    case EVTRAIL_TYPE_f64:
        break;
    default:
        value.type = EVTRAIL_TYPE_u64;
    }
    return value;
}

static bool less(struct counter_value a, struct counter_value b)
{
    if (a.type == EVTRAIL_TYPE_f64)
        return a.f < b.f;
    return a.type == EVTRAIL_TYPE_i64 ? a.i < b.i : a.u < b.u;
}

static void count_value(struct type_counter *counter, uint8_t type, uint64_t word)
{
    const struct counter_value value = value_of(type, word);
    if (counter->last.type != value.type)
        counter->min = counter->max = value;
    counter->last = value;
    if (less(value, counter->min))
        counter->min = value;
    if (less(counter->max, value))
        counter->max = value;
}

/* ---- events ---- */

static bool words_grow(struct types *types, struct type_row *row, uint32_t words)
{
    uint8_t room = row->words_room ? row->words_room : 1;
    while (room < words)
        room = (uint8_t)(room * 2);
    uint64_t *const bigger = keep_new(&types->keep, room * sizeof *bigger, 100);
    if (!bigger)
        return false;
    row->words = bigger;
    row->words_room = room;
    return true;
}

static void keep_last(struct types *types, struct type_row *row, const struct type_process *process,
                      const struct evtrail_event *event)
{
    uint32_t words = event->words < TYPE_WORDS_MAX ? event->words : TYPE_WORDS_MAX;
    if (words > row->words_room && !words_grow(types, row, words))
        words = row->words_room;
    for (uint32_t i = 0; i < words; i++)
        row->words[i] = event->payload[i];
    row->last_words = (uint8_t)words;
    row->last_ns = event->time;
    row->last_tid = event->tid;
    row->last_pid = process->pid;
    row->last_type = process->type;
}

static void event(struct part *part, void *plan_data, const struct evtrail_event *happened, bool matched)
{
    struct types *const types = types_of(part);
    struct type_process *const process = plan_data;
    struct type_row *const row = process->row;
    (void)matched; /* it is: `always` is empty */
    process->count++;
    row->count++;
    row->bytes += (uint64_t)(happened->words + HEAD_WORDS + (happened->words >= 63)) * sizeof(uint64_t);
    if (happened->time < types->start_ns)
        types->start_ns = happened->time;
    if (row->rate)
        rate_add(row->rate, rate_second(happened->time), 1);
    if (row->counter && happened->words > 0)
        count_value(row->counter, process->value_type, happened->payload[0]);
    keep_last(types, row, process, happened);
}

static void counted(struct part *part, void *plan_data, uint64_t events, uint64_t bytes)
{
    struct types *const types = types_of(part);
    struct type_process *const process = plan_data;
    struct type_row *const row = process->row;
    process->count += events;
    row->count += events;
    row->bytes += bytes;
    if (row->rate)
        rate_add(row->rate, rate_second(part->model->now_ns), events > UINT32_MAX ? UINT32_MAX : (uint32_t)events);
    if (part->model->now_ns && part->model->now_ns < types->start_ns)
        types->start_ns = part->model->now_ns;
}

static void tick(struct part *part, int64_t now_ns)
{
    types_of(part)->now_ns = now_ns;
}

static void reset(struct part *part)
{
    struct types *const types = types_of(part);
    types->start_ns = types->now_ns ? types->now_ns : INT64_MAX;
    types->rest.row.count = types->rest.row.bytes = 0;
    for (uint32_t i = 0; i < types->rows_count; i++) {
        struct type_row *const row = types->rows[i];
        row->count = row->bytes = 0;
        if (row->others)
            row->others->count = 0;
        if (row->rate)
            *row->rate = (struct rate){0};
        if (row->counter)
            *row->counter = (struct type_counter){0};
        for (struct type_process *process = row->processes; process; process = process->next)
            process->count = 0;
    }
}

/* ---- what is asked for ---- */

static int64_t now_of(const struct types *types)
{
    return types->part.model->now_ns;
}

struct rates types_rates(const struct part *part, const struct type_row *row)
{
    const struct types *const types = types_of(part);
    return row->rate ? rate_read(row->rate, types->start_ns, now_of(types)) : (struct rates){0};
}

void types_spark(const struct part *part, const struct type_row *row, float values[RATE_SECONDS])
{
    memset(values, 0, RATE_SECONDS * sizeof *values);
    if (row->rate)
        rate_spark(row->rate, now_of(types_of(part)), values);
}

uint64_t types_uncounted(const struct part *part)
{
    return types_of(part)->rest.row.count;
}

size_t counter_text(const struct type_row *row, const struct counter_value *value, char *buffer, size_t size)
{
    static const struct evtrail_field plain = {.name = "", .unit = "", .doc = "", .enums = ""};
    const struct kept_type *const type = row->last_type ? row->last_type : row->type;
    const struct evtrail_field *const field = type && type->fields_count > 0 ? type->fields[0] : &plain;
    struct evtrail_value shown = {.type = value->type, .u = value->u, .data = ""};
    if (value->type == 0) {
        if (size > 0)
            buffer[0] = '\0';
        return 0;
    }
    const size_t bytes = evtrail_format_value(&shown, field, true, buffer, size);
    if (size > 0)
        buffer[bytes < size ? bytes : size - 1] = '\0';
    return bytes;
}

size_t types_last_text(const struct type_row *row, char *buffer, size_t size)
{
    if (row->kind == EVTRAIL_KIND_counter && row->counter)
        return counter_text(row, &row->counter->last, buffer, size);
    if (row->last_type && row->count > 0)
        return kept_fields_text(row->last_type, row->words, row->last_words, 0, buffer, size);
    if (size > 0)
        buffer[0] = '\0';
    return 0;
}

const struct part_ops types_part = {.name = "types",
                                    .bytes = sizeof(struct types),
                                    .kinds = KINDS_ALL,
                                    .share = 27,
                                    .init = init,
                                    .fini = fini,
                                    .plan = plan,
                                    .event = event,
                                    .counted = counted,
                                    .notice = notice,
                                    .tick = tick,
                                    .reset = reset};
