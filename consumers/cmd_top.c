/* SPDX-License-Identifier: ISC
 *
 * evtrail top: the live monitor.
 */
#include "top/run.h"

int run_top(const struct args *args)
{
    if (args->set[OPT_top_batch] && args->number[OPT_top_batch] < 1)
        return fail(CODE_usage, NULL, "--batch: at least 1");
    const bool live = args->list[OPT_process].count > 0 || args->set[OPT_all] || args->program;
    if (live && (args->list[OPT_read].count > 0 || args->operands_count > 0))
        return fail(CODE_usage, NULL, "processes or files: not both at once");
    return top_run(args);
}
