/* SPDX-License-Identifier: ISC
 *
 * What the files of feed/ share: the feed itself.
 *
 * A chunk that is read goes into the hold and, as a rule, into the merge, whose events are given to the live model. While the model stands
 * still (paused, or fed from the hold), chunks go into the hold only: the model gets them from there, segment by segment, before it
 * goes on with the merge. So each event reaches it once.
 */
#ifndef EVTRAIL_TOP_FEED_PRIVATE_H
#define EVTRAIL_TOP_FEED_PRIVATE_H

#include "feed.h"
#include "hold.h"

#define FEED_SECOND INT64_C(1000000000)

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

/* Events that are only counted, by source and type, until the model is told. */
struct feed_count {
    uint64_t events, bytes;
};
struct feed_counts {
    struct feed_count *types;
    uint32_t count;
    bool any;
};
struct replay;
struct feed_lines;
struct feed {
    struct feed_options options;
    struct evtrail_reader *reader;
    struct hold *hold; /* live; NULL: files, or there is no memory for it */
    char **paths;      /* files */
    size_t paths_count;
    struct model *model; /* the live one */
    struct evtrail_filter *filter;
    char *filter_text;
    char *error;
    unsigned generation;
    unsigned filters; /* counts up with each new one */
    bool paused, ended;
    uint64_t events, bytes;    /* read */
    int64_t first_ns, last_ns; /* files: of events that were read */
    int64_t ticked_ns;         /* CLOCK_MONOTONIC */
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
    /* The live model is fed from the hold, or from the files' beginning. */
    struct {
        bool active;
        bool last;                  /* the last segments, while nothing is read: then the merge goes on */
        uint32_t from;              /* segments below were given to the model */
        uint32_t end;               /* of those that are being given */
        uint32_t pause;             /* paused: segments from this one on are not given before it goes on; else 0 */
        uint64_t left;              /* files: events that the model had; UINT64_MAX: no limit */
        uint64_t done, all, before; /* events: given, of, and how many there were a round ago */
        unsigned rounds;
        struct replay *replay;
        uint64_t lost[EVTRAIL_CAUSES_ALL]; /* when the pause began: the model's less the reader's, modulo 2^64 */
        bool lost_kept;
    } catch;
    struct feed_lines *lines; /* that read from it */
    int64_t lines_slice_ns;   /* how long one call on them may take */
    uint32_t *gone;           /* sources that ended meanwhile */
    size_t gone_count, gone_room;
    struct {
        struct model *model; /* of the past; NULL: the live one is shown */
        struct replay *replay;
        struct evtrail_event *event; /* behind the range's end so far */
        int64_t from_ns, to_ns;
        uint64_t done;
        bool complete;
    } past;
    struct {
        unsigned one_in; /* 1: all are merged */
        unsigned full;   /* looks in a row at which a ring was nearly full */
        uint32_t turn;
        int64_t changed_ns, calm_ns; /* CLOCK_MONOTONIC */
        struct feed_counts *counts;  /* by source */
        uint32_t counts_count;
        bool any;
    } sample;
};

int64_t feed_monotonic(void);
int64_t feed_realtime(void);
/* Says what went wrong; returns code. */
int feed_fail(struct feed *feed, int code, const char *text);
/* An owned line in *ret_error, if that is not NULL; returns code. */
int feed_say(char **ret_error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* state.c */
void feed_meter_look(struct feed *feed);

/* tap.c: chunks as they are read */
int feed_tap(void *context, const struct evtrail_chunk *chunk);
/* Tells the live model what was only counted. */
void feed_tell_counts(struct feed *feed);
/* Counts a segment's events without reading them one by one. */
void feed_count_segment(struct feed *feed, const struct hold_segment *segment);
/* Decides how many chunks are merged. */
void feed_balance(struct feed *feed);
void feed_tap_fini(struct feed *feed);

/* catch.c: the live model, from the hold */
/* Whether chunks that are read now go into the hold only. */
bool feed_defers(const struct feed *feed);
/* An event of the live reader's merge. */
void feed_take(struct feed *feed, const struct evtrail_event *event);
/* A slice; true: there is more to do. */
bool feed_catch_up(struct feed *feed, int64_t until_ns);
void feed_dropped(void *context, const struct hold_segment *segment);
void feed_catch_fini(struct feed *feed);

/* lines.c: its feed goes */
void feed_lines_orphan(struct feed *feed);
void feed_lines_tend(struct feed *feed, int64_t now_ns);

/* past.c */
bool feed_build_past(struct feed *feed, int64_t until_ns);
/* The filter has changed. */
void feed_past_again(struct feed *feed);
void feed_past_fini(struct feed *feed);
unsigned feed_past_progress(const struct feed *feed);

#endif /* EVTRAIL_TOP_FEED_PRIVATE_H */
