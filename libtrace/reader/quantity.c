/* SPDX-License-Identifier: ISC
 *
 * Quantities that people type: sizes, durations, moments.
 */
#include <evtrail/format.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* whole + part / place: exact, unlike a double. */
struct decimal {
    uint64_t whole, part, place;
};
#define PLACE_MAX UINT64_C(1000000000000000000) /* digits behind these are not looked at */

__extension__ typedef unsigned __int128 wide;

/* Digits with at most one point; *ret_end is behind them. Not strtod: that depends on the locale, and takes "inf" and "0x". */
static int parse_number(const char *text, struct decimal *ret_number, const char **ret_end)
{
    struct decimal number = {0, 0, 1};
    bool point = false, any = false, large = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        const uint64_t digit = (uint64_t)(*text - '0');
        if (*text == '.') {
            point = true;
            continue;
        }
        any = true;
        if (!point)
            large |= __builtin_mul_overflow(number.whole, 10u, &number.whole) ||
                     __builtin_add_overflow(number.whole, digit, &number.whole);
        else if (number.place < PLACE_MAX) {
            number.part = number.part * 10 + digit;
            number.place *= 10;
        }
    }
    *ret_number = number;
    *ret_end = text;
    return !any ? -EINVAL : large ? -ERANGE : 0;
}

/* Adds number x factor, rounded, to *sum. -ERANGE: that is beyond INT64_MAX. */
static int add_times(int64_t *sum, struct decimal number, uint64_t factor)
{
    const wide product =
        (wide)number.whole * factor + ((wide)number.part * factor + number.place / 2) / number.place + (wide)*sum;
    if (product > INT64_MAX)
        return -ERANGE;
    *sum = (int64_t)product;
    return 0;
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
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"K", 1 << 10},
                                        {"KB", 1 << 10},
                                        {"KiB", 1 << 10},
                                        {"M", 1 << 20},
                                        {"MB", 1 << 20},
                                        {"MiB", 1 << 20},
                                        {"G", 1 << 30},
                                        {"GB", 1 << 30},
                                        {"GiB", 1 << 30},
                                        {"T", UINT64_C(1) << 40},
                                        {"TB", UINT64_C(1) << 40},
                                        {"TiB", UINT64_C(1) << 40},
                                        {NULL, 0}};
    struct decimal number;
    const char *end;
    int64_t bytes = 0;
    int result = parse_number(text, &number, &end);
    const struct unit *unit = result == -EINVAL ? NULL : find_unit(units, end, strlen(end));
    if (!unit)
        return -EINVAL;
    if (result == 0)
        result = add_times(&bytes, number, unit->factor);
    if (result == 0)
        *ret_bytes = (uint64_t)bytes;
    return result;
}

int evtrail_parse_duration(const char *text, int64_t *ret_ns)
{
    static const struct unit units[] = {
        {"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", 1000000000},
        {"m", 60000000000}, {"min", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
        {NULL, 0}};
    int64_t sum = 0;
    int result = 0;
    if (!strcmp(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    if (!*text)
        return -EINVAL;
    while (*text) {
        struct decimal number;
        const char *name;
        const int parsed = parse_number(text, &number, &name);
        const size_t bytes = parsed == -EINVAL ? 0 : strspn(name, "abcdefghijklmnopqrstuvwxyz");
        const struct unit *unit = bytes ? find_unit(units, name, bytes) : NULL;
        if (!unit)
            return -EINVAL;
        if (parsed < 0 || result < 0 || add_times(&sum, number, unit->factor) < 0)
            result = -ERANGE;
        text = name + bytes;
    }
    if (result == 0)
        *ret_ns = sum;
    return result;
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
