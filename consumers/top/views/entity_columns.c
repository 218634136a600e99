/* SPDX-License-Identifier: ISC
 *
 * Columns of entities, once: for the table, the configuration, JSON and the detail.
 */
#include "entity_rows.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

/* COLUMN(name, title, width, right, hidden, descending, kind, text) */
#define COLUMNS(COLUMN) \
    COLUMN(name, "name", -18, 0, 0, 0, text, "what it is called, else its class and id; + before one that is folded") \
    COLUMN(host, "host", 12, 0, COLUMN_OF_HOSTS, 0, text, "where its process runs; shown if there are several hosts") \
    COLUMN(class, "class", 14, 0, 0, 0, text, "what it is: the name of the events that tell of it") \
    COLUMN(state, "state", -11, 0, 0, 0, text, \
           "its state (? if events not looked at may have changed it); gone; ended: its process has ended") \
    COLUMN(in_state, "for", 8, 1, 0, 0, duration, "since when it is in this state") \
    COLUMN(age, "age", 8, 1, 0, 0, duration, "since it was created, or first heard of") \
    COLUMN(busy, "busy%", 5, 1, 0, 0, percent, "part of its time that it was busy (see [states])") \
    COLUMN(waiting, "wait%", 5, 1, 0, 0, percent, "part of its time that it waited") \
    COLUMN(idle, "idle%", 5, 1, 1, 0, percent, "part of its time that it was idle") \
    COLUMN(uses, "uses", 8, 1, 0, 1, count, \
           "how often it became busy; of a parent: with all below it, also those gone") \
    COLUMN(bytes, "bytes", 9, 1, 0, 1, bytes, \
           "sum of the fields in bytes of events about it; of a parent: with all below it") \
    COLUMN(errors, "errors", 6, 1, 0, 1, count, \
           "events of level error or worse about it; of a parent: with all below it") \
    COLUMN(waiters, "waiters", 7, 1, 0, 1, count, "last value of the counter of what waits for it (see [counters])") \
    COLUMN(children, "below", 6, 1, 0, 1, count, "entities that live below it") \
    COLUMN(children_busy, "busy", 5, 1, 0, 1, count, "children that are busy") \
    COLUMN(children_idle, "idle", 5, 1, 0, 1, count, "children that are idle") \
    COLUMN(children_waiting, "waiting", 7, 1, 1, 1, count, "children that wait") \
    COLUMN(children_gone, "gone", 6, 1, 1, 1, count, "entities below it that are gone") \
    COLUMN(last, "last", 8, 1, 0, 0, duration, "since the last event about it") \
    COLUMN(error, "last error", -20, 0, 0, 0, text, "the last event of level error or worse about it") \
    COLUMN(events, "events", 8, 1, 1, 1, count, "events about it") \
    COLUMN(parent, "parent", 18, 0, 1, 0, text, "its parent") \
    COLUMN(id, "id", 12, 1, 1, 0, text, "its id") \
    COLUMN(pid, "pid", 8, 1, 1, 0, number, "its process") \
    COLUMN(process, "process", 14, 0, 1, 0, text, "the name of its process") \
    COLUMN(tid, "thread", 8, 1, 1, 0, number, "the thread that changed its state last")

enum {
#define COLUMN(name, title, width, right, hidden, descending, kind, text) COLUMN_##name,
    COLUMNS(COLUMN)
#undef COLUMN
        COLUMNS_COUNT
};
const struct column entity_columns[] = {
    COLUMNS(TABLE_COLUMN){.name = NULL},
};

unsigned entity_columns_count(void)
{
    return COLUMNS_COUNT;
}

int entity_column_named(const char *name, size_t bytes)
{
    for (unsigned i = 0; i < COLUMNS_COUNT; i++)
        if (strlen(entity_columns[i].name) == bytes && strncmp(entity_columns[i].name, name, bytes) == 0)
            return (int)i;
    return -1;
}

/* ---- values ---- */

static void put_since(struct value *value, int64_t ns)
{
    value_set(value, VALUE_duration, ns > 0 ? (uint64_t)ns : 0);
}

static void put_share(struct value *value, const struct entities *entities, const struct entity *entity,
                      enum phase phase)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < PHASES; i++)
        all += entity_phase_ns(entities, entity, i);
    if (all == 0)
        return;
    value->kind = VALUE_percent;
    value->number = 100.0 * (double)entity_phase_ns(entities, entity, phase) / (double)all;
}

static void put_name(struct value *value, const struct entities *entities, const struct entity_row *row)
{
    char name[ENTITY_LABEL_BYTES + 32];
    value->kind = VALUE_text;
    entity_name(entities, row->entity, name, sizeof name);
    snprintf(value->text, sizeof value->text, "%s%s", row->folded ? "+ " : "", name);
}

static void put_parent(struct value *value, const struct entities *entities, const struct entity *entity)
{
    const struct entity *const parent = entity_at(entities, entity->parent);
    if (!parent)
        return;
    value->kind = VALUE_text;
    entity_name(entities, parent, value->text, sizeof value->text);
}

/* What its counter says, or with children what theirs say. */
static void put_waiters(struct value *value, const struct entity *entity)
{
    const uint64_t waiters = entity->family ? entity->family->waiters : entity->waiters;
    value_set(value, VALUE_count, waiters);
    if (waiters > 0)
        value->style = STYLE_notice;
}

