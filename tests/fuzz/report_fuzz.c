/* SPDX-License-Identifier: ISC
 *
 * Reports: whatever the events say, and whenever, data for a page and figures come of them. The input is a list of events:
 * { u8 type, u8 time, u8 words, u8 thread, then i64 times (if the time's highest bit is set) or a step, then words }.
 */
#include "../../consumers/outbuf.h"
#include "../../consumers/report/report.h"
#include "../../consumers/skeleton.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint64_t lost_sum(const uint64_t lost[EVTRAIL_CAUSES_ALL])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += lost[i];
    return sum;
}

static const struct evtrail_field fields[] = {{"id", "", "", "", EVTRAIL_TYPE_u64, 0},
                                              {"parent", "ns", "", "", EVTRAIL_TYPE_u64, 0},
                                              {"state", "", "", "0=a,1=</b>", EVTRAIL_TYPE_enum, 0},
                                              {"text", "", "", "", EVTRAIL_TYPE_string, 0},
                                              {"bytes", "bytes", "", "", EVTRAIL_TYPE_bytes, 0},
                                              {"half", "", "", "", EVTRAIL_TYPE_f64, 0},
                                              {"name", "", "", "", EVTRAIL_TYPE_string, 0},
                                              {"small", "", "", "", EVTRAIL_TYPE_f32, 0}};

#define TYPE(kind_, name_, first, count) \
    { \
        .kind = kind_, .name = name_, .level = 1 + (first), .doc = "", .file = "", .function = "", \
        .fields = fields + (first), .fields_count = count \
    }
static const struct evtrail_event_type types[] = {
    TYPE(EVTRAIL_KIND_instant, "instant", 3, 5), TYPE(EVTRAIL_KIND_begin, "span", 0, 4),
    TYPE(EVTRAIL_KIND_end, "span", 0, 2),        TYPE(EVTRAIL_KIND_counter, "integer", 1, 2),
    TYPE(EVTRAIL_KIND_counter, "double", 5, 1),  TYPE(EVTRAIL_KIND_state, "entity", 0, 3),
    TYPE(EVTRAIL_KIND_name, "entity", 2, 2),     TYPE(EVTRAIL_KIND_gone, "entity", 0, 1),
    TYPE(EVTRAIL_KIND_state, "texts", 1, 3),     TYPE(EVTRAIL_KIND_flow, "</script>", 0, 0),
    TYPE(EVTRAIL_KIND_counter, "single", 7, 1),  TYPE(EVTRAIL_KIND_instant, "", 0, 8)};
enum { TYPES = sizeof types / sizeof *types, WORDS_MAX = 40 };

struct input {
    const uint8_t *at;
    size_t left;
};

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;
    bytes = bytes < input->left ? bytes : input->left;
    memcpy(&value, input->at, bytes);
    input->at += bytes;
    input->left -= bytes;
    return value;
}

static void feed(struct report *report, struct evtrail_source *source, struct input *input, int64_t *time)
{
    uint64_t words[WORDS_MAX] = {0};
    const unsigned type = (unsigned)take(input, 1), step = (unsigned)take(input, 1),
                   count = (unsigned)take(input, 1) % WORDS_MAX;
    const unsigned thread = (unsigned)take(input, 1);
    *time = step & 0x80 ? (int64_t)take(input, 8) : (int64_t)((uint64_t)*time + (UINT64_C(1) << (step & 63)));
    for (unsigned i = 0; i < count; i++)
        words[i] = take(input, (step >> 2 & 1) ? 8 : 1);
    struct evtrail_event event = {.what = type == 255   ? EVTRAIL_EVENT_LOST
                                          : type == 254 ? EVTRAIL_EVENT_SOURCE
                                                        : EVTRAIL_EVENT,
                                  .id = 16 + type % (TYPES + 1),
                                  .time = *time,
                                  .ticks = (uint64_t)*time,
                                  .source = source,
                                  .type = type % (TYPES + 1) < TYPES ? &types[type % (TYPES + 1)] : NULL,
                                  .tid = thread % 5,
                                  .thread_name = thread & 16 ? "<b>" : "",
                                  .payload = words,
                                  .words = count,
                                  .duration = -1,
                                  .lost = words[0],
                                  .cause = (uint32_t)words[1] % (EVTRAIL_CAUSES_ALL + 1),
                                  .lost_since = (int64_t)words[2]};
    if (event.type && event.type->kind == EVTRAIL_KIND_end && (thread & 64))
        event.duration = (int64_t)(words[1] >> 1);
    report_event(report, &event);
}

static void write_all(struct report *report)
{
    static const char *const figures[] = {NULL, "span", "integer", "double", "entity", "texts"};
    struct output out;
    if (output_init(&out, open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0)
        abort();
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        report_svg(&out, report, figures[i]);
    for (unsigned i = 0; i < 2; i++) {
        struct blob data = {0};
        report_write(report, &data);
        if (data.failed)
            abort();
        blob_fini(&data);
        report_shrink(report);
    }
    const int fd = out.fd;
    output_fini(&out);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct evtrail_event_type *by_id[16 + TYPES] = {NULL};
    struct evtrail_source source = {.session_id = 7,
                                    .command = "</title>",
                                    .program = "\xff",
                                    .host = "",
                                    .boot_id = "",
                                    .types = by_id,
                                    .types_count = 16 + TYPES,
                                    .clock = {.kind = 1, .hz = 1000000000}};
    struct input input = {data, size};
    const struct report_limits limits = {.slices = 20, .events = 600};
    struct report report;
    int64_t time = 0;
    for (unsigned i = 0; i < TYPES; i++)
        by_id[16 + i] = &types[i];
    if (report_init(&report, &limits) < 0)
        abort();
    while (input.left > 0)
        feed(&report, &source, &input, &time);
    report_end(&report);
    if (report.out_of_memory)
        abort();
    write_all(&report);
    report_fini(&report);
    return 0;
}
