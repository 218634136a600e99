/* SPDX-License-Identifier: ISC
 *
 * The file's frames, byte by byte: one function writes each kind, one parses it. docs/file-format.md is the text
 * of this.
 *
 * Every frame of ours is a skippable zstd frame: u32 magic, u32 bytes that follow, u32 tag, u32 crc32c of all but
 * itself.
 */
#ifndef EVTRAIL_FILE_FRAME_H
#define EVTRAIL_FILE_FRAME_H

#include <evtrail/file.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVTRAIL_MAGIC_BATCH = 0x184d2a50,
    EVTRAIL_MAGIC_OTHER = 0x184d2a51,
    EVTRAIL_MAGIC_SEEK_TABLE = 0x184d2a5e,
};
#define EVTRAIL_MAGIC_SEEKABLE 0x8f92eab1u

#define EVTRAIL_TAG(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define EVTRAIL_TAG_SUPER EVTRAIL_TAG('E', 'v', 't', 'F')
#define EVTRAIL_TAG_SOURCE EVTRAIL_TAG('E', 'v', 't', 'P')
#define EVTRAIL_TAG_SCHEMA EVTRAIL_TAG('E', 'v', 't', 'M')
#define EVTRAIL_TAG_CLOCK EVTRAIL_TAG('E', 'v', 't', 'C')
#define EVTRAIL_TAG_BATCH EVTRAIL_TAG('E', 'v', 't', 'B')
#define EVTRAIL_TAG_ACCOUNT EVTRAIL_TAG('E', 'v', 't', 'A')
#define EVTRAIL_TAG_MARK EVTRAIL_TAG('E', 'v', 't', 'S')
#define EVTRAIL_TAG_OFFSET EVTRAIL_TAG('E', 'v', 't', 'O')
#define EVTRAIL_TAG_INDEX EVTRAIL_TAG('E', 'v', 't', 'I')
#define EVTRAIL_TAG_END EVTRAIL_TAG('E', 'v', 't', 'E')

enum {
    EVTRAIL_FRAME_PREFIX_BYTES = 16,
    EVTRAIL_FRAME_BYTES_MAX = 1 << 20, /* of any frame of ours */
    EVTRAIL_HEADER_BYTES_MAX = 1024,   /* of a batch's header */
    EVTRAIL_COMPRESSED_BYTES_MAX = 2 << 20,
    EVTRAIL_INDEX_ENTRY_BYTES = 48,
    EVTRAIL_INDEX_ENTRIES_MAX = 16384, /* in one frame */
    EVTRAIL_ACCOUNT_BYTES = 136,
    EVTRAIL_END_BYTES = 64,
    EVTRAIL_MARK_BYTES = 64,
    EVTRAIL_SOURCES_MAX = 65536,
    EVTRAIL_CODEC_NONE = 0,    /* no words follow */
    EVTRAIL_CODEC_COLUMNS = 1, /* codec.h, in one zstd frame */
    EVTRAIL_CLOCK_GONE = 1,    /* the source's last reading: its process has ended */
    EVTRAIL_ACCOUNT_CUT = 1,   /* what lies between the ring's batches was left out on purpose */
    EVTRAIL_ACCOUNT_SPOOL = 2, /* what is torn was never shipped: given up by a sender's spool, or refused by a collector */
    EVTRAIL_ACCOUNT_WHY_SHIFT = 8, /* bits 8..15, with SPOOL: the sender's number of why */
    EVTRAIL_MARK_BATCH = 0,    /* the batch of this sequence follows */
    EVTRAIL_MARK_GAP = 1,      /* up to this sequence nothing comes; what was lost stands before it, and in other files */
    EVTRAIL_MARK_GAP_PART = 2, /* the same, while not all files have theirs: the stream is not yet there */
    EVTRAIL_MARK_END = 3,      /* before the index: what the stream had when the file was closed */
};

struct evtrail_frame {
    uint32_t magic, tag;
    uint32_t bytes; /* all of it */
};

