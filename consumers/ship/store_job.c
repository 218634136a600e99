/* SPDX-License-Identifier: ISC
 *
 * What is done with one thing that came: a source's file learns a frame, or gets a batch or a gap, once.
 */
#include "ship/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void change(struct store *store, struct store_record *record)
{
    if (record->changed)
        return;
    record->changed = true;
    record->next_changed = store->changed;
    store->changed = record;
}

static void forget_numbers(struct store_record *record)
{
    for (uint32_t i = 0; i < record->numbers_count; i++)
        if (record->numbers[i])
            record->numbers[i]->references--;
    free(record->numbers);
    record->numbers = NULL;
    record->numbers_count = 0;
    record->crowded = false;
}

static int number(struct store_record *record, uint32_t at, struct store_source *source)
{
    if (at >= STORE_SOURCES_MAX)
        return -E2BIG;
    if (at >= record->numbers_count) {
        uint32_t count = record->numbers_count ? record->numbers_count : 4;
        while (count <= at)
            count *= 2;
        struct store_source **grown = realloc(record->numbers, count * sizeof(struct store_source *));
        if (!grown)
            return -ENOMEM;
        memset(grown + record->numbers_count, 0, (count - record->numbers_count) * sizeof(struct store_source *));
        record->numbers = grown;
        record->numbers_count = count;
    }
    if (record->numbers[at])
        record->numbers[at]->references--;
    record->numbers[at] = source;
    source->references++;
    return 0;
}

/* The job's source, which stays the same when the job is done again. NULL: none was described. */
static struct store_source *resolve(struct store_job *job, uint32_t at)
{
    if (!job->resolved) {
        job->resolved = true;
        job->source = at < job->record->numbers_count ? job->record->numbers[at] : NULL;
        if (job->source)
            job->source->references++;
    }
    return job->source;
}

static struct evtrail_mark_frame mark_of(const struct store_record *record, uint64_t sequence, uint32_t kind)
{
    struct evtrail_mark_frame mark = {.sequence = sequence,
                                      .through = atomic_load(&record->durable),
                                      .owner = atomic_load(&record->owner),
                                      .kind = kind};
    memcpy(mark.stream, record->id, sizeof(mark.stream));
    return mark;
}

/* ---- frames ------------------------------------------------------------------------------------------------------- */

static int frame_source(struct store *store, struct store_job *job)
{
    struct evtrail_source_frame frame;
    if (evtrail_frame_parse_source(job->data, job->frame.bytes, &frame))
        return 0;
    if (!job->resolved) {
        int error = 0;
        job->source = store_source_get(store, job->record, &frame, &error);
        if (!job->source) {
            job->record->crowded |= error == -E2BIG;
            return error == -E2BIG ? 0 : error;
        }
        job->resolved = true;
        job->source->references++;
    }
    if (number(job->record, frame.number, job->source) < 0 || store_source_heavy(store, job->source))
        return 0;
    evtrail_append_frame(&job->source->append, &job->frame, job->data);
    store_source_weigh(store, job->source);
    return 0;
}

/* SCHEMA, CLOCK and OFFSET: all begin with their source's number. */
static int frame_other(struct store *store, struct store_job *job)
{
    uint32_t at;
    struct evtrail_clock_frame clock;
    if (job->frame.bytes < EVTRAIL_FRAME_PREFIX_BYTES + 4)
        return 0;
    memcpy(&at, job->data + EVTRAIL_FRAME_PREFIX_BYTES, 4);
    struct store_source *source = resolve(job, at);
    if (!source || (job->frame.tag == EVTRAIL_TAG_SCHEMA && store_source_heavy(store, source)) ||
        evtrail_append_frame(&source->append, &job->frame, job->data) < 0)
        return 0;
    store_source_weigh(store, source);
    if (job->frame.tag == EVTRAIL_TAG_CLOCK && !evtrail_frame_parse_clock(job->data, job->frame.bytes, &clock))
        source->ended |= clock.flags & EVTRAIL_CLOCK_GONE;
    return 0;
}

