/* SPDX-License-Identifier: ISC
 *
 * The allocators that fail on request.
 */
#include "memory_fault.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Weak: a program that is linked without --wrap never comes here. */
void *__real_malloc(size_t bytes) __attribute__((weak));
void *__real_calloc(size_t n, size_t bytes) __attribute__((weak));
void *__real_realloc(void *p, size_t bytes) __attribute__((weak));
char *__real_strdup(const char *string) __attribute__((weak));
char *__real_strndup(const char *string, size_t bytes) __attribute__((weak));
int __real_vasprintf(char **ret_text, const char *format, va_list args) __attribute__((weak));
#pragma GCC visibility push(default) /* the linker gives them to the sanitizers' libraries as well */
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
char *__wrap_strdup(const char *string);
char *__wrap_strndup(const char *string, size_t bytes);
int __wrap_vasprintf(char **ret_text, const char *format, va_list args);
#pragma GCC visibility pop

static _Thread_local bool on, once;
static _Thread_local unsigned left, failed;

void memory_fault_after(unsigned allowed)
{
    on = true;
    once = false;
    left = allowed;
    failed = 0;
}

void memory_fault_once_after(unsigned allowed)
{
    memory_fault_after(allowed);
    once = true;
}

unsigned memory_fault_end(void)
{
    on = false;
    return failed;
}

static bool fails(void)
{
    if (!on || (once && failed))
        return false;
    if (left) {
        left--;
        return false;
    }
    failed++;
    return true;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *p, size_t bytes)
{
    return fails() ? NULL : __real_realloc(p, bytes);
}

char *__wrap_strdup(const char *string)
{
    return fails() ? NULL : __real_strdup(string);
}

char *__wrap_strndup(const char *string, size_t bytes)
{
    return fails() ? NULL : __real_strndup(string, bytes);
}

int __wrap_vasprintf(char **ret_text, const char *format, va_list args)
{
    return fails() ? -1 : __real_vasprintf(ret_text, format, args);
}
