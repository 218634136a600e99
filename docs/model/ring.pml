/* SPDX-License-Identifier: ISC
 *
 * Block change and lapping, policy overwrite: one writer (libtrace/ring.c), one reader (libtrace/reader/ring_reader.c).
 *
 * SLOTS slots, BLOCKS_WRITTEN blocks of 1 .. RECORDS records; a record is one word, the number of its event: what a reader must find is
 * known. With KILL the writer stops for ever at any point. With SCAN the reader does not believe head_block and goes by the
 * blocks' numbers alone.
 */
#ifndef SLOTS
#define SLOTS 2
#define BLOCKS_WRITTEN 5
#define RECORDS 2
#endif

/* mutants: what is left out, by its label in docs/memory-order.md */
#define W1 1  /* number = 0 */
#define W1R 16 /* ... as a release store, after head_block */
#define W2 2  /* the release fence after it (W1, a release store, does not do) */
#define W3 4  /* release of number (SCAN: with head_block, W4 does for both) */
#define W4 5  /* release of head_block */
#define W6 6  /* release of committed */
#define R1 7  /* acquire of head_block */
#define R1L 8 /* ... before `committed` is read */
#define R2 9  /* acquire of committed */
#define R2N 10 /* acquire of number (SCAN) */
#define R3 11  /* the acquire fence */
#define R3A 12 /* ... for an acquire load of number */
#define R4 13  /* the second look at number */
#define R6 17  /* an acquire fence between a number that is another and head_block */
#define K1 14  /* words before committed, in program order (KILL) */
#define K2 15  /* number before head_block, in program order (KILL) */

#define HEAD 0
#define NUMBER(slot) (1 + slot)
#define COMMITTED(slot) (1 + SLOTS + slot)
#define BEFORE(slot) (1 + 2 * SLOTS + slot)
#define WORD(slot, i) (1 + 3 * SLOTS + RECORDS * (slot) + (i))
#define LOCATIONS (1 + (3 + RECORDS) * SLOTS)
#define MESSAGES (2 + (RECORDS + 1) * ((BLOCKS_WRITTEN + SLOTS - 1) / SLOTS))
#define THREADS 2
#define W 0
#define R 1
#include "memory.pml"

#define WITHOUT(label) (mutant == label)
#define ORDER(label, order) (WITHOUT(label) -> relaxed : order)

/* what really happened, for the assertions only */
byte opened;  /* blocks begun */
byte emitted; /* events whose `committed` was stored */
bool stopped; /* the writer has ended, or was killed */

bool killed;

#ifdef KILL
active proctype killer()
{
    atomic { killed = true; stopped = true }
}
#endif

proctype writer()
{
    byte s, slot, i;
    {
    do
    :: s < BLOCKS_WRITTEN ->
        slot = s % SLOTS;
        /* open_block() */
        atomic {
            opened = s + 1;
            if
            :: WITHOUT(W1) -> skip
            :: else -> store(W, NUMBER(slot), 0, ORDER(W1R, release))
            fi
        }
        if
        :: WITHOUT(W2) -> skip
        :: else -> fence(W, release)
        fi;
        atomic { store(W, BEFORE(slot), emitted, relaxed) }
        atomic { store(W, COMMITTED(slot), 0, relaxed) }
        if
        :: WITHOUT(K2) -> atomic { store(W, HEAD, s + 1, release) }
        :: else -> skip
        fi;
        atomic { store(W, NUMBER(slot), s + 1, ORDER(W3, release)) }
        atomic { store(W, HEAD, s + 1, ORDER(W4, release)) }
        /* evtrail_header_(), evtrail_put_(), evtrail_end_() */
        i = 0;
        do
        :: i < RECORDS ->
            if
            :: WITHOUT(K1) -> atomic { store(W, COMMITTED(slot), i + 1, release); emitted++ }
            :: else -> skip
            fi;
            atomic { store(W, WORD(slot, i), emitted + (WITHOUT(K1) -> 0 : 1), relaxed) }
            if
            :: WITHOUT(K1) -> skip
            :: else -> atomic { store(W, COMMITTED(slot), i + 1, ORDER(W6, release)); emitted++ }
            fi;
            i++
        :: i > 0 -> break /* what follows does not fit */
        od;
        s++
    :: else -> break
    od;
    stopped = true
    } unless { killed }
}

