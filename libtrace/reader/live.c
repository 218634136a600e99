/* SPDX-License-Identifier: ISC
 *
 * Attaching to a session: opening, checking, mapping; its schema; whether it lives.
 */
#include "reader/live.h"

#include "reader/clock_live.h"
#include "reader/futex.h"
#include "reader/sigbus.h"
#include "shared/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

static int open_file(const char *path, int flags, struct stat *ret_status, struct evtrail_fault *fault)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int code = -errno;
        const char *advice = code == -EACCES ? "; it belongs to another user: run as that user or as root" : "";
        return evtrail_fault_set(fault, code, "%s: cannot open: %s%s", path, strerror(-code), advice);
    }
    if (fstat(fd, ret_status) < 0 || !S_ISREG(ret_status->st_mode)) {
        close(fd);
        return evtrail_fault_set(fault, -EBADMSG, "%s: not a regular file, so no session", path);
    }
    return fd;
}

static void *map_file(int fd, uint64_t bytes, int protection, int *ret_guard)
{
    void *map = mmap(NULL, bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    int guard = evtrail_guard_add(map, bytes, protection);
    if (guard < 0) {
        munmap(map, bytes);
        errno = -guard;
        return NULL;
    }
    *ret_guard = guard;
    return map;
}

/* ---- the header ---- */

static void copy_words(void *to, const void *from, size_t bytes)
{
    uint64_t *out = to;
    const uint64_t *in = from;
    for (size_t i = 0; i < bytes / 8; i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED); /* what others change meanwhile is checked in the copy */
}

static bool within(uint64_t offset, uint64_t bytes, uint64_t size)
{
    return offset % 8 == 0 && offset <= size && bytes <= size - offset;
}

static int check_header(const struct evtrail_session_header *h, uint64_t size, const char *path,
                        struct evtrail_fault *fault)
{
    const uint64_t rings = (uint64_t)EVTRAIL_RINGS_MAX * EVTRAIL_RING_HEADER_BYTES;
    if (h->version != EVTRAIL_LAYOUT_VERSION)
        return evtrail_fault_set(fault, -EPROTONOSUPPORT,
                                 "%s: layout version is %u, want %u: use the evtrail that came with that library", path,
                                 h->version, EVTRAIL_LAYOUT_VERSION);
    if (h->header_bytes != sizeof(*h))
        return evtrail_fault_set(fault, -EBADMSG, "%s: header is %u bytes, want %zu: not a session, or damaged", path,
                                 h->header_bytes, sizeof(*h));
    if (h->session_id == 0)
        return evtrail_fault_set(fault, -EBADMSG, "%s: session id is 0: not a session, or damaged", path);
    if (h->file_bytes > size)
        return evtrail_fault_set(fault, -EBADMSG, "%s: file is %llu bytes, its header says %llu: truncated", path,
                                 (unsigned long long)size, (unsigned long long)h->file_bytes);
    if (h->rings_offset < sizeof(*h) || !within(h->rings_offset, rings, h->file_bytes))
        return evtrail_fault_set(fault, -EBADMSG, "%s: ring table at %llu is outside the file: damaged", path,
                                 (unsigned long long)h->rings_offset);
    if (!within(h->meta_offset, h->meta_limit, h->file_bytes) || h->meta_limit > EVTRAIL_SCHEMA_BYTES_MAX)
        return evtrail_fault_set(fault, -EBADMSG, "%s: metadata at %llu is outside the file: damaged", path,
                                 (unsigned long long)h->meta_offset);
    if (!within(h->blocks_offset, 0, h->file_bytes))
        return evtrail_fault_set(fault, -EBADMSG, "%s: blocks at %llu are outside the file: damaged", path,
                                 (unsigned long long)h->blocks_offset);
    if (h->clock < EVTRAIL_CLOCK_MONOTONIC || h->clock > EVTRAIL_CLOCK_CNTVCT)
        return evtrail_fault_set(fault, -EBADMSG, "%s: clock is %u, want 1..3: damaged", path, h->clock);
    return 0;
}

static void copy_text(char *to, size_t to_bytes, const char *from, size_t from_bytes)
{
    size_t n = strnlen(from, from_bytes < to_bytes ? from_bytes : to_bytes - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

#define BOOT_ID_BYTES 36

static bool read_boot_id(char *text)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, BOOT_ID_BYTES);
    close(fd);
    text[BOOT_ID_BYTES] = '\0';
    return n == BOOT_ID_BYTES;
}

/* A process states its boot with its first ring; one that lives is of this boot, whatever it states. */
static void find_boot(struct evtrail_live *live)
{
    char ours[BOOT_ID_BYTES + 1];
    const bool known = read_boot_id(ours), alive = evtrail_live_alive(live);
    const struct evtrail_session_header *h = evtrail_live_header(live);
    if (alive && known && live->boot_id[0] == '\0')
        memcpy(live->boot_id, ours, sizeof(ours));
    else if (live->boot_id[0] == '\0') /* it may have made a ring and died since */
        copy_text(live->boot_id, sizeof(live->boot_id), h->boot_id, sizeof(h->boot_id));
    live->same_boot = alive || (known && strcmp(live->boot_id, ours) == 0);
}

static void describe(struct evtrail_live *live, const struct evtrail_session_header *h, const struct stat *status)
{
    struct evtrail_source *source = &live->source;
    live->rings_offset = h->rings_offset;
    live->meta_offset = h->meta_offset;
    live->meta_limit = h->meta_limit;
    live->blocks_offset = h->blocks_offset;
    copy_text(live->command, sizeof(live->command), h->command, sizeof(h->command));
    copy_text(live->program, sizeof(live->program), h->program, sizeof(h->program));
    copy_text(live->host, sizeof(live->host), h->host, sizeof(h->host));
    copy_text(live->boot_id, sizeof(live->boot_id), h->boot_id, sizeof(h->boot_id));
    source->session_id = h->session_id;
    source->pid = h->pid;
    source->uid = status->st_uid; /* the kernel's word, not the process's */
    source->parent_pid = h->parent_pid;
    source->start_realtime_ns = h->start_realtime_ns;
    source->command = live->command;
    source->program = live->program;
    source->host = live->host;
    source->boot_id = live->boot_id;
    source->path = live->path;
    source->live = true;
    find_boot(live);
    evtrail_clock_start(source, h, live->same_boot);
}

static int open_data(struct evtrail_live *live, struct evtrail_fault *fault)
{
    struct stat status;
    struct evtrail_session_header header;
    live->fd = open_file(live->path, O_RDONLY, &status, fault);
    if (live->fd < 0)
        return live->fd;
    live->data_bytes = (uint64_t)status.st_size;
    if (live->data_bytes == 0) /* created, and not yet given its size */
        return evtrail_fault_set(fault, -EAGAIN,
                                 "%s: empty: the session is just being made, or its process died in that", live->path);
    if (live->data_bytes < sizeof(header))
        return evtrail_fault_set(fault, -EBADMSG, "%s: %llu bytes are too few for a session", live->path,
                                 (unsigned long long)live->data_bytes);
    live->data = map_file(live->fd, live->data_bytes, PROT_READ, &live->guard_data);
    if (!live->data)
        return evtrail_fault_set(fault, -errno, "%s: cannot map: %s", live->path, strerror(errno));
    /* R8 (acquire): the header after its magic; pairs with W8. Without it the copy may be older than the magic. */
    uint64_t magic = atomic_load_explicit(&evtrail_live_header(live)->magic, memory_order_acquire);
    if (magic != EVTRAIL_MAGIC_DATA)
        return magic ? evtrail_fault_set(fault, -EBADMSG, "%s: not an evtrail session (wrong magic)", live->path)
                     : evtrail_fault_set(fault, -EAGAIN,
                                         "%s: the session is just being made, or its process died in that", live->path);
    copy_words(&header, live->data, sizeof(header));
    int result = check_header(&header, live->data_bytes, live->path, fault);
    if (result == 0)
        describe(live, &header, &status);
    return result;
}

/* ---- control ---- */

static int check_control(struct evtrail_live *live, struct evtrail_fault *fault)
{
    const struct evtrail_control *control = live->control;
    uint64_t magic = atomic_load_explicit(&control->magic, memory_order_acquire);
    if (magic != EVTRAIL_MAGIC_CONTROL || control->version != EVTRAIL_LAYOUT_VERSION ||
        control->bytes != sizeof(*control) || control->session_id != live->source.session_id)
        return evtrail_fault_set(fault, -EBADMSG, "%s: not this session's control file: damaged", live->control_path);
    return 0;
}

/* Without a control file (unlinked: its process ends just now; or another user's) a session can be read, only not controlled. */
static int open_control(struct evtrail_live *live, struct evtrail_fault *fault)
{
    struct stat status;
    live->control_writable = true;
    int fd = open_file(live->control_path, O_RDWR, &status, NULL);
    if (fd == -EACCES || fd == -EPERM || fd == -EROFS) {
        live->control_writable = false;
        fd = open_file(live->control_path, O_RDONLY, &status, NULL);
    }
    if (fd < 0) {
        live->control_writable = false;
        if (fd == -ENOENT || fd == -EACCES || fd == -EPERM || fd == -EROFS)
            return 0;
        return evtrail_fault_set(fault, fd, "%s: %s", live->control_path,
                                 fd == -EBADMSG ? "not a regular file" : strerror(-fd));
    }
    if ((uint64_t)status.st_size < sizeof(struct evtrail_control)) {
        close(fd);
        return evtrail_fault_set(fault, -EBADMSG, "%s: file is %llu bytes, want %zu: truncated", live->control_path,
                                 (unsigned long long)status.st_size, sizeof(struct evtrail_control));
    }
    int protection = live->control_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    live->control = map_file(fd, sizeof(struct evtrail_control), protection, &live->guard_control);
    int error = errno;
    close(fd);
    if (!live->control)
        return evtrail_fault_set(fault, -error, "%s: cannot map: %s", live->control_path, strerror(error));
    return check_control(live, fault);
}

/* ---- open, close ---- */

static int set_paths(struct evtrail_live *live, const char *path, struct evtrail_fault *fault)
{
    static const char suffix[] = ".trail";
    size_t n = strlen(path), stem = n - (sizeof(suffix) - 1);
    if (n < sizeof(suffix) || strcmp(path + stem, suffix) != 0)
        return evtrail_fault_set(fault, -EBADMSG, "%s: not a session: its name does not end in .trail", path);
    if (n >= sizeof(live->path))
        return evtrail_fault_set(fault, -ENAMETOOLONG, "%.200s...: path is too long", path);
    memcpy(live->path, path, n + 1);
    memcpy(live->control_path, path, stem);
    memcpy(live->control_path + stem, ".ctl", 5);
    return 0;
}

int evtrail_live_open(struct evtrail_live *live, const char *path, struct evtrail_fault *fault)
{
    memset(live, 0, sizeof(*live));
    live->fd = live->guard_data = live->guard_control = -1;
    evtrail_schema_init(&live->schema);
    int result = set_paths(live, path, fault);
    if (result == 0)
        result = open_data(live, fault);
    if (result == 0)
        result = open_control(live, fault);
    if (result < 0) {
        evtrail_live_close(live);
        return result;
    }
    evtrail_schema_show(&live->schema, &live->source);
    evtrail_live_schema(live, NULL);
    return 0;
}

void evtrail_live_detach(struct evtrail_live *live)
{
    evtrail_guard_remove(live->guard_data);
    evtrail_guard_remove(live->guard_control);
    if (live->data)
        munmap((void *)(uintptr_t)live->data, live->data_bytes);
    if (live->control)
        munmap(live->control, sizeof(*live->control));
    if (live->fd >= 0)
        close(live->fd);
    live->data = NULL;
    live->control = NULL;
    live->fd = live->guard_data = live->guard_control = -1;
}

void evtrail_live_close(struct evtrail_live *live)
{
    evtrail_live_detach(live);
    evtrail_schema_fini(&live->schema);
}

/* A read lock would only be refused for a write lock, which only the process (or root) can hold: the file is not
 * writable. */
bool evtrail_live_alive(const struct evtrail_live *live)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    return fcntl(live->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

int evtrail_live_check(struct evtrail_live *live, struct evtrail_fault *fault)
{
    if (live->truncated || (!evtrail_guard_tripped(live->guard_data) && !evtrail_guard_tripped(live->guard_control)))
        return 0;
    live->truncated = true;
    return evtrail_fault_set(fault, -EBADMSG, "%s: truncated while it was read: what is gone reads as empty",
                             live->path);
}

/* ---- schema ---- */

int evtrail_live_schema(struct evtrail_live *live, struct evtrail_fault *fault)
{
    /* R5 (acquire): entries up to this count are whole; pairs with C2. */
    uint64_t bytes = atomic_load_explicit(&evtrail_live_header(live)->meta_bytes, memory_order_acquire);
    if (live->schema_broken || bytes == live->meta_seen)
        return 0;
    if (bytes > live->meta_limit || bytes % 8 || bytes < live->meta_seen) {
        live->schema_broken = true;
        return evtrail_fault_set(fault, -EBADMSG,
                                 "%s: metadata of %llu bytes after %llu: damaged; event types may be missing",
                                 live->path, (unsigned long long)bytes, (unsigned long long)live->meta_seen);
    }
    size_t size = bytes - live->meta_seen, used = 0;
    void *copy = malloc(size);
    if (!copy)
        return evtrail_fault_set(fault, -ENOMEM, "%s: no memory for %zu bytes of metadata", live->path, size);
    copy_words(copy, live->data + live->meta_offset + live->meta_seen, size);
    uint64_t faults = live->schema.faults;
    int result = evtrail_schema_append(&live->schema, copy, size, &used);
    free(copy);
    evtrail_schema_show(&live->schema, &live->source);
    live->meta_seen += used;
    if (result >= 0 && used < size)
        result = -EBADMSG;
    if (result < 0)
        live->schema_broken = true;
    if (result < 0 || live->schema.faults != faults)
        return evtrail_fault_set(fault, result < 0 ? result : -EBADMSG,
                                 "%s: metadata at %llu: %s; event types may be missing", live->path,
                                 (unsigned long long)live->meta_seen, live->schema.fault);
    return result;
}

/* ---- rules ---- */

/* Sets what the rules say and leaves the wake bit of readers that sleep. */
static bool apply(_Atomic uint8_t *byte, unsigned state)
{
    uint8_t old = atomic_load_explicit(byte, memory_order_relaxed), wanted;
    do /* relaxed: the byte stands alone */
        wanted = state ? (uint8_t)(state | (old & EVTRAIL_ENABLE_WAKE)) : 0;
    while (old != wanted &&
           !atomic_compare_exchange_weak_explicit(byte, &old, wanted, memory_order_relaxed, memory_order_relaxed));
    return ((old ^ wanted) & ~EVTRAIL_ENABLE_WAKE) != 0;
}

static int apply_rules_once(struct evtrail_live *live, char *lines)
{
    /* C10 (seq_cst fence): the rule is in the list, then the types are read; pairs with C9 in libtrace/registry.c. */
    atomic_thread_fence(memory_order_seq_cst);
    evtrail_live_schema(live, NULL);
    size_t bytes = evtrail_rules_copy(live->control, lines);
    int changed = 0;
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < live->source.types_count && id < EVTRAIL_EVENT_TYPES_MAX; id++) {
        const struct evtrail_event_type *type = live->source.types[id];
        if (type)
            changed += apply(&live->control->enable[id], evtrail_rules_state(lines, bytes, type->name, type->level));
    }
    return changed;
}

int evtrail_live_apply_rules(struct evtrail_live *live)
{
    if (!live->control || !live->control_writable)
        return -EACCES;
    char *lines = malloc(EVTRAIL_RULES_BYTES);
    if (!lines)
        return -ENOMEM;
    int changed = 0;
    uint32_t seen, now = atomic_load_explicit(&live->control->rules_generation, memory_order_acquire);
    int tries = 0; /* bounded: another may change the rules for ever */
    do {
        seen = now;
        changed += apply_rules_once(live, lines);
        /* C11 (seq_cst fence): the bytes are set, then the generation is read again. Without this look, of two tools that change the
         * rules at once the one with the older list may have the last word. */
        atomic_thread_fence(memory_order_seq_cst);
        now = atomic_load_explicit(&live->control->rules_generation, memory_order_acquire);
    } while (now != seen && ++tries < 8);
    free(lines);
    if (changed > 0) { /* C13, as in libtrace/registry.c: other readers, that sleep without knowing of these types */
        atomic_fetch_add_explicit(&live->control->wake, 1, memory_order_release);
        evtrail_futex_wake_all(&live->control->wake);
    }
    return changed;
}
