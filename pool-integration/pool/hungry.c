/* SPDX-License-Identifier: ISC
 *
 * Which name gets the next connection. Names that want one stand in a line and take turns, one connection at a time, so that none
 * can take all of the pool's places. No more connections are made at once than there are waiters and places to keep warm.
 */
#include "internal.h"

enum consideration { CONSIDER_nothing, CONSIDER_blocked, CONSIDER_starved, CONSIDER_start };

void hungry_locked(struct evpool_name *name)
{
    if (list_empty(&name->hungry))
        list_push_back(&name->pool->hungry, &name->hungry);
}

unsigned need_locked(const struct evpool_name *name, uint64_t now)
{
    const struct evpool_options *options = &name->pool->options;
    unsigned want = name->waiting / options->shared + (name->waiting % options->shared != 0);
    if (name->refs > 0 && name->idle < options->min_idle && now >= name->warm_ns)
        want += options->min_idle - name->idle;
    return want > name->pending ? want - name->pending : 0;
}

/* ---- fairness ---- */

static bool deserves_more(const struct evpool_name *other, const struct evpool_name *own)
{
    if (other == own || other->waiting == 0 || other->pending > 0 || other->count >= own->pool->options.max_per_name)
        return false;
    if (own->count > other->count + 1)
        return true;
    return other->count == 0 && (!own->first || other->first->began_ns < own->first->began_ns);
}

bool starving_locked(const struct evpool_name *own)
{
    const struct evpool *pool = own->pool;
    if (pool->count < pool->options.max_total || pool->leaving > 0)
        return false; /* there is room, or will be at once */
    for (const struct list *at = pool->hungry.next; at != &pool->hungry; at = at->next)
        if (deserves_more(LIST_OF(at, struct evpool_name, hungry), own))
            return true;
    return false;
}

/* The idle connection that was unused for longest at an address. */
static struct evpool_conn *oldest_idle(const struct address *address)
{
    for (struct list *at = address->lendable.prev; at != &address->lendable; at = at->prev) {
        struct evpool_conn *conn = LIST_OF(at, struct evpool_conn, place);
        if (users_locked(conn) == 0)
            return conn;
    }
    return NULL;
}

static struct evpool_conn *victim_of_locked(const struct evpool_name *name, bool only_ejected)
{
    for (unsigned i = 0; i < name->ready_count; i++) {
        const struct address *address = name->ready[i];
        const bool out = address->state == ADDRESS_ejected || address->state == ADDRESS_probing;
        struct evpool_conn *conn = only_ejected && !out ? NULL : oldest_idle(address);
        if (conn)
            return conn;
    }
    return NULL;
}

/* An idle connection that makes room for one of this name: of its own at an address that is out, or of the name with most to spare. */
static bool evict_locked(const struct evpool_name *for_name, bool own_only)
{
    const struct evpool *pool = for_name->pool;
    struct evpool_conn *victim = victim_of_locked(for_name, true);
    const struct evpool_name *richest = NULL;
    for (struct list *at = pool->names.next; !victim && !own_only && at != &pool->names; at = at->next) {
        const struct evpool_name *name = LIST_OF(at, struct evpool_name, place);
        if (name != for_name && name->idle > 0 && (!richest || name->idle > richest->idle))
            richest = name;
    }
    if (richest)
        victim = victim_of_locked(richest, false);
    if (victim)
        close_locked(victim, EVPOOL_CLOSED_evicted);
    return victim != NULL;
}

void evict_for(const struct evpool_name *name)
{
    struct evpool *pool = name->pool;
    pool_lock(pool);
    const bool evicted = evict_locked(name, false);
    pool_unlock(pool);
    if (evicted)
        work_post(pool);
}

/* ---- one name's turn ---- */

static bool wants_probe_locked(const struct evpool_name *name)
{
    if (name->ejected == 0 || (name->count == 0 && name->waiting == 0) || name->refs == 0)
        return false;
    for (unsigned i = 0; i < name->addresses_count; i++)
        if (name->addresses[i]->state == ADDRESS_probing && !name->addresses[i]->probe)
            return true;
    return false;
}

static enum why why_locked(const struct evpool_name *name, unsigned need)
{
    if (need == 0)
        return WHY_probe;
    return name->waiting > name->pending ? WHY_waiter : WHY_min_idle;
}

struct turn {
    enum why why;
    struct address *chosen; /* NULL: addresses are not known yet */
    bool evicted;
};

/* Reserves the place of a connection that is to be made. */
static enum consideration consider_locked(struct evpool_name *name, uint64_t now, struct turn *turn)
{
    struct evpool *pool = name->pool;
    const unsigned need = need_locked(name, now);
    if (pool->closed || (need == 0 && !wants_probe_locked(name)))
        return CONSIDER_nothing;
    turn->why = why_locked(name, need);
    if (name->count >= pool->options.max_per_name) {
        turn->evicted = need > 0 && pool->leaving == 0 && evict_locked(name, true);
        return CONSIDER_blocked;
    }
    if (pool->count >= pool->options.max_total) {
        if (need == 0)
            return CONSIDER_blocked;
        turn->evicted = pool->leaving == 0 && evict_locked(name, turn->why != WHY_waiter);
        return turn->why == WHY_waiter ? CONSIDER_starved : CONSIDER_blocked;
    }
    turn->chosen = name->watching ? spread_connect_locked(name, now) : NULL;
    if (!turn->chosen && name->watching && name->addresses_count > 0)
        return CONSIDER_blocked; /* all its addresses are full */
    if (turn->why == WHY_probe && (!turn->chosen || turn->chosen->state != ADDRESS_probing))
        return CONSIDER_blocked;
    name->count++;
    name->pending++;
    pool->count++;
    if (turn->chosen)
        choose_locked(turn->chosen);
    return CONSIDER_start;
}

void hungry_run(struct evpool *pool)
{
    struct list starved, *at;
    bool evicted = false;
    list_init(&starved);
    const uint64_t now = evloop_now_ns(pool->loop);
    for (;;) {
        struct turn turn = {0};
        pool_lock(pool);
        at = list_pop(&pool->hungry);
        if (!at)
            list_splice(&pool->hungry, &starved);
        pool_unlock(pool);
        if (!at)
            break;
        struct evpool_name *name = LIST_OF(at, struct evpool_name, hungry);
        name_clear_due(name);
        pool_lock(pool);
        const enum consideration what = consider_locked(name, now, &turn);
        if (what == CONSIDER_start)
            hungry_locked(name);
        else if (what == CONSIDER_starved && list_empty(&name->hungry))
            list_push_back(&starved, &name->hungry);
        pool_unlock(pool);
        evicted |= turn.evicted;
        if (what == CONSIDER_start)
            establish_start(name, turn.chosen, turn.why);
        else
            name_timer_set(name);
        if (what == CONSIDER_nothing)
            name_rest(name);
    }
    if (evicted)
        work_post(pool);
}
