/* SPDX-License-Identifier: ISC
 *
 * How far each ring was taken: after a restart the same blocks are still in memory, and are left out.
 */
#include "ship/spool_private.h"

#include "file/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RINGS_MAGIC UINT64_C(0x316e697253747645)
#define GONE_NS (INT64_C(60) * 1000000000)

/* In the file: a head, then these. */
struct record {
    uint64_t session, end, ticks, lost[EVTRAIL_CAUSES];
    uint32_t ring, gone;
};
struct head {
    uint64_t magic;
    uint32_t count, crc;
    char boot_id[40];
};

static size_t slot_of(const struct spool_ring *items, size_t room, uint64_t session, uint32_t ring)
{
    size_t slot = (size_t)((session ^ (uint64_t)ring << 40) * UINT64_C(0x9e3779b97f4a7c15) >> 24) & (room - 1);
    while (items[slot].used && (items[slot].session != session || items[slot].ring != ring))
        slot = (slot + 1) & (room - 1);
    return slot;
}

static bool grow(struct spool_rings *rings)
{
    const size_t room = rings->room ? rings->room * 2 : 64;
    struct spool_ring *const grown = room <= 2 * SPOOL_RINGS_MAX ? calloc(room, sizeof *grown) : NULL;
    if (!grown)
        return false;
    for (size_t i = 0; i < rings->room; i++)
        if (rings->items[i].used)
            grown[slot_of(grown, room, rings->items[i].session, rings->items[i].ring)] = rings->items[i];
    free(rings->items);
    rings->items = grown;
    rings->room = room;
    return true;
}

struct spool_ring *spool_rings_find(struct spool_rings *rings, uint64_t session, uint32_t ring)
{
    if (rings->count * 2 >= rings->room && !grow(rings))
        return NULL;
    struct spool_ring *const item = &rings->items[slot_of(rings->items, rings->room, session, ring)];
    if (!item->used) {
        *item = (struct spool_ring){.session = session, .ring = ring, .used = true};
        rings->count++;
    }
    return item;
}

struct spool_ring *spool_rings_get(const struct spool_rings *rings, uint64_t session, uint32_t ring)
{
    struct spool_ring *const item =
        rings->room ? &rings->items[slot_of(rings->items, rings->room, session, ring)] : NULL;
    return item && item->used ? item : NULL;
}

uint64_t spool_taken(struct spool *spool, uint64_t session)
{
    uint64_t events = 0;
    spool_lock(spool);
    for (size_t i = 0; i < spool->rings.room; i++)
        if (spool->rings.items[i].used && spool->rings.items[i].session == session)
            events += spool->rings.items[i].end;
    spool_unlock(spool);
    return events;
}

void spool_rings_free(struct spool_rings *rings)
{
    free(rings->items);
    *rings = (struct spool_rings){0};
}

void spool_boot_id(char boot_id[40])
{
    memset(boot_id, 0, 40);
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, boot_id, 36) : -1;
    if (n != 36)
        memset(boot_id, 0, 40);
    if (fd >= 0)
        close(fd);
}

static bool worth_keeping(const struct spool_ring *ring, int64_t now)
{
    return ring->used && ring->known && (!ring->gone_ns || now - ring->gone_ns < GONE_NS);
}

/* Forgets rings of processes that have ended a while ago. */
void spool_rings_purge(struct spool *spool)
{
    struct spool_rings fresh = {0};
    const int64_t now = spool_monotonic();
    for (size_t i = 0; i < spool->rings.room; i++) {
        const struct spool_ring *const old = &spool->rings.items[i];
        if (!old->used || (old->gone_ns && !old->given && now - old->gone_ns >= GONE_NS))
            continue;
        struct spool_ring *const ring = spool_rings_find(&fresh, old->session, old->ring);
        if (!ring) {
            spool_rings_free(&fresh);
            return;
        }
        *ring = *old;
    }
    spool_rings_free(&spool->rings);
    spool->rings = fresh;
}

int spool_rings_save(struct spool *spool)
{
    const int64_t now = spool_monotonic();
    uint8_t *const bytes = calloc(1, sizeof(struct head) + spool->rings.count * sizeof(struct record));
    if (!bytes)
        return -ENOMEM;
    struct record *const records = (struct record *)(bytes + sizeof(struct head));
    struct head head = {.magic = RINGS_MAGIC};
    for (size_t i = 0; i < spool->rings.room; i++) {
        const struct spool_ring *const ring = &spool->rings.items[i];
        if (!worth_keeping(ring, now) || !ring->safe_end)
            continue;
        struct record *const record = &records[head.count++];
        *record = (struct record){ring->session, ring->safe_end, ring->safe_ticks, {0}, ring->ring, ring->gone_ns != 0};
        memcpy(record->lost, ring->safe_lost, sizeof record->lost);
    }
    spool_boot_id(head.boot_id);
    head.crc = evtrail_crc32c(0, records, head.count * sizeof *records);
    memcpy(bytes, &head, sizeof head);
    char path[SPOOL_PATH_BYTES];
    spool_path(spool, "rings", path);
    const int r = spool_write_file(path, bytes, sizeof head + head.count * sizeof *records);
    free(bytes);
    if (r == 0)
        spool_at(SPOOL_AT_rings_written);
    return r;
}

static void take(struct spool *spool, const struct record *record)
{
    struct spool_ring *const ring = spool_rings_find(&spool->rings, record->session, record->ring);
    if (!ring)
        return;
    ring->known = true;
    ring->end = ring->safe_end = record->end;
    ring->ticks = ring->safe_ticks = record->ticks;
    memcpy(ring->lost, record->lost, sizeof ring->lost);
    memcpy(ring->safe_lost, record->lost, sizeof ring->safe_lost);
    memcpy(ring->seen_lost, record->lost, sizeof ring->seen_lost);
    ring->gone_ns = record->gone ? spool_monotonic() : 0;
}

int spool_rings_load(struct spool *spool)
{
    char path[SPOOL_PATH_BYTES], boot_id[40];
    struct head head;
    struct stat status;
    spool_path(spool, "rings", path);
    const int fd = regular_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    uint8_t *bytes = NULL;
    bool right = fstat(fd, &status) == 0 && status.st_size >= (off_t)sizeof head &&
                 status.st_size <= (off_t)(sizeof head + SPOOL_RINGS_MAX * sizeof(struct record));
    if (right) {
        bytes = malloc((size_t)status.st_size);
        right = bytes && read(fd, bytes, (size_t)status.st_size) == status.st_size;
    }
    close(fd);
    if (right) {
        memcpy(&head, bytes, sizeof head);
        const size_t size = (size_t)status.st_size - sizeof head;
        right = head.magic == RINGS_MAGIC && head.count <= SPOOL_RINGS_MAX &&
                size == head.count * sizeof(struct record) && head.crc == evtrail_crc32c(0, bytes + sizeof head, size);
    }
    if (right) {
        spool_boot_id(boot_id);
        const bool same = memcmp(boot_id, head.boot_id, sizeof boot_id) == 0; /* sessions do not outlive the machine */
        for (uint32_t i = 0; same && i < head.count; i++) {
            struct record record;
            memcpy(&record, bytes + sizeof head + i * sizeof record, sizeof record);
            take(spool, &record);
        }
    }
    free(bytes);
    if (!right)
        spool_set_aside(spool, "rings", "is damaged; rings that are still in memory may be read twice");
    return 0;
}
