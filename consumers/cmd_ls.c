/* SPDX-License-Identifier: ISC
 *
 * evtrail ls: a line for each session, and for each ring of OCaml's runtime events.
 */
#include "outbuf.h"
#include "select.h"
#include "skeleton.h"

#include <evtrail/reader.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct listing {
    struct output out;
    bool json;
    unsigned count, rings; /* sessions; rings of OCaml's runtime events */
    int64_t now_ns;
};

static uint64_t lost_by_writer(const struct evtrail_session_info *info)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES; i++)
        sum += info->lost[i];
    return sum;
}

static const char *state_name(const struct evtrail_session_info *info)
{
    return !info->alive ? "dead" : info->exiting ? "exiting" : "alive";
}

static const char *bool_name(bool value)
{
    return value ? "true" : "false";
}

static void print_json(struct output *out, const struct evtrail_session_info *info)
{
    output_print(out, "{\"pid\":%u,\"command\":", info->pid);
    output_json_text(out, info->command);
    output_text(out, ",\"program\":");
    output_json_text(out, info->program);
    output_print(out,
                 ",\"uid\":%u,\"parent_pid\":%u,\"session\":\"%016" PRIx64
                 "\",\"alive\":%s,\"exiting\":%s,\"keep\":%s,\"policy\":\"%s\"",
                 info->uid, info->parent_pid, info->session_id, bool_name(info->alive), bool_name(info->exiting),
                 bool_name(info->keep), policy_name(info->policy));
    output_print(out,
                 ",\"block_bytes\":%u,\"blocks\":%u,\"rings\":%u,\"threads\":%u,\"ring_bytes\":%" PRIu64
                 ",\"types\":%u,\"types_enabled\":%u",
                 info->block_bytes, info->blocks, info->rings, info->threads, info->ring_bytes, info->types,
                 info->types_enabled);
    output_print(out,
                 ",\"consumers\":%u,\"start_ns\":%" PRIu64 ",\"events\":%" PRIu64 ",\"lost\":%" PRIu64
                 ",\"lost_by_cause\":{",
                 info->consumers, info->start_realtime_ns, info->events, lost_by_writer(info));
    const char *comma = "";
    for (unsigned i = 0; i < EVTRAIL_CAUSES; i++) {
        if (info->lost[i] == 0)
            continue;
        output_print(out, "%s\"%s\":%" PRIu64, comma, evtrail_cause_name(i), info->lost[i]);
        comma = ",";
    }
    output_text(out, "},\"path\":");
    output_json_text(out, info->path);
    output_text(out, "}\n");
}

static const char *age(const struct listing *listing, int64_t start_ns)
{
    static char text[24];
    const int64_t seconds = (listing->now_ns - start_ns) / 1000000000;
    if (seconds < 120)
        snprintf(text, sizeof text, "%" PRId64 "s", seconds < 0 ? 0 : seconds);
    else if (seconds < 7200)
        snprintf(text, sizeof text, "%" PRId64 "m", seconds / 60);
    else if (seconds < 172800)
        snprintf(text, sizeof text, "%" PRId64 "h", seconds / 3600);
    else
        snprintf(text, sizeof text, "%" PRId64 "d", seconds / 86400);
    return text;
}

static void print_line(struct listing *listing, const struct evtrail_session_info *info)
{
    struct output *const out = &listing->out;
    const uint64_t lost = lost_by_writer(info);
    char types[32];
    snprintf(types, sizeof types, "%u/%u", info->types_enabled, info->types);
    output_print(out, "%8u  %-15.15s  %s%-7s%s  %-9s  %5u  %9s  %8s  ", info->pid, shown(info->command),
                 output_sgr(out, info->alive ? "32" : "2"), state_name(info), output_sgr(out, "0"),
                 policy_name(info->policy), info->rings, human_bytes((double)info->ring_bytes),
                 human_count((double)info->events));
    output_print(out, "%s%8s%s  %11s  %9u  %5s\n", lost ? output_sgr(out, "31") : "", human_count((double)lost),
                 lost ? output_sgr(out, "0") : "", types, info->consumers,
                 age(listing, (int64_t)info->start_realtime_ns));
}

