/* SPDX-License-Identifier: ISC
 *
 * Finds what a file holds: from the index at its end where there is one that agrees with the file, else from
 * header to header. Where neither leads on, the next intact frame is searched for, and the place between is
 * damage.
 */
#include "file/file_reader.h"
#include "file/grow.h"
#include "reader/clock_rate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCH_BYTES = 64 << 10,
    SEARCH_COST_MAX = 256 << 20,
    FOREIGN_BYTES = 1 << 20, /* a file whose head is not ours is searched no further */
    SCAN_ITEMS = 4096,       /* following: at a time */
    SEEK_FOOTER_BYTES = 9,
    RATE_NS_LEAST = 200000000, /* of readings that tell others' rate */
};

const char evtrail_ends_inside_frame[] = "the file ends inside a frame";
static const char ends_inside_batch[] = "the file ends inside a batch";
static const char ends_inside_table[] = "the file ends inside its seek table";

void evtrail_part_close(struct evtrail_part *part)
{
    if (part->open)
        evtrail_input_close(&part->input);
    free(part->path);
    free(part->items);
    free(part->source_numbers);
    *part = (struct evtrail_part){0};
}

/* ---- items ------------------------------------------------------------------------------------------------------ */

static struct evtrail_item *add_item(struct evtrail_part *part)
{
    if (!grow(&part->items, part->items_count, &part->items_room, sizeof(*part->items)))
        return NULL;
    struct evtrail_item *item = &part->items[part->items_count++];
    *item = (struct evtrail_item){0};
    return item;
}

int evtrail_part_add_damage(struct evtrail_part *part, uint64_t offset, uint64_t bytes, const char *what,
                            uint32_t found)
{
    struct evtrail_item *item = add_item(part);
    if (!item)
        return -ENOMEM;
    item->kind = EVTRAIL_ITEM_DAMAGE;
    item->offset = offset;
    item->bytes = bytes;
    item->what = what;
    item->found = found;
    return 0;
}

int evtrail_part_add_batch(struct evtrail_part *part, const struct evtrail_index_entry *entry, uint32_t source)
{
    struct evtrail_item *item = source == UINT32_MAX ? NULL : add_item(part);
    if (!item)
        return -ENOMEM;
    item->kind = EVTRAIL_ITEM_BATCH;
    item->offset = entry->offset;
    item->bytes = entry->bytes;
    item->source = source;
    item->ring = entry->ring;
    item->events = entry->events;
    item->first_ticks = entry->first_ticks;
    item->last_ticks = entry->last_ticks;
    item->types = entry->types;
    return 0;
}

/* Whether the ring was met before; `seen`: a hash table of `room` keys, or NULL. */
static bool meet(uint64_t *seen, size_t room, const struct evtrail_item *item)
{
    const uint64_t key = ((uint64_t)item->source << 32 | item->ring) + 1;
    size_t slot = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);
    while (seen && seen[slot] && seen[slot] != key)
        slot = (slot + 1) & (room - 1);
    if (!seen || seen[slot] == key)
        return seen != NULL;
    seen[slot] = key;
    return false;
}

/* The last batch of each ring; without memory each is taken for one. */
static void set_last(struct evtrail_part *part)
{
    size_t room = 64;
    while (room < 2 * part->items_count)
        room *= 2;
    uint64_t *seen = calloc(room, sizeof(*seen));
    for (size_t i = part->items_count; i > 0; i--)
        part->items[i - 1].last =
            part->items[i - 1].kind == EVTRAIL_ITEM_BATCH && !meet(seen, room, &part->items[i - 1]);
    free(seen);
}

/* Each item's horizon: the earliest record of those behind it. */
static void set_horizons(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    set_last(part);
    int64_t horizon = INT64_MAX;
    for (size_t i = part->items_count; i > 0; i--) {
        struct evtrail_item *item = &part->items[i - 1];
        if (item->kind == EVTRAIL_ITEM_BATCH) {
            const int64_t from_ns = evtrail_source_time(cursor->sources[item->source], item->first_ticks);
            horizon = from_ns < horizon ? from_ns : horizon;
        }
        item->horizon_ns = horizon;
    }
}

