/* SPDX-License-Identifier: ISC
 *
 * Sockets to listen on: what is allowed, names and wildcards, files of unix sockets.
 */
#include "ship/net_listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

/* ---- what is allowed ---- */

static int check(const struct net_listener *listener, const struct net_address *address, struct net_text *ret_why)
{
    const bool local = address->host[0] && net_address_is_local(address);
    char text[NET_HOST_BYTES + 32];
    net_address_print(address, text, sizeof(text));
    if (address->scheme == NET_SCHEME_tls && !listener->tls)
        return net_say(ret_why, -EINVAL, "%s: TLS needs a certificate (--cert, --key) or pre-shared keys (--psk-file)",
                       text);
    if (address->scheme == NET_SCHEME_tcp && !local && !listener->insecure)
        return net_say(ret_why, -EPERM,
                       "%s: plaintext off loopback would let everybody on the way read and change the traces; leave "
                       "out tcp://, or say --insecure if it is meant",
                       text);
    if (address->scheme == NET_SCHEME_default && !local && !listener->tls && !listener->insecure)
        return net_say(
            ret_why, -EPERM,
            "%s: off loopback TLS is wanted: give --cert and --key, or --psk-file; or --insecure if plaintext is meant",
            text);
    return 0;
}

/* ---- sockets ---- */

static struct listener_socket *add(struct net_listener *listener, const struct net_address *address, int fd)
{
    struct listener_socket *socket = &listener->sockets[listener->sockets_count++];
    *socket = (struct listener_socket){.listener = listener, .address = *address, .fd = fd};
    return socket;
}

static int cannot(const struct net_address *address, const char *what, int error, struct net_text *ret_why)
{
    char where[NET_HOST_BYTES + 32], text[80];
    net_address_print(address, where, sizeof(where));
    const char *hint = error == EADDRINUSE
                           ? "; another program listens there, or another collector: name another address"
                       : error == EEXIST        ? "; what is there is no socket: remove it, or name another path"
                       : error == ENOENT        ? "; its directory is not there: make it first"
                       : error == EACCES        ? "; ports below 1024 and others' folders need more rights"
                       : error == EADDRNOTAVAIL ? "; no interface has this address"
                                                : "";
    return net_say(ret_why, -error, "%s: cannot %s: %s%s", where, what, net_errno(error, text, sizeof(text)), hint);
}

static void note_port(struct listener_socket *socket)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof(address);
    if (getsockname(socket->fd, (struct sockaddr *)&address, &bytes) < 0)
        return;
    if (address.ss_family == AF_INET)
        socket->address.port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    else if (address.ss_family == AF_INET6)
        socket->address.port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
}

/* `dual`: an IPv6 wildcard that takes IPv4, too. -errno; the descriptor is the listener's then. */
static int open_tcp(struct net_listener *listener, const struct net_address *address, const struct sockaddr *to,
                    socklen_t bytes, bool dual, struct net_text *ret_why)
{
    const int on = 1, only6 = !dual;
    if (listener->sockets_count == NET_LISTEN_MAX)
        return net_say(ret_why, -E2BIG, "more than %d addresses to listen on", NET_LISTEN_MAX);
    const int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cannot(address, "make a socket", errno, ret_why);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (to->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6));
    if (bind(fd, to, bytes) < 0 || listen(fd, BACKLOG) < 0) {
        const int error = errno;
        close(fd);
        return cannot(address, "listen", error, ret_why);
    }
    note_port(add(listener, address, fd));
    return 0;
}

static int open_wildcard(struct net_listener *listener, const struct net_address *address, struct net_text *ret_why)
{
    const struct sockaddr_in6 any6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(address->port), .sin6_addr = IN6ADDR_ANY_INIT};
    const struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    int result = open_tcp(listener, address, (const struct sockaddr *)&any6, sizeof(any6), true, ret_why);
    if (result == -EAFNOSUPPORT || result == -EADDRNOTAVAIL) /* no IPv6 here */
        result = open_tcp(listener, address, (const struct sockaddr *)&any4, sizeof(any4), false, ret_why);
    return result;
}

