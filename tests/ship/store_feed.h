/* SPDX-License-Identifier: ISC
 *
 * For tests of the store: what a sender would send, made by the file writer, and put into a store as the receiver would.
 */
#ifndef EVTRAIL_TESTS_SHIP_STORE_FEED_H
#define EVTRAIL_TESTS_SHIP_STORE_FEED_H

#include "unit/file_gen.h"

#include "ship/store_private.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECONDS(n) ((n) * INT64_C(1000000000))

/* A sender's file, frame by frame. */
struct feed {
    uint8_t *bytes;
    size_t size;
    uint64_t batches, events;
};

/* `sources` processes, `batches` batches in all, of about `words` words. */
static inline struct feed feed_make(const char *directory, unsigned sources, unsigned batches, size_t words)
{
    struct feed feed = {0};
    char *path = gen_path(directory, "feed.evt");
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct gen_source *gen = calloc(sources, sizeof(*gen));
    struct gen_ring *rings = calloc(sources, sizeof(*rings));
    options.force = true;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    for (unsigned i = 0; i < sources; i++) {
        gen_source_init(&gen[i], 4711 + i);
        gen_ring_init(&rings[i], &gen[i].source, 3, i);
    }
    for (unsigned i = 0; i < batches; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&rings[i % sources], words);
        feed.events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
        evtrail_file_flush(file);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    feed.bytes = gen_read_file(path, &feed.size);
    feed.batches = batches;
    unlink(path);
    free(path);
    free(gen);
    free(rings);
    return feed;
}

struct feeder {
    const struct feed *feed;
    struct store *store;
    struct store_stream *stream;
    struct store_checker *checker;
    uint64_t position; /* that the store said */
    uint64_t durable;
    bool taken, astray;
};

static inline void feeder_durable(void *context, uint64_t sequence)
{
    struct feeder *feeder = context;
    assert_true(sequence > feeder->durable);
    feeder->durable = sequence;
}

static inline void feeder_taken(void *context)
{
    struct feeder *feeder = context;
    feeder->taken = true;
}

static inline void feeder_astray(void *context)
{
    struct feeder *feeder = context;
    feeder->astray = true;
}

static inline int feeder_open(struct feeder *feeder, struct store *store, const struct feed *feed, unsigned stream,
                              const char *owner, const char *address)
{
    struct store_stream_options options = {
        .owner = owner, .address = address, .durable = feeder_durable, .taken = feeder_taken, .astray = feeder_astray, .context = feeder};
    memset(options.id, 0x5a, sizeof(options.id));
    memcpy(options.id, &stream, sizeof(stream));
    *feeder = (struct feeder){.feed = feed, .store = store};
    const int r = store_stream_open(store, &options, &feeder->stream, &feeder->position);
    feeder->durable = feeder->position;
    if (r == 0)
        assert_int_equal(store_checker_new(&feeder->checker), 0);
    return r;
}

static inline void feeder_close(struct feeder *feeder)
{
    store_stream_close(feeder->stream);
    store_checker_free(feeder->checker);
    feeder->stream = NULL;
}

static inline void feeder_batch(struct feeder *feeder, uint64_t sequence, const uint8_t *at, struct evtrail_frame *frame)
{
    uint64_t lost_after[EVTRAIL_CAUSES];
    struct ship_batch batch = {.bytes = at, .compressed = at + frame->bytes};
    assert_null(evtrail_frame_parse_batch(at, frame->bytes, &batch.header));
    assert_null(store_checker_batch(feeder->checker, &batch, lost_after));
    assert_int_equal(store_batch(feeder->stream, sequence, &batch, lost_after), 0);
    frame->bytes += batch.header.compressed_bytes;
}

/* Puts frames from the beginning, and the batches of sequences `first` .. `last` (1 is the feed's first). */
static inline void feeder_put(struct feeder *feeder, uint64_t first, uint64_t last)
{
    uint64_t sequence = 0;
    struct evtrail_frame frame;
    for (size_t at = 0; at < feeder->feed->size && sequence < last; at += frame.bytes) {
        const uint8_t *bytes = feeder->feed->bytes + at;
        if (evtrail_frame_prefix(bytes, feeder->feed->size - at, &frame) || frame.tag == EVTRAIL_TAG_INDEX)
            return;
        if (frame.magic != EVTRAIL_MAGIC_BATCH) {
            assert_int_equal(store_frame(feeder->stream, &frame, bytes), 0);
        } else if (++sequence >= first) {
            feeder_batch(feeder, sequence, bytes, &frame);
        } else {
            struct evtrail_batch_header header;
            assert_null(evtrail_frame_parse_batch(bytes, frame.bytes, &header));
            frame.bytes += header.compressed_bytes;
        }
    }
}

