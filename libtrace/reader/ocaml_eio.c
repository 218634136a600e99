/* SPDX-License-Identifier: ISC
 *
 * Eio's events (lib eio.runtime_events; the same names and encodings from 0.14 to 1.6) as entities with states and parents, and spans.
 *
 * Which fiber runs is said by eio.fiber and eio.suspend_fiber only, and the ends of contexts and spans do not say whose they are: they are those of
 * the fiber that runs, the innermost first. So whatever is lost may have changed all of it, and is unknown from there on.
 */
#include "reader/ocaml_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN_TOLD_MAX = 4096 };
enum {
    STATE = 8,
    NAME = 16,
    GONE = 24,
    GET = 32,
    TRY_GET = 40,
    PUT = 48,
    LOG = 56,
    ERROR,
    SPAWN,
    IDLE_BEGIN,
    IDLE_END,
    SUSPEND,
    EXIT_CC,
    EXIT_SPAN,
    CANCEL
};
static_assert(CANCEL < (int)EVTRAIL_OCAML_FIXED, "each has a place");
enum { KIND_ROOT = 6, SUSPEND_SPAN = 0xff };

#define ROOT_ID (UINT64_C(1) << 40) /* Eio's id 0: with us 0 is none */

static const struct {
    const char *name, *field, *states;
} classes[EVTRAIL_EIO_CLASSES] = {
    [EVTRAIL_EIO_NONE] = {"eio.object", "object:u64", "0=unknown,1=open"},
    [EVTRAIL_EIO_FIBER] = {"eio.fiber", "fiber:u64", "0=unknown,1=running,2=queued,3=parked"},
    [EVTRAIL_EIO_CC] = {"eio.cc", "cc:u64", "0=unknown,1=open,2=failed,3=cancelled"},
    [EVTRAIL_EIO_PROMISE] = {"eio.promise", "promise:u64", "0=unknown,1=unresolved,2=resolved"},
    [EVTRAIL_EIO_SEMAPHORE] = {"eio.semaphore", "semaphore:u64", "0=unknown,1=open"},
    [EVTRAIL_EIO_STREAM] = {"eio.stream", "stream:u64", "0=unknown,1=open"},
    [EVTRAIL_EIO_MUTEX] = {"eio.mutex", "mutex:u64", "0=unknown,1=free,2=locked"},
    [EVTRAIL_EIO_DOMAIN] = {"ocaml.domain", "domain:u64", "0=unknown,1=running,2=idle"},
};

/* ---- types ---- */

static uint16_t class_type(struct evtrail_ocaml_step *step, unsigned first, unsigned class)
{
    uint16_t *const type = &step->decoder->fixed[first + class];
    const char *const suffix = first == GET ? ".get" : first == TRY_GET ? ".try_get" : first == PUT ? ".put" : "";
    const unsigned kind = first == STATE  ? EVTRAIL_KIND_state
                          : first == NAME ? EVTRAIL_KIND_name
                          : first == GONE ? EVTRAIL_KIND_gone
                                          : EVTRAIL_KIND_instant;
    char name[40], states[80];
    if (*type)
        return *type;
    snprintf(name, sizeof(name), "%s%s", classes[class].name, suffix);
    snprintf(states, sizeof(states), "state:enum::%s", classes[class].states);
    const char *const fields[] = {
        classes[class].field,
        first == STATE               ? "parent:u64"
        : first == NAME              ? "name:string"
        : class == EVTRAIL_EIO_FIBER ? "by:u64"
                                     : "fiber:u64",
        states, class == EVTRAIL_EIO_CC ? "kind:enum::3=switch,4=protect,5=sub,6=root,7=any" : "op:string"};
    const unsigned extra = class == EVTRAIL_EIO_CC || class == EVTRAIL_EIO_FIBER;
    const unsigned count = first == STATE ? 3 + extra : first == GONE ? 1 : 2;
    return *type = evtrail_ocaml_type_new(step->decoder, name, kind, EVTRAIL_LEVEL_info, fields, count, "");
}

