/* SPDX-License-Identifier: ISC
 *
 * evtrail hist: the distribution of spans' durations or of a field's values, as text bars.
 */
#include "histogram.h"
#include "idtable.h"
#include "skeleton.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 24u  /* bars at most when they are of equal width */
#define WIDE 16u  /* from this ratio of greatest to least on, each bar is a power of two */
#define MICRO 1e6 /* floating-point values are counted in millionths */

struct measuring {
    struct sink sink; /* first */
    const char *target;
    struct histogram plus, minus; /* values from 0 on; and below, as -1 - value */
    struct idtable types;         /* by the type's address: field number + FIELD, DURATION or NOTHING */
    bool floating, failed;
    char unit[24];
    char *expression;
    uint64_t other; /* events of the name that had no number to show */
    uint64_t matched;
};
enum { NOTHING = 1, DURATION = 2, FIELD = 3 };

/* ---- values ------------------------------------------------------------------------------------------------------------ */

static bool is_number(const struct evtrail_field *field)
{
    return field->type != EVTRAIL_TYPE_string && field->type != EVTRAIL_TYPE_bytes;
}

/* What to take of an event type: the duration of a span of the target's name, or the field behind the event's name. */
static uint32_t decide(struct measuring *measuring, const struct evtrail_event_type *type)
{
    const size_t length = strlen(type->name);
    if (type->kind == EVTRAIL_KIND_end && strcmp(type->name, measuring->target) == 0)
        return DURATION;
    if (strncmp(type->name, measuring->target, length) != 0 || measuring->target[length] != '.')
        return NOTHING;
    const int field = evtrail_event_type_field(type, measuring->target + length + 1);
    if (field < 0 || !is_number(&type->fields[field]))
        return NOTHING;
    snprintf(measuring->unit, sizeof measuring->unit, "%s", type->fields[field].unit);
    return FIELD + (uint32_t)field;
}

static uint32_t decision(struct measuring *measuring, const struct evtrail_event_type *type)
{
    struct idtable_entry *const known = idtable_find(&measuring->types, 1, (uint64_t)(uintptr_t)type);
    if (known)
        return known->state;
    const uint32_t found = decide(measuring, type);
    struct idtable_entry *const entry = idtable_put(&measuring->types, 1, (uint64_t)(uintptr_t)type);
    if (entry)
        entry->state = found;
    return found;
}

static void add(struct measuring *measuring, bool negative, uint64_t magnitude)
{
    measuring->matched++;
    measuring->failed |= histogram_add(negative ? &measuring->minus : &measuring->plus, magnitude, 1) < 0;
}

static void add_value(struct measuring *measuring, const struct evtrail_value *value)
{
    const bool is_signed =
        (value->type >= EVTRAIL_TYPE_i8 && value->type <= EVTRAIL_TYPE_i64) || value->type == EVTRAIL_TYPE_enum;
    if (value->type == EVTRAIL_TYPE_f32 || value->type == EVTRAIL_TYPE_f64) {
        const double scaled = value->f * MICRO;
        measuring->floating = true;
        if (!(scaled > -9e18 && scaled < 9e18))
            measuring->other++;
        else
            add(measuring, scaled < 0, (uint64_t)(scaled < 0 ? -scaled : scaled));
    } else if (is_signed) {
        add(measuring, value->i < 0, value->i < 0 ? (uint64_t)(-(value->i + 1)) : (uint64_t)value->i);
    } else {
        add(measuring, false, value->u);
    }
}

static int measure(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct measuring *const measuring = (struct measuring *)sink;
    struct evtrail_value value;
    (void)consumer;
    if (event->what != EVTRAIL_EVENT || !event->type)
        return 0;
    const uint32_t found = decision(measuring, event->type);
    if (found == DURATION && event->duration >= 0)
        add(measuring, false, (uint64_t)event->duration);
    else if (found >= FIELD && evtrail_event_value(event, found - FIELD, &value) >= 0 && !value.cut)
        add_value(measuring, &value);
    else if (found != NOTHING)
        measuring->other++;
    return measuring->failed ? -ENOMEM : 0;
}

