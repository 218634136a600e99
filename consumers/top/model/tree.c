/* SPDX-License-Identifier: ISC
 *
 * The part that knows the tree of spans. Each plan remembers the last path that it was on: most begins need no search for theirs.
 */
#include "tree.h"

#include "keep.h"
#include "names.h"
#include "open_spans.h"
#include "span_plans.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_PERCENT 75u
#define NODES_MAX 262144u
#define NAME_NONE UINT32_MAX

/* How a process's event type is taken. */
struct tree_plan {
    struct span_plan_link link; /* first */
    uint32_t name, source;
    uint32_t root;         /* its host's node */
    uint32_t parent, node; /* the path of the last one */
    bool begin, has_parent;
};
/* What an open span has besides, by its number in the table. */
struct tree_span {
    uint32_t node;
    uint32_t serial;
    uint32_t parent, parent_serial; /* number of the parent; OPEN_NONE: a root */
    uint64_t children_ns;
};
struct tree {
    struct part part;
    struct keep keep;
    struct names names;
    struct open_spans open;
    struct tree_span *spans;
    uint32_t spans_size;
    struct tree_node *nodes;
    uint32_t nodes_count, nodes_size;
    uint32_t *index; /* nodes by parent and name; 0: none; twice nodes_size */
    struct span_plans plans;
    uint32_t serial;
    struct tree_sums sums;
};

static struct tree *tree_of(const struct part *part)
{
    return (struct tree *)part;
}

static uint64_t add_most(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

/* ---- nodes ---- */

static uint32_t *node_place(const struct tree *tree, uint32_t parent, uint32_t name)
{
    uint64_t hash = ((uint64_t)parent << 32 | name) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
        uint32_t *const place = &tree->index[i & (tree->nodes_size * 2 - 1)];
        if (*place == 0 || (tree->nodes[*place].parent == parent && tree->nodes[*place].name == name))
            return place;
    }
}

static bool nodes_grow(struct tree *tree)
{
    const uint32_t size = tree->nodes_size ? tree->nodes_size * 2 : 64;
    const size_t bytes = (size - tree->nodes_size) * (sizeof *tree->nodes + 2 * sizeof *tree->index);
    if (size > NODES_MAX || (tree->nodes_size && !part_has_room(&tree->part, bytes, 100)))
        return false;
    struct tree_node *const nodes = realloc(tree->nodes, size * sizeof *nodes);
    tree->nodes = nodes ? nodes : tree->nodes;
    uint32_t *const index = calloc((size_t)size * 2, sizeof *index);
    if (!nodes || !index) {
        free(index);
        return false;
    }
    free(tree->index);
    tree->index = index;
    tree->nodes_size = size;
    tree->part.used_bytes += bytes;
    for (uint32_t i = 1; i < tree->nodes_count; i++)
        *node_place(tree, nodes[i].parent, nodes[i].name) = i;
    return true;
}

static uint32_t node_new(struct tree *tree, uint32_t parent, uint32_t name, bool rest)
{
    if (tree->nodes_count == tree->nodes_size && !nodes_grow(tree))
        return TREE_MORE;
    const uint32_t number = tree->nodes_count++;
    struct tree_node *const node = &tree->nodes[number];
    *node = (struct tree_node){.parent = parent, .name = name, .child = TREE_NONE, .sibling = TREE_NONE, .rest = rest};
    if (number == TREE_ROOT)
        return number;
    struct tree_node *const above = &tree->nodes[parent];
    node->depth = (uint16_t)(above->depth + 1);
    node->sibling = above->child;
    above->child = number;
    *node_place(tree, parent, name) = number;
    return number;
}

/* The node of a span of this name within one of that node. */
static uint32_t node_within(struct tree *tree, uint32_t parent, uint32_t name)
{
    if (tree->nodes[parent].rest)
        return parent;
    const bool deep = tree->nodes[parent].depth > TREE_DEPTH_MAX; /* hosts are a level, too */
    if (deep)
        name = NAME_NONE;
    const uint32_t node = *node_place(tree, parent, name);
    return node ? node : node_new(tree, parent, name, deep);
}

/* The node of a source's host. */
static uint32_t host_node(struct tree *tree, const struct evtrail_source *source)
{
    const uint32_t name = names_number(&tree->names, source->host, 0);
    const uint32_t node = name != NAMES_NONE ? node_within(tree, TREE_ROOT, name) : TREE_MORE;
    tree->nodes[node].host = node != TREE_MORE;
    return node;
}

/* ---- making ---- */

static void span_forgotten(struct part *part, struct open_span *span);

