/* SPDX-License-Identifier: ISC
 *
 * A line that is typed at the bottom of the screen.
 */
#include "top_private.h"

#include <stdio.h>
#include <string.h>

void prompt_open(struct monitor *monitor, const struct prompt *prompt, bool search)
{
    struct prompt_state *const state = &monitor->prompt;
    *state = (struct prompt_state){.prompt = *prompt, .open = true, .search = search};
    snprintf(state->title, sizeof state->title, "%s", prompt->title);
    snprintf(state->text, sizeof state->text, "%s", prompt->text ? prompt->text : "");
    state->used = state->cursor = strlen(state->text);
    snprintf(state->typed, sizeof state->typed, "%s", state->text);
    monitor->message[0] = '\0';
}

void top_prompt(struct top *top, const struct prompt *prompt)
{
    prompt_open(monitor_of(top), prompt, false);
}

void prompt_ask(struct monitor *monitor, const struct prompt *prompt)
{
    prompt_open(monitor, prompt, false);
    monitor->prompt.one_key = true;
}

/* ---- editing ---- */

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t before(const struct prompt_state *state, size_t at)
{
    while (at > 0 && continues(state->text[--at]))
        ;
    return at;
}

static size_t behind(const struct prompt_state *state, size_t at)
{
    if (at < state->used)
        at++;
    while (at < state->used && continues(state->text[at]))
        at++;
    return at;
}

static void cut(struct prompt_state *state, size_t from, size_t to)
{
    memmove(state->text + from, state->text + to, state->used - to + 1);
    state->used -= to - from;
    state->cursor = from;
}

static size_t word_before(const struct prompt_state *state)
{
    size_t at = state->cursor;
    while (at > 0 && state->text[at - 1] == ' ')
        at--;
    while (at > 0 && state->text[at - 1] != ' ')
        at--;
    return at;
}

static size_t utf8(uint32_t point, char bytes[4])
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    const size_t count = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count - 1; i > 0; i--, point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(lead[count] | point);
    return count;
}

static void insert(struct prompt_state *state, uint32_t point)
{
    char bytes[4];
    const size_t count = utf8(point, bytes);
    if (state->used + count >= sizeof state->text)
        return;
    memmove(state->text + state->cursor + count, state->text + state->cursor, state->used - state->cursor + 1);
    memcpy(state->text + state->cursor, bytes, count);
    state->used += count;
    state->cursor += count;
}

static bool move(struct prompt_state *state, uint32_t key)
{
    if (key == KEYCODE_left)
        state->cursor = before(state, state->cursor);
    else if (key == KEYCODE_right)
        state->cursor = behind(state, state->cursor);
    else if (key == KEYCODE_home || key == 1)
        state->cursor = 0;
    else if (key == KEYCODE_end || key == 5)
        state->cursor = state->used;
    else
        return false;
    return true;
}

static void edit(struct prompt_state *state, uint32_t key)
{
    if (move(state, key))
        return;
    if (key == KEYCODE_backspace && state->cursor > 0)
        cut(state, before(state, state->cursor), state->cursor);
    else if (key == KEYCODE_delete && state->cursor < state->used)
        cut(state, state->cursor, behind(state, state->cursor));
    else if (key == ('U' & 0x1f))
        cut(state, 0, state->cursor);
    else if (key == ('W' & 0x1f))
        cut(state, word_before(state), state->cursor);
    else if (key >= ' ' && key != 0x7f && key < 0x110000)
        insert(state, key);
    else
        return;
    state->completion = 0;
    memcpy(state->typed, state->text, sizeof state->typed);
}

/* Tab: the next of what completes the text as it was typed; behind the last, that text. */
static void complete(struct monitor *monitor)
{
    struct prompt_state *const state = &monitor->prompt;
    char found[PROMPT_BYTES];
    if (!state->prompt.complete)
        return;
    if (state->prompt.complete(&monitor->top, state->prompt.context, state->typed, state->completion, found,
                               sizeof found)) {
        state->completion++;
        snprintf(state->text, sizeof state->text, "%s", found);
    } else {
        if (state->completion == 0)
            snprintf(monitor->message, sizeof monitor->message, "nothing completes this");
        state->completion = 0;
        snprintf(state->text, sizeof state->text, "%s", state->typed);
    }
    state->used = state->cursor = strlen(state->text);
}

/* ---- keys ---- */

static void finish(struct monitor *monitor, bool take)
{
    struct prompt_state *const state = &monitor->prompt;
    const struct prompt_state ended = *state;
    state->open = false;
    if (ended.prompt.done)
        ended.prompt.done(&monitor->top, ended.prompt.context, take && ended.used > 0 ? ended.text : NULL);
}

void prompt_key(struct monitor *monitor, uint32_t key)
{
    struct prompt_state *const state = &monitor->prompt;
    struct view *const view = monitor->top.view;
    monitor->message[0] = '\0';
    if (state->one_key) {
        snprintf(state->text, sizeof state->text, "y");
        state->used = 1;
        finish(monitor, key == 'y' || key == 'Y');
    } else if (key == KEYCODE_enter || key == KEYCODE_escape || key == 3) {
        finish(monitor, key == KEYCODE_enter);
    } else if (key == KEYCODE_backspace && state->used == 0) {
        finish(monitor, false);
    } else if (key == '\t') {
        complete(monitor);
    } else {
        edit(state, key);
        if (state->search && view && view->ops->search)
            view->ops->search(view, state->text);
    }
}
