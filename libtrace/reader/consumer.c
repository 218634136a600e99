/* SPDX-License-Identifier: ISC
 *
 * Consumer slots: claim, lease, release, eviction, and clearing up after consumers that were killed.
 */
#include "reader/consumer.h"

#include "reader/clock_live.h"
#include "reader/futex.h"
#include "shared/override.h"
#include "shared/rules.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RENEW_EVERY_NS 100000000u

static uint64_t lease_ns(const struct evtrail_live *live)
{
    struct evtrail_settings_values values;
    evtrail_settings_read(&live->control->settings, &values);
    return values.lease_ns;
}

static void owner_text(uint64_t identity, char *text)
{
    snprintf(text, 20, "%llx", (unsigned long long)identity);
}

uint64_t evtrail_slot_identity(bool follows)
{
    uint64_t identity = 0;
    if (getrandom(&identity, sizeof(identity), GRND_NONBLOCK) != (ssize_t)sizeof(identity))
        identity = evtrail_monotonic_now() ^ (uint64_t)getpid() << 32;
    identity = follows ? identity | EVTRAIL_IDENTITY_FOLLOWS : identity & ~EVTRAIL_IDENTITY_FOLLOWS;
    return identity ? identity : 2;
}

/* ---- rules ---- */

int evtrail_rules_fault(const char *rules, struct evtrail_fault *fault)
{
    struct evtrail_rule parsed;
    const char *word;
    size_t bytes;
    while (rules && (word = evtrail_text_word(&rules, &bytes)))
        if (evtrail_rule_parse(word, bytes, &parsed) < 0)
            return evtrail_fault_set(fault, -EINVAL,
                                     "'%.*s' is not a rule, want [-]PATTERN[:LEVEL][+cpu][+caller][+stack][@POLICY]",
                                     (int)bytes, word);
    return 0;
}

static int add_rules(struct evtrail_slot *slot, struct evtrail_live *live, const char *rules,
                     struct evtrail_fault *fault)
{
    char rule[EVTRAIL_PATTERN_BYTES + 64];
    const char *word;
    size_t bytes;
    int result = evtrail_rules_fault(rules, fault);
    if (result < 0)
        return result;
    while ((word = evtrail_text_word(&rules, &bytes))) {
        if (bytes >= sizeof(rule))
            return evtrail_fault_set(fault, -EINVAL, "'%.40s...' is too long for a rule", word);
        memcpy(rule, word, bytes);
        rule[bytes] = '\0';
        result = evtrail_rules_append(live->control, slot->owner, rule);
        slot->has_rules |= result == 0;
        if (result < 0)
            return evtrail_fault_set(fault, result, "%s: cannot add the rule '%s': %s", live->control_path, rule,
                                     result == -ENOSPC ? "the list is full; remove rules with `evtrail disable`"
                                                       : strerror(-result));
    }
    evtrail_live_apply_rules(live);
    return 0;
}

/* ---- reaping ---- */

/* A consumer that runs renews its lease ten times a second. One whose lease ran out twice over has ended or was
 * stopped; once is enough if there is no such process (no proof: it may live in another pid namespace). */
static bool is_gone(const struct evtrail_consumer *consumer, uint64_t now, uint64_t lease)
{
    uint64_t renewed = atomic_load_explicit(&consumer->renewed_ns, memory_order_relaxed);
    uint64_t age = renewed <= now ? now - renewed : UINT64_MAX;
    uint32_t pid = atomic_load_explicit(&consumer->pid, memory_order_relaxed);
    if (age > 2 * lease)
        return true;
    return age > lease && pid <= INT32_MAX && (pid == 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH));
}

static bool reap(struct evtrail_live *live, struct evtrail_consumer *consumer, bool *rules)
{
    char owner[20];
    uint32_t state = atomic_load_explicit(&consumer->state, memory_order_acquire);
    if (state == EVTRAIL_CONSUMER_FREE || !is_gone(consumer, evtrail_monotonic_now(), lease_ns(live)))
        return false;
    uint64_t identity = atomic_load_explicit(&consumer->identity, memory_order_relaxed);
    /* One of several that reap wins; from here on it is ours. */
    atomic_store_explicit(&consumer->renewed_ns, evtrail_monotonic_now(), memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&consumer->state, &state, EVTRAIL_CONSUMER_CLAIMED,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    owner_text(identity, owner);
    if (identity)
        *rules |= evtrail_rules_remove(live->control, owner) == 0;
    evtrail_override_end(live->control, (unsigned)(consumer - live->control->consumers));
    atomic_store_explicit(&consumer->identity, 0, memory_order_relaxed);
    atomic_store_explicit(&consumer->state, EVTRAIL_CONSUMER_FREE, memory_order_release);
    return true;
}

static bool has_slot(const void *context, const char *owner)
{
    const struct evtrail_live *live = context;
    char text[20];
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        owner_text(atomic_load_explicit(&live->control->consumers[i].identity, memory_order_relaxed), text);
        if (strcmp(text, owner) == 0)
            return true;
    }
    return false;
}

