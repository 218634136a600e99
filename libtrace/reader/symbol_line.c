/* SPDX-License-Identifier: ISC
 *
 * Asks addr2line, once for each address: some milliseconds, and then a look into a table.
 */
#include "reader/symbol_line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS_MAX 5000
#define KNOWN 1024u /* a power of two */

extern char **environ;

struct line {
    uint64_t key; /* 0: none */
    char text[88];
};
static struct line known[KNOWN];

static uint64_t key_of(const char *path, uint64_t address)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ address;
    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * UINT64_C(1099511628211);
    return hash | 1;
}

/* As far as it comes in time: a file that a trace names may keep addr2line busy for ever. */
static ssize_t read_all(int fd, char *buffer, size_t bytes)
{
    size_t used = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (ssize_t n; used < bytes && poll(&wait, 1, ANSWER_MS_MAX) > 0; used += (size_t)n) {
        n = read(fd, buffer + used, bytes - used);
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n <= 0)
            break;
    }
    return (ssize_t)used;
}

/* What it prints, a line for each function that was inlined: "/path/file.c:12 (discriminator 3)", or "??:0". */
static void ask(const char *path, uint64_t address, char *answer, size_t bytes)
{
    char number[24];
    char *arguments[] = {"addr2line", "-i", "-e", (char *)path, number, NULL};
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    answer[0] = '\0';
    snprintf(number, sizeof(number), "0x%llx", (unsigned long long)address);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(&pid, "addr2line", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!failed) {
        const ssize_t n = read_all(ends[0], answer, bytes - 1);
        answer[n > 0 ? n : 0] = '\0';
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
}

static bool of_interest(const char *name)
{
    const char *number = strrchr(name, ':');
    return *name != '?' && number && strcmp(number, ":0") != 0 && strncmp(name, "trace.h:", 8) != 0;
}

/* The innermost place that is not within our own inline functions. */
static void find(struct line *line, const char *path, uint64_t address)
{
    char answer[4200];
    line->text[0] = '\0';
    ask(path, address, answer, sizeof(answer));
    for (char *at = answer, *end; *at; at = end) {
        end = at + strcspn(at, "\n");
        end += *end == '\n';
        at[strcspn(at, " \n")] = '\0';
        const char *slash = strrchr(at, '/');
        const char *name = slash ? slash + 1 : at;
        if (!of_interest(name))
            continue;
        snprintf(line->text, sizeof(line->text), "%.80s", name);
        return;
    }
}

void evtrail_symbol_put_line(struct evtrail_text *text, const char *path, uint64_t address)
{
    const uint64_t key = key_of(path, address);
    struct line *line = &known[key >> 32 & (KNOWN - 1)];
    if (line->key != key) {
        line->key = key;
        find(line, path, address);
    }
    if (!line->text[0])
        return;
    evtrail_text_literal(text, " (");
    evtrail_text_escaped(text, line->text, strlen(line->text));
    evtrail_text_char(text, ')');
}
