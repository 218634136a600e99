/* SPDX-License-Identifier: ISC
 *
 * Clients in threads of their own, by blocking calls. A message goes out and comes back in pieces, so that no server need hold all of it.
 */
#include "../stress_trace.h"
#include "load.h"

#include <evtrail/evtrail.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIECE_BYTES = 1 << 16 };

struct caller {
    struct load *load;
    pthread_t thread;
    unsigned number;
    bool started;
    uint64_t sequence;
    uint8_t *out, *in;
};
struct callers {
    unsigned count;
    struct caller caller[];
};

static void sleep_ns(uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    nanosleep(&time, NULL);
}

/* 0 or a negative errno. */
static int exchange(struct caller *caller, struct evpool_conn *conn, uint32_t *ret_got)
{
    const uint32_t size = caller->load->preset->size;
    while (*ret_got < size) {
        const uint32_t piece = size - *ret_got < PIECE_BYTES ? size - *ret_got : PIECE_BYTES;
        const uint32_t to = *ret_got + piece;
        int64_t r = evpool_write_wait(conn, caller->out + *ret_got, piece, MESSAGE_NS);
        if (r < 0)
            return (int)r;
        while (*ret_got < to) {
            r = evpool_read_wait(conn, caller->in + *ret_got, to - *ret_got, MESSAGE_NS);
            if (r <= 0)
                return r < 0 ? (int)r : -EPIPE;
            *ret_got += (uint32_t)r;
        }
    }
    return 0;
}

/* One try over one connection: the outcome, 0: it may go again. */
static int caller_try(struct caller *caller, uint64_t message)
{
    struct evpool_conn *conn;
    struct evpool_name *const name = load_name(caller->load, caller->number, caller->sequence);
    uint32_t got = 0;
    if (evpool_acquire_wait(name, 0, &conn, NULL) < 0) {
        sleep_ns(5000000);
        return OUTCOME_failed;
    }
    const uint64_t trip = evtrail_span_id();
    stress_trace_message_sent(trip, message, evpool_conn_id(conn));
    const int r = exchange(caller, conn, &got);
    const bool right = r == 0 && memcmp(caller->in, caller->out, caller->load->preset->size) == 0;
    stress_trace_message_answered(trip, got, -r);
    evpool_release(conn, right);
    return r < 0 ? 0 : right ? OUTCOME_right : OUTCOME_wrong;
}

static void caller_message(struct caller *caller)
{
    struct load *const load = caller->load;
    const uint64_t message = evtrail_span_id();
    unsigned tries = 0;
    int outcome = 0;
    caller->sequence++;
    stress_trace_message_begin(message, load->run, caller->number);
    message_fill(caller->out, load->preset->size, load->settings->seed, caller->number, caller->sequence);
    while (outcome == 0 && tries < TRIES_MAX) {
        tries++;
        outcome = caller_try(caller, message);
    }
    if (outcome == 0)
        outcome = OUTCOME_failed;
    stress_trace_message_end(message, load->preset->size, outcome, tries);
    load_count(load, outcome);
}

static void *run(void *argument)
{
    struct caller *const caller = argument;
    struct load *const load = caller->load;
    for (;;) {
        const uint64_t now = load_clock_ns(), rest = load_rest(load, now);
        if (rest && !atomic_load(&load->stopping)) {
            sleep_ns(rest);
            continue;
        }
        if (!load_more(load, now))
            break;
        caller_message(caller);
    }
    load_leave(load);
    return NULL;
}

static int caller_start(struct caller *caller, struct load *load, unsigned number)
{
    caller->load = load;
    caller->number = number;
    caller->out = malloc(load->preset->size);
    caller->in = malloc(load->preset->size);
    const int r = caller->out && caller->in ? -pthread_create(&caller->thread, NULL, run, caller) : -ENOMEM;
    caller->started = r == 0;
    return r;
}

int callers_start(struct load *load)
{
    const unsigned count = load->settings->threads;
    struct callers *const callers = calloc(1, sizeof *callers + count * sizeof callers->caller[0]);
    int r = 0;
    load->clients = callers;
    if (!callers)
        return -ENOMEM;
    atomic_store(&load->running, count);
    for (; callers->count < count && r == 0; callers->count++)
        r = caller_start(&callers->caller[callers->count], load, callers->count);
    if (r < 0)
        atomic_store(&load->stopping, true);
    return r;
}

void callers_free(struct load *load)
{
    struct callers *const callers = load->clients;
    for (unsigned i = 0; callers && i < callers->count; i++) {
        if (callers->caller[i].started)
            pthread_join(callers->caller[i].thread, NULL);
        free(callers->caller[i].out);
        free(callers->caller[i].in);
    }
    free(callers);
}
