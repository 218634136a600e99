/* SPDX-License-Identifier: ISC
 *
 * Columns of batches into the model. Most types only need their count; spans and entities are taken in the order of the
 * batch's records, counters column by column.
 */
#include "stat_columns.h"

#include <evtrail/file.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATE_WORDS 9u /* of a state's text: 64 bytes */
#define FAULTS_SHOWN 10

/* How the records of one shape are taken in. */
struct lane {
    struct plan *plan;
    uint8_t kind; /* EVTRAIL_KIND_*, or instant for those that are only counted */
    uint32_t at;  /* next record */
    uint32_t words;
    const uint64_t *ticks;
    uint64_t *columns[2 + STATE_WORDS]; /* the id, the unused parent, the state's words */
};
struct feed {
    struct stat_model *model;
    struct consumer *consumer;
    struct evtrail_file_cursor *cursor;
    const struct evtrail_batch *batch;
    const struct evtrail_batch_view *view;
    struct host *host; /* of the batch's source */
    struct lane lanes[256];
    uint64_t *arena; /* for columns */
    size_t arena_words, arena_used;
    const uint64_t *misc_ticks;
    uint32_t misc_at;
    size_t misc_word;
    bool ordered; /* some lane must be taken in record order */
    struct ring_loss *losses;
    size_t losses_count;
};

/* The writer's counts are cumulative for each ring. */
struct ring_loss {
    uint64_t session_id;
    uint32_t ring;
    uint64_t counts[EVTRAIL_CAUSES];
};

/* ---- loss -------------------------------------------------------------------------------------------------------------- */

static struct ring_loss *ring_loss(struct feed *feed)
{
    const struct evtrail_chunk *const chunk = &feed->batch->chunk;
    for (size_t i = 0; i < feed->losses_count; i++)
        if (feed->losses[i].ring == chunk->ring && feed->losses[i].session_id == chunk->source->session_id)
            return &feed->losses[i];
    struct ring_loss *const bigger = realloc(feed->losses, (feed->losses_count + 1) * sizeof *bigger);
    if (!bigger)
        return NULL;
    feed->losses = bigger;
    bigger[feed->losses_count] = (struct ring_loss){.session_id = chunk->source->session_id, .ring = chunk->ring};
    return &bigger[feed->losses_count++];
}

static void lost(struct feed *feed, unsigned cause, uint64_t count)
{
    feed->model->lost[cause] += count;
    if (feed->host)
        feed->host->lost[cause] += count;
}

/* What a count has grown by since it was last seen; one that shrinks is a lie and changes nothing. */
static void lost_until(struct feed *feed, struct ring_loss *loss, unsigned cause, uint64_t count)
{
    if (count <= loss->counts[cause])
        return;
    lost(feed, cause, count - loss->counts[cause]);
    loss->counts[cause] = count;
}

static void take_losses(struct feed *feed)
{
    const struct evtrail_chunk *const chunk = &feed->batch->chunk;
    struct ring_loss *const loss = ring_loss(feed);
    lost(feed, EVTRAIL_CAUSE_overwritten, chunk->missed);
    if (feed->host) { /* in all, the cursor counts them: also those that are before no batch */
        feed->host->lost[EVTRAIL_CAUSE_torn] += feed->batch->torn;
        feed->host->lost[EVTRAIL_CAUSE_spool] += feed->batch->spool;
    }
    if (loss && feed->batch->based)
        memcpy(loss->counts, feed->batch->lost_base, sizeof loss->counts);
    for (unsigned i = 0; loss && i < EVTRAIL_CAUSES; i++)
        lost_until(feed, loss, i, chunk->lost_before[i]);
}

static void take_lost_words(struct feed *feed, const uint64_t *words, uint32_t count)
{
    struct ring_loss *const loss = ring_loss(feed);
    for (unsigned i = 0; loss && i < EVTRAIL_CAUSES && i < count; i++)
        lost_until(feed, loss, i, words[i]);
}

/* LOST records are rare: one shape, of which the last says it all. */
static void take_lost_shape(struct feed *feed, uint32_t shape)
{
    const struct evtrail_batch_shape *const of = &feed->view->shapes[shape];
    uint64_t words[EVTRAIL_CAUSES];
    uint64_t *const column = feed->arena + feed->arena_used;
    for (uint32_t i = 0; i < EVTRAIL_CAUSES; i++) {
        if (i >= of->words || of->count == 0 || evtrail_batch_column(feed->view, shape, i, column) < 0)
            return;
        words[i] = column[of->count - 1];
    }
    take_lost_words(feed, words, EVTRAIL_CAUSES);
}

/* ---- one record -------------------------------------------------------------------------------------------------------- */

