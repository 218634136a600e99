/* SPDX-License-Identifier: ISC
 *
 * Lines that say what is wrong.
 */
#include "ship/net_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void net_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            *text = '?';
}

int net_say(struct net_text *ret_why, int error, const char *format, ...)
{
    if (!ret_why)
        return error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_why->text, sizeof(ret_why->text), format, arguments);
    va_end(arguments);
    net_printable(ret_why->text);
    return error;
}

const char *net_errno(int error, char *text, size_t bytes)
{
    const char *words = strerrordesc_np(error < 0 ? -error : error);
    snprintf(text, bytes, "%s", words ? words : "unknown error");
    if (isupper((unsigned char)text[0]) && !isupper((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

const char *net_end_name(enum net_end end)
{
    static const char *const names[NET_ENDS_COUNT] = {
#define X(name, text) [NET_END_##name] = #name,
        NET_ENDS(X)
#undef X
    };
    return (unsigned)end < NET_ENDS_COUNT ? names[end] : "?";
}
