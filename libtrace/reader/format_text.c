/* SPDX-License-Identifier: ISC
 *
 * An event as a line of text.
 */
#include "reader/format.h"
#include "reader/value.h"

static void put_name(struct evtrail_text *text, const char *name)
{
    evtrail_text_escaped(text, name, strlen(name));
}

static void put_process(struct evtrail_text *text, const struct evtrail_source *source, bool host)
{
    if (host && source->host && source->host[0]) {
        put_name(text, source->host);
        evtrail_text_char(text, '/');
    }
    put_name(text, source->command);
    evtrail_text_char(text, ':');
    evtrail_text_unsigned(text, source->pid);
}

static void put_head(struct evtrail_text *text, const struct evtrail_event *event,
                     const struct evtrail_format_options *options, bool thread)
{
    if (options->time != EVTRAIL_TIME_none) {
        evtrail_format_put_time(text, event->time, options->time, options->time_base);
        evtrail_text_char(text, ' ');
    }
    if (options->process || options->host) {
        put_process(text, event->source, options->host);
        evtrail_text_char(text, thread ? '/' : ' ');
    }
    if (!thread)
        return;
    if (event->thread_name)
        put_name(text, event->thread_name);
    evtrail_text_char(text, ':');
    evtrail_text_unsigned(text, event->tid);
    evtrail_text_char(text, ' ');
}

/* "critical" is the longest: names stand in a column. */
static void put_level(struct evtrail_text *text, unsigned level, bool color)
{
    static const char names[][10] = {"?        ", "critical ", "error    ", "warning  ",
                                     "info     ", "debug    ", "trace    "};
    static const char colors[][8] = {"", "\033[1;31m", "\033[31m", "\033[33m", "", "\033[2m", "\033[2m"};
    unsigned index = level <= EVTRAIL_LEVELS ? level : 0;
    bool colored = color && colors[index][0];
    if (colored)
        evtrail_text_put(text, colors[index], strnlen(colors[index], sizeof(colors[0])));
    evtrail_text_put(text, names[index], 9);
    if (colored)
        evtrail_text_literal(text, "\033[0m");
}

static void put_type(struct evtrail_text *text, const struct evtrail_event *event, bool color)
{
    static const char marks[EVTRAIL_KINDS][3] = {"  ", "> ", "< ", "= ", "@ ", "@ ", "- ", "~ "};
    const struct evtrail_event_type *type = event->type;
    put_level(text, type ? type->level : 0, color);
    evtrail_text_put(text, marks[type && type->kind < EVTRAIL_KINDS ? type->kind : 0], 2);
    if (color)
        evtrail_text_literal(text, "\033[1m");
    if (type) {
        put_name(text, type->name);
    } else {
        evtrail_text_literal(text, "event#");
        evtrail_text_unsigned(text, event->id);
    }
    if (color)
        evtrail_text_literal(text, "\033[0m");
}

static void put_words(struct evtrail_text *text, const struct evtrail_event *event)
{
    evtrail_text_literal(text, " words=[");
    for (uint32_t i = 0; i < event->words; i++) {
        if (i)
            evtrail_text_char(text, ' ');
        evtrail_text_literal(text, "0x");
        evtrail_text_hex(text, event->payload[i]);
    }
    evtrail_text_char(text, ']');
}

static void put_fields(struct evtrail_text *text, const struct evtrail_event *event,
                       const struct evtrail_format_options *options)
{
    const struct evtrail_event_type *type = event->type;
    uint32_t at = 0;
    for (unsigned i = 0; i < type->fields_count; i++) {
        struct evtrail_value value;
        evtrail_value_take(event, type->fields[i].type, &at, &value);
        evtrail_text_char(text, ' ');
        put_name(text, type->fields[i].name);
        evtrail_text_char(text, '=');
        evtrail_format_put_value(text, &value, &type->fields[i], options->human, options->string_max);
    }
    if (event->duration >= 0) {
        evtrail_text_literal(text, " dur=");
        evtrail_text_duration(text, event->duration);
    }
}

static void put_address(struct evtrail_text *text, const struct evtrail_event *event, uint64_t address,
                        const struct evtrail_format_options *options)
{
    char name[256];
    if (!options->symbols) {
        evtrail_text_literal(text, "0x");
        evtrail_text_hex(text, address);
        return;
    }
    size_t bytes = evtrail_symbol_name(event->source, address, options->lines, name, sizeof(name));
    evtrail_text_put(text, name, bytes < sizeof(name) ? bytes : sizeof(name));
}

