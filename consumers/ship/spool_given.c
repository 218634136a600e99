/* SPDX-License-Identifier: ISC
 *
 * What was given up for want of room, and is not told in a segment yet: a record for each ring in DIR/dropped, written before it is forgotten, so that
 * also who is killed then tells it. A segment for such accounts alone finds room when there is none for events.
 */
#include "ship/spool_private.h"

#include "file/crc32c.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIVEN_MAGIC UINT64_C(0x316e767247645645)

enum { SLOT_BYTES = 2048, SLOTS_FIRST = 32 }; /* within a page: a write of it is not cut by SIGKILL */

/* What changes with each event that is given up; written in one piece, in one page of the file or two. */
struct amount {
    uint64_t magic; /* 0: the slot is free */
    uint64_t session, end, ticks, dropped, missed;
    uint64_t lost[EVTRAIL_CAUSES], seen_lost[EVTRAIL_CAUSES];
    uint32_t ring, why, zero, crc;
};
/* Who it was: its session may be gone when it is told. */
struct who {
    uint64_t session, start_realtime_ns, hz, first[3], last[3];
    uint32_t pid, uid, parent_pid, kind;
    char command[72], program[520], host[72], boot_id[48];
    uint32_t zero, crc;
};
struct slot {
    struct amount amount;
    struct who who;
};
static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot's size");

static uint32_t amount_crc(const struct amount *amount)
{
    return evtrail_crc32c(0, amount, offsetof(struct amount, crc));
}

static uint32_t who_crc(const struct who *who)
{
    return evtrail_crc32c(0, who, offsetof(struct who, crc));
}

/* ---- the file ---- */

int spool_given_open(struct spool *spool)
{
    char path[SPOOL_PATH_BYTES];
    spool_path(spool, "dropped", path);
    spool->given_fd = regular_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
    if (spool->given_fd < 0)
        return spool->given_fd;
    fallocate(spool->given_fd, FALLOC_FL_KEEP_SIZE, 0,
              SLOTS_FIRST * SLOT_BYTES); /* a disk that is full has room for it */
    return 0;
}

void spool_given_close(struct spool *spool)
{
    if (spool->given_fd >= 0)
        close(spool->given_fd);
    free(spool->given_used);
}

static bool slot_use(struct spool *spool, uint32_t slot)
{
    if (slot >= spool->given_room) {
        const uint32_t room = (slot + 1) * 2;
        uint8_t *const grown = slot < SPOOL_RINGS_MAX ? realloc(spool->given_used, room) : NULL;
        if (!grown)
            return false;
        memset(grown + spool->given_room, 0, room - spool->given_room);
        spool->given_used = grown;
        spool->given_room = room;
    }
    spool->given_used[slot] = 1;
    return true;
}

static void slot_free(struct spool *spool, uint32_t slot)
{
    const uint64_t none = 0;
    (void)!pwrite(spool->given_fd, &none, sizeof none, (off_t)slot * SLOT_BYTES);
    spool->given_used[slot] = 0;
}

static int slot_write(const struct spool *spool, uint32_t slot, const void *bytes, size_t count)
{
    const ssize_t n = pwrite(spool->given_fd, bytes, count, (off_t)slot * SLOT_BYTES);
    return n < 0 ? -errno : n == (ssize_t)count ? 0 : -ENOSPC;
}

/* ---- a record ---- */

static struct amount amount_of(const struct spool_ring *ring)
{
    struct amount amount = {.magic = GIVEN_MAGIC, .session = ring->session, .end = ring->end, .ticks = ring->ticks};
    amount.dropped = ring->dropped;
    amount.missed = ring->missed;
    amount.ring = ring->ring;
    amount.why = ring->why;
    memcpy(amount.lost, ring->lost, sizeof amount.lost);
    memcpy(amount.seen_lost, ring->seen_lost, sizeof amount.seen_lost);
    amount.crc = amount_crc(&amount);
    return amount;
}

static struct who who_of(const struct evtrail_source *source)
{
    struct who who = {.session = source->session_id, .start_realtime_ns = source->start_realtime_ns};
    who.pid = source->pid;
    who.uid = source->uid;
    who.parent_pid = source->parent_pid;
    who.kind = source->clock.kind;
    who.hz = source->clock.hz;
    memcpy(who.first, &source->clock.first, sizeof who.first);
    memcpy(who.last, &source->clock.last, sizeof who.last);
    snprintf(who.command, sizeof who.command, "%s", source->command);
    snprintf(who.program, sizeof who.program, "%s", source->program);
    snprintf(who.host, sizeof who.host, "%s", source->host);
    snprintf(who.boot_id, sizeof who.boot_id, "%s", source->boot_id);
    who.crc = who_crc(&who);
    return who;
}

