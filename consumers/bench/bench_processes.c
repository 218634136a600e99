/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what tracing costs between processes: a program's start, a sustained flood into the recorder, how soon
 * an event is seen, what idling costs, and memory.
 */
#include "bench.h"

#include <evtrail/evtrail.h>
#include <evtrail/reader.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void pause_ns(long ns)
{
    struct timespec pause = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
        ;
}

/* ---- start ---- */

static double spawn_ms(const char *path, char *const *environment)
{
    char *arguments[] = {(char *)path, NULL};
    pid_t pid;
    int status;
    uint64_t start = clock_ns();
    if (posix_spawn(&pid, path, NULL, NULL, arguments, environment) != 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        return -1;
    return (double)(clock_ns() - start) / 1e6;
}

/* "LD_PRELOAD=/path/of/libevtrail.so.0", so that the loader need not look for it: that of an installed library is in its cache. */
static char *library_by_path(char *text, size_t bytes)
{
    Dl_info info;
    char path[PATH_MAX];
    if (!dladdr((void *)(uintptr_t)evtrail_version, &info) || !realpath(info.dli_fname, path))
        return NULL;
    snprintf(text, bytes, "LD_PRELOAD=%s", path);
    return text;
}

static void start_case(struct bench *bench)
{
    enum { RUNS = 300 };
    static double plain[RUNS], off[RUNS], on[RUNS];
    char with[PATH_MAX], without[PATH_MAX],
        library[PATH_MAX + 16], *const preload = library_by_path(library, sizeof(library));
    char *nothing[] = {NULL}, *none[] = {preload, NULL}, *all[] = {"EVTRAIL=*", preload, NULL};
    struct result result;
    if (!bench_wants(bench, "start"))
        return;
    snprintf(with, sizeof(with), "%s/evtrail-bench-start", bench->libexec);
    snprintf(without, sizeof(without), "%s/evtrail-bench-start-plain", bench->libexec);
    if (access(with, X_OK) < 0 || access(without, X_OK) < 0) {
        bench_skip(bench, "start", "its helper programs were not found beside the program");
        return;
    }
    for (int i = 0; i < RUNS; i++) { /* in turns: the machine's moods hit all three */
        plain[i] = spawn_ms(without, nothing);
        off[i] = spawn_ms(with, none);
        on[i] = spawn_ms(with, all);
    }
    double p = quantile(plain, RUNS, 0.5), f = quantile(off, RUNS, 0.5), o = quantile(on, RUNS, 0.5);
    result_start(&result, "<= 0.2 ms more with tracing off, <= 0.5 ms more with it on", "start");
    result_add(&result, "plain_ms", p);
    result_add(&result, "off_more_ms", f - p);
    result_add(&result, "on_more_ms", o - p);
    result_judge(&result, p > 0 && f - p <= 0.2 && o - p <= 0.5);
    result_print(bench, &result);
}

/* ---- sustained ---- */

/* 5 M events a second, in bursts of 500 each 100 us, as busy servers make them. */
static void flood(double seconds)
{
    const uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    uint64_t next = clock_ns(), i = 0;
    while (next < end) {
        for (int k = 0; k < 500; k++, i++)
            EVTRAIL(info, "bench.flood", EVTRAIL_AS(id, i), EVTRAIL_AS(size, i & 1023));
        next += 100000;
        while (clock_ns() < next)
            ;
    }
}

static pid_t spawn_recorder(const struct bench *bench, const char *path, pid_t flooder)
{
    char pid_text[16];
    char *arguments[] = {(char *)bench->self, "record",   "-p",   pid_text,  "-e", "bench.flood", "-o",
                         (char *)path,        "--policy", "drop", "--force", NULL};
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(pid_text, sizeof(pid_text), "%d", (int)flooder);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawn(&pid, bench->self, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? -1 : pid;
}

int bench_file_totals(const char *path, uint64_t *ret_events, uint64_t *ret_lost)
{
    struct evtrail_reader *reader;
    struct evtrail_chunk *chunk;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    int result = evtrail_reader_new(&reader, NULL);
    if (result < 0)
        return result;
    result = evtrail_reader_add_path(reader, path);
    while (result >= 0 && evtrail_reader_next_chunk(reader, &chunk) > 0)
        ;
    evtrail_reader_totals(reader, ret_events, lost);
    *ret_lost = 0;
    for (int cause = 0; cause < EVTRAIL_CAUSES_ALL; cause++)
        *ret_lost += lost[cause];
    evtrail_reader_free(reader);
    return result;
}

/* A process of its own: this one's rings hold what other cases emitted and dropped. Says "ready" on `up`, waits for `down`. */
static void flood_run(double seconds, int up, int down)
{
    char byte = 1;
    EVTRAIL(info, "bench.ready");
    if (write(up, &byte, 1) != 1 || read(down, &byte, 1) != 1)
        _exit(1);
    flood(seconds);
    if (write(up, &byte, 1) != 1 || read(down, &byte, 1) != 1) /* stays until its ring has been read */
        _exit(1);
    _exit(0);
}

struct flooder {
    pid_t pid;
    int up, down;
};

static bool flooder_start(struct flooder *flooder, double seconds)
{
    int up[2], down[2];
    char byte;
    if (pipe(up) < 0 || pipe(down) < 0)
        return false;
    flooder->pid = fork();
    if (flooder->pid == 0) {
        close(up[0]);
        close(down[1]);
        flood_run(seconds, up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    flooder->up = up[0];
    flooder->down = down[1];
    return flooder->pid > 0 && read(up[0], &byte, 1) == 1;
}

static void flooder_go(const struct flooder *flooder)
{
    char byte = 1;
    if (write(flooder->down, &byte, 1) != 1 || read(flooder->up, &byte, 1) != 1)
        fprintf(stderr, "evtrail bench: the flooding process ended early\n");
}

static void flooder_end(const struct flooder *flooder)
{
    close(flooder->down);
    close(flooder->up);
    waitpid(flooder->pid, NULL, 0);
}

static void sustained(struct bench *bench)
{
    struct result result;
    struct stat status = {0};
    struct flooder flooder;
    char path[PATH_MAX];
    uint64_t events = 0, lost = 0;
    if (!bench_wants(bench, "sustained"))
        return;
    snprintf(path, sizeof(path), "%s/sustained.evt", bench->work);
    if (!flooder_start(&flooder, bench->seconds)) {
        bench_skip(bench, "sustained", "the flooding process could not be started");
        return;
    }
    pid_t recorder = spawn_recorder(bench, path, flooder.pid);
    pause_ns(500000000);
    uint64_t cpu_before = cpu_ns(recorder), start = clock_ns();
    flooder_go(&flooder);
    double cpu = (double)(cpu_ns(recorder) - cpu_before) / (double)(clock_ns() - start);
    pause_ns(300000000);
    if (recorder > 0)
        kill(recorder, SIGTERM);
    if (recorder > 0)
        waitpid(recorder, NULL, 0);
    flooder_end(&flooder);
    if (recorder < 0 || bench_file_totals(path, &events, &lost) < 0 || stat(path, &status) < 0) {
        bench_skip(bench, "sustained", "the recorded file could not be read");
        return;
    }
    result_start(&result, "0 lost at 5 M events/s", "sustained");
    result_add(&result, "seconds", bench->seconds);
    result_add(&result, "events", (double)events);
    result_add(&result, "events_per_s", (double)events / bench->seconds);
    result_add(&result, "lost", (double)lost);
    result_add(&result, "recorder_cpu", cpu);
    result_add(&result, "bytes_per_event", (double)status.st_size / (double)events);
    result_judge(&result, lost == 0 && events >= (uint64_t)(4.9e6 * bench->seconds));
    result_print(bench, &result);
    unlink(path);
}

/* ---- from emission to sight ---- */

/* The scheduler's share: how long after a futex wake-up a process that slept on nothing else runs, beside each event. */
struct ping {
    _Atomic uint32_t word;
    _Atomic uint64_t sent_ns;
    _Atomic uint32_t answers;
    double late[];
};

static pid_t ping_start(struct ping **ret_ping, size_t count)
{
    size_t bytes = sizeof(struct ping) + count * sizeof(double);
    struct ping *ping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ping == MAP_FAILED)
        return -1;
    *ret_ping = ping;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t i = 0; i < count; i++) {
        while (ping->word == i)
            syscall(SYS_futex, &ping->word, FUTEX_WAIT, i, NULL, NULL, 0);
        ping->late[i] = (double)(clock_ns() - ping->sent_ns);
        ping->answers = i + 1;
    }
    _exit(0);
}

static void ping_send(struct ping *ping)
{
    ping->sent_ns = clock_ns();
    ping->word++;
    syscall(SYS_futex, &ping->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

struct emitter {
    long count; /* half as many pings, after every second event */
    struct ping *ping;
};

/* Alone after some ms, in close order, and after a rest in which readers go to sleep. */
static void *emit_now_and_then(void *context)
{
    const struct emitter *emitter = context;
    for (long i = 0; i < emitter->count; i++) {
        pause_ns(i % 16 == 15 ? 30000000 : i % 2 ? 100000 + i * 7919 % 300000 : 4000000 + i * 7919 % 3000000);
        EVTRAIL(info, "bench.visible", EVTRAIL_NS(clock_ns()));
        if (i % 2) {
            pause_ns(2000000);
            ping_send(emitter->ping);
        }
    }
    return NULL;
}

static void visible_run(int fd, int pid, bool low_latency, int until)
{
    struct evtrail_reader_options options = {
        .bytes = sizeof(options), .from_now = true, .low_latency = low_latency, .name = "bench"};
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    struct evtrail_value value;
    struct pollfd stop = {until, POLLIN, 0};
    char text[16], ready = 1;
    snprintf(text, sizeof(text), "%d", pid);
    if (evtrail_reader_new(&reader, &options) < 0 || evtrail_reader_add_process(reader, text) < 0 ||
        write(fd, &ready, 1) != 1)
        _exit(1);
    for (;;) {
        int got = evtrail_reader_next(reader, &event);
        if (got == 0 && poll(&stop, 1, 0) != 0)
            break;
        if (got == 0)
            evtrail_reader_wait(reader, 50000000);
        if (got <= 0 || event->what != EVTRAIL_EVENT || !event->type || strcmp(event->type->name, "bench.visible") != 0)
            continue;
        if (evtrail_event_value(event, 0, &value) < 0)
            continue;
        double late = (double)(clock_ns() - value.u);
        if (write(fd, &late, sizeof(late)) != (ssize_t)sizeof(late))
            break;
    }
    _exit(0);
}

static void visible(struct bench *bench, bool low_latency)
{
    static double late[1000];
    const char *name = low_latency ? "visible/low-latency" : "visible/default";
    struct result result;
    struct emitter emitter = {.count = 600};
    const size_t count = (size_t)emitter.count;
    size_t got = 0;
    int up[2], stop[2];
    char ready = 0;
    pthread_t thread;
    if (!bench_wants(bench, name))
        return;
    EVTRAIL(info, "bench.visible", EVTRAIL_NS(clock_ns()));
    if (pipe(up) < 0 || pipe(stop) < 0)
        return;
    const int me = getpid();
    pid_t pinged = ping_start(&emitter.ping, count / 2);
    pid_t child = fork();
    if (child == 0) {
        close(stop[1]);
        visible_run(up[1], me, low_latency, stop[0]);
    }
    close(up[1]);
    close(stop[0]);
    if (pinged > 0 && child > 0 && read(up[0], &ready, 1) == 1 &&
        pthread_create(&thread, NULL, emit_now_and_then, &emitter) == 0) {
        struct pollfd in = {up[0], POLLIN, 0};
        while (got < count && poll(&in, 1, 2000) > 0 && read(up[0], &late[got], sizeof(late[0])) == sizeof(late[0]))
            if (late[got] < 1e9)
                got++;
        pthread_join(thread, NULL);
    }
    close(stop[1]);
    close(up[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    size_t pings = pinged > 0 ? emitter.ping->answers : 0;
    if (pinged > 0) {
        kill(pinged, SIGKILL);
        waitpid(pinged, NULL, 0);
    }
    if (got < count / 2 || pings < count / 4) {
        bench_skip(bench, name, "the reader process saw too few events");
        return;
    }
    result_start(&result, low_latency ? "p99 <= 50 us" : "p99 <= 2 ms", "%s", name);
    result_add(&result, "p50_us", quantile(late, got, 0.5) / 1e3);
    result_add(&result, "p99_us", quantile(late, got, 0.99) / 1e3);
    result_add(&result, "ping_p50_us", quantile(emitter.ping->late, pings, 0.5) / 1e3);
    result_add(&result, "ping_p99_us", quantile(emitter.ping->late, pings, 0.99) / 1e3);
    result_add(&result, "events", (double)got);
    munmap(emitter.ping, sizeof(struct ping) + count / 2 * sizeof(double));
    result_judge(&result, quantile(late, got, 0.99) <= (low_latency ? 50e3 : 2e6));
    result_print(bench, &result);
}

/* ---- idle ---- */

static void idle(struct bench *bench)
{
    struct result result;
    if (!bench_wants(bench, "idle"))
        return;
    struct drain *drain = drain_start(getpid(), true, false);
    if (!drain) {
        bench_skip(bench, "idle", "the reader process could not be started");
        return;
    }
    pause_ns(1000000000);
    int reader = *(int *)drain; /* its pid is the first member */
    uint64_t mine = cpu_ns(0), theirs = cpu_ns(reader), start = clock_ns();
    pause_ns(5000000000);
    double wall = (double)(clock_ns() - start);
    double program = (double)(cpu_ns(0) - mine) / wall * 100, consumer = (double)(cpu_ns(reader) - theirs) / wall * 100;
    drain_stop(drain, NULL);
    result_start(&result, "< 0.1 % CPU each", "idle");
    result_add(&result, "program_percent", program);
    result_add(&result, "consumer_percent", consumer);
    result_judge(&result, program < 0.1 && consumer < 0.1);
    result_print(bench, &result);
}

/* ---- memory ---- */

static pthread_barrier_t memory_barrier;

static void *ten_events(void *unused)
{
    for (int i = 0; i < 10; i++)
        EVTRAIL(info, "bench.memory", i);
    pthread_barrier_wait(&memory_barrier);
    pthread_barrier_wait(&memory_barrier);
    return unused;
}

static double session_kib(void)
{
    struct stat status;
    const char *path = evtrail_session_path();
    return path && stat(path, &status) == 0 ? (double)status.st_blocks / 2 : 0;
}

static void memory(struct bench *bench)
{
    enum { THREADS = 200 };
    static pthread_t threads[THREADS];
    struct result result;
    if (!bench_wants(bench, "memory"))
        return;
    double before = session_kib();
    int started = 0;
    pthread_barrier_init(&memory_barrier, NULL, THREADS + 1);
    for (; started < THREADS; started++)
        if (pthread_create(&threads[started], NULL, ten_events, NULL) != 0)
            break;
    if (started < THREADS) {
        bench_skip(bench, "memory", "200 threads could not be started");
        exit(7); /* those that run wait for the rest */
    }
    pthread_barrier_wait(&memory_barrier);
    double kib = (session_kib() - before) / THREADS;
    pthread_barrier_wait(&memory_barrier);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    result_start(&result, "a few pages for a thread with 10 events", "memory");
    result_add(&result, "threads", THREADS);
    result_add(&result, "kib_per_thread", kib);
    result_judge(&result, kib <= 16);
    result_print(bench, &result);
}

void bench_processes(struct bench *bench)
{
    start_case(bench);
    evtrail_rule("bench");
    evtrail_rule("-bench.flood"); /* the recorder switches it on */
    visible(bench, false);
    visible(bench, true);
    idle(bench);
    memory(bench);
    evtrail_rule("bench.flood");
    sustained(bench);
    evtrail_rule("-bench");
}
