/* SPDX-License-Identifier: ISC
 *
 * The table of open spans, keyed by (source, name, span id): a set-associative cache, so that finding, replacing and forgetting all
 * look at one bucket of eight.
 */
#include "reader/span.h"

#include <stdlib.h>

#include "reader/schema.h"

enum { BUCKETS = 8192, WAYS = 8 };

struct open_span {
    uint64_t who; /* hash of the name and the source's number; 0: free */
    uint64_t id;
    uint64_t ticks;
    uint64_t age; /* spans->begun at the begin */
};

struct evtrail_spans {
    struct open_span buckets[BUCKETS][WAYS];
    uint64_t begun;
    uint64_t forgotten;
};

struct evtrail_spans *evtrail_spans_new(void)
{
    return calloc(1, sizeof(struct evtrail_spans));
}

void evtrail_spans_free(struct evtrail_spans *spans)
{
    free(spans);
}

uint64_t evtrail_spans_forgotten(const struct evtrail_spans *spans)
{
    return spans->forgotten;
}

static struct open_span *bucket_of(struct evtrail_spans *spans, uint64_t who, uint64_t id)
{
    uint64_t hash = (who ^ id) * UINT64_C(0x9e3779b97f4a7c15);
    return spans->buckets[hash >> 32 & (BUCKETS - 1)];
}

/* The same span, else a free place, else the oldest. */
static struct open_span *place_for(struct evtrail_spans *spans, struct open_span *bucket, uint64_t who, uint64_t id)
{
    struct open_span *place = bucket;
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i].who == who && bucket[i].id == id)
            return &bucket[i];
        if (place->who && (!bucket[i].who || bucket[i].age < place->age))
            place = &bucket[i];
    }
    spans->forgotten += place->who != 0;
    return place;
}

static struct open_span *find(struct open_span *bucket, uint64_t who, uint64_t id)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (bucket[i].who == who && bucket[i].id == id)
            return &bucket[i];
    return NULL;
}

void evtrail_spans_follow(struct evtrail_spans *spans, struct evtrail_event *event)
{
    const struct evtrail_event_type *type = event->type;
    if (event->what != EVTRAIL_EVENT || !type || !event->words)
        return;
    if (type->kind != EVTRAIL_KIND_begin && type->kind != EVTRAIL_KIND_end)
        return;
    if (evtrail_schema_type_of(type)->scalars == 0) /* a span whose id is a string: not one */
        return;
    uint64_t who = evtrail_schema_type_of(type)->name_hash + event->source->number * UINT64_C(0xff51afd7ed558ccd);
    who |= 1;
    uint64_t id = event->payload[0];
    struct open_span *bucket = bucket_of(spans, who, id);
    if (type->kind == EVTRAIL_KIND_begin) {
        *place_for(spans, bucket, who, id) = (struct open_span){who, id, event->ticks, ++spans->begun};
        return;
    }
    struct open_span *begin = find(bucket, who, id);
    if (!begin)
        return;
    int64_t duration = evtrail_source_duration(event->source, (int64_t)(event->ticks - begin->ticks));
    event->duration = duration < 0 ? 0 : duration; /* two CPUs' counters may differ by a little */
    *begin = (struct open_span){0};
}
