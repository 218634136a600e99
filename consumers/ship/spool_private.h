/* SPDX-License-Identifier: ISC
 *
 * Inside of the spool; shared by spool*.c. Who may touch what: [W] the writer's thread only, [S] the shipper's only, [L] under the lock.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SPOOL_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_SPOOL_PRIVATE_H

#include "ship/regular.h"
#include "ship/spool.h"

#include <evtrail/file.h>

#include "file/frame.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SPOOL_PATH_BYTES = 1100,
    SPOOL_READ_BYTES = 3 << 20, /* a unit and what is before it */
    SPOOL_FLIGHT_MAX = 8192,    /* batches under way whose figures are kept */
    SPOOL_SLACK_BYTES = 64 << 10,
    SPOOL_BATCHES_MAX = 1 << 20, /* of a segment */
    SPOOL_ASIDE_FILES = 64,
    SPOOL_RINGS_MAX = 1 << 18,
    SPOOL_REFUSED_MAX = 1 << 16,
};
#define SPOOL_ASIDE_BYTES (UINT64_C(16) << 20)
#define SPOOL_RESERVE_SEQUENCES (UINT64_C(1) << 22)
#define SPOOL_SEGMENT_NS (INT64_C(300) * 1000000000)
#define SPOOL_RETRY_NS INT64_C(200000000)

/* ---- files ------------------------------------------------------------------------------------------------------------ */

struct spool_segment {
    uint64_t first, next; /* sequences: of its first batch, behind its last */
    uint64_t bytes;       /* on the disk; the open one: reserved */
    uint64_t events, batches;
    int64_t opened_ns, written_ns; /* realtime: of its begin and of the last write */
    bool open;          /* still written to */
    bool busy;          /* the writer replaces it: neither fetched nor deleted */
    bool thinned;       /* has nothing left that may be dropped by level */
    uint8_t why;        /* enum wire_gap_cause if it only tells what was dropped, else 0 */
};
/* DIR/state, mapped: what is stored there is there after SIGKILL. The threads share numbers with nothing behind them that would have to be seen with
 * them, so relaxed does; what is decided by several of them is decided under the spool's lock. */
struct spool_state_file {
    uint64_t magic;
    _Atomic uint64_t acked[SPOOL_LANES_MAX];
    _Atomic uint64_t acked_not[SPOOL_LANES_MAX]; /* ~acked, stored first: a flipped bit must not acknowledge anything */
    _Atomic uint64_t sent;
    _Atomic uint64_t reserved; /* no sequence at or above it was ever used; on disk for certain */
    char boot_id[40];          /* of the last one who used it */
};
#define SPOOL_STATE_MAGIC UINT64_C(0x326c6f6f70537645)

/* ---- how far each ring was read ------------------------------------------------------------------------------------- */

struct spool_ring {
    uint64_t session;
    uint32_t ring;
    bool used;
    int64_t gone_ns;               /* monotonic, when all of its ended process was taken; 0: not yet */
    bool changed;                  /* since the last flush */
    bool told;                     /* the open file knows what came before */
    bool known;                    /* end, ticks, lost are */
    uint64_t end, ticks;           /* events taken, and given up */
    uint64_t lost[EVTRAIL_CAUSES]; /* the writer's, that were taken */
    uint64_t safe_end, safe_ticks; /* the same, of what is in segments */
    uint64_t safe_lost[EVTRAIL_CAUSES];
    uint64_t seen_lost[EVTRAIL_CAUSES]; /* not all of it taken */
    uint32_t given;                /* its slot in DIR/dropped, and 1; 0: none */
    uint64_t dropped, missed; /* given up since the last chunk that was taken, and what the reader missed there */
    uint8_t why;
};
struct spool_rings {
    struct spool_ring *items;
    size_t room, count;
};
/* NULL: no memory, or too many. */
struct spool_ring *spool_rings_find(struct spool_rings *rings, uint64_t session, uint32_t ring);
struct spool_ring *spool_rings_get(const struct spool_rings *rings, uint64_t session, uint32_t ring); /* NULL: it is not there */
void spool_rings_free(struct spool_rings *rings);
struct spool;
int spool_rings_load(struct spool *spool);
int spool_rings_save(struct spool *spool); /* [L] */
void spool_rings_purge(struct spool *spool); /* [L], [W] */
void spool_boot_id(char boot_id[40]);

/* spool_given.c: what was given up and not told yet, in DIR/dropped */
int spool_given_open(struct spool *spool);
int spool_given_load(struct spool *spool); /* when the segments are known */
void spool_given_close(struct spool *spool);
/* Writes down what the ring says. When this returns 0 it survives SIGKILL. [W] [L] */
int spool_given_note(struct spool *spool, struct spool_ring *ring, const struct evtrail_source *source);
void spool_given_told(struct spool *spool, struct spool_ring *ring); /* [L] if nothing of it is left to tell */
/* Tells what can be told. False: not all. [W] */
bool spool_given_tell(struct spool *spool);

