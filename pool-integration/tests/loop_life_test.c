/* SPDX-License-Identifier: ISC
 *
 * The loop beyond its operations: calls from other threads, stopping, full queues, limits, ending, forks; with io_uring and with epoll.
 */
#include "loop_fixture.h"
#include "memory_fault.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- posts ---- */

enum { POSTERS = 4, POSTS_EACH = 5000, SLOTS = 64 };

struct slot {
    struct evloop_post post;
    _Atomic unsigned asked; /* before posting */
    unsigned seen;          /* loop's thread: by the last call */
};
struct poster {
    struct evloop *loop;
    struct slot slots[SLOTS];
};

static void count_post(struct evloop_post *post)
{
    struct slot *slot = (struct slot *)post;
    slot->seen = atomic_load_explicit(&slot->asked, memory_order_relaxed); /* ordered by the post */
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS_EACH; i++) {
        struct slot *slot = &poster->slots[i % SLOTS];
        atomic_fetch_add_explicit(&slot->asked, 1, memory_order_relaxed);
        evloop_post(poster->loop, &slot->post);
        if (i % 100 == 0)
            usleep(50);
    }
    return NULL;
}

static bool all_seen(struct poster *posters)
{
    for (int t = 0; t < POSTERS; t++)
        for (int i = 0; i < SLOTS; i++)
            if (posters[t].slots[i].seen != POSTS_EACH / SLOTS + (i < POSTS_EACH % SLOTS))
                return false;
    return true;
}

static void post__from_many_threads__the_last_of_each_is_seen(struct loop_fixture *f)
{
    pthread_t threads[POSTERS];
    struct poster *posters = calloc(POSTERS, sizeof(*posters));
    for (int t = 0; t < POSTERS; t++) {
        posters[t].loop = f->loop;
        for (int i = 0; i < SLOTS; i++)
            posters[t].slots[i].post.call = count_post;
        assert_int_equal(0, pthread_create(&threads[t], NULL, post_many, &posters[t]));
    }
    LOOP_UNTIL(f->loop, all_seen(posters));
    for (int t = 0; t < POSTERS; t++)
        pthread_join(threads[t], NULL);
    free(posters);
}

static void *post_late(void *arg)
{
    struct poster *poster = arg;
    usleep(20000);
    atomic_fetch_add_explicit(&poster->slots[0].asked, 1, memory_order_relaxed);
    evloop_post(poster->loop, &poster->slots[0].post);
    return NULL;
}

static void post__loop_asleep__woken(struct loop_fixture *f)
{
    pthread_t thread;
    struct poster poster = {.loop = f->loop, .slots[0].post.call = count_post};
    assert_int_equal(0, pthread_create(&thread, NULL, post_late, &poster));
    while (!poster.slots[0].seen)
        assert_true(evloop_run_once(f->loop, UINT64_MAX) >= 0);
    pthread_join(thread, NULL);
    struct evloop_figures figures;
    evloop_figures(f->loop, &figures);
    assert_int_equal(1, figures.posts);
    assert_true(figures.wakeups >= 1);
    assert_true(figures.idle_ns >= 10000000);
}

static unsigned posted_again;
static struct evloop *again_loop;
static void post_again(struct evloop_post *post)
{
    if (++posted_again < 3)
        evloop_post(again_loop, post);
}

static void post__from_its_own_call__next_iteration(struct loop_fixture *f)
{
    struct evloop_post post = {.call = post_again};
    posted_again = 0;
    again_loop = f->loop;
    evloop_post(f->loop, &post);
    evloop_post(f->loop, &post); /* queued already */
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(1, evloop_run_once(f->loop, UINT64_MAX));
        assert_int_equal(i, posted_again);
    }
    assert_int_equal(0, evloop_run_once(f->loop, 0));
}

/* ---- stopping ---- */

static void *stop_late(void *arg)
{
    usleep(20000);
    evloop_stop(arg);
    return NULL;
}

static void stop__from_another_thread__run_returns(struct loop_fixture *f)
{
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, stop_late, f->loop));
    assert_int_equal(0, evloop_run(f->loop));
    pthread_join(thread, NULL);
}

static void stop__before_the_run__counts(struct loop_fixture *f)
{
    evloop_stop(f->loop);
    assert_int_equal(0, evloop_run(f->loop));
}

