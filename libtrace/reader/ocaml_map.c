/* SPDX-License-Identifier: ISC
 *
 * Maps an OCaml Runtime_events file and copies words out of its rings.
 *
 * The writer (runtime/runtime_events.c of OCaml) never waits: to make room it moves a ring's head over the oldest items and
 * then writes over them. So what was copied is good from where the head stands after the copy on. Lengths in the words are looked at only
 * in what is known to be good: a stock consumer that looks before reports a lapped ring as a corrupt one.
 */
#include "reader/ocaml_map.h"

#include "reader/sigbus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { VERSION, DOMAINS, HEADER_BYTES, RING_BYTES, RING_WORDS, HEADERS, DATA, NAMES, HEADER_WORDS };

enum {
    LOOKS = 100,
    FILES_MAX = 512,
    RING_HEADER_BYTES_MIN = 16,
    RING_HEADER_BYTES_MAX = 4096,
    NAMES_BYTES = 8192 * 128
};
static const uint64_t ring_words_max = UINT64_C(1) << 30;
static const uint64_t leap_max = UINT64_C(1) << 40;     /* between two looks: hours of a flood */
static const uint64_t position_max = UINT64_C(1) << 58; /* nine years of a thousand million words a second */

bool evtrail_ocaml_is_header(const void *bytes, size_t size)
{
    uint64_t h[HEADER_WORDS];
    if (size < sizeof(h))
        return false;
    memcpy(h, bytes, sizeof(h));
    return h[VERSION] == 1 && h[DOMAINS] >= 1 && h[DOMAINS] <= EVTRAIL_OCAML_DOMAINS_MAX && h[HEADERS] == sizeof(h) &&
           h[RING_BYTES] == h[RING_WORDS] * 8 && h[HEADER_BYTES] >= RING_HEADER_BYTES_MIN;
}

static int bad(const char *path, const char *what, uint64_t found, struct evtrail_fault *fault)
{
    return evtrail_fault_set(fault, -EBADMSG, "%s: %s (%llu): no ring of OCaml's runtime events, or damaged", path,
                             what, (unsigned long long)found);
}

static bool within(uint64_t offset, uint64_t bytes, uint64_t size)
{
    return offset % 8 == 0 && offset <= size && bytes <= size - offset;
}

static int check_header(struct evtrail_ocaml_map *map, const uint64_t *h, const char *path, struct evtrail_fault *fault)
{
    if (h[VERSION] != 1)
        return bad(path, "its version is not 1", h[VERSION], fault);
    if (h[DOMAINS] < 1 || h[DOMAINS] > EVTRAIL_OCAML_DOMAINS_MAX)
        return bad(path, "impossible number of domains", h[DOMAINS], fault);
    if (h[HEADER_BYTES] < RING_HEADER_BYTES_MIN || h[HEADER_BYTES] > RING_HEADER_BYTES_MAX || h[HEADER_BYTES] % 8)
        return bad(path, "impossible size of ring headers", h[HEADER_BYTES], fault);
    if (h[RING_WORDS] < 2 || h[RING_WORDS] > ring_words_max || (h[RING_WORDS] & (h[RING_WORDS] - 1)))
        return bad(path, "a ring's words are no power of two, or too many", h[RING_WORDS], fault);
    if (h[RING_BYTES] != h[RING_WORDS] * 8)
        return bad(path, "a ring's bytes do not fit its words", h[RING_BYTES], fault);
    if (h[HEADERS] < sizeof(uint64_t) * HEADER_WORDS || !within(h[HEADERS], h[DOMAINS] * h[HEADER_BYTES], map->bytes))
        return bad(path, "ring headers outside the file", h[HEADERS], fault);
    if (h[DATA] < HEADER_WORDS * sizeof(uint64_t) || !within(h[DATA], h[DOMAINS] * h[RING_BYTES], map->bytes))
        return bad(path, "rings outside the file", h[DATA], fault);
    if (h[NAMES] && (h[NAMES] < HEADER_WORDS * sizeof(uint64_t) || !within(h[NAMES], NAMES_BYTES, map->bytes)))
        return bad(path, "names of events outside the file", h[NAMES], fault);
    map->domains = (uint32_t)h[DOMAINS];
    map->elements = h[RING_WORDS];
    map->header_stride = h[HEADER_BYTES];
    map->headers = h[HEADERS];
    map->data = h[DATA];
    map->names = h[NAMES];
    return 0;
}

/* The runtime makes the file, gives it its size, maps it, and then fills in the header, the offset of the names last. In 5.0, which has none, the
 * file ends with the rings. */
static bool is_ready(const struct evtrail_ocaml_map *map, const uint64_t *h)
{
    if (h[VERSION] == 0 || h[DATA] == 0)
        return false;
    return h[NAMES] != 0 || h[DATA] + h[DOMAINS] * h[RING_BYTES] == map->bytes;
}

