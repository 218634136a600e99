/* SPDX-License-Identifier: ISC
 *
 * What keys do that is not a view's own: time, filter, writing, views, leaving.
 */
#include "top_private.h"

#include "filter_text.h"

#include <evtrail/format.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define INTERVAL_LEAST (SECOND / 20)
#define INTERVAL_MOST (10 * SECOND)
#define COPY_BYTES 32768u

/* ---- time ---- */

static void pause_toggle(struct monitor *monitor)
{
    struct top *const top = &monitor->top;
    const int r = feed_pause(top->feed, !top->paused);
    if (r < 0) {
        monitor_bad(monitor, "cannot pause: %s", *feed_error(top->feed) ? feed_error(top->feed) : strerror(-r));
        return;
    }
    if (top->paused)
        feed_show_now(top->feed);
    top->paused = !top->paused;
    monitor->zoomed = monitor->zoomed && top->paused;
}

static void show(struct monitor *monitor, int64_t from_ns, int64_t to_ns)
{
    const int r = feed_show(monitor->top.feed, from_ns, to_ns);
    if (r == -ENODATA)
        monitor_bad(monitor, "that time is not held any more");
    else if (r < 0)
        monitor_bad(monitor, "%s", *feed_error(monitor->top.feed) ? feed_error(monitor->top.feed) : strerror(-r));
    else
        monitor->shown_to_ns = to_ns;
}

static void step(struct monitor *monitor, int64_t ns)
{
    const struct feed_state *const state = &monitor->state;
    if (!monitor->top.paused)
        pause_toggle(monitor);
    if (!monitor->top.paused)
        return;
    int64_t to = monitor->shown_to_ns + ns;
    to = to > state->held_to_ns ? state->held_to_ns : to < state->held_from_ns ? state->held_from_ns : to;
    monitor->zoomed = false;
    show(monitor, 0, to);
}

/* "-10s -5s", "14:03:00 14:03:05", or one of them: from there on. */
static void zoom_done(struct top *top, void *context, const char *text)
{
    (void)context;
    struct monitor *const monitor = monitor_of(top);
    char from_text[64] = "", to_text[64] = "";
    int64_t from, to = monitor->state.held_to_ns;
    if (!text)
        return;
    sscanf(text, "%63s %63s", from_text, to_text);
    const int64_t now = monitor->shown_to_ns;
    if (evtrail_parse_time(from_text, now, &from) < 0 || (*to_text && evtrail_parse_time(to_text, now, &to) < 0)) {
        monitor_bad(monitor, "no time: as in -10s -5s, or 14:03:00 14:03:05.5");
        return;
    }
    if (from >= to) {
        monitor_bad(monitor, "the range ends before it begins");
        return;
    }
    if (!top->paused)
        pause_toggle(monitor);
    monitor->zoomed = true;
    show(monitor, from, to);
}

static void unzoom(struct monitor *monitor)
{
    monitor->zoomed = false;
    feed_show_now(monitor->top.feed);
    if (monitor->top.paused)
        pause_toggle(monitor);
}

static void speed(struct monitor *monitor, double factor)
{
    const double now = monitor->state.speed > 0 ? monitor->state.speed : 1;
    const int r = feed_speed(monitor->top.feed, now * factor);
    if (r < 0)
        top_say(&monitor->top, "only a file has a speed");
    else
        top_say(&monitor->top, "speed %gx", now * factor);
}

static void interval(struct monitor *monitor, double factor)
{
    const int64_t ns = (int64_t)((double)monitor->top.interval_ns * factor);
    monitor->top.interval_ns = ns < INTERVAL_LEAST ? INTERVAL_LEAST : ns > INTERVAL_MOST ? INTERVAL_MOST : ns;
    top_say(&monitor->top, "a redraw every %g s", (double)monitor->top.interval_ns / 1e9);
}

/* ---- lines that are asked for ---- */

static void search_done(struct top *top, void *context, const char *text)
{
    (void)context;
    if (top->view && top->view->ops->search)
        top->view->ops->search(top->view, text ? text : "");
}

