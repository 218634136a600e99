/* SPDX-License-Identifier: ISC
 *
 * Rules (which event types are on, and how) and settings (ring sizes, policy): one grammar for the environment, the API,
 * the command line and the control page, used by the traced process and by the tools alike.
 *
 * Rule:     [-]PATTERN[:LEVEL][+cpu][+caller][+stack][@POLICY]
 * Setting:  KEY=VALUE
 * Several stand in one text, separated by blanks, ',' or ';'.
 */
#ifndef EVTRAIL_RULES_H
#define EVTRAIL_RULES_H

#include "layout.h"

#define EVTRAIL_PATTERN_BYTES 200

struct evtrail_rule {
    bool on;
    uint8_t level; /* least severe level that is on, 1..6 */
    uint8_t state; /* enable byte of a matching type */
    char pattern[EVTRAIL_PATTERN_BYTES];
};

/* 0 or -EINVAL. `text` need not end in NUL. */
int evtrail_rule_parse(const char *text, size_t bytes, struct evtrail_rule *ret_rule);

/* `name` is the pattern, lies below it ("pool" covers "pool.conn.open"), or fits its wildcards ('*' any text, '?' one byte).
 * Time: O(pattern x name), no recursion. */
bool evtrail_pattern_match(const char *pattern, const char *name);

/* "critical" .. "trace", or 0. And back; "?" outside 1..6. */
unsigned evtrail_level_parse(const char *text, size_t bytes);
__attribute__((visibility("default"))) const char *evtrail_level_name(unsigned level); /* format.h has it too */
/* "overwrite" .. "shed", or -EINVAL. And back. */
int evtrail_policy_parse(const char *text, size_t bytes);
const char *evtrail_policy_name(unsigned policy);

/* The enable byte of a type under a list of lines "owner rule\n", as the control page holds them. Owner "0" is the session's own list,
 * others are consumers (their identity in hexadecimal). Within an owner's list the last match counts. The session's own
 * "off" beats what stands before it and rules for everything ("*"), so that only who asks for those events later gets them; else
 * what any owner wants is on, contexts add up. Lines that do not parse are skipped. */
unsigned evtrail_rules_state(const char *lines, size_t bytes, const char *name, unsigned level);

/* A copy of the rules in force; at most EVTRAIL_RULES_BYTES. Returns the bytes used. */
size_t evtrail_rules_copy(struct evtrail_control *control, char *lines);
size_t evtrail_rules_copy_most(struct evtrail_control *control, size_t most, char *lines);
/* Of such a copy, what a forked child begins with: the session's own rules, and those of consumers that will attach to it too
 * (EVTRAIL_IDENTITY_FOLLOWS: their owner's last digit is odd). Returns the bytes that are left. */
size_t evtrail_rules_inherited(char *lines, size_t bytes);
/* The owner of the first rule of `lines` for whom `has_slot` says no, into `ret_owner`. False: there is none. */
#define EVTRAIL_OWNER_BYTES 24
bool evtrail_rules_orphan(const char *lines, size_t bytes, bool (*has_slot)(const void *context, const char *owner),
                          const void *context, char *ret_owner);
/* Appends a line. -EINVAL, -ENOSPC: no room; -EBUSY: others lock the list all the time, for 0.6 s. */
int evtrail_rules_append(struct evtrail_control *control, const char *owner, const char *rule);
/* Removes all lines of an owner. */
int evtrail_rules_remove(struct evtrail_control *control, const char *owner);

struct evtrail_settings_values {
    uint32_t policy, block_bytes, blocks, flags;
    uint64_t deadline_ns, lease_ns, memory_bytes;
};
void evtrail_settings_default(struct evtrail_settings *settings);
/* Reads settings that anyone may have written: what is out of bounds becomes the nearest bound. */
void evtrail_settings_read(const struct evtrail_settings *settings, struct evtrail_settings_values *ret_values);
/* One "key=value". -EINVAL: no such key or value, -ERANGE: out of bounds. */
int evtrail_settings_apply(struct evtrail_settings *settings, const char *text, size_t bytes);

/* "64K", "1MiB", "10" -> bytes; "2ms", "1s" -> ns. 0 or -EINVAL, -ERANGE. */
int evtrail_text_bytes(const char *text, size_t bytes, uint64_t *ret_bytes);
int evtrail_text_ns(const char *text, size_t bytes, uint64_t *ret_ns);

/* The next word of a text of rules and settings; returns its start, or NULL at the end. */
const char *evtrail_text_word(const char **text, size_t *ret_bytes);

#endif
