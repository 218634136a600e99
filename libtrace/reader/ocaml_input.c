/* SPDX-License-Identifier: ISC
 *
 * The ring of an OCaml process as an input: a stream for each domain's ring. Live, or the file of a process that has ended.
 */
#include "reader/ocaml_input_private.h"

#include "reader/clock_live.h"
#include "reader/ocaml_follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALIVE_EVERY_NS 5000000u
#define PATIENCE_MIN_NS 50000u
#define PATIENCE_MAX_NS 20000000u
#define MEAN_WORDS 3 /* of an item */

/* ---- the process ---- */

static void look_alive(struct ocaml_input *in)
{
    const uint64_t now = evtrail_monotonic_now();
    if (in->dead || now - in->alive_looked_ns < ALIVE_EVERY_NS)
        return;
    in->alive_looked_ns = now;
    struct pollfd look = {.fd = in->pidfd, .events = POLLIN};
    in->dead = in->pidfd >= 0 ? poll(&look, 1, 0) == 1 : kill((pid_t)in->source.pid, 0) < 0 && errno == ESRCH;
}

/* In a directory of `evtrail record -- PROGRAM` the ring is kept at the program's end for us alone. */
static void remove_own(const struct ocaml_input *in)
{
    const struct evtrail_reader *const reader = in->input.reader;
    const char *const slash = strrchr(reader->directory, '/');
    const size_t bytes = strlen(reader->directory);
    if (reader->watch && in->dead && !in->resized && slash && strncmp(slash + 1, "run-", 4) == 0 &&
        strncmp(in->path, reader->directory, bytes) == 0 && in->path[bytes] == '/')
        unlink(in->path);
}

static void follow_forks(struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->forks_count; i++)
        evtrail_ocaml_follow_fork(in->input.reader, &in->source, in->forks[i]);
    in->forks_count = 0;
}

static void maybe_end(struct ocaml_input *in)
{
    const bool snapshot = in->input.reader->options.snapshot || !in->input.live;
    if (in->ended || !(snapshot || in->dead))
        return;
    follow_forks(in);
    in->ended = true;
    if (in->dead && in->input.live)
        evtrail_ocaml_follow_end(in->input.reader, in->source.pid);
    in->input.done = true;
    in->input.frontier = INT64_MAX;
    if (in->dead)
        evtrail_reader_notice(&in->input, &in->source, true);
    remove_own(in);
}

static void tend(struct evtrail_input *input, uint64_t now_ns)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    struct evtrail_fault fault;
    (void)now_ns;
    if (in->ended)
        return;
    follow_forks(in);
    if (!in->dead)
        evtrail_clock_follow(&in->source);
    if (!in->truncated && !in->resized && evtrail_ocaml_map_cut(&in->map)) {
        in->truncated = true;
        evtrail_reader_fault(input->reader,
                             evtrail_fault_set(&fault, -EBADMSG, "%s: was truncated: what it held is lost", in->path),
                             &fault);
    }
}

static bool ready(struct evtrail_input *input, bool look_at_open)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    (void)look_at_open;
    if (in->ended)
        return false;
    look_alive(in);
    return in->dead || evtrail_ocaml_feed_any(&in->feed, !in->feed.pump || input->reader->options.low_latency);
}

/* A million int events a second fill half of its ring. */
static uint64_t patience_of(const struct evtrail_ocaml_map *map)
{
    const uint64_t ns = map->elements * 1000 / 2 / MEAN_WORDS;
    return ns < PATIENCE_MIN_NS ? PATIENCE_MIN_NS : ns > PATIENCE_MAX_NS ? PATIENCE_MAX_NS : ns;
}

/* The pump looks. */
static uint64_t patience(struct evtrail_input *input)
{
    const struct ocaml_input *const in = ocaml_input_of(input);
    return in->feed.pump ? UINT64_MAX : patience_of(&in->map);
}

static unsigned fill(struct evtrail_input *input)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    const uint64_t held = evtrail_ocaml_feed_waiting(&in->feed);
    return held >= in->map.elements ? 8 : (unsigned)(held * 8 / in->map.elements);
}

/* ---- the merge ---- */

