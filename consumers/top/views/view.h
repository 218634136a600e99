/* SPDX-License-Identifier: ISC
 *
 * Views: one table of operations each. A view draws what the model knows, and handles actions; it never touches the terminal.
 */
#ifndef EVTRAIL_TOP_VIEW_H
#define EVTRAIL_TOP_VIEW_H

#include "../model/model.h"
#include "../screen/keys.h"
#include "../screen/surface.h"
#include "../top.h"
#include "outbuf.h"

struct view;
struct view_ops {
    const char *name;  /* in `--view`, the configuration and JSON: "types" */
    const char *title; /* of its tab */
    char key;          /* that goes to it; 0: a detail, opened from another view with `target` */
    const char *text;  /* what it shows, for the help */
    size_t bytes;      /* of the view, which begins with struct view */
    int (*open)(struct view *view);
    void (*close)(struct view *view);
    /* The model has been replaced (a reset, a filter, another time range): forget pointers into it. May be NULL. */
    void (*model_changed)(struct view *view);
    void (*draw)(struct view *view, struct area area);
    bool (*action)(struct view *view, enum action action);
    bool (*click)(struct view *view, int row, int column); /* may be NULL */
    void (*search)(struct view *view, const char *text);   /* may be NULL */
    /* "12 of 340, by rate": for the line at the bottom. May be NULL. */
    size_t (*status)(struct view *view, char *buffer, size_t size);
    /* What `y` copies: the selected row. May be NULL. */
    size_t (*copy)(struct view *view, char *buffer, size_t size);
    /* One JSON value; NULL: not in the JSON. */
    int (*json)(struct view *view, struct output *out);
};
struct view {
    const struct view_ops *ops;
    struct top *top;
    uint64_t target; /* of a detail: what it is about */
    char target_name[128];
    struct view *under; /* that `back` returns to */
};

/* In the order of their tabs, ended by NULL. The configuration's (custom_views.h) come behind them. */
extern const struct view_ops *const views[];
extern const struct view_ops types_view, spans_view, tree_view, entities_view, log_view, warnings_view, processes_view,
    hosts_view, output_view, help_view;
/* Details. */
extern const struct view_ops span_detail, entity_detail, warning_detail;

#endif /* EVTRAIL_TOP_VIEW_H */