/* ---- showing ----------------------------------------------------------------------------------------------------------- */

static bool in_ns(const struct measuring *measuring)
{
    return !*measuring->unit || strcmp(measuring->unit, "ns") == 0;
}

static const char *value_text(const struct measuring *measuring, uint64_t magnitude)
{
    static char texts[4][40];
    static unsigned turn;
    char *const text = texts[turn++ % 4];
    if (measuring->floating)
        snprintf(text, sizeof texts[0], "%.6g", (double)magnitude / MICRO);
    else if (in_ns(measuring) && *measuring->unit)
        return human_ns((double)magnitude);
    else if (strcmp(measuring->unit, "bytes") == 0)
        return human_bytes((double)magnitude);
    else
        snprintf(text, sizeof texts[0], "%" PRIu64, magnitude);
    return text;
}

static void bar(struct measuring *measuring, struct consumer *consumer, bool negative, uint64_t low, uint64_t high,
                uint64_t count, uint64_t most)
{
    static const char hashes[] = "#####################################################################################"
                                 "###########################";
    struct output *const out = &consumer->out;
    const double share = (double)count / (double)measuring->matched;
    if (consumer->args->set[OPT_json]) {
        output_print(
            out, "{\"what\":\"bar\",\"negative\":%s,\"low\":%" PRIu64 ",\"high\":%" PRIu64 ",\"count\":%" PRIu64 "}\n",
            negative ? "true" : "false", low, high, count);
        return;
    }
    uint64_t width = consumer->args->set[OPT_width] ? (uint64_t)consumer->args->number[OPT_width]
                     : out->columns > 60            ? out->columns - 52
                                                    : 20;
    width = width < 1 ? 1 : width > sizeof hashes - 1 ? sizeof hashes - 1 : width;
    const double exact = (double)count * (double)width / (double)most;
    const int filled = count > 0 && exact < 1 ? 1 : (int)(exact + 0.5);
    output_print(out, "%s%12s .. %s%-12s  %10" PRIu64 "  %5.1f%%  %.*s\n", negative ? "-" : " ",
                 value_text(measuring, low), negative ? "-" : "", value_text(measuring, high), count, 100 * share,
                 filled, hashes);
}

/* The bounds of bar `i`: a power of two, or an equal part of the range. */
static void bar_bounds(const struct histogram *histogram, unsigned i, uint64_t *ret_low, uint64_t *ret_high)
{
    const uint64_t range = histogram->max - histogram->min;
    if (histogram->max / WIDE >= (histogram->min ? histogram->min : 1)) {
        *ret_low = i == 0 ? 0 : UINT64_C(1) << (i - 1);
        *ret_high = i == 0 ? 0 : (*ret_low - 1) * 2 + 1;
        return;
    }
    const uint64_t step = range / ROWS + 1;
    *ret_low = histogram->min + i * step;
    *ret_high = *ret_low + (step - 1);
}

static void bars(struct measuring *measuring, struct consumer *consumer, const struct histogram *histogram,
                 bool negative)
{
    uint64_t low, high, most = 1;
    for (unsigned pass = 0; pass < 2 && histogram->count > 0; pass++)
        for (unsigned i = 0; i <= 64; i++) {
            bar_bounds(histogram, i, &low, &high);
            if (low > histogram->max)
                break;
            const uint64_t count = histogram_between(histogram, low, high);
            if (high < histogram->min)
                continue;
            if (pass == 0 && count > most)
                most = count;
            if (pass == 1)
                bar(measuring, consumer, negative, low, high, count, most);
        }
}

