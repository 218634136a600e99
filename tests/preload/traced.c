/* SPDX-License-Identifier: ISC
 *
 * A program that does what is hard to trace: allocates before main, forks, dies by a signal, closes what it does not
 * know. Usage: traced CASE
 */
#include "traced.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

/* ---- before main ----------------------------------------------------------------------------------------------- */

static void *early[2];
static pthread_mutex_t early_mutex = PTHREAD_MUTEX_INITIALIZER;

static void allocate_early(int i)
{
    int keep = errno;
    early[i] = used(malloc(31));
    early[i] = used(realloc(early[i], 4111));
    free(used(calloc(3, 5)));
    pthread_mutex_lock(&early_mutex);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (write(fd, "early", 5) != 5)
        abort();
    close(fd);
    pthread_mutex_unlock(&early_mutex);
    errno = keep;
}

/* Before the constructors of every library. */
static void preinit(int argc, char **argv, char **env)
{
    (void)argc;
    (void)argv;
    (void)env;
    allocate_early(0);
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit_entry)(int, char **, char **) = preinit;

__attribute__((constructor(101))) static void constructed(void)
{
    allocate_early(1);
}

__attribute__((destructor(101))) static void destructed(void)
{
    free(early[0]);
    free(early[1]);
    free(used(malloc(77)));
}

static int case_early(void)
{
    WANT(early[0] && early[1] && malloc_usable_size(early[0]) >= 4111);
    memset(early[0], 1, 4111);
    puts("early");
    return 0;
}

/* ---- heap ------------------------------------------------------------------------------------------------------ */

static int case_heap(void)
{
    enum { BLOCKS = 1000 };
    static char *blocks[BLOCKS];
    volatile size_t too_much = SIZE_MAX; /* the compiler would warn */
    for (int i = 0; i < BLOCKS; i++)
        WANT((blocks[i] = used(malloc(12345))));
    for (int i = 0; i < 300; i++)
        WANT((blocks[i] = used(realloc(blocks[i], 23456))));
    for (int i = 0; i < 100; i++)
        WANT((blocks[i] = used(reallocarray(blocks[i], 7, 4567))));
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    for (int i = 0; i < 200; i++)
        free(used(calloc(11, 3456)));
    for (int i = 0; i < 50; i++) {
        void *p = used(aligned_alloc(4096, 45056));
        WANT((uintptr_t)p % 4096 == 0);
        free(p);
        WANT(posix_memalign(&p, 256, 45056) == 0 && (uintptr_t)p % 256 == 0);
        free(used(p));
        free(used(memalign(512, 45056)));
        free(used(valloc(45056)));
    }
    errno = 0;
    WANT(!used(malloc(too_much - 100)) && errno == ENOMEM);
    WANT(!used(reallocarray(NULL, too_much, 2)) && errno == ENOMEM);
    WANT(!used(calloc(too_much, 2)));
    void *out = &out;
    WANT(posix_memalign(&out, 3, 10) == EINVAL && out == &out);
    free(NULL);
    puts("heap");
    return 0;
}

/* ---- processes ------------------------------------------------------------------------------------------------- */

static void work(int blocks, size_t bytes)
{
    for (int i = 0; i < blocks; i++)
        free(used(malloc(bytes)));
}

static int wait_for(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0)
        WANT(errno == EINTR);
    return status;
}

static int case_fork(void)
{
    work(100, 30001);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        WANT(child >= 0);
        if (child == 0) {
            work(200, 30002);
            if (i == 0)
                exit(40);
            _exit(40 + i);
        }
        printf("%d\n", WEXITSTATUS(wait_for(child)));
        fflush(stdout);
    }
    work(100, 30001);
    return 3;
}

static void *fork_loop(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
        work(10, 100);
        usleep(100);
    }
    return NULL;
}

