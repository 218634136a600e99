/* SPDX-License-Identifier: ISC
 *
 * Looks for an event in live processes, beside the recording: --until and --trigger.
 */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_sources(struct watch *watch, const struct args *args)
{
    int added = 0;
    for (size_t i = 0; i < args->list[OPT_process].count; i++) {
        const int r = evtrail_reader_add_process(watch->reader, args->list[OPT_process].items[i]);
        if (r < 0)
            return r;
        added++;
    }
    return args->set[OPT_all] || args->program || added == 0 ? evtrail_reader_add_all(watch->reader) : 0;
}

int watch_open(struct watch *watch, const struct args *args, const char *expression, const char *directory,
               const char *enable, bool hold)
{
    char *error = NULL;
    int r = evtrail_filter_new(&watch->filter, expression, &error);
    if (r < 0) {
        const int code = fail(CODE_usage, NULL, "filter: %s", error ? error : strerror(-r));
        free(error);
        return code;
    }
    struct evtrail_reader_options options = {.bytes = sizeof options, .hold = hold, .from_now = !args->program};
    options.name = "watch";
    options.directory = directory;
    options.enable = enable;
    options.filter = watch->filter;
    options.spans = evtrail_filter_needs_spans(watch->filter);
    r = evtrail_reader_new(&watch->reader, &options);
    if (r == 0)
        r = add_sources(watch, args);
    if (r >= 0)
        return 0;
    const char *const text = watch->reader ? evtrail_reader_error(watch->reader) : "";
    return fail(code_of(r), NULL, "%s", *text ? text : strerror(-r));
}

void watch_close(struct watch *watch)
{
    evtrail_reader_free(watch->reader);
    evtrail_filter_free(watch->filter);
    *watch = (struct watch){0};
}

bool watch_poll(struct watch *watch, unsigned budget)
{
    while (watch->reader && budget-- > 0) {
        struct evtrail_event *event;
        const int r = evtrail_reader_next(watch->reader, &event);
        if (r == 0)
            return false;
        if (r > 0 && event->what == EVTRAIL_EVENT) {
            watch->matches++;
            return true;
        }
    }
    return false;
}
