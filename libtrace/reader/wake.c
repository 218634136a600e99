/* SPDX-License-Identifier: ISC
 *
 * Waiting for events: polls while they come, sleeps on the sessions' futexes when none do.
 *
 * An idle reader sets the wake bit in the enable byte of each type that is on, looks at the rings once more, and sleeps:
 * at first for 1 ms, because a thread that read its enable byte before the bit was set may commit just after that look;
 * then in rounds of 100 ms, in which leases are renewed and ended processes are noticed. Each round looks at the bits
 * again: if one had to be set (a thread cleared it between two rounds, or a type is new) the next sleep is a short one.
 * Model-checked: docs/model/idle.pml.
 */
#include "reader/reader_private.h"

#include "reader/clock_live.h"
#include "reader/futex.h"
#include "reader/live.h"
#include "reader/ocaml_feed.h"
#include "reader/ocaml_follow.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define IDLE_NS 20000000u    /* without events: then the bits are set */
#define IDLE_FAST_NS 500000u /* ... with low_latency */
#define ROUND_NS 100000000u
#define BLIND_ROUND_NS 5000000u  /* where nobody can wake us */
#define RING_IDLE_NS 1000000000u /* rings that nobody waits for are looked at often until so long after an event */
#define FOLLOW_NS 20000000u      /* files are looked at so often */
#define UNREADY_POLL_NS 100000u  /* while a session is being made */
#define FLOOD_POLL_NS 50000u     /* the shortest gap that rings which fill fast bring about */
#define WOKEN_SPINS 8            /* looks after a wake-up, WOKEN_SPIN_NS from one to the next ... */
#define WOKEN_SPIN_NS 2000u
#define WOKEN_LOOKS 5 /* ... and then EVTRAIL_POLL_FAST_NS */
#define SLEEP_MIN_NS 1000u
#define OVERSLEEP_STEP_NS 50000u
#define FUTEXES_MAX 128
#define STREAMS_MAX 64
#define STREAM_NS 100000000u /* a stream wakes us itself */

/* The shortest time for which an input can do without us. */
static uint64_t patience(const struct evtrail_reader *reader, uint64_t most)
{
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        struct evtrail_input *input = reader->inputs[i];
        if (!input->live || input->done || !input->operations->patience)
            continue;
        const uint64_t ns = input->operations->patience(input);
        most = ns < most ? ns : most;
    }
    return most;
}

struct sleeper {
    struct evtrail_futex futexes[FUTEXES_MAX];
    size_t count;
    bool blind; /* some session cannot wake us */
    bool ring;  /* ... nor wait */
};

static void listen_to(struct sleeper *sleeper, const _Atomic uint32_t *word)
{
    if (sleeper->count == FUTEXES_MAX) {
        sleeper->blind = true;
        return;
    }
    /* C4 (acquire): before the bits are set and the rings looked at; pairs with the writer's increment. A wake-up in
     * between changes the word, and the sleep ends before it begins. */
    sleeper->futexes[sleeper->count++] = (struct evtrail_futex){word, atomic_load_explicit(word, memory_order_acquire)};
}

/* C3: relaxed is enough, a bit that is seen late is what the bounded first sleep is for. Whether one had to be set. */
static bool set_wake_bits(struct evtrail_live *live)
{
    bool set = false;
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < live->source.types_count && id < EVTRAIL_EVENT_TYPES_MAX; id++) {
        _Atomic uint8_t *byte = &live->control->enable[id];
        uint8_t state = atomic_load_explicit(byte, memory_order_relaxed);
        while ((state & EVTRAIL_ENABLE_ON) && !(state & EVTRAIL_ENABLE_WAKE)) {
            set = true;
            if (atomic_compare_exchange_weak_explicit(byte, &state, state | EVTRAIL_ENABLE_WAKE, memory_order_relaxed,
                                                      memory_order_relaxed))
                break;
        }
    }
    return set;
}

/* Ours: of what appears in the directory, and of rings that wait for nobody. */
static void listen_to_threads(const struct evtrail_reader *reader, struct sleeper *sleeper)
{
    if (reader->watch)
        listen_to(sleeper, evtrail_watch_word(reader->watch));
    if (reader->pump)
        listen_to(sleeper, evtrail_ocaml_pump_word(reader->pump));
}

/* Whether a bit had to be set. */
static bool prepare(struct evtrail_reader *reader, struct sleeper *sleeper)
{
    bool set = false;
    *sleeper = (struct sleeper){.count = 0};
    listen_to_threads(reader, sleeper);
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        struct evtrail_input *input = reader->inputs[i];
        if (input->done || !input->live)
            continue;
        struct evtrail_live *live = evtrail_input_live(input);
        if (!live) {
            sleeper->ring |= !reader->pump;
            continue;
        }
        if (!live->control || !live->control_writable) {
            sleeper->blind = true;
            continue;
        }
        listen_to(sleeper, &live->control->wake);
        evtrail_live_schema(live, NULL);
        set |= set_wake_bits(live);
    }
    /* seq_cst fence: the bits are set before the rings are looked at again. It narrows the window that the first sleep
     * covers. */
    atomic_thread_fence(memory_order_seq_cst);
    return set;
}

