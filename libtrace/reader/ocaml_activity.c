/* SPDX-License-Identifier: ISC
 *
 * A kernel's counter of processor time for each thread (perf_event_open): when it has run over, or the thread has made another one, its descriptor is
 * readable. Other than a timer it costs nothing as long as nothing happens.
 */
#include "reader/ocaml_activity.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static size_t mapped_bytes(void)
{
    return 2 * (size_t)sysconf(_SC_PAGESIZE);
}

static int open_counter(pid_t thread, uint64_t cpu_ns)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attributes),
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .sample_period = cpu_ns,
        .task = 1, /* tells of forks */
        .watermark = 1,
        .wakeup_watermark = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM)) { /* its time outside the kernel we may know of */
        attributes.exclude_kernel = attributes.exclude_hv = 1;
        fd = (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    }
    return fd < 0 ? -errno : fd;
}

static int add_thread(struct evtrail_ocaml_activity *activity, int epoll, pid_t thread, uint64_t cpu_ns)
{
    const int fd = open_counter(thread, cpu_ns);
    activity->impossible = fd == -EACCES || fd == -EPERM || fd == -ENOSYS || fd == -EOPNOTSUPP;
    if (fd < 0)
        return fd == -ESRCH ? 0 : fd; /* it has just ended */
    void *const page = mmap(NULL, mapped_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int result = page == MAP_FAILED ? -errno : 0;
    if (result == 0 &&
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = -1}) < 0) {
        result = -errno;
        munmap(page, mapped_bytes());
    }
    if (result < 0) {
        close(fd);
        return result;
    }
    activity->threads[activity->count++] = (struct evtrail_activity_thread){fd, page};
    return 0;
}

int evtrail_activity_arm(struct evtrail_ocaml_activity *activity, int epoll, uint64_t cpu_ns)
{
    char path[40];
    int result = 0;
    if (activity->impossible || !activity->pid)
        return -EACCES;
    if (!activity->threads && !(activity->threads = calloc(EVTRAIL_ACTIVITY_THREADS_MAX, sizeof(*activity->threads))))
        return -ENOMEM;
    snprintf(path, sizeof(path), "/proc/%u/task", activity->pid);
    DIR *const tasks = opendir(path);
    if (!tasks)
        return -errno;
    for (const struct dirent *entry; result == 0 && (entry = readdir(tasks));)
        if (isdigit((unsigned char)entry->d_name[0]))
            result = activity->count < EVTRAIL_ACTIVITY_THREADS_MAX
                         ? add_thread(activity, epoll, (pid_t)strtoul(entry->d_name, NULL, 10), cpu_ns)
                         : -EMFILE;
    closedir(tasks);
    if (result == 0 && activity->count == 0)
        result = -ESRCH;
    if (result < 0)
        evtrail_activity_disarm(activity);
    return result;
}

void evtrail_activity_disarm(struct evtrail_ocaml_activity *activity)
{
    while (activity->count) {
        const struct evtrail_activity_thread *const thread = &activity->threads[--activity->count];
        munmap(thread->page, mapped_bytes());
        close(thread->fd);
    }
}
