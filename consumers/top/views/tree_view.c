/* SPDX-License-Identifier: ISC
 *
 * The tree of nested spans by path of names: where the time goes.
 */
#include "table_view.h"

#include "../model/tree.h"

#include <stdlib.h>
#include <string.h>

#define EXPANDED_DEPTH 6 /* deeper nodes are shown when they are opened */
#define VISIBLE_MAX 20000u

enum order { ORDER_total, ORDER_self, ORDER_count, ORDER_mean, ORDER_name, ORDERS };

/* A path, of one host or of all that have it. */
struct tree_row {
    struct tree_node sums; /* child: whether there is one */
    uint32_t node;         /* the first of its nodes: its name, and what it is known by */
    unsigned depth;
};
struct tree_view {
    struct table_view base;   /* first */
    struct tree_row *visible; /* in tree order */
    size_t count, room;
    uint8_t *turned; /* by node: opened or closed by hand */
    uint32_t turned_count;
    bool by_host; /* paths stand below their hosts, where there are several */
    enum order order;
    uint64_t left_out; /* rows that are not shown */
};

static struct model *model_in(const void *context)
{
    return top_model(((const struct tree_view *)context)->base.view.top);
}

static struct part *part_of(const void *context)
{
    return model_part(model_in(context), PART_tree);
}

/* ---- rows ---- */

static bool expanded(const struct tree_view *view, const struct tree_row *row)
{
    const bool turned = row->node < view->turned_count && view->turned[row->node];
    return (row->depth < EXPANDED_DEPTH) != turned;
}

static double order_of(const struct tree_node *node, enum order order)
{
    switch (order) {
    case ORDER_self:
        return (double)node->self_ns;
    case ORDER_count:
        return (double)node->count;
    case ORDER_mean:
        return node->count ? (double)node->total_ns / (double)node->count : 0;
    default:
        return (double)node->total_ns;
    }
}

static bool push(struct tree_view *view, const struct tree_row *row)
{
    if (view->count == VISIBLE_MAX) {
        view->left_out++;
        return false;
    }
    if (view->count == view->room) {
        const size_t room = view->room * 2 + 64;
        struct tree_row *const visible = realloc(view->visible, room * sizeof *visible);
        if (!visible)
            return false;
        view->visible = visible;
        view->room = room;
    }
    view->visible[view->count++] = *row;
    return true;
}

/* Whether anything is known of it or below it; at most TREE_DEPTH_MAX levels and the hosts'. */
static bool is_empty(const struct part *part, uint32_t number)
{
    const struct tree_node *const node = tree_node(part, number);
    if (node->count + node->open + node->abandoned > 0)
        return false;
    for (uint32_t child = node->child; child != TREE_NONE; child = tree_node(part, child)->sibling)
        if (!is_empty(part, child))
            return false;
    return true;
}

/* Nodes of the same path, of several hosts, and what they are together. */
struct group {
    struct tree_row row;
    uint32_t first, count; /* among the nodes */
};
struct level {
    uint32_t *nodes; /* by name */
    struct group *groups;
    uint32_t nodes_count, groups_count;
};

static int compare_nodes(const void *a, const void *b, void *context)
{
    const struct part *const part = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const uint32_t left = tree_node(part, x)->name, right = tree_node(part, y)->name;
    return left != right ? (left > right) - (left < right) : (x > y) - (x < y);
}

static int compare_groups(const void *a, const void *b, void *context)
{
    const struct tree_view *const view = context;
    const struct tree_row *const x = &((const struct group *)a)->row, *const y = &((const struct group *)b)->row;
    const double left = order_of(&x->sums, view->order), right = order_of(&y->sums, view->order);
    if (view->order != ORDER_name && left != right)
        return left < right ? 1 : -1;
    const int names = strcmp(tree_name(part_of(view), x->node), tree_name(part_of(view), y->node));
    return names ? names : (x->node > y->node) - (x->node < y->node);
}

static void add_sums(struct tree_node *sums, const struct tree_node *node)
{
    sums->count += node->count;
    sums->open += node->open;
    sums->abandoned += node->abandoned;
    sums->total_ns += node->total_ns;
    sums->self_ns += node->self_ns;
    sums->max_ns = node->max_ns > sums->max_ns ? node->max_ns : sums->max_ns;
    sums->child = node->child != TREE_NONE ? node->child : sums->child;
}