int spool_given_note(struct spool *spool, struct spool_ring *ring, const struct evtrail_source *source)
{
    struct slot slot = {.amount = amount_of(ring)};
    uint32_t number = 0;
    if (ring->given)
        return slot_write(spool, ring->given - 1, &slot.amount, sizeof slot.amount);
    while (number < spool->given_room && spool->given_used[number])
        number++;
    slot.who = who_of(source);
    if (!slot_use(spool, number))
        return -ENOMEM;
    const int r = slot_write(spool, number, &slot, sizeof slot);
    if (r < 0)
        slot_free(spool, number);
    else
        ring->given = number + 1;
    return r;
}

void spool_given_told(struct spool *spool, struct spool_ring *ring)
{
    if (!ring->given || ring->dropped || ring->missed)
        return;
    slot_free(spool, ring->given - 1);
    ring->given = 0;
}

/* ---- after a restart ---- */

/* Whether it is news: a segment, or DIR/rings, may have it already. What was taken behind the last flush and is not in a segment is given up with it. */
static bool amount_take(struct spool *spool, const struct amount *amount, uint32_t number)
{
    struct spool_ring *const ring = spool_rings_find(&spool->rings, amount->session, amount->ring);
    const uint64_t missed = amount->missed < amount->end ? amount->missed : amount->end;
    if (!ring || (ring->known && ring->end >= amount->end))
        return false;
    if (!ring->known) {
        ring->safe_end = amount->end - missed > amount->dropped ? amount->end - missed - amount->dropped : 0;
        ring->ticks = ring->safe_ticks = amount->ticks;
        memcpy(ring->lost, amount->lost, sizeof ring->lost);
        memcpy(ring->safe_lost, amount->lost, sizeof ring->safe_lost);
    }
    ring->known = true;
    ring->end = amount->end;
    ring->missed = missed < amount->end - ring->safe_end ? missed : amount->end - ring->safe_end;
    ring->dropped = amount->end - ring->safe_end - ring->missed;
    ring->why = (uint8_t)amount->why;
    memcpy(ring->seen_lost, amount->seen_lost, sizeof ring->seen_lost);
    ring->given = number + 1;
    return true;
}

int spool_given_load(struct spool *spool)
{
    struct amount amount;
    for (uint32_t number = 0; number < SPOOL_RINGS_MAX && pread(spool->given_fd, &amount, sizeof amount,
                                                                (off_t)number * SLOT_BYTES) == sizeof amount;
         number++) {
        if (amount.magic != GIVEN_MAGIC || amount.crc != amount_crc(&amount) || amount.why >= SPOOL_CAUSES)
            continue;
        if (!slot_use(spool, number))
            return -ENOMEM;
        if (!amount_take(spool, &amount, number))
            slot_free(spool, number);
    }
    return 0;
}

/* ---- telling it ---- */

static void source_of(const struct who *who, struct evtrail_source *source)
{
    *source = (struct evtrail_source){.session_id = who->session, .start_realtime_ns = who->start_realtime_ns};
    source->pid = who->pid;
    source->uid = who->uid;
    source->parent_pid = who->parent_pid;
    source->clock.kind = who->kind;
    source->clock.hz = who->hz;
    memcpy(&source->clock.first, who->first, sizeof who->first);
    memcpy(&source->clock.last, who->last, sizeof who->last);
    source->command = who->command;
    source->program = who->program;
    source->host = who->host;
    source->boot_id = who->boot_id;
}

static bool ring_tell(struct spool *spool, struct spool_ring *ring)
{
    struct slot slot;
    struct evtrail_source source;
    if (pread(spool->given_fd, &slot, sizeof slot, (off_t)(ring->given - 1) * SLOT_BYTES) != sizeof slot ||
        slot.who.crc != who_crc(&slot.who) || slot.who.session != ring->session)
        return true; /* nobody knows any more who it was */
    source_of(&slot.who, &source);
    return spool_account_write(spool, &source, ring);
}

bool spool_given_tell(struct spool *spool)
{
    bool all = true;
    for (size_t i = 0; all && i < spool->rings.room; i++) {
        struct spool_ring *const ring = &spool->rings.items[i];
        if (ring->used && ring->given && (ring->dropped || ring->missed))
            all = ring_tell(spool, ring);
    }
    spool->given_waits = !all;
    return all && spool_flush(spool) == 0;
}

bool spool_settle(struct spool *spool)
{
    return spool_given_tell(spool);
}
