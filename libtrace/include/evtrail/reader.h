/* SPDX-License-Identifier: ISC
 *
 * Reading traces: one cursor over live processes, trace files and rotated sets. Link with libevtrail-reader.
 *
 *     struct evtrail_reader *reader;
 *     evtrail_reader_new(&reader, NULL);
 *     evtrail_reader_add_process(reader, pid);        // or _add_all, _add_file
 *     struct evtrail_event *event;
 *     while (evtrail_reader_next(reader, &event) > 0) // or evtrail_reader_next_chunk() to move whole blocks
 *         use(event);
 *     evtrail_reader_free(reader);
 *
 * Functions return >= 0 or a negative errno; out-arguments are last and untouched on failure. What went wrong, where and
 * what to do about it is in evtrail_reader_error(). Nothing here prints or exits. Loss is data: it comes as an event of
 * its own, in its place. No byte of a file or of another process is trusted. Not thread-safe: one reader, one thread.
 *
 * A live session is mapped, and its process may truncate it: the first evtrail_reader_add_* of a live session installs a SIGBUS
 * handler that turns such a fault inside our mappings into zeros (and a "truncated" fault), and passes any other on.
 */
#ifndef EVTRAIL_READER_H
#define EVTRAIL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ---- schema ---------------------------------------------------------------------------------------------------- */

struct evtrail_field {
    const char *name; /* never NULL, nor the next three */
    const char *unit;
    const char *doc;
    const char *enums; /* "0=idle,1=open" */
    uint8_t type;      /* enum evtrail_field_type in trace.h */
    uint8_t role;      /* enum evtrail_role, from the event's kind and the field's place */
};
enum evtrail_role {
    EVTRAIL_ROLE_none = 0,
    EVTRAIL_ROLE_span = 1,
    EVTRAIL_ROLE_parent = 2, /* of a span or of an entity */
    EVTRAIL_ROLE_value = 3,
    EVTRAIL_ROLE_entity = 4,
    EVTRAIL_ROLE_state = 5,
    EVTRAIL_ROLE_name = 6,
    EVTRAIL_ROLE_flow = 7,
};
struct evtrail_event_type {
    uint32_t id; /* within its source */
    uint32_t line;
    uint8_t level; /* 1..6 */
    uint8_t kind;  /* enum evtrail_kind in trace.h */
    uint16_t fields_count;
    const char *name;
    const char *doc;
    const char *file;
    const char *function;
    const struct evtrail_field *fields;
};
struct evtrail_module {
    uint64_t start, end; /* addresses */
    uint64_t offset;     /* of start in the file */
    const char *build_id;
    const char *path;
};

/* ---- source: one traced process (one session) ------------------------------------------------------------------ */

struct evtrail_clock {
    uint32_t kind; /* 1 CLOCK_MONOTONIC ns, 2 TSC, 3 CNTVCT */
    uint64_t hz;   /* exact rate, or 0 */
    struct {
        uint64_t ticks, monotonic_ns, realtime_ns;
    } first, last; /* two readings of the three clocks, as far apart as are known */
};
struct evtrail_source {
    uint64_t session_id;
    uint32_t pid, uid, parent_pid;
    uint32_t number; /* in this reader, from 0 */
    uint64_t start_realtime_ns;
    struct evtrail_clock clock;
    const char *command; /* never NULL, nor the next three */
    const char *program;
    const char *host;
    const char *boot_id;
    const struct evtrail_event_type *const *types; /* by id; entries may be NULL */
    uint32_t types_count;                          /* highest id + 1; grows while a live session is read */
    uint32_t modules_count;
    const struct evtrail_module *modules;
    bool live;        /* a session in memory, not a file */
    bool gone;        /* its process has ended */
    void *owner;      /* the reader's own */
    const char *path; /* of the session's data file; NULL: not live */
    /* By how much its realtime clock is ahead of the collector's that brought it, and how wrong that may be; `clock`'s readings, and so all times, are
     * corrected by it. A bound of 0: not known, times are the source's own. */
    int64_t offset_ns, offset_bound_ns;
};
const struct evtrail_event_type *evtrail_source_type(const struct evtrail_source *source, uint32_t id);
/* ns since 1970 (CLOCK_REALTIME) of a tick count, and back. */
int64_t evtrail_source_time(const struct evtrail_source *source, uint64_t ticks);
uint64_t evtrail_source_ticks(const struct evtrail_source *source, int64_t realtime_ns);
/* ns that so many ticks last. */
int64_t evtrail_source_duration(const struct evtrail_source *source, int64_t ticks);

