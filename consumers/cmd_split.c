/* SPDX-License-Identifier: ISC
 *
 * evtrail split: one trace as several files. By time each event goes where it belongs; by size batches stay whole.
 */
#include "filetree.h"
#include "skeleton.h"

#include <evtrail/file.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct split {
    const struct args *args;
    const char *path;
    char base[4000];        /* parts are BASE.00001.evt, ... */
    int64_t from_ns, to_ns; /* the events of [from, to) make the current part */
    int64_t next_ns;        /* the earliest that begins later */
    unsigned parts;
    uint64_t size; /* 0: no limit of bytes */
    struct evtrail_file *file;
    struct evtrail_cutter *cutter; /* to the current part */
    uint64_t events;
    int code;
};

static bool in_part(void *context, const struct evtrail_chunk *chunk, uint64_t types)
{
    struct split *const split = context;
    (void)types;
    const int64_t begins = evtrail_source_time(chunk->source, chunk->first_ticks);
    const int64_t ends = evtrail_source_time(chunk->source, chunk->last_ticks);
    if (begins >= split->to_ns && begins < split->next_ns)
        split->next_ns = begins;
    return begins < split->to_ns && (begins >= split->from_ns || ends >= split->from_ns);
}

static int part_open(struct split *split)
{
    char path[4096];
    struct evtrail_file_options options = {.bytes = sizeof options, .force = split->args->set[OPT_force]};
    options.level = (int)split->args->number[OPT_compression];
    options.flush_ns = -1;
    snprintf(path, sizeof path, "%s.%05u.evt", split->base, ++split->parts);
    const int r = evtrail_file_create(&split->file, path, &options);
    if (r == -EEXIST)
        split->code = fail(CODE_usage, path, "exists; --force replaces it");
    else if (r < 0)
        split->code = fail(code_of(r), path, "%s", strerror(-r));
    return r;
}

static int part_close(struct split *split)
{
    struct evtrail_file_stats stats = {0};
    if (!split->file)
        return 0;
    char path[4096];
    snprintf(path, sizeof path, "%s", evtrail_file_path(split->file));
    const int r = evtrail_file_close(split->file, &stats);
    split->file = NULL;
    split->events += stats.events;
    if (r < 0)
        split->code = fail(code_of(r), path, "%s; %" PRIu64 " events were not written", strerror(-r), stats.lost);
    return r;
}

static bool part_full(const struct split *split)
{
    struct evtrail_file_stats stats;
    if (!split->file || split->size == 0)
        return false;
    evtrail_file_stats(split->file, &stats);
    return stats.file_bytes >= split->size;
}

static int batch_write(struct split *split, const struct evtrail_file_cursor *cursor, const struct evtrail_batch *batch)
{
    const struct evtrail_chunk *chunk;
    const int left = evtrail_cutter_cut(split->cutter, &batch->chunk, batch->skipped, &chunk, &split->next_ns);
    if (left < 0)
        split->code = fail(CODE_system, NULL, "out of memory");
    if (left <= 0)
        return left;
    if (!batch->bytes && !split->file)
        return 0;
    if (part_full(split) && part_close(split) < 0)
        return -EIO;
    if (!split->file && part_open(split) < 0)
        return -EIO;
    const int r = evtrail_file_write_from(split->file, cursor, split->cutter, chunk);
    if (r < 0) {
        split->code = fail(code_of(r), evtrail_file_path(split->file), "%s", strerror(-r));
        part_close(split);
    }
    return r;
}

static int pass_open(struct split *split, struct evtrail_file_cursor **ret_cursor)
{
    struct evtrail_file_cursor_options options = {
        .bytes = sizeof options, .wanted = in_part, .context = split, .accounts = true};
    char *error = NULL;
    const int r = evtrail_file_cursor_open(ret_cursor, split->path, &options, &error);
    if (r < 0)
        split->code = fail(code_of(r), error ? NULL : split->path, "%s", error ? error : strerror(-r));
    free(error);
    return r;
}

/* Reads the file once and writes one part of it (or none: the first pass only finds where it begins). */
static int pass(struct split *split)
{
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    split->next_ns = INT64_MAX;
    int r = pass_open(split, &cursor);
    if (r < 0)
        return r;
    if (evtrail_cutter_new(&split->cutter, split->from_ns, split->to_ns) < 0)
        r = -ENOMEM;
    while (r == 0 && signals_stops() == 0 && (r = evtrail_file_cursor_next_chunk(cursor, &batch)) != 0) {
        if (r < 0 && split->code == 0) /* once, not in each pass */
            split->code = fail(CODE_damaged, NULL, "%s", evtrail_file_cursor_error(cursor));
        if (r < 0 && r != -EBADMSG)
            break;
        if (r > 0 && (r = batch_write(split, cursor, batch)) < 0)
            break;
        r = 0;
    }
    const int closed = part_close(split); /* it looks at the cursor's sources to its end */
    evtrail_cutter_free(split->cutter);
    split->cutter = NULL;
    evtrail_file_cursor_close(cursor);
    return r < 0 ? r : closed;
}

static int split_all(struct split *split, int64_t step)
{
    split->from_ns = split->to_ns = INT64_MIN;
    int r = pass(split);
    const int64_t start = split->next_ns;
    while (r == 0 && split->next_ns != INT64_MAX && signals_stops() == 0) {
        split->from_ns = step ? start + (split->next_ns - start) / step * step : INT64_MIN;
        split->to_ns = step && split->from_ns < INT64_MAX - step ? split->from_ns + step : INT64_MAX;
        r = pass(split);
    }
    part_close(split);
    return r;
}

static void base_name(struct split *split)
{
    const char *const given = split->args->set[OPT_output] ? split->args->text[OPT_output] : split->path;
    const size_t length = strlen(given);
    const bool ends = length > 4 && strcmp(given + length - 4, ".evt") == 0;
    snprintf(split->base, sizeof split->base, "%.*s", (int)(ends ? length - 4 : length),
             strcmp(given, "-") == 0 ? "part" : given);
}

int run_split(const struct args *args)
{
    struct split split = {.args = args, .size = (uint64_t)args->number[OPT_split_size]};
    const int64_t step = args->number[OPT_split_time];
    if (args->operands_count != 1)
        return fail(CODE_usage, NULL, "%s",
                    args->operands_count ? "one file at a time; merge makes one of several" : "which file?");
    if (step == 0 && split.size == 0)
        return fail(CODE_usage, NULL, "by what? --time TIME or --size BYTES");
    if (strcmp(args->operands[0], "-") == 0)
        return fail(CODE_usage, NULL, "standard input can only be read once; name a file");
    if (filetree_is(args->operands[0]))
        return fail(CODE_usage, args->operands[0],
                    "a tree of files; evtrail merge makes one file of it, which can be split");
    signals_install(false);
    split.path = args->operands[0];
    base_name(&split);
    if (split_all(&split, step) == 0 && !args->set[OPT_quiet])
        warn(split.path, "%u parts, %" PRIu64 " events", split.parts, split.events);
    return split.code;
}