/* Rules that a child began with, and whose owner has not attached to it in time. */
static bool reap_rules(struct evtrail_live *live)
{
    const uint64_t started = live->source.clock.first.monotonic_ns, now = evtrail_monotonic_now();
    char owner[EVTRAIL_OWNER_BYTES], *lines;
    bool any = false;
    if (now < started || now - started < 2 * lease_ns(live) ||
        !atomic_load_explicit(&live->control->rules_bytes, memory_order_relaxed) ||
        !(lines = malloc(EVTRAIL_RULES_BYTES)))
        return false;
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        size_t bytes = evtrail_rules_copy(live->control, lines);
        if (!evtrail_rules_orphan(lines, bytes, has_slot, live, owner) ||
            evtrail_rules_remove(live->control, owner) < 0)
            break;
        any = true;
    }
    free(lines);
    return any;
}

int evtrail_slots_reap(struct evtrail_live *live)
{
    int reaped = 0;
    bool rules = false;
    if (!live->control || !live->control_writable)
        return 0;
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++)
        reaped += reap(live, &live->control->consumers[i], &rules);
    if (reap_rules(live) || rules)
        evtrail_live_apply_rules(live);
    return reaped;
}

/* ---- attaching ---- */

static int claim(struct evtrail_live *live)
{
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        struct evtrail_consumer *consumer = &live->control->consumers[i];
        uint32_t state = atomic_load_explicit(&consumer->state, memory_order_relaxed);
        if (state != EVTRAIL_CONSUMER_FREE)
            continue;
        /* fresh before it is ours, or it would look abandoned in between */
        atomic_store_explicit(&consumer->renewed_ns, evtrail_monotonic_now(), memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&consumer->state, &state, EVTRAIL_CONSUMER_CLAIMED,
                                                    memory_order_acq_rel, memory_order_relaxed))
            return i;
    }
    return -EBUSY;
}

static void fill(struct evtrail_slot *slot, struct evtrail_live *live)
{
    struct evtrail_consumer *consumer = &live->control->consumers[slot->index];
    slot->renewed_ns = evtrail_monotonic_now();
    atomic_store_explicit(&consumer->renewed_ns, slot->renewed_ns, memory_order_relaxed);
    atomic_store_explicit(&consumer->pid, (uint32_t)getpid(), memory_order_relaxed);
    atomic_store_explicit(&consumer->identity, slot->identity, memory_order_relaxed);
    for (size_t i = 0; i < sizeof(slot->name); i++)
        __atomic_store_n(&consumer->name[i], slot->name[i], __ATOMIC_RELAXED);
    /* Cursors that an earlier consumer left: 0 keeps everything. Rings that come later were never touched. */
    for (uint32_t ring = 0, count = evtrail_live_rings(live); ring < count; ring++)
        atomic_store_explicit(&live->control->rings[ring].released[slot->index], 0, memory_order_relaxed);
    if (slot->settings && *slot->settings)
        evtrail_override_set(live->control, (unsigned)slot->index, slot->settings);
    /* B6 (release): the cursors are reset before a writer counts them; pairs with the acquire in libtrace/policy.c.
     * Without it a writer may take an old consumer's cursor for ours, and overwrite what we have not read. */
    atomic_store_explicit(&consumer->state, slot->hold ? EVTRAIL_CONSUMER_ACTIVE : EVTRAIL_CONSUMER_PASSIVE,
                          memory_order_release);
    /* C1 (release): a writer whose ring is full looks for consumers again, and at our cursors from then on. */
    atomic_fetch_add_explicit(&live->control->settings.generation, 1, memory_order_release);
}

static int take_slot(struct evtrail_slot *slot, struct evtrail_live *live)
{
    int index = claim(live);
    if (index < 0 && evtrail_slots_reap(live) > 0)
        index = claim(live);
    if (index < 0)
        return index;
    slot->index = index;
    fill(slot, live);
    return 0;
}

int evtrail_slot_attach(struct evtrail_slot *slot, struct evtrail_live *live, const char *name, bool hold,
                        const char *rules, const char *settings, struct evtrail_fault *fault)
{
    return evtrail_slot_attach_as(slot, live, evtrail_slot_identity(false), name, hold, rules, settings, fault);
}

int evtrail_slot_attach_as(struct evtrail_slot *slot, struct evtrail_live *live, uint64_t identity, const char *name,
                           bool hold, const char *rules, const char *settings, struct evtrail_fault *fault)
{
    *slot = (struct evtrail_slot){.index = -1, .hold = hold, .rules = rules, .settings = settings};
    if (!live->control || !live->control_writable)
        return evtrail_fault_set(fault, -EACCES,
                                 "%s: not there or not writable, so it cannot be controlled: run as its owner",
                                 live->control_path);
    snprintf(slot->name, sizeof(slot->name), "%s", name ? name : "reader");
    slot->identity = identity;
    owner_text(slot->identity, slot->owner);
    evtrail_slots_reap(live);
    int result = take_slot(slot, live);
    if (result < 0) {
        slot->identity = 0;
        return evtrail_fault_set(fault, result, "%s: all %d consumer slots are taken: end one of them (`evtrail ls`)",
                                 live->path, EVTRAIL_CONSUMERS_MAX);
    }
    if (rules && *rules)
        result = add_rules(slot, live, rules, fault);
    if (result < 0)
        evtrail_slot_detach(slot, live);
    return result;
}