/* ---- one frame -------------------------------------------------------------------------------------------------- */

/* A whole frame of ours at `offset`, checked, in cursor->scratch. 1: there; 0: *ret_what says what is wrong. */
int evtrail_part_read_frame(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset,
                            struct evtrail_frame *ret_frame, const char **ret_what)
{
    uint8_t *at = cursor->scratch;
    const bool sparing = part->input.stream && cursor->options.follow;
    ssize_t n =
        evtrail_input_read(&part->input, offset, at, sparing ? EVTRAIL_FRAME_PREFIX_BYTES : EVTRAIL_HEADER_BYTES_MAX);
    if (n < 0)
        return (int)n;
    cursor->scratch_used = (size_t)n;
    *ret_what = evtrail_frame_prefix(at, (size_t)n, ret_frame);
    if (*ret_what)
        return 0;
    if (ret_frame->bytes > (size_t)n)
        n = evtrail_input_read(&part->input, offset, at, ret_frame->bytes);
    if (n < 0)
        return (int)n;
    if ((size_t)n < ret_frame->bytes)
        *ret_what = evtrail_ends_inside_frame;
    else if (!evtrail_frame_intact(at, ret_frame))
        *ret_what = "a frame's checksum is wrong";
    return *ret_what == NULL;
}

/* Takes in a frame that is no batch. NULL or what is wrong with it. */
const char *evtrail_part_apply(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                               const struct evtrail_frame *frame)
{
    const uint8_t *at = cursor->scratch;
    const char *what = NULL;
    struct evtrail_super super;
    struct evtrail_source_frame source;
    struct evtrail_clock_frame clock;
    struct evtrail_offset_frame offset;
    if (frame->tag == EVTRAIL_TAG_SUPER) {
        what = evtrail_frame_parse_super(at, frame->bytes, &super);
        if (!what && super.version > EVTRAIL_FILE_VERSION)
            what = "what follows is of a newer version of the format";
    } else if (frame->tag == EVTRAIL_TAG_SOURCE) {
        what = evtrail_frame_parse_source(at, frame->bytes, &source);
        if (!what && evtrail_cursor_add_source(cursor, part, &source) < 0)
            what = "no memory for another source";
    } else if (frame->tag == EVTRAIL_TAG_CLOCK) {
        what = evtrail_frame_parse_clock(at, frame->bytes, &clock);
        if (!what)
            evtrail_cursor_add_clock(cursor, part, &clock);
    } else if (frame->tag == EVTRAIL_TAG_OFFSET) {
        what = evtrail_frame_parse_offset(at, frame->bytes, &offset);
        if (!what)
            evtrail_cursor_add_offset(cursor, part, &offset);
    } else if (frame->tag == EVTRAIL_TAG_SCHEMA) {
        const uint8_t *entries;
        size_t bytes;
        uint32_t number;
        what = evtrail_frame_parse_schema(at, frame->bytes, &number, &entries, &bytes);
        const int r = what ? 0 : evtrail_cursor_add_schema(cursor, part, number, entries, bytes);
        if (r < 0)
            what = r == -EFBIG ? "more event types than memory is granted" : "an event type's entry is wrong";
    }
    return what; /* other tags: nothing that a reader needs, or of a later version */
}

const char *evtrail_part_take(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset,
                              const struct evtrail_frame *frame)
{
    struct evtrail_account_frame account;
    if (frame->tag != EVTRAIL_TAG_ACCOUNT)
        return evtrail_part_apply(cursor, part, frame);
    const char *what = evtrail_frame_parse_account(cursor->scratch, frame->bytes, &account);
    if (what)
        return what;
    const uint32_t source = evtrail_cursor_source_of(cursor, part, account.source);
    struct evtrail_item *item = source == UINT32_MAX ? NULL : add_item(part);
    if (!item)
        return "no memory for a ring's account";
    item->kind = EVTRAIL_ITEM_ACCOUNT;
    item->offset = offset;
    item->bytes = frame->bytes;
    item->source = source;
    item->ring = account.ring;
    return NULL;
}

