/* SPDX-License-Identifier: ISC
 *
 * evtrail record: checks what was asked for, and records, takes a snapshot, or stands by for one.
 */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rings that `record` picks: room for 0.2 s of a thread with 5 M events a second. */
#define BLOCK_BYTES INT64_C(262144)
#define BLOCKS INT64_C(64)
#define BLOCK_BYTES_MIN INT64_C(4096)
#define BLOCK_BYTES_MAX (INT64_C(1) << 20)
#define BLOCKS_MAX INT64_C(4096)
#define RING_BYTES_MAX (INT64_C(256) << 20)

static bool power_of_two(int64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

static int64_t power_above(int64_t n)
{
    int64_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------------- */

static int sizes_from_ring(const struct args *args, int64_t *ret_block, int64_t *ret_blocks)
{
    if (args->set[OPT_block_size] && args->set[OPT_blocks])
        return fail(CODE_usage, NULL, "--ring-size is --block-size times --blocks; give two of them at most");
    if (args->number[OPT_ring_size] < 2 * BLOCK_BYTES_MIN || args->number[OPT_ring_size] > RING_BYTES_MAX)
        return fail(CODE_usage, NULL, "--ring-size: 8K to 256M");
    const int64_t ring = power_above(args->number[OPT_ring_size]);
    int64_t block = args->set[OPT_block_size] ? *ret_block : args->set[OPT_blocks] ? ring / *ret_blocks : ring / BLOCKS;
    block = block < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : block > BLOCK_BYTES ? BLOCK_BYTES : block;
    *ret_block = block;
    *ret_blocks = ring / block;
    return 0;
}

static int sizes_find(const struct args *args, int64_t *ret_block, int64_t *ret_blocks)
{
    *ret_block = args->set[OPT_block_size] ? args->number[OPT_block_size] : BLOCK_BYTES;
    *ret_blocks = args->set[OPT_blocks] ? args->number[OPT_blocks] : BLOCKS;
    if (!power_of_two(*ret_block) || *ret_block < BLOCK_BYTES_MIN || *ret_block > BLOCK_BYTES_MAX)
        return fail(CODE_usage, NULL, "--block-size: a power of two from 4K to 1M");
    if (!power_of_two(*ret_blocks) || *ret_blocks < 2 || *ret_blocks > BLOCKS_MAX)
        return fail(CODE_usage, NULL, "--blocks: a power of two from 2 to 4096");
    if (args->set[OPT_ring_size]) {
        const int code = sizes_from_ring(args, ret_block, ret_blocks);
        if (code != 0)
            return code;
    }
    if (*ret_blocks < 2 || *ret_blocks > BLOCKS_MAX || *ret_block * *ret_blocks > RING_BYTES_MAX)
        return fail(CODE_usage, NULL, "a ring has 2 to 4096 blocks and at most 256 MiB");
    return 0;
}

/* ---- settings ---------------------------------------------------------------------------------------------------------- */

static char *rules_join(const struct args *args)
{
    const struct text_list *const list = &args->list[OPT_record_enable];
    char *text = strdup(list->count ? list->items[0] : "*");
    for (size_t i = 1; text && i < list->count; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s %s", text, list->items[i]) < 0)
            longer = NULL;
        free(text);
        text = longer;
    }
    return text;
}

static int settings_make(struct recorder *recorder)
{
    const struct args *const args = recorder->args;
    static const char *const policies[] = {"drop", "block", "shed", "overwrite"};
    int64_t block, blocks;
    const int code = sizes_find(args, &block, &blocks);
    if (code != 0)
        return code;
    const char *const standard = args->set[OPT_trigger] ? "overwrite" : "drop";
    const char *const policy = args->set[OPT_policy] ? policies[args->number[OPT_policy]] : standard;
    snprintf(recorder->rings, sizeof recorder->rings, "policy=%s block=%lld blocks=%lld", policy, (long long)block,
             (long long)blocks);
    recorder->rules = rules_join(args);
    char *why = NULL;
    if (recorder->rules && evtrail_rules_check(recorder->rules, &why) < 0) {
        const int wrong = fail(CODE_usage, NULL, "%s", why ? why : "out of memory");
        free(why);
        return wrong;
    }
    if (!recorder->rules || asprintf(&recorder->settings, "%s %s keep=1", recorder->rules, recorder->rings) < 0) {
        recorder->settings = NULL;
        return fail(CODE_system, NULL, "out of memory");
    }
    return 0;
}

static int usage_check(const struct args *args)
{
    if (args->operands_count > 0)
        return fail(CODE_usage, NULL, "'%s': to record a program write -- before it; -o names the file",
                    args->operands[0]);
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
