/* SPDX-License-Identifier: ISC
 *
 * Rules: parsing, matching, and the list in the control page. No allocation: a traced program calls this.
 */
#include "shared/rules.h"
#include "shared/word.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"?", "critical", "error", "warning", "info", "debug", "trace"};
static const char *const policy_names[] = {"overwrite", "drop", "block", "shed"};

unsigned evtrail_level_parse(const char *text, size_t bytes)
{
    for (unsigned level = 1; level <= EVTRAIL_LEVELS; level++)
        if (is_word(text, bytes, level_names[level]))
            return level;
    return 0;
}

const char *evtrail_level_name(unsigned level)
{
    return level_names[level <= EVTRAIL_LEVELS ? level : 0];
}

int evtrail_policy_parse(const char *text, size_t bytes)
{
    for (int policy = 0; policy < EVTRAIL_POLICIES; policy++)
        if (is_word(text, bytes, policy_names[policy]))
            return policy;
    return -EINVAL;
}

const char *evtrail_policy_name(unsigned policy)
{
    return policy < EVTRAIL_POLICIES ? policy_names[policy] : "?";
}

/* ---- patterns ---- */

static bool has_wildcard(const char *pattern)
{
    return strpbrk(pattern, "*?") != NULL;
}

bool evtrail_pattern_match(const char *pattern, const char *name)
{
    if (!has_wildcard(pattern)) {
        size_t n = strlen(pattern);
        return strncmp(pattern, name, n) == 0 && (name[n] == '\0' || name[n] == '.');
    }
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == *name || *pattern == '?') {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* ---- rules ---- */

static bool pattern_byte(char c)
{
    return c > ' ' && c < 0x7f && !strchr(",;:+@=\"'\\", c);
}

static int parse_suffix(char mark, const char *text, size_t bytes, struct evtrail_rule *rule)
{
    if (mark == ':') {
        rule->level = (uint8_t)evtrail_level_parse(text, bytes);
        return rule->level ? 0 : -EINVAL;
    }
    if (mark == '@') {
        int policy = evtrail_policy_parse(text, bytes);
        if (policy < 0)
            return -EINVAL;
        rule->state &= (uint8_t)~EVTRAIL_ENABLE_CHANNEL_MASK;
        rule->state |= (uint8_t)((policy + 1) << EVTRAIL_ENABLE_CHANNEL_SHIFT);
        return 0;
    }
    if (is_word(text, bytes, "cpu"))
        rule->state |= EVTRAIL_ENABLE_CPU;
    else if (is_word(text, bytes, "caller"))
        rule->state |= EVTRAIL_ENABLE_CALLER;
    else if (is_word(text, bytes, "stack"))
        rule->state |= EVTRAIL_ENABLE_STACK;
    else
        return -EINVAL;
    return 0;
}

int evtrail_rule_parse(const char *text, size_t bytes, struct evtrail_rule *ret_rule)
{
    struct evtrail_rule rule = {.on = true, .level = EVTRAIL_LEVELS, .state = EVTRAIL_ENABLE_ON};
    const char *end = text + bytes;
    if (text < end && *text == '-') {
        rule.on = false;
        text++;
    }
    size_t n = 0;
    while (text < end && pattern_byte(*text)) {
        if (n + 1 == sizeof(rule.pattern))
            return -EINVAL;
        rule.pattern[n++] = *text++;
    }
    if (n == 0)
        return -EINVAL;
    while (text < end) {
        char mark = *text++;
        const char *word = text;
        while (text < end && *text >= 'a' && *text <= 'z')
            text++;
        if (!mark || !strchr(":+@", mark) || parse_suffix(mark, word, (size_t)(text - word), &rule) < 0)
            return -EINVAL;
    }
    *ret_rule = rule;
    return 0;
}

/* The lists of up to 1 + EVTRAIL_CONSUMERS_MAX owners are interleaved in the text. */
struct owner_state {
    char owner[24];
    bool named;        /* the last match says more than "everything" */
    const char *match; /* the last: its line, or NULL */
    unsigned state;
};

static struct owner_state *find_owner(struct owner_state *owners, unsigned *count, const char *text, size_t bytes)
{
    if (bytes == 0 || bytes >= sizeof(owners->owner))
        return NULL;
    for (unsigned i = 0; i < *count; i++)
        if (is_word(text, bytes, owners[i].owner))
            return &owners[i];
    if (*count == EVTRAIL_CONSUMERS_MAX + 1)
        return NULL;
    struct owner_state *owner = &owners[(*count)++];
    memset(owner, 0, sizeof(*owner));
    memcpy(owner->owner, text, bytes);
    return owner;
}

static void apply_line(struct owner_state *owners, unsigned *count, const char *line, size_t bytes, const char *name,
                       unsigned level)
{
    const char *blank = memchr(line, ' ', bytes);
    struct evtrail_rule rule;
    if (!blank || evtrail_rule_parse(blank + 1, (size_t)(line + bytes - blank - 1), &rule) < 0)
        return;
    if (!evtrail_pattern_match(rule.pattern, name))
        return;
    struct owner_state *owner = find_owner(owners, count, line, (size_t)(blank - line));
    if (!owner)
        return;
    owner->match = line;
    owner->named = strcmp(rule.pattern, "*") != 0;
    owner->state = rule.on && level <= rule.level ? rule.state : 0;
}

/* The line of the session's own list that switches it off, or NULL. */
static const char *own_off(const struct owner_state *owners, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(owners[i].owner, "0") == 0)
            return owners[i].state == 0 ? owners[i].match : NULL;
    return NULL;
}

