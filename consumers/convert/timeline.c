/* SPDX-License-Identifier: ISC
 *
 * Processes, threads and open spans of a trace that goes by.
 */
#include "timeline.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define BUCKETS 65536u
#define THREADS_MAX 65536u
#define SPANS_MAX 262144u
#define SPANS_BYTES_MAX (64u << 20)
#define ROOT_TYPES_MAX 64u    /* names of spans that are tried for a parent in another thread */
#define PID_BEYOND (1u << 22) /* Linux has no pid beyond it */

struct timeline {
    const struct timeline_ops *ops;
    struct timeline_process *processes; /* by number */
    uint32_t processes_count;
    uint32_t pid_next;
    struct timeline_thread *threads[BUCKETS];
    uint32_t threads_count;
    struct timeline_span *spans[BUCKETS];
    uint32_t spans_count;
    size_t spans_bytes;
    uint64_t flows[BUCKETS]; /* seen lately */
    int64_t part_begin;
    bool part_begun;
    struct scratch made;
};

uint64_t timeline_hash(uint64_t a, uint64_t b)
{
    uint64_t hash = (a ^ b * UINT64_C(0xff51afd7ed558ccd)) + UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

uint64_t timeline_hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

size_t timeline_provider(const char *name)
{
    return strcspn(name, ".");
}

int timeline_new(struct timeline **ret_timeline, const struct timeline_ops *ops)
{
    struct timeline *const timeline = calloc(1, sizeof *timeline);
    if (!timeline)
        return -ENOMEM;
    timeline->ops = ops;
    timeline->pid_next = PID_BEYOND + 1;
    *ret_timeline = timeline;
    return 0;
}

void timeline_free(struct timeline *timeline)
{
    if (!timeline)
        return;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct timeline_span *span = timeline->spans[i], *next; span; span = next) {
            next = span->next;
            free(span);
        }
        for (struct timeline_thread *thread = timeline->threads[i], *next; thread; thread = next) {
            next = thread->next;
            free(thread);
        }
    }
    scratch_fini(&timeline->made);
    free(timeline->processes);
    free(timeline);
}

/* ---- processes and threads ---------------------------------------------------------------------------------------------- */

static bool pid_taken(const struct timeline *timeline, uint32_t pid)
{
    for (uint32_t i = 0; i < timeline->processes_count; i++)
        if (timeline->processes[i].source && timeline->processes[i].pid == pid)
            return true;
    return false;
}

const struct timeline_process *timeline_process_of(const struct timeline *timeline, uint32_t number)
{
    return &timeline->processes[number];
}

static struct timeline_process *process_of(struct timeline *timeline, const struct evtrail_source *source)
{
    if (source->number >= timeline->processes_count) {
        const uint32_t count = source->number + 16;
        struct timeline_process *const more = realloc(timeline->processes, count * sizeof *more);
        if (!more)
            return NULL;
        memset(more + timeline->processes_count, 0, (count - timeline->processes_count) * sizeof *more);
        timeline->processes = more;
        timeline->processes_count = count;
    }
    struct timeline_process *const process = &timeline->processes[source->number];
    if (!process->source)
        *process = (struct timeline_process){
            .number = source->number, .pid = pid_taken(timeline, source->pid) ? timeline->pid_next++ : source->pid};
    process->source = source;
    return process;
}

/* Threads without open spans are forgotten; they are named again when they come back. */
static void threads_sweep(struct timeline *timeline)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct timeline_thread **at = &timeline->threads[i]; *at;) {
            struct timeline_thread *const thread = *at;
            if (thread->top) {
                at = &thread->next;
                continue;
            }
            *at = thread->next;
            free(thread);
            timeline->threads_count--;
        }
    }
}

static struct timeline_thread *thread_of(struct timeline *timeline, uint32_t process, uint32_t tid)
{
    const uint32_t bucket = (uint32_t)timeline_hash(tid, process) & (BUCKETS - 1);
    for (struct timeline_thread *thread = timeline->threads[bucket]; thread; thread = thread->next)
        if (thread->tid == tid && thread->process == process)
            return thread;
    if (timeline->threads_count >= THREADS_MAX)
        threads_sweep(timeline);
    struct timeline_thread *const thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    *thread = (struct timeline_thread){.next = timeline->threads[bucket], .process = process, .tid = tid};
    timeline->threads[bucket] = thread;
    timeline->threads_count++;
    return thread;
}