static uint16_t fixed_type(struct evtrail_ocaml_step *step, unsigned which)
{
    static const char *const log[] = {"text:string", "fiber:u64"};
    static const char *const error[] = {"cc:u64", "error:string", "fiber:u64"};
    static const char *const cancel[] = {"cc:u64", "reason:string", "fiber:u64"};
    static const char *const span[] = {"span:u64", "parent:u64"};
    static const char *const fiber[] = {"fiber:u64"};
    static const char *const op[] = {"op:string"};
    static const struct {
        const char *name;
        uint8_t kind, level, count;
        const char *const *fields;
    } types[] = {
        {"eio.log", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_info, 2, log},
        {"eio.error", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_error, 3, error},
        {"eio.domain_spawn", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_info, 1, fiber},
        {"eio.suspend_domain", EVTRAIL_KIND_begin, EVTRAIL_LEVEL_info, 2, span},
        {"eio.suspend_domain", EVTRAIL_KIND_end, EVTRAIL_LEVEL_info, 1, span},
        {"eio.suspend_fiber", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_info, 1, op},
        {"eio.exit_cc", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_info, 0, NULL},
        {"eio.exit_span", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_info, 0, NULL},
        {"eio.cancel", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_info, 3, cancel},
    };
    uint16_t *const type = &step->decoder->fixed[which];
    if (!*type)
        *type =
            evtrail_ocaml_type_new(step->decoder, types[which - LOG].name, types[which - LOG].kind,
                                   types[which - LOG].level, types[which - LOG].fields, types[which - LOG].count, "");
    return *type;
}

/* ---- entities ---- */

static uint64_t id_of(uint64_t id)
{
    return id ? id : ROOT_ID;
}

/* What is in an entity that a gap lies behind is not known. */
static struct evtrail_eio_entity *refresh(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity)
{
    if (entity->gap != step->lane->gap || entity->lane != step->lane->index) {
        entity->cc = 0;
        entity->waits = 0;
        entity->depth = 0;
        entity->gap = step->lane->gap;
        entity->lane = step->lane->index;
    }
    return entity;
}

static uint64_t domain_id(const struct evtrail_ocaml_step *step)
{
    return ROOT_ID + 1 + step->lane->index;
}

/* It is known again what runs. What was begun since the gap was of nobody that is known. */
static void sure(struct evtrail_ocaml_lane *lane)
{
    if (lane->unsure)
        lane->own.cc = lane->own.depth = 0;
    lane->unsure = false;
}

/* The parent of what is made now; 0: not known. */
static uint64_t maker(const struct evtrail_ocaml_step *step, const struct evtrail_eio_entity *frame)
{
    return step->lane->unsure && frame == &step->lane->own ? 0 : frame->id;
}

/* What runs: a fiber, or the domain outside of any. */
static struct evtrail_eio_entity *frame_of(struct evtrail_ocaml_step *step)
{
    struct evtrail_eio_entity *const fiber = evtrail_eio_find(step, step->lane->fiber);
    step->lane->own.id = domain_id(step);
    return refresh(step, fiber ? fiber : &step->lane->own);
}

/* `more`: a context's kind, or nothing. */
static int put_state(struct evtrail_ocaml_step *step, const struct evtrail_eio_entity *entity, const void *op,
                     size_t bytes, uint64_t more)
{
    const uint16_t type = class_type(step, STATE, entity->class);
    const uint32_t extra = entity->class == EVTRAIL_EIO_FIBER ? evtrail_ocaml_text_words(op ? bytes : 0)
                           : entity->class == EVTRAIL_EIO_CC  ? 1
                                                              : 0;
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, 3 + extra) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    at[0] = entity->id;
    at[1] = entity->parent;
    at[2] = entity->state;
    if (entity->class == EVTRAIL_EIO_FIBER)
        evtrail_ocaml_put_text(at + 3, op, bytes);
    else if (extra)
        at[3] = more;
    return 0;
}

/* Domains are translated one after the other: what one of them did to an object may be before what another is known to have done. */
static bool is_told(const struct evtrail_ocaml_step *step, const struct evtrail_eio_entity *entity, unsigned state)
{
    if (entity->state != state)
        return false;
    if (entity->class != EVTRAIL_EIO_PROMISE && entity->class != EVTRAIL_EIO_MUTEX)
        return true;
    return entity->changed <= step->ticks &&
           (entity->class == EVTRAIL_EIO_PROMISE || entity->changed_by == step->lane->index);
}

