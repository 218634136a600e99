/* SPDX-License-Identifier: ISC
 *
 * What an error stack consists of.
 */
#ifndef EVPOOL_ERROR_INTERNAL_H
#define EVPOOL_ERROR_INTERNAL_H

#include "error_builder.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { ERROR_LINES = 16, ERROR_ATTEMPTS = 16 };

struct evpool_error {
    _Atomic unsigned refs;
    bool fixed; /* static: not counted */
    size_t lines_count, attempts_count;
    struct evpool_error_line lines[ERROR_LINES];
    struct evpool_error_attempt attempts[ERROR_ATTEMPTS]; /* a ring: the newest is at (attempts_count - 1) % ERROR_ATTEMPTS */
};

#endif /* EVPOOL_ERROR_INTERNAL_H */
