/* SPDX-License-Identifier: ISC
 *
 * By zlib, at its fastest level: most of what repeats in protobuf are names.
 */
#include "gzip.h"

#include <errno.h>

#ifdef EVTRAIL_ZLIB

#include <zlib.h>

bool gzip_built(void)
{
    return true;
}

int gzip(struct scratch *to, const void *bytes, size_t count)
{
    z_stream stream = {.next_in = (void *)bytes, .avail_in = (uInt)count}; /* a request has about 1 MiB */
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    const size_t most = deflateBound(&stream, (uLong)count);
    to->used = 0;
    char *const room = scratch_room(to, most);
    stream.next_out = (unsigned char *)room;
    stream.avail_out = (uInt)most;
    const bool good = room && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    to->used = good ? (size_t)stream.total_out : 0;
    deflateEnd(&stream);
    return good ? 0 : -ENOMEM;
}

#else

bool gzip_built(void)
{
    return false;
}

int gzip(struct scratch *to, const void *bytes, size_t count)
{
    (void)to;
    (void)bytes;
    (void)count;
    return -EOPNOTSUPP;
}

#endif
