/* SPDX-License-Identifier: ISC
 *
 * Addresses as they are written in options and files, and what is local.
 */
#include "ship/net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* ---- parsing ---- */

static const struct scheme {
    const char *text;
    enum net_scheme scheme;
} schemes[] = {{"tls://", NET_SCHEME_tls}, {"tcp://", NET_SCHEME_tcp}, {"collector://", NET_SCHEME_default}};

/* Behind the scheme, if there is one. */
static const char *take_scheme(const char *text, enum net_scheme *ret_scheme)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (strncasecmp(text, schemes[i].text, strlen(schemes[i].text)) == 0) {
            *ret_scheme = schemes[i].scheme;
            return text + strlen(schemes[i].text);
        }
    return text;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;
    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (unsigned)(*text - '0');
        if (port > UINT16_MAX)
            return -EINVAL;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

static int take_host(struct net_address *address, const char *host, size_t length, struct net_text *ret_why)
{
    if (length == 1 && host[0] == '*')
        length = 0;
    if (length > NET_HOST_BYTES)
        return net_say(ret_why, -EINVAL, "%.*s...: a name has at most %d bytes", 40, host, NET_HOST_BYTES);
    for (size_t i = 0; i < length; i++)
        if (host[i] <= ' ' || host[i] > '~' || strchr("/@,*[]", host[i]))
            return net_say(ret_why, -EINVAL,
                           "%.*s: not a host's name or address; HOST, HOST:PORT, [IPv6]:PORT or unix:/PATH is wanted",
                           (int)length, host);
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    return 0;
}

static int parse_unix(struct net_address *address, const char *text, struct net_text *ret_why)
{
    const size_t length = strlen(text) - strlen("unix:");
    if (length == 0 || (length == 1 && text[5] == '@') || length >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return net_say(ret_why, -EINVAL, "%s: a unix socket's path has 1 to 107 bytes", text);
    memcpy(address->host, text, length + sizeof("unix:"));
    address->unix_socket = true;
    address->port = 0;
    return 0;
}

static int parse_host(struct net_address *address, const char *text, size_t length, struct net_text *ret_why)
{
    char copy[NET_HOST_BYTES + 16];
    if (length >= sizeof(copy))
        return net_say(ret_why, -EINVAL, "%.40s...: a name has at most %d bytes", text, NET_HOST_BYTES);
    memcpy(copy, text, length);
    copy[length] = '\0';
    const char *host = copy, *port = NULL;
    char *colon = strchr(copy, ':'), *bracket = strchr(copy, ']');
    size_t host_bytes = length;
    if (copy[0] == '[' && bracket && bracket > copy + 1 && (!bracket[1] || bracket[1] == ':')) {
        host = copy + 1;
        host_bytes = (size_t)(bracket - host);
        port = bracket[1] ? bracket + 2 : NULL;
        if (!memchr(host, ':', host_bytes))
            return net_say(ret_why, -EINVAL, "%s: what stands in brackets is no IPv6 address", copy);
    } else if (colon && !strchr(colon + 1, ':')) {
        host_bytes = (size_t)(colon - copy);
        port = colon + 1;
    }
    if (port && parse_port(port, &address->port) < 0)
        return net_say(ret_why, -EINVAL, "%s: '%s' is no port; 0 to 65535 is wanted", copy, port);
    return take_host(address, host, host_bytes, ret_why);
}

int net_address_parse(struct net_address *ret_address, const char *text, uint16_t default_port,
                      struct net_text *ret_why)
{
    struct net_address address = {.port = default_port};
    const char *rest = take_scheme(text, &address.scheme);
    size_t length = strlen(rest);
    int result;
    if (strncmp(rest, "unix:", 5) == 0) {
        result = parse_unix(&address, rest, ret_why);
    } else {
        if (rest != text && length > 1 && rest[length - 1] == '/')
            length--;
        result = length ? parse_host(&address, rest, length, ret_why)
                        : net_say(ret_why, -EINVAL,
                                  "'%s': an address is wanted: HOST, HOST:PORT, [IPv6]:PORT or unix:/PATH", text);
    }
    if (result == 0)
        *ret_address = address;
    return result;
}

size_t net_address_print(const struct net_address *address, char *text, size_t bytes)
{
    const char *scheme = address->scheme == NET_SCHEME_tls   ? "tls://"
                         : address->scheme == NET_SCHEME_tcp ? "tcp://"
                                                             : "";
    int length;
    if (address->unix_socket)
        length = snprintf(text, bytes, "%s%s", scheme, address->host);
    else if (strchr(address->host, ':'))
        length = snprintf(text, bytes, "%s[%s]:%u", scheme, address->host, address->port);
    else
        length = snprintf(text, bytes, "%s%s:%u", scheme, address->host[0] ? address->host : "*", address->port);
    return (size_t)length;
}

/* ---- what is local ---- */

static bool local_v4(const void *bytes)
{
    return *(const uint8_t *)bytes == 127;
}

static bool local_v6(const void *bytes)
{
    struct in6_addr address;
    memcpy(&address, bytes, sizeof(address));
    return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && local_v4(&address.s6_addr[12]));
}

bool net_sockaddr_local(const struct sockaddr_storage *address)
{
    switch (address->ss_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return local_v4(&((const struct sockaddr_in *)address)->sin_addr);
    case AF_INET6:
        return local_v6(&((const struct sockaddr_in6 *)address)->sin6_addr);
    default:
        return false;
    }
}

static bool local_name(const char *host)
{
    static const char name[] = "localhost";
    size_t length = strlen(host);
    if (length && host[length - 1] == '.')
        length--;
    if (length < strlen(name) || strncasecmp(host + length - strlen(name), name, strlen(name)) != 0)
        return false;
    return length == strlen(name) || host[length - strlen(name) - 1] == '.';
}

bool net_address_is_local(const struct net_address *address)
{
    uint8_t bytes[16];
    if (address->unix_socket)
        return true;
    if (inet_pton(AF_INET, address->host, bytes) == 1)
        return local_v4(bytes);
    if (inet_pton(AF_INET6, address->host, bytes) == 1)
        return local_v6(bytes);
    return local_name(address->host);
}

int net_address_wants_tls(const struct net_address *address, bool tls_given, bool insecure, bool *ret_tls,
                          struct net_text *ret_why)
{
    const bool local = net_address_is_local(address);
    char text[NET_HOST_BYTES + 32];
    if (address->scheme == NET_SCHEME_tcp && !local && !insecure) {
        net_address_print(address, text, sizeof(text));
        return net_say(ret_why, -EPERM,
                       "%s: plaintext off loopback would let everybody on the way read and change the traces; use "
                       "tls://, or --insecure if it is meant",
                       text);
    }
    if (address->scheme == NET_SCHEME_default && insecure && !tls_given)
        *ret_tls = false;
    else if (address->scheme == NET_SCHEME_default)
        *ret_tls = !local || (tls_given && !address->unix_socket);
    else
        *ret_tls = address->scheme == NET_SCHEME_tls;
    return 0;
}

/* ---- printing ---- */

void net_sockaddr_print(const struct sockaddr_storage *address, char *text, size_t bytes)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, bytes, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        const bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? &in6->sin6_addr.s6_addr[12] : in6->sin6_addr.s6_addr, host,
                  sizeof(host));
        snprintf(text, bytes, mapped ? "%s:%u" : "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(text, bytes, "unix");
    }
}
