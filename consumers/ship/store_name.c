/* SPDX-License-Identifier: ISC
 *
 * Names of peers as parts of paths, and names of files as streams and sessions.
 */
#include "ship/store_private.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool allowed(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte && strchr(".-_@+=,:", byte));
}

void store_name(char ret_name[STORE_NAME_BYTES + 1], const char *text, const char *otherwise)
{
    size_t used = 0;
    bool any = false;
    for (; *text && used < STORE_NAME_BYTES; text++) {
        const bool keep = allowed(*text) && (used || (*text != '.' && *text != '-'));
        ret_name[used++] = keep ? *text : '_';
        any |= keep;
    }
    ret_name[used] = 0;
    if (!any)
        snprintf(ret_name, STORE_NAME_BYTES + 1, "%s", otherwise);
}

/* 20261121T141525.123456789Z, or what no calendar has as a number. */
static void start_name(char *out, size_t size, uint64_t realtime_ns)
{
    const time_t seconds = (time_t)(realtime_ns / 1000000000);
    struct tm calendar;
    char text[32];
    if (realtime_ns / 1000000000 > UINT64_C(253402300799) || !gmtime_r(&seconds, &calendar) ||
        !strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &calendar))
        snprintf(out, size, "%llu", (unsigned long long)realtime_ns);
    else
        snprintf(out, size, "%s.%09uZ", text, (unsigned)(realtime_ns % 1000000000));
}

void store_set_name(char ret_name[STORE_PATH_BYTES], const struct evtrail_source_frame *source, const uint8_t *stream)
{
    char host[STORE_NAME_BYTES + 1], program[STORE_NAME_BYTES + 1], start[48], id[2 * WIRE_STREAM_ID_BYTES + 1];
    const char *slash = strrchr(source->program, '/'), *base = slash ? slash + 1 : source->program;
    store_name(host, source->host, "unknown-host");
    store_name(program, *base ? base : source->command, "unknown-program");
    start_name(start, sizeof(start), source->start_realtime_ns);
    for (unsigned i = 0; i < WIRE_STREAM_ID_BYTES; i++)
        snprintf(id + 2 * i, 3, "%02x", stream[i]);
    snprintf(ret_name, STORE_PATH_BYTES, "%s/%s/%s-%u/%016llx-%s", host, program, start, source->pid,
             (unsigned long long)source->session_id, id);
}

static int digit(char byte)
{
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool store_parse_name(const char *name, uint8_t ret_stream[WIRE_STREAM_ID_BYTES], uint64_t *ret_session,
                      uint32_t *ret_part)
{
    uint64_t session = 0, part = 0;
    unsigned at = 0, digits = 0;
    for (; at < 16; at++) {
        if (digit(name[at]) < 0)
            return false;
        session = session << 4 | (uint64_t)digit(name[at]);
    }
    if (name[at++] != '-')
        return false;
    for (unsigned i = 0; i < WIRE_STREAM_ID_BYTES; i++, at += 2) {
        if (digit(name[at]) < 0 || digit(name[at + 1]) < 0)
            return false;
        ret_stream[i] = (uint8_t)(digit(name[at]) << 4 | digit(name[at + 1]));
    }
    if (name[at++] != '.')
        return false;
    for (; name[at] >= '0' && name[at] <= '9' && digits < 10; at++, digits++)
        part = part * 10 + (uint64_t)(name[at] - '0');
    *ret_session = session;
    *ret_part = (uint32_t)part;
    return digits >= 5 && part && part <= UINT32_MAX && !strcmp(name + at, ".evt");
}
