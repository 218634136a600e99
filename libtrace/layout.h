/* SPDX-License-Identifier: ISC
 *
 * Every byte that a traced process shares with its readers: two files a session, in native byte order.
 *
 *   <dir>/<pid>-<id>.trail   data: written by the process, mapped read-only by readers          (mode 0400)
 *   <dir>/<pid>-<id>.ctl     control: enable bytes, rules, settings, consumers' cursors; both write (mode 0600)
 *
 * The process never reads back what it wrote to the data file, and bounds whatever it reads from the control file. Readers trust neither.
 *
 * A block's life, per slot (sequence numbers s count a ring's blocks from 0; s lives in slot s mod blocks):
 *
 *            W1 number = 0            W3 number = s + 1          W6 committed grows
 *   [free] ------------------> [opening] ------------------> [open] ----+
 *     ^                                                        ^        |  next block: head_block = s + 2
 *     |  slot wanted for s + blocks                            +--------+
 *     +------------------------------------------------------ [sealed] <-
 *
 * The memory-order labels (W: writer, R: reader, T: trace point, C: control, B: block policy) are tabled in docs/memory-order.md.
 */
#ifndef EVTRAIL_LAYOUT_H
#define EVTRAIL_LAYOUT_H

#include <evtrail/trace.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVTRAIL_MAGIC_DATA UINT64_C(0x316c696172747665)    /* "evtrail1" */
#define EVTRAIL_MAGIC_CONTROL UINT64_C(0x316c746372747665) /* "evtrctl1" */
#define EVTRAIL_LAYOUT_VERSION 1

enum {
    EVTRAIL_EVENT_TYPES_MAX = 16384, /* ids 0 .. 16383: 14 bits of the header word */
    EVTRAIL_EVENT_FIRST = 16,        /* ids below are records of our own, see below */
    EVTRAIL_RINGS_MAX = 4096,
    EVTRAIL_CONSUMERS_MAX = 16,
    EVTRAIL_BLOCK_BYTES_MIN = 4096,
    EVTRAIL_BLOCK_BYTES_MAX = 1 << 20,
    EVTRAIL_BLOCKS_MIN = 2,
    EVTRAIL_BLOCKS_MAX = 4096,
    EVTRAIL_RING_BYTES_MAX = 256 << 20,
    EVTRAIL_ANCHORS = 8,
    EVTRAIL_RULES_BYTES = 32768,
    EVTRAIL_THREAD_NAME_BYTES = 16,
};

/* ---- records ---------------------------------------------------------------------------------------------------
 * header word:  63..20 ticks (low 44 bits of the clock)  |  19..6 event id  |  5..0 payload words
 * The size 63 means that the first payload word holds the number of words after it (bits 31..0; the rest is 0).
 * Ticks are signed relative to the block's open_ticks (or the last TIME record's), within +-2^43.
 * A record is complete when the block's `committed` covers it. Records of our own (id < 16) are not events and are not
 * counted in committed's upper half; the ticks of META, LABEL, THREAD and LOST are those of what follows, or near. */
enum evtrail_record_id {
    EVTRAIL_RECORD_TIME = 1, /* [ticks, 64 bits]: what the 44 bits of the records after it are relative to */
    /* About the next event (only TIME may stand between): [flags] then, by flag and in this order: cpu, caller, stack. */
    EVTRAIL_RECORD_META = 2,
    EVTRAIL_RECORD_LOST = 3,   /* events were lost here: [cumulative count by cause] x EVTRAIL_LOST_CAUSES */
    EVTRAIL_RECORD_THREAD = 4, /* another thread writes from here on: [tid][16 bytes of name] */
    /* The thread's label from here on: [slot] then string key, string value (NULL: cleared). */
    EVTRAIL_RECORD_LABEL = 5,
};
enum evtrail_meta_flag {
    EVTRAIL_META_CUT = 1,     /* the next event was too large: its last strings were shortened or left empty */
    EVTRAIL_META_CPU = 2,     /* one word */
    EVTRAIL_META_CALLER = 4,  /* one word: a code address */
    EVTRAIL_META_STACK = 8,   /* a count n (<= EVTRAIL_STACK_MAX), then n code addresses, innermost first */
    EVTRAIL_META_SIGNAL = 16, /* emitted by a signal handler inside another emission of this thread */
};
enum { EVTRAIL_STACK_MAX = 16, EVTRAIL_LABELS_MAX = 4, EVTRAIL_LABEL_BYTES = 64 };