static int set_state(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity, unsigned state)
{
    entity->forgotten = false;
    if (is_told(step, entity, state))
        return 0;
    entity->state = (uint8_t)state;
    entity->changed = step->ticks;
    entity->changed_by = step->lane->index;
    return put_state(step, entity, NULL, 0, entity->class == EVTRAIL_EIO_CC ? entity->waits : 0);
}

static int put_words(struct evtrail_ocaml_step *step, uint16_t type, uint64_t first, uint64_t second, unsigned count)
{
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, count) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    if (count > 0)
        at[0] = first;
    if (count > 1)
        at[1] = second;
    return 0;
}

static int put_name(struct evtrail_ocaml_step *step, unsigned class, uint64_t id, const void *text, size_t bytes)
{
    const uint16_t type = class_type(step, NAME, class);
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, 1 + evtrail_ocaml_text_words(bytes)) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    at[0] = id;
    evtrail_ocaml_put_text(at + 1, text, bytes);
    return 0;
}

/* ---- domains ---- */

int evtrail_eio_domain(struct evtrail_ocaml_step *step, unsigned state)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    const bool is_new = lane->own.class != EVTRAIL_EIO_DOMAIN;
    lane->own.id = domain_id(step);
    lane->own.class = EVTRAIL_EIO_DOMAIN;
    if (state == EVTRAIL_DOMAIN_GONE) {
        lane->own.class = lane->own.state = 0;
        lane->fiber = lane->last_fiber = lane->spawner = 0;
        lane->unsure = false;
        return put_words(step, class_type(step, GONE, EVTRAIL_EIO_DOMAIN), lane->own.id, 0, 1);
    }
    if (!is_new && lane->own.state == state && lane->own.parent == lane->spawner)
        return 0;
    lane->own.state = (uint8_t)state;
    lane->own.parent = lane->spawner;
    int result = put_state(step, &lane->own, NULL, 0, 0);
    if (result == 0 && is_new) {
        char name[24];
        const int n = snprintf(name, sizeof(name), "domain %u", lane->index);
        result = put_name(step, EVTRAIL_EIO_DOMAIN, lane->own.id, name, (size_t)n);
    }
    return result;
}

int evtrail_eio_domain_spawn(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    step->lane->spawner = item->words ? id_of(item->payload[0]) : 0;
    const int result = put_words(step, fixed_type(step, SPAWN), step->lane->spawner, 0, 1);
    return result == 0 ? evtrail_eio_domain(step, EVTRAIL_DOMAIN_RUNNING) : result;
}

int evtrail_eio_suspend_domain(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const bool begins = item->type == EVTRAIL_OCAML_SPAN_BEGIN;
    const uint16_t begin = fixed_type(step, IDLE_BEGIN), end = fixed_type(step, IDLE_END);
    const int result = begins ? evtrail_ocaml_span_begin(step, begin, end) : evtrail_ocaml_span_end(step, end);
    sure(step->lane);
    if (begins)
        step->lane->last_fiber = 0;
    return result == 0 ? evtrail_eio_domain(step, begins ? EVTRAIL_DOMAIN_IDLE : EVTRAIL_DOMAIN_RUNNING) : result;
}

/* ---- payloads ---- */

/* An id and what follows it. False: the event is shorter than that. */
static bool take_id(const struct evtrail_ocaml_item *item, uint64_t *ret_id, const uint8_t **ret_rest,
                    size_t *ret_bytes)
{
    size_t bytes;
    const uint8_t *const data = evtrail_ocaml_custom(item, &bytes);
    if (!data || bytes < 8)
        return false;
    memcpy(ret_id, data, 8);
    *ret_id = id_of(*ret_id);
    *ret_rest = data + 8;
    *ret_bytes = bytes - 8;
    return true;
}

/* ---- fibers ---- */

static int end_wait(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *fiber)
{
    const uint16_t end = fiber->waits;
    fiber->waits = 0;
    return end ? put_words(step, end, fiber->id << 8 | SUSPEND_SPAN, 0, 1) : 0;
}

int evtrail_eio_create_fiber(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    uint64_t id, cc;
    const uint8_t *rest;
    size_t bytes;
    if (!take_id(item, &id, &rest, &bytes) || bytes < 8)
        return EVTRAIL_OCAML_OTHERWISE;
    memcpy(&cc, rest, 8);
    struct evtrail_eio_entity *const fiber = evtrail_eio_make(step, id, EVTRAIL_EIO_FIBER);
    if (!fiber)
        return -ENOMEM;
    fiber->parent = id_of(cc);
    return set_state(step, fiber, EVTRAIL_EIO_FIBER_QUEUED);
}

