/* SPDX-License-Identifier: ISC
 *
 * The recorder: pool-stress starts itself again as a reader of its own session, with rings that wait for it, so that no event is lost.
 */
#include "stress.h"

#include <evtrail/evtrail.h>
#include <evtrail/file.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_NS INT64_C(5000000)
#define STOP_ROUNDS 2u
#define STOP_WAIT_NS INT64_C(2000000)
#define EVENTS "pool.*,stress.*,loop.*:debug"
extern char **environ;

/* ---- the recorder's process ---- */

struct recording {
    struct evtrail_reader *reader;
    struct evtrail_file *file;
    int stop;
};

static int recording_open(struct recording *recording, const char *pid, const char *path)
{
    const struct evtrail_reader_options options = {
        .bytes = sizeof options, .hold = true, .name = "pool-stress", .enable = EVENTS};
    const struct evtrail_file_options file = {.bytes = sizeof file, .force = true};
    int r = evtrail_reader_new(&recording->reader, &options);
    if (r == 0)
        r = evtrail_reader_add_process(recording->reader, pid);
    if (r < 0) {
        fprintf(stderr, "pool-stress: cannot read its own events: %s\n",
                recording->reader ? evtrail_reader_error(recording->reader) : strerror(-r));
        return r;
    }
    r = evtrail_file_create(&recording->file, path, &file);
    if (r < 0)
        fprintf(stderr, "pool-stress: %s: %s\n", path, strerror(-r));
    return r;
}

static bool told_to_stop(const struct recording *recording)
{
    struct pollfd poll_stop = {.fd = recording->stop, .events = POLLIN};
    return poll(&poll_stop, 1, 0) > 0;
}

/* All that there is now. */
static int recording_take(struct recording *recording)
{
    struct evtrail_chunk *chunk;
    int r, written = 0;
    while ((r = evtrail_reader_next_chunk(recording->reader, &chunk)) > 0 && written == 0)
        written = evtrail_file_write_chunk(recording->file, chunk);
    return written < 0 ? written : r;
}

static int recording_run(struct recording *recording)
{
    for (unsigned rounds = 0;;) {
        const bool last = told_to_stop(recording); /* before: what was recorded until then is taken */
        const int r = recording_take(recording);
        if (r < 0 ||
            (last &&
             rounds++ == STOP_ROUNDS)) /* a reader that found nothing may not have looked at open blocks just now */
            return r;
        evtrail_file_idle(recording->file);
        evtrail_reader_wait(recording->reader, last ? STOP_WAIT_NS : WAIT_NS);
    }
}

int observe_main(int argc, char **argv)
{
    struct recording recording = {0};
    int result = -EINVAL;
    if (argc != 7)
        return 2;
    const int tell = atoi(argv[5]);
    recording.stop = atoi(argv[4]);
    signal(SIGINT, SIG_IGN); /* the load ends by it, and then this */
    signal(SIGPIPE, SIG_IGN);
    result = recording_open(&recording, argv[2], argv[3]);
    if (write(tell, &result, sizeof result) != sizeof result)
        return 6;
    if (result == 0)
        result = recording_run(&recording);
    const int closed = evtrail_file_close(recording.file, NULL);
    evtrail_reader_free(recording.reader);
    result = result < 0 ? result : closed;
    if (write(tell, &result, sizeof result) == sizeof result)
        return result == 0 ? 0 : 6;
    if (strcmp(argv[6], "temporary") == 0) /* whoever wanted it was killed */
        unlink(argv[3]);
    return 6;
}

/* ---- the traced process ---- */

static int path_make(struct observer *observer, const struct settings *settings)
{
    const char *const directory = getenv("TMPDIR");
    const int flags = O_CREAT | O_WRONLY | O_CLOEXEC | (settings->force ? 0 : O_EXCL);
    int fd;
    observer->temporary = !settings->trace;
    if (settings->trace) {
        snprintf(observer->path, sizeof observer->path, "%s", settings->trace);
        fd = open(observer->path, flags, 0666);
    } else {
        snprintf(observer->path, sizeof observer->path, "%s/pool-stress.XXXXXX",
                 directory && *directory ? directory : "/tmp");
        fd = mkostemp(observer->path, O_CLOEXEC);
    }
    if (fd < 0) {
        const int error = errno;
        fprintf(stderr, "pool-stress: %s: %s\n", observer->path,
                error == EEXIST ? "exists; --force replaces it" : strerror(error));
        observer->temporary = false;
        return -error;
    }
    close(fd);
    return 0;
}

