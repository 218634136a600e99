/* SPDX-License-Identifier: ISC
 *
 * Error stacks: how they are made, shared and read. How they are written out is in error_print.c.
 */
#include "error_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const code_names[EVPOOL_CODES] = {
    "ok",
    "invalid",
    "memory",
    "descriptors",
    "resolve_none",
    "resolve_failed",
    "resolve_timeout",
    "connect_refused",
    "connect_unreachable",
    "connect_timeout",
    "connect_failed",
    "tls_failed",
    "tls_untrusted",
    "tls_name",
    "tls_timeout",
    "acquire_timeout",
    "queue_full",
    "cancelled",
    "closed",
    "peer_closed",
    "io",
    "health",
    "forked",
};

/* What is handed out when there is no memory for more: never counted, never freed. */
static struct evpool_error out_of_memory = {
    .fixed = true,
    .lines_count = 1,
    .lines = {{.code = EVPOOL_ERROR_memory, .error = ENOMEM, .layer = "error", .text = "out of memory"}},
};

const char *evpool_code_name(enum evpool_code code)
{
    return (unsigned)code < EVPOOL_CODES ? code_names[code] : "unknown";
}

/* ---- making ---- */

static struct evpool_error *error_new(void)
{
    struct evpool_error *error = calloc(1, sizeof(*error));
    if (error)
        atomic_init(&error->refs, 1);
    return error;
}

static void error_destroy(struct evpool_error *error)
{
    for (size_t i = 0; i < error->lines_count; i++)
        free((char *)error->lines[i].text);
    for (size_t i = 0; i < ERROR_ATTEMPTS; i++)
        free((char *)error->attempts[i].address);
    free(error);
}

/* All of `from`, or as many as memory allows: NULL if it does not allow for all. */
static struct evpool_error *error_copy(const struct evpool_error *from)
{
    struct evpool_error *copy = error_new();
    if (!copy)
        return NULL;
    for (; copy->lines_count < from->lines_count; copy->lines_count++) {
        struct evpool_error_line *line = &copy->lines[copy->lines_count];
        *line = from->lines[copy->lines_count];
        line->text = strdup(line->text);
        if (!line->text)
            goto failed;
    }
    for (size_t i = 0; i < ERROR_ATTEMPTS && from->attempts[i].address; i++) {
        copy->attempts[i] = from->attempts[i];
        copy->attempts[i].address = strdup(from->attempts[i].address);
        if (!copy->attempts[i].address)
            goto failed;
    }
    copy->attempts_count = from->attempts_count;
    return copy;
failed:
    error_destroy(copy);
    return NULL;
}

/* The same error, safe to change: itself if nobody else holds it, else a copy. NULL: no memory, `error` is as it was. */
static struct evpool_error *error_own(struct evpool_error *error)
{
    if (!error)
        return error_new();
    /* E3 (acquire load): pairs with E2 of the holders who let go: what they read of it they have read before we change it. */
    if (!error->fixed && atomic_load_explicit(&error->refs, memory_order_acquire) == 1)
        return error;
    struct evpool_error *copy = error_copy(error);
    if (copy)
        evpool_error_free(error);
    return copy;
}

/* A story that cannot be continued for want of memory is better told as far as it goes; one without a line says nothing. */
static struct evpool_error *error_as_it_is(struct evpool_error *error)
{
    if (error && error->lines_count)
        return error;
    evpool_error_free(error);
    return &out_of_memory;
}

static void line_add(struct evpool_error *error, const struct evpool_error_line *line)
{
    if (error->lines_count < ERROR_LINES) {
        error->lines[error->lines_count++] = *line;
        return;
    }
    /* Full: the cause stays, and of what lies above it the oldest goes. */
    free((char *)error->lines[1].text);
    memmove(&error->lines[1], &error->lines[2], (ERROR_LINES - 2) * sizeof(*line));
    error->lines[ERROR_LINES - 1] = *line;
}

