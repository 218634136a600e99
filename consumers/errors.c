/* SPDX-License-Identifier: ISC
 *
 * Errors: one line each on stderr, and the exit code that belongs to an errno.
 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *program_part = "";

/* Controls: C0, DEL, C1 in UTF-8 (c2 80 to 9f), and what turns the text's direction around (see libtrace/reader/escape.c). The
 * first byte of such a sequence is enough: what is left is no character. */
static bool obeyed(const unsigned char *at, int left)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return true;
    if (left >= 2 && ((at[0] == 0xc2 && at[1] < 0xa0) || (at[0] == 0xd8 && at[1] == 0x9c)))
        return true;
    return left >= 3 && at[0] == 0xe2 &&
           ((at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae))) ||
            (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* One write, so that lines of several processes do not mix; control bytes of names and files do not reach the terminal. */
static void print_line(const char *where, const char *format, va_list list)
{
    char line[2048];
    int used = snprintf(line, sizeof line - 1, "evtrail%s%s: %.512s%s", *program_part ? " " : "", program_part,
                        where ? where : "", where ? ": " : "");
    if (used < 0)
        return;
    const int more = vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, list);
    used = more < 0 ? used : used + more;
    if ((size_t)used > sizeof line - 2)
        used = (int)sizeof line - 2;
    for (int i = 0; i < used; i++)
        if (obeyed((const unsigned char *)line + i, used - i))
            line[i] = '?';
    line[used] = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)used + 1);
}

int fail(enum exit_code code, const char *where, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_line(where, format, list);
    va_end(list);
    return (int)code;
}

void warn(const char *where, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_line(where, format, list);
    va_end(list);
}

enum exit_code code_of(int error)
{
    switch (-error) {
    case 0:
    case EPIPE:
        return CODE_ok;
    case ENOENT:
    case ESRCH:
    case ENOTDIR:
        return CODE_missing;
    case EACCES:
    case EPERM:
        return CODE_permission;
    case EBADMSG:
    case EPROTO:
    case EILSEQ:
    case ENOEXEC:
    case EUCLEAN:
        return CODE_damaged;
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EROFS:
    case EISDIR:
        return CODE_io;
    case EINVAL:
    case ERANGE:
        return CODE_usage;
    default:
        return CODE_system;
    }
}
