/* SPDX-License-Identifier: ISC
 *
 * The offset of two clocks. Of a ping sent at t0 (ours), received at t1 and answered at t2 (theirs), whose answer came at t3 (ours):
 * offset = ((t1 - t0) + (t2 - t3)) / 2, and the truth is within half of the round trip, (t3 - t0) - (t2 - t1), of it, whatever way the
 * two halves took. The round trip is measured by the monotonic clock where that is known. Samples age: two crystals part by up to
 * 100 ppm.
 */
#include "ship/wire_clock.h"

enum { DRIFT_PPM = 100 };
#define REALTIME_MAX (INT64_MAX / 4) /* times beyond are lies; sums of four stay in range */

static bool plausible(int64_t ns)
{
    return ns >= 0 && ns < REALTIME_MAX;
}

/* A clock that was set in between makes all earlier samples wrong. */
static void forget_if_set(struct wire_clock *clock, int64_t offset_ns, int64_t bound_ns, int64_t monotonic_ns)
{
    int64_t known_ns = 0, known_bound_ns = 0;
    if (!wire_clock_offset(clock, monotonic_ns, &known_ns, &known_bound_ns))
        return;
    const int64_t apart_ns = offset_ns > known_ns ? offset_ns - known_ns : known_ns - offset_ns;
    if (apart_ns > bound_ns + known_bound_ns)
        clock->count = 0;
}

bool wire_clock_take(struct wire_clock *clock, const struct wire_pong *pong, struct ship_time now)
{
    if (!plausible(pong->sent_ns) || !plausible(pong->received_ns) || !plausible(pong->answered_ns) ||
        !plausible(now.realtime_ns))
        return false;
    const int64_t round = (now.realtime_ns - pong->sent_ns) - (pong->answered_ns - pong->received_ns);
    if (pong->answered_ns < pong->received_ns || round < 0)
        return false;
    const int64_t offset_ns = ((pong->received_ns - pong->sent_ns) + (pong->answered_ns - now.realtime_ns)) / 2;
    forget_if_set(clock, offset_ns, round / 2 + 1, now.monotonic_ns);
    const unsigned at = clock->count++ % WIRE_CLOCK_SAMPLES;
    clock->samples[at].offset_ns = offset_ns;
    clock->samples[at].bound_ns = round / 2 + 1;
    clock->samples[at].at_ns = now.monotonic_ns;
    return true;
}

bool wire_clock_offset(const struct wire_clock *clock, int64_t monotonic_ns, int64_t *ret_offset_ns,
                       int64_t *ret_bound_ns)
{
    const unsigned count = clock->count < WIRE_CLOCK_SAMPLES ? clock->count : WIRE_CLOCK_SAMPLES;
    int64_t best_ns = INT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        const int64_t age_ns = monotonic_ns > clock->samples[i].at_ns ? monotonic_ns - clock->samples[i].at_ns : 0;
        const int64_t bound_ns = clock->samples[i].bound_ns + age_ns / (1000000 / DRIFT_PPM);
        if (bound_ns >= best_ns)
            continue;
        best_ns = bound_ns;
        *ret_offset_ns = clock->samples[i].offset_ns;
        *ret_bound_ns = bound_ns;
    }
    return count > 0;
}
