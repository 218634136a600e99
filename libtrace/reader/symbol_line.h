/* SPDX-License-Identifier: ISC
 *
 * Source lines of code addresses, by running addr2line where it is installed.
 */
#ifndef EVTRAIL_READER_SYMBOL_LINE_H
#define EVTRAIL_READER_SYMBOL_LINE_H

#include "reader/text.h"

/* Appends " (file.c:12)" if it can be found. Not thread-safe. */
void evtrail_symbol_put_line(struct evtrail_text *text, const char *path, uint64_t address);

#endif /* EVTRAIL_READER_SYMBOL_LINE_H */
