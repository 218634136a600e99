/* SPDX-License-Identifier: ISC
 *
 * Which event types OCaml gets, as what, and the way of one event there.
 */
#include "ocaml.h"

#include "shared/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))
#define TYPES_MAX EVTRAIL_EVENT_TYPES_MAX
#define RULES_MAX 64
#define REGISTERED_MAX 4096 /* of OCaml's 8,192, which it does not check well */

struct rule {
    bool on;
    uint8_t level, as;
    char pattern[EVTRAIL_PATTERN_BYTES];
};

/* `state`: how, and the OCaml event's index once it has one. In one word, so that a change of the rules meanwhile is seen. */
struct target {
    _Atomic uint32_t state; /* as << 16 | index + 1; index part NO_EVENT: refused */
    struct payload_type type;
    const char *name;
    const char *fields; /* of AS_BYTES: ocaml_fields_text() */
    uint32_t described; /* the event that they were told for, + 1 */
};
#define NO_EVENT 0xffffu
#define STATE(as, part) ((uint32_t)(as) << 16 | (part))
#define AS_OF(state) ((enum ocaml_as)((state) >> 16))
#define EVENT_OF(state) ((state)&0xffffu)

static struct target targets[TYPES_MAX];
static _Atomic uint32_t targets_end; /* after the last that was ever chosen */
static struct rule rules[RULES_MAX];
static unsigned rules_count;
static _Atomic uint32_t rules_lock;
static _Atomic uint32_t pending; /* types were chosen that have no event yet */
static _Atomic uint32_t registering;
static unsigned registered;
static _Atomic uint32_t lost_event; /* "evtrail.lost" in OCaml: its index + 1 */
static _Atomic uint64_t waited, lost_waiting, lost_refused, lost_all, lost_told;
static _Atomic uint32_t ended; /* the program: nobody will take what waits */
static __thread bool inside;

/* ---- rules ---- */

static bool parse_as(const char *text, size_t bytes, uint8_t *ret_as)
{
    static const struct {
        const char *name;
        uint8_t as;
    } names[] = {{"auto", AS_AUTO}, {"unit", AS_UNIT}, {"int", AS_INT}, {"span", AS_BEGIN}, {"bytes", AS_BYTES}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i].name) == bytes && memcmp(names[i].name, text, bytes) == 0) {
            *ret_as = names[i].as;
            return true;
        }
    return false;
}

static int parse_rule(const char *text, size_t bytes, struct rule *ret_rule)
{
    const char *at = memchr(text, '@', bytes);
    const size_t before = at ? (size_t)(at - text) : bytes;
    struct evtrail_rule parsed;
    *ret_rule = (struct rule){.as = AS_AUTO};
    if (at && !parse_as(at + 1, bytes - before - 1, &ret_rule->as))
        return -EINVAL;
    if (evtrail_rule_parse(text, before, &parsed) < 0 || memchr(text, '+', before))
        return -EINVAL;
    ret_rule->on = parsed.on;
    ret_rule->level = parsed.level;
    memcpy(ret_rule->pattern, parsed.pattern, sizeof(parsed.pattern));
    return 0;
}

/* All or none. */
static int add_rules(const char *text)
{
    static const char blanks[] = " \t\n,;";
    const unsigned before = rules_count;
    int result = 0;
    for (text += strspn(text, blanks); *text && result == 0; text += strspn(text, blanks)) {
        const size_t bytes = strcspn(text, blanks);
        result = rules_count == RULES_MAX ? -ENOSPC : parse_rule(text, bytes, &rules[rules_count]);
        rules_count += result == 0;
        text += bytes;
    }
    if (result < 0)
        rules_count = before;
    return result;
}

/* The events of the libc hooks happen inside OCaml's runtime too, in threads that do not hold the lock that they seem to. */
static bool never(const char *name)
{
    return strncmp(name, "libc.", 5) == 0;
}

static enum ocaml_as as_by_rules(const char *name, unsigned level)
{
    enum ocaml_as as = AS_NONE;
    for (unsigned i = 0; i < rules_count; i++)
        if (evtrail_pattern_match(rules[i].pattern, name)) {
            if (!rules[i].on)
                as = AS_NONE;
            else if (level <= rules[i].level)
                as = rules[i].as;
        }
    return never(name) ? AS_NONE : as;
}

/* ---- types ---- */

static bool is_integer(uint8_t type)
{
    return type != EVTRAIL_TYPE_f32 && type != EVTRAIL_TYPE_f64 && type != EVTRAIL_TYPE_string &&
           type != EVTRAIL_TYPE_bytes;
}

