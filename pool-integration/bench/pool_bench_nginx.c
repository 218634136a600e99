/* SPDX-License-Identifier: ISC
 *
 * nginx on loopback: one process, pinned to the server's CPU, with nothing logged and connections that are never closed.
 */
#include "pool_bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const programs[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"};
static const char *const parts[] = {"nginx.conf", "nginx.pid", "body", "proxy", "fastcgi", "uwsgi", "scgi"};

static const char config[] =
    "daemon off;\nmaster_process off;\npid %1$s/nginx.pid;\nerror_log stderr crit;\n"
    "events { worker_connections 1024; }\n"
    "http {\n access_log off;\n keepalive_timeout 3600;\n keepalive_requests 1000000000;\n"
    " client_body_temp_path %1$s/body;\n proxy_temp_path %1$s/proxy;\n"
    " fastcgi_temp_path %1$s/fastcgi;\n uwsgi_temp_path %1$s/uwsgi;\n scgi_temp_path %1$s/scgi;\n"
    " server { listen 127.0.0.1:%2$u; location / { default_type text/plain; return 200 "
    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"; } }\n}\n";

/* A port that was free just now (0), or whether one answers. */
static int port_probe(uint16_t *port)
{
    struct sockaddr_in own = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof own;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -1 : 0;
    if (r == 0 && *port)
        r = connect(fd, (const struct sockaddr *)&own, sizeof own);
    else if (r == 0 && (r = bind(fd, (const struct sockaddr *)&own, sizeof own)) == 0 &&
             (r = getsockname(fd, (struct sockaddr *)&own, &bytes)) == 0)
        *port = ntohs(own.sin_port);
    if (fd >= 0)
        close(fd);
    return r;
}

static int config_write(const struct nginx *nginx)
{
    char path[128];
    snprintf(path, sizeof path, "%s/nginx.conf", nginx->directory);
    FILE *const file = fopen(path, "we");
    if (!file)
        return -1;
    fprintf(file, config, nginx->directory, nginx->port);
    return fclose(file);
}

static void become(const struct nginx *nginx, const char *program)
{
    char path[128];
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(CPU_server, &set);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        sched_setaffinity(0, sizeof set, &set);
    snprintf(path, sizeof path, "%s/nginx.conf", nginx->directory);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(program, program, "-e", "stderr", "-c", path, "-p", nginx->directory, (char *)NULL);
    _exit(127);
}

static bool comes_up(struct nginx *nginx)
{
    const struct timespec pause = {0, 10000000};
    for (unsigned tries = 0; tries < 300; tries++) {
        if (port_probe(&nginx->port) == 0)
            return true;
        if (waitpid(nginx->pid, NULL, WNOHANG) == nginx->pid) {
            nginx->pid = 0;
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

int nginx_start(struct nginx *nginx, const struct bench *bench, const char **ret_why)
{
    const char *program = NULL;
    *nginx = (struct nginx){0};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0] && !program; i++)
        if (access(programs[i], X_OK) == 0)
            program = programs[i];
    *ret_why = "nginx is not installed";
    if (!program)
        return 1;
    *ret_why = "nginx does not start";
    snprintf(nginx->directory, sizeof nginx->directory, "%s", bench->work);
    if (port_probe(&nginx->port) < 0 || config_write(nginx) < 0)
        return -1;
    fflush(NULL);
    nginx->pid = fork();
    if (nginx->pid == 0)
        become(nginx, program);
    return nginx->pid > 0 && comes_up(nginx) ? 0 : -1;
}

void nginx_stop(struct nginx *nginx)
{
    char path[128];
    if (nginx->pid > 0) {
        kill(nginx->pid, SIGTERM);
        waitpid(nginx->pid, NULL, 0);
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && nginx->directory[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", nginx->directory, parts[i]);
        remove(path);
    }
    *nginx = (struct nginx){0};
}
