/* SPDX-License-Identifier: ISC
 *
 * Sessions from outside: finding them, looking at one, changing its rules and settings, removing it.
 */
#include "reader/consumer.h"
#include "reader/live.h"
#include "reader/reader_private.h"
#include "reader/ring_reader.h"
#include "shared/rules.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- finding ---- */

int evtrail_sessions_directory(const char *directory, char *path, size_t bytes)
{
    const char *named = directory ? directory : getenv("EVTRAIL_DIR");
    int n = named && *named ? snprintf(path, bytes, "%s", named)
                            : snprintf(path, bytes, "/dev/shm/evtrail-%u", (unsigned)geteuid());
    return n < 0 || (size_t)n >= bytes ? -ENAMETOOLONG : 0;
}

/* Others must not be able to put files of theirs there. root may look at anybody's. */
int evtrail_sessions_check(const char *directory, struct evtrail_fault *fault)
{
    struct stat status;
    if (lstat(directory, &status) < 0)
        return evtrail_fault_set(fault, -errno, "%s: %s", directory, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return evtrail_fault_set(fault, -ENOTDIR, "%s: not a directory", directory);
    if (status.st_uid != geteuid() && geteuid() != 0)
        return evtrail_fault_set(fault, -EACCES, "%s: belongs to user %u: run as that user or as root", directory,
                                 (unsigned)status.st_uid);
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return evtrail_fault_set(
            fault, -EPERM, "%s: others may write there, so its sessions are not believed: chmod 700 it", directory);
    return 0;
}

static int is_session(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 6 && isdigit((unsigned char)entry->d_name[0]) && strcmp(entry->d_name + n - 6, ".trail") == 0;
}

/* Folders of `evtrail record -- PROGRAM`, each for one program and its children. */
static int is_run(const struct dirent *entry)
{
    return strncmp(entry->d_name, "run-", 4) == 0;
}

static int visit_entries(const char *directory, int (*select)(const struct dirent *entry),
                         int (*visit)(const char *path, void *context), void *context)
{
    struct dirent **entries;
    char path[480];
    int count = scandir(directory, &entries, select, versionsort), result = 0;
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        int n = snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        if (result == 0 && n > 0 && (size_t)n < sizeof(path))
            result = visit(path, context);
        free(entries[i]);
    }
    free(entries);
    return result;
}

struct run_visit {
    int (*visit)(const char *path, void *context);
    void *context;
};

static int visit_run(const char *directory, void *context)
{
    const struct run_visit *run = context;
    int result = evtrail_sessions_check(directory, NULL) == 0
                     ? visit_entries(directory, is_session, run->visit, run->context)
                     : 0;
    return result == -ENOENT ? 0 : result; /* it ended just now */
}

static int visit_directory(const char *directory, int (*visit)(const char *path, void *context), void *context)
{
    struct run_visit run = {visit, context};
    int result = visit_entries(directory, is_session, visit, context);
    return result == 0 ? visit_entries(directory, is_run, visit_run, &run) : result;
}

int evtrail_sessions(const char *directory, int (*visit)(const char *path, void *context), void *context)
{
    char path[400];
    int result = evtrail_sessions_directory(directory, path, sizeof(path));
    if (result == 0)
        result = evtrail_sessions_check(path, NULL);
    if (result == -ENOENT && !directory)
        return 0; /* nobody has traced yet */
    return result < 0 ? result : visit_directory(path, visit, context);
}

/* ---- one process's sessions ---- */

enum { MAKING_TRIES = 100, MAKING_NAP_NS = 2000000 };

struct find {
    const char *wanted;
    uint32_t pid; /* or 0: by name */
    bool dead;    /* look for ended ones */
    bool living;  /* ... never */
    int found, unreadable;
    int (*visit)(const char *path, void *context);
    void *context;
};

static bool has_name(const struct evtrail_live *live, const char *name)
{
    const char *slash = strrchr(live->program, '/');
    return strcmp(live->command, name) == 0 || strcmp(slash ? slash + 1 : live->program, name) == 0;
}

static int find_one(const char *path, void *context)
{
    struct find *find = context;
    struct evtrail_live live;
    const char *name = strrchr(path, '/') + 1;
    if (find->pid && strtoul(name, NULL, 10) != find->pid)
        return 0;
    int result = evtrail_live_open(&live, path, NULL);
    if (result < 0) {
        find->unreadable += find->pid != 0;
        return 0;
    }
    bool fits = (find->pid || has_name(&live, find->wanted)) && evtrail_live_alive(&live) != find->dead;
    evtrail_live_close(&live);
    if (!fits)
        return 0;
    find->found++;
    result = find->visit(path, find->context);
    return result < 0 ? result : 0;
}

