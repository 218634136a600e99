/* SPDX-License-Identifier: ISC
 *
 * A name's TLS: what is trusted, who the peer must be, what we show of ourselves, and the sessions of earlier connections.
 */
#include "tls.h"

#include "error_builder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SESSIONS_MAX = 8, NAME_MAX_BYTES = 253 };

struct tls_settings {
    _Atomic unsigned refs;
    SSL_CTX *context;
    char *server;
    bool literal; /* the server is an address */
    pthread_mutex_t lock;
    SSL_SESSION *sessions[SESSIONS_MAX]; /* oldest first */
    unsigned sessions_count;
};

/* ---- sessions ---- */

static void session_drop(struct tls_settings *settings, unsigned index)
{
    SSL_SESSION_free(settings->sessions[index]);
    settings->sessions_count--;
    memmove(&settings->sessions[index], &settings->sessions[index + 1],
            (settings->sessions_count - index) * sizeof(settings->sessions[0]));
}

/* OpenSSL calls this when a session can be resumed (TLS 1.3: for each ticket that comes). 1: we keep it. */
static int session_came(SSL *ssl, SSL_SESSION *session)
{
    struct tls_settings *settings = tls_settings_of(ssl);
    pthread_mutex_lock(&settings->lock);
    if (settings->sessions_count == SESSIONS_MAX)
        session_drop(settings, 0);
    settings->sessions[settings->sessions_count++] = session;
    pthread_mutex_unlock(&settings->lock);
    return 1;
}

static bool session_good(const SSL_SESSION *session)
{
    return SSL_SESSION_is_resumable(session) &&
           (int64_t)SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session) > (int64_t)time(NULL);
}

SSL_SESSION *tls_settings_session(struct tls_settings *settings)
{
    SSL_SESSION *found = NULL;
    pthread_mutex_lock(&settings->lock);
    while (settings->sessions_count && !found) {
        const unsigned newest = settings->sessions_count - 1;
        SSL_SESSION *session = settings->sessions[newest];
        if (session_good(session) && SSL_SESSION_up_ref(session))
            found = session;
        if (!found || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            session_drop(settings, newest);
    }
    pthread_mutex_unlock(&settings->lock);
    return found;
}

void tls_settings_forget(struct tls_settings *settings)
{
    pthread_mutex_lock(&settings->lock);
    while (settings->sessions_count)
        session_drop(settings, settings->sessions_count - 1);
    pthread_mutex_unlock(&settings->lock);
}

/* ---- making ---- */

/* What is wrong with which option; -EINVAL. */
static int wrong(struct evpool_error **ret_error, const char *field, const char *what, const char *value)
{
    const unsigned long fault = ERR_peek_last_error();
    const char *reason = fault ? ERR_reason_error_string(fault) : NULL;
    if (ret_error)
        *ret_error = error_wrap(NULL, EVPOOL_ERROR_invalid, EINVAL, 0, 0, "tls", "tls.%s: %s: %s%s%s%s", field, what,
                                value, reason ? " (" : "", reason ? reason : "", reason ? ")" : "");
    ERR_clear_error();
    return -EINVAL;
}

static int no_memory(struct evpool_error **ret_error)
{
    if (ret_error)
        *ret_error = error_wrap(NULL, EVPOOL_ERROR_memory, ENOMEM, 0, 0, "tls", "out of memory (tls)");
    ERR_clear_error();
    return -ENOMEM;
}

/* A key with a passphrase is refused; OpenSSL would ask for it on the terminal. */
static int no_passphrase(char *text, int bytes, int writing, void *arg)
{
    return -1;
}

static int load_trust(SSL_CTX *context, const struct evpool_tls *tls, struct evpool_error **ret_error)
{
    if (tls->insecure) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return 0;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (!tls->ca_file)
        return SSL_CTX_set_default_verify_paths(context) ? 0 : no_memory(ret_error);
    if (!SSL_CTX_load_verify_file(context, tls->ca_file))
        return wrong(ret_error, "ca_file", "cannot be loaded", tls->ca_file);
    return 0;
}

static int load_identity(SSL_CTX *context, const struct evpool_tls *tls, struct evpool_error **ret_error)
{
    if (!tls->cert_file && !tls->key_file)
        return 0;
    if (!tls->cert_file)
        return wrong(ret_error, "cert_file", "is needed with key_file", tls->key_file);
    if (!tls->key_file)
        return wrong(ret_error, "key_file", "is needed with cert_file", tls->cert_file);
    if (SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1)
        return wrong(ret_error, "cert_file", "cannot be loaded", tls->cert_file);
    if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1) {
        const bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
        return wrong(ret_error, "key_file", other ? "is not the certificate's" : "cannot be loaded", tls->key_file);
    }
    if (SSL_CTX_check_private_key(context) != 1)
        return wrong(ret_error, "key_file", "is not the certificate's", tls->key_file);
    return 0;
}

