/* SPDX-License-Identifier: ISC
 *
 * The tables of evtrail stat, and the same as JSON lines.
 */
#ifndef EVTRAIL_CONSUMERS_STAT_PRINT_H
#define EVTRAIL_CONSUMERS_STAT_PRINT_H

#include "cli.h"
#include "outbuf.h"
#include "stat_model.h"

void stat_print(const struct stat_model *model, struct output *out, const struct args *args, uint32_t sources);

#endif /* EVTRAIL_CONSUMERS_STAT_PRINT_H */
