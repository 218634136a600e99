/* SPDX-License-Identifier: ISC
 *
 * What is left of sessions that were never finished: their process died while it made them.
 */
#ifndef EVTRAIL_CONSUMERS_REMAINS_H
#define EVTRAIL_CONSUMERS_REMAINS_H

/* Removes half-made sessions of dead processes in `directory`, and control files without a session, that are `age_s` old.
 * Returns how many files. */
unsigned remains_remove(const char *directory, unsigned age_s);
/* Removes the mark of a watcher that was killed; while one lives, nothing (docs/shared-memory.md). */
void remains_unwatched(const char *directory);

#endif /* EVTRAIL_CONSUMERS_REMAINS_H */
