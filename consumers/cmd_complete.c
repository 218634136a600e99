/* SPDX-License-Identifier: ISC
 *
 * evtrail complete INDEX WORD...: what fits in place of word INDEX (0 is the program's own name), for the completion
 * scripts. Lines are "word<TAB>description", or a directive: ":file", ":directory", ":command". Never prints errors.
 */
#include "cli.h"
#include "outbuf.h"

#include <evtrail/reader.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct completion {
    struct output *out;
    const char *prefix;
    const char *directory; /* of sessions */
    const char *process;   /* as -p says; NULL: all */
    char (*seen)[96];      /* names that were printed */
    size_t seen_count;
};
enum { SEEN_MAX = 4096 };

/* Names come from other processes, and a shell puts a sole candidate on its command line as it is. */
static bool harmless(const char *word)
{
    return strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=/") == strlen(word);
}

static void offer(const struct completion *completion, const char *word, const char *text)
{
    if (strncmp(word, completion->prefix, strlen(completion->prefix)) == 0 && harmless(word))
        output_print(completion->out, "%s\t%s\n", word, shown(text));
}

/* ---- from the tables ------------------------------------------------------------------------------------------------- */

static void offer_commands(const struct completion *completion)
{
    for (const struct subcommand *command = subcommands; command->name; command++)
        if (!command->hidden)
            offer(completion, command->name, command->summary);
}

static void offer_options(const struct completion *completion, const struct subcommand *command)
{
    for (const uint8_t *id = command->options; *id != OPTIONS; id++) {
        char word[64];
        snprintf(word, sizeof word, "--%s", option_specs[*id].name);
        offer(completion, word, option_specs[*id].text);
    }
}

static void offer_choices(const struct completion *completion, const char *choices)
{
    while (*choices) {
        char word[32];
        const size_t length = strcspn(choices, "|");
        snprintf(word, sizeof word, "%.*s", (int)length, choices);
        offer(completion, word, "");
        choices += length + (choices[length] == '|');
    }
}

static void offer_settings(const struct completion *completion)
{
    static const char *const settings[] = {"policy=overwrite", "policy=drop", "policy=block", "policy=shed",
                                           "block=",           "blocks=",     "deadline=",    "memory=",
                                           "lease=",           "keep=0",      "keep=1"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        offer(completion, settings[i], "");
}

/* ---- from live sessions ------------------------------------------------------------------------------------------------ */

static int offer_process(const char *path, void *context)
{
    const struct completion *const completion = context;
    struct evtrail_session *session;
    struct evtrail_session_info info;
    if (evtrail_session_open(&session, path, NULL) < 0)
        return 0;
    if (evtrail_session_info(session, &info) >= 0) {
        char pid[16], text[700];
        snprintf(pid, sizeof pid, "%u", info.pid);
        snprintf(text, sizeof text, "%s %s", info.alive ? "" : "(dead)", info.program);
        offer(completion, pid, text);
        offer(completion, info.command, text);
    }
    evtrail_session_close(session);
    return 0;
}

static void offer_once(struct completion *completion, const char *name, const char *text)
{
    for (size_t i = 0; i < completion->seen_count; i++)
        if (strcmp(completion->seen[i], name) == 0)
            return;
    if (completion->seen_count == SEEN_MAX || strlen(name) >= sizeof completion->seen[0])
        return;
    strcpy(completion->seen[completion->seen_count++], name);
    offer(completion, name, text);
}

static bool process_wanted(const struct completion *completion, const struct evtrail_session_info *info)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%u", info->pid);
    return !completion->process || strcmp(completion->process, pid) == 0 ||
           strcmp(completion->process, info->command) == 0;
}

