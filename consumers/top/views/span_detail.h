/* SPDX-License-Identifier: ISC
 *
 * One span's details as JSON, for the view of all spans.
 */
#ifndef EVTRAIL_TOP_SPAN_DETAIL_H
#define EVTRAIL_TOP_SPAN_DETAIL_H

#include "../model/spans.h"
#include "outbuf.h"

/* {"name", "histogram": [{"from_ns", "to_ns", "count"}], "slowest": [...], "open": [...]} */
int span_json(const struct part *part, const struct span_row *row, struct output *out);

#endif /* EVTRAIL_TOP_SPAN_DETAIL_H */