static uint32_t pid_of(const char *text)
{
    char *end;
    unsigned long pid = strtoul(text, &end, 10);
    return isdigit((unsigned char)*text) && *end == '\0' && pid <= INT32_MAX ? (uint32_t)pid : 0;
}

/* `other`: where else it was looked for, or "". */
static int not_found(const struct find *find, const char *directory, const char *other, struct evtrail_fault *fault)
{
    const uint32_t pid = find->pid;
    char proc[64];
    struct stat status;
    const char *joint = *other ? " or in " : "";
    snprintf(proc, sizeof(proc), "/proc/%u", pid);
    bool runs = pid && stat(proc, &status) == 0;
    if (runs && status.st_uid != geteuid() && geteuid() != 0)
        return evtrail_fault_set(fault, -EACCES, "process %u belongs to user %u: run as that user or as root", pid,
                                 (unsigned)status.st_uid);
    if (find->unreadable)
        return evtrail_fault_set(fault, -EBADMSG,
                                 "process %u: its session in %s%s%s cannot be read: it is just being made, or damaged",
                                 pid, directory, joint, other);
    if (runs)
        return evtrail_fault_set(fault, -ESRCH,
                                 "process %u has no session in %s%s%s: link it with libevtrail, or start it by "
                                 "evtrail record --with libc",
                                 pid, directory, joint, other);
    return evtrail_fault_set(fault, -ESRCH, "no session of '%s' in %s: `evtrail ls` shows those there are",
                             find->wanted, directory);
}

/* Living ones; if there are none, ended ones that are still there, unless only living ones are wanted. */
static int find_in(struct find *find, const char *directory, struct evtrail_fault *fault)
{
    int result = evtrail_sessions_check(directory, fault);
    if (result == -ENOENT)
        return 0;
    find->dead = false;
    if (result == 0)
        result = visit_directory(directory, find_one, find);
    find->dead = true;
    if (result == 0 && !find->found && !find->living)
        result = visit_directory(directory, find_one, find);
    return result;
}

/* Where the process itself says; `other` is left "" where that is the same. */
static int find_elsewhere(struct find *find, const char *directory, char *other, size_t bytes,
                          struct evtrail_fault *fault)
{
    const uint32_t pid = find->pid;
    char path[400];
    uint32_t own_pid;
    if (!pid || evtrail_process_directory(pid, path, sizeof(path), &own_pid) < 0 ||
        (own_pid == pid && strcmp(path, directory) == 0))
        return 0;
    snprintf(other, bytes, "%s", path);
    find->pid = own_pid;
    int result = find_in(find, path, fault);
    find->pid = pid;
    return result;
}

static int look(struct find *find, const char *directory, char *other, size_t bytes, struct evtrail_fault *fault)
{
    find->unreadable = 0;
    int result = find_in(find, directory, fault);
    if (result == 0 && !find->found)
        result = find_elsewhere(find, directory, other, bytes, fault);
    return result;
}

int evtrail_sessions_find(const char *directory, const char *pid_or_name, bool living,
                          int (*visit)(const char *path, void *context), void *context, struct evtrail_fault *fault)
{
    struct find find = {
        .wanted = pid_or_name, .pid = pid_of(pid_or_name), .living = living, .visit = visit, .context = context};
    char other[400] = "";
    int result = look(&find, directory, other, sizeof(other), fault);
    /* It takes a process well under a millisecond to make its session, unless the machine is busy. */
    for (int tries = 0; result == 0 && !find.found && find.unreadable && tries < MAKING_TRIES; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = MAKING_NAP_NS}, NULL);
        result = look(&find, directory, other, sizeof(other), fault);
    }
    if (result < 0)
        return result;
    return find.found ? find.found : not_found(&find, directory, other, fault);
}

int evtrail_sessions_named(const char *directory, const char *pid_or_name,
                           int (*visit)(const char *path, void *context), void *context, char **ret_error)
{
    char path[400];
    struct evtrail_fault fault = {""};
    int result = evtrail_sessions_directory(directory, path, sizeof(path));
    if (result == 0)
        result = evtrail_sessions_find(path, pid_or_name, false, visit, context, &fault);
    if (result < 0 && ret_error)
        *ret_error = fault.text[0] ? strdup(fault.text) : NULL;
    return result;
}

