/* SPDX-License-Identifier: ISC
 *
 * Policy drop: the writer takes a slot again only when the consumer has released it (policy.c: evtrail_policy_room();
 * reader/consumer.c), and counts what found no room.
 *
 * SLOTS slots of one record; EVENTS events are tried. The consumer attaches at any time, in a consumer slot where an earlier consumer left
 * a high cursor. With KILL the writer stops for ever at any point.
 */
#define SLOTS 2
#ifndef EVENTS
#define EVENTS 5
#endif

/* mutants */
#define B2 1 /* acquire of the cursor (a speculated store: the slot is marked before the cursor is read) */
#define B3 2 /* release of the cursor (the store may overtake the copying) */
#define B6 3 /* release of "active", after the cursor is reset */
#define B6A 4 /* acquire of "active" */
#define P1 5 /* the cursor moves only past sealed blocks that were taken */
#define P2 6 /* a block's header says what was lost before it */
#define P3 7 /* without a consumer the oldest is kept */

#define HEAD 0
#define ACTIVE 1
#define RELEASED 2
#define LOST 3
#define NUMBER(slot) (4 + slot)
#define COMMITTED(slot) (4 + SLOTS + slot)
#define BEFORE(slot) (4 + 2 * SLOTS + slot)
#define LOST_BEFORE(slot) (4 + 3 * SLOTS + slot)
#define WORD(slot) (4 + 4 * SLOTS + slot)
#define LOCATIONS (4 + 5 * SLOTS)
#define MESSAGES (2 + 2 * ((EVENTS + SLOTS - 1) / SLOTS) + EVENTS)
#define THREADS 2
#define W 0
#define C 1
#include "memory.pml"

#define WITHOUT(label) (mutant == label)
#define ORDER(label, order) (WITHOUT(label) -> relaxed : order)

byte tried, emitted;
bool stopped, killed;

#ifdef KILL
active proctype killer()
{
    atomic { killed = true; stopped = true }
}
#endif

inline open_block()
{
    slot = s % SLOTS;
    store(W, NUMBER(slot), 0, relaxed);
    fence(W, release);
    store(W, BEFORE(slot), emitted, relaxed);
    store(W, LOST_BEFORE(slot), (WITHOUT(P2) -> 0 : lost), relaxed);
    store(W, COMMITTED(slot), 0, relaxed);
    store(W, NUMBER(slot), s + 1, release);
    s++;
    store(W, HEAD, s, release)
}

proctype writer()
{
    byte s, slot, tail, lost, ready, released;
    {
    do
    :: tried < EVENTS ->
        ready = 0;
        released = 0;
        if
        :: s < SLOTS -> skip
        :: else ->
            if
            :: WITHOUT(B2) -> store(W, NUMBER(s % SLOTS), 0, relaxed)
            :: else
            fi;
            load(W, ACTIVE, ORDER(B6A, acquire), ready);
            if
            :: ready ->
                load(W, RELEASED, seq_cst, released); /* B2 */
                d_step {
                    released = (released < s -> released : s); /* whatever it says */
                    tail = (released > tail -> released : tail)
                }
            :: WITHOUT(P3) && !ready -> tail = s
            :: else
            fi
        fi;
        if
        :: s - tail < SLOTS ->
            open_block();
            store(W, WORD(slot), tried + 1, relaxed);
            atomic { store(W, COMMITTED(slot), 1, release); emitted++; tried++ }
        :: else ->
            lost++;
            atomic { store(W, LOST, lost, relaxed); tried++ }
        fi
    :: else -> break
    od;
    stopped = true
    } unless { killed }
}

proctype consumer()
{
    byte next, head, number, committed, before, lost_before, word;
    byte lost, delivered, expected, events;
    bool final, done;
    store(C, RELEASED, 0, relaxed);
    store(C, ACTIVE, 1, ORDER(B6, release));
    do
    :: !final ->
        atomic {
            if
            :: stopped -> final = true; see_all(C)
            :: true
            fi
        }
        load(C, HEAD, acquire, head);
        do
        :: next >= head -> break
        :: next < head ->
            load(C, NUMBER(next % SLOTS), acquire, number);
            assert(number == next + 1); /* nothing is taken away from a consumer */
            load(C, COMMITTED(next % SLOTS), acquire, committed);
            load(C, BEFORE(next % SLOTS), relaxed, before);
            load(C, LOST_BEFORE(next % SLOTS), relaxed, lost_before);
            if
            :: head > next + 1 && WITHOUT(B3) -> store(C, RELEASED, next + 1, relaxed)
            :: next + 1 == head && newest[RELEASED] != next + 1 && WITHOUT(P1) -> store(C, RELEASED, next + 1, release)
            :: else
            fi;
            if
            :: committed > 0 && !done ->
                load(C, WORD(next % SLOTS), relaxed, word);
                fence(C, acquire);
                load(C, NUMBER(next % SLOTS), relaxed, number);
                assert(number == next + 1);
                assert(before == delivered);
                assert(word == before + lost_before + 1); /* whole, and what was lost stands in its place */
                delivered++;
                done = true;
                word = 0
            :: else
            fi;
            assert(lost_before >= lost);
            d_step { lost = lost_before; number = 0; before = 0; lost_before = 0; committed = 0 }
            if
            :: head > next + 1 ->
                assert(done);
                d_step { next++; done = false }
                if
                :: WITHOUT(B3)
                :: else -> store(C, RELEASED, next, seq_cst)
                fi
            :: else -> break
            fi
        od;
        head = 0
    :: else -> break
    od;
    load(C, LOST, relaxed, lost); /* the trailing ones stand in the ring's header only */
    assert(delivered == emitted);
    assert(delivered + lost == tried)
}

init
{
    atomic {
        begin();
        store(C, RELEASED, 9, relaxed);
        see_all(W);
        run writer();
        run consumer()
    }
}
