/* SPDX-License-Identifier: ISC
 *
 * TLS settings: what the files say, as an SSL_CTX with what belongs to it. Reading them again makes another SSL_CTX; connections keep theirs.
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct net_tls {
    enum net_side side;
    struct net_tls_options options; /* its strings are ours */
    char **names;
    SSL_CTX *context;
};

/* ---- what goes with an SSL_CTX ---- */

static int material_index = -1;
static pthread_once_t material_once = PTHREAD_ONCE_INIT;

static void strings_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        free(strings[i]);
    free(strings);
}

static void material_free(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *argument)
{
    struct tls_material *material = pointer;
    if (!material)
        return;
    tls_keys_free(&material->keys);
    strings_free(material->rules);
    free(material->server_name);
    free(material);
}

static void material_register(void)
{
    material_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, material_free);
}

struct tls_material *tls_material_of(const SSL_CTX *context)
{
    return SSL_CTX_get_ex_data(context, material_index);
}

static char **strings_copy(const char *const *strings)
{
    size_t count = 0;
    while (strings && strings[count])
        count++;
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        if (!(copy[i] = strdup(strings[i]))) {
            strings_free(copy);
            return NULL;
        }
    return copy;
}

/* ---- reading the files ---- */

/* `file` and what OpenSSL says of it. -EINVAL */
static int wrong(struct net_text *ret_why, const char *file, const char *what)
{
    const unsigned long fault = ERR_peek_last_error();
    const char *reason = fault ? ERR_reason_error_string(fault) : NULL;
    net_say(ret_why, 0, "%s: %s%s%s%s", file, what, reason ? " (" : "", reason ? reason : "", reason ? ")" : "");
    ERR_clear_error();
    return -EINVAL;
}

/* A key with a passphrase is refused; OpenSSL would ask for it on the terminal. */
static int no_passphrase(char *text, int bytes, int writing, void *argument)
{
    return -1;
}

static int load_key(SSL_CTX *context, const char *path, struct net_text *ret_why)
{
    char *text;
    size_t bytes;
    int result = secret_read(path, "key", &text, &bytes, ret_why);
    if (result < 0)
        return result;
    BIO *bio = BIO_new_mem_buf(text, (int)bytes);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    if (!key)
        result = wrong(ret_why, path, "no private key in PEM without a passphrase");
    else if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        result = wrong(ret_why, path, "is not the certificate's key");
    EVP_PKEY_free(key);
    BIO_free(bio);
    secret_free(text, bytes);
    return result;
}

static int load_identity(SSL_CTX *context, const struct net_tls_options *options, struct net_text *ret_why)
{
    if (!options->cert_file && !options->key_file)
        return 0;
    if (!options->cert_file)
        return net_say(ret_why, -EINVAL, "%s: a key without its certificate (--cert)", options->key_file);
    if (!options->key_file)
        return net_say(ret_why, -EINVAL, "%s: a certificate without its key (--key)", options->cert_file);
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1)
        return wrong(ret_why, options->cert_file, "no certificate in PEM");
    return load_key(context, options->key_file, ret_why);
}

static int load_revoked(SSL_CTX *context, const char *path, struct net_text *ret_why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    BIO *bio = BIO_new_file(path, "r");
    X509_CRL *list;
    unsigned count = 0;
    bool added = true;
    while (bio && added && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
        added = X509_STORE_add_crl(store, list);
        X509_CRL_free(list);
        count++;
    }
    const bool ended = bio && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    if (!bio || !ended || !added || !count)
        return wrong(ret_why, path, "no revocation list in PEM");
    ERR_clear_error();
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_CRL_CHECK);
    return 0;
}

