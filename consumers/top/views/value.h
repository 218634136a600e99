/* SPDX-License-Identifier: ISC
 *
 * What the table needs of a value besides its text: its place in an order, and its JSON.
 */
#ifndef EVTRAIL_TOP_VALUE_H
#define EVTRAIL_TOP_VALUE_H

#include "table.h"

/* Not there, or not a number: "-", null, last in any order. */
bool value_absent(const struct value *value);
/* What it is sorted by, but for VALUE_text. */
double value_order(const struct value *value);
void value_set_text(struct value *value, const char *text);
/* A count, bytes, ns: exact. */
void value_set(struct value *value, enum value_kind kind, uint64_t number);
int value_json(const struct value *value, struct output *out);

#endif /* EVTRAIL_TOP_VALUE_H */
