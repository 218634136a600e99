/* SPDX-License-Identifier: ISC
 *
 * Names of keys, sequences of them, and which action they mean.
 */
#include "keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_MAX 2
#define BINDINGS_MAX 512

const struct action_spec action_specs[ACTIONS] = {
    [ACTION_none] = {.name = "none", .keys = "", .group = "", .text = ""},
#define ACTION(name_, keys_, group_, text_) \
    [ACTION_##name_] = {.name = #name_, .keys = keys_, .group = #group_, .text = text_},
#include "actions.def"
#undef ACTION
};

struct sequence {
    uint32_t keys[SEQUENCE_MAX];
    unsigned count;
};
struct binding {
    struct sequence sequence;
    enum action action;
};
struct keys {
    struct binding bindings[BINDINGS_MAX];
    unsigned count;
    struct sequence pending;
};

/* ---- names ---- */

static const struct {
    const char *name;
    uint32_t key;
} names[] = {
    {"up", KEYCODE_up},
    {"down", KEYCODE_down},
    {"left", KEYCODE_left},
    {"right", KEYCODE_right},
    {"pgup", KEYCODE_pgup},
    {"pgdn", KEYCODE_pgdn},
    {"home", KEYCODE_home},
    {"end", KEYCODE_end},
    {"backspace", KEYCODE_backspace},
    {"delete", KEYCODE_delete},
    {"backtab", KEYCODE_backtab},
    {"enter", KEYCODE_enter},
    {"esc", KEYCODE_escape},
    {"space", ' '},
    {"tab", '\t'},
};

static bool name_of(const char *text, size_t bytes, uint32_t *ret_key)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == bytes && strncmp(names[i].name, text, bytes) == 0) {
            *ret_key = names[i].key;
            return true;
        }
    if (bytes < 2 || bytes > 3 || text[0] != 'f' || !isdigit((unsigned char)text[1]))
        return false;
    const int number = atoi(text + 1);
    if (number < 1 || number > 12)
        return false;
    *ret_key = KEYCODE_f1 + (uint32_t)number - 1;
    return true;
}

/* "x", "^x" or a sequence of such. Only ASCII: what another keyboard sends is not what this one has. */
static bool characters_of(const char *text, size_t bytes, struct sequence *sequence)
{
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char at = (unsigned char)text[i];
        if (sequence->count == SEQUENCE_MAX || at <= ' ' || at >= 0x7f)
            return false;
        if (at == '^' && i + 1 < bytes && isalpha((unsigned char)text[i + 1]))
            sequence->keys[sequence->count++] = (uint32_t)toupper((unsigned char)text[++i]) & 0x1f;
        else
            sequence->keys[sequence->count++] = at;
    }
    return bytes > 0;
}

static bool sequence_of(const char *text, size_t bytes, struct sequence *ret_sequence)
{
    *ret_sequence = (struct sequence){0};
    if (name_of(text, bytes, &ret_sequence->keys[0])) {
        ret_sequence->count = 1;
        return true;
    }
    return characters_of(text, bytes, ret_sequence);
}

static size_t key_text(uint32_t key, char *buffer, size_t size)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].key == key)
            return (size_t)snprintf(buffer, size, "%s", names[i].name);
    if (key >= KEYCODE_f1 && key <= KEYCODE_f12)
        return (size_t)snprintf(buffer, size, "f%u", key - KEYCODE_f1 + 1);
    if (key < ' ')
        return (size_t)snprintf(buffer, size, "^%c", tolower((int)key | 0x40));
    return (size_t)snprintf(buffer, size, "%c", key < 0x7f ? (char)key : '?');
}

/* ---- binding ---- */

static bool same(const struct sequence *a, const struct sequence *b, unsigned count)
{
    return a->count >= count && b->count >= count && memcmp(a->keys, b->keys, count * sizeof *a->keys) == 0;
}

static void unbind(struct keys *keys, enum action action, const struct sequence *sequence)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < keys->count; i++) {
        const struct binding *const binding = &keys->bindings[i];
        const bool is =
            sequence ? binding->sequence.count == sequence->count && same(&binding->sequence, sequence, sequence->count)
                     : binding->action == action;
        if (!is)
            keys->bindings[kept++] = *binding;
    }
    keys->count = kept;
}

