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

struct tree_view {
    struct table_view base; /* first */
    uint32_t *visible;      /* nodes, in tree order */
    size_t count, room;
    uint8_t *turned; /* by node: opened or closed by hand */
    uint32_t turned_count;
    enum order order;
    uint64_t left_out; /* rows that are not shown */
};

static struct part *part_of(const void *context)
{
    return model_part(top_model(((const struct tree_view *)context)->base.view.top), PART_tree);
}

/* ---- rows ---- */

static bool expanded(const struct tree_view *view, uint32_t node)
{
    const bool turned = node < view->turned_count && view->turned[node];
    return (tree_node(part_of(view), node)->depth < EXPANDED_DEPTH) != turned;
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

static int compare(const void *a, const void *b, void *context)
{
    const struct tree_view *const view = context;
    const struct part *const part = part_of(view);
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const double left = order_of(tree_node(part, x), view->order), right = order_of(tree_node(part, y), view->order);
    if (view->order != ORDER_name && left != right)
        return left < right ? 1 : -1;
    const int names = strcmp(tree_name(part, x), tree_name(part, y));
    return names ? names : (x > y) - (x < y);
}

static bool push(struct tree_view *view, uint32_t node)
{
    if (view->count == VISIBLE_MAX) {
        view->left_out++;
        return false;
    }
    if (view->count == view->room) {
        const size_t room = view->room * 2 + 64;
        uint32_t *const visible = realloc(view->visible, room * sizeof *visible);
        if (!visible)
            return false;
        view->visible = visible;
        view->room = room;
    }
    view->visible[view->count++] = node;
    return true;
}

/* Whether anything is known of it or below it; at most TREE_DEPTH_MAX levels. */
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

/* The children of a node take the places behind it; those behind them are then theirs. Depth is bounded by the model. */
static void add_children(struct tree_view *view, uint32_t number)
{
    const struct part *const part = part_of(view);
    uint32_t *children = NULL;
    size_t count = 0;
    for (uint32_t child = tree_node(part, number)->child; child != TREE_NONE; child = tree_node(part, child)->sibling)
        count += !is_empty(part, child);
    if (count == 0 || !(children = malloc(count * sizeof *children)))
        return;
    count = 0;
    for (uint32_t child = tree_node(part, number)->child; child != TREE_NONE; child = tree_node(part, child)->sibling)
        if (!is_empty(part, child))
            children[count++] = child;
    qsort_r(children, count, sizeof *children, compare, view);
    for (size_t i = 0; i < count; i++)
        if (push(view, children[i]) && expanded(view, children[i]))
            add_children(view, children[i]);
    free(children);
}

static size_t rows(void *context)
{
    struct tree_view *const view = context;
    view->count = 0;
    view->left_out = 0;
    add_children(view, TREE_ROOT);
    return view->count;
}

static void *row_at(void *context, size_t index)
{
    return &((struct tree_view *)context)->visible[index];
}

static uint32_t node_of(const void *row)
{
    return *(const uint32_t *)row;
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return node_of(row);
}

static unsigned depth_of(void *context, const void *row)
{
    const unsigned depth = tree_node(part_of(context), node_of(row))->depth;
    return depth ? depth - 1 : 0;
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

static void name_value(const struct tree_view *view, uint32_t number, struct value *value)
{
    const struct tree_node *const node = tree_node(part_of(view), number);
    const bool more = node->child != TREE_NONE && !expanded(view, number);
    value->kind = VALUE_text;
    snprintf(value->text, sizeof value->text, "%s%s", more ? "+ " : "", tree_name(part_of(view), number));
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    const struct tree_view *const view = context;
    const struct tree_node *const node = tree_node(part_of(view), node_of(row));
    const double all = (double)tree_sums(part_of(view)).self_ns;
    switch (column) {
    case COLUMN_name:
        name_value(view, node_of(row), value);
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
    const struct tree_node *const node = tree_node(part_of(context), node_of(row));
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
    const uint32_t *const row = table_view_selected(&view->base);
    if (!row)
        return false;
    const struct tree_node *const node = tree_node(part_of(view), *row);
    if (node->child != TREE_NONE && expanded(view, *row) != open)
        return turn(view, *row);
    if (open || node->parent == TREE_ROOT)
        return false;
    table_select(view->base.table, node->parent);
    return true;
}

static bool enter(struct tree_view *view)
{
    const uint32_t *const row = table_view_selected(&view->base);
    if (row && tree_node(part_of(view), *row)->name < TREE_NONE - 1)
        top_open_view(view->base.view.top, &span_detail, 0, tree_name(part_of(view), *row));
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
        used += (size_t)snprintf(buffer + used, size - used, ", by %s", orders[of->order]);
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
    const uint32_t *const row = table_view_selected((struct table_view *)view);
    uint32_t path[TREE_DEPTH_MAX + 2];
    size_t depth = 0, used = 0;
    for (uint32_t node = row ? *row : TREE_ROOT; node != TREE_ROOT && depth < sizeof path / sizeof *path;
         node = tree_node(part_of(of), node)->parent)
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
            "change the order, Enter shows the span. A span's own time is what its children leave; those whose parent "
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
