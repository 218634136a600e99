/* SPDX-License-Identifier: ISC
 *
 * What a traced program may ask of libevtrail beside making events. All of it may also be done from outside by the
 * `evtrail` command, or at start by the environment variable EVTRAIL. Link with libevtrail (pkg-config evtrail).
 *
 * Functions return >= 0 or a negative errno. None prints or exits. All are thread-safe; those marked (signal) may be
 * called from signal handlers.
 */
#ifndef EVTRAIL_EVTRAIL_H
#define EVTRAIL_EVTRAIL_H

#include <evtrail/trace.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define EVTRAIL_VERSION "0.1.0"

/* The version of the library in the process. (signal) */
const char *evtrail_version(void);

/* Switches event types on or off by rule, those there are and those to come. A rule is
 *     [-]PATTERN[:LEVEL][+cpu][+caller][+stack][@POLICY]
 * PATTERN is a name ("pool.conn.open"), a provider with all below it ("pool.conn"), or has wildcards ("pool.*.open", "*").
 * LEVEL leaves out what is less severe. Later rules win. @POLICY sends the events through a ring of that policy.
 * Returns the number of types changed; -EINVAL: not a rule; -ENOSPC: too many rules; -ENODEV: no session (tracing is off
 * in this process: setuid, no directory, EVTRAIL=off). Cost: a lock, one pass over the types. */
int evtrail_rule(const char *rule);

/* One setting: "policy=drop", "block=64K", "blocks=16", "deadline=100ms", "memory=256M", "keep=1". Ring sizes hold
 * for blocks opened from now on. -EINVAL: no such setting or value; -ERANGE: outside the bounds; -ENODEV. */
int evtrail_set(const char *setting);

/* A label on this thread's events from now on, until it is set again or cleared (value NULL): a request id, a tenant. Carried once per
 * block, attached by the reader. Up to 4 keys of 64 bytes, values of 64 bytes (longer: cut). -ENOSPC: a fifth
 * key; -EINVAL: key NULL or empty. (signal) */
int evtrail_label(const char *key, const char *value);

/* An event type made at run time, for languages that have no C macros. `desc` is copied. The same name, kind and fields give the same
 * type and the same point. -EINVAL; -ENOSPC: 16,368 types are registered; -ENOMEM: no room in the session; -ENODEV. */
struct evtrail_event_desc {
    size_t bytes; /* sizeof(struct evtrail_event_desc) */
    const char *name;
    const char *doc;
    uint8_t level; /* enum evtrail_level */
    uint8_t kind;  /* enum evtrail_kind */
    uint16_t fields_count;
    const struct evtrail_field_desc *fields;
};
int evtrail_register(const struct evtrail_event_desc *desc, const struct evtrail_point **ret_point);
/* Whether the event is on: one byte test. (signal) */
int evtrail_enabled(const struct evtrail_point *point);
/* Records it if it is on. args[i] for scalars is the word, for strings the length (or EVTRAIL_NULL) and the bytes; count must be the type's.
 * ticks 0: now. About 5 ns more than the macros. (signal) */
void evtrail_emit(const struct evtrail_point *point, uint64_t ticks, const struct evtrail_arg *args, unsigned count);

/* Events of chosen types go to another tracer in this process as well (libevtrail-ocaml is one), whether or not a rule has them on.
 * At most one receiver at a time. It and its functions stay for good: emissions under way may still call them. */
struct evtrail_forward_type {
    uint32_t id; /* of the type, from 16 up to 16,383; the same in a forked child */
    const char *name; /* stays for good */
    uint8_t level;    /* enum evtrail_level */
    uint8_t kind;     /* enum evtrail_kind */
    uint16_t fields_count;
    /* [fields_count], without docs; texts that make more than 4 KiB together are "". The callee's until it returns */
    const struct evtrail_field_desc *fields;
};
struct evtrail_forward {
    size_t bytes; /* sizeof(struct evtrail_forward) */
    /* Whether this type is wanted; asked once for each, as it is registered or here, under a lock: emits nothing and
     * calls nothing of this header. */
    int (*wants)(const struct evtrail_forward_type *type);
    /* One event, in the thread (or signal handler) that emits it, which keeps its errno; args as in evtrail_emit(). ticks 0: now. */
    void (*event)(uint32_t id, uint64_t ticks, const struct evtrail_arg *args, unsigned count);
};
/* Sets the receiver, or asks it again about all types; NULL: there is none any more. Returns the number of types that are forwarded;
 * -EINVAL; -ENODEV: no session. Cost: a lock, a pass over the types and the trace points. */
int evtrail_forward_to(const struct evtrail_forward *receiver);

/* The path of this process's session, or NULL if there is none. Valid until fork or exit. */
const char *evtrail_session_path(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* EVTRAIL_EVTRAIL_H */
