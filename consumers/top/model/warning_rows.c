/* SPDX-License-Identifier: ISC
 *
 * Rows of warnings and what is watched over time: bounded tables, by rule and subject.
 */
#include "warning_private.h"
#include "entity_private.h"

#include <evtrail/format.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct warnings *warnings_of(const struct model *model)
{
    return (struct warnings *)(void *)model_part(model, PART_warnings);
}

uint64_t warning_key(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t key = a * UINT64_C(0x9e3779b97f4a7c15) + b;
    key = (key ^ key >> 31) * UINT64_C(0xbf58476d1ce4e5b9) + c;
    key = (key ^ key >> 29) * UINT64_C(0x94d049bb133111eb);
    return (key ^ key >> 32) | 1;
}

/* ---- rows ---- */

static uint32_t row_slot(uint32_t rule, uint64_t key)
{
    return (uint32_t)(warning_key(rule, key, 0) >> 7) & (ROW_SLOTS - 1);
}

static struct warning *row_find(const struct warnings *warnings, uint32_t rule, uint64_t key)
{
    for (uint32_t i = row_slot(rule, key); warnings->slots[i]; i = (i + 1) & (ROW_SLOTS - 1)) {
        struct warning *const row = &warnings->rows[warnings->slots[i] - 1];
        if (row->key == key && row->rule == rule)
            return row;
    }
    return NULL;
}

static void index_row(struct warnings *warnings, uint32_t place)
{
    uint32_t i = row_slot(warnings->rows[place].rule, warnings->rows[place].key);
    while (warnings->slots[i])
        i = (i + 1) & (ROW_SLOTS - 1);
    warnings->slots[i] = (uint16_t)(place + 1);
}

/* Rows stay in the order in which they came. */
static void row_remove(struct warnings *warnings, uint32_t place)
{
    warnings->rules[warnings->rows[place].rule].shown.rows--;
    warnings->active -= warnings->rows[place].active;
    warnings->rows_count--;
    memmove(&warnings->rows[place], &warnings->rows[place + 1],
            (warnings->rows_count - place) * sizeof *warnings->rows);
    memset(warnings->slots, 0, ROW_SLOTS * sizeof *warnings->slots);
    for (uint32_t i = 0; i < warnings->rows_count; i++)
        index_row(warnings, i);
}

/* The row that has been past for longest: of one rule, or of all. */
static bool make_room(struct warnings *warnings, uint32_t rule, bool any)
{
    uint32_t oldest = UINT32_MAX;
    for (uint32_t i = 0; i < warnings->rows_count; i++) {
        const struct warning *const row = &warnings->rows[i];
        if (!row->active && (any || row->rule == rule) &&
            (oldest == UINT32_MAX || row->last_ns < warnings->rows[oldest].last_ns))
            oldest = i;
    }
    if (oldest != UINT32_MAX)
        row_remove(warnings, oldest);
    return oldest != UINT32_MAX;
}

static struct warning *row_make(struct warnings *warnings, uint32_t rule, uint64_t key)
{
    struct rule *const of = &warnings->rules[rule];
    if ((of->shown.rows == WARNING_RULE_ROWS && !make_room(warnings, rule, false)) ||
        (warnings->rows_count == WARNING_ROWS_MAX && !make_room(warnings, rule, true))) {
        of->others_now++;
        return NULL;
    }
    struct warning *const row = &warnings->rows[warnings->rows_count];
    *row = (struct warning){.rule = rule, .key = key, .serial = ++warnings->serial, .first_ns = INT64_MIN};
    index_row(warnings, warnings->rows_count++);
    of->shown.rows++;
    return row;
}

struct warning *warning_raise(struct warnings *warnings, uint32_t rule, uint64_t key, double value)
{
    const int64_t now_ns = warnings->part.model->now_ns;
    struct rule *const of = &warnings->rules[rule];
    struct warning *row = row_find(warnings, rule, key);
    if (!row && !(row = row_make(warnings, rule, key)))
        return NULL;
    if (!row->active) {
        const bool lasts = of->shown.unit == UNIT_duration && value < 9e18;
        row->active = true;
        row->since_ns = lasts ? now_ns - (int64_t)value : now_ns;
        if (row->first_ns == INT64_MIN)
            row->first_ns = row->since_ns;
        row->count++;
        of->shown.fired++;
        warnings->active++;
    }
    row->last_ns = now_ns;
    row->value = value;
    row->worst = value > row->worst ? value : row->worst;
    return row;
}

void warning_hold(struct warnings *warnings, uint32_t rule, uint64_t key, double value)
{
    struct warning *const row = row_find(warnings, rule, key);
    if (!row || !row->active)
        return;
    row->last_ns = warnings->part.model->now_ns;
    row->value = value;
}

/* What is looked at once in a window stays until the next one has passed. */
static int64_t clear_after(const struct rule *rule)
{
    const bool windows = rule->kind == RULE_unbalanced || rule->kind == RULE_busy_loop;
    const int64_t least_ns = windows ? rule->over_ns + rule->over_ns / 2 : 0;
    return rule->shown.clear_ns > least_ns ? rule->shown.clear_ns : least_ns;
}

