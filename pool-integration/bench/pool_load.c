/* SPDX-License-Identifier: ISC
 *
 * pool-bench-load KIND CPU PORT COUNT http|echo: sets a load up, and then runs as much of it as it is told, again and again.
 */
#include "pool_load.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct load_kind *const kinds[] = {&pooled_load, &constrained_load, &held_load, &echo_load,
                                                &call_load,   &threads_load,     &idle_load, &curl_load};

static uint64_t clock_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t load_now_ns(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

/* ---- messages ---- */

static const char echo_message[MESSAGE_BYTES + 1] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char http_message[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n";
const char *message;
size_t message_bytes;

void message_choose(const struct load_setup *setup)
{
    message = setup->http ? http_message : echo_message;
    message_bytes = strlen(message);
}

int message_answered(const char *answer, size_t bytes)
{
    if (message == echo_message) {
        if (bytes < message_bytes)
            return 0;
        return bytes == message_bytes && memcmp(answer, message, bytes) == 0 ? 1 : -EBADMSG;
    }
    const char *const end = memmem(answer, bytes, "\r\n\r\n", 4);
    if (!end)
        return 0;
    const char *const length = memmem(answer, (size_t)(end - answer), "Content-Length: ", 16);
    if (!length || memcmp(answer, "HTTP/1.1 200 ", 13) != 0)
        return -EBADMSG;
    return bytes >= (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
}

/* ---- the pool ---- */

struct evloop *load_loop;
struct evpool *load_pool;
struct evpool_name *load_name;

int pool_open(const struct load_setup *setup, unsigned connections)
{
    const struct evloop_options loop = {.bytes = sizeof loop, .entries = 1024};
    struct evpool_options options = {.bytes = sizeof options, .max_total = connections, .max_per_name = connections};
    options.waiters_max = connections + CLIENTS;
    options.idle_timeout_ns = options.lifetime_ns = UINT64_MAX;
    message_choose(setup);
    int r = evloop_new(&load_loop, &loop);
    if (r == 0)
        r = evpool_new(&load_pool, load_loop, &options, NULL);
    return r < 0 ? r : evpool_name_get(load_pool, "127.0.0.1", setup->port, NULL, &load_name, NULL);
}

static unsigned filling;
static int fill_error;
static void filled(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    if (!conn)
        fill_error = -ECONNREFUSED;
    evpool_error_free(error);
    request->arg = conn;
    filling--;
}

int pool_fill(unsigned connections)
{
    struct evpool_request *const requests = calloc(connections, sizeof *requests);
    unsigned begun = 0;
    if (!requests)
        return -ENOMEM;
    while ((begun < connections && !fill_error) || filling) {
        for (; begun < connections && filling < CLIENTS && !fill_error; filling++)
            evpool_acquire(load_name, &requests[begun++], filled);
        evloop_run_once(load_loop, UINT64_MAX);
    }
    for (unsigned i = 0; i < begun; i++)
        evpool_release(requests[i].arg, true);
    free(requests);
    return fill_error;
}

/* ---- orders ---- */

static int run(const struct load_kind *kind, uint64_t count)
{
    struct answer answer = {0};
    const uint64_t wall = load_now_ns(), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    answer.status = kind->run(count, &answer);
    answer.figures[FIGURE_cpu_ns] = (double)(clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    answer.figures[FIGURE_wall_ns] = (double)(load_now_ns() - wall);
    if (answer.status < 0)
        snprintf(answer.text, sizeof answer.text, "%s", strerror(-answer.status));
    return write(STDOUT_FILENO, &answer, sizeof answer) == sizeof answer;
}

static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (cpu >= 0)
        sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv)
{
    const struct load_kind *kind = NULL;
    struct answer answer = {0};
    uint64_t count;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (argc == 6 && strcmp(argv[1], kinds[i]->name) == 0)
            kind = kinds[i];
    if (!kind) {
        fprintf(stderr, "pool-bench-load is started by pool-bench\n");
        return 2;
    }
    const struct load_setup setup = {(uint16_t)atoi(argv[3]), (unsigned)atoi(argv[4]), strcmp(argv[5], "http") == 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    pin(atoi(argv[2]));
    descriptors_raise();
    answer.status = kind->open(&setup, &answer);
    if (answer.status < 0)
        snprintf(answer.text, sizeof answer.text, "%s", strerror(-answer.status));
    if (write(STDOUT_FILENO, &answer, sizeof answer) != sizeof answer || answer.status)
        return 1;
    while (read(STDIN_FILENO, &count, sizeof count) == sizeof count)
        if (!run(kind, count))
            return 1;
    return 0;
}