unsigned evtrail_rules_state(const char *lines, size_t bytes, const char *name, unsigned level)
{
    struct owner_state owners[EVTRAIL_CONSUMERS_MAX + 1];
    unsigned count = 0, state = 0;
    const char *end = lines + bytes;
    while (lines < end) {
        const char *newline = memchr(lines, '\n', (size_t)(end - lines));
        if (!newline)
            break;
        apply_line(owners, &count, lines, (size_t)(newline - lines), name, level);
        lines = newline + 1;
    }
    const char *off = own_off(owners, count);
    for (unsigned i = 0; i < count; i++) {
        if (off &&
            !(owners[i].named && owners[i].match > off)) /* what was switched off stays so, but for who asks for it */
            continue;
        if ((state & EVTRAIL_ENABLE_CHANNEL_MASK) && (owners[i].state & EVTRAIL_ENABLE_CHANNEL_MASK))
            state &= ~(unsigned)EVTRAIL_ENABLE_CHANNEL_MASK; /* two channels asked for: the later owner's */
        state |= owners[i].state;
    }
    return state;
}

/* ---- the list in the control page ---- */

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#define PATIENCE_NS 300000000u     /* a holder that runs needs microseconds */
#define PATIENCE_LEAST_NS 2000000u /* ... once WAITED_MOST_NS have been spent on locks that were never let go of */
#define WAITED_MOST_NS 500000000u

/* What this process has waited for such locks. Somebody hostile may hold the lock of each of many sessions all the time; a
 * consumer of theirs must not stand still for that. Whenever a lock is had at once half of it is forgotten. Relaxed: an estimate. */
static _Atomic uint64_t waited_ns;

static uint64_t patience_ns(void)
{
    return atomic_load_explicit(&waited_ns, memory_order_relaxed) < WAITED_MOST_NS ? PATIENCE_NS : PATIENCE_LEAST_NS;
}

static bool try_lock(struct evtrail_control *control, uint32_t holder, uint32_t me)
{
    return atomic_compare_exchange_strong_explicit(&control->rules_lock, &holder, me, memory_order_acquire,
                                                   memory_order_relaxed);
}

