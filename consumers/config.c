/* SPDX-License-Identifier: ISC
 *
 * Reads a configuration file: sections of `key = value` lines. Every fault is told with its line.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (256u << 10)

struct entry {
    const char *section, *key, *value; /* in the text */
    char *place;
};
struct config {
    char *text;
    char path[1024];
    struct entry *entries;
    size_t count, room;
    const char **sections; /* each once, in order */
    size_t sections_count, sections_room;
};

/* ---- the file ---- */

static int complain(char **ret_error, int error, const char *path, const char *what)
{
    if (ret_error && asprintf(ret_error, "%s: %s", path, what) < 0)
        *ret_error = NULL;
    return error;
}

static int complain_line(char **ret_error, const struct config *config, unsigned line, const char *what,
                         const char *word)
{
    if (ret_error && asprintf(ret_error, "%s:%u: %s: %.80s", config->path, line, what, word) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

static int place_of(const char *path, char *buffer, size_t size)
{
    const char *const base = getenv("XDG_CONFIG_HOME"), *const home = getenv("HOME");
    int n;
    if (path)
        n = snprintf(buffer, size, "%s", path);
    else if (base && *base)
        n = snprintf(buffer, size, "%s/evtrail/top.conf", base);
    else
        n = home && *home ? snprintf(buffer, size, "%s/.config/evtrail/top.conf", home) : 0;
    return n <= 0 ? -ENOENT : (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int read_all(int fd, char **ret_text)
{
    char *const text = malloc(FILE_BYTES + 2);
    size_t used = 0;
    ssize_t n = text ? 1 : 0;
    while (n > 0 && used <= FILE_BYTES) {
        n = read(fd, text + used, FILE_BYTES + 1 - used);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            used += (size_t)n;
    }
    const int error = !text ? -ENOMEM : n < 0 ? -errno : used > FILE_BYTES ? -E2BIG : 0;
    if (error < 0) {
        free(text);
        return error;
    }
    text[used] = '\0';
    if (strlen(text) != used) { /* a binary file */
        free(text);
        return -EILSEQ;
    }
    *ret_text = text;
    return 0;
}

static int file_read(struct config *config, char **ret_error)
{
    const int fd = open(config->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return complain(ret_error, -errno, config->path, strerror(errno));
    const int r = read_all(fd, &config->text);
    close(fd);
    if (r == -E2BIG)
        return complain(ret_error, r, config->path, "is larger than 256 KiB: no configuration of evtrail");
    if (r == -EILSEQ)
        return complain(ret_error, -EINVAL, config->path, "holds NUL bytes: no configuration of evtrail");
    return r < 0 ? complain(ret_error, r, config->path, strerror(-r)) : 0;
}

/* ---- lines ---- */

static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/* A '#' with blanks around it, or at the beginning of the line, begins a remark. */
static void without_remark(char *line)
{
    for (char *at = line; *at; at++)
        if (*at == '#' && (at == line || isspace((unsigned char)at[-1])) &&
            (at == line || !at[1] || isspace((unsigned char)at[1]))) {
            *at = '\0';
            return;
        }
}

static int section_add(struct config *config, char *line, unsigned number, const char **section, char **ret_error)
{
    char *const end = strchr(line, ']');
    if (!end || end[1])
        return complain_line(ret_error, config, number, "a section is [NAME] on a line of its own", line);
    *end = '\0';
    *section = trimmed(line + 1);
    for (size_t i = 0; i < config->sections_count; i++)
        if (strcmp(config->sections[i], *section) == 0)
            return 0;
    if (config->sections_count == config->sections_room) {
        const size_t room = config->sections_room * 2 + 8;
        const char **const sections = realloc(config->sections, room * sizeof *sections);
        if (!sections)
            return -ENOMEM;
        config->sections = sections;
        config->sections_room = room;
    }
    config->sections[config->sections_count++] = *section;
    return 0;
}

static const struct entry *find(const struct config *config, const char *section, const char *key)
{
    for (size_t i = 0; config && i < config->count; i++)
        if (strcmp(config->entries[i].section, section) == 0 && strcmp(config->entries[i].key, key) == 0)
            return &config->entries[i];
    return NULL;
}

static int entry_add(struct config *config, struct entry entry, unsigned number)
{
    if (config->count == config->room) {
        const size_t room = config->room * 2 + 16;
        struct entry *const entries = realloc(config->entries, room * sizeof *entries);
        if (!entries)
            return -ENOMEM;
        config->entries = entries;
        config->room = room;
    }
    if (asprintf(&entry.place, "%s:%u", config->path, number) < 0)
        return -ENOMEM;
    config->entries[config->count++] = entry;
    return 0;
}

static int line_take(struct config *config, char *line, unsigned number, const char **section, char **ret_error)
{
    without_remark(line);
    line = trimmed(line);
    if (!*line)
        return 0;
    if (*line == '[')
        return section_add(config, line, number, section, ret_error);
    char *const equals = strchr(line, '=');
    if (!equals || equals == line)
        return complain_line(ret_error, config, number, "neither [SECTION] nor KEY = VALUE", line);
    if (!*section)
        return complain_line(ret_error, config, number, "a key before the first [SECTION]", line);
    *equals = '\0';
    const struct entry entry = {.section = *section, .key = trimmed(line), .value = trimmed(equals + 1)};
    if (find(config, entry.section, entry.key))
        return complain_line(ret_error, config, number, "given twice in this section", entry.key);
    return entry_add(config, entry, number);
}

static int parse(struct config *config, char **ret_error)
{
    const char *section = NULL;
    char *rest = config->text;
    for (unsigned number = 1; rest; number++) {
        char *const line = strsep(&rest, "\n");
        const int r = line_take(config, line, number, &section, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

int config_load(struct config **ret_config, const char *path, char **ret_error)
{
    struct config *const config = calloc(1, sizeof *config);
    if (!config)
        return -ENOMEM;
    if (ret_error)
        *ret_error = NULL;
    int r = place_of(path, config->path, sizeof config->path);
    if (r == 0)
        r = file_read(config, ret_error);
    if (r == 0)
        r = parse(config, ret_error);
    if (r < 0) {
        config_free(config);
        return r;
    }
    *ret_config = config;
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->count; i++)
        free(config->entries[i].place);
    free(config->entries);
    free(config->sections);
    free(config->text);
    free(config);
}

/* ---- asking ---- */

const char *config_get(const struct config *config, const char *section, const char *key)
{
    const struct entry *const entry = find(config, section, key);
    return entry ? entry->value : NULL;
}

const char *config_key(const struct config *config, const char *section, size_t index, const char **ret_value)
{
    for (size_t i = 0; config && i < config->count; i++) {
        if (strcmp(config->entries[i].section, section) != 0 || index-- > 0)
            continue;
        if (ret_value)
            *ret_value = config->entries[i].value;
        return config->entries[i].key;
    }
    return NULL;
}

const char *config_section(const struct config *config, size_t index)
{
    return config && index < config->sections_count ? config->sections[index] : NULL;
}

const char *config_place(const struct config *config, const char *section, const char *key)
{
    const struct entry *const entry = find(config, section, key);
    return entry ? entry->place : NULL;
}
