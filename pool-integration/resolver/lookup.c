/* SPDX-License-Identifier: ISC
 *
 * A lookup: the hosts file, then DNS for both families and each candidate name; what comes of it, and when it is made again.
 */
#include "lookup.h"
#include "pool_trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define RESOLUTION_DELAY_NS UINT64_C(50000000) /* RFC 8305 section 3: for the other family's answer */
#define REFRESH_MIN_NS (SECOND_NS / 2)         /* also with a TTL of 0 */
#define HOSTS_CHECK_NS (5 * SECOND_NS)         /* of names that are watched */

enum { REFRESH_PERCENT = 80, RETRY_MAX_SHIFT = 5 };

/* ---- what is known ---- */

/* Whether the hosts file, if it has changed, still says nothing against what is known. */
static bool hosts_agree(struct resolver_entry *entry)
{
    struct address_list list = {0};
    const unsigned generation = hosts_refresh(&entry->resolver->hosts);
    if (generation == entry->hosts_generation)
        return true;
    const bool there = hosts_find(&entry->resolver->hosts, entry->host, &list) != 0;
    address_list_free(&list);
    if (there || entry->source == RESOLVER_HOSTS)
        return false;
    entry->hosts_generation = generation;
    return true;
}

bool lookup_fresh(struct resolver_entry *entry)
{
    return entry->known &&
           (is_static(entry) || (entry->expires_ns > evloop_now_ns(entry->resolver->loop) && hosts_agree(entry)));
}

uint32_t lookup_ttl_left_s(const struct resolver_entry *entry)
{
    const uint64_t now_ns = evloop_now_ns(entry->resolver->loop);
    if (is_static(entry))
        return entry->ttl_s;
    return entry->expires_ns > now_ns ? (uint32_t)((entry->expires_ns - now_ns + SECOND_NS - 1) / SECOND_NS) : 0;
}

/* ---- after a lookup ---- */

static void look_on(struct resolver_entry *entry);

static void refresh(struct evloop_timer *timer)
{
    struct resolver_entry *entry = (struct resolver_entry *)((char *)timer - offsetof(struct resolver_entry, timer));
    lookup_start(entry, 0, entry->watches.next->name_id);
}

/* When a watched entry is looked up again. Without memory for the timer: at the next lookup of somebody. */
void lookup_plan_refresh(struct resolver_entry *entry)
{
    struct evloop *loop = entry->resolver->loop;
    const uint64_t now_ns = evloop_now_ns(loop);
    if (!watched(entry) || entry->looking || is_static(entry)) {
        if (!entry->looking)
            evloop_timer_stop(loop, &entry->timer);
        return;
    }
    uint64_t at_ns = now_ns + (SECOND_NS << (entry->failures < RETRY_MAX_SHIFT ? entry->failures : RETRY_MAX_SHIFT));
    if (!entry->failures && entry->source == RESOLVER_HOSTS)
        at_ns = now_ns + HOSTS_CHECK_NS;
    else if (!entry->failures)
        at_ns = entry->expires_ns - (uint64_t)entry->ttl_s * (SECOND_NS / 100) * (100 - REFRESH_PERCENT);
    evloop_timer_start(loop, &entry->timer, at_ns > now_ns + REFRESH_MIN_NS ? at_ns : now_ns + REFRESH_MIN_NS, refresh);
}

static uint32_t queries_count(const struct resolver_entry *entry)
{
    uint32_t count = 0;
    for (const struct resolver_query *query = entry->queries.next; query != &entry->queries; query = query->next)
        count++;
    return count;
}

static void end_lookup(struct resolver_entry *entry, enum evpool_code code, enum resolver_source source)
{
    const uint32_t waiting = queries_count(entry);
    entry->looking = false;
    entry->took_ns = evloop_update_now(entry->resolver->loop) - entry->began_ns;
    evloop_timer_stop(entry->resolver->loop, &entry->timer);
    const bool ok = code == EVPOOL_OK;
    pool_trace_resolve_end(entry->span, (int)code, ok ? entry->list.count : 0, ok ? entry->ttl_s : 0,
                           waiting > 1 ? waiting - 1 : 0, (int)source);
    lookup_plan_refresh(entry);
    resolver_make_due(entry, source);
}

static uint32_t bounded_ttl(const struct resolver *resolver, uint32_t ttl_s)
{
    if (ttl_s < resolver->options.ttl_min_s)
        return resolver->options.ttl_min_s;
    return ttl_s < resolver->options.ttl_max_s ? ttl_s : resolver->options.ttl_max_s;
}

