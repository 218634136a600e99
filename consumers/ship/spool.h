/* SPDX-License-Identifier: ISC
 *
 * The sender's spool: what was read from the rings and is not on a collector's disk yet. A directory of trace files (segments, parts of a
 * rotated set: `evtrail cat DIR` reads it), the identity of its stream, and what is needed to go on after any crash.
 *
 *     DIR/lock                       held by the one sender that uses it
 *     DIR/stream                     the 128-bit ids of its streams, and from which sequence on each is (a copy: stream.copy)
 *     DIR/state                      counters: acknowledged, sent, reserved sequences (mapped: a store survives SIGKILL)
 *     DIR/rings                      how far each ring was read, of segments that are gone already
 *     DIR/dropped                    what was given up of each ring and is not told in a segment yet
 *     DIR/spool-HHHHHH.NNNNNNNNN.evt a segment; its number is the sequence of its first batch (less one, by 10^9: H rest N-1)
 *     DIR/refused/SEQUENCE.evt       batches that a collector would not take, with the reason beside them (.txt); bounded
 *     DIR/aside/                     what was found here and is no segment; bounded
 *
 * A batch's sequence is its segment's plus its number in the file: numbers are never used twice, over restarts and losses. What is missing
 * between two of them is a GAP when it is fetched. What the spool itself drops is told in its place by an ACCOUNT with the flag of
 * a spool (docs/file-format.md) and, where whole segments went, by a batch without records for each of their rings. So for every ring:
 * emitted = stored + lost by the writer + overwritten + dropped here.
 *
 * A spool is one stream, as a rule. When a connection comes up after an outage and there is much to send, what is there goes on as the backlog's
 * stream, and what comes from then on is a new stream beside it (a lane each), so that live data does not wait behind old. Sequences are those of the
 * spool: each stream begins where the one before it ended.
 *
 * Two threads: the writer (spool_write, spool_source_gone, spool_idle, spool_flush) and the shipper (spool_fetch, spool_opened, spool_acked,
 * spool_refused, spool_link_lost). The others are either's. Functions return >= 0 or a negative errno; nothing prints.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SPOOL_H
#define EVTRAIL_CONSUMERS_SHIP_SPOOL_H

#include "ship/sender.h"
#include "ship/wire.h"

#include <evtrail/reader.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_LEVELS = 7, /* by level 1 (critical) .. 6 (trace); 0: of a level that is not known */
    SPOOL_CAUSES = 7, /* by enum wire_gap_cause; 0 is unused */
    SPOOL_ID_BYTES = WIRE_STREAM_ID_BYTES,
    SPOOL_LANES_MAX = 8, /* streams that a spool may have at once */
};

/* What happens to events of a level when the spool is full. */
#define SPOOL_POLICIES(X) \
    X(block, "nothing more is read: the ring's own policy decides") \
    X(drop_oldest, "the oldest of such a level make room") \
    X(drop_newest, "those that come find no room")
enum spool_policy {
#define X(name, text) SPOOL_##name,
    SPOOL_POLICIES(X)
#undef X
};
/* "block", or "error=block,debug=drop-newest": LEVEL=POLICY is for that level and the less severe ones up to the next that is named; a POLICY alone is for all
 * levels that none names (else those more severe than all named ones block). -EINVAL: *ret_error (may be NULL) is an owned line. */
int spool_policies_parse(const char *text, uint8_t ret_policies[SPOOL_LEVELS], char **ret_error);

/* ---- open ----------------------------------------------------------------------------------------------------------- */

