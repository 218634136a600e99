/* SPDX-License-Identifier: ISC
 *
 * Inside of a trace file being read; shared by file_reader.c, file_scan.c, file_rings.c and file_sources.c.
 */
#ifndef EVTRAIL_FILE_FILE_READER_H
#define EVTRAIL_FILE_FILE_READER_H

#include <evtrail/file.h>

#include "file/codec.h"
#include "file/frame.h"
#include "file/input.h"
#include "reader/schema.h"

#include <stdarg.h>
#include <zstd.h>

/* What a part holds, in order: batches, and places where something is wrong. */
enum evtrail_item_kind { EVTRAIL_ITEM_BATCH, EVTRAIL_ITEM_DAMAGE, EVTRAIL_ITEM_ACCOUNT };
struct evtrail_item {
    uint64_t offset;
    uint64_t bytes;
    uint64_t first_ticks, last_ticks, types;
    int64_t horizon_ns; /* no later item of the part has a record before this */
    const char *what;   /* damage: what was wanted */
    uint32_t source;    /* the cursor's number */
    uint32_t ring, events;
    uint32_t found; /* damage: the first four bytes there */
    uint8_t kind;
    bool last; /* no later batch of its ring is known: what was lost behind its beginning nothing else tells */
};
struct evtrail_part {
    char *path;
    struct evtrail_input input;
    struct evtrail_super super;
    struct evtrail_item *items;
    size_t items_count, items_room, next_item;
    uint64_t scanned;  /* where the scan goes on */
    uint64_t size;     /* when last asked */
    uint64_t searched; /* bytes of large frames that were looked at behind damage */
    bool open;
    bool awaited;             /* its first frame is not yet there */
    bool written;             /* a writer was seen to hold its lock */
    bool left;                /* ... and holds it no longer: nothing is appended any more */
    bool complete;            /* all that there is was scanned */
    bool closed;              /* it ends with END and seek table */
    bool indexed;             /* its index gave the items */
    bool looked_ahead;        /* a stream: its clocks were looked for, as far as that is done */
    bool partial;             /* the items were dropped as they were read: no way back, no horizon */
    uint32_t *source_numbers; /* the file's numbers -> the cursor's, or UINT32_MAX */
    uint32_t source_numbers_count;
};
struct evtrail_cursor_source {
    struct evtrail_source source;
    struct evtrail_schema schema;
    struct evtrail_source_frame frame;
    bool clock_known;
    bool clock_sought; /* the stream was looked through for its rate */
    bool hz_borrowed;  /* source.clock.hz is that of another source, until a second reading comes */
};
/* What is known of a ring: to find out what is missing. */
struct evtrail_ring_trail {
    uint64_t key;           /* source << 32 | ring, + 1; 0: free */
    uint64_t expected;      /* events_before of the next batch, if nothing is missing */
    uint64_t torn, skipped; /* not yet told */
    uint64_t torn_here;     /* of torn: since the last batch, wanted or not */
    uint64_t spool, spool_here; /* of these: never shipped */
    uint64_t last_ticks;
    uint64_t lost[EVTRAIL_CAUSES]; /* the writer's counts behind its last batch, or before it if `unread` */
    uint64_t base[EVTRAIL_CAUSES]; /* those that the file says were told before; with `based` not yet passed on */
    uint64_t last_offset;          /* of the last batch, in part `last_part` */
    uint32_t last_part;
    bool known, based, unread;
};
struct evtrail_file_cursor {
    struct evtrail_file_cursor_options options;
    char *name;
    char **paths;
    int paths_count, next_path;
    struct evtrail_part current, following;
    struct evtrail_source **sources; /* each the first member of an evtrail_cursor_source */
    uint32_t sources_count, sources_room;
    uint32_t *source_slots; /* 1 + number of those with a session id: a hash table of open addressing */
    uint32_t source_slots_room;
    uint64_t source_seed;
    size_t schema_bytes; /* that all sources' types take */
    struct evtrail_ring_trail *rings;
    size_t rings_count, rings_room, rings_told;
    struct evtrail_batch batch;
    struct evtrail_ring_before before; /* the batch */
    bool batch_last;                   /* the item's */
    uint32_t batch_source;             /* the cursor's number; source->number is the caller's to change */
    struct evtrail_batch_header header;
    bool header_valid;                     /* words and view may be asked for */
    const struct evtrail_batch_view *view; /* of the current batch, once decoded */
    struct evtrail_decoder *decoder;
    ZSTD_DCtx *zstd;
    uint8_t *scratch, *compressed, *content;
    size_t scratch_used; /* of the last evtrail_part_read_frame(), at least its head */
    uint64_t torn, faults;
    uint64_t torn_recorded; /* in damage that was repaired: the file says so itself */
    uint64_t spool;         /* never shipped; not among these */
    uint64_t spool_by[EVTRAIL_SPOOL_WHYS];
    bool untold;            /* damage in the current part may have held what was told of rings before it */
    uint32_t parts;         /* that were opened */
    uint32_t unclosed;      /* parts that were left behind without an end */
    char error[768];
};
#define EVTRAIL_CURSOR_SCHEMA_BYTES_MAX ((size_t)512 << 20) /* of all its sources together */
enum { EVTRAIL_SCRATCH_BYTES = EVTRAIL_FRAME_BYTES_MAX, EVTRAIL_ITEMS_MAX = 1 << 19 };

/* A single file, no set, that has its end, has lost its writer or turned out to be none of ours. */
bool evtrail_cursor_ended(const struct evtrail_file_cursor *cursor);
/* Of the batch that options.wanted is asked about, whether no later one of its ring is known in the file. */
bool evtrail_cursor_batch_is_last(const struct evtrail_file_cursor *cursor);
/* The batch that is at hand, also while `wanted` is asked. */
const struct evtrail_batch *evtrail_cursor_batch(const struct evtrail_file_cursor *cursor);

