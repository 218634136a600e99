/* SPDX-License-Identifier: ISC
 *
 * Keeping every 2^n-th event of a type: when there are too many, the type with most is thinned to half. Those that are there only because they
 * are among the newest go when there is no room: so each is looked at some four times.
 */
#include "sample.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPES_MAX 4096u
#define WORDS_MAX 128u   /* of an event's payload that are kept */
#define CONTEXT_MAX 1024 /* bytes */

void sample_init(struct sample *sample, uint32_t limit, uint32_t limit_severe)
{
    *sample = (struct sample){.limit = {limit, limit_severe}};
}

static void type_fini(struct sample_type *type)
{
    for (uint32_t i = 0; type->fields && i < type->fields_count; i++) {
        free(type->fields[i].name);
        free(type->fields[i].unit);
        free(type->fields[i].enums);
    }
    free(type->fields);
    free(type->name);
}

static void event_free(struct sample_event *event)
{
    free(event->context);
    free(event);
}

void sample_fini(struct sample *sample)
{
    for (size_t i = 0; i < sample->events_count; i++)
        event_free(sample->events[i]);
    for (uint32_t i = 0; i < sample->types_count; i++)
        type_fini(&sample->types[i]);
    for (uint32_t i = 0; i < sample->maps_count; i++)
        free(sample->maps[i].types);
    free(sample->events);
    free(sample->types);
    free(sample->maps);
}

bool sample_is_severe(const struct sample_type *type)
{
    return type->level >= EVTRAIL_LEVEL_critical && type->level <= EVTRAIL_LEVEL_warning;
}

/* ---- types ------------------------------------------------------------------------------------------------------------- */

static int type_fill(struct sample_type *type, const struct evtrail_event_type *from)
{
    type->name = strdup(from->name);
    type->kind = from->kind;
    type->level = from->level;
    type->fields_count = from->fields_count;
    type->fields = calloc((size_t)from->fields_count + 1, sizeof *type->fields);
    bool good = type->name && type->fields;
    for (uint32_t i = 0; good && i < from->fields_count; i++) {
        struct sample_field *const field = &type->fields[i];
        field->type = from->fields[i].type;
        field->name = strdup(from->fields[i].name);
        field->unit = strdup(from->fields[i].unit);
        field->enums = strdup(from->fields[i].enums);
        good = field->name && field->unit && field->enums;
    }
    return good ? 0 : -ENOMEM;
}

static bool same_type(const struct sample_type *type, const struct evtrail_event_type *other)
{
    if (type->kind != other->kind || type->level != other->level || type->fields_count != other->fields_count ||
        strcmp(type->name, other->name) != 0)
        return false;
    for (uint32_t i = 0; i < type->fields_count; i++) {
        const struct sample_field *const a = &type->fields[i];
        const struct evtrail_field *const b = &other->fields[i];
        if (a->type != b->type || strcmp(a->name, b->name) != 0 || strcmp(a->unit, b->unit) != 0 ||
            strcmp(a->enums, b->enums) != 0)
            return false;
    }
    return true;
}

/* The type's number + 1; 0: it does not fit. */
static int type_number(struct sample *sample, const struct evtrail_event_type *from, uint32_t *ret_number)
{
    for (uint32_t i = 0; i < sample->types_count; i++)
        if (same_type(&sample->types[i], from)) {
            *ret_number = i + 1;
            return 0;
        }
    *ret_number = UINT32_MAX;
    if (sample->types_count >= TYPES_MAX)
        return 0;
    struct sample_type *const types = realloc(sample->types, (sample->types_count + 1) * sizeof *types);
    if (!types)
        return -ENOMEM;
    sample->types = types;
    types[sample->types_count] = (struct sample_type){0};
    *ret_number = ++sample->types_count;
    return type_fill(&types[*ret_number - 1], from);
}

static int map_get(struct sample *sample, uint32_t source, uint32_t id, uint32_t **ret_place)
{
    if (source >= sample->maps_count) {
        struct sample_map *const maps = realloc(sample->maps, ((size_t)source + 1) * sizeof *maps);
        if (!maps)
            return -ENOMEM;
        memset(maps + sample->maps_count, 0, (source + 1 - sample->maps_count) * sizeof *maps);
        sample->maps = maps;
        sample->maps_count = source + 1;
    }
    struct sample_map *const map = &sample->maps[source];
    if (id >= map->count) {
        const uint32_t count = (id | 63) + 1;
        uint32_t *const types = realloc(map->types, count * sizeof *types);
        if (!types)
            return -ENOMEM;
        memset(types + map->count, 0, (count - map->count) * sizeof *types);
        map->types = types;
        map->count = count;
    }
    *ret_place = &map->types[id];
    return 0;
}

/* ---- keeping ----------------------------------------------------------------------------------------------------------- */

static bool is_newest(const struct sample *sample, const struct sample_event *event)
{
    return sample->number - event->number < sample->newest;
}

static bool is_due(const struct sample_type *type, uint64_t ordinal)
{
    return (ordinal & ((UINT64_C(1) << type->stride) - 1)) == 0;
}

