/* SPDX-License-Identifier: ISC
 *
 * What the text and the JSON form of events share.
 */
#ifndef EVTRAIL_READER_FORMAT_H
#define EVTRAIL_READER_FORMAT_H

#include <evtrail/format.h>

#include "layout.h"
#include "reader/text.h"

void evtrail_format_put_time(struct evtrail_text *text, int64_t time_ns, uint32_t style, int64_t time_base);
/* The value as in text; `max`: most bytes of a string, 0 for all. */
void evtrail_format_put_value(struct evtrail_text *text, const struct evtrail_value *value,
                              const struct evtrail_field *field, bool human, uint32_t max);

static inline bool evtrail_format_has_labels(const struct evtrail_event *event)
{
    bool any = false;
    for (unsigned i = 0; event->labels && i < EVTRAIL_LABELS_MAX; i++)
        any |= event->labels[i].key[0] != 0;
    return any;
}

/* The caller's options as this library knows them: `room` is for those of a caller built with an older header (or NULL). */
static inline const struct evtrail_format_options *evtrail_format_options_of(const struct evtrail_format_options *given,
                                                                             struct evtrail_format_options *room)
{
    if (given && (given->bytes == 0 || given->bytes >= sizeof(*given)))
        return given;
    *room = (struct evtrail_format_options){0};
    if (given)
        memcpy(room, given, given->bytes);
    return room;
}

/* The enums text of a field may be long, and an event may have 32 of them: only so much is searched. */
#define EVTRAIL_ENUM_SEARCH_BYTES 4096

#endif /* EVTRAIL_READER_FORMAT_H */