/* Why the writer lost an event. What a reader did not see because it was overwritten it counts itself. */
enum evtrail_lost_cause {
    EVTRAIL_LOST_FULL = 0,    /* drop: no room */
    EVTRAIL_LOST_TIMEOUT = 1, /* block: no room within the deadline */
    EVTRAIL_LOST_MEMORY = 2,  /* no memory for a ring or block */
    EVTRAIL_LOST_NESTED = 3,  /* a signal handler's event inside an emission, and no second ring */
    EVTRAIL_LOST_SHED = 4,    /* shed: 4 + level - 1, six of them */
    EVTRAIL_LOST_CAUSES = 10,
};

/* ---- block ----------------------------------------------------------------------------------------------------- */
struct evtrail_block_header {
    _Atomic uint64_t number;    /* W1, W3: sequence number + 1; 0 while the header and the words may not be believed */
    _Atomic uint64_t committed; /* W6: events << 32 | words */
    uint64_t open_ticks;        /* the clock at the opening; every record's ticks are relative to it */
    uint64_t events_before;     /* events in this ring's earlier blocks: recorded, not lost */
    uint64_t lost_before[EVTRAIL_LOST_CAUSES];   /* by cause, before this block's first record */
    uint64_t session_id;                         /* of the session header: a block says whose it is */
    uint32_t ring;                               /* index in the ring table */
    uint32_t tid;                                /* kernel's thread id at the opening */
    char thread_name[EVTRAIL_THREAD_NAME_BYTES]; /* NUL-padded */
    uint32_t block_bytes;                        /* header included */
    uint32_t flags;                              /* EVTRAIL_BLOCK_* */
    uint64_t reserved[13];
};
#define EVTRAIL_BLOCK_SIGNAL 1u /* block of a thread's second ring */
#define EVTRAIL_BLOCK_HEADER_BYTES 256
static_assert(sizeof(struct evtrail_block_header) == EVTRAIL_BLOCK_HEADER_BYTES, "block header");
static_assert(offsetof(struct evtrail_block_header, number) == 0, "number");
static_assert(offsetof(struct evtrail_block_header, committed) == 8, "committed");
static_assert(offsetof(struct evtrail_block_header, open_ticks) == 16, "open_ticks");
static_assert(offsetof(struct evtrail_block_header, events_before) == 24, "events_before");
static_assert(offsetof(struct evtrail_block_header, lost_before) == 32, "lost_before");
static_assert(offsetof(struct evtrail_block_header, session_id) == 112, "session_id");
static_assert(offsetof(struct evtrail_block_header, ring) == 120, "ring");
static_assert(offsetof(struct evtrail_block_header, tid) == 124, "tid");
static_assert(offsetof(struct evtrail_block_header, thread_name) == 128, "thread_name");
static_assert(offsetof(struct evtrail_block_header, block_bytes) == 144, "block_bytes");
static_assert(offsetof(struct evtrail_block_header, flags) == 148, "flags");
static_assert(EVTRAIL_BLOCK_HEADER_BYTES - 8 * EVTRAIL_COMMITTED_BACK == 8, "EVTRAIL_COMMITTED_BACK reaches committed");

