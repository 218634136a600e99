/* SPDX-License-Identifier: ISC
 *
 * Trace points in C++: overloads, enums, and a template that makes one trace point several times.
 */
#include "emit_cxx.h"

extern "C" void emit_cxx(void);

enum class colour : short { red = -1 };

extern "C" void emit_cxx(void)
{
    bool flag = true;
    int number = -7;
    const char *text = "text";
    double real = 0.5;
    void *pointer = &real;
    EVTRAIL(info, "cxx.event", flag, number, text, real, pointer);
    passed(1);
    passed(2u);
    passed("three");
    passed(4.0);
    passed_inline(1);
}
