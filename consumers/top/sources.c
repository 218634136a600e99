/* SPDX-License-Identifier: ISC
 *
 * What evtrail top looks at: processes, files, a program that it starts; and changing that while it runs.
 */
#include "top_private.h"

#include "filter_text.h"
#include "remote.h"

#include "skeleton.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool sources_named(const struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    return monitor->picked || args->list[OPT_process].count > 0 || args->list[OPT_read].count > 0 ||
           args->set[OPT_all] || args->program || args->operands_count > 0;
}

/* A path may be that of a session, too. */
static bool is_session(const char *path)
{
    const size_t bytes = strlen(path);
    return bytes > 6 && strcmp(path + bytes - 6, ".trail") == 0;
}

bool sources_live(const struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    bool files = false;
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        files = files || !is_session(args->list[OPT_read].items[i]);
    for (int i = 0; i < args->operands_count; i++)
        files = files || !is_session(args->operands[i]);
    return !files;
}

/* ---- the feed ---- */

static int join_rules(struct monitor *monitor)
{
    const struct text_list *const list = &monitor->top.args->list[OPT_enable];
    size_t bytes = 1;
    for (size_t i = 0; i < list->count; i++)
        bytes += strlen(list->items[i]) + 1;
    if (list->count == 0 || monitor->enable)
        return 0;
    monitor->enable = calloc(1, bytes);
    for (size_t i = 0; monitor->enable && i < list->count; i++) {
        strcat(monitor->enable, i ? " " : "");
        strcat(monitor->enable, list->items[i]);
    }
    return monitor->enable ? 0 : -ENOMEM;
}

/* ns since 1970. */
static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool any_remote(const struct args *args)
{
    bool any = false;
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        any = any || remote_is(args->list[OPT_read].items[i]);
    for (int i = 0; i < args->operands_count; i++)
        any = any || remote_is(args->operands[i]);
    return any;
}

static int feed_make(struct monitor *monitor, struct feed **ret_feed, char **ret_error)
{
    const struct args *const args = monitor->top.args;
    struct feed_options options = {.live = sources_live(monitor), .memory_bytes = (size_t)monitor->memory_bytes};
    struct evtrail_reader_options *const reader = &options.reader;
    reader->bytes = sizeof *reader;
    reader->name = "top";
    reader->follow = args->set[OPT_follow] || any_remote(args);
    reader->hold = args->set[OPT_hold] || args->program;
    reader->from_now = args->set[OPT_now];
    reader->living = args->set[OPT_wait];
    reader->from_ns = args->number[OPT_from];
    reader->to_ns = args->number[OPT_to];
    reader->enable = monitor->enable;
    reader->ocaml_version = args->text[OPT_ocaml_version];
    reader->no_children = args->set[OPT_no_children];
    reader->ocaml_queue_bytes = (size_t)args->number[OPT_ocaml_queue];
    reader->directory = monitor->program.directory[0] ? monitor->program.directory : args->text[OPT_directory];
    options.model.config = monitor->top.config;
    options.model.hosts = args->set[OPT_host];
    const bool attaches = monitor->picked || args->list[OPT_process].count > 0 || args->set[OPT_all];
    monitor->attached_ns = attaches ? top_clock_ns() : 0;
    options.model.attached_ns = attaches ? clock_now() : 0;
    memset(monitor->lost_before, 0, sizeof monitor->lost_before);
    if (args->set[OPT_top_speed])
        options.speed = atof(args->text[OPT_top_speed]);
    return feed_new(ret_feed, &options, ret_error);
}

/* Says what is wrong: on stderr, or if the screen is there, in its last line. */
static int refuse(struct monitor *monitor, const char *name, int error, const char *text)
{
    if (monitor->screen)
        monitor_bad(monitor, "%s", text && *text ? text : strerror(-error));
    else if (text && *text)
        fail(code_of(error), NULL, "%s", text);
    else
        fail(code_of(error), name, "%s", strerror(-error));
    return error;
}