static struct evtrail_index_entry entry_of(const struct evtrail_batch_header *header, uint64_t offset)
{
    return (struct evtrail_index_entry){
        .offset = offset,
        .bytes = header->header_bytes + header->compressed_bytes,
        .source = header->source,
        .ring = header->chunk.ring,
        .events = (uint32_t)header->chunk.events,
        .first_ticks = header->chunk.first_ticks,
        .last_ticks = header->chunk.last_ticks,
        .types = header->types,
    };
}

/* ---- from header to header ----------------------------------------------------------------------------------- */

/* Where the next prefix of a frame of ours may stand in window[n], from `at` on; if nowhere, the first place that needs
 * more bytes to tell. */
static size_t next_candidate(const uint8_t *window, size_t n, size_t at, struct evtrail_frame *ret_frame)
{
    static const uint8_t magic[3] = {0x2a, 0x4d, 0x18}; /* behind 0x50 or 0x51 */
    const size_t end = n - EVTRAIL_FRAME_PREFIX_BYTES + 1;
    while (at < end) {
        const uint8_t *found = memmem(window + at + 1, n - at - 1, magic, sizeof(magic));
        at = found ? (size_t)(found - 1 - window) : end;
        if (at < end && !evtrail_frame_prefix(window + at, n - at, ret_frame))
            return at;
        at++;
    }
    return end;
}

/* Large frames cost much to check: a file made of their prefixes alone must not take for ever. */
static bool affordable(struct evtrail_part *part, const struct evtrail_frame *frame)
{
    if (frame->bytes <= EVTRAIL_HEADER_BYTES_MAX)
        return true;
    part->searched += frame->bytes;
    return part->searched <= SEARCH_COST_MAX;
}

/* Of a stream that is written as things happen no more is waited for than must come. */
static bool is_live(const struct evtrail_file_cursor *cursor, const struct evtrail_part *part)
{
    return part->input.stream && cursor->options.follow && !part->input.ended;
}

/* Live: the next place in what is at hand where a frame may begin, whole or not, or its end. */
static int resync_live(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset,
                       uint64_t *ret_offset)
{
    uint8_t *const window = cursor->compressed;
    struct evtrail_frame frame;
    const size_t held = evtrail_input_holds(&part->input, offset);
    const ssize_t n = evtrail_input_read(&part->input, offset, window, held < SEARCH_BYTES ? held : SEARCH_BYTES);
    *ret_offset = offset;
    if (n >= EVTRAIL_FRAME_PREFIX_BYTES)
        *ret_offset += next_candidate(window, (size_t)n, 0, &frame);
    return n < 0 ? (int)n : 0;
}

/* The next intact frame of ours at or behind `offset`, or the end. */
static int resync(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset, uint64_t limit,
                  uint64_t *ret_offset)
{
    uint8_t *window = cursor->compressed; /* not in use between batches */
    if (is_live(cursor, part))
        return resync_live(cursor, part, offset, ret_offset);
    while (offset < limit) {
        struct evtrail_frame frame;
        const char *what;
        const ssize_t n = evtrail_input_read(&part->input, offset, window, SEARCH_BYTES);
        if (n < 0)
            return (int)n;
        *ret_offset = offset + (uint64_t)n;
        if (n < EVTRAIL_FRAME_PREFIX_BYTES)
            return 0;
        const size_t end = (size_t)n - EVTRAIL_FRAME_PREFIX_BYTES + 1;
        for (size_t at = 0; (at = next_candidate(window, (size_t)n, at, &frame)) < end; at++) {
            const int r =
                affordable(part, &frame) ? evtrail_part_read_frame(cursor, part, offset + at, &frame, &what) : 0;
            *ret_offset = offset + at;
            if (r != 0)
                return r < 0 ? r : 0;
        }
        offset += end;
        *ret_offset = offset;
    }
    return 0;
}

