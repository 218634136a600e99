/* SPDX-License-Identifier: ISC
 *
 * The terminal: shows a surface, gives keys. Everything that ncurses does for evtrail top is behind this.
 */
#ifndef EVTRAIL_TOP_SCREEN_H
#define EVTRAIL_TOP_SCREEN_H

#include "surface.h"

struct screen;
struct screen_options {
    bool mono; /* no colours: NO_COLOR */
    bool mouse;
    int colors; /* at most so many; 0: as many as the terminal has */
};
struct mouse {
    int row, column;
    int wheel; /* -1 up, 1 down, 0: the left button */
    bool twice;
};
/* 0, -ENOTTY (no terminal, or one that cannot move its cursor; *ret_error, owned, says which), -ENOMEM. */
int screen_new(struct screen **ret_screen, const struct screen_options *options, char **ret_error);
/* Gives the terminal back as it was. */
void screen_free(struct screen *screen);
/* Sends what differs from what is there. The surface has the screen's size. */
void screen_show(struct screen *screen, const struct surface *surface);
/* A place for the terminal's cursor, in a prompt; row < 0: none. */
void screen_cursor(struct screen *screen, int row, int column);
/* The terminal's size now; true if it is another one than before. */
bool screen_size(struct screen *screen, int *ret_rows, int *ret_columns);
/* The next key (keys.h), without waiting. 1: a key; 0: none; -EIO: the terminal is gone. */
int screen_key(struct screen *screen, uint32_t *ret_key, struct mouse *ret_mouse);
int screen_fd(const struct screen *screen);
/* Sends everything anew with the next screen_show(). */
void screen_redraw(struct screen *screen);
/* To the shell until it says to go on. */
void screen_suspend(struct screen *screen);
void screen_mouse(struct screen *screen, bool on);
/* Text for the terminal's clipboard (OSC 52). -E2BIG: more than terminals take. */
int screen_copy(struct screen *screen, const char *text, size_t bytes);
/* From a signal handler that ends the process at once. */
void screen_abandon(void);
/* Whether characters beyond ASCII can be shown, by the locale and TERM. Sets the locale; before anything else here. */
bool screen_locale(void);

#endif /* EVTRAIL_TOP_SCREEN_H */
