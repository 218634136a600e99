/* SPDX-License-Identifier: ISC
 *
 * The rules and what the configuration says of them.
 */
#include "warning_private.h"
#include "cli.h"
#include "config.h"

#include <evtrail/format.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_BYTES 128u
#define LEAST 100

static const struct rule built_in[] = {
#define RULE(ident, rule_name, rule_unit, rule_threshold, over, clear, sentence, rule_text) \
    {.shown = {.name = (rule_name), \
               .text = (rule_text), \
               .say = (sentence), \
               .unit = UNIT_##rule_unit, \
               .threshold = (rule_threshold), \
               .of = "*", \
               .clear_ns = (int64_t)(clear)}, \
     .kind = RULE_##ident, \
     .over_ns = (int64_t)(over), \
     .least = LEAST},
#include "warning_rules.def"
#undef RULE
};

/* ---- faults ---- */

struct reading {
    const struct config *config;
    const char *section, *key; /* of what is read */
    char *error;               /* the first fault */
};

__attribute__((format(printf, 2, 3))) static int fault(struct reading *reading, const char *format, ...)
{
    va_list list;
    char *text = NULL;
    if (reading->error)
        return -EINVAL;
    va_start(list, format);
    const int r = vasprintf(&text, format, list);
    va_end(list);
    const char *place = reading->key ? config_place(reading->config, reading->section, reading->key) : NULL;
    const char *const first = config_key(reading->config, reading->section, 0, NULL);
    if (!place && first)
        place = config_place(reading->config, reading->section, first);
    if (r < 0 || asprintf(&reading->error, "%s: [%s] %s: %s", place ? place : "?", reading->section,
                          reading->key ? reading->key : "", text) < 0)
        reading->error = NULL;
    free(text);
    return -EINVAL;
}

/* ---- values ---- */

/* "pool.* !pool.queue": what a later pattern with an exclamation mark takes away is not meant. */
bool warning_of(const struct rule *rule, const char *text)
{
    char pattern[PATTERN_BYTES];
    bool is = false;
    for (const char *at = rule->shown.of + strspn(rule->shown.of, " \t"); *at; at += strspn(at, " \t")) {
        const size_t bytes = strcspn(at, " \t");
        snprintf(pattern, sizeof pattern, "%.*s", (int)bytes, at);
        const bool not = pattern[0] == '!';
        if (fnmatch(pattern + not, text, 0) == 0)
            is = !not ;
        at += bytes;
    }
    return is;
}

/* Whether a pattern is there that says more than "all". */
static bool names_something(const char *of)
{
    for (of += strspn(of, " \t"); *of; of += strspn(of, " \t")) {
        const size_t bytes = strcspn(of, " \t");
        if (*of != '!' && !(bytes == 1 && *of == '*'))
            return true;
        of += bytes;
    }
    return false;
}

/* "10s" for times; "95" or "95%"; "20" or "20/s"; "4" or "4x". */
static int read_threshold(struct reading *reading, struct rule *rule, const char *value)
{
    int64_t ns;
    char *end;
    if (rule->shown.unit == UNIT_duration) {
        if (evtrail_parse_duration(value, &ns) < 0)
            return fault(reading, "'%s' is not a time, as in 500ms or 10s", value);
        rule->shown.threshold = (double)ns;
        return 0;
    }
    const double number = strtod(value, &end);
    if (end == value || !(number >= 0) || number > 1e15 || strspn(end, "%x/s ") != strlen(end))
        return fault(reading, "'%s' is not a number", value);
    rule->shown.threshold = number;
    return 0;
}

static int read_time(struct reading *reading, const char *value, int64_t *ret_ns)
{
    if (evtrail_parse_duration(value, ret_ns) < 0 || *ret_ns < 0)
        return fault(reading, "'%s' is not a time, as in 500ms or 10s", value);
    return 0;
}

static int read_filter(struct reading *reading, struct rule *rule, const char *value)
{
    char *error = NULL;
    evtrail_filter_free(rule->filter);
    rule->filter = NULL;
    if (evtrail_filter_new(&rule->filter, value, &error) < 0)
        fault(reading, "%s", error ? error : "not a filter expression");
    free(error);
    return rule->filter ? 0 : -EINVAL;
}