/* If the tap has taken the events, what is left says what was lost before them. Whether anything is left. */
static bool after_tap(struct evtrail_reader *reader, struct evtrail_piece *piece)
{
    const int left =
        reader->options.tap ? reader->options.tap(reader->options.tap_context, &piece->chunk) : EVTRAIL_TAP_all;
    piece->states = left == EVTRAIL_TAP_states;
    if (left == EVTRAIL_TAP_all || left == EVTRAIL_TAP_states)
        return true;
    reader->delivered += piece->chunk.events;
    piece->chunk.events = 0;
    piece->chunk.words_count = piece->words.count = 0;
    return piece->chunk.missed != 0;
}

/* 1: something was read; 0: nothing is there. */
static int pull_one(struct ocaml_input *in, struct ocaml_ring *ring)
{
    struct evtrail_reader *const reader = in->input.reader;
    if (!ring->stream)
        ring->stream = evtrail_stream_new(&in->input, &in->source, ring->index);
    struct evtrail_piece *const piece = ring->stream ? evtrail_piece_new(reader) : NULL;
    if (!piece)
        return 0;
    if (!evtrail_ocaml_read_ring(in, ring, &piece->words, &piece->chunk)) {
        evtrail_piece_drop(reader, piece);
        return 0;
    }
    if (after_tap(reader, piece))
        evtrail_stream_push(ring->stream, piece);
    else
        evtrail_piece_drop(reader, piece);
    return 1;
}

/* All that is there, as long as there is room for it: nobody waits for us, and what is not taken now is written over. With a pump it is in our
 * memory, and a piece is enough. */
static int pull(struct ocaml_input *in, uint32_t index)
{
    struct evtrail_reader *const reader = in->input.reader;
    struct ocaml_ring *const ring = evtrail_ocaml_has_more(in, index) ? evtrail_ocaml_ring_of(in, index) : NULL;
    const uint64_t most = in->map.elements / 8 + 64; /* rounds: a writer may be as fast as we are */
    int got = 0;
    for (uint64_t i = 0; ring && i < most; i++) {
        const bool full = ring->stream && ring->stream->first &&
                          (in->feed.pump || reader->held_bytes > reader->options.memory_bytes / 8 * 7);
        if (full || !pull_one(in, ring))
            break;
        got = 1;
    }
    if (ring && ring->stream)
        ring->stream->more = evtrail_ocaml_has_more(in, index) && ring->stream->first != NULL;
    return got;
}

/* Of a file in a directory that is watched, too: its process may live and have been missed in what it maps, which changed. */
static bool has_gone(const struct ocaml_input *in)
{
    struct pollfd look = {.fd = in->pidfd, .events = POLLIN};
    if (in->input.live || !in->dead)
        return in->dead;
    return in->input.reader->watch && (in->pidfd < 0 || poll(&look, 1, 0) == 1);
}

/* The process has ended and all of it was read, if not given out yet: its end is told behind that. It must not wait until it is looked at again, which
 * it is when all others have ended. */
static void end_if_all(struct ocaml_input *in)
{
    bool more = !in->resized && (!has_gone(in) || evtrail_ocaml_feed_any(&in->feed, true));
    for (uint32_t i = 0; !in->resized && !more && i < in->map.domains; i++)
        more = in->rings[i] && in->rings[i]->lost_words;
    if (!more)
        maybe_end(in);
}

static int refill(struct evtrail_input *input, struct evtrail_stream *stream)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    const int got = stream->ring < in->map.domains ? pull(in, stream->ring) : 0;
    end_if_all(in);
    return got;
}

static int gather(struct evtrail_input *input)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    int got = 0;
    tend(input, 0);
    if (input->live)
        look_alive(in);
    const bool at_end = in->dead || !input->live;
    const uint64_t copied = evtrail_ocaml_feed_fill(&in->feed, at_end || input->reader->options.low_latency);
    const int64_t stamp = at_end ? INT64_MAX : evtrail_source_time(&in->source, copied);
    for (uint32_t i = 0; in->rings && i < in->map.domains; i++)
        got |= pull(in, i);
    if (stamp > input->frontier)
        input->frontier = stamp;
    if (!got && input->pieces == 0)
        maybe_end(in);
    else if (stamp == INT64_MAX)
        end_if_all(in);
    return got;
}

/* ---- chunks ---- */

