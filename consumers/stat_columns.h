/* SPDX-License-Identifier: ISC
 *
 * Feeds the model of evtrail stat with a trace file's columns: whole batches at once, without making events.
 */
#ifndef EVTRAIL_CONSUMERS_STAT_COLUMNS_H
#define EVTRAIL_CONSUMERS_STAT_COLUMNS_H

#include "skeleton.h"
#include "stat_model.h"

/* Reads a file or set to its end, or until a signal. 0, or a negative errno if it cannot be read at all (told by then); damage is told and
 * noted in consumer->code. */
int stat_columns(struct stat_model *model, struct consumer *consumer, const char *path);

#endif /* EVTRAIL_CONSUMERS_STAT_COLUMNS_H */