void warning_clear(struct warnings *warnings)
{
    const int64_t now_ns = warnings->part.model->now_ns;
    for (uint32_t i = 0; i < warnings->rows_count; i++) {
        struct warning *const row = &warnings->rows[i];
        if (!row->active || now_ns - row->last_ns <= clear_after(&warnings->rules[row->rule]))
            continue;
        row->active = false;
        warnings->active--;
    }
}

void warning_add_host(struct warning *warning, uint32_t host)
{
    warning->host = host == 0 || warning->host == host ? warning->host : warning->host == 0 ? host : WARNING_HOSTS;
}

void warning_add_entity(struct warnings *warnings, struct warning *warning, const struct entity *entity)
{
    warning_add_host(warning, entity_source_of(warnings->entities, entity)->host + 1);
    for (uint32_t i = 0; i < warning->entities_count; i++)
        if (warning->entities[i].serial == entity->serial)
            return;
    if (warning->entities_count < WARNING_ENTITIES)
        warning->entities[warning->entities_count++] =
            (struct warning_entity){.index = entity->index, .serial = entity->serial};
}

/* "conn 5 of 127.0.0.1:80", with the process if there are several. */
void warning_entity_subject(struct warnings *warnings, struct warning *warning, const struct entity *entity)
{
    const struct entity *const parent = entity_at(warnings->entities, entity->parent);
    char name[ENTITY_LABEL_BYTES + 16], above[ENTITY_LABEL_BYTES + 16];
    warning_add_entity(warnings, warning, entity);
    if (warning->subject[0])
        return;
    entity_name(warnings->entities, entity, name, sizeof name);
    if (parent)
        entity_name(warnings->entities, parent, above, sizeof above);
    snprintf(warning->subject, sizeof warning->subject, "%.60s%s%.30s", name, parent ? " of " : "",
             parent ? above : "");
}

/* ---- watches ---- */

static bool watches_grow(struct warnings *warnings)
{
    if (warnings->watches_used < warnings->watches_size / 4 * 3)
        return true;
    if (warnings->watches_size == WATCHES_MAX)
        return false;
    const uint32_t size = warnings->watches_size ? warnings->watches_size * 2 : 256;
    struct watch *const watches =
        part_room(&warnings->part, size * sizeof *watches) ? calloc(size, sizeof *watches) : NULL;
    if (!watches)
        return false;
    for (uint32_t i = 0; i < warnings->watches_size; i++) {
        if (warnings->watches[i].key == 0)
            continue;
        uint32_t at = (uint32_t)warnings->watches[i].key >> 1 & (size - 1);
        while (watches[at].key)
            at = (at + 1) & (size - 1);
        watches[at] = warnings->watches[i];
    }
    free(warnings->watches);
    warnings->part.used_bytes += (size - warnings->watches_size) * sizeof *watches;
    warnings->watches = watches;
    warnings->watches_size = size;
    return true;
}

struct watch *warning_watch(struct warnings *warnings, uint64_t key, bool make)
{
    if (warnings->watches_size == 0 && (!make || !watches_grow(warnings)))
        return NULL;
    for (unsigned round = 0; round < 2; round++) {
        const uint32_t mask = warnings->watches_size - 1;
        uint32_t i = (uint32_t)key >> 1 & mask;
        while (warnings->watches[i].key && warnings->watches[i].key != key)
            i = (i + 1) & mask;
        if (warnings->watches[i].key)
            return &warnings->watches[i];
        if (!make)
            return NULL;
        if (round == 0 && !watches_grow(warnings))
            break;
        if (round == 0)
            continue;
        warnings->watches[i] = (struct watch){.key = key, .since_ns = INT64_MIN};
        warnings->watches_used++;
        return &warnings->watches[i];
    }
    warnings->part.left_out++;
    return NULL;
}

void warning_unwatch(struct warnings *warnings, struct watch *watch)
{
    const uint32_t mask = warnings->watches_size - 1;
    uint32_t hole = (uint32_t)(watch - warnings->watches);
    for (uint32_t i = (hole + 1) & mask; warnings->watches[i].key; i = (i + 1) & mask) {
        const uint32_t home = (uint32_t)warnings->watches[i].key >> 1 & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            warnings->watches[hole] = warnings->watches[i];
            hole = i;
        }
    }
    warnings->watches[hole].key = 0;
    warnings->watches_used--;
}

/* Two windows: of the one before as much counts as still lies within the time up to now. */
double warning_count(struct watch *watch, int64_t now_ns, int64_t over_ns)
{
    if (watch->since_ns == INT64_MIN || now_ns < watch->since_ns)
        watch->since_ns = now_ns;
    const int64_t windows = over_ns > 0 ? (now_ns - watch->since_ns) / over_ns : 0;
    if (windows > 0) {
        watch->before = windows == 1 ? watch->count : 0;
        watch->count = 0;
        watch->since_ns += windows * over_ns;
    }
    watch->count++;
    watch->last_ns = now_ns;
    const double left = over_ns > 0 ? 1 - (double)(now_ns - watch->since_ns) / (double)over_ns : 0;
    return (double)watch->count + (double)watch->before * left;
}