/* Relaxed loads of words that may change meanwhile; or those of a file. */
static void load_words(const struct evtrail_ocaml_map *map, uint64_t offset, uint64_t *to, size_t count)
{
    size_t got = 0;
    if (map->base) {
        const uint64_t *const at = (const uint64_t *)(const void *)(map->base + offset);
        for (size_t i = 0; i < count; i++)
            to[i] = __atomic_load_n(at + i, __ATOMIC_RELAXED);
        return;
    }
    for (ssize_t n = 1; got < count * sizeof(*to) && n > 0; got += n > 0 ? (size_t)n : 0)
        n = pread(map->fd, (uint8_t *)to + got, count * sizeof(*to) - got, (off_t)(offset + got));
    memset((uint8_t *)to + got, 0, count * sizeof(*to) - got);
}

static void load_header(const struct evtrail_ocaml_map *map, uint64_t h[HEADER_WORDS])
{
    /* A copy: they may change between two looks. From the end: the runtime fills them in from the beginning, by plain stores, so that the acquire only keeps
     * our order; what is read is looked at for sense. */
    for (int i = HEADER_WORDS - 1; map->base && i >= 0; i--)
        h[i] = __atomic_load_n((const uint64_t *)(const void *)map->base + i, __ATOMIC_ACQUIRE);
    if (!map->base)
        load_words(map, 0, h, HEADER_WORDS);
}

bool evtrail_ocaml_map_same(const struct evtrail_ocaml_map *map)
{
    uint64_t h[HEADER_WORDS];
    load_header(map, h);
    return h[DOMAINS] == map->domains && h[RING_WORDS] == map->elements && h[HEADER_BYTES] == map->header_stride &&
           h[HEADERS] == map->headers && h[DATA] == map->data && h[NAMES] == map->names;
}

static int map_file(struct evtrail_ocaml_map *map, int fd, const char *path, struct evtrail_fault *fault)
{
    if (fstat(fd, &map->status) < 0 || !S_ISREG(map->status.st_mode))
        return evtrail_fault_set(fault, -EBADMSG, "%s: not a regular file", path);
    map->bytes = (uint64_t)map->status.st_size;
    if (map->bytes < EVTRAIL_OCAML_HEADER_BYTES)
        return evtrail_fault_set(fault, -EAGAIN, "%s: it is just being made, or is no ring of OCaml's", path);
    void *base = mmap(NULL, map->bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return evtrail_fault_set(fault, -errno, "%s: cannot map: %s", path, strerror(errno));
    map->guard = evtrail_guard_add(base, map->bytes, PROT_READ);
    map->base = base;
    if (map->guard < 0)
        return evtrail_fault_set(fault, map->guard, "%s: too many mappings", path);
    uint64_t h[HEADER_WORDS];
    load_header(map, h);
    int result = check_header(map, h, path, fault);
    if ((result < 0 && (h[VERSION] == 0 || h[DATA] == 0)) || (result == 0 && !is_ready(map, h)))
        return evtrail_fault_set(fault, -EAGAIN, "%s: it is just being made, or is no ring of OCaml's", path);
    return result;
}

int evtrail_ocaml_map_open(struct evtrail_ocaml_map *map, const char *path, struct evtrail_fault *fault)
{
    *map = (struct evtrail_ocaml_map){.guard = -1, .fd = -1};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int code = -errno;
        const char *advice = code == -EACCES ? "; it belongs to another user: run as that user or as root" : "";
        return evtrail_fault_set(fault, code, "%s: cannot open: %s%s", path, strerror(-code), advice);
    }
    map->fd = fd;
    int result = map_file(map, fd, path, fault);
    if (result < 0)
        evtrail_ocaml_map_close(map);
    return result;
}

static void unmap(struct evtrail_ocaml_map *map)
{
    evtrail_guard_remove(map->guard);
    if (map->base)
        munmap((void *)(uintptr_t)map->base, map->bytes);
    map->base = NULL;
    map->guard = -1;
}

void evtrail_ocaml_map_close(struct evtrail_ocaml_map *map)
{
    unmap(map);
    evtrail_ocaml_map_living(map);
}

/* Whether the file takes less room than its rings say that they have used. */
static bool has_holes(const struct evtrail_ocaml_map *map)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < map->domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(map, i, &head, &tail);
        used += (tail < map->elements ? tail : map->elements) * sizeof(uint64_t);
    }
    return used > (uint64_t)map->status.st_blocks * 512;
}

void evtrail_ocaml_map_left(struct evtrail_ocaml_map *map)
{
    if (map->fd >= 0 && map->fd < FILES_MAX && has_holes(map))
        unmap(map);
    else
        evtrail_ocaml_map_living(map);
}

