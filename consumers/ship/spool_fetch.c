/* SPDX-License-Identifier: ISC
 *
 * The shipper's side: units in the order of their sequence, out of the segments; acknowledged segments are deleted.
 */
#include "ship/spool_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES_BYTES = 1 << 20 };

/* ---- frames that wait ---- */

static int frames_add(struct spool_frames *frames, const uint8_t *at, size_t bytes)
{
    if (frames->room - frames->used < bytes) {
        const size_t room = (frames->used + bytes) * 2;
        uint8_t *const grown = realloc(frames->bytes, room);
        if (!grown)
            return -ENOMEM;
        frames->bytes = grown;
        frames->room = room;
    }
    memcpy(frames->bytes + frames->used, at, bytes);
    frames->used += bytes;
    return 0;
}

/* An ACCOUNT whose ring has had a batch that is not sent again was told with it. */
static void accounts_forget(struct spool_frames *accounts, uint32_t source, uint32_t ring)
{
    size_t kept = 0;
    for (size_t at = 0; at + EVTRAIL_ACCOUNT_BYTES <= accounts->used; at += EVTRAIL_ACCOUNT_BYTES) {
        struct evtrail_account_frame account;
        if (!evtrail_frame_parse_account(accounts->bytes + at, EVTRAIL_ACCOUNT_BYTES, &account) &&
            account.source == source && account.ring == ring)
            continue;
        memmove(accounts->bytes + kept, accounts->bytes + at, EVTRAIL_ACCOUNT_BYTES);
        kept += EVTRAIL_ACCOUNT_BYTES;
    }
    accounts->used = kept;
}

/* ---- where ---- */

void spool_cursor_reset(struct spool *spool, unsigned lane)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    spool_walk_close(&cursor->walk);
    cursor->opened = cursor->held = false;
    cursor->first = 0;
    cursor->frames.used = cursor->accounts.used = 0;
    cursor->sources_count = 0;
    spool->lanes[lane].cursor_first = 0;
}

/* A segment that is deleted, and still open here, would keep its room on the disk. */
static void cursors_leave(struct spool *spool)
{
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        const uint64_t first = spool->lanes[lane].cursor.first;
        size_t i = 0;
        while (i < spool->segments_count && spool->segments[i].first != first)
            i++;
        if (first && i == spool->segments_count)
            spool_cursor_reset(spool, lane);
    }
}

struct place {
    uint64_t first; /* of the segment that has the sequence; 0: none */
    uint64_t next;
    bool open;
    uint64_t gap_last; /* nothing up to here; 0: there is */
    uint8_t why;
};

/* Which segment has the sequence, or where the next begins. */
static struct place place_of(const struct spool *spool, unsigned lane, uint64_t sequence)
{
    struct place place = {0};
    const uint64_t to = spool->lanes[lane].to;
    for (size_t i = 0; i < spool->segments_count; i++) {
        const struct spool_segment *const segment = &spool->segments[i];
        if (!segment->open && segment->next <= sequence)
            continue;
        if (segment->first >= to)
            break;
        if (segment->busy)
            return (struct place){0};
        if (segment->first > sequence) {
            place.gap_last = segment->first - 1;
            place.why = segment->why ? segment->why : WIRE_GAP_damaged;
            return place;
        }
        return (struct place){
            .first = segment->first, .next = segment->open ? UINT64_MAX : segment->next, .open = segment->open};
    }
    return place;
}

static int segment_open(struct spool *spool, unsigned lane, uint64_t first)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    char path[SPOOL_PATH_BYTES];
    uint8_t frame[EVTRAIL_HEADER_BYTES_MAX];
    spool_cursor_reset(spool, lane);
    spool_segment_path(spool, first, path);
    const int r = spool_walk_open(&cursor->walk, path, true);
    if (r < 0)
        return r;
    cursor->first = spool->lanes[lane].cursor_first = first;
    /* Ours, whether the file's own is intact or not: sources are numbered anew. */
    const struct evtrail_super super = {.version = EVTRAIL_FILE_VERSION, .file_id = (spool_file_id(spool) ^ first) | 1};
    return frames_add(&cursor->frames, frame, evtrail_frame_put_super(frame, &super));
}

/* ---- sources, for the age of what is sent, and who has what ---- */

