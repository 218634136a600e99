/* SPDX-License-Identifier: ISC
 * A library with trace points and no dependency: it has its own copy of trace.h. */
#define EVTRAIL_STANDALONE
#include "trace.h"

int parts_make(int count);

int parts_make(int count)
{
    const uint64_t span = evtrail_span_id();
    EVTRAIL_BEGIN(info, "parts.make", span, 0, count);
    for (int i = 0; i < count; i++)
        EVTRAIL(info, "parts.made", i, EVTRAIL_AS(kind, i % 2 ? "bolt" : "nut"));
    EVTRAIL_END(info, "parts.make", span);
    return count;
}
