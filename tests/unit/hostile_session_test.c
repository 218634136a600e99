/* SPDX-License-Identifier: ISC
 *
 * Sessions that lie in every field: no crash, no hang, no unbounded memory, and what is whole is still read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/session_builder.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define CALLS_MAX 5000

struct outcome {
    int added;
    uint64_t events, faults, calls;
};

static void fill(struct builder *b)
{
    uint64_t label[5] = {1, 3, 0, 4, 0}, meta[2] = {EVTRAIL_META_CPU, 3};
    builder_init(b);
    for (uint32_t ring = 0; ring < BUILDER_RINGS; ring++) {
        builder_events(b, ring, BUILDER_BLOCK_WORDS);
        builder_lose(b, ring, EVTRAIL_LOST_FULL);
        builder_record(b, ring, EVTRAIL_RECORD_LABEL, label, 5);
        builder_record(b, ring, EVTRAIL_RECORD_META, meta, 2);
        builder_events(b, ring, 20);
    }
    b->control->consumers[0].state = EVTRAIL_CONSUMER_PASSIVE;
    b->control->consumers[0].renewed_ns = builder_monotonic();
    strcpy(b->control->rules, "0 test.*\n");
    b->control->rules_bytes = 9;
}

/* Reads all that there is, every value of every event. */
static void read_events(struct evtrail_reader *reader, struct outcome *outcome)
{
    struct evtrail_event *event;
    struct evtrail_value value;
    int result;
    while (outcome->calls++ < CALLS_MAX) {
        result = evtrail_reader_next(reader, &event);
        outcome->faults += result < 0;
        if (result > 0 && event->what == EVTRAIL_EVENT) {
            outcome->events++;
            for (unsigned i = 0; evtrail_event_value(event, i, &value) >= 0 && i < 40; i++)
                ;
        }
        if (result == 0 && evtrail_reader_done(reader))
            return;
        if (result == 0)
            evtrail_reader_wait(reader, 100000);
    }
}

static void read_chunks(struct evtrail_reader *reader, struct outcome *outcome)
{
    struct evtrail_chunk *chunk;
    uint64_t sum = 0;
    while (outcome->calls++ < CALLS_MAX) {
        int result = evtrail_reader_next_chunk(reader, &chunk);
        outcome->faults += result < 0;
        for (size_t i = 0; result > 0 && i < chunk->words_count; i++)
            sum += chunk->words[i];
        if (result > 0)
            outcome->events += chunk->events;
        if (result == 0 && evtrail_reader_done(reader))
            break;
        if (result == 0)
            evtrail_reader_wait(reader, 100000);
    }
    (void)sum;
}

static struct outcome read_session(const char *path, bool chunks, bool hold)
{
    struct outcome outcome = {0};
    struct evtrail_reader_options options = {.bytes = sizeof(options), .snapshot = !hold, .hold = hold};
    struct evtrail_reader *reader;
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    outcome.added = evtrail_reader_add_path(reader, path);
    if (outcome.added < 0)
        assert_true(strlen(evtrail_reader_error(reader)) > 0);
    else if (chunks)
        read_chunks(reader, &outcome);
    else
        read_events(reader, &outcome);
    evtrail_reader_free(reader);
    assert_true(outcome.calls < CALLS_MAX);
    return outcome;
}

static void use_session(const char *path)
{
    struct evtrail_session *session;
    struct evtrail_session_info info;
    const struct evtrail_event_type *const *types;
    char *error = NULL;
    if (evtrail_session_open(&session, path, &error) < 0) {
        assert_non_null(error);
        free(error);
        return;
    }
    evtrail_session_info(session, &info);
    uint32_t count = evtrail_session_types(session, &types);
    for (uint32_t i = 0; i < count; i++)
        evtrail_session_type_state(session, i);
    evtrail_session_rule(session, "test.*:info");
    free(evtrail_session_settings(session));
    evtrail_session_close(session);
}

static void intact_session__every_event_read(void **state)
{
    struct builder b;
    (void)state;
    fill(&b);
    for (int i = 0; i < 4; i++) {
        struct outcome outcome = read_session(b.path, i & 1, i & 2);
        assert_int_equal(outcome.added, 0);
        assert_int_equal(outcome.faults, 0);
        assert_int_equal(outcome.events, BUILDER_RINGS * (BUILDER_BLOCK_WORDS + 20));
    }
    use_session(b.path);
    builder_fini(&b);
}

