/* SPDX-License-Identifier: ISC
 *
 * Numbers as options take them: those of format.h, counts with k, M, G, and seconds without a unit.
 */
#include "cli.h"

#include <evtrail/format.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_decimal(const char *text, const char *const *units, double step, int64_t *ret_value)
{
    char *end;
    if (strspn(text, "0123456789.") == 0 || text[1] == 'x' || text[1] == 'X')
        return -EINVAL;
    double value = strtod(text, &end);
    for (; *units; units++, value *= step) {
        if (strcasecmp(end, *units) != 0)
            continue;
        if (!(value < 9e18))
            return -ERANGE;
        *ret_value = (int64_t)(value + 0.5);
        return 0;
    }
    return -EINVAL;
}

int parse_count(const char *text, int64_t *ret_count)
{
    static const char *const units[] = {"", "k", "m", "g", NULL};
    return parse_decimal(text, units, 1000, ret_count);
}

int parse_size(const char *text, int64_t *ret_bytes)
{
    uint64_t bytes;
    const int r = evtrail_parse_size(text, &bytes);
    if (r < 0 || bytes > INT64_MAX)
        return r < 0 ? r : -ERANGE;
    *ret_bytes = (int64_t)bytes;
    return 0;
}

int parse_duration(const char *text, int64_t *ret_ns)
{
    int64_t ns;
    if (strspn(text, "0123456789.") == strlen(text)) { /* seconds */
        char *end;
        const double seconds = strtod(text, &end);
        if (*end || end == text)
            return -EINVAL;
        if (!(seconds < 9e9))
            return -ERANGE;
        *ret_ns = (int64_t)(seconds * 1e9 + 0.5);
        return 0;
    }
    const int r = evtrail_parse_duration(text, &ns);
    if (r < 0 || ns < 0)
        return r < 0 ? r : -EINVAL;
    *ret_ns = ns;
    return 0;
}

int parse_moment(const char *text, int64_t now_ns, int64_t *ret_ns)
{
    return evtrail_parse_time(text, now_ns, ret_ns);
}
