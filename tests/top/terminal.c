/* SPDX-License-Identifier: ISC
 *
 * Runs a program in a terminal of 80x24 of its own, for tests of what tmux cannot do.
 *
 *     terminal first TEXT PROGRAM...   prints the ms until TEXT was written, then sends q
 *     terminal vanish PROGRAM...       half a second later the terminal goes; prints how it ended: "exit 0", "signal 1", "stays"
 *     terminal bytes SECONDS PROGRAM...  prints how many bytes it wrote from the second second on, then sends q
 *     terminal stuck PROGRAM...        the terminal takes nothing more; prints how it ended after two SIGTERM
 *     terminal escape PROGRAM...       opens the help by ? and prints the ms that Esc takes to leave it
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_MS 10000

static int master;
static pid_t pid;
static char seen[1 << 20];
static size_t seen_bytes;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void start(char **argv)
{
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    pid = forkpty(&master, NULL, NULL, &size);
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
}

/* What comes within so many ms; 0: nothing, or the end. */
static size_t take(int ms)
{
    struct pollfd fd = {.fd = master, .events = POLLIN};
    if (seen_bytes + 4096 > sizeof seen)
        seen_bytes = 0;
    if (poll(&fd, 1, ms) <= 0)
        return 0;
    const ssize_t n = read(master, seen + seen_bytes, 4095);
    if (n <= 0)
        return 0;
    seen_bytes += (size_t)n;
    seen[seen_bytes] = '\0';
    return (size_t)n;
}

static bool wait_for(const char *text)
{
    const int64_t from = now_us();
    while (now_us() - from < (int64_t)LONGEST_MS * 1000)
        if (take(10) > 0 && memmem(seen, seen_bytes, text, strlen(text)))
            return true;
    return false;
}

static void leave(void)
{
    (void)!write(master, "q", 1);
    const int64_t from = now_us();
    while (waitpid(pid, NULL, WNOHANG) == 0 && now_us() - from < 2000000)
        take(10);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int first(char **argv)
{
    const int64_t from = now_us();
    start(argv + 1);
    const bool found = wait_for(argv[0]);
    const int64_t to = now_us();
    leave();
    printf("%.1f\n", (double)(to - from) / 1000);
    return found ? 0 : 1;
}

/* Prints how it ended within 3 s. */
static int print_end(void)
{
    int status = 0;
    for (const int64_t from = now_us(); now_us() - from < 3000000; usleep(10000))
        if (waitpid(pid, &status, WNOHANG) == pid) {
            if (WIFSIGNALED(status))
                printf("signal %d\n", WTERMSIG(status));
            else
                printf("exit %d\n", WEXITSTATUS(status));
            return 0;
        }
    printf("stays\n");
    kill(pid, SIGKILL);
    return 1;
}

static int vanish(char **argv)
{
    start(argv);
    for (const int64_t from = now_us(); now_us() - from < 500000;)
        take(10);
    close(master);
    return print_end();
}

/* What is not read fills the terminal's queue: the program waits in a write. */
static int stuck(char **argv)
{
    start(argv);
    if (!wait_for("events/s"))
        return 1;
    for (int i = 0; i < 400; i++) { /* each draws everything anew */
        (void)!write(master, "\f", 1);
        usleep(5000);
    }
    kill(pid, SIGTERM);
    usleep(400000);
    kill(pid, SIGTERM);
    return print_end();
}

static int bytes(char **argv)
{
    size_t sum = 0;
    const int64_t whole = (int64_t)(atof(argv[0]) * 1e6);
    start(argv + 1);
    for (const int64_t from = now_us(); now_us() - from < whole + 1000000;) {
        const size_t n = take(10);
        sum += now_us() - from > 1000000 ? n : 0;
    }
    leave();
    printf("%zu\n", sum);
    return 0;
}

static int escape(char **argv)
{
    start(argv);
    if (!wait_for("events/s"))
        return 1;
    (void)!write(master, "?", 1);
    if (!wait_for("VIEWS"))
        return 1;
    while (take(300) > 0)
        seen_bytes = 0;
    seen_bytes = 0;
    const int64_t from = now_us();
    (void)!write(master, "\033", 1);
    const bool found = take(LONGEST_MS) > 0;
    const int64_t to = now_us();
    leave();
    printf("%.1f\n", (double)(to - from) / 1000);
    return found ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *const what = argc > 2 ? argv[1] : "";
    if (strcmp(what, "first") == 0 && argc > 3)
        return first(argv + 2);
    if (strcmp(what, "vanish") == 0)
        return vanish(argv + 2);
    if (strcmp(what, "stuck") == 0)
        return stuck(argv + 2);
    if (strcmp(what, "bytes") == 0 && argc > 3)
        return bytes(argv + 2);
    if (strcmp(what, "escape") == 0)
        return escape(argv + 2);
    fprintf(stderr, "usage: terminal first|vanish|stuck|bytes|escape ...\n");
    return 2;
}
