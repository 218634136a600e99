/* SPDX-License-Identifier: ISC
 *
 * Real servers for tests: found, started, waited for and stopped.
 */
#include "real.h"

#include "certificates.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char directory[64];

const char *real_program(const char *name)
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin",        "/sbin",
                                          "/bin",      "/usr/local/sbin", "/usr/local/bin"};
    static char paths[8][64];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof paths[0], "%s/%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return path;
    }
    printf("skipped: %s is not installed (tools/install-packages test)\n", name);
    return NULL;
}

/* ---- files ---- */

int real_begin(void)
{
    snprintf(directory, sizeof directory, "/tmp/evpool-real.XXXXXX");
    return mkdtemp(directory) ? 0 : -errno;
}

const char *real_file(const char *name)
{
    static char paths[8][128];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

int real_write(const char *name, const char *format, ...)
{
    FILE *file = fopen(real_file(name), "w");
    va_list arguments;
    if (!file)
        return -errno;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    return fclose(file) == 0 ? 0 : -errno;
}

/* Servers make folders of one level in it at most. */
static void empty(const char *path)
{
    struct dirent *entry;
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    }
    if (folder)
        closedir(folder);
}

void real_end(void)
{
    empty(directory);
    rmdir(directory);
}

/* ---- ports ---- */

static int tcp(const char *address, uint16_t port, struct sockaddr_in *ret_address)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &ret_address->sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    return fd;
}

uint16_t real_port(const char *address)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned seed = (unsigned)now.tv_nsec ^ (unsigned)getpid() << 12;
    for (unsigned try = 0; try < 1000; try++) {
        struct sockaddr_in own;
        const uint16_t port = (uint16_t)(15000 + rand_r(&seed) % 17000);
        const int fd = tcp(address, port, &own);
        const bool free = bind(fd, (struct sockaddr *)&own, sizeof own) == 0 && listen(fd, 1) == 0;
        close(fd);
        if (free)
            return port;
    }
    return 0;
}

static bool taken(const char *address, uint16_t port)
{
    struct sockaddr_in peer;
    const int fd = tcp(address, port, &peer);
    const bool connected = connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0;
    close(fd);
    return connected;
}

static bool ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

bool real_listens(pid_t pid, const char *address, uint16_t port)
{
    for (unsigned look = 0; look < 2000; look++) {
        if (taken(address, port))
            return true;
        if (ended(pid))
            return false;
        usleep(10000);
    }
    return false;
}

/* ---- processes ---- */

static void become(const char *const *argv, pid_t network_pid, pid_t parent)
{
    const int log = open(real_file("log"), O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    if (network_pid) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/net", (int)network_pid);
        const int network = open(path, O_RDONLY | O_CLOEXEC);
        if (network < 0 || setns(network, CLONE_NEWNET) < 0)
            _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

pid_t real_start(const char *const *argv, pid_t network_pid)
{
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, network_pid, parent);
    return pid;
}

static bool reap(pid_t pid, unsigned looks, int *ret_status)
{
    for (unsigned look = 0; look < looks; look++) {
        if (waitpid(pid, ret_status, WNOHANG) != 0)
            return true;
        usleep(10000);
    }
    return false;
}

void real_stop(pid_t pid, int signal)
{
    int status;
    if (pid <= 0)
        return;
    kill(pid, signal);
    if (reap(pid, 1000, &status))
        return;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

int real_run(const char *const *argv, pid_t network_pid)
{
    int status = 0;
    const pid_t pid = real_start(argv, network_pid);
    if (pid > 0 && reap(pid, 2000, &status))
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    real_stop(pid, SIGKILL);
    return -1;
}

/* ---- nginx ---- */

int real_nginx_configure(const char *address, const char *also, uint16_t port, const char *limits)
{
    char second[64] = "";
    if (also)
        snprintf(second, sizeof second, "listen %s:%u ssl;", also, port);
    return real_write(
        "nginx.conf",
        "%sworker_processes 1;\ndaemon off;\npid %s/nginx.pid;\nerror_log %s/log;\n"
        "events { worker_connections 256; }\n"
        "http {\n  access_log off;\n"
        "  client_body_temp_path %s/body;\n  proxy_temp_path %s/proxy;\n  fastcgi_temp_path %s/fastcgi;\n"
        "  uwsgi_temp_path %s/uwsgi;\n  scgi_temp_path %s/scgi;\n"
        "  server {\n    listen %s:%u ssl;\n    %s\n    ssl_certificate %s;\n    ssl_certificate_key %s;\n"
        "    %s\n    location / { return 200 \"$server_addr\"; }\n  }\n}\n",
        geteuid() == 0 ? "user root root;\n" : "", directory, directory, directory, directory, directory, directory,
        directory, address, port, second, certificate_file("good.pem"), certificate_file("good.key"), limits);
}

pid_t real_nginx_start(void)
{
    const char *program = real_program("nginx");
    if (!program)
        return -1;
    return real_start((const char *const[]){program, "-e", real_file("log"), "-c", real_file("nginx.conf"), NULL}, 0);
}

/* ---- redis ---- */

pid_t real_redis_start(const char *address, uint16_t port, unsigned timeout_s, pid_t network_pid)
{
    char port_text[16], timeout[16];
    snprintf(port_text, sizeof port_text, "%u", port);
    snprintf(timeout, sizeof timeout, "%u", timeout_s);
    return real_start((const char *const[]){real_program("redis-server"), "--port", port_text, "--bind", address,
                                            "--timeout", timeout, "--protected-mode", "no", "--save", "",
                                            "--appendonly", "no", "--dir", real_file("."), NULL},
                      network_pid);
}
