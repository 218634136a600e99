/* SPDX-License-Identifier: ISC
 *
 * One file of one process that grows by batches as they were compressed elsewhere, each behind a MARK of the stream that brought it. Only plain
 * writes at known offsets: what was not written whole is cut off, after a crash as after a full disk, and the file then says itself
 * which of a stream it has.
 *
 * The caller keeps the descriptor: it is handed in where needed, so that many files can be at hand with few of them open.
 */
#ifndef EVTRAIL_FILE_APPEND_H
#define EVTRAIL_FILE_APPEND_H

#include "file/frame.h"

#include <sys/uio.h>

enum {
    EVTRAIL_APPEND_BATCHES_MAX = 1 << 17, /* in one file: its index stays within what readers take */
    EVTRAIL_APPEND_SCHEMA_BYTES_MAX = 8 << 20,
};

/* Where a ring's batches end. */
struct evtrail_append_ring {
    uint32_t key; /* ring + 1; 0: free */
    bool here;      /* the open file tells it */
    bool elsewhere; /* what comes next may leave some out, which is stored elsewhere */
    uint64_t events, ticks;
    uint64_t lost[EVTRAIL_CAUSES];
};
/* Frames that go before the next batch: kept until they are known to be on disk. */
struct evtrail_append_pending {
    uint8_t *bytes;
    size_t used, room;
    size_t written; /* of used: in the file, not yet synced */
};
struct evtrail_append_span {
    uint64_t offset;
    uint32_t bytes;
};
/* Zero before first use; evtrail_append_fini(). */
struct evtrail_append {
    uint64_t offset; /* behind the last whole unit; 0: the file has no SUPER yet */
    uint64_t synced; /* all before it is on disk */
    uint64_t batches, events;
    uint64_t set_id;
    uint32_t part;
    struct evtrail_append_ring *rings; /* a hash table of open addressing */
    uint32_t rings_room, rings_count;
    uint64_t *known; /* hashes of what the file or `pending` has of SOURCE and SCHEMA: a hash table, 0 is free */
    uint32_t known_room, known_count;
    struct evtrail_append_span *described; /* SOURCE and SCHEMA frames in the file, to be repeated in the next */
    size_t described_count, described_room;
    uint64_t described_bytes;
    struct evtrail_append_pending pending;
    struct evtrail_clock_frame first_clock, last_clock; /* realtime_ns 0: none came */
    uint64_t clock_written_ns;                          /* realtime of the newest in the file */
    struct evtrail_offset_frame offset_frame; /* bound_ns 0: none came */
    int64_t offset_written_ns, offset_bound_ns; /* as the file has it; bound 0: it has none */
    struct evtrail_mark_frame mark;                     /* the newest in the file */
    uint64_t gap_through;                               /* the newest gap that the file tells, or 0 */
    bool damaged;                                       /* a file that was scanned had damage in its middle */
};

void evtrail_append_fini(struct evtrail_append *append);

/* ---- what came ---- */
/* SOURCE, SCHEMA, CLOCK or OFFSET of the file's only source, intact; what is known already costs nothing. -EBADMSG: the entries of a schema are none; -EFBIG: more
 * schema than a file may have; -ENOMEM. */
int evtrail_append_frame(struct evtrail_append *append, const struct evtrail_frame *frame, const uint8_t *bytes);
/* What is lost of a ring. events_before UINT64_MAX: from where the ring is known to end. */
struct evtrail_append_loss {
    uint32_t ring;
    uint64_t events_before, events;
    bool never_shipped; /* else damaged */
    uint8_t why;        /* with it: the sender's number of why */
};
/* One unit: a batch with what came with it, or a gap (header NULL). */
struct evtrail_append_item {
    const struct evtrail_batch_header *header;
    const uint8_t *compressed;
    const uint64_t *lost_after; /* the writer's counts behind the batch */
    const struct evtrail_account_frame *accounts;
    uint32_t accounts_count;
    const struct evtrail_append_loss *losses;
    uint32_t losses_count;
    struct evtrail_mark_frame mark;
};
/* Writes all that is pending, then the unit. 0, or why nothing of it is in the file: -ENOSPC, -EROFS, -ENOMEM, ... (the file is cut back; if not even
 * that works the next write goes over it). */
