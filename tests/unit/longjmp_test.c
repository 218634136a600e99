/* SPDX-License-Identifier: ISC
 *
 * Emissions that a signal handler leaves by longjmp(), and those that only look as if: a handler's own stack, coroutines.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVTRAIL_TEST_POINTS /* of the inline path; the library's own are not there */
#include <evtrail/evtrail.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "support/child.h"
#include "support/trail.h"

static const char *volatile raise_at;

void evtrail_test_point(const char *name)
{
    if (!raise_at || strcmp(name, raise_at) != 0)
        return;
    raise_at = NULL;
    raise(SIGUSR1);
}

static void handle(void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

/* What the session holds of "j.e": each event once and whole, all in rings of that kind but `elsewhere`. */
static void check(uint64_t events, uint64_t elsewhere)
{
    uint64_t main = 0, others = 0;
    struct trail *t = trail_open(evtrail_session_path());
    CHECK(t != NULL);
    CHECK_SOUND(t);
    for (size_t i = 0; i < t->events_count; i++) {
        const struct trail_event *e = &t->events[i];
        if (strcmp(e->name, "j.e") != 0)
            continue;
        CHECK_EQ(trail_word(e, 1), ~trail_word(e, 0));
        *(t->rings[e->ring].kind == 1 ? &others : &main) += 1;
    }
    CHECK_EQ(main, events - elsewhere);
    CHECK_EQ(others, elsewhere);
    CHECK_EQ(t->lost_all, 0);
    trail_close(t);
}

__attribute__((noinline)) static void emit(uint64_t n)
{
    EVTRAIL(info, "j.e", n, EVTRAIL_AS(not_n, ~n));
}

/* ---- left by longjmp ---- */

static _Thread_local sigjmp_buf back;

static void leave(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static const char *const points[] = {"T-busy", "T-header", "T-payload", "T-private", "W6"};

/* One emission is left at each point, and 100 follow, from as far out on the stack. */
static void *leave_and_go_on(void *published)
{
    emit(0);
    for (volatile unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        if (sigsetjmp(back, 1) == 0) {
            raise_at = points[i];
            emit(i);
            CHECK(!"the handler left");
        }
        *(uint64_t *)published += strcmp(points[i], "W6") == 0;
        for (uint64_t n = 0; n < 100; n++)
            emit(n);
    }
    return NULL;
}

static void scenario_main(void)
{
    uint64_t published = 0;
    handle(leave, 0);
    leave_and_go_on(&published);
    check(501 + published, 0);
}

static void scenario_thread(void)
{
    pthread_t thread;
    uint64_t published = 0;
    handle(leave, 0);
    CHECK(pthread_create(&thread, NULL, leave_and_go_on, &published) == 0);
    pthread_join(thread, NULL);
    check(501 + published, 0);
}

/* Stands before the C library's: the library asks for the thread's name as it makes a ring. */
static volatile int raise_in_prctl;
int prctl(int option, ...) __attribute__((visibility("default")));

int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    const unsigned long argument = va_arg(list, unsigned long);
    va_end(list);
    if (raise_in_prctl) {
        raise_in_prctl = 0;
        raise(SIGUSR1);
    }
    return (int)syscall(SYS_prctl, option, argument, 0, 0, 0);
}

static void *leave_the_first(void *unused)
{
    (void)unused;
    if (sigsetjmp(back, 1) == 0) {
        raise_in_prctl = 1;
        emit(0);
        CHECK(!"the handler left");
    }
    CHECK(!raise_in_prctl);
    for (uint64_t n = 0; n < 100; n++)
        emit(n);
    return NULL;
}

static void scenario_first(void)
{
    pthread_t thread;
    handle(leave, 0);
    CHECK(pthread_create(&thread, NULL, leave_the_first, NULL) == 0);
    pthread_join(thread, NULL);
    check(100, 0);
}

/* ---- not left ---- */

static void emit_inside(int signal)
{
    (void)signal;
    for (uint64_t n = 0; n < 10; n++)
        emit(n);
}

static void scenario_other_stack(void)
{
    char stack[64 << 10]; /* further out than what it interrupts */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    handle(emit_inside, SA_ONSTACK);
    CHECK(sigaltstack(&other, NULL) == 0);
    emit(0);
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        raise_at = points[i];
        emit(i);
    }
    check(56, 50);
}

static ucontext_t outside, coroutine;

static void leave_coroutine(int signal)
{
    (void)signal;
    swapcontext(&coroutine, &outside);
}

static void coroutine_body(void)
{
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        raise_at = points[i];
        emit(i);
    }
}

/* The handler goes to another stack, and comes back to the emission. */
static void *coroutines(void *unused)
{
    const size_t bytes = 256 << 10;
    void *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    emit(0);
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = bytes;
    coroutine.uc_link = &outside;
    makecontext(&coroutine, coroutine_body, 0);
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        swapcontext(&outside, &coroutine);
        for (uint64_t n = 0; n < 10; n++)
            emit(n);
    }
    swapcontext(&outside, &coroutine);
    return unused;
}

static void scenario_coroutines(void)
{
    handle(leave_coroutine, SA_NODEFER);
    coroutines(NULL);
    check(56, 50);
}

static void scenario_thread_coroutines(void)
{
    pthread_t thread;
    handle(leave_coroutine, SA_NODEFER);
    CHECK(pthread_create(&thread, NULL, coroutines, NULL) == 0);
    pthread_join(thread, NULL);
    check(56, 50);
}

static const struct child_scenario scenarios[] = {
    {"main", scenario_main},
    {"thread", scenario_thread},
    {"first", scenario_first},
    {"other-stack", scenario_other_stack},
    {"coroutines", scenario_coroutines},
    {"thread-coroutines", scenario_thread_coroutines},
};

static void left_by_longjmp__same_stack__the_ring_goes_on(void **state)
{
    ASSERT_CHILD(child_scenario("main", child_new_directory(), "j"));
    ASSERT_CHILD(child_scenario("thread", child_new_directory(), "j"));
}

static void left_by_longjmp__while_the_ring_is_made__the_next_events_are_recorded(void **state)
{
    ASSERT_CHILD(child_scenario("first", child_new_directory(), "j"));
}

static void interrupted__handler_on_its_own_stack_further_out__second_ring(void **state)
{
    ASSERT_CHILD(child_scenario("other-stack", child_new_directory(), "j"));
}

static void interrupted__handler_switches_to_another_stack_and_comes_back__second_ring(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: the sanitizers do not follow swapcontext()\n");
    skip();
#endif
    ASSERT_CHILD(child_scenario("coroutines", child_new_directory(), "j"));
    ASSERT_CHILD(child_scenario("thread-coroutines", child_new_directory(), "j"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(left_by_longjmp__same_stack__the_ring_goes_on),
        cmocka_unit_test(left_by_longjmp__while_the_ring_is_made__the_next_events_are_recorded),
        cmocka_unit_test(interrupted__handler_on_its_own_stack_further_out__second_ring),
        cmocka_unit_test(interrupted__handler_switches_to_another_stack_and_comes_back__second_ring),
    };
    child_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
