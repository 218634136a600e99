/* SPDX-License-Identifier: ISC
 *
 * Views of event types, spans and their tree without a terminal: what they say of a file, hostile names, any size, any action; and switching types
 * of a live session.
 */
#include "views/view.h"

#undef fail
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/types.h"
#include "trace_builder.h"
#include "unit/session_builder.h"

#include <evtrail/file.h>
#include <locale.h>

#define EVIL "e\033[2Jv\n\xff\xc3il"
#define FIRST_ID 16u

struct world {
    struct top top; /* first */
    struct view *opened[3];
    char message[512];
    char path[64];
};

/* ---- what views ask for ---- */

struct model *top_model(const struct top *top)
{
    return feed_model(top->feed);
}

void top_say(struct top *top, const char *format, ...)
{
    struct world *const w = (struct world *)top;
    va_list list;
    va_start(list, format);
    vsnprintf(w->message, sizeof w->message, format, list);
    va_end(list);
}

static struct view *view_new(struct top *top, const struct view_ops *ops, uint64_t target, const char *name)
{
    struct view *const view = calloc(1, ops->bytes);
    view->ops = ops;
    view->top = top;
    view->target = target;
    snprintf(view->target_name, sizeof view->target_name, "%s", name);
    assert_int_equal(ops->open(view), 0);
    return view;
}

static void view_free(struct view *view)
{
    if (view)
        view->ops->close(view);
    free(view);
}

int top_open_view(struct top *top, const struct view_ops *ops, uint64_t target, const char *target_name)
{
    struct view *const view = view_new(top, ops, target, target_name);
    view->under = top->view;
    top->view = view;
    return 0;
}

static bool view_back(struct world *w)
{
    struct view *const view = w->top.view;
    if (!view || !view->under)
        return false;
    w->top.view = view->under;
    view_free(view);
    return true;
}

/* ---- a file ---- */

struct maker {
    uint64_t words[20000];
    size_t count;
    uint64_t events, ticks;
};

static void record(struct maker *maker, uint32_t id, uint32_t words, const uint64_t *payload)
{
    maker->words[maker->count++] = maker->ticks << 20 | (uint64_t)(FIRST_ID + id) << 6 | words;
    for (uint32_t i = 0; i < words; i++)
        maker->words[maker->count++] = payload[i];
    maker->events++;
}

enum { REQUEST_BEGIN, REQUEST_END, EVIL_BEGIN, EVIL_END, DEPTH, TEXT, TYPES };

static void declare(struct trace *trace)
{
    static const struct {
        unsigned kind;
        const char *name, *fields;
    } types[TYPES] = {
        [REQUEST_BEGIN] = {EVTRAIL_KIND_begin, "shop.request", "id:u64 parent:u64 size:u64::bytes"},
        [REQUEST_END] = {EVTRAIL_KIND_end, "shop.request", "id:u64 code:i32"},
        [EVIL_BEGIN] = {EVTRAIL_KIND_begin, EVIL, "id:u64 parent:u64"},
        [EVIL_END] = {EVTRAIL_KIND_end, EVIL, "id:u64"},
        [DEPTH] = {EVTRAIL_KIND_counter, "shop.depth", "depth:i64::widgets"},
        [TEXT] = {EVTRAIL_KIND_instant, "shop.text", "text:string"},
    };
    trace->source.types_count = FIRST_ID;
    for (unsigned i = 0; i < TYPES; i++)
        trace_type(trace, types[i].kind, 4, types[i].name, types[i].fields);
}

/* 100 requests of 1 ms with a child of 250 us each; three stay open. */
static void make_events(struct maker *maker)
{
    uint64_t text[3] = {8};
    memcpy(&text[1], "a\033[31mb\n", 8);
    for (uint64_t i = 1; i <= 103; i++) {
        record(maker, REQUEST_BEGIN, 3, (uint64_t[]){i, 0, 4096});
        if (i > 100)
            continue;
        record(maker, EVIL_BEGIN, 2, (uint64_t[]){1000 + i, i});
        maker->ticks += 250000;
        record(maker, EVIL_END, 1, (uint64_t[]){1000 + i});
        maker->ticks += 750000;
        record(maker, REQUEST_END, 2, (uint64_t[]){i, 200});
        record(maker, DEPTH, 1, (uint64_t[]){i});
        record(maker, TEXT, 2, text);
    }
}

