/* SPDX-License-Identifier: ISC
 *
 * evtrail gc: what OCaml's garbage collector took, by domain, and how long its pauses were.
 *
 * A pause is the outermost of the collector's phases in a domain: whatever runs inside is part of it. What lies in a gap is not known, so that
 * a pause that one falls into is not counted.
 */
#include "histogram.h"
#include "skeleton.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAINS_MAX = 4096, PROCESSES_MAX = 4096 };

struct domain {
    uint32_t ring;
    bool begun, ended;
    int64_t first_ns, last_ns;
    uint64_t lived_before_ns, off_ns; /* of those in its place before; that events were switched off */
    unsigned lives;                   /* domains that were in its place, one after the other */
    uint64_t pause_id;                /* that is open; 0: none */
    int64_t pause_ns;                 /* its begin */
    uint64_t gc_ns, pauses, longest_ns, lost;
    uint64_t minor, major, forced, compactions;
    uint64_t allocated_bytes, promoted_bytes, major_words;
};

struct process {
    uint32_t number; /* of its source */
    uint32_t pid;
    char command[65];
    struct domain *domains;
    size_t domains_count;
    int64_t last_ns; /* of its events; 0: none yet */
    uint64_t off_ns;
    unsigned offs;
    struct histogram latency;
    double squares; /* sum of, of pauses in ns */
};

struct collecting {
    struct sink sink; /* first */
    struct process *processes;
    size_t count;
};

/* ---- what is counted --------------------------------------------------------------------------------------------------- */

static struct process *process_of(struct collecting *gc, const struct evtrail_source *source)
{
    for (size_t i = gc->count; i-- > 0;)
        if (gc->processes[i].number == source->number)
            return &gc->processes[i];
    struct process *const more =
        gc->count < PROCESSES_MAX ? realloc(gc->processes, (gc->count + 1) * sizeof *more) : NULL;
    if (!more)
        return NULL;
    gc->processes = more;
    struct process *const made = &more[gc->count++];
    *made = (struct process){.number = source->number, .pid = source->pid};
    snprintf(made->command, sizeof made->command, "%s", source->command);
    histogram_init(&made->latency);
    return made;
}

static struct domain *domain_of(struct process *process, uint32_t ring)
{
    for (size_t i = 0; i < process->domains_count; i++)
        if (process->domains[i].ring == ring)
            return &process->domains[i];
    struct domain *const more = process->domains_count < DOMAINS_MAX
                                    ? realloc(process->domains, (process->domains_count + 1) * sizeof *more)
                                    : NULL;
    if (!more)
        return NULL;
    process->domains = more;
    more[process->domains_count] = (struct domain){.ring = ring};
    return &more[process->domains_count++];
}

/* The collector at work, or a domain that waits for it. */
static bool is_collection(const char *phase)
{
    static const char *const names[] = {"minor",   "major",      "stw_leader", "stw_handler", "interrupt_remote",
                                        "compact", "empty_minor"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(phase, names[i]) == 0)
            return true;
    return strncmp(phase, "explicit_gc_", 12) == 0 && strcmp(phase + 12, "set") != 0 && strcmp(phase + 12, "stat") != 0;
}

static void count_begin(struct domain *domain, const char *phase, const struct evtrail_event *event)
{
    domain->minor += strcmp(phase, "minor") == 0;
    domain->major += strcmp(phase, "major_gc_cycle_domains") == 0;
    domain->forced += strcmp(phase, "explicit_gc_major") == 0 || strcmp(phase, "explicit_gc_full_major") == 0;
    domain->compactions += strcmp(phase, "explicit_gc_compact") == 0;
    if (domain->pause_id || !is_collection(phase) || event->words < 1)
        return;
    domain->pause_id = event->payload[0];
    domain->pause_ns = event->time;
}

static int count_end(struct process *process, struct domain *domain, const struct evtrail_event *event)
{
    if (!domain->pause_id || event->words < 1 || event->payload[0] != domain->pause_id)
        return 0;
    const uint64_t took = event->time > domain->pause_ns ? (uint64_t)(event->time - domain->pause_ns) : 0;
    domain->pause_id = 0;
    domain->gc_ns += took;
    domain->pauses++;
    domain->longest_ns = took > domain->longest_ns ? took : domain->longest_ns;
    process->squares += (double)took * (double)took;
    return histogram_add(&process->latency, took, 1);
}

