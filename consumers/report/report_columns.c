/* SPDX-License-Identifier: ISC
 *
 * Slices and single events as columns.
 */
#include "report_write.h"

#include <evtrail/format.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024u /* bytes of a string or byte array that are kept */

/* ---- slices ------------------------------------------------------------------------------------------------------------ */

enum slice_column {
    SLICE_from,
    SLICE_length,
    SLICE_before,
    SLICE_after,
    SLICE_track,
    SLICE_lane,
    SLICE_name,
    SLICE_count,
    SLICE_COLUMNS
};
static const char *const slice_names[] = {"from", "length", "before", "after", "track", "lane", "name", "count"};

/* In their order a track's or lane's times rise, and begin again with the next: the differences wrap, which the page undoes. */
static uint64_t slice_value(const struct slice *slice, enum slice_column column)
{
    switch (column) {
    case SLICE_from:
        return (uint64_t)slice->from_ns;
    case SLICE_length:
        return (uint64_t)(slice->to_ns - slice->from_ns);
    case SLICE_before:
        return (uint64_t)(slice->from_ns - slice->first_ns);
    case SLICE_after:
        return (uint64_t)(slice->end_ns - slice->to_ns);
    case SLICE_track:
        return slice->track;
    case SLICE_lane:
        return slice->lane;
    case SLICE_name:
        return slice->name;
    default:
        return slice->count;
    }
}

/* Of each slice the number of its parent's, from 1; 0: it has none, or that was joined to a longer one. */
static void parents_find(const struct report *report, const struct slice *sorted, uint32_t count, uint64_t *values)
{
    struct idtable index;
    idtable_init(&index, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct idtable_entry *const entry =
            idtable_put(&index, report->tracks[sorted[i].track].source + 1, sorted[i].id);
        if (entry)
            entry->state = i + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct idtable_entry *const entry =
            sorted[i].parent ? idtable_find(&index, report->tracks[sorted[i].track].source + 1, sorted[i].parent)
                             : NULL;
        values[i] = entry ? entry->state : 0;
    }
    idtable_fini(&index);
}

void write_slices(struct writing *writing, const char *key, struct slices *slices)
{
    struct slice *sorted;
    const uint32_t count = slices_sort(slices, &sorted);
    uint64_t *const values = malloc((count + (size_t)1) * sizeof *values), joined = 0;
    writing->json.failed |= !values;
    for (uint32_t i = 0; i < count; i++)
        joined += sorted[i].count - 1;
    blob_print(&writing->json, ",\"%s\":{\"joined\":%" PRIu64 ",\"grain\":%" PRIu64, key, joined,
               UINT64_C(1) << slices->shift);
    for (unsigned column = 0; values && column < SLICE_COLUMNS; column++) {
        for (uint32_t i = 0; i < count; i++)
            values[i] = slice_value(&sorted[i], column);
        write_column(writing, slice_names[column], values, count, column == SLICE_track);
    }
    if (values && slices == &writing->report->spans) {
        parents_find(writing->report, sorted, count, values);
        write_column(writing, "parent", values, count, false);
    }
    blob_text(&writing->json, "}");
    free(values);
}

/* ---- texts ------------------------------------------------------------------------------------------------------------- */

/* Each text once; they are numbered from 1 as they come. */
struct texts {
    struct text_place {
        uint64_t hash;
        uint32_t number, offset, bytes;
    } * places;
    uint32_t size, used;
    struct blob heap;
    struct blob ends; /* uint64_t */
};

static uint64_t text_hash(const char *text, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ bytes;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 31;
}

static int texts_grow(struct texts *texts)
{
    const uint32_t size = texts->size ? texts->size * 2 : 1024;
    struct text_place *const places = calloc(size, sizeof *places);
    if (!places)
        return -1;
    for (uint32_t i = 0; i < texts->size; i++) {
        uint64_t at = texts->places[i].hash;
        if (texts->places[i].number == 0)
            continue;
        while (places[at & (size - 1)].number != 0)
            at++;
        places[at & (size - 1)] = texts->places[i];
    }
    free(texts->places);
    texts->places = places;
    texts->size = size;
    return 0;
}

