/* SPDX-License-Identifier: ISC
 *
 * Echo servers on many addresses, in one thread with an epoll loop of its own. Some of them may refuse, come and go, or close.
 */
#include "farm_tls.h"
#include "full_listener.h"
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 1 << 18, HELD_MAX = 16 << 20, EVENTS = 128, PORT_TRIES = 50, DROP_MESSAGES = 400 };
#define FLAP_NS UINT64_C(700000000)

enum conduct { CONDUCT_echo, CONDUCT_refuse, CONDUCT_flap, CONDUCT_drop, CONDUCT_silent };
struct server {
    struct peer *peers;
    uint64_t flap_ns; /* when it comes or goes next */
    int fd;           /* -1: it does not listen */
    enum conduct conduct;
    struct full_listener *silent; /* its backlog is full, and nobody accepts */
};
/* A connection of a client's. */
struct peer {
    struct peer *next, *prev;
    struct server *server;
    uint8_t *held; /* echoed, and not taken yet */
    size_t held_bytes, held_room;
    uint64_t bytes, bytes_max; /* closed then; 0: never */
    SSL *ssl;                  /* NULL: plain */
    int fd;
    uint32_t events;
};
struct farm {
    const struct preset *preset;
    pthread_t thread;
    int epoll, wake;
    uint16_t port;
    uint64_t random;
    struct server *servers;
    struct farm_tls tls;
    uint8_t scratch[SCRATCH_BYTES];
};

uint32_t farm_address(unsigned server)
{
    return 127u << 24 | 77u << 16 | server / 250 << 8 | (server % 250 + 1);
}

static enum conduct conduct_of(const struct preset *preset, unsigned server)
{
    const struct {
        enum conduct conduct;
        unsigned count;
    } shares[] = {{CONDUCT_refuse, preset->refusing},
                  {CONDUCT_flap, preset->flapping},
                  {CONDUCT_drop, preset->dropping},
                  {CONDUCT_silent, preset->silent}};
    for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (server < shares[i].count)
            return shares[i].conduct;
        server -= shares[i].count;
    }
    return CONDUCT_echo;
}

/* ---- listening ---- */

