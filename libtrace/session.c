/* SPDX-License-Identifier: ISC
 *
 * The process's session: its two files, their mappings, its start, its end, and fork.
 */
#include "internal.h"
#include "shared/override.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SIBLINGS_EVERY \
    16 /* one start of so many looks for what others left: it costs some 10 us, and 4 us for each of those */
#define DATA_BYTES_MAX (UINT64_C(16) << 30)
#define WINDOW_BYTES \
    (UINT64_C(64) << 20) /* mapped from the start: rings of some threads; further rings are mapped one by one */
#define DATA_MODE 0400
#define DATA_BYTES_MIN (EVTRAIL_BLOCKS_OFFSET + (UINT64_C(1) << 20))

struct evtrail_process evtrail_process;

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- memory ---- */

/* The data file again, for writing, or -1. It is found by its name, as no descriptor is kept (programs close those they do not
 * know), and only believed if it is the very file that is mapped. */
static int open_by_name(void)
{
    struct evtrail_process *process = &evtrail_process;
    struct stat status;
    chmod(process->path, 0600);
    int fd = open(process->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && status.st_ino == process->inode && status.st_dev == process->device) {
        fchmod(fd, DATA_MODE);
        return fd;
    }
    close(fd);
    return -1;
}

/* For kernels without MADV_POPULATE_WRITE. */
static int allocate_by_name(uint64_t offset, uint64_t bytes)
{
    int fd = open_by_name();
    if (fd < 0)
        return -ENOMEM;
    int result = posix_fallocate(fd, (off_t)offset, (off_t)bytes) == 0 ? 0 : -ENOMEM;
    close(fd);
    return result;
}

static void *map_part(int fd, uint64_t offset, uint64_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    if (map == MAP_FAILED)
        return NULL;
    if (madvise(map, bytes, MADV_DONTFORK) == 0)
        return map;
    munmap(map, bytes);
    return NULL;
}

uint8_t *evtrail_data_map(uint64_t offset, uint64_t bytes)
{
    struct evtrail_process *process = &evtrail_process;
    const uint64_t start = offset & ~(uint64_t)(page_bytes() - 1);
    if (offset + bytes <= process->window_bytes)
        return process->data + offset;
    int fd = open_by_name();
    if (fd < 0)
        return NULL;
    uint8_t *map = map_part(fd, start, offset + bytes - start);
    close(fd);
    return map ? map + (offset - start) : NULL;
}

int evtrail_data_allocate(uint8_t *address, uint64_t offset, uint64_t bytes)
{
    const uint64_t page = page_bytes(), before = offset & (page - 1);
    const uint64_t span = (before + bytes + page - 1) & ~(page - 1);
    if (offset - before + span > evtrail_process.data_bytes)
        return -ENOMEM;
    /* The mapping is PROT_NONE where nothing was asked for: mlockall() must not fill what will never be used. */
    if (mprotect(address - before, span, PROT_READ | PROT_WRITE) < 0)
        return -ENOMEM;
    int result = evtrail_populate(address - before, span);
    if (result == -ENOSYS)
        result = allocate_by_name(offset - before, span);
    return result;
}

int evtrail_control_allocate(const void *address, uint64_t bytes)
{
    int result = evtrail_populate((void *)(uintptr_t)address, bytes);
    return result == -ENOSYS ? 0 : result; /* on old kernels the whole control file was allocated at the start */
}

/* ---- where ---- */

static bool directory_is_ours(const char *path)
{
    struct stat status;
    if (lstat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    return status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* 0700 and ours, whether named by EVTRAIL_DIR or the default: others could put files of theirs in place of ours. */
static bool find_directory(char *path, size_t bytes)
{
    const char *named = getenv("EVTRAIL_DIR");
    int n = named && *named ? snprintf(path, bytes, "%s", named)
                            : snprintf(path, bytes, "/dev/shm/evtrail-%u", (unsigned)geteuid());
    if (n < 0 || (size_t)n >= bytes)
        return false;
    if (directory_is_ours(path)) /* there already, as a rule */
        return true;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return false;
    return directory_is_ours(path);
}

/* A file beyond RLIMIT_FSIZE would raise SIGXFSZ; and where address space is limited, most of it is the program's. */
static uint64_t file_limit(void)
{
    struct rlimit limit;
    uint64_t most = DATA_BYTES_MAX;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur / 8 < most)
        most = limit.rlim_cur / 8 > DATA_BYTES_MIN ? limit.rlim_cur / 8 : DATA_BYTES_MIN;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < most)
        most = limit.rlim_cur;
    return most & ~(uint64_t)(page_bytes() - 1);
}

