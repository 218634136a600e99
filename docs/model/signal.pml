/* SPDX-License-Identifier: ISC
 *
 * Signal handlers that emit inside an emission of their thread (trace.h, emit.c, thread.c: evtrail_thread_migrate()).
 *
 * One thread, whose code may be interrupted between any two accesses by a handler that runs to its end, itself
 * interrupted, LEVELS deep. A tool changes the ring's size, so that the thread moves to another ring; another thread takes whatever
 * ring is given back. A record is two words, both the event's number. Memory is plain here: a thread sees its own stores.
 */
#define LEVELS 4
#define SIGNALS 3
#define EVENTS 2   /* of the thread itself */
#define RINGS 5    /* 0, 1: for threads; 2, 3, 4: for their handlers */
#define ROOM 12    /* words */
#define NONE RINGS

/* mutants */
#define S1 1 /* busy is set */
#define S2 2 /* ... before the place for the record is read */
#define S3 3 /* ... until after `committed` */
#define S4 4 /* busy of the handlers' ring is tested */
#define S5 5 /* a ring that the thread moved away from stays its own */
#define S6 6 /* handlers count losses with one instruction */
#define S7 7 /* pending is taken with one instruction */
#define S8 8 /* limit is opened before pending is looked at */

byte mutant;
#define WITHOUT(label) (mutant == label)

byte depth = LEVELS;   /* who runs: 0 the thread, n its nth nested handler */
byte tls;              /* the thread's ring */
bool starting, changed;
bool idle[RINGS] = true;
bool stolen[RINGS];    /* owned by the other thread */
byte busy[RINGS], commit[RINGS], committed[RINGS], limit[RINGS], second[RINGS];
bool moved[RINGS], pending[RINGS];
byte lost[RINGS], stated[RINGS];
byte word[RINGS * ROOM];

byte issued, ended, signals;

/* The lowest idle ring from `first` on, or NONE; claimed in one step, as claim() does. */
inline claim(first, end, ret)
{
    d_step {
        ret = first;
        do
        :: ret < end && !idle[ret] -> ret++
        :: else -> break
        od;
        if
        :: ret < end -> idle[ret] = false; busy[ret] = 0; limit[ret] = 0; second[ret] = NONE
        :: else -> ret = NONE
        fi
    }
}

inline count_lost(r)
{
    if
    :: WITHOUT(S6) -> n = lost[r]; lost[r] = n + 1; n = 0
    :: else -> lost[r]++
    fi;
    pending[r] = true;
    limit[r] = 0
}

inline migrate()
{
    starting = true;
    claim(0, 2, t);
    if
    :: t == NONE -> skip
    :: else ->
        moved[t] = true;
        tls = t;
        if
        :: WITHOUT(S5) ->
            limit[w] = 0;
            d_step { idle[w] = true; if :: second[w] != NONE -> idle[second[w]] = true; second[w] = NONE :: else fi }
        :: else -> skip
        fi;
        w = t
    fi;
    t = 0;
    starting = false
}

/* ret: the ring to write, busy; or NONE */
inline reserve()
{
    w = tls;
    if
    :: busy[w] == 0 && changed && !moved[w] && !starting -> migrate()
    :: else
    fi;
    t = w;
    if
    :: busy[w] ->
        t = second[w];
        if
        :: t == NONE && !starting ->
            starting = true;
            t = second[w];
            if
            :: t == NONE -> claim(2, RINGS, t); second[w] = t
            :: else
            fi;
            starting = false
        :: else
        fi
    :: else
    fi;
    if
    :: t == NONE -> count_lost(w)
    :: else ->
        if
        :: busy[t] && !WITHOUT(S4) -> count_lost(w); t = NONE
        :: else ->
            if :: WITHOUT(S1) :: else -> busy[t] = 1 fi;
            /* evtrail_ring_reserve() */
            if
            :: WITHOUT(S7) -> n = pending[t]; pending[t] = false
            :: else -> d_step { n = pending[t]; pending[t] = false }
            fi;
            if
            :: n -> stated[t] = lost[t]
            :: else
            fi;
            n = 0;
            if
            :: WITHOUT(S8) -> n = (pending[t] -> 0 : ROOM); limit[t] = n; n = 0
            :: else ->
                limit[t] = ROOM;
                if
                :: pending[t] -> limit[t] = 0
                :: else
                fi
            fi
        fi
    fi;
    w = t; t = 0
}

inline emit()
{
    d_step { issued++; id = issued }
    /* the inline path */
    w = tls;
    if
    :: busy[w] == 0 ->
        if :: WITHOUT(S2) -> n = commit[w] :: else fi;
        if :: WITHOUT(S1) :: else -> busy[w] = 1 fi;
        if
        :: commit[w] + 2 <= limit[w]
        :: else -> busy[w] = 0; n = 0; reserve()
        fi
    :: else -> reserve()
    fi;
    if
    :: w == NONE
    :: else ->
        assert(!stolen[w]); /* two threads would write one ring */
        if :: WITHOUT(S2) && n > 0 :: else -> n = commit[w] fi;
        word[w * ROOM + n] = id;
        word[w * ROOM + n + 1] = id;
        commit[w] = n + 2;
        if :: WITHOUT(S3) -> busy[w] = 0 :: else fi;
        assert(committed[w] < n + 2); /* never goes back */
        committed[w] = n + 2;
        busy[w] = 0;
        assert(!stolen[w])
    fi;
    w = 0; n = 0; id = 0
}

active [LEVELS] proctype code() provided (depth == _pid)
{
    byte w, t, n, id, events;
end:
    do
    :: _pid == 0 && events == EVENTS -> break
    :: _pid == 0 && events < EVENTS ->
        emit();
        events++;
        assert(depth > 0 || !pending[tls] || limit[tls] == 0)
    :: _pid > 0 -> emit(); depth--
    od;
    ended = 1;
    /* every event is in one place, whole, or counted */
    d_step {
        w = 0; events = 0; t = 0;
        do
        :: w < RINGS ->
            t = t + lost[w];
            assert(lost[w] == stated[w] || pending[w]);
            n = 0;
            do
            :: n < committed[w] ->
                assert(word[w * ROOM + n] == word[w * ROOM + n + 1]);
                events++;
                n = n + 2
            :: else -> break
            od;
            w++
        :: else -> break
        od;
        assert(events + t == issued)
    }
}

active proctype signal()
{
end:
    do
    :: atomic { signals < SIGNALS && depth < LEVELS - 1 && !ended -> signals++; depth++ }
    od
}

active proctype tool()
{
    changed = true
}

active proctype other_thread()
{
    byte r;
end:
    atomic {
        idle[0] && issued > 0 -> idle[0] = false; stolen[0] = true; busy[0] = 0; limit[0] = ROOM
    }
}

init
{
    d_step {
        c_code { now.mutant = getenv("MUTANT") ? atoi(getenv("MUTANT")) : 0; };
        idle[0] = false; second[0] = NONE; depth = 0
    }
}