/* ---- many damaged blocks ---- */

enum { MANY_BLOCKS = 256, MANY_SOUND = 56 };

/* Ring 1 gets a place with 256 blocks behind the others; only the last ones, of one event each, are sound. The rest stay a hole, or are
 * filled with rubbish. */
static void many_blocks(struct builder *b, bool hole)
{
    const size_t offset = (BUILDER_FILE_BYTES + BUILDER_BLOCK_BYTES - 1) / BUILDER_BLOCK_BYTES * BUILDER_BLOCK_BYTES;
    struct evtrail_ring_header *ring = builder_ring_header(b, 1);
    uint8_t image[BUILDER_BLOCK_BYTES];
    builder_event(b, 1);
    memcpy(image, builder_slot(b, 1, 0), sizeof(image));
    assert_int_equal(ftruncate(b->fd, (off_t)(offset + MANY_BLOCKS * sizeof(image))), 0);
    b->header->file_bytes = offset + MANY_BLOCKS * sizeof(image);
    for (uint64_t s = hole ? MANY_BLOCKS - MANY_SOUND : 0; s < MANY_BLOCKS; s++) {
        struct evtrail_block_header *block = (void *)image;
        atomic_store(&block->number, s < MANY_BLOCKS - MANY_SOUND ? 0xeeeeeeee : s + 1);
        block->events_before = s;
        assert_int_equal(pwrite(b->fd, image, sizeof(image), (off_t)(offset + s * sizeof(image))), sizeof(image));
    }
    ring->offset = offset;
    ring->blocks = MANY_BLOCKS;
    atomic_store(&ring->head_block, MANY_BLOCKS);
}

static uint64_t memory_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

static void blocks_damaged_in_a_row__all_behind_them_is_read(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct builder b;
        builder_init(&b);
        many_blocks(&b, false);
        struct outcome outcome = read_session(b.path, way & 1, way & 2);
        assert_int_equal(outcome.events, MANY_SOUND);
        assert_int_equal(outcome.faults, 1);
        builder_fini(&b);
    }
}

static void blocks_without_memory__get_none_by_being_read(void **state)
{
    struct builder b;
    (void)state;
    builder_init(&b);
    many_blocks(&b, true);
    const uint64_t before = memory_of(b.path);
    struct outcome outcome = read_session(b.path, false, false);
    assert_int_equal(outcome.events, MANY_SOUND);
    assert_int_equal(outcome.faults, 1);
    assert_true(memory_of(b.path) <= before + (64 << 10));
    builder_fini(&b);
}

/* ---- every byte ---- */

static void flip(struct builder *b, uint8_t *at, uint8_t mask)
{
    uint8_t saved = *at;
    *at ^= mask;
    read_session(b->path, false, false);
    *at = saved;
}

static void flip_each(struct builder *b, void *start, size_t bytes)
{
    static const uint8_t masks[] = {0xff, 0x80, 0x01};
    for (size_t i = 0; i < bytes; i++)
        for (size_t m = 0; m < sizeof(masks); m++)
            flip(b, (uint8_t *)start + i, masks[m]);
}

static void session_header__every_byte_flipped__survives(void **state)
{
    struct builder b;
    (void)state;
    fill(&b);
    flip_each(&b, b.data, offsetof(struct evtrail_session_header, command) + 4);
    builder_fini(&b);
}

static void ring_headers__every_byte_flipped__survives(void **state)
{
    struct builder b;
    (void)state;
    fill(&b);
    flip_each(&b, builder_ring_header(&b, 0), 160);
    builder_fini(&b);
}

static void block_headers_and_words__every_byte_flipped__survives(void **state)
{
    struct builder b;
    (void)state;
    fill(&b);
    flip_each(&b, builder_slot(&b, 0, 0), 152);
    flip_each(&b, (uint8_t *)builder_slot(&b, 0, 2) + EVTRAIL_BLOCK_HEADER_BYTES, 160);
    builder_fini(&b);
}

static void metadata__every_byte_flipped__survives(void **state)
{
    struct builder b;
    (void)state;
    fill(&b);
    flip_each(&b, b.data + BUILDER_META_OFFSET, 64);
    builder_fini(&b);
}