static struct evloop *signalled;
static void stop_on_signal(int number)
{
    (void)number;
    evloop_stop(signalled);
}

/* The thread sanitizer holds signals back until a call that it knows, which io_uring_enter() is not. */
#ifdef __SANITIZE_THREAD__
enum { SIGNALS_HELD_BACK = 1 };
#else
enum { SIGNALS_HELD_BACK = 0 };
#endif

static void stop__from_a_signal_handler__run_returns(struct loop_fixture *f)
{
    if (SIGNALS_HELD_BACK && f->backend == EVLOOP_URING) {
        printf("skipped: the thread sanitizer holds signals back while io_uring waits\n");
        skip();
    }
    const struct sigaction action = {.sa_handler = stop_on_signal, .sa_flags = SA_RESTART};
    struct sigaction before;
    signalled = f->loop;
    assert_int_equal(0, sigaction(SIGALRM, &action, &before));
    for (int i = 0; i < 20; i++) {
        ualarm((useconds_t)(1 + i * 500), 0); /* before the wait, and in it */
        assert_int_equal(0, evloop_run(f->loop));
    }
    sigaction(SIGALRM, &before, NULL);
}

/* ---- full queues ---- */

enum { MANY = 500 };

static void overflow__more_operations_than_entries__all_are_done(struct loop_fixture *f) /* 8 entries */
{
    static struct told told[MANY];
    static int pairs[MANY][2];
    static char bytes[MANY];
    memset(told, 0, sizeof(told));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]));
        evloop_recv(f->loop, &told[i].op, pairs[i][0], &bytes[i], 1, tell);
    }
    for (int i = 0; i < MANY; i += 5)
        evloop_cancel(f->loop, &told[i].op); /* some never reach the kernel */
    assert_true(evloop_run_once(f->loop, 0) >= 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(1, write(pairs[i][1], "x", 1));
    for (int i = 1; i < MANY; i += 5)
        evloop_cancel(f->loop, &told[i].op); /* more cancellations than entries */
    for (int i = 0; i < MANY; i++) {
        LOOP_UNTIL(f->loop, told[i].calls);
        assert_int_equal(1, told[i].calls);
        assert_true(told[i].result == 1 || (i % 5 < 2 && told[i].result == -ECANCELED));
    }
    struct evloop_figures figures;
    evloop_figures(f->loop, &figures);
    assert_true(f->backend == EVLOOP_EPOLL || figures.overflows > 0);
    for (int i = 0; i < MANY; i++) {
        evloop_close(f->loop, NULL, pairs[i][0], NULL);
        evloop_close(f->loop, NULL, pairs[i][1], NULL);
    }
    LOOP_UNTIL(f->loop, (evloop_figures(f->loop, &figures), figures.in_flight == 0));
}

static void overflow__completions_beyond_the_ring__watches_go_on(struct loop_fixture *f) /* 8 entries: 64 completions */
{
    static struct told told[MANY];
    static int pairs[MANY][2];
    char text[4];
    memset(told, 0, sizeof(told));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]));
        evloop_watch(f->loop, &told[i].op, pairs[i][0], EPOLLIN, tell);
    }
    for (int round = 1; round <= 3; round++) {
        assert_true(evloop_run_once(f->loop, 0) >= 0);
        for (int i = 0; i < MANY; i++)
            told[i].calls = 0;
        for (int i = 0; i < MANY; i++)
            assert_int_equal(1, write(pairs[i][1], "x", 1));
        for (int i = 0; i < MANY; i++) {
            LOOP_UNTIL(f->loop, told[i].calls);
            assert_true(told[i].more && (told[i].result & EPOLLIN));
            assert_int_equal(1, read(pairs[i][0], text, sizeof(text)));
        }
    }
    for (int i = 0; i < MANY; i++)
        evloop_cancel(f->loop, &told[i].op);
    for (int i = 0; i < MANY; i++) {
        LOOP_UNTIL(f->loop, !evloop_busy(&told[i].op));
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

/* ---- limits ---- */

static void limit__no_more_descriptors__accept_says_so_and_goes_on(struct loop_fixture *f)
{
    struct sockaddr_storage address;
    struct told told = {0};
    struct rlimit before, tight;
    const int listener = tcp_listen(8, &address), fd = tcp_socket();
    assert_true(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) == 0 || errno == EINPROGRESS);
    const int next = dup(fd);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    tight = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &tight));
    struct evloop *another = NULL;
    assert_int_equal(-EMFILE, evloop_new(&another, NULL));
    evloop_accept(f->loop, &told.op, listener, tell);
    LOOP_UNTIL(f->loop, told.calls);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(-EMFILE, told.result);
    evloop_accept(f->loop, &told.op, listener, tell);
    evloop_run_once(f->loop, 10000000);
    evloop_cancel(f->loop, &told.op); /* the connection was dropped by kernels that accept first */
    LOOP_UNTIL(f->loop, told.calls == 2);
    if (told.result >= 0)
        close(told.result);
    close(listener);
    close(fd);
}

