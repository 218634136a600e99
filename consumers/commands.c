/* SPDX-License-Identifier: ISC
 *
 * The table of subcommands. A new one is an entry here, its name in COMMAND_RUNS (cli.h) and a file cmd_NAME.c.
 */
#include "cli.h"

#include <string.h>

#define LIST(name, ...) static const uint8_t name[] = {__VA_ARGS__, OPT_help, OPTIONS}
#define EXAMPLES(name, ...) static const struct example name[] = {__VA_ARGS__, {NULL, NULL}}
#define SOURCES \
    OPT_process, OPT_all, OPT_read, OPT_wait, OPT_directory, OPT_follow, OPT_now, OPT_hold, OPT_low_latency, \
        OPT_enable, OPT_ocaml_version, OPT_ocaml_queue, OPT_no_children, OPT_no_ocaml
#define CHOICE OPT_filter, OPT_from, OPT_to
#define ENDS OPT_limit, OPT_duration
#define SHOWS OPT_json, OPT_color, OPT_fail_on_loss

LIST(ls_options, OPT_json, OPT_directory, OPT_color);
LIST(enable_options, OPT_process, OPT_all, OPT_list, OPT_json, OPT_directory, OPT_color);
LIST(disable_options, OPT_process, OPT_all, OPT_directory);
LIST(set_options, OPT_process, OPT_all, OPT_directory);
LIST(record_options, OPT_process, OPT_all, OPT_wait, OPT_directory, OPT_output, OPT_force, OPT_record_enable, OPT_with,
     OPT_now, OPT_policy, OPT_block_size, OPT_blocks, OPT_ring_size, OPT_rotate_size, OPT_rotate_time, OPT_keep_size,
     OPT_keep_age, OPT_keep_files, OPT_snapshot, OPT_trigger, OPT_snapshots, OPT_until, OPT_duration, CHOICE, OPT_flush,
     OPT_low_latency, OPT_compression, OPT_plain_writes, OPT_keep_sessions, OPT_ocaml_version, OPT_ocaml_queue,
     OPT_no_children, OPT_no_ocaml, OPT_fail_on_loss, OPT_quiet);
LIST(send_options, OPT_send_collector, OPT_process, OPT_all, OPT_wait, OPT_directory, OPT_record_enable, OPT_with,
     OPT_now, OPT_policy, OPT_block_size, OPT_blocks, OPT_ring_size, OPT_duration, OPT_send_config, OPT_send_spool,
     OPT_send_spool_size, OPT_send_spool_age, OPT_send_spool_full, OPT_send_refused_size, OPT_send_flush, OPT_send_ca,
     OPT_send_crl, OPT_send_cert, OPT_send_key, OPT_send_server_name, OPT_send_psk_file, OPT_send_psk_id,
     OPT_send_insecure, OPT_send_name, OPT_send_rate, OPT_send_drain, OPT_send_metrics, OPT_send_check, OPT_send_status,
     OPT_json, OPT_low_latency, OPT_compression, OPT_plain_writes, OPT_keep_sessions, OPT_quiet);
LIST(cat_options, SOURCES, CHOICE, ENDS, OPT_time, OPT_host, OPT_lines, SHOWS);
LIST(grep_options, SOURCES, OPT_from, OPT_to, ENDS, OPT_time, OPT_host, OPT_lines, OPT_count_only, SHOWS);
LIST(stat_options, SOURCES, CHOICE, ENDS, OPT_every, OPT_sort, OPT_host, SHOWS);
LIST(hist_options, SOURCES, CHOICE, ENDS, OPT_width, SHOWS);
LIST(gc_options, SOURCES, OPT_from, OPT_to, OPT_duration, OPT_json, OPT_color, OPT_fail_on_loss);
LIST(top_options, OPT_process, OPT_all, OPT_read, OPT_wait, OPT_directory, OPT_follow, OPT_now, OPT_hold, OPT_enable,
     OPT_host, OPT_with, OPT_ocaml_version, OPT_ocaml_queue, OPT_no_children, OPT_no_ocaml, OPT_filter, OPT_from,
     OPT_to, OPT_top_view, OPT_top_interval, OPT_top_speed, OPT_top_memory, OPT_top_config, OPT_top_once, OPT_top_json,
     OPT_top_batch, OPT_duration, OPT_top_ascii, OPT_top_no_mouse, OPT_color, OPT_top_fail_on, OPT_fail_on_loss);
