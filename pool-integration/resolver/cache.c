/* SPDX-License-Identifier: ISC
 *
 * The resolver's entries by host. Hosts come from the application, not from the network: a plain hash will do.
 */
#include "cache.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BUCKETS_FIRST = 64, SURPLUS_LOOKS = 64 };

int cache_init(struct cache *cache)
{
    cache->buckets = calloc(BUCKETS_FIRST, sizeof(*cache->buckets));
    cache->buckets_count = BUCKETS_FIRST;
    return cache->buckets ? 0 : -1;
}

void cache_fini(struct cache *cache)
{
    free(cache->buckets);
}

static bool is_path(const char *host)
{
    return strncmp(host, "unix:", 5) == 0;
}

/* FNV-1a, of names without regard to case. */
static uint32_t hash_of(const char *host)
{
    const bool path = is_path(host);
    uint32_t hash = 2166136261u;
    for (; *host; host++)
        hash = (hash ^ (unsigned char)(path ? *host : tolower((unsigned char)*host))) * 16777619u;
    return hash;
}

static struct resolver_entry **bucket(const struct cache *cache, uint32_t hash)
{
    return &cache->buckets[hash & (cache->buckets_count - 1)];
}

struct resolver_entry *cache_find(const struct cache *cache, const char *host)
{
    const uint32_t hash = hash_of(host);
    struct resolver_entry *entry = *bucket(cache, hash);
    while (entry &&
           (entry->hash != hash || (is_path(host) ? strcmp(entry->host, host) : strcasecmp(entry->host, host))))
        entry = entry->next;
    return entry;
}

/* Without memory the chains grow instead. */
static void grow(struct cache *cache)
{
    struct cache larger = {.buckets_count = cache->buckets_count * 2};
    if (cache->count < cache->buckets_count)
        return;
    larger.buckets = calloc(larger.buckets_count, sizeof(*larger.buckets));
    if (!larger.buckets)
        return;
    for (size_t i = 0; i < cache->buckets_count; i++) {
        for (struct resolver_entry *entry = cache->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            entry->next = *bucket(&larger, entry->hash);
            *bucket(&larger, entry->hash) = entry;
        }
    }
    free(cache->buckets);
    cache->buckets = larger.buckets;
    cache->buckets_count = larger.buckets_count;
}

struct resolver_entry *cache_add(struct cache *cache, struct resolver *resolver, const char *host)
{
    const size_t length = strlen(host);
    struct resolver_entry *entry = calloc(1, sizeof(*entry) + length + 1);
    if (!entry)
        return NULL;
    grow(cache);
    entry->resolver = resolver;
    entry->hash = hash_of(host);
    for (size_t i = 0; i < length; i++)
        entry->host[i] = is_path(host) ? host[i] : (char)tolower((unsigned char)host[i]);
    entry->queries.next = entry->queries.prev = &entry->queries;
    entry->watches.next = entry->watches.prev = &entry->watches;
    entry->next = *bucket(cache, entry->hash);
    *bucket(cache, entry->hash) = entry;
    cache->count++;
    cache_row_join(cache, entry);
    return entry;
}

void cache_remove(struct cache *cache, struct resolver_entry *entry)
{
    struct resolver_entry **link = bucket(cache, entry->hash);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    cache->count--;
    cache_row_leave(cache, entry);
    address_list_free(&entry->list);
    address_list_free(&entry->found);
    free(entry->path);
    free(entry);
}

void cache_row_leave(struct cache *cache, struct resolver_entry *entry)
{
    if (!entry->in_row)
        return;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    entry->in_row = false;
    cache->row_count--;
}

void cache_row_join(struct cache *cache, struct resolver_entry *entry)
{
    cache_row_leave(cache, entry);
    entry->older = cache->newest;
    entry->newer = NULL;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
    entry->in_row = true;
    cache->row_count++;
}

static bool may_go(const struct resolver_entry *entry)
{
    return !entry->looking && !entry->due && entry->queries.next == &entry->queries;
}

struct resolver_entry *cache_surplus(const struct cache *cache)
{
    struct resolver_entry *entry = cache->oldest;
    if (cache->row_count <= CACHE_UNWATCHED_MAX)
        return NULL;
    for (unsigned looks = 0; entry && looks < SURPLUS_LOOKS; looks++, entry = entry->newer)
        if (may_go(entry))
            return entry;
    return NULL;
}
