/* SPDX-License-Identifier: ISC
 *
 * A session's life in what programs do: fork, exec, dlopen, signals, many threads and types, and no room anywhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "support/child.h"
#include "shared/rules.h"
#include "support/trail.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

/* ---- what the programs do (each runs in a process of its own) ---- */

static void emit(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        EVTRAIL(info, "s.e", i);
}

static void scenario_ten(void)
{
    emit(10);
    EVTRAIL(info, "s.off");
}

static void scenario_killed(void)
{
    emit(1000);
    kill(getpid(), SIGKILL);
}

static void scenario_flood(void)
{
    emit(200000);
}

static void scenario_exec(void)
{
    emit(10);
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

static void scenario_close_all(void)
{
    emit(10);
    for (int fd = 3; fd < 1000; fd++)
        close(fd);
    write(1, "x", 1);
    for (;;)
        emit(1), usleep(1000);
}

/* Emits and dies in the destructors of a thread-specific key, before and after evtrail's own. */
static pthread_key_t key;
static void late(void *left)
{
    EVTRAIL(info, "s.late");
    if ((intptr_t)left > 1)
        pthread_setspecific(key, (void *)((intptr_t)left - 1));
}

static void *thread_with_late_events(void *unused)
{
    pthread_setspecific(key, (void *)4);
    EVTRAIL(info, "s.thread");
    return NULL;
}

static void at_exit(void)
{
    EVTRAIL(info, "s.atexit");
}

static void scenario_edges(void)
{
    pthread_t thread;
    atexit(at_exit);
    pthread_key_create(&key, late);
    for (int i = 0; i < 10; i++) {
        CHECK(pthread_create(&thread, NULL, thread_with_late_events, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

__attribute__((constructor)) static void early(void)
{
    EVTRAIL(info, "s.constructor");
    if (getenv("EVTRAIL_TEST_FORK_EARLY")) {
        unsetenv("EVTRAIL_TEST_FORK_EARLY");
        if (fork() == 0) {
            emit(7);
            _exit(0);
        }
        wait(NULL);
    }
}

__attribute__((destructor)) static void destructed(void)
{
    EVTRAIL(info, "s.destructor");
}

static void reap(unsigned n)
{
    int status;
    while (n--)
        CHECK(wait(&status) > 0 && status == 0);
}

static void scenario_fork(void)
{
    emit(5);
    if (fork() == 0) {
        emit(6);
        if (fork() == 0) {
            emit(7);
            exit(0);
        }
        emit(1);
        reap(1);
        exit(0);
    }
    if (fork() == 0)
        _exit(0); /* no event, no session */
    emit(3);
    reap(2);
}

static void scenario_raw_clone(void)
{
    emit(5);
    if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == 0) {
        emit(6);
        _exit(0);
    }
    emit(3);
    reap(1);
}

static void scenario_vfork(void)
{
    emit(5);
    pid_t pid = vfork();
    if (pid == 0) {
        emit(1); /* the parent's memory: its ring */
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    emit(4);
    reap(1);
}

static atomic_bool stop;
static atomic_ulong emitted;

static void *emit_for_ever(void *unused)
{
    while (!atomic_load(&stop)) {
        emit(100);
        atomic_fetch_add(&emitted, 100);
    }
    return NULL;
}

/* The sanitizers' own exit handlers wait for locks that other threads of the parent held at the fork. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHILDREN_MAY_EXIT 0
#else
#define CHILDREN_MAY_EXIT 1
#endif

static void scenario_fork_threads(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, emit_for_ever, NULL) == 0);
    for (int i = 0; i < 40; i++) {
        evtrail_rule(i & 1 ? "s.f" : "-s.f");
        if (fork() == 0) {
            emit(11);
            if (CHILDREN_MAY_EXIT && i % 4 == 0)
                exit(0);
            _exit(0);
        }
    }
    reap(40);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct trail *t = trail_open(evtrail_session_path());
    CHECK_SOUND(t);
    CHECK_EQ(t->recorded + t->lost_all, atomic_load(&emitted) + 1); /* and the constructor's */
    trail_close(t);
}

/* main returns while threads are inside emissions. */
static void scenario_exit_threads(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, emit_for_ever, NULL) == 0);
    usleep(5000);
}

static void plugin(const char *path, int times)
{
    for (int i = 0; i < times; i++) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            fprintf(stderr, "%s\n", dlerror());
            _exit(1);
        }
        void (*run)(int) = (void (*)(int))dlsym(handle, "plugin_emit");
        CHECK(run != NULL);
        run(10);
        dlclose(handle);
        emit(1);
    }
}

static void scenario_plugin(void)
{
    plugin(EVTRAIL_TEST_PLUGIN, 20);
}

static void scenario_plugin_standalone(void)
{
    plugin(EVTRAIL_TEST_STANDALONE_PLUGIN, 20);
}

static void emit_each(const struct evtrail_point *const *points, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct evtrail_arg arg = {i, NULL};
        if (points[i])
            evtrail_emit(points[i], 0, &arg, 1);
    }
}

