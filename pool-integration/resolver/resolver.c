/* SPDX-License-Identifier: ISC
 *
 * The resolver: queries and watches join a host's entry; what is known, or a lookup finds, is told in the loop's next iteration,
 * never from within a call.
 */
#include "resolver.h"

#include "lookup.h"
#include "pool_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- telling ---- */

static void post(struct resolver *resolver)
{
    evloop_post(resolver->loop, &resolver->mail->post);
}

void resolver_make_due(struct resolver_entry *entry, enum resolver_source source)
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
                                     .ttl_s = lookup_ttl_left_s(entry),
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
        lookup_forget_questions(entry);
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
            resolver_make_due(entry, RESOLVER_CACHE);
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
    pool_trace_resolve_end(span, (int)entry->code, entry->path ? 1 : entry->list.count, lookup_ttl_left_s(entry), 0,
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
    if (lookup_fresh(entry)) {
        const enum resolver_source source = entry->source == RESOLVER_DNS ? RESOLVER_CACHE : entry->source;
        trace_known(entry, query, source);
        resolver_make_due(entry, source);
    } else if (!entry->looking) {
        lookup_start(entry, query->parent_span, query->name_id);
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
    if (!lookup_fresh(entry) && !entry->looking)
        lookup_start(entry, 0, watch->name_id);
    else
        lookup_plan_refresh(entry);
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
    lookup_plan_refresh(entry);
}

void resolver_forget(struct resolver *resolver, const char *host)
{
    struct resolver_entry *entry = cache_find(&resolver->cache, host);
    if (!entry || is_static(entry))
        return;
    entry->expires_ns = 0;
    if (watched(entry) && !entry->looking)
        lookup_start(entry, 0, entry->watches.next->name_id);
}

/* ---- making and ending ---- */

static int copy_options(struct resolver *resolver, const struct resolver_options *options)
{
    resolver->options = *options;
    if (resolver->options.ttl_max_s < resolver->options.ttl_min_s)
        resolver->options.ttl_max_s = resolver->options.ttl_min_s;
    resolver->hosts_path = strdup(options->hosts_file ? options->hosts_file : "/etc/hosts");
    resolver->hosts.path = resolver->hosts_path;
    if (options->resolv_conf)
        resolver->options.resolv_conf = resolver->resolv_conf = strdup(options->resolv_conf);
    if (options->servers)
        resolver->options.servers = resolver->servers = strdup(options->servers);
    return resolver->hosts_path && !resolver->resolv_conf == !options->resolv_conf &&
                   !resolver->servers == !options->servers
               ? 0
               : -ENOMEM;
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
    return dns_new(&resolver->dns, loop, &resolver->options);
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
    lookup_forget_questions(entry);
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
    if (!__atomic_load_n(&mail->post.queued, __ATOMIC_RELAXED))
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
    free(resolver->resolv_conf);
    free(resolver->servers);
    free(resolver);
}

void resolver_abandon(struct resolver *resolver)
{
    dns_abandon(resolver->dns);
}
