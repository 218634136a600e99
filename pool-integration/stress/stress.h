/* SPDX-License-Identifier: ISC
 *
 * What pool-stress was asked for, and how its parts work together: a load on a pool (load/), a recorder of its events (observe.c), figures
 * from them (model.h), reports (report.h).
 */
#ifndef EVPOOL_STRESS_H
#define EVPOOL_STRESS_H

#include "report.h"

#include <evpool/pool.h>

#include <stdatomic.h>

/* A kind of load. The command line may change most of it. */
struct preset {
    const char *name, *what;
    unsigned clients, servers, names; /* servers: addresses; they are dealt to the names */
    uint64_t messages;                /* 0: by the duration */
    uint64_t duration_ns;             /* 0: by the messages */
    uint32_t size;                    /* bytes of a message, with its header; at least 24 */
    unsigned max_total, max_per_name;
    uint64_t idle_ns, lifetime_ns;
    unsigned uses_max, min_idle;
    uint64_t connect_ns, attempt_delay_ns; /* of one attempt, before the next beside it; 0: as pool-stress and the pool have them */
    bool tls;
    uint64_t burst_ns, pause_ns;      /* all clients work, all clients rest; 0: no rest */
    unsigned refusing, flapping, dropping, silent; /* of the servers: never listen; now and then; close after some messages; neither take up nor refuse */
    uint32_t dns_delay_min_ms, dns_delay_max_ms, ttl_s;
};
extern const struct preset presets[];
extern const unsigned presets_count;
const struct preset *preset_find(const char *name);

struct settings {
    struct preset preset; /* with what the command line changed */
    unsigned threads;     /* 0: clients in the loop */
    uint64_t seed;
    enum evloop_backend backend;
    const char *connect_host; /* NULL: own servers */
    uint16_t connect_port;
    const char *from, *html, *trace;
    bool json, quiet, list, help, man, force;
};
/* 0, or 2 after a message on stderr. */
int settings_read(struct settings *settings, int argc, char **argv);
/* stress_help.c */
void settings_usage(FILE *out);
void settings_man(FILE *out);

/* ---- observe.c: the recorder in a process of its own ---- */

struct observer {
    int pid;
    int stop;            /* closing it ends the recording */
    int result;          /* how it ended is written here */
    char path[4096];     /* the trace file */
    bool temporary;
};
/* Starts it, and returns when it records. 0, or -errno after a message. */
int observer_start(struct observer *observer, const struct settings *settings);
/* Ends it when all that is recorded by now was written. 0, or -errno after a message. */
int observer_stop(struct observer *observer);
void observer_fini(struct observer *observer); /* removes a temporary file */
/* The hidden --observe mode: pool-stress --observe PID FILE STOP_FD RESULT_FD temporary|kept. */
int observe_main(int argc, char **argv);

/* ---- load/ ---- */

struct outcome {
    struct evpool_figures figures; /* of the pool, when it was closed */
    struct evloop_figures loop;    /* then, too */
    uint64_t wrong, given_up, right;
};
/* Runs the load. 0, or -errno after a message. */
int load_run(const struct settings *settings, struct outcome *ret_outcome);
/* agree.c: the pool's own figures beside those from the events. */
void agree(const struct model *model, const struct outcome *outcome, struct agreement *ret_agreement);

#endif /* EVPOOL_STRESS_H */