/* 0: no memory. */
static uint32_t text_number(struct texts *texts, const char *text, size_t bytes)
{
    if (texts->used >= texts->size / 4 * 3 && texts_grow(texts) < 0)
        return 0;
    const uint64_t hash = text_hash(text, bytes);
    for (uint64_t at = hash;; at++) {
        struct text_place *const place = &texts->places[at & (texts->size - 1)];
        if (place->number == 0) {
            *place = (struct text_place){
                .hash = hash, .number = ++texts->used, .offset = (uint32_t)texts->heap.used, .bytes = (uint32_t)bytes};
            blob_add(&texts->heap, text, bytes);
            const uint64_t end = texts->heap.used;
            blob_add(&texts->ends, &end, sizeof end);
            return place->number;
        }
        if (place->hash == hash && place->bytes == bytes &&
            (bytes == 0 || memcmp(texts->heap.bytes + place->offset, text, bytes) == 0))
            return place->number;
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

static bool is_signed(unsigned type)
{
    return (type >= EVTRAIL_TYPE_i8 && type <= EVTRAIL_TYPE_i64) || type == EVTRAIL_TYPE_enum;
}

/* A string as it is, a byte array as its digits. */
static uint64_t text_value(struct texts *texts, const struct evtrail_value *value)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * TEXT_MAX];
    const size_t bytes = value->bytes < TEXT_MAX ? value->bytes : TEXT_MAX;
    if (value->null)
        return 0;
    if (value->type == EVTRAIL_TYPE_string)
        return text_number(texts, value->data, bytes);
    for (size_t i = 0; i < bytes; i++) {
        hex[2 * i] = digits[(unsigned char)value->data[i] >> 4];
        hex[2 * i + 1] = digits[value->data[i] & 15];
    }
    return text_number(texts, hex, 2 * bytes);
}

/* Signed numbers with the sign in the lowest bit, so that small ones take few planes. */
static uint64_t field_value(struct texts *texts, const struct evtrail_value *value)
{
    if (value->type == EVTRAIL_TYPE_string || value->type == EVTRAIL_TYPE_bytes)
        return text_value(texts, value);
    if (is_signed(value->type))
        return (uint64_t)value->i << 1 ^ (value->i < 0 ? UINT64_MAX : 0);
    return value->u; /* a double as its bits */
}

/* The events by type, those of one in their order. */
struct grouped {
    struct texts texts;
    uint64_t *values; /* room for a column */
    const struct sample_event **events;
    size_t *starts; /* by type, and the end */
};

static void write_field(struct writing *writing, struct grouped *grouped, uint32_t type, uint32_t field,
                        const struct evtrail_event_type *shape)
{
    const struct sample_field *const of = &writing->report->sample.types[type].fields[field];
    const size_t from = grouped->starts[type], count = grouped->starts[type + 1] - from;
    for (size_t i = 0; i < count; i++) {
        const struct sample_event *const kept = grouped->events[from + i];
        const struct evtrail_event event = {
            .what = EVTRAIL_EVENT, .type = shape, .payload = kept->payload, .words = kept->words};
        struct evtrail_value value;
        const bool known = evtrail_event_value(&event, field, &value) >= 0 && !value.cut;
        grouped->values[i] = known ? field_value(&grouped->texts, &value) : 0;
    }
    blob_print(&writing->json, "%s{\"type\":%u", field ? "," : "", of->type);
    write_text(writing, "name", of->name);
    write_text(writing, "unit", of->unit);
    if (*of->enums)
        write_text(writing, "enums", of->enums);
    write_column(writing, "values", grouped->values, count, false);
    blob_text(&writing->json, "}");
}

