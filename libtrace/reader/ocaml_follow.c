/* SPDX-License-Identifier: ISC
 *
 * Children of OCaml processes that are read. Two things tell of them without looking through /proc again and again: a file "<pid>.events" that appears where
 * their ancestor's is, and the event that the runtime writes when it forks. A child made by fork makes its ring at once; a program that is started
 * by exec when its runtime begins. What they are taken for is looked up then: the process has the file mapped, and descends from one that is read.
 */
#include "reader/ocaml_follow.h"

#include "reader/clock_live.h"
#include "reader/ocaml_feed.h"
#include "reader/ocaml_input.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { DIRECTORIES_MAX = 16, PIDS_MAX = 1024, WAITING_MAX = 256, DEPTH_MAX = 32, CHILDREN_MAX = 1024 };
#define RING_NS UINT64_C(300000000) /* in which a child makes its ring */
#define LOOK_NS UINT64_C(1000000)   /* those that are waited for are looked at so often */

struct waiting {
    uint32_t pid;
    bool known; /* to descend from one that is read */
    int fd;     /* its ring's file, which may be removed meanwhile; -1: not seen */
    uint64_t until_ns;
};
struct evtrail_ocaml_follow {
    int inotify;
    struct {
        int watch;
        uint32_t pid; /* whose ring was there first */
        char path[400];
    } directories[DIRECTORIES_MAX];
    uint32_t directories_count;
    uint32_t pids[PIDS_MAX];    /* that are read; 0: free */
    uint32_t settled[PIDS_MAX]; /* the latest children that are or were read */
    uint32_t settled_count;
    struct waiting waiting[WAITING_MAX];
    uint32_t waiting_count;
    uint32_t news; /* of the pump's, that were seen */
    uint64_t looked_ns;
    _Alignas(struct inotify_event) char buffer[8192];
};

/* ---- who descends from whom ---- */

/* A number behind `key` in /proc/PID/status, the last one of its line. 0: there is none. */
static uint32_t status_of(uint32_t pid, const char *key)
{
    char path[40], line[256];
    const size_t length = strlen(key);
    uint32_t number = 0;
    snprintf(path, sizeof(path), "/proc/%u/status", pid);
    FILE *const file = fopen(path, "re");
    while (file && !number && fgets(line, sizeof(line), file))
        if (strncmp(line, key, length) == 0) {
            const char *last = line + strcspn(line, "\n");
            while (last > line && isdigit((unsigned char)last[-1]))
                last--;
            number = (uint32_t)strtoul(last, NULL, 10);
        }
    if (file)
        fclose(file);
    return number;
}

static bool is_read(const struct evtrail_ocaml_follow *follow, uint32_t pid)
{
    for (uint32_t i = 0; i < PIDS_MAX; i++)
        if (follow->pids[i] == pid)
            return true;
    return false;
}

static bool is_settled(const struct evtrail_ocaml_follow *follow, uint32_t pid)
{
    for (uint32_t i = 0; i < PIDS_MAX; i++)
        if (follow->settled[i] == pid)
            return true;
    return false;
}

static bool descends(const struct evtrail_ocaml_follow *follow, uint32_t pid)
{
    for (int depth = 0; depth < DEPTH_MAX && pid > 1; depth++) {
        if (is_read(follow, pid))
            return true;
        pid = status_of(pid, "PPid:");
    }
    return false;
}

/* Of the pids below that one, `left` at most, that which the process itself has as `inner` (another pid namespace). 0: none. */
static uint32_t find_inner(uint32_t pid, uint32_t inner, unsigned *left, int depth)
{
    char path[64];
    uint32_t child = 0, found = 0;
    DIR *tasks;
    snprintf(path, sizeof(path), "/proc/%u/task", pid);
    if (depth == 0 || !(tasks = opendir(path)))
        return 0;
    for (const struct dirent *entry; !found && *left && (entry = readdir(tasks));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/%u/task/%.10s/children", pid, entry->d_name);
        FILE *const children = fopen(path, "re");
        while (children && !found && *left && fscanf(children, "%u", &child) == 1) {
            --*left;
            found = status_of(child, "NSpid:") == inner ? child : find_inner(child, inner, left, depth - 1);
        }
        if (children)
            fclose(children);
    }
    closedir(tasks);
    return found;
}

/* What we call the process that is called `inner` where `ancestor` lives. 0: there is none, or it is none of its children. */
static uint32_t outer_pid(const struct evtrail_ocaml_follow *follow, uint32_t ancestor, uint32_t inner)
{
    unsigned left = CHILDREN_MAX;
    if (status_of(inner, "NSpid:") == inner && descends(follow, inner))
        return inner;
    return find_inner(ancestor, inner, &left, 4);
}

/* ---- adding ---- */

static struct waiting *waiting_of(struct evtrail_ocaml_follow *follow, uint32_t pid)
{
    for (uint32_t i = 0; i < follow->waiting_count; i++)
        if (follow->waiting[i].pid == pid)
            return &follow->waiting[i];
    return NULL;
}