static struct spool_source_mark *source_of(struct spool_cursor *cursor, uint32_t number, bool add)
{
    for (size_t i = cursor->sources_count; i-- > 0;)
        if (cursor->sources[i].number == number)
            return &cursor->sources[i];
    if (!add)
        return NULL;
    if (cursor->sources_count == cursor->sources_room) {
        struct spool_source_mark *const grown =
            realloc(cursor->sources, (cursor->sources_room * 2 + 16) * sizeof *grown);
        if (!grown)
            return NULL;
        cursor->sources = grown;
        cursor->sources_room = cursor->sources_room * 2 + 16;
    }
    cursor->sources[cursor->sources_count] = (struct spool_source_mark){.number = number};
    return &cursor->sources[cursor->sources_count++];
}

static void source_note(struct spool_cursor *cursor, const struct spool_item *item)
{
    struct evtrail_source_frame source;
    struct evtrail_clock_frame clock;
    struct spool_source_mark *mark;
    if (item->tag == EVTRAIL_TAG_SOURCE && !evtrail_frame_parse_source(item->at, item->bytes, &source) &&
        (mark = source_of(cursor, source.number, true))) {
        char boot_id[40];
        spool_boot_id(boot_id);
        *mark = (struct spool_source_mark){.number = source.number, .session = source.session_id};
        mark->hz = strcmp(source.boot_id, boot_id) != 0 ? 0
                   : source.hz                          ? source.hz
                   : source.clock_kind == 1             ? 1000000000
                                                        : 0;
    }
    if (item->tag == EVTRAIL_TAG_CLOCK && !evtrail_frame_parse_clock(item->at, item->bytes, &clock) &&
        (mark = source_of(cursor, clock.source, false))) {
        if (mark->hz == 0 && mark->clock.ticks && clock.ticks > mark->clock.ticks &&
            clock.monotonic_ns > mark->clock.monotonic_ns + 1000000)
            mark->hz = (uint64_t)((double)(clock.ticks - mark->clock.ticks) * 1e9 /
                                  (double)(clock.monotonic_ns - mark->clock.monotonic_ns));
        if (!mark->clock.ticks || mark->hz)
            mark->clock = clock;
    }
}

/* When the batch's first event was emitted, CLOCK_MONOTONIC; 0: not known. */
static int64_t born(struct spool_cursor *cursor, const struct evtrail_batch_header *header)
{
    const struct spool_source_mark *const mark = source_of(cursor, header->source, false);
    if (!mark || !mark->hz || !mark->clock.ticks || !header->chunk.events)
        return 0;
    const int64_t ticks = (int64_t)(header->chunk.first_ticks - mark->clock.ticks);
    const double ns = (double)ticks * 1e9 / (double)mark->hz + (double)mark->clock.monotonic_ns;
    return ns > 0 && ns < 9e18 ? (int64_t)ns : 0;
}

/* ---- units ---- */

static int give_frames(struct spool_cursor *cursor, struct ship_unit *unit)
{
    const struct spool_frames given = cursor->given;
    cursor->given = cursor->frames;
    cursor->frames = given;
    cursor->frames.used = 0;
    unit->kind = SHIP_UNIT_FRAMES;
    unit->parts[0] = (struct iovec){cursor->given.bytes, cursor->given.used};
    unit->parts_count = 1;
    return 1;
}

static int give_gap(struct ship_unit *unit, uint64_t last, unsigned why)
{
    unit->kind = SHIP_UNIT_GAP;
    unit->gap = (struct wire_gap){.last = last, .cause = why};
    return 1;
}

static int give_gap_of(struct spool_cursor *cursor, struct ship_unit *unit, uint64_t sequence, unsigned why)
{
    const struct evtrail_chunk *const chunk = &cursor->item.header.chunk;
    give_gap(unit, sequence, why);
    cursor->entry = (struct wire_gap_entry){
        .source = cursor->item.header.source, .ring = chunk->ring, .cause = why, .events = chunk->events};
    unit->gap.count = chunk->events ? 1 : 0;
    unit->gap.entries = &cursor->entry;
    return 1;
}

static void sent(struct spool *spool, unsigned lane, uint64_t sequence, uint64_t events, size_t bytes)
{
    spool->flight[sequence % SPOOL_FLIGHT_MAX] = (struct spool_flight){sequence, events, (uint32_t)bytes};
    if (sequence > spool->lanes[lane].sent)
        spool->lanes[lane].sent = sequence;
    if (sequence > atomic_load_explicit(&spool->state->sent, memory_order_relaxed))
        atomic_store_explicit(&spool->state->sent, sequence, memory_order_relaxed);
}

/* ---- several collectors: what one lacks may be another's ---- */

/* The ring in this connection. NULL: there is one collector only, or no memory. */
static struct spool_ring *met(struct spool *spool, struct spool_cursor *cursor)
{
    const struct evtrail_batch_header *const header = &cursor->item.header;
    const struct spool_source_mark *const mark = source_of(cursor, header->source, false);
    return spool->options.several && mark ? spool_rings_find(&cursor->met, mark->session, header->chunk.ring) : NULL;
}

