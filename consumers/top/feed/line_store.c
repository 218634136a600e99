/* SPDX-License-Identifier: ISC
 *
 * Kept events.
 */
#include "line_store.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 512u /* of payload and stack together: 4 KiB */
#define STACK_MAX 32u

static const struct evtrail_label no_labels[4];

void line_store_fini(struct line_store *store)
{
    for (size_t i = 0; store->lines && i < LINES_MAX; i++)
        free(store->lines[i].words);
    free(store->lines);
    *store = (struct line_store){0};
}

struct line *line_at(const struct line_store *store, size_t index)
{
    return &store->lines[(store->first + index) % LINES_MAX];
}

static bool make_room(struct line *line, size_t words)
{
    if (line->room >= words)
        return true;
    uint64_t *grown = realloc(line->words, words * sizeof *grown);
    if (!grown)
        return false;
    line->words = grown;
    line->room = words;
    return true;
}

static bool copy(struct line *line, const struct evtrail_event *event)
{
    const uint32_t stack = event->stack_count < STACK_MAX ? event->stack_count : STACK_MAX;
    const uint32_t words = event->words < WORDS_MAX - STACK_MAX ? event->words : WORDS_MAX - STACK_MAX;
    if (!make_room(line, words + stack))
        return false;
    line->event = *event;
    if (words)
        memcpy(line->words, event->payload, words * sizeof *line->words);
    if (stack)
        memcpy(line->words + words, event->stack, stack * sizeof *line->words);
    strncpy(line->thread_name, event->thread_name ? event->thread_name : "", sizeof line->thread_name - 1);
    line->event.payload = line->words;
    line->event.words = words;
    line->event.stack = stack ? line->words + words : NULL;
    line->event.stack_count = stack;
    line->event.thread_name = line->thread_name;
    const bool labels = event->labels && memcmp(event->labels, no_labels, sizeof no_labels) != 0;
    if (labels)
        memcpy(line->labels, event->labels, sizeof line->labels);
    line->event.labels = labels ? line->labels : no_labels;
    return true;
}

static bool ready(struct line_store *store)
{
    if (!store->lines)
        store->lines = calloc(LINES_MAX, sizeof *store->lines);
    return store->lines != NULL;
}

bool line_append(struct line_store *store, const struct evtrail_event *event)
{
    if (!ready(store))
        return false;
    if (store->count == LINES_MAX)
        line_drop_first(store, 1);
    if (!copy(line_at(store, store->count), event))
        return false;
    store->count++;
    return true;
}

/* Lines change places, with what they own. */
static void swap(struct line *a, struct line *b)
{
    const struct line kept = *a;
    *a = *b;
    *b = kept;
    a->event.thread_name = a->thread_name;
    if (a->event.labels != no_labels)
        a->event.labels = a->labels;
}

void line_prepend(struct line_store *store, struct line_store *older)
{
    while (older->count > 0 && store->count < LINES_MAX && ready(store)) {
        store->first = (store->first + LINES_MAX - 1) % LINES_MAX;
        swap(&store->lines[store->first], line_at(older, older->count - 1));
        store->count++;
        older->count--;
    }
}

void line_drop_last(struct line_store *store, size_t count)
{
    store->count -= count;
}

void line_drop_first(struct line_store *store, size_t count)
{
    store->first = (store->first + count) % LINES_MAX;
    store->count -= count;
}
