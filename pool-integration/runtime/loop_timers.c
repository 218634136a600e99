/* SPDX-License-Identifier: ISC
 *
 * Timers: a 4-ary heap of (deadline, timer), in which each timer knows its place, so that moving and stopping need no search. Four
 * children a node halve the depth of two, and lie in one cache line.
 */
#include "loop_internal.h"
#include "loop_trace.h"

#include <errno.h>
#include <stdlib.h>

enum { CHILDREN = 4, HEAP_FIRST = 64 };

static void put(struct evloop *loop, size_t place, struct loop_timer_entry entry)
{
    loop->heap[place] = entry;
    entry.timer->place = place + 1;
}

static void sift_up(struct evloop *loop, size_t place, struct loop_timer_entry entry)
{
    while (place > 0) {
        const size_t parent = (place - 1) / CHILDREN;
        if (loop->heap[parent].deadline_ns <= entry.deadline_ns)
            break;
        put(loop, place, loop->heap[parent]);
        place = parent;
    }
    put(loop, place, entry);
}

/* The child that fires first, or `count` where there is none. */
static size_t first_child(const struct evloop *loop, size_t place)
{
    const size_t count = loop->figures.timers;
    const size_t begin = place * CHILDREN + 1;
    const size_t end = begin + CHILDREN < count ? begin + CHILDREN : count;
    if (begin >= count)
        return count;
    size_t first = begin;
    for (size_t child = begin + 1; child < end; child++)
        if (loop->heap[child].deadline_ns < loop->heap[first].deadline_ns)
            first = child;
    return first;
}

static void sift_down(struct evloop *loop, size_t place, struct loop_timer_entry entry)
{
    for (;;) {
        const size_t child = first_child(loop, place);
        if (child >= loop->figures.timers || loop->heap[child].deadline_ns >= entry.deadline_ns)
            break;
        put(loop, place, loop->heap[child]);
        place = child;
    }
    put(loop, place, entry);
}

static void sift(struct evloop *loop, size_t place, struct loop_timer_entry entry)
{
    if (place > 0 && loop->heap[(place - 1) / CHILDREN].deadline_ns > entry.deadline_ns)
        sift_up(loop, place, entry);
    else
        sift_down(loop, place, entry);
}

static int grow(struct evloop *loop)
{
    if (loop->figures.timers < loop->heap_room)
        return 0;
    const size_t room = loop->heap_room ? loop->heap_room * 2 : HEAP_FIRST;
    struct loop_timer_entry *heap = realloc(loop->heap, room * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    loop->heap = heap;
    loop->heap_room = room;
    return 0;
}

int evloop_timer_start(struct evloop *loop, struct evloop_timer *timer, uint64_t deadline_ns,
                       void (*call)(struct evloop_timer *timer))
{
    if (loop->closing)
        return -ESHUTDOWN;
    if (!timer->place && grow(loop) < 0)
        return -ENOMEM;
    /* What a timer's callback arms is for the next iteration, or a timer that is always late would keep this one for ever. */
    const uint64_t key = deadline_ns > loop->firing_until_ns ? deadline_ns : loop->firing_until_ns + 1;
    const struct loop_timer_entry entry = {key, timer};
    timer->call = call;
    timer->deadline_ns = deadline_ns;
    if (timer->place)
        sift(loop, timer->place - 1, entry);
    else
        sift_up(loop, loop->figures.timers++, entry);
    loop_trace_timer_armed(timer, deadline_ns > loop->now_ns ? deadline_ns - loop->now_ns : 0);
    return 0;
}

void evloop_timer_stop(struct evloop *loop, struct evloop_timer *timer)
{
    if (!timer->place)
        return;
    const size_t place = timer->place - 1;
    const struct loop_timer_entry last = loop->heap[--loop->figures.timers];
    timer->place = 0;
    if (last.timer != timer)
        sift(loop, place, last);
}

int evloop_timer_armed(const struct evloop_timer *timer)
{
    return timer->place != 0;
}

/* From the clock of the iteration that ends: its callbacks have taken time since, by which we would be late, so it is read again by
 * the caller before it sleeps. */
uint64_t loop_timers_wait_ns(const struct evloop *loop, uint64_t at_most_ns)
{
    if (!loop->figures.timers)
        return at_most_ns;
    const uint64_t first = loop->heap[0].deadline_ns;
    const uint64_t wait = first > loop->now_ns ? first - loop->now_ns : 0;
    return wait < at_most_ns ? wait : at_most_ns;
}

unsigned loop_timers_call(struct evloop *loop)
{
    unsigned calls = 0;
    loop->firing_until_ns = loop->now_ns;
    while (loop->figures.timers && loop->heap[0].deadline_ns <= loop->firing_until_ns) {
        struct evloop_timer *timer = loop->heap[0].timer;
        evloop_timer_stop(loop, timer);
        loop_trace_timer_fired(timer, loop->now_ns - timer->deadline_ns);
        loop->figures.timers_fired++;
        calls++;
        timer->call(timer);
    }
    loop->firing_until_ns = 0;
    return calls;
}

void loop_timers_drop(struct evloop *loop)
{
    for (unsigned i = 0; i < loop->figures.timers; i++)
        loop->heap[i].timer->place = 0;
    loop->figures.timers = 0;
    free(loop->heap);
    loop->heap = NULL;
    loop->heap_room = 0;
}
