/* SPDX-License-Identifier: ISC
 *
 * The resolver: queries and watches join a host's entry; a lookup fills it; what is known is told in the loop's next iteration,
 * never from within a call.
 */
#include "resolver.h"

#include "address.h"
#include "cache.h"
#include "dns.h"
#include "hosts.h"
#include "pool_trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define RESOLUTION_DELAY_NS UINT64_C(50000000) /* RFC 8305 section 3: for the other family's answer */
#define REFRESH_MIN_NS (SECOND_NS / 2)         /* also with a TTL of 0 */
#define HOSTS_CHECK_NS (5 * SECOND_NS)         /* of names that are watched */

enum { NAME_MAX_BYTES = 253, REFRESH_PERCENT = 80, RETRY_MAX_SHIFT = 5 };

/* By which the loop calls us; outlives a resolver that is freed while it is posted. */
struct mail {
    struct evloop_post post;
    struct resolver *resolver;
};

struct resolver {
    struct evloop *loop;
    struct resolver_options options;
    struct dns *dns;
    struct hosts hosts;
    char *hosts_path;
    struct cache cache;
    struct resolver_entry *due, **due_end;
    struct resolver_query no_memory, no_name; /* heads: queries that have no entry */
    struct mail *mail;
    struct peer_address scratch[RESOLVER_ADDRESSES_MAX];
    char text[200];
};

/* ---- what is known ---- */

static bool is_static(const struct resolver_entry *entry)
{
    return entry->source == RESOLVER_LITERAL || entry->source == RESOLVER_UNIX;
}

static bool watched(const struct resolver_entry *entry)
{
    return entry->watches.next != &entry->watches;
}

static void post(struct resolver *resolver)
{
    evloop_post(resolver->loop, &resolver->mail->post);
}

static void make_due(struct resolver_entry *entry, enum resolver_source source)
{
    struct resolver *resolver = entry->resolver;
    entry->due_source = source;
    if (entry->due)
        return;
    entry->due = true;
    entry->due_next = NULL;
    *resolver->due_end = entry;
    resolver->due_end = &entry->due_next;
    post(resolver);
}

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

static bool fresh(struct resolver_entry *entry)
{
    return entry->known &&
           (is_static(entry) || (entry->expires_ns > evloop_now_ns(entry->resolver->loop) && hosts_agree(entry)));
}

static uint32_t ttl_left_s(const struct resolver_entry *entry)
{
    const uint64_t now_ns = evloop_now_ns(entry->resolver->loop);
    if (is_static(entry))
        return entry->ttl_s;
    return entry->expires_ns > now_ns ? (uint32_t)((entry->expires_ns - now_ns + SECOND_NS - 1) / SECOND_NS) : 0;
}

/* ---- after a lookup ---- */

static void start_lookup(struct resolver_entry *entry, uint64_t parent_span, uint64_t name_id);
static void look_on(struct resolver_entry *entry);

static void refresh(struct evloop_timer *timer)
{
    struct resolver_entry *entry = (struct resolver_entry *)((char *)timer - offsetof(struct resolver_entry, timer));
    start_lookup(entry, 0, entry->watches.next->name_id);
}

/* When a watched entry is looked up again. Without memory for the timer: at the next lookup of somebody. */
static void plan_refresh(struct resolver_entry *entry)
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
    pool_trace_resolve_end(entry->span, (int)code, entry->list.count, entry->ttl_s, waiting > 1 ? waiting - 1 : 0,
                           (int)source);
    plan_refresh(entry);
    make_due(entry, source);
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

static void forget_questions(struct resolver_entry *entry)
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
    forget_questions(entry);
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
        plan_refresh(entry);
        make_due(entry, RESOLVER_DNS);
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
    forget_questions(entry);
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