struct spool;
struct spool_options {
    uint64_t max_bytes;       /* of all segments; 0: 1 GiB; at least 4 MiB */
    int64_t max_age_ns;       /* what was written longer ago is dropped, acknowledged or not; 0: never */
    uint64_t segment_bytes;   /* 0: a 64th of max_bytes, within 1 MiB .. 16 MiB */
    uint64_t refused_bytes;   /* of refused/; 0: 16 MiB */
    uint64_t part_bytes;      /* with more than so much to send, a connection parts live data from it; 0: 32 MiB */
    int64_t flush_ns;         /* what was taken is readable by the shipper after so long; 0: 10 ms */
    int level;                /* of zstd; 0: 1 */
    bool no_uring;            /* plain writes */
    bool several;             /* collectors: what one of them lacks another may have */
    bool parents;             /* the directories above it are made, too */
    uint8_t policies[SPOOL_LEVELS]; /* enum spool_policy */
    const char *name;         /* shown by the collector; NULL: "" */
    /* There may be more to fetch; called by the writer's thread, at most once until the next spool_fetch() returned 0. May be NULL. */
    void (*ready)(void *context);
    /* One line about what was found and done (repair, a state that began or ended), which says what to do if there is something. Either
     * thread. May be NULL. */
    void (*note)(void *context, const char *line);
    void *context;
};
/* Makes the directory (0700) if it is not there, locks it, repairs what a crash left: a torn tail is cut, what is no segment goes to
 * aside/, the counters are found again. Cost: a look at each batch's header. On failure *ret_error (may be NULL) is an owned line that says what to do.
 * -EBUSY: another sender has it; -ENOTDIR, -EACCES, -EROFS, -ENOSPC, ...; -ENOMEM; -EINVAL: options. */
int spool_open(struct spool **ret_spool, const char *directory, const struct spool_options *options, char **ret_error);
/* Whether `directory` could be opened, and nothing is made or changed: exists or can be made, is ours, is writable, is not in use, has room for a
 * segment. As spool_open(). */
int spool_check(const char *directory, const struct spool_options *options, char **ret_error);
/* Flushes and closes the open segment, frees. NULL is accepted. */
void spool_close(struct spool *spool);
/* Frees as if the process had been killed here. For tests. */
void spool_abandon(struct spool *spool);
/* Policies, caps and flush time of `options` from now on; the rest of it is not looked at. Writer's thread. */
void spool_reconfigure(struct spool *spool, const struct spool_options *options);

/* ---- the writer's side ---------------------------------------------------------------------------------------------- */

/* Takes a chunk; what of its ring is in the spool already, from before a restart, is left out. 0: taken, or dropped by policy, and counted;
 * -EAGAIN: full (or the disk is), and the chunk has events whose policy is to wait: nothing of it was taken; call again with the
 * same chunk, and read no more until then. Nothing of the chunk or its source is needed after 0. -ENOMEM, -EINVAL, -EBADMSG: of this chunk, it is
 * counted (cause disk) and gone. */
int spool_write(struct spool *spool, const struct evtrail_chunk *chunk);
/* The source has ended and all its chunks were taken. 1: all of it is in a segment, its session may be removed; 0: say it again later (the disk is full). */
int spool_source_gone(struct spool *spool, const struct evtrail_source *source);
/* How many of the session's events were taken, or given up. Writer's thread. */
uint64_t spool_taken(struct spool *spool, uint64_t session);
/* Writes what has waited for flush_ns, applies the cap by age, tries again after a full disk. ns until it wants to be called again
 * (INT64_MAX: not by itself). */
int64_t spool_idle(struct spool *spool);
/* Events that are taken now are held so long at most. */
int64_t spool_hold(const struct spool *spool);
/* What was dropped up to now is told in a segment, whether more comes of its rings or not. False: there is no room even for that; it is told with the
 * next start. */
bool spool_settle(struct spool *spool);
/* What was taken can be fetched when this returns. */
int spool_flush(struct spool *spool);

/* ---- the shipper's side --------------------------------------------------------------------------------------------- */