static void group_nodes(const struct tree_view *view, struct level *level, unsigned depth)
{
    const struct part *const part = part_of(view);
    qsort_r(level->nodes, level->nodes_count, sizeof *level->nodes, compare_nodes, part_of(view));
    for (uint32_t i = 0; i < level->nodes_count; i++) {
        const struct tree_node *const node = tree_node(part, level->nodes[i]);
        struct group *group = level->groups_count ? &level->groups[level->groups_count - 1] : NULL;
        if (!group || tree_node(part, group->row.node)->name != node->name) {
            group = &level->groups[level->groups_count++];
            *group = (struct group){.row = {.node = level->nodes[i], .depth = depth}, .first = i};
            group->row.sums = (struct tree_node){.child = TREE_NONE, .rest = node->rest};
        }
        add_sums(&group->row.sums, node);
        group->count++;
    }
    qsort_r(level->groups, level->groups_count, sizeof *level->groups, compare_groups, (void *)(uintptr_t)view);
}

static uint32_t children_of(const struct part *part, const uint32_t *parents, uint32_t count, uint32_t *ret_nodes)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t child = tree_node(part, parents[i])->child; child != TREE_NONE;
             child = tree_node(part, child)->sibling)
            if (!tree_node(part, child)->host && !is_empty(part, child)) {
                if (ret_nodes)
                    ret_nodes[found] = child;
                found++;
            }
    return found;
}

/* The children of nodes take the places behind them; those behind them are then theirs. Depth is bounded by the model. */
static void add_children(struct tree_view *view, const uint32_t *parents, uint32_t count, unsigned depth)
{
    const struct part *const part = part_of(view);
    struct level level = {.nodes_count = children_of(part, parents, count, NULL)};
    if (level.nodes_count == 0)
        return;
    level.nodes = malloc(level.nodes_count * sizeof *level.nodes);
    level.groups = malloc(level.nodes_count * sizeof *level.groups);
    if (level.nodes && level.groups) {
        children_of(part, parents, count, level.nodes);
        group_nodes(view, &level, depth);
        for (uint32_t i = 0; i < level.groups_count; i++) {
            const struct group *const group = &level.groups[i];
            if (push(view, &group->row) && expanded(view, &group->row))
                add_children(view, level.nodes + group->first, group->count, depth + 1);
        }
    }
    free(level.nodes);
    free(level.groups);
}

/* The row of a host is the sum of its roots. */
static void add_host(struct tree_view *view, uint32_t host)
{
    const struct part *const part = part_of(view);
    struct tree_row row = {.node = host, .sums = {.host = true, .child = TREE_NONE}};
    for (uint32_t child = tree_node(part, host)->child; child != TREE_NONE; child = tree_node(part, child)->sibling)
        add_sums(&row.sums, tree_node(part, child));
    row.sums.child = tree_node(part, host)->child;
    if (push(view, &row) && expanded(view, &row))
        add_children(view, &host, 1, 1);
}

static int compare_names(const void *a, const void *b, void *context)
{
    return strcmp(tree_name(context, *(const uint32_t *)a), tree_name(context, *(const uint32_t *)b));
}

static size_t rows(void *context)
{
    struct tree_view *const view = context;
    struct part *const part = part_of(view);
    const uint32_t root = TREE_ROOT;
    uint32_t count = 1; /* the root: what has no room for its path is below it, not below a host */
    view->count = 0;
    view->left_out = 0;
    uint32_t *const tops = malloc((model_in(view)->hosts.count + 2) * sizeof *tops);
    if (!tops)
        return 0;
    tops[0] = root;
    for (uint32_t child = tree_node(part, root)->child; child != TREE_NONE; child = tree_node(part, child)->sibling)
        if (tree_node(part, child)->host && count < model_in(view)->hosts.count + 2 && !is_empty(part, child))
            tops[count++] = child;
    if (view->by_host && model_several_hosts(model_in(view))) {
        qsort_r(tops + 1, count - 1, sizeof *tops, compare_names, part);
        for (uint32_t i = 1; i < count; i++)
            add_host(view, tops[i]);
        count = 1;
    }
    add_children(view, tops, count, 0);
    free(tops);
    return view->count;
}

static void *row_at(void *context, size_t index)
{
    return &((struct tree_view *)context)->visible[index];
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return ((const struct tree_row *)row)->node;
}

static unsigned depth_of(void *context, const void *row)
{
    (void)context;
    return ((const struct tree_row *)row)->depth;
}

/* ---- columns ---- */

#define TREE_COLUMNS(X) \
    X(name, "span", -24, 0, 0, text, "name of the span, below that of its parent; + where more is below") \
    X(share, "share", 6, 1, 0, percent, "total, of the time of all spans") \
    X(total, "total", 7, 1, 0, duration, "sum of durations") \
    X(self, "self", 7, 1, 0, duration, "the same without what children took that ended before it did") \
    X(self_share, "self%", 6, 1, 0, percent, "own time, of the time of all spans") \
    X(count, "count", 7, 1, 0, count, "begun and ended") \
    X(mean, "mean", 7, 1, 0, duration, "total by count") \
    X(max, "max", 7, 1, 0, duration, "the longest") \
    X(open, "open", 6, 1, 0, count, "in flight") \
    X(abandoned, "abandoned", 9, 1, 1, count, "open when their process ended")

