/* SPDX-License-Identifier: ISC
 *
 * Sessions are opened once, a few at each look; which row a session's type belongs to is found once, too.
 */
#include "type_states.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS INT64_C(500000000)
#define SESSIONS_MAX 64u
#define OPENED_AT_ONCE 4u
#define RULE_BYTES 200u /* of a pattern: as the grammar of rules has it, with its NUL */
#define NO_SOURCE UINT32_MAX

struct looked_at {
    uint32_t source; /* its number; NO_SOURCE: unused */
    uint32_t pid;
    struct evtrail_session *session;
    uint32_t *rows; /* row numbers by type */
    uint32_t rows_count;
};
struct type_states {
    struct top *top;
    struct looked_at list[SESSIONS_MAX];
    struct type_state *states; /* by row number */
    uint32_t count;
    int64_t looked_ns;
    uint32_t *learned; /* types that the model knows, by source */
    uint32_t learned_count;
};

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int type_states_new(struct type_states **ret_states, struct top *top)
{
    struct type_states *const states = calloc(1, sizeof *states);
    if (!states)
        return -ENOMEM;
    states->top = top;
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        states->list[i].source = NO_SOURCE;
    *ret_states = states;
    return 0;
}

static void close_one(struct looked_at *of)
{
    evtrail_session_close(of->session);
    free(of->rows);
    *of = (struct looked_at){.source = NO_SOURCE};
}

void type_states_forget(struct type_states *states)
{
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        free(states->list[i].rows);
        states->list[i].rows = NULL;
        states->list[i].rows_count = 0;
    }
    states->count = states->learned_count = 0;
    states->looked_ns = 0;
}

void type_states_free(struct type_states *states)
{
    if (!states)
        return;
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        close_one(&states->list[i]);
    free(states->states);
    free(states->learned);
    free(states);
}

static struct part *types_of(const struct type_states *states)
{
    return model_part(top_model(states->top), PART_types);
}

/* ---- looking ---- */

static struct looked_at *place_of(struct type_states *states, uint32_t source)
{
    struct looked_at *unused = NULL;
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        if (states->list[i].source == source)
            return &states->list[i];
        if (states->list[i].source == NO_SOURCE && !unused)
            unused = &states->list[i];
    }
    return unused;
}

/* The model learns of types that had no event. */
static void learn(struct type_states *states, struct evtrail_source *const *sources, uint32_t count)
{
    if (count > states->learned_count) {
        uint32_t *const learned = realloc(states->learned, count * sizeof *learned);
        if (!learned)
            return;
        memset(learned + states->learned_count, 0, (count - states->learned_count) * sizeof *learned);
        states->learned = learned;
        states->learned_count = count;
    }
    for (uint32_t i = 0; i < count; i++)
        for (; states->learned[i] < sources[i]->types_count; states->learned[i]++)
            if (sources[i]->types[states->learned[i]])
                types_know(types_of(states), sources[i]->types[states->learned[i]]);
}

/* Finds the rows of types that are new. */
static void find_rows(const struct type_states *states, struct looked_at *of, const struct evtrail_source *source)
{
    if (source->types_count <= of->rows_count)
        return;
    uint32_t *const rows = realloc(of->rows, source->types_count * sizeof *rows);
    if (!rows)
        return;
    of->rows = rows;
    for (; of->rows_count < source->types_count; of->rows_count++) {
        const struct evtrail_event_type *const type = source->types[of->rows_count];
        const struct type_row *const row = type ? types_find(types_of(states), type->name, type->kind) : NULL;
        rows[of->rows_count] = row ? row->number : 0;
    }
}

static void sum_up(struct type_states *states, const struct looked_at *of)
{
    for (uint32_t id = 0; id < of->rows_count; id++) {
        const uint32_t row = of->rows[id];
        if (row == 0 || row > states->count)
            continue;
        const int state = evtrail_session_type_state(of->session, id);
        struct type_state *const sum = &states->states[row - 1];
        sum->on += state > 0 && sum->on < UINT16_MAX;
        sum->off += state == 0 && sum->off < UINT16_MAX;
        sum->context |= (uint8_t)(state > 0 ? state : 0);
    }
}