static int process_frame(struct store *store, struct store_job *job)
{
    if (job->frame.tag == EVTRAIL_TAG_SUPER)
        forget_numbers(job->record);
    else if (job->frame.tag == EVTRAIL_TAG_SOURCE)
        return frame_source(store, job);
    else
        return frame_other(store, job);
    return 0;
}

/* ---- batches ------------------------------------------------------------------------------------------------------ */

/* One unit into the source's file; begins the next part where this one is full. */
static int append(struct store *store, struct store_source *source, const struct evtrail_append_item *item,
                  size_t bytes)
{
    const bool full = store_source_full(store, source, bytes);
    int r = 0;
    if (full) {
        r = store_commit(store); /* so that what its last mark says is true of all of it */
        if (r == 0 && !source->closed)
            r = store_source_close(store, source);
    }
    if (r == 0)
        r = store_source_open(store, source);
    if (full && r >= 0)
        store_keep(store, source->set); /* what it says again was read */
    if (r >= 0)
        r = store_point("before-append");
    if (r >= 0)
        r = evtrail_append_item(&source->append, source->fd, item);
    if (r < 0)
        return r;
    atomic_store(&source->record->filed, true);
    store_source_dirty(store, source);
    return store_point("after-append") < 0 ? 0 : 0;
}

/* What a gap's mark says is true of all before it only when that is on disk: files are synced in no order. */
static int settle_others(struct store *store, const struct store_source *source)
{
    const bool others = store->dirty && (store->dirty != source || source->next_dirty);
    return others ? store_commit(store) : 0;
}

/* What is not stored is lost by the file, too: of the ring that the batch is of, if there is one. */
static int leave_out(struct store *store, struct store_job *job, struct store_source *source)
{
    struct evtrail_append_loss loss = {.ring = job->header->chunk.ring < STORE_RINGS_MAX ? job->header->chunk.ring : 0,
                                       .events_before = UINT64_MAX,
                                       .events = job->header->chunk.events,
                                       .never_shipped = true,
                                       .why = WIRE_GAP_refused};
    const struct evtrail_append_item item = {
        .losses = &loss, .losses_count = 1, .mark = mark_of(job->record, job->sequence, EVTRAIL_MARK_GAP)};
    int r = source ? settle_others(store, source) : 0;
    if (r == 0 && source)
        r = append(store, source, &item, 4096);
    if (r < 0)
        return r;
    store->figures.lost_events += job->header->chunk.events;
    store_record_reach(job->record, job->sequence);
    return 0;
}

static int process_batch(struct store *store, struct store_job *job)
{
    struct store_record *record = job->record;
    if (store_record_has(record, job->sequence)) {
        store->figures.duplicates++;
        store_record_reach(record, record->appended);
        return 0;
    }
    struct store_source *source = resolve(job, job->header->source);
    if (source && evtrail_append_has(&source->append, job->header)) {
        store->figures.duplicates++;
        store_record_reach(record, job->sequence);
        return 0;
    }
    if (!source && record->crowded)
        return -ENODATA; /* not acknowledged: there may be a place when its sender comes again */
    if (!source || store_source_heavy(store, source))
        return leave_out(store, job, source);
    const struct evtrail_append_item item = {
        .header = job->header,
        .compressed = job->data,
        .lost_after = job->lost_after,
        .accounts = job->accounts,
        .accounts_count = job->accounts_count,
        .mark = mark_of(record, job->sequence, EVTRAIL_MARK_BATCH),
    };
    const int r = append(store, source, &item, job->bytes);
    if (r < 0)
        return r;
    record->last = source;
    store_source_weigh(store, source);
    store->figures.batches++;
    store->figures.events += job->header->chunk.events;
    store->figures.bytes += job->header->compressed_bytes + job->header->header_bytes;
    store_record_reach(record, job->sequence);
    return 0;
}

/* ---- gaps --------------------------------------------------------------------------------------------------------- */

