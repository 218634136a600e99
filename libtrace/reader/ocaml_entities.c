/* SPDX-License-Identifier: ISC
 *
 * What is known of Eio's fibers, contexts and objects: a table of bounded size, in which what is missed least makes room.
 */
#include "reader/ocaml_decode.h"

#include <stdlib.h>

enum { BUCKETS = 4096, WAYS = 8 };

struct evtrail_eio {
    struct evtrail_eio_entity at[BUCKETS][WAYS];
    uint32_t age;
};

void evtrail_eio_free(struct evtrail_eio *eio)
{
    free(eio);
}

static struct evtrail_eio_entity *bucket_of(struct evtrail_eio *eio, uint64_t id)
{
    return eio->at[(id * UINT64_C(0x9e3779b97f4a7c15)) >> 52 & (BUCKETS - 1)];
}

struct evtrail_eio_entity *evtrail_eio_find(struct evtrail_ocaml_step *step, uint64_t id)
{
    struct evtrail_eio *const eio = step->decoder->eio;
    struct evtrail_eio_entity *const bucket = eio && id ? bucket_of(eio, id) : NULL;
    for (unsigned i = 0; bucket && i < WAYS; i++)
        if (bucket[i].id == id)
            return &bucket[i];
    return NULL;
}

/* What is missed least first: Eio does not tell when objects go, and a program may make them all day. */
static unsigned worth(const struct evtrail_eio_entity *entity)
{
    if (entity->class == EVTRAIL_EIO_NONE || (entity->class == EVTRAIL_EIO_FIBER && entity->promise && !entity->state))
        return 0; /* not seen made; a fiber that has gone */
    if (entity->class == EVTRAIL_EIO_PROMISE)
        return entity->state == EVTRAIL_EIO_PROMISE_RESOLVED ? 1 : 2;
    return entity->class == EVTRAIL_EIO_FIBER || entity->class == EVTRAIL_EIO_CC ? 4 : 3;
}

static bool is_missed_less(const struct evtrail_eio_entity *entity, const struct evtrail_eio_entity *other)
{
    const unsigned mine = worth(entity), others = worth(other);
    return mine < others || (mine == others && (int32_t)(entity->age - other->age) < 0);
}

/* The entity of that id, empty; where there is no room another is forgotten. NULL: no memory. */
struct evtrail_eio_entity *evtrail_eio_make(struct evtrail_ocaml_step *step, uint64_t id, unsigned class)
{
    struct evtrail_ocaml_decoder *const decoder = step->decoder;
    if (!decoder->eio && !(decoder->eio = calloc(1, sizeof(*decoder->eio))))
        return NULL;
    struct evtrail_eio_entity *const bucket = bucket_of(decoder->eio, id), *place = evtrail_eio_find(step, id);
    for (unsigned i = 0; !place && i < WAYS; i++)
        if (!bucket[i].id)
            place = &bucket[i];
    if (!place) {
        place = bucket;
        for (unsigned i = 1; i < WAYS; i++)
            if (is_missed_less(&bucket[i], place))
                place = &bucket[i];
    }
    *place = (struct evtrail_eio_entity){.id = id,
                                         .class = (uint8_t) class,
                                         .age = ++decoder->eio->age,
                                         .lane = step->lane->index,
                                         .gap = step->lane->gap};
    return place;
}

void evtrail_eio_use(const struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity)
{
    entity->age = ++step->decoder->eio->age;
}

int evtrail_eio_each(struct evtrail_ocaml_step *step,
                     int (*visit)(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity, void *context),
                     void *context)
{
    struct evtrail_eio *const eio = step->decoder->eio;
    int result = 0;
    for (unsigned i = 0; eio && i < BUCKETS * WAYS && result == 0; i++)
        if (eio->at[i / WAYS][i % WAYS].id)
            result = visit(step, &eio->at[i / WAYS][i % WAYS], context);
    return result;
}
