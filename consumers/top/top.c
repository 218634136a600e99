/* SPDX-License-Identifier: ISC
 *
 * evtrail top: setting up, the loop between keys, events and the screen, and the end.
 */
#include "top_private.h"

#include "model/warnings.h"
#include "run.h"
#include "skeleton.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND INT64_C(1000000)
#define SLICE_NS (15 * MILLISECOND)     /* of reading, between two looks at the keys */
#define KEY_SLICE_NS (5 * MILLISECOND)  /* ... when one came: it may have asked for another model */
#define FIRST_NS (40 * MILLISECOND)     /* of reading, before the first screen */
#define FLOOD_WAIT_NS (MILLISECOND / 2) /* a ring of 1 MiB takes 5 M events/s for 7 ms */
#define BUSY_WAIT_NS (5 * MILLISECOND)
#define IDLE_WAIT_NS (20 * MILLISECOND)
#define DRAW_SHARE 10                /* at most one part in so many of the time is spent on drawing */
#define QUIET_NS (250 * MILLISECOND) /* between redraws at least while no events come */
#define KEYS_AT_ONCE 200
#define MMAP_BYTES (256 << 10)
#define SECOND_NS (1000 * MILLISECOND)
#define BEFORE_NS (500 * MILLISECOND)

static volatile sig_atomic_t resized;

/* ---- what views ask for ---- */

int64_t top_clock_ns(void)
{
    return monotonic_ns();
}

struct model *top_model(const struct top *top)
{
    return feed_model(top->feed);
}

void top_say(struct top *top, const char *format, ...)
{
    struct monitor *const monitor = monitor_of(top);
    va_list list;
    va_start(list, format);
    vsnprintf(monitor->message, sizeof monitor->message, format, list);
    va_end(list);
    monitor->message_bad = false;
}

void monitor_bad(struct monitor *monitor, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(monitor->message, sizeof monitor->message, format, list);
    va_end(list);
    monitor->message_bad = true;
    if (!monitor->screen) {
        warn(NULL, "%s", monitor->message);
        monitor->message[0] = '\0';
    }
}

/* ---- signals ---- */

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

/* A signal to us goes on to the program as with `record -- PROGRAM`, but for what is about our terminal. */
static void signals_set(const struct monitor *monitor)
{
    const struct sigaction resize = {.sa_handler = on_resize};
    signals_install(monitor->top.args->program != NULL);
    signals_at_abandon(screen_abandon);
    sigaction(SIGWINCH, &resize, NULL);
}

/* ---- reading ---- */

static void program_look(struct monitor *monitor)
{
    const bool ended = monitor->program.ended;
    if (!monitor->program.pid || !program_poll(&monitor->program) || ended)
        return;
    monitor->dirty = true;
    if (monitor->quitting || monitor->terminal_gone)
        monitor->quit = true;
    else if (monitor->program.code > 128)
        monitor_bad(monitor, "the program was ended by signal %d", monitor->program.code - 128);
    else
        top_say(&monitor->top, "the program has ended with code %d", monitor->program.code);
}

/* A flight recorder has lost much before anybody looks, and that is no news: what is lost up to the first moments is told apart. */
static void note_losses(struct monitor *monitor)
{
    if (monitor->attached_ns != 0 && top_clock_ns() - monitor->attached_ns < BEFORE_NS)
        evtrail_reader_totals(feed_reader(monitor->top.feed), NULL, monitor->lost_before);
}

static void take_apart_losses(struct monitor *monitor)
{
    struct feed_state *const state = &monitor->state;
    const bool begins = monitor->attached_ns != 0 && top_clock_ns() - monitor->attached_ns < 2 * BEFORE_NS + SECOND_NS;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        state->lost[i] -= monitor->lost_before[i];
        if (begins && state->lost_now[i] > state->lost[i])
            state->lost_now[i] = state->lost[i];
    }
}

void monitor_look(struct monitor *monitor)
{
    feed_state(monitor->top.feed, &monitor->state);
    take_apart_losses(monitor);
}

int monitor_feed(struct monitor *monitor, int64_t until_ns)
{
    program_look(monitor);
    sources_look(monitor);
    const int r = feed_run(monitor->top.feed, until_ns);
    note_losses(monitor);
    if (feed_generation(monitor->top.feed) != monitor->generation)
        views_changed(monitor);
    monitor->ended = r == -ENODATA;
    if (r < 0 && r != -ENODATA && r != -ESTALE) {
        monitor->faulty = true;
        monitor_bad(monitor, "%s", *feed_error(monitor->top.feed) ? feed_error(monitor->top.feed) : strerror(-r));
    }
    return r;
}

