/* SPDX-License-Identifier: ISC
 *
 * Views that are open: one a tab, and details over the one that is shown.
 */
#include "top_private.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

void tab_add(struct monitor *monitor, const struct view_ops *ops)
{
    if (monitor->tabs_count < TABS_MAX)
        monitor->tab_ops[monitor->tabs_count++] = ops;
}

void tabs_init(struct monitor *monitor)
{
    for (unsigned i = 0; views[i]; i++)
        tab_add(monitor, views[i]);
}

const struct view_ops *tab_ops(const struct monitor *monitor, unsigned tab)
{
    return tab < monitor->tabs_count ? monitor->tab_ops[tab] : NULL;
}

bool tab_exists(struct monitor *monitor, unsigned tab)
{
    const struct view_ops *const ops = tab_ops(monitor, tab);
    if (ops == &hosts_view)
        return monitor->tab == tab || monitor_has_hosts(monitor);
    return ops && (ops != &output_view || (monitor->top.args->program && !monitor->scripts));
}

int tab_named(struct monitor *monitor, const char *name)
{
    for (unsigned i = 0; i < monitor->tabs_count; i++)
        if ((monitor->tab_ops[i] == &hosts_view || tab_exists(monitor, i)) &&
            strcmp(monitor->tab_ops[i]->name, name) == 0)
            return (int)i;
    return -ENOENT;
}

static int view_new(struct view **ret_view, struct top *top, const struct view_ops *ops, uint64_t target,
                    const char *name)
{
    struct view *const view = calloc(1, ops->bytes);
    if (!view)
        return -ENOMEM;
    view->ops = ops;
    view->top = top;
    view->target = target;
    snprintf(view->target_name, sizeof view->target_name, "%s", name ? name : "");
    const int r = ops->open(view);
    if (r < 0) {
        free(view);
        return r;
    }
    *ret_view = view;
    return 0;
}

static void view_free(struct view *view)
{
    if (!view)
        return;
    view->ops->close(view);
    free(view);
}

bool view_back(struct monitor *monitor)
{
    struct view *const view = monitor->top.view;
    if (!view || !view->under)
        return false;
    monitor->top.view = view->under;
    view_free(view);
    return true;
}

int tab_show(struct monitor *monitor, unsigned tab)
{
    const struct view_ops *const ops = tab_ops(monitor, tab);
    if (!ops || !tab_exists(monitor, tab))
        return -ENOENT;
    const int r = monitor->tabs[tab] ? 0 : view_new(&monitor->tabs[tab], &monitor->top, ops, 0, NULL);
    if (r < 0) {
        monitor_bad(monitor, "%s: %s", ops->title, strerror(-r));
        return r;
    }
    while (view_back(monitor))
        ;
    monitor->tab = tab;
    monitor->top.view = monitor->tabs[tab];
    return 0;
}

void tab_step(struct monitor *monitor, int step)
{
    const unsigned count = monitor->tabs_count;
    unsigned tab = monitor->tab;
    do
        tab = (tab + count + (unsigned)step) % count;
    while (!tab_exists(monitor, tab));
    tab_show(monitor, tab);
}

int top_open_view(struct top *top, const struct view_ops *ops, uint64_t target, const char *target_name)
{
    struct monitor *const monitor = monitor_of(top);
    struct view *view;
    const int r = view_new(&view, top, ops, target, target_name);
    if (r < 0) {
        monitor_bad(monitor, "%s: %s", ops->title, strerror(-r));
        return r;
    }
    view->under = top->view;
    top->view = view;
    return 0;
}

static void changed(struct view *view)
{
    if (view && view->ops->model_changed)
        view->ops->model_changed(view);
}

void views_changed(struct monitor *monitor)
{
    for (struct view *view = monitor->top.view; view && view->under; view = view->under)
        changed(view);
    for (unsigned i = 0; i < TABS_MAX; i++)
        changed(monitor->tabs[i]);
    monitor->generation = feed_generation(monitor->top.feed);
}

void views_close(struct monitor *monitor)
{
    while (view_back(monitor))
        ;
    for (unsigned i = 0; i < TABS_MAX; i++)
        view_free(monitor->tabs[i]);
}