void evtrail_ocaml_map_living(struct evtrail_ocaml_map *map)
{
    if (map->fd >= 0)
        close(map->fd);
    map->fd = -1;
}

bool evtrail_ocaml_map_cut(const struct evtrail_ocaml_map *map)
{
    struct stat status;
    if (map->base)
        return evtrail_guard_tripped(map->guard);
    return map->fd >= 0 && fstat(map->fd, &status) == 0 && (uint64_t)status.st_size < map->bytes;
}

/* O2 (acquire): pairs with the runtime's release stores, tail after an item is whole, head before its words are written over. */
static uint64_t cursor(const struct evtrail_ocaml_map *map, uint32_t index, unsigned which)
{
    const uint64_t offset = map->headers + index * map->header_stride + which * sizeof(uint64_t);
    uint64_t word = 0;
    if (map->base)
        return __atomic_load_n((const uint64_t *)(const void *)(map->base + offset), __ATOMIC_ACQUIRE);
    load_words(map, offset, &word, 1);
    return word;
}

void evtrail_ocaml_map_cursors(const struct evtrail_ocaml_map *map, uint32_t index, uint64_t *ret_head,
                               uint64_t *ret_tail)
{
    *ret_head = cursor(map, index, 0);
    *ret_tail = cursor(map, index, 1);
}

void evtrail_ocaml_map_name(const struct evtrail_ocaml_map *map, uint32_t id, char name[EVTRAIL_OCAML_NAME_BYTES])
{
    name[0] = '\0';
    if (!map->names || id >= EVTRAIL_OCAML_NAMES_MAX)
        return;
    /* It is written before the first event of that id. */
    uint64_t words[EVTRAIL_OCAML_NAME_BYTES / 8];
    load_words(map, map->names + (uint64_t)id * EVTRAIL_OCAML_NAME_BYTES, words, EVTRAIL_OCAML_NAME_BYTES / 8);
    memcpy(name, words, EVTRAIL_OCAML_NAME_BYTES);
    name[EVTRAIL_OCAML_NAME_BYTES - 1] = '\0';
}

/* ---- one domain's ring ---- */

/* Words from position `at` on: relaxed loads, for the writer may change them meanwhile; whether it did the second look at the head tells. */
static void copy_words(const struct evtrail_ocaml_map *map, uint32_t index, uint64_t at, uint64_t *to, size_t count)
{
    const uint64_t ring = map->data + index * map->elements * 8;
    const uint64_t mask = map->elements - 1;
    while (count) {
        const uint64_t from = at & mask;
        const size_t part = map->elements - from < count ? map->elements - from : count;
        load_words(map, ring + from * 8, to, part);
        at += part;
        to += part;
        count -= part;
    }
}

/* The stamp of the ring's first item, as long as that is there. 0: it is not, or there is none. */
static uint64_t first_stamp(const struct evtrail_ocaml_map *map, uint32_t index, uint64_t tail)
{
    if (tail < 2)
        return 0;
    uint64_t stamp;
    load_words(map, map->data + index * map->elements * 8 + 8, &stamp, 1);
    /* O1 (fence): the stamp was loaded before the head is looked at. */
    atomic_thread_fence(memory_order_seq_cst);
    return cursor(map, index, 0) == 0 ? stamp : 0;
}

/* Cursors only grow, and the first stamp stays until the head moves: else it is another program's ring by now. */
static bool is_another(const struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map, uint64_t head,
                       uint64_t tail)
{
    if (!ring->begun)
        return false;
    if (head < ring->head || tail < ring->tail)
        return true;
    const uint64_t stamp = ring->first_ns && head == 0 ? first_stamp(map, ring->index, tail) : 0;
    return stamp && stamp != ring->first_ns;
}

static void see(struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map, uint64_t head, uint64_t tail)
{
    ring->begun = true;
    ring->odd = 0;
    ring->head = head;
    ring->tail = tail;
    if (head || !ring->first_ns)
        ring->first_ns = head ? 0 : first_stamp(map, ring->index, tail);
}

static bool begin_another(struct evtrail_ocaml_ring *ring, struct evtrail_ocaml_copy *copy)
{
    copy->lost = ring->tail > ring->at ? ring->tail - ring->at : 0;
    copy->at = copy->next = 0;
    copy->count = 0;
    copy->anew = true;
    *ring = (struct evtrail_ocaml_ring){.index = ring->index, .begun = true};
    return true;
}

static bool is_odd(const struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map, uint64_t head,
                   uint64_t tail)
{
    return head > tail || tail - head > map->elements || tail > position_max ||
           (ring->begun && tail > ring->tail && tail - ring->tail > leap_max);
}