static void start_lookup(struct resolver_entry *entry, uint64_t parent_span, uint64_t name_id)
{
    struct resolver *resolver = entry->resolver;
    forget_questions(entry); /* a late one of the last lookup */
    address_list_free(&entry->found);
    entry->looking = true;
    entry->hurried = false;
    entry->candidate = 0;
    entry->found_ttl_s = UINT32_MAX;
    entry->worst = (struct dns_result){0};
    entry->began_ns = evloop_update_now(resolver->loop);
    entry->span = pool_trace_span();
    pool_trace_resolve_begin(entry->span, parent_span, name_id, entry->host);
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

/* ---- telling ---- */

static unsigned fill_addresses(struct resolver *resolver, const struct resolver_entry *entry, uint16_t port)
{
    if (entry->path) {
        resolver->scratch[0] = *entry->path;
        return 1;
    }
    for (unsigned i = 0; i < entry->list.count; i++)
        resolver->scratch[i] = address_with_port(&entry->list.items[i], port);
    return entry->list.count;
}

static struct resolver_answer make_answer(struct resolver *resolver, const struct resolver_entry *entry, uint16_t port)
{
    struct resolver_answer answer = {.code = entry->code,
                                     .source = entry->due_source,
                                     .addresses = resolver->scratch,
                                     .count = fill_addresses(resolver, entry, port),
                                     .ttl_s = ttl_left_s(entry),
                                     .took_ns = entry->due_source == RESOLVER_DNS ? entry->took_ns : 0};
    if (entry->code != EVPOOL_OK) {
        snprintf(resolver->text, sizeof(resolver->text), "%s (%s)", entry->text, dns_servers(resolver->dns));
        answer.text = resolver->text;
    }
    return answer;
}

static void unlink_query(struct resolver_query *query)
{
    query->prev->next = query->next;
    query->next->prev = query->prev;
    query->next = query->prev = NULL;
    query->entry = NULL;
}

static void link_query(struct resolver_query *head, struct resolver_query *query)
{
    query->prev = head->prev;
    query->next = head;
    head->prev->next = query;
    head->prev = query;
}

/* Callbacks may add queries, which are for the next time, and cancel others. */
static void tell_queries(struct resolver *resolver, struct resolver_entry *entry)
{
    struct resolver_query now = {.next = &now, .prev = &now};
    while (entry->queries.next != &entry->queries) {
        struct resolver_query *query = entry->queries.next;
        unlink_query(query);
        query->entry = entry;
        link_query(&now, query);
    }
    while (now.next != &now) {
        struct resolver_query *query = now.next;
        unlink_query(query);
        const struct resolver_answer answer = make_answer(resolver, entry, query->port);
        query->call(query, &answer);
    }
}

static void tell_watches(struct resolver *resolver, struct resolver_entry *entry)
{
    struct resolver_watch now = {.next = &now, .prev = &now};
    if (!watched(entry))
        return;
    now.next = entry->watches.next;
    now.prev = entry->watches.prev;
    now.next->prev = now.prev->next = &now;
    entry->watches.next = entry->watches.prev = &entry->watches;
    while (now.next != &now) {
        struct resolver_watch *watch = now.next;
        now.next = watch->next;
        now.next->prev = &now;
        watch->prev = entry->watches.prev;
        watch->next = &entry->watches;
        watch->prev->next = entry->watches.prev = watch;
        const struct resolver_answer answer = make_answer(resolver, entry, watch->port);
        watch->call(watch, &answer);
    }
}

static void tell_refused(struct resolver *resolver, struct resolver_query *head, enum evpool_code code,
                         const char *text)
{
    while (head->next != head) {
        struct resolver_query *query = head->next;
        const struct resolver_answer answer = {
            .code = code, .source = RESOLVER_DNS, .addresses = resolver->scratch, .text = text};
        unlink_query(query);
        query->call(query, &answer);
    }
}

static void forget_surplus(struct resolver *resolver)
{
    struct resolver_entry *entry;
    while ((entry = cache_surplus(&resolver->cache))) {
        forget_questions(entry);
        evloop_timer_stop(resolver->loop, &entry->timer);
        cache_remove(&resolver->cache, entry);
    }
}

static void tell(struct evloop_post *posted)
{
    struct mail *mail = (struct mail *)posted;
    struct resolver *resolver = mail->resolver;
    if (!resolver) { /* freed meanwhile */
        free(mail);
        return;
    }
    tell_refused(resolver, &resolver->no_memory, EVPOOL_ERROR_memory, "no memory");
    tell_refused(resolver, &resolver->no_name, EVPOOL_ERROR_resolve_none, "not a valid name");
    struct resolver_entry *due = resolver->due;
    resolver->due = NULL;
    resolver->due_end = &resolver->due;
    while (due) {
        struct resolver_entry *entry = due;
        const bool changed = entry->changed && entry->code == EVPOOL_OK;
        due = entry->due_next;
        entry->changed = false;
        if (changed)
            tell_watches(resolver, entry);
        tell_queries(resolver, entry);
        entry->due = false; /* and so it stayed while we told */
        if ((entry->queries.next != &entry->queries && !entry->looking) || entry->changed)
            make_due(entry, RESOLVER_CACHE);
    }
    forget_surplus(resolver);
}

/* ---- asking ---- */

static bool valid_host(const char *host)
{
    size_t length = 0;
    for (; host[length]; length++)
        if (length >= NAME_MAX_BYTES || (unsigned char)host[length] <= ' ' || host[length] == 0x7f)
            return false;
    return length > 0;
}

/* Literals and paths are known at once. */
static int know_literal(struct resolver_entry *entry)
{
    struct peer_address path;
    struct host_address address;
    if (address_parse_unix(entry->host, &path) > 0) {
        entry->path = malloc(sizeof(*entry->path));
        if (!entry->path)
            return -ENOMEM;
        *entry->path = path;
        entry->source = RESOLVER_UNIX;
    } else if (address_parse(entry->host, &address)) {
        if (address_list_add(&entry->list, &address) < 0)
            return -ENOMEM;
        entry->source = RESOLVER_LITERAL;
    } else {
        return 0;
    }
    entry->known = true;
    entry->code = EVPOOL_OK;
    entry->ttl_s = entry->resolver->options.ttl_max_s;
    return 0;
}

static struct resolver_entry *entry_of(struct resolver *resolver, const char *host)
{
    struct resolver_entry *entry = cache_find(&resolver->cache, host);
    if (entry) {
        if (entry->in_row)
            cache_row_join(&resolver->cache, entry);
        return entry;
    }
    entry = cache_add(&resolver->cache, resolver, host);
    if (entry && know_literal(entry) < 0) {
        cache_remove(&resolver->cache, entry);
        return NULL;
    }
    return entry;
}

static bool nameable(const char *host)
{
    struct peer_address path;
    const int is_path = address_parse_unix(host, &path);
    return is_path ? is_path > 0 : valid_host(host);
}

static void refuse(struct resolver *resolver, struct resolver_query *head, struct resolver_query *query)
{
    link_query(head, query);
    post(resolver);
}

static void trace_known(const struct resolver_entry *entry, const struct resolver_query *query,
                        enum resolver_source source)
{
    const uint64_t span = pool_trace_span();
    pool_trace_resolve_begin(span, query->parent_span, query->name_id, entry->host);
    pool_trace_resolve_end(span, (int)entry->code, entry->path ? 1 : entry->list.count, ttl_left_s(entry), 0,
                           (int)source);
}

void resolver_lookup(struct resolver *resolver, struct resolver_query *query, const char *host, uint16_t port,
                     void (*call)(struct resolver_query *query, const struct resolver_answer *answer))
{
    query->call = call;
    query->port = port;
    query->entry = NULL;
    if (!nameable(host)) {
        refuse(resolver, &resolver->no_name, query);
        return;
    }
    struct resolver_entry *entry = entry_of(resolver, host);
    if (!entry) {
        refuse(resolver, &resolver->no_memory, query);
        return;
    }
    evloop_update_now(resolver->loop);
    link_query(&entry->queries, query);
    query->entry = entry;
    if (entry->due)
        return; /* it is told with those that wait for this */
    if (fresh(entry)) {
        const enum resolver_source source = entry->source == RESOLVER_DNS ? RESOLVER_CACHE : entry->source;
        trace_known(entry, query, source);
        make_due(entry, source);
    } else if (!entry->looking) {
        start_lookup(entry, query->parent_span, query->name_id);
    }
}

void resolver_cancel(struct resolver_query *query)
{
    if (query->next)
        unlink_query(query);
}

int resolver_watch(struct resolver *resolver, struct resolver_watch *watch, const char *host, uint16_t port,
                   void (*call)(struct resolver_watch *watch, const struct resolver_answer *answer))
{
    if (!nameable(host))
        return -EINVAL;
    struct resolver_entry *entry = entry_of(resolver, host);
    if (!entry)
        return -ENOMEM;
    watch->call = call;
    watch->port = port;
    watch->entry = entry;
    watch->prev = entry->watches.prev;
    watch->next = &entry->watches;
    watch->prev->next = entry->watches.prev = watch;
    cache_row_leave(&resolver->cache, entry);
    evloop_update_now(resolver->loop);
    if (!fresh(entry) && !entry->looking)
        start_lookup(entry, 0, watch->name_id);
    else
        plan_refresh(entry);
    return 0;
}

void resolver_unwatch(struct resolver_watch *watch)
{
    struct resolver_entry *entry = watch->entry;
    if (!watch->next)
        return;
    watch->prev->next = watch->next;
    watch->next->prev = watch->prev;
    watch->next = watch->prev = NULL;
    watch->entry = NULL;
    if (watched(entry))
        return;
    cache_row_join(&entry->resolver->cache, entry);
    plan_refresh(entry);
}

void resolver_forget(struct resolver *resolver, const char *host)
{
    struct resolver_entry *entry = cache_find(&resolver->cache, host);
    if (!entry || is_static(entry))
        return;
    entry->expires_ns = 0;
    if (watched(entry) && !entry->looking)
        start_lookup(entry, 0, entry->watches.next->name_id);
}

/* ---- making and ending ---- */

static int copy_options(struct resolver *resolver, const struct resolver_options *options)
{
    resolver->options = *options;
    if (resolver->options.ttl_max_s < resolver->options.ttl_min_s)
        resolver->options.ttl_max_s = resolver->options.ttl_min_s;
    resolver->hosts_path = strdup(options->hosts_file ? options->hosts_file : "/etc/hosts");
    resolver->hosts.path = resolver->hosts_path;
    return resolver->hosts_path ? 0 : -ENOMEM;
}

static int init(struct resolver *resolver, struct evloop *loop, const struct resolver_options *options)
{
    resolver->loop = loop;
    resolver->due_end = &resolver->due;
    resolver->no_memory.next = resolver->no_memory.prev = &resolver->no_memory;
    resolver->no_name.next = resolver->no_name.prev = &resolver->no_name;
    resolver->mail = calloc(1, sizeof(*resolver->mail));
    if (!resolver->mail || cache_init(&resolver->cache) < 0 || copy_options(resolver, options) < 0)
        return -ENOMEM;
    resolver->mail->post.call = tell;
    resolver->mail->resolver = resolver;
    return dns_new(&resolver->dns, loop, options->servers, options->timeout_ns);
}

int resolver_new(struct resolver **ret_resolver, struct evloop *loop, const struct resolver_options *options)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (!resolver)
        return -ENOMEM;
    const int error = init(resolver, loop, options);
    if (error < 0) {
        resolver_free(resolver);
        return error;
    }
    *ret_resolver = resolver;
    return 0;
}

