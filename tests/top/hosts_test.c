/* SPDX-License-Identifier: ISC
 *
 * Events of several hosts in the model and in the views of entities: what has the same ids stays apart, and each host is told.
 */
#include "top_private.h"

#undef fail
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/entities.h"
#include "model/spans.h"
#include "model/tree.h"
#include "model/warnings.h"
#include "trace_builder.h"

#include <string.h>

enum { IDLE, ACTIVE };
/* Two hosts with a process each, and a second process on the first: of the same pid, with the same ids. */
#define PROCESSES 3u
static const char *const hosts[PROCESSES] = {"web1", "web2", "web1"};
struct world {
    struct monitor monitor; /* first */
    struct model *model;
    struct trace traces[PROCESSES];
    uint32_t conn, begin, end;
};

static void process_begin(struct world *w, unsigned number)
{
    struct trace *const t = &w->traces[number];
    trace_begin(t, w->model, 1 + number);
    t->source.host = hosts[number];
    t->source.pid = 100;
    w->conn = trace_type(t, EVTRAIL_KIND_state, 5, "net.conn", "conn:u64 parent:u64 state:enum:0=idle;1=active");
    w->begin = trace_type(t, EVTRAIL_KIND_begin, 5, "net.request", "request:u64 parent:u64");
    w->end = trace_type(t, EVTRAIL_KIND_end, 5, "net.request", "request:u64");
    trace_source(t, false);
}

static void begin(struct world *w, unsigned processes)
{
    char *error = NULL;
    memset(w, 0, sizeof *w);
    const struct feed_options options = {0};
    assert_int_equal(feed_new(&w->monitor.top.feed, &options, &error), 0);
    w->model = feed_model(w->monitor.top.feed);
    for (unsigned i = 0; i < processes; i++)
        process_begin(w, i);
}

static void end(struct world *w)
{
    while (view_back(&w->monitor))
        ;
    w->monitor.tabs[0] = w->monitor.top.view;
    views_close(&w->monitor);
    feed_free(w->monitor.top.feed);
}

static void entities__same_id_on_two_hosts_and_in_two_processes__three(void **state)
{
    struct world w;
    (void)state;
    begin(&w, PROCESSES);
    for (unsigned i = 0; i < PROCESSES; i++)
        trace_event(&w.traces[i], w.conn, U(7), U(0), U(i == 1 ? ACTIVE : IDLE));
    const struct entities *const entities = entities_of(w.model);
    unsigned found = 0, active = 0;
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        const struct entity *const entity = entity_at(entities, i);
        if (!entity)
            continue;
        found++;
        assert_int_equal(entity->id, 7);
        const bool second = strcmp(entity_host(entities, entity), "web2") == 0;
        active += entity_phase(entities, entity) == PHASE_busy;
        assert_int_equal(entity_phase(entities, entity) == PHASE_busy, second);
        char text[256];
        entity_filter_text(entities, entity, text, sizeof text);
        assert_non_null(
            strstr(text, second ? "machine == \"web2\" && pid == 100" : "machine == \"web1\" && pid == 100"));
    }
    assert_int_equal(found, 3);
    assert_int_equal(active, 1);
    end(&w);
}

static void spans__same_id_on_two_hosts__each_its_own(void **state)
{
    struct world w;
    (void)state;
    begin(&w, 2);
    trace_event(&w.traces[0], w.begin, U(7), U(0));
    w.traces[1].now_ns += 5 * MS;
    trace_event(&w.traces[1], w.begin, U(7), U(0));
    w.traces[1].now_ns += 10 * MS;
    trace_event(&w.traces[1], w.end, U(7));
    const struct part *const spans = model_part(w.model, PART_spans);
    const struct span_row *const row = spans_find(spans, "net.request");
    struct open_view open[2];
    assert_int_equal(row->count, 1);
    assert_int_equal(row->max_ns, 10 * MS);
    assert_string_equal(w.model->hosts.list[row->slowest[0].host].name, "web2");
    assert_int_equal(spans_open(spans, row, open, 2), 1);
    assert_string_equal(w.model->hosts.list[open[0].host].name, "web1");
    unsigned nodes = 0;
    const struct part *const tree = model_part(w.model, PART_tree);
    for (uint32_t i = tree_node(tree, TREE_ROOT)->child; i != TREE_NONE; i = tree_node(tree, i)->sibling)
        nodes += tree_node(tree, i)->host;
    assert_int_equal(nodes, 2);
    end(&w);
}