static int first_integer(const struct evtrail_forward_type *type)
{
    for (unsigned i = 0; i < type->fields_count; i++)
        if (is_integer(type->fields[i].type))
            return (int)i;
    return -1;
}

static enum ocaml_as as_by_kind(const struct evtrail_forward_type *type)
{
    const bool integer = type->fields_count > 0 && is_integer(type->fields[0].type);
    switch (type->kind) {
    case EVTRAIL_KIND_begin:
        return AS_BEGIN;
    case EVTRAIL_KIND_end:
        return AS_END;
    case EVTRAIL_KIND_counter:
        return integer ? AS_INT : AS_BYTES;
    case EVTRAIL_KIND_instant:
        return type->fields_count == 0 ? AS_UNIT : type->fields_count == 1 && integer ? AS_INT : AS_BYTES;
    default:
        return AS_BYTES;
    }
}

/* What was asked for, where it can be had; else what suits the kind. */
static enum ocaml_as settle(enum ocaml_as as, const struct evtrail_forward_type *type)
{
    if (as == AS_BEGIN && type->kind == EVTRAIL_KIND_end)
        return AS_END;
    if (as == AS_AUTO || (as == AS_BEGIN && type->kind != EVTRAIL_KIND_begin) ||
        (as == AS_INT && first_integer(type) < 0))
        return as_by_kind(type);
    return as;
}

/* Under the registry's lock, one type at a time. */
static int wants(const struct evtrail_forward_type *type)
{
    if (type->id >= TYPES_MAX || type->fields_count > EVTRAIL_FIELDS_MAX)
        return 0;
    struct target *target = &targets[type->id];
    enum ocaml_as as = as_by_rules(type->name, type->level);
    if (as != AS_NONE)
        as = settle(as, type);
    const uint32_t old = atomic_load_explicit(&target->state, memory_order_relaxed);
    if (AS_OF(old) == as)
        return as != AS_NONE;
    const int field = first_integer(type);
    target->name = type->name;
    target->type.kind = type->kind;
    target->type.level = type->level;
    target->type.fields_count = (uint8_t)type->fields_count;
    target->type.int_field = (uint8_t)(field < 0 ? 0 : field);
    for (unsigned i = 0; i < type->fields_count; i++)
        target->type.types[i] = type->fields[i].type;
    if (as == AS_BYTES && !target->fields)
        target->fields = ocaml_fields_text(type);
    if (type->id >= atomic_load_explicit(&targets_end, memory_order_relaxed))
        atomic_store_explicit(&targets_end, type->id + 1, memory_order_relaxed); /* `pending` is what tells of it */
    /* E1 (release): the type before the state; pairs with E2. */
    atomic_store_explicit(&target->state, STATE(as, 0), memory_order_release);
    if (as != AS_NONE)
        atomic_store_explicit(&pending, 1, memory_order_release); /* E3: the state before it; pairs with E4 */
    return as != AS_NONE;
}

/* A begin and an end of one name are one span to OCaml. */
static unsigned same_event(const char *name, enum ocaml_as as)
{
    const enum ocaml_as other = as == AS_BEGIN ? AS_END : as == AS_END ? AS_BEGIN : as;
    const uint32_t end = atomic_load_explicit(&targets_end, memory_order_relaxed);
    for (uint32_t id = 0; id < end; id++) {
        const uint32_t state = atomic_load_explicit(&targets[id].state, memory_order_acquire); /* E2 */
        const unsigned event = EVENT_OF(state);
        if (event != 0 && event != NO_EVENT && (AS_OF(state) == as || AS_OF(state) == other) &&
            strcmp(targets[id].name, name) == 0)
            return event;
    }
    return 0;
}

static unsigned register_one(const char *name, enum ocaml_as as)
{
    unsigned event = same_event(name, as);
    if (event)
        return event;
    if (registered == REGISTERED_MAX)
        return NO_EVENT;
    registered++;
    const int index = ocaml_event_register(name, as);
    return index < 0 ? NO_EVENT : (unsigned)index + 1;
}

static bool register_name(const char *name)
{
    return register_one(name, AS_UNIT) != NO_EVENT;
}

/* Once for each event: rules that change bring a type here again. */
static void describe(struct target *target, unsigned event)
{
    if (event == NO_EVENT || target->described == event || !target->fields)
        return;
    target->described = event;
    ocaml_fields_register(event - 1, target->type.kind, target->fields, register_name);
}

