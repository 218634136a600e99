/* SPDX-License-Identifier: ISC
 *
 * Policy block: a writer sleeps until consumers release a block (policy.c: evtrail_policy_wait(); reader/consumer.c).
 *
 * The ring has one slot: the writer fills it BLOCKS times and may open it again when both consumers have released what was in it.
 * Without a deadline nobody may sleep for ever. With KILL a consumer stops for ever at any point, and there is the deadline.
 */
#ifndef BLOCKS
#define BLOCKS 2
#define CONSUMERS 2
#endif

/* mutants */
#define B1 1  /* seq_cst of waiting = 1: release */
#define B2 2  /* seq_cst of the second look at the cursors: acquire */
#define B2N 3 /* ... the second look */
#define B3 4  /* seq_cst of the cursor: release */
#define B4 5  /* seq_cst of the look at waiting: acquire */
#define B5 6  /* wake is changed before the call */
#define B5L 7 /* wake is read before the second look */
#define B7 8  /* the deadline (KILL) */

#define HEAD 0
#define RELEASED(c) (1 + c)
#define WAITING (1 + CONSUMERS)
#define WAKE (2 + CONSUMERS)
#define LOCATIONS (3 + CONSUMERS)
#define MESSAGES 14
#define THREADS (CONSUMERS + 1)
#define W CONSUMERS
#include "memory.pml"

#define WITHOUT(label) (mutant == label)

bool asleep, killed;
byte opened, timeouts;

#ifdef KILL
#define DEADLINE !WITHOUT(B7)
active proctype killer()
{
    killed = true
}
#else
#define DEADLINE false
#endif

inline look(order)
{
    load(W, RELEASED(0), order, r);
    low = r;
#if CONSUMERS > 1
    load(W, RELEASED(1), order, r);
    low = (r < low -> r : low);
#endif
    r = 0
}

proctype writer()
{
    byte r, low, wake;
    do
    :: opened < BLOCKS ->
        look(acquire);
        do
        :: low >= opened -> break
        :: else ->
            if :: WITHOUT(B5L) :: else -> load(W, WAKE, relaxed, wake) fi;
            store(W, WAITING, 1, (WITHOUT(B1) -> release : seq_cst));
            if :: WITHOUT(B2N) :: else -> look((WITHOUT(B2) -> acquire : seq_cst)) fi;
            if
            :: low >= opened -> break
            :: else
            fi;
            if :: WITHOUT(B5L) -> load(W, WAKE, relaxed, wake) :: else fi;
            futex_wait(W, WAKE, wake, asleep);
            wake = 0;
            if
            :: !asleep
            :: DEADLINE -> asleep = false; timeouts++; break
            fi;
            if :: WITHOUT(B2N) -> look(acquire) :: else fi
        od;
        wake = 0;
        store(W, WAITING, 0, relaxed);
        if
        :: low < opened -> opened = BLOCKS /* as good as an end: the event is counted as lost */
        :: else ->
            low = 0;
            opened++;
            store(W, HEAD, opened, release)
        fi
    :: else -> break
    od
}

proctype consumer(byte c)
{
    byte i, waiting, unused;
    {
    do
    :: i < BLOCKS - 1 ->
end:    await(c, HEAD, i + 1, acquire);
        i++;
        store(c, RELEASED(c), i, (WITHOUT(B3) -> release : seq_cst));
        load(c, WAITING, (WITHOUT(B4) -> acquire : seq_cst), waiting);
        if
        :: waiting ->
            if :: WITHOUT(B5) :: else -> modify(c, WAKE, 255, 0, 1, relaxed, unused); unused = 0 fi;
            asleep = false /* futex(FUTEX_WAKE) */
        :: else
        fi;
        waiting = 0
    :: else -> break
    od
    } unless { killed && c == 0 }
}

init
{
    atomic {
        begin();
        run writer();
        run consumer(0);
#if CONSUMERS > 1
        run consumer(1)
#endif
    }
}
