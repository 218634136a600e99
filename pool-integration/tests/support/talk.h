/* SPDX-License-Identifier: ISC
 *
 * A server and one stream to it, for tests of streams.
 */
#ifndef EVPOOL_TALK_H
#define EVPOOL_TALK_H

#include "loop_fixture.h"
#include "stream.h"

struct talk {
    struct peer *peer;
    struct tls_settings *settings; /* NULL: plain */
    struct stream *stream;
    struct evloop *loop;
};
struct talk talk_begin(struct loop_fixture *f, int tls_version); /* 0: plain */
void talk_end(struct talk *talk);
/* Each of plain, TLS 1.3 and TLS 1.2. */
void talk_each(struct loop_fixture *f, void (*run)(struct talk *talk));

void talk_tell(struct talk *talk, const char *text); /* writes it, expects nothing */
void talk_await(struct talk *talk);                  /* until bytes or the end have arrived */
void talk_echo(struct talk *talk);                   /* small messages come back */

#endif /* EVPOOL_TALK_H */