/* Takes `found` over. */
static void set_addresses(struct resolver_entry *entry, struct address_list *found, enum resolver_source source,
                          uint32_t ttl_s)
{
    address_list_interleave(found);
    entry->changed |= !address_list_same(&entry->list, found);
    address_list_free(&entry->list);
    entry->list = *found;
    *found = (struct address_list){0};
    entry->source = source;
    entry->code = EVPOOL_OK;
    entry->text = NULL;
    entry->ttl_s = ttl_s;
    entry->expires_ns = evloop_now_ns(entry->resolver->loop) + ttl_s * SECOND_NS;
    entry->hosts_generation = entry->resolver->hosts.generation;
    entry->known = true;
    entry->failures = 0;
}

static void lookup_found(struct resolver_entry *entry, enum resolver_source source, uint32_t ttl_s)
{
    evloop_update_now(entry->resolver->loop);
    set_addresses(entry, &entry->found, source, ttl_s);
    end_lookup(entry, EVPOOL_OK, source);
}

/* What is watched keeps its old addresses, though they are no longer fresh. */
static void lookup_failed(struct resolver_entry *entry, enum evpool_code code, const char *text)
{
    entry->failures++;
    if (!watched(entry) || !entry->list.count) {
        const uint32_t ttl_s = code == EVPOOL_ERROR_resolve_none ? entry->resolver->options.negative_ttl_s : 0;
        address_list_free(&entry->list);
        entry->code = code;
        entry->text = text;
        entry->source = RESOLVER_DNS;
        entry->ttl_s = ttl_s;
        entry->expires_ns = evloop_update_now(entry->resolver->loop) + ttl_s * SECOND_NS;
        entry->hosts_generation = entry->resolver->hosts.generation;
        entry->known = true;
    }
    end_lookup(entry, code, RESOLVER_DNS);
}

/* ---- a lookup ---- */

void lookup_forget_questions(struct resolver_entry *entry)
{
    for (int i = 0; i < 2; i++) {
        dns_forget(entry->questions[i]);
        entry->questions[i] = NULL;
    }
}

/* The time is over: of the lookup, or for the second family to come in. */
static void lookup_timer(struct evloop_timer *timer)
{
    struct resolver_entry *entry = (struct resolver_entry *)((char *)timer - offsetof(struct resolver_entry, timer));
    if (entry->found.count) {
        lookup_found(entry, RESOLVER_DNS, bounded_ttl(entry->resolver, entry->found_ttl_s));
        return;
    }
    lookup_forget_questions(entry);
    lookup_failed(entry, EVPOOL_ERROR_resolve_timeout, "no answer in time");
}

/* The second family's answer after the first was told. */
static void late_answer(struct resolver_entry *entry, const struct dns_result *result)
{
    struct address_list all = {0};
    int error = 0;
    for (unsigned i = 0; i < entry->list.count && error == 0; i++)
        error = address_list_add(&all, &entry->list.items[i]);
    for (unsigned i = 0; i < result->count && error == 0; i++)
        error = address_list_add(&all, &result->addresses[i]);
    if (error == 0 && result->count && entry->code == EVPOOL_OK && entry->source == RESOLVER_DNS) {
        const uint32_t ttl_s = bounded_ttl(entry->resolver, result->ttl_s);
        set_addresses(entry, &all, RESOLVER_DNS, ttl_s < entry->ttl_s ? ttl_s : entry->ttl_s);
        lookup_plan_refresh(entry);
        resolver_make_due(entry, RESOLVER_DNS);
    }
    address_list_free(&all);
}

/* A failure says more than the absence of addresses, which says more than nothing. */
static bool worse(const struct dns_result *a, const struct dns_result *b)
{
    return b->code == EVPOOL_OK || (b->code == EVPOOL_ERROR_resolve_none && (a->code != b->code || a->no_name));
}

static int take_addresses(struct resolver_entry *entry, const struct dns_result *result)
{
    for (unsigned i = 0; i < result->count; i++)
        if (address_list_add(&entry->found, &result->addresses[i]) < 0)
            return -ENOMEM;
    if (result->ttl_s < entry->found_ttl_s)
        entry->found_ttl_s = result->ttl_s;
    return 0;
}

static void answered(void *arg, int family, const struct dns_result *result)
{
    struct resolver_entry *entry = arg;
    entry->questions[family == AF_INET] = NULL;
    if (!entry->looking) {
        late_answer(entry, result);
        return;
    }
    static const struct dns_result no_memory = {.code = EVPOOL_ERROR_memory, .text = "no memory"};
    if (result->code == EVPOOL_OK && take_addresses(entry, result) < 0)
        result = &no_memory;
    if (result->code != EVPOOL_OK && worse(result, &entry->worst))
        entry->worst = *result;
    if (!entry->asking) /* else from within ask_next(), whose caller looks on */
        look_on(entry);
}

