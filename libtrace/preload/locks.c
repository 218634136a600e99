/* SPDX-License-Identifier: ISC
 *
 * Hooks of what threads wait in for each other: an event only where a thread has to wait, which each finds out by
 * trying.
 */
#include "preload.h"

/* The holder's thread id, as the C library keeps it in the mutex. Racy, as everything about a mutex of someone else. */
static uint32_t owner_of(const pthread_mutex_t *mutex)
{
    return (uint32_t)__atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
}

/* ---- mutex: lock() and trylock() differ only for a mutex that is taken ------------------------------------------ */

#define MUTEX_WAIT(real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(mutex)) \
            return real_call; \
        const int tried = libc_real.pthread_mutex_trylock(mutex); \
        if (tried != EBUSY) \
            return tried; \
        LIBC_WAIT(mutex, int, real_call, LIBC_ARGS(mutex, owner_of(mutex)), LIBC_ARGS(result)); \
    } while (0)

HOOK int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    MUTEX_WAIT(libc_real.pthread_mutex_lock(mutex));
}

HOOK int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    MUTEX_WAIT(libc_real.pthread_mutex_timedlock(mutex, until));
}

HOOK int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    MUTEX_WAIT(libc_real.pthread_mutex_clocklock(mutex, clock, until));
}

HOOK int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    const int result = libc_real.pthread_mutex_trylock(mutex);
    if (!LIBC_LIKELY(!libc_trace_mutex_busy_on()) && result == EBUSY && libc_wanted(CALLER)) {
        const int keep = libc_emit_begin();
        libc_trace_mutex_busy(mutex, owner_of(mutex));
        libc_emit_end(keep);
    }
    return result;
}

/* ---- condition: always a wait. On x86-64 these are exported as GLIBC_2.3.2 (libevtrail-libc.map): programs of
 * before then mean another structure, and go past us. ---- */

HOOK int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (!LIBC_WAIT_WANTED(cond))
        return libc_real.pthread_cond_wait(cond, mutex);
    LIBC_WAIT(cond, int, libc_real.pthread_cond_wait(cond, mutex), LIBC_ARGS(cond, mutex), LIBC_ARGS(result));
}

HOOK int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    if (!LIBC_WAIT_WANTED(cond))
        return libc_real.pthread_cond_timedwait(cond, mutex, until);
    LIBC_WAIT(cond, int, libc_real.pthread_cond_timedwait(cond, mutex, until), LIBC_ARGS(cond, mutex),
              LIBC_ARGS(result));
}

HOOK int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                                const struct timespec *until)
{
    if (!LIBC_WAIT_WANTED(cond))
        return libc_real.pthread_cond_clockwait(cond, mutex, clock, until);
    LIBC_WAIT(cond, int, libc_real.pthread_cond_clockwait(cond, mutex, clock, until), LIBC_ARGS(cond, mutex),
              LIBC_ARGS(result));
}

/* ---- read-write lock ------------------------------------------------------------------------------------------- */

#define RWLOCK_WAIT(kind, writing, real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(rwlock)) \
            return real_call; \
        const int tried = libc_real.pthread_rwlock_try##kind(rwlock); \
        if (tried != EBUSY) \
            return tried; \
        LIBC_WAIT(rwlock, int, real_call, LIBC_ARGS(rwlock, writing), LIBC_ARGS(result)); \
    } while (0)

HOOK int pthread_rwlock_rdlock(pthread_rwlock_t *rwlock)
{
    RWLOCK_WAIT(rdlock, false, libc_real.pthread_rwlock_rdlock(rwlock));
}

HOOK int pthread_rwlock_wrlock(pthread_rwlock_t *rwlock)
{
    RWLOCK_WAIT(wrlock, true, libc_real.pthread_rwlock_wrlock(rwlock));
}

HOOK int pthread_rwlock_timedrdlock(pthread_rwlock_t *rwlock, const struct timespec *until)
{
    RWLOCK_WAIT(rdlock, false, libc_real.pthread_rwlock_timedrdlock(rwlock, until));
}

HOOK int pthread_rwlock_timedwrlock(pthread_rwlock_t *rwlock, const struct timespec *until)
{
    RWLOCK_WAIT(wrlock, true, libc_real.pthread_rwlock_timedwrlock(rwlock, until));
}

/* ---- semaphore ------------------------------------------------------------------------------------------------- */

#define SEM_WAIT(real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(sem)) \
            return real_call; \
        const int before = errno; \
        if (libc_real.sem_trywait(semaphore) == 0) \
            return 0; \
        errno = before; \
        LIBC_WAIT(sem, int, real_call, LIBC_ARGS(semaphore), LIBC_ARGS(result == 0 ? 0 : error)); \
    } while (0)

HOOK int sem_wait(sem_t *semaphore)
{
    SEM_WAIT(libc_real.sem_wait(semaphore));
}

HOOK int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    SEM_WAIT(libc_real.sem_timedwait(semaphore, until));
}

HOOK int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    SEM_WAIT(libc_real.sem_clockwait(semaphore, clock, until));
}