static void figures__by_host_and_by_process__and_from_zero_after_a_reset(void **state)
{
    struct world w;
    (void)state;
    begin(&w, PROCESSES);
    for (unsigned i = 0; i < PROCESSES; i++)
        for (unsigned count = 0; count <= i; count++)
            trace_event(&w.traces[i], w.conn, U(7), U(0), U(IDLE));
    const struct evtrail_event lost = {.what = EVTRAIL_EVENT_LOST,
                                       .source = &w.traces[1].source,
                                       .cause = EVTRAIL_CAUSE_overwritten,
                                       .lost = 9,
                                       .time = w.traces[1].now_ns,
                                       .lost_since = w.traces[1].now_ns,
                                       .thread_name = "",
                                       .duration = -1};
    model_event(w.model, &lost);
    const struct host_list *list = model_hosts(w.model);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->list[0].name, "web1");
    assert_int_equal(list->list[0].events, 1 + 3);
    assert_int_equal(list->list[1].events, 2);
    assert_int_equal(list->list[1].lost[EVTRAIL_CAUSE_overwritten], 9);
    assert_int_equal(list->list[0].lost[EVTRAIL_CAUSE_overwritten], 0);
    assert_int_equal(list->list[1].last_ns, w.traces[1].now_ns);
    const struct model_source figures = model_source_figures(w.model, w.traces[1].source.number);
    assert_int_equal(figures.events, 2);
    assert_int_equal(figures.lost, 9);
    trace_source(&w.traces[1], true); /* what it had stays */
    assert_int_equal(model_hosts(w.model)->list[1].events, 2);
    model_reset(w.model);
    list = model_hosts(w.model);
    assert_int_equal(list->list[0].events + list->list[1].events + list->list[1].lost[EVTRAIL_CAUSE_overwritten], 0);
    end(&w);
}

static void warning__of_one_host__says_which(void **state)
{
    struct world w;
    (void)state;
    begin(&w, 2);
    trace_event(&w.traces[1], w.begin, U(7), U(0));
    trace_pass(&w.traces[1], 30 * SECOND);
    assert_int_equal(warnings_count(w.model), 1);
    assert_string_equal(w.model->hosts.list[warning_at(w.model, 0)->host - 1].name, "web2");
    w.traces[0].now_ns = w.traces[1].now_ns;
    trace_event(&w.traces[0], w.begin, U(7), U(0));
    trace_pass(&w.traces[0], 30 * SECOND);
    assert_int_equal(warning_at(w.model, 0)->host, WARNING_HOSTS);
    end(&w);
}

/* What a view draws, as lines. */
static const char *drawn(struct world *w, int rows, int columns)
{
    static char text[65536];
    struct surface surface = {0};
    struct view *const view = w->monitor.top.view;
    assert_int_equal(surface_resize(&surface, rows, columns), 0);
    view->ops->draw(view, surface_area(&surface));
    surface_text(&surface, text, sizeof text);
    surface_fini(&surface);
    return text;
}

static void assert_shows(const char *text, const char *what, bool shown)
{
    if ((strstr(text, what) != NULL) != shown)
        print_error("%s'%s' in:\n%s\n", shown ? "not " : "", what, text);
    assert_true((strstr(text, what) != NULL) == shown);
}

static void act(struct world *w, enum action action)
{
    w->monitor.top.view->ops->action(w->monitor.top.view, action);
}