static void count_value(struct domain *domain, const char *name, const struct evtrail_event *event)
{
    const uint64_t value = event->words ? event->payload[0] : 0;
    if (strcmp(name, "minor_allocated") == 0)
        domain->allocated_bytes += value;
    else if (strcmp(name, "minor_promoted") == 0)
        domain->promoted_bytes += value;
    else if (strcmp(name, "major_allocated_words") == 0)
        domain->major_words += value;
}

/* While the program has its events switched off its domains live, but nobody knows what for. OCaml says when they are on again, and its
 * "off" comes too late to be written: since the last event, at most. */
static void count_off(struct process *process, int64_t time)
{
    const uint64_t off = process->last_ns && time > process->last_ns ? (uint64_t)(time - process->last_ns) : 0;
    process->offs++;
    process->off_ns += off;
    for (size_t i = 0; i < process->domains_count; i++) {
        process->domains[i].pause_id = 0; /* its end may have been in that time */
        if (process->domains[i].begun && !process->domains[i].ended)
            process->domains[i].off_ns += off;
    }
}

static uint64_t lived(const struct domain *domain)
{
    const uint64_t now = domain->last_ns > domain->first_ns ? (uint64_t)(domain->last_ns - domain->first_ns) : 0;
    const uint64_t all = domain->lived_before_ns + now;
    return all > domain->off_ns ? all - domain->off_ns : 0;
}

/* A domain's number is that of its place, which the next one gets when it has gone. */
static void count_life(struct domain *domain, int64_t time)
{
    if (!domain->begun || domain->ended) {
        domain->lived_before_ns +=
            domain->last_ns > domain->first_ns ? (uint64_t)(domain->last_ns - domain->first_ns) : 0;
        domain->first_ns = time;
        domain->pause_id = 0;
        domain->lives++;
    }
    domain->begun = true;
    domain->ended = false;
    domain->last_ns = time;
}

static int collect(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct collecting *const gc = (struct collecting *)sink;
    (void)consumer;
    if (event->what == EVTRAIL_EVENT_SOURCE)
        return 0;
    const bool is_lost = event->what == EVTRAIL_EVENT_LOST;
    if (!is_lost && (!event->type || strncmp(event->type->name, "ocaml.", 6) != 0))
        return 0;
    struct process *const process = process_of(gc, event->source);
    struct domain *const domain = process ? domain_of(process, event->ring) : NULL;
    if (!domain)
        return -ENOMEM;
    if (is_lost) {
        domain->pause_id = 0;
        domain->lost += event->lost;
        return 0;
    }
    const char *const name = event->type->name + 6;
    if (event->type->kind == EVTRAIL_KIND_gone || (domain->ended && event->type->kind == EVTRAIL_KIND_state))
        return 0; /* of the domain's entity: the reader's own */
    count_life(domain, event->time);
    if (event->type->kind == EVTRAIL_KIND_instant) {
        domain->ended = strcmp(name, "domain_terminate") == 0;
        if (strcmp(name, "ring_resume") == 0)
            count_off(process, event->time);
    }
    process->last_ns = event->time;
    if (event->type->kind == EVTRAIL_KIND_begin)
        count_begin(domain, name, event);
    else if (event->type->kind == EVTRAIL_KIND_counter)
        count_value(domain, name, event);
    return event->type->kind == EVTRAIL_KIND_end ? count_end(process, domain, event) : 0;
}

/* ---- what is shown ----------------------------------------------------------------------------------------------------- */

static const double quantiles[] = {0.25, 0.5,  0.6,  0.7,  0.75,  0.8,    0.85,    0.9,     0.95,
                                   0.96, 0.97, 0.98, 0.99, 0.999, 0.9999, 0.99999, 0.999999};

struct sums {
    struct domain all;
    uint64_t lived_ns;
    double mean, deviation;
};

static double percent(double part, double whole)
{
    return whole > 0 ? 100.0 * part / whole : 0.0;
}