/* Forks while other threads are in the middle of everything. */
static int case_fork_threads(void)
{
    pthread_t threads[3];
    int stop = 0;
    for (int i = 0; i < 3; i++)
        WANT(pthread_create(&threads[i], NULL, fork_loop, &stop) == 0);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        WANT(child >= 0);
        if (child == 0) {
            work(20, 30003);
            _exit(0);
        }
        WANT(wait_for(child) == 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    puts("forked");
    return 0;
}

static int case_vfork(void)
{
    for (int i = 0; i < 20; i++) {
        work(10, 30004);
        fflush(stdout);
        pid_t child = vfork();
        WANT(child >= 0);
        if (child == 0) {
            close(open("/dev/null", O_RDONLY | O_CLOEXEC));
            execl("/bin/echo", "echo", "from vfork", (char *)NULL);
            _exit(127);
        }
        WANT(wait_for(child) == 0);
    }
    work(100, 30004);
    return 0;
}

static int case_exec(void)
{
    work(10, 30005);
    execl("/proc/self/exe", "traced", "heap", (char *)NULL);
    return 127;
}

static int case_killed(void)
{
    work(500, 30006);
    raise(SIGKILL);
    return 1;
}

static int case_aborted(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    work(500, 30006);
    abort();
}

static int case__exit(void)
{
    work(500, 30007);
    _exit(7);
}

static int case_close_all(void)
{
    work(100, 30008);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    close_range(3, ~0u, 0);
    work(100, 30008);
    int fd = open("/dev/null", O_RDONLY);
    printf("%d\n", fd);
    return 0;
}

/* ---- signals --------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t ticks;
static int tick_fd;

static void tick(int number)
{
    (void)number;
    int keep = errno;
    if (write(tick_fd, "tick", 4) == 4)
        ticks++;
    errno = keep;
}

/* A handler writes while the program is at work in the hooks. */
static int case_signals(void)
{
    const struct itimerval every = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    tick_fd = open("/dev/null", O_WRONLY);
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    int rounds = 0;
    for (; ticks < 100; rounds++) {
        errno = 77;
        free(used(malloc(64)));
        WANT(errno == 77);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    fprintf(stderr, "%d %d\n", (int)ticks, rounds); /* differs from run to run: for the test, which counts events */
    return 0;
}

static sigjmp_buf out_of_handler;

static void jump(int number)
{
    (void)number;
    siglongjmp(out_of_handler, 1);
}

static int case_longjmp(void)
{
    const struct itimerval once = {{0, 0}, {0, 200}};
    const int fd = open("/dev/null", O_WRONLY);
    static volatile int jumps, i;
    signal(SIGALRM, jump);
    sigsetjmp(out_of_handler, 1);
    if (jumps++ < 300) {
        setitimer(ITIMER_REAL, &once, NULL);
        for (;;)
            WANT(write(fd, "x", 1) == 1);
    }
    for (i = 0; i < 500; i++)
        WANT(write(fd, "123456789", 9) == 9);
    puts("jumped");
    return 0;
}

/* ---- libraries ------------------------------------------------------------------------------------------------- */

static int case_dlopen(void)
{
    for (int i = 0; i < 10; i++) {
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        WANT(library);
        double (*cosine)(double) = (double (*)(double))dlsym(library, "cos");
        WANT(cosine && cosine(0) == 1);
        WANT(!dlsym(library, "no such function") && dlerror());
        dlclose(library);
        WANT(!dlopen("/no/such/library.so", RTLD_NOW) && dlerror());
    }
    puts("loaded");
    return 0;
}

/* ---- which ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {
    {"early", case_early},
    {"heap", case_heap},
    {"fork", case_fork},
    {"fork_threads", case_fork_threads},
    {"vfork", case_vfork},
    {"exec", case_exec},
    {"killed", case_killed},
    {"aborted", case_aborted},
    {"_exit", case__exit},
    {"close_all", case_close_all},
    {"signals", case_signals},
    {"dlopen", case_dlopen},
    {"longjmp", case_longjmp},
    {"threads", case_threads},
    {"names", case_names},
    {"contention", case_contention},
    {"cond", case_cond},
    {"rwlock", case_rwlock},
    {"semaphore", case_semaphore},
    {"cancel", case_cancel},
    {"small_stack", case_small_stack},
    {"pipe", case_pipe},
    {"files", case_files},
    {"sockets", case_sockets},
    {"waits", case_waits},
    {"errno", case_errno},
    {"bad_pointers", case_bad_pointers},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(argv[1], cases[i].name) == 0)
            return cases[i].run();
    fprintf(stderr, "no such case\n");
    return 2;
}
