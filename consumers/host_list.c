/* SPDX-License-Identifier: ISC
 *
 * A list of hosts by name. A trace names few: they are looked through.
 */
#include "host_list.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_SIZE (2 * HOSTS_MAX)

void host_list_fini(struct host_list *hosts)
{
    free(hosts->list);
    free(hosts->index);
    *hosts = (struct host_list){0};
}

/* Where the name is in the index, or would be. */
static uint16_t *place_of(const struct host_list *hosts, const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    for (;; hash++) {
        uint16_t *const place = &hosts->index[hash % INDEX_SIZE];
        if (*place == 0 || strcmp(hosts->list[*place - 1].name, name) == 0)
            return place;
    }
}

static uint32_t host_add(struct host_list *hosts, const char *name, uint16_t *place)
{
    struct host *const list = realloc(hosts->list, (hosts->count + 1) * sizeof *list);
    if (!list)
        return UINT32_MAX;
    hosts->list = list;
    list[hosts->count] = (struct host){.last_ns = INT64_MIN};
    snprintf(list[hosts->count].name, sizeof list[hosts->count].name, "%s", name);
    *place = (uint16_t)++hosts->count;
    return *place - 1u;
}

uint32_t host_list_number(struct host_list *hosts, const char *name)
{
    char cut[HOST_NAME_BYTES];
    snprintf(cut, sizeof cut, "%s", name ? name : "");
    if (!hosts->index && !(hosts->index = calloc(INDEX_SIZE, sizeof *hosts->index)))
        return UINT32_MAX;
    uint16_t *const place = place_of(hosts, cut);
    if (*place)
        return *place - 1u;
    return hosts->count < HOSTS_MAX - 1    ? host_add(hosts, cut, place)
           : hosts->count == HOSTS_MAX - 1 ? host_add(hosts, "(others)", place_of(hosts, "(others)"))
                                           : HOSTS_MAX - 1;
}

bool sources_of_several_hosts(struct evtrail_source *const *sources, uint32_t count, uint32_t *looked)
{
    uint32_t at = looked && *looked <= count ? *looked : 0;
    while (at < count && strcmp(sources[at]->host, sources[0]->host) == 0)
        at++;
    if (looked)
        *looked = at;
    return at < count;
}

static void take_clock(struct host *host, const struct evtrail_source *source)
{
    host->processes++;
    host->ended += source->gone;
    if (source->offset_bound_ns <= 0)
        return;
    host->measured++;
    if (source->offset_bound_ns < host->bound_ns)
        return;
    host->bound_ns = source->offset_bound_ns;
    host->ahead_ns = source->offset_ns;
}

void host_list_add_clocks(struct host_list *hosts, struct evtrail_source *const *sources, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = host_list_number(hosts, sources[i]->host);
        if (number != UINT32_MAX)
            take_clock(&hosts->list[number], sources[i]);
    }
}

void host_list_take_clocks(struct host_list *hosts, struct evtrail_source *const *sources, uint32_t count)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        struct host *const host = &hosts->list[i];
        host->processes = host->ended = host->measured = 0;
        host->ahead_ns = host->bound_ns = 0;
    }
    host_list_add_clocks(hosts, sources, count);
}

int64_t host_list_worst_bound(const struct host_list *hosts)
{
    int64_t worst = 0;
    for (uint32_t i = 0; i < hosts->count; i++)
        worst = hosts->list[i].bound_ns > worst ? hosts->list[i].bound_ns : worst;
    return worst;
}

static void duration_text(int64_t ns, char buffer[32])
{
    const size_t bytes = evtrail_format_duration(ns, buffer, 31);
    buffer[bytes < 31 ? bytes : 31] = '\0';
}

const char *host_clock_text(const struct host *host, const char *sign, char *buffer, size_t size)
{
    char ahead[32], bound[32];
    const bool behind = host->ahead_ns < 0;
    buffer[0] = '\0';
    if (host->bound_ns == 0)
        return buffer;
    duration_text(behind ? (int64_t)(0 - (uint64_t)host->ahead_ns) : host->ahead_ns, ahead);
    duration_text(host->bound_ns, bound);
    snprintf(buffer, size, "%s%s %s %s", behind ? "-" : "+", ahead, sign, bound);
    return buffer;
}
