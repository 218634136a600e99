/* SPDX-License-Identifier: ISC
 *
 * The model of entities, by events made by hand.
 */
#include "model/entities.h"
#include "trace_builder.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

enum { IDLE = 1, ACTIVE = 2 };
struct world {
    struct model *model;
    struct entities *entities;
    struct trace trace;
    uint32_t name, label, address, conn, gone, used, failed, queue, conn_name;
};

static void declare(struct world *w)
{
    struct trace *const t = &w->trace;
    w->name = trace_type(t, EVTRAIL_KIND_state, 4, "pool.name", "name:u64 parent:u64 state:enum:1=open;2=closing");
    w->label = trace_type(t, EVTRAIL_KIND_name, 4, "pool.name", "name:u64 label:string");
    w->address = trace_type(t, EVTRAIL_KIND_state, 4, "pool.address", "address:u64 parent:u64 state:enum:1=serving");
    w->conn = trace_type(t, EVTRAIL_KIND_state, 5, "pool.conn", "conn:u64 parent:u64 state:enum:1=idle;2=active");
    w->gone = trace_type(t, EVTRAIL_KIND_gone, 5, "pool.conn", "conn:u64");
    w->used =
        trace_type(t, EVTRAIL_KIND_instant, 5, "pool.conn.used", "conn:u64 address:u64 sent:u64::bytes took:u64::ns");
    w->failed = trace_type(t, EVTRAIL_KIND_instant, 2, "pool.conn.failed", "conn:u64 code:enum:7=refused");
    w->queue = trace_type(t, EVTRAIL_KIND_counter, 5, "pool.queue", "depth:u32 name:u64");
    w->conn_name = trace_type(t, EVTRAIL_KIND_name, 5, "pool.conn", "conn:u64 label:string");
}

static void begin_with(struct world *w, const struct model_options *options)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(model_new(&w->model, options), 0);
    w->entities = entities_of(w->model);
    trace_begin(&w->trace, w->model, 1);
    declare(w);
}

static void begin(struct world *w)
{
    begin_with(w, NULL);
}

static struct entity *find(const struct world *w, const char *class, uint64_t id)
{
    for (uint32_t i = 0; i < entity_classes_count(w->entities); i++)
        if (strcmp(entity_class_at(w->entities, i)->name, class) == 0)
            return entity_find(w->entities, 0, i, id);
    return NULL;
}

static void family(struct world *w)
{
    trace_event(&w->trace, w->name, U(1), U(0), U(1));
    trace_event(&w->trace, w->address, U(2), U(1), U(1));
    trace_event(&w->trace, w->conn, U(3), U(2), U(IDLE));
    trace_event(&w->trace, w->conn, U(4), U(2), U(IDLE));
}

static void state__times_and_uses__are_of_each_state(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    family(&w);
    w.trace.now_ns += 5 * MS;
    trace_event(&w.trace, w.conn, U(3), U(2), U(ACTIVE));
    w.trace.now_ns += 7 * MS;
    trace_event(&w.trace, w.conn, U(3), U(2), U(ACTIVE)); /* says nothing new */
    w.trace.now_ns += 1 * MS;
    trace_event(&w.trace, w.conn, U(3), U(2), U(IDLE));
    w.trace.now_ns += 2 * MS;
    model_tick(w.model, w.trace.now_ns);
    const struct entity *const conn = find(&w, "pool.conn", 3);
    assert_non_null(conn);
    assert_int_equal(conn->uses, 1);
    assert_int_equal(entity_phase_ns(w.entities, conn, PHASE_busy), 8 * MS);
    assert_int_equal(entity_phase_ns(w.entities, conn, PHASE_idle), 7 * MS);
    assert_int_equal(entity_age(w.entities, conn), 15 * MS);
    assert_int_equal(entity_phase(w.entities, conn), PHASE_idle);
    assert_int_equal(conn->tid, 77);
    assert_int_equal(entity_source_of(w.entities, conn)->pid, 4001);
    model_free(w.model);
}

