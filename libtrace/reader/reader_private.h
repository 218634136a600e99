/* SPDX-License-Identifier: ISC
 *
 * What the files behind struct evtrail_reader share: inputs (a live session, a trace file), streams (one ring of one source in the
 * merge), pieces (a chunk that waits in a stream).
 */
#ifndef EVTRAIL_READER_PRIVATE_H
#define EVTRAIL_READER_PRIVATE_H

#include <evtrail/file.h>
#include <evtrail/reader.h>

#include "reader/decode.h"
#include "reader/fault.h"
#include "reader/span.h"

#define EVTRAIL_CHUNK_WORDS ((size_t)256 << 10 >> 3)
#define EVTRAIL_NO_RING EVTRAIL_RINGS_MAX /* the ring of what was lost before there was a ring */

struct evtrail_words {
    uint64_t *at;
    size_t count, capacity;
};
int evtrail_words_reserve(struct evtrail_words *words, size_t more);

struct evtrail_piece {
    struct evtrail_piece *next;
    struct evtrail_chunk chunk;
    struct evtrail_words words;
    uint64_t torn, spool;
    bool states; /* only what becomes of entities is given out: EVTRAIL_TAP_states */
    bool based; /* of what was lost before the chunk, these were told in another file; the last record there was at base_ticks */
    uint64_t lost_base[EVTRAIL_CAUSES], base_ticks;
};

struct evtrail_stream {
    struct evtrail_decoder decoder;
    struct evtrail_input *input;
    struct evtrail_source *source;
    uint32_t ring;
    uint32_t heap_place;                /* 1 + index; 0: not in the heap */
    int64_t time;                       /* of the event that waits in the decoder */
    struct evtrail_piece *first, *last; /* the first is being decoded */
    size_t held_words;
    uint64_t events_counted;            /* of decoder.events */
    uint64_t lost_seen[EVTRAIL_CAUSES]; /* files: of the batches' headers so far */
    bool more;                          /* its input holds more of it that was not gathered */
    bool begun;
    bool sought; /* the next piece is the first after a seek */
};

struct evtrail_input_operations {
    /* Moves records into streams. 1: some came; 0: none now. Moves input->frontier. */
    int (*gather)(struct evtrail_input *input);
    /* The same for one stream that ran dry and has more. */
    int (*refill)(struct evtrail_input *input, struct evtrail_stream *stream);
    /* 1, 0 or a fault, as evtrail_reader_next_chunk(). */
    int (*next_chunk)(struct evtrail_input *input, struct evtrail_chunk **ret_chunk);
    int (*seek)(struct evtrail_input *input, int64_t realtime_ns);
    /* What to poll for more; -1: nothing. May be NULL. */
    int (*poll_fd)(struct evtrail_input *input);
    /* Its end was told: lets go of all but its source, which is returned. NULL: it keeps what it has. May be NULL. */
    struct evtrail_source *(*retire)(struct evtrail_input *input);
    void (*close)(struct evtrail_input *input);
    /* Live ones only. Whether there may be something to read. */
    bool (*ready)(struct evtrail_input *input, bool look_at_open);
    /* Of its fullest ring: what waits to be read, in eighths of the ring. */
    unsigned (*fill)(struct evtrail_input *input);
    /* What is to be done from time to time. */
    void (*tend)(struct evtrail_input *input, uint64_t now_ns);
    /* ns that it can do without being looked at, if events come at a rate that is not unusual. NULL: it waits, or wakes us. */
    uint64_t (*patience)(struct evtrail_input *input);
    /* Its session; NULL: it has none, and cannot wake us. */
    struct evtrail_live *(*live)(struct evtrail_input *input);
};
struct evtrail_live;
struct evtrail_input {
    const struct evtrail_input_operations *operations;
    struct evtrail_reader *reader;
    int64_t frontier; /* no record that is still to be gathered is older */
    uint32_t pieces;  /* that wait in its streams */
    bool live;
    bool done; /* nothing will come any more */
};

struct evtrail_notice { /* a SOURCE event that waits */
    struct evtrail_source *source;
    struct evtrail_input *input;
    bool gone;
};

