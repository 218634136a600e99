/* SPDX-License-Identifier: ISC
 *
 * TLS of one connection, without its socket: bytes go in and out through memory; and what the settings hold for it.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_NET_SECURE_H
#define EVTRAIL_CONSUMERS_SHIP_NET_SECURE_H

#include "ship/net.h"

#include <openssl/ssl.h>

/* ---- pre-shared keys (net_tls_key.c) ---- */

enum { KEY_BYTES_MIN = 16, KEY_BYTES_MAX = 64, KEYS_MAX = 4096, SECRET_FILE_MAX = 1 << 20 };
struct tls_key {
    char id[NET_IDENTITY_BYTES + 1];
    unsigned char bytes[KEY_BYTES_MAX];
    size_t size;
};
struct tls_keys {
    struct tls_key *items;
    size_t count;
};
/* A file that others may not read, whole, with a NUL behind it; to be freed by secret_free(). `what`: "key", for messages. -EINVAL, -ENOMEM. */
int secret_read(const char *path, const char *what, char **ret_text, size_t *ret_bytes, struct net_text *ret_why);
void secret_free(char *text, size_t bytes);
int tls_keys_load(struct tls_keys *ret_keys, const char *path, struct net_text *ret_why);
void tls_keys_free(struct tls_keys *keys);
const struct tls_key *tls_keys_find(const struct tls_keys *keys, const char *id, size_t id_bytes);
/* What OpenSSL takes a pre-shared key as, or NULL: out of memory. */
SSL_SESSION *tls_key_session(SSL *ssl, const struct tls_key *key);

/* ---- names (net_tls_names.c) ---- */

/* "name" or "*.suffix". */
bool tls_rule_valid(const char *rule);
bool tls_rule_allows(const char *rule, const char *name);
/* The first DNS name (SAN) of the certificate that one of the rules allows (rules NULL or empty: any name; then its common name, too, if it has no DNS name).
 * False: none; then *ret_name is its first name, "" if it has none. */
bool tls_name_of(X509 *certificate, char *const *rules, char *ret_name, size_t bytes);

/* ---- settings in force (net_tls.c) ---- */

/* What one reading of the files gave; belongs to the SSL_CTX, and goes with it. */
struct tls_material {
    enum net_side side;
    SSL_CTX *context;
    struct tls_keys keys;
    const struct tls_key *own_key; /* client */
    char **rules;                  /* NULL-terminated */
    char *server_name;             /* client; NULL: the host */
    bool anyone, by_certificate;   /* server: who may come; client: by_certificate: the collector's is checked (else by key alone) */
};
SSL_CTX *net_tls_context(struct net_tls *tls); /* a reference of its own */
struct tls_material *tls_material_of(const SSL_CTX *context);
/* A side's callbacks, by which a connection's `struct secure` is told (net_secure.c). */
void secure_callbacks(SSL_CTX *context, struct tls_material *material);

/* ---- a connection (net_secure.c) ---- */

enum {
    SECURE_RECORD_BYTES = 16384,
    SECURE_RECORD_ROOM = SECURE_RECORD_BYTES + 256,
    SECURE_OUT_BYTES = 4 * SECURE_RECORD_ROOM + 2048, /* the last for what TLS itself has to say while records are on their way */
};
struct secure {
    SSL *ssl;
    struct tls_material *material; /* the SSL's */
    const uint8_t *in;             /* what came and was not read yet */
    size_t in_bytes;
    uint8_t *out; /* SECURE_OUT_BYTES, or NULL: nothing */
    size_t out_begin, out_end;
    bool done, failed, got_goodbye, said_goodbye;
    bool key_used;
    char asked_key[NET_IDENTITY_BYTES + 1]; /* server: the key id that the peer came with; "": none */
    char name[NET_IDENTITY_BYTES + 1];      /* of its certificate, maybe one that no rule allows */
    bool name_refused, key_unknown;
    long verified; /* X509_V_..., of the certificate that failed */
    enum net_end end;       /* of a failure */
    struct net_text reason;
};
/* Takes over the reference to the context. `host`: a client's, the name that the certificate must have unless the settings say another. -ENOMEM; -EINVAL: the host
 * cannot be a certificate's name. */
int secure_new(struct secure **ret_secure, SSL_CTX *context, const char *host);
void secure_free(struct secure *secure);
/* Gives bytes, of which all are taken by the calls of step or read that follow. */
void secure_feed(struct secure *secure, const uint8_t *bytes, size_t size);
/* 1: done; 0: wants more bytes, or room in `out`; -EPROTO: secure->end and reason say why. What is in `out` is to be sent in any case. */
int secure_step(struct secure *secure);
/* > 0 bytes; -EAGAIN; 0: goodbye; -EPROTO: as above. */
int64_t secure_read(struct secure *secure, uint8_t *buffer, size_t size);
/* At most a record. The number of bytes taken; -EAGAIN: no room in `out`; -EPROTO, -ENOMEM. */
int64_t secure_write(struct secure *secure, const uint8_t *bytes, size_t size);
void secure_sent(struct secure *secure, size_t size);
static inline size_t secure_outgoing(const struct secure *secure)
{
    return secure->out_end - secure->out_begin;
}
/* close_notify, into `out`. */
void secure_goodbye(struct secure *secure);
/* Fills in what the handshake has shown. */
void secure_describe(const struct secure *secure, struct net_peer *peer);
/* Frees what an idle connection does not need. */
void secure_rest(struct secure *secure);

/* net_verdict.c: of a failed call, by OpenSSL's queue of errors: into secure->end and reason. */
void secure_verdict(struct secure *secure);

#endif /* EVTRAIL_CONSUMERS_SHIP_NET_SECURE_H */
