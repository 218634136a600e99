/* SPDX-License-Identifier: ISC
 *
 * TLS of one connection over memory BIOs. OpenSSL's object is not made for two threads, and a reader and a writer may be two: a lock is
 * held during each of its steps, never during a wait.
 */
#include "tls.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_BYTES = 16384 };

struct tls {
    pthread_mutex_t lock;
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    struct tls_settings *settings;
    char *alpn;
    char *sending; /* what was taken from `out` and is being sent */
    size_t sending_bytes, sent_bytes;
    bool writing; /* a writer is between begin and end, and sends whatever is outgoing */
    bool failed;
    const char *fault; /* OpenSSL's word for it; static */
};

/* ---- life ---- */

static int ssl_make(struct tls *tls)
{
    tls->ssl = SSL_new(tls_settings_context(tls->settings));
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        return -ENOMEM;
    }
    BIO_set_mem_eof_return(tls->in, -1); /* empty is not the end */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_connect_state(tls->ssl);
    const char *sni = tls_settings_sni(tls->settings);
    if (sni && !SSL_set_tlsext_host_name(tls->ssl, sni))
        return -ENOMEM;
    SSL_SESSION *session = tls_settings_session(tls->settings);
    if (session)
        SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
    return 0;
}

int tls_new(struct tls **ret_tls, struct tls_settings *settings)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    pthread_mutex_init(&tls->lock, NULL);
    tls->settings = tls_settings_ref(settings);
    if (ssl_make(tls) < 0) {
        ERR_clear_error();
        tls_free(tls);
        return -ENOMEM;
    }
    *ret_tls = tls;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    tls_settings_free(tls->settings);
    pthread_mutex_destroy(&tls->lock);
    free(tls->alpn);
    free(tls->sending);
    free(tls);
}

/* ---- handshake ---- */

static int handshake_finish(struct tls *tls)
{
    const unsigned char *name;
    unsigned bytes;
    SSL_get0_alpn_selected(tls->ssl, &name, &bytes);
    if (!bytes)
        return 1;
    tls->alpn = malloc(bytes + 1); /* at most 255; what OpenSSL has is no string */
    if (!tls->alpn)
        return -ENOMEM;
    memcpy(tls->alpn, name, bytes);
    tls->alpn[bytes] = '\0';
    return 1;
}

int tls_handshake_step(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        result = handshake_finish(tls);
    else
        result = SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
    tls->failed = result < 0;
    pthread_mutex_unlock(&tls->lock);
    if (result == -EPROTO)
        tls_settings_forget(tls->settings);
    return result;
}

static enum evpool_code verdict_on_certificate(long verified)
{
    switch (verified) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return EVPOOL_ERROR_tls_name;
    case X509_V_ERR_OUT_OF_MEM:
        return EVPOOL_ERROR_memory;
    default:
        return EVPOOL_ERROR_tls_untrusted;
    }
}

enum evpool_code tls_verdict(struct tls *tls, char *text, size_t bytes)
{
    const unsigned long fault = ERR_peek_error();
    const long verified = SSL_get_verify_result(tls->ssl);
    const bool certificate = ERR_GET_REASON(fault) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    const bool no_memory = ERR_GET_REASON(fault) == ERR_R_MALLOC_FAILURE;
    const enum evpool_code code = certificate ? verdict_on_certificate(verified)
                                  : no_memory ? EVPOOL_ERROR_memory
                                              : EVPOOL_ERROR_tls_failed;
    const char *reason = certificate ? X509_verify_cert_error_string(verified)
                         : fault     ? ERR_reason_error_string(fault)
                                     : NULL;
    snprintf(text, bytes, "%s%s%s (tls)", reason ? reason : "handshake failed",
             code == EVPOOL_ERROR_tls_name ? ", wanted " : "",
             code == EVPOOL_ERROR_tls_name ? tls_settings_server(tls->settings) : "");
    if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    ERR_clear_error();
    return code;
}

bool tls_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl);
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *tls_alpn(const struct tls *tls)
{
    return tls->alpn;
}

/* ---- reading ---- */

int tls_feed(struct tls *tls, const void *data, size_t bytes)
{
    pthread_mutex_lock(&tls->lock);
    const int taken = BIO_write(tls->in, data, (int)bytes);
    pthread_mutex_unlock(&tls->lock);
    return taken == (int)bytes ? 0 : -ENOMEM;
}

/* For good: the first reason is the reason. Locked. */
static void failed(struct tls *tls)
{
    const unsigned long fault = ERR_peek_error();
    tls->failed = true;
    if (!tls->fault && fault)
        tls->fault = ERR_reason_error_string(fault);
    ERR_clear_error();
}

const char *tls_fault(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    const char *fault = tls->fault;
    pthread_mutex_unlock(&tls->lock);
    return fault;
}

