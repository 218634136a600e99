/* SPDX-License-Identifier: ISC
 *
 * What the files of libevtrail-ocaml share.
 *
 * A thread writes into the ring of the OCaml domain whose lock it holds, as OCaml's runtime itself does, and so has no competition.
 * Nothing here allocates from OCaml's heap but ocaml_register_pending(), and nothing calls OCaml code: a C event may
 * come from an external that is [@@noalloc], where either would destroy the program.
 */
#ifndef EVTRAIL_OCAML_INTERNAL_H
#define EVTRAIL_OCAML_INTERNAL_H

#include <evtrail/evtrail.h>
#include <evtrail/ocaml.h>

#include <stdatomic.h>
#include <stdbool.h>

#define COLD __attribute__((noinline, cold))
#define HOT __attribute__((always_inline)) inline

/* How a type's events look in OCaml. */
enum ocaml_as { AS_NONE, AS_AUTO, AS_UNIT, AS_INT, AS_BEGIN, AS_END, AS_BYTES };

#define ITEM_WORDS_MAX 128 /* of payload: what the stock consumer's buffer of 1024 bytes takes */

/* ---- runtime.c: OCaml's runtime as dlsym() finds it ---- */

/* Looks for the runtime; true once it is there. */
bool ocaml_runtime_find(void);
/* Whether it has been found. */
bool ocaml_runtime_here(void);
/* The OCaml domain whose lock this thread holds, or NULL. (signal) */
const void *ocaml_lock_held(void);
/* Whether runtime events are started and not paused. */
bool ocaml_events_active(void);
/* The number of the ring that belongs to the domain whose lock is held. */
unsigned ocaml_domain_index(void);
/* Gives a name an OCaml custom event. The lock is held and allocation allowed. Returns its index or -ENOSPC. */
int ocaml_event_register(const char *name, enum ocaml_as as);
/* Has OCaml's runtime call ocaml_lock_taken() and ocaml_lock_kept() at their times, again if something else has taken our place. */
void ocaml_hooks_install(void);
/* Whether that is so: systhreads do it as they start, and we may have been first. */
bool ocaml_hooks_displaced(void);

/* ---- forward.c ---- */

void ocaml_lock_taken(void); /* a blocking section has been left: allocation is allowed */
void ocaml_lock_kept(void);  /* a minor collection has ended: it is not */

/* ---- ring.c: the ring file, mapped by ourselves ---- */

enum ocaml_written { WRITTEN, REFUSED, UNMAPPED };
/* Writes into the ring of the domain whose lock this thread holds; `now` is ocaml_monotonic_ns() since the last time. */
enum ocaml_written ocaml_ring_write(const void *domain, enum ocaml_as as, unsigned event, uint64_t now, const uint64_t *payload,
                                    uint32_t words);
uint64_t ocaml_ring_written(void); /* events so far, all domains */
uint64_t ocaml_monotonic_ns(void);
uint32_t ocaml_thread_id(void);

/* ---- payload.c ---- */

/* What a payload is made by. */
struct payload_type {
    uint8_t kind, level, fields_count;
    uint8_t int_field; /* of AS_INT */
    uint8_t types[EVTRAIL_FIELDS_MAX];
};
/* Encodes an event as `as` says; strings are cut to what `words_max` leaves. Returns the words. */
uint32_t ocaml_payload_put(enum ocaml_as as, const struct payload_type *type, uint64_t now, const struct evtrail_arg *args,
                           uint32_t words_max, uint64_t *to);

/* ---- field_names.c ---- */

/* The fields of a type as text, kept for good; NULL: no room. Under the registry's lock. */
const char *ocaml_fields_text(const struct evtrail_forward_type *type);
/* Tells readers of the ring of them, by names that `add` registers; false: there is no room for more. */
void ocaml_fields_register(unsigned event, unsigned kind, const char *text, bool (*add)(const char *name));

/* ---- queue.c: events that wait for a thread with the lock ---- */

#define QUEUE_WORDS_MAX 61 /* of payload: longer strings are cut */
struct queued {
    uint32_t type, words;
    uint64_t payload[QUEUE_WORDS_MAX];
};
/* Room for one event, or NULL: the queue is full. To be published at once. (signal) */
struct queued *ocaml_queue_reserve(uint64_t *ret_ticket);
void ocaml_queue_publish(uint64_t ticket);
bool ocaml_queue_empty(void);
/* Calls `take` for what waits, oldest first, until it returns false. At most one thread at a time; others return at once. */
void ocaml_queue_drain(bool (*take)(const struct queued *event, const void *domain), const void *domain);

#endif