/* Per source: what the filter lets through. */
/* By type: whether its events are passed over. Decoders point into it until their piece's end, so that one that became too small
 * is kept as long as its source. */
struct evtrail_skip_table {
    struct evtrail_skip_table *before;
    uint32_t count, room;
    uint8_t skip[];
};
struct evtrail_skips {
    struct evtrail_source *source;
    struct evtrail_source *stub; /* owned: all that is kept of a process that ended long ago; source is the same */
    struct evtrail_skip_table *filtered; /* types that cannot match the filter */
    struct evtrail_skip_table *stateless; /* types that do not tell what becomes of an entity */
    int16_t **plans;                      /* by type: evtrail_filter_plan(), made when needed */
    uint32_t plans_count;
};

/* A session that was seen while it was being made: looked at again until it is ready. */
struct evtrail_unready {
    char path[480];
    uint64_t until_ns;
};
#define EVTRAIL_UNREADY_MAX 32

#define EVTRAIL_FAULTS_MAX 8
#define EVTRAIL_NAME_BYTES 24
#define EVTRAIL_ENDED_KEPT 64

struct evtrail_watch;
struct evtrail_tree;
struct evtrail_ocaml_pump;
struct evtrail_ocaml_follow;
struct evtrail_reader {
    struct evtrail_reader_options options;
    char name[EVTRAIL_NAME_BYTES];
    char directory[400];
    char *enable, *settings;
    struct evtrail_input **inputs;
    uint32_t inputs_count, inputs_capacity, inputs_turn;
    struct {
        struct evtrail_input *input;
        struct evtrail_source *source;
        uint64_t since_ns;       /* its files are to be removed some time after this; 0: they are not ours to remove */
    } ended[EVTRAIL_ENDED_KEPT]; /* the latest that let go of all but their source */
    uint32_t left_count;         /* of them, with files that are to be removed */
    uint64_t ended_count;        /* of all: the place of the next, modulo */
    struct evtrail_source **sources;
    struct evtrail_skips *skips; /* beside sources */
    uint32_t sources_count, sources_capacity;
    struct evtrail_notice *notices;
    uint32_t notices_count, notices_capacity;
    struct evtrail_stream **heap;
    uint32_t heap_count, heap_capacity;
    struct evtrail_stream **dry; /* streams with more, to be refilled before anything is given out */
    uint32_t dry_count, dry_capacity;
    struct evtrail_stream *current; /* gave the last event */
    struct evtrail_event event;     /* SOURCE */
    struct evtrail_spans *spans;
    struct evtrail_piece *spare;
    uint32_t spare_count;
    uint32_t streams_count;
    size_t held_bytes;
    int64_t last_time;
    int64_t sought_ns; /* what is older is passed over */
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL];
    uint64_t spool_by[EVTRAIL_SPOOL_WHYS]; /* of those lost by cause `spool`, in files that were read to their ends */
    uint64_t gathered_ns; /* monotonic: when live rings were last looked at */
    uint64_t progress_ns; /* ... when something was last found there */
    uint64_t gap_ns;      /* from one look at them to the next: adapted to how fast the fullest fills */
    struct evtrail_watch *watch;
    struct evtrail_tree *trees;
    uint64_t identity;               /* of our slots, if there is a watch */
    struct evtrail_unready *unready; /* [EVTRAIL_UNREADY_MAX], with watch */
    uint32_t unready_count;
    uint64_t *ocaml_copied;     /* words of an OCaml ring while they are translated */
    uint32_t rings;             /* live inputs that wait for nobody, and that nobody copies: there was one, if not 0 */
    uint32_t given;             /* events, to look at the clock now and then */
    uint64_t rings_gathered_ns; /* monotonic: when they were last looked at between two events */
    uint64_t processes_looked_ns; /* monotonic: when processes were last looked through for OCaml's rings */
    struct evtrail_ocaml_pump *pump; /* copies OCaml's rings; NULL: there are none, or it could not be started */
    bool pump_failed;
    struct evtrail_ocaml_follow *follow; /* whose children are read, too; NULL: nobody's */
    bool timer_sharpened;
    uint64_t oversleep_ns; /* low_latency: by how much sleeps are too long at least */
    bool late;             /* the sessions that are added now began after us: from_now skips nothing of theirs */
    uint64_t woken_ns;     /* when a thread woke us the last time */
    unsigned woken;        /* looks in quick order that are left after a wake-up */
    uint64_t armed_ns;     /* when the last wake bit was set */
    bool armed;            /* wake bits were set and nobody has woken us since */
    struct {
        int code;
        struct evtrail_fault fault;
    } faults[EVTRAIL_FAULTS_MAX];
    unsigned faults_count;
    struct evtrail_fault fault; /* the last that was told */
};