/* Names what the output does not know yet, in this part. */
static int announce(struct timeline *timeline, struct convert *convert, struct timeline_process *process,
                    struct timeline_thread *thread, const char *name)
{
    int r = 0;
    if (process->part != convert->part && timeline->ops->process)
        r = timeline->ops->process(convert, process);
    process->part = convert->part;
    if (r < 0 || !thread || (thread->part == convert->part && (!name || strncmp(thread->name, name, 16) == 0)))
        return r;
    thread->part = convert->part;
    if (name) {
        memcpy(thread->name, name, strnlen(name, 16));
        thread->name[strnlen(name, 16)] = '\0';
    }
    return timeline->ops->thread ? timeline->ops->thread(convert, process, thread) : 0;
}

/* ---- spans -------------------------------------------------------------------------------------------------------------- */

static uint32_t span_bucket(uint32_t process, uint64_t name, uint64_t id)
{
    return (uint32_t)timeline_hash(id, name + process) & (BUCKETS - 1);
}

static struct timeline_span *span_find(const struct timeline *timeline, uint32_t process, uint64_t name, uint64_t id)
{
    struct timeline_span *span = timeline->spans[span_bucket(process, name, id)];
    while (span && (span->id != id || span->name != name || span->process != process))
        span = span->next;
    return span;
}

static void span_remove(struct timeline *timeline, struct timeline_span *span)
{
    struct timeline_span **at = &timeline->spans[span_bucket(span->process, span->name, span->id)];
    while (*at != span)
        at = &(*at)->next;
    *at = span->next;
    if (span->above)
        span->above->below = span->below;
    else
        span->thread->top = span->below;
    if (span->below)
        span->below->above = span->above;
    timeline->spans_count--;
    timeline->spans_bytes -= sizeof *span + span->args_bytes;
    free(span);
}

static int span_put(struct timeline *timeline, struct convert *convert, struct timeline_span *span,
                    enum timeline_end how, int64_t end, const struct scratch *end_args)
{
    static const struct scratch none;
    const struct timeline_process *const process = &timeline->processes[span->process];
    const int64_t from = span->begin < timeline->part_begin ? timeline->part_begin : span->begin;
    const int r = announce(timeline, convert, &timeline->processes[span->process], span->thread, NULL);
    if (r < 0 || !timeline->ops->span)
        return r;
    return timeline->ops->span(convert, process, span, how, from, end < from ? from : end, end_args ? end_args : &none);
}

/* Its end will not come, or it cannot be told from another's. */
static int span_drop(struct timeline *timeline, struct convert *convert, struct timeline_span *span)
{
    convert->unfinished++;
    const int r = span_put(timeline, convert, span, SPAN_unended, convert->time, NULL);
    span_remove(timeline, span);
    return r;
}

static bool span_id(const struct evtrail_event *event, unsigned field, uint64_t *ret_id)
{
    struct evtrail_value value;
    if (evtrail_event_value(event, field, &value) < 0 || value.cut || value.type == EVTRAIL_TYPE_string ||
        value.type == EVTRAIL_TYPE_bytes)
        return false;
    *ret_id = value.u;
    return true;
}

/* The parent is most often the span around it; else it may have any name that spans of this process have. */
static uint64_t root_of(const struct timeline *timeline, const struct timeline_span *span,
                        const struct evtrail_source *source)
{
    if (span->parent == 0)
        return span->id;
    for (const struct timeline_span *outer = span->below; outer; outer = outer->below)
        if (outer->id == span->parent)
            return outer->root;
    for (uint32_t id = 0, tried = 0; id < source->types_count && tried < ROOT_TYPES_MAX; id++) {
        const struct evtrail_event_type *const type = source->types[id];
        if (!type || type->kind != EVTRAIL_KIND_begin)
            continue;
        const struct timeline_span *const parent =
            span_find(timeline, source->number, timeline_hash_text(type->name), span->parent);
        tried++;
        if (parent)
            return parent->root;
    }
    return span->parent;
}

