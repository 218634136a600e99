/* SPDX-License-Identifier: ISC
 *
 * What the files of the `evtrail` command share: its tables of subcommands, options and exit codes, the parsed arguments,
 * and errors. The command links the public API of libevtrail-reader only.
 */
#ifndef EVTRAIL_CONSUMERS_CLI_H
#define EVTRAIL_CONSUMERS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- exit codes ------------------------------------------------------------------------------------------------- */

#define EXIT_CODES(X) \
    X(ok, 0, "done") \
    X(found, 1, \
      "events were lost and --fail-on-loss was given; for grep: nothing matched; for top: a warning of --fail-on " \
      "came") \
    X(usage, 2, "the command line or a filter, rule or setting on it is wrong") \
    X(missing, 3, "no such process, session or file") \
    X(permission, 4, "not permitted: another user's session, an unreadable file") \
    X(damaged, 5, "the input is damaged or is no trace; what is intact was still read") \
    X(io, 6, "input or output failed: disk full, device error; what was written stays readable") \
    X(system, 7, "the system refused something else: memory, descriptors, no free consumer slot, a busy session")

enum exit_code {
#define X(name, number, text) CODE_##name = number,
    EXIT_CODES(X)
#undef X
};

/* ---- options ---------------------------------------------------------------------------------------------------- */

enum option_id {
#define OPTION(ident, letter, name, type, metavar, completes, text) OPT_##ident,
#include "options.def"
#undef OPTION
    OPTIONS
};
enum option_type {
    TYPE_flag,
    TYPE_text,
    TYPE_list,     /* text; may be repeated */
    TYPE_count,    /* 1000, 20k, 3M */
    TYPE_size,     /* bytes: 64K, 10M, 1G */
    TYPE_duration, /* 500ms, 10s, 2m, 1h, 7d; a bare number is seconds */
    TYPE_moment,   /* 2026-11-21T14:03:00, 14:03:00, @SECONDS, -10m (before now) */
    TYPE_choice,   /* one of the words of the metavar: a|b|c */
};
enum completes {
    COMPLETES_nothing,
    COMPLETES_file,
    COMPLETES_directory,
    COMPLETES_process,
    COMPLETES_event, /* names of event types, providers, rules */
    COMPLETES_choice,
    COMPLETES_command, /* a program and its arguments */
    COMPLETES_subcommand,
    COMPLETES_setting,
};
struct option_spec {
    const char *name;
    const char *metavar; /* "" for flags */
    const char *text;
    char letter; /* 0: long form only */
    uint8_t type;
    uint8_t completes;
};
extern const struct option_spec option_specs[OPTIONS];

/* ---- the parsed command line ------------------------------------------------------------------------------------- */

struct text_list {
    const char **items;
    size_t count;
};
struct args {
    const struct subcommand *command;
    bool set[OPTIONS];
    const char *text[OPTIONS]; /* as given; the last one wins */
    int64_t number[OPTIONS];   /* counts, bytes, ns; choices: index of the word */
    struct text_list list[OPTIONS];
    char **operands; /* not options, before `--` */
    int operands_count;
    char **program; /* what follows `--`, NULL-terminated; NULL if there is none */
};

/* ---- subcommands ------------------------------------------------------------------------------------------------- */

struct example {
    const char *line;
    const char *text;
};
struct manual_item {
    const char *section; /* "KEYS": items of one follow each other */
    char term[80];
    const char *text;
};
struct subcommand {
    const char *name;
    const char *operands; /* for the synopsis */
    const char *summary;  /* one line */
    const char *text;     /* paragraphs, separated by an empty line */
    int (*run)(const struct args *args);
    const uint8_t *options;         /* enum option_id, ended by OPTIONS */
    const struct example *examples; /* ended by a NULL line */
    uint8_t completes;              /* its operands: enum completes */
    bool program;                   /* takes `-- PROGRAM ARGS` */
    bool hidden;
    bool collectors; /* its operands may be collector://HOST */
    bool raw; /* parses its own arguments: operands are the whole command line after its name */
    /* More of its manual page: the i-th item, with its section. False behind the last. May be NULL. */
    bool (*manual)(size_t index, struct manual_item *ret_item);
};
bool manual_top(size_t index, struct manual_item *ret_item);
extern const struct subcommand subcommands[]; /* ended by a NULL name */
const struct subcommand *subcommand_find(const char *name);

#define COMMAND_RUNS(X) \
    X(bench) \
    X(cat) \
    X(collect) \
    X(complete) \
    X(convert) X(disable) X(enable) X(gc) X(grep) X(help) X(hist) X(import) X(ls) X(merge) X(prune) X(record) X(repair) \
        X(report) X(send) X(set) X(split) X(stat) X(top) X(verify) X(web)
#define X(name) int run_##name(const struct args *args);
COMMAND_RUNS(X)
#undef X

/* Parses what follows the subcommand's name. 0, or an exit code after an error has been printed, or -1: help was asked for. */
int args_parse(struct args *args, const struct subcommand *command, int argc, char **argv);
/* Sets the option of that long name as if it had been given, from a configuration file ("yes" and "no" for flags; what a repeated flag would say with ";" between, processes with ","), unless it was. The text
 * stays the caller's. -ENOENT: the subcommand has none of that name; else 0, or an exit code after an error has been printed. */
int args_take(struct args *args, const char *name, const char *value);
/* A copy that can be freed by itself. -ENOMEM. */
int args_copy(struct args *ret_args, const struct args *args);
void args_free(struct args *args);
/* The nearest of `count` words to `word`, or NULL if none is near. words(i) gives the i-th. */
const char *args_suggest(const char *word, const char *(*words)(size_t index, const void *context), size_t count,
                         const void *context);

/* Numbers as the options take them. 0 or -EINVAL, -ERANGE. */
int parse_count(const char *text, int64_t *ret_count);
int parse_size(const char *text, int64_t *ret_bytes);
int parse_duration(const char *text, int64_t *ret_ns);
int parse_moment(const char *text, int64_t now_ns, int64_t *ret_ns);

/* ---- help ---------------------------------------------------------------------------------------------------------- */

struct output;
void help_overview(struct output *out);
void help_command(struct output *out, const struct subcommand *command);
void man_overview(struct output *out);
void man_command(struct output *out, const struct subcommand *command);
void completion_bash(struct output *out);
void completion_zsh(struct output *out);

/* ---- errors -------------------------------------------------------------------------------------------------------- */

/* One line on stderr, "evtrail cat: FILE: what is wrong; what to do". Returns `code`. `where` may be NULL. */
int fail(enum exit_code code, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same without a code, for what does not end the run. */
void warn(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The exit code for a negative errno. */
enum exit_code code_of(int error);
/* The name of the subcommand that runs, for messages. */
extern const char *program_part;

#endif /* EVTRAIL_CONSUMERS_CLI_H */
