/* SPDX-License-Identifier: ISC
 *
 * Tests that need a process of their own: a directory for its sessions, a child for its body, and what it has to say.
 *
 * A test program calls child_main() first: it runs the tests in a fresh session directory, which it removes at the end.
 */
#ifndef EVTRAIL_TESTS_CHILD_H
#define EVTRAIL_TESTS_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/* In a child: says what was wanted, and ends it. cmocka's asserts would go on with the parent's tests. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)
#define CHECK_EQ(a, b) \
    do { \
        const unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b); \
        if (a_ != b_) { \
            fprintf(stderr, "%s:%d: %s is %llu, %s is %llu\n", __FILE__, __LINE__, #a, a_, #b, b_); \
            _exit(1); \
        } \
    } while (0)
#define CHECK_SOUND(trail) \
    do { \
        if ((trail)->faults) { \
            fprintf(stderr, "%s:%d: %u faults, the first: %s\n", __FILE__, __LINE__, (trail)->faults, (trail)->fault); \
            _exit(1); \
        } \
    } while (0)

#define CHILD_SKIP 77 /* exit status: not testable here; the reason is on standard error */

/* In a test: qemu-user is not Linux in this. The kernel of a real aarch64 machine does what x86-64's does. */
#define SKIP_UNDER_QEMU(why) \
    do { \
        if (getenv("EVTRAIL_TEST_EMULATOR")) { \
            print_message("skipped: under qemu-user " why "\n"); \
            skip(); \
        } \
    } while (0)

/* The directory of this test program's sessions. */
const char *child_directory(void);
/* A new directory below it, 0700. Overwritten by the next call but one. */
const char *child_new_directory(void);
/* Runs `body` in a forked child; returns its wait status (0: good). The child ends by exit() behind body. */
int child_fork(void (*body)(void *argument), void *argument);
/* Runs this program's scenario `name` in a fresh process with its sessions in `directory` and the environment variable EVTRAIL; returns the
 * wait status. */
int child_scenario(const char *name, const char *directory, const char *evtrail);
pid_t child_scenario_start(const char *name, const char *directory, const char *evtrail);
int child_wait(pid_t pid);
/* exec of this very program, also under valgrind and qemu-user; argv[1] "scenario", argv[2] the scenario's name. */
void child_exec(char *const argv[]);

struct child_scenario {
    const char *name;
    void (*body)(void);
};
/* Returns only in the process that shall run the tests. */
void child_main(int argc, char **argv, const struct child_scenario *scenarios, unsigned count);

/* Asserts that a child ended well, or skips. */
#define ASSERT_CHILD(status) \
    do { \
        const int status_ = (status); \
        if (WIFEXITED(status_) && WEXITSTATUS(status_) == CHILD_SKIP) \
            skip(); \
        if (WIFSIGNALED(status_)) \
            print_error("the child was killed by signal %d\n", WTERMSIG(status_)); \
        assert_int_equal(status_, 0); \
    } while (0)

#endif