static int init(struct part *part)
{
    struct tree *const tree = tree_of(part);
    keep_init(&tree->keep, part);
    names_init(&tree->names, &tree->keep);
    open_spans_init(&tree->open, part, OPEN_PERCENT, span_forgotten);
    if (node_new(tree, TREE_ROOT, NAME_NONE - 1, false) != TREE_ROOT && !tree->nodes)
        return -1;
    return node_new(tree, TREE_ROOT, NAME_NONE, true) == TREE_MORE ? 0 : -1;
}

static void fini(struct part *part)
{
    struct tree *const tree = tree_of(part);
    names_fini(&tree->names);
    keep_fini(&tree->keep);
    open_spans_fini(&tree->open);
    free(tree->spans);
    free(tree->nodes);
    free(tree->index);
    span_plans_fini(&tree->plans);
}

/* ---- plans ---- */

static bool scalar(const struct evtrail_event_type *type, unsigned field)
{
    return type->fields_count > field && type->fields[field].type != EVTRAIL_TYPE_string &&
           type->fields[field].type != EVTRAIL_TYPE_bytes;
}

static void *plan(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type)
{
    struct tree *const tree = tree_of(part);
    if (!scalar(type, 0))
        return NULL;
    const uint32_t name = names_number(&tree->names, type->name, 0);
    const uint32_t number =
        name != NAMES_NONE ? open_source_number(&tree->open, source, model_source_key(source)) : OPEN_NONE;
    struct tree_plan *const plan = span_plans_new(&tree->plans, &tree->open, &tree->keep, number, sizeof *plan);
    if (!plan) {
        part->left_out++;
        return NULL;
    }
    *plan = (struct tree_plan){.link = plan->link,
                               .name = name,
                               .source = number,
                               .root = host_node(tree, source),
                               .parent = TREE_NONE,
                               .begin = type->kind == EVTRAIL_KIND_begin,
                               .has_parent = scalar(type, 1)};
    return plan;
}

/* ---- begin ---- */

static bool spans_ready(struct tree *tree, uint32_t number)
{
    if (number < tree->spans_size)
        return true;
    const size_t bytes = (tree->open.size - tree->spans_size) * sizeof *tree->spans;
    struct tree_span *const spans =
        part_has_room(&tree->part, bytes, 100) ? realloc(tree->spans, tree->open.size * sizeof *spans) : NULL;
    if (!spans)
        return false;
    tree->part.used_bytes += bytes;
    tree->spans = spans;
    tree->spans_size = tree->open.size;
    return true;
}

/* It goes without an end: what its children took from it, it did not have. */
static void drop(struct tree *tree, const struct open_span *span)
{
    const struct tree_span *const of = &tree->spans[open_span_number(&tree->open, span)];
    tree->sums.beyond_ns = add_most(tree->sums.beyond_ns, of->children_ns);
    tree->nodes[of->node].open -= span->matched && !span->gone;
}

static void span_forgotten(struct part *part, struct open_span *span)
{
    struct tree *const tree = tree_of(part);
    tree->sums.forgotten += span->matched && !span->gone;
    drop(tree, span);
}

static void take_begin(struct tree *tree, struct tree_plan *plan, const struct evtrail_event *event, bool matched)
{
    const uint64_t id = event->payload[0], parent_id = plan->has_parent && event->words > 1 ? event->payload[1] : 0;
    struct open_span *span = open_spans_find(&tree->open, plan->source, id, plan->name);
    if (span) {
        drop(tree, span);
        open_spans_remove(&tree->open, span);
    }
    const struct open_span *const parent =
        parent_id ? open_spans_find(&tree->open, plan->source, parent_id, OPEN_NONE) : NULL;
    struct tree_span new = {.node = plan->root, .serial = ++tree->serial, .parent = OPEN_NONE};
    if (parent) {
        new.parent = open_span_number(&tree->open, parent);
        new.node = tree->spans[new.parent].node;
        new.parent_serial = tree->spans[new.parent].serial;
    }
    tree->sums.orphans += matched && parent_id != 0 && !parent;
    if (plan->parent != new.node) {
        plan->parent = new.node;
        plan->node = node_within(tree, new.node, plan->name);
    }
    new.node = plan->node;
    tree->sums.no_path += matched && new.node == TREE_MORE;
    span = open_spans_add(&tree->open, plan->source, id, plan->name);
    if (!span)
        return;
    if (!spans_ready(tree, open_span_number(&tree->open, span))) {
        tree->sums.forgotten += matched;
        open_spans_remove(&tree->open, span);
        return;
    }
    span->ticks = event->ticks;
    span->tid = event->tid;
    span->matched = matched;
    tree->spans[open_span_number(&tree->open, span)] = new;
    tree->nodes[new.node].open += matched;
}

/* ---- end ---- */

static struct tree_span *parent_of(const struct tree *tree, const struct tree_span *of)
{
    if (of->parent == OPEN_NONE || !tree->open.entries[of->parent].used ||
        tree->spans[of->parent].serial != of->parent_serial)
        return NULL;
    return &tree->spans[of->parent];
}

