/* SPDX-License-Identifier: ISC
 *
 * What a file says of a ring beside its batches: what came before the first of them, and what was lost or left out between two. With
 * it each part of a trace tells what was lost in its own time, and a repaired file what is gone.
 */
#include "file/file_writer.h"

#include <errno.h>
#include <string.h>

static struct evtrail_ring_account *account_of(struct evtrail_file *file, uint32_t source, uint32_t ring)
{
    struct evtrail_gathered *held = evtrail_gather_find(&file->gather, source, ring);
    return held ? &held->account : NULL;
}

static void put_account(struct evtrail_file *file, const struct evtrail_account_frame *frame)
{
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX);
    if (out)
        evtrail_file_frame_done(file, evtrail_frame_put_account(out, frame), true);
}

void evtrail_file_account_begin(struct evtrail_file *file, const struct evtrail_batch_header *header)
{
    struct evtrail_ring_account *account = account_of(file, header->source, header->chunk.ring);
    if (!account || (!account->dropped && (!account->known || account->part == file->stats.files)))
        return;
    const struct evtrail_chunk *chunk = &header->chunk;
    const uint64_t missed = chunk->missed < chunk->events_before ? chunk->missed : chunk->events_before;
    struct evtrail_account_frame frame = {
        .source = header->source, .ring = chunk->ring, .ticks = account->ticks, .torn = account->dropped};
    frame.events = account->known ? account->events + account->dropped : chunk->events_before - missed;
    frame.flags = frame.torn ? EVTRAIL_ACCOUNT_SPOOL | (uint32_t)account->why << EVTRAIL_ACCOUNT_WHY_SHIFT : 0;
    memcpy(frame.lost, account->lost, sizeof(frame.lost));
    put_account(file, &frame);
    account->dropped = 0;
    account->part = file->stats.files;
}

void evtrail_file_account_end(struct evtrail_file *file, const struct evtrail_batch_header *header)
{
    const struct evtrail_chunk *chunk = &header->chunk;
    struct evtrail_ring_account *account = account_of(file, header->source, chunk->ring);
    if (!account)
        return;
    const uint64_t end = chunk->events_before + chunk->events;
    account->known = true;
    account->part = file->stats.files;
    account->events = end > account->events ? end : account->events;
    account->ticks = chunk->words_count ? chunk->last_ticks : account->ticks;
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        if (header->lost_after[cause] > account->lost[cause])
            account->lost[cause] = header->lost_after[cause];
}

/* What must be said before the chunk, which comes from another file. False: nothing. */
static bool compare(const struct evtrail_ring_account *account, const struct evtrail_chunk *chunk,
                    const struct evtrail_ring_before *before, struct evtrail_account_frame *frame)
{
    const uint64_t missed = chunk->missed < chunk->events_before ? chunk->missed : chunk->events_before;
    frame->events = chunk->events_before - missed;
    frame->torn = before->torn;
    frame->flags = before->torn && before->spool == before->torn ? EVTRAIL_ACCOUNT_SPOOL : 0;
    frame->ticks = before->ticks;
    memcpy(frame->lost, before->lost, sizeof(frame->lost));
    if (!account->known)
        return before->known || before->torn;
    const uint64_t gap = frame->events > account->events ? frame->events - account->events : 0;
    const bool cut = before->known && before->skipped &&
                     (gap > before->torn || memcmp(before->lost, account->lost, sizeof(account->lost)));
    if (cut) {
        frame->flags |= EVTRAIL_ACCOUNT_CUT;
        return true;
    }
    frame->torn = gap; /* in damage, or a missing part */
    frame->flags = gap && gap == before->spool ? EVTRAIL_ACCOUNT_SPOOL : 0;
    memcpy(frame->lost, account->lost, sizeof(frame->lost));
    return gap > 0;
}

int evtrail_file_account(struct evtrail_file *file, uint32_t source, const struct evtrail_chunk *chunk,
                         const struct evtrail_ring_before *before)
{
    struct evtrail_ring_account *account = account_of(file, source, chunk->ring);
    struct evtrail_account_frame frame = {.source = source, .ring = chunk->ring};
    if (!account || !compare(account, chunk, before, &frame))
        return file->stats.error;
    const int r = evtrail_file_describe(file, source, NULL, 0);
    if (r < 0)
        return r;
    put_account(file, &frame);
    account->known = true;
    account->part = file->stats.files;
    account->events = frame.events;
    account->ticks = frame.ticks;
    memcpy(account->lost, frame.lost, sizeof(account->lost));
    return file->stats.error;
}

int evtrail_file_account_dropped(struct evtrail_file *file, uint32_t source, const struct evtrail_chunk *chunk,
                                 const struct evtrail_file_account *told)
{
    struct evtrail_ring_account *account = account_of(file, source, chunk->ring);
    const uint64_t gone = told->dropped + chunk->missed;
    if (!account)
        return -ENOMEM;
    account->dropped += told->dropped;
    account->why = told->why;
    if (account->known || !told->known)
        return 0;
    account->known = true;
    account->events = chunk->events_before > gone ? chunk->events_before - gone : 0;
    account->ticks = told->ticks;
    memcpy(account->lost, told->lost, sizeof(account->lost));
    return 0;
}