/* ---- drawing ---- */

static void resize(struct monitor *monitor)
{
    int rows, columns;
    resized = 0;
    if (!screen_size(monitor->screen, &rows, &columns) && monitor->top.surface.cells)
        return;
    if (surface_resize(&monitor->top.surface, rows, columns) < 0)
        monitor->quit = true;
    monitor->dirty = true;
}

static void draw(struct monitor *monitor)
{
    const int64_t began = top_clock_ns();
    frame_draw(monitor);
    screen_show(monitor->screen, &monitor->top.surface);
    if (monitor->child)
        child_resize(monitor->child, monitor->body.rows, monitor->body.columns);
    const int64_t now = top_clock_ns();
    const bool quiet = monitor->state.events == monitor->drawn_events; /* only times go on */
    const int64_t least = (now - began) * DRAW_SHARE;
    const int64_t pause = quiet && least < QUIET_NS ? QUIET_NS : least;
    monitor->drawn_events = monitor->state.events;
    monitor->next_draw_ns = now + (pause > monitor->top.interval_ns ? pause : monitor->top.interval_ns);
    monitor->dirty = false;
}

/* ---- waiting ---- */

/* Until a key, output of the program, or the time is up. */
static void wait_for(struct monitor *monitor, int64_t ns)
{
    struct pollfd fds[2] = {{.fd = monitor->terminal_gone ? -1 : screen_fd(monitor->screen), .events = POLLIN},
                            {.fd = monitor->child ? child_fd(monitor->child) : -1, .events = POLLIN}};
    const struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    sigset_t none;
    sigprocmask(SIG_SETMASK, NULL, &none);
    ppoll(fds, 2, &time, &none);
}

static int64_t wait_ns(const struct monitor *monitor, int read)
{
    const int64_t to_draw = monitor->next_draw_ns - top_clock_ns();
    const double rate = monitor->state.events_per_s;
    const int64_t most = read == 1 || monitor->more_keys ? 0
                         : rate > 1500000                ? FLOOD_WAIT_NS
                         : rate > 1000                   ? BUSY_WAIT_NS
                                                         : IDLE_WAIT_NS;
    return to_draw < 0 ? 0 : to_draw < most ? to_draw : most;
}

/* ---- the loop ---- */

/* Up to one that opens another view: what follows it is meant for rows that are not drawn yet. */
static void take_keys(struct monitor *monitor)
{
    const struct view *const view = monitor->top.view;
    monitor->more_keys = false;
    for (unsigned i = 0; i < KEYS_AT_ONCE && !monitor->quit && !monitor->terminal_gone; i++) {
        uint32_t key;
        struct mouse mouse = {0};
        const int r = screen_key(monitor->screen, &key, &mouse);
        if (r == 0)
            return;
        if (r > 0)
            monitor_key(monitor, key, &mouse);
        else
            monitor->terminal_gone = true;
        if (monitor->top.view != view)
            break;
    }
    monitor->more_keys = true; /* ncurses may hold some */
}

/* Without a terminal there is nothing to do but to wait for a program that we started. */
static void look_for_end(struct monitor *monitor)
{
    if (monitor->terminal_gone && monitor->program.pid && !monitor->quitting) {
        kill(monitor->program.pid, SIGHUP);
        monitor->quitting = true;
    }
    if ((signals_stops() > 0 || monitor->terminal_gone) && !monitor->program.pid)
        monitor->quit = true;
}

static void loop(struct monitor *monitor)
{
    int read = monitor_feed(monitor, top_clock_ns() + FIRST_NS);
    resize(monitor);
    draw(monitor);
    monitor->next_draw_ns = top_clock_ns() + 100 * MILLISECOND; /* soon, with first rates */
    while (!monitor->quit) {
        wait_for(monitor, wait_ns(monitor, read));
        if (resized)
            resize(monitor);
        take_keys(monitor);
        if (monitor->child && child_read(monitor->child) && monitor->top.view->ops == &output_view)
            monitor->next_draw_ns = monitor->next_draw_ns < top_clock_ns() ? monitor->next_draw_ns : top_clock_ns();
        read = monitor_feed(monitor, top_clock_ns() + (monitor->dirty ? KEY_SLICE_NS : SLICE_NS));
        look_for_end(monitor);
        if (!monitor->quit && !monitor->terminal_gone && (monitor->dirty || top_clock_ns() >= monitor->next_draw_ns))
            draw(monitor);
    }
}

/* ---- setting up ---- */