int evtrail_append_item(struct evtrail_append *append, int fd, const struct evtrail_append_item *item);
/* Whether the batch is there already, behind a mark that was damaged, or was damaged itself, which the file's reader counts. */
bool evtrail_append_has(const struct evtrail_append *append, const struct evtrail_batch_header *header);
/* Of all rings, what lies before the next batch is stored elsewhere: a gap, and no loss. */
void evtrail_append_elsewhere(struct evtrail_append *append);
/* The file is on disk up to `offset`. */
void evtrail_append_synced(struct evtrail_append *append);
/* Syncing failed: what is behind `synced` is cut off, and the rings known again from what is left; the frames before it will be written again. */
int evtrail_append_rewind(struct evtrail_append *append, int fd);
/* The next file (nothing is written yet): says again what was said of the source in the one before, `fd`. -ENODATA: that is gone, or damaged. */
int evtrail_append_next(struct evtrail_append *append, int fd, uint32_t part);

/* The next file begins with nothing said of the source: all has to come again. */
void evtrail_append_forget(struct evtrail_append *append, uint32_t part);

/* ---- files that are there (append_scan.c) ---- */
struct evtrail_append_report {
    bool closed;       /* it has its index */
    uint64_t bytes;    /* up to the end of the last whole unit; behind it the file is torn */
    uint64_t torn;     /* bytes */
    uint64_t damaged;  /* bytes before that end which are no whole frames: such a file can neither grow nor get an index */
    bool more;         /* what is torn has whole units */
    bool sourced;      /* `source` is set */
    struct evtrail_source_frame source;
};
/* Takes in a file that was written before, so that it can grow: reads all of it, checks it if `check`, changes nothing. What is damaged is stepped over if
 * it is of sequences up to `trusted`, which are known to have been on disk; else the file is torn there: a crash of the machine may leave holes in what was
 * not synced. `marks` (may be NULL) is called for each mark whose unit is whole. -EBADMSG: no file of this kind; its first frame is damaged (marks were called
 * nevertheless). */
int evtrail_append_scan(struct evtrail_append *append, int fd, bool check, uint64_t trusted,
                        void (*marks)(void *context, const struct evtrail_mark_frame *mark), void *context,
                        struct evtrail_append_report *ret_report);
/* The last mark of a closed file, by its end alone. -EBADMSG: it is not closed, or has none. */
int evtrail_append_last_mark(int fd, struct evtrail_mark_frame *ret_mark);
/* Frame by frame from `from` to `end`; `visit` gets each whole frame of ours (for a batch: its header), returns 0 or what ends the walk. Returns that, 0 at `end` or
 * at what is no frame, or a negative errno; *ret_at: where it stopped. */
struct evtrail_append_visit {
    uint64_t offset;
    struct evtrail_frame frame;
    const uint8_t *bytes;
    struct evtrail_batch_header header; /* of a batch */
    size_t unit;                        /* frame, and a batch's zstd frame */
};
int evtrail_append_walk(int fd, uint64_t from, uint64_t end, bool check,
                        int (*visit)(void *context, const struct evtrail_append_visit *visit), void *context,
                        uint64_t *ret_at);

/* ---- append_search.c ---- */
/* The next intact frame of ours in from .. end, in *ret_at; `end`: there is none. *cost: of all searches in one file, from 0. -EBADMSG: that became too much. */
int evtrail_append_search(int fd, uint64_t from, uint64_t end, uint64_t *cost, uint64_t *ret_at);

/* ---- append_close.c ---- */
/* Last clock, mark, index, end, seek table. `mark` NULL: none. As evtrail_append_batch(). */
int evtrail_append_close(struct evtrail_append *append, int fd, const struct evtrail_mark_frame *mark);

/* For append_*.c */
/* 1: an intact frame of ours, in `room` (EVTRAIL_APPEND_ROOM); 0: none. */
enum { EVTRAIL_APPEND_READ = 2048, EVTRAIL_APPEND_ROOM = EVTRAIL_FRAME_BYTES_MAX + EVTRAIL_APPEND_READ };
int evtrail_append_read_frame(int fd, uint64_t offset, uint8_t *room, struct evtrail_frame *ret_frame);
int evtrail_append_write(int fd, uint64_t offset, struct iovec *parts, unsigned count);
struct evtrail_append_ring *evtrail_append_ring_of(struct evtrail_append *append, uint32_t ring);
bool evtrail_append_remember(struct evtrail_append *append, const void *bytes, size_t size);
bool evtrail_append_describe(struct evtrail_append *append, uint64_t offset, uint32_t bytes);
void evtrail_append_ring_batch(struct evtrail_append_ring *ring, const struct evtrail_chunk *chunk,
                               const uint64_t *lost_after);
void evtrail_append_ring_account(struct evtrail_append_ring *ring, const struct evtrail_account_frame *account);

#endif /* EVTRAIL_FILE_APPEND_H */
