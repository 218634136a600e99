/* SPDX-License-Identifier: ISC
 *
 * From a trace's events to the handlers of those that are the pool's; how each source's types map to handlers is worked out once.
 */
#include "model_internal.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES_MAX = 16384, FAULTS_MAX = 100000, SOURCES_MAX = 4096 };

/* What a source's type is to the model. */
struct bound {
    const struct evtrail_event_type *type; /* as it was when it was looked up */
    const struct handler *handler;         /* NULL: nothing */
    int16_t field[HANDLER_FIELDS];
};
struct binding {
    struct bound *bound; /* by type id */
    uint32_t count;
};

int model_new(struct model **ret_model)
{
    struct model *const model = calloc(1, sizeof *model);
    if (!model)
        return -ENOMEM;
    idtable_init(&model->ids, MODEL_ENTITIES_MAX);
    for (unsigned i = 0; i < MODEL_TIMES; i++)
        histogram_init(&model->times[i]);
    model->names = calloc(MODEL_NAMES_MAX, sizeof *model->names);
    model->addresses = calloc(MODEL_ADDRESSES_MAX, sizeof *model->addresses);
    if (!model->names || !model->addresses) {
        model_free(model);
        return -ENOMEM;
    }
    *ret_model = model;
    return 0;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    idtable_fini(&model->ids);
    for (unsigned i = 0; i < MODEL_TIMES; i++)
        histogram_fini(&model->times[i]);
    for (unsigned i = 0; i < model->bindings_count; i++)
        free(model->bindings[i].bound);
    free(model->bindings);
    free(model->names);
    free(model->addresses);
    free(model);
}

/* ---- binding ---- */

static void bind_type(struct bound *bound, const struct evtrail_event_type *type)
{
    *bound = (struct bound){.type = type};
    for (unsigned i = 0; i < model_handlers_count && !bound->handler; i++)
        if (model_handlers[i].kind == type->kind && strcmp(model_handlers[i].name, type->name) == 0)
            bound->handler = &model_handlers[i];
    for (unsigned i = 0; bound->handler && i < HANDLER_FIELDS && bound->handler->fields[i]; i++) {
        const int field = evtrail_event_type_field(type, bound->handler->fields[i]);
        if (field < 0)
            bound->handler = NULL; /* not the event that we know by this name */
        else
            bound->field[i] = (int16_t)field;
    }
}

static struct binding *binding_of(struct model *model, uint32_t source)
{
    if (source >= SOURCES_MAX)
        return NULL;
    if (source >= model->bindings_count) {
        struct binding *const more = realloc(model->bindings, (source + 1) * sizeof *more);
        if (!more)
            return NULL;
        memset(more + model->bindings_count, 0, (source + 1 - model->bindings_count) * sizeof *more);
        model->bindings = more;
        model->bindings_count = source + 1;
    }
    return &model->bindings[source];
}

static const struct bound *bound_of(struct model *model, const struct evtrail_event *event)
{
    struct binding *const binding = binding_of(model, event->source->number);
    if (!binding || event->id >= TYPES_MAX)
        return NULL;
    if (event->id >= binding->count) {
        const uint32_t count = event->id + 64;
        struct bound *const more = realloc(binding->bound, count * sizeof *more);
        if (!more)
            return NULL;
        memset(more + binding->count, 0, (count - binding->count) * sizeof *more);
        binding->bound = more;
        binding->count = count;
    }
    struct bound *const bound = &binding->bound[event->id];
    if (bound->type != event->type)
        bind_type(bound, event->type);
    return bound;
}

/* ---- feeding ---- */

static void feed_lost(struct model *model, const struct evtrail_event *event)
{
    model->lost[event->cause < EVTRAIL_CAUSES_ALL ? event->cause : EVTRAIL_CAUSE_torn] += event->lost;
}

static void feed_source(struct model *model, const struct evtrail_source *source)
{
    if (!model->command[0])
        snprintf(model->command, sizeof model->command, "%s", source->command);
    if (!model->host[0])
        snprintf(model->host, sizeof model->host, "%s", source->host);
}

static void time_seen(struct model *model, int64_t time_ns)
{
    if (model->events == 1)
        model->first_ns = model->last_ns = time_ns;
    if (time_ns > model->last_ns)
        model->last_ns = time_ns;
}

void model_feed(struct model *model, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT_LOST)
        feed_lost(model, event);
    if (event->what == EVTRAIL_EVENT_SOURCE)
        feed_source(model, event->source);
    if (event->what != EVTRAIL_EVENT)
        return;
    const struct bound *const bound = event->type ? bound_of(model, event) : NULL;
    if (!bound || !bound->handler)
        return;
    struct step step = {.model = model, .event = event};
    for (unsigned i = 0; i < HANDLER_FIELDS && bound->handler->fields[i]; i++)
        if (evtrail_event_value(event, (unsigned)bound->field[i], &step.value[i]) < 0)
            step.value[i] = (struct evtrail_value){.null = true};
    model->events++;
    time_seen(model, event->time);
    bound->handler->call(&step);
}