static uint64_t window_of(uint64_t data_bytes)
{
    return data_bytes < WINDOW_BYTES ? data_bytes : WINDOW_BYTES;
}

/* ---- files ---- */

struct files {
    char data_path[480], control_path[480];
    int data, control;
};

static void files_close(struct files *files)
{
    if (files->data >= 0)
        close(files->data);
    if (files->control >= 0)
        close(files->control);
}

static void files_remove(struct files *files)
{
    unlink(files->data_path);
    unlink(files->control_path);
    files_close(files);
}

static int create(const char *path, mode_t mode)
{
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
}

/* Control first: who sees the data file appear finds both. */
static bool files_create(struct files *files, uint64_t session_id)
{
    char directory[400];
    files->data = files->control = -1;
    if (!find_directory(directory, sizeof(directory)))
        return false;
    snprintf(files->data_path, sizeof(files->data_path), "%s/%u-%016llx.trail", directory, (unsigned)getpid(),
             (unsigned long long)session_id);
    snprintf(files->control_path, sizeof(files->control_path), "%s/%u-%016llx.ctl", directory, (unsigned)getpid(),
             (unsigned long long)session_id);
    files->control = create(files->control_path, 0600);
    if (files->control < 0)
        return false;
    files->data = create(files->data_path, DATA_MODE);
    if (files->data < 0) {
        files_remove(files);
        return false;
    }
    return true;
}

/* The lock says "alive". It belongs to the open file, which the mapping keeps: the kernel drops it when the process ends
 * or execs, however, and not when the program closes descriptors it does not know. The mapping is not inherited by
 * children, so they do not keep their parent alive. */
