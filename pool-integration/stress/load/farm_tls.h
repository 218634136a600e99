/* SPDX-License-Identifier: ISC
 *
 * The servers' side of TLS 1.3, with a certificate made when they start. Blocking nowhere; one thread.
 */
#ifndef EVPOOL_STRESS_FARM_TLS_H
#define EVPOOL_STRESS_FARM_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <sys/types.h>

struct farm_tls {
    SSL_CTX *context;
    int trust;     /* a descriptor: the certificate, which signs itself */
    char path[40]; /* as a file's name */
};
/* For all names under pool.test. 0 or -errno. */
int farm_tls_init(struct farm_tls *tls);
void farm_tls_fini(struct farm_tls *tls); /* zeroed: nothing */

SSL *farm_tls_accept(const struct farm_tls *tls, int fd); /* NULL: no memory */
/* As recv() and send(), the handshake included: -1 with errno EAGAIN, or EPROTO. */
ssize_t farm_tls_recv(SSL *ssl, void *buffer, size_t bytes);
ssize_t farm_tls_send(SSL *ssl, const void *data, size_t bytes);

#endif /* EVPOOL_STRESS_FARM_TLS_H */
