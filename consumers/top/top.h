/* SPDX-License-Identifier: ISC
 *
 * One run of evtrail top: what it looks at, what it knows, what it shows. Views and parts ask here for what is not theirs.
 */
#ifndef EVTRAIL_TOP_H
#define EVTRAIL_TOP_H

#include "cli.h"
#include "feed/feed.h"
#include "model/model.h"
#include "config.h"
#include "screen/keys.h"
#include "screen/surface.h"

struct view;
struct view_ops;
struct top {
    const struct args *args;
    struct config *config; /* NULL: none */
    struct keys *keys;
    struct feed *feed;
    struct surface surface;
    struct view *view; /* that is shown */
    bool paused;
    bool ascii, mouse;
    int64_t interval_ns; /* between redraws */
};

/* The model that is shown: the live one, or paused or zoomed that of a time range. Never NULL. */
struct model *top_model(const struct top *top);
/* Opens a view over the one that is shown (a detail: with what it is about); back returns. */
int top_open_view(struct top *top, const struct view_ops *ops, uint64_t target, const char *target_name);
/* The hosts of what is shown, with processes, clocks and figures: as of some 100 ms ago. */
struct host_list *top_hosts(struct top *top);
/* Only events that match from here on; a fault is told in the last line. */
int top_filter(struct top *top, const char *expression);
/* A line at the bottom, until the next key. */
void top_say(struct top *top, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Asks for a line; `done` gets it, or NULL for an empty one or after Esc. `complete` (may be NULL) gives the i-th completion of what was
 * typed so far. */
struct prompt {
    const char *title; /* "filter: " */
    const char *text;  /* to begin with */
    void *context;
    void (*done)(struct top *top, void *context, const char *text);
    bool (*complete)(struct top *top, void *context, const char *typed, size_t index, char *buffer, size_t size);
};
void top_prompt(struct top *top, const struct prompt *prompt);

#endif /* EVTRAIL_TOP_H */