static void scenario_types(void)
{
    enum { TYPES = 10000 };
    static const struct evtrail_point *points[TYPES];
    char name[64];
    struct evtrail_field_desc field = {.type = EVTRAIL_TYPE_u64, .name = "value"};
    struct evtrail_event_desc desc = {
        .bytes = sizeof(desc), .name = name, .level = 4, .fields_count = 1, .fields = &field};
    for (int i = 0; i < TYPES; i++) {
        snprintf(name, sizeof(name), "s.types.number.%d", i);
        int result = evtrail_register(&desc, &points[i]);
        CHECK(result == 0 || result == -ENOMEM);
    }
    emit_each(points, TYPES);
    if (fork() == 0) { /* with all of them */
        emit_each(points, TYPES);
        _exit(0);
    }
    reap(1);
    const struct evtrail_point *point;
    int result = 0;
    for (int i = TYPES; i < 17000 && result == 0; i++) {
        snprintf(name, sizeof(name), "s.types.number.%d", i);
        result = evtrail_register(&desc, &point);
    }
    CHECK(result == -ENOSPC || result == -ENOMEM);
}

static pthread_barrier_t barrier;
static void *ten_events(void *unused)
{
    emit(10);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void scenario_thousand_threads(void)
{
    enum { THREADS = 1000 };
    static pthread_t threads[THREADS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 << 10);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], &small, ten_events, NULL) != 0)
            _exit(CHILD_SKIP);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static uint64_t session_address_space(void)
{
    char line[1024];
    uint64_t start, end, sum = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps))
        if (strstr(line, ".trail") && sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2)
            sum += end - start;
    fclose(maps);
    return sum;
}

/* Rings of 32 MiB: what is mapped from the start has room for one. */
static void scenario_large_rings(void)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    CHECK(session_address_space() > 0 && session_address_space() <= (uint64_t)64 << 20);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, ten_events, NULL) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(session_address_space() <= (uint64_t)(64 + 6 * 32) << 20);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- signals ---- */

static volatile sig_atomic_t from_handlers; /* handlers of one thread, one after the other or nested */
static uint64_t spans[1 << 20];
static atomic_uint spans_count;

static void take_span(void)
{
    unsigned n = atomic_fetch_add(&spans_count, 1);
    if (n < 1 << 20)
        spans[n] = evtrail_span_id();
}

static void handler(int number)
{
    static const char text[700];
    EVTRAIL(info, "s.signal", number);
    EVTRAIL(error, "s.signal.large", evtrail_bytes(text, sizeof(text)));
    evtrail_label("handler", number == SIGALRM ? "a" : "a rather longer value");
    take_span();
    __atomic_fetch_add(&from_handlers, 2, __ATOMIC_RELAXED);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void start_timers(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerval every = {{0, 60}, {0, 60}};
    struct itimerspec other = {{0, 47000}, {0, 47000}};
    timer_t timer;
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &other, NULL);
}

static void stop_timers(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* The policy is in the environment. */
static void scenario_signals(void)
{
    static const char text[300];
    uint64_t own = 0;
    const uint64_t end = now_ns() + 1000000000;
    emit(1);
    start_timers();
    while (now_ns() < end)
        for (int i = 0; i < 100; i++, own += 4) {
            EVTRAIL(info, "s.main", own);
            EVTRAIL(trace, "s.main.text", evtrail_bytes(text, (size_t)i * 3));
            EVTRAIL(debug, "s.channel", i);
            EVTRAIL(warning, "s.context", i);
            take_span();
            if (i % 10 == 0)
                evtrail_label("main", i & 1 ? "x" : NULL);
        }
    stop_timers();
    struct trail *t = trail_open(evtrail_session_path());
    CHECK_SOUND(t);
    CHECK_EQ(t->recorded + t->lost_all, own + (uint64_t)from_handlers + 2);
    CHECK(from_handlers > (SANITIZED || under_valgrind() ? 10 : 1000)); /* the thread sanitizer holds signals back */
    unsigned n = atomic_load(&spans_count);
    n = n < 1 << 20 ? n : 1 << 20;
    qsort(spans, n, sizeof(spans[0]), compare);
    for (unsigned i = 1; i < n; i++)
        CHECK(spans[i] != spans[i - 1]);
    CHECK_EQ(t->lost[EVTRAIL_LOST_MEMORY], 0);
    trail_close(t);
}

static void *emit_few(void *unused)
{
    emit(20);
    return NULL;
}

/* Threads that are interrupted at any point of their start and end, while the settings change. */
static void scenario_signals_threads(void)
{
    const uint64_t end = now_ns() + 1000000000;
    uint64_t own = 0, round = 0;
    emit(1);
    start_timers();
    for (; now_ns() < end; own += 20, round++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, emit_few, NULL) == 0)
            pthread_join(thread, NULL);
        else
            own -= 20;
        if (round % 50 == 0)
            evtrail_set(round % 100 ? "block=8K" : "block=16K");
    }
    stop_timers();
    struct trail *t = trail_open(evtrail_session_path());
    CHECK_SOUND(t);
    CHECK_EQ(t->recorded + t->lost_all, own + (uint64_t)from_handlers + 2);
    CHECK(t->rings_count <= 70); /* those of threads that a signal met behind their destructors are taken back at 64 */
    trail_close(t);
}

