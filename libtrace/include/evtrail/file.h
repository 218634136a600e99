/* SPDX-License-Identifier: ISC
 *
 * Trace files: write, rotate, read batch by batch, look at batches as columns, check, repair, copy. Most programs
 * that read want evtrail_reader (reader.h), which opens files too; this is for those who move or check whole
 * batches. Link with libevtrail-reader. docs/file-format.md has every byte.
 *
 * A file is a valid .zst: `zstd -t` checks it. Functions return >= 0 or a negative errno; out-arguments are last
 * and untouched on failure. Nothing here prints or exits. No byte of a file is trusted. Not thread-safe: one
 * object, one thread.
 */
#ifndef EVTRAIL_FILE_H
#define EVTRAIL_FILE_H

#include <evtrail/reader.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define EVTRAIL_FILE_VERSION 1

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct evtrail_file;
struct evtrail_file_options {
    size_t bytes;          /* sizeof(struct evtrail_file_options) */
    bool force;            /* overwrite an existing file */
    bool sync;             /* fdatasync at each flush and at close */
    bool no_uring;         /* plain writes; also by EVTRAIL_NO_URING=1, and wherever the kernel refuses io_uring */
    int level;             /* of zstd; 0: 1 */
    uint64_t buffer_bytes; /* batches are gathered up to so much before they are written; 0: 256 KiB; at most 1 MiB */
    int64_t flush_ns;      /* what has waited for so long is written; 0: 250 ms; < 0: only when the buffer is full */
    int64_t now_ns;        /* creation time to write into the file; 0: now */
    uint64_t file_id;      /* to write into the file; 0: random */
    /* A rotated set: `path` is NAME, the files are NAME.00001.evt, ... and NAME.current is a symlink to the
     * newest. On if any of these is not 0, or `rotate` is set. */
    bool rotate;
    uint64_t rotate_bytes;
    int64_t rotate_ns;
    uint64_t keep_bytes; /* retention: the oldest closed files of this set are deleted until the rest fits */
    int64_t keep_ns;     /* ... those last written to longer ago than this */
    uint32_t keep_files; /* ... and those beyond so many, the open one included */
    /* A rotated set whose files are elsewhere, in memory say: gives part `part`'s path (part 1, 2, ...; what is there is replaced).
     * Returns 0 or a negative errno. Then no other name is made or looked at, and nothing deleted: keep_... do nothing. */
    int (*place)(void *context, uint32_t part, char *path, size_t size);
    void *place_context;
    /* Buffers and io_uring (10 MiB) are left for the next such file of this process, and stay until it ends: for who writes one short file after the other. To make
     * them takes 5 ms, and more on a busy machine. */
    bool keep_buffers;
};
struct evtrail_file_stats {
    uint64_t events; /* written */
    uint64_t batches;
    uint64_t raw_bytes;  /* of their records */
    uint64_t file_bytes; /* of all files of the set, closed and open */
    uint64_t lost;       /* events handed over and not written (no room on the device, ...) */
    uint64_t files, files_deleted;
    int error; /* 0, or the negative errno that stopped the writing */
    bool uring;
};
/* -EEXIST: the file is there and `force` is not set; -ENXIO: it is a pipe that nobody reads; -EINVAL; or what open(2) gives. */
int evtrail_file_create(struct evtrail_file **ret_file, const char *path, const struct evtrail_file_options *options);
/* Encodes, compresses and buffers one chunk, and whatever of its source's schema and clock the file lacks. A chunk
 * of no words reports loss only. Small chunks of a ring are joined (up to 256 KiB or flush_ns). Nothing of the chunk
 * or its source is needed after the call. About 30 ns per event. -EMSGSIZE: more than 1 MiB of words; -EBADMSG:
 * they are not whole records; an earlier or new failure to write (-ENOSPC, -EFBIG, -EDQUOT, -EIO, ...): the
 * chunk's events are counted in stats.lost, the file is cut back to its last whole batch, and stays so. */
