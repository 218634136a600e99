/* SPDX-License-Identifier: ISC
 *
 * What the file's writer asks of the last cut.
 */
#ifndef EVTRAIL_FILE_CUT_H
#define EVTRAIL_FILE_CUT_H

#include <evtrail/file.h>

/* The writer's counts of losses at the last event that was cut off before the chunk. False: none was. */
bool evtrail_cutter_base(const struct evtrail_cutter *cutter, uint64_t *ret_lost);

#endif /* EVTRAIL_FILE_CUT_H */
