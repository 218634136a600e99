/* SPDX-License-Identifier: ISC
 *
 * The one line that says what went wrong, where, and what to do about it.
 */
#ifndef EVTRAIL_READER_FAULT_H
#define EVTRAIL_READER_FAULT_H

#include <stdarg.h>
#include <stdio.h>

#define EVTRAIL_FAULT_BYTES 640

struct evtrail_fault {
    char text[EVTRAIL_FAULT_BYTES];
};

/* Sets the line and returns `code`, so that it ends a function in one statement. `fault` may be NULL. */
__attribute__((format(printf, 3, 4))) static inline int evtrail_fault_set(struct evtrail_fault *fault, int code,
                                                                          const char *format, ...)
{
    if (fault) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(fault->text, sizeof(fault->text), format, arguments);
        va_end(arguments);
    }
    return code;
}

#endif /* EVTRAIL_READER_FAULT_H */
