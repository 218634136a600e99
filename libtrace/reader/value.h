/* SPDX-License-Identifier: ISC
 *
 * An event's fields one after the other, for who wants them all.
 */
#ifndef EVTRAIL_READER_VALUE_H
#define EVTRAIL_READER_VALUE_H

#include <evtrail/reader.h>

/* The field of type `type` (enum evtrail_field_type) at payload word *at, which goes to the next field. *at <= event->words before and
 * after; at the end the value is marked `cut`. */
void evtrail_value_take(const struct evtrail_event *event, unsigned type, uint32_t *at,
                        struct evtrail_value *ret_value);

#endif /* EVTRAIL_READER_VALUE_H */
