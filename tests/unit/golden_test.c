/* SPDX-License-Identifier: ISC
 *
 * Files of each format version there ever was stay readable: tests/golden/format-N.evt says what format-N.txt has.
 *
 * `golden_test --write DIRECTORY` makes the file of the current version anew; only ever done when the version changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file_gen.h"
#include "reader/walk.h"

#include <inttypes.h>

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void add(struct evtrail_chunk *chunk, uint64_t *words, uint64_t ticks, uint32_t id, uint32_t size,
                const uint64_t *payload)
{
    words[chunk->words_count++] = ticks << 20 | (uint64_t)id << 6 | (size > 62 ? 63 : size);
    if (size > 62)
        words[chunk->words_count++] = size;
    for (uint32_t i = 0; i < size; i++)
        words[chunk->words_count++] = payload[i];
    chunk->events += id >= EVTRAIL_EVENT_FIRST;
    chunk->last_ticks = ticks;
}

/* Every record of our own, a long record, jumps of the clock. */
static void special_chunk(struct evtrail_chunk *chunk, uint64_t *words)
{
    const uint64_t start = GEN_START_TICKS, later = start + (UINT64_C(1) << 45);
    const uint64_t label[] = {2, 3, 0x79656b /* key */, 5, 0x65756c6176 /* value */};
    const uint64_t thread[] = {777, 0x726568746f /* other */, 0};
    const uint64_t lost[EVTRAIL_CAUSES] = {5, 0, 1}, meta[] = {2, 3}, event[] = {1, 2};
    uint64_t text[80];
    for (unsigned i = 0; i < 80; i++)
        text[i] = UINT64_C(0x4142434445464748) + i * i;
    chunk->words = words;
    chunk->state.reference_ticks = chunk->first_ticks = start;
    add(chunk, words, start, EVTRAIL_RECORD_LABEL, 5, label);
    add(chunk, words, start + 5, POOL_FIRST_ID, 2, event);
    add(chunk, words, start + 4, POOL_FIRST_ID + 1, 2, event);
    add(chunk, words, start + 9, EVTRAIL_RECORD_META, 2, meta);
    add(chunk, words, start + 9, POOL_FIRST_ID + 2, 2, event);
    add(chunk, words, start + 20, POOL_FIRST_ID + 3, 80, text);
    add(chunk, words, start + 30, EVTRAIL_RECORD_LOST, EVTRAIL_CAUSES, lost);
    add(chunk, words, later, EVTRAIL_RECORD_TIME, 1, &later);
    add(chunk, words, later + 1, EVTRAIL_RECORD_THREAD, 3, thread);
    add(chunk, words, later + 2, POOL_FIRST_ID + 4, 2, event);
}

static void write_golden(const char *path)
{
    static uint64_t words[1000];
    struct gen_source sources[2];
    struct gen_ring *ring = calloc(1, sizeof(*ring));
    struct evtrail_file *file;
    struct evtrail_file_options options = gen_options();
    struct evtrail_chunk special = {.source = &sources[1].source, .ring = 9, .flags = 1};
    struct evtrail_chunk loss = {.source = &sources[1].source, .ring = 10, .missed = 4, .events_before = 4};
    struct evtrail_chunk strings = {.source = &sources[0].source, .ring = 1};
    struct chunk_gen text = {.random = {4}, .words = words, .room = 900, .ticks = GEN_START_TICKS};
    options.force = true;
    gen_source_init(&sources[0], 42);
    gen_source_init(&sources[1], 43);
    gen_ring_init(ring, &sources[0].source, 0, 5);
    if (evtrail_file_create(&file, path, &options) < 0)
        abort();
    evtrail_file_write_chunk(file, gen_ring_next(ring, 600));
    evtrail_file_flush(file);
    special_chunk(&special, words);
    evtrail_file_write_chunk(file, &special);
    evtrail_file_write_chunk(file, &loss);
    evtrail_file_flush(file);
    string_fill(&text);
    strings.words = words;
    strings.words_count = text.count;
    strings.events = text.events;
    strings.state.reference_ticks = strings.first_ticks = GEN_START_TICKS;
    strings.last_ticks = text.ticks;
    evtrail_file_write_chunk(file, &strings);
    evtrail_file_source_gone(file, &sources[1].source);
    if (evtrail_file_close(file, NULL) < 0)
        abort();
    free(ring);
}