/* reader.c */
int evtrail_reader_add_input(struct evtrail_reader *reader, struct evtrail_input *input);
int evtrail_reader_add_source(struct evtrail_reader *reader, struct evtrail_source *source);
/* Opens it when new sessions are looked for next, and again until it is one. False: there is no such looking. */
bool evtrail_reader_try_later(struct evtrail_reader *reader, const char *path);
void evtrail_reader_notice(struct evtrail_input *input, struct evtrail_source *source, bool gone);
/* Takes an input whose end was told out of those that are read. Its source, with its types, is kept until
 * EVTRAIL_ENDED_KEPT others have ended; then only who it was. */
void evtrail_reader_retire(struct evtrail_input *input);
/* Queues a fault for the next call to return. */
void evtrail_reader_fault(struct evtrail_reader *reader, int code, const struct evtrail_fault *fault);
/* Chunk by chunk: adds to the totals. lost: the writer's counts at the chunk's end; known_lost: those counted so far;
 * both [EVTRAIL_CAUSES] of the chunk's ring. */
void evtrail_reader_count(struct evtrail_reader *reader, const struct evtrail_chunk *chunk, const uint64_t *lost,
                          uint64_t *known_lost);
/* Sets the error line at once; returns code. */
int evtrail_reader_fail(struct evtrail_reader *reader, int code, const struct evtrail_fault *fault);
/* What EVTRAIL_TAP_states passes over, as decoder->skip; the same of types that cannot match the filter. */
const uint8_t *evtrail_reader_stateless(struct evtrail_reader *reader, struct evtrail_source *source,
                                        uint32_t *ret_count);
const uint8_t *evtrail_reader_skips(struct evtrail_reader *reader, struct evtrail_source *source, uint32_t *ret_count);
/* Whether the filter, if there is one, lets an event through. */
bool evtrail_reader_matches(struct evtrail_reader *reader, const struct evtrail_event *event);
/* Whether a chunk may hold something that is asked for. types: Bloom of ids, all ones if not known. */
bool evtrail_reader_wants(struct evtrail_reader *reader, struct evtrail_source *source, int64_t from_ns, int64_t to_ns,
                          uint64_t types);

/* merge.c */
struct evtrail_stream *evtrail_stream_new(struct evtrail_input *input, struct evtrail_source *source, uint32_t ring);
void evtrail_stream_reset(struct evtrail_stream *stream);
void evtrail_stream_free(struct evtrail_stream *stream);
struct evtrail_piece *evtrail_piece_new(struct evtrail_reader *reader);
void evtrail_piece_drop(struct evtrail_reader *reader, struct evtrail_piece *piece);
/* Hands a piece to its stream. -ENOMEM. */
int evtrail_stream_push(struct evtrail_stream *stream, struct evtrail_piece *piece);
size_t evtrail_stream_limit_words(const struct evtrail_reader *reader);
void evtrail_merge_fini(struct evtrail_reader *reader);
int evtrail_merge_next(struct evtrail_reader *reader, struct evtrail_event **ret_event);

/* live_input.c */
struct evtrail_live_input;
/* -EEXIST: this reader has it already. */
int evtrail_live_input_add(struct evtrail_reader *reader, const char *path, struct evtrail_fault *fault);
static inline struct evtrail_live *evtrail_input_live(struct evtrail_input *input)
{
    return input->operations->live ? input->operations->live(input) : NULL;
}

