/* SPDX-License-Identifier: ISC
 *
 * The second file that passes the trace points of emit_cxx.h.
 */
#include "emit_cxx.h"

extern "C" void emit_cxx2(void);
extern "C" void emit_cxx_new(void);

extern "C" void emit_cxx2(void)
{
    passed(1);
    passed_inline(2);
}

/* Passed by several threads at once for the first time. */
extern "C" void emit_cxx_new(void)
{
    EVTRAIL(info, "cxx.new");
}

extern "C" void emit_cxx_never(int value);
extern "C" void emit_cxx_never(int value)
{
    auto inner = [](auto x) { EVTRAIL(info, "cxx.never", x); };
    inner(value);
}