static void refs__fields_called_as_ids__are_about_the_entity(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    family(&w);
    trace_event(&w.trace, w.used, U(3), U(2), U(1000), U(5));
    trace_event(&w.trace, w.used, U(3), U(2), U(500), U(5));
    trace_event(&w.trace, w.used, U(0), U(2), U(1), U(5));   /* 0 is none */
    trace_event(&w.trace, w.used, U(99), U(98), U(1), U(5)); /* not known: nothing is made up */
    const struct entity *const conn = find(&w, "pool.conn", 3), *const address = find(&w, "pool.address", 2);
    assert_int_equal(conn->bytes, 1500);
    assert_int_equal(address->bytes, 1501);
    assert_int_equal(conn->events, 3);
    assert_null(find(&w, "pool.conn", 99));
    struct entity *touched[ENTITY_EVENT_REFS];
    const uint64_t values[8] = {4, 2, 9, 9};
    const struct evtrail_event event = trace_make(&w.trace, w.used, "", values);
    model_event(w.model, &event);
    assert_int_equal(entities_touched(w.entities, &event, touched), 2);
    assert_ptr_equal(touched[0], find(&w, "pool.conn", 4));
    assert_ptr_equal(touched[1], address);
    model_free(w.model);
}

static void error__of_level_error__is_the_last_one(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    family(&w);
    trace_event(&w.trace, w.failed, U(3), U(7));
    const struct entity *const conn = find(&w, "pool.conn", 3);
    assert_int_equal(conn->errors, 1);
    assert_non_null(conn->error);
    assert_string_equal(conn->error->text, "pool.conn.failed conn=3 code=refused");
    assert_null(find(&w, "pool.conn", 4)->error);
    model_free(w.model);
}

static void tree__sums__hold_all_below_and_what_is_forgotten(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    family(&w);
    trace_event(&w.trace, w.conn, U(3), U(2), U(ACTIVE));
    trace_event(&w.trace, w.used, U(3), U(2), U(100), U(5));
    trace_event(&w.trace, w.failed, U(3), U(7));
    trace_event(&w.trace, w.queue, U(6), U(1));
    entities_sum(w.entities);
    const struct entity *const name = find(&w, "pool.name", 1), *const address = find(&w, "pool.address", 2);
    assert_int_equal(name->parent, 0);
    assert_int_equal(address->parent, name->index);
    assert_int_equal(find(&w, "pool.conn", 3)->parent, address->index);
    assert_int_equal(name->waiters, 6);
    assert_int_equal(name->family->uses, 1);
    assert_int_equal(name->family->bytes, 200); /* the event is about both */
    assert_int_equal(name->family->errors, 1);
    assert_int_equal(name->family->alive, 3);
    assert_int_equal(address->family->phases[PHASE_busy], 1);
    assert_int_equal(address->family->phases[PHASE_idle], 1);
    trace_event(&w.trace, w.gone, U(3));
    entities_sum(w.entities);
    assert_int_equal(address->family->alive, 1);
    trace_pass(&w.trace, 60 * SECOND);
    assert_null(find(&w, "pool.conn", 3));
    entities_sum(w.entities);
    assert_int_equal(name->family->uses, 1);
    assert_int_equal(name->family->bytes, 200);
    assert_int_equal(address->family->past_children, 1);
    model_free(w.model);
}

static void gone__kept_a_while__and_ids_come_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    family(&w);
    w.trace.now_ns += SECOND;
    trace_event(&w.trace, w.gone, U(3));
    trace_event(&w.trace, w.gone, U(3));  /* twice */
    trace_event(&w.trace, w.gone, U(77)); /* never was */
    struct entity *const first = find(&w, "pool.conn", 3);
    const uint32_t serial = first->serial, index = first->index;
    char text[64];
    entity_state_text(w.entities, first, text, sizeof text);
    assert_string_equal(text, "gone");
    trace_event(&w.trace, w.conn, U(3), U(2), U(ACTIVE));
    struct entity *const second = find(&w, "pool.conn", 3);
    assert_ptr_not_equal(first, second);
    assert_int_equal(second->uses, 1);
    assert_ptr_equal(entity_with(w.entities, index, serial), first);
    const struct entity_class *const class = entity_class_of(w.entities, second);
    assert_int_equal(class->alive, 2);
    assert_int_equal(class->known, 3);
    assert_int_equal(class->seen, 4);
    assert_int_equal(class->gone, 2);
    trace_pass(&w.trace, 20 * SECOND);
    assert_null(entity_with(w.entities, index, serial));
    assert_ptr_equal(find(&w, "pool.conn", 3), second);
    assert_int_equal(class->known, 2);
    model_free(w.model);
}