byte lost, delivered; /* as the reader counts them */

inline look(order)
{
#ifdef SCAN
    head = 0;
    i = 0;
    do
    :: i < SLOTS ->
        load(R, NUMBER(i), ORDER(R2N, acquire), number);
        head = (number > head -> number : head);
        i++
    :: else -> break
    od;
    i = 0;
    number = 0
#else
    load(R, HEAD, order, head)
#endif
}

proctype reader()
{
    byte next, done;        /* the block it reads, its records already taken */
    byte head, number, committed, before, i;
    byte word[RECORDS];
    byte last;              /* event delivered last */
    bool final, gone, lapped;
    do
    :: !final ->
        atomic {
            if
            :: stopped -> final = true; see_all(R)
            :: true
            fi
        }
        look(ORDER(R1, acquire));
        do
        :: next >= head -> break
        :: next < head ->
            d_step { gone = head - next > SLOTS; number = 0; committed = 0; before = 0; i = 0 }
            if
            :: gone -> skip
            :: else ->
                load(R, NUMBER(next % SLOTS), ORDER(R2N, acquire), number);
                gone = (number != next + 1);
                if
                :: gone -> skip
                :: else ->
                    load(R, COMMITTED(next % SLOTS), ORDER(R2, acquire), committed);
                    load(R, BEFORE(next % SLOTS), relaxed, before);
                    i = done;
                    do
                    :: i < committed -> load(R, WORD(next % SLOTS, i), relaxed, word[i]); i++
                    :: else -> break
                    od;
                    if
                    :: WITHOUT(R3) || WITHOUT(R3A) -> skip
                    :: else -> fence(R, acquire)
                    fi;
                    if
                    :: WITHOUT(R4) -> skip
                    :: else -> load(R, NUMBER(next % SLOTS), (WITHOUT(R3A) -> acquire : relaxed), number) /* R4 */
                    fi;
                    gone = (number != next + 1);
                    if
                    :: WITHOUT(R1L) -> look(acquire)
                    :: else -> skip
                    fi
                fi
            fi;
            if
            :: gone ->
                assert(opened > next + SLOTS);
                if :: WITHOUT(R6) :: else -> fence(R, acquire) fi;
                look(ORDER(R1, acquire));
#ifndef SCAN
                assert(head >= next + SLOTS); /* a lap can be told from a lie */
#endif
                d_step {
                    lapped = true;
                    next = (next + 1 > head - SLOTS / 2 -> next + 1 : head - SLOTS / 2);
                    done = 0
                }
            :: else ->
                d_step {
                    assert(committed >= done);
                    assert(before + done >= lost + delivered);
                    /* LOST only where a block was taken away; counted on arrival, also in a block that is still empty */
                    assert(lapped || before + done == lost + delivered);
                    lapped = false;
                    lost = before + done - delivered;
                    i = done;
                    do
                    :: i < committed ->
                        assert(word[i] == before + i + 1); /* not torn, not from another lap */
                        assert(word[i] > last);            /* not twice, in order */
                        last = word[i];
                        word[i] = 0;
                        delivered++;
                        i++
                    :: else -> break
                    od;
                    done = committed;
                    i = 0; number = 0; before = 0; committed = 0
                }
                if
                :: head > next + 1 -> d_step { next++; done = 0 } /* sealed, and all of it taken */
                :: else -> break
                fi
            fi
        od;
        true;
        d_step { head = 0; number = 0; committed = 0; before = 0; gone = false }
    :: else -> break
    od;
    assert(delivered + lost == emitted)
}

init
{
    atomic { begin(); run writer(); run reader() }
}