/* The streams there are, oldest first, for ship_sender_stream(): the last is the live one. Returns how many. */
unsigned spool_streams(struct spool *spool, struct wire_open ret_opens[SPOOL_LANES_MAX], unsigned ret_lanes[SPOOL_LANES_MAX]);
/* The collector has all of the lane's stream before `resume`: fetching goes on there, with the frames that are needed first. */
void spool_opened(struct spool *spool, unsigned lane, uint64_t resume);
/* As calls.fetch of ship_sender: 1: *ret_unit, valid until the lane's next call; 0: nothing yet; < 0: -EIO. What is damaged becomes a GAP. */
int spool_fetch(struct spool *spool, unsigned lane, uint64_t sequence, struct ship_unit *ret_unit);
/* All of the lane up to here is on a collector's disk: segments of which nothing else is left are deleted. */
void spool_acked(struct spool *spool, unsigned lane, uint64_t sequence);
/* Sets a batch aside in refused/, and counts its events. It is not fetched again (but as a GAP). */
void spool_refused(struct spool *spool, uint64_t sequence, const struct wire_refuse *refuse);
/* Somebody watches: what was taken is readable after so long if that is sooner than flush_ns (and longer where many rings are busy, at most flush_ns); 0: nobody
 * does any more. */
void spool_watched(struct spool *spool, int64_t hold_ns);
/* No connection, nobody watches: what is under way may be lost, and may be dropped to make room. */
void spool_link_lost(struct spool *spool);
/* The collector knows more of the stream than there is here (the spool was restored from a copy): what is left goes on as another stream. */
int spool_renew_stream(struct spool *spool, unsigned lane);

/* ---- figures -------------------------------------------------------------------------------------------------------- */

/* What the spool is in. */
#define SPOOL_STATES(X) \
    X(ok, "ok") \
    X(full, "full") \
    X(disk_full, "disk-full") \
    X(read_only, "read-only") \
    X(failing, "failing")
enum spool_state {
#define X(name, word) SPOOL_STATE_##name,
    SPOOL_STATES(X)
#undef X
};
const char *spool_state_name(enum spool_state state); /* "ok", "disk-full" */
struct spool_stats {
    enum spool_state state;
    int error;               /* 0, or the errno behind disk_full, read_only, failing */
    bool blocked;            /* spool_write() says -EAGAIN at present */
    bool uring;
    uint8_t id[SPOOL_ID_BYTES]; /* of the live stream */
    unsigned lanes;
    uint64_t first, next;    /* sequences: lowest not acknowledged, the next batch's */
    uint64_t sent;           /* highest fetched */
    uint64_t segments, bytes, max_bytes, disk_free_bytes;
    uint64_t unacked_batches, unacked_bytes, unacked_events; /* written and not acknowledged */
    int64_t oldest_ns;       /* realtime of the oldest that is not acknowledged; 0: nothing is */
    uint64_t written_events, written_batches, written_bytes, raw_bytes; /* since open */
    uint64_t acked_events, acked_batches;  /* since open */
    uint64_t repeated_events;              /* read again after a restart and left out */
    uint64_t dropped[SPOOL_CAUSES][SPOOL_LEVELS]; /* events, since open; [damaged] and [disk]: level 0 */
    uint64_t refused_batches, repaired_bytes, aside_files;
    uint64_t blocks;         /* times that it began to block */
    int64_t hold_ns;         /* events are held so long at most, for others to come into their batch */
};
void spool_stats(struct spool *spool, struct spool_stats *ret_stats);
/* What to do about a state; "" if there is nothing. */
const char *spool_advice(enum spool_state state);

/* ---- tests: named points ---------------------------------------------------------------------------------------------- */

/* Called at each of them if set; a test kills the process in it. */
#define SPOOL_POINTS(X) \
    X(open_stream) X(open_repair) X(segment_new) X(segment_reserved) X(batch_taken) X(flushed) X(rings_written) X(segment_delete) \
    X(segment_deleted) X(drop_written) X(drop_committed) X(drop_deleted) X(refuse_written) X(refuse_noted) X(closing) X(part_saved)
enum spool_point {
#define X(name) SPOOL_AT_##name,
    SPOOL_POINTS(X)
#undef X
    SPOOL_POINTS_COUNT
};
extern void (*spool_test_point)(enum spool_point point);

#endif /* EVTRAIL_CONSUMERS_SHIP_SPOOL_H */