/* ---- a segment's units ------------------------------------------------------------------------------------------------- */

/* Steps through a segment file, frame by frame. No byte of it is trusted. */
struct spool_walk {
    int fd;
    uint64_t offset; /* of the next frame */
    uint8_t *buffer; /* SPOOL_READ_BYTES */
    size_t used;     /* buffer[0] is at `start` in the file */
    uint64_t start;
    bool whole; /* batches are read and their checksums looked at, not their headers only */
    bool torn;  /* the last step passed over damage */
};
enum spool_step {
    SPOOL_STEP_end,    /* of the file; or nothing whole there yet */
    SPOOL_STEP_frame,  /* one of ours */
    SPOOL_STEP_batch,
    SPOOL_STEP_broken, /* a batch whose header is right and whose content is not */
};
struct spool_item {
    const uint8_t *at; /* valid until the next step */
    size_t bytes;      /* all of it, with the zstd frame */
    uint64_t offset;
    uint32_t tag;
    struct evtrail_batch_header header; /* of a batch */
};
int spool_walk_open(struct spool_walk *walk, const char *path, bool whole);
void spool_walk_close(struct spool_walk *walk);
/* `growing`: what is not whole at the end may become so: SPOOL_STEP_end, and the walk stays where it is. Else it goes on behind the damage. < 0: -EIO. */
int spool_walk_step(struct spool_walk *walk, bool growing, struct spool_item *ret_item);

/* ---- the spool --------------------------------------------------------------------------------------------------------- */

struct spool_flight {
    uint64_t sequence, events;
    uint32_t bytes;
};
struct spool_frames { /* bytes that grow, bounded */
    uint8_t *bytes;
    size_t used, room;
};
struct spool_source_mark { /* of the walked segment */
    uint32_t number;
    uint64_t session;
    struct evtrail_clock_frame clock;
    uint64_t hz;
};
struct spool_cursor {
    bool placed;
    bool opened;    /* the SUPER of this segment was given out */
    uint64_t first; /* of the segment that is walked; 0: none */
    struct spool_walk walk;
    struct spool_frames frames;   /* to be sent before the next batch */
    struct spool_frames accounts; /* those of the next batch */
    struct spool_frames given;    /* what the last fetch gave out */
    struct spool_source_mark *sources;
    size_t sources_count, sources_room;
    bool held; /* item was read and is not given out */
    int step;
    struct spool_item item;
    struct wire_gap_entry entry;
    struct spool_rings met; /* rings of which this connection had a batch (told), or passed one over (known: ticks, lost); with several collectors */
};

/* One stream. Slots keep their number. */
struct spool_lane {
    bool used;
    uint8_t id[SPOOL_ID_BYTES];
    int64_t created_ns;
    uint64_t from, to;        /* its sequences: [from, to); the live one's to is UINT64_MAX */
    uint64_t sent;            /* [L] in this connection */
    uint64_t cursor_first;    /* [L] the segment that the shipper reads; 0: none */
    struct spool_cursor cursor; /* [S] */
};

struct spool {
    pthread_mutex_t lock;
    char directory[SPOOL_PATH_BYTES - 100];
    char name[WIRE_AGENT_BYTES + 1];
    struct spool_options options;
    int lock_fd;
    struct spool_lane lanes[SPOOL_LANES_MAX]; /* [L] */
    unsigned live;            /* [L] the lane that is written to */
    bool part_wanted;         /* [L] the writer is to begin another */
    struct spool_state_file *state;
    int state_fd;

    struct spool_segment *segments; /* [L] in order */
    size_t segments_count, segments_room;
    struct spool_rings rings; /* [L] */
    uint64_t next;            /* [L] */
    uint64_t *refused;        /* [L] in order */
    size_t refused_count, refused_room;
    bool link;  /* [L] a collector may have got what was fetched */
    _Atomic int64_t watch_ns; /* somebody watches, and wants events so soon; 0: nobody. A number alone: relaxed does */
    uint64_t changes;         /* [L] times that there was more to fetch */
    bool ready; /* [L] the shipper waits to be told */

    struct evtrail_file *file; /* [W] NULL: no segment is open */
    bool small;                /* [W] it is for accounts alone, as there is no room for more */
    int given_fd;              /* DIR/dropped */
    uint8_t *given_used;       /* [L] by slot */
    uint32_t given_room;
    bool given_waits;          /* [W] there was no room to tell all of it */
    uint64_t base;             /* [W] sequence of the file's first batch */
    uint64_t file_batches, file_events, file_raw, file_bytes; /* [W] as was last seen */
    uint64_t told_bytes;       /* [W] of the file, when the shipper was last told */
    uint64_t reserved_bytes;   /* [W] of the file, on the disk */
    uint64_t unflushed_bytes;  /* [W] records that may still have to be written */
    int64_t flush_due_ns;      /* [W] 0: nothing waits */
    uint64_t flushed_batches;  /* [W] that the last flush brought about */
    int64_t begun_ns;          /* [W] the open segment, monotonic */
    int64_t retry_ns;          /* [W] no look at a full disk before */
    int64_t age_looked_ns;     /* [W] */
    uint64_t *words;           /* [W] of a chunk that was cut */
    size_t words_room;

