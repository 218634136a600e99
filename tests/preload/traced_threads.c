/* SPDX-License-Identifier: ISC
 *
 * Cases of the traced program with threads that wait for each other.
 */
#include "traced.h"

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

static struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void start(pthread_t *threads, int count, void *(*function)(void *))
{
    for (long i = 0; i < count; i++)
        WANT(pthread_create(&threads[i], NULL, function, (void *)i) == 0);
}

static long join(pthread_t *threads, int count)
{
    long sum = 0;
    for (int i = 0; i < count; i++) {
        void *result;
        WANT(pthread_join(threads[i], &result) == 0);
        sum += (long)result;
    }
    return sum;
}

/* ---- lives ----------------------------------------------------------------------------------------------------- */

static void *allocate(void *number)
{
    for (int i = 0; i < 100; i++)
        free(used(malloc(54321)));
    if ((long)number % 2)
        pthread_exit(number);
    return number;
}

int case_threads(void)
{
    pthread_t threads[50];
    start(threads, 50, allocate);
    printf("%ld\n", join(threads, 50));
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        WANT(pthread_create(&thread, &detached, allocate, NULL) == 0);
    }
    usleep(300000);
    return 0;
}

static void *be_named(void *number)
{
    char name[16], back[16] = "";
    snprintf(name, sizeof(name), "worker-%ld", (long)number);
    WANT(pthread_setname_np(pthread_self(), name) == 0);
    WANT(pthread_getname_np(pthread_self(), back, sizeof(back)) == 0 && strcmp(name, back) == 0);
    WANT(pthread_setname_np(pthread_self(), "a name that is much too long") == ERANGE);
    return NULL;
}

int case_names(void)
{
    pthread_t threads[4];
    start(threads, 4, be_named);
    join(threads, 4);
    puts("named");
    return 0;
}

static void *little(void *number)
{
    free(used(malloc(100)));
    return number;
}

int case_small_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    WANT(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) == 0);
    for (int i = 0; i < 5; i++) {
        WANT(pthread_create(&thread, &attributes, little, NULL) == 0);
        WANT(pthread_join(thread, NULL) == 0);
    }
    puts("small");
    return 0;
}

/* ---- mutex ----------------------------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long guarded;

static void *contend(void *number)
{
    const struct timespec until = in_ms(CLOCK_REALTIME, 60000), by = in_ms(CLOCK_MONOTONIC, 60000);
    switch ((long)number % 3) {
    case 0:
        WANT(pthread_mutex_lock(&mutex) == 0);
        break;
    case 1:
        WANT(pthread_mutex_timedlock(&mutex, &until) == 0);
        break;
    default:
        WANT(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &by) == 0);
    }
    guarded++;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/* 9 threads find the mutex taken, one more of them until its time is up; 1000 calls find it free. */
