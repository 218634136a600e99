/* SPDX-License-Identifier: ISC
 *
 * Files of fixed names in a directory of ours, which are regular ones or not there: a link, a FIFO or a device in their place is never
 * followed, waited for or replaced.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_REGULAR_H
#define EVTRAIL_CONSUMERS_SHIP_REGULAR_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#define REGULAR_NOT (-EMEDIUMTYPE) /* something else is in its place */

/* A descriptor as openat() gives, close-on-exec; REGULAR_NOT; others as openat(). */
int regular_open(int directory, const char *name, int flags, mode_t mode);
/* What is there instead: "a symbolic link", "a FIFO"; NULL: nothing, or a regular file. */
const char *regular_instead(int directory, const char *name);
/* Whether files can be made in that directory; none is. 0; -EROFS, -EACCES, -ENOSPC, ... */
int regular_writable(const char *directory);

#endif /* EVTRAIL_CONSUMERS_SHIP_REGULAR_H */