static void take_record(struct feed *feed, struct plan *plan, unsigned kind, uint64_t ticks, const uint64_t *words,
                        uint32_t count)
{
    const struct evtrail_source *const source = feed->batch->chunk.source;
    switch (kind) {
    case EVTRAIL_KIND_begin:
        stat_span_begin(feed->model, plan, source, words[0], ticks);
        break;
    case EVTRAIL_KIND_end:
        stat_span_end(feed->model, plan, source, words[0], ticks);
        break;
    case EVTRAIL_KIND_counter:
        stat_counter(plan, words[0], evtrail_source_time(source, ticks));
        break;
    case EVTRAIL_KIND_state:
        if (count > 2)
            stat_entity(feed->model, plan, words[0], ticks, words + 2, count - 2);
        break;
    case EVTRAIL_KIND_gone:
        stat_entity_gone(feed->model, plan, words[0], ticks);
        break;
    default:
        break;
    }
}

static void take_lane(struct feed *feed, struct lane *lane)
{
    uint64_t words[2 + STATE_WORDS];
    const uint32_t at = lane->at++;
    if (lane->kind == EVTRAIL_KIND_instant)
        return;
    words[0] = lane->columns[0][at];
    for (uint32_t i = 2; i < lane->words; i++)
        words[i] = lane->columns[i][at];
    take_record(feed, lane->plan, lane->kind, lane->ticks[at], words, lane->words);
}

static void count_record(struct feed *feed, struct plan *plan, uint32_t words, uint64_t records)
{
    const uint64_t bytes = records * 8 * ((uint64_t)words + 1 + (words >= 63));
    plan->row->count += records;
    plan->row->bytes += bytes;
    feed->model->events += records;
    if (feed->host)
        feed->host->events += records;
    feed->model->bytes += bytes;
}

/* The next record of misc: a row as in the ring. */
static void take_misc(struct feed *feed)
{
    const struct evtrail_batch_view *const view = feed->view;
    size_t at = feed->misc_word;
    const uint32_t number = feed->misc_at++;
    if (at >= view->misc_words)
        return;
    const uint64_t head = view->misc[at++];
    uint32_t count = head & 63;
    const uint32_t id = head >> 6 & 0x3fff;
    if (count == 63 && at < view->misc_words)
        count = (uint32_t)view->misc[at++];
    if (count > view->misc_words - at)
        count = (uint32_t)(view->misc_words - at);
    feed->misc_word = at + count;
    if (id == 3)
        take_lost_words(feed, view->misc + at, count);
    struct plan *const plan = id >= 16 ? stat_model_plan(feed->model, feed->batch->chunk.source, id) : NULL;
    if (!plan)
        return;
    count_record(feed, plan, count, 1);
    if (count > 0 && plan->kind != EVTRAIL_KIND_instant && feed->misc_ticks)
        take_record(feed, plan, plan->kind, feed->misc_ticks[number], view->misc + at, count);
}

/* ---- one batch --------------------------------------------------------------------------------------------------------- */

static uint64_t *column_get(struct feed *feed, uint32_t shape, uint32_t word)
{
    uint64_t *const column = feed->arena + feed->arena_used;
    if (evtrail_batch_column(feed->view, shape, word, column) < 0)
        return NULL;
    feed->arena_used += feed->view->shapes[shape].count;
    return column;
}

static void take_counters(struct feed *feed, const struct lane *lane, uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i++)
        stat_counter(lane->plan, lane->columns[0][i], INT64_MIN);
    stat_counter(lane->plan, lane->columns[0][count - 1],
                 evtrail_source_time(feed->batch->chunk.source, lane->ticks[count - 1]));
}

static bool lane_columns(struct feed *feed, struct lane *lane, uint32_t shape)
{
    const uint32_t words = feed->view->shapes[shape].words;
    lane->words = lane->kind == EVTRAIL_KIND_state ? words < 2 + STATE_WORDS ? words : 2 + STATE_WORDS : 1;
    if (evtrail_batch_ticks(feed->view, shape, &lane->ticks) < 0)
        return false;
    for (uint32_t i = 0; i < lane->words; i++) {
        if (i == 1)
            continue;
        lane->columns[i] = column_get(feed, shape, i);
        if (!lane->columns[i])
            return false;
    }
    return true;
}

static void lane_open(struct feed *feed, uint32_t shape)
{
    const struct evtrail_batch_shape *const of = &feed->view->shapes[shape];
    struct lane *const lane = &feed->lanes[shape];
    lane->at = 0;
    lane->kind = EVTRAIL_KIND_instant;
    if (of->id == 3)
        take_lost_shape(feed, shape);
    lane->plan = of->id >= 16 && of->count > 0 ? stat_model_plan(feed->model, feed->batch->chunk.source, of->id) : NULL;
    if (!lane->plan)
        return;
    count_record(feed, lane->plan, of->words, of->count);
    const unsigned kind = lane->plan->kind;
    if (of->words == 0 || kind == EVTRAIL_KIND_instant || kind == EVTRAIL_KIND_name || kind == EVTRAIL_KIND_flow)
        return;
    lane->kind = (uint8_t)kind;
    if (!lane_columns(feed, lane, shape)) {
        lane->kind = EVTRAIL_KIND_instant;
    } else if (kind == EVTRAIL_KIND_counter) {
        take_counters(feed, lane, of->count);
        lane->kind = EVTRAIL_KIND_instant;
    } else {
        feed->ordered = true;
    }
}

