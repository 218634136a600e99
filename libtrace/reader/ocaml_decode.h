/* SPDX-License-Identifier: ISC
 *
 * Items of OCaml's runtime events into records of ours: the types of one process, the state of each of its domains' rings.
 */
#ifndef EVTRAIL_READER_OCAML_DECODE_H
#define EVTRAIL_READER_OCAML_DECODE_H

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include "reader/ocaml_map.h"
#include "reader/ocaml_names.h"
#include "reader/reader_private.h"
#include "reader/schema.h"

enum {
    EVTRAIL_OCAML_OPEN_MAX = 32,         /* phases and spans that are open in a ring, one in the other */
    EVTRAIL_OCAML_FIBER_SPANS_MAX = 8,   /* ... of a fiber */
    EVTRAIL_OCAML_LOOSE_MAX = 64,        /* ... that end in any order */
    EVTRAIL_OCAML_LABELLED_MAX = 1024,   /* types that are made of what events carry as text */
    EVTRAIL_OCAML_RUNTIME_IDS = 64,      /* beyond these ids a type is found the slow way */
    EVTRAIL_OCAML_FIXED = 72,            /* types that decoders have a place for */
};

/* What Eio's events tell of: fibers, cancellation contexts, and what they wait for. */
enum evtrail_eio_class {
    EVTRAIL_EIO_NONE = 0, /* not seen made */
    EVTRAIL_EIO_FIBER = 1,
    EVTRAIL_EIO_CC = 2,
    EVTRAIL_EIO_PROMISE = 3,
    EVTRAIL_EIO_SEMAPHORE = 4,
    EVTRAIL_EIO_STREAM = 5,
    EVTRAIL_EIO_MUTEX = 6,
    EVTRAIL_EIO_DOMAIN = 7,
    EVTRAIL_EIO_CLASSES = 8,
};
/* Their states; 0: unknown. */
enum {
    EVTRAIL_EIO_FIBER_RUNNING = 1,
    EVTRAIL_EIO_FIBER_QUEUED = 2,
    EVTRAIL_EIO_FIBER_PARKED = 3,
    EVTRAIL_EIO_CC_OPEN = 1,
    EVTRAIL_EIO_CC_FAILED = 2,
    EVTRAIL_EIO_CC_CANCELLED = 3,
    EVTRAIL_EIO_PROMISE_RESOLVED = 2,
    EVTRAIL_EIO_MUTEX_FREE = 1,
    EVTRAIL_EIO_MUTEX_LOCKED = 2
};
struct evtrail_eio_entity {
    uint64_t id; /* as ours; 0: free */
    uint64_t parent;
    uint64_t cc;       /* fiber: the innermost context it is in; context: the one around it. 0: none, or not known */
    uint32_t age;
    uint32_t lane, gap; /* whose: what it is in is known if no gap was there since */
    uint16_t waits;    /* fiber: type of the span of its suspension, or 0 */
    uint8_t class, state;
    uint8_t depth;     /* of spans */
    bool promise;      /* fiber: its result is waited for by its id, also when it has gone */
    uint8_t used;        /* object that nobody has made yet: the last use of it */
    uint32_t changed_by; /* object: which lane set its state, and when: each has items that others' are between */
    uint64_t changed;
    uint16_t spans[EVTRAIL_OCAML_FIBER_SPANS_MAX]; /* types of their ends */
    bool forgotten; /* lost from sight in a gap, which is not told yet */
};
struct evtrail_eio;
struct evtrail_ocaml_forwarded;

struct evtrail_ocaml_open {
    uint32_t end; /* type of the end */
    bool user;    /* no phase of the runtime: its backup thread has phases while a span of the program begins or ends */
    uint64_t id;
};
struct evtrail_ocaml_lane { /* one domain's ring */
    uint32_t index, gap;    /* gap: how many there were */
    uint64_t serial; /* of the latest span */
    uint32_t depth, loose_count;
    struct evtrail_ocaml_open open[EVTRAIL_OCAML_OPEN_MAX];
    struct evtrail_ocaml_open loose[EVTRAIL_OCAML_LOOSE_MAX]; /* in the order of their begins */
    uint64_t fiber, last_fiber; /* that runs; that ran last. 0: none, or not known */
    bool unsure;                /* which fiber runs, or whether any: since a gap, until one is seen to begin or end */
    uint64_t spawner;
    struct evtrail_eio_entity own; /* the domain itself, and what is outside fibers */
    bool untold; /* entities are forgotten: evtrail_eio_forget() before anything else */
};