static void state__out_of_range__is_shown_by_its_number(void **state)
{
    (void)state;
    struct world w;
    char text[64];
    begin(&w);
    family(&w);
    trace_event(&w.trace, w.conn, U(3), U(2), U(9));
    entity_state_text(w.entities, find(&w, "pool.conn", 3), text, sizeof text);
    assert_string_equal(text, "9");
    trace_event(&w.trace, w.conn, U(3), U(2), UINT64_MAX - 4);
    entity_state_text(w.entities, find(&w, "pool.conn", 3), text, sizeof text);
    assert_string_equal(text, "-5");
    for (uint64_t i = 0; i < 5000; i++)
        trace_event(&w.trace, w.conn, U(3), U(2), i * 1000003);
    entity_state_text(w.entities, find(&w, "pool.conn", 3), text, sizeof text);
    assert_string_equal(text, "(other)");
    trace_event(&w.trace, w.conn, U(3), U(2), U(ACTIVE));
    entity_state_text(w.entities, find(&w, "pool.conn", 3), text, sizeof text);
    assert_string_equal(text, "active");
    model_free(w.model);
}

static void phases__by_words__and_by_their_endings(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum phase phase;
    } words[] = {{"active", PHASE_busy},   {"In-Use", PHASE_busy},        {"brewing", PHASE_busy},
                 {"closing", PHASE_other}, {"connecting", PHASE_waiting}, {"Idle", PHASE_idle},
                 {"ejected", PHASE_other}, {"ing", PHASE_other}};
    struct world w;
    begin(&w);
    const uint32_t type = trace_type(&w.trace, EVTRAIL_KIND_state, 4, "shop.machine", "id:u64 parent:i32 state:string");
    for (uint64_t i = 0; i < sizeof words / sizeof *words; i++) {
        trace_text(&w.trace, type, words[i].name, i + 1, 0);
        assert_int_equal(entity_phase(w.entities, find(&w, "shop.machine", i + 1)), words[i].phase);
    }
    model_free(w.model);
}

static void label__with_bad_bytes_and_length__is_cut(void **state)
{
    (void)state;
    struct world w;
    char text[256];
    begin(&w);
    family(&w);
    trace_text(&w.trace, w.label, "localhost:80", 1, 0);
    entity_name(w.entities, find(&w, "pool.name", 1), text, sizeof text);
    assert_string_equal(text, "localhost:80");
    trace_text(&w.trace, w.conn_name, "0123456789012345678901234567890123456789012345678901234567890123456789", 3, 0);
    entity_name(w.entities, find(&w, "pool.conn", 3), text, sizeof text);
    assert_int_equal(strlen(text), ENTITY_LABEL_BYTES - 1);
    trace_text(&w.trace, w.conn_name, "only named", 50, 0);
    entity_state_text(w.entities, find(&w, "pool.conn", 50), text, sizeof text);
    assert_string_equal(text, "");
    entity_name(w.entities, find(&w, "pool.conn", 4), text, sizeof text);
    assert_string_equal(text, "conn 4");
    model_free(w.model);
}

