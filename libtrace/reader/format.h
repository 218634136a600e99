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

/* The enums text of a field may be long, and an event may have 32 of them: only so much is searched. */
#define EVTRAIL_ENUM_SEARCH_BYTES 4096

#endif /* EVTRAIL_READER_FORMAT_H */
