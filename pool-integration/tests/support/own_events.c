/* SPDX-License-Identifier: ISC
 *
 * This process's own events.
 */
#include "own_events.h"

#include <evtrail/evtrail.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static int64_t begun_ns;

static int64_t realtime_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int own_events_begin(const char *rule)
{
    /* What is before lies clearly before, and what follows behind, whatever a stamp's time is rounded to. */
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    begun_ns = realtime_ns() - 1000000;
    return evtrail_session_path() && evtrail_rule(rule) >= 0;
}

static void print_value(FILE *out, const struct evtrail_value *value)
{
    if (value->null)
        fputs("null", out);
    else if (value->type == EVTRAIL_TYPE_string)
        fprintf(out, "%.*s", (int)value->bytes, value->data);
    else
        fprintf(out, "%" PRId64, value->i);
}

static void print_event(void *out, const struct evtrail_event *event)
{
    static const char *const kinds[EVTRAIL_KINDS] = {[EVTRAIL_KIND_begin] = "(", [EVTRAIL_KIND_end] = ")"};
    const struct evtrail_event_type *type = event->type;
    fprintf(out, "%s%s", type->name, kinds[type->kind] ? kinds[type->kind] : "");
    for (unsigned i = 0; i < type->fields_count; i++) {
        struct evtrail_value value;
        if (type->fields[i].role == EVTRAIL_ROLE_span || type->fields[i].role == EVTRAIL_ROLE_parent ||
            evtrail_event_value(event, i, &value) < 0)
            continue;
        fprintf(out, " %s=", type->fields[i].name);
        print_value(out, &value);
    }
    fputc('\n', out);
}

static void take_all(struct evtrail_reader *reader, void (*take)(void *arg, const struct evtrail_event *event),
                     void *arg)
{
    struct evtrail_event *event;
    int result;
    while ((result = evtrail_reader_next(reader, &event)) > 0 || (result == 0 && !evtrail_reader_done(reader)))
        if (result > 0 && event->what == EVTRAIL_EVENT && event->type)
            take(arg, event);
}

int own_events_each(const char *filter, void (*take)(void *arg, const struct evtrail_event *event), void *arg)
{
    struct evtrail_filter *parsed;
    struct evtrail_reader *reader;
    int result = evtrail_filter_new(&parsed, filter, NULL);
    if (result < 0)
        return result;
    const struct evtrail_reader_options options = {
        .bytes = sizeof(options), .snapshot = true, .filter = parsed, .from_ns = begun_ns};
    result = evtrail_reader_new(&reader, &options);
    if (result == 0) {
        result = evtrail_reader_add_path(reader, evtrail_session_path());
        if (result >= 0)
            take_all(reader, take, arg);
        evtrail_reader_free(reader);
    }
    evtrail_filter_free(parsed);
    return result < 0 ? result : 0;
}

char *own_events(const char *filter)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    const int result = own_events_each(filter, print_event, out);
    fclose(out);
    if (result == 0)
        return text;
    free(text);
    return NULL;
}

uint64_t own_events_field(const struct evtrail_event *event, const char *name)
{
    struct evtrail_value value = {0};
    const int index = evtrail_event_type_field(event->type, name);
    assert_true(index >= 0);
    assert_int_equal(0, evtrail_event_value(event, (unsigned)index, &value));
    return value.u;
}