static int span_begin(struct timeline *timeline, struct convert *convert, struct timeline_thread *thread,
                      const struct evtrail_event *event, uint64_t id)
{
    const uint64_t name = timeline_hash_text(event->type->name);
    const uint32_t process = event->source->number;
    struct timeline_span *span = span_find(timeline, process, name, id);
    int r = span ? span_drop(timeline, convert, span) : 0;
    timeline->made.used = 0;
    timeline->ops->args(convert, &timeline->made, event, 0);
    const size_t bytes = sizeof *span + timeline->made.used;
    if (timeline->spans_count >= SPANS_MAX || timeline->spans_bytes + bytes > SPANS_BYTES_MAX) {
        convert->held_back++;
        return r < 0 || !timeline->ops->point ? r : timeline->ops->point(convert, &timeline->processes[process], event);
    }
    span = timeline->made.failed ? NULL : malloc(bytes);
    if (!span)
        return -ENOMEM;
    *span = (struct timeline_span){.below = thread->top, .thread = thread, .type = event->type, .name = name, .id = id};
    span_id(event, 1, &span->parent);
    span->root = root_of(timeline, span, event->source);
    span->begin = event->time;
    span->process = process;
    span->args_bytes = (uint32_t)timeline->made.used;
    if (span->args_bytes)
        memcpy(span->args, timeline->made.bytes, span->args_bytes);
    struct timeline_span **const bucket = &timeline->spans[span_bucket(process, name, id)];
    span->next = *bucket;
    *bucket = span;
    if (thread->top)
        thread->top->above = span;
    thread->top = span;
    timeline->spans_count++;
    timeline->spans_bytes += bytes;
    return r;
}

/* A span that began in the same moment as the one around it would be taken for the outer one by viewers that go by time and the order in
 * the file, in which inner spans come first: it counts as crossing. */
static bool span_nests(const struct timeline_span *span, const struct timeline_thread *thread)
{
    return span->thread == thread && thread->top == span && (!span->below || span->below->begin != span->begin);
}

static int span_end(struct timeline *timeline, struct convert *convert, struct timeline_thread *thread,
                    const struct evtrail_event *event, uint64_t id)
{
    const uint32_t process = event->source->number;
    struct timeline_span *const span = span_find(timeline, process, timeline_hash_text(event->type->name), id);
    if (!span) {
        convert->orphans++;
        return timeline->ops->point ? timeline->ops->point(convert, &timeline->processes[process], event) : 0;
    }
    timeline->made.used = 0;
    timeline->ops->args(convert, &timeline->made, event, 1);
    if (timeline->made.failed)
        return -ENOMEM;
    const int r = span_put(timeline, convert, span, span_nests(span, thread) ? SPAN_nests : SPAN_crosses, event->time,
                           &timeline->made);
    if (span->below && event->time > span->begin)
        span->below->inner_ns += event->time - span->begin;
    span_remove(timeline, span);
    return r;
}

/* ---- ends --------------------------------------------------------------------------------------------------------------- */

/* Those of a thread, oldest first. */
static int thread_spans(struct timeline *timeline, struct convert *convert, struct timeline_thread *thread, bool last)
{
    struct timeline_span *span = thread->top;
    int r = 0;
    while (span && span->below)
        span = span->below;
    for (struct timeline_span *above; span && r == 0; span = above) {
        above = span->above;
        r = last ? span_drop(timeline, convert, span)
                 : span_put(timeline, convert, span, SPAN_goes_on, convert->time, NULL);
    }
    return r;
}

int timeline_part_end(struct timeline *timeline, struct convert *convert, bool last)
{
    int r = 0;
    for (uint32_t i = 0; i < BUCKETS && r == 0; i++)
        for (struct timeline_thread *thread = timeline->threads[i]; thread && r == 0; thread = thread->next)
            r = thread_spans(timeline, convert, thread, last);
    timeline->part_begin = convert->time;
    return r;
}