static bool next_of_pass(struct ocaml_input *in)
{
    static const uint64_t none[EVTRAIL_CAUSES];
    uint64_t counted[EVTRAIL_CAUSES] = {0};
    while (in->turn < in->map.domains) {
        const uint32_t index = in->turn++;
        struct ocaml_ring *const ring = evtrail_ocaml_has_more(in, index) ? evtrail_ocaml_ring_of(in, index) : NULL;
        if (!ring || !evtrail_ocaml_read_ring(in, ring, &in->words, &in->chunk))
            continue;
        evtrail_reader_count(in->input.reader, &in->chunk, none, counted);
        return true;
    }
    in->turn = 0;
    return false;
}

static int next_chunk(struct evtrail_input *input, struct evtrail_chunk **ret_chunk)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    for (;;) {
        if (in->turn == 0) {
            tend(input, 0);
            if (input->live)
                look_alive(in);
            in->pass_got = false;
            evtrail_ocaml_feed_fill(&in->feed, in->dead || input->reader->options.low_latency);
            input->reader->gathered_ns = evtrail_monotonic_now();
        }
        if (next_of_pass(in)) {
            in->pass_got = true;
            input->reader->progress_ns = evtrail_monotonic_now();
            *ret_chunk = &in->chunk;
            return 1;
        }
        if (in->pass_got)
            continue;
        maybe_end(in);
        return 0;
    }
}

/* ---- open, close ---- */

static void let_go(struct ocaml_input *in)
{
    for (uint32_t i = 0; in->rings && i < in->map.domains; i++)
        if (in->rings[i]) {
            evtrail_stream_free(in->rings[i]->stream);
            free(in->rings[i]);
        }
    free(in->rings);
    free(in->words.at);
    in->rings = NULL;
    in->copied = NULL;
    in->words = (struct evtrail_words){0};
    evtrail_ocaml_decoder_rest(&in->decoder);
    if (in->pidfd >= 0)
        close(in->pidfd);
    in->pidfd = -1;
    evtrail_ocaml_feed_fini(&in->feed);
    evtrail_ocaml_map_close(&in->map);
    in->map.domains = 0;
}

static struct evtrail_source *retire(struct evtrail_input *input)
{
    if (!input->done || (!input->live && !input->reader->watch &&
                         !input->reader->follow)) /* a file may be read again from its beginning */
        return NULL;
    let_go(ocaml_input_of(input));
    return &ocaml_input_of(input)->source;
}

static void close_input(struct evtrail_input *input)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    let_go(in);
    evtrail_ocaml_decoder_fini(&in->decoder);
    free(in);
}

/* A file is read from its beginning again; what is older is passed over. */
static int seek(struct evtrail_input *input, int64_t realtime_ns)
{
    struct ocaml_input *const in = ocaml_input_of(input);
    (void)realtime_ns;
    if (input->live)
        return -ESPIPE;
    for (uint32_t i = 0; i < in->map.domains; i++) {
        struct ocaml_ring *const ring = in->rings[i];
        if (!ring)
            continue;
        struct evtrail_stream *const stream = ring->stream;
        *ring = (struct ocaml_ring){.index = i, .stream = stream};
        in->feed.queues[i].ring = (struct evtrail_ocaml_ring){.index = i};
        evtrail_ocaml_lane_init(&ring->lane, i);
        if (stream)
            evtrail_stream_reset(stream);
    }
    evtrail_eio_free(in->decoder.eio);
    in->decoder.eio = NULL;
    input->done = in->ended = false;
    input->frontier = INT64_MIN;
    return 0;
}

static const struct evtrail_input_operations operations = {
    .gather = gather,
    .refill = refill,
    .next_chunk = next_chunk,
    .seek = seek,
    .retire = retire,
    .close = close_input,
    .ready = ready,
    .fill = fill,
    .tend = tend,
    .patience = patience,
};

static bool have_already(const struct evtrail_reader *reader, const struct ocaml_input *in)
{
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        const struct evtrail_input *const other = reader->inputs[i];
        if (other->operations != &operations || ((const struct ocaml_input *)other)->resized)
            continue;
        const struct evtrail_ocaml_map *const map = &((const struct ocaml_input *)other)->map;
        const struct stat *const a = &map->status, *const b = &in->map.status;
        /* While it is mapped its number is nobody else's; writing changes its time. */
        if (a->st_ino == b->st_ino && a->st_dev == b->st_dev && (map->base || a->st_ctim.tv_sec == b->st_ctim.tv_sec))
            return true;
    }
    return false;
}