static void control__every_byte_flipped__survives(void **state)
{
    struct builder b;
    (void)state;
    fill(&b);
    builder_live(&b);
    uint8_t *at = (uint8_t *)b.control;
    for (size_t i = 0; i < 256; i++)
        for (unsigned m = 0; m < 2; m++) {
            uint8_t saved[512];
            memcpy(saved, at, sizeof(saved));
            at[i] ^= m ? 0xff : 0x01;
            if (i < 84 || i >= 88) /* a rules lock held by a living process costs a second */
                use_session(b.path);
            memcpy(at, saved, sizeof(saved));
            b.control->rules_bytes = 9;
        }
    builder_fini(&b);
}

/* ---- at random ---- */

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static uint64_t odd_value(uint64_t *seed)
{
    static const uint64_t odd[] = {
        0, 1, 2, 63, 64, 4096, UINT32_MAX, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 32};
    uint64_t r = random_next(seed);
    return r % 3 ? odd[(r >> 8) % (sizeof(odd) / sizeof(odd[0]))] : random_next(seed);
}

/* A word of the structures that matter. */
static uint64_t *any_word(struct builder *b, uint64_t *seed)
{
    uint64_t r = random_next(seed), word = random_next(seed);
    uint32_t ring = r >> 8 & 1;
    switch (r % 5) {
    case 0:
        return (uint64_t *)(void *)builder_ring_header(b, ring) + word % 20;
    case 1:
        return (uint64_t *)(void *)builder_slot(b, ring, r >> 10 & 3) + word % 19;
    case 2:
        return (uint64_t *)(void *)builder_slot(b, ring, r >> 10 & 3) + 32 + word % 60;
    case 3:
        return (uint64_t *)(void *)(b->data + BUILDER_META_OFFSET) + word % 9;
    default:
        return (uint64_t *)(void *)b->data + 1 + word % 40;
    }
}

static void several_words_at_random__survives(void **state)
{
    uint64_t seed = 88172645463325252u;
    struct builder b;
    (void)state;
    fill(&b);
    uint8_t *saved = malloc(BUILDER_FILE_BYTES);
    memcpy(saved, b.data, BUILDER_FILE_BYTES);
    for (int round = 0; round < 3000; round++) {
        uint64_t *words[4];
        for (int i = 0; i < 4; i++) {
            words[i] = any_word(&b, &seed);
            *words[i] = odd_value(&seed);
        }
        read_session(b.path, round & 1, round & 2);
        if (round % 8 == 0)
            use_session(b.path);
        for (int i = 0; i < 4; i++)
            memcpy(words[i], saved + ((uint8_t *)words[i] - b.data), 8);
    }
    free(saved);
    builder_fini(&b);
}

/* ---- while it is read ---- */

struct liar {
    struct builder *builder;
    _Atomic bool stop;
};

static void *lie(void *argument)
{
    struct liar *liar = argument;
    uint64_t seed = 4101842887655102017u;
    while (!atomic_load(&liar->stop)) {
        uint32_t ring = random_next(&seed) & 1;
        struct evtrail_ring_header *header = builder_ring_header(liar->builder, ring);
        struct evtrail_block_header *block = builder_slot(liar->builder, ring, random_next(&seed) & 3);
        atomic_store(&header->head_block, atomic_load(&header->head_block) + random_next(&seed) % 3);
        atomic_store(&block->number, atomic_load(&header->head_block) - random_next(&seed) % 4);
        atomic_store(&block->committed, random_next(&seed) % 500 | (random_next(&seed) % 100) << 32);
        __atomic_store_n(&block->events_before, random_next(&seed), __ATOMIC_RELAXED);
        for (int i = 0; i < 40; i++)
            __atomic_store_n((uint64_t *)(void *)block + 32 + random_next(&seed) % 480, odd_value(&seed),
                             __ATOMIC_RELAXED);
    }
    return NULL;
}

static void ring_that_changes_while_it_is_read__survives(void **state)
{
    struct builder b;
    pthread_t thread;
    (void)state;
    for (int round = 0; round < 20; round++) {
        fill(&b);
        builder_live(&b);
        struct liar liar = {.builder = &b};
        struct evtrail_reader_options options = {.bytes = sizeof(options), .hold = round & 1};
        struct evtrail_reader *reader;
        struct evtrail_event *event;
        pthread_create(&thread, NULL, lie, &liar);
        assert_int_equal(evtrail_reader_new(&reader, &options), 0);
        assert_int_equal(evtrail_reader_add_path(reader, b.path), 0);
        for (uint64_t until = builder_monotonic() + 50000000; builder_monotonic() < until;)
            if (evtrail_reader_next(reader, &event) == 0)
                evtrail_reader_wait(reader, 100000);
        atomic_store(&liar.stop, true);
        pthread_join(thread, NULL);
        evtrail_reader_free(reader);
        builder_fini(&b);
    }
}

