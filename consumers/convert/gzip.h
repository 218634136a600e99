/* SPDX-License-Identifier: ISC
 *
 * Bodies of requests, compressed (RFC 1952), where zlib was there when this was built.
 */
#ifndef EVTRAIL_CONVERT_GZIP_H
#define EVTRAIL_CONVERT_GZIP_H

#include "scratch.h"

bool gzip_built(void);
/* Replaces what is in `to`. 0 or -ENOMEM; -EOPNOTSUPP without zlib. */
int gzip(struct scratch *to, const void *bytes, size_t count);

#endif /* EVTRAIL_CONVERT_GZIP_H */
