/* SPDX-License-Identifier: ISC
 *
 * Looking for processes, and how fast each is.
 */
#include "processes_list.h"

#include "../top_private.h"
#include "select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS INT64_C(500000000)
#define SESSIONS_MAX 4096u

static uint64_t sum_of(const uint64_t lost[EVTRAIL_CAUSES])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES; i++)
        sum += lost[i];
    return sum;
}

static bool is_watched(struct top *top, uint64_t session)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(top->feed), &sources);
    for (uint32_t i = 0; i < count; i++)
        if (sources[i]->session_id == session)
            return true;
    return false;
}

static struct listed *place_for(struct processes_list *processes)
{
    if (processes->count == SESSIONS_MAX) {
        processes->left_out++;
        return NULL;
    }
    if (processes->count == processes->room) {
        const unsigned room = processes->room * 2 + 16;
        struct listed *const list = realloc(processes->list, room * sizeof *list);
        if (!list)
            return NULL;
        processes->list = list;
        processes->room = room;
    }
    return &processes->list[processes->count++];
}

struct look {
    struct processes_list *processes;
    struct top *top;
    const struct listed *before;
    unsigned before_count;
};

/* As it was at the look before; most are in the same place. NULL: it is new. */
static const struct listed *as_before(const struct look *look, const struct listed *listed)
{
    const unsigned place = (unsigned)(listed - look->processes->list);
    for (unsigned i = 0; i < look->before_count; i++) {
        const struct listed *const before = &look->before[(place + i) % look->before_count];
        if (before->info.session_id == listed->info.session_id && !before->all)
            return before;
    }
    return NULL;
}

/* Events a second since the look before. */
static void take_rate(const struct look *look, struct listed *listed)
{
    const uint64_t total = listed->info.events + listed->lost;
    const struct listed *const before = as_before(look, listed);
    listed->before = total;
    listed->looked_ns = top_clock_ns();
    if (before && listed->looked_ns > before->looked_ns && total >= before->before)
        listed->rate = (double)(total - before->before) * 1e9 / (double)(listed->looked_ns - before->looked_ns);
}

static int visit(struct evtrail_session *session, const struct evtrail_session_info *info, void *context)
{
    (void)session;
    const struct look *const look = context;
    struct listed *const listed = place_for(look->processes);
    if (!listed)
        return 0;
    *listed = (struct listed){.info = *info, .lost = sum_of(info->lost)};
    snprintf(listed->command, sizeof listed->command, "%s", info->command);
    memcpy(listed->host, look->processes->host, sizeof listed->host);
    listed->watched = is_watched(look->top, info->session_id);
    take_rate(look, listed);
    return 0;
}

/* What is read of files and from a collector. */
static void list_read(struct look *look)
{
    struct top *const top = look->top;
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(top->feed), &sources);
    for (uint32_t i = 0; i < count; i++) {
        const struct evtrail_source *const source = sources[i];
        struct listed *const listed = source->live ? NULL : place_for(look->processes);
        if (!listed)
            continue;
        const struct model_source figures = model_source_figures(top_model(top), source->number);
        *listed = (struct listed){.read = true, .watched = true, .lost = figures.lost};
        listed->info = (struct evtrail_session_info){.session_id = source->session_id,
                                                     .pid = source->pid,
                                                     .alive = !source->gone,
                                                     .start_realtime_ns = source->start_realtime_ns,
                                                     .events = figures.events};
        snprintf(listed->info.program, sizeof listed->info.program, "%s", source->program);
        snprintf(listed->command, sizeof listed->command, "%s", source->command);
        snprintf(listed->host, sizeof listed->host, "%s", source->host);
        take_rate(look, listed);
    }
}

static void add_row_for_all(struct processes_list *processes)
{
    struct listed *const all = place_for(processes);
    if (!all)
        return;
    *all = (struct listed){.all = true}; /* its figures are sums, so that it comes first */
    snprintf(all->command, sizeof all->command, "(all of them)");
}

static void sum_up(struct processes_list *processes)
{
    struct listed *const all = processes->count ? &processes->list[0] : NULL;
    for (unsigned i = 1; i < processes->count; i++) {
        const struct listed *const one = &processes->list[i];
        all->rate += one->rate;
        all->lost += one->lost;
        all->info.events += one->info.events;
        all->info.threads += one->info.threads;
        all->info.ring_bytes += one->info.ring_bytes;
    }
}

void processes_list_init(struct processes_list *processes)
{
    *processes = (struct processes_list){0};
    if (gethostname(processes->host, sizeof processes->host - 1) < 0)
        processes->host[0] = '\0';
}

void processes_list_fini(struct processes_list *processes)
{
    free(processes->list);
    *processes = (struct processes_list){0};
}

void processes_list_look(struct processes_list *processes, struct top *top)
{
    const struct monitor *const monitor = monitor_of(top);
    const int64_t now = top_clock_ns();
    if (processes->list && now - processes->looked_ns < LOOK_NS)
        return;
    struct look look = {
        .processes = processes, .top = top, .before = processes->list, .before_count = processes->count};
    struct listed *const before = processes->list;
    processes->list = NULL;
    processes->count = processes->room = 0;
    processes->left_out = 0;
    processes->looked_ns = now;
    add_row_for_all(processes);
    const struct args *const args = monitor->top.args;
    const char *const directory =
        monitor->program.directory[0] && !monitor->picked ? monitor->program.directory : args->text[OPT_directory];
    select_all(NULL, directory, visit, &look);
    sum_up(processes);
    list_read(&look);
    free(before);
}
