/* SPDX-License-Identifier: ISC
 *
 * The parser of TSDL: memory and words.
 */
#include "tsdl_parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES_MAX (256u << 20)

/* ---- memory ------------------------------------------------------------------------------------------------------------------ */

struct tsdl_arena {
    struct tsdl_arena *next;
    size_t used, size, total;
    _Alignas(16) char bytes[];
};

_Noreturn void tsdl_stop(struct parser *parser, int error, const char *format, ...)
{
    va_list list;
    const int used = snprintf(parser->why, parser->why_size, "line %u: ", parser->line);
    va_start(list, format);
    vsnprintf(parser->why + used, parser->why_size - (size_t)used, format, list);
    va_end(list);
    parser->error = error;
    longjmp(parser->failed, 1);
}

void *tsdl_take(struct parser *parser, size_t bytes)
{
    struct tsdl_arena *arena = parser->trace->arena;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!arena || arena->size - arena->used < bytes) {
        const size_t size = bytes > 65536 ? bytes : 65536;
        const size_t total = (arena ? arena->total : 0) + size;
        struct tsdl_arena *const more = total > ARENA_BYTES_MAX ? NULL : calloc(1, sizeof *more + size);
        if (!more)
            tsdl_stop(parser, -ENOMEM, "no memory");
        more->next = arena;
        more->size = size;
        more->total = total;
        parser->trace->arena = arena = more;
    }
    void *const at = arena->bytes + arena->used;
    arena->used += bytes;
    return at;
}

const char *tsdl_keep(struct parser *parser, const char *text, size_t bytes)
{
    char *const copy = tsdl_take(parser, bytes + 1);
    memcpy(copy, text, bytes);
    return copy;
}

/* ---- words ------------------------------------------------------------------------------------------------------------------- */

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_space(struct parser *parser)
{
    while (parser->at < parser->end) {
        const char *const at = parser->at;
        const bool comment = parser->end - at >= 2 && at[0] == '/' && (at[1] == '*' || at[1] == '/');
        if (*at == '\n')
            parser->line++;
        if (comment) {
            const char *const stop_at = at[1] == '*' ? "*/" : "\n";
            const char *const end = memmem(at + 2, (size_t)(parser->end - at) - 2, stop_at, strlen(stop_at));
            parser->at = end ? end + (at[1] == '*' ? 2 : 0) : parser->end;
            for (const char *c = at; c < parser->at; c++)
                parser->line += *c == '\n';
        } else if (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
            parser->at++;
        } else {
            return;
        }
    }
}

static void number(struct parser *parser)
{
    uint64_t value = 0;
    unsigned base = 10;
    if (parser->end - parser->at > 2 && parser->at[0] == '0' && (parser->at[1] == 'x' || parser->at[1] == 'X')) {
        base = 16;
        parser->at += 2;
    } else if (*parser->at == '0') {
        base = 8;
    }
    for (; parser->at < parser->end; parser->at++) {
        const char c = *parser->at;
        const unsigned digit = c >= '0' && c <= '9'                 ? (unsigned)(c - '0')
                               : base == 16 && c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                               : base == 16 && c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                                    : 99;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    while (parser->at < parser->end && strchr("uUlL", *parser->at) && *parser->at)
        parser->at++;
    parser->token.number = (int64_t)value;
}

static void quoted(struct parser *parser)
{
    parser->token.at = ++parser->at;
    while (parser->at < parser->end && *parser->at != '"' && *parser->at != '\n')
        parser->at += *parser->at == '\\' && parser->end - parser->at > 1 ? 2 : 1;
    if (parser->at >= parser->end || *parser->at != '"')
        tsdl_stop(parser, -EBADMSG, "a string without an end");
    parser->token.bytes = (size_t)(parser->at - parser->token.at);
    parser->at++;
}

void tsdl_advance(struct parser *parser)
{
    struct token *const token = &parser->token;
    skip_space(parser);
    *token = (struct token){.kind = END, .at = parser->at};
    if (parser->at >= parser->end)
        return;
    if (starts_name(*parser->at)) {
        token->kind = NAME;
        while (parser->at < parser->end && (starts_name(*parser->at) || (*parser->at >= '0' && *parser->at <= '9')))
            parser->at++;
    } else if (*parser->at >= '0' && *parser->at <= '9') {
        token->kind = NUMBER;
        number(parser);
    } else if (*parser->at == '"') {
        token->kind = TEXT;
        quoted(parser);
        return;
    } else {
        token->kind = SIGN;
        parser->at += parser->end - parser->at >= 3 && memcmp(parser->at, "...", 3) == 0  ? 3
                      : parser->end - parser->at >= 2 && memcmp(parser->at, ":=", 2) == 0 ? 2
                                                                                          : 1;
    }
    token->bytes = (size_t)(parser->at - token->at);
}

bool tsdl_is(const struct parser *parser, const char *text)
{
    const struct token *const token = &parser->token;
    return (token->kind == NAME || token->kind == SIGN) && token->bytes == strlen(text) &&
           memcmp(token->at, text, token->bytes) == 0;
}

bool tsdl_accept(struct parser *parser, const char *text)
{
    if (!tsdl_is(parser, text))
        return false;
    tsdl_advance(parser);
    return true;
}

void tsdl_expect(struct parser *parser, const char *text)
{
    if (!tsdl_accept(parser, text))
        tsdl_stop(parser, -EBADMSG, "'%s' was expected, not '%.*s'", text,
                  (int)(parser->token.bytes < 40 ? parser->token.bytes : 40), parser->token.at);
}

const char *tsdl_name_taken(struct parser *parser)
{
    if (parser->token.kind != NAME)
        tsdl_stop(parser, -EBADMSG, "a name was expected");
    const char *const name = tsdl_keep(parser, parser->token.at, parser->token.bytes);
    tsdl_advance(parser);
    return name;
}

int64_t tsdl_number_taken(struct parser *parser)
{
    const bool minus = tsdl_accept(parser, "-");
    if (!minus)
        tsdl_accept(parser, "+");
    if (parser->token.kind != NUMBER)
        tsdl_stop(parser, -EBADMSG, "a number was expected");
    const uint64_t value = (uint64_t)parser->token.number;
    tsdl_advance(parser);
    return (int64_t)(minus ? -value : value);
}

void tsdl_free(struct tsdl_trace *trace)
{
    for (struct tsdl_arena *arena = trace->arena, *next; arena; arena = next) {
        next = arena->next;
        free(arena);
    }
    *trace = (struct tsdl_trace){0};
}
