/* SPDX-License-Identifier: ISC
 *
 * The command line: getopt_long fed from the table, values checked by type, suggestions for words that are nearly right.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct option_spec option_specs[OPTIONS] = {
#define OPTION(ident, letter_, name_, type_, metavar_, completes_, text_) \
    [OPT_##ident] = {.name = name_, \
                     .metavar = metavar_, \
                     .text = text_, \
                     .letter = letter_, \
                     .type = TYPE_##type_, \
                     .completes = COMPLETES_##completes_},
#include "options.def"
#undef OPTION
};

/* ---- suggestions ----------------------------------------------------------------------------------------------------- */

/* Optimal string alignment distance (insert, delete, replace, swap neighbours), words up to 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
    const size_t m = strlen(a), n = strlen(b);
    if (m > 31 || n > 31)
        return 99;
    unsigned d[32][32];
    for (size_t i = 0; i <= m; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= n; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= m; i++)
        for (size_t j = 1; j <= n; j++) {
            const unsigned replace = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            unsigned least = d[i - 1][j] < d[i][j - 1] ? d[i - 1][j] + 1 : d[i][j - 1] + 1;
            if (replace < least)
                least = replace;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < least)
                least = d[i - 2][j - 2] + 1;
            d[i][j] = least;
        }
    return d[m][n];
}

const char *args_suggest(const char *word, const char *(*words)(size_t index, const void *context), size_t count,
                         const void *context)
{
    const char *best = NULL;
    unsigned best_distance = strlen(word) < 4 ? 2 : 3; /* less than this is near */
    for (size_t i = 0; i < count; i++) {
        const char *const candidate = words(i, context);
        if (!candidate)
            continue;
        const size_t length = strlen(word);
        const unsigned d = length >= 2 && strncmp(word, candidate, length) == 0 ? 1 : distance(word, candidate);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
    return best;
}

static const char *option_name(size_t index, const void *context)
{
    const struct subcommand *const command = context;
    return option_specs[command->options[index]].name;
}

static size_t options_count(const struct subcommand *command)
{
    size_t count = 0;
    while (command->options[count] != OPTIONS)
        count++;
    return count;
}

/* ---- values ---------------------------------------------------------------------------------------------------------- */

static int choice_index(const char *choices, const char *word, int64_t *ret_index)
{
    const size_t length = strlen(word);
    int64_t index = 0;
    for (const char *at = choices; *at; index++) {
        const size_t n = strcspn(at, "|");
        if (n == length && strncmp(at, word, n) == 0) {
            *ret_index = index;
            return 0;
        }
        at += n + (at[n] == '|');
    }
    return -EINVAL;
}

static int64_t realtime_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int list_add(struct text_list *list, const char *text)
{
    const char **const items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    list->items = items;
    list->items[list->count++] = text;
    return 0;
}

static int value_parse(struct args *args, unsigned id, const char *text)
{
    switch (option_specs[id].type) {
    case TYPE_list:
        return list_add(&args->list[id], text);
    case TYPE_count:
        return parse_count(text, &args->number[id]);
    case TYPE_size:
        return parse_size(text, &args->number[id]);
    case TYPE_duration:
        return parse_duration(text, &args->number[id]);
    case TYPE_moment:
        return parse_moment(text, realtime_now(), &args->number[id]);
    case TYPE_choice:
        return choice_index(option_specs[id].metavar, text, &args->number[id]);
    default:
        return 0;
    }
}

static const char *wanted(const struct option_spec *spec)
{
    static const char *const texts[] = {[TYPE_count] = "give a number like 1000 or 20k",
                                        [TYPE_size] = "give a size like 64K, 10M or 1G",
                                        [TYPE_duration] = "give a time like 500ms, 10s, 2m or 1h",
                                        [TYPE_moment] =
                                            "give a time like 2026-11-21T14:03:00, 14:03:00, @1795000000 or -10m"};
    return spec->type == TYPE_choice ? spec->metavar : texts[spec->type];
}

static int value_set(struct args *args, unsigned id, const char *text)
{
    const struct option_spec *const spec = &option_specs[id];
    args->set[id] = true;
    args->text[id] = text;
    const int r = value_parse(args, id, text);
    if (r == -ENOMEM)
        return fail(CODE_system, NULL, "out of memory");
    if (r == -ERANGE)
        return fail(CODE_usage, NULL, "--%s: '%s' is too large", spec->name, text);
    if (r < 0 && spec->type == TYPE_choice)
        return fail(CODE_usage, NULL, "--%s: '%s' is none of %s", spec->name, text, wanted(spec));
    return r < 0 ? fail(CODE_usage, NULL, "--%s: '%s' is not a value; %s", spec->name, text, wanted(spec)) : 0;
}

/* ---- getopt ---------------------------------------------------------------------------------------------------------- */

struct tables {
    char letters[2 * OPTIONS + 3];
    struct option longs[OPTIONS + 1];
};
enum { LONG_BASE = 1000 };

