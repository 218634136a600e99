/* SPDX-License-Identifier: ISC
 *
 * The manual page of evtrail top: views, keys, warnings and the configuration, out of their tables.
 */
#include "cli.h"
#include "model/warnings.h"
#include "screen/keys.h"
#include "views/view.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct item {
    const char *term, *text;
};
static const struct {
    const char *name, *text;
    enum warning_unit unit;
    double threshold;
} rules[] = {
#define RULE(ident, name, unit, threshold, over_ns, clear_ns, say, text) {name, text, UNIT_##unit, threshold},
#include "model/warning_rules.def"
#undef RULE
};
static const struct item settings[] = {
    {"FILE", "~/.config/evtrail/top.conf, or $XDG_CONFIG_HOME/evtrail/top.conf, or what --config names: lines of KEY = "
             "VALUE in "
             "sections; a # with a blank behind it begins a remark. What is mistyped is told with its line."},
    {"[general]",
     "interval (250ms), memory (64M), mouse (on, off), ascii, colors, view: as the options of these names."},
    {"[keys]",
     "ACTION = KEY...: these keys instead of its own; x ^x gg f5 space enter esc tab backtab up down left right pgup "
     "pgdn home end delete backspace. Actions are listed under KEYS."},
    {"[columns]", "TABLE = COLUMN...: these columns, in this order, the name first by itself; TABLE.sort = COLUMN, or "
                  "-COLUMN for the largest first. --json shows the names of tables and their columns."},
    {"[warnings]", "RULE.threshold = VALUE, RULE.over, RULE.clear, RULE.of = PATTERN... (a ! before one: but those), "
                   "RULE.least, RULE.say, "
                   "or RULE = off."},
    {"[filters]", "NAME = EXPRESSION: offered by Tab in the filter's prompt."},
    {"[warning NAME]",
     "when = EXPRESSION, more_than = COUNT per TIME, by = CLASS (a row for each), say, clear; or rule = RULE "
     "and other settings for it than in [warnings]. In say %s is what it is about, %v the value, %t the limit."},
    {"[states]",
     "CLASS.STATE or STATE = busy, waiting, idle or other: where the name of a state does not tell by itself."},
    {"[counters]", "EVENT or its last part = waiting or other: whether a counter is of what waits."},
    {"[entities]",
     "keep = TIME (10s): so long those that are gone stay listed; CLASS.parent = CLASS where ids alone do not tell."},
    {"[view NAME]",
     "A view of your own: entities = PATTERN... of classes; columns, sort, depth, tree, filter, title, key."},
};

static bool view_item(size_t index, struct manual_item *ret_item)
{
    const struct view_ops *const ops = views[index];
    ret_item->section = "VIEWS";
    snprintf(ret_item->term, sizeof ret_item->term, "%c  %s (%s)", ops->key, ops->title, ops->name);
    ret_item->text = ops->text;
    return true;
}

static bool key_item(size_t index, struct manual_item *ret_item)
{
    const struct action_spec *const spec = &action_specs[index + 1];
    ret_item->section = "KEYS";
    snprintf(ret_item->term, sizeof ret_item->term, "%s (%s)", spec->keys, spec->name);
    ret_item->text = spec->text;
    return true;
}

static bool rule_item(size_t index, struct manual_item *ret_item)
{
    char threshold[40];
    warning_value_text(rules[index].unit, rules[index].threshold, threshold, sizeof threshold);
    ret_item->section = "WARNINGS";
    snprintf(ret_item->term, sizeof ret_item->term, "%s (%s)", rules[index].name, threshold);
    ret_item->text = rules[index].text;
    return true;
}

static bool table_item(const char *section, const struct item *item, struct manual_item *ret_item)
{
    ret_item->section = section;
    snprintf(ret_item->term, sizeof ret_item->term, "%s", item->term);
    ret_item->text = item->text;
    return true;
}

bool manual_top(size_t index, struct manual_item *ret_item)
{
    size_t count = 0;
    while (views[count])
        count++;
    if (index < count)
        return view_item(index, ret_item);
    index -= count;
    if (index < ACTIONS - 1)
        return key_item(index, ret_item);
    index -= ACTIONS - 1;
    if (index < COUNT(rules))
        return rule_item(index, ret_item);
    index -= COUNT(rules);
    return index < COUNT(settings) && table_item("CONFIGURATION", &settings[index], ret_item);
}
