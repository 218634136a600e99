/* SPDX-License-Identifier: ISC
 *
 * Numbers for names: those of event types, each with a tag (its kind). Never forgotten; long ones are cut, and told apart all the same.
 */
#ifndef EVTRAIL_TOP_NAMES_H
#define EVTRAIL_TOP_NAMES_H

#include "keep.h"

#define NAMES_NONE UINT32_MAX
#define NAME_BYTES 200u

struct name {
    const char *text;
    uint64_t hash;
};
struct names {
    struct keep *keep;
    struct name *entries;
    uint32_t *index; /* numbers + 1, by hash; twice size */
    uint32_t count, size;
};

void names_init(struct names *names, struct keep *keep);
void names_fini(struct names *names);
/* NAMES_NONE: not there, or no room. Numbers count from 0. */
uint32_t names_find(const struct names *names, const char *text, unsigned tag);
uint32_t names_number(struct names *names, const char *text, unsigned tag);

#endif /* EVTRAIL_TOP_NAMES_H */
