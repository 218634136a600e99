/* SPDX-License-Identifier: ISC
 *
 * The certificate, and OpenSSL's calls made to look like the sockets'.
 */
#include "farm_tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HOUR_S = 3600 };

/* ---- the certificate ---- */

static bool extension_add(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *const extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    const bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key)
{
    static const unsigned char name[] = "pool-stress";
    X509_NAME *const subject = X509_get_subject_name(certificate);
    return X509_set_version(certificate, 2) && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 48 * HOUR_S) && X509_set_pubkey(certificate, key) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) &&
           X509_set_issuer_name(certificate, subject) &&
           extension_add(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
           extension_add(certificate, NID_subject_alt_name, "DNS:*.pool.test") &&
           X509_sign(certificate, key, EVP_sha256());
}

/* In memory, where the pool can open it by name. */
static int trust_write(struct farm_tls *tls, X509 *certificate)
{
    BIO *const out = BIO_new(BIO_s_mem());
    char *pem;
    const bool printed = out && PEM_write_bio_X509(out, certificate);
    const long bytes = printed ? BIO_get_mem_data(out, &pem) : 0;
    tls->trust = memfd_create("pool-stress.pem", MFD_CLOEXEC);
    const bool written = printed && tls->trust >= 0 && write(tls->trust, pem, (size_t)bytes) == bytes;
    BIO_free(out);
    snprintf(tls->path, sizeof tls->path, "/proc/self/fd/%d", tls->trust);
    return written ? 0 : -EIO;
}

int farm_tls_init(struct farm_tls *tls)
{
    EVP_PKEY *const key = EVP_EC_gen("P-256");
    X509 *const certificate = X509_new();
    tls->trust = -1;
    tls->context = SSL_CTX_new(TLS_server_method());
    const bool made = key && certificate && tls->context && certificate_fill(certificate, key) &&
                      SSL_CTX_use_certificate(tls->context, certificate) && SSL_CTX_use_PrivateKey(tls->context, key) &&
                      SSL_CTX_set_min_proto_version(tls->context, TLS1_3_VERSION);
    const int r = made ? trust_write(tls, certificate) : -ENOMEM;
    if (made)
        SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                           SSL_MODE_RELEASE_BUFFERS);
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (r < 0)
        farm_tls_fini(tls);
    return r;
}

void farm_tls_fini(struct farm_tls *tls)
{
    if (tls->context && tls->trust >= 0)
        close(tls->trust);
    SSL_CTX_free(tls->context);
    *tls = (struct farm_tls){0};
}

/* ---- a connection ---- */

SSL *farm_tls_accept(const struct farm_tls *tls, int fd)
{
    SSL *const ssl = SSL_new(tls->context);
    if (ssl && SSL_set_fd(ssl, fd)) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

/* A step that wants to write while it reads finds room: what the protocol itself says is short. */
static ssize_t result_of(SSL *ssl, int result)
{
    if (result > 0)
        return result;
    const int error = SSL_get_error(ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static int at_most(size_t bytes)
{
    return bytes < INT_MAX ? (int)bytes : INT_MAX;
}

ssize_t farm_tls_recv(SSL *ssl, void *buffer, size_t bytes)
{
    return result_of(ssl, SSL_read(ssl, buffer, at_most(bytes)));
}

ssize_t farm_tls_send(SSL *ssl, const void *data, size_t bytes)
{
    return result_of(ssl, SSL_write(ssl, data, at_most(bytes)));
}
