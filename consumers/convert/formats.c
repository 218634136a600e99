/* SPDX-License-Identifier: ISC
 *
 * The table of formats, and values by name or by a file's suffix.
 */
#include "convert.h"

const struct convert_format *const convert_formats[] = {
#define X(name) &format_##name,
    CONVERT_FORMATS(X)
#undef X
        NULL,
};

const struct convert_format *convert_format_named(const char *name)
{
    for (size_t i = 0; convert_formats[i]; i++)
        if (strcmp(convert_formats[i]->name, name) == 0)
            return convert_formats[i];
    return NULL;
}

const struct convert_format *convert_format_of(const char *path)
{
    const char *const dot = strrchr(path, '.');
    const size_t length = dot ? strlen(dot) : 0;
    if (length < 2 || strchr(dot, ' ') || strchr(dot, '/'))
        return NULL;
    for (size_t i = 0; convert_formats[i]; i++)
        for (const char *at = convert_formats[i]->suffixes; (at = strstr(at, dot)) != NULL; at += length)
            if (at[length] == ' ')
                return convert_formats[i];
    return NULL;
}