int evtrail_rules_check(const char *rules, char **ret_error)
{
    struct evtrail_fault fault = {""};
    const int result = evtrail_rules_fault(rules, &fault);
    if (ret_error)
        *ret_error = result < 0 ? strdup(fault.text) : NULL;
    return result;
}

/* ---- a handle ---- */

struct evtrail_session {
    struct evtrail_live live;
};

int evtrail_session_open(struct evtrail_session **ret_session, const char *path, char **ret_error)
{
    struct evtrail_fault fault = {""};
    struct evtrail_session *session = calloc(1, sizeof(*session));
    int result = session ? evtrail_live_open(&session->live, path, &fault) : -ENOMEM;
    if (result < 0) {
        if (ret_error)
            *ret_error = strdup(fault.text[0] ? fault.text : "no memory");
        free(session);
        return result;
    }
    evtrail_slots_reap(&session->live);
    *ret_session = session;
    return 0;
}

void evtrail_session_close(struct evtrail_session *session)
{
    if (!session)
        return;
    evtrail_live_close(&session->live);
    free(session);
}

/* Events in a ring: those before its open block, and in it. Of a block that changes under us the next look will tell. */
static uint64_t ring_events(const struct evtrail_live *live, const struct evtrail_ring_header *ring, uint64_t offset,
                            uint32_t block_bytes, uint32_t blocks)
{
    for (int tries = 0; tries < 16; tries++) {
        uint64_t head = atomic_load_explicit(&ring->head_block, memory_order_acquire); /* R1 */
        if (head == 0)
            return 0;
        const struct evtrail_block_header *block =
            (const void *)(live->data + offset + ((head - 1) & (blocks - 1)) * (uint64_t)block_bytes);
        uint64_t number = atomic_load_explicit(&block->number, memory_order_acquire); /* R2 */
        uint64_t committed = atomic_load_explicit(&block->committed, memory_order_acquire);
        uint64_t before = __atomic_load_n(&block->events_before, __ATOMIC_RELAXED);
        atomic_thread_fence(memory_order_acquire); /* R3, R4: as in ring_reader.c */
        if (number == head && atomic_load_explicit(&block->number, memory_order_relaxed) == head)
            return before + (committed >> 32);
    }
    return 0;
}

static void add_ring(const struct evtrail_live *live, uint32_t index, struct evtrail_session_info *info)
{
    const struct evtrail_ring_header *ring = evtrail_live_ring(live, index);
    uint32_t state = atomic_load_explicit(&ring->state, memory_order_acquire); /* R1, W7 */
    if (state != EVTRAIL_RING_OWNED && state != EVTRAIL_RING_IDLE)
        return;
    uint32_t block_bytes = __atomic_load_n(&ring->block_bytes, __ATOMIC_RELAXED);
    uint32_t blocks = __atomic_load_n(&ring->blocks, __ATOMIC_RELAXED);
    uint64_t offset = __atomic_load_n(&ring->offset, __ATOMIC_RELAXED);
    if (!evtrail_ring_geometry_sound(live, block_bytes, blocks, offset))
        return;
    uint64_t head = atomic_load_explicit(&ring->head_block, memory_order_relaxed);
    info->rings++;
    info->threads += state == EVTRAIL_RING_OWNED && __atomic_load_n(&ring->kind, __ATOMIC_RELAXED) == 0;
    info->ring_bytes += (head < blocks ? head : blocks) * block_bytes;
    info->events += ring_events(live, ring, offset, block_bytes, blocks);
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        info->lost[i] += atomic_load_explicit(&ring->lost[i], memory_order_relaxed);
}

static void add_control(const struct evtrail_live *live, struct evtrail_session_info *info)
{
    struct evtrail_settings_values values;
    if (!live->control)
        return;
    evtrail_settings_read(&live->control->settings, &values);
    info->policy = values.policy;
    info->block_bytes = values.block_bytes;
    info->blocks = values.blocks;
    info->keep = values.flags & EVTRAIL_SETTING_KEEP;
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        uint32_t state = atomic_load_explicit(&live->control->consumers[i].state, memory_order_relaxed);
        info->consumers += state == EVTRAIL_CONSUMER_ACTIVE || state == EVTRAIL_CONSUMER_PASSIVE;
    }
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < live->source.types_count && id < EVTRAIL_EVENT_TYPES_MAX; id++)
        if (live->source.types[id])
            info->types_enabled += atomic_load_explicit(&live->control->enable[id], memory_order_relaxed) & 1;
}