int evtrail_eio_fiber(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    const uint64_t id = item->words ? id_of(item->payload[0]) : 0;
    struct evtrail_eio_entity *const before = lane->fiber != id ? evtrail_eio_find(step, lane->fiber) : NULL;
    int result = before ? set_state(step, before, EVTRAIL_EIO_FIBER_QUEUED) : 0;
    struct evtrail_eio_entity *fiber = evtrail_eio_find(step, id);
    if (result < 0 || !id)
        return result;
    if (!fiber || fiber->class != EVTRAIL_EIO_FIBER)
        fiber = evtrail_eio_make(step, id, EVTRAIL_EIO_FIBER);
    if (!fiber)
        return -ENOMEM;
    evtrail_eio_use(step, refresh(step, fiber));
    lane->fiber = lane->last_fiber = id;
    sure(lane);
    result = end_wait(step, fiber);
    return result == 0 ? set_state(step, fiber, EVTRAIL_EIO_FIBER_RUNNING) : result;
}

/* An operation of the scheduler in a context that is cancelled ends at once, and Eio does not tell that its fiber goes on. What only a running
 * fiber does tells, if nothing else ran since. */
static int went_on(struct evtrail_ocaml_step *step)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    struct evtrail_eio_entity *const fiber = lane->fiber ? NULL : evtrail_eio_find(step, lane->last_fiber);
    if (!fiber || fiber->class != EVTRAIL_EIO_FIBER || fiber->state != EVTRAIL_EIO_FIBER_PARKED ||
        fiber->lane != lane->index || fiber->gap != lane->gap)
        return 0;
    lane->fiber = fiber->id;
    const int result = end_wait(step, fiber);
    return result == 0 ? set_state(step, fiber, EVTRAIL_EIO_FIBER_RUNNING) : result;
}

static const char *const begin_fields[] = {"span:u64", "parent:u64", "fiber:u64"};

/* A span of the frame, of the type that its name makes. Its place in the frame is `depth`. *ret_end: 0: none was made. */
static int begin_span(struct evtrail_ocaml_step *step, const struct evtrail_eio_entity *frame, const char *prefix,
                      const void *name, size_t bytes, unsigned place, uint16_t *ret_end)
{
    const bool open = frame->depth > 0 && frame->depth <= EVTRAIL_OCAML_FIBER_SPANS_MAX;
    const uint16_t begin = evtrail_ocaml_type_labelled(step, prefix, name, bytes, EVTRAIL_KIND_begin, begin_fields, 3);
    *ret_end = evtrail_ocaml_type_labelled(step, prefix, name, bytes, EVTRAIL_KIND_end, begin_fields, 1);
    uint64_t *const at = begin && *ret_end ? evtrail_ocaml_put(step, begin, 3) : NULL;
    if (!at)
        return begin && *ret_end ? -ENOMEM : 0;
    at[0] = frame->id << 8 | place;
    at[1] = open ? frame->id << 8 | frame->depth : 0;
    at[2] = frame->class == EVTRAIL_EIO_FIBER ? frame->id : 0;
    return 0;
}

int evtrail_eio_suspend_fiber(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    size_t bytes = 0;
    const uint8_t *const op = evtrail_ocaml_custom(item, &bytes);
    const int before = went_on(step);
    struct evtrail_eio_entity *const fiber = evtrail_eio_find(step, lane->fiber);
    if (before < 0)
        return before;
    lane->fiber = 0;
    sure(lane);
    if (!fiber) {
        const uint16_t type = fixed_type(step, SUSPEND);
        uint64_t *const at = type ? evtrail_ocaml_put(step, type, evtrail_ocaml_text_words(op ? bytes : 0)) : NULL;
        if (at)
            evtrail_ocaml_put_text(at, op, bytes);
        return at || !type ? 0 : -ENOMEM;
    }
    refresh(step, fiber);
    const char *const name = op && bytes ? (const char *)op : "yield"; /* the only one without a name */
    int result = begin_span(step, fiber, "eio.suspend.", name, op && bytes ? bytes : 5, SUSPEND_SPAN, &fiber->waits);
    fiber->state = EVTRAIL_EIO_FIBER_PARKED;
    fiber->forgotten = false;
    return result == 0 ? put_state(step, fiber, op, bytes, 0) : result;
}

