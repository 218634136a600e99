/* SPDX-License-Identifier: ISC
 *
 * The memory that the models run on: C11 atomics by views, weaker than what ARM does with them.
 *
 * Every location keeps all values ever stored in it, in order. A thread has a view: for each location the oldest value that it may
 * still read. A load takes any value from there on; this is how loads and stores overtake each other. What a thread
 * knows travels with what it stores:
 *     store relaxed    carries the view that the thread had at its last release fence
 *     store release    carries the thread's view
 *     load relaxed     puts the carried view aside, until the next acquire fence
 *     load acquire     joins the carried view to the thread's
 *     seq_cst          release or acquire; a load sees the last seq_cst store there, or a later one
 *     seq_cst fence    release and acquire fence, and joins with all such fences before it
 *     read-modify-write takes the newest value; its store carries on what the value that it read carried
 * (Kang et al., "A promising semantics for relaxed-memory concurrency", POPL 2017, without promises.) There being no promises, a
 * store cannot overtake an earlier load; where a protocol forbids it, the mutant does the store early by itself.
 *
 * A model defines LOCATIONS, MESSAGES (stores to one location, with the first value 0) and THREADS, then includes this.
 * MUTANT in the environment is the number of the ordering to leave out; 0: none.
 */
#ifndef READS
#define READS(thread, location) 1 /* whether it ever loads there, but by read-modify-write */
#endif
#define relaxed 0
#define acquire 1
#define release 2
#define seq_cst 3

c_decl {
    typedef unsigned char view[LOCATIONS];
    struct memory {
        view newest;   /* index of the last message of each location */
        view strong;   /* of the last one stored seq_cst */
        view fence;    /* of all seq_cst fences */
        struct {
            view own, aside, fence; /* in force; read but not acquired; at the last release fence */
        } thread[THREADS];
        struct {
            unsigned char value;
            view carried;
        } message[LOCATIONS][MESSAGES];
    };
}
c_state "struct memory memory" "Global"
byte mutant;
byte newest[LOCATIONS]; /* values */
byte m_thread, m_location, m_order, m_index, m_value; /* arguments on their way into C; 0 in between */

c_code {
    static void join(unsigned char *to, const unsigned char *from)
    {
        int i;
        for (i = 0; i < LOCATIONS; i++)
            if (to[i] < from[i])
                to[i] = from[i];
    }

    static void lower(unsigned char *view, int x, int by)
    {
        view[x] = view[x] > by ? view[x] - by : 0;
    }

    /* Forgets messages that no thread can read any more, so that states which differ in nothing else are one. */
    static void compact(struct memory *m, int x)
    {
        int t, i, y, by = m->newest[x];
        for (t = 0; t < THREADS; t++)
            if (READS(t, x) && m->thread[t].own[x] < by)
                by = m->thread[t].own[x];
        if (by == 0)
            return;
        lower(m->newest, x, by);
        lower(m->strong, x, by);
        lower(m->fence, x, by);
        for (t = 0; t < THREADS; t++) {
            lower(m->thread[t].own, x, by);
            lower(m->thread[t].aside, x, by);
            lower(m->thread[t].fence, x, by);
        }
        for (i = 0; i + by < MESSAGES; i++)
            m->message[x][i] = m->message[x][i + by];
        memset(&m->message[x][i], 0, by * sizeof(m->message[x][i]));
        for (y = 0; y < LOCATIONS; y++)
            for (i = 0; i <= m->newest[y]; i++)
                lower(m->message[y][i].carried, x, by);
    }

    static void compact_all(struct memory *m)
    {
        int x;
        for (x = 0; x < LOCATIONS; x++)
            compact(m, x);
    }

    static void memory_store(struct memory *m, int t, int x, int value, int order, int also)
    {
        int n = ++m->newest[x];
        m->thread[t].own[x] = n;
        m->message[x][n].value = value;
        if (also)
            join(m->message[x][n].carried, m->message[x][n - 1].carried);
        join(m->message[x][n].carried, order >= release ? m->thread[t].own : m->thread[t].fence);
        m->message[x][n].carried[x] = n;
        if (order == seq_cst)
            m->strong[x] = n;
    }

    static int memory_oldest(const struct memory *m, int t, int x, int order)
    {
        int n = m->thread[t].own[x];
        return order == seq_cst && n < m->strong[x] ? m->strong[x] : n;
    }

    static int memory_load(struct memory *m, int t, int x, int n, int order)
    {
        m->thread[t].own[x] = n;
        join(order == relaxed ? m->thread[t].aside : m->thread[t].own, m->message[x][n].carried);
        return m->message[x][n].value;
    }

    static void memory_fence(struct memory *m, int t, int order)
    {
        if (order == acquire || order == seq_cst) {
            join(m->thread[t].own, m->thread[t].aside);
            memset(m->thread[t].aside, 0, LOCATIONS);
        }
        if (order == seq_cst) {
            join(m->thread[t].own, m->fence);
            join(m->fence, m->thread[t].own);
        }
        if (order >= release)
            join(m->thread[t].fence, m->thread[t].own);
    }
}

