/* SPDX-License-Identifier: ISC
 *
 * The parts of the page, and the texts that are built in.
 */
#ifndef EVPOOL_STRESS_PAGE_H
#define EVPOOL_STRESS_PAGE_H

#include "chart.h"

/* page.css and page.js, as bytes with a NUL after them. */
extern const char page_css[], page_js[];

/* page_charts.c: each writes what there is to show, or nothing. -ENOMEM. */
int page_load_charts(FILE *out, const struct model *model);
int page_latency_charts(FILE *out, const struct model *model);
int page_connection_charts(FILE *out, const struct model *model);
int page_waiting_charts(FILE *out, const struct model *model);
int page_loop_charts(FILE *out, const struct model *model);
int page_error_charts(FILE *out, const struct model *model);

/* page_tables.c */
void page_tiles(FILE *out, const struct report *report);
void page_latency_table(FILE *out, const struct model *model);
int page_address_table(FILE *out, const struct model *model);
void page_counts_tables(FILE *out, const struct model *model);
void page_stories(FILE *out, const struct model *model);
void page_provenance(FILE *out, const struct report *report);

#endif /* EVPOOL_STRESS_PAGE_H */
