/* SPDX-License-Identifier: ISC
 *
 * The run of evtrail top that views do not see: screen, tabs, prompt, the program that was started.
 */
#ifndef EVTRAIL_TOP_PRIVATE_H
#define EVTRAIL_TOP_PRIVATE_H

#include "top.h"

#include "child.h"
#include "program.h"
#include "screen/screen.h"
#include "views/custom_views.h"
#include "views/view.h"

#define TABS_MAX 24u
#define PROMPT_BYTES 512u
#define MESSAGE_BYTES 512u
#define PROGRAM_SETTINGS "* policy=drop keep=1"

struct prompt_state {
    struct prompt prompt;
    char title[80], text[PROMPT_BYTES];
    size_t used, cursor; /* bytes */
    size_t completion;   /* the next one */
    char typed[PROMPT_BYTES];
    bool open, search;
    bool one_key; /* any key but y is no */
};
struct monitor {
    struct top top;        /* first: what views see */
    struct screen *screen; /* NULL: for scripts */
    bool scripts;
    const struct view_ops *tab_ops[TABS_MAX]; /* views[], then those of the configuration */
    struct view *tabs[TABS_MAX];              /* opened when first shown */
    unsigned tabs_count;
    struct custom_views *custom; /* of the configuration */
    unsigned tab;
    unsigned generation;
    int64_t memory_bytes; /* 0: the default */
    /* what is looked at */
    bool picked; /* chosen in the view of processes: `picked_name`, or all if that is empty */
    char picked_name[32];
    bool waiting; /* --wait, and a process that is not there yet */
    struct program program;
    struct child *child; /* the program's output; NULL: not kept */
    char *enable;        /* -e, joined */
    char preload[1200];
    bool ended, faulty; /* of what feed_run() said */
    /* what is shown */
    struct feed_state state;
    uint64_t lost_before[EVTRAIL_CAUSES_ALL]; /* live: before we looked; state.lost is without it */
    int64_t attached_ns;                      /* CLOCK_MONOTONIC; 0: a file, or a program from its start */
    struct {
        const struct model *model; /* that was looked at, */
        uint32_t sources;
        int64_t looked_ns, bound_ns; /* CLOCK_MONOTONIC; of the clock that is known the least, 0: none was measured */
    } hosts;
    bool zoomed;
    int64_t shown_to_ns; /* paused: the time that is shown */
    char message[MESSAGE_BYTES];
    bool message_bad;
    struct prompt_state prompt;
    struct area body;
    int tab_places[TABS_MAX + 1]; /* columns where the tabs begin, for clicks */
    bool pending_key;             /* the first of a sequence has come */
    /* the loop */
    int64_t next_draw_ns;
    uint64_t drawn_events;
    bool dirty, more_keys;
    bool quit, quitting; /* now; when the program has ended */
    bool terminal_gone;
    int code;
};
static inline struct monitor *monitor_of(const struct top *top)
{
    return (struct monitor *)(uintptr_t)top;
}

/* ---- sources.c: what is looked at ---- */

/* Makes the feed and attaches to what was named or picked. 0 or an exit code after fail(). */
int sources_open(struct monitor *monitor);
/* The same while the screen is there: name "" is all. Negative errno: the old ones stay, and the line at the bottom says why. */
int sources_pick(struct monitor *monitor, const char *name);
/* Adds one more process. */
int sources_add(struct monitor *monitor, const char *name);
/* Looks again for what --wait waits for. */
void sources_look(struct monitor *monitor);
bool sources_named(const struct monitor *monitor);
/* Processes, not files. */
bool sources_live(const struct monitor *monitor);
/* The program: prepared before the feed is made, started behind it. 0 or an exit code. */
int sources_program_prepare(struct monitor *monitor);
int sources_program_start(struct monitor *monitor);
void sources_close(struct monitor *monitor);

/* ---- frame.c: around the view ---- */

void frame_draw(struct monitor *monitor);
/* "redis-server[4711]", "3 processes" */
void frame_who(struct monitor *monitor, char *buffer, size_t size);

/* ---- hosts.c ---- */

/* Whether there is something to say of hosts. */
bool monitor_has_hosts(struct monitor *monitor);

/* ---- tabs.c ---- */

void tabs_init(struct monitor *monitor);
void tab_add(struct monitor *monitor, const struct view_ops *ops);
/* NULL: behind the last. */
const struct view_ops *tab_ops(const struct monitor *monitor, unsigned tab);
bool tab_exists(struct monitor *monitor, unsigned tab);
int tab_show(struct monitor *monitor, unsigned tab);
int tab_named(struct monitor *monitor, const char *name);
void tab_step(struct monitor *monitor, int step);
bool view_back(struct monitor *monitor);
void views_changed(struct monitor *monitor);
void views_close(struct monitor *monitor);

/* ---- prompt.c ---- */

void prompt_key(struct monitor *monitor, uint32_t key);
void prompt_open(struct monitor *monitor, const struct prompt *prompt, bool search);
/* A question: `done` gets "y" or NULL. */
void prompt_ask(struct monitor *monitor, const struct prompt *prompt);

/* ---- actions.c ---- */

void monitor_action(struct monitor *monitor, enum action action);
void monitor_key(struct monitor *monitor, uint32_t key, const struct mouse *mouse);

/* ---- once.c: for scripts ---- */

int scripts_run(struct monitor *monitor);

/* ---- top.c ---- */

int64_t top_clock_ns(void);
/* The exit code of the run: the program's, warnings', losses'. */
int monitor_code(struct monitor *monitor);
/* What is always shown, into monitor->state. */
void monitor_look(struct monitor *monitor);
/* Feeds, polls the program. Same returns as feed_run(). */
int monitor_feed(struct monitor *monitor, int64_t until_ns);
void monitor_bad(struct monitor *monitor, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* EVTRAIL_TOP_PRIVATE_H */
