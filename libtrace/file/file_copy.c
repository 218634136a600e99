/* SPDX-License-Identifier: ISC
 *
 * Copies batches from files to a new one: merge and repair. They keep their compressed bytes, only their headers are written
 * anew; with a time range they are cut and compressed again.
 */
#include "file/file_reader.h"
#include "file/file_writer.h"
#include "file/merge_order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATHS_MAX = 1024 };

struct origin {
    struct evtrail_file_cursor *cursor;
    struct evtrail_cutter *cutter; /* with a range: all go through it, for the accounts to add up */
    struct evtrail_batch *batch;   /* the next one; NULL: at its end */
};
struct copy {
    const struct evtrail_file_copy_options *options;
    struct origin *origins;
    uint32_t origins_count;
    struct evtrail_merge_order *order;
    struct evtrail_file *file;
    uint16_t ids[EVTRAIL_EVENT_TYPES_MAX];
    uint32_t ids_count;
    uint64_t ids_seen[EVTRAIL_EVENT_TYPES_MAX / 64];
};

static bool named(const struct evtrail_source *source, const char *name)
{
    char pid[16];
    const char *base = strrchr(source->program, '/') ? strrchr(source->program, '/') + 1 : source->program;
    snprintf(pid, sizeof(pid), "%u", source->pid);
    return !strcmp(name, pid) || !strcmp(name, source->command) || !strcmp(name, base);
}

static bool wanted(void *context, const struct evtrail_chunk *chunk, uint64_t types)
{
    const struct evtrail_file_copy_options *options = ((struct copy *)context)->options;
    (void)types;
    if (options->from_ns && evtrail_source_time(chunk->source, chunk->last_ticks) < options->from_ns)
        return false;
    if (options->to_ns && evtrail_source_time(chunk->source, chunk->first_ticks) > options->to_ns)
        return false;
    for (uint32_t i = 0; i < options->sources_count; i++)
        if (named(chunk->source, options->sources[i]))
            return true;
    return !options->sources_count;
}

static void note_id(struct copy *copy, uint32_t id)
{
    const uint64_t bit = UINT64_C(1) << id % 64;
    if (!(copy->ids_seen[id / 64] & bit))
        copy->ids[copy->ids_count++] = (uint16_t)id;
    copy->ids_seen[id / 64] |= bit;
}

static void note_ids(struct copy *copy, const struct evtrail_batch_view *view)
{
    for (uint32_t i = 0; i < copy->ids_count; i++)
        copy->ids_seen[copy->ids[i] / 64] = 0;
    copy->ids_count = 0;
    for (uint32_t s = 0; s < view->shapes_count; s++)
        note_id(copy, view->shapes[s].id);
    for (size_t at = 0; at < view->misc_words;) {
        const uint64_t word = view->misc[at];
        note_id(copy, (uint32_t)(word & EVTRAIL_SHAPE_MASK) >> 6);
        at += (word & 63) == 63 ? 2 + (size_t)(uint32_t)view->misc[at + 1] : 1 + (word & 63);
    }
}

static void tell(const struct copy *copy, const struct evtrail_file_cursor *cursor)
{
    if (copy->options->fault)
        copy->options->fault(copy->options->context, evtrail_file_cursor_error(cursor));
}

/* The origin's next batch, past damage. */
static int advance(const struct copy *copy, struct origin *origin)
{
    int r;
    while ((r = evtrail_file_cursor_next(origin->cursor, &origin->batch)) == -EBADMSG)
        tell(copy, origin->cursor);
    if (r != 1)
        origin->batch = NULL;
    return r < 0 ? r : 0;
}

/* Cut to the range, and compressed again. */
static int cut_batch(struct copy *copy, const struct origin *origin)
{
    const struct evtrail_chunk *chunk;
    int64_t next_ns = INT64_MAX;
    int r = evtrail_file_cursor_words(origin->cursor);
    if (r == -EBADMSG) {
        tell(copy, origin->cursor);
        return 0;
    }
    if (r == 0)
        r = evtrail_cutter_cut(origin->cutter, &origin->batch->chunk, origin->batch->skipped, &chunk, &next_ns);
    return r > 0 ? evtrail_file_write_from(copy->file, origin->cursor, origin->cutter, chunk) : r;
}

static int copy_batch(struct copy *copy, const struct origin *origin)
{
    struct evtrail_file_cursor *cursor = origin->cursor;
    if (origin->cutter)
        return cut_batch(copy, origin);
    const struct evtrail_batch_view *view;
    const struct evtrail_source *source = origin->batch->chunk.source;
    struct evtrail_batch_header header = {.chunk = origin->batch->chunk};
    if (cursor->header_valid)
        header = cursor->header;
    int r = evtrail_file_cursor_view(cursor, &view); /* checks it, and leaves its bytes in cursor->compressed */
    if (r == -EBADMSG) {
        tell(copy, cursor);
        return 0;
    }
    if (r == 0)
        r = evtrail_file_source_number(copy->file, source, &header.source);
    if (r < 0)
        return r;
    evtrail_file_source_update(copy->file, source, header.source);
    evtrail_file_learn_modules(copy->file, header.source, source);
    if (!origin->batch->bytes && (cursor->before.skipped || !cursor->before.torn))
        return 0; /* what is torn at the end was told, or belongs elsewhere */
    r = evtrail_file_account(copy->file, header.source, &header.chunk, &cursor->before);
    if (r < 0 || !origin->batch->bytes)
        return r;
    memcpy(header.lost_after, header.chunk.lost_before, sizeof(header.lost_after));
    evtrail_view_lost(view, header.lost_after);
    note_ids(copy, view);
    for (uint32_t i = 0; i < copy->ids_count; i++)
        evtrail_file_learn_type(copy->file, header.source, source, copy->ids[i]);
    return evtrail_file_write_batch(copy->file, &header, cursor->compressed, copy->ids, copy->ids_count);
}