static void memory__fails_anywhere__error_and_no_leak(struct loop_fixture *f)
{
    const struct evloop_options options = {.bytes = sizeof(options), .backend = f->backend};
    unsigned failed = 1;
    for (unsigned allowed = 0; failed; allowed++) {
        struct evloop *loop = NULL;
        struct told told = {0};
        struct evloop_timer timer = {0};
        char byte;
        memory_fault_after(allowed);
        const int error = evloop_new(&loop, &options);
        if (error == 0) {
            evloop_recv(loop, &told.op, f->pair[0], &byte, 1, tell);
            const int armed = evloop_timer_start(loop, &timer, evloop_now_ns(loop) + 1000000000, NULL);
            assert_true(armed == 0 || (armed == -ENOMEM && !evloop_timer_armed(&timer)));
            assert_true(evloop_run_once(loop, 0) >= 0);
            assert_true(evloop_busy(&told.op) || told.result == -ENOMEM);
            evloop_free(loop);
            assert_int_equal(1, told.calls);
        }
        failed = memory_fault_end();
        assert_true(error == 0 || error == -ENOMEM);
    }
}

static void options__wrong__einval(struct loop_fixture *f)
{
    struct evloop *loop = NULL;
    struct evloop_options options = {.bytes = sizeof(options), .backend = f->backend, .entries = 3};
    assert_int_equal(-EINVAL, evloop_new(&loop, &options));
    options = (struct evloop_options){.bytes = 1};
    assert_int_equal(-EINVAL, evloop_new(&loop, &options));
    options = (struct evloop_options){.bytes = sizeof(options), .backend = (enum evloop_backend)7};
    assert_int_equal(-EINVAL, evloop_new(&loop, &options));
    assert_null(loop);
}

static void backend__by_environment__chosen(struct loop_fixture *f)
{
    struct evloop *loop;
    setenv("EVLOOP_BACKEND", f->backend == EVLOOP_URING ? "uring" : "epoll", 1);
    assert_int_equal(0, evloop_new(&loop, NULL));
    unsetenv("EVLOOP_BACKEND");
    assert_string_equal(evloop_backend(f->loop), evloop_backend(loop));
    evloop_free(loop);
}

/* As a container's seccomp profile does it. */
static void forbid_io_uring(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(77);
}

static int child_without_io_uring(int error)
{
    struct evloop *loop = NULL;
    const struct evloop_options only = {.bytes = sizeof(only), .backend = EVLOOP_URING};
    forbid_io_uring(error);
    if (evloop_new(&loop, &only) != -error || evloop_new(&loop, NULL) != 0)
        return 1;
    const int result = strcmp(evloop_backend(loop), "epoll") != 0 || evloop_run_once(loop, 1000000) != 0;
    evloop_free(loop);
    return result;
}

static void backend__io_uring_refused__epoll(struct loop_fixture *f)
{
    static const int errors[] = {EPERM, ENOSYS};
    (void)f;
    for (int i = 0; i < 2; i++) {
        const pid_t child = fork();
        if (child == 0)
            _exit(child_without_io_uring(errors[i]));
        int status = -1;
        assert_int_equal(child, waitpid(child, &status, 0));
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            printf("skipped: seccomp filters are not permitted here\n");
            skip();
        }
        assert_int_equal(0, status);
    }
}

/* ---- ending ---- */

static void start_again(struct evloop_op *op, int result)
{
    tell(op, result);
    if (((struct told *)op)->calls < 3)
        evloop_recv((struct evloop *)(uintptr_t)op->parent, op, op->fd, op->buffer, op->length, start_again);
}

