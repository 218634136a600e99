/* SPDX-License-Identifier: ISC
 *
 * Error stacks as one line and as JSON. Texts come from anywhere (a peer's certificate, a name that a user typed), so they are valid
 * UTF-8 only after they went through here.
 */
#include "error_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* As snprintf counts: length is what it would be, what fits is put, whole characters only. */
struct out {
    char *text;
    size_t bytes, length, put;
};

static void put_bytes(struct out *out, const char *from, size_t n)
{
    if (out->put == out->length && out->length + n < out->bytes) {
        memcpy(out->text + out->put, from, n);
        out->put += n;
    }
    out->length += n;
}

static void put_string(struct out *out, const char *string)
{
    for (; *string; string++) {
        size_t n = 1;
        while (((unsigned char)string[n] & 0xc0) == 0x80)
            n++;
        put_bytes(out, string, n);
        string += n - 1;
    }
}

static void put_number(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_number(struct out *out, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put_string(out, text);
}

/* Bytes of the character at `at` if it is well-formed UTF-8 (Unicode 15, table 3-7), else 0. */
static size_t utf8_bytes(const unsigned char *at)
{
    if (at[0] < 0x80)
        return 1;
    const size_t n = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                     : (at[0] & 0xf0) == 0xe0         ? 3
                     : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                      : 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    const bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    const bool surrogate = at[0] == 0xed && at[1] > 0x9f;
    const bool beyond = at[0] == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

/* One character: control characters become a space in a line, an escape in JSON. */
static void put_character(struct out *out, const char *at, size_t n, bool json)
{
    const unsigned char c = (unsigned char)*at;
    if (!n)
        put_bytes(out, "\xef\xbf\xbd", 3); /* U+FFFD */
    else if (json && (c == '"' || c == '\\'))
        put_bytes(out, c == '"' ? "\\\"" : "\\\\", 2);
    else if (json && c == '\n')
        put_bytes(out, "\\n", 2);
    else if (json && c == '\t')
        put_bytes(out, "\\t", 2);
    else if (c >= 0x20 && c != 0x7f)
        put_bytes(out, at, n);
    else if (json)
        put_number(out, "\\u%04x", c);
    else
        put_bytes(out, " ", 1);
}

static void put_text(struct out *out, const char *text, bool json)
{
    while (*text) {
        const size_t n = utf8_bytes((const unsigned char *)text);
        put_character(out, text, n, json);
        text += n ? n : 1;
    }
}

static void put_json_string(struct out *out, const char *key, const char *text)
{
    put_string(out, "\"");
    put_string(out, key);
    put_string(out, "\":\"");
    put_text(out, text, true);
    put_string(out, "\"");
}

static size_t finish(struct out *out)
{
    if (out->bytes)
        out->text[out->put] = '\0';
    return out->length;
}

const char *error_duration(struct error_duration *duration, uint64_t ns)
{
    static const struct {
        uint64_t from_ns;
        double unit_ns;
        const char *unit;
    } units[] = {{1000000000, 1e9, "s"}, {100000, 1e6, "ms"}, {100, 1e3, "us"}, {0, 1, "ns"}};
    size_t i = 0;
    while (ns < units[i].from_ns)
        i++;
    const double value = (double)ns / units[i].unit_ns;
    const double rounded = (double)(uint64_t)(value + 0.5);
    const bool whole = value >= 100 || rounded * units[i].unit_ns == (double)ns;
    snprintf(duration->text, sizeof(duration->text), "%.*f %s", whole ? 0 : 1, value, units[i].unit);
    return duration->text;
}

const char *error_text(struct error_errno *text, int error)
{
    const char *known = strerrordesc_np(error < 0 ? -error : error);
    snprintf(text->text, sizeof(text->text), "%s", known ? known : "unknown error");
    if (text->text[0] >= 'A' && text->text[0] <= 'Z' && text->text[1] >= 'a')
        text->text[0] = (char)(text->text[0] - 'A' + 'a');
    return text->text;
}

size_t evpool_error_print(const struct evpool_error *error, char *text, size_t bytes)
{
    struct out out = {text, bytes, 0, 0};
    for (size_t i = 0; i < evpool_error_lines(error); i++) {
        put_string(&out, i ? " → " : "");
        put_text(&out, error->lines[i].text, false);
    }
    if (!evpool_error_lines(error))
        put_string(&out, evpool_code_name(evpool_error_code(error)));
    return finish(&out);
}

static void put_line(struct out *out, const struct evpool_error_line *line)
{
    put_string(out, "{");
    put_json_string(out, "code", evpool_code_name(line->code));
    put_number(out, ",\"errno\":%d,\"at_ns\":%" PRIu64 ",\"took_ns\":%" PRIu64 ",", line->error, line->at_ns,
               line->took_ns);
    put_json_string(out, "layer", line->layer);
    put_string(out, ",");
    put_json_string(out, "text", line->text);
    put_string(out, "}");
}

static void put_attempt(struct out *out, const struct evpool_error_attempt *attempt)
{
    put_string(out, "{");
    put_json_string(out, "address", attempt->address);
    put_string(out, ",");
    put_json_string(out, "code", evpool_code_name(attempt->code));
    put_number(out, ",\"errno\":%d,\"number\":%u", attempt->error, attempt->number);
    put_number(out, ",\"at_ns\":%" PRIu64 ",\"took_ns\":%" PRIu64 "}", attempt->at_ns, attempt->took_ns);
}

size_t evpool_error_json(const struct evpool_error *error, char *text, size_t bytes)
{
    struct out out = {text, bytes, 0, 0};
    put_string(&out, "{");
    put_json_string(&out, "code", evpool_code_name(evpool_error_code(error)));
    put_number(&out, ",\"errno\":%d,\"attempts_made\":%zu,\"lines\":[", evpool_error_errno(error),
               evpool_error_attempts(error));
    for (size_t i = 0; i < evpool_error_lines(error); i++) {
        put_string(&out, i ? "," : "");
        put_line(&out, &error->lines[i]);
    }
    put_string(&out, "],\"attempts\":[");
    const struct evpool_error_attempt *attempt;
    for (size_t i = 0; (attempt = evpool_error_attempt(error, i)); i++) {
        put_string(&out, i ? "," : "");
        put_attempt(&out, attempt);
    }
    put_string(&out, "]}");
    return finish(&out);
}
