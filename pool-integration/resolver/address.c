/* SPDX-License-Identifier: ISC
 *
 * Addresses without a port: parsing literals, comparing, ordering.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* ---- literals ---- */

static int parse_scope(const char *text, uint32_t *ret_scope)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);
    *ret_scope = end != text && !*end && number <= UINT32_MAX ? (uint32_t)number : if_nametoindex(text);
    return *ret_scope != 0;
}

static int parse_ipv6(char *text, struct host_address *ret_address)
{
    struct host_address address = {.family = AF_INET6};
    char *scope = strchr(text, '%');
    if (scope)
        *scope++ = 0;
    if (inet_pton(AF_INET6, text, address.bytes) != 1 || (scope && !parse_scope(scope, &address.scope)))
        return 0;
    *ret_address = address;
    return 1;
}

int address_parse(const char *text, struct host_address *ret_address)
{
    struct host_address address = {.family = AF_INET};
    if (inet_pton(AF_INET, text, address.bytes) == 1) {
        *ret_address = address;
        return 1;
    }
    char copy[INET6_ADDRSTRLEN + IF_NAMESIZE + 4];
    size_t length = strlen(text);
    const bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';
    text += brackets;
    length -= brackets ? 2 : 0;
    if (length >= sizeof(copy))
        return 0;
    memcpy(copy, text, length);
    copy[length] = 0;
    return parse_ipv6(copy, ret_address);
}

int address_parse_unix(const char *text, struct peer_address *ret_peer)
{
    if (strncmp(text, "unix:", 5) != 0)
        return 0;
    const char *path = text + 5;
    const size_t length = strlen(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (length == 0 || length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    const bool abstract = path[0] == '@';
    if (abstract)
        address.sun_path[0] = 0;
    memset(ret_peer, 0, sizeof(*ret_peer));
    memcpy(&ret_peer->address, &address, sizeof(address));
    /* an abstract name ends where the address does, a path by its NUL */
    ret_peer->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
    return 1;
}

/* ---- sockaddr ---- */

struct host_address address_of(const struct sockaddr *address)
{
    struct host_address one = {.family = (uint8_t)address->sa_family};
    if (address->sa_family == AF_INET) {
        memcpy(one.bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else {
        memcpy(one.bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        one.scope = ((const struct sockaddr_in6 *)address)->sin6_scope_id;
    }
    return one;
}

struct peer_address address_with_port(const struct host_address *address, uint16_t port)
{
    struct peer_address peer = {0};
    if (address->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&peer.address;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, address->bytes, 4);
        peer.bytes = sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer.address;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_scope_id = address->scope;
        memcpy(&in6->sin6_addr, address->bytes, 16);
        peer.bytes = sizeof(*in6);
    }
    return peer;
}

/* ---- lists ---- */

static bool same(const struct host_address *a, const struct host_address *b)
{
    return a->family == b->family && a->scope == b->scope && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool has(const struct address_list *list, const struct host_address *address)
{
    for (unsigned i = 0; i < list->count; i++)
        if (same(&list->items[i], address))
            return true;
    return false;
}

static unsigned of_family(const struct address_list *list, uint8_t family)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->count; i++)
        count += list->items[i].family == family;
    return count;
}

int address_list_add(struct address_list *list, const struct host_address *address)
{
    if (of_family(list, address->family) >= RESOLVER_ADDRESSES_MAX || has(list, address))
        return 0;
    if (list->count == list->room) {
        const unsigned room = list->room ? list->room * 2 : 4;
        struct host_address *items = realloc(list->items, room * sizeof(*items));
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = *address;
    return 0;
}

void address_list_free(struct address_list *list)
{
    free(list->items);
    *list = (struct address_list){0};
}

bool address_list_same(const struct address_list *a, const struct address_list *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!has(b, &a->items[i]))
            return false;
    return true; /* none is there twice */
}

static unsigned next_of(const struct host_address *items, unsigned count, unsigned from, uint8_t family)
{
    while (from < count && items[from].family != family)
        from++;
    return from;
}

void address_list_interleave(struct address_list *list)
{
    struct host_address from[2 * RESOLVER_ADDRESSES_MAX];
    const unsigned count = list->count; /* so many at most: see address_list_add() */
    if (!count)
        return;
    memcpy(from, list->items, count * sizeof(*from));
    unsigned next6 = next_of(from, count, 0, AF_INET6), next4 = next_of(from, count, 0, AF_INET);
    list->count = 0;
    while ((next6 < count || next4 < count) && list->count < RESOLVER_ADDRESSES_MAX) {
        const bool six = next6 < count && (list->count % 2 == 0 || next4 >= count);
        unsigned *next = six ? &next6 : next4 < count ? &next4 : &next6;
        list->items[list->count++] = from[*next];
        *next = next_of(from, count, *next + 1, next == &next6 ? AF_INET6 : AF_INET);
    }
}