/* Consumer 1a2 reads this process alone, 1a3 every process that appears. */
static void scenario_fork_consumers(void)
{
    char lines[EVTRAIL_RULES_BYTES];
    emit(1);
    struct trail *t = trail_open(evtrail_session_path());
    CHECK(t != NULL);
    CHECK(evtrail_rules_append(t->control, "1a2", "s.only") == 0);
    CHECK(evtrail_rules_append(t->control, "1a3", "s.all") == 0);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        emit(1);
        struct trail *child = trail_open(evtrail_session_path());
        CHECK(child != NULL && child->header->session_id != t->header->session_id);
        lines[evtrail_rules_copy(child->control, lines)] = '\0';
        CHECK(strcmp(lines, "0 s\n1a3 s.all\n") == 0);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
    trail_close(t);
}

/* The library's getrandom() is ours: a session takes as long to make as we like. */
static _Atomic bool slow_start, making;

__attribute__((visibility("default"))) ssize_t getrandom(void *to, size_t bytes, unsigned flags)
{
    if (atomic_load(&slow_start)) {
        atomic_store(&making, true);
        usleep(200000);
    }
    return syscall(SYS_getrandom, to, bytes, flags);
}

static void *emit_first(void *unused)
{
    emit(1);
    return unused;
}

static void scenario_load_while_made(void)
{
    emit(1);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        alarm(60); /* not inherited */
        atomic_store(&slow_start, true);
        CHECK(pthread_create(&thread, NULL, emit_first, NULL) == 0);
        while (!atomic_load(&making))
            sched_yield();
        void *plugin = dlopen(EVTRAIL_TEST_PLUGIN, RTLD_NOW);
        CHECK(plugin != NULL);
        void (*use)(int) = (void (*)(int))dlsym(plugin, "plugin_emit");
        CHECK(use != NULL);
        pthread_join(thread, NULL);
        use(7);
        struct trail *t = trail_open(evtrail_session_path());
        CHECK(t != NULL);
        CHECK_EQ(trail_count(t, "s.plugin"), 7);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
}

/* Fills the disk, so that the schema of a large type has no room; then makes room. */
static void scenario_no_room_for_a_type(void)
{
    static char long_text[1000];
    static const struct evtrail_field_desc fields[] = {{EVTRAIL_TYPE_u32, "n", "", long_text, NULL},
                                                       {EVTRAIL_TYPE_u32, "o", "", long_text, NULL},
                                                       {EVTRAIL_TYPE_enum, "p", "", long_text, long_text},
                                                       {EVTRAIL_TYPE_enum, "q", "", long_text, long_text},
                                                       {EVTRAIL_TYPE_enum, "r", "", long_text, long_text}};
    static struct evtrail_point point = {
        .level = EVTRAIL_LEVEL_info, .fields_count = 5, .abi = EVTRAIL_ABI, .name = "s.large", .fields = fields};
    static const uint8_t off;
    struct evtrail_point *const one = &point;
    char path[512], zeros[4096] = "";
    point.enabled = &off;
    memset(long_text, 'x', sizeof(long_text) - 1);
    emit(1);
    snprintf(path, sizeof(path), "%s/filler", getenv("EVTRAIL_DIR"));
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    evtrail_points_add(&one, &one + 1);
    struct evtrail_arg args[5] = {{1, NULL}, {2, NULL}, {3, NULL}, {4, NULL}, {5, NULL}};
    for (int i = 0; i < 10; i++)
        evtrail_emit(&point, 0, args, 5);
    unlink(path);
    close(fd);
    for (int i = 0; i < 20; i++)
        evtrail_emit(&point, 0, args, 5);
    struct trail *t = trail_open(evtrail_session_path());
    CHECK_SOUND(t);
    const size_t seen = trail_count(t, "s.large");
    CHECK(seen >= 10 && seen < 20);
    CHECK_EQ(t->header->lost_no_ring + seen, 30);
    trail_close(t);
}

static const struct child_scenario scenarios[] = {
    {"ten", scenario_ten},
    {"killed", scenario_killed},
    {"flood", scenario_flood},
    {"exec", scenario_exec},
    {"close-all", scenario_close_all},
    {"edges", scenario_edges},
    {"fork", scenario_fork},
    {"raw-clone", scenario_raw_clone},
    {"vfork", scenario_vfork},
    {"fork-threads", scenario_fork_threads},
    {"exit-threads", scenario_exit_threads},
    {"plugin", scenario_plugin},
    {"plugin-standalone", scenario_plugin_standalone},
    {"types", scenario_types},
    {"thousand-threads", scenario_thousand_threads},
    {"large-rings", scenario_large_rings},
    {"signals", scenario_signals},
    {"fork-consumers", scenario_fork_consumers},
    {"load-while-made", scenario_load_while_made},
    {"no-room-for-a-type", scenario_no_room_for_a_type},
    {"signals-threads", scenario_signals_threads},
};