/* A whole zstd frame of so many blocks of three bytes each, which have tables of their own: 3 us each. `out` has 16 bytes for each, and 32. */
static inline size_t costly_zstd_frame(uint8_t *out, uint32_t blocks, uint32_t *ret_content)
{
    static const uint8_t head[9] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0}, first[11] = {8 << 3, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    /* no literals; one sequence; tables of 512, 256 and 512 entries */
    static const uint8_t block[16] = {13 << 3 | 2 << 1, 0, 0, 0, 1, 0xa8, 0xf4, 0x3f, 0xf3, 0x1f, 0xf4, 0x3f, 0, 0, 0, 4};
    static const uint8_t last[3] = {1, 0, 0};
    size_t used = sizeof(head);
    const uint32_t content = 8 + 3 * blocks;
    memcpy(out, head, sizeof(head));
    memcpy(out + 5, &content, 4);
    memcpy(out + used, first, sizeof(first));
    used += sizeof(first);
    for (; blocks; blocks--, used += sizeof(block))
        memcpy(out + used, block, sizeof(block));
    memcpy(out + used, last, sizeof(last));
    *ret_content = content;
    return used + sizeof(last);
}

/* The batches alone, as a connection goes on that has said all of their source. */
static inline void feeder_more(struct feeder *feeder, uint64_t first, uint64_t last)
{
    uint64_t sequence = 0;
    struct evtrail_frame frame;
    for (size_t at = 0; at < feeder->feed->size && sequence < last; at += frame.bytes) {
        const uint8_t *bytes = feeder->feed->bytes + at;
        struct evtrail_batch_header header;
        assert_null(evtrail_frame_prefix(bytes, feeder->feed->size - at, &frame));
        if (frame.magic != EVTRAIL_MAGIC_BATCH)
            continue;
        if (++sequence >= first) {
            feeder_batch(feeder, sequence, bytes, &frame);
        } else {
            assert_null(evtrail_frame_parse_batch(bytes, frame.bytes, &header));
            frame.bytes += header.compressed_bytes;
        }
    }
}

/* ---- what a tree holds ------------------------------------------------------------------------------------------------------ */

struct tree_sum {
    uint64_t events, batches, files, closed, lost[EVTRAIL_CAUSES_ALL], garbage;
    char path[4096]; /* of one file */
};

static bool tree_may_tell_loss; /* that nothing explains: liars' */

static inline void tree_sum_file(struct tree_sum *sum, const char *path)
{
    struct evtrail_file_report report;
    char *error = NULL;
    if (strstr(path, ".garbage-")) {
        sum->garbage++;
        return;
    }
    const int r = evtrail_file_verify(path, NULL, NULL, &report, &error);
    if (r < 0 && access(path, F_OK) < 0) { /* the store's limits have deleted it since it was listed */
        free(error);
        return;
    }
    if (r != 0 && !tree_may_tell_loss)
        print_error("%s: %s\n", path, error ? error : "damaged");
    assert_true(r == 0 || (r == 1 && tree_may_tell_loss));
    sum->files++;
    sum->closed += report.closed;
    sum->events += report.events;
    sum->batches += report.batches;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum->lost[i] += report.lost[i];
    snprintf(sum->path, sizeof(sum->path), "%s", path);
}

/* Verifies every file below `root`. */
static inline struct tree_sum tree_sum(const char *root)
{
    struct tree_sum sum = {0};
    char command[4200], line[4096];
    snprintf(command, sizeof(command), "find '%s' -type f -name '*.evt*' | sort", root);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    while (fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = 0;
        tree_sum_file(&sum, line);
    }
    pclose(list);
    return sum;
}

#endif /* EVTRAIL_TESTS_SHIP_STORE_FEED_H */
