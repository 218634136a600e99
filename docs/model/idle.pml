/* SPDX-License-Identifier: ISC
 *
 * Waking a reader that sleeps because nothing happens (emit.c: wake_readers(); reader/wake.c: sleep_deeply()).
 *
 * The reader sets the wake bit in a type's enable byte, looks at the rings again and sleeps: for a millisecond if the bit had to be set
 * or somebody woke it, else for long. A thread reads the byte, clears the bit if it is set, wakes, and then commits. Time is modelled so: when the first sleep
 * ends by itself, no thread is any more between a look at the byte from before it and its commit, and all stores have been seen.
 * Nobody may then be in the long sleep while an event is there, and no thread about to wake it. With RULES
 * a tool rewrites the byte at any time. With NEW the type is off (or not there) at first: the reader finds no bit to set, the
 * process or a tool switches it on and wakes.
 */
#ifndef WRITERS
#define WRITERS 2
#define EVENTS 1
#endif

/* mutants */
#define C3 1  /* the bit is set */
#define C3L 2 /* the bit is cleared before the wake-up, not after */
#define C3S 3 /* a change of rules keeps the bit */
#define C4 4  /* wake is read before the bit is set */
#define C4L 5 /* ... and the bit is looked at whenever wake is read again */
#define C4N 6 /* the first sleep is a short one */
#define C4W 7 /* wake is changed before the call */
#define C4R 8 /* wake is changed by a release, after the bit is cleared */
#define C4A 9 /* wake is read by an acquire */
#define C13 10  /* who switches a type on wakes */
#define C13W 11 /* ... once it is on */
#define C13R 12 /* ... by a release */

#define BYTE 0
#define WAKE 1
#define COMMITTED(w) (2 + w)
#define LOCATIONS (2 + WRITERS)
#define MESSAGES 24
#define THREADS (WRITERS + 2)
#define READS(thread, location) (thread == R || (thread < WRITERS && location == BYTE))
#define R WRITERS
#define TOOL (WRITERS + 1)
#include "memory.pml"

#define WITHOUT(label) (mutant == label)
#define ON 1
#define BIT 128

bool asleep, deep;
bool emitting[WRITERS], early[WRITERS]; /* between the look at the byte and the commit; ... and will be done in a millisecond */
byte ended, seen[WRITERS];

proctype writer(byte w)
{
    byte on, n, unused;
    do
    :: n < EVENTS ->
        atomic { load(w, BYTE, relaxed, on); emitting[w] = true; early[w] = !(on & BIT) }
        if
        :: on == 0 -> emitting[w] = false; n++; goto next
        :: on & BIT ->
            if :: WITHOUT(C3L) :: else -> modify(w, BYTE, 127, 0, 0, relaxed, unused) fi;
            if :: WITHOUT(C4W) :: else -> modify(w, WAKE, 255, 0, 1, (WITHOUT(C4R) -> relaxed : release), unused) fi;
            asleep = false;
            if :: WITHOUT(C3L) -> modify(w, BYTE, 127, 0, 0, relaxed, unused) :: else fi;
            unused = 0
        :: else
        fi;
        on = 0;
        if
        :: n++; store(w, COMMITTED(w), n, release)
        :: n++ /* it was lost: woken for nothing */
        fi;
        d_step { emitting[w] = false; early[w] = false };
next:   skip
    :: break
    od;
    n = 0;
    atomic { see_all(w); ended++ }
}

proctype tool()
{
    byte unused;
#ifdef NEW
    if :: WITHOUT(C13W) -> modify(TOOL, WAKE, 255, 0, 1, release, unused); asleep = false :: else fi;
    modify(TOOL, BYTE, 255, ON, 0, relaxed, unused);
    if
    :: WITHOUT(C13) || WITHOUT(C13W)
    :: else ->
        modify(TOOL, WAKE, 255, 0, 1, (WITHOUT(C13R) -> relaxed : release), unused);
        asleep = false
    fi;
#else
    if
    :: WITHOUT(C3S) -> store(TOOL, BYTE, ON, relaxed)
    :: else -> modify(TOOL, BYTE, 255, ON, 0, relaxed, unused)
    fi;
#endif
    unused = 0;
    ended++
}

inline look()
{
    load(R, COMMITTED(0), acquire, n);
    found = (n > seen[0]);
    seen[0] = n;
#if WRITERS > 1
    load(R, COMMITTED(1), acquire, n);
    found = found || (n > seen[1]);
    seen[1] = n;
#endif
    n = 0
}

proctype reader()
{
    byte expected, n, byte_seen, unused, i;
    bool found, fresh = true, armed; /* fresh: a bit was set, and the millisecond is not over */
    do
    :: true ->
        if :: WITHOUT(C4) :: else -> load(R, WAKE, (WITHOUT(C4A) -> relaxed : acquire), expected) fi;
        if
        :: WITHOUT(C3) || (WITHOUT(C4L) && armed)
        :: else ->
            load(R, BYTE, relaxed, byte_seen);
            if
            :: (byte_seen & BIT) || byte_seen == 0
            :: else -> modify(R, BYTE, 255, BIT, 0, relaxed, unused); unused = 0; fresh = true
            fi;
            byte_seen = 0
        fi;
        armed = true;
        if :: WITHOUT(C4) -> load(R, WAKE, acquire, expected) :: else fi;
        fence(R, seq_cst);
        look();
        if
        :: found -> found = false; fresh = true; armed = false
        :: else ->
            deep = !fresh || WITHOUT(C4N);
            atomic {
                futex_wait(R, WAKE, expected, asleep);
                early[0] = early[0] || emitting[0];
                early[WRITERS - 1] = early[WRITERS - 1] || emitting[WRITERS - 1]
            }
end:
            if
            :: !asleep -> fresh = true; armed = false
            :: atomic {
                   asleep && !deep && !early[0] && !early[WRITERS - 1] -> /* the millisecond is over */
                   asleep = false;
                   fresh = false;
                   see_all(0);
                   see_all(WRITERS - 1);
                   see_all(R)
               }
            fi;
            deep = false
        fi;
        expected = 0
    od
}

active proctype judge()
{
end:
    atomic {
        ended == WRITERS + 1 && asleep && deep ->
        assert(seen[0] == newest[COMMITTED(0)] && seen[WRITERS - 1] == newest[COMMITTED(WRITERS - 1)])
    }
}

init
{
    atomic {
        begin();
#ifndef NEW
        store(TOOL, BYTE, ON, relaxed);
#endif
        see_all(0);
        see_all(WRITERS - 1);
        see_all(R);
        run writer(0);
#if WRITERS > 1
        run writer(1);
#endif
#if defined(RULES) || defined(NEW)
        run tool();
#else
        ended = 1;
#endif
        run reader()
    }
}