/* Minor and major collections are of all domains at once: those of the domain that saw most of them count. */
static struct sums sums_of(const struct process *process)
{
    struct sums sums = {.all = {.first_ns = INT64_MAX, .last_ns = INT64_MIN}};
    for (size_t i = 0; i < process->domains_count; i++) {
        const struct domain *const d = &process->domains[i];
        if (d->begun && d->first_ns < sums.all.first_ns)
            sums.all.first_ns = d->first_ns;
        if (d->begun && d->last_ns > sums.all.last_ns)
            sums.all.last_ns = d->last_ns;
        sums.lived_ns += lived(d);
        sums.all.lives += d->lives;
        sums.all.gc_ns += d->gc_ns;
        sums.all.pauses += d->pauses;
        sums.all.lost += d->lost;
        sums.all.minor = d->minor > sums.all.minor ? d->minor : sums.all.minor;
        sums.all.major = d->major > sums.all.major ? d->major : sums.all.major;
        sums.all.forced += d->forced;
        sums.all.compactions += d->compactions;
        sums.all.allocated_bytes += d->allocated_bytes;
        sums.all.promoted_bytes += d->promoted_bytes;
        sums.all.major_words += d->major_words;
    }
    if (process->latency.count) {
        sums.mean = process->latency.sum / (double)process->latency.count;
        const double variance = process->squares / (double)process->latency.count - sums.mean * sums.mean;
        sums.deviation = variance > 0 ? sqrt(variance) : 0;
    }
    return sums;
}

static const char *in_turn(const struct domain *domain, char text[32])
{
    snprintf(text, 32, domain->lives > 1 ? "  (%u in turn)" : "", domain->lives);
    return text;
}

static void show_domains(const struct process *process, struct output *out)
{
    output_print(out,
                 "%sDOMAIN     LIVED        GC   SHARE    PAUSES   LONGEST     MINOR ALLOCATED  PROMOTED      LOST%s\n",
                 output_sgr(out, "1"), output_sgr(out, "0"));
    for (size_t i = 0; i < process->domains_count; i++) {
        const struct domain *const d = &process->domains[i];
        char turns[32];
        output_print(out, "%6" PRIu32 "%10s%10s%7.2f%%%10" PRIu64 "%10s%10" PRIu64 "%10s%10s%10" PRIu64 "%s\n", d->ring,
                     human_ns((double)lived(d)), human_ns((double)d->gc_ns),
                     percent((double)d->gc_ns, (double)lived(d)), d->pauses, human_ns((double)d->longest_ns), d->minor,
                     human_bytes((double)d->allocated_bytes), human_bytes((double)d->promoted_bytes), d->lost,
                     in_turn(d, turns));
    }
}

static void show_latency(const struct process *process, const struct sums *sums, struct output *out)
{
    const struct histogram *const h = &process->latency;
    if (!h->count) {
        output_text(out, "no pauses\n");
        return;
    }
    output_print(out, "%" PRIu64 " pauses: mean %s, standard deviation %s, least %s, greatest %s\n", h->count,
                 human_ns(sums->mean), human_ns(sums->deviation), human_ns((double)h->min), human_ns((double)h->max));
    output_print(out, "%sPERCENTILE     PAUSE%s\n", output_sgr(out, "1"), output_sgr(out, "0"));
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        output_print(out, "%10.4f%10s\n", 100 * quantiles[i], human_ns((double)histogram_quantile(h, quantiles[i])));
    output_print(out, "%10.4f%10s\n", 100.0, human_ns((double)h->max));
}

static void show(const struct process *process, struct output *out)
{
    const struct sums sums = sums_of(process);
    const struct domain *const all = &sums.all;
    const uint64_t words = all->allocated_bytes / 8, promoted = all->promoted_bytes / 8;
    output_print(out, "%s %" PRIu32 ": %s, GC %s in %u domains, %.2f%% of their time\n", shown(process->command),
                 process->pid, human_ns((double)lived(all)), human_ns((double)all->gc_ns), all->lives,
                 percent((double)all->gc_ns, (double)sums.lived_ns));
    if (process->offs)
        output_print(out, "its events were switched off %u time%s, for at most %s: what ran then is not in here\n",
                     process->offs, process->offs == 1 ? "" : "s", human_ns((double)process->off_ns));
    output_print(out,
                 "%" PRIu64 " minor collections, %" PRIu64 " major cycles; asked for: %" PRIu64 " major, %" PRIu64
                 " compactions\n",
                 all->minor, all->major, all->forced, all->compactions);
    output_print(out, "%s words allocated in the minor heap, %s promoted (%.2f%%)", human_count((double)words),
                 human_count((double)promoted), percent((double)promoted, (double)words));
    if (all->major_words)
        output_print(out, ", %s in the major heap", human_count((double)all->major_words));
    output_text(out, "\n");
    if (all->lost)
        output_print(out, "about %s events were lost: what is here is less than there was\n",
                     human_count((double)all->lost));
    show_domains(process, out);
    show_latency(process, &sums, out);
}