/* ---- file_scan.c ---- */
/* Opens paths[number] and finds its parts: through the index, else from header to header. -EBADMSG: not a trace
 * file; -ENODATA: empty. Who follows gets a file without a whole first frame as well, and awaits that. */
int evtrail_part_open(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char *path);
void evtrail_part_close(struct evtrail_part *part);
/* Looks for more items behind what was scanned. 1: there are; 0: not now; < 0: reading failed. */
int evtrail_part_scan(struct evtrail_file_cursor *cursor, struct evtrail_part *part);
extern const char evtrail_ends_inside_frame[];
/* A whole frame of ours at `offset`, checked, in cursor->scratch. 1: there; 0: *ret_what says what is wrong. */
int evtrail_part_read_frame(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset,
                            struct evtrail_frame *ret_frame, const char **ret_what);
/* Takes in a frame that is no batch. NULL or what is wrong with it. */
const char *evtrail_part_apply(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                               const struct evtrail_frame *frame);
int evtrail_part_add_damage(struct evtrail_part *part, uint64_t offset, uint64_t bytes, const char *what,
                            uint32_t found);
/* Takes in a frame at `offset` that is no batch: now, or as an item if its place matters. NULL or what is wrong. */
const char *evtrail_part_take(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset,
                              const struct evtrail_frame *frame);
int evtrail_part_add_batch(struct evtrail_part *part, const struct evtrail_index_entry *entry, uint32_t source);
/* Creation time of a file, without the rest. */
int evtrail_part_created(const char *path, int64_t *ret_created_ns);

/* ---- clock_ahead.c ---- */
/* Takes in the sources and clocks of a stream from part->scanned on, as far as they are at hand, without moving on. */
void evtrail_part_look_ahead(struct evtrail_file_cursor *cursor, struct evtrail_part *part);

/* ---- index_load.c ---- */
/* 1: the index gave all items; 0: there is none, or it does not fit the file. */
int evtrail_part_load_index(struct evtrail_file_cursor *cursor, struct evtrail_part *part);

/* ---- table_check.c ---- */
/* Whether the seek table of a closed part lists the file's frames end to end. */
bool evtrail_part_table_fits(struct evtrail_file_cursor *cursor, struct evtrail_part *part);

/* ---- file_sources.c ---- */
int evtrail_cursor_add_source(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                              const struct evtrail_source_frame *frame);
/* The cursor's number of the file's source; one that was never described is made up. UINT32_MAX: no memory. */
uint32_t evtrail_cursor_source_of(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint32_t number);
void evtrail_cursor_add_clock(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                              const struct evtrail_clock_frame *clock);
/* -EBADMSG: some entry is wrong, see the schema's fault. */
/* Following a stream: what to poll for more of it; else -1. */
int evtrail_cursor_stream_fd(const struct evtrail_file_cursor *cursor);
void evtrail_cursor_add_offset(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const struct evtrail_offset_frame *frame);
int evtrail_cursor_add_schema(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint32_t number,
                              const uint8_t *entries, size_t bytes);
void evtrail_cursor_free_sources(struct evtrail_file_cursor *cursor);

/* ---- file_rings.c ---- */
/* NULL: no memory, or too many; the ring is then not followed. */
struct evtrail_ring_trail *evtrail_cursor_ring(struct evtrail_file_cursor *cursor, uint32_t source, uint32_t ring);
/* Takes the header of the batch at `offset` into account: sets `before`, and in `batch` what was torn, skipped and told before. */
void evtrail_cursor_account(struct evtrail_file_cursor *cursor, const struct evtrail_chunk *chunk, uint32_t source,
                            uint64_t offset);
/* The batch was not wanted; what was before it is told by a later one. */
void evtrail_cursor_pass(struct evtrail_file_cursor *cursor, uint32_t source);
/* The batch cannot be read. */
void evtrail_cursor_tear(struct evtrail_file_cursor *cursor, uint32_t source);
/* What the file itself says came before in a ring. */
void evtrail_cursor_told(struct evtrail_file_cursor *cursor, const struct evtrail_account_frame *account,
                         uint32_t source);
/* At the end: the next ring of which something is missing that no batch told, as a batch without words. False: none. */
bool evtrail_cursor_rest(struct evtrail_file_cursor *cursor);
void evtrail_cursor_forget_rings(struct evtrail_file_cursor *cursor);

/* ---- file_open.c ---- */
/* Goes on with the next file of the set. 1: there is one; 0: none. */
int evtrail_cursor_next_part(struct evtrail_file_cursor *cursor);
/* Looks for files that were added to the set since. */
void evtrail_cursor_list_again(struct evtrail_file_cursor *cursor);
/* Why a file cannot be read, in a few words. */
const char *evtrail_part_refusal(int error);
/* Says so of a part that is open, and closes it. */
int evtrail_part_refuse(struct evtrail_file_cursor *cursor, struct evtrail_part *part, int error);
/* An owned line about a file that cannot be opened. */
void evtrail_cursor_explain(char **ret_error, const char *path, int error);

/* ---- file_reader.c ---- */
/* Reads the writer's counts behind the batch at `offset` of the current part, if that is possible. Uses what batches are decoded in. */
void evtrail_cursor_recall(struct evtrail_file_cursor *cursor, uint64_t offset, uint64_t *ret_lost);
/* A path as people read it. */
const char *evtrail_cursor_shown(const char *path);
/* Counts a fault and says it in cursor->error; returns -EBADMSG. */
int evtrail_cursor_fault(struct evtrail_file_cursor *cursor, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* EVTRAIL_FILE_FILE_READER_H */