struct evtrail_reader_options model_reader_options(void)
{
    return (struct evtrail_reader_options){.bytes = sizeof(struct evtrail_reader_options), .spans = true};
}

static int read_all(struct model *model, struct evtrail_reader *reader, const char *path)
{
    struct evtrail_event *event;
    int r = evtrail_reader_add_path(reader, path);
    while (r >= 0 && model->faults < FAULTS_MAX) {
        const int next = evtrail_reader_next(reader, &event);
        if (next == 0)
            return 0;
        if (next > 0)
            model_feed(model, event);
        else if (model->faults++ == 0)
            snprintf(model->fault, sizeof model->fault, "%s", evtrail_reader_error(reader));
    }
    return r < 0 ? r : -EBADMSG;
}

int model_read(struct model *model, const char *path, char **ret_error)
{
    const struct evtrail_reader_options options = model_reader_options();
    struct evtrail_reader *reader;
    int r = evtrail_reader_new(&reader, &options);
    if (r < 0)
        return r;
    r = read_all(model, reader, path);
    if (r < 0)
        *ret_error = strdup(evtrail_reader_error(reader));
    evtrail_reader_free(reader);
    return r;
}

/* ---- derived ---- */

uint64_t model_lost(const struct model *model)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += model->lost[i];
    return sum;
}

static uint64_t sum_of(const uint64_t *counts, unsigned from, unsigned to)
{
    uint64_t sum = 0;
    for (unsigned i = from; i < to; i++)
        sum += counts[i];
    return sum;
}

uint64_t model_acquires_failed(const struct model *model)
{
    return sum_of(model->acquires, 1, MODEL_CODES);
}

uint64_t model_errors(const struct model *model)
{
    return sum_of(model->errors, 1, MODEL_CODES);
}

uint64_t model_closed(const struct model *model)
{
    return sum_of(model->closed, 0, MODEL_REASONS);
}

uint64_t model_fair_wait_ns(const struct model *model)
{
    const struct histogram *const use = &model->times[TIME_use];
    if (use->count == 0 || model->clients <= model->active_max || model->active_max == 0)
        return 0;
    const double others = (double)(model->clients - model->active_max) / (double)model->active_max;
    return (uint64_t)(use->sum / (double)use->count * others);
}

double model_seconds(const struct model *model)
{
    const bool run = model->run_from_ns != 0 && model->run_to_ns > model->run_from_ns;
    const double ns =
        run ? (double)model->run_to_ns - (double)model->run_from_ns : (double)model->last_ns - (double)model->first_ns;
    return ns > 0 ? ns / 1e9 : 0;
}

const char *model_code_name(unsigned code)
{
    return evpool_code_name((enum evpool_code)code);
}

const char *model_reason_name(unsigned reason)
{
    return evpool_reason_name((enum evpool_reason)reason);
}

const char *model_opcode_name(unsigned opcode)
{
    static const char *const names[MODEL_OPCODES] = {"unknown", "connect", "accept", "recv",
                                                     "send",    "poll",    "watch",  "close"};
    return opcode < MODEL_OPCODES ? names[opcode] : names[0];
}

const char *model_time_name(enum model_time time)
{
    static const char *const names[MODEL_TIMES] = {"round trip", "message", "acquire wait",   "connect",       "TLS",
                                                   "resolve",    "use",     "loop iteration", "timer lateness"};
    return names[time];
}

uint64_t model_out_ns(const struct model *model, const struct model_address *address)
{
    const int64_t last = model->last_ns, since = address->out_since_ns;
    return address->out_ns + (address->out && last > since ? (uint64_t)last - (uint64_t)since : 0);
}

static int rank_compare(const void *a, const void *b, void *context)
{
    const struct model *const model = context;
    const struct model_address *const one = &model->addresses[*(const unsigned *)a];
    const struct model_address *const other = &model->addresses[*(const unsigned *)b];
    const uint64_t left = one->created + one->reused, right = other->created + other->reused;
    if (left != right)
        return left < right ? 1 : -1;
    return one < other ? -1 : 1;
}

unsigned *model_ranking(const struct model *model)
{
    unsigned *const order = calloc(model->addresses_count + 1, sizeof *order);
    if (!order)
        return NULL;
    for (unsigned i = 0; i < model->addresses_count; i++)
        order[i] = i;
    qsort_r(order, model->addresses_count, sizeof *order, rank_compare, (void *)(uintptr_t)model);
    return order;
}