/* The words of `text`, each a key or sequence. What is no such word is in *ret_bad. */
static int bind_words(struct keys *keys, enum action action, const char *text, const char **ret_bad)
{
    for (*ret_bad = text; *text; *ret_bad = text) {
        const size_t bytes = strcspn(text, " \t");
        struct sequence sequence;
        if (bytes > 0 && !sequence_of(text, bytes, &sequence))
            return -EINVAL;
        if (bytes > 0 && action != ACTION_none) {
            unbind(keys, ACTION_none, &sequence); /* the latest has it */
            if (keys->count == BINDINGS_MAX)
                return -EINVAL;
            keys->bindings[keys->count++] = (struct binding){.sequence = sequence, .action = action};
        }
        text += bytes;
        text += strspn(text, " \t");
    }
    return 0;
}

int keys_new(struct keys **ret_keys)
{
    const char *bad;
    struct keys *const keys = calloc(1, sizeof *keys);
    if (!keys)
        return -ENOMEM;
    for (enum action action = ACTION_none + 1; action < ACTIONS; action++)
        bind_words(keys, action, action_specs[action].keys, &bad);
    *ret_keys = keys;
    return 0;
}

void keys_free(struct keys *keys)
{
    free(keys);
}

static int refuse(char **ret_error, const char *what, const char *word, const char *todo)
{
    if (ret_error && asprintf(ret_error, "'%.*s' %s; %s", (int)strcspn(word, " \t"), word, what, todo) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

int keys_bind(struct keys *keys, const char *action, const char *text, char **ret_error)
{
    enum action found = ACTION_none + 1;
    const char *bad;
    while (found < ACTIONS && strcmp(action_specs[found].name, action) != 0)
        found++;
    if (found == ACTIONS)
        return refuse(ret_error, "is no action", action, "`evtrail help top` lists them");
    if (bind_words(keys, ACTION_none, text, &bad) < 0)
        return refuse(ret_error, "is no key", bad, "as in: x ^x gg f5 space enter esc pgdn");
    unbind(keys, found, NULL);
    bind_words(keys, found, text, &bad);
    return 0;
}

/* ---- what is pressed ---- */

/* The action of the sequence so far; *ret_more: it begins a longer one. */
static enum action lookup(const struct keys *keys, const struct sequence *sequence, bool *ret_more)
{
    enum action action = ACTION_none;
    *ret_more = false;
    for (unsigned i = 0; i < keys->count; i++) {
        const struct binding *const binding = &keys->bindings[i];
        if (!same(&binding->sequence, sequence, sequence->count))
            continue;
        if (binding->sequence.count == sequence->count)
            action = binding->action;
        else
            *ret_more = true;
    }
    return action;
}

enum action keys_action(struct keys *keys, uint32_t key, bool *ret_pending)
{
    struct sequence *const pending = &keys->pending;
    const bool begun = pending->count > 0;
    *ret_pending = false;
    if (begun && key == KEYCODE_escape) {
        pending->count = 0;
        return ACTION_none;
    }
    pending->keys[pending->count++] = key;
    const enum action action = lookup(keys, pending, ret_pending);
    *ret_pending = *ret_pending && action == ACTION_none && pending->count < SEQUENCE_MAX;
    if (*ret_pending)
        return ACTION_none;
    pending->count = 0;
    return action == ACTION_none && begun ? keys_action(keys, key, ret_pending) : action;
}

size_t keys_text(const struct keys *keys, enum action action, char *buffer, size_t size)
{
    size_t used = 0;
    if (size > 0)
        buffer[0] = '\0';
    for (unsigned i = 0; i < keys->count; i++) {
        const struct binding *const binding = &keys->bindings[i];
        char name[64];
        size_t bytes = 0;
        if (binding->action != action)
            continue;
        for (unsigned k = 0; k < binding->sequence.count; k++)
            bytes += key_text(binding->sequence.keys[k], name + bytes, sizeof name - bytes);
        const int n =
            snprintf(used < size ? buffer + used : NULL, used < size ? size - used : 0, "%s%s", used ? ", " : "", name);
        used += n > 0 ? (size_t)n : 0;
    }
    return used;
}
