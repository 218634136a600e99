/* SPDX-License-Identifier: ISC
 *
 * Stands for the load until there is a pool to put it on.
 */
#include "../stress.h"

#include <errno.h>

int load_run(const struct settings *settings, struct outcome *ret_outcome)
{
    (void)settings;
    (void)ret_outcome;
    fputs("pool-stress: built without a pool: only --from\n", stderr);
    return -ENOSYS;
}