/* The origin whose next batch is the earliest of those whose ring has come so far. Files that hold two rings' batches
 * each before the other's have none: then just the earliest. */
static struct origin *earliest(struct copy *copy)
{
    struct origin *first = NULL;
    bool first_due = false;
    for (uint32_t i = 0; i < copy->origins_count; i++) {
        struct origin *origin = &copy->origins[i];
        const bool due = evtrail_merge_order_due(copy->order, i);
        if (!origin->batch || (first && first_due && !due))
            continue;
        if (first && first_due == due && origin->batch->from_ns >= first->batch->from_ns)
            continue;
        first = origin;
        first_due = due;
    }
    return first;
}

static int run(struct copy *copy)
{
    int r = 0;
    for (uint32_t i = 0; i < copy->origins_count && r == 0; i++)
        r = advance(copy, &copy->origins[i]);
    for (struct origin *origin; r == 0 && (origin = earliest(copy));) {
        r = copy_batch(copy, origin);
        evtrail_merge_order_take(copy->order, (uint32_t)(origin - copy->origins));
        if (r == 0)
            r = advance(copy, origin);
    }
    return r;
}

static int open_origins(struct copy *copy, const char *const *paths, uint32_t paths_count, char **ret_error)
{
    const struct evtrail_file_cursor_options options = {
        .bytes = sizeof(options), .wanted = wanted, .context = copy, .accounts = true};
    copy->origins = calloc(paths_count, sizeof(*copy->origins));
    if (!copy->origins)
        return -ENOMEM;
    for (uint32_t i = 0; i < paths_count; i++) {
        const int r = evtrail_file_cursor_open(&copy->origins[i].cursor, paths[i], &options, ret_error);
        if (r < 0)
            return r;
        copy->origins_count++;
        const int64_t from_ns = copy->options->from_ns ? copy->options->from_ns : INT64_MIN;
        const int64_t to_ns = copy->options->to_ns ? copy->options->to_ns : INT64_MAX - 1;
        if ((copy->options->from_ns || copy->options->to_ns) &&
            evtrail_cutter_new(&copy->origins[i].cutter, from_ns, to_ns + 1) < 0)
            return -ENOMEM;
    }
    return evtrail_merge_order_new(&copy->order, paths, paths_count, &options);
}

static void explain(char **ret_error, const char *path, int error)
{
    const char *todo = error == -EEXIST ? "; choose another name, or say --force" : "";
    if (ret_error && !*ret_error && asprintf(ret_error, "%s: %s%s", path, strerror(-error), todo) < 0)
        *ret_error = NULL;
}

/* An output that is one of the inputs would be destroyed before it is read. */
static bool reads_output(char *const *paths, const char *output)
{
    struct stat in, out;
    if (stat(output, &out) < 0)
        return false;
    for (; *paths; paths++)
        if (stat(*paths, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            return true;
    return false;
}

static int check_output(const struct copy *copy, const char *output, char **ret_error)
{
    for (uint32_t i = 0; i < copy->origins_count; i++) {
        if (!reads_output(copy->origins[i].cursor->paths, output))
            continue;
        if (asprintf(ret_error, "%s: the output is one of the inputs; choose another name", output) < 0)
            *ret_error = NULL;
        return -EINVAL;
    }
    return 0;
}

int evtrail_file_copy(const char *const *paths, uint32_t paths_count, const char *output,
                      const struct evtrail_file_copy_options *options, struct evtrail_file_stats *ret_stats,
                      char **ret_error)
{
    struct evtrail_file_copy_options own = {0};
    struct evtrail_file_stats stats = {0};
    char *error = NULL;
    struct copy *copy = calloc(1, sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    if (options)
        memcpy(&own, options, options->bytes && options->bytes < sizeof(own) ? options->bytes : sizeof(own));
    copy->options = &own;
    int r = paths_count && paths_count <= PATHS_MAX ? open_origins(copy, paths, paths_count, &error) : -EINVAL;
    if (r == 0)
        r = check_output(copy, output, &error);
    if (r == 0)
        r = evtrail_file_create(&copy->file, output, &own.file);
    if (r == 0)
        r = run(copy);
    const int closed = evtrail_file_close(copy->file, &stats);
    r = r < 0 ? r : closed;
    if (r < 0)
        explain(&error, output, r);
    for (uint32_t i = 0; i < copy->origins_count; i++) {
        evtrail_file_cursor_close(copy->origins[i].cursor);
        evtrail_cutter_free(copy->origins[i].cutter);
    }
    evtrail_merge_order_free(copy->order);
    free(copy->origins);
    free(copy);
    if (ret_stats && r == 0)
        *ret_stats = stats;
    if (r < 0 && ret_error)
        *ret_error = error;
    else
        free(error);
    return r;
}