struct evtrail_ocaml_decoder {
    struct evtrail_source *source;
    const struct evtrail_ocaml_map *map;
    struct evtrail_schema schema;
    enum evtrail_ocaml_release release;
    /* Types by what they are of; 0: not made yet. */
    uint16_t phases[2][EVTRAIL_OCAML_RUNTIME_IDS];
    uint16_t counters[EVTRAIL_OCAML_RUNTIME_IDS];
    uint16_t lifecycles[EVTRAIL_OCAML_RUNTIME_IDS];
    struct evtrail_ocaml_user_type {
        uint16_t type;
        uint8_t handler; /* 0: not looked up */
    } (*users)[EVTRAIL_OCAML_CUSTOM + 1]; /* [EVTRAIL_OCAML_NAMES_MAX] */
    uint32_t users_end; /* beyond the highest id that was looked up */
    bool names_gone;    /* what is decoded is of a program whose names were replaced: those that were not looked up before are not known */
    bool renewed;       /* a program has taken over the ring: a type of the one before may do */
    struct {
        uint64_t hash; /* 0: free */
        uint16_t type;
    } labelled[2 * EVTRAIL_OCAML_LABELLED_MAX];
    uint32_t labelled_count;
    uint32_t next_id;
    uint16_t fixed[EVTRAIL_OCAML_FIXED]; /* of decoders: enum evtrail_ocaml_fixed */
    struct evtrail_eio *eio;
    struct evtrail_ocaml_forwarded *forwarded; /* shapes of C events' payloads, a list */
    uint32_t forwarded_count;
};

/* What is being translated. */
struct evtrail_ocaml_step {
    struct evtrail_ocaml_decoder *decoder;
    struct evtrail_ocaml_lane *lane;
    struct evtrail_words *out;
    uint64_t ticks;
    uint64_t *reference;
    uint32_t events; /* that were put */
    uint32_t name_type; /* the next event of this type gets this as its last field */
    const void *name;
    size_t name_bytes;
    bool user; /* the item is the program's, not the runtime's */
};

int evtrail_ocaml_decoder_init(struct evtrail_ocaml_decoder *decoder, struct evtrail_source *source,
                               const struct evtrail_ocaml_map *map);
/* Nothing is decoded any more: only its types stay. */
void evtrail_ocaml_decoder_rest(struct evtrail_ocaml_decoder *decoder);
void evtrail_ocaml_decoder_fini(struct evtrail_ocaml_decoder *decoder);
/* From here on the numbers mean something else. */
void evtrail_ocaml_decoder_release(struct evtrail_ocaml_decoder *decoder, enum evtrail_ocaml_release release);
/* Another program's events follow, whose names and numbers mean something else. */
void evtrail_ocaml_decoder_renew(struct evtrail_ocaml_decoder *decoder);
/* Whether a user event has another name than the one that it was known by. */
bool evtrail_ocaml_decoder_renamed(const struct evtrail_ocaml_decoder *decoder);
void evtrail_ocaml_lane_init(struct evtrail_ocaml_lane *lane, uint32_t index);
/* Translates one item, into none or several events. -ENOMEM. */
int evtrail_ocaml_decode(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item);
/* So many words of the ring, about so many items, are missing here; since: the time of the last item before. */
int evtrail_ocaml_gap(struct evtrail_ocaml_step *step, uint64_t words, uint64_t items, uint64_t since);

/* ---- for the decoders of libraries ---- */

/* `count` fields: "name:type:unit:enums", the last two may be missing. The type's id, or 0: there is no room for more. */
uint16_t evtrail_ocaml_type_new(struct evtrail_ocaml_decoder *decoder, const char *name, unsigned kind, unsigned level,
                                const char *const *fields, unsigned count, const char *doc);
/* enum evtrail_field_type by its name; u64: none is called so. */
uint8_t evtrail_ocaml_field_type(const char *name, size_t length);
/* A type of a name that an event carries: `prefix` and the text, with what names do not have replaced. Beyond EVTRAIL_OCAML_LABELLED_MAX such
 * types it is that of `prefix` and "other", and the text becomes a field of the next event of it that is put. 0: no room at all. */
uint16_t evtrail_ocaml_type_labelled(struct evtrail_ocaml_step *step, const char *prefix, const void *text, size_t bytes,
                                     unsigned kind, const char *const *fields, unsigned count);