/* Room for each payload word of the batch's shapes, and for one column more. */
static int arena_reserve(struct feed *feed)
{
    size_t words = 0;
    for (uint32_t i = 0; i < feed->view->shapes_count; i++)
        words += (size_t)feed->view->shapes[i].count * ((size_t)feed->view->shapes[i].words + 1);
    feed->arena_used = 0;
    if (words <= feed->arena_words)
        return 0;
    free(feed->arena);
    feed->arena = malloc(words * sizeof *feed->arena);
    feed->arena_words = feed->arena ? words : 0;
    return feed->arena ? 0 : -ENOMEM;
}

static int take_batch(struct feed *feed)
{
    const struct evtrail_batch_view *const view = feed->view;
    if (arena_reserve(feed) < 0)
        return -ENOMEM;
    feed->host = stat_model_host(feed->model, feed->batch->chunk.source);
    take_losses(feed);
    feed->ordered = view->misc_words > 0;
    feed->misc_at = 0;
    feed->misc_word = 0;
    if (view->misc_words == 0 || evtrail_batch_ticks(view, 255, &feed->misc_ticks) < 0)
        feed->misc_ticks = NULL;
    for (uint32_t i = 0; i < view->shapes_count; i++)
        lane_open(feed, i);
    for (uint32_t i = 0; feed->ordered && i < view->records; i++) {
        const uint8_t shape = view->sequence[i];
        if (shape == 255)
            take_misc(feed);
        else if (shape < view->shapes_count)
            take_lane(feed, &feed->lanes[shape]);
    }
    if (view->records > 0) {
        stat_model_time(feed->model, feed->batch->from_ns);
        stat_model_time(feed->model, feed->batch->to_ns);
    }
    return feed->model->out_of_memory ? -ENOMEM : 0;
}

/* ---- one file ---------------------------------------------------------------------------------------------------------- */

static void fault(struct feed *feed)
{
    consumer_note(feed->consumer, CODE_damaged);
    if (feed->consumer->faults++ < FAULTS_SHOWN)
        warn(NULL, "%s", evtrail_file_cursor_error(feed->cursor));
}

static int read_batches(struct feed *feed)
{
    struct evtrail_batch *batch;
    int r;
    while (signals_stops() == 0 && (r = evtrail_file_cursor_next(feed->cursor, &batch)) != 0) {
        if (r > 0)
            r = evtrail_file_cursor_view(feed->cursor, &feed->view);
        if (r == -EBADMSG) {
            fault(feed);
            continue;
        }
        feed->batch = batch;
        if (r >= 0)
            r = take_batch(feed);
        if (r < 0)
            return r;
    }
    return 0;
}

int stat_columns(struct stat_model *model, struct consumer *consumer, const char *path)
{
    const struct evtrail_file_cursor_options options = {.bytes = sizeof options};
    char *error = NULL;
    struct feed *const feed = calloc(1, sizeof *feed);
    if (!feed)
        return -ENOMEM;
    feed->model = model;
    feed->consumer = consumer;
    int r = evtrail_file_cursor_open(&feed->cursor, path, &options, &error);
    if (r < 0) {
        consumer_note(consumer,
                      (enum exit_code)fail(code_of(r), error ? NULL : path, "%s", error ? error : strerror(-r)));
    } else {
        uint64_t torn = 0, faults;
        bool closed;
        r = read_batches(feed);
        if (r < 0)
            consumer_note(consumer, (enum exit_code)fail(code_of(r), path, "%s", strerror(-r)));
        evtrail_file_cursor_totals(feed->cursor, &torn, &faults, &closed);
        model->lost[EVTRAIL_CAUSE_torn] += torn;
        model->lost[EVTRAIL_CAUSE_spool] += evtrail_file_cursor_spool(feed->cursor);
        uint64_t by[EVTRAIL_SPOOL_WHYS];
        evtrail_file_cursor_spool_by(feed->cursor, by);
        for (unsigned why = 0; why < EVTRAIL_SPOOL_WHYS; why++)
            model->spool_by[why] += by[why];
        struct evtrail_source *const *sources;
        const uint32_t count = evtrail_file_cursor_sources(feed->cursor, &sources);
        host_list_add_clocks(&model->hosts, sources, count);
        stat_model_forget(model);
        evtrail_file_cursor_close(feed->cursor);
    }
    free(error);
    free(feed->losses);
    free(feed->arena);
    free(feed);
    return r;
}
