/* SPDX-License-Identifier: ISC
 *
 * What a stream consists of.
 */
#ifndef EVPOOL_STREAM_INTERNAL_H
#define EVPOOL_STREAM_INTERNAL_H

#include "tls.h"

struct stream {
    struct evloop *loop;
    struct tls *tls; /* NULL: plain */
    char *incoming;  /* of the read that is under way, with TLS; TLS_BUFFER_BYTES */
    int fd;
};

#endif /* EVPOOL_STREAM_INTERNAL_H */