/* ---- chunk: consecutive records of one ring; what is moved, compressed, shipped -------------------------------- */

#define EVTRAIL_CAUSES 10 /* by the writer: full, timeout, memory, nested, then shed by level 1..6 (layout.h) */
#define EVTRAIL_CAUSE_overwritten 10 /* lost to this reader: the ring went round before it came */
#define EVTRAIL_CAUSE_torn 11        /* lost in a file: a damaged or missing part */
#define EVTRAIL_CAUSE_spool 12       /* lost on the way to a collector: a sender's spool gave it up, or the collector refused it */
#define EVTRAIL_CAUSES_ALL 13
/* "full", "timeout", ..., "shed-debug", "overwritten", "torn", "spool" */
const char *evtrail_cause_name(unsigned cause);

struct evtrail_label {
    char key[65]; /* "" for an unused slot */
    char value[65];
};
/* What the records before a chunk have set: with it the chunk decodes alone. */
struct evtrail_stream_state {
    uint64_t reference_ticks; /* what the records' 44-bit ticks are relative to */
    uint32_t tid;
    char thread_name[17];
    struct evtrail_label labels[4];
};
struct evtrail_chunk {
    struct evtrail_source *source;
    uint32_t ring;        /* 4096: no words, what the process lost before it had a ring to count it in */
    uint32_t flags;       /* 1: a thread's ring for signal handlers */
    uint64_t first_block; /* sequence numbers in the ring */
    uint64_t last_block;
    uint64_t first_ticks; /* lowest and highest of its records */
    uint64_t last_ticks;
    uint64_t events;                      /* in this chunk */
    uint64_t events_before;               /* recorded in this ring before its first record, whether read or not */
    uint64_t lost_before[EVTRAIL_CAUSES]; /* the writer's cumulative counts before its first record */
    uint64_t missed; /* events recorded in this ring just before this chunk that nobody can read any more */
    struct evtrail_stream_state state;
    /* Records as in the ring (layout.h); at a block's join a TIME record states the new reference. */
    const uint64_t *words;
    size_t words_count; /* may be 0: a chunk that only reports loss */
};
/* Steps through the events of a chunk without decoding them, to count them by type: 2 ns each. Begin with zeros. False: there is none
 * any more, or what follows is no whole record. */
struct evtrail_chunk_step {
    size_t at;      /* the next record */
    uint32_t id;    /* event type's */
    uint32_t words; /* of payload */
};
bool evtrail_chunk_next(const struct evtrail_chunk *chunk, struct evtrail_chunk_step *step);

/* ---- events ---------------------------------------------------------------------------------------------------- */

enum evtrail_event_what {
    EVTRAIL_EVENT = 1,
    EVTRAIL_EVENT_LOST = 2,   /* `lost` events by `cause` are missing here, between `lost_since` and `time` */
    EVTRAIL_EVENT_SOURCE = 3, /* a source joined (source->gone false) or ended (true) */
};
struct evtrail_event {
    uint32_t what;
    uint32_t id;  /* event type's */
    int64_t time; /* ns since 1970 */
    uint64_t ticks;
    struct evtrail_source *source;
    const struct evtrail_event_type *type; /* NULL: not in the schema (damaged, or a lie); show the id and the words */
    uint32_t ring;
    uint32_t tid;
    const char *thread_name;
    const uint64_t *payload; /* this and all pointers are valid until the next call on the reader */
    uint32_t words;
    uint32_t meta; /* enum evtrail_meta_flag in layout.h: 1 cut, 2 cpu, 4 caller, 8 stack, 16 signal */
    uint32_t cpu;
    uint32_t stack_count;
    uint64_t caller;
    const uint64_t *stack;
    const struct evtrail_label *labels; /* 4 slots */
    int64_t duration; /* ns, span ends whose begin was seen by this reader (option `spans`), else -1 */
    uint64_t lost;
    uint32_t cause;
    int64_t lost_since;
};

