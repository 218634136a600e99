/* SPDX-License-Identifier: ISC
 *
 * A reader's slot in a session's control page: it makes writers wait (hold), owns rules, and is seen by others.
 */
#ifndef EVTRAIL_READER_CONSUMER_H
#define EVTRAIL_READER_CONSUMER_H

#include "reader/live.h"

struct evtrail_slot {
    int index; /* -1: none */
    bool hold;
    bool has_rules;
    uint64_t identity; /* also the owner of our rules, in hexadecimal */
    uint64_t renewed_ns;
    const char *rules;    /* borrowed */
    const char *settings; /* borrowed */
    char owner[20];
    char name[24];
};

/* Claims a slot: with `hold`, writers wait for us from here on. `rules` and `settings` (borrowed; may be NULL: none) are in
 * force while we are attached; settings are those that evtrail_override_check() takes. -EACCES: the control page is not ours
 * to write; -EBUSY: all slots are taken, or the rules are locked; -EINVAL: not a rule; -ENOSPC: no room for rules. */
int evtrail_slot_attach(struct evtrail_slot *slot, struct evtrail_live *live, const char *name, bool hold,
                        const char *rules, const char *settings, struct evtrail_fault *fault);
/* The same for one who attaches to new sessions as they appear, to all under one identity: children begin with its rules. */
int evtrail_slot_attach_as(struct evtrail_slot *slot, struct evtrail_live *live, uint64_t identity, const char *name,
                           bool hold, const char *rules, const char *settings, struct evtrail_fault *fault);
uint64_t evtrail_slot_identity(bool follows);
void evtrail_slot_detach(struct evtrail_slot *slot, struct evtrail_live *live);
/* Renews the lease, every 100 ms at most. -ESTALE: we had been evicted and have taken a slot again: events may have
 * been lost meanwhile, and are counted; -EBUSY: the same, and no slot is free. */
int evtrail_slot_renew(struct evtrail_slot *slot, struct evtrail_live *live, uint64_t now_ns,
                       struct evtrail_fault *fault);
/* Blocks of the ring below `block` are no longer needed. Wakes a writer that waits. Wait-free, but for that. */
void evtrail_slot_release(const struct evtrail_slot *slot, struct evtrail_live *live, uint32_t ring, uint64_t block);
/* Frees the slots of consumers that ended without detaching, with their rules and settings. Returns how many. */
int evtrail_slots_reap(struct evtrail_live *live);
/* Checks the words of a text of rules: 0 or -EINVAL, with the word that is wrong in `fault`. */
int evtrail_rules_fault(const char *rules, struct evtrail_fault *fault);

#endif /* EVTRAIL_READER_CONSUMER_H */