/* "20 per 10s" or "20". */
static int read_more_than(struct reading *reading, struct rule *rule, const char *value)
{
    char number[32];
    int64_t count;
    const size_t bytes = strcspn(value, " \t");
    snprintf(number, sizeof number, "%.*s", (int)bytes, value);
    const char *per = value + bytes + strspn(value + bytes, " \t");
    if (parse_count(number, &count) < 0 || count < 0)
        return fault(reading, "'%s' is not a count, as in '20 per 10s'", value);
    rule->shown.threshold = (double)count;
    if (*per == '\0')
        return 0;
    if (strncmp(per, "per", 3) != 0 || (per[3] != ' ' && per[3] != '\t'))
        return fault(reading, "'%s': expected 'per' and a time, as in '20 per 10s'", value);
    per += 3 + strspn(per + 3, " \t");
    return read_time(reading, per, &rule->over_ns);
}

static int read_switch(struct reading *reading, struct rule *rule, const char *value)
{
    rule->shown.off = strcmp(value, "off") == 0 || strcmp(value, "no") == 0;
    if (rule->shown.off || strcmp(value, "on") == 0 || strcmp(value, "yes") == 0)
        return 0;
    return fault(reading, "'%s' is neither on nor off", value);
}

/* One setting of a rule. */
static int read_setting(struct reading *reading, struct rule *rule, const char *setting, const char *value)
{
    double least;
    char *end;
    if (strcmp(setting, "threshold") == 0)
        return read_threshold(reading, rule, value);
    if (strcmp(setting, "over") == 0)
        return read_time(reading, value, &rule->over_ns);
    if (strcmp(setting, "clear") == 0)
        return read_time(reading, value, &rule->shown.clear_ns);
    if (strcmp(setting, "of") == 0) {
        rule->shown.of = value;
        rule->named = names_something(value);
        return 0;
    }
    if (strcmp(setting, "say") == 0) {
        snprintf(rule->say, sizeof rule->say, "%s", value);
        return 0;
    }
    if (strcmp(setting, "least") == 0) {
        least = strtod(value, &end);
        if (end == value || *end || !(least >= 0))
            return fault(reading, "'%s' is not a number", value);
        rule->least = least;
        return 0;
    }
    return fault(reading, "no such setting; there are threshold, of, over, clear, say and least");
}

static int read_custom(struct reading *reading, struct rule *rule, const char *setting, const char *value)
{
    if (strcmp(setting, "when") == 0)
        return read_filter(reading, rule, value);
    if (strcmp(setting, "more_than") == 0)
        return read_more_than(reading, rule, value);
    if (strcmp(setting, "by") == 0) {
        rule->by = value;
        return 0;
    }
    return read_setting(reading, rule, setting, value);
}

/* ---- sections ---- */

static struct rule *rule_named(struct rule *rules, uint32_t count, const char *name, size_t bytes)
{
    for (uint32_t i = 0; i < count; i++)
        if (strlen(rules[i].shown.name) == bytes && strncmp(rules[i].shown.name, name, bytes) == 0)
            return &rules[i];
    return NULL;
}

/* [warnings]: "leak = off", "leak.threshold = 10s". */
static void read_built_in(struct reading *reading, struct rule *rules, uint32_t count)
{
    const char *value;
    reading->section = "warnings";
    for (size_t i = 0; (reading->key = config_key(reading->config, "warnings", i, &value)) != NULL; i++) {
        const size_t bytes = strcspn(reading->key, ".");
        struct rule *const rule = rule_named(rules, count, reading->key, bytes);
        if (!rule)
            fault(reading, "no such rule");
        else if (reading->key[bytes] == '\0')
            read_switch(reading, rule, value);
        else
            read_setting(reading, rule, reading->key + bytes + 1, value);
    }
}

static void begin_rule(struct rule *rule, const char *name)
{
    snprintf(rule->name, sizeof rule->name, "%s", name);
    rule->shown.name = rule->name;
    rule->say[0] = '\0';
}

