/* SPDX-License-Identifier: ISC
 *
 * Who may ask: the secret of a run, and the names by which a browser may call the server.
 */
#ifndef EVTRAIL_WEB_ACCESS_H
#define EVTRAIL_WEB_ACCESS_H

#include "request.h"

#include <stdbool.h>

#define TOKEN_DIGITS 32u /* 128 bits */

/* From the kernel. 0 or a negative errno. */
int token_make(char token[TOKEN_DIGITS + 1]);
/* "Authorization: Bearer TOKEN"; takes as long for one wrong digit as for none right. */
bool token_given(const char *token, const struct request *request);
/* Whether a Host is an address and not a name, so that nobody's DNS can have led here; with `loopback` one of this machine alone. "localhost"
 * is as good: browsers do not look it up. */
bool host_allowed(const char *host, bool loopback);
/* Whether it is our own page that asks, or none. */
bool origin_allowed(const struct request *request);

#endif /* EVTRAIL_WEB_ACCESS_H */
