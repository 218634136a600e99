/* SPDX-License-Identifier: ISC
 *
 * A trace point in an inline function and one in a template, which two C++ files share.
 */
#ifndef EVTRAIL_TESTS_EMIT_CXX_H
#define EVTRAIL_TESTS_EMIT_CXX_H

#include <evtrail/evtrail.h>

template <typename T> void passed(T value)
{
    EVTRAIL(info, "cxx.template", value);
}

inline void passed_inline(int value)
{
    EVTRAIL(info, "cxx.inline", value);
}

#endif