/* ---- as text --------------------------------------------------------------------------------------------------- */

static void show_sources(FILE *out, const struct evtrail_file_cursor *cursor)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_file_cursor_sources(cursor, &sources);
    for (uint32_t i = 0; i < count; i++) {
        const struct evtrail_source *s = sources[i];
        fprintf(out, "source %u: session %" PRIx64 " pid %u uid %u parent %u %s %s %s %s clock %u %d\n", i,
                s->session_id, s->pid, s->uid, s->parent_pid, s->command, s->program, s->host, s->boot_id,
                s->clock.kind, s->gone);
    }
}

static void show_records(FILE *out, const struct evtrail_chunk *chunk)
{
    struct evtrail_walk walk;
    evtrail_walk_init(&walk, chunk->words, chunk->words_count, chunk->state.reference_ticks);
    while (evtrail_walk_next(&walk)) {
        const struct evtrail_event_type *type = evtrail_source_type(chunk->source, walk.id);
        fprintf(out, "  %" PRIu64 " %u %s", walk.ticks, walk.id, type ? type->name : "-");
        for (uint32_t i = 0; i < walk.words; i++)
            fprintf(out, " %" PRIx64, walk.payload[i]);
        fprintf(out, "\n");
    }
}

static void show(FILE *out, const char *path)
{
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    bool closed = false;
    int r;
    if (evtrail_file_cursor_open(&cursor, path, NULL, NULL) < 0) {
        fprintf(out, "not opened\n");
        return;
    }
    while ((r = evtrail_file_cursor_next_chunk(cursor, &batch)) == 1) {
        const struct evtrail_chunk *c = &batch->chunk;
        fprintf(out,
                "batch %" PRIu64 ": pid %u ring %u flags %u blocks %" PRIu64 "-%" PRIu64 " ticks %" PRIu64 "-%" PRIu64
                " ns %" PRId64 " events %" PRIu64 " before %" PRIu64 " missed %" PRIu64 " lost %" PRIu64
                " tid %u %s %s=%s types %" PRIx64 "\n",
                batch->number, c->source->pid, c->ring, c->flags, c->first_block, c->last_block, c->first_ticks,
                c->last_ticks, batch->from_ns, c->events, c->events_before, c->missed, c->lost_before[0], c->state.tid,
                c->state.thread_name, c->state.labels[1].key, c->state.labels[1].value, batch->types);
        show_records(out, c);
    }
    evtrail_file_cursor_totals(cursor, NULL, NULL, &closed);
    fprintf(out, "end %d closed %d\n", r, closed);
    show_sources(out, cursor);
    evtrail_file_cursor_close(cursor);
}

static void format_1__golden_file__reads_as_it_did(void **state)
{
    char *text = NULL;
    size_t text_bytes = 0, wanted_bytes = 0;
    (void)state;
    FILE *out = open_memstream(&text, &text_bytes);
    show(out, EVTRAIL_SOURCE_DIR "/tests/golden/format-1.evt");
    fclose(out);
    uint8_t *wanted = gen_read_file(EVTRAIL_SOURCE_DIR "/tests/golden/format-1.txt", &wanted_bytes);
    assert_int_equal(text_bytes, wanted_bytes);
    assert_memory_equal(text, wanted, wanted_bytes);
    free(text);
    free(wanted);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(format_1__golden_file__reads_as_it_did)};
    if (argc == 3 && !strcmp(argv[1], "--write")) {
        char *path = gen_path(argv[2], "format-1.evt"), *text = gen_path(argv[2], "format-1.txt");
        write_golden(path);
        FILE *out = fopen(text, "w");
        show(out, path);
        fclose(out);
        free(path);
        free(text);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
