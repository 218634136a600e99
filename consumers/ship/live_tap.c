/* SPDX-License-Identifier: ISC
 *
 * The live as a collector's tap.
 */
#include "ship/live_private.h"

#include <stddef.h>

static struct live *of(struct collect_tap *tap)
{
    return (struct live *)((char *)tap - offsetof(struct live, tap));
}

static void on_frames(struct collect_tap *tap, uint64_t sender, const uint8_t stream[WIRE_STREAM_ID_BYTES],
                      uint64_t sequence, const struct iovec *parts, unsigned count)
{
    (void)sequence;
    live_frames(of(tap), sender, stream, parts, count);
}

static void on_offset(struct collect_tap *tap, uint64_t sender, int64_t offset_ns, int64_t bound_ns)
{
    live_clock(of(tap), sender, offset_ns, bound_ns);
}

static void on_gone(struct collect_tap *tap, uint64_t sender)
{
    live_gone(of(tap), sender);
}

static struct live_reader *reader_of(const struct live *live, const struct ship_receiver *receiver)
{
    for (unsigned i = 0; i < LIVE_READERS_MAX; i++)
        if (live->readers[i] && live->readers[i]->receiver == receiver)
            return live->readers[i];
    return NULL;
}

static void on_reader(struct collect_tap *tap, struct ship_receiver *receiver, const struct wire_hello *hello,
                      bool first)
{
    struct live *const live = of(tap);
    struct live_reader *reader = reader_of(live, receiver);
    if (reader)
        live_more(reader);
    else if (first && live_join(live, receiver, hello, &reader) < 0)
        ship_receiver_close(receiver, WIRE_BYE_limit,
                            "the collector has as many live readers as it can: close one, or read what it stores");
}

static void on_reader_gone(struct collect_tap *tap, struct ship_receiver *receiver)
{
    live_leave(reader_of(of(tap), receiver));
}

static bool on_watched(struct collect_tap *tap, const char *host)
{
    return live_watched(of(tap), host);
}

struct collect_tap *live_tap(struct live *live)
{
    live->tap = (struct collect_tap){.frames = on_frames,
                                     .offset = on_offset,
                                     .gone = on_gone,
                                     .reader = on_reader,
                                     .reader_gone = on_reader_gone,
                                     .watched = on_watched};
    return &live->tap;
}
