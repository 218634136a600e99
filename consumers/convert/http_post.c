/* SPDX-License-Identifier: ISC
 *
 * A blocking client with time limits. What the server says is bounded before it is used.
 */
#include "http_post.h"

#include "../skeleton.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S 10                     /* without a byte */
#define EXCHANGE_NS INT64_C(60000000000) /* for a request and its answer, however their bytes trickle */
#define HEAD_MAX 16384

int http_client_init(struct http_client *client, const char *url)
{
    *client = (struct http_client){.fd = -1};
    if (strncmp(url, "https://", 8) == 0)
        return -EPROTONOSUPPORT;
    if (strncmp(url, "http://", 7) != 0)
        return -EINVAL;
    url += 7;
    const size_t length = strcspn(url, "/?#");
    const char *host = url, *end = url + length;
    const char *port = NULL;
    if (*host == '[') { /* IPv6 */
        const char *const close = memchr(host, ']', length);
        if (!close)
            return -EINVAL;
        port = close + 1 < end && close[1] == ':' ? close + 2 : NULL;
        host++;
        end = close;
    } else {
        const char *const colon = memchr(host, ':', length);
        port = colon ? colon + 1 : NULL;
        end = colon ? colon : end;
    }
    const size_t port_length = port ? (size_t)(url + length - port) : 4;
    size_t path = strlen(url + length);
    while (path > 0 && url[length + path - 1] == '/')
        path--;
    if (end == host || (size_t)(end - host) >= sizeof client->host || port_length == 0 || port_length > 5 ||
        path >= sizeof client->prefix || url[length] == '?' || url[length] == '#')
        return -EINVAL;
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return -EINVAL;
    memcpy(client->host, host, (size_t)(end - host));
    memcpy(client->port, port ? port : "4318", port_length);
    memcpy(client->prefix, url + length, path);
    return 0;
}

void http_client_fini(struct http_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static int connect_to(const struct addrinfo *address)
{
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    const int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of connect(), too */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    const int error = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
    close(fd);
    return -error;
}

static int client_connect(struct http_client *client)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int r = -EHOSTUNREACH;
    if (client->fd >= 0)
        return 0;
    if (getaddrinfo(client->host, client->port, &hints, &addresses) != 0)
        return r;
    for (const struct addrinfo *address = addresses; address && client->fd < 0; address = address->ai_next) {
        client->fd = connect_to(address);
        if (client->fd < 0)
            r = client->fd;
    }
    freeaddrinfo(addresses);
    return client->fd >= 0 ? 0 : r;
}

