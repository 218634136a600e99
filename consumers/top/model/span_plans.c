/* SPDX-License-Identifier: ISC
 *
 * Plans of spans, by process.
 */
#include "span_plans.h"

#include <stdlib.h>
#include <string.h>

void span_plans_fini(struct span_plans *plans)
{
    free(plans->lists);
    *plans = (struct span_plans){0};
}

static struct span_plan_link **list_of(struct span_plans *plans, const struct open_spans *open, uint32_t number)
{
    if (number >= plans->lists_count) {
        const uint32_t count = open->sources_count;
        const size_t bytes = (count - plans->lists_count) * sizeof *plans->lists;
        struct span_plan_link **const lists =
            part_has_room(open->part, bytes, 100) ? realloc(plans->lists, count * sizeof *lists) : NULL;
        if (!lists)
            return NULL;
        memset(lists + plans->lists_count, 0, bytes);
        open->part->used_bytes += bytes;
        plans->lists = lists;
        plans->lists_count = count;
    }
    return &plans->lists[number];
}

void *span_plans_new(struct span_plans *plans, const struct open_spans *open, struct keep *keep, uint32_t number,
                     size_t bytes)
{
    struct span_plan_link **const list = number != OPEN_NONE ? list_of(plans, open, number) : NULL;
    struct span_plan_link *link = list ? plans->unused : NULL;
    if (link)
        plans->unused = link->next;
    else if (list)
        link = keep_new(keep, bytes, 100);
    if (!link)
        return NULL;
    link->next = *list;
    *list = link;
    return link;
}

void span_plans_gone(struct span_plans *plans, const struct open_spans *open, uint64_t key)
{
    const struct idtable_entry *const entry = idtable_find(&open->source_numbers, 1, key ? key : 1);
    if (!entry || entry->state >= plans->lists_count)
        return;
    struct span_plan_link **const list = &plans->lists[entry->state];
    while (*list) {
        struct span_plan_link *const link = *list;
        *list = link->next;
        link->next = plans->unused;
        plans->unused = link;
    }
}
