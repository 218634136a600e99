/* SPDX-License-Identifier: ISC
 *
 * Making error stacks (<evpool/error.h>). A builder never fails: without memory it hands out a static error that says so.
 */
#ifndef EVPOOL_ERROR_BUILDER_H
#define EVPOOL_ERROR_BUILDER_H

#include <evpool/error.h>

/* A new error whose only line is this one; or, if `cause` is given, `cause` (taken over) with one more line on top. */
struct evpool_error *error_wrap(struct evpool_error *cause, enum evpool_code code, int error, uint64_t at_ns, uint64_t took_ns, const char *layer,
                                const char *format, ...) __attribute__((format(printf, 7, 8)));
/* Adds an attempt. Returns the error to use from now on (`to` NULL: a new one without lines). */
struct evpool_error *error_attempt(struct evpool_error *to, const char *address, enum evpool_code code, int error, unsigned number, uint64_t at_ns,
                                   uint64_t took_ns);
/* What an errno of connect(2) means. */
enum evpool_code error_of_connect(int error);

#endif /* EVPOOL_ERROR_BUILDER_H */
