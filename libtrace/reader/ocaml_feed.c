/* SPDX-License-Identifier: ISC
 *
 * The queue of copied words of each ring.
 */
#include "reader/ocaml_feed.h"

#include "reader/clock_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPARE_MAX = 16 };
#define FRESH_NS 2000000u

static void lock(const struct evtrail_ocaml_feed *feed)
{
    if (feed->pump)
        pthread_mutex_lock(&feed->pump->lock);
}

static void unlock(const struct evtrail_ocaml_feed *feed)
{
    if (feed->pump)
        pthread_mutex_unlock(&feed->pump->lock);
}

/* ---- segments ---- */

static struct evtrail_ocaml_segment *segment_new(struct evtrail_ocaml_pump *pump)
{
    struct evtrail_ocaml_segment *segment = pump->spare;
    const size_t bytes = sizeof(*segment) + EVTRAIL_OCAML_SEGMENT_WORDS * sizeof(uint64_t);
    if (segment) {
        pump->spare = segment->next;
        pump->spare_count--;
    } else {
        segment = malloc(bytes);
    }
    if (segment) {
        segment->next = NULL;
        segment->copy = (struct evtrail_ocaml_copy){.words = segment->words};
        segment->taken = 0;
        pump->held_bytes += EVTRAIL_OCAML_SEGMENT_WORDS * sizeof(uint64_t);
    }
    return segment;
}

static void segment_drop(struct evtrail_ocaml_pump *pump, struct evtrail_ocaml_segment *segment)
{
    pump->held_bytes -= EVTRAIL_OCAML_SEGMENT_WORDS * sizeof(uint64_t);
    if (pump->spare_count == SPARE_MAX) {
        free(segment);
        return;
    }
    segment->next = pump->spare;
    pump->spare = segment;
    pump->spare_count++;
}

static void append(struct evtrail_ocaml_feed *feed, struct evtrail_ocaml_queue *queue,
                   struct evtrail_ocaml_segment *segment)
{
    feed->queued++;
    if (queue->last)
        queue->last->next = segment;
    else
        queue->first = segment;
    queue->last = segment;
}

/* ---- copying ---- */

/* Which program wrote what was copied: each ring shows for itself that it was taken over, unless it went round. begun: whether anything was in it
 * before. */
static void note_program(struct evtrail_ocaml_feed *feed, struct evtrail_ocaml_queue *queue,
                         struct evtrail_ocaml_segment *segment, bool begun)
{
    if (segment->copy.anew && queue->program == feed->program)
        feed->program++;
    if (segment->copy.anew || segment->copy.lost || !begun)
        queue->program = feed->program;
    segment->program = queue->program;
}

/* Behind the words of the last segment, if an item of any length fits there. */
static bool copy_behind(struct evtrail_ocaml_feed *feed, struct evtrail_ocaml_queue *queue)
{
    struct evtrail_ocaml_segment *const last = queue->last;
    struct evtrail_ocaml_copy copy = {.words = last->words + last->copy.count,
                                      .room = EVTRAIL_OCAML_SEGMENT_WORDS - last->copy.count};
    const uint64_t before = queue->ring.at;
    const bool begun = queue->ring.begun;
    if (!evtrail_ocaml_ring_copy(&queue->ring, feed->map, &copy))
        return false;
    queue->ring.at = copy.next;
    if (!copy.lost && !copy.impossible && !copy.anew) {
        last->copy.count += copy.count;
        last->copy.next = copy.next;
        last->copy.behind = copy.behind;
        return true;
    }
    const bool room = feed->pump->held_bytes < 2 * feed->pump->most_bytes;
    struct evtrail_ocaml_segment *const segment = room ? segment_new(feed->pump) : NULL;
    if (!segment) { /* no room: all of it is lost, as will be seen when there is */
        queue->ring.at = copy.anew ? 0 : copy.at - copy.lost;
        return false;
    }
    memcpy(segment->words, copy.words, copy.count * sizeof(uint64_t));
    copy.words = segment->words;
    segment->copy = copy;
    segment->before = before;
    note_program(feed, queue, segment, begun);
    append(feed, queue, segment);
    return true;
}

static bool copy_apart(struct evtrail_ocaml_feed *feed, struct evtrail_ocaml_queue *queue)
{
    struct evtrail_ocaml_segment *const segment = segment_new(feed->pump);
    if (!segment)
        return false;
    segment->copy.room = EVTRAIL_OCAML_SEGMENT_WORDS;
    segment->before = queue->ring.at;
    const bool begun = queue->ring.begun;
    if (!evtrail_ocaml_ring_copy(&queue->ring, feed->map, &segment->copy)) {
        segment_drop(feed->pump, segment);
        return false;
    }
    queue->ring.at = segment->copy.next;
    note_program(feed, queue, segment, begun);
    append(feed, queue, segment);
    return true;
}

/* One segment's worth. False: there is nothing, or no room. A ring that has none is let beyond the bound, up to twice that. */
static bool copy_some(struct evtrail_ocaml_feed *feed, uint32_t index)
{
    const struct evtrail_ocaml_pump *const pump = feed->pump;
    struct evtrail_ocaml_queue *const queue = &feed->queues[index];
    const struct evtrail_ocaml_segment *const last = queue->last;
    if (!evtrail_ocaml_ring_has(&feed->queues[index].ring, feed->map))
        return false;
    if (last && !last->copy.behind && EVTRAIL_OCAML_SEGMENT_WORDS - last->copy.count > EVTRAIL_OCAML_ITEM_WORDS_MAX)
        return copy_behind(feed, queue);
    return pump->held_bytes < (last ? 1 : 2) * pump->most_bytes && copy_apart(feed, queue);
}

