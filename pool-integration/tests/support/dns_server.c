/* SPDX-License-Identifier: ISC
 *
 * A DNS server that misbehaves by name.
 */
#include "dns_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, MESSAGE_MAX = 65535, UDP_MAX = 512 };
enum { RCODE_ok, RCODE_servfail = 2, RCODE_nxdomain = 3, RCODE_refused = 5 };

struct dns_server {
    pthread_t thread;
    int udp, tcp, wake[2];
    char address[32];
    _Atomic unsigned version, asked, turn;
    _Atomic int silent;
};

/* A message that is written, and of the question what matters. */
struct message {
    uint8_t bytes[MESSAGE_MAX];
    size_t length;
    unsigned answers;
    uint16_t question_end;
    char name[256];
    uint16_t type;
    bool by_tcp;
};

static void put16(struct message *m, unsigned value)
{
    m->bytes[m->length++] = (uint8_t)(value >> 8);
    m->bytes[m->length++] = (uint8_t)value;
}

static bool parse(struct message *m, const uint8_t *query, size_t length)
{
    size_t at = 12, out = 0;
    if (length < 17)
        return false;
    while (at < length && query[at]) {
        const size_t label = query[at];
        if (label > 63 || at + label + 5 >= length || out + label + 2 > sizeof(m->name))
            return false;
        memcpy(m->name + out, query + at + 1, label);
        out += label;
        m->name[out++] = '.';
        at += label + 1;
    }
    m->name[out ? out - 1 : 0] = 0;
    m->type = (uint16_t)(query[at + 1] << 8 | query[at + 2]);
    m->question_end = (uint16_t)(at + 5);
    memcpy(m->bytes, query, m->question_end);
    m->length = m->question_end;
    m->answers = 0;
    return true;
}

static void finish(struct message *m, unsigned rcode, bool truncated)
{
    m->bytes[2] = (uint8_t)(0x81 | (truncated ? 2 : 0)); /* QR, RD */
    m->bytes[3] = (uint8_t)(0x80 | rcode);
    m->bytes[4] = 0;
    m->bytes[5] = 1;
    m->bytes[6] = (uint8_t)(m->answers >> 8);
    m->bytes[7] = (uint8_t)m->answers;
    memset(m->bytes + 8, 0, 4);
}

static void put_record(struct message *m, unsigned owner, unsigned type, unsigned ttl, const void *data, size_t bytes)
{
    put16(m, owner);
    put16(m, type);
    put16(m, 1);
    put16(m, ttl >> 16);
    put16(m, ttl);
    put16(m, (unsigned)bytes);
    memcpy(m->bytes + m->length, data, bytes);
    m->length += bytes;
    m->answers++;
}

static void put_a(struct message *m, unsigned ttl, unsigned last)
{
    const uint8_t address[4] = {192, (uint8_t)(last >> 16), (uint8_t)(last < 256 ? 2 : 100 + (last >> 8)),
                                (uint8_t)last};
    put_record(m, 0xc00c, TYPE_A, ttl, address, 4);
}

static void put_aaaa(struct message *m, unsigned ttl, unsigned last)
{
    const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)last};
    put_record(m, 0xc00c, TYPE_AAAA, ttl, address, 16);
}

/* cname.test -> b.test -> c.test -> 192.0.2.77 */
static void put_chain(struct message *m)
{
    static const uint8_t b[] = "\1b\4test", c[] = "\1c\4test";
    const uint8_t address[4] = {192, 0, 2, 77};
    put_record(m, 0xc00c, TYPE_CNAME, 300, b, sizeof(b));
    const unsigned at_b = (unsigned)(m->length - sizeof(b)) | 0xc000;
    put_record(m, at_b, TYPE_CNAME, 7, c, sizeof(c));
    const unsigned at_c = (unsigned)(m->length - sizeof(c)) | 0xc000;
    if (m->type == TYPE_A)
        put_record(m, at_c, TYPE_A, 100, address, 4);
}

/* The names that answer with addresses. */
static bool put_addresses(struct dns_server *s, struct message *m)
{
    const bool a = m->type == TYPE_A;
    const unsigned turn = a ? atomic_fetch_add(&s->turn, 1) % 2 : 0;
    if (strcmp(m->name, "dual.test") == 0) {
        for (unsigned i = 1; i <= (a ? 3 : 2); i++)
            (a ? put_a : put_aaaa)(m, 60, i);
    } else if (strcmp(m->name, "changes.test") == 0 && a) {
        put_a(m, 1, atomic_load(&s->version));
    } else if (strcmp(m->name, "turns.test") == 0 && a) {
        put_a(m, 1, 1 + turn);
        put_a(m, 1, 2 - turn);
    } else if (strcmp(m->name, "cname.test") == 0) {
        put_chain(m);
    } else if (strcmp(m->name, "many.test") == 0 && a) {
        for (unsigned i = 0; i < 1000; i++)
            put_a(m, 60, 1000 + i);
    } else if (strcmp(m->name, "late.test") == 0 || strcmp(m->name, "half.test") == 0) {
        (a ? put_a : put_aaaa)(m, 60, 1);
    } else if (strcmp(m->name, "brief.test") == 0 && a) {
        put_a(m, 0, 1);
    } else if (m->name[0] == 'n' && a) {
        put_a(m, 60, 9);
    } else if (a) {
        put_a(m, 60, 1);
    }
    return true;
}

