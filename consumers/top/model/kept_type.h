/* SPDX-License-Identifier: ISC
 *
 * Event types that outlive their process: what is needed to describe one and to format events of it. Fields and file names that several types have
 * are kept once. Long texts are cut.
 */
#ifndef EVTRAIL_TOP_KEPT_TYPE_H
#define EVTRAIL_TOP_KEPT_TYPE_H

#include "names.h"

#define KEPT_FIELDS_MAX 32u /* as EVTRAIL_FIELDS_MAX; what a lie has more is left out */

struct kept_type {
    const struct kept_type *next; /* another version of it; see kept_type_of() */
    const char *name, *doc, *file, *function;
    uint32_t line;
    uint8_t level, kind, fields_count;
    const struct evtrail_field *fields[];
};
struct kept_types {
    struct keep *keep;
    unsigned percent; /* of the part's budget that they may fill */
    struct kept_slot *slots;
    uint32_t size, used;
};

void kept_types_init(struct kept_types *types, struct keep *keep, unsigned percent);
void kept_types_fini(struct kept_types *types);
/* A copy with this name, which is its own as struct names has it. NULL: no room. */
const struct kept_type *kept_type_new(struct kept_types *types, const struct evtrail_event_type *type,
                                      const char *name);
/* The one of `list` (may be empty: NULL) that is this type, or a new one, added behind the others. NULL: no room, or there are many. */
const struct kept_type *kept_type_of(struct kept_types *types, const struct kept_type **list,
                                     const struct evtrail_event_type *type, const char *name);
bool kept_type_is(const struct kept_type *kept, const struct evtrail_event_type *type);
/* "id=7 host="a"": the fields from the `first` on, as snprintf() counts. */
size_t kept_fields_text(const struct kept_type *kept, const uint64_t *words, uint32_t count, unsigned first,
                        char *buffer, size_t size);
/* The same as a JSON object. */
struct output;
void kept_fields_json(const struct kept_type *kept, const uint64_t *words, uint32_t count, unsigned first,
                      struct output *out);

#endif /* EVTRAIL_TOP_KEPT_TYPE_H */
