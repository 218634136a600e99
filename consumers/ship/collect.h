/* SPDX-License-Identifier: ISC
 *
 * `evtrail collect`: a listener, a receiver for each connection, and one store. This is all of it but main and options: tests run it in
 * their own process.
 *
 * One thread, on an evloop; the store has a worker of its own. A peer's fault closes that peer's connection with a reason, is counted by cause, and
 * costs nobody else anything.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_COLLECT_H
#define EVTRAIL_CONSUMERS_SHIP_COLLECT_H

#include "ship/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COLLECT_LISTENS_MAX = 16, COLLECT_NAMES_MAX = 64 };

/* Every setting, once: the key in a configuration file, which is also the long option (with - for _), type, default, and what it is. Types: text, list, size,
 * count, duration, flag. Those marked `reload` take effect on SIGHUP. */
#define COLLECT_SETTINGS(X) \
    X(listen, list, "", start, "address to listen on: HOST:PORT, [ADDRESS]:PORT, :PORT, unix:PATH (may be repeated)") \
    X(store, text, "", start, "directory to store in") \
    X(cert, text, "", reload, "certificate chain (PEM) that proves who this collector is") \
    X(key, text, "", reload, "its private key (PEM)") \
    X(client_ca, text, "", reload, "only senders with a certificate of this authority (PEM)") \
    X(client_name, list, "", reload, "... whose certificate has one of these names: exact, or *.example.org (may be repeated)") \
    X(crl, text, "", reload, "certificates that were revoked (PEM)") \
    X(psk, text, "", reload, "file of NAME:HEX lines: keys shared with senders, instead of certificates") \
    X(insecure, flag, "no", start, "plain text also off loopback: everybody on the way can read and change it") \
    X(senders, count, "4096", reload, "connections at a time") \
    X(senders_per_address, count, "0", reload, "... from one address (0: no limit)") \
    X(rate, size, "0", reload, "bytes a second from one sender (0: no limit)") \
    X(window, size, "4M", start, "bytes that one sender may have on the way") \
    X(memory, size, "64M", start, "bytes of all senders received and not yet on disk") \
    X(rotate_size, size, "64M", reload, "begin the next file of a process at this size") \
    X(rotate_time, duration, "1d", reload, "... or age") \
    X(keep_size, size, "0", reload, "delete the oldest closed files above this size of the whole store (0: never)") \
    X(keep_age, duration, "0", reload, "... that are older than this") \
    X(keep_files, count, "0", reload, "... beyond so many") \
    X(source_keep_size, size, "0", reload, "the same for the files of one process") \
    X(source_keep_age, duration, "0", reload, "") \
    X(source_keep_files, count, "0", reload, "") \
    X(reserve, size, "16M", reload, "leave so much of the disk free") \
    X(open_files, count, "256", start, "files open at a time") \
    X(idle_time, duration, "5m", reload, "close a file that nothing was appended to for so long") \
    X(no_sync, flag, "no", start, "acknowledge before the disk has it: a crash of the machine may lose it") \
    X(status, text, "", start, "unix socket that answers --status (default: .status in the store)") \
    X(metrics, text, "", start, "answer GET /metrics (Prometheus text) here: HOST:PORT on loopback, unix:PATH") \
    X(live, flag, "yes", reload, "let readers (evtrail top collector://...) read what arrives") \
    X(stop_time, duration, "10s", reload, "a graceful stop waits so long for the disk")

struct collect_text_list {
    const char **items;
    size_t count;
};
struct collect_options {
#define COLLECT_FIELD_text(name) const char *name
#define COLLECT_FIELD_list(name) struct collect_text_list name
#define COLLECT_FIELD_size(name) uint64_t name
#define COLLECT_FIELD_count(name) uint64_t name
#define COLLECT_FIELD_duration(name) int64_t name
#define COLLECT_FIELD_flag(name) bool name
#define X(name, type, value, when, text) COLLECT_FIELD_##type(name);
    COLLECT_SETTINGS(X)
#undef X
};
/* All at their defaults; then a file and flags set some. Texts are owned: collect_options_fini(). */
int collect_options_init(struct collect_options *options);
void collect_options_fini(struct collect_options *options);
/* One setting by its key. -ENOENT: no such key; -EINVAL, -ERANGE: the value. Lists grow. */
int collect_options_set(struct collect_options *options, const char *key, const char *value);
/* `key = value` lines, # comments. *ret_error: owned, with file and line, and what to write instead. */
int collect_options_read(struct collect_options *options, const char *path, char **ret_error);

struct collect;
struct evloop;
/* Starts: opens the store, listens. *ret_error: an owned line that says what to do. `log` gets one line for each event of an operator's interest (no newline). */
int collect_new(struct collect **ret_collect, struct evloop *loop, const struct collect_options *options,
                void (*log)(void *context, int priority, const char *line), void *context, char **ret_error);
/* Everything that collect_new() would do, up to where something is changed: files are read, addresses resolved and tried, the store looked at. */
int collect_check(const struct collect_options *options, char **ret_error);
/* Settings that were read again. What needs a restart is named in *ret_error; the rest is in force. A certificate that cannot be read leaves the old one in force. */
int collect_reload(struct collect *collect, const struct collect_options *options, char **ret_error);
/* Stops listening, tells senders to come back, has what was received written; then calls `stopped` (from the loop). */
void collect_stop(struct collect *collect, void (*stopped)(void *context), void *context);
void collect_free(struct collect *collect);
/* The port of the i-th listener, for one that was asked for port 0. */
int collect_port(const struct collect *collect, size_t listener);
/* Status as JSON or as a table, metrics as Prometheus text. Owned. */
char *collect_status_text(const struct collect *collect, bool json);
char *collect_metrics_text(const struct collect *collect);

/* What live readers hang on: called for each unit that was accepted from a sender, before it is on disk. `frames` as in store_put() and store_batch() (sequence 0:
 * not a batch), valid during the call. One tap; live.h fans out. */
struct collect_tap {
    void (*frames)(struct collect_tap *tap, uint64_t sender, const uint8_t stream[WIRE_STREAM_ID_BYTES], uint64_t sequence,
                   const uint8_t *frames, size_t bytes);
    void (*gone)(struct collect_tap *tap, uint64_t sender);
};
void collect_set_tap(struct collect *collect, struct collect_tap *tap);

#endif /* EVTRAIL_CONSUMERS_SHIP_COLLECT_H */