static void parents__in_a_circle__have_none(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const uint32_t type = trace_type(&w.trace, EVTRAIL_KIND_state, 4, "loop", "id:u64 parent:u64 state:enum:1=up");
    trace_event(&w.trace, type, U(1), U(2), U(1));
    trace_event(&w.trace, type, U(2), U(1), U(1));
    trace_event(&w.trace, type, U(1), U(2), U(1));
    trace_event(&w.trace, type, U(3), U(3), U(1));
    for (uint64_t i = 10; i < 100; i++)
        trace_event(&w.trace, type, i, i - 1, U(1));
    entities_sum(w.entities);
    assert_int_equal(find(&w, "loop", 1)->parent, 0);
    assert_int_equal(find(&w, "loop", 2)->parent, find(&w, "loop", 1)->index);
    assert_int_equal(find(&w, "loop", 3)->parent, 0);
    model_free(w.model);
}

static void measured__busy_and_idle_in_ns__make_an_entity(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    const uint32_t type =
        trace_type(&w.trace, EVTRAIL_KIND_instant, 5, "loop.iteration", "loop:u64 calls:u32 busy:u64::ns idle:u64::ns");
    trace_event(&w.trace, type, U(5), U(1), U(30), U(70));
    trace_event(&w.trace, type, U(5), U(1), U(10), U(90));
    const struct entity *const loop = find(&w, "loop", 5);
    assert_non_null(loop);
    assert_int_equal(entity_phase_ns(w.entities, loop, PHASE_busy), 40);
    assert_int_equal(entity_phase_ns(w.entities, loop, PHASE_idle), 160);
    assert_int_equal(loop->uses, 2);
    assert_true(entity_class_of(w.entities, loop)->measured);
    model_free(w.model);
}

static void sources__same_ids__are_apart_and_end_with_their_process(void **state)
{
    (void)state;
    struct world w;
    char text[64];
    begin(&w);
    family(&w);
    struct trace other;
    const struct world first = w;
    trace_begin(&other, w.model, 2);
    struct world second = {.model = w.model, .entities = w.entities, .trace = other};
    second.trace.source.types = second.trace.table;
    declare(&second);
    trace_event(&second.trace, second.conn, U(3), U(0), U(ACTIVE));
    assert_int_equal(entity_class_of(w.entities, find(&first, "pool.conn", 3))->alive, 3);
    const struct entity *const theirs = entity_find(w.entities, 1, find(&first, "pool.conn", 3)->class, 3);
    assert_int_equal(entity_source_of(w.entities, theirs)->pid, 4002);
    second.trace.now_ns += SECOND;
    trace_source(&second.trace, true);
    trace_pass(&second.trace, 100 * SECOND);
    entity_state_text(w.entities, theirs, text, sizeof text);
    assert_string_equal(text, "active, ended");
    assert_int_equal(entity_phase(w.entities, find(&first, "pool.conn", 3)), PHASE_idle);
    model_free(w.model);
}

static void budget__of_a_hundred_thousand__the_rest_is_counted(void **state)
{
    (void)state;
    struct world w;
    begin_with(&w, &(struct model_options){.memory_bytes = 20u << 20});
    for (uint64_t i = 1; i <= 100000; i++)
        trace_event(&w.trace, w.conn, i, U(0), U(IDLE));
    assert_int_equal(entities_left_out(w.entities), 0);
    const struct part *const part = model_part(w.model, PART_entities);
    print_message("100,000 entities: %.1f MiB\n", (double)part->used_bytes / 1048576);
    for (uint64_t i = 100001; i <= 400000; i++)
        trace_event(&w.trace, w.conn, i, U(0), U(IDLE));
    assert_true(part->used_bytes <= w.model->options.memory_bytes);
    assert_true(entities_left_out(w.entities) > 0);
    assert_int_equal(entities_left_out(w.entities) + entities_alive(w.entities), 400000);
    /* what is gone makes room */
    const uint64_t left_out = entities_left_out(w.entities);
    for (uint64_t i = 1; i <= 1000; i++)
        trace_event(&w.trace, w.gone, i);
    for (uint64_t i = 500001; i <= 501000; i++)
        trace_event(&w.trace, w.conn, i, U(0), U(IDLE));
    assert_int_equal(entities_left_out(w.entities), left_out);
    model_free(w.model);
}

