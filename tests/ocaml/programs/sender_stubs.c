/* SPDX-License-Identifier: ISC
 *
 * The C library of sender.ml: events of every kind, from externals that may allocate and that may not, from threads that OCaml knows and
 * from one that it does not.
 */
#define EVTRAIL_STANDALONE
#include <evtrail/trace.h>

#include <caml/memory.h>
#include <caml/mlvalues.h>
#include <caml/signals.h>

#include <pthread.h>

value sender_kinds(value count)
{
    static const char long_text[2000] = {'l'};
    for (long i = 1; i <= Long_val(count); i++) {
        const double ratio = 0.5;
        const unsigned char small = 200;
        const _Bool yes = 1;
        const char *none = NULL;
        EVTRAIL_BEGIN(info, "c.work", (uint64_t)i, (uint64_t)0);
        EVTRAIL(info, "c.unit");
        EVTRAIL(info, "c.int", EVTRAIL_AS(value, -i));
        EVTRAIL_COUNTER(info, "c.level", i * 10);
        EVTRAIL_COUNTER(info, "c.ratio", ratio);
        EVTRAIL(info, "c.many", small, yes, ratio, none, EVTRAIL_AS(text, "caf\xc3\xa9"), evtrail_bytes("\1\2\3", 3));
        EVTRAIL_STATE(info, "c.conn", (uint64_t)i, (uint64_t)7, "open");
        EVTRAIL(info, "c.long", evtrail_bytes(long_text, sizeof(long_text)), small);
        EVTRAIL(debug, "c.debug", i);
        EVTRAIL_END(info, "c.work", (uint64_t)i);
    }
    return Val_unit;
}

static void emit_ints(long count)
{
    static __thread long number;
    for (long i = 0; i < count; i++)
        EVTRAIL(info, "c.number", ++number);
}

value sender_ints(value count)
{
    emit_ints(Long_val(count));
    return Val_unit;
}

value sender_pairs(value count)
{
    for (long i = 0; i < Long_val(count); i++)
        EVTRAIL(info, "c.pair", i, EVTRAIL_AS(again, i));
    return Val_unit;
}

static pthread_t thread;
static long thread_count;

static void *run(void *unused)
{
    (void)unused;
    for (long i = 1; i <= thread_count; i++)
        EVTRAIL(info, "c.foreign", i);
    return NULL;
}

value sender_thread_start(value count)
{
    thread_count = Long_val(count);
    pthread_create(&thread, NULL, run, NULL);
    return Val_unit;
}

value sender_thread_wait(value unit)
{
    pthread_join(thread, NULL);
    return unit;
}

value sender_thread_join(value unit)
{
    CAMLparam1(unit);
    caml_enter_blocking_section();
    pthread_join(thread, NULL);
    caml_leave_blocking_section();
    CAMLreturn(Val_unit);
}

value sender_without_lock(value count)
{
    CAMLparam1(count);
    const long n = Long_val(count);
    caml_enter_blocking_section();
    emit_ints(n);
    caml_leave_blocking_section();
    CAMLreturn(Val_unit);
}
