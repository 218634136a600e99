/* SPDX-License-Identifier: ISC
 *
 * All figures of a pool and of its loop, computed from recorded events alone (pool.def, runtime.def, stress.def), in bounded memory.
 */
#ifndef EVPOOL_STRESS_MODEL_H
#define EVPOOL_STRESS_MODEL_H

#include <evpool/pool.h>
#include <evtrail/reader.h>

#include "histogram.h"
#include "idtable.h"

enum {
    MODEL_CODES = EVPOOL_CODES + 1, /* the last: one that this pool does not have */
    MODEL_REASONS = EVPOOL_REASONS,
    MODEL_OPCODES = 8,
    MODEL_OUTCOMES = 4,
    MODEL_NAMES_MAX = 1024,
    MODEL_ADDRESSES_MAX = 4096,
    MODEL_ENTITIES_MAX = 1 << 20,
    MODEL_LABEL_BYTES = 96,
};
enum model_time { TIME_round_trip, TIME_message, TIME_wait, TIME_connect, TIME_tls, TIME_resolve, TIME_use, TIME_turn, TIME_late };
#define MODEL_TIMES 9

struct model_name {
    char label[MODEL_LABEL_BYTES];
    uint64_t created, closed, acquired, failed;
};
struct model_address {
    char label[MODEL_LABEL_BYTES];
    bool out;       /* ejected or probing */
    uint64_t created, reused, closed, attempts, failures, ejections, use_ns, out_ns;
    int64_t out_since_ns; /* while it is left out */
};

/* What the loop did, from its beginning until the pool was empty. */
struct model_loop {
    bool over;
    uint64_t iterations, operations, completions, submissions, submitted, wakeups, timers_fired, overflows, busy_ns, idle_ns;
    uint64_t by_opcode[MODEL_OPCODES]; /* operations; 0: an unknown one */
};

struct model {
    int64_t first_ns, last_ns; /* of what it has been fed: since 1970 */
    /* what was run, if the stress program ran it */
    char preset[48], mode[16], backend[16], command[80], host[80];
    uint64_t clients, servers, size, seed;
    int64_t run_from_ns, run_to_ns; /* 0: not told */
    /* counts */
    uint64_t events, lost[EVTRAIL_CAUSES_ALL];
    uint64_t created, reused, released, retries, ejections, returned, leaks, health_ok, health_failed;
    uint64_t closed[MODEL_REASONS];      /* 0: an unknown one */
    uint64_t acquires[MODEL_CODES];      /* by result; 0: lent */
    uint64_t errors[MODEL_CODES];        /* of attempts and lookups */
    uint64_t acquire_timeouts, acquire_cancelled;
    uint64_t attempts, races, lookups, cached, coalesced, handshakes, resumed, tls13;
    uint64_t messages[MODEL_OUTCOMES], begun, bytes, resent;
    uint64_t waiting_max, wait_max_ns; /* of one name */
    /* now and at most */
    uint64_t open, active, waiting;
    uint64_t open_max, active_max;
    struct model_loop loop;
    struct histogram times[MODEL_TIMES];
    /* entities */
    struct idtable ids;
    struct model_name *names;
    struct model_address *addresses;
    unsigned names_count, addresses_count;
    bool incomplete; /* a table was full: some figures by address lack something */
    /* how types of each source are understood */
    struct binding *bindings;
    unsigned bindings_count;
    unsigned faults; /* in the file */
    char fault[200]; /* the last */
};

/* -ENOMEM. */
int model_new(struct model **ret_model);
void model_free(struct model *model);
/* Options that a reader needs: spans. */
struct evtrail_reader_options model_reader_options(void);
void model_feed(struct model *model, const struct evtrail_event *event);
/* All of a trace. On failure, *ret_error is an owned line. */
int model_read(struct model *model, const char *path, char **ret_error);

/* Derived */
uint64_t model_lost(const struct model *model);
uint64_t model_acquires_failed(const struct model *model);
uint64_t model_errors(const struct model *model);
uint64_t model_closed(const struct model *model);
/* What a request would wait if all clients had to wait alike: for the others' uses, over the connections there are. 0: not known. */
uint64_t model_fair_wait_ns(const struct model *model);
double model_seconds(const struct model *model); /* of the run, or of the trace */
const char *model_code_name(unsigned code);
const char *model_reason_name(unsigned reason);
const char *model_opcode_name(unsigned opcode);
const char *model_time_name(enum model_time time);
/* For how long an address was left out, until the last event if it still is. */
uint64_t model_out_ns(const struct model *model, const struct model_address *address);
/* Addresses by use, the busiest first: an owned array of indices into model->addresses; NULL: no memory. */
unsigned *model_ranking(const struct model *model);

#endif /* EVPOOL_STRESS_MODEL_H */
