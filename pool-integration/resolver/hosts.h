/* SPDX-License-Identifier: ISC
 *
 * The hosts file: read when it has changed, searched in memory.
 */
#ifndef EVPOOL_HOSTS_H
#define EVPOOL_HOSTS_H

#include "address.h"

#include <sys/stat.h>

struct hosts {
    const char *path; /* "": none; borrowed */
    char *text;       /* NUL-terminated; NULL: there is none */
    struct stat stat; /* when it was read */
    unsigned generation;
};

/* Reads the file again if it has changed. One system call if not. What cannot be read is as if empty. Returns the generation,
 * which changes with the file. */
unsigned hosts_refresh(struct hosts *hosts);
/* Adds the addresses of a name (lower case) in the order of the file. Returns how many lines had it, or -ENOMEM. */
int hosts_find(const struct hosts *hosts, const char *name, struct address_list *list);
void hosts_fini(struct hosts *hosts);

#endif /* EVPOOL_HOSTS_H */
