/* SPDX-License-Identifier: ISC
 *
 * Saying that a reader of a directory of sessions will come back, should it be killed: for so long processes that end leave their
 * sessions to be read (docs/shared-memory.md). A file with a slot for each such reader.
 */
#include "reader/reader_private.h"

#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BEAT_NS 1000000000u

static int64_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

/* Held for a few microseconds. */
static int lock_as(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    int r;
    do
        r = fcntl(fd, F_OFD_SETLKW, &lock);
    while (r < 0 && errno == EINTR);
    return r;
}

static void slots_read(int fd, struct evtrail_wanted slots[EVTRAIL_WANTED_SLOTS])
{
    memset(slots, 0, EVTRAIL_WANTED_SLOTS * sizeof(slots[0]));
    (void)!pread(fd, slots, EVTRAIL_WANTED_SLOTS * sizeof(slots[0]), 0);
}

/* In one piece, so that a process that looks sees the old or the new. */
static void slot_write(const struct evtrail_wish *wish, uint64_t id, int64_t until_s)
{
    const struct evtrail_wanted slot = {.id = id, .until_s = until_s};
    (void)!pwrite(wish->fd, &slot, sizeof(slot), (off_t)(wish->slot * sizeof(slot)));
}

/* Ours from before we were killed, else the one that ends first. */
static unsigned slot_choose(int fd, uint64_t id)
{
    struct evtrail_wanted slots[EVTRAIL_WANTED_SLOTS];
    unsigned best = 0;
    slots_read(fd, slots);
    for (unsigned i = 0; i < EVTRAIL_WANTED_SLOTS; i++) {
        if (slots[i].id == id)
            return i;
        if (slots[i].until_s < slots[best].until_s)
            best = i;
    }
    return best;
}

static bool is_there(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink > 0;
}

/* Another may have removed it between our open and our lock. */
static bool take(struct evtrail_wish *wish)
{
    const int fd = open(wish->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
    if (fd < 0)
        return true;
    const bool taken = is_there(fd) && lock_as(fd, F_WRLCK) == 0 && is_there(fd);
    if (!taken) {
        close(fd);
        return false;
    }
    wish->fd = fd;
    wish->slot = slot_choose(fd, wish->id);
    slot_write(wish, wish->id, seconds_now() + wish->seconds);
    lock_as(fd, F_UNLCK);
    return true;
}

static void make(struct evtrail_wish *wish)
{
    for (int tries = 0; tries < 8 && !take(wish);)
        tries++;
}

void evtrail_wish_begin(struct evtrail_wish *wish, const char *directory, uint64_t id, int64_t seconds)
{
    *wish = (struct evtrail_wish){.fd = -1, .id = id};
    wish->seconds = seconds < EVTRAIL_WANTED_MAX_S ? seconds : EVTRAIL_WANTED_MAX_S;
    if (id == 0 || seconds <= 0)
        return;
    snprintf(wish->path, sizeof(wish->path), "%s/" EVTRAIL_WANTED_NAME, directory);
    make(wish);
}

void evtrail_wish_beat(struct evtrail_wish *wish, uint64_t now_ns)
{
    if (!wish->path[0] || (wish->beat_ns && now_ns - wish->beat_ns < BEAT_NS))
        return;
    wish->beat_ns = now_ns;
    if (wish->fd >= 0 && is_there(wish->fd)) {
        slot_write(wish, wish->id, seconds_now() + wish->seconds);
        return;
    }
    if (wish->fd >= 0)
        close(wish->fd);
    wish->fd = -1;
    make(wish);
}

void evtrail_wish_end(struct evtrail_wish *wish)
{
    struct evtrail_wanted slots[EVTRAIL_WANTED_SLOTS];
    if (wish->fd < 0)
        return;
    lock_as(wish->fd, F_WRLCK);
    slot_write(wish, 0, 0);
    slots_read(wish->fd, slots);
    bool any = false;
    for (unsigned i = 0; i < EVTRAIL_WANTED_SLOTS; i++)
        any = any || (slots[i].id && slots[i].until_s > seconds_now());
    if (!any && is_there(wish->fd))
        unlink(wish->path);
    close(wish->fd);
    wish->fd = -1;
}
