/* SPDX-License-Identifier: ISC
 *
 * Folded stacks, for flame graphs: for each chain of spans inside spans, one line with the ns spent in the innermost alone.
 */
#include "timeline.h"

#include <errno.h>
#include <stdlib.h>

#define STACKS_BYTES_MAX (64u << 20)
#define DEPTH_MAX 500u

struct stack {
    uint64_t hash;
    uint64_t self_ns;
    uint32_t bytes;
    char path[];
};
struct folded {
    struct timeline *timeline;
    struct stack **stacks; /* open addressing */
    size_t size, used, bytes;
    struct scratch path;
};

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

static bool same(const struct stack *stack, uint64_t hash, const struct scratch *path)
{
    return stack->hash == hash && stack->bytes == path->used && memcmp(stack->path, path->bytes, path->used) == 0;
}

static struct stack **place(struct stack **stacks, size_t size, uint64_t hash, const struct scratch *path)
{
    size_t i = hash & (size - 1);
    while (stacks[i] && !same(stacks[i], hash, path))
        i = (i + 1) & (size - 1);
    return &stacks[i];
}

static int grow(struct folded *folded)
{
    const size_t size = folded->size ? folded->size * 2 : 1024;
    struct stack **const stacks = calloc(size, sizeof *stacks);
    if (!stacks)
        return -ENOMEM;
    for (size_t i = 0; i < folded->size; i++) {
        size_t at = folded->stacks[i] ? folded->stacks[i]->hash & (size - 1) : 0;
        while (folded->stacks[i] && stacks[at])
            at = (at + 1) & (size - 1);
        if (folded->stacks[i])
            stacks[at] = folded->stacks[i];
    }
    free(folded->stacks);
    folded->stacks = stacks;
    folded->size = size;
    return 0;
}

static uint64_t hash_of(const struct scratch *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < path->used; i++)
        hash = (hash ^ (unsigned char)path->bytes[i]) * UINT64_C(0x100000001b3);
    return timeline_hash(hash, path->used);
}

/* *ret_added: false if there is no room for another. */
static int add(struct folded *folded, uint64_t self_ns, bool *ret_added)
{
    const struct scratch *const path = &folded->path;
    *ret_added = true;
    if (path->failed || (folded->used >= folded->size / 4 * 3 && grow(folded) < 0))
        return -ENOMEM;
    const uint64_t hash = hash_of(path);
    struct stack **const at = place(folded->stacks, folded->size, hash, path);
    if (*at) {
        (*at)->self_ns += self_ns;
        return 0;
    }
    if (folded->bytes + path->used > STACKS_BYTES_MAX) {
        *ret_added = false;
        return 0;
    }
    *at = malloc(sizeof **at + path->used);
    if (!*at)
        return -ENOMEM;
    **at = (struct stack){.hash = hash, .self_ns = self_ns, .bytes = (uint32_t)path->used};
    memcpy((*at)->path, path->bytes, path->used);
    folded->used++;
    folded->bytes += sizeof **at + path->used;
    return 0;
}

/* ---- spans ------------------------------------------------------------------------------------------------------------------ */

/* A frame, without what separates frames and lines. */
static void frame(struct scratch *path, const char *name)
{
    const size_t begin = path->used;
    scratch_utf8(path, name, strlen(name), true);
    for (size_t i = begin; i < path->used; i++) {
        if (path->bytes[i] == ';')
            path->bytes[i] = ':';
        else if ((unsigned char)path->bytes[i] < ' ')
            path->bytes[i] = ' ';
    }
}

static void frames(struct scratch *path, const struct timeline_span *span, unsigned depth)
{
    if (span->below && depth < DEPTH_MAX)
        frames(path, span->below, depth + 1);
    scratch_char(path, ';');
    frame(path, span->type->name);
}

static int put_span(struct convert *convert, const struct timeline_process *process, const struct timeline_span *span,
                    enum timeline_end how, int64_t from, int64_t to, const struct scratch *end_args)
{
    struct folded *const folded = convert->state;
    struct scratch *const path = &folded->path;
    const int64_t self = to - from - span->inner_ns;
    bool added;
    (void)end_args;
    if (how == SPAN_unended)
        return 0;
    path->used = 0;
    if (convert->consumer->hosts) {
        frame(path, process->source->host);
        scratch_char(path, '/');
    }
    frame(path, process->source->command);
    scratch_char(path, ';');
    frame(path, span->thread->name);
    frames(path, span, 0);
    const int r = add(folded, self > 0 ? (uint64_t)self : 0, &added);
    convert->dropped += !added;
    return r;
}

static void no_args(struct convert *convert, struct scratch *scratch, const struct evtrail_event *event, unsigned first)
{
    (void)convert;
    (void)scratch;
    (void)event;
    (void)first;
}

static int left_out(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    (void)process;
    (void)event;
    convert->dropped++;
    return 0;
}

static const struct timeline_ops ops = {.args = no_args, .span = put_span, .point = left_out};

/* ---- the format ------------------------------------------------------------------------------------------------------------- */

static int folded_open(struct convert *convert)
{
    struct folded *const folded = calloc(1, sizeof *folded);
    convert->state = folded;
    return folded ? timeline_new(&folded->timeline, &ops) : -ENOMEM;
}

static int folded_event(struct convert *convert, const struct evtrail_event *event)
{
    const struct folded *const folded = convert->state;
    return timeline_event(folded->timeline, convert, event);
}

static int by_path(const void *a, const void *b)
{
    const struct stack *const x = *(struct stack *const *)a, *const y = *(struct stack *const *)b;
    const int r = memcmp(x->path, y->path, x->bytes < y->bytes ? x->bytes : y->bytes);
    return r ? r : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int folded_end(struct convert *convert)
{
    struct folded *const folded = convert->state;
    int r = timeline_part_end(folded->timeline, convert, true);
    size_t count = 0;
    for (size_t i = 0; i < folded->size; i++)
        if (folded->stacks[i])
            folded->stacks[count++] = folded->stacks[i];
    for (size_t i = count; i < folded->size; i++)
        folded->stacks[i] = NULL;
    if (count > 0)
        qsort(folded->stacks, count, sizeof *folded->stacks, by_path);
    for (size_t i = 0; i < count && r == 0; i++) {
        scratch_bytes(&convert->line, folded->stacks[i]->path, folded->stacks[i]->bytes);
        scratch_char(&convert->line, ' ');
        scratch_unsigned(&convert->line, folded->stacks[i]->self_ns);
        scratch_char(&convert->line, '\n');
        r = convert_line(convert);
    }
    return r;
}

static void folded_free(struct convert *convert)
{
    struct folded *const folded = convert->state;
    if (!folded)
        return;
    for (size_t i = 0; i < folded->size; i++)
        free(folded->stacks[i]);
    free(folded->stacks);
    timeline_free(folded->timeline);
    scratch_fini(&folded->path);
    free(folded);
}

const struct convert_format format_folded = {.name = "folded",
                                             .suffixes = ".folded ",
                                             .open = folded_open,
                                             .event = folded_event,
                                             .end = folded_end,
                                             .free = folded_free};