static void tables_make(struct tables *tables, const struct subcommand *command)
{
    char *letter = tables->letters;
    *letter++ = ':';
    size_t count = 0;
    for (const uint8_t *id = command->options; *id != OPTIONS; id++) {
        const struct option_spec *const spec = &option_specs[*id];
        const bool has_value = spec->type != TYPE_flag;
        if (spec->letter) {
            *letter++ = spec->letter;
            if (has_value)
                *letter++ = ':';
        }
        tables->longs[count++] =
            (struct option){spec->name, has_value ? required_argument : no_argument, NULL, LONG_BASE + *id};
    }
    *letter = '\0';
    tables->longs[count] = (struct option){0};
}

static unsigned id_of(const struct subcommand *command, int found)
{
    if (found >= LONG_BASE)
        return (unsigned)(found - LONG_BASE);
    for (const uint8_t *id = command->options; *id != OPTIONS; id++)
        if (option_specs[*id].letter == found)
            return *id;
    return OPTIONS;
}

static int unknown_option(const struct subcommand *command, char **argv)
{
    const char *const word = argv[optind - 1];
    if (optopt >= LONG_BASE) /* --flag=value */
        return fail(CODE_usage, NULL, "--%s takes no value", option_specs[optopt - LONG_BASE].name);
    if (optopt != 0)
        return fail(CODE_usage, NULL, "no option -%c; see evtrail help %s", optopt, command->name);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *const near = args_suggest(name, option_name, options_count(command), command);
    if (near)
        return fail(CODE_usage, NULL, "no option --%s; did you mean --%s?", name, near);
    return fail(CODE_usage, NULL, "no option --%s; see evtrail help %s", name, command->name);
}

/* Cuts the arguments at `--`: the options end at *ret_end. */
static int program_cut(struct args *args, int argc, char **argv, int *ret_end)
{
    *ret_end = argc;
    if (!args->command->program)
        return 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        if (!argv[i + 1])
            return fail(CODE_usage, NULL, "no command after --");
        args->program = &argv[i + 1];
        *ret_end = i;
        return 0;
    }
    return 0;
}

static int options_parse(struct args *args, int argc, char **argv)
{
    struct tables tables;
    tables_make(&tables, args->command);
    opterr = 0;
    optind = 0; /* starts glibc's scan afresh */
    for (int found; (found = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1;) {
        if (found == '?')
            return unknown_option(args->command, argv);
        if (found == ':')
            return fail(CODE_usage, NULL, "%s needs a value", argv[optind - 1]);
        const unsigned id = id_of(args->command, found);
        if (id == OPT_help)
            return -1;
        const int r = value_set(args, id, optarg);
        if (r != 0)
            return r;
    }
    args->operands = argv + optind;
    args->operands_count = argc - optind;
    return 0;
}

int args_parse(struct args *args, const struct subcommand *command, int argc, char **argv)
{
    *args = (struct args){.command = command};
    if (command->raw) {
        args->operands = argv + 1;
        args->operands_count = argc - 1;
        return 0;
    }
    int end;
    int r = program_cut(args, argc, argv, &end);
    if (r != 0)
        return r;
    char *const kept = argv[end];
    argv[end] = NULL;
    r = options_parse(args, end, argv);
    argv[end] = kept;
    return r;
}

/* Words of configuration files stay as long as the program. */
static struct text_list kept;

static int list_take(struct args *args, unsigned id, const char *text)
{
    const char *const between =
        option_specs[id].completes == COMPLETES_process ? "," : ";"; /* commas have a meaning in the others */
    args->set[id] = true;
    while (strpbrk(text, between)) {
        const size_t bytes = strcspn(text, between);
        char *const one = strndup(text, bytes);
        if (!one || list_add(&kept, one) < 0 || list_add(&args->list[id], one) < 0)
            return fail(CODE_system, NULL, "out of memory");
        text += bytes + strspn(text + bytes, ",; ");
    }
    return value_set(args, id, text);
}

int args_take(struct args *args, const char *name, const char *value)
{
    const uint8_t *id = args->command->options;
    while (*id != OPTIONS && (strcmp(option_specs[*id].name, name) != 0 || *id == OPT_help))
        id++;
    if (*id == OPTIONS)
        return -ENOENT;
    if (args->set[*id])
        return 0;
    if (option_specs[*id].type == TYPE_list)
        return list_take(args, *id, value);
    if (option_specs[*id].type != TYPE_flag)
        return value_set(args, *id, value);
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return fail(CODE_usage, NULL, "%s: '%s' is not a value; yes or no", name, value);
    args->set[*id] = *value == 'y';
    return 0;
}

int args_copy(struct args *ret_args, const struct args *args)
{
    *ret_args = *args;
    for (unsigned i = 0; i < OPTIONS; i++)
        ret_args->list[i] = (struct text_list){0};
    for (unsigned i = 0; i < OPTIONS; i++)
        for (size_t k = 0; k < args->list[i].count; k++)
            if (list_add(&ret_args->list[i], args->list[i].items[k]) < 0) {
                args_free(ret_args);
                return -ENOMEM;
            }
    return 0;
}

void args_free(struct args *args)
{
    for (unsigned i = 0; i < OPTIONS; i++)
        free(args->list[i].items);
}