/* ---- reading what they left ---- */

static struct trail *open_nth(const char *directory, unsigned n)
{
    char path[512];
    assert_true(trail_find(directory, n, path, sizeof(path)));
    struct trail *t = trail_open(path);
    assert_non_null(t);
    if (t->faults)
        print_error("%s: %s\n", path, t->fault);
    assert_int_equal(t->faults, 0);
    assert_false(trail_alive(path));
    return t;
}

static bool is_empty(const char *directory)
{
    return rmdir(directory) == 0 && mkdir(directory, 0700) == 0;
}

/* The sessions of a directory, whose numbers of "s.e" events are `wanted`, in any order. */
static void assert_sessions(const char *directory, const unsigned *wanted, unsigned count)
{
    bool found[64] = {false};
    assert_int_equal(trail_sessions(directory), count);
    for (unsigned n = 0; n < count; n++) {
        struct trail *t = open_nth(directory, n);
        size_t events = trail_count(t, "s.e");
        unsigned i = 0;
        while (i < count && (found[i] || wanted[i] != events))
            i++;
        if (i == count)
            print_error("a session with %zu events\n", events);
        assert_true(i < count);
        found[i] = true;
        assert_int_equal(t->lost_all, 0);
        trail_close(t);
    }
}

/* ---- start and end ---- */

static void environment__rules_and_settings__are_in_force(void **state)
{
    SKIP_UNDER_QEMU("the program is qemu");
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("ten", directory,
                                "s policy=drop,block=16K;blocks=8 keep=1 bad==1 block=1 -s.off no:such@rule x=y"));
    struct trail *t = open_nth(directory, 0);
    assert_int_equal(trail_count(t, "s.e"), 10);
    assert_int_equal(trail_count(t, "s.off"), 0);
    assert_int_equal(t->control->settings.policy, EVTRAIL_POLICY_drop);
    assert_int_equal(t->control->settings.block_bytes, 16384);
    assert_int_equal(t->control->settings.blocks, 8);
    assert_int_equal(t->rings[0].block_bytes, 16384);
    assert_int_equal(t->header->exiting, 1);
    assert_int_equal(t->header->version, EVTRAIL_LAYOUT_VERSION);
    assert_true(t->header->program[0] == '/' && t->header->command[0]); /* an emulator's, if there is one */
    trail_close(t);
}

static void environment__off__no_session(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("ten", directory, "s keep=1 off"));
    assert_true(is_empty(directory));
}

static void exit__clean__files_are_gone(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("ten", directory, "s"));
    assert_true(is_empty(directory));
    ASSERT_CHILD(child_scenario("ten", directory, NULL));
    assert_true(is_empty(directory));
}

static void exit__killed__every_event_is_left(void **state)
{
    const char *directory = child_new_directory();
    int status = child_scenario("killed", directory, "s policy=drop");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct trail *t = open_nth(directory, 0);
    assert_int_equal(trail_count(t, "s.e"), 1000);
    assert_int_equal(t->header->exiting, 0);
    trail_close(t);
}

static void exit__while_threads_emit__what_they_wrote_is_whole(void **state)
{
    for (int i = 0; i < 20; i++) {
        const char *directory = child_new_directory();
        ASSERT_CHILD(child_scenario("exit-threads", directory, "s keep=1"));
        struct trail *t = open_nth(directory, 0);
        assert_int_equal(trail_count(t, "s.e") + trail_count(t, "s.constructor") + trail_count(t, "s.destructor"),
                         t->events_count);
        trail_close(t);
    }
}

static void edges__constructor_destructor_atexit_thread_exit__all_recorded(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("edges", directory, "s keep=1"));
    struct trail *t = open_nth(directory, 0);
    assert_int_equal(trail_count(t, "s.constructor"), 1);
    assert_int_equal(trail_count(t, "s.destructor"), 1);
    assert_int_equal(trail_count(t, "s.atexit"), 1);
    assert_int_equal(trail_count(t, "s.thread"), 10);
    assert_int_equal(trail_count(t, "s.late"), 40);
    assert_int_equal(t->lost_all, 0);
    assert_true(t->rings_count <= 22);
    trail_close(t);
}

/* ---- directories ---- */

