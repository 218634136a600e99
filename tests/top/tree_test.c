/* SPDX-License-Identifier: ISC
 *
 * The model of the tree of spans: paths, own times, and that these add up, whatever comes.
 */
#include "model/tree.h"
#include "trace_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAMES 6u

struct world {
    struct model *model;
    const struct part *tree;
    struct trace trace;
    uint32_t begin[NAMES], end[NAMES];
};

static const char *const names[NAMES] = {"request", "parse", "query", "lock", "send", "log"};

static void begin_with(struct world *w, size_t memory_bytes)
{
    const struct model_options options = {.memory_bytes = memory_bytes};
    memset(w, 0, sizeof *w);
    assert_int_equal(model_new(&w->model, &options), 0);
    w->tree = model_part(w->model, PART_tree);
    trace_begin(&w->trace, w->model, 1);
    for (unsigned i = 0; i < NAMES; i++) {
        w->begin[i] = trace_type(&w->trace, EVTRAIL_KIND_begin, 4, names[i], "id:u64 parent:u64");
        w->end[i] = trace_type(&w->trace, EVTRAIL_KIND_end, 4, names[i], "id:u64");
    }
}

static void begin(struct world *w)
{
    begin_with(w, 0);
}

static void span_begin(struct world *w, unsigned name, uint64_t id, uint64_t parent)
{
    trace_event(&w->trace, w->begin[name], id, parent);
}

static void span_end(struct world *w, unsigned name, uint64_t id)
{
    trace_event(&w->trace, w->end[name], id);
}

/* "request/query": NULL if there is no such node. */
static const struct tree_node *node_at(const struct world *w, const char *path)
{
    char copy[512], *save = NULL;
    uint32_t at = tree_node(w->tree, TREE_ROOT)->child; /* paths are below their host */
    while (at != TREE_NONE && !tree_node(w->tree, at)->host)
        at = tree_node(w->tree, at)->sibling;
    if (at == TREE_NONE)
        return NULL;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        uint32_t child = tree_node(w->tree, at)->child;
        while (child != TREE_NONE && strcmp(tree_name(w->tree, child), part) != 0)
            child = tree_node(w->tree, child)->sibling;
        if (child == TREE_NONE)
            return NULL;
        at = child;
    }
    return tree_node(w->tree, at);
}

/* Sums of all nodes are those that the part says, and own times add up. */
static void assert_sums(const struct world *w)
{
    const struct tree_sums sums = tree_sums(w->tree);
    uint64_t self = 0;
    for (uint32_t i = 0; i < tree_nodes(w->tree); i++)
        self += tree_node(w->tree, i)->self_ns;
    assert_int_equal(self, sums.self_ns);
    assert_int_equal(sums.self_ns, sums.roots_ns + sums.beyond_ns);
}

static void nested__own_time_is_what_children_leave(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_begin(&w, 0, 1, 0);
    w.trace.now_ns += 10;
    span_begin(&w, 1, 2, 1);
    w.trace.now_ns += 20;
    span_end(&w, 1, 2);
    span_begin(&w, 2, 3, 1);
    w.trace.now_ns += 5;
    span_begin(&w, 3, 4, 3);
    w.trace.now_ns += 7;
    span_end(&w, 3, 4);
    span_end(&w, 2, 3);
    w.trace.now_ns += 3;
    span_end(&w, 0, 1);
    assert_int_equal(node_at(&w, "request")->total_ns, 45);
    assert_int_equal(node_at(&w, "request")->self_ns, 13);
    assert_int_equal(node_at(&w, "request/parse")->self_ns, 20);
    assert_int_equal(node_at(&w, "request/query")->total_ns, 12);
    assert_int_equal(node_at(&w, "request/query")->self_ns, 5);
    assert_int_equal(node_at(&w, "request/query/lock")->self_ns, 7);
    assert_int_equal(tree_sums(w.tree).beyond_ns, 0);
    assert_sums(&w);
    model_free(w.model);
}