/* Rings that wait for the recorder. Many threads have smaller ones each. */
static int rings_set(const struct settings *settings)
{
    const bool many = settings->threads > 8;
    const char *const list[] = {"policy=block", "deadline=10s", many ? "block=64K" : "block=256K",
                                many ? "blocks=32" : "blocks=64", "memory=1G"};
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        const int r = evtrail_set(list[i]);
        if (r < 0) {
            fprintf(stderr, "pool-stress: tracing: %s: %s\n", list[i],
                    r == -ENODEV ? "off in this process (EVTRAIL=off, or no directory for sessions)" : strerror(-r));
            return r;
        }
    }
    return 0;
}

/* The environment with tracing off: the recorder is no part of what it records. Owned, its strings but the last are not. */
static char **environment_make(void)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **const list = calloc(count + 2, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        if (strncmp(environ[i], "EVTRAIL=", 8) != 0)
            list[kept++] = environ[i];
    if (list)
        list[kept] = (char *)(uintptr_t) "EVTRAIL=off";
    return list;
}

static int spawn(struct observer *observer, int stop, int tell)
{
    char pid[16], stop_text[16], tell_text[16];
    char *const arguments[] = {"pool-stress",
                               "--observe",
                               pid,
                               observer->path,
                               stop_text,
                               tell_text,
                               observer->temporary ? "temporary" : "kept",
                               NULL};
    char **const environment = environment_make();
    snprintf(pid, sizeof pid, "%d", getpid());
    snprintf(stop_text, sizeof stop_text, "%d", stop);
    snprintf(tell_text, sizeof tell_text, "%d", tell);
    const int r =
        environment ? posix_spawn(&observer->pid, "/proc/self/exe", NULL, NULL, arguments, environment) : ENOMEM;
    free(environment);
    return -r;
}

static int result_read(struct observer *observer)
{
    int result;
    ssize_t got;
    do
        got = read(observer->result, &result, sizeof result);
    while (got < 0 && errno == EINTR);
    return got == sizeof result ? result : -EPIPE;
}

/* The recorder's ends of both pipes stay open over its start, ours do not. */
static int pipes_make(int stop[2], int tell[2])
{
    if (pipe2(stop, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(tell, O_CLOEXEC) < 0) {
        const int error = errno;
        close(stop[0]);
        close(stop[1]);
        return -error;
    }
    fcntl(stop[0], F_SETFD, 0);
    fcntl(tell[1], F_SETFD, 0);
    return 0;
}

int observer_start(struct observer *observer, const struct settings *settings)
{
    int stop[2], tell[2];
    *observer = (struct observer){.stop = -1, .result = -1};
    int r = rings_set(settings);
    if (r == 0)
        r = path_make(observer, settings);
    if (r < 0)
        return r;
    r = pipes_make(stop, tell);
    if (r == 0) {
        r = spawn(observer, stop[0], tell[1]);
        close(stop[0]);
        close(tell[1]);
        observer->stop = stop[1];
        observer->result = tell[0];
    }
    if (r < 0)
        fprintf(stderr, "pool-stress: cannot start the recorder: %s\n", strerror(-r));
    return r < 0 ? r : result_read(observer);
}

int observer_stop(struct observer *observer)
{
    int status;
    if (observer->pid == 0)
        return -ESRCH;
    close(observer->stop);
    observer->stop = -1;
    const int r = result_read(observer);
    close(observer->result);
    observer->result = -1;
    while (waitpid(observer->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    observer->pid = 0;
    if (r < 0)
        fprintf(stderr, "pool-stress: the recorder failed: %s\n", strerror(-r));
    return r;
}

void observer_fini(struct observer *observer)
{
    if (observer->pid)
        observer_stop(observer);
    if (observer->temporary)
        unlink(observer->path);
    observer->temporary = false;
}
