/* SPDX-License-Identifier: ISC
 *
 * The other side of a test's connections.
 */
#include "peer.h"

#include "certificates.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, MESSAGE_BYTES = 16384 };

struct peer_connection {
    struct peer *peer;
    pthread_t thread;
    int fd;
    SSL *ssl; /* NULL: plain */
};

struct peer {
    struct peer_options options;
    SSL_CTX *context;
    int listener, stop[2];
    uint16_t port;
    char path[108];
    pthread_t thread;
    _Atomic unsigned accepted, orderly;
    struct peer_connection connections[CONNECTIONS_MAX];
    unsigned connections_count;
};

/* ---- bytes ---- */

static int receive(struct peer_connection *connection, char *buffer)
{
    if (!connection->ssl)
        return (int)recv(connection->fd, buffer, MESSAGE_BYTES, 0);
    const int n = SSL_read(connection->ssl, buffer, MESSAGE_BYTES);
    if (n <= 0 && SSL_get_error(connection->ssl, n) == SSL_ERROR_ZERO_RETURN)
        atomic_fetch_add(&connection->peer->orderly, 1);
    return n;
}

static bool say(struct peer_connection *connection, const char *bytes, int length)
{
    if (connection->ssl)
        return SSL_write(connection->ssl, bytes, length) == length;
    return send(connection->fd, bytes, (size_t)length, MSG_NOSIGNAL) == length;
}

static void wait_for_stop(struct peer_connection *connection)
{
    struct pollfd fds[2] = {{.fd = connection->peer->stop[0], .events = POLLIN}, {.fd = connection->fd, .events = 0}};
    poll(fds, 2, 20000);
}

static void reset(struct peer_connection *connection)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC}; /* "disconnects": resets, and keeps the descriptor */
    connect(connection->fd, &nobody, sizeof(nobody));
}

static void tell_who(struct peer_connection *connection)
{
    char text[256] = "";
    X509 *certificate = connection->ssl ? SSL_get0_peer_certificate(connection->ssl) : NULL;
    if (certificate)
        X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof(text));
    char answer[300];
    snprintf(answer, sizeof(answer), "%s %s",
             connection->ssl && SSL_session_reused(connection->ssl) ? "resumed" : "full", text);
    say(connection, answer, (int)strlen(answer));
}

/* ---- what it is told ---- */

enum told { ECHO_IT, DONE, END };

static enum told obey(struct peer_connection *connection, const char *message)
{
    SSL *ssl = connection->ssl;
    if (strcmp(message, "!who") == 0) {
        tell_who(connection);
        return DONE;
    }
    if (strcmp(message, "!junk") == 0)
        return send(connection->fd, "no TLS record, this", 19, MSG_NOSIGNAL) == 19 ? DONE : END;
    if (strcmp(message, "!talk") == 0)
        return say(connection, "hello", 5) ? DONE : END;
    if (strcmp(message, "!ticket") == 0)
        return SSL_new_session_ticket(ssl) && SSL_do_handshake(ssl) == 1 ? DONE : END;
    if (strcmp(message, "!key") == 0)
        return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) && SSL_do_handshake(ssl) == 1 ? DONE : END;
    if (strcmp(message, "!hang") == 0)
        wait_for_stop(connection);
    else if (strcmp(message, "!rst") == 0)
        reset(connection);
    else if (strcmp(message, "!bye") == 0 && ssl)
        SSL_shutdown(ssl);
    else if (strcmp(message, "!bye") != 0 && strcmp(message, "!cut") != 0)
        return ECHO_IT;
    return END;
}

static void serve(struct peer_connection *connection)
{
    char message[MESSAGE_BYTES + 1];
    int n;
    if (connection->ssl && SSL_accept(connection->ssl) != 1)
        return;
    while ((n = receive(connection, message)) > 0) {
        message[n] = '\0';
        const enum told told = n < 16 ? obey(connection, message) : ECHO_IT;
        if (told == END || (told == ECHO_IT && !say(connection, message, n)))
            return;
    }
}

static void misbehave(struct peer_connection *connection)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    char byte;
    recv(connection->fd, &byte, 1, 0);
    switch (connection->peer->options.manner) {
    case PEER_RESETS:
        reset(connection);
        break;
    case PEER_TALKS_HTTP:
        send(connection->fd, http, sizeof(http) - 1, MSG_NOSIGNAL);
        wait_for_stop(connection);
        break;
    case PEER_STALLS:
        wait_for_stop(connection);
        break;
    default: /* what came is read, else the kernel resets */
        recv(connection->fd, (char[4096]){0}, 4096, 0);
        break;
    }
}

static void *connection_main(void *arg)
{
    struct peer_connection *connection = arg;
    sigset_t pipe_signal; /* OpenSSL writes as it likes; the client's side goes without this */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    if (connection->peer->options.manner == PEER_SERVES)
        serve(connection);
    else
        misbehave(connection);
    SSL_free(connection->ssl);
    ERR_clear_error();
    shutdown(connection->fd,
             SHUT_WR); /* the descriptor is closed by peer_stop(), which may have to end us, or by now */
    return NULL;
}