/* The list as it goes over the wire: each name with its length before it (RFC 7301). */
static int set_alpn(SSL_CTX *context, const struct evpool_tls *tls, struct evpool_error **ret_error)
{
    unsigned char list[1024];
    size_t length = 0;
    for (const char *const *name = tls->alpn; name && *name; name++) {
        const size_t n = strlen(*name);
        if (n == 0 || n > 255)
            return wrong(ret_error, "alpn", "a protocol's name has 1 to 255 bytes", *name);
        if (length + 1 + n > sizeof(list))
            return wrong(ret_error, "alpn", "more than 1024 bytes of names", *name);
        list[length++] = (unsigned char)n;
        memcpy(list + length, *name, n);
        length += n;
    }
    return length == 0 || SSL_CTX_set_alpn_protos(context, list, (unsigned)length) == 0 ? 0 : no_memory(ret_error);
}

/* Whom the certificate must be for. */
static int set_peer(struct tls_settings *settings, const struct evpool_tls *tls, struct evpool_error **ret_error)
{
    if (tls->insecure)
        return 0;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(settings->context);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const int set = settings->literal ? X509_VERIFY_PARAM_set1_ip_asc(param, settings->server)
                                      : X509_VERIFY_PARAM_set1_host(param, settings->server, 0);
    return set ? 0 : wrong(ret_error, "server_name", "cannot be a certificate's name", settings->server);
}

static int set_server(struct tls_settings *settings, const struct evpool_tls *tls, const char *host,
                      struct evpool_error **ret_error)
{
    const char *name = tls->server_name ? tls->server_name : host;
    if (!*name || (!tls->server_name && strncmp(name, "unix:", 5) == 0 && !tls->insecure))
        return wrong(ret_error, "server_name", "is needed", "the host has no name that a certificate could have");
    size_t length = strlen(name);
    if (name[0] == '[' && name[length - 1] == ']') {
        name++;
        length -= 2;
    }
    length = strcspn(name, "%") < length ? strcspn(name, "%") : length; /* a zone is nobody's name */
    if (length > 1 && name[length - 1] == '.')
        length--;
    if (length > NAME_MAX_BYTES && !tls->insecure)
        return wrong(ret_error, "server_name", "has more than 253 bytes", name);
    settings->server = strndup(name, length);
    if (!settings->server)
        return no_memory(ret_error);
    unsigned char address[16];
    settings->literal =
        inet_pton(AF_INET, settings->server, address) == 1 || inet_pton(AF_INET6, settings->server, address) == 1;
    return 0;
}

static int context_defaults(struct tls_settings *settings)
{
    SSL_CTX *context = settings->context;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, session_came);
    return SSL_CTX_set_app_data(context, settings) ? 0 : -ENOMEM; /* session_came() looks for it */
}

static int settings_fill(struct tls_settings *settings, const struct evpool_tls *tls, const char *host,
                         struct evpool_error **ret_error)
{
    int result = set_server(settings, tls, host, ret_error);
    if (result < 0)
        return result;
    settings->context = SSL_CTX_new(TLS_client_method());
    if (!settings->context || context_defaults(settings) < 0)
        return no_memory(ret_error);
    if ((result = load_trust(settings->context, tls, ret_error)) < 0)
        return result;
    if ((result = load_identity(settings->context, tls, ret_error)) < 0)
        return result;
    if ((result = set_alpn(settings->context, tls, ret_error)) < 0)
        return result;
    return set_peer(settings, tls, ret_error);
}

int tls_settings_new(struct tls_settings **ret_settings, const struct evpool_tls *tls, const char *host,
                     struct evpool_error **ret_error)
{
    ERR_clear_error();
    if (tls->bytes != sizeof(*tls))
        return wrong(ret_error, "bytes", "must be", "sizeof(struct evpool_tls)");
    struct tls_settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return no_memory(ret_error);
    atomic_init(&settings->refs, 1);
    pthread_mutex_init(&settings->lock, NULL);
    const int result = settings_fill(settings, tls, host, ret_error);
    ERR_clear_error();
    if (result < 0)
        tls_settings_free(settings);
    else
        *ret_settings = settings;
    return result;
}

struct tls_settings *tls_settings_ref(struct tls_settings *settings)
{
    /* S1 (relaxed): who takes a reference holds one. */
    if (settings)
        atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void tls_settings_free(struct tls_settings *settings)
{
    /* S2 (acquire and release): the last holder frees after the uses of all others. Without it they use freed memory. */
    if (!settings || atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_settings_forget(settings);
    SSL_CTX_free(settings->context);
    pthread_mutex_destroy(&settings->lock);
    free(settings->server);
    free(settings);
}

/* ---- reading ---- */

const char *tls_settings_server(const struct tls_settings *settings)
{
    return settings->server;
}

const char *tls_settings_sni(const struct tls_settings *settings)
{
    const bool sayable = strlen(settings->server) <= NAME_MAX_BYTES && !strchr(settings->server, '/');
    return sayable && !settings->literal ? settings->server : NULL;
}

SSL_CTX *tls_settings_context(struct tls_settings *settings)
{
    return settings->context;
}

struct tls_settings *tls_settings_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}