static void summary(struct measuring *measuring, struct consumer *consumer)
{
    static const struct {
        const char *name, *key;
        double quantile;
    } shown[] = {{"p50", "p50", 0.5}, {"p90", "p90", 0.9}, {"p99", "p99", 0.99}, {"p99.9", "p999", 0.999}};
    const struct histogram *const h = &measuring->plus;
    struct output *const out = &consumer->out;
    const bool json = consumer->args->set[OPT_json];
    output_print(out, json ? "{\"what\":\"summary\",\"count\":%" PRIu64 : "%" PRIu64 " values", measuring->matched);
    if (h->count > 0 && measuring->minus.count == 0) {
        if (json)
            output_print(out, ",\"min\":%" PRIu64 ",\"mean\":%.3f", h->min, h->sum / (double)h->count);
        else
            output_print(out, ", least %s, mean %s", value_text(measuring, h->min),
                         value_text(measuring, (uint64_t)(h->sum / (double)h->count)));
        for (unsigned i = 0; i < 4; i++) {
            const uint64_t value = histogram_quantile(h, shown[i].quantile);
            if (json)
                output_print(out, ",\"%s\":%" PRIu64, shown[i].key, value);
            else
                output_print(out, ", %s %s", shown[i].name, value_text(measuring, value));
        }
        if (json)
            output_print(out, ",\"max\":%" PRIu64, h->max);
        else
            output_print(out, ", greatest %s", value_text(measuring, h->max));
    }
    if (json) {
        output_print(out, ",\"without_value\":%" PRIu64 ",\"scale\":%s,\"unit\":", measuring->other,
                     measuring->floating ? "0.000001" : "1");
        output_json_text(out, measuring->unit);
        output_text(out, "}\n");
        return;
    }
    output_text(out, "\n");
}

static int finish(struct sink *sink, struct consumer *consumer)
{
    struct measuring *const measuring = (struct measuring *)sink;
    if (measuring->failed)
        return -ENOMEM;
    if (measuring->matched > 0) {
        bars(measuring, consumer, &measuring->minus, true);
        bars(measuring, consumer, &measuring->plus, false);
    }
    summary(measuring, consumer);
    if (measuring->matched == 0) {
        fail(CODE_missing, measuring->target,
             "no span of this name has ended, and no event has such a field of numbers; evtrail stat lists what there "
             "is");
        consumer_note(consumer, CODE_missing);
    }
    return 0;
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

/* Lets the reader skip other events: those of the target's name, or of the name before its last dot; and what -q says. */
static int expression_make(struct measuring *measuring, const struct args *args)
{
    const char *const target = measuring->target, *const dot = strrchr(target, '.');
    if (strspn(target, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") != strlen(target) || !dot ||
        dot == target || !dot[1])
        return 0;
    const char *const filter = args->text[OPT_filter];
    if (asprintf(&measuring->expression, "(%s || %.*s)%s%s%s", target, (int)(dot - target), target,
                 filter ? " && (" : "", filter ? filter : "", filter ? ")" : "") < 0)
        measuring->expression = NULL;
    return measuring->expression ? 0 : -ENOMEM;
}

int run_hist(const struct args *args)
{
    struct measuring measuring = {.sink = {.name = "hist", .spans = true, .event = measure, .close = finish},
                                  .unit = "ns"};
    struct consumer consumer = {.args = args, .first_file = 1};
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "of what? name a span, or EVENT.FIELD");
    measuring.target = args->operands[0];
    histogram_init(&measuring.plus);
    histogram_init(&measuring.minus);
    idtable_init(&measuring.types, 200000);
    if (expression_make(&measuring, args) < 0)
        return fail(CODE_system, NULL, "out of memory");
    consumer.expression = measuring.expression;
    const int code = consumer_run(&consumer, &measuring.sink);
    histogram_fini(&measuring.plus);
    histogram_fini(&measuring.minus);
    idtable_fini(&measuring.types);
    free(measuring.expression);
    return code;
}
