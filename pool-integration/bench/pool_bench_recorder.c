/* SPDX-License-Identifier: ISC
 *
 * The recorder beside a traced load: every event into a file, in a process of its own, as `evtrail record -p` does.
 */
#include "pool_bench.h"

#include <evtrail/file.h>
#include <evtrail/reader.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_NS INT64_C(100000000)

struct totals {
    uint64_t delivered, lost;
};

static int take_all(struct evtrail_reader *reader, struct evtrail_file *file)
{
    struct evtrail_chunk *chunk;
    int r, written = 0;
    while ((r = evtrail_reader_next_chunk(reader, &chunk)) > 0 && written == 0)
        written = evtrail_file_write_chunk(file, chunk);
    return written < 0 ? written : r;
}

static int record(struct evtrail_reader *reader, struct evtrail_file *file, int stop, int report)
{
    struct pollfd told = {.fd = stop, .events = POLLIN};
    struct totals totals = {0};
    uint64_t lost[EVTRAIL_CAUSES_ALL] = {0};
    int r = 0;
    while (r >= 0 && poll(&told, 1, 0) == 0) {
        r = take_all(reader, file);
        evtrail_file_idle(file);
        evtrail_reader_wait(reader, WAIT_NS);
    }
    if (r >= 0)
        r = take_all(reader, file);
    evtrail_reader_totals(reader, &totals.delivered, lost);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        totals.lost += lost[i];
    return write(report, &totals, sizeof totals) == sizeof totals ? r : -EPIPE;
}

static int recorder_main(const struct recorder *recorder, pid_t pid, int stop, int report)
{
    const struct evtrail_reader_options options = {.bytes = sizeof options, .name = "pool-bench", .enable = "*"};
    const struct evtrail_file_options file_options = {.bytes = sizeof file_options, .force = true};
    struct evtrail_reader *reader = NULL;
    struct evtrail_file *file = NULL;
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    int r = evtrail_reader_new(&reader, &options);
    if (r == 0)
        r = evtrail_reader_add_process(reader, text);
    if (r >= 0)
        r = evtrail_file_create(&file, recorder->path, &file_options);
    const char ready = r >= 0;
    if (write(report, &ready, 1) != 1)
        r = -EPIPE;
    if (r >= 0)
        r = record(reader, file, stop, report);
    evtrail_file_close(file, NULL);
    evtrail_reader_free(reader);
    return r < 0;
}

int recorder_start(struct recorder *recorder, const struct bench *bench, pid_t pid)
{
    int stop[2], report[2];
    char ready = 0;
    *recorder = (struct recorder){.stop = -1, .report = -1};
    snprintf(recorder->path, sizeof recorder->path, "%s/recorded.evt", bench->work);
    if (pipe2(stop, O_CLOEXEC) < 0)
        return -errno;
    recorder->stop = stop[1];
    if (pipe2(report, O_CLOEXEC) < 0) {
        close(stop[0]);
        return -errno;
    }
    recorder->report = report[0];
    fflush(NULL);
    recorder->pid = fork();
    if (recorder->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(stop[1]);
        _exit(recorder_main(recorder, pid, stop[0], report[1]));
    }
    close(stop[0]);
    close(report[1]);
    return recorder->pid > 0 && read(recorder->report, &ready, 1) == 1 && ready ? 0 : -EIO;
}

void recorder_stop(struct recorder *recorder, uint64_t *ret_events, uint64_t *ret_lost)
{
    struct totals totals = {0};
    if (recorder->stop >= 0)
        close(recorder->stop);
    if (recorder->report >= 0) {
        if (read(recorder->report, &totals, sizeof totals) != sizeof totals)
            totals = (struct totals){0};
        close(recorder->report);
    }
    if (recorder->pid > 0)
        waitpid(recorder->pid, NULL, 0);
    unlink(recorder->path);
    *ret_events = totals.delivered;
    *ret_lost = totals.lost;
}
