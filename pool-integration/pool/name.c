/* SPDX-License-Identifier: ISC
 *
 * Names: what connections are alike. The registry finds the name of (host, port, TLS settings); a name follows what the resolver
 * says of its host for as long as it is used.
 */
#include "steps.h"

#include "../resolver/address.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64* (Vigna 2016). */
uint64_t random_locked(struct evpool *pool)
{
    uint64_t x = pool->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    pool->random = x;
    return (x * 0x2545f4914f6cdd1dull) >> 11;
}

/* ---- what a name may be ---- */

static int invalid(struct evpool_error **ret_error, const char *what, const char *host)
{
    if (ret_error)
        *ret_error = error_wrap(NULL, EVPOOL_ERROR_invalid, EINVAL, clock_ns(), 0, "name", "%s: \"%.100s\"", what,
                                host ? host : "");
    return -EINVAL;
}

static int host_check(const char *host, uint16_t port, struct evpool_error **ret_error)
{
    if (!host || !*host)
        return invalid(ret_error, "host is empty", host);
    if (strncmp(host, "unix:", 5) == 0) {
        if (host[5] != '/' && host[5] != '@')
            return invalid(ret_error, "host is unix: and no absolute path", host);
        if (strlen(host + 5) >= 108)
            return invalid(ret_error, "host is a path longer than 107 bytes", host);
        return port == 0 ? 0 : invalid(ret_error, "port must be 0 with unix:", host);
    }
    if (port == 0)
        return invalid(ret_error, "port is 0", host);
    if (strlen(host) > 255)
        return invalid(ret_error, "host is longer than 255 bytes", host);
    struct host_address literal;
    if (strpbrk(host, ":[]%") && !address_parse(host, &literal))
        return invalid(ret_error, "host is no name and no address (the port is an argument of its own)", host);
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._:[]%", *c))
            return invalid(ret_error, "host has a character that no name has", host);
    return 0;
}

static int tls_check(const struct evpool_tls *tls, const char *host, struct evpool_error **ret_error)
{
    if (!tls)
        return 0;
    if (tls->bytes != sizeof *tls)
        return invalid(ret_error, "tls.bytes is not sizeof(struct evpool_tls)", host);
    if (!tls->cert_file != !tls->key_file)
        return invalid(ret_error, "tls.cert_file and tls.key_file go together", host);
    return 0;
}

/* ---- the key: what makes names equal ---- */

/* In small letters, and an IPv6 literal without its brackets. */
static void host_plain(char plain[256], const char *host)
{
    size_t length = 0;
    const bool path = strncmp(host, "unix:", 5) == 0;
    for (const char *c = host; *c && length < 255; c++)
        if (path || (*c != '[' && *c != ']'))
            plain[length++] = path ? *c : (char)tolower((unsigned char)*c);
    plain[length] = '\0';
}

/* With its length: what is in a text cannot be taken for the next. */
static void key_add(char **at, size_t *room, const char *text)
{
    const int length = text ? snprintf(*at, *room, "%zu=%s\n", strlen(text), text) : snprintf(*at, *room, "\n");
    if ((size_t)length >= *room) {
        *room = 0;
        return;
    }
    *at += length;
    *room -= (size_t)length;
}

/* NULL: no memory, or longer than any sensible settings. */
static char *key_new(const char *host, uint16_t port, const struct evpool_tls *tls)
{
    char text[8192], number[32], *at = text;
    size_t room = sizeof text;
    snprintf(number, sizeof number, "%u %s%s", port, tls ? "tls" : "plain", tls && tls->insecure ? " insecure" : "");
    key_add(&at, &room, host);
    key_add(&at, &room, number);
    if (tls) {
        key_add(&at, &room, tls->server_name);
        key_add(&at, &room, tls->ca_file);
        key_add(&at, &room, tls->cert_file);
        key_add(&at, &room, tls->key_file);
        for (const char *const *protocol = tls->alpn; protocol && *protocol; protocol++)
            key_add(&at, &room, *protocol);
    }
    return room ? strdup(text) : NULL;
}

static unsigned hash_of(const char *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash;
}

static struct evpool_name *find_locked(struct evpool *pool, const char *key)
{
    struct evpool_name *name = pool->buckets[hash_of(key) % pool->buckets_count];
    while (name && strcmp(name->key, key) != 0)
        name = name->bucket_next;
    return name;
}

