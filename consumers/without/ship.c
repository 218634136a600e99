/* SPDX-License-Identifier: ISC
 *
 * evtrail send and collect of a build without the pool, on which they are made: they say so.
 */
#include "cli.h"

int run_send(const struct args *args);
int run_collect(const struct args *args);

static int left_out(void)
{
    return fail(
        CODE_system, NULL,
        "left out of this build (EVTRAIL_POOL=OFF); build with -DEVTRAIL_POOL=ON, which needs c-ares and OpenSSL");
}

int run_send(const struct args *args)
{
    (void)args;
    return left_out();
}

int run_collect(const struct args *args)
{
    (void)args;
    return left_out();
}
