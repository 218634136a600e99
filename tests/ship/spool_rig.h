/* SPDX-License-Identifier: ISC
 *
 * A traced process that is made up, a spool, and a collector that appends what it is given to one trace file: what is in the file and what it says was lost
 * must be what was emitted.
 */
#ifndef EVTRAIL_TESTS_SHIP_SPOOL_RIG_H
#define EVTRAIL_TESTS_SHIP_SPOOL_RIG_H

#include "ship/spool.h"

#include <evtrail/file.h>
#include <evtrail/trace.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RIG_RINGS = 3, RIG_ERROR = 16, RIG_INFO = 17, RIG_DEBUG = 18, RIG_SERIALS = 1 << 21 };

struct rig {
    char base[64], directory[96], store[96];
    struct spool *spool;
    struct spool_options options;
    struct evtrail_source source;
    struct evtrail_event_type types[RIG_DEBUG + 1];
    const struct evtrail_event_type *by_id[RIG_DEBUG + 1];
    uint64_t emitted[RIG_RINGS]; /* events, by ring */
    uint64_t *words;
    int store_fd;
    uint64_t stored; /* the collector has all up to it */
    uint64_t gap_batches, gap_cause[WIRE_GAP_elsewhere + 1];
    char last_note[1500];
    unsigned notes;
    int (*refuse)(struct rig *rig, uint64_t sequence); /* NULL: nothing is refused */
    uint64_t refused_events;
    struct rig_shared *shared; /* what survives a SIGKILL; NULL: nothing is to */
};
struct rig_shared {
    _Atomic unsigned current;
    struct {
        uint64_t stored, size;
    } slots[2];
    uint64_t emitted[RIG_RINGS];
};

static inline void rig_note(void *context, const char *line)
{
    struct rig *const rig = context;
    snprintf(rig->last_note, sizeof rig->last_note, "%s", line);
    rig->notes++;
}

static inline void rig_type(struct rig *rig, uint32_t id, uint8_t level, const char *name)
{
    rig->types[id] = (struct evtrail_event_type){.id = id, .level = level, .kind = 1, .name = name, .doc = "", .file = "", .function = ""};
    rig->by_id[id] = &rig->types[id];
}

