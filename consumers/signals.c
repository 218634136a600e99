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

static void on_child(int number)
{
    (void)number; /* its only work is to interrupt a wait */
}

/* What the terminal sends goes to the program as well; what was sent to us by kill() we hand on. */
static void hand_on(int number, const siginfo_t *info)
{
    const int saved = errno;
    if (info->si_code != SI_KERNEL && info->si_pid != program_pid)
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
    last = number;
    stops = stops + 1;
    if (stops > 1) /* again: at once, and as the signal says */
        _exit(128 + number);
}

static void on_other(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (program_pid > 0)
        hand_on(number, info);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction old, action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        return; /* nohup, or a shell's background job */
    sigaction(number, &action, NULL);
}

void signals_install(bool with_program)
{
    static const int handed_on[] = {SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH, SIGURG};
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    handle(SIGHUP, on_stop);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write() */
    if (!with_program)
        return;
    struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGCHLD, &child, NULL);
    for (unsigned i = 0; i < sizeof handed_on / sizeof *handed_on; i++)
        handle(handed_on[i], on_other);
}

void signals_program(int pid)
{
    program_pid = pid;
}

unsigned signals_stops(void)
{
    return (unsigned)stops;
}

int signals_last(void)
{
    return (int)last;
}