/* A loop's outermost context ends with its first fiber; that it does is not said. */
static int end_root(struct evtrail_ocaml_step *step, uint64_t id)
{
    struct evtrail_eio_entity *const root = evtrail_eio_find(step, id), *const domain = &step->lane->own;
    if (!root || root->class != EVTRAIL_EIO_CC || root->waits != KIND_ROOT)
        return 0;
    if (domain->cc == id)
        domain->cc = root->cc;
    *root = (struct evtrail_eio_entity){0};
    return put_words(step, class_type(step, GONE, EVTRAIL_EIO_CC), id, 0, 1);
}

int evtrail_eio_exit_fiber(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const uint64_t id = item->words ? id_of(item->payload[0]) : 0;
    struct evtrail_eio_entity *const fiber = evtrail_eio_find(step, id);
    const uint64_t parent = fiber && fiber->class == EVTRAIL_EIO_FIBER ? fiber->parent : 0;
    int result = 0;
    if (step->lane->fiber == id)
        step->lane->fiber = 0;
    if (step->lane->last_fiber == id)
        step->lane->last_fiber = 0;
    sure(step->lane);
    if (fiber && fiber->class == EVTRAIL_EIO_FIBER) {
        result = end_wait(step, fiber);
        *fiber = fiber->promise ? (struct evtrail_eio_entity){.id = id, .class = EVTRAIL_EIO_FIBER, .age = fiber->age}
                                : (struct evtrail_eio_entity){0};
    }
    if (result == 0)
        result = put_words(step, class_type(step, GONE, EVTRAIL_EIO_FIBER), id, 0, 1);
    return result == 0 ? end_root(step, parent) : result;
}

/* ---- contexts ---- */

int evtrail_eio_create_cc(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    uint64_t id;
    const uint8_t *rest;
    size_t bytes;
    if (!take_id(item, &id, &rest, &bytes) || bytes < 1)
        return EVTRAIL_OCAML_OTHERWISE;
    const int before = rest[0] == KIND_ROOT ? 0 : went_on(step);
    if (rest[0] == KIND_ROOT)
        sure(step->lane); /* a loop begins, in no fiber */
    struct evtrail_eio_entity *const cc = before == 0 ? evtrail_eio_make(step, id, EVTRAIL_EIO_CC) : NULL;
    if (!cc)
        return -ENOMEM;
    struct evtrail_eio_entity *const frame = frame_of(step); /* after evtrail_eio_make(): it may have had the place */
    cc->parent = maker(step, frame);
    cc->cc = frame->cc;
    cc->waits = rest[0];
    cc->state = EVTRAIL_EIO_CC_OPEN;
    frame->cc = id;
    const int result = put_state(step, cc, NULL, 0, rest[0]);
    return result == 0 && rest[0] == KIND_ROOT ? put_name(step, EVTRAIL_EIO_CC, id, "root", 4) : result;
}

int evtrail_eio_exit_cc(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const int before = went_on(step);
    struct evtrail_eio_entity *const frame = frame_of(step);
    const uint64_t id = frame->cc;
    struct evtrail_eio_entity *const cc = evtrail_eio_find(step, id);
    (void)item;
    if (!id || before < 0)
        return before < 0 ? before : put_words(step, fixed_type(step, EXIT_CC), 0, 0, 0);
    frame->cc = cc ? cc->cc : 0;
    if (cc)
        *cc = (struct evtrail_eio_entity){0};
    return put_words(step, class_type(step, GONE, EVTRAIL_EIO_CC), id, 0, 1);
}

/* Fibers that are not needed any more are stopped by these: no error. */
static bool is_cancellation(const uint8_t *text, size_t bytes)
{
    static const char *const ends[] = {"Fiber.Not_first", "Stdlib.Exit"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        const size_t length = strlen(ends[i]);
        if (bytes >= length && memcmp(text + bytes - length, ends[i], length) == 0 && !memchr(text, ' ', bytes))
            return true;
    }
    return bytes > 11 && memcmp(text, "Cancelled: ", 11) == 0;
}