static void filter_done(struct top *top, void *context, const char *text)
{
    (void)context;
    char *error = NULL;
    char *const expression = text ? filter_expand(top->config, text, &error) : NULL;
    const int r = expression ? feed_filter(top->feed, expression, &error) : text ? -EINVAL : 0;
    free(expression);
    if (r < 0)
        monitor_bad(monitor_of(top), "filter: %s", error ? error : strerror(-r));
    free(error);
}

static void write_done(struct top *top, void *context, const char *text)
{
    (void)context;
    char *error = NULL;
    uint64_t events = 0;
    const int r = text ? feed_write(top->feed, text, &events, &error) : 0;
    if (r < 0)
        monitor_bad(monitor_of(top), "not written: %s", error ? error : strerror(-r));
    else if (text)
        top_say(top, "%llu events written to %s", (unsigned long long)events, text);
    free(error);
}

static void ask_write(struct monitor *monitor)
{
    char name[64] = "evtrail-top.evt";
    const time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local))
        strftime(name, sizeof name, "evtrail-%Y%m%d-%H%M%S-top.evt", &local);
    prompt_open(monitor, &(struct prompt){.title = "write to: ", .text = name, .done = write_done}, false);
}

/* ---- leaving ---- */

static void quit_done(struct top *top, void *context, const char *text)
{
    (void)context;
    struct monitor *const monitor = monitor_of(top);
    if (!text || !monitor->program.pid)
        return;
    kill(monitor->program.pid, SIGTERM);
    monitor->quitting = true;
    top_say(top, "waiting for the program to end; quit again: kill it");
}

static void quit(struct monitor *monitor)
{
    if (!monitor->program.pid) {
        monitor->quit = true;
        return;
    }
    if (monitor->quitting) {
        kill(monitor->program.pid, SIGKILL);
        return;
    }
    prompt_ask(monitor, &(struct prompt){.title = "end the program and leave? y/n ", .done = quit_done});
}

/* ---- all ---- */

static void copy(struct monitor *monitor)
{
    char text[COPY_BYTES];
    struct view *const view = monitor->top.view;
    const size_t bytes = view && view->ops->copy ? view->ops->copy(view, text, sizeof text) : 0;
    if (bytes == 0 || !monitor->screen) {
        top_say(&monitor->top, "nothing to copy here");
        return;
    }
    screen_copy(monitor->screen, text, bytes < sizeof text ? bytes : sizeof text - 1);
    top_say(&monitor->top, "copied");
}

static void mouse_toggle(struct monitor *monitor)
{
    monitor->top.mouse = !monitor->top.mouse;
    if (monitor->screen)
        screen_mouse(monitor->screen, monitor->top.mouse);
    top_say(&monitor->top, monitor->top.mouse ? "mouse on" : "mouse off: it is the terminal's");
}

static void reset(struct monitor *monitor)
{
    model_reset(top_model(&monitor->top));
    views_changed(monitor);
    top_say(&monitor->top, "counting from zero");
}

static void help(struct monitor *monitor)
{
    if (monitor->top.view && monitor->top.view->ops == &help_view)
        view_back(monitor);
    else
        top_open_view(&monitor->top, &help_view, 0, "");
}

static bool time_action(struct monitor *monitor, enum action action)
{
    switch (action) {
    case ACTION_pause:
        pause_toggle(monitor);
        return true;
    case ACTION_step_back:
    case ACTION_step_forward:
        step(monitor, action == ACTION_step_back ? -SECOND : SECOND);
        return true;
    case ACTION_leap_back:
    case ACTION_leap_forward:
        step(monitor, action == ACTION_leap_back ? -10 * SECOND : 10 * SECOND);
        return true;
    case ACTION_zoom:
        prompt_open(monitor, &(struct prompt){.title = "zoom, from and to (-10s -5s): ", .done = zoom_done}, false);
        return true;
    case ACTION_unzoom:
        unzoom(monitor);
        return true;
    case ACTION_slower:
    case ACTION_faster:
        speed(monitor, action == ACTION_slower ? 0.5 : 2);
        return true;
    case ACTION_interval_less:
    case ACTION_interval_more:
        interval(monitor, action == ACTION_interval_less ? 0.5 : 2);
        return true;
    default:
        return false;
    }
}

