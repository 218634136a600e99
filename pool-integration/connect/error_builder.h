/* SPDX-License-Identifier: ISC
 *
 * Making error stacks (<evpool/error.h>). A builder never fails: without memory it hands out what it was given, or, given
 * nothing, a static error that says so. An error that others hold too is copied before it is changed.
 *
 * A printed line is the lines' texts joined, nothing more: a text that tells a time puts it in, by error_duration():
 *
 *     error_wrap(NULL, code, error, at, 0, "connect", "%s (connect)", error_text(&(struct error_errno){{0}}, error));
 *     error_wrap(cause, code, 0, at, took, "attempt", "%s, attempt %u of %u, %s", address, 3, 3, error_duration(&duration, took));
 *     error_wrap(cause, code, 0, at, took, "acquire", "after %u attempts over %s", 3, error_duration(&duration, took));
 */
#ifndef EVPOOL_ERROR_BUILDER_H
#define EVPOOL_ERROR_BUILDER_H

#include <evpool/error.h>

/* A new error whose only line is this one; or, if `cause` is given, `cause` (taken over) with one more line on top. Of more than 16
 * lines the first and the newest 15 are kept. `layer` is static. */
struct evpool_error *error_wrap(struct evpool_error *cause, enum evpool_code code, int error, uint64_t at_ns, uint64_t took_ns, const char *layer,
                                const char *format, ...) __attribute__((format(printf, 7, 8)));
/* Adds an attempt. Returns the error to use from now on (`to` NULL: a new one without lines). */
struct evpool_error *error_attempt(struct evpool_error *to, const char *address, enum evpool_code code, int error, unsigned number, uint64_t at_ns,
                                   uint64_t took_ns);
/* Another round begins: forgets the lines and keeps the attempts. NULL stays NULL. Returns the error to use from now on. */
struct evpool_error *error_restart(struct evpool_error *error);
/* What an errno of connect(2) means; its sign does not matter. */
enum evpool_code error_of_connect(int error);

/* "731 ms", "0.4 ms", "2.5 s": into `duration`, and returned. */
struct error_duration {
    char text[32];
};
const char *error_duration(struct error_duration *duration, uint64_t ns);
/* "connection refused": into `text`, and returned; the sign of `error` does not matter. */
struct error_errno {
    char text[80];
};
const char *error_text(struct error_errno *text, int error);

#endif /* EVPOOL_ERROR_BUILDER_H */