struct evtrail_value {
    uint8_t type; /* enum evtrail_field_type */
    bool null;    /* a NULL string or byte array */
    bool cut;     /* the record ended before it */
    uint32_t bytes;
    union {
        uint64_t u; /* bool, unsigned, pointer */
        int64_t i;  /* signed, enum */
        double f;   /* float, double */
    };
    const char *data; /* string or byte array, `bytes` long, not NUL-terminated */
};
/* Field `index` of an event. -ENOENT: no such field (or no schema). 20 ns, no allocation. Fields are found in order: the cost grows with
 * the number of strings before this one. */
int evtrail_event_value(const struct evtrail_event *event, unsigned index, struct evtrail_value *ret_value);
/* The index of the field of that name, or -ENOENT. */
int evtrail_event_type_field(const struct evtrail_event_type *type, const char *name);

/* ---- filter ---------------------------------------------------------------------------------------------------- */

/* A filter expression, as in docs/filter.md: `pool.conn.* && port == 443 && dur > 2ms`. */
struct evtrail_filter;
/* Parses `text`. On -EINVAL *ret_error (may be NULL) is an owned message with the place of the fault; free() it. */
int evtrail_filter_new(struct evtrail_filter **ret_filter, const char *text, char **ret_error);
void evtrail_filter_free(struct evtrail_filter *filter);
bool evtrail_filter_match(const struct evtrail_filter *filter, const struct evtrail_event *event);
/* False only where no event of this type, thread and time range can match: what reads may skip it. type or source may be NULL (unknown). */
bool evtrail_filter_may_match(const struct evtrail_filter *filter, const struct evtrail_source *source,
                              const struct evtrail_event_type *type, uint32_t tid, int64_t from_ns, int64_t to_ns);
/* Whether the expression uses `dur`, for which spans must be followed. */
bool evtrail_filter_needs_spans(const struct evtrail_filter *filter);

/* ---- reader ---------------------------------------------------------------------------------------------------- */

struct evtrail_reader;
/* Which of a chunk's events come from evtrail_reader_next() in their time; the others count as delivered. What was lost before and among them
 * always comes. */
enum evtrail_tap {
    EVTRAIL_TAP_all = 0,
    EVTRAIL_TAP_none = 1,
    EVTRAIL_TAP_states = 2, /* what becomes of entities: the kinds state, name and gone. Some 3 ns for each event that does not come */
};
struct evtrail_reader_options {
    size_t bytes;  /* sizeof(struct evtrail_reader_options) */
    bool follow;   /* files: wait for what is appended, one file until it is closed or its writer is gone, a set for ever; sessions: always */
    bool hold;     /* take a consumer's slot: drop, block and shed wait for this reader */
    bool from_now; /* live: skip what is there already */
    bool low_latency;      /* live: look every 20-50 us while events come, ask to be woken when none do */
    bool spans;            /* fill event->duration */
    bool snapshot;         /* live: read what is there once, then end */
    const char *name;      /* of the consumer, shown by `evtrail ls`; at most 23 bytes */
    const char *directory; /* of sessions; NULL: $EVTRAIL_DIR, else /dev/shm/evtrail-<uid> */
    const char *enable;    /* rules in force while this reader is attached, separated by ',' or ' '; NULL: none */
    const struct evtrail_filter *filter; /* borrowed; events that do not match are skipped, whole blocks where possible */
    int64_t from_ns, to_ns; /* time range, ns since 1970; 0: open */
    size_t memory_bytes;    /* most this reader may allocate for held records; 0: 48 MiB */
    bool living;            /* evtrail_reader_add_process() finds no session of a process that has ended */
    /* "policy=drop block=256K blocks=64": in force while this reader is attached; also undone after it was killed or stopped for
     * longer than its lease. Of several readers' the latest counts. NULL: none. */
    const char *settings;
    /* Live: is given each chunk as it is read, before its events are merged, to keep or count what it holds; it must not call the reader.
     * Returns an enum evtrail_tap. Not called by evtrail_reader_next_chunk(). NULL: none. */
    int (*tap)(void *context, const struct evtrail_chunk *chunk);
    void *tap_context;
    /* OCaml's rings of runtime events: the version whose numbers they go by ("5.2.1", "oxcaml"), borrowed. NULL: as the executable says, or
     * the events show. */
    const char *ocaml_version;
    /* OCaml's rings of living processes: most memory for what a thread of ours has copied from them and is not decoded yet. 0: 64 MiB. What has no
     * room there is lost when the ring goes round, and counted. */
    size_t ocaml_queue_bytes;
    bool no_children; /* evtrail_reader_add_process() of an OCaml process: not also the rings that its children make later */
    /* evtrail_reader_add_all(): a reader of this id (not 0) comes back, should this one be killed: processes that end within return_ns (at most an hour) leave
     * their sessions for it. evtrail_reader_free() takes that back. */
    uint64_t return_id;
    int64_t return_ns;
};
/* Whether all of `rules` are rules: 0, or -EINVAL and why in *ret_error (may be NULL), an owned line. */
int evtrail_rules_check(const char *rules, char **ret_error);
int evtrail_reader_new(struct evtrail_reader **ret_reader, const struct evtrail_reader_options *options);
void evtrail_reader_free(struct evtrail_reader *reader);
/* One process's session(s) by pid or name (comm, or a path's last part), as evtrail_sessions_named() finds them, and
 * OCaml's ring of runtime events, if it has one mapped (docs/ocaml.md). -ESRCH: none;
 * -EACCES: another user's. */