static void write_type(struct writing *writing, struct grouped *grouped, uint32_t type)
{
    const struct sample_type *const of = &writing->report->sample.types[type];
    const size_t from = grouped->starts[type], count = grouped->starts[type + 1] - from;
    struct evtrail_field fields[EVTRAIL_FIELDS_MAX];
    struct evtrail_event_type shape;
    sample_shape(of, fields, &shape);
    blob_print(&writing->json, "%s{\"kind\":\"%s\",\"level\":%u,\"seen\":%" PRIu64 ",\"kept\":%u,\"each\":%" PRIu64,
               type ? "," : "", evtrail_kind_name(of->kind), of->level, of->seen, of->kept, UINT64_C(1) << of->stride);
    write_text(writing, "name", of->name);
    for (size_t i = 0; of->kind == EVTRAIL_KIND_end && i < count; i++)
        grouped->values[i] = (uint64_t)grouped->events[from + i]->duration + 1;
    if (of->kind == EVTRAIL_KIND_end)
        write_column(writing, "durations", grouped->values, count, false);
    blob_text(&writing->json, ",\"fields\":[");
    for (uint32_t field = 0; field < shape.fields_count; field++)
        write_field(writing, grouped, type, field, &shape);
    blob_text(&writing->json, "]}");
}

static bool group(const struct sample *sample, struct grouped *grouped)
{
    grouped->values = malloc((sample->events_count + 1) * sizeof *grouped->values);
    grouped->events = malloc((sample->events_count + 1) * sizeof(*grouped->events));
    grouped->starts = calloc((size_t)sample->types_count + 2, sizeof *grouped->starts);
    if (!grouped->values || !grouped->events || !grouped->starts)
        return false;
    for (size_t i = 0; i < sample->events_count; i++)
        grouped->starts[sample->events[i]->type + 2]++;
    for (uint32_t type = 0; type < sample->types_count; type++)
        grouped->starts[type + 2] += grouped->starts[type + 1];
    for (size_t i = 0; i < sample->events_count; i++) /* each start moves on to the next one's */
        grouped->events[grouped->starts[sample->events[i]->type + 1]++] = sample->events[i];
    return true;
}

/* As numbers of texts; where no event has any, there is no such column. */
static void write_contexts(struct writing *writing, struct grouped *grouped)
{
    const struct sample *const sample = &writing->report->sample;
    bool any = false;
    for (size_t i = 0; i < sample->events_count; i++) {
        const char *const context = sample->events[i]->context;
        grouped->values[i] = context ? text_number(&grouped->texts, context, strlen(context)) : 0;
        any |= context != NULL;
    }
    if (any)
        write_column(writing, "context", grouped->values, sample->events_count, false);
}

static void write_texts(struct writing *writing, struct texts *texts)
{
    writing->columns.failed |= texts->heap.failed || texts->ends.failed;
    blob_print(&writing->json, ",\"texts\":[%zu,%zu]", writing->columns.used, texts->heap.used);
    blob_add(&writing->columns, texts->heap.bytes, texts->heap.used);
    static const uint64_t none[1];
    write_column(writing, "text_ends", texts->used ? (const uint64_t *)(const void *)texts->ends.bytes : none,
                 texts->used, true);
    blob_fini(&texts->heap);
    blob_fini(&texts->ends);
    free(texts->places);
}

void write_sample(struct writing *writing)
{
    const struct sample *const sample = &writing->report->sample;
    const size_t count = sample->events_count;
    struct grouped grouped = {0};
    blob_print(&writing->json, ",\"sample\":{\"skipped\":%" PRIu64, sample->skipped);
    if (group(sample, &grouped)) {
        uint64_t last = 0;
        for (size_t i = 0; i < count; i++) {
            const int64_t since = axis_since(&writing->report->axis, sample->events[i]->ns);
            last = grouped.values[i] = since > (int64_t)last ? (uint64_t)since : last;
        }
        write_column(writing, "time", grouped.values, count, true);
        for (size_t i = 0; i < count; i++)
            grouped.values[i] = sample->events[i]->type;
        write_column(writing, "type", grouped.values, count, false);
        for (size_t i = 0; i < count; i++)
            grouped.values[i] = sample->events[i]->track == UINT32_MAX ? 0 : sample->events[i]->track + 1;
        write_column(writing, "track", grouped.values, count, false);
        write_contexts(writing, &grouped);
        blob_text(&writing->json, ",\"types\":[");
        for (uint32_t type = 0; type < sample->types_count; type++)
            write_type(writing, &grouped, type);
        blob_text(&writing->json, "]");
    } else {
        writing->json.failed = true;
    }
    write_texts(writing, &grouped.texts);
    blob_text(&writing->json, "}");
    free(grouped.values);
    free(grouped.events);
    free(grouped.starts);
}