int evtrail_file_write_chunk(struct evtrail_file *file, const struct evtrail_chunk *chunk);
/* What of a ring came before a chunk and is not in this file, where that is not what the file says by itself. */
struct evtrail_file_account {
    size_t bytes;                  /* sizeof(struct evtrail_file_account) */
    bool known;                    /* the next two are; else: what this file has of the ring */
    uint64_t ticks;                /* of the last record before; 0: not known */
    uint64_t lost[EVTRAIL_CAUSES]; /* the writer's counts that were told before, elsewhere */
    uint64_t dropped;              /* events just before the chunk that are given up: lost by cause `spool` */
    uint8_t why;                   /* a number of the caller's that goes with them: which of its limits that was */
};
/* Says that of `chunk`'s ring, before the chunk is written by evtrail_file_write_chunk(), which comes next. */
int evtrail_file_write_account(struct evtrail_file *file, const struct evtrail_chunk *chunk,
                               const struct evtrail_file_account *account);
/* The source's process has ended, and all its chunks were written: what is held of it and its last clock reading are
 * written, its state is freed. */
int evtrail_file_source_gone(struct evtrail_file *file, const struct evtrail_source *source);
/* Writes what has waited for longer than flush_ns; returns ns until the next such time, or INT64_MAX. Call when
 * idle. */
int64_t evtrail_file_idle(struct evtrail_file *file);
/* Writes what is buffered, and waits until it is written (and synced, with `sync`). */
int evtrail_file_flush(struct evtrail_file *file);
/* Of a rotated set: writes what is held, closes the file and begins the next, unless nothing is in it. */
int evtrail_file_next_part(struct evtrail_file *file);
void evtrail_file_stats(const struct evtrail_file *file, struct evtrail_file_stats *ret_stats);
/* Path of the file being written. */
const char *evtrail_file_path(const struct evtrail_file *file);
/* Flushes, writes the index, frees. Returns stats->error. ret_stats may be NULL; file may be NULL. */
int evtrail_file_close(struct evtrail_file *file, struct evtrail_file_stats *ret_stats);
/* Frees without index, as if the process had been killed here. For tests. */
void evtrail_file_abandon(struct evtrail_file *file);

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct evtrail_file_cursor;
struct evtrail_batch_view;
struct evtrail_file_cursor_options {
    size_t bytes; /* sizeof(struct evtrail_file_cursor_options) */
    bool
        follow; /* wait for what is appended: evtrail_file_cursor_next() returns 0 at the end and may be called again */
    /* Batches for which this returns false are stepped over without a look inside. NULL: none is. chunk->words is
     * NULL. */
    bool (*wanted)(void *context, const struct evtrail_chunk *chunk, uint64_t types);
    void *context;
    bool accounts; /* batches go to evtrail_file_write_from() */
    /* The files of a set, in order, wherever they are; then `path` is only what it is called. NULL: `path` says. */
    const char *const *parts;
    uint32_t parts_count;
};
struct evtrail_batch {
    struct evtrail_chunk chunk; /* words NULL until evtrail_file_cursor_words(); words_count is known */
    uint64_t torn;              /* events of this ring that a damaged part before this batch held */
    uint64_t skipped;           /* events of this ring in batches before this one that `wanted` refused */
    uint64_t number;            /* in the file, from 0 */
    uint64_t offset;            /* in the file */
    uint64_t types;             /* Bloom: evtrail_batch_may_have() */
    uint32_t bytes;             /* in the file */
    int64_t from_ns, to_ns;     /* first and last record, realtime */
    bool based; /* the file says that of what the ring's writer lost, these were told before, in another file: */
    uint64_t lost_base[EVTRAIL_CAUSES];
    uint64_t base_ticks; /* ... and when the last record before was; 0: not known */
    uint64_t spool;      /* events of this ring before it that were given up on the way to a collector; not among `torn` */
};
/* A trace file; "-": one on standard input; a set: NAME of NAME.00001.evt, ..., `NAME.*`, or a directory of them.
 * On failure *ret_error (may be NULL) is an owned line that says what, where, and what to do; free() it. -EBADMSG:
 * not a trace file, or still empty (who follows waits for that); -EPROTONOSUPPORT: of a newer version. */
int evtrail_file_cursor_open(struct evtrail_file_cursor **ret_cursor, const char *path,
                             const struct evtrail_file_cursor_options *options, char **ret_error);
