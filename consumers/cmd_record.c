/* SPDX-License-Identifier: ISC
 *
 * evtrail record: checks what was asked for, and records, takes a snapshot, or stands by for one.
 */
#include "record.h"

#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int settings_make(struct recorder *recorder)
{
    const struct args *const args = recorder->args;
    return ring_settings(args, args->set[OPT_trigger] ? "overwrite" : "drop", recorder->rings, sizeof recorder->rings,
                         &recorder->rules, &recorder->settings);
}

static int usage_check(const struct args *args)
{
    for (int i = 0; i < args->operands_count; i++)
        if (!remote_is(args->operands[i]))
            return fail(CODE_usage, NULL, "'%s': to record a program write -- before it; -o names the file",
                        args->operands[i]);
    if (args->set[OPT_compression] && (args->number[OPT_compression] < 1 || args->number[OPT_compression] > 19))
        return fail(CODE_usage, NULL, "--compression: 1 to 19");
    if (args->list[OPT_with].count > 0 && !args->program)
        return fail(CODE_usage, NULL, "--with is for a program that is started: -- PROGRAM");
    if (args->set[OPT_snapshot] && (args->program || args->set[OPT_trigger]))
        return fail(CODE_usage, NULL, "--snapshot is of processes that are there: -p or --all");
    if (args->program && args->set[OPT_output] && strcmp(args->text[OPT_output], "-") == 0)
        return fail(
            CODE_usage, NULL,
            "-o - would mix the program's output into the trace; name a file, or a named pipe (mkfifo) with --force");
    if (args->set[OPT_trigger] && args->set[OPT_until])
        return fail(CODE_usage, NULL, "--trigger or --until, not both");
    return 0;
}

static void name_make(struct recorder *recorder)
{
    const struct args *const args = recorder->args;
    const struct text_list *const list = &args->list[OPT_process];
    const char *name = args->program ? args->program[0] : NULL;
    if (!name && list->count == 1 && !args->set[OPT_all] &&
        strspn(list->items[0], "0123456789") != strlen(list->items[0]))
        name = list->items[0];
    const char *const slash = name ? strrchr(name, '/') : NULL;
    if (name)
        snprintf(recorder->name, sizeof recorder->name, "%s", slash && slash[1] ? slash + 1 : name);
}

/* ---- recording --------------------------------------------------------------------------------------------------------- */

int recorder_open_until(struct sink *sink, struct consumer *consumer)
{
    struct recorder *const recorder = (struct recorder *)sink;
    if (recorder->args->set[OPT_until]) {
        const int code = watch_open(&recorder->until, recorder->args, recorder->args->text[OPT_until],
                                    consumer->options.directory, NULL, true);
        if (code != 0) {
            consumer_note(consumer, (enum exit_code)code);
            watch_close(&recorder->until);
            return -EINVAL;
        }
    }
    return recorder_open(sink, consumer);
}

static struct consumer consumer_for(struct recorder *recorder)
{
    struct consumer consumer = {
        .args = recorder->args, .settings = recorder->settings, .snapshot = recorder->args->set[OPT_snapshot]};
    consumer.preload = recorder->args->list[OPT_with].items;
    consumer.preload_count = recorder->args->list[OPT_with].count;
    if (!consumer.snapshot && !recorder->args->program) { /* a program has them from its environment */
        consumer.options.enable = recorder->rules;
        consumer.options.settings = recorder->rings;
    }
    return consumer;
}

static int record_stream(struct recorder *recorder, struct consumer *consumer)
{
    recorder->sink = (struct sink){.name = "record",
                                   .hold = !consumer->snapshot,
                                   .open = recorder_open_until,
                                   .block = recorder_block,
                                   .flush = recorder_flush,
                                   .close = recorder_close};
    return consumer_run(consumer, &recorder->sink);
}

int run_record(const struct args *args)
{
    struct recorder recorder = {.args = args, .output = args->text[OPT_output]};
    int code = usage_check(args);
    if (code == 0)
        code = settings_make(&recorder);
    recorder.progress = isatty(STDERR_FILENO) == 1 && !args->set[OPT_quiet] && !args->program;
    name_make(&recorder);
    if (code == 0) {
        struct consumer consumer = consumer_for(&recorder);
        const bool filtered = args->set[OPT_filter] || args->set[OPT_from] || args->set[OPT_to];
        code = args->set[OPT_trigger] ? record_trigger(&recorder, &consumer)
               : filtered             ? record_filtered(&recorder, &consumer)
                                      : record_stream(&recorder, &consumer);
    }
    free(recorder.settings);
    free(recorder.rules);
    return code;
}
