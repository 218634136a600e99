/* SPDX-License-Identifier: ISC
 *
 * Filter expressions as they are typed.
 */
#include "filter_text.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 4096u
#define WORD_BYTES 160
#define EXPANDED_MAX 4095u /* of an expression */
#define LINES_LOOKED 256u

static const char *const words[] = {"level",  "dur",    "time",  "tid",   "thread", "pid",     "process", "machine",
                                    "cpu",    "ring",   "kind",  "name",  "has(",   "$entity", "$parent", "$span",
                                    "$state", "$value", "$name", "$flow", "label.", "true",    "false",   "null"};

/* ---- what was found ---- */

struct found {
    char (*list)[WORD_BYTES];
    size_t count;
    const char *prefix;
    size_t prefix_bytes;
};

static void offer(struct found *found, const char *text, size_t bytes)
{
    if (bytes < found->prefix_bytes || bytes >= WORD_BYTES || found->count == FOUND_MAX || bytes == 0 ||
        memcmp(text, found->prefix, found->prefix_bytes) != 0)
        return;
    for (size_t i = 0; i < bytes; i++) /* untrusted: only what can be typed */
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return;
    if (found->count > 0 && strncmp(found->list[found->count - 1], text, bytes) == 0 &&
        found->list[found->count - 1][bytes] == '\0')
        return;
    memcpy(found->list[found->count], text, bytes);
    found->list[found->count++][bytes] = '\0';
}

static void offer_text(struct found *found, const char *text)
{
    offer(found, text, strlen(text));
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void sort(struct found *found)
{
    size_t kept = 0;
    qsort(found->list, found->count, sizeof *found->list, compare);
    for (size_t i = 0; i < found->count; i++)
        if (i == 0 || strcmp(found->list[i], found->list[kept - 1]) != 0)
            memmove(found->list[kept++], found->list[i], WORD_BYTES);
    found->count = kept;
}

/* ---- where the word stands ---- */

static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte && strchr("_.:@$-*?", byte));
}

static size_t word_start(const char *text, size_t end)
{
    while (end > 0 && is_word(text[end - 1]))
        end--;
    return end;
}

/* The word before the comparison before `at`, or false: none is there. */
static bool compared_word(const char *text, size_t at, char *word, size_t size)
{
    size_t end = at;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    const size_t behind = end;
    while (end > 0 && strchr("=<>!~", text[end - 1]))
        end--;
    if (end == behind)
        return false;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    const size_t start = word_start(text, end);
    snprintf(word, size, "%.*s", (int)(end - start), text + start);
    return end > start;
}

/* ---- offers ---- */

typedef void visit_type(struct found *found, const struct evtrail_event_type *type, const char *word);

static void each_type(struct top *top, struct found *found, visit_type *visit, const char *word)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(top->feed), &sources);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t id = 0; id < sources[i]->types_count; id++)
            if (sources[i]->types[id])
                visit(found, sources[i]->types[id], word);
}

static void offer_names(struct found *found, const struct evtrail_event_type *type, const char *word)
{
    (void)word;
    for (const char *dot = strchr(type->name, '.'); dot; dot = strchr(dot + 1, '.'))
        offer(found, type->name, (size_t)(dot - type->name));
    offer_text(found, type->name);
    for (unsigned i = 0; i < type->fields_count; i++)
        offer_text(found, type->fields[i].name);
}

static void offer_enum(struct found *found, const char *enums)
{
    while (*enums) {
        const char *equals = strchr(enums, '='), *end = strchrnul(enums, ',');
        if (equals && equals < end)
            offer(found, equals + 1, (size_t)(end - equals - 1));
        enums = *end ? end + 1 : end;
    }
}

static void offer_values(struct found *found, const struct evtrail_event_type *type, const char *word)
{
    const char *const field = strncmp(word, "field.", 6) == 0 ? word + 6 : word;
    for (unsigned i = 0; i < type->fields_count; i++) {
        const bool state = strcmp(word, "$state") == 0 && type->fields[i].role == EVTRAIL_ROLE_state;
        if (!state && strcmp(type->fields[i].name, field) != 0)
            continue;
        offer_enum(found, type->fields[i].enums);
        if (type->fields[i].type == EVTRAIL_TYPE_bool) {
            offer_text(found, "true");
            offer_text(found, "false");
        }
    }
}

static void offer_processes(struct top *top, struct found *found, bool pids)
{
    struct evtrail_source *const *sources;
    char pid[16];
    const uint32_t count = evtrail_reader_sources(feed_reader(top->feed), &sources);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(pid, sizeof pid, "%u", sources[i]->pid);
        offer_text(found, pids ? pid : sources[i]->command);
    }
}

static void offer_hosts(struct top *top, struct found *found)
{
    const struct host_list *const hosts = top_hosts(top);
    for (uint32_t i = 0; i < hosts->count; i++)
        offer_text(found, hosts->list[i].name);
}

static void see_labels(void *context, const struct evtrail_event *event)
{
    char key[80];
    for (unsigned i = 0; event->labels && i < 4; i++) {
        snprintf(key, sizeof key, "label.%.64s", event->labels[i].key);
        if (event->labels[i].key[0])
            offer_text(context, key);
    }
}

