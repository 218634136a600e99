/* SPDX-License-Identifier: ISC
 *
 * Which of a name's addresses is next: for a connection that is lent, among those with one that is free; for a new one, among those with
 * room. Addresses that start slowly get a share that grows with their time. All with the lock held.
 */
#include "internal.h"

enum { WEIGHT_FULL = 1024, WEIGHT_LEAST = 64 };

struct choice {
    struct evpool_name *name;
    struct address *const *set;
    unsigned count;
    bool connect; /* for a new connection */
    bool anyway;  /* ejected ones too: all are */
    uint64_t now;
};

static bool eligible(const struct choice *choice, const struct address *address)
{
    if (choice->connect && address->count >= choice->name->pool->options.max_per_address)
        return false;
    return choice->anyway || (address->state != ADDRESS_ejected && address->state != ADDRESS_probing);
}

/* Of WEIGHT_FULL. */
static unsigned weight(const struct choice *choice, const struct address *address)
{
    if (address->state != ADDRESS_slow_start)
        return WEIGHT_FULL;
    const uint64_t whole = choice->name->pool->options.slow_start_ns;
    const uint64_t part = time_since(choice->now, address->slow_ns);
    if (part >= whole)
        return WEIGHT_FULL;
    const unsigned share = (unsigned)((double)part / (double)whole * WEIGHT_FULL);
    return share > WEIGHT_LEAST ? share : WEIGHT_LEAST;
}

/* The fewer the better; in proportion to the weight. */
static uint64_t load(const struct choice *choice, const struct address *address)
{
    const uint64_t users = choice->connect ? address->count : address->users;
    return (users + 1) * WEIGHT_FULL / weight(choice, address);
}

/* In turn from `start`: an address that starts slowly is passed over as often as its share says. ret_place: of it. */
static struct address *first_from(const struct choice *choice, unsigned start, unsigned *ret_place)
{
    struct address *passed = NULL;
    for (unsigned i = 0; i < choice->count; i++) {
        const unsigned place = (start + i) % choice->count;
        struct address *address = choice->set[place];
        if (!eligible(choice, address))
            continue;
        const unsigned share = weight(choice, address);
        const bool now = share == WEIGHT_FULL || random_locked(choice->name->pool) % WEIGHT_FULL < share;
        if (now || !passed)
            *ret_place = place;
        if (now)
            return address;
        if (!passed)
            passed = address;
    }
    return passed;
}

/* The next begins behind the one that was taken: else whoever comes after one that is left out had its share, too. */
static struct address *in_turn(const struct choice *choice)
{
    unsigned place = 0;
    struct address *address = first_from(choice, choice->name->turn % choice->count, &place);
    choice->name->turn = place + 1;
    return address;
}

static struct address *at_random(const struct choice *choice)
{
    unsigned able = 0, place = 0;
    for (unsigned i = 0; i < choice->count; i++)
        able += eligible(choice, choice->set[i]);
    if (able == 0)
        return NULL;
    for (unsigned left = (unsigned)(random_locked(choice->name->pool) % able);; place++)
        if (eligible(choice, choice->set[place]) && left-- == 0)
            return first_from(choice, place, &place);
}

static struct address *emptiest_from(const struct choice *choice, unsigned start)
{
    struct address *best = NULL;
    uint64_t best_load = 0;
    for (unsigned i = 0; i < choice->count; i++) {
        struct address *address = choice->set[(start + i) % choice->count];
        if (!eligible(choice, address))
            continue;
        const uint64_t own = load(choice, address);
        if (!best || own < best_load) {
            best = address;
            best_load = own;
        }
    }
    return best;
}

static struct address *emptier_of_two(const struct choice *choice)
{
    struct evpool *pool = choice->name->pool;
    const unsigned first = (unsigned)(random_locked(pool) % choice->count);
    const unsigned second = (first + 1 + (unsigned)(random_locked(pool) % (choice->count - 1))) % choice->count;
    struct address *a = choice->set[first], *b = choice->set[second];
    const bool a_can = eligible(choice, a), b_can = eligible(choice, b);
    if (a_can && b_can)
        return load(choice, a) <= load(choice, b) ? a : b;
    if (a_can || b_can)
        return a_can ? a : b;
    return at_random(choice);
}

static struct address *choose(const struct choice *choice)
{
    struct evpool_name *name = choice->name;
    if (choice->count == 1)
        return eligible(choice, choice->set[0]) ? choice->set[0] : NULL;
    switch (name->pool->options.spread) {
    case EVPOOL_SPREAD_least_connections:
        return emptiest_from(choice, name->turn++ % choice->count);
    case EVPOOL_SPREAD_two_choices:
        return emptier_of_two(choice);
    case EVPOOL_SPREAD_random:
        return at_random(choice);
    case EVPOOL_SPREAD_round_robin:
        break;
    }
    return in_turn(choice);
}

/* Kept out of the fast path: most names have one address that is ready. */
static __attribute__((noinline)) struct address *ready_among(struct evpool_name *name, uint64_t now)
{
    const struct choice choice = {.name = name,
                                  .set = name->ready,
                                  .count = name->ready_count,
                                  .anyway = name->ejected == name->addresses_count,
                                  .now = now};
    return choose(&choice);
}

struct address *spread_ready_locked(struct evpool_name *name, uint64_t now)
{
    if (name->ready_count == 0)
        return NULL;
    if (name->ready_count == 1 && name->ejected == 0)
        return name->ready[0];
    return ready_among(name, now);
}

/* One whose time is over is tried first, by one connector at once. */
static struct address *due_for_probe(const struct choice *choice)
{
    if (choice->name->ejected == 0)
        return NULL;
    const unsigned most = choice->name->pool->options.max_per_address;
    for (unsigned i = 0; i < choice->count; i++) {
        struct address *address = choice->set[i];
        if (address->state == ADDRESS_probing && !address->probe && address->count < most)
            return address;
    }
    return NULL;
}

static struct choice connecting(struct evpool_name *name, uint64_t now)
{
    return (struct choice){.name = name,
                           .set = name->addresses,
                           .count = name->addresses_count,
                           .connect = true,
                           .anyway = name->ejected == name->addresses_count,
                           .now = now};
}

struct address *spread_connect_locked(struct evpool_name *name, uint64_t now)
{
    if (name->addresses_count == 0)
        return NULL;
    const struct choice choice = connecting(name, now);
    struct address *probe = due_for_probe(&choice);
    return probe ? probe : choose(&choice);
}

static unsigned place_of(const struct evpool_name *name, const struct address *address)
{
    for (unsigned i = 0; i < name->addresses_count; i++)
        if (name->addresses[i] == address)
            return i;
    return 0;
}

/* The chosen one first, then the others in turn behind it, families in alternation (RFC 8305, section 4). */
unsigned spread_targets_locked(struct evpool_name *name, struct address *first, struct address **ret_targets,
                               unsigned max)
{
    const struct choice choice = connecting(name, 0);
    const unsigned start = place_of(name, first) + 1;
    unsigned count = 0, at[2] = {0, 0}; /* how far each family was looked at */
    const int family = first->peer.address.ss_family;
    ret_targets[count++] = first;
    for (unsigned turn = 0; count < max && (at[0] < choice.count || at[1] < choice.count); turn ^= 1) {
        const bool other = turn == 0;
        while (at[turn] < choice.count) {
            struct address *address = choice.set[(start + at[turn]++) % choice.count];
            if (address == first || (address->peer.address.ss_family != family) != other || !eligible(&choice, address))
                continue;
            ret_targets[count++] = address;
            break;
        }
    }
    return count;
}
