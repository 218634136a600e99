/* SPDX-License-Identifier: ISC
 *
 * The streams that a store knows, by id, and how far each has come.
 */
#include "ship/store_private.h"

#include <stdlib.h>
#include <string.h>

static size_t slot_of(const uint8_t *id, size_t room)
{
    uint64_t words[2];
    memcpy(words, id, sizeof(words));
    return (size_t)((words[0] ^ words[1] * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0x9e3779b97f4a7c15) >> 24) &
           (room - 1);
}

static struct store_record *find(struct store *store, const uint8_t *id)
{
    struct store_record *record = store->table_room ? store->table[slot_of(id, store->table_room)] : NULL;
    while (record && memcmp(record->id, id, sizeof(record->id)))
        record = record->next;
    return record;
}

static bool grow_table(struct store *store)
{
    const size_t room = store->table_room ? store->table_room * 2 : 256;
    struct store_record **grown = calloc(room, sizeof(struct store_record *)), *next;
    if (!grown)
        return false;
    for (size_t i = 0; i < store->table_room; i++) {
        for (struct store_record *record = store->table[i]; record; record = next) {
            const size_t slot = slot_of(record->id, room);
            next = record->next;
            record->next = grown[slot];
            grown[slot] = record;
        }
    }
    free(store->table);
    store->table = grown;
    store->table_room = room;
    return true;
}

static struct store_record *add(struct store *store, const uint8_t *id)
{
    if (store->table_count >= store->table_room && !grow_table(store))
        return NULL;
    struct store_record *record = calloc(1, sizeof(*record));
    if (!record)
        return NULL;
    const size_t slot = slot_of(id, store->table_room);
    memcpy(record->id, id, sizeof(record->id));
    record->next = store->table[slot];
    store->table[slot] = record;
    store->table_count++;
    return record;
}

struct store_record *store_record_find(struct store *store, const uint8_t *id)
{
    pthread_mutex_lock(&store->table_lock);
    struct store_record *record = find(store, id);
    pthread_mutex_unlock(&store->table_lock);
    return record;
}

struct store_record *store_record_get(struct store *store, const uint8_t *id)
{
    pthread_mutex_lock(&store->table_lock);
    struct store_record *record = find(store, id);
    if (!record)
        record = add(store, id);
    pthread_mutex_unlock(&store->table_lock);
    return record;
}

static void free_record(struct store_record *record)
{
    free(record->ahead);
    free(record->numbers);
    free(record);
}

void store_record_drop(struct store *store, struct store_record *record)
{
    pthread_mutex_lock(&store->table_lock);
    struct store_record **at = &store->table[slot_of(record->id, store->table_room)];
    while (*at && *at != record)
        at = &(*at)->next;
    if (*at) {
        *at = record->next;
        store->table_count--;
    }
    pthread_mutex_unlock(&store->table_lock);
    free_record(record);
}

void store_records_free(struct store *store)
{
    struct store_record *next;
    for (size_t i = 0; i < store->table_room; i++)
        for (struct store_record *record = store->table[i]; record; record = next) {
            next = record->next;
            free_record(record);
        }
    free(store->table);
    store->table = NULL;
    store->table_room = store->table_count = 0;
}

/* ---- how far ---------------------------------------------------------------------------------------------------- */

static size_t ahead_place(const struct store_record *record, uint64_t sequence)
{
    size_t low = 0, high = record->ahead_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (record->ahead[middle] < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool store_record_has(const struct store_record *record, uint64_t sequence)
{
    if (sequence <= record->appended)
        return true;
    const size_t at = ahead_place(record, sequence);
    return at < record->ahead_count && record->ahead[at] == sequence;
}

bool store_record_ahead(struct store_record *record, uint64_t sequence)
{
    const size_t at = ahead_place(record, sequence);
    if (at < record->ahead_count && record->ahead[at] == sequence)
        return true;
    if (record->ahead_count == record->ahead_room) {
        const size_t room = record->ahead_room ? record->ahead_room * 2 : 64;
        uint64_t *grown = realloc(record->ahead, room * sizeof(*grown));
        if (!grown)
            return false;
        record->ahead = grown;
        record->ahead_room = room;
    }
    memmove(record->ahead + at + 1, record->ahead + at, (record->ahead_count - at) * sizeof(*record->ahead));
    record->ahead[at] = sequence;
    record->ahead_count++;
    return true;
}

void store_record_reach(struct store_record *record, uint64_t sequence)
{
    if (sequence > record->appended)
        record->appended = sequence;
    size_t gone = 0;
    while (gone < record->ahead_count && record->ahead[gone] <= record->appended + 1) {
        if (record->ahead[gone] > record->appended)
            record->appended = record->ahead[gone];
        gone++;
    }
    if (!gone)
        return;
    record->ahead_count -= gone;
    memmove(record->ahead, record->ahead + gone, record->ahead_count * sizeof(*record->ahead));
    if (!record->ahead_count) {
        free(record->ahead);
        record->ahead = NULL;
        record->ahead_room = 0;
    }
}