struct evpool_error *error_wrap(struct evpool_error *cause, enum evpool_code code, int error, uint64_t at_ns,
                                uint64_t took_ns, const char *layer, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    const int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return error_as_it_is(cause);
    struct evpool_error *own = error_own(cause);
    if (!own) {
        free(text);
        return error_as_it_is(cause);
    }
    line_add(own, &(struct evpool_error_line){code, error, at_ns, took_ns, layer, text});
    return own;
}

struct evpool_error *error_attempt(struct evpool_error *to, const char *address, enum evpool_code code, int error,
                                   unsigned number, uint64_t at_ns, uint64_t took_ns)
{
    char *copy = strdup(address);
    struct evpool_error *own = copy ? error_own(to) : NULL;
    if (!own) {
        free(copy);
        return to ? to : &out_of_memory;
    }
    struct evpool_error_attempt *attempt = &own->attempts[own->attempts_count++ % ERROR_ATTEMPTS];
    free((char *)attempt->address);
    *attempt = (struct evpool_error_attempt){copy, code, error, number, at_ns, took_ns};
    return own;
}

struct evpool_error *error_restart(struct evpool_error *error)
{
    struct evpool_error *own = error ? error_own(error) : NULL;
    if (!own)
        return error;
    for (size_t i = 0; i < own->lines_count; i++)
        free((char *)own->lines[i].text);
    own->lines_count = 0;
    return own;
}

enum evpool_code error_of_connect(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return EVPOOL_OK;
    case ECONNREFUSED:
        return EVPOOL_ERROR_connect_refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EAFNOSUPPORT:
        return EVPOOL_ERROR_connect_unreachable;
    case ETIMEDOUT:
        return EVPOOL_ERROR_connect_timeout;
    case EMFILE:
    case ENFILE:
        return EVPOOL_ERROR_descriptors;
    case ENOMEM:
    case ENOBUFS:
        return EVPOOL_ERROR_memory;
    case ESHUTDOWN: /* the loop ends */
    case ECANCELED:
        return EVPOOL_ERROR_cancelled;
    default:
        return EVPOOL_ERROR_connect_failed;
    }
}

/* ---- sharing ---- */

struct evpool_error *evpool_error_ref(struct evpool_error *error)
{
    /* E1 (relaxed): who takes a reference holds one, so the error cannot go meanwhile; nothing is published by it. */
    if (error && !error->fixed)
        atomic_fetch_add_explicit(&error->refs, 1, memory_order_relaxed);
    return error;
}

void evpool_error_free(struct evpool_error *error)
{
    if (!error || error->fixed)
        return;
    /* E2 (acquire and release): release, so that our reads come before another holder's free or change (E3); acquire, so
     * that as the last holder we free after the reads of all others. Without it they read freed memory. */
    if (atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) == 1)
        error_destroy(error);
}

/* ---- reading ---- */

enum evpool_code evpool_error_code(const struct evpool_error *error)
{
    if (!error)
        return EVPOOL_OK;
    if (error->lines_count)
        return error->lines[0].code;
    const size_t attempts = evpool_error_attempts(error);
    return attempts ? error->attempts[(attempts - 1) % ERROR_ATTEMPTS].code : EVPOOL_OK;
}

int evpool_error_errno(const struct evpool_error *error)
{
    for (size_t i = 0; error && i < error->lines_count; i++)
        if (error->lines[i].error)
            return error->lines[i].error;
    return 0;
}

size_t evpool_error_lines(const struct evpool_error *error)
{
    return error ? error->lines_count : 0;
}

const struct evpool_error_line *evpool_error_line(const struct evpool_error *error, size_t index)
{
    return error && index < error->lines_count ? &error->lines[index] : NULL;
}

size_t evpool_error_attempts(const struct evpool_error *error)
{
    return error ? error->attempts_count : 0;
}

const struct evpool_error_attempt *evpool_error_attempt(const struct evpool_error *error, size_t index)
{
    const size_t made = evpool_error_attempts(error);
    const size_t kept = made < ERROR_ATTEMPTS ? made : ERROR_ATTEMPTS;
    return index < kept ? &error->attempts[(made - kept + index) % ERROR_ATTEMPTS] : NULL;
}