/* The lock is held, allocation allowed. */
static int register_pending(void)
{
    int count = 0;
    /* E4 (acquire) pairs with E3; E5: one thread at a time registers, the exchange pairs with its release below. */
    if (!atomic_load_explicit(&pending, memory_order_acquire) ||
        atomic_exchange_explicit(&registering, 1, memory_order_acquire))
        return 0;
    atomic_store_explicit(&pending, 0, memory_order_relaxed);
    if (!atomic_load_explicit(&lost_event, memory_order_relaxed))
        atomic_store_explicit(&lost_event, register_one("evtrail.lost", AS_INT),
                              memory_order_relaxed); /* a number, and nothing hangs on it */
    const uint32_t end = atomic_load_explicit(&targets_end, memory_order_relaxed);
    for (uint32_t id = 0; id < end; id++) {
        uint32_t state = atomic_load_explicit(&targets[id].state, memory_order_acquire); /* E2 */
        if (AS_OF(state) == AS_NONE || EVENT_OF(state) != 0)
            continue;
        const unsigned event = register_one(targets[id].name, AS_OF(state));
        if (AS_OF(state) == AS_BYTES)
            describe(&targets[id], event);
        count += atomic_compare_exchange_strong_explicit(&targets[id].state, &state, STATE(AS_OF(state), event),
                                                         memory_order_release, memory_order_relaxed); /* E1 */
    }
    atomic_store_explicit(&registering, 0, memory_order_release); /* E5 */
    return count;
}

/* ---- one event ---- */

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void lost(_Atomic uint64_t *cause)
{
    count(cause);
    count(&lost_all);
}

/* What was lost is an event too: the total so far. */
COLD static void tell_lost(const void *domain, uint64_t now)
{
    const uint64_t total = atomic_load_explicit(&lost_all, memory_order_relaxed);
    const uint32_t event = atomic_load_explicit(&lost_event, memory_order_relaxed);
    if (event && event != NO_EVENT && ocaml_ring_write(domain, AS_INT, event - 1, now, &total, 1) == WRITTEN)
        atomic_store_explicit(&lost_told, total, memory_order_relaxed);
}

/* False: there is no ring (yet) to write it into. */
HOT static bool write_event(const void *domain, uint32_t state, uint64_t now, const uint64_t *payload, uint32_t words)
{
    if (atomic_load_explicit(&lost_all, memory_order_relaxed) != atomic_load_explicit(&lost_told, memory_order_relaxed))
        tell_lost(domain, now);
    const enum ocaml_written result = ocaml_ring_write(domain, AS_OF(state), EVENT_OF(state) - 1, now, payload, words);
    if (result == REFUSED)
        lost(&lost_refused);
    return result != UNMAPPED;
}

/* One that waited: false while it has to, and all behind it wait with it. */
static bool take_waiting(const struct queued *event, const void *domain)
{
    const uint32_t state = atomic_load_explicit(&targets[event->type & 0xffffu].state, memory_order_acquire); /* E2 */
    if (AS_OF(state) != AS_OF(event->type))
        return true; /* the rules have changed */
    if (EVENT_OF(state) == 0)
        return false;
    if (EVENT_OF(state) != NO_EVENT)
        return write_event(domain, state, ocaml_monotonic_ns(), event->payload, event->words);
    lost(&lost_refused);
    return true;
}

COLD static void wait_in_queue(uint32_t id, uint32_t state, const struct evtrail_arg *args)
{
    uint64_t ticket;
    const bool late = atomic_load_explicit(&ended, memory_order_relaxed);
    struct queued *event = late ? NULL : ocaml_queue_reserve(&ticket);
    if (!event) {
        lost(&lost_waiting);
        return;
    }
    event->type = STATE(AS_OF(state), id);
    event->words =
        ocaml_payload_put(AS_OF(state), &targets[id].type, ocaml_monotonic_ns(), args, QUEUE_WORDS_MAX, event->payload);
    ocaml_queue_publish(ticket);
    count(&waited);
}

HOT static void write_now(const void *domain, uint32_t id, uint32_t state, const struct evtrail_arg *args)
{
    uint64_t payload[ITEM_WORDS_MAX];
    const uint64_t now = ocaml_monotonic_ns();
    const uint32_t words = ocaml_payload_put(AS_OF(state), &targets[id].type, now, args, ITEM_WORDS_MAX, payload);
    if (!write_event(domain, state, now, payload, words))
        wait_in_queue(id, state, args);
}

