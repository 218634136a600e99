/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: the smallest program, with one trace point or (EVTRAIL_COMPILED_OUT) none: what start costs.
 */
#include <evtrail/trace.h>

int main(void)
{
    EVTRAIL(info, "start.main");
    return 0;
}
