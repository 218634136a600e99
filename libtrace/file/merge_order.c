/* SPDX-License-Identifier: ISC
 *
 * The order of a merge. Time alone does not do: batches of different rings overlap, so that a file's next batch may be
 * later than one of another file, and a batch of that one's ring come behind it. What a ring had is told by how many
 * events were before each batch, so all headers are read once before the merge begins.
 */
#include "file/merge_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct entry {
    uint64_t session_id;
    uint64_t events_before, lost;
    uint32_t pid, ring, origin, number; /* of the batch in its origin */
    uint32_t first;                     /* the ring's first entry */
    uint32_t next;                      /* of a ring's first entry: the first that was not taken */
    bool taken;
};
struct origin_order {
    uint32_t *places; /* of its batches in entries[] */
    uint32_t count, next;
};
struct evtrail_merge_order {
    struct entry *entries;
    uint32_t count, room;
    struct origin_order *origins;
    uint32_t origins_count;
};

static int add(struct evtrail_merge_order *order, uint32_t origin, uint32_t number, const struct evtrail_chunk *chunk)
{
    if (order->count == order->room) {
        const uint32_t room = order->room ? order->room * 2 : 256;
        struct entry *grown = room > order->room ? realloc(order->entries, (size_t)room * sizeof(*grown)) : NULL;
        if (!grown)
            return -ENOMEM;
        order->entries = grown;
        order->room = room;
    }
    struct entry *entry = &order->entries[order->count++];
    *entry = (struct entry){.session_id = chunk->source->session_id,
                            .pid = chunk->source->pid,
                            .ring = chunk->ring,
                            .events_before = chunk->events_before,
                            .origin = origin,
                            .number = number};
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        entry->lost += chunk->lost_before[cause];
    return 0;
}

/* What is damaged is told by the merge itself. */
static int survey(struct evtrail_merge_order *order, uint32_t origin, const char *path,
                  const struct evtrail_file_cursor_options *options)
{
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    struct stat status;
    if (stat(path, &status) == 0 ? !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) : !strcmp(path, "-"))
        return 0;
    int r = evtrail_file_cursor_open(&cursor, path, options, NULL);
    if (r < 0)
        return r;
    uint32_t number = 0;
    while ((r = evtrail_file_cursor_next(cursor, &batch)) == 1 || r == -EBADMSG)
        if (r == 1 && add(order, origin, number++, &batch->chunk) < 0) {
            r = -ENOMEM;
            break;
        }
    order->origins[origin].count = number;
    evtrail_file_cursor_close(cursor);
    return r;
}

static int compare_rings(const struct entry *a, const struct entry *b)
{
    if (a->session_id != b->session_id)
        return a->session_id < b->session_id ? -1 : 1;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return a->ring < b->ring ? -1 : a->ring > b->ring;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    const int rings = compare_rings(a, b);
    if (rings)
        return rings;
    if (a->events_before != b->events_before)
        return a->events_before < b->events_before ? -1 : 1;
    if (a->lost != b->lost)
        return a->lost < b->lost ? -1 : 1;
    if (a->origin != b->origin)
        return a->origin < b->origin ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int arrange(struct evtrail_merge_order *order)
{
    if (order->count)
        qsort(order->entries, order->count, sizeof(*order->entries), compare);
    for (uint32_t i = 0; i < order->origins_count; i++) {
        struct origin_order *origin = &order->origins[i];
        origin->places = calloc(origin->count + 1, sizeof(*origin->places));
        if (!origin->places)
            return -ENOMEM;
    }
    uint32_t first = 0;
    for (uint32_t i = 0; i < order->count; i++) {
        struct entry *entry = &order->entries[i];
        if (compare_rings(entry, &order->entries[first]))
            first = i;
        entry->first = entry->next = first;
        order->origins[entry->origin].places[entry->number] = i;
    }
    return 0;
}

int evtrail_merge_order_new(struct evtrail_merge_order **ret_order, const char *const *paths, uint32_t paths_count,
                            const struct evtrail_file_cursor_options *options)
{
    struct evtrail_merge_order *order = calloc(1, sizeof(*order));
    if (!order)
        return -ENOMEM;
    order->origins_count = paths_count;
    order->origins = calloc(paths_count, sizeof(*order->origins));
    int r = order->origins ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < paths_count && r == 0 && paths_count > 1; i++)
        r = survey(order, i, paths[i], options);
    if (r == 0)
        r = arrange(order);
    if (r < 0) {
        evtrail_merge_order_free(order);
        return r;
    }
    *ret_order = order;
    return 0;
}

void evtrail_merge_order_free(struct evtrail_merge_order *order)
{
    if (!order)
        return;
    for (uint32_t i = 0; order->origins && i < order->origins_count; i++)
        free(order->origins[i].places);
    free(order->origins);
    free(order->entries);
    free(order);
}

/* The entry of an origin's next batch; NULL: nothing is known of it. */
static struct entry *next_of(const struct evtrail_merge_order *order, uint32_t number)
{
    const struct origin_order *origin = &order->origins[number];
    return origin->next < origin->count ? &order->entries[origin->places[origin->next]] : NULL;
}

bool evtrail_merge_order_due(const struct evtrail_merge_order *order, uint32_t origin)
{
    const struct entry *entry = next_of(order, origin);
    return !entry || &order->entries[order->entries[entry->first].next] == entry;
}

void evtrail_merge_order_take(struct evtrail_merge_order *order, uint32_t origin)
{
    struct entry *entry = next_of(order, origin);
    if (!entry)
        return;
    struct entry *first = &order->entries[entry->first];
    entry->taken = true;
    order->origins[origin].next++;
    while (first->next < order->count && order->entries[first->next].first == entry->first &&
           order->entries[first->next].taken)
        first->next++;
}
