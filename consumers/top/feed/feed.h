/* SPDX-License-Identifier: ISC
 *
 * Where events come from and go to: a reader on live processes or on files, what is held of them, and the models that are fed.
 *
 * Live, every chunk that is read goes into the hold, too: a ring of trace files in memory (memfd), compressed, of bounded size. From it come the
 * log, pausing, stepping back, zooming, another filter, and the file that `w` writes. A file is its own hold.
 */
#ifndef EVTRAIL_TOP_FEED_H
#define EVTRAIL_TOP_FEED_H

#include "../model/model.h"

#include <evtrail/reader.h>

struct feed;
struct feed_options {
    struct evtrail_reader_options reader; /* name, directory, enable, hold, ... */
    struct model_options model;
    size_t memory_bytes; /* for all: hold, reader, models; 0: 64 MiB */
    double speed;        /* files: of replay; 0: as fast as can be */
    bool live;
};
int feed_new(struct feed **ret_feed, const struct feed_options *options, char **ret_error);
void feed_free(struct feed *feed);
/* The reader, for adding processes, and for its sources and errors. */
struct evtrail_reader *feed_reader(struct feed *feed);
/* A trace file or set, or a session's data file: as evtrail_reader_add_path(); and known to be read again. */
int feed_add_path(struct feed *feed, const char *path);
/* Reads and feeds until there is nothing more or `until_ns` (CLOCK_MONOTONIC). 1: there may be more now; 0: nothing for now; -ENODATA: the
 * end; else a fault, told in feed_error(): reading goes on with the next call. */
int feed_run(struct feed *feed, int64_t until_ns);
/* Waits for something to read, at most until then. */
void feed_wait(struct feed *feed, int64_t until_ns);
const char *feed_error(const struct feed *feed);

/* The model that is shown. */
struct model *feed_model(const struct feed *feed);
/* Counts up whenever the shown model is another one: views forget their pointers into it. */
unsigned feed_generation(const struct feed *feed);

/* ---- always on the screen ---- */

struct feed_state {
    uint64_t events, bytes;
    double events_per_s, bytes_per_s; /* over the last second; `whole`: of the trace's time */
    bool whole;                       /* a file that was read to its end */
    uint64_t lost[EVTRAIL_CAUSES_ALL],
        lost_now[EVTRAIL_CAUSES_ALL]; /* in all; in the last second or since the last redraw */
    unsigned ring_fill;               /* percent, of the fullest ring */
    const char *policy;               /* of the source's session; "mixed" */
    int64_t lag_ns;                   /* between the newest event that exists and the last one that was counted */
    unsigned sampled;                 /* one block in so many is counted in full; 1: all are */
    unsigned processes, ended;
    int64_t now_ns;                   /* the trace's time */
    int64_t held_from_ns, held_to_ns; /* what is held */
    uint64_t held_bytes, held_events;
    double speed;
    unsigned progress; /* of building a model of the past, or of catching up, percent; 100: done */
    bool past;         /* a model of the past is shown: */
    int64_t past_from_ns, past_to_ns;
    uint64_t not_held; /* events that could not be kept: for want of memory */
};
void feed_state(struct feed *feed, struct feed_state *ret_state);

/* ---- time ---- */

int feed_pause(struct feed *feed, bool paused);
/* Another model is shown: only of what happened from from_ns to to_ns, both included; from_ns 0: from the beginning of what is held, the state
 * at to_ns. Built in slices by feed_run(): see `progress`. -ENODATA: nothing of it is held. */
int feed_show(struct feed *feed, int64_t from_ns, int64_t to_ns);
int feed_show_now(struct feed *feed);
/* Takes another filter: what is held is counted anew. NULL: none. -EINVAL: *ret_error says why (owned). */
int feed_filter(struct feed *feed, const char *expression, char **ret_error);
const char *feed_filter_text(const struct feed *feed); /* "" */
int feed_speed(struct feed *feed, double speed);
/* Writes what is held (of the shown range) to a trace file. -EEXIST: never over one that is there. */
int feed_write(struct feed *feed, const char *path, uint64_t *ret_events, char **ret_error);

/* ---- the log ---- */

/* A cursor over the events that are held, for the log: lines around a time, matching the filter. Reads from the hold on demand, and keeps what
 * it found. A call takes some milliseconds at most: if that was not enough, it gives what it has, and the next call goes on searching. */
struct feed_lines;
/* When the feed is freed first, nothing more is found. */
int feed_lines_new(struct feed_lines **ret_lines, struct feed *feed);
void feed_lines_free(struct feed_lines *lines);
/* Visits up to `count` events (at most 512) that match (the feed's filter, and `filter` if not NULL), the last ones at or before to_ns, oldest first; or from from_ns
 * on. Returns how many. The event is valid in the visit only; its source is of feed_reader(), and strings of more than 4 KiB are cut. For another
 * `filter` than that of the last call feed_lines_forget() comes first. */
int feed_lines_last(struct feed_lines *lines, int64_t to_ns, unsigned count, const struct evtrail_filter *filter,
                    void (*visit)(void *context, const struct evtrail_event *event), void *context);
int feed_lines_from(struct feed_lines *lines, int64_t from_ns, unsigned count, const struct evtrail_filter *filter,
                    void (*visit)(void *context, const struct evtrail_event *event), void *context);
/* Whether the last call did not come to its end, and how far back it has looked. */
bool feed_lines_searching(const struct feed_lines *lines, int64_t *ret_from_ns);
void feed_lines_forget(struct feed_lines *lines);

#endif /* EVTRAIL_TOP_FEED_H */