void evtrail_file_cursor_close(struct evtrail_file_cursor *cursor);
/* The next batch's header, all checked. 1: a batch, valid until the next call; 0: the end (follow: for now);
 * -EBADMSG: damage, in evtrail_file_cursor_error(): the next call goes on behind it. */
int evtrail_file_cursor_next(struct evtrail_file_cursor *cursor, struct evtrail_batch **ret_batch);
/* The last batch's records, as rows (batch->chunk.words) or as columns. -EBADMSG as above: its events count as torn. */
int evtrail_file_cursor_words(struct evtrail_file_cursor *cursor);
int evtrail_file_cursor_view(struct evtrail_file_cursor *cursor, const struct evtrail_batch_view **ret_view);
/* Both in one: the next batch, decoded. */
int evtrail_file_cursor_next_chunk(struct evtrail_file_cursor *cursor, struct evtrail_batch **ret_batch);
/* The next batch is the first that may hold an event at or after this time. Batches of different rings overlap:
 * such a batch may be followed by earlier events of another ring. -ESPIPE: a stream. */
int evtrail_file_cursor_seek(struct evtrail_file_cursor *cursor, int64_t realtime_ns);
/* No batch that is still to come has an event before this time (INT64_MAX: none is to come; INT64_MIN: not known,
 * a stream). */
int64_t evtrail_file_cursor_horizon(const struct evtrail_file_cursor *cursor);
/* Sources seen so far; they grow, and stay valid until close. source->owner and
 * source->number are the caller's to change. */
uint32_t evtrail_file_cursor_sources(const struct evtrail_file_cursor *cursor,
                                     struct evtrail_source *const **ret_sources);
/* The last fault in one line; "" if none. */
const char *evtrail_file_cursor_error(const struct evtrail_file_cursor *cursor);
/* Events known to be torn so far, faults so far, and whether the file ended with its index. Any may be NULL. */
void evtrail_file_cursor_totals(const struct evtrail_file_cursor *cursor, uint64_t *ret_torn, uint64_t *ret_faults,
                                bool *ret_closed);
/* Events so far that were given up on the way to a collector: lost by cause `spool`. */
uint64_t evtrail_file_cursor_spool(const struct evtrail_file_cursor *cursor);
/* Of these, by why: its cap by size (oldest, newest) or age, refused by the collector, damaged, its disk; [0]: the file does not say. */
#define EVTRAIL_SPOOL_WHYS 8
void evtrail_file_cursor_spool_by(const struct evtrail_file_cursor *cursor, uint64_t ret_events[EVTRAIL_SPOOL_WHYS]);
const char *evtrail_spool_why_name(unsigned why); /* "oldest" */
/* The same of all files that a reader has read to their ends. */
void evtrail_reader_spool_by(const struct evtrail_reader *reader, uint64_t ret_events[EVTRAIL_SPOOL_WHYS]);
/* False: the batch has no event of this id. */
bool evtrail_batch_may_have(uint64_t types, uint32_t id);

/* ---- a batch as columns ----------------------------------------------------------------------------------------- */

struct evtrail_batch_shape {
    uint32_t id;    /* event type's, or below 16: enum evtrail_record_id */
    uint32_t words; /* of payload */
    uint32_t count; /* of records */
};
struct evtrail_decoder;
struct evtrail_batch_view {
    uint32_t records;
    uint32_t shapes_count; /* at most 250 */
    const struct evtrail_batch_shape *shapes;
    const uint8_t *sequence; /* the shape of each record; 255: the next record of misc */
    const uint64_t *misc;    /* long records and those of rare shapes, as rows */
    size_t misc_words;
    struct evtrail_decoder *decoder; /* private */
};
/* Payload word `word` of all records of a shape, in order: ret_values has room for shapes[shape].count. No
 * allocation; 1 ns a value. -ENOENT. */
int evtrail_batch_column(const struct evtrail_batch_view *view, uint32_t shape, uint32_t word, uint64_t *ret_values);
/* Absolute ticks of all records of a shape (255: of misc). The first call decodes those of all shapes, 3 ns each.
 * -ENOENT. */
int evtrail_batch_ticks(const struct evtrail_batch_view *view, uint32_t shape, const uint64_t **ret_ticks);