static int listener_open(uint32_t host, uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    socklen_t length = sizeof address;
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        const int error = errno;
        close(fd);
        return -error;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int server_listen(struct farm *farm, unsigned index)
{
    struct server *const server = &farm->servers[index];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    uint16_t port = 0;
    const int fd = listener_open(farm_address(index), farm->port, &port);
    if (fd < 0)
        return fd;
    if (farm->port == 0)
        farm->port = port;
    server->fd = fd;
    return epoll_ctl(farm->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* A black hole: what connects there is neither taken up nor refused. */
static int server_hush(struct farm *farm, unsigned index)
{
    char address[INET_ADDRSTRLEN];
    const struct in_addr host = {htonl(farm_address(index))};
    struct server *const server = &farm->servers[index];
    server->silent = calloc(1, sizeof *server->silent);
    if (!server->silent)
        return -ENOMEM;
    inet_ntop(AF_INET, &host, address, sizeof address);
    const int r = full_listener_at(server->silent, address, farm->port);
    farm->port = r < 0 ? farm->port : server->silent->port;
    return r;
}

static void server_deafen(struct server *server)
{
    if (server->fd >= 0)
        close(server->fd);
    server->fd = -1;
    if (server->silent)
        full_listener_close(server->silent);
    free(server->silent);
    server->silent = NULL;
}

static void listeners_close(struct farm *farm)
{
    for (unsigned i = 0; i < farm->preset->servers; i++)
        server_deafen(&farm->servers[i]);
}

/* All on one port: the first address gets any that is free, and if it is not free on another, all begin again. */
static int servers_listen(struct farm *farm)
{
    int r = -EADDRINUSE;
    for (unsigned i = 0; i < PORT_TRIES && r == -EADDRINUSE; i++) {
        farm->port = 0;
        r = 0;
        for (unsigned index = 0; index < farm->preset->servers && r == 0; index++) {
            const enum conduct conduct = farm->servers[index].conduct;
            if (conduct != CONDUCT_refuse)
                r = conduct == CONDUCT_silent ? server_hush(farm, index) : server_listen(farm, index);
        }
        if (r < 0)
            listeners_close(farm);
    }
    return r;
}

/* ---- connections ---- */

static void peer_close(struct peer *peer)
{
    if (peer->next)
        peer->next->prev = peer->prev;
    *(peer->prev ? &peer->prev->next : &peer->server->peers) = peer->next;
    SSL_free(peer->ssl);
    close(peer->fd);
    free(peer->held);
    free(peer);
}

static uint64_t any(struct farm *farm, uint64_t below)
{
    farm->random = farm->random * 6364136223846793005u + 1442695040888963407u;
    return (farm->random >> 33) % below;
}

static void peer_open(struct farm *farm, struct server *server, int fd)
{
    struct peer *const peer = calloc(1, sizeof *peer);
    const int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (!peer) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *peer = (struct peer){.server = server, .next = server->peers, .fd = fd, .events = EPOLLIN};
    if (server->conduct == CONDUCT_drop) /* sometimes within a message */
        peer->bytes_max = (1 + any(farm, DROP_MESSAGES)) * farm->preset->size - any(farm, 2) * (farm->preset->size / 2);
    if (server->peers)
        server->peers->prev = peer;
    server->peers = peer;
    if (farm->tls.context)
        peer->ssl = farm_tls_accept(&farm->tls, fd);
    if ((farm->tls.context && !peer->ssl) || epoll_ctl(farm->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        peer_close(peer);
}

static void peers_accept(struct farm *farm, struct server *server)
{
    for (unsigned i = 0; i < 64; i++) {
        const int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        peer_open(farm, server, fd);
    }
}

static ssize_t peer_recv(struct peer *peer, void *buffer, size_t bytes)
{
    return peer->ssl ? farm_tls_recv(peer->ssl, buffer, bytes) : recv(peer->fd, buffer, bytes, 0);
}

static ssize_t peer_send(struct peer *peer, const void *data, size_t bytes)
{
    return peer->ssl ? farm_tls_send(peer->ssl, data, bytes) : send(peer->fd, data, bytes, MSG_NOSIGNAL);
}

static bool hold(struct peer *peer, const uint8_t *data, size_t bytes)
{
    if (peer->held_bytes + bytes > peer->held_room) {
        size_t room = peer->held_room ? peer->held_room : 4096;
        while (room < peer->held_bytes + bytes)
            room *= 2;
        uint8_t *const more = realloc(peer->held, room);
        if (!more)
            return false;
        peer->held = more;
        peer->held_room = room;
    }
    memcpy(peer->held + peer->held_bytes, data, bytes);
    peer->held_bytes += bytes;
    return true;
}

/* What is held goes out first. False: the connection is broken. */
static bool flush(struct peer *peer)
{
    if (peer->held_bytes == 0)
        return true;
    const ssize_t sent = peer_send(peer, peer->held, peer->held_bytes);
    if (sent < 0)
        return errno == EAGAIN;
    peer->held_bytes -= (size_t)sent;
    memmove(peer->held, peer->held + sent, peer->held_bytes);
    return true;
}

static bool echo(struct farm *farm, struct peer *peer)
{
    const ssize_t got = peer_recv(peer, farm->scratch, SCRATCH_BYTES);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    size_t bytes = (size_t)got, sent = 0;
    const bool last = peer->bytes_max && peer->bytes + bytes >= peer->bytes_max;
    if (last)
        bytes = (size_t)(peer->bytes_max - peer->bytes);
    peer->bytes += bytes;
    if (peer->held_bytes == 0) {
        const ssize_t r = peer_send(peer, farm->scratch, bytes);
        if (r < 0 && errno != EAGAIN)
            return false;
        sent = r > 0 ? (size_t)r : 0;
    }
    return (sent == bytes || hold(peer, farm->scratch + sent, bytes - sent)) && !last;
}

static void peer_serve(struct farm *farm, struct peer *peer, uint32_t events)
{
    bool good = true;
    if (events & EPOLLOUT)
        good = flush(peer);
    if (good && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        good = echo(farm, peer);
    const uint32_t wanted =
        (peer->held_bytes < HELD_MAX ? (uint32_t)EPOLLIN : 0) | (peer->held_bytes ? (uint32_t)EPOLLOUT : 0);
    struct epoll_event event = {.events = wanted, .data.ptr = peer};
    if (good && wanted != peer->events)
        good = epoll_ctl(farm->epoll, EPOLL_CTL_MOD, peer->fd, &event) == 0;
    peer->events = wanted;
    if (!good)
        peer_close(peer);
}

/* ---- the thread ---- */

static int flap(struct farm *farm)
{
    const uint64_t now = load_clock_ns();
    bool any_flaps = false;
    for (unsigned i = 0; i < farm->preset->servers; i++) {
        struct server *const server = &farm->servers[i];
        any_flaps |= server->conduct == CONDUCT_flap;
        if (server->conduct != CONDUCT_flap || now < server->flap_ns)
            continue;
        server->flap_ns = now + FLAP_NS + any(farm, FLAP_NS);
        if (server->fd < 0) {
            server_listen(farm, i);
            continue;
        }
        close(server->fd);
        server->fd = -1;
        while (server->peers)
            peer_close(server->peers);
    }
    return any_flaps ? 20 : -1;
}

static void *run(void *argument)
{
    struct farm *const farm = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        const int timeout = flap(farm);
        const int count = epoll_wait(farm->epoll, events, EVENTS, timeout);
        for (int i = 0; i < count; i++) {
            const uint64_t data = events[i].data.u64;
            if (data == UINT64_MAX)
                return NULL;
            if (data < farm->preset->servers)
                peers_accept(farm, &farm->servers[data]);
            else
                peer_serve(farm, events[i].data.ptr, events[i].events);
        }
    }
}

static int farm_open(struct farm *farm)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    farm->epoll = epoll_create1(EPOLL_CLOEXEC);
    farm->wake = eventfd(0, EFD_CLOEXEC);
    farm->servers = calloc(farm->preset->servers, sizeof *farm->servers);
    if (!farm->servers)
        return -ENOMEM;
    if (farm->epoll < 0 || farm->wake < 0 || epoll_ctl(farm->epoll, EPOLL_CTL_ADD, farm->wake, &event) < 0)
        return -errno;
    for (unsigned i = 0; i < farm->preset->servers; i++)
        farm->servers[i] = (struct server){.fd = -1,
                                           .conduct = conduct_of(farm->preset, i),
                                           .flap_ns = load_clock_ns() + FLAP_NS + any(farm, FLAP_NS)};
    int r = farm->preset->tls ? farm_tls_init(&farm->tls) : 0;
    if (r == 0)
        r = servers_listen(farm);
    return r < 0 ? r : -pthread_create(&farm->thread, NULL, run, farm);
}

static void farm_free(struct farm *farm)
{
    for (unsigned i = 0; farm->servers && i < farm->preset->servers; i++)
        while (farm->servers[i].peers)
            peer_close(farm->servers[i].peers);
    if (farm->servers)
        listeners_close(farm);
    farm_tls_fini(&farm->tls);
    close(farm->epoll);
    close(farm->wake);
    free(farm->servers);
    free(farm);
}

int farm_start(struct farm **ret_farm, const struct preset *preset)
{
    struct farm *const farm = calloc(1, sizeof *farm);
    if (!farm)
        return -ENOMEM;
    farm->preset = preset;
    farm->random = 7;
    farm->epoll = farm->wake = -1;
    const int r = farm_open(farm);
    if (r < 0) {
        farm_free(farm);
        return r;
    }
    *ret_farm = farm;
    return 0;
}

void farm_stop(struct farm *farm)
{
    if (!farm)
        return;
    eventfd_write(farm->wake, 1);
    pthread_join(farm->thread, NULL);
    farm_free(farm);
}

uint16_t farm_port(const struct farm *farm)
{
    return farm->port;
}

const char *farm_trust(const struct farm *farm)
{
    return farm->tls.path;
}
