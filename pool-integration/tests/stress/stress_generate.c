/* SPDX-License-Identifier: ISC
 *
 * Emits the events of a pool that does not exist, over some seconds that have passed already, and prints the figures that must be
 * computed from them as JSON. Usage: stress_generate [hostile]
 */
#include "loop_trace.h"
#include "pool_trace.h"
#include "stress_trace.h"

#include <evpool/pool.h>
#include <evtrail/evtrail.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ADDRESSES = 11, CONNS = 60, NAME = 7, STEP_US = 100, REFUSED = 7, TIMEOUT = 15 };
#define SECONDS_ALL 4.0

static struct {
    uint64_t created, reused, released, right, wrong, failed, bytes, refused, timeouts, ejections, retries, closed_idle,
        closed_remote, closed_shutdown, open_max, waiting_max, lookups, iterations, submissions, completions, busy_ns,
        idle_ns, handshakes;
} expected;

static struct {
    uint64_t id, uses;
    unsigned address;
    bool open, busy;
    uint64_t span, use, sent, began_us, until_us;
} conns[CONNS];
static double ticks_per_us;
static uint64_t start_ticks, id_next = 1000, seed = 42, open_now;

static uint64_t at(uint64_t us)
{
    return start_ticks + (uint64_t)((double)us * ticks_per_us);
}