int evtrail_reader_add_process(struct evtrail_reader *reader, const char *pid_or_name);
/* Every session in the directory, and those that appear later. Returns how many there are now. */
int evtrail_reader_add_all(struct evtrail_reader *reader);
/* A session's data file, a trace file, a rotated set, a file of OCaml's runtime events, "-" for a trace file on standard input, or a directory of
 * directories of trace files (what `evtrail collect` stores): then all of them, and with `follow` those that appear later. Following a stream, what
 * has come is given out without waiting for more. */
int evtrail_reader_add_path(struct evtrail_reader *reader, const char *path);
/* Whether that is a file of OCaml's runtime events, by its name or its first bytes. */
bool evtrail_is_ocaml_events(const char *path);
/* Files that are the parts of one set, in this order, wherever they are. */
int evtrail_reader_add_parts(struct evtrail_reader *reader, const char *const *paths, uint32_t count);
/* The next event in time order. 1: an event; 0: nothing now (live, follow) or the end, see evtrail_reader_done(); < 0: a fault, after which the
 * call may be repeated and goes on behind the damage. */
int evtrail_reader_next(struct evtrail_reader *reader, struct evtrail_event **ret_event);
/* The next chunk, in order within each ring only. Same returns. Do not mix with evtrail_reader_next(). */
int evtrail_reader_next_chunk(struct evtrail_reader *reader, struct evtrail_chunk **ret_chunk);
/* Every source has ended and been read to its end. */
bool evtrail_reader_done(const struct evtrail_reader *reader);
/* Waits until there may be something to read: futex, then bounded polling. 0 or -EINTR. timeout_ns < 0: no limit. */
int evtrail_reader_wait(struct evtrail_reader *reader, int64_t timeout_ns);
/* Live: keeps this reader's slots while it reads nothing on purpose, and attaches to processes that start meanwhile, within bounds. Call ten times a second. What is not
 * read stays in the rings, and their policies decide. */
void evtrail_reader_renew(struct evtrail_reader *reader);
/* All sources so far, by number. Of a live process that ended 64 others ago only who it was is kept, no types. Array and pointers are
 * valid until the next call on the reader. */
uint32_t evtrail_reader_sources(const struct evtrail_reader *reader, struct evtrail_source *const **ret_sources);
/* Totals so far: events delivered, and lost by cause [EVTRAIL_CAUSES_ALL]. For every ring: emitted = delivered + lost. */
void evtrail_reader_totals(const struct evtrail_reader *reader, uint64_t *ret_delivered, uint64_t *ret_lost);
/* ns between the newest record known to exist and the last one returned; 0 when all is read. */
int64_t evtrail_reader_lag(const struct evtrail_reader *reader);
/* Live: of the ring in which most waits to be read, how much does, in percent of it (in steps of an eighth). */
unsigned evtrail_reader_fill(const struct evtrail_reader *reader);
/* The last fault in one line: what, where, what to do. "" if none. */
const char *evtrail_reader_error(const struct evtrail_reader *reader);
/* From here on as with the option `spans`. -ENOMEM. */
int evtrail_reader_follow_spans(struct evtrail_reader *reader);
/* Seek: files only. The next event is the first at or after this time. */
int evtrail_reader_seek(struct evtrail_reader *reader, int64_t realtime_ns);

