/* SPDX-License-Identifier: ISC
 *
 * The collector's settings: defaults, a configuration file, single ones by name.
 */
#include "ship/collect.h"

#include "cli.h"
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_text(const char **field, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free((char *)(uintptr_t)*field);
    *field = copy;
    return 0;
}

static int add_item(struct collect_text_list *list, const char *text, size_t bytes)
{
    const char **grown = realloc(list->items, (list->count + 1) * sizeof(char *));
    if (!grown)
        return -ENOMEM;
    list->items = grown;
    list->items[list->count] = strndup(text, bytes);
    return list->items[list->count] ? (int)list->count++ * 0 : -ENOMEM;
}

static int set_list(struct collect_text_list *list, const char *value)
{
    int r = 0;
    while (r == 0 && *(value += strspn(value, " \t,"))) {
        const size_t bytes = strcspn(value, " \t,");
        r = add_item(list, value, bytes);
        value += bytes;
    }
    return r;
}

static int set_size(uint64_t *field, const char *value)
{
    int64_t number;
    const int r = parse_size(value, &number);
    if (r == 0)
        *field = (uint64_t)number;
    return r;
}

static int set_count(uint64_t *field, const char *value)
{
    int64_t number;
    const int r = parse_count(value, &number);
    if (r == 0)
        *field = (uint64_t)number;
    return r;
}

static int set_duration(int64_t *field, const char *value)
{
    return parse_duration(value, field);
}

static int set_flag(bool *field, const char *value)
{
    if (strcmp(value, "yes") && strcmp(value, "no"))
        return -EINVAL;
    *field = value[0] == 'y';
    return 0;
}

/* "keep_size" is the setting of key "keep-size". */
static bool is_key(const char *field, const char *key)
{
    for (; *field && *key; field++, key++)
        if (*key != *field && !(*key == '-' && *field == '_'))
            return false;
    return !*field && !*key;
}

/* -1: there is none. */
static int setting_of(const char *key)
{
#define X(name, type, preset, when) \
    if (is_key(#name, key)) \
        return COLLECT_##name;
    COLLECT_SETTINGS(X)
#undef X
    return -1;
}

static int say(struct collect_options *options, const char *place, const char *key, const char *value)
{
    char **said = &options->said[setting_of(key)], *text;
    if ((place ? asprintf(&text, "%s: %s = %s", place, key, value) : asprintf(&text, "--%s %s", key, value)) < 0)
        return -ENOMEM;
    for (char *at = place ? text : text + strspn(text, "-"); !place && *at && *at != ' '; at++)
        *at = *at == '_' ? '-' : *at;
    free(*said);
    *said = text;
    return 0;
}

const char *collect_options_said(const struct collect_options *options, enum collect_setting setting)
{
    static const char *const flags[] = {
#define X(name, type, preset, when) [COLLECT_##name] = "--" #name,
        COLLECT_SETTINGS(X)
#undef X
    };
    static char flag[40];
    if (options->said[setting])
        return options->said[setting];
    snprintf(flag, sizeof(flag), "%s", flags[setting]);
    for (char *at = flag; *at; at++)
        *at = *at == '_' ? '-' : *at;
    return flag;
}

int collect_options_set(struct collect_options *options, const char *key, const char *value)
{
#define X(name, type, preset, when) \
    if (is_key(#name, key)) { \
        const int r = set_##type(&options->name, value); \
        return r < 0 ? r : say(options, NULL, key, value); \
    }
    COLLECT_SETTINGS(X)
#undef X
    return -ENOENT;
}

int collect_options_init(struct collect_options *options)
{
    int r = 0;
    memset(options, 0, sizeof(*options));
#define X(name, type, preset, when) r = r < 0 ? r : set_##type(&options->name, preset);
    COLLECT_SETTINGS(X)
#undef X
    return r;
}

static void free_text(const char **field)
{
    free((char *)(uintptr_t)*field);
}

static void free_list(struct collect_text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)(uintptr_t)list->items[i]);
    free(list->items);
}

static void free_size(const uint64_t *field)
{
    (void)field;
}

static void free_duration(const int64_t *field)
{
    (void)field;
}

static void free_flag(const bool *field)
{
    (void)field;
}
#define free_count free_size

void collect_options_fini(struct collect_options *options)
{
#define X(name, type, preset, when) free_##type(&options->name);
    COLLECT_SETTINGS(X)
#undef X
    for (size_t i = 0; i < COLLECT_SETTINGS_COUNT; i++)
        free(options->said[i]);
    memset(options, 0, sizeof(*options));
}

static int refuse_key(const struct config *config, const char *key, const char *value, int error, char **ret_error)
{
    const char *place = config_place(config, "collect", key);
    int n;
    if (error == -ENOENT)
        n = asprintf(ret_error, "%s: no setting \"%s\"; `evtrail help collect` lists them (flags without their --)",
                     place ? place : "", key);
    else
        n = asprintf(ret_error, "%s: %s = %s: %s", place ? place : "", key, value,
                     error == -ERANGE ? "out of range; `evtrail help collect` says what it takes"
                                      : "not a value of this setting; `evtrail help collect` says what it takes");
    if (n < 0)
        *ret_error = NULL;
    return -EINVAL;
}

static int refuse_section(const char *path, const char *section, char **ret_error)
{
    if (asprintf(ret_error, "%s: no section [%s]; settings of evtrail collect stand behind [collect]", path, section) <
        0)
        *ret_error = NULL;
    return -EINVAL;
}

int collect_options_read(struct collect_options *options, const char *path, char **ret_error)
{
    struct config *config;
    const char *section, *key, *value;
    int r = config_load(&config, path, ret_error);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && (section = config_section(config, i)); i++)
        if (strcmp(section, "collect") != 0 && strcmp(section, "send") != 0)
            r = refuse_section(path, section, ret_error);
    for (size_t i = 0; r == 0 && (key = config_key(config, "collect", i, &value)); i++) {
        r = collect_options_set(options, key, value);
        if (r == 0)
            r = say(options, config_place(config, "collect", key), key, value);
        if (r < 0 && r != -ENOMEM)
            r = refuse_key(config, key, value, r, ret_error);
    }
    config_free(config);
    return r;
}