static int load_trust(SSL_CTX *context, const struct tls_material *material, const struct net_tls_options *options,
                      struct net_text *ret_why)
{
    const bool client = material->side == NET_CLIENT;
    if (options->ca_file && SSL_CTX_load_verify_file(context, options->ca_file) != 1)
        return wrong(ret_why, options->ca_file, "no certificate of a signer in PEM");
    if (!options->ca_file && client && SSL_CTX_set_default_verify_paths(context) != 1)
        return wrong(ret_why, "the system's trusted certificates", "cannot be read");
    if (options->ca_file && !client) { /* tells clients which certificate to show */
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->ca_file);
        SSL_CTX_set_client_CA_list(context, names);
    }
    if (options->crl_file && !options->ca_file && !client)
        return net_say(ret_why, -EINVAL, "%s: a revocation list without its signer (--client-ca)", options->crl_file);
    return options->crl_file ? load_revoked(context, options->crl_file, ret_why) : 0;
}

static int load_keys(struct tls_material *material, const struct net_tls_options *options, struct net_text *ret_why)
{
    if (options->psk_id && !options->psk_file)
        return net_say(ret_why, -EINVAL, "key id %s without a file of keys (--psk-file)", options->psk_id);
    if (!options->psk_file)
        return 0;
    const int result = tls_keys_load(&material->keys, options->psk_file, ret_why);
    if (result < 0 || material->side == NET_SERVER)
        return result;
    material->own_key = options->psk_id ? tls_keys_find(&material->keys, options->psk_id, strlen(options->psk_id))
                                        : &material->keys.items[0];
    return material->own_key ? 0
                             : net_say(ret_why, -EINVAL, "%s: no key '%s' in it", options->psk_file, options->psk_id);
}

static int check_rules(char *const *rules, const struct net_tls_options *options, struct net_text *ret_why)
{
    for (; rules && *rules; rules++) {
        if (!options->ca_file)
            return net_say(ret_why, -EINVAL, "name rule %s without a signer of client certificates (--client-ca)",
                           *rules);
        if (!tls_rule_valid(*rules))
            return net_say(ret_why, -EINVAL, "'%s': no name rule; NAME or *.SUFFIX is wanted", *rules);
    }
    return 0;
}

/* Who may come must be said. */
static int check_server(const struct net_tls_options *options, struct net_text *ret_why)
{
    if (!options->cert_file && !options->psk_file)
        return net_say(ret_why, -EINVAL, "TLS needs a certificate (--cert, --key) or pre-shared keys (--psk-file)");
    if (!options->ca_file && !options->psk_file && !options->anyone)
        return net_say(ret_why, -EINVAL,
                       "nothing says who may connect: give --client-ca (certificates), --psk-file (keys), or --anyone");
    if (options->ca_file && !options->cert_file)
        return net_say(ret_why, -EINVAL,
                       "%s: client certificates need a certificate of the collector, too (--cert, --key)",
                       options->ca_file);
    return 0;
}