/* ---- for the views ---- */

uint32_t warning_rules_count(const struct model *model)
{
    return warnings_of(model)->rules_count;
}

const struct warning_rule *warning_rule_at(const struct model *model, uint32_t index)
{
    const struct warnings *const warnings = warnings_of(model);
    return index < warnings->rules_count ? &warnings->rules[index].shown : NULL;
}

uint32_t warnings_count(const struct model *model)
{
    return warnings_of(model)->rows_count;
}

const struct warning *warning_at(const struct model *model, uint32_t index)
{
    const struct warnings *const warnings = warnings_of(model);
    return index < warnings->rows_count ? &warnings->rows[index] : NULL;
}

const struct warning *warning_of_serial(const struct model *model, uint32_t serial)
{
    const struct warnings *const warnings = warnings_of(model);
    for (uint32_t i = 0; i < warnings->rows_count; i++)
        if (warnings->rows[i].serial == serial)
            return &warnings->rows[i];
    return NULL;
}

unsigned warnings_active(const struct model *model)
{
    return warnings_of(model)->active;
}

size_t warning_value_text(enum warning_unit unit, double value, char *buffer, size_t size)
{
    char text[32];
    size_t bytes;
    switch (unit) {
    case UNIT_duration:
        bytes =
            evtrail_format_duration(value < 9e18 ? (int64_t)value / 1000000 * 1000000 : INT64_MAX, text, sizeof text);
        break;
    case UNIT_count:
        bytes = evtrail_format_count(value < 1e19 ? (uint64_t)value : UINT64_MAX, text, sizeof text);
        break;
    default:
        return (size_t)snprintf(buffer, size,
                                unit == UNIT_percent ? "%.3g%%"
                                : unit == UNIT_per_s ? "%.3g/s"
                                                     : "%.3gx",
                                value);
    }
    return (size_t)snprintf(buffer, size, "%.*s", (int)(bytes < sizeof text ? bytes : sizeof text), text);
}

static const char *insert(const struct warning_rule *rule, const struct warning *warning, char what, char text[40])
{
    if (what == 's')
        return warning->subject;
    if (what != 'v' && what != 't')
        return NULL;
    warning_value_text(rule->unit, what == 't' ? rule->threshold : warning->value, text, 40);
    return text;
}

size_t warning_text(const struct model *model, const struct warning *warning, char *buffer, size_t size)
{
    const struct warning_rule *const rule = &warnings_of(model)->rules[warning->rule].shown;
    size_t used = 0;
    char text[40];
    for (const char *at = rule->say; *at; at++) {
        const char *const part = *at == '%' ? insert(rule, warning, at[1], text) : NULL;
        const size_t bytes = part ? strlen(part) : 1;
        for (size_t i = 0; i < bytes; i++, used++)
            if (used + 1 < size)
                buffer[used] = part ? part[i] : *at;
        at += part != NULL;
    }
    if (size)
        buffer[used < size ? used : size - 1] = '\0';
    return used;
}

static bool names_it(const char *names, const char *rule)
{
    for (names += strspn(names, " ,"); *names; names += strspn(names, " ,")) {
        const size_t bytes = strcspn(names, " ,");
        if ((strlen(rule) == bytes && strncmp(names, rule, bytes) == 0) ||
            (bytes == 3 && strncmp(names, "any", 3) == 0))
            return true;
        names += bytes;
    }
    return false;
}

static int check_names(const struct warnings *warnings, const char *names, char **ret_error)
{
    for (names += strspn(names, " ,"); *names; names += strspn(names, " ,")) {
        const size_t bytes = strcspn(names, " ,");
        bool known = bytes == 3 && strncmp(names, "any", 3) == 0;
        for (uint32_t i = 0; i < warnings->rules_count; i++)
            known |= strlen(warnings->rules[i].shown.name) == bytes &&
                     strncmp(warnings->rules[i].shown.name, names, bytes) == 0;
        if (!known) {
            if (ret_error && asprintf(ret_error, "no warning is called '%.*s'", (int)bytes, names) < 0)
                *ret_error = NULL;
            return -EINVAL;
        }
        names += bytes;
    }
    return 0;
}

int warnings_fired(const struct model *model, const char *names, uint64_t *ret_times, char **ret_error)
{
    const struct warnings *const warnings = warnings_of(model);
    uint64_t times = 0;
    if (!names)
        names = "any";
    if (check_names(warnings, names, ret_error) < 0)
        return -EINVAL;
    for (uint32_t i = 0; i < warnings->rules_count; i++)
        if (names_it(names, warnings->rules[i].shown.name))
            times += warnings->rules[i].shown.fired;
    *ret_times = times;
    return 0;
}