/* Drops what neither its type's stride nor its being new keeps. */
static void sweep(struct sample *sample)
{
    size_t kept = 0;
    for (size_t i = 0; i < sample->events_count; i++) {
        struct sample_event *const event = sample->events[i];
        struct sample_type *const type = &sample->types[event->type];
        if (is_due(type, event->ordinal) || is_newest(sample, event)) {
            sample->events[kept++] = event;
            continue;
        }
        type->kept--;
        sample->kept[sample_is_severe(type)]--;
        event_free(event);
    }
    sample->events_count = kept;
}

/* Halves the type of this severity that has most events. */
static void thin(struct sample *sample, bool severe)
{
    uint32_t most = UINT32_MAX;
    for (uint32_t i = 0; i < sample->types_count; i++)
        if (sample_is_severe(&sample->types[i]) == severe &&
            (most == UINT32_MAX || sample->types[i].kept > sample->types[most].kept))
            most = i;
    if (most == UINT32_MAX)
        return;
    sample->types[most].stride++;
    sweep(sample);
}

/* The newest take their part of the room anew only when a quarter of it is free. */
static void make_room(struct sample *sample, bool severe)
{
    const uint32_t limit = sample->limit[severe];
    if (sample->newest == 0) {
        thin(sample, severe);
        return;
    }
    sweep(sample);
    for (uint32_t before = 0; sample->kept[severe] > limit - limit / 4 && sample->kept[severe] != before;) {
        before = sample->kept[severe];
        thin(sample, severe);
    }
}

void sample_keep_newest(struct sample *sample, uint32_t count)
{
    const uint32_t most = (sample->limit[0] < sample->limit[1] ? sample->limit[0] : sample->limit[1]) / 8;
    sample->newest = count < most ? count : most;
}

void sample_limit(struct sample *sample, uint32_t limit, uint32_t limit_severe)
{
    sample->limit[0] = limit;
    sample->limit[1] = limit_severe;
    sample_keep_newest(sample, sample->newest);
    for (unsigned severe = 0; severe < 2; severe++)
        for (uint32_t before = 0; sample->kept[severe] > sample->limit[severe] && sample->kept[severe] != before;) {
            before = sample->kept[severe];
            thin(sample, severe);
        }
}

static int keep(struct sample *sample, const struct evtrail_event *event, uint32_t number, uint32_t track)
{
    struct sample_type *const type = &sample->types[number];
    const uint32_t words = event->words < WORDS_MAX ? event->words : WORDS_MAX;
    if (sample->events_count == sample->events_size) {
        const size_t size = sample->events_size ? sample->events_size * 2 : 1024;
        struct sample_event **const events = realloc(sample->events, size * sizeof(*events));
        if (!events)
            return -ENOMEM;
        sample->events = events;
        sample->events_size = size;
    }
    struct sample_event *const copy = malloc(sizeof *copy + words * sizeof(uint64_t));
    if (!copy)
        return -ENOMEM;
    *copy = (struct sample_event){.ns = event->time,
                                  .duration = event->duration,
                                  .ordinal = type->seen - 1,
                                  .number = sample->number,
                                  .type = number,
                                  .track = track,
                                  .words = words};
    char context[CONTEXT_MAX];
    const size_t bytes = sample_context(event, context, sizeof context);
    copy->context = bytes > 0 ? strndup(context, bytes) : NULL;
    memcpy(copy->payload, event->payload, words * sizeof(uint64_t));
    sample->events[sample->events_count++] = copy;
    type->kept++;
    const bool severe = sample_is_severe(type);
    if (++sample->kept[severe] > sample->limit[severe])
        make_room(sample, severe);
    return 0;
}

int sample_add(struct sample *sample, const struct evtrail_event *event, uint32_t track)
{
    uint32_t *place = NULL;
    int r = event->type ? map_get(sample, event->source->number, event->id, &place) : 0;
    if (r == 0 && event->type && *place == 0)
        r = type_number(sample, event->type, place);
    if (r < 0)
        return r;
    if (!event->type || *place == UINT32_MAX) {
        sample->skipped++;
        return 0;
    }
    struct sample_type *const type = &sample->types[*place - 1];
    const uint64_t ordinal = type->seen++;
    sample->number++;
    if (sample->newest == 0 && !is_due(type, ordinal))
        return 0;
    return keep(sample, event, *place - 1, track);
}

void sample_shape(const struct sample_type *type, struct evtrail_field fields[EVTRAIL_FIELDS_MAX],
                  struct evtrail_event_type *ret_shape)
{
    const uint32_t count = type->fields_count < EVTRAIL_FIELDS_MAX ? type->fields_count : EVTRAIL_FIELDS_MAX;
    for (uint32_t i = 0; i < count; i++)
        fields[i] =
            (struct evtrail_field){.name = "", .unit = "", .doc = "", .enums = "", .type = type->fields[i].type};
    *ret_shape = (struct evtrail_event_type){.kind = type->kind,
                                             .fields_count = (uint16_t)count,
                                             .fields = fields,
                                             .name = "",
                                             .doc = "",
                                             .file = "",
                                             .function = ""};
}