/* ---- sets, checking, repairing, copying ------------------------------------------------------------------------- */

/* The files that `path` names, in order: itself, or those of the set (see evtrail_file_cursor_open). Owned:
 * evtrail_file_list_free(). Returns how many; -ENOENT. */
int evtrail_file_list(const char *path, char ***ret_paths);
void evtrail_file_list_free(char **paths);

struct evtrail_file_report {
    uint64_t batches, events, raw_bytes, file_bytes;
    uint64_t lost[EVTRAIL_CAUSES_ALL]; /* by cause, as the file tells; torn: in damaged parts */
    uint64_t faults;
    uint32_t sources;
    bool closed; /* it ends with an index */
    int64_t from_ns, to_ns;
    uint64_t torn_recorded; /* of lost by torn: what a repaired file says itself; the rest was found to be missing */
};
/* Reads and decodes everything; calls `fault` (may be NULL) with one line for each damage. Returns 0: intact (but for what a
 * repaired file records as lost); 1: damaged (a missing index alone is no damage: see closed); < 0: not readable at all, *ret_error as above. */
int evtrail_file_verify(const char *path, void (*fault)(void *context, const char *line), void *context,
                        struct evtrail_file_report *ret_report, char **ret_error);

/* Cuts chunks to the events of [from_ns, to_ns), for one file that they are written to. Records of a ring must come in its order. */
struct evtrail_cutter;
int evtrail_cutter_new(struct evtrail_cutter **ret_cutter, int64_t from_ns, int64_t to_ns);
void evtrail_cutter_free(struct evtrail_cutter *cutter);
/* What of `whole` lies in the range: 1, *ret_chunk (valid until the next call) decodes alone, and says of the events before it what
 * adds up with the chunks that were cut before; 0: nothing. `skipped`: events of its ring since the last one that was cut which
 * were not brought (struct evtrail_batch has it). *next_ns is lowered to the earliest event behind the range. -ENOMEM. */
int evtrail_cutter_cut(struct evtrail_cutter *cutter, const struct evtrail_chunk *whole, uint64_t skipped,
                       const struct evtrail_chunk **ret_chunk, int64_t *next_ns);

/* Writes a chunk of the cursor's last batch: all of it, or what the cutter left (else NULL). Beside it goes what the cursor knows of
 * the ring before it, so that the file tells what was lost in its own time, and where events are torn. The cursor has the option
 * `accounts`. As evtrail_file_write_chunk(). */
int evtrail_file_write_from(struct evtrail_file *file, const struct evtrail_file_cursor *cursor,
                            const struct evtrail_cutter *cutter, const struct evtrail_chunk *chunk);

struct evtrail_file_copy_options {
    size_t bytes;               /* sizeof(struct evtrail_file_copy_options) */
    int64_t from_ns, to_ns;     /* events of this range, both included; 0: open */
    const char *const *sources; /* pids or commands; NULL: all */
    uint32_t sources_count;
    void (*fault)(void *context, const char *line);
    void *context;
    struct evtrail_file_options file; /* of the output; .bytes 0: defaults */
};
/* Writes the whole, intact batches of `paths` (files or sets; several: merged by their first time) to `output`,
 * without compressing them again; with a time range they are cut to it event by event, and compressed again. -EEXIST: the
 * output is there and file.force is not set; -EINVAL: it is one of the inputs, which is never replaced, or none or too many are named. */
int evtrail_file_copy(const char *const *paths, uint32_t paths_count, const char *output,
                      const struct evtrail_file_copy_options *options, struct evtrail_file_stats *ret_stats,
                      char **ret_error);
/* The same for one damaged or unclosed file: a clean one with an index, in `output`. */
int evtrail_file_repair(const char *path, const char *output, const struct evtrail_file_copy_options *options,
                        struct evtrail_file_stats *ret_stats, char **ret_error);
/* Deletes the oldest closed files of a set until what is left fits (0: no such limit). Returns how many were
 * deleted. */
int evtrail_file_prune(const char *path, uint64_t keep_bytes, int64_t keep_ns, uint32_t keep_files);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* EVTRAIL_FILE_H */
