/* SPDX-License-Identifier: ISC
 *
 * The filter language over what is known of an entity: it is put as an event whose fields are the columns.
 */
#include "entity_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers, then words. "pid" and "process" are those of the event's source. */
static const char *const numbers[] = {"id",       "age",           "in_state",      "last",
                                      "uses",     "bytes",         "errors",        "waiters",
                                      "children", "children_busy", "children_idle", "children_waiting",
                                      "events",   "busy",          "waiting",       "idle"};
static const char *const words[] = {"class", "state", "label", "parent", "error"};
#define NUMBERS (sizeof numbers / sizeof *numbers)
#define WORDS (sizeof words / sizeof *words)
#define FIELDS (NUMBERS + WORDS)
#define WORD_BYTES 104u

struct entity_match {
    struct evtrail_filter *filter;
    struct evtrail_field fields[FIELDS];
    struct evtrail_event_type type;
    uint8_t columns[FIELDS];
};

int entity_match_new(struct entity_match **ret_match, const char *text, char **ret_error)
{
    struct entity_match *const match = calloc(1, sizeof *match);
    if (!match)
        return -ENOMEM;
    const int r = evtrail_filter_new(&match->filter, text, ret_error);
    if (r < 0) {
        free(match);
        return r;
    }
    for (unsigned i = 0; i < FIELDS; i++) {
        const char *const name = i < NUMBERS ? numbers[i] : words[i - NUMBERS];
        const char *const column = strcmp(name, "label") == 0 ? "name" : name;
        match->columns[i] = (uint8_t)entity_column_named(column, strlen(column));
        match->fields[i] = (struct evtrail_field){.name = name, .unit = "", .doc = "", .enums = ""};
        match->fields[i].type = i < NUMBERS ? EVTRAIL_TYPE_u64 : EVTRAIL_TYPE_string;
        const enum value_kind kind = entity_columns[match->columns[i]].kind;
        if (kind == VALUE_percent)
            match->fields[i].type = EVTRAIL_TYPE_f64;
        match->fields[i].unit = kind == VALUE_duration ? "ns" : kind == VALUE_bytes ? "bytes" : "";
    }
    match->type = (struct evtrail_event_type){.name = "entity",
                                              .level = EVTRAIL_LEVEL_info,
                                              .kind = EVTRAIL_KIND_instant,
                                              .doc = "",
                                              .file = "",
                                              .function = "",
                                              .fields_count = FIELDS,
                                              .fields = match->fields};
    *ret_match = match;
    return 0;
}

void entity_match_free(struct entity_match *match)
{
    if (!match)
        return;
    evtrail_filter_free(match->filter);
    free(match);
}

static uint64_t number_word(const struct value *value, const struct entity *entity, unsigned field)
{
    uint64_t word = value->exact;
    if (field == 0)
        return entity->id;
    if (value->kind == VALUE_percent)
        memcpy(&word, &value->number, sizeof word);
    return word;
}

static uint32_t put_words(uint64_t *payload, const char *text)
{
    size_t bytes = strlen(text);
    bytes = bytes < WORD_BYTES ? bytes : WORD_BYTES;
    payload[(bytes + 7) / 8] = 0; /* what pads the last word */
    payload[0] = bytes;
    memcpy(payload + 1, text, bytes);
    return 1 + (uint32_t)(bytes + 7) / 8;
}

bool entity_match(const struct entity_match *match, const struct entities *entities, const struct entity *entity)
{
    static const struct evtrail_label labels[4];
    uint64_t payload[NUMBERS + WORDS * (2 + WORD_BYTES / 8)];
    const struct entity_rows rows = {.entities = (struct entities *)(uintptr_t)entities};
    const struct entity_row row = {.entity = (struct entity *)(uintptr_t)entity, .serial = entity->serial};
    const struct entity_source *const of = entity_source_of(entities, entity);
    struct evtrail_source source = {.pid = of->pid,
                                    .session_id = of->key,
                                    .command = of->command,
                                    .program = "",
                                    .host = entity_host(entities, entity),
                                    .boot_id = ""};
    uint32_t used = 0;
    for (unsigned i = 0; i < FIELDS; i++) {
        struct value value;
        value.kind = VALUE_none;
        value.exact = 0;
        value.number = 0;
        value.text[0] = '\0';
        entity_value(&rows, &row, match->columns[i], &value);
        if (i < NUMBERS)
            payload[used++] = number_word(&value, entity, i);
        else
            used += put_words(payload + used, value.text);
    }
    const struct evtrail_event event = {.what = EVTRAIL_EVENT,
                                        .time = entity->last_ns,
                                        .source = &source,
                                        .type = &match->type,
                                        .tid = entity->tid,
                                        .thread_name = "",
                                        .payload = payload,
                                        .words = used,
                                        .labels = labels,
                                        .duration = -1};
    return evtrail_filter_match(match->filter, &event);
}
