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

/* Every setting, once: its field, type (text, list, size, count, duration, flag), default, and whether a running collector takes it over again on SIGHUP. The name of
 * the flag, and of the key in section [collect] of a configuration file, has '-' for '_'; what it does stands in options.def. */
#define COLLECT_SETTINGS(X) \
    X(listen, list, "", start) \
    X(store, text, "", start) \
    X(cert, text, "", reload) \
    X(key, text, "", reload) \
    X(client_ca, text, "", reload) \
    X(client_name, list, "", reload) \
    X(crl, text, "", reload) \
    X(psk_file, text, "", reload) \
    X(anyone, flag, "no", reload) \
    X(insecure, flag, "no", start) \
    X(senders, count, "4096", reload) \
    X(senders_per_address, count, "2048", reload) \
    X(rate, size, "0", reload) \
    X(batch_size, size, "3M", reload) \
    X(window, size, "8M", reload) \
    X(memory, size, "64M", start) \
    X(rotate_size, size, "64M", reload) \
    X(rotate_time, duration, "1d", reload) \
    X(keep_size, size, "0", reload) \
    X(keep_age, duration, "0", reload) \
    X(keep_files, count, "0", reload) \
    X(process_keep_size, size, "0", reload) \
    X(process_keep_age, duration, "0", reload) \
    X(process_keep_files, count, "0", reload) \
    X(reserve, size, "16M", reload) \
    X(open_files, count, "256", start) \
    X(idle_time, duration, "5m", reload) \
    X(no_sync, flag, "no", start) \
    X(metrics, text, "", start) \
    X(live, flag, "yes", reload) \
    X(stop_time, duration, "10s", reload)

enum collect_setting {
#define X(name, type, value, when) COLLECT_##name,
    COLLECT_SETTINGS(X)
#undef X
        COLLECT_SETTINGS_COUNT
};
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
#define X(name, type, value, when) COLLECT_FIELD_##type(name);
    COLLECT_SETTINGS(X)
#undef X
    char *said
        [COLLECT_SETTINGS_COUNT]; /* how each was said: "--memory 1M", "FILE:LINE: memory = 1M"; NULL: not at all. Owned */
};
/* How a setting was said, else its flag: for messages about its value. */
const char *collect_options_said(const struct collect_options *options, enum collect_setting setting);
/* All at their defaults; then a file and flags set some. Texts are owned: collect_options_fini(). */
int collect_options_init(struct collect_options *options);
void collect_options_fini(struct collect_options *options);
/* One setting by its key. -ENOENT: no such key; -EINVAL, -ERANGE: the value. Lists: blanks or commas separate; they grow. "yes", "no" for flags. */
int collect_options_set(struct collect_options *options, const char *key, const char *value);
/* The keys of [collect] in a file (config.h; other sections are others'). *ret_error: owned, with file and line. */
int collect_options_read(struct collect_options *options, const char *path, char **ret_error);
/* What does not fit together. *ret_error: owned, says what to do. */
int collect_options_check(const struct collect_options *options, char **ret_error);

struct collect;
struct evloop;
struct net_address;
/* Starts: opens the store, listens. *ret_error: an owned line that says what to do. `log` gets one line for each event of an operator's interest (no newline). */
int collect_new(struct collect **ret_collect, struct evloop *loop, const struct collect_options *options,
                void (*log)(void *context, int priority, const char *line), void *context, char **ret_error);
/* What collect_new() would refuse, and nothing is changed: files are read, addresses bound for a moment, the store looked at. A collector may run on it
 * (*ret_running): then addresses in use are taken to be its own. */
int collect_check(const struct collect_options *options, bool *ret_running, char **ret_error);
/* Settings that were read again. What needs a restart is named in *ret_error; the rest is in force. A certificate that cannot be read leaves the old one in force. */
int collect_reload(struct collect *collect, const struct collect_options *options, char **ret_error);
/* The i-th metrics address, where there is any. */
bool collect_metrics_address(const struct collect *collect, struct net_address *ret_address);
/* Stops listening, tells senders to come back, has what was received written; then calls `stopped` (from the loop). */
void collect_stop(struct collect *collect, void (*stopped)(void *context), void *context);
void collect_free(struct collect *collect);
/* The i-th address that it listens on, with the port that it got; false: no more. */

bool collect_address(const struct collect *collect, unsigned index, struct net_address *ret_address);
/* Status as JSON or as a table, metrics as Prometheus text. Owned. */
char *collect_status_text(const struct collect *collect, bool json);
char *collect_metrics_text(const struct collect *collect);

/* What live readers hang on: called for each unit that was accepted from a sender, before it is on disk. A batch is given as its frame and zstd frame (sequence > 0), others as
 * one frame (sequence 0); valid during the call. One tap; live.h fans out. Senders are numbered from 1, never again. */
struct collect_tap {
    void (*frames)(struct collect_tap *tap, uint64_t sender, const uint8_t stream[WIRE_STREAM_ID_BYTES],
                   uint64_t sequence, const struct iovec *parts, unsigned count);
    void (*offset)(struct collect_tap *tap, uint64_t sender, int64_t offset_ns,
                   int64_t bound_ns); /* of its clock from ours */
    void (*gone)(struct collect_tap *tap, uint64_t sender);
    /* A reader came (its receiver takes ship_receiver_trace()), may take more, and is gone. */
    void (*reader)(struct collect_tap *tap, struct ship_receiver *receiver, const struct wire_hello *hello, bool first);
    void (*reader_gone)(struct collect_tap *tap, struct ship_receiver *receiver);
    bool (*watched)(struct collect_tap *tap,
                    const char *host); /* whether a reader wants what comes from there; may be NULL */
};
void collect_set_tap(struct collect *collect, struct collect_tap *tap);

#endif /* EVTRAIL_CONSUMERS_SHIP_COLLECT_H */
