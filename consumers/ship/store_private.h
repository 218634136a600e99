/* SPDX-License-Identifier: ISC
 *
 * Inside of the store. Two threads: the caller's (store.c) and the worker (all others). They meet in `queue` and `done` under one mutex; a
 * record's `durable` is the worker's to write and anybody's to read.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_STORE_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_STORE_PRIVATE_H

#include "ship/store.h"

#include "file/append.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STORE_COMMIT_BYTES = 1 << 20, STORE_NAME_BYTES = 64, STORE_PATH_BYTES = 512, STORE_HEAVY_BYTES = 256 << 10, STORE_ALL_SOURCES = 1 << 16 };

struct store_source;

/* One stream that the tree or a peer knows. */
struct store_record {
    uint8_t id[WIRE_STREAM_ID_BYTES];
    struct store_record *next; /* of its slot in the table */
    /* Both threads', seq_cst (once a batch, beside a lock). The worker's store of `durable` after its sync pairs with the loads in store_dispatch() and
     * store_stream_open(): what is told as durable is on disk. The caller's store of `owner` pairs with the worker's load when it writes a MARK.
     * The caller adds to `jobs`, the worker takes away: 0 in the caller means that the worker has nothing of the record any more. */
    _Atomic uint64_t durable;
    _Atomic uint64_t owner; /* hash of a proven name; 0: none */
    _Atomic uint64_t
        group; /* hash of that, or of the address: the caller's store as it opens pairs with the worker's load as it makes a source */
    _Atomic uint64_t jobs;    /* queued, or not yet durable */
    _Atomic unsigned strayed; /* how often it went astray: the worker counts, the caller tells */
    /* the caller's */
    struct store_stream *open;
    uint64_t told;
    unsigned told_strayed;
    /* the worker's */
    uint64_t appended; /* all up to it is in files, or needs not to be */
    uint64_t *ahead;   /* sorted: beyond it, and found in files after a crash */
    size_t ahead_count, ahead_room;
    struct store_source **numbers; /* of its sources, as the connection says them */
    uint32_t numbers_count;
    struct store_source *sources; /* all */
    uint32_t sources_count;
    struct store_source *last; /* that was stored to */
    bool attached, changed;
    bool astray;  /* nothing more is taken until it is attached again */
    bool crowded; /* a source of its was not taken: there are too many */
    struct store_record *next_changed;
    /* under the mutex */
    struct store_record *next_done;
    bool is_done;
    _Atomic bool filed; /* something of it is, or was, in a file: it is never forgotten */
    bool orphan; /* none of its files may be left: ROOT/.positions has it for sure */
};

struct store_stream {
    struct store *store;
    struct store_record *record;
    struct store_stream_options options;
    char owner[256], address[160];
    struct evtrail_account_frame *accounts; /* that came since the last batch */
    uint32_t accounts_count, accounts_room;
    struct store_stream *next_taken; /* to be told */
    bool taken;
};

enum store_job_kind { JOB_attach, JOB_detach, JOB_frame, JOB_batch, JOB_gap };
struct store_job {
    struct store_job *next;
    struct store_record *record;
    struct store_source *source; /* once it was resolved */
    size_t bytes;                /* all of it: against the queue's bound */
    enum store_job_kind kind;
    bool resolved;
    uint64_t sequence; /* of a gap: the last */
    uint64_t first;
    struct evtrail_frame frame;
    struct evtrail_batch_header *header; /* these point behind the job */
    uint8_t *data;                       /* a frame, or a batch's zstd frame */
    uint64_t lost_after[EVTRAIL_CAUSES];
    struct evtrail_account_frame *accounts;
    uint32_t accounts_count;
    struct wire_gap_entry *losses;
    uint32_t losses_count;
    bool elsewhere; /* a gap, and no loss: another collector has it */
};
struct store_jobs {
    struct store_job *first, **last;
};

/* One process's file, as the worker sees it. */
struct store_source {
    struct store_record *record;
    struct store_source *next_of_record, *next, *prev; /* all sources */
    struct store_source *newer, *older;                /* with a descriptor: by last use */
    struct store_source *next_dirty;
    uint64_t session_id;
    size_t held;         /* bytes of memory that it has, as last counted */
    uint32_t references; /* jobs that are resolved to it, numbers */
    char *set;           /* relative to the root, without ".NNNNN.evt" */
    struct evtrail_append append;
    int fd;
    int64_t begun_ns, touched_ns;
    bool dirty, ended;
    bool exists;  /* the part's file */
    bool created; /* ... since the last sync */
    bool closed;  /* ... and it has its index: the next batch begins another */
};

/* A file that is closed: what retention may delete. */
struct store_closed {
    char *path; /* relative to the root */
    int64_t written_ns;
    uint64_t bytes;
};
struct store_tree {
    struct store_closed *files; /* a ring of files_room, oldest first */
    size_t files_first, files_count, files_room;
    uint64_t bytes;      /* of these */
    uint64_t open_bytes; /* of those that grow, a second ago */
    uint64_t count;      /* of both */
    int64_t look_ns;     /* no look at whether they are still there before */
    size_t look_next;    /* index of the next one to be looked at */
};

struct store_notice {
    struct store_notice *next;
    struct store_event event;
    char path[STORE_PATH_BYTES], text[256];
};

struct store {
    struct store_options options;
    char *root;
    int root_fd, lock_fd;
    uint64_t id;
    unsigned open_files;
    struct store_record **table;
    size_t table_room, table_count;
    pthread_mutex_t table_lock; /* the caller adds, both look */
    pthread_t worker;
    bool working;