static void tend(struct evtrail_reader *reader, uint64_t now)
{
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (reader->inputs[i]->live && !reader->inputs[i]->done)
            reader->inputs[i]->operations->tend(reader->inputs[i], now);
}

static bool ready(struct evtrail_reader *reader)
{
    evtrail_trees_look(reader);
    evtrail_reader_look_for_new(reader);
    if (reader->faults_count || reader->notices_count || reader->heap_count)
        return true;
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (reader->inputs[i]->live && !reader->inputs[i]->done &&
            reader->inputs[i]->operations->ready(reader->inputs[i], true))
            return true;
    return false;
}

static bool any_live(const struct evtrail_reader *reader)
{
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (reader->inputs[i]->live && !reader->inputs[i]->done)
            return true;
    return reader->watch != NULL;
}

static bool any_file(const struct evtrail_reader *reader)
{
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (!reader->inputs[i]->live && !reader->inputs[i]->done)
            return true;
    return false;
}

/* Sleeps until one of the streams has more. False: there are none. */
static bool sleep_on_streams(struct evtrail_reader *reader, uint64_t most_ns, int *ret_result)
{
    struct pollfd polls[STREAMS_MAX];
    nfds_t count = 0;
    for (uint32_t i = 0; i < reader->inputs_count && count < STREAMS_MAX; i++) {
        struct evtrail_input *input = reader->inputs[i];
        const int fd = input->operations->poll_fd && !input->done ? input->operations->poll_fd(input) : -1;
        if (fd >= 0)
            polls[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    const struct timespec most = {.tv_sec = (time_t)(most_ns / 1000000000), .tv_nsec = (long)(most_ns % 1000000000)};
    if (count)
        *ret_result = ppoll(polls, count, &most, NULL) < 0 ? -errno : 0;
    return count > 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sleeps with the bits set. */
static int sleep_deeply(struct evtrail_reader *reader, uint64_t most_ns)
{
    struct sleeper sleeper;
    if (prepare(reader, &sleeper) || !reader->armed)
        reader->armed_ns = evtrail_monotonic_now();
    reader->armed = true;
    if (ready(reader))
        return 0;
    bool first = evtrail_monotonic_now() - reader->armed_ns < EVTRAIL_POLL_NS;
    uint64_t round = first ? EVTRAIL_POLL_NS : sleeper.blind ? BLIND_ROUND_NS : ROUND_NS;
    if (sleeper.ring && evtrail_monotonic_now() - reader->progress_ns < RING_IDLE_NS)
        round = EVTRAIL_POLL_NS;
    round = patience(reader, round);
    int result = evtrail_futex_wait_any(sleeper.futexes, sleeper.count, least(round, most_ns));
    for (size_t i = 0; i < sleeper.count; i++)
        if (atomic_load_explicit(sleeper.futexes[i].word, memory_order_relaxed) != sleeper.futexes[i].expected) {
            reader->armed = false;
            reader->woken = WOKEN_SPINS + WOKEN_LOOKS; /* the event that it was for comes in a moment */
            reader->woken_ns = reader->progress_ns = evtrail_monotonic_now();
        }
    return result;
}

/* For less than a sleep takes: to set a timer and be woken by it costs 20 us and more on a virtual machine. */
static int spin(uint64_t ns)
{
    uint64_t start = evtrail_monotonic_now();
    while (evtrail_monotonic_now() - start < ns)
        ;
    return 0;
}

/* Half as long away if the fullest ring was a quarter full, twice as long if all were nearly empty: a thread that writes
 * 1.6 GB/s fills a ring of 1 MiB in 0.65 ms. Not for a reader that nobody waits for: to follow so close behind costs the
 * writer up to a fifth (the lines that it writes are in our cache), and it must not feel such a reader. A ring of
 * OCaml's waits for nobody: what is not read in time is lost. */
static void adapt_gap(struct evtrail_reader *reader)
{
    const uint64_t longest = patience(reader, evtrail_reader_longest_gap(reader));
    const uint64_t shortest = least(FLOOD_POLL_NS, longest);
    unsigned fullest = 0, looked = 0;
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        struct evtrail_input *input = reader->inputs[i];
        if (!input->live || input->done || (!reader->options.hold && input->operations->live) ||
            (reader->pump && !input->operations->live))
            continue;
        unsigned fill = input->operations->fill(input);
        fullest = fill > fullest ? fill : fullest;
        looked++;
    }
    if (!looked)
        return;
    if (fullest >= 2)
        reader->gap_ns = reader->gap_ns / 2 > shortest ? reader->gap_ns / 2 : shortest;
    else if (fullest == 0)
        reader->gap_ns = least(2 * reader->gap_ns, longest);
    reader->gap_ns = least(reader->gap_ns, longest);
}

/* Sleeps are too long by what it takes to set a timer and be woken by it: 17 us on a virtual machine, nearly as much as
 * the sleep that is wanted. Asks for less by what they were too long lately, at least. */
static int sleep_exactly(struct evtrail_reader *reader, uint64_t ns)
{
    const uint64_t start = evtrail_monotonic_now(), known = reader->oversleep_ns;
    const uint64_t asked = ns > known + SLEEP_MIN_NS ? ns - known : SLEEP_MIN_NS;
    int result = evtrail_sleep(asked);
    uint64_t took = evtrail_monotonic_now() - start, over = took > asked ? took - asked : 0;
    reader->oversleep_ns = over < known || !known ? over : known + least(over - known, OVERSLEEP_STEP_NS) / 64;
    return result;
}

/* All that is read is copied by the pump, which wakes us. */
static bool only_pumped(const struct evtrail_reader *reader)
{
    if (!reader->pump || reader->options.low_latency || reader->unready_count)
        return false;
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (!reader->inputs[i]->done && (!reader->inputs[i]->live || evtrail_input_live(reader->inputs[i])))
            return false;
    return true;
}

static int sleep_on_pump(struct evtrail_reader *reader, uint64_t most_ns)
{
    struct sleeper sleeper = {.count = 0};
    listen_to_threads(reader, &sleeper);
    const uint64_t round = evtrail_ocaml_follow_waits(reader) ? EVTRAIL_POLL_NS : ROUND_NS;
    return ready(reader) ? 0 : evtrail_futex_wait_any(sleeper.futexes, sleeper.count, least(round, most_ns));
}

static int sleep_lightly(struct evtrail_reader *reader, uint64_t now, uint64_t most_ns)
{
    bool fast = reader->options.low_latency;
    uint64_t gap = reader->gap_ns, since = now - reader->gathered_ns;
    if (reader->unready_count)
        gap = UNREADY_POLL_NS;
    if (reader->woken) {
        if (reader->woken-- > WOKEN_LOOKS)
            return spin(least(WOKEN_SPIN_NS, most_ns));
        return evtrail_sleep(least(EVTRAIL_POLL_FAST_NS, most_ns));
    }
    reader->armed = false;
    if (reader->watch && !fast) { /* a new process may be there and gone within a millisecond */
        struct sleeper sleeper = {.count = 0};
        listen_to(&sleeper, evtrail_watch_word(reader->watch));
        return evtrail_futex_wait_any(sleeper.futexes, 1, least(gap, most_ns));
    }
    uint64_t span = least(since < gap && gap - since > gap / 4 ? gap - since : gap, most_ns);
    return fast ? sleep_exactly(reader, span) : evtrail_sleep(span);
}

/* The kernel lengthens sleeps by up to 50 us unless told otherwise. */
static void sharpen_timer(struct evtrail_reader *reader)
{
    if (reader->options.low_latency && !reader->timer_sharpened)
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    reader->timer_sharpened = true;
}

int evtrail_reader_wait(struct evtrail_reader *reader, int64_t timeout_ns)
{
    const uint64_t start = evtrail_monotonic_now(), idle_after = reader->options.low_latency ? IDLE_FAST_NS : IDLE_NS;
    uint64_t now = start;
    sharpen_timer(reader);
    for (bool slept = false;; slept = true) {
        bool found = ready(reader);
        uint64_t most = timeout_ns < 0 ? UINT64_MAX : (uint64_t)timeout_ns - least(now - start, (uint64_t)timeout_ns);
        if (found)
            reader->progress_ns = now;
        if (found && (slept || now - reader->gathered_ns >= reader->gap_ns)) {
            reader->woken = 0;
            return 0;
        }
        if (most == 0 || (!any_live(reader) && (slept || !any_file(reader) || !reader->options.follow)))
            return 0;
        int result;
        if (any_file(reader) &&
            sleep_on_streams(reader, least(any_live(reader) ? EVTRAIL_POLL_NS : STREAM_NS, most), &result))
            ;
        else if (any_file(reader))
            result = evtrail_sleep(least(any_live(reader) ? EVTRAIL_POLL_NS : FOLLOW_NS, most));
        else if (!found && only_pumped(reader))
            result = sleep_on_pump(reader, most);
        else if (!found && !reader->unready_count && now - reader->progress_ns >= idle_after)
            result = sleep_deeply(reader, most);
        else
            result = sleep_lightly(reader, now, most);
        if (result < 0)
            return result;
        now = evtrail_monotonic_now();
        if (reader->woken) /* the event first */
            continue;
        adapt_gap(reader);
        tend(reader, now);
    }
}

/* Sessions that we have open stay in memory: beyond so many, others wait for us in the directory. */
#define RENEW_INPUTS_MAX 1024

void evtrail_reader_renew(struct evtrail_reader *reader)
{
    if (reader->inputs_count < RENEW_INPUTS_MAX)
        evtrail_reader_look_for_new(reader);
    else if (reader->watch)
        evtrail_watch_beat(reader->watch);
    tend(reader, evtrail_monotonic_now());
}
