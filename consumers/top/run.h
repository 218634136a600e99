/* SPDX-License-Identifier: ISC
 *
 * What the subcommand calls.
 */
#ifndef EVTRAIL_TOP_RUN_H
#define EVTRAIL_TOP_RUN_H

#include "cli.h"

/* The whole run of evtrail top. An exit code. */
int top_run(const struct args *args);

#endif /* EVTRAIL_TOP_RUN_H */
