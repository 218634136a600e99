/* SPDX-License-Identifier: ISC
 *
 * The output of the program that evtrail top started: a terminal of its own, and its last lines.
 */
#ifndef EVTRAIL_TOP_CHILD_H
#define EVTRAIL_TOP_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHILD_LINES 4000u
#define CHILD_LINE_BYTES 1000u

struct child;
/* 0 or a negative errno. *ret_fd is for the program; close it with child_started(). */
int child_new(struct child **ret_child, int *ret_fd);
void child_started(struct child *child);
void child_free(struct child *child);
int child_fd(const struct child *child);
/* Takes what there is, up to 64 KiB. True if there was something. */
bool child_read(struct child *child);
void child_resize(struct child *child, int rows, int columns);
/* Lines so far, also those that went; the oldest that is kept; one of them (untrusted). */
uint64_t child_lines(const struct child *child);
uint64_t child_first(const struct child *child);
const char *child_line(const struct child *child, uint64_t number);

#endif /* EVTRAIL_TOP_CHILD_H */