/* zstd's seek table, of which only the length matters here. 0: none. */
static uint64_t seek_table_bytes(const uint8_t *at, size_t bytes)
{
    uint32_t head[2];
    if (bytes < 8)
        return 0;
    memcpy(head, at, 8);
    return head[0] == EVTRAIL_MAGIC_SEEK_TABLE && head[1] >= SEEK_FOOTER_BYTES ? 8 + (uint64_t)head[1] : 0;
}

/* Whether the file, as far as it reaches now, has all bytes up to `end`. */
static bool reaches(struct evtrail_part *part, uint64_t end)
{
    if (end > part->size)
        part->size = evtrail_input_size(&part->input);
    return end <= part->size;
}

/* Clocks of one boot of one machine have one rate. The longest readings are the best. */
static bool borrow_rate(const struct evtrail_file_cursor *cursor, struct evtrail_cursor_source *known)
{
    uint64_t longest_ns = RATE_NS_LEAST;
    for (uint32_t i = 0; i < cursor->sources_count; i++) {
        const struct evtrail_source *other = cursor->sources[i];
        const struct evtrail_clock *clock = &other->clock;
        const uint64_t ns = clock->last.monotonic_ns - clock->first.monotonic_ns;
        const uint64_t ticks = clock->last.ticks - clock->first.ticks;
        if (other == &known->source || clock->kind != known->source.clock.kind || !*other->boot_id ||
            strcmp(other->boot_id, known->source.boot_id) != 0 || ns < longest_ns || ns > INT64_MAX ||
            ticks > INT64_MAX)
            continue;
        longest_ns = ns;
        known->source.clock.hz = (uint64_t)((long double)ticks * 1e9L / (long double)ns);
        known->hz_borrowed = true;
    }
    return known->hz_borrowed;
}

/* Before the first batch of a stream, and of a source whose clock's rate is still not known. */
static void seek_clock(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint32_t source)
{
    struct evtrail_cursor_source *known = (struct evtrail_cursor_source *)cursor->sources[source];
    if (part->looked_ahead && (known->clock_sought || evtrail_clock_rate_known(&known->source.clock)))
        return;
    if (cursor->options.follow && part->looked_ahead && borrow_rate(cursor, known))
        return;
    evtrail_part_look_ahead(cursor, part);
    part->looked_ahead = true;
    known->clock_sought = true;
}

static int scan_batch(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const struct evtrail_frame *frame,
                      const char **ret_what)
{
    struct evtrail_batch_header header;
    *ret_what = evtrail_frame_parse_batch(cursor->scratch, frame->bytes, &header);
    if (*ret_what)
        return 0;
    const struct evtrail_index_entry entry = entry_of(&header, part->scanned);
    if (!reaches(part, part->scanned + entry.bytes)) {
        *ret_what = ends_inside_batch;
        return 0;
    }
    const uint32_t source = evtrail_cursor_source_of(cursor, part, header.source);
    if (part->input.stream && source != UINT32_MAX)
        seek_clock(cursor, part, source);
    const int r = evtrail_part_add_batch(part, &entry, source);
    part->scanned += entry.bytes;
    return r;
}

/* No frame of ours stands at part->scanned: the end (1), zstd's seek table, or damage. */
static int scan_other(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char **ret_what)
{
    const uint64_t table = seek_table_bytes(cursor->scratch, cursor->scratch_used);
    if (!cursor->scratch_used) {
        *ret_what = NULL;
        return 1;
    }
    if (table && !reaches(part, part->scanned + table)) {
        *ret_what = ends_inside_table;
    } else if (table) {
        *ret_what = NULL;
        part->scanned += table;
        part->closed = true;
    }
    return 0;
}

/* What stands at part->scanned. Moves on behind it, unless *ret_what. 1: the end. */
static int scan_one(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char **ret_what)
{
    struct evtrail_frame frame;
    const int r = evtrail_part_read_frame(cursor, part, part->scanned, &frame, ret_what);
    if (r < 0)
        return r;
    if (r == 0)
        return scan_other(cursor, part, ret_what);
    if (frame.magic == EVTRAIL_MAGIC_BATCH)
        return scan_batch(cursor, part, &frame, ret_what);
    if (frame.tag == EVTRAIL_TAG_SUPER) { /* another file was appended: it numbers its own sources */
        part->source_numbers_count = 0;
        part->looked_ahead = false;
    }
    *ret_what = evtrail_part_take(cursor, part, part->scanned, &frame);
    if (*ret_what && evtrail_part_add_damage(part, part->scanned, frame.bytes, *ret_what, 0) < 0)
        return -ENOMEM;
    *ret_what = NULL;
    part->scanned += frame.bytes;
    part->closed = frame.tag == EVTRAIL_TAG_END;
    return 0;
}