/* What SSL_read() and SSL_peek() returned when it was not data. Locked. */
static int64_t no_data(struct tls *tls)
{
    if (tls->failed)
        return -EPROTO;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        failed(tls);
        return -EPROTO;
    }
}

int64_t tls_decrypt(struct tls *tls, void *buffer, size_t length)
{
    size_t done = 0, n;
    pthread_mutex_lock(&tls->lock);
    ERR_clear_error();
    while (!tls->failed && done < length && SSL_read_ex(tls->ssl, (char *)buffer + done, length - done, &n))
        done += n;
    /* Data that came before a fault is still good; the fault is for the next time. */
    const int64_t fault = done < length ? no_data(tls) : 0;
    const int64_t result = done ? (int64_t)done : fault;
    pthread_mutex_unlock(&tls->lock);
    return result;
}

int64_t tls_peek(struct tls *tls)
{
    char byte;
    size_t n;
    pthread_mutex_lock(&tls->lock);
    ERR_clear_error();
    const int64_t result = !tls->failed && SSL_peek_ex(tls->ssl, &byte, 1, &n) ? 1 : no_data(tls);
    pthread_mutex_unlock(&tls->lock);
    return result;
}

/* ---- writing ---- */

void tls_write_begin(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    tls->writing = true;
    pthread_mutex_unlock(&tls->lock);
}

void tls_write_end(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    tls->writing = false;
    pthread_mutex_unlock(&tls->lock);
}

int64_t tls_encrypt(struct tls *tls, const void *buffer, size_t length)
{
    size_t taken = 0;
    pthread_mutex_lock(&tls->lock);
    ERR_clear_error();
    if (tls->failed || !SSL_write_ex(tls->ssl, buffer, length < RECORD_BYTES ? length : RECORD_BYTES, &taken))
        failed(tls);
    const int64_t result = tls->failed ? -EPROTO : (int64_t)taken;
    ERR_clear_error();
    pthread_mutex_unlock(&tls->lock);
    return result;
}

/* Locked. */
static int64_t outgoing(struct tls *tls, void **ret_data)
{
    if (tls->sent_bytes == tls->sending_bytes) {
        const size_t pending = BIO_ctrl_pending(tls->out);
        if (!pending)
            return 0;
        const size_t bytes = pending < TLS_BUFFER_BYTES ? pending : TLS_BUFFER_BYTES;
        tls->sending = malloc(bytes);
        if (!tls->sending)
            return -ENOMEM;
        tls->sending_bytes = (size_t)BIO_read(tls->out, tls->sending, (int)bytes);
        tls->sent_bytes = 0;
    }
    *ret_data = tls->sending + tls->sent_bytes;
    return (int64_t)(tls->sending_bytes - tls->sent_bytes);
}

/* Locked. */
static void sent(struct tls *tls, size_t bytes)
{
    tls->sent_bytes += bytes;
    if (tls->sent_bytes < tls->sending_bytes)
        return;
    free(tls->sending);
    tls->sending = NULL;
    tls->sending_bytes = tls->sent_bytes = 0;
}

int64_t tls_outgoing(struct tls *tls, void **ret_data)
{
    pthread_mutex_lock(&tls->lock);
    const int64_t bytes = outgoing(tls, ret_data);
    pthread_mutex_unlock(&tls->lock);
    return bytes;
}

void tls_sent(struct tls *tls, size_t bytes)
{
    pthread_mutex_lock(&tls->lock);
    sent(tls, bytes);
    pthread_mutex_unlock(&tls->lock);
}

/* Locked. */
static void flush(struct tls *tls, int fd)
{
    void *data;
    int64_t bytes;
    while (!tls->writing && (bytes = outgoing(tls, &data)) > 0) {
        const ssize_t n = send(fd, data, (size_t)bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent(tls, (size_t)n);
    }
}

void tls_flush(struct tls *tls, int fd)
{
    pthread_mutex_lock(&tls->lock);
    flush(tls, fd);
    if (!tls->writing)
        SSL_free_buffers(
            tls->ssl); /* SSL_MODE_RELEASE_BUFFERS forgets 16 KiB of writes and of session tickets (OpenSSL 3.0) */
    pthread_mutex_unlock(&tls->lock);
}

void tls_goodbye(struct tls *tls, int fd)
{
    pthread_mutex_lock(&tls->lock);
    ERR_clear_error();
    flush(tls, fd);
    if (!tls->failed && tls->sent_bytes == tls->sending_bytes && !BIO_ctrl_pending(tls->out)) {
        SSL_shutdown(tls->ssl);
        flush(tls, fd);
    }
    /* Else OpenSSL takes this for a broken connection, and its session for one not to be resumed. */
    if (!tls->failed)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ERR_clear_error();
    pthread_mutex_unlock(&tls->lock);
}
