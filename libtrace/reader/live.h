/* SPDX-License-Identifier: ISC
 *
 * One session, attached: its two files mapped, every number in its header checked once and kept in our own memory.
 */
#ifndef EVTRAIL_READER_LIVE_H
#define EVTRAIL_READER_LIVE_H

#include <evtrail/reader.h>

#include "layout.h"
#include "reader/fault.h"
#include "reader/schema.h"

struct evtrail_live {
    struct evtrail_source source;
    const uint8_t *data; /* read-only */
    uint64_t data_bytes;
    struct evtrail_control *control; /* NULL: not there or not ours to see */
    bool control_writable;
    int fd;
    int guard_data, guard_control;
    uint64_t rings_offset, meta_offset, meta_limit, blocks_offset; /* checked */
    uint64_t meta_seen;
    bool same_boot;
    bool schema_broken; /* nothing after meta_seen can be read */
    bool truncated;     /* reported */
    bool left;          /* its process ended and left the files to those who watch; known once detached */
    struct evtrail_schema schema;
    char path[480], control_path[480];
    char command[65], program[513], host[65], boot_id[41];
};

/* Maps a session's files by the path of its data file. -ENOENT; -EACCES; -EBADMSG: not a session, or a damaged one;
 * -EPROTONOSUPPORT: of another version; -EAGAIN: it is just being made; -EMFILE, -ENOMEM. */
int evtrail_live_open(struct evtrail_live *live, const char *path, struct evtrail_fault *fault);
void evtrail_live_close(struct evtrail_live *live);
/* Gives the mappings and the descriptor back; source and schema stay. */
void evtrail_live_detach(struct evtrail_live *live);
/* Whether the process still runs: the kernel drops its lock. One system call. */
bool evtrail_live_alive(const struct evtrail_live *live);
/* Takes in metadata that has been added. Returns how many entries, or a fault (once each). */
int evtrail_live_schema(struct evtrail_live *live, struct evtrail_fault *fault);
/* Reports, once, that the file was truncated under us. */
int evtrail_live_check(struct evtrail_live *live, struct evtrail_fault *fault);
/* Makes enable bytes follow the rules in the control page, for all types known. Returns how many changed. */
int evtrail_live_apply_rules(struct evtrail_live *live);

static inline const struct evtrail_session_header *evtrail_live_header(const struct evtrail_live *live)
{
    return (const struct evtrail_session_header *)(const void *)live->data;
}
/* index < EVTRAIL_RINGS_MAX */
static inline const struct evtrail_ring_header *evtrail_live_ring(const struct evtrail_live *live, uint32_t index)
{
    return (const struct evtrail_ring_header *)(const void *)(live->data + live->rings_offset) + index;
}
static inline uint32_t evtrail_live_rings(const struct evtrail_live *live)
{
    /* acquire: the table entries below the count were set up before it; W7 is what a ring's geometry hangs on */
    uint32_t count = atomic_load_explicit(&evtrail_live_header(live)->rings_count, memory_order_acquire);
    return count <= EVTRAIL_RINGS_MAX ? count : EVTRAIL_RINGS_MAX;
}

#endif /* EVTRAIL_READER_LIVE_H */
