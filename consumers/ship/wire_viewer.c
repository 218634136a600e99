/* SPDX-License-Identifier: ISC
 *
 * A live reader's side of the protocol.
 */
#include "ship/wire_viewer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void wire_viewer_init(struct wire_viewer *viewer, const struct wire_hello *hello, uint64_t window_bytes,
                      const struct wire_viewer_calls *calls, void *context)
{
    *viewer = (struct wire_viewer){.calls = calls, .context = context, .hello = *hello, .window_bytes = window_bytes};
    viewer->side.send = calls->send;
    viewer->side.context = context;
    viewer->hello.version_min = WIRE_VERSION_MIN;
    viewer->hello.version_max = WIRE_VERSION_MAX;
    viewer->hello.role = WIRE_ROLE_reader;
    viewer->hello.offered = WIRE_FEATURES;
    viewer->hello.required = WIRE_FEATURE_columns | WIRE_FEATURE_live;
    viewer->hello.payload_max = WIRE_PAYLOAD_MAX;
}

static void end(struct wire_viewer *viewer, const struct wire_bye *bye, bool by_peer)
{
    if (viewer->closed)
        return;
    viewer->closed = true;
    viewer->calls->closed(viewer->context, bye, by_peer);
}

void wire_viewer_close(struct wire_viewer *viewer, enum wire_bye_code code, const char *reason)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_bye bye;
    if (viewer->closed)
        return;
    wire_bye_say(&bye, code, "%s", reason);
    if (code != WIRE_BYE_lost)
        wire_side_put(&viewer->side, out, wire_put_bye(out, &bye));
    end(viewer, &bye, false);
}

static void check_link(struct wire_viewer *viewer)
{
    if (!viewer->closed && viewer->side.error)
        wire_viewer_close(viewer, WIRE_BYE_lost, strerror(-viewer->side.error));
}

/* Says how much may come, if that is worth a message. */
static void grant(struct wire_viewer *viewer)
{
    uint8_t out[WIRE_OUT_BYTES];
    const uint64_t limit = viewer->done + viewer->window_bytes;
    if (viewer->closed || limit - viewer->limit < viewer->window_bytes / 8)
        return;
    viewer->limit = limit;
    wire_side_put(&viewer->side, out, wire_put_ack(out, 0, 0, &(struct wire_ack){.limit = limit}));
}

void wire_viewer_done(struct wire_viewer *viewer, size_t bytes)
{
    viewer->done += bytes;
    if (viewer->welcomed)
        grant(viewer);
    check_link(viewer);
}

void wire_viewer_start(struct wire_viewer *viewer, struct ship_time now)
{
    uint8_t out[WIRE_OUT_BYTES];
    wire_side_begin(&viewer->side, now);
    viewer->hello.realtime_ns = now.realtime_ns;
    wire_side_put(&viewer->side, out, wire_put_hello(out, &viewer->hello));
    check_link(viewer);
}

static const char *on_welcome(struct wire_viewer *viewer, const uint8_t *payload, size_t bytes)
{
    struct wire_welcome welcome;
    const char *const why = wire_parse_welcome(payload, bytes, &welcome);
    if (why)
        return why;
    if (viewer->welcomed || welcome.version < WIRE_VERSION_MIN || welcome.version > WIRE_VERSION_MAX)
        return "WELCOME came twice, or chose a version that was not offered";
    if ((welcome.features & viewer->hello.required) != viewer->hello.required)
        return "the collector serves no live readers: it is too old";
    viewer->welcomed = true;
    wire_side_pace(&viewer->side, welcome.ping_ms ? welcome.ping_ms : WIRE_PING_MS);
    viewer->calls->welcomed(viewer->context, &welcome);
    grant(viewer);
    return NULL;
}

static const char *on_trace(struct wire_viewer *viewer, const struct wire_header *header, const uint8_t *payload)
{
    const uint64_t overhead = header->header_bytes;
    viewer->received += overhead + header->payload_bytes;
    if (viewer->received > viewer->limit)
        return "the collector sent more than it may";
    viewer->done += overhead;
    viewer->calls->trace(viewer->context, payload, header->payload_bytes);
    return NULL;
}

static const char *on_message(struct wire_viewer *viewer, const struct wire_header *header, const uint8_t *payload)
{
    struct wire_bye bye;
    bool better;
    const char *why;
    if (header->type == WIRE_bye) {
        why = wire_parse_bye(payload, header->payload_bytes, &bye);
        if (!why)
            end(viewer, &bye, true);
        return why;
    }
    if (header->type == WIRE_welcome)
        return on_welcome(viewer, payload, header->payload_bytes);
    if (!viewer->welcomed)
        return header->flags & WIRE_FLAG_IGNORE ? NULL : "something else came before WELCOME";
    switch (header->type) {
    case WIRE_trace:
        return on_trace(viewer, header, payload);
    case WIRE_ping:
        return wire_side_pinged(&viewer->side, payload, header->payload_bytes);
    case WIRE_pong:
        return wire_side_ponged(&viewer->side, payload, header->payload_bytes, &better);
    case WIRE_drain:
        return NULL;
    default:
        return header->flags & WIRE_FLAG_IGNORE ? NULL : "a message came that a collector does not send to a reader";
    }
}

size_t wire_viewer_input(struct wire_viewer *viewer, const uint8_t *bytes, size_t size, struct ship_time now,
                         size_t *ret_wanted)
{
    size_t used = 0;
    *ret_wanted = WIRE_HEADER_BYTES;
    viewer->side.now = now;
    if (size)
        viewer->side.heard_ns = now.monotonic_ns;
    while (!viewer->closed) {
        struct wire_header header;
        const uint8_t *payload;
        const char *why = NULL;
        const int64_t r = wire_next(bytes + used, size - used, WIRE_PAYLOAD_MAX, &header, &payload, ret_wanted, &why);
        if (r == 0)
            return used;
        if (r > 0) {
            used += (size_t)r;
            why = on_message(viewer, &header, payload);
        }
        if (why)
            wire_viewer_close(viewer, r < 0 ? wire_side_code(r) : WIRE_BYE_protocol, why);
        check_link(viewer);
    }
    return size;
}

int64_t wire_viewer_tick(struct wire_viewer *viewer, struct ship_time now)
{
    int64_t next_ns = INT64_MAX;
    if (viewer->closed)
        return next_ns;
    viewer->side.now = now;
    if (!viewer->welcomed) {
        next_ns = viewer->side.started_ns + WIRE_HANDSHAKE_MS * INT64_C(1000000);
        if (now.monotonic_ns >= next_ns)
            wire_viewer_close(viewer, WIRE_BYE_timeout, "the collector did not answer in time");
        return next_ns;
    }
    if (!wire_side_tick(&viewer->side, &next_ns))
        wire_viewer_close(viewer, WIRE_BYE_timeout, "the collector has been silent for too long");
    check_link(viewer);
    return next_ns;
}