static void insert_locked(struct evpool_name *name)
{
    struct evpool *pool = name->pool;
    struct evpool_name **bucket = &pool->buckets[hash_of(name->key) % pool->buckets_count];
    name->bucket_next = *bucket;
    *bucket = name;
    list_push_back(&pool->names, &name->place);
    pool->names_count++;
}

static void remove_locked(struct evpool_name *name)
{
    struct evpool *pool = name->pool;
    struct evpool_name **at = &pool->buckets[hash_of(name->key) % pool->buckets_count];
    while (*at != name)
        at = &(*at)->bucket_next;
    *at = name->bucket_next;
    list_del(&name->place);
    list_del(&name->hungry);
    list_del(&name->stale);
    pool->names_count--;
    figures_add(&pool->past, &name->figures);
}

/* ---- making and forgetting ---- */

static char *label_new(const char *host, uint16_t port)
{
    char text[300];
    const bool bare = strchr(host, ':') && host[0] != '[' && strncmp(host, "unix:", 5) != 0;
    if (strncmp(host, "unix:", 5) == 0)
        snprintf(text, sizeof text, "%s", host);
    else
        snprintf(text, sizeof text, "%s%s%s:%u", bare ? "[" : "", host, bare ? "]" : "", port);
    return strdup(text);
}

void name_free(struct evpool_name *name)
{
    if (!name)
        return;
    tls_settings_free(name->tls);
    free(name->addresses);
    free(name->host);
    free(name->key);
    free(name->label);
    free(name);
}

static struct evpool_name *name_new(struct evpool *pool, const char *host, uint16_t port, const char *key)
{
    struct evpool_name *name = calloc(1, sizeof *name);
    if (!name)
        return NULL;
    name->pool = pool;
    name->id = pool_id();
    name->port = port;
    name->refs = 1;
    list_init(&name->place);
    list_init(&name->hungry);
    list_init(&name->stale);
    list_init(&name->retired);
    list_init(&name->establishes);
    name->host = strdup(host);
    name->key = strdup(key);
    name->label = label_new(host, port);
    if (name->host && name->key && name->label)
        return name;
    name_free(name);
    return NULL;
}

/* A reference to a name that is there. */
static struct evpool_name *name_ref(struct evpool *pool, const char *key)
{
    pool_lock(pool);
    struct evpool_name *name = find_locked(pool, key);
    if (name)
        name->refs++;
    pool_unlock(pool);
    return name;
}

/* Another thread may have been faster: then the fresh one goes. */
static int name_publish(struct evpool_name *fresh, struct evpool_name **ret_name)
{
    struct evpool *pool = fresh->pool;
    pool_lock(pool);
    struct evpool_name *other = find_locked(pool, fresh->key);
    const bool closed = pool->closed;
    if (other)
        other->refs++;
    else if (!closed)
        insert_locked(fresh);
    pool_unlock(pool);
    if (other || closed)
        name_free(fresh);
    if (!other && closed)
        return -ESHUTDOWN;
    *ret_name = other ? other : fresh;
    if (!other)
        step_name_added(fresh);
    return 0;
}

/* It may have to be kept warm: looked at once the caller has it. */
static void name_warm(struct evpool_name *name)
{
    if (name->pool->options.min_idle == 0)
        return;
    pool_lock(name->pool);
    hungry_locked(name);
    pool_unlock(name->pool);
    work_post(name->pool);
}

static int refuse(int result, struct evpool_error **ret_error, enum evpool_code code, const char *text)
{
    if (ret_error)
        *ret_error = error_wrap(NULL, code, -result, clock_ns(), 0, "name", "%s", text);
    return result;
}

static int name_make(struct evpool *pool, const char *host, uint16_t port, const struct evpool_tls *tls,
                     const char *key, struct evpool_name **ret_name, struct evpool_error **ret_error)
{
    struct evpool_name *name = name_new(pool, host, port, key);
    if (!name)
        return refuse(-ENOMEM, ret_error, EVPOOL_ERROR_memory, "no memory");
    struct evpool_error *error = NULL;
    int r = tls ? tls_settings_new(&name->tls, tls, host, &error) : 0;
    if (r < 0) {
        name_free(name);
        if (ret_error)
            *ret_error = error;
        else
            evpool_error_free(error);
        return r;
    }
    r = name_publish(name, ret_name);
    return r < 0 ? refuse(r, ret_error, EVPOOL_ERROR_closed, "the pool is closing") : r;
}

