/* SPDX-License-Identifier: ISC
 *
 * Views of one's own: the settings of the configuration's [view NAME] sections.
 */
#include "custom_views.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32u

struct custom {
    struct view_ops ops;
    struct entity_settings settings;
    char name[32], title[32];
    struct column columns[COLUMNS_MAX];
    uint8_t numbers[COLUMNS_MAX];
};
struct custom_views {
    struct custom list[CUSTOM_VIEWS_MAX];
    unsigned count;
};

struct reading {
    const struct config *config;
    const char *section;
    char *error;
};

__attribute__((format(printf, 3, 4))) static int fault(struct reading *reading, const char *key, const char *format,
                                                       ...)
{
    va_list list;
    char *text = NULL;
    const char *const first = key ? key : config_key(reading->config, reading->section, 0, NULL);
    const char *const place = first ? config_place(reading->config, reading->section, first) : NULL;
    va_start(list, format);
    const int r = vasprintf(&text, format, list);
    va_end(list);
    if (r < 0 || asprintf(&reading->error, "%s: [%s] %s%s%s", place ? place : "?", reading->section, key ? key : "",
                          key ? ": " : "", text) < 0)
        reading->error = NULL;
    free(text);
    return -EINVAL;
}

/* The order is the section's; the name comes first. */
static int read_columns(struct reading *reading, struct custom *custom, const char *text)
{
    unsigned count = 1;
    custom->columns[0] = entity_columns[0];
    for (text += strspn(text, " \t,"); *text; text += strspn(text, " \t,")) {
        const size_t bytes = strcspn(text, " \t,");
        const int column = entity_column_named(text, bytes);
        if (column < 0)
            return fault(reading, "columns", "no column '%.*s'", (int)bytes, text);
        if (column > 0 && count < COLUMNS_MAX - 1) {
            custom->columns[count] = entity_columns[column];
            custom->columns[count].hidden = 0;
            custom->numbers[count++] = (uint8_t)column;
        }
        text += bytes;
    }
    custom->settings.columns = custom->columns;
    custom->settings.numbers = custom->numbers;
    return 0;
}

/* The table sorts by the first column that is said to be descending. */
static int read_sort(struct reading *reading, struct custom *custom, const char *text)
{
    const bool minus = *text == '-';
    bool found = false;
    if (!custom->settings.columns) {
        for (unsigned i = 0; i < entity_columns_count(); i++) {
            custom->columns[i] = entity_columns[i];
            custom->numbers[i] = (uint8_t)i;
        }
        custom->settings.columns = custom->columns;
        custom->settings.numbers = custom->numbers;
    }
    for (unsigned i = 0; i < COLUMNS_MAX && custom->columns[i].name; i++) {
        const bool is = strcmp(custom->columns[i].name, text + minus) == 0;
        custom->columns[i].descending = is && minus;
        found |= is;
    }
    return found ? 0 : fault(reading, "sort", "no column '%s' in it", text + minus);
}

static int read_number(struct reading *reading, const char *key, const char *text, unsigned *ret_number)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);
    if (end == text || *end || number > ENTITY_DEPTH_MAX)
        return fault(reading, key, "'%s' is not a number from 0 to %u", text, ENTITY_DEPTH_MAX);
    *ret_number = (unsigned)number;
    return 0;
}

static int read_filter(struct reading *reading, const char *text)
{
    struct entity_match *match = NULL;
    char *error = NULL;
    const int r = entity_match_new(&match, text, &error);
    if (r < 0)
        fault(reading, "filter", "%s", error ? error : "not a filter expression");
    free(error);
    entity_match_free(match);
    return r;
}

static int read_key(struct reading *reading, struct custom *custom, const char *key, const char *value)
{
    if (strcmp(key, "entities") == 0)
        custom->settings.classes = value;
    else if (strcmp(key, "columns") == 0 || strcmp(key, "sort") == 0)
        return 0; /* read before: one needs the other */
    else if (strcmp(key, "depth") == 0)
        return read_number(reading, key, value, &custom->settings.depth);
    else if (strcmp(key, "tree") == 0)
        custom->settings.flat = strcmp(value, "no") == 0 || strcmp(value, "off") == 0;
    else if (strcmp(key, "filter") == 0) {
        custom->settings.filter = value;
        return read_filter(reading, value);
    } else if (strcmp(key, "title") == 0)
        snprintf(custom->title, sizeof custom->title, "%s", value);
    else if (strcmp(key, "key") == 0 && value[0] > ' ' && value[0] < 127 && value[1] == '\0')
        custom->ops.key = value[0];
    else
        return fault(reading, key, "%s",
                     strcmp(key, "key") == 0
                         ? "one character"
                         : "no such setting; there are entities, columns, sort, depth, tree, filter, title and key");
    return 0;
}

static int read_section(struct reading *reading, struct custom *custom)
{
    const char *key, *value;
    *custom = (struct custom){.ops = entities_view};
    snprintf(custom->name, sizeof custom->name, "%s", reading->section + strlen("view "));
    snprintf(custom->title, sizeof custom->title, "%s", reading->section + strlen("view "));
    custom->ops.name = custom->settings.name = custom->name;
    custom->ops.title = custom->title;
    custom->ops.key = 0;
    custom->ops.text = "A view of the configuration: some classes of entities.";
    int r = 0;
    if ((value = config_get(reading->config, reading->section, "columns")) != NULL)
        r = read_columns(reading, custom, value);
    if (r == 0 && (value = config_get(reading->config, reading->section, "sort")) != NULL)
        r = read_sort(reading, custom, value);
    for (size_t i = 0; r == 0 && (key = config_key(reading->config, reading->section, i, &value)) != NULL; i++)
        r = read_key(reading, custom, key, value);
    return r;
}

static bool is_taken(const struct custom_views *made, const char *name)
{
    for (unsigned i = 0; views[i]; i++)
        if (strcmp(views[i]->name, name) == 0)
            return true;
    for (unsigned i = 0; i < made->count; i++)
        if (strcmp(made->list[i].name, name) == 0)
            return true;
    return false;
}

int custom_views_new(struct custom_views **ret_views, const struct config *config, char **ret_error)
{
    struct reading reading = {.config = config};
    struct custom_views *made = NULL;
    int r = 0;
    for (size_t i = 0; r == 0 && (reading.section = config_section(config, i)) != NULL; i++) {
        if (strncmp(reading.section, "view ", strlen("view ")) != 0)
            continue;
        if (!made && !(made = calloc(1, sizeof *made)))
            return -ENOMEM;
        if (made->count == CUSTOM_VIEWS_MAX)
            r = fault(&reading, NULL, "there are more than %u views", CUSTOM_VIEWS_MAX);
        else if (is_taken(made, reading.section + strlen("view ")))
            r = fault(&reading, NULL, "there is a view of this name");
        else if ((r = read_section(&reading, &made->list[made->count])) == 0)
            made->count++;
    }
    if (r < 0) {
        free(made);
        made = NULL;
        *ret_error = reading.error;
    }
    *ret_views = made;
    return r;
}

void custom_views_free(struct custom_views *made)
{
    free(made);
}

const struct view_ops *custom_view(const struct custom_views *made, unsigned index)
{
    return made && index < made->count ? &made->list[index].ops : NULL;
}

const struct entity_settings *custom_view_settings(const struct view_ops *ops)
{
    if (ops == &entities_view || ops->open != entities_view.open)
        return NULL;
    return &((const struct custom *)(const void *)ops)->settings;
}