/* A batch that is not for this collector. */
static void note_passed(struct spool *spool, struct spool_cursor *cursor)
{
    const struct evtrail_chunk *const chunk = &cursor->item.header.chunk;
    struct spool_ring *const ring = met(spool, cursor);
    if (!ring || ring->told)
        return;
    ring->known = true;
    ring->ticks = chunk->last_ticks;
    memcpy(ring->lost, chunk->lost_before, sizeof ring->lost);
}

/* Before the first batch of a ring in a connection: what this collector has of it may end earlier, and the rest is with another, or was told. It may have been
 * restarted since it was told so, and we, too: so it is said each time. */
static int cut_add(struct spool *spool, struct spool_cursor *cursor)
{
    const struct evtrail_chunk *const chunk = &cursor->item.header.chunk;
    struct spool_ring *const ring = met(spool, cursor);
    struct evtrail_account_frame account, cut = {.source = cursor->item.header.source, .ring = chunk->ring};
    uint8_t frame[EVTRAIL_ACCOUNT_BYTES];
    if (!ring || ring->told)
        return 0;
    ring->told = true;
    const uint64_t missed = chunk->missed < chunk->events_before ? chunk->missed : chunk->events_before;
    cut.events = chunk->events_before - missed;
    cut.ticks = ring->ticks;
    memcpy(cut.lost, ring->known ? ring->lost : chunk->lost_before, sizeof cut.lost);
    for (size_t at = 0; at + EVTRAIL_ACCOUNT_BYTES <= cursor->accounts.used; at += EVTRAIL_ACCOUNT_BYTES) {
        if (evtrail_frame_parse_account(cursor->accounts.bytes + at, EVTRAIL_ACCOUNT_BYTES, &account) ||
            account.source != cut.source || account.ring != cut.ring)
            continue;
        cut.events = account.events > account.torn ? account.events - account.torn : 0;
        cut.ticks = account.ticks;
        memcpy(cut.lost, account.lost, sizeof cut.lost);
    }
    cut.flags = EVTRAIL_ACCOUNT_CUT;
    const int r = frames_add(&cursor->accounts, frame, evtrail_frame_put_account(frame, &cut));
    if (r == 0) { /* it comes first */
        memmove(cursor->accounts.bytes + EVTRAIL_ACCOUNT_BYTES, cursor->accounts.bytes,
                cursor->accounts.used - EVTRAIL_ACCOUNT_BYTES);
        memcpy(cursor->accounts.bytes, frame, EVTRAIL_ACCOUNT_BYTES);
    }
    return r;
}

static int give_batch(struct spool *spool, unsigned lane, uint64_t sequence, struct ship_unit *unit)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    const struct spool_item *const item = &cursor->item;
    cursor->held = false;
    spool_lock(spool);
    const bool refused = spool_is_refused(spool, sequence), broken = cursor->step == SPOOL_STEP_broken;
    sent(spool, lane, sequence, item->header.chunk.events, item->bytes);
    if (broken)
        spool->stats.dropped[WIRE_GAP_damaged][0] += item->header.chunk.events;
    spool_unlock(spool);
    if (refused || broken) {
        cursor->accounts.used = 0;
        return give_gap_of(cursor, unit, sequence, broken ? WIRE_GAP_damaged : WIRE_GAP_refused);
    }
    const int r = cut_add(spool, cursor);
    if (r < 0)
        return r;
    unit->kind = SHIP_UNIT_DATA;
    unit->parts_count = 0;
    if (cursor->accounts.used) {
        const struct spool_frames given = cursor->given;
        cursor->given = cursor->accounts;
        cursor->accounts = given;
        cursor->accounts.used = 0;
        unit->parts[unit->parts_count++] = (struct iovec){cursor->given.bytes, cursor->given.used};
    }
    unit->parts[unit->parts_count++] = (struct iovec){(void *)(uintptr_t)item->at, item->bytes};
    unit->born_ns = born(cursor, &item->header);
    return 1;
}