/* ---- ring table ------------------------------------------------------------------------------------------------ */
enum evtrail_ring_state {
    EVTRAIL_RING_UNUSED = 0,
    EVTRAIL_RING_SETUP = 1, /* geometry is being written */
    EVTRAIL_RING_OWNED = 2, /* a thread writes */
    EVTRAIL_RING_IDLE = 3,  /* its thread exited; the next thread goes on in it */
};
enum evtrail_policy {
    EVTRAIL_POLICY_overwrite = 0,
    EVTRAIL_POLICY_drop = 1,
    EVTRAIL_POLICY_block = 2,
    EVTRAIL_POLICY_shed = 3,
    EVTRAIL_POLICIES = 4,
};
struct evtrail_ring_header {
    _Atomic uint32_t state;  /* W7 (release) publishes the geometry; pairs with R1 */
    uint32_t kind;           /* 0 main, 1 signal, 2 + policy: a channel's ring */
    uint64_t offset;         /* of block 0 in the data file */
    uint32_t block_bytes;    /* power of two */
    uint32_t blocks;         /* power of two */
    _Atomic uint32_t tid;    /* of the owner */
    _Atomic uint32_t policy; /* in force at the last block change, enum evtrail_policy */
    /* W4 (release): open block's sequence number + 1; lower ones are sealed; pairs with R1. */
    _Atomic uint64_t head_block;
    _Atomic uint32_t waiting; /* B1: the writer waits for a block (block policy); pairs with B4 */
    uint32_t reserved0;
    _Atomic uint64_t tail_block; /* lowest block that drop, block or shed still keep, as the writer last saw it */
    uint64_t reserved1;
    _Atomic uint64_t lost[EVTRAIL_LOST_CAUSES]; /* running totals; a trailing loss stands only here */
    uint64_t reserved2[14];
};
#define EVTRAIL_RING_HEADER_BYTES 256
static_assert(sizeof(struct evtrail_ring_header) == EVTRAIL_RING_HEADER_BYTES, "ring header");
static_assert(offsetof(struct evtrail_ring_header, offset) == 8, "offset");
static_assert(offsetof(struct evtrail_ring_header, block_bytes) == 16, "block_bytes");
static_assert(offsetof(struct evtrail_ring_header, blocks) == 20, "blocks");
static_assert(offsetof(struct evtrail_ring_header, tid) == 24, "tid");
static_assert(offsetof(struct evtrail_ring_header, policy) == 28, "policy");
static_assert(offsetof(struct evtrail_ring_header, head_block) == 32, "head_block");
static_assert(offsetof(struct evtrail_ring_header, waiting) == 40, "waiting");
static_assert(offsetof(struct evtrail_ring_header, tail_block) == 48, "tail_block");
static_assert(offsetof(struct evtrail_ring_header, lost) == 64, "lost");

/* ---- session header -------------------------------------------------------------------------------------------- */
enum evtrail_clock_kind {
    EVTRAIL_CLOCK_MONOTONIC = 1, /* ticks are ns of CLOCK_MONOTONIC */
    EVTRAIL_CLOCK_TSC = 2,
    EVTRAIL_CLOCK_CNTVCT = 3,
};
struct evtrail_anchor {
    uint64_t ticks;
    uint64_t monotonic_ns;
    uint64_t realtime_ns;
};
struct evtrail_session_header {
    _Atomic uint64_t magic; /* last to be written: W8 (release), pairs with R8 */
    uint32_t version;       /* EVTRAIL_LAYOUT_VERSION */
    uint32_t header_bytes;
    uint64_t session_id; /* random, not 0 */
    uint32_t pid;        /* as the process sees itself */
    uint32_t uid;
    uint32_t parent_pid;
    uint32_t clock; /* enum evtrail_clock_kind */
    uint64_t hz;    /* ticks a second where the hardware says so, else 0: derive it from two anchors */
    uint64_t start_realtime_ns;
    uint64_t rings_offset; /* struct evtrail_ring_header[EVTRAIL_RINGS_MAX] */
    uint64_t meta_offset;  /* schema and modules */
    uint64_t meta_limit;   /* bytes there may ever be */
    uint64_t blocks_offset;
    uint64_t file_bytes;
    _Atomic uint64_t meta_bytes;   /* C2 (release): whole entries; pairs with R5 */
    _Atomic uint32_t rings_count;  /* ring slots ever used: 0 .. rings_count - 1 */
    _Atomic uint32_t types_count;  /* next free event id */
    _Atomic uint64_t lost_no_ring; /* events of threads for which no ring could be had (cause: memory) */
    _Atomic uint64_t lost_nested;  /* events of signal handlers before their thread had a ring (cause: nested) */
    /* 1: the process passed the end of main or exit(); 2: and left its files to those who watch. */
    _Atomic uint32_t exiting;
    uint32_t flags; /* EVTRAIL_SESSION_* */
    /* Anchors written so far; the first is [0], the newest of n > 1 is [1 + (n - 2) mod (EVTRAIL_ANCHORS - 1)]. */
    _Atomic uint32_t anchor_number;
    uint32_t reserved0;
    struct evtrail_anchor anchors[EVTRAIL_ANCHORS]; /* [0] is the start and stays */
    char command[64];                               /* comm */
    char program[512];                              /* path of the executable */
    char host[64];
    char boot_id[40]; /* empty until the first ring is made */
};
#define EVTRAIL_EXITING_LEFT 2u
#define EVTRAIL_WATCH_NAME ".watch" /* in the directory: those who watch it hold read locks on this file, */
#define EVTRAIL_WATCH_STALE_S 10    /* ... and touch it every second: untouched for so long, it is not believed */
#define EVTRAIL_WANTED_NAME ".wanted" /* there, too: readers that will come back after they were killed */
#define EVTRAIL_WANTED_SLOTS 16
#define EVTRAIL_WANTED_MAX_S 3600 /* a wish for longer is not believed */
struct evtrail_wanted {           /* .wanted is an array of these */
    uint64_t id;                  /* whose it is; 0: nobody's */
    int64_t until_s;              /* CLOCK_REALTIME: processes that end before it leave their sessions; moved on every second while the reader lives */
};
static_assert(sizeof(struct evtrail_wanted) == 16, "wanted");
#define EVTRAIL_SESSION_KEEP 1u     /* not unlinked at a clean exit */
static_assert(offsetof(struct evtrail_session_header, session_id) == 16, "session_id");
static_assert(offsetof(struct evtrail_session_header, hz) == 40, "hz");
static_assert(offsetof(struct evtrail_session_header, meta_bytes) == 96, "meta_bytes");
static_assert(offsetof(struct evtrail_session_header, lost_no_ring) == 112, "lost_no_ring");
static_assert(offsetof(struct evtrail_session_header, exiting) == 128, "exiting");
static_assert(offsetof(struct evtrail_session_header, anchors) == 144, "anchors");
static_assert(offsetof(struct evtrail_session_header, command) == 336, "command");
static_assert(sizeof(struct evtrail_session_header) == 1016, "session header");