/* A batch's header as it stands in the file. chunk.words is NULL, chunk.source unset. */
struct evtrail_batch_header {
    struct evtrail_chunk chunk;
    uint32_t header_bytes, compressed_bytes, content_bytes;
    uint32_t source;
    uint64_t number;
    uint64_t types;
    uint32_t checksum; /* CRC-32C of the zstd frame; 0: of an older file, which has none */
    uint8_t codec;
    uint64_t lost_after[EVTRAIL_CAUSES]; /* not in the file: the writer's counts behind the last record */
};
struct evtrail_super {
    uint32_t version, flags;
    uint64_t file_id, set_id;
    int64_t created_ns;
    uint32_t part;
};
struct evtrail_source_frame {
    uint32_t number, pid, uid, parent_pid, clock_kind;
    uint64_t session_id, start_realtime_ns, hz;
    char command[65], program[513], host[65], boot_id[41];
};
struct evtrail_clock_frame {
    uint32_t source, flags;
    uint64_t ticks, monotonic_ns, realtime_ns;
};
/* How far the source's realtime clock is from that of who collected the file. */
struct evtrail_offset_frame {
    uint32_t source, flags;
    int64_t offset_ns; /* the source's less the collector's */
    int64_t bound_ns;  /* the truth is at most so far away */
};
/* What of a ring came before its next batch, where that is not in this file, or is lost. */
struct evtrail_account_frame {
    uint32_t source, ring, flags;
    uint64_t
        events;     /* recorded in the ring before the next batch, but for those that were overwritten just before it */
    uint64_t torn;  /* of these, lost just before the next batch in a damaged or missing part, and not told before */
    uint64_t ticks; /* of the last record before; 0: not known */
    uint64_t lost[EVTRAIL_CAUSES]; /* the writer's counts that were told already */
};
/* In a collector's store: which of a stream's messages the file has. Before each batch, in one unit with it. */
struct evtrail_mark_frame {
    uint8_t stream[16];
    uint64_t sequence;
    uint64_t through; /* all of the stream up to this was on disk when it was written */
    uint64_t owner;   /* hash of the name that the stream's sender proved; 0: none */
    uint32_t kind;    /* EVTRAIL_MARK_... */
};
/* What a cursor knows of a ring before a batch: what of it was told by earlier batches, or lies elsewhere. */
struct evtrail_ring_before {
    bool known;    /* some of the ring came before; else the rest but `torn` is 0 */
    bool skipped;  /* batches of it were not wanted since the last one that was */
    uint64_t torn;  /* events just before the batch that are lost in the file */
    uint64_t spool; /* of these: never shipped */
    uint64_t ticks;
    uint64_t lost[EVTRAIL_CAUSES]; /* the writer's counts */
};
/* One batch, or one other frame that a reader needs before it reads batches (ring EVTRAIL_RING_NONE, the rest 0). */
struct evtrail_index_entry {
    uint64_t offset;
    uint32_t bytes; /* header and zstd frame */
    uint32_t source, ring, events;
    uint64_t first_ticks, last_ticks, types;
};
#define EVTRAIL_RING_NONE UINT32_MAX
struct evtrail_end {
    uint64_t tail_offset; /* of the first frame behind the last batch: CLOCKs, then INDEXes, then this */
    uint64_t batches, events, entries;
};

/* ---- writing: `out` has room (EVTRAIL_HEADER_BYTES_MAX, unless said); the frame's bytes are returned ---- */
size_t evtrail_frame_put_super(uint8_t *out, const struct evtrail_super *super);
size_t evtrail_frame_put_source(uint8_t *out, const struct evtrail_source_frame *source);
size_t evtrail_frame_put_clock(uint8_t *out, const struct evtrail_clock_frame *clock);
size_t evtrail_frame_put_offset(uint8_t *out, const struct evtrail_offset_frame *offset);
size_t evtrail_frame_put_batch(uint8_t *out, const struct evtrail_batch_header *header);
size_t evtrail_frame_put_account(uint8_t *out, const struct evtrail_account_frame *account);
size_t evtrail_frame_put_mark(uint8_t *out, const struct evtrail_mark_frame *mark);
size_t evtrail_frame_put_end(uint8_t *out, const struct evtrail_end *end);
/* Entries (a multiple of 8 bytes) are at out + EVTRAIL_SCHEMA_HEAD already. */
#define EVTRAIL_SCHEMA_HEAD 24
size_t evtrail_frame_put_schema(uint8_t *out, uint32_t source, size_t entries_bytes);
/* Room: 32 + count * EVTRAIL_INDEX_ENTRY_BYTES. */
size_t evtrail_frame_put_index(uint8_t *out, uint64_t first, const struct evtrail_index_entry *entries, uint32_t count);

/* ---- parsing: bytes come from a file; NULL or what is wrong ---- */
extern const char evtrail_ends_inside_prefix[]; /* a fault that more bytes may cure */
/* What the 16 bytes at `at` say, with sizes bounded; the checksum is not looked at. */
const char *evtrail_frame_prefix(const uint8_t *at, size_t bytes, struct evtrail_frame *ret_frame);
/* Checks the whole frame's checksum; all parsers below take frames that passed. */
bool evtrail_frame_intact(const uint8_t *at, const struct evtrail_frame *frame);
const char *evtrail_frame_parse_super(const uint8_t *at, size_t bytes, struct evtrail_super *ret_super);
const char *evtrail_frame_parse_source(const uint8_t *at, size_t bytes, struct evtrail_source_frame *ret_source);
const char *evtrail_frame_parse_clock(const uint8_t *at, size_t bytes, struct evtrail_clock_frame *ret_clock);
const char *evtrail_frame_parse_offset(const uint8_t *at, size_t bytes, struct evtrail_offset_frame *ret_offset);
const char *evtrail_frame_parse_batch(const uint8_t *at, size_t bytes, struct evtrail_batch_header *ret_header);
const char *evtrail_frame_parse_account(const uint8_t *at, size_t bytes, struct evtrail_account_frame *ret_account);
const char *evtrail_frame_parse_mark(const uint8_t *at, size_t bytes, struct evtrail_mark_frame *ret_mark);
const char *evtrail_frame_parse_end(const uint8_t *at, size_t bytes, struct evtrail_end *ret_end);
const char *evtrail_frame_parse_schema(const uint8_t *at, size_t bytes, uint32_t *ret_source,
                                       const uint8_t **ret_entries, size_t *ret_entries_bytes);
/* Calls `visit` for each entry. */
const char *evtrail_frame_parse_index(const uint8_t *at, size_t bytes,
                                      int (*visit)(void *context, const struct evtrail_index_entry *entry),
                                      void *context);

#endif /* EVTRAIL_FILE_FRAME_H */
