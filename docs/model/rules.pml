/* SPDX-License-Identifier: ISC
 *
 * A rule is appended while a type is registered (registry.c: register_points(); shared/rules.c; reader/live.c:
 * evtrail_live_apply_rules()).
 *
 * A tool appends a rule and then sets the bytes of all types; a process publishes a type and then sets its byte by all rules. Neither
 * waits for the other. In the end the byte must be what the whole list says. With TWO tools the second rule undoes the first.
 */
#ifdef TWO
#define TOOLS 2
#else
#define TOOLS 1
#endif

/* mutants */
#define C2 1   /* release of the count of types */
#define C5 2   /* release of the length of the list */
#define C12 3   /* release of the generation, after the list */
#define C9 4   /* seq_cst fence after the type, before the look at the generation */
#define C9G 5  /* the look at the generation after the byte was set */
#define C10 6  /* seq_cst fence after the rule, before the types */
#define C11 7  /* TWO: a tool looks at the generation again after it set the byte */
#define C11F 8 /* ... behind a seq_cst fence */

#define TYPES 0
#define NAME 1
#define LENGTH 2
#define GENERATION 3
#define BYTE 4
#define LINE(i) (5 + i)
#define LOCATIONS (5 + TOOLS)
#define MESSAGES 10
#define THREADS (1 + TOOLS)
#define READS(thread, location) (location != BYTE && (thread != P || (location != TYPES && location != NAME)))
#define P TOOLS
#include "memory.pml"

#define WITHOUT(label) (mutant == label)
#define ORDER(label, order) (WITHOUT(label) -> relaxed : order)

bool lock;
byte ended;

/* What the list says, as far as it is read: 1 on, 0 off. Line 1 switches on, line 2 off, the last counts. */
inline evaluate(thread)
{
    load(thread, LENGTH, acquire, length);
    state = 0;
    if
    :: length > 0 ->
        load(thread, LINE(0), relaxed, line);
        assert(line > 0);
        if :: line == 1 -> state = 1 :: else fi
    :: else
    fi;
    if
    :: TOOLS > 1 && length > 1 ->
        load(thread, LINE(TOOLS - 1), relaxed, line);
        assert(line > 0);
        if :: line > 0 -> state = (line == 1) :: else fi
    :: else
    fi;
    line = 0; length = 0
}

proctype process()
{
    byte generation, now, state, length, line;
    load(P, GENERATION, acquire, generation);
    evaluate(P);
    store(P, NAME, 1, relaxed);
    store(P, TYPES, 1, ORDER(C2, release));
    if :: WITHOUT(C9) :: else -> fence(P, seq_cst) fi; /* publish_type() */
    store(P, BYTE, state, relaxed);
    do
    :: WITHOUT(C9G) -> break
    :: else ->
        if :: WITHOUT(C9) :: else -> fence(P, seq_cst) fi;
        load(P, GENERATION, acquire, now);
        if
        :: now == generation -> break
        :: else
        fi;
        generation = now;
        evaluate(P);
        store(P, BYTE, state, relaxed)
    od;
    generation = 0; now = 0; state = 0;
    atomic { see_all(P); ended++ }
}

proctype tool(byte t)
{
    byte generation, now, state, length, line, types, name, unused;
    /* evtrail_rules_append() */
    atomic { !lock -> lock = true; see_all(t) } /* C6: what the last holder did */
    atomic { length = newest[LENGTH]; store(t, LINE(length), t + 1, relaxed) }
    atomic { store(t, LENGTH, length + 1, ORDER(C5, release)); length = 0 }
    modify(t, GENERATION, 255, 0, 1, ORDER(C12, release), unused);
    unused = 0;
    lock = false;
    do
    :: true ->
        load(t, GENERATION, acquire, generation);
        if :: WITHOUT(C10) :: else -> fence(t, seq_cst) fi;
        load(t, TYPES, acquire, types); /* R5 */
        if
        :: types == 0 -> break
        :: else
        fi;
        types = 0;
        load(t, NAME, relaxed, name);
        assert(name == 1);
        name = 0;
        evaluate(t);
        modify(t, BYTE, 0, state, 0, relaxed, unused); /* compare and exchange */
        unused = 0;
        state = 0;
        if
        :: WITHOUT(C11) -> break
        :: else
        fi;
        if :: WITHOUT(C11F) :: else -> fence(t, seq_cst) fi;
        load(t, GENERATION, acquire, now);
        if
        :: now == generation -> break
        :: else
        fi
    od;
    generation = 0; now = 0;
    atomic { see_all(t); ended++ }
}

active proctype judge()
{
end:
    atomic {
        ended == 1 + TOOLS ->
        assert(newest[BYTE] == (newest[LINE(TOOLS - 1)] == 1))
    }
}

init
{
    atomic {
        begin();
        run process();
        run tool(0);
#ifdef TWO
        run tool(1)
#endif
    }
}