static int list_one(struct evtrail_session *session, const struct evtrail_session_info *info, void *context)
{
    (void)session;
    struct listing *const listing = context;
    if (listing->json) {
        print_json(&listing->out, info);
    } else {
        if (listing->count == 0)
            output_print(&listing->out, "%s%8s  %-15s  %-7s  %-9s  %5s  %9s  %8s  %8s  %11s  %9s  %5s%s\n",
                         output_sgr(&listing->out, "1"), "PID", "COMMAND", "STATE", "POLICY", "RINGS", "MEMORY",
                         "EVENTS", "LOST", "TYPES ON", "CONSUMERS", "AGE", output_sgr(&listing->out, "0"));
        print_line(listing, info);
    }
    listing->count++;
    return listing->out.error ? 1 : 0;
}

/* ---- OCaml ---- */

static void print_ring_json(struct output *out, const struct evtrail_ocaml_ring_info *info)
{
    output_print(out, "{\"pid\":%u,\"command\":", info->pid);
    output_json_text(out, info->command);
    output_text(out, ",\"program\":");
    output_json_text(out, info->program);
    output_print(out, ",\"uid\":%u,\"alive\":%s,\"ocaml\":", info->uid, bool_name(info->alive));
    output_json_text(out, info->version);
    output_print(out,
                 ",\"domains\":%u,\"domains_most\":%u,\"ring_bytes\":%" PRIu64 ",\"written_bytes\":%" PRIu64
                 ",\"changed_ns\":%" PRId64 ",\"path\":",
                 info->domains, info->domains_most, info->ring_bytes, info->written_bytes, info->changed_realtime_ns);
    output_json_text(out, info->path);
    output_text(out, "}\n");
}

static int list_ring(const struct evtrail_ocaml_ring_info *info, void *context)
{
    struct listing *const listing = context;
    struct output *const out = &listing->out;
    if (listing->json) {
        print_ring_json(out, info);
        return out->error ? 1 : 0;
    }
    if (listing->rings++ == 0)
        output_print(out, "%s%s%8s  %-15s  %-7s  %-9s  %7s  %9s  %9s  %s%s\n", listing->count ? "\n" : "",
                     output_sgr(out, "1"), "PID", "COMMAND", "STATE", "OCAML", "DOMAINS", "RING", "WRITTEN", "PATH",
                     output_sgr(out, "0"));
    output_print(out, "%8u  %-15.15s  %s%-7s%s  ", info->pid, info->command[0] ? shown(info->command) : "-",
                 output_sgr(out, info->alive ? "32" : "2"), info->alive ? "alive" : "dead", output_sgr(out, "0"));
    output_print(out, "%-9.20s  %7u  ", info->version[0] ? shown(info->version) : "-", info->domains);
    output_print(out, "%9s  ", human_bytes((double)info->ring_bytes));
    output_print(out, "%9s  %s\n", human_bytes((double)info->written_bytes), shown(info->path));
    return out->error ? 1 : 0;
}

int run_ls(const struct args *args)
{
    struct listing listing = {.json = args->set[OPT_json]};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    listing.now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (args->operands_count > 0)
        return fail(CODE_usage, NULL, "'%s': takes no operands", args->operands[0]);
    if (output_init(&listing.out, STDOUT_FILENO) < 0)
        return fail(CODE_system, NULL, "out of memory");
    signals_install(false);
    listing.out.color = color_wanted(args, listing.out.terminal);
    int code = select_all(args, args->text[OPT_directory], list_one, &listing);
    if (code == 0 && evtrail_ocaml_rings(args->text[OPT_directory], list_ring, &listing) == -ENOMEM)
        code = fail(CODE_system, NULL, "out of memory");
    if (listing.count == 0 && listing.rings == 0 && listing.out.terminal && code == 0)
        warn(NULL, "no process is traced; start one that is linked with libevtrail, or any by evtrail record --with "
                   "libc -- PROGRAM");
    const int r = output_fini(&listing.out);
    if (r < 0)
        code = r == -EPIPE ? CODE_ok : fail(CODE_io, "standard output", "%s", strerror(-r));
    return code;
}
