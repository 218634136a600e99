/* SPDX-License-Identifier: ISC
 *
 * Emission makes no system call once its blocks have memory: a seccomp filter kills the process at the first one.
 */
#include <evtrail/evtrail.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_SECCOMP = 77 };

#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What remains: the end, and the clock where the kernel's fast path for it is not to be had. */
static int forbid_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_exit_group),
        ALLOW(SYS_clock_gettime),
#ifdef __SANITIZE_ADDRESS__
        ALLOW(SYS_sigaltstack), /* its runtime asks before each call that does not return: _exit() here */
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void emit(unsigned laps)
{
    for (uint64_t i = 0; i < laps * UINT64_C(100000); i++) /* 16 blocks of 64 KiB hold 65,000 of these */
        EVTRAIL(info, "quiet.event", i);
}

static void child(const char *policy, int broken)
{
    if (evtrail_rule("quiet") < 0 || evtrail_set(policy) < 0)
        _exit(1);
    emit(3);
    if (forbid_system_calls() < 0)
        _exit(NO_SECCOMP);
    emit(10);
    if (broken)
        getppid();
    _exit(0);
}

static int run(const char *policy, int broken)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(policy, broken);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SECCOMP) {
        print_message("skipped: seccomp filters are not permitted here\n");
        skip();
    }
    return status;
}

static void emit__blocks_have_memory_overwrite__no_system_call(void **state)
{
    (void)state;
    assert_int_equal(run("policy=overwrite", 0), 0);
}

static void emit__ring_full_drop__no_system_call(void **state)
{
    (void)state;
    assert_int_equal(run("policy=drop", 0), 0);
}

static void emit__ring_full_shed__no_system_call(void **state)
{
    (void)state;
    assert_int_equal(run("policy=shed", 0), 0);
}

static void filter__one_system_call__killed(void **state)
{
    (void)state;
    int status = run("policy=overwrite", 1);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emit__blocks_have_memory_overwrite__no_system_call),
        cmocka_unit_test(emit__ring_full_drop__no_system_call),
        cmocka_unit_test(emit__ring_full_shed__no_system_call),
        cmocka_unit_test(filter__one_system_call__killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