void evtrail_ocaml_feed_copy(struct evtrail_ocaml_feed *feed)
{
    const uint64_t now = evtrail_monotonic_now(); /* before: what is younger may be left */
    const uint64_t most = feed->map->elements / EVTRAIL_OCAML_SEGMENT_WORDS + 2; /* a writer may be as fast as we are */
    for (uint32_t i = 0; i < feed->map->domains; i++)
        for (uint64_t turn = 0; turn < most && copy_some(feed, i); turn++)
            ;
    if (feed->pump->held_bytes < feed->pump->most_bytes)
        /* P1 (release): what is older was queued before; pairs with P2. */
        atomic_store_explicit(&feed->copied_ns, now, memory_order_release);
}

/* A reader that is taken off its processor while it holds the lock would keep the pump from its work. */
uint64_t evtrail_ocaml_feed_fill(struct evtrail_ocaml_feed *feed, bool now)
{
    const uint64_t time = evtrail_monotonic_now();
    if (!feed->pump)
        return time;
    /* P2 (acquire): pairs with P1. */
    const uint64_t copied = atomic_load_explicit(&feed->copied_ns, memory_order_acquire);
    if (!now && time - copied < FRESH_NS)
        return copied;
    lock(feed);
    evtrail_ocaml_feed_copy(feed);
    unlock(feed);
    return time;
}

/* ---- the reader ---- */

bool evtrail_ocaml_feed_has(struct evtrail_ocaml_feed *feed, uint32_t index)
{
    if (!feed->pump)
        return evtrail_ocaml_ring_has(&feed->queues[index].ring, feed->map);
    lock(feed);
    const struct evtrail_ocaml_segment *const first = feed->queues[index].first;
    const bool has = first && (first->next || first->taken < first->copy.count || first->copy.lost ||
                               first->copy.impossible || first->copy.anew);
    unlock(feed);
    return has;
}

bool evtrail_ocaml_feed_any(struct evtrail_ocaml_feed *feed, bool look)
{
    lock(feed);
    bool any = feed->queued != 0;
    for (uint32_t i = 0; look && !any && i < feed->map->domains; i++)
        any = evtrail_ocaml_ring_has(&feed->queues[i].ring, feed->map);
    unlock(feed);
    return any;
}

uint64_t evtrail_ocaml_feed_waiting(struct evtrail_ocaml_feed *feed)
{
    uint64_t most = 0;
    lock(feed);
    for (uint32_t i = 0; i < feed->map->domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(feed->map, i, &head, &tail);
        const uint64_t at = feed->queues[i].ring.at;
        most = tail > at && tail - at > most ? tail - at : most;
    }
    unlock(feed);
    return most;
}

struct evtrail_ocaml_segment *evtrail_ocaml_feed_peek(struct evtrail_ocaml_feed *feed, uint32_t index,
                                                      struct evtrail_ocaml_copy *ret_copy)
{
    lock(feed);
    struct evtrail_ocaml_segment *const first = feed->queues[index].first;
    if (first)
        *ret_copy = first->copy, first->replaced = first->program != feed->program;
    if (first) /* told by the caller */
        first->copy.lost = 0, first->copy.impossible = first->copy.anew = false;
    unlock(feed);
    return first;
}

uint64_t evtrail_ocaml_feed_take(struct evtrail_ocaml_feed *feed, uint32_t index, size_t taken)
{
    uint64_t behind = 0;
    lock(feed);
    struct evtrail_ocaml_queue *const queue = &feed->queues[index];
    struct evtrail_ocaml_segment *const first = queue->first;
    first->taken = taken;
    if (taken == first->copy.count) {
        behind = first->copy.behind;
        queue->first = first->next;
        queue->last = queue->first ? queue->last : NULL;
        segment_drop(feed->pump, first);
        feed->queued--;
    }
    unlock(feed);
    return behind;
}

/* ---- begin, end ---- */

int evtrail_ocaml_feed_init(struct evtrail_ocaml_feed *feed, struct evtrail_ocaml_pump *pump,
                            const struct evtrail_ocaml_map *map, uint32_t pid, uint64_t patience_ns)
{
    *feed = (struct evtrail_ocaml_feed){.map = map, .patience_ns = patience_ns, .activity.pid = pid};
    feed->queues = calloc(map->domains, sizeof(*feed->queues));
    for (uint32_t i = 0; feed->queues && i < map->domains; i++)
        feed->queues[i].ring.index = i;
    feed->pump = pump;
    return feed->queues ? 0 : -ENOMEM;
}

void evtrail_ocaml_feed_begin(struct evtrail_ocaml_feed *feed)
{
    struct evtrail_ocaml_pump *const pump = feed->pump;
    if (!pump)
        return;
    lock(feed);
    feed->next = pump->feeds;
    pump->feeds = feed;
    unlock(feed);
    evtrail_ocaml_pump_stir(pump);
}

static void leave_pump(struct evtrail_ocaml_feed *feed)
{
    struct evtrail_ocaml_pump *const pump = feed->pump;
    for (struct evtrail_ocaml_feed **at = &pump->feeds; *at; at = &(*at)->next)
        if (*at == feed) {
            *at = feed->next;
            break;
        }
    for (uint32_t i = 0; feed->queues && i < feed->map->domains; i++)
        for (struct evtrail_ocaml_segment *segment; (segment = feed->queues[i].first) != NULL;) {
            feed->queues[i].first = segment->next;
            segment_drop(pump, segment);
        }
}

void evtrail_ocaml_feed_fini(struct evtrail_ocaml_feed *feed)
{
    lock(feed);
    if (feed->pump)
        leave_pump(feed);
    evtrail_activity_disarm(&feed->activity);
    unlock(feed);
    free(feed->activity.threads);
    free(feed->queues);
    *feed = (struct evtrail_ocaml_feed){0};
}