LIST(report_options, SOURCES, CHOICE, ENDS, OPT_output, OPT_force, OPT_against, OPT_svg, OPT_figures, OPT_full,
     OPT_fail_on_loss);
LIST(web_options, SOURCES, CHOICE, ENDS, OPT_web_listen, OPT_web_port, OPT_web_interval, OPT_fail_on_loss, OPT_quiet);
LIST(verify_options, OPT_json, OPT_fail_on_loss, OPT_quiet);
LIST(repair_options, OPT_output, OPT_force, OPT_quiet);
LIST(merge_options, OPT_output, OPT_force, OPT_from, OPT_to, OPT_compression, OPT_quiet);
LIST(split_options, OPT_split_time, OPT_split_size, OPT_output, OPT_force, OPT_compression, OPT_quiet);
LIST(convert_options, OPT_to_format, OPT_output, OPT_force, OPT_part_size, OPT_endpoint, OPT_gzip, SOURCES,
     OPT_snapshot, OPT_filter, OPT_from, OPT_before, ENDS, OPT_fail_on_loss, OPT_quiet);
LIST(import_options, OPT_output, OPT_force, OPT_compression, OPT_quiet);
LIST(prune_options, OPT_directory, OPT_older, OPT_prune_size, OPT_prune_files, OPT_dry_run, OPT_quiet);
LIST(bench_options, OPT_json, OPT_bench_seconds, OPT_bench_scale, OPT_bench_events, OPT_bench_peer, OPT_bench_list);
LIST(collect_options, OPT_collect_listen, OPT_collect_store, OPT_collect_config, OPT_collect_check, OPT_collect_status,
     OPT_json, OPT_collect_cert, OPT_collect_key, OPT_collect_client_ca, OPT_collect_client_name, OPT_collect_crl,
     OPT_collect_psk_file, OPT_collect_anyone, OPT_collect_insecure, OPT_collect_senders,
     OPT_collect_senders_per_address, OPT_collect_rate, OPT_collect_batch_size, OPT_collect_window, OPT_collect_memory,
     OPT_collect_rotate_size, OPT_collect_rotate_time, OPT_collect_keep_size, OPT_collect_keep_age,
     OPT_collect_keep_files, OPT_collect_process_keep_size, OPT_collect_process_keep_age,
     OPT_collect_process_keep_files, OPT_collect_reserve, OPT_collect_open_files, OPT_collect_idle_time,
     OPT_collect_no_sync, OPT_collect_metrics, OPT_collect_live, OPT_collect_stop_time, OPT_quiet);
LIST(help_options, OPT_man, OPT_bash, OPT_zsh);
static const uint8_t no_options[] = {OPT_help, OPTIONS};

EXAMPLES(ls_examples, {"evtrail ls", "what can be traced now"});
EXAMPLES(enable_examples, {"evtrail enable 'pool.*:debug' -p myserver", "all events of the pool, down to level debug"},
         {"evtrail enable -l -p myserver", "which events there are, and which are on"},
         {"evtrail enable 'pool.conn.open+caller+stack' -p 4711", "with the place in the code that made them"});
EXAMPLES(disable_examples, {"evtrail disable 'pool.noise' --all", "in every traced process"});
EXAMPLES(set_examples, {"evtrail set policy=overwrite blocks=64 -p myserver", "a flight recorder with larger rings"},
         {"evtrail set -p myserver", "show what is set"});
EXAMPLES(record_examples, {"evtrail record -- ./myprogram --its-option", "start a program and record all its events"},
         {"evtrail record --with libc -o db.evt -- sqlite3 x.db", "record what an unmodified program does"},
         {"evtrail record -p myserver -e 'pool.*' --duration 10s", "ten seconds of a running process"},
         {"evtrail record --all --rotate-size 64M --keep-size 1G", "everything, for ever, in at most 1 GiB"},
         {"evtrail record --snapshot -p myserver -o now.evt", "what the flight recorder holds"},
         {"evtrail record -p myserver --trigger 'pool.error'", "the moments before the first such event"});
