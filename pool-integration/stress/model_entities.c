/* SPDX-License-Identifier: ISC
 *
 * Names, addresses and connections as the events tell of them.
 */
#include "model_internal.h"

#include <stdio.h>
#include <string.h>

enum { CONN_idle = 1, CONN_active = 2, ADDRESS_ejected = 3, ADDRESS_probing = 4 };

static uint32_t group_of(const struct step *step, enum entity_class class)
{
    return step->event->source->number << 3 | class;
}

static struct idtable_entry *entry_put(struct step *step, enum entity_class class, uint64_t id)
{
    struct idtable_entry *const entry = idtable_put(&step->model->ids, group_of(step, class), id);
    if (!entry)
        step->model->incomplete = true;
    return entry;
}

struct model_name *entity_name(struct step *step, uint64_t id)
{
    struct model *const model = step->model;
    struct idtable_entry *const entry = id ? entry_put(step, ENTITY_name, id) : NULL;
    if (!entry)
        return NULL;
    if (entry->ticks == 0) { /* new: the index + 1 is kept there */
        if (model->names_count == MODEL_NAMES_MAX) {
            model->incomplete = true;
            return NULL;
        }
        entry->ticks = ++model->names_count;
        snprintf(model->names[entry->ticks - 1].label, MODEL_LABEL_BYTES, "name %llu", (unsigned long long)id);
    }
    return &model->names[entry->ticks - 1];
}

struct model_address *entity_address(struct step *step, uint64_t id)
{
    struct model *const model = step->model;
    struct idtable_entry *const entry = id ? entry_put(step, ENTITY_address, id) : NULL;
    if (!entry)
        return NULL;
    if (entry->ticks == 0) {
        if (model->addresses_count == MODEL_ADDRESSES_MAX) {
            model->incomplete = true;
            return NULL;
        }
        entry->ticks = ++model->addresses_count;
        snprintf(model->addresses[entry->ticks - 1].label, MODEL_LABEL_BYTES, "address %llu", (unsigned long long)id);
    }
    return &model->addresses[entry->ticks - 1];
}

/* ---- connections ---- */

static void open_by(struct model *model, int by)
{
    model->open += (uint64_t)by;
    if (model->open > model->open_max)
        model->open_max = model->open;
}

static void state_by(struct model *model, uint32_t state, int by)
{
    if (state != CONN_active)
        return;
    model->active += (uint64_t)by;
    if (model->active > model->active_max)
        model->active_max = model->active;
}

void entity_conn_state(struct step *step, uint64_t id, uint32_t state)
{
    struct idtable_entry *const entry = entry_put(step, ENTITY_conn, id);
    if (!entry)
        return;
    const uint32_t before = entry->state;
    entry->state = state ? state : CONN_idle;
    const uint32_t now = entry->state;
    if (before == 0)
        open_by(step->model, 1);
    if (before != now) {
        state_by(step->model, before, -1);
        state_by(step->model, now, 1);
    }
}

void entity_conn_gone(struct step *step, uint64_t id)
{
    struct model *const model = step->model;
    struct idtable_entry *const entry = idtable_find(&model->ids, group_of(step, ENTITY_conn), id);
    if (!entry)
        return;
    state_by(model, entry->state, -1);
    idtable_remove(&model->ids, entry);
    open_by(model, -1);
}

/* ---- addresses ---- */

static bool is_out(uint32_t state)
{
    return state == ADDRESS_ejected || state == ADDRESS_probing;
}

void entity_address_state(struct step *step, uint64_t id, uint32_t state)
{
    struct model_address *const address = entity_address(step, id);
    if (!address)
        return;
    if (is_out(state) == address->out)
        return;
    address->out = !address->out;
    if (address->out)
        address->out_since_ns = step->event->time;
    else if (step->event->time > address->out_since_ns)
        address->out_ns += (uint64_t)step->event->time - (uint64_t)address->out_since_ns;
}

/* ---- requests ---- */

enum { REQUEST_asked = 1, REQUEST_waits = 2 };

void entity_request_begin(struct step *step, uint64_t span)
{
    struct idtable_entry *const entry = span ? entry_put(step, ENTITY_request, span) : NULL;
    if (entry)
        entry->state = REQUEST_asked;
}

void entity_request_wait(struct step *step, uint64_t span)
{
    struct idtable_entry *const entry = idtable_find(&step->model->ids, group_of(step, ENTITY_request), span);
    if (!entry || entry->state == REQUEST_waits)
        return;
    entry->state = REQUEST_waits;
    step->model->waiting++;
}

void entity_request_end(struct step *step, uint64_t span)
{
    struct idtable_entry *const entry = idtable_find(&step->model->ids, group_of(step, ENTITY_request), span);
    if (!entry)
        return;
    const bool waited = entry->state == REQUEST_waits;
    idtable_remove(&step->model->ids, entry);
    if (waited)
        step->model->waiting--;
}

/* What a string field holds, cut to fit, without bytes that a terminal would obey. */
void value_text(const struct evtrail_value *value, char *text, size_t bytes)
{
    size_t length = value->data && !value->null ? value->bytes : 0;
    if (length >= bytes)
        length = bytes - 1;
    while (length > 0 && length < value->bytes && ((unsigned char)value->data[length] & 0xc0) == 0x80)
        length--; /* not within a character */
    if (length > 0)
        memcpy(text, value->data, length);
    text[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 32 || text[i] == 127)
            text[i] = '?';
}
