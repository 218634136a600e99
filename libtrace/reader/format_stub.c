/* SPDX-License-Identifier: ISC
 *
 * Stands in until formatting lands.
 */
#include <evtrail/format.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STAND_IN __attribute__((weak))

STAND_IN size_t evtrail_format_text(const struct evtrail_event *event, const struct evtrail_format_options *options, char *buffer, size_t size)
{
    return (size_t)snprintf(buffer, size, "%lld %s\n", (long long)event->time, event->type ? event->type->name : "?");
}
STAND_IN size_t evtrail_format_json(const struct evtrail_event *event, const struct evtrail_format_options *options, char *buffer, size_t size)
{
    return (size_t)snprintf(buffer, size, "{\"ns\":%lld,\"name\":\"%s\"}\n", (long long)event->time, event->type ? event->type->name : "?");
}
STAND_IN size_t evtrail_format_escaped(const char *text, size_t bytes, char *buffer, size_t size)
{
    return (size_t)snprintf(buffer, size, "%.*s", (int)bytes, text);
}
STAND_IN size_t evtrail_format_json_string(const char *text, size_t bytes, char *buffer, size_t size)
{
    return (size_t)snprintf(buffer, size, "\"%.*s\"", (int)bytes, text);
}
STAND_IN const char *evtrail_kind_name(unsigned kind)
{
    return "?";
}
STAND_IN const char *evtrail_enum_name(const char *enums, int64_t value, size_t *ret_bytes)
{
    return NULL;
}
struct scale {
    const char *name;
    double factor;
};

static int parse_scaled(const char *text, const struct scale *scales, int64_t *ret_value)
{
    char *end;
    if (strspn(text, "0123456789.") == 0 || text[1] == 'x' || text[1] == 'X')
        return -EINVAL;
    double number = strtod(text, &end);
    for (; scales->name; scales++) {
        if (strcasecmp(end, scales->name) != 0)
            continue;
        if (!(number * scales->factor < 9e18))
            return -ERANGE;
        *ret_value = (int64_t)(number * scales->factor + 0.5);
        return 0;
    }
    return -EINVAL;
}
STAND_IN int evtrail_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct scale scales[] = {{"", 1}, {"B", 1}, {"K", 1024}, {"KiB", 1024}, {"M", 1 << 20}, {"MiB", 1 << 20},
                                          {"G", 1 << 30}, {"GiB", 1 << 30}, {"TiB", 1099511627776.0}, {NULL, 0}};
    int64_t bytes;
    int result = parse_scaled(text, scales, &bytes);
    if (result == 0)
        *ret_bytes = (uint64_t)bytes;
    return result;
}
STAND_IN int evtrail_parse_duration(const char *text, int64_t *ret_ns)
{
    static const struct scale scales[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}, {NULL, 0}};
    return parse_scaled(text, scales, ret_ns);
}
STAND_IN int evtrail_parse_time(const char *text, int64_t now_ns, int64_t *ret_time_ns)
{
    char *end;
    long long seconds = *text == '@' ? strtoll(text + 1, &end, 10) : -1;
    if (seconds < 0 || end == text + 1)
        return -EINVAL;
    *ret_time_ns = seconds * 1000000000;
    for (int64_t place = 100000000; *end == '.' || place < 100000000; place /= 10) {
        end++;
        if (*end < '0' || *end > '9')
            break;
        *ret_time_ns += (*end - '0') * place;
    }
    return *end ? -EINVAL : 0;
}
