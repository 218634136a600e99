/* SPDX-License-Identifier: ISC
 *
 * A program that links nothing of evtrail: silent, until libevtrail is there. With an argument it loads that library itself.
 */
#define EVTRAIL_STANDALONE
#include <evtrail/trace.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static int evaluated;
static int count_me(void)
{
    return ++evaluated;
}

static void *emit(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        EVTRAIL(info, "s.standalone", count_me(), "text");
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    emit(NULL);
    if (argc > 1) {
        if (evaluated)
            return 3;
        if (!dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        emit(NULL);
    }
    if (pthread_create(&thread, NULL, emit, NULL) == 0)
        pthread_join(thread, NULL);
    printf("%d\n", evaluated);
    return 0;
}
