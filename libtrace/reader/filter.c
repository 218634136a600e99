/* SPDX-License-Identifier: ISC
 *
 * Evaluates filter expressions: for an event, and for what is not yet known of one (may it match?).
 */
#include "reader/filter.h"

#include <evtrail/format.h>

#include "layout.h"
#include "shared/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing ---- */

static bool by_order(unsigned comparison, int order)
{
    switch (comparison) {
    case EVTRAIL_IS_EQUAL:
        return order == 0;
    case EVTRAIL_IS_NOT_EQUAL:
        return order != 0;
    case EVTRAIL_IS_LESS:
        return order < 0;
    case EVTRAIL_IS_LESS_OR_EQUAL:
        return order <= 0;
    case EVTRAIL_IS_GREATER:
        return order > 0;
    case EVTRAIL_IS_GREATER_OR_EQUAL:
        return order >= 0;
    default:
        return false;
    }
}

static bool compare_real(const struct evtrail_filter_node *node, double value)
{
    if (isnan(value))
        return node->comparison == EVTRAIL_IS_NOT_EQUAL;
    return node->is_number && by_order(node->comparison, (value > node->real) - (value < node->real));
}

static bool compare_signed(const struct evtrail_filter_node *node, int64_t value)
{
    if (node->is_fraction)
        return compare_real(node, (double)value);
    if (!node->is_negative && node->integer < 0) /* beyond INT64_MAX */
        return node->is_number && by_order(node->comparison, -1);
    return node->is_number && by_order(node->comparison, (value > node->integer) - (value < node->integer));
}

static bool compare_unsigned(const struct evtrail_filter_node *node, uint64_t value)
{
    if (node->is_fraction)
        return compare_real(node, (double)value);
    if (node->is_negative)
        return node->is_number && by_order(node->comparison, 1);
    const uint64_t wanted = (uint64_t)node->integer;
    return node->is_number && by_order(node->comparison, (value > wanted) - (value < wanted));
}

