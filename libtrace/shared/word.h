/* SPDX-License-Identifier: ISC
 *
 * Words of rules and settings, which do not end in NUL.
 */
#ifndef EVTRAIL_WORD_H
#define EVTRAIL_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool is_word(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

#endif
