/* SPDX-License-Identifier: ISC
 *
 * Views of entities and warnings without a terminal: trees and folds, columns, expressions, views of one's own, hostile names, any size and any
 * action.
 */
#include "top_private.h"

#undef fail
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/warnings.h"
#include "trace_builder.h"

#include <errno.h>
#include <locale.h>
#include <time.h>
#include <unistd.h>

#define EVIL "e\033[2Jv\n\xff\xc3il"

enum { IDLE = 1, ACTIVE = 2, WAITING = 3 };
struct world {
    struct monitor monitor; /* first */
    struct config *config;
    struct trace trace;
    uint32_t name, label, conn, gone, used, failed;
};

static struct config *config_of(const char *text)
{
    char path[] = "/tmp/evtrail-top-XXXXXX", *error = NULL;
    struct config *config = NULL;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(config_load(&config, path, &error), 0);
    unlink(path);
    return config;
}

static void begin(struct world *w, const char *settings)
{
    char *error = NULL;
    memset(w, 0, sizeof *w);
    w->config = settings ? config_of(settings) : NULL;
    w->monitor.top.config = w->config;
    const struct feed_options options = {.model = {.config = w->config}};
    assert_int_equal(feed_new(&w->monitor.top.feed, &options, &error), 0);
    struct trace *const t = &w->trace;
    trace_begin(t, feed_model(w->monitor.top.feed), 1);
    w->name = trace_type(t, EVTRAIL_KIND_state, 4, "net.name", "name:u64 parent:u64 state:enum:1=open");
    w->label = trace_type(t, EVTRAIL_KIND_name, 4, "net.name", "name:u64 label:string");
    w->conn =
        trace_type(t, EVTRAIL_KIND_state, 5, "net.conn", "conn:u64 parent:u64 state:enum:1=idle;2=active;3=waiting");
    w->gone = trace_type(t, EVTRAIL_KIND_gone, 5, "net.conn", "conn:u64");
    w->used = trace_type(t, EVTRAIL_KIND_instant, 5, "net.used", "conn:u64 sent:u64::bytes");
    w->failed = trace_type(t, EVTRAIL_KIND_instant, 2, "net.failed", "conn:u64");
    trace_event(t, w->name, U(1), U(0), U(1));
    trace_text(t, w->label, "example.org:80", 1, 0);
    trace_event(t, w->name, U(2), U(0), U(1));
    trace_text(t, w->label, EVIL, 2, 0);
    for (uint64_t i = 10; i < 13; i++) {
        trace_event(t, w->conn, i, U(1), U(ACTIVE));
        trace_event(t, w->used, i, i * 100);
    }
    trace_event(t, w->conn, U(20), U(2), U(WAITING));
    t->now_ns += SECOND;
    trace_event(t, w->conn, U(10), U(1), U(IDLE));
    trace_event(t, w->failed, U(11));
}

static void end(struct world *w)
{
    while (view_back(&w->monitor))
        ;
    w->monitor.tabs[0] = w->monitor.top.view; /* the undermost: as a tab's */
    views_close(&w->monitor);
    custom_views_free(w->monitor.custom);
    feed_free(w->monitor.top.feed);
    config_free(w->config);
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
    for (const char *at = text; *at; at++)
        assert_true(*at == '\n' || (unsigned char)*at >= ' ');
    return text;
}

static void show(struct world *w, const struct view_ops *ops)
{
    assert_int_equal(top_open_view(&w->monitor.top, ops, 0, ""), 0);
}

static bool act(struct world *w, enum action action)
{
    struct view *const view = w->monitor.top.view;
    return view->ops->action(view, action);
}

static void assert_shows(const char *text, const char *what)
{
    if (!strstr(text, what))
        print_error("not '%s' in:\n%s\n", what, text);
    assert_non_null(strstr(text, what));
}

static void tree__children_below_parents__folds_and_flattens(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    show(&w, &entities_view);
    const char *text = drawn(&w, 20, 140);
    assert_shows(text, "net.name 2: open 2  net.conn 4: idle 1 active 2 waiting 1");
    const char *const first = strstr(text, "example.org:80"), *const child = strstr(text, "conn 11");
    const char *const second = strstr(text, "\\x1b");
    assert_true(first && child && second && first < child && child < second);
    assert_shows(text, "conn 20");
    assert_true(act(&w, ACTION_first));
    assert_true(act(&w, ACTION_collapse));
    text = drawn(&w, 20, 140);
    assert_shows(text, "+ example.org:80");
    assert_null(strstr(text, "conn 11"));
    assert_shows(text, "conn 20");
    act(&w, ACTION_expand);
    assert_shows(drawn(&w, 20, 140), "conn 11");
    act(&w, ACTION_tree);
    text = drawn(&w, 20, 140);
    assert_shows(text, "conn 11");
    char status[256];
    struct view *const view = w.monitor.top.view;
    view->ops->status(view, status, sizeof status);
    assert_non_null(strstr(status, "of 6"));
    assert_non_null(strstr(status, "6 alive"));
    end(&w);
}

static void detail__of_a_parent__has_its_sums_states_and_children(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    show(&w, &entities_view);
    drawn(&w, 30, 140);
    act(&w, ACTION_first);
    act(&w, ACTION_enter);
    const char *text = drawn(&w, 30, 140);
    assert_ptr_equal(w.monitor.top.view->ops, &entity_detail);
    assert_shows(text, "example.org:80");
    assert_shows(text, "conn 12");
    assert_shows(text, "3.22 KiB"); /* 1000 + 1100 + 1200 */
    assert_shows(text, "open");
    act(&w, ACTION_enter); /* the first of its children */
    text = drawn(&w, 30, 140);
    assert_shows(text, "net.conn");
    view_back(&w.monitor);
    view_back(&w.monitor);
    trace_event(&w.trace, w.gone, U(11));
    text = drawn(&w, 30, 140);
    assert_shows(text, "gone");
    end(&w);
}