static void free__operations_in_flight__each_called_back(struct loop_fixture *f)
{
    struct told told[6] = {0};
    struct evloop_timer timer = {0};
    char bytes[2];
    told[0].op.parent = (uintptr_t)f->loop;
    evloop_recv(f->loop, &told[0].op, f->pair[0], bytes, 1, start_again);
    evloop_watch(f->loop, &told[1].op, f->pair[0], EPOLLRDHUP, tell);
    evloop_poll(f->loop, &told[2].op, f->pair[1], EPOLLIN, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    evloop_recv(f->loop, &told[3].op, f->pair[1], bytes + 1, 1, tell); /* not yet submitted */
    evloop_close(f->loop, &told[4].op, dup(f->pair[0]), tell);
    evloop_close(f->loop, NULL, dup(f->pair[0]), NULL);
    evloop_timer_start(f->loop, &timer, evloop_now_ns(f->loop), NULL);
    evloop_free(f->loop);
    f->loop = NULL;
    assert_int_equal(3, told[0].calls);
    for (int i = 0; i < 4; i++)
        assert_int_equal(-ECANCELED, told[i].result);
    for (int i = 1; i < 5; i++)
        assert_int_equal(1, told[i].calls);
    assert_int_equal(0, told[4].result);
    assert_false(evloop_timer_armed(&timer));
}

static void *run_a_little(void *arg)
{
    struct loop_fixture *f = arg;
    evloop_run_once(f->loop, 0);
    evloop_close(f->loop, NULL, dup(f->pair[0]), NULL); /* stays unsubmitted */
    return NULL;
}

static void free__after_its_thread_has_ended__called_back_and_closed(struct loop_fixture *f)
{
    pthread_t thread;
    struct told told = {0};
    char byte;
    evloop_recv(f->loop, &told.op, f->pair[0], &byte, 1, tell);
    assert_int_equal(0, pthread_create(&thread, NULL, run_a_little, f));
    pthread_join(thread, NULL);
    evloop_free(f->loop);
    f->loop = NULL;
    assert_int_equal(1, told.calls);
    assert_int_equal(-ECANCELED, told.result);
}

static void fork__child__refused_and_the_parent_undisturbed(struct loop_fixture *f)
{
    struct told told = {0};
    char byte;
    evloop_recv(f->loop, &told.op, f->pair[0], &byte, 1, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    const pid_t child = fork();
    if (child == 0) {
        const int error = evloop_run_once(f->loop, 0);
        evloop_free(f->loop);
        _exit(error == -ECHILD && told.calls == 1 && told.result == -ECANCELED ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_int_equal(0, status);
    assert_int_equal(1, write(f->pair[1], "x", 1));
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(1, told.result);
}

static void run_inside(struct evloop_post *post)
{
    (void)post;
    assert_int_equal(-EDEADLK, evloop_run_once(again_loop, 0));
}

static void run__from_a_callback__edeadlk(struct loop_fixture *f)
{
    struct evloop_post post = {.call = run_inside};
    again_loop = f->loop;
    evloop_post(f->loop, &post);
    assert_int_equal(1, evloop_run_once(f->loop, 0));
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(post__from_many_threads__the_last_of_each_is_seen),
        LOOP_CASE(post__loop_asleep__woken),
        LOOP_CASE(post__from_its_own_call__next_iteration),
        LOOP_CASE(stop__from_another_thread__run_returns),
        LOOP_CASE(stop__before_the_run__counts),
        LOOP_CASE(stop__from_a_signal_handler__run_returns),
        {"overflow__more_operations_than_entries__all_are_done", overflow__more_operations_than_entries__all_are_done,
         8},
        {"overflow__completions_beyond_the_ring__watches_go_on", overflow__completions_beyond_the_ring__watches_go_on,
         8},
        LOOP_CASE(limit__no_more_descriptors__accept_says_so_and_goes_on),
        LOOP_CASE(memory__fails_anywhere__error_and_no_leak),
        LOOP_CASE(options__wrong__einval),
        LOOP_CASE(backend__by_environment__chosen),
        LOOP_CASE(backend__io_uring_refused__epoll),
        LOOP_CASE(free__operations_in_flight__each_called_back),
        LOOP_CASE(free__after_its_thread_has_ended__called_back_and_closed),
        LOOP_CASE(fork__child__refused_and_the_parent_undisturbed),
        LOOP_CASE(run__from_a_callback__edeadlk),
    };
    return loop_fixture_run("loop_life", cases, sizeof(cases) / sizeof(*cases));
}
