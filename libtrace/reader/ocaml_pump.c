/* SPDX-License-Identifier: ISC
 *
 * The thread that copies rings of OCaml: as often as they fill by a quarter; when nothing comes, when their processes have worked for a moment, or, where
 * the kernel does not tell us of that, so often that a million int events a second fill half a ring.
 */
#include "reader/ocaml_feed.h"

#include "reader/clock_live.h"
#include "reader/futex.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GAP_MIN_NS UINT64_C(50000)
#define GAP_MAX_NS UINT64_C(1000000)   /* while events come */
#define COMING_NS UINT64_C(1000000000) /* ... and for so long after */
#define QUIET_NS UINT64_C(50000000)    /* without events: the processes' processor time is waited for */
#define ARMED_NS UINT64_C(250000000)   /* ... but not for longer */
#define ARM_WAIT_MIN_NS UINT64_C(50000000)
#define ARM_WAIT_MAX_NS UINT64_C(1000000000)
#define TELL_NS UINT64_C(5000000) /* the reader is woken so often */
#define PATIENCE_MAX_NS UINT64_C(20000000)
#define WORK_MIN_NS UINT64_C(20000)
#define WORK_MAX_NS UINT64_C(100000)
#define SLICE_NS 100000
#define HEAR_NS UINT64_C(1000000) /* files may come and go in the directory of rings all the time */
#define WORD_NS 4                 /* nobody writes faster: a clock reading is 20 ns and more, an event three words */

/* ---- looking ---- */

struct look {
    bool found;
    uint64_t gap_ns;
};

/* How fast the fastest ring fills, by what came since the last look. */
static void look_at(const struct evtrail_ocaml_feed *feed, uint64_t elapsed_ns, struct look *look)
{
    for (uint32_t i = 0; i < feed->map->domains; i++) {
        struct evtrail_ocaml_queue *const queue = &feed->queues[i];
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(feed->map, i, &head, &tail);
        const uint64_t came = tail >= queue->seen ? tail - queue->seen : tail; /* another program's */
        if (!came)
            continue;
        queue->seen = tail;
        look->found = true;
        const double gap = (double)(feed->map->elements / 4) * (double)elapsed_ns / (double)came;
        look->gap_ns = gap < (double)look->gap_ns ? (uint64_t)gap : look->gap_ns;
    }
}

static void disarm(struct evtrail_ocaml_pump *pump)
{
    for (struct evtrail_ocaml_feed *feed = pump->feeds; feed; feed = feed->next)
        evtrail_activity_disarm(&feed->activity);
    pump->armed = false;
}

static void copy_all(struct evtrail_ocaml_pump *pump, uint64_t now)
{
    struct look look = {.gap_ns = GAP_MAX_NS};
    for (struct evtrail_ocaml_feed *feed = pump->feeds; feed; feed = feed->next) {
        look_at(feed, now - pump->looked_ns, &look);
        evtrail_ocaml_feed_copy(feed);
    }
    pump->looked_ns = now;
    /* Faster at once, slower by and by. */
    const uint64_t slower = 2 * pump->gap_ns < GAP_MAX_NS ? 2 * pump->gap_ns : GAP_MAX_NS;
    pump->gap_ns = look.gap_ns < slower ? look.gap_ns : slower;
    pump->gap_ns = pump->gap_ns < GAP_MIN_NS ? GAP_MIN_NS : pump->gap_ns;
    if (!look.found)
        return;
    if (pump->armed)
        disarm(pump);
    pump->found_ns = now;
    pump->arm_wait_ns = ARM_WAIT_MIN_NS;
    pump->untold = true;
}

static void tell(struct evtrail_ocaml_pump *pump, uint64_t now)
{
    pump->told_ns = now;
    pump->untold = false;
    /* P3 (release): `heard` was raised before; pairs with C4. The words were queued under the lock that the reader takes. */
    atomic_fetch_add_explicit(&pump->word, 1, memory_order_release);
    evtrail_futex_wake_all(&pump->word);
}

