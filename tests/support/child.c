/* SPDX-License-Identifier: ISC
 *
 * Processes for tests, see child.h.
 */
#include "support/child.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[256];

const char *child_directory(void)
{
    return directory;
}

const char *child_new_directory(void)
{
    static char names[2][300];
    static unsigned number;
    char *name = names[number & 1];
    snprintf(name, sizeof(names[0]), "%s/d%u-%u", directory, (unsigned)getpid(), number++);
    if (mkdir(name, 0700) < 0)
        abort();
    return name;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    remove(path);
    return 0;
}

int child_wait(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* A hang is a failure too. Valgrind is some thirty times slower. */
static void bound(void)
{
    alarm(getenv("VALGRIND") ? 900 : 100);
}

int child_fork(void (*body)(void *argument), void *argument)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}; /* by cmocka, which would go on */
        for (unsigned i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
            signal(caught[i], SIG_DFL);
        bound();
        body(argument);
        fflush(NULL);
        _exit(0);
    }
    return child_wait(pid);
}

/* exec of this program, by its path: valgrind's /proc/self/exe is valgrind. Under qemu-user the kernel does not know the
 * format, and the build says by what to run it. */
void child_exec(char *const argv[])
{
    char *words[24], program[512];
    size_t n = 0;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length < 0)
        return;
    program[length] = '\0';
    execv(program, argv);
    char *emulator = getenv("EVTRAIL_TEST_EMULATOR");
    if (errno != ENOEXEC || !emulator)
        return;
    for (char *word = strtok(strdup(emulator), " "); word && n < 16; word = strtok(NULL, " "))
        words[n++] = word;
    words[n++] = program;
    for (size_t i = 1; argv[i] && n < 23; i++)
        words[n++] = argv[i];
    words[n] = NULL;
    execv(words[0], words);
}

pid_t child_scenario_start(const char *name, const char *where, const char *evtrail)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        bound();
        setenv("EVTRAIL_DIR", where, 1);
        if (evtrail)
            setenv("EVTRAIL", evtrail, 1);
        else
            unsetenv("EVTRAIL");
        child_exec((char *[]){(char *)"test", (char *)"scenario", (char *)name, NULL});
        _exit(126);
    }
    return pid;
}

int child_scenario(const char *name, const char *where, const char *evtrail)
{
    return child_wait(child_scenario_start(name, where, evtrail));
}

static void run_scenario(const char *name, const struct child_scenario *scenarios, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(scenarios[i].name, name) == 0) {
            scenarios[i].body();
            exit(0);
        }
    fprintf(stderr, "no scenario %s\n", name);
    exit(2);
}

/* Session files are sparse and may be many: they belong into memory. */
static void make_directory(void)
{
    snprintf(directory, sizeof(directory), "/dev/shm/evtrail-tests-%u-XXXXXX", (unsigned)getuid());
    if (mkdtemp(directory))
        return;
    snprintf(directory, sizeof(directory), "/tmp/evtrail-tests-%u-XXXXXX", (unsigned)getuid());
    if (!mkdtemp(directory))
        abort();
}

void child_main(int argc, char **argv, const struct child_scenario *scenarios, unsigned count)
{
    const char *given = getenv("EVTRAIL_TEST_DIRECTORY");
    if (given)
        snprintf(directory, sizeof(directory), "%s", given);
    if (argc == 3 && strcmp(argv[1], "scenario") == 0)
        run_scenario(argv[2], scenarios, count);
    if (given)
        return;
    make_directory();
    setenv("EVTRAIL_TEST_DIRECTORY", directory, 1);
    setenv("EVTRAIL_DIR", directory, 1);
    unsetenv("EVTRAIL");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        child_exec(argv);
        _exit(126);
    }
    int status = child_wait(pid);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
