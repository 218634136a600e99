/* SPDX-License-Identifier: ISC
 *
 * One event into a report: rows, tracks, processes and losses over time.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX_SPANS 400000u
#define TRACKS_MAX 4096u
#define PROCESSES_MAX 4096u

const struct report_limits report_default = {.slices = 36000, .events = 24000};
const struct report_limits report_full = {.slices = 4000000, .events = 4000000};
const struct report_limits report_live = {.slices = 18000, .events = 12000, .newest = 500};

int report_init(struct report *report, const struct report_limits *limits)
{
    *report = (struct report){0};
    idtable_init(&report->open_index, OPEN_MAX_SPANS);
    idtable_init(&report->track_index, TRACKS_MAX);
    idtable_init(&report->listed_index, LISTED);
    slices_init(&report->spans, limits->slices);
    slices_init(&report->strips, limits->slices / 2);
    sample_init(&report->sample, limits->events, limits->events / 3 + 1000);
    sample_keep_newest(&report->sample, limits->newest);
    report->events = calloc(1, sizeof *report->events);
    if (stat_model_init(&report->stat) < 0 || !report->events)
        return -ENOMEM;
    return 0;
}

static void more_free(struct row_more *more)
{
    for (uint32_t i = 0; more && i < more->slow_count; i++)
        free(more->slow[i].text);
    for (uint32_t i = 0; more && more->states && i < STATES_MAX; i++)
        free(more->states->shares[i]);
    if (more) {
        free(more->counts);
        free(more->levels);
        free(more->heat);
        free(more->states);
    }
    free(more);
}

void report_fini(struct report *report)
{
    for (uint32_t i = 0; i < report->more_count; i++)
        more_free(report->more[i]);
    for (uint32_t i = 0; i < report->listed_count; i++)
        free(report->listed[i].name);
    for (uint32_t i = 0; i < report->processes_count; i++) {
        free(report->processes[i].command);
        free(report->processes[i].program);
        free(report->processes[i].host);
    }
    for (uint32_t i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        free(report->lost[i]);
    free(report->more);
    free(report->events);
    free(report->open);
    free(report->tracks);
    free(report->listed);
    free(report->processes);
    idtable_fini(&report->open_index);
    idtable_fini(&report->track_index);
    idtable_fini(&report->listed_index);
    slices_fini(&report->spans);
    slices_fini(&report->strips);
    sample_fini(&report->sample);
    stat_model_fini(&report->stat);
}

/* ---- rows -------------------------------------------------------------------------------------------------------------- */

static void *need(struct report *report, size_t bytes)
{
    void *const made = calloc(1, bytes);
    report->out_of_memory |= !made;
    return made;
}

static struct row_more *more_make(struct report *report, const struct row *row)
{
    struct row_more *const more = need(report, sizeof *more);
    if (!more)
        return NULL;
    if (report->counts < SERIES_ROWS && (more->counts = need(report, sizeof *more->counts)))
        report->counts++;
    if (row->counter && report->levels < LEVEL_ROWS && (more->levels = need(report, sizeof *more->levels)))
        report->levels++;
    if (row->span && report->heats < HEAT_ROWS && (more->heat = need(report, sizeof *more->heat)))
        report->heats++;
    if (row->class)
        more->states = need(report, sizeof *more->states);
    return more;
}

struct row_more *report_more(struct report *report, const struct row *row)
{
    if (row->number >= report->more_count) {
        const uint32_t count = (row->number | 63) + 1;
        struct row_more **const more = realloc(report->more, count * sizeof(*more));
        if (!more) {
            report->out_of_memory = true;
            return NULL;
        }
        memset(more + report->more_count, 0, (count - report->more_count) * sizeof(*more));
        report->more = more;
        report->more_count = count;
    }
    if (!report->more[row->number])
        report->more[row->number] = more_make(report, row);
    return report->more[row->number];
}

