/* SPDX-License-Identifier: ISC
 *
 * The common consumer: it attaches to what the command line names, waits, handles signals, and hands events or whole
 * chunks to a sink. cat, grep, stat, hist and record are sinks.
 */
#ifndef EVTRAIL_CONSUMERS_SKELETON_H
#define EVTRAIL_CONSUMERS_SKELETON_H

#include "cli.h"
#include "outbuf.h"
#include "program.h"

#include <evtrail/reader.h>

#include <signal.h>

struct consumer;

/* Operations return 0, CONSUMER_STOP (enough was seen), or a negative errno, which ends the run. All but one of `event`
 * and `block` may be NULL. */
enum { CONSUMER_STOP = 1 };
struct sink {
    const char *name; /* of the consumer, as `evtrail ls` shows it */
    bool spans;       /* wants event->duration */
    bool hold;        /* takes a consumer's slot even without --hold */
    int (*open)(struct sink *sink, struct consumer *consumer);
    int (*event)(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event);
    int (*block)(struct sink *sink, struct consumer *consumer, const struct evtrail_chunk *chunk);
    /* Called when there is nothing to read for now, and at least every 100 ms while there is. */
    int (*flush)(struct sink *sink, struct consumer *consumer);
    int (*close)(struct sink *sink, struct consumer *consumer);
};

struct consumer {
    const struct args *args;
    struct evtrail_reader *reader;
    struct evtrail_filter *filter;
    struct evtrail_reader_options options;
    struct output out;
    struct program program;
    char *enable;               /* owned text of options.enable */
    const char *expression;     /* the filter's text, or NULL */
    const char *settings;       /* rules and settings for a program that is started; NULL: everything on, policy drop */
    const char *const *preload; /* names for --with */
    size_t preload_count;
    char preload_text[1200]; /* their files */
    int first_file;          /* operands from this one on are files */
    bool live;               /* processes are among the sources */
    bool hosts;              /* sources are of several hosts, or may come to be: a collector's, or a tree */
    uint32_t hosts_looked;   /* sources that are of one host */
    bool snapshot;           /* read what is there once */
    enum exit_code code;     /* the worst so far */
    uint64_t faults, faults_row;
    int64_t started_ns, stopped_ns; /* CLOCK_MONOTONIC; 0: not yet */
    uint64_t limit;                 /* events still wanted by --limit; UINT64_MAX: all */
    unsigned quiet_rounds;          /* waits without an event since the program ended */
    unsigned stop_rounds;           /* looks without an event since it was to stop */
    int64_t flushed_ns, looked_ns;
    int64_t wait_most_ns; /* the sink wants to be called again after so long; 0: when it comes */
};

/* The whole run, from attaching to the exit code. `consumer` has args, and what differs from zero. */
int consumer_run(struct consumer *consumer, struct sink *sink);

/* Pieces, for a subcommand that attaches several times. */
int consumer_open(struct consumer *consumer, struct sink *sink);
int consumer_loop(struct consumer *consumer, struct sink *sink);
void consumer_close(struct consumer *consumer);
/* Notes a failure: the first one is the exit code. */
void consumer_note(struct consumer *consumer, enum exit_code code);
/* Whether --color and NO_COLOR let this output have colour. */
bool color_wanted(const struct args *args, bool terminal);
/* Rules of --enable (default *), and "policy=... block=... blocks=..." of the other flags; both, with keep=1, for a program's environment. Owned. 0, or an exit code after an
 * error was printed. */
int ring_settings(const struct args *args, const char *standard_policy, char *rings, size_t rings_size, char **ret_rules,
                  char **ret_settings);
int64_t monotonic_ns(void);
uint64_t lost_sum(const uint64_t lost[EVTRAIL_CAUSES_ALL]);

/* ---- signals ---------------------------------------------------------------------------------------------------------- */

/* From here on SIGINT, SIGTERM and SIGHUP are counted (another, over 0.2 s later, ends the process at once), SIGPIPE becomes EPIPE. With a program,
 * signals that were sent to us go on to it instead. */
void signals_install(bool with_program);
/* Around fork(): what comes in between is kept, and reaches the program. signals_hold() gives the mask before it. */
void signals_hold(sigset_t *ret_mask);
/* In the child: dispositions as we inherited them, then the mask. */
void signals_inherit(const sigset_t *mask);
/* In the parent: `pid` is the program, or 0: none was started. */
void signals_release(const sigset_t *mask, int pid);
void signals_program(int pid);
/* Called in the handler before a second signal ends the process at once: async-signal-safe. */
void signals_at_abandon(void (*run)(void));
/* Before signals_install(): SIGHUP does not end the run but calls this, in the handler (not where a program is started: it gets its signals itself). */
void signals_at_hangup(void (*run)(int number));
unsigned signals_stops(void);
int signals_last(void);

#endif /* EVTRAIL_CONSUMERS_SKELETON_H */