static void column__one_host_then_two__comes_with_the_second(void **state)
{
    struct world w;
    (void)state;
    begin(&w, 1);
    trace_event(&w.traces[0], w.conn, U(7), U(0), U(IDLE));
    assert_int_equal(top_open_view(&w.monitor.top, &entities_view, 0, ""), 0);
    act(&w, ACTION_tree);
    assert_shows(drawn(&w, 12, 80), "web1", false);
    act(&w, ACTION_tree);
    assert_shows(drawn(&w, 12, 80), "host", false);
    process_begin(&w, 1);
    trace_event(&w.traces[1], w.conn, U(7), U(0), U(ACTIVE));
    w.monitor.top.view->ops->model_changed(w.monitor.top.view); /* drawn anew at once */
    const char *text = drawn(&w, 12, 80);
    assert_shows(text, "host", true);
    assert_shows(text, "conn 7               web1", true);
    assert_shows(text, "conn 7               web2", true);
    end(&w);
}

static void tree__two_hosts__below_them_folded_and_opened(void **state)
{
    struct world w;
    (void)state;
    begin(&w, PROCESSES);
    for (unsigned i = 0; i < PROCESSES; i++)
        trace_event(&w.traces[i], w.conn, U(7), U(0), U(i == 1 ? ACTIVE : IDLE));
    assert_int_equal(top_open_view(&w.monitor.top, &entities_view, 0, ""), 0);
    act(&w, ACTION_tree);
    const char *text = drawn(&w, 12, 120);
    const char *const first = strstr(text, "web1"), *const second = strstr(text, "web2");
    assert_true(first && second && first < second);
    assert_non_null(strstr(first, "conn 7"));
    assert_true(strstr(first, "conn 7") < second);
    act(&w, ACTION_first);
    act(&w, ACTION_enter); /* folds the first host */
    text = drawn(&w, 12, 120);
    assert_shows(text, "+ web1", true);
    assert_shows(strstr(text, "web1"), "idle", false);
    act(&w, ACTION_enter);
    assert_shows(drawn(&w, 12, 120), "+ web1", false);
    w.monitor.top.view->ops->search(w.monitor.top.view, "web2");
    assert_shows(drawn(&w, 12, 120), ">web2", true);
    end(&w);
}

static void list__more_hosts_than_fit__the_rest_is_one(void **state)
{
    struct host_list list = {0};
    char name[100];
    (void)state;
    for (uint32_t i = 0; i < 3 * HOSTS_MAX; i++) {
        snprintf(name, sizeof name, "host-%u", i);
        const uint32_t number = host_list_number(&list, name);
        assert_int_equal(number, i < HOSTS_MAX - 1 ? i : HOSTS_MAX - 1);
        assert_int_equal(host_list_number(&list, name), number);
    }
    assert_int_equal(list.count, HOSTS_MAX);
    assert_string_equal(list.list[HOSTS_MAX - 1].name, "(others)");
    host_list_fini(&list);
    memset(name, 'x', sizeof name); /* longer than names are */
    name[sizeof name - 1] = '\0';
    assert_int_equal(host_list_number(&list, name), 0);
    assert_int_equal(host_list_number(&list, name), 0);
    assert_int_equal(host_list_number(&list, NULL), 1);
    assert_int_equal(host_list_number(&list, ""), 1);
    host_list_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities__same_id_on_two_hosts_and_in_two_processes__three),
        cmocka_unit_test(spans__same_id_on_two_hosts__each_its_own),
        cmocka_unit_test(figures__by_host_and_by_process__and_from_zero_after_a_reset),
        cmocka_unit_test(warning__of_one_host__says_which),
        cmocka_unit_test(column__one_host_then_two__comes_with_the_second),
        cmocka_unit_test(tree__two_hosts__below_them_folded_and_opened),
        cmocka_unit_test(list__more_hosts_than_fit__the_rest_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