int evpool_name_get(struct evpool *pool, const char *host, uint16_t port, const struct evpool_tls *tls,
                    struct evpool_name **ret_name, struct evpool_error **ret_error)
{
    if (pool_forked(pool))
        return refuse(-ECHILD, ret_error, EVPOOL_ERROR_forked, "the pool belongs to the parent process");
    int r = host_check(host, port, ret_error);
    if (r >= 0)
        r = tls_check(tls, host, ret_error);
    if (r < 0)
        return r;
    char plain[256];
    host_plain(plain, host);
    char *key = key_new(plain, port, tls);
    if (!key)
        return refuse(-ENOMEM, ret_error, EVPOOL_ERROR_memory, "no memory");
    struct evpool_name *name = name_ref(pool, key);
    if (!name)
        r = name_make(pool, plain, port, tls, key, &name, ret_error);
    free(key);
    if (r < 0)
        return r;
    *ret_name = name;
    name_warm(name);
    return 0;
}

void name_stale_locked(struct evpool_name *name)
{
    if (name->refs == 0 && list_empty(&name->stale))
        list_push_back(&name->pool->stale, &name->stale);
}

void evpool_name_put(struct evpool_name *name)
{
    if (!name || pool_forked(name->pool))
        return;
    struct evpool *pool = name->pool;
    pool_lock(pool);
    const bool last = --name->refs == 0;
    if (last)
        name_stale_locked(name);
    pool_unlock(pool);
    if (last)
        work_post(pool);
}

static void name_end(struct evpool_name *name)
{
    resolver_cancel(&name->query);
    if (name->watching)
        resolver_unwatch(&name->watch);
    evloop_timer_stop(name->pool->loop, &name->timer);
    pool_lock(name->pool);
    addresses_drop_locked(name);
    pool_unlock(name->pool);
    addresses_reap(name);
    pool_trace_name_gone(name->id);
    name_free(name);
}

static bool in_use_locked(const struct evpool_name *name)
{
    return name->refs > 0 || name->count > 0 || name->waiting > 0 || name->pins > 0;
}

void names_sweep(struct evpool *pool)
{
    for (;;) {
        pool_lock(pool);
        struct list *at = list_pop(&pool->stale);
        struct evpool_name *name = at ? LIST_OF(at, struct evpool_name, stale) : NULL;
        const bool gone = name && !in_use_locked(name);
        if (gone)
            remove_locked(name);
        pool_unlock(pool);
        if (!name)
            return;
        if (gone)
            name_end(name);
    }
}

const char *evpool_name_host(const struct evpool_name *name)
{
    return name->host;
}

uint16_t evpool_name_port(const struct evpool_name *name)
{
    return name->port;
}

/* ---- its addresses ---- */

static void changed(struct resolver_watch *watch, const struct resolver_answer *answer)
{
    struct evpool_name *name = LIST_OF(watch, struct evpool_name, watch);
    pool_enter(name->pool);
    if (answer->code == EVPOOL_OK)
        (void)addresses_update(name, answer); /* without memory the old ones stay, until the next refresh */
}

/* Without memory they are not followed, and so not believed: name_look_up() asks again. */
static void watch_start(struct evpool_name *name)
{
    name->watch.name_id = name->id;
    if (!name->watching)
        name->watching = resolver_watch(name->pool->resolver, &name->watch, name->host, name->port, changed) >= 0;
}

static void answered(struct resolver_query *query, const struct resolver_answer *answer)
{
    struct evpool_name *name = LIST_OF(query, struct evpool_name, query);
    struct evpool *pool = name->pool;
    pool_enter(pool);
    name->resolving = false;
    struct evpool_error *error = NULL;
    if (answer->code != EVPOOL_OK)
        error = error_wrap(NULL, answer->code, 0, evloop_now_ns(pool->loop), answer->took_ns, "resolve", "%s",
                           answer->text ? answer->text : evpool_code_name(answer->code));
    else if (addresses_update(name, answer) < 0)
        error = error_wrap(NULL, EVPOOL_ERROR_memory, ENOMEM, evloop_now_ns(pool->loop), 0, "resolve",
                           "no memory for the addresses");
    else
        watch_start(name);
    pool_lock(pool);
    pool_histogram_add(&name->times.resolve, answer->took_ns);
    if (error)
        name->figures.errors[evpool_error_code(error)]++;
    pool_unlock(pool);
    establish_resolved(name, error);
}