static uint64_t any(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* Both clocks at one moment: the tightest of some readings, since this thread may lose its core between the two. */
static void clock_read(uint64_t *ret_ticks, double *ret_us)
{
    uint64_t shortest = UINT64_MAX;
    for (unsigned i = 0; i < 20; i++) {
        struct timespec now;
        const uint64_t before = evtrail_now();
        clock_gettime(CLOCK_MONOTONIC, &now);
        const uint64_t width = evtrail_now() - before;
        if (width >= shortest)
            continue;
        shortest = width;
        *ret_ticks = before + width / 2;
        *ret_us = (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
    }
}

static void clock_measure(void)
{
    uint64_t before, after;
    double from_us, to_us;
    clock_read(&before, &from_us);
    usleep(50000);
    clock_read(&after, &to_us);
    ticks_per_us = (double)(after - before) / (to_us - from_us);
    start_ticks = after - (uint64_t)((SECONDS_ALL + 1) * 1e6 * ticks_per_us);
}

static uint64_t address_id(unsigned index)
{
    return 100 + index;
}

static void addresses_begin(bool hostile)
{
    pool_trace_name_added_at(at(0), NAME, "farm.test", 4000, 0);
    pool_trace_name_label_at(at(0), NAME, hostile ? "<b>\"name'&" : "farm.test:4000");
    pool_trace_name_state_at(at(0), NAME, 1, 1);
    const uint64_t span = evtrail_span_id();
    pool_trace_resolve_begin_at(at(10), span, 0, NAME, "farm.test");
    pool_trace_resolve_end_at(at(2400), span, 0, ADDRESSES, 60, 3, 1);
    expected.lookups++;
    for (unsigned i = 0; i < ADDRESSES; i++) {
        char label[64];
        snprintf(label, sizeof label, "tcp:127.77.0.%u:4000", i + 1);
        pool_trace_address_state_at(at(2500), address_id(i), NAME, 1);
        const char *const evil = i == 0   ? "</script><script>alert(1)</script>"
                                 : i == 1 ? "\"'><img src=x onerror=alert(1)>"
                                 : i == 2 ? "\xff\xfe\xc3(\xed\xa0\x80 ]]> <!-- \\u003c"
                                          : label;
        pool_trace_address_label_at(at(2500), address_id(i), hostile ? evil : label);
    }
}

static void conn_open(unsigned i, uint64_t us)
{
    conns[i].id = ++id_next;
    conns[i].address = (unsigned)any(ADDRESSES - 1);
    conns[i].open = true;
    conns[i].uses = 0;
    const uint64_t address = address_id(conns[i].address), span = evtrail_span_id(), attempt = evtrail_span_id();
    pool_trace_connect_begin_at(at(us), span, 0, NAME, 1);
    pool_trace_attempt_begin_at(at(us), attempt, span, NAME, address, 2, 1);
    pool_trace_attempt_end_at(at(us + 60), attempt, address, 0, 0);
    pool_trace_conn_created_at(at(us + 70), conns[i].id, NAME, address, 9, 60000 + any(40000));
    pool_trace_conn_state_at(at(us + 70), conns[i].id, address, 1);
    pool_trace_connect_end_at(at(us + 70), span, 0, conns[i].id, 1);
    expected.created++;
    if (++open_now > expected.open_max)
        expected.open_max = open_now;
}

static void conn_close(unsigned i, uint64_t us, int reason)
{
    pool_trace_conn_closed_at(at(us), conns[i].id, NAME, address_id(conns[i].address), reason, 1, conns[i].uses);
    pool_trace_conn_gone_at(at(us), conns[i].id);
    conns[i].open = false;
    open_now--;
    *(reason == 1 ? &expected.closed_idle : reason == 6 ? &expected.closed_remote : &expected.closed_shutdown) += 1;
}

static void message_begin(unsigned i, uint64_t us)
{
    const uint64_t address = address_id(conns[i].address), request = evtrail_span_id();
    conns[i].span = evtrail_span_id();
    conns[i].sent = evtrail_span_id();
    conns[i].busy = true;
    conns[i].began_us = us;
    conns[i].until_us = us + 300 + any(400) + (any(100) == 0 ? any(20000) : 0);
    stress_trace_message_begin_at(at(us), conns[i].span, 0, i);
    pool_trace_acquire_begin_at(at(us), request, conns[i].span, NAME);
    if (++conns[i].uses > 1) {
        pool_trace_conn_reused_at(at(us + 1), conns[i].id, address, 5000, conns[i].uses);
        expected.reused++;
    }
    pool_trace_conn_state_at(at(us + 1), conns[i].id, address, 2);
    pool_trace_acquire_end_at(at(us + 1), request, NAME, conns[i].id, 0, any(3) ? 0 : any(900000));
    stress_trace_message_sent_at(at(us + 2), conns[i].sent, conns[i].span, conns[i].id);
}

static void message_end(unsigned i, uint64_t us)
{
    const uint64_t address = address_id(conns[i].address);
    const int outcome = any(5000) == 0 ? 3 : 1;
    stress_trace_message_answered_at(at(us), conns[i].sent, 256, 0);
    pool_trace_conn_released_at(at(us + 1), conns[i].id, address, (us - conns[i].began_us) * 1000, 1);
    pool_trace_conn_state_at(at(us + 1), conns[i].id, address, 1);
    stress_trace_message_end_at(at(us + 2), conns[i].span, 256, outcome, 1);
    conns[i].busy = false;
    expected.released++;
    *(outcome == 1 ? &expected.right : &expected.failed) += 1;
    expected.bytes += outcome == 1 ? 256 : 0;
}

/* The last address refuses now and then, and is ejected for it. */
static void failures(uint64_t us)
{
    const uint64_t address = address_id(ADDRESSES - 1), attempt = evtrail_span_id();
    pool_trace_attempt_begin_at(at(us), attempt, 0, NAME, address, 2, 1);
    pool_trace_attempt_end_at(at(us + 30), attempt, address, REFUSED, 111);
    expected.refused++;
    if (expected.refused % 3 != 0)
        return;
    pool_trace_address_ejected_at(at(us + 31), address, NAME, 3, 1000000);
    pool_trace_address_state_at(at(us + 31), address, NAME, 3);
    pool_trace_retry_at(at(us + 32), 1, NAME, 2, 1000);
    expected.ejections++;
    expected.retries++;
}

/* Requests queue up, one more each time, until all but one are served and that one's time is over. */
static void waiting(uint64_t us)
{
    static uint64_t spans[16];
    static uint32_t depth;
    spans[depth++] = evtrail_span_id();
    pool_trace_acquire_begin_at(at(us), spans[depth - 1], 0, NAME);
    pool_trace_acquire_wait_at(at(us), spans[depth - 1], NAME, depth);
    pool_trace_queue_at(at(us), depth, NAME);
    if (depth > expected.waiting_max)
        expected.waiting_max = depth;
    if (depth < 16)
        return;
    for (; depth > 1; depth--)
        pool_trace_acquire_end_at(at(us + 1), spans[depth - 1], NAME, 1, 0, 200000);
    pool_trace_acquire_timeout_at(at(us + 2), spans[0], NAME, 5000000);
    pool_trace_error_at(at(us + 2), spans[0], NAME, TIMEOUT, 0,
                        "no connection was free (acquire) → farm.test:4000 <script>");
    pool_trace_acquire_end_at(at(us + 2), spans[0], NAME, 0, TIMEOUT, 5000000);
    depth = 0;
    expected.timeouts++;
}

/* One iteration of a loop: operations of which the second half fails, and a handshake. */
static void iteration(uint64_t us)
{
    const uint64_t busy = 20000 + any(100000), idle = any(50000), tls = evtrail_span_id();
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t span = evtrail_span_id();
        loop_trace_op_begin_at(at(us), span, 0, i % 2 ? EVLOOP_OP_send : EVLOOP_OP_recv, 9);
        loop_trace_op_end_at(at(us + 30), span, i % 2 ? EVLOOP_OP_send : EVLOOP_OP_recv, i < 2 ? 256 : -104);
        expected.completions++;
    }
    loop_trace_submitted_at(at(us), 1, 4);
    loop_trace_completed_at(at(us + 30), 1, 4);
    loop_trace_iteration_at(at(us + 50), 1, 4, busy, idle);
    pool_trace_tls_begin_at(at(us), tls, 0, address_id(0), "farm.test");
    pool_trace_tls_end_at(at(us + 90), tls, us % 3 ? 0 : EVPOOL_ERROR_tls_name, us % 2, us % 3 ? "TLSv1.3" : NULL,
                          NULL);
    expected.handshakes += us % 3 != 0;
    expected.iterations++;
    expected.submissions++;
    expected.busy_ns += busy;
    expected.idle_ns += idle;
}

static void moment(uint64_t us)
{
    for (unsigned i = 0; i < CONNS; i++) {
        if (conns[i].busy && conns[i].until_us <= us)
            message_end(i, us);
        else if (!conns[i].open && any(2500) < 1 + us % 1000000 / 100000)
            conn_open(i, us);
        else if (conns[i].open && !conns[i].busy && any(3) == 0)
            message_begin(i, us + 75);
        else if (conns[i].open && !conns[i].busy && any(600) == 0)
            conn_close(i, us, any(3) ? 1 : 6);
    }
    if (us % 40000 == 0)
        failures(us);
    if (us % 20000 == 0)
        waiting(us);
    if (us % 5000 == 0)
        iteration(us);
}

static void print(const char *name, uint64_t value, const char *after)
{
    printf("\"%s\":%" PRIu64 "%s", name, value, after);
}

int main(int argc, char **argv)
{
    const uint64_t all_us = (uint64_t)(SECONDS_ALL * 1e6);
    const bool hostile = argc > 1 && strcmp(argv[1], "hostile") == 0;
    clock_measure();
    const uint64_t run = evtrail_span_id();
    stress_trace_run_begin_at(at(0), run, 0, hostile ? "<script>alert(2)</script>" : "synthetic", "loop", "none", CONNS,
                              ADDRESSES, 256, 0, all_us * 1000, 42);
    addresses_begin(hostile);
    for (uint64_t us = 10000; us < all_us; us += STEP_US)
        moment(us);
    for (unsigned i = 0; i < CONNS; i++) {
        if (conns[i].busy)
            message_end(i, all_us + 10);
        if (conns[i].open)
            conn_close(i, all_us + 20, 8);
    }
    pool_trace_queue_at(at(all_us + 25), 0, NAME);
    stress_trace_drained_at(at(all_us + 26), expected.right);
    loop_trace_iteration_at(at(all_us + 28), 1, 1, 1000, 1000); /* of no account */
    stress_trace_run_end_at(at(all_us + 30), run, expected.right + expected.failed);
    printf("{");
    print("created", expected.created, ",");
    print("reused", expected.reused, ",");
    print("released", expected.released, ",");
    print("right", expected.right, ",");
    print("given_up", expected.failed, ",");
    print("bytes", expected.bytes, ",");
    print("connect_refused", expected.refused, ",");
    print("acquire_timeout", expected.timeouts, ",");
    print("ejections", expected.ejections, ",");
    print("retries", expected.retries, ",");
    print("idle", expected.closed_idle, ",");
    print("remote", expected.closed_remote, ",");
    print("shutdown", expected.closed_shutdown, ",");
    print("open_max", expected.open_max, ",");
    print("waiting_max", expected.waiting_max, ",");
    print("iterations", expected.iterations, ",");
    print("submissions", expected.submissions, ",");
    print("completions", expected.completions, ",");
    print("recv", expected.completions / 2, ",");
    print("busy_ns", expected.busy_ns, ",");
    print("idle_ns", expected.idle_ns, ",");
    print("handshakes", expected.handshakes, ",");
    print("tls13", expected.handshakes, ",");
    print("lookups", expected.lookups, "}\n");
    return 0;
}
