/* SPDX-License-Identifier: ISC
 *
 * Keeps what THREAD, LABEL, LOST and TIME records say about the records after them, so that a chunk can start anywhere.
 */
#ifndef EVTRAIL_READER_STREAM_STATE_H
#define EVTRAIL_READER_STREAM_STATE_H

#include <evtrail/reader.h>

#include "reader/walk.h"

#include <string.h>

/* Copies a string field of at most `left` words, cut at 64 bytes. Returns its words; *ret_null: NULL, or not there. */
static inline uint32_t evtrail_state_text(const uint64_t *at, uint32_t left, char *text, bool *ret_null)
{
    uint32_t bytes = left ? (uint32_t)*at : EVTRAIL_NULL;
    text[0] = '\0';
    *ret_null = bytes == EVTRAIL_NULL || bytes > (uint64_t)(left - 1) * 8;
    if (*ret_null)
        return left ? 1 : 0;
    uint32_t kept = bytes < EVTRAIL_LABEL_BYTES ? bytes : EVTRAIL_LABEL_BYTES;
    memcpy(text, at + 1, kept);
    text[kept] = '\0';
    return 1 + (bytes + 7) / 8;
}

static inline void evtrail_state_label(struct evtrail_stream_state *state, const uint64_t *at, uint32_t left)
{
    bool no_key, no_value;
    if (left == 0 || at[0] >= EVTRAIL_LABELS_MAX)
        return;
    struct evtrail_label *label = &state->labels[at[0]];
    uint32_t key_words = evtrail_state_text(at + 1, left - 1, label->key, &no_key);
    evtrail_state_text(at + 1 + key_words, left - 1 - key_words, label->value, &no_value);
    if (no_key || no_value)
        memset(label, 0, sizeof(*label));
}

/* Takes in a record of our own. `lost` is what LOST records set. */
static inline void evtrail_state_apply(struct evtrail_stream_state *state, const struct evtrail_walk *walk,
                                       uint64_t *lost)
{
    const uint64_t *at = walk->payload;
    if (walk->id == EVTRAIL_RECORD_THREAD && walk->words >= 3) {
        state->tid = (uint32_t)at[0];
        memcpy(state->thread_name, at + 1, EVTRAIL_THREAD_NAME_BYTES);
        state->thread_name[EVTRAIL_THREAD_NAME_BYTES] = '\0';
    } else if (walk->id == EVTRAIL_RECORD_LABEL) {
        evtrail_state_label(state, at, walk->words);
    } else if (walk->id == EVTRAIL_RECORD_LOST && walk->words >= EVTRAIL_LOST_CAUSES) {
        for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
            if (at[i] > lost[i])
                lost[i] = at[i];
    }
}

#endif /* EVTRAIL_READER_STREAM_STATE_H */
