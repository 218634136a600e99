/* SPDX-License-Identifier: ISC
 *
 * The events that go into the page one by one: all of them where they are few, else every second, fourth, eighth ... of
 * its name, so that rare names stay whole. What is a warning or worse is thinned for itself, and later. Of a live trace the newest are
 * there besides, all of them.
 */
#ifndef EVTRAIL_CONSUMERS_SAMPLE_H
#define EVTRAIL_CONSUMERS_SAMPLE_H

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <stddef.h>

struct sample_field {
    char *name, *unit, *enums;
    uint8_t type;
};
struct sample_type {
    char *name;
    uint32_t name_hash;
    uint8_t kind, level;
    uint32_t fields_count;
    struct sample_field *fields;
    uint64_t seen;
    uint32_t kept;
    uint8_t stride; /* every 2^stride-th is kept */
};
struct sample_event {
    int64_t ns;
    int64_t duration; /* -1: none */
    uint64_t ordinal; /* among those of its type, from 0 */
    uint64_t number;  /* among all, from 1 */
    uint32_t type;
    uint32_t track;
    uint32_t words;
    char *context; /* owned, or NULL */
    uint64_t payload[];
};
struct sample_map { /* of one source: type ids to sample types, + 1 */
    uint32_t *types;
    uint32_t count;
};
struct sample {
    struct sample_type *types;
    uint32_t types_count;
    struct sample_map *maps;
    uint32_t maps_count;
    struct sample_event **events; /* in the order they came */
    size_t events_count, events_size;
    uint32_t limit[2]; /* of all, and of those that are a warning or worse */
    uint32_t kept[2];
    uint64_t skipped; /* of types that did not fit */
    uint64_t number;  /* of the newest */
    uint32_t newest;  /* so many of the newest are kept, at least, whatever their stride */
};
void sample_init(struct sample *sample, uint32_t limit, uint32_t limit_severe);
void sample_fini(struct sample *sample);
/* From here on at least so many of the newest events are there, too; an eighth of the limit at most. */
void sample_keep_newest(struct sample *sample, uint32_t count);
/* 0 or -ENOMEM. */
int sample_add(struct sample *sample, const struct evtrail_event *event, uint32_t track);
/* Thins what is kept to these limits. */
void sample_limit(struct sample *sample, uint32_t limit, uint32_t limit_severe);
/* " cpu=3 caller=f+0x12 stack=f < g label.KEY=VALUE", as much as fits into `size` bytes; no NUL. Returns how much. */
size_t sample_context(const struct evtrail_event *event, char *buffer, size_t size);
bool sample_is_severe(const struct sample_type *type);
/* The type as evtrail_event_value() needs it, to read the words that were kept. */
void sample_shape(const struct sample_type *type, struct evtrail_field fields[EVTRAIL_FIELDS_MAX],
                  struct evtrail_event_type *ret_shape);

#endif /* EVTRAIL_CONSUMERS_SAMPLE_H */