static void put_labels(struct evtrail_text *text, const struct evtrail_label *labels)
{
    for (unsigned i = 0; i < EVTRAIL_LABELS_MAX; i++) {
        if (!labels[i].key[0])
            continue;
        evtrail_text_literal(text, " label.");
        put_name(text, labels[i].key);
        evtrail_text_literal(text, "=\"");
        put_name(text, labels[i].value);
        evtrail_text_char(text, '"');
    }
}

static void put_context(struct evtrail_text *text, const struct evtrail_event *event,
                        const struct evtrail_format_options *options)
{
    if (event->meta & EVTRAIL_META_CPU) {
        evtrail_text_literal(text, " cpu=");
        evtrail_text_unsigned(text, event->cpu);
    }
    if (event->meta & EVTRAIL_META_CALLER) {
        evtrail_text_literal(text, " caller=");
        put_address(text, event, event->caller, options);
    }
    if (event->meta & EVTRAIL_META_STACK) {
        evtrail_text_literal(text, " stack=[");
        for (unsigned i = 0; i < event->stack_count; i++) {
            if (i)
                evtrail_text_char(text, ' ');
            put_address(text, event, event->stack[i], options);
        }
        evtrail_text_char(text, ']');
    }
    if (event->labels)
        put_labels(text, event->labels);
}

static void put_loss(struct evtrail_text *text, const struct evtrail_event *event, bool color)
{
    if (color)
        evtrail_text_literal(text, "\033[1;31m");
    evtrail_text_literal(text, "*** lost ");
    evtrail_text_count(text, event->lost);
    evtrail_text_string(text, event->lost == 1 ? " event (" : " events (");
    evtrail_text_string(text, evtrail_cause_name(event->cause));
    evtrail_text_literal(text, ") in ");
    const int64_t in = (int64_t)((uint64_t)event->time - (uint64_t)event->lost_since);
    if (in > 0)
        evtrail_text_duration(text, in);
    else
        evtrail_text_literal(text, "an unknown time");
    evtrail_text_literal(text, " ***");
    if (color)
        evtrail_text_literal(text, "\033[0m");
}

static void put_source(struct evtrail_text *text, const struct evtrail_event *event, bool host)
{
    const struct evtrail_source *source = event->source;
    evtrail_text_literal(text, "*** ");
    put_process(text, source, host);
    evtrail_text_string(text, source->gone ? " ended" : " joined");
    if (!source->gone && source->offset_bound_ns > 0) {
        evtrail_text_literal(text, "; its clock was ");
        evtrail_text_duration(text,
                              source->offset_ns < 0 ? (int64_t)(0 - (uint64_t)source->offset_ns) : source->offset_ns);
        evtrail_text_string(text, source->offset_ns < 0 ? " behind, +- " : " ahead, +- ");
        evtrail_text_duration(text, source->offset_bound_ns);
    }
    evtrail_text_literal(text, " ***");
}

static void put_event(struct evtrail_text *text, const struct evtrail_event *event,
                      const struct evtrail_format_options *options)
{
    put_type(text, event, options->color);
    if (event->type)
        put_fields(text, event, options);
    else
        put_words(text, event);
    if (!options->no_context)
        put_context(text, event, options);
    if (event->meta & EVTRAIL_META_CUT)
        evtrail_text_literal(text, " (cut)");
}

size_t evtrail_format_text(const struct evtrail_event *event, const struct evtrail_format_options *options,
                           char *buffer, size_t size)
{
    struct evtrail_text text;
    evtrail_text_init(&text, buffer, size);
    struct evtrail_format_options room;
    options = evtrail_format_options_of(options, &room);
    if (event->what == EVTRAIL_EVENT_SOURCE) {
        struct evtrail_format_options alone = *options;
        alone.process = alone.host = false;
        put_head(&text, event, &alone, false);
        put_source(&text, event, options->host);
    } else {
        put_head(&text, event, options, true);
        if (event->what == EVTRAIL_EVENT_LOST)
            put_loss(&text, event, options->color);
        else
            put_event(&text, event, options);
    }
    evtrail_text_char(&text, '\n');
    return evtrail_text_size(&text);
}
