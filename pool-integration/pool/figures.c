/* SPDX-License-Identifier: ISC
 *
 * Counters and histograms: how they are kept, summed and read.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

const char *evpool_reason_name(enum evpool_reason reason)
{
    static const char *const names[EVPOOL_REASONS] = {
        [EVPOOL_CLOSED_idle] = "idle",       [EVPOOL_CLOSED_lifetime] = "lifetime", [EVPOOL_CLOSED_uses] = "uses",
        [EVPOOL_CLOSED_health] = "health",   [EVPOOL_CLOSED_error] = "error",       [EVPOOL_CLOSED_remote] = "remote",
        [EVPOOL_CLOSED_evicted] = "evicted", [EVPOOL_CLOSED_shutdown] = "shutdown", [EVPOOL_CLOSED_retired] = "retired",
    };
    const unsigned index = (unsigned)reason;
    return index < EVPOOL_REASONS && names[index] ? names[index] : "unknown";
}

/* ---- histograms: 16 steps to the octave ---- */

static unsigned step_of(uint64_t ns)
{
    if (ns < 2)
        return 0;
    const unsigned octave = 63u - (unsigned)__builtin_clzll(ns);
    if (octave >= EVPOOL_HISTOGRAM_STEPS / 16)
        return EVPOOL_HISTOGRAM_STEPS - 1;
    const uint64_t part = octave >= 4 ? ns >> (octave - 4) : ns << (4 - octave);
    return octave * 16 + (unsigned)(part & 15);
}

/* The greatest value of a step. */
static uint64_t step_end(unsigned step)
{
    const unsigned octave = step / 16;
    const uint64_t next = 16 + step % 16 + 1;
    return (octave >= 4 ? next << (octave - 4) : (next + (1u << (4 - octave)) - 1) >> (4 - octave)) - 1;
}

void pool_histogram_add(struct evpool_histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->sum_ns += ns;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
    histogram->steps[step_of(ns)]++;
}

uint64_t evpool_histogram_quantile(const struct evpool_histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return 0;
    const double wanted = quantile * (double)histogram->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < EVPOOL_HISTOGRAM_STEPS; i++) {
        seen += histogram->steps[i];
        if (seen > 0 && (double)seen >= wanted) {
            const uint64_t end = step_end(i); /* the last step has no end */
            return end < histogram->max_ns && i < EVPOOL_HISTOGRAM_STEPS - 1 ? end : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}

/* ---- counters ---- */

void figures_add(struct evpool_figures *to, const struct evpool_figures *from)
{
    to->total += from->total;
    to->active += from->active;
    to->idle += from->idle;
    to->pending += from->pending;
    to->waiting += from->waiting;
    to->ejected += from->ejected;
    to->created += from->created;
    to->reused += from->reused;
    to->acquired += from->acquired;
    to->released += from->released;
    to->retries += from->retries;
    to->ejections += from->ejections;
    to->leaks += from->leaks;
    to->races += from->races;
    to->handshakes += from->handshakes;
    to->resumed += from->resumed;
    to->acquire_timeouts += from->acquire_timeouts;
    to->acquire_cancelled += from->acquire_cancelled;
    to->acquire_refused += from->acquire_refused;
    for (unsigned i = 0; i < EVPOOL_REASONS; i++)
        to->closed[i] += from->closed[i];
    for (unsigned i = 0; i < EVPOOL_CODES; i++)
        to->errors[i] += from->errors[i];
    if (from->waiting_max > to->waiting_max)
        to->waiting_max = from->waiting_max;
    if (from->wait_max_ns > to->wait_max_ns)
        to->wait_max_ns = from->wait_max_ns;
}

static void name_figures_locked(const struct evpool_name *name, struct evpool_figures *to)
{
    *to = name->figures;
    to->total = name->count - name->pending;
    to->active = name->active;
    to->idle = name->idle;
    to->pending = name->pending;
    to->waiting = name->waiting;
    to->ejected = name->ejected;
}

void evpool_figures(struct evpool *pool, struct evpool_figures *ret_figures)
{
    memset(ret_figures, 0, sizeof *ret_figures);
    if (pool_forked(pool))
        return;
    pool_lock(pool);
    *ret_figures = pool->past;
    for (struct list *at = pool->names.next; at != &pool->names; at = at->next) {
        struct evpool_figures one;
        name_figures_locked(LIST_OF(at, struct evpool_name, place), &one);
        figures_add(ret_figures, &one);
    }
    pool_unlock(pool);
}

void evpool_name_figures(struct evpool_name *name, struct evpool_figures *ret_figures, struct evpool_times *ret_times)
{
    /* Written before the lock is taken: no page of the caller's is touched for the first time while it is held. */
    if (ret_figures)
        memset(ret_figures, 0, sizeof *ret_figures);
    if (ret_times)
        memset(ret_times, 0, sizeof *ret_times);
    if (pool_forked(name->pool))
        return;
    pool_lock(name->pool);
    if (ret_figures)
        name_figures_locked(name, ret_figures);
    if (ret_times)
        *ret_times = name->times;
    pool_unlock(name->pool);
}

static void address_figures_locked(const struct address *address, struct evpool_figures *to)
{
    *to = address->figures;
    to->ejected = address->state == ADDRESS_ejected || address->state == ADDRESS_probing;
    for (struct list *at = address->conns.next; at != &address->conns; at = at->next) {
        const struct evpool_conn *conn = LIST_OF(at, struct evpool_conn, among);
        to->total++;
        to->active += conn->state == CONN_active;
        to->idle += conn->state == CONN_idle;
    }
    to->pending = address->count - to->total;
}

int evpool_address_figures(struct evpool_name *name, unsigned index, char *ret_address, size_t address_bytes,
                           struct evpool_figures *ret_figures)
{
    char label[LABEL_BYTES];
    struct evpool_figures figures;
    if (pool_forked(name->pool))
        return -ECHILD;
    pool_lock(name->pool);
    const bool found = index < name->addresses_count;
    if (found) {
        memcpy(label, name->addresses[index]->label, sizeof label);
        address_figures_locked(name->addresses[index], &figures);
    }
    pool_unlock(name->pool);
    if (!found)
        return -ENOENT;
    if (ret_figures)
        *ret_figures = figures;
    if (ret_address && address_bytes > 0) {
        const size_t length = strnlen(label, address_bytes - 1);
        memcpy(ret_address, label, length);
        ret_address[length] = '\0';
    }
    return 0;
}
