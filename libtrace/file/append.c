/* SPDX-License-Identifier: ISC
 *
 * Appends whole units to a file: what its batch needs, accounts of rings that it does not know yet, the mark, the batch. One write each.
 */
#include "file/append.h"

#include "file/crc32c.h"
#include "file/grow.h"
#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void evtrail_append_fini(struct evtrail_append *append)
{
    free(append->rings);
    free(append->known);
    free(append->described);
    free(append->pending.bytes);
    *append = (struct evtrail_append){0};
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* All, at `offset`; or an error, and the file ends there again. */
int evtrail_append_write(int fd, uint64_t offset, struct iovec *parts, unsigned count)
{
    uint64_t at = offset;
    while (count) {
        const ssize_t n = pwritev(fd, parts, (int)count, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            const int error = n < 0 ? errno : EIO;
            while (ftruncate(fd, (off_t)offset) < 0 && errno == EINTR)
                ;
            return -error;
        }
        at += (size_t)n;
        size_t left = (size_t)n;
        while (count && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            count--;
        }
        if (count) {
            parts->iov_base = (uint8_t *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return 0;
}

static int hold(struct evtrail_append *append, const void *bytes, size_t size)
{
    struct evtrail_append_pending *pending = &append->pending;
    if (size > pending->room - pending->used) {
        size_t room = pending->room ? pending->room : 512;
        while (room - pending->used < size)
            room *= 2;
        uint8_t *grown = realloc(pending->bytes, room);
        if (!grown)
            return -ENOMEM;
        pending->bytes = grown;
        pending->room = room;
    }
    memcpy(pending->bytes + pending->used, bytes, size);
    pending->used += size;
    return 0;
}

static int hold_super(struct evtrail_append *append)
{
    uint8_t out[EVTRAIL_HEADER_BYTES_MAX];
    struct timespec now;
    struct evtrail_super super = {.version = EVTRAIL_FILE_VERSION, .set_id = append->set_id, .part = append->part};
    clock_gettime(CLOCK_REALTIME, &now);
    super.created_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (getrandom(&super.file_id, sizeof(super.file_id), 0) != sizeof(super.file_id))
        super.file_id = (uint64_t)super.created_ns;
    return hold(append, out, evtrail_frame_put_super(out, &super));
}

/* Before anything else of a file. */
static int begin(struct evtrail_append *append)
{
    return append->offset || append->pending.used ? 0 : hold_super(append);
}

/* ---- what is known ---------------------------------------------------------------------------------------------- */

static uint64_t hash(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t value = UINT64_C(0xcbf29ce484222325) ^ size;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        value = (value ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        value ^= value >> 29;
    }
    for (; size; size--, at++)
        value = (value ^ *at) * UINT64_C(0x100000001b3);
    value ^= value >> 32;
    return value ? value : 1;
}

static size_t known_slot(const uint64_t *known, uint32_t room, uint64_t value)
{
    size_t slot = (size_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1);
    while (known[slot] && known[slot] != value)
        slot = (slot + 1) & (room - 1);
    return slot;
}

static bool grow_known(struct evtrail_append *append)
{
    const uint32_t room = append->known_room ? append->known_room * 2 : 32;
    uint64_t *grown = calloc(room, sizeof(*grown));
    if (!grown)
        return false;
    for (uint32_t i = 0; i < append->known_room; i++)
        if (append->known[i])
            grown[known_slot(grown, room, append->known[i])] = append->known[i];
    free(append->known);
    append->known = grown;
    append->known_room = room;
    return true;
}

/* False: it was known. Without memory all is new. */
bool evtrail_append_remember(struct evtrail_append *append, const void *bytes, size_t size)
{
    if (append->known_count * 2 >= append->known_room && !grow_known(append))
        return true;
    const uint64_t value = hash(bytes, size);
    const size_t slot = known_slot(append->known, append->known_room, value);
    if (append->known[slot])
        return false;
    append->known[slot] = value;
    append->known_count++;
    return true;
}

bool evtrail_append_describe(struct evtrail_append *append, uint64_t offset, uint32_t bytes)
{
    if (!grow(&append->described, append->described_count, &append->described_room, sizeof(*append->described)))
        return false;
    append->described[append->described_count++] = (struct evtrail_append_span){offset, bytes};
    return true;
}

/* ---- rings ------------------------------------------------------------------------------------------------------ */

static size_t ring_slot(const struct evtrail_append_ring *rings, uint32_t room, uint32_t key)
{
    size_t slot = key * UINT32_C(0x9e3779b1) >> 16 & (room - 1);
    while (rings[slot].key && rings[slot].key != key)
        slot = (slot + 1) & (room - 1);
    return slot;
}

static bool grow_rings(struct evtrail_append *append)
{
    const uint32_t room = append->rings_room ? append->rings_room * 2 : 8;
    struct evtrail_append_ring *grown = calloc(room, sizeof(*grown));
    if (!grown)
        return false;
    for (uint32_t i = 0; i < append->rings_room; i++)
        if (append->rings[i].key)
            grown[ring_slot(grown, room, append->rings[i].key)] = append->rings[i];
    free(append->rings);
    append->rings = grown;
    append->rings_room = room;
    return true;
}

/* The ring, which may be new (events 0, nothing lost, not here). NULL: no memory. */
struct evtrail_append_ring *evtrail_append_ring_of(struct evtrail_append *append, uint32_t ring)
{
    if (append->rings_count * 4 >= append->rings_room * 3 && !grow_rings(append))
        return NULL;
    struct evtrail_append_ring *found = &append->rings[ring_slot(append->rings, append->rings_room, ring + 1)];
    if (!found->key) {
        found->key = ring + 1;
        append->rings_count++;
    }
    return found;
}

bool evtrail_append_has(const struct evtrail_append *append, const struct evtrail_batch_header *header)
{
    const struct evtrail_chunk *chunk = &header->chunk;
    if (!append->damaged || !append->rings_room || !chunk->events)
        return false;
    const struct evtrail_append_ring *ring =
        &append->rings[ring_slot(append->rings, append->rings_room, chunk->ring + 1)];
    return ring->key && chunk->events_before + chunk->events <= ring->events;
}

static bool ring_known(const struct evtrail_append_ring *ring)
{
    return ring->here || ring->events || ring->ticks;
}

void evtrail_append_ring_batch(struct evtrail_append_ring *ring, const struct evtrail_chunk *chunk,
                               const uint64_t *lost_after)
{
    const uint64_t end = chunk->events_before + chunk->events;
    ring->here = true;
    ring->events = end > ring->events ? end : ring->events;
    ring->ticks = chunk->words_count ? chunk->last_ticks : ring->ticks;
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        if (lost_after[cause] > ring->lost[cause])
            ring->lost[cause] = lost_after[cause];
}

/* As evtrail_cursor_told() understands it. */
void evtrail_append_ring_account(struct evtrail_append_ring *ring, const struct evtrail_account_frame *account)
{
    if (ring_known(ring) && !(account->flags & EVTRAIL_ACCOUNT_CUT)) {
        ring->events += account->torn;
    } else {
        ring->events = account->events;
        ring->ticks = account->ticks ? account->ticks : ring->ticks;
        memcpy(ring->lost, account->lost, sizeof(ring->lost));
    }
    ring->here = true;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static int take_source(struct evtrail_append *append, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    uint8_t out[EVTRAIL_HEADER_BYTES_MAX];
    struct evtrail_source_frame source;
    if (evtrail_frame_parse_source(bytes, frame->bytes, &source))
        return -EBADMSG;
    source.number = 0;
    const size_t size = evtrail_frame_put_source(out, &source);
    return evtrail_append_remember(append, out, size) ? hold(append, out, size) : 0;
}

static int take_clock(struct evtrail_append *append, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    struct evtrail_clock_frame clock;
    if (evtrail_frame_parse_clock(bytes, frame->bytes, &clock))
        return -EBADMSG;
    clock.source = 0;
    if (!append->first_clock.realtime_ns)
        append->first_clock = clock;
    if (clock.ticks >= append->last_clock.ticks) {
        clock.flags |= append->last_clock.flags;
        append->last_clock = clock;
    }
    return 0;
}

static int take_offset(struct evtrail_append *append, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    struct evtrail_offset_frame offset;
    if (evtrail_frame_parse_offset(bytes, frame->bytes, &offset))
        return -EBADMSG;
    offset.source = 0;
    append->offset_frame = offset;
    return 0;
}

/* The entries that are new, as a frame of their own. */
static int take_schema(struct evtrail_append *append, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    const uint8_t *entries;
    size_t size, kept = 0;
    uint32_t source;
    if (evtrail_frame_parse_schema(bytes, frame->bytes, &source, &entries, &size))
        return -EBADMSG;
    if (append->described_bytes + size > EVTRAIL_APPEND_SCHEMA_BYTES_MAX)
        return -EFBIG;
    uint8_t *out = malloc(EVTRAIL_SCHEMA_HEAD + size);
    if (!out)
        return -ENOMEM;
    for (size_t at = 0; at < size;) {
        struct evtrail_meta_header entry;
        if (size - at < sizeof(entry))
            break;
        memcpy(&entry, entries + at, sizeof(entry));
        if (entry.bytes < sizeof(entry) || entry.bytes % 8 || entry.bytes > size - at)
            break;
        if (evtrail_append_remember(append, entries + at, entry.bytes)) {
            memcpy(out + EVTRAIL_SCHEMA_HEAD + kept, entries + at, entry.bytes);
            kept += entry.bytes;
        }
        at += entry.bytes;
    }
    int r = kept ? hold(append, out, evtrail_frame_put_schema(out, 0, kept)) : 0;
    append->described_bytes += kept;
    free(out);
    return r;
}

int evtrail_append_frame(struct evtrail_append *append, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    int r = begin(append);
    if (r < 0)
        return r;
    if (frame->tag == EVTRAIL_TAG_SOURCE)
        return take_source(append, frame, bytes);
    if (frame->tag == EVTRAIL_TAG_CLOCK)
        return take_clock(append, frame, bytes);
    if (frame->tag == EVTRAIL_TAG_OFFSET)
        return take_offset(append, frame, bytes);
    return frame->tag == EVTRAIL_TAG_SCHEMA ? take_schema(append, frame, bytes) : 0;
}

/* ---- units ------------------------------------------------------------------------------------------------------ */

/* What goes before a batch or a mark, beside what is pending. Freed by unit_fini(). */
struct unit {
    uint8_t *bytes;
    size_t used;
};

static uint8_t *unit_room(struct unit *unit)
{
    return unit->bytes + unit->used;
}

static void unit_clock(struct evtrail_append *append, struct unit *unit, const struct evtrail_clock_frame *clock)
{
    unit->used += evtrail_frame_put_clock(unit_room(unit), clock);
    append->clock_written_ns = clock->realtime_ns;
}

/* Once in a file, and again where it became another, or is known much better. */
static void unit_offset(struct evtrail_append *append, struct unit *unit)
{
    const struct evtrail_offset_frame *frame = &append->offset_frame;
    const int64_t apart = frame->offset_ns > append->offset_written_ns ? frame->offset_ns - append->offset_written_ns
                                                                       : append->offset_written_ns - frame->offset_ns;
    if (!frame->bound_ns ||
        (append->offset_bound_ns && apart <= append->offset_bound_ns && frame->bound_ns > append->offset_bound_ns / 4))
        return;
    unit->used += evtrail_frame_put_offset(unit_room(unit), frame);
    append->offset_written_ns = frame->offset_ns;
    append->offset_bound_ns = frame->bound_ns;
}

/* Two readings at the beginning, then about one a second. */
static void unit_clocks(struct evtrail_append *append, struct unit *unit)
{
    const struct evtrail_clock_frame *first = &append->first_clock, *last = &append->last_clock;
    if (!append->clock_written_ns && first->realtime_ns)
        unit_clock(append, unit, first);
    else if (last->realtime_ns <= append->clock_written_ns + UINT64_C(1000000000))
        return;
    if (last->realtime_ns > first->realtime_ns)
        unit_clock(append, unit, last);
}

/* What the file does not know yet of a ring that others had. */
static void unit_base(struct unit *unit, struct evtrail_append_ring *ring)
{
    if (ring->here || !ring_known(ring))
        return;
    struct evtrail_account_frame account = {.ring = ring->key - 1, .events = ring->events, .ticks = ring->ticks};
    memcpy(account.lost, ring->lost, sizeof(account.lost));
    unit->used += evtrail_frame_put_account(unit_room(unit), &account);
    ring->here = true;
}

static void unit_account(struct unit *unit, struct evtrail_append_ring *ring,
                         const struct evtrail_account_frame *account)
{
    struct evtrail_account_frame own = *account;
    const bool known = ring_known(ring);
    if (known && !account->torn && !(account->flags & EVTRAIL_ACCOUNT_CUT))
        return; /* we know better */
    unit_base(unit, ring);
    own.source = 0;
    unit->used += evtrail_frame_put_account(unit_room(unit), &own);
    evtrail_append_ring_account(ring, account);
}

/* Spans of SOURCE and SCHEMA among `pending`, once it stands at `offset`. */
static void note_described(struct evtrail_append *append, uint64_t offset)
{
    const struct evtrail_append_pending *pending = &append->pending;
    struct evtrail_frame frame;
    for (size_t at = pending->written; at < pending->used; at += frame.bytes) {
        if (evtrail_frame_prefix(pending->bytes + at, pending->used - at, &frame))
            return;
        if (frame.tag == EVTRAIL_TAG_SOURCE || frame.tag == EVTRAIL_TAG_SCHEMA)
            evtrail_append_describe(append, offset + at - pending->written, frame.bytes);
    }
}

/* Pending frames, the unit, and a batch's zstd frame. */
static int write_unit(struct evtrail_append *append, int fd, const struct unit *unit, const uint8_t *compressed,
                      size_t compressed_bytes)
{
    struct evtrail_append_pending *pending = &append->pending;
    struct iovec parts[3] = {
        {pending->bytes + pending->written, pending->used - pending->written},
        {unit->bytes, unit->used},
        {(void *)(uintptr_t)compressed, compressed_bytes},
    };
    struct iovec *first = parts[0].iov_len ? parts : parts + 1;
    const size_t size = parts[0].iov_len + unit->used + compressed_bytes;
    const int r =
        evtrail_append_write(fd, append->offset, first, (unsigned)(parts + (compressed_bytes ? 3 : 2) - first));
    if (r < 0)
        return r;
    note_described(append, append->offset);
    pending->written = pending->used;
    append->offset += size;
    return 0;
}

/* A copy of the rings, to go back to. */
static struct evtrail_append_ring *keep_rings(const struct evtrail_append *append)
{
    const size_t bytes = append->rings_room * sizeof(*append->rings);
    struct evtrail_append_ring *copy = malloc(bytes ? bytes : 1);
    if (copy && bytes)
        memcpy(copy, append->rings, bytes);
    return copy;
}

static void restore_rings(struct evtrail_append *append, struct evtrail_append_ring *copy, uint32_t room,
                          uint32_t count)
{
    free(append->rings);
    append->rings = copy;
    append->rings_room = room;
    append->rings_count = count;
}

static void note_mark(struct evtrail_append *append, const struct evtrail_mark_frame *mark)
{
    append->mark = *mark;
    if (mark->kind == EVTRAIL_MARK_GAP || mark->kind == EVTRAIL_MARK_GAP_PART)
        append->gap_through = mark->sequence;
}

static void unit_loss(struct evtrail_append *append, struct unit *unit, const struct evtrail_append_loss *loss)
{
    struct evtrail_append_ring *ring = evtrail_append_ring_of(append, loss->ring);
    if (!ring || !loss->events)
        return;
    const uint64_t before = loss->events_before == UINT64_MAX ? ring->events : loss->events_before;
    struct evtrail_account_frame account = {
        .ring = loss->ring,
        .flags = loss->never_shipped ? EVTRAIL_ACCOUNT_SPOOL | (uint32_t)loss->why << EVTRAIL_ACCOUNT_WHY_SHIFT : 0,
        .events = before + loss->events,
        .torn = loss->events,
        .ticks = ring->ticks,
    };
    memcpy(account.lost, ring->lost, sizeof(account.lost));
    unit_account(unit, ring, &account);
}

/* What is left out before the batch is stored elsewhere: nothing of it is missing. Or nobody has told of it: it is lost, and the file not damaged. */
static void unit_cut(struct unit *unit, struct evtrail_append_ring *ring, const struct evtrail_chunk *chunk)
{
    const uint64_t missed = chunk->missed < chunk->events_before ? chunk->missed : chunk->events_before;
    struct evtrail_account_frame account = {.ring = ring->key - 1,
                                            .flags = EVTRAIL_ACCOUNT_CUT,
                                            .events = chunk->events_before - missed,
                                            .ticks = ring->ticks};
    if (ring->elsewhere && ring_known(ring) && account.events > ring->events) {
        memcpy(account.lost, chunk->lost_before, sizeof(account.lost));
        unit_account(unit, ring, &account);
    } else if (ring_known(ring) && account.events > ring->events) { /* a gap did not say of which ring, or how many */
        account.flags = 0;
        account.torn = account.events - ring->events;
        memcpy(account.lost, ring->lost, sizeof(account.lost));
        unit_account(unit, ring, &account);
    }
    ring->elsewhere = false;
}

void evtrail_append_elsewhere(struct evtrail_append *append)
{
    for (uint32_t i = 0; i < append->rings_room; i++)
        append->rings[i].elsewhere = append->rings[i].key != 0;
}

static int put_batch(struct evtrail_append *append, int fd, struct unit *unit, const struct evtrail_append_item *item)
{
    struct evtrail_batch_header own = *item->header;
    struct evtrail_append_ring *ring = evtrail_append_ring_of(append, own.chunk.ring);
    if (!ring)
        return -ENOMEM;
    own.source = 0;
    own.number = append->batches;
    if (!own.checksum && own.compressed_bytes)
        own.checksum = evtrail_crc32c(0, item->compressed, own.compressed_bytes);
    unit_cut(unit, ring, &own.chunk);
    unit_base(unit, ring);
    unit->used += evtrail_frame_put_mark(unit_room(unit), &item->mark);
    unit->used += evtrail_frame_put_batch(unit_room(unit), &own);
    const int r = write_unit(append, fd, unit, item->compressed, own.compressed_bytes);
    if (r < 0)
        return r;
    evtrail_append_ring_batch(ring, &own.chunk, item->lost_after);
    append->batches++;
    append->events += own.chunk.events;
    return 0;
}

static int put_mark(struct evtrail_append *append, int fd, struct unit *unit, const struct evtrail_append_item *item)
{
    unit->used += evtrail_frame_put_mark(unit_room(unit), &item->mark);
    return write_unit(append, fd, unit, NULL, 0);
}

static int put_item(struct evtrail_append *append, int fd, struct unit *unit, const struct evtrail_append_item *item)
{
    unit_clocks(append, unit);
    unit_offset(append, unit);
    for (uint32_t i = 0; i < item->accounts_count; i++) {
        struct evtrail_append_ring *ring = evtrail_append_ring_of(append, item->accounts[i].ring);
        if (ring)
            unit_account(unit, ring, &item->accounts[i]);
    }
    for (uint32_t i = 0; i < item->losses_count; i++)
        unit_loss(append, unit, &item->losses[i]);
    return item->header ? put_batch(append, fd, unit, item) : put_mark(append, fd, unit, item);
}

int evtrail_append_item(struct evtrail_append *append, int fd, const struct evtrail_append_item *item)
{
    const size_t frames = 2 * (size_t)(item->accounts_count + item->losses_count) + 6;
    struct unit unit = {malloc(frames * 160 + 2 * EVTRAIL_HEADER_BYTES_MAX), 0};
    struct evtrail_append_ring *rings = keep_rings(append);
    const uint32_t room = append->rings_room, count = append->rings_count;
    const uint64_t clock_before = append->clock_written_ns;
    const int64_t offset_before = append->offset_written_ns, bound_before = append->offset_bound_ns;
    int r = unit.bytes && rings ? begin(append) : -ENOMEM;
    if (r == 0)
        r = put_item(append, fd, &unit, item);
    if (r == 0) {
        note_mark(append, &item->mark);
        free(rings);
    } else if (rings) {
        restore_rings(append, rings, room, count);
        append->clock_written_ns = clock_before;
        append->offset_written_ns = offset_before;
        append->offset_bound_ns = bound_before;
    }
    free(unit.bytes);
    return r;
}

/* ---- syncing ---------------------------------------------------------------------------------------------------- */

void evtrail_append_synced(struct evtrail_append *append)
{
    struct evtrail_append_pending *pending = &append->pending;
    append->synced = append->offset;
    if (!pending->written)
        return;
    memmove(pending->bytes, pending->bytes + pending->written, pending->used - pending->written);
    pending->used -= pending->written;
    pending->written = 0;
    if (!pending->used) {
        free(pending->bytes);
        *pending = (struct evtrail_append_pending){0};
    }
}

int evtrail_append_rewind(struct evtrail_append *append, int fd)
{
    struct evtrail_append_report report;
    struct evtrail_append fresh = {.set_id = append->set_id, .part = append->part};
    while (ftruncate(fd, (off_t)append->synced) < 0)
        if (errno != EINTR)
            return -errno;
    if (append->synced) {
        const int r = evtrail_append_scan(&fresh, fd, false, UINT64_MAX, NULL, NULL, &report);
        if (r < 0) {
            evtrail_append_fini(&fresh);
            return r;
        }
    }
    for (uint32_t i = 0; i < append->rings_room; i++) { /* what other files had of them */
        const struct evtrail_append_ring *ring = &append->rings[i];
        struct evtrail_append_ring *own = ring->key ? evtrail_append_ring_of(&fresh, ring->key - 1) : NULL;
        if (own && !own->here && !ring->here)
            *own = *ring;
    }
    fresh.pending = append->pending;
    fresh.pending.written = 0;
    append->pending = (struct evtrail_append_pending){0};
    free(fresh.known);
    fresh.known = append->known;
    fresh.known_room = append->known_room;
    fresh.known_count = append->known_count;
    append->known = NULL;
    fresh.described_bytes = append->described_bytes;
    fresh.first_clock = append->first_clock;
    fresh.last_clock = append->last_clock;
    fresh.offset_frame = append->offset_frame;
    fresh.synced = append->synced;
    fresh.damaged |= append->damaged;
    evtrail_append_fini(append);
    *append = fresh;
    return 0;
}

/* What was said of the source, as it stands in the file before. */
static int say_again(struct evtrail_append *append, int fd, const struct evtrail_append_span *span)
{
    struct evtrail_frame frame;
    uint8_t *bytes = malloc(span->bytes);
    if (!bytes)
        return -ENOMEM;
    const bool whole = pread(fd, bytes, span->bytes, (off_t)span->offset) == (ssize_t)span->bytes &&
                       !evtrail_frame_prefix(bytes, span->bytes, &frame) && frame.bytes == span->bytes &&
                       evtrail_frame_intact(bytes, &frame);
    const int r = whole ? hold(append, bytes, span->bytes) : -ENODATA;
    free(bytes);
    return r;
}

static void begin_part(struct evtrail_append *append, uint32_t part)
{
    append->part = part;
    append->offset = append->synced = append->batches = append->events = append->clock_written_ns = 0;
    append->offset_written_ns = append->offset_bound_ns = 0;
    append->described_count = 0;
    append->first_clock = append->last_clock;
    for (uint32_t i = 0; i < append->rings_room; i++)
        append->rings[i].here = false;
}

void evtrail_append_forget(struct evtrail_append *append, uint32_t part)
{
    free(append->known);
    append->known = NULL;
    append->known_room = append->known_count = 0;
    free(append->pending.bytes);
    append->pending = (struct evtrail_append_pending){0};
    append->described_bytes = 0;
    begin_part(append, part);
}

int evtrail_append_next(struct evtrail_append *append, int fd, uint32_t part)
{
    struct evtrail_append_pending again = append->pending;
    append->pending = (struct evtrail_append_pending){0};
    append->part = part;
    int r = hold_super(append);
    for (size_t i = 0; r == 0 && i < append->described_count; i++)
        r = say_again(append, fd, &append->described[i]);
    if (r == 0 && again.used > again.written)
        r = hold(append, again.bytes + again.written, again.used - again.written);
    if (r < 0) { /* as it was */
        free(append->pending.bytes);
        append->pending = again;
        append->part = part - 1;
        return r;
    }
    free(again.bytes);
    begin_part(append, part);
    return 0;
}
