/* SPDX-License-Identifier: ISC
 *
 * Signals of a consumer: stop once, stop at once, and handing them on to a program that was started.
 */
#include "skeleton.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static volatile sig_atomic_t stops;
static volatile sig_atomic_t last;
static volatile sig_atomic_t program_pid;
static volatile sig_atomic_t starting; /* the program may have missed what the terminal sent to us */
static void (*volatile abandon)(void);
static void (*volatile hangup)(int number);
static int64_t stopped_ns;
static struct sigaction inherited[65]; /* by signal; changed[] says of which */
static bool changed[65];

#define SAME_NS INT64_C(200000000) /* timeout(1) and a terminal's end send a signal twice */

static void on_child(int number)
{
    (void)number; /* its only work is to interrupt a wait */
}

/* What the terminal sends goes to the program as well; what was sent to us by kill() we hand on. */
static void hand_on(int number, const siginfo_t *info)
{
    const int saved = errno;
    if (starting || (info->si_code != SI_KERNEL && info->si_pid != program_pid))
        kill((pid_t)program_pid, number);
    errno = saved;
}

static void on_stop(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (program_pid > 0) {
        hand_on(number, info);
        return;
    }
    const int64_t now = monotonic_ns();
    if (stops > 0 && now - stopped_ns > SAME_NS) { /* again: at once, and as the signal says */
        if (abandon)
            abandon();
        _exit(128 + number);
    }
    if (stops > 0)
        return;
    stopped_ns = now;
    last = number;
    stops = 1;
}

static void on_other(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (program_pid > 0)
        hand_on(number, info);
}

static void change(int number, const struct sigaction *action)
{
    struct sigaction old;
    if (sigaction(number, action, &old) == 0 && !changed[number]) {
        inherited[number] = old;
        changed[number] = true;
    }
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction old, action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        return; /* nohup, or a shell's background job */
    change(number, &action);
}

void signals_install(bool with_program)
{
    static const int handed_on[] = {SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH, SIGURG};
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    if (hangup && !with_program) {
        const struct sigaction again = {.sa_handler = hangup};
        change(SIGHUP, &again);
    } else {
        handle(SIGHUP, on_stop);
    }
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    change(SIGPIPE, &ignore);
    change(SIGXFSZ, &ignore); /* a file size limit is an error of write() */
    if (!with_program)
        return;
    struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    change(SIGCHLD, &child);
    for (unsigned i = 0; i < sizeof handed_on / sizeof *handed_on; i++)
        handle(handed_on[i], on_other);
}

void signals_hold(sigset_t *ret_mask)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, ret_mask);
}

void signals_inherit(const sigset_t *mask)
{
    for (int number = 1; number < 65; number++)
        if (changed[number])
            sigaction(number, &inherited[number], NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
}

void signals_release(const sigset_t *mask, int pid)
{
    program_pid = pid;
    starting = 1;
    sigprocmask(SIG_SETMASK, mask, NULL); /* what has come meanwhile is handled before this returns */
    starting = 0;
}

void signals_program(int pid)
{
    program_pid = pid;
}

void signals_at_abandon(void (*run)(void))
{
    abandon = run;
}

void signals_at_hangup(void (*run)(int number))
{
    hangup = run;
}

unsigned signals_stops(void)
{
    return (unsigned)stops;
}

int signals_last(void)
{
    return (int)last;
}