/* What a file says while its writer is at work. */
static bool grows(const char *what)
{
    return what == evtrail_ends_inside_frame || what == ends_inside_batch || what == ends_inside_table ||
           what == evtrail_ends_inside_prefix;
}

static int step_over_damage(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char *what)
{
    uint8_t head[4] = {0};
    uint64_t next;
    const uint64_t from = part->scanned;
    evtrail_input_read(&part->input, from, head, sizeof(head));
    const int r = resync(cursor, part, from + 1, UINT64_MAX, &next);
    if (r < 0)
        return r;
    uint32_t found;
    memcpy(&found, head, 4);
    part->scanned = next;
    part->closed = false;
    return evtrail_part_add_damage(part, from, next - from, what, found);
}

/* Whether `bytes` bytes from part->scanned on are at hand, without waiting for them. */
static bool at_hand(struct evtrail_part *part, size_t bytes)
{
    for (;;) {
        evtrail_input_drop(&part->input, part->scanned);
        if (evtrail_input_held(&part->input, part->scanned, bytes))
            return true;
        if (evtrail_input_more(&part->input, 0) <= 0)
            return false;
    }
}

/* Following a stream: whether what stands next is all there, or no more comes. What is no frame is there as far as it goes. */
static bool arrived(struct evtrail_part *part)
{
    struct evtrail_input *input = &part->input;
    struct evtrail_frame frame;
    struct evtrail_batch_header header;
    if (!at_hand(part, EVTRAIL_FRAME_PREFIX_BYTES))
        return input->ended;
    if (evtrail_frame_prefix(evtrail_input_held(input, part->scanned, EVTRAIL_FRAME_PREFIX_BYTES),
                             EVTRAIL_FRAME_PREFIX_BYTES, &frame))
        return true;
    if (!at_hand(part, frame.bytes))
        return input->ended;
    if (frame.tag != EVTRAIL_TAG_BATCH ||
        evtrail_frame_parse_batch(evtrail_input_held(input, part->scanned, frame.bytes), frame.bytes, &header))
        return true;
    return at_hand(part, frame.bytes + header.compressed_bytes) || input->ended;
}

static int scan_some(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    const size_t had = part->items_count, most = part->input.stream ? 1 : SCAN_ITEMS;
    int r = 0;
    while (r == 0 && part->items_count - had < most) {
        const char *what = NULL;
        r = part->input.stream && cursor->options.follow && !arrived(part) ? 1 : scan_one(cursor, part, &what);
        if (r == 0 && what && cursor->options.follow && !part->left && !part->input.stream && grows(what))
            r = 1;
        else if (r == 0 && what)
            r = step_over_damage(cursor, part, what);
    }
    if (r < 0)
        return r;
    part->complete = r == 1;
    return part->items_count > had;
}

/* ---- open ------------------------------------------------------------------------------------------------------- */

/* Whether `bytes` bytes at `at`, all that the file has, may become a first frame: its writer is at work on it. */
static bool begins(const uint8_t *at, size_t bytes, const struct evtrail_frame *frame, const char *what)
{
    const uint32_t magic = EVTRAIL_MAGIC_OTHER;
    if (what == evtrail_ends_inside_frame)
        return frame->tag == EVTRAIL_TAG_SUPER && frame->bytes <= EVTRAIL_HEADER_BYTES_MAX;
    return what == evtrail_ends_inside_prefix && !memcmp(at, &magic, bytes < sizeof(magic) ? bytes : sizeof(magic));
}