/* A collector's traces: as they come, and never again. */
static int add_remote(struct monitor *monitor, struct evtrail_reader *reader, const char *name)
{
    char path[64], *error = NULL;
    const int r = remote_open(name, path, sizeof path, &error);
    if (r < 0)
        refuse(monitor, name, r, error);
    free(error);
    if (r < 0)
        return r;
    const int added = evtrail_reader_add_path(reader, path);
    return added < 0 ? refuse(monitor, name, added, evtrail_reader_error(reader)) : 0;
}

static int add_one(struct monitor *monitor, struct feed *feed, const char *name, bool process)
{
    struct evtrail_reader *const reader = feed_reader(feed);
    if (!process && remote_is(name))
        return add_remote(monitor, reader, name);
    const int r = process ? evtrail_reader_add_process(reader, name) : feed_add_path(feed, name);
    if (r >= 0)
        return 0;
    if (process && r == -ESRCH && monitor->top.args->set[OPT_wait]) {
        monitor->waiting = true;
        return 0;
    }
    return refuse(monitor, name, r, evtrail_reader_error(reader));
}

static int add_named(struct monitor *monitor, struct feed *feed)
{
    const struct args *const args = monitor->top.args;
    int r = 0;
    for (size_t i = 0; r == 0 && i < args->list[OPT_process].count; i++)
        r = add_one(monitor, feed, args->list[OPT_process].items[i], true);
    for (size_t i = 0; r == 0 && i < args->list[OPT_read].count; i++)
        r = add_one(monitor, feed, args->list[OPT_read].items[i], false);
    for (int i = 0; r == 0 && i < args->operands_count; i++)
        r = add_one(monitor, feed, args->operands[i], false);
    return r;
}

static int add_all(struct monitor *monitor, struct feed *feed)
{
    const int r = evtrail_reader_add_all(feed_reader(feed));
    return r >= 0 || r == -ENOENT ? 0 : refuse(monitor, "sessions", r, evtrail_reader_error(feed_reader(feed)));
}

static int add_wanted(struct monitor *monitor, struct feed *feed)
{
    const struct args *const args = monitor->top.args;
    if (monitor->picked && monitor->picked_name[0])
        return add_one(monitor, feed, monitor->picked_name, true);
    const int r = monitor->picked ? 0 : add_named(monitor, feed);
    return r == 0 && (monitor->picked || args->set[OPT_all] || args->program) ? add_all(monitor, feed) : r;
}

static int filter_set(struct monitor *monitor, struct feed *feed, const char *expression)
{
    char *error = NULL;
    char *const expanded = filter_expand(monitor->top.config, expression ? expression : "", &error);
    const int r = !expanded ? -EINVAL : *expanded ? feed_filter(feed, expanded, &error) : 0;
    free(expanded);
    if (r < 0 && monitor->screen)
        monitor_bad(monitor, "filter: %s", error ? error : strerror(-r));
    else if (r < 0)
        fail(CODE_usage, NULL, "filter: %s", error ? error : strerror(-r));
    free(error);
    return r;
}

/* A new feed with its sources. Negative errno: said why. */
static int make(struct monitor *monitor, struct feed **ret_feed, const char *expression)
{
    char *error = NULL;
    struct feed *feed = NULL;
    monitor->waiting = false;
    int r = join_rules(monitor);
    if (r == 0)
        r = feed_make(monitor, &feed, &error);
    if (r < 0)
        refuse(monitor, NULL, r, error);
    free(error);
    if (r == 0)
        r = filter_set(monitor, feed, expression);
    if (r == 0)
        r = add_wanted(monitor, feed);
    if (r < 0)
        feed_free(feed);
    else
        *ret_feed = feed;
    return r;
}

int sources_open(struct monitor *monitor)
{
    const int r = make(monitor, &monitor->top.feed, monitor->top.args->text[OPT_filter]);
    return r < 0 ? (int)(code_of(r) == CODE_ok ? CODE_system : code_of(r)) : CODE_ok;
}