static bool has_begun(const struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->map.domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(&in->map, i, &head, &tail);
        if (tail)
            return true;
    }
    return false;
}

static void skip_to_now(struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->map.domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(&in->map, i, &head, &tail);
        if (tail)
            evtrail_ocaml_ring_skip(&in->feed.queues[i].ring, &in->map);
    }
}

/* The reader's, made for its first living process. Without one it reads the rings itself. */
static struct evtrail_ocaml_pump *pump_of(const struct ocaml_input *in)
{
    struct evtrail_reader *const reader = in->input.reader;
    if (!in->input.live || reader->options.snapshot)
        return NULL;
    if (!reader->pump && !reader->pump_failed)
        reader->pump_failed = evtrail_ocaml_pump_new(&reader->pump, reader->options.ocaml_queue_bytes) < 0;
    return reader->pump;
}

static int open_input(struct ocaml_input *in, uint32_t pid, struct evtrail_fault *fault)
{
    const char *const slash = strrchr(in->path, '/');
    const bool by_number = strncmp(in->path, "/proc/self/fd/", 14) == 0; /* which is no process's */
    const uint32_t named = by_number ? 0 : (uint32_t)strtoul(slash ? slash + 1 : in->path, NULL, 10);
    struct evtrail_reader *const reader = in->input.reader;
    int result = evtrail_ocaml_map_open(&in->map, in->path, fault);
    if (result < 0)
        return result;
    in->pidfd = pid || named ? (int)syscall(SYS_pidfd_open, (pid_t)(pid ? pid : named), 0) : -1;
    /* What a process maps is read in parts, between which it may change. */
    for (int tries = 0; !pid && in->pidfd >= 0 && tries < 3; tries++)
        if (evtrail_ocaml_maps(named, in->path, &in->map.status))
            pid = named;
    in->input.live = pid != 0;
    in->dead = !pid;
    if (pid)
        evtrail_ocaml_map_living(&in->map);
    else
        evtrail_ocaml_map_left(&in->map);
    if (pid && !has_begun(in))
        return evtrail_fault_set(fault, -EAGAIN, "%s: it is just being made", in->path);
    if (have_already(reader, in))
        return -EEXIST;
    in->rings = calloc(in->map.domains, sizeof(struct ocaml_ring *));
    if (!reader->ocaml_copied)
        reader->ocaml_copied = malloc(EVTRAIL_OCAML_COPY_WORDS * sizeof(uint64_t));
    in->copied = reader->ocaml_copied;
    if (!in->rings || !in->copied || evtrail_ocaml_decoder_init(&in->decoder, &in->source, &in->map) < 0)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    if (evtrail_ocaml_feed_init(&in->feed, pump_of(in), &in->map, pid, patience_of(&in->map)) < 0)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    evtrail_ocaml_describe_source(in, pid, named);
    evtrail_ocaml_find_release(in, pid);
    if (in->input.live && reader->options.from_now && !reader->late)
        skip_to_now(in);
    return 0;
}

int evtrail_ocaml_input_add(struct evtrail_reader *reader, const char *path, uint32_t pid, struct evtrail_fault *fault)
{
    struct ocaml_input *const in = calloc(1, sizeof(*in));
    if (!in)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    in->input = (struct evtrail_input){.operations = &operations, .reader = reader, .frontier = INT64_MIN};
    in->pidfd = -1;
    in->map.guard = in->map.fd = -1;
    snprintf(in->path, sizeof(in->path), "%s", path);
    int result = open_input(in, pid, fault);
    if (result == 0)
        result = evtrail_reader_add_source(reader, &in->source);
    if (result == 0)
        result = evtrail_reader_add_input(reader, &in->input);
    if (result < 0) {
        close_input(&in->input);
        return result;
    }
    reader->rings += in->input.live && !in->feed.pump;
    evtrail_ocaml_feed_begin(&in->feed);
    if (in->feed.pump && in->pidfd >= 0) /* its end is told at once */
        evtrail_ocaml_pump_listen(in->feed.pump, in->pidfd);
    evtrail_reader_notice(&in->input, &in->source, false);
    return 0;
}