/* ---- tracks and processes ---------------------------------------------------------------------------------------------- */

uint32_t report_track(struct report *report, const struct evtrail_event *event)
{
    struct idtable_entry *const entry = idtable_put(&report->track_index, event->source->number + 1, event->tid);
    if (!entry)
        return UINT32_MAX;
    if (entry->state == 0) {
        struct track *const tracks = realloc(report->tracks, (report->tracks_count + 1) * sizeof *tracks);
        if (!tracks) {
            report->out_of_memory = true;
            return UINT32_MAX;
        }
        report->tracks = tracks;
        tracks[report->tracks_count] = (struct track){.source = event->source->number, .tid = event->tid};
        entry->state = ++report->tracks_count;
    }
    struct track *const track = &report->tracks[entry->state - 1];
    if (event->thread_name && strcmp(track->name, event->thread_name) != 0) {
        strncpy(track->name, event->thread_name, sizeof track->name - 1);
        track->name[sizeof track->name - 1] = '\0';
    }
    track->events += event->what == EVTRAIL_EVENT;
    return entry->state - 1;
}

static void process_fill(struct report *report, struct process *process, const struct evtrail_source *source)
{
    process->command = strdup(source->command);
    process->program = strdup(source->program);
    process->host = strdup(source->host);
    process->pid = source->pid;
    process->parent_pid = source->parent_pid;
    process->start_ns = (int64_t)source->start_realtime_ns;
    process->session_id = source->session_id;
    report->out_of_memory |= !process->command || !process->program || !process->host;
}

static void process_seen(struct report *report, const struct evtrail_source *source, uint32_t events)
{
    if (source->number >= PROCESSES_MAX)
        return;
    if (source->number >= report->processes_count) {
        struct process *const processes = realloc(report->processes, (source->number + 1) * sizeof *processes);
        if (!processes) {
            report->out_of_memory = true;
            return;
        }
        memset(processes + report->processes_count, 0,
               (source->number + 1 - report->processes_count) * sizeof *processes);
        report->processes = processes;
        report->processes_count = source->number + 1;
    }
    struct process *const process = &report->processes[source->number];
    if (!process->command)
        process_fill(report, process, source);
    process->events += events;
}

/* ---- loss -------------------------------------------------------------------------------------------------------------- */

/* The nearest two stretches become one when there are too many. */
static void losses_join(struct report *report)
{
    for (uint32_t i = 0; i < LOSSES_MAX / 2; i++) {
        const struct loss *const a = &report->losses[2 * i], *const b = a + 1;
        report->losses[i] = (struct loss){.since_ns = a->since_ns < b->since_ns ? a->since_ns : b->since_ns,
                                          .ns = a->ns > b->ns ? a->ns : b->ns,
                                          .count = a->count + b->count,
                                          .cause = a->count >= b->count ? a->cause : b->cause,
                                          .track = a->track == b->track ? a->track : UINT32_MAX};
    }
    report->losses_count = LOSSES_MAX / 2;
}

