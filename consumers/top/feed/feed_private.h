/* SPDX-License-Identifier: ISC
 *
 * What the files of feed/ share: the feed itself.
 */
#ifndef EVTRAIL_TOP_FEED_PRIVATE_H
#define EVTRAIL_TOP_FEED_PRIVATE_H

#include "feed.h"

#define FEED_SECOND INT64_C(1000000000)
#define FEED_SESSIONS 64 /* of which the policy is known; more are looked at in turn */

/* Rates over the last second: sums, and what they were up to a second ago. */
struct feed_rates {
    int64_t at_ns; /* CLOCK_MONOTONIC */
    uint64_t events, bytes;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
};
#define FEED_RATES 16
struct feed_meter {
    struct feed_rates past[FEED_RATES]; /* a ring, about 1/10 s apart */
    unsigned count, next;
};
struct feed {
    struct feed_options options;
    struct evtrail_reader *reader;
    struct model *model; /* the live one */
    char *error;
    unsigned generation;
    bool paused, ended;
    uint64_t events, bytes; /* read */
    int64_t ticked_ns;      /* CLOCK_MONOTONIC */
    struct feed_meter meter;
    struct {
        int64_t looked_ns;
        uint32_t turn, seen; /* sources */
        unsigned policies;   /* bits of those met */
    } sessions;
    struct {
        struct evtrail_event *event; /* read, and not due yet */
        int64_t from_ns;             /* trace time at ... */
        int64_t started_ns;          /* ... this CLOCK_MONOTONIC; 0: not begun */
        double speed;                /* 0: as fast as can be */
    } replay;
};

int64_t feed_monotonic(void);
int64_t feed_realtime(void);
/* Says what went wrong; returns code. */
int feed_fail(struct feed *feed, int code, const char *text);
/* An owned line in *ret_error, if that is not NULL; returns code. */
int feed_say(char **ret_error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* state.c */
void feed_meter_look(struct feed *feed);

#endif /* EVTRAIL_TOP_FEED_PRIVATE_H */
