/* SPDX-License-Identifier: ISC
 *
 * The figures as a person or a program reads them: text, JSON, and evtrail's page of the trace with them.
 */
#ifndef EVPOOL_STRESS_REPORT_H
#define EVPOOL_STRESS_REPORT_H

#include "model.h"

#include <stdio.h>

/* A figure computed from the events beside the pool's own. */
struct agreement_line {
    const char *name;
    uint64_t events, pool;
};
struct agreement {
    unsigned count, differ;
    struct agreement_line lines[96];
};
struct report {
    const struct model *model;
    const struct agreement *agreement; /* NULL: the trace is all there is */
    const char *trace;                 /* its file; NULL: it was not kept */
};

void report_text(FILE *out, const struct report *report);
void report_json(FILE *out, const struct report *report);
/* By evtrail report, beside this program or in $PATH. Says why it fails: a negative errno. */
int page_write(const char *path, const struct report *report, const char *trace);
/* One line: is all well? */
bool report_well(const struct report *report);
void report_verdict(const struct report *report, char *text, size_t bytes);

/* ---- report_write.c: how values are written ---- */

enum unit { UNIT_count, UNIT_bytes, UNIT_ns, UNIT_rate, UNIT_byte_rate, UNIT_seconds, UNIT_percent };
struct text {
    char s[48];
};
struct text text_count(uint64_t count);           /* 1,234,567 */
struct text text_value(double value, enum unit unit); /* three digits and a prefix: 1.23 ms, 45.6 k/s */
struct text text_percent(uint64_t part, uint64_t whole);
/* With its quotes; `<`, `>` and `&` as \u003c, so that no markup can begin or end in it. Bytes that are not UTF-8 become U+FFFD. */
void write_json(FILE *out, const char *text);

#endif /* EVPOOL_STRESS_REPORT_H */
