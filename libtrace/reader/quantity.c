/* SPDX-License-Identifier: ISC
 *
 * Quantities that people type: sizes, durations, moments.
 */
#include <evtrail/format.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct unit {
    const char *name;
    double factor;
};

/* Digits with at most one point; *ret_end is behind them. Not strtod: that depends on the locale, and takes "inf" and "0x". */
static int parse_number(const char *text, double *ret_number, const char **ret_end)
{
    double number = 0, place = 1;
    bool point = false, any = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        any = true;
        number = number * 10 + (*text - '0');
        place *= point ? 10 : 1;
    }
    *ret_number = number / place;
    *ret_end = text;
    return any ? 0 : -EINVAL;
}

static const struct unit *find_unit(const struct unit *units, const char *text, size_t bytes)
{
    for (; units->name; units++)
        if (strlen(units->name) == bytes && !strncasecmp(units->name, text, bytes))
            return units;
    return NULL;
}

int evtrail_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {{"", 1},         {"B", 1},        {"K", 0x1p10},   {"KB", 0x1p10},
                                        {"KiB", 0x1p10}, {"M", 0x1p20},   {"MB", 0x1p20},  {"MiB", 0x1p20},
                                        {"G", 0x1p30},   {"GB", 0x1p30},  {"GiB", 0x1p30}, {"T", 0x1p40},
                                        {"TB", 0x1p40},  {"TiB", 0x1p40}, {NULL, 0}};
    double number;
    const char *end;
    if (parse_number(text, &number, &end) < 0)
        return -EINVAL;
    const struct unit *unit = find_unit(units, end, strlen(end));
    if (!unit)
        return -EINVAL;
    if (!(number * unit->factor < 0x1p63))
        return -ERANGE;
    *ret_bytes = (uint64_t)(number * unit->factor + 0.5);
    return 0;
}

int evtrail_parse_duration(const char *text, int64_t *ret_ns)
{
    static const struct unit units[] = {{"ns", 1},     {"us", 1e3},   {"ms", 1e6},    {"s", 1e9}, {"m", 6e10},
                                        {"min", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}, {NULL, 0}};
    double sum = 0;
    if (!strcmp(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    if (!*text)
        return -EINVAL;
    while (*text) {
        double number;
        const char *name;
        if (parse_number(text, &number, &name) < 0)
            return -EINVAL;
        const size_t bytes = strspn(name, "abcdefghijklmnopqrstuvwxyz");
        const struct unit *unit = find_unit(units, name, bytes);
        if (!unit)
            return -EINVAL;
        sum += number * unit->factor;
        text = name + bytes;
    }
    if (!(sum < 0x1p63))
        return -ERANGE;
    *ret_ns = (int64_t)(sum + 0.5);
    return 0;
}

/* ---- moments ---- */

/* ".25" or nothing: ns. */
static const char *parse_fraction(const char *text, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (*text != '.')
        return text;
    int64_t place = 100000000;
    for (text++; *text >= '0' && *text <= '9'; text++, place /= 10)
        *ret_ns += (*text - '0') * place;
    return text;
}

/* "Z", "+01:00", "-0330", or nothing: whether there is an offset, and its seconds. */
static int parse_offset(const char *text, bool *ret_given, int64_t *ret_seconds)
{
    *ret_given = *text != '\0';
    *ret_seconds = 0;
    if (!*text || !strcmp(text, "Z"))
        return 0;
    const size_t digits = strspn(text + 1, "0123456789:");
    if ((*text != '+' && *text != '-') || text[1 + digits] || digits < 2)
        return -EINVAL;
    const long hours = (text[1] - '0') * 10 + (text[2] - '0');
    const char *rest = text + 3 + (text[3] == ':');
    const long minutes = strlen(rest) == 2 ? (rest[0] - '0') * 10 + (rest[1] - '0') : *rest ? 99 : 0;
    if (hours > 24 || minutes > 59 || hours < 0 || minutes < 0)
        return -EINVAL;
    *ret_seconds = (hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
    return 0;
}

static int parse_calendar(const char *text, int64_t now_ns, int64_t *ret_time_ns)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
                                          "%Y-%m-%d",          "%H:%M:%S",          "%H:%M"};
    for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const time_t now = (time_t)(now_ns / 1000000000);
        struct tm parts;
        int64_t ns, offset;
        bool given;
        localtime_r(&now, &parts);
        parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
        parts.tm_isdst = -1;
        const char *rest = strptime(text, formats[i], &parts);
        if (!rest)
            continue;
        rest = parse_fraction(rest, &ns);
        if (parse_offset(rest, &given, &offset) < 0)
            continue;
        const int64_t seconds = given ? (int64_t)timegm(&parts) - offset : (int64_t)mktime(&parts);
        if (seconds < -9000000000 || seconds > 9000000000)
            return -ERANGE;
        *ret_time_ns = seconds * 1000000000 + ns;
        return 0;
    }
    return -EINVAL;
}

int evtrail_parse_time(const char *text, int64_t now_ns, int64_t *ret_time_ns)
{
    int64_t ns;
    if (!strcmp(text, "now")) {
        *ret_time_ns = now_ns;
        return 0;
    }
    if (*text == '-' || *text == '+') {
        const int result = evtrail_parse_duration(text + 1, &ns);
        if (result < 0)
            return result;
        return __builtin_add_overflow(now_ns, *text == '-' ? -ns : ns, ret_time_ns) ? -ERANGE : 0;
    }
    if (*text != '@')
        return parse_calendar(text, now_ns, ret_time_ns);
    char *end;
    errno = 0;
    const long long seconds = strtoll(text + 1, &end, 10);
    if (end == text + 1 || text[1] < '0' || text[1] > '9' || *parse_fraction(end, &ns))
        return -EINVAL;
    if (errno || seconds > 9000000000)
        return -ERANGE;
    *ret_time_ns = seconds * 1000000000 + ns;
    return 0;
}