static void family_value(const struct entity *entity, unsigned column, struct value *value)
{
    const struct entity_family *const family = entity->family;
    switch (column) {
    case COLUMN_uses:
        value_set(value, VALUE_count, family ? family->uses : entity->uses);
        break;
    case COLUMN_bytes:
        value_set(value, VALUE_bytes, family ? family->bytes : entity->bytes);
        break;
    case COLUMN_errors:
        value_set(value, VALUE_count, family ? family->errors : entity->errors);
        value->style = value->exact > 0 ? STYLE_bad : STYLE_plain;
        break;
    case COLUMN_waiters:
        put_waiters(value, entity);
        break;
    case COLUMN_children:
        if (family)
            value_set(value, VALUE_count, family->alive);
        break;
    case COLUMN_children_gone:
        if (family)
            value_set(value, VALUE_count, family->gone);
        break;
    default:
        if (family)
            value_set(value, VALUE_count,
                      family->phases[column == COLUMN_children_busy   ? PHASE_busy
                                     : column == COLUMN_children_idle ? PHASE_idle
                                                                      : PHASE_waiting]);
    }
}

/* With a question mark where events that nobody saw may have changed it. */
static void put_state(struct value *value, const struct entities *entities, const struct entity *entity)
{
    const struct model *const model = ((const struct part *)(const void *)entities)->model;
    const size_t used = entity_state_text(entities, entity, value->text, sizeof value->text);
    const bool stateless = used == 0 || entity->flags & (ENTITY_GONE | ENTITY_ENDED);
    if (!stateless && model_state_stale(model, entity->last_ns) && used + 1 < sizeof value->text)
        memcpy(value->text + used, "?", 2);
}

static void text_value(const struct entities *entities, const struct entity *entity, unsigned column,
                       struct value *value)
{
    value->kind = VALUE_text;
    if (column == COLUMN_class)
        value_set_text(value, entity_class_of(entities, entity)->name);
    else if (column == COLUMN_state)
        put_state(value, entities, entity);
    else if (column == COLUMN_process)
        value_set_text(value, entity_source_of(entities, entity)->command);
    else if (column == COLUMN_host)
        value_set_text(value, entity_host(entities, entity));
    else if (column == COLUMN_id)
        snprintf(value->text, sizeof value->text, "%llu", (unsigned long long)entity->id);
    else if (entity->error)
        value_set_text(value, entity->error->text);
    else
        value->kind = VALUE_none;
}

/* The row of a host: its name, and sums. */
static void host_value(const struct entity_rows *rows, const struct entity_row *row, unsigned column,
                       struct value *value)
{
    const struct host *const host = &((const struct part *)(const void *)rows->entities)->model->hosts.list[row->host];
    const struct entity_host *const sums = &rows->hosts[row->place];
    switch (column) {
    case COLUMN_name:
        value->kind = VALUE_text;
        snprintf(value->text, sizeof value->text, "%s%s", row->folded ? "+ " : "", host->name);
        break;
    case COLUMN_host:
        value_set_text(value, host->name);
        break;
    case COLUMN_class:
        value_set_text(value, "(host)");
        break;
    case COLUMN_uses:
    case COLUMN_errors:
        value_set(value, VALUE_count, column == COLUMN_uses ? sums->uses : sums->errors);
        break;
    case COLUMN_bytes:
        value_set(value, VALUE_bytes, sums->bytes);
        break;
    case COLUMN_waiters:
    case COLUMN_children:
        value_set(value, VALUE_count, column == COLUMN_waiters ? sums->waiters : sums->alive);
        break;
    case COLUMN_children_busy:
    case COLUMN_children_idle:
    case COLUMN_children_waiting:
        value_set(value, VALUE_count,
                  sums->phases[column == COLUMN_children_busy   ? PHASE_busy
                               : column == COLUMN_children_idle ? PHASE_idle
                                                                : PHASE_waiting]);
        break;
    default:
        break;
    }
}

void entity_value(const struct entity_rows *rows, const struct entity_row *row, unsigned column, struct value *value)
{
    const struct entities *const entities = rows->entities;
    const struct entity *const entity = entity_row_entity(rows, row);
    if (!row->entity)
        host_value(rows, row, column, value);
    if (!entity)
        return;
    const int64_t now_ns = ((const struct part *)(const void *)entities)->model->now_ns;
    switch (column) {
    case COLUMN_name:
        put_name(value, entities, row);
        break;
    case COLUMN_in_state:
        put_since(value, now_ns - entity->since_ns);
        break;
    case COLUMN_age:
        put_since(value, entity_age(entities, entity));
        break;
    case COLUMN_last:
        put_since(value, now_ns - entity->last_ns);
        break;
    case COLUMN_busy:
    case COLUMN_waiting:
    case COLUMN_idle:
        put_share(value, entities, entity,
                  column == COLUMN_busy      ? PHASE_busy
                  : column == COLUMN_waiting ? PHASE_waiting
                                             : PHASE_idle);
        break;
    case COLUMN_events:
        value_set(value, VALUE_count, entity->events);
        break;
    case COLUMN_pid:
    case COLUMN_tid:
        value->kind = VALUE_number;
        value->number = column == COLUMN_tid ? entity->tid : entity_source_of(entities, entity)->pid;
        break;
    case COLUMN_parent:
        put_parent(value, entities, entity);
        break;
    case COLUMN_class:
    case COLUMN_state:
    case COLUMN_process:
    case COLUMN_host:
    case COLUMN_id:
    case COLUMN_error:
        text_value(entities, entity, column, value);
        break;
    default:
        family_value(entity, column, value);
    }
}

enum style entity_row_style(const struct entity_rows *rows, const struct entity_row *row)
{
    const struct entity *const entity = entity_row_entity(rows, row);
    if (!row->entity)
        return STYLE_title;
    return !entity || entity->flags & (ENTITY_GONE | ENTITY_ENDED) ? STYLE_dim : STYLE_plain;
}
