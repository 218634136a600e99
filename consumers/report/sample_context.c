/* SPDX-License-Identifier: ISC
 *
 * What an event has beside its fields, as text: CPU, caller, stack, labels.
 */
#include "sample.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <string.h>

enum { META_CPU = 2, META_CALLER = 4, META_STACK = 8 }; /* of event->meta */

struct line {
    char *bytes;
    size_t used, size;
};

static void add(struct line *line, const char *before, const char *text, size_t bytes)
{
    const size_t length = strlen(before);
    if (length + bytes >= line->size - line->used)
        return; /* it has no room; what is short may */
    memcpy(line->bytes + line->used, before, length);
    memcpy(line->bytes + line->used + length, text, bytes);
    line->used += length + bytes;
}

static void add_address(struct line *line, const char *before, const struct evtrail_event *event, uint64_t address)
{
    char name[256];
    const size_t bytes = evtrail_symbol_name(event->source, address, false, name, sizeof name);
    add(line, before, name, bytes < sizeof name ? bytes : sizeof name);
}

size_t sample_context(const struct evtrail_event *event, char *buffer, size_t size)
{
    struct line line = {.bytes = buffer, .size = size};
    char digits[16];
    if (event->meta & META_CPU)
        add(&line, " cpu=", digits, (size_t)snprintf(digits, sizeof digits, "%u", event->cpu));
    if (event->meta & META_CALLER)
        add_address(&line, " caller=", event, event->caller);
    for (uint32_t i = 0; (event->meta & META_STACK) && i < event->stack_count; i++)
        add_address(&line, i ? " < " : " stack=", event, event->stack[i]);
    for (unsigned i = 0; event->labels && i < 4; i++) {
        const struct evtrail_label *const label = &event->labels[i];
        if (!label->key[0])
            continue;
        add(&line, " label.", label->key, strnlen(label->key, sizeof label->key));
        add(&line, "=", label->value, strnlen(label->value, sizeof label->value));
    }
    return line.used;
}