int evtrail_eio_error(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    uint64_t id;
    const uint8_t *text;
    size_t bytes;
    if (!take_id(item, &id, &text, &bytes))
        return EVTRAIL_OCAML_OTHERWISE;
    const bool cancelled = is_cancellation(text, bytes);
    const uint16_t type = fixed_type(step, cancelled ? CANCEL : ERROR);
    const int before = went_on(step);
    const uint32_t words = evtrail_ocaml_text_words(bytes);
    uint64_t *const at = type && before == 0 ? evtrail_ocaml_put(step, type, 2 + words) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    at[0] = id;
    evtrail_ocaml_put_text(at + 1, text, bytes);
    at[1 + words] = step->lane->fiber;
    struct evtrail_eio_entity *const cc = evtrail_eio_find(step, id);
    if (!cc || cc->class != EVTRAIL_EIO_CC || (cancelled && cc->state == EVTRAIL_EIO_CC_FAILED))
        return 0;
    return set_state(step, cc, cancelled ? EVTRAIL_EIO_CC_CANCELLED : EVTRAIL_EIO_CC_FAILED);
}

/* ---- objects ---- */

/* Who makes or uses an object: the fiber that runs, or, as Eio tells of a blocking one after its suspension, the one that ran last. */
static uint64_t user_of(const struct evtrail_ocaml_step *step)
{
    return step->lane->fiber ? step->lane->fiber : step->lane->last_fiber;
}

static unsigned state_after(unsigned class, unsigned which)
{
    if (which == TRY_GET || which == 0)
        return 0;
    return class == EVTRAIL_EIO_PROMISE ? EVTRAIL_EIO_PROMISE_RESOLVED
           : class != EVTRAIL_EIO_MUTEX ? 0
           : which == GET               ? EVTRAIL_EIO_MUTEX_LOCKED
                                        : EVTRAIL_EIO_MUTEX_FREE;
}

/* What another domain did with it may have come before: then it is as after that. */
int evtrail_eio_create_obj(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    static const uint8_t of_kind[20] = {
        [15] = EVTRAIL_EIO_PROMISE, [16] = EVTRAIL_EIO_SEMAPHORE, [18] = EVTRAIL_EIO_STREAM, [19] = EVTRAIL_EIO_MUTEX};
    uint64_t id;
    const uint8_t *rest;
    size_t bytes;
    if (!take_id(item, &id, &rest, &bytes) || bytes < 1)
        return EVTRAIL_OCAML_OTHERWISE;
    const struct evtrail_eio_entity *const before = evtrail_eio_find(step, id);
    const unsigned used = before && before->class == EVTRAIL_EIO_NONE ? before->used : 0;
    struct evtrail_eio_entity *const object =
        evtrail_eio_make(step, id, rest[0] < 20 ? of_kind[rest[0]] : EVTRAIL_EIO_NONE);
    if (!object)
        return -ENOMEM;
    const struct evtrail_eio_entity *const fiber = evtrail_eio_find(step, user_of(step));
    object->parent = fiber ? fiber->id : maker(step, frame_of(step));
    const unsigned after = state_after(object->class, used);
    const int result = set_state(step, object, 1);
    return result == 0 && after ? set_state(step, object, after) : result;
}

int evtrail_eio_name(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    uint64_t id;
    const uint8_t *text;
    size_t bytes;
    if (!take_id(item, &id, &text, &bytes))
        return EVTRAIL_OCAML_OTHERWISE;
    const struct evtrail_eio_entity *const entity = evtrail_eio_find(step, id);
    return put_name(step, entity ? entity->class : EVTRAIL_EIO_NONE, id, text, bytes);
}

static int use(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item, unsigned which)
{
    const uint64_t id = item->words ? id_of(item->payload[0]) : 0;
    struct evtrail_eio_entity *object = evtrail_eio_find(step, id);
    if (!object && id && !(object = evtrail_eio_make(step, id, EVTRAIL_EIO_NONE)))
        return -ENOMEM;
    if (object)
        evtrail_eio_use(step, object);
    const unsigned class = object ? object->class : EVTRAIL_EIO_NONE;
    const int result = put_words(step, class_type(step, which, class), id, user_of(step), 2);
    if (class == EVTRAIL_EIO_FIBER)
        object->promise = true;
    else if (class == EVTRAIL_EIO_NONE && object && which != TRY_GET)
        object->used = (uint8_t)which;
    const unsigned state = state_after(class, which);
    return result == 0 && state ? set_state(step, object, state) : result;
}

