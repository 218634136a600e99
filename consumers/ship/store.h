/* SPDX-License-Identifier: ISC
 *
 * Where a collector keeps what it receives: a tree ROOT/HOST/PROGRAM/START-PID/SESSION-STREAM.NNNNN.evt of rotated trace files, one set for
 * each traced process and sender, each file readable alone.
 *
 * A batch is stored once, by its stream and sequence number: both stand in a MARK frame just before the batch, written with it, so
 * that the files themselves say after any crash what is there. A small file ROOT/positions has the same of streams whose newest files retention has
 * deleted. One worker thread does all that may wait for a disk: it checks, appends, and syncs what came meanwhile at once (group commit).
 * A slow disk so delays acknowledgements, and through the room that is left the windows of senders, but never the caller.
 *
 * Everything here belongs to one thread (the loop's); nothing waits for the disk but store_open(), store_drain() and store_close(). Callbacks come from
 * store_dispatch() only. Functions return >= 0 or a negative errno. What ship_receiver hands on (frames that are whole, intact and bounded) may be
 * put as it is; store_checker looks into a batch's content first.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_STORE_H
#define EVTRAIL_CONSUMERS_SHIP_STORE_H

#include "ship/receiver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORE_SOURCES_MAX = WIRE_SOURCES_MAX, /* of one stream at a time */
    STORE_RINGS_MAX = 4096,               /* of one source */
    STORE_SCHEMA_BYTES_MAX = 8 << 20,     /* of one source's part */
};

/* What keeps the store from storing. While it is not ok nothing is taken from the queue: room goes to 0, windows close, senders spool. It
 * tries again each second, and goes on by itself. */
#define STORE_STATES(X) \
    X(ok, "storing") \
    X(full, "the disk is full: free space, or lower the limits of retention; senders spool meanwhile") \
    X(read_only, "the file system is read-only: remount it writable; senders spool meanwhile") \
    X(failed, "writing fails: see the error; senders spool meanwhile")
enum store_state {
#define X(name, text) STORE_##name,
    STORE_STATES(X)
#undef X
        STORE_STATES_COUNT
};
const char *store_state_name(enum store_state state);
const char *store_state_text(enum store_state state);

/* Of an operator's interest: one line each. */
enum store_event_kind {
    STORE_EVENT_state,    /* state changed: `text` says what and what to do */
    STORE_EVENT_garbage,  /* something in the tree is no trace file of ours: set aside, see `path` */
    STORE_EVENT_repaired, /* a file's torn end was cut: `number` bytes */
    STORE_EVENT_damaged,  /* `number` bytes in the middle of a file are no frames */
    STORE_EVENT_crowded, /* more processes, or more types and rings of them, than there is memory for: `path` has many of them */
    STORE_EVENT_deleted, /* retention deleted `path`, of `number` bytes */
    STORE_EVENT_gone,    /* `path`, the first of `number` files, was moved away or deleted by somebody else */
};
struct store_event {
    enum store_event_kind kind;
    const char *path; /* NULL: none */
    const char *text;
    uint64_t number;
    int error; /* negative errno, or 0 */
};

struct store_limits {
    uint64_t bytes; /* 0: no limit; so are the others */
    int64_t age_ns; /* since last written to */
    uint64_t files;
};
struct store_options {
    const char *root;           /* is made if it does not exist */
    uint64_t rotate_bytes;      /* a file grows no larger; 0: 64 MiB */
    int64_t rotate_ns;          /* ... nor older; 0: a day */
    struct store_limits keep;   /* of the whole tree */
    struct store_limits source; /* of one process's set */
    uint64_t reserve_bytes;     /* the disk counts as full when less is free; 0: 16 MiB */
    uint64_t queue_bytes;       /* received and not yet on disk, all streams; 0: 64 MiB */
    unsigned open_files;        /* descriptors at a time; 0: 256 */
    unsigned
        sources; /* processes at a time, of all streams; of one owner or address a quarter where they get scarce; 0: 65,536 */
    int64_t idle_ns;             /* a file not appended to for so long is closed, with an index; 0: 5 minutes */
    int64_t retry_ns;            /* a disk that failed is tried again, retention looked at, after so long; 0: 1 s */
    bool no_sync;                /* acknowledge what the kernel has: a crash of the machine may lose it */
    void (*wake)(void *context); /* from the worker's thread: call store_dispatch() soon */
    void (*event)(void *context,
                  const struct store_event *event); /* from store_dispatch() and store_open(); may be NULL */
    void *context;
};
struct store_stats {
    enum store_state state;
    int error;                             /* behind the state */
    uint64_t batches, events, bytes;       /* stored since the start */
    uint64_t duplicates;                   /* batches that came again */
    uint64_t lost_events;                  /* told by gaps: given up by senders */
    uint64_t syncs, sync_ns, sync_ns_max;  /* group commits */
    uint64_t tree_bytes, tree_files;       /* what there is */
    uint64_t deleted_files, deleted_bytes; /* by retention */
    uint64_t set_aside;                    /* garbage, since the start */
    uint64_t queued_bytes;                 /* waiting for the disk */
    unsigned open_files, streams, sources;
};

