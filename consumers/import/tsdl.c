/* SPDX-License-Identifier: ISC
 *
 * A parser by recursive descent. What it makes lives in an arena.
 */
#include "tsdl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES_MAX (256u << 20)
#define DEPTH_MAX 50
#define LENGTH_MAX (UINT64_C(1) << 20) /* of an array */

/* ---- memory ------------------------------------------------------------------------------------------------------------------ */

struct tsdl_arena {
    struct tsdl_arena *next;
    size_t used, size, total;
    _Alignas(16) char bytes[];
};

enum token_kind { END, NAME, NUMBER, TEXT, SIGN };
struct token {
    uint8_t kind;
    const char *at; /* into the text; TEXT: without the quotes */
    size_t bytes;
    int64_t number;
};
struct alias {
    struct alias *next;
    const char *name;
    const struct tsdl_type *type;
};
struct parser {
    struct tsdl_trace *trace;
    const char *at, *end;
    unsigned line, depth;
    struct token token; /* the one ahead */
    struct alias *aliases[256];
    bool big_endian;
    char *why;
    size_t why_size;
    int error;
    jmp_buf failed;
};

static _Noreturn void stop(struct parser *parser, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static _Noreturn void stop(struct parser *parser, int error, const char *format, ...)
{
    va_list list;
    const int used = snprintf(parser->why, parser->why_size, "line %u: ", parser->line);
    va_start(list, format);
    vsnprintf(parser->why + used, parser->why_size - (size_t)used, format, list);
    va_end(list);
    parser->error = error;
    longjmp(parser->failed, 1);
}

static void *take(struct parser *parser, size_t bytes)
{
    struct tsdl_arena *arena = parser->trace->arena;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!arena || arena->size - arena->used < bytes) {
        const size_t size = bytes > 65536 ? bytes : 65536;
        const size_t total = (arena ? arena->total : 0) + size;
        struct tsdl_arena *const more = total > ARENA_BYTES_MAX ? NULL : calloc(1, sizeof *more + size);
        if (!more)
            stop(parser, -ENOMEM, "no memory");
        more->next = arena;
        more->size = size;
        more->total = total;
        parser->trace->arena = arena = more;
    }
    void *const at = arena->bytes + arena->used;
    arena->used += bytes;
    return at;
}

static const char *keep(struct parser *parser, const char *text, size_t bytes)
{
    char *const copy = take(parser, bytes + 1);
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
        stop(parser, -EBADMSG, "a string without an end");
    parser->token.bytes = (size_t)(parser->at - parser->token.at);
    parser->at++;
}

static void advance(struct parser *parser)
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

static bool is(const struct parser *parser, const char *text)
{
    const struct token *const token = &parser->token;
    return (token->kind == NAME || token->kind == SIGN) && token->bytes == strlen(text) &&
           memcmp(token->at, text, token->bytes) == 0;
}

static bool accept(struct parser *parser, const char *text)
{
    if (!is(parser, text))
        return false;
    advance(parser);
    return true;
}

static void expect(struct parser *parser, const char *text)
{
    if (!accept(parser, text))
        stop(parser, -EBADMSG, "'%s' was expected, not '%.*s'", text,
             (int)(parser->token.bytes < 40 ? parser->token.bytes : 40), parser->token.at);
}

static const char *name_taken(struct parser *parser)
{
    if (parser->token.kind != NAME)
        stop(parser, -EBADMSG, "a name was expected");
    const char *const name = keep(parser, parser->token.at, parser->token.bytes);
    advance(parser);
    return name;
}

static int64_t number_taken(struct parser *parser)
{
    const bool minus = accept(parser, "-");
    if (!minus)
        accept(parser, "+");
    if (parser->token.kind != NUMBER)
        stop(parser, -EBADMSG, "a number was expected");
    const uint64_t value = (uint64_t)parser->token.number;
    advance(parser);
    return (int64_t)(minus ? -value : value);
}

/* ---- types ------------------------------------------------------------------------------------------------------------------- */

static unsigned bucket(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash >> 24;
}

static void alias_put(struct parser *parser, const char *name, const struct tsdl_type *type)
{
    struct alias *const alias = take(parser, sizeof *alias);
    struct alias **const head = &parser->aliases[bucket(name)];
    *alias = (struct alias){.next = *head, .name = name, .type = type};
    *head = alias;
}

static const struct tsdl_type *alias_find(const struct parser *parser, const char *name)
{
    for (const struct alias *alias = parser->aliases[bucket(name)]; alias; alias = alias->next)
        if (strcmp(alias->name, name) == 0)
            return alias->type;
    return NULL;
}

