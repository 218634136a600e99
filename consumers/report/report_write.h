/* SPDX-License-Identifier: ISC
 *
 * What the files that write a report's data share.
 */
#ifndef EVTRAIL_CONSUMERS_REPORT_WRITE_H
#define EVTRAIL_CONSUMERS_REPORT_WRITE_H

#include "report.h"

struct writing {
    struct report *report;
    struct blob json, columns;
    uint32_t buckets; /* of the axis that are used */
};
/* Members of the object that is open in the JSON text: each begins with a comma. */
void write_text(struct writing *writing, const char *key, const char *text);
void write_column(struct writing *writing, const char *key, const uint64_t *values, size_t count, bool delta);
void write_slices(struct writing *writing, const char *key, struct slices *slices);
void write_sample(struct writing *writing);

#endif /* EVTRAIL_CONSUMERS_REPORT_WRITE_H */