inline begin()
{
    c_code { now.mutant = getenv("MUTANT") ? atoi(getenv("MUTANT")) : 0; };
}

inline forget()
{
    c_code { compact_all(&now.memory); };
    m_thread = 0; m_location = 0; m_order = 0; m_index = 0; m_value = 0;
}

inline store(thread, location, value, order)
{
    d_step {
        m_thread = thread; m_location = location; m_value = value; m_order = order;
        c_code { now.m_index = now.memory.newest[now.m_location] + 1; };
        assert(m_index < MESSAGES);
        c_code { memory_store(&now.memory, now.m_thread, now.m_location, now.m_value, now.m_order, 0); };
        newest[m_location] = m_value;
        forget();
    }
}

inline load(thread, location, order, ret)
{
    atomic {
        d_step {
            m_thread = thread; m_location = location; m_order = order;
            c_code {
                now.m_index = memory_oldest(&now.memory, now.m_thread, now.m_location, now.m_order);
                now.m_value = now.memory.newest[now.m_location];
            };
        }
        do
        :: m_index < m_value -> m_index++
        :: d_step {
               c_code { now.m_value = memory_load(&now.memory, now.m_thread, now.m_location, now.m_index, now.m_order); };
               ret = m_value;
               forget();
           }
           break
        od
    }
}

/* ret = old value; the new one is (old & keep | set) + add. */
inline modify(thread, location, keep, set, add, order, ret)
{
    d_step {
        m_thread = thread; m_location = location; m_order = order;
        c_code {
            now.m_index = now.memory.newest[now.m_location];
            now.m_value = memory_load(&now.memory, now.m_thread, now.m_location, now.m_index,
                                      now.m_order == release ? relaxed : now.m_order);
        };
        assert(m_index + 1 < MESSAGES);
        ret = m_value;
        m_value = ((m_value & keep) | set) + add;
        c_code { memory_store(&now.memory, now.m_thread, now.m_location, now.m_value, now.m_order, 1); };
        newest[m_location] = m_value;
        forget();
    }
}

inline fence(thread, order)
{
    d_step {
        m_thread = thread; m_order = order;
        c_code { memory_fence(&now.memory, now.m_thread, now.m_order); };
        forget();
    }
}

/* The thread sees all that was stored: the kernel has been between (a process died, a millisecond passed). */
inline see_all(thread)
{
    d_step {
        m_thread = thread;
        c_code { join(now.memory.thread[now.m_thread].own, now.memory.newest); };
        forget();
    }
}

/* For a thread that looks until it sees what is newest: does not go on before that is at least `least`. */
inline await(thread, location, least, order)
{
    atomic {
        newest[location] >= least;
        d_step {
            m_thread = thread; m_location = location; m_order = order;
            c_code {
                memory_load(&now.memory, now.m_thread, now.m_location, now.memory.newest[now.m_location], now.m_order);
            };
            forget();
        }
    }
}

/* futex(2). The kernel compares with the newest value, which the thread has then seen; one lock is around this and around
 * waking. */
inline futex_wait(thread, location, expected, asleep)
{
    d_step {
        m_thread = thread; m_location = location;
        c_code { now.memory.thread[now.m_thread].own[now.m_location] = now.memory.newest[now.m_location]; };
        asleep = (newest[location] == expected);
        forget();
    }
}