/* Of a ring that begins they may be so for a moment. */
static bool begin_behind(struct evtrail_ocaml_ring *ring, struct evtrail_ocaml_copy *copy, uint64_t head, uint64_t tail)
{
    const bool begins = ring->begun && ring->at == 0;
    if (ring->odd++ < (begins ? LOOKS : 0) || (ring->begun && ring->head == head && ring->tail == tail))
        return false;
    ring->begun = true;
    ring->head = head;
    ring->tail = tail;
    copy->lost = tail > ring->at && tail - ring->at <= leap_max ? tail - ring->at : 0;
    copy->impossible = true;
    copy->at = copy->next = ring->at = tail;
    return true;
}

/* What has room holds whole items. One without a length ends it: where another begins only the ring's tail tells. */
static void keep_whole(struct evtrail_ocaml_copy *copy, uint64_t tail)
{
    size_t at = 0;
    while (at < copy->count) {
        const size_t length = copy->words[at] >> 54;
        if (length > copy->count - at)
            break;
        at += length ? length : 1;
        if (length)
            continue;
        copy->next = tail;
        copy->behind = tail - (copy->at + at);
        copy->count = at;
        return;
    }
    copy->count = at;
    copy->next = copy->at + at;
}

bool evtrail_ocaml_ring_copy(struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map,
                             struct evtrail_ocaml_copy *copy)
{
    uint64_t head, tail;
    copy->count = 0;
    copy->lost = copy->behind = 0;
    copy->impossible = copy->anew = copy->cut = false;
    evtrail_ocaml_map_cursors(map, ring->index, &head, &tail);
    if (!ring->begun && tail == 0)
        return false;
    /* The tail may have gone round between the two looks, if we were stopped there. */
    for (int tries = 0; tries < LOOKS && is_odd(ring, map, head, tail); tries++)
        evtrail_ocaml_map_cursors(map, ring->index, &head, &tail);
    if (is_another(ring, map, head, tail))
        return begin_another(ring, copy);
    if (is_odd(ring, map, head, tail))
        return begin_behind(ring, copy, head, tail);
    see(ring, map, head, tail);
    const uint64_t from = ring->at < head ? head : ring->at;
    const uint64_t room = copy->room ? copy->room : EVTRAIL_OCAML_COPY_WORDS;
    size_t count = tail - from < room ? (size_t)(tail - from) : (size_t)room;
    copy_words(map, ring->index, from, copy->words, count);
    /* O1 (fence): the words were loaded before the head is looked at again. Without it a word that was written over meanwhile may be taken for
     * good. It pairs with the runtime's store of the head; on ARM that store does not hold back the words' after it, so that what
     * is read there is also looked at for sense (ocaml_input.c). */
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t tail_now;
    evtrail_ocaml_map_cursors(map, ring->index, &head, &tail_now);
    if (is_another(ring, map, head, tail_now))
        return begin_another(ring, copy);
    uint64_t good = head > from ? head : from;
    if (good > from + count)
        good = from + count;
    copy->at = good;
    copy->lost = good - ring->at;
    if (head > good) /* all of it, and more */
        copy->lost = head - ring->at, copy->at = head;
    copy->count = (size_t)(from + count - good);
    if (good > from && copy->count)
        memmove(copy->words, copy->words + (good - from), copy->count * sizeof(uint64_t));
    copy->next = copy->at + copy->count;
    copy->tail = tail;
    copy->cut = copy->any && from + count < tail;
    if (!copy->any && from + count < tail && copy->count)
        keep_whole(copy, tail);
    return copy->lost || copy->count;
}

bool evtrail_ocaml_ring_has(const struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map)
{
    uint64_t head, tail;
    evtrail_ocaml_map_cursors(map, ring->index, &head, &tail);
    return tail != ring->at || (tail && is_another(ring, map, head, tail));
}

bool evtrail_ocaml_ring_skip(struct evtrail_ocaml_ring *ring, const struct evtrail_ocaml_map *map)
{
    uint64_t head, tail;
    evtrail_ocaml_map_cursors(map, ring->index, &head, &tail);
    if (!tail)
        return false;
    see(ring, map, head, tail);
    ring->at = tail;
    return true;
}

uint64_t evtrail_ocaml_ring_left(const struct evtrail_ocaml_map *map, uint32_t index, uint64_t at, uint64_t since_ns)
{
    uint64_t words[2], head, tail, place = at & (map->elements - 1);
    const uint64_t from = place;
    evtrail_ocaml_map_cursors(map, index, &head, &tail);
    while (since_ns && head == 0 && tail <= from && place + 2 <= map->elements) {
        struct evtrail_ocaml_item item;
        const char *why;
        copy_words(map, index, place, words, 2);
        const uint32_t length = evtrail_ocaml_item_take(words, map->elements - place, &item, &why);
        if (!length || item.padding || item.time < since_ns || item.time > UINT64_C(1) << 62)
            break;
        since_ns = item.time;
        place += length;
    }
    return place - from;
}