/* Takes the descriptor. */
static void wait_for(struct evtrail_ocaml_follow *follow, uint32_t pid, bool known, int fd)
{
    struct waiting *const there = waiting_of(follow, pid);
    if (there) {
        there->known |= known;
        if (there->fd < 0) {
            there->fd = fd;
            fd = -1;
        }
    } else if (follow->waiting_count < WAITING_MAX) {
        follow->waiting[follow->waiting_count++] = (struct waiting){pid, known, fd, evtrail_monotonic_now() + RING_NS};
        fd = -1;
    }
    if (fd >= 0)
        close(fd);
}

/* One that belongs to the user who may make files there: a ring is its process's. -1: it is none. */
static int open_ring(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    struct stat status;
    if (fd < 0 || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)))
        return fd;
    close(fd);
    return -1;
}

/* It has ended before its ring was mapped: what it left is read as any file that a process leaves. */
static bool add_left(struct evtrail_reader *reader, int fd)
{
    struct evtrail_fault fault;
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return evtrail_ocaml_input_add(reader, path, 0, &fault) == 0;
}

static void settle(struct evtrail_ocaml_follow *follow, uint32_t pid)
{
    follow->settled[follow->settled_count++ % PIDS_MAX] = pid;
}

static bool is_gone(uint32_t pid)
{
    return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

bool evtrail_ocaml_is_own(uint32_t pid, const char *path)
{
    return !evtrail_ocaml_is_name(path) || strtoul(strrchr(path, '/') + 1, NULL, 10) == status_of(pid, "NSpid:");
}

/* Whether it is settled: added, or nothing more to be expected. */
static bool try_child(struct evtrail_reader *reader, uint32_t pid, int fd)
{
    struct evtrail_fault fault = {""};
    char path[640];
    if (is_gone(pid)) {
        if (fd >= 0 && add_left(reader, fd))
            settle(reader->follow, pid);
        return true;
    }
    if (evtrail_ocaml_find(pid, path, sizeof(path)) < 0 || !evtrail_ocaml_is_own(pid, path))
        return false;
    const int result = evtrail_ocaml_input_add(reader, path, pid, &fault);
    if (result == -EAGAIN || result == -ENOENT)
        return false;
    if (result < 0 && result != -EEXIST)
        evtrail_reader_fault(reader, result, &fault);
    settle(reader->follow, pid);
    if (result == 0)
        evtrail_ocaml_follow(reader, pid, path);
    return true;
}

/* Takes the descriptor. */
static void take_child(struct evtrail_reader *reader, uint32_t pid, bool known, int fd)
{
    if (is_read(reader->follow, pid) || is_settled(reader->follow, pid) || (known && try_child(reader, pid, fd))) {
        if (fd >= 0)
            close(fd);
    } else {
        wait_for(reader->follow, pid, known, fd);
    }
}

/* One that has ended already may be a child of ours: if so, its parent's ring tells. */
static void take_file(struct evtrail_reader *reader, uint32_t index, const char *name)
{
    struct evtrail_ocaml_follow *const follow = reader->follow;
    char path[480];
    const uint32_t inner = evtrail_ocaml_is_name(name) ? (uint32_t)strtoul(name, NULL, 10) : 0;
    const int n = snprintf(path, sizeof(path), "%s/%s", follow->directories[index].path, name);
    if (!inner || n <= 0 || (size_t)n >= sizeof(path))
        return;
    const int fd = open_ring(path);
    const uint32_t pid = outer_pid(follow, follow->directories[index].pid, inner);
    if (pid || is_gone(inner))
        take_child(reader, pid ? pid : inner, pid != 0, fd);
    else if (fd >= 0)
        close(fd);
}

/* ---- news ---- */

static int visit(const char *path, void *context)
{
    struct evtrail_reader *const reader = context;
    const char *const slash = strrchr(path, '/');
    for (uint32_t i = 0; slash && i < reader->follow->directories_count; i++)
        if (strncmp(reader->follow->directories[i].path, path, (size_t)(slash - path)) == 0)
            take_file(reader, i, slash + 1);
    return 0;
}

static void take_news(struct evtrail_reader *reader, const struct inotify_event *event)
{
    struct evtrail_ocaml_follow *const follow = reader->follow;
    for (uint32_t i = 0; i < follow->directories_count; i++) {
        if (event->mask & IN_Q_OVERFLOW)
            evtrail_ocaml_visit(follow->directories[i].path, visit, reader);
        else if (event->wd == follow->directories[i].watch && event->len)
            take_file(reader, i, event->name);
    }
}

static void read_news(struct evtrail_reader *reader)
{
    struct evtrail_ocaml_follow *const follow = reader->follow;
    for (ssize_t n; (n = read(follow->inotify, follow->buffer, sizeof(follow->buffer))) > 0;)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *const event = (const void *)(follow->buffer + at);
            take_news(reader, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
}

static void retry(struct evtrail_reader *reader, uint64_t now)
{
    struct evtrail_ocaml_follow *const follow = reader->follow;
    for (uint32_t i = follow->waiting_count; i-- > 0;) {
        const struct waiting waiting = follow->waiting[i];
        const bool settled = is_settled(follow, waiting.pid);
        if (!settled && now <= waiting.until_ns && !(waiting.known && try_child(reader, waiting.pid, waiting.fd)))
            continue;
        if (waiting.fd >= 0)
            close(waiting.fd);
        follow->waiting[i] = follow->waiting[--follow->waiting_count];
    }
}

void evtrail_ocaml_follow_look(struct evtrail_reader *reader)
{
    struct evtrail_ocaml_follow *const follow = reader->follow;
    if (!follow)
        return;
    const uint32_t news = reader->pump ? evtrail_ocaml_pump_news(reader->pump) : follow->news + 1;
    reader->late = true;
    if (news != follow->news) {
        follow->news = news;
        read_news(reader);
    }
    if (follow->waiting_count) {
        const uint64_t now = evtrail_monotonic_now();
        if (now - follow->looked_ns >= LOOK_NS) {
            follow->looked_ns = now;
            retry(reader, now);
        }
    }
    reader->late = false;
}

/* ---- begin, end ---- */

static bool begin(struct evtrail_reader *reader)
{
    if (reader->options.no_children || reader->options.snapshot)
        return false;
    if (reader->follow)
        return true;
    struct evtrail_ocaml_follow *const follow = calloc(1, sizeof(*follow));
    if (!follow)
        return false;
    follow->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (follow->inotify < 0) {
        free(follow);
        return false;
    }
    if (reader->pump)
        evtrail_ocaml_pump_listen(reader->pump, follow->inotify);
    reader->follow = follow;
    return true;
}

static void watch_directory(struct evtrail_ocaml_follow *follow, uint32_t pid, const char *path)
{
    const char *const slash = strrchr(path, '/');
    const int length = slash ? (int)(slash - path) : 0;
    if (!slash || length == 0 || follow->directories_count == DIRECTORIES_MAX || strstr(path, "/map_files/"))
        return;
    snprintf(follow->directories[follow->directories_count].path, sizeof(follow->directories[0].path), "%.*s", length,
             path);
    const int watch = inotify_add_watch(follow->inotify, follow->directories[follow->directories_count].path,
                                        IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    for (uint32_t i = 0; i < follow->directories_count; i++)
        if (follow->directories[i].watch == watch)
            return;
    if (watch < 0)
        return;
    follow->directories[follow->directories_count].watch = watch;
    follow->directories[follow->directories_count++].pid = pid;
}

void evtrail_ocaml_follow(struct evtrail_reader *reader, uint32_t pid, const char *path)
{
    if (!begin(reader))
        return;
    struct evtrail_ocaml_follow *const follow = reader->follow;
    for (uint32_t i = 0; i < PIDS_MAX; i++) {
        const uint32_t place = (pid + i) % PIDS_MAX;
        if (follow->pids[place] && follow->pids[place] != pid)
            continue;
        follow->pids[place] = pid;
        break;
    }
    watch_directory(follow, pid, path);
}

/* It was killed before we came: its ring is still there. */
static int open_left(struct evtrail_ocaml_follow *follow, uint32_t pid)
{
    char path[480];
    int fd = -1;
    for (uint32_t i = 0; i < follow->directories_count && fd < 0; i++) {
        const int n = snprintf(path, sizeof(path), "%s/%u.events", follow->directories[i].path, pid);
        fd = n > 0 && (size_t)n < sizeof(path) ? open_ring(path) : -1;
    }
    return fd;
}

void evtrail_ocaml_follow_fork(struct evtrail_reader *reader, const struct evtrail_source *parent, uint64_t child)
{
    struct evtrail_ocaml_follow *const follow = reader->follow;
    if (!follow || !child || child > INT32_MAX)
        return;
    const uint32_t pid = (uint32_t)child;
    const bool gone = is_gone(pid);
    uint32_t outer = outer_pid(follow, parent->pid, pid);
    /* Its parent may have ended since. A ring may lie: of its own user's processes only. */
    if (!outer && (gone || (status_of(pid, "NSpid:") == pid && status_of(pid, "Uid:") == parent->uid)))
        outer = pid;
    struct waiting *const there = outer ? waiting_of(follow, outer) : NULL;
    if (there) {
        there->known = true;
        follow->looked_ns = 0;
    } else if (outer) {
        reader->late = true;
        take_child(reader, outer, true, gone ? open_left(follow, pid) : -1);
        reader->late = false;
    }
}

void evtrail_ocaml_follow_end(struct evtrail_reader *reader, uint32_t pid)
{
    for (uint32_t i = 0; reader->follow && i < PIDS_MAX; i++)
        if (reader->follow->pids[i] == pid)
            reader->follow->pids[i] = 0;
}

bool evtrail_ocaml_follow_waits(const struct evtrail_reader *reader)
{
    return reader->follow && reader->follow->waiting_count;
}

void evtrail_ocaml_follow_free(struct evtrail_reader *reader)
{
    if (!reader->follow)
        return;
    for (uint32_t i = 0; i < reader->follow->waiting_count; i++)
        if (reader->follow->waiting[i].fd >= 0)
            close(reader->follow->waiting[i].fd);
    close(reader->follow->inotify);
    free(reader->follow);
    reader->follow = NULL;
}