int evtrail_eio_get(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return use(step, item, GET);
}

int evtrail_eio_try_get(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return use(step, item, TRY_GET);
}

int evtrail_eio_put(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return use(step, item, PUT);
}

/* ---- spans, texts ---- */

int evtrail_eio_enter_span(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    size_t bytes = 0;
    const uint8_t *const name = evtrail_ocaml_custom(item, &bytes);
    uint16_t end;
    const bool scheduler = name && bytes == 6 && memcmp(name, "submit", 6) == 0; /* between fibers */
    const int before = scheduler ? 0 : went_on(step);
    struct evtrail_eio_entity *const frame = frame_of(step);
    if (before < 0)
        return before;
    if (frame->depth >= EVTRAIL_OCAML_FIBER_SPANS_MAX) { /* counted, so that ends fit */
        frame->depth += frame->depth < UINT8_MAX;
        return 0;
    }
    const int result =
        begin_span(step, frame, "eio.span.", name ? name : (const uint8_t *)"", bytes, frame->depth + 1u, &end);
    frame->spans[frame->depth++] = end;
    return result;
}

int evtrail_eio_exit_span(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const int before = step->lane->own.depth == 0 ? went_on(step) : 0;
    struct evtrail_eio_entity *const frame = frame_of(step);
    (void)item;
    if (before < 0)
        return before;
    if (frame->depth == 0)
        return put_words(step, fixed_type(step, EXIT_SPAN), 0, 0, 0);
    const unsigned depth = frame->depth--;
    if (depth > EVTRAIL_OCAML_FIBER_SPANS_MAX)
        return 0;
    return put_words(step, frame->spans[depth - 1], frame->id << 8 | depth, 0, 1);
}

int evtrail_eio_log(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const uint16_t type = fixed_type(step, LOG);
    size_t bytes = 0;
    const uint8_t *const text = evtrail_ocaml_custom(item, &bytes);
    const uint32_t words = evtrail_ocaml_text_words(text ? bytes : 0);
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, words + 1) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    evtrail_ocaml_put_text(at, text, bytes);
    at[words] = step->lane->fiber;
    return 0;
}

/* ---- gaps ---- */

/* In the gap. A promise or a mutex by any domain, whosever it is, unless what came later is known already. */
static bool may_have_changed(const struct evtrail_ocaml_step *step, const struct evtrail_eio_entity *entity)
{
    const bool is_promise = entity->class == EVTRAIL_EIO_PROMISE;
    if (!entity->state || (is_promise && entity->state == EVTRAIL_EIO_PROMISE_RESOLVED))
        return false;
    if (is_promise || entity->class == EVTRAIL_EIO_MUTEX)
        return entity->changed <= step->ticks;
    return entity->lane == step->lane->index;
}

static int forget(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity, void *told)
{
    (void)told;
    entity->forgotten = may_have_changed(step, entity) || entity->forgotten;
    return 0;
}

static int tell(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity, void *told)
{
    if (!entity->forgotten)
        return 0;
    if (++*(unsigned *)told > UNKNOWN_TOLD_MAX) {
        step->lane->untold = true;
        return 0;
    }
    const int result = set_state(step, entity, 0);
    entity->state = 0;
    return result;
}

/* So many at a time as have room in a chunk. */
int evtrail_eio_forget(struct evtrail_ocaml_step *step)
{
    unsigned told = 0;
    step->lane->untold = false;
    return evtrail_eio_each(step, tell, &told);
}

int evtrail_eio_gap(struct evtrail_ocaml_step *step)
{
    int result = 0;
    step->lane->fiber = step->lane->last_fiber = 0;
    step->lane->unsure = true;
    if (step->lane->own.class == EVTRAIL_EIO_DOMAIN)
        result = set_state(step, &step->lane->own, EVTRAIL_DOMAIN_UNKNOWN);
    if (result == 0)
        result = evtrail_eio_each(step, forget, NULL);
    return result == 0 ? evtrail_eio_forget(step) : result;
}