static void write_file(const char *path)
{
    struct maker *const maker = calloc(1, sizeof *maker);
    static struct trace trace;
    struct evtrail_file *file;
    const struct evtrail_file_options options = {.bytes = sizeof options};
    struct evtrail_chunk chunk = {.source = &trace.source};
    trace_begin(&trace, NULL, 9);
    declare(&trace);
    maker->ticks = 1000000000;
    trace.source.clock.kind = 1;
    trace.source.clock.first.ticks = trace.source.clock.last.ticks = maker->ticks;
    trace.source.clock.first.realtime_ns = trace.source.clock.last.realtime_ns = (uint64_t)TRACE_START_NS;
    trace.source.start_realtime_ns = (uint64_t)TRACE_START_NS;
    chunk.state.reference_ticks = chunk.first_ticks = maker->ticks;
    make_events(maker);
    chunk.words = maker->words;
    chunk.words_count = maker->count;
    chunk.events = maker->events;
    chunk.last_ticks = maker->ticks;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    assert_int_equal(evtrail_file_write_chunk(file, &chunk), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    free(maker);
}

/* ---- a run ---- */

static int64_t clock_ns(void)
{
    return (int64_t)builder_monotonic();
}

static void begin_with(struct world *w, const struct feed_options *options, const char *path)
{
    char *error = NULL;
    assert_int_equal(feed_new(&w->top.feed, options, &error), 0);
    assert_int_equal(feed_add_path(w->top.feed, path), 0);
    for (unsigned i = 0; i < 200 && feed_run(w->top.feed, clock_ns() + 5000000) != -ENODATA && i < 20; i++)
        ;
}

static void begin(struct world *w)
{
    const struct feed_options options = {.live = false};
    memset(w, 0, sizeof *w);
    snprintf(w->path, sizeof w->path, "/tmp/evtrail-top-views-%d", (int)getpid());
    unlink(w->path);
    write_file(w->path);
    begin_with(w, &options, w->path);
}

static void end(struct world *w)
{
    while (view_back(w))
        ;
    for (unsigned i = 0; i < 3; i++)
        view_free(w->opened[i]);
    feed_free(w->top.feed);
    surface_fini(&w->top.surface);
    if (w->path[0])
        unlink(w->path);
}

static const struct view_ops *const tested[3] = {&types_view, &spans_view, &tree_view};

static void show(struct world *w, const struct view_ops *ops)
{
    while (view_back(w))
        ;
    for (unsigned i = 0; i < 3; i++)
        if (tested[i] == ops) {
            w->opened[i] = w->opened[i] ? w->opened[i] : view_new(&w->top, ops, 0, "");
            w->top.view = w->opened[i];
        }
}

static bool act(struct world *w, enum action action)
{
    return w->top.view->ops->action(w->top.view, action);
}

static const char *drawn(struct world *w, int rows, int columns)
{
    static char text[1 << 20];
    struct view *const view = w->top.view;
    assert_int_equal(surface_resize(&w->top.surface, rows, columns), 0);
    view->ops->draw(view, surface_area(&w->top.surface));
    const size_t bytes = surface_text(&w->top.surface, text, sizeof text);
    assert_true(bytes < sizeof text);
    for (size_t i = 0; i < bytes; i++)
        assert_true((unsigned char)text[i] >= ' ' || text[i] == '\n');
    return text;
}

static void assert_shows(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("no '%s' in\n%s", wanted, text);
}

static void assert_hides(const char *text, const char *unwanted)
{
    if (strstr(text, unwanted))
        fail_msg("'%s' in\n%s", unwanted, text);
}

/* ---- what they say ---- */

static void types__of_a_file__counts_last_values_description(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    show(&w, &types_view);
    const char *text = drawn(&w, 24, 160);
    assert_shows(text, "shop.request");
    assert_shows(text, "103");
    assert_shows(text, "id u64; parent u64; size u64 in bytes"); /* the first row is described */
    end(&w);
}

static void types__selected__described(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    show(&w, &types_view);
    w.top.view->ops->search(w.top.view, "shop.depth");
    const char *text = drawn(&w, 24, 160);
    assert_shows(text, " shop.depth (counter, info)");
    assert_shows(text, "depth i64 in widgets");
    assert_shows(text, "100widgets");
    act(&w, ACTION_describe);
    assert_hides(drawn(&w, 24, 160), "(counter, info)");
    w.top.view->ops->search(w.top.view, "shop.text");
    assert_shows(drawn(&w, 24, 180), "a\\x1b[31mb\\n");
    end(&w);
}

static void types__silent__there_until_hidden(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    show(&w, &types_view);
    const struct evtrail_event_type type = {.name = "shop.silent", .doc = "", .file = "", .function = "", .level = 4};
    assert_non_null(
        types_know(model_part(feed_model(w.top.feed), PART_types), &type)); /* files have only types with events */
    assert_shows(drawn(&w, 24, 100), "shop.silent");
    act(&w, ACTION_silent);
    assert_hides(drawn(&w, 24, 160), "shop.silent");
    act(&w, ACTION_toggle); /* a file: nothing to switch */
    assert_shows(w.message, "nothing to switch");
    end(&w);
}

static void spans__of_a_file__figures_and_detail(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    show(&w, &spans_view);
    const char *text = drawn(&w, 20, 120);
    assert_shows(text, "shop.request");
    assert_shows(text, "e\\x1b[2Jv");
    assert_shows(text, "1.00ms");
    w.top.view->ops->search(w.top.view, "shop.request");
    act(&w, ACTION_enter);
    text = drawn(&w, 40, 120);
    assert_shows(text, "p50 1.00ms");
    assert_shows(text, "last minute: 100");
    assert_shows(text, "524us"); /* 2^19 ns: where all of them are */
    assert_shows(text, "slowest");
    assert_shows(text, "size=4KiB");
    assert_shows(text, "code=200");
    assert_shows(text, "open: age");
    assert_shows(text, "id=103");
    act(&w, ACTION_tree);
    assert_shows(drawn(&w, 40, 120), "all time");
    assert_true(view_back(&w));
    end(&w);
}

static void spans__ascii__nothing_else(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    w.top.surface.ascii = true;
    for (unsigned i = 0; i < 4; i++) {
        show(&w, tested[i % 3]);
        if (i == 3)
            top_open_view(&w.top, &span_detail, 0, "shop.request");
        for (const char *at = drawn(&w, 30, 100); *at; at++)
            assert_true((unsigned char)*at < 0x80);
    }
    end(&w);
}

static void tree__of_a_file__paths_and_branches(void **state)
{
    struct world w;
    char copy[128];
    (void)state;
    begin(&w);
    show(&w, &tree_view);
    const char *text = drawn(&w, 20, 100);
    assert_shows(text, "100ms"); /* of all requests */
    assert_shows(text, "75.0ms");
    assert_shows(text, "e\\x1b[2Jv");
    act(&w, ACTION_collapse);
    text = drawn(&w, 20, 100);
    assert_shows(text, "+ shop.request");
    assert_hides(text, "e\\x1b");
    act(&w, ACTION_right);
    assert_shows(drawn(&w, 20, 100), "e\\x1b");
    act(&w, ACTION_down);
    const size_t bytes = w.top.view->ops->copy(w.top.view, copy, sizeof copy);
    assert_true(bytes > 0);
    assert_memory_equal(copy, "shop.request > e", 16);
    act(&w, ACTION_left);
    act(&w, ACTION_enter);
    assert_shows(drawn(&w, 30, 100), "p50 1.00ms");
    end(&w);
}

/* ---- JSON ---- */

static const char *skip_value(const char *at);

static const char *skip_text(const char *at)
{
    assert_int_equal(*at, '"');
    for (at++; *at != '"'; at++) {
        assert_true((unsigned char)*at >= ' ');
        at += *at == '\\';
    }
    return at + 1;
}

static const char *skip_all(const char *at, char end, bool names)
{
    for (at++; *at != end;) {
        if (names) {
            at = skip_text(at);
            assert_int_equal(*at++, ':');
        }
        at = skip_value(at);
        if (*at == ',')
            at += 1 + strspn(at + 1, "\n");
        else
            assert_int_equal(*at, end);
    }
    return at + 1;
}

static const char *skip_value(const char *at)
{
    if (*at == '{' || *at == '[')
        return skip_all(at, *at == '{' ? '}' : ']', *at == '{');
    if (*at == '"')
        return skip_text(at);
    const size_t bytes = strspn(at, "0123456789+-.e");
    if (bytes > 0)
        return at + bytes;
    const char *const words[] = {"null", "true", "false"};
    for (unsigned i = 0; i < 3; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return at + strlen(words[i]);
    fail_msg("not JSON: %.60s", at);
    return NULL;
}

static void views__json__is_json_whatever_names_are(void **state)
{
    struct world w;
    static char text[1 << 20];
    (void)state;
    begin(&w);
    for (unsigned i = 0; i < 4; i++) {
        struct output out;
        FILE *const file = tmpfile();
        show(&w, tested[i % 3]);
        if (i == 3)
            top_open_view(&w.top, &span_detail, 0, EVIL);
        assert_int_equal(output_init(&out, fileno(file)), 0);
        w.top.view->ops->json(w.top.view, &out);
        assert_int_equal(output_fini(&out), 0);
        rewind(file);
        const size_t bytes = fread(text, 1, sizeof text - 1, file);
        text[bytes] = '\0';
        fclose(file);
        assert_true(bytes > 100);
        assert_string_equal(skip_value(text), "");
        assert_null(strchr(text, 033));
    }
    end(&w);
}

/* ---- any size, any action ---- */

static void views__any_size_and_action__nothing_breaks(void **state)
{
    struct world w;
    static const int sizes[][2] = {{1, 1}, {1, 80}, {2, 3}, {3, 9}, {5, 20}, {7, 41}, {10, 200}, {24, 80}, {60, 300}};
    char buffer[64];
    (void)state;
    begin(&w);
    for (unsigned i = 0; i < 4; i++) {
        show(&w, tested[i % 3]);
        if (i == 3)
            top_open_view(&w.top, &span_detail, 1, "shop.request");
        struct view *const view = w.top.view;
        for (unsigned size = 0; size < sizeof sizes / sizeof *sizes; size++)
            for (unsigned action = ACTION_none; action < ACTIONS; action++) {
                if (action != ACTION_enter)
                    act(&w, (enum action)action);
                drawn(&w, sizes[size][0], sizes[size][1]);
                for (size_t room = 0; room < sizeof buffer; room += 21) {
                    view->ops->status(view, buffer, room);
                    view->ops->copy(view, buffer, room);
                }
                if (view->ops->click)
                    view->ops->click(view, (int)action % 7 - 1, (int)action * 3 - 1);
            }
    }
    end(&w);
}

static void views__another_model__rows_are_taken_anew(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (unsigned i = 0; i < 3; i++) {
        show(&w, tested[i]);
        drawn(&w, 24, 80);
    }
    assert_int_equal(feed_filter(w.top.feed, "name == nothing", NULL), 0);
    act(&w, ACTION_enter); /* before anybody has told the views */
    view_back(&w);
    for (unsigned i = 0; i < 200 && feed_run(w.top.feed, clock_ns() + 5000000) != -ENODATA && i < 20; i++)
        ;
    for (unsigned i = 0; i < 3; i++)
        w.opened[i]->ops->model_changed(w.opened[i]);
    for (unsigned i = 0; i < 3; i++) {
        show(&w, tested[i]);
        drawn(&w, 24, 80);
    }
    end(&w);
}

/* ---- live ---- */

static void types__live__switched_by_rules(void **state)
{
    struct world w;
    struct builder b;
    struct evtrail_session *session;
    (void)state;
    memset(&w, 0, sizeof w);
    builder_init(&b);
    builder_live(&b);
    builder_events(&b, 0, 20);
    const struct feed_options options = {.live = true, .reader = {.directory = b.directory, .enable = "*"}};
    begin_with(&w, &options, b.path);
    show(&w, &types_view);
    drawn(&w, 24, 160);
    assert_int_equal(evtrail_session_open(&session, b.path, NULL), 0);
    assert_true(evtrail_session_type_state(session, EVTRAIL_EVENT_FIRST) > 0);
    act(&w, ACTION_toggle);
    assert_int_equal(evtrail_session_type_state(session, EVTRAIL_EVENT_FIRST), 0);
    assert_shows(w.message, "off: 1 event type changed in 1 process");
    assert_shows(w.message, "evtrail disable 'test.tick'");
    const char *text = drawn(&w, 24, 160);
    assert_shows(text, "off in 1 of 1");
    assert_shows(text, "rule: -test.tick");
    act(&w, ACTION_toggle);
    assert_true(evtrail_session_type_state(session, EVTRAIL_EVENT_FIRST) > 0);
    act(&w, ACTION_level_less); /* it is of level info: now only what is more severe is on */
    assert_shows(w.message, "test up to level warning");
    assert_int_equal(evtrail_session_type_state(session, EVTRAIL_EVENT_FIRST), 0);
    evtrail_session_close(session);
    end(&w);
    builder_fini(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(types__of_a_file__counts_last_values_description),
        cmocka_unit_test(types__selected__described),
        cmocka_unit_test(types__silent__there_until_hidden),
        cmocka_unit_test(spans__of_a_file__figures_and_detail),
        cmocka_unit_test(spans__ascii__nothing_else),
        cmocka_unit_test(tree__of_a_file__paths_and_branches),
        cmocka_unit_test(views__json__is_json_whatever_names_are),
        cmocka_unit_test(views__any_size_and_action__nothing_breaks),
        cmocka_unit_test(views__another_model__rows_are_taken_anew),
        cmocka_unit_test(types__live__switched_by_rules),
    };
    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