static bool make_room(struct type_states *states)
{
    const uint32_t count = types_count(types_of(states));
    struct type_state *const bigger = realloc(states->states, (count + 1) * sizeof *bigger);
    if (!bigger)
        return false;
    states->states = bigger;
    states->count = count;
    memset(bigger, 0, (count + 1) * sizeof *bigger);
    return true;
}

static bool is_live(const struct evtrail_source *source)
{
    return source->live && !source->gone && source->path;
}

static void look_at(struct type_states *states, const struct evtrail_source *source, unsigned *opened)
{
    struct looked_at *const of = place_of(states, source->number);
    if (!of)
        return;
    if (!of->session) {
        if (*opened == OPENED_AT_ONCE)
            return;
        ++*opened;
        if (evtrail_session_open(&of->session, source->path, NULL) < 0) {
            of->session = NULL;
            return;
        }
        of->source = source->number;
        of->pid = source->pid;
    }
    find_rows(states, of, source);
}

static void close_ended(struct type_states *states, struct evtrail_source *const *sources, uint32_t count)
{
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        struct looked_at *const of = &states->list[i];
        if (of->source != NO_SOURCE && (of->source >= count || !is_live(sources[of->source])))
            close_one(of);
    }
}

void type_states_look(struct type_states *states)
{
    struct evtrail_source *const *sources;
    unsigned opened = 0;
    if (states->looked_ns && clock_ns() - states->looked_ns < LOOK_NS)
        return;
    const uint32_t count = evtrail_reader_sources(feed_reader(states->top->feed), &sources);
    close_ended(states, sources, count);
    learn(states, sources, count);
    for (uint32_t i = 0; i < count; i++)
        if (is_live(sources[i]))
            look_at(states, sources[i], &opened);
    if (make_room(states))
        for (unsigned i = 0; i < SESSIONS_MAX; i++)
            if (states->list[i].session)
                sum_up(states, &states->list[i]);
    states->looked_ns = clock_ns();
}

static void look_now(struct type_states *states)
{
    states->looked_ns = 0;
    type_states_look(states);
}

struct type_state type_state_of(const struct type_states *states, const struct type_row *row)
{
    return row->number <= states->count ? states->states[row->number - 1] : (struct type_state){0};
}

/* ---- rules ---- */

static bool may_stand_in_pattern(char c)
{
    return c > ' ' && c < 0x7f && !strchr(",;:+@=\"'\\*?", c);
}

/* Whether there are types below this name: "pool" covers "pool.conn", too. */
static bool has_below(const struct type_states *states, const char *name)
{
    const size_t bytes = strlen(name);
    for (uint32_t i = 0; i < types_count(types_of(states)); i++) {
        const char *const other = types_row(types_of(states), i)->name;
        if (strncmp(other, name, bytes) == 0 && other[bytes] == '.')
            return true;
    }
    return false;
}

/* A pattern for this name only: one with a wildcard does not cover what lies below. */
static void pattern_for(const struct type_states *states, const char *name, char pattern[RULE_BYTES])
{
    size_t at = 0;
    for (; name[at] && at + 2 < RULE_BYTES; at++)
        pattern[at] = may_stand_in_pattern(name[at]) ? name[at] : '?';
    if (name[at])
        pattern[at++] = '*';
    pattern[at] = '\0';
    if (pattern[0] == '-' || has_below(states, name))
        pattern[0] = '?';
}

static void provider_of(const struct type_row *row, char provider[RULE_BYTES])
{
    size_t at = 0;
    for (; row->name[at] && row->name[at] != '.' && at + 1 < RULE_BYTES; at++)
        provider[at] = may_stand_in_pattern(row->name[at]) ? row->name[at] : '?';
    provider[at] = '\0';
    if (provider[0] == '-')
        provider[0] = '?';
}

/* In all sessions that are looked at; *ret_changed: event types that changed. */
static int apply(struct type_states *states, const char *rule, unsigned *ret_sessions, unsigned *ret_changed)
{
    int error = -ENOENT;
    *ret_sessions = *ret_changed = 0;
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        if (!states->list[i].session)
            continue;
        const int r = evtrail_session_rule(states->list[i].session, rule);
        if (r < 0) {
            error = r;
            continue;
        }
        ++*ret_sessions;
        *ret_changed += (unsigned)r;
    }
    states->looked_ns = 0;
    return *ret_sessions ? 0 : error;
}

