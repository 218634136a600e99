/* SPDX-License-Identifier: ISC
 *
 * Sessions: whatever their words are, reading ends. The input is how to read and up to 64 changes to a session that is
 * laid out by hand: u8 flags, then { u8 part, u8 word, u64 value }.
 */
#include "unit/session_builder.h"

#include <evtrail/reader.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE_BYTES = 10, CHANGES_MAX = 64, CALLS_MAX = 20000 };

static struct builder builder;
static uint8_t *intact;

static void build(void)
{
    uint64_t label[5] = {1, 3, 0, 4, 0}, meta[2] = {EVTRAIL_META_CPU, 3};
    builder_init(&builder);
    for (uint32_t ring = 0; ring < BUILDER_RINGS; ring++) {
        builder_events(&builder, ring, BUILDER_BLOCK_WORDS);
        builder_lose(&builder, ring, EVTRAIL_LOST_FULL);
        builder_record(&builder, ring, EVTRAIL_RECORD_LABEL, label, 5);
        builder_record(&builder, ring, EVTRAIL_RECORD_META, meta, 2);
        builder_events(&builder, ring, 20);
    }
    intact = malloc(BUILDER_FILE_BYTES);
    memcpy(intact, builder.data, BUILDER_FILE_BYTES);
}

static void clean_up(void)
{
    builder_fini(&builder);
    free(intact);
}

static uint64_t *word_of(uint8_t part, uint8_t word)
{
    uint32_t ring = part >> 2 & 1;
    switch (part & 3) {
    case 0:
        return (uint64_t *)(void *)builder.data + word % 127;
    case 1:
        return (uint64_t *)(void *)builder_ring_header(&builder, ring) + word % 32;
    case 2:
        return (uint64_t *)(void *)builder_slot(&builder, ring, part >> 3) + word;
    default:
        return (uint64_t *)(void *)(builder.data + BUILDER_META_OFFSET) + word % 16;
    }
}

static void read_through(uint8_t flags)
{
    struct evtrail_reader_options options = {
        .bytes = sizeof(options), .snapshot = !(flags & 1), .from_now = flags & 2, .spans = flags & 4};
    struct evtrail_reader *reader;
    struct evtrail_chunk *chunk;
    struct evtrail_event *event;
    struct evtrail_value value;
    if (evtrail_reader_new(&reader, &options) < 0)
        abort();
    int result = evtrail_reader_add_path(reader, builder.path);
    for (unsigned calls = 0; result >= 0 && !evtrail_reader_done(reader); calls++) {
        if (calls > CALLS_MAX) /* it does not end */
            abort();
        if (flags & 8 ? evtrail_reader_next_chunk(reader, &chunk) == 0 : evtrail_reader_next(reader, &event) == 0)
            evtrail_reader_wait(reader, 1000);
        else if (!(flags & 8))
            evtrail_event_value(event, 0, &value);
    }
    evtrail_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct evtrail_session *session;
    struct evtrail_session_info info;
    uint64_t *changed[CHANGES_MAX];
    unsigned count = 0;
    if (!intact) {
        build();
        atexit(clean_up);
    }
    for (size_t at = 1; at + CHANGE_BYTES <= size && count < CHANGES_MAX; at += CHANGE_BYTES) {
        changed[count] = word_of(data[at], data[at + 1]);
        memcpy(changed[count++], data + at + 2, 8);
    }
    read_through(size ? data[0] : 0);
    if (evtrail_session_open(&session, builder.path, NULL) >= 0) {
        evtrail_session_info(session, &info);
        evtrail_session_close(session);
    }
    while (count-- > 0)
        memcpy(changed[count], intact + ((uint8_t *)changed[count] - builder.data), 8);
    return 0;
}