/* [warning NAME]: a rule of one's own, or with `rule = NAME` one more of those that there are. */
static int read_section(struct reading *reading, struct rule *rules, uint32_t count, struct rule *rule)
{
    const char *const like = config_get(reading->config, reading->section, "rule"), *value;
    *rule = (struct rule){
        .kind = RULE_custom, .shown = {.unit = UNIT_count, .of = "*", .clear_ns = 10000000000}, .over_ns = 10000000000};
    reading->key = "rule";
    if (like) {
        const struct rule *const from = rule_named(rules, RULES_BUILT_IN, like, strlen(like));
        if (!from)
            return fault(reading, "no such rule");
        *rule = *from;
        snprintf(rule->say, sizeof rule->say, "%s", from->shown.say);
        rule->shown.off = false;
    }
    const bool off = rule->shown.off;
    begin_rule(rule, reading->section + strlen("warning "));
    if (rule_named(rules, count, rule->name, strlen(rule->name)))
        return fault(reading, "there is a rule of this name");
    for (size_t i = 0; (reading->key = config_key(reading->config, reading->section, i, &value)) != NULL; i++) {
        if (strcmp(reading->key, "rule") == 0)
            continue;
        const int r =
            like ? read_setting(reading, rule, reading->key, value) : read_custom(reading, rule, reading->key, value);
        if (r < 0 && strcmp(reading->key, "when") == 0)
            return r;
    }
    reading->key = "when";
    rule->shown.off = off;
    rule->shown.custom = count + 1;
    if (!like && !rule->filter)
        return fault(reading, "a rule needs `when` with a filter expression, or `rule`");
    return 0;
}

/* [states], [counters] and [entities] are used where classes and counters come; here only whether they can be understood. */
static void check_entities(struct reading *reading)
{
    const char *value;
    enum phase phase;
    int64_t ns;
    reading->section = "states";
    for (size_t i = 0; (reading->key = config_key(reading->config, "states", i, &value)) != NULL; i++)
        if (phase_named(value, &phase) < 0)
            fault(reading, "'%s' is none of busy, waiting, idle, other", value);
    reading->section = "counters";
    for (size_t i = 0; (reading->key = config_key(reading->config, "counters", i, &value)) != NULL; i++)
        if (strcmp(value, "waiting") != 0 && strcmp(value, "other") != 0)
            fault(reading, "'%s' is neither waiting nor other", value);
    reading->section = "entities";
    for (size_t i = 0; (reading->key = config_key(reading->config, "entities", i, &value)) != NULL; i++) {
        const size_t bytes = strlen(reading->key);
        if (strcmp(reading->key, "keep") == 0)
            read_time(reading, value, &ns);
        else if (bytes < 8 || strcmp(reading->key + bytes - 7, ".parent") != 0)
            fault(reading, "no such setting; there are keep, and CLASS.parent");
    }
}

int warning_rules_read(struct rule rules[RULES_MAX], uint32_t *ret_count, const struct config *config, char **ret_error)
{
    struct reading reading = {.config = config};
    const char *section;
    uint32_t count = RULES_BUILT_IN;
    memcpy(rules, built_in, sizeof built_in);
    check_entities(&reading);
    read_built_in(&reading, rules, count);
    for (size_t i = 0; (section = config_section(config, i)) != NULL; i++) {
        if (strncmp(section, "warning ", strlen("warning ")) != 0)
            continue;
        reading.section = section;
        reading.key = NULL;
        if (count == RULES_MAX)
            fault(&reading, "there are too many rules");
        else if (read_section(&reading, rules, count, &rules[count]) < 0)
            evtrail_filter_free(rules[count].filter);
        else
            count++;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct rule *const rule = &rules[i];
        if (i >= RULES_BUILT_IN)
            rule->shown.name = rule->name;
        if (rule->say[0] == '\0')
            snprintf(rule->say, sizeof rule->say, "%s", rule->shown.say ? rule->shown.say : "%s: %v");
        rule->shown.say = rule->say;
        if (!rule->shown.text)
            rule->shown.text = "of the configuration";
    }
    *ret_count = count;
    if (ret_error)
        *ret_error = reading.error;
    else
        free(reading.error);
    return reading.error ? -EINVAL : 0;
}

void warning_rules_free(struct rule rules[RULES_MAX], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        evtrail_filter_free(rules[i].filter);
}

int warnings_config_check(const struct config *config, char **ret_error)
{
    struct rule *const rules = calloc(RULES_MAX, sizeof *rules);
    uint32_t count = 0;
    if (!rules)
        return -ENOMEM;
    const int r = warning_rules_read(rules, &count, config, ret_error);
    warning_rules_free(rules, count);
    free(rules);
    return r;
}