/* What stands behind `=`: a number, a text or a path, of which the last token and the first word are kept. */
struct value {
    int64_t number;
    const char *text; /* NULL: a number */
};

static struct value value_taken(struct parser *parser)
{
    struct value value = {0};
    if (parser->token.kind == TEXT) {
        value.text = keep(parser, parser->token.at, parser->token.bytes);
        advance(parser);
    } else if (parser->token.kind == NAME) {
        value.text = name_taken(parser);
        while (accept(parser, "."))
            name_taken(parser);
    } else {
        value.number = number_taken(parser);
    }
    return value;
}

static void number_attribute(struct parser *parser, struct tsdl_type *type, const char *name, struct value value)
{
    const char *const text = value.text ? value.text : "";
    if (strcmp(name, "size") == 0)
        type->size = value.number > 0 && value.number <= 64 ? (uint32_t)value.number : 0;
    else if (strcmp(name, "align") == 0)
        type->align = value.number > 0 && value.number <= 4096 ? (uint32_t)value.number : 0;
    else if (strcmp(name, "signed") == 0)
        type->is_signed = strcmp(text, "true") == 0 || strcmp(text, "TRUE") == 0 || value.number != 0;
    else if (strcmp(name, "base") == 0)
        type->base = strcmp(text, "hex") == 0 || strcmp(text, "x") == 0 || value.number == 16 ? 16 : 10;
    else if (strcmp(name, "encoding") == 0)
        type->text = strcmp(text, "none") != 0;
    else if (strcmp(name, "map") == 0)
        type->clock = true;
    else if (strcmp(name, "byte_order") == 0)
        type->swap = strcmp(text, "be") == 0 || strcmp(text, "network") == 0 ||
                     (parser->big_endian && strcmp(text, "native") == 0);
    else if (strcmp(name, "exp_dig") == 0 || strcmp(name, "mant_dig") == 0)
        type->size += value.number > 0 && value.number <= 64 ? (uint32_t)value.number : 0;
}

static const struct tsdl_type *number_type(struct parser *parser, enum tsdl_kind kind)
{
    struct tsdl_type *const type = take(parser, sizeof *type);
    *type = (struct tsdl_type){.kind = (uint8_t)kind, .base = 10, .align = 1, .swap = parser->big_endian};
    expect(parser, "{");
    while (!accept(parser, "}")) {
        const char *const name = name_taken(parser);
        expect(parser, "=");
        number_attribute(parser, type, name, value_taken(parser));
        expect(parser, ";");
    }
    const bool bad_float = kind == TSDL_float && type->size != 32 && type->size != 64;
    if (type->size == 0 || type->align == 0 || (type->align & (type->align - 1)) || bad_float)
        stop(parser, -EBADMSG, "a number of a size or alignment that is not read here");
    return type;
}

static const struct tsdl_type *type_taken(struct parser *parser, const char **ret_name);

static void enumerators(struct parser *parser, struct tsdl_type *type)
{
    struct tsdl_enumerator **at = &type->enumerators;
    int64_t next = 0;
    expect(parser, "{");
    while (!accept(parser, "}")) {
        struct tsdl_enumerator *const one = take(parser, sizeof *one);
        one->name = parser->token.kind == TEXT ? value_taken(parser).text : name_taken(parser);
        one->first = one->last = next;
        if (accept(parser, "=")) {
            one->first = one->last = number_taken(parser);
            if (accept(parser, "..."))
                one->last = number_taken(parser);
        }
        next = (int64_t)((uint64_t)one->last + 1);
        *at = one;
        at = &one->next;
        if (!accept(parser, ","))
            expect(parser, "}");
        else
            continue;
        break;
    }
}

static const struct tsdl_type *enum_type(struct parser *parser)
{
    struct tsdl_type *const type = take(parser, sizeof *type);
    const char *name = parser->token.kind == NAME ? name_taken(parser) : NULL;
    char text[300];
    if (name)
        snprintf(text, sizeof text, "enum %s", name);
    if (name && !is(parser, ":") && !is(parser, "{")) {
        const struct tsdl_type *const known = alias_find(parser, text);
        if (!known)
            stop(parser, -EBADMSG, "no %.100s", text);
        return known;
    }
    const struct tsdl_type *container = accept(parser, ":") ? type_taken(parser, NULL) : alias_find(parser, "int");
    if (!container || container->kind != TSDL_integer)
        stop(parser, -EBADMSG, "an enum of something that is no integer");
    *type = *container;
    type->kind = TSDL_enum;
    type->of = container;
    enumerators(parser, type);
    if (name)
        alias_put(parser, keep(parser, text, strlen(text)), type);
    return type;
}

