/* SPDX-License-Identifier: ISC
 *
 * TLS of one connection over memory: a BIO of our own reads what came from where the socket's read has put it, and writes records into the
 * buffer that is sent, so that each byte is copied once by OpenSSL and by nobody else.
 */
#include "ship/net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the BIO ---- */

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct secure *secure = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!secure->out && !(secure->out = malloc(SECURE_OUT_BYTES)))
        return -1;
    const size_t room = SECURE_OUT_BYTES - secure->out_end;
    const size_t taken = (size_t)size < room ? (size_t)size : room;
    if (!taken) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(secure->out + secure->out_end, bytes, taken);
    secure->out_end += taken;
    return (int)taken;
}

static int bio_read(BIO *bio, char *bytes, int size)
{
    struct secure *secure = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    const size_t taken = (size_t)size < secure->in_bytes ? (size_t)size : secure->in_bytes;
    if (!taken) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(bytes, secure->in, taken);
    secure->in += taken;
    secure->in_bytes -= taken;
    return (int)taken;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_register(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "evtrail memory");
    if (!bio_method)
        return;
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_ctrl(bio_method, bio_control);
}

/* ---- whom we talk to ---- */

static struct secure *of_store(X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    return SSL_get_app_data(ssl);
}

/* Each certificate of the peer's chain; at last (depth 0) its own, whose name must be allowed. */
static int verify(int ok, X509_STORE_CTX *store)
{
    struct secure *secure = of_store(store);
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    if (ok && X509_STORE_CTX_get_error_depth(store) > 0)
        return 1;
    const bool allowed =
        certificate && tls_name_of(certificate, secure->material->rules, secure->name, sizeof(secure->name));
    if (ok && !allowed) {
        secure->name_refused = true;
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        ok = 0;
    }
    if (!ok)
        secure->verified = X509_STORE_CTX_get_error(store);
    return ok;
}

/* We have nothing but a key, and the collector shows a certificate: it does not know the key. */
static int refuse_certificate(X509_STORE_CTX *store, void *argument)
{
    of_store(store)->key_unknown = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int find_key(SSL *ssl, const unsigned char *id, size_t bytes, SSL_SESSION **ret_session)
{
    struct secure *secure = SSL_get_app_data(ssl);
    const struct tls_key *key = tls_keys_find(&secure->material->keys, (const char *)id, bytes);
    const size_t shown = bytes < NET_IDENTITY_BYTES ? bytes : NET_IDENTITY_BYTES;
    memcpy(secure->asked_key, id, shown);
    secure->asked_key[shown] = '\0';
    net_printable(secure->asked_key);
    secure->key_unknown = !key;
    *ret_session = key ? tls_key_session(ssl, key) : NULL;
    return !key || *ret_session;
}

static int use_key(SSL *ssl, const EVP_MD *digest, const unsigned char **ret_id, size_t *ret_bytes,
                   SSL_SESSION **ret_session)
{
    const struct tls_key *key = ((struct secure *)SSL_get_app_data(ssl))->material->own_key;
    *ret_session = NULL;
    if (digest && EVP_MD_get_type(digest) != NID_sha256)
        return 1;
    *ret_session = tls_key_session(ssl, key);
    *ret_id = (const unsigned char *)key->id;
    *ret_bytes = strlen(key->id);
    return *ret_session != NULL;
}

void secure_callbacks(SSL_CTX *context, struct tls_material *material)
{
    if (material->side == NET_CLIENT) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verify);
        if (!material->by_certificate)
            SSL_CTX_set_cert_verify_callback(context, refuse_certificate, NULL);
        if (material->own_key)
            SSL_CTX_set_psk_use_session_callback(context, use_key);
        return;
    }
    const int needed =
        material->anyone ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT; /* of those who have no key: keys come first */
    if (needed || material->by_certificate)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | needed, verify);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"evtrail",
                                   7); /* OpenSSL wants one with SSL_VERIFY_PEER */
    if (material->keys.count)
        SSL_CTX_set_psk_find_session_callback(context, find_key);
}

/* ---- life ---- */

/* Whom the collector's certificate must be for, and the name that is sent to it. */
static int set_host(struct secure *secure, const char *host)
{
    unsigned char address[16];
    char name[NET_HOST_BYTES + 1];
    snprintf(name, sizeof(name), "%s", secure->material->server_name ? secure->material->server_name : host);
    name[strcspn(name, "%")] = '\0'; /* a zone is nobody's name */
    const size_t length = strlen(name);
    if (length > 1 && name[length - 1] == '.')
        name[length - 1] = '\0';
    X509_VERIFY_PARAM *param = SSL_get0_param(secure->ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) ? 0 : -EINVAL;
    if (!name[0] || strchr(name, '/') || !SSL_set_tlsext_host_name(secure->ssl, name))
        return secure->material->by_certificate ? -EINVAL : 0;
    return X509_VERIFY_PARAM_set1_host(param, name, 0) ? 0 : -EINVAL;
}