/* ---- accepting ---- */

static void accept_one(struct peer *peer)
{
    const int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || peer->connections_count == CONNECTIONS_MAX) {
        if (fd >= 0)
            close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* fails on a unix socket, which needs none */
    struct peer_connection *connection = &peer->connections[peer->connections_count];
    connection->peer = peer;
    connection->fd = fd;
    if (peer->context && (connection->ssl = SSL_new(peer->context)))
        SSL_set_fd(connection->ssl, fd);
    atomic_fetch_add(&peer->accepted, 1);
    if (pthread_create(&connection->thread, NULL, connection_main, connection) == 0)
        peer->connections_count++;
}

static void *listener_main(void *arg)
{
    struct peer *peer = arg;
    struct pollfd fds[2] = {{.fd = peer->stop[0], .events = POLLIN}, {.fd = peer->listener, .events = POLLIN}};
    while (poll(fds, 2, -1) >= 0 && !fds[0].revents)
        accept_one(peer);
    return NULL;
}

static int alpn_select(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_bytes, const unsigned char *offered,
                       unsigned offered_bytes, void *arg)
{
    const char *wanted = arg;
    unsigned char list[64];
    list[0] = (unsigned char)strlen(wanted);
    memcpy(list + 1, wanted, list[0]);
    /* As if they were the server's: what is found points into the first list, which must stay. */
    const int found =
        SSL_select_next_proto((unsigned char **)ret_name, ret_bytes, offered, offered_bytes, list, list[0] + 1u);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *context_make(const struct peer_options *options)
{
    char certificate[64], key[64];
    snprintf(certificate, sizeof(certificate), "%s.pem", options->certificate);
    snprintf(key, sizeof(key), "%s.key", options->certificate);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(context, certificate_file(certificate));
    SSL_CTX_use_PrivateKey_file(context, certificate_file(key), SSL_FILETYPE_PEM);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4);
    if (options->tls_version) {
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, options->tls_version);
        SSL_CTX_set_max_proto_version(context, options->tls_version);
    }
    if (options->alpn)
        SSL_CTX_set_alpn_select_cb(context, alpn_select, (void *)options->alpn);
    if (options->client_certificate) {
        SSL_CTX_load_verify_file(context, certificate_file("ca.pem"));
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

static socklen_t address_make(const struct peer_options *options, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof(*address));
    address->ss_family = (sa_family_t)(options->family ? options->family : AF_INET);
    struct sockaddr_in *in4 = (void *)address;
    struct sockaddr_in6 *in6 = (void *)address;
    struct sockaddr_un *local = (void *)address;
    switch (address->ss_family) {
    case AF_UNIX:
        snprintf(local->sun_path, sizeof(local->sun_path), "%s", options->address);
        return sizeof(*local);
    case AF_INET6:
        in6->sin6_addr = in6addr_loopback;
        in6->sin6_port = htons(options->port);
        return sizeof(*in6);
    default:
        in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in4->sin_port = htons(options->port);
        return sizeof(*in4);
    }
}

static bool listen_on(struct peer *peer)
{
    struct sockaddr_storage address;
    socklen_t bytes = address_make(&peer->options, &address);
    if (address.ss_family == AF_UNIX)
        snprintf(peer->path, sizeof(peer->path), "%s", peer->options.address);
    peer->listener = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(peer->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(peer->listener, (struct sockaddr *)&address, bytes) < 0 ||
        listen(peer->listener, peer->options.backlog ? peer->options.backlog : 512) < 0)
        return false;
    getsockname(peer->listener, (struct sockaddr *)&address, &bytes);
    peer->port = ntohs(((struct sockaddr_in *)(void *)&address)->sin_port); /* in the same place for IPv6 */
    return true;
}

struct peer *peer_start(const struct peer_options *options)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    peer->options = *options;
    if (options->certificate)
        peer->context = context_make(options);
    if (!listen_on(peer) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peer->stop) < 0)
        return NULL;
    if (options->manner != PEER_LISTENS_ONLY && pthread_create(&peer->thread, NULL, listener_main, peer) != 0)
        return NULL;
    return peer;
}

uint16_t peer_port(const struct peer *peer)
{
    return peer->port;
}

unsigned peer_accepted(const struct peer *peer)
{
    return atomic_load(&peer->accepted);
}

unsigned peer_orderly(const struct peer *peer)
{
    return atomic_load(&peer->orderly);
}

void peer_stop(struct peer *peer)
{
    close(peer->stop[1]);
    if (peer->options.manner != PEER_LISTENS_ONLY)
        pthread_join(peer->thread, NULL);
    for (unsigned i = 0; i < peer->connections_count; i++) {
        shutdown(peer->connections[i].fd, SHUT_RDWR);
        pthread_join(peer->connections[i].thread, NULL);
        close(peer->connections[i].fd);
    }
    close(peer->listener);
    close(peer->stop[0]);
    if (*peer->path)
        unlink(peer->path);
    SSL_CTX_free(peer->context);
    free(peer);
}