/* ---- waiting ---- */

/* As much as may be used until the smallest ring is half full. */
static uint64_t work_ns(const struct evtrail_ocaml_feed *feed)
{
    const uint64_t ns = feed->map->elements / 2 * WORD_NS;
    return ns < WORK_MIN_NS ? WORK_MIN_NS : ns > WORK_MAX_NS ? WORK_MAX_NS : ns;
}

static bool arm(struct evtrail_ocaml_pump *pump, uint64_t now)
{
    pump->armed = true;
    uint32_t threads = 0; /* each takes a descriptor */
    for (struct evtrail_ocaml_feed *feed = pump->feeds; feed && pump->armed; feed = feed->next) {
        pump->armed = evtrail_activity_arm(&feed->activity, pump->epoll, work_ns(feed)) == 0;
        threads += feed->activity.count;
        pump->armed &= threads <= EVTRAIL_ACTIVITY_THREADS_MAX;
    }
    if (!pump->armed)
        disarm(pump);
    pump->arm_ns = evtrail_monotonic_now() + pump->arm_wait_ns + 50 * (evtrail_monotonic_now() - now);
    return pump->armed;
}

/* How long to sleep now; 0: look once more before. */
static uint64_t nap_of(struct evtrail_ocaml_pump *pump, uint64_t now)
{
    uint64_t patience = pump->feeds ? PATIENCE_MAX_NS : ARMED_NS;
    for (const struct evtrail_ocaml_feed *feed = pump->feeds; feed; feed = feed->next)
        patience = feed->patience_ns < patience ? feed->patience_ns : patience;
    if (pump->armed)
        return ARMED_NS;
    const bool quiet = now - pump->found_ns >= QUIET_NS;
    if (pump->feeds && quiet && !pump->untold && now >= pump->arm_ns && arm(pump, now))
        return 0;
    const uint64_t nap = pump->gap_ns < GAP_MAX_NS || now - pump->found_ns < COMING_NS ? pump->gap_ns : patience;
    return nap < patience ? nap : patience;
}

/* Whether a process was told to have worked. */
static bool sleep_on(struct evtrail_ocaml_pump *pump, uint64_t ns)
{
    struct pollfd look = {.fd = pump->epoll, .events = POLLIN};
    const struct timespec most = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    struct epoll_event events[8];
    bool worked = false, heard = false;
    const bool deaf = evtrail_monotonic_now() - pump->heard_ns < HEAR_NS;
    if (deaf)
        evtrail_sleep(ns < HEAR_NS ? ns : HEAR_NS);
    if (deaf || ppoll(&look, 1, &most, NULL) <= 0)
        return false;
    const int count = epoll_wait(pump->epoll, events, 8, 0);
    for (int i = 0; i < count; i++) {
        worked |= events[i].data.fd < 0;
        heard |= events[i].data.fd >= 0 && events[i].data.fd != pump->news;
    }
    if (heard) { /* what else is listened to: the reader looks at it at once */
        pump->heard_ns = evtrail_monotonic_now();
        atomic_fetch_add_explicit(&pump->heard, 1, memory_order_relaxed); /* P3 tells it */
        tell(pump, evtrail_monotonic_now());
    }
    eventfd_t news;
    eventfd_read(pump->news, &news);
    return worked;
}

static void after_sleep(struct evtrail_ocaml_pump *pump, bool worked)
{
    if (!worked || !pump->armed)
        return;
    disarm(pump);
    pump->gap_ns = GAP_MIN_NS; /* it may be a flood */
    pump->arm_ns = evtrail_monotonic_now() + pump->arm_wait_ns;
    pump->arm_wait_ns = 2 * pump->arm_wait_ns < ARM_WAIT_MAX_NS ? 2 * pump->arm_wait_ns : ARM_WAIT_MAX_NS;
}

