/* SPDX-License-Identifier: ISC
 *
 * The SIGBUS guard. The handler only touches atomics and calls mmap, which are safe in a signal handler.
 */
#include "reader/sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    _Atomic uintptr_t start; /* 0: free; 1: being set up */
    _Atomic uintptr_t end;
    _Atomic int protection;
    _Atomic bool tripped;
};
static struct guard guards[EVTRAIL_GUARDS_MAX];
static _Atomic unsigned guards_high; /* guards ever used */
static struct sigaction previous;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t page_bytes;
/* A handler that was set over ours and chains to it would go round in circles with us chaining to it. */
static __thread volatile sig_atomic_t passing_on __attribute__((tls_model("initial-exec")));

/* Zeros from the faulting page to the mapping's end: what is behind a truncation is gone as well, and one mapping for
 * each page would run into the kernel's limit on mappings. */
static bool replace(struct guard *guard, uintptr_t address, uintptr_t end)
{
    uintptr_t page = address & ~(page_bytes - 1);
    void *map = mmap((void *)page, end - page, atomic_load_explicit(&guard->protection, memory_order_relaxed),
                     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return false;
    atomic_store_explicit(
        &guard->tripped, true,
        memory_order_relaxed); /* nothing hangs on it: it is read later, by the thread that faulted or the one that it copies for */
    return true;
}

static bool handle(uintptr_t address)
{
    unsigned high = atomic_load_explicit(&guards_high, memory_order_acquire); /* G6 */
    for (unsigned i = 0; i < high; i++) {
        /* G4 (acquire) pairs with G3: the bounds are those of this start. */
        uintptr_t start = atomic_load_explicit(&guards[i].start, memory_order_acquire);
        uintptr_t end = atomic_load_explicit(&guards[i].end, memory_order_relaxed);
        if (start > 1 && address >= start && address < end)
            return replace(&guards[i], address, end);
    }
    return false;
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    if (passing_on) {
        sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    } else if (previous.sa_flags & SA_SIGINFO) {
        passing_on = 1;
        previous.sa_sigaction(signal, info, context);
        passing_on = 0;
    } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
        sigaction(signal, &previous, NULL); /* the instruction runs again and meets what was there before us */
        if (info->si_code <= 0)             /* sent by a process: nothing runs again */
            raise(signal);
    } else {
        passing_on = 1;
        previous.sa_handler(signal);
        passing_on = 0;
    }
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    int saved = errno;
    if (info->si_code != BUS_ADRERR || !handle((uintptr_t)info->si_addr))
        pass_on(signal, info, context);
    errno = saved;
}

/* At each mapping again: somebody may have set another handler since. */
static int install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER}, now;
    int result = 0;
    pthread_mutex_lock(&install_lock);
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    bool ours = sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus;
    if (!ours) {
        previous = now;
        result = sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
    }
    pthread_mutex_unlock(&install_lock);
    return result;
}

int evtrail_guard_add(void *start, size_t bytes, int protection)
{
    int result = install();
    if (result < 0)
        return result;
    for (unsigned i = 0; i < EVTRAIL_GUARDS_MAX; i++) {
        uintptr_t free = 0;
        if (!atomic_compare_exchange_strong_explicit(&guards[i].start, &free, 1, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        atomic_store_explicit(&guards[i].end, (uintptr_t)start + bytes, memory_order_relaxed);
        atomic_store_explicit(&guards[i].protection, protection, memory_order_relaxed);
        atomic_store_explicit(&guards[i].tripped, false, memory_order_relaxed);
        /* G3 (release): the bounds before the start; pairs with G4. */
        atomic_store_explicit(&guards[i].start, (uintptr_t)start, memory_order_release);
        unsigned high = atomic_load_explicit(&guards_high, memory_order_relaxed);
        /* G5 (release): the guard before the count that covers it; pairs with G6. */
        while (high < i + 1 && !atomic_compare_exchange_weak_explicit(&guards_high, &high, i + 1, memory_order_release,
                                                                      memory_order_relaxed))
            ;
        return (int)i;
    }
    return -EMFILE;
}

void evtrail_guard_remove(int guard)
{
    if (guard >= 0)
        atomic_store_explicit(&guards[guard].start, 0, memory_order_release);
}

bool evtrail_guard_tripped(int guard)
{
    return guard >= 0 && atomic_load_explicit(&guards[guard].tripped, memory_order_relaxed);
}