int case_contention(void)
{
    pthread_t threads[9];
    pthread_mutexattr_t checking;
    pthread_mutex_t checked;
    pthread_mutex_lock(&mutex);
    start(threads, 9, contend);
    usleep(300000);
    const struct timespec until = in_ms(CLOCK_REALTIME, 20);
    WANT(pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT);
    for (int i = 0; i < 5; i++)
        WANT(pthread_mutex_trylock(&mutex) == EBUSY);
    pthread_mutex_unlock(&mutex);
    join(threads, 9);
    for (int i = 0; i < 1000; i++) {
        WANT(pthread_mutex_lock(&mutex) == 0);
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutexattr_init(&checking);
    pthread_mutexattr_settype(&checking, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&checked, &checking);
    WANT(pthread_mutex_lock(&checked) == 0 && pthread_mutex_lock(&checked) == EDEADLK);
    pthread_mutexattr_settype(&checking, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_t recursive;
    pthread_mutex_init(&recursive, &checking);
    for (int i = 0; i < 10; i++)
        WANT(pthread_mutex_lock(&recursive) == 0);
    printf("%ld\n", guarded);
    return 0;
}

/* ---- condition ------------------------------------------------------------------------------------------------- */

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;
static atomic_long waits;

static void *play(void *number)
{
    const int me = (int)(long)number;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 200; i++) {
        while (turn != me) {
            waits++;
            if (i % 2) {
                WANT(pthread_cond_wait(&cond, &mutex) == 0);
            } else {
                const struct timespec until = in_ms(CLOCK_REALTIME, 60000);
                WANT(pthread_cond_timedwait(&cond, &mutex, &until) == 0);
            }
        }
        turn = !me;
        pthread_cond_signal(&cond);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int case_cond(void)
{
    pthread_t threads[2];
    start(threads, 2, play);
    join(threads, 2);
    const struct timespec until = in_ms(CLOCK_REALTIME, 20), by = in_ms(CLOCK_MONOTONIC, 20);
    pthread_mutex_lock(&mutex);
    WANT(pthread_cond_timedwait(&cond, &mutex, &until) == ETIMEDOUT);
    WANT(pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &by) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    puts("played");
    fprintf(stderr, "%ld\n", waits + 2);
    return 0;
}

/* ---- read-write lock and semaphore ----------------------------------------------------------------------------- */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;

static void *lock_either(void *number)
{
    if ((long)number % 2)
        WANT(pthread_rwlock_rdlock(&rwlock) == 0);
    else
        WANT(pthread_rwlock_wrlock(&rwlock) == 0);
    pthread_rwlock_unlock(&rwlock);
    return NULL;
}

int case_rwlock(void)
{
    pthread_t thread;
    for (long i = 0; i < 6; i++) {
        WANT(pthread_rwlock_wrlock(&rwlock) == 0);
        WANT(pthread_create(&thread, NULL, lock_either, (void *)i) == 0);
        usleep(50000);
        pthread_rwlock_unlock(&rwlock);
        pthread_join(thread, NULL);
    }
    const struct timespec until = in_ms(CLOCK_REALTIME, 10);
    WANT(pthread_rwlock_rdlock(&rwlock) == 0 && pthread_rwlock_rdlock(&rwlock) == 0);
    WANT(pthread_rwlock_timedwrlock(&rwlock, &until) == ETIMEDOUT);
    puts("rwlock");
    return 0;
}

static void *take(void *number)
{
    WANT(sem_wait(&semaphore) == 0);
    return number;
}

int case_semaphore(void)
{
    pthread_t threads[5];
    sem_init(&semaphore, 0, 0);
    start(threads, 5, take);
    usleep(200000);
    for (int i = 0; i < 8; i++)
        sem_post(&semaphore);
    join(threads, 5);
    errno = 0;
    for (int i = 0; i < 3; i++)
        WANT(sem_wait(&semaphore) == 0 && errno == 0);
    const struct timespec until = in_ms(CLOCK_REALTIME, 10);
    WANT(sem_timedwait(&semaphore, &until) == -1 && errno == ETIMEDOUT);
    puts("semaphore");
    return 0;
}

/* ---- cancellation ---------------------------------------------------------------------------------------------- */

static int pipe_fds[2];

static void unlock(void *locked)
{
    pthread_mutex_unlock(locked);
}

static void *wait_for_ever(void *number)
{
    char byte;
    if ((long)number % 2)
        return read(pipe_fds[0], &byte, 1) < 0 ? number : NULL;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, &mutex);
    for (;;)
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
}

int case_cancel(void)
{
    pthread_t threads[6];
    WANT(pipe(pipe_fds) == 0);
    start(threads, 6, wait_for_ever);
    usleep(100000);
    for (int i = 0; i < 6; i++) {
        void *result;
        WANT(pthread_cancel(threads[i]) == 0);
        WANT(pthread_join(threads[i], &result) == 0 && result == PTHREAD_CANCELED);
    }
    WANT(pthread_mutex_trylock(&mutex) == 0);
    puts("cancelled");
    return 0;
}