static void context_defaults(SSL_CTX *context, bool keys)
{
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    /* External keys go with SHA-256 alone. AES-128-GCM is the fastest where there is AES in hardware. */
    SSL_CTX_set_ciphersuites(context,
                             keys ? "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
                                  : "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    /* Each connection proves itself anew, or a revocation would not be noticed; and it saves the memory. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
}

static int fill(struct tls_material *material, const struct net_tls *tls, struct net_text *ret_why)
{
    const struct net_tls_options *options = &tls->options;
    SSL_CTX *context = material->context;
    int result = tls->side == NET_SERVER ? check_server(options, ret_why) : 0;
    if (result < 0)
        return result;
    context_defaults(context, options->psk_file != NULL);
    material->anyone = options->anyone;
    material->by_certificate = options->ca_file || (tls->side == NET_CLIENT && !options->psk_file);
    material->rules = strings_copy((const char *const *)tls->names);
    material->server_name = options->server_name ? strdup(options->server_name) : NULL;
    if (!material->rules || (options->server_name && !material->server_name))
        return net_say(ret_why, -ENOMEM, "out of memory");
    if ((result = check_rules(material->rules, options, ret_why)) < 0)
        return result;
    if ((result = load_identity(context, options, ret_why)) < 0)
        return result;
    if ((result = load_trust(context, material, options, ret_why)) < 0)
        return result;
    if ((result = load_keys(material, options, ret_why)) < 0)
        return result;
    secure_callbacks(context, material);
    return 0;
}

static int load(SSL_CTX **ret_context, const struct net_tls *tls, struct net_text *ret_why)
{
    pthread_once(&material_once, material_register);
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(tls->side == NET_SERVER ? TLS_server_method() : TLS_client_method());
    struct tls_material *material = context ? calloc(1, sizeof(*material)) : NULL;
    if (!material || !SSL_CTX_set_ex_data(context, material_index, material)) {
        free(material);
        SSL_CTX_free(context);
        return net_say(ret_why, -ENOMEM, "out of memory");
    }
    material->side = tls->side;
    material->context = context;
    const int result = fill(material, tls, ret_why);
    ERR_clear_error();
    if (result < 0)
        SSL_CTX_free(context);
    else
        *ret_context = context;
    return result;
}

/* ---- life ---- */

static bool copy_string(const char **string)
{
    return !*string || (*string = strdup(*string));
}

/* All strings become copies; on failure those that are not are NULL. */
static int copy_options(struct net_tls *tls, const struct net_tls_options *options)
{
    tls->options = *options;
    tls->options.names = NULL;
    const char **strings[] = {&tls->options.cert_file,  &tls->options.key_file, &tls->options.ca_file,
                              &tls->options.crl_file,   &tls->options.psk_file, &tls->options.psk_id,
                              &tls->options.server_name};
    int result = 0;
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
        if (!copy_string(strings[i]))
            result = -ENOMEM;
    tls->names = strings_copy(options->names);
    return tls->names ? result : -ENOMEM;
}

int net_tls_new(struct net_tls **ret_tls, enum net_side side, const struct net_tls_options *options,
                struct net_text *ret_why)
{
    struct net_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return net_say(ret_why, -ENOMEM, "out of memory");
    tls->side = side;
    int result = copy_options(tls, options);
    if (result < 0)
        net_say(ret_why, result, "out of memory");
    else
        result = load(&tls->context, tls, ret_why);
    if (result < 0)
        net_tls_free(tls);
    else
        *ret_tls = tls;
    return result;
}

int net_tls_reload(struct net_tls *tls, struct net_text *ret_why)
{
    SSL_CTX *context;
    const int result = load(&context, tls, ret_why);
    if (result < 0)
        return result;
    SSL_CTX_free(tls->context); /* connections have references of their own */
    tls->context = context;
    return 0;
}

int net_tls_change(struct net_tls *tls, const struct net_tls_options *options, struct net_text *ret_why)
{
    struct net_tls *other;
    const int result = net_tls_new(&other, tls->side, options, ret_why);
    if (result < 0)
        return result;
    const struct net_tls was = *tls;
    *tls = *other;
    *other = was;
    net_tls_free(other);
    return 0;
}

void net_tls_free(struct net_tls *tls)
{
    if (!tls)
        return;
    const char *strings[] = {tls->options.cert_file,  tls->options.key_file, tls->options.ca_file,
                             tls->options.crl_file,   tls->options.psk_file, tls->options.psk_id,
                             tls->options.server_name};
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
        free((char *)(uintptr_t)strings[i]);
    strings_free(tls->names);
    SSL_CTX_free(tls->context);
    free(tls);
}

SSL_CTX *net_tls_context(struct net_tls *tls)
{
    SSL_CTX_up_ref(tls->context);
    return tls->context;
}

int net_tls_days_left(const struct net_tls *tls)
{
    const X509 *certificate = SSL_CTX_get0_certificate(tls->context);
    int days, seconds;
    if (!certificate || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
        return INT_MAX;
    return seconds < 0 ? days - 1 : days;
}
