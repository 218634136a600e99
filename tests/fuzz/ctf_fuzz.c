/* SPDX-License-Identifier: ISC
 *
 * CTF as `evtrail import` reads it: whatever the metadata and a packet hold, parsing and reading stay in bounds and end. The first two bytes
 * say how long the metadata is; the packet is behind it.
 */
#include "../../consumers/convert/scratch.c"
#include "../../consumers/import/ctf_bits.c"
#include "../../consumers/import/import_types.c"
#include "../../consumers/import/tsdl.c"
#include "../../consumers/import/tsdl_words.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void types_free(struct import_trace *trace)
{
    for (uint32_t i = 0; i < trace->types_count; i++) {
        const struct evtrail_event_type *const type = trace->types[i];
        for (unsigned f = 0; type && f < type->fields_count; f++) {
            free((void *)type->fields[f].name);
            free((void *)type->fields[f].enums);
        }
        if (type) {
            free((void *)type->fields);
            free((void *)type->name);
        }
        free((void *)type);
    }
    free(trace->types);
    for (struct tsdl_stream *stream = trace->tsdl.streams; stream; stream = stream->next)
        for (struct tsdl_event *event = stream->events; event; event = event->next)
            free(event->owner);
}

/* What a plan says of an event's fields has to hold for the words that were made of it. */
static void check_words(const struct import *import, const struct import_plan *plan)
{
    const uint64_t *const words = (const uint64_t *)(const void *)import->words.bytes;
    size_t at = 0;
    const size_t end = import->words.used / 8;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (at >= end)
            abort();
        const bool memory = plan->types[i] == EVTRAIL_TYPE_string || plan->types[i] == EVTRAIL_TYPE_bytes;
        at += 1 + (memory ? (words[at] + 7) / 8 : 0);
    }
    if (at != end || import->words.used % 8)
        abort();
}

static void packet(struct import *import, struct import_trace *trace, const uint8_t *bytes, size_t size)
{
    struct ctf_known known = {0};
    struct ctf_bits bits = {.bytes = bytes, .end = size * 8};
    struct tsdl_stream *const stream = trace->tsdl.streams;
    if (trace->tsdl.packet_header)
        ctf_value(&bits, trace->tsdl.packet_header, NULL, &known, NULL);
    if (!stream)
        return;
    if (stream->packet_context)
        ctf_value(&bits, stream->packet_context, NULL, &known, NULL);
    const struct tsdl_event *event = stream->events;
    for (unsigned i = 0; event && i < 100 && !bits.failed; i++) {
        if (stream->event_header)
            ctf_value(&bits, stream->event_header, NULL, &known, NULL);
        if (event->owner && import_fields(import, &bits, stream, event, &known))
            check_words(import, event->owner);
        if (bits.at > bits.end)
            abort();
        event = event->next ? event->next : stream->events;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import import = {0};
    struct import_trace trace = {.path = ""};
    char why[300] = "";
    if (size < 2)
        return 0;
    const size_t given = data[0] | (size_t)data[1] << 8, most = size - 2;
    const size_t length = given < most ? given : most;
    /* Both exactly as long as they are, for the sanitizer. */
    char *const text = malloc(length + !length);
    uint8_t *const bytes = malloc(most - length + 1);
    memcpy(text, data + 2, length);
    memcpy(bytes, data + 2 + length, most - length);
    if (tsdl_parse(&trace.tsdl, text, length, why, sizeof why) == 0 && import_types(&import, &trace) == 0)
        packet(&import, &trace, bytes, most - length);
    types_free(&trace);
    tsdl_free(&trace.tsdl);
    scratch_fini(&import.text);
    scratch_fini(&import.words);
    scratch_fini(&import.tail);
    free(text);
    free(bytes);
    return 0;
}