/* ---- sessions from outside -------------------------------------------------------------------------------------- */

struct evtrail_session; /* a handle on one session, live or dead */
struct evtrail_session_info {
    uint64_t session_id;
    uint32_t pid, uid, parent_pid;
    bool alive, exiting, keep;
    uint32_t policy, block_bytes, blocks;
    uint32_t rings, threads, types, types_enabled, consumers;
    uint64_t start_realtime_ns;
    uint64_t events, lost[EVTRAIL_CAUSES], ring_bytes; /* emitted so far = events + sum of lost; ring_bytes: allocated */
    char command[65], program[513], path[512];
};
/* Calls `visit` for each session in `directory` (NULL: the default); stops when it returns nonzero and returns that. */
int evtrail_sessions(const char *directory, int (*visit)(const char *path, void *context), void *context);
/* The same for the sessions of one process, by pid or name: those of living processes, else of ended ones. A pid that has none in
 * `directory` is looked for where the process's own EVTRAIL_DIR says, in its own root directory and by its pid there (containers). Returns
 * how many there are, or what `visit` returned below 0; -ESRCH: none; -EACCES: another user's. *ret_error (may be NULL): an owned line, or
 * NULL. */
int evtrail_sessions_named(const char *directory, const char *pid_or_name,
                           int (*visit)(const char *path, void *context), void *context, char **ret_error);
/* A ring of OCaml's runtime events, of a living process or left by one that has ended. */
struct evtrail_ocaml_ring_info {
    uint32_t pid, uid;
    bool alive;
    uint32_t domains, domains_most; /* that have written something; that there is room for */
    uint64_t ring_bytes;            /* of each domain's ring */
    uint64_t written_bytes;         /* by all domains so far */
    int64_t changed_realtime_ns;    /* of the file; a living process's changes need not show */
    char version[48];               /* as the executable has it; "": not known, as the next two of an ended process */
    char command[65], program[513], path[640];
};
/* Calls `visit` for each: those that processes have mapped, wherever they are, and what ended ones left in the directory of sessions, in
 * $OCAML_RUNTIME_EVENTS_DIR, and beside the former. directory: only those there; NULL: all. Attaches to nothing, but reads the mappings of all processes that we
 * may look at. Stops when `visit` returns nonzero and returns that. -ENOMEM. */
int evtrail_ocaml_rings(const char *directory,
                        int (*visit)(const struct evtrail_ocaml_ring_info *info, void *context), void *context);
int evtrail_session_open(struct evtrail_session **ret_session, const char *path, char **ret_error);
void evtrail_session_close(struct evtrail_session *session);
int evtrail_session_info(struct evtrail_session *session, struct evtrail_session_info *ret_info);
/* The session's types; entries may be NULL. Valid until close. */
uint32_t evtrail_session_types(struct evtrail_session *session, const struct evtrail_event_type *const **ret_types);
/* The enable byte of a type: 0 off, 1 on, more: with context (layout.h). */
int evtrail_session_type_state(struct evtrail_session *session, uint32_t id);
/* Adds a rule ("pool.*:info+cpu", "-pool.noise"); returns how many types it changed. -EINVAL: not a rule. */
int evtrail_session_rule(struct evtrail_session *session, const char *rule);
/* "policy=drop", "block=64K", "blocks=16", "deadline=100ms", "memory=256M", "lease=2s", "keep=1". -EINVAL: not a setting; -ERANGE. */
int evtrail_session_set(struct evtrail_session *session, const char *setting);
/* The settings and rules in force, as text for EVTRAIL=. Owned; free() it. */
char *evtrail_session_settings(struct evtrail_session *session);
/* Removes a dead session's files. -EBUSY: it is alive. */
int evtrail_session_remove(struct evtrail_session *session);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* EVTRAIL_READER_H */