static void take_loss(struct report *report, const struct evtrail_event *event)
{
    if (event->cause >= EVTRAIL_CAUSES_ALL || event->lost == 0)
        return;
    if (!report->lost[event->cause])
        report->lost[event->cause] = need(report, sizeof *report->lost[0]);
    if (report->lost[event->cause])
        counts_add(report->lost[event->cause], &report->axis, event->time, event->lost);
    if (report->losses_count == LOSSES_MAX)
        losses_join(report);
    report->losses[report->losses_count++] =
        (struct loss){.since_ns = event->lost_since,
                      .ns = event->time,
                      .count = event->lost,
                      .cause = event->cause,
                      .track = event->tid ? report_track(report, event) : UINT32_MAX};
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

static double as_double(struct number number)
{
    if (number.type == EVTRAIL_TYPE_f64)
        return number.f;
    const bool is_signed =
        (number.type >= EVTRAIL_TYPE_i8 && number.type <= EVTRAIL_TYPE_i64) || number.type == EVTRAIL_TYPE_enum;
    return is_signed ? (double)number.i : (double)number.u;
}

static void take_kind(struct report *report, const struct plan *plan, const struct evtrail_event *event,
                      struct row_more *more, uint32_t track, uint32_t before)
{
    switch (plan->kind) {
    case EVTRAIL_KIND_begin:
        report_span_begin(report, plan, event, track);
        break;
    case EVTRAIL_KIND_end:
        report_span_end(report, plan, event, track);
        break;
    case EVTRAIL_KIND_counter:
        if (more->levels)
            levels_add(more->levels, &report->axis, event->time, as_double(plan->row->counter->last));
        break;
    case EVTRAIL_KIND_state:
    case EVTRAIL_KIND_gone:
    case EVTRAIL_KIND_name:
        report_entity(report, plan, event, before);
        break;
    default:
        break;
    }
}

static bool is_entity(unsigned kind)
{
    return kind == EVTRAIL_KIND_state || kind == EVTRAIL_KIND_gone || kind == EVTRAIL_KIND_name;
}

static void take_event(struct report *report, const struct evtrail_event *event)
{
    const struct plan *plan = stat_model_plan(&report->stat, event->source, event->id);
    if (!plan)
        return;
    const uint32_t before =
        is_entity(plan->kind) && event->words > 0 ? report_entity_state(report, plan, event) : UINT32_MAX;
    stat_model_event(&report->stat, event);
    struct row_more *const more = report_more(report, plan->row);
    const uint32_t track = report_track(report, event);
    if (!more)
        return;
    process_seen(report, event->source, 1);
    counts_add(report->events, &report->axis, event->time, 1);
    if (more->counts)
        counts_add(more->counts, &report->axis, event->time, 1);
    report->cut += event->meta & 1;
    if (event->words > 0)
        take_kind(report, plan, event, more, track, before);
    report->out_of_memory |= sample_add(&report->sample, event, track) < 0;
}

void report_event(struct report *report, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT) {
        take_event(report, event);
    } else if (event->what == EVTRAIL_EVENT_LOST) {
        stat_model_event(&report->stat, event);
        take_loss(report, event);
    } else if (event->what == EVTRAIL_EVENT_SOURCE && event->source) {
        process_seen(report, event->source, 0);
    }
    report->out_of_memory |= report->stat.out_of_memory;
}

bool report_shrink(struct report *report)
{
    const uint32_t events = report->sample.limit[0] / 2;
    if (events < 500)
        return false;
    sample_limit(&report->sample, events, report->sample.limit[1] / 2);
    if (slices_limit(&report->spans, report->spans.limit / 2) < 0 ||
        slices_limit(&report->strips, report->strips.limit / 2) < 0)
        report->out_of_memory = true;
    return !report->out_of_memory;
}

void report_end(struct report *report)
{
    report_spans_end(report);
    report_entities_end(report);
}

/* The end draws what is open, and writing sorts: both into copies. All else that they do may be done again. */
int report_snapshot(struct report *report, struct blob *out)
{
    struct report copy = *report;
    const size_t listed = (report->listed_count + (size_t)1) * sizeof *copy.listed;
    copy.listed = malloc(listed);
    if (copy.listed && report->listed_count > 0)
        memcpy(copy.listed, report->listed, report->listed_count * sizeof *copy.listed);
    bool good = copy.listed != NULL;
    good = slices_copy(&copy.spans, &report->spans) == 0 && good;
    good = slices_copy(&copy.strips, &report->strips) == 0 && good;
    if (good) {
        report_end(&copy);
        report_write(&copy, out);
    }
    slices_fini(&copy.spans);
    slices_fini(&copy.strips);
    free(copy.listed);
    return good && !copy.out_of_memory && !out->failed ? 0 : -ENOMEM;
}