enum {
#define X(name, title, width, right, hidden, kind, text) COLUMN_##name,
    TREE_COLUMNS(X)
#undef X
};
static const struct column columns[] = {
#define X(name, title, width, right, hidden, kind, text) {#name, title, text, width, right, hidden, 0, VALUE_##kind},
    TREE_COLUMNS(X)
#undef X
        {.name = NULL},
};

static void name_value(const struct tree_view *view, const struct tree_row *row, struct value *value)
{
    const bool more = row->sums.child != TREE_NONE && !expanded(view, row);
    value->kind = VALUE_text;
    value->style = row->sums.host ? STYLE_title : STYLE_plain;
    snprintf(value->text, sizeof value->text, "%s%s", more ? "+ " : "", tree_name(part_of(view), row->node));
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    const struct tree_view *const view = context;
    const struct tree_node *const node = &((const struct tree_row *)row)->sums;
    const double all = (double)tree_sums(part_of(view)).self_ns;
    switch (column) {
    case COLUMN_name:
        name_value(view, row, value);
        break;
    case COLUMN_share:
    case COLUMN_self_share:
        if (all > 0)
            value_put(value, VALUE_percent,
                      100.0 * (double)(column == COLUMN_share ? node->total_ns : node->self_ns) / all);
        break;
    case COLUMN_total:
        value_count(value, VALUE_duration, node->total_ns);
        break;
    case COLUMN_self:
        value_count(value, VALUE_duration, node->self_ns);
        break;
    case COLUMN_max:
        value_count(value, VALUE_duration, node->max_ns);
        break;
    case COLUMN_mean:
        if (node->count > 0)
            value_put(value, VALUE_duration, (double)node->total_ns / (double)node->count);
        break;
    default:
        value_count(value, VALUE_count,
                    column == COLUMN_count  ? node->count
                    : column == COLUMN_open ? node->open
                                            : node->abandoned);
    }
}

static bool silent(void *context, const void *row)
{
    (void)context;
    const struct tree_node *const node = &((const struct tree_row *)row)->sums;
    return node->count + node->open == 0;
}

static const struct table_ops tree_table = {.name = "tree",
                                            .columns = columns,
                                            .rows = rows,
                                            .row = row_at,
                                            .id = id_of,
                                            .value = value_of,
                                            .silent = silent,
                                            .depth = depth_of};

/* ---- the view ---- */

static int tree_open(struct view *view)
{
    struct tree_view *const of = (struct tree_view *)view;
    return table_new(&of->base.table, &tree_table, of, view->top->config);
}

static void tree_close(struct view *view)
{
    struct tree_view *const of = (struct tree_view *)view;
    table_view_close(view);
    free(of->visible);
    free(of->turned);
}

static void tree_changed(struct view *view)
{
    ((struct tree_view *)view)->turned_count = 0;
    table_view_changed(view);
}

static void tree_draw(struct view *view, struct area area)
{
    struct tree_view *const of = (struct tree_view *)view;
    table_view_draw(&of->base, area);
    if (of->count == 0 && area.rows > 3)
        area_text(area, 2, 1, -1, STYLE_dim, "no span so far");
}

static bool turn(struct tree_view *view, uint32_t node)
{
    if (node >= view->turned_count) {
        const uint32_t count = tree_nodes(part_of(view));
        uint8_t *const turned = realloc(view->turned, count);
        if (!turned)
            return false;
        memset(turned + view->turned_count, 0, count - view->turned_count);
        view->turned = turned;
        view->turned_count = count;
    }
    view->turned[node] ^= 1;
    table_update(view->base.table);
    return true;
}

/* Opens or closes the selected branch; closing a closed one goes to its parent. */
static bool branch_action(struct tree_view *view, bool open)
{
    const struct tree_row *row = table_view_selected(&view->base);
    if (!row)
        return false;
    if (row->sums.child != TREE_NONE && expanded(view, row) != open)
        return turn(view, row->node);
    if (open || row->depth == 0)
        return false;
    for (const unsigned depth = row->depth; row > view->visible && row->depth >= depth;)
        row--;
    table_select(view->base.table, row->node);
    return true;
}