static void same_path__is_one_node(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (uint64_t i = 0; i < 100; i++) {
        span_begin(&w, 0, 2 * i + 1, 0);
        span_begin(&w, 1, 2 * i + 2, 2 * i + 1);
        w.trace.now_ns += 4;
        span_end(&w, 1, 2 * i + 2);
        span_end(&w, 0, 2 * i + 1);
    }
    assert_int_equal(tree_nodes(w.tree), 5); /* with the root, the rest and the host */
    assert_int_equal(node_at(&w, "request/parse")->count, 100);
    assert_int_equal(node_at(&w, "request/parse")->total_ns, 400);
    assert_sums(&w);
    model_free(w.model);
}

static void parent__unknown_or_ended_before__child_is_a_root_or_takes_nothing(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_begin(&w, 1, 5, 999); /* nobody has 999 */
    w.trace.now_ns += 10;
    span_end(&w, 1, 5);
    assert_int_equal(node_at(&w, "parse")->count, 1);
    assert_int_equal(tree_sums(w.tree).orphans, 1);
    span_begin(&w, 0, 1, 0);
    span_begin(&w, 4, 2, 1);
    w.trace.now_ns += 10;
    span_end(&w, 0, 1); /* the child goes on */
    w.trace.now_ns += 30;
    span_end(&w, 4, 2);
    assert_int_equal(node_at(&w, "request")->self_ns, 10);
    assert_int_equal(node_at(&w, "request/send")->total_ns, 40);
    assert_int_equal(tree_sums(w.tree).beyond_ns, 40);
    assert_sums(&w);
    model_free(w.model);
}

static void children__at_once__own_time_is_not_below_zero(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_begin(&w, 0, 1, 0);
    for (uint64_t i = 2; i < 10; i++)
        span_begin(&w, 2, i, 1);
    w.trace.now_ns += 100;
    for (uint64_t i = 2; i < 10; i++)
        span_end(&w, 2, i);
    span_end(&w, 0, 1);
    assert_int_equal(node_at(&w, "request")->self_ns, 0);
    assert_int_equal(node_at(&w, "request/query")->total_ns, 800);
    assert_int_equal(tree_sums(w.tree).beyond_ns, 700);
    assert_sums(&w);
    model_free(w.model);
}

static void same_id__under_several_names__the_newest_is_the_parent(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_begin(&w, 0, 7, 0);
    span_begin(&w, 1, 7, 7);
    span_end(&w, 1, 7);
    span_begin(&w, 2, 7, 7);
    span_begin(&w, 3, 7, 7);
    assert_int_equal(node_at(&w, "request/parse")->count, 1);
    assert_int_equal(node_at(&w, "request/query/lock")->open, 1);
    model_free(w.model);
}

static void recursion__deep__is_bounded_and_adds_up(void **state)
{
    struct world w;
    char path[512] = "";
    (void)state;
    begin(&w);
    for (uint64_t i = 1; i <= 1000; i++) {
        span_begin(&w, 0, i, i - 1);
        w.trace.now_ns += 1;
    }
    for (uint64_t i = 1000; i >= 1; i--)
        span_end(&w, 0, i);
    assert_int_equal(tree_nodes(w.tree), 3 + TREE_DEPTH_MAX + 1);
    for (unsigned i = 0; i < TREE_DEPTH_MAX; i++)
        strcat(path, "request/");
    strcat(path, "(deeper)");
    const struct tree_node *const deeper = node_at(&w, path);
    assert_non_null(deeper);
    assert_int_equal(deeper->count, 1000 - TREE_DEPTH_MAX);
    assert_int_equal(deeper->total_ns, 1000 - TREE_DEPTH_MAX); /* the outermost of those */
    assert_int_equal(deeper->self_ns, 1000 - TREE_DEPTH_MAX);
    assert_int_equal(tree_sums(w.tree).roots_ns, 1000);
    assert_sums(&w);
    model_free(w.model);
}

static void paths__more_than_fit__the_rest_is_counted(void **state)
{
    struct world w;
    char name[32];
    (void)state;
    begin_with(&w, 1 << 20);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "name%u", i);
        w.trace.types[w.begin[0]].name = w.trace.types[w.end[0]].name = name;
        w.trace.types[w.begin[0]].id = 100 + 2 * i;
        w.trace.types[w.end[0]].id = 101 + 2 * i;
        span_begin(&w, 0, 1, 0);
        w.trace.now_ns += 3;
        span_end(&w, 0, 1);
    }
    const struct tree_sums sums = tree_sums(w.tree);
    assert_true(tree_nodes(w.tree) > 100);
    assert_true(sums.no_path > 0 || w.tree->left_out > 0);
    assert_int_equal(tree_node(w.tree, TREE_MORE)->count, sums.no_path);
    assert_true(w.tree->used_bytes <= w.tree->budget_bytes);
    assert_sums(&w);
    model_free(w.model);
}