static bool lock_alive(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* A file as large as it may become, of which only the window is mapped: the address space is the program's, which may limit it. */
static uint8_t *map_data(int fd, uint64_t *bytes)
{
    for (; *bytes >= DATA_BYTES_MIN; *bytes /= 2) { /* RLIMIT_AS may allow less */
        if (ftruncate(fd, (off_t)*bytes) < 0)
            continue;
        uint8_t *map = map_part(fd, 0, window_of(*bytes));
        if (map)
            return map;
    }
    return NULL;
}

static struct evtrail_control *map_control(int fd)
{
    if (ftruncate(fd, sizeof(struct evtrail_control)) < 0)
        return NULL;
    void *map = mmap(NULL, sizeof(struct evtrail_control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    /* the enable bytes of a parent's types too: its trace points will read them here, and a page that is not there is a SIGBUS */
    int result = evtrail_populate(map, offsetof(struct evtrail_control, enable) + 1 + evtrail_registry_types());
    if (result == -ENOSYS)
        result = posix_fallocate(fd, 0, sizeof(struct evtrail_control)) == 0 ? 0 : -ENOMEM;
    if (result == 0)
        return map;
    munmap(map, sizeof(struct evtrail_control));
    return NULL;
}

/* ---- what the session says of itself ---- */

static void copy_line(char *to, size_t bytes, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, to, bytes - 1);
    close(fd);
    to[n > 0 ? n : 0] = '\0';
    to[strcspn(to, "\n")] = '\0';
}

/* What was executed, where that is surely the program and not a script or a link to it: a look at /proc/self/exe is a
 * tenth of a small program's start. argv is NULL but in the constructor: it is the program's to overwrite. */
static const char *executed_path(char *const *argv)
{
    const char *path = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    char link[4];
    if (!argv || !path || *path != '/' || strstr(path, "//") || strstr(path, "/.") || strncmp(path, "/dev/", 5) == 0 ||
        strncmp(path, "/proc/", 6) == 0)
        return NULL;
    for (int i = 1; i < 12 && argv[i - 1] && argv[i]; i++) /* an interpreter gets its script's path as an argument */
        if (strcmp(argv[i], path) == 0)
            return NULL;
    return readlink(path, link, sizeof(link)) < 0 && errno == EINVAL ? path : NULL;
}

static void describe(struct evtrail_session_header *header, char *const *argv)
{
    struct utsname names;
    const char *path = executed_path(argv);
    prctl(PR_GET_NAME, header->command);
    if (path && strlen(path) < sizeof(header->program))
        memcpy(header->program, path, strlen(path) + 1);
    else if (readlink("/proc/self/exe", header->program, sizeof(header->program) - 1) < 0)
        header->program[0] = '\0';
    if (uname(&names) == 0)
        memcpy(header->host, names.nodename, strnlen(names.nodename, sizeof(header->host) - 1));
}

/* Which boot the clock belongs to matters once there are events. */
void evtrail_session_describe_boot(void)
{
    struct evtrail_session_header *header = evtrail_process.header;
    copy_line(header->boot_id, sizeof(header->boot_id), "/proc/sys/kernel/random/boot_id");
}

static void header_fill(struct evtrail_session_header *header, char *const *argv)
{
    struct evtrail_process *process = &evtrail_process;
    uint64_t hz;
    process->clock = evtrail_clock_detect(&hz);
    header->version = EVTRAIL_LAYOUT_VERSION;
    header->header_bytes = sizeof(*header);
    header->session_id = process->session_id;
    header->pid = (uint32_t)getpid();
    header->uid = (uint32_t)geteuid();
    header->parent_pid = (uint32_t)getppid();
    header->clock = process->clock;
    header->hz = hz;
    header->start_realtime_ns = evtrail_realtime_ns();
    header->rings_offset = EVTRAIL_RINGS_OFFSET;
    header->meta_offset = EVTRAIL_META_OFFSET;
    header->meta_limit = EVTRAIL_META_LIMIT;
    header->blocks_offset = EVTRAIL_BLOCKS_OFFSET;
    header->file_bytes = process->data_bytes;
    atomic_store_explicit(&header->types_count, EVTRAIL_EVENT_FIRST, memory_order_relaxed);
    describe(header, argv);
}

static void control_fill(struct evtrail_control *control)
{
    control->version = EVTRAIL_LAYOUT_VERSION;
    control->bytes = sizeof(*control);
    control->session_id = evtrail_process.session_id;
    evtrail_settings_default(&control->settings);
}

/* EVTRAIL="pool.*:info+cpu -pool.noise policy=drop ring=4M keep=1". What does not parse is skipped: the library never
 * prints; `evtrail ls` shows what is in force. */
static void read_environment(struct evtrail_control *control)
{
    const char *text = getenv("EVTRAIL"), *word;
    char rule[EVTRAIL_PATTERN_BYTES + 64];
    size_t bytes, most = text ? 2 * strlen(text) + 2 : 0; /* a rule of one letter makes a line of four */
    if (most > EVTRAIL_RULES_BYTES)
        most = EVTRAIL_RULES_BYTES;
    while (text && (word = evtrail_text_word(&text, &bytes))) {
        if (memchr(word, '=', bytes)) {
            evtrail_settings_apply(&control->settings, word, bytes);
        } else if (bytes < sizeof(rule) && evtrail_control_allocate(control->rules, most) == 0) {
            memcpy(rule, word, bytes);
            rule[bytes] = '\0';
            evtrail_rules_append(control, "0", rule);
        }
    }
}

/* A child goes on with its parent's rules and settings, without its consumers; their rules only if they are about to attach to it
 * too: nobody else would ever take them out. */
static void inherit(struct evtrail_control *control, const struct evtrail_control *parent)
{
    struct evtrail_settings_values values;
    evtrail_override_base(parent, &values);
    atomic_store_explicit(&control->settings.policy, values.policy, memory_order_relaxed);
    atomic_store_explicit(&control->settings.block_bytes, values.block_bytes, memory_order_relaxed);
    atomic_store_explicit(&control->settings.blocks, values.blocks, memory_order_relaxed);
    atomic_store_explicit(&control->settings.deadline_ns, values.deadline_ns, memory_order_relaxed);
    atomic_store_explicit(&control->settings.lease_ns, values.lease_ns, memory_order_relaxed);
    atomic_store_explicit(&control->settings.memory_bytes, values.memory_bytes, memory_order_relaxed);
    atomic_store_explicit(&control->settings.flags, values.flags, memory_order_relaxed);
    uint32_t bytes = atomic_load_explicit(&parent->rules_bytes, memory_order_acquire);
    if (bytes == 0 || bytes > EVTRAIL_RULES_BYTES || evtrail_control_allocate(control->rules, bytes) < 0)
        return;
    for (uint32_t i = 0; i < bytes; i++)
        control->rules[i] = __atomic_load_n(&parent->rules[i], __ATOMIC_RELAXED);
    bytes = (uint32_t)evtrail_rules_inherited(control->rules, bytes);
    atomic_store_explicit(&control->rules_bytes, bytes, memory_order_relaxed);
}

/* ---- start ---- */

/* A child's control is filled beside its parent's and then mapped over it, under the trace points' pointers. */
static bool control_start(int fd)
{
    struct evtrail_process *process = &evtrail_process;
    struct evtrail_control *old = process->control, *control = map_control(fd);
    if (!control)
        return false;
    control_fill(control);
    if (old)
        inherit(control, old);
    else
        read_environment(control);
    atomic_store_explicit(&control->magic, EVTRAIL_MAGIC_CONTROL, memory_order_release);
    if (!old) {
        process->control = control;
        return true;
    }
    void *moved = mmap(old, sizeof(*old), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
    munmap(control, sizeof(*control));
    return moved != MAP_FAILED;
}

static bool private_memory(void)
{
    struct evtrail_process *process = &evtrail_process;
    if (process->rings)
        return true;
    const size_t rings = (size_t)EVTRAIL_RINGS_MAX * EVTRAIL_RING_STRIDE, page = page_bytes();
    uint8_t *map = mmap(NULL, page + rings, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return false;
    madvise(map, page + rings, MADV_WIPEONFORK); /* before Linux 4.14 only the atfork handler protects a child */
    process->mine = (_Atomic uint32_t *)(void *)map;
    process->rings = map + page;
    return true;
}

static bool data_start(struct files *files)
{
    struct evtrail_process *process = &evtrail_process;
    uint64_t bytes = file_limit();
    process->data = map_data(files->data, &bytes);
    if (!process->data)
        return false;
    process->data_bytes = bytes;
    process->window_bytes = window_of(bytes);
    process->header = (struct evtrail_session_header *)(void *)process->data;
    memcpy(process->path, files->data_path, sizeof(process->path));
    struct stat status;
    if (fstat(files->data, &status) == 0) {
        process->inode = status.st_ino;
        process->device = status.st_dev;
    }
    if (evtrail_data_allocate(process->data, 0, sizeof(struct evtrail_session_header)) < 0 ||
        !lock_alive(files->data)) {
        munmap(process->data, process->window_bytes);
        process->data = NULL;
        return false;
    }
    atomic_store_explicit(&process->blocks_next, EVTRAIL_BLOCKS_OFFSET, memory_order_relaxed);
    atomic_store_explicit(&process->memory_used, 0, memory_order_relaxed);
    return true;
}

static bool session_create(char *const *argv)
{
    struct evtrail_process *process = &evtrail_process;
    struct files files;
    process->session_id = evtrail_random();
    process->pid = (uint32_t)getpid();
    process->anchor_next_ns = 0;
    evtrail_registry_fork_child(); /* a raw clone ran no atfork handler */
    atomic_store_explicit(&process->rings_count, 0, memory_order_relaxed);
    atomic_store_explicit(&process->anchor_lock, 0, memory_order_relaxed);
    if (!files_create(&files, process->session_id))
        return false;
    if (!data_start(&files)) {
        files_remove(&files);
        return false;
    }
    header_fill(process->header, argv);
    evtrail_anchor_add(true);
    if (!control_start(files.control)) {
        munmap(process->data, process->window_bytes);
        process->data = NULL;
        files_remove(&files);
        return false;
    }
    evtrail_registry_publish();
    /* W8 (release): the header is whole before a reader believes it; pairs with R8. */
    atomic_store_explicit(&process->header->magic, EVTRAIL_MAGIC_DATA, memory_order_release);
    files_close(&files);
    return true;
}

static bool environment_says_off(void)
{
    const char *text = getenv("EVTRAIL"), *word;
    size_t bytes;
    while (text && (word = evtrail_text_word(&text, &bytes))) {
        if (bytes == 3 && memcmp(word, "off", 3) == 0)
            return true;
        if (bytes == 15 && memcmp(word, "clock=monotonic", 15) == 0)
            evtrail_process.force_monotonic = true;
    }
    return false;
}

static bool start(char *const *argv)
{
    struct evtrail_process *process = &evtrail_process;
    if (!process->started) {
        process->started = true;
        process->off =
            getauxval(AT_SECURE) != 0 || environment_says_off() || evtrail_thread_init() < 0 || !private_memory();
    }
    if (process->off)
        return false;
    /* C8 (acquire / release): one thread makes the session; the others do without until it is there. */
    uint32_t state = SESSION_NONE;
    if (!atomic_compare_exchange_strong_explicit(process->mine, &state, SESSION_STARTING, memory_order_acquire,
                                                 memory_order_acquire))
        return state == SESSION_READY;
    atomic_store_explicit(&process->starter, evtrail_gettid(),
                          memory_order_relaxed); /* only this thread finds its own number in it */
    bool ready = session_create(argv);
    atomic_store_explicit(process->mine, ready ? SESSION_READY : SESSION_OFF, memory_order_release);
    if (ready && process->session_id % SIBLINGS_EVERY == 0)
        evtrail_siblings_tidy();
    return ready;
}

bool evtrail_session_start(void)
{
    return start(NULL);
}

#define START_WAIT_NS UINT64_C(2000000000)

/* A library that is loaded while another thread makes a child's session: its points would stay off. Not for ever: this
 * thread may itself be interrupted in it. */
bool evtrail_session_start_wait(void)
{
    struct evtrail_process *process = &evtrail_process;
    if (evtrail_session_start())
        return true;
    const uint64_t end = evtrail_monotonic_ns() + START_WAIT_NS;
    while (!process->off && atomic_load_explicit(process->mine, memory_order_relaxed) == SESSION_STARTING &&
           atomic_load_explicit(&process->starter, memory_order_relaxed) != evtrail_gettid() &&
           evtrail_monotonic_ns() < end)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return evtrail_session_start();
}

/* ---- fork and exit ---- */

static __thread bool fork_locked __attribute__((tls_model("initial-exec")));

/* A signal handler that forks may have interrupted the lock's holder. */
static void fork_prepare(void)
{
    fork_locked = evtrail_registry_lock_unless_mine();
}

static void fork_parent(void)
{
    if (fork_locked)
        evtrail_registry_unlock();
}

/* The kernel has wiped rings and `mine` (or does not know how: then it is done here). The session comes with the first
 * event; until then the trace points read the parent's control page. */
static void fork_child(void)
{
    struct evtrail_process *process = &evtrail_process;
    evtrail_registry_fork_child();
    evtrail_thread_forget();
    if (process->mine && atomic_load_explicit(process->mine, memory_order_relaxed) != SESSION_NONE)
        madvise((void *)process->mine, page_bytes() + (size_t)EVTRAIL_RINGS_MAX * EVTRAIL_RING_STRIDE, MADV_DONTNEED);
    process->data = NULL;
    process->header = NULL;
}

static void unlink_files(void)
{
    char control[sizeof(evtrail_process.path)];
    size_t n = strlen(evtrail_process.path);
    unlink(evtrail_process.path);
    if (n > 6) {
        memcpy(control, evtrail_process.path, n - 6);
        memcpy(control + n - 6, ".ctl", 5);
        unlink(control);
    }
}

__attribute__((constructor(101))) static void session_load(int argc, char **argv, char **environment)
{
    int saved = errno;
    (void)environment;
    if (start(argc > 0 ? argv : NULL))
        pthread_atfork(fork_prepare, fork_parent, fork_child);
    errno = saved;
}

/* The files go, unless something was recorded and a reader that watches the directory may not have opened them yet: it
 * removes them. The mappings stay: events of later destructors reach those who are attached. */
__attribute__((destructor(101))) static void session_unload(void)
{
    int saved = errno;
    struct evtrail_process *process = &evtrail_process;
    if (evtrail_session_ready() && process->pid == (uint32_t)getpid()) {
        atomic_store_explicit(&process->header->exiting, 1, memory_order_relaxed);
        struct evtrail_settings_values settings;
        evtrail_settings_read(&process->control->settings, &settings);
        if (settings.flags & EVTRAIL_SETTING_KEEP)
            ;
        else if (atomic_load_explicit(&process->rings_count, memory_order_relaxed) > 0 && evtrail_watched())
            atomic_store_explicit(&process->header->exiting, EVTRAIL_EXITING_LEFT, memory_order_relaxed);
        else
            unlink_files();
    }
    errno = saved;
}