/* '*' is any text, '?' one byte. Time: O(pattern x text), no recursion. */
static bool glob(const char *pattern, const char *text, size_t bytes)
{
    const char *star = NULL, *resume = NULL, *end = text + bytes;
    while (text < end) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool compare_text(const struct evtrail_filter_node *node, const char *text, size_t bytes)
{
    const size_t length = strlen(node->text);
    if (node->comparison < EVTRAIL_IS_LIKE) {
        const int order = memcmp(text, node->text, bytes < length ? bytes : length);
        return by_order(node->comparison, order ? order : (bytes > length) - (bytes < length));
    }
    const bool like =
        strpbrk(node->text, "*?") ? glob(node->text, text, bytes) : memmem(text, bytes, node->text, length) != NULL;
    return like == (node->comparison == EVTRAIL_IS_LIKE);
}

static bool compare_string(const struct evtrail_filter_node *node, const char *text)
{
    return compare_text(node, text, strlen(text));
}

/* ---- operands ---- */

static bool compare_enum(const struct evtrail_filter_node *node, const struct evtrail_field *field, int64_t value)
{
    int64_t wanted;
    if (node->is_number)
        return compare_signed(node, value);
    size_t bytes = 0;
    const char *name = evtrail_enum_name(field->enums, value, &bytes);
    if (node->comparison >= EVTRAIL_IS_LIKE || node->comparison <= EVTRAIL_IS_NOT_EQUAL)
        return compare_text(node, name ? name : "", name ? bytes : 0);
    return evtrail_enum_value(field->enums, node->text, strlen(node->text), &wanted) == 0 &&
           by_order(node->comparison, (value > wanted) - (value < wanted));
}

/* The place of the field that the node names, by its name or by its role; < 0: the type has none. */
static int find_field(const struct evtrail_filter_node *node, const struct evtrail_event_type *type)
{
    if (!node->role)
        return evtrail_event_type_field(type, node->name);
    for (unsigned i = 0; i < type->fields_count; i++)
        if (type->fields[i].role == node->role)
            return (int)i;
    return -1;
}

/* An event, and what is known of its type: plan[node], or plan is NULL. */
struct subject {
    const struct evtrail_filter *filter;
    const struct evtrail_event *event;
    const int16_t *plan;
};

static int planned(const struct subject *subject, const struct evtrail_filter_node *node)
{
    return subject->plan[node - subject->filter->nodes];
}

/* Its place, or < 0 if the event does not have it. */
static int field_value(const struct evtrail_filter_node *node, const struct subject *subject,
                       struct evtrail_value *ret_value)
{
    const struct evtrail_event *event = subject->event;
    const int index = !event->type ? -1 : subject->plan ? planned(subject, node) : find_field(node, event->type);
    if (index < 0 || evtrail_event_value(event, (unsigned)index, ret_value) < 0)
        return -1;
    return ret_value->cut && ret_value->bytes == 0 ? -1 : index;
}

static bool compare_memory(const struct evtrail_filter_node *node, const struct evtrail_value *value)
{
    if (node->is_null && node->comparison <= EVTRAIL_IS_NOT_EQUAL)
        return value->null == (node->comparison == EVTRAIL_IS_EQUAL);
    if (value->null)
        return node->comparison == EVTRAIL_IS_NOT_EQUAL || node->comparison == EVTRAIL_IS_NOT_LIKE;
    return compare_text(node, value->data, value->bytes);
}

static bool compare_field(const struct evtrail_filter_node *node, const struct subject *subject)
{
    const struct evtrail_event *event = subject->event;
    struct evtrail_value value;
    const int index = field_value(node, subject, &value);
    if (index < 0)
        return false;
    const bool memory = value.type == EVTRAIL_TYPE_string || value.type == EVTRAIL_TYPE_bytes;
    if (node->is_null && !memory && value.type != EVTRAIL_TYPE_enum) /* an enum value may have that name */
        return node->comparison == EVTRAIL_IS_NOT_EQUAL;
    switch (value.type) {
    case EVTRAIL_TYPE_string:
    case EVTRAIL_TYPE_bytes:
        return compare_memory(node, &value);
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        return compare_real(node, value.f);
    case EVTRAIL_TYPE_enum:
        return compare_enum(node, &event->type->fields[index], value.i);
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        return compare_signed(node, value.i);
    default:
        return compare_unsigned(node, value.u);
    }
}

static const char *label_value(const struct evtrail_filter_node *node, const struct evtrail_event *event)
{
    for (unsigned i = 0; event->labels && i < EVTRAIL_LABELS_MAX; i++)
        if (!strcmp(event->labels[i].key, node->name) && event->labels[i].key[0])
            return event->labels[i].value;
    return NULL;
}

static bool compare_label(const struct evtrail_filter_node *node, const struct evtrail_event *event)
{
    const char *value = label_value(node, event);
    return value && compare_string(node, value);
}

static bool has(const struct evtrail_filter_node *node, const struct subject *subject)
{
    const struct evtrail_event *event = subject->event;
    struct evtrail_value value;
    switch (node->operand) {
    case EVTRAIL_OPERAND_FIELD:
        return field_value(node, subject, &value) >= 0;
    case EVTRAIL_OPERAND_LABEL:
        return label_value(node, event) != NULL;
    case EVTRAIL_OPERAND_DUR:
        return event->duration >= 0;
    case EVTRAIL_OPERAND_CPU:
        return event->meta & EVTRAIL_META_CPU;
    default:
        return true;
    }
}

/* Later levels are less severe: `level <= warning` is warnings and worse. */
static bool test_type(const struct evtrail_filter_node *node, const struct evtrail_event_type *type)
{
    switch (node->operand) {
    case EVTRAIL_OPERAND_LEVEL:
        return compare_unsigned(node, type->level);
    case EVTRAIL_OPERAND_KIND:
        return compare_string(node, evtrail_kind_name(type->kind));
    default: /* EVTRAIL_OPERAND_NAME */
        return compare_string(node, type->name);
    }
}

static bool test(const struct evtrail_filter_node *node, const struct subject *subject)
{
    const struct evtrail_event *event = subject->event;
    switch (node->operand) {
    case EVTRAIL_OPERAND_FIELD:
        return compare_field(node, subject);
    case EVTRAIL_OPERAND_LABEL:
        return compare_label(node, event);
    case EVTRAIL_OPERAND_LEVEL:
    case EVTRAIL_OPERAND_KIND:
    case EVTRAIL_OPERAND_NAME:
        return event->type && (subject->plan ? planned(subject, node) != 0 : test_type(node, event->type));
    case EVTRAIL_OPERAND_DUR:
        return event->duration >= 0 && compare_signed(node, event->duration);
    case EVTRAIL_OPERAND_TIME:
        return compare_signed(node, event->time);
    case EVTRAIL_OPERAND_TID:
        return compare_unsigned(node, event->tid);
    case EVTRAIL_OPERAND_THREAD:
        return node->is_number ? compare_unsigned(node, event->tid)
                               : compare_string(node, event->thread_name ? event->thread_name : "");
    case EVTRAIL_OPERAND_PID:
        return compare_unsigned(node, event->source->pid);
    case EVTRAIL_OPERAND_PROCESS:
        return node->is_number ? compare_unsigned(node, event->source->pid)
                               : compare_string(node, event->source->command);
    case EVTRAIL_OPERAND_MACHINE:
        return compare_string(node, event->source->host ? event->source->host : "");
    case EVTRAIL_OPERAND_CPU:
        return (event->meta & EVTRAIL_META_CPU) && compare_unsigned(node, event->cpu);
    case EVTRAIL_OPERAND_RING:
        return compare_unsigned(node, event->ring);
    default:
        return false;
    }
}

static bool match_name(const struct evtrail_filter_node *node, const struct subject *subject)
{
    const struct evtrail_event_type *type = subject->event->type;
    return subject->plan ? planned(subject, node) != 0 : evtrail_pattern_match(node->name, type ? type->name : "");
}

static bool match(const struct subject *subject, uint16_t number)
{
    const struct evtrail_filter_node *node = &subject->filter->nodes[number];
    switch (node->kind) {
    case EVTRAIL_FILTER_AND:
        return match(subject, node->left) && match(subject, node->right);
    case EVTRAIL_FILTER_OR:
        return match(subject, node->left) || match(subject, node->right);
    case EVTRAIL_FILTER_NOT:
        return !match(subject, node->left);
    case EVTRAIL_FILTER_NAME:
        return match_name(node, subject);
    case EVTRAIL_FILTER_HAS:
        return has(node, subject);
    default:
        return test(node, subject);
    }
}

bool evtrail_filter_match_by(const struct evtrail_filter *filter, const int16_t *plan,
                             const struct evtrail_event *event)
{
    const struct subject subject = {filter, event, plan};
    return match(&subject, filter->root);
}

bool evtrail_filter_match(const struct evtrail_filter *filter, const struct evtrail_event *event)
{
    return evtrail_filter_match_by(filter, NULL, event);
}

static int16_t plan_node(const struct evtrail_filter_node *node, const struct evtrail_event_type *type)
{
    if (node->kind == EVTRAIL_FILTER_NAME)
        return evtrail_pattern_match(node->name, type->name);
    if (node->kind != EVTRAIL_FILTER_TEST && node->kind != EVTRAIL_FILTER_HAS)
        return 0;
    switch (node->operand) {
    case EVTRAIL_OPERAND_FIELD:
        return (int16_t)find_field(node, type); /* a type has at most 32 */
    case EVTRAIL_OPERAND_LEVEL:
    case EVTRAIL_OPERAND_KIND:
    case EVTRAIL_OPERAND_NAME:
        return node->kind == EVTRAIL_FILTER_HAS || test_type(node, type);
    default:
        return 0;
    }
}

int16_t *evtrail_filter_plan(const struct evtrail_filter *filter, const struct evtrail_event_type *type)
{
    int16_t *plan = malloc(filter->count * sizeof(*plan));
    for (uint16_t i = 0; plan && i < filter->count; i++)
        plan[i] = plan_node(&filter->nodes[i], type);
    return plan;
}

bool evtrail_filter_needs_spans(const struct evtrail_filter *filter)
{
    return filter->uses_spans;
}

/* ---- what may match ---- */

enum { CAN_BE_TRUE = 1, CAN_BE_FALSE = 2, CAN_BE_BOTH = 3 };

struct known {
    const struct evtrail_source *source;
    const struct evtrail_event_type *type;
    uint32_t tid;
    int64_t from_ns, to_ns;
};

static unsigned sure(bool value)
{
    return value ? CAN_BE_TRUE : CAN_BE_FALSE;
}

/* A moment of a range against a bound. */
static unsigned may_time(const struct evtrail_filter_node *node, const struct known *known)
{
    if (known->from_ns == INT64_MIN || known->to_ns == INT64_MAX)
        return CAN_BE_BOTH;
    if (node->comparison == EVTRAIL_IS_EQUAL || node->comparison == EVTRAIL_IS_NOT_EQUAL)
        return CAN_BE_BOTH;
    const bool first = compare_signed(node, known->from_ns), last = compare_signed(node, known->to_ns);
    return first == last ? sure(first) : CAN_BE_BOTH;
}

static unsigned may_test(const struct evtrail_filter_node *node, const struct known *known)
{
    const struct evtrail_event_type *type = known->type;
    switch (node->operand) {
    case EVTRAIL_OPERAND_LEVEL:
        return type ? sure(compare_unsigned(node, type->level)) : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_KIND:
        return type ? sure(compare_string(node, evtrail_kind_name(type->kind))) : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_NAME:
        return type ? sure(compare_string(node, type->name)) : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_FIELD:
        return type && find_field(node, type) < 0 ? CAN_BE_FALSE : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_DUR:
        return type && type->kind != EVTRAIL_KIND_end ? CAN_BE_FALSE : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_TIME:
        return may_time(node, known);
    case EVTRAIL_OPERAND_TID:
        return known->tid ? sure(compare_unsigned(node, known->tid)) : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_PID:
        return known->source ? sure(compare_unsigned(node, known->source->pid)) : CAN_BE_BOTH;
    case EVTRAIL_OPERAND_MACHINE:
        return known->source && known->source->host ? sure(compare_string(node, known->source->host)) : CAN_BE_BOTH;
    default:
        return CAN_BE_BOTH;
    }
}

static unsigned may_have(const struct evtrail_filter_node *node, const struct known *known)
{
    bool looked_up = node->operand == EVTRAIL_OPERAND_FIELD || node->operand == EVTRAIL_OPERAND_DUR;
    return looked_up ? may_test(node, known) : CAN_BE_BOTH;
}

static unsigned may(const struct evtrail_filter *filter, uint16_t number, const struct known *known)
{
    const struct evtrail_filter_node *node = &filter->nodes[number];
    unsigned left, right;
    switch (node->kind) {
    case EVTRAIL_FILTER_AND:
        left = may(filter, node->left, known);
        right = may(filter, node->right, known);
        return (left & right & CAN_BE_TRUE) | ((left | right) & CAN_BE_FALSE);
    case EVTRAIL_FILTER_OR:
        left = may(filter, node->left, known);
        right = may(filter, node->right, known);
        return ((left | right) & CAN_BE_TRUE) | (left & right & CAN_BE_FALSE);
    case EVTRAIL_FILTER_NOT:
        left = may(filter, node->left, known);
        return (left & CAN_BE_TRUE ? CAN_BE_FALSE : 0u) | (left & CAN_BE_FALSE ? CAN_BE_TRUE : 0u);
    case EVTRAIL_FILTER_NAME:
        return known->type ? sure(evtrail_pattern_match(node->name, known->type->name)) : CAN_BE_BOTH;
    case EVTRAIL_FILTER_HAS:
        return may_have(node, known);
    default:
        return may_test(node, known);
    }
}

bool evtrail_filter_may_match(const struct evtrail_filter *filter, const struct evtrail_source *source,
                              const struct evtrail_event_type *type, uint32_t tid, int64_t from_ns, int64_t to_ns)
{
    const struct known known = {source, type, tid, from_ns, to_ns};
    return (may(filter, filter->root, &known) & CAN_BE_TRUE) != 0;
}
