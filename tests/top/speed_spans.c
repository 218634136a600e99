/* SPDX-License-Identifier: ISC
 *
 * What an event costs the models of types, spans and their tree: ns of CPU time each, median of nine runs (and the range). Not a test: run it by hand on a quiet machine.
 */
#include "model/open_spans.h"
#include "trace_builder.h"

#include <time.h>

#define EVENTS 400000u
#define RUNS 9u

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct load {
    const char *name;
    unsigned open; /* spans at once, at each level */
    bool spans;
};

/* Two levels of spans, `open` of each at once, or plain events of 20 types. */
static struct evtrail_event *events_make(struct trace *trace, const struct load *load, uint64_t **ret_words)
{
    uint32_t ids[24];
    static const char *const names[] = {"a.request", "a.query", "a.lock", "a.send"};
    char(*const plain)[16] = calloc(20, sizeof *plain); /* for the rest of the run */
    for (unsigned i = 0; i < 4; i++) {
        ids[2 * i] = trace_type(trace, EVTRAIL_KIND_begin, 4, names[i], "id:u64 parent:u64 size:u64");
        ids[2 * i + 1] = trace_type(trace, EVTRAIL_KIND_end, 4, names[i], "id:u64 code:i32");
    }
    for (unsigned i = 0; i < 16; i++) {
        snprintf(plain[i], sizeof plain[i], "b.event%u", i);
        ids[8 + i] = trace_type(trace, i % 4 ? EVTRAIL_KIND_instant : EVTRAIL_KIND_counter, 4, plain[i],
                                "value:u64 conn:u64 took:u64::ns");
    }
    struct evtrail_event *const events = calloc(EVENTS, sizeof *events);
    uint64_t *const words = calloc(EVENTS, 4 * sizeof *words);
    for (unsigned i = 0; i < EVENTS; i++) {
        uint64_t *const payload = &words[4 * i];
        const unsigned step = i / (2 * load->open) % 2, pair = i % (2 * load->open), round = i / (4 * load->open);
        const uint32_t id = load->spans ? ids[(pair % 2 ? 2 + 2 * (round % 3) : 0) + step] : ids[8 + i % 16];
        payload[0] = load->spans ? 1 + pair + (uint64_t)round * load->open * 2 : i;
        payload[1] = pair % 2 ? payload[0] - 1 : 0;
        payload[2] = i * 100;
        trace->now_ns += 100;
        events[i] = trace_make(trace, id, "", payload);
        events[i].payload = payload;
    }
    *ret_words = words;
    return events;
}

static void measure(const struct load *load, enum model_part part, const char *name)
{
    double runs[RUNS];
    for (unsigned run = 0; run < RUNS; run++) {
        struct model *model;
        static struct trace trace;
        uint64_t *words;
        if (model_new(&model, NULL) < 0)
            abort();
        trace_begin(&trace, model, 1);
        struct evtrail_event *const events = events_make(&trace, load, &words);
        struct part *const of = model_part(model, part);
        void *plans[TRACE_TYPES] = {0};
        for (uint32_t i = 0; i < trace.source.types_count; i++)
            if (of->ops->kinds & KIND_BIT(trace.types[i].kind))
                plans[i] = of->ops->plan(of, &trace.source, &trace.types[i]);
        const double before = now_ns();
        for (unsigned i = 0; i < EVENTS; i++)
            if (plans[events[i].id])
                of->ops->event(of, plans[events[i].id], &events[i], true);
        runs[run] = (now_ns() - before) / EVENTS;
        free(events);
        free(words);
        model_free(model);
    }
    qsort(runs, RUNS, sizeof *runs, by_value);
    printf("%-28s %-6s %6.1f ns (%.1f to %.1f)\n", load->name, name, runs[RUNS / 2], runs[0], runs[RUNS - 1]);
}

int main(void)
{
    static const struct load loads[] = {{"20 types, 3 words", 1, false},
                                        {"spans, 8 open", 4, true},
                                        {"spans, 2,000 open", 1000, true},
                                        {"spans, 20,000 open", 10000, true}};
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
        measure(&loads[i], PART_types, "types");
        if (loads[i].spans)
            measure(&loads[i], PART_spans, "spans");
        if (loads[i].spans)
            measure(&loads[i], PART_tree, "tree");
    }
    return 0;
}