static int send_all(const struct http_client *client, const char *bytes, size_t count)
{
    while (count > 0) {
        if (monotonic_ns() > client->deadline_ns)
            return -ETIMEDOUT;
        const ssize_t n = send(client->fd, bytes, count, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : errno == EPIPE ? -ECONNRESET : -errno;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

/* More of the answer: how much came, 0 at its end. */
static ssize_t receive(const struct http_client *client, struct scratch *to)
{
    char *const room = scratch_room(to, 4096);
    if (!room)
        return -ENOMEM;
    for (;;) {
        if (monotonic_ns() > client->deadline_ns)
            return -ETIMEDOUT;
        const ssize_t n = recv(client->fd, room, 4096, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        to->used += (size_t)n;
        return n;
    }
}

/* The value of a header field, or NULL. `head` is NUL-terminated. */
static const char *header(const char *head, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
        const char *value = line + 2;
        if (strncasecmp(value, name, length) != 0 || value[length] != ':')
            continue;
        value += length + 1;
        return value + strspn(value, " \t");
    }
    return NULL;
}

static size_t head_end(const struct scratch *text)
{
    const char *const end = text->used ? memmem(text->bytes, text->used, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - text->bytes) + 4 : 0;
}

/* Reads until the head is whole. Returns its length. */
static ssize_t head_read(const struct http_client *client, struct scratch *text)
{
    size_t end;
    while ((end = head_end(text)) == 0) {
        const ssize_t n = text->used > HEAD_MAX ? -EMSGSIZE : receive(client, text);
        if (n <= 0)
            return n < 0 ? n : -ECONNRESET;
    }
    return (ssize_t)end;
}

/* The body of known length; *ret_keep: the connection can be used again. */
static int body_read(const struct http_client *client, struct scratch *text, size_t head, const char *length,
                     bool *ret_keep)
{
    const unsigned long long wanted = length ? strtoull(length, NULL, 10) : HTTP_BODY_MAX;
    const size_t most = head + (wanted < HTTP_BODY_MAX ? (size_t)wanted : HTTP_BODY_MAX);
    while (text->used < most) {
        const ssize_t n = receive(client, text);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
    }
    *ret_keep = length && wanted <= HTTP_BODY_MAX && text->used == head + wanted;
    return 0;
}

/* Chunks put together in place; what is not whole is left out. */
static void unchunk(struct scratch *body)
{
    size_t from = 0, to = 0;
    while (from < body->used) {
        char *const eol = memmem(body->bytes + from, body->used - from, "\r\n", 2);
        if (!eol || !isxdigit((unsigned char)body->bytes[from])) /* nor spaces, behind which strtoull() would look on */
            break;
        const unsigned long long size = strtoull(body->bytes + from, NULL, 16);
        const size_t begin = (size_t)(eol - body->bytes) + 2;
        if (size == 0 || size > body->used - begin)
            break;
        memmove(body->bytes + to, body->bytes + begin, (size_t)size);
        to += (size_t)size;
        from = begin + (size_t)size + 2;
    }
    body->used = to;
}

static int answer_read(struct http_client *client, struct http_answer *answer)
{
    struct scratch *const text = &answer->body;
    bool keep = false;
    text->used = 0;
    const ssize_t head = head_read(client, text);
    if (head < 0)
        return (int)head;
    text->bytes[head - 2] = '\0';
    if (sscanf(text->bytes, "HTTP/1.%*d %d", &answer->status) != 1)
        return -EPROTO;
    const char *const after = header(text->bytes, "retry-after");
    const long wait = after ? strtol(after, NULL, 10) : 0;
    answer->retry_after_s = after && *after >= '0' && *after <= '9' ? (int)(wait < 3600 ? wait : 3600) : -1;
    const char *const coding = header(text->bytes, "transfer-encoding");
    const char *const connection = header(text->bytes, "connection");
    const bool chunked = coding && strncasecmp(coding, "chunked", 7) == 0;
    const bool closes = connection && strncasecmp(connection, "close", 5) == 0;
    const char *length = header(text->bytes, "content-length");
    char digits[24] = "0";
    if (length)
        snprintf(digits, sizeof digits, "%.*s", (int)strspn(length, "0123456789"), length);
    const bool bodyless = answer->status == 204 || answer->status == 304;
    if (chunked) /* read to the end of the connection, which is asked for so */
        shutdown(client->fd, SHUT_WR);
    const int r = body_read(client, text, (size_t)head, chunked || (!length && !bodyless) ? NULL : digits, &keep);
    text->used -= (size_t)head;
    memmove(text->bytes, text->bytes + head, text->used);
    if (chunked)
        unchunk(text);
    if (!keep || closes || r < 0)
        http_client_fini(client);
    return r;
}

static int post_once(struct http_client *client, const char *path, const char *type, const void *bytes, size_t count,
                     struct http_answer *answer)
{
    char head[2048];
    const bool v6 = strchr(client->host, ':') != NULL;
    const int length = snprintf(head, sizeof head,
                                "POST %s%s HTTP/1.1\r\nHost: %s%s%s:%s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                                "%sUser-Agent: OTel-OTLP-Exporter-evtrail\r\n\r\n",
                                client->prefix, path, v6 ? "[" : "", client->host, v6 ? "]" : "", client->port, type,
                                count, client->gzip ? "Content-Encoding: gzip\r\n" : "");
    int r = client_connect(client);
    client->deadline_ns = monotonic_ns() + EXCHANGE_NS;
    if (r == 0)
        r = send_all(client, head, (size_t)length);
    if (r == 0)
        r = send_all(client, bytes, count);
    if (r == 0)
        r = answer_read(client, answer);
    if (r < 0)
        http_client_fini(client);
    return r;
}

int http_post(struct http_client *client, const char *path, const char *type, const void *bytes, size_t count,
              struct http_answer *answer)
{
    const bool kept = client->fd >= 0;
    const int r = post_once(client, path, type, bytes, count, answer);
    if (r == -ECONNRESET && kept) /* the server closed it while it was idle */
        return post_once(client, path, type, bytes, count, answer);
    return r;
}
