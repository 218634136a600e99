/* SPDX-License-Identifier: ISC
 *
 * Data made ready, then a word that says so: the pairs of the protocols that are no more than that.
 *
 *   0  point->head         before  point->enabled (T2)             registry.c        trace.h (T1)
 *   1  a ring's geometry   before  its state (W7)                  thread.c          reader/ring_reader.c (R1)
 *   2  a session's header  before  its magic (W8)                  session.c         reader/live.c (R8)
 *   3  settings            before  their generation (C1)           shared/settings.c policy.c (C1A)
 *   4  a thread's ring     before  its state (T4)                  thread.c          thread.c (T3), by compare and exchange
 */
#define PAIRS 5

/* mutants: the release of pair i is i + 1, its acquire PAIRS + i + 1 */
#define T2 1
#define W7 2
#define W8 3
#define C1 4
#define T4 5
#define T1 6
#define R1 7
#define R8 8
#define C1A 9
#define T3 10

#define DATA(i) (2 * i)
#define FLAG(i) (2 * i + 1)
#define LOCATIONS (2 * PAIRS)
#define MESSAGES 4
#define THREADS 2
#include "memory.pml"

proctype maker(byte i)
{
    store(0, DATA(i), 1, relaxed);
    store(0, FLAG(i), 1, (mutant == i + 1 -> relaxed : release))
}

proctype user(byte i)
{
    byte flag, data;
    if
    :: i == PAIRS - 1 -> modify(1, FLAG(i), 254, 0, 0, (mutant == PAIRS + i + 1 -> relaxed : acquire), flag)
    :: else -> load(1, FLAG(i), (mutant == PAIRS + i + 1 -> relaxed : acquire), flag)
    fi;
    if
    :: flag ->
        load(1, DATA(i), relaxed, data);
        assert(data == 1)
    :: else
    fi
}

init
{
    byte i;
    atomic {
        begin();
        select(i : 0 .. PAIRS - 1);
        run maker(i);
        run user(i)
    }
}
