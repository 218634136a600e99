/* SPDX-License-Identifier: ISC
 *
 * Small messages, pings and their answers, silence.
 */
#include "ship/wire_side.h"

#include <errno.h>

#define MS INT64_C(1000000)

void wire_side_begin(struct wire_side *side, struct ship_time now)
{
    side->now = now;
    side->started_ns = side->heard_ns = side->pinged_ns = now.monotonic_ns;
    side->ping_ns = WIRE_PING_MS * MS;
}

void wire_side_pace(struct wire_side *side, uint32_t ping_ms)
{
    const uint32_t most = ping_ms < WIRE_PING_MS_MOST ? ping_ms : WIRE_PING_MS_MOST;
    side->ping_ns = (most > WIRE_PING_MS_LEAST ? most : WIRE_PING_MS_LEAST) * MS;
}

bool wire_side_put_parts(struct wire_side *side, const struct iovec *parts, unsigned count)
{
    if (side->error == 0)
        side->error = side->send(side->context, parts, count);
    return side->error == 0;
}

bool wire_side_put(struct wire_side *side, const uint8_t *message, size_t bytes)
{
    const struct iovec part = {(void *)message, bytes};
    return wire_side_put_parts(side, &part, 1);
}

void wire_side_ping(struct wire_side *side)
{
    uint8_t out[WIRE_OUT_BYTES];
    const struct wire_ping ping = {.id = ++side->pings, .sent_ns = side->now.realtime_ns};
    side->ping_id = ping.id;
    side->ping_sent_ns = ping.sent_ns;
    side->pinged_ns = side->now.monotonic_ns;
    wire_side_put(side, out, wire_put_ping(out, &ping));
}

const char *wire_side_pinged(struct wire_side *side, const uint8_t *payload, size_t bytes)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_ping ping;
    const char *const why = wire_parse_ping(payload, bytes, &ping);
    if (why)
        return why;
    const struct wire_pong pong = {ping.id, ping.sent_ns, side->now.realtime_ns, side->now.realtime_ns};
    wire_side_put(side, out, wire_put_pong(out, &pong));
    return NULL;
}

const char *wire_side_ponged(struct wire_side *side, const uint8_t *payload, size_t bytes, bool *ret_better)
{
    struct wire_pong pong;
    const char *const why = wire_parse_pong(payload, bytes, &pong);
    if (why)
        return why;
    *ret_better = false;
    if (!side->ping_id || pong.id != side->ping_id || pong.sent_ns != side->ping_sent_ns)
        return NULL; /* an answer to nothing that we asked */
    /* The round trip by the clock that nobody sets. */
    const struct ship_time came = {side->now.monotonic_ns, pong.sent_ns + (side->now.monotonic_ns - side->pinged_ns)};
    side->ping_id = 0;
    *ret_better = wire_clock_take(&side->clock, &pong, came);
    if (side->pings < WIRE_PINGS_AT_START)
        wire_side_ping(side);
    return NULL;
}

bool wire_side_tick(struct wire_side *side, int64_t *ret_next_ns)
{
    const int64_t now_ns = side->now.monotonic_ns;
    const int64_t dead_ns = side->heard_ns + WIRE_PINGS_MISSED * side->ping_ns;
    if (now_ns >= dead_ns)
        return false;
    if (now_ns - side->pinged_ns >= side->ping_ns)
        wire_side_ping(side);
    const int64_t ping_ns = side->pinged_ns + side->ping_ns;
    *ret_next_ns = ping_ns < dead_ns ? ping_ns : dead_ns;
    return true;
}

enum wire_bye_code wire_side_code(int64_t error)
{
    if (error == -EMSGSIZE)
        return WIRE_BYE_size;
    return error == -EBADMSG ? WIRE_BYE_checksum : WIRE_BYE_protocol;
}