EXAMPLES(collect_examples,
         {"evtrail collect --listen localhost --store traces", "take what senders on this machine ship"},
         {"evtrail collect --listen :7423 --cert cert.pem --key key.pem --psk-file keys --store /srv/traces",
          "from other machines, by TLS, those that have a key"},
         {"evtrail collect --config /etc/evtrail/ship.conf --check", "is all in order?"},
         {"evtrail collect --store /srv/traces --status", "who sends how much, and what waits"});
EXAMPLES(send_examples, {"evtrail send --all -c collector.example", "all of this user's traced processes"},
         {"evtrail send -c localhost -- ./myprogram", "a program and its children, until they end"},
         {"evtrail send --config /etc/evtrail/send.conf --check", "what is wrong with the set-up, if anything"},
         {"evtrail send --all -c a.example,b.example -c far.example", "two that share, and one for when both are away"},
         {"evtrail send --status", "how the one that runs is doing"});
EXAMPLES(cat_examples, {"evtrail cat trace.evt", "a file as text"},
         {"evtrail cat -p myserver -q 'level <= warning'", "live"},
         {"evtrail cat --json trace.evt | jq .name", "for other programs"});
EXAMPLES(grep_examples, {"evtrail grep 'pool.conn.* && port == 443 && dur > 2ms' trace.evt", "slow ones"},
         {"evtrail grep -c 'level <= error' trace.evt", "how many"});
EXAMPLES(stat_examples, {"evtrail stat trace.evt", "one table each for events, spans, counters, entities, losses"},
         {"evtrail stat -p myserver --every 2s", "live, every two seconds"});
EXAMPLES(hist_examples, {"evtrail hist pool.request trace.evt", "how long spans of that name took"},
         {"evtrail hist pool.read.bytes trace.evt", "values of a field"});
EXAMPLES(gc_examples, {"evtrail gc -- ./server.exe", "start an OCaml program; its collector's figures at its end"},
         {"evtrail gc -p server.exe --duration 10s", "ten seconds of a running one"},
         {"evtrail gc --json 4711.events", "what a killed one left, for other programs"});
EXAMPLES(top_examples, {"evtrail top", "choose from the traced processes"},
         {"evtrail top -p myserver", "what it is doing right now"},
         {"evtrail top trace.evt", "the same views of a file"},
         {"evtrail top --with libc -- sqlite3 x.db", "start an unmodified program and watch it"},
         {"evtrail top --once --view spans trace.evt", "one screen as text"},
         {"evtrail top --json --fail-on any --fail-on-loss -- ./tests",
          "in CI: figures, and 1 if something was wrong"});
EXAMPLES(report_examples, {"evtrail report -o report.html trace.evt", "a page that any browser opens"},
         {"evtrail report -o change.html --against before.evt after.evt", "what has changed"},
         {"evtrail report --svg pool.acquire trace.evt >acquire.svg", "one figure, for a README"});
EXAMPLES(web_examples, {"evtrail web -p myserver", "what it is doing, in a browser"},
         {"evtrail web -- ./myprogram --its-option", "start a program and watch it"},
         {"evtrail web --follow trace.evt", "a file that is being written"},
         {"ssh -L 8000:127.0.0.1:8000 host evtrail web --port 8000 -p myserver",
          "on another machine: open the address that it prints"});
EXAMPLES(verify_examples, {"evtrail verify trace.evt && echo sound", "checks every byte"});
EXAMPLES(bench_examples, {"evtrail bench 'emit/*'", "what an event costs"},
         {"evtrail bench --json --seconds 10", "all figures, one JSON object a line"});
EXAMPLES(repair_examples, {"evtrail repair -o good.evt torn.evt", "what is intact, as a sound file"});
EXAMPLES(merge_examples, {"evtrail merge -o all.evt a.evt b.evt", "one file, in time order"});
EXAMPLES(split_examples, {"evtrail split --time 1m trace.evt", "trace.00001.evt, trace.00002.evt, ..."});
EXAMPLES(prune_examples, {"evtrail prune", "sessions of processes that died"},
         {"evtrail prune --older 7d --keep-files 100 /var/log/traces/*.evt", "files of the last week, at most 100"});