static void show_json(const struct process *process, struct output *out)
{
    const struct sums sums = sums_of(process);
    const struct domain *const all = &sums.all;
    const struct histogram *const h = &process->latency;
    output_print(out, "{\"what\":\"gc\",\"pid\":%" PRIu32 ",\"process\":", process->pid);
    output_json_text(out, process->command);
    output_print(out,
                 ",\"wall_ns\":%" PRIu64 ",\"gc_ns\":%" PRIu64 ",\"domains_ns\":%" PRIu64 ",\"gc_percent\":%.4f,"
                 "\"minor_collections\":%" PRIu64 ",\"major_cycles\":%" PRIu64 ",\"forced_majors\":%" PRIu64
                 ",\"compactions\":%" PRIu64 ",\"minor_words\":%" PRIu64 ",\"promoted_words\":%" PRIu64
                 ",\"major_words\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"off_ns\":%" PRIu64 ",\"domains\":[",
                 lived(all), all->gc_ns, sums.lived_ns, percent((double)all->gc_ns, (double)sums.lived_ns), all->minor,
                 all->major, all->forced, all->compactions, all->allocated_bytes / 8, all->promoted_bytes / 8,
                 all->major_words, all->lost, process->off_ns);
    for (size_t i = 0; i < process->domains_count; i++) {
        const struct domain *const d = &process->domains[i];
        output_print(out,
                     "%s{\"domain\":%" PRIu32 ",\"lives\":%u,\"lived_ns\":%" PRIu64 ",\"gc_ns\":%" PRIu64
                     ",\"pauses\":%" PRIu64 ",\"longest_ns\":%" PRIu64 ",\"minor_collections\":%" PRIu64
                     ",\"minor_words\":%" PRIu64 ",\"promoted_words\":%" PRIu64 ",\"lost\":%" PRIu64 "}",
                     i ? "," : "", d->ring, d->lives, lived(d), d->gc_ns, d->pauses, d->longest_ns, d->minor,
                     d->allocated_bytes / 8, d->promoted_bytes / 8, d->lost);
    }
    output_print(out,
                 "],\"latency\":{\"count\":%" PRIu64 ",\"mean_ns\":%.1f,\"stddev_ns\":%.1f,\"min_ns\":%" PRIu64
                 ",\"max_ns\":%" PRIu64 ",\"percentiles\":{",
                 h->count, sums.mean, sums.deviation, h->count ? h->min : 0, h->max);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        output_print(out, "%s\"%.4f\":%" PRIu64, i ? "," : "", 100 * quantiles[i], histogram_quantile(h, quantiles[i]));
    output_text(out, "}}}\n");
}

static int finish(struct sink *sink, struct consumer *consumer)
{
    struct collecting *const gc = (struct collecting *)sink;
    unsigned shown_count = 0;
    for (size_t i = 0; i < gc->count; i++) {
        const struct process *const process = &gc->processes[i];
        bool any = false;
        for (size_t j = 0; j < process->domains_count; j++)
            any |= process->domains[j].begun;
        if (!any)
            continue;
        if (shown_count++ && !consumer->args->set[OPT_json])
            output_text(&consumer->out, "\n");
        if (consumer->args->set[OPT_json])
            show_json(process, &consumer->out);
        else
            show(process, &consumer->out);
    }
    if (shown_count == 0) {
        fail(CODE_missing, NULL, "no runtime events of an OCaml program; evtrail gc -- PROGRAM starts one with them");
        consumer_note(consumer, CODE_missing);
    }
    return 0;
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

int run_gc(const struct args *args)
{
    struct collecting gc = {.sink = {.name = "gc", .event = collect, .close = finish}};
    struct consumer consumer = {.args = args, .expression = "ocaml.*"};
    const int code = consumer_run(&consumer, &gc.sink);
    for (size_t i = 0; i < gc.count; i++) {
        histogram_fini(&gc.processes[i].latency);
        free(gc.processes[i].domains);
    }
    free(gc.processes);
    return code;
}