int evtrail_session_info(struct evtrail_session *session, struct evtrail_session_info *ret_info)
{
    struct evtrail_live *live = &session->live;
    const struct evtrail_session_header *header = evtrail_live_header(live);
    evtrail_live_schema(live, NULL);
    *ret_info = (struct evtrail_session_info){
        .session_id = live->source.session_id,
        .pid = live->source.pid,
        .uid = live->source.uid,
        .parent_pid = live->source.parent_pid,
        .alive = evtrail_live_alive(live),
        .exiting = atomic_load_explicit(&header->exiting, memory_order_relaxed) != 0,
        .start_realtime_ns = live->source.start_realtime_ns,
    };
    snprintf(ret_info->command, sizeof(ret_info->command), "%s", live->command);
    snprintf(ret_info->program, sizeof(ret_info->program), "%s", live->program);
    snprintf(ret_info->path, sizeof(ret_info->path), "%s", live->path);
    for (uint32_t id = 0; id < live->source.types_count; id++)
        ret_info->types += live->source.types[id] != NULL;
    add_control(live, ret_info);
    for (uint32_t i = 0, count = evtrail_live_rings(live); i < count; i++)
        add_ring(live, i, ret_info);
    ret_info->lost[EVTRAIL_LOST_MEMORY] += atomic_load_explicit(&header->lost_no_ring, memory_order_relaxed);
    ret_info->lost[EVTRAIL_LOST_NESTED] += atomic_load_explicit(&header->lost_nested, memory_order_relaxed);
    return evtrail_live_check(live, NULL);
}

uint32_t evtrail_session_types(struct evtrail_session *session, const struct evtrail_event_type *const **ret_types)
{
    evtrail_live_schema(&session->live, NULL);
    *ret_types = session->live.source.types;
    return session->live.source.types_count;
}

int evtrail_session_type_state(struct evtrail_session *session, uint32_t id)
{
    if (id >= EVTRAIL_EVENT_TYPES_MAX)
        return -EINVAL;
    if (!session->live.control)
        return -EACCES;
    return atomic_load_explicit(&session->live.control->enable[id], memory_order_relaxed) & ~EVTRAIL_ENABLE_WAKE;
}

int evtrail_session_rule(struct evtrail_session *session, const char *rule)
{
    struct evtrail_live *live = &session->live;
    if (!live->control || !live->control_writable)
        return -EACCES;
    int result = evtrail_rules_append(live->control, "0", rule);
    return result < 0 ? result : evtrail_live_apply_rules(live);
}

int evtrail_session_set(struct evtrail_session *session, const char *setting)
{
    struct evtrail_live *live = &session->live;
    if (!live->control || !live->control_writable)
        return -EACCES;
    return evtrail_settings_apply(&live->control->settings, setting, strlen(setting));
}

/* ---- settings as text ---- */

/* The session's own rules, without their owner. */
static void put_rules(struct evtrail_live *live, FILE *out)
{
    char *lines = malloc(EVTRAIL_RULES_BYTES);
    if (!lines)
        return;
    size_t bytes = evtrail_rules_copy(live->control, lines);
    for (char *at = lines, *end = lines + bytes; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            break;
        struct evtrail_rule rule;
        if (newline - at > 2 && at[0] == '0' && at[1] == ' ' &&
            evtrail_rule_parse(at + 2, (size_t)(newline - at - 2), &rule) == 0)
            fprintf(out, "%.*s ", (int)(newline - at - 2), at + 2);
        at = newline + 1;
    }
    free(lines);
}

static void put_settings(struct evtrail_live *live, FILE *out)
{
    struct evtrail_settings_values values;
    evtrail_settings_read(&live->control->settings, &values);
    fprintf(out, "policy=%s block=%u blocks=%u deadline=%lluns lease=%lluns memory=%llu keep=%d",
            evtrail_policy_name(values.policy), values.block_bytes, values.blocks,
            (unsigned long long)values.deadline_ns, (unsigned long long)values.lease_ns,
            (unsigned long long)values.memory_bytes, (values.flags & EVTRAIL_SETTING_KEEP) != 0);
}

char *evtrail_session_settings(struct evtrail_session *session)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    if (session->live.control) {
        put_rules(&session->live, out);
        put_settings(&session->live, out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

int evtrail_session_remove(struct evtrail_session *session)
{
    struct evtrail_live *live = &session->live;
    if (evtrail_live_alive(live))
        return -EBUSY;
    unlink(live->control_path);
    return unlink(live->path) < 0 ? -errno : 0;
}