EXAMPLES(convert_examples, {"evtrail convert -o trace.csv trace.evt", "for DuckDB, sqlite, a spreadsheet"},
         {"evtrail convert -o trace.ctf trace.evt && babeltrace2 trace.ctf", "for babeltrace2, Trace Compass"},
         {"evtrail convert --to folded trace.evt | flamegraph.pl > flame.svg", "where the time of spans goes"},
         {"evtrail convert --to otlp --endpoint http://127.0.0.1:4318 -p myserver", "live, to a collector"},
         {"evtrail convert --to jsonl -q 'level <= warning' trace.evt | jq .name", "for other programs"});
EXAMPLES(import_examples,
         {"evtrail import -o lttng.evt ~/lttng-traces/auto-20261121-100000", "all traces of an LTTng session"},
         {"evtrail stat lttng.evt", "and look at them"});
EXAMPLES(help_examples, {"evtrail help record", "one subcommand"},
         {"source <(evtrail help --bash)", "completion in this shell"});
EXAMPLES(no_examples, {NULL, NULL});

#define SOURCES_TEXT \
    "Reads live processes (-p, --all), trace files (operands or -r), or a program it starts (after --). A rotated " \
    "set " \
    "is named by NAME (of NAME.00001.evt, ...) or by a directory of such files; - is standard input; a directory of " \
    "directories, as evtrail collect stores them, is all files in it. collector://HOST[:PORT] is what arrives at a " \
    "collector now, from all hosts; behind it ?host=PATTERN&program=PATTERN&ca=FILE&cert=FILE&key=FILE&psk=FILE&" \
    "insecure, as far as needed. SIGINT and " \
    "SIGTERM " \
    "read what is left and end; a second one ends at once."

