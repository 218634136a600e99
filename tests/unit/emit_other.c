/* SPDX-License-Identifier: ISC
 *
 * The same event type as in emit_test.c, from another file.
 */
#include <evtrail/evtrail.h>

void emit_same_type(int port);

void emit_same_type(int port)
{
    EVTRAIL(info, "t.same", port);
}