/* E2 (acquire) pairs with E1. */
static void event(uint32_t id, uint64_t ticks, const struct evtrail_arg *args, unsigned count)
{
    (void)ticks;
    if (inside || id >= TYPES_MAX || !ocaml_events_active())
        return;
    const struct target *target = &targets[id];
    const uint32_t state = atomic_load_explicit(&target->state, memory_order_acquire);
    if (AS_OF(state) == AS_NONE || count != target->type.fields_count)
        return;
    inside = true;
    const void *const domain = ocaml_lock_held();
    if (domain && !ocaml_queue_empty())
        ocaml_queue_drain(take_waiting, domain);
    if (ocaml_hooks_displaced()) /* also where there is no lock: it may be the only thread with events */
        ocaml_hooks_install();
    if (EVENT_OF(state) == NO_EVENT)
        lost(&lost_refused);
    else if (domain && EVENT_OF(state) != 0)
        write_now(domain, id, state, args);
    else
        wait_in_queue(id, state, args);
    inside = false;
}

static void drain(void)
{
    const void *const domain = ocaml_lock_held();
    if (domain && !ocaml_queue_empty() && ocaml_events_active())
        ocaml_queue_drain(take_waiting, domain);
}

void ocaml_lock_taken(void)
{
    if (inside)
        return;
    inside = true;
    register_pending();
    drain();
    inside = false;
}

void ocaml_lock_kept(void)
{
    if (inside)
        return;
    inside = true;
    if (ocaml_hooks_displaced())
        ocaml_hooks_install();
    drain();
    inside = false;
}

/* ---- the end ---- */

static bool give_up(const struct queued *event, const void *domain)
{
    (void)event;
    (void)domain;
    lost(&lost_waiting);
    return true;
}

/* Who ends the program from OCaml holds the lock still, and our mapping of the ring outlives OCaml's. What cannot be written is lost, and that
 * is told where it can be. `inside` stays: destructors after this one may have trace points, and are in nobody's ring. */
__attribute__((destructor(104))) static void end(void)
{
    const void *const domain = ocaml_runtime_here() && !inside ? ocaml_lock_held() : NULL;
    atomic_store_explicit(&ended, 1, memory_order_relaxed);
    inside = true;
    if (domain)
        ocaml_queue_drain(take_waiting, domain);
    ocaml_queue_drain(give_up, NULL);
    if (domain &&
        atomic_load_explicit(&lost_all, memory_order_relaxed) != atomic_load_explicit(&lost_told, memory_order_relaxed))
        tell_lost(domain, ocaml_monotonic_ns());
}

/* ---- API ---- */

static const struct evtrail_forward receiver = {sizeof(receiver), wants, event};

static int forward_to(const char *text)
{
    if (atomic_exchange_explicit(&rules_lock, 1, memory_order_acquire)) /* E6: a lock, with its release below */
        return -EAGAIN;
    int result = add_rules(text);
    atomic_store_explicit(&rules_lock, 0, memory_order_release); /* E6 */
    if (result < 0)
        return result;
    if (ocaml_runtime_find())
        ocaml_hooks_install();
    return evtrail_forward_to(&receiver);
}

API int evtrail_ocaml_forward(const char *text)
{
    int saved = errno, result = text ? forward_to(text) : -EINVAL;
    errno = saved;
    return result;
}

API int evtrail_ocaml_register(void)
{
    int saved = errno, result = -ENOTSUP;
    if (ocaml_runtime_find() && ocaml_lock_held() && !inside) {
        ocaml_hooks_install();
        inside = true;
        result = register_pending();
        drain();
        inside = false;
    }
    errno = saved;
    return result;
}

API void evtrail_ocaml_counts(struct evtrail_ocaml_counts *ret_counts)
{
    const struct evtrail_ocaml_counts now = {
        .bytes = ret_counts->bytes,
        .written = ocaml_ring_written(),
        .waited = atomic_load_explicit(&waited, memory_order_relaxed),
        .lost_waiting = atomic_load_explicit(&lost_waiting, memory_order_relaxed),
        .lost_refused = atomic_load_explicit(&lost_refused, memory_order_relaxed),
    };
    if (ret_counts->bytes >= sizeof(now.bytes))
        memcpy(ret_counts, &now, ret_counts->bytes < sizeof(now) ? ret_counts->bytes : sizeof(now));
}

__attribute__((constructor(104))) static void start(void)
{
    const char *text = secure_getenv("EVTRAIL_OCAML");
    if (text)
        evtrail_ocaml_forward(text);
}
