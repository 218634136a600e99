/* SPDX-License-Identifier: ISC
 *
 * A listener and endpoints on one loop, each side with what it heard; for tests of connections.
 */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#undef NDEBUG
#include <assert.h>

uint64_t fixture_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t checksum_of(uint64_t checksum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        checksum = (checksum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return checksum;
}

/* ---- a side ---- */

static size_t received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct side *side = context;
    size_t used = size;
    if (side->whole) {
        used = size / side->whole * side->whole;
        side->messages += (unsigned)(size / side->whole);
        *ret_wanted = side->whole;
    }
    for (size_t i = 0; i < used && side->received_bytes + i < SIDE_BYTES; i++)
        side->bytes[side->received_bytes + i] = bytes[i];
    side->checksum = checksum_of(side->checksum, bytes, used);
    side->received_bytes += used;
    if (side->echo && used) {
        const struct iovec part = {(void *)(uintptr_t)bytes, used};
        net_link_send(link, &part, 1);
    }
    return used;
}

static void writable(void *context, struct net_link *link)
{
    ((struct side *)context)->writable++;
}

static void closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    struct side *side = context;
    if (side->link == link)
        side->link = NULL;
    side->closed++;
    side->end = end;
    snprintf(side->reason, sizeof(side->reason), "%s", reason);
    struct fixture *f = side->fixture;
    if (side == &f->client && !f->keep_trying && f->endpoints)
        net_endpoints_stop(f->endpoints);
}

static const struct net_link_calls link_calls = {.received = received, .writable = writable, .closed = closed};

static void own(struct side *side, struct net_link *link)
{
    side->link = link;
    side->ready++;
    side->peer = *net_link_peer(link);
    net_link_own(link, &link_calls, side);
}

int side_send(struct side *side, const void *bytes, size_t size)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, size};
    return net_link_send(side->link, &part, 1);
}

/* ---- both ---- */

static void accepted(void *context, struct net_listener *listener, struct net_link *link)
{
    own(&((struct fixture *)context)->server, link);
}

static void refused(void *context, struct net_listener *listener, const struct net_peer *peer, enum net_end end,
                    const char *reason)
{
    struct fixture *f = context;
    f->refused++;
    f->refused_end = end;
    snprintf(f->refused_reason, sizeof(f->refused_reason), "%s", reason);
}

static void connected(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    struct fixture *f = context;
    own(&f->client, link);
    if (f->call_good)
        net_endpoints_good(endpoints);
}

static void failed(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason,
                   bool round_ended, uint64_t retry_ns)
{
    struct fixture *f = context;
    f->failed++;
    f->rounds_ended += round_ended;
    f->failed_end = end;
    f->retry_ns = retry_ns;
    snprintf(f->failed_reason, sizeof(f->failed_reason), "%s", reason);
    if (!f->keep_trying)
        net_endpoints_stop(endpoints);
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->server.fixture = f->client.fixture = f;
    f->server.checksum = f->client.checksum = UINT64_C(0xcbf29ce484222325);
    assert(evloop_new(&f->loop, NULL) == 0);
    assert(net_new(&f->net, f->loop) == 0);
}

void fixture_fini(struct fixture *f)
{
    net_endpoints_free(f->endpoints);
    f->endpoints = NULL; /* callbacks of links are still to come */
    net_listener_free(f->listener);
    net_free(f->net);
    evloop_free(f->loop);
    net_tls_free(f->server_tls);
    net_tls_free(f->client_tls);
}

void fixture_listen(struct fixture *f, const char *address, struct net_listener_options *options)
{
    static const struct net_listener_calls calls = {.accepted = accepted, .refused = refused};
    struct net_listener_options defaults = {0};
    struct net_address parsed;
    struct net_text why;
    if (!options)
        options = &defaults;
    if (net_address_parse(&parsed, address, 0, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    options->addresses = &parsed;
    options->addresses_count = 1;
    options->tls = f->server_tls;
    if (net_listener_new(&f->listener, f->net, options, &calls, f, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
}

uint16_t fixture_port(const struct fixture *f)
{
    struct net_address address;
    assert(net_listener_address(f->listener, 0, &address));
    return address.port;
}

void fixture_connect(struct fixture *f, const char *scheme, const char *host, struct net_endpoints_options *options)
{
    static const struct net_endpoints_calls calls = {.connected = connected, .failed = failed};
    struct net_endpoints_options defaults = {0};
    struct net_endpoint endpoint[1];
    struct net_text why;
    unsigned count = 0;
    char text[200];
    if (!options)
        options = &defaults;
    snprintf(text, sizeof(text), "%s%s", scheme, host ? host : "127.0.0.1");
    if (net_endpoints_parse(endpoint, &count, text, 0, f->listener ? fixture_port(f) : 1, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    options->endpoints = endpoint;
    options->count = count;
    options->tls = f->client_tls;
    if (net_endpoints_new(&f->endpoints, f->net, options, &calls, f, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    net_endpoints_start(f->endpoints);
}

/* ---- plain sockets ---- */

int raw_connect(const struct fixture *f)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(fixture_port(f)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    assert(connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

size_t raw_read_all(struct fixture *f, int fd, char *text, size_t size)
{
    const uint64_t until_ns = fixture_now() + UINT64_C(60000000000);
    size_t done = 0;
    while (done < size) {
        const ssize_t n = recv(fd, text + done, size - done, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN) || fixture_now() > until_ns)
            break;
        done += n > 0 ? (size_t)n : 0;
        evloop_run_once(f->loop, 1000000);
    }
    text[done < size ? done : size - 1] = '\0';
    return done;
}