int sources_pick(struct monitor *monitor, const char *name)
{
    struct feed *feed;
    const struct monitor before = *monitor;
    char filter[512];
    snprintf(filter, sizeof filter, "%s", feed_filter_text(monitor->top.feed));
    monitor->picked = true;
    snprintf(monitor->picked_name, sizeof monitor->picked_name, "%s", name);
    const int r = make(monitor, &feed, filter);
    if (r < 0) {
        monitor->picked = before.picked;
        monitor->waiting = before.waiting;
        memcpy(monitor->picked_name, before.picked_name, sizeof monitor->picked_name);
        return r;
    }
    feed_free(monitor->top.feed);
    monitor->top.feed = feed;
    monitor->top.paused = monitor->zoomed = monitor->ended = false;
    views_changed(monitor);
    return 0;
}

int sources_add(struct monitor *monitor, const char *name)
{
    return add_one(monitor, monitor->top.feed, name, true);
}

void sources_look(struct monitor *monitor)
{
    if (!monitor->waiting)
        return;
    monitor->waiting = false;
    const struct text_list *const list = &monitor->top.args->list[OPT_process];
    for (size_t i = 0; i < list->count; i++)
        add_one(monitor, monitor->top.feed, list->items[i], true);
}

/* ---- the program ---- */

static int preload_find(struct monitor *monitor)
{
    const struct text_list *const with = &monitor->top.args->list[OPT_with];
    char missing[128] = "";
    const int r =
        program_preload(with->items, with->count, monitor->preload, sizeof monitor->preload, missing, sizeof missing);
    if (r >= 0)
        return 0;
    monitor->preload[0] = '\0';
    if (with->count == 0)
        return 0;
    return fail(CODE_missing, missing,
                "not found beside evtrail's libraries; there are --with libc and --with ocaml, if they are installed");
}

int sources_program_prepare(struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    char path[400] = "EVTRAIL_DIR";
    if (!args->program)
        return CODE_ok;
    const int found = program_check(args->program[0]);
    if (found < 0) {
        fail(CODE_missing, args->program[0], "cannot be run: %s", strerror(-found));
        program_failed(&monitor->program, found);
        return monitor->program.code;
    }
    const int code = preload_find(monitor);
    if (code != CODE_ok)
        return code;
    const int r = program_directory(&monitor->program, args->text[OPT_directory]);
    if (r >= 0) {
        program_trace_ocaml(&monitor->program, args);
        return CODE_ok;
    }
    sessions_directory(args->text[OPT_directory], path, sizeof path);
    return fail(code_of(r), path, "no directory for sessions: %s; name another in EVTRAIL_DIR", strerror(-r));
}

int sources_program_start(struct monitor *monitor)
{
    char **const argv = monitor->top.args->program;
    if (!argv)
        return CODE_ok;
    int fd = -1;
    if (monitor->screen && child_new(&monitor->child, &fd) == 0) {
        monitor->program.output_fd = fd;
        monitor->program.terminal = true;
    } else {
        monitor->program.output_fd = STDERR_FILENO; /* standard output is for what was asked for */
    }
    const int r = program_start(&monitor->program, argv, PROGRAM_SETTINGS, monitor->preload);
    if (monitor->child)
        child_started(monitor->child);
    if (r >= 0)
        return CODE_ok;
    if (r != -EINTR)
        monitor_bad(monitor, "%s cannot be run: %s", argv[0], strerror(-r));
    return monitor->program.code;
}

void sources_close(struct monitor *monitor)
{
    feed_free(monitor->top.feed);
    monitor->top.feed = NULL;
    remote_close_all();
    while (monitor->program.pid && !program_poll(&monitor->program))
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    program_clean(&monitor->program, false);
    child_free(monitor->child);
    free(monitor->enable);
}