struct store;
/* Makes or recovers the tree: cuts torn ends, finds each stream's position, sets aside (renames to *.garbage-N) what cannot be read. -EBUSY: another
 * process has it; others as open(2). *ret_error is an owned line that says what to do. */
int store_open(struct store **ret_store, const struct store_options *options, char **ret_error);
/* A random number that was made with the tree. */
uint64_t store_id(const struct store *store);
/* Whether `root` could be opened with these options, without touching anything. As store_open(). */
int store_check(const struct store_options *options, char **ret_error);
/* What is queued is written, files get their index, if the disk allows it by the deadline (CLOCK_MONOTONIC ns). Streams are freed; no callback comes. */
void store_close(struct store *store, int64_t deadline_ns);
/* Calls back what the worker has done. Returns how many callbacks. */
int store_dispatch(struct store *store);
/* Waits until all that was put is on disk, refused or stuck (state not ok), at most so long; dispatches. -ETIMEDOUT. For tests and stops. */
int store_drain(struct store *store, int64_t timeout_ns);
void store_stats(const struct store *store, struct store_stats *ret_stats);
/* Bytes that may be put before queue_bytes is reached; 0 also while the state is not ok. Never refuses: it is for windows. */
uint64_t store_room(const struct store *store);
/* New limits, from a configuration that was read again: rotate_*, keep, source, idle_ns. */
void store_configure(struct store *store, const struct store_options *options);

/* ---- streams ------------------------------------------------------------------------------------------------------ */

struct store_stream;
struct store_stream_options {
    uint8_t id[WIRE_STREAM_ID_BYTES];
    /* Whom the transport knows the peer by: the name of a certificate or key, "uid:1000" of a unix socket, else "". A stream that a named
     * peer began is nobody else's. */
    const char *owner;
    const char *address; /* of an unnamed peer: it takes over from its own address only */
    /* All up to `sequence` is on disk. Not after `taken` or store_stream_close(). */
    void (*durable)(void *context, uint64_t sequence);
    /* Another connection of the same peer has opened the stream; close this one. */
    void (*taken)(void *context);
    /* What was said of its processes is gone with the file that had it: nothing more is taken of the stream until it is opened, and all is said, again. */
    void (*astray)(void *context);
    void *context;
};
/* *ret_position: the last sequence that is on disk, 0 for a stream never seen. -EPERM: another owner's; -EBUSY: open by an unnamed peer of another
 * address; -ENOMEM. Of an own open stream the earlier handle is told `taken`. */
int store_stream_open(struct store *store, const struct store_stream_options *options, struct store_stream **ret_stream,
                      uint64_t *ret_position);
/* What was put goes on to the disk; nobody is told. NULL is accepted. */
void store_stream_close(struct store_stream *stream);

/* As the calls of ship_receiver say them; all is copied. A sequence that the store has already is acknowledged and not stored again. -ENOMEM; -ENOENT: of a source that was
 * not described; -E2BIG: more sources than one stream may have. */
int store_frame(struct store_stream *stream, const struct evtrail_frame *frame, const uint8_t *bytes);
/* lost_after: by store_checker_batch(). ACCOUNTs that came since the last batch belong to this one. */
int store_batch(struct store_stream *stream, uint64_t sequence, const struct ship_batch *batch,
                const uint64_t *lost_after);
int store_gap(struct store_stream *stream, uint64_t first, const struct wire_gap *gap);
/* This one sequence was refused: its events are missing. header NULL: nobody knows which. */
int store_missing(struct store_stream *stream, uint64_t sequence, const struct evtrail_batch_header *header);

/* ---- looking into batches ------------------------------------------------------------------------------------------ */

struct store_checker;
int store_checker_new(struct store_checker **ret_checker); /* 4 MiB */
void store_checker_free(struct store_checker *checker);
/* Whether the batch's checksum is right and it decodes to exactly what its header says: sizes are bounded before anything is allocated or written. NULL, and the
 * writer's counts of losses behind it in ret_lost_after (EVTRAIL_CAUSES); or what is wrong. About 4 ns per event. */
const char *store_checker_batch(struct store_checker *checker, const struct ship_batch *batch,
                                uint64_t *ret_lost_after);

#endif /* EVTRAIL_CONSUMERS_SHIP_STORE_H */
