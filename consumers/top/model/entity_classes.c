/* SPDX-License-Identifier: ISC
 *
 * Classes of entities and their states; how states and counters are classed by words.
 */
#include "entity_private.h"
#include "config.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define WORD_BYTES 32u

static const struct word {
    const char *name;
    enum phase phase;
} phase_words[] = {
#define WORD(name, phase) {#name, PHASE_##phase},
#include "phase_words.def"
#undef WORD
};
static const char *const counter_words[] = {
#define WORD(name) #name,
#include "counter_words.def"
#undef WORD
};
static const char *const phase_names[PHASES] = {"other", "busy", "waiting", "idle"};

/* ---- words ---- */

const char *phase_name(enum phase phase)
{
    return phase_names[phase];
}

int phase_named(const char *name, enum phase *ret_phase)
{
    for (unsigned i = 0; i < PHASES; i++)
        if (strcmp(phase_names[i], name) == 0) {
            *ret_phase = i;
            return 0;
        }
    return -1;
}

/* Lower case, '-' and ' ' as '_'. */
static void plain_word(const char *text, size_t bytes, char word[WORD_BYTES])
{
    size_t used = 0;
    for (; used < bytes && used < WORD_BYTES - 1 && text[used]; used++) {
        const char c = text[used];
        word[used] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (c == '-' || c == ' ')
            word[used] = '_';
    }
    word[used] = '\0';
}

bool entity_word_phase(const char *text, size_t bytes, enum phase *ret_phase)
{
    char word[WORD_BYTES];
    plain_word(text, bytes, word);
    for (unsigned i = 0; i < sizeof phase_words / sizeof *phase_words; i++)
        if (strcmp(phase_words[i].name, word) == 0) {
            *ret_phase = phase_words[i].phase;
            return true;
        }
    return false;
}

/* The value of the first key that is `exact`, fits it as a pattern, or is `general`; in this order. */
static const char *setting_of(const struct config *config, const char *section, const char *exact, const char *general)
{
    const char *value = config_get(config, section, exact), *key;
    for (size_t i = 0; !value && (key = config_key(config, section, i, &value)) != NULL; i++)
        if (fnmatch(key, exact, 0) != 0)
            value = NULL;
    return value ? value : config_get(config, section, general);
}

enum phase entity_phase_of(const struct config *config, const char *class, const char *state)
{
    char exact[CLASS_NAME_BYTES + STATE_NAME_BYTES + 2];
    snprintf(exact, sizeof exact, "%s.%s", class, state);
    const char *const value = setting_of(config, "states", exact, state);
    enum phase phase;
    if (value && phase_named(value, &phase) == 0)
        return phase;
    if (entity_word_phase(state, strlen(state), &phase))
        return phase;
    const size_t bytes = strlen(state);
    return bytes > 4 && strcmp(state + bytes - 3, "ing") == 0 ? PHASE_busy : PHASE_other; /* "brewing" */
}

const char *entity_last_part(const char *name)
{
    const char *const dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static bool is_counter_word(const char *text)
{
    char word[WORD_BYTES];
    plain_word(text, strlen(text), word);
    for (unsigned i = 0; i < sizeof counter_words / sizeof *counter_words; i++)
        if (strcmp(counter_words[i], word) == 0)
            return true;
    return false;
}

bool entity_counter_waits(const struct config *config, const struct evtrail_event_type *type)
{
    const char *const value = setting_of(config, "counters", type->name, entity_last_part(type->name));
    if (value)
        return strcmp(value, "waiting") == 0;
    return is_counter_word(entity_last_part(type->name)) ||
           (type->fields_count > 0 && is_counter_word(type->fields[0].name));
}

/* ---- classes ---- */

struct entity_class *entity_class_named(const struct entities *entities, const char *name)
{
    for (uint32_t i = 0; i < entities->classes_count; i++)
        if (strncmp(entities->classes[i]->name, name, CLASS_NAME_BYTES - 1) == 0)
            return entities->classes[i];
    return NULL;
}

/* [entities] CLASS.parent = CLASS: as far as both are known. */
static void set_parent(struct entities *entities, struct entity_class *class)
{
    char key[CLASS_NAME_BYTES + 8];
    snprintf(key, sizeof key, "%s.parent", class->name);
    const char *const parent = config_get(entities->part.model->options.config, "entities", key);
    const struct entity_class *const of = parent ? entity_class_named(entities, parent) : NULL;
    class->fixed_parent = parent != NULL;
    if (parent)
        class->parent = of ? (uint16_t)(of->number + 1) : 0;
}

struct entity_class *entity_class_make(struct entities *entities, const char *name)
{
    struct entity_class *class = entity_class_named(entities, name);
    if (class)
        return class;
    if (entities->classes_count == CLASSES_MAX || !(class = part_take(&entities->part, sizeof *class)))
        return NULL;
    snprintf(class->name, sizeof class->name, "%s", name);
    class->number = (uint16_t)entities->classes_count;
    entities->classes[entities->classes_count++] = class;
    for (uint32_t i = 0; i < entities->classes_count; i++)
        set_parent(entities, entities->classes[i]);
    entities->generation++;
    return class;
}

uint8_t entity_class_state(struct entities *entities, struct entity_class *class, const char *text, size_t bytes)
{
    char name[STATE_NAME_BYTES];
    const size_t kept = bytes < sizeof name - 1 ? bytes : sizeof name - 1;
    memcpy(name, text, kept);
    name[kept] = '\0';
    for (uint8_t i = 0; i < class->states_count; i++)
        if (strcmp(class->states[i].name, name) == 0)
            return i;
    if (class->states_count == CLASS_STATES_MAX)
        return CLASS_STATES_MAX - 1;
    const bool last = class->states_count == CLASS_STATES_MAX - 1;
    const uint8_t place = class->states_count++;
    snprintf(class->states[place].name, STATE_NAME_BYTES, "%s", last ? "(other)" : name);
    class->states[place].phase = (uint8_t)entity_phase_of(entities->part.model->options.config, class->name, name);
    return place;
}

uint32_t entity_classes_count(const struct entities *entities)
{
    return entities->classes_count;
}

const struct entity_class *entity_class_at(const struct entities *entities, uint32_t number)
{
    return number < entities->classes_count ? entities->classes[number] : NULL;
}