static void directory__missing__is_made_for_us_alone(void **state)
{
    char path[400];
    struct stat status;
    snprintf(path, sizeof(path), "%s/made", child_new_directory());
    ASSERT_CHILD(child_scenario("ten", path, "s keep=1"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(trail_sessions(path), 1);
}

static void directory__cannot_be_made_or_trusted__program_goes_on(void **state)
{
    char path[400], target[300];
    snprintf(path, sizeof(path), "%s/no/such", child_new_directory());
    ASSERT_CHILD(child_scenario("ten", path, "s keep=1"));
    ASSERT_CHILD(child_scenario("ten", "/proc/self", "s keep=1"));
    ASSERT_CHILD(child_scenario("ten", "/dev/null", "s keep=1"));
    const char *open_to_all = child_new_directory();
    chmod(open_to_all, 0777);
    ASSERT_CHILD(child_scenario("ten", open_to_all, "s keep=1"));
    assert_true(is_empty(open_to_all));
    snprintf(target, sizeof(target), "%s", child_new_directory());
    snprintf(path, sizeof(path), "%s/link", child_new_directory());
    assert_int_equal(symlink(target, path), 0);
    ASSERT_CHILD(child_scenario("ten", path, "s keep=1"));
    assert_true(is_empty(target));
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    ASSERT_CHILD(child_scenario("ten", path, "s keep=1"));
}

static void directory__of_another_user__program_goes_on(void **state)
{
    const char *directory = child_new_directory();
    if (getuid() != 0 || chown(directory, 65534, 65534) < 0) {
        print_message("skipped: only root can make another user's directory\n");
        skip();
    }
    ASSERT_CHILD(child_scenario("ten", directory, "s keep=1"));
    assert_true(rmdir(directory) == 0);
}

/* ---- no room ---- */

/* Mounts that nobody else sees, and that end with this process however it ends. */
static bool own_mounts(void)
{
    static int done = -1;
    if (done < 0)
        done = unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
    return done;
}

static void run_on_small_disk(const char *directory, unsigned kib, const char *scenario, const char *evtrail)
{
    char options[64];
    snprintf(options, sizeof(options), "size=%uk,mode=0700", kib);
    if (!own_mounts() || mount("none", directory, "tmpfs", 0, options) < 0) {
        print_message("skipped: cannot mount a small tmpfs: %s\n", strerror(errno));
        skip();
    }
    int status = child_scenario(scenario, directory, evtrail);
    if (status != 0)
        print_error("with %u KiB: %#x\n", kib, (unsigned)status);
    for (unsigned n = 0; n < trail_sessions(directory); n++) {
        struct trail *t = open_nth(directory, n);
        const bool wanted = t->control && atomic_load(&t->control->rules_bytes); /* there was room for the rule */
        if (strcmp(scenario, "flood") == 0 && wanted && t->header->types_count > EVTRAIL_EVENT_FIRST + 3) {
            assert_int_equal(t->recorded + t->lost_all, 200002); /* and the constructor's and the destructor's */
            assert_true(t->lost[EVTRAIL_LOST_MEMORY] == t->lost_all);
        }
        trail_close(t);
    }
    umount2(directory, MNT_DETACH);
    assert_int_equal(status, 0);
}

static void disk__full_at_any_point__events_are_counted_and_the_program_goes_on(void **state)
{
    SKIP_UNDER_QEMU("MADV_POPULATE_WRITE does nothing and says it did");
    const char *directory = child_new_directory();
    for (unsigned kib = 4; kib <= 96; kib += 4)
        run_on_small_disk(directory, kib, "flood", "s keep=1 policy=drop");
    run_on_small_disk(directory, 400, "flood", "s keep=1 policy=drop");
    run_on_small_disk(directory, 1000, "flood", "s keep=1 policy=overwrite");
}

static void disk__full_with_many_types_and_a_fork__no_signal(void **state)
{
    SKIP_UNDER_QEMU("MADV_POPULATE_WRITE does nothing and says it did");
    const char *directory = child_new_directory();
    for (unsigned kib = 2000; kib <= 5000; kib += 500)
        run_on_small_disk(directory, kib, "types", "s keep=1 policy=drop");
}

static void disk__full_when_a_type_is_registered__its_events_are_counted_until_there_is_room(void **state)
{
    SKIP_UNDER_QEMU("MADV_POPULATE_WRITE does nothing and says it did");
    const char *directory = child_new_directory();
    run_on_small_disk(directory, 400, "no-room-for-a-type", "s");
}

struct limit {
    int what;
    rlim_t most;
    const char *directory;
    bool allocate;
};

static void run_limited(void *argument)
{
    const struct limit *limit = argument;
    struct rlimit most = {limit->most, limit->most};
    CHECK(setrlimit((__rlimit_resource_t)limit->what, &most) == 0);
    setenv("EVTRAIL_DIR", limit->directory, 1);
    setenv("EVTRAIL", "s keep=1 policy=drop", 1);
    child_exec((char *[]){(char *)"test", (char *)"scenario", (char *)"flood", NULL});
    _exit(126);
}

static void file_size__limited__no_signal(void **state)
{
    if (getenv("VALGRIND")) {
        print_message("skipped: the limit would be valgrind's\n");
        skip();
    }
#ifdef __SANITIZE_THREAD__
    print_message("skipped: the thread sanitizer makes larger files itself\n");
    skip();
#endif
    if (under_valgrind()) {
        print_message("skipped: valgrind makes larger files itself\n");
        skip();
    }
    static const rlim_t limits[] = {0, 4096, 1 << 20, 33 << 20, 40 << 20, (64 << 20) + 123};
    for (unsigned i = 0; i < 6; i++) {
        struct limit limit = {RLIMIT_FSIZE, limits[i], child_new_directory(), false};
        ASSERT_CHILD(child_fork(run_limited, &limit));
        assert_true(limits[i] >= 33 << 20 || is_empty(limit.directory));
        if (limits[i] >= 40 << 20) {
            struct trail *t = open_nth(limit.directory, 0);
            assert_int_equal(t->recorded + t->lost_all, 200002);
            assert_true(t->recorded > 10000);
            trail_close(t);
        }
    }
}

static void scenario_free(void *argument)
{
    const struct limit *limit = argument;
    struct rlimit most = {limit->most, limit->most};
    CHECK(setrlimit(RLIMIT_AS, &most) == 0);
    CHECK(evtrail_rule("s") >= 0); /* makes a session of its own, under the limit */
    emit(100);
    CHECK(evtrail_session_path() != NULL);
    void *map = mmap(NULL, limit->most / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(map != MAP_FAILED);
}

static void address_space__limited__most_of_it_is_left_to_the_program(void **state)
{
    if (SANITIZED || under_valgrind() || sizeof(void *) < 8) {
        print_message("skipped: the sanitizer takes all address space\n");
        skip();
    }
    for (rlim_t most = (rlim_t)512 << 20; most <= (rlim_t)64 << 30; most *= 4) {
        struct limit limit = {RLIMIT_AS, most, child_new_directory(), false};
        ASSERT_CHILD(child_fork(run_limited, &limit));
        assert_int_equal(trail_sessions(limit.directory), 1);
        ASSERT_CHILD(child_fork(scenario_free, &limit));
    }
    struct limit tiny = {RLIMIT_AS, 24 << 20, child_new_directory(), false};
    int status = child_fork(run_limited, &tiny);
    assert_true(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 127)); /* or the loader had too little */
}

static void plugin__loaded_while_a_childs_session_is_made__its_points_are_on(void **state)
{
    ASSERT_CHILD(child_scenario("load-while-made", child_new_directory(), "*"));
}

/* ---- fork, exec ---- */

static void fork__consumers_rules__only_of_those_that_follow(void **state)
{
    ASSERT_CHILD(child_scenario("fork-consumers", child_new_directory(), "s"));
}

static void fork__child_gets_a_session_with_its_first_event(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("fork", directory, "s keep=1"));
    assert_sessions(directory, (const unsigned[]){8, 7, 7}, 3);
    struct trail *t = open_nth(directory, 1);
    assert_int_equal(t->control->settings.flags, EVTRAIL_SETTING_KEEP); /* the parent's settings */
    trail_close(t);
}

static void fork__clean_exit_of_all__files_are_gone(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("fork", directory, "s"));
    assert_true(is_empty(directory));
}

