/* SPDX-License-Identifier: ISC
 *
 * Keys and what they do: the table of actions, its default keys, and those of the configuration.
 */
#ifndef EVTRAIL_TOP_KEYS_H
#define EVTRAIL_TOP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum action {
    ACTION_none,
#define ACTION(name, keys, group, text) ACTION_##name,
#include "actions.def"
#undef ACTION
    ACTIONS
};
struct action_spec {
    const char *name; /* as in the configuration: "page_down" */
    const char *keys;
    const char *group; /* "moving" */
    const char *text;
};
extern const struct action_spec action_specs[ACTIONS];

/* A key: a Unicode code point (control characters as themselves), or one of these. */
enum {
    KEYCODE_up = 0x110000,
    KEYCODE_down,
    KEYCODE_left,
    KEYCODE_right,
    KEYCODE_pgup,
    KEYCODE_pgdn,
    KEYCODE_home,
    KEYCODE_end,
    KEYCODE_backspace,
    KEYCODE_delete,
    KEYCODE_backtab,
    KEYCODE_f1,
    KEYCODE_f12 = KEYCODE_f1 + 11,
    KEYCODE_enter,
    KEYCODE_escape,
    KEYCODE_resize,
    KEYCODE_mouse, /* see struct mouse in screen.h */
};

struct keys; /* the bindings in force */
int keys_new(struct keys **ret_keys);
void keys_free(struct keys *keys);
/* Gives `action` these keys instead ("x ^x gg f5 space"). -EINVAL: not an action or not a key; *ret_error is an owned line. */
int keys_bind(struct keys *keys, const char *action, const char *text, char **ret_error);
/* The action of a key; sequences ("gg") are kept until they are whole: *ret_pending says that one has begun. */
enum action keys_action(struct keys *keys, uint32_t key, bool *ret_pending);
/* "j, down": the keys of an action, for help and hints. */
size_t keys_text(const struct keys *keys, enum action action, char *buffer, size_t size);

#endif /* EVTRAIL_TOP_KEYS_H */