/* A batch is next. 1: a unit; 0: it was one that is not wanted. */
static int take_batch(struct spool *spool, unsigned lane, uint64_t sequence, const struct place *place,
                      struct ship_unit *unit)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    const struct evtrail_batch_header *const header = &cursor->item.header;
    const uint64_t number = cursor->first + header->number;
    if (header->number >= SPOOL_BATCHES_MAX || number < sequence || number >= place->next) {
        accounts_forget(&cursor->accounts, header->source, header->chunk.ring);
        note_passed(spool, cursor);
        cursor->held = false;
        return 0;
    }
    if (cursor->frames.used)
        return give_frames(cursor, unit);
    if (number > sequence) {
        spool_lock(spool);
        sent(spool, lane, number - 1, 0, 0);
        spool_unlock(spool);
        return give_gap(unit, number - 1, WIRE_GAP_damaged);
    }
    return give_batch(spool, lane, sequence, unit);
}

static int take_frame(struct spool *spool, unsigned lane)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    const struct spool_item *const item = &cursor->item;
    cursor->held = false;
    if (item->tag == EVTRAIL_TAG_ACCOUNT)
        return item->bytes == EVTRAIL_ACCOUNT_BYTES ? frames_add(&cursor->accounts, item->at, item->bytes) : 0;
    if (item->tag != EVTRAIL_TAG_SOURCE && item->tag != EVTRAIL_TAG_SCHEMA && item->tag != EVTRAIL_TAG_CLOCK)
        return 0;
    source_note(cursor, item);
    return frames_add(&cursor->frames, item->at, item->bytes);
}

struct place_at {
    struct place place;
    uint64_t changes;
};

/* Where the sequence is, and how often there was news until now. */
static bool locate(struct spool *spool, unsigned lane, uint64_t sequence, struct place_at *at)
{
    spool_lock(spool);
    at->place = place_of(spool, lane, sequence);
    at->changes = spool->changes;
    const bool there = at->place.first || at->place.gap_last;
    if (!there) {
        spool->ready = true;
        cursors_leave(spool);
    }
    spool_unlock(spool);
    return there;
}

/* Nothing whole in the open segment: is there news since it was looked for? Else we are told. */
static bool news(struct spool *spool, const struct place_at *at)
{
    spool_lock(spool);
    const bool changed = spool->changes != at->changes;
    if (!changed)
        spool->ready = true;
    spool_unlock(spool);
    return changed;
}

static int gap_until(struct spool *spool, unsigned lane, uint64_t last, unsigned why, struct ship_unit *unit)
{
    spool_lock(spool);
    sent(spool, lane, last, 0, 0);
    spool_unlock(spool);
    return give_gap(unit, last, why);
}

/* 1: a unit; 0: nothing; -EAGAIN: look again; -EIO, -ENOMEM. */
static int fetch(struct spool *spool, unsigned lane, uint64_t sequence, const struct place_at *at,
                 struct ship_unit *ret_unit)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    const struct place *const place = &at->place;
    for (;;) {
        if (!cursor->held) {
            cursor->step = spool_walk_step(&cursor->walk, place->open, &cursor->item);
            if (cursor->step < 0)
                return cursor->step;
            cursor->held = cursor->step != SPOOL_STEP_end;
        }
        if (cursor->step == SPOOL_STEP_end && place->open)
            return news(spool, at) ? -EAGAIN : 0;
        if (cursor->step == SPOOL_STEP_end)
            return gap_until(spool, lane, place->next - 1, WIRE_GAP_damaged, ret_unit);
        const int r = cursor->step == SPOOL_STEP_frame ? take_frame(spool, lane)
                                                       : take_batch(spool, lane, sequence, place, ret_unit);
        if (r != 0)
            return r;
        if (cursor->frames.used > FRAMES_BYTES)
            return give_frames(cursor, ret_unit);
    }
}

int spool_fetch(struct spool *spool, unsigned lane, uint64_t sequence, struct ship_unit *ret_unit)
{
    struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
    struct place_at at;
    int r, missing = 0;
    spool_lock(spool); /* the writer may be parting it just now */
    const bool used = spool->lanes[lane].used;
    const uint64_t from = spool->lanes[lane].from, to = spool->lanes[lane].to;
    spool_unlock(spool);
    if (!used || sequence >= to)
        return 0;        /* a backlog that is at its end */
    if (sequence < from) /* a collector that has nothing of a stream asks for its first */
        return gap_until(spool, lane, from - 1, WIRE_GAP_elsewhere, ret_unit);
    /* What was acknowledged, and is asked for all the same, is on the disk of the collector that did: whether it is still here or not. */
    const uint64_t acked = spool_acked_now(spool, lane);
    if (sequence <= acked)
        return gap_until(spool, lane, acked, WIRE_GAP_elsewhere, ret_unit);
    do {
        *ret_unit = (struct ship_unit){0};
        if (!locate(spool, lane, sequence, &at))
            return 0;
        if (at.place.gap_last)
            return gap_until(spool, lane, at.place.gap_last, at.place.why, ret_unit);
        r = 0;
        if (cursor->first != at.place.first || cursor->walk.fd < 0) {
            spool_lock(spool);
            r = segment_open(spool, lane, at.place.first);
            spool_unlock(spool);
        }
        if (r == -ENOENT && ++missing > 3) /* somebody deleted it */
            return at.place.open ? -EIO : gap_until(spool, lane, at.place.next - 1, WIRE_GAP_damaged, ret_unit);
        r = r == -ENOENT ? -EAGAIN : r < 0 ? r : fetch(spool, lane, sequence, &at, ret_unit);
    } while (r == -EAGAIN);
    return r;
}

