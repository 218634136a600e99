/* SPDX-License-Identifier: ISC
 *
 * evtrail cat and grep: events as text or JSON, one a line.
 */
#include "skeleton.h"

#include <evtrail/format.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef size_t format_fn(const struct evtrail_event *event, const struct evtrail_format_options *options, char *buffer,
                         size_t size);

struct printer {
    struct sink sink; /* first */
    format_fn *format;
    struct evtrail_format_options options;
    bool json, count_only, sources_shown;
    bool started; /* time_base is set */
    uint64_t matches;
};

static int printer_open(struct sink *sink, struct consumer *consumer)
{
    static const uint32_t styles[] = {EVTRAIL_TIME_relative, EVTRAIL_TIME_local, EVTRAIL_TIME_utc,
                                      EVTRAIL_TIME_epoch,    EVTRAIL_TIME_delta, EVTRAIL_TIME_none};
    struct printer *const printer = (struct printer *)sink;
    struct evtrail_source *const *sources;
    const bool several = evtrail_reader_sources(consumer->reader, &sources) > 1 || consumer->args->set[OPT_all] ||
                         consumer->args->program || consumer->hosts;
    printer->json = consumer->args->set[OPT_json];
    printer->format = printer->json ? evtrail_format_json : evtrail_format_text;
    printer->options = (struct evtrail_format_options){
        .bytes = sizeof printer->options, .process = several, .human = true, .symbols = true};
    printer->options.host = consumer->hosts || consumer->args->set[OPT_host];
    printer->options.lines = consumer->args->set[OPT_lines];
    printer->options.time = styles[consumer->args->number[OPT_time]];
    printer->options.color = consumer->out.color && !printer->json;
    printer->sources_shown = several || consumer->live || printer->json;
    return 0;
}

/* Longer than the output's room: a string of many kilobytes. */
static int print_long(struct printer *printer, struct output *out, const struct evtrail_event *event, size_t bytes)
{
    char *const text = malloc(bytes);
    if (!text)
        return -ENOMEM;
    printer->format(event, &printer->options, text, bytes);
    const int r = output_write(out, text, bytes);
    free(text);
    return r;
}

static int print(struct printer *printer, struct output *out, const struct evtrail_event *event)
{
    if (!printer->started)
        printer->options.time_base = event->time;
    printer->started = true;
    const size_t bytes = printer->format(event, &printer->options, output_room(out), OUTPUT_ROOM);
    if (bytes > OUTPUT_ROOM)
        return print_long(printer, out, event, bytes);
    output_used(out, bytes);
    if (printer->options.time == EVTRAIL_TIME_delta)
        printer->options.time_base = event->time;
    return out->error;
}

static int printer_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct printer *const printer = (struct printer *)sink;
    if (event->what == EVTRAIL_EVENT)
        printer->matches++;
    printer->options.host |= consumer->hosts; /* another host's process may have joined */
    if (printer->count_only || (event->what == EVTRAIL_EVENT_SOURCE && !printer->sources_shown))
        return 0;
    return print(printer, &consumer->out, event);
}

static int printer_close(struct sink *sink, struct consumer *consumer)
{
    const struct printer *const printer = (const struct printer *)sink;
    if (!printer->count_only)
        return 0;
    return output_print(&consumer->out, printer->json ? "{\"count\":%" PRIu64 "}\n" : "%" PRIu64 "\n",
                        printer->matches);
}

static struct printer printer_for(const char *name)
{
    return (struct printer){
        .sink = {.name = name, .open = printer_open, .event = printer_event, .close = printer_close, .spans = true}};
}

int run_cat(const struct args *args)
{
    struct printer printer = printer_for("cat");
    struct consumer consumer = {.args = args};
    return consumer_run(&consumer, &printer.sink);
}

int run_grep(const struct args *args)
{
    struct printer printer = printer_for("grep");
    struct consumer consumer = {.args = args, .first_file = 1};
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which events? name an expression like 'pool.conn.* && port == 443'");
    consumer.expression = args->operands[0];
    printer.count_only = args->set[OPT_count_only];
    const int code = consumer_run(&consumer, &printer.sink);
    return code == CODE_ok && printer.matches == 0 ? CODE_found : code;
}