    struct spool_flight flight[SPOOL_FLIGHT_MAX]; /* [L] by sequence */
    struct spool_stats stats;                  /* [L] */
    enum spool_state said;                     /* [L] that was noted last */
};

/* spool.c */
void spool_lock(struct spool *spool);
void spool_unlock(struct spool *spool);
void spool_note(struct spool *spool, const char *format, ...) __attribute__((format(printf, 2, 3)));
void spool_state_set(struct spool *spool, enum spool_state state, int error); /* [L] */
/* Sets the state that fits an errno of the disk. */
void spool_disk_error(struct spool *spool, int error); /* [L] */
uint64_t spool_bytes(const struct spool *spool);       /* [L] of all segments */
int64_t spool_monotonic(void);
int64_t spool_realtime(void);
static inline void spool_at(enum spool_point point)
{
    if (spool_test_point)
        spool_test_point(point);
}
int spool_options_take(struct spool *spool, const struct spool_options *options, char **ret_error); /* with defaults */
/* spool_check.c */
/* "WHERE: ..." into *ret_error (may be NULL); returns `error`. */
int spool_complain(char **ret_error, int error, const char *where, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Whether it is a directory of one's own; and whether what lies in it under the names of the spool's files are files. */
int spool_directory_check(const char *directory, char **ret_error);
int spool_files_check(const char *directory, char **ret_error);
/* spool_files.c */
uint64_t spool_acked_now(const struct spool *spool, unsigned lane);
void spool_acked_set(struct spool *spool, unsigned lane, uint64_t sequence);
unsigned spool_lane_of(const struct spool *spool, uint64_t sequence); /* [L] SPOOL_LANES_MAX: none */
uint64_t spool_file_id(const struct spool *spool);
void spool_path(const struct spool *spool, const char *name, char path[SPOOL_PATH_BYTES]);
void spool_segment_path(const struct spool *spool, uint64_t first, char path[SPOOL_PATH_BYTES]);
bool spool_segment_name(const char *name, uint64_t *ret_first);
int spool_stream_load(struct spool *spool, bool *ret_new);
int spool_stream_begin(struct spool *spool, unsigned lane, uint64_t from); /* [L] a new id; not saved */
int spool_stream_save(struct spool *spool);
int spool_state_load(struct spool *spool, bool *ret_found);
int spool_reserve(struct spool *spool, uint64_t sequence); /* sequences below it may be used from now on */
int spool_set_aside(struct spool *spool, const char *name, const char *why);
/* Deletes the oldest files of a folder until the rest fits. */
void spool_folder_bound(const char *path, uint64_t bytes, unsigned files);
int spool_write_file(const char *path, const void *bytes, size_t count); /* by a temporary name */
/* spool_repair.c */
int spool_repair(struct spool *spool);
struct spool_segment *spool_segment_add(struct spool *spool, uint64_t first); /* [L] keeps the order */
/* spool_drop.c: [W] */
/* Makes room by dropping the oldest that policies allow. True: there is more room than before. */
bool spool_drop_oldest(struct spool *spool);
bool spool_drop_aged(struct spool *spool);
/* Ends what a crash left: "drop-..." files. */
int spool_drop_finish(struct spool *spool, const char *name);
/* spool_cut.c */
/* Leaves out the first `skip` events, and of the rest those of levels in `drop` (bits). *ret_chunk shares or replaces the words. Counts by level what was left
 * out by `drop`. Returns how many events by `drop`, or -ENOMEM, -EBADMSG. */
int64_t spool_cut(struct spool *spool, const struct evtrail_chunk *chunk, uint64_t skip, unsigned drop,
                  struct evtrail_chunk *ret_chunk, uint64_t counts[SPOOL_LEVELS]);
/* spool_refuse.c */
int spool_refused_load(struct spool *spool);
bool spool_is_refused(const struct spool *spool, uint64_t sequence); /* [L] */
/* spool_write.c */
/* Tells what was given up of the ring with no chunk. False: there is no room for it. [W] */
bool spool_account_write(struct spool *spool, const struct evtrail_source *source, struct spool_ring *ring);
int spool_segment_end(struct spool *spool); /* [W] closes the open one */
/* spool_fetch.c */
void spool_cursor_reset(struct spool *spool, unsigned lane);
void spool_segments_delete(struct spool *spool); /* [L] those of which all is acknowledged */
/* spool_lane.c */
void spool_part(struct spool *spool); /* [W] if it is wanted */
void spool_lanes_end(struct spool *spool); /* [L] those of which all is acknowledged */
void spool_tell(struct spool *spool); /* [L] calls `ready` if it waits; may unlock meanwhile: no */

#endif /* EVTRAIL_CONSUMERS_SHIP_SPOOL_PRIVATE_H */