/* name, name[8], name[length] ... around the type. */
static const struct tsdl_type *declarator(struct parser *parser, const struct tsdl_type *type)
{
    struct {
        uint64_t length;
        const char *ref;
    } dims[8];
    unsigned count = 0;
    while (accept(parser, "[")) {
        if (count == 8)
            stop(parser, -EBADMSG, "too many dimensions");
        dims[count].ref = NULL;
        if (parser->token.kind == NUMBER) {
            dims[count].length = (uint64_t)number_taken(parser);
            if (dims[count].length > LENGTH_MAX)
                stop(parser, -EBADMSG, "too long an array");
        } else {
            dims[count].ref = name_taken(parser);
            while (accept(parser, "."))
                dims[count].ref = name_taken(parser);
        }
        expect(parser, "]");
        count++;
    }
    while (count-- > 0) {
        struct tsdl_type *const around = take(parser, sizeof *around);
        *around =
            (struct tsdl_type){.kind = dims[count].ref ? TSDL_sequence : TSDL_array, .align = type->align, .of = type};
        around->length = dims[count].length;
        around->ref = dims[count].ref;
        type = around;
    }
    return type;
}

static void typealias(struct parser *parser)
{
    char text[300] = "";
    size_t used = 0;
    const struct tsdl_type *const type = type_taken(parser, NULL);
    expect(parser, ":=");
    while (parser->token.kind == NAME) {
        const int n = snprintf(text + used, sizeof text - used, "%s%.*s", used ? " " : "", (int)parser->token.bytes,
                               parser->token.at);
        used += (size_t)n;
        if (used >= sizeof text)
            stop(parser, -EBADMSG, "too long a name");
        advance(parser);
    }
    expect(parser, ";");
    alias_put(parser, keep(parser, text, used), type);
}

static void typedefinition(struct parser *parser)
{
    const char *name = NULL;
    const struct tsdl_type *type = type_taken(parser, &name);
    if (!name)
        name = name_taken(parser);
    type = declarator(parser, type);
    expect(parser, ";");
    alias_put(parser, name, type);
}

static void fields(struct parser *parser, struct tsdl_type *type)
{
    struct tsdl_field **at = &type->fields;
    expect(parser, "{");
    while (!accept(parser, "}")) {
        const char *name = NULL;
        if (accept(parser, "typealias")) {
            typealias(parser);
            continue;
        }
        if (accept(parser, "typedef")) {
            typedefinition(parser);
            continue;
        }
        const struct tsdl_type *of = type_taken(parser, &name);
        if (is(parser, ";")) { /* a type is defined, and no field of it */
            if (!name) {
                advance(parser);
                continue;
            }
        }
        struct tsdl_field *const field = take(parser, sizeof *field);
        field->name = name ? name : name_taken(parser);
        field->type = declarator(parser, of);
        expect(parser, ";");
        if (type->kind == TSDL_struct && field->type->align > type->align)
            type->align = field->type->align;
        *at = field;
        at = &field->next;
    }
}

/* struct and variant, named or not, with a body or by name. */
static const struct tsdl_type *compound_type(struct parser *parser, enum tsdl_kind kind)
{
    struct tsdl_type *type = take(parser, sizeof *type);
    char text[300];
    const char *name = parser->token.kind == NAME && !is(parser, "align") ? name_taken(parser) : NULL;
    *type = (struct tsdl_type){.kind = (uint8_t)kind, .align = 1};
    if (name)
        snprintf(text, sizeof text, "%s %s", kind == TSDL_struct ? "struct" : "variant", name);
    if (kind == TSDL_variant && accept(parser, "<")) {
        do
            type->ref = name_taken(parser);
        while (accept(parser, "."));
        expect(parser, ">");
    }
    if (is(parser, "{")) {
        fields(parser, type);
        if (name)
            alias_put(parser, keep(parser, text, strlen(text)), type);
    } else {
        const struct tsdl_type *const known = name ? alias_find(parser, text) : NULL;
        if (!known)
            stop(parser, -EBADMSG, "a struct or variant that was not defined");
        const char *const ref = type->ref;
        *type = *known;
        type->ref = ref ? ref : known->ref;
    }
    if (kind == TSDL_struct && accept(parser, "align")) {
        expect(parser, "(");
        const int64_t align = number_taken(parser);
        if (align < 1 || align > 4096 || (align & (align - 1)))
            stop(parser, -EBADMSG, "an alignment that is none");
        type->align = (uint32_t)align > type->align ? (uint32_t)align : type->align;
        expect(parser, ")");
    }
    return type;
}