static void end_entry(struct resolver *resolver, struct resolver_entry *entry)
{
    forget_questions(entry);
    evloop_timer_stop(resolver->loop, &entry->timer);
    if (entry->looking)
        pool_trace_resolve_end(entry->span, EVPOOL_ERROR_closed, 0, 0, 0, RESOLVER_DNS);
    while (entry->watches.next != &entry->watches) {
        struct resolver_watch *watch = entry->watches.next;
        watch->next->prev = watch->prev;
        watch->prev->next = watch->next;
        watch->next = watch->prev = NULL;
        watch->entry = NULL;
    }
    tell_refused(resolver, &entry->queries, EVPOOL_ERROR_closed, "the resolver is closed");
    cache_remove(&resolver->cache, entry);
}

static void end_mail(struct mail *mail)
{
    if (!mail)
        return;
    mail->resolver = NULL;
    /* relaxed: only this thread posts it, and calls it */
    if (!atomic_load_explicit(&mail->post.queued, memory_order_relaxed))
        free(mail);
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t i = 0; resolver->cache.buckets && i < resolver->cache.buckets_count; i++)
        while (resolver->cache.buckets[i])
            end_entry(resolver, resolver->cache.buckets[i]);
    if (resolver->no_memory.next)
        tell_refused(resolver, &resolver->no_memory, EVPOOL_ERROR_closed, "the resolver is closed");
    if (resolver->no_name.next)
        tell_refused(resolver, &resolver->no_name, EVPOOL_ERROR_closed, "the resolver is closed");
    dns_free(resolver->dns);
    end_mail(resolver->mail);
    hosts_fini(&resolver->hosts);
    cache_fini(&resolver->cache);
    free(resolver->hosts_path);
    free(resolver);
}