static void count_span(struct tree *tree, const struct tree_span *of, const struct tree_span *parent, uint64_t ns)
{
    struct tree_node *const node = &tree->nodes[of->node];
    const uint64_t children = of->children_ns < ns ? of->children_ns : ns;
    node->count++;
    node->self_ns = add_most(node->self_ns, ns - children);
    if (!(node->rest && parent && parent->node == of->node))
        node->total_ns = add_most(node->total_ns, ns);
    node->max_ns = ns > node->max_ns ? ns : node->max_ns;
    tree->sums.self_ns = add_most(tree->sums.self_ns, ns - children);
    tree->sums.beyond_ns = add_most(tree->sums.beyond_ns, of->children_ns - children);
    if (of->parent == OPEN_NONE)
        tree->sums.roots_ns = add_most(tree->sums.roots_ns, ns);
    else if (!parent)
        tree->sums.beyond_ns = add_most(tree->sums.beyond_ns, ns);
}

static void take_end(struct tree *tree, const struct tree_plan *plan, const struct evtrail_event *event, bool matched)
{
    struct open_span *const span = open_spans_find(&tree->open, plan->source, event->payload[0], plan->name);
    if (!span) {
        tree->sums.unmatched += matched;
        return;
    }
    const struct tree_span *const of = &tree->spans[open_span_number(&tree->open, span)];
    struct tree_span *const parent = parent_of(tree, of);
    const uint64_t ns =
        (uint64_t)open_source_duration(&tree->open.sources[plan->source], event->source, span->ticks, event->ticks);
    if (matched || span->matched)
        count_span(tree, of, parent, ns);
    if (parent)
        parent->children_ns = add_most(parent->children_ns, ns);
    tree->nodes[of->node].open -= span->matched && !span->gone;
    open_spans_remove(&tree->open, span);
}

static void event(struct part *part, void *plan_data, const struct evtrail_event *happened, bool matched)
{
    struct tree_plan *const plan = plan_data;
    if (happened->words == 0)
        return;
    if (plan->begin)
        take_begin(tree_of(part), plan, happened, matched);
    else
        take_end(tree_of(part), plan, happened, matched);
}

/* ---- processes that end, and counting anew ---- */

static void span_abandoned(struct part *part, struct open_span *span)
{
    struct tree *const tree = tree_of(part);
    struct tree_node *const node = &tree->nodes[tree->spans[open_span_number(&tree->open, span)].node];
    node->open -= span->matched;
    node->abandoned += span->matched;
}

static void notice(struct part *part, const struct evtrail_event *event)
{
    struct tree *const tree = tree_of(part);
    if (event->what != EVTRAIL_EVENT_SOURCE || !event->source->gone)
        return;
    const uint64_t key = model_source_key(event->source);
    span_plans_gone(&tree->plans, &tree->open, key);
    open_source_gone(&tree->open, key, span_abandoned);
}

static void reset(struct part *part)
{
    struct tree *const tree = tree_of(part);
    tree->sums = (struct tree_sums){0};
    tree->open.forgotten = 0;
    for (uint32_t i = 0; i < tree->nodes_count; i++) {
        struct tree_node *const node = &tree->nodes[i];
        node->count = node->abandoned = node->total_ns = node->self_ns = node->max_ns = 0;
    }
    for (uint32_t i = 0; i < tree->spans_size; i++)
        tree->spans[i].children_ns = 0;
}

/* ---- what is asked for ---- */

uint32_t tree_nodes(const struct part *part)
{
    return tree_of(part)->nodes_count;
}

const struct tree_node *tree_node(const struct part *part, uint32_t node)
{
    return node < tree_of(part)->nodes_count ? &tree_of(part)->nodes[node] : NULL;
}

const char *tree_name(const struct part *part, uint32_t node)
{
    const struct tree *const tree = tree_of(part);
    if (node == TREE_MORE)
        return "(paths without room)";
    const uint32_t name = tree->nodes[node].name;
    return name < tree->names.count ? tree->names.entries[name].text : node == TREE_ROOT ? "(all)" : "(deeper)";
}

struct tree_sums tree_sums(const struct part *part)
{
    return tree_of(part)->sums;
}

const struct part_ops tree_part = {.name = "tree",
                                   .bytes = sizeof(struct tree),
                                   .kinds = KIND_BIT(EVTRAIL_KIND_begin) | KIND_BIT(EVTRAIL_KIND_end),
                                   .always = KIND_BIT(EVTRAIL_KIND_begin) | KIND_BIT(EVTRAIL_KIND_end),
                                   .share = 8,
                                   .init = init,
                                   .fini = fini,
                                   .plan = plan,
                                   .event = event,
                                   .notice = notice,
                                   .reset = reset};
