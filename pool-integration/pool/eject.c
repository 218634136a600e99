/* SPDX-License-Identifier: ISC
 *
 * Addresses that fail are left out for a while that grows, and are then probed with one connection.
 *
 *     serving --failures in a row--> ejected --its time--> probing --a connection--> slow start --its time--> serving
 *                                       ^---------a failure, longer---'
 *
 * If all of a name's addresses are out they are used anyway: a wrong suspicion must not cost the last way.
 */
#include "steps.h"

/* Whose fault a failure is: not the address's if it is ours. */
bool code_blames_address(enum evpool_code code)
{
    switch (code) {
    case EVPOOL_ERROR_connect_refused:
    case EVPOOL_ERROR_connect_unreachable:
    case EVPOOL_ERROR_connect_timeout:
    case EVPOOL_ERROR_connect_failed:
    case EVPOOL_ERROR_tls_failed:
    case EVPOOL_ERROR_tls_untrusted:
    case EVPOOL_ERROR_tls_name:
    case EVPOOL_ERROR_tls_timeout:
    case EVPOOL_ERROR_peer_closed:
    case EVPOOL_ERROR_io:
        return true;
    default:
        return false;
    }
}

static uint64_t wait_of(const struct evpool_options *options, unsigned ejections)
{
    uint64_t wait = options->eject_ns;
    for (unsigned i = 0; i < ejections && wait < options->eject_max_ns; i++)
        wait = wait > NEVER / 2 ? NEVER : wait * 2;
    return wait < options->eject_max_ns ? wait : options->eject_max_ns;
}

static void eject_locked(struct address *address, uint64_t now)
{
    struct evpool_name *name = address->name;
    if (address->state == ADDRESS_serving && time_since(now, address->slow_ns) > address->wait_ns)
        address->ejections = 0; /* it has been well for longer than it was out */
    if (address->state != ADDRESS_probing) {
        name->ejected++;
        address->ejected_ns = now;
    }
    address->wait_ns = wait_of(&name->pool->options, address->ejections++);
    address->until_ns = time_after(now, address->wait_ns);
    address->state = ADDRESS_ejected;
    address->figures.ejections++;
    name->figures.ejections++;
}

static struct verdict verdict_of(const struct address *address, int what, uint64_t now)
{
    return (struct verdict){.what = what,
                            .state = address->state,
                            .failures = address->failed_connects > address->failed_uses ? address->failed_connects
                                                                                        : address->failed_uses,
                            .address_id = address->id,
                            .name_id = address->name->id,
                            .wait_ns = address->wait_ns,
                            .out_ns = time_since(now, address->ejected_ns)};
}

/* connect: a connection could not be made, else a borrower found one broken. The two are counted apart: an address that accepts and
 * then fails in use is no better than one that refuses. */
struct verdict eject_failure_locked(struct address *address, bool connect, uint64_t now)
{
    const unsigned failures = connect ? ++address->failed_connects : ++address->failed_uses;
    switch (address->state) {
    case ADDRESS_serving:
    case ADDRESS_slow_start:
        if (failures < address->name->pool->options.eject_failures)
            return (struct verdict){0};
        break;
    case ADDRESS_probing:
        if (connect)
            break;
        return (struct verdict){0};
    default:
        return (struct verdict){0}; /* out already: others that were on their way */
    }
    eject_locked(address, now);
    return verdict_of(address, VERDICT_ejected, now);
}

/* A new connection: it brings an ejected address back. */
struct verdict eject_success_locked(struct address *address, uint64_t now)
{
    address->failed_connects = 0;
    if (address->state != ADDRESS_ejected && address->state != ADDRESS_probing)
        return (struct verdict){0};
    address->failed_uses = 0;
    address->state = address->name->pool->options.slow_start_ns ? ADDRESS_slow_start : ADDRESS_serving;
    address->slow_ns = now;
    address->name->ejected--;
    return verdict_of(address, VERDICT_returned, now);
}

struct verdict eject_due_locked(struct address *address, uint64_t now)
{
    const uint64_t slow = address->name->pool->options.slow_start_ns;
    if (address->state == ADDRESS_ejected && now >= address->until_ns)
        address->state = ADDRESS_probing;
    else if (address->state == ADDRESS_slow_start && time_since(now, address->slow_ns) >= slow)
        address->state = ADDRESS_serving;
    else
        return (struct verdict){0};
    return verdict_of(address, VERDICT_due, now);
}

void eject_tell(const struct verdict *verdict)
{
    if (verdict->what == VERDICT_none)
        return;
    const uint64_t at = pool_trace_now();
    if (verdict->what == VERDICT_ejected)
        pool_trace_address_ejected_at(at, verdict->address_id, verdict->name_id, verdict->failures, verdict->wait_ns);
    if (verdict->what == VERDICT_returned)
        pool_trace_address_returned_at(at, verdict->address_id, verdict->name_id, verdict->out_ns);
    pool_trace_address_state_at(at, verdict->address_id, verdict->name_id, (int)verdict->state);
}