    pthread_mutex_t mutex;
    pthread_cond_t work, idle;
    struct store_jobs queue;
    struct store_record *done;
    struct store_notice *notices, **last_notice;
    bool stop, busy, configured;
    int64_t stop_ns;
    struct store_options next_options;
    struct store_stats stats; /* the worker's figures, copied after each round */

    /* Numbers that the caller looks at and nothing else hangs on; seq_cst as above. The caller adds to `queued_bytes`, the worker takes away; the worker
     * stores `state` and `error`. */
    _Atomic uint64_t queued_bytes;
    _Atomic int state, error;

    /* the caller's */
    struct store_stream *taken;
    unsigned streams;

    /* the worker's */
    struct store_jobs pending, uncommitted;
    struct store_source *sources, *dirty, *newest, *oldest;
    struct store_record *changed;
    unsigned descriptors, dirty_count, sources_count;
    size_t held; /* by all sources */
    bool crowded_told;
    bool positions_due; /* files were closed since ROOT/.positions was written */
    int64_t retry_ns, swept_ns, committed_ns; /* committed: when the last commit began */
    struct store_tree tree;
    struct store_stats figures;
};

/* For tests: called at named points; what it returns < 0 is the error of what would be done there. NULL: nothing. */
extern int (*store_test_point)(const char *point);
int store_point(const char *point);

int64_t store_now_ns(void); /* CLOCK_MONOTONIC */
int64_t store_realtime_ns(void);

/* ---- store.c ---- */
void store_set_defaults(struct store_options *options);
/* *ret_error, if nothing stands there yet: what is wrong with the root, and what to do. */
void store_explain(char **ret_error, const char *root, int error);
/* REGULAR_NOT: something else than a file is in the place of one of the store's. */
int store_check_files(int root_fd, const char *root, char **ret_error);

/* ---- store_name.c ---- */
/* A path part that is safe whatever `text` is: letters, digits and .-_@+=,: of it, at most 64 bytes, no leading '.' or '-'; `otherwise` if nothing is left. */
void store_name(char ret_name[STORE_NAME_BYTES + 1], const char *text, const char *otherwise);
/* HOST/PROGRAM/START-PID/SESSION-STREAM. */
void store_set_name(char ret_name[STORE_PATH_BYTES], const struct evtrail_source_frame *source, const uint8_t *stream);
/* The stream, session and part of "SESSION-STREAM.NNNNN.evt". False: no such name. */
bool store_parse_name(const char *name, uint8_t ret_stream[WIRE_STREAM_ID_BYTES], uint64_t *ret_session,
                      uint32_t *ret_part);

/* ---- store_records.c ---- */
struct store_record *store_record_find(struct store *store, const uint8_t *id);
/* Found or made. NULL: no memory. */
struct store_record *store_record_get(struct store *store, const uint8_t *id);
void store_record_drop(struct store *store, struct store_record *record);
void store_records_free(struct store *store);
/* Of one that is beyond: whether it is there, and what follows from that. */
bool store_record_has(const struct store_record *record, uint64_t sequence);
void store_record_reach(struct store_record *record, uint64_t sequence);
bool store_record_ahead(struct store_record *record, uint64_t sequence);

/* ---- store_worker.c ---- */
void *store_work(void *store);
/* All that was processed is on disk; acknowledges it. < 0: it is not, and all of it is pending again. */
int store_commit(struct store *store);
void store_notice(struct store *store, enum store_event_kind kind, const char *path, uint64_t number, int error,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));
void store_set_state(struct store *store, int error);
/* Frees a source that nothing refers to; its record may be forgotten by that. */
void store_source_leave(struct store *store, struct store_source *source);
void store_free_jobs(struct store *store, struct store_jobs *jobs);

/* ---- store_job.c ---- */
/* 0: done, or nothing to be done; < 0: the disk does not let it, try again. */
int store_process(struct store *store, struct store_job *job);

/* ---- store_source.c ---- */
struct store_source *store_source_get(struct store *store, struct store_record *record,
                                      const struct evtrail_source_frame *frame, int *ret_error);
void store_source_free(struct store *store, struct store_source *source);
/* The descriptor of its part, for writing; opened or made if need be. -ENODATA: the part before, that has what is to be said again, is gone. */
int store_source_open(struct store *store, struct store_source *source);
void store_source_release(struct store *store, struct store_source *source); /* the descriptor */
/* Counts anew what memory it has. */
void store_source_weigh(struct store *store, struct store_source *source);
/* All sources together have too much memory, and this one has its part in that: what it brings beyond what is known is not taken. */
bool store_source_heavy(struct store *store, const struct store_source *source);
/* Whether a unit of so many bytes goes into another part. */
bool store_source_full(const struct store *store, const struct store_source *source, size_t bytes);
/* Gives the part its index. All of it is committed. */
int store_source_close(struct store *store, struct store_source *source);
void store_source_dirty(struct store *store, struct store_source *source);
/* Ended ones, those that are idle and nobody's; retention. Called about once a second with nothing uncommitted. */
void store_sweep(struct store *store, bool all);

/* ---- store_tree.c ---- */
/* Walks the tree: positions, torn ends, garbage, closed files. */
int store_recover(struct store *store, char **ret_error);
int store_tree_add(struct store *store, const char *path, uint64_t bytes, int64_t written_ns);
void store_tree_free(struct store_tree *tree);
/* ROOT/.positions, in one step: whatever becomes of closed files, what was acknowledged stays so. */
int store_positions_write(struct store *store);

/* ---- store_keep.c ---- */
void store_keep(struct store *store, const char *set);

#endif /* EVTRAIL_CONSUMERS_SHIP_STORE_PRIVATE_H */
