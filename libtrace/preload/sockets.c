/* SPDX-License-Identifier: ISC
 *
 * Hooks of sockets: connect, accept, send and receive.
 */
#include "preload.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* ---- addresses as text (inet_ntop and snprintf may not be called in signal handlers) ----------------------------- */

#define PEER_BYTES 112

static char *put_number(char *p, unsigned value, unsigned base)
{
    char digits[12];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        *p++ = digits[--n];
    return p;
}

static char *put_ip4(char *p, const unsigned char *ip)
{
    for (int i = 0; i < 4; i++) {
        if (i)
            *p++ = '.';
        p = put_number(p, ip[i], 10);
    }
    return p;
}

static char *put_ip6(char *p, const unsigned char *ip)
{
    *p++ = '[';
    for (int i = 0; i < 16; i += 2) {
        if (i)
            *p++ = ':';
        p = put_number(p, (unsigned)ip[i] << 8 | ip[i + 1], 16);
    }
    *p++ = ']';
    return p;
}

/* "127.0.0.1:6379", "[0:0:0:0:0:0:0:1]:80", "/run/socket", "@abstract"; else "". */
static void put_peer(char text[PEER_BYTES], const struct sockaddr *address, socklen_t bytes)
{
    char *p = text;
    if (address->sa_family == AF_INET && bytes >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        p = put_ip4(p, (const unsigned char *)&in.sin_addr);
        *p++ = ':';
        p = put_number(p, ntohs(in.sin_port), 10);
    } else if (address->sa_family == AF_INET6 && bytes >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof(in));
        p = put_ip6(p, in.sin6_addr.s6_addr);
        *p++ = ':';
        p = put_number(p, ntohs(in.sin6_port), 10);
    } else if (address->sa_family == AF_UNIX && bytes > offsetof(struct sockaddr_un, sun_path)) {
        size_t length = bytes - offsetof(struct sockaddr_un, sun_path);
        if (length > sizeof(((struct sockaddr_un *)0)->sun_path))
            length = sizeof(((struct sockaddr_un *)0)->sun_path);
        memcpy(p, ((const struct sockaddr_un *)(const void *)address)->sun_path, length);
        if (*p == '\0')
            *p = '@';
        p += length;
    }
    *p = '\0';
}

/* ---- connect and accept ---------------------------------------------------------------------------------------- */

/* The kernel has read the address when the call succeeds or fails for what the address leads to. */
static bool peer_is_readable(int error)
{
    switch (error) {
    case 0:
    case EINPROGRESS:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ECONNRESET:
    case ENOENT:
    case EINTR:
        return true;
    default:
        return false;
    }
}

static void emit_connect_end(uint64_t span, const struct sockaddr *address, socklen_t bytes, int error)
{
    char peer[PEER_BYTES] = "";
    const bool readable = address && bytes >= sizeof(sa_family_t) && peer_is_readable(error);
    if (readable && libc_trace_connect_end_on())
        put_peer(peer, address, bytes);
    libc_trace_connect_end(span, readable ? peer : NULL, error);
}

HOOK int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t bytes)
{
    if (!LIBC_WAIT_WANTED(connect))
        return libc_real.connect(fd, address.__sockaddr__, bytes);
    int keep = libc_emit_begin();
    const uint64_t span = evtrail_span_id();
    libc_trace_connect_begin(span, 0, fd);
    libc_emit_end(keep);
    const struct libc_outer_wait outer = libc_wait_enter(&libc_trace_connect_end_point, span);
    const int result = libc_real.connect(fd, address.__sockaddr__, bytes);
    libc_wait_leave(outer);
    keep = libc_emit_begin();
    emit_connect_end(span, address.__sockaddr__, bytes, result < 0 ? keep : 0);
    libc_emit_end(keep);
    return result;
}

static void emit_accept_end(uint64_t span, int listener, int fd, int error)
{
    const uint64_t now = evtrail_now();
    libc_trace_accept_end_at(now, span, fd, fd < 0 ? error : 0);
    if (fd >= 0)
        libc_trace_fd_state_at(now, (uint64_t)fd, (uint64_t)listener, LIBC_FD_CONNECTION);
}

#define ACCEPT(real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(accept)) \
            return real_call; \
        int keep = libc_emit_begin(); \
        const uint64_t span = evtrail_span_id(); \
        libc_trace_accept_begin(span, 0, fd); \
        libc_emit_end(keep); \
        const struct libc_outer_wait outer = libc_wait_enter(&libc_trace_accept_end_point, span); \
        const int result = real_call; \
        libc_wait_leave(outer); \
        keep = libc_emit_begin(); \
        emit_accept_end(span, fd, result, keep); \
        libc_emit_end(keep); \
        return result; \
    } while (0)

HOOK int accept(int fd, __SOCKADDR_ARG address, socklen_t *bytes)
{
    ACCEPT(libc_real.accept(fd, address.__sockaddr__, bytes));
}

HOOK int accept4(int fd, __SOCKADDR_ARG address, socklen_t *bytes, int flags)
{
    ACCEPT(libc_real.accept4(fd, address.__sockaddr__, bytes, flags));
}

/* ---- send and receive ------------------------------------------------------------------------------------------ */

#define TRANSFER(event, real_call) \
    LIBC_CALL(event, ssize_t, real_call, result < 0, \
              libc_trace_##event##_at(call.end, fd, bytes, result, call.error, call.took))
#define TRANSFER_MESSAGE(event, real_call) \
    LIBC_CALL(event, ssize_t, real_call, result < 0, \
              libc_trace_##event##_at(call.end, fd, result, call.error, call.took))

HOOK ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    TRANSFER(send, libc_real.send(fd, data, bytes, flags));
}

HOOK ssize_t sendto(int fd, const void *data, size_t bytes, int flags, __CONST_SOCKADDR_ARG address,
                    socklen_t address_bytes)
{
    TRANSFER(sendto, libc_real.sendto(fd, data, bytes, flags, address.__sockaddr__, address_bytes));
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    TRANSFER_MESSAGE(sendmsg, libc_real.sendmsg(fd, message, flags));
}

HOOK ssize_t recv(int fd, void *data, size_t bytes, int flags)
{
    TRANSFER(recv, libc_real.recv(fd, data, bytes, flags));
}

HOOK ssize_t recvfrom(int fd, void *data, size_t bytes, int flags, __SOCKADDR_ARG address, socklen_t *address_bytes)
{
    TRANSFER(recvfrom, libc_real.recvfrom(fd, data, bytes, flags, address.__sockaddr__, address_bytes));
}

HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    TRANSFER_MESSAGE(recvmsg, libc_real.recvmsg(fd, message, flags));
}

/* What the compiler calls instead under _FORTIFY_SOURCE. */
HOOK ssize_t __recv_chk(int fd, void *data, size_t bytes, size_t room, int flags);
HOOK ssize_t __recv_chk(int fd, void *data, size_t bytes, size_t room, int flags)
{
    TRANSFER(recv, libc_real.__recv_chk(fd, data, bytes, room, flags));
}
HOOK ssize_t __recvfrom_chk(int fd, void *data, size_t bytes, size_t room, int flags, __SOCKADDR_ARG address,
                            socklen_t *address_bytes);
HOOK ssize_t __recvfrom_chk(int fd, void *data, size_t bytes, size_t room, int flags, __SOCKADDR_ARG address,
                            socklen_t *address_bytes)
{
    TRANSFER(recvfrom, libc_real.__recvfrom_chk(fd, data, bytes, room, flags, address.__sockaddr__, address_bytes));
}