static int wait_for_lock(struct evtrail_control *control, uint32_t me)
{
    const uint64_t start = monotonic_ns(), patience = patience_ns();
    for (unsigned tries = 0;; tries++) {
        const uint64_t passed = monotonic_ns() - start;
        const uint32_t holder = atomic_load_explicit(&control->rules_lock, memory_order_relaxed);
        const bool dead = holder && holder != me && kill((pid_t)holder, 0) < 0 && errno == ESRCH;
        if ((!holder || dead || passed > patience) && try_lock(control, holder, me)) {
            if (passed > patience)
                atomic_fetch_add_explicit(&waited_ns, passed, memory_order_relaxed);
            return 0;
        }
        if (passed > 2 * patience) {
            atomic_fetch_add_explicit(&waited_ns, passed, memory_order_relaxed);
            return -EBUSY;
        }
        if (tries < 50)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

/* C6 (acquire / C7 release): the list has one writer at a time. A holder that is dead or has had the lock for 0.3 s is
 * robbed: the list is text that every reader parses with care, so the worst is a line that is skipped. */
static int rules_lock(struct evtrail_control *control)
{
    const uint32_t me = (uint32_t)getpid();
    if (!try_lock(control, 0, me))
        return wait_for_lock(control, me);
    const uint64_t waited = atomic_load_explicit(&waited_ns, memory_order_relaxed);
    if (waited)
        atomic_store_explicit(&waited_ns, waited / 2, memory_order_relaxed);
    return 0;
}

static void rules_unlock(struct evtrail_control *control)
{
    /* C12 (release): the list before its generation; pairs with the acquire in libtrace/registry.c. With relaxed a process may
     * find the new generation and the old list, on ARM, and leave a type off for good. */
    atomic_fetch_add_explicit(&control->rules_generation, 1, memory_order_release);
    atomic_store_explicit(&control->rules_lock, 0, memory_order_release);
}

static size_t rules_bytes(struct evtrail_control *control)
{
    uint32_t bytes = atomic_load_explicit(&control->rules_bytes, memory_order_acquire); /* pairs with C5 below */
    return bytes <= EVTRAIL_RULES_BYTES ? bytes : EVTRAIL_RULES_BYTES;
}

/* Words of text that others may be changing: relaxed byte loads, and what is torn does not parse. */
static void copy_text(char *to, const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
}

static void store_text(char *to, const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        __atomic_store_n(to + i, from[i], __ATOMIC_RELAXED);
}

size_t evtrail_rules_copy(struct evtrail_control *control, char *lines)
{
    return evtrail_rules_copy_most(control, EVTRAIL_RULES_BYTES, lines);
}

size_t evtrail_rules_copy_most(struct evtrail_control *control, size_t most, char *lines)
{
    size_t bytes = rules_bytes(control);
    if (bytes > most)
        bytes = most;
    copy_text(lines, control->rules, bytes);
    return bytes;
}

/* What a rule is about: its owner and pattern. A later rule of both alike leaves nothing of an earlier one. */
struct subject {
    const char *owner, *pattern;
    size_t owner_bytes, pattern_bytes;
};

static struct subject subject_of(const char *line, size_t bytes)
{
    const char *end = line + bytes, *blank = memchr(line, ' ', bytes);
    struct subject s = {line, blank ? blank + 1 : end, blank ? (size_t)(blank - line) : bytes, 0};
    if (s.pattern < end && *s.pattern == '-')
        s.pattern++;
    while (s.pattern + s.pattern_bytes < end && pattern_byte(s.pattern[s.pattern_bytes]))
        s.pattern_bytes++;
    return s;
}

static bool same_subject(struct subject a, struct subject b)
{
    return a.owner_bytes == b.owner_bytes && memcmp(a.owner, b.owner, a.owner_bytes) == 0 &&
           a.pattern_bytes == b.pattern_bytes && memcmp(a.pattern, b.pattern, a.pattern_bytes) == 0;
}

static size_t line_at(const char *text, size_t bytes)
{
    const char *newline = memchr(text, '\n', bytes);
    return newline ? (size_t)(newline - text) + 1 : bytes;
}

static bool said_again(struct subject what, const char *text, size_t bytes)
{
    for (size_t n; bytes; text += n, bytes -= n) {
        n = line_at(text, bytes);
        if (same_subject(what, subject_of(text, n)))
            return true;
    }
    return false;
}

static size_t drop_void(char *text, size_t bytes, struct subject coming)
{
    size_t kept = 0;
    for (size_t at = 0, n; at < bytes; at += n) {
        const char *line = text + at;
        n = line_at(line, bytes - at);
        struct subject what = subject_of(line, n);
        if (what.pattern_bytes == 0 || same_subject(what, coming) || said_again(what, line + n, bytes - at - n))
            continue;
        memmove(text + kept, line, n);
        kept += n;
    }
    return kept;
}

/* The list is changed in a copy, as others may write it whatever its lock says. NULL: no memory. */
static char *copy_take(struct evtrail_control *control, size_t bytes)
{
    char *copy = mmap(NULL, EVTRAIL_RULES_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return NULL;
    copy_text(copy, control->rules, bytes);
    return copy;
}

static void copy_put_back(struct evtrail_control *control, char *copy, size_t bytes)
{
    store_text(control->rules, copy, bytes);
    munmap(copy, EVTRAIL_RULES_BYTES);
    atomic_store_explicit(&control->rules_bytes, (uint32_t)bytes, memory_order_release); /* C5 */
}

static bool is_inherited(const char *owner, size_t bytes)
{
    if (bytes == 1 && *owner == '0')
        return true;
    const char last = bytes ? owner[bytes - 1] : '0';
    return (last >= '0' && last <= '9' ? last - '0' : last - 'a' + 10) & EVTRAIL_IDENTITY_FOLLOWS;
}

size_t evtrail_rules_inherited(char *lines, size_t bytes)
{
    size_t kept = 0;
    for (size_t at = 0, n; at < bytes; at += n) {
        n = line_at(lines + at, bytes - at);
        if (!is_inherited(lines + at, subject_of(lines + at, n).owner_bytes))
            continue;
        memmove(lines + kept, lines + at, n);
        kept += n;
    }
    return kept;
}

bool evtrail_rules_orphan(const char *lines, size_t bytes, bool (*has_slot)(const void *context, const char *owner),
                          const void *context, char *ret_owner)
{
    char owner[EVTRAIL_OWNER_BYTES];
    for (size_t at = 0, n; at < bytes; at += n) {
        n = line_at(lines + at, bytes - at);
        const size_t owner_bytes = subject_of(lines + at, n).owner_bytes;
        if (owner_bytes == 0 || owner_bytes >= sizeof(owner) || (owner_bytes == 1 && lines[at] == '0'))
            continue;
        memcpy(owner, lines + at, owner_bytes);
        owner[owner_bytes] = '\0';
        if (has_slot(context, owner))
            continue;
        memcpy(ret_owner, owner, owner_bytes + 1);
        return true;
    }
    return false;
}

/* Takes out what later rules, and the one that is about to come, have made void. Returns the bytes that are left. */
static size_t compact(struct evtrail_control *control, size_t bytes, const char *owner, const char *rule)
{
    struct subject coming = {owner, *rule == '-' ? rule + 1 : rule, strlen(owner), 0};
    while (pattern_byte(coming.pattern[coming.pattern_bytes]))
        coming.pattern_bytes++;
    char *copy = copy_take(control, bytes);
    if (!copy)
        return bytes;
    size_t kept = drop_void(copy, bytes, coming);
    copy_put_back(control, copy, kept);
    return kept;
}

int evtrail_rules_append(struct evtrail_control *control, const char *owner, const char *rule)
{
    struct evtrail_rule parsed;
    size_t owner_bytes = strlen(owner), rule_bytes = strlen(rule);
    if (owner_bytes == 0 || owner_bytes > 20 || evtrail_rule_parse(rule, rule_bytes, &parsed) < 0)
        return -EINVAL;
    int result = rules_lock(control);
    if (result < 0)
        return result;
    size_t used = rules_bytes(control), more = owner_bytes + rule_bytes + 2;
    if (used + more > EVTRAIL_RULES_BYTES)
        used = compact(control, used, owner, rule);
    if (used + more > EVTRAIL_RULES_BYTES) {
        result = -ENOSPC;
    } else {
        char *to = control->rules + used;
        store_text(to, owner, owner_bytes);
        store_text(to + owner_bytes, " ", 1);
        store_text(to + owner_bytes + 1, rule, rule_bytes);
        store_text(to + owner_bytes + 1 + rule_bytes, "\n", 1);
        /* C5 (release): the line is whole before its length counts; pairs with the acquire in rules_bytes(). */
        atomic_store_explicit(&control->rules_bytes, (uint32_t)(used + more), memory_order_release);
    }
    rules_unlock(control);
    return result;
}

static size_t drop_owner(char *text, size_t bytes, const char *owner)
{
    size_t kept = 0, owner_bytes = strlen(owner);
    for (size_t at = 0, n; at < bytes; at += n) {
        const char *line = text + at;
        n = line_at(line, bytes - at);
        if (n > owner_bytes && memcmp(line, owner, owner_bytes) == 0 && line[owner_bytes] == ' ')
            continue;
        memmove(text + kept, line, n);
        kept += n;
    }
    return kept;
}

int evtrail_rules_remove(struct evtrail_control *control, const char *owner)
{
    int result = rules_lock(control);
    if (result < 0)
        return result;
    size_t bytes = rules_bytes(control);
    char *copy = copy_take(control, bytes);
    if (copy)
        copy_put_back(control, copy, drop_owner(copy, bytes, owner));
    rules_unlock(control);
    return copy ? 0 : -ENOMEM;
}
