/* SPDX-License-Identifier: ISC
 *
 * evtrail stat: the sink that counts, and the choice between events and columns.
 */
#include "remote.h"
#include "stat_columns.h"
#include "stat_print.h"

#include <evtrail/file.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct counting {
    struct sink sink; /* first */
    struct stat_model model;
    struct consumer *consumer;
    int64_t shown_ns;
};

static void show(struct counting *counting, struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count =
        consumer->reader ? evtrail_reader_sources(consumer->reader, &sources) : counting->model.sessions_count;
    if (consumer->reader) {
        host_list_take_clocks(&counting->model.hosts, sources, count);
        evtrail_reader_spool_by(consumer->reader, counting->model.spool_by);
    }
    stat_print(&counting->model, &consumer->out, consumer->args, count);
}

static int count_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct counting *const counting = (struct counting *)sink;
    (void)consumer;
    stat_model_event(&counting->model, event);
    return counting->model.out_of_memory ? -ENOMEM : 0;
}

static int count_flush(struct sink *sink, struct consumer *consumer)
{
    struct counting *const counting = (struct counting *)sink;
    const int64_t now = monotonic_ns();
    if (!consumer->args->set[OPT_every] || now - counting->shown_ns < consumer->args->number[OPT_every])
        return 0;
    if (counting->shown_ns != 0) {
        if (consumer->out.terminal && !consumer->args->set[OPT_json])
            output_text(&consumer->out, "\033[H\033[2J");
        show(counting, consumer);
    }
    counting->shown_ns = now;
    return 0;
}

static int count_close(struct sink *sink, struct consumer *consumer)
{
    struct counting *const counting = (struct counting *)sink;
    show(counting, consumer);
    return counting->model.out_of_memory ? -ENOMEM : 0;
}

/* One trace file or set, not a collector, a tree of files or OCaml's ring. */
static bool plain(const char *path)
{
    char **parts = NULL;
    if (evtrail_is_ocaml_events(path))
        return false;
    const int count = remote_is(path) ? 0 : evtrail_file_list(path, &parts);
    if (count > 0)
        evtrail_file_list_free(parts);
    return count > 0 || (!remote_is(path) && count != -ENOENT) || access(path, F_OK) < 0;
}

/* Only trace files, all of them, all events: then nothing needs to be made into an event. */
static bool columns_will_do(const struct args *args)
{
    static const enum option_id needs_events[] = {OPT_process, OPT_all,   OPT_follow,   OPT_filter, OPT_from,
                                                  OPT_to,      OPT_limit, OPT_duration, OPT_every};
    for (size_t i = 0; i < sizeof needs_events / sizeof *needs_events; i++)
        if (args->set[needs_events[i]])
            return false;
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        if (!plain(args->list[OPT_read].items[i]))
            return false;
    for (int i = 0; i < args->operands_count; i++)
        if (!plain(args->operands[i]))
            return false;
    return !args->program && (args->operands_count > 0 || args->set[OPT_read]);
}

static int run_columns(struct consumer *consumer, struct stat_model *model)
{
    const struct args *const args = consumer->args;
    unsigned good = 0;
    signals_install(false);
    if (output_init(&consumer->out, 1) < 0)
        return fail(CODE_system, NULL, "out of memory");
    consumer->out.color = color_wanted(args, consumer->out.terminal);
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        good += stat_columns(model, consumer, args->list[OPT_read].items[i]) >= 0;
    for (int i = 0; i < args->operands_count; i++)
        good += stat_columns(model, consumer, args->operands[i]) >= 0;
    if (good > 0)
        stat_print(model, &consumer->out, args, model->sessions_count);
    if (args->set[OPT_fail_on_loss] && lost_sum(model->lost) > 0)
        consumer_note(consumer, CODE_found);
    consumer_close(consumer);
    return (int)consumer->code;
}

int run_stat(const struct args *args)
{
    struct consumer consumer = {.args = args};
    struct counting counting = {
        .sink = {.name = "stat", .spans = true, .event = count_event, .flush = count_flush, .close = count_close}};
    if (stat_model_init(&counting.model) < 0)
        return fail(CODE_system, NULL, "out of memory");
    const int code =
        columns_will_do(args) ? run_columns(&consumer, &counting.model) : consumer_run(&consumer, &counting.sink);
    stat_model_fini(&counting.model);
    return code;
}
