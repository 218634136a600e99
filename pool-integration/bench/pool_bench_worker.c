/* SPDX-License-Identifier: ISC
 *
 * Starting a load, giving it orders, taking its answers.
 */
#include "pool_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int answer_take(struct worker *worker, struct answer *ret_answer)
{
    char *at = (char *)ret_answer;
    size_t got = 0;
    while (got < sizeof *ret_answer) {
        const ssize_t n = read(worker->answers, at + got, sizeof *ret_answer - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            *ret_answer = (struct answer){.status = -EPIPE, .text = "a load ended"};
            return -EPIPE;
        }
        got += (size_t)n;
    }
    ret_answer->text[sizeof ret_answer->text - 1] = '\0';
    return ret_answer->status;
}

static void become(const struct bench *bench, const char *kind, bool traced, int cpu, const struct load_setup *setup)
{
    char path[PATH_MAX], cpu_text[16], port[16], count[16];
    snprintf(path, sizeof path, "%.4000s/pool-bench-load%s", bench->libexec, traced ? "" : "-untraced");
    snprintf(cpu_text, sizeof cpu_text, "%d", sysconf(_SC_NPROCESSORS_ONLN) > 1 ? cpu : CPU_any);
    snprintf(port, sizeof port, "%u", setup->port);
    snprintf(count, sizeof count, "%u", setup->count);
    execl(path, path, kind, cpu_text, port, count, setup->http ? "http" : "echo", (char *)NULL);
    _exit(127);
}

int worker_start(struct worker *worker, const struct bench *bench, const char *kind, bool traced, int cpu,
                 const struct load_setup *setup)
{
    int orders[2], answers[2];
    *worker = (struct worker){.orders = -1, .answers = -1, .ready = {.status = -EIO, .text = "cannot start a load"}};
    if (pipe2(orders, O_CLOEXEC) < 0)
        return -errno;
    worker->orders = orders[1];
    if (pipe2(answers, O_CLOEXEC) < 0) {
        close(orders[0]);
        return -errno;
    }
    worker->answers = answers[0];
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0) {
        if (dup2(orders[0], STDIN_FILENO) == STDIN_FILENO && dup2(answers[1], STDOUT_FILENO) == STDOUT_FILENO)
            become(bench, kind, traced, cpu, setup);
        _exit(127);
    }
    close(orders[0]);
    close(answers[1]);
    return worker->pid < 0 ? -EAGAIN : answer_take(worker, &worker->ready);
}

int worker_order(struct worker *worker, uint64_t count)
{
    return write(worker->orders, &count, sizeof count) == sizeof count ? 0 : -EPIPE;
}

int worker_run(struct worker *worker, uint64_t count, struct answer *ret_answer)
{
    if (worker_order(worker, count) < 0) {
        *ret_answer = (struct answer){.status = -EPIPE, .text = "a load ended"};
        return -EPIPE;
    }
    return answer_take(worker, ret_answer);
}

void worker_stop(struct worker *worker)
{
    if (worker->orders >= 0)
        close(worker->orders);
    if (worker->answers >= 0)
        close(worker->answers);
    if (worker->pid > 0)
        waitpid(worker->pid, NULL, 0);
    *worker = (struct worker){.orders = -1, .answers = -1};
}