static void custom__view_of_the_configuration__its_columns_and_filter(void **state)
{
    (void)state;
    struct world w;
    char *error = NULL;
    begin(&w, "[view busy]\nentities = net.c*\ncolumns = state uses bytes\nsort = -bytes\ntree = no\n"
              "filter = bytes >= 1100 && state == active\ntitle = Busy ones\nkey = 5\n[view names]\ndepth = 1\n");
    assert_int_equal(custom_views_new(&w.monitor.custom, w.config, &error), 0);
    const struct view_ops *const ops = custom_view(w.monitor.custom, 0);
    assert_string_equal(ops->title, "Busy ones");
    assert_int_equal(ops->key, '5');
    assert_null(custom_view(w.monitor.custom, 2));
    show(&w, ops);
    const char *text = drawn(&w, 20, 100);
    const char *const most = strstr(text, "conn 12"), *const less = strstr(text, "conn 11");
    assert_true(most && less && most < less);
    assert_null(strstr(text, "conn 10"));
    assert_null(strstr(text, "example.org"));
    assert_null(strstr(text, "errors"));
    show(&w, custom_view(w.monitor.custom, 1));
    text = drawn(&w, 20, 100);
    assert_shows(text, "+ example.org:80");
    assert_null(strstr(text, "conn 12"));
    end(&w);
}

static void custom__faults__are_told(void **state)
{
    (void)state;
    static const char *const faulty[] = {
        "[view x]\ncolumns = name nothing\n", "[view x]\nsort = -nothing\n",
        "[view x]\ndepth = many\n",           "[view x]\nfilter = ((\n",
        "[view x]\ncolour = red\n",           "[view x]\nkey = esc\n",
        "[view entities]\ntitle = a\n",       "[view x]\ncolumns = uses\nsort = -bytes\n"};
    for (unsigned i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        struct config *const config = config_of(faulty[i]);
        struct custom_views *made = NULL;
        char *error = NULL;
        assert_int_equal(custom_views_new(&made, config, &error), -EINVAL);
        assert_null(made);
        assert_non_null(strstr(error, "/tmp/evtrail-top-"));
        free(error);
        config_free(config);
    }
}

static void warnings__view_and_detail__name_what_they_are_about(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    trace_pass(&w.trace, 7 * SECOND);
    show(&w, &warnings_view);
    const char *text = drawn(&w, 12, 140);
    assert_shows(text, "conn 20 of");
    assert_shows(text, "has waited for");
    assert_shows(text, "active");
    trace_event(&w.trace, w.conn, U(20), U(2), U(IDLE));
    trace_pass(&w.trace, 5 * SECOND);
    assert_shows(drawn(&w, 12, 140), "past");
    act(&w, ACTION_enter);
    text = drawn(&w, 20, 140);
    assert_ptr_equal(w.monitor.top.view->ops, &warning_detail);
    assert_shows(text, "starved.threshold");
    act(&w, ACTION_enter);
    assert_ptr_equal(w.monitor.top.view->ops, &entity_detail);
    assert_shows(drawn(&w, 20, 140), "conn 20");
    end(&w);
}

static void views__any_size_and_action__stand(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    trace_pass(&w.trace, 70 * SECOND);
    static const int sizes[][2] = {{1, 1}, {2, 3}, {5, 20}, {24, 80}, {3, 200}, {200, 4}};
    const struct view_ops *const all[] = {&entities_view, &warnings_view};
    for (unsigned v = 0; v < 2; v++)
        for (enum action action = ACTION_none; action < ACTIONS; action++) {
            show(&w, all[v]);
            drawn(&w, 24, 80);
            act(&w, action);
            for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
                drawn(&w, sizes[i][0], sizes[i][1]);
            struct view *const view = w.monitor.top.view;
            char text[64];
            if (view->ops->status)
                view->ops->status(view, text, sizeof text);
            if (view->ops->copy)
                view->ops->copy(view, text, sizeof text);
            if (view->ops->click)
                for (int y = -1; y < 30; y++)
                    view->ops->click(view, y, y * 3);
            if (view->ops->search)
                view->ops->search(view, EVIL);
            if (view->ops->model_changed)
                view->ops->model_changed(view);
            drawn(&w, 24, 80);
            while (view_back(&w.monitor))
                ;
        }
    end(&w);
}

static void rows__of_a_hundred_thousand__are_made_in_time(void **state)
{
    (void)state;
    struct world w;
    struct timespec from, to;
    begin(&w, NULL);
    for (uint64_t i = 100; i < 100100; i++)
        trace_event(&w.trace, w.conn, i, U(1 + i % 2), U(1 + i % 3));
    show(&w, &entities_view);
    drawn(&w, 40, 120);
    act(&w, ACTION_tree);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (unsigned i = 0; i < 20; i++)
        drawn(&w, 40, 120);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    const double ms = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e6;
    print_message("20 redraws of 100,000 entities, at once: %.1f ms\n", ms);
    act(&w, ACTION_tree);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    act(&w, ACTION_collapse);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    print_message("a tree of them made anew: %.1f ms\n",
                  ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e6);
    end(&w);
}

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree__children_below_parents__folds_and_flattens),
        cmocka_unit_test(detail__of_a_parent__has_its_sums_states_and_children),
        cmocka_unit_test(custom__view_of_the_configuration__its_columns_and_filter),
        cmocka_unit_test(custom__faults__are_told),
        cmocka_unit_test(warnings__view_and_detail__name_what_they_are_about),
        cmocka_unit_test(views__any_size_and_action__stand),
        cmocka_unit_test(rows__of_a_hundred_thousand__are_made_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
