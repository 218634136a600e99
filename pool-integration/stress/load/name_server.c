/* SPDX-License-Identifier: ISC
 *
 * A DNS server for the names of the load, as slow as wanted. A questions are answered, others have no records.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_BYTES = 512, PENDING_MAX = 512, HEADER_BYTES = 12, TYPE_A = 1, ANSWER_BYTES = 16 };

struct pending {
    uint64_t due_ns;
    struct sockaddr_in to;
    size_t bytes;
    uint8_t packet[PACKET_BYTES];
};
struct name_server {
    const struct preset *preset;
    pthread_t thread;
    int fd, wake;
    uint16_t port;
    uint64_t random;
    unsigned count;
    struct pending pending[PENDING_MAX];
};

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

/* Where the question ends, and which name it asks for; 0: not ours. */
static size_t question_end(const uint8_t *packet, size_t bytes, unsigned *ret_name)
{
    size_t at = HEADER_BYTES;
    char label[64] = "";
    while (at < bytes && packet[at] != 0) {
        const size_t length = packet[at];
        if (length > 63 || at + 1 + length >= bytes)
            return 0;
        if (!label[0]) {
            memcpy(label, packet + at + 1, length);
            label[length] = '\0';
        }
        at += 1 + length;
    }
    *ret_name = label[0] == 's' || label[0] == 'S' ? (unsigned)atoi(label + 1) : ~0u;
    return at + 5 <= bytes ? at + 5 : 0;
}

static size_t answers_put(const struct name_server *server, uint8_t *packet, size_t at, unsigned name,
                          unsigned *ret_count)
{
    const struct preset *const preset = server->preset;
    for (unsigned i = name; i < preset->servers && at + ANSWER_BYTES <= PACKET_BYTES; i += preset->names) {
        const uint32_t ttl = htonl(preset->ttl_s), address = htonl(farm_address(i));
        put16(packet + at, 0xc000 | HEADER_BYTES); /* the name of the question */
        put16(packet + at + 2, TYPE_A);
        put16(packet + at + 4, 1);
        memcpy(packet + at + 6, &ttl, 4);
        put16(packet + at + 10, 4);
        memcpy(packet + at + 12, &address, 4);
        at += ANSWER_BYTES;
        ++*ret_count;
    }
    return at;
}

static uint64_t delay_ns(struct name_server *server)
{
    const struct preset *const preset = server->preset;
    server->random = server->random * 6364136223846793005u + 1442695040888963407u;
    const uint32_t span = preset->dns_delay_max_ms - preset->dns_delay_min_ms;
    return (preset->dns_delay_min_ms + (span ? (server->random >> 33) % span : 0)) * UINT64_C(1000000);
}

static void question_take(struct name_server *server)
{
    struct pending *const pending = &server->pending[server->count];
    socklen_t length = sizeof pending->to;
    unsigned name, count = 0;
    const ssize_t got =
        recvfrom(server->fd, pending->packet, PACKET_BYTES, MSG_DONTWAIT, (struct sockaddr *)&pending->to, &length);
    if (got < HEADER_BYTES)
        return;
    const size_t end = question_end(pending->packet, (size_t)got, &name);
    if (end == 0)
        return;
    const bool known = name < server->preset->names;
    pending->bytes = end;
    if (known && pending->packet[end - 3] == TYPE_A)
        pending->bytes = answers_put(server, pending->packet, end, name, &count);
    put16(pending->packet + 2, known ? 0x8580 : 0x8583); /* an answer with authority; no such name */
    put16(pending->packet + 4, 1);
    put16(pending->packet + 6, count);
    put16(pending->packet + 8, 0);
    put16(pending->packet + 10, 0);
    pending->due_ns = load_clock_ns() + delay_ns(server);
    server->count++;
}

/* Sends what is due; returns ms until the next is, -1: none. */
static int answers_send(struct name_server *server)
{
    const uint64_t now = load_clock_ns();
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < server->count;) {
        struct pending *const pending = &server->pending[i];
        if (pending->due_ns > now) {
            next = pending->due_ns < next ? pending->due_ns : next;
            i++;
            continue;
        }
        sendto(server->fd, pending->packet, pending->bytes, MSG_DONTWAIT, (struct sockaddr *)&pending->to,
               sizeof pending->to);
        *pending = server->pending[--server->count];
    }
    return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static void *run(void *argument)
{
    struct name_server *const server = argument;
    struct pollfd polled[2] = {{.fd = server->fd, .events = POLLIN}, {.fd = server->wake, .events = POLLIN}};
    for (;;) {
        const int timeout = answers_send(server);
        polled[0].events = server->count < PENDING_MAX ? POLLIN : 0;
        if (poll(polled, 2, timeout) < 0 && errno != EINTR)
            return NULL;
        if (polled[1].revents)
            return NULL;
        if (polled[0].revents && server->count < PENDING_MAX)
            question_take(server);
    }
}

static int open_socket(struct name_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server->wake = eventfd(0, EFD_CLOEXEC);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (server->wake < 0 || server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    server->port = ntohs(address.sin_port);
    return 0;
}

int name_server_start(struct name_server **ret_server, const struct preset *preset)
{
    struct name_server *const server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->preset = preset;
    server->random = 1;
    server->fd = server->wake = -1;
    int r = open_socket(server);
    if (r == 0)
        r = -pthread_create(&server->thread, NULL, run, server);
    if (r < 0) {
        close(server->fd);
        close(server->wake);
        free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

void name_server_stop(struct name_server *server)
{
    if (!server)
        return;
    eventfd_write(server->wake, 1);
    pthread_join(server->thread, NULL);
    close(server->fd);
    close(server->wake);
    free(server);
}

uint16_t name_server_port(const struct name_server *server)
{
    return server->port;
}