static int make(struct secure *secure, SSL_CTX *context, const char *host)
{
    pthread_once(&bio_once, bio_register);
    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;
    secure->ssl = bio ? SSL_new(context) : NULL;
    if (!secure->ssl) {
        BIO_free(bio);
        return -ENOMEM;
    }
    BIO_set_data(bio, secure);
    BIO_set_init(bio, 1);
    SSL_set_bio(secure->ssl, bio, bio);
    SSL_set_app_data(secure->ssl, secure);
    if (secure->material->side == NET_CLIENT) {
        SSL_set_connect_state(secure->ssl);
        return set_host(secure, host);
    }
    SSL_set_accept_state(secure->ssl);
    return 0;
}

int secure_new(struct secure **ret_secure, SSL_CTX *context, const char *host)
{
    struct secure *secure = calloc(1, sizeof(*secure));
    int result = -ENOMEM;
    if (secure) {
        secure->material = tls_material_of(context);
        result = make(secure, context, host);
    }
    SSL_CTX_free(context); /* the SSL has one */
    ERR_clear_error();
    if (result < 0)
        secure_free(secure);
    else
        *ret_secure = secure;
    return result;
}

void secure_free(struct secure *secure)
{
    if (!secure)
        return;
    SSL_free(secure->ssl);
    free(secure->out);
    free(secure);
}

/* ---- bytes ---- */

void secure_feed(struct secure *secure, const uint8_t *bytes, size_t size)
{
    secure->in = bytes;
    secure->in_bytes = size;
}

void secure_sent(struct secure *secure, size_t size)
{
    secure->out_begin += size;
    if (secure->out_begin < secure->out_end)
        return;
    free(secure->out);
    secure->out = NULL;
    secure->out_begin = secure->out_end = 0;
}

static void fail(struct secure *secure)
{
    if (!secure->failed)
        secure_verdict(secure);
    secure->failed = true;
    ERR_clear_error();
}

static bool wants(const struct secure *secure, int result)
{
    const int error = SSL_get_error(secure->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

int secure_step(struct secure *secure)
{
    if (secure->failed)
        return -EPROTO;
    ERR_clear_error();
    const int result = SSL_do_handshake(secure->ssl);
    if (result == 1) {
        secure->done = true;
        secure->key_used = SSL_session_reused(secure->ssl);
        return 1;
    }
    if (wants(secure, result))
        return 0;
    fail(secure);
    return -EPROTO;
}

int64_t secure_read(struct secure *secure, uint8_t *buffer, size_t size)
{
    size_t done = 0, n;
    ERR_clear_error();
    while (!secure->failed && done < size && SSL_read_ex(secure->ssl, buffer + done, size - done, &n))
        done += n;
    /* Data that came before a fault is still good; the fault is for the next time. */
    if (done)
        return (int64_t)done;
    if (secure->failed)
        return -EPROTO;
    if (wants(secure, 0))
        return -EAGAIN;
    if (SSL_get_error(secure->ssl, 0) == SSL_ERROR_ZERO_RETURN) {
        secure->got_goodbye = true;
        return 0;
    }
    fail(secure);
    return -EPROTO;
}

int64_t secure_write(struct secure *secure, const uint8_t *bytes, size_t size)
{
    size_t taken = 0;
    if (secure->failed)
        return -EPROTO;
    if (SECURE_OUT_BYTES - 2048 - secure->out_end < SECURE_RECORD_ROOM)
        return -EAGAIN;
    ERR_clear_error();
    if (SSL_write_ex(secure->ssl, bytes, size < SECURE_RECORD_BYTES ? size : SECURE_RECORD_BYTES, &taken))
        return (int64_t)taken;
    if (wants(secure, 0))
        return -EAGAIN;
    if (!secure->out)
        return -ENOMEM;
    fail(secure);
    return -EPROTO;
}

void secure_goodbye(struct secure *secure)
{
    if (secure->said_goodbye || secure->failed || !secure->done)
        return;
    secure->said_goodbye = true;
    ERR_clear_error();
    SSL_shutdown(secure->ssl);
    ERR_clear_error();
}

void secure_rest(struct secure *secure)
{
    SSL_free_buffers(secure->ssl); /* SSL_MODE_RELEASE_BUFFERS forgets 16 KiB of writes (OpenSSL 3.0) */
}

void secure_describe(const struct secure *secure, struct net_peer *peer)
{
    const struct tls_key *own = secure->material->own_key;
    const char *key = own ? own->id : secure->asked_key;
    peer->tls = true;
    snprintf(peer->version, sizeof(peer->version), "%s", SSL_get_version(secure->ssl));
    snprintf(peer->cipher, sizeof(peer->cipher), "%s", SSL_get_cipher_name(secure->ssl));
    peer->by_key = secure->key_used;
    peer->by_certificate = !secure->key_used && SSL_get0_peer_certificate(secure->ssl);
    snprintf(peer->identity, sizeof(peer->identity), "%s",
             peer->by_key           ? key
             : peer->by_certificate ? secure->name
                                    : "");
}
