/* SPDX-License-Identifier: ISC
 *
 * The protocol as a live reader speaks it, a state machine without sockets and clocks: handshake, the bytes of the trace, how many more may come.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_WIRE_VIEWER_H
#define EVTRAIL_CONSUMERS_SHIP_WIRE_VIEWER_H

#include "ship/wire_side.h"

struct wire_viewer_calls {
    int (*send)(void *context, const struct iovec *parts, unsigned count); /* as of ship_sender_calls */
    void (*welcomed)(void *context, const struct wire_welcome *welcome);
    /* Whole frames of a trace file, behind those that came before; valid during the call. */
    void (*trace)(void *context, const uint8_t *bytes, size_t size);
    /* The end, once. */
    void (*closed)(void *context, const struct wire_bye *bye, bool by_peer);
};
struct wire_viewer {
    struct wire_side side;
    const struct wire_viewer_calls *calls;
    void *context;
    struct wire_hello hello;
    uint64_t window_bytes, received, done, limit;
    bool welcomed, closed;
};

/* Fills hello's role, versions and features. window_bytes: of trace that may be under way or not done with. */
void wire_viewer_init(struct wire_viewer *viewer, const struct wire_hello *hello, uint64_t window_bytes, const struct wire_viewer_calls *calls,
                      void *context);
void wire_viewer_start(struct wire_viewer *viewer, struct ship_time now);
/* As ship_sender_input(). */
size_t wire_viewer_input(struct wire_viewer *viewer, const uint8_t *bytes, size_t size, struct ship_time now, size_t *ret_wanted);
/* So many bytes that trace() was given are done with: as many more may come. */
void wire_viewer_done(struct wire_viewer *viewer, size_t bytes);
int64_t wire_viewer_tick(struct wire_viewer *viewer, struct ship_time now);
void wire_viewer_close(struct wire_viewer *viewer, enum wire_bye_code code, const char *reason);

#endif /* EVTRAIL_CONSUMERS_SHIP_WIRE_VIEWER_H */
