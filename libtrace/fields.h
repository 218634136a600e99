/* SPDX-License-Identifier: ISC
 *
 * The fields of a trace point, whether a catalogue spells them out or the macro's argument text implies them.
 */
#ifndef EVTRAIL_FIELDS_H
#define EVTRAIL_FIELDS_H

#include "internal.h"

struct evtrail_text {
    const char *start;
    size_t bytes;
};
struct evtrail_field_text {
    uint8_t type;
    struct evtrail_text name, unit, doc, enums;
    char made_up[16]; /* a name for an argument that has none, or a second of the same name */
};

/* Returns the number of fields (<= EVTRAIL_FIELDS_MAX), or -EINVAL. */
int evtrail_fields_of(const struct evtrail_point *point, struct evtrail_field_text *ret_fields);

#endif
