/* SPDX-License-Identifier: ISC
 *
 * Stands in until formatting lands.
 */
#include <evtrail/format.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
STAND_IN int evtrail_parse_size(const char *text, uint64_t *ret_bytes)
{
    return -EINVAL;
}
STAND_IN int evtrail_parse_duration(const char *text, int64_t *ret_ns)
{
    return -EINVAL;
}
STAND_IN int evtrail_parse_time(const char *text, int64_t now_ns, int64_t *ret_time_ns)
{
    return -EINVAL;
}