/* A type by its name of one or more words. Where a declaration follows, the last word is what is declared: *ret_name. */
static const struct tsdl_type *named_type(struct parser *parser, const char **ret_name)
{
    char text[300] = "", last[150] = "";
    size_t used = 0;
    const struct tsdl_type *best = NULL;
    while (parser->token.kind == NAME) {
        if (best && ret_name) { /* is the name one word longer? */
            char longer[460];
            snprintf(longer, sizeof longer, "%s %.*s", text,
                     (int)(parser->token.bytes < 150 ? parser->token.bytes : 149), parser->token.at);
            if (!alias_find(parser, longer))
                break;
        }
        snprintf(last, sizeof last, "%.*s", (int)(parser->token.bytes < 150 ? parser->token.bytes : 149),
                 parser->token.at);
        const int n = snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", last);
        used += (size_t)n;
        if (used >= sizeof text)
            stop(parser, -EBADMSG, "too long a name");
        best = alias_find(parser, text);
        advance(parser);
    }
    if (!best)
        stop(parser, -EBADMSG, "no type '%.100s'", text);
    return best;
}

static const struct tsdl_type *type_taken(struct parser *parser, const char **ret_name)
{
    static const struct tsdl_type string = {.kind = TSDL_string, .align = 8};
    const struct tsdl_type *type;
    if (++parser->depth > DEPTH_MAX)
        stop(parser, -EBADMSG, "types are nested too deeply");
    accept(parser, "const");
    if (accept(parser, "integer")) {
        type = number_type(parser, TSDL_integer);
    } else if (accept(parser, "floating_point")) {
        type = number_type(parser, TSDL_float);
    } else if (accept(parser, "string")) {
        type = &string;
        if (accept(parser, "{"))
            for (; !accept(parser, "}"); advance(parser))
                if (parser->token.kind == END)
                    stop(parser, -EBADMSG, "a string type without an end");
    } else if (accept(parser, "struct")) {
        type = compound_type(parser, TSDL_struct);
    } else if (accept(parser, "variant")) {
        type = compound_type(parser, TSDL_variant);
    } else if (accept(parser, "enum")) {
        type = enum_type(parser);
    } else {
        type = named_type(parser, ret_name);
    }
    parser->depth--;
    return type;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------------------ */

/* `path = value;` or `path := type;` of a block. */
struct statement {
    char path[100];
    struct value value;
    const struct tsdl_type *type; /* NULL: a value */
};

static bool statement_taken(struct parser *parser, struct statement *statement)
{
    size_t used = 0;
    for (;;) {
        if (accept(parser, "}")) {
            accept(parser, ";");
            return false;
        }
        if (accept(parser, "typealias")) {
            typealias(parser);
        } else if (accept(parser, "typedef")) {
            typedefinition(parser);
        } else if (is(parser, "struct") || is(parser, "enum") || is(parser, "variant")) {
            type_taken(parser, NULL);
            expect(parser, ";");
        } else {
            break;
        }
    }
    *statement = (struct statement){0};
    do {
        const char *const name = name_taken(parser);
        const int n = snprintf(statement->path + used, sizeof statement->path - used, "%s%s", used ? "." : "", name);
        used += (size_t)n;
        if (used >= sizeof statement->path)
            stop(parser, -EBADMSG, "too long a name");
    } while (accept(parser, "."));
    if (accept(parser, ":="))
        statement->type = type_taken(parser, NULL);
    else {
        expect(parser, "=");
        statement->value = value_taken(parser);
    }
    expect(parser, ";");
    return true;
}

static void trace_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "packet.header") == 0)
            parser->trace->packet_header = statement.type;
        else if (strcmp(statement.path, "byte_order") == 0 && statement.value.text)
            parser->big_endian = strcmp(statement.value.text, "be") == 0;
        else if (strcmp(statement.path, "major") == 0 && statement.value.number != 1)
            stop(parser, -EBADMSG, "CTF %lld, not 1", (long long)statement.value.number);
    }
    if (parser->big_endian)
        stop(parser, -EBADMSG, "traces of big-endian machines are not read");
}

static void clock_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "freq") == 0)
            parser->trace->clock_hz = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "offset") == 0)
            parser->trace->clock_offset = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "offset_s") == 0)
            parser->trace->clock_offset_s = statement.value.number;
    }
    if (parser->trace->clock_hz == 0)
        stop(parser, -EBADMSG, "a clock that stands");
}

