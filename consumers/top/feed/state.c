/* SPDX-License-Identifier: ISC
 *
 * What is always on the screen: totals, rates over the last second, how full the rings are.
 */
#include "feed_private.h"

#include <evtrail/trace.h>

#include <stdlib.h>
#include <string.h>

#define METER_NS (FEED_SECOND / 10)
#define LOOK_NS FEED_SECOND
#define LOOK_SESSIONS 4 /* in one look */

static const char *const policy_names[] = {"overwrite", "drop", "block", "shed"};

/* A file may be read again from somewhere: then its reader counts twice. */
static void lost_so_far(const struct feed *feed, uint64_t lost[EVTRAIL_CAUSES_ALL])
{
    if (feed->options.live)
        evtrail_reader_totals(feed->reader, NULL, lost);
    else
        memcpy(lost, feed->model->totals.lost, sizeof feed->model->totals.lost);
}

/* ---- rates ---- */

void feed_meter_look(struct feed *feed)
{
    struct feed_meter *meter = &feed->meter;
    struct feed_rates now = {.at_ns = feed_monotonic(), .events = feed->events, .bytes = feed->bytes};
    if (meter->count && now.at_ns - meter->past[(meter->next + FEED_RATES - 1) % FEED_RATES].at_ns < METER_NS)
        return;
    lost_so_far(feed, now.lost);
    meter->past[meter->next] = now;
    meter->next = (meter->next + 1) % FEED_RATES;
    meter->count += meter->count < FEED_RATES;
}

/* The oldest that is not older than a second, or the one before it. */
static const struct feed_rates *second_ago(const struct feed_meter *meter, int64_t now_ns)
{
    const struct feed_rates *found = NULL;
    for (unsigned i = 1; i <= meter->count; i++) {
        const struct feed_rates *past = &meter->past[(meter->next + FEED_RATES - i) % FEED_RATES];
        found = past;
        if (now_ns - past->at_ns >= FEED_SECOND)
            break;
    }
    return found;
}

static void rates(const struct feed *feed, struct feed_state *state)
{
    const int64_t now = feed_monotonic();
    const struct feed_rates *past = second_ago(&feed->meter, now);
    if (!past || now - past->at_ns < METER_NS / 2)
        return;
    const double seconds = (double)(now - past->at_ns) / (double)FEED_SECOND;
    state->events_per_s = (double)(state->events - past->events) / seconds;
    state->bytes_per_s = (double)(state->bytes - past->bytes) / seconds;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        state->lost_now[i] = state->lost[i] - past->lost[i];
}

/* How fast a file could be read is nobody's question. */
static void rates_of_whole(const struct feed *feed, struct feed_state *state)
{
    state->whole = !feed->options.live && feed->ended && feed->events > 0;
    if (!state->whole)
        return;
    const double seconds = ((double)feed->last_ns - (double)feed->first_ns) / (double)FEED_SECOND;
    state->events_per_s = seconds > 0 ? (double)state->events / seconds : 0;
    state->bytes_per_s = seconds > 0 ? (double)state->bytes / seconds : 0;
}

/* ---- sessions ---- */

static void look_at(struct feed *feed, const struct evtrail_source *source)
{
    struct evtrail_session *session;
    struct evtrail_session_info info;
    if (!source->live || source->gone || !source->path || evtrail_session_open(&session, source->path, NULL) < 0)
        return;
    if (evtrail_session_info(session, &info) == 0 && info.policy < sizeof policy_names / sizeof *policy_names)
        feed->sessions.policies |= 1u << info.policy;
    evtrail_session_close(session);
}

static void look_at_sessions(struct feed *feed)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed->reader, &sources);
    const int64_t now = feed_monotonic();
    if (!feed->options.live || (now - feed->sessions.looked_ns < LOOK_NS && feed->sessions.seen == count))
        return;
    feed->sessions.looked_ns = now;
    feed->sessions.seen = count;
    if (count <= LOOK_SESSIONS)
        feed->sessions.policies = 0;
    for (unsigned i = 0; i < LOOK_SESSIONS && i < count; i++) {
        if (feed->sessions.turn >= count) {
            feed->sessions.turn = 0;
            feed->sessions.policies = 0;
        }
        look_at(feed, sources[feed->sessions.turn++]);
    }
}

static const char *policy(const struct feed *feed)
{
    const unsigned policies = feed->sessions.policies;
    if (policies == 0)
        return "";
    return policies & (policies - 1) ? "mixed" : policy_names[__builtin_ctz(policies)];
}

static void processes(const struct feed *feed, struct feed_state *state)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed->reader, &sources);
    for (uint32_t i = 0; i < count; i++)
        state->ended += sources[i]->gone;
    state->processes = count - state->ended;
}

static void held(const struct feed *feed, struct feed_state *state)
{
    struct hold_account account;
    if (!feed->hold) {
        state->held_from_ns = feed->events ? feed->first_ns : 0;
        state->held_to_ns = feed->events ? feed->last_ns : 0;
        return;
    }
    hold_account(feed->hold, &account);
    state->held_from_ns = account.events ? account.from_ns : 0;
    state->held_to_ns = account.events ? account.to_ns : 0;
    state->held_bytes = account.bytes;
    state->held_events = account.events;
    state->not_held = account.missing;
}

static unsigned progress(const struct feed *feed)
{
    if (feed->past.model)
        return feed_past_progress(feed);
    if (!feed->catch.active)
        return 100;
    const uint64_t percent = feed->catch.all ? feed->catch.done * 100 / feed->catch.all : 0;
    return percent < 99 ? (unsigned)percent : 99;
}

void feed_state(struct feed *feed, struct feed_state *ret_state)
{
    struct feed_state state = {.events = feed->events, .bytes = feed->bytes, .sampled = feed->sample.one_in};
    lost_so_far(feed, state.lost);
    state.lag_ns = feed_defers(feed) ? 0 : evtrail_reader_lag(feed->reader);
    state.ring_fill = evtrail_reader_fill(feed->reader);
    state.progress = progress(feed);
    held(feed, &state);
    state.past = feed->past.model != NULL;
    state.past_from_ns = feed->past.from_ns > 0 ? feed->past.from_ns : state.held_from_ns;
    state.past_to_ns = feed->past.to_ns < INT64_MAX ? feed->past.to_ns : state.held_to_ns;
    look_at_sessions(feed);
    state.policy = policy(feed);
    rates(feed, &state);
    rates_of_whole(feed, &state);
    processes(feed, &state);
    state.now_ns = feed_model(feed)->now_ns;
    state.speed = feed->replay.speed;
    *ret_state = state;
}
