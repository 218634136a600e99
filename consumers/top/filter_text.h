/* SPDX-License-Identifier: ISC
 *
 * Filter expressions as they are typed: completed from the schema, with names for saved ones.
 */
#ifndef EVTRAIL_TOP_FILTER_TEXT_H
#define EVTRAIL_TOP_FILTER_TEXT_H

#include "top.h"

/* For struct prompt: the index-th way to complete the last word: event names, providers, fields, label keys, words of the language, values of
 * enums, levels, kinds and processes behind a comparison, @NAME of the section [filters]. */
bool filter_complete(struct top *top, void *context, const char *typed, size_t index, char *buffer, size_t size);
/* Puts what is saved in the place of each @NAME, in parentheses. Owned; NULL: *ret_error (owned) says why. */
char *filter_expand(const struct config *config, const char *text, char **ret_error);

#endif /* EVTRAIL_TOP_FILTER_TEXT_H */