/* Where this library puts them; readers go by the header. A small schema shares the header's page, and the ring table the
 * first block's page table: what a program pays at its start. */
#define EVTRAIL_META_OFFSET UINT64_C(1024)
#define EVTRAIL_META_LIMIT ((UINT64_C(30) << 20) - EVTRAIL_META_OFFSET)
#define EVTRAIL_RINGS_OFFSET (UINT64_C(30) << 20)
#define EVTRAIL_BLOCKS_OFFSET (UINT64_C(31) << 20)
static_assert(EVTRAIL_META_OFFSET >= sizeof(struct evtrail_session_header), "metadata behind the header");
static_assert(EVTRAIL_RINGS_OFFSET + EVTRAIL_RINGS_MAX * EVTRAIL_RING_HEADER_BYTES <= EVTRAIL_BLOCKS_OFFSET, "ring table");

/* ---- metadata: an append-only list of entries ------------------------------------------------------------------
 * Each entry: this header, then a body, padded with zeros to a multiple of 8. Strings are u16 length + bytes, no NUL. The
 * trace file carries the same entries. */
struct evtrail_meta_header {
    uint32_t bytes; /* header and padding included, multiple of 8 */
    uint16_t kind;  /* enum evtrail_meta_kind */
    uint16_t flags;
};
enum evtrail_meta_kind {
    EVTRAIL_META_EVENT_TYPE = 1, /* u32 id, u32 line, u8 level, u8 kind, u16 fields, strings name doc file function, then
                                    per field: u8 type, u8[3] 0, strings name unit doc enums */
    EVTRAIL_META_MODULE = 2,     /* u64 start, u64 end (addresses), u64 file offset of start, strings build-id(hex) path */
};