static void offer_labels(struct top *top, struct found *found)
{
    struct feed_lines *lines;
    if (feed_lines_new(&lines, top->feed) < 0)
        return;
    feed_lines_last(lines, INT64_MAX, LINES_LOOKED, NULL, see_labels, found);
    feed_lines_free(lines);
}

static void offer_saved(const struct config *config, struct found *found)
{
    char name[WORD_BYTES];
    const char *key, *value;
    for (size_t i = 0; (key = config_key(config, "filters", i, &value)); i++) {
        snprintf(name, sizeof name, "@%s", key);
        offer_text(found, name);
    }
}

static void offer_for(struct top *top, struct found *found, const char *word)
{
    if (strcmp(word, "level") == 0)
        for (unsigned level = 1; level <= 6; level++)
            offer_text(found, evtrail_level_name(level));
    else if (strcmp(word, "kind") == 0)
        for (unsigned kind = 0; kind < EVTRAIL_KINDS; kind++)
            offer_text(found, evtrail_kind_name(kind));
    else if (strcmp(word, "machine") == 0)
        offer_hosts(top, found);
    else if (strcmp(word, "process") == 0 || strcmp(word, "pid") == 0)
        offer_processes(top, found, word[1] == 'i');
    else
        each_type(top, found, offer_values, word);
}

static void offer_terms(struct top *top, struct found *found)
{
    if (found->prefix[0] == '@') {
        offer_saved(top->config, found);
        return;
    }
    if (strncmp(found->prefix, "label.", 6) == 0) {
        offer_labels(top, found);
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        offer_text(found, words[i]);
    each_type(top, found, offer_names, NULL);
    if (found->prefix_bytes == 0)
        offer_saved(top->config, found);
}

bool filter_complete(struct top *top, void *context, const char *typed, size_t index, char *buffer, size_t size)
{
    char word[WORD_BYTES];
    const size_t start = word_start(typed, strlen(typed));
    struct found found = {.prefix = typed + start, .prefix_bytes = strlen(typed + start)};
    (void)context;
    found.list = malloc(FOUND_MAX * sizeof *found.list);
    if (!found.list)
        return false;
    if (compared_word(typed, start, word, sizeof word))
        offer_for(top, &found, word);
    else
        offer_terms(top, &found);
    sort(&found);
    if (index < found.count && strcmp(found.list[index], found.prefix) == 0)
        index++; /* what stands there already: it is the first in the order */
    const bool there = index < found.count;
    if (there)
        snprintf(buffer, size, "%.*s%s", (int)start, typed, found.list[index]);
    free(found.list);
    return there;
}

/* ---- saved ones ---- */

static bool put(char *text, size_t *used, const char *more, size_t bytes)
{
    if (*used + bytes > EXPANDED_MAX)
        return false;
    memcpy(text + *used, more, bytes);
    *used += bytes;
    text[*used] = '\0';
    return true;
}

static void say(char **ret_error, const char *format, const char *text)
{
    if (ret_error && asprintf(ret_error, format, text) < 0)
        *ret_error = NULL;
}

/* What is saved under the name behind '@'; *ret_bytes: of the name. */
static const char *saved(const struct config *config, const char *name, size_t *ret_bytes, char **ret_error)
{
    char key[WORD_BYTES];
    *ret_bytes = 0;
    while (is_word(name[*ret_bytes]))
        ++*ret_bytes;
    snprintf(key, sizeof key, "%.*s", (int)*ret_bytes, name);
    const char *value = config_get(config, "filters", key);
    if (!value)
        say(ret_error, "no filter is saved as '@%s': the section [filters] of the configuration has them", key);
    return value;
}

/* '@' begins a name where a term can begin; elsewhere (time < @1795255200.5, "a@b") it is left as it is. */
static bool begins_name(const char *text, size_t at, char quote)
{
    const char next = text[at + 1];
    if (quote || text[at] != '@' || !((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z')))
        return false;
    return at == 0 || strchr(" (!&|", text[at - 1]) != NULL;
}

char *filter_expand(const struct config *config, const char *text, char **ret_error)
{
    char *expanded = malloc(EXPANDED_MAX + 1), quote = 0;
    size_t used = 0;
    bool fits = expanded != NULL;
    for (size_t i = 0; fits && text[i];) {
        size_t bytes = 1;
        if (begins_name(text, i, quote)) {
            const char *value = saved(config, text + i + 1, &bytes, ret_error);
            if (!value) {
                free(expanded);
                return NULL;
            }
            fits = put(expanded, &used, "(", 1) && put(expanded, &used, value, strlen(value)) &&
                   put(expanded, &used, ")", 1);
            i += bytes + 1;
            continue;
        }
        if (quote && text[i] == '\\' && text[i + 1])
            bytes = 2;
        else if (quote ? text[i] == quote : text[i] == '"' || text[i] == '\'')
            quote = quote ? 0 : text[i];
        fits = put(expanded, &used, text + i, bytes);
        i += bytes;
    }
    if (expanded)
        expanded[used] = '\0';
    if (fits)
        return expanded;
    say(ret_error, "%s", "the expression is too long");
    free(expanded);
    return NULL;
}