/* The next name of the row. -ENOENT: that was all. */
static int ask_next(struct resolver_entry *entry)
{
    static const int families[2] = {AF_INET6, AF_INET};
    char name[2 * NAME_MAX_BYTES + 2];
    if (dns_candidate(entry->resolver->dns, entry->host, entry->candidate, name, sizeof(name)) < 0)
        return -ENOENT;
    entry->candidate++;
    entry->worst = (struct dns_result){0};
    entry->asking = true;
    int error = 0;
    for (int i = 0; i < 2 && error == 0; i++)
        error = dns_ask(entry->resolver->dns, name, families[i], answered, entry, &entry->questions[i]);
    entry->asking = false;
    return error;
}

static void give_up(struct resolver_entry *entry, int error)
{
    lookup_forget_questions(entry);
    if (error == -ENOMEM)
        lookup_failed(entry, EVPOOL_ERROR_memory, "no memory");
    else if (entry->worst.code == EVPOOL_OK)
        lookup_failed(entry, EVPOOL_ERROR_resolve_none, "not a valid name");
    else
        lookup_failed(entry, entry->worst.code, entry->worst.text);
}

/* The other family gets a moment, no more. */
static void hurry(struct resolver_entry *entry)
{
    const uint64_t at_ns = evloop_update_now(entry->resolver->loop) + RESOLUTION_DELAY_NS;
    if (!entry->hurried && at_ns < entry->timer.deadline_ns)
        evloop_timer_start(entry->resolver->loop, &entry->timer, at_ns, lookup_timer);
    entry->hurried = true;
}

static void look_on(struct resolver_entry *entry)
{
    while (!entry->questions[0] && !entry->questions[1]) {
        if (entry->found.count) {
            lookup_found(entry, RESOLVER_DNS, bounded_ttl(entry->resolver, entry->found_ttl_s));
            return;
        }
        const bool failed = entry->worst.code != EVPOOL_OK && entry->worst.code != EVPOOL_ERROR_resolve_none;
        const int error = failed ? -ENOENT : ask_next(entry);
        if (error < 0) {
            give_up(entry, error);
            return;
        }
    }
    if (entry->found.count)
        hurry(entry);
}

/* RFC 6761 section 6.3. */
static bool is_localhost(const char *host)
{
    const size_t length = strlen(host), own = strlen("localhost");
    return length >= own && strcmp(host + length - own, "localhost") == 0 &&
           (length == own || host[length - own - 1] == '.');
}

/* Without asking anybody. 1: found; 0: not; -ENOMEM. */
static int look_nearby(struct resolver_entry *entry)
{
    struct host_address loopback[2];
    hosts_refresh(&entry->resolver->hosts);
    const int found = hosts_find(&entry->resolver->hosts, entry->host, &entry->found);
    if (found != 0 || !is_localhost(entry->host))
        return found < 0 ? found : found > 0;
    address_parse("::1", &loopback[0]);
    address_parse("127.0.0.1", &loopback[1]);
    if (address_list_add(&entry->found, &loopback[0]) < 0 || address_list_add(&entry->found, &loopback[1]) < 0)
        return -ENOMEM;
    return 1;
}

/* With the system's settings as they are now. If that fails, with those that were. */
static void renew_dns(struct resolver *resolver)
{
    struct dns *dns;
    if (!dns_outdated(resolver->dns) || dns_new(&dns, resolver->loop, &resolver->options) < 0)
        return;
    dns_free(resolver->dns);
    resolver->dns = dns;
}

void lookup_start(struct resolver_entry *entry, uint64_t parent_span, uint64_t name_id)
{
    struct resolver *resolver = entry->resolver;
    lookup_forget_questions(entry); /* a late one of the last lookup */
    address_list_free(&entry->found);
    entry->looking = true;
    entry->hurried = false;
    entry->candidate = 0;
    entry->found_ttl_s = UINT32_MAX;
    entry->worst = (struct dns_result){0};
    entry->began_ns = evloop_update_now(resolver->loop);
    entry->span = pool_trace_span();
    pool_trace_resolve_begin(entry->span, parent_span, name_id, entry->host);
    renew_dns(resolver);
    const int nearby = look_nearby(entry);
    if (nearby < 0)
        give_up(entry, nearby);
    else if (nearby)
        lookup_found(entry, RESOLVER_HOSTS, resolver->options.ttl_max_s);
    else if (evloop_timer_start(resolver->loop, &entry->timer, entry->began_ns + resolver->options.timeout_ns,
                                lookup_timer) < 0)
        give_up(entry, -ENOMEM);
    else
        look_on(entry);
}
