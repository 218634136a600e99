/* SPDX-License-Identifier: ISC
 *
 * The parts of evtrail record: the file as a sink, progress, expressions to stop or
 * snapshot at.
 */
#ifndef EVTRAIL_CONSUMERS_RECORD_H
#define EVTRAIL_CONSUMERS_RECORD_H

#include "skeleton.h"

#include <evtrail/file.h>

#include <sys/types.h>

/* A second reader on the same processes that looks for an event. */
struct watch {
    struct evtrail_reader *reader;
    struct evtrail_filter *filter;
    uint64_t matches;
};
/* `enable`: rules in force while it is attached, or NULL. 0, or an exit code after an error was printed. */
int watch_open(struct watch *watch, const struct args *args, const char *expression, const char *directory,
               const char *enable, bool hold);
void watch_close(struct watch *watch);
/* Reads what there is now, up to `budget` calls. True if an event matched. */
bool watch_poll(struct watch *watch, unsigned budget);

struct recorder {
    struct sink sink; /* first: the operations find the recorder by it */
    const struct args *args;
    struct evtrail_file *file;
    struct evtrail_file_stats stats;
    struct watch until;
    const char *output; /* -o, or NULL */
    char name[64];      /* of what is recorded, for the default file name */
    char path[4096];
    bool made; /* the file is new: dev and ino are its */
    dev_t device;
    ino_t inode;
    char rings[128];  /* settings: policy and sizes */
    char *settings;  /* for a program: rules and settings */
    char *rules;     /* of -e */
    unsigned number; /* of the snapshot, from 1; 0: no number */
    bool *gone;      /* by source number */
    uint32_t gone_count;
    bool progress;
    int64_t shown_ns, started_ns;
    uint64_t shown_events, shown_bytes;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    int error;
};
int recorder_open(struct sink *sink, struct consumer *consumer);
int recorder_block(struct sink *sink, struct consumer *consumer, const struct evtrail_chunk *chunk);
int recorder_flush(struct sink *sink, struct consumer *consumer);
int recorder_close(struct sink *sink, struct consumer *consumer);

/* recorder_open(), with the second reader for --until. */
int recorder_open_until(struct sink *sink, struct consumer *consumer);

/* Only the events that match --filter, --from and --to. An exit code. */
int record_filtered(struct recorder *recorder, struct consumer *consumer);
/* Stands by for --trigger. An exit code. */
int record_trigger(struct recorder *recorder, struct consumer *consumer);

/* The line that a terminal shows while recording, at most twice a second, and the one at the end. */
void progress_show(struct recorder *recorder, const struct consumer *consumer);
void progress_clear(const struct recorder *recorder);
void summary_show(struct recorder *recorder, const struct consumer *consumer);

#endif /* EVTRAIL_CONSUMERS_RECORD_H */