static bool asking_action(struct monitor *monitor, enum action action)
{
    if (action == ACTION_search) {
        prompt_open(monitor, &(struct prompt){.title = "/", .done = search_done}, true);
    } else if (action == ACTION_filter) {
        prompt_open(monitor,
                    &(struct prompt){.title = "filter: ",
                                     .text = feed_filter_text(monitor->top.feed),
                                     .done = filter_done,
                                     .complete = filter_complete},
                    false);
    } else if (action == ACTION_clear_filter) {
        char *error = NULL;
        feed_filter(monitor->top.feed, NULL, &error);
        free(error);
    } else if (action == ACTION_write) {
        ask_write(monitor);
    } else {
        return false;
    }
    return true;
}

static void other_action(struct monitor *monitor, enum action action)
{
    switch (action) {
    case ACTION_next_view:
    case ACTION_previous_view:
        tab_step(monitor, action == ACTION_next_view ? 1 : -1);
        return;
    case ACTION_back:
        view_back(monitor);
        return;
    case ACTION_reset:
        reset(monitor);
        return;
    case ACTION_copy:
        copy(monitor);
        return;
    case ACTION_attach:
        tab_show(monitor, (unsigned)tab_named(monitor, "processes"));
        return;
    case ACTION_help:
        help(monitor);
        return;
    case ACTION_mouse:
        mouse_toggle(monitor);
        return;
    case ACTION_redraw:
        if (monitor->screen)
            screen_redraw(monitor->screen);
        return;
    case ACTION_suspend:
        if (monitor->screen)
            screen_suspend(monitor->screen);
        return;
    case ACTION_quit:
        quit(monitor);
        return;
    default:
        return;
    }
}

void monitor_action(struct monitor *monitor, enum action action)
{
    struct view *const view = monitor->top.view;
    monitor->message[0] = '\0';
    if (action == ACTION_none || (view && view->ops->action(view, action)))
        return;
    if (!time_action(monitor, action) && !asking_action(monitor, action))
        other_action(monitor, action);
}

/* ---- keys ---- */

static void click(struct monitor *monitor, const struct mouse *mouse)
{
    struct view *const view = monitor->top.view;
    if (mouse->wheel) {
        for (unsigned i = 0; i < 3; i++)
            monitor_action(monitor, mouse->wheel < 0 ? ACTION_up : ACTION_down);
        return;
    }
    if (mouse->row == monitor->body.row - 1)
        for (unsigned i = TABS_MAX; i-- > 0;)
            if (monitor->tab_places[i] >= 0 && mouse->column >= monitor->tab_places[i]) {
                monitor->message[0] = '\0';
                tab_show(monitor, i);
                return;
            }
    if (!view || !view->ops->click || mouse->row < monitor->body.row ||
        mouse->row >= monitor->body.row + monitor->body.rows)
        return;
    if (view->ops->click(view, mouse->row - monitor->body.row, mouse->column - monitor->body.column) && mouse->twice)
        monitor_action(monitor, ACTION_enter);
}

static void tab_key(struct monitor *monitor, uint32_t key)
{
    for (unsigned i = 0; tab_ops(monitor, i); i++)
        if (tab_exists(monitor, i) && tab_ops(monitor, i)->key &&
            (uint32_t)(unsigned char)tab_ops(monitor, i)->key == key) {
            tab_show(monitor, i);
            return;
        }
}

static void take_key(struct monitor *monitor, uint32_t key, const struct mouse *mouse)
{
    if (key == KEYCODE_resize)
        return;
    if (key == KEYCODE_mouse && !monitor->prompt.open) {
        click(monitor, mouse);
        return;
    }
    if (monitor->prompt.open) {
        prompt_key(monitor, key);
        return;
    }
    const bool pending = monitor->pending_key;
    const enum action action = keys_action(monitor->top.keys, key, &monitor->pending_key);
    if (action != ACTION_none || monitor->pending_key)
        monitor_action(monitor, action);
    else if (key == 3)
        monitor_action(monitor, ACTION_quit);
    else if (!pending) {
        monitor->message[0] = '\0';
        tab_key(monitor, key);
    }
}

/* A key may have put another model in the place of the shown one: no view may keep pointers into that. */
void monitor_key(struct monitor *monitor, uint32_t key, const struct mouse *mouse)
{
    monitor->dirty = true;
    take_key(monitor, key, mouse);
    if (feed_generation(monitor->top.feed) != monitor->generation)
        views_changed(monitor);
}