/* What [general] may say. */
static const char *const general_keys[] = {"interval", "memory", "mouse", "ascii", "colors", "view"};
static const char *const switches[] = {"mouse", "ascii", "colors"};
/* Sections; other parts look at what is in theirs. */
static const char *const sections[] = {"general", "keys",     "columns",  "warnings",
                                       "filters", "entities", "counters", "states"};

static bool is_among(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* A word that is mistyped would otherwise be without effect, and without a word about it. */
static int config_check(struct monitor *monitor)
{
    const struct config *const config = monitor->top.config;
    const char *name;
    for (size_t i = 0; (name = config_key(config, "general", i, NULL)); i++)
        if (!is_among(name, general_keys, sizeof general_keys / sizeof *general_keys))
            return fail(CODE_usage, config_place(config, "general", name),
                        "no setting '%s' in [general]; there are interval, memory, mouse, ascii, colors, view", name);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if ((name = config_get(config, "general", switches[i])) && strcmp(name, "on") != 0 && strcmp(name, "off") != 0)
            return fail(CODE_usage, config_place(config, "general", switches[i]), "%s is on or off, not '%s'",
                        switches[i], name);
    for (size_t i = 0; (name = config_section(config, i)); i++)
        if (!is_among(name, sections, sizeof sections / sizeof *sections) && !strchr(name, ' '))
            return fail(
                CODE_usage, monitor->top.args->text[OPT_top_config],
                "no section [%s] is known; there are "
                "general, keys, columns, warnings, filters, entities, counters, states, view NAME, warning NAME",
                name);
    return CODE_ok;
}

static bool config_on(const struct monitor *monitor, const char *key, bool otherwise)
{
    const char *const text = config_get(monitor->top.config, "general", key);
    return text ? strcmp(text, "on") == 0 : otherwise;
}

static int config_read(struct monitor *monitor)
{
    char *error = NULL;
    const char *const path = monitor->top.args->text[OPT_top_config];
    const int r = config_load(&monitor->top.config, path, &error);
    if (r == 0 || (r == -ENOENT && !path)) {
        free(error);
        return CODE_ok;
    }
    const int code =
        fail(code_of(r) == CODE_system ? CODE_usage : code_of(r), NULL, "%s", error ? error : strerror(-r));
    free(error);
    return code;
}

/* Rules and views of the configuration. */
static int config_use(struct monitor *monitor)
{
    char *error = NULL;
    int r = warnings_config_check(monitor->top.config, &error);
    if (r == 0)
        r = custom_views_new(&monitor->custom, monitor->top.config, &error);
    if (r < 0) {
        const int code = fail(CODE_usage, NULL, "%s", error ? error : strerror(-r));
        free(error);
        return code;
    }
    for (unsigned i = 0; custom_view(monitor->custom, i); i++)
        tab_add(monitor, custom_view(monitor->custom, i));
    return CODE_ok;
}

static int keys_set(struct monitor *monitor)
{
    const char *action, *text;
    if (keys_new(&monitor->top.keys) < 0)
        return fail(CODE_system, NULL, "out of memory");
    for (size_t i = 0; (action = config_key(monitor->top.config, "keys", i, &text)); i++) {
        char *error = NULL;
        if (keys_bind(monitor->top.keys, action, text, &error) == 0)
            continue;
        const int code = fail(CODE_usage, config_place(monitor->top.config, "keys", action), "%s", error ? error : "");
        free(error);
        return code;
    }
    return CODE_ok;
}

static int interval_set(struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    const char *const text = config_get(monitor->top.config, "general", "interval");
    monitor->top.interval_ns = 250 * MILLISECOND;
    if (args->set[OPT_top_interval])
        monitor->top.interval_ns = args->number[OPT_top_interval];
    else if (text && parse_duration(text, &monitor->top.interval_ns) < 0)
        return fail(CODE_usage, config_place(monitor->top.config, "general", "interval"),
                    "'%s' is no time; as in 250ms", text);
    if (monitor->top.interval_ns < 10 * MILLISECOND)
        monitor->top.interval_ns = 10 * MILLISECOND;
    return CODE_ok;
}

static int memory_set(struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    const char *const text = config_get(monitor->top.config, "general", "memory");
    monitor->memory_bytes = args->number[OPT_top_memory];
    if (!args->set[OPT_top_memory] && text && parse_size(text, &monitor->memory_bytes) < 0)
        return fail(CODE_usage, config_place(monitor->top.config, "general", "memory"), "'%s' is no size; as in 64M",
                    text);
    return CODE_ok;
}

static int settings(struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    int code = config_read(monitor);
    if (code == CODE_ok)
        code = config_check(monitor);
    if (code == CODE_ok)
        code = config_use(monitor);
    if (code == CODE_ok)
        code = keys_set(monitor);
    if (code == CODE_ok)
        code = interval_set(monitor);
    if (code == CODE_ok)
        code = memory_set(monitor);
    const bool unicode = screen_locale();
    monitor->top.ascii = !unicode || args->set[OPT_top_ascii] || config_on(monitor, "ascii", false);
    monitor->top.mouse = !args->set[OPT_top_no_mouse] && config_on(monitor, "mouse", true);
    monitor->top.surface.ascii = monitor->top.ascii;
    return code;
}

static bool colors_wanted(const struct monitor *monitor)
{
    const char *const no_color = getenv("NO_COLOR");
    const struct args *const args = monitor->top.args;
    if (args->set[OPT_color] && args->number[OPT_color] != 0)
        return args->number[OPT_color] == 1;
    return !(no_color && *no_color) && config_on(monitor, "colors", true);
}

/* The screen, or why there is none: then it goes on as for scripts. */
static bool screen_open(struct monitor *monitor)
{
    char *error = NULL;
    const struct screen_options options = {.mono = !colors_wanted(monitor), .mouse = monitor->top.mouse};
    const int r = screen_new(&monitor->screen, &options, &error);
    if (r < 0 && sources_named(monitor))
        warn(NULL, "%s: shown once, as with --once", error ? error : strerror(-r));
    free(error);
    return r == 0;
}

static bool for_scripts(const struct args *args)
{
    return args->set[OPT_top_once] || args->set[OPT_top_json] || args->set[OPT_top_batch];
}

static int first_tab(struct monitor *monitor)
{
    const char *name = monitor->top.args->text[OPT_top_view];
    if (!name)
        name = config_get(monitor->top.config, "general", "view");
    if (!name)
        name = sources_named(monitor) ? views[0]->name : "processes";
    const int tab = tab_named(monitor, name);
    if (tab < 0)
        return fail(CODE_usage, NULL, "no view '%s'; evtrail top --help lists them", name);
    monitor->tab = (unsigned)tab;
    return CODE_ok;
}

/* ---- the whole ---- */

static int interactive(struct monitor *monitor)
{
    int code = sources_program_start(monitor);
    if (code == CODE_ok && tab_show(monitor, monitor->tab) < 0)
        code = CODE_system;
    if (code == CODE_ok) {
        loop(monitor);
        return CODE_ok;
    }
    screen_free(monitor->screen);
    monitor->screen = NULL;
    if (monitor->message[0])
        warn(NULL, "%s", monitor->message);
    return code;
}

static int rules_check(struct monitor *monitor)
{
    const char *const rules = monitor->top.args->text[OPT_top_fail_on];
    uint64_t times;
    char *error = NULL;
    if (!rules || warnings_fired(feed_model(monitor->top.feed), rules, &times, &error) >= 0)
        return CODE_ok;
    const int code = fail(CODE_usage, "--fail-on", "%s", error ? error : "no such warning");
    free(error);
    return code;
}

static int opened(struct monitor *monitor)
{
    const struct args *const args = monitor->top.args;
    int code = sources_program_prepare(monitor);
    if (code == CODE_ok)
        code = sources_open(monitor);
    if (code == CODE_ok)
        code = rules_check(monitor);
    if (code != CODE_ok)
        return code;
    monitor->scripts = for_scripts(args);
    code = first_tab(monitor);
    if (code != CODE_ok)
        return code;
    monitor->scripts = monitor->scripts || !screen_open(monitor);
    if (monitor->scripts && !sources_named(monitor))
        return fail(CODE_usage, NULL, "nothing to look at; name a file, -p PID|NAME, --all, or -- PROGRAM");
    return monitor->scripts ? scripts_run(monitor) : interactive(monitor);
}

int top_run(const struct args *args)
{
    struct monitor monitor = {.top = {.args = args}};
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES); /* tables of a model that goes are given back at once */
    tabs_init(&monitor);
    int code = settings(&monitor);
    if (code == CODE_ok)
        signals_set(&monitor);
    if (code == CODE_ok)
        code = opened(&monitor);
    if (code == CODE_ok)
        code = monitor_code(&monitor);
    views_close(&monitor);
    screen_free(monitor.screen);
    sources_close(&monitor);
    surface_fini(&monitor.top.surface);
    keys_free(monitor.top.keys);
    custom_views_free(monitor.custom);
    config_free(monitor.top.config);
    return code;
}
