/* SPDX-License-Identifier: ISC
 *
 * JSON lines: what `evtrail cat --json` prints, into a file.
 */
#include "convert.h"

#include <evtrail/format.h>

#include <errno.h>

static int line(struct convert *convert, const struct evtrail_event *event)
{
    const struct evtrail_format_options options = {
        .bytes = sizeof options, .symbols = true, .host = convert->consumer->hosts};
    struct scratch *const scratch = &convert->line;
    size_t room = 4096;
    for (;;) {
        char *const text = scratch_room(scratch, room);
        if (!text)
            return -ENOMEM;
        const size_t bytes = evtrail_format_json(event, &options, text, room);
        if (bytes <= room) {
            scratch->used += bytes;
            return convert_line(convert);
        }
        room = bytes;
    }
}

const struct convert_format format_jsonl = {
    .name = "jsonl", .suffixes = ".jsonl .ndjson ", .parts = true, .durations = true, .event = line};