static int refuse(char **ret_error, const struct collect_options *options, enum collect_setting setting,
                  const char *what)
{
    if (asprintf(ret_error, "%s: %s", collect_options_said(options, setting), what) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

/* Limits that leave no room for what they limit. */
static int check_limits(const struct collect_options *options, char **ret_error)
{
    if (options->batch_size < WIRE_PAYLOAD_LEAST)
        return refuse(ret_error, options, COLLECT_batch_size, "no sender could be served; at least 64K");
    if (options->senders == 0)
        return refuse(ret_error, options, COLLECT_senders, "lets nobody in; at least 1");
    if (options->memory && options->memory < options->batch_size)
        return refuse(ret_error, options, COLLECT_memory,
                      "less than one batch; say as much as --batch-size (3M) at least, or lower that");
    if (options->rotate_size && options->rotate_size < WIRE_PAYLOAD_LEAST)
        return refuse(ret_error, options, COLLECT_rotate_size, "each batch would be a file; at least 64K");
    const uint64_t part = options->rotate_size ? options->rotate_size : UINT64_C(64) << 20;
    static const char small[] = "less than one file (--rotate-size, 64M if it is not said), so that each would be "
                                "deleted as soon as it is whole; raise it, or lower --rotate-size";
    if (options->keep_size && options->keep_size < part)
        return refuse(ret_error, options, COLLECT_keep_size, small);
    if (options->process_keep_size && options->process_keep_size < part)
        return refuse(ret_error, options, COLLECT_process_keep_size, small);
    return 0;
}

int collect_options_check(const struct collect_options *options, char **ret_error)
{
    const char *what = NULL;
    if (!options->store[0])
        what = "no directory to store in; say --store DIR";
    else if (!options->listen.count)
        what = "no address to listen on; say --listen ADDRESS, for example --listen localhost, or --listen :7423 with "
               "--cert and --key";
    else if (!options->cert[0] != !options->key[0])
        what = "--cert and --key go together: the certificate chain, and its private key";
    else if (options->crl[0] && !options->client_ca[0])
        what = "--crl is of certificates that --client-ca signed; name that, too";
    else if (options->client_name.count && !options->client_ca[0])
        what = "--client-name is for certificates that --client-ca signed; name that, too";
    if (!what)
        return check_limits(options, ret_error);
    *ret_error = strdup(what);
    return -EINVAL;
}
