/* SPDX-License-Identifier: ISC
 *
 * Inside of a trace file being written; shared by file_writer.c, file_source.c, file_index.c and rotation.c.
 */
#ifndef EVTRAIL_FILE_FILE_WRITER_H
#define EVTRAIL_FILE_FILE_WRITER_H

#include <evtrail/file.h>

#include "file/codec.h"
#include "file/frame.h"
#include "file/gather.h"
#include "file/output.h"
#include "layout.h"
#include "reader/schema.h"

#include <zstd.h>

/* A source as the open part knows it. */
struct evtrail_file_source {
    struct evtrail_source_frame frame;
    struct evtrail_clock_frame first, last; /* readings of the clock, as the source's own */
    struct evtrail_offset_frame offset;     /* bound_ns 0: none is known */
    struct evtrail_offset_frame written;    /* what this part says of it */
    uint64_t written_realtime_ns;           /* of the newest reading in this part */
    bool described;                         /* its SOURCE frame is in this part */
    bool gone;
    struct evtrail_schema schema; /* all that batches so far may need */
    uint32_t modules_known, modules_written;
    uint64_t types_known[EVTRAIL_EVENT_TYPES_MAX / 64];
    uint64_t types_written[EVTRAIL_EVENT_TYPES_MAX / 64];
};

/* What the index at the end will say. */
struct evtrail_file_index {
    struct evtrail_index_entry *entries;
    size_t entries_count, entries_room;
    uint32_t (*seeks)[2]; /* of each frame: compressed bytes, content bytes */
    size_t seeks_count, seeks_room;
    bool dropped; /* grew too large, or no memory: the file ends without */
};

struct evtrail_file {
    struct evtrail_file_options options;
    char *name;                    /* as given */
    char *path;                    /* of the open part */
    struct evtrail_output *output; /* NULL: no part is open */
    struct evtrail_encoder *encoder;
    ZSTD_CCtx *zstd;
    uint8_t *compressed;
    size_t compressed_room;
    struct evtrail_gather gather;
    struct evtrail_file_source **sources; /* NULL: it has ended */
    uint32_t sources_count, last_source;
    uint32_t number_hint;                            /* no number below it is free */
    uint64_t numbers_used[EVTRAIL_SOURCES_MAX / 64]; /* in this part */
    struct evtrail_file_index index;
    uint64_t part_batches, part_events;
    int64_t part_opened_ns; /* CLOCK_MONOTONIC */
    int64_t buffered_since_ns;
    int64_t due_ns; /* nothing has waited for too long before this */
    uint32_t part;
    uint64_t set_id;
    uint64_t closed_bytes; /* of the set's other files that this writer wrote */
    struct evtrail_file_stats stats;
};

/* ---- file_writer.c ---- */
int64_t evtrail_file_now(void); /* CLOCK_MONOTONIC, ns */
/* Opens the part at file->path and writes its first frame. */
int evtrail_file_open_part(struct evtrail_file *file, bool force);
/* Index, end, close. The error of the part, if any, is in stats.error. */
void evtrail_file_close_part(struct evtrail_file *file);
/* Room in the output for one of our frames; NULL after a failure. */
uint8_t *evtrail_file_frame(struct evtrail_file *file, size_t bytes);
/* A frame of ours, other than a batch's, is complete; `indexed`: readers need it before they read batches. */
void evtrail_file_frame_done(struct evtrail_file *file, size_t bytes, bool indexed);
/* Adds a batch whose header (but for its number) and compressed bytes are complete; ids: all that its records have. */
int evtrail_file_write_batch(struct evtrail_file *file, struct evtrail_batch_header *header, const uint8_t *compressed,
                             const uint16_t *ids, uint32_t ids_count);

/* ---- file_account.c ---- */
/* Before a batch: says what came before in its ring, if that is in an earlier part. */
void evtrail_file_account_begin(struct evtrail_file *file, const struct evtrail_batch_header *header);
/* Behind it. header->lost_after is set. */
void evtrail_file_account_end(struct evtrail_file *file, const struct evtrail_batch_header *header);
/* Says what is missing between what the file has of a ring and a chunk of it that comes from another file, and was not told before. */
int evtrail_file_account(struct evtrail_file *file, uint32_t source, const struct evtrail_chunk *chunk,
                         const struct evtrail_ring_before *before);

/* Says what the caller dropped before the chunk, and what is in files that this writer did not write. */
int evtrail_file_account_dropped(struct evtrail_file *file, uint32_t source, const struct evtrail_chunk *chunk,
                                 const struct evtrail_file_account *told);

/* ---- file_source.c ---- */
/* The number of a source, new ones added. */
int evtrail_file_source_number(struct evtrail_file *file, const struct evtrail_source *source, uint32_t *ret_number);
bool evtrail_file_source_find(struct evtrail_file *file, const struct evtrail_source *source, uint32_t *ret_number);
/* Writes that a source has ended, and forgets it. Nothing of it is held. */
void evtrail_file_end_source(struct evtrail_file *file, uint32_t number);
/* Takes over what a source now says of its clock. */
void evtrail_file_source_update(struct evtrail_file *file, const struct evtrail_source *source, uint32_t number);
/* Keeps what a source now says of a type, or of its modules. Uses file->compressed. */
void evtrail_file_learn_type(struct evtrail_file *file, uint32_t number, const struct evtrail_source *source,
                             uint32_t id);
void evtrail_file_learn_modules(struct evtrail_file *file, uint32_t number, const struct evtrail_source *source);
/* Writes what the part lacks of a source: itself, its clock, the types of these ids as far as they were learned, its
 * modules. */
int evtrail_file_describe(struct evtrail_file *file, uint32_t number, const uint16_t *ids, uint32_t ids_count);
void evtrail_file_free_sources(struct evtrail_file *file);
/* The last reading of each source's clock that is not written yet. */
void evtrail_file_put_clocks(struct evtrail_file *file);

/* ---- file_index.c ---- */
void evtrail_file_index_add(struct evtrail_file_index *index, const struct evtrail_index_entry *entry);
void evtrail_file_index_frame(struct evtrail_file_index *index, size_t bytes, size_t content_bytes);
/* Forgets what lies behind `end`. */
void evtrail_file_index_cut(struct evtrail_file_index *index, uint64_t end);
void evtrail_file_index_clear(struct evtrail_file_index *index);
/* INDEX frames, END frame, seek table. */
void evtrail_file_index_write(struct evtrail_file *file, uint64_t tail_offset);

/* ---- rotation.c ---- */
bool evtrail_file_rotates(const struct evtrail_file_options *options);
/* The first part: path, number behind those that are there. */
int evtrail_file_rotation_start(struct evtrail_file *file);
/* Closes the open part and opens the next if it is time: `more` bytes are about to be added. */
int evtrail_file_rotation_step(struct evtrail_file *file, size_t more);
uint64_t evtrail_file_random(void);

#endif /* EVTRAIL_FILE_FILE_WRITER_H */
