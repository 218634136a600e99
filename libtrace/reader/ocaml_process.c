/* SPDX-License-Identifier: ISC
 *
 * Whose an OCaml ring is: the process, its name, start and clock, and those of one that has ended.
 */
#include "reader/ocaml_input_private.h"

#include "reader/clock_live.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return a ^ a >> 32;
}

/* The earliest stamp that is still there, the latest, and the pid that the rings tell of. */
static void look_at_items(struct ocaml_input *in, uint64_t *ret_first, uint64_t *ret_last, uint32_t *ret_pid)
{
    *ret_pid = 0;
    *ret_first = *ret_last = 0;
    for (uint32_t i = 0; i < in->map.domains; i++) {
        struct evtrail_ocaml_ring ring = {.index = i};
        struct evtrail_ocaml_copy copy = {.words = in->copied, .any = true};
        for (int turns = 0; turns < 4096 && evtrail_ocaml_ring_copy(&ring, &in->map, &copy) && copy.count; turns++) {
            struct evtrail_ocaml_item item;
            const char *why;
            size_t at = 0;
            for (uint32_t length;
                 at < copy.count && (length = evtrail_ocaml_item_take(copy.words + at, copy.count - at, &item, &why));
                 at += length) {
                if (item.padding || item.time == 0 || item.time > UINT64_C(1) << 62)
                    continue;
                if (!item.user && item.type == EVTRAIL_OCAML_LIFECYCLE && (item.id == 0 || item.id == 6) && item.words)
                    *ret_pid = (uint32_t)item.payload[0];
                if (*ret_first == 0 || item.time < *ret_first)
                    *ret_first = item.time;
                if (item.time > *ret_last)
                    *ret_last = item.time;
                if (in->input.live) /* its clock is ours: the first will do */
                    break;
            }
            ring.at = at == copy.count ? copy.next : copy.at + at;
            if (at == 0 || in->input.live)
                break;
        }
    }
}

static void set_clock(struct ocaml_input *in, uint64_t ticks, uint64_t realtime_ns)
{
    struct evtrail_clock *const clock = &in->source.clock;
    clock->first.ticks = clock->first.monotonic_ns = ticks;
    clock->first.realtime_ns = realtime_ns;
    clock->last = clock->first;
}

static uint64_t ns_of(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The file has no wall clock. Of this boot: ours says. Of another, or another machine: its last event was when the file was last changed. */
static void set_file_clock(struct ocaml_input *in, uint64_t last)
{
    const uint64_t changed = ns_of(in->map.status.st_mtim);
    struct evtrail_anchor now;
    in->source.clock.kind = EVTRAIL_CLOCK_MONOTONIC;
    if (evtrail_clock_anchor(EVTRAIL_CLOCK_MONOTONIC, &now) == 0 && last <= now.ticks) {
        const uint64_t at = now.realtime_ns - (now.ticks - last), boot = now.realtime_ns - now.ticks;
        const uint64_t apart = at > changed ? at - changed : changed - at;
        if (changed > boot && apart < UINT64_C(86400000000000)) {
            set_clock(in, now.ticks, now.realtime_ns);
            return;
        }
    }
    set_clock(in, last ? last : 1, changed);
}

static void set_live_clock(struct ocaml_input *in)
{
    struct evtrail_anchor now;
    in->source.clock.kind = EVTRAIL_CLOCK_MONOTONIC;
    if (evtrail_clock_anchor(EVTRAIL_CLOCK_MONOTONIC, &now) == 0)
        set_clock(in, now.ticks, now.realtime_ns);
}

static void read_text(const char *path, char *text, size_t bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, bytes - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static void read_process(struct ocaml_input *in, uint32_t pid)
{
    char path[64], status[1024];
    snprintf(path, sizeof(path), "/proc/%u/comm", pid);
    read_text(path, in->command, sizeof(in->command));
    snprintf(path, sizeof(path), "/proc/%u/exe", pid);
    const ssize_t n = readlink(path, in->program, sizeof(in->program) - 1);
    in->program[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof(path), "/proc/%u/status", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd >= 0 ? read(fd, status, sizeof(status) - 1) : 0;
    if (fd >= 0)
        close(fd);
    status[got > 0 ? got : 0] = '\0';
    const char *const parent = strstr(status, "\nPPid:");
    in->source.parent_pid = parent ? (uint32_t)strtoul(parent + 6, NULL, 10) : 0;
}

/* When the process was started, ns since 1970; 0: not known. */
static uint64_t process_start(uint32_t pid)
{
    char path[64], text[1024];
    struct timespec boot;
    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    read_text(path, text, sizeof(text));
    const char *at = strrchr(text, ')'); /* behind its name, which may hold anything; the start is field 22 */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    const long ticks = sysconf(_SC_CLK_TCK);
    if (!at || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
        return 0;
    const uint64_t since = strtoull(at, NULL, 10) * (UINT64_C(1000000000) / (uint64_t)ticks), now = ns_of(boot);
    return since < now ? (uint64_t)evtrail_realtime_now() - (now - since) : 0;
}

static bool has_wrapped(const struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->map.domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(&in->map, i, &head, &tail);
        if (head)
            return true;
    }
    return false;
}

/* A process that has ended may have a session of evtrail's, which has its name. */
static void name_as_session(struct ocaml_input *in)
{
    const struct evtrail_reader *const reader = in->input.reader;
    for (uint32_t i = 0; i < reader->sources_count; i++) {
        const struct evtrail_source *const other = reader->sources[i];
        if (other->pid == in->source.pid && other->live && other->command && other->command[0]) {
            snprintf(in->command, sizeof(in->command), "%s", other->command);
            snprintf(in->program, sizeof(in->program), "%s", other->program ? other->program : "");
        }
    }
}

void evtrail_ocaml_describe_source(struct ocaml_input *in, uint32_t pid, uint32_t named_pid)
{
    struct evtrail_source *const source = &in->source;
    uint64_t first, last;
    uint32_t told_pid;
    snprintf(in->command, sizeof(in->command), "ocaml");
    source->uid = in->map.status.st_uid;
    if (pid)
        read_process(in, pid);
    look_at_items(in, &first, &last, &told_pid);
    source->pid = pid ? pid : told_pid ? told_pid : named_pid;
    if (in->input.live && !in->program[0])
        name_as_session(in);
    if (in->input.live)
        set_live_clock(in);
    else
        set_file_clock(in, last);
    gethostname(in->host, sizeof(in->host) - 1);
    read_text("/proc/sys/kernel/random/boot_id", in->boot_id, sizeof(in->boot_id));
    source->session_id = mix(mix(mix(first, in->map.status.st_ino), in->map.status.st_dev), source->pid) | 1;
    source->start_realtime_ns = first ? (uint64_t)evtrail_source_time(source, first) : source->clock.first.realtime_ns;
    const uint64_t began =
        pid && has_wrapped(in) ? process_start(pid) : 0; /* its first events are not there any more */
    source->start_realtime_ns = began ? began : source->start_realtime_ns;
    source->command = in->command;
    source->program = in->program;
    source->host = in->host;
    source->boot_id = in->boot_id;
    source->path = in->input.live ? in->path : NULL;
    source->live = in->input.live;
}