static bool enter(struct tree_view *view)
{
    const struct tree_row *const row = table_view_selected(&view->base);
    if (row && row->sums.host)
        return turn(view, row->node);
    if (row && tree_node(part_of(view), row->node)->name < TREE_NONE - 1)
        top_open_view(view->base.view.top, &span_detail, 0, tree_name(part_of(view), row->node));
    return true;
}

static bool tree_action(struct view *view, enum action action)
{
    struct tree_view *const of = (struct tree_view *)view;
    switch (action) {
    case ACTION_enter:
        return enter(of);
    case ACTION_expand:
    case ACTION_collapse:
        branch_action(of, action == ACTION_expand);
        return true;
    case ACTION_tree:
        of->by_host = !of->by_host;
        table_update(of->base.table);
        if (!model_several_hosts(model_in(of)) || model_in(of)->hosts.count < 2)
            top_say(view->top, "there is one host only");
        return true;
    case ACTION_right:
    case ACTION_left:
        return branch_action(of, action == ACTION_right) || table_action(of->base.table, action);
    case ACTION_sort_next:
    case ACTION_sort_previous:
        of->order = (of->order + (action == ACTION_sort_next ? 1 : ORDERS - 1)) % ORDERS;
        table_update(of->base.table);
        return true;
    default:
        return table_action(of->base.table, action);
    }
}

static size_t tree_status(struct view *view, char *buffer, size_t size)
{
    static const char *const orders[] = {"total", "self", "count", "mean", "name"};
    const struct tree_view *const of = (const struct tree_view *)view;
    const struct tree_sums sums = tree_sums(part_of(of));
    size_t used = table_view_status(view, buffer, size);
    if (used < size)
        used += (size_t)snprintf(buffer + used, size - used, ", by %s%s", orders[of->order],
                                 of->by_host && model_several_hosts(model_in(of)) ? ", by host" : "");
    if (sums.orphans > 0 && used < size)
        used += (size_t)snprintf(buffer + used, size - used, ", %llu whose parent is not known",
                                 (unsigned long long)sums.orphans);
    if (sums.no_path > 0 && used < size)
        used += (size_t)snprintf(buffer + used, size - used, ", %llu in paths without room",
                                 (unsigned long long)sums.no_path);
    return used;
}

/* "request > query > lock" */
static size_t tree_copy(struct view *view, char *buffer, size_t size)
{
    const struct tree_view *const of = (const struct tree_view *)view;
    const struct tree_row *const row = table_view_selected((struct table_view *)view);
    uint32_t path[TREE_DEPTH_MAX + 3];
    size_t depth = 0, used = 0;
    for (uint32_t node = row ? row->node : TREE_ROOT; node != TREE_ROOT && depth < sizeof path / sizeof *path;
         node = tree_node(part_of(of), node)->parent)
        if (row->sums.host || !tree_node(part_of(of), node)->host)
            path[depth++] = node;
    while (depth-- > 0 && used < size)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? " > " : "",
                                 tree_name(part_of(of), path[depth]));
    return used < size ? used : size;
}

static int tree_json(struct view *view, struct output *out)
{
    struct tree_view *const of = (struct tree_view *)view;
    const struct tree_sums sums = tree_sums(part_of(of));
    output_text(out, "{\"rows\":");
    table_json(of->base.table, out);
    return output_print(out,
                        ",\"roots_ns\":%llu,\"self_ns\":%llu,\"beyond_ns\":%llu,\"orphans\":%llu,\"unmatched\":%llu,"
                        "\"forgotten\":%llu,\"no_path\":%llu,\"left_out\":%llu}",
                        (unsigned long long)sums.roots_ns, (unsigned long long)sums.self_ns,
                        (unsigned long long)sums.beyond_ns, (unsigned long long)sums.orphans,
                        (unsigned long long)sums.unmatched, (unsigned long long)sums.forgotten,
                        (unsigned long long)sums.no_path, (unsigned long long)(part_of(of)->left_out + of->left_out));
}

const struct view_ops tree_view = {
    .name = "tree",
    .title = "Tree",
    .key = 'R',
    .text = "Spans within spans, by path of names: where the time goes. + and - (or right and left) open and close a "
            "branch, < and > "
            "change the order, t shows them below their hosts, Enter shows the span. A span's own time is what its "
            "children leave; those whose parent "
            "is not open "
            "are roots, and children that outlive their parent take nothing from it.",
    .bytes = sizeof(struct tree_view),
    .open = tree_open,
    .close = tree_close,
    .model_changed = tree_changed,
    .draw = tree_draw,
    .action = tree_action,
    .click = table_view_click,
    .search = table_view_search,
    .status = tree_status,
    .copy = tree_copy,
    .json = tree_json,
};