static void wake_writers(struct evtrail_live *live)
{
    for (uint32_t ring = 0, count = evtrail_live_rings(live); ring < count; ring++) {
        if (!atomic_load_explicit(&evtrail_live_ring(live, ring)->waiting, memory_order_seq_cst))
            continue;
        atomic_fetch_add_explicit(&live->control->rings[ring].wake, 1, memory_order_seq_cst);
        evtrail_futex_wake_all(&live->control->rings[ring].wake);
    }
}

static bool is_ours(const struct evtrail_slot *slot, const struct evtrail_live *live)
{
    const struct evtrail_consumer *consumer = &live->control->consumers[slot->index];
    return atomic_load_explicit(&consumer->identity, memory_order_relaxed) == slot->identity;
}

void evtrail_slot_detach(struct evtrail_slot *slot, struct evtrail_live *live)
{
    if (slot->has_rules && evtrail_rules_remove(live->control, slot->owner) == 0)
        evtrail_live_apply_rules(live);
    slot->has_rules = false;
    slot->identity = slot->index < 0 ? 0 : slot->identity;
    if (slot->index < 0)
        return;
    struct evtrail_consumer *consumer = &live->control->consumers[slot->index];
    if (is_ours(slot, live)) {
        evtrail_override_end(live->control, (unsigned)slot->index);
        atomic_store_explicit(&consumer->identity, 0, memory_order_relaxed);
        atomic_store_explicit(&consumer->state, EVTRAIL_CONSUMER_FREE, memory_order_seq_cst);
    }
    if (slot->hold)
        wake_writers(live);
    slot->index = -1;
    slot->identity = 0;
}

/* ---- while attached ---- */

static int return_after_eviction(struct evtrail_slot *slot, struct evtrail_live *live, struct evtrail_fault *fault)
{
    uint32_t evicted = EVTRAIL_CONSUMER_EVICTED;
    struct evtrail_consumer *consumer = &live->control->consumers[slot->index];
    bool still_ours = is_ours(slot, live) &&
                      atomic_compare_exchange_strong_explicit(&consumer->state, &evicted, EVTRAIL_CONSUMER_CLAIMED,
                                                              memory_order_acq_rel, memory_order_relaxed);
    if (still_ours) {
        fill(slot, live);
    } else {
        slot->index = -1; /* somebody else has it, and our rules went with it */
        take_slot(slot, live);
        if (slot->has_rules && slot->index >= 0 && evtrail_rules_remove(live->control, slot->owner) == 0)
            add_rules(slot, live, slot->rules, NULL);
    }
    return evtrail_fault_set(
        fault, slot->index < 0 ? -EBUSY : -ESTALE,
        "%s: this reader did not run for longer than its lease and was evicted; events may have been lost "
        "meanwhile, and are counted%s",
        live->path, slot->index < 0 ? "; no slot is free to come back" : "");
}

int evtrail_slot_renew(struct evtrail_slot *slot, struct evtrail_live *live, uint64_t now_ns,
                       struct evtrail_fault *fault)
{
    if (!slot->identity || now_ns - slot->renewed_ns < RENEW_EVERY_NS)
        return 0;
    slot->renewed_ns = now_ns;
    if (slot->index < 0) /* evicted, and no slot was free */
        return take_slot(slot, live) < 0
                   ? 0
                   : evtrail_fault_set(fault, -ESTALE, "%s: this reader has a slot again", live->path);
    struct evtrail_consumer *consumer = &live->control->consumers[slot->index];
    atomic_store_explicit(&consumer->renewed_ns, now_ns, memory_order_relaxed); /* late by a little is as good */
    uint32_t state = atomic_load_explicit(&consumer->state, memory_order_acquire);
    uint32_t wanted = slot->hold ? EVTRAIL_CONSUMER_ACTIVE : EVTRAIL_CONSUMER_PASSIVE;
    if (state == wanted && is_ours(slot, live))
        return 0;
    return return_after_eviction(slot, live, fault);
}

void evtrail_slot_release(const struct evtrail_slot *slot, struct evtrail_live *live, uint32_t ring, uint64_t block)
{
    if (slot->index < 0 || !slot->hold || ring >= EVTRAIL_RINGS_MAX)
        return;
    struct evtrail_ring_control *control = &live->control->rings[ring];
    /* B3 (seq_cst, so release): our copy of the blocks below is made before the writer reuses them; and this store is
     * ordered before the load at B4. Pairs with B2. With release alone both sides may read old values: a lost wake-up. */
    atomic_store_explicit(&control->released[slot->index], block, memory_order_seq_cst);
    /* B4 (seq_cst): pairs with B1. */
    if (!atomic_load_explicit(&evtrail_live_ring(live, ring)->waiting, memory_order_seq_cst))
        return;
    atomic_fetch_add_explicit(&control->wake, 1,
                              memory_order_seq_cst); /* B5: a writer between its look and its sleep does not sleep */
    evtrail_futex_wake_all(&control->wake);
}
