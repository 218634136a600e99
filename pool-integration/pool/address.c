/* SPDX-License-Identifier: ISC
 *
 * The addresses behind a name: they follow what the resolver says. One that is no longer the name's lends nothing more, and goes when its
 * last connection has gone.
 */
#include "steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ready_add_locked(struct address *address)
{
    struct evpool_name *name = address->name;
    if (address->ready || address->state == ADDRESS_retired)
        return;
    name->ready[name->ready_count++] = address;
    address->ready = name->ready_count;
}

void ready_remove_locked(struct address *address)
{
    struct evpool_name *name = address->name;
    if (!address->ready)
        return;
    struct address *last = name->ready[--name->ready_count];
    name->ready[address->ready - 1] = last;
    last->ready = address->ready;
    address->ready = 0;
}

static struct address *address_new(struct evpool_name *name, const struct peer_address *peer, bool slow)
{
    struct address *address = calloc(1, sizeof *address);
    if (!address)
        return NULL;
    address->name = name;
    address->peer = *peer;
    address->id = pool_id();
    address->slow_ns = evloop_now_ns(name->pool->loop);
    address->state = slow && name->pool->options.slow_start_ns ? ADDRESS_slow_start : ADDRESS_serving;
    list_init(&address->place);
    list_init(&address->lendable);
    list_init(&address->conns);
    peer_address_print(peer, address->label, sizeof address->label);
    return address;
}

static bool same_peer(const struct peer_address *a, const struct peer_address *b)
{
    return a->bytes == b->bytes && memcmp(&a->address, &b->address, a->bytes) == 0;
}

/* Reads only what the loop's thread alone changes. */
static struct address *find(struct address *const *set, unsigned count, const struct peer_address *peer)
{
    for (unsigned i = 0; i < count; i++)
        if (same_peer(&set[i]->peer, peer))
            return set[i];
    return NULL;
}

static void address_free(struct address *address)
{
    pool_trace_address_gone(address->id);
    free(address);
}

static bool in_set(struct address *const *set, unsigned count, const struct address *address)
{
    for (unsigned i = 0; i < count; i++)
        if (set[i] == address)
            return true;
    return false;
}

static void retire_locked(struct address *address)
{
    struct evpool_name *name = address->name;
    if (address->state == ADDRESS_ejected || address->state == ADDRESS_probing)
        name->ejected--;
    ready_remove_locked(address);
    address->state = ADDRESS_retired;
    list_push_back(&name->retired, &address->place);
    while (!list_empty(&address->lendable)) {
        struct evpool_conn *conn = LIST_OF(address->lendable.next, struct evpool_conn, place);
        if (users_locked(conn) == 0)
            close_locked(conn, EVPOOL_CLOSED_evicted);
        else
            unlend_locked(conn);
    }
}

static void retire_all_but_locked(struct evpool_name *name, struct address *const *kept, unsigned count)
{
    for (unsigned i = 0; i < name->addresses_count; i++)
        if (!in_set(kept, count, name->addresses[i]))
            retire_locked(name->addresses[i]);
}

void addresses_drop_locked(struct evpool_name *name)
{
    retire_all_but_locked(name, NULL, 0);
    name->addresses_count = 0;
}

/* Known addresses are kept as they are; new ones are made. Returns how many: 0 only without memory. */
static unsigned gather(struct evpool_name *name, const struct resolver_answer *answer, struct address **set)
{
    const bool slow = name->addresses_count > 0;
    unsigned count = 0;
    for (unsigned i = 0; i < answer->count && count < RESOLVER_ADDRESSES_MAX; i++) {
        const struct peer_address *peer = &answer->addresses[i];
        if (find(set, count, peer))
            continue;
        struct address *address = find(name->addresses, name->addresses_count, peer);
        if (!address)
            address = address_new(name, peer, slow);
        if (!address)
            break;
        set[count++] = address;
    }
    return count;
}

int addresses_update(struct evpool_name *name, const struct resolver_answer *answer)
{
    struct address **set = calloc(2 * (size_t)answer->count, sizeof *set); /* and those that are ready behind them */
    if (!set)
        return -ENOMEM;
    const unsigned count = gather(name, answer, set);
    if (count == 0) {
        free(set);
        return -ENOMEM;
    }
    bool fresh[RESOLVER_ADDRESSES_MAX];
    for (unsigned i = 0; i < count; i++)
        fresh[i] = !in_set(name->addresses, name->addresses_count, set[i]);
    pool_lock(name->pool);
    struct address **old = name->addresses;
    retire_all_but_locked(name, set, count);
    struct address **ready = set + answer->count;
    for (unsigned i = 0; i < name->ready_count; i++)
        ready[i] = name->ready[i];
    name->addresses = set;
    name->ready = ready;
    name->addresses_count = count;
    pool_unlock(name->pool);
    free(old);
    for (unsigned i = 0; i < count; i++)
        if (fresh[i])
            step_address_added(set[i]);
    addresses_reap(name);
    work_post(name->pool);
    return 0;
}

void addresses_reap(struct evpool_name *name)
{
    struct list gone;
    list_init(&gone);
    pool_lock(name->pool);
    for (struct list *at = name->retired.next, *next; at != &name->retired; at = next) {
        struct address *address = LIST_OF(at, struct address, place);
        next = at->next;
        if (address->count > 0 || address->holds > 0)
            continue;
        list_del(at);
        list_push_back(&gone, at);
    }
    pool_unlock(name->pool);
    struct list *at;
    while ((at = list_pop(&gone)))
        address_free(LIST_OF(at, struct address, place));
}
