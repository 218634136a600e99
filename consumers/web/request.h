/* SPDX-License-Identifier: ISC
 *
 * The head of a request (RFC 9112), as far as a server of a few fixed answers needs it. Every byte is a stranger's.
 */
#ifndef EVTRAIL_WEB_REQUEST_H
#define EVTRAIL_WEB_REQUEST_H

#include <stddef.h>

#define REQUEST_BYTES 8192u /* of a head; more is refused */
#define REQUEST_LINE 1024u  /* of its first line */
#define REQUEST_FIELDS 64u

/* All point into the head; NULL: not there. */
struct request {
    const char *method, *path; /* the path begins with / and ends before a ? */
    const char *query;
    const char *host, *origin, *authorization, *fetch_site;
};

/* How long the head is, with the empty line behind it; 0: that has not come yet. */
size_t request_end(const char *bytes, size_t count);
/* Splits a head of `count` bytes in place. 0, or the status that it is refused with. */
int request_parse(struct request *request, char *bytes, size_t count);
/* The number behind "NAME=" in a query, 0 if there is none. */
unsigned long long request_number(const struct request *request, const char *name);

#endif /* EVTRAIL_WEB_REQUEST_H */
