/* SPDX-License-Identifier: ISC
 *
 * OCaml's rings: whatever their words are, reading ends. The input: u8 flags, then { u16 word, u64 value } that are changed in a ring made by hand, up
 * to 64 of them; with flag 16 the rest of the input is the words of the first ring instead.
 */
#include "unit/ocaml_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE_BYTES = 10, CHANGES_MAX = 64, CALLS_MAX = 200000, NAMES = 26 };

static struct ocaml_builder builder;
static uint64_t *intact;
static size_t head_bytes; /* all but the names */

static void build(void)
{
    static const char *const names[NAMES] = {"eio.create_fiber",
                                             "eio.create_cc",
                                             "eio.create_obj",
                                             "eio.name",
                                             "eio.error",
                                             "eio.log",
                                             "eio.enter_span",
                                             "eio.exit_span",
                                             "eio.suspend_fiber",
                                             "eio.get",
                                             "eio.try_get",
                                             "eio.put",
                                             "eio.fiber",
                                             "eio.exit_fiber",
                                             "eio.domain_spawn",
                                             "eio.exit_cc",
                                             "eio.suspend_domain",
                                             "lwt-trace",
                                             "trace.span.enter",
                                             "trace.span.exit",
                                             "trace.metric.int",
                                             "trace.metric.float",
                                             "my.event",
                                             "a b\n",
                                             "evtrail.fields 22 0 0 port:u16 state:enum::0=idle",
                                             "evtrail.fields 22 0 2 host:string"};
    /* as libtrace/ocaml/payload.c makes it: 443, 1, "abc" */
    static const uint8_t payload[16 + 9 + 9 + 8] = {
        1,          0,        4,         3,        7,         0,        0,          0,   5,  [16] = 7,
        [17] = 187, [18] = 1, [25] = 19, [26] = 1, [34] = 17, [35] = 3, [39] = 'a', 'b', 'c'};
    const uint64_t cc = 2;
    ocaml_builder_init(&builder, 8);
    for (unsigned i = 0; i < NAMES; i++)
        ocaml_name(&builder, i, names[i]);
    for (unsigned ring = 0; ring < OCAML_DOMAINS; ring++) {
        ocaml_item(&builder, ring, false, 1, 0, &cc, 1);
        ocaml_custom_id(&builder, ring, 1, 2, "\x03", 1);
        ocaml_custom_id(&builder, ring, 0, 1, &cc, 8);
        ocaml_int(&builder, ring, 12, 1);
        ocaml_custom_id(&builder, ring, 2, 3, "\x13", 1);
        ocaml_int(&builder, ring, 9, 3);
        ocaml_custom(&builder, ring, 6, "readv", 5);
        ocaml_item(&builder, ring, true, 0, 7, NULL, 0);
        ocaml_custom_id(&builder, ring, 4, 2, "Failure", 7);
        ocaml_custom(&builder, ring, 8, "sleep", 5);
        ocaml_item(&builder, ring, false, 2, 11, NULL, 0);
        ocaml_custom(&builder, ring, 17, "B\x03job\x01\x02\x04m.ml", 12);
        ocaml_item(&builder, ring, false, 3, 11, NULL, 0);
        ocaml_custom(&builder, ring, 22, "anything", 8);
        ocaml_custom(&builder, ring, 22, payload, sizeof(payload));
    }
    head_bytes = builder.names;
    intact = malloc(head_bytes);
    memcpy(intact, builder.data, head_bytes);
}

static void clean_up(void)
{
    ocaml_builder_fini(&builder);
    free(intact);
}

static void read_through(uint8_t flags)
{
    struct evtrail_reader_options options = {
        .bytes = sizeof(options), .from_now = flags & 2, .spans = flags & 4, .ocaml_version = flags & 1 ? "5.1" : NULL};
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
        if (flags & 8)
            evtrail_reader_next_chunk(reader, &chunk);
        else if (evtrail_reader_next(reader, &event) > 0)
            for (unsigned i = 0; evtrail_event_value(event, i, &value) >= 0; i++)
                ;
    }
    evtrail_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!intact) {
        build();
        atexit(clean_up);
    }
    if (size == 0)
        return 0;
    memcpy(builder.data, intact, head_bytes);
    const uint8_t flags = data[0];
    const uint8_t *at = data + 1;
    size_t left = size - 1;
    if (flags & 16) {
        const size_t bytes = left < builder.elements * 8 ? left / 8 * 8 : builder.elements * 8;
        memcpy(ocaml_ring_data(&builder, 0), at, bytes);
        ocaml_ring_header(&builder, 0)[1] = bytes / 8;
    } else {
        for (unsigned i = 0; i < CHANGES_MAX && left >= CHANGE_BYTES; i++, at += CHANGE_BYTES, left -= CHANGE_BYTES) {
            const size_t word = (size_t)(at[0] | at[1] << 8) % (head_bytes / 8);
            memcpy(&builder.data[word], at + 2, 8);
        }
    }
    read_through(flags);
    return 0;
}