/* The losses of one source. Returns how many. */
static uint32_t losses_of(const struct store_job *job, const struct store_source *source,
                          struct evtrail_append_loss *losses)
{
    const struct store_record *record = job->record;
    uint32_t count = 0;
    for (uint32_t i = 0; i < job->losses_count; i++) {
        const struct wire_gap_entry *entry = &job->losses[i];
        if (entry->source >= record->numbers_count || record->numbers[entry->source] != source ||
            entry->ring >= STORE_RINGS_MAX || entry->events > UINT64_MAX / 4 || entry->cause == WIRE_GAP_elsewhere)
            continue;
        losses[count++] = (struct evtrail_append_loss){
            .ring = entry->ring,
            .events_before = UINT64_MAX,
            .events = entry->events,
            .never_shipped = entry->cause != WIRE_GAP_damaged,
            .why = (uint8_t)entry->cause,
        };
    }
    return count;
}

static int append_gap(struct store *store, struct store_job *job, struct store_source *source, uint32_t kind,
                      struct evtrail_append_loss *losses)
{
    if (source->append.gap_through >= job->sequence && kind == EVTRAIL_MARK_GAP_PART)
        return 0; /* it tells already: the crash came between two files */
    const struct evtrail_append_item item = {
        .losses = losses,
        .losses_count = source->append.gap_through >= job->sequence ? 0 : losses_of(job, source, losses),
        .mark = mark_of(job->record, job->sequence, kind),
    };
    const int r = kind == EVTRAIL_MARK_GAP ? settle_others(store, source) : 0;
    return r < 0 ? r : append(store, source, &item, 4096);
}

/* Each source's file gets its own; the last of them says that the stream is through. */
static int process_gap(struct store *store, struct store_job *job)
{
    struct store_record *record = job->record;
    struct store_source *last = record->last;
    if (store_record_has(record, job->sequence))
        return 0;
    struct evtrail_append_loss *losses = malloc((job->losses_count + 1) * sizeof(*losses));
    if (!losses)
        return -ENOMEM;
    for (uint32_t i = 0; i < job->losses_count; i++) {
        const uint32_t at = job->losses[i].source;
        last = at < record->numbers_count && record->numbers[at] ? record->numbers[at] : last;
    }
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < job->losses_count; i++) {
        const uint32_t at = job->losses[i].source;
        struct store_source *source = at < record->numbers_count ? record->numbers[at] : NULL;
        if (source && source != last)
            r = append_gap(store, job, source, EVTRAIL_MARK_GAP_PART, losses);
    }
    for (struct store_source *source = job->elsewhere ? record->sources : NULL; source; source = source->next_of_record)
        evtrail_append_elsewhere(&source->append);
    if (r == 0 && last)
        r = append_gap(store, job, last, EVTRAIL_MARK_GAP, losses);
    free(losses);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < job->losses_count; i++)
        if (job->losses[i].cause != WIRE_GAP_elsewhere && job->losses[i].events < UINT64_MAX / 4)
            store->figures.lost_events += job->losses[i].events;
    store_record_reach(record, job->sequence);
    return 0;
}

/* Somebody has deleted the file that had what was said of a process: its sender says it again when it comes again. What is not taken is not acknowledged. */
static int go_astray(struct store *store, struct store_record *record)
{
    record->astray = true;
    atomic_fetch_add(&record->strayed, 1);
    change(store, record);
    return 0;
}

int store_process(struct store *store, struct store_job *job)
{
    int r = 0;
    if (job->record->astray && job->kind > JOB_detach)
        return 0;
    switch (job->kind) {
    case JOB_attach:
    case JOB_detach:
        job->record->attached = job->kind == JOB_attach;
        job->record->astray = false;
        forget_numbers(job->record);
        break;
    case JOB_frame:
        return process_frame(store, job);
    case JOB_batch:
        r = process_batch(store, job);
        break;
    case JOB_gap:
        r = process_gap(store, job);
        break;
    }
    if (r == -ENODATA)
        return go_astray(store, job->record);
    if (r == 0)
        change(store, job->record);
    return r;
}