/* ---- acknowledgements ---- */

static uint64_t lane_bytes(const struct spool *spool, const struct spool_lane *lane)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < spool->segments_count; i++)
        if (spool->segments[i].first >= lane->from && spool->segments[i].first < lane->to && !spool->segments[i].open)
            bytes += spool->segments[i].bytes;
    return bytes;
}

void spool_opened(struct spool *spool, unsigned lane, uint64_t resume)
{
    if (resume > 1)
        spool_acked(spool, lane, resume - 1);
    spool_lock(spool);
    spool_cursor_reset(spool, lane);
    spool_rings_free(&spool->lanes[lane].cursor.met);
    spool->lanes[lane].sent = resume - 1;
    spool->link = true;
    spool->ready = true;
    if (lane == spool->live && lane_bytes(spool, &spool->lanes[lane]) > spool->options.part_bytes)
        spool->part_wanted = true;
    spool_unlock(spool);
}

void spool_link_lost(struct spool *spool)
{
    spool_lock(spool);
    spool->link = false;
    spool->part_wanted = false;
    spool_watched(spool, 0);
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++)
        spool->lanes[lane].cursor_first = 0; /* the cursors are placed anew by spool_opened() */
    spool_unlock(spool);
}

static void flight_acked(struct spool *spool, uint64_t from, uint64_t to)
{
    if (to - from > SPOOL_FLIGHT_MAX)
        from = to - SPOOL_FLIGHT_MAX;
    for (uint64_t sequence = from + 1; sequence <= to; sequence++) {
        struct spool_flight *const flight = &spool->flight[sequence % SPOOL_FLIGHT_MAX];
        if (flight->sequence != sequence)
            continue;
        spool->stats.acked_events += flight->events;
        spool->stats.acked_batches += flight->bytes != 0;
        flight->sequence = 0;
    }
}

static bool is_done(const struct spool *spool, const struct spool_segment *segment)
{
    const unsigned lane = spool_lane_of(spool, segment->first);
    return !segment->open && !segment->busy &&
           (lane == SPOOL_LANES_MAX || segment->next <= spool_acked_now(spool, lane) + 1);
}

void spool_segments_delete(struct spool *spool)
{
    char path[SPOOL_PATH_BYTES];
    size_t kept = 0;
    bool any = false;
    for (size_t i = 0; i < spool->segments_count && !any; i++)
        any = is_done(spool, &spool->segments[i]);
    if (!any ||
        spool_rings_save(spool) < 0) /* without it a restart would read rings twice: then the segments stay a while */
        return;
    for (size_t i = 0; i < spool->segments_count; i++) {
        if (!is_done(spool, &spool->segments[i])) {
            spool->segments[kept++] = spool->segments[i];
            continue;
        }
        spool_at(SPOOL_AT_segment_delete);
        spool_segment_path(spool, spool->segments[i].first, path);
        unlink(path);
        spool_at(SPOOL_AT_segment_deleted);
    }
    spool->segments_count = kept;
}

/* The shipper reads a batch from its segment as soon as it is there, which may be before the writer counts it: it is acknowledged all the same. */
static void acked(struct spool *spool, unsigned lane, uint64_t sequence)
{
    const uint64_t before = spool_acked_now(spool, lane);
    const uint64_t fetched = atomic_load_explicit(&spool->state->sent, memory_order_relaxed);
    const uint64_t known = spool->next - 1 > fetched ? spool->next - 1 : fetched;
    sequence = sequence > known ? known : sequence;
    if (sequence <= before)
        return;
    flight_acked(spool, before, sequence);
    spool_acked_set(spool, lane, sequence);
    spool_segments_delete(spool);
    spool_lanes_end(spool);
}

void spool_acked(struct spool *spool, unsigned lane, uint64_t sequence)
{
    spool_lock(spool);
    if (spool->lanes[lane].used)
        acked(spool, lane, sequence);
    cursors_leave(spool);
    spool_unlock(spool);
}
