/* SPDX-License-Identifier: ISC
 *
 * An instrumented library that comes and goes; with EVTRAIL_STANDALONE one that links nothing.
 */
#ifdef EVTRAIL_STANDALONE
#include <evtrail/trace.h>
#else
#include <evtrail/evtrail.h>
#endif

#pragma GCC visibility push(default)
void plugin_emit(int n);
#pragma GCC visibility pop

void plugin_emit(int n)
{
    static const char text[600];
    for (int i = 0; i < n; i++) {
        EVTRAIL(info, "s.plugin", i);
        EVTRAIL(info, "s.plugin.large", evtrail_bytes(text, sizeof(text)), i);
    }
    (void)evtrail_span_id();
    EVTRAIL_AT(evtrail_now(), info, "s.plugin.at", n);
}