/* Runs for moments, and is to be let onto a processor soon: so its slice is as short as the kernel allows (since 6.12). */
static void ask_for_short_slices(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof(attributes)};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) < 0 || attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = SLICE_NS;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static void *run(void *argument)
{
    struct evtrail_ocaml_pump *const pump = argument;
    ask_for_short_slices();
    pthread_mutex_lock(&pump->lock);
    while (!pump->stop) {
        const uint64_t now = evtrail_monotonic_now();
        copy_all(pump, now);
        if (pump->untold && now - pump->told_ns >= TELL_NS)
            tell(pump, now);
        const uint64_t nap = nap_of(pump, now);
        if (!nap)
            continue;
        pthread_mutex_unlock(&pump->lock);
        const bool worked = sleep_on(pump, nap);
        pthread_mutex_lock(&pump->lock);
        after_sleep(pump, worked);
    }
    pthread_mutex_unlock(&pump->lock);
    return NULL;
}

/* ---- begin, end ---- */

void evtrail_ocaml_pump_stir(struct evtrail_ocaml_pump *pump)
{
    eventfd_write(pump->news, 1);
}

/* Signals are the program's own threads' business, but for what a truncated ring brings about. */
static int start(struct evtrail_ocaml_pump *pump)
{
    sigset_t most, old;
    sigfillset(&most);
    sigdelset(&most, SIGBUS);
    sigdelset(&most, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &most, &old);
    const int result = pthread_create(&pump->thread, NULL, run, pump);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pump->runs = result == 0;
    return -result;
}

int evtrail_ocaml_pump_new(struct evtrail_ocaml_pump **ret_pump, size_t queue_bytes)
{
    struct evtrail_ocaml_pump *const pump = calloc(1, sizeof(*pump));
    if (!pump)
        return -ENOMEM;
    pthread_mutex_init(&pump->lock, NULL);
    pump->most_bytes = queue_bytes ? queue_bytes : EVTRAIL_OCAML_QUEUE_BYTES;
    pump->gap_ns = GAP_MAX_NS;
    pump->arm_wait_ns = ARM_WAIT_MIN_NS;
    pump->looked_ns = evtrail_monotonic_now();
    pump->epoll = epoll_create1(EPOLL_CLOEXEC);
    pump->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = pump->news};
    int result = 0;
    if (pump->epoll < 0 || pump->news < 0 || epoll_ctl(pump->epoll, EPOLL_CTL_ADD, pump->news, &event) < 0)
        result = -errno;
    if (result == 0)
        result = start(pump);
    if (result < 0) {
        evtrail_ocaml_pump_free(pump);
        return result;
    }
    *ret_pump = pump;
    return 0;
}

void evtrail_ocaml_pump_free(struct evtrail_ocaml_pump *pump)
{
    if (!pump)
        return;
    if (pump->runs) {
        pthread_mutex_lock(&pump->lock);
        pump->stop = true;
        pthread_mutex_unlock(&pump->lock);
        evtrail_ocaml_pump_stir(pump);
        pthread_join(pump->thread, NULL);
    }
    if (pump->epoll >= 0)
        close(pump->epoll);
    if (pump->news >= 0)
        close(pump->news);
    for (struct evtrail_ocaml_segment *segment; (segment = pump->spare) != NULL;) {
        pump->spare = segment->next;
        free(segment);
    }
    pthread_mutex_destroy(&pump->lock);
    free(pump);
}

const _Atomic uint32_t *evtrail_ocaml_pump_word(const struct evtrail_ocaml_pump *pump)
{
    return &pump->word;
}

uint32_t evtrail_ocaml_pump_news(const struct evtrail_ocaml_pump *pump)
{
    return atomic_load_explicit(&pump->heard, memory_order_relaxed); /* behind C4 */
}

int evtrail_ocaml_pump_listen(struct evtrail_ocaml_pump *pump, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
    return epoll_ctl(pump->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}