static void truncated_while_mapped__a_fault_and_no_crash(void **state)
{
    struct builder b;
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    (void)state;
    fill(&b);
    builder_live(&b);
    assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
    assert_int_equal(evtrail_reader_add_path(reader, b.path), 0);
    assert_int_equal(evtrail_reader_next(reader, &event), 1);
    assert_int_equal(ftruncate(b.fd, 8192), 0);
    bool told = false;
    for (int i = 0; i < 2000 && !told; i++) {
        int result = evtrail_reader_next(reader, &event);
        told = result < 0 && strstr(evtrail_reader_error(reader), "truncated");
        if (result == 0)
            evtrail_reader_wait(reader, 1000000);
    }
    assert_true(told);
    builder_die(&b);
    for (int i = 0; i < 2000 && !evtrail_reader_done(reader); i++)
        if (evtrail_reader_next(reader, &event) == 0)
            evtrail_reader_wait(reader, 1000000);
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
    assert_int_equal(ftruncate(b.fd, BUILDER_FILE_BYTES), 0);
    builder_fini(&b);
}

static void every_length_of_file__an_error_or_what_is_whole(void **state)
{
    struct builder b;
    (void)state;
    for (off_t bytes = 0; bytes < BUILDER_FILE_BYTES; bytes += bytes < 8192 ? 509 : 40009) {
        fill(&b);
        assert_int_equal(ftruncate(b.fd, bytes), 0);
        struct outcome outcome = read_session(b.path, false, false);
        assert_true(outcome.added < 0);
        use_session(b.path);
        assert_int_equal(ftruncate(b.fd, BUILDER_FILE_BYTES), 0);
        builder_fini(&b);
    }
}

static _Atomic int chained;
static void on_bus(int signal)
{
    (void)signal;
    chained++;
    _exit(chained == 1 ? 42 : 1);
}

static void sigbus_outside_our_mappings__goes_to_the_handler_before_us(void **state)
{
    (void)state;
    pid_t child = fork(); /* the guard is not installed in this process yet: this test comes first */
    if (child == 0) {
        struct builder b;
        struct evtrail_session *session;
        signal(SIGBUS, on_bus);
        fill(&b);
        if (evtrail_session_open(&session, b.path, NULL) < 0)
            _exit(2);
        int fd = memfd_create("short", 0);
        volatile char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        builder_fini(&b);
        _exit(map[0] ? 3 : 4);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void not_a_session__one_line_says_so(void **state)
{
    struct evtrail_reader *reader;
    (void)state;
    assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
    assert_int_equal(evtrail_reader_add_path(reader, "/nonexistent/1-1.trail"), -ENOENT);
    assert_non_null(strstr(evtrail_reader_error(reader), "/nonexistent/1-1.trail"));
    assert_int_equal(evtrail_reader_add_process(reader, "no-such-process"), -ESRCH);
    assert_non_null(strstr(evtrail_reader_error(reader), "no-such-process"));
    evtrail_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigbus_outside_our_mappings__goes_to_the_handler_before_us),
        cmocka_unit_test(intact_session__every_event_read),
        cmocka_unit_test(blocks_damaged_in_a_row__all_behind_them_is_read),
        cmocka_unit_test(blocks_without_memory__get_none_by_being_read),
        cmocka_unit_test(session_header__every_byte_flipped__survives),
        cmocka_unit_test(ring_headers__every_byte_flipped__survives),
        cmocka_unit_test(block_headers_and_words__every_byte_flipped__survives),
        cmocka_unit_test(metadata__every_byte_flipped__survives),
        cmocka_unit_test(control__every_byte_flipped__survives),
        cmocka_unit_test(several_words_at_random__survives),
        cmocka_unit_test(ring_that_changes_while_it_is_read__survives),
        cmocka_unit_test(truncated_while_mapped__a_fault_and_no_crash),
        cmocka_unit_test(every_length_of_file__an_error_or_what_is_whole),
        cmocka_unit_test(not_a_session__one_line_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
