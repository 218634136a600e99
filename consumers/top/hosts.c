/* SPDX-License-Identifier: ISC
 *
 * The hosts of what is looked at, with their clocks: for the head of the screen and their view.
 */
#include "top_private.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_NS INT64_C(250000000) /* there may be many processes */

struct host_list *top_hosts(struct top *top)
{
    struct monitor *const monitor = monitor_of(top);
    struct model *const model = top_model(top);
    const int64_t now = top_clock_ns();
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(top->feed), &sources);
    if (monitor->hosts.model == model && monitor->hosts.sources == count && now - monitor->hosts.looked_ns < LOOK_NS)
        return &model->hosts;
    monitor->hosts.model = model;
    monitor->hosts.sources = count;
    host_list_take_clocks(&model->hosts, sources, count);
    model_hosts(model);
    monitor->hosts.bound_ns = host_list_worst_bound(&model->hosts);
    monitor->hosts.looked_ns = now;
    return &model->hosts;
}

bool monitor_has_hosts(struct monitor *monitor)
{
    const struct host_list *const hosts = top_hosts(&monitor->top);
    return hosts->count > 1 || monitor->hosts.bound_ns > 0 || monitor->top.args->set[OPT_host];
}

int top_filter(struct top *top, const char *expression)
{
    char *error = NULL;
    const int r = feed_filter(top->feed, expression, &error);
    if (r < 0)
        monitor_bad(monitor_of(top), "filter: %s", error ? error : strerror(-r));
    free(error);
    return r;
}