static void apply_and_say(struct type_states *states, const char *rule, const char *what)
{
    unsigned sessions, changed;
    const int r = apply(states, rule, &sessions, &changed);
    if (r == -ENOENT)
        top_say(states->top, "no live process is looked at: there is nothing to switch");
    else if (r < 0)
        top_say(states->top, "%s: %s", rule, strerror(-r));
    else
        top_say(states->top,
                "%s: %u event type%s changed in %u process%s; it holds until they end, as by evtrail %s '%s'", what,
                changed, changed == 1 ? "" : "s", sessions, sessions == 1 ? "" : "es",
                rule[0] == '-' ? "disable" : "enable", rule + (rule[0] == '-'));
}

void type_states_toggle(struct type_states *states, const struct type_row *row)
{
    char pattern[RULE_BYTES], rule[RULE_BYTES + 1];
    look_now(states);
    pattern_for(states, row->name, pattern);
    const bool on = type_state_of(states, row).on > 0;
    snprintf(rule, sizeof rule, "%s%s", on ? "-" : "", pattern);
    apply_and_say(states, rule, on ? "off" : "on");
}

/* The least severe level of the provider's types that is on; 0: none. */
static unsigned level_now(const struct type_states *states, const char *provider)
{
    unsigned level = 0;
    const size_t bytes = strlen(provider);
    for (uint32_t i = 0; i < types_count(types_of(states)); i++) {
        const struct type_row *const row = types_row(types_of(states), i);
        const bool of_it = strncmp(row->name, provider, bytes) == 0 && (row->name[bytes] == '.' || !row->name[bytes]);
        if (of_it && row->level > level && type_state_of(states, row).on)
            level = row->level;
    }
    return level;
}

void type_states_level(struct type_states *states, const struct type_row *row, bool up)
{
    static const char *const names[] = {"none", "critical", "error", "warning", "info", "debug", "trace"};
    char provider[RULE_BYTES], rule[RULE_BYTES + 16], what[RULE_BYTES + 32];
    provider_of(row, provider);
    look_now(states);
    const unsigned now = level_now(states, provider);
    const unsigned level = up ? now + (now < EVTRAIL_LEVELS) : now - (now > 0);
    if (level == 0)
        snprintf(rule, sizeof rule, "-%s", provider);
    else
        snprintf(rule, sizeof rule, "%s:%s", provider, names[level]);
    snprintf(what, sizeof what, "%s up to level %s", provider, names[level]);
    apply_and_say(states, rule, what);
}

/* ---- where it comes from ---- */

static bool covers(const char *pattern, const char *name)
{
    const size_t bytes = strlen(pattern);
    if (strpbrk(pattern, "*?"))
        return fnmatch(pattern, name, FNM_NOESCAPE) == 0;
    return strncmp(pattern, name, bytes) == 0 && (name[bytes] == '\0' || name[bytes] == '.');
}

/* The last word of a session's rules that covers the name. */
static bool last_rule(struct evtrail_session *session, const char *name, char *rule, size_t size)
{
    char *const text = evtrail_session_settings(session), *save = NULL;
    bool found = false;
    for (char *word = text ? strtok_r(text, " \n,;", &save) : NULL; word; word = strtok_r(NULL, " \n,;", &save)) {
        char pattern[RULE_BYTES];
        const char *const begin = word + (*word == '-');
        const size_t bytes = strcspn(begin, ":+@=");
        if (begin[bytes] == '=' || bytes >= sizeof pattern)
            continue;
        snprintf(pattern, sizeof pattern, "%.*s", (int)bytes, begin);
        if (!covers(pattern, name))
            continue;
        snprintf(rule, size, "%s", word);
        found = true;
    }
    free(text);
    return found;
}

void type_states_rule(struct type_states *states, const struct type_row *row, char *buffer, size_t size)
{
    char rule[RULE_BYTES + 64];
    if (size > 0)
        buffer[0] = '\0';
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        if (states->list[i].session && last_rule(states->list[i].session, row->name, rule, sizeof rule)) {
            snprintf(buffer, size, "%s (own list of %u)", rule, states->list[i].pid);
            return;
        }
}