/* A process has ended, and so have its spans: their types may go with it. */
static int source_end(struct timeline *timeline, struct convert *convert, struct timeline_process *process,
                      int64_t time)
{
    int r = 0;
    for (uint32_t i = 0; i < BUCKETS && r == 0; i++)
        for (struct timeline_thread *thread = timeline->threads[i]; thread && r == 0; thread = thread->next)
            if (thread->process == process->number)
                r = thread_spans(timeline, convert, thread, true);
    return r < 0 || !timeline->ops->ended ? r : timeline->ops->ended(convert, process, time);
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static bool is_number(const struct evtrail_value *value)
{
    switch (value->type) {
    case EVTRAIL_TYPE_string:
    case EVTRAIL_TYPE_bytes:
        return false;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        return !value->cut && isfinite(value->f);
    default:
        return !value->cut;
    }
}

static int flow(struct timeline *timeline, struct convert *convert, const struct timeline_process *process,
                const struct evtrail_event *event, uint64_t id)
{
    const uint64_t hash = timeline_hash(id, timeline_hash_text(event->type->name) + process->number);
    uint64_t *const seen = &timeline->flows[hash & (BUCKETS - 1)];
    const bool first = *seen != hash;
    *seen = hash;
    return timeline->ops->flow(convert, process, event, hash, first);
}

static int event_by_kind(struct timeline *timeline, struct convert *convert, struct timeline_process *process,
                         struct timeline_thread *thread, const struct evtrail_event *event)
{
    const unsigned kind = event->type ? event->type->kind : EVTRAIL_KIND_instant;
    struct evtrail_value value;
    uint64_t id;
    if (kind == EVTRAIL_KIND_begin && span_id(event, 0, &id))
        return span_begin(timeline, convert, thread, event, id);
    if (kind == EVTRAIL_KIND_end && span_id(event, 0, &id))
        return span_end(timeline, convert, thread, event, id);
    if (kind == EVTRAIL_KIND_counter && timeline->ops->counter && evtrail_event_value(event, 0, &value) == 0 &&
        is_number(&value))
        return timeline->ops->counter(convert, process, event, &value);
    if (kind == EVTRAIL_KIND_flow && timeline->ops->flow && span_id(event, 0, &id))
        return flow(timeline, convert, process, event, id);
    return timeline->ops->point ? timeline->ops->point(convert, process, event) : 0;
}

int timeline_event(struct timeline *timeline, struct convert *convert, const struct evtrail_event *event)
{
    struct timeline_process *const process = process_of(timeline, event->source);
    const bool of_thread = event->what != EVTRAIL_EVENT_SOURCE;
    struct timeline_thread *const thread =
        process && of_thread ? thread_of(timeline, process->number, event->tid) : NULL;
    if (!process || (of_thread && !thread))
        return -ENOMEM;
    if (!timeline->part_begun)
        timeline->part_begin = INT64_MIN;
    timeline->part_begun = true;
    const int r =
        announce(timeline, convert, process, thread, of_thread && event->thread_name ? event->thread_name : NULL);
    if (r < 0)
        return r;
    if (event->what == EVTRAIL_EVENT_SOURCE)
        return event->source->gone ? source_end(timeline, convert, process, event->time) : 0;
    if (event->what == EVTRAIL_EVENT)
        return event_by_kind(timeline, convert, process, thread, event);
    if (event->cause < EVTRAIL_CAUSES_ALL)
        process->lost[event->cause] += event->lost;
    return timeline->ops->lost ? timeline->ops->lost(convert, process, event) : 0;
}

/* ---- values -------------------------------------------------------------------------------------------------------------- */

bool timeline_number(const struct evtrail_value *value, double *ret_real, uint64_t *ret_integer)
{
    switch (value->type) {
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        *ret_real = value->f;
        return true;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
    case EVTRAIL_TYPE_enum:
        *ret_integer = (uint64_t)value->i;
        return false;
    default:
        *ret_real = (double)value->u;
        *ret_integer = value->u;
        return value->u > INT64_MAX;
    }
}
