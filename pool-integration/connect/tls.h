/* SPDX-License-Identifier: ISC
 *
 * One connection's TLS, without its socket: bytes go in and out by memory BIOs, whoever carries them. Functions with a tls may be called
 * by one reader and one writer in different threads at once; the settings belong to any thread.
 */
#ifndef EVPOOL_TLS_H
#define EVPOOL_TLS_H

#include "stream.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum { TLS_BUFFER_BYTES = 17 * 1024 }; /* a record and its overhead */

struct tls;

/* ---- settings ---- */

const char *tls_settings_server(const struct tls_settings *settings); /* the name that certificates must have */
SSL_CTX *tls_settings_context(struct tls_settings *settings);
struct tls_settings *tls_settings_of(const SSL *ssl);
const char *tls_settings_sni(const struct tls_settings *settings); /* NULL: an address, nothing to say */
/* An earlier session to go on with, or NULL. The caller's. TLS 1.3 sessions are handed out once (RFC 8446, C.4). */
SSL_SESSION *tls_settings_session(struct tls_settings *settings);
void tls_settings_forget(struct tls_settings *settings); /* all sessions: a handshake with one failed */

/* ---- a connection ---- */

int tls_new(struct tls **ret_tls, struct tls_settings *settings); /* -ENOMEM */
void tls_free(struct tls *tls);                                  /* NULL is accepted */

/* 1: done; 0: wants more bytes; -EPROTO: failed, tls_verdict() says why. Whichever: what is outgoing is to be sent first. */
int tls_handshake_step(struct tls *tls);
/* Of a failed handshake, in the thread and right after the step that failed. */
enum evpool_code tls_verdict(struct tls *tls, char *text, size_t bytes);
bool tls_resumed(const struct tls *tls);
const char *tls_version(const struct tls *tls);
const char *tls_alpn(const struct tls *tls);

/* The reader's: bytes that came; then what is in them: > 0, 0: close_notify, -EAGAIN: more bytes are needed, -EPROTO. */
int tls_feed(struct tls *tls, const void *data, size_t bytes); /* -ENOMEM */
int64_t tls_decrypt(struct tls *tls, void *buffer, size_t length);
int64_t tls_peek(struct tls *tls); /* as tls_decrypt(), and leaves the data there */

/* The writer's, between begin and end: takes up to a record's worth of data (the number of bytes, or -EPROTO); then bytes to
 * send (0: none; -ENOMEM), valid until tls_sent() says how many were. */
void tls_write_begin(struct tls *tls);
int64_t tls_encrypt(struct tls *tls, const void *buffer, size_t length);
int64_t tls_outgoing(struct tls *tls, void **ret_data);
void tls_sent(struct tls *tls, size_t bytes);
void tls_write_end(struct tls *tls);

/* What it was that failed: "tlsv13 alert certificate required"; NULL: nothing, or not known. Static. */
const char *tls_fault(struct tls *tls);

/* Sends what the protocol itself has to say (key updates, alerts), if nobody writes, without waiting: the rest goes with the next write. */
void tls_flush(struct tls *tls, int fd);
/* close_notify, if all data before it is out. */
void tls_goodbye(struct tls *tls, int fd);

/* ---- a handshake in the loop ---- */

/* The caller's memory, zero before first use; busy until its callback. */
struct tls_handshake {
    /* in */
    struct evloop *loop;
    int fd;
    uint64_t deadline_ns;
    void (*call)(struct tls_handshake *handshake);
    /* out */
    struct tls *tls;         /* NULL: failed */
    enum evpool_code code;
    int error;
    char text[192];
    /* its own */
    struct evloop_op op;
    struct evloop_timer timer;
    char *buffer;
    int step;
    bool timed_out, cancelled;
};
int tls_handshake_start(struct tls_handshake *handshake, struct tls_settings *settings); /* -ENOMEM: no callback will come */
void tls_handshake_cancel(struct tls_handshake *handshake);                            /* the callback comes */

/* As stream_open(), with a tls whose handshake is done; taken over too. */
int stream_open_tls(struct stream **ret_stream, struct evloop *loop, int fd, struct tls *tls);

#endif /* EVPOOL_TLS_H */
