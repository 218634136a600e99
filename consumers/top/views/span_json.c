/* SPDX-License-Identifier: ISC
 *
 * One span's details as JSON.
 */
#include "span_detail.h"

#include <inttypes.h>

#define OPEN_IN_JSON 20u

static void histogram_json(const struct span_row *row, struct output *out)
{
    const char *separator = "";
    output_text(out, ",\"histogram\":[");
    for (unsigned octave = 0; octave < 64; octave++) {
        const uint64_t count = spans_octave(row, octave);
        if (count == 0)
            continue;
        const uint64_t low = octave ? UINT64_C(1) << octave : 0;
        output_print(out, "%s{\"from_ns\":%" PRIu64 ",\"to_ns\":%" PRIu64 ",\"count\":%" PRIu64 "}", separator, low,
                     octave ? low + (low - 1) : 1, count);
        separator = ",";
    }
    output_text(out, "]");
}

static void fields_json(const char *name, const struct span_fields *fields, unsigned first, struct output *out)
{
    output_print(out, ",\"%s\":", name);
    if (fields && fields->type)
        kept_fields_json(fields->type, fields->payload, fields->words, first, out);
    else
        output_text(out, "null");
}

static void put_host(const struct part *part, uint32_t number, struct output *out)
{
    const struct host_list *const hosts = &part->model->hosts;
    output_text(out, ",\"host\":");
    output_json_text(out, number < hosts->count ? hosts->list[number].name : "");
}

static void slow_json(const struct part *part, const struct slow_span *slow, struct output *out)
{
    output_print(out, "{\"duration_ns\":%" PRIu64 ",\"end_ns\":%" PRId64 ",\"id\":%" PRIu64 ",\"pid\":%u,\"tid\":%u",
                 slow->duration_ns, slow->end_ns, slow->id, slow->pid, slow->tid);
    put_host(part, slow->host, out);
    output_text(out, ",\"process\":");
    output_json_text(out, slow->command);
    output_text(out, ",\"thread\":");
    output_json_text(out, slow->thread);
    output_text(out, ",\"labels\":");
    output_json_text(out, slow->labels);
    fields_json("begin", &slow->begin, 1, out);
    fields_json("end", &slow->end, 1, out);
    output_text(out, "}");
}

static void open_json(const struct part *part, const struct open_view *open, struct output *out)
{
    const int64_t now_ns = part->model->now_ns;
    output_print(
        out, "{\"age_ns\":%" PRId64 ",\"begin_ns\":%" PRId64 ",\"id\":%" PRIu64 ",\"pid\":%u,\"tid\":%u,\"ended\":%s",
        now_ns > open->begin_ns ? now_ns - open->begin_ns : 0, open->begin_ns, open->id, open->pid, open->tid,
        open->gone ? "true" : "false");
    put_host(part, open->host, out);
    fields_json("begin", open->begin, 1, out);
    output_text(out, "}");
}

int span_json(const struct part *part, const struct span_row *row, struct output *out)
{
    struct open_view open[OPEN_IN_JSON];
    output_text(out, "{\"name\":");
    output_json_text(out, row->name);
    histogram_json(row, out);
    output_text(out, ",\"slowest\":[");
    for (unsigned i = 0; i < row->slowest_count; i++) {
        output_text(out, i ? "," : "");
        slow_json(part, &row->slowest[i], out);
    }
    output_text(out, "],\"open\":[");
    const size_t count = spans_open(part, row, open, OPEN_IN_JSON);
    for (size_t i = 0; i < count; i++) {
        output_text(out, i ? "," : "");
        open_json(part, &open[i], out);
    }
    return output_text(out, "]}");
}
