/* SPDX-License-Identifier: ISC
 *
 * The cases of the traced program. Each returns an exit code and prints what it found, which must be the same with and
 * without libevtrail-libc.so before it.
 */
#ifndef EVTRAIL_TESTS_TRACED_H
#define EVTRAIL_TESTS_TRACED_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ends with 1 and says where if it does not hold. */
#define WANT(holds) \
    do { \
        if (!(holds)) { \
            printf("%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #holds, errno); \
            fflush(stdout); \
            _exit(1); \
        } \
    } while (0)

/* Keeps the compiler from leaving out an allocation. */
static inline void *used(void *p)
{
    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

/* traced_threads.c */
int case_threads(void);
int case_names(void);
int case_contention(void);
int case_cond(void);
int case_rwlock(void);
int case_semaphore(void);
int case_cancel(void);
int case_small_stack(void);

/* traced_io.c */
int case_pipe(void);
int case_files(void);
int case_sockets(void);
int case_waits(void);
int case_errno(void);
int case_bad_pointers(void);

#endif /* EVTRAIL_TESTS_TRACED_H */