const struct subcommand subcommands[] = {
    {.name = "ls",
     .operands = "",
     .summary = "list traced processes",
     .text = "One line for each session: process, state, policy, rings, events, losses, event types that are on, and "
             "consumers. "
             "A dead process's session stays until it has been recorded or pruned. "
             "Below them, one line for each ring of OCaml 5's runtime events: of the processes that have one mapped, "
             "wherever "
             "its file is, and those that dead processes left. --directory lists what is there alone.",
     .run = run_ls,
     .options = ls_options,
     .examples = ls_examples},
    {.name = "enable",
     .operands = "[RULE...]",
     .summary = "switch events on in running processes, or list them",
     .text =
         "A rule is [-]PATTERN[:LEVEL][+cpu][+caller][+stack][@POLICY]. PATTERN is an event's name, a provider with "
         "all below "
         "it, or has wildcards. LEVEL (critical, error, warning, info, debug, trace) leaves out what is less severe. "
         "Later rules win. "
         "Prints how many event types each process changed. With -l, lists the types whose names match the operands.",
     .run = run_enable,
     .options = enable_options,
     .examples = enable_examples,
     .completes = COMPLETES_event},
    {.name = "disable",
     .operands = "PATTERN...",
     .summary = "switch events off in running processes",
     .text = "As enable with a minus before each rule.",
     .run = run_disable,
     .options = disable_options,
     .examples = disable_examples,
     .completes = COMPLETES_event},
    {.name = "set",
     .operands = "[SETTING=VALUE...]",
     .summary = "change the policy or the sizes of rings in running processes",
     .text = "Settings: policy=overwrite|drop|block|shed, block=BYTES, blocks=N, deadline=TIME (policy block), "
             "memory=BYTES, "
             "lease=TIME (of consumers), keep=0|1 (keep the session when the process exits). Sizes hold for rings and "
             "blocks opened from now on. "
             "Without a setting, shows what is set and which rules are in force.",
     .run = run_set,
     .options = set_options,
     .examples = set_examples,
     .completes = COMPLETES_setting},
    {.name = "record",
     .operands = "[COLLECTOR...]",
     .summary = "record events into compressed files",
     .text = "Records live processes (-p, --all), or a program that it starts (after --), which keeps its standard "
             "input, output and "
             "error, its exit code and its signals, and whose children are recorded as well; or what arrives at a "
             "collector (collector://HOST[:PORT]). Files are valid zstd; "
             "each part of a rotated "
             "set can be read alone.\n\n"
             "Nothing is lost without being counted: the last line says how many events were recorded and how many "
             "were lost, by cause. "
             "SIGINT and SIGTERM record what is left and close the file; a second one ends at once. After a SIGKILL "
             "the file holds all "
             "but the last unwritten batch. When the disk is full the run ends with code 6 and what was written stays "
             "readable.\n\n"
             "With -- PROGRAM the exit code is the program's own, 128 + N if signal N killed it, 126 if it cannot be "
             "run, 127 if it was not found. "
             "If the program succeeds and recording fails, the code is the failure's.",
     .collectors = true,
     .run = run_record,
     .options = record_options,
     .examples = record_examples,
     .program = true},
    {.name = "collect",
     .operands = "",
     .summary = "receive traces of other machines and store them",
     .text = "Listens for `evtrail send`, checks what comes, and stores it in a tree of trace files, "
             "DIR/HOST/PROGRAM/START-PID/, which every other subcommand reads. A batch is acknowledged when it is on "
             "disk, and is stored once whatever is killed in between; senders keep what is not acknowledged.\n\n"
             "Off this machine it speaks TLS 1.3; name --cert and --key, and who may send: --client-ca, --psk-file or "
             "--anyone. "
             "Each flag is also a key in section [collect] of the file that --config names. SIGHUP reads that, and the "
             "certificates, again; SIGTERM stops gracefully. A peer that does what it must not loses its connection "
             "with a reason; nobody else notices.\n\n"
             "docs/collect.md explains every state, and what to do.",
     .run = run_collect,
     .options = collect_options,
     .examples = collect_examples},
    {.name = "send",
     .operands = "",
     .summary = "ship events to a collector, and keep them until it has them",
     .text =
         "Reads live processes (-p, --all), or a program that it starts (after --), as record does, into a spool: a "
         "directory of "
         "trace files. From there everything goes to a collector (evtrail collect) and is deleted when that has it "
         "on disk. What happens to "
         "either side, each event is stored there once, or is counted as lost, with the cause, in the stored trace "
         "itself.\n\n"
         "While the collector is away or slow the spool grows, up to --spool-size; then --spool-full says what "
         "happens. The traced program "
         "is never held up by it beyond what its own rings' policy says. To another machine the connection is TLS "
         "1.3 unless --insecure is "
         "given.\n\n"
         "SIGHUP reads the configuration and certificates again. SIGTERM and SIGINT read what is left, wait up to "
         "--drain-time for it to be "
         "acknowledged, and end; what is still spooled then goes with the next start. docs/send.md has set-up by "
         "example, and every state with what to do.",
     .run = run_send,
     .options = send_options,
     .examples = send_examples,
     .program = true},
    {.name = "cat",
     .operands = "[FILE...]",
     .summary = "print events as text or JSON",
     .text = SOURCES_TEXT,
     .collectors = true,
     .run = run_cat,
     .options = cat_options,
     .examples = cat_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "grep",
     .operands = "EXPR [FILE...]",
     .summary = "print the events that match an expression",
     .text = "EXPR is a filter: names with wildcards, fields, level, thread, time and dur, compared and joined by && "
             "|| !. " SOURCES_TEXT,
     .collectors = true,
     .run = run_grep,
     .options = grep_options,
     .examples = grep_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "stat",
     .operands = "[FILE...]",
     .summary = "count: event types, spans, counters, entities, losses",
     .text = "Events by type with rate and bytes; spans with the percentiles of their durations; counters with last, "
             "least and "
             "greatest value; entities by state; losses by cause. " SOURCES_TEXT,
     .collectors = true,
     .run = run_stat,
     .options = stat_options,
     .examples = stat_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "hist",
     .operands = "EVENT.FIELD|SPAN [FILE...]",
     .summary = "draw the distribution of a field or of spans' durations",
     .text = "The name of a span gives its durations; the name of an event and a field gives the field's "
             "values. " SOURCES_TEXT,
     .collectors = true,
     .run = run_hist,
     .options = hist_options,
     .examples = hist_examples,
     .completes = COMPLETES_event,
     .program = true},
    {.name = "gc",
     .operands = "[FILE...]",
     .summary = "what an OCaml program's garbage collector takes, and its pauses",
     .text = "For each OCaml 5 process: its domains with the time and share that collections took, numbers of "
             "collections, words allocated and promoted, and the percentiles of pauses. A pause is the outermost phase "
             "of the collector in a domain; one that lost events fall into is not counted. " SOURCES_TEXT,
     .collectors = true,
     .run = run_gc,
     .options = gc_options,
     .examples = gc_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "top",
     .operands = "[FILE...]",
     .summary = "watch live processes or a trace file in the terminal",
     .text =
         "Views of event types, spans, the tree of spans, entities, the log of events, and warnings, for any traced "
         "program, from its schema alone; ? lists keys and views. Without a source it shows the traced processes to "
         "choose from. The top lines always say who is watched, the rates, how full the rings are, and what was lost, "
         "by cause, in all and now; what a flight recorder had overwritten before anybody looked is told apart. A "
         "process that ends leaves its figures on the screen.\n\n"
         "With -- PROGRAM its output is kept in a view; the exit code is the program's own, as with record. Leaving "
         "ends only a program that was started here, after asking, with SIGTERM; signals that are sent to evtrail go "
         "on to it. If the terminal goes away, the program gets SIGHUP and evtrail ends with it. Processes that were "
         "attached to are never touched.\n\n"
         "Colours follow TERM and NO_COLOR; nothing is told by colour alone. --ascii is for terminals without "
         "line-drawing characters. Without a terminal, or with TERM=dumb, it prints one screen as with --once.",
     .collectors = true,
     .run = run_top,
     .options = top_options,
     .examples = top_examples,
     .manual = manual_top,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "report",
     .operands = "[FILE...]",
     .summary = "a page about a trace: one HTML file",
     .text =
         "Spans with percentiles, histogram and latency over time, counters, entities and their states, a timeline of "
         "threads and "
         "spans, losses, and single events, in one file that needs nothing else and loads nothing. The figures are "
         "those of evtrail stat. "
         "However long the trace is, the page has at most some 2 MB: long spans, warnings and errors, rare events and "
         "extremes are "
         "kept, of the rest every so-many-th, and the page says so. The same trace makes the same "
         "page.\n\n" SOURCES_TEXT,
     .collectors = true,
     .run = run_report,
     .options = report_options,
     .examples = report_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "web",
     .operands = "[FILE...]",
     .summary = "the page of a report in a browser, live",
     .text =
         "Serves the page of evtrail report on this machine and keeps it up to date while events come: summary, spans, "
         "counters, entities, timeline, events, with a button that holds it still. It only reads. The address that it "
         "prints on standard error is all that is needed to open the page, and nobody can without the token in it: the "
         "page keeps it and takes it out of the browser's address line. Any number of browsers may look, 32 of them at "
         "once; one that is slow gets fewer updates. When all is read (the program has ended, the file is complete) "
         "the "
         "page stays as it is until SIGINT, SIGTERM, or the end of --duration.\n\n" SOURCES_TEXT,
     .collectors = true,
     .run = run_web,
     .options = web_options,
     .examples = web_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "verify",
     .operands = "FILE...",
     .summary = "check trace files, every byte",
     .text = "One line for each file, and one for each fault with its place. A directory is the rotated set in "
             "it; or all files below it, as in the tree that `evtrail collect` stores.",
     .run = run_verify,
     .options = verify_options,
     .examples = verify_examples,
     .completes = COMPLETES_file},
    {.name = "repair",
     .operands = "FILE",
     .summary = "write what is intact in a damaged trace file as a sound one",
     .text = "Without -o the result is FILE.repaired. The damaged file is not touched; what is missing is counted as "
             "lost in the new one. Of a directory of directories, as evtrail collect stores them, each file has a "
             "sound one "
             "in a tree of the same shape below -o, or DIRECTORY.repaired.",
     .run = run_repair,
     .options = repair_options,
     .examples = repair_examples,
     .completes = COMPLETES_file},
    {.name = "merge",
     .operands = "FILE...",
     .summary = "write several trace files as one",
     .text =
         "The result holds all sources. Batches are copied as they are, in time order; with --from and --to they "
         "are cut to that range, event by event. A directory of directories, as evtrail collect stores them, is all "
         "files in it.",
     .run = run_merge,
     .options = merge_options,
     .examples = merge_examples,
     .completes = COMPLETES_file},
    {.name = "split",
     .operands = "FILE",
     .summary = "write one trace as several files, by time or size",
     .text = "Each part can be read alone. By time each event goes to the part that it belongs to; by size batches (at "
             "most a second or 256 KiB of one thread) stay whole.",
     .run = run_split,
     .options = split_options,
     .examples = split_examples,
     .completes = COMPLETES_file},
    {.name = "convert",
     .operands = "[FILE...]",
     .summary = "write events in formats that other programs open",
     .text =
         "Formats: jsonl, one JSON object a line as cat --json prints it; csv, always the same columns, the fields of "
         "an event as JSON in one of them; chrome, a timeline for ui.perfetto.dev, chrome://tracing and speedscope; "
         "perfetto, the same smaller, in its own protobuf; ctf, a directory that babeltrace2 and Trace Compass open; "
         "folded, stacks of nested spans for flame graphs; otlp, spans, logs and metrics for an OpenTelemetry "
         "collector. docs/convert.md tells what each can carry. Losses are in the output, in their place. The last "
         "line on standard error says how many events were written, how many were lost before, and what the format had "
         "no place for. No file is replaced without --force, and no input ever.\n\n" SOURCES_TEXT,
     .collectors = true,
     .run = run_convert,
     .options = convert_options,
     .examples = convert_examples,
     .completes = COMPLETES_file,
     .program = true},
    {.name = "import",
     .operands = "DIRECTORY...",
     .summary = "read CTF traces of LTTng and others into a trace file",
     .text = "Every directory here or below that has a file 'metadata' is a CTF 1.8 trace; all become one trace file, "
             "with a source for "
             "each process (of a trace that does not tell processes apart: one). Numbers, texts, enums and byte arrays "
             "are fields; structs, "
             "variants and other arrays become text. Discarded events are losses in their place. docs/convert.md has "
             "the rest. "
             "What is damaged is told and left out, and the exit code is 5.",
     .run = run_import,
     .options = import_options,
     .examples = import_examples,
     .completes = COMPLETES_directory},
    {.name = "prune",
     .operands = "[FILE...]",
     .summary = "remove sessions of dead processes, or old trace files",
     .text = "Without operands: the sessions of processes that are gone. With files: those that are older than "
             "--older, or beyond "
             "--keep-size or --keep-files. Only trace files are removed, and never one that a recorder writes.",
     .run = run_prune,
     .options = prune_options,
     .examples = prune_examples,
     .completes = COMPLETES_file},
    {.name = "bench",
     .operands = "[CASE]",
     .summary = "measure what tracing costs on this machine",
     .text = "CASE is a name or a pattern ('emit/*'); without it, all of them. Each figure stands beside its limit, a "
             "clock read and a 16-byte store, measured in the same run.",
     .run = run_bench,
     .options = bench_options,
     .examples = bench_examples},
    {.name = "help",
     .operands = "[COMMAND]",
     .summary = "explain a subcommand; print man pages and completion scripts",
     .text = "Without a COMMAND: the list of them, exit codes and environment.",
     .run = run_help,
     .options = help_options,
     .examples = help_examples,
     .completes = COMPLETES_subcommand},
    {.name = "complete",
     .operands = "INDEX WORD...",
     .summary = "words that fit at a place of a command line, for completion scripts",
     .text = "",
     .run = run_complete,
     .options = no_options,
     .examples = no_examples,
     .hidden = true,
     .raw = true},
    {.name = NULL},
};

const struct subcommand *subcommand_find(const char *name)
{
    for (const struct subcommand *command = subcommands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}