static void env_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        struct tsdl_env *const env = take(parser, sizeof *env);
        *env = (struct tsdl_env){.next = parser->trace->env,
                                 .name = keep(parser, statement.path, strlen(statement.path)),
                                 .text = statement.value.text,
                                 .number = statement.value.number};
        parser->trace->env = env;
    }
}

static struct tsdl_stream *stream_of(struct parser *parser, uint64_t id)
{
    for (struct tsdl_stream *stream = parser->trace->streams; stream; stream = stream->next)
        if (stream->id == id)
            return stream;
    return NULL;
}

static void stream_block(struct parser *parser)
{
    struct tsdl_stream *const stream = take(parser, sizeof *stream);
    struct statement statement;
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "id") == 0)
            stream->id = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "packet.context") == 0)
            stream->packet_context = statement.type;
        else if (strcmp(statement.path, "event.header") == 0)
            stream->event_header = statement.type;
        else if (strcmp(statement.path, "event.context") == 0)
            stream->event_context = statement.type;
    }
    if (stream_of(parser, stream->id))
        stop(parser, -EBADMSG, "two streams have one id");
    stream->next = parser->trace->streams;
    parser->trace->streams = stream;
}

static void event_block(struct parser *parser)
{
    struct tsdl_event *const event = take(parser, sizeof *event);
    struct statement statement;
    *event = (struct tsdl_event){.name = "", .loglevel = -1};
    while (statement_taken(parser, &statement)) {
        if (strcmp(statement.path, "id") == 0)
            event->id = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "stream_id") == 0)
            event->stream_id = (uint64_t)statement.value.number;
        else if (strcmp(statement.path, "name") == 0)
            event->name = statement.value.text ? statement.value.text : "";
        else if (strcmp(statement.path, "loglevel") == 0)
            event->loglevel = statement.value.number;
        else if (strcmp(statement.path, "context") == 0)
            event->context = statement.type;
        else if (strcmp(statement.path, "fields") == 0)
            event->fields = statement.type;
    }
    struct tsdl_stream *const stream = stream_of(parser, event->stream_id);
    if (!stream)
        stop(parser, -EBADMSG, "an event of a stream that was not defined");
    event->next = stream->events;
    stream->events = event;
}

static void skip_block(struct parser *parser)
{
    struct statement statement;
    while (statement_taken(parser, &statement))
        ;
}

static void top_level(struct parser *parser)
{
    static const struct {
        const char *name;
        void (*block)(struct parser *parser);
    } blocks[] = {{"trace", trace_block},   {"clock", clock_block}, {"env", env_block},
                  {"stream", stream_block}, {"event", event_block}, {"callsite", skip_block}};
    if (accept(parser, ";"))
        return;
    if (accept(parser, "typealias")) {
        typealias(parser);
        return;
    }
    if (accept(parser, "typedef")) {
        typedefinition(parser);
        return;
    }
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (accept(parser, blocks[i].name)) {
            expect(parser, "{");
            blocks[i].block(parser);
            return;
        }
    }
    if (!is(parser, "struct") && !is(parser, "enum") && !is(parser, "variant"))
        stop(parser, -EBADMSG, "'%.*s' was not expected", (int)(parser->token.bytes < 40 ? parser->token.bytes : 40),
             parser->token.at);
    type_taken(parser, NULL);
    expect(parser, ";");
}

int tsdl_parse(struct tsdl_trace *trace, const char *text, size_t count, char *why, size_t why_size)
{
    struct parser *const parser = calloc(1, sizeof *parser);
    *trace = (struct tsdl_trace){.clock_hz = 1000000000};
    if (!parser)
        return -ENOMEM;
    parser->trace = trace;
    parser->at = text;
    parser->end = text + count;
    parser->line = 1;
    parser->why = why;
    parser->why_size = why_size;
    if (setjmp(parser->failed) == 0) {
        advance(parser);
        while (parser->token.kind != END)
            top_level(parser);
    }
    const int r = parser->error;
    free(parser);
    return r;
}

void tsdl_free(struct tsdl_trace *trace)
{
    for (struct tsdl_arena *arena = trace->arena, *next; arena; arena = next) {
        next = arena->next;
        free(arena);
    }
    *trace = (struct tsdl_trace){0};
}

const struct tsdl_env *tsdl_env(const struct tsdl_trace *trace, const char *name)
{
    for (const struct tsdl_env *env = trace->env; env; env = env->next)
        if (strcmp(env->name, name) == 0)
            return env;
    return NULL;
}

const char *tsdl_name(const char *name)
{
    return *name == '_' ? name + 1 : name;
}