/* 1: addresses are known and followed; 0: asked, establish_resolved() comes. */
int name_look_up(struct evpool_name *name, uint64_t span)
{
    if (name->watching)
        return 1;
    if (name->resolving)
        return 0;
    name->resolving = true;
    name->query = (struct resolver_query){.parent_span = span, .name_id = name->id};
    resolver_lookup(name->pool->resolver, &name->query, name->host, name->port, answered);
    return 0;
}

static void watch_stop(struct evpool_name *name)
{
    if (name->watching)
        resolver_unwatch(&name->watch);
    name->watching = false;
}

/* A name without connections and waiters is not refreshed: it is looked up when it is asked for again. */
void name_rest(struct evpool_name *name)
{
    pool_lock(name->pool);
    const bool rests = name->count == 0 && name->waiting == 0;
    pool_unlock(name->pool);
    if (rests)
        watch_stop(name);
}

/* ---- clearing ---- */

void evpool_name_clear(struct evpool_name *name)
{
    if (pool_forked(name->pool))
        return;
    pool_lock(name->pool);
    name->epoch++;      /* what comes back is closed from now on */
    name->clear = true; /* and nothing is lent until the loop's thread has dropped the addresses */
    hungry_locked(name);
    pool_unlock(name->pool);
    work_post(name->pool);
}

void name_clear_due(struct evpool_name *name)
{
    struct evpool *pool = name->pool;
    pool_lock(pool);
    const bool due = name->clear;
    name->clear = false;
    if (due)
        addresses_drop_locked(name);
    pool_unlock(pool);
    if (!due)
        return;
    watch_stop(name);
    resolver_forget(pool->resolver, name->host);
    addresses_reap(name);
    work_post(pool);
    const uint64_t at = pool_trace_now();
    pool_trace_name_state_at(at, name->id, pool->id, NAME_clearing);
    pool_trace_name_cleared_at(at, name->id);
    pool_trace_name_state_at(at, name->id, pool->id, NAME_open);
}

/* ---- what is due later: a probe, the end of a slow start, another try to be warm ---- */

static uint64_t due_locked(const struct evpool_name *name, uint64_t now)
{
    uint64_t due = name->warm_ns > now ? name->warm_ns : NEVER;
    for (unsigned i = 0; i < name->addresses_count; i++) {
        const struct address *address = name->addresses[i];
        uint64_t own = NEVER;
        if (address->state == ADDRESS_ejected)
            own = address->until_ns;
        if (address->state == ADDRESS_slow_start)
            own = time_after(address->slow_ns, name->pool->options.slow_start_ns);
        due = own < due ? own : due;
    }
    return due;
}

static void timer_fired(struct evloop_timer *timer)
{
    struct evpool_name *name = LIST_OF(timer, struct evpool_name, timer);
    struct evpool *pool = name->pool;
    pool_enter(pool);
    const uint64_t now = evloop_now_ns(pool->loop);
    for (unsigned i = 0;; i++) {
        struct verdict verdict = {0};
        pool_lock(pool);
        const bool more = i < name->addresses_count;
        if (more)
            verdict = eject_due_locked(name->addresses[i], now);
        else
            hungry_locked(name);
        pool_unlock(pool);
        if (!more)
            break;
        eject_tell(&verdict);
    }
    work_post(pool);
}

void name_timer_set(struct evpool_name *name)
{
    pool_lock(name->pool);
    const uint64_t due = due_locked(name, evloop_now_ns(name->pool->loop));
    pool_unlock(name->pool);
    if (due == NEVER)
        evloop_timer_stop(name->pool->loop, &name->timer);
    else if (!evloop_timer_armed(&name->timer) || name->timer.deadline_ns != due)
        (void)evloop_timer_start(name->pool->loop, &name->timer, due, timer_fired);
}