/* file_input.c */
/* parts NULL: what `path` names. */
int evtrail_file_input_add(struct evtrail_reader *reader, const char *path, const char *const *parts,
                           uint32_t parts_count, struct evtrail_fault *fault);

/* tree.c: directories of directories of trace files */
bool evtrail_tree_is(const char *path);
int evtrail_tree_add(struct evtrail_reader *reader, const char *path, struct evtrail_fault *fault);
/* Following: adds what has appeared. */
void evtrail_trees_look(struct evtrail_reader *reader);
void evtrail_trees_free(struct evtrail_reader *reader);

struct evtrail_file_cursor;
/* file_reader.c: of the batch that `wanted` is asked about, whether no later one of its ring is known in the file. */
/* A single file has its end: what follows it need not wait for more. */
bool evtrail_cursor_ended(const struct evtrail_file_cursor *cursor);
/* Following a stream: what to poll for more of it; else -1. */
int evtrail_cursor_stream_fd(const struct evtrail_file_cursor *cursor);
bool evtrail_cursor_batch_is_last(const struct evtrail_file_cursor *cursor);
/* The batch that is at hand, also while `wanted` is asked. */
const struct evtrail_batch *evtrail_cursor_batch(const struct evtrail_file_cursor *cursor);

/* sessions.c */
int evtrail_sessions_directory(const char *directory, char *path, size_t bytes);
int evtrail_sessions_check(const char *directory, struct evtrail_fault *fault);
int evtrail_sessions_find(const char *directory, const char *pid_or_name, bool living,
                          int (*visit)(const char *path, void *context), void *context, struct evtrail_fault *fault);

/* process_directory.c: the directory of a process's sessions, and its pid in their names, as /proc tells. -ENOENT: no such process;
 * -EACCES: another user's. */
int evtrail_process_directory(uint32_t pid, char *path, size_t bytes, uint32_t *ret_pid);

/* presence.c: the mark that a directory is watched */
struct evtrail_presence {
    int fd; /* -1: it could not be made, and sessions of processes that end at once may be missed */
    uint64_t beat_ns;
    char path[416];
};
void evtrail_presence_begin(struct evtrail_presence *presence, const char *directory);
void evtrail_presence_beat(struct evtrail_presence *presence, uint64_t now_ns);
void evtrail_presence_end(struct evtrail_presence *presence);

/* wish.c: the mark that a reader will come back, should it be killed */
struct evtrail_wish {
    int fd; /* -1: none */
    unsigned slot;
    uint64_t id, beat_ns;
    int64_t seconds;
    char path[416];
};
/* Does nothing if `seconds` is 0. */
void evtrail_wish_begin(struct evtrail_wish *wish, const char *directory, uint64_t id, int64_t seconds);
void evtrail_wish_beat(struct evtrail_wish *wish, uint64_t now_ns);
void evtrail_wish_end(struct evtrail_wish *wish);

/* watch.c: new sessions in a directory */
int evtrail_watch_new(struct evtrail_watch **ret_watch, const char *directory, uint64_t return_id, int64_t return_s);
void evtrail_watch_free(struct evtrail_watch *watch);
/* Says that we are still there; evtrail_watch_next() does. */
void evtrail_watch_beat(struct evtrail_watch *watch);
/* The next new session's path, or false. *ret_rescan: some were missed, look at the whole directory. */
bool evtrail_watch_next(struct evtrail_watch *watch, char *path, size_t bytes, bool *ret_rescan);
/* Changes, and is woken for, when something new is there. */
const _Atomic uint32_t *evtrail_watch_word(const struct evtrail_watch *watch);

/* wake.c */
#define EVTRAIL_POLL_NS 1000000u
#define EVTRAIL_POLL_FAST_NS 20000u
static inline uint64_t evtrail_reader_longest_gap(const struct evtrail_reader *reader)
{
    return reader->options.low_latency ? EVTRAIL_POLL_FAST_NS : EVTRAIL_POLL_NS;
}

/* Attaches sessions that have appeared. */
void evtrail_reader_look_for_new(struct evtrail_reader *reader);

#endif /* EVTRAIL_READER_PRIVATE_H */