/* One of a fixed name, made when it is first wanted. */
uint16_t evtrail_ocaml_type_known(struct evtrail_ocaml_decoder *decoder, const char *name, unsigned kind,
                                  const char *const *fields, unsigned count);
/* Begins a record of `words` words of payload; NULL: no memory. What is not set of them must not stay so. */
uint64_t *evtrail_ocaml_put(struct evtrail_ocaml_step *step, uint32_t type, uint32_t words);
static inline uint32_t evtrail_ocaml_text_words(size_t bytes)
{
    return 1 + (uint32_t)((bytes + 7) / 8);
}
/* A string or byte array; data NULL: NULL. Returns behind it. */
uint64_t *evtrail_ocaml_put_text(uint64_t *at, const void *data, size_t bytes);
/* The bytes of a custom event; NULL: its padding makes no sense. */
const uint8_t *evtrail_ocaml_custom(const struct evtrail_ocaml_item *item, size_t *ret_bytes);
/* A span of the ring: of no fiber. */
int evtrail_ocaml_span_begin(struct evtrail_ocaml_step *step, uint32_t begin, uint32_t end);
int evtrail_ocaml_span_end(struct evtrail_ocaml_step *step, uint32_t end);
/* One that is not in another, and ends when it does; of those of one type the first to begin is the first to end. */
int evtrail_ocaml_loose_begin(struct evtrail_ocaml_step *step, uint32_t begin, uint32_t end);
int evtrail_ocaml_loose_end(struct evtrail_ocaml_step *step, uint32_t end);

struct evtrail_ocaml_library { /* a row of a library's table */
    const char *name;          /* of the user event */
    uint8_t type;              /* enum evtrail_ocaml_user; span: SPAN_BEGIN for both ends */
    int (*decode)(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item); /* OTHERWISE; 0; -ENOMEM */
};
enum { EVTRAIL_OCAML_OTHERWISE = 1 }; /* not as the library writes it: nothing was put, and it is shown as any other */
extern const struct evtrail_ocaml_library evtrail_ocaml_libraries[]; /* ended by a NULL name; ocaml_libraries.c */

/* ocaml_forwarded.c: 1: it was an event of C and is put; 0: it is none, or its fields are not known; -ENOMEM. */
int evtrail_ocaml_forwarded(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item);
void evtrail_ocaml_forwarded_free(struct evtrail_ocaml_decoder *decoder);

/* ocaml_eio.c */
#define EVTRAIL_EIO_DECODERS(X) \
    X(create_fiber) X(create_cc) X(create_obj) X(name) X(error) X(log) X(enter_span) X(exit_span) X(suspend_fiber) \
    X(get) X(try_get) X(put) X(fiber) X(exit_fiber) X(domain_spawn) X(exit_cc) X(suspend_domain)
#define X(name) int evtrail_eio_##name(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item);
EVTRAIL_EIO_DECODERS(X)
#undef X
/* The domain of the lane: came, works, waits, or has gone. */
int evtrail_eio_domain(struct evtrail_ocaml_step *step, unsigned state);
enum { EVTRAIL_DOMAIN_UNKNOWN = 0, EVTRAIL_DOMAIN_RUNNING = 1, EVTRAIL_DOMAIN_IDLE = 2, EVTRAIL_DOMAIN_GONE = 3 };
/* After a gap: what was known of the ring's fibers is not any more. What has no room in a chunk is told by evtrail_eio_forget(), which is to be
 * called for as long as lane->untold says so. */
int evtrail_eio_gap(struct evtrail_ocaml_step *step);
int evtrail_eio_forget(struct evtrail_ocaml_step *step);

/* ocaml_entities.c */
void evtrail_eio_free(struct evtrail_eio *eio);
struct evtrail_eio_entity *evtrail_eio_find(struct evtrail_ocaml_step *step, uint64_t id);
struct evtrail_eio_entity *evtrail_eio_make(struct evtrail_ocaml_step *step, uint64_t id, unsigned class);
/* It is in use: of its kind the last to make room. */
void evtrail_eio_use(const struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity);
/* All there are, until one visit does not return 0. */
int evtrail_eio_each(struct evtrail_ocaml_step *step,
                     int (*visit)(struct evtrail_ocaml_step *step, struct evtrail_eio_entity *entity, void *context),
                     void *context);

#endif /* EVTRAIL_READER_OCAML_DECODE_H */