static void fork__raw_clone__child_does_not_write_its_parents_ring(void **state)
{
    SKIP_UNDER_QEMU("MADV_WIPEONFORK does nothing and says it did");
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("raw-clone", directory, "s keep=1"));
    assert_sessions(directory, (const unsigned[]){8, 6}, 2);
}

static void fork__vfork_and_exec__parents_session(void **state)
{
    SKIP_UNDER_QEMU("vfork is fork");
#ifdef __SANITIZE_THREAD__
    print_message("skipped: the thread sanitizer makes vfork a fork\n");
    skip();
#endif
    if (under_valgrind()) {
        print_message("skipped: valgrind makes vfork a fork\n");
        skip();
    }
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("vfork", directory, "s keep=1"));
    assert_sessions(directory, (const unsigned[]){10}, 1);
}

static void fork__in_a_constructor__child_gets_a_session(void **state)
{
    const char *directory = child_new_directory();
    setenv("EVTRAIL_TEST_FORK_EARLY", "1", 1);
    int status = child_scenario("ten", directory, "s keep=1");
    unsetenv("EVTRAIL_TEST_FORK_EARLY");
    ASSERT_CHILD(status);
    assert_sessions(directory, (const unsigned[]){10, 7}, 2);
}

static void fork__while_threads_emit__all_are_whole(void **state)
{
    if (under_valgrind()) {
        print_message("skipped: valgrind runs one thread at a time, and forking waits for its turn too long\n");
        skip();
    }
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("fork-threads", directory, "s keep=1"));
    assert_int_equal(trail_sessions(directory), 41);
    unsigned elevens = 0;
    for (unsigned n = 0; n < 41; n++) {
        struct trail *t = open_nth(directory, n);
        elevens += trail_count(t, "s.e") == 11;
        trail_close(t);
    }
    assert_int_equal(elevens, 40);
}

static void exec__ends_the_session(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("exec", directory, "s"));
    struct trail *t = open_nth(directory, 0); /* not alive; nobody unlinked it */
    assert_int_equal(trail_count(t, "s.e"), 10);
    trail_close(t);
}

static void descriptors__program_closes_all__stays_alive_and_recorded(void **state)
{
    char path[512], byte;
    int ends[2];
    const char *directory = child_new_directory();
    assert_int_equal(pipe(ends), 0);
    int out = dup(1);
    dup2(ends[1], 1);
    pid_t pid = child_scenario_start("close-all", directory, "s policy=drop");
    dup2(out, 1);
    close(out);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    assert_true(trail_find(directory, 0, path, sizeof(path)));
    assert_true(trail_alive(path));
    usleep(20000);
    assert_true(trail_alive(path));
    kill(pid, SIGKILL);
    child_wait(pid);
    struct trail *t = open_nth(directory, 0);
    assert_true(trail_count(t, "s.e") > 10);
    trail_close(t);
}

