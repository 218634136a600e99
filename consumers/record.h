/* SPDX-License-Identifier: ISC
 *
 * The parts of evtrail record: the file as a sink, progress, the settings of recorded sessions, expressions to stop or
 * snapshot at.
 */
#ifndef EVTRAIL_CONSUMERS_RECORD_H
#define EVTRAIL_CONSUMERS_RECORD_H

#include "skeleton.h"

#include <evtrail/file.h>

#include <sys/types.h>

/* Sessions whose settings are ours while we record. */
struct tuned {
    char *path;
    uint32_t source;                      /* number in the reader */
    uint32_t policy, block_bytes, blocks; /* as they were */
    bool changed;
    unsigned looks; /* since it has ended, at whether its session is still there */
};
struct tuning {
    const char *settings[3]; /* "policy=drop", "block=256K", "blocks=64"; NULL: left alone */
    struct tuned *items;
    size_t count;
    uint32_t sources_seen;
};
/* Applies the settings to live sources that the reader has gained. */
void tuning_apply(struct tuning *tuning, const struct consumer *consumer);
/* Forgets sources that have ended and removed their sessions themselves. */
void tuning_tidy(struct tuning *tuning, const struct consumer *consumer);
/* Puts back what was, and removes sessions that are dead and, by the reader, read to their end. */
void tuning_restore(struct tuning *tuning, const struct consumer *consumer, bool remove_dead);

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
    struct tuning tuning;
    struct watch until;
    const char *output; /* -o, or NULL */
    char name[64];      /* of what is recorded, for the default file name */
    char path[4096];
    bool made; /* the file is new: dev and ino are its */
    dev_t device;
    ino_t inode;
    char settings_text[4][64];
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