/* The names of event types, and of the providers they belong to. */
static int offer_events(const char *path, void *context)
{
    struct completion *const completion = context;
    struct evtrail_session *session;
    struct evtrail_session_info info;
    if (evtrail_session_open(&session, path, NULL) < 0)
        return 0;
    const struct evtrail_event_type *const *types = NULL;
    uint32_t count = 0;
    if (evtrail_session_info(session, &info) >= 0 && process_wanted(completion, &info))
        count = evtrail_session_types(session, &types);
    for (uint32_t i = 0; i < count; i++) {
        if (!types[i])
            continue;
        char provider[96];
        offer_once(completion, types[i]->name, types[i]->doc);
        for (const char *dot = strchr(types[i]->name, '.'); dot; dot = strchr(dot + 1, '.')) {
            snprintf(provider, sizeof provider, "%.*s", (int)(dot - types[i]->name), types[i]->name);
            offer_once(completion, provider, "provider");
        }
    }
    evtrail_session_close(session);
    return 0;
}

/* ---- the place --------------------------------------------------------------------------------------------------------- */

static void offer_kind(struct completion *completion, unsigned completes, const struct option_spec *spec)
{
    switch (completes) {
    case COMPLETES_file:
        output_text(completion->out, ":file\n");
        break;
    case COMPLETES_directory:
        output_text(completion->out, ":directory\n");
        break;
    case COMPLETES_command:
        output_text(completion->out, ":command\n");
        break;
    case COMPLETES_process:
        evtrail_sessions(completion->directory, offer_process, completion);
        break;
    case COMPLETES_event:
        evtrail_sessions(completion->directory, offer_events, completion);
        break;
    case COMPLETES_choice:
        offer_choices(completion, spec->metavar);
        break;
    case COMPLETES_subcommand:
        offer_commands(completion);
        break;
    case COMPLETES_setting:
        offer_settings(completion);
        break;
    default:
        break;
    }
}

/* The option of this command whose value `word` introduces, or NULL. */
static const struct option_spec *option_with_value(const struct subcommand *command, const char *word)
{
    for (const uint8_t *id = command->options; *id != OPTIONS; id++) {
        const struct option_spec *const spec = &option_specs[*id];
        const bool is_long = strncmp(word, "--", 2) == 0 && strcmp(word + 2, spec->name) == 0;
        const bool is_short = spec->letter && word[0] == '-' && word[1] == spec->letter && word[2] == '\0';
        if ((is_long || is_short) && spec->type != TYPE_flag)
            return spec;
    }
    return NULL;
}

static const char *value_of(char **words, int count, const char *name, const char *letter)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(words[i], name) == 0 || (letter && strcmp(words[i], letter) == 0))
            return words[i + 1];
    return NULL;
}

static void complete_word(struct completion *completion, const struct subcommand *command, char **words, int index)
{
    for (int i = 2; i < index; i++)
        if (command->program && strcmp(words[i], "--") == 0) {
            output_text(completion->out, ":command\n");
            return;
        }
    /* bash makes three words of --name=value */
    const char *before = words[index - 1];
    if (strcmp(before, "=") == 0 && index >= 3)
        before = words[index - 2];
    if (strcmp(completion->prefix, "=") == 0)
        completion->prefix = "";
    const struct option_spec *const spec = option_with_value(command, before);
    if (spec)
        offer_kind(completion, spec->completes, spec);
    else if (completion->prefix[0] == '-')
        offer_options(completion, command);
    else
        offer_kind(completion, command->completes, NULL);
}

int run_complete(const struct args *args)
{
    const int count = args->operands_count - 1;
    char **const words = args->operands + 1;
    const int index = args->operands_count > 0 ? atoi(args->operands[0]) : 0;
    if (index < 1 || index > count)
        return CODE_usage;
    struct output out;
    if (output_init(&out, STDOUT_FILENO) < 0)
        return CODE_system;
    struct completion completion = {.out = &out, .prefix = index < count ? words[index] : ""};
    completion.directory = value_of(words, index, "--directory", NULL);
    completion.process = value_of(words, count, "--process", "-p");
    completion.seen = malloc(SEEN_MAX * sizeof *completion.seen);
    const struct subcommand *const command = index > 1 ? subcommand_find(words[1]) : NULL;
    if (index == 1)
        offer_commands(&completion);
    else if (command && completion.seen)
        complete_word(&completion, command, words, index);
    free(completion.seen);
    return output_fini(&out) == 0 ? CODE_ok : CODE_io;
}
