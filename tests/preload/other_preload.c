/* SPDX-License-Identifier: ISC
 *
 * Another preloaded library: counts what comes through it, and says so at the end.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long mallocs, writes;

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    static void *(*next)(size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    if (size == 12345)
        mallocs++;
    return next(size);
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t bytes)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "write");
    writes++;
    return next(fd, data, bytes);
}

__attribute__((destructor)) static void tell(void)
{
    char line[100];
    snprintf(line, sizeof(line), "other: %lu mallocs, %lu writes\n", mallocs, writes);
    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        abort();
}