static void privileges__setuid_program__is_off(void **state)
{
    char path[64] = "/tmp/evtrail-setuid-XXXXXX", command[700];
    const char *directory = child_new_directory();
    struct statvfs fs;
    if (getuid() != 0 || SANITIZED || under_valgrind() || statvfs("/tmp", &fs) < 0 || (fs.f_flag & ST_NOSUID)) {
        print_message("skipped: no root, a sanitizer, or /tmp is mounted nosuid\n");
        skip();
    }
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    chmod(child_directory(), 0755);
    snprintf(command, sizeof(command),
             "cp /proc/%d/exe %s && chmod 4755 %s && exec setpriv --reuid=65534 --clear-groups --inh-caps=-all "
             "env EVTRAIL_DIR=%s EVTRAIL='s keep=1' bash -c 'exec -a scenario %s ten'",
             (int)getpid(), path, path, directory, path);
    int status = system(command);
    unlink(path);
    chmod(child_directory(), 0700);
    if (status != 0) {
        print_message("skipped: the setuid copy does not start here (%#x)\n", (unsigned)status);
        skip();
    }
    assert_true(is_empty(directory));
}

/* ---- libraries ---- */

static void plugin__loaded_and_unloaded_again_and_again__its_types_stay_the_same(void **state)
{
    static const char *const names[] = {"plugin", "plugin-standalone"};
    for (int i = 0; i < 2; i++) {
        const char *directory = child_new_directory();
        ASSERT_CHILD(child_scenario(names[i], directory, "s keep=1 policy=drop"));
        struct trail *t = open_nth(directory, 0);
        assert_int_equal(trail_count(t, "s.plugin"), 200);
        assert_int_equal(trail_count(t, "s.plugin.large"), 200);
        assert_int_equal(trail_count(t, "s.plugin.at"), 20);
        assert_int_equal(trail_count(t, "s.e"), 20);
        assert_int_equal(trail_event(t, "s.plugin", 0)->id, trail_event(t, "s.plugin", 199)->id);
        assert_int_equal(t->lost_all, 0);
        trail_close(t);
    }
}

static void run_standalone(const char *directory, const char *preload, const char *argument, unsigned events)
{
    char command[900], line[32] = "";
    snprintf(command, sizeof(command), "EVTRAIL_DIR=%s EVTRAIL='s keep=1 policy=drop' %s%s %s %s", directory,
             preload ? "LD_PRELOAD=" : "", preload ? preload : "", EVTRAIL_TEST_STANDALONE, argument);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof(line), pipe));
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(atoi(line), events);
    if (events == 0) {
        assert_true(is_empty(directory));
        return;
    }
    struct trail *t = open_nth(directory, 0);
    assert_int_equal(trail_count(t, "s.standalone"), events);
    assert_int_equal(t->lost_all, 0);
    trail_close(t);
}

static void standalone__library_absent__silent(void **state)
{
    SKIP_UNDER_QEMU("sh cannot start what was built");
    run_standalone(child_new_directory(), NULL, "", 0);
}

static void standalone__library_preloaded__emits(void **state)
{
    SKIP_UNDER_QEMU("sh cannot start what was built");
    if (SANITIZED) {
        print_message("skipped: a sanitizer's run-time must come first\n");
        skip();
    }
    if (under_valgrind()) {
        print_message("skipped: valgrind preloads libraries of its own\n");
        skip();
    }
    run_standalone(child_new_directory(), EVTRAIL_TEST_LIBRARY, "", 200);
}

static void standalone__library_loaded_later__emits_from_then_on(void **state)
{
    SKIP_UNDER_QEMU("sh cannot start what was built");
    run_standalone(child_new_directory(), NULL, EVTRAIL_TEST_LIBRARY, 200);
}

/* ---- many ---- */

static void types__ten_thousand__all_have_their_schema_in_a_forked_child_too(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("types", directory, "s keep=1 policy=drop"));
    assert_int_equal(trail_sessions(directory), 2);
    for (unsigned n = 0; n < 2; n++) {
        char name[64];
        struct trail *t = open_nth(directory, n);
        size_t found = 0;
        for (size_t i = 0; i < t->events_count; i++) {
            if (strncmp(t->events[i].name, "s.types", 7) != 0)
                continue;
            snprintf(name, sizeof(name), "s.types.number.%u", (unsigned)t->events[i].payload[0]);
            assert_string_equal(t->events[i].name, name);
            found++;
        }
        assert_int_equal(found, 10000);
        assert_int_equal(t->lost_all, 0);
        trail_close(t);
    }
}

static uint64_t memory_of(const char *directory)
{
    char path[512], control[512];
    struct stat data, ctl;
    assert_true(trail_find(directory, 0, path, sizeof(path)));
    snprintf(control, sizeof(control), "%.*s.ctl", (int)strlen(path) - 6, path);
    assert_true(stat(path, &data) == 0 && stat(control, &ctl) == 0);
    return (uint64_t)(data.st_blocks + ctl.st_blocks) * 512;
}