/* ---- control --------------------------------------------------------------------------------------------------- */
enum evtrail_enable_bits {
    EVTRAIL_ENABLE_ON = 1, /* alone: the inline path */
    EVTRAIL_ENABLE_CPU = 2,
    EVTRAIL_ENABLE_CALLER = 4,
    EVTRAIL_ENABLE_STACK = 8,
    EVTRAIL_ENABLE_CHANNEL_SHIFT = 4, /* 3 bits: 0 the session's policy, 1 + policy: the channel of that policy */
    EVTRAIL_ENABLE_CHANNEL_MASK = 0x70,
    EVTRAIL_ENABLE_WAKE = 0x80, /* C3: an idle reader wants to be woken by the next event of this type */
};
struct evtrail_settings {
    _Atomic uint32_t generation;  /* C1: +1 after a change, and after a consumer has become active */
    _Atomic uint32_t policy;      /* enum evtrail_policy */
    _Atomic uint32_t block_bytes; /* for rings made from now on; a thread moves to such a ring at its next block */
    _Atomic uint32_t blocks;
    _Atomic uint64_t deadline_ns; /* block policy: longest wait */
    _Atomic uint64_t lease_ns;    /* a consumer that has not renewed for so long is evicted when it holds up a writer */
    _Atomic uint64_t memory_bytes; /* most ring bytes the session may allocate */
    _Atomic uint32_t flags;        /* EVTRAIL_SETTING_* */
    uint32_t reserved[3];
};
#define EVTRAIL_SETTING_KEEP 1u /* do not unlink the session at a clean exit */
enum evtrail_consumer_state {
    EVTRAIL_CONSUMER_FREE = 0,
    EVTRAIL_CONSUMER_CLAIMED = 1, /* being set up */
    EVTRAIL_CONSUMER_ACTIVE = 2,  /* cursors count */
    EVTRAIL_CONSUMER_PASSIVE = 3, /* reads, and nobody waits for it */
    EVTRAIL_CONSUMER_EVICTED = 4, /* its lease ran out while a writer needed room */
};
struct evtrail_consumer {
    _Atomic uint32_t state; /* enum evtrail_consumer_state */
    _Atomic uint32_t pid;
    _Atomic uint64_t renewed_ns; /* lease: CLOCK_MONOTONIC when it last ran */
    _Atomic uint64_t identity;   /* random: a consumer finds out that its slot was taken over. Odd: EVTRAIL_IDENTITY_FOLLOWS */
    _Atomic uint64_t evicted_ns; /* when */
    char name[24];
    _Atomic uint64_t override; /* settings that it overrides while it has the slot: libtrace/shared/override.c; 0: none */
};
static_assert(sizeof(struct evtrail_consumer) == 64, "consumer");
/* It attaches to new sessions as they appear, under one identity: a forked child begins with its rules. */
#define EVTRAIL_IDENTITY_FOLLOWS UINT64_C(1)
/* One per ring. */
struct evtrail_ring_control {
    _Atomic uint64_t released[EVTRAIL_CONSUMERS_MAX]; /* B3: lowest block that this consumer still needs */
    _Atomic uint32_t wake;                            /* B5: futex word of a waiting writer */
    uint32_t reserved[31];
};
static_assert(sizeof(struct evtrail_ring_control) == 256, "ring control");
struct evtrail_control {
    _Atomic uint64_t magic; /* last to be written */
    uint32_t version;
    uint32_t bytes;
    uint64_t session_id;
    struct evtrail_settings settings; /* at 24 */
    _Atomic uint32_t wake;            /* C4: futex word of idle readers */
    _Atomic uint32_t rules_lock;      /* pid of who changes the rules; a dead holder's lock is taken over */
    _Atomic uint32_t rules_bytes;     /* C5 (release): text in force; rules are lines, each "owner rule\n" */
    _Atomic uint32_t rules_generation;
    uint64_t reserved0[4];
    struct evtrail_consumer consumers[EVTRAIL_CONSUMERS_MAX]; /* at 128 */
    uint8_t pad[4096 - 128 - 64 * EVTRAIL_CONSUMERS_MAX];
    _Atomic uint8_t enable[EVTRAIL_EVENT_TYPES_MAX];      /* at 4096 */
    char rules[EVTRAIL_RULES_BYTES];                      /* at 20480 */
    struct evtrail_ring_control rings[EVTRAIL_RINGS_MAX]; /* at 53248 */
};
static_assert(offsetof(struct evtrail_control, settings) == 24, "settings");
static_assert(offsetof(struct evtrail_control, wake) == 80, "wake");
static_assert(offsetof(struct evtrail_control, consumers) == 128, "consumers");
static_assert(offsetof(struct evtrail_control, enable) == 4096, "enable");
static_assert(offsetof(struct evtrail_control, rules) == 20480, "rules");
static_assert(offsetof(struct evtrail_control, rings) == 53248, "rings");

#endif /* EVTRAIL_LAYOUT_H */