static inline void rig_init(struct rig *rig)
{
    const char *const base = getenv("TMPDIR");
    *rig = (struct rig){.store_fd = -1};
    const char *const memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* syncing costs nothing there */
    snprintf(rig->base, sizeof rig->base, "%.40s/spool.XXXXXX", base ? base : memory);
    assert_non_null(mkdtemp(rig->base));
    snprintf(rig->directory, sizeof rig->directory, "%s/spool", rig->base);
    snprintf(rig->store, sizeof rig->store, "%s/store.evt", rig->base);
    rig->store_fd = open(rig->store, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(rig->store_fd >= 0);
    rig_type(rig, RIG_ERROR, 2, "rig.error");
    rig_type(rig, RIG_INFO, 4, "rig.info");
    rig_type(rig, RIG_DEBUG, 5, "rig.debug");
    rig->source = (struct evtrail_source){.session_id = 0x1234567890abcdef, .pid = 4711, .uid = 1000, .live = true};
    rig->source.start_realtime_ns = 1700000000000000000;
    rig->source.clock.kind = 1;
    rig->source.clock.hz = 1000000000;
    rig->source.clock.first.realtime_ns = rig->source.clock.last.realtime_ns = 1700000000000000000;
    rig->source.command = "rig";
    rig->source.program = "/bin/rig";
    rig->source.host = "here";
    rig->source.boot_id = "00000000-0000-0000-0000-000000000000";
    rig->source.path = "";
    rig->source.types = rig->by_id;
    rig->source.types_count = RIG_DEBUG + 1;
    rig->words = malloc(sizeof *rig->words << 17);
    assert_non_null(rig->words);
    rig->options = (struct spool_options){.no_uring = true, .max_bytes = 64 << 20, .segment_bytes = 256 << 10, .note = rig_note, .context = rig};
}

static inline void rig_remove(const char *path)
{
    DIR *const directory = opendir(path);
    if (directory) {
        for (struct dirent *entry; (entry = readdir(directory));) {
            char inner[600];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            rig_remove(inner);
        }
        closedir(directory);
    }
    remove(path);
}

static inline void rig_fini(struct rig *rig)
{
    close(rig->store_fd);
    free(rig->words);
    rig_remove(rig->base);
}

static inline void rig_open(struct rig *rig)
{
    char *error = NULL;
    const int r = spool_open(&rig->spool, rig->directory, &rig->options, &error);
    if (r < 0)
        print_error("%s\n", error ? error : "?");
    free(error);
    assert_int_equal(r, 0);
    spool_opened(rig->spool, 0, rig->stored + 1);
}

static inline void rig_close(struct rig *rig)
{
    spool_close(rig->spool);
    rig->spool = NULL;
}

/* The level of an event: the same whenever it is made. Of a hundred events one is an error, half are info. */
static inline uint32_t rig_id(uint64_t serial)
{
    return serial % 100 == 7 ? RIG_ERROR : serial & 1 ? RIG_DEBUG : RIG_INFO;
}

/* Events [from, from + count) of a ring, as the reader would bring them. */
static inline struct evtrail_chunk rig_chunk(struct rig *rig, uint32_t ring, uint64_t from, uint64_t count)
{
    struct evtrail_chunk chunk = {.source = &rig->source, .ring = ring, .events = count, .events_before = from};
    size_t used = 0;
    for (uint64_t serial = from; serial < from + count; serial++) {
        rig->words[used++] = (serial * 1000 + 1000) << 20 | rig_id(serial) << 6 | 2;
        rig->words[used++] = serial;
        rig->words[used++] = serial * UINT64_C(0x9e3779b97f4a7c15); /* not to be compressed away */
    }
    chunk.first_ticks = chunk.state.reference_ticks = from * 1000 + 1000;
    chunk.last_ticks = (from + count) * 1000;
    chunk.state.tid = 100 + ring;
    chunk.words = rig->words;
    chunk.words_count = used;
    return chunk;
}

/* Emits more of a ring. What spool_write() says. */
static inline int rig_emit(struct rig *rig, uint32_t ring, uint64_t count)
{
    const struct evtrail_chunk chunk = rig_chunk(rig, ring, rig->emitted[ring], count);
    const int r = spool_write(rig->spool, &chunk);
    if (r == 0)
        rig->emitted[ring] += count;
    return r;
}

/* The collector has it for good: both at once. */
static inline void rig_commit(struct rig *rig)
{
    struct stat status;
    if (!rig->shared)
        return;
    const unsigned other = 1 - rig->shared->current;
    assert_int_equal(fstat(rig->store_fd, &status), 0);
    rig->shared->slots[other].stored = rig->stored;
    rig->shared->slots[other].size = (uint64_t)status.st_size;
    rig->shared->current = other;
}

static inline void rig_append(struct rig *rig, const struct ship_unit *unit)
{
    for (unsigned i = 0; i < unit->parts_count; i++)
        assert_int_equal(write(rig->store_fd, unit->parts[i].iov_base, unit->parts[i].iov_len), unit->parts[i].iov_len);
}

/* The collector takes up to `most` batches. Returns how many came; all is acknowledged if `ack`. */
static inline uint64_t rig_ship(struct rig *rig, uint64_t most, bool ack)
{
    uint64_t count = 0;
    struct ship_unit unit;
    while (count < most) {
        const int r = spool_fetch(rig->spool, 0, rig->stored + 1, &unit);
        assert_true(r >= 0);
        if (r == 0)
            break;
        if (unit.kind == SHIP_UNIT_GAP) {
            assert_true(unit.gap.last > rig->stored);
            assert_in_range(unit.gap.cause, 1, WIRE_GAP_elsewhere);
            rig->gap_batches += unit.gap.last - rig->stored;
            rig->gap_cause[unit.gap.cause]++;
            rig->stored = unit.gap.last;
            rig_commit(rig);
        } else if (unit.kind == SHIP_UNIT_DATA && rig->refuse && rig->refuse(rig, rig->stored + 1)) {
            struct wire_refuse refuse = {.code = WIRE_REFUSE_content, .reason = "a test"};
            rig->stored++;
            rig_commit(rig);
            spool_refused(rig->spool, rig->stored, &refuse);
        } else {
            rig_append(rig, &unit);
            if (unit.kind == SHIP_UNIT_DATA) {
                rig->stored++;
                rig_commit(rig);
                count++;
            }
        }
    }
    if (ack)
        spool_acked(rig->spool, 0, rig->stored);
    return count;
}

static inline void rig_drain(struct rig *rig)
{
    assert_int_equal(spool_flush(rig->spool), 0);
    rig_ship(rig, UINT64_MAX, true);
}

/* What the file says is missing before the batch. */
static inline uint64_t rig_batch_lost(const struct evtrail_batch *batch)
{
    return batch->torn + batch->spool;
}

struct rig_sum {
    uint64_t events[RIG_RINGS], lost[RIG_RINGS], end[RIG_RINGS];
    uint64_t by_id[RIG_DEBUG + 1];
};

static inline void rig_take(struct rig_sum *sum, uint8_t *seen, const struct evtrail_chunk *chunk)
{
    for (size_t at = 0; at + 3 <= chunk->words_count;) {
        const uint32_t id = (uint32_t)(chunk->words[at] >> 6) & 0x3fff, words = 1 + (chunk->words[at] & 63);
        if (id >= 16) {
            const uint64_t serial = chunk->words[at + 1];
            assert_true(serial < RIG_SERIALS);
            assert_int_equal(chunk->words[at + 2], serial * UINT64_C(0x9e3779b97f4a7c15));
            if (seen[serial] >> chunk->ring & 1)
                print_error("ring %u: event %llu comes twice\n", chunk->ring, (unsigned long long)serial);
            assert_false(seen[serial] >> chunk->ring & 1);
            seen[serial] |= (uint8_t)(1 << chunk->ring);
            assert_int_equal(id, rig_id(serial));
            sum->by_id[id]++;
        }
        at += words;
    }
}

/* Reads what the collector has: every event at most once, and all that is missing is told. */
static inline struct rig_sum rig_sum_of(struct rig *rig, const char *path)
{
    struct rig_sum sum = {0};
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    char *error = NULL;
    uint8_t *const seen = calloc(1, RIG_SERIALS);
    bool begun[RIG_RINGS] = {false};
    int r = evtrail_file_cursor_open(&cursor, path, NULL, &error);
    if (r < 0)
        print_error("%s: %s\n", path, error ? error : "?");
    free(error);
    assert_int_equal(r, 0);
    while ((r = evtrail_file_cursor_next_chunk(cursor, &batch)) != 0) {
        if (r < 0)
            print_error("%s\n", evtrail_file_cursor_error(cursor));
        assert_int_equal(r, 1);
        const struct evtrail_chunk *const chunk = &batch->chunk;
        assert_true(chunk->ring < RIG_RINGS);
        rig_take(&sum, seen, chunk);
        /* A ring whose first batches are missing: nobody but the collector, who was told, can say of which file they were. */
        const uint64_t told = chunk->missed + rig_batch_lost(batch);
        if (!begun[chunk->ring] && !batch->based && chunk->events_before > told)
            sum.lost[chunk->ring] += chunk->events_before - told;
        begun[chunk->ring] = true;
        sum.events[chunk->ring] += chunk->events;
        sum.lost[chunk->ring] += chunk->missed + rig_batch_lost(batch);
        if (chunk->events_before + chunk->events > sum.end[chunk->ring])
            sum.end[chunk->ring] = chunk->events_before + chunk->events;
    }
    evtrail_file_cursor_close(cursor);
    free(seen);
    return sum;
}

/* emitted = stored + lost, ring by ring; returns how many were lost. */
static inline uint64_t rig_check(struct rig *rig)
{
    const struct rig_sum sum = rig_sum_of(rig, rig->store);
    uint64_t lost = 0;
    for (unsigned ring = 0; ring < RIG_RINGS; ring++) {
        if (sum.events[ring] + sum.lost[ring] != rig->emitted[ring])
            print_error("ring %u: %llu stored, %llu lost, %llu emitted, end %llu\n", ring, (unsigned long long)sum.events[ring],
                        (unsigned long long)sum.lost[ring], (unsigned long long)rig->emitted[ring], (unsigned long long)sum.end[ring]);
        assert_int_equal(sum.events[ring] + sum.lost[ring], rig->emitted[ring]);
        lost += sum.lost[ring];
    }
    return lost;
}

#endif /* EVTRAIL_TESTS_SHIP_SPOOL_RIG_H */