static void rings__larger_than_what_is_mapped_at_the_start__mapped_one_by_one(void **state)
{
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("large-rings", directory, "s.e keep=1 block=1M blocks=32"));
    struct trail *t = open_nth(directory, 0);
    assert_int_equal(t->recorded, 60);
    assert_int_equal(t->lost_all, 0);
    trail_close(t);
}

static void threads__a_thousand_with_ten_events__cost_a_few_pages_each(void **state)
{
    if (under_valgrind()) {
        print_message("skipped: valgrind has 500 threads at most\n");
        skip();
    }
    const char *directory = child_new_directory();
    ASSERT_CHILD(child_scenario("thousand-threads", directory, "s keep=1 policy=drop"));
    assert_true(memory_of(directory) < (uint64_t)1000 * 2 * 4096);
    struct trail *t = open_nth(directory, 0);
    assert_int_equal(trail_count(t, "s.e"), 10000);
    assert_int_equal(t->lost_all, 0);
    assert_true(t->rings_count >= 1000 && t->rings_count <= 1001);
    trail_close(t);
}

/* ---- signals ---- */

static void signals__handlers_emit_inside_emissions__nothing_corrupt_accounting_exact(void **state)
{
    static const char *const how[] = {
        "s policy=overwrite block=4K blocks=4",
        "s policy=drop blocks=2 s.channel@overwrite s.context+cpu+caller",
        "s policy=shed block=4K blocks=8 s.channel@drop",
        "s policy=block deadline=1ms block=4K blocks=2 s.context+cpu+stack",
    };
    for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++)
        ASSERT_CHILD(child_scenario("signals", child_new_directory(), how[i]));
}

static void signals__threads_start_and_end_and_rings_move__accounting_exact(void **state)
{
#ifdef __SANITIZE_THREAD__
    print_message("skipped: a signal that meets a thread before or behind what the sanitizer knows of it crashes the "
                  "sanitizer\n");
    skip();
#endif
    ASSERT_CHILD(child_scenario("signals-threads", child_new_directory(), "s policy=overwrite block=8K blocks=4"));
}

int main(int argc, char **argv)
{
    child_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment__rules_and_settings__are_in_force),
        cmocka_unit_test(environment__off__no_session),
        cmocka_unit_test(exit__clean__files_are_gone),
        cmocka_unit_test(exit__killed__every_event_is_left),
        cmocka_unit_test(exit__while_threads_emit__what_they_wrote_is_whole),
        cmocka_unit_test(edges__constructor_destructor_atexit_thread_exit__all_recorded),
        cmocka_unit_test(directory__missing__is_made_for_us_alone),
        cmocka_unit_test(directory__cannot_be_made_or_trusted__program_goes_on),
        cmocka_unit_test(directory__of_another_user__program_goes_on),
        cmocka_unit_test(disk__full_at_any_point__events_are_counted_and_the_program_goes_on),
        cmocka_unit_test(disk__full_with_many_types_and_a_fork__no_signal),
        cmocka_unit_test(disk__full_when_a_type_is_registered__its_events_are_counted_until_there_is_room),
        cmocka_unit_test(file_size__limited__no_signal),
        cmocka_unit_test(plugin__loaded_while_a_childs_session_is_made__its_points_are_on),
        cmocka_unit_test(address_space__limited__most_of_it_is_left_to_the_program),
        cmocka_unit_test(fork__child_gets_a_session_with_its_first_event),
        cmocka_unit_test(fork__consumers_rules__only_of_those_that_follow),
        cmocka_unit_test(fork__clean_exit_of_all__files_are_gone),
        cmocka_unit_test(fork__raw_clone__child_does_not_write_its_parents_ring),
        cmocka_unit_test(fork__vfork_and_exec__parents_session),
        cmocka_unit_test(fork__in_a_constructor__child_gets_a_session),
        cmocka_unit_test(fork__while_threads_emit__all_are_whole),
        cmocka_unit_test(exec__ends_the_session),
        cmocka_unit_test(descriptors__program_closes_all__stays_alive_and_recorded),
        cmocka_unit_test(privileges__setuid_program__is_off),
        cmocka_unit_test(plugin__loaded_and_unloaded_again_and_again__its_types_stay_the_same),
        cmocka_unit_test(standalone__library_absent__silent),
        cmocka_unit_test(standalone__library_preloaded__emits),
        cmocka_unit_test(standalone__library_loaded_later__emits_from_then_on),
        cmocka_unit_test(types__ten_thousand__all_have_their_schema_in_a_forked_child_too),
        cmocka_unit_test(rings__larger_than_what_is_mapped_at_the_start__mapped_one_by_one),
        cmocka_unit_test(threads__a_thousand_with_ten_events__cost_a_few_pages_each),
        cmocka_unit_test(signals__handlers_emit_inside_emissions__nothing_corrupt_accounting_exact),
        cmocka_unit_test(signals__threads_start_and_end_and_rings_move__accounting_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