/* Whether to answer. */
static bool compose(struct dns_server *s, struct message *m)
{
    unsigned rcode = RCODE_ok;
    if (atomic_load(&s->silent) || strcmp(m->name, "hung.test") == 0 ||
        (strcmp(m->name, "half.test") == 0 && m->type == TYPE_AAAA))
        return false;
    if (strcmp(m->name, "none.test") == 0)
        rcode = RCODE_nxdomain;
    else if (strcmp(m->name, "fail.test") == 0)
        rcode = RCODE_servfail;
    else if (strcmp(m->name, "refused.test") == 0)
        rcode = RCODE_refused;
    else if (strcmp(m->name, "empty.test") != 0)
        put_addresses(s, m);
    bool truncated = !m->by_tcp && (m->length > UDP_MAX || strcmp(m->name, "truncated.test") == 0);
    if (truncated) {
        m->length = m->question_end;
        m->answers = 0;
    }
    finish(m, rcode, truncated);
    if (strcmp(m->name, "garbage.test") == 0)
        for (size_t i = m->question_end; i < m->length; i++)
            m->bytes[i] = (uint8_t)(i * 37 + 201);
    return true;
}

static void count(struct dns_server *s, const struct message *m)
{
    if (m->type == TYPE_A)
        atomic_fetch_add(&s->asked, 1);
}

static void serve_udp(struct dns_server *s, struct message *m)
{
    uint8_t query[UDP_MAX];
    struct sockaddr_in peer;
    socklen_t bytes = sizeof(peer);
    const ssize_t length = recvfrom(s->udp, query, sizeof(query), 0, (struct sockaddr *)&peer, &bytes);
    m->by_tcp = false;
    if (length < 0 || !parse(m, query, (size_t)length))
        return;
    count(s, m);
    if (!compose(s, m))
        return;
    if (strcmp(m->name, "late.test") == 0 && m->type == TYPE_AAAA)
        usleep(150000);
    if (strcmp(m->name, "wrongid.test") == 0) {
        m->bytes[0] ^= 0x5a;
        m->bytes[m->length - 1] ^= 0x5a;
        sendto(s->udp, m->bytes, m->length, 0, (struct sockaddr *)&peer, bytes);
        m->bytes[0] ^= 0x5a;
        m->bytes[m->length - 1] ^= 0x5a;
    }
    sendto(s->udp, m->bytes, m->length, 0, (struct sockaddr *)&peer, bytes);
}

static void serve_tcp(struct dns_server *s, struct message *m)
{
    uint8_t query[UDP_MAX + 2];
    const struct timeval second = {.tv_sec = 1};
    const int fd = accept4(s->tcp, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    m->by_tcp = true;
    const ssize_t length = recv(fd, query, sizeof(query), 0);
    if (length > 2 && parse(m, query + 2, (size_t)length - 2) && compose(s, m)) {
        const uint8_t header[2] = {(uint8_t)(m->length >> 8), (uint8_t)m->length};
        send(fd, header, 2, MSG_NOSIGNAL | MSG_MORE);
        for (size_t at = 0; at < m->length; at += 1000) /* in pieces */
            send(fd, m->bytes + at, m->length - at < 1000 ? m->length - at : 1000, MSG_NOSIGNAL);
    }
    close(fd);
}

static void *serve(void *arg)
{
    struct dns_server *s = arg;
    struct message *m = malloc(sizeof(*m));
    struct pollfd fds[3] = {{s->udp, POLLIN, 0}, {s->tcp, POLLIN, 0}, {s->wake[0], POLLIN, 0}};
    while (poll(fds, 3, -1) > 0 && !fds[2].revents) {
        if (fds[0].revents)
            serve_udp(s, m);
        if (fds[1].revents)
            serve_tcp(s, m);
    }
    free(m);
    return NULL;
}

struct dns_server *dns_server_start(void)
{
    struct dns_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    for (int try = 0; try < 20; try++) { /* one port for both */
        address.sin_port = 0;
        s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(s->udp, (struct sockaddr *)&address, bytes) == 0 &&
            getsockname(s->udp, (struct sockaddr *)&address, &bytes) == 0 &&
            bind(s->tcp, (struct sockaddr *)&address, bytes) == 0 && listen(s->tcp, 16) == 0)
            break;
        close(s->udp);
        close(s->tcp);
    }
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", ntohs(address.sin_port));
    if (pipe2(s->wake, O_CLOEXEC) < 0 || pthread_create(&s->thread, NULL, serve, s) != 0)
        abort();
    return s;
}

void dns_server_stop(struct dns_server *s)
{
    close(s->wake[1]);
    pthread_join(s->thread, NULL);
    close(s->wake[0]);
    close(s->udp);
    close(s->tcp);
    free(s);
}

const char *dns_server_address(const struct dns_server *s)
{
    return s->address;
}

unsigned dns_server_asked(struct dns_server *s)
{
    return atomic_exchange(&s->asked, 0);
}

void dns_server_set_version(struct dns_server *s, unsigned version)
{
    atomic_store(&s->version, version);
}

void dns_server_set_silent(struct dns_server *s, int silent)
{
    atomic_store(&s->silent, silent);
}
