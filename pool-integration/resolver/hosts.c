/* SPDX-License-Identifier: ISC
 *
 * The hosts file (hosts(5)): lines of an address and its names, '#' begins a comment.
 */
#include "hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HOSTS_BYTES_MAX = 4 << 20 }; /* what is longer is cut: block lists of 100,000 names fit */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static size_t read_all(int fd, char *text, size_t bytes)
{
    size_t length = 0;
    while (length < bytes) {
        const ssize_t n = read(fd, text + length, bytes - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    return length;
}

static char *read_file(const char *path, struct stat *ret_stat)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (fstat(fd, ret_stat) == 0 && S_ISREG(ret_stat->st_mode)) {
        const size_t bytes = ret_stat->st_size < HOSTS_BYTES_MAX ? (size_t)ret_stat->st_size : HOSTS_BYTES_MAX;
        text = malloc(bytes + 1);
        if (text)
            text[read_all(fd, text, bytes)] = 0;
    }
    close(fd);
    return text;
}

unsigned hosts_refresh(struct hosts *hosts)
{
    struct stat now = {0};
    if (!*hosts->path)
        return hosts->generation;
    const bool there = stat(hosts->path, &now) == 0;
    if (hosts->generation && (there ? same_file(&now, &hosts->stat) : hosts->stat.st_ino == 0))
        return hosts->generation;
    free(hosts->text);
    hosts->stat = (struct stat){0};
    hosts->text = there ? read_file(hosts->path, &hosts->stat) : NULL;
    return ++hosts->generation;
}

/* The next word of the line from *at on; its length, 0 at the line's end. */
static size_t word(const char **at)
{
    *at += strspn(*at, " \t\r\f\v");
    return strcspn(*at, " \t\r\f\v\n#");
}

static bool line_has(const char *at, const char *name, size_t name_length)
{
    size_t length;
    while ((length = word(&at)) > 0) {
        if (length == name_length && strncasecmp(at, name, length) == 0)
            return true;
        at += length;
    }
    return false;
}

static int add_line(const char *address, size_t length, struct address_list *list)
{
    char text[64];
    struct host_address one;
    if (length >= sizeof(text))
        return 0;
    memcpy(text, address, length);
    text[length] = 0;
    return address_parse(text, &one) ? address_list_add(list, &one) : 0;
}

int hosts_find(const struct hosts *hosts, const char *name, struct address_list *list)
{
    const size_t name_length = strlen(name);
    const unsigned before = list->count;
    for (const char *line = hosts->text; line && *line;) {
        const char *at = line;
        const size_t length = word(&at);
        if (length > 0 && line_has(at + length, name, name_length) && add_line(at, length, list) < 0)
            return -ENOMEM;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return (int)(list->count - before);
}

void hosts_fini(struct hosts *hosts)
{
    free(hosts->text);
    hosts->text = NULL;
}