/* ---- any sequence ---- */

static uint64_t random_below(uint64_t *random, uint64_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % n;
}

/* Properly nested, in several threads (each with ids of its own): own times add up to the roots' exactly. */
static void property__nested_properly__own_times_are_the_roots_durations(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world w;
        uint64_t random = seed, next = 1;
        struct {
            uint64_t ids[40];
            unsigned names[40], depth;
        } threads[3] = {0};
        begin(&w);
        for (unsigned i = 0; i < 600 || threads[0].depth + threads[1].depth + threads[2].depth > 0; i++) {
            const unsigned thread = (unsigned)random_below(&random, 3), depth = threads[thread].depth;
            w.trace.now_ns += (int64_t)random_below(&random, 1000);
            if (i < 600 && depth < 40 && random_below(&random, 2)) {
                const unsigned name = (unsigned)random_below(&random, NAMES);
                threads[thread].names[depth] = name;
                threads[thread].ids[depth] = next++;
                span_begin(&w, name, next - 1, depth ? threads[thread].ids[depth - 1] : 0);
                threads[thread].depth++;
            } else if (depth > 0) {
                threads[thread].depth--;
                span_end(&w, threads[thread].names[depth - 1], threads[thread].ids[depth - 1]);
            }
        }
        assert_int_equal(tree_sums(w.tree).beyond_ns, 0);
        assert_int_equal(tree_sums(w.tree).self_ns, tree_sums(w.tree).roots_ns);
        assert_sums(&w);
        model_free(w.model);
    }
}

/* Anything at all, with little memory; when all has ended it adds up, with what lay beyond. */
static void property__any_sequence__own_times_add_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world w;
        uint64_t random = seed;
        begin_with(&w, seed % 2 ? 0 : 200000);
        for (unsigned i = 0; i < 3000; i++) {
            const unsigned name = (unsigned)random_below(&random, NAMES);
            const uint64_t id = random_below(&random, seed % 4 ? 30 : 3000);
            w.trace.now_ns += (int64_t)random_below(&random, 1000) - (random_below(&random, 10) == 0 ? 2000 : 0);
            if (random_below(&random, 2))
                span_begin(&w, name, id, random_below(&random, seed % 4 ? 30 : 3000));
            else
                span_end(&w, name, id);
        }
        for (unsigned name = 0; name < NAMES; name++)
            for (uint64_t id = 0; id < 3000; id++)
                span_end(&w, name, id);
        for (uint32_t i = 0; i < tree_nodes(w.tree); i++)
            assert_int_equal(tree_node(w.tree, i)->open, 0);
        assert_sums(&w);
        assert_true(w.tree->used_bytes <= w.tree->budget_bytes + 8192);
        model_free(w.model);
    }
}

static void process__ends__what_was_open_is_abandoned(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_begin(&w, 0, 1, 0);
    span_begin(&w, 1, 2, 1);
    trace_source(&w.trace, true);
    assert_int_equal(node_at(&w, "request")->open, 0);
    assert_int_equal(node_at(&w, "request")->abandoned, 1);
    assert_int_equal(node_at(&w, "request/parse")->abandoned, 1);
    model_reset(w.model);
    assert_int_equal(node_at(&w, "request")->abandoned, 0);
    model_free(w.model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested__own_time_is_what_children_leave),
        cmocka_unit_test(same_path__is_one_node),
        cmocka_unit_test(parent__unknown_or_ended_before__child_is_a_root_or_takes_nothing),
        cmocka_unit_test(children__at_once__own_time_is_not_below_zero),
        cmocka_unit_test(same_id__under_several_names__the_newest_is_the_parent),
        cmocka_unit_test(recursion__deep__is_bounded_and_adds_up),
        cmocka_unit_test(paths__more_than_fit__the_rest_is_counted),
        cmocka_unit_test(property__nested_properly__own_times_are_the_roots_durations),
        cmocka_unit_test(property__any_sequence__own_times_add_up),
        cmocka_unit_test(process__ends__what_was_open_is_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