static int read_super(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    struct evtrail_frame frame;
    const char *what;
    int r = evtrail_part_read_frame(cursor, part, 0, &frame, &what);
    if (r < 0)
        return r;
    part->awaited = r == 0 && cursor->options.follow && !part->left && !part->input.stream &&
                    begins(cursor->scratch, cursor->scratch_used, &frame, what);
    if (part->awaited)
        return 0;
    if (r == 0 && !cursor->scratch_used)
        return -ENODATA;
    if (r == 1 && frame.tag == EVTRAIL_TAG_SUPER &&
        !evtrail_frame_parse_super(cursor->scratch, frame.bytes, &part->super)) {
        part->scanned = frame.bytes;
        return part->super.version > EVTRAIL_FILE_VERSION ? -EPROTONOSUPPORT : 0;
    }
    if (r == 1) /* a file that begins in its middle, or whose head is damaged */
        return 0;
    uint64_t next;
    uint32_t found = 0;
    memcpy(&found, cursor->scratch, cursor->scratch_used < 4 ? cursor->scratch_used : 4);
    for (int i = 0;
         is_live(cursor, part) && i < 16 && evtrail_input_more(&part->input, 250) > 0;) /* some, and not for ever */
        i++;
    r = resync(cursor, part, 1, FOREIGN_BYTES, &next);
    if (r < 0)
        return r;
    r = evtrail_part_read_frame(cursor, part, next, &frame, &what);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    r = evtrail_part_add_damage(part, 0, next, "the file's header is damaged", found);
    part->scanned = next;
    return r;
}

/* Looks again at a part that had no first frame. < 0: it is none of ours, and is closed. */
static int look_again(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    const int r = read_super(cursor, part);
    return r < 0 ? evtrail_part_refuse(cursor, part, r) : 0;
}

/* Asked before the file is read: what a writer wrote before it went is there. */
static void watch_writer(struct evtrail_part *part)
{
    const bool written = !part->input.stream && evtrail_input_written(&part->input);
    part->left = part->written && !written;
    part->written |= written;
}

int evtrail_part_scan(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    if (cursor->options.follow)
        watch_writer(part);
    int r = part->awaited ? look_again(cursor, part) : 0;
    if (r < 0 || part->awaited)
        return r;
    r = scan_some(cursor, part);
    set_horizons(cursor, part);
    return r;
}

static int scan_all(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    int r = 1;
    while (!part->complete && r >= 0 && part->items_count < EVTRAIL_ITEMS_MAX)
        r = scan_some(cursor, part);
    return r;
}

int evtrail_part_open(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char *path)
{
    *part = (struct evtrail_part){.path = strdup(path)};
    if (!part->path)
        return -ENOMEM;
    int r = evtrail_input_open(&part->input, path);
    part->open = r == 0;
    if (r == 0)
        r = read_super(cursor, part);
    part->complete = part->awaited;
    if (r == 0 && !part->input.stream && !part->items_count && !part->awaited) {
        r = evtrail_part_load_index(cursor, part);
        part->complete = r == 1;
    }
    if (r == 0 && !part->input.stream)
        r = scan_all(cursor, part);
    if (r < 0) {
        evtrail_part_close(part);
        return r;
    }
    part->partial = part->input.stream;
    set_horizons(cursor, part);
    return 0;
}

int evtrail_part_created(const char *path, int64_t *ret_created_ns)
{
    struct evtrail_input input;
    uint8_t head[128];
    struct evtrail_frame frame;
    struct evtrail_super super;
    int r = evtrail_input_open(&input, path);
    if (r < 0)
        return r;
    const ssize_t n = input.stream ? 0 : evtrail_input_read(&input, 0, head, sizeof(head));
    evtrail_input_close(&input);
    if (n <= 0 || evtrail_frame_prefix(head, (size_t)n, &frame) || frame.bytes > (size_t)n ||
        !evtrail_frame_intact(head, &frame) || frame.tag != EVTRAIL_TAG_SUPER ||
        evtrail_frame_parse_super(head, frame.bytes, &super))
        return -EBADMSG;
    *ret_created_ns = super.created_ns;
    return 0;
}