static void churn__of_millions__keeps_within_its_memory(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    trace_event(&w.trace, w.address, U(2), U(0), U(1));
    for (uint64_t i = 1; i <= 2000000; i++) {
        trace_event(&w.trace, w.conn, i, U(2), U(ACTIVE));
        trace_event(&w.trace, w.gone, i);
        w.trace.now_ns += 1000;
    }
    const struct part *const part = model_part(w.model, PART_entities);
    assert_int_equal(entities_left_out(w.entities), 0);
    assert_true(part->used_bytes <= w.model->options.memory_bytes);
    entities_sum(w.entities);
    trace_pass(&w.trace, 100 * SECOND);
    /* So many are not summed at once again. */
    for (int i = 0; i < 600 && find(&w, "pool.address", 2)->family->uses != 2000000; i++) {
        usleep(100000);
        entities_sum(w.entities);
    }
    assert_int_equal(entities_alive(w.entities), 1);
    assert_int_equal(find(&w, "pool.address", 2)->family->uses, 2000000);
    model_free(w.model);
}

static void reset__counts_from_zero__and_keeps_what_lives(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    family(&w);
    trace_event(&w.trace, w.conn, U(3), U(2), U(ACTIVE));
    trace_event(&w.trace, w.gone, U(4));
    trace_pass(&w.trace, SECOND);
    model_reset(w.model);
    w.trace.now_ns += 3 * MS;
    trace_event(&w.trace, w.conn, U(3), U(2), U(IDLE));
    const struct entity *const conn = find(&w, "pool.conn", 3);
    assert_int_equal(conn->uses, 0);
    assert_int_equal(entity_phase_ns(w.entities, conn, PHASE_busy), 3 * MS);
    assert_null(find(&w, "pool.conn", 4));
    model_free(w.model);
}

static void hostile__random_words_and_short_events__do_no_harm(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    uint64_t seed = 42, payload[8];
    const uint32_t types[] = {w.name, w.label, w.address, w.conn, w.gone, w.used, w.failed, w.queue, w.conn_name};
    for (unsigned i = 0; i < 300000; i++) {
        for (unsigned j = 0; j < 8; j++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            payload[j] = seed >> 33 & (i & 1 ? 15 : UINT64_MAX);
        }
        struct evtrail_event event = trace_make(&w.trace, types[seed >> 40 & 7], "x", payload);
        event.payload = payload;
        event.words = (uint32_t)(seed >> 50 & 7);
        event.time += (int64_t)(seed >> 30) - 8 * SECOND;
        model_event(w.model, &event);
        if (i % 1000 == 0)
            entities_sum(w.entities);
    }
    trace_source(&w.trace, true);
    trace_pass(&w.trace, SECOND);
    model_reset(w.model);
    model_free(w.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state__times_and_uses__are_of_each_state),
        cmocka_unit_test(refs__fields_called_as_ids__are_about_the_entity),
        cmocka_unit_test(error__of_level_error__is_the_last_one),
        cmocka_unit_test(tree__sums__hold_all_below_and_what_is_forgotten),
        cmocka_unit_test(gone__kept_a_while__and_ids_come_again),
        cmocka_unit_test(state__out_of_range__is_shown_by_its_number),
        cmocka_unit_test(phases__by_words__and_by_their_endings),
        cmocka_unit_test(label__with_bad_bytes_and_length__is_cut),
        cmocka_unit_test(parents__in_a_circle__have_none),
        cmocka_unit_test(measured__busy_and_idle_in_ns__make_an_entity),
        cmocka_unit_test(sources__same_ids__are_apart_and_end_with_their_process),
        cmocka_unit_test(budget__of_a_hundred_thousand__the_rest_is_counted),
        cmocka_unit_test(churn__of_millions__keeps_within_its_memory),
        cmocka_unit_test(reset__counts_from_zero__and_keeps_what_lives),
        cmocka_unit_test(hostile__random_words_and_short_events__do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
