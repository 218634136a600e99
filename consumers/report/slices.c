/* SPDX-License-Identifier: ISC
 *
 * A hash table by track, lane, name and stretch of time. The stretch begins at 1 ns, where nothing is joined, and doubles
 * whenever the table would hold more than its limit.
 */
#include "slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void slices_init(struct slices *slices, uint32_t limit)
{
    *slices = (struct slices){.limit = limit};
}

void slices_fini(struct slices *slices)
{
    free(slices->places);
    slices_init(slices, slices->limit);
}

int slices_copy(struct slices *to, const struct slices *from)
{
    *to = *from;
    if (!from->places)
        return 0;
    to->places = malloc(from->size * sizeof *to->places);
    if (!to->places) {
        slices_init(to, from->limit);
        return -ENOMEM;
    }
    memcpy(to->places, from->places, from->size * sizeof *to->places);
    return 0;
}

static struct slice *place_of(const struct slices *slices, const struct slice *slice)
{
    const uint64_t stretch = (uint64_t)slice->first_ns >> slices->shift;
    uint64_t hash = (stretch ^ ((uint64_t)slice->track << 40) ^ ((uint64_t)slice->name << 24) ^ slice->lane) *
                    UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    for (uint64_t i = hash;; i++) {
        struct slice *const place = &slices->places[i & (slices->size - 1)];
        if (place->count == 0 || (place->track == slice->track && place->name == slice->name &&
                                  place->lane == slice->lane && (uint64_t)place->first_ns >> slices->shift == stretch))
            return place;
    }
}

static void join(struct slice *into, const struct slice *from)
{
    const int64_t had = into->to_ns - into->from_ns, has = from->to_ns - from->from_ns;
    if (has > had || (has == had && from->from_ns < into->from_ns)) {
        into->from_ns = from->from_ns;
        into->to_ns = from->to_ns;
        into->id = from->id;
        into->parent = from->parent;
    }
    if (from->first_ns < into->first_ns)
        into->first_ns = from->first_ns;
    if (from->end_ns > into->end_ns)
        into->end_ns = from->end_ns;
    into->count += from->count;
}

static void put(struct slices *slices, const struct slice *slice)
{
    struct slice *const place = place_of(slices, slice);
    if (place->count > 0) {
        join(place, slice);
        return;
    }
    *place = *slice;
    slices->used++;
}

static int rebuild(struct slices *slices, uint32_t size)
{
    struct slices other = *slices;
    other.size = size;
    other.used = 0;
    other.places = calloc(size, sizeof *other.places);
    if (!other.places)
        return -ENOMEM;
    for (uint32_t i = 0; i < slices->size; i++)
        if (slices->places[i].count > 0)
            put(&other, &slices->places[i]);
    free(slices->places);
    *slices = other;
    return 0;
}

static int make_room(struct slices *slices)
{
    while (slices->used >= slices->limit && slices->shift < 63) {
        slices->shift++;
        const int r = rebuild(slices, slices->size);
        if (r < 0)
            return r;
    }
    if (slices->used < slices->size / 4 * 3)
        return 0;
    return rebuild(slices, slices->size ? slices->size * 2 : 1024);
}

int slices_add(struct slices *slices, const struct slice *slice)
{
    if (slices->used >= slices->limit || slices->used >= slices->size / 4 * 3) {
        const int r = make_room(slices);
        if (r < 0)
            return r;
    }
    put(slices, slice);
    return 0;
}

int slices_limit(struct slices *slices, uint32_t limit)
{
    slices->limit = limit;
    while (slices->used > limit && slices->shift < 63) {
        slices->shift++;
        const int r = rebuild(slices, slices->size);
        if (r < 0)
            return r;
    }
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct slice *const x = a, *const y = b;
    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

uint32_t slices_sort(struct slices *slices, struct slice **ret_slices)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < slices->size; i++)
        if (slices->places[i].count > 0) {
            const struct slice slice = slices->places[i];
            slices->places[i].count = 0;
            slices->places[count++] = slice;
        }
    if (count > 0)
        qsort(slices->places, count, sizeof *slices->places, by_place);
    *ret_slices = slices->places;
    return count;
}