/* All addresses of a name; waits for DNS, at start only. */
static int open_host(struct net_listener *listener, const struct net_address *address, struct net_text *ret_why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    char port[8];
    snprintf(port, sizeof(port), "%u", address->port);
    const int error = getaddrinfo(address->host, port, &hints, &found);
    if (error)
        return net_say(ret_why, -EINVAL, "%s: no such address: %s", address->host, gai_strerror(error));
    int result = 0;
    unsigned opened = 0;
    for (struct addrinfo *one = found; one && result == 0; one = one->ai_next) {
        result = open_tcp(listener, address, one->ai_addr, one->ai_addrlen, false, ret_why);
        opened += result == 0;
        if (result == -EAFNOSUPPORT || (result == -EADDRNOTAVAIL && (opened || one->ai_next)))
            result = 0; /* a host without IPv6 whose hosts file has ::1 */
    }
    freeaddrinfo(found);
    return result == 0 && !opened ? cannot(address, "listen", EADDRNOTAVAIL, ret_why) : result;
}

/* ---- unix sockets ---- */

static socklen_t unix_address(const struct net_address *address, struct sockaddr_un *ret_address)
{
    const char *path = address->host + strlen("unix:");
    const size_t length = strlen(path); /* as net_address_parse() has bounded it */
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, length);
    if (path[0] == '@')
        ret_address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
}

/* A socket's file that nobody listens on: removed. */
static void remove_dead(const struct sockaddr_un *address, socklen_t bytes)
{
    struct stat status;
    if (!address->sun_path[0] || lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, bytes) < 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

/* Whether a socket could be made there: 0 or an errno. Changes nothing. */
static int unix_obstacle(const struct sockaddr_un *address, socklen_t bytes)
{
    char folder[sizeof(address->sun_path) + 1];
    struct stat status;
    snprintf(folder, sizeof(folder), "%.*s", (int)sizeof(address->sun_path), address->sun_path);
    char *const end = strrchr(folder, '/');
    if (end)
        end[end == folder] = '\0';
    if (access(end ? folder : ".", W_OK | X_OK) < 0)
        return errno;
    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(status.st_mode))
        return EEXIST;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    const bool dead = connect(fd, (const struct sockaddr *)address, bytes) < 0 && errno == ECONNREFUSED;
    close(fd);
    return dead ? 0 : EADDRINUSE;
}

static int open_unix(struct net_listener *listener, const struct net_address *address, mode_t mode,
                     struct net_text *ret_why)
{
    struct sockaddr_un to;
    struct stat status;
    const socklen_t bytes = unix_address(address, &to);
    const int obstacle = to.sun_path[0] ? unix_obstacle(&to, bytes) : 0;
    if (listener->sockets_count == NET_LISTEN_MAX)
        return net_say(ret_why, -E2BIG, "more than %d addresses to listen on", NET_LISTEN_MAX);
    if (obstacle)
        return cannot(address, "listen", obstacle, ret_why);
    if (listener->checking && to.sun_path[0])
        return 0;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cannot(address, "make a socket", errno, ret_why);
    remove_dead(&to, bytes);
    /* Before it is bound: its file has this mode from its beginning. The umask may take from it. */
    if (fchmod(fd, mode) < 0 || bind(fd, (const struct sockaddr *)&to, bytes) < 0 || listen(fd, BACKLOG) < 0) {
        const int error = errno;
        close(fd);
        return cannot(address, "listen", error, ret_why);
    }
    struct listener_socket *socket = add(listener, address, fd);
    socket->made_file = to.sun_path[0] && lstat(to.sun_path, &status) == 0;
    if (socket->made_file) {
        socket->device = status.st_dev;
        socket->inode = status.st_ino;
        if ((status.st_mode & 0777) != mode)
            chmod(to.sun_path, mode);
    }
    return 0;
}

void listener_socket_close(struct listener_socket *socket)
{
    struct stat status;
    const char *path = socket->address.host + strlen("unix:");
    if (socket->fd < 0)
        return;
    if (socket->made_file && lstat(path, &status) == 0 && status.st_dev == socket->device &&
        status.st_ino == socket->inode)
        unlink(path);
    close(socket->fd);
    socket->fd = -1;
}

/* ---- all ---- */

int listener_open(struct net_listener *listener, const struct net_listener_options *options, struct net_text *ret_why)
{
    int result = options->addresses_count ? 0 : net_say(ret_why, -EINVAL, "no address to listen on");
    for (unsigned i = 0; i < options->addresses_count && result == 0; i++)
        result = check(listener, &options->addresses[i], ret_why);
    for (unsigned i = 0; i < options->addresses_count && result == 0; i++) {
        const struct net_address *address = &options->addresses[i];
        if (address->unix_socket)
            result = open_unix(listener, address, options->unix_mode ? options->unix_mode : 0600, ret_why);
        else if (!address->host[0])
            result = open_wildcard(listener, address, ret_why);
        else
            result = open_host(listener, address, ret_why);
    }
    return result;
}
